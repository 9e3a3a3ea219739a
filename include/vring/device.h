/* SPDX-License-Identifier: MIT */
/*
 * libvring: the device side of a virtqueue whose format is known at run time. Who knows it at build time uses split.h
 * or packed.h directly; the calls are the same.
 *
 * Each call is one switch and a direct call. What it does, and what it answers, stands at its namesake in split.h;
 * where the packed ring differs, in packed.h.
 */
#ifndef VRING_DEVICE_H
#define VRING_DEVICE_H

#include "packed.h"
#include "split.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vring_device {
    bool packed;     /* which of the two it is */
    bool big_endian; /* a split ring without VERSION_1, in that byte order */
    union {
        struct vring_split_device split;
        struct vring_packed_device packed;
    } as;
};

/* RING_PACKED among the features says which format. */
int vring_device_init(struct vring_device *vq, const struct vring_device_config *config);
void vring_device_reset(struct vring_device *vq);
int vring_device_get_avail(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain);
int vring_device_get_avail_batch(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                 struct vring_chain *chains, uint32_t capacity, uint32_t *n);
int vring_device_get_avail_run(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain,
                               uint32_t *n);
int vring_device_rewind(struct vring_device *vq, vring_handle handle);
int vring_device_add_used(struct vring_device *vq, vring_handle handle, uint32_t len);
int vring_device_add_used_batch(struct vring_device *vq, const struct vring_used_chain *used, uint32_t count, uint32_t *n);
int vring_device_add_used_through(struct vring_device *vq, vring_handle handle, uint32_t len);
int vring_device_publish(struct vring_device *vq);
int vring_device_enable_notify(struct vring_device *vq);
int vring_device_disable_notify(struct vring_device *vq);
uint16_t vring_device_in_flight(const struct vring_device *vq);
int vring_device_peek(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain);
int vring_device_set_regions(struct vring_device *vq, const struct vring_region *regions, uint32_t count);
int vring_device_suspend(struct vring_device *vq);
int vring_device_resume(struct vring_device *vq);
int vring_device_save(const struct vring_device *vq, void *state, size_t room);
int vring_device_restore(struct vring_device *vq, const struct vring_device_config *config, const void *state,
                         size_t bytes);
int vring_device_recover(struct vring_device *vq, const struct vring_device_config *config);
struct vring_fault vring_device_fault(const struct vring_device *vq);
int vring_device_snapshot(const struct vring_device *vq, struct vring_snapshot *snapshot);
int vring_device_snapshot_entry(const struct vring_device *vq, uint32_t position, struct vring_snapshot_entry *entry);

#ifdef __cplusplus
}
#endif

#endif
