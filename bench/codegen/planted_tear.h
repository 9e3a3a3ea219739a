/* SPDX-License-Identifier: MIT */
/* Accessors with a fault on purpose: 32 bits are loaded as two halves. The report has to find it on every target. */
#ifndef PLANTED_TEAR_H
#define PLANTED_TEAR_H

#define access_load32 access_load32_whole
#include "access_volatile.h"
#undef access_load32

static inline uint32_t access_load32(const uint32_t *p)
{
    const volatile uint16_t *half = (const volatile uint16_t *)(const volatile void *)p;
    uint32_t first = half[0], second = half[1];

    return PORT_BIG_ENDIAN ? first << 16 | second : second << 16 | first;
}

#endif
