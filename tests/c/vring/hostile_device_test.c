/* SPDX-License-Identifier: MIT */
/* The driver side against a device made of bytes. */
#include "broken.h"

static struct ring r;
static struct vring_used_buffer used;

/* Three buffers of two pieces each are with the device: heads 0, 2 and 4; tokens 10, 12 and 14; 32 writable bytes. */
static void start_with(VTEST, enum vring_used_len_policy policy)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    ring_configure(&r, 8, features_all, 65535);
    r.driver_config.used_len = policy;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 10 + 2 * i));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(get16(avail_at(&r, 4 + 2 * (size_t)((65535 + i) & 7))), 2 * i);
}

static void start(VTEST)
{
    start_with(VTEST_PASS, VRING_USED_LEN_BREAK);
}

TEST(C153_C154_used_idx_too_far_ahead_or_back)
{
    static const uint32_t idx[] = {3, 4, 0x7fff, 0x8000, 0xfffe};

    for (int i = 0; i < 5; i++) {
        start(VTEST_PASS);
        put16(used_at(&r, 2), idx[i]);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_INDEX, 3);
        CHECK_EQ(vring_driver_fault(&r.driver).value, idx[i]);
    }
}

TEST(C154_used_idx_goes_back_over_what_was_seen)
{
    start(VTEST_PASS);
    raw_used(&r, 0, 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    put16(used_at(&r, 2), 65535);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_INDEX, 2);
}

TEST(V32_V33_C155_C156_C157_C158_ids_that_were_never_heads_in_flight)
{
    static const uint32_t ids[] = {8, 9, 65535, 0x10000, 0x10002, 0x80000000, 0xffffffff, 1, 3, 5, 6, 7};

    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
        start(VTEST_PASS);
        raw_used(&r, ids[i], 0);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 3);
        CHECK_EQ(vring_driver_fault(&r.driver).value, ids[i]);
    }
}

TEST(V33_C159_an_id_is_used_once)
{
    start(VTEST_PASS);
    raw_used(&r, 2, 7);
    raw_used(&r, 2, 7);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 12);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 2);
}

/* A buffer that is staged but not published is not the device's to return, even where the index would allow it. */
TEST(C158_a_staged_buffer_cannot_be_used)
{
    start(VTEST_PASS);
    CHECK_OK(ring_add(&r, 0, 8, true, 11));
    raw_used(&r, 6, 0);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 4);
}

/*
 * A buffer may stay with the device while the index goes all the way round; then its position looks like a staged one.
 */
TEST(C158_a_buffer_older_than_a_lap_of_the_index_is_not_taken_for_staged)
{
    start(VTEST_PASS);
    raw_used(&r, 2, 0);
    raw_used(&r, 4, 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    for (uint32_t i = 3; i < 65536; i++) { /* head 0 was added at 65535 and stays away */
        uint32_t id;

        CHECK_OK(ring_add(&r, 0, 8, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        id = get16(avail_at(&r, 4 + 2 * (size_t)((65535 + i) & 7)));
        raw_used(&r, id, 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
    CHECK_OK(ring_add(&r, 0, 8, true, 2)); /* staged at position 65535, where head 0 was */
    raw_used(&r, 0, 5);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 10);
    CHECK_EQ(used.len, 5);
}

TEST(C160_C161_C163_used_len_policies)
{
    static const uint32_t lens[] = {33, 48, 0x10000, 0xffffffff};

    for (int i = 0; i < 4; i++) {
        start_with(VTEST_PASS, VRING_USED_LEN_BREAK);
        raw_used(&r, 0, lens[i]);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_LEN, 3);

        start_with(VTEST_PASS, VRING_USED_LEN_CLAMP);
        raw_used(&r, 0, lens[i]);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.len, 32);

        start_with(VTEST_PASS, VRING_USED_LEN_TRUST);
        raw_used(&r, 0, lens[i]);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.len, lens[i]);
    }
}

TEST(C161_a_read_only_buffer_has_no_used_bytes)
{
    for (int policy = VRING_USED_LEN_BREAK; policy <= VRING_USED_LEN_CLAMP; policy++) {
        start_with(VTEST_PASS, (enum vring_used_len_policy)policy);
        CHECK_OK(ring_add(&r, 0, 44, false, 11));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        raw_used(&r, 6, 44);
        if (policy == VRING_USED_LEN_BREAK) {
            driver_breaks(VTEST_PASS, &r, VRING_E_PEER_LEN, 4);
        } else {
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.len, 0);
        }
    }
}

TEST(V48_C162_every_length_up_to_the_writable_part_is_accepted)
{
    for (uint32_t len = 0; len <= 32; len++) {
        start(VTEST_PASS);
        raw_used(&r, 4, len);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 14);
        CHECK_EQ(used.len, len);
    }
}

TEST(V34_C164_C165_what_the_device_scribbles_over_the_drivers_areas_changes_nothing)
{
    start(VTEST_PASS);
    memset(r.driver_config.desc, 0xff, r.layout.desc_size);
    memset(r.driver_config.driver_area, 0xff, r.layout.driver_size);
    for (uint32_t i = 0; i < 3; i++) {
        raw_used(&r, 4 - 2 * i, 1);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 14 - 2 * i);
    }
    CHECK_EQ(vring_driver_free(&r.driver), 8);
    for (uint64_t i = 0; i < 8; i++)
        CHECK_OK(ring_add(&r, 0, 8, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_EQ(get16(avail_at(&r, 2)), (65535 + 3 + 8) & 0xffff);
}

TEST(C166_C168_any_wish_of_the_device_is_answered_by_the_formula)
{
    for (uint32_t event = 0; event < 65536; event += 7) {
        ring_configure(&r, 8, features_all, 65533);
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        for (uint64_t i = 0; i < 6; i++)
            CHECK_OK(ring_add(&r, 0, 8, true, i));
        put16(avail_event_at(&r), event);
        put16(used_at(&r, 0), event);
        CHECK_EQ(vring_driver_publish(&r.driver), event >= 65533 || event < 3);
    }
}

TEST(C169_spurious_looks_find_nothing)
{
    start(VTEST_PASS);
    for (int i = 0; i < 100000; i++)
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
}

/* With IN_ORDER an element names the last buffer of a batch, and has to name one at all. */
TEST(V88_C155_C187_an_id_past_the_end_is_told_as_it_is_with_in_order_too)
{
    static const uint32_t ids[] = {4, 9, 0x10000, UINT32_MAX};

    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
        CHECK_OK(ring_start(&r, 4, features_plain | VRING_F_IN_ORDER, 0));
        CHECK_OK(ring_add(&r, 0, 16, true, 10));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        raw_used(&r, ids[i], 1);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 1);
        CHECK_EQ(vring_driver_fault(&r.driver).value, ids[i]);
    }
}

/* Whoever asks for notifications looks once more, and judges what is seen then. */
TEST(V26_C153_C154_an_index_that_cannot_be_is_found_before_one_sleeps)
{
    for (int delayed = 0; delayed < 2; delayed++) {
        start(VTEST_PASS);
        put16(used_at(&r, 2), 3);
        CHECK_ERR(delayed ? vring_driver_enable_notify_delayed(&r.driver) : vring_driver_enable_notify(&r.driver),
                  VRING_E_PEER_INDEX);
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_INDEX);
    }
}
