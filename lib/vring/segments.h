/* SPDX-License-Identifier: MIT */
/*
 * What a caller offers: lists of segments and memory for tables. Everything that can be said of them without looking at
 * a ring.
 */
#ifndef VRING_SEGMENTS_H
#define VRING_SEGMENTS_H

#include <vring/types.h>

/* Could this be a piece of a buffer? 0, VRING_E_LEN or VRING_E_ADDR. */
static inline int segment_check(uint64_t addr, uint32_t len)
{
    if (len == 0)
        return VRING_E_LEN;
    return addr + (len - 1) < addr ? VRING_E_ADDR : 0;
}

/*
 * Could this list be a buffer? 0, VRING_E_LEN or VRING_E_ADDR. Then *writable is the sum of all pieces behind the
 * readable ones; 2^32 counts as one less: a used length has no word for it, either.
 */
int vring_segments_check(const struct vring_segment *segments, uint32_t n_readable, uint32_t count, uint32_t *writable);

/* Can this memory hold a table of count entries? 0, VRING_E_NULL, VRING_E_ALIGN, VRING_E_CHAIN or VRING_E_ADDR. */
int vring_segments_check_table(const struct vring_table *table, uint32_t count);

#endif
