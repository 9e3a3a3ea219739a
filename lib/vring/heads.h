/* SPDX-License-Identifier: MIT */
/*
 * What a device holds: one head per buffer that the driver can name, in private memory. A handle is a head and the
 * generation in which it was given out, so that a stale one is refused.
 */
#ifndef VRING_HEADS_H
#define VRING_HEADS_H

#include <vring/types.h>

/* With IN_ORDER: what is known of a buffer that was used before its turn. */
enum head_used {
    HEAD_NOT_USED,
    HEAD_REFUSED,      /* nor this, and nothing can be written into it: the driver must be told 0 */
    HEAD_USED_IN_PART, /* writable is now the used length, and the driver must be told it */
    HEAD_USED_IN_FULL  /* ... and the driver will take it for granted if it is not told */
};

static inline uint16_t handle_head(vring_handle handle)
{
    return (uint16_t)(handle & 0xffff);
}

/* From now on no handle names the buffer at head: every handle of it has head in its lower half. */
static inline void heads_forget(struct vring_head *heads, uint16_t head)
{
    heads[head].handle = ~(vring_handle)head;
}

static inline void heads_clear(struct vring_head *heads, uint32_t size)
{
    static const struct vring_head untaken = {0};

    for (uint32_t i = 0; i < size; i++) {
        heads[i] = untaken;
        heads_forget(heads, (uint16_t)i);
    }
}

/* Does the handle name a buffer that the device may still use? */
static inline bool heads_hold(const struct vring_head *heads, uint32_t size, vring_handle handle)
{
    return handle_head(handle) < size && heads[handle_head(handle)].handle == handle;
}

/* Take the buffer at head, of descriptors entries of the ring; refused: it can only be given back. Returns its handle. */
static inline vring_handle heads_take(struct vring_head *heads, uint16_t head, uint16_t descriptors, uint64_t writable,
                                      bool refused, uint16_t generation)
{
    vring_handle handle = (vring_handle)generation << 16 | head;

    if (refused)
        writable = 0;
    heads[head].handle = handle;
    heads[head].writable = writable > UINT32_MAX ? UINT32_MAX : (uint32_t)writable;
    heads[head].taken = descriptors;
    heads[head].used = refused ? HEAD_REFUSED : HEAD_NOT_USED;
    return handle;
}

/* The device holds the buffer at head no longer. */
static inline void heads_release(struct vring_head *heads, uint16_t head)
{
    heads[head].taken = 0;
    heads_forget(heads, head);
}

/* Hold the buffer at head back until its turn: len bytes were written. */
static inline void heads_hold_back(struct vring_head *heads, uint16_t head, uint32_t len)
{
    bool in_full = heads[head].used == HEAD_NOT_USED && len == heads[head].writable;

    heads[head].used = in_full ? HEAD_USED_IN_FULL : HEAD_USED_IN_PART;
    heads[head].writable = len;
    heads_forget(heads, head);
}

/* Is the buffer at head one of those that were used before their turn? */
static inline bool heads_held_back(const struct vring_head *heads, uint16_t head)
{
    return heads[head].used >= HEAD_USED_IN_PART;
}

#endif
