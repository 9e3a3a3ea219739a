/* SPDX-License-Identifier: MIT */
/*
 * What the cells and the files that let them go on after a restart have of each other: how a queue is set up but for
 * where its ring stands.
 */
#ifndef VRING_RESUME_H
#define VRING_RESUME_H

#include <vring/packed.h>
#include <vring/split.h>

/*
 * A notification that the predecessor may have owed is sent once: the first decision after a restart is yes. Nobody
 * knows whether it stopped before or after it had notified.
 */
static inline int resume_settle(bool *owes)
{
    bool due = *owes;

    *owes = false;
    return due;
}

/*
 * Judge the configuration, and fill in what comes of it, whatever that is. The queue is not live, and nothing shared has
 * been touched. Returns what init would.
 */
int vring_split_driver_prepare(struct vring_split_driver *vq, const struct vring_driver_config *config);
int vring_split_device_prepare(struct vring_split_device *vq, const struct vring_device_config *config);
int vring_packed_driver_prepare(struct vring_packed_driver *vq, const struct vring_driver_config *config);
int vring_packed_device_prepare(struct vring_packed_device *vq, const struct vring_device_config *config);

/* Live, from here on, with notifications enabled. */
void vring_split_device_start(struct vring_split_device *vq, uint16_t next_used, uint16_t next_avail);
void vring_packed_device_start(struct vring_packed_device *vq, struct vring_packed_position next_used,
                               struct vring_packed_position next_avail);

/* Are there buffers that were in flight before a restart and are still to be handed out again? */
bool vring_packed_device_waits(struct vring_packed_device *vq);

#endif
