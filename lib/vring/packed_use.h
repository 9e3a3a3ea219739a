/* SPDX-License-Identifier: MIT */
/*
 * What giving buffers back does to a packed ring, and to what the device holds: used descriptors are written, or, with IN_ORDER,
 * buffers passed, of which one used descriptor names the last. packed_device.c has the verbs.
 */
#ifndef VRING_PACKED_USE_H
#define VRING_PACKED_USE_H

#include <vring/packed.h>

#include "batch.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "packed_ring.h"
#include "resume.h"

/* What using moves; as struct packed_device_taking of packed_taking.h. */
struct packed_device_using {
    struct vring_packed_position at; /* next_used */
    uint32_t buffers; /* that have been staged by this call */
};

static PORT_INLINE struct packed_device_using packed_device_using(const struct vring_packed_device *vq)
{
    struct packed_device_using progress = {vq->next_used, 0};

    return progress;
}

static PORT_INLINE void packed_device_used(struct vring_packed_device *vq, const struct packed_device_using *progress)
{
    vq->staged = (uint16_t)(vq->staged + packed_distance(&vq->ring, vq->next_used, progress->at));
    vq->next_used = progress->at;
    vq->in_flight = (uint16_t)(vq->in_flight - progress->buffers);
}

/*
 * Write a used descriptor. The flags of the first of what is to be published are kept back: they are what publishes it;
 * kept is where they are put then, and otherwise null.
 */
static PORT_INLINE void packed_device_write_used(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                 uint32_t id, uint32_t len, uint16_t *kept)
{
    uint32_t flags = len > 0 ? packed_used_flags(at) | VRING_DESC_WRITE : packed_used_flags(at);

    if (!PORT_FAST || kept) {
        packed_prepare_used(r, packed_entry(at), len, id);
        if (kept)
            *kept = (uint16_t)flags;
        else
            packed_store_flags(r, packed_entry(at), flags);
    } else {
        packed_store_used(r, packed_entry(at), len, id, flags);
    }
}

/* Where the flags are kept of a used descriptor that is to be written at this place. */
static PORT_INLINE uint16_t *packed_device_kept(struct vring_packed_device *vq, struct vring_packed_position at)
{
    return packed_same(at, vq->published) ? &vq->staged_first : NULL;
}

/* The buffer of this id has been used: the ring entries it took up are passed. */
static PORT_INLINE void packed_device_pass(const struct vring_packed_ring *r, struct vring_head *heads, uint16_t id,
                                           struct packed_device_using *progress)
{
    progress->at = packed_forward(r, progress->at, heads[id].taken);
    progress->buffers++;
}

/* ... and is not ours any longer, or when it is published. */
static PORT_INLINE void packed_device_let_go(struct vring_packed_device *vq, struct vring_head *heads, uint16_t id)
{
    if (inflight_is_kept(&vq->inflight))
        inflight_stage(&vq->inflight, heads, id);
    else
        heads_release(heads, id);
}

/* End the batch at next_used: one used descriptor, at the place of its first buffer, names its last (2.8.8). */
static void packed_device_end_batch(struct vring_packed_device *vq)
{
    if (packed_same(vq->batch, vq->next_used))
        return;
    packed_device_write_used(&vq->ring, vq->batch, vq->batch_id, vq->batch_len, packed_device_kept(vq, vq->batch));
    vq->batch = vq->next_used;
}

/*
 * Stage all that were used and whose turn it is. One that was not used in full has to be the last of its batch: only that
 * one's length is told.
 */
static PORT_NOINLINE void packed_device_stage_in_order(struct vring_packed_device *vq)
{
    while (vq->in_flight > 0) {
        uint16_t id = vq->heads[vq->oldest].order;
        bool in_full = (vq->heads[id].used & ~HEAD_BEFORE) == HEAD_USED_IN_FULL;
        struct packed_device_using progress = packed_device_using(vq);

        if (!heads_held_back(vq->heads, id))
            return;
        if (vq->in_flight == resume_waiting(vq->waiting))
            (void)vring_packed_device_waits(vq); /* it is passed over while it still says what it is */
        vq->batch_id = id;
        vq->batch_len = vq->heads[id].writable;
        vq->oldest = packed_after(&vq->ring, vq->oldest);
        packed_device_pass(&vq->ring, vq->heads, id, &progress);
        packed_device_let_go(vq, vq->heads, id);
        packed_device_used(vq, &progress);
        if (HOLDS_BY_PLACE && vq->odd > 0)
            vq->odd--;
        if (!in_full)
            packed_device_end_batch(vq);
    }
}

/* With IN_ORDER: the buffer of this id has been used, be it its turn or not. */
static void packed_device_hold_back(struct vring_packed_device *vq, uint16_t id, uint32_t len)
{
    heads_hold_back(vq->heads, id, len);
    vq->odd = vq->in_flight;
}

/*
 * Where buffers are passed: count of them, up to the one of this id, have been used, those before it in full; behind it are
 * this place in the ring, and that one in order[]. One used descriptor will stand for all of them.
 */
static PORT_INLINE void packed_device_pass_to(struct vring_packed_device *vq, uint16_t id, uint32_t len, uint32_t count,
                                              struct vring_packed_position at, uint32_t place)
{
    const struct packed_device_using progress = {at, count};

    vq->batch_id = id;
    vq->batch_len = len;
    vq->oldest = place;
    packed_device_used(vq, &progress);
    if (!heads_used_in_full(vq->heads, id, len))
        packed_device_end_batch(vq);
}

/* The same, of what its head says. */
static PORT_INLINE void packed_device_pass_through(struct vring_packed_device *vq, uint16_t id, uint32_t len)
{
    const struct vring_packed_ring *r = &vq->ring;
    uint32_t entries = packed_span(r, packed_entry(vq->next_used), vq->heads[id].link), place = vq->heads[id].record;

    packed_device_pass_to(vq, id, len, packed_span(r, vq->oldest, place), packed_forward(r, vq->next_used, entries),
                          packed_after(r, place));
}

/* The same, of one in a row. 0, VRING_E_HANDLE or VRING_E_LEN. */
static PORT_INLINE int packed_device_pass_row(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    const struct vring_packed_ring *r = &vq->ring;
    uint16_t id = handle_head(handle);
    uint32_t back = packed_before_by(r, vq->last_id, id);

    if (handle != packed_device_row_handle(vq, id, back))
        return VRING_E_HANDLE;
    if (len > vq->heads[id].writable)
        return VRING_E_LEN;
    packed_device_pass_to(vq, id, len, vq->in_flight - back, packed_back(r, vq->next_avail, back),
                          packed_before_by(r, vq->taken, back));
    return 0;
}

/* Where buffers are passed: as long as each is the next whose turn it is, used in full as most are. How many. */
static PORT_INLINE uint32_t packed_device_add_in_turn(struct vring_packed_device *vq, const struct vring_used_chain *used,
                                                      uint32_t count)
{
    const struct vring_head *heads = vq->heads;
    uint32_t at = vq->oldest, most = batch_least(vq->in_flight, count), added = 0;
    uint16_t id = 0;

    if (vq->odd > 0)
        return 0;
    for (; added < most; added++, at = packed_after(&vq->ring, at)) {
        uint16_t next = heads[at].order;

        if (heads[next].handle != used[added].handle || !heads_used_in_full(heads, next, used[added].len))
            break;
        id = next;
    }
    if (added > 0)
        packed_device_pass_through(vq, id, heads[id].writable);
    return added;
}

/* With IN_ORDER: may the buffer that the handle names be given back with len bytes written? As heads_check_use(). */
static int packed_device_check_use(const struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    return error != VRING_E_HANDLE && !packed_device_holds(vq, handle_head(handle)) ? VRING_E_HANDLE : error;
}

#endif
