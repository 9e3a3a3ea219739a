/* SPDX-License-Identifier: MIT */
#include "batch.h"

uint32_t vring_batch_add_avail(struct vring_driver *vq, const struct vring_segment *segments,
                               const struct vring_batch_buffer *buffers, uint32_t count, int *answer)
{
    uint32_t done = 0;

    for (*answer = 0; done < count; done++) {
        const struct vring_batch_buffer *buffer = &buffers[done];

        *answer = vring_driver_add_avail(vq, segments, buffer->n_readable, buffer->n_writable, buffer->token);
        if (*answer)
            break;
        segments += (uint32_t)buffer->n_readable + buffer->n_writable;
    }
    return done;
}

uint32_t vring_batch_get_used(struct vring_driver *vq, struct vring_used_buffer *used, uint32_t count, int *answer)
{
    uint32_t done = 0;

    for (*answer = 0; done < count; done++) {
        *answer = vring_driver_get_used(vq, &used[done]);
        if (*answer)
            break;
    }
    return done;
}

uint32_t vring_batch_get_avail(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov,
                               struct vring_chain *chains, uint32_t count, int *answer)
{
    uint32_t done = 0;

    for (*answer = 0; done < count; done++) {
        struct vring_chain *chain = &chains[done];

        *answer = vring_device_get_avail(vq, iov, n_iov, chain);
        if (*answer)
            break;
        iov += chain->n_readable + chain->n_writable;
        n_iov -= chain->n_readable + chain->n_writable;
    }
    return done;
}

uint32_t vring_batch_add_used(struct vring_device *vq, const struct vring_batch_used *used, uint32_t count, int *answer)
{
    uint32_t done = 0;

    for (*answer = 0; done < count; done++) {
        *answer = vring_device_add_used(vq, used[done].handle, used[done].len);
        if (*answer)
            break;
    }
    return done;
}
