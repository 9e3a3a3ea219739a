/* SPDX-License-Identifier: MIT */
/*
 * The device side against a driver made of bytes. Every row of what it may do wrong ends in the stated error, and stays
 * there.
 */
#include "broken.h"

#define N VRING_DESC_NEXT
#define W VRING_DESC_WRITE
#define I VRING_DESC_INDIRECT

static struct ring r;
static struct vring_chain chain;

static void start(VTEST, uint64_t features)
{
    CHECK_OK(ring_start(&r, 8, features, 0));
}

/* The buffer is refused alone: it can be completed with nothing, and the next one is served. */
static void rejects(VTEST, int error)
{
    CHECK_ERR(ring_get_avail(&r, &chain), error);
    CHECK_EQ(chain.n_readable + chain.n_writable, 0);
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 1), VRING_E_LEN);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    raw_desc(&r, 7, GUEST, 1, 0, 0);
    raw_avail(&r, 7);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    CHECK(vring_device_publish(&r.device) >= 0);
}

TEST(C031_next_is_itself)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, GUEST, 1, N, 0);
    raw_avail(&r, 0);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
}

TEST(C032_C033_C034_cycles_of_every_length_after_every_prefix)
{
    for (uint32_t prefix = 0; prefix < 8; prefix++)
        for (uint32_t len = 0; len < 2; len++) {
            start(VTEST_PASS, features_all);
            for (uint32_t i = 0; i < 8; i++)
                raw_desc(&r, i, GUEST, len, N, i == 7 ? prefix : i + 1);
            raw_avail(&r, 0);
            device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
        }
}

TEST(V42_C035_a_chain_as_long_as_the_ring_is_legal)
{
    start(VTEST_PASS, features_all);
    for (uint32_t i = 0; i < 8; i++)
        raw_desc(&r, i, GUEST + i, 1, i == 7 ? 0 : N, i + 1);
    raw_avail(&r, 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_readable, 8);
}

TEST(V41_C037_next_outside_the_table)
{
    static const uint32_t next[] = {8, 9, 0x8000, 65535};

    for (int i = 0; i < 4; i++) {
        start(VTEST_PASS, features_all);
        raw_desc(&r, 0, GUEST, 1, N, next[i]);
        raw_avail(&r, 0);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_NEXT);
        CHECK_EQ(vring_device_fault(&r.device).value, next[i]);
    }
}

/* Evidence is of use where it says which descriptor it was. */
TEST(V41_C037_the_descriptor_with_the_bad_next_is_told)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 5, GUEST, 1, N, 3);
    raw_desc(&r, 3, GUEST, 1, N, 6);
    raw_desc(&r, 6, GUEST, 1, N, 8);
    raw_avail(&r, 5);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_NEXT);
    CHECK_EQ(vring_device_fault(&r.device).position, 6);
    CHECK_EQ(vring_device_fault(&r.device).value, 8);
}

TEST(V41_C038_head_outside_the_table)
{
    static const uint32_t head[] = {8, 9, 65535};

    for (int i = 0; i < 3; i++) {
        start(VTEST_PASS, features_all);
        raw_avail(&r, head[i]);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_ID);
        CHECK_EQ(vring_device_fault(&r.device).value, head[i]);
    }
}

TEST(V40_C039_C040_avail_idx_too_far_ahead_or_back)
{
    static const uint32_t idx[] = {9, 0x7fff, 0x8000, 0xfff8, 0xffff};

    for (int i = 0; i < 5; i++) {
        start(VTEST_PASS, features_all);
        put16(avail_at(&r, 2), idx[i]);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDEX);
        CHECK_EQ(vring_device_fault(&r.device).value, idx[i]);
    }
}

TEST(C045_more_outstanding_than_the_ring_has_entries)
{
    start(VTEST_PASS, features_all);
    for (uint32_t i = 0; i < 8; i++) {
        raw_desc(&r, i, GUEST, 1, 0, 0);
        raw_avail(&r, i);
    }
    for (int i = 0; i < 8; i++)
        CHECK_OK(ring_get_avail(&r, &chain));
    put16(avail_at(&r, 2), 9); /* nothing came back, so there is no room for a ninth */
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_INDEX);
}

TEST(C040_avail_idx_goes_back_over_what_was_seen)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, GUEST, 1, 0, 0);
    raw_avail(&r, 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    put16(avail_at(&r, 2), 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_INDEX);
}

TEST(C043_C044_the_same_head_twice)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 3, GUEST, 1, 0, 0);
    raw_avail(&r, 3);
    raw_avail(&r, 3);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_ID);
}

TEST(C046_C047_chains_that_share_descriptors_are_read_as_they_are)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, GUEST, 1, N, 2);
    raw_desc(&r, 1, GUEST, 2, N, 2);
    raw_desc(&r, 2, GUEST, 4, W, 0);
    raw_avail(&r, 0);
    raw_avail(&r, 1);
    raw_avail(&r, 2);
    for (uint64_t readable = 1; readable <= 2; readable++) {
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.readable, readable);
        CHECK_EQ(chain.writable, 4);
    }
    CHECK_OK(ring_get_avail(&r, &chain));
}

TEST(V43_C048_C049_C050_empty_buffers_count_but_have_no_pieces)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, 0, 0, N, 1);
    raw_desc(&r, 1, GUEST, 5, N, 2);
    raw_desc(&r, 2, UINT64_MAX, 0, W, 0);
    raw_avail(&r, 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_readable, 1);
    CHECK_EQ(chain.n_writable, 0);
    raw_avail(&r, 2);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.readable + chain.writable, 0);
}

static void rejects_one(VTEST, uint64_t addr, uint32_t len, uint32_t flags, int error)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, addr, len, flags, 0);
    raw_avail(&r, 0);
    rejects(VTEST_PASS, error);
}

TEST(V57_C051_C053_C054_C055_C060_buffers_that_are_not_memory)
{
    rejects_one(VTEST_PASS, GUEST - 1, 1, 0, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, GUEST - 1, 2, 0, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, GUEST + GUEST_SIZE, 1, 0, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, GUEST + GUEST_SIZE - 1, 2, 0, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, GUEST, UINT32_MAX, W, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, UINT64_MAX, 2, W, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, UINT64_MAX, 1, W, VRING_E_CHAIN_ADDR);
    rejects_one(VTEST_PASS, READ_ONLY, 1, W, VRING_E_CHAIN_ADDR);
}

TEST(C054_the_last_byte_of_the_address_space_can_be_memory)
{
    ring_configure(&r, 8, features_all, 0);
    r.regions[1].addr = UINT64_MAX - 0xfff;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    raw_desc(&r, 0, UINT64_MAX - 0xfff, 0x1000, 0, 0);
    raw_desc(&r, 1, UINT64_MAX - 0xfff, 0x1001, 0, 0);
    raw_avail(&r, 0);
    raw_avail(&r, 1);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.readable, 0x1000);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
}

/* Memory at both ends of the address space: a range that wraps would be found piece by piece. */
static void start_at_both_ends(VTEST)
{
    ring_configure(&r, 8, features_all, 0);
    r.regions[0].addr = 0;
    r.regions[0].size = 0x1000;
    r.regions[1].addr = UINT64_MAX - 0xfff;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
}

TEST(C053_a_buffer_does_not_wrap_even_into_memory)
{
    start_at_both_ends(VTEST_PASS);
    raw_desc(&r, 0, UINT64_MAX, 2, 0, 0);
    raw_avail(&r, 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
}

TEST(C105_a_table_does_not_wrap_even_into_memory)
{
    start_at_both_ends(VTEST_PASS);
    raw_entry((unsigned char *)r.regions[1].host + 0xff0, 0, 1, N, 1);
    raw_entry(r.guest, 0, 1, 0, 0);
    raw_desc(&r, 0, UINT64_MAX - 15, 32, I, 0);
    raw_avail(&r, 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_TABLE);
}

TEST(C052_total_length)
{
    for (uint32_t extra = 0; extra < 2; extra++) {
        CHECK_OK(ring_start_on_4g(&r, 8, features_plain));
        raw_desc(&r, 0, 0, UINT32_MAX, N, 1);
        raw_desc(&r, 1, 0, 1 + extra, W, 0);
        raw_avail(&r, 0);
        CHECK_ERR(ring_get_avail(&r, &chain), extra ? VRING_E_CHAIN_LEN : 0);
        /* The same before a piece of no bytes, which is one that a straight walk does not take. */
        raw_desc(&r, 2, 0, UINT32_MAX, N, 3);
        raw_desc(&r, 3, 0, 1 + extra, N | W, 4);
        raw_desc(&r, 4, 0, 0, W, 0);
        raw_avail(&r, 2);
        CHECK_ERR(ring_get_avail(&r, &chain), extra ? VRING_E_CHAIN_LEN : 0);
        CHECK_EQ(chain.writable, 1 - extra);
        /* All of it to be read. */
        raw_desc(&r, 5, 0, UINT32_MAX, N, 6);
        raw_desc(&r, 6, 0, 1 + extra, 0, 0);
        raw_avail(&r, 5);
        CHECK_ERR(ring_get_avail(&r, &chain), extra ? VRING_E_CHAIN_LEN : 0);
        CHECK_EQ(chain.readable, extra ? 0 : UINT64_C(1) << 32);
    }
}

TEST(V28_C059_readable_after_writable)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, GUEST, 1, N, 1);
    raw_desc(&r, 1, GUEST, 1, N | W, 2);
    raw_desc(&r, 2, GUEST, 1, 0, 0);
    raw_avail(&r, 0);
    rejects(VTEST_PASS, VRING_E_CHAIN_ORDER);
}

TEST(a_refused_buffer_does_not_hide_a_broken_ring)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, 0, 1, N, 8);
    raw_avail(&r, 0);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_NEXT);
}

TEST(C061_reserved_flags_are_ignored)
{
    start(VTEST_PASS, features_all);
    raw_desc(&r, 0, GUEST, 1, 0xfff8, 99);
    raw_avail(&r, 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_readable, 1);
}

TEST(C013_C057_C058_a_buffer_may_be_the_ring_itself)
{
    ring_configure(&r, 8, features_all, 0);
    r.regions[0].host = r.driver_config.desc;
    r.regions[0].size = r.layout.desc_size;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    raw_desc(&r, 0, GUEST, (uint32_t)r.layout.desc_size, W, 0);
    raw_avail(&r, 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    memset(r.iov[0].base, 0xff, r.iov[0].len);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, (uint32_t)r.layout.desc_size));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_EQ(get32(used_at(&r, 4)), 0);
}

TEST(C068_what_the_driver_scribbles_over_the_used_ring_changes_nothing)
{
    start(VTEST_PASS, features_all);
    for (uint32_t i = 0; i < 3; i++) {
        raw_desc(&r, i, GUEST, 1, W, 0);
        raw_avail(&r, i);
        memset(r.driver_config.device_area, 0x5a, r.layout.device_size);
        CHECK_OK(ring_get_avail(&r, &chain));
        memset(r.driver_config.device_area, 0xa5, r.layout.device_size);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_EQ(get16(used_at(&r, 2)), i + 1);
        CHECK_EQ(get32(used_at(&r, 4 + 8 * (size_t)i)), i);
        CHECK_EQ(get32(used_at(&r, 8 + 8 * (size_t)i)), 1);
    }
}

TEST(C079_C080_an_empty_ring_stays_empty)
{
    start(VTEST_PASS, features_all);
    for (int i = 0; i < 100000; i++)
        CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY);
}

/* ---------------------------------------------------------------------------------------------- indirect tables --- */

enum { TABLE = 0x1000 }; /* offset in guest memory */

static void table_entry(uint32_t i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
    raw_entry(r.guest + TABLE + 16 * i, addr, len, flags, next);
}

/* A table of two good entries, and a descriptor 0 that names it with these flags and this length. */
static void table_start(VTEST, uint64_t features, uint32_t len, uint32_t flags)
{
    start(VTEST_PASS, features);
    table_entry(0, GUEST, 1, N, 1);
    table_entry(1, GUEST, 2, W, 0);
    raw_desc(&r, 0, GUEST + TABLE, len, flags, 1);
    raw_avail(&r, 0);
}

TEST(V29_C096_indirect_that_was_not_negotiated)
{
    table_start(VTEST_PASS, features_plain, 32, I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(C097_nested_indirect)
{
    table_start(VTEST_PASS, features_all, 32, I);
    table_entry(1, GUEST + TABLE, 32, I, 0);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(V29_C098_indirect_with_next)
{
    table_start(VTEST_PASS, features_all, 32, I | N);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(C111_two_tables_in_one_chain)
{
    table_start(VTEST_PASS, features_all, 16, I | N);
    raw_desc(&r, 1, GUEST + TABLE, 16, I, 0);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(V29_C099_indirect_with_write_is_accepted)
{
    table_start(VTEST_PASS, features_all, 32, I | W);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.readable, 1);
    CHECK_EQ(chain.writable, 2);
}

TEST(V31_C100_C101_table_lengths_that_are_no_table)
{
    static const uint32_t lens[] = {0, 1, 15, 17, 4095};

    for (int i = 0; i < 5; i++) {
        table_start(VTEST_PASS, features_all, lens[i], I);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
    }
}

TEST(C102_C103_a_table_longer_than_a_chain_may_be_is_not_even_read)
{
    table_start(VTEST_PASS, features_all, 16 * 9, I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
    table_start(VTEST_PASS, features_all, 0xfffffff0, I);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
}

TEST(V30_a_larger_max_chain_accepts_longer_tables)
{
    ring_configure(&r, 8, features_all, 0);
    r.device_config.max_chain = 515;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    for (uint32_t i = 0; i < 515; i++)
        table_entry(i, GUEST, 1, i == 514 ? 0 : N, i + 1);
    raw_desc(&r, 0, GUEST + TABLE, 16 * 515, I, 0);
    raw_avail(&r, 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_ROOM);
    CHECK_EQ(chain.n_readable, 515);
}

TEST(V31_C104_a_table_at_an_odd_address)
{
    for (uint32_t shift = 1; shift < 16; shift++) {
        start(VTEST_PASS, features_all);
        raw_entry(r.guest + TABLE + shift, GUEST, 1, N, 1);
        raw_entry(r.guest + TABLE + shift + 16, GUEST, 2, W, 0);
        raw_desc(&r, 0, GUEST + TABLE + shift, 32, I, 0);
        raw_avail(&r, 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.readable, 1);
        CHECK_EQ(chain.writable, 2);
    }
}

TEST(C105_tables_that_are_not_memory)
{
    static const uint64_t addrs[] = {0, GUEST + GUEST_SIZE - 16, UINT64_MAX - 15, GUEST - 8};

    for (int i = 0; i < 4; i++) {
        start(VTEST_PASS, features_all);
        raw_entry(r.guest + GUEST_SIZE - 16, GUEST, 1, N, 1);
        raw_desc(&r, 0, addrs[i], 32, I, 0);
        raw_avail(&r, 0);
        device_breaks(VTEST_PASS, &r, VRING_E_PEER_TABLE);
    }
}

TEST(C105_an_entry_may_cross_regions_at_any_byte)
{
    for (uint32_t split = 1; split < 32; split++) {
        unsigned char table[32];

        ring_configure(&r, 8, features_all, 0);
        r.regions[1].addr = GUEST + GUEST_SIZE;
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        CHECK_OK(vring_device_init(&r.device, &r.device_config));
        raw_entry(table, GUEST, 1, N, 1);
        raw_entry(table + 16, GUEST, 2, W, 0);
        memcpy(r.guest + GUEST_SIZE - split, table, split);
        memcpy(r.regions[1].host, table + split, 32 - split);
        raw_desc(&r, 0, GUEST + GUEST_SIZE - split, 32, I, 0);
        raw_avail(&r, 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.readable, 1);
        CHECK_EQ(chain.writable, 2);
    }
}

TEST(C106_next_outside_the_indirect_table)
{
    table_start(VTEST_PASS, features_all, 32, I);
    table_entry(0, GUEST, 1, N, 2);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_NEXT);
}

TEST(C106_the_entry_with_the_bad_next_is_told)
{
    table_start(VTEST_PASS, features_all, 48, I);
    table_entry(0, GUEST, 1, N, 2);
    table_entry(2, GUEST, 1, N, 3);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_NEXT);
    CHECK_EQ(vring_device_fault(&r.device).position, 2);
    CHECK_EQ(vring_device_fault(&r.device).value, 3);
}

TEST(C107_a_loop_inside_the_table)
{
    table_start(VTEST_PASS, features_all, 32, I);
    table_entry(1, GUEST, 0, N, 0);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_LOOP);
}

TEST(V44_C110_direct_descriptors_then_one_indirect)
{
    start(VTEST_PASS, features_all);
    table_entry(0, GUEST, 4, W, 0);
    raw_desc(&r, 2, GUEST, 1, N, 3);
    raw_desc(&r, 3, GUEST, 2, N, 4);
    raw_desc(&r, 4, GUEST + TABLE, 16, I, 0);
    raw_avail(&r, 2);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_readable, 2);
    CHECK_EQ(chain.readable, 3);
    CHECK_EQ(chain.writable, 4);
}

TEST(C036_C102_direct_and_table_entries_count_together)
{
    for (uint32_t entries = 6; entries <= 7; entries++) {
        start(VTEST_PASS, features_all);
        for (uint32_t i = 0; i < entries; i++)
            table_entry(i, GUEST, 1, i + 1 == entries ? 0 : N, i + 1);
        raw_desc(&r, 0, GUEST, 1, N, 1);
        raw_desc(&r, 1, GUEST, 1, N, 2);
        raw_desc(&r, 2, GUEST + TABLE, 16 * entries, I, 0);
        raw_avail(&r, 0);
        CHECK_ERR(ring_get_avail(&r, &chain), entries == 6 ? 0 : VRING_E_PEER_LOOP);
    }
}

TEST(C108_a_table_that_lists_itself_and_lies_in_the_ring)
{
    ring_configure(&r, 8, features_all, 0);
    r.regions[0].host = r.driver_config.desc;
    r.regions[0].size = r.layout.desc_size;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    raw_desc(&r, 0, GUEST, 128, I, 0); /* the table is the descriptor table: entry 0 is this descriptor */
    raw_avail(&r, 0);
    device_breaks(VTEST_PASS, &r, VRING_E_PEER_INDIRECT);
}

TEST(C114_a_table_of_empty_buffers)
{
    start(VTEST_PASS, features_all);
    for (uint32_t i = 0; i < 8; i++)
        table_entry(i, 0, 0, i == 7 ? 0 : N, i + 1);
    raw_desc(&r, 0, GUEST + TABLE, 128, I, 0);
    raw_avail(&r, 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_readable + chain.n_writable, 0);
}
