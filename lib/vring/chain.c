/* SPDX-License-Identifier: MIT */
#include "chain.h"

enum chain_step vring_chain_broken(struct chain_walk *walk, int error, uint32_t position, uint64_t value)
{
    walk->fault.error = error;
    walk->fault.position = position;
    walk->fault.value = value;
    return CHAIN_BROKEN;
}

/* One piece more; beyond the capacity it is only counted, so that the caller can come back with enough room. */
static inline void chain_add_piece(struct chain_walk *walk, void *base, size_t len, bool writable)
{
    uint32_t n = walk->n_readable + walk->n_writable;

    if (n < walk->capacity) {
        walk->iov[n].base = base;
        walk->iov[n].len = len;
    }
    ++*(writable ? &walk->n_writable : &walk->n_readable);
}

/* The pieces of a buffer that may lie in several regions. */
static int chain_pieces(struct chain_walk *walk, uint64_t addr, uint32_t left, bool writable,
                        struct vring_regions *regions)
{
    while (left > 0) {
        struct regions_piece piece = regions_find(regions, addr);

        if (!piece.host && regions->may_miss)
            return VRING_E_MISS;
        if (PEER_BAD(!piece.host || (writable && piece.read_only)))
            return VRING_E_CHAIN_ADDR;
        if (piece.len > left)
            piece.len = left;
        chain_add_piece(walk, piece.host, (size_t)piece.len, writable);
        addr += piece.len;
        left -= (uint32_t)piece.len;
    }
    return 0;
}

/*
 * The pieces of one descriptor's buffer: one per region that it lies in. A buffer of length 0 has none, and its address
 * means nothing (the spec gives no minimum; 2.7.5).
 */
static inline int chain_buffer(struct chain_walk *walk, const struct chain_desc *desc, struct vring_regions *regions)
{
    bool writable = (desc->flags & VRING_DESC_WRITE) != 0;
    int error = 0;

    if (PEER_BAD(walk->writing && !writable))
        return VRING_E_CHAIN_ORDER;
    walk->writing = writable;
    if (desc->len == 0)
        return 0;
    if (PEER_BAD(walk->readable + walk->writable + desc->len > UINT64_C(1) << 32))
        return VRING_E_CHAIN_LEN;
    if (PEER_BAD(regions_wraps(desc->addr, desc->len)))
        return VRING_E_CHAIN_ADDR;

    void *host;

    if (regions_whole(regions, desc->addr, desc->len, writable, &host))
        chain_add_piece(walk, host, desc->len, writable);
    else
        error = chain_pieces(walk, desc->addr, desc->len, writable, regions);
    *(writable ? &walk->writable : &walk->readable) += desc->len;
    return error;
}

enum chain_step vring_chain_take(struct chain_walk *walk, const struct chain_desc *desc, uint32_t position,
                                 uint32_t entries, struct vring_regions *regions)
{
    if (PEER_BAD(walk->left == 0))
        return vring_chain_broken(walk, VRING_E_PEER_LOOP, position, desc->next);
    walk->left--;
    if (!walk->refused) {
        walk->refused = chain_buffer(walk, desc, regions);
        walk->missing = regions->missing;
    }
    if (!(desc->flags & VRING_DESC_NEXT))
        return CHAIN_DONE;
    if (PEER_BAD(desc->next >= entries))
        return vring_chain_broken(walk, VRING_E_PEER_NEXT, position, desc->next);
    return CHAIN_MORE;
}

enum chain_step vring_chain_table(struct chain_walk *walk, const struct chain_desc *desc, uint32_t position,
                                  bool negotiated)
{
    if (PEER_BAD(!negotiated || (desc->flags & VRING_DESC_NEXT)))
        return vring_chain_broken(walk, VRING_E_PEER_INDIRECT, position, desc->flags);
    if (PEER_BAD(desc->len == 0 || desc->len % 16 != 0))
        return vring_chain_broken(walk, VRING_E_PEER_INDIRECT, position, desc->len);
    if (PEER_BAD(desc->len / 16 > walk->left))
        return vring_chain_broken(walk, VRING_E_PEER_LOOP, position, desc->len);
    if (PEER_BAD(regions_wraps(desc->addr, desc->len)))
        return vring_chain_broken(walk, VRING_E_PEER_TABLE, position, desc->addr);
    return CHAIN_MORE;
}

enum chain_step vring_chain_no_table(struct chain_walk *walk, const struct vring_regions *regions, uint32_t position,
                                     uint64_t addr)
{
    if (!regions->may_miss)
        return vring_chain_broken(walk, VRING_E_PEER_TABLE, position, addr);
    walk->refused = VRING_E_MISS;
    walk->missing = regions->missing;
    return CHAIN_DONE;
}
