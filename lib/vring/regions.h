/* SPDX-License-Identifier: MIT */
/*
 * The driver's addresses, in ours: a sorted table of regions. Integers and private arrays; never touches what a region
 * holds.
 */
#ifndef VRING_REGIONS_H
#define VRING_REGIONS_H

#include <vring/types.h>

/* A run of bytes that both sides can name: host is null where no region holds the address. */
struct regions_piece {
    void *host;
    uint64_t len; /* from the address asked for to the end of its region; never 0 unless host is null */
    bool read_only;
};

static inline bool regions_hold(const struct vring_region *region, uint64_t addr)
{
    return addr >= region->addr && addr - region->addr < region->size;
}

/*
 * The number of the region that holds addr; count if none does. Binary search: O(log count).
 */
static inline uint32_t regions_search(const struct vring_region *regions, uint32_t count, uint64_t addr)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (regions_hold(&regions[middle], addr))
            return middle;
        if (addr < regions[middle].addr)
            high = middle;
        else
            low = middle + 1;
    }
    return count;
}

/* hint: the region that the last address fell into; the next one mostly falls there, too. */
static inline struct regions_piece regions_find(const struct vring_region *regions, uint32_t count, uint32_t *hint,
                                                uint64_t addr)
{
    struct regions_piece piece = {NULL, 0, false};
    uint32_t found = *hint;

    if (found >= count || !regions_hold(&regions[found], addr)) {
        found = regions_search(regions, count, addr);
        if (found == count)
            return piece;
        *hint = found;
    }
    piece.host = (unsigned char *)regions[found].host + (size_t)(addr - regions[found].addr);
    piece.len = regions[found].size - (addr - regions[found].addr);
    piece.read_only = (regions[found].flags & VRING_REGION_READ_ONLY) != 0;
    return piece;
}

/* Does the range wrap past 2^64? Its last byte at 2^64 - 1 is legal. len is not 0. */
static inline bool regions_wraps(uint64_t addr, uint64_t len)
{
    return len - 1 > UINT64_MAX - addr;
}

/* Is the table one to search in? 0, VRING_E_NULL, VRING_E_ADDR, VRING_E_OVERLAP. */
static inline int regions_check(const struct vring_region *regions, uint32_t count)
{
    if (count == 0)
        return 0;
    if (!regions)
        return VRING_E_NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!regions[i].host)
            return VRING_E_NULL;
        if (regions[i].size == 0 || regions_wraps(regions[i].addr, regions[i].size))
            return VRING_E_ADDR;
        if (regions[i].size - 1 > UINTPTR_MAX - (uintptr_t)regions[i].host)
            return VRING_E_ADDR;
        if (i > 0 && (regions[i].addr < regions[i - 1].addr || regions_hold(&regions[i - 1], regions[i].addr)))
            return VRING_E_OVERLAP;
    }
    return 0;
}

#endif
