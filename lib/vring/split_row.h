/* SPDX-License-Identifier: MIT */
/*
 * Rows: where a split device passes buffers, those of one piece each for which the driver takes descriptors round and round. So one
 * comparison says of a head that it is none that is held (holds.h), and ring, table and what is kept are gone through side by side.
 * split_take.c takes what is in no row.
 */
#ifndef VRING_SPLIT_ROW_H
#define VRING_SPLIT_ROW_H

#include <vring/split.h>

#include "batch.h"
#include "chain.h"
#include "heads.h"
#include "holds.h"
#include "split_ring.h"

/* So many descriptors of a row are asked for before the first is read. Of those behind them the CPU has seen where they lie. */
enum { SPLIT_ROW_EXPECTED = 64 };

/*
 * Where buffers are passed: from the next on, up to most of them as long as they are one piece of this kind, the driver goes
 * round, and neither the ring nor the table begins again. What is told of them is left in their heads. How many.
 */
static PORT_INLINE uint32_t split_device_get_row(struct vring_split_device *vq, uint32_t kind, struct vring_iov *iov,
                                                 uint32_t most)
{
    const struct vring_split_ring *ring = &vq->ring;
    const uint32_t first = vq->next_head, place = vq->next_avail & ring->mask;
    const uint16_t *entry = split_avail_entry(ring, place);
    const uint64_t *desc = split_desc(ring->desc, first);
    struct vring_head *order = vq->heads + place, *head = vq->heads + first;
    vring_handle handle = (vring_handle)vq->generation << 16 | first;
    uint32_t position = vq->next_avail, end, n;
    struct vring_chain one;

    if (!split_device_goes_round(vq))
        return 0;
    most = batch_least(most, ring->size - (place > first ? place : first));
    PORT_TWO_ROUNDS
    for (end = position + most; position != end; position++) {
        if (split_load_entry(entry) != (uint16_t)handle)
            break;

        struct split_words words = split_fetch(desc, 0);
        struct chain_desc piece = split_decode(words);

        if (!split_is_piece(words, kind) || !chain_put_piece(&piece, &vq->regions.last, kind, iov, &one))
            break;
        entry++;
        desc += 2;
        iov++;
        (order++)->order = (uint16_t)handle;
        heads_hand_out(head, 0, handle, 1, kind ? piece.len : 0, false);
        (head++)->record = (uint16_t)position;
        handle += 0x10001; /* the next head, in the next generation */
    }
    n = position - vq->next_avail;
    vq->next_avail = (uint16_t)(vq->next_avail + n);
    vq->generation = (uint16_t)(vq->generation + n);
    vq->next_head = (uint16_t)((vq->next_head + n) & ring->mask);
    vq->round = (uint16_t)(vq->next_avail - vq->next_used);
    return n;
}

/* Each of them compiled for its kind. */
static PORT_NOINLINE uint32_t split_device_get_row_readable(struct vring_split_device *vq, struct vring_iov *iov,
                                                            uint32_t most)
{
    return split_device_get_row(vq, 0, iov, most);
}

static PORT_NOINLINE uint32_t split_device_get_row_writable(struct vring_split_device *vq, struct vring_iov *iov,
                                                            uint32_t most)
{
    return split_device_get_row(vq, VRING_DESC_WRITE, iov, most);
}

/*
 * Where buffers are passed: up to most of those announced, as long as they are one piece each, and of one kind. How many.
 */
static PORT_INLINE uint32_t split_device_get_pieces_in_order(struct vring_split_device *vq, struct vring_iov *iov,
                                                             uint32_t most)
{
    uint32_t n;

    port_expect_loads(split_desc(vq->ring.desc, vq->next_head), 16 * batch_least(most, SPLIT_ROW_EXPECTED));
    n = split_device_get_row_readable(vq, iov, most);
    return n > 0 ? n : split_device_get_row_writable(vq, iov, most);
}

/* Tell the last n of the buffers taken so, whose pieces are at iov. */
static PORT_INLINE void split_device_tell(const struct vring_split_device *vq, const struct vring_iov *iov, uint32_t n,
                                          struct vring_chain *chain)
{
    const struct vring_head *heads = vq->heads;

    for (uint32_t at = vq->next_avail - n, mask = vq->ring.mask; n > 0; n--, at++, iov++, chain++) {
        const struct vring_head *head = &heads[heads[at & mask].order];

        chain->handle = head->handle;
        chain->n_readable = head->writable == 0;
        chain->n_writable = head->writable != 0;
        chain->readable = iov->len - head->writable;
        chain->writable = head->writable;
    }
}

#endif
