/* SPDX-License-Identifier: MIT */
#include "indirect.h"

bool vring_indirect_fetch_bytes(struct vring_regions *regions, uint64_t addr, uint64_t words[2])
{
    unsigned char *to = (unsigned char *)words;

    for (size_t have = 0; have < 16;) {
        struct regions_piece piece = regions_find(regions, addr + have);
        const unsigned char *from = (const unsigned char *)piece.host;

        if (!piece.host)
            return false;
        for (; piece.len > 0 && have < 16; piece.len--)
            to[have++] = access_load8(from++);
    }
    return true;
}
