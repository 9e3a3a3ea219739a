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
 * Walk straight over pieces of one kind, from *words on, entry by entry of a table that lies where one of a ring would.
 * CHAIN_DONE behind the last one of the chain; otherwise *words is the first that was not taken, and *from where it was read, if it
 * was here.
 */
static PORT_INLINE enum chain_step split_device_run_kind(const struct vring_split_ring *table,
                                                         const struct vring_region *last, struct split_words *words,
                                                         const uint64_t **from, struct chain_run *run, uint32_t kind)
{
    while (run->iov != run->end) {
        const struct chain_desc desc = split_decode(*words);
        const uint32_t flags = chain_run_flags(split_flags(*words), kind);

        if (chain_run_turns(flags))
            return CHAIN_TURNS;
        if (!chain_run_put(run, &desc, last))
            break;
        if (!(flags & VRING_DESC_NEXT)) {
            chain_run_keep(run, &desc);
            return CHAIN_DONE;
        }

        const uint32_t next = split_next(flags, &desc);

        if (next > table->mask)
            break;
        chain_run_keep(run, &desc);
        *from = split_desc(table->desc, next);
        *words = split_fetch(*from, 0);
    }
    return CHAIN_STRAYS;
}

/* The same over both kinds. True if that was all of the chain, of less than 2^32 bytes: a walk judges more. */
static PORT_INLINE bool split_device_run(const struct vring_split_ring *table, const struct vring_region *last,
                                         struct split_words *words, const uint64_t **from, struct chain_run *run,
                                         struct vring_chain *chain)
{
    enum chain_step step = split_device_run_kind(table, last, words, from, run, 0);

    if (chain_run_go_on(run, step, last, chain))
        step = split_device_run_kind(table, last, words, from, run, VRING_DESC_WRITE);

    const struct chain_desc desc = split_decode(*words);

    return chain_run_end(run, step, &desc, chain) == CHAIN_DONE;
}

/* The same of a chain whose first descriptor, *words, names a table that we see; *at is then where that ended. */
static PORT_INLINE bool split_device_run_table(const struct vring_split_device *vq, struct split_words *words,
                                               struct split_device_place *at, struct chain_run *run,
                                               struct vring_chain *chain)
{
    const struct chain_desc outer = split_decode(*words);
    struct vring_split_ring table;
    const uint64_t *from;

    if (!split_device_see_table(vq, &outer, at, &table.desc))
        return false;
    table.mask = at->entries - 1;
    from = split_desc(table.desc, 0);
    *words = split_fetch(from, 0);
    if (split_device_run(&table, &vq->regions.last, words, &from, run, chain))
        return true;
    at->i = split_desc_index(table.desc, from);
    return false;
}

#endif
