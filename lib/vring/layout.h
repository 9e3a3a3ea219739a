/* SPDX-License-Identifier: MIT */
/*
 * Is the memory that init was given fit to be a queue? Pointers as numbers; nothing is read or written.
 */
#ifndef VRING_LAYOUT_H
#define VRING_LAYOUT_H

#include <vring/packed.h>
#include <vring/split.h>

/*
 * The three areas of a split ring, and the private array of count elements of element bytes that goes with them.
 * Returns 0, VRING_E_NULL, VRING_E_SIZE, VRING_E_ALIGN, VRING_E_ADDR or VRING_E_OVERLAP.
 */
int vring_split_check(const struct vring_split_ring *ring, uint32_t size, const void *state, uint32_t count,
                      size_t element);

/* The same for a packed ring. */
int vring_packed_check(const struct vring_packed_ring *ring, uint32_t size, const void *state, uint32_t count,
                       size_t element);

#endif
