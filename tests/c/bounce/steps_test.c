/* SPDX-License-Identifier: MIT */
/*
 * How much a search looks at. The claim, for every request in every state: no segment of an area more than once, but
 * that of the cursor twice, what is after it and what is before it. So the segments of the pool, and one more per area.
 * And a segment is at most segment_slots / 64 words.
 */
static unsigned steps;

#define BOUNCE_ON_SEGMENT() (steps++)
#include "bounce/bounce.c"

#include "rig.h"

static unsigned most_steps(const struct bounce_pool *pool)
{
    return ((pool->slots - 1) >> pool->segment_shift) + 1 + area_count(pool);
}

/* Every slot a mapping, then every other pair of them free, so that no free pair begins at a page. */
static void comb(VTEST, struct bounce_pool *pool)
{
    static bounce_handle handles[RIG_WINDOW_SIZE / 2048];
    struct bounce_request request = rig_request(0, 1);
    struct bounce_mapping mapping;

    for (uint32_t slot = 0; slot < pool->slots; slot++) {
        CHECK_OK(bounce_map(pool, &request, &mapping));
        handles[mapping.slot] = mapping.handle;
    }
    for (uint32_t slot = 1; slot + 1 < pool->slots; slot += 4) {
        CHECK_OK(bounce_unmap(pool, handles[slot], BOUNCE_BIDIRECTIONAL, 0));
        CHECK_OK(bounce_unmap(pool, handles[slot + 1], BOUNCE_BIDIRECTIONAL, 0));
    }
}

TEST(C303_the_worst_search_takes_exactly_as_many_steps_as_proven)
{
    for (uint32_t areas = 1; areas <= 8; areas *= 2)
        for (uint32_t slots = 1024; slots <= 8192; slots *= 2) {
            struct bounce_config config = rig_config(0x90000000, slots);
            struct bounce_request request = rig_request(0, 4096);
            struct bounce_mapping mapping;
            struct bounce_pool pool;

            config.areas = areas;
            pool = rig_start(&config);
            comb(VTEST_PASS, &pool);
            for (uint32_t area = 0; area < areas; area++) {
                struct area at = area_of(&pool, area);
                area_head(&at)->cursor = 300 % at.slots + 1; /* within a segment */
            }
            steps = 0;
            CHECK_ERR(bounce_map(&pool, &request, &mapping), BOUNCE_E_FRAGMENTED);
            CHECK_EQ(steps, most_steps(&pool));
            CHECK(steps <= slots / 2 * areas); /* what walking by the stride would look at */
        }
}

TEST(C303_C256_no_search_takes_more_steps_than_proven)
{
    uint64_t seed = 21;
    unsigned most = 0;

    for (uint32_t life = 0; life < RIG_ROUNDS(200); life++) {
        struct bounce_config config = rig_config(0x90000000, 512 + rig_below(&seed, 2048));
        struct bounce_mapping live[512];
        struct bounce_pool pool;
        uint32_t lives = 0;

        config.window_addr += 2048 * rig_below(&seed, 64);
        config.areas = 1u << rig_below(&seed, 3);
        config.segment_slots = 32u << rig_below(&seed, 3);
        pool = rig_start(&config);
        for (int step = 0; step < 300 && lives < 512; step++) {
            struct bounce_request request = rig_request(rig_random(&seed) >> 20, 1 + rig_below(&seed, 65536));
            request.min_align_mask = rig_mask(&seed, 40);
            request.alloc_align_mask = rig_mask(&seed, 40);
            request.boundary_mask = rig_mask(&seed, 40);
            request.area = rig_below(&seed, 8);
            steps = 0;
            lives += bounce_map(&pool, &request, &live[lives]) == 0;
            CHECK(steps <= most_steps(&pool));
            most = steps > most ? steps : most;
            if (lives > 0 && rig_below(&seed, 3) == 0)
                CHECK_OK(rig_unmap(&pool, &live[--lives]));
        }
    }
    CHECK(most > 3);
}
