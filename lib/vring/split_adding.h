/* SPDX-License-Identifier: MIT */
/*
 * What adding moves of a split driver, and how one buffer is staged: a piece, a list, a table. Reads beside packed_adding.h;
 * split_give.c has the verbs.
 */
#ifndef VRING_SPLIT_ADDING_H
#define VRING_SPLIT_ADDING_H

#include <vring/split.h>

#include "segments.h"
#include "slots.h"
#include "split_ring.h"

/*
 * What adding reads and moves. Copied out of the queue and back: for all that the compiler knows a store to the ring may be
 * one to the queue, and would be followed by loading all of it again. A loop copies the numbers of the ring, too; one buffer
 * alone has no use for so many registers.
 */
struct split_driver_adding {
    const struct vring_split_ring *ring;
    struct vring_slot *slots;
    struct vring_slot *entry; /* says what avail.ring holds at next_avail: valid while the ring does not begin again */
    slot_row row;              /* what the slot of the next buffer says: its count, and next_avail */
    size_t free_head;
    uint32_t free_count;
};

static PORT_INLINE struct split_driver_adding split_driver_adding(const struct vring_split_driver *vq,
                                                                  const struct vring_split_ring *ring, uint32_t count)
{
    struct split_driver_adding adding = {ring, vq->slots, &vq->slots[(size_t)vq->next_avail & ring->mask],
                                         slot_row_of(count, vq->next_avail), vq->free_head, vq->free_count};

    return adding;
}

static PORT_INLINE void split_driver_added(struct vring_split_driver *vq, const struct split_driver_adding *adding)
{
    vq->next_avail = slot_row_position(adding->row);
    vq->free_head = (uint16_t)adding->free_head;
    vq->free_count = (uint16_t)adding->free_count;
}

/*
 * Stage the buffer whose descriptors run from free_head to last, as many as row says. They are not yet taken off the free list,
 * which goes on behind last, nor from its count.
 */
static PORT_INLINE void split_driver_stage(struct split_driver_adding *adding, size_t last, uint64_t writable,
                                           uint64_t token)
{
    uint16_t head = (uint16_t)adding->free_head;
    struct vring_slot *slot = &adding->slots[adding->free_head];

    /* The device polls this line: a store that changes nothing would take it away for nothing. */
    if (!PORT_FAST || adding->entry->order != head) {
        adding->entry->order = head;
        split_store_avail_entry(adding->ring, slot_row_position(adding->row), head);
    }
    adding->entry++;
    slot_fill(slot, adding->row, token, writable);
    slot->last = (uint16_t)last;
    adding->row = slot_row_next(adding->row);
}

/* One piece, the most common buffer; there is room. As split_driver_stage(). */
static PORT_INLINE void split_driver_stage_piece(struct split_driver_adding *adding, uint32_t writable, uint64_t token)
{
    size_t head = adding->free_head;

    split_driver_stage(adding, head, writable, token);
    adding->free_head = adding->slots[head].next;
}

/* A list that is being written: into free descriptors of the ring, or a table of the caller's. */
struct split_driver_list {
    void *desc;
    const struct vring_slot *slots; /* which say which free descriptor follows */
    bool in_table;                  /* ... where entries follow each other */
    size_t last;                    /* where the last piece went ... */
    size_t next;                    /* ... and the next one goes */
    uint64_t *words;                /* of the last piece, and the second of them */
    uint64_t rest;
    uint64_t writable;
};

/* Write pieces of this kind, 0 or VRING_DESC_WRITE, each as if another followed. False if one is not sound. */
static PORT_INLINE bool split_driver_write_kind(struct split_driver_list *list, const struct vring_segment *segment,
                                                const struct vring_segment *end, uint32_t kind, uint64_t *bytes)
{
    for (; segment != end; segment++) {
        uint64_t addr = segment->addr;
        uint32_t len = segment->len;

        if (!segment_is_sound(addr, len))
            return false;
        *bytes += len;
        list->last = list->next;
        list->next = list->in_table ? list->last + 1 : list->slots[list->last].next;
        list->words = split_desc(list->desc, list->last);
        list->rest = split_rest(len, kind | VRING_DESC_NEXT, list->next);
        split_store_addr(list->words, addr);
        split_store_rest(list->words, list->rest);
    }
    return true;
}

/*
 * Write the pieces of a buffer, at least one, in one pass. False if one is not sound or all are 2^32 bytes or more, which
 * split_driver_add_any() judges; what has been written then lies in free descriptors or in the caller's table, which nobody
 * reads before they are staged. The last piece's second word is stored once more.
 */
static PORT_INLINE bool split_driver_write(struct split_driver_list *list, const struct vring_segment *segments,
                                           uint32_t n_readable, uint32_t n_writable)
{
    const struct vring_segment *middle = segments + n_readable;
    uint64_t readable = 0, writable = 0;

    if (!split_driver_write_kind(list, segments, middle, 0, &readable) ||
        !split_driver_write_kind(list, middle, middle + n_writable, VRING_DESC_WRITE, &writable))
        return false;
    PORT_NEVER(!list->words); /* there was one */
    split_store_rest(list->words, list->rest & split_rest(UINT32_MAX, VRING_DESC_WRITE, 0));
    list->writable = writable;
    return (readable + writable) >> 32 == 0;
}

/* Stage a list, if split_driver_write() writes it; there is room. */
static PORT_INLINE bool split_driver_stage_list(struct split_driver_adding *adding, const struct vring_segment *segments,
                                                uint32_t n_readable, uint32_t n_writable, const uint64_t *token)
{
    struct split_driver_list list = {adding->ring->desc, adding->slots, false, 0, adding->free_head, NULL, 0, 0};

    if (!split_driver_write(&list, segments, n_readable, n_writable))
        return false;
    split_driver_stage(adding, list.last, list.writable, *token);
    adding->free_head = list.next;
    return true;
}

/* The same of a list that is written into a table. */
static PORT_INLINE bool split_driver_stage_table(struct split_driver_adding *adding, const struct vring_table *table,
                                                 const struct vring_segment *segments, uint32_t n_readable,
                                                 uint32_t n_writable, const uint64_t *token)
{
    struct split_driver_list list = {table->memory, NULL, true, 0, 0, NULL, 0, 0};
    uint32_t count = n_readable + n_writable;
    size_t head = adding->free_head;

    if (segments_check_table(table, count) || !split_driver_write(&list, segments, n_readable, n_writable))
        return false;
    split_store_desc(adding->ring->desc, head, table->addr, 16 * count, VRING_DESC_INDIRECT, 0);
    split_driver_stage(adding, head, list.writable, *token);
    adding->free_head = adding->slots[head].next;
    return true;
}

#endif
