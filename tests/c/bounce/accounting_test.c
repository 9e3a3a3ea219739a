/* SPDX-License-Identifier: MIT */
/*
 * What is used, by whom, and that all of it comes back: counts, the iterator, release, areas.
 */
#include "bounce/area.h"
#include "rig.h"

/* A pool that is as good as new: nothing used, and every segment one free run. */
static void check_pristine(VTEST, struct bounce_pool *pool)
{
    struct bounce_mapping mapping;
    uint32_t slot = 0;

    CHECK_EQ(rig_usage(pool).used, 0);
    CHECK_EQ(rig_usage(pool).mappings, 0);
    CHECK(!rig_flaw(pool));
    CHECK_ERR(bounce_next_mapping(pool, &slot, &mapping), BOUNCE_E_RANGE);
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        for (uint32_t segment = 0; segment < area.segments; segment++) {
            uint32_t slots = area_segment_slots(pool, &area, segment);
            CHECK_EQ(*area_longest(pool, &area, segment), slots);
            CHECK_EQ(runs_longest(area_free(pool, &area, segment), pool->segment_words), slots);
        }
    }
}

TEST(S9_S10_S11_padding_slots_are_taken_and_given_with_their_mapping)
{
    struct bounce_pool pool = rig_pool(0x90000000, 128);
    struct bounce_mapping padded, next, coherent;

    CHECK_OK(rig_map(&pool, 0x4000fa0, 100, (struct rig_masks){.alloc_align = 0xfff, .min_align = 0xfff}, &padded));
    CHECK_OK(rig_map(&pool, 0x40007a0, 4000, (struct rig_masks){.alloc_align = 0xfff, .min_align = 0xfff}, &next));
    CHECK(padded.slot == 0 && padded.slots == 4 && padded.pad_slots == 1 && next.slot == 4);
    CHECK_OK(rig_unmap(&pool, &padded));
    CHECK_EQ(rig_usage(&pool).used, next.slots);
    CHECK_OK(rig_unmap(&pool, &next));
    check_pristine(VTEST_PASS, &pool);

    /* Memory that was padding is coherent memory next; freeing it gives back itself and nothing before. */
    for (int i = 0; i < 64; i++) {
        CHECK_OK(rig_map(&pool, 0x4000fa0, 100, (struct rig_masks){.alloc_align = 0xfff, .min_align = 0xfff}, &padded));
        CHECK_OK(rig_unmap(&pool, &padded));
        CHECK_OK(bounce_alloc(&pool, 4096, 0, 0, &coherent));
        CHECK_EQ(coherent.pad_slots, 0);
        CHECK_OK(bounce_free(&pool, coherent.handle));
        CHECK_EQ(rig_usage(&pool).used, 0);
    }
    check_pristine(VTEST_PASS, &pool);
}

TEST(S42_after_any_order_of_release_every_segment_is_one_run)
{
    static bounce_handle handles[300];
    uint64_t seed = 8;

    for (int order = 0; order < 50; order++) {
        struct bounce_pool pool = rig_pool(0x90000000, 300);
        uint32_t left = 300;
        for (uint32_t i = 0; i < 300; i++) {
            struct bounce_mapping mapping;
            CHECK_OK(rig_map(&pool, 0, 1, RIG_NO_MASKS, &mapping));
            handles[i] = mapping.handle;
        }
        while (left > 0) {
            uint32_t which = order == 0 ? 0 : order == 1 ? left - 1 : rig_below(&seed, left);
            CHECK_OK(bounce_unmap(&pool, handles[which], BOUNCE_BIDIRECTIONAL, 0));
            memmove(handles + which, handles + which + 1, (left - which - 1) * sizeof(handles[0]));
            left--;
        }
        check_pristine(VTEST_PASS, &pool);
        CHECK(!vtest_this->failed);
        CHECK(rig_slot(&pool, 0, 262144, RIG_NO_MASKS) >= 0);
    }
}

TEST(C267_exhaustion_changes_nothing_and_ends_with_the_next_unmap)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);
    struct bounce_mapping mapping, last = {0};
    struct rig_snapshot before;
    struct bounce_request request = rig_request(0, 4096);

    while (bounce_map(&pool, &request, &mapping) == 0)
        last = mapping;
    before = rig_snapshot(&pool);
    CHECK_ERR(bounce_map(&pool, &request, &mapping), BOUNCE_E_FULL);
    CHECK_ERR(bounce_alloc(&pool, 4096, 0, 0, &mapping), BOUNCE_E_FULL);
    CHECK(rig_same(&pool, &before));
    CHECK_OK(rig_unmap(&pool, &last));
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    CHECK_EQ(mapping.slot, last.slot);
}

/* What is live, beside what the pool says. */
struct book {
    struct bounce_mapping live[1024];
    uint32_t lives;
    uint64_t used, high_water;
};

static void check_book(VTEST, struct bounce_pool *pool, const struct book *book)
{
    struct bounce_counts counts = rig_usage(pool);
    struct bounce_mapping mapping;
    uint32_t slot = 0, seen = 0;
    uint64_t used = 0;

    CHECK(!rig_flaw(pool));
    CHECK_EQ(counts.used, book->used);
    CHECK_EQ(counts.mappings, book->lives);
    if (pool->area_mask == 0)
        CHECK_EQ(counts.high_water, book->high_water);
    CHECK(counts.high_water >= book->high_water && counts.high_water <= counts.slots);
    while (bounce_next_mapping(pool, &slot, &mapping) == 0) {
        struct bounce_mapping found;
        const struct bounce_mapping *known = book->live;
        while (known < book->live + book->lives && known->handle != mapping.handle)
            known++;
        CHECK(known < book->live + book->lives);
        CHECK(mapping.addr == known->addr && mapping.data == known->data && mapping.size == known->size &&
              mapping.slot == known->slot && mapping.slots == known->slots && mapping.pad_slots == known->pad_slots &&
              mapping.area == known->area && mapping.owner == known->owner && mapping.direction == known->direction &&
              mapping.coherent == known->coherent);
        CHECK_EQ(slot, mapping.slot + mapping.slots);
        CHECK_OK(bounce_find_mapping(pool, mapping.addr + mapping.size - 1, &found));
        CHECK_EQ(found.handle, mapping.handle);
        used += mapping.slots;
        seen++;
    }
    CHECK_EQ(seen, book->lives);
    CHECK_EQ(used, book->used);
}

static void random_step(VTEST, struct bounce_pool *pool, struct book *book, uint64_t *seed)
{
    struct bounce_request request = rig_request(rig_random(seed) >> 20, 1 + rig_below(seed, 9000));
    struct bounce_mapping mapping;
    int error;

    if (book->lives > 0 && (rig_below(seed, 100) < 45 || book->lives == 1024)) {
        uint32_t which = rig_below(seed, book->lives);
        CHECK_OK(rig_unmap(pool, &book->live[which]));
        book->used -= book->live[which].slots;
        book->live[which] = book->live[--book->lives];
        return;
    }
    request.direction = (enum bounce_direction)(1 + rig_below(seed, 3));
    request.min_align_mask = rig_mask(seed, 14);
    request.alloc_align_mask = rig_mask(seed, 14);
    request.area = rig_below(seed, 9);
    request.owner = (uint32_t)rig_random(seed);
    error = rig_below(seed, 8) ? bounce_map(pool, &request, &mapping)
                               : bounce_alloc(pool, request.size, request.area, request.owner, &mapping);
    if (error)
        return;
    CHECK_EQ(mapping.owner, request.owner);
    book->live[book->lives++] = mapping;
    book->used += mapping.slots;
    if (book->used > book->high_water)
        book->high_water = book->used;
}

TEST(S20_C269_C302_counts_hold_at_every_step)
{
    static struct book book;
    uint64_t seed = 9;

    for (uint32_t areas = 1; areas <= 4; areas *= 4) {
        struct bounce_config config = rig_config(0x97ff0800, 128 * 7 + 50);
        struct bounce_pool pool;
        config.areas = areas;
        config.flags = BOUNCE_KEEP_CONTENTS;
        pool = rig_start(&config);
        memset(&book, 0, sizeof(book));
        for (uint32_t step = 0; step < RIG_ROUNDS(3000) && !vtest_this->failed; step++) {
            random_step(VTEST_PASS, &pool, &book, &seed);
            if (step % 5 == 0)
                check_book(VTEST_PASS, &pool, &book);
        }
        while (book.lives > 0)
            CHECK_OK(rig_unmap(&pool, &book.live[--book.lives]));
        check_pristine(VTEST_PASS, &pool);
        CHECK_OK(bounce_fini(&pool));
    }
}

TEST(C293_a_full_area_sends_to_the_next_and_unmap_finds_its_way)
{
    struct bounce_config config = rig_config(0x90000000, 512);
    struct bounce_pool pool;
    struct bounce_request request = rig_request(0, 65536);
    struct bounce_mapping mapping[16];

    config.areas = 4;
    pool = rig_start(&config);
    request.area = 6; /* 6 mod 4 */
    for (uint32_t i = 0; i < 16; i++) {
        CHECK_OK(bounce_map(&pool, &request, &mapping[i]));
        CHECK_EQ(mapping[i].area, (2 + i / 4) % 4);
        CHECK_EQ(mapping[i].slot, (2 + i / 4) % 4 * 128 + i % 4 * 32);
    }
    CHECK_ERR(bounce_map(&pool, &request, &(struct bounce_mapping){0}), BOUNCE_E_FULL);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_OK(rig_unmap(&pool, &mapping[i]));
    check_pristine(VTEST_PASS, &pool);
}

TEST(the_iterator_starts_anywhere)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);
    struct bounce_mapping a, b, found;
    uint32_t slot;

    CHECK_OK(rig_map(&pool, 0, 8192, RIG_NO_MASKS, &a));
    CHECK_OK(rig_map(&pool, 0, 100, RIG_NO_MASKS, &b));
    slot = 1; /* inside the first */
    CHECK_OK(bounce_next_mapping(&pool, &slot, &found));
    CHECK(found.handle == b.handle && slot == b.slot + 1);
    CHECK_ERR(bounce_next_mapping(&pool, &slot, &found), BOUNCE_E_RANGE);
    slot = UINT32_MAX;
    CHECK_ERR(bounce_next_mapping(&pool, &slot, &found), BOUNCE_E_RANGE);
    CHECK_EQ(slot, UINT32_MAX);
}

TEST(S21_a_slot_beyond_four_gibibytes_has_its_address)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);

    /* A pool of 5 GiB is too much to clear; its sums are not. */
    CHECK_EQ(pool_bytes(&pool, 1u << 21), INT64_C(1) << 32);
    CHECK_EQ(pool_bytes(&pool, (5u << 19) - 1), (INT64_C(5) << 30) - 2048);
    CHECK_EQ(pool_slots(&pool, (UINT64_C(5) << 30) - 1), (5 << 19) - 1);
    CHECK_EQ(pool_bytes(&pool, UINT32_C(1) << 31), INT64_C(1) << 42);
    CHECK_EQ(pool_slots(&pool, UINT64_MAX), INT64_C(0x1fffffffffffff));
}

TEST(C296_device_addresses_are_64_bits_on_every_cpu)
{
    struct bounce_pool pool = rig_pool(UINT64_C(0xfedcba9876543000), 64);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, UINT64_C(0x123456789abc), 100, (struct rig_masks){.min_align = 0xfff}, &mapping));
    CHECK(mapping.addr == UINT64_C(0xfedcba9876543abc) || mapping.addr == UINT64_C(0xfedcba9876544abc));
    CHECK_EQ(mapping.slot, 1);
}

TEST(a_mapping_is_found_by_every_address_in_its_slots)
{
    struct bounce_config config = rig_config(0x97ff0800, 300);
    struct bounce_pool pool;
    struct bounce_mapping mapping, found;

    config.areas = 2;
    pool = rig_start(&config);
    for (int i = 0; i < 100; i++)
        CHECK_OK(rig_map(&pool, 0, 1, RIG_NO_MASKS, &found));
    CHECK_OK(rig_map(&pool, 0x4000fa0, 3000, (struct rig_masks){.alloc_align = 0xfff, .min_align = 0xfff}, &mapping));
    CHECK_EQ(mapping.pad_slots, 1);
    for (uint64_t addr = 0; addr < mapping.slots * UINT64_C(2048); addr += 128) {
        CHECK_OK(bounce_find_mapping(&pool, 0x97ff0800 + mapping.slot * UINT64_C(2048) + addr, &found));
        CHECK_EQ(found.handle, mapping.handle);
    }
    CHECK_ERR(bounce_find_mapping(&pool, mapping.addr + 0x4000, &found), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_find_mapping(&pool, 0x97ff0800 - 1, &found), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_find_mapping(&pool, 0x97ff0800 + 300 * 2048, &found), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_find_mapping(&pool, UINT64_MAX, &found), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_find_mapping(&pool, 0, &found), BOUNCE_E_RANGE);
    CHECK_OK(rig_unmap(&pool, &mapping));
    CHECK_ERR(bounce_find_mapping(&pool, mapping.addr, &found), BOUNCE_E_RANGE);
}

TEST(S20_high_water_starts_again_from_what_is_used)
{
    struct bounce_config config = rig_config(0x90000000, 512);
    struct bounce_pool pool;
    struct bounce_request request = rig_request(0, 40000); /* 20 slots */
    struct bounce_mapping a, b;
    struct bounce_counts counts;

    config.areas = 4;
    pool = rig_start(&config);
    request.area = 1;
    CHECK_OK(bounce_map(&pool, &request, &a));
    CHECK_OK(bounce_map(&pool, &request, &b));
    CHECK_OK(rig_unmap(&pool, &b));
    CHECK_OK(bounce_area_usage(&pool, 1, &counts));
    CHECK(counts.slots == 128 && counts.used == 20 && counts.high_water == 40 && counts.mappings == 1 &&
          counts.longest_run == 108);
    CHECK_OK(bounce_area_usage(&pool, 0, &counts));
    CHECK(counts.slots == 128 && counts.used == 0 && counts.high_water == 0 && counts.longest_run == 128);
    CHECK_EQ(rig_usage(&pool).high_water, 40);
    CHECK_OK(bounce_reset_high_water(&pool));
    CHECK_EQ(rig_usage(&pool).high_water, 20);
    CHECK_OK(rig_unmap(&pool, &a));
    CHECK_EQ(rig_usage(&pool).used, 0);
    CHECK_EQ(rig_usage(&pool).high_water, 20);
    CHECK_OK(bounce_reset_high_water(&pool));
    CHECK_EQ(rig_usage(&pool).high_water, 0);
}

TEST(the_longest_free_run_is_what_still_fits)
{
    struct bounce_pool pool = rig_pool(0x90000000, 300);
    struct bounce_mapping live[300];
    uint64_t seed = 14;
    uint32_t lives = 0;

    for (int step = 0; step < 2000; step++) {
        uint64_t longest = rig_usage(&pool).longest_run;
        struct bounce_mapping probe;
        int error = rig_map(&pool, 0, (size_t)(longest + 1) * 2048, (struct rig_masks){.min_align = 1}, &probe);
        CHECK(error == BOUNCE_E_TOO_LARGE || error == BOUNCE_E_FULL || error == BOUNCE_E_FRAGMENTED);
        if (longest > 0) {
            CHECK_OK(rig_map(&pool, 0, (size_t)longest * 2048, (struct rig_masks){.min_align = 1}, &probe));
            CHECK_OK(rig_unmap(&pool, &probe));
        }
        if (lives > 0 && rig_below(&seed, 100) < 48) {
            uint32_t which = rig_below(&seed, lives);
            CHECK_OK(rig_unmap(&pool, &live[which]));
            live[which] = live[--lives];
        } else if (rig_map(&pool, 0, 1 + rig_below(&seed, 12000), RIG_NO_MASKS, &live[lives]) == 0) {
            lives++;
        }
    }
}

TEST(areas_share_no_cache_line_wherever_the_metadata_lie)
{
    for (uint32_t areas = 2; areas <= 16; areas *= 2)
        for (size_t shift = 0; shift < 128; shift += 8) {
            struct bounce_config config = rig_config(0x90000000, 3000);
            struct bounce_pool pool;

            config.areas = areas;
            config.meta = (unsigned char *)rig_meta + shift;
            config.meta_size -= shift;
            pool = rig_start(&config);
            for (uint32_t number = 0; number < areas; number++) {
                struct area area = area_of(&pool, number);
                CHECK_EQ((uintptr_t)area.block % 128, 0);
                CHECK(area.block + pool.longest_at + area.segments * sizeof(uint16_t) <=
                      pool.meta + (number + 1) * pool.block_size);
            }
            CHECK(pool.meta + pool.meta_size <= (unsigned char *)config.meta + config.meta_size);
        }
}

/* A mapping in the area begins, or ends. */
static void work_in_area(VTEST, struct bounce_pool *pool, uint32_t area, struct bounce_mapping *mapping, uint64_t *seed)
{
    struct bounce_request request = rig_request(rig_random(seed) >> 20, 1 + rig_below(seed, 9000));

    request.area = area;
    request.min_align_mask = rig_mask(seed, 13);
    if (mapping->handle != 0) {
        CHECK_OK(rig_unmap(pool, mapping));
        mapping->handle = 0;
    } else {
        CHECK_OK(bounce_map(pool, &request, mapping));
        CHECK_EQ(mapping->area, area);
    }
}

TEST(what_is_done_in_one_area_writes_to_no_cache_line_of_another_nor_of_the_pool)
{
    static uint64_t before[RIG_META_SIZE / 8];
    static uint32_t writer[RIG_META_SIZE / 128 + 2]; /* of each line: an area, and one; 0: nobody yet */
    struct bounce_config config = rig_config(0x90000000, 1024);
    uint64_t seed = 31;

    for (uint32_t areas = 2; areas <= 8; areas *= 2) {
        static struct bounce_mapping live[12];
        struct bounce_pool pool, kept;

        memset(live, 0, sizeof(live));
        memset(writer, 0, sizeof(writer));
        config.areas = areas;
        pool = rig_start(&config);
        kept = pool;
        for (int step = 0; step < 4000; step++) {
            uint32_t area = rig_below(&seed, 2), which = 6 * area + rig_below(&seed, 6);
            unsigned written = 0;

            memcpy(before, rig_meta, pool.meta_size + 128);
            work_in_area(VTEST_PASS, &pool, area, &live[which], &seed);
            for (size_t word = 0; word < (pool.meta_size + 128) / 8; word++) {
                size_t line = ((uintptr_t)&rig_meta[word] - (uintptr_t)rig_meta / 128 * 128) / 128;
                if (before[word] == rig_meta[word])
                    continue;
                CHECK(writer[line] == 0 || writer[line] == area + 1);
                writer[line] = area + 1;
                written++;
            }
            CHECK(written != 0);
            CHECK(memcmp(&pool, &kept, sizeof(pool)) == 0);
        }
        for (int i = 0; i < 12; i++)
            if (live[i].handle != 0)
                CHECK_OK(rig_unmap(&pool, &live[i]));
    }
}
