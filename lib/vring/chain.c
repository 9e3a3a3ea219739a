/* SPDX-License-Identifier: MIT */
#include "chain.h"

/* One piece more; beyond the capacity it is only counted, so that the caller can come back with enough room. */
static inline void chain_add_piece(struct chain_walk *walk, void *base, size_t len)
{
    uint32_t n = walk->pieces++;

    if (n < walk->capacity) {
        walk->iov[n].base = base;
        walk->iov[n].len = len;
    }
}

/* The pieces of a buffer that may lie in several regions: one in each. */
static int chain_add_pieces(struct chain_walk *walk, uint64_t addr, uint32_t left, bool writable)
{
    if (PEER_BAD(!VRING_BUILD_REGIONS || regions_wraps(addr, left)))
        return VRING_E_CHAIN_ADDR;
    while (left > 0) {
        struct regions_piece piece = regions_find(walk->regions, addr);

        if (!piece.host && regions_may_miss(walk->regions))
            return VRING_E_MISS;
        if (PEER_BAD(!piece.host || (writable && piece.read_only)))
            return VRING_E_CHAIN_ADDR;
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
 * 2.7.5).
 */
static inline int chain_buffer(struct chain_walk *walk, const struct chain_desc *desc)
{
    bool writable = (desc->flags & VRING_DESC_WRITE) != 0;
    int error = 0;
    void *host;

    if (PEER_BAD(walk->writing && !writable))
        return VRING_E_CHAIN_ORDER;
    walk->writing = writable;
    if (desc->len == 0)
        return 0;
    walk->bytes += desc->len;
    if (PEER_BAD(chain_too_long(walk->bytes)))
        return VRING_E_CHAIN_LEN;
    if ((!PORT_FAST && VRING_BUILD_REGIONS) || !regions_whole(walk->regions, desc->addr, desc->len, writable, &host))
        error = chain_add_pieces(walk, desc->addr, desc->len, writable);
    else
        chain_add_piece(walk, host, desc->len);
    if (!writable)
        chain_tell_readable(walk);
    return error;
}

int vring_chain_take(struct chain_walk *walk, const struct chain_desc *desc)
{
    if (PEER_BAD(walk->left == 0))
        return chain_broken(walk, VRING_E_PEER_LOOP, desc->next);
    walk->left--;
    if (!walk->refused)
        walk->refused = chain_buffer(walk, desc);
    return desc->flags & VRING_DESC_NEXT ? CHAIN_MORE : CHAIN_DONE;
}

int vring_chain_table(struct chain_walk *walk, const struct chain_desc *desc)
{
    if (PEER_BAD(desc->flags & VRING_DESC_NEXT))
        return chain_broken(walk, VRING_E_PEER_INDIRECT, desc->flags);
    if (PEER_BAD(desc->len == 0 || desc->len % 16 != 0))
        return chain_broken(walk, VRING_E_PEER_INDIRECT, desc->len);
    if (PEER_BAD(desc->len / 16 > walk->left))
        return chain_broken(walk, VRING_E_PEER_LOOP, desc->len);
    if (PEER_BAD(regions_wraps(desc->addr, desc->len)))
        return chain_broken(walk, VRING_E_PEER_TABLE, desc->addr);
    return CHAIN_MORE;
}

int vring_chain_no_table(struct chain_walk *walk, const struct vring_regions *regions, uint64_t addr)
{
    if (!regions_may_miss(regions))
        return chain_broken(walk, VRING_E_PEER_TABLE, addr);
    walk->refused = VRING_E_MISS;
    walk->regions->missing = regions->missing;
    return CHAIN_DONE;
}

int vring_chain_end(struct chain_walk *walk)
{
    struct vring_chain *chain = walk->chain;

    if (PORT_UNLIKELY(walk->refused)) {
        walk->pieces = 0;
        walk->bytes = 0;
        chain_tell_readable(walk);
    }
    chain->n_writable = walk->pieces - chain->n_readable;
    chain->writable = walk->bytes - chain->readable;
    if (regions_may_miss(walk->regions) && walk->refused == VRING_E_MISS) {
        chain->missing = walk->regions->missing;
        return VRING_E_MISS;
    }
    return walk->pieces <= walk->capacity ? 0 : VRING_E_ROOM;
}
