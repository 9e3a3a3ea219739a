/* SPDX-License-Identifier: MIT */
/*
 * Entries of an indirect table (2.7.5.3, 2.8.7), wherever the driver put it: at any address, across any number of
 * regions. Each byte is read once; judges nothing.
 */
#ifndef VRING_INDIRECT_H
#define VRING_INDIRECT_H

#include "access.h"
#include "regions.h"

/* The 16 bytes at addr, as two words in the order of the wire. False where there is no memory. */
static inline bool indirect_fetch(const struct vring_region *regions, uint32_t count, uint32_t *hint, uint64_t addr,
                                  uint64_t words[2])
{
    unsigned char *to = (unsigned char *)words;

    for (size_t have = 0; have < 16;) {
        struct regions_piece piece = regions_find(regions, count, hint, addr + have);
        const unsigned char *from = (const unsigned char *)piece.host;

        if (!piece.host)
            return false;
        for (; piece.len > 0 && have < 16; piece.len--)
            to[have++] = access_load8(from++);
    }
    return true;
}

#endif
