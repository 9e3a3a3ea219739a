/* SPDX-License-Identifier: MIT */
/* The driver side of a packed ring against a device made of bytes. Reads beside hostile_device_test.c. */
#include "broken.h"

#define W VRING_DESC_WRITE
#define A VRING_DESC_AVAIL
#define U VRING_DESC_USED

static struct ring r;
static struct vring_used_buffer used;

/* Three buffers of two pieces each are with the device: ids 0, 1 and 2; tokens 10, 11 and 12; 32 writable bytes. */
static void start_with(VTEST, enum vring_used_len_policy policy, bool len_without_write)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    ring_configure(&r, 7, formats[1].all, 0);
    r.driver_config.used_len = policy;
    r.driver_config.len_without_write = len_without_write;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 10 + i));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
}

static void start(VTEST)
{
    start_with(VTEST_PASS, VRING_USED_LEN_BREAK, false);
}

static void raw_packed_used(uint32_t i, uint32_t id, uint32_t len, uint32_t flags)
{
    put32(desc_at(&r, i) + 8, len);
    put16(desc_at(&r, i) + 12, id);
    put16(desc_at(&r, i) + 14, flags);
}

TEST(V61_C201_only_this_laps_pattern_is_used)
{
    for (uint32_t pattern = 0; pattern < 4; pattern++) {
        uint32_t flags = (pattern & 1 ? (uint32_t)A : 0) | (pattern & 2 ? (uint32_t)U : 0);

        start(VTEST_PASS);
        raw_packed_used(0, 1, 0, flags);
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), flags == (A | U) ? 0 : VRING_E_EMPTY);
    }
}

TEST(C202_a_gap_is_the_end)
{
    start(VTEST_PASS);
    raw_packed_used(2, 1, 0, A | U);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
}

TEST(C200_ids_that_are_not_in_flight)
{
    static const uint32_t ids[] = {3, 6, 7, 8, 0x7fff, 0xffff};

    for (int i = 0; i < 6; i++) {
        start(VTEST_PASS);
        raw_packed_used(0, ids[i], 0, A | U);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 3);
        CHECK_EQ(vring_driver_fault(&r.driver).value, ids[i]);
    }
}

TEST(C200_C204_an_id_is_used_once_and_takes_its_own_entries_along)
{
    start(VTEST_PASS);
    raw_packed_used(0, 1, 0, A | U);
    raw_packed_used(2, 1, 0, A | U);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 11);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 2);
}

TEST(V67_C203_any_order)
{
    start(VTEST_PASS);
    for (uint32_t i = 0; i < 3; i++) {
        raw_packed_used(2 * i, 2 - i, 32, A | U | W);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 12 - i);
        CHECK_EQ(used.len, 32);
    }
    CHECK_EQ(vring_driver_free(&r.driver), 7);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 0);
}

TEST(C158_a_staged_buffer_cannot_be_used)
{
    start(VTEST_PASS);
    CHECK_OK(ring_add(&r, 0, 8, true, 13));
    raw_packed_used(0, 3, 0, A | U);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 4);
}

TEST(C158_a_staged_table_cannot_be_used)
{
    struct vring_table table = {NULL, GUEST + 0x1000, 1};
    struct vring_segment segment = {GUEST, 16};

    start(VTEST_PASS);
    table.memory = r.guest + 0x1000;
    CHECK_OK(vring_driver_add_indirect(&r.driver, &table, &segment, 0, 1, 13));
    raw_packed_used(0, 3, 0, A | U);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 4);
}

/* Where lists are staged behind it, the one that counts as the oldest of them begins after all that is published. */
TEST(C158_the_first_of_several_staged_lists_cannot_be_used)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    CHECK_OK(ring_start(&r, 8, formats[1].plain, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 10));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (uint64_t i = 0; i < 2; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 11 + i));
    raw_packed_used(0, 1, 1, A | U | W);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 3);
}

/* The one before and the one behind a buffer that was taken back; with IN_ORDER, too. */
TEST(C158_a_buffer_staged_beside_an_aborted_one_cannot_be_used)
{
    for (unsigned mix = 0; mix < 4; mix++) {
        CHECK_OK(ring_start(&r, 4, formats[1].plain | (mix & 2 ? VRING_F_IN_ORDER : 0), 0));
        CHECK_OK(ring_add(&r, 0, 8, true, 13));
        CHECK_OK(ring_add(&r, 0, 8, true, 14));
        CHECK_OK(vring_driver_abort(&r.driver, NULL));
        CHECK_OK(ring_add(&r, 0, 8, true, 15));
        raw_packed_used(0, mix & 1, 0, A | U);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_ID, 2);
    }
}

TEST(C158_a_buffer_older_than_65535_others_is_not_taken_for_staged)
{
    enum { SIZE = 4, LAPS = 65536 / SIZE };

    CHECK_OK(ring_start(&r, SIZE, formats[1].plain, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 10)); /* id 0, which stays away */
    for (uint32_t i = 0; i < SIZE * LAPS - 1; i++) {
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        raw_packed_used(i % SIZE, 1, 0, i / SIZE % 2 ? 0 : A | U);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 1);
    }
    CHECK_OK(ring_add(&r, 0, 8, true, 2)); /* staged, with the number that id 0 had */
    raw_packed_used(SIZE - 1, 0, 5, VRING_DESC_WRITE);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 10);
    CHECK_EQ(used.len, 5);
}

/* Where it lies no list ends that is added later: all of them go on to the entry behind. */
TEST(C158_a_buffer_older_than_65535_lists_is_not_taken_for_staged)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};
    enum { SIZE = 4, LISTS = 65534 };

    CHECK_OK(ring_start(&r, SIZE, formats[1].plain, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 10)); /* id 0, which stays away */
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    raw_packed_used(0, 1, 0, A | U);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    for (uint32_t i = 0, at = 1; i < LISTS; i++, at += 2) {
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        raw_packed_used(at % SIZE, 1, 0, at / SIZE % 2 ? 0 : A | U);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 2)); /* staged, with the number that id 0 had */
    raw_packed_used(1, 0, 5, VRING_DESC_WRITE);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 10);
}

/* After a restart nobody knows at which entry a buffer lies that is in flight. */
TEST(C158_a_restored_buffer_of_any_age_is_not_taken_for_staged)
{
    static unsigned char state[256];
    enum { SIZE = 6, OTHERS = 65534 };

    CHECK_OK(ring_start(&r, SIZE, formats[1].plain, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 10)); /* id 0, which stays away */
    for (uint32_t i = 0; i < OTHERS; i++) {
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        raw_packed_used(i % SIZE, 1, 0, i / SIZE % 2 ? 0 : A | U);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }

    int bytes = vring_driver_save(&r.driver, state, sizeof state);

    CHECK(bytes > 0 && vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes) >= 0);
    CHECK_OK(ring_add(&r, 0, 8, true, 2));
    CHECK_OK(ring_add(&r, 0, 8, true, 3)); /* staged, with the number that id 0 has now */
    raw_packed_used(OTHERS % SIZE, 0, 5, OTHERS / SIZE % 2 ? W : A | U | W);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 10);
}

TEST(V70_C205_the_length_counts_with_write_alone)
{
    start(VTEST_PASS);
    raw_packed_used(0, 0, 0xffffffff, A | U | VRING_DESC_NEXT);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.len, 0);
    start_with(VTEST_PASS, VRING_USED_LEN_BREAK, true);
    raw_packed_used(0, 0, 32, A | U);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.len, 32);
}

TEST(C160_C205_used_len_policies)
{
    start_with(VTEST_PASS, VRING_USED_LEN_BREAK, false);
    raw_packed_used(0, 0, 33, A | U | W);
    driver_breaks(VTEST_PASS, &r, VRING_E_PEER_LEN, 3);
    start_with(VTEST_PASS, VRING_USED_LEN_CLAMP, false);
    raw_packed_used(0, 0, 33, A | U | W);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.len, 32);
    start_with(VTEST_PASS, VRING_USED_LEN_TRUST, false);
    raw_packed_used(0, 0, 33, A | U | W);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.len, 33);
}

TEST(C161_C205_a_list_that_the_device_only_reads_has_no_used_bytes)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};
    struct vring_table table = {NULL, GUEST, 2};

    for (int way = 0; way < 3; way++) {
        struct vring_avail_buffer buffers[2] = {{segments, 14, 1, 1, NULL}, {segments, 13, 2, 0, NULL}};
        uint32_t n;

        CHECK_OK(ring_start(&r, 7, formats[1].all, 0));
        table.memory = fixture_alloc(32);
        if (way == 0)
            CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 0, 13));
        else if (way == 1)
            CHECK_OK(vring_driver_add_indirect(&r.driver, &table, segments, 2, 0, 13));
        else
            CHECK_OK(vring_driver_add_avail_batch(&r.driver, buffers, 2, &n));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        raw_packed_used(0, way == 2, 1, A | U | W);
        driver_breaks(VTEST_PASS, &r, VRING_E_PEER_LEN, way == 2 ? 2 : 1);
    }
}

/* What was taken before the breach, and where, is as with single calls. */
TEST(C160_a_batch_ends_where_the_length_breaks_it)
{
    struct vring_snapshot single, batch;
    struct vring_used_buffer several[4];
    uint32_t n = 9;

    for (uint32_t sound = 0; sound < 3; sound++) {
        for (int by_one = 0; by_one < 2; by_one++) {
            start(VTEST_PASS);
            for (uint32_t i = 0; i <= sound; i++)
                raw_packed_used(2 * i, i, i < sound ? 32 : 33, A | U | W);
            if (by_one) {
                for (uint32_t i = 0; i < sound; i++)
                    CHECK_OK(vring_driver_get_used(&r.driver, &used));
                CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_LEN);
            } else {
                CHECK_ERR(vring_driver_get_used_batch(&r.driver, several, 4, &n), VRING_E_PEER_LEN);
                CHECK_EQ(n, sound);
            }
            CHECK_OK(vring_driver_snapshot(&r.driver, by_one ? &single : &batch));
        }
        CHECK_EQ(batch.next_used, single.next_used);
        CHECK_EQ(batch.free, single.free);
    }
}

TEST(C206_C211_what_the_device_scribbles_over_the_ring_changes_nothing)
{
    start(VTEST_PASS);
    for (uint32_t i = 0; i < 3; i++) {
        memset(r.driver_config.desc, 0, r.layout.desc_size);
        raw_packed_used(2 * i, i, 1, A | U | W);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 10 + i);
    }
    for (uint64_t i = 0; i < 7; i++)
        CHECK_OK(ring_add(&r, 0, 8, true, 20 + i));
    CHECK_ERR(ring_add(&r, 0, 8, true, 30), VRING_E_FULL);
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_EQ(get16(desc_at(&r, 6) + 14), A | W);
    CHECK_EQ(get16(desc_at(&r, 0) + 14), U | W); /* the next lap */
}

TEST(V75_C208_any_event_of_the_device_is_answered)
{
    static const uint32_t words[] = {0, 1, 2, 3};

    for (uint32_t place = 0; place < 65536; place += 9)
        for (int i = 0; i < 4; i++) {
            ring_configure(&r, 7, formats[1].all, 0);
            CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
            CHECK_OK(ring_add(&r, 0, 8, true, 1));
            CHECK_OK(ring_add(&r, 0, 8, true, 2));
            put32(r.driver_config.device_area, words[i] << 16 | place);
            CHECK_EQ(vring_driver_publish(&r.driver),
                     words[i] == 2 ? place == 0x8000 || place == 0x8001 || place == 7 || place == 8 : words[i] != 1);
        }
}

/* After an abort the entries of the aborted buffer must not be left available behind a shorter batch. */
/*
 * A list is taken back, or one of its pieces turns out to be none; a buffer of one piece is staged in front of it or in
 * its place. That is all the device may find.
 */
static void leaves_nothing(VTEST, bool single_first, const struct vring_segment list[3], int error)
{
    ring_configure(&r, 7, formats[1].all, 5);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    if (single_first)
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_ERR(vring_driver_add_avail(&r.driver, list, 3, 0, 2), error);
    if (!error)
        CHECK_OK(vring_driver_abort(&r.driver, NULL));
    if (!single_first)
        CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_EQ(get16(desc_at(&r, 5) + 14), A | W);
    CHECK_EQ(get16(desc_at(&r, 6) + 14), 0);
    CHECK_EQ(get16(desc_at(&r, 0) + 14), A | U);
    CHECK_EQ(get16(desc_at(&r, 1) + 14), A | U);
    CHECK_EQ(vring_driver_free(&r.driver), 6);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 1);
}

TEST(V64_abort_leaves_nothing_available)
{
    static const struct vring_segment list[3] = {{GUEST, 1}, {GUEST, 1}, {GUEST, 1}};

    leaves_nothing(VTEST_PASS, true, list, 0);
    leaves_nothing(VTEST_PASS, false, list, 0);
}

TEST(V64_a_list_that_is_none_leaves_nothing_available)
{
    static const struct {
        struct vring_segment list[3];
        int error;
    } slips[] = {
        {{{GUEST, 1}, {GUEST, 1}, {GUEST, 0}}, VRING_E_LEN},
        {{{GUEST, 1}, {GUEST, 1}, {UINT64_MAX, 2}}, VRING_E_ADDR},
        {{{GUEST, UINT32_MAX}, {GUEST, 1}, {GUEST, 1}}, VRING_E_LEN}, /* in sum */
    };

    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        leaves_nothing(VTEST_PASS, true, slips[i].list, slips[i].error);
        leaves_nothing(VTEST_PASS, false, slips[i].list, slips[i].error);
    }
}
