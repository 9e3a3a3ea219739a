/* SPDX-License-Identifier: MIT */
/*
 * Slots first, buffer later; and originals that only a function of the caller's can reach.
 */
#include "rig.h"

static unsigned char buffer[8192];

TEST(reservations_become_mappings_when_the_pool_is_full)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = rig_request(0x40007a0, 3000);
    struct bounce_mapping reserved[8], filler;

    request.orig = NULL;
    request.direction = BOUNCE_FROM_DEVICE;
    request.min_align_mask = 0xfff;
    for (int i = 0; i < 8; i++)
        CHECK_OK(bounce_reserve(&pool, &request, &reserved[i]));
    while (rig_map(&pool, 0, 1, RIG_NO_MASKS, &filler) == 0)
        continue;
    for (int i = 0; i < 8; i++) {
        memset(buffer, 0x40 + i, 3000);
        CHECK_OK(bounce_commit(&pool, reserved[i].handle, BOUNCE_FROM_DEVICE, buffer));
        CHECK(memcmp(reserved[i].data, buffer, 3000) == 0);
        CHECK_EQ(reserved[i].addr & 0xfff, 0x7a0);
        memset(reserved[i].data, 0x80 + i, 1500);
        CHECK_OK(bounce_unmap(&pool, reserved[i].handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE));
        CHECK(buffer[0] == 0x80 + i && buffer[1499] == 0x80 + i && buffer[1500] == 0x40 + i &&
              buffer[2999] == 0x40 + i);
    }
    CHECK(!rig_flaw(&pool));
}

TEST(a_reservation_is_no_mapping_yet_and_a_mapping_no_reservation)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping, coherent;

    memset(buffer, 1, sizeof(buffer));
    request.direction = BOUNCE_BIDIRECTIONAL;
    CHECK_OK(bounce_reserve(&pool, &request, &mapping));
    CHECK_ERR(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_HANDLE);
    CHECK_ERR(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_HANDLE);
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_TO_DEVICE, buffer), BOUNCE_E_DIRECTION);
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, rig_window), BOUNCE_E_OVERLAP);
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, (void *)(UINTPTR_MAX - 98)), BOUNCE_E_ADDR);
    CHECK_ERR(bounce_commit(&pool, mapping.handle ^ 1, BOUNCE_BIDIRECTIONAL, buffer), BOUNCE_E_HANDLE);
    CHECK_OK(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, buffer));
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, buffer), BOUNCE_E_HANDLE);
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 100));
    CHECK_OK(bounce_alloc(&pool, 100, 0, 0, &coherent));
    CHECK_ERR(bounce_commit(&pool, coherent.handle, BOUNCE_BIDIRECTIONAL, buffer), BOUNCE_E_HANDLE);
}

TEST(an_unused_reservation_ends_without_a_copy)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping;

    memset(rig_window, 0xee, (size_t)64 * 2048);
    CHECK_OK(bounce_reserve(&pool, &request, &mapping));
    for (int i = 0; i < 2048; i++)
        CHECK_EQ(((unsigned char *)mapping.data)[i], 0);
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE));
    CHECK_EQ(rig_usage(&pool).used, 0);
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, buffer), BOUNCE_E_HANDLE);
}

/* An original in pages that are not next to each other: what orig points to is a list of them. */
struct scattered {
    unsigned char *page[3];
    size_t first; /* offset in the first page */
};

struct device_under_test {
    struct bounce_pool *pool;
    unsigned calls, fail_at, depth;
    int nested;
};

static int move(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window)
{
    struct device_under_test *test = (struct device_under_test *)context;
    const struct scattered *pages = (const struct scattered *)orig;
    unsigned char *data = (unsigned char *)window;

    if (++test->calls == test->fail_at) { /* halfway */
        if (to_window)
            memset(data, 0x55, len / 2);
        return -5;
    }
    if (test->nested && test->depth++ == 0) { /* the pool again, from within */
        struct bounce_request request = rig_request(0, 10);
        struct bounce_mapping mapping;
        request.orig = orig;
        test->nested = bounce_map(test->pool, &request, &mapping) == 0 ? 2 : 3;
        (void)bounce_unmap(test->pool, mapping.handle, request.direction, 0);
    }
    for (size_t i = 0; i < len; i++) {
        size_t at = pages->first + offset + i;
        unsigned char *byte = &pages->page[at / 4096][at % 4096];
        if (to_window)
            data[i] = *byte;
        else
            *byte = data[i];
    }
    return 0;
}

static unsigned char pages[5][4096];
static struct scattered scattered = {{pages[4], pages[0], pages[2]}, 4000};

static struct bounce_pool scattered_pool(struct device_under_test *test)
{
    struct bounce_config config = rig_config(0x90000000, 64);

    config.copy = move;
    config.copy_context = test;
    return rig_start(&config);
}

static struct bounce_request scattered_request(void)
{
    struct bounce_request request = rig_request(0x40000000 + 4000, 4200); /* 96 bytes, a page, 8 bytes */

    request.orig = &scattered;
    request.min_align_mask = 0xfff;
    return request;
}

TEST(S35_a_copy_function_gets_the_place_asked_for_across_pages)
{
    struct device_under_test test = {0};
    struct bounce_pool pool = scattered_pool(&test);
    struct bounce_request request = scattered_request();
    struct bounce_mapping mapping;

    for (int page = 0; page < 5; page++)
        memset(pages[page], 0x10 + page, 4096);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK(((unsigned char *)mapping.data)[0] == 0x14 && ((unsigned char *)mapping.data)[95] == 0x14);
    CHECK(((unsigned char *)mapping.data)[96] == 0x10 && ((unsigned char *)mapping.data)[4191] == 0x10);
    CHECK(((unsigned char *)mapping.data)[4192] == 0x12 && ((unsigned char *)mapping.data)[4199] == 0x12);
    memset(mapping.data, 0x77, 4200);
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 95, 2));
    CHECK(pages[4][4094] == 0x14 && pages[4][4095] == 0x77 && pages[0][0] == 0x77 && pages[0][1] == 0x10);
    CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 4200, 0));
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 4199));
    CHECK(pages[4][3999] == 0x14 && pages[4][4000] == 0x77 && pages[2][6] == 0x77 && pages[2][7] == 0x12);
    CHECK_EQ(test.calls, 3); /* nothing to move, no call */
}

TEST(C297_a_copy_that_fails_undoes_the_map_and_does_not_keep_the_slots_at_unmap)
{
    struct device_under_test test = {.fail_at = 1};
    struct bounce_pool pool = scattered_pool(&test);
    struct bounce_request request = scattered_request();
    struct bounce_mapping mapping = {.handle = 77};

    CHECK_ERR(bounce_map(&pool, &request, &mapping), BOUNCE_E_COPY);
    CHECK_EQ(mapping.handle, 77);
    CHECK_EQ(rig_usage(&pool).used, 0);
    for (size_t i = 0; i < (size_t)64 * 2048; i++)
        CHECK_EQ(rig_window[i], 0);

    test.fail_at = 3;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_ERR(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_COPY);
    test.fail_at = test.calls + 1;
    CHECK_ERR(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE), BOUNCE_E_COPY);
    CHECK_EQ(rig_usage(&pool).used, 0);
    CHECK_ERR(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE), BOUNCE_E_HANDLE);

    CHECK_OK(bounce_reserve(&pool, &request, &mapping));
    test.fail_at = test.calls + 1;
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, &scattered), BOUNCE_E_COPY);
    for (size_t i = 0; i < (size_t)64 * 2048; i++)
        CHECK_EQ(rig_window[i], 0);
    CHECK_OK(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, &scattered));
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK(!rig_flaw(&pool));
}

TEST(C298_a_copy_function_may_use_the_pool)
{
    struct device_under_test test = {.nested = 1};
    struct bounce_pool pool = scattered_pool(&test);
    struct bounce_request request = scattered_request();
    struct bounce_mapping mapping;

    test.pool = &pool;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_EQ(test.nested, 2);
    CHECK_EQ(rig_usage(&pool).mappings, 1);
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE));
    CHECK(!rig_flaw(&pool));
}

/* A mapping whose copy function reads and ends it once more while it is being ended, and what that was answered. */
static struct {
    struct bounce_pool *pool;
    bounce_handle handle;
    int unmapped, synced;
} again;

static int end_again(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window)
{
    (void)context, (void)orig, (void)offset, (void)window, (void)len;
    if (!to_window && again.unmapped == 0) {
        again.unmapped = 1; /* once */
        again.synced = bounce_sync_for_cpu(again.pool, again.handle, BOUNCE_BIDIRECTIONAL, 0, 1);
        again.unmapped = bounce_unmap(again.pool, again.handle, BOUNCE_BIDIRECTIONAL, 0);
    }
    return 0;
}

/* As of two threads one does: the handle dies before the copy, and the slots are free only after it. */
TEST(C270_C298_a_mapping_that_is_being_ended_is_not_ended_by_its_copy_function)
{
    struct bounce_config config = rig_config(0x90000000, 64);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_pool pool;
    struct bounce_mapping mapping;

    config.copy = end_again;
    pool = rig_start(&config);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    again.pool = &pool;
    again.handle = mapping.handle;
    CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE));
    CHECK_ERR(again.synced, BOUNCE_E_HANDLE);
    CHECK_ERR(again.unmapped, BOUNCE_E_HANDLE);
    CHECK_EQ(rig_usage(&pool).used, 0);
    CHECK(!rig_flaw(&pool));
}
