/* SPDX-License-Identifier: MIT */
/*
 * The slot walk as a kernel's pool keeps it, with everything that this takes time for. Per slot: the number of free
 * slots from it on to the end of its run, written anew slot by slot at every change; the original and what is left of
 * the allocation; how many padding slots lie before the data. Per map: the device's masks, the search by strides in
 * area after area, each under its lock, which is libbounce's; the look-up of the slot that a copy begins with; two
 * counts over all areas, of what is used and was at most, by atomic operations. Per unmap, all that backwards.
 *
 * Written from a description of the algorithm, to have its cost beside ours in the same run, on the same machine. It
 * checks no request, and has no handles and no owners: what is unmapped is believed.
 */
#ifndef BENCH_COUNTED_WALK_H
#define BENCH_COUNTED_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COUNTED_WALK_NONE UINT64_MAX

struct counted_walk;

/* What the device of a mapping asks for. */
struct counted_device {
    uint64_t min_align_mask;
    uint64_t boundary_mask; /* 0: none */
    uint64_t limit;         /* its last address */
};

/* Moves data; `to_window` as in libbounce's copy function. */
typedef int (*counted_copy)(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window);

/*
 * A pool of free slots of 2048 bytes in segments of 128 from window_addr on, in so many areas, or null if there is no
 * memory.
 */
struct counted_walk *counted_walk_new(uint64_t window_addr, uint32_t slots, uint32_t areas, counted_copy copy);
void counted_walk_delete(struct counted_walk *walk);

/* Take one slot, whichever it is. */
void counted_walk_set_used(struct counted_walk *walk, uint32_t slot);

/* Find and take a place for size bytes, beginning with an area. Returns the device's address, or COUNTED_WALK_NONE. */
uint64_t counted_walk_map(struct counted_walk *walk, const struct counted_device *device, uint64_t orig_addr,
                          size_t size, uint64_t alloc_align_mask, uint32_t area);

/* Give back what has an address, for the device that it was mapped for; nothing is copied back. */
void counted_walk_unmap(struct counted_walk *walk, const struct counted_device *device, uint64_t addr);

#ifdef __cplusplus
}
#endif

#endif
