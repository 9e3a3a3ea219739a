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
    uint16_t next;
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
    uint64_t readable; /* bytes */
    uint64_t writable;
    uint32_t left;  /* descriptors that the chain may still have: what ends every loop */
    int refused;    /* 0, or why this buffer is unusable: VRING_E_CHAIN_* */
    bool writing;   /* a device-writable descriptor has been seen */
    struct vring_fault fault; /* on CHAIN_BROKEN */
};

static inline void chain_start(struct chain_walk *walk, struct vring_iov *iov, uint32_t capacity, uint32_t max_chain)
{
    static const struct chain_walk fresh = {0};

    *walk = fresh;
    walk->iov = iov;
    walk->capacity = capacity;
    walk->left = max_chain;
}

static inline enum chain_step chain_broken(struct chain_walk *walk, int error, uint32_t position, uint64_t value)
{
    walk->fault.error = error;
    walk->fault.position = position;
    walk->fault.value = value;
    return CHAIN_BROKEN;
}

/* One piece more; beyond the capacity it is only counted, so that the caller can come back with enough room. */
static inline void chain_piece(struct chain_walk *walk, void *base, size_t len, bool writable)
{
    uint32_t n = walk->n_readable + walk->n_writable;

    if (n < walk->capacity) {
        walk->iov[n].base = base;
        walk->iov[n].len = len;
    }
    if (writable)
        walk->n_writable++;
    else
        walk->n_readable++;
}

/*
 * The pieces of one descriptor's buffer: one per region that it lies in. A buffer of length 0 has none, and its address
 * means nothing (the spec gives no minimum; 2.7.5).
 */
static inline int chain_buffer(struct chain_walk *walk, const struct chain_desc *desc,
                               const struct vring_region *regions, uint32_t count, uint32_t *hint)
{
    bool writable = (desc->flags & VRING_DESC_WRITE) != 0;
    uint64_t addr = desc->addr;
    uint32_t left = desc->len;

    if (PEER_BAD(walk->writing && !writable))
        return VRING_E_CHAIN_ORDER;
    walk->writing = writable;
    if (left == 0)
        return 0;
    if (PEER_BAD(walk->readable + walk->writable + left > UINT64_C(1) << 32))
        return VRING_E_CHAIN_LEN;
    if (PEER_BAD(regions_wraps(addr, left)))
        return VRING_E_CHAIN_ADDR;
    *(writable ? &walk->writable : &walk->readable) += left;
    while (left > 0) {
        struct regions_piece piece = regions_find(regions, count, hint, addr);

        if (PEER_BAD(!piece.host || (writable && piece.read_only)))
            return VRING_E_CHAIN_ADDR;
        if (piece.len > left)
            piece.len = left;
        chain_piece(walk, piece.host, (size_t)piece.len, writable);
        addr += piece.len;
        left -= (uint32_t)piece.len;
    }
    return 0;
}

/*
 * Judge one direct descriptor, or one entry of a table, with entries being the length of its table and position its
 * number there. An unusable buffer is remembered and the chain walked on: what the structure of the ring deserves is
 * judged to its end.
 */
static inline enum chain_step chain_take(struct chain_walk *walk, const struct chain_desc *desc, uint32_t position,
                                         uint32_t entries, const struct vring_region *regions, uint32_t count,
                                         uint32_t *hint)
{
    if (PEER_BAD(walk->left == 0))
        return chain_broken(walk, VRING_E_PEER_LOOP, position, desc->next);
    walk->left--;
    if (!walk->refused)
        walk->refused = chain_buffer(walk, desc, regions, count, hint);
    if (!(desc->flags & VRING_DESC_NEXT))
        return CHAIN_DONE;
    if (PEER_BAD(desc->next >= entries))
        return chain_broken(walk, VRING_E_PEER_NEXT, position, desc->next);
    return CHAIN_MORE;
}

/*
 * Judge the descriptor that names an indirect table (2.7.5.3). Returns CHAIN_MORE if the table may be walked; its
 * length is then a multiple of 16 and has no more entries than the chain may have.
 */
static inline enum chain_step chain_table(struct chain_walk *walk, const struct chain_desc *desc, uint32_t position,
                                          bool negotiated)
{
    if (PEER_BAD(!negotiated || (desc->flags & VRING_DESC_NEXT)))
        return chain_broken(walk, VRING_E_PEER_INDIRECT, position, desc->flags);
    if (PEER_BAD(desc->len == 0 || desc->len % 16 != 0))
        return chain_broken(walk, VRING_E_PEER_INDIRECT, position, desc->len);
    if (PEER_BAD(desc->len / 16 > walk->left))
        return chain_broken(walk, VRING_E_PEER_LOOP, position, desc->len);
    if (PEER_BAD(regions_wraps(desc->addr, desc->len)))
        return chain_broken(walk, VRING_E_PEER_TABLE, position, desc->addr);
    return CHAIN_MORE;
}

/* Tell the caller what was found; nothing of a refused buffer. False if there was no room for all its pieces. */
static inline bool chain_report(const struct chain_walk *walk, struct vring_chain *chain)
{
    static const struct vring_chain nothing = {0};

    *chain = nothing;
    if (walk->refused)
        return true;
    chain->n_readable = walk->n_readable;
    chain->n_writable = walk->n_writable;
    chain->readable = walk->readable;
    chain->writable = walk->writable;
    return walk->n_readable + walk->n_writable <= walk->capacity;
}

#endif
