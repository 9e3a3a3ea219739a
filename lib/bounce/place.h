/* SPDX-License-Identifier: MIT */
/*
 * Where a mapping goes. Knows slots, masks and bitmaps; never the window.
 */
#ifndef BOUNCE_PLACE_H
#define BOUNCE_PLACE_H

#include "mapping.h"

/* A request, in slots. */
struct plan {
    uint32_t slots;
    uint32_t offset;  /* bytes from the start of the allocation to the data */
    uint32_t granule; /* as in struct record */
    uint32_t end;     /* it may start before this slot of the pool: the device reaches no further */
    struct runs_where where;      /* where it may start, in slots of the pool: alignment (a) and boundary (b) */
    struct runs_pattern segments; /* in which segments of the pool the alignment allows a slot at all */
};

/* Where it went. */
struct spot {
    struct area area;
    struct record *record;
    bounce_handle handle;
};

/* Called when a search has looked into a segment, under the lock, by a build that counts them. */
#ifndef BOUNCE_ON_SEGMENT
#define BOUNCE_ON_SEGMENT()
#endif

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
static inline int place_plan(const struct bounce_pool *pool, const struct bounce_request *request,
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
static inline bool place_fits_empty_pool(const struct bounce_pool *pool, const struct plan *plan)
{
    uint32_t segment = ((0 - plan->where.a.phase) & (plan->where.a.period - 1)) >> pool->segment_shift;
    uint32_t last = (pool->slots - 1) >> pool->segment_shift;
    uint32_t step = plan->segments.period;

    return fits_empty_segment(pool, plan, segment) ||
           (step <= last && segment <= last - step && fits_empty_segment(pool, plan, segment + step));
}

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
    for (uint32_t segment = from; (segment = index_find(row, candidates, segment, to)) != RUNS_NONE; segment++) {
        uint32_t slot = search_segment(pool, area, plan, segment, 0, segment_slots(pool));
        if (slot != RUNS_NONE)
            return slot;
    }
    return RUNS_NONE;
}

/*
 * Next fit: every slot from the cursor on, once around. The cursor's own segment comes first, its own word before all,
 * which most often is all; and, below the cursor, last.
 */
static inline uint32_t search_area(const struct bounce_pool *pool, const struct area *area, const struct plan *plan)
{
    struct area reached;
    uint32_t cursor = (pool->flags & BOUNCE_FIRST_FIT) != 0 ? 0 : area_head(area)->cursor;
    uint32_t home, below, slot = RUNS_NONE;

    if (plan->end < area->first_slot + area->slots) {
        if (plan->end <= area->first_slot)
            return RUNS_NONE;
        reached = *area;
        reached.slots = plan->end - area->first_slot;
        reached.segments = ((reached.slots - 1) >> pool->segment_shift) + 1;
        area = &reached;
        cursor = cursor < area->slots ? cursor : 0;
    }
    home = cursor >> pool->segment_shift;
    below = cursor & pool->segment_mask;
    if (*area_longest(pool, area, home) >= plan->slots) {
        slot = runs_near_start(area_free(pool, area, home), pool->segment_words, plan->slots, &plan->where,
                               area->first_slot + cursor - below, below);
        BOUNCE_ON_SEGMENT();
    }
    if (slot != RUNS_NONE && cursor - below + slot < area->slots)
        return cursor - below + slot;
    slot = search_segment(pool, area, plan, home, below, segment_slots(pool));
    if (slot == RUNS_NONE)
        slot = search_segments(pool, area, plan, home + 1, area->segments);
    if (slot == RUNS_NONE)
        slot = search_segments(pool, area, plan, 0, home);
    if (slot == RUNS_NONE && below != 0)
        slot = search_segment(pool, area, plan, home, 0, below);
    return slot;
}

static inline void set_longest(const struct bounce_pool *pool, const struct area *area, uint32_t segment,
                               uint32_t longest)
{
    index_update(area_index(pool, area), pool->index_words, segment, *area_longest(pool, area, segment), longest);
    *area_longest(pool, area, segment) = (uint16_t)longest;
}

/*
 * Turn n slots from slot on from free to used. The free run around them was at most as long as its segment's longest.
 */
static inline int take_slots(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t n)
{
    uint32_t segment = slot >> pool->segment_shift;
    uint32_t at = slot & pool->segment_mask;
    bits_word *free = area_free(pool, area, segment);
    uint32_t before = runs_before(free, at), after = runs_after(free, pool->segment_words, at);
    uint32_t run = before + after;
    uint32_t rest = before > after - n ? before : after - n;

    if (run > *area_longest(pool, area, segment) || !record_is_sound(pool, area, slot, n))
        return BOUNCE_E_CORRUPT;
    runs_flip(free, at, n);
    if (run == *area_longest(pool, area, segment)) {
        /* What is left of a run longer than all others together can be needs no comparison with them. */
        bool plain = rest + run + 1 >= segment_slots(pool);
        set_longest(pool, area, segment, plain ? rest : runs_longest(free, pool->segment_words));
    }
    return 0;
}

static inline void count_taken(const struct area *area, uint32_t slot, uint32_t n)
{
    struct area_head *head = area_head(area);

    head->cursor = slot + n == area->slots ? 0 : slot + n;
    head->used += n;
    if (head->used > head->high_water)
        head->high_water = head->used;
    head->mappings++;
}

/* The next number of the area. */
static inline uint32_t next_number(const struct bounce_pool *pool, const struct area *area)
{
    struct area_head *head = area_head(area);

    do
        head->number++;
    while (head->number == 0 || head->number == pool->skipped);
    return head->number;
}

/* Can there be room, and is what says so sound? */
static inline int check_room(const struct bounce_pool *pool, const struct area *area, uint32_t n)
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
static inline void write_record(const struct bounce_pool *pool, const struct plan *plan,
                                const struct bounce_request *request, uintptr_t orig, bool reserved, uint32_t slot,
                                struct spot *spot)
{
    uint32_t i = records_take(pool, &spot->area), number = next_number(pool, &spot->area);
    struct record *record = record_at(pool, &spot->area, i);

    records_set_start(pool, &spot->area, slot, i);
    record_set_orig(record, orig);
    record->number = number;
    record->owner = request->owner;
    record->slot = slot;
    record->last = (uint32_t)(request->size - 1) & 0x0fffffffu;
    record->direction = (unsigned)request->direction & 3u;
    record->reserved = reserved;
    record->ending = 0;
    record->offset = plan->offset & 0x0fffffffu;
    record->granule = plan->granule & 0xfu;
    spot->record = record;
    spot->handle = mapping_handle(pool, &spot->area, i, number);
}

/* One area, under its lock. *slot is where. */
static inline int take_in_area(const struct bounce_pool *pool, const struct area *area, const struct plan *plan,
                               uint32_t *slot)
{
    int error = check_room(pool, area, plan->slots);

    if (error)
        return error;
    *slot = search_area(pool, area, plan);
    if (*slot == RUNS_NONE)
        return BOUNCE_E_FRAGMENTED;
    error = take_slots(pool, area, *slot, plan->slots);
    if (error)
        return error;
    count_taken(area, *slot, plan->slots);
    return 0;
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
 * Find the slots, beginning with the area asked for, take them, and write down what the mapping is. orig: 0 for a
 * reservation, and for coherent memory, whose request has no direction. Returns 0, BOUNCE_E_UNSATISFIABLE,
 * BOUNCE_E_FULL, BOUNCE_E_FRAGMENTED, BOUNCE_E_MAPPINGS, BOUNCE_E_BUSY or BOUNCE_E_CORRUPT.
 */
static inline int place_take(const struct bounce_pool *pool, const struct plan *plan,
                             const struct bounce_request *request, uintptr_t orig, bool reserved, struct spot *spot)
{
    int reason = BOUNCE_E_FULL;

    for (uint32_t tried = 0; tried < area_count(pool); tried++) {
        bounce_lock_state state;
        int error = BOUNCE_E_BUSY;
        uint32_t slot;

        spot->area = area_of(pool, (request->area + tried) & (area_count(pool) - 1));
        if (area_lock(pool, &spot->area, &state)) {
            error = take_in_area(pool, &spot->area, plan, &slot);
            if (!error)
                write_record(pool, plan, request, orig, reserved, slot, spot);
            area_unlock(&spot->area, state);
        }
        if (error == 0 || error == BOUNCE_E_CORRUPT)
            return error;
        reason = nearer(reason, error);
    }
    return place_fits_empty_pool(pool, plan) ? reason : BOUNCE_E_UNSATISFIABLE;
}

/*
 * Give back the n slots of a mapping, and its record. The area's lock is held. Returns 0, or BOUNCE_E_CORRUPT with
 * nothing changed.
 */
static inline int place_give(const struct bounce_pool *pool, const struct area *area, const struct record *record,
                             uint32_t n)
{
    uint32_t segment = record->slot >> pool->segment_shift;
    uint32_t at = record->slot & pool->segment_mask;
    bits_word *free = area_free(pool, area, segment);
    struct area_head *head = area_head(area);
    uint32_t run;

    if (!record_is_sound(pool, area, record->slot, n) || !runs_all(free, at, n, true) || head->used < n ||
        head->mappings == 0)
        return BOUNCE_E_CORRUPT;
    runs_flip(free, at, n);
    run = runs_before(free, at) + n + runs_after(free, pool->segment_words, at + n);
    if (run > *area_longest(pool, area, segment))
        set_longest(pool, area, segment, run);
    head->used -= n;
    head->mappings--;
    records_give(pool, area, (uint32_t)(record - record_at(pool, area, 0)));
    return 0;
}

#endif
