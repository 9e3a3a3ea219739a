/* SPDX-License-Identifier: MIT */
/*
 * Accessors in the style of Linux: READ_ONCE and WRITE_ONCE are one volatile access each, and the barriers between CPUs
 * are instructions by themselves. The worked example of docs/codegen.md; the barriers are those of x86-64 and AArch64,
 * and everywhere else the full one.
 */
#ifndef LINUX_READ_ONCE_H
#define LINUX_READ_ONCE_H

#include <stdint.h>

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#if defined(__x86_64__)
#define virt_rmb() __asm__ __volatile__("" ::: "memory")
#define virt_wmb() __asm__ __volatile__("" ::: "memory")
#define virt_mb() __asm__ __volatile__("lock; addl $0, -4(%%rsp)" ::: "memory", "cc")
#elif defined(__aarch64__)
#define virt_rmb() __asm__ __volatile__("dmb ishld" ::: "memory")
#define virt_wmb() __asm__ __volatile__("dmb ishst" ::: "memory")
#define virt_mb() __asm__ __volatile__("dmb ish" ::: "memory")
#else
#define virt_rmb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define virt_wmb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define virt_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

static inline uint8_t access_load8(const uint8_t *p) { return READ_ONCE(*p); }
static inline uint16_t access_load16(const uint16_t *p) { return READ_ONCE(*p); }
static inline uint32_t access_load32(const uint32_t *p) { return READ_ONCE(*p); }
static inline void access_store16(uint16_t *p, uint16_t v) { WRITE_ONCE(*p, v); }
static inline void access_store32(uint32_t *p, uint32_t v) { WRITE_ONCE(*p, v); }

#if UINTPTR_MAX > 0xffffffffu
static inline uint64_t access_load64(const uint64_t *p) { return READ_ONCE(*p); }
static inline void access_store64(uint64_t *p, uint64_t v) { WRITE_ONCE(*p, v); }
#endif

static inline uint16_t access_load_acquire16(const uint16_t *p)
{
    uint16_t v = READ_ONCE(*p);

    virt_rmb();
    return v;
}

static inline void access_store_release16(uint16_t *p, uint16_t v)
{
    virt_wmb();
    WRITE_ONCE(*p, v);
}

static inline void access_fence(void)
{
    virt_mb();
}

#endif
