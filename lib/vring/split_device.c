/* SPDX-License-Identifier: MIT */
/* The device side of the split virtqueue. Reads beside split_driver.c, in the same order. */
#include <vring/split.h>

#include "batch.h"
#include "event.h"
#include "features.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "layout.h"
#include "peer.h"
#include "regions.h"
#include "resume.h"
#include "split_ring.h"
#include "split_use.h"
#include "straight.h"

VRING_STATIC_ASSERT(PEER_HEALTH_COMES_FIRST(struct vring_split_device), "peer.h");
VRING_STATIC_ASSERT(HEADS_LIE_SIDE_BY_SIDE, "heads.h");

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int split_device_check(const struct vring_device_config *config, const struct vring_split_ring *ring)
{
    int error = vring_split_check(ring, config->size, config->heads, config->head_count, sizeof *config->heads);

    if (error)
        return error;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
    if (!VRING_BUILD_REGIONS && config->regions_may_miss)
        return VRING_E_FEATURE;
    error = vring_features_check_split(config->features, config->legacy_order, SPLIT_WIRE_IS_LE);
    if (!error)
        error = vring_inflight_check(config, false);
    return error ? error : vring_regions_check(config->regions, config->region_count);
}

int vring_split_device_prepare(struct vring_split_device *vq, const struct vring_device_config *config)
{
    static const struct vring_split_device fresh = {0};

    *vq = fresh;
    vq->ring.desc = config->desc;
    vq->ring.driver_area = config->driver_area;
    vq->ring.device_area = config->device_area;
    vq->ring.size = (uint16_t)config->size;
    vq->ring.mask = config->size - 1;
    vq->ring.platform = (config->features & VRING_F_ORDER_PLATFORM) != 0;

    int error = split_device_check(config, &vq->ring);

    if (error)
        return error;
    vq->features = config->features;
    vq->heads = config->heads;
    regions_start(&vq->regions, config->regions, config->region_count);
    vq->regions.may_miss = config->regions_may_miss;
    vq->max_chain = config->max_chain ? config->max_chain : config->size;
    vq->generation = config->generation;
    vq->inflight.region = config->inflight;
    return 0;
}

void vring_split_device_start(struct vring_split_device *vq, uint16_t next_used, uint16_t next_avail)
{
    vq->next_used = vq->published = vq->batch = next_used;
    vq->next_avail = vq->seen_avail = vq->avail_event = next_avail;
    split_store_avail_event(&vq->ring, next_avail);
    vq->live = LIVE;
}

int vring_split_device_init(struct vring_split_device *vq, const struct vring_device_config *config)
{
    struct vring_split_device fresh;

    if (!vq || !config)
        return VRING_E_NULL;

    int error = vring_split_device_prepare(&fresh, config);

    if (error)
        return error;
    *vq = fresh;
    heads_clear(vq->heads, vq->ring.size);
    if (inflight_is_kept(&vq->inflight))
        vring_inflight_start_split(&vq->inflight, vq->ring.size, config->index);
    vring_split_device_start(vq, config->index, config->index);
    split_device_find_straight(vq);
    return 0;
}

void vring_split_device_reset(struct vring_split_device *vq)
{
    if (!vq)
        return;
    vq->live = 0;
    straight_forget(&vq->straight);
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/* The buffer that was taken so many before the next, 1 for the last. */
static uint16_t split_device_taken_at(const struct vring_split_device *vq, uint16_t back)
{
    return vq->heads[(uint16_t)(vq->next_avail - back) & vq->ring.mask].order;
}

int vring_split_device_rewind(struct vring_split_device *vq, vring_handle handle)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    uint16_t head = handle_head(handle);

    if (!heads_hold(vq->heads, vq->ring.size, handle) || !split_device_holds(vq, head))
        return VRING_E_HANDLE;

    uint16_t waiting = (uint16_t)(resume_waiting(vq->waiting) + 1);

    while (VRING_BUILD_RESTART && (vq->heads[split_device_taken_at(vq, waiting)].used & HEAD_BEFORE))
        waiting++; /* it was passed over */
    if (split_device_taken_at(vq, waiting) != head)
        return VRING_E_HANDLE;
    if (VRING_BUILD_RESTART && (vq->heads[head].used & HEAD_AGAIN)) {
        heads_wait_again(vq->heads, head);
        vq->waiting = waiting;
        straight_forget(&vq->straight);
        vq->seen_avail = vq->next_avail; /* nothing newer is handed out before it */
        return 0;
    }
    if (inflight_is_kept(&vq->inflight))
        inflight_split_drop(&vq->inflight, head);
    heads_release(vq->heads, head);
    vq->next_avail--;
    vq->next_head = head; /* it began there, if it was taken in the round */
    if (vq->round > 0)
        vq->round--;
    return 0;
}

int vring_split_device_peek(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                             struct vring_chain *chain)
{
    uint16_t generation = vq ? vq->generation : 0;
    int answer = vring_split_device_get_avail(vq, iov, n_iov, chain);

    if (answer == 0 || vring_error_blame(answer) == VRING_BLAME_CHAIN) {
        (void)vring_split_device_rewind(vq, chain->handle);
        vq->generation = generation; /* no buffer was taken: stale handles come no nearer to what the next will have */
        chain->handle = HANDLE_NONE;
    }
    return answer;
}

/* ---------------------------------------------------------------------------------------------------------- add --- */

/* add_used with IN_ORDER. */
static PORT_NOINLINE int split_device_add_in_order(struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    const struct vring_used_chain one = {handle, len};
    int error;

    if (split_device_passes(vq) && split_device_add_next(vq, &one, 1) == 1)
        return 0;
    error = split_device_check_use(vq, handle, len);
    if (error)
        return error;
    split_device_hold_back(vq, handle_head(handle), len);
    split_device_stage_due(vq);
    return 0;
}

/* add_used of any buffer, or why it cannot be used. */
static PORT_REST int split_device_add_any(struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, SUSPENDED);

    if (refusal)
        return refusal;

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return split_device_add_in_order(vq, handle, len);

    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    if (error)
        return error;

    uint16_t at = vq->next_used;

    split_device_stage(vq, handle_head(handle));
    split_store_used(&vq->ring, at, handle_head(handle), len);
    return 0;
}

int vring_split_device_add_used(struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || !straight_is(vq->straight, STRAIGHT_ANY_ORDER) ||
                                    heads_check_use(vq->heads, vq->ring.size, handle, len) != 0))
        return split_device_add_any(vq, handle, len);
    heads_release(vq->heads, handle_head(handle));
    split_store_used(&vq->ring, vq->next_used++, handle_head(handle), len);
    return 0;
}

/*
 * Up to count buffers, with what moves of the queue in locals: a store to the ring may be one to the queue, for all that
 * the compiler knows.
 */
static PORT_INLINE int split_device_add_all(struct vring_split_device *vq, const struct vring_used_chain *used,
                                            uint32_t count, uint32_t *n)
{
    const struct vring_used_chain *next = used, *end = used + count;
    struct vring_head *heads = vq->heads;
    const uint32_t size = vq->ring.size;
    int error = 0;

    while (!error && next != end) {
        uint16_t at = (uint16_t)(vq->next_used + (uint32_t)(next - used));
        uint32_t *elem = split_used_elem(&vq->ring, at);
        const struct vring_used_chain *row = next + split_ahead(&vq->ring, at, (uint32_t)(end - next));

        for (; next != row; next++, elem += 2) {
            vring_handle handle = next->handle;
            uint16_t head = handle_head(handle);
            uint32_t len = next->len;

            error = heads_check_use(heads, size, handle, len);
            if (PORT_UNLIKELY(error))
                break;
            split_store_elem(elem, head, len);
            heads_release(heads, head);
        }
    }
    vq->next_used = (uint16_t)(vq->next_used + (uint32_t)(next - used));
    *n = (uint32_t)(next - used);
    return error;
}

int vring_split_device_add_used_batch(struct vring_split_device *vq, const struct vring_used_chain *used, uint32_t count,
                                      uint32_t *n)
{
    uint32_t added = 0;
    int error = 0;

    if (!vq || !n || (!used && count > 0))
        return VRING_E_NULL;
    *n = 0;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (count == 0)
        return 0;
    if (straight_is(vq->straight, STRAIGHT_ANY_ORDER))
        return split_device_add_all(vq, used, count, n);
    while (!error && added < count) {
        uint32_t run = split_device_passes(vq) ? split_device_add_several(vq, used + added, count - added) : 0;

        added += run;
        if (run > 0)
            continue;
        error = vring_split_device_add_used(vq, used[added].handle, used[added].len);
        added += !error;
    }
    *n = added;
    return error;
}

int vring_split_device_add_used_through(struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return VRING_E_FEATURE;

    int error = split_device_check_use(vq, handle, len);
    uint16_t head, last = handle_head(handle);

    if (error)
        return error;
    if (split_device_passes(vq) && vq->odd == 0) {
        split_device_pass(vq, (uint16_t)(vq->heads[last].record - vq->next_used) + 1u, last, len);
        return 0;
    }
    while ((head = vq->heads[vq->next_used & vq->ring.mask].order) != last) {
        if (!heads_held_back(vq->heads, head))
            split_device_hold_back(vq, head, vq->heads[head].writable);
        split_device_stage_due(vq);
    }
    split_device_hold_back(vq, last, len);
    split_device_stage_due(vq);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

/* Everything that the driver has made available has been used. */
static bool split_device_is_idle(const struct vring_split_device *vq)
{
    return vq->next_used == vq->next_avail && split_observe_avail(&vq->ring) == vq->next_avail;
}

/* Does the driver wish to be notified, now that what is behind before has been used? */
static PORT_INLINE int split_device_is_due(const struct vring_split_device *vq, uint16_t before)
{
    split_fence(&vq->ring); /* D */
    if (feature_on(vq->features, VRING_F_NOTIFY_ON_EMPTY | VRING_F_EVENT_IDX)) {
        if (feature_on(vq->features, VRING_F_NOTIFY_ON_EMPTY) && split_device_is_idle(vq))
            return 1;
        if (feature_on(vq->features, VRING_F_EVENT_IDX))
            return event_is_due(split_load_used_event(&vq->ring), vq->published, before);
    }
    return !(split_load_avail_flags(&vq->ring) & VRING_NO_NOTIFY);
}

/* publish of anything, or where there is nothing to publish. */
static PORT_REST int split_device_publish_any(struct vring_split_device *vq)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, SUSPENDED);

    if (refusal)
        return refusal;
    split_device_find_straight(vq);
    if (vq->next_used == vq->published)
        return resume_settle(&vq->owes);

    uint16_t before = vq->published;

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        split_device_end_batch(vq);
    vq->published = vq->next_used;
    split_publish_used(&vq->ring, vq->published); /* B */
    if (inflight_is_kept(&vq->inflight))
        inflight_split_publish(&vq->inflight, vq->heads, vq->published);

    int due = split_device_is_due(vq, before);

    return resume_settle(&vq->owes) | due;
}

int vring_split_device_publish(struct vring_split_device *vq)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || vq->next_used == vq->published))
        return split_device_publish_any(vq);

    uint16_t before = vq->published;

    if (!straight_is(vq->straight, STRAIGHT_ANY_ORDER)) {
        if (!straight_is(vq->straight, STRAIGHT_IN_ORDER))
            return split_device_publish_any(vq);
        split_device_end_batch(vq);
    }
    vq->published = vq->next_used;
    split_publish_used(&vq->ring, vq->published); /* B */
    return split_device_is_due(vq, before);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

int vring_split_device_enable_notify(struct vring_split_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (vq->seen_avail != vq->next_avail || vring_split_device_waits(vq))
        return 1;
    if (feature_on(vq->features, VRING_F_EVENT_IDX) && vq->avail_event != vq->next_avail) {
        vq->avail_event = vq->next_avail;
        split_store_avail_event(&vq->ring, vq->avail_event);
    }
    if (!feature_on(vq->features, VRING_F_EVENT_IDX) && vq->used_flags != 0) {
        vq->used_flags = 0;
        split_store_used_flags(&vq->ring, 0);
    }
    split_fence(&vq->ring); /* C */

    int error = vring_split_device_look(vq);

    return error ? error : vq->seen_avail != vq->next_avail;
}

int vring_split_device_disable_notify(struct vring_split_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (feature_on(vq->features, VRING_F_EVENT_IDX) && event_is_ahead(vq->avail_event, vq->next_avail)) {
        vq->avail_event = event_passed(vq->next_avail);
        split_store_avail_event(&vq->ring, vq->avail_event);
    }
    if (!feature_on(vq->features, VRING_F_EVENT_IDX) && vq->used_flags != VRING_NO_NOTIFY) {
        vq->used_flags = VRING_NO_NOTIFY;
        split_store_used_flags(&vq->ring, VRING_NO_NOTIFY);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ suspend --- */

int vring_split_device_suspend(struct vring_split_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    vq->live = SUSPENDED;
    straight_forget(&vq->straight);
    return (uint16_t)(vq->next_avail - vq->published);
}

int vring_split_device_resume(struct vring_split_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != SUSPENDED)
        return peer_verdict(vq->live);
    vq->live = LIVE;
    return vring_split_device_enable_notify(vq);
}

/* ------------------------------------------------------------------------------------------------------- memory --- */

int vring_split_device_set_regions(struct vring_split_device *vq, const struct vring_region *regions, uint32_t count)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    return vring_regions_replace(&vq->regions, regions, count, vring_split_device_in_flight(vq) > 0);
}

/* ---------------------------------------------------------------------------------------------------- questions --- */

uint16_t vring_split_device_in_flight(const struct vring_split_device *vq)
{
    return vq && vq->live > 0 ? (uint16_t)(vq->next_avail - vq->next_used) : 0;
}

struct vring_fault vring_split_device_fault(const struct vring_split_device *vq)
{
    static const struct vring_fault none = {0};

    return vq ? vq->fault : none;
}
