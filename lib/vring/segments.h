/* SPDX-License-Identifier: MIT */
/*
 * What a caller offers: lists of segments and memory for tables. Everything that can be said of them without looking at
 * a ring.
 */
#ifndef VRING_SEGMENTS_H
#define VRING_SEGMENTS_H

#include <vring/types.h>

#include "features.h"
#include "port.h"

/* Could this be a piece of a buffer? 0, VRING_E_LEN or VRING_E_ADDR. */
static inline int segment_check(uint64_t addr, uint32_t len)
{
    if (len == 0)
        return VRING_E_LEN;
    return addr + (len - 1) < addr ? VRING_E_ADDR : 0;
}

/*
 * Surely a piece, by one comparison: not an empty one, and not one that wraps. One that ends where the address space does is
 * a piece, too, but is left to segment_check().
 */
static inline bool segment_is_sound(uint64_t addr, uint32_t len)
{
    return addr + len > addr;
}

/* So many bytes, at most 2^32, as a length: there is no word for that, and it counts as one less. */
static inline uint32_t segments_count(uint64_t bytes)
{
    return (uint32_t)(bytes - (bytes >> 32));
}

/*
 * Could this list of at least one be a buffer? 0, VRING_E_LEN or VRING_E_ADDR. Then *writable is the sum of all pieces
 * behind the readable ones, as segments_count() has it.
 */
static inline int segments_judge(const struct vring_segment *segments, uint32_t n_readable, uint32_t count,
                                 uint32_t *writable)
{
    uint64_t bytes = 0;
    uint32_t readable = 0; /* modulo 2^32 */

    for (uint32_t i = 0; i < count; i++) {
        int error = segment_check(segments[i].addr, segments[i].len);

        if (error)
            return error;
        bytes += segments[i].len;
        if (i < n_readable)
            readable = (uint32_t)bytes;
    }
    if (bytes > UINT64_C(1) << 32)
        return VRING_E_LEN;
    *writable = (uint32_t)bytes - readable;
    if (*writable == 0 && n_readable < count)
        *writable = UINT32_MAX; /* 2^32: no piece is empty */
    return 0;
}

/* The same, as the function that both formats share. */
int vring_segments_check(const struct vring_segment *segments, uint32_t n_readable, uint32_t count, uint32_t *writable);

static inline int segments_check(const struct vring_segment *segments, uint32_t n_readable, uint32_t count,
                                 uint32_t *writable)
{
    return (FEATURES_SHARE ? vring_segments_check : segments_judge)(segments, n_readable, count, writable);
}

/* Can this memory hold a table of count entries? 0, VRING_E_NULL, VRING_E_ALIGN, VRING_E_CHAIN or VRING_E_ADDR. */
static PORT_INLINE int segments_check_table(const struct vring_table *table, uint32_t count)
{
    if (!table->memory)
        return VRING_E_NULL;
    if ((uintptr_t)table->memory % 16 != 0)
        return VRING_E_ALIGN;
    if (count > table->entries)
        return VRING_E_CHAIN;
    if (16 * (uint64_t)count - 1 > UINT64_MAX - table->addr)
        return VRING_E_ADDR;
    return 0;
}

#endif
