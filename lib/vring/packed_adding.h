/* SPDX-License-Identifier: MIT */
/*
 * What adding moves of a packed driver, and how one buffer is staged: a piece, a list, a table. Reads beside split_adding.h;
 * packed_give.c has the verbs.
 */
#ifndef VRING_PACKED_ADDING_H
#define VRING_PACKED_ADDING_H

#include <vring/packed.h>

#include "packed_ring.h"
#include "segments.h"
#include "slots.h"

/*
 * What adding moves. Copied out of the queue and back, once for a whole batch: a store to the ring could be one to the
 * queue, as far as the compiler knows, and it would load everything again behind each.
 */
struct packed_driver_adding {
    struct vring_packed_position at; /* next_avail */
    uint32_t free_head;
    uint32_t free_count;
    uint32_t sequence;
};

static PORT_INLINE struct packed_driver_adding packed_driver_adding(const struct vring_packed_driver *vq)
{
    struct packed_driver_adding adding = {vq->next_avail, vq->free_head, vq->free_count, vq->sequence};

    return adding;
}

static PORT_INLINE void packed_driver_added(struct vring_packed_driver *vq, const struct packed_driver_adding *adding)
{
    vq->next_avail = adding->at;
    vq->free_head = (uint16_t)adding->free_head;
    vq->free_count = (uint16_t)adding->free_count;
    vq->sequence = (uint16_t)adding->sequence;
}

/*
 * Write one descriptor, whose id and flags are in mark. The flags of the first of a batch are kept back: they are what
 * publishes it; kept is where they are put then, and otherwise null.
 */
static PORT_INLINE void packed_driver_stage_piece(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                  uint64_t addr, uint32_t len, uint32_t id, uint64_t mark, uint16_t *kept)
{
    if (kept) {
        *kept = (uint16_t)(mark >> 48);
        packed_prepare_desc(r, packed_entry(at), addr, len, id);
    } else {
        packed_store_piece(r->desc, packed_entry(at), addr, len, mark);
    }
}

/* The same, of a descriptor that is all of its buffer. Flags that are kept are not taken out of a mark again. */
static PORT_INLINE void packed_driver_stage_desc(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                 uint64_t addr, uint32_t len, uint32_t id, uint32_t flags,
                                                 uint16_t *kept)
{
    flags |= packed_avail_flags(at);
    if (kept) {
        *kept = (uint16_t)flags;
        packed_prepare_desc(r, packed_entry(at), addr, len, id);
    } else {
        packed_store_desc(r->desc, packed_entry(at), addr, len, id, flags);
    }
}

/*
 * Account for the buffer of the id at hand, of which count descriptors have been staged, the last of them at the entry last:
 * there abort finds the id. With IN_ORDER ids follow each other as the buffers do, and it is the id that says where its
 * descriptors end. Go on to the next free id.
 */
static PORT_INLINE void packed_driver_stage(struct vring_slot *slots, struct packed_driver_adding *adding, uint32_t last,
                                            bool in_order, uint32_t count, uint32_t writable, uint64_t token)
{
    struct vring_slot *slot = &slots[adding->free_head];

    slot->token = token;
    slot->writable = writable;
    slot->count = (uint16_t)count;
    slot->position = (uint16_t)(in_order ? last : adding->sequence);
    adding->sequence++;
    if (!in_order)
        slots[last].order = (uint16_t)adding->free_head;
    if (!PORT_FAST)
        slot->last = (uint16_t)last;
    adding->free_head = slot->next;
}

/*
 * n entries from this place on are not to be looked at. Those behind the first of a batch bear their flags already: a
 * shorter batch, or buffer, must not end in front of them.
 */
static PORT_NOINLINE void packed_driver_clear(const struct vring_packed_ring *r, struct vring_packed_position at, uint32_t n)
{
    for (; n > 0; n--, at = packed_forward(r, at, 1))
        packed_store_flags(r, packed_entry(at), packed_idle_flags(at));
}

/*
 * Stage a buffer of a list of count pieces, at adding->at. What it takes up is free, and the device does not get there
 * before it is published: so each piece is written as soon as it has been judged, and cleared if one behind it is none.
 */
static PORT_INLINE int packed_driver_stage_list(const struct vring_packed_ring *r, struct vring_slot *slots, bool in_order,
                                                struct packed_driver_adding *adding, const struct vring_segment *segments,
                                                uint32_t n_readable, uint32_t count, uint64_t token, uint16_t *kept)
{
    const struct vring_segment *turn = segments + n_readable, *end = segments + count;
    struct vring_packed_position at = adding->at;
    uint64_t mark = packed_mark(adding->free_head, VRING_DESC_NEXT | packed_avail_flags(at));
    uint64_t total = 0, readable = UINT64_MAX;
    uint32_t last = packed_entry(at), writable;
    int error = 0;

    if (count > adding->free_count) { /* it may still be no list at all, which is said first */
        error = vring_segments_check(segments, n_readable, count, &writable);
        return error ? error : VRING_E_FULL;
    }
    for (; segments != end; segments++, kept = NULL) {
        uint64_t addr = segments->addr;
        uint32_t len = segments->len;

        error = segment_check(addr, len);
        if (PORT_UNLIKELY(error))
            break;
        if (segments == turn) {
            readable = total;
            mark |= packed_mark(0, VRING_DESC_WRITE);
        }
        total += len;
        if (segments + 1 == end)
            mark ^= packed_mark(0, VRING_DESC_NEXT);
        packed_driver_stage_piece(r, at, addr, len, adding->free_head, mark, kept);
        last = packed_entry(at);
        at = packed_forward(r, at, 1);
        if (PORT_UNLIKELY(packed_entry(at) == 0))
            mark ^= packed_mark(0, PACKED_LAP);
    }
    if (!error && total > UINT64_C(1) << 32)
        error = VRING_E_LEN;
    if (PORT_UNLIKELY(error)) {
        packed_driver_clear(r, adding->at, packed_distance(r, adding->at, at));
        return error;
    }
    writable = readable < total ? segments_count(total - readable) : 0;
    packed_driver_stage(slots, adding, last, in_order, count, writable, token);
    adding->at = at;
    adding->free_count -= count;
    return 0;
}

/*
 * Stage a buffer of a table, if there is room. Its entries are written as they are judged: nobody reads what was written
 * before a piece that is none.
 */
static PORT_INLINE int packed_driver_stage_table(const struct vring_packed_ring *r, struct vring_slot *slots, bool in_order,
                                                 struct packed_driver_adding *adding, const struct vring_table *table,
                                                 const struct vring_segment *segments, uint32_t n_readable,
                                                 uint32_t count, uint64_t token, uint16_t *kept)
{
    uint64_t total = 0, readable = UINT64_MAX;
    uint32_t flags = 0, writable;
    int error = segments_check_table(table, count);

    if (PORT_UNLIKELY(error || adding->free_count == 0)) { /* what is wrong with the pieces is said first */
        int none = vring_segments_check(segments, n_readable, count, &writable);

        return none ? none : error ? error : VRING_E_FULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t addr = segments[i].addr;
        uint32_t len = segments[i].len;

        error = segment_check(addr, len);
        if (PORT_UNLIKELY(error))
            return error;
        if (i == n_readable) {
            readable = total;
            flags = VRING_DESC_WRITE;
        }
        total += len;
        packed_store_desc(table->memory, i, addr, len, 0, flags);
    }
    if (PORT_UNLIKELY(total > UINT64_C(1) << 32))
        return VRING_E_LEN;
    writable = readable < total ? segments_count(total - readable) : 0;
    packed_driver_stage_desc(r, adding->at, table->addr, 16 * count, adding->free_head, VRING_DESC_INDIRECT, kept);
    packed_driver_stage(slots, adding, packed_entry(adding->at), in_order, 1, writable, token);
    adding->at = packed_forward(r, adding->at, 1);
    adding->free_count--;
    return 0;
}

#endif
