/* SPDX-License-Identifier: MIT */
/* The driver side of the split virtqueue, but for giving (split_give.c). Reads beside split_device.c, in the same order. */
#include <vring/split.h>

#include "alike.h"
#include "batch.h"
#include "event.h"
#include "features.h"
#include "layout.h"
#include "peer.h"
#include "resume.h"
#include "slots.h"
#include "split_return.h"
#include "split_ring.h"
#include "straight.h"
#include "used_len.h"

VRING_STATIC_ASSERT(PEER_HEALTH_COMES_FIRST(struct vring_split_driver), "peer.h");
VRING_STATIC_ASSERT(ALIKE(struct vring_split_driver, published, next_avail, next_used), "alike.h");
VRING_STATIC_ASSERT(SLOTS_LIE_SIDE_BY_SIDE, "slots.h");

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int split_driver_check(const struct vring_driver_config *config, const struct vring_split_ring *ring)
{
    int error = vring_split_check(ring, config->size, config->slots, config->slot_count, sizeof *config->slots);

    if (error)
        return error;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
    error = used_len_check(config->used_len);
    if (error)
        return error;
    return vring_features_check_split(config->features, config->legacy_order, SPLIT_WIRE_IS_LE);
}

int vring_split_driver_prepare(struct vring_split_driver *vq, const struct vring_driver_config *config)
{
    static const struct vring_split_driver fresh = {0};

    *vq = fresh;
    vq->ring.desc = config->desc;
    vq->ring.driver_area = config->driver_area;
    vq->ring.device_area = config->device_area;
    vq->ring.size = (uint16_t)config->size;
    vq->ring.mask = config->size - 1;
    vq->ring.platform = (config->features & VRING_F_ORDER_PLATFORM) != 0;

    int error = split_driver_check(config, &vq->ring);

    if (error)
        return error;
    vq->features = config->features;
    vq->slots = config->slots;
    vq->max_chain = config->max_chain ? config->max_chain : config->size;
    vq->max_pieces = vq->max_chain < config->size ? vq->max_chain : config->size;
    vq->notify_id = config->notify_id;
    vq->used_len = (uint8_t)config->used_len;
    return 0;
}

int vring_split_driver_init(struct vring_split_driver *vq, const struct vring_driver_config *config)
{
    struct vring_split_driver fresh;

    if (!vq || !config)
        return VRING_E_NULL;

    int error = vring_split_driver_prepare(&fresh, config);

    if (error)
        return error;
    *vq = fresh;
    vq->free_count = vq->ring.size;
    vq->next_avail = vq->published = vq->next_used = vq->seen_used = vq->used_event = config->index;
    slots_clear(vq->slots, vq->ring.size);
    split_clear(&vq->ring, config->index);
    vq->live = LIVE;
    split_driver_find_straight(vq);
    return 0;
}

void vring_split_driver_reset(struct vring_split_driver *vq)
{
    if (!vq)
        return;
    vq->live = 0;
    straight_forget(&vq->straight);
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

/* All that is staged is the device's. */
static PORT_INLINE void split_driver_tell(struct vring_split_driver *vq)
{
    vq->published = vq->next_avail;
    split_publish_avail(&vq->ring, vq->published); /* A */
}

/* Does the device wish to be notified, now that all since before has been told? */
static PORT_INLINE int split_driver_is_due(const struct vring_split_driver *vq, uint16_t before)
{
    split_fence(&vq->ring); /* C */
    if (feature_on(vq->features, VRING_F_EVENT_IDX))
        return event_is_due(split_load_avail_event(&vq->ring), vq->published, before);
    return !(split_load_used_flags(&vq->ring) & VRING_NO_NOTIFY);
}

/* publish of anything, or where there is nothing to publish. */
static PORT_REST int split_driver_publish_any(struct vring_split_driver *vq)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, SUSPENDED);

    if (refusal)
        return refusal;
    split_driver_find_straight(vq);
    if (vq->next_avail == vq->published)
        return resume_settle(&vq->owes);

    uint16_t before = vq->published;

    split_driver_tell(vq);

    int due = split_driver_is_due(vq, before);

    return resume_settle(&vq->owes) | due;
}

int vring_split_driver_publish(struct vring_split_driver *vq)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || straight_is(vq->straight, STRAIGHT_UNKNOWN) || vq->next_avail == vq->published))
        return split_driver_publish_any(vq);

    uint16_t before = vq->published;

    split_driver_tell(vq);
    return split_driver_is_due(vq, before);
}

uint32_t vring_split_driver_notification(const struct vring_split_driver *vq)
{
    if (!vq || vq->live <= 0)
        return 0;
    if (!feature_on(vq->features, VRING_F_NOTIFICATION_DATA))
        return vq->notify_id;
    return (uint32_t)vq->published << 16 | vq->notify_id;
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/* Look at used.idx, which was seen here, again: it may have moved forward, as far as what the device was given. */
static PORT_PART int split_driver_observe(struct vring_split_driver *vq, uint16_t seen)
{
    uint16_t peer_idx = split_observe_used(&vq->ring); /* B */

    if (PEER_BAD((uint16_t)(peer_idx - seen) > (uint16_t)(vq->published - seen)))
        return vring_poison(&vq->live, VRING_E_PEER_INDEX, seen, peer_idx);
    vq->seen_used = peer_idx;
    return 0;
}

/* With IN_ORDER, up to most of what was announced; *n says how many. Those before the last of a batch were used in full. */
static PORT_NOINLINE int split_driver_get_in_order(struct vring_split_driver *vq, struct vring_used_buffer *used,
                                                   uint32_t most, uint32_t *n)
{
    const struct vring_split_ring ring = vq->ring;
    struct split_driver_taking taking = split_driver_taking(vq, &ring);
    uint32_t taken = 0;
    int error = 0;

    while (taken < most) {
        if (vq->batch == 0 && (error = split_driver_open_batch(vq, &taking)) != 0)
            break;

        uint32_t run = vq->batch < most - taken ? vq->batch : most - taken;

        for (uint32_t end = taken + run; taken < end; taken++)
            split_driver_get_next(&taking, &used[taken]);
        vq->batch = (uint16_t)(vq->batch - run);
        if (vq->batch == 0)
            used[taken - 1].len = vq->batch_len;
    }
    split_driver_taken(vq, &taking);
    *n = taken;
    return error;
}

/* One of what was announced, with IN_ORDER. */
static PORT_NOINLINE int split_driver_get_one_in_order(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    struct split_driver_taking taking = split_driver_taking(vq, &vq->ring);
    int error = vq->batch == 0 ? split_driver_open_batch(vq, &taking) : 0;

    if (error)
        return error;
    split_driver_get_next(&taking, used);
    if (--vq->batch == 0)
        used->len = vq->batch_len;
    split_driver_taken(vq, &taking);
    return 0;
}

/* The buffer at head comes back alone: what it moves is moved in the queue. */
static PORT_INLINE void split_driver_get_alone(struct vring_split_driver *vq, size_t head, uint32_t len,
                                               struct vring_used_buffer *used)
{
    used->token = vq->slots[head].token;
    used->len = len;

    uint32_t count = slots_put_back(vq->slots, head, vq->free_head);

    vq->free_count = (uint16_t)(vq->free_count + count);
    vq->free_head = (uint16_t)head;
    vq->next_used++;
}

/* The same of a used element that is not as most are. */
static PORT_NOINLINE int split_driver_get_judged(struct vring_split_driver *vq, size_t peer_head, uint32_t len,
                                                 struct vring_used_buffer *used)
{
    struct split_driver_taking taking = split_driver_taking(vq, &vq->ring);
    int error = split_driver_judge(vq, &taking, peer_head, &len);

    if (error)
        return error;

    const size_t head = peer_head;

    split_driver_get_alone(vq, head, len, used);
    return 0;
}

/*
 * Up to most of what was announced, in any order; *n says how many. What came back together goes in front of the free list as it
 * came, so that it is taken in this order again: mostly that in which it lies in the table.
 */
static PORT_INLINE int split_driver_get_any(struct vring_split_driver *vq, struct split_driver_taking taking,
                                            struct vring_used_buffer *used, uint32_t most, uint32_t *n)
{
    const struct vring_split_ring *ring = taking.ring;
    struct vring_used_buffer *next = used, *end = used + most;
    uint16_t first, *link = &first;
    int error = 0;

    while (!error && next != end) {
        const uint32_t *elem = split_used_elem(ring, taking.next_used);
        struct vring_used_buffer *row = next + split_ahead(ring, (uint16_t)taking.next_used, (uint32_t)(end - next));

        for (; next != row; next++, elem += 2) {
            split_expect_used(elem);
            error = split_driver_get(vq, &taking, elem, next, &link);
            if (PORT_UNLIKELY(error))
                break;
        }
    }
    *link = (uint16_t)taking.free_head;
    taking.free_head = first;
    split_driver_taken(vq, &taking);
    *n = (uint32_t)(next - used);
    return error;
}

/* The same, compiled for when something is staged: elsewhere the check for that folds away. */
static PORT_NOINLINE int split_driver_get_beside_staged(struct vring_split_driver *vq, struct vring_used_buffer *used,
                                                        uint32_t most, uint32_t *n)
{
    const struct vring_split_ring ring = vq->ring;

    return split_driver_get_any(vq, split_driver_taking(vq, &ring), used, most, n);
}

/* How many buffers may be taken, of wanted ones: those known to be used, or those that a new look finds; or an error. */
static PORT_INLINE int split_driver_announced(struct vring_split_driver *vq, uint32_t wanted)
{
    uint32_t ready = (uint16_t)(vq->seen_used - vq->next_used);

    if (ready < wanted) {
        int error = split_driver_observe(vq, vq->seen_used);

        PORT_NEVER(error > 0);
        if (error)
            return error;
        ready = (uint16_t)(vq->seen_used - vq->next_used);
        if (ready == 0)
            return VRING_E_EMPTY;
    }
    return (int)(ready < wanted ? ready : wanted);
}

/* One of what was announced, in any order, where code has to be small. */
static PORT_PART int split_driver_get_small(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    const uint32_t *elem = split_used_elem(&vq->ring, vq->next_used);
    uint32_t peer_id = split_load_used_id(elem), peer_len = split_load_used_len(elem);
    int count = alike_take(vq, peer_id, peer_len, vq->next_used, used);

    return count < 0 ? count : 0;
}

/* get_used in whatever order, also where something is staged, or why there is nothing to get. */
static PORT_REST int split_driver_get_one(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    int refusal = peer_refusal(live_unless(!used, vq ? &vq->live : NULL), SUSPENDED);

    if (refusal)
        return refusal;
    split_driver_find_straight(vq);

    int ready = split_driver_announced(vq, 1);
    uint32_t n;

    if (ready < 0)
        return ready;
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return split_driver_get_one_in_order(vq, used);
    return PORT_FAST ? split_driver_get_beside_staged(vq, used, 1, &n) : split_driver_get_small(vq, used);
}

int vring_split_driver_get_used(struct vring_split_driver *vq, struct vring_used_buffer *used)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || !used || !straight_is(vq->straight, STRAIGHT_ANY_ORDER) ||
                                    vq->next_avail != vq->published))
        return split_driver_get_one(vq, used);

    const size_t at = vq->next_used;
    const uint32_t *elem = split_used_elem(&vq->ring, at);

    if (PORT_LIKELY(vq->seen_used == at)) {
        int error = split_driver_observe(vq, (uint16_t)at);

        PORT_NEVER(error > 0);
        if (PORT_UNLIKELY(error))
            return error;
        if (PORT_UNLIKELY(vq->seen_used == at))
            return VRING_E_EMPTY;
    }

    const size_t peer_head = split_load_used_id(elem);
    const uint32_t peer_len = split_load_used_len(elem);

    if (PEER_BAD(peer_head > vq->ring.mask))
        return split_driver_get_judged(vq, peer_head, peer_len, used);

    const size_t head = peer_head;

    if (PEER_BAD(!slot_in_flight(vq->slots, head) || peer_len > vq->slots[head].writable))
        return split_driver_get_judged(vq, peer_head, peer_len, used);
    split_driver_get_alone(vq, head, peer_len, used);
    return 0;
}

/* Up to capacity buffers, by so many calls. */
static PORT_INLINE int split_driver_get_each(struct vring_split_driver *vq, struct vring_used_buffer *used,
                                             uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0;
    int error = 0;

    while (taken < capacity && (error = vring_split_driver_get_used(vq, &used[taken])) == 0)
        taken++;
    *n = taken;
    return batch_answer(error, taken);
}

int vring_split_driver_get_used_batch(struct vring_split_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                      uint32_t *n)
{
    if (!vq || !n || (!used && capacity > 0))
        return VRING_E_NULL;
    *n = 0;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (capacity == 0)
        return VRING_E_ROOM;
    if (!PORT_FAST)
        return split_driver_get_each(vq, used, capacity, n);

    int ready = split_driver_announced(vq, capacity);

    if (ready < 0)
        return ready;

    const struct vring_split_ring ring = vq->ring;
    struct split_driver_taking taking = split_driver_taking(vq, &ring);

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return split_driver_get_in_order(vq, used, (uint32_t)ready, n);
    if (taking.staged > 0)
        return split_driver_get_beside_staged(vq, used, (uint32_t)ready, n);
    taking.staged = 0;
    return split_driver_get_any(vq, taking, used, (uint32_t)ready, n);
}

/*
 * Where buffers come back in order their descriptors do, too: those that come free begin where the free ones end, and end
 * with those of the last.
 */
int vring_split_driver_get_used_run(struct vring_split_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
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

    int answer = split_driver_announced(vq, 1);

    if (answer < 0)
        return answer;

    struct split_driver_taking taking = split_driver_taking(vq, &vq->ring);

    if (vq->batch == 0 && (answer = split_driver_open_batch(vq, &taking)) != 0)
        return answer;

    const uint32_t mask = vq->ring.mask, count = batch_least(vq->batch, capacity);
    const struct vring_slot *last = &taking.slots[taking.slots[(taking.next_used + count - 1) & mask].order];
    uint32_t end = (uint32_t)(last - taking.slots) + last->count;

    used->token = last->token;
    used->len = count == vq->batch ? vq->batch_len : last->writable;
    taking.next_used += count;
    taking.free_count += ((end - vq->free_head - vq->free_count - 1) & mask) + 1;
    split_driver_taken(vq, &taking);
    vq->batch = (uint16_t)(vq->batch - count);
    *n = count;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

static int split_driver_enable_at(struct vring_split_driver *vq, uint16_t distance)
{
    uint16_t event = (uint16_t)(vq->next_used + distance);

    if (feature_on(vq->features, VRING_F_EVENT_IDX) && vq->used_event != event) {
        vq->used_event = event;
        split_store_used_event(&vq->ring, event);
    }
    if (!feature_on(vq->features, VRING_F_EVENT_IDX) && vq->avail_flags != 0) {
        vq->avail_flags = 0;
        split_store_avail_flags(&vq->ring, 0);
    }
    split_fence(&vq->ring); /* D */

    int error = split_driver_observe(vq, vq->seen_used);

    return error ? error : (uint16_t)(vq->seen_used - vq->next_used) > distance;
}

int vring_split_driver_enable_notify(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->seen_used != vq->next_used)
        return 1;
    return split_driver_enable_at(vq, 0);
}

int vring_split_driver_enable_notify_delayed(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_EVENT_IDX))
        return vring_split_driver_enable_notify(vq);
    return split_driver_enable_at(vq, event_most_of((uint16_t)(vq->published - vq->next_used)));
}

int vring_split_driver_disable_notify(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (feature_on(vq->features, VRING_F_EVENT_IDX) && event_is_ahead(vq->used_event, vq->next_used)) {
        vq->used_event = event_passed(vq->next_used);
        split_store_used_event(&vq->ring, vq->used_event);
    }
    if (!feature_on(vq->features, VRING_F_EVENT_IDX) && vq->avail_flags != VRING_NO_NOTIFY) {
        vq->avail_flags = VRING_NO_NOTIFY;
        split_store_avail_flags(&vq->ring, VRING_NO_NOTIFY);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ suspend --- */

int vring_split_driver_suspend(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    if (vq->next_avail != vq->published)
        return VRING_E_STATE;
    vq->live = SUSPENDED;
    return 0;
}

int vring_split_driver_resume(struct vring_split_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != SUSPENDED)
        return peer_verdict(vq->live);
    vq->live = LIVE;
    return vring_split_driver_enable_notify(vq);
}

/* ---------------------------------------------------------------------------------------------------- questions --- */

uint16_t vring_split_driver_free(const struct vring_split_driver *vq)
{
    return vq && vq->live > 0 ? vq->free_count : 0;
}

uint16_t vring_split_driver_in_flight(const struct vring_split_driver *vq)
{
    return vq && vq->live > 0 ? (uint16_t)(vq->next_avail - vq->next_used) : 0;
}

int vring_split_driver_take_unused(struct vring_split_driver *vq, uint64_t *token)
{
    if (!vq || !token)
        return VRING_E_NULL;
    if (vq->live != 0 || !vq->slots)
        return VRING_E_STATE;

    bool in_order = feature_on(vq->features, VRING_F_IN_ORDER);
    uint32_t head = in_order ? vq->slots[vq->next_used & vq->ring.mask].order
                             : slots_oldest(vq->slots, vq->ring.size, vq->next_avail);

    if (in_order ? vq->next_used == vq->next_avail : head == vq->ring.size)
        return VRING_E_EMPTY;
    *token = vq->slots[head].token;
    vq->slots[head].count = 0;
    vq->next_used++;
    return 0;
}

struct vring_fault vring_split_driver_fault(const struct vring_split_driver *vq)
{
    static const struct vring_fault none = {0};

    return vq ? vq->fault : none;
}
