/* SPDX-License-Identifier: MIT */
/*
 * What both sides of the ring share, allocated to the byte: areas, tables, the guest's memory. Every access of a verb
 * is judged here, and here a peer writes between two of them.
 */
#ifndef FUZZ_RING_MEMORY_H
#define FUZZ_RING_MEMORY_H

#include <vring/vring.h>

#include "fuzz.h"

enum {
    GUEST = 0x10000, /* two regions side by side, of other memory each, so that buffers span them */
    FIRST = 96,
    SECOND = 64,
    READ_ONLY = 0x20000,
    READ_ONLY_SIZE = 64,
    TABLES = 0x30000,
    ENTRIES = 4, /* of a table, which is the longest chain */
    TOKENS = 8   /* buffers, and entries of the largest ring */
};

enum { DESC, DRIVER_AREA, DEVICE_AREA, GUEST_FIRST, GUEST_SECOND, GUEST_READ_ONLY, GUEST_TABLES, BLOCKS };

struct block {
    unsigned char *at;
    size_t size;
};

extern struct block blocks[BLOCKS];
extern bool honest;       /* nobody has scribbled yet */
extern unsigned accesses; /* of the verb that runs */

/* Zeros, aligned as any area has to be. */
void *allocate(size_t size);
void allocate_block(int i, size_t size);

/* The block in which all of these bytes lie, or NULL. */
const struct block *block_of(const void *at, size_t width);

/* Where the device must see the byte at addr. */
const unsigned char *seen_at(uint64_t addr);

/* What the peer will write before some access of the next verb, or what it writes now. */
void draw_scribble(struct input *input, bool now);
void forget_scribbles(void);

/* Was one byte of a saved state changed? Then it is none. */
bool damage(struct input *input, unsigned char *state, int bytes);

#endif
