/* SPDX-License-Identifier: MIT */
/*
 * Rows: where a packed device passes buffers, those of one piece each whose ids count up, as those of all that it holds do. So one
 * comparison says of an id that it is none that is held, and hardly anything has to be written down: what is told of a buffer
 * follows from where it stands (holds.h). packed_take.c takes what is in no row.
 */
#ifndef VRING_PACKED_ROW_H
#define VRING_PACKED_ROW_H

#include <vring/packed.h>

#include "batch.h"
#include "chain.h"
#include "heads.h"
#include "holds.h"
#include "packed_ring.h"

enum { OTHER = 1 }; /* a buffer that a straight path does not take */

/* Where buffers are passed: the buffer of this id has been taken, which may go on with a row. */
static PORT_INLINE void packed_device_follow(struct vring_packed_device *vq, uint16_t id)
{
    vq->row = vq->row > 0 && id == packed_after(&vq->ring, vq->last_id) ? (uint16_t)(vq->row + 1) : 1;
    vq->last_id = id;
}

/*
 * The descriptor that r begins with, in the lap of at: 0 if it is one piece like those before it, which *desc is then; OTHER if
 * it is not, and *other is it; VRING_E_EMPTY if there is none.
 */
static PORT_INLINE int packed_device_next_piece(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                uint32_t like, struct chain_desc *desc, struct chain_desc *other)
{
    uint16_t flags = packed_observe_flags(r, 0); /* A */

    if (PORT_UNLIKELY(!packed_is_piece(flags, like))) {
        if (!packed_is_avail(flags, at))
            return VRING_E_EMPTY;
        *other = packed_fetch_desc(r, 0, flags);
        return OTHER;
    }
    packed_expect_desc(r, 0);
    *desc = packed_fetch_desc(r, 0, flags);
    return 0;
}

/*
 * Take buffers of a row as long as they are such, and of this kind, from *first on, which is; with OTHER *first becomes that of
 * the next. There is room for most before the ring or the heads begin again. Returns why there are no more than *n.
 */
static PORT_INLINE int packed_device_get_row(struct vring_packed_device *vq, uint32_t kind, struct vring_iov *iov,
                                             uint32_t most, uint32_t *n, struct chain_desc *first)
{
    const struct vring_packed_position at = vq->next_avail;
    const uint32_t like = packed_avail_flags(at) | kind;
    const struct vring_region *last = &vq->regions.last;
    struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(at));
    struct vring_head *head = &vq->heads[first->next];
    struct vring_iov *next = iov, *end = iov + most;
    struct chain_desc desc = *first;
    uint32_t id = desc.next, before = id - 1;
    int error;

    for (;; head++) {
        struct vring_chain one;

        desc.flags = (uint16_t)kind; /* as they are: what is known is not kept, for the case that it is no such piece */
        if (PORT_UNLIKELY(desc.next != id || !chain_put_piece(&desc, last, kind, next, &one))) {
            *first = desc;
            error = OTHER;
            break;
        }
        heads_set_taken(head, 1, HEAD_NOT_USED);
        head->writable = (uint32_t)one.writable;
        id++;
        if (++next == end) {
            error = 0;
            break;
        }
        here = packed_from(&here, 1);
        error = packed_device_next_piece(&here, at, like, &desc, first);
        if (PORT_UNLIKELY(error))
            break;
    }

    uint32_t taken = (uint32_t)(next - iov);

    *n = taken;
    if (taken == 0)
        return error;
    vq->unwritten = (uint16_t)(packed_device_unwritten(vq) + taken);
    vq->in_flight = vq->row = (uint16_t)(vq->in_flight + taken);
    vq->last_id = (uint16_t)(before + taken);
    vq->generation = (uint16_t)(vq->generation + taken);
    vq->taken = packed_after_by(&here, vq->taken, taken);
    vq->next_avail = packed_forward(&here, at, taken);
    vq->held = (uint16_t)(vq->held + taken);
    return error;
}

static PORT_NOINLINE int packed_device_get_row_readable(struct vring_packed_device *vq, struct vring_iov *iov,
                                                        uint32_t most, uint32_t *n, struct chain_desc *first)
{
    return packed_device_get_row(vq, 0, iov, most, n, first);
}

static PORT_NOINLINE int packed_device_get_row_writable(struct vring_packed_device *vq, struct vring_iov *iov,
                                                        uint32_t most, uint32_t *n, struct chain_desc *first)
{
    return packed_device_get_row(vq, VRING_DESC_WRITE, iov, most, n, first);
}

/* How many buffers a row can have, at most so many, that begins with this id. 0: none does. */
static PORT_INLINE uint32_t packed_device_row_most(const struct vring_packed_device *vq, uint32_t most, uint32_t id)
{
    uint32_t size = vq->ring.size, entries = size - packed_entry(vq->next_avail), room = size - vq->held;

    if (id >= size || (vq->in_flight > 0 && (vq->row < vq->in_flight || id != packed_after(&vq->ring, vq->last_id))))
        return 0;
    return batch_least(batch_least(most, entries), batch_least(room, size - id));
}

/* The same of whichever kind *first is of. With none taken, and OTHER, it is in no row. */
static PORT_INLINE int packed_device_get_pieces_in_order(struct vring_packed_device *vq, struct vring_iov *iov,
                                                         uint32_t most, uint32_t *n, struct chain_desc *first)
{
    uint32_t like = packed_avail_flags(vq->next_avail);

    most = packed_device_row_most(vq, most, first->next);
    if (most > 0 && packed_is_piece(first->flags, like))
        return packed_device_get_row_readable(vq, iov, most, n, first);
    if (most > 0 && packed_is_piece(first->flags, like | VRING_DESC_WRITE))
        return packed_device_get_row_writable(vq, iov, most, n, first);
    *n = 0;
    return OTHER;
}

/* Tell the last n of a row of this kind, whose pieces are at iov. */
static PORT_INLINE void packed_device_tell_row(const struct vring_packed_device *vq, uint32_t kind,
                                               const struct vring_iov *iov, uint32_t n, struct vring_chain *chain)
{
    vring_handle handle = (uint32_t)(vq->generation - n) << 16 | (vq->last_id + 1u - n);

    for (const struct vring_iov *end = iov + n; iov != end; iov++, chain++, handle += UINT32_C(0x10001)) {
        chain->handle = handle;
        chain->n_readable = kind == 0;
        chain->n_writable = kind != 0;
        chain->readable = kind ? 0 : iov->len;
        chain->writable = kind ? iov->len : 0;
    }
}

#endif
