/* SPDX-License-Identifier: MIT */
/*
 * What a device notes of the buffers it holds, in memory that outlives it, so that its successor can do them again:
 * the inflight region of vhost-user. Written in an order such that the note is right wherever the device is stopped;
 * read once, by the successor.
 *
 * Stores are releases where an earlier one has to be there first: the CPU keeps the order of one thread for whoever
 * comes after it, and the compiler must, too.
 */
#ifndef VRING_INFLIGHT_H
#define VRING_INFLIGHT_H

#include <vring/types.h>
#include <vring/wire.h>

#include "access.h"
#include "chain.h"
#include "features.h"
#include "heads.h"

enum {
    INFLIGHT_VERSION = 1,
    INFLIGHT_YES = PORT_BIG_ENDIAN ? 0x0100 : 1 /* 1 in the first byte of a word */
};

static inline struct vring_wire_inflight_split *inflight_split(const struct vring_inflight *track)
{
    return (struct vring_wire_inflight_split *)track->region;
}

static inline struct vring_wire_inflight_split_desc *inflight_split_desc(const struct vring_inflight *track, uint16_t i)
{
    return (struct vring_wire_inflight_split_desc *)(void *)(inflight_split(track) + 1) + i;
}

static inline struct vring_wire_inflight_packed *inflight_packed(const struct vring_inflight *track)
{
    return (struct vring_wire_inflight_packed *)track->region;
}

static inline struct vring_wire_inflight_packed_desc *inflight_packed_desc(const struct vring_inflight *track, uint16_t i)
{
    return (struct vring_wire_inflight_packed_desc *)(void *)(inflight_packed(track) + 1) + i;
}

/* Does the device keep note of what is in flight? */
static inline bool inflight_is_kept(const struct vring_inflight *track)
{
    return VRING_BUILD_RESTART && PORT_UNLIKELY(track->region != NULL);
}

/* Is this memory for a region? 0 also if there is none; VRING_E_ALIGN, VRING_E_SIZE. */
int vring_inflight_check(const struct vring_device_config *config, bool packed);

/* ---------------------------------------------------------------------------------------- both formats: staging --- */

/* Chain the buffer at head to those that the next publish gives back. It stays taken until then. */
static inline void inflight_stage(struct vring_inflight *track, struct vring_head *heads, uint16_t head)
{
    heads[head].used = HEAD_STAGED;
    heads[head].writable = track->staged;
    heads_forget(heads, head);
    track->staged = head;
    track->staged_count++;
}

/* The last of that chain, now no longer of it. */
static inline uint16_t inflight_unstage(struct vring_inflight *track, struct vring_head *heads)
{
    uint16_t head = track->staged;

    track->staged = (uint16_t)heads[head].writable;
    track->staged_count--;
    heads[head].taken = 0;
    return head;
}

/* -------------------------------------------------------------------------------------------------------- split --- */

static inline void inflight_split_take(struct vring_inflight *track, uint16_t head)
{
    struct vring_wire_inflight_split_desc *desc = inflight_split_desc(track, head);

    access_store64(&desc->counter, track->counter++);
    access_release16(&desc->inflight, INFLIGHT_YES, false);
}

/* Not taken after all. */
static inline void inflight_split_drop(const struct vring_inflight *track, uint16_t head)
{
    access_release16(&inflight_split_desc(track, head)->inflight, 0, false);
}

static inline void inflight_split_stage(struct vring_inflight *track, struct vring_head *heads, uint16_t head)
{
    uint16_t before = track->staged;

    inflight_stage(track, heads, head);
    access_release16(&inflight_split_desc(track, head)->next, before, false);
    access_release16(&inflight_split(track)->last_batch_head, head, false);
}

/* used.idx tells the driver of all that was staged. */
static inline void inflight_split_publish(struct vring_inflight *track, struct vring_head *heads, uint16_t used_idx)
{
    while (track->staged_count > 0)
        inflight_split_drop(track, inflight_unstage(track, heads));
    access_release16(&inflight_split(track)->used_idx, used_idx, false);
}

/* ------------------------------------------------------------------------------------------------------- packed --- */

/* The wrap counters, each in its byte. */
static inline uint16_t inflight_wraps(bool used, bool old_used)
{
    return PORT_BIG_ENDIAN ? (uint16_t)(used << 8 | old_used) : (uint16_t)(used | old_used << 8);
}

/* The entry of the region after i. */
static inline uint16_t inflight_after(const struct vring_head *heads, uint16_t i)
{
    return heads[i].link;
}

/*
 * Note one descriptor, the next of which is its id, in entry i. Nobody counts it until the buffer is taken. Returns the
 * entry for the one that follows.
 */
static inline uint16_t inflight_packed_note(struct vring_inflight *track, const struct vring_head *heads, uint16_t i,
                                            const struct chain_desc *desc)
{
    struct vring_wire_inflight_packed_desc *to = inflight_packed_desc(track, i);

    access_store64(&to->addr, desc->addr);
    access_store32(&to->len, desc->len);
    access_store16(&to->id, desc->next);
    access_store16(&to->flags, desc->flags);
    return inflight_after(heads, i);
}

/* The descriptor that was noted in entry i; next is its id. */
static inline struct chain_desc inflight_packed_fetch(const struct vring_inflight *track, uint16_t i)
{
    const struct vring_wire_inflight_packed_desc *from = inflight_packed_desc(track, i);
    struct chain_desc desc = {access_load64(&from->addr), access_load32(&from->len), access_load16(&from->flags),
                              access_load16(&from->id)};

    return desc;
}

/* Take the buffer of this id, the count descriptors of which have been noted from free_head on. */
static inline void inflight_packed_take(struct vring_inflight *track, struct vring_head *heads, uint16_t id, uint16_t count)
{
    uint16_t record = track->free_head, last = record;
    struct vring_wire_inflight_packed_desc *desc = inflight_packed_desc(track, record);

    for (uint16_t i = 1; i < count; i++)
        last = inflight_after(heads, last);
    heads[id].record = record;
    track->free_head = inflight_after(heads, last);
    access_store16(&desc->last, last);
    access_store16(&desc->num, count);
    access_store64(&desc->counter, track->counter++);
    access_release16(&desc->inflight, INFLIGHT_YES, false);
    access_release16(&inflight_packed(track)->free_head, track->free_head, false);
    access_release16(&inflight_packed(track)->old_free_head, track->free_head, false);
}

/* The entries of the buffer of this id are free again; the note says so when old_free_head does. */
static inline void inflight_packed_free(struct vring_inflight *track, struct vring_head *heads, uint16_t id, uint16_t count)
{
    uint16_t record = heads[id].record, last = record;

    for (uint16_t i = 1; i < count; i++)
        last = inflight_after(heads, last);
    heads[last].link = track->free_head;
    track->free_head = record;
    access_release16(&inflight_packed_desc(track, last)->next, inflight_after(heads, last), false);
    access_release16(&inflight_packed(track)->free_head, record, false);
}

/* Not taken after all. */
static inline void inflight_packed_drop(struct vring_inflight *track, struct vring_head *heads, uint16_t id)
{
    inflight_packed_free(track, heads, id, heads[id].taken);
    access_release16(&inflight_packed_desc(track, heads[id].record)->inflight, 0, false);
    access_release16(&inflight_packed(track)->old_free_head, track->free_head, false);
}

/*
 * Before the flags at old are stored, which give back all that was staged: what will be true then. If we are stopped
 * here, the successor sees by those flags that it is not true yet.
 */
static inline void inflight_packed_prepare(struct vring_inflight *track, struct vring_head *heads, uint16_t used,
                                           bool wrap, bool old_wrap)
{
    uint16_t id = track->staged;

    for (uint16_t i = 0; i < track->staged_count; i++) {
        inflight_packed_free(track, heads, id, heads[id].taken);
        id = (uint16_t)heads[id].writable;
    }
    access_release16(&inflight_packed(track)->used_idx, used, false);
    access_release16(&inflight_packed(track)->wraps, inflight_wraps(wrap, old_wrap), false);
}

/* They have been stored. */
static inline void inflight_packed_publish(struct vring_inflight *track, struct vring_head *heads, uint16_t used, bool wrap)
{
    while (track->staged_count > 0) {
        uint16_t id = inflight_unstage(track, heads);

        access_release16(&inflight_packed_desc(track, heads[id].record)->inflight, 0, false);
    }
    access_release16(&inflight_packed(track)->old_free_head, track->free_head, false);
    access_release16(&inflight_packed(track)->wraps, inflight_wraps(wrap, wrap), false);
    access_release16(&inflight_packed(track)->old_used_idx, used, false);
}

/* ----------------------------------------------------------------------------------------- a beginning, again --- */

/* An empty region: the device has used up to this index, or place, and holds nothing. */
void vring_inflight_start_split(struct vring_inflight *track, uint16_t size, uint16_t used_idx);
void vring_inflight_start_packed(struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t used,
                                 bool wrap);

/* Has anything been written into the region? */
bool vring_inflight_started(const void *region);

/*
 * What the predecessor held, oldest first, as order[0 .. *count) in heads, each WAITING. used_idx is where the ring's
 * used.idx stands. Nothing has been written yet but into heads: it may turn out that the ring is another one.
 * Returns 0; VRING_E_SAVED for a region that is none, VRING_E_UNFIT for one of another size or another ring's.
 */
int vring_inflight_recover_split(struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t used_idx,
                                 uint16_t *count);

/* Then mend what the predecessor was stopped in. */
void vring_inflight_mend_split(const struct vring_inflight *track, struct vring_head *heads, uint16_t size,
                               uint16_t used_idx);

/* A place in a packed ring. */
struct vring_inflight_place {
    uint16_t offset;
    bool wrap;
};

/* Where to look whether the predecessor published what it had prepared. False if the region names no such place. */
bool vring_inflight_packed_place(const struct vring_inflight *track, uint16_t size, struct vring_inflight_place *old);

/*
 * The same, and mends what the predecessor was stopped in, after all was judged. committed: the descriptor at that place is
 * no longer available as it was, so the driver has been told. *used is then where the driver will look next.
 */
int vring_inflight_recover_packed(struct vring_inflight *track, struct vring_head *heads, uint16_t size, bool committed,
                                  struct vring_inflight_place *used, uint16_t *count);

#endif
