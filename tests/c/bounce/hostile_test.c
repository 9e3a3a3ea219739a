/* SPDX-License-Identifier: MIT */
/*
 * The device may write anything anywhere in the window at any time; nothing that the pool decides may depend on it. And
 * private memory that was overwritten must not lead a copy out of the window.
 */
#include "bounce/records.h"
#include "rig.h"

enum { LIVE = 200, SLOTS = 700 };

static unsigned char second_window[SLOTS * 2048];
static uint64_t second_meta[4096];
static unsigned char second_orig[65536];

static void scribble(unsigned char *window, size_t size, uint64_t *seed)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word = rig_random(seed);
        memcpy(window + i, &word, 8);
    }
}

/* The same requests to two pools; the device of one of them is at it all the time. */
TEST(C288_C289_a_scribbling_device_changes_no_decision)
{
    struct bounce_config quiet_config = rig_config(0x97ff0800, SLOTS), loud_config = quiet_config;
    struct bounce_pool quiet = {0}, loud = {0};
    struct bounce_mapping a[LIVE], b[LIVE];
    uint64_t seed = 11, noise = 12;
    uint32_t lives = 0;

    loud_config.window = second_window;
    loud_config.meta = second_meta;
    loud_config.meta_size = sizeof(second_meta);
    CHECK_OK(bounce_init(&quiet, &quiet_config));
    CHECK_OK(bounce_init(&loud, &loud_config));
    for (int step = 0; step < RIG_ROUNDS(4000); step++) {
        struct bounce_request request = rig_request(rig_random(&seed) >> 20, 1 + rig_below(&seed, 20000));
        uint32_t which = lives ? rig_below(&seed, lives) : 0, offset = rig_below(&seed, 20000), len = rig_below(&seed,
                                                                                                                20000);
        int error;

        if (step % 16 == 0)
            scribble(second_window, sizeof(second_window), &noise);
        request.min_align_mask = rig_mask(&seed, 14);
        request.direction = (enum bounce_direction)(1 + rig_below(&seed, 3));
        if (lives > 0 && (lives == LIVE || rig_below(&seed, 2))) {
            error = bounce_sync_for_cpu(&quiet, a[which].handle, a[which].direction, offset, len);
            CHECK_EQ(bounce_sync_for_cpu(&loud, b[which].handle, b[which].direction, offset, len), error);
            CHECK_EQ(rig_unmap(&quiet, &a[which]), rig_unmap(&loud, &b[which]));
            a[which] = a[--lives];
            b[which] = b[lives];
            continue;
        }
        error = bounce_map(&quiet, &request, &a[lives]);
        request.orig = second_orig;
        CHECK_EQ(bounce_map(&loud, &request, &b[lives]), error);
        if (error)
            continue;
        CHECK(a[lives].slot == b[lives].slot && a[lives].slots == b[lives].slots && a[lives].addr == b[lives].addr);
        lives++;
    }
    CHECK_EQ(rig_usage(&quiet).used, rig_usage(&loud).used);
}

/*
 * One word of metadata overwritten: every call answers, and no byte outside window and originals is touched (sanitizers
 * watch).
 */
TEST(C290_C291_overwritten_metadata_do_not_lead_out_of_the_window)
{
    uint64_t seed = 13;
    uint32_t corrupt = 0;

    for (int round = 0; round < RIG_ROUNDS(4000); round++) {
        static uint64_t exact[600];
        struct bounce_config config = rig_config(0x90000000, 150);
        struct bounce_pool pool = {0};
        struct bounce_mapping live[20];
        size_t size = 0;
        uint32_t flip;

        config.slot_size = 256;
        config.segment_slots = 64;
        CHECK_OK(bounce_meta_size(&config, &size));
        CHECK(size <= sizeof(exact));
        config.meta = exact;
        config.meta_size = size;
        CHECK_OK(bounce_init(&pool, &config));
        for (int i = 0; i < 20; i++)
            CHECK_OK(rig_map(&pool, 0x4000000 + rig_below(&seed, 300), 1 + rig_below(&seed, 900),
                             (struct rig_masks){.min_align = 0xff}, &live[i]));
        /* Not the originals' addresses: those are the caller's word, and any address is one. Nor the lock. */
        for (;;) {
            size_t at = rig_below(&seed, (uint32_t)size / 4) * (size_t)4;
            bool is_orig = at >= pool.records_at && at < pool.starts_at &&
                           (at - pool.records_at) % sizeof(struct record) < sizeof(void *);
            if (is_orig || at < offsetof(struct area_head, cursor))
                continue;
            flip = rig_below(&seed, 2) ? (uint32_t)rig_random(&seed) : 1;
            ((uint32_t *)(void *)exact)[at / 4] ^= flip == 1 ? UINT32_C(1) << rig_below(&seed, 32) : flip;
            break;
        }
        for (int i = 0; i < 20; i++) {
            struct bounce_mapping mapping;
            int error = rig_map(&pool, 0x4000000, 1 + rig_below(&seed, 900), (struct rig_masks){.min_align = 0xff},
                                &mapping);
            corrupt += error == BOUNCE_E_CORRUPT;
            error = rig_unmap(&pool, &live[i]);
            corrupt += error == BOUNCE_E_CORRUPT;
        }
    }
    CHECK(corrupt > 0);
}

/* A count that is too small would go below 0, and every request after that would be judged by it. */
TEST(C291_what_the_counts_say_is_not_there_is_not_given_back)
{
    for (int which = 0; which < 2; which++) {
        struct bounce_config config = rig_config(0x90000000, 64);
        struct bounce_pool pool;
        struct bounce_mapping mapping;
        struct area area;
        uint32_t *count, kept;

        config.flags = BOUNCE_KEEP_CONTENTS; /* nothing to clear: the slots go back in the same step */
        pool = rig_start(&config);
        area = area_of(&pool, 0);
        count = which == 0 ? &area_head(&area)->used : &area_head(&area)->mappings;
        CHECK_OK(rig_map(&pool, 0, 5000, RIG_NO_MASKS, &mapping));
        kept = *count;
        *count = kept - 1;
        CHECK_ERR(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_CORRUPT);
        CHECK_EQ(*count, kept - 1);
        *count = kept;
        CHECK(!rig_flaw(&pool)); /* nothing else has changed */
        CHECK_OK(bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
        CHECK_EQ(*count, 0);
    }
}
