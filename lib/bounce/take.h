/* SPDX-License-Identifier: MIT */
/*
 * Slots change hands: from free to a mapping's, and back. Where they lie was decided before (near.h, place.h). The
 * area's lock is held.
 */
#ifndef BOUNCE_TAKE_H
#define BOUNCE_TAKE_H

#include "mapping.h"

/* Where a mapping went. */
struct spot {
    struct area area;
    struct handle_parts parts;
    uint32_t i;      /* of the record */
    uint32_t slot;   /* of the area */
    uint32_t slots;
    uint32_t offset; /* bytes from the start of the allocation to the data */
};

/* Called when a search has looked into a segment, under the lock, by a build that counts them. */
#ifndef BOUNCE_ON_SEGMENT
#define BOUNCE_ON_SEGMENT()
#endif

/* The run of free slots that a slot belongs to may be the segment's longest now. */
static POOL_APART void raise_longest(const struct bounce_pool *pool, uint32_t number, uint32_t slot)
{
    struct area area = area_of(pool, number);
    uint32_t segment = slot >> pool->segment_shift, at = slot & pool->segment_mask;
    const bits_word *free = area_free(pool, &area, segment);
    uint32_t run = runs_before(free, at) + runs_after(free, pool->segment_words, at);

    if (run > *area_longest(pool, &area, segment))
        area_set_longest(pool, &area, segment, run);
}

/* Another segment's longest run may be shorter now. */
static POOL_APART void loosen(const struct bounce_pool *pool, uint32_t number, uint32_t segment)
{
    struct area area = area_of(pool, number);

    area_take_up_slack(pool, &area);
    area_head(&area)->loose = segment;
}

/* n slots are taken, up to slot `end` of the area. */
static inline void count_taken(const struct area *area, uint32_t end, uint32_t n)
{
    struct area_head *head = area_head(area);

    head->cursor = end == area->slots ? 0 : end;
    head->used += n;
    if (head->used > head->high_water)
        head->high_water = head->used;
    head->mappings++;
}

/* The next number of the area; never 0. */
static inline uint32_t next_number(const struct area *area)
{
    struct area_head *head = area_head(area);

    head->number++;
    head->number += head->number == 0;
    return head->number;
}

/* Can there be room, and is what says so sound? */
static inline int check_room(const struct bounce_pool *restrict pool, const struct area *area, uint32_t n)
{
    const struct area_head *head = area_head(area);

    if (head->used > area->slots || head->cursor >= area->slots)
        return BOUNCE_E_CORRUPT;
    if (head->closed || n > area->slots - head->used)
        return BOUNCE_E_FULL;
    if (!records_left(pool, area))
        return BOUNCE_E_MAPPINGS;
    return records_sound(pool, area) ? 0 : BOUNCE_E_CORRUPT;
}

/* Write down what lies at a slot now. */
static POOL_WITHIN void write_record(const struct bounce_pool *restrict pool, const struct bounce_request *request,
                                     uint32_t granule, uintptr_t orig, bool reserved, struct spot *spot)
{
    uint32_t i = records_take(pool, &spot->area);
    struct record *record = record_at(pool, &spot->area, i);

    spot->parts = mapping_parts(pool, &spot->area, i, next_number(&spot->area));
    spot->i = i;
    records_set_start(pool, &spot->area, spot->slot, i);
    record_set_orig(record, orig);
    record->number = spot->parts.number;
    record->owner = request->owner;
    record->slot = spot->slot;
    record->use = (uint32_t)(request->size - 1) | (uint32_t)request->direction << RECORD_ABOVE |
        (reserved ? RECORD_RESERVED : 0);
    record->layout = spot->offset | granule << RECORD_ABOVE;
}

/*
 * Turn the spot's slots, which lie in one segment, from free to used, and write down what lies there now. Whether the
 * longest run of the segment is shorter then is found out when slots are taken elsewhere: mappings follow one another
 * through a segment, and often end as soon. Too long is no mistake: a search looks in vain, once.
 * Returns 0, or BOUNCE_E_CORRUPT with nothing changed.
 */
static POOL_WITHIN int take_slots(const struct bounce_pool *restrict pool, const struct bounce_request *request,
                                  uint32_t granule, uintptr_t orig, bool reserved, struct spot *spot)
{
    const struct area *area = &spot->area;
    uint32_t segment = spot->slot >> pool->segment_shift, end = spot->slot + spot->slots;

    if (end > area->slots)
        return BOUNCE_E_CORRUPT;
    if (segment != area_head(area)->loose)
        loosen(pool, area->number, segment);
    runs_flip(area_word(pool, area, spot->slot), area_bit(pool, spot->slot), spot->slots);
    count_taken(area, end, spot->slots);
    write_record(pool, request, granule, orig, reserved, spot);
    return 0;
}

/*
 * Give back the n slots of a mapping, and its record i. Returns 0, or BOUNCE_E_CORRUPT with nothing changed.
 */
static POOL_WITHIN int give_slots(const struct bounce_pool *restrict pool, const struct area *area,
                                  struct record *record, uint32_t i, uint32_t n)
{
    struct area_head *head = area_head(area);
    uint32_t slot = record->slot, bit = area_bit(pool, slot);
    bits_word *free = area_word(pool, area, slot);

    if (!record_is_sound(pool, area, slot, n) || head->used < n || head->mappings == 0 || !runs_free(free, bit, n))
        return BOUNCE_E_CORRUPT;
    if (runs_around(*free, bit, segment_slots(pool)) > *area_longest(pool, area, slot >> pool->segment_shift))
        raise_longest(pool, area->number, slot);
    head->used -= n;
    head->mappings--;
    records_give(area, record, i);
    return 0;
}

#endif
