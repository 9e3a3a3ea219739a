/* SPDX-License-Identifier: MIT */
/*
 * Everything a caller can get wrong, one by one, each with nothing changed.
 */
#include "rig.h"

/* A call is refused, and neither pool, metadata, window, original nor answer has changed. */
#define REFUSED(pool, call, want)                        \
    do {                                                 \
        struct rig_snapshot before = rig_snapshot(pool); \
        CHECK_ERR(call, want);                           \
        CHECK(rig_same(pool, &before));                  \
    } while (0)

static struct bounce_pool pool;
static struct bounce_config config;
static struct bounce_request request;
static struct bounce_mapping mapping;

/*
 * bounce_init() of a sound configuration with something changed; and, where the geometry is at fault,
 * bounce_meta_size().
 */
#define INIT(want, change)                                 \
    do {                                                   \
        config = rig_config(0x90000000, 512);              \
        change;                                            \
        REFUSED(&pool, bounce_init(&pool, &config), want); \
    } while (0)

#define GEOMETRY(change)                                                    \
    do {                                                                    \
        size_t meta_size = 77;                                              \
        INIT(BOUNCE_E_GEOMETRY, change);                                    \
        CHECK_ERR(bounce_meta_size(&config, &meta_size), BOUNCE_E_GEOMETRY); \
        CHECK_EQ(meta_size, 77);                                            \
    } while (0)

/* bounce_map() of a sound request with something changed. */
#define MAP(want, change)                                            \
    do {                                                             \
        request = rig_request(0x4000000, 100);                       \
        memset(&mapping, 0x77, sizeof(mapping));                     \
        change;                                                      \
        REFUSED(&pool, bounce_map(&pool, &request, &mapping), want); \
        CHECK_EQ(mapping.handle, 0x7777777777777777);                \
    } while (0)

TEST(C262_C264_geometry)
{
    pool = rig_pool(0x90000000, 64);
    GEOMETRY(config.slots = 0);
    GEOMETRY(config.slots = UINT32_MAX);
    GEOMETRY(config.slots = (UINT32_C(1) << 31) + 1);
    GEOMETRY(config.slot_size = 128);
    GEOMETRY(config.slot_size = 131072);
    GEOMETRY(config.slot_size = 2049);
    GEOMETRY(config.slot_size = 3072);
    GEOMETRY(config.segment_slots = 8192);
    GEOMETRY(config.segment_slots = 127);
    GEOMETRY(config.page_size = 1024);
    GEOMETRY(config.page_size = 4097);
    GEOMETRY(config.areas = 3);
    GEOMETRY(config.areas = 8);
    GEOMETRY(config.areas = UINT32_C(1) << 31);
    GEOMETRY(config.flags = BOUNCE_TRY);
    GEOMETRY(config.flags = 8);
    GEOMETRY(config.flags = UINT32_MAX);
    GEOMETRY(config.cursor = 512);
    GEOMETRY((config.areas = 4, config.cursor = 128));
    GEOMETRY((config.areas = 2, config.slots = 128 + 50)); /* S23: the second would have no whole segment */
    GEOMETRY((config.slots = 100, config.cursor = 100));
    GEOMETRY((config.slots = 100, config.areas = 2));
}

TEST(C262_the_smallest_pool)
{
    pool = rig_pool(0x90000000, 1);
    CHECK_EQ(rig_slot(&pool, 0, 2048, RIG_NO_MASKS), 0);
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), BOUNCE_E_FULL);
}

TEST(C261_windows)
{
    pool = rig_pool(0x90000000, 64);
    INIT(BOUNCE_E_NULL, config.window = NULL);
    INIT(BOUNCE_E_ALIGN, config.window_addr += 1);
    INIT(BOUNCE_E_ALIGN, config.window_addr += 1024);
    INIT(BOUNCE_E_ADDR, config.window_addr = UINT64_MAX - 2047);
    INIT(BOUNCE_E_ADDR, config.window_addr = 0 - UINT64_C(2048) * 511);
    INIT(BOUNCE_E_ADDR, config.window = (void *)(UINTPTR_MAX - 512 * 2048 + 2));
}

TEST(C261_a_window_may_end_with_the_address_space)
{
    pool = rig_pool(0 - UINT64_C(2048) * 512, 512);
    CHECK_OK(rig_map(&pool, UINT64_MAX, 1, (struct rig_masks){.min_align = 0xfff}, &mapping));
    CHECK_EQ(mapping.addr & 0xfff, 0xfff);
    CHECK_OK(rig_map(&pool, UINT64_MAX - 4095, 4096, (struct rig_masks){.min_align = 0xffff}, &mapping));
    CHECK_EQ(mapping.addr & 0xffff, 0xf000);
}

TEST(C266_metadata)
{
    static uint64_t small[1024];
    struct bounce_config exact = rig_config(0x90000000, 512);
    size_t size = 0;

    pool = rig_pool(0x90000000, 64);
    CHECK_OK(bounce_meta_size(&exact, &size));
    INIT(BOUNCE_E_NULL, config.meta = NULL);
    INIT(BOUNCE_E_ALIGN, config.meta = (char *)rig_meta + 4);
    INIT(BOUNCE_E_META, config.meta_size = size - 1);
    INIT(BOUNCE_E_META, config.meta_size = 0);
    INIT(BOUNCE_E_ADDR, config.meta_size = SIZE_MAX);
    INIT(BOUNCE_E_OVERLAP, config.meta = rig_window);
    INIT(BOUNCE_E_OVERLAP, config.meta = rig_window + 512 * 2048 - 8);
    INIT(BOUNCE_E_OVERLAP, (config.window = (char *)rig_meta + sizeof(rig_meta) - 2048, config.slots = 1));
    exact.meta_size = size;
    CHECK_OK(bounce_init(&pool, &exact));
    exact.areas = 2; /* whose blocks begin at a cache line, wherever the memory does */
    CHECK_OK(bounce_meta_size(&exact, &exact.meta_size));
    exact.meta_size--;
    CHECK_ERR(bounce_init(&pool, &exact), BOUNCE_E_META);
    exact.meta_size++;
    CHECK_OK(bounce_init(&pool, &exact));
    exact.areas = 1;

    exact.slots = 16;
    CHECK_OK(bounce_meta_size(&exact, &size));
    CHECK(size <= sizeof(small));
    exact.meta = small;
    exact.meta_size = sizeof(small);
    CHECK_ERR(bounce_init((struct bounce_pool *)(void *)small, &exact), BOUNCE_E_OVERLAP);
    CHECK_ERR(bounce_init((struct bounce_pool *)(void *)rig_window, &exact), BOUNCE_E_OVERLAP);
}

/* With the default number of mappings, in areas of 512 slots or more: less than 8 bytes per slot, all in all. */
TEST(metadata_are_at_most_eight_bytes_per_slot)
{
    for (uint32_t slots = 512; slots <= UINT32_C(1) << 21; slots += 128 * (1 + slots / 512))
        for (uint32_t areas = 1; slots / areas >= 512; areas *= 2) {
            size_t size = 0;
            config = (struct bounce_config){.slots = slots, .areas = areas};
            if (slots % (128 * areas) != 0)
                continue; /* every block is as large as that of the longest area */
            CHECK_OK(bounce_meta_size(&config, &size));
            CHECK(size <= 8 * (size_t)slots);
        }
}

TEST(as_many_mappings_as_the_configuration_says)
{
    struct rig_snapshot before;
    struct bounce_mapping first, other;
    struct bounce_counts counts;

    request = rig_request(0, 100);
    config = rig_config(0x90000000, 512);
    config.mappings = 6;
    config.areas = 2;
    pool = rig_start(&config);
    CHECK_OK(bounce_map(&pool, &request, &first));
    for (int i = 1; i < 6; i++)
        CHECK_OK(bounce_map(&pool, &request, &other)); /* three of them in the other area */
    CHECK_OK(bounce_area_usage(&pool, 1, &counts));
    CHECK_EQ(counts.mappings, 3);
    before = rig_snapshot(&pool);
    CHECK_ERR(bounce_map(&pool, &request, &other), BOUNCE_E_MAPPINGS);
    CHECK_ERR(bounce_alloc(&pool, 1, 0, 0, &other), BOUNCE_E_MAPPINGS);
    CHECK_ERR(bounce_reserve(&pool, &request, &other), BOUNCE_E_MAPPINGS);
    CHECK(rig_same(&pool, &before));
    CHECK_EQ(bounce_error_blame(BOUNCE_E_MAPPINGS), BOUNCE_BLAME_STATE);
    CHECK_OK(rig_unmap(&pool, &first));
    CHECK_OK(bounce_map(&pool, &request, &other));
    CHECK(!rig_flaw(&pool));

    /* The default: a sixth of the slots, and 16 at least. */
    config = rig_config(0x90000000, 600);
    config.mappings = 0;
    pool = rig_start(&config);
    for (int i = 0; i < 100; i++)
        CHECK_OK(bounce_map(&pool, &request, &other));
    CHECK_ERR(bounce_map(&pool, &request, &other), BOUNCE_E_MAPPINGS);
    config.slots = 20;
    pool = rig_start(&config);
    for (int i = 0; i < 16; i++)
        CHECK_OK(bounce_map(&pool, &request, &other));
    CHECK_ERR(bounce_map(&pool, &request, &other), BOUNCE_E_MAPPINGS);
    config.slots = 10;
    pool = rig_start(&config);
    for (int i = 0; i < 10; i++)
        CHECK_OK(bounce_map(&pool, &request, &other));
    CHECK_ERR(bounce_map(&pool, &request, &other), BOUNCE_E_FULL);
}

/* More records than a start of 16 bits can name: the same pool but for the width. */
TEST(more_mappings_than_sixteen_bits_can_number)
{
    enum { SLOTS = 70000 };
    static bounce_handle handles[SLOTS];
    static unsigned char wide_window[SLOTS * 256];
    static uint64_t wide_meta[SLOTS * 34 / 8];

    request = rig_request(0, 1);
    config = (struct bounce_config){.window = wide_window, .slots = SLOTS, .mappings = SLOTS, .slot_size = 256,
                                    .meta = wide_meta, .meta_size = sizeof(wide_meta), .flags = BOUNCE_KEEP_CONTENTS};
    pool = rig_start(&config);
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK_OK(bounce_map(&pool, &request, &mapping));
        handles[i] = mapping.handle;
    }
    CHECK(!rig_flaw(&pool));
    CHECK_OK(bounce_find_mapping(&pool, (SLOTS - 1) * 256, &mapping));
    CHECK_EQ(mapping.handle, handles[SLOTS - 1]);
    for (uint32_t i = 0; i < SLOTS; i++)
        CHECK_OK(bounce_unmap(&pool, handles[i], BOUNCE_BIDIRECTIONAL, 0));
    CHECK(!rig_flaw(&pool));
    CHECK_OK(bounce_fini(&pool));
}

TEST(S23_areas_are_whole_segments)
{
    for (uint32_t areas = 1; areas <= 8; areas *= 2)
        for (uint32_t slots = areas * 128; slots < areas * 128 + 700; slots += 37) {
            uint32_t seen = 0, last_area = 0;
            config = rig_config(0x90000000, slots);
            config.areas = areas;
            config.flags = BOUNCE_KEEP_CONTENTS;
            pool = rig_start(&config);
            /* Fill it: areas begin at segments, follow each other, and nothing is left over. */
            while (rig_map(&pool, 0, 1, RIG_NO_MASKS, &mapping) == 0) {
                CHECK_EQ(mapping.slot, seen++);
                CHECK(mapping.area == last_area || (mapping.area == last_area + 1 && mapping.slot % 128 == 0));
                last_area = mapping.area;
            }
            CHECK_EQ(seen, slots);
            CHECK_EQ(last_area, areas - 1);
        }
}

TEST(S34_C251_a_size_of_0)
{
    pool = rig_pool(0x90000000, 64);
    MAP(BOUNCE_E_SIZE, request.size = 0);
    MAP(BOUNCE_E_SIZE, (request.size = 0, request.orig_addr = 0x4000123, request.min_align_mask = 0xfff));
    REFUSED(&pool, bounce_alloc(&pool, 0, 0, 0, &mapping), BOUNCE_E_SIZE);
}

TEST(S33_C253_C254_sizes_and_sums_that_overflow)
{
    pool = rig_pool(0x90000000, 512);
    MAP(BOUNCE_E_ADDR, request.size = SIZE_MAX);
    MAP(BOUNCE_E_ADDR, (request.size = SIZE_MAX - 0xfff, request.orig_addr = 0xfff, request.min_align_mask = 0xfff));
    MAP(BOUNCE_E_ADDR, (request.orig_addr = UINT64_MAX - 98));
    MAP(BOUNCE_E_ADDR, (request.orig = (void *)(UINTPTR_MAX - 98)));
    /* One that ends with the address space does not wrap: it is only too long. */
    MAP(BOUNCE_E_TOO_LARGE, (request.size = 262145, request.orig = (void *)(UINTPTR_MAX - 262144)));
#if SIZE_MAX > 0xffffffffu
    MAP(BOUNCE_E_TOO_LARGE, (request.size = (size_t)0x80000000800, request.orig = (void *)0x100000000000));
    MAP(BOUNCE_E_TOO_LARGE, (request.size = (size_t)1 << 32, request.orig = (void *)0x100000000000));
    MAP(BOUNCE_E_TOO_LARGE, (request.size = ((size_t)1 << 32) + 1, request.orig = (void *)0x100000000000));
#endif
    MAP(BOUNCE_E_TOO_LARGE, request.alloc_align_mask = 0xffffffff);
    MAP(BOUNCE_E_TOO_LARGE, request.alloc_align_mask = UINT64_MAX);
    MAP(BOUNCE_E_TOO_LARGE, (request.alloc_align_mask = 0x3ffff, request.min_align_mask = 0x3ffff,
                             request.orig_addr = 0x3ffff));
    REFUSED(&pool, bounce_alloc(&pool, SIZE_MAX, 0, 0, &mapping), BOUNCE_E_TOO_LARGE);
    REFUSED(&pool, bounce_alloc(&pool, 262145, 0, 0, &mapping), BOUNCE_E_TOO_LARGE);
}

TEST(S33_C255_masks_that_are_none)
{
    static const uint64_t wrong[] = {2, 5, 0xff0, 0x1800, 0x1ffe, UINT64_MAX - 1, UINT64_C(1) << 63};

    pool = rig_pool(0x90000000, 64);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        MAP(BOUNCE_E_MASK, request.alloc_align_mask = wrong[i]);
        MAP(BOUNCE_E_MASK, request.min_align_mask = wrong[i]);
        MAP(BOUNCE_E_MASK, request.boundary_mask = wrong[i]);
        CHECK_EQ(bounce_max_mapping_size(&pool, wrong[i]), 0);
    }
    CHECK_EQ(bounce_max_mapping_size(&pool, UINT64_MAX), 0);
}

TEST(directions_that_are_none)
{
    pool = rig_pool(0x90000000, 64);
    MAP(BOUNCE_E_DIRECTION, request.direction = (enum bounce_direction)0);
    MAP(BOUNCE_E_DIRECTION, request.direction = (enum bounce_direction)4);
}

TEST(an_original_in_the_pool)
{
    pool = rig_pool(0x90000000, 64);
    MAP(BOUNCE_E_OVERLAP, request.orig = rig_window);
    MAP(BOUNCE_E_OVERLAP, request.orig = rig_window + 64 * 2048 - 1);
    MAP(BOUNCE_E_OVERLAP, request.orig = rig_meta);
    request = rig_request(0, 9);
    request.orig = rig_window + 64 * 2048;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
}

TEST(null_pointers)
{
    struct bounce_counts counts;
    struct bounce_flaw flaw;
    struct bounce_pool view;
    uint32_t slot = 0;
    size_t size;

    pool = rig_pool(0x90000000, 64);
    config = rig_config(0x90000000, 64);
    request = rig_request(0, 10);
    CHECK_ERR(bounce_meta_size(NULL, &size), BOUNCE_E_NULL);
    CHECK_ERR(bounce_meta_size(&config, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_init(NULL, &config), BOUNCE_E_NULL);
    REFUSED(&pool, bounce_init(&pool, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_fini(NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_map(NULL, &request, &mapping), BOUNCE_E_NULL);
    REFUSED(&pool, bounce_map(&pool, NULL, &mapping), BOUNCE_E_NULL);
    REFUSED(&pool, bounce_map(&pool, &request, NULL), BOUNCE_E_NULL);
    MAP(BOUNCE_E_NULL, request.orig = NULL);
    CHECK_ERR(bounce_unmap(NULL, 1, BOUNCE_TO_DEVICE, 0), BOUNCE_E_NULL);
    CHECK_ERR(bounce_sync_for_cpu(NULL, 1, BOUNCE_TO_DEVICE, 0, 0), BOUNCE_E_NULL);
    CHECK_ERR(bounce_sync_for_device(NULL, 1, BOUNCE_TO_DEVICE, 0, 0), BOUNCE_E_NULL);
    CHECK_ERR(bounce_alloc(NULL, 1, 0, 0, &mapping), BOUNCE_E_NULL);
    REFUSED(&pool, bounce_alloc(&pool, 1, 0, 0, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_free(NULL, 1), BOUNCE_E_NULL);
    CHECK_EQ(bounce_max_mapping_size(NULL, 0), 0);
    CHECK_ERR(bounce_usage(NULL, &counts), BOUNCE_E_NULL);
    CHECK_ERR(bounce_usage(&pool, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_area_usage(NULL, 0, &counts), BOUNCE_E_NULL);
    CHECK_ERR(bounce_area_usage(&pool, 0, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_area_usage(&pool, 1, &counts), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_reset_high_water(NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_find_mapping(NULL, 0, &mapping), BOUNCE_E_NULL);
    CHECK_ERR(bounce_find_mapping(&pool, 0, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_verify(NULL, &flaw), BOUNCE_E_NULL);
    CHECK_ERR(bounce_verify(&pool, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_try_view(NULL, &view), BOUNCE_E_NULL);
    CHECK_ERR(bounce_try_view(&pool, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_can_map(NULL, &request), BOUNCE_E_NULL);
    CHECK_ERR(bounce_can_map(&pool, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_reserve(NULL, &request, &mapping), BOUNCE_E_NULL);
    CHECK_ERR(bounce_reserve(&pool, NULL, &mapping), BOUNCE_E_NULL);
    REFUSED(&pool, bounce_reserve(&pool, &request, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_commit(NULL, 1, BOUNCE_TO_DEVICE, rig_orig), BOUNCE_E_NULL);
    CHECK_ERR(bounce_next_mapping(NULL, &slot, &mapping), BOUNCE_E_NULL);
    CHECK_ERR(bounce_next_mapping(&pool, NULL, &mapping), BOUNCE_E_NULL);
    CHECK_ERR(bounce_next_mapping(&pool, &slot, NULL), BOUNCE_E_NULL);
}

TEST(every_error_has_a_text_and_a_blame)
{
    int known = 0;

    for (int error = -1; error >= -300; error--) {
        const char *text = bounce_error_text(error);
        enum bounce_blame blame = bounce_error_blame(error);
        CHECK(text[0] != '\0');
        CHECK_EQ(strncmp(text, "state: ", 7) == 0, blame == BOUNCE_BLAME_STATE);
        CHECK_EQ(strncmp(text, "caller: ", 8) == 0, blame == BOUNCE_BLAME_CALLER);
        CHECK_EQ(strncmp(text, "pool: ", 6) == 0, blame == BOUNCE_BLAME_POOL);
        known += strstr(text, "not an answer") == NULL;
        for (int other = error + 1; other < 0; other++)
            CHECK(strcmp(bounce_error_text(other), text) != 0 || strstr(text, "not an answer") != NULL);
    }
    CHECK_EQ(known, 21);
    CHECK_EQ(bounce_error_blame(0), BOUNCE_BLAME_NONE);
    CHECK(strcmp(bounce_error_text(0), "no error") == 0);
}
