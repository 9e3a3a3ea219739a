/* SPDX-License-Identifier: MIT */
/* The device side of the split virtqueue. Reads beside split_driver.c, in the same order. */
#include <vring/split.h>

#include "batch.h"
#include "event.h"
#include "features.h"
#include "heads.h"
#include "indirect.h"
#include "inflight.h"
#include "layout.h"
#include "peer.h"
#include "regions.h"
#include "resume.h"
#include "split_ring.h"

/* ----------------------------------------------------------------------------------------------- life and death --- */

static int split_device_check(const struct vring_device_config *config, const struct vring_split_ring *ring)
{
    int error = vring_split_check(ring, config->size, config->heads, config->head_count, sizeof *config->heads);

    if (error)
        return error;
    if (config->max_chain > UINT16_MAX)
        return VRING_E_CHAIN;
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
    vq->event_idx = (config->features & VRING_F_EVENT_IDX) != 0;
    vq->indirect = (config->features & VRING_F_INDIRECT_DESC) != 0;
    vq->in_order = (config->features & VRING_F_IN_ORDER) != 0;
    vq->notify_on_empty = (config->features & VRING_F_NOTIFY_ON_EMPTY) != 0;
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
    if (vq->inflight.region)
        vring_inflight_start_split(&vq->inflight, vq->ring.size, config->index);
    vring_split_device_start(vq, config->index, config->index);
    return 0;
}

void vring_split_device_reset(struct vring_split_device *vq)
{
    if (vq)
        vq->live = 0;
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/* Look at avail.idx again: it may have moved forward, as far as the ring can hold. */
static PORT_INLINE int split_device_observe(struct vring_split_device *vq)
{
    uint16_t peer_idx = split_observe_avail(&vq->ring); /* A */

    uint16_t end = (uint16_t)(vq->published + vq->ring.size); /* the ring is full: nothing more can be offered */

    if (PEER_BAD((uint16_t)(peer_idx - vq->seen_avail) > (uint16_t)(end - vq->seen_avail)))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_INDEX, vq->seen_avail, peer_idx);
    vq->seen_avail = peer_idx;
    return 0;
}

/* Walk the indirect table that outer names (2.7.5.3). It ends the chain. */
static enum chain_step split_device_walk_table(struct vring_split_device *vq, struct chain_walk *walk,
                                               const struct chain_desc *outer, uint16_t position)
{
    struct vring_regions here = vq->regions; /* a table mostly lies elsewhere than the buffers that it lists */
    uint32_t entries = outer->len / 16, i = 0;
    enum chain_step step = vring_chain_table(walk, outer, position, vq->indirect);

    while (step == CHAIN_MORE) {
        struct chain_desc desc;
        uint64_t words[2];

        if (PEER_BAD(!indirect_fetch(&here, outer->addr + 16 * (uint64_t)i, words)))
            return vring_chain_no_table(walk, &here, i, outer->addr);
        desc = split_decode(words[0], words[1]);
        if (PEER_BAD(desc.flags & VRING_DESC_INDIRECT))
            return vring_chain_broken(walk, VRING_E_PEER_INDIRECT, i, desc.flags);
        step = vring_chain_take(walk, &desc, i, entries, &vq->regions);
        i = desc.next;
    }
    return step;
}

/* Walk the chain that starts with desc at head: direct descriptors, the last of which may name a table (2.7.5.3.2). */
static enum chain_step split_device_walk(struct vring_split_device *vq, struct chain_walk *walk, uint16_t head,
                                         struct chain_desc desc)
{
    uint16_t i = head;

    while (!(desc.flags & VRING_DESC_INDIRECT)) {
        enum chain_step step = vring_chain_take(walk, &desc, i, vq->ring.size, &vq->regions);

        if (step != CHAIN_MORE)
            return step;
        i = desc.next;
        desc = split_fetch_desc(&vq->ring, i);
    }
    return split_device_walk_table(vq, walk, &desc, i);
}

/* The buffer at head, of which chain has been told, is ours until it is used or rewound. */
static PORT_INLINE int split_device_take(struct vring_split_device *vq, uint16_t head, int refused, struct vring_chain *chain)
{
    if (PORT_UNLIKELY(vq->inflight.region))
        inflight_split_take(&vq->inflight, head);
    vq->next_avail++;
    chain->handle = heads_take(vq->heads, head, 1, chain->writable, refused != 0, vq->generation++);
    return refused;
}

/* Take the buffer at next_avail, whatever it is; desc is its first descriptor. */
static PORT_NOINLINE int split_device_take_any(struct vring_split_device *vq, struct chain_desc desc,
                                               struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    uint16_t head = vq->heads[vq->next_avail & vq->ring.mask].order;
    struct chain_walk walk;

    chain_start(&walk, iov, n_iov, vq->max_chain);
    if (split_device_walk(vq, &walk, head, desc) == CHAIN_BROKEN)
        return vring_poison(&vq->fault, &vq->live, walk.fault.error, walk.fault.position, walk.fault.value);

    int error = chain_report(&walk, chain);

    if (error)
        return error;
    return split_device_take(vq, head, walk.refused, chain);
}

/* The oldest buffer that is still to be handed out again; those used before their turn are not. */
static uint16_t split_device_oldest_waiting(const struct vring_split_device *vq)
{
    return vq->heads[(uint16_t)(vq->next_avail - vq->waiting) & vq->ring.mask].order;
}

static bool split_device_waits(struct vring_split_device *vq)
{
    while (vq->waiting > 0 && heads_held_back(vq->heads, split_device_oldest_waiting(vq)))
        vq->waiting--;
    return vq->waiting > 0;
}

/* Hand out again what was in flight before a restart. */
static PORT_NOINLINE int split_device_get_again(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                struct vring_chain *chain)
{
    uint16_t head = split_device_oldest_waiting(vq);
    struct chain_walk walk;

    chain_start(&walk, iov, n_iov, vq->max_chain);
    if (split_device_walk(vq, &walk, head, split_fetch_desc(&vq->ring, head)) == CHAIN_BROKEN)
        return vring_poison(&vq->fault, &vq->live, walk.fault.error, walk.fault.position, walk.fault.value);

    int error = chain_report(&walk, chain);

    if (error)
        return error;
    chain->handle = heads_take_again(vq->heads, head, chain->writable, walk.refused != 0);
    vq->waiting--;
    return walk.refused;
}

int vring_split_device_get_avail(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                 struct vring_chain *chain)
{
    if (!vq || !chain || (!iov && n_iov > 0))
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);

    uint16_t at = vq->next_avail;

    if (vq->seen_avail == at) {
        if (PORT_UNLIKELY(split_device_waits(vq)))
            return split_device_get_again(vq, iov, n_iov, chain);

        int error = split_device_observe(vq);

        if (error)
            return error;
        if (vq->seen_avail == at)
            return VRING_E_EMPTY;
    }

    uint16_t peer_head = split_load_avail_entry(&vq->ring, at);

    if (PEER_BAD(peer_head >= vq->ring.size))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, peer_head);

    uint16_t head = peer_head;

    if (PEER_BAD(vq->heads[head].taken))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, head);
    vq->heads[at & vq->ring.mask].order = head; /* taken or not: nobody asks before it is */

    struct chain_desc desc = split_fetch_desc(&vq->ring, head);

    if (!chain_single(&desc, &vq->regions, iov, n_iov, chain))
        return split_device_take_any(vq, desc, iov, n_iov, chain);
    return split_device_take(vq, head, 0, chain);
}

int vring_split_device_get_avail_batch(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                       struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    int error = VRING_E_ROOM;
    uint32_t taken = 0, pieces = 0;

    if (!vq || !n || (!iov && n_iov > 0) || (!chains && capacity > 0))
        return VRING_E_NULL;
    while (taken < capacity) {
        struct vring_chain *chain = &chains[taken];

        error = vring_split_device_get_avail(vq, iov ? &iov[pieces] : NULL, n_iov - pieces, chain);
        taken += error == 0 || vring_error_blame(error) == VRING_BLAME_CHAIN;
        if (error)
            break;
        pieces += chain->n_readable + chain->n_writable;
    }
    *n = taken;
    return batch_answer(error, taken);
}

int vring_split_device_rewind(struct vring_split_device *vq, vring_handle handle)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!heads_hold(vq->heads, vq->ring.size, handle))
        return VRING_E_HANDLE;

    uint16_t head = handle_head(handle);

    if (vq->heads[(uint16_t)(vq->next_avail - vq->waiting - 1) & vq->ring.mask].order != head)
        return VRING_E_HANDLE;
    if (vq->heads[head].used & HEAD_AGAIN) {
        heads_wait_again(vq->heads, head);
        vq->waiting++;
        vq->seen_avail = vq->next_avail; /* nothing newer is handed out before it */
        return 0;
    }
    if (vq->inflight.region)
        inflight_split_drop(&vq->inflight, head);
    heads_release(vq->heads, head);
    vq->next_avail--;
    return 0;
}

int vring_split_device_peek(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                             struct vring_chain *chain)
{
    int answer = vring_split_device_get_avail(vq, iov, n_iov, chain);

    if (answer == 0 || vring_error_blame(answer) == VRING_BLAME_CHAIN)
        (void)vring_split_device_rewind(vq, chain->handle);
    return answer;
}

/* ---------------------------------------------------------------------------------------------------------- add --- */

/* The buffer at head is the driver's from publish on. */
static inline void split_device_stage(struct vring_split_device *vq, uint16_t head)
{
    if (PORT_UNLIKELY(vq->inflight.region))
        inflight_split_stage(&vq->inflight, vq->heads, head);
    else
        heads_release(vq->heads, head);
    vq->next_used++;
}

/* End the batch at next_used: one element, at the place of its first buffer, names its last (2.7.9). */
static void split_device_end_batch(struct vring_split_device *vq)
{
    if (vq->batch == vq->next_used)
        return;
    split_store_used(&vq->ring, vq->batch, vq->batch_head, vq->batch_len);
    vq->batch = vq->next_used;
}

/*
 * add_used with IN_ORDER: stage all whose turn it is. One that was not used in full has to be the last of its batch: only
 * that one's length is told.
 */
static PORT_NOINLINE int split_device_add_in_order(struct vring_split_device *vq, uint16_t used, uint32_t len)
{
    heads_hold_back(vq->heads, used, len);
    while (vq->next_used != vq->next_avail) {
        uint16_t head = vq->heads[vq->next_used & vq->ring.mask].order;
        bool in_full = vq->heads[head].used == HEAD_USED_IN_FULL;

        if (!heads_held_back(vq->heads, head))
            return 0;
        vq->batch_head = head;
        vq->batch_len = vq->heads[head].writable;
        split_device_stage(vq, head);
        if (!in_full)
            split_device_end_batch(vq);
    }
    return 0;
}

int vring_split_device_add_used(struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!heads_hold(vq->heads, vq->ring.size, handle))
        return VRING_E_HANDLE;

    uint16_t head = handle_head(handle);

    if (len > vq->heads[head].writable)
        return VRING_E_LEN;
    if (vq->in_order)
        return split_device_add_in_order(vq, head, len);
    split_store_used(&vq->ring, vq->next_used, head, len);
    split_device_stage(vq, head);
    return 0;
}

int vring_split_device_add_used_batch(struct vring_split_device *vq, const struct vring_used_chain *used, uint32_t count,
                                      uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!used && count > 0))
        return VRING_E_NULL;

    int error = vq->live <= 0 ? peer_verdict(vq->live) : 0;

    for (; !error && added < count; added += !error)
        error = vring_split_device_add_used(vq, used[added].handle, used[added].len);
    *n = added;
    return batch_answer(error, added);
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

/* Everything that the driver has made available has been used. */
static bool split_device_is_idle(const struct vring_split_device *vq)
{
    return vq->next_used == vq->next_avail && split_observe_avail(&vq->ring) == vq->next_avail;
}

int vring_split_device_publish(struct vring_split_device *vq)
{
    uint16_t before;

    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->next_used == vq->published)
        return resume_settle(&vq->owes);

    before = vq->published;
    if (vq->in_order)
        split_device_end_batch(vq);
    split_publish_used(&vq->ring, vq->next_used); /* B */
    vq->published = vq->next_used;
    if (PORT_UNLIKELY(vq->inflight.region))
        inflight_split_publish(&vq->inflight, vq->heads, vq->published);
    split_fence(&vq->ring); /* D */
    if (PORT_UNLIKELY(vq->owes))
        return resume_settle(&vq->owes);
    if (vq->notify_on_empty && split_device_is_idle(vq))
        return 1;
    if (vq->event_idx)
        return event_is_due(split_load_used_event(&vq->ring), vq->published, before);
    return !(split_load_avail_flags(&vq->ring) & VRING_NO_NOTIFY);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

int vring_split_device_enable_notify(struct vring_split_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (vq->seen_avail != vq->next_avail || split_device_waits(vq))
        return 1;
    if (vq->event_idx && vq->avail_event != vq->next_avail) {
        vq->avail_event = vq->next_avail;
        split_store_avail_event(&vq->ring, vq->avail_event);
    }
    if (!vq->event_idx && vq->used_flags != 0) {
        vq->used_flags = 0;
        split_store_used_flags(&vq->ring, 0);
    }
    split_fence(&vq->ring); /* C */

    int error = split_device_observe(vq);

    return error ? error : vq->seen_avail != vq->next_avail;
}

int vring_split_device_disable_notify(struct vring_split_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (vq->event_idx && event_is_ahead(vq->avail_event, vq->next_avail)) {
        vq->avail_event = event_passed(vq->next_avail);
        split_store_avail_event(&vq->ring, vq->avail_event);
    }
    if (!vq->event_idx && vq->used_flags != VRING_NO_NOTIFY) {
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
    if (!(vq->features & VRING_F_SUSPEND))
        return VRING_E_FEATURE;
    vq->live = SUSPENDED;
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
