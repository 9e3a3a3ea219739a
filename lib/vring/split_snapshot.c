/* SPDX-License-Identifier: MIT */
/* A split ring at one moment, as found and unjudged, seen from either side: for people to look at. */
#include <vring/split.h>

#include "features.h"
#include "holds.h"
#include "split_ring.h"

/* What both sides see, of a queue that is or was live; what one alone knows is added by its own function. */
static int split_snapshot(const struct vring_split_ring *r, int live, struct vring_snapshot *snapshot)
{
    static const struct vring_snapshot empty = {0};

    if (live == 0)
        return VRING_E_STATE;
    *snapshot = empty;
    snapshot->size = r->size;
    snapshot->avail_idx = split_observe_avail(r);
    snapshot->used_idx = split_observe_used(r);
    snapshot->used_event = split_load_used_event(r);
    snapshot->avail_event = split_load_avail_event(r);
    snapshot->avail_flags = split_load_avail_flags(r);
    snapshot->used_flags = split_load_used_flags(r);
    return 0;
}

static int split_snapshot_entry(const struct vring_split_ring *r, int live, uint32_t position,
                                struct vring_snapshot_entry *entry)
{
    static const struct vring_snapshot_entry empty = {0};

    if (live == 0)
        return VRING_E_STATE;
    if (position >= r->size)
        return VRING_E_SIZE;

    struct chain_desc desc = split_decode(split_fetch(r->desc, position));

    *entry = empty;
    entry->addr = desc.addr;
    entry->len = desc.len;
    entry->flags = desc.flags;
    entry->next = desc.next;
    entry->avail = split_load_avail_entry(r, position);
    entry->used_id = split_load_used_id(split_used_elem(r, position));
    entry->used_len = split_load_used_len(split_used_elem(r, position));
    return 0;
}

/* -------------------------------------------------------------------------------------------------- driver side --- */

int vring_split_driver_snapshot(const struct vring_split_driver *vq, struct vring_snapshot *snapshot)
{
    if (!vq || !snapshot)
        return VRING_E_NULL;

    int error = split_snapshot(&vq->ring, vq->live, snapshot);

    if (error)
        return error;
    snapshot->next_avail = vq->next_avail;
    snapshot->next_used = vq->next_used;
    snapshot->published = vq->published;
    snapshot->free = vq->free_count;
    snapshot->in_order = feature_on(vq->features, VRING_F_IN_ORDER);
    snapshot->error = peer_broken_by(vq->live);
    return 0;
}

int vring_split_driver_snapshot_entry(const struct vring_split_driver *vq, uint32_t position,
                                      struct vring_snapshot_entry *entry)
{
    if (!vq || !entry)
        return VRING_E_NULL;

    int error = split_snapshot_entry(&vq->ring, vq->live, position, entry);

    if (error)
        return error;
    entry->token = vq->slots[position].token;
    if (split_driver_holds(vq, position))
        entry->count = vq->slots[position].count;
    entry->link = vq->slots[position].next;
    return 0;
}

/* -------------------------------------------------------------------------------------------------- device side --- */

int vring_split_device_snapshot(const struct vring_split_device *vq, struct vring_snapshot *snapshot)
{
    if (!vq || !snapshot)
        return VRING_E_NULL;

    int error = split_snapshot(&vq->ring, vq->live, snapshot);

    if (error)
        return error;
    snapshot->next_avail = vq->next_avail;
    snapshot->next_used = vq->next_used;
    snapshot->published = vq->published;
    snapshot->in_order = feature_on(vq->features, VRING_F_IN_ORDER);
    snapshot->error = peer_broken_by(vq->live);
    return 0;
}

int vring_split_device_snapshot_entry(const struct vring_split_device *vq, uint32_t position,
                                      struct vring_snapshot_entry *entry)
{
    if (!vq || !entry)
        return VRING_E_NULL;

    int error = split_snapshot_entry(&vq->ring, vq->live, position, entry);

    if (error)
        return error;
    if (split_device_holds(vq, position))
        entry->count = vq->heads[position].taken;
    return 0;
}
