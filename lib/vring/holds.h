/* SPDX-License-Identifier: MIT */
/*
 * What a queue holds. Where buffers come and go in any order, each says so of itself. With IN_ORDER they lie from the oldest
 * to the newest, and a buffer is held because of where it stands: so many at a time come and go by moving an end.
 */
#ifndef VRING_HOLDS_H
#define VRING_HOLDS_H

#include <vring/packed.h>
#include <vring/split.h>

#include "features.h"
#include "heads.h"
#include "inflight.h"
#include "peer.h"
#include "resume.h"
#include "slots.h"

/* -------------------------------------------------------------------------------------------------- driver side --- */

/* Is a buffer that begins at this descriptor staged or with the device? */
static inline bool split_driver_holds(const struct vring_split_driver *vq, size_t head)
{
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return slot_is_at(vq->slots, vq->ring.mask, head, vq->next_used, (uint16_t)(vq->next_avail - vq->next_used));
    return slot_in_flight(vq->slots, head);
}

/* Is the buffer of this id staged or with the device? With IN_ORDER ids are taken round and round. */
static inline bool packed_driver_holds(const struct vring_packed_driver *vq, uint32_t id)
{
    uint32_t size = vq->ring.size;

    return feature_on(vq->features, VRING_F_IN_ORDER) ? (id + size - vq->oldest) % size < packed_driver_in_flight(vq)
                                                      : slot_in_flight(vq->slots, id);
}

/* -------------------------------------------------------------------------------------------------- device side --- */

/*
 * The live of a device that is asked for a buffer; null if there is none. A suspended one is as good as live as long as there
 * are such buffers: they are in flight, and can be finished only by who has them.
 */
static inline const int *split_device_live(struct vring_split_device *vq)
{
    static const int live = LIVE;

    if (!vq)
        return NULL;
    if (VRING_BUILD_RESTART && FEATURE_BUILT(VRING_F_SUSPEND) && vq->live == SUSPENDED && vring_split_device_waits(vq))
        return &live;
    return &vq->live;
}

static inline const int *packed_device_live(struct vring_packed_device *vq)
{
    static const int live = LIVE;

    if (!vq)
        return NULL;
    if (VRING_BUILD_RESTART && FEATURE_BUILT(VRING_F_SUSPEND) && vq->live == SUSPENDED && vring_packed_device_waits(vq))
        return &live;
    return &vq->live;
}

/* Is there a device at all that knows what it holds by its place? Nobody else asks which of them are odd. */
enum { HOLDS_BY_PLACE = PORT_FAST && FEATURE_BUILT(VRING_F_IN_ORDER) };

/*
 * With IN_ORDER a device holds what lies from next_used to next_avail. Where it is fast, and keeps no note of what is in
 * flight, that is all there is to know: what it passes is not told that it has been passed.
 */
static PORT_INLINE bool split_device_passes(const struct vring_split_device *vq)
{
    return PORT_FAST && feature_on(vq->features, VRING_F_IN_ORDER) && !inflight_is_kept(&vq->inflight);
}

/* Does the device hold the buffer at head? */
static PORT_INLINE bool split_device_holds(const struct vring_split_device *vq, size_t head)
{
    uint16_t in_flight = (uint16_t)(vq->next_avail - vq->next_used);

    return vq->heads[head].taken != 0 &&
        (!split_device_passes(vq) || heads_is_at(vq->heads, vq->ring.mask, head, vq->next_used, in_flight));
}

/*
 * With IN_ORDER a driver takes descriptors round and round (2.7.5). So that it need not be asked of each buffer whether it is
 * held, it is known how many of the newest have heads that follow each other, up to next_head: if all in flight have, and
 * there are less than the ring has entries, next_head is none of theirs. No driver is believed: one that takes another head
 * is asked, and the round begins anew.
 */
static PORT_INLINE bool split_device_goes_round(const struct vring_split_device *vq)
{
    return vq->round >= (uint16_t)(vq->next_avail - vq->next_used);
}

/* Where buffers are passed: the buffer at head is taken at this position, behind all that are in flight. */
static PORT_INLINE void split_device_place(struct vring_split_device *vq, uint16_t head, uint16_t position)
{
    vq->heads[head].record = position;
    vq->round = head == vq->next_head ? (uint16_t)(vq->round + 1) : 1;
    vq->next_head = (uint16_t)((head + 1u) & vq->ring.mask);
}

/* As split_device_passes() and split_device_holds(). */

static PORT_INLINE bool packed_device_passes(const struct vring_packed_device *vq)
{
    return PORT_FAST && feature_on(vq->features, VRING_F_IN_ORDER) && !inflight_is_kept(&vq->inflight);
}

/*
 * Where buffers are passed, a row of one piece each, whose ids count up as their places do, is not written down but for
 * what may be written into each: all else follows from where the row ends. How many of those that the device holds are
 * such; they are the last.
 */
static PORT_INLINE uint32_t packed_device_unwritten(const struct vring_packed_device *vq)
{
    return vq->unwritten < vq->in_flight ? vq->unwritten : vq->in_flight;
}

/* Is the buffer of this id one of them? */
static PORT_INLINE bool packed_device_is_unwritten(const struct vring_packed_device *vq, uint32_t id)
{
    return (id > vq->last_id ? vq->last_id + vq->ring.size : vq->last_id) - id < packed_device_unwritten(vq);
}

/* ... which was taken so many before the last: its handle. */
static PORT_INLINE vring_handle packed_device_row_handle(const struct vring_packed_device *vq, uint32_t id, uint32_t back)
{
    return (uint32_t)(vq->generation - 1 - back) << 16 | id;
}

static PORT_INLINE bool packed_device_holds(const struct vring_packed_device *vq, uint32_t id)
{
    if (vq->heads[id].taken == 0)
        return false;
    return !packed_device_passes(vq) || packed_device_is_unwritten(vq, id) ||
        heads_is_among(vq->heads, vq->ring.size, id, vq->oldest, vq->in_flight - packed_device_unwritten(vq));
}

/* Write down what is not: all that the device holds is found by order[] then, and by its head. */
void vring_packed_device_write_down(const struct vring_packed_device *vq);

static PORT_INLINE void packed_device_settle(struct vring_packed_device *vq)
{
    if (PORT_UNLIKELY(vq->unwritten > 0)) {
        vring_packed_device_write_down(vq);
        vq->unwritten = 0;
    }
}

#endif
