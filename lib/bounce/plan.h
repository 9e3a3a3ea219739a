/* SPDX-License-Identifier: MIT */
/*
 * What a request asks of a place, in slots: how many, which of them it may start at, and whether there is such a place
 * in an empty pool. Pure arithmetic; what is free is not looked at.
 */
#ifndef BOUNCE_PLAN_H
#define BOUNCE_PLAN_H

#include "area.h"

/* A request, in slots. */
struct plan {
    uint32_t slots;
    uint32_t offset;  /* bytes from the start of the allocation to the data */
    uint32_t granule; /* as in struct record */
    uint32_t end;     /* it may start before this slot of the pool: the device reaches no further */
    struct runs_where where;      /* where it may start, in slots of the pool: alignment (a) and boundary (b) */
    struct runs_pattern segments; /* in which segments of the pool the alignment allows a slot at all */
};

/* Patterns have 32-bit periods, and a pool has at most this many slots: a longer period repeats nowhere in the pool. */
#define LONGEST_PERIOD (UINT32_C(1) << 31)

static inline uint32_t period_of(uint64_t slots)
{
    return slots < LONGEST_PERIOD ? (uint32_t)slots : LONGEST_PERIOD;
}

/*
 * Bytes and slots. Every size below is at most a segment, 2^28 bytes, before it is added to another; a mask that is
 * wider than that is compared before one is added to it.
 */
static inline int plan_size(const struct bounce_pool *pool, const struct bounce_request *request,
                            uint64_t wide_granule_mask, struct plan *plan)
{
    uint32_t granule_mask = (uint32_t)wide_granule_mask;
    uint32_t total;

    if (request->size > pool->longest || wide_granule_mask >= pool->longest)
        return BOUNCE_E_TOO_LARGE;
    plan->offset = (uint32_t)(request->orig_addr & request->min_align_mask) & (granule_mask | pool->slot_mask);
    total = ((uint32_t)request->size + plan->offset + granule_mask) & ~granule_mask;
    if (total > pool->longest)
        return BOUNCE_E_TOO_LARGE;
    plan->slots = (total + pool->slot_mask) >> pool->slot_shift;
    plan->granule = bits_exponent((granule_mask >> pool->slot_shift) + 1);
    return 0;
}

/*
 * Where the allocation may start. alloc_align_mask binds its start; of min_align_mask, what lies above that must be
 * right by the choice of the slot, and the rest by the offset. The two nest, so that the stride is the larger of them,
 * never their sum or intersection.
 */
static inline int plan_align(const struct bounce_pool *pool, const struct bounce_request *request, struct plan *plan,
                             struct runs_pattern *align)
{
    uint32_t page_mask = pool->page_mask;
    uint64_t alloc_align_mask = request->alloc_align_mask;
    uint64_t mask, first;
    uint32_t stride;

    if (alloc_align_mask == 0 && request->min_align_mask == 0 && request->size + plan->offset > page_mask)
        alloc_align_mask = page_mask;
    alloc_align_mask |= pool->slot_mask;
    mask = alloc_align_mask | request->min_align_mask;
    stride = period_of(pool_slots(pool, mask) + 1);
    first = pool_slots(pool, ((request->orig_addr & request->min_align_mask & ~alloc_align_mask) - pool->window_addr) &
                                 mask);
    if (first >= pool->slots)
        return BOUNCE_E_UNSATISFIABLE;
    *align = (struct runs_pattern){stride, 1, (0 - (uint32_t)first) & (stride - 1)};

    plan->segments = RUNS_ANYWHERE;
    if (stride > segment_slots(pool)) {
        plan->segments.period = stride >> pool->segment_shift;
        plan->segments.phase = (0 - ((uint32_t)first >> pool->segment_shift)) & (plan->segments.period - 1);
    }
    return 0;
}

/* The boundary is one of the device's addresses: slot 0 need not lie on one. */
static inline int plan_boundary(const struct bounce_pool *pool, uint64_t boundary_mask, uint32_t n,
                                struct runs_pattern *boundary)
{
    uint64_t slots, phase;

    *boundary = RUNS_ANYWHERE;
    if (boundary_mask == 0 || boundary_mask == UINT64_MAX)
        return 0;
    slots = pool_slots(pool, boundary_mask + 1);
    if (n > slots)
        return BOUNCE_E_UNSATISFIABLE;
    phase = pool_slots(pool, pool->window_addr & boundary_mask);
    if (slots - phase < pool->slots) {
        uint32_t period = period_of(slots);
        *boundary = (struct runs_pattern){period, period - n + 1, (uint32_t)phase & (period - 1)};
    }
    return 0;
}

/* How far the device reaches: the data's last byte, not the allocation's, must lie at its limit or below. */
static inline int plan_limit(const struct bounce_pool *pool, const struct bounce_request *request, struct plan *plan)
{
    uint64_t to_last = pool->window_addr + plan->offset + request->size - 1; /* that byte, from slot 0 on */
    uint64_t slots;

    plan->end = pool->slots;
    if (request->limit == 0)
        return 0;
    if (request->limit < to_last)
        return BOUNCE_E_UNSATISFIABLE;
    slots = pool_slots(pool, request->limit - to_last);
    if (slots < pool->slots)
        plan->end = (uint32_t)slots + 1;
    return 0;
}

/*
 * The plan of a request without masks, as most are: nothing to combine, and a stride of a page or none. The long way
 * says the same. Returns whether this is one, and a page no more than a segment.
 */
static inline bool plan_plain(const struct bounce_pool *pool, const struct bounce_request *request, struct plan *plan)
{
    uint32_t stride_mask = request->size > pool->page_mask ? pool->page_mask >> pool->slot_shift : 0;
    struct runs_pattern align = {stride_mask + 1, 1,
                                 (uint32_t)pool_slots(pool, pool->window_addr) & stride_mask};

    if ((request->alloc_align_mask | request->min_align_mask | request->boundary_mask | request->limit) != 0 ||
        request->size > pool->longest || stride_mask > pool->segment_mask || stride_mask >= pool->slots)
        return false;
    plan->slots = ((uint32_t)request->size + pool->slot_mask) >> pool->slot_shift;
    plan->offset = 0;
    plan->granule = 0;
    plan->end = pool->slots;
    plan->where = runs_where(align, RUNS_ANYWHERE);
    plan->segments = RUNS_ANYWHERE;
    return true;
}

/*
 * What a request with nothing wrong in itself asks of a place. The allocation is a multiple of granule_mask + 1 long.
 * Returns 0; or, for what no state of this pool fulfils, BOUNCE_E_TOO_LARGE or BOUNCE_E_UNSATISFIABLE.
 */
static inline int plan_make(const struct bounce_pool *pool, const struct bounce_request *request,
                            uint64_t granule_mask, struct plan *plan)
{
    struct runs_pattern align, boundary;
    int error;

    if (plan_plain(pool, request, plan))
        return 0;
    error = plan_size(pool, request, granule_mask, plan);
    if (!error)
        error = plan_align(pool, request, plan, &align);
    if (!error)
        error = plan_boundary(pool, request->boundary_mask, plan->slots, &boundary);
    if (!error)
        error = plan_limit(pool, request, plan);
    if (!error)
        plan->where = runs_where(align, boundary);
    return error;
}

/* Is there a start for the plan in a segment when it is empty? In closed form: this is what a failed search asks. */
static inline bool fits_empty_segment(const struct bounce_pool *pool, const struct plan *plan, uint32_t segment)
{
    uint32_t first = segment << pool->segment_shift;
    uint32_t slots = pool->slots - first < segment_slots(pool) ? pool->slots - first : segment_slots(pool);
    uint32_t start = (0 - (first + plan->where.a.phase)) & (plan->where.a.period - 1);

    if (start > slots || plan->slots > slots - start)
        return false;
    if (runs_allows(plan->where.b, first + start))
        return first + start < plan->end;

    /*
     * Too near before a boundary: the first aligned slot after it is as far from a boundary as an aligned slot can be.
     */
    start += plan->where.b.period - ((first + start + plan->where.b.phase) & (plan->where.b.period - 1));
    start += (0 - (first + start + plan->where.a.phase)) & (plan->where.a.period - 1);
    return start < slots && plan->slots <= slots - start && runs_allows(plan->where.b, first + start) &&
        first + start < plan->end;
}

/*
 * Could an empty pool fulfil the plan? Segments differ only where the stride or the boundary is longer than a segment:
 * then all but every other candidate at most are cut by a boundary, and the first two that the alignment allows tell
 * for all.
 */
static inline bool plan_fits_empty_pool(const struct bounce_pool *pool, const struct plan *plan)
{
    uint32_t segment = ((0 - plan->where.a.phase) & (plan->where.a.period - 1)) >> pool->segment_shift;
    uint32_t last = (pool->slots - 1) >> pool->segment_shift;
    uint32_t step = plan->segments.period;

    return fits_empty_segment(pool, plan, segment) ||
           (step <= last && segment <= last - step && fits_empty_segment(pool, plan, segment + step));
}

#endif
