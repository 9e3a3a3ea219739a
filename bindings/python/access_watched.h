/* SPDX-License-Identifier: MIT */
/*
 * How the Python package touches shared memory: as the default build does (access_acqrel.h), and each access can be
 * watched. What that costs when nobody watches is one test of a flag.
 */
#ifndef VRING_PYTHON_ACCESS_WATCHED_H
#define VRING_PYTHON_ACCESS_WATCHED_H

#include "../../lib/vring/port.h"

#include "watch.h"

extern _Thread_local bool vring_watching;
void vring_watched(enum vring_watch_access access, const volatile void *p, size_t width, uint64_t value);

#define access_load8 unwatched_load8
#define access_load16 unwatched_load16
#define access_load32 unwatched_load32
#define access_load64 unwatched_load64
#define access_load_acquire16 unwatched_load_acquire16
#define access_store16 unwatched_store16
#define access_store32 unwatched_store32
#define access_store64 unwatched_store64
#define access_store_release16 unwatched_store_release16
#define access_fence unwatched_fence
#include "../../lib/vring/access_acqrel.h"
#undef access_load8
#undef access_load16
#undef access_load32
#undef access_load64
#undef access_load_acquire16
#undef access_store16
#undef access_store32
#undef access_store64
#undef access_store_release16
#undef access_fence

#define LOAD(name, bits, access)                                    \
    static inline uint##bits##_t access_##name(const uint##bits##_t *p) \
    {                                                               \
        if (vring_watching)                                         \
            vring_watched(access, p, sizeof *p, 0);                 \
        return unwatched_##name(p);                                 \
    }
#define STORE(name, bits, access)                                   \
    static inline void access_##name(uint##bits##_t *p, uint##bits##_t v) \
    {                                                               \
        if (vring_watching)                                         \
            vring_watched(access, p, sizeof *p, v);                 \
        unwatched_##name(p, v);                                     \
    }

LOAD(load8, 8, VRING_WATCH_LOAD)
LOAD(load16, 16, VRING_WATCH_LOAD)
LOAD(load32, 32, VRING_WATCH_LOAD)
LOAD(load_acquire16, 16, VRING_WATCH_LOAD_ACQUIRE)
STORE(store16, 16, VRING_WATCH_STORE)
STORE(store32, 32, VRING_WATCH_STORE)
STORE(store_release16, 16, VRING_WATCH_STORE_RELEASE)
#if PORT_64BIT_ACCESS
LOAD(load64, 64, VRING_WATCH_LOAD)
STORE(store64, 64, VRING_WATCH_STORE)
#endif
#undef LOAD
#undef STORE

static inline void access_fence(void)
{
    if (vring_watching)
        vring_watched(VRING_WATCH_FENCE, NULL, 0, 0);
    unwatched_fence();
}

#endif
