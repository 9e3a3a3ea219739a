/* SPDX-License-Identifier: MIT */
/* Cache maintenance that a test looks at: see cache_test.c. */
#include <stddef.h>

void watch_clean(const void *start, size_t size);
void watch_invalidate(const void *start, size_t size);

static inline void bounce_cache_clean(const void *start, size_t size)
{
    watch_clean(start, size);
}

static inline void bounce_cache_invalidate(const void *start, size_t size)
{
    watch_invalidate(start, size);
}
