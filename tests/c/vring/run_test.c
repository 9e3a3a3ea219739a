/* SPDX-License-Identifier: MIT */
/*
 * Runs: buffers of one piece that come and go as many at a time, and what a queue with IN_ORDER holds because of where
 * it stands. How long a run is at most is the build's affair: it is at least one buffer.
 */
#include "fixture.h"

enum { MANY = 16 };

static struct ring r;
static struct vring_segment segments[MANY];
static struct vring_chain chain, chains[MANY];
static struct vring_used_buffer used;
static uint32_t n;

/* Buffer i is 16 + i bytes at GUEST + 64 * i. */
static void make_segments(void)
{
    for (uint32_t i = 0; i < MANY; i++)
        segments[i] = (struct vring_segment){GUEST + 64 * i, 16 + i};
}

static int add_run(uint32_t first, uint32_t count, bool writable, uint64_t token)
{
    n = UINT32_MAX;
    return vring_driver_add_avail_run(&r.driver, segments + first, count, writable, token, &n);
}

static int get_run(uint32_t n_iov)
{
    n = UINT32_MAX;
    return vring_device_get_avail_run(&r.device, r.iov, n_iov, &chain, &n);
}

static int used_run(uint32_t capacity)
{
    n = UINT32_MAX;
    return vring_driver_get_used_run(&r.driver, &used, capacity, &n);
}

static void start(VTEST, const struct format *format, uint32_t size, uint64_t features)
{
    make_segments();
    CHECK_OK(ring_start(&r, size, format->plain | features, index_before_wrap(format, size, 3)));
}

/* The driver offers the first count buffers, all to be written, with tokens that count up from this one. */
static void offer(VTEST, uint32_t count, uint64_t token)
{
    CHECK_OK(add_run(0, count, true, token));
    CHECK(vring_driver_publish(&r.driver) >= 0);
}

/* The device takes count buffers one by one, into chains. */
static void take_each(VTEST, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
}

/*
 * The device takes the count buffers from first on, which have been added so, by runs, and uses the last with len
 * bytes.
 */
static void turn(VTEST, uint32_t first, uint32_t count, bool writable, uint32_t len)
{
    for (uint32_t done = 0; done < count; done += n) {
        CHECK_OK(get_run(count - done));
        CHECK(n >= 1 && n <= count - done);
        for (uint32_t i = 0; i < n; i++)
            CHECK(r.iov[i].base == r.guest + 64 * (first + done + i) && r.iov[i].len == 16 + first + done + i);
        CHECK(chain.n_writable == (writable ? 1u : 0u) && chain.n_readable == (writable ? 0u : 1u));
        CHECK(chain.readable + chain.writable == r.iov[n - 1].len && (chain.writable > 0) == writable);
        if (done + n < count)
            CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, (uint32_t)chain.writable));
        else
            CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, len));
    }
    CHECK(vring_device_publish(&r.device) >= 0);
}

/* The driver gets count buffers back, the last of which has this token and length. */
static void comes_back(VTEST, uint32_t count, uint64_t token, uint32_t len)
{
    uint32_t back = 0;

    for (; back < count; back += n)
        CHECK_OK(used_run(count - back));
    CHECK(back == count && used.token == token && used.len == len);
}

/* Nothing depends on where the ring, the ids or the list of what was taken begin again. */
MODERN_RING_TEST(V84_V85_V88_runs_go_round_the_ring)
{
    static const uint32_t sizes[2][2] = {{8, 16}, {7, 16}};

    for (int s = 0; s < 2; s++) {
        uint32_t size = sizes[format == &formats[1]][s];

        for (uint32_t count = 1; count <= size; count++) {
            start(VTEST_PASS, format, size, VRING_F_IN_ORDER);
            for (uint64_t lap = 0; lap < 20; lap++) {
                bool writable = lap & 1;

                CHECK_OK(add_run(0, count, writable, 1000 * lap));
                CHECK_EQ(n, count);
                CHECK_EQ(vring_driver_free(&r.driver), size - count);
                CHECK(vring_driver_publish(&r.driver) >= 0);
                turn(VTEST_PASS, 0, count, writable, writable ? 5 : 0);
                CHECK_EQ(vring_device_in_flight(&r.device), 0);
                comes_back(VTEST_PASS, count, 1000 * lap + count - 1, writable ? 5 : 0);
                CHECK_ERR(used_run(1), VRING_E_EMPTY);
                CHECK_EQ(n, 0);
                CHECK_EQ(vring_driver_free(&r.driver), size);
                CHECK_EQ(vring_driver_in_flight(&r.driver), 0);
            }
        }
    }
}

/* Of a run a device and a driver that know of none see as many buffers, with tokens that count up past 2^64. */
RING_TEST(C088_a_run_is_so_many_buffers)
{
    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++)
        for (int writable = 0; writable < 2; writable++) {
            start(VTEST_PASS, format, 8, in_order ? VRING_F_IN_ORDER : 0);
            CHECK_OK(add_run(0, 3, writable, UINT64_MAX - 1));
            CHECK_EQ(n, 3);
            CHECK_OK(add_run(3, 4, writable, 1));
            CHECK_EQ(n, 4);
            CHECK(vring_driver_publish(&r.driver) >= 0);
            for (uint32_t i = 0; i < 7; i++) {
                CHECK_OK(ring_get_avail(&r, &chain));
                CHECK(r.iov[0].base == r.guest + 64 * i && r.iov[0].len == 16 + i);
                CHECK(chain.n_readable == !writable && chain.n_writable == (uint32_t)writable);
                CHECK_OK(vring_device_add_used(&r.device, chain.handle, writable ? i : 0));
            }
            CHECK(vring_device_publish(&r.device) >= 0);
            for (uint64_t i = 0; i < 7; i++) {
                CHECK_OK(vring_driver_get_used(&r.driver, &used));
                CHECK(used.token == UINT64_MAX - 1 + i && used.len == (writable ? i : 0));
            }
        }
}

/* Where buffers come back in any order descriptors do, too: a run takes those that are free, wherever they lie. */
RING_TEST(C088_a_run_takes_what_is_free)
{
    start(VTEST_PASS, format, 8, 0);
    for (uint64_t lap = 0; lap < 40; lap++) {
        uint32_t count = 1 + (uint32_t)lap % 7;

        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 0, 99));
        CHECK_OK(add_run(1, count, lap & 1, 100));
        CHECK_EQ(n, count);
        CHECK(vring_driver_publish(&r.driver) >= 0);
        for (uint32_t i = 0; i <= count; i++) {
            CHECK_OK(ring_get_avail(&r, &chains[i]));
            CHECK(r.iov[0].base == r.guest + 64 * i && r.iov[0].len == 16 + i);
        }
        for (uint32_t i = 0; i <= count; i++) /* 1 0 3 2 ..., so that what is free lies in no order */
            CHECK_OK(vring_device_add_used(&r.device, chains[(i ^ 1) <= count ? i ^ 1 : i].handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        for (uint32_t i = 0; i <= count; i++) {
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK_EQ(used.token, 99 + ((i ^ 1) <= count ? i ^ 1 : i));
        }
        CHECK_EQ(vring_driver_free(&r.driver), 8);
    }
}

RING_TEST(C088_a_run_ends_where_there_is_no_room_and_at_what_is_no_piece)
{
    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++) {
        start(VTEST_PASS, format, 8, in_order ? VRING_F_IN_ORDER : 0);
        CHECK_OK(add_run(0, 0, false, 0));
        CHECK_EQ(n, 0);
        CHECK_OK(add_run(0, 5, false, 0));
        CHECK_OK(add_run(5, 8, false, 5));
        CHECK_EQ(n, 3);
        CHECK_ERR(add_run(8, 1, false, 8), VRING_E_FULL);
        CHECK_EQ(n, 0);
        for (uint64_t token = 8; token-- > 4;) {
            CHECK_OK(vring_driver_abort(&r.driver, &used.token));
            CHECK_EQ(used.token, token);
        }
        segments[1].len = 0;
        segments[3].addr = UINT64_MAX;
        CHECK_ERR(add_run(0, 4, false, 4), VRING_E_LEN);
        CHECK_EQ(n, 1);
        CHECK_ERR(add_run(2, 2, false, 5), VRING_E_ADDR);
        CHECK_EQ(n, 1);
        segments[2] = (struct vring_segment){UINT64_MAX - 15, 16}; /* up to the last byte there is */
        CHECK_OK(add_run(2, 1, false, 6));
        CHECK_EQ(vring_driver_in_flight(&r.driver), 7);
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_ERR(add_run(1, 1, false, 7), VRING_E_LEN); /* of those that nobody staged before, too */
        CHECK_EQ(n, 0);
        CHECK_OK(add_run(0, 1, false, 7));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_ERR(add_run(0, 1, false, 8), VRING_E_FULL);
        CHECK_EQ(vring_driver_in_flight(&r.driver), 8);
        vring_driver_reset(&r.driver);
        for (uint64_t i = 0; i < 8; i++) {
            CHECK_OK(vring_driver_take_unused(&r.driver, &used.token));
            CHECK_EQ(used.token, i);
        }
        CHECK_ERR(vring_driver_take_unused(&r.driver, &used.token), VRING_E_EMPTY);
    }
}

MODERN_RING_TEST(C088_a_run_is_of_one_kind_and_of_single_pieces)
{
    static const struct vring_segment nowhere = {0, 16};

    start(VTEST_PASS, format, 16, VRING_F_IN_ORDER);
    CHECK_OK(add_run(0, 2, false, 0));
    CHECK_OK(add_run(2, 2, true, 2));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments + 4, 1, 2, 4));
    CHECK_OK(vring_driver_add_avail(&r.driver, &nowhere, 0, 1, 5));
    CHECK_OK(add_run(8, 1, true, 6));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    turn(VTEST_PASS, 0, 2, false, 0);
    turn(VTEST_PASS, 2, 2, true, 1);
    CHECK_ERR(get_run(2), VRING_E_ROOM); /* as get_avail of the list */
    CHECK_EQ(n, 0);
    CHECK_OK(get_run(8));
    CHECK(n == 1 && chain.n_readable == 1 && chain.n_writable == 2 && chain.readable == 20 && chain.writable == 43);
    CHECK(r.iov[2].base == r.guest + 64 * 6 && r.iov[2].len == 22);
    CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 43));
    CHECK_ERR(get_run(8), VRING_E_CHAIN_ADDR);
    CHECK(n == 1 && chain.n_readable + chain.n_writable == 0);
    chains[0] = chain;
    CHECK_OK(get_run(8)); /* of which nothing is odd but what lies before it */
    CHECK(n == 1 && chain.writable == 24);
    CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 24));
    CHECK_ERR(vring_device_add_used(&r.device, chains[0].handle, 0), VRING_E_HANDLE);
    CHECK(vring_device_publish(&r.device) >= 0);
    comes_back(VTEST_PASS, 4, 3, 1);
    comes_back(VTEST_PASS, 1, 4, 43);
    comes_back(VTEST_PASS, 1, 5, 0);
    comes_back(VTEST_PASS, 1, 6, 24);
    CHECK_ERR(get_run(8), VRING_E_EMPTY);
}

/* A piece in another region, or one that must not be written, is taken alone and judged as ever. */
MODERN_RING_TEST(C088_a_run_ends_where_memory_is_another)
{
    make_segments();
    segments[1] = (struct vring_segment){READ_ONLY, 8};
    CHECK_OK(ring_start(&r, 8, format->plain | VRING_F_IN_ORDER, 0));
    CHECK_OK(add_run(0, 3, false, 0));
    CHECK_OK(add_run(1, 1, true, 3));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(get_run(8));
        CHECK(n == 1 && r.iov[0].len == segments[i].len && chain.readable == segments[i].len);
    }
    CHECK_ERR(get_run(8), VRING_E_CHAIN_ADDR);
    CHECK_EQ(n, 1);
}

/* A buffer that is walked, for it lies in two regions, stands in the order as any other. */
MODERN_RING_TEST(V84_V88_a_walked_buffer_is_passed_as_any)
{
    make_segments();
    segments[2] = (struct vring_segment){READ_ONLY, 8};
    CHECK_OK(ring_start(&r, 8, format->plain | VRING_F_IN_ORDER, index_before_wrap(format, 8, 3)));
    for (uint64_t lap = 0; lap < 20; lap++) {
        CHECK_OK(add_run(0, 1 + (uint32_t)lap % 2, false, 10 * lap));
        CHECK_OK(vring_driver_add_avail(&r.driver, segments + 1, 3, 1, 10 * lap + 2));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        take_each(VTEST_PASS, 2 + (uint32_t)(lap % 2));
        CHECK_EQ(chains[1 + lap % 2].readable, 17 + 8 + 19);
        CHECK_OK(vring_device_add_used_through(&r.device, chains[1 + lap % 2].handle, 3));
        CHECK(vring_device_publish(&r.device) >= 0);
        comes_back(VTEST_PASS, 2 + (uint32_t)lap % 2, 10 * lap + 2, 3);
        CHECK_EQ(vring_driver_free(&r.driver), 8);
    }
}

MODERN_RING_TEST(C183_a_driver_gets_no_more_of_a_batch_than_it_asks_for)
{
    start(VTEST_PASS, format, 16, VRING_F_IN_ORDER);
    for (uint32_t i = 0; i < 4; i++) /* 1 + 2 + 3 + 1 descriptors */
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, (uint16_t)(i % 3), 1, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    take_each(VTEST_PASS, 4);
    CHECK_OK(vring_device_add_used_through(&r.device, chains[3].handle, 3));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_ERR(used_run(0), VRING_E_ROOM);
    CHECK_EQ(n, 0);
    CHECK_OK(used_run(2));
    CHECK(n == 2 && used.token == 1 && used.len == 17); /* in full: the piece behind the one to be read */
    CHECK_EQ(vring_driver_free(&r.driver), 16 - 4);
    CHECK_EQ(vring_driver_in_flight(&r.driver), 2);
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK(used.token == 2 && used.len == 18);
    CHECK_OK(used_run(9));
    CHECK(n == 1 && used.token == 3 && used.len == 3);
    CHECK_EQ(vring_driver_free(&r.driver), 16);
    CHECK_ERR(used_run(9), VRING_E_EMPTY);
}

RING_TEST(C001_C002_runs_of_nothing_from_nobody)
{
    start(VTEST_PASS, format, 8, format->plain ? VRING_F_IN_ORDER : 0);
    CHECK_ERR(vring_driver_add_avail_run(NULL, segments, 1, true, 0, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_add_avail_run(&r.driver, NULL, 1, true, 0, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_add_avail_run(&r.driver, segments, 1, true, 0, NULL), VRING_E_NULL);
    CHECK_OK(vring_driver_add_avail_run(&r.driver, NULL, 0, true, 0, &n));
    CHECK_ERR(vring_driver_get_used_run(NULL, &used, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_get_used_run(&r.driver, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_get_used_run(&r.driver, &used, 1, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_run(NULL, r.iov, 1, &chain, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_run(&r.device, NULL, 1, &chain, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_run(&r.device, r.iov, 1, NULL, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_run(&r.device, r.iov, 1, &chain, NULL), VRING_E_NULL);
    if (format->plain) {
        offer(VTEST_PASS, 1, 0);
        CHECK_ERR(vring_device_get_avail_run(&r.device, NULL, 0, &chain, &n), VRING_E_ROOM);
    }
    CHECK_OK(ring_start(&r, 8, format->plain, 0));
    CHECK_ERR(get_run(1), VRING_E_FEATURE);
    CHECK_EQ(n, 0);
    CHECK_ERR(used_run(1), VRING_E_FEATURE);
    CHECK_EQ(n, 0);
    vring_driver_reset(&r.driver);
    vring_device_reset(&r.device);
    CHECK_ERR(add_run(0, 1, true, 0), VRING_E_STATE);
    CHECK_EQ(n, 0);
    CHECK_ERR(get_run(1), VRING_E_STATE);
    CHECK_ERR(used_run(1), VRING_E_STATE);
}

/* What has been passed is not held: its handles are dead, and a snapshot shows nothing there. */
MODERN_RING_TEST(C131_what_was_passed_is_held_no_longer)
{
    struct vring_snapshot_entry entry;
    struct vring_device before;

    start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
    offer(VTEST_PASS, 4, 0);
    take_each(VTEST_PASS, 4);
    CHECK_OK(vring_device_add_used_through(&r.device, chains[2].handle, 18));
    before = r.device;
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_ERR(vring_device_add_used(&r.device, chains[i].handle, 0), VRING_E_HANDLE);
        CHECK_ERR(vring_device_add_used(&r.device, chains[i].handle, 99), VRING_E_HANDLE);
        CHECK_ERR(vring_device_add_used_through(&r.device, chains[i].handle, 0), VRING_E_HANDLE);
        CHECK_ERR(vring_device_rewind(&r.device, chains[i].handle), VRING_E_HANDLE);
    }
    CHECK(memcmp(&before, &r.device, sizeof before) == 0);
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_OK(vring_device_snapshot_entry(&r.device, i, &entry));
        CHECK_EQ(entry.count, i == (chains[3].handle & 0xffff));
        CHECK_OK(vring_driver_snapshot_entry(&r.driver, i, &entry));
        CHECK_EQ(entry.count, i < 4);
    }
    CHECK_OK(vring_device_rewind(&r.device, chains[3].handle));
    CHECK_ERR(vring_device_rewind(&r.device, chains[2].handle), VRING_E_HANDLE);
    CHECK(vring_device_publish(&r.device) >= 0);
    comes_back(VTEST_PASS, 3, 2, 18);
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_OK(vring_driver_snapshot_entry(&r.driver, i, &entry));
        CHECK_EQ(entry.count, i == 3);
    }
}

/* A ring of eight is filled, taken one by one, and used through its last buffer: the handles in chains are dead. */
static void pass_a_whole_ring(VTEST, const struct format *format)
{
    start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
    offer(VTEST_PASS, 8, 0);
    take_each(VTEST_PASS, 8);
    CHECK_OK(vring_device_add_used_through(&r.device, chains[7].handle, 23));
}

/* Also those of a whole ring that has been passed, by which nothing can be told but that it was. */
MODERN_RING_TEST(C131_handles_of_a_lap_ago_are_dead)
{
    struct vring_used_chain dead;

    pass_a_whole_ring(VTEST_PASS, format);
    for (uint32_t i = 0; i < 8; i++) {
        dead = (struct vring_used_chain){chains[i].handle, 16 + i};
        CHECK_ERR(vring_device_add_used_batch(&r.device, &dead, 1, &n), VRING_E_HANDLE);
        CHECK_EQ(n, 0);
        CHECK_ERR(vring_device_add_used(&r.device, chains[i].handle, 16 + i), VRING_E_HANDLE);
        CHECK_ERR(vring_device_add_used_through(&r.device, chains[i].handle, 16 + i), VRING_E_HANDLE);
        CHECK_ERR(vring_device_rewind(&r.device, chains[i].handle), VRING_E_HANDLE);
    }
    CHECK_EQ(vring_device_in_flight(&r.device), 0);
    CHECK(vring_device_publish(&r.device) >= 0);
    comes_back(VTEST_PASS, 8, 7, 23);
}

/* Use the buffer of this handle, or give it back, by this verb. */
static int give_up(int verb, vring_handle handle, uint32_t len)
{
    struct vring_used_chain one = {handle, len};

    return verb == 0 ? vring_device_add_used_through(&r.device, handle, len)
         : verb == 1 ? vring_device_add_used_batch(&r.device, &one, 1, &n)
         : verb == 2 ? vring_device_add_used(&r.device, handle, len)
                     : vring_device_rewind(&r.device, handle);
}

/* ... and those of a lap ago where a run lies now, of which only the last has a handle that was told. */
MODERN_RING_TEST(C131_a_run_makes_no_handle_of_a_lap_ago_good)
{
    struct vring_snapshot_entry entry;

    for (int verb = 0; verb < 4; verb++)
        for (uint32_t taken = 1; taken <= 8; taken++) {
            pass_a_whole_ring(VTEST_PASS, format);
            CHECK(vring_device_publish(&r.device) >= 0);
            comes_back(VTEST_PASS, 8, 7, 23);
            offer(VTEST_PASS, 8, 8);
            for (uint32_t done = 0; done < taken; done += n)
                CHECK_OK(get_run(taken - done));
            for (uint32_t i = 0; i < 8; i++) {
                CHECK_OK(vring_device_snapshot_entry(&r.device, chains[i].handle & 0xffff, &entry));
                CHECK_EQ(entry.count, i < taken);
                CHECK_ERR(give_up(verb, chains[i].handle, 16 + i), VRING_E_HANDLE);
            }
            CHECK_ERR(vring_device_add_used_through(&r.device, chain.handle, 16 + taken), VRING_E_LEN);
            CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 15 + taken));
            CHECK_EQ(vring_device_in_flight(&r.device), 0);
            CHECK(vring_device_publish(&r.device) >= 0);
            comes_back(VTEST_PASS, taken, 7 + taken, 15 + taken);
        }
}

/* A queue that was reset has no heads: they may be another's, and who has an old handle writes nothing there. */
MODERN_RING_TEST(C131_what_was_passed_is_not_written_down_after_a_reset)
{
    static struct vring_head kept[8];

    for (int verb = 0; verb < 4; verb++) {
        start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
        offer(VTEST_PASS, 3, 0);
        CHECK_OK(get_run(3));
        vring_device_reset(&r.device);
        memset(r.device_config.heads, 0x5a, sizeof kept);
        memcpy(kept, r.device_config.heads, sizeof kept);
        CHECK_ERR(give_up(verb, chain.handle, 0), VRING_E_STATE);
        CHECK(memcmp(kept, r.device_config.heads, sizeof kept) == 0);
    }
}

/* Where one of a run stands another has stood a lap ago, which is not held for that. */
TEST(C131_packed_a_run_stands_where_another_stood)
{
    struct vring_snapshot_entry entry;
    vring_handle gone;

    CHECK_OK(ring_start(&r, 8, formats[1].plain | VRING_F_IN_ORDER, 0));
    raw_entry(desc_at(&r, 0), GUEST, 16, 5, VRING_DESC_AVAIL);
    CHECK_OK(ring_get_avail(&r, &chain));
    gone = chain.handle;
    for (uint32_t i = 1; i <= 8; i++) {
        CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        if (i == 8)
            raw_entry(desc_at(&r, 0), GUEST, 16, 0, VRING_DESC_USED);
        else
            raw_entry(desc_at(&r, i), GUEST, 16, i < 6 ? i - 1 : i, VRING_DESC_AVAIL);
        CHECK_OK(get_run(8));
    }
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_OK(vring_device_snapshot_entry(&r.device, i, &entry));
        CHECK_EQ(entry.count, i == 0);
    }
    CHECK_ERR(vring_device_add_used_through(&r.device, gone, 0), VRING_E_HANDLE);
    CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 0));
}

/*
 * Runs are used one by one, in part or through several, while later ones are held; what was taken last can be given
 * back.
 */
MODERN_RING_TEST(V84_V88_several_runs_are_held)
{
    start(VTEST_PASS, format, 16, VRING_F_IN_ORDER);
    for (uint64_t lap = 0; lap < 60; lap++) {
        uint32_t ends[MANY] = {0}, runs = 0, taken = 0;
        bool writable = lap & 1;

        CHECK_OK(add_run(0, 12, writable, 100 * lap));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        for (; taken < 12; runs++, taken += n) {
            CHECK_OK(get_run(lap % 5 < 12 - taken ? 1 + (uint32_t)lap % 5 : 12 - taken));
            CHECK(r.iov[n - 1].len == 15 + taken + n);
            chains[runs] = chain;
            ends[runs] = taken + n;
        }
        if (lap % 3 == 1) { /* and again, under another handle */
            CHECK_OK(vring_device_rewind(&r.device, chains[runs - 1].handle));
            CHECK_EQ(vring_device_in_flight(&r.device), 11);
            CHECK_OK(get_run(9));
            CHECK(n == 1 && chain.handle != chains[runs - 1].handle && r.iov[0].len == 27);
            chains[runs - 1] = chain;
        }
        for (uint32_t i = lap % 2 ? 0 : runs - 1, before = 0; i < runs; before = ends[i++]) {
            CHECK_ERR(vring_device_add_used_through(&r.device, chains[i].handle, 99), VRING_E_LEN);
            CHECK_OK(vring_device_add_used_through(&r.device, chains[i].handle, writable));
            CHECK_ERR(vring_device_add_used_through(&r.device, chains[i].handle, writable), VRING_E_HANDLE);
            CHECK_EQ(vring_device_in_flight(&r.device), 12 - ends[i]);
            CHECK(vring_device_publish(&r.device) >= 0);
            comes_back(VTEST_PASS, ends[i] - before, 100 * lap + ends[i] - 1, writable);
        }
    }
}

/* One of a run is used before its turn: what lies before it is still found, each with what may be written into it. */
MODERN_RING_TEST(V84_the_last_of_a_run_is_used_first)
{
    start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
    for (uint64_t lap = 0; lap < 20; lap++) {
        offer(VTEST_PASS, 6, 10 * lap);
        for (uint32_t taken = 0; taken < 4; taken += n) {
            CHECK_OK(get_run(4 - taken));
            chains[0] = chain;
        }
        CHECK_OK(vring_device_add_used(&r.device, chains[0].handle, 3));
        CHECK_EQ(vring_device_in_flight(&r.device), 4);
        for (uint32_t taken = 0; taken < 2; taken += n)
            CHECK_OK(get_run(2 - taken));
        CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 5));
        CHECK_EQ(vring_device_in_flight(&r.device), 0);
        CHECK(vring_device_publish(&r.device) >= 0);
        for (uint64_t i = 0; i < 6; i++) {
            CHECK_OK(vring_driver_get_used(&r.driver, &used));
            CHECK(used.token == 10 * lap + i && used.len == (i == 3 ? 3 : i == 5 ? 5 : 16 + i));
        }
    }
}

/* Room for all that is offered does not make one run of it: that is told of as one buffer is. */
MODERN_RING_TEST(C088_a_run_ends_where_its_kind_does)
{
    static const bool writable[] = {false, false, false, true, true, true, false};

    start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
    CHECK_OK(add_run(0, 3, false, 0));
    CHECK_OK(add_run(3, 3, true, 3));
    CHECK_OK(add_run(6, 1, false, 6));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    for (uint32_t done = 0; done < 7; done += n) {
        CHECK_OK(get_run(8));
        CHECK(n >= 1 && n <= 7 - done);
        for (uint32_t i = 0; i < n; i++)
            CHECK(r.iov[i].len == 16 + done + i && writable[done + i] == writable[done]);
        CHECK_EQ(chain.n_writable, writable[done]);
        CHECK_EQ(chain.n_readable, !writable[done]);
    }
}

/* Two buffers are offered, of which the device takes the first, and the second or with it this error, by this verb. */
static void takes_two(VTEST, int verb, int error)
{
    if (verb == 0) {
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_ERR(ring_get_avail(&r, &chain), error);
    } else if (verb == 1) {
        CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 8, chains, 8, &n), error);
        CHECK_EQ(n, error ? 1 : 2);
    } else {
        CHECK(get_run(8) == error || n == 1);
        if (n == 1)
            CHECK_ERR(get_run(8), error);
    }
    CHECK_EQ(vring_device_fault(&r.device).error, error);
}

/* By whatever verb a device takes it: a head that it holds is not offered again, and one that it has passed may be. */
TEST(C126_C127_split_a_driver_offers_what_we_hold)
{
    for (int verb = 0; verb < 3; verb++)
        for (uint32_t again = 0; again < 6; again++) { /* 0 and 1 have been passed; 5 is held since the same call */
            int error = again < 2 || again == 4 ? 0 : VRING_E_PEER_ID;

            CHECK_OK(ring_start(&r, 8, features_plain | VRING_F_IN_ORDER, 0));
            for (uint32_t i = 0; i < 4; i++) {
                raw_desc(&r, i, GUEST, 16, 0, 0);
                raw_avail(&r, i);
                CHECK_OK(ring_get_avail(&r, &chains[i]));
            }
            CHECK_OK(vring_device_add_used_through(&r.device, chains[1].handle, 0));
            raw_desc(&r, 4, GUEST, 16, 0, 0);
            raw_desc(&r, 5, GUEST, 16, 0, 0);
            raw_avail(&r, 5);
            raw_avail(&r, again);
            takes_two(VTEST_PASS, verb, error);
        }
}

TEST(C126_packed_a_driver_offers_what_we_hold)
{
    for (int verb = 0; verb < 3; verb++)
        for (uint32_t first = 4; first < 6; first++)      /* the next in turn, or another */
            for (uint32_t again = 0; again < 6; again++) { /* 0, 1: passed; first: held since the same call */
                int error = again < 2 || again == 9 - first ? 0 : VRING_E_PEER_ID;

                CHECK_OK(ring_start(&r, 8, formats[1].plain | VRING_F_IN_ORDER, 0));
                for (uint32_t i = 0; i < 4; i++) {
                    raw_entry(desc_at(&r, i), GUEST, 16, i, VRING_DESC_AVAIL);
                    CHECK_OK(ring_get_avail(&r, &chains[i]));
                }
                CHECK_OK(vring_device_add_used_through(&r.device, chains[1].handle, 0));
                raw_entry(desc_at(&r, 4), GUEST, 16, first, VRING_DESC_AVAIL);
                raw_entry(desc_at(&r, 5), GUEST, 16, again, VRING_DESC_AVAIL);
                takes_two(VTEST_PASS, verb, error);
            }
}

/*
 * Ids that count up are not for that reason those of buffers that are not held: what was taken before them may be one.
 */
TEST(C125_packed_ids_come_round_to_what_we_hold)
{
    static const uint16_t ids[] = {2, 6, 7, 0, 1};

    for (int verb = 0; verb < 3; verb++)
        for (uint32_t passed = 0; passed < 3; passed++) {
            CHECK_OK(ring_start(&r, 8, formats[1].plain | VRING_F_IN_ORDER, 0));
            for (uint32_t i = 0; i < 4; i++) {
                raw_entry(desc_at(&r, i), GUEST, 16, ids[i], VRING_DESC_AVAIL);
                CHECK_OK(verb == 0   ? ring_get_avail(&r, &chain)
                         : verb == 1 ? vring_device_get_avail_batch(&r.device, r.iov, 8, &chain, 1, &n)
                                     : get_run(8));
                if (i == 0 && passed == 1)
                    CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 0));
            }
            if (passed == 2) /* not, but the last is given back */
                CHECK_OK(vring_device_rewind(&r.device, chain.handle));
            raw_entry(desc_at(&r, 4 - passed / 2), GUEST, 16, ids[4], VRING_DESC_AVAIL);
            raw_entry(desc_at(&r, 5 - passed / 2), GUEST, 16, 2, VRING_DESC_AVAIL);
            takes_two(VTEST_PASS, verb, passed == 1 ? 0 : VRING_E_PEER_ID);
        }
}

/* With a buffer that takes up the last entry that we do not hold a row ends, whatever is offered behind it. */
TEST(C148_packed_a_row_goes_no_further_than_what_we_hold)
{
    for (int verb = 0; verb < 3; verb++) {
        CHECK_OK(ring_start(&r, 8, formats[1].plain | VRING_F_IN_ORDER, 0));
        for (uint32_t i = 0; i < 11; i++) {
            raw_entry(desc_at(&r, i % 8), GUEST, 16, i % 8, i < 8 ? VRING_DESC_AVAIL : VRING_DESC_USED);
            CHECK_OK(verb == 2 ? get_run(8) : ring_get_avail(&r, &chain));
            if (i == 3) {
                CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 0));
                CHECK(vring_device_publish(&r.device) >= 0);
            }
        }
        raw_entry(desc_at(&r, 3), GUEST, 16, 3, VRING_DESC_USED);
        raw_entry(desc_at(&r, 4), GUEST, 16, 4, VRING_DESC_USED);
        takes_two(VTEST_PASS, verb, VRING_E_PEER_LOOP);
    }
}

/* No id is as high as the ring has entries, whatever it follows. */
TEST(C124_packed_ids_do_not_count_up_past_the_ring)
{
    for (int verb = 0; verb < 3; verb++) {
        CHECK_OK(ring_start(&r, 8, formats[1].plain | VRING_F_IN_ORDER, 0));
        raw_entry(desc_at(&r, 0), GUEST, 16, 7, VRING_DESC_AVAIL);
        raw_entry(desc_at(&r, 1), GUEST, 16, 8, VRING_DESC_AVAIL);
        takes_two(VTEST_PASS, verb, VRING_E_PEER_ID);
        CHECK_OK(ring_start(&r, 8, formats[1].plain | VRING_F_IN_ORDER, 0));
        raw_entry(desc_at(&r, 0), GUEST, 16, 9, VRING_DESC_AVAIL);
        CHECK_ERR(verb == 2 ? get_run(8) : ring_get_avail(&r, &chain), VRING_E_PEER_ID);
    }
}

/* A head that has not been offered for just a lap of the index stands where another does: it is not held. */
TEST(C127_split_a_lap_of_the_index_does_not_make_a_head_held)
{
    CHECK_OK(ring_start(&r, 8, features_plain | VRING_F_IN_ORDER, 0));
    for (uint32_t i = 0; i < 8; i++)
        raw_desc(&r, i, GUEST, 16, 0, 0);
    for (uint32_t position = 0; position < 0x10004; position++) {
        raw_avail(&r, position == 1 ? 7 : position % 7);
        CHECK_OK(ring_get_avail(&r, &chain));
        if (position < 0x10000) {
            CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 0));
            CHECK(vring_device_publish(&r.device) >= 0);
        }
    }
    raw_avail(&r, 7); /* while a head taken at position 2^16 + 1 is held */
    CHECK_OK(ring_get_avail(&r, &chain));
}

/* The same of what a device names: a descriptor at which a buffer began just a lap of the index ago. */
TEST(C187_split_a_lap_of_the_index_puts_nothing_in_flight)
{
    CHECK_OK(ring_start(&r, 8, features_plain | VRING_F_IN_ORDER, 0));
    make_segments();
    for (uint32_t position = 0; position < 0x10002; position++) {
        bool one = position < 2;

        CHECK_OK(vring_driver_add_avail(&r.driver, segments, one ? 1 : 2, 0, position));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        if (position < 0x10000) {
            CHECK_OK(ring_get_avail(&r, &chain));
            CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 0));
            CHECK(vring_device_publish(&r.device) >= 0);
            comes_back(VTEST_PASS, 1, position, 0);
        }
    }
    raw_used(&r, 1, 0); /* at position 1 a buffer of one began there */
    raw_used(&r, 1, 0);
    CHECK_ERR(used_run(8), VRING_E_PEER_ID);
}

MODERN_RING_TEST(V88_C187_a_used_run_is_judged_as_a_used_buffer)
{
    start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
    offer(VTEST_PASS, 3, 0);
    if (r.driver.packed) {
        put32(desc_at(&r, 5) + 8, 18);
        put16(desc_at(&r, 5) + 12, 1);
        put16(desc_at(&r, 5) + 14, VRING_DESC_WRITE); /* used, in the second lap: both bits 0 */
    } else {
        put32(used_at(&r, 4 + 8 * 5), 1);
        put32(used_at(&r, 8 + 8 * 5), 18);
        put16(used_at(&r, 2), 65533 + 2);
    }
    for (int again = 0; again < 2; again++) {
        CHECK_ERR(used_run(8), VRING_E_PEER_LEN); /* buffer 1 has 17 bytes */
        CHECK_EQ(n, 0);
    }
    CHECK_EQ(vring_driver_fault(&r.driver).value, 18);
}

/* What is in flight over a restart stands where it stood. */
static void goes_on_after_a_restart(VTEST, const struct format *format, bool by_runs)
{
    static unsigned char state[1024];
    struct vring_device device;
    struct vring_driver driver;
    int bytes;

    start(VTEST_PASS, format, 8, VRING_F_IN_ORDER);
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, 0));
    CHECK_OK(add_run(1, 4, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chains[0]));
    CHECK_OK(vring_device_add_used_through(&r.device, chains[0].handle, 17));
    for (uint32_t i = 1; i < 3; i += by_runs ? n : 1)
        CHECK_OK(by_runs ? get_run(3 - i) : ring_get_avail(&r, &chains[i]));
    CHECK(vring_device_publish(&r.device) >= 0);

    bytes = vring_device_save(&r.device, state, sizeof state);
    if (bytes == VRING_E_FEATURE)
        return; /* a build without restarts */
    CHECK(bytes > 0);
    CHECK_EQ(vring_device_restore(&device, &r.device_config, state, (size_t)bytes), 1);
    r.device = device;
    for (uint32_t i = 1; i < 5; i++) {
        CHECK_OK(get_run(8));
        CHECK(n >= 1 && r.iov[0].len == 16 + i);
        i += n - 1;
    }
    CHECK_OK(vring_device_add_used_through(&r.device, chain.handle, 2));
    CHECK(vring_device_publish(&r.device) >= 0);
    CHECK_EQ(vring_device_in_flight(&r.device), 0);

    bytes = vring_driver_save(&r.driver, state, sizeof state);
    CHECK(bytes > 0);
    CHECK_EQ(vring_driver_restore(&driver, &r.driver_config, state, (size_t)bytes), 1);
    r.driver = driver;
    comes_back(VTEST_PASS, 5, 4, 2);
    CHECK_EQ(vring_driver_free(&r.driver), 8);
    CHECK_OK(add_run(0, 8, false, 0));
    CHECK_EQ(n, 8);
}

MODERN_RING_TEST(V84_V88_runs_go_on_after_a_restart)
{
    goes_on_after_a_restart(VTEST_PASS, format, false);
    goes_on_after_a_restart(VTEST_PASS, format, true);
}

/* A chain that the device has walked stands in the order as one piece does. */
MODERN_RING_TEST(V84_C065_passing_goes_over_lists_and_what_was_rewound)
{
    start(VTEST_PASS, format, 16, VRING_F_IN_ORDER);
    for (uint64_t lap = 0; lap < 40; lap++) {
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, (uint16_t)(lap % 3), 10 * lap));
        CHECK_OK(add_run(0, 1 + lap % 4, false, 10 * lap + 1));
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 0, 2, 10 * lap + 9));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        take_each(VTEST_PASS, 3 + (uint32_t)(lap % 4));
        CHECK_OK(vring_device_rewind(&r.device, chains[2 + lap % 4].handle));
        chains[15] = chains[2 + lap % 4];
        CHECK_OK(ring_get_avail(&r, &chains[2 + lap % 4]));
        CHECK_ERR(vring_device_add_used_through(&r.device, chains[15].handle, 0), VRING_E_HANDLE);
        CHECK_OK(vring_device_add_used_through(&r.device, chains[2 + lap % 4].handle, 4));
        CHECK_EQ(vring_device_in_flight(&r.device), 0);
        CHECK(vring_device_publish(&r.device) >= 0);
        comes_back(VTEST_PASS, 3 + (uint32_t)(lap % 4), 10 * lap + 9, 4);
        CHECK_EQ(vring_driver_free(&r.driver), 16);
    }
}
