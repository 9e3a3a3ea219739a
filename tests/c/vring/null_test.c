/* SPDX-License-Identifier: MIT */
/*
 * Null pointers, told once for the calls of either format and for those that find the format out at run time: all
 * answer the same. With IN_ORDER, without which a run is refused whatever its pointers are.
 */
#include "restart.h"

static struct ring r;
static struct vring_segment segment = {GUEST, 1};
static struct vring_table table;
static struct vring_avail_buffer offer = {&segment, 1, 1, 0, NULL};
static struct vring_used_chain done;
static struct vring_used_buffer used;
static struct vring_chain chain;
static struct vring_snapshot snapshot;
static struct vring_snapshot_entry entry;
static uint64_t token;
static uint32_t n;

/* A driver that is not there. */
#define NO_DRIVER_IS_REFUSED(family)                                                                  \
    do {                                                                                              \
        CHECK_ERR(family##_init(NULL, &r.driver_config), VRING_E_NULL);                               \
        CHECK_ERR(family##_add_avail(NULL, &segment, 1, 0, 0), VRING_E_NULL);                         \
        CHECK_ERR(family##_add_avail_batch(NULL, &offer, 1, &n), VRING_E_NULL);                       \
        CHECK_ERR(family##_add_avail_run(NULL, &segment, 1, false, 0, &n), VRING_E_NULL);             \
        CHECK_ERR(family##_add_indirect(NULL, &table, &segment, 1, 0, 0), VRING_E_NULL);              \
        CHECK_ERR(family##_abort(NULL, &token), VRING_E_NULL);                                        \
        CHECK_ERR(family##_publish(NULL), VRING_E_NULL);                                              \
        CHECK_ERR(family##_get_used(NULL, &used), VRING_E_NULL);                                      \
        CHECK_ERR(family##_get_used_batch(NULL, &used, 1, &n), VRING_E_NULL);                         \
        CHECK_ERR(family##_get_used_run(NULL, &used, 1, &n), VRING_E_NULL);                           \
        CHECK_ERR(family##_enable_notify(NULL), VRING_E_NULL);                                        \
        CHECK_ERR(family##_enable_notify_delayed(NULL), VRING_E_NULL);                                \
        CHECK_ERR(family##_disable_notify(NULL), VRING_E_NULL);                                       \
        CHECK_ERR(family##_take_unused(NULL, &token), VRING_E_NULL);                                  \
        CHECK_ERR(family##_suspend(NULL), VRING_E_NULL);                                              \
        CHECK_ERR(family##_resume(NULL), VRING_E_NULL);                                               \
        CHECK_ERR(family##_save(NULL, state, STATE_MAX), VRING_E_NULL);                               \
        CHECK_ERR(family##_restore(NULL, &r.driver_config, state, STATE_MAX), VRING_E_NULL);          \
        CHECK_ERR(family##_snapshot(NULL, &snapshot), VRING_E_NULL);                                  \
        CHECK_ERR(family##_snapshot_entry(NULL, 0, &entry), VRING_E_NULL);                            \
        CHECK_EQ(family##_notification(NULL), 0);                                                     \
        CHECK_EQ(family##_free(NULL), 0);                                                             \
        CHECK_EQ(family##_in_flight(NULL), 0);                                                        \
        CHECK_EQ(family##_fault(NULL).error, 0);                                                      \
        family##_reset(NULL);                                                                         \
    } while (0)

/* What a driver that is there is told. Where there is no room, nothing would be written: that is another answer. */
#define NOTHING_IS_REFUSED_BY_DRIVER(family, driver)                                                  \
    do {                                                                                              \
        CHECK_ERR(family##_init(driver, NULL), VRING_E_NULL);                                         \
        CHECK_ERR(family##_add_avail(driver, NULL, 1, 0, 0), VRING_E_NULL);                           \
        CHECK_ERR(family##_add_avail_batch(driver, NULL, 1, &n), VRING_E_NULL);                       \
        CHECK_ERR(family##_add_avail_batch(driver, &offer, 1, NULL), VRING_E_NULL);                   \
        CHECK_ERR(family##_add_avail_run(driver, NULL, 1, false, 0, &n), VRING_E_NULL);               \
        CHECK_ERR(family##_add_avail_run(driver, &segment, 1, false, 0, NULL), VRING_E_NULL);         \
        CHECK_ERR(family##_add_indirect(driver, NULL, &segment, 1, 0, 0), VRING_E_NULL);              \
        CHECK_ERR(family##_add_indirect(driver, &table, NULL, 1, 0, 0), VRING_E_NULL);                \
        CHECK_ERR(family##_add_indirect(driver, &table, &segment, 1, 0, 0), VRING_E_NULL);            \
        CHECK_ERR(family##_get_used(driver, NULL), VRING_E_NULL);                                     \
        CHECK_ERR(family##_get_used_batch(driver, NULL, 1, &n), VRING_E_NULL);                        \
        CHECK_ERR(family##_get_used_batch(driver, &used, 1, NULL), VRING_E_NULL);                     \
        CHECK_ERR(family##_get_used_batch(driver, NULL, 0, &n), VRING_E_ROOM);                        \
        CHECK_ERR(family##_get_used_run(driver, NULL, 1, &n), VRING_E_NULL);                          \
        CHECK_ERR(family##_get_used_run(driver, &used, 1, NULL), VRING_E_NULL);                       \
        CHECK_ERR(family##_take_unused(driver, NULL), VRING_E_NULL);                                  \
        CHECK_ERR(family##_restore(driver, NULL, state, STATE_MAX), VRING_E_NULL);                    \
        CHECK_ERR(family##_restore(driver, &r.driver_config, NULL, STATE_MAX), VRING_E_NULL);         \
        CHECK_ERR(family##_snapshot(driver, NULL), VRING_E_NULL);                                     \
        CHECK_ERR(family##_snapshot_entry(driver, 0, NULL), VRING_E_NULL);                            \
    } while (0)

/* A device that is not there. */
#define NO_DEVICE_IS_REFUSED(family)                                                                  \
    do {                                                                                              \
        CHECK_ERR(family##_init(NULL, &r.device_config), VRING_E_NULL);                               \
        CHECK_ERR(family##_get_avail(NULL, r.iov, 1, &chain), VRING_E_NULL);                          \
        CHECK_ERR(family##_get_avail_batch(NULL, r.iov, 1, &chain, 1, &n), VRING_E_NULL);             \
        CHECK_ERR(family##_get_avail_run(NULL, r.iov, 1, &chain, &n), VRING_E_NULL);                  \
        CHECK_ERR(family##_rewind(NULL, 0), VRING_E_NULL);                                            \
        CHECK_ERR(family##_peek(NULL, r.iov, 1, &chain), VRING_E_NULL);                               \
        CHECK_ERR(family##_set_regions(NULL, r.regions, 1), VRING_E_NULL);                            \
        CHECK_ERR(family##_add_used(NULL, 0, 0), VRING_E_NULL);                                       \
        CHECK_ERR(family##_add_used_batch(NULL, &done, 1, &n), VRING_E_NULL);                         \
        CHECK_ERR(family##_add_used_through(NULL, 0, 0), VRING_E_NULL);                               \
        CHECK_ERR(family##_publish(NULL), VRING_E_NULL);                                              \
        CHECK_ERR(family##_enable_notify(NULL), VRING_E_NULL);                                        \
        CHECK_ERR(family##_disable_notify(NULL), VRING_E_NULL);                                       \
        CHECK_ERR(family##_suspend(NULL), VRING_E_NULL);                                              \
        CHECK_ERR(family##_resume(NULL), VRING_E_NULL);                                               \
        CHECK_ERR(family##_save(NULL, state, STATE_MAX), VRING_E_NULL);                               \
        CHECK_ERR(family##_restore(NULL, &r.device_config, state, STATE_MAX), VRING_E_NULL);          \
        CHECK_ERR(family##_recover(NULL, &r.device_config), VRING_E_NULL);                            \
        CHECK_ERR(family##_snapshot(NULL, &snapshot), VRING_E_NULL);                                  \
        CHECK_ERR(family##_snapshot_entry(NULL, 0, &entry), VRING_E_NULL);                            \
        CHECK_EQ(family##_in_flight(NULL), 0);                                                        \
        CHECK_EQ(family##_fault(NULL).error, 0);                                                      \
        family##_reset(NULL);                                                                         \
    } while (0)

/* What a device that is there is told. */
#define NOTHING_IS_REFUSED_BY_DEVICE(family, device)                                                  \
    do {                                                                                              \
        CHECK_ERR(family##_init(device, NULL), VRING_E_NULL);                                         \
        CHECK_ERR(family##_get_avail(device, NULL, 1, &chain), VRING_E_NULL);                         \
        CHECK_ERR(family##_get_avail(device, r.iov, 1, NULL), VRING_E_NULL);                          \
        CHECK_ERR(family##_get_avail_batch(device, NULL, 1, &chain, 1, &n), VRING_E_NULL);            \
        CHECK_ERR(family##_get_avail_batch(device, r.iov, 1, NULL, 1, &n), VRING_E_NULL);             \
        CHECK_ERR(family##_get_avail_batch(device, r.iov, 1, &chain, 1, NULL), VRING_E_NULL);         \
        CHECK_ERR(family##_get_avail_run(device, NULL, 1, &chain, &n), VRING_E_NULL);                 \
        CHECK_ERR(family##_get_avail_run(device, r.iov, 1, NULL, &n), VRING_E_NULL);                  \
        CHECK_ERR(family##_get_avail_run(device, r.iov, 1, &chain, NULL), VRING_E_NULL);              \
        CHECK_ERR(family##_set_regions(device, NULL, 1), VRING_E_NULL);                               \
        CHECK_ERR(family##_add_used_batch(device, NULL, 1, &n), VRING_E_NULL);                        \
        CHECK_ERR(family##_add_used_batch(device, &done, 1, NULL), VRING_E_NULL);                     \
        CHECK_ERR(family##_restore(device, NULL, state, STATE_MAX), VRING_E_NULL);                    \
        CHECK_ERR(family##_restore(device, &r.device_config, NULL, STATE_MAX), VRING_E_NULL);         \
        CHECK_ERR(family##_recover(device, NULL), VRING_E_NULL);                                      \
        CHECK_ERR(family##_recover(device, &r.device_config), VRING_E_NULL); /* without a region */   \
        CHECK_ERR(family##_snapshot(device, NULL), VRING_E_NULL);                                     \
        CHECK_ERR(family##_snapshot_entry(device, 0, NULL), VRING_E_NULL);                            \
    } while (0)

TEST(C025_no_queue_is_refused_by_every_call)
{
    CHECK_OK(ring_start(&r, 4, features_all | VRING_F_IN_ORDER, 0));
    NO_DRIVER_IS_REFUSED(vring_driver);
    NO_DRIVER_IS_REFUSED(vring_split_driver);
    NO_DRIVER_IS_REFUSED(vring_packed_driver);
    NO_DEVICE_IS_REFUSED(vring_device);
    NO_DEVICE_IS_REFUSED(vring_split_device);
    NO_DEVICE_IS_REFUSED(vring_packed_device);
}

MODERN_RING_TEST(C025_nothing_to_read_from_or_write_to_is_refused_by_every_call)
{
    CHECK_OK(ring_start(&r, 4, format->all | VRING_F_IN_ORDER, 0));
    NOTHING_IS_REFUSED_BY_DRIVER(vring_driver, &r.driver);
    NOTHING_IS_REFUSED_BY_DEVICE(vring_device, &r.device);
    if (format->all & VRING_F_RING_PACKED) {
        NOTHING_IS_REFUSED_BY_DRIVER(vring_packed_driver, &r.driver.as.packed);
        NOTHING_IS_REFUSED_BY_DEVICE(vring_packed_device, &r.device.as.packed);
    } else {
        NOTHING_IS_REFUSED_BY_DRIVER(vring_split_driver, &r.driver.as.split);
        NOTHING_IS_REFUSED_BY_DEVICE(vring_split_device, &r.device.as.split);
    }

    /* Without IN_ORDER a buffer comes back another way. */
    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_ERR(vring_driver_get_used(&r.driver, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail(&r.device, r.iov, 1, NULL), VRING_E_NULL);
}
