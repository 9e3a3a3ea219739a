/* SPDX-License-Identifier: MIT */
/*
 * Somebody else's bounce pool, in a file that is loaded beside ours: it exports one of these, called pool_peer. Its
 * functions call what would copy, but that copies nothing.
 */
#ifndef BENCH_POOL_PEER_H
#define BENCH_POOL_PEER_H

#include <stddef.h>
#include <stdint.h>

#define POOL_PEER_NONE UINT64_MAX

struct pool_peer {
    const char *name;

    /* A pool of one area with slots of 2048 bytes in segments of 128 from an address on; null if there is no memory. */
    void *(*create)(uint64_t window_addr, uint32_t slots);
    void (*destroy)(void *pool);

    /* A place for what a device shall read. Returns the device's address, or POOL_PEER_NONE. */
    uint64_t (*map)(void *pool, uint64_t orig_addr, size_t size);
    void (*unmap)(void *pool, uint64_t addr, size_t size);
};

#endif
