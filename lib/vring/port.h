/* SPDX-License-Identifier: MIT */
/*
 * Compiler and CPU: what C11 does not say. Decides nothing, returns no error.
 */
#ifndef VRING_PORT_H
#define VRING_PORT_H

#include <stdbool.h>
#include <stdint.h>

#if !defined(__GNUC__)
#error "libvring needs the __atomic builtins of gcc or clang; port them here"
#endif

#define PORT_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define PORT_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define PORT_COLD __attribute__((cold, noinline))
#define PORT_NEVER(condition) do { if (condition) __builtin_unreachable(); } while (0)
#define PORT_PART inline __attribute__((always_inline)) /* of each of its callers, even where code has to be small */
#define PORT_NOINLINE __attribute__((noinline))

/*
 * Is a second, straight path through a verb, for the most common of buffers, worth its bytes? PORT_INLINE is for what such
 * a path and the general one have in common, PORT_ASIDE for the general one: out of the way where it is not all there is.
 * PORT_REST is for what a straight verb leaves to it: where there is no such path that is the verb.
 */
#ifdef __OPTIMIZE_SIZE__
#define PORT_FAST 0
#define PORT_INLINE inline
#define PORT_ASIDE
#define PORT_REST PORT_PART
#else
#define PORT_FAST 1
#define PORT_INLINE inline __attribute__((always_inline))
#define PORT_ASIDE PORT_NOINLINE
#define PORT_REST PORT_NOINLINE
#endif

/*
 * What the compiler is not to make of a variable, or of a store, where its choice is the slower one: what it has is not known to
 * it; it is stored here, and together with no other.
 */
#define PORT_OPAQUE(variable) __asm__("" : "+r"(variable))
#define PORT_STORED(member) __asm__("" : : "m"(member))

/*
 * In front of a loop of few instructions: two rounds of it are one, which jumps half as often. Only where a measurement says
 * that it pays.
 */
#if !PORT_FAST
#define PORT_TWO_ROUNDS
#elif defined(__clang__)
#define PORT_TWO_ROUNDS _Pragma("clang loop unroll_count(2)")
#else
#define PORT_TWO_ROUNDS _Pragma("GCC unroll 2")
#endif

/*
 * The cache line at this address will be read soon. No access: nothing is read, no address faults, and one behind the end of
 * a ring does no harm; so it may be guessed. Two lines ahead of a loop that reads what another CPU wrote are 128 bytes.
 */
static PORT_INLINE void port_prefetch(const void *soon)
{
#if PORT_FAST
    __builtin_prefetch(soon);
#else
    (void)soon;
#endif
}

/*
 * The same of a line that will be written: no other CPU has it then. For x86-64 compilers know the instruction, but do not use
 * it unless told that it is there. It is, but on the first Intel ones, before 2006.
 */
static PORT_INLINE void port_prefetch_write(void *soon)
{
#if PORT_FAST && defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)soon));
#elif PORT_FAST
    __builtin_prefetch(soon, 1);
#else
    (void)soon;
#endif
}

enum { PORT_LINE = 64 }; /* bytes of a cache line, mostly */

/*
 * So many bytes from here on will be written: all lines are asked for at once. Stores become visible one after the other, so
 * without that each would wait for its own line.
 */
static PORT_INLINE void port_expect_stores(void *from, uint32_t bytes)
{
    char *at = (char *)from, *end = at + bytes;

    for (; PORT_FAST && at < end; at += PORT_LINE)
        port_prefetch_write(at);
}

/* So many bytes from here on will be read. */
static PORT_INLINE void port_expect_loads(const void *from, uint32_t bytes)
{
    const char *at = (const char *)from, *end = at + bytes;

    for (; PORT_FAST && at < end; at += PORT_LINE)
        port_prefetch(at);
}

#define PORT_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/*
 * Where a 64-bit access is one instruction. Elsewhere it is two halves: a 64-bit atomic would call libatomic on
 * Cortex-M and rv32, and no field of a ring that must not tear is that wide.
 */
#define PORT_64BIT_ACCESS (UINTPTR_MAX > 0xffffffffu)

/* Two numbers of so many bits that lie side by side in memory, as one: that is one store for both. */
static PORT_INLINE uint64_t port_pair(uint64_t first, uint64_t second, unsigned bits)
{
    return PORT_BIG_ENDIAN ? first << bits | second : second << bits | first;
}

/*
 * A number that stands for several members of a type, whatever theirs are, and is aligned as it. Unless that is said, a CPU
 * without misaligned accesses is given single bytes.
 */
#define PORT_MEMBERS_OF(type)             __attribute__((may_alias, aligned(_Alignof(type))))
#define PORT_MEMBERS_FROM(object, offset) ((void *)((unsigned char *)(object) + (offset)))
#define PORT_BEGINS_ALIGNED(type, member) (offsetof(type, member) % _Alignof(type) == 0)

/* Shifts, not builtins: without a byte-reverse instruction gcc turns the builtin into a library call (rv64gc). */
static inline uint16_t port_swap16(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

static inline uint32_t port_swap32(uint32_t v)
{
    return v << 24 | (v & 0xff00u) << 8 | (v >> 8 & 0xff00u) | v >> 24;
}

static inline uint64_t port_swap64(uint64_t v)
{
    return (uint64_t)port_swap32((uint32_t)v) << 32 | port_swap32((uint32_t)(v >> 32));
}

/*
 * What was stored is visible before what is loaded next is read. On x86 any locked instruction does that, in a ninth of the time that
 * MFENCE takes on an AMD EPYC; clang takes MFENCE, and so does gcc where code has to be small. What lies there is a return address,
 * and has to be written as wide as it is read soon.
 */
static inline void port_fence(void)
{
#if defined(__x86_64__)
    __asm__ __volatile__("lock {orq $0, (%%rsp)|or QWORD PTR [rsp], 0}" ::: "memory", "cc");
#elif defined(__i386__)
    __asm__ __volatile__("lock {orl $0, (%%esp)|or DWORD PTR [esp], 0}" ::: "memory", "cc");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/*
 * Fences against a device (ORDER_PLATFORM). C11 fences order CPUs: on Arm they are `dmb ish`, which says nothing to a
 * device outside the inner-shareable domain. Load-acquire and store-release instructions of AArch64 have no such limit;
 * 32-bit Arm builds them from fences and so needs the stronger one there, too.
 */
#if defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7) || defined(__ARM_ARCH_6M__)
#define PORT_DEVICE_FENCE_DIFFERS 1
static inline void port_fence_device(void)
{
    __asm__ __volatile__("dmb sy" ::: "memory");
}
#else
#define PORT_DEVICE_FENCE_DIFFERS 0
static inline void port_fence_device(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#endif

#if PORT_DEVICE_FENCE_DIFFERS && !defined(__aarch64__)
#define PORT_ACQUIRE_IS_A_FENCE 1
#else
#define PORT_ACQUIRE_IS_A_FENCE 0
#endif

#endif
