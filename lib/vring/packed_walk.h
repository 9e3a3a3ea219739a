/* SPDX-License-Identifier: MIT */
/*
 * The descriptors of one buffer of a packed ring, as its device goes over them: judging each, or straight, as long as they
 * are as most are. What packed_take.c does with what is found is not said here.
 */
#ifndef VRING_PACKED_WALK_H
#define VRING_PACKED_WALK_H

#include <vring/packed.h>

#include "chain.h"
#include "features.h"
#include "indirect.h"
#include "inflight.h"
#include "packed_ring.h"
#include "peer.h"
#include "regions.h"

/* ------------------------------------------------------------------------------------------------- judging each --- */

/* An indirect table that is being walked (2.8.7). */
struct packed_device_table {
    uint64_t addr;
    uint32_t entries;
    uint32_t i;             /* the entry at hand ... */
    bool loaded;
    struct chain_desc desc; /* ... if it is loaded */
};

/* Walk a table from the entry at hand: as many entries as its length says, in order. */
static int packed_device_walk_table(struct vring_packed_device *vq, struct chain_walk *walk,
                                    struct packed_device_table table)
{
    struct vring_regions here = vq->regions; /* a table mostly lies elsewhere than the buffers that it lists */
    int step = CHAIN_MORE;

    for (; step == CHAIN_MORE; table.i++, table.loaded = false) {
        uint64_t words[2];

        if (!table.loaded) {
            if (PEER_BAD(!indirect_fetch(&here, table.addr + 16 * (uint64_t)table.i, words)))
                return vring_chain_no_table(walk, &here, table.i, table.addr);
            table.desc = packed_decode_entry(words, table.i + 1 == table.entries);
        }
        step = vring_chain_take(walk, &table.desc, table.i, table.entries);
    }
    return step;
}

enum { NO_LINKS = 0x10000 }; /* a packed descriptor has no next that could lie outside its table */

/* Where a list of descriptors is read from. */
struct packed_device_list {
    struct vring_packed_position at; /* in the ring */
    uint32_t descriptors; /* ring entries: found so far ... */
    uint32_t limit;       /* ... and at most */
    uint16_t record;      /* with an inflight region: where the next is noted there */
    bool noted;           /* ... and is read from: the ring's has been overwritten since */
};

/* The next descriptor of the list; next is its id. */
static struct chain_desc packed_device_next(struct vring_packed_device *vq, struct packed_device_list *list)
{
    struct chain_desc desc;

    list->descriptors++;
    list->at = packed_forward(&vq->ring, list->at, 1);
    if (inflight_is_kept(&vq->inflight) && list->noted) {
        desc = inflight_packed_fetch(&vq->inflight, list->record);
        list->record = inflight_after(vq->heads, list->record);
        return desc;
    }
    desc = packed_fetch_desc(&vq->ring, list->at.offset, packed_load_flags(&vq->ring, list->at.offset));
    if (inflight_is_kept(&vq->inflight))
        list->record = inflight_packed_note(&vq->inflight, vq->heads, list->record, &desc);
    return desc;
}

/* What is left to walk of a buffer, in the general way. */
struct packed_device_rest {
    struct chain_walk walk;
    struct packed_device_list list;
    struct packed_device_table table; /* of no entries: we are not in one */
    struct chain_desc desc;           /* the direct descriptor at hand; then the last, which has the id (2.8.6) */
    bool judged;                      /* it has been taken already */
};

/* Walk a list: direct descriptors, or one that names a table. The others were written before the first. */
static int packed_device_walk(struct vring_packed_device *vq, struct packed_device_rest *rest)
{
    struct packed_device_list *list = &rest->list;
    struct chain_desc *desc = &rest->desc;
    int step = CHAIN_MORE;

    if (FEATURE_BUILT(VRING_F_INDIRECT_DESC) && rest->table.entries > 0)
        return packed_device_walk_table(vq, &rest->walk, rest->table);
    if ((desc->flags & VRING_DESC_INDIRECT) && list->descriptors == 1) {
        struct packed_device_table table = {.addr = desc->addr, .entries = desc->len / 16};

        step = chain_table(&rest->walk, desc, list->at.offset, feature_on(vq->features, VRING_F_INDIRECT_DESC));
        if (!FEATURE_BUILT(VRING_F_INDIRECT_DESC) || step != CHAIN_MORE)
            return step;
        return packed_device_walk_table(vq, &rest->walk, table);
    }
    for (;; *desc = packed_device_next(vq, list), rest->judged = false) {
        if (PEER_BAD(desc->flags & VRING_DESC_INDIRECT)) /* 2.8.19: a list is direct or indirect, not both */
            return chain_broken(&rest->walk, VRING_E_PEER_INDIRECT, list->at.offset, desc->flags);
        if (!rest->judged)
            step = vring_chain_take(&rest->walk, desc, list->at.offset, NO_LINKS);
        if (step != CHAIN_MORE)
            return step;
        if (PEER_BAD(list->descriptors >= list->limit))
            return chain_broken(&rest->walk, VRING_E_PEER_LOOP, list->at.offset, desc->flags);
    }
}

/* ----------------------------------------------------------------------------------------------------- straight --- */

/* Walk straight over a list: from *desc, entry i of the ring, on. *desc is then where that ended. */
static PORT_INLINE enum chain_step packed_device_run_list(const struct vring_packed_device *vq, uint32_t i,
                                                          struct chain_desc *desc, struct vring_iov *iov, uint32_t room,
                                                          struct vring_chain *chain)
{
    struct vring_packed_ring here = packed_from(&vq->ring, i);
    struct chain_run run = chain_run_start(iov, room);
    uint32_t kind = 0, left = vq->ring.size - i; /* entries until the ring begins again, which it does once */
    enum chain_step step = CHAIN_STRAYS;

    while (room > 0) {
        if (!chain_run_take(&run, desc, kind, &vq->regions.last)) {
            if (kind || !chain_run_turns(desc, &vq->regions.last))
                break;
            kind = VRING_DESC_WRITE;
            chain_run_tell_readable(&run, iov, chain);
            continue;
        }
        if (!(desc->flags & VRING_DESC_NEXT)) {
            step = chain_run_end(&run, desc);
            break;
        }
        if (PORT_UNLIKELY(run.iov == run.end)) {
            step = CHAIN_MORE;
            break;
        }
        here = packed_from(&here, 1);
        if (PORT_UNLIKELY(--left == 0))
            here = packed_from(&vq->ring, 0);
        *desc = packed_fetch_desc(&here, 0, packed_load_flags(&here, 0));
    }
    if (kind == 0)
        chain_run_tell_readable(&run, iov, chain);
    chain_run_tell_writable(&run, iov, chain);
    return step;
}

/* The same over a table all of which we see in memory; it says then where that ended. */
static PORT_INLINE enum chain_step packed_device_run_table(const struct vring_packed_device *vq, const void *memory,
                                                           struct packed_device_table *table, struct vring_iov *iov,
                                                           uint32_t room, struct vring_chain *chain)
{
    struct chain_run run = chain_run_start(iov, room);
    uint32_t kind = 0, i = 0, entries = table->entries;
    struct chain_desc desc = packed_fetch_entry(memory, i, entries == 1);
    enum chain_step step = CHAIN_STRAYS;

    while (run.iov != run.end) {
        if (!chain_run_take(&run, &desc, kind, &vq->regions.last)) {
            if (kind || !chain_run_turns(&desc, &vq->regions.last))
                break;
            kind = VRING_DESC_WRITE;
            chain_run_tell_readable(&run, iov, chain);
            continue;
        }
        if (i + 1 == entries) {
            step = chain_run_end(&run, &desc);
            break;
        }
        i++;
        desc = packed_fetch_entry(memory, i, i + 1 == entries);
    }
    if (kind == 0)
        chain_run_tell_readable(&run, iov, chain);
    chain_run_tell_writable(&run, iov, chain);
    table->i = i;
    table->desc = desc;
    return step;
}

/*
 * Where we see all of the table that outer names, if it lies in the region that the last buffer was in; otherwise null.
 * What is asked of outer is asked in vring_chain_table(), too, and refused there.
 */
static PORT_INLINE const void *packed_device_see_table(const struct vring_packed_device *vq, const struct chain_desc *outer)
{
    void *memory;

    if (!feature_on(vq->features, VRING_F_INDIRECT_DESC) || (outer->flags & VRING_DESC_NEXT) ||
        outer->len % 16 != 0 || outer->len / 16 > vq->max_chain)
        return NULL;
    if (!regions_whole(&vq->regions, outer->addr, outer->len, false, &memory) || (uintptr_t)memory % 8 != 0)
        return NULL;
    return memory;
}

/* Does this first descriptor name a table, which a straight walk could go over? */
static PORT_INLINE bool packed_device_is_table(const struct chain_desc *first)
{
    return FEATURE_BUILT(VRING_F_INDIRECT_DESC) && (first->flags & VRING_DESC_INDIRECT);
}

#endif
