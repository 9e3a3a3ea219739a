/* SPDX-License-Identifier: MIT */
/* What a successor may do with what it was left, and what an attempt that failed leaves to the next one. */
#include "restart.h"

/* Where in a state: its header; a driver's record of two descriptors, and a device's; and in either what is judged. */
enum { SAVED_NEXT_AVAIL = 28, SAVED_BATCH = 34, SAVED_BATCH_LEN = 36, SAVED_HEAD = 40, SAVED_RECORD = 20 };
enum { DRIVER_COUNT = SAVED_HEAD + 14, DRIVER_AGE = SAVED_HEAD + 16 };
enum { DEVICE_HEAD = SAVED_HEAD + 4, DEVICE_TAKEN = SAVED_HEAD + 6, DEVICE_USED = SAVED_HEAD + 8, DEVICE_RECORD = 12 };

/* What restore answers to so many bytes of state, whatever was written into them: their checksum is right again. */

static int driver_restores(struct ring *r, int bytes)
{
    seal(state, (size_t)bytes);
    return vring_driver_restore(&r->driver, &r->driver_config, state, (size_t)bytes);
}

static int device_restores(struct ring *r, int bytes)
{
    seal(state, (size_t)bytes);
    return vring_device_restore(&r->device, &r->device_config, state, (size_t)bytes);
}

/* Everything that a device can write to but its heads. */
struct shared {
    unsigned char desc[64], driver_area[16], device_area[64];
    uint64_t region[64];
};

static void keep(const struct ring *r, struct shared *shared)
{
    memset(shared, 0, sizeof *shared);
    memcpy(shared->desc, r->device_config.desc, r->layout.desc_size);
    memcpy(shared->driver_area, r->device_config.driver_area, r->layout.driver_size);
    memcpy(shared->device_area, r->device_config.device_area, r->layout.device_size);
    memcpy(shared->region, region, sizeof shared->region);
}

/* Recovery fails with this, and nothing has changed. */
static bool fails_without_a_trace(struct ring *r, int error)
{
    struct vring_device before, *device = &r->device;
    struct shared left, found;

    memcpy(&before, device, sizeof before);
    keep(r, &left);
    if (vring_device_recover(device, &r->device_config) != error)
        return false;
    keep(r, &found);
    return memcmp(&left, &found, sizeof left) == 0 && memcmp(&before, device, sizeof before) == 0;
}

/*
 * The predecessor stopped when it had told the driver of a buffer, and had not noted that. The ring is another one at
 * first, or the region is no good, and then they are what they should be.
 */
static void recovers_after_failures(VTEST, unsigned which)
{
    struct vring_chain chains[2], again;
    struct vring_used_buffer used;
    static struct ring r;
    unsigned char *avail, *elem;
    uint16_t *header = (uint16_t *)region, idx;

    CHECK_OK(busy(&r, &formats[0], 0, true, chains));
    CHECK_OK(vring_device_add_used(&r.device, chains[which].handle, 16));
    memcpy(&idx, (unsigned char *)r.device_config.device_area + 2, 2);
    CHECK_EQ(get16(&idx), 65535);
    elem = (unsigned char *)r.device_config.device_area;
    put16(elem + 2, 0); /* published, and not noted */
    avail = (unsigned char *)r.device_config.driver_area;

    put16(avail + 2, 10); /* more than there are entries */
    CHECK(fails_without_a_trace(&r, VRING_E_UNFIT));
    put16(avail + 2, 0); /* fewer than are in flight */
    CHECK(fails_without_a_trace(&r, VRING_E_UNFIT));
    put16(avail + 2, 2);
    put16(elem + 2, 9); /* further than a batch can be */
    CHECK(fails_without_a_trace(&r, VRING_E_UNFIT));
    put16(elem + 2, 0);
    idx = header[6];
    header[6] = 4; /* last_batch_head */
    CHECK(fails_without_a_trace(&r, VRING_E_SAVED));
    header[6] = idx;

    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    CHECK_EQ(vring_device_in_flight(&r.device), 1);
    for (vring_handle handle = 0; handle < 4; handle++) /* none has been given out */
        CHECK_ERR(vring_device_add_used(&r.device, handle, 0), VRING_E_HANDLE);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 100 + which);
    CHECK_OK(ring_get_avail(&r, &again));
    CHECK_EQ(again.writable, 17 - which);
    header[6] = 4; /* it has been noted: where that batch began is not asked again */
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    CHECK_EQ(vring_device_in_flight(&r.device), 1);
}

TEST(C222_a_recovery_that_fails_leaves_all_to_the_next_one)
{
    recovers_after_failures(VTEST_PASS, 0);
    recovers_after_failures(VTEST_PASS, 1);
}

TEST(C222_a_recovery_of_a_packed_ring_that_fails_leaves_all_to_the_next_one)
{
    struct vring_chain chains[2];
    static struct ring r;
    uint16_t *header = (uint16_t *)region, kept;

    CHECK_OK(busy(&r, &formats[1], 0, true, chains));
    for (int word = 6; word < 10; word++) { /* free_head, old_free_head, used_idx, old_used_idx: one that counts */
        kept = header[word];
        header[word] = 99;
        if (word == 7 || word == 9)
            CHECK(fails_without_a_trace(&r, VRING_E_SAVED));
        header[word] = kept;
    }
    CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
    CHECK_EQ(vring_device_in_flight(&r.device), 2);
}

/* A queue that the driver breaks as soon as it is set up is there, of the format that it was set up in. */
RING_TEST(C212_a_queue_that_is_broken_while_it_recovers_is_asked_in_its_own_format)
{
    for (int other = 0; other < 3; other++) {
        struct vring_snapshot now;
        static struct ring r;

        if (format->all & VRING_F_RING_PACKED)
            continue; /* nothing that a driver could write breaks a packed ring so early */
        CHECK_OK(ring_start(&r, 4, formats[other].all, 0));
        vring_device_reset(&r.device);
        ring_configure(&r, 4, format->all, 0);
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        memset(region, 0, sizeof region);
        r.device_config.inflight = region;
        r.device_config.inflight_size = vring_inflight_size(4, false);
        put16(avail_at(&r, 2), format->plain & VRING_F_VERSION_1 ? 1000 : 0xe803); /* 1000, as the ring has it */
        CHECK_ERR(vring_device_recover(&r.device, &r.device_config), VRING_E_PEER_INDEX);
        CHECK_EQ(vring_device_fault(&r.device).value, 1000);
        CHECK_OK(vring_device_snapshot(&r.device, &now));
        CHECK(!now.packed && now.size == 4 && now.avail_idx == 1000 && now.error == VRING_E_PEER_INDEX);
    }
}

MODERN_RING_TEST(V102_a_suspended_device_hands_out_again_what_waits_and_nothing_else)
{
    for (int in_order = 0; in_order < 2; in_order++) {
        uint64_t more = VRING_F_SUSPEND | (in_order ? VRING_F_IN_ORDER : 0);
        struct vring_chain chains[3];
        struct vring_used_buffer used;
        static struct ring r;
        uint32_t n = 0;

        CHECK_OK(busy(&r, format, more, true, chains));
        r.device_config.generation = 2;
        CHECK_EQ(vring_device_recover(&r.device, &r.device_config), 1);
        CHECK_EQ(vring_device_suspend(&r.device), 2);
        CHECK_OK(vring_device_peek(&r.device, r.iov, 64, &chains[0]));
        CHECK_OK(ring_get_avail(&r, &chains[0]));
        CHECK_EQ(chains[0].writable, 16);
        CHECK_OK(vring_device_rewind(&r.device, chains[0].handle));
        if (in_order) {
            CHECK_OK(vring_device_get_avail_run(&r.device, r.iov, 64, &chains[0], &n));
            CHECK_EQ(n, 1);
            CHECK_OK(vring_device_rewind(&r.device, chains[0].handle));
        }
        CHECK_OK(vring_device_get_avail_batch(&r.device, r.iov, 64, chains, 3, &n));
        CHECK_EQ(n, 2);
        CHECK_EQ(chains[1].writable, 17);
        CHECK_ERR(ring_get_avail(&r, &chains[2]), VRING_E_STATE);
        CHECK_ERR(vring_device_peek(&r.device, r.iov, 64, &chains[2]), VRING_E_STATE);
        CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 64, &chains[2], 1, &n), VRING_E_STATE);
        CHECK_EQ(n, 0);
        if (in_order)
            CHECK_ERR(vring_device_get_avail_run(&r.device, r.iov, 64, &chains[2], &n), VRING_E_STATE);
        CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 16));
        CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 17));
        CHECK_EQ(vring_device_publish(&r.device), 1);
        CHECK_EQ(vring_device_suspend(&r.device), 0);
        CHECK_EQ(vring_device_resume(&r.device), 1);
        CHECK_OK(ring_get_avail(&r, &chains[2]));
        CHECK_EQ(chains[2].writable, 18);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 100);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 101);
    }
}

/* Also when nothing else is left of the restart, and the device has gone on as any. A packed one has to have IN_ORDER for that. */
MODERN_RING_TEST(C226_what_was_handed_out_again_comes_before_anything_newer_when_it_is_rewound)
{
    for (int in_order = (format->plain & VRING_F_RING_PACKED) != 0; in_order < 2; in_order++) {
        struct vring_chain chains[2], again;
        static struct ring r;
        int bytes;

        CHECK_OK(busy(&r, format, in_order ? VRING_F_IN_ORDER : 0, false, chains));
        bytes = vring_device_save(&r.device, state, sizeof state);
        CHECK(bytes > 0);
        CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
        for (uint32_t i = 0; i < 2; i++) {
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.writable, 16 + i);
        }
        CHECK_EQ(vring_device_publish(&r.device), 1); /* which the predecessor may have owed */
        CHECK_OK(vring_device_publish(&r.device));
        CHECK_OK(vring_device_rewind(&r.device, again.handle));
        for (uint32_t i = 1; i < 3; i++) {
            CHECK_OK(ring_get_avail(&r, &again));
            CHECK_EQ(again.writable, 16 + i);
        }
    }
}

/*
 * Four buffers with IN_ORDER, in lists of so many pieces; all are taken, and the second and the fourth used before their
 * turn. Then the device is saved and restored, twice.
 */
static int restart_with_some_used(struct ring *r, const struct format *format)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 16}};
    struct vring_chain chains[4];
    int error = 0, bytes;

    ring_configure(r, 8, format->plain | VRING_F_IN_ORDER, index_before_wrap(format, 8, 3));
    error = vring_driver_init(&r->driver, &r->driver_config);
    if (!error)
        error = vring_device_init(&r->device, &r->device_config);
    for (uint32_t i = 0; !error && i < 4; i++)
        error = vring_driver_add_avail(&r->driver, segments, i % 2 == 0, 1, i);
    if (!error && vring_driver_publish(&r->driver) < 0)
        error = -1;
    for (int i = 0; !error && i < 4; i++)
        error = ring_get_avail(r, &chains[i]);
    for (int i = 1; !error && i < 4; i += 2)
        error = vring_device_add_used(&r->device, chains[i].handle, (uint32_t)i);
    for (uint16_t life = 1; !error && life < 3; life++) { /* twice: what was passed over is saved again */
        bytes = vring_device_save(&r->device, state, sizeof state);
        r->device_config.generation = (uint16_t)(100 * life);
        error = bytes < 0 ? bytes : vring_device_restore(&r->device, &r->device_config, state, (size_t)bytes) < 0;
    }
    return error;
}

MODERN_RING_TEST(C226_what_was_used_before_a_restart_is_passed_over_by_rewind_too)
{
    for (int look = 0; look < 2; look++) {
        struct vring_used_buffer used;
        struct vring_chain first, third, none;
        static struct ring r;

        CHECK_OK(restart_with_some_used(&r, format));
        CHECK_OK(ring_get_avail(&r, &first));
        CHECK_OK(ring_get_avail(&r, &third));
        if (look)
            CHECK_EQ(ring_get_avail(&r, &none), VRING_E_EMPTY);
        CHECK_ERR(vring_device_rewind(&r.device, first.handle), VRING_E_HANDLE); /* not the last */
        CHECK_OK(vring_device_rewind(&r.device, third.handle));
        CHECK_ERR(vring_device_rewind(&r.device, third.handle), VRING_E_HANDLE);
        CHECK_OK(vring_device_rewind(&r.device, first.handle));
        CHECK_OK(ring_get_avail(&r, &first));
        CHECK_OK(ring_get_avail(&r, &third));
        CHECK_EQ(ring_get_avail(&r, &none), VRING_E_EMPTY);

        /* Used since: it was taken last all the same. */
        CHECK_OK(vring_device_add_used(&r.device, third.handle, 9));
        CHECK_ERR(vring_device_rewind(&r.device, first.handle), VRING_E_HANDLE);
        CHECK_OK(vring_device_add_used(&r.device, first.handle, 8));
        CHECK(vring_device_publish(&r.device) >= 0);
        for (uint32_t i = 0; i < 4; i++) {
            static const uint32_t len[4] = {8, 1, 9, 3};

            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, i);
            CHECK_EQ(used.len, len[i]);
        }
    }
}

MODERN_RING_TEST(V99_a_successor_begins_where_the_state_says_whatever_index_says)
{
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, false, chains));
    bytes = vring_driver_save(&r.driver, state, sizeof state);
    r.driver_config.index = r.device_config.index = 1000;
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
    bytes = vring_device_save(&r.device, state, sizeof state);
    CHECK_EQ(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), 1);
    CHECK_EQ(vring_device_in_flight(&r.device), 2);

    /* For a first start it counts, and entry 1000 is none of four. */
    CHECK_EQ(vring_driver_init(&r.driver, &r.driver_config),
             format->all & VRING_F_RING_PACKED ? VRING_E_SIZE : 0);
    CHECK_EQ(vring_device_init(&r.device, &r.device_config), format->all & VRING_F_RING_PACKED ? VRING_E_SIZE : 0);
}

/* What a batch has announced stays announced, whatever the device says when the successor looks. */
TEST(C213_a_used_index_behind_what_was_announced_is_refused_at_restore)
{
    struct vring_used_buffer used;
    static struct ring r;
    uint32_t n;
    int bytes;

    CHECK_OK(in_a_batch(&r, VRING_USED_LEN_BREAK));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    for (uint16_t idx = 0; idx < 4; idx++) {
        put16(used_at(&r, 2), idx);
        CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), VRING_E_UNFIT);
    }
    put16(used_at(&r, 2), 5);
    put32(used_at(&r, 4 + 8 * 4), 8);
    put32(used_at(&r, 8 + 8 * 4), 3);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 1);
    put16(used_at(&r, 2), 1); /* too late: it has been seen */
    CHECK_OK(vring_driver_get_used_run(&r.driver, &used, 16, &n));
    CHECK_EQ(n, 3);
    CHECK_EQ(used.token, 103);
    CHECK_EQ(used.len, 9);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 104);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_INDEX);
}

/* A used length that no policy but TRUST lets through is none in a state either; nor is a batch where there are none. */
TEST(C215_the_used_length_of_a_batch_is_judged_at_restore)
{
    static const int last = SAVED_HEAD + SAVED_RECORD * 3; /* the record of the buffer that the element named */
    static struct ring r;
    int bytes;

    for (int policy = VRING_USED_LEN_BREAK; policy <= VRING_USED_LEN_TRUST; policy++) {
        CHECK_OK(in_a_batch(&r, (enum vring_used_len_policy)policy));
        bytes = vring_driver_save(&r.driver, state, STATE_MAX);
        CHECK(bytes > last);
        put32(state + SAVED_BATCH_LEN, 16);
        CHECK_EQ(driver_restores(&r, bytes), 1);
        put32(state + SAVED_BATCH_LEN, 17);
        CHECK_EQ(driver_restores(&r, bytes), policy == VRING_USED_LEN_TRUST ? 1 : VRING_E_SAVED);
    }
}

MODERN_RING_TEST(C215_a_batch_is_of_buffers_in_flight_and_of_a_ring_in_order)
{
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    for (int in_order = 0; in_order < 2; in_order++) {
        CHECK_OK(busy(&r, format, in_order ? VRING_F_IN_ORDER : 0, false, chains));
        bytes = vring_driver_save(&r.driver, state, STATE_MAX);
        CHECK(bytes > 0);
        put32(state + SAVED_BATCH_LEN, 3);
        for (uint16_t batch = 0; batch < 5; batch++) {
            put16(state + SAVED_BATCH, batch);
            seal(state, (size_t)bytes);
            if (batch == 0)
                CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
            else if (!in_order || batch > 3)
                CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), VRING_E_SAVED);
        }
        if (in_order && (format->all & VRING_F_RING_PACKED)) { /* the buffer that the batch ends with has 17 to write */
            put16(state + SAVED_BATCH, 2);
            put32(state + SAVED_BATCH_LEN, 17);
            CHECK_EQ(driver_restores(&r, bytes), 1);
            put32(state + SAVED_BATCH_LEN, 18);
            CHECK_ERR(driver_restores(&r, bytes), VRING_E_SAVED);
        }
    }
}

/* With IN_ORDER a buffer begins where the one before it ends: two that have changed places are no state. */
TEST(C214_buffers_in_another_order_than_their_descriptors_are_refused)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 16}};
    static struct ring r;
    int bytes;

    ring_configure(&r, 8, features_plain | VRING_F_IN_ORDER, 0);
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, i));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK_EQ(bytes, SAVED_HEAD + 3 * SAVED_RECORD + 4);
    for (int first = 0; first < 2; first++) { /* positions are the last word before the descriptor behind the head */
        unsigned char *one = state + SAVED_HEAD + SAVED_RECORD * first + 16, *other = one + SAVED_RECORD;
        uint32_t kept = get16(one);

        CHECK_EQ(kept, (uint32_t)first);
        put16(one, get16(other));
        put16(other, kept);
        CHECK_ERR(driver_restores(&r, bytes), VRING_E_SAVED);
        put16(other, get16(one));
        put16(one, kept);
    }
    CHECK_EQ(driver_restores(&r, bytes), 0);
}

MODERN_RING_TEST(C214_a_buffer_of_no_descriptors_is_refused)
{
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, 0, false, chains));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK_EQ(get16(state + DRIVER_COUNT), 1);
    put16(state + DRIVER_COUNT, 0);
    CHECK_ERR(driver_restores(&r, bytes), VRING_E_SAVED);
}

/* One buffer is in flight, and says of itself that another was added behind it. */
TEST(C214_a_packed_buffer_older_than_there_are_buffers_is_refused)
{
    static struct ring r;
    int bytes;

    CHECK_OK(ring_start(&r, 4, formats[1].plain | VRING_F_IN_ORDER, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK_EQ(get16(state + DRIVER_AGE), 1);
    put16(state + DRIVER_AGE, 2);
    CHECK_ERR(driver_restores(&r, bytes), VRING_E_SAVED);
}

/* No entry at all, more than the ring has, the same head twice, and a use that is none. */
MODERN_RING_TEST(C214_heads_that_no_device_holds_are_refused)
{
    for (int lie = 0; lie < 4; lie++) {
        struct vring_chain chains[2];
        static struct ring r;
        int bytes;

        CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, false, chains));
        bytes = vring_device_save(&r.device, state, STATE_MAX);
        CHECK_EQ(get16(state + DEVICE_TAKEN), 1);
        if (lie == 0)
            put16(state + DEVICE_TAKEN, 0);
        else if (lie == 1)
            put16(state + DEVICE_TAKEN, 5);
        else if (lie == 2)
            put16(state + DEVICE_HEAD, get16(state + DEVICE_HEAD + DEVICE_RECORD));
        else
            put16(state + DEVICE_USED, 0xff);
        CHECK_ERR(device_restores(&r, bytes), VRING_E_SAVED);
    }
}

/* What lies between the two places is as much as is in flight. */
MODERN_RING_TEST(C212_C215_a_device_that_took_more_or_less_than_it_holds_is_refused)
{
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, VRING_F_IN_ORDER, false, chains));
    bytes = vring_device_save(&r.device, state, STATE_MAX);
    CHECK(bytes > 0);
    put16(state + SAVED_NEXT_AVAIL, get16(state + SAVED_NEXT_AVAIL) ^ 1);
    CHECK_ERR(device_restores(&r, bytes), VRING_E_SAVED);
}

/* What is in flight is available or used, wherever the device is with it; an empty ring has none of it. */
TEST(C213_a_packed_ring_that_was_begun_anew_is_refused)
{
    struct vring_chain chains[2];
    struct vring_driver other;
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, &formats[1], 0, false, chains));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_OK(vring_driver_init(&other, &r.driver_config));
    CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), VRING_E_UNFIT);
}

RING_TEST(C026_a_device_state_is_not_written_where_it_does_not_fit)
{
    uint64_t more = format->all & VRING_F_RING_PACKED ? VRING_F_IN_ORDER : 0;
    struct vring_chain chains[2];
    static struct ring r;
    int bytes;

    CHECK_OK(busy(&r, format, more, false, chains));
    bytes = vring_device_save(&r.device, NULL, 0);
    CHECK(bytes > 0);
    CHECK_ERR(vring_device_save(&r.device, state, (size_t)bytes - 1), VRING_E_ROOM);
    CHECK_EQ(vring_device_save(&r.device, state, (size_t)bytes), bytes);
}

/* ---------------------------------------------------------------------------------------- a driver that goes on --- */

RING_TEST(C004_V97_a_ring_of_one_entry_that_is_in_flight_goes_on)
{
    static struct ring r;
    int bytes;

    CHECK_OK(ring_start(&r, 1, format->plain, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 7));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 1);
}

/* The second of three is with the device still: the two beside it are free, and what is added does not touch it. */
RING_TEST(V97_a_restored_driver_adds_around_what_is_in_flight)
{
    struct vring_used_buffer used;
    struct vring_chain chains[3];
    static struct ring r;
    int bytes;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 64 * i, 16, true, 100 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
    for (int i = 0; i < 3; i += 2)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 1));
    CHECK(vring_device_publish(&r.device) >= 0);
    for (int i = 0; i < 2; i++)
        CHECK_OK(vring_driver_get_used(&r.driver, &used));

    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 64 * i, 16, true, 200 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 1));
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(ring_get_avail(&r, &chains[0]));
        CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 1));
    }
    CHECK(vring_device_publish(&r.device) >= 0);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i == 0 ? 101 : 199 + i);
    }
}

/* All descriptors of each come back with it, however often: none is lost, and none is twice in the free list. */
RING_TEST(V97_lists_in_flight_give_their_descriptors_back_after_a_restart)
{
    for (uint16_t writable = 1; writable < 3; writable++) {
        struct vring_segment segments[3] = {{GUEST, 16}, {GUEST + 64, 16}, {GUEST + 128, 16}};
        struct vring_used_buffer used;
        struct vring_chain chain;
        static struct ring r;
        int bytes;

        CHECK_OK(ring_start(&r, 8, format->plain, 0));
        for (uint64_t i = 0; i < 2; i++)
            CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, writable, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        bytes = vring_driver_save(&r.driver, state, STATE_MAX);
        CHECK(bytes > 0);
        CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
        for (uint64_t i = 0; i < 20; i++) {
            CHECK_OK(ring_get_avail(&r, &chain));
            CHECK_EQ(chain.n_readable, 1);
            CHECK_EQ(chain.n_writable, writable);
            CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
            CHECK(vring_device_publish(&r.device) >= 0);
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, i);
            CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, writable, i + 2));
            CHECK(vring_driver_publish(&r.driver) >= 0);
        }
    }
}

/* The last of the batch is not used in full, and it is the last of all: the batch is all that is in flight. */
MODERN_RING_TEST(V87_V97_the_rest_of_a_batch_keeps_its_length_over_a_restart)
{
    struct vring_used_buffer used;
    struct vring_chain chains[3];
    static struct ring r;
    int bytes;

    CHECK_OK(ring_start(&r, 4, format->plain | VRING_F_IN_ORDER, 0));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 0, 16, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
    CHECK_OK(vring_device_add_used_through(&r.device, chains[2].handle, 9));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 0);

    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 1);
    for (uint32_t i = 1; i < 3; i++) {
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i);
        CHECK_EQ(used.len, i == 2 ? 9 : 16);
    }
}

/* The youngest has the place of the first, which came back: what tells the order is when each was added. */
RING_TEST(V97_C181_a_restored_driver_gives_unused_tokens_back_oldest_first)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    static struct ring r;
    uint64_t token;
    int bytes;

    CHECK_OK(ring_start(&r, 4, format->plain, 0));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 0, 16, true, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_OK(ring_add(&r, 0, 16, true, 3));
    CHECK(vring_driver_publish(&r.driver) >= 0);

    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 0);
    vring_driver_reset(&r.driver);
    for (uint64_t i = 1; i < 4; i++) {
        CHECK_OK(vring_driver_take_unused(&r.driver, &token));
        CHECK_EQ(token, i);
    }
    CHECK_ERR(vring_driver_take_unused(&r.driver, &token), VRING_E_EMPTY);
}
