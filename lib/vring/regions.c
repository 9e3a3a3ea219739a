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
    return false;
}

int vring_regions_check(const struct vring_region *table, uint32_t count)
{
    if (count == 0)
        return 0;
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
