/* SPDX-License-Identifier: MIT */
/*
 * The only code that touches the window, which the device may change at any moment: nothing that is read from it
 * decides anything.
 *
 * Where caches are not coherent with the device, a build brings what keeps them so: BOUNCE_CACHE_HEADER names a header
 * with two functions.
 *
 *   bounce_cache_clean(start, size)        the device sees what was written there
 *   bounce_cache_invalidate(start, size)   what the device wrote there is seen
 *
 * Each is told exactly the bytes that it is about, and may round them to lines: slots are aligned to 256 bytes at
 * least in the window as in the device's addresses, if the window is, so that no line of another mapping is touched.
 */
#ifndef BOUNCE_COPY_H
#define BOUNCE_COPY_H

#include <stddef.h>

#if defined(BOUNCE_CACHE_HEADER)
#include BOUNCE_CACHE_HEADER
#else
static inline void bounce_cache_clean(const void *start, size_t size)
{
    (void)start;
    (void)size;
}

static inline void bounce_cache_invalidate(const void *start, size_t size)
{
    (void)start;
    (void)size;
}
#endif

/* Before a part of the window is written: the rest of its lines goes back with it, as the device wrote it. */
static inline void copy_begin_write(const void *window, size_t size)
{
    if (size != 0)
        bounce_cache_invalidate(window, size);
}

static inline void copy_end_write(const void *window, size_t size)
{
    if (size != 0)
        bounce_cache_clean(window, size);
}

/* Before the window is read. */
static inline void copy_begin_read(const void *window, size_t size)
{
    if (size != 0)
        bounce_cache_invalidate(window, size);
}

static inline void copy_to_window(void *window, const void *orig, size_t size)
{
    if (size != 0)
        __builtin_memcpy(window, orig, size);
}

static inline void copy_from_window(void *orig, const void *window, size_t size)
{
    if (size != 0)
        __builtin_memcpy(orig, window, size);
}

static inline void copy_clear(void *window, size_t size)
{
    if (size != 0) {
        __builtin_memset(window, 0, size);
        bounce_cache_clean(window, size);
    }
}

#endif
