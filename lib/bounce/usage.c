/* SPDX-License-Identifier: MIT */
/*
 * What is mapped now, and how much. An area at a time, a segment at a time: nothing is held for long.
 */
#include "mapping.h"

int bounce_usage(struct bounce_pool *pool, struct bounce_counts *usage)
{
    struct bounce_counts sum = {0, 0, 0, 0};

    if (!pool || !usage)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    sum.slots = pool->slots;
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        struct area_head *head = area_head(&area);
        bounce_lock_state state = bounce_lock_take(&head->lock);
        sum.used += head->used;
        sum.high_water += head->high_water;
        sum.mappings += head->mappings;
        bounce_lock_give(&head->lock, state);
    }
    *usage = sum;
    return 0;
}

/* The first live mapping at slot from or after it, in one segment of an area. */
static bool find_in_segment(const struct bounce_pool *pool, const struct area *area, uint32_t from, struct bounce_mapping *mapping)
{
    uint32_t end = ((from >> pool->segment_shift) + 1) << pool->segment_shift;
    bounce_lock_state state = bounce_lock_take(&area_head(area)->lock);
    bool found = false;

    for (uint32_t slot = from; slot < end && slot < area->slots && !found; slot++)
        if (record_is_live(area_record(pool, area, slot))) {
            mapping_fill(pool, area, slot, mapping_handle(pool, area, slot), mapping);
            found = true;
        }
    bounce_lock_give(&area_head(area)->lock, state);
    return found;
}

int bounce_next_mapping(struct bounce_pool *pool, uint32_t *slot, struct bounce_mapping *mapping)
{
    uint32_t from;

    if (!pool || !slot || !mapping)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    from = *slot;
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        while (from >= area.first_slot && from - area.first_slot < area.slots) {
            if (find_in_segment(pool, &area, from - area.first_slot, mapping)) {
                *slot = mapping->slot + mapping->slots;
                return 0;
            }
            from = area.first_slot + ((((from - area.first_slot) >> pool->segment_shift) + 1) << pool->segment_shift);
        }
    }
    return BOUNCE_E_RANGE;
}
