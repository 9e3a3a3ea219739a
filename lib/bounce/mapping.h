/* SPDX-License-Identifier: MIT */
/*
 * A record, told to the caller.
 */
#ifndef BOUNCE_MAPPING_H
#define BOUNCE_MAPPING_H

#include "handle.h"
#include "records.h"

/* The handle that record i of the area has with this number. */
static inline bounce_handle mapping_handle(const struct bounce_pool *pool, const struct area *area, uint32_t i,
                                           uint32_t number)
{
    struct handle_parts parts = {pool->place | area->number << pool->record_shift | i, number};

    return handle_seal(pool->key, parts);
}

/* The mapping of a record, which has n slots. */
static inline void mapping_fill(const struct bounce_pool *pool, const struct area *area, const struct record *record,
                                uint32_t n, bounce_handle handle, struct bounce_mapping *mapping)
{
    uint64_t start = pool_bytes(pool, area->first_slot + record->slot) + record->offset;

    mapping->handle = handle;
    mapping->addr = pool->window_addr + start;
    mapping->data = pool->window + (size_t)start;
    mapping->size = record_size(record);
    mapping->slot = area->first_slot + record->slot;
    mapping->slots = n;
    mapping->pad_slots = record->offset >> pool->slot_shift;
    mapping->area = area->number;
    mapping->owner = record->owner;
    mapping->coherent = record->direction == 0;
    mapping->direction = record->direction == 0 ? BOUNCE_BIDIRECTIONAL : (enum bounce_direction)record->direction;
}

#endif
