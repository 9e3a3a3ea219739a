/* SPDX-License-Identifier: MIT */
/* The driver side of the packed virtqueue. Reads beside split_driver.c and packed_device.c, in the same order. */
#include <vring/packed.h>

#include "alike.h"
#include "batch.h"
#include "event.h"
#include "features.h"
#include "layout.h"
#include "packed_return.h"
#include "packed_ring.h"
#include "peer.h"
#include "resume.h"
#include "slots.h"
#include "straight.h"
#include "used_len.h"

VRING_STATIC_ASSERT(PEER_HEALTH_COMES_FIRST(struct vring_packed_driver), "peer.h");
VRING_STATIC_ASSERT(ALIKE(struct vring_packed_driver, told, sequence, returned), "alike.h");
VRING_STATIC_ASSERT(SLOTS_LIE_SIDE_BY_SIDE, "slots.h");

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int packed_driver_check(const struct vring_driver_config *config, const struct vring_packed_ring *ring)
{
    int error = vring_packed_check(ring, config->size, config->slots, config->slot_count, sizeof *config->slots);

    if (error)
        return error;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
    error = used_len_check(config->used_len);
    if (error)
        return error;
    return vring_features_check_packed(config->features);
}

int vring_packed_driver_prepare(struct vring_packed_driver *vq, const struct vring_driver_config *config)
{
    static const struct vring_packed_driver fresh = {0};

    *vq = fresh;
    vq->ring.desc = config->desc;
    vq->ring.driver_area = config->driver_area;
    vq->ring.device_area = config->device_area;
    vq->ring.size = (uint16_t)config->size;
    vq->ring.platform = (config->features & VRING_F_ORDER_PLATFORM) != 0;

    int error = packed_driver_check(config, &vq->ring);

    if (error)
        return error;
    vq->features = config->features;
    vq->slots = config->slots;
    vq->max_chain = config->max_chain ? config->max_chain : config->size;
    vq->max_pieces = vq->max_chain < config->size ? vq->max_chain : config->size;
    vq->notify_id = config->notify_id;
    vq->used_len = (uint8_t)config->used_len;
    vq->len_without_write = config->len_without_write;
    return 0;
}

int vring_packed_driver_init(struct vring_packed_driver *vq, const struct vring_driver_config *config)
{
    struct vring_packed_driver fresh;

    if (!vq || !config)
        return VRING_E_NULL;

    int error = vring_packed_driver_prepare(&fresh, config);

    if (!error && (config->index & 0x7fff) >= config->size)
        error = VRING_E_SIZE;
    if (error)
        return error;
    *vq = fresh;
    vq->free_count = vq->ring.size;
    vq->next_avail = vq->published = vq->next_used = packed_start(config->index);
    slots_clear(vq->slots, vq->ring.size);
    packed_clear(&vq->ring, vq->next_avail);
    vq->live = LIVE;
    packed_driver_find_straight(vq);
    return 0;
}

void vring_packed_driver_reset(struct vring_packed_driver *vq)
{
    if (!vq)
        return;
    vq->live = 0;
    straight_forget(&vq->straight);
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

/* All that is staged is the device's. */
static PORT_INLINE void packed_driver_tell(struct vring_packed_driver *vq)
{
    packed_publish_flags(&vq->ring, packed_entry(vq->published), vq->staged_first); /* A */
    vq->published = vq->next_avail;
    vq->told = vq->sequence;
}

/* Does the device wish to be notified, now that all since before has been told? */
static PORT_INLINE int packed_driver_is_due(const struct vring_packed_driver *vq, struct vring_packed_position before)
{
    packed_fence(&vq->ring); /* C */

    uint32_t word = packed_load_event(vq->ring.device_area);

    if (event_word_is_off(word))
        return 0;
    return event_word_is_due(word, feature_on(vq->features, VRING_F_EVENT_IDX), packed_place(vq->published),
                             (uint16_t)packed_distance(&vq->ring, before, vq->published), vq->ring.size);
}

/* publish of anything, or where there is nothing to publish. */
static PORT_REST int packed_driver_publish_any(struct vring_packed_driver *vq)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, SUSPENDED);

    if (refusal)
        return refusal;
    packed_driver_find_straight(vq);
    if (packed_driver_staged(vq) == 0)
        return resume_settle(&vq->owes);

    struct vring_packed_position before = vq->published;

    packed_driver_tell(vq);

    int due = packed_driver_is_due(vq, before);

    return resume_settle(&vq->owes) | due;
}

int vring_packed_driver_publish(struct vring_packed_driver *vq)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || straight_is(vq->straight, STRAIGHT_UNKNOWN) || packed_driver_staged(vq) == 0))
        return packed_driver_publish_any(vq);

    struct vring_packed_position before = vq->published;

    packed_driver_tell(vq);
    return packed_driver_is_due(vq, before);
}

uint32_t vring_packed_driver_notification(const struct vring_packed_driver *vq)
{
    if (!vq || vq->live <= 0)
        return 0;
    if (!feature_on(vq->features, VRING_F_NOTIFICATION_DATA))
        return vq->notify_id;
    return (uint32_t)packed_place(vq->published) << 16 | vq->notify_id;
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/* get_used_batch, buffer by buffer; of one it is get_used. Returns why there are no more than *n. */
static PORT_ASIDE int packed_driver_get_each(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                             uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0;
    int error = 0;

    while (taken < capacity && (error = PORT_FAST ? packed_driver_get(vq, true, &used[taken])
                                                  : vring_packed_driver_get_used(vq, &used[taken])) == 0)
        taken++;
    *n = taken;
    return error;
}

/*
 * get_used_batch where nothing is staged, as long as buffers have *entries each, and at most to where the ring begins again.
 * One that has another number is the last, and *entries is that then. So the CPU need not wait for a buffer's slot to learn
 * where the next used descriptor is.
 */
static PORT_INLINE int packed_driver_get_row(struct vring_packed_driver *vq, const uint32_t step,
                                             struct vring_used_buffer *used, uint32_t capacity, uint32_t *entries, uint32_t *n)
{
    const struct vring_packed_position at = vq->next_used;
    const uint32_t left = vq->ring.size - packed_entry(at);
    struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(at));
    struct vring_packed_ring end = packed_from(&here, batch_least(left, batch_least(left, capacity) * step));
    struct vring_used_buffer *next = used;
    struct vring_slot *slots = vq->slots;
    uint32_t free_head = vq->free_head, count = step; /* of the last buffer */
    int error;

    do {
        uint32_t id = 0, len = 0;

        packed_expect_desc(&here, 0);
        error = packed_driver_look(vq, &here, at, &id, &len);
        if (PORT_UNLIKELY(error))
            break;

        struct vring_slot *slot = &slots[id];

        if (PORT_UNLIKELY(slot->count != step)) {
            error = packed_driver_judge_held(vq, &here, slot, id);
            if (!error)
                error = packed_driver_judge_len(vq, &here, slot, &len);
            if (error)
                break;
            count = slot->count;
            end = here;
        }
        error = packed_driver_judge_len(vq, &here, slot, &len);
        if (PORT_UNLIKELY(error))
            break;
        next->token = slot->token;
        next->len = len;
        next++;
        slots_return(slots, id, free_head);
        free_head = id;
        here = packed_from(&here, step);
    } while (here.desc < end.desc);

    uint32_t taken = (uint32_t)(next - used), passed = packed_offset(&vq->ring, &here) - packed_entry(at) + count - step;

    vq->next_used = packed_forward(&here, at, passed);
    vq->free_count = (uint16_t)(vq->free_count + passed);
    vq->free_head = (uint16_t)free_head;
    vq->returned = (uint16_t)(vq->returned + taken);
    *entries = count;
    *n = taken;
    return error;
}

/* Compiled for buffers of one entry, and for lists. */

static PORT_NOINLINE int packed_driver_get_singles(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                                   uint32_t capacity, uint32_t *entries, uint32_t *n)
{
    return packed_driver_get_row(vq, 1, used, capacity, entries, n);
}

static PORT_NOINLINE int packed_driver_get_lists(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                                 uint32_t capacity, uint32_t *entries, uint32_t *n)
{
    return packed_driver_get_row(vq, *entries, used, capacity, entries, n);
}

/* get_used with IN_ORDER. */
static PORT_NOINLINE int packed_driver_get_one_in_order(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    int error = vq->batch == 0 ? packed_driver_open_batch(vq) : 0;

    if (error)
        return error;
    packed_driver_hand_out(vq, used, 1);
    if (--vq->batch == 0)
        used->len = vq->batch_len;
    return 0;
}

/* get_used_batch with IN_ORDER. Those before the last of a batch have been used in full. */
static PORT_NOINLINE int packed_driver_get_in_order(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                                    uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0;
    int error = 0;

    while (taken < capacity) {
        if (vq->batch == 0 && (error = packed_driver_open_batch(vq)) != 0)
            break;

        uint32_t run = batch_least(batch_least(vq->batch, capacity - taken), vq->ring.size - vq->oldest);

        packed_driver_hand_out(vq, &used[taken], run);
        taken += run;
        vq->batch = (uint16_t)(vq->batch - run);
        if (vq->batch == 0)
            used[taken - 1].len = vq->batch_len;
    }
    *n = taken;
    return error;
}

int vring_packed_driver_get_used_run(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                     uint32_t *n)
{
    if (!vq || !used || !n)
        return VRING_E_NULL;
    *n = 0;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return VRING_E_FEATURE;
    if (capacity == 0)
        return VRING_E_ROOM;

    int error = vq->batch == 0 ? packed_driver_open_batch(vq) : 0;

    if (error)
        return error;

    const struct vring_packed_ring *r = &vq->ring;
    uint32_t count = batch_least(vq->batch, capacity), last = packed_after_by(r, vq->oldest, count - 1);
    uint32_t entries = packed_span(r, packed_entry(vq->next_used), vq->slots[last].position);

    used->token = vq->slots[last].token;
    used->len = count == vq->batch ? vq->batch_len : vq->slots[last].writable;
    vq->oldest = packed_after(r, last);
    vq->next_used = packed_forward(r, vq->next_used, entries);
    vq->free_count = (uint16_t)(vq->free_count + entries);
    vq->returned = (uint16_t)(vq->returned + count);
    vq->batch = (uint16_t)(vq->batch - count);
    *n = count;
    return 0;
}

static PORT_INLINE int packed_driver_get_most(struct vring_packed_driver *vq, struct vring_used_buffer *used,
                                              uint32_t capacity, uint32_t *n)
{
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return packed_driver_get_in_order(vq, used, capacity, n);
    if (!PORT_FAST || packed_driver_staged(vq) != 0)
        return packed_driver_get_each(vq, used, capacity, n);

    uint32_t taken = 0, row = 0, entries = 1;
    int error = 0;

    for (; !error && taken < capacity; taken += row)
        error = (entries == 1 ? packed_driver_get_singles : packed_driver_get_lists)(vq, &used[taken], capacity - taken,
                                                                                     &entries, &row);
    *n = taken;
    return error;
}

/* get_used in any order, where code has to be small. */
static PORT_PART int packed_driver_get_small(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    struct vring_packed_position at = vq->next_used;
    const struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(at));
    uint32_t flags = packed_observe_flags(&here, 0) ^ packed_used_flags(at); /* B */

    if (flags & PACKED_LAP)
        return VRING_E_EMPTY;

    uint32_t peer_id = packed_load_id(&here, 0), peer_len = packed_load_len(&here, 0);

    if (!(flags & VRING_DESC_WRITE) && !vq->len_without_write)
        peer_len = 0; /* 2.8.4: the field is reserved then */

    int count = alike_take(vq, peer_id, peer_len, packed_entry(at), used);

    if (count < 0)
        return count;
    vq->next_used = packed_forward(&vq->ring, at, (uint32_t)count);
    return 0;
}

/* get_used in whatever order, or why there is nothing to get. */
static PORT_REST int packed_driver_get_any(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    int refusal = peer_refusal(live_unless(!used, vq ? &vq->live : NULL), SUSPENDED);
    uint32_t n;

    if (refusal)
        return refusal;
    packed_driver_find_straight(vq);
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return packed_driver_get_one_in_order(vq, used);
    return PORT_FAST ? packed_driver_get_each(vq, used, 1, &n) : packed_driver_get_small(vq, used);
}

int vring_packed_driver_get_used(struct vring_packed_driver *vq, struct vring_used_buffer *used)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || !used || !straight_is(vq->straight, STRAIGHT_ANY_ORDER) ||
                                    packed_driver_staged(vq) != 0))
        return packed_driver_get_any(vq, used);
    return packed_driver_get(vq, false, used);
}

int vring_packed_driver_get_used_batch(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                      uint32_t *n)
{
    if (!vq || !n || (!used && capacity > 0))
        return VRING_E_NULL;

    *n = 0;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (capacity == 0)
        return VRING_E_ROOM;

    int error = packed_driver_get_most(vq, used, capacity, n);

    return batch_answer(error, *n);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

static void packed_driver_wish(struct vring_packed_driver *vq, uint32_t event)
{
    if (vq->event == event)
        return;
    vq->event = event;
    packed_store_event(vq->ring.driver_area, event);
}

/* Ask for the used descriptor that lies distance entries ahead, and look once more. */
static int packed_driver_enable_at(struct vring_packed_driver *vq, uint16_t distance)
{
    struct vring_packed_position at = packed_forward(&vq->ring, vq->next_used, distance);

    packed_driver_wish(vq, feature_on(vq->features, VRING_F_EVENT_IDX) ? packed_event(VRING_EVENT_DESC, packed_place(at))
                                                                       : packed_event(VRING_EVENT_ENABLE, 0));
    packed_fence(&vq->ring); /* D */
    return vq->batch > 0 || packed_is_used(packed_observe_flags(&vq->ring, packed_entry(vq->next_used)), vq->next_used);
}

int vring_packed_driver_enable_notify(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    return packed_driver_enable_at(vq, 0);
}

int vring_packed_driver_enable_notify_delayed(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    return packed_driver_enable_at(vq, event_most_of((uint16_t)packed_distance(&vq->ring, vq->next_used, vq->published)));
}

int vring_packed_driver_disable_notify(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    packed_driver_wish(vq, packed_event(VRING_EVENT_DISABLE, 0));
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ suspend --- */

int vring_packed_driver_suspend(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    if (packed_driver_staged(vq) > 0)
        return VRING_E_STATE;
    vq->live = SUSPENDED;
    return 0;
}

int vring_packed_driver_resume(struct vring_packed_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != SUSPENDED)
        return peer_verdict(vq->live);
    vq->live = LIVE;
    return vring_packed_driver_enable_notify(vq);
}

/* ---------------------------------------------------------------------------------------------------- questions --- */

uint16_t vring_packed_driver_free(const struct vring_packed_driver *vq)
{
    return vq && vq->live > 0 ? vq->free_count : 0;
}

uint16_t vring_packed_driver_in_flight(const struct vring_packed_driver *vq)
{
    return vq && vq->live > 0 ? packed_driver_in_flight(vq) : 0;
}

int vring_packed_driver_take_unused(struct vring_packed_driver *vq, uint64_t *token)
{
    if (!vq || !token)
        return VRING_E_NULL;
    if (vq->live != 0 || !vq->slots)
        return VRING_E_STATE;

    bool in_order = feature_on(vq->features, VRING_F_IN_ORDER);
    uint32_t id = in_order ? vq->oldest : slots_oldest(vq->slots, vq->ring.size, vq->sequence);

    if (in_order ? packed_driver_in_flight(vq) == 0 : id == vq->ring.size)
        return VRING_E_EMPTY;
    *token = vq->slots[id].token;
    vq->slots[id].count = 0;
    vq->oldest = packed_after(&vq->ring, id);
    vq->returned++;
    return 0;
}

struct vring_fault vring_packed_driver_fault(const struct vring_packed_driver *vq)
{
    static const struct vring_fault none = {0};

    return vq ? vq->fault : none;
}
