/* SPDX-License-Identifier: MIT */
/* The device side of a packed ring against a driver made of bytes. Reads beside hostile_driver_test.c. */
#include "broken.h"

#define N VRING_DESC_NEXT
#define W VRING_DESC_WRITE
#define I VRING_DESC_INDIRECT
#define A VRING_DESC_AVAIL /* available, in the first lap */
#define U VRING_DESC_USED

enum { TABLE = 0x1000 };

static struct ring r;
static struct vring_chain chain;

static void start_sized(VTEST, uint32_t size, uint64_t features)
{
    CHECK_OK(ring_start(&r, size, features, 0));
}

static void start(VTEST)
{
    start_sized(VTEST_PASS, 8, formats[1].all);
}

static void raw_packed(uint32_t i, uint64_t addr, uint32_t len, uint32_t id, uint32_t flags)
{
    raw_entry(desc_at(&r, i), addr, len, id, flags); /* 2.8.13: id where split has flags, flags where it has next */
}

static void rejects_one(VTEST, uint64_t addr, uint32_t len, uint32_t flags, int error)
{
    start(VTEST_PASS);
    raw_packed(0, addr, len, 5, A | flags);
    raw_packed(1, GUEST, 1, 6, A);
    CHECK_ERR(ring_get_avail(&r, &chain), error);
    CHECK_EQ(chain.n_readable + chain.n_writable, 0);
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 1), VRING_E_LEN);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.readable, 1);
}

TEST(V61_C116_C117_C118_C119_C144_only_this_laps_pattern_is_available)
{
    for (uint32_t pattern = 0; pattern < 4; pattern++) {
        uint32_t flags = (pattern & 1 ? (uint32_t)A : 0) | (pattern & 2 ? (uint32_t)U : 0);

        start(VTEST_PASS);
        raw_packed(0, GUEST, 1, 0, flags);
        CHECK_ERR(ring_get_avail(&r, &chain), flags == A ? 0 : VRING_E_EMPTY);
        CHECK_OK(ring_start(&r, 8, formats[1].all, 0x8000)); /* the second lap */
        raw_packed(0, GUEST, 1, 0, flags);
        CHECK_ERR(ring_get_avail(&r, &chain), flags == U ? 0 : VRING_E_EMPTY);
    }
}

TEST(C145_a_gap_is_the_end)
{
    start(VTEST_PASS);
    raw_packed(1, GUEST, 1, 0, A);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY);
}

TEST(V63_V71_C120_C123_C139_a_list_may_cross_the_end_and_later_flags_are_not_asked_for_their_lap)
{
    CHECK_OK(ring_start(&r, 3, formats[1].all, 2));
    raw_packed(2, GUEST, 1, 0, A | N);
    raw_packed(0, GUEST, 2, 0, U | N);
    raw_packed(1, GUEST, 4, 2, A | U | W);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.readable, 3);
    CHECK_EQ(chain.writable, 4);
    CHECK_EQ(chain.handle & 0xffff, 2);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 4));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_EQ(get16(desc_at(&r, 2) + 12), 2);
    CHECK_EQ(get32(desc_at(&r, 2) + 8), 4);
    CHECK_EQ(get16(desc_at(&r, 2) + 14), A | U | W);
    CHECK_EQ(get16(desc_at(&r, 0) + 14), U | N); /* V71: the rest of the list stays as it was */
}

TEST(V62_C121_a_list_as_long_as_the_ring_toggles_both_counters)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 7, 8};

    for (int s = 0; s < 6; s++) {
        start_sized(VTEST_PASS, sizes[s], formats[1].all);
        for (uint32_t lap = 0; lap < 4; lap++) {
            for (uint32_t i = 0; i < sizes[s]; i++)
                raw_packed(i, GUEST, 1, 0, (lap & 1 ? U : A) | (i + 1 < sizes[s] ? (uint32_t)N : 0));
            CHECK_OK(ring_get_avail(&r, &chain));
            CHECK_EQ(chain.n_readable, sizes[s]);
            CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY);
            CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
            CHECK(vring_device_publish(&r.device) >= 0);
            CHECK_EQ(get16(desc_at(&r, 0) + 14), lap & 1 ? 0 : A | U);
        }
    }
}

TEST(C122_next_everywhere)
{
    start(VTEST_PASS);
    for (uint32_t i = 0; i < 8; i++)
        raw_packed(i, GUEST, 1, 0, A | N);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
}

TEST(C122_a_list_longer_than_max_chain)
{
    ring_configure(&r, 8, formats[1].all, 0);
    r.device_config.max_chain = 3;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    for (uint32_t i = 0; i < 4; i++)
        raw_packed(i, GUEST, 1, 0, A | (i < 3 ? (uint32_t)N : 0));
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
}

TEST(C148_a_list_over_entries_that_we_still_hold)
{
    start(VTEST_PASS);
    for (uint32_t i = 0; i < 6; i++)
        raw_packed(i, GUEST, 1, i, A);
    for (int i = 0; i < 6; i++)
        CHECK_OK(ring_get_avail(&r, &chain));
    raw_packed(6, GUEST, 1, 0, A | N);
    raw_packed(7, GUEST, 1, 0, A | N);
    raw_packed(0, GUEST, 1, 6, U);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_LOOP);
}

TEST(V81_C148_entries_made_available_again_while_we_hold_them)
{
    start_sized(VTEST_PASS, 2, formats[1].all);
    raw_packed(0, GUEST, 1, 0, A);
    raw_packed(1, GUEST, 1, 1, A);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY);
    raw_packed(0, GUEST, 1, 0, U);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_LOOP);
}

TEST(C124_C125_ids_out_of_range_or_in_flight)
{
    static const uint32_t ids[] = {8, 0x7fff, 0xffff};

    for (int i = 0; i < 3; i++) {
        start(VTEST_PASS);
        raw_packed(0, GUEST, 1, ids[i], A);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_ID);
        CHECK_EQ(vring_device_fault(&r.device).value, ids[i]);
    }
    start(VTEST_PASS);
    raw_packed(0, GUEST, 1, 3, A);
    raw_packed(1, GUEST, 1, 3, A);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_ID);
}

TEST(V65_C126_the_last_descriptor_has_the_id)
{
    start(VTEST_PASS);
    raw_packed(0, GUEST, 1, 99, A | N);
    raw_packed(1, GUEST, 1, 7, A);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.handle & 0xffff, 7);
}

TEST(C142_buffers_that_are_not_memory)
{
    rejects_one(VTEST_PASS, GUEST - 1, 2, 0, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, GUEST + GUEST_SIZE - 1, 2, 0, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, UINT64_MAX, 2, W, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, READ_ONLY, 1, W, VRING_E_CHAIN_ADDR);
}

TEST(C052_total_length)
{
    for (uint32_t extra = 0; extra < 2; extra++) {
        CHECK_OK(ring_start_on_4g(&r, 8, formats[1].plain));
        for (uint32_t i = 0; i < 6; i++)
            raw_packed(i, 0, UINT32_MAX, 0, A | N);
        raw_packed(1, 0, 1 + extra, 1, A | W);
        CHECK_ERR(ring_get_avail(&r, &chain), extra ? VRING_E_CHAIN_LEN : 0);
        /* The same before a piece of no bytes, which is one that a straight walk does not take. */
        raw_packed(3, 0, 1 + extra, 0, A | N | W);
        raw_packed(4, 0, 0, 2, A | W);
        CHECK_ERR(ring_get_avail(&r, &chain), extra ? VRING_E_CHAIN_LEN : 0);
        CHECK_EQ(chain.writable, 1 - extra);
        /* All of it to be read. */
        raw_packed(6, 0, 1 + extra, 3, A);
        CHECK_ERR(ring_get_avail(&r, &chain), extra ? VRING_E_CHAIN_LEN : 0);
        CHECK_EQ(chain.readable, extra ? 0 : UINT64_C(1) << 32);
    }
}

TEST(C141_writable_before_readable)
{
    start(VTEST_PASS);
    raw_packed(0, GUEST, 1, 0, A | W | N);
    raw_packed(1, GUEST, 1, 0, A);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ORDER);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
}

/* ---------------------------------------------------------------------------------------------- indirect tables --- */

static void table_entry(uint32_t i, uint64_t addr, uint32_t len, uint32_t id, uint32_t flags)
{
    raw_entry(r.guest + TABLE + 16 * i, addr, len, id, flags);
}

static void table_start(VTEST, uint64_t features, uint32_t len, uint32_t flags)
{
    start_sized(VTEST_PASS, 8, features);
    table_entry(0, GUEST, 1, 0, 0);
    table_entry(1, GUEST, 2, 0, W);
    raw_packed(0, GUEST + TABLE, len, 4, A | flags);
    raw_packed(1, GUEST, 1, 4, A);
}

TEST(V72_V74_C112_a_table_has_as_many_entries_as_its_length_says_whatever_their_flags)
{
    table_start(VTEST_PASS, formats[1].all, 32, I);
    table_entry(0, GUEST, 1, 0xffff, N | I | A | U);
    table_entry(1, GUEST, 2, 0x1234, 0xffff);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.readable, 1);
    CHECK_EQ(chain.writable, 2);
    CHECK_EQ(chain.handle & 0xffff, 4);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 2));
    CHECK_OK(ring_get_avail(&r, &chain)); /* the table took one entry of the ring */
    CHECK_EQ(chain.readable, 1);
}

TEST(V72_a_table_may_list_more_than_the_ring_has_left)
{
    start(VTEST_PASS);
    for (uint32_t i = 0; i < 7; i++) {
        raw_packed(i, GUEST, 1, i, A);
        CHECK_OK(ring_get_avail(&r, &chain));
    }
    for (uint32_t i = 0; i < 3; i++)
        raw_entry(r.guest + TABLE + 4 + 16 * i, GUEST, 1, 0, 0); /* where no straight walk goes */
    raw_packed(7, GUEST + TABLE + 4, 48, 7, A | I);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_readable, 3);
}

TEST(C143_indirect_with_write_is_accepted)
{
    table_start(VTEST_PASS, formats[1].all, 32, I | W);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.writable, 2);
}

TEST(C113_indirect_with_next)
{
    table_start(VTEST_PASS, formats[1].all, 32, I | N);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(C096_indirect_that_was_not_negotiated)
{
    table_start(VTEST_PASS, formats[1].plain, 32, I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(V73_C110_direct_then_indirect_is_no_list)
{
    start(VTEST_PASS);
    table_entry(0, GUEST, 1, 0, 0);
    raw_packed(0, GUEST, 1, 0, A | N);
    raw_packed(1, GUEST + TABLE, 16, 0, A | I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(C100_C101_C102_C105_tables_that_are_none)
{
    static const uint32_t lens[] = {0, 1, 17};

    for (int i = 0; i < 3; i++) {
        table_start(VTEST_PASS, formats[1].all, lens[i], I);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
    }
    table_start(VTEST_PASS, formats[1].all, 16 * 9, I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
    start(VTEST_PASS);
    raw_packed(0, GUEST - 8, 16, 0, A | I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_TABLE);
}

/* --------------------------------------------------------------------------------------------------------- used --- */

TEST(V69_V70_C130_a_batch_of_used_descriptors)
{
    struct vring_chain chains[3];

    start(VTEST_PASS);
    for (uint32_t i = 0; i < 3; i++) {
        raw_packed(2 * i, GUEST, 1, i, A | N);
        raw_packed(2 * i + 1, GUEST, 8, i, A | W);
    }
    for (int i = 0; i < 3; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
    CHECK_OK(vring_device_add_used(&r.device, chains[2].handle, 8));
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 0));
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 3));
    CHECK_EQ(get16(desc_at(&r, 0) + 14), A | N); /* not yet */
    CHECK_EQ(vring_device_publish(&r.device), 1);
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t ids[] = {2, 0, 1}, lens[] = {8, 0, 3};

        CHECK_EQ(get16(desc_at(&r, 2 * i) + 12), ids[i]);
        CHECK_EQ(get32(desc_at(&r, 2 * i) + 8), lens[i]);
        CHECK_EQ(get16(desc_at(&r, 2 * i) + 14), A | U | (lens[i] ? (uint32_t)W : 0));
    }
}

TEST(C138_C146_C147_what_the_driver_scribbles_changes_nothing)
{
    start(VTEST_PASS);
    raw_packed(0, GUEST, 1, 2, A | W);
    CHECK_OK(ring_get_avail(&r, &chain));
    memset(r.driver_config.desc, 0xff, r.layout.desc_size);
    memset(r.driver_config.device_area, 0xff, 4);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_EQ(get16(desc_at(&r, 0) + 12), 2);
    CHECK_EQ(get16(desc_at(&r, 0) + 14), A | U | W);
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK_EQ(get32(r.driver_config.device_area), VRING_EVENT_DESC << 16 | 0x8001);
}

TEST(C134_any_event_of_the_driver_is_answered)
{
    for (uint32_t event = 0; event < 65536; event += 5) {
        start(VTEST_PASS);
        raw_packed(0, GUEST, 1, 0, A);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        put32(r.driver_config.driver_area, (uint32_t)VRING_EVENT_DESC << 16 | event);
        /* 8 of the lap before is 0 of this one. */
        CHECK_EQ(vring_device_publish(&r.device), event == 0x8000 || event == 8);
    }
}

TEST(V78_C135_an_event_inside_a_list_is_passed_with_it)
{
    for (uint32_t event = 0; event < 4; event++) {
        start(VTEST_PASS);
        for (uint32_t i = 0; i < 3; i++)
            raw_packed(i, GUEST, 1, 0, A | (i < 2 ? (uint32_t)N : 0));
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        put32(r.driver_config.driver_area, (uint32_t)VRING_EVENT_DESC << 16 | 0x8000 | event);
        CHECK_EQ(vring_device_publish(&r.device), event < 3);
    }
}
