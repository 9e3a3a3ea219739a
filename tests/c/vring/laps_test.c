/* SPDX-License-Identifier: MIT */
/* Our driver against our device over many laps, at every size and phase, and with more than one buffer on the way. */
#include "fixture.h"

static struct ring r;
static struct vring_used_buffer used;
static struct vring_chain chain, chains[8];

/* One buffer there and back. */
static void round_trip(VTEST, uint64_t token)
{
    CHECK_OK(ring_add(&r, 0, 8, true, token));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, token);
}

TEST(V8_C127_C128_C210_packed_sizes_that_are_no_powers_of_two)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 7, 1000};

    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        CHECK_OK(ring_start(&r, sizes[s], formats[1].all, index_before_wrap(&formats[1], sizes[s], 2)));
        for (uint32_t i = 0; i < 3 * sizes[s] + 5; i++)
            round_trip(VTEST_PASS, i);
        CHECK_EQ(vring_driver_free(&r.driver), sizes[s]);
    }
}

RING_TEST(C150_more_than_2_17_laps)
{
    CHECK_OK(ring_start(&r, 1, format->all, 0));
    for (uint32_t i = 0; i < (1u << 17) + 3; i++)
        round_trip(VTEST_PASS, i);
}

RING_TEST(C035_C207_a_chain_as_long_as_the_ring_lap_after_lap)
{
    struct vring_segment segments[8];

    for (int i = 0; i < 8; i++)
        segments[i] = (struct vring_segment){GUEST + 64 * (uint64_t)i, 8};
    for (uint16_t size = 1; size <= 8; size = (uint16_t)(2 * size)) {
        CHECK_OK(ring_start(&r, size, format->all, index_before_wrap(format, size, 1)));
        for (uint64_t lap = 0; lap < 9; lap++) {
            CHECK_OK(vring_driver_add_avail(&r.driver, segments, 0, size, lap));
            CHECK_ERR(ring_add(&r, 0, 8, true, 99), VRING_E_FULL);
            CHECK(vring_driver_publish(&r.driver) >= 0);
            CHECK_OK(ring_get_avail(&r, &chain));
            CHECK_EQ(chain.n_writable, size);
            CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8u * size));
            CHECK(vring_device_publish(&r.device) >= 0);
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, lap);
        }
    }
}

RING_TEST(C088_a_batch_of_every_length_across_the_end_of_the_ring)
{
    for (uint32_t n = 1; n <= 8; n++)
        for (uint32_t before = 0; before <= 8; before++) {
            CHECK_OK(ring_start(&r, 8, format->all, index_before_wrap(format, 8, before)));
            for (uint64_t i = 0; i < n; i++)
                CHECK_OK(ring_add(&r, 0, 8, true, i));
            CHECK_EQ(vring_driver_publish(&r.driver), 1);
            for (uint32_t i = 0; i < n; i++)
                CHECK_OK(ring_get_avail(&r, &chains[i]));
            for (uint32_t i = 0; i < n; i++)
                CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 8));
            CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
            CHECK_EQ(vring_device_publish(&r.device), 1);
            for (uint64_t i = 0; i < n; i++) {
                CHECK_OK(vring_driver_get_used(&r.driver, &used));
                CHECK_EQ(used.token, i);
            }
        }
}

/* A device that holds up to eight buffers and gives them back in any order, on rings of 1 to 8 entries. */
RING_TEST(V83_many_laps_of_chains_answered_out_of_order)
{
    static const struct vring_segment segments[3] = {{GUEST, 8}, {GUEST + 64, 16}, {GUEST + 128, 16}};
    uint32_t seed = 7;

    for (uint32_t size = 1; size <= 8; size++) {
        uint64_t sent = 0, received = 0, there = 0; /* bit t mod 64: token t is with the device */
        uint32_t holding = 0;

        if (format != &formats[1] && (size & (size - 1)))
            continue;
        CHECK_OK(ring_start(&r, size, format->all, index_before_wrap(format, size, 1)));
        for (int round = 0; round < 3000; round++) {
            uint16_t pieces = (uint16_t)(1 + (seed >> 9) % 3);

            seed = seed * 1103515245 + 12345;
            if (vring_driver_add_avail(&r.driver, segments, pieces, 0, sent) == 0)
                there |= UINT64_C(1) << (sent++ % 64);
            CHECK(vring_driver_publish(&r.driver) >= 0);
            while (holding < 8 && ring_get_avail(&r, &chains[holding]) == 0)
                holding++;
            if (holding > 0 && (seed >> 16 & 3)) {
                uint32_t pick = (seed >> 18) % holding;

                CHECK_OK(vring_device_add_used(&r.device, chains[pick].handle, 0));
                chains[pick] = chains[--holding];
            }
            CHECK(vring_device_publish(&r.device) >= 0);
            while (vring_driver_get_used(&r.driver, &used) == 0) {
                CHECK(used.token < sent && (there & UINT64_C(1) << (used.token % 64)));
                there &= ~(UINT64_C(1) << (used.token % 64));
                received++;
            }
            CHECK_EQ(vring_driver_fault(&r.driver).error, 0);
            CHECK_EQ(vring_device_fault(&r.device).error, 0);
        }
        CHECK(received > 500);
    }
}

RING_TEST(V11_C017_what_changes_in_the_configuration_later_changes_nothing)
{
    CHECK_OK(ring_start(&r, 4, format->all, 0));
    r.driver_config.size = 32768;
    r.driver_config.desc = NULL;
    r.device_config.size = 32768;
    r.device_config.driver_area = NULL;
    for (uint32_t i = 0; i < 9; i++)
        round_trip(VTEST_PASS, i);
}

TEST(C018_one_object_changes_its_format_with_the_next_init)
{
    for (int i = 0; i < 4; i++) {
        struct vring_driver driver = r.driver;
        struct vring_device device = r.device;

        ring_configure(&r, 8, formats[i & 1].all, 0);
        r.driver = driver; /* as the other format left them */
        r.device = device;
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        CHECK_OK(vring_device_init(&r.device, &r.device_config));
        for (uint32_t n = 0; n < 20; n++)
            round_trip(VTEST_PASS, n);
    }
}

RING_TEST(C063_regions_of_one_byte)
{
    struct vring_region bytes[64];

    ring_configure(&r, 8, format->all, 0);
    for (uint32_t i = 0; i < 64; i++)
        bytes[i] = (struct vring_region){GUEST + i, 1, r.guest + 2 * (size_t)i, 0};
    r.device_config.regions = bytes;
    r.device_config.region_count = 64;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(ring_add(&r, 0, 64, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_ERR(vring_device_get_avail(&r.device, r.iov, 8, &chain), VRING_E_ROOM);
    CHECK_EQ(chain.n_writable, 64);
    CHECK_OK(vring_device_get_avail(&r.device, r.iov, 64, &chain));
    CHECK(r.iov[63].base == r.guest + 126 && r.iov[63].len == 1);
}

RING_TEST(C084_what_was_published_before_the_device_came_is_served)
{
    ring_configure(&r, 8, format->all, 0);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 0, 8, true, i));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_ERR(vring_split_device_get_avail(&r.device.as.split, r.iov, 64, &chain), VRING_E_STATE);
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY);
}

/*
 * Whatever two devices make of one ring: each token comes back at most once, and if the driver objects, it blames the
 * other side.
 */
RING_TEST(C014_two_devices_on_one_ring_do_no_harm)
{
    static struct vring_head heads[8];
    static struct vring_device other;
    uint64_t returned = 0;
    int answer = 0;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    r.device_config.heads = heads;
    CHECK_OK(vring_device_init(&other, &r.device_config));
    for (uint32_t i = 0; i < 50 && answer >= 0; i++) {
        struct vring_device *device = i & 1 ? &other : &r.device;

        if (ring_add(&r, 0, 8, true, i) == 0)
            CHECK(vring_driver_publish(&r.driver) >= 0);
        if (vring_device_get_avail(device, r.iov, 64, &chain) == 0)
            CHECK_OK(vring_device_add_used(device, chain.handle, 8));
        vring_device_publish(device);
        answer = vring_driver_get_used(&r.driver, &used);
        if (answer == 0) {
            CHECK(used.token <= i && (returned & UINT64_C(1) << used.token) == 0);
            returned |= UINT64_C(1) << used.token;
        }
        if (answer == VRING_E_EMPTY)
            answer = 0;
    }
    CHECK(returned != 0);
    CHECK(answer == 0 || vring_error_blame(answer) == VRING_BLAME_PEER);
}

RING_TEST(C065_C131_a_buffer_is_given_back_once)
{
    CHECK_OK(ring_start(&r, 8, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_ERR(vring_device_add_used(&r.device, 0, 0), VRING_E_HANDLE);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle ^ 0x10000, 0), VRING_E_HANDLE);
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 9), VRING_E_LEN);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8));
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 8), VRING_E_HANDLE);
    CHECK_EQ(vring_device_in_flight(&r.device), 0);
}

/* A completion that arrives after the queue was set up again, when the same head is taken again. */
RING_TEST(C083_a_handle_from_before_an_init_is_refused)
{
    vring_handle before;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    before = chain.handle;
    r.device_config.generation = 1000;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(ring_add(&r, 0, 8, true, 2));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.handle & 0xffff, before & 0xffff);
    CHECK_ERR(vring_device_add_used(&r.device, before, 0), VRING_E_HANDLE);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
}

RING_TEST(C180_what_the_device_writes_into_a_table_changes_nothing)
{
    struct vring_segment segments[3] = {{GUEST, 1}, {GUEST, 1}, {GUEST, 16}};
    struct vring_table table = {NULL, GUEST + 0x1000, 4};

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    table.memory = r.guest + 0x1000;
    CHECK_OK(vring_driver_add_indirect(&r.driver, &table, segments, 2, 1, 5));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    memset(table.memory, 0xff, 64);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 16));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 5);
    CHECK_EQ(used.len, 16);
    CHECK_EQ(vring_driver_free(&r.driver), 8);
}

TEST(V51_the_first_used_entry_is_told_and_the_next_a_lap_of_the_index_later)
{
    CHECK_OK(ring_start(&r, 4, features_all, 0));
    put16(avail_at(&r, 0), 1); /* flags that must be ignored */
    for (uint32_t i = 0; i < 65536 + 2; i++) {
        CHECK_OK(ring_add(&r, 0, 8, true, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8));
        CHECK_EQ(vring_device_publish(&r.device), i == 0 || i == 65536);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
}

TEST(V66_packed_a_single_descriptor_bears_no_next)
{
    struct vring_segment segments[2] = {{GUEST, 1}, {GUEST, 1}};

    CHECK_OK(ring_start(&r, 4, formats[1].all, 0));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 0, 1));
    CHECK_OK(vring_driver_abort(&r.driver, NULL));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 0, 2));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_EQ(get16(desc_at(&r, 0) + 14), VRING_DESC_AVAIL);
}

TEST(V79_V80_packed_each_decision_looks_at_what_came_since_the_last_in_ring_entries)
{
    struct vring_segment segments[2] = {{GUEST, 1}, {GUEST, 1}};

    CHECK_OK(ring_start(&r, 16, formats[1].all, 0));
    for (uint32_t entries = 0; entries < 12; entries += 2) {
        put32(used_at(&r, 0), (uint32_t)VRING_EVENT_DISABLE << 16); /* a decision that does not look at places */
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 0, 1));
        CHECK_EQ(vring_driver_publish(&r.driver), 0);
    }
    put32(used_at(&r, 0), (uint32_t)VRING_EVENT_DESC << 16 | 0x8000 | 11); /* passed by the last of them, not by this */
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 0, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 0);
    put32(used_at(&r, 0), (uint32_t)VRING_EVENT_DESC << 16 | 0x8000 | 15); /* its second entry */
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 0, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
}

/* The region that was looked up last is not asked for again, but whether it may be written is. */
RING_TEST(C054_a_read_only_region_that_was_just_read_is_still_not_written)
{
    struct vring_segment segment = {READ_ONLY, 16};

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 1, 0, 1));
    CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 1, 0, 2));
    CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 0, 1, 3));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
    CHECK_EQ(chain.n_writable, 0);
}
