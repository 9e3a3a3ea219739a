/* SPDX-License-Identifier: MIT */
/*
 * The memory that the device may see, as a confidential guest would have it: a few pages declared shared, cut in two.
 * The ring areas and indirect tables lie in the one part, the bounce window is the other. All the rest is private.
 */
#ifndef SHARED_H
#define SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"

/*
 * Cut the shared memory of the board. The window takes window_size bytes; rings and tables have the rest.
 */
void shared_start(size_t window_size);

/* The address of shared memory for the device is the one that we use; private memory has none. */
static inline uint64_t shared_address(const void *memory)
{
    return (uintptr_t)memory;
}

/* Room for a ring area or a table, zeroed by whoever uses it. Fails the guest when there is none left. */
void *shared_take(size_t size, size_t align);

void *shared_window(void);

/* Fails the guest unless all of [addr, addr + len) lies in one part of the shared memory. what says what it holds. */
void shared_require(uint64_t addr, uint64_t len, const char *what);

/* Both parts, for pictures of what lies there. */
enum { SHARED_PARTS = 2 };
const struct snapshot_memory *shared_parts(void);

#endif
