/* SPDX-License-Identifier: MIT */
/*
 * The cache maintenance of the Python package: there is none to do, and each operation can be watched, so that a test
 * can play a device that does not look into caches (lib/bounce/copy.h says what each means).
 */
#ifndef VRING_PYTHON_CACHE_WATCHED_H
#define VRING_PYTHON_CACHE_WATCHED_H

#include "watch.h"

extern _Thread_local bool vring_watching_caches;
void vring_cache_watched(enum vring_watch_cache operation, const void *start, size_t size);

static inline void bounce_cache_clean(const void *start, size_t size)
{
    if (vring_watching_caches)
        vring_cache_watched(VRING_WATCH_CLEAN, start, size);
}

static inline void bounce_cache_invalidate(const void *start, size_t size)
{
    if (vring_watching_caches)
        vring_cache_watched(VRING_WATCH_INVALIDATE, start, size);
}

#endif
