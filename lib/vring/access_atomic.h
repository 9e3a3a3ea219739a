/* SPDX-License-Identifier: MIT */
/* Loads and stores as C11 relaxed atomics: one access of that width each, neither torn nor repeated nor merged. */
#ifndef VRING_ACCESS_ATOMIC_H
#define VRING_ACCESS_ATOMIC_H

#include "port.h"

/*
 * On RISC-V a volatile access, which is the same instruction: of a relaxed store of 32 or 64 bits gcc 12 makes an atomic
 * swap there, and of a relaxed load of 8 or 16 clang 14 makes two or three instructions.
 */
#if defined(__riscv)
#define ATOMIC_LOAD(type, p) (*(const volatile type *)(p))
#define ATOMIC_STORE(type, p, v) (*(volatile type *)(p) = (v))
#else
#define ATOMIC_LOAD(type, p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define ATOMIC_STORE(type, p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#endif

static inline uint8_t access_load8(const uint8_t *p)
{
    return ATOMIC_LOAD(uint8_t, p);
}

static inline uint16_t access_load16(const uint16_t *p)
{
    return ATOMIC_LOAD(uint16_t, p);
}

static inline void access_store16(uint16_t *p, uint16_t v)
{
    ATOMIC_STORE(uint16_t, p, v);
}

static inline uint32_t access_load32(const uint32_t *p)
{
    return ATOMIC_LOAD(uint32_t, p);
}

static inline void access_store32(uint32_t *p, uint32_t v)
{
    ATOMIC_STORE(uint32_t, p, v);
}

#if PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    return ATOMIC_LOAD(uint64_t, p);
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    ATOMIC_STORE(uint64_t, p, v);
}
#endif

#undef ATOMIC_LOAD
#undef ATOMIC_STORE

#endif
