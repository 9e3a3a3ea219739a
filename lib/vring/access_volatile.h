/* SPDX-License-Identifier: MIT */
/* One volatile access each, ordered by C11 fences: the way of kernels. */
#ifndef VRING_ACCESS_VOLATILE_H
#define VRING_ACCESS_VOLATILE_H

#include "port.h"

static inline uint8_t access_load8(const uint8_t *p)
{
    return *(const volatile uint8_t *)p;
}

static inline uint16_t access_load16(const uint16_t *p)
{
    return *(const volatile uint16_t *)p;
}

static inline void access_store16(uint16_t *p, uint16_t v)
{
    *(volatile uint16_t *)p = v;
}

static inline uint32_t access_load32(const uint32_t *p)
{
    return *(const volatile uint32_t *)p;
}

static inline void access_store32(uint32_t *p, uint32_t v)
{
    *(volatile uint32_t *)p = v;
}

#if PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    return *(const volatile uint64_t *)p;
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    *(volatile uint64_t *)p = v;
}
#endif

#include "access_fenced.h"

#endif
