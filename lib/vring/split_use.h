/* SPDX-License-Identifier: MIT */
/*
 * What giving buffers back does to a split ring, and to what the device holds: elements are written, or, with IN_ORDER,
 * buffers passed, of which one element names the last. Reads beside packed_use.h; split_device.c has the verbs.
 */
#ifndef VRING_SPLIT_USE_H
#define VRING_SPLIT_USE_H

#include <vring/split.h>

#include "batch.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "resume.h"
#include "split_ring.h"

/* The buffer at head is the driver's from publish on. */
static inline void split_device_stage(struct vring_split_device *vq, uint16_t head)
{
    if (inflight_is_kept(&vq->inflight))
        inflight_split_stage(&vq->inflight, vq->heads, head);
    else
        heads_release(vq->heads, head);
    vq->next_used++;
    if (HOLDS_BY_PLACE && vq->odd > 0)
        vq->odd--;
}

/* End the batch at next_used: one element, at the place of its first buffer, names its last (2.7.9). */
static void split_device_end_batch(struct vring_split_device *vq)
{
    if (vq->batch == vq->next_used)
        return;
    split_store_used(&vq->ring, vq->batch, vq->batch_head, vq->batch_len);
    vq->batch = vq->next_used;
}

/*
 * With IN_ORDER: stage all that are held back and whose turn it is. One that was not used in full has to be the last of
 * its batch: only that one's length is told.
 */
static PORT_NOINLINE void split_device_stage_due(struct vring_split_device *vq)
{
    while (vq->next_used != vq->next_avail) {
        uint16_t head = vq->heads[vq->next_used & vq->ring.mask].order;
        bool in_full = (vq->heads[head].used & ~HEAD_BEFORE) == HEAD_USED_IN_FULL;

        if (!heads_held_back(vq->heads, head))
            return;
        if ((uint16_t)(vq->next_avail - vq->next_used) == resume_waiting(vq->waiting))
            (void)vring_split_device_waits(vq); /* it is passed over while it still says what it is */
        vq->batch_head = head;
        vq->batch_len = vq->heads[head].writable;
        split_device_stage(vq, head);
        if (!in_full)
            split_device_end_batch(vq);
    }
}

/* With IN_ORDER: the buffer at head has been used, be it its turn or not. */
static void split_device_hold_back(struct vring_split_device *vq, uint16_t head, uint32_t len)
{
    heads_hold_back(vq->heads, head, len);
    vq->odd = (uint16_t)(vq->next_avail - vq->next_used);
}

/*
 * With IN_ORDER: buffers up to the one at head, which was taken as the last of the first count in flight, have been used;
 * those before it in full. One element will stand for all of them.
 */
static PORT_INLINE void split_device_pass(struct vring_split_device *vq, uint32_t count, uint16_t head, uint32_t len)
{
    bool in_full = heads_used_in_full(vq->heads, head, len);

    vq->batch_head = head;
    vq->batch_len = len;
    vq->next_used = (uint16_t)(vq->next_used + count);
    if (!in_full)
        split_device_end_batch(vq);
}

/* Where buffers are passed: as long as each is the next whose turn it is, used in full as most are. How many. */
static PORT_INLINE uint32_t split_device_add_next(struct vring_split_device *vq, const struct vring_used_chain *used,
                                                  uint32_t count)
{
    const struct vring_head *heads = vq->heads;
    size_t at = vq->next_used;
    uint32_t mask = vq->ring.mask, most = (uint16_t)(vq->next_avail - vq->next_used), added = 0;
    uint16_t head = 0;

    if (vq->odd > 0)
        return 0;
    for (most = batch_least(most, count); added < most; added++) {
        uint16_t next = heads[at++ & mask].order;

        if (heads[next].handle != used[added].handle || !heads_used_in_full(heads, next, used[added].len))
            break;
        head = next;
    }
    if (added > 0)
        split_device_pass(vq, added, head, heads[head].writable);
    return added;
}

/* The same, compiled for several; of one there is less to do. */
static PORT_NOINLINE uint32_t split_device_add_several(struct vring_split_device *vq, const struct vring_used_chain *used,
                                                       uint32_t count)
{
    return split_device_add_next(vq, used, count);
}

/* With IN_ORDER: may the buffer that the handle names be given back with len bytes written? As heads_check_use(). */
static int split_device_check_use(const struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    if (error != VRING_E_HANDLE && !split_device_holds(vq, handle_head(handle)))
        return VRING_E_HANDLE;
    return error;
}

#endif
