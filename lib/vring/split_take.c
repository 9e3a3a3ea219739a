/* SPDX-License-Identifier: MIT */
/*
 * The device side of the split virtqueue: taking what the driver made available. Reads beside packed_take.c, in the same
 * order. A verb goes straight for buffers as most are, and to a walk that judges descriptor by descriptor for all others.
 */
#include <vring/split.h>

#include "batch.h"
#include "chain.h"
#include "features.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "peer.h"
#include "resume.h"
#include "split_ring.h"
#include "split_row.h"
#include "split_taking.h"
#include "split_walk.h"
#include "straight.h"

/* Look at avail.idx, which was seen here, again: it may have moved forward, as far as the ring can hold. */
static PORT_PART int split_device_observe(struct vring_split_device *vq, uint16_t seen)
{
    uint16_t peer_idx = split_observe_avail(&vq->ring); /* A */

    uint16_t end = (uint16_t)(vq->published + vq->ring.size); /* the ring is full: nothing more can be offered */

    if (PEER_BAD((uint16_t)(peer_idx - seen) > (uint16_t)(end - seen)))
        return vring_poison(&vq->live, VRING_E_PEER_INDEX, seen, peer_idx);
    vq->seen_avail = peer_idx;
    return 0;
}

int vring_split_device_look(struct vring_split_device *vq)
{
    return split_device_observe(vq, vq->seen_avail);
}

/*
 * Take the buffer at head, whatever it is, by a walk that begins at this place, or goes on there, and then with first,
 * which was read.
 */
static PORT_ASIDE int split_device_take_walked(struct vring_split_device *vq, struct chain_walk *walk, uint16_t head,
                                               struct split_device_place at, const struct split_words *first)
{
    int error = split_device_walk(vq, walk, at, first);

    if (!error)
        error = chain_end(walk, vq->heads, head, 1, &vq->generation);
    if (error)
        return error;
    if (inflight_is_kept(&vq->inflight))
        inflight_split_take(&vq->inflight, head);
    if (split_device_passes(vq))
        split_device_place(vq, head, vq->next_avail);
    vq->next_avail++;
    if (HOLDS_BY_PLACE && walk->refused)
        vq->odd = (uint16_t)(vq->next_avail - vq->next_used);
    return -walk->refused;
}

/* The same, going on behind what chain tells. */
static PORT_NOINLINE int split_device_take_rest(struct vring_split_device *vq, uint16_t head, struct split_device_place at,
                                                const struct split_words *first, struct vring_iov *iov, uint32_t n_iov,
                                                struct vring_chain *chain)
{
    struct chain_walk walk;

    chain_go_on(&walk, iov, n_iov, chain);
    return split_device_take_walked(vq, &walk, head, at, first);
}

/*
 * Take the buffer at head, whose first descriptor was read, walking straight as far as that goes. taking is what the queue
 * has, and has again after it; room is what there is left.
 */
static PORT_INLINE int split_device_take_straight(struct vring_split_device *vq, struct split_device_taking *taking,
                                                  size_t head, struct split_words words, struct split_device_room *room,
                                                  struct vring_chain *chain)
{
    struct chain_run run = chain_run_start(room->iov, room->limit);
    const uint64_t *from = NULL;

    if (PORT_UNLIKELY(!split_device_run(taking->ring, taking->last, &words, &from, &run, chain))) {
        uint32_t i = from ? split_desc_index(taking->ring->desc, from) : (uint32_t)head;
        struct split_device_place at = {0, taking->ring->size, i, false};

        if (from || !split_device_run_table(vq, &words, &at, &run, chain)) {
            const struct split_words first = words; /* of which only this one has an address */
            uint32_t told = chain->n_readable + chain->n_writable;
            struct vring_iov *iov = told > 0 ? run.iov - told : run.iov;
            uint32_t n_iov = (uint32_t)(room->end - iov);

            split_device_taken(vq, taking);

            int error = split_device_take_rest(vq, (uint16_t)head, at, &first, iov, n_iov, chain);
            uint32_t pieces = error || n_iov == 0 ? 0 : chain_pieces(chain); /* 0: there may be no array */

            *taking = split_device_taking(vq, taking->passes);
            *room = split_device_room(vq, pieces > 0 ? iov + pieces : iov, n_iov - pieces);
            return error;
        }
    }
    room->iov = run.iov;
    PORT_NEVER(chain->writable > UINT32_MAX);
    chain->handle = split_device_take(vq, taking, head, chain->writable);
    return 0;
}

/* The oldest buffer that is still to be handed out again; those used before their turn are not. */
static uint16_t split_device_oldest_waiting(const struct vring_split_device *vq)
{
    return vq->heads[(uint16_t)(vq->next_avail - resume_waiting(vq->waiting)) & vq->ring.mask].order;
}

bool vring_split_device_waits(struct vring_split_device *vq)
{
    while (resume_waiting(vq->waiting) > 0 && heads_held_back(vq->heads, split_device_oldest_waiting(vq)))
        vq->waiting--;
    return resume_waiting(vq->waiting) > 0;
}

/* Hand out again what was in flight before a restart. */
static int split_device_get_again(struct vring_split_device *vq, struct chain_walk *walk)
{
    uint16_t head = split_device_oldest_waiting(vq);
    struct split_device_place at = {0, vq->ring.size, head, false};
    int error = split_device_walk(vq, walk, at, NULL);

    if (!error)
        error = chain_end_again(walk, vq->heads, head);
    if (error)
        return error;
    vq->waiting--;
    return -walk->refused;
}

/*
 * How many buffers may be taken, of wanted ones: those known to be offered, or those that a new look finds; 0 if there
 * are some to be handed out again first; or an error.
 */
static PORT_INLINE int split_device_announced(struct vring_split_device *vq, uint32_t wanted)
{
    uint32_t ready = (uint16_t)(vq->seen_avail - vq->next_avail);

    if (ready < wanted) {
        if (PORT_UNLIKELY(resume_waiting(vq->waiting) > 0) && vring_split_device_waits(vq))
            return 0;

        int error = split_device_observe(vq, vq->seen_avail);

        PORT_NEVER(error > 0);
        if (error)
            return error;
        ready = (uint16_t)(vq->seen_avail - vq->next_avail);
        if (ready == 0)
            return VRING_E_EMPTY;
    }
    return (int)(ready < wanted ? ready : wanted);
}

/* What a batch has come to: several buffers, or one. */
struct split_device_batch {
    uint32_t taken;
    bool read; /* the next buffer's head is known, and its first descriptor was read */
    size_t head;
    struct split_words words;
};

/* Read what next buffer the driver offers, as far as its first descriptor. */
static PORT_INLINE int split_device_next(struct vring_split_device *vq, const struct split_device_taking *taking,
                                         size_t *head, struct split_words *words)
{
    int error = split_device_offered(vq, taking, head);

    if (PORT_UNLIKELY(error))
        return error;
    *words = split_fetch(taking->ring->desc, *head);
    return 0;
}

/* Up to most buffers, whatever they are, from the one that was read, if one was. */
static PORT_INLINE int split_device_get_chains(struct vring_split_device *vq, bool passes, struct vring_iov *iov,
                                               uint32_t n_iov, struct vring_chain *chains, uint32_t most,
                                               struct split_device_batch *batch)
{
    struct split_device_taking taking = split_device_taking(vq, passes);
    struct split_device_room room = split_device_room(vq, iov, n_iov);
    struct vring_chain *chain = chains, *end = chains + most;
    struct split_words words = batch->words;
    size_t head = batch->head;
    int error = batch->read ? 0 : split_device_next(vq, &taking, &head, &words);

    while (!error) {
        error = split_device_take_straight(vq, &taking, head, words, &room, chain);
        if (PORT_UNLIKELY(error)) {
            chain += vring_error_blame(error) == VRING_BLAME_CHAIN;
            break;
        }
        if (++chain == end)
            break;
        error = split_device_next(vq, &taking, &head, &words);
        split_expect_desc(taking.ring, head, 24);
    }
    split_device_taken(vq, &taking);
    batch->taken += (uint32_t)(chain - chains);
    return error;
}

/* Compiled for where buffers are passed, and for where they are not. */
static PORT_NOINLINE int split_device_get_lists_in_order(struct vring_split_device *vq, struct vring_iov *iov,
                                                         uint32_t n_iov, struct vring_chain *chains, uint32_t most,
                                                         struct split_device_batch *batch)
{
    return split_device_get_chains(vq, true, iov, n_iov, chains, most, batch);
}

static PORT_NOINLINE int split_device_get_lists(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                struct vring_chain *chains, uint32_t most,
                                                struct split_device_batch *batch)
{
    if (split_device_passes(vq))
        return split_device_get_lists_in_order(vq, iov, n_iov, chains, most, batch);
    return split_device_get_chains(vq, false, iov, n_iov, chains, most, batch);
}

/* get_avail of any buffer, also after a restart, or why there is none. */
static PORT_REST int split_device_get_any(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                          struct vring_chain *chain)
{
    struct chain_walk walk;
    int refusal = chain_begin(&walk, split_device_live(vq), iov, n_iov, chain);

    if (refusal)
        return refusal;
    split_device_find_straight(vq);

    int ready = split_device_announced(vq, 1);

    if (ready < 0)
        return ready;
    if (VRING_BUILD_RESTART && ready == 0)
        return split_device_get_again(vq, &walk);

    struct split_device_taking taking = split_device_taking(vq, split_device_passes(vq));
    size_t head = 0;
    int error = split_device_offered(vq, &taking, &head);

    if (error)
        return error;

    struct split_device_place at = {0, taking.ring->size, (uint32_t)head, false};

    return split_device_take_walked(vq, &walk, (uint16_t)head, at, NULL);
}

/*
 * The buffer at next_avail, whatever it is, of which head and first descriptor were read. By what fits in registers: a straight
 * path comes here without having put it anywhere.
 */
static PORT_NOINLINE int split_device_get_read(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                               struct vring_chain *chain, uint64_t addr, uint64_t rest)
{
    struct split_device_batch batch = {0, true, vq->heads[vq->next_avail & vq->ring.mask].order, {addr, rest}};

    return split_device_get_lists(vq, iov, n_iov, chain, 1, &batch);
}

/* get_avail where there is room for a piece, nothing is left from before a restart, and no note is kept. */
static PORT_INLINE int split_device_get_next(struct vring_split_device *vq, bool passes, struct vring_iov *iov,
                                             uint32_t n_iov, struct vring_chain *chain)
{
    struct split_device_taking taking = split_device_taking(vq, passes);
    const size_t at = taking.next_avail, place = at & vq->ring.mask;
    const uint16_t *entry = split_avail_entry(&vq->ring, place);

    if (PORT_LIKELY(vq->seen_avail == at)) {
        int error = split_device_observe(vq, (uint16_t)at);

        PORT_NEVER(error > 0);
        if (PORT_UNLIKELY(error))
            return error;
        if (PORT_UNLIKELY(vq->seen_avail == at))
            return VRING_E_EMPTY;
    }

    const uint32_t peer_head = split_load_entry(entry);
    int error = split_device_judge(vq, &taking, at, peer_head);

    if (PORT_UNLIKELY(error))
        return error;

    const size_t head = peer_head;

    taking.heads[place].order = (uint16_t)head;

    const struct split_words words = split_fetch(vq->ring.desc, head);

    if (split_device_take_piece(vq, &taking, head, words, 0, iov, chain))
        PORT_STORED(chain->handle); /* gcc makes one of both kinds otherwise, of numbers instead of constants */
    else if (!split_device_take_piece(vq, &taking, head, words, VRING_DESC_WRITE, iov, chain))
        return split_device_get_read(vq, iov, n_iov, chain, words.addr, words.rest);
    vq->next_avail++;
    vq->generation++;
    return 0;
}

static PORT_NOINLINE int split_device_get_in_order(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                   struct vring_chain *chain)
{
    return split_device_get_next(vq, true, iov, n_iov, chain);
}

int vring_split_device_get_avail(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                 struct vring_chain *chain)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || !chain || !iov || n_iov == 0))
        return split_device_get_any(vq, iov, n_iov, chain);
    if (straight_is(vq->straight, STRAIGHT_ANY_ORDER))
        return split_device_get_next(vq, false, iov, n_iov, chain);
    if (straight_is(vq->straight, STRAIGHT_IN_ORDER))
        return split_device_get_in_order(vq, iov, n_iov, chain);
    return split_device_get_any(vq, iov, n_iov, chain);
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

/*
 * From the one that was read, up to most buffers as long as they are one piece of this kind, and the ring does not begin
 * again. There is room for as many.
 */
static PORT_INLINE int split_device_get_kind(struct vring_split_device *vq, uint32_t kind, struct vring_iov *iov,
                                             struct vring_chain *chains, uint32_t most, struct split_device_batch *batch)
{
    struct split_device_taking taking = split_device_taking(vq, false);
    const struct vring_split_ring *ring = taking.ring;
    const uint32_t place = vq->next_avail & ring->mask;
    const uint16_t *entry = split_avail_entry(ring, place);
    struct vring_head *order = taking.heads + place;
    struct vring_chain *chain = chains, *end = chains + batch_least(most, ring->size - place);
    struct split_words words = batch->words;
    size_t head = batch->head;
    int error = 0;

    if (split_is_piece(words, kind)) /* and so are those further up, mostly */
        port_expect_loads(split_desc(ring->desc, head), 16 * batch_least((uint32_t)(end - chains), SPLIT_ROW_EXPECTED));
    while (split_device_take_piece(vq, &taking, head, words, kind, iov, chain)) {
        iov++;
        if (++chain == end)
            break;
        head = split_load_entry(++entry);
        error = split_device_judge(vq, &taking, taking.next_avail, (uint32_t)head);
        if (PORT_UNLIKELY(error))
            break;
        (++order)->order = (uint16_t)head;
        words = split_fetch(ring->desc, head);
    }
    split_device_taken(vq, &taking);
    batch->taken += (uint32_t)(chain - chains);
    batch->read = batch->read && chain == chains;
    return error;
}

/* Each of them compiled for its kind. */
static PORT_NOINLINE int split_device_get_readable(struct vring_split_device *vq, struct vring_iov *iov,
                                                   struct vring_chain *chains, uint32_t most,
                                                   struct split_device_batch *batch)
{
    return split_device_get_kind(vq, 0, iov, chains, most, batch);
}

static PORT_NOINLINE int split_device_get_writable(struct vring_split_device *vq, struct vring_iov *iov,
                                                   struct vring_chain *chains, uint32_t most,
                                                   struct split_device_batch *batch)
{
    return split_device_get_kind(vq, VRING_DESC_WRITE, iov, chains, most, batch);
}

/*
 * The used elements of n buffers, or of as many as there are before the ring begins again, will be written soon. That is asked
 * for here and not where they are: until then their lines are on the way.
 */
static PORT_INLINE void split_device_expect(const struct vring_split_device *vq, uint32_t n)
{
    port_expect_stores(split_used_elem(&vq->ring, vq->next_used), 8 * split_ahead(&vq->ring, vq->next_used, n));
}

/* As many as there is room for, as long as they are of one piece. */
static PORT_INLINE int split_device_get_pieces(struct vring_split_device *vq, struct vring_iov *iov,
                                               struct vring_chain *chains, uint32_t most,
                                               struct split_device_batch *batch)
{
    int error = 0;
    uint32_t before;

    split_device_expect(vq, most);
    do {
        before = batch->taken;
        if (before == most)
            break;
        if (!batch->read) {
            struct split_device_taking taking = split_device_taking(vq, false);

            error = split_device_next(vq, &taking, &batch->head, &batch->words);
            if (error)
                break;
            batch->read = true;
        }
        error = (split_decode(batch->words).flags & VRING_DESC_WRITE ? split_device_get_writable
                                                                     : split_device_get_readable)(
            vq, iov + before, chains + before, most - before, batch);
    } while (!error && batch->taken > before);
    return error;
}

/* The same where buffers are passed. */
static PORT_INLINE void split_device_get_pieces_told(struct vring_split_device *vq, struct vring_iov *iov,
                                                     struct vring_chain *chains, uint32_t most,
                                                     struct split_device_batch *batch)
{
    uint32_t n;

    do {
        n = split_device_get_pieces_in_order(vq, iov, most - batch->taken);
        split_device_tell(vq, iov, n, chains);
        batch->taken += n;
        chains += n;
        iov += n;
    } while (n > 0);
}

int vring_split_device_get_avail_batch(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                       struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    if (!vq || !n || (!iov && n_iov > 0) || (!chains && capacity > 0))
        return VRING_E_NULL;
    *n = 0;
    if (PORT_UNLIKELY(vq->live != LIVE) && *split_device_live(vq) != LIVE)
        return peer_verdict(vq->live);
    if (capacity == 0)
        return VRING_E_ROOM;
    if (!PORT_FAST)
        return split_device_get_each(vq, iov, n_iov, chains, capacity, n);

    int ready = split_device_announced(vq, capacity);

    if (ready < 0)
        return ready;
    if (ready == 0 || inflight_is_kept(&vq->inflight))
        return split_device_get_each(vq, iov, n_iov, chains, ready > 0 ? (uint32_t)ready : capacity, n);

    struct split_device_batch batch = {.taken = 0};
    uint32_t most = batch_least((uint32_t)ready, n_iov);
    int error = 0;

    if (most > 0) { /* otherwise there may be no array */
        if (split_device_passes(vq))
            split_device_get_pieces_told(vq, iov, chains, most, &batch);
        else
            error = split_device_get_pieces(vq, iov, chains, most, &batch);
    }

    uint32_t taken = batch.taken;

    if (!error && taken < (uint32_t)ready)
        error = split_device_get_lists(vq, taken > 0 ? iov + taken : iov, n_iov - taken, chains + taken,
                                       (uint32_t)ready - taken, &batch);
    *n = batch.taken;
    return batch_answer(error, batch.taken);
}

int vring_split_device_get_avail_run(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                     struct vring_chain *chain, uint32_t *n)
{
    if (!vq || !chain || !n || (!iov && n_iov > 0))
        return VRING_E_NULL;
    *n = 0;
    if (PORT_UNLIKELY(vq->live != LIVE) && *split_device_live(vq) != LIVE)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return VRING_E_FEATURE;

    int answer = 0;

    if (split_device_passes(vq) && n_iov > 0) {
        answer = split_device_announced(vq, n_iov);
        if (answer > 0)
            *n = split_device_get_pieces_in_order(vq, iov, (uint32_t)answer);
        if (*n > 0) {
            split_device_tell(vq, &iov[*n - 1], 1, chain);
            return 0;
        }
        if (answer < 0)
            return answer;
    }
    answer = vring_split_device_get_avail(vq, iov, n_iov, chain);
    *n = answer == 0 || vring_error_blame(answer) == VRING_BLAME_CHAIN;
    return answer;
}
