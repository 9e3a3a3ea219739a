/* SPDX-License-Identifier: MIT */
/* What an inspector is shown of a ring, from either side. */
#include "fixture.h"

RING_TEST(a_snapshot_shows_both_sides_of_one_request)
{
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    struct vring_snapshot driver, device;
    struct vring_snapshot_entry entry;
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 0x100, 32}};
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 0x1234));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));

    CHECK_OK(vring_driver_snapshot(&r.driver, &driver));
    CHECK_EQ(driver.packed, packed);
    CHECK_EQ(driver.size, 4);
    CHECK_EQ(driver.free, 2);
    CHECK_EQ(driver.error, 0);
    CHECK_EQ(driver.avail_idx, packed ? 0 : 1);
    CHECK_EQ(driver.published, packed ? 2 | 0x8000 : 1);
    CHECK_EQ(driver.next_used, packed ? 0x8000 : 0);
    CHECK_OK(vring_device_snapshot(&r.device, &device));
    CHECK_EQ(device.next_avail, driver.published);
    CHECK_EQ(device.next_used, driver.next_used);

    CHECK_OK(vring_driver_snapshot_entry(&r.driver, 0, &entry));
    CHECK_EQ(entry.addr, GUEST);
    CHECK_EQ(entry.len, 16);
    CHECK_EQ(entry.flags, packed ? VRING_DESC_NEXT | VRING_DESC_AVAIL : VRING_DESC_NEXT);
    CHECK_EQ(entry.token, 0x1234);
    CHECK_EQ(entry.count, 2);
    CHECK_OK(vring_device_snapshot_entry(&r.device, 1, &entry));
    CHECK_EQ(entry.addr, GUEST + 0x100);
    CHECK_EQ(entry.len, 32);
    CHECK_EQ(entry.flags, packed ? VRING_DESC_WRITE | VRING_DESC_AVAIL : VRING_DESC_WRITE);
    CHECK_EQ(entry.token, 0);
    CHECK_EQ(entry.count, 0);
    CHECK_OK(vring_device_snapshot_entry(&r.device, 0, &entry));
    CHECK_EQ(entry.count, packed ? 2 : 1);
}

RING_TEST(a_snapshot_shows_the_wishes_for_notifications)
{
    struct vring_snapshot now;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(vring_driver_disable_notify(&r.driver));
    CHECK_OK(vring_device_enable_notify(&r.device));
    CHECK_OK(vring_device_snapshot(&r.device, &now));
    if (format->all & VRING_F_RING_PACKED) {
        CHECK_EQ(now.avail_flags, VRING_EVENT_DISABLE);
        CHECK_EQ(now.used_flags, VRING_EVENT_DESC);
        CHECK_EQ(now.avail_event, 0x8000);
    } else {
        CHECK_EQ(now.used_event, 0xffff);
        CHECK_EQ(now.avail_event, 0);
        CHECK_EQ(now.used_flags, 0);
    }

    CHECK_OK(ring_start(&r, 4, format->plain, 0));
    CHECK_OK(vring_driver_disable_notify(&r.driver));
    CHECK_OK(vring_driver_snapshot(&r.driver, &now));
    CHECK_EQ(now.avail_flags, 1);
    CHECK_EQ(now.used_flags, 0);
}

/* Whoever reads a used entry has to know how many buffers it stands for. */
MODERN_RING_TEST(a_snapshot_says_whether_buffers_come_back_in_order)
{
    static struct ring r;

    for (int in_order = 0; in_order < 2; in_order++) {
        struct vring_snapshot driver, device;

        CHECK_OK(ring_start(&r, 4, format->plain | (in_order ? VRING_F_IN_ORDER : 0), 0));
        CHECK_OK(vring_driver_snapshot(&r.driver, &driver));
        CHECK_OK(vring_device_snapshot(&r.device, &device));
        CHECK(driver.in_order == in_order && device.in_order == in_order);
    }
}

RING_TEST(C025_a_snapshot_refuses_what_is_not_there)
{
    struct vring_snapshot now;
    struct vring_snapshot_entry entry;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_ERR(vring_driver_snapshot(NULL, &now), VRING_E_NULL);
    CHECK_ERR(vring_driver_snapshot(&r.driver, NULL), VRING_E_NULL);
    CHECK_ERR(vring_driver_snapshot_entry(NULL, 0, &entry), VRING_E_NULL);
    CHECK_ERR(vring_driver_snapshot_entry(&r.driver, 0, NULL), VRING_E_NULL);
    CHECK_ERR(vring_driver_snapshot_entry(&r.driver, 4, &entry), VRING_E_SIZE);
    CHECK_ERR(vring_device_snapshot(NULL, &now), VRING_E_NULL);
    CHECK_ERR(vring_device_snapshot(&r.device, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_snapshot_entry(NULL, 0, &entry), VRING_E_NULL);
    CHECK_ERR(vring_device_snapshot_entry(&r.device, 0, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_snapshot_entry(&r.device, 4, &entry), VRING_E_SIZE);
    vring_driver_reset(&r.driver);
    vring_device_reset(&r.device);
    CHECK_ERR(vring_driver_snapshot(&r.driver, &now), VRING_E_STATE);
    CHECK_ERR(vring_driver_snapshot_entry(&r.driver, 0, &entry), VRING_E_STATE);
    CHECK_ERR(vring_device_snapshot(&r.device, &now), VRING_E_STATE);
    CHECK_ERR(vring_device_snapshot_entry(&r.device, 0, &entry), VRING_E_STATE);
}
