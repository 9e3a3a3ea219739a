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
    CHAIN_BROKEN /* fault says how */
};

struct chain_walk {
    /* where to put the pieces */
    struct vring_iov *iov;
    uint32_t capacity;
    /* found so far */
    uint32_t n_readable;
    uint32_t n_writable;
    uint64_t readable;   /* bytes */
    uint64_t writable;
    uint32_t left;       /* descriptors that the chain may still have: what ends every loop */
    int refused;         /* 0, or why this buffer is unusable: VRING_E_CHAIN_*, or VRING_E_MISS for now */
    uint64_t missing;    /* with VRING_E_MISS: the address */
    bool writing;        /* a device-writable descriptor has been seen */
    struct vring_fault fault; /* on CHAIN_BROKEN */
};

static inline void chain_start(struct chain_walk *walk, struct vring_iov *iov, uint32_t capacity, uint32_t max_chain)
{
    walk->iov = iov;
    walk->capacity = capacity;
    walk->n_readable = walk->n_writable = 0;
    walk->readable = walk->writable = 0;
    walk->left = max_chain;
    walk->refused = 0;
    walk->writing = false;
}

/* A chain broke: keep the evidence. Returns CHAIN_BROKEN. */
PORT_COLD enum chain_step vring_chain_broken(struct chain_walk *walk, int error, uint32_t position, uint64_t value);

/*
 * Judge one direct descriptor, or one entry of a table, with entries being the length of its table and position its
 * number there. An unusable buffer is remembered and the chain walked on: what the structure of the ring deserves is
 * judged to its end.
 */
enum chain_step vring_chain_take(struct chain_walk *walk, const struct chain_desc *desc, uint32_t position,
                                 uint32_t entries, struct vring_regions *regions);

/*
 * The most common of chains, straight: a single direct descriptor whose buffer is one piece, in the region that the last
 * one was in. False, with nothing written, for any other: walk it.
 */
static inline bool chain_single(const struct chain_desc *desc, const struct vring_regions *regions,
                                struct vring_iov *iov, uint32_t capacity, struct vring_chain *chain)
{
    static const struct vring_chain nothing = {0};
    bool writable = (desc->flags & VRING_DESC_WRITE) != 0;
    void *host;

    if (desc->flags & (VRING_DESC_NEXT | VRING_DESC_INDIRECT))
        return false;
    if (capacity == 0 || !regions_whole(regions, desc->addr, desc->len, writable, &host))
        return false;
    iov->base = host;
    iov->len = desc->len;
    *chain = nothing;
    if (writable) {
        chain->n_writable = 1;
        chain->writable = desc->len;
    } else {
        chain->n_readable = 1;
        chain->readable = desc->len;
    }
    return true;
}

/*
 * Judge the descriptor that names an indirect table (2.7.5.3). Returns CHAIN_MORE if the table may be walked; its
 * length is then a multiple of 16 and has no more entries than the chain may have.
 */
enum chain_step vring_chain_table(struct chain_walk *walk, const struct chain_desc *desc, uint32_t position,
                                  bool negotiated);

/*
 * Entry position of the table at addr could not be fetched through these regions: the chain is broken, or its table is
 * not yet to be reached.
 */
PORT_COLD enum chain_step vring_chain_no_table(struct chain_walk *walk, const struct vring_regions *regions,
                                               uint32_t position, uint64_t addr);

/*
 * Tell the caller what was found; nothing of a refused buffer. 0 if it is to be taken; VRING_E_ROOM without room for all
 * its pieces, VRING_E_MISS.
 */
static inline int chain_report(const struct chain_walk *walk, struct vring_chain *chain)
{
    static const struct vring_chain nothing = {0};

    if (PORT_UNLIKELY(walk->refused)) {
        *chain = nothing;
        if (walk->refused != VRING_E_MISS)
            return 0;
        chain->missing = walk->missing;
        return VRING_E_MISS;
    }
    *chain = nothing;
    chain->n_readable = walk->n_readable;
    chain->n_writable = walk->n_writable;
    chain->readable = walk->readable;
    chain->writable = walk->writable;
    return walk->n_readable + walk->n_writable <= walk->capacity ? 0 : VRING_E_ROOM;
}

#endif
