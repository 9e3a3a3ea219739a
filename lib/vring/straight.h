/* SPDX-License-Identifier: MIT */
/*
 * One look for many. Most queues are live, keep no note of what is in flight, and have nothing left over from a restart: all of which
 * a verb has to ask before it goes straight for a buffer, in any order or in order. Which of the two a queue may do is found out
 * when it is set up, forgotten where something of it changes, and found out again where a verb takes its general path.
 */
#ifndef VRING_STRAIGHT_H
#define VRING_STRAIGHT_H

#include <vring/packed.h>
#include <vring/split.h>

#include "features.h"
#include "inflight.h"
#include "peer.h"
#include "resume.h"

/* What the straight of a queue says. Where verbs have no straight path it says nothing. */
enum straight {
    STRAIGHT_UNKNOWN, /* or not at all */
    STRAIGHT_ANY_ORDER,
    STRAIGHT_IN_ORDER
};

/* Is it this, of a queue whose straight it is? */
static PORT_INLINE bool straight_is(uint8_t straight, enum straight which)
{
    return PORT_FAST && straight == which;
}

static inline void straight_forget(uint8_t *straight)
{
    if (PORT_FAST)
        *straight = STRAIGHT_UNKNOWN;
}

/* Find it out, unless it is known, of a queue whose these are; and there may be more that has to be settled first. */
static inline void straight_find(uint8_t *straight, int live, uint64_t features, bool owes, bool settled)
{
    if (PORT_FAST && *straight == STRAIGHT_UNKNOWN && settled && live == LIVE && !resume_owes(owes))
        *straight = feature_on(features, VRING_F_IN_ORDER) ? STRAIGHT_IN_ORDER : STRAIGHT_ANY_ORDER;
}

static inline void split_driver_find_straight(struct vring_split_driver *vq)
{
    straight_find(&vq->straight, vq->live, vq->features, vq->owes, true);
}

static inline void packed_driver_find_straight(struct vring_packed_driver *vq)
{
    straight_find(&vq->straight, vq->live, vq->features, vq->owes, true);
}

static inline void split_device_find_straight(struct vring_split_device *vq)
{
    straight_find(&vq->straight, vq->live, vq->features, vq->owes,
                  !inflight_is_kept(&vq->inflight) && resume_waiting(vq->waiting) == 0);
}

static inline void packed_device_find_straight(struct vring_packed_device *vq)
{
    straight_find(&vq->straight, vq->live, vq->features, vq->owes,
                  !inflight_is_kept(&vq->inflight) && resume_waiting(vq->waiting) == 0);
}

#endif
