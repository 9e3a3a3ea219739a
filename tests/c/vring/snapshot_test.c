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

/* Numbers that are all different, and over the wrap. */
RING_TEST(a_snapshot_shows_where_each_side_stands)
{
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    struct vring_snapshot driver, device;
    struct vring_snapshot_entry entry;
    struct vring_chain chains[2];
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, index_before_wrap(format, 4, 1)));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 64 * i, 16, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (int i = 0; i < 2; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 7));
    CHECK_OK(vring_driver_snapshot(&r.driver, &driver));
    CHECK_EQ(driver.next_avail, packed ? 0x8002 : 2);
    CHECK_EQ(driver.published, driver.next_avail);
    CHECK_EQ(driver.next_used, packed ? 3 : 65535);
    CHECK_OK(vring_device_snapshot(&r.device, &device));
    CHECK_EQ(device.next_avail, packed ? 0x8001 : 1);
    CHECK_EQ(device.next_used, packed ? 0x8000 : 0);
    CHECK_EQ(device.published, driver.next_used); /* what is staged has not been published */
    CHECK_OK(vring_driver_snapshot_entry(&r.driver, 3, &entry));
    if (!packed) { /* a packed one has no used ring */
        CHECK_EQ(entry.used_id, chains[1].handle & 0xffff);
        CHECK_EQ(entry.used_len, 7);
    }
}

TEST(a_snapshot_of_a_split_driver_leads_from_descriptor_to_descriptor)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 16}};
    struct vring_snapshot_entry entry;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, features_plain, 0));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 9));
    CHECK_OK(vring_driver_snapshot_entry(&r.driver, 0, &entry));
    CHECK_EQ(entry.link, 1); /* of the same buffer */
    CHECK_OK(vring_driver_snapshot_entry(&r.driver, 2, &entry));
    CHECK_EQ(entry.link, 3); /* of the free ones */
}

/* An inspector is shown a queue that its peer broke, too, and why it is. */
RING_TEST(a_snapshot_says_what_broke_the_queue)
{
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    struct vring_used_buffer used;
    struct vring_snapshot now;
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->plain, 0));
    CHECK_OK(ring_add(&r, 0, 16, false, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    if (packed)
        put16(desc_at(&r, 0) + 12, 9);
    else
        put16(avail_at(&r, 2), 0x0909); /* in either byte order */
    CHECK_ERR(ring_get_avail(&r, &chain), packed ? VRING_E_PEER_ID : VRING_E_PEER_INDEX);
    CHECK_OK(vring_device_snapshot(&r.device, &now));
    CHECK_EQ(now.error, packed ? VRING_E_PEER_ID : VRING_E_PEER_INDEX);
    if (packed)
        put16(desc_at(&r, 0) + 14, VRING_DESC_AVAIL | VRING_DESC_USED);
    else
        put16(used_at(&r, 2), 0x0909);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), packed ? VRING_E_PEER_ID : VRING_E_PEER_INDEX);
    CHECK_OK(vring_driver_snapshot(&r.driver, &now));
    CHECK_EQ(now.error, packed ? VRING_E_PEER_ID : VRING_E_PEER_INDEX);
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
