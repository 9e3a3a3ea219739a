/* SPDX-License-Identifier: MIT */
/*
 * What a pool knows, where it lies, and how to reach it. All of it is in the caller's private metadata: per area one block of
 *
 *   head      lock, cursor, counts
 *   index     rows of bits over the segments (index.h)
 *   longest   per segment, the longest run of free slots
 *   free      per segment, a bitmap of free slots (runs.h)
 *   records   per slot; the one of a mapping's first slot says what the mapping is
 *
 * Areas share nothing that changes, not even a cache line.
 *
 * A record is 24 bytes on a 64-bit CPU (20 on a 32-bit one) and there is one for every slot, because every slot can be a mapping of
 * its own: its original (8), its owner (4), the number that tells its handle from stale ones (4), its size, offset and direction
 * (63 bits). Fewer would do for larger mappings, but a pool that has free slots and no room to write down who has them would be full
 * early. One map writes one record, however long the mapping; the bitmaps add about 4 bits per slot.
 */
#ifndef BOUNCE_AREA_H
#define BOUNCE_AREA_H

#include <bounce/bounce.h>

#include "index.h"
#include "lock.h"

/* What keeps two areas off each other's cache lines, with prefetched neighbours. */
#define AREA_LINE 128u

#define POOL_READY UINT32_C(0xb0c1c0de)

struct area_head {
    bounce_lock lock;
    /* under the lock */
    uint32_t cursor;     /* where the next search starts, in slots of the area; less than the area has */
    uint32_t used;       /* slots */
    uint32_t high_water; /* the most that used has been */
    uint32_t mappings;   /* live records */
    uint32_t number;     /* of the latest mapping */
};

/* One mapping. The number and `ending` are read and written under the lock; the rest is constant while the mapping lives. */
struct record {
    void *orig;
    uint32_t number; /* never 0 for a mapping; 0: none starts at this slot */
    uint32_t owner;
    uint32_t size : 29;     /* bytes of data */
    uint32_t direction : 2; /* 0: coherent */
    uint32_t ending : 1;    /* unmap is copying: the handle is dead, the slots are not free yet */
    uint32_t offset : 28;   /* bytes from the first slot to the data */
    uint32_t granule : 4;   /* the allocation is a multiple of 2^granule slots long */
};

/* An area, taken apart for use. */
struct area {
    struct area_head *head;
    bits_word *index;
    uint16_t *longest;
    bits_word *free;
    struct record *records;
    uint32_t number;     /* of the area */
    uint32_t first_slot; /* of the pool */
    uint32_t segments;
    uint32_t slots;
};

/* The bytes of so many slots, and the whole slots in so many bytes. A 64-bit shift would be a library call on small 32-bit CPUs. */
static inline uint64_t pool_bytes(const struct bounce_pool *pool, uint32_t slots)
{
#if UINTPTR_MAX > 0xffffffffu
    return (uint64_t)slots << pool->slot_shift;
#else
    return (uint64_t)(slots >> (32 - pool->slot_shift)) << 32 | slots << pool->slot_shift;
#endif
}

static inline uint64_t pool_slots(const struct bounce_pool *pool, uint64_t bytes)
{
#if UINTPTR_MAX > 0xffffffffu
    return bytes >> pool->slot_shift;
#else
    uint32_t high = (uint32_t)(bytes >> 32);

    return (uint64_t)(high >> pool->slot_shift) << 32 | high << (32 - pool->slot_shift) | (uint32_t)bytes >> pool->slot_shift;
#endif
}

/* Bytes of a slot, less one. */
static inline uint32_t slot_mask(const struct bounce_pool *pool)
{
    return (UINT32_C(1) << pool->slot_shift) - 1;
}

static inline uint32_t area_count(const struct bounce_pool *pool)
{
    return UINT32_C(1) << pool->area_shift;
}

static inline uint32_t segment_slots(const struct bounce_pool *pool)
{
    return UINT32_C(1) << pool->segment_shift;
}

/* The first segment of an area; of the one after the last, the end of the pool. */
static inline uint32_t area_first_segment(const struct bounce_pool *pool, uint32_t number)
{
    return number * pool->area_segments + (number > pool->first_longer ? number - pool->first_longer : 0);
}

static inline struct area area_of(const struct bounce_pool *pool, uint32_t number)
{
    unsigned char *block = pool->meta + number * pool->block_size;
    uint32_t first = area_first_segment(pool, number);
    uint32_t end = area_first_segment(pool, number + 1);
    struct area area;

    area.head = (struct area_head *)(void *)block;
    area.index = (bits_word *)(void *)(block + pool->index_at);
    area.longest = (uint16_t *)(void *)(block + pool->longest_at);
    area.free = (bits_word *)(void *)(block + pool->free_at);
    area.records = (struct record *)(void *)(block + pool->records_at);
    area.number = number;
    area.first_slot = first << pool->segment_shift;
    area.segments = end - first;
    area.slots = (end - first) << pool->segment_shift;
    if (area.slots > pool->slots - area.first_slot)
        area.slots = pool->slots - area.first_slot;
    return area;
}

static inline bits_word *area_segment(const struct bounce_pool *pool, const struct area *area, uint32_t segment)
{
    return area->free + segment * (size_t)pool->segment_words;
}

/* The slots of the longest segment. */
static inline uint32_t longest_segment(const struct bounce_pool *pool)
{
    return pool->slots < segment_slots(pool) ? pool->slots : segment_slots(pool);
}

/* The slots of a segment; the last one may be cut short. */
static inline uint32_t area_segment_slots(const struct bounce_pool *pool, const struct area *area, uint32_t segment)
{
    uint32_t left = area->slots - (segment << pool->segment_shift);

    return left < segment_slots(pool) ? left : segment_slots(pool);
}

/* The slots of the allocation. */
static inline uint32_t record_slots(const struct bounce_pool *pool, const struct record *record)
{
    uint32_t bytes = record->offset + record->size; /* within a segment, at most 2^28, and valid records keep it so */
    uint32_t slots = (bytes >> pool->slot_shift) + ((bytes & slot_mask(pool)) != 0);
    uint32_t granule = UINT32_C(1) << record->granule;

    return (slots + granule - 1) & ~(granule - 1);
}

#endif
