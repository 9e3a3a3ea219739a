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

/*
 * What taking and using read and change of a queue, as locals: for all that the compiler knows a store to the ring may be
 * one to the queue, and would be followed by loading all of it again. A verb keeps what it has changed.
 */
struct split_device_hot {
    const struct vring_split_ring *ring; /* constant, and numbers of a ring are as good in memory as in a register */
    const struct vring_region *last;
    struct vring_head *heads;
    size_t next_avail;        /* goes on past 2^16 here: what is kept of it is modulo 2^16 */
    uint32_t generation;      /* in the upper half, as in a handle */
};

static PORT_INLINE struct split_device_hot split_device_hot(const struct vring_split_device *vq)
{
    struct split_device_hot hot = {&vq->ring, &vq->regions.last, vq->heads, vq->next_avail, (uint32_t)vq->generation << 16};

    return hot;
}

static PORT_INLINE void split_device_keep(struct vring_split_device *vq, const struct split_device_hot *hot)
{
    vq->next_avail = (uint16_t)hot->next_avail;
    vq->generation = (uint16_t)(hot->generation >> 16);
}

/* Where a walk stands: at entry i, of the ring's table or of an indirect one. */
struct split_device_place {
    bool indirect;
    bool fetched;       /* its descriptor has been read */
    uint32_t i;
    uint32_t entries;   /* of the table */
    uint64_t addr;      /* of an indirect one */
    const void *memory; /* ... and where we see all of it; null: not known */
};

/* Walk on from this entry of an indirect table (2.7.5.3), which ends the chain; desc is that entry, null if it was not read. */
static enum chain_step split_device_walk_table(struct vring_split_device *vq, struct chain_walk *walk,
                                               struct split_device_place at, const struct chain_desc *first)
{
    struct vring_regions here = vq->regions; /* a table mostly lies elsewhere than the buffers that it lists */
    enum chain_step step = CHAIN_MORE;

    while (step == CHAIN_MORE) {
        struct chain_desc desc;
        uint64_t words[2];

        if (first) {
            desc = *first;
            first = NULL;
        } else {
            if (PEER_BAD(!indirect_fetch(&here, at.addr + 16 * (uint64_t)at.i, words)))
                return vring_chain_no_table(walk, &here, at.i, at.addr);
            desc = split_decode(words[0], words[1]);
        }
        if (PEER_BAD(desc.flags & VRING_DESC_INDIRECT))
            return vring_chain_broken(walk, VRING_E_PEER_INDIRECT, at.i, desc.flags);
        step = vring_chain_take(walk, &desc, at.i, at.entries, &vq->regions);
        at.i = desc.next;
    }
    return step;
}

/* Walk on from desc at this place: direct descriptors, the last of which may name a table (2.7.5.3.2). */
static enum chain_step split_device_walk(struct vring_split_device *vq, struct chain_walk *walk, struct split_device_place at,
                                         struct chain_desc desc)
{
    if (at.indirect)
        return split_device_walk_table(vq, walk, at, &desc);
    while (!(desc.flags & VRING_DESC_INDIRECT)) {
        enum chain_step step = vring_chain_take(walk, &desc, at.i, vq->ring.size, &vq->regions);

        if (step != CHAIN_MORE)
            return step;
        at.i = desc.next;
        desc = split_fetch_desc(vq->ring.desc, at.i);
    }

    enum chain_step step = vring_chain_table(walk, &desc, at.i, vq->indirect);
    struct split_device_place table = {true, false, 0, desc.len / 16, desc.addr, NULL};

    return step == CHAIN_MORE ? split_device_walk_table(vq, walk, table, NULL) : step;
}

/* The buffer at head, writable as told, is ours until it is used or rewound. */
static PORT_INLINE vring_handle split_device_take(struct split_device_hot *hot, size_t head, uint64_t writable, bool refused)
{
    vring_handle handle = hot->generation | (vring_handle)head;

    heads_hand_out(hot->heads, head, handle, 1, writable, refused);
    hot->generation += 0x10000;
    hot->next_avail++;
    return handle;
}

/* Take the buffer at head, whatever it is, walking on from desc at this place behind what chain tells. */
static PORT_NOINLINE int split_device_take_walked(struct vring_split_device *vq, size_t head, struct split_device_place at,
                                                  struct chain_desc desc, struct vring_iov *iov, uint32_t n_iov,
                                                  struct vring_chain *chain)
{
    struct split_device_hot hot = split_device_hot(vq);
    struct chain_walk walk;

    chain_start(&walk, iov, n_iov, vq->max_chain);
    chain_go_on(&walk, chain);
    if (split_device_walk(vq, &walk, at, desc) == CHAIN_BROKEN)
        return vring_poison(&vq->fault, &vq->live, walk.fault.error, walk.fault.position, walk.fault.value);

    int error = chain_report(&walk, chain);

    if (error)
        return error;
    if (PORT_UNLIKELY(vq->inflight.region))
        inflight_split_take(&vq->inflight, (uint16_t)head);
    chain->handle = split_device_take(&hot, head, chain->writable, walk.refused != 0);
    split_device_keep(vq, &hot);
    return walk.refused;
}

/*
 * Go to the table that outer names, the first descriptor of a chain, if all of it can be seen at one place. Nothing is
 * judged here: what is not found so is judged by vring_chain_table().
 */
static PORT_INLINE void split_device_see_table(const struct vring_split_device *vq, const struct chain_desc *outer,
                                               struct split_device_place *at)
{
    void *memory;

    if ((outer->flags & VRING_DESC_NEXT) || !vq->indirect || outer->len % 16 != 0 || outer->len / 16 > vq->max_chain)
        return;
    if (!regions_whole(&vq->regions, outer->addr, outer->len, false, &memory) || (uintptr_t)memory % 8 != 0)
        return;
    at->indirect = true;
    at->fetched = false;
    at->i = 0;
    at->entries = outer->len / 16;
    at->addr = outer->addr;
    at->memory = memory;
}

/*
 * Walk straight on from this place, and tell of what was found: desc is its descriptor, or, where fetched is false, will be.
 * Where it ends with CHAIN_STRAYS, desc and the place are the next descriptor's.
 */
static PORT_NOINLINE enum chain_step split_device_run(struct split_device_place *at, const struct vring_region *last,
                                                      struct chain_desc *desc, struct vring_iov *iov, uint32_t room,
                                                      struct vring_chain *chain)
{
    struct chain_run run = chain_run_start(iov, room);
    struct chain_desc here = at->fetched ? *desc : split_fetch_desc(at->memory, at->i);
    enum chain_step step;

    for (;;) {
        step = chain_run_take(&run, &here, at->entries, last);
        if (step == CHAIN_MORE) {
            at->i = here.next;
            here = split_fetch_desc(at->memory, at->i);
        } else if (step == CHAIN_DONE || !chain_run_turn(&run, room, &here, last, chain)) {
            break;
        }
    }
    chain_run_tell(&run, room, chain);
    if (step == CHAIN_STRAYS)
        *desc = here;
    return step;
}

/*
 * Take the buffer at head, walking straight as far as that goes. desc is its first descriptor if that was fetched. hot is
 * what the queue has, and has again after it.
 */
static PORT_INLINE int split_device_take_list(struct vring_split_device *vq, struct split_device_hot *hot, size_t head,
                                              bool fetched, struct chain_desc desc, struct vring_iov *iov, uint32_t n_iov,
                                              struct vring_chain *chain)
{
    uint32_t room = n_iov < vq->max_chain ? n_iov : vq->max_chain;
    struct split_device_place at = {false, fetched, (uint32_t)head, hot->ring->size, 0, hot->ring->desc};

    if (fetched && (desc.flags & VRING_DESC_INDIRECT))
        split_device_see_table(vq, &desc, &at);

    enum chain_step step = split_device_run(&at, hot->last, &desc, iov, room, chain);

    if (PORT_UNLIKELY(step == CHAIN_STRAYS)) {
        split_device_keep(vq, hot);

        int error = split_device_take_walked(vq, head, at, desc, iov, n_iov, chain);

        *hot = split_device_hot(vq);
        return error;
    }
    chain->handle = split_device_take(hot, head, chain->writable, false);
    return 0;
}

/* Take the buffer at next_avail, whatever it is; desc is its first descriptor. */
static PORT_NOINLINE int split_device_take_any(struct vring_split_device *vq, struct chain_desc desc,
                                               struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    static const struct vring_chain nothing = {0};
    struct split_device_hot hot = split_device_hot(vq);
    uint16_t head = hot.heads[hot.next_avail & hot.ring->mask].order;

    if (!PORT_FAST || vq->inflight.region) {
        struct split_device_place at = {false, true, head, hot.ring->size, 0, NULL};

        *chain = nothing;
        return split_device_take_walked(vq, head, at, desc, iov, n_iov, chain);
    }

    int error = split_device_take_list(vq, &hot, head, true, desc, iov, n_iov, chain);

    split_device_keep(vq, &hot);
    return error;
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
    struct split_device_place at = {false, true, head, vq->ring.size, 0, NULL};
    struct chain_walk walk;

    chain_start(&walk, iov, n_iov, vq->max_chain);
    if (split_device_walk(vq, &walk, at, split_fetch_desc(vq->ring.desc, head)) == CHAIN_BROKEN)
        return vring_poison(&vq->fault, &vq->live, walk.fault.error, walk.fault.position, walk.fault.value);

    int error = chain_report(&walk, chain);

    if (error)
        return error;
    chain->handle = heads_take_again(vq->heads, head, chain->writable, walk.refused != 0);
    vq->waiting--;
    return walk.refused;
}

/*
 * How many buffers may be taken, of wanted ones: those known to be offered, or those that a new look finds; 0 if there
 * are some to be handed out again first; or an error.
 */
static PORT_INLINE int split_device_announced(struct vring_split_device *vq, uint32_t wanted)
{
    uint32_t ready = (uint16_t)(vq->seen_avail - vq->next_avail);

    if (vq->live != LIVE)
        return peer_verdict(vq->live);
    if (ready < wanted) {
        if (PORT_UNLIKELY(vq->waiting > 0) && split_device_waits(vq))
            return 0;

        int error = split_device_observe(vq);

        if (error)
            return error;
        ready = (uint16_t)(vq->seen_avail - vq->next_avail);
        if (ready == 0)
            return VRING_E_EMPTY;
    }
    return (int)(ready < wanted ? ready : wanted);
}

/* The head that the driver offers at next_avail: any that we do not hold. */
static PORT_INLINE int split_device_offered(struct vring_split_device *vq, const struct split_device_hot *hot, size_t *head)
{
    size_t at = hot->next_avail;
    uint16_t peer_head = split_load_avail_entry(hot->ring, at);

    if (PEER_BAD(peer_head >= hot->ring->size))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, (uint16_t)at, peer_head);
    *head = peer_head;
    if (PEER_BAD(hot->heads[*head].taken))
        return vring_poison(&vq->fault, &vq->live, VRING_E_PEER_ID, (uint16_t)at, *head);
    hot->heads[at & hot->ring->mask].order = (uint16_t)*head; /* taken or not: nobody asks before it is */
    return 0;
}

/* Take the buffer at head, if desc is all of it, one piece in the region that the last one was in. There is room for it. */
static PORT_INLINE bool split_device_take_piece(struct split_device_hot *hot, size_t head, const struct chain_desc *desc,
                                                struct vring_iov *iov, struct vring_chain *chain)
{
    if (!chain_piece(desc, hot->last, iov, chain))
        return false;
    chain->handle = split_device_take(hot, head, chain->n_writable ? desc->len : 0, false);
    return true;
}

int vring_split_device_get_avail(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                 struct vring_chain *chain)
{
    if (!vq || !chain || (!iov && n_iov > 0))
        return VRING_E_NULL;

    int ready = split_device_announced(vq, 1);

    if (PORT_UNLIKELY(ready <= 0))
        return ready < 0 ? ready : split_device_get_again(vq, iov, n_iov, chain);

    struct split_device_hot hot = split_device_hot(vq);
    size_t head = 0;
    int error = split_device_offered(vq, &hot, &head);

    if (error)
        return error;

    struct chain_desc desc = split_fetch_desc(hot.ring->desc, head);

    if (!PORT_FAST || n_iov == 0 || vq->inflight.region || !split_device_take_piece(&hot, head, &desc, iov, chain))
        return split_device_take_any(vq, desc, iov, n_iov, chain);
    split_device_keep(vq, &hot);
    return 0;
}

/* Up to most buffers, by so many calls. */
static PORT_NOINLINE int split_device_get_each(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                               struct vring_chain *chains, uint32_t most, uint32_t *n)
{
    uint32_t taken = 0, pieces = 0;
    int error = 0;

    while (!error && taken < most) {
        struct vring_chain *chain = &chains[taken];

        error = vring_split_device_get_avail(vq, iov ? &iov[pieces] : NULL, n_iov - pieces, chain);
        taken += error == 0 || vring_error_blame(error) == VRING_BLAME_CHAIN;
        pieces += error ? 0 : chain->n_readable + chain->n_writable;
    }
    *n = taken;
    return batch_answer(error, taken);
}

/* What a batch has come to. */
struct split_device_batch {
    uint32_t taken;
    bool strayed; /* the next buffer is not one piece: its head, and its first descriptor, which has been read */
    size_t head;
    struct chain_desc desc;
};

/* Up to most buffers as long as they are of one piece. */
static PORT_NOINLINE int split_device_get_pieces(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                 struct vring_chain *chains, uint32_t most,
                                                 struct split_device_batch *batch)
{
    struct split_device_hot hot = split_device_hot(vq);
    struct vring_chain *chain = chains, *end = chains + most, *room = chains + (n_iov < most ? n_iov : most);
    int error = 0;

    while (chain < end) {
        size_t head = 0;

        error = split_device_offered(vq, &hot, &head);
        if (PORT_UNLIKELY(error))
            break;

        struct chain_desc desc = split_fetch_desc(hot.ring->desc, head);

        if (chain == room || !split_device_take_piece(&hot, head, &desc, iov, chain)) {
            batch->strayed = true;
            batch->head = head;
            batch->desc = desc;
            break;
        }
        iov++;
        chain++;
    }
    split_device_keep(vq, &hot);
    batch->taken = (uint32_t)(chain - chains);
    return error;
}

/* And on from the one that strayed, whatever they are. */
static PORT_NOINLINE int split_device_get_lists(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                struct vring_chain *chains, uint32_t most,
                                                struct split_device_batch *batch)
{
    struct split_device_hot hot = split_device_hot(vq);
    struct vring_chain *chain = chains, *end = chains + most;
    struct chain_desc desc = batch->desc;
    bool tables = (desc.flags & VRING_DESC_INDIRECT) != 0; /* where one has a table, all will */
    bool fetched = true;
    size_t head = batch->head;
    int error;

    for (;;) {
        error = split_device_take_list(vq, &hot, head, fetched, desc, iov, n_iov, chain);
        if (PORT_UNLIKELY(error)) {
            chain += vring_error_blame(error) == VRING_BLAME_CHAIN;
            break;
        }
        if (n_iov > 0) { /* otherwise there may be no array */
            iov += chain->n_readable + chain->n_writable;
            n_iov -= chain->n_readable + chain->n_writable;
        }
        if (++chain == end)
            break;
        error = split_device_offered(vq, &hot, &head);
        if (PORT_UNLIKELY(error))
            break;
        fetched = tables;
        if (tables)
            desc = split_fetch_desc(hot.ring->desc, head);
    }
    split_device_keep(vq, &hot);
    batch->taken += (uint32_t)(chain - chains);
    return error;
}

int vring_split_device_get_avail_batch(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                       struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    if (!vq || !n || (!iov && n_iov > 0) || (!chains && capacity > 0))
        return VRING_E_NULL;
    *n = 0;
    if (capacity == 0)
        return vq->live == LIVE ? VRING_E_ROOM : peer_verdict(vq->live);

    int ready = split_device_announced(vq, capacity);

    if (ready < 0)
        return ready;
    if (!PORT_FAST || ready == 0 || vq->inflight.region)
        return split_device_get_each(vq, iov, n_iov, chains, ready > 0 ? (uint32_t)ready : capacity, n);

    struct split_device_batch batch = {.strayed = false};
    int error = split_device_get_pieces(vq, iov, n_iov, chains, (uint32_t)ready, &batch);
    uint32_t taken = batch.taken;

    if (batch.strayed)
        error = split_device_get_lists(vq, taken > 0 ? iov + taken : iov, n_iov - taken, chains + taken,
                                       (uint32_t)ready - taken, &batch);
    *n = batch.taken;
    return batch_answer(error, batch.taken);
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
 * With IN_ORDER: stage all that are held back and whose turn it is. One that was not used in full has to be the last of
 * its batch: only that one's length is told.
 */
static PORT_NOINLINE void split_device_stage_due(struct vring_split_device *vq)
{
    while (vq->next_used != vq->next_avail) {
        uint16_t head = vq->heads[vq->next_used & vq->ring.mask].order;
        bool in_full = vq->heads[head].used == HEAD_USED_IN_FULL;

        if (!heads_held_back(vq->heads, head))
            return;
        vq->batch_head = head;
        vq->batch_len = vq->heads[head].writable;
        split_device_stage(vq, head);
        if (!in_full)
            split_device_end_batch(vq);
    }
}

/* add_used with IN_ORDER. */
static PORT_NOINLINE int split_device_add_in_order(struct vring_split_device *vq, uint16_t head, uint32_t len)
{
    heads_hold_back(vq->heads, head, len);
    split_device_stage_due(vq);
    return 0;
}

int vring_split_device_add_used(struct vring_split_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    if (vq->live <= 0)
        return peer_verdict(vq->live);

    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    if (error)
        return error;

    uint16_t head = handle_head(handle);

    if (vq->in_order)
        return split_device_add_in_order(vq, head, len);
    split_store_used(&vq->ring, vq->next_used, head, len);
    split_device_stage(vq, head);
    return 0;
}

/* Up to count buffers, with the queue in locals. */
static PORT_INLINE int split_device_add_all(struct vring_split_device *vq, const struct vring_used_chain *used,
                                            uint32_t count, uint32_t *n)
{
    struct split_device_hot hot = split_device_hot(vq);
    size_t next_used = vq->next_used;
    uint32_t added = 0;
    int error = 0;

    for (; added < count; added++) {
        vring_handle handle = used[added].handle;
        uint32_t len = used[added].len;

        error = heads_check_use(hot.heads, hot.ring->size, handle, len);
        if (PORT_UNLIKELY(error))
            break;
        split_store_used(hot.ring, next_used++, handle_head(handle), len);
        heads_release(hot.heads, handle_head(handle));
    }
    vq->next_used = (uint16_t)next_used;
    *n = added;
    return error;
}

/*
 * With IN_ORDER: as long as each is the next whose turn it is, used in full as most are, one element will stand for all of
 * them. How many.
 */
static PORT_NOINLINE uint32_t split_device_add_next(struct vring_split_device *vq, const struct vring_used_chain *used,
                                                    uint32_t count)
{
    struct split_device_hot hot = split_device_hot(vq);
    size_t next_used = vq->next_used;
    uint32_t most = (uint16_t)(vq->next_avail - vq->next_used), added = 0;

    if (most > count)
        most = count;
    for (; added < most; added++) {
        vring_handle handle = used[added].handle;
        uint16_t head = hot.heads[next_used & hot.ring->mask].order;

        if (hot.heads[head].handle != handle || !heads_used_in_full(hot.heads, head, used[added].len))
            break;
        heads_hold_back(hot.heads, head, used[added].len);
        heads_release(hot.heads, head);
        next_used++;
    }
    if (added > 0) {
        vq->batch_head = handle_head(used[added - 1].handle);
        vq->batch_len = used[added - 1].len;
        vq->next_used = (uint16_t)next_used;
        split_device_stage_due(vq);
    }
    return added;
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

    bool fast = PORT_FAST && !vq->inflight.region;

    if (fast && !vq->in_order)
        return split_device_add_all(vq, used, count, n);
    while (!error && added < count) {
        uint32_t run = fast ? split_device_add_next(vq, used + added, count - added) : 0;

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
    if (!vq->in_order)
        return VRING_E_FEATURE;

    int error = heads_check_use(vq->heads, vq->ring.size, handle, len);

    if (error)
        return error;

    uint16_t head;

    for (uint16_t at = vq->next_used; (head = vq->heads[at & vq->ring.mask].order) != handle_head(handle); at++)
        if (!heads_held_back(vq->heads, head))
            heads_hold_back(vq->heads, head, vq->heads[head].writable);
    return split_device_add_in_order(vq, head, len);
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
