/* SPDX-License-Identifier: MIT */
/*
 * A record, told to the caller.
 */
#ifndef BOUNCE_MAPPING_H
#define BOUNCE_MAPPING_H

#include "handle.h"
#include "records.h"

/* What the handle says that record i of the area has with this number. */
static inline struct handle_parts mapping_parts(const struct bounce_pool *pool, const struct area *area, uint32_t i,
                                                uint32_t number)
{
    struct handle_parts parts = {pool->place | area->number << pool->record_shift | i, number};

    return parts;
}

/*
 * Where n slots from one of the area's on are, whose data begin after offset bytes. start: bytes from slot 0 to them.
 */
static inline void mapping_set_place(const struct bounce_pool *pool, const struct area *area, uint32_t slot,
                                     uint32_t n, uint32_t offset, uint64_t start, struct bounce_mapping *mapping)
{
    mapping->addr = pool->window_addr + start + offset;
    mapping->data = pool->window + (size_t)start + offset;
    mapping->slot = area->first_slot + slot;
    mapping->slots = n;
    mapping->pad_slots = offset >> pool->slot_shift;
    mapping->area = area->number;
}

/* Whose it is. direction: 0 for coherent memory. */
static inline void mapping_set_use(uint32_t owner, unsigned direction, struct bounce_mapping *mapping)
{
    mapping->owner = owner;
    mapping->coherent = direction == 0;
    mapping->direction = direction == 0 ? BOUNCE_BIDIRECTIONAL : (enum bounce_direction)direction;
}

#endif
