/* SPDX-License-Identifier: MIT */
/*
 * What taking moves of a split device, and how one buffer is taken: what is asked of its head, and a buffer of one piece.
 * Reads beside packed_taking.h; split_take.c has the verbs.
 */
#ifndef VRING_SPLIT_TAKING_H
#define VRING_SPLIT_TAKING_H

#include <vring/split.h>

#include "batch.h"
#include "chain.h"
#include "heads.h"
#include "holds.h"
#include "peer.h"
#include "split_ring.h"

/*
 * What taking reads and moves. Copied out of the queue and back: for all that the compiler knows a store to the ring may be
 * one to the queue, and would be followed by loading all of it again.
 */
struct split_device_taking {
    const struct vring_split_ring *ring; /* constant, and numbers of a ring are as good in memory as in a register */
    const struct vring_region *last;
    struct vring_head *heads;
    size_t next_avail;        /* goes on past 2^16 here: what is kept of it is modulo 2^16 */
    uint32_t generation;      /* in the upper half, as in a handle */
    uint32_t next_used;
    bool passes;              /* split_device_passes(): what is held is told by its place; a constant where it is known */
};

static PORT_INLINE struct split_device_taking split_device_taking(const struct vring_split_device *vq, bool passes)
{
    struct split_device_taking taking = {&vq->ring, &vq->regions.last, vq->heads, vq->next_avail,
                                          (uint32_t)vq->generation << 16, vq->next_used, passes};

    return taking;
}

static PORT_INLINE void split_device_taken(struct vring_split_device *vq, const struct split_device_taking *taking)
{
    vq->next_avail = (uint16_t)taking->next_avail;
    vq->generation = (uint16_t)(taking->generation >> 16);
}

/* The buffer at head, writable as told, is ours until it is used or rewound. */
static PORT_INLINE vring_handle split_device_take(struct vring_split_device *vq, struct split_device_taking *taking,
                                                  size_t head, uint64_t writable)
{
    vring_handle handle = taking->generation | (vring_handle)head;

    heads_hand_out(taking->heads, head, handle, 1, writable, false);
    if (taking->passes)
        split_device_place(vq, (uint16_t)head, (uint16_t)taking->next_avail);
    taking->generation += 0x10000;
    taking->next_avail++;
    return handle;
}

/*
 * Where pieces go: those of the next buffer to iov, up to end; straight, up to limit, so that no straight walk is longer than
 * a chain may be.
 */
struct split_device_room {
    struct vring_iov *iov;
    struct vring_iov *limit;
    struct vring_iov *end;
};

static PORT_INLINE struct split_device_room split_device_room(const struct vring_split_device *vq, struct vring_iov *iov,
                                                              uint32_t n_iov)
{
    struct split_device_room room = {iov, iov, iov};

    if (n_iov > 0) { /* otherwise there may be no array */
        room.limit = iov + batch_least(n_iov, vq->max_chain);
        room.end = iov + n_iov;
    }
    return room;
}

/* A head that the driver offers at a position may be any that we do not hold. 0, or what broke the queue. */
static PORT_INLINE int split_device_judge(struct vring_split_device *vq, const struct split_device_taking *taking,
                                          size_t at, uint32_t peer_head)
{
    const uint32_t mask = vq->ring.mask, next_used = taking->next_used;
    const struct vring_head *heads = taking->heads;

    if (PEER_BAD(peer_head > mask))
        return vring_poison(&vq->live, VRING_E_PEER_ID, (uint16_t)at, peer_head);

    size_t head = peer_head;

    if (PEER_BAD(taking->passes ? heads_is_at(heads, mask, head, next_used, (uint16_t)(at - next_used))
                                : heads[head].taken != 0))
        return vring_poison(&vq->live, VRING_E_PEER_ID, (uint16_t)at, peer_head);
    return 0;
}

/* The head that the driver offers at next_avail. */
static PORT_INLINE int split_device_offered(struct vring_split_device *vq, const struct split_device_taking *taking,
                                            size_t *head)
{
    size_t at = taking->next_avail, place = at & taking->ring->mask;
    uint32_t peer_head = split_load_avail_entry(taking->ring, place);
    int error = split_device_judge(vq, taking, at, peer_head);

    if (PORT_UNLIKELY(error))
        return error;
    *head = peer_head;
    taking->heads[place].order = (uint16_t)peer_head; /* taken or not: nobody asks before it is */
    return 0;
}

/*
 * Take the buffer at head, if its first descriptor is all of it, one piece in the region that the last one was in, of this
 * kind: 0 for the device to read, or VRING_DESC_WRITE. There is room for it.
 */
static PORT_INLINE bool split_device_take_piece(struct vring_split_device *vq, struct split_device_taking *taking,
                                                size_t head, struct split_words words, uint32_t kind,
                                                struct vring_iov *iov, struct vring_chain *chain)
{
    const struct chain_desc desc = split_decode(words);

    if (!split_is_piece(words, kind) || !chain_put_piece(&desc, taking->last, kind, iov, chain))
        return false;
    chain->handle = split_device_take(vq, taking, head, kind ? desc.len : 0);
    return true;
}

#endif
