/* SPDX-License-Identifier: MIT */
/*
 * The driver's addresses, in ours: a sorted table of regions. Integers and private arrays; never touches what a region
 * holds.
 */
#ifndef VRING_REGIONS_H
#define VRING_REGIONS_H

#include <vring/types.h>

#include "port.h"

/*
 * May a device's memory be several regions, and may an address come to lie in one while it runs? Where it may not, init
 * answers VRING_E_FEATURE to more than one region and to regions_may_miss. For firmware, which has one: its RAM.
 */
#ifndef VRING_BUILD_REGIONS
#define VRING_BUILD_REGIONS 1
#endif

/* A run of bytes that both sides can name: host is null where no region holds the address. */
struct regions_piece {
    void *host;
    uint64_t len; /* from the address asked for to the end of its region; never 0 unless host is null */
    bool read_only;
};

static inline bool regions_hold(const struct vring_region *region, uint64_t addr)
{
    return addr - region->addr < region->size;
}

/* May an address that lies nowhere come to lie somewhere? */
static inline bool regions_may_miss(const struct vring_regions *regions)
{
    return VRING_BUILD_REGIONS && regions->may_miss;
}

/* The last region is the first of the table until another was asked for. */
static inline void regions_start(struct vring_regions *regions, const struct vring_region *table, uint32_t count)
{
    static const struct vring_region nowhere = {0};

    regions->table = table;
    regions->count = count;
    regions->last = count > 0 ? table[0] : nowhere;
}

/* Make the region that holds addr the last one. False if there is none. Binary search: O(log count). */
PORT_COLD bool vring_regions_search(struct vring_regions *regions, uint64_t addr);

static inline struct regions_piece regions_find(struct vring_regions *regions, uint64_t addr)
{
    struct regions_piece piece = {NULL, 0, false};
    const struct vring_region *last = &regions->last;

    if (PORT_UNLIKELY(!regions_hold(last, addr)) && (!VRING_BUILD_REGIONS || !vring_regions_search(regions, addr)))
        return piece;
    piece.host = (unsigned char *)last->host + (size_t)(addr - last->addr);
    piece.len = last->size - (addr - last->addr);
    piece.read_only = (last->flags & VRING_REGION_READ_ONLY) != 0;
    return piece;
}

/*
 * The judgement of region_whole() where code has to be small: what of the distance into the region lies beyond our memory,
 * and that it may not be written, are one condition.
 */
static inline bool region_holds(const struct vring_region *last, uint64_t offset, uint32_t len, bool writable)
{
    uint32_t beyond = sizeof(size_t) < sizeof offset ? (uint32_t)(offset >> 32) : 0;
    size_t size = (size_t)last->size;

    if ((beyond | (last->flags & writable * VRING_REGION_READ_ONLY)) != 0)
        return false;
    return len != 0 && len <= size && (size_t)offset <= size - len;
}

/*
 * Do all the len bytes at addr lie in the last region, and may they be used so? Then *host is where this side sees them.
 * Otherwise, and where there are none, ask regions_find().
 */
static inline bool region_whole(const struct vring_region *last, uint64_t addr, uint32_t len, bool writable, void **host)
{
    uint64_t offset = addr - last->addr;
    size_t begin = (size_t)offset, end = begin + len - 1; /* no region is larger than what this side can address */

    if (PORT_FAST && (begin != offset || end < begin || end >= (size_t)last->size))
        return false;
    if (PORT_FAST && writable && (last->flags & VRING_REGION_READ_ONLY))
        return false;
    if (!PORT_FAST && !region_holds(last, offset, len, writable))
        return false;
    *host = (unsigned char *)last->host + begin;
    return true;
}

static inline bool regions_whole(const struct vring_regions *regions, uint64_t addr, uint32_t len, bool writable,
                                 void **host)
{
    return region_whole(&regions->last, addr, len, writable, host);
}

/* Does the range wrap past 2^64? Its last byte at 2^64 - 1 is legal. len is not 0. */
static inline bool regions_wraps(uint64_t addr, uint64_t len)
{
    return len - 1 > UINT64_MAX - addr;
}

/* Is the table one to search in? 0, VRING_E_NULL, VRING_E_ADDR, VRING_E_OVERLAP; VRING_E_FEATURE where there is no search. */
int vring_regions_check(const struct vring_region *table, uint32_t count);

/*
 * Go over to another table. While pieces of the old one are in use (busy) every region of it must be in the new one, too.
 * 0, VRING_E_STATE, or as vring_regions_check(); nothing has changed then.
 */
int vring_regions_replace(struct vring_regions *regions, const struct vring_region *table, uint32_t count, bool busy);

#endif
