/* SPDX-License-Identifier: MIT */
/*
 * A queue that goes on after a restart: from its state as bytes, or from the inflight region of a predecessor that
 * died.
 */
#include "restart.h"

static bool packed_and_not_in_order(const struct format *format, uint64_t more)
{
    return (format->all & VRING_F_RING_PACKED) && !(more & VRING_F_IN_ORDER);
}

RING_TEST(V52_V97_V99_C216_a_restored_driver_gets_back_what_its_predecessor_gave)
{
    struct vring_used_buffer used;
    struct vring_chain chains[2];
    static struct ring r;
    struct vring_slot slots[4];
    struct vring_driver successor;
    int bytes;

    CHECK_OK(busy(&r, format, 0, false, chains));
    bytes = vring_driver_save(&r.driver, NULL, 0);
    CHECK(bytes > 0 && bytes <= STATE_MAX);
    CHECK_ERR(vring_driver_save(&r.driver, state, (size_t)bytes - 1), VRING_E_ROOM);
    CHECK_EQ(vring_driver_save(&r.driver, state, STATE_MAX), bytes);

    /* The device goes on meanwhile: one buffer is used before the successor is there. */
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 17));
    CHECK(vring_device_publish(&r.device) >= 0);
    memset(&r.driver, 0xee, sizeof r.driver);
    memset(r.driver_config.slots, 0xee, 4 * sizeof *slots);
    r.driver_config.slots = slots;
    CHECK_EQ(vring_driver_restore(&successor, &r.driver_config, state, (size_t)bytes), 1);
    CHECK_EQ(vring_driver_in_flight(&successor), 3);
    CHECK_EQ(vring_driver_free(&successor), 1);
    CHECK_EQ(vring_driver_publish(&successor), 1); /* nobody knows whether the device was notified */
    CHECK_EQ(vring_driver_publish(&successor), 0);
    CHECK_OK(vring_driver_get_used(&successor, &used));
    CHECK_EQ(used.token, 101);
    CHECK_EQ(used.len, 17);
    CHECK_EQ(vring_driver_get_used(&successor, &used), VRING_E_EMPTY);

    /* And both go on, over the wrap. */
    r.driver = successor;
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 16));
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t token = i < 2 ? (i == 0 ? 100 : 102) : 200 + i - 2;

        CHECK_OK(ring_add(&r, 0, 16, true, 200 + i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chains[0]));
        if (i == 0)
            CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, token);
        CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 16));
        CHECK(vring_device_publish(&r.device) >= 0);
    }
}

/* One buffer more, there and back. What the two sides answer to publish is told. */
static int once_round(struct ring *r, int *driver_must, int *device_must)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    int error = ring_add(r, 0, 16, true, 7);

    *driver_must = vring_driver_publish(&r->driver);
    if (!error)
        error = ring_get_avail(r, &chain);
    if (!error)
        error = vring_device_add_used(&r->device, chain.handle, 16);
    *device_must = vring_device_publish(&r->device);
    return error ? error : vring_driver_get_used(&r->driver, &used);
}

RING_TEST(V99_C216_what_may_be_owed_is_told_with_the_first_batch_if_not_before)
{
    int bytes, driver_must, device_must;
    static struct ring r;

    for (int which = 0; which < 2; which++) {
        CHECK_OK(ring_start(&r, 4, format->plain, index_before_wrap(format, 4, 2)));
        if (which == 0) {
            bytes = vring_driver_save(&r.driver, state, STATE_MAX);
            CHECK(bytes > 0 && vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes) == 0);
        } else {
            bytes = vring_device_save(&r.device, state, STATE_MAX);
            CHECK(bytes > 0 && vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes) == 0);
        }
        /* Neither side wishes to be notified. */
        CHECK_OK(vring_driver_disable_notify(&r.driver));
        CHECK_OK(vring_device_disable_notify(&r.device));
        for (int round = 0; round < 4; round++) {
            CHECK_OK(once_round(&r, &driver_must, &device_must));
            CHECK_EQ(driver_must, which == 0 && round == 0);
            CHECK_EQ(device_must, which == 1 && round == 0);
        }
    }
}

RING_TEST(V52_V93_V97_V98_V99_V101_C216_a_restored_device_is_handed_again_what_was_in_flight)
{
    for (int in_order = 0; in_order < 2; in_order++) {
        uint64_t more = in_order ? VRING_F_IN_ORDER : 0;
        struct vring_chain chains[2], again, seen;
        struct vring_used_buffer used;
        static struct ring r;
        struct vring_head heads[4];
        int bytes;

        if ((in_order && !(format->all & VRING_F_VERSION_1)) || packed_and_not_in_order(format, more))
            continue;
        CHECK_OK(busy(&r, format, more, false, chains));
        bytes = vring_device_save(&r.device, state, STATE_MAX);
        CHECK(bytes > 0);
        memset(&r.device, 0xee, sizeof r.device);
        memset(r.device_config.heads, 0xee, 4 * sizeof *heads);
        r.device_config.heads = heads;
        r.device_config.generation = 500;
        CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
        CHECK_EQ(vring_device_in_flight(&r.device), 2);
        CHECK_EQ(vring_device_publish(&r.device), 1); /* nobody knows whether the driver was notified */
        CHECK_EQ(vring_device_publish(&r.device), 0);
        CHECK_EQ(vring_device_enable_notify(&r.device), 1);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_ERR(vring_device_add_used(&r.device, chains[i & 1].handle, 1), VRING_E_HANDLE);
            CHECK_OK(vring_device_peek(&r.device, r.iov, 64, &seen));
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_ERR(vring_device_add_used(&r.device, seen.handle, 1), VRING_E_HANDLE);
            CHECK_EQ(again.writable, 16 + i);
            CHECK(r.iov[0].base == r.guest + 64 * i);
            /* A rewound one comes again, before any other. */
            CHECK_OK(vring_device_rewind(&r.device, again.handle));
            CHECK_ERR(vring_device_add_used(&r.device, again.handle, 1), VRING_E_HANDLE);
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.writable, 16 + i);
            CHECK_OK(vring_device_add_used(&r.device, again.handle, 16 + i));
        }
        CHECK_EQ(ring_get_avail(&r, &again), VRING_E_EMPTY);
        CHECK(vring_device_publish(&r.device) >= 0);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, 100 + i);
            CHECK_EQ(used.len, 16 + i);
        }
        CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    }
}

MODERN_RING_TEST(V97_what_in_order_held_back_is_not_in_the_way_of_a_younger_one)
{
    /* A packed queue is not restored to an inflight region. */
    const int runs = format->all & VRING_F_RING_PACKED ? 2 : 4;

    for (int run = 0; run < runs; run++) {
        int finished = 1 + run % 2; /* which one, of three */
        struct vring_chain chains[3], again;
        struct vring_used_buffer used;
        static struct ring r;
        int bytes;

        CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, run >= 2, chains));
        CHECK_OK(ring_get_avail(&r, &chains[2]));
        CHECK_OK(vring_device_add_used(&r.device, chains[finished].handle, 5));
        bytes = vring_device_save(&r.device, state, STATE_MAX);
        CHECK(bytes > 0);
        CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
        for (int i = 0; i < 3; i++) {
            if (i == finished)
                continue;
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.writable, 16u + (unsigned)i);
            CHECK_OK(vring_device_add_used(&r.device, again.handle, 1));
        }
        CHECK_EQ(ring_get_avail(&r, &again), VRING_E_EMPTY);
        CHECK_EQ(vring_device_publish(&r.device), 1);
        for (int i = 0; i < 3; i++) {
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, 100u + (unsigned)i);
            CHECK_EQ(used.len, i == finished ? 5u : 1u);
        }
    }
}

/* Then no descriptor is free, but with IN_ORDER the next one to be is known. */
MODERN_RING_TEST(V97_V99_a_full_ring_goes_on_where_it_was)
{
    struct vring_chain chains[2], next;
    struct vring_used_buffer used;
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, false, chains));
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 1));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    for (uint32_t i = 3; i < 5; i++)
        CHECK_OK(ring_add(&r, 64 * i, 16 + i, true, 100 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_EQ(vring_driver_free(&r.driver), 0);

    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 1));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 101);
    CHECK_OK(ring_add(&r, 64 * 5, 16 + 5, true, 105));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (uint32_t i = 2; i < 6; i++) {
        CHECK_OK(ring_get_avail(&r, &next));
        CHECK_EQ(next.writable, 16 + i);
        CHECK(r.iov[0].base == r.guest + 64 * i);
    }
}

MODERN_RING_TEST(V97_what_in_order_held_back_keeps_its_length_over_a_restart)
{
    struct vring_chain chains[2], again;
    struct vring_used_buffer used;
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, false, chains));
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 5));
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 16);
    CHECK_OK(vring_device_rewind(&r.device, again.handle));
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 16);
    CHECK_OK(vring_device_add_used(&r.device, again.handle, 16));
    CHECK_OK(ring_get_avail(&r, &again)); /* the second is not handed out again: it has been done */
    CHECK_EQ(again.writable, 18);
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 100);
    CHECK_EQ(used.len, 16);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 101);
    CHECK_EQ(used.len, 5);
}

/* Buffers older than a lap of the ring: the available ring no longer names them. */
TEST(C226_a_split_device_hands_out_again_in_the_order_of_taking)
{
    struct vring_chain first, second, again;
    struct vring_used_buffer used;
    static struct ring r;
    int bytes;

    CHECK_OK(ring_start(&r, 4, features_all, 65534));
    CHECK_OK(ring_add(&r, 0, 9, true, 0)); /* head 0, to be free for a younger one */
    CHECK_OK(ring_add(&r, 0, 10, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &second));
    CHECK_OK(ring_get_avail(&r, &first));
    CHECK_OK(vring_device_add_used(&r.device, second.handle, 0));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    for (uint32_t i = 0; i < 9; i++) {
        CHECK_OK(ring_add(&r, 64, 20 + i, true, 2 + i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &second));
        if (i == 8)
            break;
        CHECK_OK(vring_device_add_used(&r.device, second.handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 10);
    /* Saved in the midst of it: one has been handed out again, one has not. */
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 10);
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 28);
    CHECK_EQ(ring_get_avail(&r, &again), VRING_E_EMPTY);
}

RING_TEST(C217_C218_a_state_that_is_not_whole_is_refused_and_nothing_changes)
{
    struct vring_chain chains[2];
    static struct ring r;
    static struct vring_driver driver, before;
    static struct vring_device device, device_before;
    uint64_t more = packed_and_not_in_order(format, 0) ? VRING_F_IN_ORDER : 0;
    int sides[2];

    CHECK_OK(busy(&r, format, more, false, chains));
    sides[0] = vring_driver_save(&r.driver, state, STATE_MAX);
    memset(&driver, 0x5a, sizeof driver);
    memset(&device, 0x5a, sizeof device);
    before = driver;
    device_before = device;
    for (int side = 0; side < 2; side++) {
        size_t bytes = (size_t)sides[side];

        for (size_t cut = 0; cut < bytes; cut++)
            CHECK_ERR(side ? vring_device_restore(&device, &r.device_config, state, cut)
                           : vring_driver_restore(&driver, &r.driver_config, state, cut), VRING_E_SAVED);
        state[bytes] = 0;
        CHECK_ERR(side ? vring_device_restore(&device, &r.device_config, state, bytes + 1)
                       : vring_driver_restore(&driver, &r.driver_config, state, bytes + 1), VRING_E_SAVED);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            state[bit / 8] ^= (unsigned char)(1 << bit % 8);
            CHECK_ERR(side ? vring_device_restore(&device, &r.device_config, state, bytes)
                           : vring_driver_restore(&driver, &r.driver_config, state, bytes), VRING_E_SAVED);
            state[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        /* The other side's, another size, other features. */
        CHECK_ERR(side ? vring_driver_restore(&driver, &r.driver_config, state, bytes)
                       : vring_device_restore(&device, &r.device_config, state, bytes), VRING_E_UNFIT);
        r.driver_config.index = r.device_config.index = 0;
        r.driver_config.size = r.device_config.size = 2;
        CHECK_ERR(side ? vring_device_restore(&device, &r.device_config, state, bytes)
                       : vring_driver_restore(&driver, &r.driver_config, state, bytes), VRING_E_UNFIT);
        r.driver_config.size = r.device_config.size = 4;
        r.driver_config.features ^= VRING_F_EVENT_IDX;
        r.device_config.features ^= VRING_F_EVENT_IDX;
        CHECK_ERR(side ? vring_device_restore(&device, &r.device_config, state, bytes)
                       : vring_driver_restore(&driver, &r.driver_config, state, bytes), VRING_E_UNFIT);
        r.driver_config.features ^= VRING_F_EVENT_IDX;
        r.device_config.features ^= VRING_F_EVENT_IDX;
        CHECK(memcmp(&driver, &before, sizeof driver) == 0);
        CHECK(memcmp(&device, &device_before, sizeof device) == 0);
        if (side == 0)
            sides[1] = vring_device_save(&r.device, state, STATE_MAX);
    }
}

/*
 * With IN_ORDER free descriptors end where the oldest buffer starts: beginning anywhere else, one is free and in
 * flight.
 */
MODERN_RING_TEST(C214_a_free_list_that_starts_elsewhere_is_refused)
{
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    if (format->all & VRING_F_RING_PACKED)
        return; /* its state has no such word */
    CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, false, chains));
    CHECK_OK(ring_add(&r, 64 * 3, 16, true, 103));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    for (uint16_t head = 8; head < 9; head--) { /* from 4 on it is none, and modulo 4 one */
        put16(state + 32, head);
        seal(state, (size_t)bytes);
        CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes),
                 head == 0 ? 0 : VRING_E_SAVED);
    }
}

/*
 * Every 16-bit word of a state gets every hostile value, under a checksum that fits: what is accepted goes on without
 * an access outside, and ends; most is refused.
 */
RING_TEST(C212_C213_C214_C215_C217_C218_lies_in_a_state_under_a_right_checksum)
{
    static const uint16_t values[] = {0, 1, 2, 3, 4, 5, 7, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff};
    unsigned refused = 0, accepted = 0;

    for (int side = 0; side < 2; side++) {
        uint64_t more = packed_and_not_in_order(format, 0) ? VRING_F_IN_ORDER : 0;
        static unsigned char whole[STATE_MAX];
        struct vring_chain chains[2];
        static struct ring r;
        int bytes;

        CHECK_OK(busy(&r, format, more, false, chains));
        bytes = side ? vring_device_save(&r.device, whole, STATE_MAX) : vring_driver_save(&r.driver, whole, STATE_MAX);
        CHECK(bytes > 0);
        for (size_t at = 24; at + 2 <= (size_t)bytes - 4; at += 2)
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                unsigned char *exact; /* so that a sanitizer sees what is read behind it */
                int answer;

                CHECK_OK(busy(&r, format, more, false, chains));
                exact = (unsigned char *)fixture_alloc((size_t)bytes);
                memcpy(exact, whole, (size_t)bytes);
                put16(exact + at, values[v]);
                seal(exact, (size_t)bytes);
                answer = side ? vring_device_restore(&r.device, &r.device_config, exact, (size_t)bytes)
                              : vring_driver_restore(&r.driver, &r.driver_config, exact, (size_t)bytes);
                if (answer < 0) {
                    CHECK(answer == VRING_E_SAVED || answer == VRING_E_UNFIT);
                    refused++;
                    continue;
                }
                accepted++;
                for (int i = 0; i < 8; i++) {
                    struct vring_used_buffer used;

                    if (side) {
                        if (ring_get_avail(&r, &chains[0]) == 0)
                            (void)vring_device_add_used(&r.device, chains[0].handle, 1);
                        (void)vring_device_publish(&r.device);
                    } else {
                        (void)ring_add(&r, 0, 1, true, 1);
                        (void)vring_driver_publish(&r.driver);
                        (void)vring_driver_get_used(&r.driver, &used);
                    }
                }
            }
    }
    CHECK(refused > 100);
    CHECK(accepted > 10); /* tokens and lengths are the caller's own, and some words are as they were */
}

RING_TEST(C218_a_configuration_that_init_refuses_is_refused_with_any_state)
{
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, packed_and_not_in_order(format, 0) ? VRING_F_IN_ORDER : 0, false, chains));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    r.driver_config.slot_count = 3;
    CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), VRING_E_SIZE);
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    r.device_config.head_count = 3;
    CHECK_ERR(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), VRING_E_SIZE);
}

RING_TEST(C213_a_ring_that_has_moved_since_is_refused)
{
    uint64_t more = packed_and_not_in_order(format, 0) ? VRING_F_IN_ORDER : 0;
    struct vring_chain chains[2];
    static struct ring r;
    struct vring_device other;
    static struct vring_driver second;
    int bytes;

    /* The driver's state is from before it published once more. */
    CHECK_OK(busy(&r, format, more, false, chains));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_OK(ring_add(&r, 0, 1, true, 4));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_ERR(vring_driver_restore(&second, &r.driver_config, state, (size_t)bytes), VRING_E_UNFIT);

    /* The device's is from before it published. */
    CHECK_OK(busy(&r, format, more, false, chains));
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 1));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_ERR(vring_device_restore(&other, &r.device_config, state, (size_t)bytes), VRING_E_UNFIT);
}

RING_TEST(C021_what_is_staged_is_not_saved)
{
    struct vring_chain chains[2];
    static struct ring r;

    CHECK_OK(busy(&r, format, 0, false, chains));
    CHECK_OK(ring_add(&r, 0, 1, true, 4));
    CHECK_ERR(vring_driver_save(&r.driver, state, STATE_MAX), VRING_E_STATE);
    CHECK_OK(vring_driver_abort(&r.driver, NULL));
    CHECK(vring_driver_save(&r.driver, state, STATE_MAX) > 0);
    CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 1));
    CHECK_ERR(vring_device_save(&r.device, state, STATE_MAX), VRING_E_STATE);
    CHECK(vring_device_publish(&r.device) >= 0);
    if (packed_and_not_in_order(format, 0)) {
        CHECK_ERR(vring_device_save(&r.device, state, STATE_MAX), VRING_E_STATE);
        CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 1));
        CHECK(vring_device_publish(&r.device) >= 0);
    }
    CHECK(vring_device_save(&r.device, state, STATE_MAX) > 0);
    vring_driver_reset(&r.driver);
    vring_device_reset(&r.device);
    CHECK_ERR(vring_driver_save(&r.driver, state, STATE_MAX), VRING_E_STATE);
    CHECK_ERR(vring_device_save(&r.device, state, STATE_MAX), VRING_E_STATE);
    CHECK_ERR(vring_driver_save(NULL, state, STATE_MAX), VRING_E_NULL);
    CHECK_ERR(vring_device_save(NULL, state, STATE_MAX), VRING_E_NULL);
    CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, NULL, 8), VRING_E_NULL);
    CHECK_ERR(vring_device_restore(&r.device, &r.device_config, NULL, 8), VRING_E_NULL);
    CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_NULL);
}

/* ------------------------------------------------------------------------------------------ the inflight region --- */

TEST(V100_sizes_of_the_region)
{
    CHECK_EQ(vring_inflight_size(0, false), 0);
    CHECK_EQ(vring_inflight_size(32769, true), 0);
    CHECK_EQ(vring_inflight_size(100, false), 0);
    CHECK_EQ(vring_inflight_size(128, false), 16 + 128 * 16);
    CHECK_EQ(vring_inflight_size(100, true), 32 + 100 * 32);
}

RING_TEST(C222_a_region_that_does_not_fit_is_refused)
{
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    static struct ring r;

    memset(region, 0, sizeof region);
    ring_configure(&r, 4, format->all, 0);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    r.device_config.inflight = region;
    r.device_config.inflight_size = vring_inflight_size(4, packed) - 1;
    CHECK_ERR(vring_device_init(&r.device, &r.device_config), VRING_E_SIZE);
    CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_SIZE);
    r.device_config.inflight_size++;
    r.device_config.inflight = (unsigned char *)region + 4;
    CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_ALIGN);
    r.device_config.inflight = region;
    CHECK_OK(vring_device_recover(&r.device, &r.device_config)); /* C223: all zero is a first start */
    ((uint16_t *)region)[4] = 2;
    CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_SAVED); /* version */
    ((uint16_t *)region)[4] = 1;
    ((uint16_t *)region)[5] = 8;
    CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_UNFIT); /* desc_num */
    ((uint16_t *)region)[5] = 4;
    region[0] = 1;
    CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_SAVED); /* features */
}

RING_TEST(V100_C223_C225_C226_a_device_recovers_what_its_predecessor_held_in_order)
{
    for (int in_order = 0; in_order < 2; in_order++) {
        struct vring_chain chains[2], again;
        struct vring_used_buffer used;
        static struct ring r;

        if (in_order && !(format->all & VRING_F_VERSION_1))
            continue;
        CHECK_OK(busy(&r, format, in_order ? VRING_F_IN_ORDER : 0, true, chains));
        memset(&r.device, 0xee, sizeof r.device); /* it died; nothing has been used yet (used_idx and batch are 0) */
        r.device_config.generation = 77;
        CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
        CHECK_EQ(vring_device_in_flight(&r.device), 2);
        CHECK_OK(ring_get_avail(&r, &again));
        CHECK_EQ(again.writable, 16);
        CHECK_OK(vring_device_add_used(&r.device, again.handle, 16));
        CHECK(vring_device_publish(&r.device) == 1);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 100);
        /* The next one was used out of turn, and the driver told; then it dies again. */
        CHECK_OK(ring_get_avail(&r, &chains[0]));
        CHECK_EQ(chains[0].writable, 17);
        CHECK_OK(ring_get_avail(&r, &chains[1]));
        CHECK_EQ(chains[1].writable, 18);
        CHECK_OK(vring_device_add_used(&r.device, chains[in_order ? 0 : 1].handle, 3));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
        CHECK_OK(ring_get_avail(&r, &again));
        CHECK_EQ(again.writable, in_order ? 18 : 17);
        CHECK_EQ(r.iov[0].len, again.writable);
        CHECK(r.iov[0].base == r.guest + (in_order ? 128 : 64));
        CHECK_EQ(ring_get_avail(&r, &again), VRING_E_EMPTY);
    }
}

RING_TEST(V100_C226_C227_recovery_over_many_laps_of_chains_used_in_any_order)
{
    for (int in_order = 0; in_order < 2; in_order++) {
        uint32_t size = format->all & VRING_F_RING_PACKED ? 7 : 8, seed = 3;
        uint64_t sent = 0, done = 0, there = 0;
        struct vring_chain held[8];
        unsigned holding = 0;
        static struct ring r;

        if (in_order && !(format->all & VRING_F_VERSION_1))
            continue;
        ring_configure(&r, size, format->all | (in_order ? VRING_F_IN_ORDER : 0), index_before_wrap(format, size, 3));
        memset(region, 0, sizeof region);
        r.device_config.inflight = region;
        r.device_config.inflight_size = vring_inflight_size(size, (format->all & VRING_F_RING_PACKED) != 0);
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        CHECK_OK(vring_device_init(&r.device, &r.device_config));
        for (int round = 0; round < 6000; round++) {
            struct vring_segment segments[3] = {{GUEST, 4}, {GUEST + 16, 4}, {GUEST + 32, 8}};
            struct vring_used_buffer used;

            seed = seed * 1664525 + 1013904223;
            switch (seed >> 29) {
            case 0:
            case 1:
                if (vring_driver_add_avail(&r.driver, segments, (uint16_t)(seed >> 20 & 1),
                                           (uint16_t)(1 + (seed >> 22 & 1)), sent) == 0)
                    there |= UINT64_C(1) << sent++ % 64;
                CHECK(vring_driver_publish(&r.driver) >= 0);
                break;
            case 2:
            case 3:
                if (holding < 8 && ring_get_avail(&r, &held[holding]) == 0)
                    holding++;
                break;
            case 4:
                if (holding > 0) {
                    unsigned pick = (seed >> 8) % holding;

                    CHECK_OK(vring_device_add_used(&r.device, held[pick].handle, (uint32_t)held[pick].writable));
                    held[pick] = held[--holding];
                }
                break;
            case 5:
                CHECK(vring_device_publish(&r.device) >= 0);
                break;
            case 6:
                while (vring_driver_get_used(&r.driver, &used) == 0) {
                    CHECK((there >> used.token % 64 & 1) != 0); /* once, and sent */
                    there &= ~(UINT64_C(1) << used.token % 64);
                    done++;
                }
                CHECK_EQ(vring_driver_fault(&r.driver).error, 0);
                break;
            default: /* it dies, whatever was staged; its successor does it again */
                if (seed >> 16 & 3)
                    break;
                memset(&r.device, 0xee, sizeof r.device);
                holding = 0;
                r.device_config.generation = (uint16_t)round;
                CHECK(vring_device_recover(&r.device, &r.device_config) >= 0);
            }
        }
        CHECK(done > 300);
        CHECK_EQ(done + vring_driver_in_flight(&r.driver), sent);
    }
}

/* Every word of the region gets every hostile value: the successor refuses, or goes on inside its bounds, and ends. */
RING_TEST(C222_lies_in_a_region)
{
    static const uint16_t values[] = {0, 1, 2, 3, 4, 5, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xfffe, 0xffff};
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    size_t words = vring_inflight_size(4, packed) / 2;
    unsigned refused = 0;

    for (size_t at = 0; at < words; at++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            struct vring_chain chains[2];
            static struct ring r;
            int answer;

            CHECK_OK(busy(&r, format, 0, true, chains));
            CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 1));
            CHECK(vring_device_publish(&r.device) >= 0);
            ((uint16_t *)region)[at] = values[v];
            answer = vring_device_recover(&r.device, &r.device_config);
            if (answer < 0) {
                CHECK(answer == VRING_E_SAVED || answer == VRING_E_UNFIT);
                refused++;
                continue;
            }
            for (int i = 0; i < 8; i++) {
                if (ring_get_avail(&r, &chains[0]) == 0)
                    (void)vring_device_add_used(&r.device, chains[0].handle, 1);
                (void)vring_device_publish(&r.device);
            }
            CHECK_EQ(r.driver_config.slots[0].token >= 100, 1);
        }
    CHECK(refused > 20);
}

/* ---------------------------------------------------------------------------------------- a peer that lies then --- */

TEST(C213_a_used_index_that_cannot_be_is_refused_at_restore)
{
    struct vring_chain chains[2];
    static struct ring r;
    struct vring_driver second;
    int bytes;

    CHECK_OK(busy(&r, &formats[0], 0, false, chains));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    put16(used_at(&r, 2), r.driver.as.split.next_used + 4u);
    CHECK_ERR(vring_driver_restore(&second, &r.driver_config, state, (size_t)bytes), VRING_E_UNFIT);
    put16(used_at(&r, 2), r.driver.as.split.next_used - 1u);
    CHECK_ERR(vring_driver_restore(&second, &r.driver_config, state, (size_t)bytes), VRING_E_UNFIT);
}

TEST(C212_an_available_index_that_cannot_be_is_refused_at_restore)
{
    static const uint16_t ahead[] = {0, 1, 5, 0x8000}; /* two are in flight, and the ring has four entries */
    struct vring_chain chains[2];
    static struct ring r;
    struct vring_device second;
    int bytes;

    CHECK_OK(busy(&r, &formats[0], 0, true, chains));
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    CHECK(bytes > 0);
    for (unsigned i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        put16(avail_at(&r, 2), r.device.as.split.next_used + (uint32_t)ahead[i]);
        CHECK_ERR(vring_device_restore(&second, &r.device_config, state, (size_t)bytes), VRING_E_UNFIT);
        CHECK_ERR(vring_device_recover(&second, &r.device_config), VRING_E_UNFIT);
    }
}

/* The driver writes over descriptors that are in flight: they are judged anew, and have to be the same buffer. */
TEST(C150_a_packed_buffer_that_is_another_after_a_restart)
{
    for (int lie = 0; lie < 2; lie++) {
        struct vring_chain chains[2];
        static struct ring r;
        int bytes;

        CHECK_OK(busy(&r, &formats[1], VRING_F_IN_ORDER, false, chains));
        bytes = vring_device_save(&r.device, state, STATE_MAX);
        CHECK(bytes > 0);
        if (lie)
            desc_at(&r, 3)[14] |= VRING_DESC_NEXT; /* it went on before, and does not end where it did */
        else
            put16(desc_at(&r, 3) + 12, 3);
        CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
        CHECK_ERR(ring_get_avail(&r, &chains[0]), lie ? VRING_E_PEER_LOOP : VRING_E_PEER_ID);
    }
}
