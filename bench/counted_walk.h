/* SPDX-License-Identifier: MIT */
/*
 * The slot walk as a kernel's pool keeps it, as far as it takes time: the number of free slots from every slot on to the
 * end of its run, written anew slot by slot at every change; an original and a size per slot; a lock; and counts of all
 * that is used and was at most. Written from a description of the algorithm, to have its cost beside ours in the same
 * run, on the same machine; it has no handles, no checks of what is unmapped, and no classes of alignment but "none"
 * and "page".
 */
#ifndef BENCH_COUNTED_WALK_H
#define BENCH_COUNTED_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COUNTED_WALK_NONE UINT32_MAX

struct counted_walk;

/* A pool of free slots of 2048 bytes in segments of 128 from a page-aligned base on, or null if there is no memory. */
struct counted_walk *counted_walk_new(uint32_t slots);
void counted_walk_delete(struct counted_walk *walk);

/* Take one slot, whichever it is. */
void counted_walk_set_used(struct counted_walk *walk, uint32_t slot);

/* Find and take a place for size bytes. Returns its slot, or COUNTED_WALK_NONE. */
uint32_t counted_walk_map(struct counted_walk *walk, const void *orig, size_t size);

/* Give back what was taken from a slot on. */
void counted_walk_unmap(struct counted_walk *walk, uint32_t slot);

#ifdef __cplusplus
}
#endif

#endif
