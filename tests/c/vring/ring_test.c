/* SPDX-License-Identifier: MIT */
/*
 * Our driver against our device: what a user of both sides may rely on, told once and run in both formats where it
 * holds in both.
 */
#include "fixture.h"

/* One buffer there and back. */
static void round_trip(VTEST, struct ring *r, uint32_t len, uint64_t token)
{
    struct vring_used_buffer used = {0, 0};
    struct vring_chain chain;

    CHECK_OK(ring_add(r, 0, len, true, token));
    CHECK(vring_driver_publish(&r->driver) >= 0);
    CHECK_OK(ring_get_avail(r, &chain));
    CHECK_EQ(chain.n_writable, 1);
    CHECK(r->iov[0].base == r->guest && r->iov[0].len == len);
    CHECK_ERR(vring_driver_get_used(&r->driver, &used), VRING_E_EMPTY);
    CHECK_OK(vring_device_add_used(&r->device, chain.handle, len));
    CHECK_ERR(vring_driver_get_used(&r->driver, &used), VRING_E_EMPTY);
    CHECK(vring_device_publish(&r->device) >= 0);
    CHECK_OK(vring_driver_get_used(&r->driver, &used));
    CHECK(used.token == token && used.len == len);
    CHECK_ERR(vring_driver_get_used(&r->driver, &used), VRING_E_EMPTY);
    CHECK_ERR(ring_get_avail(r, &chain), VRING_E_EMPTY);
}

RING_TEST(V1_V5_C004_C042_C067_every_size_across_the_wrap_of_the_index)
{
    static const uint32_t sizes[] = {1, 2, 4, 8, 256, 32768};
    static struct ring r;

    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int event_idx = 0; event_idx < 2; event_idx++) {
            CHECK_OK(ring_start(&r, sizes[s], event_idx ? format->all : format->plain,
                                index_before_wrap(format, sizes[s], 6)));
            for (uint32_t i = 0; i < 3 * 8; i++)
                round_trip(VTEST_PASS, &r, i + 1, i);
            CHECK_EQ(vring_driver_in_flight(&r.driver), 0);
            CHECK_EQ(vring_device_in_flight(&r.device), 0);
            CHECK_EQ(vring_driver_free(&r.driver), sizes[s]);
        }
}

RING_TEST(C041_C190_a_full_ring_at_every_phase_of_the_index)
{
    static struct ring r;

    for (uint32_t entries = 0; entries < 32; entries++) {
        CHECK_OK(ring_start(&r, 8, format->all, index_before_wrap(format, 8, entries)));
        for (uint64_t lap = 0; lap < 3; lap++) {
            struct vring_used_buffer used;
            struct vring_chain chain[8];

            for (uint64_t i = 0; i < 8; i++)
                CHECK_OK(ring_add(&r, (uint32_t)(64 * i), 64, true, 8 * lap + i));
            CHECK_ERR(ring_add(&r, 0, 64, true, 99), VRING_E_FULL);
            CHECK(vring_driver_publish(&r.driver) >= 0);
            for (int i = 0; i < 8; i++)
                CHECK_OK(ring_get_avail(&r, &chain[i]));
            for (int i = 7; i >= 0; i--)
                CHECK_OK(vring_device_add_used(&r.device, chain[i].handle, (uint32_t)i));
            CHECK(vring_device_publish(&r.device) >= 0);
            for (uint64_t i = 8; i-- > 0;) {
                CHECK_OK(vring_driver_get_used(&r.driver, &used));
                CHECK_EQ(used.token, 8 * lap + i);
                CHECK_EQ(used.len, i);
            }
        }
    }
}

RING_TEST(chains_arrive_readable_first_then_writable)
{
    struct vring_segment segments[5] = {{GUEST, 16}, {GUEST + 0x100, 512}, {READ_ONLY, 64}, {GUEST + 0x800, 4096},
                                        {GUEST + 0x2000, 1}};
    static struct ring r;
    struct vring_chain chain;
    struct vring_table table = {NULL, GUEST + 0x8000, 16};

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    table.memory = r.guest + 0x8000;
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 3, 2, 1));
    CHECK_OK(vring_driver_add_indirect(&r.driver, &table, segments, 3, 2, 2));
    CHECK_EQ(vring_driver_free(&r.driver), 2);
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (int i = 0; i < 2; i++) {
        memset(r.iov, 0, sizeof r.iov);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.n_readable, 3);
        CHECK_EQ(chain.n_writable, 2);
        CHECK_EQ(chain.readable, 16 + 512 + 64);
        CHECK_EQ(chain.writable, 4096 + 1);
        CHECK(r.iov[0].base == r.guest && r.iov[0].len == 16);
        CHECK(r.iov[2].base == r.regions[1].host && r.iov[2].len == 64);
        CHECK(r.iov[4].base == r.guest + 0x2000 && r.iov[4].len == 1);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 4097));
    }
}

RING_TEST(V60_C055_a_buffer_over_two_regions_is_two_pieces)
{
    struct vring_segment segment = {GUEST + GUEST_SIZE - 16, 48};
    static struct ring r;
    struct vring_chain chain;

    ring_configure(&r, 8, format->all, 0);
    r.regions[1].addr = GUEST + GUEST_SIZE;
    r.regions[1].flags = 0;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 0, 1, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_ERR(vring_device_get_avail(&r.device, r.iov, 1, &chain), VRING_E_ROOM);
    CHECK_EQ(chain.n_writable, 2);
    CHECK_OK(vring_device_get_avail(&r.device, r.iov, 2, &chain));
    CHECK_EQ(chain.n_writable, 2);
    CHECK_EQ(chain.writable, 48);
    CHECK(r.iov[0].base == r.guest + GUEST_SIZE - 16 && r.iov[0].len == 16);
    CHECK(r.iov[1].base == r.regions[1].host && r.iov[1].len == 32);
}

RING_TEST(C062_no_room_at_all_takes_nothing)
{
    static struct ring r;
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_ERR(vring_device_get_avail(&r.device, NULL, 0, &chain), VRING_E_ROOM);
        CHECK_EQ(chain.n_writable, 1);
        CHECK_ERR(vring_device_get_avail(&r.device, r.iov, 0, &chain), VRING_E_ROOM);
        CHECK_EQ(chain.n_writable, 1);
        CHECK_OK(ring_get_avail(&r, &chain)); /* the second buffer is in the region that the first was in */
    }
}

RING_TEST(C062_too_little_room_takes_nothing_and_counts_exactly)
{
    struct vring_segment segments[4] = {{GUEST, 1}, {GUEST, 2}, {GUEST, 3}, {GUEST, 4}};
    static struct ring r;
    struct vring_chain chain;

    for (int indirect = 0; indirect < 2; indirect++) {
        CHECK_OK(ring_start(&r, 8, format->all, 0));

        const struct vring_table table = {r.guest + 0x100, GUEST + 0x100, 4};

        if (indirect)
            CHECK_OK(vring_driver_add_indirect(&r.driver, &table, segments, 1, 3, 7));
        else
            CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 3, 7));
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        for (uint32_t room = 0; room < 4; room++) {
            memset(r.iov, 0, sizeof r.iov);
            CHECK_ERR(vring_device_get_avail(&r.device, r.iov, room, &chain), VRING_E_ROOM);
            CHECK_EQ(chain.n_readable, 1);
            CHECK_EQ(chain.n_writable, 3);
            CHECK(!r.iov[room].base);
            CHECK_EQ(vring_device_in_flight(&r.device), 0);
        }
        CHECK_OK(vring_device_get_avail(&r.device, r.iov, 4, &chain));
        CHECK_EQ(vring_device_in_flight(&r.device), 1);
    }
}

/* The pieces of a list are counted against what those before it have left, and nothing behind the room is touched. */
RING_TEST(C062_a_batch_of_lists_takes_those_that_fit)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {READ_ONLY, 16}};
    struct vring_chain chains[3];
    static struct ring r;
    uint32_t n;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 0, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    r.iov[4].base = NULL;
    CHECK_OK(vring_device_get_avail_batch(&r.device, r.iov, 4, chains, 3, &n));
    CHECK_EQ(n, 2);
    CHECK(r.iov[4].base == NULL);
}

/* A buffer that was refused is one as any other: its number is not the next one's, too. */
RING_TEST(C065_C131_the_handle_of_a_refused_buffer_is_its_own)
{
    struct vring_segment elsewhere = {0x90000, 16};
    struct vring_used_buffer used;
    struct vring_chain chains[2];
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(vring_driver_add_avail(&r.driver, &elsewhere, 1, 0, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_ERR(ring_get_avail(&r, &chains[i]), VRING_E_CHAIN_ADDR);
        if (i == 1)
            CHECK_ERR(vring_device_add_used(&r.device, chains[0].handle, 0), VRING_E_HANDLE);
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
}

RING_TEST(C176_any_token_comes_back)
{
    static const uint64_t tokens[] = {0, 1, UINT32_MAX, UINT64_MAX};
    static struct ring r;

    CHECK_OK(ring_start(&r, 2, format->all, 0));
    for (int i = 0; i < 4; i++)
        round_trip(VTEST_PASS, &r, 1, tokens[i]);
}

RING_TEST(abort_takes_back_the_last_and_only_what_is_staged)
{
    struct vring_segment segments[3] = {{GUEST, 1}, {GUEST, 1}, {GUEST, 1}};
    struct vring_chain chain;
    static struct ring r;
    uint64_t token;

    CHECK_OK(ring_start(&r, 8, format->all, index_before_wrap(format, 8, 2)));
    CHECK_ERR(vring_driver_abort(&r.driver, NULL), VRING_E_STATE);
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 3, 0, 2));
    CHECK_OK(ring_add(&r, 0, 8, true, 3));
    CHECK_OK(vring_driver_abort(&r.driver, &token));
    CHECK_EQ(token, 3);
    CHECK_OK(vring_driver_abort(&r.driver, &token));
    CHECK_EQ(token, 2);
    CHECK_ERR(vring_driver_abort(&r.driver, NULL), VRING_E_STATE);
    CHECK_EQ(vring_driver_free(&r.driver), 7);
    CHECK_EQ(vring_driver_publish(&r.driver), 0);
    CHECK_OK(ring_add(&r, 32, 9, true, 4));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.writable, 8);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.writable, 9);
}

RING_TEST(C219_rewind_offers_the_buffer_again)
{
    struct vring_chain chain, again;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, index_before_wrap(format, 4, 1)));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 0, 10 + i, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.writable, 11);
    CHECK_OK(vring_device_rewind(&r.device, chain.handle));
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 11);
    CHECK(again.handle != chain.handle);
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 1), VRING_E_HANDLE);
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 12);
}

RING_TEST(C181_C182_every_unused_token_exactly_once_and_oldest_first)
{
    struct vring_used_buffer used;
    struct vring_chain chain[4];
    static struct ring r;
    uint64_t token;

    CHECK_OK(ring_start(&r, 8, format->all, index_before_wrap(format, 8, 3)));
    for (uint64_t i = 0; i < 4; i++)
        CHECK_OK(ring_add(&r, 0, 8, true, 100 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (int i = 0; i < 4; i++)
        CHECK_OK(ring_get_avail(&r, &chain[i]));
    CHECK_OK(vring_device_add_used(&r.device, chain[1].handle, 0));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 101);
    CHECK_OK(ring_add(&r, 0, 8, true, 104)); /* in the descriptor that 101 had, and only staged */
    CHECK_ERR(vring_driver_take_unused(&r.driver, &token), VRING_E_STATE);
    vring_driver_reset(&r.driver);
    for (uint64_t want = 100; want < 105; want++) {
        if (want == 101)
            continue;
        CHECK_OK(vring_driver_take_unused(&r.driver, &token));
        CHECK_EQ(token, want);
    }
    CHECK_ERR(vring_driver_take_unused(&r.driver, &token), VRING_E_EMPTY);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_STATE);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
}

RING_TEST(C082_after_reset_no_handle_lives)
{
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(ring_get_avail(&r, &chain));
    vring_device_reset(&r.device);
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 0), VRING_E_STATE);
    CHECK_ERR(vring_device_publish(&r.device), VRING_E_STATE);
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 0), VRING_E_HANDLE);
}

/* ------------------------------------------------------------------------------------------------ notifications --- */

TEST(V23_V55_with_event_idx_the_flags_stay_zero_and_are_ignored)
{
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    CHECK_OK(vring_driver_disable_notify(&r.driver));
    CHECK_OK(vring_device_disable_notify(&r.device));
    CHECK_EQ(get16(avail_at(&r, 0)), 0);
    CHECK_EQ(get16(used_at(&r, 0)), 0);
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    put16(avail_at(&r, 0), 1); /* flags that must be ignored */
    put16(used_at(&r, 0), 1);
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    CHECK_EQ(vring_device_publish(&r.device), 1);
}

TEST(V23_V50_C075_without_event_idx_only_bit_0_of_the_flags_counts)
{
    struct vring_chain chain;
    static struct ring r;

    for (uint32_t flags = 0; flags < 4; flags++) {
        CHECK_OK(ring_start(&r, 8, features_plain, 0));
        put16(avail_at(&r, 0), flags);
        put16(used_at(&r, 0), flags);
        put16(avail_event_at(&r), 1000); /* events that must be ignored */
        put16(used_event_at(&r), 1000);
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
        CHECK_EQ(vring_driver_publish(&r.driver), !(flags & 1));
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        CHECK_EQ(vring_device_publish(&r.device), !(flags & 1));
    }
}

TEST(disable_then_enable_without_event_idx)
{
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_plain, 0));
    CHECK_OK(vring_driver_disable_notify(&r.driver));
    CHECK_OK(vring_device_disable_notify(&r.device));
    CHECK_EQ(get16(avail_at(&r, 0)), 1);
    CHECK_EQ(get16(used_at(&r, 0)), 1);
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK_EQ(get16(avail_at(&r, 0)), 0);
    CHECK_EQ(get16(used_at(&r, 0)), 0);
}

/* What was wished for last is known, so that the next wish is written wherever it is another. */
TEST(V23_V24_each_wish_of_the_driver_is_in_the_ring)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, features_all, 0));
    for (uint16_t i = 0; i < 3; i++) {
        CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
        CHECK_EQ(get16(used_event_at(&r)), i);
        CHECK_OK(vring_driver_disable_notify(&r.driver));
        CHECK_EQ(get16(used_event_at(&r)), (uint16_t)(i - 1));
        CHECK_OK(ring_add(&r, 0, 16, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
}

RING_TEST(V24_a_disabled_peer_is_not_notified_for_a_long_time)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, format->all, index_before_wrap(format, 8, 36)));
    CHECK_OK(vring_driver_disable_notify(&r.driver));
    CHECK_OK(vring_device_disable_notify(&r.device));
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_OK(ring_add(&r, 0, 8, true, i));
        CHECK_EQ(vring_driver_publish(&r.driver), 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        CHECK_EQ(vring_device_publish(&r.device), 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
}

RING_TEST(V26_V54_C184_enable_says_when_work_waits_already)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    static struct ring r;

    for (int event_idx = 0; event_idx < 2; event_idx++) {
        CHECK_OK(ring_start(&r, 8, event_idx ? format->all : format->plain, index_before_wrap(format, 8, 1)));
        CHECK_EQ(vring_device_enable_notify(&r.device), 0);
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
        CHECK_OK(ring_add(&r, 0, 8, true, 2));
        CHECK_EQ(vring_device_enable_notify(&r.device), 0); /* staged is not published */
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        CHECK_EQ(vring_device_enable_notify(&r.device), 1);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(vring_device_enable_notify(&r.device), 1);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
        CHECK_EQ(vring_device_publish(&r.device), 1);
        CHECK_EQ(vring_driver_enable_notify(&r.driver), 1);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    }
}

RING_TEST(V25_C185_delayed_notification_comes_at_three_quarters)
{
    for (uint32_t entries = 0; entries < 40; entries += 3) {
        struct vring_used_buffer used;
        static struct ring r;
        int notified_at = 0;

        CHECK_OK(ring_start(&r, 16, format->all, index_before_wrap(format, 16, entries)));
        for (uint64_t i = 0; i < 16; i++)
            CHECK_OK(ring_add(&r, 0, 8, true, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_EQ(vring_driver_enable_notify_delayed(&r.driver), 0);
        for (int i = 1; i <= 16; i++) {
            struct vring_chain chain;

            CHECK_OK(ring_get_avail(&r, &chain));
            CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
            if (vring_device_publish(&r.device) == 1) {
                CHECK_EQ(notified_at, 0);
                notified_at = i;
            }
        }
        CHECK_EQ(notified_at, 13); /* more than 3/4 of 16 */
        CHECK_EQ(vring_driver_enable_notify_delayed(&r.driver), 1);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
}

TEST(V94_V95_notification_word)
{
    static struct ring r;

    ring_configure(&r, 8, features_all | VRING_F_NOTIFICATION_DATA, 65535);
    r.driver_config.notify_id = 0x1234;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_EQ(vring_driver_notification(&r.driver), 0xffff1234);
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_notification(&r.driver), 0xffff1234);
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_EQ(vring_driver_notification(&r.driver), 0x1234);
    r.driver_config.features = features_all;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_EQ(vring_driver_notification(&r.driver), 0x1234);
}

/* --------------------------------------------------------------------------------------------------- inspectors --- */

TEST(snapshots_show_both_sides_of_one_ring)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 16, 32}};
    struct vring_snapshot driver, device;
    struct vring_snapshot_entry entry;
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, features_all, 65535));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 0xabc));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(ring_add(&r, 0, 8, true, 2));
    CHECK_OK(vring_split_driver_snapshot(&r.driver.as.split, &driver));
    CHECK_OK(vring_split_device_snapshot(&r.device.as.split, &device));
    CHECK_EQ(driver.size, 4);
    CHECK_EQ(driver.avail_idx, 0);
    CHECK_EQ(driver.published, 0);
    CHECK_EQ(driver.next_avail, 1);
    CHECK_EQ(driver.next_used, 65535);
    CHECK_EQ(driver.free, 1);
    CHECK_EQ(driver.error, 0);
    CHECK_EQ(device.avail_idx, driver.avail_idx);
    CHECK_EQ(device.used_idx, 65535);
    CHECK_EQ(device.next_avail, 0);
    CHECK_EQ(device.published, 65535);

    CHECK_OK(vring_split_driver_snapshot_entry(&r.driver.as.split, 0, &entry));
    CHECK_EQ(entry.addr, GUEST);
    CHECK_EQ(entry.len, 16);
    CHECK_EQ(entry.flags, VRING_DESC_NEXT);
    CHECK_EQ(entry.next, 1);
    CHECK_EQ(entry.count, 2);
    CHECK_EQ(entry.token, 0xabc);
    CHECK_OK(vring_split_driver_snapshot_entry(&r.driver.as.split, 1, &entry));
    CHECK_EQ(entry.count, 0);
    CHECK_EQ(entry.flags, VRING_DESC_WRITE);
    CHECK_OK(vring_split_device_snapshot_entry(&r.device.as.split, 0, &entry));
    CHECK_EQ(entry.count, 1);
    CHECK_ERR(vring_split_device_snapshot_entry(&r.device.as.split, 4, &entry), VRING_E_SIZE);
    CHECK_ERR(vring_split_driver_snapshot_entry(&r.driver.as.split, 4, &entry), VRING_E_SIZE);
}

/* --------------------------------------------------------------------------------------------------------- wire --- */

TEST(V9_V10_init_clears_the_areas)
{
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    for (size_t i = 0; i < r.layout.desc_size; i++)
        CHECK_EQ(desc_at(&r, 0)[i], 0);
    for (size_t i = 0; i < r.layout.driver_size; i++)
        CHECK_EQ(avail_at(&r, i)[0], 0);
    for (size_t i = 0; i < r.layout.device_size; i++)
        CHECK_EQ(used_at(&r, i)[0], 0);
}

TEST(V3_V13_V47_C250_the_bytes_of_one_request)
{
    struct vring_segment segments[2] = {{UINT64_C(0x1122334455667788), 0x99aabbcc}, {GUEST, 7}};
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, features_all, 2));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK(get64(desc_at(&r, 0)) == UINT64_C(0x1122334455667788));
    CHECK_EQ(get32(desc_at(&r, 0) + 8), 0x99aabbcc);
    CHECK_EQ(get16(desc_at(&r, 0) + 12), VRING_DESC_NEXT);
    CHECK_EQ(get16(desc_at(&r, 0) + 14), 1);
    CHECK(get64(desc_at(&r, 1)) == GUEST);
    CHECK_EQ(get16(desc_at(&r, 1) + 12), VRING_DESC_WRITE);
    CHECK_EQ(get16(avail_at(&r, 2)), 3);
    CHECK_EQ(get16(avail_at(&r, 4 + 2 * 2)), 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_EQ(get16(used_at(&r, 2)), 3);
    CHECK_EQ(get32(used_at(&r, 4 + 8 * 2)), 0);
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK_EQ(get16(avail_event_at(&r)), 3);
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 1);
}

/* There is no word for 2^32 bytes: where a length is 32 bits wide they count as one less. */
RING_TEST(V47_V48_C052_a_buffer_of_all_bytes_that_one_may_have_is_used_in_full)
{
    static const struct vring_segment halves[] = {{0, UINT32_C(1) << 31}, {0, UINT32_C(1) << 31}};
    static struct ring r;
    struct vring_used_buffer used;
    struct vring_chain chain;

    CHECK_OK(ring_start_on_4g(&r, 8, format->all));
    CHECK_OK(vring_driver_add_avail(&r.driver, halves, 0, 2, 7));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.writable, UINT64_C(1) << 32);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, UINT32_MAX));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.len, UINT32_MAX);
}
