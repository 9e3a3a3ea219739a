/* SPDX-License-Identifier: MIT */
#include "regions.h"

bool vring_regions_search(struct vring_regions *regions, uint64_t addr)
{
    uint32_t low = 0, high = regions->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct vring_region *region = &regions->table[middle];

        if (regions_hold(region, addr)) {
            regions->last = *region;
            return true;
        }
        if (addr < region->addr)
            high = middle;
        else
            low = middle + 1;
    }
    regions->missing = addr;
    return false;
}

int vring_regions_check(const struct vring_region *table, uint32_t count)
{
    if (count == 0)
        return 0;
    if (!VRING_BUILD_REGIONS && count > 1)
        return VRING_E_FEATURE;
    if (!table)
        return VRING_E_NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!table[i].host)
            return VRING_E_NULL;
        if (table[i].size == 0 || regions_wraps(table[i].addr, table[i].size))
            return VRING_E_ADDR;
        if (table[i].size - 1 > UINTPTR_MAX - (uintptr_t)table[i].host)
            return VRING_E_ADDR;
        if (i > 0 && (table[i].addr < table[i - 1].addr || regions_hold(&table[i - 1], table[i].addr)))
            return VRING_E_OVERLAP;
    }
    return 0;
}

static bool regions_same(const struct vring_region *a, const struct vring_region *b)
{
    return a->addr == b->addr && a->size == b->size && a->host == b->host && a->flags == b->flags;
}

int vring_regions_replace(struct vring_regions *regions, const struct vring_region *table, uint32_t count, bool busy)
{
    int error = vring_regions_check(table, count);

    if (error)
        return error;
    /* Both are sorted: one pass. */
    for (uint32_t old = 0, i = 0; busy && old < regions->count; i++) {
        if (i == count)
            return VRING_E_STATE;
        if (regions_same(&regions->table[old], &table[i]))
            old++;
    }
    regions_start(regions, table, count);
    return 0;
}
