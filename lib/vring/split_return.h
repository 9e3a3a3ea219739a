/* SPDX-License-Identifier: MIT */
/*
 * How a buffer comes back to a split driver: what is asked of a used element, and what it moves. Reads beside packed_return.h;
 * split_driver.c has the verbs.
 */
#ifndef VRING_SPLIT_RETURN_H
#define VRING_SPLIT_RETURN_H

#include <vring/split.h>

#include "peer.h"
#include "slots.h"
#include "split_ring.h"
#include "used_len.h"

/* What it reads and moves; as struct split_driver_adding of split_adding.h. */
struct split_driver_taking {
    const struct vring_split_ring *ring;
    struct vring_slot *slots;
    size_t next_avail;
    size_t next_used;
    size_t free_head;
    uint32_t free_count;
    uint32_t staged;
};

static PORT_INLINE struct split_driver_taking split_driver_taking(const struct vring_split_driver *vq,
                                                                  const struct vring_split_ring *ring)
{
    struct split_driver_taking taking = {ring, vq->slots, vq->next_avail, vq->next_used, vq->free_head, vq->free_count,
                                         (uint16_t)(vq->next_avail - vq->published)};

    return taking;
}

static PORT_INLINE void split_driver_taken(struct vring_split_driver *vq, const struct split_driver_taking *taking)
{
    vq->next_used = (uint16_t)taking->next_used;
    vq->free_head = (uint16_t)taking->free_head;
    vq->free_count = (uint16_t)taking->free_count;
}

/* The used element at next_used names a descriptor of the ring. */
static PORT_INLINE int split_driver_judge_id(struct vring_split_driver *vq, const struct split_driver_taking *taking,
                                             size_t peer_id)
{
    if (PEER_BAD(peer_id > taking->ring->mask))
        return vring_poison(&vq->live, VRING_E_PEER_ID, (uint16_t)taking->next_used, (uint32_t)peer_id);
    return 0;
}

/* Is the buffer at head one of the last so many before next_avail, which are not the device's yet? */
static PORT_INLINE bool split_driver_has_staged(const struct split_driver_taking *taking, size_t head)
{
    return slot_is_at(taking->slots, taking->ring->mask, head, taking->next_avail - taking->staged, taking->staged);
}

/*
 * What the used element at next_used says: any buffer that is in flight, and no more bytes than may be written, unless the caller
 * lives with that. 0, with *len as it is to be told, or what broke the queue.
 */
static PORT_INLINE int split_driver_judge(struct vring_split_driver *vq, const struct split_driver_taking *taking,
                                          size_t peer_head, uint32_t *len)
{
    const size_t at = taking->next_used;
    int error = split_driver_judge_id(vq, taking, peer_head);

    if (error)
        return error;

    const size_t head = peer_head;

    if (PEER_BAD(!slot_in_flight(taking->slots, head) || split_driver_has_staged(taking, head)))
        return vring_poison(&vq->live, VRING_E_PEER_ID, (uint16_t)at, (uint32_t)head);
    return used_len_judge(&vq->fault, &vq->live, &vq->used_len, (uint32_t)at, taking->slots[head].writable, len);
}

/* Buffers come back in any order; their descriptors come free behind those that *link is the end of. */
static PORT_INLINE int split_driver_get(struct vring_split_driver *vq, struct split_driver_taking *taking,
                                        const uint32_t *elem, struct vring_used_buffer *used, uint16_t **link)
{
    const size_t peer_head = split_load_used_id(elem);
    uint32_t len = split_load_used_len(elem);
    int error = split_driver_judge(vq, taking, peer_head, &len);

    if (error)
        return error;

    const size_t head = peer_head;

    used->token = taking->slots[head].token;
    used->len = len;
    taking->free_count += slots_append(taking->slots, head, link);
    taking->next_used++;
    return 0;
}

/*
 * IN_ORDER (2.7.9): the element at next_used names the last of a batch of buffers, which ends within what used.idx has
 * announced. So where it was added tells all about it: whether it is in flight, and how many are in front of it.
 */
static PORT_INLINE int split_driver_open_batch(struct vring_split_driver *vq, const struct split_driver_taking *taking)
{
    const struct vring_slot *slots = taking->slots;
    const size_t at = taking->next_used;
    const uint32_t *elem = split_used_elem(taking->ring, at);
    const size_t peer_last = split_load_used_id(elem);
    int error = split_driver_judge_id(vq, taking, peer_last);

    vq->batch_len = split_load_used_len(elem);
    if (error)
        return error;

    const size_t last = peer_last;

    if (PEER_BAD(!slot_is_at(slots, taking->ring->mask, last, at, (uint16_t)(vq->seen_used - at))))
        return vring_poison(&vq->live, VRING_E_PEER_ID, (uint16_t)at, (uint32_t)last);
    error = used_len_judge(&vq->fault, &vq->live, &vq->used_len, (uint16_t)at, slots[last].writable, &vq->batch_len);
    if (!error)
        vq->batch = (uint16_t)(slots[last].position - at + 1);
    return error;
}

/*
 * The buffer at next_used, used in full. It begins where the free descriptors end, but reckoning with what was loaded for
 * the buffer before it would make each wait for the last: looking its head up takes half the time.
 */
static PORT_INLINE void split_driver_get_next(struct split_driver_taking *taking, struct vring_used_buffer *used)
{
    size_t head = taking->slots[taking->next_used & taking->ring->mask].order;

    used->token = taking->slots[head].token;
    used->len = taking->slots[head].writable;
    taking->free_count += taking->slots[head].count;
    taking->next_used++;
}

#endif
