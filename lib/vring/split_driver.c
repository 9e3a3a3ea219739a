/* SPDX-License-Identifier: MIT */
/* The driver side of the split virtqueue. Reads beside split_device.c, in the same order. */
#include <vring/split.h>

#include "batch.h"
#include "event.h"
#include "features.h"
#include "layout.h"
#include "peer.h"
#include "resume.h"
#include "segments.h"
#include "slots.h"
#include "split_ring.h"
#include "used_len.h"

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int split_driver_check(const struct vring_driver_config *config, const struct vring_split_ring *ring)
{
    int error = vring_split_check(ring, config->size, config->slots, config->slot_count, sizeof *config->slots);

    if (error)
        return error;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
    return vring_features_check_split(config->features, config->legacy_order, SPLIT_WIRE_IS_LE);
}

int vring_split_driver_prepare(struct vring_split_driver *vq, const struct vring_driver_config *config)
{
    static const struct vring_split_driver fresh = {0};

    *vq = fresh;
    vq->ring.desc = config->desc;
    vq->ring.driver_area = config->driver_area;
    vq->ring.device_area = config->device_area;
    vq->ring.size = (uint16_t)config->size;
    vq->ring.mask = config->size - 1;
    vq->ring.platform = (config->features & VRING_F_ORDER_PLATFORM) != 0;

    int error = split_driver_check(config, &vq->ring);

    if (error)
        return error;
    vq->features = config->features;
    vq->slots = config->slots;
    vq->max_chain = config->max_chain ? config->max_chain : config->size;
    vq->max_pieces = vq->max_chain < config->size ? vq->max_chain : config->size;
    vq->notify_id = config->notify_id;
    vq->used_len = (uint8_t)config->used_len;
    vq->event_idx = (config->features & VRING_F_EVENT_IDX) != 0;
    vq->indirect = (config->features & VRING_F_INDIRECT_DESC) != 0;
    vq->in_order = (config->features & VRING_F_IN_ORDER) != 0;
    vq->notification_data = (config->features & VRING_F_NOTIFICATION_DATA) != 0;
    return 0;
}

int vring_split_driver_init(struct vring_split_driver *vq, const struct vring_driver_config *config)
{
    struct vring_split_driver fresh;

    if (!vq || !config)
        return VRING_E_NULL;

    int error = vring_split_driver_prepare(&fresh, config);

    if (error)
        return error;
    *vq = fresh;
    vq->free_count = vq->ring.size;
    vq->next_avail = vq->published = vq->next_used = vq->seen_used = vq->used_event = config->index;
    slots_clear(vq->slots, vq->ring.size);
    split_clear(&vq->ring, config->index);
    vq->live = LIVE;
    return 0;
}

void vring_split_driver_reset(struct vring_split_driver *vq)
{
    if (vq)
        vq->live = 0;
}

/* ---------------------------------------------------------------------------------------------------------- add --- */

/* Stage the buffer whose descriptors run from head to last: they are off the free list, which goes on at next. */
static PORT_INLINE int split_driver_stage(struct vring_split_driver *vq, uint16_t head, uint16_t last, uint16_t next,
                                     uint16_t count, uint32_t writable, uint64_t token)
{
    uint16_t at = vq->next_avail;
    struct vring_slot *entry = &vq->slots[at & vq->ring.mask];

    /* The device polls this line: a store that changes nothing would take it away for nothing. */
    if (entry->order != head) {
        entry->order = head;
        split_store_avail_entry(&vq->ring, at, head);
    }

    struct vring_slot *slot = &vq->slots[head];

    slot->token = token;
    slot->writable = writable;
    slot->last = last;
    slot->count = count;
    slot->position = at;
    vq->free_head = next;
    vq->free_count = (uint16_t)(vq->free_count - count);
    vq->next_avail = (uint16_t)(at + 1);
    return 0;
}

/* add_avail for any list of pieces that could be a buffer. */
static PORT_NOINLINE int split_driver_add_list(struct vring_split_driver *vq, const struct vring_segment *segments,
                                               uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable, writable;
    int error = vring_segments_check(segments, n_readable, count, &writable);

    if (error)
        return error;
    if (count > vq->free_count)
        return VRING_E_FULL;

    uint16_t head = vq->free_head, last = head, next = vq->slots[head].next;

    for (uint32_t i = 0; i + 1 < count; i++) {
        uint16_t flags = i < n_readable ? VRING_DESC_NEXT : VRING_DESC_NEXT | VRING_DESC_WRITE;

        split_store_desc(vq->ring.desc, last, segments[i].addr, segments[i].len, flags, next);
        last = next;
        next = vq->slots[last].next;
    }
    split_store_desc(vq->ring.desc, last, segments[count - 1].addr, segments[count - 1].len,
                     n_writable ? VRING_DESC_WRITE : 0, 0);
    return split_driver_stage(vq, head, last, next, (uint16_t)count, writable, token);
}

int vring_split_driver_add_avail(struct vring_split_driver *vq, const struct vring_segment *segments,
                                 uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable;

    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (count - 1 >= vq->max_pieces) /* 0 wraps: none are too many, too */
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;
    if (!PORT_FAST || count > 1)
        return split_driver_add_list(vq, segments, n_readable, n_writable, token);

    /* One piece, the most common buffer: the same without loops. */
    uint64_t addr = segments->addr;
    uint32_t len = segments->len;
    int error = segment_check(addr, len);

    if (error)
        return error;
    if (vq->free_count == 0)
        return VRING_E_FULL;

    uint16_t head = vq->free_head;

    split_store_desc(vq->ring.desc, head, addr, len, (uint16_t)(n_writable * VRING_DESC_WRITE), 0);
    return split_driver_stage(vq, head, head, vq->slots[head].next, 1, n_writable * len, token);
}

int vring_split_driver_add_avail_batch(struct vring_split_driver *vq, const struct vring_avail_buffer *buffers,
                                       uint32_t count, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!buffers && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    for (; !error && added < count; added += !error) {
        const struct vring_avail_buffer *buffer = &buffers[added];

        error = vring_split_driver_add_avail(vq, buffer->segments, buffer->n_readable, buffer->n_writable, buffer->token);
    }
    *n = added;
    return batch_answer(error, added);
}

int vring_split_driver_add_indirect(struct vring_split_driver *vq, const struct vring_table *table,
                                    const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                                    uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable, writable;

    if (!vq || !table)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (!vq->indirect)
        return VRING_E_FEATURE;

    if (count == 0 || count > vq->max_chain)
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;

    int error = vring_segments_check(segments, n_readable, count, &writable);

    if (!error)
        error = vring_segments_check_table(table, count);
    if (error)
        return error;
    if (vq->free_count == 0)
        return VRING_E_FULL;

    uint16_t head = vq->free_head;

    for (uint32_t i = 0; i < count; i++) {
        unsigned flags = (i < n_readable ? 0u : VRING_DESC_WRITE) | (i + 1 < count ? VRING_DESC_NEXT : 0u);

        split_store_desc(table->memory, i, segments[i].addr, segments[i].len, (uint16_t)flags,
                         (uint16_t)(i + 1 < count ? i + 1 : 0));
    }
    split_store_desc(vq->ring.desc, head, table->addr, 16 * count, VRING_DESC_INDIRECT, 0);
    return split_driver_stage(vq, head, head, vq->slots[head].next, 1, writable, token);
}

int vring_split_driver_abort(struct vring_split_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->next_avail == vq->published)
        return VRING_E_STATE;

    vq->next_avail--;

    uint16_t head = vq->slots[vq->next_avail & vq->ring.mask].order;

    if (token)
        *token = vq->slots[head].token;
    if (vq->in_order) {
        slots_retire(vq->slots, head, &vq->free_count);
        vq->free_head = head;
    } else {
        slots_release(vq->slots, head, &vq->free_head, &vq->free_count);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

int vring_split_driver_publish(struct vring_split_driver *vq)
{
    uint16_t before;

    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->next_avail == vq->published)
        return resume_settle(&vq->owes);

    before = vq->published;
    split_publish_avail(&vq->ring, vq->next_avail); /* A */
    vq->published = vq->next_avail;
    split_fence(&vq->ring); /* C */
    if (PORT_UNLIKELY(vq->owes))
        return resume_settle(&vq->owes);
    if (vq->event_idx)
        return event_is_due(split_load_avail_event(&vq->ring), vq->published, before);
    return !(split_load_used_flags(&vq->ring) & VRING_NO_NOTIFY);
}

uint32_t vring_split_driver_notification(const struct vring_split_driver *vq)
{
    if (!vq || vq->live <= 0)
        return 0;
    return vq->notification_data ? (uint32_t)vq->published << 16 | vq->notify_id : vq->notify_id;
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/* Look at used.idx again: it may have moved forward, as far as what the device was given. */
static PORT_INLINE int split_driver_observe(struct vring_split_driver *vq)
{
    uint16_t peer_idx = split_observe_used(&vq->ring); /* B */

    if (PEER_BAD((uint16_t)(peer_idx - vq->seen_used) > (uint16_t)(vq->published - vq->seen_used)))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_INDEX, vq->seen_used, peer_idx);
    vq->seen_used = peer_idx;
    return 0;
}

/* The used element at next_used: one buffer, any that is in flight. */
static PORT_INLINE int split_driver_take(struct vring_split_driver *vq, uint16_t *head, uint32_t *len)
{
    uint16_t at = vq->next_used;
    uint32_t peer_id = split_load_used_id(&vq->ring, at);

    *len = split_load_used_len(&vq->ring, at);
    if (PEER_BAD(peer_id >= vq->ring.size))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, peer_id);
    *head = (uint16_t)peer_id;
    if (PEER_BAD(!slot_in_flight(vq->slots, *head) ||
                 slot_is_staged(vq->slots, vq->ring.mask, *head, vq->published, vq->next_avail)))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, peer_id);
    return used_len_judge(&vq->fault, &vq->live, vq->used_len, at, vq->slots[*head].writable, len);
}

/*
 * get_used with IN_ORDER (2.7.9): the element names the last of a batch of buffers, which ends within what used.idx has
 * announced. Those before it have been used in full.
 */
static PORT_NOINLINE int split_driver_get_in_order(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    if (vq->batch == 0) {
        uint16_t last = 0;
        int error = split_driver_take(vq, &last, &vq->batch_len);

        if (error)
            return error;
        vq->batch = (uint16_t)(vq->slots[last].position - vq->next_used + 1);
        if (PEER_BAD((uint16_t)(vq->batch - 1) >= (uint16_t)(vq->seen_used - vq->next_used)))
            return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, vq->next_used, last);
    }

    uint16_t head = vq->slots[vq->next_used & vq->ring.mask].order;

    used->token = vq->slots[head].token;
    used->len = --vq->batch == 0 ? vq->batch_len : vq->slots[head].writable;
    slots_retire(vq->slots, head, &vq->free_count);
    vq->next_used++;
    return 0;
}

/* get_used where buffers come back in any order. */
static PORT_INLINE int split_driver_get(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    uint16_t head = 0;
    uint32_t len = 0;
    int error = split_driver_take(vq, &head, &len);

    if (error)
        return error;
    used->token = vq->slots[head].token;
    used->len = len;
    vq->next_used++;
    slots_release(vq->slots, head, &vq->free_head, &vq->free_count);
    return 0;
}

/* The same, compiled for when something is staged: in get_used the check for that folds away. */
static PORT_NOINLINE int split_driver_get_beside_staged(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    return split_driver_get(vq, used);
}

int vring_split_driver_get_used(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    if (!vq || !used)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->seen_used == vq->next_used) {
        int error = split_driver_observe(vq);

        if (error)
            return error;
        if (vq->seen_used == vq->next_used)
            return VRING_E_EMPTY;
    }
    if (vq->in_order)
        return split_driver_get_in_order(vq, used);
    if (!PORT_FAST || vq->published != vq->next_avail)
        return split_driver_get_beside_staged(vq, used);
    return split_driver_get(vq, used);
}

int vring_split_driver_get_used_batch(struct vring_split_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                      uint32_t *n)
{
    int error = VRING_E_ROOM;
    uint32_t taken = 0;

    if (!vq || !n || (!used && capacity > 0))
        return VRING_E_NULL;
    while (taken < capacity && (error = vring_split_driver_get_used(vq, &used[taken])) == 0)
        taken++;
    *n = taken;
    return batch_answer(error, taken);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

static int split_driver_enable_at(struct vring_split_driver *vq, uint16_t distance)
{
    uint16_t event = (uint16_t)(vq->next_used + distance);

    if (vq->event_idx && vq->used_event != event) {
        vq->used_event = event;
        split_store_used_event(&vq->ring, event);
    }
    if (!vq->event_idx && vq->avail_flags != 0) {
        vq->avail_flags = 0;
        split_store_avail_flags(&vq->ring, 0);
    }
    split_fence(&vq->ring); /* D */

    int error = split_driver_observe(vq);

    return error ? error : (uint16_t)(vq->seen_used - vq->next_used) > distance;
}

int vring_split_driver_enable_notify(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->seen_used != vq->next_used)
        return 1;
    return split_driver_enable_at(vq, 0);
}

int vring_split_driver_enable_notify_delayed(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!vq->event_idx)
        return vring_split_driver_enable_notify(vq);
    return split_driver_enable_at(vq, event_most_of((uint16_t)(vq->published - vq->next_used)));
}

int vring_split_driver_disable_notify(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->event_idx && event_is_ahead(vq->used_event, vq->next_used)) {
        vq->used_event = event_passed(vq->next_used);
        split_store_used_event(&vq->ring, vq->used_event);
    }
    if (!vq->event_idx && vq->avail_flags != VRING_NO_NOTIFY) {
        vq->avail_flags = VRING_NO_NOTIFY;
        split_store_avail_flags(&vq->ring, VRING_NO_NOTIFY);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ suspend --- */

int vring_split_driver_suspend(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!(vq->features & VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    if (vq->next_avail != vq->published)
        return VRING_E_STATE;
    vq->live = SUSPENDED;
    return 0;
}

int vring_split_driver_resume(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != SUSPENDED)
        return peer_verdict(vq->live);
    vq->live = LIVE;
    return vring_split_driver_enable_notify(vq);
}

/* ---------------------------------------------------------------------------------------------------- questions --- */

uint16_t vring_split_driver_free(const struct vring_split_driver *vq)
{
    return vq && vq->live > 0 ? vq->free_count : 0;
}

uint16_t vring_split_driver_in_flight(const struct vring_split_driver *vq)
{
    return vq && vq->live > 0 ? (uint16_t)(vq->next_avail - vq->next_used) : 0;
}

int vring_split_driver_take_unused(struct vring_split_driver *vq, uint64_t *token)
{
    if (!vq || !token)
        return VRING_E_NULL;
    if (vq->live != 0 || !vq->slots)
        return VRING_E_STATE;

    uint32_t head = slots_oldest(vq->slots, vq->ring.size, vq->next_avail);

    if (head == vq->ring.size)
        return VRING_E_EMPTY;
    *token = vq->slots[head].token;
    vq->slots[head].count = 0;
    return 0;
}

struct vring_fault vring_split_driver_fault(const struct vring_split_driver *vq)
{
    static const struct vring_fault none = {0};

    return vq ? vq->fault : none;
}
