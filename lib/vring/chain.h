/* SPDX-License-Identifier: MIT */
/*
 * What the driver asked for: judging descriptors that have been copied out of the ring, one by one, into a list of
 * pieces. Sees no ring. A chain ends in one of three ways: done, refused (this buffer alone), or a peer error;
 * malformed is never "end".
 */
#ifndef VRING_CHAIN_H
#define VRING_CHAIN_H

#include <vring/types.h>
#include <vring/wire.h>

#include "features.h"
#include "heads.h"
#include "peer.h"
#include "regions.h"

/* A descriptor, copied once, in our byte order. */
struct chain_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next; /* split: the next descriptor; packed: the id of the buffer */
};

enum chain_step {
    CHAIN_DONE,
    CHAIN_MORE,
    CHAIN_TURNS, /* of a straight walk alone: of another kind than those before it, ... */
    CHAIN_STRAYS /* ... or not as most are; and nothing has been said of it yet */
};

/* A walk over a chain, descriptor by descriptor. Its steps are CHAIN_DONE, CHAIN_MORE, or, without its sign, why the chain is none. */
struct chain_walk {
    struct vring_regions *regions; /* of the queue */
    struct vring_iov *iov;         /* where to put the next piece ... */
    uint32_t capacity;             /* ... of as many as this in all ... */
    struct vring_chain *chain;     /* ... and what is told of them: before the end, of the readable ones alone */
    uint32_t left;   /* descriptors that the chain may still have: what ends every loop */
    uint32_t pieces; /* so far; beyond the capacity only counted, so that the caller can come back with more room */
    uint64_t bytes;  /* of them */
    int refused;   /* 0, or, without its sign, why this buffer is unusable: CHAIN_*, or MISS for now */
    bool writing;  /* a device-writable descriptor has been seen */
    uint64_t evidence; /* where the chain is none: what was seen */
};

/* Nothing is told of this chain. */
static inline void chain_clear(struct vring_chain *chain)
{
    chain->n_readable = chain->n_writable = 0;
    chain->readable = chain->writable = 0;
}

static inline uint32_t chain_pieces(const struct vring_chain *chain)
{
    return chain->n_readable + chain->n_writable;
}

/* Are so many bytes more than a buffer may have (2.7.5.2)? 2^32 counts as one less: more does not fit in a word then. */
static inline bool chain_too_long(uint64_t bytes)
{
    return (bytes - (bytes >> 32)) >> 32 != 0;
}

/* A walk that has found nothing. What it goes through, and how far, is left to chain_within(). */
static inline void chain_walk(struct chain_walk *walk, struct vring_iov *iov, uint32_t capacity, struct vring_chain *chain)
{
    walk->iov = iov;
    walk->capacity = capacity;
    walk->chain = chain;
    walk->left = 0;
    walk->pieces = 0;
    walk->bytes = 0;
    walk->refused = 0;
    walk->writing = false;
}

/* One that goes on behind what has been told of its chain. */
static inline void chain_go_on(struct chain_walk *walk, struct vring_iov *iov, uint32_t capacity, struct vring_chain *chain)
{
    chain_walk(walk, iov, capacity, chain);
    walk->pieces = chain_pieces(chain);
    if (walk->pieces > 0) /* otherwise there may be no array */
        walk->iov += walk->pieces;
    walk->bytes = chain->readable + chain->writable;
    walk->left -= walk->pieces;
    walk->writing = chain->n_writable > 0;
}

/*
 * One that begins, as the queue has been asked for whose live this is, null if there is none. Why it cannot, and otherwise not
 * negative: as peer_state(), VRING_E_NULL also without a place for what there is room for.
 */
static inline int chain_start(struct chain_walk *walk, const int *live, struct vring_iov *iov, uint32_t capacity,
                              struct vring_chain *chain)
{
    live = live_unless(!chain, live);
    live = live_unless(!iov && capacity > 0, live);

    if (!PORT_FAST) { /* a walk of a queue that refuses is none, but what it is made of needs not be kept for after the call */
        chain_walk(walk, iov, capacity, chain);
        return peer_state(live, LIVE);
    }

    int refusal = peer_refusal(live, LIVE);

    if (!refusal)
        chain_walk(walk, iov, capacity, chain);
    return refusal;
}

/* The same, as the function that both formats share: its arguments are those of the verbs. */
int vring_chain_start(const int *live, struct vring_iov *iov, uint32_t capacity, struct vring_chain *chain,
                      struct chain_walk *walk);

/* 0, or why it cannot. */
static inline int chain_begin(struct chain_walk *walk, const int *live, struct vring_iov *iov, uint32_t capacity,
                              struct vring_chain *chain)
{
    int answer = FEATURES_SHARE ? vring_chain_start(live, iov, capacity, chain, walk)
                                : chain_start(walk, live, iov, capacity, chain);

    return PORT_FAST || answer < 0 ? answer : 0;
}

/* A walk through these regions, over so many descriptors at most, those included that it goes on behind. */
static inline void chain_within(struct chain_walk *walk, struct vring_regions *regions, uint32_t most)
{
    walk->regions = regions;
    walk->left += most;
}

/* The chain is none, and this was seen. Returns the step that says so: chain_poison() breaks the queue. */
static inline int chain_broken(struct chain_walk *walk, int error, uint64_t value)
{
    walk->evidence = value;
    return -error;
}

/* A chain whose walk ended with this step, at this position, is none: break the queue, as vring_poison() does. */
static inline int chain_poison(const struct chain_walk *walk, struct vring_fault *fault, int *live, int step,
                               uint32_t position)
{
    int answer = vring_poison(live, -step, position, (uint32_t)walk->evidence);

    if (FEATURE_BUILT(VRING_F_INDIRECT_DESC))
        fault->value = walk->evidence; /* a table's address, all of it */
    return answer;
}

/* All that has been found so far is for the device to read. */
static inline void chain_tell_readable(const struct chain_walk *walk)
{
    walk->chain->n_readable = walk->pieces;
    walk->chain->readable = walk->bytes;
}

/* One piece more. */
static inline void chain_add_piece(struct chain_walk *walk, void *base, size_t len)
{
    if (walk->pieces++ < walk->capacity) {
        walk->iov->base = base;
        walk->iov->len = len;
        walk->iov++;
    }
}

/* The pieces of a buffer that may lie in several regions: one in each. */
static inline int chain_add_pieces(struct chain_walk *walk, uint64_t addr, uint32_t left, bool writable)
{
    if (PEER_BAD(!VRING_BUILD_REGIONS || regions_wraps(addr, left)))
        return -VRING_E_CHAIN_ADDR;
    while (left > 0) {
        struct regions_piece piece = regions_find(walk->regions, addr);

        if (!piece.host && regions_may_miss(walk->regions))
            return -VRING_E_MISS;
        if (PEER_BAD(!piece.host || (writable && piece.read_only)))
            return -VRING_E_CHAIN_ADDR;
        if (piece.len > left)
            piece.len = left;
        chain_add_piece(walk, piece.host, (size_t)piece.len);
        addr += piece.len;
        left -= (uint32_t)piece.len;
    }
    return 0;
}

/*
 * One descriptor's buffer. If it is of length 0 it has no pieces, and its address means nothing (the spec gives no minimum;
 * 2.7.5). Returns what walk->refused then says.
 */
static inline int chain_buffer(struct chain_walk *walk, const struct chain_desc *desc)
{
    bool writable = (desc->flags & VRING_DESC_WRITE) != 0;
    int error = 0;
    void *host;

    if (PEER_BAD(writable < walk->writing))
        return -VRING_E_CHAIN_ORDER;
    if (writable > walk->writing)
        chain_tell_readable(walk);
    walk->writing = writable;
    if (desc->len == 0)
        return 0;
    walk->bytes += desc->len;
    if ((!PORT_FAST && VRING_BUILD_REGIONS) || !regions_whole(walk->regions, desc->addr, desc->len, writable, &host))
        error = chain_add_pieces(walk, desc->addr, desc->len, writable);
    else
        chain_add_piece(walk, host, desc->len);
    return error;
}

/* Behind what has been told there is another descriptor to judge, if the chain may have one more. */
static inline int chain_more(struct chain_walk *walk, uint32_t next)
{
    if (PEER_BAD(walk->left == 0))
        return chain_broken(walk, VRING_E_PEER_LOOP, next);
    return CHAIN_MORE;
}

/*
 * Judge one direct descriptor, or one entry of a table, but for where it says that the next one is. One that names a table
 * comes here where none may. An unusable buffer is remembered and the chain walked on: what the structure of the ring deserves
 * is judged to its end.
 */
static inline int chain_judge(struct chain_walk *walk, const struct chain_desc *desc)
{
    if (PEER_BAD(desc->flags & VRING_DESC_INDIRECT))
        return chain_broken(walk, VRING_E_PEER_INDIRECT, desc->flags);

    uint32_t follow = desc->flags & VRING_DESC_NEXT; /* 1, or 0 */

    if (!walk->refused)
        walk->refused = chain_buffer(walk, desc);
    walk->left--;
    if (PEER_BAD(follow > walk->left))
        return chain_broken(walk, VRING_E_PEER_LOOP, desc->next);
    return follow ? CHAIN_MORE : CHAIN_DONE;
}

/* The same, as the function that both formats share; where one alone is built, the walk is its only caller. */
int vring_chain_take(struct chain_walk *walk, const struct chain_desc *desc);

static inline int chain_take(struct chain_walk *walk, const struct chain_desc *desc)
{
    return FEATURES_SHARE ? vring_chain_take(walk, desc) : chain_judge(walk, desc);
}

/*
 * The most common of buffers, straight: desc, of this kind, 0 for the device to read or VRING_DESC_WRITE, is all of it. If it is
 * one piece in the region that the last one was in. False, with nothing told, for any other: walk it. There is room for one
 * piece.
 */
static PORT_INLINE bool chain_put_piece(const struct chain_desc *desc, const struct vring_region *last, uint32_t kind,
                                        struct vring_iov *iov, struct vring_chain *chain)
{
    void *host;

    if (!region_whole(last, desc->addr, desc->len, kind != 0, &host))
        return false;
    iov->base = host;
    iov->len = desc->len;
    chain->n_readable = kind == 0;
    chain->n_writable = kind != 0;
    chain->readable = kind ? 0 : desc->len;
    chain->writable = kind ? desc->len : 0;
    return true;
}

/*
 * A straight walk: each descriptor one piece in the region that the last one was in, first those that the device reads,
 * then those that it writes. It judges nothing: with a descriptor that it does not take, of which nothing has been said
 * yet, a walk goes on. A loop of its own goes over the pieces of each kind, so that their flags are asked by constants.
 */
struct chain_run {
    struct vring_iov *iov;        /* where the next piece goes */
    struct vring_iov *end;        /* ... if it is not here: there is no more room, or a chain has no more */
    const struct vring_iov *from; /* where those of the kind at hand begin */
    uint64_t bytes;               /* of the pieces so far: what there may be of them is asked at the end */
};

static PORT_INLINE struct chain_run chain_run_start(struct vring_iov *iov, struct vring_iov *end)
{
    struct chain_run run = {iov, end, iov, 0};

    return run;
}

/* Where a straight walk ends that has room for so many pieces; without any there may be no array. */
static PORT_INLINE struct vring_iov *chain_run_limit(struct vring_iov *iov, uint32_t room)
{
    return room > 0 ? iov + room : iov;
}

/* The flags of a descriptor, of which those that the pieces of this kind, 0 or VRING_DESC_WRITE, have are taken for none. */
static PORT_INLINE uint32_t chain_run_flags(uint32_t flags, uint32_t kind)
{
    flags ^= kind;
    PORT_OPAQUE(flags); /* gcc takes them out of what was read for each question otherwise */
    return flags;
}

/* Do these say that it is of another kind, or names a table? */
static PORT_INLINE bool chain_run_turns(uint32_t flags)
{
    return (flags & (VRING_DESC_WRITE | VRING_DESC_INDIRECT)) != 0;
}

/* Put desc, a direct descriptor, where the next piece goes, if it is such a piece. There is room for it. */
static PORT_INLINE bool chain_run_put(const struct chain_run *run, const struct chain_desc *desc,
                                      const struct vring_region *last)
{
    void *host;

    if (!region_whole(last, desc->addr, desc->len, false, &host))
        return false;
    run->iov->base = host;
    run->iov->len = desc->len;
    return true;
}

/* Keep what was put. */
static PORT_INLINE void chain_run_keep(struct chain_run *run, const struct chain_desc *desc)
{
    run->iov++;
    run->bytes += desc->len;
}

/* The pieces to read ended with this step: tell them. True if those to write may follow. */
static PORT_INLINE bool chain_run_go_on(struct chain_run *run, enum chain_step step, const struct vring_region *last,
                                        struct vring_chain *chain)
{
    chain->n_readable = (uint32_t)(run->iov - run->from);
    chain->readable = run->bytes;
    run->from = run->iov;
    return step == CHAIN_TURNS && !(last->flags & VRING_REGION_READ_ONLY);
}

/* What was told last, desc, is not taken. */
static inline void chain_run_drop(struct chain_run *run, const struct chain_desc *desc, struct vring_chain *chain)
{
    run->iov--;
    run->bytes -= desc->len;
    if (chain->n_writable > 0) {
        chain->n_writable--;
        chain->writable -= desc->len;
    } else {
        chain->n_readable--;
        chain->readable -= desc->len;
    }
}

/*
 * The pieces to write ended with this step, at desc: tell them. CHAIN_DONE if all of the chain has been taken, CHAIN_MORE if all so
 * far, CHAIN_STRAYS if desc has not: of what is too much as a whole the walk is to say so, and the last is not taken.
 */
static PORT_INLINE enum chain_step chain_run_end(struct chain_run *run, enum chain_step step, const struct chain_desc *desc,
                                                 struct vring_chain *chain)
{
    chain->n_writable = (uint32_t)(run->iov - run->from);
    chain->writable = run->bytes - chain->readable;
    if (step == CHAIN_DONE && PORT_UNLIKELY(run->bytes > UINT32_MAX)) {
        chain_run_drop(run, desc, chain);
        return CHAIN_STRAYS;
    }
    return step == CHAIN_TURNS ? CHAIN_STRAYS : step;
}

/*
 * Judge the descriptor that names an indirect table (2.7.5.3). Returns CHAIN_MORE if the table may be walked; its
 * length is then a multiple of 16 and has no more entries than the chain may have.
 */
int vring_chain_table(struct chain_walk *walk, const struct chain_desc *desc);

/*
 * An entry of the table at addr could not be fetched through these regions: the chain is broken, or its table is not yet
 * to be reached.
 */
PORT_COLD int vring_chain_no_table(struct chain_walk *walk, const struct vring_regions *regions, uint64_t addr);

/* What walk->refused says at the end; of two reasons the first: nothing is counted behind another one. */
static inline int chain_verdict(const struct chain_walk *walk)
{
    if (PEER_BAD(chain_too_long(walk->bytes)))
        return -VRING_E_CHAIN_LEN;
    return walk->refused;
}

/*
 * At the end of a chain: nothing is told of a refused buffer. 0 if it is to be taken; VRING_E_ROOM without room for all its
 * pieces, VRING_E_MISS.
 */
static inline int chain_conclude(struct chain_walk *walk)
{
    struct vring_chain *chain = walk->chain;

    walk->refused = chain_verdict(walk);
    if (PORT_UNLIKELY(walk->refused)) {
        walk->pieces = 0;
        walk->bytes = 0;
        walk->writing = false;
    }
    if (!walk->writing)
        chain_tell_readable(walk);
    chain->n_writable = walk->pieces - chain->n_readable;
    chain->writable = walk->bytes - chain->readable;
    if (regions_may_miss(walk->regions) && walk->refused == -VRING_E_MISS) {
        chain->missing = walk->regions->missing;
        return VRING_E_MISS;
    }
    return walk->pieces <= walk->capacity ? 0 : VRING_E_ROOM;
}

/*
 * The same; and the buffer of this head, or id, of so many descriptors of the ring, is the device's from then on, in this
 * generation, behind which comes the next, refused or not.
 */
static inline int chain_give(struct chain_walk *walk, struct vring_head *heads, uint16_t head, uint16_t descriptors,
                             uint16_t *generation)
{
    struct vring_chain *chain = walk->chain;
    int error = chain_conclude(walk);

    if (error)
        return error;
    chain->handle = (vring_handle)(*generation)++ << 16 | head;
    heads_hand_out(heads, head, chain->handle, descriptors, chain->writable, walk->refused != 0);
    return 0;
}

/* As vring_chain_take(). */
int vring_chain_end(struct chain_walk *walk, struct vring_head *heads, uint16_t head, uint16_t descriptors,
                    uint16_t *generation);

static inline int chain_end(struct chain_walk *walk, struct vring_head *heads, uint16_t head, uint16_t descriptors,
                            uint16_t *generation)
{
    return (FEATURES_SHARE ? vring_chain_end : chain_give)(walk, heads, head, descriptors, generation);
}

/* The same of a buffer that was in flight before a restart, and waits. */
static inline int chain_end_again(struct chain_walk *walk, struct vring_head *heads, uint16_t head)
{
    uint16_t generation = (uint16_t)heads[head].writable;
    int error = chain_end(walk, heads, head, heads[head].taken, &generation);

    if (!error)
        heads[head].used |= HEAD_AGAIN;
    return error;
}

#endif
