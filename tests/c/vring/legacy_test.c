/* SPDX-License-Identifier: MIT */
/*
 * Rings without VERSION_1: in the driver's byte order, whichever CPU this is, and with a gap before the used ring.
 * Everything else holds for them as for others: RING_TEST runs in a big-endian one, too.
 */
#include "restart.h"

/* Wire integers of either order, byte by byte. */

static uint64_t get(const void *at, unsigned bytes, bool big)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | ((const unsigned char *)at)[big ? i : bytes - 1 - i];
    return v;
}

static void put(void *at, unsigned bytes, bool big, uint64_t v)
{
    for (unsigned i = 0; i < bytes; i++)
        ((unsigned char *)at)[big ? bytes - 1 - i : i] = (unsigned char)(v >> 8 * i);
}

static const enum vring_byte_order orders[2] = {VRING_ORDER_LITTLE, VRING_ORDER_BIG};

static int start_in(struct ring *r, uint32_t size, uint64_t features, enum vring_byte_order order)
{
    int error;

    ring_configure(r, size, features, 0);
    r->driver_config.legacy_order = r->device_config.legacy_order = order;
    error = vring_driver_init(&r->driver, &r->driver_config);
    return error ? error : vring_device_init(&r->device, &r->device_config);
}

TEST(V14_V16_the_bytes_of_one_request_in_either_order)
{
    static struct ring r;

    for (int big = 0; big < 2; big++) {
        struct vring_segment segments[2] = {{0x0001020304050607, 0x11223344}, {GUEST, 0x55}};
        struct vring_used_buffer used;

        CHECK_OK(start_in(&r, 256, VRING_F_EVENT_IDX, orders[big]));
        /* Position 1 of the indices: a ring indexed by a swapped number would look at 256, entry 0. */
        CHECK_OK(ring_add(&r, 0, 1, true, 7));
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 8));
        CHECK_EQ(vring_driver_publish(&r.driver), 0);
        CHECK(get(desc_at(&r, 1), 8, big) == segments[0].addr);
        CHECK_EQ(get(desc_at(&r, 1) + 8, 4, big), 0x11223344);
        CHECK_EQ(get(desc_at(&r, 1) + 12, 2, big), VRING_DESC_NEXT);
        CHECK_EQ(get(desc_at(&r, 1) + 14, 2, big), 2);
        CHECK_EQ(get(avail_at(&r, 2), 2, big), 2);
        CHECK_EQ(get(avail_at(&r, 4 + 2), 2, big), 1);

        /* The device answers the second one. */
        put(used_at(&r, 4), 4, big, 1);
        put(used_at(&r, 8), 4, big, 0x55);
        put(used_at(&r, 2), 2, big, 1);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 8);
        CHECK_EQ(used.len, 0x55);
        CHECK_OK(vring_driver_enable_notify(&r.driver));
        CHECK_EQ(get(used_event_at(&r), 2, big), 1);

        /* An id in the wrong order is none. */
        put(used_at(&r, 12), 4, !big, 1);
        put(used_at(&r, 2), 2, big, 2);
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_ID);
        CHECK_EQ(vring_driver_fault(&r.driver).value, 1u << 24);
    }
}

TEST(V14_C217_a_state_of_one_order_is_none_of_a_ring_in_the_other)
{
    static struct ring r;
    int bytes;

    for (int big = 0; big < 2; big++) {
        CHECK_OK(start_in(&r, 4, 0, orders[big]));
        r.driver_config.legacy_order = r.device_config.legacy_order = orders[!big];
        bytes = vring_driver_save(&r.driver, state, STATE_MAX);
        CHECK(bytes > 0);
        CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), VRING_E_UNFIT);
        bytes = vring_device_save(&r.device, state, STATE_MAX);
        CHECK(bytes > 0);
        CHECK_ERR(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), VRING_E_UNFIT);
    }
}

TEST(V14_the_native_order_is_one_of_the_two)
{
    static struct ring r;
    uint16_t one = 1;
    bool big = *(unsigned char *)&one == 0;

    CHECK_OK(start_in(&r, 4, 0, VRING_ORDER_NATIVE));
    CHECK_OK(ring_add(&r, 0, 1, true, 7));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_EQ(get(avail_at(&r, 2), 2, big), 1);
    CHECK_EQ(r.driver.big_endian, big);
}

/* split.h is the little-endian ring: a big-endian one has to be driver.h's, and says so. */
TEST(V16_the_cells_alone_refuse_a_big_endian_ring)
{
    static struct ring r;

    ring_configure(&r, 4, 0, 0);
    CHECK_ERR(vring_split_driver_init(&r.driver.as.split, &r.driver_config), VRING_E_FEATURE);
    CHECK_ERR(vring_split_device_init(&r.device.as.split, &r.device_config), VRING_E_FEATURE);
    r.driver_config.legacy_order = r.device_config.legacy_order = VRING_ORDER_LITTLE;
    CHECK_OK(vring_split_driver_init(&r.driver.as.split, &r.driver_config));
    CHECK_OK(vring_split_device_init(&r.device.as.split, &r.device_config));
}

TEST(V15_every_value_of_the_flags_is_judged_by_its_bit_0_in_either_order)
{
    static struct ring r;

    for (int big = 0; big < 2; big++) {
        CHECK_OK(start_in(&r, 4, 0, orders[big]));
        for (uint32_t flags = 0; flags < 65536; flags++) {
            struct vring_used_buffer used;
            struct vring_chain chain;

            put(avail_at(&r, 0), 2, big, flags);
            put(used_at(&r, 0), 2, big, flags);
            CHECK_OK(ring_add(&r, 0, 1, true, flags));
            CHECK_EQ(vring_driver_publish(&r.driver), !(flags & 1));
            CHECK_OK(ring_get_avail(&r, &chain));
            CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
            CHECK_EQ(vring_device_publish(&r.device), !(flags & 1));
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, flags);
        }
    }
}

/* The layout of 256 entries aligned to 4096: what lies between the available ring and the used ring is nobody's. */
TEST(V7_the_gap_before_the_used_ring_is_neither_written_nor_read)
{
    enum { SIZE = 256, ALIGN = 4096 };
    static struct ring r;
    struct vring_split_areas areas;
    unsigned char *memory, *gap;
    size_t gap_size;

    CHECK_OK(vring_split_layout(SIZE, ALIGN, &areas));
    ring_configure(&r, SIZE, VRING_F_EVENT_IDX, 65530);
    memory = (unsigned char *)fixture_alloc(areas.total);
    gap = memory + areas.driver_offset + areas.driver_size;
    gap_size = areas.device_offset - areas.driver_offset - areas.driver_size;
    CHECK(gap_size > 1000);
    r.driver_config.desc = r.device_config.desc = memory;
    r.driver_config.driver_area = r.device_config.driver_area = memory + areas.driver_offset;
    r.driver_config.device_area = r.device_config.device_area = memory + areas.device_offset;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    for (uint32_t round = 0; round < 3 * SIZE; round++) {
        unsigned char before = (unsigned char)round;
        struct vring_used_buffer used;
        struct vring_chain chain;

        memset(gap, before, gap_size);
        CHECK_OK(ring_add(&r, 0, 16, true, round));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 16));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, round);
        for (size_t i = 0; i < gap_size; i++)
            CHECK_EQ(gap[i], before);
    }
}

TEST(V38_a_driver_without_a_callback_says_so_in_the_flags_unless_there_is_an_event_index)
{
    static struct ring r;

    for (int big = 0; big < 2; big++) {
        CHECK_OK(start_in(&r, 4, 0, orders[big]));
        CHECK_OK(vring_driver_disable_notify(&r.driver));
        CHECK_EQ(get(avail_at(&r, 0), 2, big), 1);
        CHECK_OK(start_in(&r, 4, VRING_F_EVENT_IDX, orders[big]));
        CHECK_OK(vring_driver_disable_notify(&r.driver));
        CHECK_EQ(get(avail_at(&r, 0), 2, big), 0);
    }
}

TEST(V56_notify_on_empty_overrides_a_driver_that_asked_for_silence)
{
    static struct ring r;

    for (int event_idx = 0; event_idx < 2; event_idx++) {
        uint64_t features = event_idx ? VRING_F_EVENT_IDX : 0;

        for (int negotiated = 0; negotiated < 2; negotiated++) {
            struct vring_chain first, second;

            CHECK_OK(start_in(&r, 4, features | (negotiated ? VRING_F_NOTIFY_ON_EMPTY : 0), VRING_ORDER_BIG));
            CHECK_OK(vring_driver_disable_notify(&r.driver));
            CHECK_OK(ring_add(&r, 0, 16, true, 1));
            CHECK_OK(ring_add(&r, 16, 16, true, 2));
            CHECK(vring_driver_publish(&r.driver) >= 0);
            CHECK_OK(ring_get_avail(&r, &first));
            CHECK_OK(vring_device_add_used(&r.device, first.handle, 16));
            CHECK_EQ(vring_device_publish(&r.device), 0); /* one waits */
            CHECK_OK(ring_get_avail(&r, &second));
            CHECK_OK(ring_add(&r, 32, 16, true, 3));
            CHECK(vring_driver_publish(&r.driver) >= 0);
            CHECK_OK(vring_device_add_used(&r.device, second.handle, 16));
            CHECK_EQ(vring_device_publish(&r.device), 0); /* one has come since */
            CHECK_OK(ring_get_avail(&r, &first));
            CHECK_OK(vring_device_add_used(&r.device, first.handle, 16));
            CHECK_EQ(vring_device_publish(&r.device), negotiated);
        }
    }
}
