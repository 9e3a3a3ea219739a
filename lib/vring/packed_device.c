/* SPDX-License-Identifier: MIT */
/* The device side of the packed virtqueue. Reads beside split_device.c and packed_driver.c, in the same order. */
#include <vring/packed.h>

#include "batch.h"
#include "event.h"
#include "features.h"
#include "heads.h"
#include "indirect.h"
#include "inflight.h"
#include "layout.h"
#include "packed_ring.h"
#include "peer.h"
#include "regions.h"
#include "resume.h"

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
    vq->event_idx = (config->features & VRING_F_EVENT_IDX) != 0;
    vq->indirect = (config->features & VRING_F_INDIRECT_DESC) != 0;
    vq->generation = config->generation;
    vq->in_order = (config->features & VRING_F_IN_ORDER) != 0;
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
    if (vq->inflight.region)
        vring_inflight_start_packed(&vq->inflight, vq->heads, vq->ring.size, start.offset, packed_wrap(start));
    vring_packed_device_start(vq, start, start);
    return 0;
}

void vring_packed_device_reset(struct vring_packed_device *vq)
{
    if (vq)
        vq->live = 0;
}

/* --------------------------------------------------------------------------------------------------------- take --- */

/* Walk the indirect table that outer names (2.8.7): as many entries as its length says, in order. */
static enum chain_step packed_device_walk_table(struct vring_packed_device *vq, struct chain_walk *walk,
                                                const struct chain_desc *outer, uint16_t offset)
{
    struct vring_regions here = vq->regions; /* a table mostly lies elsewhere than the buffers that it lists */
    uint32_t entries = outer->len / 16;
    enum chain_step step = vring_chain_table(walk, outer, offset, vq->indirect);

    for (uint32_t i = 0; step == CHAIN_MORE; i++) {
        struct chain_desc desc;
        uint64_t words[2];

        if (PEER_BAD(!indirect_fetch(&here, outer->addr + 16 * (uint64_t)i, words)))
            return vring_chain_no_table(walk, &here, i, outer->addr);
        desc = packed_decode_entry(words, i + 1 == entries);
        step = vring_chain_take(walk, &desc, i, entries, &vq->regions);
    }
    return step;
}

enum { NO_LINKS = 0x10000 }; /* a packed descriptor has no next that could lie outside its table */

/* Where a list of descriptors is read from. */
struct packed_device_list {
    struct vring_packed_position at; /* in the ring */
    uint16_t descriptors; /* ring entries: found so far ... */
    uint16_t limit;       /* ... and at most */
    uint16_t record;      /* with an inflight region: where the next is noted there */
    bool noted;           /* ... and is read from: the ring's has been overwritten since */
};

/* The next descriptor of the list; next is its id. */
static struct chain_desc packed_device_next(struct vring_packed_device *vq, struct packed_device_list *list)
{
    struct chain_desc desc;

    list->descriptors++;
    list->at = packed_forward(&vq->ring, list->at, 1);
    if (list->noted) {
        desc = inflight_packed_fetch(&vq->inflight, list->record);
        list->record = inflight_after(vq->heads, list->record);
        return desc;
    }
    desc = packed_fetch_desc(&vq->ring, list->at.offset, packed_load_flags(&vq->ring, list->at.offset));
    if (vq->inflight.region)
        list->record = inflight_packed_note(&vq->inflight, vq->heads, list->record, &desc);
    return desc;
}

/*
 * Walk a list: direct descriptors, or one that names a table. The others were written before the first.
 *
 * desc  the first; then the last, which has the id (2.8.6)
 */
static enum chain_step packed_device_walk(struct vring_packed_device *vq, struct chain_walk *walk,
                                          struct chain_desc *desc, struct packed_device_list *list)
{
    enum chain_step step;

    if (desc->flags & VRING_DESC_INDIRECT)
        return packed_device_walk_table(vq, walk, desc, list->at.offset);
    while ((step = vring_chain_take(walk, desc, list->at.offset, NO_LINKS, &vq->regions)) == CHAIN_MORE) {
        if (PEER_BAD(list->descriptors >= list->limit))
            return vring_chain_broken(walk, VRING_E_PEER_LOOP, list->at.offset, desc->flags);
        *desc = packed_device_next(vq, list);
        if (PEER_BAD(desc->flags & VRING_DESC_INDIRECT)) /* 2.8.19: a list is direct or indirect, not both */
            return vring_chain_broken(walk, VRING_E_PEER_INDIRECT, list->at.offset, desc->flags);
    }
    return step;
}

/*
 * What taking moves. Copied out of the queue and back, once for a whole batch: what is stored through a caller's pointer
 * could be the queue, as far as the compiler knows, and it would load everything again behind each.
 */
struct packed_device_taking {
    struct vring_packed_position at; /* next_avail */
    uint16_t held;
    uint16_t taken;
    uint16_t generation;
};

static PORT_INLINE struct packed_device_taking packed_device_taking(const struct vring_packed_device *vq)
{
    struct packed_device_taking taking = {vq->next_avail, vq->held, vq->taken, vq->generation};

    return taking;
}

static PORT_INLINE void packed_device_taken(struct vring_packed_device *vq, const struct packed_device_taking *taking)
{
    vq->in_flight = (uint16_t)(vq->in_flight + (uint16_t)(taking->generation - vq->generation));
    vq->next_avail = taking->at;
    vq->held = taking->held;
    vq->taken = taking->taken;
    vq->generation = taking->generation;
}

/* The buffer at taking->at, of which chain has been told, is ours until it is used or rewound. */
static PORT_INLINE void packed_device_take(const struct vring_packed_ring *r, struct vring_head *heads,
                                           struct packed_device_taking *taking, uint16_t id, uint16_t descriptors,
                                           bool refused, struct vring_chain *chain)
{
    heads[taking->taken].order = id;
    taking->taken = packed_after(r, taking->taken);
    taking->held = (uint16_t)(taking->held + descriptors);
    taking->at = packed_forward(r, taking->at, descriptors);
    chain->handle = heads_take(heads, id, descriptors, chain->writable, refused, taking->generation++);
}

/* Is this the id of a buffer that could be given to us? 0, or what broke the queue. */
static PORT_INLINE int packed_device_judge_id(struct vring_packed_device *vq, const struct vring_packed_ring *r,
                                              const struct vring_head *heads, struct vring_packed_position at,
                                              uint16_t peer_id)
{
    if (PEER_BAD(peer_id >= r->size))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at.offset, peer_id);

    uint16_t id = peer_id;

    if (PEER_BAD(heads[id].taken))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at.offset, id);
    return 0;
}

/* Take the buffer at next_avail, whatever it is; desc is its first descriptor. */
static PORT_NOINLINE int packed_device_take_any(struct vring_packed_device *vq, struct chain_desc desc,
                                                struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    struct packed_device_list list = {
        .at = vq->next_avail,
        .descriptors = 1,
        .limit = (uint16_t)(vq->ring.size - vq->held),
        .record = vq->inflight.free_head,
    };
    struct chain_walk walk;

    if (vq->inflight.region)
        list.record = inflight_packed_note(&vq->inflight, vq->heads, list.record, &desc);
    chain_start(&walk, iov, n_iov, vq->max_chain);
    if (packed_device_walk(vq, &walk, &desc, &list) == CHAIN_BROKEN)
        return vring_poison(&vq->fault, &vq->live, walk.fault.error, walk.fault.position, walk.fault.value);

    int error = packed_device_judge_id(vq, &vq->ring, vq->heads, vq->next_avail, desc.next);

    if (error)
        return error;
    error = chain_report(&walk, chain);
    if (error)
        return error;

    struct packed_device_taking taking = packed_device_taking(vq);

    if (vq->inflight.region)
        inflight_packed_take(&vq->inflight, vq->heads, desc.next, list.descriptors);
    packed_device_take(&vq->ring, vq->heads, &taking, desc.next, list.descriptors, walk.refused != 0, chain);
    packed_device_taken(vq, &taking);
    return walk.refused;
}

/* The oldest buffer that is still to be handed out again; those used before their turn are not. */
static uint16_t packed_device_oldest_waiting(const struct vring_packed_device *vq)
{
    return vq->heads[packed_before_by(&vq->ring, vq->taken, vq->waiting)].order;
}

static bool packed_device_waits(struct vring_packed_device *vq)
{
    for (; vq->waiting > 0 && heads_held_back(vq->heads, packed_device_oldest_waiting(vq)); vq->waiting--)
        vq->waiting_at = packed_forward(&vq->ring, vq->waiting_at, vq->heads[packed_device_oldest_waiting(vq)].taken);
    return vq->waiting > 0;
}

/* Hand out again what was in flight before a restart: as the inflight region has it, or else the ring. */
static PORT_NOINLINE int packed_device_get_again(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                 struct vring_chain *chain)
{
    uint16_t id = packed_device_oldest_waiting(vq), at = vq->waiting_at.offset;
    struct packed_device_list list = {
        .at = vq->waiting_at,
        .descriptors = 1,
        .limit = vq->heads[id].taken,
        .record = vq->heads[id].record,
        .noted = vq->inflight.region != NULL,
    };
    struct chain_desc desc;
    struct chain_walk walk;

    if (list.noted) {
        desc = inflight_packed_fetch(&vq->inflight, list.record);
        list.record = inflight_after(vq->heads, list.record);
    } else {
        desc = packed_fetch_desc(&vq->ring, at, packed_observe_flags(&vq->ring, at)); /* A */
    }
    chain_start(&walk, iov, n_iov, vq->max_chain);
    if (packed_device_walk(vq, &walk, &desc, &list) == CHAIN_BROKEN)
        return vring_poison(&vq->fault, &vq->live, walk.fault.error, walk.fault.position, walk.fault.value);

    uint16_t peer_id = desc.next;

    if (PEER_BAD(peer_id != id || list.descriptors != list.limit))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, at, peer_id);

    int error = chain_report(&walk, chain);

    if (error)
        return error;
    chain->handle = heads_take_again(vq->heads, id, chain->writable, walk.refused != 0);
    vq->waiting_at = packed_forward(&vq->ring, vq->waiting_at, list.limit);
    vq->waiting--;
    return walk.refused;
}

enum { OTHER = 1 }; /* not a buffer that can be taken straight */

/*
 * Take buffers as long as they are single pieces (chain_single). tracked: with an inflight region there are none. Returns
 * why there are no more than *n; with OTHER, *desc is the first descriptor of the next.
 */
static PORT_INLINE int packed_device_get_singles(struct vring_packed_device *vq, bool tracked, struct vring_iov *iov,
                                                 uint32_t n_iov, struct vring_chain *chains, uint32_t capacity,
                                                 uint32_t *n, struct chain_desc *desc)
{
    struct packed_device_taking taking = packed_device_taking(vq);
    const struct vring_packed_ring r = vq->ring;
    const struct vring_regions regions = vq->regions;
    struct vring_head *heads = vq->heads;
    uint32_t taken = 0;
    int error = 0;

    for (; taken < capacity; taken++) {
        uint16_t at = taking.at.offset;
        uint16_t flags = packed_observe_flags(&r, at); /* A */

        if (!packed_is_avail(flags, taking.at)) {
            error = VRING_E_EMPTY;
            break;
        }
        if (PEER_BAD(taking.held >= r.size)) {
            error = vring_poison(&vq->fault, &vq->live, VRING_E_PEER_LOOP, at, flags);
            break;
        }
        *desc = packed_fetch_desc(&r, at, flags);
        if (tracked || !chain_single(desc, &regions, iov, n_iov - taken, &chains[taken])) {
            error = OTHER;
            break;
        }
        error = packed_device_judge_id(vq, &r, heads, taking.at, desc->next);
        if (error)
            break;
        packed_device_take(&r, heads, &taking, desc->next, 1, false, &chains[taken]);
        iov++;
    }
    packed_device_taken(vq, &taking);
    *n = taken;
    return error;
}

int vring_packed_device_get_avail(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                  struct vring_chain *chain)
{
    struct chain_desc desc;
    uint32_t n;

    if (!vq || !chain || (!iov && n_iov > 0))
        return VRING_E_NULL;
    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (PORT_UNLIKELY(packed_device_waits(vq)))
        return packed_device_get_again(vq, iov, n_iov, chain);

    int answer = packed_device_get_singles(vq, vq->inflight.region != NULL, iov, n_iov, chain, 1, &n, &desc);

    return answer == OTHER ? packed_device_take_any(vq, desc, iov, n_iov, chain) : answer;
}

int vring_packed_device_get_avail_batch(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                       struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0, pieces = 0;

    if (!vq || !n || (!iov && n_iov > 0) || (!chains && capacity > 0))
        return VRING_E_NULL;

    bool straight = PORT_FAST && vq->live == LIVE && vq->waiting == 0 && !vq->inflight.region;
    int error = VRING_E_ROOM;

    while (taken < capacity) {
        struct chain_desc desc;
        uint32_t singles = 0;

        error = straight ? packed_device_get_singles(vq, false, iov ? &iov[pieces] : NULL, n_iov - pieces, &chains[taken],
                                                     capacity - taken, &singles, &desc)
                         : OTHER;
        taken += singles;
        pieces += singles;
        if (error != OTHER)
            break;

        struct vring_chain *chain = &chains[taken];
        struct vring_iov *room = iov ? &iov[pieces] : NULL;

        error = straight ? packed_device_take_any(vq, desc, room, n_iov - pieces, chain)
                         : vring_packed_device_get_avail(vq, room, n_iov - pieces, chain);
        taken += error == 0 || vring_error_blame(error) == VRING_BLAME_CHAIN;
        if (error)
            break;
        pieces += chain->n_readable + chain->n_writable;
    }
    *n = taken;
    return batch_answer(error, taken);
}

int vring_packed_device_rewind(struct vring_packed_device *vq, vring_handle handle)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (!heads_hold(vq->heads, vq->ring.size, handle))
        return VRING_E_HANDLE;
    if (vq->heads[packed_before_by(&vq->ring, vq->taken, vq->waiting + 1u)].order != handle_head(handle))
        return VRING_E_HANDLE;

    struct vring_head *head = &vq->heads[handle_head(handle)];

    if (head->used & HEAD_AGAIN) {
        heads_wait_again(vq->heads, handle_head(handle));
        vq->waiting++;
        vq->waiting_at = packed_back(&vq->ring, vq->waiting_at, head->taken);
        return 0;
    }
    if (vq->inflight.region)
        inflight_packed_drop(&vq->inflight, vq->heads, handle_head(handle));
    vq->next_avail = packed_back(&vq->ring, vq->next_avail, head->taken);
    vq->held = (uint16_t)(vq->held - head->taken);
    vq->taken = packed_before(&vq->ring, vq->taken);
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

/* What using moves; as struct packed_device_taking. */
struct packed_device_using {
    struct vring_packed_position at; /* next_used */
    uint16_t staged;
    uint16_t buffers; /* that have been staged by this call */
};

static PORT_INLINE struct packed_device_using packed_device_using(const struct vring_packed_device *vq)
{
    struct packed_device_using progress = {vq->next_used, vq->staged, 0};

    return progress;
}

static PORT_INLINE void packed_device_used(struct vring_packed_device *vq, const struct packed_device_using *progress)
{
    vq->next_used = progress->at;
    vq->staged = progress->staged;
    vq->in_flight = (uint16_t)(vq->in_flight - progress->buffers);
}

/*
 * Write a used descriptor. The flags of the first of what is to be published are kept back: they are what publishes it;
 * kept is where they are put then, and otherwise null.
 */
static PORT_INLINE void packed_device_write_used(const struct vring_packed_ring *r, struct vring_packed_position at,
                                                 uint16_t id, uint32_t len, uint16_t *kept)
{
    unsigned flags = packed_used_flags(at) | (len > 0 ? VRING_DESC_WRITE : 0u);

    if (kept) {
        *kept = (uint16_t)flags;
        packed_prepare_used(r, at.offset, len, id);
    } else {
        packed_store_used(r, at.offset, len, id, (uint16_t)flags);
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
    progress->staged = (uint16_t)(progress->staged + heads[id].taken);
    progress->buffers++;
}

/* ... and is not ours any longer, or when it is published. */
static PORT_INLINE void packed_device_let_go(struct vring_packed_device *vq, struct vring_head *heads, uint16_t id)
{
    if (PORT_UNLIKELY(vq->inflight.region))
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
        vq->batch_id = id;
        vq->batch_len = vq->heads[id].writable;
        vq->oldest = packed_after(&vq->ring, vq->oldest);
        packed_device_pass(&vq->ring, vq->heads, id, &progress);
        packed_device_let_go(vq, vq->heads, id);
        packed_device_used(vq, &progress);
        if (!in_full)
            packed_device_end_batch(vq);
    }
}

/* Does the handle name a buffer that we hold, with room for len bytes? 0, VRING_E_HANDLE or VRING_E_LEN. */
static PORT_INLINE int packed_device_judge_use(const struct vring_packed_ring *r, const struct vring_head *heads,
                                               vring_handle handle, uint32_t len)
{
    if (!heads_hold(heads, r->size, handle))
        return VRING_E_HANDLE;
    return len > heads[handle_head(handle)].writable ? VRING_E_LEN : 0;
}

/*
 * Use buffers with IN_ORDER and without an inflight region, as long as it is their turn and they are used in full: nothing
 * is written until their batch ends. Returns how many there were.
 */
static PORT_INLINE uint32_t packed_device_add_in_turn(struct vring_packed_device *vq, const struct vring_used_chain *used,
                                                      uint32_t count)
{
    struct packed_device_using progress = packed_device_using(vq);
    const struct vring_packed_ring r = vq->ring;
    struct vring_head *heads = vq->heads;
    uint16_t oldest = vq->oldest;
    uint32_t added = 0;

    for (; added < count; added++) {
        uint16_t id = handle_head(used[added].handle);

        if (heads[oldest].order != id || packed_device_judge_use(&r, heads, used[added].handle, used[added].len) != 0 ||
            !heads_used_in_full(heads, id, used[added].len))
            break;
        oldest = packed_after(&r, oldest);
        packed_device_pass(&r, heads, id, &progress);
        heads_release(heads, id);
    }
    if (added > 0) {
        vq->batch_id = handle_head(used[added - 1].handle);
        vq->batch_len = used[added - 1].len;
    }
    vq->oldest = oldest;
    packed_device_used(vq, &progress);
    if (vq->in_flight > 0 && PORT_UNLIKELY(heads_held_back(heads, heads[oldest].order)))
        packed_device_stage_in_order(vq); /* used before their turn, which it is now */
    return added;
}

int vring_packed_device_add_used(struct vring_packed_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);

    int error = packed_device_judge_use(&vq->ring, vq->heads, handle, len);

    if (error)
        return error;

    uint16_t id = handle_head(handle);

    if (vq->in_order) {
        const struct vring_used_chain one = {handle, len};

        if (PORT_FAST && !vq->inflight.region && packed_device_add_in_turn(vq, &one, 1) == 1)
            return 0;
        heads_hold_back(vq->heads, id, len);
        packed_device_stage_in_order(vq);
        return 0;
    }

    struct packed_device_using progress = packed_device_using(vq);

    packed_device_write_used(&vq->ring, progress.at, id, len, packed_device_kept(vq, progress.at));
    packed_device_pass(&vq->ring, vq->heads, id, &progress);
    packed_device_let_go(vq, vq->heads, id);
    packed_device_used(vq, &progress);
    return 0;
}

/*
 * Add used buffers behind others that are staged, where they are given back in any order and without an inflight region.
 * Returns why there are no more than *n.
 */
static PORT_INLINE int packed_device_add_straight(struct vring_packed_device *vq, const struct vring_used_chain *used,
                                                  uint32_t count, uint32_t *n)
{
    struct packed_device_using progress = packed_device_using(vq);
    const struct vring_packed_ring r = vq->ring;
    struct vring_head *heads = vq->heads;
    uint32_t added = 0;
    int error = 0;

    for (; added < count; added++) {
        uint32_t len = used[added].len;
        uint16_t id = handle_head(used[added].handle);

        error = packed_device_judge_use(&r, heads, used[added].handle, len);
        if (error)
            break;
        packed_device_write_used(&r, progress.at, id, len, NULL);
        packed_device_pass(&r, heads, id, &progress);
        heads_release(heads, id);
    }
    packed_device_used(vq, &progress);
    *n = added;
    return error;
}

int vring_packed_device_add_used_batch(struct vring_packed_device *vq, const struct vring_used_chain *used, uint32_t count,
                                       uint32_t *n)
{
    uint32_t added = 0;

    if (!vq || !n || (!used && count > 0))
        return VRING_E_NULL;

    bool straight = PORT_FAST && !vq->inflight.region;
    int error = vq->live <= 0 ? peer_verdict(vq->live) : 0;

    while (!error) {
        uint32_t now = 0;

        if (straight && vq->in_order)
            now = packed_device_add_in_turn(vq, &used[added], count - added);
        else if (straight && vq->staged > 0)
            error = packed_device_add_straight(vq, &used[added], count - added, &now);
        added += now;
        if (error || added == count)
            break;
        error = vring_packed_device_add_used(vq, used[added].handle, used[added].len);
        added += !error;
    }
    *n = added;
    return batch_answer(error, added);
}

/* ------------------------------------------------------------------------------------------------------ publish --- */

int vring_packed_device_publish(struct vring_packed_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->staged == 0)
        return resume_settle(&vq->owes);

    uint16_t added = vq->staged;

    if (vq->in_order)
        packed_device_end_batch(vq);
    if (PORT_UNLIKELY(vq->inflight.region))
        inflight_packed_prepare(&vq->inflight, vq->heads, vq->next_used.offset, packed_wrap(vq->next_used),
                                packed_wrap(vq->published));
    packed_publish_flags(&vq->ring, vq->published.offset, vq->staged_first); /* B */
    if (PORT_UNLIKELY(vq->inflight.region))
        inflight_packed_publish(&vq->inflight, vq->heads, vq->next_used.offset, packed_wrap(vq->next_used));
    vq->published = vq->next_used;
    vq->held = (uint16_t)(vq->held - added);
    vq->staged = 0;
    packed_fence(&vq->ring); /* D */
    if (PORT_UNLIKELY(vq->owes))
        return resume_settle(&vq->owes);
    return event_word_is_due(packed_load_event(vq->ring.driver_area), vq->event_idx, packed_place(vq->published), added,
                             vq->ring.size);
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
    if (packed_device_waits(vq))
        return 1;
    packed_device_wish(vq, vq->event_idx ? packed_event(VRING_EVENT_DESC, packed_place(vq->next_avail))
                                         : packed_event(VRING_EVENT_ENABLE, 0));
    packed_fence(&vq->ring); /* C */
    return packed_is_avail(packed_observe_flags(&vq->ring, vq->next_avail.offset), vq->next_avail);
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
    if (!(vq->features & VRING_F_SUSPEND))
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
