/* SPDX-License-Identifier: MIT */
/*
 * Handles: the live one works, and no other. Every refusal leaves everything as it was.
 */
#include "bounce/handle.h"
#include "rig.h"

#define REFUSED(pool, call, want)                          \
    do {                                                   \
        struct rig_snapshot before = rig_snapshot(pool);   \
        CHECK_ERR(call, want);                             \
        CHECK(rig_same(pool, &before));                    \
    } while (0)

static int unmap(struct bounce_pool *pool, bounce_handle handle)
{
    return bounce_unmap(pool, handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE);
}

static uint32_t random_word(uint64_t *seed)
{
    return (uint32_t)rig_random(seed);
}

TEST(handles_open_to_what_was_sealed_and_none_is_0)
{
    uint64_t seed = 6;

    for (int i = 0; i < 100000; i++) {
        const uint32_t key[2] = {random_word(&seed), random_word(&seed) | 1};
        struct handle_parts parts = {random_word(&seed), random_word(&seed) | 1}, back;
        back = handle_open(key, handle_seal(key, parts));
        CHECK(back.place == parts.place && back.number == parts.number);
        parts.place = key[0]; /* if there were such a place */
        CHECK(handle_seal(key, parts) != 0);
    }
}

TEST(C274_a_bit_of_a_handle_is_a_bit_of_the_number_or_of_the_place_and_then_of_both)
{
    uint64_t seed = 7;

    for (int bit = 0; bit < 64; bit++) {
        unsigned changed = 0;
        for (int i = 0; i < 64; i++) {
            const uint32_t key[2] = {random_word(&seed), random_word(&seed) | 1};
            uint64_t handle = rig_random(&seed), flip = UINT64_C(1) << bit;
            struct handle_parts a = handle_open(key, handle), b = handle_open(key, handle ^ flip);
            CHECK_EQ(a.place ^ b.place, (uint32_t)(flip >> 32));
            CHECK(a.number != b.number);
            changed += (unsigned)__builtin_popcount(a.number ^ b.number);
        }
        if (bit >= 32 && bit < 48) /* of the record: then by a quarter of its bits, over many */
            CHECK(changed > 64 * 8);
    }
}

TEST(keys_differ_in_half_their_bits_if_anything_differs_in_one)
{
    uint64_t seed = 8;

    for (int bit = 0; bit < 4 * 64; bit++) {
        unsigned changed = 0;
        for (int i = 0; i < 64; i++) {
            uint64_t of[4] = {rig_random(&seed), rig_random(&seed), rig_random(&seed), rig_random(&seed)};
            uint32_t a[2], b[2];
            handle_set_key(a, of[0], of[1], of[2], of[3]);
            of[bit / 64] ^= UINT64_C(1) << bit % 64;
            handle_set_key(b, of[0], of[1], of[2], of[3]);
            CHECK(a[1] % 2 == 1); /* what makes it one to one */
            changed += (unsigned)__builtin_popcount(a[0] ^ b[0]);
            changed += (unsigned)__builtin_popcount(a[1] ^ b[1]);
        }
        CHECK(changed > 64 * 24);
    }
}

TEST(S30_C270_a_second_unmap_is_refused)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, 0x4000123, 3000, (struct rig_masks){.min_align = 0xfff}, &mapping));
    CHECK_OK(unmap(&pool, mapping.handle));
    REFUSED(&pool, unmap(&pool, mapping.handle), BOUNCE_E_HANDLE);
    REFUSED(&pool, bounce_free(&pool, mapping.handle), BOUNCE_E_HANDLE);
    REFUSED(&pool, bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_HANDLE);
    CHECK_EQ(rig_usage(&pool).used, 0);
    CHECK_EQ(rig_usage(&pool).mappings, 0);
}

TEST(S30_C273_a_stale_handle_does_not_reach_the_next_owner)
{
    struct bounce_config config = rig_config(0x90000000, 1); /* every mapping gets slot 0 */
    struct bounce_pool pool = rig_start(&config);
    bounce_handle old[64];

    for (int i = 0; i < 64; i++) {
        struct bounce_mapping mapping;
        CHECK_OK(rig_map(&pool, 0, 10, RIG_NO_MASKS, &mapping));
        for (int j = 0; j < i; j++) {
            CHECK(old[j] != mapping.handle);
            REFUSED(&pool, unmap(&pool, old[j]), BOUNCE_E_HANDLE);
        }
        old[i] = mapping.handle;
        CHECK_OK(unmap(&pool, mapping.handle));
    }
}

TEST(C271_a_handle_is_no_address_and_no_slot)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, 0, 5000, RIG_NO_MASKS, &mapping));
    REFUSED(&pool, unmap(&pool, 0), BOUNCE_E_HANDLE);
    for (uint64_t value = 0; value < 300; value++)
        REFUSED(&pool, unmap(&pool, value), BOUNCE_E_HANDLE);
    REFUSED(&pool, unmap(&pool, mapping.addr), BOUNCE_E_HANDLE);
    REFUSED(&pool, unmap(&pool, mapping.handle + 1), BOUNCE_E_HANDLE);
    CHECK_OK(unmap(&pool, mapping.handle));
}

TEST(C272_the_wrong_direction_or_kind_is_refused)
{
    struct bounce_pool pool = rig_pool(0x90000000, 256);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping, coherent;

    for (int right = BOUNCE_TO_DEVICE; right <= BOUNCE_BIDIRECTIONAL; right++) {
        request.direction = (enum bounce_direction)right;
        CHECK_OK(bounce_map(&pool, &request, &mapping));
        for (int wrong = 0; wrong <= 4; wrong++) {
            enum bounce_direction direction = (enum bounce_direction)wrong;
            if (wrong == right)
                continue;
            REFUSED(&pool, bounce_unmap(&pool, mapping.handle, direction, 10), BOUNCE_E_DIRECTION);
            REFUSED(&pool, bounce_sync_for_cpu(&pool, mapping.handle, direction, 0, 10), BOUNCE_E_DIRECTION);
            REFUSED(&pool, bounce_sync_for_device(&pool, mapping.handle, direction, 0, 10), BOUNCE_E_DIRECTION);
        }
        REFUSED(&pool, bounce_free(&pool, mapping.handle), BOUNCE_E_HANDLE);
        REFUSED(&pool, bounce_unmap(&pool, mapping.handle, request.direction, 101), BOUNCE_E_RANGE);
        CHECK_OK(bounce_unmap(&pool, mapping.handle, request.direction, 100));
    }
    CHECK_OK(bounce_alloc(&pool, 100, 0, 0, &coherent));
    for (int direction = BOUNCE_TO_DEVICE; direction <= BOUNCE_BIDIRECTIONAL; direction++) {
        REFUSED(&pool, bounce_unmap(&pool, coherent.handle, (enum bounce_direction)direction, 0), BOUNCE_E_HANDLE);
        REFUSED(&pool, bounce_sync_for_device(&pool, coherent.handle, (enum bounce_direction)direction, 0, 1),
                BOUNCE_E_HANDLE);
    }
    REFUSED(&pool, bounce_unmap(&pool, coherent.handle, (enum bounce_direction)0, 0), BOUNCE_E_DIRECTION);
    CHECK_OK(bounce_free(&pool, coherent.handle));
    REFUSED(&pool, bounce_free(&pool, coherent.handle), BOUNCE_E_HANDLE);
}

TEST(C274_no_handle_with_a_bit_flipped_is_taken)
{
    struct bounce_config config = rig_config(0x90000000, 64);
    struct bounce_pool pool = rig_start(&config);
    struct bounce_mapping live[64];

    for (int i = 0; i < 64; i++) /* every place is live, so that only the number can tell */
        CHECK_OK(rig_map(&pool, 0, 10, RIG_NO_MASKS, &live[i]));
    for (int i = 0; i < 64; i++)
        for (int bit = 0; bit < 64; bit++)
            CHECK_ERR(unmap(&pool, live[i].handle ^ UINT64_C(1) << bit), BOUNCE_E_HANDLE);
    for (int i = 0; i < 64; i++)
        for (int bit = 0; bit < 64; bit++)
            for (int other = 0; other < bit; other++)
                CHECK_ERR(unmap(&pool, live[i].handle ^ UINT64_C(1) << bit ^ UINT64_C(1) << other), BOUNCE_E_HANDLE);
    CHECK_EQ(rig_usage(&pool).mappings, 64);
}

TEST(C275_a_handle_of_another_pool_is_refused)
{
    static uint64_t meta[2048];
    struct bounce_config config = rig_config(0x90000000, 64), other_config = config;
    struct bounce_pool pool = {0}, other = {0};
    struct bounce_mapping live[64];

    other_config.window = rig_window + 1024 * 1024;
    other_config.meta = meta;
    other_config.meta_size = sizeof(meta);
    CHECK_OK(bounce_init(&pool, &config));
    CHECK_OK(bounce_init(&other, &other_config));
    for (int i = 0; i < 64; i++) {
        struct bounce_mapping theirs;
        CHECK_OK(rig_map(&pool, 0, 10, RIG_NO_MASKS, &live[i]));
        CHECK_OK(rig_map(&other, 0, 10, RIG_NO_MASKS, &theirs));
        CHECK(theirs.slot == live[i].slot && theirs.handle != live[i].handle);
    }
    for (int i = 0; i < 64; i++)
        REFUSED(&other, unmap(&other, live[i].handle), BOUNCE_E_HANDLE);
    CHECK_EQ(rig_usage(&other).mappings, 64);
}

TEST(C276_nothing_works_after_the_end)
{
    struct bounce_config config = rig_config(0x90000000, 64);
    struct bounce_pool pool = {0};
    struct bounce_request request = rig_request(0, 10);
    struct bounce_mapping mapping, again;
    struct bounce_counts usage;
    struct bounce_flaw flaw;
    struct bounce_pool view;
    uint32_t slot = 0;

    CHECK_ERR(bounce_fini(&pool), BOUNCE_E_STATE);
    CHECK_OK(bounce_init(&pool, &config));
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    REFUSED(&pool, bounce_fini(&pool), BOUNCE_E_BUSY);
    CHECK_OK(unmap(&pool, mapping.handle));
    CHECK_OK(bounce_fini(&pool));
    CHECK_ERR(bounce_map(&pool, &request, &again), BOUNCE_E_STATE);
    CHECK_ERR(bounce_alloc(&pool, 10, 0, 0, &again), BOUNCE_E_STATE);
    CHECK_ERR(unmap(&pool, mapping.handle), BOUNCE_E_STATE);
    CHECK_ERR(bounce_free(&pool, mapping.handle), BOUNCE_E_STATE);
    CHECK_ERR(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_STATE);
    CHECK_ERR(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_STATE);
    CHECK_ERR(bounce_usage(&pool, &usage), BOUNCE_E_STATE);
    CHECK_ERR(bounce_area_usage(&pool, 0, &usage), BOUNCE_E_STATE);
    CHECK_ERR(bounce_reset_high_water(&pool), BOUNCE_E_STATE);
    CHECK_ERR(bounce_next_mapping(&pool, &slot, &again), BOUNCE_E_STATE);
    CHECK_ERR(bounce_find_mapping(&pool, 0x90000000, &again), BOUNCE_E_STATE);
    CHECK_ERR(bounce_verify(&pool, &flaw), BOUNCE_E_STATE);
    CHECK_ERR(bounce_try_view(&pool, &view), BOUNCE_E_STATE);
    CHECK_ERR(bounce_can_map(&pool, &request), BOUNCE_E_STATE);
    CHECK_ERR(bounce_reserve(&pool, &request, &again), BOUNCE_E_STATE);
    CHECK_ERR(bounce_commit(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, rig_orig), BOUNCE_E_STATE);
    CHECK_EQ(bounce_max_mapping_size(&pool, 0), 0);
    CHECK_ERR(bounce_fini(&pool), BOUNCE_E_STATE);

    /* The next pool in the same memory, and a handle of the last. */
    config.seed = 1;
    CHECK_OK(bounce_init(&pool, &config));
    CHECK_OK(bounce_map(&pool, &request, &again));
    CHECK(again.slot == mapping.slot && again.handle != mapping.handle);
    REFUSED(&pool, unmap(&pool, mapping.handle), BOUNCE_E_HANDLE);
}

TEST(S31_unmap_needs_no_mask)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64);
    struct bounce_mapping mapping;

    CHECK_OK(rig_map(&pool, 0x40007a0, 4000, (struct rig_masks){.alloc_align = 0xfff, .min_align = 0xfff}, &mapping));
    CHECK_OK(unmap(&pool, mapping.handle));
    CHECK_EQ(rig_usage(&pool).used, 0);
}

TEST(numbers_wrap_around_without_0)
{
    struct bounce_config config = rig_config(0x90000000, 1);
    struct bounce_pool pool = rig_start(&config);
    struct bounce_mapping mapping;
    uint32_t *word = (uint32_t *)(void *)rig_meta;
    uint32_t at = 0;

    /* The area's number is the word that counts mappings up; put it before its end. */
    CHECK_OK(rig_map(&pool, 0, 10, RIG_NO_MASKS, &mapping));
    CHECK_OK(unmap(&pool, mapping.handle));
    CHECK_OK(rig_map(&pool, 0, 10, RIG_NO_MASKS, &mapping));
    CHECK_OK(unmap(&pool, mapping.handle));
    while (at < 16 && word[at] != 2)
        at++;
    CHECK(at < 16);
    word[at] = UINT32_MAX - 1;
    for (int i = 0; i < 4; i++) {
        CHECK_OK(rig_map(&pool, 0, 10, RIG_NO_MASKS, &mapping));
        CHECK(mapping.handle != 0);
        CHECK_OK(unmap(&pool, mapping.handle));
    }
    CHECK_EQ(word[at], 3);
}
