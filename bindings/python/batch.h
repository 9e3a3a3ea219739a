/* SPDX-License-Identifier: MIT */
/* Several buffers in one call, so that Python crosses into C once for all of them. */
#ifndef VRING_PYTHON_BATCH_H
#define VRING_PYTHON_BATCH_H

#include <vring/vring.h>

/* What one of several buffers has besides its pieces. */
struct vring_batch_buffer {
    uint64_t token;
    uint16_t n_readable;
    uint16_t n_writable;
};

/* A buffer to be given back used. */
struct vring_batch_used {
    vring_handle handle;
    uint32_t len;
};

/*
 * Each does as its namesake in vring/driver.h or vring/device.h for one buffer after the other, until count of them are
 * done or one answers something else than 0. Returns how many were done; *answer receives 0, or what ended it.
 */
uint32_t vring_batch_add_avail(struct vring_driver *vq, const struct vring_segment *segments,
                               const struct vring_batch_buffer *buffers, uint32_t count, int *answer);
uint32_t vring_batch_get_used(struct vring_driver *vq, struct vring_used_buffer *used, uint32_t count, int *answer);

/* iov has n_iov elements for all of them together, one buffer's behind the other's. */
uint32_t vring_batch_get_avail(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov,
                               struct vring_chain *chains, uint32_t count, int *answer);
uint32_t vring_batch_add_used(struct vring_device *vq, const struct vring_batch_used *used, uint32_t count,
                              int *answer);

#endif
