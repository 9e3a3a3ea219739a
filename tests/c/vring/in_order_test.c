/* SPDX-License-Identifier: MIT */
/*
 * IN_ORDER (2.7.9, 2.8.8), both formats: the device may answer in any order and tell the driver in batches; the driver
 * sees order alone.
 */
#include "fixture.h"

static struct ring r;
static struct vring_chain chains[16];
static struct vring_used_buffer used;

/* n buffers of one writable piece of 16 bytes are with the device, and it has taken them. */
static void start_with(VTEST, const struct format *format, uint32_t size, uint32_t n, uint32_t before_wrap)
{
    CHECK_OK(ring_start(&r, size, format->all | VRING_F_IN_ORDER, index_before_wrap(format, size, before_wrap)));
    for (uint64_t i = 0; i < n; i++)
        CHECK_OK(ring_add(&r, (uint32_t)(64 * i), 16, true, 100 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (uint32_t i = 0; i < n; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
}

static void comes_back(VTEST, uint64_t token, uint32_t len)
{
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, token);
    CHECK_EQ(used.len, len);
}

MODERN_RING_TEST(V84_C091_a_buffer_waits_for_those_taken_before_it)
{
    start_with(VTEST_PASS, format, 8, 3, 1);
    CHECK_OK(vring_device_add_used(&r.device, chains[2].handle, 12));
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 11));
    CHECK_ERR(vring_device_add_used(&r.device, chains[1].handle, 11), VRING_E_HANDLE);
    CHECK_ERR(vring_device_rewind(&r.device, chains[2].handle), VRING_E_HANDLE);
    CHECK_EQ(vring_device_publish(&r.device), 0);
    CHECK_EQ(vring_device_in_flight(&r.device), 3);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 10));
    CHECK_EQ(vring_device_in_flight(&r.device), 0);
    CHECK_EQ(vring_device_publish(&r.device), 1);
    for (uint32_t i = 0; i < 3; i++)
        comes_back(VTEST_PASS, 100 + i, 10 + i);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
}

TEST(V85_V87_V90_C092_C188_split_one_element_for_a_batch_used_in_full)
{
    start_with(VTEST_PASS, &formats[0], 8, 4, 2);
    memset(used_at(&r, 4), 0x77, 64);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 16));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_EQ(get16(used_at(&r, 2)), 2); /* 65534 + 4 */
    CHECK_EQ(get32(used_at(&r, 4 + 8 * 6)), 3); /* at the first one's place, the last one's head */
    CHECK_EQ(get32(used_at(&r, 8 + 8 * 6)), 16);
    CHECK_EQ(get32(used_at(&r, 4 + 8 * 7)), 0x77777777); /* nothing else is written */
    CHECK_EQ(get32(used_at(&r, 4)), 0x77777777);
    for (uint32_t i = 0; i < 4; i++)
        comes_back(VTEST_PASS, 100 + i, 16);
}

TEST(V86_V87_C152_packed_one_descriptor_for_a_batch_used_in_full)
{
    start_with(VTEST_PASS, &formats[1], 5, 4, 2);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 16));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_EQ(get16(desc_at(&r, 3) + 12), 3);
    CHECK_EQ(get16(desc_at(&r, 3) + 14), VRING_DESC_WRITE); /* used, in the second lap: both bits 0 */
    /* Still as the driver made it available. */
    CHECK_EQ(get16(desc_at(&r, 4) + 14), VRING_DESC_WRITE | VRING_DESC_USED);
    for (uint32_t i = 0; i < 4; i++)
        comes_back(VTEST_PASS, 100 + i, 16);
}

MODERN_RING_TEST(V87_C188_lengths_are_told_where_they_are_not_full)
{
    static const uint32_t lens[6] = {16, 5, 16, 16, 0, 16};

    start_with(VTEST_PASS, format, 8, 6, 3);
    for (uint32_t i = 6; i-- > 0;)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, lens[i]));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    for (uint32_t i = 0; i < 6; i++)
        comes_back(VTEST_PASS, 100 + i, lens[i]);
}

/* The device wrote nothing into a buffer that is not memory; skipped in a batch, it would count as written in full. */
MODERN_RING_TEST(V87_a_refused_buffer_is_told_to_be_empty)
{
    struct vring_segment nowhere = {0, 16};

    CHECK_OK(ring_start(&r, 8, format->all | VRING_F_IN_ORDER, 0));
    CHECK_OK(vring_driver_add_avail(&r.driver, &nowhere, 0, 1, 100));
    CHECK_OK(ring_add(&r, 0, 16, true, 101));
    CHECK_OK(ring_add(&r, 64, 16, false, 102));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_ERR(ring_get_avail(&r, &chains[0]), VRING_E_CHAIN_ADDR);
    CHECK_OK(ring_get_avail(&r, &chains[1]));
    CHECK_OK(ring_get_avail(&r, &chains[2]));
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 0));
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 16));
    CHECK_OK(vring_device_add_used(&r.device, chains[2].handle, 0));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    comes_back(VTEST_PASS, 100, 0);
    comes_back(VTEST_PASS, 101, 16);
    comes_back(VTEST_PASS, 102, 0);
}

static uint32_t early_len(uint32_t i)
{
    return i == 3 ? 16 : 3;
}

/*
 * Six buffers of 16 bytes are taken, those of refused are no memory, and those of early have been used before their
 * turn, buffer 3 in full and the others with 3 bytes; then all through the one at last, with len.
 */
static void use_through(VTEST, const struct format *format, unsigned refused, unsigned early, uint32_t last,
                        uint32_t len)
{
    CHECK_OK(ring_start(&r, 8, format->all | VRING_F_IN_ORDER, index_before_wrap(format, 8, 3)));
    for (uint32_t i = 0; i < 6; i++) {
        struct vring_segment segment = {refused >> i & 1 ? 0 : GUEST + 64 * i, 16};

        CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 0, 1, 100 + i));
    }
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_ERR(ring_get_avail(&r, &chains[i]), refused >> i & 1 ? VRING_E_CHAIN_ADDR : 0);
    for (uint32_t i = 0; i < last; i++)
        if (early >> i & 1)
            CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, early_len(i)));
    CHECK_OK(vring_device_add_used_through(&r.device, chains[last].handle, refused >> last & 1 ? 0 : len));
    for (uint32_t i = 0; i <= last; i++)
        CHECK_ERR(vring_device_add_used_through(&r.device, chains[i].handle, 0), VRING_E_HANDLE);
    CHECK_EQ(vring_device_in_flight(&r.device), 5 - last);
}

MODERN_RING_TEST(V87_C188_all_through_one_are_used_in_full_or_as_they_were)
{
    for (unsigned mix = 0; mix < 64; mix++)
        for (uint32_t last = 0; last < 6; last++) {
            unsigned refused = mix & 21, early = mix & 42; /* of every other buffer each */

            use_through(VTEST_PASS, format, refused, early, last, 7);
            CHECK_EQ(vring_device_publish(&r.device), 1);
            for (uint32_t i = 0; i <= last; i++)
                comes_back(VTEST_PASS, 100 + i,
                           refused >> i & 1 ? 0
                           : i == last      ? 7
                           : early >> i & 1 ? early_len(i)
                                            : 16);
            CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
            for (uint32_t i = last + 1; i < 6; i++) /* the others as ever */
                CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 0));
            CHECK(vring_device_publish(&r.device) >= 0);
            for (uint32_t i = last + 1; i < 6; i++)
                comes_back(VTEST_PASS, 100 + i, 0);
        }
}

/* What is not whole on the way there is told, and what is whole needs no telling: one entry for as many as can be. */
MODERN_RING_TEST(V85_V90_all_through_one_take_the_fewest_entries)
{
    uint32_t places = 0;

    use_through(VTEST_PASS, format, 1 << 2, 1 << 1 | 1 << 3, 5, 16);
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    for (uint32_t i = 1; i < 6; i++)
        comes_back(VTEST_PASS, 100 + i, i == 2 ? 0 : i == 1 ? 3 : 16);
    for (uint32_t i = 0; i < 6; i++) /* of buffers 0 and 1, of 2, of 3 to 5: where the first of each lies */
        if (r.device.packed)
            places |= (uint32_t)(get16(desc_at(&r, (5 + i) % 8) + 12) != i) << i;
        else
            places |= (uint32_t)(get32(used_at(&r, 4 + 8 * ((5 + i) % 8))) != 0) << i;
    CHECK_EQ(places, r.device.packed ? 1u << 0 | 1u << 3 : 1u << 0 | 1u << 2 | 1u << 3); /* 2 names itself */
}

/* What comes behind the last one and was used before its turn has it now. */
MODERN_RING_TEST(V84_what_waits_behind_all_through_one_follows)
{
    start_with(VTEST_PASS, format, 8, 4, 2);
    CHECK_OK(vring_device_add_used(&r.device, chains[2].handle, 12));
    CHECK_OK(vring_device_add_used_through(&r.device, chains[1].handle, 11));
    CHECK_EQ(vring_device_in_flight(&r.device), 1);
    CHECK_EQ(vring_device_publish(&r.device), 1);
    for (uint32_t i = 0; i < 3; i++)
        comes_back(VTEST_PASS, 100 + i, i == 0 ? 16 : 10 + i);
}

/* Nothing depends on where the ring, or the list of what was taken, begins again. */
MODERN_RING_TEST(V84_V87_all_through_one_go_round_the_ring)
{
    for (uint32_t batch = 1; batch <= 8; batch++) {
        CHECK_OK(ring_start(&r, 8, format->plain | VRING_F_IN_ORDER, index_before_wrap(format, 8, 3)));
        for (int round = 0; round < 20; round++) {
            for (uint32_t i = 0; i < batch; i++)
                CHECK_OK(ring_add(&r, 0, 16, true, 100 + i));
            CHECK(vring_driver_publish(&r.driver) >= 0);
            for (uint32_t i = 0; i < batch; i++)
                CHECK_OK(ring_get_avail(&r, &chains[i]));
            CHECK_OK(vring_device_add_used_through(&r.device, chains[batch - 1].handle, 5));
            CHECK_EQ(vring_device_in_flight(&r.device), 0);
            CHECK(vring_device_publish(&r.device) >= 0);
            for (uint32_t i = 0; i < batch; i++)
                comes_back(VTEST_PASS, 100 + i, i + 1 < batch ? 16 : 5);
            CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
            CHECK_EQ(vring_driver_free(&r.driver), 8);
        }
    }
}

MODERN_RING_TEST(C064_C065_C131_through_a_handle_that_is_none_nothing_is_used)
{
    struct vring_device before;

    start_with(VTEST_PASS, format, 8, 4, 2);
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 16));
    CHECK_OK(vring_device_add_used(&r.device, chains[2].handle, 16)); /* held back: its handle is dead, too */
    before = r.device;
    CHECK_ERR(vring_device_add_used_through(&r.device, chains[0].handle, 16), VRING_E_HANDLE);
    CHECK_ERR(vring_device_add_used_through(&r.device, chains[2].handle, 16), VRING_E_HANDLE);
    CHECK_ERR(vring_device_add_used_through(&r.device, chains[3].handle + 0x10000, 16), VRING_E_HANDLE);
    CHECK_ERR(vring_device_add_used_through(&r.device, UINT32_MAX, 16), VRING_E_HANDLE);
    CHECK_ERR(vring_device_add_used_through(&r.device, chains[3].handle, 17), VRING_E_LEN);
    CHECK_ERR(vring_device_add_used_through(NULL, chains[3].handle, 16), VRING_E_NULL);
    CHECK(memcmp(&before, &r.device, sizeof before) == 0);
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 16)); /* still with the device */
    CHECK_OK(vring_device_add_used_through(&r.device, chains[3].handle, 16));
    vring_device_reset(&r.device);
    CHECK_ERR(vring_device_add_used_through(&r.device, chains[3].handle, 16), VRING_E_STATE);

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 100));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(ring_get_avail(&r, &chains[0]));
    CHECK_ERR(vring_device_add_used_through(&r.device, chains[0].handle, 16), VRING_E_FEATURE);
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 16));
}

/* Whatever number it bears, before it, of those that were taken, or behind them. */
MODERN_RING_TEST(C064_C131_through_a_head_past_the_end_nothing_is_used)
{
    for (uint32_t head = 4; head < 6; head++) {
        uint32_t n;

        CHECK_OK(ring_start(&r, 4, format->plain | VRING_F_IN_ORDER, 0));
        for (uint32_t i = 0; i < 4; i++)
            CHECK_OK(ring_add(&r, 64 * i, 16, false, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        for (uint32_t taken = 0; taken < 4; taken += n) /* a build for size takes them one by one */
            CHECK_OK(vring_device_get_avail_run(&r.device, r.iov, 4, chains, &n));
        for (uint32_t number = 0; number < 12; number++)
            CHECK_ERR(vring_device_add_used_through(&r.device, (number - 4) << 16 | head, 0), VRING_E_HANDLE);
        CHECK_OK(vring_device_add_used_through(&r.device, chains[0].handle, 0));
    }
}

MODERN_RING_TEST(V91_an_event_within_a_batch_is_passed_with_it)
{
    start_with(VTEST_PASS, format, 8, 4, 2);
    CHECK_EQ(vring_driver_enable_notify_delayed(&r.driver), 0); /* after three quarters of four: the last */
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 16));
    CHECK_EQ(vring_device_publish(&r.device), 0);
    CHECK_OK(vring_device_add_used(&r.device, chains[3].handle, 16));
    CHECK_EQ(vring_device_publish(&r.device), 1);
}

MODERN_RING_TEST(V92_the_rest_of_a_batch_is_work_that_waits)
{
    start_with(VTEST_PASS, format, 8, 3, 0);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 16));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(vring_driver_enable_notify(&r.driver), 1);
        comes_back(VTEST_PASS, 100 + i, 16);
    }
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
}

MODERN_RING_TEST(an_aborted_buffer_leaves_no_gap_in_the_order)
{
    CHECK_OK(ring_start(&r, 8, format->all | VRING_F_IN_ORDER, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 100));
    CHECK_OK(ring_add(&r, 64, 16, true, 999));
    CHECK_OK(vring_driver_abort(&r.driver, NULL));
    CHECK_OK(ring_add(&r, 64, 16, true, 101));
    CHECK_OK(ring_add(&r, 128, 16, true, 102));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ring_get_avail(&r, &chains[i]));
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 16));
    }
    CHECK_EQ(vring_device_publish(&r.device), 1);
    for (uint64_t token = 100; token < 103; token++)
        comes_back(VTEST_PASS, token, 16);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 0);
}

MODERN_RING_TEST(V84_C181_unused_buffers_come_back_in_order_behind_those_that_were_used)
{
    uint64_t token;

    start_with(VTEST_PASS, format, 4, 3, 2);
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 16));
    CHECK(vring_device_publish(&r.device) >= 0);
    comes_back(VTEST_PASS, 100, 16);
    vring_driver_reset(&r.driver);
    for (uint64_t i = 1; i < 3; i++) {
        CHECK_OK(vring_driver_take_unused(&r.driver, &token));
        CHECK_EQ(token, 100 + i);
    }
    CHECK_ERR(vring_driver_take_unused(&r.driver, &token), VRING_E_EMPTY);
}

TEST(V89_split_descriptors_follow_each_other_round_the_table)
{
    struct vring_segment segments[3] = {{GUEST, 1}, {GUEST, 1}, {GUEST, 1}};
    uint32_t next = 0;

    CHECK_OK(ring_start(&r, 8, formats[0].all | VRING_F_IN_ORDER, 0));
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t count = 1 + round % 3;

        CHECK_OK(vring_driver_add_avail(&r.driver, segments, (uint16_t)count, 0, round));
        if (round % 4 == 3) { /* what is taken back is used again next */
            CHECK_OK(vring_driver_abort(&r.driver, NULL));
            CHECK_OK(vring_driver_add_avail(&r.driver, segments, (uint16_t)count, 0, round));
        }
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chains[0]));
        CHECK_EQ(chains[0].handle & 0xffff, next);
        for (uint32_t i = 0; i + 1 < count; i++)
            CHECK_EQ(get16(desc_at(&r, (next + i) % 8) + 14), (next + i + 1) % 8);
        next = (next + count) % 8;
        CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        comes_back(VTEST_PASS, round, 0);
    }
}

MODERN_RING_TEST(V88_many_laps_of_chains_answered_in_any_order)
{
    static const uint32_t sizes[2][3] = {{4, 8, 16}, {5, 7, 16}};
    uint32_t seed = 1;

    for (int s = 0; s < 3; s++) {
        uint32_t size = sizes[format == &formats[1]][s];
        uint64_t sent = 0, received = 0;

        CHECK_OK(ring_start(&r, size, format->all | VRING_F_IN_ORDER, index_before_wrap(format, size, 2)));
        for (int round = 0; round < 3000; round++) {
            struct vring_segment segments[3] = {{GUEST, 8}, {GUEST + 64, 16}, {GUEST + 128, 16}};
            uint32_t taken = 0;

            for (; seed = seed * 1103515245 + 12345, seed >> 16 & 3;) { /* one to a few chains of one to three pieces */
                uint16_t writable = (uint16_t)(seed >> 20 & 1), readable = (uint16_t)(1 + (seed >> 21 & 1));

                if (vring_driver_add_avail(&r.driver, segments + (2 - readable), readable, writable, sent) == 0)
                    sent++;
            }
            CHECK(vring_driver_publish(&r.driver) >= 0);
            while (taken < 16 && ring_get_avail(&r, &chains[taken]) == 0)
                taken++;
            for (uint32_t i = taken; i > 0; i--) { /* in any order */
                uint32_t pick = (seed = seed * 1103515245 + 12345) % (1u << 31) / 7 % i;
                struct vring_chain swap = chains[pick];
                uint32_t len = seed >> 28 & 1 ? (uint32_t)swap.writable : (uint32_t)swap.writable / 2;

                chains[pick] = chains[i - 1];
                CHECK_OK(vring_device_add_used(&r.device, swap.handle, len));
                if (seed >> 29 & 1)
                    CHECK(vring_device_publish(&r.device) >= 0);
            }
            CHECK(vring_device_publish(&r.device) >= 0);
            while (vring_driver_get_used(&r.driver, &used) == 0)
                CHECK_EQ(used.token, received++);
            CHECK_EQ(vring_driver_fault(&r.driver).error, 0);
            CHECK_EQ(vring_device_fault(&r.device).error, 0);
        }
        CHECK_EQ(received, sent);
        CHECK(sent > 3000);
        CHECK_EQ(vring_driver_free(&r.driver), size);
    }
}

TEST(V88_C187_split_a_batch_ends_within_what_was_announced)
{
    for (uint32_t id = 0; id < 8; id++)
        for (uint32_t announced = 1; announced <= 4; announced++) {
            start_with(VTEST_PASS, &formats[0], 8, 4, 2);
            put32(used_at(&r, 4 + 8 * 6), id);
            put32(used_at(&r, 8 + 8 * 6), 0);
            put16(used_at(&r, 2), 65534 + announced);
            if (id < announced) {
                for (uint32_t i = 0; i <= id; i++)
                    comes_back(VTEST_PASS, 100 + i, i < id ? 16 : 0);
            } else {
                CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_ID);
                CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_ID);
            }
        }
}

TEST(C187_packed_a_batch_names_a_buffer_in_flight)
{
    for (uint32_t id = 0; id < 9; id++) {
        start_with(VTEST_PASS, &formats[1], 8, 4, 8);
        CHECK_OK(ring_add(&r, 0, 16, true, 104)); /* staged: id 4 */
        put16(desc_at(&r, 0) + 12, id);
        put16(desc_at(&r, 0) + 14,
              get16(desc_at(&r, 0) + 14) & VRING_DESC_AVAIL ? VRING_DESC_AVAIL | VRING_DESC_USED : 0);
        if (id < 4) {
            for (uint32_t i = 0; i <= id; i++)
                comes_back(VTEST_PASS, 100 + i, i < id ? 16 : 0);
        } else {
            CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_ID);
        }
    }
}
