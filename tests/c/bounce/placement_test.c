/* SPDX-License-Identifier: MIT */
/*
 * Where mappings go: the bugs of the past, by number, and the four alignment situations.
 */
#include "rig.h"

#define PAGE UINT64_C(0xfff)

/* Occupies slots [from, to) one by one; the cursor is left after them. */
static int occupy(struct bounce_pool *pool, uint32_t from, uint32_t to, bounce_handle *handles)
{
    for (uint32_t slot = from; slot < to; slot++) {
        struct bounce_mapping mapping;
        int error = rig_map(pool, 0, 1, RIG_NO_MASKS, &mapping);
        if (error || mapping.slot != slot)
            return error ? error : 1;
        if (handles)
            handles[slot] = mapping.handle;
    }
    return 0;
}

static struct bounce_pool mail_thread_pool(void)
{
    struct bounce_config config = rig_config(0x97ff0000, 7168);

    config.cursor = 1645;
    return rig_start(&config);
}

TEST(S1_mail_thread_three_page_aligned_allocations)
{
    static const uint32_t coherent[3] = {1648, 1652, 1656}, streaming[3] = {1646, 1650, 1654};
    static const uint64_t coherent_addr[3] = {0x98328000, 0x9832a000, 0x9832c000};
    static const uint64_t broken_addr[3] = {0x98326800, 0x98328800, 0x9832a800};
    struct bounce_pool pool = mail_thread_pool();

    for (int i = 0; i < 3; i++) {
        struct bounce_mapping mapping;
        CHECK_OK(bounce_alloc(&pool, 0x2000, 0, 0, &mapping));
        CHECK_EQ(mapping.slot, coherent[i]);
        CHECK_EQ(mapping.addr, coherent_addr[i]);
        CHECK(mapping.addr != broken_addr[i]);
        CHECK_EQ(mapping.addr % 0x2000, 0);
        CHECK_EQ(mapping.slots, 4);
    }
    pool = mail_thread_pool();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(rig_slot(&pool, 0, 0x2000, RIG_NO_MASKS), streaming[i]);
    pool = mail_thread_pool();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(rig_slot(&pool, 0, 0x2000, (struct rig_masks){.alloc_align = 0x1fff}), coherent[i]);
}

TEST(C260_page_aligned_after_an_odd_slot)
{
    for (uint64_t align = 0; align <= 0xffff; align = align * 2 + 1)
        for (uint64_t min = 0; min <= 0xffff; min = min * 2 + 1) {
            struct bounce_pool pool = rig_pool(0x90000000, 512);
            struct bounce_mapping odd, page, after;
            CHECK_OK(rig_map(&pool, 0x4000123, 100, RIG_NO_MASKS, &odd));
            CHECK_OK(rig_map(&pool, 0x4000fa0, 4096, (struct rig_masks){.alloc_align = align, .min_align = min},
                             &page));
            CHECK_EQ((page.addr ^ 0x4000fa0) & min, 0);
            CHECK_EQ((0x90000000 + (uint64_t)page.slot * 2048) & align, 0);
            CHECK_OK(rig_map(&pool, 0, 100, RIG_NO_MASKS, &after));
            CHECK(page.slot > odd.slot && after.slot >= page.slot + page.slots);
        }
}

TEST(S2_large_pages_are_kept_not_their_shift)
{
    for (uint32_t page = 4096; page <= 65536; page *= 4) {
        struct bounce_config config = rig_config(0x97ff0000, 7168);
        struct bounce_pool pool;
        config.page_size = page;
        config.cursor = 1645;
        pool = rig_start(&config);
        for (int i = 0; i < 3; i++) {
            struct bounce_mapping mapping;
            CHECK_OK(rig_map(&pool, 0, page, RIG_NO_MASKS, &mapping));
            CHECK_EQ(mapping.addr % page, 0);
        }
    }
}

TEST(S3_an_odd_cursor_does_not_hide_even_slots)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);

    CHECK_OK(occupy(&pool, 0, 129, NULL));
    CHECK_EQ(rig_slot(&pool, 0, 4096, RIG_NO_MASKS), 130);
}

TEST(S4_masks_are_not_combined_by_and)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);

    CHECK_OK(occupy(&pool, 0, 1, NULL));
    CHECK_EQ(rig_slot(&pool, 0x5000, 4096, (struct rig_masks){.min_align = PAGE}), 2);
    CHECK_EQ(rig_slot(&pool, 0x5000, 512, (struct rig_masks){.alloc_align = 0x3fff, .min_align = 0x7ff}), 8);
}

TEST(S5_alloc_align_holds_while_min_align_steps)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);
    struct bounce_mapping mapping;

    CHECK_OK(occupy(&pool, 0, 3, NULL));
    CHECK_OK(rig_map(&pool, 0x12345800, 512, (struct rig_masks){.alloc_align = 0x7ff, .min_align = 0x3fff}, &mapping));
    CHECK_EQ(mapping.addr & 0x3fff, 0x12345800 & 0x3fff);
    CHECK_OK(rig_map(&pool, 0x12345000, 512, (struct rig_masks){.alloc_align = 0x3fff, .min_align = 0x7ff}, &mapping));
    CHECK_EQ(mapping.addr & 0x3fff, 0);
}

TEST(S6_a_nearly_full_pool_ends_the_search)
{
    static bounce_handle handles[1024];
    struct bounce_pool pool = rig_pool(0x90000000, 1024);

    /* Only even slots are free, and only odd ones suit: every kind of step, no success. */
    CHECK_OK(occupy(&pool, 0, 1024, handles));
    for (uint32_t slot = 0; slot < 1024; slot += 2)
        CHECK_OK(bounce_unmap(&pool, handles[slot], BOUNCE_BIDIRECTIONAL, 0));
    for (uint64_t align = PAGE; align <= 0xffff; align = align * 2 + 1)
        CHECK_EQ(rig_slot(&pool, 0x4000f00, 100, (struct rig_masks){.min_align = align}), BOUNCE_E_FRAGMENTED);
    CHECK_EQ(rig_slot(&pool, 0x4000700, 100, (struct rig_masks){.min_align = PAGE}), 0);
}

TEST(S7_min_align_below_alloc_align_does_not_choose_the_slot)
{
    struct bounce_pool pool = rig_pool(0x90000000, 1024);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, UINT64_C(0x105774600), 512, (struct rig_masks){.alloc_align = 0xffff, .min_align = PAGE},
                     &mapping));
    CHECK_EQ(mapping.slot, 0);
    CHECK_EQ(mapping.addr, 0x90000600);

    /* Nor a bit that is a whole slot: that is padding. */
    CHECK_OK(rig_map(&pool, UINT64_C(0x105774e00), 512, (struct rig_masks){.alloc_align = 0xffff, .min_align = PAGE},
                     &mapping));
    CHECK_EQ(mapping.slot, 32);
    CHECK_EQ(mapping.addr, 0x90010e00);
    CHECK_OK(rig_map(&pool, UINT64_C(0x105774e00), 512,
                     (struct rig_masks){.alloc_align = 0xffff, .min_align = PAGE, .boundary = 0xffffff}, &mapping));
    CHECK_EQ(mapping.slot, 64);
    CHECK_EQ(mapping.addr, 0x90020e00);
}

TEST(S8_whole_padding_slots_keep_the_bits_above_a_slot)
{
    struct bounce_pool pool = rig_pool(0x90000000, 1024);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, 0x40000fa0, 512, (struct rig_masks){.alloc_align = PAGE, .min_align = PAGE}, &mapping));
    CHECK_EQ(mapping.addr, 0x90000fa0);
    CHECK_EQ(mapping.pad_slots, 1);
    CHECK_EQ(mapping.slots, 4); /* 0xfa0 + 512, rounded up to two pages */
}

TEST(S12_a_whole_page_without_masks_starts_at_a_page)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);

    CHECK_OK(occupy(&pool, 0, 1, NULL));
    CHECK_EQ(rig_slot(&pool, 0, 4096, RIG_NO_MASKS), 2);
    CHECK_OK(occupy(&pool, 4, 5, NULL));
    CHECK_EQ(rig_slot(&pool, 0, 4095, RIG_NO_MASKS), 5);
    CHECK_EQ(rig_slot(&pool, 0x4000000, 4096, (struct rig_masks){.min_align = 0x7ff}), 7);
}

TEST(S13_coherent_memory_is_aligned_to_its_order)
{
    struct bounce_pool pool = rig_pool(0x90000800, 512); /* slot 0 is not at a page */

    for (size_t size = 1; size <= 65536; size = size < 4096 ? 4096 : size * 2) {
        struct bounce_mapping mapping;
        CHECK_OK(bounce_alloc(&pool, size, 0, 9, &mapping));
        CHECK_EQ(mapping.addr % (size < 4096 ? 4096 : size), 0);
        CHECK(mapping.coherent && mapping.pad_slots == 0 && mapping.owner == 9 && mapping.size == size);
        CHECK_EQ(mapping.slots, (size + 2047) / 2048);
    }
}

TEST(S14_max_mapping_size_fits_at_every_offset)
{
    for (uint64_t mask = 0; mask < 0x20000; mask = mask * 2 + 1) {
        for (uint64_t offset = 0; offset <= mask; offset += 1 + mask / 97) {
            struct bounce_pool pool = rig_pool(0x97ff0800, 300);
            struct bounce_mapping mapping;
            size_t size = bounce_max_mapping_size(&pool, mask);
            CHECK_OK(rig_map(&pool, 0x40000000 + offset, size, (struct rig_masks){.min_align = mask}, &mapping));
            CHECK_EQ((mapping.addr ^ offset) & mask, 0);
        }
    }
}

TEST(S14_without_a_mask_the_largest_mapping_lacks_what_lies_before_the_first_page)
{
    for (uint32_t page = 4096; page <= 65536; page *= 4)
        for (uint32_t addr = 0; addr < 2 * page; addr += 2048) {
            struct bounce_config config = rig_config(addr, 128);
            struct bounce_pool pool;
            size_t size = 128 * 2048 - (page - addr % page) % page;

            config.page_size = page;
            pool = rig_start(&config);
            CHECK_EQ(bounce_max_mapping_size(&pool, 0), size);
            CHECK_EQ(rig_slot(&pool, 0, size, RIG_NO_MASKS), 128 - (long)size / 2048);
        }
}

TEST(C252_the_largest_mapping_and_one_byte_more)
{
    struct bounce_pool pool = rig_pool(0x90000000, 512);

    CHECK_EQ(bounce_max_mapping_size(&pool, 0), 262144);
    CHECK_EQ(bounce_max_mapping_size(&pool, 0x1ff), 260096);
    CHECK_EQ(bounce_max_mapping_size(&pool, 0xfff), 258048);
    CHECK_EQ(bounce_max_mapping_size(&pool, 0xffff), 196608);
    CHECK_EQ(rig_slot(&pool, 0, 262145, RIG_NO_MASKS), BOUNCE_E_TOO_LARGE);
    CHECK_EQ(rig_slot(&pool, 0, 262144, RIG_NO_MASKS), 0);
}

/* A.12: who asks for what. */
TEST(four_alignment_situations)
{
    struct bounce_pool pool = rig_pool(0x90000000, 512);
    struct bounce_mapping mapping;

    /* 1: neither mask. Direct streaming. */
    CHECK_OK(rig_map(&pool, 0x4000fa0, 100, RIG_NO_MASKS, &mapping));
    CHECK(mapping.slot == 0 && mapping.addr == 0x90000000 && mapping.slots == 1);
    CHECK_OK(rig_map(&pool, 0x4000fa0, 5000, RIG_NO_MASKS, &mapping));
    CHECK(mapping.slot == 2 && mapping.slots == 3);
    /* 2: min_align_mask alone. NVMe: low bits kept, less than a slot of padding, no page rule. */
    CHECK_OK(rig_map(&pool, 0x4000fa0, 5000, (struct rig_masks){.min_align = PAGE}, &mapping));
    CHECK(mapping.slot == 5 && mapping.addr == 0x90002fa0 && mapping.pad_slots == 0 && mapping.slots == 4);
    /* 3: alloc_align_mask alone. IOMMU: the allocation is whole granules, no padding before the data. */
    CHECK_OK(rig_map(&pool, 0x4000fa0, 5000, (struct rig_masks){.alloc_align = PAGE}, &mapping));
    CHECK(mapping.slot == 10 && mapping.addr == 0x90005000 && mapping.slots == 4);
    /* 4: both. Data at its offset in the granule; bits of min_align_mask above it by the choice of the slot. */
    CHECK_OK(rig_map(&pool, 0x4003fa0, 100, (struct rig_masks){.alloc_align = PAGE, .min_align = 0x3fff}, &mapping));
    CHECK(mapping.slot == 14 && mapping.addr == 0x90007fa0 && mapping.pad_slots == 1 && mapping.slots == 4);
}

TEST(C257_low_address_bits_survive_at_every_offset)
{
    for (uint64_t offset = 0; offset < 4096; offset += 7) {
        struct bounce_pool pool = rig_pool(0x90000000, 64);
        struct bounce_mapping mapping;
        CHECK_OK(rig_map(&pool, 0x40000000 + offset, 600, (struct rig_masks){.min_align = PAGE}, &mapping));
        CHECK_EQ(mapping.addr & PAGE, offset);
    }
}

TEST(S24_a_pool_smaller_than_a_segment_ends_where_it_ends)
{
    struct bounce_pool pool = rig_pool(0x90000000, 100);

    CHECK_EQ(rig_slot(&pool, 0, 101 * 2048, RIG_NO_MASKS), BOUNCE_E_TOO_LARGE);
    CHECK_EQ(bounce_max_mapping_size(&pool, 0), 100 * 2048);
    CHECK_EQ(rig_slot(&pool, 0, 98 * 2048, RIG_NO_MASKS), 0);
    CHECK_OK(occupy(&pool, 98, 100, NULL));
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), BOUNCE_E_FULL);
}

TEST(S24_C263_the_last_area_ends_where_the_window_does)
{
    struct bounce_config config = rig_config(0x90000000, 128 + 128 + 5); /* of three segments, the last area has two */
    struct bounce_request request = rig_request(0, 1);
    struct bounce_pool pool;
    struct bounce_mapping mapping;
    struct bounce_counts counts;
    uint32_t seen = 0;

    config.areas = 2;
    pool = rig_start(&config);
    CHECK_OK(bounce_area_usage(&pool, 0, &counts));
    CHECK_EQ(counts.slots, 128);
    CHECK_OK(bounce_area_usage(&pool, 1, &counts));
    CHECK_EQ(counts.slots, 133);
    request.area = 1; /* only the area asked for is searched the short way, near its cursor */
    while (bounce_map(&pool, &request, &mapping) == 0) {
        CHECK(mapping.slot < config.slots);
        CHECK_EQ(mapping.area, seen < 133 ? 1 : 0);
        seen++;
    }
    CHECK_EQ(seen, config.slots);
    CHECK(!rig_flaw(&pool));
}

TEST(S25_C263_the_end_of_a_pool_that_is_no_whole_segment)
{
    for (uint32_t slots = 1; slots <= 300; slots++) {
        struct bounce_pool pool = rig_pool(0x90000000, slots);
        struct bounce_mapping mapping;
        uint32_t tail = slots % 128 ? slots % 128 : 128;
        CHECK_OK(occupy(&pool, 0, slots - tail, NULL));
        for (int again = 0; again < 2; again++) {
            CHECK_OK(rig_map(&pool, 0, tail * 2048, (struct rig_masks){.min_align = 0x7ff}, &mapping));
            CHECK_EQ(mapping.slot + mapping.slots, slots);
            CHECK_OK(rig_unmap(&pool, &mapping));
        }
    }
}

TEST(S26_C258_C259_boundaries)
{
    struct bounce_pool pool = rig_pool(0x90003800, 512); /* 7 slots into a 16 KiB line */

    CHECK_EQ(rig_slot(&pool, 0, 3 * 2048, (struct rig_masks){.min_align = 1, .boundary = 0x3fff}), 1);
    CHECK_EQ(rig_slot(&pool, 0, 5 * 2048, (struct rig_masks){.min_align = 1, .boundary = 0x3fff}), 4);
    CHECK_EQ(rig_slot(&pool, 0, 8 * 2048, (struct rig_masks){.min_align = 1, .boundary = 0x3fff}), 9);
    CHECK_EQ(rig_slot(&pool, 0, 9 * 2048, (struct rig_masks){.min_align = 1, .boundary = 0x3fff}),
             BOUNCE_E_UNSATISFIABLE);
    CHECK_EQ(rig_slot(&pool, 0, 1, (struct rig_masks){.boundary = 0x1ff}), BOUNCE_E_UNSATISFIABLE);
    CHECK_EQ(rig_slot(&pool, 0, 1, (struct rig_masks){.boundary = 0x7ff}), 17);
    CHECK_EQ(rig_slot(&pool, 0, 64 * 2048, (struct rig_masks){.min_align = 1, .boundary = UINT64_MAX}), 18);
    CHECK_EQ(rig_slot(&pool, 0, 1, (struct rig_masks){.boundary = 0x5ff}), BOUNCE_E_MASK);
    CHECK_EQ(rig_slot(&pool, 0, 1, (struct rig_masks){.boundary = UINT64_MAX / 2}), 82);
}

TEST(S27_the_candidate_just_before_the_cursor_is_tried)
{
    static bounce_handle handles[256];
    struct bounce_pool pool = rig_pool(0x90000000, 256);

    CHECK_OK(occupy(&pool, 0, 256, handles));
    CHECK_OK(bounce_unmap(&pool, handles[1], BOUNCE_BIDIRECTIONAL, 0));
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), 1); /* the cursor is at 2 now */
    CHECK_OK(bounce_unmap(&pool, handles[3], BOUNCE_BIDIRECTIONAL, 0));
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), 3); /* and at 4 */
    CHECK_OK(bounce_unmap(&pool, handles[255], BOUNCE_BIDIRECTIONAL, 0));
    CHECK_EQ(rig_slot(&pool, 0x40000800, 100, (struct rig_masks){.min_align = PAGE}), 255);
    for (uint32_t hole = 1; hole < 8; hole += 2) {
        bounce_handle all[8];
        struct bounce_config config = rig_config(0x90000000, 8);
        struct bounce_mapping mapping;
        pool = rig_start(&config);
        CHECK_OK(occupy(&pool, 0, 8, all));
        CHECK_OK(bounce_unmap(&pool, all[hole], BOUNCE_BIDIRECTIONAL, 0));
        CHECK_OK(rig_map(&pool, 0, 1, RIG_NO_MASKS, &mapping)); /* puts the cursor right after the hole */
        CHECK_EQ(mapping.slot, hole);
        CHECK_OK(rig_unmap(&pool, &mapping));
        CHECK_EQ(rig_slot(&pool, 0x40000800, 100, (struct rig_masks){.min_align = PAGE}), hole);
    }
}

TEST(S28_a_mask_wider_than_the_boundary_keeps_all_its_bits)
{
    struct bounce_pool pool = rig_pool(0x90000800, 64);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, 0x40000000, 2048, (struct rig_masks){.min_align = PAGE, .boundary = 0x7ff}, &mapping));
    CHECK_EQ(mapping.slot, 1);
    CHECK_EQ(mapping.addr, 0x90001000);
}

TEST(S32_address_0_is_an_address)
{
    struct bounce_pool pool = rig_pool(0x90000800, 64);

    CHECK_EQ(rig_slot(&pool, 0, 2048, (struct rig_masks){.min_align = PAGE}), 1);
    CHECK_EQ(rig_slot(&pool, 0x800, 2048, (struct rig_masks){.min_align = PAGE}), 2);
}

TEST(S41_two_large_mappings_are_two)
{
    struct bounce_pool pool = rig_pool(0x90000000, 512);

    CHECK_EQ(rig_slot(&pool, 0, 262144, RIG_NO_MASKS), 0);
    CHECK_EQ(rig_slot(&pool, 0, 262144, RIG_NO_MASKS), 128);
    CHECK_EQ(rig_slot(&pool, 0, 131072, RIG_NO_MASKS), 256);
    CHECK_EQ(rig_slot(&pool, 0, 262144, RIG_NO_MASKS), 384);
    CHECK_EQ(rig_slot(&pool, 0, 262144, RIG_NO_MASKS), BOUNCE_E_FULL);
}

TEST(S43_C256_four_reasons_why_it_does_not_fit)
{
    static bounce_handle handles[256];
    struct bounce_pool pool = rig_pool(0x90000800, 256);

    CHECK_EQ(rig_slot(&pool, 0, 262145, RIG_NO_MASKS), BOUNCE_E_TOO_LARGE);
    CHECK_EQ(rig_slot(&pool, 0, 1, (struct rig_masks){.alloc_align = 0x7ffff}), BOUNCE_E_TOO_LARGE);
    CHECK_EQ(rig_slot(&pool, 0, 1, (struct rig_masks){.alloc_align = UINT64_MAX}), BOUNCE_E_TOO_LARGE);
    CHECK_EQ(rig_slot(&pool, 0x2000, 1, (struct rig_masks){.min_align = UINT64_MAX}), BOUNCE_E_UNSATISFIABLE);
    CHECK_EQ(rig_slot(&pool, 0x4000000, 1, (struct rig_masks){.min_align = 0x7ffffff}), BOUNCE_E_UNSATISFIABLE);
    CHECK_EQ(rig_slot(&pool, 0, 262144, (struct rig_masks){.alloc_align = PAGE}), BOUNCE_E_UNSATISFIABLE);
    CHECK_OK(occupy(&pool, 0, 256, handles));
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), BOUNCE_E_FULL);
    CHECK_EQ(rig_slot(&pool, 0x4000000, 1, (struct rig_masks){.min_align = 0x7ffffff}), BOUNCE_E_UNSATISFIABLE);
    CHECK_EQ(rig_slot(&pool, 0, 262144, (struct rig_masks){.alloc_align = PAGE}), BOUNCE_E_UNSATISFIABLE);
    CHECK_OK(bounce_unmap(&pool, handles[10], BOUNCE_BIDIRECTIONAL, 0));
    CHECK_OK(bounce_unmap(&pool, handles[12], BOUNCE_BIDIRECTIONAL, 0));
    CHECK_EQ(rig_slot(&pool, 0, 4096, (struct rig_masks){.min_align = 1}), BOUNCE_E_FRAGMENTED);
    CHECK_EQ(rig_slot(&pool, 0, 5000, RIG_NO_MASKS), BOUNCE_E_FULL);
}

/* Feasibility is a closed form; here it is asked of every slot of an empty pool. */
TEST(S43_unsatisfiable_means_not_even_when_empty)
{
    uint64_t seed = 5;
    uint32_t never = 0;

    for (uint32_t round = 0; round < 20000; round++) {
        struct bounce_config config = rig_config((rig_random(&seed) >> 30) / 2048 * 2048, 1 + rig_below(&seed, 400));
        struct rig_masks masks = {rig_mask(&seed, 18), rig_mask(&seed, 22), rig_mask(&seed, 22)};
        uint64_t orig = rig_random(&seed) >> 30;
        struct bounce_pool pool;
        struct bounce_request request;
        struct bounce_mapping mapping;
        int error, full;

        config.segment_slots = 1u << rig_below(&seed, 8);
        config.slot_size = 256;
        pool = rig_start(&config);
        request = rig_request(orig, 1 + rig_below(&seed, 40 * 256));
        request.alloc_align_mask = masks.alloc_align;
        request.min_align_mask = masks.min_align;
        request.boundary_mask = masks.boundary;
        error = bounce_map(&pool, &request, &mapping);
        CHECK_EQ(bounce_can_map(&pool, &request), error);
        CHECK(error == 0 || error == BOUNCE_E_UNSATISFIABLE || error == BOUNCE_E_TOO_LARGE);
        never += error == BOUNCE_E_UNSATISFIABLE;
        if (error == 0) {
            full = rig_map(&pool, orig, mapping.size, masks, &mapping);
            CHECK(full == 0 || full == BOUNCE_E_FULL || full == BOUNCE_E_FRAGMENTED);
        }
    }
    CHECK(never > 1000);
}

/* As many one-slot mappings as a pool has slots, or 300; then none. */
static void fill_and_empty(VTEST, struct bounce_pool *pool, uint32_t slots, uint32_t longest)
{
    static struct bounce_mapping live[300];
    uint32_t count = slots < 300 ? slots : 300;

    for (uint32_t i = 0; i < count; i++) {
        CHECK_OK(rig_map(pool, 0, 1, RIG_NO_MASKS, &live[i]));
        CHECK_EQ(live[i].slot, i);
    }
    if (count == slots)
        CHECK_EQ(rig_slot(pool, 0, 1, RIG_NO_MASKS), BOUNCE_E_FULL);
    CHECK(!rig_flaw(pool));
    for (uint32_t i = 0; i < count; i++)
        CHECK_OK(rig_unmap(pool, &live[i]));
    CHECK(!rig_flaw(pool));
    CHECK_EQ(rig_usage(pool).used, 0);
    CHECK_EQ(rig_usage(pool).longest_run, longest);
}

TEST(C301_slot_and_segment_sizes)
{
    for (uint32_t slot = 256; slot <= 65536; slot *= 2)
        for (uint32_t segment = 1; segment <= 4096; segment *= 2) {
            uint32_t slots = (uint64_t)slot * segment * 2 > RIG_WINDOW_SIZE ? RIG_WINDOW_SIZE / slot : 2 * segment;
            struct bounce_config config = rig_config(0x80000000, slots);
            struct bounce_pool pool;
            uint32_t longest = slots < segment ? slots : segment;
            size_t size = (size_t)longest * slot;
            config.slot_size = slot;
            config.segment_slots = segment;
            config.flags = BOUNCE_KEEP_CONTENTS;
            pool = rig_start(&config);
            fill_and_empty(VTEST_PASS, &pool, slots, longest);
            pool = rig_start(&config);
            CHECK_EQ(bounce_max_mapping_size(&pool, 0), size);
            if (size > RIG_ORIG_SIZE)
                size = RIG_ORIG_SIZE;
            CHECK_EQ(rig_slot(&pool, 0, size, RIG_NO_MASKS), 0);
            CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), slots == size / slot ? BOUNCE_E_FULL : (long)(size / slot));
        }
}

TEST(first_fit_takes_the_lowest_slot)
{
    struct bounce_config config = rig_config(0x90000000, 256);
    struct bounce_pool pool;
    struct bounce_mapping a, b;

    config.flags = BOUNCE_FIRST_FIT;
    config.cursor = 77;
    pool = rig_start(&config);
    CHECK_OK(rig_map(&pool, 0, 1, RIG_NO_MASKS, &a));
    CHECK_OK(rig_map(&pool, 0, 1, RIG_NO_MASKS, &b));
    CHECK(a.slot == 0 && b.slot == 1);
    CHECK_OK(rig_unmap(&pool, &a));
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), 0);
    CHECK_EQ(rig_slot(&pool, 0, 1, RIG_NO_MASKS), 2);
}

TEST(S38_C295_no_byte_of_data_lies_above_the_devices_limit)
{
    struct bounce_config config = rig_config(0x90000000, 256);
    struct bounce_pool pool = rig_start(&config);
    struct bounce_request request = rig_request(0x4000123, 3000);
    struct bounce_mapping mapping;
    struct rig_snapshot before = rig_snapshot(&pool);
    int fits = 0;

    /* Never: not even the first slot's data ends below. Nothing is taken and given back meanwhile. */
    request.min_align_mask = 0xfff;
    request.limit = 0x90000000 + 0x123 + 3000 - 2;
    CHECK_ERR(bounce_map(&pool, &request, &mapping), BOUNCE_E_UNSATISFIABLE);
    CHECK_ERR(bounce_can_map(&pool, &request), BOUNCE_E_UNSATISFIABLE);
    request.limit = 1;
    CHECK_ERR(bounce_map(&pool, &request, &mapping), BOUNCE_E_UNSATISFIABLE);
    CHECK(rig_same(&pool, &before));

    /* To the byte: one more and it fits, once. */
    request.limit = 0x90000000 + 0x123 + 3000 - 1;
    CHECK_OK(bounce_can_map(&pool, &request));
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_EQ(mapping.addr + mapping.size - 1, request.limit);
    CHECK_ERR(bounce_map(&pool, &request, &mapping), BOUNCE_E_FRAGMENTED);

    /* Wherever the cursor stands, what is reached is found, and only that. */
    request.limit = 0x90000000 + 40 * 2048 - 1;
    while (bounce_map(&pool, &request, &mapping) == 0) {
        CHECK(mapping.addr + mapping.size - 1 <= request.limit);
        fits++;
    }
    CHECK_EQ(fits, 19);
    request.limit = UINT64_MAX;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK(!rig_flaw(&pool));
}

/* Where an index is -1 elsewhere, and unsigned: no number is special here. */
TEST(S22_the_largest_numbers_are_numbers)
{
    struct bounce_config config = rig_config(0x90000000, 512);
    struct bounce_request request = rig_request(UINT64_MAX - 99, 100);
    struct bounce_mapping mapping, found;
    struct bounce_pool pool;
    uint32_t slot = UINT32_MAX;

    config.areas = 4;
    config.cursor = 127;
    pool = rig_start(&config);
    request.area = UINT32_MAX; /* modulo the areas: the last */
    request.owner = UINT32_MAX;
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK(mapping.area == 3 && mapping.slot == 384 && mapping.owner == UINT32_MAX);
    CHECK_ERR(bounce_next_mapping(&pool, &slot, &found), BOUNCE_E_RANGE);
    CHECK_EQ(slot, UINT32_MAX);
    CHECK_ERR(bounce_area_usage(&pool, UINT32_MAX, &(struct bounce_counts){0}), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_find_mapping(&pool, UINT64_MAX, &found), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_find_mapping(&pool, 0x90000000 - 1, &found), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_unmap(&pool, UINT64_MAX, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    CHECK_OK(rig_unmap(&pool, &mapping));
    request.area = 0;
    CHECK_OK(bounce_map(&pool, &request, &mapping)); /* the last slot of an area, and then its first */
    CHECK_EQ(mapping.slot, 127);
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_EQ(mapping.slot, 0);
}
