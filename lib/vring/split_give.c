/* SPDX-License-Identifier: MIT */
/*
 * The driver side of the split virtqueue: giving buffers to the device. Reads beside split_take.c, which is where they come
 * to, and packed_give.c.
 */
#include <vring/split.h>

#include "alike.h"
#include "batch.h"
#include "features.h"
#include "peer.h"
#include "segments.h"
#include "slots.h"
#include "split_adding.h"
#include "split_ring.h"

/*
 * Write a list of so many pieces, at least one, from entry *next on: into a table, whose entries follow each other, or into free
 * descriptors, of which the slots say which follows. Which is the last; *next is the one behind it.
 */
static PORT_PART uint32_t split_driver_write_any(void *base, const struct vring_slot *slots, bool in_table,
                                                 const struct vring_segment *segments, uint32_t count,
                                                 uint32_t n_writable, uint32_t *next)
{
    uint32_t last, flags = VRING_DESC_NEXT;

    do {
        uint64_t *words = split_desc(base, last = *next);

        if (count == n_writable)
            flags += VRING_DESC_WRITE;
        if (--count == 0)
            flags -= VRING_DESC_NEXT;
        *next = in_table ? last + 1 : slots[last].next;
        split_store_addr(words, segments->addr);
        if (PORT_FAST)
            split_store_rest(words, split_rest(segments->len, flags, *next));
        else
            split_store_fields(words, segments->len, flags, *next);
        segments++;
    } while (count > 0);
    return last;
}

/*
 * Stage any list of pieces, in descriptors of the ring or in a table: where code has to be small any table, and elsewhere what
 * has no room, or goes to the end of what a word can count; what could be no buffer at any time is told first.
 */
static PORT_ASIDE int split_driver_add_any(struct vring_split_driver *vq, const struct vring_table *table,
                                           const struct vring_segment *segments, uint32_t n_readable, uint32_t count,
                                           uint64_t token)
{
    const bool in_table = FEATURE_BUILT(VRING_F_INDIRECT_DESC) && (!PORT_FAST || table);
    uint32_t writable;
    int error = in_table ? segments_check_table(table, count) : 0;

    if (!error)
        error = segments_check(segments, n_readable, count, &writable);
    if (!error && (in_table ? 1 : count) > vq->free_count)
        error = VRING_E_FULL;
    if (error)
        return error;

    uint32_t head = vq->free_head, next = in_table ? 0 : head;
    uint32_t last = split_driver_write_any(in_table ? table->memory : vq->ring.desc, vq->slots, in_table, segments, count,
                                           count - n_readable, &next);

    if (in_table) {
        split_store_desc(vq->ring.desc, head, table->addr, 16 * count, VRING_DESC_INDIRECT, 0);
        last = head;
        count = 1;
    }

    struct split_driver_adding adding = split_driver_adding(vq, &vq->ring, count);

    split_driver_stage(&adding, last, writable, token);
    adding.free_head = adding.slots[last].next;
    adding.free_count -= count;
    split_driver_added(vq, &adding);
    return 0;
}

/* add_avail where code has to be small. */
static PORT_PART int split_driver_add_small(struct vring_split_driver *vq, const struct vring_segment *segments,
                                            uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    int count = alike_stage(vq, segments, n_readable, n_writable, token);

    if (count < 0)
        return count;

    uint32_t head = vq->free_head, next = head;
    struct vring_slot *slots = vq->slots;

    slots[head].last = (uint16_t)split_driver_write_any(vq->ring.desc, slots, false, segments, (uint32_t)count, n_writable,
                                                        &next);
    vq->free_head = (uint16_t)next;

    uint32_t at = slots[head].position;

    slots[at & vq->ring.mask].order = (uint16_t)head;
    split_store_avail_entry(&vq->ring, at, (uint16_t)head);
    return 0;
}

/* add_avail for any list of pieces, or why it is none. */
static PORT_NOINLINE int split_driver_add_list(struct vring_split_driver *vq, const struct vring_segment *segments,
                                               uint32_t n_readable, uint32_t n_writable, uint64_t token)
{
    uint32_t count = n_readable + n_writable;
    int refusal = peer_refusal(vq ? &vq->live : NULL, LIVE);

    if (refusal)
        return refusal;
    if (count - 1 >= vq->max_pieces) /* 0 wraps: none are too many, too */
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;

    struct split_driver_adding adding = split_driver_adding(vq, &vq->ring, count);

    if (count > adding.free_count || !split_driver_stage_list(&adding, segments, n_readable, n_writable, &token))
        return split_driver_add_any(vq, NULL, segments, n_readable, count, token);
    adding.free_count -= count;
    split_driver_added(vq, &adding);
    return 0;
}

/* One piece of this kind, for which there is room; false if it is not sound. */
static PORT_INLINE bool split_driver_add_piece(struct vring_split_driver *vq, const struct vring_segment *segment,
                                               uint32_t kind, uint64_t token)
{
    size_t head = vq->free_head;
    uint32_t len = segment->len;

    if (!segment_is_sound(segment->addr, len))
        return false;
    split_store_desc(vq->ring.desc, head, segment->addr, len, kind, 0);

    struct split_driver_adding adding = split_driver_adding(vq, &vq->ring, 1);

    adding.free_head = head;
    split_driver_stage_piece(&adding, kind ? len : 0, token);
    vq->next_avail++;
    vq->free_head = (uint16_t)adding.free_head;
    vq->free_count--;
    return true;
}

int vring_split_driver_add_avail(struct vring_split_driver *vq, const struct vring_segment *segments,
                                 uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    if (!PORT_FAST)
        return split_driver_add_small(vq, segments, n_readable, n_writable, token);
    if (PORT_LIKELY(vq && vq->live == LIVE && segments && vq->free_count > 0)) {
        if (n_writable == 0 && n_readable == 1 && split_driver_add_piece(vq, segments, 0, token)) {
            PORT_STORED(vq->free_count); /* gcc makes one of both kinds otherwise, of numbers instead of constants */
            return 0;
        }
        if (n_readable == 0 && n_writable == 1 && split_driver_add_piece(vq, segments, VRING_DESC_WRITE, token))
            return 0;
    }
    return split_driver_add_list(vq, segments, n_readable, n_writable, token);
}

int vring_split_driver_add_indirect(struct vring_split_driver *vq, const struct vring_table *table,
                                    const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                                    uint64_t token)
{
    uint32_t count = (uint32_t)n_readable + n_writable;

    if (!vq || !table)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_INDIRECT_DESC))
        return VRING_E_FEATURE;
    if (count == 0 || count > vq->max_chain)
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;

    struct split_driver_adding adding = split_driver_adding(vq, &vq->ring, 1);

    if (!PORT_FAST || adding.free_count == 0 ||
        !split_driver_stage_table(&adding, table, segments, n_readable, n_writable, &token))
        return split_driver_add_any(vq, table, segments, n_readable, count, token);
    adding.free_count--;
    split_driver_added(vq, &adding);
    return 0;
}

/*
 * The first n free descriptors, or as many as there are, will be written. Only two are looked at, and tell where the others lie,
 * mostly: up from there, or down if they came back one by one.
 */
static PORT_INLINE void split_driver_expect(const struct vring_split_driver *vq, uint32_t n)
{
    uint32_t head = vq->free_head, first = head, size = vq->ring.size;

    n = batch_least(n, vq->free_count);
    if (n > 0 && vq->slots[head].next < head)
        first = head - batch_least(n - 1, head);
    port_expect_stores(split_desc(vq->ring.desc, first), 16 * batch_least(n, size - first));
}

/*
 * Stage what is offered, as long as avail.ring does not begin again, up to the first that is not one sound piece of this
 * kind, or has no room. How many.
 */
static PORT_INLINE uint32_t split_driver_add_kind(struct vring_split_driver *vq, uint16_t n_writable,
                                                  struct batch_offer offer, uint32_t count)
{
    const struct vring_split_ring ring = vq->ring;
    struct split_driver_adding adding = split_driver_adding(vq, &ring, 1);
    uint32_t most = batch_least(split_ahead(&ring, vq->next_avail, count), adding.free_count), left = most;

    for (; left > 0; left--) {
        const struct vring_segment *segment = batch_piece(&offer, n_writable);

        if (!segment)
            break;

        uint64_t addr = segment->addr;
        uint32_t len = segment->len;

        if (!segment_is_sound(addr, len))
            break;
        split_store_desc(ring.desc, adding.free_head, addr, len, n_writable ? VRING_DESC_WRITE : 0, 0);
        split_driver_stage_piece(&adding, n_writable ? len : 0, batch_pass(&offer));
    }
    adding.free_count -= most - left;
    split_driver_added(vq, &adding);
    return most - left;
}

/* Each of them compiled for its kind. */
static PORT_NOINLINE uint32_t split_driver_add_readable(struct vring_split_driver *vq,
                                                        const struct vring_avail_buffer *buffers, uint32_t count)
{
    return split_driver_add_kind(vq, 0, (struct batch_offer){false, buffers, NULL, 0}, count);
}

static PORT_NOINLINE uint32_t split_driver_add_writable(struct vring_split_driver *vq,
                                                        const struct vring_avail_buffer *buffers, uint32_t count)
{
    return split_driver_add_kind(vq, 1, (struct batch_offer){false, buffers, NULL, 0}, count);
}

static PORT_NOINLINE uint32_t split_driver_add_segments(struct vring_split_driver *vq, const struct vring_segment *segments,
                                                        uint32_t count, bool writable, uint64_t token)
{
    split_driver_expect(vq, count);
    return split_driver_add_kind(vq, writable, (struct batch_offer){true, NULL, segments, token}, count);
}

/*
 * Stage these lists, in tables or without, up to the first that has not as many pieces of each kind as the one they begin
 * with, or is not sound, or has no room. Which that is: what a list has been asked needs not be asked of those like it.
 */
static PORT_INLINE const struct vring_avail_buffer *split_driver_add_alike(struct split_driver_adding *adding, bool tables,
                                                                           const struct vring_avail_buffer *buffer,
                                                                           const struct vring_avail_buffer *end,
                                                                           uint32_t most)
{
    const uint32_t n_readable = buffer->n_readable, n_writable = buffer->n_writable, count = n_readable + n_writable;
    const uint32_t shape = batch_shape(buffer->n_readable, buffer->n_writable);

    if (count - 1 >= most) /* 0 wraps: none are too many, too */
        return buffer;

    const uint32_t entries = tables ? 1 : count;
    const struct vring_avail_buffer *begin = buffer;

    adding->row = slot_row_of(entries, slot_row_position(adding->row));
    end = buffer + batch_least((uint32_t)(end - buffer), adding->free_count / entries);
    for (; buffer != end && batch_shape(buffer->n_readable, buffer->n_writable) == shape; buffer++) {
        const struct vring_segment *segments = buffer->segments;
        const struct vring_table *table = buffer->table;

        if (tables != (table != NULL))
            break;
        PORT_OPAQUE(segments); /* gcc makes one condition of both otherwise, which takes longer to work out */
        if (!segments)
            break;
        if (tables ? !split_driver_stage_table(adding, table, segments, n_readable, n_writable, &buffer->token)
                   : !split_driver_stage_list(adding, segments, n_readable, n_writable, &buffer->token))
            break;
    }
    adding->free_count -= (uint32_t)(buffer - begin) * entries;
    return buffer;
}

/* Stage these buffers, as long as avail.ring does not begin again, up to the first that cannot be staged so. How many. */
static PORT_INLINE uint32_t split_driver_add_several(struct vring_split_driver *vq, bool tables,
                                                     const struct vring_avail_buffer *buffers, uint32_t count,
                                                     uint32_t most)
{
    const struct vring_split_ring ring = vq->ring;
    struct split_driver_adding adding = split_driver_adding(vq, &ring, 1);
    const struct vring_avail_buffer *end = buffers + split_ahead(&ring, vq->next_avail, count), *from, *buffer = buffers;

    do {
        from = buffer;
        buffer = split_driver_add_alike(&adding, tables, from, end, most);
    } while (buffer != end && buffer != from);
    split_driver_added(vq, &adding);
    return (uint32_t)(buffer - buffers);
}

static PORT_NOINLINE uint32_t split_driver_add_lists(struct vring_split_driver *vq,
                                                     const struct vring_avail_buffer *buffers, uint32_t count)
{
    return split_driver_add_several(vq, false, buffers, count, vq->max_pieces);
}

static PORT_NOINLINE uint32_t split_driver_add_tables(struct vring_split_driver *vq,
                                                      const struct vring_avail_buffer *buffers, uint32_t count)
{
    uint32_t most = feature_on(vq->features, VRING_F_INDIRECT_DESC) ? vq->max_chain : 0;

    return split_driver_add_several(vq, true, buffers, count, most);
}

/* Stage the buffers that a batch begins with, of one kind, as long as they are sound. How many. */
static PORT_INLINE uint32_t split_driver_add_run(struct vring_split_driver *vq, const struct vring_avail_buffer *buffers,
                                                 uint32_t count)
{
    if (!PORT_FAST)
        return 0;
    if (buffers->table)
        return split_driver_add_tables(vq, buffers, count);
    if (buffers->n_readable + buffers->n_writable == 1)
        return (buffers->n_writable ? split_driver_add_writable : split_driver_add_readable)(vq, buffers, count);
    return split_driver_add_lists(vq, buffers, count);
}

int vring_split_driver_add_avail_batch(struct vring_split_driver *vq, const struct vring_avail_buffer *buffers,
                                       uint32_t count, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!buffers && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    if (PORT_FAST && !error && count > 0)
        split_driver_expect(vq, buffers->table ? count : count * ((uint32_t)buffers->n_readable + buffers->n_writable));
    while (!error && added < count) {
        const struct vring_avail_buffer *buffer = &buffers[added];
        uint32_t run = split_driver_add_run(vq, buffer, count - added);

        added += run;
        if (run > 0)
            continue;
        error = buffer->table ? vring_split_driver_add_indirect(vq, buffer->table, buffer->segments, buffer->n_readable,
                                                                buffer->n_writable, buffer->token)
                              : vring_split_driver_add_avail(vq, buffer->segments, buffer->n_readable,
                                                             buffer->n_writable, buffer->token);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

/*
 * The same with IN_ORDER, of a run: descriptors follow each other round the table as positions do round the ring, and where
 * neither begins again all is one step further.
 */
static PORT_INLINE uint32_t split_driver_add_row(struct vring_split_driver *vq, uint16_t n_writable,
                                                 const struct vring_segment *segments, uint32_t count, uint64_t token)
{
    const struct vring_split_ring ring = vq->ring;
    const uint32_t first = vq->free_head, place = vq->next_avail & ring.mask;
    const struct vring_segment *segment = segments, *end;
    struct vring_slot *slot = &vq->slots[first], *entry = &vq->slots[place];
    uint64_t *desc = split_desc(ring.desc, first);
    uint16_t head = vq->free_head;
    slot_row row = slot_row_at(vq->next_avail);

    count = batch_least(batch_least(count, vq->free_count), ring.size - (first > place ? first : place));
    port_expect_stores(desc, 16 * count);
    PORT_TWO_ROUNDS
    for (end = segments + count; segment != end; segment++, slot++, entry++, desc += 2) {
        uint64_t addr = segment->addr;
        uint32_t len = segment->len;

        if (PORT_UNLIKELY(!segment_is_sound(addr, len)))
            break;
        split_store_desc(desc, 0, addr, len, n_writable ? VRING_DESC_WRITE : 0, 0);
        if (PORT_UNLIKELY(entry->order != head)) {
            entry->order = head;
            split_store_avail_entry(&ring, place + (uint32_t)(segment - segments), head);
        }
        slot_fill(slot, row, token, n_writable ? len : 0);
        row = slot_row_after(row);
        token++;
        head++;
    }
    count = (uint32_t)(segment - segments);
    vq->next_avail = (uint16_t)(vq->next_avail + count);
    vq->free_head = (uint16_t)((first + count) & ring.mask);
    vq->free_count = (uint16_t)(vq->free_count - count);
    return count;
}

/* Each of them compiled for its kind. */
static PORT_NOINLINE uint32_t split_driver_add_row_readable(struct vring_split_driver *vq,
                                                            const struct vring_segment *segments, uint32_t count,
                                                            uint64_t token)
{
    return split_driver_add_row(vq, 0, segments, count, token);
}

static PORT_NOINLINE uint32_t split_driver_add_row_writable(struct vring_split_driver *vq,
                                                            const struct vring_segment *segments, uint32_t count,
                                                            uint64_t token)
{
    return split_driver_add_row(vq, 1, segments, count, token);
}

/* Stage what a run begins with, as far as that goes straight. How many. */
static PORT_INLINE uint32_t split_driver_add_some(struct vring_split_driver *vq, const struct vring_segment *segments,
                                                  uint32_t count, bool writable, uint64_t token)
{
    if (!PORT_FAST)
        return 0;
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return split_driver_add_segments(vq, segments, count, writable, token);
    return writable ? split_driver_add_row_writable(vq, segments, count, token)
                    : split_driver_add_row_readable(vq, segments, count, token);
}

int vring_split_driver_add_avail_run(struct vring_split_driver *vq, const struct vring_segment *segments, uint32_t count,
                                     bool writable, uint64_t token, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!segments && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    while (!error && added < count) {
        uint32_t row = split_driver_add_some(vq, &segments[added], count - added, writable, token + added);

        added += row;
        if (row > 0)
            continue;
        error = vring_split_driver_add_avail(vq, &segments[added], !writable, writable, token + added);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

int vring_split_driver_abort(struct vring_split_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->next_avail == vq->published)
        return VRING_E_STATE;

    vq->next_avail--;

    uint16_t head = vq->slots[vq->next_avail & vq->ring.mask].order;

    if (token)
        *token = vq->slots[head].token;
    if (feature_on(vq->features, VRING_F_IN_ORDER)) {
        vq->free_count = (uint16_t)(vq->free_count + vq->slots[head].count);
        vq->free_head = head;
    } else {
        slots_release(vq->slots, head, &vq->free_head, &vq->free_count);
    }
    return 0;
}
