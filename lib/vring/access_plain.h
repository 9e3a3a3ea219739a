/* SPDX-License-Identifier: MIT */
/* Plain loads and stores. The compiler may repeat, merge or split them: for comparing code, never for use. */
#ifndef VRING_ACCESS_PLAIN_H
#define VRING_ACCESS_PLAIN_H

#include "port.h"

static inline uint8_t access_load8(const uint8_t *p)
{
    return *p;
}

static inline uint16_t access_load16(const uint16_t *p)
{
    return *p;
}

static inline void access_store16(uint16_t *p, uint16_t v)
{
    *p = v;
}

static inline uint32_t access_load32(const uint32_t *p)
{
    return *p;
}

static inline void access_store32(uint32_t *p, uint32_t v)
{
    *p = v;
}

#if PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    return *p;
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    *p = v;
}
#endif

#include "access_fenced.h"

#endif
