/* SPDX-License-Identifier: MIT */
/*
 * The device side of the packed virtqueue: taking what the driver made available. Reads beside split_take.c, in the same
 * order. A verb goes straight for buffers as most are, and to a walk that judges descriptor by descriptor for all others.
 */
#include <vring/packed.h>

#include "batch.h"
#include "chain.h"
#include "features.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "packed_ring.h"
#include "packed_row.h"
#include "packed_taking.h"
#include "packed_walk.h"
#include "peer.h"
#include "regions.h"
#include "resume.h"
#include "straight.h"

/*
 * Take the buffer at next_avail, whatever it is, by a walk that begins at this place, or goes on there, and then with first,
 * which was read.
 */
static PORT_ASIDE int packed_device_take_walked(struct vring_packed_device *vq, struct chain_walk *walk,
                                                struct packed_device_place *place, const struct chain_desc *first)
{
    int error = packed_device_walk(vq, walk, place, vq->ring.size - vq->held, first);

    if (error)
        return error;

    uint16_t id = place->id;

    struct packed_device_taking taking = packed_device_taking(vq, packed_device_passes(vq));

    if (!packed_device_may_take(&vq->ring, vq->heads, &taking, id))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_entry(vq->next_avail), id);
    error = chain_end(walk, vq->heads, id, (uint16_t)place->descriptors, &vq->generation);
    if (error)
        return error;
    if (inflight_is_kept(&vq->inflight))
        inflight_packed_take(&vq->inflight, vq->heads, id, (uint16_t)place->descriptors);
    vq->heads[vq->taken].order = id;
    if (taking.passes) {
        vq->heads[id].record = (uint16_t)vq->taken;
        vq->heads[id].link = (uint16_t)packed_before(&vq->ring, packed_entry(place->next));
        packed_device_follow(vq, id);
    }
    vq->taken = packed_after(&vq->ring, vq->taken);
    vq->held = (uint16_t)(vq->held + place->descriptors);
    vq->in_flight++;
    vq->next_avail = place->next;
    if (HOLDS_BY_PLACE && walk->refused)
        vq->odd = vq->in_flight;
    return -walk->refused;
}

/* The oldest buffer that is still to be handed out again; those used before their turn are not. */
static uint16_t packed_device_oldest_waiting(const struct vring_packed_device *vq)
{
    return vq->heads[packed_before_by(&vq->ring, vq->taken, vq->waiting)].order;
}

bool vring_packed_device_waits(struct vring_packed_device *vq)
{
    for (; resume_waiting(vq->waiting) > 0 && heads_held_back(vq->heads, packed_device_oldest_waiting(vq)); vq->waiting--)
        vq->waiting_at = packed_forward(&vq->ring, vq->waiting_at, vq->heads[packed_device_oldest_waiting(vq)].taken);
    return resume_waiting(vq->waiting) > 0;
}

/* Hand out again what was in flight before a restart: as the inflight region has it, or else the ring. */
static int packed_device_get_again(struct vring_packed_device *vq, struct chain_walk *walk)
{
    uint16_t id = packed_device_oldest_waiting(vq);
    const bool noted = inflight_is_kept(&vq->inflight);
    uint16_t flags = noted ? 0 : packed_observe_flags(&vq->ring, packed_entry(vq->waiting_at)); /* A */
    struct packed_device_place place = packed_device_place(&vq->ring, vq->waiting_at, flags);

    place.noted = noted;
    place.record = vq->heads[id].record;

    int error = packed_device_walk(vq, walk, &place, vq->heads[id].taken, NULL);

    if (error)
        return error;

    uint16_t peer_id = place.id;

    if (PEER_BAD(peer_id != id || place.descriptors != vq->heads[id].taken))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_entry(vq->waiting_at), peer_id);
    error = chain_end_again(walk, vq->heads, id);
    if (error)
        return error;
    vq->waiting_at = place.next;
    vq->waiting--;
    return -walk->refused;
}

/* What a straight walk did not take of a buffer. */
struct packed_device_rest {
    struct packed_device_place place;
    struct chain_desc desc; /* at hand there */
};

/*
 * Take the buffer at taking->at, of which *first is the first descriptor, which is indirect or not, if a straight walk
 * takes all of it. 0, or what broke the queue; OTHER, with *rest saying what is left.
 */
static PORT_INLINE int packed_device_take_run(struct vring_packed_device *vq, const struct vring_packed_ring *r,
                                              struct vring_head *heads, struct packed_device_taking *taking,
                                              bool indirect, const struct chain_desc *first, struct vring_iov *iov,
                                              uint32_t n_iov, struct vring_chain *chain, struct packed_device_rest *rest)
{
    uint32_t limit = r->size - taking->held, room = batch_least(n_iov, vq->max_chain), descriptors = 1;
    uint32_t entries = 0, i = 0; /* of a table */
    enum chain_step step = CHAIN_STRAYS;
    struct chain_desc desc = *first;

    if (indirect) {
        const void *memory = packed_device_see_table(vq, first);

        entries = memory ? first->len / 16 : 0;
        if (memory)
            step = packed_device_run_table(vq, memory, entries, &i, &desc, iov, room, chain);
        else
            chain_clear(chain);
    } else {
        step = packed_device_run_list(vq, packed_entry(taking->at), &desc, iov, batch_least(room, limit), chain);
        descriptors = chain_pieces(chain) + (step == CHAIN_STRAYS);
    }

    uint16_t id = indirect ? first->next : desc.next;

    if (PORT_UNLIKELY(step != CHAIN_DONE)) {
        rest->desc = desc;
        rest->place = packed_device_place(r, packed_forward(r, taking->at, descriptors - 1), desc.flags);
        rest->place.descriptors = descriptors;
        rest->place.id = id;
        rest->place.judged = step == CHAIN_MORE;
        rest->place.addr = first->addr;
        rest->place.entries = entries;
        rest->place.i = i;
        return OTHER;
    }
    if (!packed_device_may_take(r, heads, taking, id))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_entry(taking->at), id);
    PORT_NEVER(chain->writable > UINT32_MAX);
    packed_device_take(r, heads, taking, id, descriptors, chain->writable, false, chain);
    return 0;
}

/* Take the buffer at next_avail, going on with that, behind what chain tells. */
static PORT_NOINLINE int packed_device_take_rest(struct vring_packed_device *vq, struct packed_device_rest *rest,
                                                 struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    struct chain_walk walk;

    chain_go_on(&walk, iov, n_iov, chain);
    return packed_device_take_walked(vq, &walk, &rest->place, &rest->desc);
}

/*
 * Take buffers as long as they are such, and for the device to read (kind 0) or to write (VRING_DESC_WRITE): one
 * comparison says all of a descriptor's flags then. *first is the first descriptor of the first, which is of that kind;
 * with OTHER it becomes that of the next. There is room for most, before the ring or the list of what was taken begins
 * again. Returns why there are no more than *n.
 */
static PORT_INLINE int packed_device_get_kind(struct vring_packed_device *vq, uint32_t kind, struct vring_iov *iov,
                                              struct vring_chain *chains, uint32_t most, uint32_t *n,
                                              struct chain_desc *first)
{
    struct packed_device_taking taking = packed_device_taking(vq, false);
    const uint32_t like = packed_avail_flags(taking.at) | kind;
    const struct vring_region *last = &vq->regions.last; /* not copied: what memory holds needs no register */
    struct vring_packed_ring here = packed_from(&vq->ring, packed_entry(taking.at));
    struct vring_head *heads = vq->heads, *place = heads + taking.taken;
    struct vring_iov *next = iov, *end = iov + most;
    struct chain_desc desc = *first;
    int error;

    for (;; place++, chains++) {
        desc.flags = (uint16_t)kind; /* all that matters of them */
        error = packed_device_take_piece(vq, &here, heads, place, &taking, kind, &desc, last, next, chains);
        if (PORT_UNLIKELY(error)) {
            *first = desc;
            break;
        }
        if (++next == end)
            break;
        here = packed_from(&here, 1);
        error = packed_device_next_piece(&here, taking.at, like, &desc, first);
        if (PORT_UNLIKELY(error))
            break;
    }

    uint32_t taken = (uint32_t)(next - iov);

    *n = taken;
    taking.taken = packed_after_by(&here, vq->taken, taken);
    taking.at = packed_forward(&here, taking.at, taken);
    taking.held += taken;
    packed_device_taken(vq, &taking);
    return error;
}

static PORT_NOINLINE int packed_device_get_readable(struct vring_packed_device *vq, struct vring_iov *iov,
                                                    struct vring_chain *chains, uint32_t most, uint32_t *n,
                                                    struct chain_desc *first)
{
    return packed_device_get_kind(vq, 0, iov, chains, most, n, first);
}

static PORT_NOINLINE int packed_device_get_writable(struct vring_packed_device *vq, struct vring_iov *iov,
                                                    struct vring_chain *chains, uint32_t most, uint32_t *n,
                                                    struct chain_desc *first)
{
    return packed_device_get_kind(vq, VRING_DESC_WRITE, iov, chains, most, n, first);
}

/* From *first on, up to most buffers as long as each is one piece, and of one kind. As packed_device_get_kind(). */
static PORT_INLINE int packed_device_get_pieces(struct vring_packed_device *vq, struct vring_iov *iov,
                                                struct vring_chain *chains, uint32_t most, uint32_t *n,
                                                struct chain_desc *first)
{
    uint32_t like = packed_avail_flags(vq->next_avail), kind = first->flags & VRING_DESC_WRITE;
    int error;

    if (packed_device_passes(vq)) {
        error = packed_device_get_pieces_in_order(vq, iov, most, n, first);
        packed_device_tell_row(vq, kind, iov, *n, chains);
        return error;
    }
    if (most > 0 && packed_is_piece(first->flags, like))
        return packed_device_get_readable(vq, iov, chains, most, n, first);
    if (most > 0 && packed_is_piece(first->flags, like | VRING_DESC_WRITE))
        return packed_device_get_writable(vq, iov, chains, most, n, first);
    *n = 0;
    return OTHER;
}

/*
 * Take buffers, whatever they are, as long as they all have a table or none has. *first is the first descriptor of the
 * first; with OTHER it becomes that of the next. Returns why there are no more than there is room less of.
 */
static PORT_INLINE int packed_device_get_run(struct vring_packed_device *vq, bool indirect,
                                             struct packed_device_room *room, struct chain_desc *first)
{
    struct packed_device_taking taking = packed_device_taking(vq, packed_device_passes(vq));
    struct vring_head *heads = vq->heads;
    struct vring_iov *iov = room->iov;
    struct vring_chain *chain = room->chains, *end = chain + room->capacity;
    struct chain_desc desc = *first;
    uint32_t n_iov = room->n_iov;
    int error;

    for (;;) {
        struct packed_device_rest rest;

        error = packed_device_take_run(vq, &vq->ring, heads, &taking, indirect, &desc, iov, n_iov, chain, &rest);
        if (PORT_UNLIKELY(error == OTHER)) {
            packed_device_taken(vq, &taking);
            error = packed_device_take_rest(vq, &rest, iov, n_iov, chain);
            chain += vring_error_blame(error) == VRING_BLAME_CHAIN;
            taking = packed_device_taking(vq, packed_device_passes(vq));
        }
        if (PORT_UNLIKELY(error))
            break;
        iov += chain->n_readable + chain->n_writable;
        n_iov -= chain->n_readable + chain->n_writable;
        if (++chain == end)
            break;
        error = packed_device_look(vq, &vq->ring, packed_entry(taking.at), taking.at, taking.held < vq->ring.size, &desc);
        if (PORT_UNLIKELY(error))
            break;
        if (PORT_UNLIKELY(packed_device_is_table(&desc) != indirect)) {
            error = OTHER;
            break;
        }
        packed_expect_desc(&vq->ring, packed_entry(taking.at));
    }
    packed_device_taken(vq, &taking);
    room->capacity -= (uint32_t)(chain - room->chains);
    room->chains = chain;
    room->iov = iov;
    room->n_iov = n_iov;
    *first = desc;
    return error;
}

static PORT_NOINLINE int packed_device_get_lists(struct vring_packed_device *vq, struct packed_device_room *room,
                                                 struct chain_desc *first)
{
    return packed_device_get_run(vq, false, room, first);
}

static PORT_NOINLINE int packed_device_get_tables(struct vring_packed_device *vq, struct packed_device_room *room,
                                                  struct chain_desc *first)
{
    return packed_device_get_run(vq, true, room, first);
}

/*
 * Take the buffer at next_avail, whatever it is; first is its first descriptor. In registers: a straight path comes here
 * without having put it anywhere.
 */
static PORT_NOINLINE int packed_device_take_any(struct vring_packed_device *vq, struct chain_desc first,
                                                struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    struct packed_device_room room = {iov, n_iov, chain, 1};

    return (packed_device_is_table(&first) ? packed_device_get_tables : packed_device_get_lists)(vq, &room, &first);
}

/* get_avail where nothing is left from before a restart. */
static int packed_device_get_next(struct vring_packed_device *vq, struct chain_walk *walk)
{
    struct vring_packed_position at = vq->next_avail;
    uint16_t flags;
    int answer = packed_device_offered(vq, &vq->ring, packed_entry(at), at, vq->held < vq->ring.size, &flags);

    if (answer)
        return answer;

    struct packed_device_place place = packed_device_place(&vq->ring, at, flags);

    place.record = vq->inflight.free_head;
    return packed_device_take_walked(vq, walk, &place, NULL);
}

/* get_avail of any buffer, also after a restart, or why there is none. */
static PORT_REST int packed_device_get_any(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                           struct vring_chain *chain)
{
    struct chain_walk walk;
    int refusal = chain_begin(&walk, packed_device_live(vq), iov, n_iov, chain);

    if (refusal)
        return refusal;
    packed_device_find_straight(vq);
    return vring_packed_device_waits(vq) ? packed_device_get_again(vq, &walk) : packed_device_get_next(vq, &walk);
}

/* Take the buffer at next_avail, if desc is all of it, and one piece of this kind in the region that the last one was in. */
static PORT_INLINE int packed_device_get_piece(struct vring_packed_device *vq, bool passes, const struct chain_desc *desc,
                                               uint32_t kind, struct vring_iov *iov, struct vring_chain *chain)
{
    struct packed_device_taking taking = packed_device_taking(vq, passes);

    if (!chain_put_piece(desc, &vq->regions.last, kind, iov, chain))
        return OTHER;
    if (!packed_device_may_take(&vq->ring, vq->heads, &taking, desc->next))
        return vring_poison(&vq->live, VRING_E_PEER_ID, packed_entry(vq->next_avail), desc->next);
    packed_device_hold(vq->heads, &vq->heads[vq->taken], packed_entry(vq->next_avail), &taking, desc->next, 1,
                       kind ? desc->len : 0, false, chain);
    if (passes)
        packed_device_follow(vq, desc->next);
    vq->generation++;
    vq->taken = packed_after(&vq->ring, vq->taken);
    vq->next_avail = packed_forward(&vq->ring, vq->next_avail, 1);
    vq->in_flight++;
    vq->held++;
    return 0;
}

/* get_avail where there is room for a piece, nothing is left from before a restart, and no note is kept. */
static PORT_INLINE int packed_device_get_one(struct vring_packed_device *vq, bool passes, struct vring_iov *iov,
                                             uint32_t n_iov, struct vring_chain *chain)
{
    struct vring_packed_position at = vq->next_avail;
    struct chain_desc desc;
    int answer = packed_device_look(vq, &vq->ring, packed_entry(at), at, vq->held < vq->ring.size, &desc);

    if (PORT_UNLIKELY(answer))
        return answer;

    uint32_t unlike = desc.flags & (VRING_DESC_NEXT | VRING_DESC_INDIRECT | VRING_DESC_WRITE);

    if (unlike == 0) {
        answer = packed_device_get_piece(vq, passes, &desc, 0, iov, chain);
        PORT_STORED(vq->held); /* gcc makes one of both kinds otherwise, of numbers instead of constants */
    } else if (unlike == VRING_DESC_WRITE) {
        answer = packed_device_get_piece(vq, passes, &desc, VRING_DESC_WRITE, iov, chain);
    } else {
        answer = OTHER;
    }
    if (PORT_UNLIKELY(answer == OTHER)) {
        const struct chain_desc first = {desc.addr, desc.len, desc.flags, desc.next};

        return packed_device_take_any(vq, first, iov, n_iov, chain);
    }
    return answer;
}

static PORT_NOINLINE int packed_device_get_one_in_order(struct vring_packed_device *vq, struct vring_iov *iov,
                                                        uint32_t n_iov, struct vring_chain *chain)
{
    return packed_device_get_one(vq, true, iov, n_iov, chain);
}

/* One piece is taken without a call. */
int vring_packed_device_get_avail(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                  struct vring_chain *chain)
{
    if (!PORT_FAST || PORT_UNLIKELY(!vq || !chain || !iov || n_iov == 0))
        return packed_device_get_any(vq, iov, n_iov, chain);
    if (straight_is(vq->straight, STRAIGHT_ANY_ORDER))
        return packed_device_get_one(vq, false, iov, n_iov, chain);
    if (straight_is(vq->straight, STRAIGHT_IN_ORDER))
        return packed_device_get_one_in_order(vq, iov, n_iov, chain);
    return packed_device_get_any(vq, iov, n_iov, chain);
}

/* Up to capacity buffers, by so many calls. */
static PORT_NOINLINE int packed_device_get_each(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0, pieces = 0;
    int error = 0;

    while (!error && taken < capacity) {
        struct vring_chain *chain = &chains[taken];

        error = vring_packed_device_get_avail(vq, iov ? &iov[pieces] : NULL, n_iov - pieces, chain);
        taken += error == 0 || vring_error_blame(error) == VRING_BLAME_CHAIN;
        pieces += error ? 0 : chain->n_readable + chain->n_writable;
    }
    *n = taken;
    return error;
}

/* Up to capacity buffers, without an inflight region and where none waits; there is room for a piece. */
static PORT_INLINE int packed_device_get_straight(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                                  struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    uint32_t taken = 0; /* each of one piece */
    int error = 0;

    while (!error && taken < capacity) {
        struct vring_packed_position at = vq->next_avail;
        struct chain_desc first;
        uint32_t now;

        error = packed_device_look(vq, &vq->ring, packed_entry(at), at, vq->held < vq->ring.size, &first);
        if (error)
            break;
        do {
            uint32_t row = packed_device_row(vq, capacity - taken, n_iov - taken);

            error = packed_device_get_pieces(vq, iov + taken, chains + taken, row, &now, &first);
            taken += now;
        } while (error == OTHER && now > 0);
        if (error == OTHER) {
            struct packed_device_room room = {iov + taken, n_iov - taken, chains + taken, capacity - taken};

            while (error == OTHER)
                error = (packed_device_is_table(&first) ? packed_device_get_tables : packed_device_get_lists)(vq, &room, &first);
            taken = capacity - room.capacity;
        }
    }
    *n = taken;
    return error;
}

int vring_packed_device_get_avail_run(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                      struct vring_chain *chain, uint32_t *n)
{
    if (!vq || !chain || !n || (!iov && n_iov > 0))
        return VRING_E_NULL;
    *n = 0;
    if (PORT_UNLIKELY(vq->live != LIVE) && *packed_device_live(vq) != LIVE)
        return peer_verdict(vq->live);
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return VRING_E_FEATURE;

    int answer;

    if (packed_device_passes(vq) && resume_waiting(vq->waiting) == 0) {
        struct vring_packed_position at = vq->next_avail;
        struct chain_desc first;

        answer = packed_device_look(vq, &vq->ring, packed_entry(at), at, vq->held < vq->ring.size, &first);
        if (answer)
            return answer;

        uint32_t kind = first.flags & VRING_DESC_WRITE;

        answer = packed_device_get_pieces_in_order(vq, iov, n_iov, n, &first);
        if (*n > 0)
            packed_device_tell_row(vq, kind, &iov[*n - 1], 1, chain);
        if (answer != OTHER || *n > 0)
            return answer == OTHER ? 0 : batch_answer(answer, *n);
    }
    answer = vring_packed_device_get_avail(vq, iov, n_iov, chain);
    *n = answer == 0 || vring_error_blame(answer) == VRING_BLAME_CHAIN;
    return answer;
}

int vring_packed_device_get_avail_batch(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                       struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    int error;

    if (!vq || !n || (!iov && n_iov > 0) || (!chains && capacity > 0))
        return VRING_E_NULL;
    *n = 0;
    if (PORT_UNLIKELY(vq->live != LIVE) && *packed_device_live(vq) != LIVE)
        return peer_verdict(vq->live);
    if (capacity == 0)
        return VRING_E_ROOM;
    if (PORT_FAST && n_iov > 0 && !straight_is(vq->straight, STRAIGHT_UNKNOWN))
        error = packed_device_get_straight(vq, iov, n_iov, chains, capacity, n);
    else
        error = packed_device_get_each(vq, iov, n_iov, chains, capacity, n);
    return batch_answer(error, *n);
}
