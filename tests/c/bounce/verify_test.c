/* SPDX-License-Identifier: MIT */
/*
 * bounce_verify() against metadata with one bit turned over: whatever can be known to be wrong is found.
 */
#include "bounce/records.h"
#include "rig.h"

static struct bounce_pool pool;
static struct area area;

/* A pool in the middle of its life: mappings with padding, coherent memory, a reservation, holes. */
static int start(void)
{
    struct bounce_config config = rig_config(0x97ff0800, 300);
    struct bounce_request request = rig_request(0, 5000);
    struct bounce_mapping mapping;
    uint64_t seed = 15;
    int error;

    pool = rig_start(&config);
    area = area_of(&pool, 0);
    for (int i = 0; i < 40; i++) {
        error = rig_map(&pool, 0x4000000 + rig_below(&seed, 4096), 1 + rig_below(&seed, 9000),
                        (struct rig_masks){.alloc_align = 0xfff, .min_align = 0xfff}, &mapping);
        if (!error && i % 3 == 0)
            error = rig_unmap(&pool, &mapping);
        if (error)
            return error;
    }
    error = bounce_alloc(&pool, 8192, 0, 0, &mapping);
    return error ? error : bounce_reserve(&pool, &request, &mapping);
}

/* Turn every bit of these bytes over, one at a time; how many of the flips are not found. */
static unsigned missed(void *bytes, size_t size)
{
    unsigned char *byte = (unsigned char *)bytes;
    unsigned unseen = 0;

    for (size_t bit = 0; bit < size * 8; bit++) {
        byte[bit / 8] ^= (unsigned char)(1u << bit % 8);
        unseen += rig_flaw(&pool) == NULL;
        byte[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    return unseen;
}

TEST(a_sound_pool_has_no_flaw)
{
    CHECK_OK(start());
    CHECK(!rig_flaw(&pool));
}

TEST(C290_C291_every_bit_of_bitmaps_runs_and_index_counts)
{
    size_t rows;

    CHECK_OK(start());
    rows = index_class(segment_slots(&pool)) * (size_t)pool.index_words;
    CHECK_EQ(missed(area_free(&pool, &area, 0), area.segments * (size_t)pool.segment_words * sizeof(bits_word)), 0);
    CHECK_EQ(missed(area_longest(&pool, &area, 0), area.segments * sizeof(uint16_t)), 0);
    CHECK_EQ(missed(area_index(&pool, &area), rows * sizeof(bits_word)), 0);
    CHECK_EQ(missed(&area_head(&area)->used, sizeof(uint32_t)), 0);
    CHECK_EQ(missed(&area_head(&area)->mappings, sizeof(uint32_t)), 0);
    CHECK(!rig_flaw(&pool));
}

TEST(C290_C291_every_bit_of_a_free_record_and_of_their_list)
{
    unsigned checked = 0;

    CHECK_OK(start());
    CHECK_EQ(missed(&area_head(&area)->spare, sizeof(uint32_t)), 0);
    CHECK_EQ(missed(&area_head(&area)->closed, sizeof(uint32_t)), 1); /* a closed area is sound, too */
    for (uint32_t i = 0; i < pool.records; i++)
        if (record_at(&pool, &area, i)->number == 0 && ++checked)
            CHECK_EQ(missed(record_at(&pool, &area, i), sizeof(struct record)), 0);
    CHECK(checked > 100);
}

TEST(C291_a_list_of_free_records_that_runs_in_a_circle_or_ends_early)
{
    struct record *first, *second;

    CHECK_OK(start());
    first = record_at(&pool, &area, area_head(&area)->spare);
    second = record_at(&pool, &area, first->slot);
    second->slot = area_head(&area)->spare;
    CHECK(rig_flaw(&pool));
    second->slot = pool.records;
    CHECK(rig_flaw(&pool));
}

TEST(C290_a_mapping_that_grew_shrank_moved_or_lost_its_number)
{
    CHECK_OK(start());
    for (uint32_t i = 0; i < pool.records; i++) {
        struct record *record = record_at(&pool, &area, i);
        struct record kept = *record;
        if (record->number == 0)
            continue;
        CHECK_EQ(missed(&record->slot, sizeof(record->slot)), 0);
        record->number = 0;
        CHECK(rig_flaw(&pool));
        *record = kept;
        record->use += 5 * 2048;
        CHECK(rig_flaw(&pool));
        *record = kept;
        record->use |= RECORD_BYTES;
        CHECK(rig_flaw(&pool));
        *record = kept;
        record->layout |= RECORD_BYTES;
        CHECK(rig_flaw(&pool));
        *record = kept;
        record->layout |= ~RECORD_BYTES;
        CHECK(rig_flaw(&pool));
        *record = kept;
        record->use ^= RECORD_RESERVED;
        CHECK(rig_flaw(&pool));
        *record = kept;
        records_set_start(&pool, &area, record->slot, i == 0 ? 1 : 0);
        CHECK(rig_flaw(&pool));
        records_set_start(&pool, &area, record->slot, i);
    }
    CHECK(!rig_flaw(&pool));
    area_head(&area)->cursor = area.slots;
    CHECK(rig_flaw(&pool));
    area_head(&area)->cursor = 0;
    area_head(&area)->high_water = area_head(&area)->used - 1;
    CHECK(rig_flaw(&pool));
    area_head(&area)->high_water = area.slots + 1;
    CHECK(rig_flaw(&pool));
    area_head(&area)->high_water = area.slots;
    CHECK(!rig_flaw(&pool));
    area_head(&area)->loose = area.segments;
    CHECK(rig_flaw(&pool));
}

TEST(one_segment_may_have_less_than_is_written_down_until_usage_is_asked)
{
    struct bounce_mapping mapping, other;

    pool = rig_pool(0x90000000, 512);
    area = area_of(&pool, 0);
    CHECK_OK(rig_map(&pool, 0, 2048 * 4, RIG_NO_MASKS, &mapping));
    CHECK_EQ(area_head(&area)->loose, 0);
    CHECK_EQ(*area_longest(&pool, &area, 0), 128);
    CHECK(!rig_flaw(&pool));
    CHECK_EQ(rig_usage(&pool).longest_run, 128);
    CHECK_EQ(*area_longest(&pool, &area, 0), 124);
    CHECK_EQ(area_head(&area)->loose, RUNS_NONE);
    CHECK(!rig_flaw(&pool));
    CHECK_OK(rig_map(&pool, 0, 2048, RIG_NO_MASKS, &mapping));
    area_head(&area)->cursor = 128;
    CHECK_OK(rig_map(&pool, 0, 2048, RIG_NO_MASKS, &other));
    CHECK_EQ(area_head(&area)->loose, 1);
    CHECK_EQ(*area_longest(&pool, &area, 0), 123);
    *area_longest(&pool, &area, 0) = 124;
    CHECK(rig_flaw(&pool));
}

TEST(a_flaw_says_where)
{
    struct bounce_config config = rig_config(0x90000000, 512);
    struct bounce_flaw flaw;

    config.areas = 4;
    pool = rig_start(&config);
    area = area_of(&pool, 2);
    runs_flip(area_free(&pool, &area, 0), 17, 1);
    CHECK_ERR(bounce_verify(&pool, &flaw), BOUNCE_E_CORRUPT);
    CHECK(flaw.area == 2 && flaw.slot == 256 && strstr(flaw.what, "longest run"));
    *area_longest(&pool, &area, 0) = 110;
    index_update(area_index(&pool, &area), pool.index_words, 0, 128, 110);
    CHECK_ERR(bounce_verify(&pool, &flaw), BOUNCE_E_CORRUPT);
    CHECK(flaw.area == 2 && flaw.slot == 256 + 17 && strcmp(flaw.what, "a used slot belongs to no mapping") == 0);
}
