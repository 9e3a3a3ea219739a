/* SPDX-License-Identifier: MIT */
/*
 * What a pool knows, where it lies, and how to reach it. All of it is in the caller's private metadata: per area one
 * block of
 *
 *   head      lock, cursor, counts
 *   index     rows of bits over the segments (index.h)
 *   free      per segment, a bitmap of free slots (runs.h)
 *   records   what the live mappings are, as many as the configuration says, and a list of the free ones (records.h)
 *   starts    per slot, which record is of the mapping that starts there
 *   longest   per segment, the longest run of free slots, or, in one segment, no less than that
 *
 * Areas share nothing that changes, not even a cache line.
 *
 * A record is 28 bytes on a 64-bit CPU; a slot costs 2 bytes of starts, one bit of its bitmap and little for the rest.
 * With a record for every sixth slot, which is the default, that is less than 8 bytes per slot together. One map writes
 * one record and one start, however long the mapping.
 */
#ifndef BOUNCE_AREA_H
#define BOUNCE_AREA_H

#include <bounce/bounce.h>

#include "index.h"
#include "lock.h"

/* What keeps two areas off each other's cache lines, with prefetched neighbours. */
#define AREA_LINE 128u

/*
 * Most requests go one way through several small functions, which are one piece of code then; what is seldom called
 * stays out of its way, and its registers.
 */
#define POOL_APART __attribute__((noinline))
#ifdef __OPTIMIZE_SIZE__
#define POOL_WITHIN inline
#else
#define POOL_WITHIN inline __attribute__((always_inline))
#endif

#define POOL_READY UINT32_C(0xb0c1c0de)

struct area_head {
    bounce_lock lock;
    /* under the lock */
    uint32_t cursor;     /* where the next search starts, in slots of the area; less than the area has */
    uint32_t used;       /* slots */
    uint32_t high_water; /* the most that used has been */
    uint32_t mappings;   /* live records */
    uint32_t number;     /* of the latest mapping */
    uint32_t spare;      /* the first free record; pool->records if there is none */
    uint32_t loose;      /* whose longest run may be shorter than is written down; RUNS_NONE, or see take_slots() */
    uint32_t closed;     /* not 0: no slots are given any more, because the pool is about to go */
};

/* An area, as far as it does not change. */
struct area {
    unsigned char *block;
    uint32_t number;     /* of the area */
    uint32_t first_slot; /* of the pool */
    uint32_t segments;
    uint32_t slots;
};

/*
 * The bytes of so many slots, and the whole slots in so many bytes. A 64-bit shift would be a library call on small
 * 32-bit CPUs.
 */
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

    return (uint64_t)(high >> pool->slot_shift) << 32 |
           (high << (32 - pool->slot_shift) | (uint32_t)bytes >> pool->slot_shift);
#endif
}

static inline uint32_t area_count(const struct bounce_pool *pool)
{
    return pool->area_mask + 1;
}

static inline uint32_t segment_slots(const struct bounce_pool *pool)
{
    return pool->segment_mask + 1;
}

static inline struct area area_of(const struct bounce_pool *pool, uint32_t number)
{
    struct area area = {pool->meta, number, 0, pool->area_segments, pool->slots};

    if (pool->area_mask == 0)
        return area;
    area.block += number * pool->block_size;
    area.first_slot = number * pool->area_segments;
    if (number > pool->first_longer)
        area.first_slot += number - pool->first_longer;
    area.first_slot <<= pool->segment_shift;
    area.segments += number >= pool->first_longer;
    area.slots = area.segments << pool->segment_shift;
    if (area.slots > pool->slots - area.first_slot)
        area.slots = pool->slots - area.first_slot;
    return area;
}

static inline struct area_head *area_head(const struct area *area)
{
    return (struct area_head *)(void *)area->block;
}

/* Take the area's lock; false if this is a try view and it is held. */
static inline bool area_lock(const struct bounce_pool *pool, const struct area *area, bounce_lock_state *state)
{
    if ((pool->flags & BOUNCE_TRY) != 0)
        return bounce_lock_try(&area_head(area)->lock, state);
    *state = bounce_lock_take(&area_head(area)->lock);
    return true;
}

static inline void area_unlock(const struct area *area, bounce_lock_state state)
{
    bounce_lock_give(&area_head(area)->lock, state);
}

/* The rows of the index, pool->index_words each. */
static inline bits_word *area_index(const struct bounce_pool *pool, const struct area *area)
{
    return (bits_word *)(void *)(area->block + pool->index_at);
}

/* The word of the bitmaps that has a slot of the area: words of a segment follow one another, or it has but one. */
static inline bits_word *area_word(const struct bounce_pool *pool, const struct area *area, uint32_t slot)
{
    return (bits_word *)(void *)(area->block + pool->free_at) + (slot >> pool->word_shift);
}

/* And its bit there. */
static inline uint32_t area_bit(const struct bounce_pool *pool, uint32_t slot)
{
    return slot & pool->segment_mask & (BITS_WIDTH - 1);
}

/* The bitmap of a segment. */
static inline bits_word *area_free(const struct bounce_pool *pool, const struct area *area, uint32_t segment)
{
    return area_word(pool, area, segment << pool->segment_shift);
}

/* The longest run of free slots in a segment; see area_head.loose. */
static inline uint16_t *area_longest(const struct bounce_pool *pool, const struct area *area, uint32_t segment)
{
    return (uint16_t *)(void *)(area->block + pool->longest_at) + segment;
}

/* Where the next search starts, in slots of the area. */
static inline uint32_t area_cursor(const struct bounce_pool *pool, const struct area *area)
{
    return (pool->flags & BOUNCE_FIRST_FIT) != 0 ? 0 : area_head(area)->cursor;
}

/* The slots of a segment; the last one may be cut short. */
static inline uint32_t area_segment_slots(const struct bounce_pool *pool, const struct area *area, uint32_t segment)
{
    uint32_t left = area->slots - (segment << pool->segment_shift) - 1;

    return (left < pool->segment_mask ? left : pool->segment_mask) + 1;
}

/* No run is longer than a segment, whatever overwritten metadata say: the index has no rows for such. */
static inline uint32_t area_run(const struct bounce_pool *pool, uint32_t slots)
{
    return slots < segment_slots(pool) ? slots : segment_slots(pool);
}

/* The longest run of a segment's free slots is another now. */
static inline void area_set_longest(const struct bounce_pool *pool, const struct area *area, uint32_t segment,
                                    uint32_t longest)
{
    uint16_t *known = area_longest(pool, area, segment);
    uint32_t was = area_run(pool, *known), is = area_run(pool, longest);

    index_update(area_index(pool, area), pool->index_words, segment, was, is);
    *known = (uint16_t)is;
}

/*
 * What is written down of the longest runs is right, of all segments. Most often it was: that is found out in fewer steps
 * than what else it is.
 */
static inline void area_take_up_slack(const struct bounce_pool *pool, const struct area *area)
{
    uint32_t segment = area_head(area)->loose, known;
    const bits_word *free;

    area_head(area)->loose = RUNS_NONE;
    if (segment >= area->segments)
        return;
    known = *area_longest(pool, area, segment);
    free = area_free(pool, area, segment);
    if (known - 1 >= BITS_WIDTH || !runs_exist(free, pool->segment_words, known))
        area_set_longest(pool, area, segment, runs_longest(free, pool->segment_words));
}

#endif
