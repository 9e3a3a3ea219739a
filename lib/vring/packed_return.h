/* SPDX-License-Identifier: MIT */
/*
 * How a buffer comes back to a packed driver: what is asked of a used descriptor, and what it moves. Reads beside
 * split_return.h; packed_driver.c has the verbs.
 */
#ifndef VRING_PACKED_RETURN_H
#define VRING_PACKED_RETURN_H

#include <vring/packed.h>

#include "packed_ring.h"
#include "peer.h"
#include "resume.h"
#include "slots.h"
#include "used_len.h"

/*
 * Is the buffer of this id one of those not yet published? Its place in the order of adding says so, modulo 2^16; and
 * if it does, the staged buffers themselves: it may have been in flight for a whole lap of the numbers.
 */
static bool packed_driver_has_staged(const struct vring_packed_driver *vq, uint32_t id)
{
    uint16_t age = (uint16_t)(vq->sequence - vq->slots[id].position);
    struct vring_packed_position last = vq->next_avail;
    uint32_t back = 1;

    if ((uint16_t)(age - 1) >= packed_driver_staged(vq))
        return false;
    for (; age > 0; age--) {
        last = packed_back(&vq->ring, last, back);
        back = vq->slots[vq->slots[packed_entry(last)].order].count;
    }
    return vq->slots[packed_entry(last)].order == id;
}

/* The used descriptor that here begins with, if it is one in this lap: the id of a slot, and a length, not judged. */
static PORT_INLINE int packed_driver_look(struct vring_packed_driver *vq, const struct vring_packed_ring *here,
                                          struct vring_packed_position at, uint32_t *id, uint32_t *len)
{
    uint32_t flags = packed_observe_flags(here, 0) ^ packed_used_flags(at); /* B; of AVAIL and USED, whether they are others */

    if (PORT_UNLIKELY(flags & PACKED_LAP))
        return VRING_E_EMPTY;

    uint32_t peer_id = packed_load_id(here, 0), peer_len = packed_load_len(here, 0), size = here->size;

    if (PEER_BAD(peer_id >= size))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_offset(&vq->ring, here), peer_id);
    *id = peer_id;
    if (!(flags & VRING_DESC_WRITE) && !vq->len_without_write)
        peer_len = 0; /* 2.8.4: the field is reserved then */
    *len = peer_len;
    return 0;
}

/* May so many bytes have been written into this slot's buffer, whose used descriptor here begins with? */
static PORT_INLINE int packed_driver_judge_len(struct vring_packed_driver *vq, const struct vring_packed_ring *here,
                                               const struct vring_slot *slot, uint32_t *len)
{
    if (*len <= slot->writable) /* as the judge would say: here gcc keeps the length in a register */
        return 0;
    return used_len_judge(&vq->fault, &vq->live, &vq->used_len, packed_offset(&vq->ring, here), slot->writable, len);
}

/* get_used of any buffer, in any order. staged: some may not be the device's yet. */
static PORT_INLINE int packed_driver_get(struct vring_packed_driver *vq, bool staged, struct vring_used_buffer *used)
{
    const struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(vq->next_used));
    uint32_t id = 0, len = 0;
    int error = packed_driver_look(vq, &here, vq->next_used, &id, &len);

    if (PORT_UNLIKELY(error))
        return error;

    struct vring_slot *slot = &vq->slots[id];

    if (PEER_BAD(slot->count == 0 || (staged && packed_driver_has_staged(vq, id))))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_entry(vq->next_used), id);
    error = packed_driver_judge_len(vq, &here, slot, &len);
    if (PORT_UNLIKELY(error))
        return error;

    uint32_t count = slot->count;

    used->token = slot->token;
    used->len = len;
    vq->next_used = packed_forward(&vq->ring, vq->next_used, count);
    vq->free_count = (uint16_t)(vq->free_count + count);
    vq->returned++;
    slots_return(vq->slots, id, vq->free_head);
    vq->free_head = (uint16_t)id;
    return 0;
}

/* Is the buffer of this id, whose slot this is, with the device? here begins with the entry that names it. */
static PORT_INLINE int packed_driver_judge_held(struct vring_packed_driver *vq, const struct vring_packed_ring *here,
                                                const struct vring_slot *slot, uint32_t id)
{
    if (PEER_BAD(slot->count == 0))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_offset(&vq->ring, here), id);
    return 0;
}

/*
 * IN_ORDER (2.8.8): the used descriptor at next_used names the last of a batch of buffers. Ids follow each other round the
 * slots, from that of the oldest on, and the staged ones come last: so a distance tells which are the device's.
 */
static PORT_INLINE int packed_driver_open_batch(struct vring_packed_driver *vq)
{
    uint32_t last = 0, at = packed_entry(vq->next_used);
    const struct vring_packed_ring here = packed_from(&vq->ring, at);
    int error = packed_driver_look(vq, &here, vq->next_used, &last, &vq->batch_len);

    if (error)
        return error;

    uint32_t before = packed_before_by(&vq->ring, last, vq->oldest);

    if (PEER_BAD(before >= (uint16_t)(vq->told - vq->returned)))
        return vring_poison(&vq->live, VRING_E_PEER_ID, at, last);
    error = packed_driver_judge_len(vq, &here, &vq->slots[last], &vq->batch_len);
    if (!error)
        vq->batch = (uint16_t)(before + 1);
    return error;
}

/*
 * Hand out n buffers of a batch, beginning with the oldest, none beyond the last slot. All are taken to be written in
 * full.
 */
static PORT_INLINE void packed_driver_hand_out(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t n)
{
    uint32_t entries = 0;

    for (struct vring_slot *slot = &vq->slots[vq->oldest], *end = slot + n; slot != end; slot++, used++) {
        used->token = slot->token;
        used->len = slot->writable;
        entries += slot->count;
    }
    vq->oldest = vq->oldest + n < vq->ring.size ? vq->oldest + n : 0;
    vq->next_used = packed_forward(&vq->ring, vq->next_used, entries);
    vq->free_count = (uint16_t)(vq->free_count + entries);
    vq->returned = (uint16_t)(vq->returned + n);
}

#endif
