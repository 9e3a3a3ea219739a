/* SPDX-License-Identifier: MIT */
#include "chain.h"

int vring_chain_start(const int *live, struct vring_iov *iov, uint32_t capacity, struct vring_chain *chain,
                      struct chain_walk *walk)
{
    return chain_start(walk, live, iov, capacity, chain);
}

int vring_chain_take(struct chain_walk *walk, const struct chain_desc *desc)
{
    return chain_judge(walk, desc);
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
    walk->refused = -VRING_E_MISS;
    walk->regions->missing = regions->missing;
    return CHAIN_DONE;
}

int vring_chain_end(struct chain_walk *walk, struct vring_head *heads, uint16_t head, uint16_t descriptors,
                    uint16_t *generation)
{
    return chain_give(walk, heads, head, descriptors, generation);
}
