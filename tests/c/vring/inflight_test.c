/* SPDX-License-Identifier: MIT */
/* What a device notes in its inflight region while it works, and how what was in flight is handed out once more. */
#include "restart.h"

#include <vring/wire.h>

RING_TEST(V100_what_was_rewound_is_not_in_flight_for_a_successor)
{
    struct vring_chain chains[2], again;
    static struct ring r;

    CHECK_OK(busy(&r, format, 0, true, chains));
    CHECK_OK(vring_device_rewind(&r.device, chains[1].handle));
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    CHECK_EQ(vring_device_in_flight(&r.device), 1);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(ring_get_avail(&r, &again));
        CHECK_EQ(again.writable, 16 + i);
    }
}

RING_TEST(V100_C219_a_batch_is_noted_as_single_buffers_are)
{
    struct vring_chain chains[4];
    static struct ring r;
    uint32_t n;

    CHECK_OK(busy(&r, format, 0, true, chains)); /* two of them are taken one by one */
    CHECK_OK(ring_add(&r, 64 * 3, 19, true, 103));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(vring_device_get_avail_batch(&r.device, r.iov, 64, chains, 4, &n));
    CHECK_EQ(n, 2);
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    CHECK_EQ(vring_device_in_flight(&r.device), 4);
    CHECK_OK(vring_device_get_avail_batch(&r.device, r.iov, 64, chains, 4, &n));
    CHECK_EQ(n, 4);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(chains[i].writable, 16 + i);
}

/* As if it were new: the caller learns how much there is, and asks again. */
RING_TEST(C062_what_waits_is_not_lost_where_there_is_no_room_for_it)
{
    struct vring_chain chains[2], again;
    static struct ring r;

    CHECK_OK(busy(&r, format, 0, true, chains));
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_ERR(vring_device_get_avail(&r.device, r.iov, 0, &again), VRING_E_ROOM);
        CHECK_EQ(again.n_writable, 1);
        CHECK_OK(ring_get_avail(&r, &again));
        CHECK_EQ(again.writable, 16 + i);
    }
}

/* From a state or from a region, by batches: what was in flight, oldest first, and what is new behind it. */
RING_TEST(C219_C226_a_batch_of_what_waits_goes_on_with_what_is_new)
{
    for (int track = 0; track < 2; track++) {
        uint64_t more = format->all & VRING_F_RING_PACKED && !track ? VRING_F_IN_ORDER : 0;
        struct vring_chain chains[4];
        static struct ring r;
        uint32_t n;

        CHECK_OK(busy(&r, format, more, track, chains));
        if (track) {
            CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
        } else {
            int bytes = vring_device_save(&r.device, state, STATE_MAX);

            CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
        }
        CHECK_OK(vring_device_get_avail_batch(&r.device, r.iov, 64, chains, 4, &n));
        CHECK_EQ(n, 3);
        for (uint32_t i = 0; i < 3; i++)
            CHECK_EQ(chains[i].writable, 16 + i);
    }
}

/* Those that waited have a number each, from the one that is told on, and keep it; what is new goes on behind them. */
RING_TEST(C131_the_handles_of_a_successor_count_from_its_generation)
{
    static const uint32_t again_as[3] = {500, 501, 503};

    for (int track = 0; track < 2; track++) {
        struct vring_chain chains[2], again;
        static struct ring r;

        if (format->all & VRING_F_RING_PACKED && !track)
            continue; /* such a queue with buffers in flight is saved with IN_ORDER alone */
        CHECK_OK(busy(&r, format, 0, track, chains));
        r.device_config.generation = 500;
        if (track) {
            CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
        } else {
            int bytes = vring_device_save(&r.device, state, STATE_MAX);

            CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
        }
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.handle >> 16, 500 + i);
            CHECK_OK(vring_device_rewind(&r.device, again.handle));
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.handle >> 16, again_as[i]);
        }
    }
}

RING_TEST(C082_what_waits_is_not_handed_out_after_a_reset)
{
    struct vring_chain chains[2];
    static struct ring r;
    uint32_t n;

    CHECK_OK(busy(&r, format, 0, true, chains));
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    vring_device_reset(&r.device);
    CHECK_ERR(ring_get_avail(&r, &chains[0]), VRING_E_STATE);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 64, chains, 2, &n), VRING_E_STATE);
}

/* Another back-end may take over: it finds the list of free entries where vhost-user says it is. */
TEST(V100_the_free_list_of_a_packed_region_begins_behind_what_was_taken)
{
    const struct vring_wire_inflight_packed *header = (const void *)region;
    struct vring_chain chains[2];
    static struct ring r;

    CHECK_OK(busy(&r, &formats[1], 0, true, chains));
    CHECK_EQ(header->free_head, 2);
    CHECK_EQ(header->old_free_head, 2);
}

/* The counter of entry i of the region. */
static uint64_t *counter_of(const struct format *format, unsigned i)
{
    struct vring_wire_inflight_split *split = (void *)region;
    struct vring_wire_inflight_packed *packed = (void *)region;

    if (format->all & VRING_F_RING_PACKED)
        return &((struct vring_wire_inflight_packed_desc *)(void *)(packed + 1))[i].counter;
    return &((struct vring_wire_inflight_split_desc *)(void *)(split + 1))[i].counter;
}

/* Wherever in the region the one that was taken last is: the counters alone tell, and they are of 64 bits. */
RING_TEST(C226_the_order_of_taking_is_told_by_counters_of_any_length)
{
    for (uint32_t first = 0; first < 2; first++) {
        struct vring_chain chains[2], again;
        static struct ring r;

        CHECK_OK(busy(&r, format, 0, true, chains));
        for (unsigned i = 0; i < 4; i++)
            *counter_of(format, i) += UINT64_C(1) << 40;
        if (first == 1)
            *counter_of(format, 0) += 2;
        CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
        for (uint32_t i = 0; i < 2; i++) {
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.writable, 16 + (first ^ i));
        }
    }
}

/* As many as the ring has: more cannot be, and so many can. Both byte orders of a split ring. */
RING_TEST(V100_C222_all_that_a_ring_holds_may_be_told_and_not_noted)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    static struct ring r;

    if (format->all & VRING_F_RING_PACKED)
        return; /* it tells of each buffer by a flag of its own */
    memset(region, 0, sizeof region);
    ring_configure(&r, 4, format->all, 0);
    r.device_config.inflight = region;
    r.device_config.inflight_size = vring_inflight_size(4, false);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    for (uint64_t i = 0; i < 4; i++)
        CHECK_OK(ring_add(&r, 0, 16, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    }
    put16(used_at(&r, 2), format->plain & VRING_F_VERSION_1 ? 4 : 4 << 8); /* published, and not noted */
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 0);
    CHECK_EQ(vring_device_in_flight(&r.device), 0);
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i);
    }
}

/* The index counts for a first start, and entry 4 is none of four: nothing is set up, and nothing looked at. */
TEST(C149_C223_a_first_start_past_the_end_is_refused)
{
    static struct vring_packed_device device;
    static struct ring r;

    memset(region, 0, sizeof region);
    ring_configure(&r, 4, formats[1].all, 0);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    r.device_config.inflight = region;
    r.device_config.inflight_size = vring_inflight_size(4, true);
    r.device_config.index = 4;
    CHECK_ERR(vring_packed_device_recover(&device, &r.device_config), VRING_E_SIZE);
}
