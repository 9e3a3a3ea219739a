/* SPDX-License-Identifier: MIT */
/*
 * The driver side of the packed virtqueue: giving buffers to the device. Reads beside packed_take.c, which is where they
 * come to.
 */
#include <vring/packed.h>

#include "alike.h"
#include "batch.h"
#include "features.h"
#include "packed_adding.h"
#include "packed_ring.h"
#include "peer.h"
#include "resume.h"
#include "segments.h"
#include "slots.h"

/* add_avail where code has to be small: a descriptor's fields are stored one by one. */
static PORT_PART int packed_driver_add_small(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                             uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    int count = alike_stage(vq, segments, n_readable, n_writable, token);

    if (count < 0)
        return count;

    uint32_t id = vq->free_head, flags = VRING_DESC_NEXT;
    struct vring_slot *slots = vq->slots, *slot = &slots[id];

    do {
        const struct vring_packed_position at = vq->next_avail;
        const struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(at));

        if (count == n_writable)
            flags += VRING_DESC_WRITE;
        if (--count == 0)
            flags -= VRING_DESC_NEXT;
        packed_prepare_desc(&here, 0, segments->addr, segments->len, id);
        if (packed_same(at, vq->published))
            vq->staged_first = (uint16_t)(flags | packed_avail_flags(at));
        else
            packed_store_flags(&here, 0, flags | packed_avail_flags(at));
        slot->last = packed_entry(at);
        slots[packed_entry(at)].order = (uint16_t)id;
        vq->next_avail = packed_forward(&vq->ring, at, 1);
        segments++;
    } while (count > 0);
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        slot->position = slot->last;
    vq->free_head = slot->next;
    return 0;
}

/* add_avail of any buffer, or why it is none. */
static PORT_NOINLINE int packed_driver_add_any(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                               uint32_t n_readable, uint32_t n_writable, uint64_t token)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, LIVE);

    if (refusal)
        return refusal;
    if (n_readable + n_writable - 1 >= vq->max_pieces) /* 0 wraps: none are too many, too */
        return VRING_E_CHAIN;
    if (!segments)
        return VRING_E_NULL;

    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_ring r = vq->ring;
    int error = packed_driver_stage_list(&r, vq->slots, feature_on(vq->features, VRING_F_IN_ORDER), &adding, segments,
                                         n_readable, n_readable + n_writable, token,
                                         packed_driver_staged(vq) == 0 ? &vq->staged_first : NULL);

    if (!error)
        packed_driver_added(vq, &adding);
    return error;
}

/* One piece, for which there is room, is added without a call, and without asking why another buffer is none. */
int vring_packed_driver_add_avail(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                  uint16_t n_readable, uint16_t n_writable, uint64_t token)
{
    if (!PORT_FAST)
        return packed_driver_add_small(vq, segments, n_readable, n_writable, token);
    if (PORT_UNLIKELY(!vq || !segments || n_readable + n_writable != 1 || vq->live != LIVE ||
                      vq->free_count == 0 || segment_check(segments->addr, segments->len) != 0))
        return packed_driver_add_any(vq, segments, n_readable, n_writable, token);

    uint32_t id = vq->free_head, len = segments->len;
    struct vring_slot *slot = &vq->slots[id];

    slot->token = token;
    slot->writable = n_writable * len;
    slot->count = 1;
    slot->position = vq->sequence;
    vq->free_head = slot->next;

    struct vring_packed_position at = vq->next_avail;

    packed_driver_stage_desc(&vq->ring, at, segments->addr, len, id, n_writable * (unsigned)VRING_DESC_WRITE,
                             packed_driver_staged(vq) == 0 ? &vq->staged_first : NULL);
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        slot->position = (uint16_t)packed_entry(at);
    else
        vq->slots[packed_entry(at)].order = (uint16_t)id;
    vq->next_avail = packed_forward(&vq->ring, at, 1);
    vq->free_count--;
    vq->sequence++;
    return 0;
}

int vring_packed_driver_add_indirect(struct vring_packed_driver *vq, const struct vring_table *table,
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

    struct packed_driver_adding adding = packed_driver_adding(vq);
    int error = packed_driver_stage_table(&vq->ring, vq->slots, feature_on(vq->features, VRING_F_IN_ORDER), &adding, table,
                                          segments, n_readable, count, token,
                                          packed_driver_staged(vq) == 0 ? &vq->staged_first : NULL);

    if (!error)
        packed_driver_added(vq, &adding);
    return error;
}

/* The next n entries, or as many as are free before the ring begins again, will be written. */
static PORT_INLINE void packed_driver_expect(const struct vring_packed_driver *vq, uint32_t n)
{
    uint32_t at = packed_entry(vq->next_avail);

    n = batch_least(batch_least(n, vq->free_count), vq->ring.size - at);
    port_expect_stores(packed_desc(&vq->ring, at), 16 * n);
}

/*
 * Add the buffers that an offer begins with, behind others that are staged: as long as they are one sound piece of this kind,
 * and at most to where the ring, or with IN_ORDER the ids, begin again, so that nothing has to be asked for each but what is
 * the caller's. Returns how many.
 */
static PORT_INLINE uint32_t packed_driver_add_row(struct vring_packed_driver *vq, bool in_order, uint16_t n_writable,
                                                  struct batch_offer offer, uint32_t count)
{
    const struct vring_packed_position at = vq->next_avail;
    const uint64_t mark = packed_mark(0, packed_avail_flags(at) | (n_writable ? VRING_DESC_WRITE : 0));
    const uint32_t whole = vq->ring.size, start = packed_entry(at);
    struct vring_packed_ring here = packed_from(&vq->ring, start);
    struct vring_slot *slots = vq->slots, *place = slots + start, *end;
    uint32_t id = vq->free_head, last = start, sequence = vq->sequence;

    count = batch_least(batch_least(count, vq->free_count), whole - start);
    if (in_order)
        count = batch_least(count, whole - id);
    for (end = place + count; place != end; place++, last++, sequence++, here = packed_from(&here, 1)) {
        const struct vring_segment *segment = batch_piece(&offer, n_writable);
        struct vring_slot *slot = &slots[id];

        if (!segment)
            break;

        uint64_t addr = segment->addr;
        uint32_t len = segment->len;

        if (!segment_is_sound(addr, len))
            break;

        uint32_t next = in_order ? id + 1 : slot->next; /* before what is stored: the next slot waits for it */

        packed_store_piece(here.desc, 0, addr, len, mark | packed_mark(id, 0));
        slot->token = batch_pass(&offer);
        slot->writable = n_writable ? len : 0;
        slot->count = 1;
        slot->position = (uint16_t)(in_order ? last : sequence);
        if (!in_order)
            place->order = (uint16_t)id;
        id = next;
    }

    uint32_t added = packed_offset(&vq->ring, &here) - start;

    vq->free_head = (uint16_t)(in_order && id == whole ? 0 : id);
    vq->next_avail = packed_forward(&here, at, added);
    vq->free_count = (uint16_t)(vq->free_count - added);
    vq->sequence = (uint16_t)sequence;
    return added;
}

/* Each of them compiled for its kind. */

static PORT_NOINLINE uint32_t packed_driver_add_readable(struct vring_packed_driver *vq,
                                                         const struct vring_avail_buffer *buffers, uint32_t count)
{
    return packed_driver_add_row(vq, false, 0, (struct batch_offer){false, buffers, NULL, 0}, count);
}

static PORT_NOINLINE uint32_t packed_driver_add_writable(struct vring_packed_driver *vq,
                                                         const struct vring_avail_buffer *buffers, uint32_t count)
{
    return packed_driver_add_row(vq, false, 1, (struct batch_offer){false, buffers, NULL, 0}, count);
}

static PORT_NOINLINE uint32_t packed_driver_add_readable_in_order(struct vring_packed_driver *vq,
                                                                  const struct vring_avail_buffer *buffers, uint32_t count)
{
    return packed_driver_add_row(vq, true, 0, (struct batch_offer){false, buffers, NULL, 0}, count);
}

static PORT_NOINLINE uint32_t packed_driver_add_writable_in_order(struct vring_packed_driver *vq,
                                                                  const struct vring_avail_buffer *buffers, uint32_t count)
{
    return packed_driver_add_row(vq, true, 1, (struct batch_offer){false, buffers, NULL, 0}, count);
}

/* The same of a run. */

static PORT_NOINLINE uint32_t packed_driver_add_segments(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                                         uint32_t count, bool writable, uint64_t token)
{
    packed_driver_expect(vq, count);
    return packed_driver_add_row(vq, false, writable, (struct batch_offer){true, NULL, segments, token}, count);
}

/* With IN_ORDER the first of a batch is added with those behind it: ids, entries and tokens count up. */
static PORT_INLINE uint32_t packed_driver_add_segments_in_order(struct vring_packed_driver *vq, bool writable,
                                                                const struct vring_segment *segments, uint32_t count,
                                                                uint64_t token)
{
    const struct vring_packed_position at = vq->next_avail;
    const uint32_t whole = vq->ring.size;
    struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(at));
    struct vring_slot *slot = &vq->slots[vq->free_head];
    uint64_t mark = packed_mark(vq->free_head, packed_avail_flags(at) | (writable ? VRING_DESC_WRITE : 0));
    slot_row row = slot_row_at((uint16_t)packed_entry(at));
    const struct vring_segment *next = segments, *end;

    count = batch_least(batch_least(count, vq->free_count),
                        batch_least(whole - packed_entry(at), whole - vq->free_head));
    end = segments + count;
    port_expect_stores(here.desc, 16 * count);
    if (packed_driver_staged(vq) == 0 && next != end) {
        uint64_t addr = next->addr;
        uint32_t len = next->len;

        if (!segment_is_sound(addr, len))
            return 0;
        vq->staged_first = (uint16_t)(mark >> 48);
        packed_prepare_desc(&here, 0, addr, len, vq->free_head);
        mark += packed_mark(1, 0);
        slot_fill(slot, row, token, writable ? len : 0);
        row = slot_row_after(row);
        next++, slot++, token++;
        here = packed_from(&here, 1);
    }
    for (; next != end; next++, slot++, here = packed_from(&here, 1)) {
        uint64_t addr = next->addr;
        uint32_t len = next->len;

        if (!segment_is_sound(addr, len))
            break;
        packed_store_piece(here.desc, 0, addr, len, mark);
        mark += packed_mark(1, 0);
        slot_fill(slot, row, token, writable ? len : 0);
        row = slot_row_after(row);
        token++;
    }
    count = (uint32_t)(next - segments);
    vq->next_avail = packed_forward(&here, at, count);
    vq->free_head = (uint16_t)packed_after_by(&here, vq->free_head, count);
    vq->free_count = (uint16_t)(vq->free_count - count);
    vq->sequence = (uint16_t)(vq->sequence + count);
    return count;
}

static PORT_NOINLINE uint32_t packed_driver_add_readable_run(struct vring_packed_driver *vq,
                                                             const struct vring_segment *segments, uint32_t count,
                                                             uint64_t token)
{
    return packed_driver_add_segments_in_order(vq, false, segments, count, token);
}

static PORT_NOINLINE uint32_t packed_driver_add_writable_run(struct vring_packed_driver *vq,
                                                             const struct vring_segment *segments, uint32_t count,
                                                             uint64_t token)
{
    return packed_driver_add_segments_in_order(vq, true, segments, count, token);
}

/* The same as long as they are lists; these may lie across the ring's end. */
static PORT_NOINLINE uint32_t packed_driver_add_lists(struct vring_packed_driver *vq,
                                                      const struct vring_avail_buffer *buffers, uint32_t count)
{
    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_ring r = vq->ring;
    struct vring_slot *slots = vq->slots;
    uint32_t max_pieces = vq->max_pieces, added = 0;
    const bool in_order = feature_on(vq->features, VRING_F_IN_ORDER);

    for (; added < count; added++, buffers++) {
        uint32_t n_readable = buffers->n_readable, pieces = n_readable + buffers->n_writable;

        if (pieces < 2 || pieces > max_pieces || buffers->table || !buffers->segments)
            break;
        if (packed_driver_stage_list(&r, slots, in_order, &adding, buffers->segments, n_readable, pieces, buffers->token,
                                     NULL) != 0)
            break;
    }
    packed_driver_added(vq, &adding);
    return added;
}

/* The same as long as they have tables. */
static PORT_NOINLINE uint32_t packed_driver_add_tables(struct vring_packed_driver *vq,
                                                       const struct vring_avail_buffer *buffers, uint32_t count)
{
    struct packed_driver_adding adding = packed_driver_adding(vq);
    const struct vring_packed_ring r = vq->ring;
    struct vring_slot *slots = vq->slots;
    uint32_t max_chain = feature_on(vq->features, VRING_F_INDIRECT_DESC) ? vq->max_chain : 0, added = 0;
    const bool in_order = feature_on(vq->features, VRING_F_IN_ORDER);

    for (; added < count; added++, buffers++) {
        uint32_t n_readable = buffers->n_readable, pieces = n_readable + buffers->n_writable;

        if (!buffers->table || pieces - 1 >= max_chain || !buffers->segments)
            break;
        if (packed_driver_stage_table(&r, slots, in_order, &adding, buffers->table, buffers->segments, n_readable, pieces,
                                      buffers->token, NULL) != 0)
            break;
    }
    packed_driver_added(vq, &adding);
    return added;
}

/* Stage the buffers that a batch begins with, of one kind, as long as they are sound. How many. */
static PORT_INLINE uint32_t packed_driver_add_run(struct vring_packed_driver *vq, const struct vring_avail_buffer *buffers,
                                                  uint32_t count)
{
    if (!PORT_FAST || packed_driver_staged(vq) == 0) /* the first keeps its flags back */
        return 0;
    if (buffers->table)
        return packed_driver_add_tables(vq, buffers, count);
    if (buffers->n_readable + buffers->n_writable != 1)
        return packed_driver_add_lists(vq, buffers, count);
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return (buffers->n_writable ? packed_driver_add_writable_in_order
                                    : packed_driver_add_readable_in_order)(vq, buffers, count);
    return (buffers->n_writable ? packed_driver_add_writable : packed_driver_add_readable)(vq, buffers, count);
}

int vring_packed_driver_add_avail_batch(struct vring_packed_driver *vq, const struct vring_avail_buffer *buffers,
                                        uint32_t count, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!buffers && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    if (PORT_FAST && !error)
        packed_driver_expect(vq, count);
    while (!error && added < count) {
        const struct vring_avail_buffer *buffer = &buffers[added];
        uint32_t run = packed_driver_add_run(vq, buffer, count - added);

        added += run;
        if (run > 0)
            continue;
        error = buffer->table ? vring_packed_driver_add_indirect(vq, buffer->table, buffer->segments, buffer->n_readable,
                                                                 buffer->n_writable, buffer->token)
                              : vring_packed_driver_add_avail(vq, buffer->segments, buffer->n_readable,
                                                              buffer->n_writable, buffer->token);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

int vring_packed_driver_add_avail_run(struct vring_packed_driver *vq, const struct vring_segment *segments, uint32_t count,
                                      bool writable, uint64_t token, uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!segments && count > 0))
        return VRING_E_NULL;

    int error = vq->live != LIVE ? peer_verdict(vq->live) : 0;

    while (!error && added < count) {
        uint32_t row = 0;

        if (PORT_FAST && feature_on(vq->features, VRING_F_IN_ORDER))
            row = (writable ? packed_driver_add_writable_run
                            : packed_driver_add_readable_run)(vq, &segments[added], count - added, token + added);
        else if (PORT_FAST && packed_driver_staged(vq) > 0) /* the first keeps its flags back */
            row = packed_driver_add_segments(vq, &segments[added], count - added, writable, token + added);
        added += row;
        if (row > 0)
            continue;
        error = vring_packed_driver_add_avail(vq, &segments[added], !writable, writable, token + added);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

int vring_packed_driver_abort(struct vring_packed_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (packed_driver_staged(vq) == 0)
        return VRING_E_STATE;

    uint32_t id = vq->slots[packed_entry(packed_back(&vq->ring, vq->next_avail, 1))].order;

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        id = packed_before(&vq->ring, vq->free_head);

    uint16_t count = vq->slots[id].count;

    if (token)
        *token = vq->slots[id].token;
    vq->next_avail = packed_back(&vq->ring, vq->next_avail, count);
    packed_driver_clear(&vq->ring, vq->next_avail, count);
    vq->free_count = (uint16_t)(vq->free_count + count);
    vq->sequence--;
    slots_return(vq->slots, id, vq->free_head);
    vq->free_head = (uint16_t)id;
    return 0;
}
