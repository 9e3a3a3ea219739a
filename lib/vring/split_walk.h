/* SPDX-License-Identifier: MIT */
/*
 * How a device goes over the descriptors of a split buffer: judging one by one, or straight over those that are as most are.
 * Reads beside packed_walk.h; split_take.c takes the buffer.
 */
#ifndef VRING_SPLIT_WALK_H
#define VRING_SPLIT_WALK_H

#include <vring/split.h>

#include "chain.h"
#include "features.h"
#include "indirect.h"
#include "peer.h"
#include "regions.h"
#include "split_ring.h"

/* Where a walk stands: at entry i, of the ring's table or of an indirect one. */
struct split_device_place {
    uint64_t addr; /* of an indirect one */
    uint32_t entries;
    uint32_t i;
    bool indirect;
};

/* The last entry there is where the walk stands. */
static inline uint32_t split_device_last(const struct vring_split_device *vq, const struct split_device_place *at)
{
    return FEATURE_BUILT(VRING_F_INDIRECT_DESC) ? at->entries - 1 : vq->ring.mask;
}

/*
 * Judge the descriptor at this place, read already if it is given, and go on to the next: direct descriptors, the last of
 * which may name a table (2.7.5.3.2), whose entries are looked for through table: it mostly lies elsewhere than what it lists.
 */
static inline int split_device_step(struct vring_split_device *vq, struct chain_walk *walk, struct split_device_place *at,
                                    struct vring_regions *table, const struct split_words *first)
{
    const bool in_table = FEATURE_BUILT(VRING_F_INDIRECT_DESC) && at->indirect;
    struct split_words words;
    uint64_t entry[2];
    int step;

    if (first) {
        words = *first;
    } else if (in_table) {
        if (PEER_BAD(!indirect_fetch(table, at->addr + 16 * (uint64_t)at->i, entry)))
            return vring_chain_no_table(walk, table, at->addr);
        words = (struct split_words){entry[0], entry[1]};
    } else {
        words = split_fetch(vq->ring.desc, at->i);
    }

    struct chain_desc desc = split_decode(words);

    if ((desc.flags & VRING_DESC_INDIRECT) && feature_on(vq->features, VRING_F_INDIRECT_DESC) && !in_table) {
        step = vring_chain_table(walk, &desc);
        if (step == CHAIN_MORE)
            *at = (struct split_device_place){desc.addr, desc.len / 16, 0, true};
        return step;
    }
    step = chain_take(walk, &desc);
    if (step != CHAIN_MORE)
        return step;
    if (PEER_BAD(desc.next > split_device_last(vq, at)))
        return chain_broken(walk, VRING_E_PEER_NEXT, desc.next);
    at->i = desc.next;
    return CHAIN_MORE;
}

/* Walk on from this place to the end of the chain; first as above. 0, or what broke the queue. */
static int split_device_walk(struct vring_split_device *vq, struct chain_walk *walk, struct split_device_place at,
                             const struct split_words *first)
{
    struct vring_regions table = vq->regions;
    int step;

    chain_within(walk, &vq->regions, vq->max_chain);
    for (step = first ? chain_more(walk, at.i) : CHAIN_MORE; step == CHAIN_MORE; first = NULL)
        step = split_device_step(vq, walk, &at, &table, first);
    return step > CHAIN_STRAYS ? chain_poison(walk, &vq->fault, &vq->live, step, at.i) : 0;
}

/*
 * Go to the table that outer names, the first descriptor of a chain, if all of it can be seen at one place, there. Nothing
 * is judged here: what is not found so is judged by vring_chain_table().
 */
static PORT_INLINE bool split_device_see_table(const struct vring_split_device *vq, const struct chain_desc *outer,
                                               struct split_device_place *at, void **there)
{
    if (!(outer->flags & VRING_DESC_INDIRECT) || (outer->flags & VRING_DESC_NEXT) ||
        !feature_on(vq->features, VRING_F_INDIRECT_DESC) || outer->len % 16 != 0 || outer->len / 16 > vq->max_chain)
        return false;
    if (!regions_whole(&vq->regions, outer->addr, outer->len, false, there) || (uintptr_t)*there % 8 != 0)
        return false;
    *at = (struct split_device_place){outer->addr, outer->len / 16, 0, true};
    return true;
}

/*
 * Walk straight over a chain from *words on, entry *i of a table that lies where one of a ring would. True if that was all
 * of it, of less than 2^32 bytes: a walk judges more. Otherwise *words and *i are the first that was not taken.
 */
static PORT_INLINE bool split_device_run(const struct vring_split_ring *table, const struct vring_region *last,
                                         struct split_words *words, uint32_t *i, struct chain_run *run,
                                         struct vring_chain *chain)
{
    const struct vring_iov *iov = run->iov;
    const uint64_t *from = NULL;
    uint32_t kind = 0;

    while (run->iov != run->end) {
        const struct chain_desc desc = split_decode(*words);
        const uint32_t differs = split_flags(*words) ^ kind;

        if (differs & (VRING_DESC_WRITE | VRING_DESC_INDIRECT)) {
            if (kind || !chain_run_turns(differs, last))
                break;
            kind = VRING_DESC_WRITE;
            chain_run_tell_readable(run, iov, chain);
        }
        if (!chain_run_put(run, &desc, last))
            break;
        if (!(differs & VRING_DESC_NEXT)) {
            chain_run_keep(run, &desc);
            chain_run_tell(run, iov, kind, chain);
            if (!PORT_UNLIKELY(run->bytes > UINT32_MAX))
                return true;
            chain_run_drop(run, &desc);
            break;
        }
        if (desc.next > table->mask)
            break;
        chain_run_keep(run, &desc);
        from = split_desc(table->desc, desc.next);
        *words = split_fetch(from, 0);
    }
    chain_run_tell(run, iov, kind, chain);
    if (from)
        *i = (uint32_t)((from - (const uint64_t *)table->desc) / 2);
    return false;
}

/* The same of a chain whose first descriptor, *words, names a table that we see; *at is then where that ended. */
static PORT_INLINE bool split_device_run_table(const struct vring_split_device *vq, struct split_words *words,
                                               struct split_device_place *at, struct chain_run *run,
                                               struct vring_chain *chain)
{
    const struct chain_desc outer = split_decode(*words);
    struct vring_split_ring table;

    if (!split_device_see_table(vq, &outer, at, &table.desc))
        return false;
    table.mask = at->entries - 1;
    *words = split_fetch(table.desc, 0);
    return split_device_run(&table, &vq->regions.last, words, &at->i, run, chain);
}

#endif
