/* SPDX-License-Identifier: MIT */
/*
 * A record, told to the caller.
 */
#ifndef BOUNCE_MAPPING_H
#define BOUNCE_MAPPING_H

#include "area.h"
#include "handle.h"

static inline bool record_is_live(const struct record *record)
{
    return record->number != 0 && !record->ending;
}

static inline bounce_handle mapping_handle(const struct bounce_pool *pool, const struct area *area, uint32_t slot)
{
    struct handle_parts parts = {area->number << pool->place_shift | slot, area_record(pool, area, slot)->number};

    return handle_seal(pool->key, parts);
}

/* The mapping whose first slot in the area is slot. */
static inline void mapping_fill(const struct bounce_pool *pool, const struct area *area, uint32_t slot,
                                bounce_handle handle, struct bounce_mapping *mapping)
{
    const struct record *record = area_record(pool, area, slot);
    uint64_t start = pool_bytes(pool, area->first_slot + slot) + record->offset;

    mapping->handle = handle;
    mapping->addr = pool->window_addr + start;
    mapping->data = pool->window + (size_t)start;
    mapping->size = record_size(record);
    mapping->slot = area->first_slot + slot;
    mapping->slots = record_slots(pool, record);
    mapping->pad_slots = record->offset >> pool->slot_shift;
    mapping->area = area->number;
    mapping->owner = record->owner;
    mapping->coherent = record->direction == 0;
    mapping->direction = record->direction == 0 ? BOUNCE_BIDIRECTIONAL : (enum bounce_direction)record->direction;
}

#endif
