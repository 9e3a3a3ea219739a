/* SPDX-License-Identifier: MIT */
/* A packed ring at one moment, as found and unjudged, seen from either side: for people to look at. */
#include <vring/packed.h>

#include "packed_ring.h"

/* What both sides see; what one alone knows is added by its own function. */
static void packed_snapshot(const struct vring_packed_ring *r, struct vring_snapshot *snapshot)
{
    static const struct vring_snapshot empty = {0};
    uint32_t driver = packed_load_event(r->driver_area), device = packed_load_event(r->device_area);

    *snapshot = empty;
    snapshot->packed = true;
    snapshot->size = r->size;
    snapshot->used_event = (uint16_t)driver;
    snapshot->avail_event = (uint16_t)device;
    snapshot->avail_flags = (uint16_t)(driver >> 16);
    snapshot->used_flags = (uint16_t)(device >> 16);
}

static void packed_snapshot_entry(const struct vring_packed_ring *r, uint16_t offset,
                                  struct vring_snapshot_entry *entry)
{
    static const struct vring_snapshot_entry empty = {0};

    *entry = empty;
    entry->flags = packed_observe_flags(r, offset);
    entry->addr = packed_load_addr(r, offset);
    entry->len = packed_load_len(r, offset);
    entry->id = packed_load_id(r, offset);
}

/* -------------------------------------------------------------------------------------------------- driver side --- */

int vring_packed_driver_snapshot(const struct vring_packed_driver *vq, struct vring_snapshot *snapshot)
{
    if (!vq || !snapshot)
        return VRING_E_NULL;
    if (vq->live == 0)
        return VRING_E_STATE;
    packed_snapshot(&vq->ring, snapshot);
    snapshot->next_avail = packed_place(vq->next_avail);
    snapshot->next_used = packed_place(vq->next_used);
    snapshot->published = packed_place(vq->published);
    snapshot->free = vq->free_count;
    snapshot->error = vq->fault.error;
    return 0;
}

int vring_packed_driver_snapshot_entry(const struct vring_packed_driver *vq, uint32_t position,
                                       struct vring_snapshot_entry *entry)
{
    if (!vq || !entry)
        return VRING_E_NULL;
    if (vq->live == 0)
        return VRING_E_STATE;
    if (position >= vq->ring.size)
        return VRING_E_SIZE;
    packed_snapshot_entry(&vq->ring, (uint16_t)position, entry);
    entry->token = vq->slots[position].token;
    entry->count = vq->slots[position].count;
    entry->link = vq->slots[position].next;
    return 0;
}

/* -------------------------------------------------------------------------------------------------- device side --- */

int vring_packed_device_snapshot(const struct vring_packed_device *vq, struct vring_snapshot *snapshot)
{
    if (!vq || !snapshot)
        return VRING_E_NULL;
    if (vq->live == 0)
        return VRING_E_STATE;
    packed_snapshot(&vq->ring, snapshot);
    snapshot->next_avail = packed_place(vq->next_avail);
    snapshot->next_used = packed_place(vq->next_used);
    snapshot->published = packed_place(vq->published);
    snapshot->error = vq->fault.error;
    return 0;
}

int vring_packed_device_snapshot_entry(const struct vring_packed_device *vq, uint32_t position,
                                       struct vring_snapshot_entry *entry)
{
    if (!vq || !entry)
        return VRING_E_NULL;
    if (vq->live == 0)
        return VRING_E_STATE;
    if (position >= vq->ring.size)
        return VRING_E_SIZE;
    packed_snapshot_entry(&vq->ring, (uint16_t)position, entry);
    entry->count = vq->heads[position].taken;
    return 0;
}
