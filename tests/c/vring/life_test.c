/* SPDX-License-Identifier: MIT */
/* A queue's life besides its buffers: reset and begun again, suspended, looked ahead in; and calls out of season. */
#include "fixture.h"

/* One buffer there and back. Returns the token, or an error. */
static long long one_round(struct ring *r, uint64_t token)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    int error = ring_add(r, 0, 16, true, token);

    if (!error)
        error = vring_driver_publish(&r->driver) < 0;
    if (!error)
        error = ring_get_avail(r, &chain);
    if (!error)
        error = vring_device_add_used(&r->device, chain.handle, 16);
    if (!error)
        error = vring_device_publish(&r->device) < 0;
    if (!error)
        error = vring_driver_get_used(&r->driver, &used);
    return error ? error : (long long)used.token;
}

MODERN_RING_TEST(V96_C094_one_queue_is_reset_and_resized_while_another_goes_on)
{
    static struct ring r;
    static VRING_SPLIT_MEMORY(8) split_memory;
    static VRING_PACKED_MEMORY(8) packed_memory;
    struct vring_slot slots[8];
    struct vring_head heads[8];
    struct vring_driver_config driver_config = {.features = format->all | VRING_F_RING_RESET, .size = 4, .slots = slots,
                                                .slot_count = 8};
    struct vring_device_config device_config = {.features = format->all | VRING_F_RING_RESET, .size = 4, .heads = heads,
                                                .head_count = 8};
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    struct vring_driver driver;
    struct vring_device device;
    struct vring_chain chain;
    uint64_t token;

    CHECK((vring_features_supported(0) & VRING_F_RING_RESET) != 0);
    CHECK_OK(ring_start(&r, 4, format->all | VRING_F_RING_RESET, 0));
    driver_config.desc = device_config.desc = packed ? (void *)packed_memory.desc : (void *)split_memory.desc;
    driver_config.driver_area = device_config.driver_area =
        packed ? (void *)packed_memory.driver_area : (void *)split_memory.driver_area;
    driver_config.device_area = device_config.device_area =
        packed ? (void *)packed_memory.device_area : (void *)split_memory.device_area;
    device_config.regions = r.regions;
    device_config.region_count = 2;
    for (uint32_t size = 8; size >= 2; size /= 2) {
        struct vring_segment segment = {GUEST, 16};

        driver_config.size = device_config.size = size;
        CHECK_OK(vring_driver_init(&driver, &driver_config));
        CHECK_OK(vring_device_init(&device, &device_config));
        for (uint32_t i = 0; i < size; i++)
            CHECK_OK(vring_driver_add_avail(&driver, &segment, 0, 1, 10 + i));
        CHECK_ERR(vring_driver_add_avail(&driver, &segment, 0, 1, 9), VRING_E_FULL);
        CHECK(vring_driver_publish(&driver) >= 0);
        CHECK_OK(vring_device_get_avail(&device, r.iov, 64, &chain));
        CHECK_EQ(one_round(&r, size), size);

        /* The device first: it touches nothing any more. Then the driver has every buffer back, once. */
        vring_device_reset(&device);
        CHECK_ERR(vring_device_add_used(&device, chain.handle, 0), VRING_E_STATE);
        CHECK_ERR(vring_device_publish(&device), VRING_E_STATE);
        CHECK_EQ(one_round(&r, size + 100), size + 100);
        vring_driver_reset(&driver);
        for (uint32_t i = 0; i < size; i++) {
            CHECK_OK(vring_driver_take_unused(&driver, &token));
            CHECK_EQ(token, 10 + i);
        }
        CHECK_ERR(vring_driver_take_unused(&driver, &token), VRING_E_EMPTY);
    }
}

MODERN_RING_TEST(V102_a_suspended_queue_finishes_and_then_stands_still)
{
    struct vring_segment segment = {GUEST, 16};
    struct vring_used_buffer used;
    struct vring_chain chain;
    static unsigned char before[4096];
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all | VRING_F_SUSPEND, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_ERR(vring_driver_suspend(&r.driver), VRING_E_STATE); /* staged: publish or abort first */
    CHECK_OK(ring_add(&r, 0, 16, true, 2));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_driver_suspend(&r.driver));
    CHECK_ERR(vring_driver_add_avail(&r.driver, &segment, 0, 1, 3), VRING_E_STATE);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 2);

    CHECK_EQ(vring_device_suspend(&r.device), 1);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_STATE);
    CHECK_ERR(vring_device_enable_notify(&r.device), VRING_E_STATE);
    CHECK_ERR(vring_device_disable_notify(&r.device), VRING_E_STATE);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 16));
    CHECK_EQ(vring_device_suspend(&r.device), 1);
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_STATE); /* whatever other verbs may do meanwhile */
    CHECK_EQ(vring_device_suspend(&r.device), 0);
    memcpy(before, r.driver_config.desc, r.layout.desc_size);
    CHECK_OK(vring_device_publish(&r.device));
    CHECK(memcmp(before, r.driver_config.desc, r.layout.desc_size) == 0);

    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 1);
    CHECK_OK(vring_driver_resume(&r.driver));
    CHECK_ERR(vring_driver_resume(&r.driver), VRING_E_STATE);
    CHECK_EQ(vring_device_resume(&r.device), 1); /* the second buffer waits */
    CHECK_ERR(vring_device_resume(&r.device), VRING_E_STATE);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 16));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 2);
    CHECK_EQ(one_round(&r, 5), 5);
}

RING_TEST(V102_suspend_is_refused_where_it_was_not_negotiated)
{
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_ERR(vring_driver_suspend(&r.driver), VRING_E_FEATURE);
    CHECK_ERR(vring_device_suspend(&r.device), VRING_E_FEATURE);
    CHECK_ERR(vring_driver_resume(&r.driver), VRING_E_STATE);
    CHECK_ERR(vring_device_resume(&r.device), VRING_E_STATE);
    CHECK_ERR(vring_driver_suspend(NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_suspend(NULL), VRING_E_NULL);
    CHECK_ERR(vring_driver_resume(NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_resume(NULL), VRING_E_NULL);
    vring_driver_reset(&r.driver);
    vring_device_reset(&r.device);
    CHECK_ERR(vring_driver_suspend(&r.driver), VRING_E_STATE);
    CHECK_ERR(vring_device_suspend(&r.device), VRING_E_STATE);
}

RING_TEST(a_buffer_that_was_looked_at_is_still_to_be_taken)
{
    struct vring_segment bad = {0x10, 16};
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_ERR(vring_device_peek(&r.device, r.iov, 64, &chain), VRING_E_EMPTY);
    CHECK_ERR(vring_device_peek(NULL, r.iov, 64, &chain), VRING_E_NULL);
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_OK(vring_driver_add_avail(&r.driver, &bad, 1, 0, 2));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(vring_device_peek(&r.device, r.iov, 64, &chain));
        CHECK_EQ(chain.writable, 16);
        CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 0), VRING_E_HANDLE);
        CHECK_EQ(vring_device_in_flight(&r.device), 0);
    }
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.writable, 16);
    CHECK_ERR(vring_device_peek(&r.device, r.iov, 64, &chain), VRING_E_CHAIN_ADDR);
    CHECK_EQ(vring_device_in_flight(&r.device), 1);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
}

/* Looking takes nothing: however often, it brings no handle of before to life, and gives none. */
RING_TEST(C131_handles_do_not_age_by_looking)
{
    struct vring_chain first, second, seen;
    struct vring_used_buffer used;
    static struct ring r;

    for (int in_order = 0; in_order < 1 + (format->plain != 0); in_order++) {
        CHECK_OK(ring_start(&r, 4, format->plain | (in_order ? VRING_F_IN_ORDER : 0), 0));
        for (int i = 0; i < 4; i++)
            CHECK_OK(ring_add(&r, 0, 4, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        for (int i = 0; i < 4; i++) {
            CHECK_OK(ring_get_avail(&r, i == 0 ? &first : &second));
            CHECK_OK(vring_device_add_used(&r.device, (i == 0 ? &first : &second)->handle, 4));
        }
        CHECK(vring_device_publish(&r.device) >= 0);
        for (int i = 0; i < 4; i++)
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_OK(ring_add(&r, 0, 4, true, 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        for (uint32_t i = 0; i < 65536 - 4; i++)
            CHECK_OK(vring_device_peek(&r.device, r.iov, 64, &seen));
        CHECK_OK(ring_get_avail(&r, &second));
        CHECK_ERR(vring_device_add_used(&r.device, seen.handle, 0), VRING_E_HANDLE);
        CHECK_ERR(vring_device_add_used(&r.device, first.handle, 0), VRING_E_HANDLE);
        CHECK_OK(vring_device_add_used(&r.device, second.handle, 0));
    }
}

/* ------------------------------------------------------------------------------------------------ out of season --- */

/* init asks nothing of what was there: attaching twice is beginning anew, and the old handles are dead. */
RING_TEST(C016_C089_a_second_init_begins_anew)
{
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    r.device_config.generation = 9;
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 0), VRING_E_HANDLE);
    CHECK_OK(vring_device_publish(&r.device)); /* nothing is staged, so nothing can be published, let alone too much */
    CHECK_EQ(one_round(&r, 3), 3);
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 0), VRING_E_HANDLE);
}

RING_TEST(C170_an_interrupt_before_there_is_anything_or_after_a_reset_is_nothing)
{
    struct vring_used_buffer used;
    static struct vring_driver never;
    static struct ring r;

    CHECK_ERR(vring_driver_get_used(&never, &used), VRING_E_STATE);
    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
    CHECK_OK(vring_driver_disable_notify(&r.driver));
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
    CHECK(vring_driver_publish(&r.driver) >= 0); /* nothing is out of the ordinary now */
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_EMPTY);
    vring_driver_reset(&r.driver);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_STATE);
}

/* Whatever was staged, or is in flight, at the time. */
RING_TEST(C021_C082_a_queue_that_was_reset_has_nothing_and_publishes_nothing)
{
    struct vring_chain chains[2];
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    for (uint64_t i = 0; i < 2; i++)
        CHECK_OK(ring_add(&r, 0, 16, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_add(&r, 0, 16, true, 2));
    for (int i = 0; i < 2; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 1));
    vring_driver_reset(&r.driver);
    vring_device_reset(&r.device);
    CHECK_ERR(vring_driver_publish(&r.driver), VRING_E_STATE);
    CHECK_ERR(vring_device_publish(&r.device), VRING_E_STATE);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 0);
    CHECK_EQ(vring_driver_free(&r.driver), 0);
    CHECK_EQ(vring_device_in_flight(&r.device), 0);
}

/* The device's wish stands still for ever: nothing is lost, and who wants to may ring all the same. */
RING_TEST(C167_a_frozen_wish_costs_notifications_and_nothing_else)
{
    uint32_t asked = 0;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(vring_device_disable_notify(&r.device));
    for (uint64_t i = 0; i < 1000; i++) {
        struct vring_used_buffer used;
        struct vring_chain chain;
        int notify;

        CHECK_OK(ring_add(&r, 0, 16, true, i));
        notify = vring_driver_publish(&r.driver);
        CHECK(notify >= 0);
        asked += (uint32_t)notify;
        CHECK_EQ(vring_driver_notification(&r.driver), 0); /* the word to write, whatever publish said */
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 16));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i);
    }
    CHECK_EQ(asked, 0);
}

RING_TEST(C087_a_rewound_buffer_is_work_that_waits)
{
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(vring_device_enable_notify(&r.device));
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK_OK(vring_device_rewind(&r.device, chain.handle));
    CHECK_EQ(vring_device_enable_notify(&r.device), 1); /* or it would sleep on it */
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK_OK(ring_add(&r, 0, 16, true, 2));
    CHECK_EQ(vring_driver_publish(&r.driver), 1); /* told once of each */
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY);
}

/* A driver that rings first and writes then: what counts is what is in the ring when it is looked at. */
RING_TEST(C093_C095_a_notification_is_a_hint_and_no_more)
{
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all | (format->all & VRING_F_VERSION_1 ? VRING_F_NOTIFICATION_DATA : 0), 0));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY); /* whatever a notification word may have claimed */
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_EMPTY); /* written, and not published */
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
}

/* The order of a list is not the caller's to get wrong: the readable ones are counted, and come first. */
RING_TEST(C177_readable_segments_come_first_by_construction)
{
    struct vring_segment segments[3] = {{GUEST, 1}, {GUEST + 16, 2}, {GUEST + 32, 3}};
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    for (uint16_t readable = 0; readable <= 3; readable++) {
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, readable, (uint16_t)(3 - readable), 1));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.n_readable, readable);
        CHECK_EQ(chain.n_writable, 3 - readable);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);

        struct vring_used_buffer used;

        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
}

/* A caller without memory for a table is told so, loses nothing, and adds the same list to the ring itself. */
RING_TEST(C179_without_a_table_the_list_goes_into_the_ring)
{
    struct vring_segment segments[2] = {{GUEST, 1}, {GUEST + 16, 2}};
    struct vring_table none = {NULL, GUEST, 2};
    struct vring_chain chain;
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_ERR(vring_driver_add_indirect(&r.driver, &none, segments, 1, 1, 7), VRING_E_NULL);
    CHECK_EQ(vring_driver_free(&r.driver), 4);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 0);
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 7));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_EQ(chain.n_writable, 1);
}

/* Only what the caller calls memory is: a device's registers, a ROM, a hole are in no region. */
RING_TEST(C024_C056_what_is_in_no_region_is_not_memory_however_high_its_address)
{
    static const uint64_t elsewhere[] = {0, 0xfee00000, 0xc0000000, (UINT64_C(1) << 32) + GUEST,
                                         (UINT64_C(1) << 63) | GUEST};
    static struct ring r;

    for (unsigned i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct vring_segment segment = {elsewhere[i], 16};
        struct vring_chain chain;

        CHECK_OK(ring_start(&r, 4, format->all, 0));
        CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 1, 0, 7));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR); /* on a 32-bit CPU, too: nothing is cut off */
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    }
}

RING_TEST(C160_a_length_that_cannot_be_is_cut_and_told_where_that_is_the_policy)
{
    struct vring_used_buffer used;
    struct vring_snapshot now;
    struct vring_chain chain;
    static struct ring r;

    ring_configure(&r, 4, format->all, 0);
    r.driver_config.used_len = VRING_USED_LEN_REPORT;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    r.device_config.heads[0].writable = 100; /* a device that does not keep its own rules */
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 99));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.len, 16);
    CHECK_EQ(vring_driver_fault(&r.driver).error, VRING_E_PEER_LEN);
    CHECK_EQ(vring_driver_fault(&r.driver).value, 99);
    CHECK_OK(vring_driver_snapshot(&r.driver, &now));
    CHECK_EQ(now.error, 0);
    CHECK_EQ(one_round(&r, 2), 2); /* and the queue lives */
}
