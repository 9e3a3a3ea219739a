/* SPDX-License-Identifier: MIT */
#include "access_watched.h"
#include "cache_watched.h"

/* In Python: see callbacks.cdef. */
extern void vring_watch_callback(int access, uintptr_t address, uint32_t width, uint64_t value);
extern void vring_cache_callback(int operation, uintptr_t address, size_t size);

_Thread_local bool vring_watching;
_Thread_local bool vring_watching_caches;

bool vring_watch(bool on)
{
    bool before = vring_watching;

    vring_watching = on;
    return before;
}

bool vring_watch_caches(bool on)
{
    bool before = vring_watching_caches;

    vring_watching_caches = on;
    return before;
}

/* What the callback does itself is not watched: it may call any verb of either side. */
void vring_watched(enum vring_watch_access access, const volatile void *p, size_t width, uint64_t value)
{
    vring_watching = false;
    vring_watch_callback(access, (uintptr_t)p, (uint32_t)width, value);
    vring_watching = true;
}

void vring_cache_watched(enum vring_watch_cache operation, const void *start, size_t size)
{
    vring_watching_caches = false;
    vring_cache_callback(operation, (uintptr_t)start, size);
    vring_watching_caches = true;
}
