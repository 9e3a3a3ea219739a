/* SPDX-License-Identifier: MIT */
/*
 * The front-end's memory table: the driver's memory as files, mapped here, and what two kinds of address mean in it.
 * Buffers are named by guest addresses, which libvring translates by a sorted table; rings by the front-end's own.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <vring/types.h>

#include "mapping.h"
#include "protocol.h"

struct memory {
    unsigned count;
    struct vring_region regions[PROTOCOL_REGIONS_MAX]; /* by guest address, sorted: for libvring */
    uint64_t user_addr[PROTOCOL_REGIONS_MAX];          /* of regions[i], in the front-end's own addresses */
    struct mapping mappings[PROTOCOL_REGIONS_MAX];
};

/*
 * Map all regions of a SET_MEM_TABLE message. Its descriptors stay the message's. Null if that went well; otherwise
 * nothing is mapped, and the answer says why, in static storage.
 */
const char *memory_map(struct memory *memory, const struct message *message);

void memory_unmap(struct memory *memory);

/*
 * Where size bytes at an address of the front-end's own lie here: within one region, and in one that can be written if
 * that is wanted. Null where there is no such place. size is not 0.
 */
void *memory_find(struct memory *memory, uint64_t user_addr, uint64_t size, bool writable);

#endif
