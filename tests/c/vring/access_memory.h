/* SPDX-License-Identifier: MIT */
/* What a user writes for VRING_MEMORY_HEADER: here every access is told to the program. */
#ifndef ACCESS_MEMORY_H
#define ACCESS_MEMORY_H

#include <stddef.h>

void memory_is_loaded(const void *p, size_t bytes);
void memory_was_stored(void *p, size_t bytes);

static inline void memory_before_load(const void *p, size_t bytes)
{
    memory_is_loaded(p, bytes);
}

static inline void memory_after_store(void *p, size_t bytes)
{
    memory_was_stored(p, bytes);
}

#endif
