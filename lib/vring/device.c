/* SPDX-License-Identifier: MIT */
/* The only place that asks for the format. */
#include <vring/device.h>

#include "features.h"
#include "resume.h"
#include "split_be.h"

int vring_device_init(struct vring_device *vq, const struct vring_device_config *config)
{
    if (!vq || !config)
        return VRING_E_NULL;

    bool packed = vring_features_packed(config->features);
    bool big_endian = !packed && !vring_features_little_endian(config->features, config->legacy_order);
    int error = packed       ? vring_packed_device_init(&vq->as.packed, config)
                : big_endian ? vring_split_be_device_init(&vq->as.split, config)
                             : vring_split_device_init(&vq->as.split, config);

    if (!error) {
        vq->packed = packed;
        vq->big_endian = big_endian;
    }
    return error;
}

void vring_device_reset(struct vring_device *vq)
{
    if (vq && vq->packed)
        vring_packed_device_reset(&vq->as.packed);
    else if (vq && vq->big_endian)
        vring_split_be_device_reset(&vq->as.split);
    else if (vq)
        vring_split_device_reset(&vq->as.split);
}

int vring_device_get_avail(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_get_avail(&vq->as.packed, iov, n_iov, chain)
           : vq->big_endian ? vring_split_be_device_get_avail(&vq->as.split, iov, n_iov, chain)
                            : vring_split_device_get_avail(&vq->as.split, iov, n_iov, chain);
}

int vring_device_get_avail_batch(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                 struct vring_chain *chains, uint32_t capacity, uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_get_avail_batch(&vq->as.packed, iov, n_iov, chains, capacity, n)
           : vq->big_endian ? vring_split_be_device_get_avail_batch(&vq->as.split, iov, n_iov, chains, capacity, n)
                            : vring_split_device_get_avail_batch(&vq->as.split, iov, n_iov, chains, capacity, n);
}

int vring_device_get_avail_run(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov,
                               struct vring_chain *chain, uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_get_avail_run(&vq->as.packed, iov, n_iov, chain, n)
           : vq->big_endian ? vring_split_be_device_get_avail_run(&vq->as.split, iov, n_iov, chain, n)
                            : vring_split_device_get_avail_run(&vq->as.split, iov, n_iov, chain, n);
}

int vring_device_rewind(struct vring_device *vq, vring_handle handle)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_rewind(&vq->as.packed, handle)
           : vq->big_endian ? vring_split_be_device_rewind(&vq->as.split, handle)
                            : vring_split_device_rewind(&vq->as.split, handle);
}

int vring_device_add_used(struct vring_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_add_used(&vq->as.packed, handle, len)
           : vq->big_endian ? vring_split_be_device_add_used(&vq->as.split, handle, len)
                            : vring_split_device_add_used(&vq->as.split, handle, len);
}

int vring_device_add_used_batch(struct vring_device *vq, const struct vring_used_chain *used, uint32_t count, uint32_t *n)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_add_used_batch(&vq->as.packed, used, count, n)
           : vq->big_endian ? vring_split_be_device_add_used_batch(&vq->as.split, used, count, n)
                            : vring_split_device_add_used_batch(&vq->as.split, used, count, n);
}

int vring_device_add_used_through(struct vring_device *vq, vring_handle handle, uint32_t len)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_add_used_through(&vq->as.packed, handle, len)
           : vq->big_endian ? vring_split_be_device_add_used_through(&vq->as.split, handle, len)
                            : vring_split_device_add_used_through(&vq->as.split, handle, len);
}

int vring_device_publish(struct vring_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_publish(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_publish(&vq->as.split)
                            : vring_split_device_publish(&vq->as.split);
}

int vring_device_enable_notify(struct vring_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_enable_notify(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_enable_notify(&vq->as.split)
                            : vring_split_device_enable_notify(&vq->as.split);
}

int vring_device_disable_notify(struct vring_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_disable_notify(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_disable_notify(&vq->as.split)
                            : vring_split_device_disable_notify(&vq->as.split);
}

uint16_t vring_device_in_flight(const struct vring_device *vq)
{
    if (!vq)
        return 0;
    return vq->packed       ? vring_packed_device_in_flight(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_in_flight(&vq->as.split)
                            : vring_split_device_in_flight(&vq->as.split);
}

int vring_device_peek(struct vring_device *vq, struct vring_iov *iov, uint32_t n_iov, struct vring_chain *chain)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_peek(&vq->as.packed, iov, n_iov, chain)
           : vq->big_endian ? vring_split_be_device_peek(&vq->as.split, iov, n_iov, chain)
                            : vring_split_device_peek(&vq->as.split, iov, n_iov, chain);
}

int vring_device_set_regions(struct vring_device *vq, const struct vring_region *regions, uint32_t count)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_set_regions(&vq->as.packed, regions, count)
           : vq->big_endian ? vring_split_be_device_set_regions(&vq->as.split, regions, count)
                            : vring_split_device_set_regions(&vq->as.split, regions, count);
}

int vring_device_suspend(struct vring_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_suspend(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_suspend(&vq->as.split)
                            : vring_split_device_suspend(&vq->as.split);
}

int vring_device_resume(struct vring_device *vq)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_resume(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_resume(&vq->as.split)
                            : vring_split_device_resume(&vq->as.split);
}

int vring_device_save(const struct vring_device *vq, void *state, size_t room)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_save(&vq->as.packed, state, room)
           : vq->big_endian ? vring_split_be_device_save(&vq->as.split, state, room)
                            : vring_split_device_save(&vq->as.split, state, room);
}

int vring_device_restore(struct vring_device *vq, const struct vring_device_config *config, const void *state,
                         size_t bytes)
{
    if (!vq || !config)
        return VRING_E_NULL;

    bool packed = vring_features_packed(config->features);
    bool big_endian = !packed && !vring_features_little_endian(config->features, config->legacy_order);
    int answer = packed       ? vring_packed_device_restore(&vq->as.packed, config, state, bytes)
                 : big_endian ? vring_split_be_device_restore(&vq->as.split, config, state, bytes)
                              : vring_split_device_restore(&vq->as.split, config, state, bytes);

    if (resume_has_set_up(answer)) {
        vq->packed = packed;
        vq->big_endian = big_endian;
    }
    return answer;
}

int vring_device_recover(struct vring_device *vq, const struct vring_device_config *config)
{
    if (!vq || !config)
        return VRING_E_NULL;

    bool packed = vring_features_packed(config->features);
    bool big_endian = !packed && !vring_features_little_endian(config->features, config->legacy_order);
    int answer = packed       ? vring_packed_device_recover(&vq->as.packed, config)
                 : big_endian ? vring_split_be_device_recover(&vq->as.split, config)
                              : vring_split_device_recover(&vq->as.split, config);

    if (resume_has_set_up(answer)) {
        vq->packed = packed;
        vq->big_endian = big_endian;
    }
    return answer;
}

struct vring_fault vring_device_fault(const struct vring_device *vq)
{
    if (!vq)
        return vring_split_device_fault(NULL);
    return vq->packed       ? vring_packed_device_fault(&vq->as.packed)
           : vq->big_endian ? vring_split_be_device_fault(&vq->as.split)
                            : vring_split_device_fault(&vq->as.split);
}

int vring_device_snapshot(const struct vring_device *vq, struct vring_snapshot *snapshot)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_snapshot(&vq->as.packed, snapshot)
           : vq->big_endian ? vring_split_be_device_snapshot(&vq->as.split, snapshot)
                            : vring_split_device_snapshot(&vq->as.split, snapshot);
}

int vring_device_snapshot_entry(const struct vring_device *vq, uint32_t position, struct vring_snapshot_entry *entry)
{
    if (!vq)
        return VRING_E_NULL;
    return vq->packed       ? vring_packed_device_snapshot_entry(&vq->as.packed, position, entry)
           : vq->big_endian ? vring_split_be_device_snapshot_entry(&vq->as.split, position, entry)
                            : vring_split_device_snapshot_entry(&vq->as.split, position, entry);
}
