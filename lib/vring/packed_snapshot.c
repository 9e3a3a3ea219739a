/* SPDX-License-Identifier: MIT */
/* A packed ring at one moment, as found and unjudged, seen from either side: for people to look at. */
#include <vring/packed.h>

#include "features.h"
#include "holds.h"
#include "packed_ring.h"

/* What both sides see, of a queue that is or was live; what one alone knows is added by its own function. */
static int packed_snapshot(const struct vring_packed_ring *r, int live, struct vring_snapshot *snapshot)
{
    static const struct vring_snapshot empty = {0};

    if (live == 0)
        return VRING_E_STATE;

    uint32_t driver = packed_load_event(r->driver_area), device = packed_load_event(r->device_area);

    *snapshot = empty;
    snapshot->packed = true;
    snapshot->size = r->size;
    snapshot->used_event = (uint16_t)driver;
    snapshot->avail_event = (uint16_t)device;
    snapshot->avail_flags = (uint16_t)(driver >> 16);
    snapshot->used_flags = (uint16_t)(device >> 16);
    return 0;
}

static int packed_snapshot_entry(const struct vring_packed_ring *r, int live, uint32_t position,
                                 struct vring_snapshot_entry *entry)
{
    static const struct vring_snapshot_entry empty = {0};
    uint16_t offset = (uint16_t)position;

    if (live == 0)
        return VRING_E_STATE;
    if (position >= r->size)
        return VRING_E_SIZE;
    *entry = empty;
    entry->flags = packed_observe_flags(r, offset);
    entry->addr = packed_load_addr(r, offset);
    entry->len = packed_load_len(r, offset);
    entry->id = packed_load_id(r, offset);
    return 0;
}

/* -------------------------------------------------------------------------------------------------- driver side --- */

int vring_packed_driver_snapshot(const struct vring_packed_driver *vq, struct vring_snapshot *snapshot)
{
    if (!vq || !snapshot)
        return VRING_E_NULL;

    int error = packed_snapshot(&vq->ring, vq->live, snapshot);

    if (error)
        return error;
    snapshot->next_avail = packed_place(vq->next_avail);
    snapshot->next_used = packed_place(vq->next_used);
    snapshot->published = packed_place(vq->published);
    snapshot->free = vq->free_count;
    snapshot->in_order = feature_on(vq->features, VRING_F_IN_ORDER);
    snapshot->error = peer_broken_by(vq->live);
    return 0;
}

int vring_packed_driver_snapshot_entry(const struct vring_packed_driver *vq, uint32_t position,
                                       struct vring_snapshot_entry *entry)
{
    if (!vq || !entry)
        return VRING_E_NULL;

    int error = packed_snapshot_entry(&vq->ring, vq->live, position, entry);

    if (error)
        return error;
    entry->token = vq->slots[position].token;
    if (packed_driver_holds(vq, position))
        entry->count = vq->slots[position].count;
    entry->link = vq->slots[position].next;
    return 0;
}

/* -------------------------------------------------------------------------------------------------- device side --- */

int vring_packed_device_snapshot(const struct vring_packed_device *vq, struct vring_snapshot *snapshot)
{
    if (!vq || !snapshot)
        return VRING_E_NULL;

    int error = packed_snapshot(&vq->ring, vq->live, snapshot);

    if (error)
        return error;
    snapshot->next_avail = packed_place(vq->next_avail);
    snapshot->next_used = packed_place(vq->next_used);
    snapshot->published = packed_place(vq->published);
    snapshot->in_order = feature_on(vq->features, VRING_F_IN_ORDER);
    snapshot->error = peer_broken_by(vq->live);
    return 0;
}

int vring_packed_device_snapshot_entry(const struct vring_packed_device *vq, uint32_t position,
                                       struct vring_snapshot_entry *entry)
{
    if (!vq || !entry)
        return VRING_E_NULL;

    int error = packed_snapshot_entry(&vq->ring, vq->live, position, entry);

    if (error)
        return error;
    if (packed_device_holds(vq, position))
        entry->count = vq->heads[position].taken;
    return 0;
}
