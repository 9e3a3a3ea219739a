/* SPDX-License-Identifier: MIT */
/* Several buffers in one call: what is taken or added, what is told, and where it ends. */
#include "fixture.h"

static struct ring r;
static struct vring_chain chains[8];
static struct vring_used_buffer used[8];
static struct vring_avail_buffer offers[8];
static struct vring_used_chain done[8];
static uint32_t n;

static int get_avail(uint32_t n_iov, uint32_t capacity)
{
    n = UINT32_MAX;
    return vring_device_get_avail_batch(&r.device, r.iov, n_iov, chains, capacity, &n);
}

static int get_used(uint32_t capacity)
{
    n = UINT32_MAX;
    return vring_driver_get_used_batch(&r.driver, used, capacity, &n);
}

static const struct vring_segment pieces[] = {{GUEST, 16}, {GUEST + 64, 32}, {GUEST + 128, 8}};

/* Offers of as many pieces as their places here say, the first of which the device reads; tokens count up. */
static int add_avail(uint32_t count, const uint16_t n_pieces[])
{
    for (uint32_t i = 0; i < count; i++)
        offers[i] = (struct vring_avail_buffer){pieces, i, 1, (uint16_t)(n_pieces[i] - 1), NULL};
    n = UINT32_MAX;
    return vring_driver_add_avail_batch(&r.driver, offers, count, &n);
}

/* Uses the first count of chains, each with the length at its place here. */
static int add_used(uint32_t count, const uint32_t lens[])
{
    for (uint32_t i = 0; i < count; i++)
        done[i] = (struct vring_used_chain){chains[i].handle, lens[i]};
    n = UINT32_MAX;
    return vring_device_add_used_batch(&r.device, done, count, &n);
}

/* Buffers of two pieces with the driver's side, tokens 0 to count - 1; the device has seen none. */
static void start(VTEST, const struct format *format, uint64_t features, uint64_t count)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    CHECK_OK(ring_start(&r, 16, format->plain | features, 0));
    for (uint64_t i = 0; i < count; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
}

/* The same, and the device has used them all: buffer i with i bytes. */
static void start_used(VTEST, const struct format *format, uint64_t features, uint32_t count)
{
    start(VTEST_PASS, format, features, count);
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, count);
    for (uint32_t i = 0; i < count; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, i));
    CHECK(vring_device_publish(&r.device) >= 0);
}

RING_TEST(C081_a_device_takes_no_more_than_its_budget)
{
    start(VTEST_PASS, format, 0, 5);
    CHECK_OK(get_avail(64, 3));
    CHECK_EQ(n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(chains[i].n_readable == 1 && chains[i].n_writable == 1);
        CHECK(r.iov[2 * i].base == r.guest && r.iov[2 * i].len == 16);
        CHECK(r.iov[2 * i + 1].base == r.guest + 64 && r.iov[2 * i + 1].len == 32);
    }
    CHECK_EQ(vring_device_in_flight(&r.device), 3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 0));
    CHECK(vring_device_publish(&r.device) >= 0);

    CHECK_OK(get_used(8));
    CHECK_EQ(n, 3);
    for (uint64_t i = 0; i < 3; i++) /* the driver refills as fast as the device takes */
        CHECK_OK(ring_add(&r, 0, 8, true, 10 + i));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 3));
    CHECK_EQ(n, 3);
    CHECK_OK(get_avail(64, 3));
    CHECK_EQ(n, 2);
    CHECK_ERR(get_avail(64, 3), VRING_E_EMPTY);
    CHECK_EQ(n, 0);
}

RING_TEST(C183_a_driver_takes_no_more_than_its_budget)
{
    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++) { /* legacy rings have none */
        start_used(VTEST_PASS, format, in_order ? VRING_F_IN_ORDER : 0, 5);
        CHECK_OK(get_used(3));
        CHECK_EQ(n, 3);
        for (uint32_t i = 0; i < 3; i++)
            CHECK(used[i].token == i && used[i].len == i);
        CHECK_EQ(vring_driver_in_flight(&r.driver), 2);
        CHECK_OK(get_used(3));
        CHECK_EQ(n, 2);
        CHECK(used[0].token == 3 && used[1].token == 4 && used[1].len == 4);
        CHECK_ERR(get_used(3), VRING_E_EMPTY);
        CHECK_EQ(n, 0);
    }
}

RING_TEST(C062_a_batch_ends_where_pieces_do_not_fit)
{
    start(VTEST_PASS, format, 0, 3);
    CHECK_ERR(get_avail(1, 8), VRING_E_ROOM);
    CHECK_EQ(n, 0);
    CHECK(chains[0].n_readable + chains[0].n_writable == 2);
    CHECK_OK(get_avail(5, 8)); /* two and a half */
    CHECK_EQ(n, 2);
    CHECK_OK(get_avail(2, 8));
    CHECK_EQ(n, 1);
    CHECK_ERR(get_avail(64, 0), VRING_E_ROOM);
    CHECK_EQ(n, 0);
    CHECK_ERR(get_used(0), VRING_E_ROOM);
    CHECK_EQ(n, 0);
}

/* With an inflight region, too: a batch is so many calls then. */
RING_TEST(C060_an_unusable_buffer_is_the_last_of_its_batch)
{
    static uint64_t region[128];

    for (int tracks = 0; tracks < 2; tracks++) {
        ring_configure(&r, 16, format->plain, 0);
        memset(region, 0, sizeof region);
        r.device_config.inflight = tracks ? region : NULL;
        r.device_config.inflight_size = sizeof region;
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        CHECK_OK(vring_device_init(&r.device, &r.device_config));
        for (uint64_t i = 0; i < 4; i++)
            CHECK_OK(ring_add(&r, i == 1 ? GUEST_SIZE : 0, 8, true, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_ERR(get_avail(64, 8), VRING_E_CHAIN_ADDR);
        CHECK_EQ(n, 2);
        CHECK_EQ(chains[0].n_writable, 1);
        CHECK_EQ(chains[1].n_writable, 0);
        CHECK_ERR(vring_device_add_used(&r.device, chains[1].handle, 1), VRING_E_LEN);
        CHECK_OK(vring_device_add_used(&r.device, chains[1].handle, 0));
        CHECK_OK(get_avail(64, 8));
        CHECK_EQ(n, 2);
    }
}

RING_TEST(C044_C156_what_was_taken_before_a_queue_broke_is_told)
{
    start(VTEST_PASS, format, 0, 3);
    if (r.device.packed)
        put16(desc_at(&r, 5) + 12, 0); /* the third buffer has the id of the first */
    else
        put16(avail_at(&r, 4 + 2 * 2), 0);
    CHECK_ERR(get_avail(64, 8), VRING_E_PEER_ID);
    CHECK_EQ(n, 2);
    CHECK_ERR(get_avail(64, 8), VRING_E_PEER_ID);
    CHECK_EQ(n, 0);

    start_used(VTEST_PASS, format, 0, 3);
    if (r.device.packed)
        put16(desc_at(&r, 4) + 12, 0);
    else
        put32(used_at(&r, 4 + 8 * 2), 0);
    CHECK_ERR(get_used(8), VRING_E_PEER_ID);
    CHECK_EQ(n, 2);
    CHECK(used[0].token == 0 && used[1].token == 1);
    CHECK_ERR(get_used(8), VRING_E_PEER_ID);
    CHECK_EQ(n, 0);
}

RING_TEST(C001_null_pointers_to_batches)
{
    start(VTEST_PASS, format, 0, 1);
    CHECK_ERR(vring_device_get_avail_batch(NULL, r.iov, 1, chains, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, NULL, 1, chains, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 1, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, r.iov, 1, chains, 1, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_get_avail_batch(&r.device, NULL, 0, chains, 1, &n), VRING_E_ROOM);
    CHECK_ERR(vring_driver_get_used_batch(NULL, used, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_get_used_batch(&r.driver, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_get_used_batch(&r.driver, used, 1, NULL), VRING_E_NULL);
    CHECK_ERR(vring_driver_add_avail_batch(NULL, offers, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_add_avail_batch(&r.driver, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers, 1, NULL), VRING_E_NULL);
    CHECK_ERR(vring_device_add_used_batch(NULL, done, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_add_used_batch(&r.device, NULL, 1, &n), VRING_E_NULL);
    CHECK_ERR(vring_device_add_used_batch(&r.device, done, 1, NULL), VRING_E_NULL);
}

/* A sum of what a verb can change, but for the queues themselves, which have their addresses in them. */
static uint64_t sum_of(uint64_t sum)
{
    const struct vring_driver_config *config = &r.driver_config;
    const struct {
        const void *at;
        size_t size;
    } parts[] = {{config->desc, r.layout.desc_size}, {config->driver_area, r.layout.driver_size},
                 {config->device_area, r.layout.device_size}, {config->slots, config->size * sizeof(struct vring_slot)},
                 {r.device_config.heads, config->size * sizeof(struct vring_head)}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t byte = 0; byte < parts[i].size; byte++)
            sum = (sum ^ ((const unsigned char *)parts[i].at)[byte]) * UINT64_C(0x100000001b3);
    return sum;
}

enum { BUFFERS = 6 };
static const uint16_t n_pieces_of[BUFFERS] = {1, 1, 3, 2, 1, 3};
static const uint32_t len_of[BUFFERS] = {0, 0, 40, 7, 0, 40};

/*
 * Every buffer there and back, by a call for each or for all; to sum comes what each step left. A split driver's buffers come
 * back one by one: of those that come back together it takes the descriptors in another order again.
 */
static void one_lap(VTEST, bool in_batches, uint64_t *sum)
{
    bool back_in_batches = in_batches && (r.driver_config.features & (VRING_F_RING_PACKED | VRING_F_IN_ORDER));
    uint32_t at = 0;

    n = BUFFERS;
    if (in_batches)
        CHECK_OK(add_avail(BUFFERS, n_pieces_of));
    for (uint32_t i = 0; !in_batches && i < BUFFERS; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, pieces, 1, (uint16_t)(n_pieces_of[i] - 1), i));
    *sum = sum_of(*sum);
    CHECK(n == BUFFERS && vring_driver_publish(&r.driver) >= 0);

    if (in_batches)
        CHECK_OK(get_avail(64, 8));
    for (uint32_t i = 0; !in_batches && i < BUFFERS; at += n_pieces_of[i++])
        CHECK_OK(vring_device_get_avail(&r.device, r.iov + at, 64 - at, &chains[i]));
    *sum = sum_of(*sum);
    if (in_batches)
        CHECK_OK(add_used(BUFFERS, len_of));
    for (uint32_t i = 0; !in_batches && i < BUFFERS; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, len_of[i]));
    *sum = sum_of(*sum);
    CHECK(n == BUFFERS && vring_device_publish(&r.device) >= 0);

    if (back_in_batches)
        CHECK_OK(get_used(8));
    for (uint32_t i = 0; !back_in_batches && i < BUFFERS; i++)
        CHECK_OK(vring_driver_get_used(&r.driver, &used[i]));
    CHECK_EQ(n, BUFFERS);
    *sum = sum_of(*sum);
}

static void all_came_and_went(VTEST)
{
    const struct vring_iov *iov = r.iov;

    for (uint32_t i = 0; i < BUFFERS; i++) {
        CHECK(chains[i].n_readable == 1 && chains[i].readable == 16);
        CHECK_EQ(chains[i].n_writable, n_pieces_of[i] - 1u);
        CHECK_EQ(chains[i].writable, n_pieces_of[i] == 1 ? 0 : n_pieces_of[i] == 2 ? 32 : 40);
        for (uint32_t k = 0; k < n_pieces_of[i]; k++, iov++)
            CHECK(iov->base == r.guest + 64 * k && iov->len == pieces[k].len);
        CHECK(used[i].token == i && used[i].len == len_of[i]);
    }
}

/* The same story by one call and by many: not a byte differs, in the rings or in what the sides remember. */
RING_TEST(C088_a_batch_leaves_what_so_many_calls_leave)
{
    for (int mix = 0; mix < (format->plain ? 4 : 2); mix++) {
        uint64_t features = format->plain | (mix & 1 ? VRING_F_EVENT_IDX : 0) | (mix & 2 ? VRING_F_IN_ORDER : 0);
        uint64_t sums[2] = {0, 0};

        CHECK_OK(ring_start(&r, 16, features, index_before_wrap(format, 16, 3)));
        for (int in_batches = 0; in_batches < 2; in_batches++) {
            CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
            CHECK_OK(vring_device_init(&r.device, &r.device_config));
            for (int lap = 0; lap < 7; lap++) {
                one_lap(VTEST_PASS, in_batches, &sums[in_batches]);
                all_came_and_went(VTEST_PASS);
            }
        }
        CHECK(sums[0] == sums[1]);
    }
}

/*
 * What comes back together comes free: in the order in which it came or the other way round, none of it twice, and in front of what
 * was free before. So it does when the device gives it back in another order than it was given, or a part of it.
 */
TEST(C088_descriptors_that_come_back_together_are_taken_again_before_others)
{
    static const uint16_t turns[][BUFFERS] = {{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {3, 0, 5, 1, 4, 2}};

    for (uint32_t mix = 0; mix < 3 * BUFFERS; mix++) {
        const uint16_t *turn = turns[mix % 3];
        uint32_t back = mix / 3 + 1;
        bool up = true, down = true;

        CHECK_OK(ring_start(&r, 16, formats[0].plain, 0));
        CHECK_OK(add_avail(BUFFERS, (const uint16_t[]){1, 1, 1, 1, 1, 1}));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(get_avail(64, BUFFERS));
        for (uint32_t i = 0; i < back; i++)
            CHECK_OK(vring_device_add_used(&r.device, chains[turn[i]].handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(get_used(8));
        CHECK_EQ(n, back);
        CHECK_OK(add_avail(BUFFERS, (const uint16_t[]){1, 1, 1, 1, 1, 1})); /* more than came back: in the end others */
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(get_avail(64, BUFFERS));
        for (uint32_t i = 0; i < BUFFERS; i++) {
            uint32_t head = chains[i].handle & 0xffff;

            up = up && head == (i < back ? turn[i] : i - back + BUFFERS);
            down = down && head == (i < back ? turn[back - 1 - i] : i - back + BUFFERS);
        }
        CHECK(up || down);
        CHECK_EQ(vring_driver_in_flight(&r.driver), 2u * BUFFERS - back);
    }
}

/* One with a table is not one of those before it, whatever its pieces. */
RING_TEST(C088_a_table_in_a_batch_of_pieces_is_written)
{
    static uint64_t memory[4];
    const struct vring_table table = {(void *)((uintptr_t)(memory + 1) / 16 * 16), GUEST + 0x1000, 1};

    CHECK_OK(ring_start(&r, 16, format->all, 0));
    memset(memory, 0, sizeof memory);
    for (uint32_t i = 0; i < 4; i++)
        offers[i] = (struct vring_avail_buffer){pieces, i, 1, 0, i == 2 ? &table : NULL};
    CHECK_OK(vring_driver_add_avail_batch(&r.driver, offers, 4, &n));
    CHECK_EQ(n, 4);
    CHECK(memory[0] + memory[1] + memory[2] + memory[3] != 0);
    memcpy(r.guest + 0x1000, table.memory, 16);
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, 4);
    for (uint32_t i = 0; i < 4; i++)
        CHECK(chains[i].n_readable == 1 && chains[i].readable == 16 && r.iov[i].base == r.guest);
}

/* What a list whose first piece is none takes back is nothing. */
RING_TEST(C088_a_list_that_is_none_leaves_those_before_it)
{
    static const struct vring_segment none[2] = {{GUEST, 0}, {GUEST, 1}};

    start(VTEST_PASS, format, 0, 3);
    CHECK_OK(ring_add(&r, 0, 8, true, 3));
    CHECK_ERR(vring_driver_add_avail(&r.driver, none, 1, 1, 4), VRING_E_LEN);
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, 4);
}

RING_TEST(C088_each_buffer_of_a_batch_is_added_with_the_pieces_that_it_has)
{
    static const uint16_t kinds[8][2] = {{0, 1}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {1, 0}, {0, 1}, {0, 2}};

    CHECK_OK(ring_start(&r, 16, format->plain, 0));
    for (uint32_t i = 0; i < 8; i++)
        offers[i] = (struct vring_avail_buffer){pieces, i, kinds[i][0], kinds[i][1], NULL};
    CHECK_OK(vring_driver_add_avail_batch(&r.driver, offers, 8, &n));
    CHECK(n == 8 && vring_driver_publish(&r.driver) >= 0);
    CHECK_EQ(vring_driver_free(&r.driver), 5);
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, 8);
    for (uint32_t i = 0; i < 8; i++)
        CHECK(chains[i].n_readable == kinds[i][0] && chains[i].n_writable == kinds[i][1]);
}

/* Each is told as what it is, also beside one of the other kind; one without a byte needs no room. */
RING_TEST(C062_a_batch_of_single_pieces_for_the_device_to_read_and_to_write)
{
    static const bool writable[] = {true, true, false, true, false, false};

    CHECK_OK(ring_start(&r, 16, format->plain, 0));
    for (uint32_t i = 0; i < BUFFERS; i++)
        CHECK_OK(ring_add(&r, 8 * i, 8 + i, writable[i], i));
    put32(desc_at(&r, 5) + 8, 0);
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(BUFFERS - 1, 8));
    CHECK_EQ(n, BUFFERS);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        uint32_t piece = i < 5, bytes = i < 5 ? 8 + i : 0;

        CHECK(chains[i].n_readable == (writable[i] ? 0 : piece) && chains[i].n_writable == (writable[i] ? piece : 0));
        CHECK(chains[i].readable == (writable[i] ? 0 : bytes) && chains[i].writable == (writable[i] ? bytes : 0));
        if (piece)
            CHECK(r.iov[i].base == r.guest + 8 * i && r.iov[i].len == bytes);
        CHECK_ERR(vring_device_add_used(&r.device, chains[i].handle, (uint32_t)chains[i].writable + 1), VRING_E_LEN);
    }
}

static const uint16_t ones[BUFFERS + 2] = {1, 1, 1, 1, 1, 1, 1, 1};

/* A batch of these, at most capacity, where a ring of 16 begins again behind before entries: what fits is taken. */
static void ends_where_room_ends(VTEST, const struct format *format, const uint16_t n_pieces[], uint16_t before,
                                 bool tracked, uint32_t n_iov, uint32_t capacity)
{
    static uint64_t region[128];
    uint32_t fits = 0, need = 0;

    ring_configure(&r, 16, format->plain, index_before_wrap(format, 16, before));
    memset(region, 0, sizeof region);
    if (tracked) {
        r.device_config.inflight = region;
        r.device_config.inflight_size = sizeof region;
    }
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(add_avail(BUFFERS, n_pieces));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    while (fits < capacity && need + n_pieces[fits] <= n_iov)
        need += n_pieces[fits++];
    r.iov[n_iov].base = NULL;
    chains[capacity].handle = 0xabcd;
    CHECK_EQ(get_avail(n_iov, capacity), fits > 0 ? 0 : VRING_E_ROOM);
    CHECK_EQ(n, fits);
    CHECK(!r.iov[n_iov].base && chains[capacity].handle == 0xabcd);
    CHECK_EQ(vring_device_in_flight(&r.device), fits);
    CHECK_EQ(get_avail(64, 8), fits < BUFFERS ? 0 : VRING_E_EMPTY);
    CHECK_EQ(n, BUFFERS - fits);
}

RING_TEST(C062_C081_a_batch_of_all_sorts_ends_where_room_or_budget_end)
{
    for (uint16_t before = 0; before < 12; before++)
        for (uint32_t n_iov = 0; n_iov <= 11; n_iov++)
            for (uint32_t capacity = 1; capacity <= BUFFERS; capacity++) {
                ends_where_room_ends(VTEST_PASS, format, n_pieces_of, before, false, n_iov, capacity);
                ends_where_room_ends(VTEST_PASS, format, ones, before, false, n_iov, capacity);
                ends_where_room_ends(VTEST_PASS, format, n_pieces_of, before, format->plain != 0, n_iov, capacity);
            }
}

/* Round the ring in batches of every number: nothing depends on where it begins again. */
RING_TEST(C088_batches_of_single_pieces_go_round_the_ring)
{
    static const uint32_t lens[8] = {0};

    for (int mix = 0; mix < (format->plain ? 4 : 2); mix++)
        for (uint32_t batch = 1; batch <= 8; batch++) {
            CHECK_OK(ring_start(&r, 8, format->plain | (mix & 2 ? VRING_F_IN_ORDER : 0),
                                index_before_wrap(format, 8, mix & 1 ? 3 : 8)));
            for (int round = 0; round < 20; round++) {
                CHECK_OK(add_avail(batch, ones));
                CHECK(n == batch && vring_driver_publish(&r.driver) >= 0);
                CHECK_OK(get_avail(64, 8));
                CHECK_EQ(n, batch);
                CHECK_ERR(get_avail(64, 8), VRING_E_EMPTY);
                CHECK_OK(add_used(batch, lens));
                CHECK(vring_device_publish(&r.device) >= 0);
                CHECK_OK(get_used(8));
                CHECK_EQ(n, batch);
                for (uint32_t i = 0; i < batch; i++)
                    CHECK(used[i].token == i && used[i].len == 0);
                CHECK_EQ(vring_driver_free(&r.driver), 8);
            }
        }
}

/* Of one length, and of lengths that change, wherever the ring ends. */
RING_TEST(C088_batches_of_lists_go_round_the_ring)
{
    static const uint16_t lengths[][4] = {{2, 2, 2, 2}, {3, 3, 1, 1}, {1, 3, 3, 1}, {1, 2, 3, 2}, {2, 1, 1, 3}};
    uint32_t lens[4];

    for (unsigned k = 0; k < sizeof lengths / sizeof *lengths; k++)
        for (uint32_t before = 1; before <= 8; before++) {
            uint32_t entries = 0;

            CHECK_OK(ring_start(&r, 8, format->plain, index_before_wrap(format, 8, before)));
            for (uint32_t i = 0; i < 4; i++) {
                entries += lengths[k][i];
                lens[i] = lengths[k][i] == 1 ? 0 : lengths[k][i] == 2 ? 32 : 40;
            }
            for (int round = 0; round < 9; round++) {
                CHECK_OK(add_avail(4, lengths[k]));
                CHECK(n == 4 && vring_driver_publish(&r.driver) >= 0);
                CHECK_EQ(vring_driver_free(&r.driver), 8 - entries);
                CHECK_OK(get_avail(64, 8));
                CHECK_EQ(n, 4);
                CHECK_OK(add_used(4, lens));
                CHECK(n == 4 && vring_device_publish(&r.device) >= 0);
                CHECK_OK(get_used(3));
                CHECK_EQ(n, 3);
                CHECK_OK(vring_driver_get_used(&r.driver, &used[3]));
                for (uint32_t i = 0; i < 4; i++)
                    CHECK(used[i].token == i && used[i].len == lens[i]);
                CHECK_EQ(vring_driver_free(&r.driver), 8);
            }
        }
}

/* All of them at once, though the ring ends among them. */
RING_TEST(C088_a_batch_of_lists_comes_back_across_the_end_of_the_ring)
{
    static const uint16_t twos[] = {2, 2, 2, 2};
    static const uint32_t lens[] = {0, 1, 2, 3};

    for (uint32_t before = 1; before <= 8; before++) {
        CHECK_OK(ring_start(&r, 8, format->plain, index_before_wrap(format, 8, before)));
        CHECK_OK(add_avail(4, twos));
        CHECK(n == 4 && vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(get_avail(64, 8));
        CHECK_OK(add_used(4, lens));
        CHECK(n == 4 && vring_device_publish(&r.device) >= 0);
        CHECK_OK(get_used(8));
        CHECK_EQ(n, 4);
        CHECK(used[0].token == 0 && used[3].token == 3 && used[3].len == 3);
        CHECK_ERR(get_used(8), VRING_E_EMPTY);
    }
}

/* A driver that offers what the device still holds, to one that takes in batches. */
RING_TEST(C148_a_batch_does_not_take_what_is_held)
{
    CHECK_OK(ring_start(&r, 8, format->plain, 0));
    CHECK_OK(add_avail(8, ones));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 5));
    CHECK_OK(get_avail(64, 5));
    CHECK_EQ(n, 3);
    if (!r.device.packed)
        return; /* a split ring has an index, which says how many there are */
    put16(desc_at(&r, 0) + 14, VRING_DESC_USED); /* available in the next lap */
    CHECK_ERR(get_avail(64, 5), VRING_E_PEER_LOOP);
    CHECK_EQ(n, 0);

    static const uint16_t threes[] = {3, 3};
    static const uint32_t lens[2] = {0};

    CHECK_OK(ring_start(&r, 8, format->plain, 0));
    CHECK_OK(add_avail(2, threes));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 2)); /* six entries, of two ids */
    CHECK_OK(add_avail(2, ones));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 2));
    CHECK_OK(add_used(2, lens));
    CHECK(vring_device_publish(&r.device) >= 0);
    for (uint16_t i = 0; i < 3; i++) { /* and room for two more, of ids that are free */
        put64(desc_at(&r, i), GUEST);
        put32(desc_at(&r, i) + 8, 16);
        put16(desc_at(&r, i) + 12, (uint16_t)(2 + i));
        put16(desc_at(&r, i) + 14, VRING_DESC_USED);
    }
    CHECK_ERR(get_avail(64, 5), VRING_E_PEER_LOOP);
    CHECK_EQ(n, 2);
}

RING_TEST(a_batch_of_single_pieces_is_added_up_to_what_has_no_room)
{
    for (uint16_t before = 0; before < 4; before++) {
        CHECK_OK(ring_start(&r, 4, format->plain, index_before_wrap(format, 4, before)));
        CHECK_OK(add_avail(8, ones));
        CHECK_EQ(n, 4);
        CHECK_EQ(vring_driver_free(&r.driver), 0);
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(get_avail(64, 8));
        CHECK_EQ(n, 4);
    }
}

RING_TEST(a_batch_is_added_up_to_what_has_no_room)
{
    static const uint16_t n_pieces[] = {3, 1, 3, 3, 1};

    CHECK_OK(ring_start(&r, 8, format->plain, 0));
    CHECK_OK(add_avail(5, n_pieces)); /* 7 of 8 descriptors, and then 3 more */
    CHECK_EQ(n, 3);
    CHECK_EQ(vring_driver_free(&r.driver), 1);
    CHECK_ERR(add_avail(1, n_pieces), VRING_E_FULL);
    CHECK_EQ(n, 0);
    CHECK_OK(add_avail(0, n_pieces));
    CHECK_EQ(n, 0);
    CHECK_OK(vring_driver_add_avail_batch(&r.driver, NULL, 0, &n));
    CHECK_EQ(vring_driver_in_flight(&r.driver), 3);
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(get_avail(64, 8));
    CHECK_EQ(n, 3);
}

/* Each slip, in the middle of a batch of which the first buffer is good, and behind which is another. */
RING_TEST(a_batch_is_added_up_to_a_slip_of_the_caller)
{
    static const struct vring_segment empty = {GUEST, 0}, wraps = {UINT64_MAX, 2},
                                      long_ones[] = {{0, UINT32_MAX}, {0, 2}};
    const struct {
        struct vring_avail_buffer buffer;
        int error;
    } slips[] = {
        {{pieces, 1, 0, 0, NULL}, VRING_E_CHAIN},
        {{pieces, 1, UINT16_MAX, UINT16_MAX, NULL}, VRING_E_CHAIN},
        {{pieces, 1, 3, 2, NULL}, VRING_E_CHAIN}, /* of at most four */
        {{NULL, 1, 1, 0, NULL}, VRING_E_NULL},
        {{NULL, 1, 1, 1, NULL}, VRING_E_NULL},
        {{&empty, 1, 1, 0, NULL}, VRING_E_LEN},
        {{&empty, 1, 0, 1, NULL}, VRING_E_LEN},
        {{&wraps, 1, 0, 1, NULL}, VRING_E_ADDR},
        {{long_ones, 1, 1, 1, NULL}, VRING_E_LEN},
    };

    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        uint64_t token = 0;

        ring_configure(&r, 8, format->plain, 0);
        r.driver_config.max_chain = 4;
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        CHECK_OK(vring_device_init(&r.device, &r.device_config));
        offers[0] = offers[2] = (struct vring_avail_buffer){pieces, 7, 1, 1, NULL};
        offers[1] = slips[i].buffer;
        n = UINT32_MAX;
        CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers, 3, &n), slips[i].error);
        CHECK_EQ(n, 1);
        CHECK_EQ(vring_driver_in_flight(&r.driver), 1);
        CHECK_EQ(vring_driver_free(&r.driver), 6);
        CHECK_OK(vring_driver_abort(&r.driver, &token));
        CHECK_EQ(token, 7);
        CHECK_ERR(vring_driver_abort(&r.driver, &token), VRING_E_STATE);
        CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers + 1, 2, &n), slips[i].error);
        CHECK_EQ(n, 0);
        CHECK_OK(vring_driver_add_avail_batch(&r.driver, offers, 1, &n));
        CHECK_EQ(vring_driver_free(&r.driver), 6);
    }
}

RING_TEST(a_batch_has_pieces_that_end_where_the_address_space_does)
{
    static const struct vring_segment last = {UINT64_MAX - 15, 16}, beyond = {UINT64_MAX - 15, 17};

    for (uint16_t n_writable = 0; n_writable < 2; n_writable++) {
        CHECK_OK(ring_start(&r, 8, format->plain, 0));
        for (uint32_t i = 0; i < 4; i++)
            offers[i] = (struct vring_avail_buffer){i == 3 ? &beyond : i == 1 ? &last : pieces, i,
                                                    (uint16_t)(1 - n_writable), n_writable, NULL};
        CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers, 4, &n), VRING_E_ADDR);
        CHECK_EQ(n, 3);
    }
}

/*
 * Stale, doubled, foreign, too long: in the middle of a batch, what is before it is staged and what is behind it is
 * not.
 */
RING_TEST(C065_C131_a_batch_is_used_up_to_a_slip_of_the_caller)
{
    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++)
        for (int slip = 0; slip < 4; slip++) {
            static const uint32_t lens[] = {5, 6, 7};
            vring_handle good;

            start(VTEST_PASS, format, in_order ? VRING_F_IN_ORDER : 0, 3);
            CHECK_OK(get_avail(64, 8));
            good = chains[1].handle;
            if (slip == 0)
                chains[1].handle = chains[0].handle;
            else if (slip == 1)
                chains[1].handle += 0x10000;
            else if (slip == 2)
                chains[1].handle = UINT32_MAX;
            CHECK_ERR(add_used(3, slip < 3 ? lens : (const uint32_t[]){5, 33, 7}),
                      slip < 3 ? VRING_E_HANDLE : VRING_E_LEN);
            CHECK_EQ(n, 1);
            CHECK_EQ(vring_device_in_flight(&r.device), 2);
            chains[0].handle = good;
            chains[1] = chains[2];
            CHECK_OK(add_used(2, lens + 1));
            CHECK_EQ(n, 2);
            CHECK_OK(add_used(0, lens));
            CHECK_EQ(n, 0);
            CHECK_OK(vring_device_add_used_batch(&r.device, NULL, 0, &n));
            CHECK(vring_device_publish(&r.device) >= 0);
            CHECK_OK(get_used(8));
            CHECK_EQ(n, 3);
            for (uint32_t i = 0; i < 3; i++)
                CHECK(used[i].token == i && used[i].len == lens[i]);
        }
}

static VRING_ALIGNAS(16) unsigned char table_memory[4][16 * 3];

/* Buffers of a piece and of three in turn, with a table where with_table has a bit. */
static int add_with_tables(uint32_t count, unsigned with_table)
{
    static struct vring_table tables[4];

    for (uint32_t i = 0; i < count; i++) {
        tables[i] = (struct vring_table){table_memory[i], GUEST + 0x1000 + sizeof table_memory[i] * i, 3};
        offers[i] = (struct vring_avail_buffer){pieces, i, 1, i & 1 ? 2 : 0, with_table >> i & 1 ? &tables[i] : NULL};
    }
    n = UINT32_MAX;
    return vring_driver_add_avail_batch(&r.driver, offers, count, &n);
}

/* Tables in a batch, in any mix with lists: all that add_indirect would have written, in the ring and in the tables. */
RING_TEST(C088_a_batch_with_tables_leaves_what_so_many_calls_leave)
{
    for (unsigned with_table = 0; with_table < 16; with_table++) {
        unsigned char memory[2][sizeof table_memory];
        uint64_t sums[2];

        CHECK_OK(ring_start(&r, 16, format->all, index_before_wrap(format, 16, 3)));
        for (int in_batches = 0; in_batches < 2; in_batches++) {
            CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
            CHECK_OK(vring_device_init(&r.device, &r.device_config));
            memset(table_memory, 0x5a, sizeof table_memory);
            for (uint32_t i = 0; !in_batches && i < 4; i++) {
                struct vring_table table = {table_memory[i], GUEST + 0x1000 + sizeof table_memory[i] * i, 3};

                CHECK_OK(with_table >> i & 1 ? vring_driver_add_indirect(&r.driver, &table, pieces, 1, i & 1 ? 2 : 0, i)
                                             : vring_driver_add_avail(&r.driver, pieces, 1, i & 1 ? 2 : 0, i));
            }
            if (in_batches)
                CHECK_OK(add_with_tables(4, with_table));
            CHECK(vring_driver_publish(&r.driver) >= 0);
            sums[in_batches] = sum_of(0);
            memcpy(memory[in_batches], table_memory, sizeof table_memory);
            memcpy(r.guest + 0x1000, table_memory, sizeof table_memory);
            CHECK_OK(get_avail(64, 8));
            CHECK_EQ(n, 4);
            for (uint32_t i = 0; i < 4; i++)
                CHECK(chains[i].n_readable == 1 && chains[i].n_writable == (i & 1 ? 2 : 0));
        }
        CHECK(sums[0] == sums[1] && memcmp(memory[0], memory[1], sizeof table_memory) == 0);
    }
}

/* Each slip of add_indirect, in the middle of a batch: as about lists. */
RING_TEST(a_batch_is_added_up_to_a_slip_in_a_table)
{
    static const struct vring_segment empty[] = {{GUEST, 1}, {GUEST, 0}};
    static struct vring_table good, bad[] = {{NULL, GUEST, 3}, {table_memory[1] + 8, GUEST, 2},
                                             {table_memory[1], GUEST, 2},
                                             {table_memory[1], UINT64_MAX - 46, 3}};
    const struct {
        struct vring_avail_buffer buffer;
        int error;
    } slips[] = {
        {{pieces, 1, 1, 1, &bad[0]}, VRING_E_NULL},  {{pieces, 1, 1, 1, &bad[1]}, VRING_E_ALIGN},
        {{pieces, 1, 1, 2, &bad[2]}, VRING_E_CHAIN}, {{pieces, 1, 1, 2, &bad[3]}, VRING_E_ADDR},
        {{pieces, 1, 0, 0, &good}, VRING_E_CHAIN},   {{NULL, 1, 1, 0, &good}, VRING_E_NULL},
        {{empty, 1, 1, 1, &good}, VRING_E_LEN},      {{pieces, 1, 3, 2, &good}, VRING_E_CHAIN}, /* of at most four */
    };

    good = (struct vring_table){table_memory[0], GUEST + 0x1000, 3};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        ring_configure(&r, 8, format->all, 0);
        r.driver_config.max_chain = 4;
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
        offers[0] = offers[2] = (struct vring_avail_buffer){pieces, 7, 1, 1, &good};
        offers[1] = slips[i].buffer;
        n = UINT32_MAX;
        CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers, 3, &n), slips[i].error);
        CHECK_EQ(n, 1);
        CHECK_EQ(vring_driver_free(&r.driver), 7);
        CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers + 1, 2, &n), slips[i].error);
        CHECK_EQ(n, 0);
    }
    CHECK_OK(ring_start(&r, 8, format->plain, 0));
    CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers, 1, &n), VRING_E_FEATURE);
    CHECK_OK(ring_start(&r, 2, format->all, 0));
    offers[1] = offers[0];
    CHECK_OK(vring_driver_add_avail_batch(&r.driver, offers, 3, &n)); /* and then there is no room */
    CHECK_EQ(n, 2);
    CHECK_ERR(vring_driver_add_avail_batch(&r.driver, offers, 3, &n), VRING_E_FULL);
}

RING_TEST(batches_of_a_queue_that_is_not_live)
{
    static const uint16_t one_piece[] = {1};
    static const uint32_t lens[] = {0};

    start_used(VTEST_PASS, format, 0, 1);
    put16(r.device.packed ? desc_at(&r, 0) + 12 : used_at(&r, 4), 0xffff);
    CHECK_ERR(get_used(8), VRING_E_PEER_ID);
    CHECK_ERR(add_avail(1, one_piece), VRING_E_PEER_ID);
    CHECK_EQ(n, 0);
    CHECK_ERR(add_avail(0, one_piece), VRING_E_PEER_ID);
    CHECK_EQ(n, 0);
    vring_device_reset(&r.device);
    CHECK_ERR(add_used(1, lens), VRING_E_STATE);
    CHECK_EQ(n, 0);
    CHECK_ERR(add_used(0, lens), VRING_E_STATE);
    CHECK_EQ(n, 0);
}

/* Single pieces, with less room than there are of them: in the ring, in the list of pieces, in what is given back. */
RING_TEST(C036_C062_a_batch_of_pieces_ends_where_there_is_no_room)
{
    static const uint16_t n_pieces[] = {1, 1, 1, 1, 1, 1};
    static const uint32_t lens[] = {0, 0, 0, 0};

    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++) {
        CHECK_OK(ring_start(&r, 4, format->plain | (in_order ? VRING_F_IN_ORDER : 0), 0));
        memset(r.iov, 0x5a, sizeof r.iov);
        CHECK_OK(add_avail(6, n_pieces));
        CHECK_EQ(n, 4);
        CHECK_EQ(vring_driver_free(&r.driver), 0);
        CHECK_ERR(add_avail(6, n_pieces), VRING_E_FULL);
        CHECK_EQ(n, 0);
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(get_avail(3, 8));
        CHECK_EQ(n, 3);
        CHECK_EQ(((unsigned char *)&r.iov[3])[0], 0x5a);
        CHECK_ERR(get_avail(0, 8), VRING_E_ROOM);
        CHECK_EQ(n, 0);
        CHECK_OK(vring_device_get_avail(&r.device, r.iov, 1, &chains[3]));
        for (uint32_t i = 0; i < 4; i++)
            done[i] = (struct vring_used_chain){chains[i].handle, 0};
        /* Two more follow in the array, and are not meant. */
        CHECK_OK(vring_device_add_used_batch(&r.device, done, 2, &n));
        CHECK_EQ(n, 2);
        CHECK_EQ(vring_device_in_flight(&r.device), 2);
        chains[0] = chains[2];
        chains[1] = chains[3];
        CHECK_OK(add_used(2, lens));
        CHECK_EQ(vring_device_in_flight(&r.device), 0);
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(get_used(8));
        CHECK_EQ(n, 4);
    }
}
