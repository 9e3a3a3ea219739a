/* SPDX-License-Identifier: MIT */
/*
 * Which bytes go where: every direction, every range, and not one byte beyond. The device is memory written by hand.
 */
#include "rig.h"

enum { GUARD = 64, DEVICE = 0xd0, PRIVATE = 0xa5, BUFFER = 0x11 };

/* The caller's buffer, with private bytes on both sides of it. */
static unsigned char caller[GUARD + 65536 + GUARD];
static unsigned char *const buffer = caller + GUARD;

static void fill(size_t size)
{
    memset(caller, PRIVATE, sizeof(caller));
    for (size_t i = 0; i < size; i++)
        buffer[i] = (unsigned char)(BUFFER + i % 101);
}

static struct bounce_request request_of(uint64_t orig_addr, size_t size, enum bounce_direction direction)
{
    struct bounce_request request = {0};

    request.orig = buffer;
    request.orig_addr = orig_addr;
    request.size = size;
    request.direction = direction;
    return request;
}

/* buffer holds what the device wrote in [from, to), and is as fill() left it elsewhere, guards included. */
static int only_written(size_t size, size_t from, size_t to)
{
    for (size_t i = 0; i < sizeof(caller); i++) {
        size_t at = i - GUARD;
        unsigned char want = i < GUARD || at >= size     ? PRIVATE
                             : at >= from && at < to     ? (unsigned char)DEVICE
                                                         : (unsigned char)(BUFFER + at % 101);
        if (caller[i] != want)
            return 0;
    }
    return 1;
}

static int all_are(const unsigned char *bytes, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return 0;
    return 1;
}

/* The whole window holds zeros but for the data of one mapping. */
static int window_shows_only(const struct bounce_pool *pool, const struct bounce_mapping *mapping)
{
    size_t window = (size_t)pool->slots << pool->slot_shift;
    size_t at = mapping ? (size_t)((unsigned char *)mapping->data - rig_window) : window;

    return all_are(rig_window, at, 0) && (!mapping ||
                                          all_are(rig_window + at + mapping->size, window - at - mapping->size, 0));
}

TEST(S18_C281_a_device_that_writes_less_leaves_the_rest_as_it_was)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0x4000123, 3000, BOUNCE_FROM_DEVICE);
    struct bounce_mapping mapping;

    memset(rig_window, PRIVATE, (size_t)64 * 2048); /* as if an earlier mapping had left it */
    for (size_t k = 0; k <= 3000; k += 375) {
        fill(3000);
        CHECK_OK(bounce_map(&pool, &request, &mapping));
        CHECK(memcmp(mapping.data, buffer, 3000) == 0);
        memset(mapping.data, DEVICE, k);
        CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE));
        CHECK(only_written(3000, 0, k));
    }
}

TEST(S18_sync_for_device_does_not_overwrite_what_the_device_wrote)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0, 3000, BOUNCE_FROM_DEVICE);
    struct bounce_mapping mapping;

    fill(3000);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    memset(mapping.data, DEVICE, 3000);
    CHECK_OK(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_FROM_DEVICE, 0, 3000));
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_FROM_DEVICE, 0, 3000));
    CHECK(only_written(3000, 0, 3000));
}

TEST(C285_what_a_device_writes_to_its_input_is_ignored)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0, 3000, BOUNCE_TO_DEVICE);
    struct bounce_mapping mapping;

    fill(3000);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK(memcmp(mapping.data, buffer, 3000) == 0);
    memset(mapping.data, DEVICE, 3000);
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_TO_DEVICE, 0, 3000));
    CHECK(only_written(3000, 0, 0));
    CHECK_OK(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_TO_DEVICE, 10, 20));
    CHECK(memcmp((unsigned char *)mapping.data + 10, buffer + 10, 20) == 0);
    CHECK(((unsigned char *)mapping.data)[9] == DEVICE && ((unsigned char *)mapping.data)[30] == DEVICE);
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_TO_DEVICE, BOUNCE_WHOLE));
    CHECK(only_written(3000, 0, 0));
}

TEST(C286_both_ways)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0, 3000, BOUNCE_BIDIRECTIONAL);
    struct bounce_mapping mapping;

    fill(3000);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    memset(mapping.data, DEVICE, 1500);
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1500));
    CHECK(only_written(3000, 0, 1500));
    memset(buffer, 0x77, 3000);
    CHECK_OK(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 3000));
    CHECK(all_are((unsigned char *)mapping.data, 3000, 0x77));
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
}

/* S15 and S16 are what upstream made of addresses in the first bytes of the second slot. */
/* Every byte another than its neighbours, so that one from a wrong place is seen; and none of the original's. */
static unsigned char of_device(size_t at)
{
    return (unsigned char)(0x80 + at % 127);
}

static unsigned char of_buffer(size_t at)
{
    return (unsigned char)(1 + at % 113);
}

static void write_both(unsigned char *data, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        data[at] = of_device(at);
        buffer[at] = of_buffer(at);
    }
}

TEST(S15_S16_C279_partial_sync_moves_exactly_the_bytes_asked_for)
{
    unsigned char *data;
    struct bounce_config config = rig_config(0x90000000, 32);
    struct bounce_pool pool;
    struct bounce_mapping mapping;
    struct bounce_request request = request_of(0x40007c0 & 0xff, 600, BOUNCE_BIDIRECTIONAL);

    config.slot_size = 256; /* four slots with an offset of 0xc0: edges at 0x40, 0x140, 0x240 */
    pool = rig_start(&config);
    request.min_align_mask = 0xff;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_EQ(mapping.addr & 0xff, 0xc0);
    data = (unsigned char *)mapping.data;
    for (size_t offset = 0; offset <= 600; offset += offset % 64 < 3 || offset % 64 > 61 ? 1 : 29)
        for (size_t len = 0; len <= 600 - offset; len += len % 64 < 2 || len % 64 > 62 ? 1 : 31) {
            fill(600);
            memset(mapping.data, DEVICE, 600);
            CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, offset, len));
            CHECK(only_written(600, offset, offset + len));
            write_both(data, 600);
            CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, offset, len));
            for (size_t i = 0; i < 600; i++)
                CHECK_EQ(buffer[i], i >= offset && i < offset + len ? of_device(i) : of_buffer(i));
            write_both(data, 600);
            CHECK_OK(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, offset, len));
            for (size_t i = 0; i < 600; i++)
                CHECK_EQ(data[i], i >= offset && i < offset + len ? of_buffer(i) : of_device(i));
        }
    CHECK(all_are(rig_window, (size_t)(data - rig_window), 0));
}

TEST(S17_S29_C278_C280_no_length_reaches_beyond_the_mapping)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0x40007a0, 100, BOUNCE_BIDIRECTIONAL);
    struct bounce_mapping mapping;
    static const size_t ranges[][2] = {{0, 101}, {1, 100}, {100, 1}, {101, 0}, {0, 5000}, {0, SIZE_MAX},
                                       {50, SIZE_MAX}, {SIZE_MAX, 1},
                                       {SIZE_MAX, SIZE_MAX}, {SIZE_MAX - 50, 60}};

    request.alloc_align_mask = request.min_align_mask = 0xfff;
    fill(100);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    memset(mapping.data, DEVICE, 100);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        CHECK_ERR(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, ranges[i][0], ranges[i][1]),
                  BOUNCE_E_RANGE);
        CHECK_ERR(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, ranges[i][0], ranges[i][1]),
                  BOUNCE_E_RANGE);
    }
    CHECK_ERR(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 101), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, SIZE_MAX - 1), BOUNCE_E_RANGE);
    CHECK(only_written(100, 0, 0));
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 100, 0));
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 60)); /* what the device reported */
    CHECK(only_written(100, 0, 60));
}

TEST(C284_not_a_byte_outside_the_buffer_at_any_size)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);

    for (size_t size = 1; size < 9000; size += size < 20 || size % 2048 < 3 || size % 2048 > 2045 ? 1 : 333) {
        struct bounce_request request = request_of(0x4000000 + size % 4096, size, BOUNCE_FROM_DEVICE);
        struct bounce_mapping mapping;
        request.min_align_mask = size % 3 ? 0xfff : 0;
        request.alloc_align_mask = size % 2 ? 0xfff : 0;
        fill(size);
        CHECK_OK(bounce_map(&pool, &request, &mapping));
        memset(rig_window + (size_t)mapping.slot * 2048, DEVICE, (size_t)mapping.slots * 2048);
        CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE));
        CHECK(only_written(size, 0, size));
    }
}

TEST(S19_C282_padding_shows_nothing)
{
    for (uint64_t align = 0; align <= 0x3fff; align = align * 4 + 3)
        for (uint64_t min = 0; min <= 0x3fff; min = min * 4 + 3)
            for (uint32_t flags = 0; flags <= BOUNCE_KEEP_CONTENTS; flags += BOUNCE_KEEP_CONTENTS) {
                struct bounce_config config = rig_config(0x90000000, 128);
                struct bounce_request request = request_of(0x4003fa0, 777, BOUNCE_TO_DEVICE);
                struct bounce_mapping mapping;
                struct bounce_pool pool;
                unsigned char *start;
                size_t before;
                config.flags = flags;
                pool = rig_start(&config);
                request.alloc_align_mask = align;
                request.min_align_mask = min;
                memset(rig_window, PRIVATE, (size_t)128 * 2048);
                fill(777);
                CHECK_OK(bounce_map(&pool, &request, &mapping));
                start = rig_window + (size_t)mapping.slot * 2048;
                before = (size_t)((unsigned char *)mapping.data - start);
                CHECK_EQ(before, 0x4003fa0 & min & (align | 2047));
                CHECK(all_are(start, before, 0));
                CHECK(memcmp(mapping.data, buffer, 777) == 0);
                CHECK(all_are(start + before + 777, (size_t)mapping.slots * 2048 - before - 777, 0));
            }
}

TEST(C283_C287_an_ended_mapping_leaves_no_trace)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0x4000fa0, 3000, BOUNCE_BIDIRECTIONAL);
    struct bounce_mapping mapping;

    for (size_t written = 0; written < 2; written++) { /* also when nothing is copied back */
        CHECK(window_shows_only(&pool, NULL));
        fill(3000);
        request.min_align_mask = 0xfff;
        CHECK_OK(bounce_map(&pool, &request, &mapping));
        CHECK(window_shows_only(&pool, &mapping));
        CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, written ? BOUNCE_WHOLE : 0));
    }
    CHECK(window_shows_only(&pool, NULL));
    CHECK_OK(bounce_alloc(&pool, 5000, 0, 0, &mapping));
    memset(mapping.data, PRIVATE, 5000);
    CHECK_OK(bounce_free(&pool, mapping.handle));
    CHECK(window_shows_only(&pool, NULL));
}

TEST(kept_contents_are_kept_and_yet_not_shown_to_the_next)
{
    struct bounce_config config = rig_config(0x90000000, 1);
    struct bounce_pool pool;
    struct bounce_request request = request_of(0, 2048, BOUNCE_TO_DEVICE);
    struct bounce_mapping mapping;

    config.flags = BOUNCE_KEEP_CONTENTS;
    config.page_size = 2048;
    pool = rig_start(&config);
    fill(2048);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_TO_DEVICE, 0));
    CHECK(memcmp(rig_window, buffer, 2048) == 0);
    request.size = 10;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK(all_are(rig_window + 10, 2038, 0));
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_TO_DEVICE, 0));
    memset(rig_window, PRIVATE, 2048);
    CHECK_OK(bounce_alloc(&pool, 10, 0, 0, &mapping));
    CHECK(all_are(rig_window, 2048, 0));
}

TEST(S38_unwinding_copies_nothing_back)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = request_of(0, 3000, BOUNCE_FROM_DEVICE);
    struct bounce_mapping mapping;

    fill(3000);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    memset(mapping.data, DEVICE, 3000);
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_FROM_DEVICE, 0));
    CHECK(only_written(3000, 0, 0));
}
