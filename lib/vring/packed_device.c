/* SPDX-License-Identifier: MIT */
/* The device side of the packed virtqueue. Reads beside split_device.c and packed_driver.c, in the same order. */
#include <vring/packed.h>

#include "batch.h"
#include "event.h"
#include "features.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "layout.h"
#include "packed_ring.h"
#include "packed_use.h"
#include "peer.h"
#include "regions.h"
#include "resume.h"
#include "straight.h"

VRING_STATIC_ASSERT(PEER_HEALTH_COMES_FIRST(struct vring_packed_device), "peer.h");
VRING_STATIC_ASSERT(HEADS_LIE_SIDE_BY_SIDE, "heads.h");

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int packed_device_check(const struct vring_device_config *config, const struct vring_packed_ring *ring)
{
    int error = vring_packed_check(ring, config->size, config->heads, config->head_count, sizeof *config->heads);

    if (error)
        return error;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
    if (!VRING_BUILD_REGIONS && config->regions_may_miss)
        return VRING_E_FEATURE;
    error = vring_features_check_packed(config->features);
    if (!error)
        error = vring_inflight_check(config, true);
    return error ? error : vring_regions_check(config->regions, config->region_count);
}

int vring_packed_device_prepare(struct vring_packed_device *vq, const struct vring_device_config *config)
{
    static const struct vring_packed_device fresh = {0};

    *vq = fresh;
    vq->ring.desc = config->desc;
    vq->ring.driver_area = config->driver_area;
    vq->ring.device_area = config->device_area;
    vq->ring.size = (uint16_t)config->size;
    vq->ring.platform = (config->features & VRING_F_ORDER_PLATFORM) != 0;

    int error = packed_device_check(config, &vq->ring);

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

void vring_packed_device_start(struct vring_packed_device *vq, struct vring_packed_position next_used,
                               struct vring_packed_position next_avail)
{
    vq->next_used = vq->published = vq->batch = next_used;
    vq->next_avail = next_avail;
    packed_store_event(vq->ring.device_area, packed_event(VRING_EVENT_ENABLE, 0));
    vq->live = LIVE;
}

int vring_packed_device_init(struct vring_packed_device *vq, const struct vring_device_config *config)
{
    struct vring_packed_device fresh;

    if (!vq || !config)
        return VRING_E_NULL;

    int error = vring_packed_device_prepare(&fresh, config);

    if (!error && (config->index & 0x7fff) >= config->size)
        error = VRING_E_SIZE;
    if (error)
        return error;
    *vq = fresh;

    struct vring_packed_position start = packed_start(config->index);

    heads_clear(vq->heads, vq->ring.size);
    if (inflight_is_kept(&vq->inflight))
        vring_inflight_start_packed(&vq->inflight, vq->heads, vq->ring.size, packed_entry(start), packed_wrap(start));
    vring_packed_device_start(vq, start, start);
    packed_device_find_straight(vq);
    return 0;
}

void vring_packed_device_reset(struct vring_packed_device *vq)
{
    if (!vq)
        return;
    vq->live = 0;
    straight_forget(&vq->straight);
}

/* --------------------------------------------------------------------------------------------------------- take --- */

void vring_packed_device_write_down(const struct vring_packed_device *vq)
{
    const struct vring_packed_ring *r = &vq->ring;

    for (uint32_t back = 0; PORT_FAST && back < packed_device_unwritten(vq); back++) {
        uint32_t id = packed_before_by(r, vq->last_id, back), place = packed_before_by(r, vq->taken, back + 1);
        struct vring_head *head = &vq->heads[id];

        head->handle = packed_device_row_handle(vq, id, back);
        head->record = (uint16_t)place;
        head->link = packed_entry(packed_back(r, vq->next_avail, back + 1));
        vq->heads[place].order = (uint16_t)id;
    }
}

/* The buffer that was taken so many before the next, 1 for the last. */
static uint16_t packed_device_taken_at(const struct vring_packed_device *vq, uint16_t back)
{
    return vq->heads[packed_before_by(&vq->ring, vq->taken, back)].order;
}

int vring_packed_device_rewind(struct vring_packed_device *vq, vring_handle handle)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (packed_device_passes(vq))
        packed_device_settle(vq);
    if (!heads_hold(vq->heads, vq->ring.size, handle) || !packed_device_holds(vq, handle_head(handle)))
        return VRING_E_HANDLE;
    struct vring_head *head = &vq->heads[handle_head(handle)];
    uint16_t waiting = (uint16_t)(resume_waiting(vq->waiting) + 1);
    uint32_t entries = head->taken;

    for (; VRING_BUILD_RESTART && (vq->heads[packed_device_taken_at(vq, waiting)].used & HEAD_BEFORE); waiting++)
        entries += vq->heads[packed_device_taken_at(vq, waiting)].taken; /* it was passed over */
    if (packed_device_taken_at(vq, waiting) != handle_head(handle))
        return VRING_E_HANDLE;
    if (VRING_BUILD_RESTART && (head->used & HEAD_AGAIN)) {
        heads_wait_again(vq->heads, handle_head(handle));
        vq->waiting = waiting;
        straight_forget(&vq->straight);
        vq->waiting_at = packed_back(&vq->ring, vq->waiting_at, entries);
        return 0;
    }
    if (inflight_is_kept(&vq->inflight))
        inflight_packed_drop(&vq->inflight, vq->heads, handle_head(handle));
    vq->next_avail = packed_back(&vq->ring, vq->next_avail, head->taken);
    vq->held = (uint16_t)(vq->held - head->taken);
    vq->taken = packed_before(&vq->ring, vq->taken);
    if (PORT_FAST)
        vq->row = 0;
    heads_release(vq->heads, handle_head(handle));
    vq->in_flight--;
    return 0;
}

int vring_packed_device_peek(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                             struct vring_chain *chain)
{
    uint16_t generation = vq ? vq->generation : 0;
    int answer = vring_packed_device_get_avail(vq, iov, n_iov, chain);

    if (answer == 0 || vring_error_blame(answer) == VRING_BLAME_CHAIN) {
        (void)vring_packed_device_rewind(vq, chain->handle);
        vq->generation = generation; /* no buffer was taken: stale handles come no nearer to what the next will have */
        chain->handle = HANDLE_NONE;
    }
    return answer;
}

/* ---------------------------------------------------------------------------------------------------------- add --- */

/* add_used with IN_ORDER. */
static PORT_NOINLINE int packed_device_add_in_order(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    const struct vring_used_chain one = {handle, len};
    int error;

    if (packed_device_passes(vq)) {
        packed_device_settle(vq);
        if (packed_device_add_in_turn(vq, &one, 1) == 1)
            return 0;
    }
    error = packed_device_check_use(vq, handle, len);
    if (error)
        return error;
    packed_device_hold_back(vq, handle_head(handle), len);
    packed_device_stage_in_order(vq);
    return 0;
}

/*
 * Stage the buffer of this id, which took up so many entries, and into which len bytes were written, where buffers are given back
 * in any order.
 */
static PORT_INLINE void packed_device_stage(struct vring_packed_device *vq, uint16_t id, uint32_t len, uint32_t taken)
{
    packed_device_write_used(&vq->ring, vq->next_used, id, len, vq->staged == 0 ? &vq->staged_first : NULL);
    vq->next_used = packed_forward(&vq->ring, vq->next_used, taken);
    vq->staged = (uint16_t)(vq->staged + taken);
    vq->in_flight--;
}

/* add_used of any buffer, or why it cannot be used. */
static PORT_REST int packed_device_add_any(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, SUSPENDED);

    if (refusal)
        return refusal;

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return packed_device_add_in_order(vq, handle, len);

    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    if (error)
        return error;

    uint32_t taken = vq->heads[handle_head(handle)].taken;

    packed_device_let_go(vq, vq->heads, handle_head(handle));
    packed_device_stage(vq, handle_head(handle), len, taken);
    return 0;
}

int vring_packed_device_add_used(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || !straight_is(vq->straight, STRAIGHT_ANY_ORDER) ||
                                    heads_check_use(vq->heads, vq->ring.size, handle, len) != 0))
        return packed_device_add_any(vq, handle, len);
    packed_device_stage(vq, handle_head(handle), len, vq->heads[handle_head(handle)].taken);
    heads_release(vq->heads, handle_head(handle));
    return 0;
}

/*
 * Add used buffers behind others that are staged, where they are given back in any order and without an inflight region, at
 * most to where the ring begins again. Returns why there are no more than *n.
 */
static PORT_NOINLINE int packed_device_add_straight(struct vring_packed_device *vq, const struct vring_used_chain *used,
                                                  uint32_t count, uint32_t *n)
{
    const struct vring_packed_position first = packed_in_lap(0, packed_lap(vq->next_used));
    struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(vq->next_used));
    const struct vring_packed_ring end = packed_from(&vq->ring, vq->ring.size);
    const struct vring_used_chain *next = used;
    struct vring_head *heads = vq->heads;
    int error = 0;

    for (const struct vring_used_chain *last = used + count; next != last && here.desc < end.desc; next++) {
        uint16_t id = handle_head(next->handle);

        error = heads_check_use(heads, here.size, next->handle, next->len);
        if (error)
            break;
        packed_device_write_used(&here, first, id, next->len, NULL);
        here = packed_from(&here, heads[id].taken);
        heads_release(heads, id);
    }

    uint32_t added = (uint32_t)(next - used), passed = packed_offset(&vq->ring, &here) - packed_entry(vq->next_used);

    vq->next_used = packed_forward(&vq->ring, vq->next_used, passed);
    vq->staged = (uint16_t)(vq->staged + passed);
    vq->in_flight = (uint16_t)(vq->in_flight - added);
    *n = added;
    return error;
}

int vring_packed_device_add_used_batch(struct vring_packed_device *vq, const struct vring_used_chain *used, uint32_t count,
                                       uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!used && count > 0))
        return VRING_E_NULL;

    bool straight = straight_is(vq->straight, STRAIGHT_ANY_ORDER);
    int error = vq->live <= 0 ? peer_verdict(vq->live) : 0;

    if (!error && packed_device_passes(vq))
        packed_device_settle(vq);
    while (!error && added < count) {
        uint32_t now = 0;

        if (packed_device_passes(vq))
            now = packed_device_add_in_turn(vq, &used[added], count - added);
        else if (straight && vq->staged > 0)
            error = packed_device_add_straight(vq, &used[added], count - added, &now);
        added += now;
        if (error || now > 0)
            continue;
        error = vring_packed_device_add_used(vq, used[added].handle, used[added].len);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

int vring_packed_device_add_used_through(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return VRING_E_FEATURE;

    uint16_t id, last = handle_head(handle);

    if (packed_device_passes(vq)) {
        if (vq->odd == 0 && last < vq->ring.size && packed_device_is_unwritten(vq, last))
            return packed_device_pass_row(vq, handle, len);
        packed_device_settle(vq);
    }

    int error = packed_device_check_use(vq, handle, len);

    if (error)
        return error;
    if (packed_device_passes(vq) && vq->odd == 0) {
        packed_device_pass_through(vq, last, len);
        return 0;
    }
    for (uint32_t at = vq->oldest; (id = vq->heads[at].order) != last; at = packed_after(&vq->ring, at))
        if (!heads_held_back(vq->heads, id))
            packed_device_hold_back(vq, id, vq->heads[id].writable);
    packed_device_hold_back(vq, last, len);
    packed_device_stage_in_order(vq);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

/* All that is staged is the driver's. */
static PORT_INLINE void packed_device_tell(struct vring_packed_device *vq)
{
    packed_publish_flags(&vq->ring, packed_entry(vq->published), vq->staged_first); /* B */
    vq->published = vq->next_used;
    vq->held = (uint16_t)(vq->held - vq->staged);
    vq->staged = 0;
}

/* The same, of what an inflight region may have noted. */
static void packed_device_tell_noted(struct vring_packed_device *vq)
{
    bool noted = inflight_is_kept(&vq->inflight);

    if (noted)
        inflight_packed_prepare(&vq->inflight, vq->heads, packed_entry(vq->next_used), packed_wrap(vq->next_used),
                                packed_wrap(vq->published));
    packed_device_tell(vq);
    if (noted)
        inflight_packed_publish(&vq->inflight, vq->heads, packed_entry(vq->next_used), packed_wrap(vq->next_used));
}

/* Does the driver wish to be notified, now that so many entries have been used? */
static PORT_INLINE int packed_device_is_due(const struct vring_packed_device *vq, uint16_t added)
{
    packed_fence(&vq->ring); /* D */

    uint32_t word = packed_load_event(vq->ring.driver_area);

    if (event_word_is_off(word))
        return 0;
    return event_word_is_due(word, feature_on(vq->features, VRING_F_EVENT_IDX), packed_place(vq->published), added,
                             vq->ring.size);
}

/* publish of anything, or where there is nothing to publish. */
static PORT_REST int packed_device_publish_any(struct vring_packed_device *vq)
{
    int refusal = peer_refusal(vq ? &vq->live : NULL, SUSPENDED);

    if (refusal)
        return refusal;
    packed_device_find_straight(vq);
    if (vq->staged == 0)
        return resume_settle(&vq->owes);

    uint16_t added = vq->staged;

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        packed_device_end_batch(vq);
    packed_device_tell_noted(vq);

    int due = packed_device_is_due(vq, added);

    return resume_settle(&vq->owes) | due;
}

int vring_packed_device_publish(struct vring_packed_device *vq)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || vq->staged == 0))
        return packed_device_publish_any(vq);

    uint16_t added = vq->staged;

    if (!straight_is(vq->straight, STRAIGHT_ANY_ORDER)) {
        if (!straight_is(vq->straight, STRAIGHT_IN_ORDER))
            return packed_device_publish_any(vq);
        packed_device_end_batch(vq);
    }
    packed_device_tell(vq);
    return packed_device_is_due(vq, added);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

static void packed_device_wish(struct vring_packed_device *vq, uint32_t event)
{
    if (vq->event == event)
        return;
    vq->event = event;
    packed_store_event(vq->ring.device_area, event);
}

int vring_packed_device_enable_notify(struct vring_packed_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (vring_packed_device_waits(vq))
        return 1;
    packed_device_wish(vq, feature_on(vq->features, VRING_F_EVENT_IDX)
                               ? packed_event(VRING_EVENT_DESC, packed_place(vq->next_avail))
                               : packed_event(VRING_EVENT_ENABLE, 0));
    packed_fence(&vq->ring); /* C */
    return packed_is_avail(packed_observe_flags(&vq->ring, packed_entry(vq->next_avail)), vq->next_avail);
}

int vring_packed_device_disable_notify(struct vring_packed_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    packed_device_wish(vq, packed_event(VRING_EVENT_DISABLE, 0));
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ suspend --- */

int vring_packed_device_suspend(struct vring_packed_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    vq->live = SUSPENDED;
    straight_forget(&vq->straight);
    return vq->in_flight + (vq->staged > 0);
}

int vring_packed_device_resume(struct vring_packed_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != SUSPENDED)
        return peer_verdict(vq->live);
    vq->live = LIVE;
    return vring_packed_device_enable_notify(vq);
}

/* ------------------------------------------------------------------------------------------------------- memory --- */

int vring_packed_device_set_regions(struct vring_packed_device *vq, const struct vring_region *regions, uint32_t count)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    return vring_regions_replace(&vq->regions, regions, count, vring_packed_device_in_flight(vq) > 0);
}

/* ---------------------------------------------------------------------------------------------------- questions --- */

uint16_t vring_packed_device_in_flight(const struct vring_packed_device *vq)
{
    return vq && vq->live > 0 ? vq->in_flight : 0;
}

struct vring_fault vring_packed_device_fault(const struct vring_packed_device *vq)
{
    static const struct vring_fault none = {0};

    return vq ? vq->fault : none;
}
