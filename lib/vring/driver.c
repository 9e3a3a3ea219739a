/* SPDX-License-Identifier: MIT */
/* The only place that asks for the format. */
#include <vring/driver.h>

#include "features.h"
#include "resume.h"
#include "split_be.h"

int vring_driver_init(struct vring_driver *vq, const struct vring_driver_config *config)
{
    if (!vq || !config)
        return VRING_E_NULL;

    bool packed = vring_features_packed(config->features);
    bool big_endian = !packed && !vring_features_little_endian(config->features, config->legacy_order);
    int error = packed       ? vring_packed_driver_init(&vq->as.packed, config)
                : big_endian ? vring_split_be_driver_init(&vq->as.split, config)
                             : vring_split_driver_init(&vq->as.split, config);

    if (!error) {
        vq->packed = packed;
        vq->big_endian = big_endian;
    }
    return error;
}

void vring_driver_reset(struct vring_driver *vq)
{
    if (vq && vq->packed)
        vring_packed_driver_reset(&vq->as.packed);
    else if (vq && vq->big_endian)
        vring_split_be_driver_reset(&vq->as.split);
    else if (vq)
        vring_split_driver_reset(&vq->as.split);
}

int vring_driver_add_avail(struct vring_driver *vq, const struct vring_segment *segments, uint16_t n_readable,
                           uint16_t n_writable, uint64_t token)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_add_avail(&vq->as.packed, segments, n_readable, n_writable, token)
           : vq->big_endian ? vring_split_be_driver_add_avail(&vq->as.split, segments, n_readable, n_writable, token)
                            : vring_split_driver_add_avail(&vq->as.split, segments, n_readable, n_writable, token);
}

int vring_driver_add_avail_batch(struct vring_driver *vq, const struct vring_avail_buffer *buffers, uint32_t count,
                                 uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_add_avail_batch(&vq->as.packed, buffers, count, n)
           : vq->big_endian ? vring_split_be_driver_add_avail_batch(&vq->as.split, buffers, count, n)
                            : vring_split_driver_add_avail_batch(&vq->as.split, buffers, count, n);
}

int vring_driver_add_avail_run(struct vring_driver *vq, const struct vring_segment *segments, uint32_t count,
                               bool writable, uint64_t token, uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_add_avail_run(&vq->as.packed, segments, count, writable, token, n)
           : vq->big_endian ? vring_split_be_driver_add_avail_run(&vq->as.split, segments, count, writable, token, n)
                            : vring_split_driver_add_avail_run(&vq->as.split, segments, count, writable, token, n);
}

int vring_driver_add_indirect(struct vring_driver *vq, const struct vring_table *table,
                              const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                              uint64_t token)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_add_indirect(&vq->as.packed, table, segments, n_readable, n_writable, token)
           : vq->big_endian ? vring_split_be_driver_add_indirect(&vq->as.split, table, segments, n_readable, n_writable, token)
                            : vring_split_driver_add_indirect(&vq->as.split, table, segments, n_readable, n_writable, token);
}

int vring_driver_abort(struct vring_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_abort(&vq->as.packed, token)
           : vq->big_endian ? vring_split_be_driver_abort(&vq->as.split, token)
                            : vring_split_driver_abort(&vq->as.split, token);
}

int vring_driver_publish(struct vring_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_publish(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_publish(&vq->as.split)
                            : vring_split_driver_publish(&vq->as.split);
}

uint32_t vring_driver_notification(const struct vring_driver *vq)
{
    if (!vq)
        return 0;
    return vq->packed       ? vring_packed_driver_notification(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_notification(&vq->as.split)
                            : vring_split_driver_notification(&vq->as.split);
}

int vring_driver_get_used(struct vring_driver *vq, struct vring_used_buffer *used)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_get_used(&vq->as.packed, used)
           : vq->big_endian ? vring_split_be_driver_get_used(&vq->as.split, used)
                            : vring_split_driver_get_used(&vq->as.split, used);
}

int vring_driver_get_used_batch(struct vring_driver *vq, struct vring_used_buffer *used, uint32_t capacity, uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_get_used_batch(&vq->as.packed, used, capacity, n)
           : vq->big_endian ? vring_split_be_driver_get_used_batch(&vq->as.split, used, capacity, n)
                            : vring_split_driver_get_used_batch(&vq->as.split, used, capacity, n);
}

int vring_driver_get_used_run(struct vring_driver *vq, struct vring_used_buffer *used, uint32_t capacity, uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_get_used_run(&vq->as.packed, used, capacity, n)
           : vq->big_endian ? vring_split_be_driver_get_used_run(&vq->as.split, used, capacity, n)
                            : vring_split_driver_get_used_run(&vq->as.split, used, capacity, n);
}

int vring_driver_enable_notify(struct vring_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_enable_notify(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_enable_notify(&vq->as.split)
                            : vring_split_driver_enable_notify(&vq->as.split);
}

int vring_driver_enable_notify_delayed(struct vring_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_enable_notify_delayed(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_enable_notify_delayed(&vq->as.split)
                            : vring_split_driver_enable_notify_delayed(&vq->as.split);
}

int vring_driver_disable_notify(struct vring_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_disable_notify(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_disable_notify(&vq->as.split)
                            : vring_split_driver_disable_notify(&vq->as.split);
}

uint16_t vring_driver_free(const struct vring_driver *vq)
{
    if (!vq)
        return 0;
    return vq->packed       ? vring_packed_driver_free(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_free(&vq->as.split)
                            : vring_split_driver_free(&vq->as.split);
}

uint16_t vring_driver_in_flight(const struct vring_driver *vq)
{
    if (!vq)
        return 0;
    return vq->packed       ? vring_packed_driver_in_flight(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_in_flight(&vq->as.split)
                            : vring_split_driver_in_flight(&vq->as.split);
}

int vring_driver_take_unused(struct vring_driver *vq, uint64_t *token)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_take_unused(&vq->as.packed, token)
           : vq->big_endian ? vring_split_be_driver_take_unused(&vq->as.split, token)
                            : vring_split_driver_take_unused(&vq->as.split, token);
}

int vring_driver_suspend(struct vring_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_suspend(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_suspend(&vq->as.split)
                            : vring_split_driver_suspend(&vq->as.split);
}

int vring_driver_resume(struct vring_driver *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_resume(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_resume(&vq->as.split)
                            : vring_split_driver_resume(&vq->as.split);
}

int vring_driver_save(const struct vring_driver *vq, void *state, size_t room)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_save(&vq->as.packed, state, room)
           : vq->big_endian ? vring_split_be_driver_save(&vq->as.split, state, room)
                            : vring_split_driver_save(&vq->as.split, state, room);
}

int vring_driver_restore(struct vring_driver *vq, const struct vring_driver_config *config, const void *state,
                         size_t bytes)
{
    if (!vq || !config)
        return VRING_E_NULL;

    bool packed = vring_features_packed(config->features);
    bool big_endian = !packed && !vring_features_little_endian(config->features, config->legacy_order);
    int answer = packed       ? vring_packed_driver_restore(&vq->as.packed, config, state, bytes)
                 : big_endian ? vring_split_be_driver_restore(&vq->as.split, config, state, bytes)
                              : vring_split_driver_restore(&vq->as.split, config, state, bytes);

    if (resume_has_set_up(answer)) {
        vq->packed = packed;
        vq->big_endian = big_endian;
    }
    return answer;
}

struct vring_fault vring_driver_fault(const struct vring_driver *vq)
{
    if (!vq)
        return vring_split_driver_fault(NULL);
    return vq->packed       ? vring_packed_driver_fault(&vq->as.packed)
           : vq->big_endian ? vring_split_be_driver_fault(&vq->as.split)
                            : vring_split_driver_fault(&vq->as.split);
}

int vring_driver_snapshot(const struct vring_driver *vq, struct vring_snapshot *snapshot)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_snapshot(&vq->as.packed, snapshot)
           : vq->big_endian ? vring_split_be_driver_snapshot(&vq->as.split, snapshot)
                            : vring_split_driver_snapshot(&vq->as.split, snapshot);
}

int vring_driver_snapshot_entry(const struct vring_driver *vq, uint32_t position, struct vring_snapshot_entry *entry)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_driver_snapshot_entry(&vq->as.packed, position, entry)
           : vq->big_endian ? vring_split_be_driver_snapshot_entry(&vq->as.split, position, entry)
                            : vring_split_driver_snapshot_entry(&vq->as.split, position, entry);
}
