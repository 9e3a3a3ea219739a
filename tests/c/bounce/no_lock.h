/* SPDX-License-Identifier: MIT */
/*
 * A lock that locks nothing: what the tests with threads must notice. So that they do in every run, on any number of
 * CPUs, others get their turn where the lock would matter most: between finding a place and taking it.
 */
#include <sched.h>
#include <stdbool.h>

#define BOUNCE_ON_SEGMENT() ((void)sched_yield())

typedef unsigned char bounce_lock;
typedef unsigned char bounce_lock_state;

static inline void bounce_lock_init(bounce_lock *lock)
{
    *lock = 0;
}

static inline bool bounce_lock_try(bounce_lock *lock, bounce_lock_state *state)
{
    *state = *lock;
    return true;
}

static inline bounce_lock_state bounce_lock_take(bounce_lock *lock)
{
    return *lock;
}

static inline void bounce_lock_give(bounce_lock *lock, bounce_lock_state state)
{
    (void)lock;
    (void)state;
}
