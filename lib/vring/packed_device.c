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
#include "peer.h"
#include "regions.h"
#include "resume.h"

VRING_STATIC_ASSERT(PEER_HEALTH_COMES_FIRST(struct vring_packed_device), "peer.h");

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int packed_device_check(const struct vring_device_config *config, const struct vring_packed_ring *ring)
{
    int error = vring_packed_check(ring, config->size, config->heads, config->head_count, sizeof *config->heads);

    if (error)
        return error;
    if ((config->index & 0x7fff) >= config->size)
        return VRING_E_SIZE;
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

    if (error)
        return error;
    *vq = fresh;

    struct vring_packed_position start = packed_start(config->index);

    heads_clear(vq->heads, vq->ring.size);
    if (inflight_is_kept(&vq->inflight))
        vring_inflight_start_packed(&vq->inflight, vq->heads, vq->ring.size, packed_entry(start), packed_wrap(start));
    vring_packed_device_start(vq, start, start);
    return 0;
}

void vring_packed_device_reset(struct vring_packed_device *vq)
{
    if (vq)
        vq->live = 0;
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
    if (vq->heads[packed_before_by(&vq->ring, vq->taken, resume_waiting(vq->waiting) + 1u)].order != handle_head(handle))
        return VRING_E_HANDLE;

    struct vring_head *head = &vq->heads[handle_head(handle)];

    if (VRING_BUILD_RESTART && (head->used & HEAD_AGAIN)) {
        heads_wait_again(vq->heads, handle_head(handle));
        vq->waiting++;
        vq->waiting_at = packed_back(&vq->ring, vq->waiting_at, head->taken);
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
    int answer = vring_packed_device_get_avail(vq, iov, n_iov, chain);

    if (answer == 0 || vring_error_blame(answer) == VRING_BLAME_CHAIN)
        (void)vring_packed_device_rewind(vq, chain->handle);
    return answer;
}

/* ---------------------------------------------------------------------------------------------------------- add --- */

/* What using moves; as struct packed_device_taking of packed_take.c. */
struct packed_device_using {
    struct vring_packed_position at; /* next_used */
    uint32_t buffers; /* that have been staged by this call */
};

static PORT_INLINE struct packed_device_using packed_device_using(const struct vring_packed_device *vq)
{
    struct packed_device_using progress = {vq->next_used, 0};

    return progress;
}

static PORT_INLINE void packed_device_used(struct vring_packed_device *vq, const struct packed_device_using *progress)
{
    vq->staged = (uint16_t)(vq->staged + packed_distance(&vq->ring, vq->next_used, progress->at));
    vq->next_used = progress->at;
    vq->in_flight = (uint16_t)(vq->in_flight - progress->buffers);
}

/*
 * Write a used descriptor. The flags of the first of what is to be published are kept back: they are what publishes it;
 * kept is where they are put then, and otherwise null.
 */
static PORT_INLINE void packed_device_write_used(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                 uint32_t id, uint32_t len, uint16_t *kept)
{
    uint32_t flags = len > 0 ? packed_used_flags(at) | VRING_DESC_WRITE : packed_used_flags(at);

    if (!PORT_FAST || kept) {
        packed_prepare_used(r, packed_entry(at), len, id);
        if (kept)
            *kept = (uint16_t)flags;
        else
            packed_store_flags(r, packed_entry(at), flags);
    } else {
        packed_store_used(r, packed_entry(at), len, id, flags);
    }
}

/* Where the flags are kept of a used descriptor that is to be written at this place. */
static PORT_INLINE uint16_t *packed_device_kept(struct vring_packed_device *vq, struct vring_packed_position at)
{
    return packed_same(at, vq->published) ? &vq->staged_first : NULL;
}

/* The buffer of this id has been used: the ring entries it took up are passed. */
static PORT_INLINE void packed_device_pass(const struct vring_packed_ring *r, struct vring_head *heads, uint16_t id,
                                           struct packed_device_using *progress)
{
    progress->at = packed_forward(r, progress->at, heads[id].taken);
    progress->buffers++;
}

/* ... and is not ours any longer, or when it is published. */
static PORT_INLINE void packed_device_let_go(struct vring_packed_device *vq, struct vring_head *heads, uint16_t id)
{
    if (inflight_is_kept(&vq->inflight))
        inflight_stage(&vq->inflight, heads, id);
    else
        heads_release(heads, id);
}

/* End the batch at next_used: one used descriptor, at the place of its first buffer, names its last (2.8.8). */
static void packed_device_end_batch(struct vring_packed_device *vq)
{
    if (packed_same(vq->batch, vq->next_used))
        return;
    packed_device_write_used(&vq->ring, vq->batch, vq->batch_id, vq->batch_len, packed_device_kept(vq, vq->batch));
    vq->batch = vq->next_used;
}

/*
 * Stage all that were used and whose turn it is. One that was not used in full has to be the last of its batch: only that
 * one's length is told.
 */
static PORT_NOINLINE void packed_device_stage_in_order(struct vring_packed_device *vq)
{
    while (vq->in_flight > 0) {
        uint16_t id = vq->heads[vq->oldest].order;
        bool in_full = vq->heads[id].used == HEAD_USED_IN_FULL;
        struct packed_device_using progress = packed_device_using(vq);

        if (!heads_held_back(vq->heads, id))
            return;
        if (vq->in_flight == resume_waiting(vq->waiting))
            (void)vring_packed_device_waits(vq); /* it is passed over while it still says what it is */
        vq->batch_id = id;
        vq->batch_len = vq->heads[id].writable;
        vq->oldest = packed_after(&vq->ring, vq->oldest);
        packed_device_pass(&vq->ring, vq->heads, id, &progress);
        packed_device_let_go(vq, vq->heads, id);
        packed_device_used(vq, &progress);
        if (HOLDS_BY_PLACE && vq->odd > 0)
            vq->odd--;
        if (!in_full)
            packed_device_end_batch(vq);
    }
}

/* With IN_ORDER: the buffer of this id has been used, be it its turn or not. */
static void packed_device_hold_back(struct vring_packed_device *vq, uint16_t id, uint32_t len)
{
    heads_hold_back(vq->heads, id, len);
    vq->odd = vq->in_flight;
}

/*
 * Where buffers are passed: count of them, up to the one of this id, have been used, those before it in full; behind it are
 * this place in the ring, and that one in order[]. One used descriptor will stand for all of them.
 */
static PORT_INLINE void packed_device_pass_to(struct vring_packed_device *vq, uint16_t id, uint32_t len, uint32_t count,
                                              struct vring_packed_position at, uint32_t place)
{
    const struct packed_device_using progress = {at, count};

    vq->batch_id = id;
    vq->batch_len = len;
    vq->oldest = place;
    packed_device_used(vq, &progress);
    if (!heads_used_in_full(vq->heads, id, len))
        packed_device_end_batch(vq);
}

/* The same, of what its head says. */
static PORT_INLINE void packed_device_pass_through(struct vring_packed_device *vq, uint16_t id, uint32_t len)
{
    const struct vring_packed_ring *r = &vq->ring;
    uint32_t entries = packed_span(r, packed_entry(vq->next_used), vq->heads[id].link), place = vq->heads[id].record;

    packed_device_pass_to(vq, id, len, packed_span(r, vq->oldest, place), packed_forward(r, vq->next_used, entries),
                          packed_after(r, place));
}

/* The same, of one in a row. 0, VRING_E_HANDLE or VRING_E_LEN. */
static PORT_INLINE int packed_device_pass_row(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    const struct vring_packed_ring *r = &vq->ring;
    uint16_t id = handle_head(handle);
    uint32_t back = packed_before_by(r, vq->last_id, id);

    if (handle != packed_device_row_handle(vq, id, back))
        return VRING_E_HANDLE;
    if (len > vq->heads[id].writable)
        return VRING_E_LEN;
    packed_device_pass_to(vq, id, len, vq->in_flight - back, packed_back(r, vq->next_avail, back),
                          packed_before_by(r, vq->taken, back));
    return 0;
}

/* Where buffers are passed: as long as each is the next whose turn it is, used in full as most are. How many. */
static PORT_INLINE uint32_t packed_device_add_in_turn(struct vring_packed_device *vq, const struct vring_used_chain *used,
                                                      uint32_t count)
{
    const struct vring_head *heads = vq->heads;
    uint32_t at = vq->oldest, most = batch_least(vq->in_flight, count), added = 0;
    uint16_t id = 0;

    if (vq->odd > 0)
        return 0;
    for (; added < most; added++, at = packed_after(&vq->ring, at)) {
        uint16_t next = heads[at].order;

        if (heads[next].handle != used[added].handle || !heads_used_in_full(heads, next, used[added].len))
            break;
        id = next;
    }
    if (added > 0)
        packed_device_pass_through(vq, id, heads[id].writable);
    return added;
}

/* With IN_ORDER: may the buffer that the handle names be given back with len bytes written? As heads_check_use(). */
static int packed_device_check_use(const struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    return error != VRING_E_HANDLE && !packed_device_holds(vq, handle_head(handle)) ? VRING_E_HANDLE : error;
}

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
    if (!PORT_FAST || PORT_UNLIKELY(!vq || vq->live <= 0 || inflight_is_kept(&vq->inflight)))
        return packed_device_add_any(vq, handle, len);
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        return packed_device_add_in_order(vq, handle, len);
    if (PORT_UNLIKELY(heads_check_use(vq->heads, vq->ring.size, handle, len) != 0))
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

    bool straight = PORT_FAST && !inflight_is_kept(&vq->inflight) && !feature_on(vq->features, VRING_F_IN_ORDER);
    int error = vq->live <= 0 ? peer_verdict(vq->live) : 0;

    if (packed_device_passes(vq))
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
    if (!PORT_FAST || PORT_UNLIKELY(!vq || vq->live <= 0 || vq->staged == 0 || inflight_is_kept(&vq->inflight) ||
                                    resume_owes(vq->owes)))
        return packed_device_publish_any(vq);

    uint16_t added = vq->staged;

    if (feature_on(vq->features, VRING_F_IN_ORDER))
        packed_device_end_batch(vq);

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
