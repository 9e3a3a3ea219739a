/* SPDX-License-Identifier: MIT */
/*
 * The seam: the only code that touches memory the peer can see.
 *
 * Which loads and stores these are is chosen at compile time, for comparison and for checking:
 *
 *   VRING_ACCESS_PLAIN     *p; compares code only: the compiler may load twice
 *   VRING_ACCESS_VOLATILE  volatile and C11 fences
 *   VRING_ACCESS_RELAXED   C11 relaxed atomics and C11 fences
 *   VRING_ACCESS_ACQREL    C11 relaxed, acquire and release atomics: the default
 *   VRING_ACCESS_HOOK      calls out on every access: explorers, traces, a peer that changes any word at any time
 *   VRING_ACCESS_HEADER    a header of your own that defines what access_acqrel.h and access_atomic.h define
 *   VRING_MEMORY_HEADER    the default, told of before each load and after each store: access_watched.h
 *
 * A variant supplies loads and stores of 8 to 64 bits, load-acquire and store-release of 16, and a full fence. Here are
 * added what does not vary: 64 bits in halves where the CPU has no such access, and fences that hold against a device. On
 * AArch64 those are the full ones: acquire and release have to be instructions there, which hold against it anyway. With the
 * C11 fences of PLAIN, VOLATILE and RELAXED they hold against CPUs alone: nothing is added, so that these can be compared.
 *
 * "relaxed" below means: one access of that width, neither torn nor repeated nor merged; no order.
 */
#ifndef VRING_ACCESS_H
#define VRING_ACCESS_H

#include "port.h"

#if defined(VRING_ACCESS_HEADER)
#include VRING_ACCESS_HEADER
#elif defined(VRING_MEMORY_HEADER)
#include VRING_MEMORY_HEADER
#include "access_watched.h"
#elif defined(VRING_ACCESS_PLAIN)
#include "access_plain.h"
#elif defined(VRING_ACCESS_VOLATILE)
#include "access_volatile.h"
#elif defined(VRING_ACCESS_RELAXED)
#include "access_relaxed.h"
#elif defined(VRING_ACCESS_HOOK)
#include "access_hook.h"
#else
#include "access_acqrel.h"
#endif

#if !PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    const uint32_t *half = (const uint32_t *)(const void *)p;
    uint64_t first = access_load32(half);
    uint64_t second = access_load32(half + 1);

    return PORT_BIG_ENDIAN ? first << 32 | second : second << 32 | first;
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    uint32_t *half = (uint32_t *)(void *)p;

    access_store32(half, (uint32_t)(PORT_BIG_ENDIAN ? v >> 32 : v));
    access_store32(half + 1, (uint32_t)(PORT_BIG_ENDIAN ? v : v >> 32));
}
#endif

/* device: order against a device, not only against another CPU. */

static inline uint16_t access_acquire16(const uint16_t *p, bool device)
{
    uint16_t v = access_load_acquire16(p);

    if (PORT_ACQUIRE_IS_A_FENCE && device)
        port_fence_device();
    return v;
}

static inline void access_release16(uint16_t *p, uint16_t v, bool device)
{
    if (PORT_ACQUIRE_IS_A_FENCE && device)
        port_fence_device();
    access_store_release16(p, v);
}

static inline void access_full_fence(bool device)
{
    if (PORT_DEVICE_FENCE_DIFFERS && device)
        port_fence_device();
    else
        access_fence();
}

#endif
