/* SPDX-License-Identifier: MIT */
/* The driver side of the packed virtqueue. Reads beside split_driver.c and packed_device.c, in the same order. */
#include <vring/packed.h>

#include "batch.h"
#include "event.h"
#include "features.h"
#include "layout.h"
#include "packed_ring.h"
#include "peer.h"
#include "resume.h"
#include "segments.h"
#include "slots.h"
#include "used_len.h"

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int packed_driver_check(const struct vring_driver_config *config, const struct vring_packed_ring *ring)
{
    int error = vring_packed_check(ring, config->size, config->slots, config->slot_count, sizeof *config->slots);

    if (error)
        return error;
    if ((config->index & 0x7fff) >= config->size)
        return VRING_E_SIZE;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
    return vring_features_check_packed(config->features);
}

int vring_packed_driver_prepare(struct vring_packed_driver *vq, const struct vring_driver_config *config)
{
    static const struct vring_packed_driver fresh = {0};

    *vq = fresh;
    vq->ring.desc = config->desc;
    vq->ring.driver_area = config->driver_area;
    vq->ring.device_area = config->device_area;
    vq->ring.size = (uint16_t)config->size;
    vq->ring.platform = (config->features & VRING_F_ORDER_PLATFORM) != 0;

    int error = packed_driver_check(config, &vq->ring);

    if (error)
        return error;
    vq->features = config->features;
    vq->slots = config->slots;
    vq->max_chain = config->max_chain ? config->max_chain : config->size;
    vq->max_pieces = vq->max_chain < config->size ? vq->max_chain : config->size;
    vq->notify_id = config->notify_id;
    vq->used_len = (uint8_t)config->used_len;
    vq->len_without_write = config->len_without_write;
    vq->event_idx = (config->features & VRING_F_EVENT_IDX) != 0;
    vq->indirect = (config->features & VRING_F_INDIRECT_DESC) != 0;
    vq->in_order = (config->features & VRING_F_IN_ORDER) != 0;
    vq->notification_data = (config->features & VRING_F_NOTIFICATION_DATA) != 0;
    return 0;
}

int vring_packed_driver_init(struct vring_packed_driver *vq, const struct vring_driver_config *config)
{
    struct vring_packed_driver fresh;

    if (!vq || !config)
        return VRING_E_NULL;

    int error = vring_packed_driver_prepare(&fresh, config);

    if (error)
        return error;
    *vq = fresh;
    vq->free_count = vq->ring.size;
    vq->next_avail = vq->published = vq->next_used = packed_start(config->index);
    slots_clear(vq->slots, vq->ring.size);
    packed_clear(&vq->ring, vq->next_avail);
    vq->live = LIVE;
    return 0;
}

void vring_packed_driver_reset(struct vring_packed_driver *vq)
{
    if (vq)
        vq->live = 0;
}

/* ---------------------------------------------------------------------------------------------------------- add --- */

/* Stage one descriptor, at next_avail. The flags of the first of a batch are kept back: they are what publishes it. */
static PORT_INLINE void packed_driver_stage_desc(struct vring_packed_driver *vq, uint64_t addr, uint32_t len, uint16_t id, unsigned flags)
{
    flags |= packed_avail_flags(vq->next_avail.wrap);
    if (vq->staged == 0) {
        vq->staged_first = (uint16_t)flags;
        packed_prepare_desc(&vq->ring, vq->next_avail.offset, addr, len, id);
    } else {
        packed_store_desc(vq->ring.desc, vq->next_avail.offset, addr, len, id, (uint16_t)flags);
    }
    vq->next_avail = packed_forward(&vq->ring, vq->next_avail, 1);
    vq->staged++;
}

/* Account for the buffer whose count descriptors have been staged. */
static PORT_INLINE int packed_driver_stage(struct vring_packed_driver *vq, uint16_t id, uint16_t count, uint32_t writable,
                               uint64_t token)
{
    struct vring_slot *slot = &vq->slots[id];

    vq->free_head = slot->next;
    vq->free_count = (uint16_t)(vq->free_count - count);
    slot->token = token;
    slot->writable = writable;
    slot->last = id;
    slot->count = count;
    slot->position = vq->sequence++;
    vq->slots[vq->added].order = id;
    vq->added = packed_after(&vq->ring, vq->added);
    vq->staged_buffers++;
    vq->in_flight++;
    return 0;
}

/* add_avail for any list of pieces that could be a buffer. */
static PORT_NOINLINE int packed_driver_add_list(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                                uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable, writable;
    int error = vring_segments_check(segments, n_readable, count, &writable);

    if (error)
        return error;
    if (count > vq->free_count)
        return VRING_E_FULL;

    uint16_t id = vq->free_head;

    for (uint32_t i = 0; i < count; i++)
        packed_driver_stage_desc(vq, segments[i].addr, segments[i].len, id,
                                 (i < n_readable ? 0u : VRING_DESC_WRITE) | (i + 1 < count ? VRING_DESC_NEXT : 0u));
    return packed_driver_stage(vq, id, (uint16_t)count, writable, token);
}

int vring_packed_driver_add_avail(struct vring_packed_driver *vq, const struct vring_segment *segments,
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
        return packed_driver_add_list(vq, segments, n_readable, n_writable, token);

    /* One piece, the most common buffer: the same without loops. */
    uint64_t addr = segments->addr;
    uint32_t len = segments->len;
    int error = segment_check(addr, len);

    if (error)
        return error;
    if (vq->free_count == 0)
        return VRING_E_FULL;

    uint16_t id = vq->free_head;

    packed_driver_stage_desc(vq, addr, len, id, n_writable * (unsigned)VRING_DESC_WRITE);
    return packed_driver_stage(vq, id, 1, n_writable * len, token);
}

int vring_packed_driver_add_avail_batch(struct vring_packed_driver *vq, const struct vring_avail_buffer *buffers,
                                        uint32_t count, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!buffers && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    for (; !error && added < count; added += !error) {
        const struct vring_avail_buffer *buffer = &buffers[added];

        error = vring_packed_driver_add_avail(vq, buffer->segments, buffer->n_readable, buffer->n_writable, buffer->token);
    }
    *n = added;
    return batch_answer(error, added);
}

int vring_packed_driver_add_indirect(struct vring_packed_driver *vq, const struct vring_table *table,
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

    uint16_t id = vq->free_head;

    for (uint32_t i = 0; i < count; i++)
        packed_store_desc(table->memory, i, segments[i].addr, segments[i].len, 0, i < n_readable ? 0 : VRING_DESC_WRITE);
    packed_driver_stage_desc(vq, table->addr, 16 * count, id, VRING_DESC_INDIRECT);
    return packed_driver_stage(vq, id, 1, writable, token);
}

int vring_packed_driver_abort(struct vring_packed_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->staged == 0)
        return VRING_E_STATE;

    vq->added = packed_before(&vq->ring, vq->added);

    uint16_t id = vq->slots[vq->added].order;

    if (token)
        *token = vq->slots[id].token;
    /*
     * What was staged behind the first of the batch bears its flags already: a shorter batch must not end in front of
     * it.
     */
    for (uint16_t left = vq->slots[id].count; left > 0; left--) {
        vq->next_avail = packed_back(&vq->ring, vq->next_avail, 1);
        packed_store_flags(&vq->ring, vq->next_avail.offset, packed_idle_flags(vq->next_avail.wrap));
        vq->staged--;
    }
    vq->staged_buffers--;
    vq->sequence--;
    vq->in_flight--;
    slots_release(vq->slots, id, &vq->free_head, &vq->free_count);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

int vring_packed_driver_publish(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->staged == 0)
        return resume_settle(&vq->owes);

    uint16_t added = vq->staged;

    packed_publish_flags(&vq->ring, vq->published.offset, vq->staged_first); /* A */
    vq->published = vq->next_avail;
    vq->staged = 0;
    vq->staged_buffers = 0;
    packed_fence(&vq->ring); /* C */
    if (PORT_UNLIKELY(vq->owes))
        return resume_settle(&vq->owes);
    return event_word_is_due(packed_load_event(vq->ring.device_area), vq->event_idx, packed_place(vq->published), added,
                             vq->ring.size);
}

uint32_t vring_packed_driver_notification(const struct vring_packed_driver *vq)
{
    if (!vq || vq->live <= 0)
        return 0;
    return vq->notification_data ? (uint32_t)packed_place(vq->published) << 16 | vq->notify_id : vq->notify_id;
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/*
 * Is the buffer of this id one of those not yet published? Its place in the order of adding says so, modulo 2^16; what
 * was added at that place says whether it is this buffer or one that has been in flight for a whole lap of the numbers.
 */
static inline bool packed_driver_has_staged(const struct vring_packed_driver *vq, uint16_t id)
{
    uint16_t age = (uint16_t)(vq->sequence - vq->slots[id].position);

    if (vq->staged_buffers == 0)
        return false;
    return (uint16_t)(age - 1) < vq->staged_buffers && vq->slots[packed_before_by(&vq->ring, vq->added, age)].order == id;
}

/* The used descriptor at next_used, if there is one: one buffer, any that is in flight. */
static PORT_INLINE int packed_driver_take(struct vring_packed_driver *vq, uint16_t *id, uint32_t *len)
{
    uint16_t at = vq->next_used.offset;
    uint16_t flags = packed_observe_flags(&vq->ring, at); /* B */

    if (!packed_is_used(flags, vq->next_used.wrap))
        return VRING_E_EMPTY;

    uint16_t peer_id = packed_load_id(&vq->ring, at);

    *len = packed_load_len(&vq->ring, at);
    if (PEER_BAD(peer_id >= vq->ring.size))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, peer_id);
    *id = peer_id;
    if (PEER_BAD(!slot_in_flight(vq->slots, *id) || packed_driver_has_staged(vq, *id)))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, peer_id);
    if (!(flags & VRING_DESC_WRITE) && !vq->len_without_write)
        *len = 0; /* 2.8.4: the field is reserved then */
    return used_len_judge(&vq->fault, &vq->live, vq->used_len, at, vq->slots[*id].writable, len);
}

/* The buffer of this id, of which len bytes were written, is the caller's again. */
static PORT_INLINE int packed_driver_hand_over(struct vring_packed_driver *vq, uint16_t id, uint32_t len,
                                               struct vring_used_buffer *used)
{
    used->token = vq->slots[id].token;
    used->len = len;
    vq->next_used = packed_forward(&vq->ring, vq->next_used, vq->slots[id].count);
    vq->in_flight--;
    slots_release(vq->slots, id, &vq->free_head, &vq->free_count);
    return 0;
}

/*
 * get_used with IN_ORDER (2.8.8): the descriptor names the last of a batch of buffers. All that are in flight and not
 * staged come before the staged ones, so the batch is within what the device was given. Those before the last have been
 * used in full.
 */
static PORT_NOINLINE int packed_driver_get_in_order(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    uint16_t id = vq->slots[vq->oldest].order;

    if (vq->batch == 0) {
        uint16_t last = 0;
        int error = packed_driver_take(vq, &last, &vq->batch_len);

        if (error)
            return error;
        vq->batch = (uint16_t)(vq->slots[last].position - vq->slots[id].position + 1);
    }
    vq->oldest = packed_after(&vq->ring, vq->oldest);
    return packed_driver_hand_over(vq, id, --vq->batch == 0 ? vq->batch_len : vq->slots[id].writable, used);
}

/* get_used where buffers come back in any order. */
static PORT_INLINE int packed_driver_get(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    uint16_t id = 0;
    uint32_t len = 0;
    int error = packed_driver_take(vq, &id, &len);

    return error ? error : packed_driver_hand_over(vq, id, len, used);
}

/* The same, compiled for when something is staged: in get_used the check for that folds away. */
static PORT_NOINLINE int packed_driver_get_beside_staged(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    return packed_driver_get(vq, used);
}

int vring_packed_driver_get_used(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    if (!vq || !used)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->in_order)
        return packed_driver_get_in_order(vq, used);
    if (!PORT_FAST || vq->staged_buffers != 0)
        return packed_driver_get_beside_staged(vq, used);
    return packed_driver_get(vq, used);
}

int vring_packed_driver_get_used_batch(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                      uint32_t *n)
{
    int error = VRING_E_ROOM;
    uint32_t taken = 0;

    if (!vq || !n || (!used && capacity > 0))
        return VRING_E_NULL;
    while (taken < capacity && (error = vring_packed_driver_get_used(vq, &used[taken])) == 0)
        taken++;
    *n = taken;
    return batch_answer(error, taken);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

static void packed_driver_wish(struct vring_packed_driver *vq, uint32_t event)
{
    if (vq->event == event)
        return;
    vq->event = event;
    packed_store_event(vq->ring.driver_area, event);
}

/* Ask for the used descriptor that lies distance entries ahead, and look once more. */
static int packed_driver_enable_at(struct vring_packed_driver *vq, uint16_t distance)
{
    struct vring_packed_position at = packed_forward(&vq->ring, vq->next_used, distance);

    packed_driver_wish(vq, vq->event_idx ? packed_event(VRING_EVENT_DESC, packed_place(at))
                                         : packed_event(VRING_EVENT_ENABLE, 0));
    packed_fence(&vq->ring); /* D */
    return vq->batch > 0 || packed_is_used(packed_observe_flags(&vq->ring, vq->next_used.offset), vq->next_used.wrap);
}

int vring_packed_driver_enable_notify(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    return packed_driver_enable_at(vq, 0);
}

int vring_packed_driver_enable_notify_delayed(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    return packed_driver_enable_at(vq, event_most_of((uint16_t)(vq->ring.size - vq->free_count - vq->staged)));
}

int vring_packed_driver_disable_notify(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    packed_driver_wish(vq, packed_event(VRING_EVENT_DISABLE, 0));
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ suspend --- */

int vring_packed_driver_suspend(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!(vq->features & VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    if (vq->staged > 0)
        return VRING_E_STATE;
    vq->live = SUSPENDED;
    return 0;
}

int vring_packed_driver_resume(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != SUSPENDED)
        return peer_verdict(vq->live);
    vq->live = LIVE;
    return vring_packed_driver_enable_notify(vq);
}

/* ---------------------------------------------------------------------------------------------------- questions --- */

uint16_t vring_packed_driver_free(const struct vring_packed_driver *vq)
{
    return vq && vq->live > 0 ? vq->free_count : 0;
}

uint16_t vring_packed_driver_in_flight(const struct vring_packed_driver *vq)
{
    return vq && vq->live > 0 ? vq->in_flight : 0;
}

int vring_packed_driver_take_unused(struct vring_packed_driver *vq, uint64_t *token)
{
    if (!vq || !token)
        return VRING_E_NULL;
    if (vq->live != 0 || !vq->slots)
        return VRING_E_STATE;

    uint32_t id = slots_oldest(vq->slots, vq->ring.size, vq->sequence);

    if (id == vq->ring.size)
        return VRING_E_EMPTY;
    *token = vq->slots[id].token;
    vq->slots[id].count = 0;
    return 0;
}

struct vring_fault vring_packed_driver_fault(const struct vring_packed_driver *vq)
{
    static const struct vring_fault none = {0};

    return vq ? vq->fault : none;
}
