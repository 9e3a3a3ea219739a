/* SPDX-License-Identifier: MIT */
/*
 * The floor: words, runs and the index, against loops over single bits. Everything that is small enough is tried.
 */
#include "bounce/index.h"
#include "bounce/runs.h"
#include "rig.h"

static bool bit(const bits_word *words, uint32_t number)
{
    return words[number / BITS_WIDTH] >> number % BITS_WIDTH & 1;
}

TEST(bits_lowest_and_highest_find_every_pair)
{
    for (uint32_t low = 0; low < BITS_WIDTH; low++)
        for (uint32_t high = low; high < BITS_WIDTH; high++) {
            bits_word word = (bits_word)1 << low | (bits_word)1 << high;
            CHECK_EQ(bits_lowest(word), low);
            CHECK_EQ(bits_highest(word), high);
            CHECK_EQ(bits_number((bits_word)1 << low), low);
        }
}

TEST(bits_range_is_clipped_to_the_word)
{
    for (uint32_t from = 0; from <= BITS_WIDTH + 2; from++)
        for (uint32_t to = 0; to <= BITS_WIDTH + 2; to++) {
            bits_word range = bits_range(from, to);
            for (uint32_t i = 0; i < BITS_WIDTH; i++)
                CHECK_EQ(bit(&range, i), i >= from && i < to);
        }
    CHECK_EQ(bits_range(3, UINT32_MAX), BITS_ALL << 3);
}

TEST(bits_longest_run_of_every_sixteen_bits)
{
    for (uint32_t shift = 0; shift + 16 <= BITS_WIDTH; shift += 8)
        for (uint32_t value = 0; value < 65536; value++) {
            uint32_t longest = 0, run = 0;
            for (uint32_t i = 0; i < 16; i++) {
                run = value >> i & 1 ? run + 1 : 0;
                longest = run > longest ? run : longest;
            }
            CHECK_EQ(bits_longest_run((bits_word)value << shift), longest);
        }
    for (uint32_t n = 0; n <= BITS_WIDTH; n++)
        for (uint32_t from = 0; from + n <= BITS_WIDTH; from++)
            CHECK_EQ(bits_longest_run(bits_range(from, from + n)), n);
}

TEST(patterns_say_what_their_definition_says)
{
    for (uint32_t period = 1; period <= 512; period *= 2)
        for (uint32_t length = 1; length <= period; length += period > 64 && length > 2 && length + 9 < period ? 7 : 1)
            for (uint32_t phase = 0; phase < period; phase += period > 64 ? 5 : 1) {
                struct runs_pattern pattern = {period, length, phase};
                for (uint32_t slot = 0; slot < 2 * BITS_WIDTH; slot += BITS_WIDTH / 4) {
                    bits_word word = runs_pattern_word(pattern, slot);
                    for (uint32_t i = 0; i < BITS_WIDTH; i++) {
                        bool allowed = (slot + i + phase) % period < length;
                        CHECK_EQ(bit(&word, i), allowed);
                        CHECK_EQ(runs_allows(pattern, slot + i), allowed);
                    }
                }
            }
}

TEST(patterns_longer_than_any_pool)
{
    struct runs_pattern once = {UINT32_C(1) << 31, 1, (UINT32_C(1) << 31) - 70};
    struct runs_pattern almost = {UINT32_C(1) << 31, (UINT32_C(1) << 31) - 2, (UINT32_C(1) << 31) - 70};

    for (uint32_t slot = 0; slot < 256; slot += BITS_WIDTH) {
        bits_word one = runs_pattern_word(once, slot), most = runs_pattern_word(almost, slot);
        for (uint32_t i = 0; i < BITS_WIDTH; i++) {
            CHECK_EQ(bit(&one, i), slot + i == 70);
            CHECK_EQ(bit(&most, i), slot + i != 68 && slot + i != 69);
        }
    }
}

/* The plain forms of everything in runs.h. */
static uint32_t plain_after(const bits_word *free, uint32_t slots, uint32_t slot)
{
    uint32_t n = 0;

    while (slot + n < slots && bit(free, slot + n))
        n++;
    return n;
}

static uint32_t plain_before(const bits_word *free, uint32_t slot)
{
    uint32_t n = 0;

    while (n < slot && bit(free, slot - n - 1))
        n++;
    return n;
}

static uint32_t plain_longest(const bits_word *free, uint32_t slots)
{
    uint32_t longest = 0;

    for (uint32_t slot = 0; slot < slots; slot++)
        if (plain_after(free, slots, slot) > longest)
            longest = plain_after(free, slots, slot);
    return longest;
}

static uint32_t plain_find(const bits_word *free, uint32_t slots, uint32_t n, struct runs_pattern align,
                           struct runs_pattern boundary, uint32_t first, uint32_t from, uint32_t to)
{
    for (uint32_t slot = from; slot < to; slot++)
        if (plain_after(free, slots, slot) >= n && (first + slot + align.phase) % align.period < align.length &&
            (first + slot + boundary.phase) % boundary.period < boundary.length)
            return slot;
    return RUNS_NONE;
}

/* Runs of free and used slots, short to long by `grain`. */
static void scatter(bits_word *free, uint32_t words, uint32_t grain, uint64_t *seed)
{
    bool on = rig_below(seed, 2);

    memset(free, 0, words * sizeof(*free));
    for (uint32_t slot = 0; slot < words * BITS_WIDTH;) {
        uint32_t n = 1 + rig_below(seed, grain);
        for (; n > 0 && slot < words * BITS_WIDTH; n--, slot++)
            free[slot / BITS_WIDTH] |= (bits_word)on << slot % BITS_WIDTH;
        on = !on;
    }
}

TEST(runs_find_every_run_of_every_ten_slots)
{
    const struct runs_pattern two = {2, 1, 1}, anywhere = RUNS_ANYWHERE, four = {4, 2, 3};
    const struct runs_where all = runs_where(anywhere, anywhere), some = runs_where(two, four);

    /* Ten slots in the middle of a word, across words, and at the end of the segment. */
    for (uint32_t at = BITS_WIDTH - 12; at <= 2 * BITS_WIDTH - 10; at += BITS_WIDTH / 2 - 3)
        for (uint32_t value = 0; value < 1024; value++) {
            bits_word free[2] = {0, 0};
            for (uint32_t i = 0; i < 10; i++)
                free[(at + i) / BITS_WIDTH] |= (bits_word)(value >> i & 1) << (at + i) % BITS_WIDTH;
            CHECK_EQ(runs_longest(free, 2), plain_longest(free, 2 * BITS_WIDTH));
            for (uint32_t n = 1; n <= 10; n++) {
                uint32_t slots = 2 * BITS_WIDTH;
                CHECK_EQ(runs_find(free, 2, n, &all, 0, 0, slots),
                         plain_find(free, slots, n, anywhere, anywhere, 0, 0, slots));
                CHECK_EQ(runs_find(free, 2, n, &some, 6, at + 2, slots),
                         plain_find(free, slots, n, two, four, 6, at + 2, slots));
                CHECK_EQ(runs_find(free, 2, n, &some, 7, 0, at + 5),
                         plain_find(free, slots, n, four, two, 7, 0, at + 5));
            }
        }
}

/* Does the free run that a slot belongs to begin and end within the slot's word? */
static bool within_word(const bits_word *free, uint32_t slot)
{
    uint32_t first = slot / BITS_WIDTH * BITS_WIDTH, last = first + BITS_WIDTH - 1;

    return plain_before(free, slot) < slot - first &&
        plain_after(free, last + 1, slot) < last + 1 - slot;
}

TEST(runs_agree_with_a_loop_over_slots)
{
    uint64_t seed = 1;

    for (uint32_t round = 0; round < RIG_ROUNDS(60000); round++) {
        bits_word free[16], copy[16];
        uint32_t words = 1 + rig_below(&seed, 16), slots = words * BITS_WIDTH;
        uint32_t slot, n = 1 + rig_below(&seed, rig_below(&seed, 2) ? 12 : slots), first = rig_below(&seed, 4096);
        uint32_t period = 1u << rig_below(&seed, 12), limit = 1u << rig_below(&seed, 12);
        uint32_t from = rig_below(&seed, slots), to = from + 1 + rig_below(&seed, slots - from);
        struct runs_pattern align = {period, 1, rig_below(&seed, period)};
        struct runs_pattern boundary = {limit, n < limit ? limit - n + 1 : 1, rig_below(&seed, limit)};
        struct runs_where where = runs_where(align, boundary);
        uint32_t around;

        scatter(free, words, 1u << rig_below(&seed, 11), &seed);
        CHECK_EQ(runs_find(free, words, n, &where, first, from, to),
                 plain_find(free, slots, n, align, boundary, first, from, to));
        CHECK_EQ(runs_longest(free, words), plain_longest(free, slots));
        CHECK_EQ(runs_after(free, words, from), plain_after(free, slots, from));
        CHECK_EQ(runs_before(free, from), plain_before(free, from));
        CHECK_EQ(runs_before(free, slots), plain_before(free, slots));

        slot = plain_find(free, slots, n, RUNS_ANYWHERE, RUNS_ANYWHERE, 0, 0, slots);
        if (slot != RUNS_NONE) {
            memcpy(copy, free, sizeof(copy));
            CHECK(runs_all(free, slot, n, false));
            around = runs_around(free[slot / BITS_WIDTH], slot % BITS_WIDTH, slots);
            CHECK_EQ(around,
                     within_word(free, slot) ? plain_before(free, slot) + plain_after(free, slots, slot) : slots);
            CHECK(!runs_free(free, slot, n));
            runs_flip(free, slot, n);
            CHECK(runs_all(free, slot, n, true));
            CHECK(runs_free(free, slot, n));
            CHECK(runs_all(free, slot, n, false));
            runs_flip(free, slot, n);
            for (uint32_t i = 0; i < slots; i++)
                CHECK_EQ(bit(free, i), bit(copy, i) && (i < slot || i >= slot + n));
        }
    }
}

TEST(index_classes_are_ordered_and_at_most_a_quarter_apart)
{
    CHECK_EQ(index_class(0), 0);
    for (uint32_t n = 1; n <= 4096; n++) {
        CHECK(index_class(n) == index_class(n - 1) || index_class(n) == index_class(n - 1) + 1);
        if (n <= 8)
            CHECK_EQ(index_class(n), n);
        for (uint32_t more = n; more <= 4096 && index_class(more) == index_class(n); more++)
            CHECK((more - n) * 4 < n || more == n);
    }
    CHECK_EQ(index_class(128), 24);
    CHECK_EQ(index_class(4096), 44);
}

TEST(index_rows_hold_the_segments_that_are_long_enough)
{
    enum { SEGMENTS = 150, WORDS = (SEGMENTS + 31) / 32 };
    static bits_word index[44 * WORDS];
    uint32_t longest[SEGMENTS] = {0};
    uint64_t seed = 2;

    memset(index, 0, sizeof(index));
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t segment = rig_below(&seed, SEGMENTS), is = rig_below(&seed, 2) ? rig_below(&seed,
                                                                                            9) : rig_below(&seed, 4097);
        uint32_t n = 1 + rig_below(&seed, 4096), from = rig_below(&seed, SEGMENTS), to = rig_below(&seed, SEGMENTS + 1);
        uint32_t period = 1u << rig_below(&seed, 8), want = RUNS_NONE;
        struct runs_pattern pattern = {period, 1, rig_below(&seed, period)};

        index_update(index, WORDS, segment, longest[segment], is);
        longest[segment] = is;
        for (uint32_t i = from; i < to && want == RUNS_NONE; i++)
            if (index_class(longest[i]) >= index_class(n) && runs_allows(pattern, i))
                want = i;
        CHECK_EQ(index_find(index_row(index, WORDS, n), pattern, from, to), want);
    }
}
