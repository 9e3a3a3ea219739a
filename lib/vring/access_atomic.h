/* SPDX-License-Identifier: MIT */
/* Loads and stores as C11 relaxed atomics: one access of that width each, neither torn nor repeated nor merged. */
#ifndef VRING_ACCESS_ATOMIC_H
#define VRING_ACCESS_ATOMIC_H

#include "port.h"

static inline uint8_t access_load8(const uint8_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint16_t access_load16(const uint16_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void access_store16(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static inline uint32_t access_load32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void access_store32(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

#if PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
#endif

#endif
