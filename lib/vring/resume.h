/* SPDX-License-Identifier: MIT */
/*
 * What the files of a cell have of each other: how a queue is set up but for where its ring stands, what its numbers say,
 * and what is left to do after a restart.
 */
#ifndef VRING_RESUME_H
#define VRING_RESUME_H

#include <vring/packed.h>
#include <vring/split.h>

#include "features.h"

/* Did a restore or recover that answered this set the queue up? Also one that the peer has broken at once. */
static inline bool resume_has_set_up(int answer)
{
    return answer >= 0 || vring_error_blame(answer) == VRING_BLAME_PEER;
}

/* Does the queue owe a notification that the predecessor may not have sent? */
static inline bool resume_owes(bool owes)
{
    return VRING_BUILD_RESTART && PORT_UNLIKELY(owes);
}

/*
 * A notification that the predecessor may have owed is sent once: the first decision after a restart is yes. Nobody
 * knows whether it stopped before or after it had notified.
 */
static inline int resume_settle(bool *owes)
{
    bool due = resume_owes(*owes);

    if (due)
        *owes = false;
    return due;
}

/* So many of the buffers in flight are still to be handed out again. */
static inline uint16_t resume_waiting(uint16_t waiting)
{
    return VRING_BUILD_RESTART ? waiting : 0;
}

/*
 * Judge the configuration, and fill in what comes of it, whatever that is. The queue is not live, and nothing shared has
 * been touched. Returns what init would.
 */
int vring_split_driver_prepare(struct vring_split_driver *vq, const struct vring_driver_config *config);
int vring_split_device_prepare(struct vring_split_device *vq, const struct vring_device_config *config);
int vring_packed_driver_prepare(struct vring_packed_driver *vq, const struct vring_driver_config *config);
int vring_packed_device_prepare(struct vring_packed_device *vq, const struct vring_device_config *config);

/* How many buffers a driver has staged, and how many have not come back, those included. */

static inline uint16_t packed_driver_staged(const struct vring_packed_driver *vq)
{
    return (uint16_t)(vq->sequence - vq->told);
}

static inline uint16_t packed_driver_in_flight(const struct vring_packed_driver *vq)
{
    return (uint16_t)(vq->sequence - vq->returned);
}

/* Live, from here on, with notifications enabled. */
void vring_split_device_start(struct vring_split_device *vq, uint16_t next_used, uint16_t next_avail);
void vring_packed_device_start(struct vring_packed_device *vq, struct vring_packed_position next_used,
                               struct vring_packed_position next_avail);

/* Look at avail.idx again, which may have moved. 0, or what broke the queue. */
int vring_split_device_look(struct vring_split_device *vq);

/* Are there buffers that were in flight before a restart and are still to be handed out again? */
bool vring_split_device_waits(struct vring_split_device *vq);
bool vring_packed_device_waits(struct vring_packed_device *vq);

#endif
