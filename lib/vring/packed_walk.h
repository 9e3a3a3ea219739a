/* SPDX-License-Identifier: MIT */
/*
 * The descriptors of one buffer of a packed ring, as its device goes over them: judging each, or straight, as long as they
 * are as most are. What packed_take.c does with what is found is not said here.
 */
#ifndef VRING_PACKED_WALK_H
#define VRING_PACKED_WALK_H

#include <vring/packed.h>

#include "batch.h"
#include "chain.h"
#include "features.h"
#include "indirect.h"
#include "inflight.h"
#include "packed_ring.h"
#include "peer.h"
#include "regions.h"

/* ------------------------------------------------------------------------------------------------- judging each --- */

/* Where a walk stands. */
struct packed_device_place {
    uint32_t offset;                   /* the ring entry at hand ... */
    struct vring_packed_position next; /* ... and the place behind it */
    uint32_t descriptors;              /* ring entries: up to this one */
    uint16_t flags;                    /* of this one */
    uint16_t id;                       /* of the one that was read last: the last of a list has the buffer's (2.8.6) */
    bool judged;                       /* what was read of it has been taken already */
    uint16_t record;                   /* with an inflight region: where it is noted there */
    bool noted;                        /* ... and is read from: the ring's has been overwritten since */
    uint32_t entries;                  /* of the indirect table that is walked (2.8.7); 0: of none ... */
    uint32_t i;                        /* ... the entry at hand */
    uint64_t addr;
};

/* The first descriptor of a buffer at this place of the ring; flags were observed there. */
static PORT_INLINE struct packed_device_place packed_device_place(const struct vring_packed_ring *r,
                                                                  struct vring_packed_position at, uint16_t flags)
{
    struct packed_device_place place = {.offset = packed_entry(at), .descriptors = 1, .flags = flags};

    place.next = packed_forward(r, at, 1);
    return place;
}

/* Has the walk come to a table, or begun there? */
static inline bool packed_device_in_table(const struct packed_device_place *place)
{
    return FEATURE_BUILT(VRING_F_INDIRECT_DESC) && place->entries > 0;
}

/* The direct descriptor at hand. */
static inline struct chain_desc packed_device_fetch(struct vring_packed_device *vq, struct packed_device_place *place)
{
    struct chain_desc desc;

    if (!inflight_is_kept(&vq->inflight) || !place->noted)
        return packed_fetch_desc(&vq->ring, place->offset, place->flags);
    desc = inflight_packed_fetch(&vq->inflight, place->record);
    place->record = inflight_after(vq->heads, place->record);
    return desc;
}

/* Judge the direct descriptor at hand, read already if it is given, and go on to what follows. */
static inline int packed_device_step(struct vring_packed_device *vq, struct chain_walk *walk,
                                     struct packed_device_place *place, const struct chain_desc *first)
{
    struct chain_desc desc = first ? *first : packed_device_fetch(vq, place);
    int step = CHAIN_MORE;

    place->id = desc.next;
    if (inflight_is_kept(&vq->inflight) && !place->noted)
        place->record = inflight_packed_note(&vq->inflight, vq->heads, place->record, &desc);
    if ((desc.flags & VRING_DESC_INDIRECT) && feature_on(vq->features, VRING_F_INDIRECT_DESC) && place->descriptors == 1) {
        walk->left = vq->max_chain; /* what a table lists takes up no entries of the ring */
        step = vring_chain_table(walk, &desc);
        place->addr = desc.addr;
        place->entries = step == CHAIN_MORE ? desc.len / 16 : 0;
        return step;
    }
    if (!place->judged)
        step = chain_take(walk, &desc);
    if (step != CHAIN_MORE)
        return step;
    place->descriptors++;
    place->offset = packed_entry(place->next);
    place->next = packed_forward(&vq->ring, place->next, 1);
    place->flags = place->noted ? 0 : packed_load_flags(&vq->ring, place->offset);
    place->judged = false;
    return CHAIN_MORE;
}

/* The same of an entry of a table, which is looked for through these regions. */
static inline int packed_device_step_table(struct chain_walk *walk, struct packed_device_place *place,
                                           struct vring_regions *regions, const struct chain_desc *first)
{
    struct chain_desc desc;
    uint64_t words[2];

    if (first) {
        desc = *first;
    } else {
        if (PEER_BAD(!indirect_fetch(regions, place->addr + 16 * (uint64_t)place->i, words)))
            return vring_chain_no_table(walk, regions, place->addr);
        desc = packed_decode_entry(words, place->i + 1 == place->entries);
    }

    int step = chain_take(walk, &desc);

    place->i += step == CHAIN_MORE;
    return step;
}

/*
 * Walk on from this place to the end of the buffer: a list, all of which was written before its first descriptor, or a table,
 * which mostly lies elsewhere than what it lists. A list takes up at most room entries of the ring. first: what is at hand, if
 * it was read. 0, or what broke the queue.
 */
static int packed_device_walk(struct vring_packed_device *vq, struct chain_walk *walk, struct packed_device_place *place,
                              uint32_t room, const struct chain_desc *first)
{
    struct vring_regions table = vq->regions;
    int step;

    chain_within(walk, &vq->regions, packed_device_in_table(place) ? vq->max_chain : batch_least(vq->max_chain, room));
    for (step = first ? chain_more(walk, first->next) : CHAIN_MORE; step == CHAIN_MORE; first = NULL)
        step = packed_device_in_table(place) ? packed_device_step_table(walk, place, &table, first)
                                             : packed_device_step(vq, walk, place, first);
    if (step <= CHAIN_STRAYS)
        return 0;
    return chain_poison(walk, &vq->fault, &vq->live, step, packed_device_in_table(place) ? place->i : place->offset);
}

/* ----------------------------------------------------------------------------------------------------- straight --- */

/* Walk straight over pieces of one kind of a list, from *desc on, which was read at here. Both are then where that ended. */
static PORT_INLINE enum chain_step packed_device_run_kind(const struct vring_packed_device *vq, struct vring_packed_ring *here,
                                                          struct chain_desc *desc, struct chain_run *run, uint32_t kind)
{
    const struct vring_packed_ring end = packed_from(&vq->ring, vq->ring.size);

    for (;;) {
        const uint32_t flags = chain_run_flags(desc->flags, kind);

        if (chain_run_turns(flags))
            return CHAIN_TURNS;
        if (!chain_run_put(run, desc, &vq->regions.last))
            return CHAIN_STRAYS;
        chain_run_keep(run, desc);
        if (!(flags & VRING_DESC_NEXT))
            return CHAIN_DONE;
        if (PORT_UNLIKELY(run->iov == run->end))
            return CHAIN_MORE;
        *here = packed_from(here, 1);
        if (PORT_UNLIKELY(here->desc == end.desc))
            *here = packed_from(&vq->ring, 0);
        *desc = packed_fetch_desc(here, 0, packed_load_flags(here, 0));
    }
}

/* Walk straight over a list: from *desc, entry i of the ring, on. *desc is then where that ended. */
static PORT_INLINE enum chain_step packed_device_run_list(const struct vring_packed_device *vq, uint32_t i,
                                                          struct chain_desc *desc, struct vring_iov *iov, uint32_t room,
                                                          struct vring_chain *chain)
{
    struct vring_packed_ring here = packed_from(&vq->ring, i);
    struct chain_run run = chain_run_start(iov, chain_run_limit(iov, room));
    enum chain_step step = room > 0 ? packed_device_run_kind(vq, &here, desc, &run, 0) : CHAIN_STRAYS;

    if (chain_run_go_on(&run, step, &vq->regions.last, chain))
        step = packed_device_run_kind(vq, &here, desc, &run, VRING_DESC_WRITE);
    return chain_run_end(&run, step, desc, chain);
}

/* As packed_device_run_kind(), of a table all of which we see in memory. */
static PORT_INLINE enum chain_step packed_device_run_entries(const struct vring_packed_device *vq, const void *memory,
                                                             uint32_t entries, uint32_t *at, struct chain_desc *desc,
                                                             struct chain_run *run, uint32_t kind)
{
    while (run->iov != run->end) {
        if (chain_run_turns(chain_run_flags(desc->flags, kind)))
            return CHAIN_TURNS;
        if (!chain_run_put(run, desc, &vq->regions.last))
            break;
        chain_run_keep(run, desc);
        if (*at + 1 == entries)
            return CHAIN_DONE;
        ++*at;
        *desc = packed_fetch_entry(memory, *at, *at + 1 == entries);
    }
    return CHAIN_STRAYS;
}

/* Walk straight over such a table; it ended at entry *at then, which is *end. */
static PORT_INLINE enum chain_step packed_device_run_table(const struct vring_packed_device *vq, const void *memory,
                                                           uint32_t entries, uint32_t *at, struct chain_desc *end,
                                                           struct vring_iov *iov, uint32_t room, struct vring_chain *chain)
{
    struct chain_run run = chain_run_start(iov, chain_run_limit(iov, room));
    struct chain_desc desc = packed_fetch_entry(memory, 0, entries == 1);
    uint32_t i = 0;
    enum chain_step step = packed_device_run_entries(vq, memory, entries, &i, &desc, &run, 0);

    if (chain_run_go_on(&run, step, &vq->regions.last, chain))
        step = packed_device_run_entries(vq, memory, entries, &i, &desc, &run, VRING_DESC_WRITE);
    *at = i;
    *end = desc;
    return chain_run_end(&run, step, &desc, chain);
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
