/* SPDX-License-Identifier: MIT */
/*
 * What is mapped now, and how much. An area at a time, a segment at a time: nothing is held for long.
 */
#include "mapping.h"

/* The longest run of free slots in an area: the segments of the highest class that has any. */
static uint32_t longest_run(const struct bounce_pool *pool, const struct area *area)
{
    uint32_t longest = 0;

    for (uint32_t n = segment_slots(pool); n > 0 && longest == 0; n--) {
        const bits_word *row = index_row(area_index(pool, area), pool->index_words, n);
        uint32_t segment = 0;
        for (; (segment = index_find(row, RUNS_ANYWHERE, segment, area->segments)) != RUNS_NONE; segment++)
            if (*area_longest(pool, area, segment) > longest)
                longest = *area_longest(pool, area, segment);
        while (n > 1 && index_class(n - 1) == index_class(n))
            n--;
    }
    return longest;
}

/* Add an area's counts to a sum. */
static int add_area(const struct bounce_pool *pool, uint32_t number, struct bounce_counts *sum)
{
    struct area area = area_of(pool, number);
    struct area_head *head = area_head(&area);
    bounce_lock_state state;
    uint32_t longest;

    if (!area_lock(pool, &area, &state))
        return BOUNCE_E_BUSY;
    sum->slots += area.slots;
    sum->used += head->used;
    sum->high_water += head->high_water;
    sum->mappings += head->mappings;
    area_take_up_slack(pool, &area);
    longest = longest_run(pool, &area);
    area_unlock(&area, state);
    if (longest > sum->longest_run)
        sum->longest_run = longest;
    return 0;
}

int bounce_usage(struct bounce_pool *pool, struct bounce_counts *usage)
{
    struct bounce_counts sum = {0, 0, 0, 0, 0};

    if (!pool || !usage)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    for (uint32_t number = 0; number < area_count(pool); number++)
        if (add_area(pool, number, &sum) != 0)
            return BOUNCE_E_BUSY;
    *usage = sum;
    return 0;
}

int bounce_area_usage(struct bounce_pool *pool, uint32_t area, struct bounce_counts *usage)
{
    struct bounce_counts counts = {0, 0, 0, 0, 0};

    if (!pool || !usage)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    if (area >= area_count(pool))
        return BOUNCE_E_RANGE;
    if (add_area(pool, area, &counts) != 0)
        return BOUNCE_E_BUSY;
    *usage = counts;
    return 0;
}

int bounce_reset_high_water(struct bounce_pool *pool)
{
    int error = 0;

    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        bounce_lock_state state;
        if (!area_lock(pool, &area, &state)) {
            error = BOUNCE_E_BUSY;
            continue;
        }
        area_head(&area)->high_water = area_head(&area)->used;
        area_unlock(&area, state);
    }
    return error;
}

/* Does a live mapping start at a slot of the area? */
static bool is_start(const struct bounce_pool *pool, const struct area *area, uint32_t slot)
{
    uint32_t i = records_starting(pool, area, slot);

    return i != RECORD_NONE && record_is_live(record_at(pool, area, i));
}

static void tell(const struct bounce_pool *pool, const struct area *area, uint32_t i, struct bounce_mapping *mapping)
{
    const struct record *record = record_at(pool, area, i);

    mapping->handle = handle_seal(pool->key, mapping_parts(pool, area, i, record->number));
    mapping->size = record_size(record);
    mapping_set_place(pool, area, record->slot, record_slots(pool, record), record_offset(record),
                      pool_bytes(pool, area->first_slot + record->slot), mapping);
    mapping_set_use(record->owner, record_direction(record), mapping);
}

/*
 * The first live mapping at slot from or after it, in one segment of an area. Returns 0, BOUNCE_E_RANGE or
 * BOUNCE_E_BUSY.
 */
static int next_in_segment(const struct bounce_pool *pool, const struct area *area, uint32_t from,
                           struct bounce_mapping *mapping)
{
    uint32_t end = ((from >> pool->segment_shift) + 1) << pool->segment_shift;
    bounce_lock_state state;

    if (!area_lock(pool, area, &state))
        return BOUNCE_E_BUSY;
    while (from < end && from < area->slots && !is_start(pool, area, from))
        from++;
    if (from == end || from == area->slots) {
        area_unlock(area, state);
        return BOUNCE_E_RANGE;
    }
    tell(pool, area, records_starting(pool, area, from), mapping);
    area_unlock(area, state);
    return 0;
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
            int error = next_in_segment(pool, &area, from - area.first_slot, mapping);
            if (error == 0)
                *slot = mapping->slot + mapping->slots;
            if (error != BOUNCE_E_RANGE)
                return error;
            from = area.first_slot + ((((from - area.first_slot) >> pool->segment_shift) + 1) << pool->segment_shift);
        }
    }
    return BOUNCE_E_RANGE;
}

/* The live mapping that a slot of the area belongs to: it starts there or before, in the same segment. */
static int find_in_area(const struct bounce_pool *pool, const struct area *area, uint32_t slot,
                        struct bounce_mapping *mapping)
{
    uint32_t first = slot & ~pool->segment_mask, start = slot;
    bounce_lock_state state;
    int error = BOUNCE_E_RANGE;

    if (!area_lock(pool, area, &state))
        return BOUNCE_E_BUSY;
    while (start > first && records_starting(pool, area, start) == RECORD_NONE)
        start--;
    if (is_start(pool, area, start) &&
        slot - start < record_slots(pool, record_at(pool, area, records_starting(pool, area, start)))) {
        tell(pool, area, records_starting(pool, area, start), mapping);
        error = 0;
    }
    area_unlock(area, state);
    return error;
}

int bounce_find_mapping(struct bounce_pool *pool, uint64_t addr, struct bounce_mapping *mapping)
{
    uint64_t slot;

    if (!pool || !mapping)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    slot = addr < pool->window_addr ? UINT64_MAX : pool_slots(pool, addr - pool->window_addr);
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        if (slot >= area.first_slot && slot - area.first_slot < area.slots)
            return find_in_area(pool, &area, (uint32_t)slot - area.first_slot, mapping);
    }
    return BOUNCE_E_RANGE;
}
