/* SPDX-License-Identifier: MIT */
/*
 * The short way to a place, for what most requests are: few slots, aligned to few, with no boundary and no limit, and
 * room behind the cursor in its own segment. Then the free bits of a word or two answer, and no plan is made. It finds
 * the slot that the long way (place.h) would; where there is none, that goes on from there, under the same lock.
 */
#ifndef BOUNCE_NEAR_H
#define BOUNCE_NEAR_H

#include "place.h"

/* A request in slots, as far as it can be said in words of a bitmap. */
struct near {
    uint32_t slots;   /* these three as a plan has them */
    uint32_t offset;
    uint32_t granule;
    uint32_t stride_mask; /* slots from one that it may start at to the next, less one */
    uint32_t first;       /* of the pool, such a slot, modulo the stride */
};

/* The plan of a request with masks, in 32 bits. Returns whether it can be said so. */
static inline bool near_plan_masks(const struct bounce_pool *restrict pool, const struct bounce_request *request,
                                   uint64_t granule_mask, struct near *near)
{
    uint64_t masks = request->alloc_align_mask | request->min_align_mask;
    uint32_t min = (uint32_t)request->min_align_mask, start = (uint32_t)request->alloc_align_mask;
    uint32_t granule = (uint32_t)granule_mask, orig_addr = (uint32_t)request->orig_addr, total, align;

    if (masks > INT32_MAX || start >= pool->longest)
        return false;
    near->offset = orig_addr & min & (start | pool->slot_mask);
    total = ((uint32_t)request->size + near->offset + granule) & ~granule;
    if (total > pool->longest)
        return false;
    near->slots = (total + pool->slot_mask) >> pool->slot_shift;
    near->granule = granule == 0 ? 0 : bits_exponent((granule >> pool->slot_shift) + 1);

    start |= pool->slot_mask;
    align = start | min;
    near->stride_mask = align >> pool->slot_shift;
    near->first = (((orig_addr & min & ~start) - (uint32_t)pool->window_addr) & align) >> pool->slot_shift;
    return near->slots <= BITS_WIDTH && near->stride_mask < BITS_WIDTH && near->stride_mask < pool->slots;
}

/*
 * As plan_make(). Returns whether the request can be said so; the long way knows what is wrong with it if it cannot.
 */
static POOL_WITHIN bool near_plan(const struct bounce_pool *restrict pool, const struct bounce_request *request,
                             uint64_t granule_mask, struct near *near)
{
    if ((request->boundary_mask | request->limit) != 0 || request->size > pool->longest)
        return false;
    if ((request->alloc_align_mask | request->min_align_mask) != 0)
        return near_plan_masks(pool, request, granule_mask, near);
    near->slots = ((uint32_t)request->size + pool->slot_mask) >> pool->slot_shift;
    near->offset = 0;
    near->granule = 0;
    near->stride_mask = 0;
    near->first = 0;
    if (request->size > pool->page_mask) {
        near->stride_mask = pool->page_mask >> pool->slot_shift;
        near->first = (0 - (uint32_t)pool_slots(pool, pool->window_addr)) & near->stride_mask;
        if (near->stride_mask >= BITS_WIDTH || near->stride_mask >= pool->slots)
            return false;
    }
    return near->slots <= BITS_WIDTH;
}

/*
 * The first slot of a segment, not before `from`, where a run of n starts at a multiple of stride_mask + 1 from slot
 * `first` on; RUNS_NONE if there is none. With loops of its own, it stays out of the registers of who needs none.
 */
static POOL_APART uint32_t near_find_run(const bits_word *free, uint32_t words, uint32_t n, uint32_t stride_mask,
                                         uint32_t first, uint32_t from)
{
    bits_word aligned = bits_every(bits_exponent(stride_mask + 1)) << (first & stride_mask);
    bits_word allowed = aligned & BITS_ALL << from % BITS_WIDTH;

    for (uint32_t w = from / BITS_WIDTH; w < words; w++, allowed = aligned) {
        struct runs_pair starts = runs_short_starts(runs_pair(free, words, w), n);
        if ((starts.low & allowed) != 0)
            return w * BITS_WIDTH + bits_lowest(starts.low & allowed);
    }
    return RUNS_NONE;
}

/* The first place from slot `from` of the area on, up to the end of its segment; RUNS_NONE if there is none. */
static inline uint32_t near_find(const struct bounce_pool *restrict pool, const struct area *area,
                                 const struct near *near, uint32_t from)
{
    uint32_t segment = from >> pool->segment_shift, first = segment << pool->segment_shift, slot;
    bits_word starts = *area_word(pool, area, from) >> area_bit(pool, from);

    if (near->slots == 1 && near->stride_mask == 0 && starts != 0)
        return from + bits_lowest(starts);
    slot = near_find_run(area_free(pool, area, segment), pool->segment_words, near->slots, near->stride_mask,
                         near->first - area->first_slot - first, from - first);
    return slot == RUNS_NONE ? RUNS_NONE : first + slot;
}

/* As check_room(), in one answer. No area has fewer slots than a plan: one has a whole segment, or is all of the pool. */
static inline bool near_has_room(const struct bounce_pool *restrict pool, const struct area *area, uint32_t n)
{
    const struct area_head *head = area_head(area);

    return head->used <= area->slots - n && head->cursor < area->slots && head->closed == 0 &&
        records_left(pool, area) && records_sound(pool, area);
}

enum near_answer {
    NEAR_TAKEN,
    NEAR_UNKNOWN, /* the long way knows */
    NEAR_BEYOND   /* the long way knows, from where the short one ended: the area's lock is held, see place_take() */
};

/* As place_take(), with an original, in the area asked for. */
static POOL_WITHIN enum near_answer near_take(const struct bounce_pool *restrict pool,
                                              const struct bounce_request *request, bounce_lock_state *state,
                                              struct spot *spot)
{
    enum near_answer answer = NEAR_UNKNOWN;
    struct near near;

    if (!near_plan(pool, request, request->alloc_align_mask, &near))
        return NEAR_UNKNOWN;
    spot->area = area_of(pool, request->area & pool->area_mask);
    if (!area_lock(pool, &spot->area, state))
        return NEAR_UNKNOWN;
    if (near_has_room(pool, &spot->area, near.slots)) {
        uint32_t cursor = area_cursor(pool, &spot->area);
        if (*area_longest(pool, &spot->area, cursor >> pool->segment_shift) < near.slots)
            return NEAR_BEYOND;
        spot->slot = near_find(pool, &spot->area, &near, cursor);
        spot->slots = near.slots;
        spot->offset = near.offset;
        BOUNCE_ON_SEGMENT();
        if (spot->slot == RUNS_NONE)
            return NEAR_BEYOND;
        if (take_slots(pool, request, near.granule, (uintptr_t)request->orig, false, spot) == 0)
            answer = NEAR_TAKEN;
    }
    area_unlock(&spot->area, *state);
    return answer;
}

#endif
