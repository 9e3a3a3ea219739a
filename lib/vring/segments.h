/* SPDX-License-Identifier: MIT */
/*
 * What a caller offers: lists of segments and memory for tables. Everything that can be said of them without looking at
 * a ring.
 */
#ifndef VRING_SEGMENTS_H
#define VRING_SEGMENTS_H

#include <vring/types.h>

/* Could this list ever be a buffer? 0, VRING_E_CHAIN, VRING_E_NULL, VRING_E_LEN or VRING_E_ADDR. */
static inline int segments_check(const struct vring_segment *segments, uint32_t count, uint32_t limit)
{
    uint64_t total = 0;

    if (count == 0 || count > limit)
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i].len == 0)
            return VRING_E_LEN;
        if (segments[i].len - 1 > UINT64_MAX - segments[i].addr)
            return VRING_E_ADDR;
        total += segments[i].len;
    }
    return total > UINT64_C(1) << 32 ? VRING_E_LEN : 0;
}

/* 2^32 writable bytes count as one less: a used length has no word for them, either. */
static inline uint32_t segments_writable(const struct vring_segment *segments, uint32_t n_readable, uint32_t count)
{
    uint64_t total = 0;

    for (uint32_t i = n_readable; i < count; i++)
        total += segments[i].len;
    return total > UINT32_MAX ? UINT32_MAX : (uint32_t)total;
}

/* Can this memory hold a table of count entries? 0, VRING_E_NULL, VRING_E_ALIGN, VRING_E_CHAIN or VRING_E_ADDR. */
static inline int segments_check_table(const struct vring_table *table, uint32_t count)
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
