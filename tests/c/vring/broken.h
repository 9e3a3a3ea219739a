/* SPDX-License-Identifier: MIT */
/*
 * A queue whose peer broke the protocol, of either format: it says so, says so again without looking at the ring, and
 * keeps the evidence.
 */
#ifndef BROKEN_H
#define BROKEN_H

#include "fixture.h"

/* The next used buffer breaks the driver. So many tokens, of 10 to 15, are still there to be had once each. */
static inline void driver_breaks(VTEST, struct ring *r, int error, unsigned tokens_left)
{
    struct vring_segment segment = {GUEST, 1};
    struct vring_used_buffer used;
    uint64_t token, seen = 0;

    CHECK_ERR(vring_driver_get_used(&r->driver, &used), error);
    if (r->driver.packed) /* a device that mends its ways is too late */
        memset(r->driver_config.desc, 0, r->layout.desc_size);
    else
        memset(r->driver_config.device_area, 0, r->layout.device_size);
    CHECK_ERR(vring_driver_get_used(&r->driver, &used), error);
    CHECK_ERR(vring_driver_add_avail(&r->driver, &segment, 1, 0, 1), error);
    CHECK_ERR(vring_driver_publish(&r->driver), error);
    CHECK_ERR(vring_driver_abort(&r->driver, NULL), error);
    CHECK_ERR(vring_driver_enable_notify(&r->driver), error);
    CHECK_ERR(vring_driver_enable_notify_delayed(&r->driver), error);
    CHECK_ERR(vring_driver_disable_notify(&r->driver), error);
    CHECK_EQ(vring_driver_fault(&r->driver).error, error);
    CHECK_ERR(vring_driver_take_unused(&r->driver, &token), VRING_E_STATE);
    vring_driver_reset(&r->driver);
    for (unsigned i = 0; i < tokens_left; i++) {
        CHECK_OK(vring_driver_take_unused(&r->driver, &token));
        CHECK(token >= 10 && token <= 15 && (seen & UINT64_C(1) << token) == 0);
        seen |= UINT64_C(1) << token;
    }
    CHECK_ERR(vring_driver_take_unused(&r->driver, &token), VRING_E_EMPTY);
}

/* The next available buffer breaks the device, which has none in flight. */
static inline void device_breaks(VTEST, struct ring *r, int error)
{
    struct vring_chain chain;

    CHECK_ERR(ring_get_avail(r, &chain), error);
    if (r->device.packed) /* a driver that mends its ways is too late */
        memset(r->driver_config.desc, 0, r->layout.desc_size);
    else
        memset(r->driver_config.driver_area, 0, r->layout.driver_size);
    CHECK_ERR(ring_get_avail(r, &chain), error);
    CHECK_ERR(vring_device_enable_notify(&r->device), error);
    CHECK_ERR(vring_device_disable_notify(&r->device), error);
    CHECK_ERR(vring_device_publish(&r->device), error);
    CHECK_ERR(vring_device_add_used(&r->device, 0, 0), error);
    CHECK_ERR(vring_device_rewind(&r->device, 0), error);
    CHECK_EQ(vring_device_fault(&r->device).error, error);
    CHECK_EQ(vring_device_in_flight(&r->device), 0);
}

#endif
