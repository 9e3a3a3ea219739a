/* SPDX-License-Identifier: MIT */
/*
 * The only code that touches the window, which the device may change at any moment: nothing that is read from it
 * decides anything.
 */
#ifndef BOUNCE_COPY_H
#define BOUNCE_COPY_H

#include <stddef.h>

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
    if (size != 0)
        __builtin_memset(window, 0, size);
}

#endif
