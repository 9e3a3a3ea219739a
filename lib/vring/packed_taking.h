/* SPDX-License-Identifier: MIT */
/*
 * What taking moves of a packed device, and how one buffer is taken: whether there is one, what is asked of its id, and a
 * buffer of one piece. Reads beside split_taking.h; packed_take.c has the verbs.
 */
#ifndef VRING_PACKED_TAKING_H
#define VRING_PACKED_TAKING_H

#include <vring/packed.h>

#include "batch.h"
#include "chain.h"
#include "heads.h"
#include "holds.h"
#include "packed_ring.h"
#include "packed_row.h"
#include "peer.h"

/*
 * What taking moves. Copied out of the queue and back, once for a whole batch: what is stored through a caller's pointer
 * could be the queue, as far as the compiler knows, and it would load everything again behind each.
 */
struct packed_device_taking {
    struct vring_packed_position at; /* next_avail */
    uint32_t held;
    uint32_t taken;
    uint32_t handle; /* of the next, but for its id */
    uint32_t oldest;
    uint32_t in_flight;
    bool passes; /* packed_device_passes(): what is held is told by its place; a constant where it is known */
};

static PORT_INLINE struct packed_device_taking packed_device_taking(struct vring_packed_device *vq, bool passes)
{
    if (passes)
        packed_device_settle(vq);

    struct packed_device_taking taking = {vq->next_avail, vq->held,      vq->taken, (uint32_t)vq->generation << 16,
                                          vq->oldest,     vq->in_flight, passes};

    return taking;
}

static PORT_INLINE void packed_device_taken(struct vring_packed_device *vq, const struct packed_device_taking *taking)
{
    uint16_t generation = (uint16_t)(taking->handle >> 16);

    if (taking->passes && generation != vq->generation) {
        vq->last_id = vq->heads[packed_before(&vq->ring, taking->taken)].order;
        vq->row = 1; /* or more, but who takes many of other kinds has other costs */
    }
    vq->in_flight = (uint16_t)(vq->in_flight + (uint16_t)(generation - vq->generation));
    vq->next_avail = taking->at;
    vq->held = (uint16_t)taking->held;
    vq->taken = taking->taken;
    vq->generation = generation;
}

/*
 * The buffer of this id, of which chain has been told, is ours until it is used or rewound; place is where the order in
 * which buffers are taken goes on, and last the last entry that it takes up.
 */
static PORT_INLINE void packed_device_hold(struct vring_head *heads, struct vring_head *place, uint32_t last,
                                           struct packed_device_taking *taking, uint32_t id, uint32_t descriptors,
                                           uint64_t writable, bool refused, struct vring_chain *chain)
{
    place->order = (uint16_t)id;
    if (taking->passes) {
        heads[id].record = (uint16_t)taking->taken;
        heads[id].link = (uint16_t)last;
        taking->in_flight++;
    }
    chain->handle = taking->handle | id;
    taking->handle += 1u << 16;
    heads_hand_out(heads, id, chain->handle, (uint16_t)descriptors, writable, refused);
}

/* The same, of the buffer at taking->at. */
static PORT_INLINE void packed_device_take(const struct vring_packed_ring *r, struct vring_head *heads,
                                           struct packed_device_taking *taking, uint32_t id, uint32_t descriptors,
                                           uint64_t writable, bool refused, struct vring_chain *chain)
{
    packed_device_hold(heads, &heads[taking->taken], packed_after_by(r, packed_entry(taking->at), descriptors - 1), taking, id,
                       descriptors, writable, refused, chain);
    taking->taken = packed_after(r, taking->taken);
    taking->held += descriptors;
    taking->at = packed_forward(r, taking->at, descriptors);
}

/* Is this the id of a buffer that could be given to us? */
static PORT_INLINE bool packed_device_may_take(const struct vring_packed_ring *r, const struct vring_head *heads,
                                               const struct packed_device_taking *taking, uint32_t peer_id)
{
    if (PEER_BAD(peer_id >= r->size))
        return false;

    uint32_t id = peer_id;

    if (PEER_BAD(taking->passes ? heads_is_among(heads, r->size, id, taking->oldest, taking->in_flight)
                                : heads[id].taken != 0))
        return false;
    return true;
}

/* Where what is taken goes. */
struct packed_device_room {
    struct vring_iov *iov;
    uint32_t n_iov;
    struct vring_chain *chains;
    uint32_t capacity;
};

/* How many buffers of one piece can be taken in a row, of so many and with room for as many pieces. */
static PORT_INLINE uint32_t packed_device_row(const struct vring_packed_device *vq, uint32_t capacity, uint32_t n_iov)
{
    uint32_t size = vq->ring.size, most = batch_least(capacity, n_iov);
    uint32_t entries = size - packed_entry(vq->next_avail), places = size - vq->taken, room = size - vq->held;

    return batch_least(most, batch_least(entries, batch_least(places, room)));
}

/* Is there a buffer at this place, which is entry i of r? 0 and the flags there; VRING_E_EMPTY, or what broke the queue. */
static PORT_INLINE int packed_device_offered(struct vring_packed_device *vq, const struct vring_packed_ring *r, uint32_t i,
                                             struct vring_packed_position at, bool room, uint16_t *flags)
{
    *flags = packed_observe_flags(r, i); /* A */
    if (PORT_UNLIKELY(!packed_is_avail(*flags, at)))
        return VRING_E_EMPTY;
    if (PEER_BAD(!room))
        return vring_poison(&vq->live, VRING_E_PEER_LOOP, packed_entry(at), *flags);
    return 0;
}

/* The same, with its first descriptor. */
static PORT_INLINE int packed_device_look(struct vring_packed_device *vq, const struct vring_packed_ring *r, uint32_t i,
                                          struct vring_packed_position at, bool room, struct chain_desc *first)
{
    uint16_t flags;
    int answer = packed_device_offered(vq, r, i, at, room, &flags);

    if (PORT_UNLIKELY(answer))
        return answer;
    *first = packed_fetch_desc(r, i, flags);
    return 0;
}

/*
 * Take the buffer that r begins with, of which desc is all and of this kind, if it is one piece in the region that the last one
 * was in. There is room for it. 0, or what broke the queue, or OTHER.
 */
static PORT_INLINE int packed_device_take_piece(struct vring_packed_device *vq, const struct vring_packed_ring *r,
                                                struct vring_head *heads, struct vring_head *place,
                                                struct packed_device_taking *taking, uint32_t kind,
                                                const struct chain_desc *desc, const struct vring_region *last,
                                                struct vring_iov *iov, struct vring_chain *chain)
{
    if (!chain_put_piece(desc, last, kind, iov, chain))
        return OTHER;
    if (!packed_device_may_take(r, heads, taking, desc->next))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_offset(&vq->ring, r), desc->next);
    packed_device_hold(heads, place, 0, taking, desc->next, 1, chain->writable, false, chain);
    return 0;
}

#endif
