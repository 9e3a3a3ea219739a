/* SPDX-License-Identifier: MIT */
/*
 * libvring: the driver side of a virtqueue whose format is known at run time. Who knows it at build time uses split.h
 * or packed.h directly; the calls are the same.
 *
 * Each call is one switch and a direct call. What it does, and what it answers, stands at its namesake in split.h;
 * where the packed ring differs, in packed.h.
 */
#ifndef VRING_DRIVER_H
#define VRING_DRIVER_H

#include "packed.h"
#include "split.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vring_driver {
    bool packed;     /* which of the two it is */
    bool big_endian; /* a split ring without VERSION_1, in that byte order */
    union {
        struct vring_split_driver split;
        struct vring_packed_driver packed;
    } as;
};

/* RING_PACKED among the features says which format. */
int vring_driver_init(struct vring_driver *vq, const struct vring_driver_config *config);
void vring_driver_reset(struct vring_driver *vq);
int vring_driver_add_avail(struct vring_driver *vq, const struct vring_segment *segments, uint16_t n_readable,
                           uint16_t n_writable, uint64_t token);
int vring_driver_add_avail_batch(struct vring_driver *vq, const struct vring_avail_buffer *buffers, uint32_t count,
                                 uint32_t *n);
int vring_driver_add_avail_run(struct vring_driver *vq, const struct vring_segment *segments, uint32_t count,
                               bool writable, uint64_t token, uint32_t *n);
int vring_driver_add_indirect(struct vring_driver *vq, const struct vring_table *table,
                              const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                              uint64_t token);
int vring_driver_abort(struct vring_driver *vq, uint64_t *token);
int vring_driver_publish(struct vring_driver *vq);
uint32_t vring_driver_notification(const struct vring_driver *vq);
int vring_driver_get_used(struct vring_driver *vq, struct vring_used_buffer *used);
int vring_driver_get_used_batch(struct vring_driver *vq, struct vring_used_buffer *used, uint32_t capacity, uint32_t *n);
int vring_driver_get_used_run(struct vring_driver *vq, struct vring_used_buffer *used, uint32_t capacity, uint32_t *n);
int vring_driver_enable_notify(struct vring_driver *vq);
int vring_driver_enable_notify_delayed(struct vring_driver *vq);
int vring_driver_disable_notify(struct vring_driver *vq);
uint16_t vring_driver_free(const struct vring_driver *vq);
uint16_t vring_driver_in_flight(const struct vring_driver *vq);
int vring_driver_take_unused(struct vring_driver *vq, uint64_t *token);
int vring_driver_suspend(struct vring_driver *vq);
int vring_driver_resume(struct vring_driver *vq);
int vring_driver_save(const struct vring_driver *vq, void *state, size_t room);
int vring_driver_restore(struct vring_driver *vq, const struct vring_driver_config *config, const void *state,
                         size_t bytes);
struct vring_fault vring_driver_fault(const struct vring_driver *vq);
int vring_driver_snapshot(const struct vring_driver *vq, struct vring_snapshot *snapshot);
int vring_driver_snapshot_entry(const struct vring_driver *vq, uint32_t position, struct vring_snapshot_entry *entry);

#ifdef __cplusplus
}
#endif

#endif
