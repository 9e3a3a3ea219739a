/* SPDX-License-Identifier: MIT */
/*
 * Every access is a call, with address, width and order. The program that links this variant defines the three
 * functions: an explorer that runs the peer between two accesses, a recorder, a peer that changes its mind.
 */
#ifndef VRING_ACCESS_HOOK_H
#define VRING_ACCESS_HOOK_H

#include "port.h"

#include <stddef.h>

enum vring_hook_order {
    VRING_HOOK_RELAXED,
    VRING_HOOK_ACQUIRE,
    VRING_HOOK_RELEASE
};

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order);
void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order);
void vring_hook_fence(void);

static inline uint8_t access_load8(const uint8_t *p)
{
    return (uint8_t)vring_hook_load(p, sizeof *p, VRING_HOOK_RELAXED);
}

static inline uint16_t access_load16(const uint16_t *p)
{
    return (uint16_t)vring_hook_load(p, sizeof *p, VRING_HOOK_RELAXED);
}

static inline void access_store16(uint16_t *p, uint16_t v)
{
    vring_hook_store(p, sizeof *p, v, VRING_HOOK_RELAXED);
}

static inline uint32_t access_load32(const uint32_t *p)
{
    return (uint32_t)vring_hook_load(p, sizeof *p, VRING_HOOK_RELAXED);
}

static inline void access_store32(uint32_t *p, uint32_t v)
{
    vring_hook_store(p, sizeof *p, v, VRING_HOOK_RELAXED);
}

#if PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    return (uint64_t)vring_hook_load(p, sizeof *p, VRING_HOOK_RELAXED);
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    vring_hook_store(p, sizeof *p, v, VRING_HOOK_RELAXED);
}
#endif

static inline uint16_t access_load_acquire16(const uint16_t *p)
{
    return (uint16_t)vring_hook_load(p, sizeof *p, VRING_HOOK_ACQUIRE);
}

static inline void access_store_release16(uint16_t *p, uint16_t v)
{
    vring_hook_store(p, sizeof *p, v, VRING_HOOK_RELEASE);
}

static inline void access_fence(void)
{
    vring_hook_fence();
}

#endif
