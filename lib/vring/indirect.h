/* SPDX-License-Identifier: MIT */
/*
 * Entries of an indirect table (2.7.5.3, 2.8.7), wherever the driver put it: at any address, across any number of
 * regions. Each byte is read once; judges nothing.
 */
#ifndef VRING_INDIRECT_H
#define VRING_INDIRECT_H

#include "access.h"
#include "regions.h"

/* The 16 bytes at addr, byte by byte. False where there is no memory. */
PORT_COLD bool vring_indirect_fetch_bytes(struct vring_regions *regions, uint64_t addr, uint64_t words[2]);

/* The 16 bytes at addr, as two words in the order of the wire. False where there is no memory. */
static inline bool indirect_fetch(struct vring_regions *regions, uint64_t addr, uint64_t words[2])
{
    void *host;

    if (!regions_whole(regions, addr, 16, false, &host) || (uintptr_t)host % 8 != 0)
        return vring_indirect_fetch_bytes(regions, addr, words);
    words[0] = access_load64((const uint64_t *)host);
    words[1] = access_load64((const uint64_t *)host + 1);
    return true;
}

#endif
