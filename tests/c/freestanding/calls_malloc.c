/* SPDX-License-Identifier: MIT */
/* Planted: allocates. */
#include <stddef.h>

void *malloc(size_t size);
void *take_some(size_t size);

void *take_some(size_t size)
{
    return malloc(size);
}
