/* SPDX-License-Identifier: MIT */
/* Acquire and release by C11 fences, behind and before a load and a store that have no order: those of whoever includes this. */
#ifndef VRING_ACCESS_FENCED_H
#define VRING_ACCESS_FENCED_H

static inline uint16_t access_load_acquire16(const uint16_t *p)
{
    uint16_t v = access_load16(p);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return v;
}

static inline void access_store_release16(uint16_t *p, uint16_t v)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    access_store16(p, v);
}

static inline void access_fence(void)
{
    port_fence();
}

#endif
