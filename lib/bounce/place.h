/* SPDX-License-Identifier: MIT */
/*
 * Where a mapping goes, whatever is asked: the long way. Knows slots, masks and bitmaps; never the window.
 */
#ifndef BOUNCE_PLACE_H
#define BOUNCE_PLACE_H

#include "plan.h"
#include "take.h"

/*
 * The first slot of the area in [from, to) of a segment where the plan fits; RUNS_NONE if there is none. An area that
 * is shorter here than it is has slots at its end where nothing may start.
 */
static inline uint32_t search_segment(const struct bounce_pool *pool, const struct area *area, const struct plan *plan,
                                      uint32_t segment, uint32_t from, uint32_t to)
{
    uint32_t first = segment << pool->segment_shift;
    uint32_t slot;

    if (*area_longest(pool, area, segment) < plan->slots)
        return RUNS_NONE;
    if (to > area->slots - first)
        to = area->slots - first;
    slot = runs_find(area_free(pool, area, segment), pool->segment_words, plan->slots, &plan->where,
                     area->first_slot + first, from, to);
    BOUNCE_ON_SEGMENT();
    return slot == RUNS_NONE ? RUNS_NONE : first + slot;
}

/* The same over the segments [from, to). */
static inline uint32_t search_segments(const struct bounce_pool *pool, const struct area *area, const struct plan *plan,
                                       uint32_t from, uint32_t to)
{
    const bits_word *row = index_row(area_index(pool, area), pool->index_words, plan->slots);
    struct runs_pattern candidates = plan->segments;

    candidates.phase = (candidates.phase + (area->first_slot >> pool->segment_shift)) & (candidates.period - 1);
    for (uint32_t w = from / BITS_WIDTH; w * BITS_WIDTH < to; w++)
        for (bits_word left = index_word(row, candidates, w, from, to); left != 0; left &= left - 1) {
            uint32_t segment = w * BITS_WIDTH + bits_lowest(left);
            uint32_t slot = search_segment(pool, area, plan, segment, 0, segment_slots(pool));
            if (slot != RUNS_NONE)
                return slot;
        }
    return RUNS_NONE;
}

/*
 * Next fit: every slot from the cursor on, once around. The cursor's own segment comes first, unless it is known that
 * there is nothing from the cursor on, and, below the cursor, last.
 */
static inline uint32_t search_area(const struct bounce_pool *pool, const struct area *whole, const struct plan *plan,
                                   bool beyond)
{
    struct area area = *whole;
    uint32_t cursor = area_cursor(pool, &area), home, below, slot = RUNS_NONE;

    if (plan->end < area.first_slot + area.slots) {
        if (plan->end <= area.first_slot)
            return RUNS_NONE;
        area.slots = plan->end - area.first_slot;
        area.segments = ((area.slots - 1) >> pool->segment_shift) + 1;
        cursor = cursor < area.slots ? cursor : 0;
    }
    home = cursor >> pool->segment_shift;
    below = cursor & pool->segment_mask;
    if (!beyond)
        slot = search_segment(pool, &area, plan, home, below, segment_slots(pool));
    if (slot == RUNS_NONE)
        slot = search_segments(pool, &area, plan, home + 1, area.segments);
    if (slot == RUNS_NONE)
        slot = search_segments(pool, &area, plan, 0, home);
    if (slot == RUNS_NONE && below != 0)
        slot = search_segment(pool, &area, plan, home, 0, below);
    return slot;
}

/* In the spot's area, which has room, under its lock. */
static inline int take_in_area(const struct bounce_pool *pool, const struct plan *plan, bool beyond,
                               const struct bounce_request *request, uintptr_t orig, bool reserved, struct spot *spot)
{
    spot->slot = search_area(pool, &spot->area, plan, beyond);
    spot->slots = plan->slots;
    spot->offset = plan->offset;
    if (spot->slot == RUNS_NONE)
        return BOUNCE_E_FRAGMENTED;
    return take_slots(pool, request, plan->granule, orig, reserved, spot);
}

/* Of two reasons why there is no room, the one that says more: something may change sooner. */
static inline int nearer(int a, int b)
{
    static const int order[] = {BOUNCE_E_BUSY, BOUNCE_E_MAPPINGS, BOUNCE_E_FRAGMENTED};

    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return BOUNCE_E_FULL;
}

/*
 * Find the slots, beginning with the area asked for, take them, and write down what the mapping is. The allocation is a
 * multiple of granule_mask + 1 long. orig: 0 for a reservation, and for coherent memory, whose request has no
 * direction. held: null; or what was saved when the lock of the area asked for was taken, which is given here, since
 * that area has room, but no place from the cursor on to the end of its segment.
 * Returns 0, BOUNCE_E_TOO_LARGE, BOUNCE_E_UNSATISFIABLE, BOUNCE_E_FULL, BOUNCE_E_FRAGMENTED, BOUNCE_E_MAPPINGS,
 * BOUNCE_E_BUSY or BOUNCE_E_CORRUPT.
 */
static inline int place_take(const struct bounce_pool *pool, const struct bounce_request *request,
                             uint64_t granule_mask, uintptr_t orig, bool reserved, const bounce_lock_state *held,
                             struct spot *spot)
{
    struct plan plan;
    int reason = BOUNCE_E_FULL, error = plan_make(pool, request, granule_mask, &plan);

    if (error) /* not with a lock held: what has no plan is not looked for near the cursor */
        return error;
    for (uint32_t tried = 0; tried < area_count(pool); tried++) {
        bounce_lock_state state;

        error = BOUNCE_E_BUSY;
        spot->area = area_of(pool, (request->area + tried) & pool->area_mask);
        if (held ? (state = *held, true) : area_lock(pool, &spot->area, &state)) {
            error = held ? 0 : check_room(pool, &spot->area, plan.slots);
            if (!error)
                error = take_in_area(pool, &plan, held != NULL, request, orig, reserved, spot);
            area_unlock(&spot->area, state);
        }
        if (error == 0 || error == BOUNCE_E_CORRUPT)
            return error;
        reason = nearer(reason, error);
        held = NULL;
    }
    return plan_fits_empty_pool(pool, &plan) ? reason : BOUNCE_E_UNSATISFIABLE;
}

#endif
