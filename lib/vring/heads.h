/* SPDX-License-Identifier: MIT */
/*
 * What a device holds: one head per buffer that the driver can name, in private memory. A handle is a head and the
 * generation in which it was given out, so that a stale one is refused.
 */
#ifndef VRING_HEADS_H
#define VRING_HEADS_H

#include <vring/types.h>

#include "features.h"
#include "port.h"
#include "saved.h"

/* What is known of the use of a buffer that has been taken. */
enum head_used {
    HEAD_NOT_USED,
    HEAD_REFUSED,      /* nor this, and nothing can be written into it: the driver must be told 0 */
    HEAD_WAITING,      /* it was in flight before a restart, and is still to be handed out again; writable: its turn */
    HEAD_USED_IN_PART, /* IN_ORDER, before its turn: writable is the used length, and the driver must be told it */
    HEAD_USED_IN_FULL, /* ... and the driver will take it for granted if it is not told */
    HEAD_STAGED,       /* noted in an inflight region: not yet published; writable is the one staged before it */
    HEAD_AGAIN = 8,    /* besides: it was in flight before a restart, and has been handed out again */
    HEAD_BEFORE = 16   /* besides: it was used before a restart, and is not handed out again */
};

/* Does anybody ask what is known of a buffer's use? Those who hold buffers back, and those who go on after a restart. */
enum { HEADS_TELL_USE = FEATURE_BUILT(VRING_F_IN_ORDER) || VRING_BUILD_RESTART };

static inline uint16_t handle_head(vring_handle handle)
{
    return (uint16_t)(handle & 0xffff);
}

/*
 * Names no buffer: the lower half of a handle is a head, and none is as high as this. Nor is it negative: x86-64 stores such
 * a constant and a zero behind it by one instruction.
 */
enum { HANDLE_NONE = INT32_MAX };

/* From now on no handle names the buffer at head. */
static inline void heads_forget(struct vring_head *heads, uint16_t head)
{
    heads[head].handle = HANDLE_NONE;
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
    size_t head = handle_head(handle);

    return head < size && heads[head].handle == handle;
}

/* May the buffer that the handle names be given back with len bytes written? 0, VRING_E_HANDLE or VRING_E_LEN. */
static PORT_INLINE int heads_check_use(const struct vring_head *heads, uint32_t size, vring_handle handle, uint32_t len)
{
    if (PORT_UNLIKELY(!heads_hold(heads, size, handle)))
        return VRING_E_HANDLE;
    return PORT_UNLIKELY(len > heads[handle_head(handle)].writable) ? VRING_E_LEN : 0;
}

/*
 * Split: was the buffer at head taken last at one of count positions from first on? Its position says so, modulo 2^16; what
 * that position named says whether it was this one, or one taken a whole lap of the index later.
 */
static PORT_INLINE bool heads_is_at(const struct vring_head *heads, uint32_t mask, size_t head, size_t first, uint32_t count)
{
    uint16_t position = heads[head].record;

    return (uint16_t)(position - first) < count && heads[position & mask].order == head;
}

/* Packed: is the buffer of this id one of the count that order[first ..) lists, round the array? */
static PORT_INLINE bool heads_is_among(const struct vring_head *heads, uint32_t size, size_t id, uint32_t first,
                                       uint32_t count)
{
    uint32_t place = heads[id].record;

    return (place >= first ? place : place + size) - first < count && heads[place].order == id;
}

#define HEADS_LIE_SIDE_BY_SIDE                       \
    (PORT_BEGINS_ALIGNED(struct vring_head, taken) && \
     offsetof(struct vring_head, used) == offsetof(struct vring_head, taken) + 2)

/* Of two constants gcc makes a vector, loads it, and does not see that what lies beside it is one, too. */
static PORT_INLINE void heads_set_taken(struct vring_head *head, uint32_t taken, uint32_t used)
{
    typedef uint32_t members PORT_MEMBERS_OF(struct vring_head);

    *(members *)PORT_MEMBERS_FROM(head, offsetof(struct vring_head, taken)) = (uint32_t)port_pair(taken, used, 16);
}

/*
 * Take the buffer at head under this handle, of descriptors entries of the ring; refused: it can only be given back, and
 * nothing of it is writable.
 */
static PORT_INLINE void heads_hand_out(struct vring_head *heads, size_t head, vring_handle handle, uint16_t descriptors,
                                       uint64_t writable, bool refused)
{
    heads[head].handle = handle;
    heads[head].writable = (uint32_t)(writable - (writable >> 32)); /* 2^32 counts as one less */
    heads_set_taken(&heads[head], descriptors, HEADS_TELL_USE && refused ? HEAD_REFUSED : HEAD_NOT_USED);
}

/* The device holds the buffer at head no longer. */
static inline void heads_release(struct vring_head *heads, uint16_t head)
{
    heads[head].taken = 0;
    heads[head].used = HEAD_NOT_USED; /* one store, with its neighbours */
    heads_forget(heads, head);
}

/* Will the driver take it for granted that len bytes were written into the buffer at head, if it is not told? */
static inline bool heads_used_in_full(const struct vring_head *heads, uint16_t head, uint32_t len)
{
    return (heads[head].used & ~HEAD_AGAIN) == HEAD_NOT_USED && len == heads[head].writable;
}

/* Hold the buffer at head back until its turn: len bytes were written. */
static inline void heads_hold_back(struct vring_head *heads, uint16_t head, uint32_t len)
{
    heads[head].used = heads_used_in_full(heads, head, len) ? HEAD_USED_IN_FULL : HEAD_USED_IN_PART;
    heads[head].writable = len;
    heads_forget(heads, head);
}

/* Is the buffer at head one of those that were used before their turn? */
static inline bool heads_held_back(const struct vring_head *heads, uint16_t head)
{
    int used = heads[head].used & ~HEAD_BEFORE;

    return used == HEAD_USED_IN_PART || used == HEAD_USED_IN_FULL;
}

/* The buffer at head was in flight before a restart, as the i-th of those that order[] lists. */
static inline void heads_wait(struct vring_head *heads, uint16_t head, uint16_t descriptors, uint32_t i)
{
    heads[head].taken = descriptors;
    heads[head].used = HEAD_WAITING;
    heads[i].order = head;
}

/* Those listed in order[0 .. count) will be handed out with these generations. Returns the one after them. */
static inline uint16_t heads_renew(struct vring_head *heads, uint32_t count, uint16_t generation)
{
    for (uint32_t i = 0; i < count; i++, generation++)
        if (heads[heads[i].order].used == HEAD_WAITING)
            heads[heads[i].order].writable = generation;
    return generation;
}

/* Let it wait once more. */
static inline void heads_wait_again(struct vring_head *heads, uint16_t head)
{
    heads[head].used = HEAD_WAITING;
    heads[head].writable = heads[head].handle >> 16;
    heads_forget(heads, head);
}

/* Sort the heads listed in order[0 .. count) by what their writable says, which is an age meanwhile: the least first. */
void vring_heads_sort(struct vring_head *heads, uint32_t count);

/* List what order[0 .. size) lists by places further, round the array. */
void vring_heads_rotate(struct vring_head *heads, uint32_t size, uint32_t by);

/* What is remembered of a buffer in flight, as bytes. */
enum { HEADS_RECORD = 12 }; /* writable, head, taken, used, age */

/*
 * One record per buffer that is taken: with in_order the count that order[start ..) lists, round the array; otherwise all
 * there are, each with its age.
 */
void vring_heads_save(struct saved_cursor *to, const struct vring_head *heads, uint32_t size, uint32_t start,
                      uint32_t count, bool in_order, uint16_t generation);

/*
 * And back: count records, as order[0 .. count), oldest first; those that were not used WAITING. Returns 0 or
 * VRING_E_SAVED.
 */
int vring_heads_restore(struct saved_cursor *from, struct vring_head *heads, uint32_t size, uint32_t count, bool in_order);

#endif
