/* SPDX-License-Identifier: MIT */
/*
 * The plain slot walk of the tests (tests/c/bounce/slot_walk.h), as something to be measured: one byte per slot and a
 * cursor, no handles, no counts, no locks.
 */
#ifndef BENCH_PLAIN_WALK_H
#define BENCH_PLAIN_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PLAIN_WALK_SLOTS = 512 * 1024 }; /* most that a walk can have */

#define PLAIN_WALK_NONE UINT32_MAX

struct walk;

/* A walk over free slots of 2048 bytes in segments of 128, or null if there is no memory. */
struct walk *plain_walk_new(uint64_t base, uint32_t slots);
void plain_walk_delete(struct walk *walk);
void plain_walk_set_used(struct walk *walk, uint32_t slot, bool used);

/* Finds, takes and gives back a place for size bytes. Returns its slot, or PLAIN_WALK_NONE. */
uint32_t plain_walk_once(struct walk *walk, size_t size);

#ifdef __cplusplus
}
#endif

#endif
