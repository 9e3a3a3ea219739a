/* SPDX-License-Identifier: MIT */
/* What the floor of the benchmarks knows of the rings, and has of its own. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How every side of the floor begins: does it go round the ring (floor_in_order.h)? */
struct floor_side {
    bool goes_round;
};

enum { NEXT = 1, WRITE = 2, AVAIL = 1 << 7, USED = 1 << 15, NO_NOTIFY = 1 };

static inline void must(bool true_here, const char *what)
{
    if (__builtin_expect(!true_here, 0)) {
        fprintf(stderr, "the floor of the benchmarks: %s\n", what);
        abort();
    }
}

/* Zero and cache-line aligned, so that the sides are apart. */
static inline void *new_side(size_t size)
{
    size_t rounded = (size + 127) / 128 * 128;
    void *side = aligned_alloc(128, rounded);

    must(side != NULL, "no memory");
    return memset(side, 0, rounded);
}

/* -------------------------------------------------------------------------------------------------------- split --- */

struct split_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

struct split_avail {
    uint16_t flags, idx, ring[RING_MOST_ENTRIES + 1];
};

struct split_used {
    uint16_t flags, idx;
    struct {
        uint32_t id, len;
    } ring[RING_MOST_ENTRIES];
    uint16_t event;
};

struct split_memory {
    struct split_desc desc[RING_MOST_ENTRIES];
    _Alignas(128) struct split_avail avail;
    _Alignas(128) struct split_used used;
};

/* ------------------------------------------------------------------------------------------------------- packed --- */

struct packed_desc {
    uint64_t addr;
    uint64_t rest; /* len, id, flags: one store */
};

struct packed_memory {
    struct packed_desc desc[RING_MOST_ENTRIES];
    _Alignas(128) uint32_t driver_event;
    _Alignas(128) uint32_t device_event;
};

enum { EVENT_FLAGS_DISABLE = 1 };

static inline uint64_t rest_of(uint32_t len, uint16_t id, uint16_t flags)
{
    return len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

static inline bool packed_is(uint64_t rest, bool avail, bool used)
{
    return ((rest >> 48 & AVAIL) != 0) == avail && ((rest >> 48 & USED) != 0) == used;
}

#endif
