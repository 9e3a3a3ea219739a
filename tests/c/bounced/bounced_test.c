/* SPDX-License-Identifier: MIT */
/* Ring and pool together: our device on the other side sees the window and the ring, and nothing else. */
#include <bounced/bounced.h>
#include <vring/device.h>

#include <string.h>

#include "vtest.h"

enum { SIZE = 8, PIECES = 24, SLOTS = 64, ENTRIES = 4, WINDOW_AT = 0x100000, TABLES_AT = 0x900000 };

static const uint64_t formats[2] = {VRING_F_VERSION_1, VRING_F_VERSION_1 | VRING_F_RING_PACKED};

/* shared */
static VRING_SPLIT_MEMORY(SIZE) ring_memory;
static VRING_ALIGNAS(16) unsigned char tables[SIZE * ENTRIES * 16];
static unsigned char window[SLOTS * 2048];
/* private */
static uint64_t meta[1024];
static struct vring_slot slots[SIZE];
static struct vring_head heads[SIZE];
static struct bounced_buffer buffers[SIZE];
static struct bounced_piece pieces[PIECES];
static struct vring_segment segments[PIECES];
static unsigned char data[8][4096];

static struct bounce_pool pool;
static struct bounced_driver driver;
static struct vring_device device;
static struct bounced_driver_config config;
static struct vring_iov iov[PIECES];
static struct vring_chain chain;
static struct vring_used_buffer used;

static void start_pool(VTEST, uint64_t features, uint32_t pool_slots)
{
    static const struct vring_region regions[2] = {
        {WINDOW_AT, sizeof window, window, 0},
        {TABLES_AT, sizeof tables, tables, VRING_REGION_READ_ONLY},
    };
    struct bounce_config pool_config = {.window = window, .window_addr = WINDOW_AT, .slots = pool_slots, .meta = meta,
                                        .meta_size = sizeof meta};
    struct vring_device_config device_config = {.features = features,
                                                .size = SIZE,
                                                VRING_AREAS(ring_memory),
                                                .heads = heads,
                                                .head_count = SIZE,
                                                .regions = regions,
                                                .region_count = 2};

    memset(window, 0xee, sizeof window);
    memset(data, 0, sizeof data);
    config = (struct bounced_driver_config){
        .ring = {.features = features, .size = SIZE, VRING_AREAS(ring_memory), .slots = slots, .slot_count = SIZE},
        .pool = &pool,
        .buffers = buffers,
        .buffer_count = SIZE,
        .pieces = pieces,
        .piece_count = PIECES,
        .segments = segments,
        .segment_count = PIECES,
        .min_align_mask = 0x1ff,
        .tables = tables,
        .tables_addr = TABLES_AT,
        .table_entries = ENTRIES,
    };
    CHECK_OK(bounce_init(&pool, &pool_config));
    CHECK_OK(bounced_driver_init(&driver, &config));
    CHECK_OK(vring_device_init(&device, &device_config));
}

static void start(VTEST, uint64_t features)
{
    start_pool(VTEST_PASS, features, SLOTS);
}

static uint64_t used_slots(void)
{
    struct bounce_counts counts = {0};

    bounce_usage(&pool, &counts);
    return counts.used;
}

static bool window_is_clear(void)
{
    for (size_t i = 0; i < sizeof window; i++)
        if (window[i] != 0)
            return false;
    return true;
}

/* A request of a header, data to read into, and a status byte; the data lies where the mask matters. */
static int add_request(uint32_t number, uint32_t len)
{
    struct bounced_segment request[3] = {{data[0], 16}, {data[1 + number] + 0x123, len}, {data[1 + number] + 0x800, 1}};

    memset(data[0], 'h', 16);
    return bounced_driver_add(&driver, request, 1, 2, 1000 + number);
}

TEST(C191_what_the_device_may_not_write_does_not_come_back)
{
    for (int f = 0; f < 4; f++) {
        uint64_t features = formats[f & 1] | (f & 2 ? VRING_F_INDIRECT_DESC : 0);

        start(VTEST_PASS, features);
        CHECK_OK(add_request(0, 512));
        CHECK_EQ(vring_driver_free(&driver.queue), f & 2 ? SIZE - 1 : SIZE - 3);
        CHECK(vring_driver_publish(&driver.queue) >= 0);
        CHECK_OK(vring_device_get_avail(&device, iov, PIECES, &chain));
        CHECK_EQ(chain.n_readable, 1);
        CHECK_EQ(chain.n_writable, 2);
        CHECK(memcmp(iov[0].base, data[0], 16) == 0);
        CHECK_EQ((WINDOW_AT + ((unsigned char *)iov[1].base - window)) & 0x1ff, (uintptr_t)(data[1] + 0x123) & 0x1ff);
        memset(iov[0].base, 'X', 16); /* not allowed, and possible */
        memset(iov[1].base, 'd', 512);
        memset(iov[2].base, 's', 1);
        CHECK_OK(vring_device_add_used(&device, chain.handle, 513));
        CHECK(vring_device_publish(&device) >= 0);
        CHECK_OK(bounced_driver_get_used(&driver, &used));
        CHECK_EQ(used.token, 1000);
        CHECK_EQ(used.len, 513);
        CHECK_EQ(data[0][0], 'h');
        CHECK_EQ(data[1][0x122], 0);
        CHECK_EQ(data[1][0x123], 'd');
        CHECK_EQ(data[1][0x123 + 511], 'd');
        CHECK_EQ(data[1][0x123 + 512], 0);
        CHECK_EQ(data[1][0x800], 's');
        CHECK_EQ(used_slots(), 0);
        CHECK(window_is_clear());
    }
}

TEST(C280_C281_only_what_the_device_says_it_wrote_comes_back)
{
    for (uint32_t len = 0; len <= 513; len += 57) {
        start(VTEST_PASS, formats[len & 1]);
        CHECK_OK(add_request(0, 512));
        CHECK(vring_driver_publish(&driver.queue) >= 0);
        CHECK_OK(vring_device_get_avail(&device, iov, PIECES, &chain));
        memset(iov[1].base, 'd', 512);
        memset(iov[2].base, 's', 1);
        CHECK_OK(vring_device_add_used(&device, chain.handle, len));
        CHECK(vring_device_publish(&device) >= 0);
        CHECK_OK(bounced_driver_get_used(&driver, &used));
        CHECK_EQ(used.len, len);
        for (uint32_t i = 0; i < 512; i++)
            CHECK_EQ(data[1][0x123 + i], i < len ? 'd' : 0);
        CHECK_EQ(data[1][0x800], len > 512 ? 's' : 0);
    }
}

/* One refused add: ring, pool, window and books are as before. */
static void add_refuses(VTEST, const struct bounced_segment *request, uint16_t n_readable, uint16_t n_writable,
                        int want)
{
    static unsigned char window_before[sizeof window];
    static struct bounced_driver before;
    uint64_t used_before = used_slots();

    before = driver;
    memcpy(window_before, window, sizeof window);
    CHECK_ERR(bounced_driver_add(&driver, request, n_readable, n_writable, 1), want);
    CHECK_EQ(used_slots(), used_before);
    CHECK(memcmp(window, window_before, sizeof window) == 0);
    CHECK_EQ(driver.free_pieces, before.free_pieces);
    CHECK_EQ(driver.free_buffer, before.free_buffer);
    CHECK_EQ(vring_driver_free(&driver.queue), vring_driver_free(&before.queue));
    CHECK_EQ(vring_driver_in_flight(&driver.queue), vring_driver_in_flight(&before.queue));
    CHECK_EQ(vring_driver_publish(&driver.queue), 0);
    CHECK_ERR(vring_device_get_avail(&device, iov, PIECES, &chain), VRING_E_EMPTY);
}

/* Which of the two was used shows in the ring entries that it takes; both reach the device and come back whole. */
TEST(a_buffer_may_go_past_its_table)
{
    struct bounced_segment request[2] = {{data[1], 16}, {data[2], 100}};

    for (int f = 0; f < 2; f++) {
        start(VTEST_PASS, formats[f] | VRING_F_INDIRECT_DESC);
        CHECK_OK(bounced_driver_add_direct(&driver, request, 1, 1, 1));
        CHECK_EQ(vring_driver_free(&driver.queue), SIZE - 2);
        CHECK_OK(bounced_driver_add(&driver, request, 1, 1, 2));
        CHECK_EQ(vring_driver_free(&driver.queue), SIZE - 3);
        CHECK_OK(bounced_driver_add_direct(&driver, request, 1, 1, 3));
        CHECK_OK(bounced_driver_add_direct(&driver, request, 1, 1, 4));
        CHECK_EQ(vring_driver_free(&driver.queue), 1);

        uint64_t slots_before = used_slots();

        CHECK_ERR(bounced_driver_add_direct(&driver, request, 1, 1, 5), VRING_E_FULL);
        CHECK_EQ(used_slots(), slots_before);
        CHECK_OK(bounced_driver_add(&driver, request, 1, 1, 5)); /* by its table it fits */
        CHECK_EQ(vring_driver_free(&driver.queue), 0);
        CHECK(vring_driver_publish(&driver.queue) >= 0);
        for (int i = 1; i <= 5; i++) {
            CHECK_OK(vring_device_get_avail(&device, iov, PIECES, &chain));
            CHECK_EQ(iov[0].len, 16);
            memset(iov[1].base, '0' + i, 100);
            CHECK_OK(vring_device_add_used(&device, chain.handle, 100));
            CHECK(vring_device_publish(&device) >= 0);
            CHECK_OK(bounced_driver_get_used(&driver, &used));
            CHECK_EQ(used.token, i);
            CHECK_EQ(data[2][99], '0' + i);
        }
        CHECK_EQ(used_slots(), 0);
        CHECK_ERR(bounced_driver_add_direct(NULL, request, 1, 1, 6), VRING_E_NULL);
    }
}

static bool tables_are(unsigned char value)
{
    for (size_t i = 0; i < sizeof tables; i++)
        if (tables[i] != value)
            return false;
    return true;
}

TEST(a_table_is_for_two_pieces_or_more_as_far_as_it_reaches)
{
    struct bounced_segment request[ENTRIES + 1];

    for (uint32_t i = 0; i <= ENTRIES; i++)
        request[i] = (struct bounced_segment){data[i], 10};
    for (int f = 0; f < 2; f++) {
        start(VTEST_PASS, formats[f] | VRING_F_INDIRECT_DESC);
        memset(tables, 0x5a, sizeof tables);
        CHECK_OK(bounced_driver_add(&driver, request, 0, 1, 1));
        CHECK_EQ(vring_driver_free(&driver.queue), SIZE - 1);
        CHECK(tables_are(0x5a)); /* a list of one would be no shorter by it */
        CHECK_OK(bounced_driver_add(&driver, request, 1, ENTRIES, 2));
        CHECK_EQ(vring_driver_free(&driver.queue), SIZE - 1 - (ENTRIES + 1));
        CHECK(tables_are(0x5a));
        CHECK_OK(bounced_driver_add(&driver, request, 1, ENTRIES - 1, 3));
        CHECK_EQ(vring_driver_free(&driver.queue), SIZE - 1 - (ENTRIES + 1) - 1);
        CHECK(!tables_are(0x5a));
    }
}

TEST(what_the_configuration_asks_of_pieces_is_asked_of_the_pool_for_every_one)
{
    static unsigned char large[10000];
    struct bounce_config pool_config = {.window = window, .window_addr = WINDOW_AT, .slots = SLOTS, .segment_slots = 32,
                                        .areas = 2, .meta = meta, .meta_size = sizeof meta};
    struct bounced_segment request[2] = {{data[1], 10}, {large, sizeof large}};
    struct bounce_mapping mapping;
    uint32_t slot = 0;

    start(VTEST_PASS, formats[0]);
    CHECK_OK(bounce_init(&pool, &pool_config));
    config.alloc_align_mask = 0x1fff;
    config.min_align_mask = 0;
    config.boundary_mask = 0x3fff;
    config.area = 1;
    config.owner = 77;
    CHECK_OK(bounced_driver_init(&driver, &config));
    CHECK_OK(bounced_driver_add(&driver, request, 1, 1, 1));
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_OK(bounce_next_mapping(&pool, &slot, &mapping));
        CHECK_EQ(mapping.size, request[i].len);
        CHECK_EQ(mapping.addr & 0x1fff, 0);
        CHECK_EQ(mapping.slots, i == 0 ? 4 : 8); /* whole granules */
        CHECK_EQ(mapping.addr >> 14, (mapping.addr + mapping.slots * 2048 - 1) >> 14);
        CHECK_EQ(mapping.area, 1);
        CHECK_EQ(mapping.owner, 77);
    }
    CHECK_ERR(bounce_next_mapping(&pool, &slot, &mapping), BOUNCE_E_RANGE);
}

TEST(V37_C178_C277_a_failure_at_any_piece_rolls_back_everything)
{
    static unsigned char large[300000];

    for (int f = 0; f < 2; f++)
        for (int k = 0; k < 5; k++) {
            struct bounced_segment request[5];

            start(VTEST_PASS, formats[f]);
            for (int i = 0; i < 5; i++)
                request[i] = (struct bounced_segment){data[i], 16};
            request[k].len = 0;
            add_refuses(VTEST_PASS, request, 2, 3, VRING_E_LEN);
            request[k] = (struct bounced_segment){large, sizeof large};
            add_refuses(VTEST_PASS, request, 2, 3, BOUNCE_E_TOO_LARGE);
            request[k] = (struct bounced_segment){window, 16};
            add_refuses(VTEST_PASS, request, 2, 3, BOUNCE_E_OVERLAP);
            request[k] = (struct bounced_segment){NULL, 16};
            add_refuses(VTEST_PASS, request, 2, 3, BOUNCE_E_NULL);
            request[k] = (struct bounced_segment){data[k], 16};
            CHECK_OK(bounced_driver_add(&driver, request, 2, 3, 1));
        }
}

TEST(C178_C267_a_full_pool_a_full_ring_and_no_pieces_left)
{
    static unsigned char large[65536];
    struct bounced_segment request[9];

    for (int i = 0; i < 9; i++)
        request[i] = (struct bounced_segment){data[i % 8], 16};
    start_pool(VTEST_PASS, formats[0], 34);
    request[1] = (struct bounced_segment){large, sizeof large};
    add_refuses(VTEST_PASS, request, 2, 2, BOUNCE_E_FULL);
    start(VTEST_PASS, formats[0]);
    add_refuses(VTEST_PASS, request, 4, 5, VRING_E_CHAIN); /* more than the ring has entries */
    request[1] = (struct bounced_segment){data[1], 16};
    config.piece_count = 4;
    CHECK_OK(bounced_driver_init(&driver, &config));
    add_refuses(VTEST_PASS, request, 2, 3, VRING_E_CHAIN); /* more than there ever are: not to be waited for */
    CHECK_OK(bounced_driver_add(&driver, request, 1, 2, 1));
    CHECK_ERR(bounced_driver_add(&driver, request, 1, 1, 2), VRING_E_FULL);
    CHECK_OK(bounced_driver_add(&driver, request, 1, 0, 2));
    CHECK_ERR(bounced_driver_add(&driver, request, 1, 0, 3), VRING_E_FULL);
    config.segment_count = 3;
    CHECK_OK(bounced_driver_init(&driver, &config));
    add_refuses(VTEST_PASS, request, 2, 2, VRING_E_CHAIN);
    add_refuses(VTEST_PASS, request, 0, 0, VRING_E_CHAIN);
}

TEST(a_ring_without_room_says_so_before_anything_is_mapped)
{
    static const uint64_t more[] = {0, VRING_F_IN_ORDER, VRING_F_INDIRECT_DESC};

    for (int f = 0; f < 2; f++)
        for (int m = 0; m < 3; m++) {
            struct bounced_segment request[2] = {{data[0], 100}, {data[1], 100}};
            struct bounce_counts counts;

            start(VTEST_PASS, formats[f] | more[m]);
            /* The pool has room for one more of them than the ring. */
            while (bounced_driver_add(&driver, request, 1, 1, 1) == 0) {
            }
            CHECK(used_slots() < SLOTS - 2);
            CHECK_OK(bounce_reset_high_water(&pool));
            CHECK_ERR(bounced_driver_add(&driver, request, 1, 1, 6), VRING_E_FULL);
            CHECK_ERR(bounced_driver_add_direct(&driver, request, 1, 1, 6), VRING_E_FULL);
            CHECK_OK(bounce_usage(&pool, &counts));
            CHECK_EQ(counts.high_water, counts.used);
            request[1].len = 0; /* what never fits is told before what does not fit now */
            if (more[m] != VRING_F_INDIRECT_DESC)
                CHECK_ERR(bounced_driver_add(&driver, request, 1, 1, 6), VRING_E_LEN);
        }
}

TEST(an_answer_of_either_library_has_its_text)
{
    CHECK(strcmp(bounced_error_text(VRING_E_FULL), vring_error_text(VRING_E_FULL)) == 0);
    CHECK(strcmp(bounced_error_text(VRING_E_PEER_ID), vring_error_text(VRING_E_PEER_ID)) == 0);
    CHECK(strcmp(bounced_error_text(BOUNCE_E_FULL), bounce_error_text(BOUNCE_E_FULL)) == 0);
    CHECK(strcmp(bounced_error_text(BOUNCE_E_CORRUPT), bounce_error_text(BOUNCE_E_CORRUPT)) == 0);
    CHECK(strcmp(bounced_error_text(0), "no error") == 0);
}

TEST(C304_unmapping_follows_private_records_whatever_the_ring_says)
{
    for (int f = 0; f < 2; f++) {
        start(VTEST_PASS, formats[f]);
        CHECK_OK(add_request(0, 100));
        CHECK_OK(add_request(1, 100));
        CHECK(vring_driver_publish(&driver.queue) >= 0);
        for (int i = 0; i < 2; i++) {
            CHECK_OK(vring_device_get_avail(&device, iov, PIECES, &chain));
            memset(iov[1].base, '0' + i, 100);
            if (i == 0 && f == 0)
                memset(ring_memory.desc, 0xff, 3 * 16); /* the device scribbles over what it was given */
            CHECK_OK(vring_device_add_used(&device, chain.handle, 100));
        }
        CHECK(vring_device_publish(&device) >= 0);
        for (int i = 0; i < 2; i++) {
            CHECK_OK(bounced_driver_get_used(&driver, &used));
            CHECK_EQ(used.token, 1000 + i);
            CHECK_EQ(data[1 + i][0x123 + 99], '0' + i);
        }
        CHECK_EQ(used_slots(), 0);
        CHECK_EQ(driver.free_pieces, PIECES);
    }
}

TEST(C305_a_broken_ring_gives_every_slot_back_cleared)
{
    uint64_t token, seen = 0;

    start(VTEST_PASS, formats[0]);
    for (uint32_t i = 0; i < 2; i++)
        CHECK_OK(add_request(i, 100));
    CHECK(vring_driver_publish(&driver.queue) >= 0);
    CHECK(used_slots() > 0);
    ring_memory.device_area[1] = 0x7777; /* used.idx, in either byte order */
    CHECK_ERR(bounced_driver_get_used(&driver, &used), VRING_E_PEER_INDEX);
    CHECK_ERR(add_request(2, 100), VRING_E_PEER_INDEX);
    CHECK_ERR(bounced_driver_abort(&driver, NULL), VRING_E_PEER_INDEX);
    CHECK_ERR(bounced_driver_take_unused(&driver, &token), VRING_E_STATE);
    bounced_driver_reset(&driver);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_OK(bounced_driver_take_unused(&driver, &token));
        seen |= token == 1000 ? 1 : token == 1001 ? 2 : 4;
    }
    CHECK_EQ(seen, 3);
    CHECK_ERR(bounced_driver_take_unused(&driver, &token), VRING_E_EMPTY);
    CHECK_EQ(used_slots(), 0);
    CHECK(window_is_clear());
    CHECK_EQ(data[1][0x123], 0);
}

TEST(abort_unmaps_and_says_whose)
{
    uint64_t token = 0;

    for (int f = 0; f < 2; f++) {
        start(VTEST_PASS, formats[f]);
        CHECK_OK(add_request(0, 100));
        CHECK_OK(add_request(1, 100));
        CHECK_OK(bounced_driver_abort(&driver, &token));
        CHECK_EQ(token, 1001);
        CHECK_OK(bounced_driver_abort(&driver, &token));
        CHECK_EQ(token, 1000);
        CHECK_ERR(bounced_driver_abort(&driver, &token), VRING_E_STATE);
        CHECK_EQ(used_slots(), 0);
        CHECK(window_is_clear());
    }
}

TEST(many_round_trips_leave_nothing_behind)
{
    for (int f = 0; f < 4; f++) {
        start(VTEST_PASS, formats[f & 1] | VRING_F_EVENT_IDX | (f & 2 ? VRING_F_INDIRECT_DESC : 0));
        for (uint32_t i = 0; i < 1000; i++) {
            CHECK_OK(add_request(i % 6, 1 + i % 1000));
            CHECK_OK(add_request((i + 1) % 6, 1 + i % 1000));
            CHECK(vring_driver_publish(&driver.queue) >= 0);
            for (int n = 0; n < 2; n++) {
                CHECK_OK(vring_device_get_avail(&device, iov, PIECES, &chain));
                CHECK_OK(vring_device_add_used(&device, chain.handle, (uint32_t)chain.writable));
                CHECK(vring_device_publish(&device) >= 0);
                CHECK_OK(bounced_driver_get_used(&driver, &used));
            }
        }
        CHECK_EQ(used_slots(), 0);
        CHECK_EQ(driver.free_pieces, PIECES);
        CHECK(window_is_clear());
    }
}

TEST(init_refuses_what_cannot_work)
{
    struct bounced_driver_config bad;

    start(VTEST_PASS, formats[0]);
    CHECK_ERR(bounced_driver_init(NULL, &config), VRING_E_NULL);
    CHECK_ERR(bounced_driver_init(&driver, NULL), VRING_E_NULL);
    bad = config, bad.pool = NULL;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_NULL);
    bad = config, bad.buffers = NULL;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_NULL);
    bad = config, bad.pieces = NULL;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_NULL);
    bad = config, bad.segments = NULL;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_NULL);
    bad = config, bad.buffer_count = SIZE - 1;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_SIZE);
    bad = config, bad.piece_count = 0;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_SIZE);
    bad = config, bad.segment_count = 0;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_SIZE);
    bad = config, bad.tables = tables + 8;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_ALIGN);
    bad = config, bad.tables_addr = UINT64_MAX - sizeof tables + 2;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_ADDR);
    bad = config, bad.ring.used_len = VRING_USED_LEN_TRUST;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_FEATURE);
    bad = config, bad.ring.size = 3;
    CHECK_ERR(bounced_driver_init(&driver, &bad), VRING_E_SIZE);
    CHECK_OK(add_request(0, 10)); /* the queue that was there is still whole */
    CHECK_ERR(bounced_driver_add(NULL, NULL, 0, 0, 0), VRING_E_NULL);
    CHECK_ERR(bounced_driver_add(&driver, NULL, 1, 0, 0), VRING_E_NULL);
    CHECK_ERR(bounced_driver_get_used(&driver, NULL), VRING_E_NULL);
    CHECK_ERR(bounced_driver_get_used(NULL, &used), VRING_E_NULL);
    CHECK_ERR(bounced_driver_abort(NULL, NULL), VRING_E_NULL);
    CHECK_ERR(bounced_driver_take_unused(NULL, NULL), VRING_E_NULL);
    bounced_driver_reset(NULL);
}
