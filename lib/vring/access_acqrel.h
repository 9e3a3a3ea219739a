/* SPDX-License-Identifier: MIT */
/* C11 relaxed atomics; acquire and release belong to the access that needs them. */
#ifndef VRING_ACCESS_ACQREL_H
#define VRING_ACCESS_ACQREL_H

#include "access_atomic.h"

static inline uint16_t access_load_acquire16(const uint16_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void access_store_release16(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void access_fence(void)
{
    port_fence();
}

#endif
