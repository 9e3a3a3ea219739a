/* SPDX-License-Identifier: MIT */
/*
 * The search, said plainly: walk the slots from the cursor, once around, and take the first that suits. This is the
 * statement that the library's bitmaps are compared with; and the home of the ways in which it went wrong in the past,
 * so that the tests can show that they would notice.
 *
 * The rule: alloc_align_mask binds where the allocation starts, min_align_mask where the data start; what slot choice
 * must satisfy of each is a stride, and the stride of the walk is the larger. A step by the stride is legal only from
 * an aligned slot.
 */
#ifndef BOUNCE_TEST_SLOT_WALK_H
#define BOUNCE_TEST_SLOT_WALK_H

#include <stdbool.h>
#include <stdint.h>

#ifndef WALK_SLOTS
#define WALK_SLOTS 8192 /* most that a walk can have */
#endif
#define WALK_NONE UINT32_MAX

enum walk_bug {
    WALK_RIGHT,
    WALK_S1_ALIGNS_ONLY_AN_ORIGINAL, /* no alignment where there is no original: the mail thread */
    WALK_S2_UMAX_OF_A_SHIFT,         /* stride = umax(stride, PAGE_SHIFT - SLOT_SHIFT + 1), in place of alignment */
    WALK_S3_STRIDE_FROM_UNALIGNED,   /* steps by the stride from wherever the cursor stands */
    WALK_S4_MIXED_MASKS,             /* one mask for both, combined with and */
    WALK_STRIDE_BY_AND,              /* the same for the stride; alignment by the stride alone */
    WALK_S5_ALIGNMENT_BY_STRIDE,     /* alloc alignment from the stride alone, while min_align makes steps of one */
    WALK_S26_BOUNDARY_WITHOUT_BASE,  /* boundary counted from slot 0 */
    WALK_S27_GIVES_UP_EARLY,         /* the step that leaves the area counts as a whole stride */
    WALK_S28_BASE_CUT_BY_BOUNDARY,   /* base & boundary_mask used for alignment, too */
    WALK_BUGS
};

struct walk {
    uint64_t base;
    uint32_t slots, segment, slot_size, page;
    uint32_t cursor;
    enum walk_bug bug;
    unsigned char used[WALK_SLOTS];
};

struct walk_request {
    uint64_t orig_addr;
    uint64_t size;
    uint64_t alloc_align_mask, min_align_mask, boundary_mask;
    bool coherent;
    uint64_t limit; /* no byte of data above; 0: none */
};

/* What the walk looks for: slots, and the two alignments apart. */
struct walk_goal {
    uint64_t orig_addr;
    uint64_t alloc_mask; /* of the allocation's start, at least a slot */
    uint64_t data_mask;  /* what of min_align_mask lies above */
    uint64_t boundary_mask;
    uint64_t stride; /* slots */
    uint64_t to_last, limit; /* bytes from the start to the last byte of data, and where that may lie */
    uint32_t n;
    bool coherent;
};

static inline uint64_t walk_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t walk_offset(const struct walk *walk, const struct walk_request *request)
{
    uint64_t start_mask = request->alloc_align_mask | (walk->slot_size - 1);

    return request->coherent ? 0 : request->orig_addr & request->min_align_mask & start_mask;
}

static inline struct walk_goal walk_goal(const struct walk *walk, const struct walk_request *request)
{
    uint64_t slot_mask = walk->slot_size - 1, alloc_mask = request->alloc_align_mask;
    uint64_t min_mask = request->coherent ? 0 : request->min_align_mask;
    uint64_t total = request->size + walk_offset(walk, request);
    struct walk_goal goal = {.orig_addr = request->orig_addr, .boundary_mask = request->boundary_mask,
                             .coherent = request->coherent};

    if (!request->coherent)
        total = (total + alloc_mask) & ~alloc_mask;
    goal.n = (uint32_t)((total + slot_mask) / walk->slot_size);
    goal.to_last = walk_offset(walk, request) + request->size - 1;
    goal.limit = request->limit;
    if (alloc_mask == 0 && min_mask == 0 && total >= walk->page)
        alloc_mask = walk->page - 1;
    goal.alloc_mask = alloc_mask | slot_mask;
    goal.data_mask = min_mask & ~goal.alloc_mask;
    goal.stride = walk_max(goal.alloc_mask, goal.data_mask) / walk->slot_size + 1;

    if (walk->bug == WALK_S4_MIXED_MASKS)
        goal.alloc_mask = (alloc_mask & min_mask) | slot_mask, goal.data_mask = min_mask & ~goal.alloc_mask;
    if (walk->bug == WALK_STRIDE_BY_AND)
        goal.stride = (goal.alloc_mask & (min_mask | slot_mask)) / walk->slot_size + 1;
    if (walk->bug == WALK_S2_UMAX_OF_A_SHIFT) {
        uint32_t shift = 0;
        while (walk->slot_size << shift < walk->page)
            shift++;
        goal.stride = walk_max(1, shift + 1);
    }
    return goal;
}

static inline bool walk_aligned(const struct walk *walk, const struct walk_goal *goal, uint32_t slot)
{
    uint64_t base = walk->bug == WALK_S28_BASE_CUT_BY_BOUNDARY &&
        goal->boundary_mask ? walk->base & goal->boundary_mask : walk->base;
    uint64_t start = base + (uint64_t)slot * walk->slot_size;
    bool data = ((start ^ goal->orig_addr) & goal->data_mask) == 0 || goal->coherent;

    switch (walk->bug) {
    case WALK_S1_ALIGNS_ONLY_AN_ORIGINAL:
        return goal->orig_addr == 0 || (data && (start & goal->alloc_mask) == 0);
    case WALK_S2_UMAX_OF_A_SHIFT:
    case WALK_STRIDE_BY_AND:
        return data;
    case WALK_S5_ALIGNMENT_BY_STRIDE:
        return data;
    default:
        return data && (start & goal->alloc_mask) == 0;
    }
}

static inline bool walk_fits(const struct walk *walk, const struct walk_goal *goal, uint32_t slot)
{
    uint64_t base = walk->bug == WALK_S26_BOUNDARY_WITHOUT_BASE ? 0 : walk->base;
    uint64_t start = base + (uint64_t)slot * walk->slot_size;
    uint64_t last = start + (uint64_t)goal->n * walk->slot_size - 1;

    if (goal->n > walk->segment || slot % walk->segment + goal->n > walk->segment || slot + goal->n > walk->slots)
        return false;
    if (goal->boundary_mask != 0 && goal->boundary_mask != UINT64_MAX &&
        start / (goal->boundary_mask + 1) != last / (goal->boundary_mask + 1))
        return false;
    if (goal->limit != 0 && walk->base + (uint64_t)slot * walk->slot_size + goal->to_last > goal->limit)
        return false;
    for (uint32_t i = slot; i < slot + goal->n; i++)
        if (walk->used[i])
            return false;
    return true;
}

/* The first slot in [from, to) that suits. */
static inline uint32_t walk_range(const struct walk *walk, const struct walk_goal *goal, uint32_t from, uint32_t to)
{
    for (uint64_t slot = from; slot < to;) {
        if (!walk_aligned(walk, goal, (uint32_t)slot)) {
            slot += walk->bug == WALK_S3_STRIDE_FROM_UNALIGNED ? goal->stride : 1;
            continue;
        }
        if (walk_fits(walk, goal, (uint32_t)slot))
            return (uint32_t)slot;
        slot += goal->stride;
    }
    return WALK_NONE;
}

/* The walk with one counter for both kinds of step, which ends too soon: S27. */
static inline uint32_t walk_counted(const struct walk *walk, const struct walk_goal *goal)
{
    uint64_t slot = walk->cursor;

    for (uint64_t checked = 0; checked < walk->slots;) {
        bool aligned = walk_aligned(walk, goal, (uint32_t)slot);
        uint64_t step = aligned ? goal->stride : 1;
        if (aligned && walk_fits(walk, goal, (uint32_t)slot))
            return (uint32_t)slot;
        slot = slot + step >= walk->slots ? 0 : slot + step;
        checked += step;
    }
    return WALK_NONE;
}

/* Where the request goes, or WALK_NONE. Changes nothing. */
static inline uint32_t walk_find(const struct walk *walk, const struct walk_request *request, uint32_t *n)
{
    struct walk_goal goal = walk_goal(walk, request);
    uint32_t cursor = walk->cursor, slot;

    *n = goal.n;
    if (walk->bug == WALK_S27_GIVES_UP_EARLY)
        return walk_counted(walk, &goal);
    if (walk->bug == WALK_S5_ALIGNMENT_BY_STRIDE)
        cursor = (uint32_t)((cursor + goal.stride - 1) / goal.stride * goal.stride) % walk->slots;
    slot = walk_range(walk, &goal, cursor, walk->slots);
    return slot == WALK_NONE ? walk_range(walk, &goal, 0, cursor) : slot;
}

static inline void walk_take(struct walk *walk, uint32_t slot, uint32_t n)
{
    for (uint32_t i = slot; i < slot + n; i++)
        walk->used[i] = 1;
    walk->cursor = slot + n == walk->slots ? 0 : slot + n;
}

static inline void walk_give(struct walk *walk, uint32_t slot, uint32_t n)
{
    for (uint32_t i = slot; i < slot + n; i++)
        walk->used[i] = 0;
}

#endif
