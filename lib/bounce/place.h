/* SPDX-License-Identifier: MIT */
/*
 * Where a mapping goes. Knows slots, masks and bitmaps; never the window.
 */
#ifndef BOUNCE_PLACE_H
#define BOUNCE_PLACE_H

#include "area.h"

/* What is asked of a place. */
struct wish {
    size_t size;           /* bytes of data, not 0 */
    uint64_t data_addr;    /* the bits of this in min_align_mask are those of the data's address */
    uint64_t min_align_mask;
    uint64_t alloc_align_mask; /* the allocation starts at a multiple of mask + 1 */
    uint64_t granule_mask;     /* and is a multiple of this mask + 1 long */
    uint64_t boundary_mask;
};

/* The same in slots. */
struct plan {
    uint32_t slots;
    uint32_t offset;  /* bytes from the start of the allocation to the data */
    uint32_t granule; /* as in struct record */
    struct runs_pattern align;    /* where it may start, in slots of the pool: the stride is align.period */
    struct runs_pattern boundary; /* likewise */
    struct runs_where where;      /* the two of them */
    struct runs_pattern segments; /* in which segments of the pool `align` allows a slot at all */
};

/* Where it went. */
struct spot {
    struct area area;
    uint32_t slot; /* of the area */
    bounce_handle handle;
};

/* Returns 0; or, for a wish that no state of this pool fulfils, BOUNCE_E_TOO_LARGE or BOUNCE_E_UNSATISFIABLE. */
int bounce_plan(const struct bounce_pool *pool, const struct wish *wish, struct plan *plan);

/*
 * Find the slots, beginning with the area asked for, take them, and write the record down: as it is in *record but for
 * its number. Returns 0, BOUNCE_E_UNSATISFIABLE, BOUNCE_E_FULL, BOUNCE_E_FRAGMENTED, BOUNCE_E_BUSY or BOUNCE_E_CORRUPT.
 */
int bounce_take(const struct bounce_pool *pool, const struct plan *plan, uint32_t area, const struct record *record,
                struct spot *spot);

/* Could an empty pool fulfil the plan? */
bool bounce_fits_empty_pool(const struct bounce_pool *pool, const struct plan *plan);

/*
 * Give the n slots of a mapping back and forget its record. The area's lock is held. Returns 0, or BOUNCE_E_CORRUPT
 * with nothing changed.
 */
int bounce_give(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t n);

#endif
