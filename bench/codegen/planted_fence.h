/* SPDX-License-Identifier: MIT */
/*
 * Accessors with a fault on purpose: a full fence behind every load of 32 bits. The report has to find it on every
 * target.
 */
#ifndef PLANTED_FENCE_H
#define PLANTED_FENCE_H

#define access_load32 access_load32_bare
#include "access_volatile.h"
#undef access_load32

static inline uint32_t access_load32(const uint32_t *p)
{
    uint32_t v = access_load32_bare(p);

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return v;
}

#endif
