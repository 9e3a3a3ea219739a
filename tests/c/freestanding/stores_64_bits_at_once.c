/* SPDX-License-Identifier: MIT */
/* Planted: an atomic store wider than the CPU's registers, which is left to a library. */
#include <stdint.h>

void put(uint64_t *p, uint64_t v);

void put(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
