/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "handle.h"

/* Patterns have 32-bit periods, and a pool has at most this many slots: a longer period repeats nowhere in the pool. */
#define LONGEST_PERIOD (UINT32_C(1) << 31)

static uint32_t period_of(uint64_t slots)
{
    return slots < LONGEST_PERIOD ? (uint32_t)slots : LONGEST_PERIOD;
}

/*
 * Bytes and slots. Every size below is at most a segment, 2^28 bytes, before it is added to another; a mask that is
 * wider than that is compared before one is added to it.
 */
static int plan_size(const struct bounce_pool *pool, const struct wish *wish, struct plan *plan)
{
    uint32_t longest = longest_segment(pool) << pool->slot_shift;
    uint32_t granule_mask = (uint32_t)wish->granule_mask;
    uint32_t total;

    if (wish->size > longest || wish->granule_mask >= longest)
        return BOUNCE_E_TOO_LARGE;
    plan->offset = (uint32_t)(wish->data_addr & wish->min_align_mask) & (granule_mask | slot_mask(pool));
    total = ((uint32_t)wish->size + plan->offset + granule_mask) & ~granule_mask;
    plan->slots = (total + slot_mask(pool)) >> pool->slot_shift;
    if (plan->slots > longest_segment(pool))
        return BOUNCE_E_TOO_LARGE;
    plan->granule = bits_exponent((granule_mask >> pool->slot_shift) + 1);
    return 0;
}

/*
 * Where the allocation may start. alloc_align_mask binds its start; of min_align_mask, what lies above that must be
 * right by the choice of the slot, and the rest by the offset. The two nest, so that the stride is the larger of them,
 * never their sum or intersection.
 */
static int plan_align(const struct bounce_pool *pool, const struct wish *wish, struct plan *plan)
{
    uint32_t page_mask = (UINT32_C(1) << pool->page_shift) - 1;
    uint64_t alloc_align_mask = wish->alloc_align_mask;
    uint64_t mask, first;
    uint32_t stride;

    if (alloc_align_mask == 0 && wish->min_align_mask == 0 && wish->size + plan->offset > page_mask)
        alloc_align_mask = page_mask;
    alloc_align_mask |= slot_mask(pool);
    mask = alloc_align_mask | wish->min_align_mask;
    stride = period_of(pool_slots(pool, mask) + 1);
    first = pool_slots(pool, ((wish->data_addr & wish->min_align_mask & ~alloc_align_mask) - pool->window_addr) & mask);
    if (first >= pool->slots)
        return BOUNCE_E_UNSATISFIABLE;
    plan->align = (struct runs_pattern){stride, 1, (0 - (uint32_t)first) & (stride - 1)};

    plan->segments = RUNS_ANYWHERE;
    if (stride > segment_slots(pool)) {
        plan->segments.period = stride >> pool->segment_shift;
        plan->segments.phase = (0 - ((uint32_t)first >> pool->segment_shift)) & (plan->segments.period - 1);
    }
    return 0;
}

/* The boundary is one of the device's addresses: slot 0 need not lie on one. */
static int plan_boundary(const struct bounce_pool *pool, const struct wish *wish, struct plan *plan)
{
    uint64_t slots, phase;

    plan->boundary = RUNS_ANYWHERE;
    if (wish->boundary_mask == 0 || wish->boundary_mask == UINT64_MAX)
        return 0;
    slots = pool_slots(pool, wish->boundary_mask + 1);
    if (plan->slots > slots)
        return BOUNCE_E_UNSATISFIABLE;
    phase = pool_slots(pool, pool->window_addr & wish->boundary_mask);
    if (slots - phase < pool->slots) {
        uint32_t period = period_of(slots);
        plan->boundary = (struct runs_pattern){period, period - plan->slots + 1, (uint32_t)phase & (period - 1)};
    }
    return 0;
}

int bounce_plan(const struct bounce_pool *pool, const struct wish *wish, struct plan *plan)
{
    int error = plan_size(pool, wish, plan);

    if (!error)
        error = plan_align(pool, wish, plan);
    if (!error)
        error = plan_boundary(pool, wish, plan);
    if (!error)
        plan->where = runs_where(plan->align, plan->boundary);
    return error;
}

/* Is there a start for the plan in a segment when it is empty? In closed form: this is what a failed search asks. */
static bool fits_empty_segment(const struct bounce_pool *pool, const struct plan *plan, uint32_t segment)
{
    uint32_t first = segment << pool->segment_shift;
    uint32_t slots = pool->slots - first < segment_slots(pool) ? pool->slots - first : segment_slots(pool);
    uint32_t start = (0 - (first + plan->align.phase)) & (plan->align.period - 1);

    if (start > slots || plan->slots > slots - start)
        return false;
    if (runs_allows(plan->boundary, first + start))
        return true;

    /*
     * Too near before a boundary: the first aligned slot after it is as far from a boundary as an aligned slot can be.
     */
    start += plan->boundary.period - ((first + start + plan->boundary.phase) & (plan->boundary.period - 1));
    start += (0 - (first + start + plan->align.phase)) & (plan->align.period - 1);
    return start < slots && plan->slots <= slots - start && runs_allows(plan->boundary, first + start);
}

/*
 * Segments differ only where the stride or the boundary is longer than a segment: then all but
 * every other candidate at most are cut by a boundary, and the first two that the alignment allows tell for all.
 */
bool bounce_fits_empty_pool(const struct bounce_pool *pool, const struct plan *plan)
{
    uint32_t segment = ((0 - plan->align.phase) & (plan->align.period - 1)) >> pool->segment_shift;
    uint32_t last = (pool->slots - 1) >> pool->segment_shift;
    uint32_t step = plan->segments.period;

    return fits_empty_segment(pool, plan, segment) ||
           (step <= last && segment <= last - step && fits_empty_segment(pool, plan, segment + step));
}

/* The first slot of the area in [from, to) of a segment where the plan fits; RUNS_NONE if there is none. */
static uint32_t search_segment(const struct bounce_pool *pool, const struct area *area, const struct plan *plan,
                               uint32_t segment, uint32_t from, uint32_t to)
{
    uint32_t first = segment << pool->segment_shift;
    uint32_t slot;

    if (*area_longest(pool, area, segment) < plan->slots)
        return RUNS_NONE;
    slot = runs_find(area_free(pool, area, segment), pool->segment_words, plan->slots, &plan->where,
                     area->first_slot + first, from, to);
    return slot == RUNS_NONE ? RUNS_NONE : first + slot;
}

/* The same over the segments [from, to). */
static uint32_t search_segments(const struct bounce_pool *pool, const struct area *area, const struct plan *plan,
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
 * Next fit: every slot from the cursor on, once around. The cursor's own segment comes first and, below the cursor,
 * last.
 */
static uint32_t search_area(const struct bounce_pool *pool, const struct area *area, const struct plan *plan)
{
    uint32_t cursor = (pool->flags & BOUNCE_FIRST_FIT) != 0 ? 0 : area_head(area)->cursor;
    uint32_t home = cursor >> pool->segment_shift;
    uint32_t below = cursor & (segment_slots(pool) - 1);
    uint32_t slot = search_segment(pool, area, plan, home, below, segment_slots(pool));

    if (slot == RUNS_NONE)
        slot = search_segments(pool, area, plan, home + 1, area->segments);
    if (slot == RUNS_NONE)
        slot = search_segments(pool, area, plan, 0, home);
    if (slot == RUNS_NONE && below != 0)
        slot = search_segment(pool, area, plan, home, 0, below);
    return slot;
}

static void set_longest(const struct bounce_pool *pool, const struct area *area, uint32_t segment, uint32_t longest)
{
    index_update(area_index(pool, area), pool->index_words, segment, *area_longest(pool, area, segment), longest);
    *area_longest(pool, area, segment) = (uint16_t)longest;
}

/*
 * Turn n slots from slot on from free to used. The free run around them was at most as long as its segment's longest.
 */
static int take_slots(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t n)
{
    uint32_t segment = slot >> pool->segment_shift;
    uint32_t at = slot & (segment_slots(pool) - 1);
    bits_word *free = area_free(pool, area, segment);
    uint32_t before = runs_before(free, at), after = runs_after(free, pool->segment_words, at);
    uint32_t run = before + after;
    uint32_t rest = before > after - n ? before : after - n;

    if (run > *area_longest(pool, area, segment) || n > area_segment_slots(pool, area, segment) - at)
        return BOUNCE_E_CORRUPT;
    runs_flip(free, at, n);
    if (run == *area_longest(pool, area, segment)) {
        /* What is left of a run longer than all others together can be needs no comparison with them. */
        bool plain = rest + run + 1 >= segment_slots(pool);
        set_longest(pool, area, segment, plain ? rest : runs_longest(free, pool->segment_words));
    }
    return 0;
}

static void count_taken(const struct area *area, uint32_t slot, uint32_t n)
{
    struct area_head *head = area_head(area);

    head->cursor = slot + n == area->slots ? 0 : slot + n;
    head->used += n;
    if (head->used > head->high_water)
        head->high_water = head->used;
    head->mappings++;
}

/* The next number of the area and the handle that it makes; neither is 0. */
static bounce_handle next_handle(const struct bounce_pool *pool, const struct area *area, uint32_t slot,
                                 uint32_t *number)
{
    struct handle_parts parts = {area->number << pool->place_shift | slot, area_head(area)->number};
    bounce_handle handle;

    do {
        parts.number++;
        handle = handle_seal(pool->key, parts);
    } while (parts.number == 0 || handle == 0);
    *number = area_head(area)->number = parts.number;
    return handle;
}

/* One area, under its lock. */
static int take_in_area(const struct bounce_pool *pool, const struct area *area, const struct plan *plan,
                        const struct record *record, struct spot *spot)
{
    struct record *kept;
    uint32_t slot;
    int error;

    if (area_head(area)->used > area->slots || area_head(area)->cursor >= area->slots)
        return BOUNCE_E_CORRUPT;
    if (plan->slots > area->slots - area_head(area)->used)
        return BOUNCE_E_FULL;
    slot = search_area(pool, area, plan);
    if (slot == RUNS_NONE)
        return BOUNCE_E_FRAGMENTED;
    error = take_slots(pool, area, slot, plan->slots);
    if (error)
        return error;
    count_taken(area, slot, plan->slots);

    kept = area_record(pool, area, slot);
    *kept = *record;
    spot->area = *area;
    spot->slot = slot;
    spot->handle = next_handle(pool, area, slot, &kept->number);
    return 0;
}

int bounce_take(const struct bounce_pool *pool, const struct plan *plan, uint32_t area, const struct record *record,
                struct spot *spot)
{
    bool had_room = false, busy = false;

    for (uint32_t tried = 0; tried < area_count(pool); tried++) {
        struct area here = area_of(pool, (area + tried) & (area_count(pool) - 1));
        bounce_lock_state state;
        int error;

        if (!area_lock(pool, &here, &state)) {
            busy = true;
            continue;
        }
        error = take_in_area(pool, &here, plan, record, spot);
        area_unlock(&here, state);
        if (error == 0 || error == BOUNCE_E_CORRUPT)
            return error;
        had_room |= error == BOUNCE_E_FRAGMENTED;
    }
    if (!bounce_fits_empty_pool(pool, plan))
        return BOUNCE_E_UNSATISFIABLE;
    if (busy)
        return BOUNCE_E_BUSY;
    return had_room ? BOUNCE_E_FRAGMENTED : BOUNCE_E_FULL;
}

int bounce_give(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t n)
{
    static const struct record none = {0};
    uint32_t segment = slot >> pool->segment_shift;
    uint32_t at = slot & (segment_slots(pool) - 1);
    bits_word *free = area_free(pool, area, segment);
    uint32_t run;

    if (n > area_segment_slots(pool, area, segment) - at || !runs_all(free, at, n, true) || area_head(area)->used < n ||
        area_head(area)->mappings == 0)
        return BOUNCE_E_CORRUPT;
    runs_flip(free, at, n);
    run = runs_before(free, at) + runs_after(free, pool->segment_words, at);
    if (run > *area_longest(pool, area, segment))
        set_longest(pool, area, segment, run);
    area_head(area)->used -= n;
    area_head(area)->mappings--;
    *area_record(pool, area, slot) = none;
    return 0;
}
