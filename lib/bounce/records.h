/* SPDX-License-Identifier: MIT */
/*
 * What the live mappings of an area are. Records lie in a table with a list of the free ones, last in, first out: so
 * few lines of the cache serve however many slots. A handle leads to its record directly. From a slot it is one step
 * more: starts holds, for the first slot of a mapping, the number of its record. It is never cleared: whether a mapping
 * starts at a slot is up to the record, which knows its slot.
 */
#ifndef BOUNCE_RECORDS_H
#define BOUNCE_RECORDS_H

#include "area.h"

/* One mapping. Read and written under the lock; by the mapping's own caller, who alone can change it, also without. */
struct record {
    uint32_t address[sizeof(uintptr_t) / sizeof(uint32_t)]; /* of the original; records are 4-byte aligned */
    uint32_t number; /* never 0 for a mapping; 0: a free record, in which slot is the next free one */
    uint32_t owner;
    uint32_t slot;   /* the first, of the area */
    uint32_t use;    /* bytes of data, less one; above them the direction (0: coherent), and the two flags below */
    uint32_t layout; /* bytes from the first slot to the data; above them the granule: an exponent, see record_slots() */
};

/* Words and not bit-fields, of which gcc 12 makes a read and a write each. */
#define RECORD_BYTES UINT32_C(0x0fffffff)
#define RECORD_ABOVE 28
#define RECORD_RESERVED (UINT32_C(1) << 30) /* there is no original yet */
#define RECORD_ENDING (UINT32_C(1) << 31)   /* unmap is copying: the handle is dead, the slots are not free yet */

#define RECORD_NONE UINT32_MAX

/* A start fits in 16 bits as long as no area has more records than this. */
#define RECORDS_NARROW UINT32_C(65536)

static inline struct record *record_at(const struct bounce_pool *pool, const struct area *area, uint32_t i)
{
    return (struct record *)(void *)(area->block + pool->records_at) + i;
}

static inline bool record_is_live(const struct record *record)
{
    return record->number != 0 && (record->use & RECORD_ENDING) == 0;
}

static inline bool record_is_reserved(const struct record *record)
{
    return (record->use & RECORD_RESERVED) != 0;
}

/* 0: coherent. */
static inline unsigned record_direction(const struct record *record)
{
    return record->use >> RECORD_ABOVE & 3;
}

/* The address of the original; 0 if there is none. */
static inline uintptr_t record_orig(const struct record *record)
{
    uintptr_t address;

    __builtin_memcpy(&address, record->address, sizeof(address));
    return address;
}

static inline void record_set_orig(struct record *record, uintptr_t address)
{
    __builtin_memcpy(record->address, &address, sizeof(address));
}

/* Bytes of data. */
static inline uint32_t record_size(const struct record *record)
{
    return (record->use & RECORD_BYTES) + 1;
}

/* Bytes from the first slot to the data. */
static inline uint32_t record_offset(const struct record *record)
{
    return record->layout & RECORD_BYTES;
}

/* The slots of the allocation: a multiple of 2^granule. */
static inline uint32_t record_slots(const struct bounce_pool *pool, const struct record *record)
{
    uint32_t slots = (record_offset(record) + record_size(record) + pool->slot_mask) >> pool->slot_shift;
    uint32_t granule_mask = (UINT32_C(1) << (record->layout >> RECORD_ABOVE)) - 1;

    return (slots + granule_mask) & ~granule_mask;
}

/* Do n slots from one of the area's on lie in its segment? If not, a record must lead no copy and no bit there. */
static inline bool record_is_sound(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t n)
{
    uint32_t at = slot & pool->segment_mask;

    return n <= segment_slots(pool) - at && slot < area->slots && n <= area->slots - slot;
}

static inline void *starts_of(const struct bounce_pool *pool, const struct area *area)
{
    return area->block + pool->starts_at;
}

/*
 * Mappings follow one another through an area, so the next start is written not far behind this one. In a large pool nobody has
 * been near that line for long, and the lock that is taken next waits for the store. No access: an address behind the block does
 * no harm.
 */
static inline void records_expect_start(const void *start)
{
#ifndef __OPTIMIZE_SIZE__
    __builtin_prefetch((const char *)start + 64, 1);
    __builtin_prefetch((const char *)start + 128, 1);
#else
    (void)start;
#endif
}

/* Note that record i is of the mapping that starts at a slot of the area. */
static inline void records_set_start(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t i)
{
    if (pool->records <= RECORDS_NARROW) {
        uint16_t *start = (uint16_t *)starts_of(pool, area) + slot;

        *start = (uint16_t)i;
        records_expect_start(start);
    } else {
        uint32_t *start = (uint32_t *)starts_of(pool, area) + slot;

        *start = i;
        records_expect_start(start);
    }
}

/* The record of the mapping that starts at a slot of the area, live or ending; RECORD_NONE if none starts there. */
static inline uint32_t records_starting(const struct bounce_pool *pool, const struct area *area, uint32_t slot)
{
    uint32_t i = pool->records <= RECORDS_NARROW ? ((const uint16_t *)starts_of(pool, area))[slot]
                                                 : ((const uint32_t *)starts_of(pool, area))[slot];
    const struct record *record;

    if (i >= pool->records)
        return RECORD_NONE;
    record = record_at(pool, area, i);
    return record->number != 0 && record->slot == slot ? i : RECORD_NONE;
}

/* Is there a free record, and is it one? To be asked before records_take(). */
static inline bool records_left(const struct bounce_pool *pool, const struct area *area)
{
    return area_head(area)->spare < pool->records;
}

static inline bool records_sound(const struct bounce_pool *pool, const struct area *area)
{
    return record_at(pool, area, area_head(area)->spare)->number == 0;
}

static inline uint32_t records_take(const struct bounce_pool *pool, const struct area *area)
{
    uint32_t i = area_head(area)->spare;

    area_head(area)->spare = record_at(pool, area, i)->slot;
    return i;
}

/* Record i is free again, and blank. */
static inline void records_give(const struct area *area, struct record *record, uint32_t i)
{
    static const struct record blank = {0};

    *record = blank;
    record->slot = area_head(area)->spare;
    area_head(area)->spare = i;
}

#endif
