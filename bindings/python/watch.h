/* SPDX-License-Identifier: MIT */
/*
 * A look at every access to shared memory, just before it is made, and at every operation on caches: so that a test can
 * let the other side act there, change what is about to be read, or stop the world at that point. Off unless a thread
 * turns it on for itself.
 */
#ifndef VRING_PYTHON_WATCH_H
#define VRING_PYTHON_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vring_watch_access {
    VRING_WATCH_LOAD,
    VRING_WATCH_LOAD_ACQUIRE,
    VRING_WATCH_STORE,
    VRING_WATCH_STORE_RELEASE,
    VRING_WATCH_FENCE
};

enum vring_watch_cache {
    VRING_WATCH_CLEAN,
    VRING_WATCH_INVALIDATE
};

/* From now on, accesses of this thread call back, or no longer. Returns what it was before. */
bool vring_watch(bool on);

/* The same for a pool's operations on caches. */
bool vring_watch_caches(bool on);

#endif
