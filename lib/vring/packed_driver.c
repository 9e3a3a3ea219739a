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

/*
 * What adding moves. Copied out of the queue and back, once for a whole batch: a store to the ring could be one to the
 * queue, as far as the compiler knows, and it would load everything again behind each.
 */
struct packed_driver_adding {
    struct vring_packed_position at; /* next_avail */
    uint32_t free_head;
    uint32_t free_count;
    uint32_t sequence;
};

static PORT_INLINE struct packed_driver_adding packed_driver_adding(const struct vring_packed_driver *vq)
{
    struct packed_driver_adding adding = {vq->next_avail, vq->free_head, vq->free_count, vq->sequence};

    return adding;
}

static PORT_INLINE void packed_driver_added(struct vring_packed_driver *vq, const struct packed_driver_adding *adding)
{
    uint16_t buffers = (uint16_t)(adding->sequence - vq->sequence);

    vq->staged = (uint16_t)(vq->staged + vq->free_count - adding->free_count);
    vq->staged_buffers = (uint16_t)(vq->staged_buffers + buffers);
    vq->in_flight = (uint16_t)(vq->in_flight + buffers);
    vq->next_avail = adding->at;
    vq->free_head = (uint16_t)adding->free_head;
    vq->free_count = (uint16_t)adding->free_count;
    vq->sequence = (uint16_t)adding->sequence;
}

/*
 * Stage one descriptor. The flags of the first of a batch are kept back: they are what publishes it; kept is where they
 * are put then, and otherwise null.
 */
static PORT_INLINE void packed_driver_stage_desc(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                 uint64_t addr, uint32_t len, uint32_t id, uint32_t flags,
                                                 uint16_t *kept)
{
    flags |= packed_avail_flags(at);
    if (kept) {
        *kept = (uint16_t)flags;
        packed_prepare_desc(r, at.offset, addr, len, id);
    } else {
        packed_store_desc(r->desc, at.offset, addr, len, id, flags);
    }
}

/* Account for the buffer of the id at hand, which is this slot's, and of which count descriptors have been staged. */
static PORT_INLINE void packed_driver_hold(struct vring_slot *slot, struct packed_driver_adding *adding, uint32_t count,
                                           uint32_t writable, uint64_t token)
{
    slot->token = token;
    slot->writable = writable;
    slot->count = (uint16_t)count;
    slot->position = (uint16_t)adding->sequence++;
}

/*
 * Go on to the next free id from the one at hand, which is this slot's. last is the entry at which its buffer ends: from
 * there abort finds it, but with IN_ORDER, where ids follow each other as the buffers do.
 */
static PORT_INLINE void packed_driver_next_id(const struct vring_slot *slot, struct packed_driver_adding *adding,
                                              struct vring_slot *last, bool in_order)
{
    if (!in_order)
        last->order = (uint16_t)adding->free_head;
    adding->free_head = slot->next;
}

/* Account for the buffer whose count descriptors have been staged, the last of them at the entry last. */
static PORT_INLINE void packed_driver_stage(struct vring_slot *slots, struct packed_driver_adding *adding, uint32_t last,
                                            bool in_order, uint32_t count, uint32_t writable, uint64_t token)
{
    packed_driver_hold(&slots[adding->free_head], adding, count, writable, token);
    packed_driver_next_id(&slots[adding->free_head], adding, &slots[last], in_order);
}

/*
 * Stage a buffer of one piece, the most common, for which there is room, and account for it but for its id. 0, or as
 * segment_check().
 */
static PORT_INLINE int packed_driver_stage_single(const struct vring_packed_ring *r, struct vring_slot *slot,
                                                  struct packed_driver_adding *adding, struct vring_packed_position at,
                                                  const struct vring_segment *segment, uint32_t n_writable,
                                                  uint64_t token, uint16_t *kept)
{
    uint64_t addr = segment->addr;
    uint32_t len = segment->len;
    int error = segment_check(addr, len);

    if (PORT_UNLIKELY(error))
        return error;
    packed_driver_stage_desc(r, at, addr, len, adding->free_head, n_writable * (unsigned)VRING_DESC_WRITE, kept);
    packed_driver_hold(slot, adding, 1, n_writable * len, token);
    return 0;
}

/*
 * n entries from this place on are not to be looked at. Those behind the first of a batch bear their flags already: a
 * shorter batch, or buffer, must not end in front of them.
 */
static PORT_NOINLINE void packed_driver_clear(const struct vring_packed_ring *r, struct vring_packed_position at, uint32_t n)
{
    for (; n > 0; n--, at = packed_forward(r, at, 1))
        packed_store_flags(r, at.offset, packed_idle_flags(at));
}

/*
 * Stage a buffer of a list of count pieces, at adding->at. What it takes up is free, and the device does not get there
 * before it is published: so each piece is written as soon as it has been judged, and cleared if one behind it is none.
 */
static PORT_INLINE int packed_driver_stage_list(const struct vring_packed_ring *r, struct vring_slot *slots, bool in_order,
                                                struct packed_driver_adding *adding, const struct vring_segment *segments,
                                                uint32_t n_readable, uint32_t count, uint64_t token, uint16_t *kept)
{
    struct vring_packed_position at = adding->at;
    uint64_t total = 0, readable = UINT64_MAX;
    uint32_t last = at.offset, flags = VRING_DESC_NEXT, i = 0;
    int error = 0;

    if (PORT_UNLIKELY(count > adding->free_count)) {
        error = segments_check(segments, count, count, &last);
        return error ? error : VRING_E_FULL;
    }
    for (; i < count; i++, kept = NULL) {
        uint64_t addr = segments[i].addr;
        uint32_t len = segments[i].len;

        error = segment_check(addr, len);
        if (PORT_UNLIKELY(error))
            break;
        if (i == n_readable) {
            readable = total;
            flags = VRING_DESC_NEXT | VRING_DESC_WRITE;
        }
        total += len;
        if (i + 1 == count)
            flags ^= VRING_DESC_NEXT;
        packed_driver_stage_desc(r, at, addr, len, adding->free_head, flags, kept);
        last = at.offset;
        at = packed_forward(r, at, 1);
    }
    if (PORT_UNLIKELY(error || total > UINT64_C(1) << 32)) {
        packed_driver_clear(r, adding->at, i);
        return error ? error : VRING_E_LEN;
    }
    packed_driver_stage(slots, adding, last, in_order, count, total > readable ? (uint32_t)(total - readable - (total - readable > UINT32_MAX)) : 0, token);
    adding->at = at;
    adding->free_count -= count;
    return 0;
}

/* add_avail for any list of pieces that could be a buffer. */
static PORT_NOINLINE int packed_driver_add_list(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                                uint32_t n_readable, uint32_t n_writable, uint64_t token)
{
    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_ring r = vq->ring;
    int error = packed_driver_stage_list(&r, vq->slots, vq->in_order, &adding, segments, n_readable,
                                         n_readable + n_writable, token, vq->staged == 0 ? &vq->staged_first : NULL);

    if (!error)
        packed_driver_added(vq, &adding);
    return error;
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
    if (!PORT_FAST || count > 1 || vq->free_count == 0)
        return packed_driver_add_list(vq, segments, n_readable, n_writable, token);

    struct packed_driver_adding adding = packed_driver_adding(vq);
    int error = packed_driver_stage_single(&vq->ring, &vq->slots[adding.free_head], &adding, adding.at, segments,
                                           n_writable, token, vq->staged == 0 ? &vq->staged_first : NULL);

    if (error)
        return error;
    packed_driver_next_id(&vq->slots[adding.free_head], &adding, &vq->slots[adding.at.offset], vq->in_order);
    vq->next_avail = packed_forward(&vq->ring, adding.at, 1);
    vq->free_head = (uint16_t)adding.free_head;
    vq->free_count--;
    vq->sequence++;
    vq->in_flight++;
    vq->staged++;
    vq->staged_buffers++;
    return 0;
}

/* Stage a buffer of a table, if there is room. A table is written only when all of it can be. */
static PORT_INLINE int packed_driver_stage_table(const struct vring_packed_ring *r, struct vring_slot *slots, bool in_order,
                                                 struct packed_driver_adding *adding, const struct vring_table *table,
                                                 const struct vring_segment *segments, uint32_t n_readable,
                                                 uint32_t count, uint64_t token, uint16_t *kept)
{
    uint32_t writable;
    int error = segments_check(segments, n_readable, count, &writable);

    if (!error)
        error = segments_check_table(table, count);
    if (PORT_UNLIKELY(error))
        return error;
    if (PORT_UNLIKELY(adding->free_count == 0))
        return VRING_E_FULL;
    for (uint32_t i = 0; i < count; i++)
        packed_store_desc(table->memory, i, segments[i].addr, segments[i].len, 0, i < n_readable ? 0 : VRING_DESC_WRITE);
    packed_driver_stage_desc(r, adding->at, table->addr, 16 * count, adding->free_head, VRING_DESC_INDIRECT, kept);
    packed_driver_stage(slots, adding, adding->at.offset, in_order, 1, writable, token);
    adding->at = packed_forward(r, adding->at, 1);
    adding->free_count--;
    return 0;
}

int vring_packed_driver_add_indirect(struct vring_packed_driver *vq, const struct vring_table *table,
                                     const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                                     uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable;

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

    struct packed_driver_adding adding = packed_driver_adding(vq);
    int error = packed_driver_stage_table(&vq->ring, vq->slots, vq->in_order, &adding, table, segments, n_readable, count,
                                          token, vq->staged == 0 ? &vq->staged_first : NULL);

    if (!error)
        packed_driver_added(vq, &adding);
    return error;
}

static PORT_INLINE uint32_t packed_driver_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/*
 * Add the buffers that a batch begins with, behind others that are staged: as long as they are of one piece, and at most
 * to where the ring, or with IN_ORDER the ids, begin again, so that nothing has to be asked for each but what is the
 * caller's. Returns how many.
 */
static PORT_INLINE uint32_t packed_driver_add_row(struct vring_packed_driver *vq, bool in_order,
                                                  const struct vring_avail_buffer *buffers, uint32_t count)
{
    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_position first = {0, adding.at.lap};
    struct vring_packed_ring here = packed_from(&vq->ring, adding.at.offset);
    struct vring_slot *slots = vq->slots, *slot = slots + adding.free_head, *last = slots + adding.at.offset;
    uint32_t added = 0, whole = vq->ring.size;

    count = packed_driver_least(packed_driver_least(count, adding.free_count), whole - adding.at.offset);
    if (in_order)
        count = packed_driver_least(count, whole - adding.free_head);
    for (; added < count; added++, here = packed_from(&here, 1), last++, buffers++) {
        uint32_t n_writable = buffers->n_writable;

        if (buffers->n_readable + n_writable != 1 || buffers->table || !buffers->segments)
            break;
        if (packed_driver_stage_single(&here, slot, &adding, first, buffers->segments, n_writable, buffers->token, NULL) != 0)
            break;
        packed_driver_next_id(slot, &adding, last, in_order);
        slot = in_order ? slot + 1 : &slots[adding.free_head];
    }
    adding.at = packed_forward(&here, adding.at, added);
    adding.free_count -= added;
    packed_driver_added(vq, &adding);
    return added;
}

static PORT_NOINLINE uint32_t packed_driver_add_singles(struct vring_packed_driver *vq,
                                                        const struct vring_avail_buffer *buffers, uint32_t count)
{
    return packed_driver_add_row(vq, false, buffers, count);
}

static PORT_NOINLINE uint32_t packed_driver_add_singles_in_order(struct vring_packed_driver *vq,
                                                                 const struct vring_avail_buffer *buffers, uint32_t count)
{
    return packed_driver_add_row(vq, true, buffers, count);
}

/* The same as long as they are lists; these may lie across the ring's end. */
static PORT_NOINLINE uint32_t packed_driver_add_lists(struct vring_packed_driver *vq,
                                                      const struct vring_avail_buffer *buffers, uint32_t count)
{
    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_ring r = vq->ring;
    struct vring_slot *slots = vq->slots;
    uint32_t max_pieces = vq->max_pieces, added = 0;
    const bool in_order = vq->in_order;

    for (; added < count; added++, buffers++) {
        uint32_t n_readable = buffers->n_readable, pieces = n_readable + buffers->n_writable;

        if (pieces < 2 || pieces > max_pieces || buffers->table || !buffers->segments)
            break;
        if (packed_driver_stage_list(&r, slots, in_order, &adding, buffers->segments, n_readable, pieces, buffers->token,
                                     NULL) != 0)
            break;
    }
    packed_driver_added(vq, &adding);
    return added;
}

/* The same as long as they have tables. */
static PORT_NOINLINE uint32_t packed_driver_add_tables(struct vring_packed_driver *vq,
                                                       const struct vring_avail_buffer *buffers, uint32_t count)
{
    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_ring r = vq->ring;
    struct vring_slot *slots = vq->slots;
    uint32_t max_chain = vq->indirect ? vq->max_chain : 0, added = 0;
    const bool in_order = vq->in_order;

    for (; added < count; added++, buffers++) {
        uint32_t n_readable = buffers->n_readable, pieces = n_readable + buffers->n_writable;

        if (!buffers->table || pieces - 1 >= max_chain || !buffers->segments)
            break;
        if (packed_driver_stage_table(&r, slots, in_order, &adding, buffers->table, buffers->segments, n_readable, pieces,
                                      buffers->token, NULL) != 0)
            break;
    }
    packed_driver_added(vq, &adding);
    return added;
}

int vring_packed_driver_add_avail_batch(struct vring_packed_driver *vq, const struct vring_avail_buffer *buffers,
                                        uint32_t count, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!buffers && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    while (!error && added < count) {
        const struct vring_avail_buffer *buffer = &buffers[added];
        uint32_t run = !PORT_FAST || vq->staged == 0                  ? 0
                       : buffer->table                                ? packed_driver_add_tables(vq, buffer, count - added)
                       : buffer->n_readable + buffer->n_writable != 1 ? packed_driver_add_lists(vq, buffer, count - added)
                       : vq->in_order ? packed_driver_add_singles_in_order(vq, buffer, count - added)
                                      : packed_driver_add_singles(vq, buffer, count - added);

        added += run;
        if (run > 0)
            continue;
        error = buffer->table ? vring_packed_driver_add_indirect(vq, buffer->table, buffer->segments, buffer->n_readable,
                                                                 buffer->n_writable, buffer->token)
                              : vring_packed_driver_add_avail(vq, buffer->segments, buffer->n_readable,
                                                              buffer->n_writable, buffer->token);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

/* The buffer of this id is no longer in flight. With IN_ORDER ids are taken round and round, and not moved (2.8.8). */
static PORT_INLINE void packed_driver_free(struct vring_slot *slots, uint32_t id, uint32_t *free_head)
{
    slots[id].count = 0;
    slots[id].next = (uint16_t)*free_head;
    *free_head = id;
}

int vring_packed_driver_abort(struct vring_packed_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->staged == 0)
        return VRING_E_STATE;

    uint32_t id = vq->in_order ? packed_before(&vq->ring, vq->free_head)
                               : vq->slots[packed_back(&vq->ring, vq->next_avail, 1).offset].order;
    uint16_t count = vq->slots[id].count;
    uint32_t free_head = vq->free_head;

    if (token)
        *token = vq->slots[id].token;
    vq->next_avail = packed_back(&vq->ring, vq->next_avail, count);
    packed_driver_clear(&vq->ring, vq->next_avail, count);
    vq->staged = (uint16_t)(vq->staged - count);
    vq->free_count = (uint16_t)(vq->free_count + count);
    vq->staged_buffers--;
    vq->sequence--;
    vq->in_flight--;
    packed_driver_free(vq->slots, id, &free_head);
    vq->free_head = (uint16_t)free_head;
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
 * Is the buffer of this id one of those not yet published? Its place in the order of adding says so, modulo 2^16; and
 * if it does, the staged buffers themselves: it may have been in flight for a whole lap of the numbers.
 */
static bool packed_driver_has_staged(const struct vring_packed_driver *vq, uint32_t id)
{
    uint16_t age = (uint16_t)(vq->sequence - vq->slots[id].position);
    struct vring_packed_position last = packed_back(&vq->ring, vq->next_avail, 1);

    if ((uint16_t)(age - 1) >= vq->staged_buffers)
        return false;
    for (; age > 1; age--)
        last = packed_back(&vq->ring, last, vq->slots[vq->slots[last.offset].order].count);
    return vq->slots[last.offset].order == id;
}

/* What taking moves; as struct packed_driver_adding. */
struct packed_driver_taking {
    struct vring_packed_position at; /* next_used */
    uint32_t free_head;
    uint32_t free_count;
};

/* The used descriptor at this place, if there is one: the id of a slot, and a length that has not been judged. */
static PORT_INLINE int packed_driver_look(struct vring_packed_driver *vq, const struct vring_packed_ring *r,
                                          struct vring_packed_position at, uint32_t *id, uint32_t *len)
{
    uint32_t flags = packed_observe_flags(r, at.offset); /* B */

    if (PORT_UNLIKELY(!packed_is_used(flags, at)))
        return VRING_E_EMPTY;

    uint32_t peer_id = packed_load_id(r, at.offset), peer_len = packed_load_len(r, at.offset), size = r->size;

    if (PEER_BAD(peer_id >= size))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at.offset, peer_id);
    *id = peer_id;
    if (!(flags & VRING_DESC_WRITE) && !vq->len_without_write)
        peer_len = 0; /* 2.8.4: the field is reserved then */
    *len = peer_len;
    return 0;
}

/* The same: one buffer, any that is in flight. staged: some may not be the device's yet. */
static PORT_INLINE int packed_driver_take(struct vring_packed_driver *vq, const struct vring_packed_ring *r,
                                          const struct vring_slot *slots, struct vring_packed_position at, bool staged,
                                          uint32_t *id, uint32_t *len)
{
    int error = packed_driver_look(vq, r, at, id, len);

    if (PORT_UNLIKELY(error))
        return error;
    if (PEER_BAD(!slot_in_flight(slots, *id) || (staged && packed_driver_has_staged(vq, *id))))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at.offset, *id);
    return used_len_judge(&vq->fault, &vq->live, vq->used_len, at.offset, slots[*id].writable, len);
}

/*
 * get_used_batch where buffers come back in any order; of one buffer it is get_used. staged: as above. Returns why there
 * are no more than *n.
 */
static PORT_INLINE int packed_driver_get(struct vring_packed_driver *vq, bool staged, struct vring_used_buffer *used,
                                         uint32_t capacity, uint32_t *n)
{
    struct packed_driver_taking taking = {vq->next_used, vq->free_head, vq->free_count};
    const struct vring_packed_ring r = vq->ring;
    struct vring_slot *slots = vq->slots;
    uint32_t taken = 0;
    int error = 0;

    for (; taken < capacity; taken++) {
        uint32_t id = 0, len = 0;

        error = packed_driver_take(vq, &r, slots, taking.at, staged, &id, &len);
        if (PORT_UNLIKELY(error))
            break;

        uint32_t count = slots[id].count;

        used[taken].token = slots[id].token;
        used[taken].len = len;
        taking.at = packed_forward(&r, taking.at, count);
        taking.free_count += count;
        packed_driver_free(slots, id, &taking.free_head);
    }
    vq->next_used = taking.at;
    vq->free_head = (uint16_t)taking.free_head;
    vq->free_count = (uint16_t)taking.free_count;
    vq->in_flight = (uint16_t)(vq->in_flight - taken);
    *n = taken;
    return error;
}

/* The same, compiled for when something is staged: in the other the check for that folds away. */
static PORT_NOINLINE int packed_driver_get_beside_staged(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                                         uint32_t capacity, uint32_t *n)
{
    return packed_driver_get(vq, true, used, capacity, n);
}

/*
 * IN_ORDER (2.8.8): the used descriptor at next_used names the last of a batch of buffers. Ids follow each other round the
 * slots, from that of the oldest on, and the staged ones come last: so a distance tells which are the device's.
 */
static PORT_INLINE int packed_driver_open_batch(struct vring_packed_driver *vq)
{
    uint32_t last = 0, at = vq->next_used.offset;
    int error = packed_driver_look(vq, &vq->ring, vq->next_used, &last, &vq->batch_len);

    if (error)
        return error;

    uint32_t before = packed_before_by(&vq->ring, last, vq->oldest);

    if (PEER_BAD(before >= (uint32_t)(vq->in_flight - vq->staged_buffers)))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, last);
    vq->batch = (uint16_t)(before + 1);
    return used_len_judge(&vq->fault, &vq->live, vq->used_len, at, vq->slots[last].writable, &vq->batch_len);
}

/* Hand out n buffers of a batch, beginning with the oldest, none beyond the last slot. All are taken to be written in full. */
static PORT_INLINE void packed_driver_hand_out(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t n)
{
    uint32_t entries = 0;

    for (struct vring_slot *slot = &vq->slots[vq->oldest], *end = slot + n; slot != end; slot++, used++) {
        used->token = slot->token;
        used->len = slot->writable;
        entries += slot->count;
        slot->count = 0;
    }
    vq->oldest = vq->oldest + n < vq->ring.size ? vq->oldest + n : 0;
    vq->next_used = packed_forward(&vq->ring, vq->next_used, entries);
    vq->free_count = (uint16_t)(vq->free_count + entries);
    vq->in_flight = (uint16_t)(vq->in_flight - n);
}

/* get_used_batch with IN_ORDER. Those before the last of a batch have been used in full. */
static PORT_NOINLINE int packed_driver_get_in_order(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                                    uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0;
    int error = 0;

    while (taken < capacity) {
        if (vq->batch == 0 && (error = packed_driver_open_batch(vq)) != 0)
            break;

        uint32_t run = packed_driver_least(packed_driver_least(vq->batch, capacity - taken), vq->ring.size - vq->oldest);

        packed_driver_hand_out(vq, &used[taken], run);
        taken += run;
        vq->batch = (uint16_t)(vq->batch - run);
        if (vq->batch == 0)
            used[taken - 1].len = vq->batch_len;
    }
    *n = taken;
    return error;
}

static PORT_INLINE int packed_driver_get_most(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                              uint32_t capacity, uint32_t *n)
{
    if (vq->in_order)
        return packed_driver_get_in_order(vq, used, capacity, n);
    if (!PORT_FAST || vq->staged_buffers != 0)
        return packed_driver_get_beside_staged(vq, used, capacity, n);
    return packed_driver_get(vq, false, used, capacity, n);
}

/* get_used where something is staged, or with IN_ORDER. */
static PORT_NOINLINE int packed_driver_get_one(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    uint32_t n;

    return vq->in_order ? packed_driver_get_in_order(vq, used, 1, &n) : packed_driver_get_beside_staged(vq, used, 1, &n);
}

int vring_packed_driver_get_used(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    uint32_t id = 0, len = 0;

    if (!vq || !used)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!PORT_FAST || vq->in_order || vq->staged_buffers != 0)
        return packed_driver_get_one(vq, used);

    struct vring_packed_position at = vq->next_used;
    int error = packed_driver_take(vq, &vq->ring, vq->slots, at, false, &id, &len);

    if (error)
        return error;

    struct vring_slot *slot = &vq->slots[id];
    uint32_t count = slot->count;

    used->token = slot->token;
    used->len = len;
    slot->count = 0;
    slot->next = vq->free_head;
    vq->free_head = (uint16_t)id;
    vq->free_count = (uint16_t)(vq->free_count + count);
    vq->next_used = packed_forward(&vq->ring, at, count);
    vq->in_flight--;
    return 0;
}

int vring_packed_driver_get_used_batch(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                      uint32_t *n)
{
    if (!vq || !n || (!used && capacity > 0))
        return VRING_E_NULL;

    *n = 0;
    if (capacity == 0 || vq->live <= 0)
        return vq->live > 0 ? VRING_E_ROOM : peer_verdict(vq->live);

    int error = packed_driver_get_most(vq, used, capacity, n);

    return batch_answer(error, *n);
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
    return vq->batch > 0 || packed_is_used(packed_observe_flags(&vq->ring, vq->next_used.offset), vq->next_used);
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
