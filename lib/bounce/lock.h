/* SPDX-License-Identifier: MIT */
/*
 * The lock of an area. A build may bring its own: BOUNCE_LOCK_HEADER names a header with these six names.
 *
 *   bounce_lock             the lock; lies in the pool's metadata, at most 8-byte aligned
 *   bounce_lock_state       what taking it saves (an interrupt mask, say)
 *   bounce_lock_init(&l)
 *   bounce_lock_take(&l)    returns the state
 *   bounce_lock_try(&l, &state)   whether it was taken
 *   bounce_lock_give(&l, state)
 *
 * It is held for a search and some bookkeeping, never for a copy, and never two at once.
 */
#ifndef BOUNCE_LOCK_H
#define BOUNCE_LOCK_H

#include <stdint.h>

#if defined(BOUNCE_LOCK_HEADER)

#include BOUNCE_LOCK_HEADER

#elif __STDC_HOSTED__

#include <stdatomic.h>
#include <stdbool.h>

/* A word, not a byte: gcc 12 leaves the exchange of a byte to a library on RISC-V. */
typedef struct {
    atomic_uint held;
} bounce_lock;

typedef unsigned char bounce_lock_state;

static inline void bounce_lock_init(bounce_lock *lock)
{
    atomic_init(&lock->held, 0);
}

static inline bool bounce_lock_try(bounce_lock *lock, bounce_lock_state *state)
{
    *state = 0;
    return !atomic_load_explicit(&lock->held, memory_order_relaxed) &&
           !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
}

static inline bounce_lock_state bounce_lock_take(bounce_lock *lock)
{
    /* Most often it is free: what would only look at it first comes after the first attempt. */
    while (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire) != 0) {
        while (atomic_load_explicit(&lock->held, memory_order_relaxed) != 0) {
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ __volatile__("yield");
#endif
        }
    }
    return 0;
}

static inline void bounce_lock_give(bounce_lock *lock, bounce_lock_state state)
{
    (void)state;
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#else /* firmware with one thread, and no bounce call in its interrupt handlers */

#include <stdbool.h>

typedef unsigned char bounce_lock;
typedef unsigned char bounce_lock_state;

static inline void bounce_lock_init(bounce_lock *lock)
{
    *lock = 0;
}

static inline bool bounce_lock_try(bounce_lock *lock, bounce_lock_state *state)
{
    (void)lock;
    *state = 0;
    return true;
}

static inline bounce_lock_state bounce_lock_take(bounce_lock *lock)
{
    (void)lock;
    return 0;
}

static inline void bounce_lock_give(bounce_lock *lock, bounce_lock_state state)
{
    (void)lock;
    (void)state;
}

#endif

/*
 * A word that says, without a lock, whether what lies behind it may be looked at: whatever its writer wrote before, a
 * reader that sees the word finds.
 */
static inline void lock_publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint32_t lock_observe(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

#endif
