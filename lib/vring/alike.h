/* SPDX-License-Identifier: MIT */
/*
 * What drivers of both formats do alike with what they remember, where code has to be small: how a list is staged, but for what the
 * ring is told of it, and how a buffer comes back, but for where the ring says so. Where both formats are built each is one
 * function, otherwise a part of its verb. Sees no ring.
 */
#ifndef VRING_ALIKE_H
#define VRING_ALIKE_H

#include <vring/packed.h>
#include <vring/split.h>

#include "features.h"
#include "peer.h"
#include "port.h"
#include "segments.h"
#include "slots.h"
#include "used_len.h"

/* How a driver of either format begins. A packed one counts buffers where the indices of a split one do. */
typedef struct {
    int live;
    uint8_t straight;
    struct vring_fault fault;
    bool owes;
    uint8_t used_len;
    uint16_t free_head;
    uint16_t of_one_format;
    uint16_t free_count;
    uint16_t published;
    uint16_t next_avail;
    uint16_t next_used;
    uint16_t batch;
    uint32_t also;
    uint32_t max_pieces;
    struct vring_slot *slots;
    uint64_t features;
    void *areas[3];
    uint16_t size;
} PORT_MEMBERS_OF(struct vring_split_driver) alike_driver;

#define ALIKE_AT(member, driver, its) (offsetof(alike_driver, member) == offsetof(driver, its))

/* Does this type of driver begin so, its members of these names standing for published, next_avail and next_used? */
#define ALIKE(driver, told, next, returned)                                                                   \
    (ALIKE_AT(live, driver, live) && ALIKE_AT(fault, driver, fault) && ALIKE_AT(used_len, driver, used_len) && \
     ALIKE_AT(free_head, driver, free_head) && ALIKE_AT(free_count, driver, free_count) &&                    \
     ALIKE_AT(published, driver, told) && ALIKE_AT(next_avail, driver, next) &&                               \
     ALIKE_AT(next_used, driver, returned) && ALIKE_AT(max_pieces, driver, max_pieces) &&                     \
     ALIKE_AT(slots, driver, slots) && ALIKE_AT(features, driver, features) && ALIKE_AT(size, driver, ring.size))

/*
 * Judge a list that is to be added, and fill the slot of the buffer, which is that of free_head: it stays there until the ring
 * has been written. How many descriptors the list takes, or why it is not added.
 */
static PORT_PART int alike_fill(alike_driver *vq, const struct vring_segment *segments, uint16_t n_readable,
                                uint16_t n_writable, uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable, writable;
    int error = peer_refusal(vq ? &vq->live : NULL, LIVE);

    PORT_OPAQUE(count); /* gcc adds up once more what the slot keeps of it */
    if (error)
        return error;
    if (count - 1 >= vq->max_pieces) /* 0 wraps: none are too many, too */
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;
    /* what lists a table is judged elsewhere, too */
    error = (FEATURE_BUILT(VRING_F_INDIRECT_DESC) ? segments_check : segments_judge)(segments, n_readable, count, &writable);
    if (error)
        return error;
    if (count > vq->free_count)
        return VRING_E_FULL;

    struct vring_slot *slot = &vq->slots[vq->free_head];

    slot->token = token;
    slot->writable = writable;
    slot->count = (uint16_t)count;
    slot->position = vq->next_avail++;
    vq->free_count = (uint16_t)(vq->free_count - count);
    return (int)count;
}

/* The same, as the function that both formats share. */
int vring_alike_stage(alike_driver *vq, const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                      uint64_t token);

static PORT_PART int alike_stage(void *vq, const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                                 uint64_t token)
{
    return FEATURES_SHARE ? vring_alike_stage((alike_driver *)vq, segments, n_readable, n_writable, token)
                          : alike_fill((alike_driver *)vq, segments, n_readable, n_writable, token);
}

/*
 * Is the buffer whose slot this is staged? It was added behind what was published, modulo 2^16; and if it was, the entry that it
 * wrote last, split, of avail.ring, packed, of the ring, bears its name still: a whole lap of the numbers would have passed that.
 */
static PORT_PART bool alike_is_staged(const alike_driver *vq, uint32_t id, size_t entry)
{
    return (uint16_t)(vq->slots[id].position - vq->published) < (uint16_t)(vq->next_avail - vq->published) &&
           vq->slots[entry].order == id;
}

/*
 * The device says here that it has used a buffer, of any that are in flight, and written so many bytes. How many descriptors come
 * free, or what broke the queue.
 */
static PORT_PART int alike_judge(alike_driver *vq, uint32_t peer_id, uint32_t len, uint32_t at,
                                 struct vring_used_buffer *used)
{
    if (PEER_BAD(peer_id >= vq->size))
        return vring_poison(&vq->live, VRING_E_PEER_ID, at, peer_id);

    const bool packed = FEATURE_BUILT(VRING_F_RING_PACKED) && vring_features_packed(vq->features);
    uint32_t id = peer_id;
    struct vring_slot *slots = vq->slots, *slot = &slots[id];
    size_t end = packed ? id : slot->last, entry = packed ? slot->last : slot->position & (vq->size - 1u);
    uint32_t count = slot->count;

    if (PEER_BAD(count == 0 || alike_is_staged(vq, id, entry)))
        return vring_poison(&vq->live, VRING_E_PEER_ID, at, id);

    int error = used_len_judge(&vq->fault, &vq->live, &vq->used_len, at, slot->writable, &len);

    if (error)
        return error;
    used->token = slot->token;
    used->len = len;
    slots[end].next = vq->free_head;
    slot->count = 0;
    slot->position = 0; /* one store, with its neighbour */
    vq->free_head = (uint16_t)id;
    vq->free_count = (uint16_t)(vq->free_count + count);
    vq->next_used++;
    return (int)count;
}

/* The same, as the function that both formats share. */
int vring_alike_take(alike_driver *vq, uint32_t peer_id, uint32_t len, uint32_t at, struct vring_used_buffer *used);

static PORT_PART int alike_take(void *vq, uint32_t peer_id, uint32_t len, uint32_t at, struct vring_used_buffer *used)
{
    return FEATURES_SHARE ? vring_alike_take((alike_driver *)vq, peer_id, len, at, used)
                          : alike_judge((alike_driver *)vq, peer_id, len, at, used);
}

#endif
