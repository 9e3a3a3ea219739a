/* SPDX-License-Identifier: MIT */
/* Several buffers in one call: what is taken, what is told, and where it ends. */
#include "fixture.h"

static struct ring r;
static struct vring_chain chains[8];
static struct vring_used_buffer used[8];
static uint32_t n;

static int get_avail(uint32_t n_iov, uint32_t capacity)
{
    n = UINT32_MAX;
    return vring_device_get_avail_batch(&r.device, r.iov, n_iov, chains, capacity, &n);
}

static int get_used(uint32_t capacity)
{
    n = UINT32_MAX;
    return vring_driver_get_used_batch(&r.driver, used, capacity, &n);
}

/* Buffers of two pieces with the driver's side, tokens 0 to count - 1; the device has seen none. */
static void start(VTEST, const struct format *format, uint64_t features, uint64_t count)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    CHECK_OK(ring_start(&r, 16, format->plain | features, 0));
    for (uint64_t i = 0; i < count; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
}

/* The same, and the device has used them all: buffer i with i bytes. */
static void start_used(VTEST, const struct format *format, uint64_t features, uint32_t count)
{
    start(VTEST_PASS, format, features, count);
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, count);
    for (uint32_t i = 0; i < count; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, i));
    CHECK(vring_device_publish(&r.device) >= 0);
}

RING_TEST(C081_a_device_takes_no_more_than_its_budget)
{
    start(VTEST_PASS, format, 0, 5);
    CHECK_OK(get_avail(64, 3));
    CHECK_EQ(n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(chains[i].n_readable == 1 && chains[i].n_writable == 1);
        CHECK(r.iov[2 * i].base == r.guest && r.iov[2 * i].len == 16);
        CHECK(r.iov[2 * i + 1].base == r.guest + 64 && r.iov[2 * i + 1].len == 32);
    }
    CHECK_EQ(vring_device_in_flight(&r.device), 3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 0));
    CHECK(vring_device_publish(&r.device) >= 0);

    CHECK_OK(get_used(8));
    CHECK_EQ(n, 3);
    for (uint64_t i = 0; i < 3; i++) /* the driver refills as fast as the device takes */
        CHECK_OK(ring_add(&r, 0, 8, true, 10 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 3));
    CHECK_EQ(n, 3);
    CHECK_OK(get_avail(64, 3));
    CHECK_EQ(n, 2);
    CHECK_ERR(get_avail(64, 3), VRING_E_EMPTY);
    CHECK_EQ(n, 0);
}

RING_TEST(C183_a_driver_takes_no_more_than_its_budget)
{
    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++) { /* legacy rings have none */
        start_used(VTEST_PASS, format, in_order ? VRING_F_IN_ORDER : 0, 5);
        CHECK_OK(get_used(3));
        CHECK_EQ(n, 3);
        for (uint32_t i = 0; i < 3; i++)
            CHECK(used[i].token == i && used[i].len == i);
        CHECK_EQ(vring_driver_in_flight(&r.driver), 2);
        CHECK_OK(get_used(3));
        CHECK_EQ(n, 2);
        CHECK(used[0].token == 3 && used[1].token == 4 && used[1].len == 4);
        CHECK_ERR(get_used(3), VRING_E_EMPTY);
        CHECK_EQ(n, 0);
    }
}

RING_TEST(C062_a_batch_ends_where_pieces_do_not_fit)
{
    start(VTEST_PASS, format, 0, 3);
    CHECK_ERR(get_avail(1, 8), VRING_E_ROOM);
    CHECK_EQ(n, 0);
    CHECK(chains[0].n_readable + chains[0].n_writable == 2);
    CHECK_OK(get_avail(5, 8)); /* two and a half */
    CHECK_EQ(n, 2);
    CHECK_OK(get_avail(2, 8));
    CHECK_EQ(n, 1);
    CHECK_ERR(get_avail(64, 0), VRING_E_ROOM);
    CHECK_EQ(n, 0);
    CHECK_ERR(get_used(0), VRING_E_ROOM);
    CHECK_EQ(n, 0);
}

RING_TEST(C060_an_unusable_buffer_is_the_last_of_its_batch)
{
    CHECK_OK(ring_start(&r, 16, format->plain, 0));
    for (uint64_t i = 0; i < 4; i++)
        CHECK_OK(ring_add(&r, i == 1 ? GUEST_SIZE : 0, 8, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_ERR(get_avail(64, 8), VRING_E_CHAIN_ADDR);
    CHECK_EQ(n, 2);
    CHECK_EQ(chains[0].n_writable, 1);
    CHECK_EQ(chains[1].n_writable, 0);
    CHECK_ERR(vring_device_add_used(&r.device, chains[1].handle, 1), VRING_E_LEN);
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 0));
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, 2);
}

RING_TEST(C044_C156_what_was_taken_before_a_queue_broke_is_told)
{
    start(VTEST_PASS, format, 0, 3);
    if (r.device.packed)
        put16(desc_at(&r, 5) + 12, 0); /* the third buffer has the id of the first */
    else
        put16(avail_at(&r, 4 + 2 * 2), 0);
    CHECK_ERR(get_avail(64, 8), VRING_E_PEER_ID);
    CHECK_EQ(n, 2);
    CHECK_ERR(get_avail(64, 8), VRING_E_PEER_ID);
    CHECK_EQ(n, 0);

    start_used(VTEST_PASS, format, 0, 3);
    if (r.device.packed)
        put16(desc_at(&r, 4) + 12, 0);
    else
        put32(used_at(&r, 4 + 8 * 2), 0);
    CHECK_ERR(get_used(8), VRING_E_PEER_ID);
    CHECK_EQ(n, 2);
    CHECK(used[0].token == 0 && used[1].token == 1);
    CHECK_ERR(get_used(8), VRING_E_PEER_ID);
    CHECK_EQ(n, 0);
}

RING_TEST(C001_null_pointers_to_batches)
{
    start(VTEST_PASS, format, 0, 1);
    CHECK_ERR(vring_device_get_avail_batch(NULL, r.iov, 1, chains, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, NULL, 1, chains, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 1, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 1, chains, 1, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, NULL, 0, chains, 1, &n), VRING_E_ROOM);
    CHECK_ERR(vring_driver_get_used_batch(NULL, used, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_get_used_batch(&r.driver, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_get_used_batch(&r.driver, used, 1, NULL), VRING_E_NULL);
}
