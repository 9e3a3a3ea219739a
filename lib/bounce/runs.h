/* SPDX-License-Identifier: MIT */
/*
 * Runs of free slots in the bitmap of one segment: a set bit is a free slot. Pure index arithmetic; a slot is a number
 * here.
 */
#ifndef BOUNCE_RUNS_H
#define BOUNCE_RUNS_H

#include "bits.h"

#define RUNS_NONE UINT32_MAX

/*
 * Which slots a run may start at: slot s where (s + phase) mod period < length. That is an alignment with length 1, and
 * "does not cross a multiple of period" with length period - n + 1. period is a power of two, at most 2^31.
 */
struct runs_pattern {
    uint32_t period;
    uint32_t length; /* 1 to period */
    uint32_t phase;  /* less than period */
};

#define RUNS_ANYWHERE ((struct runs_pattern){1, 1, 0})

static inline bool runs_allows(struct runs_pattern pattern, uint32_t slot)
{
    return ((slot + pattern.phase) & (pattern.period - 1)) < pattern.length;
}

/* The slots allowed among slot, slot + 1, ..., as a word. */
static inline bits_word runs_pattern_word(struct runs_pattern pattern, uint32_t slot)
{
    uint32_t at = (slot + pattern.phase) & (pattern.period - 1);
    uint32_t next = pattern.period - at; /* bits until the period starts over */

    if (pattern.period < BITS_WIDTH) {
        bits_word every = bits_every(bits_exponent(pattern.period));
        return bits_rotate_down((every << pattern.length) - every, at);
    }
    return (at < pattern.length ? bits_range(0, pattern.length - at) : 0) | bits_range(next, next + pattern.length);
}

/* Two patterns at once. What repeats within a word is worked out once, for slot 0. */
struct runs_where {
    bits_word near;                /* both, as far as they repeat within a word */
    struct runs_pattern a, b;
    bool has_far;                  /* at least one of them does not */
    bool sparse;                   /* at most one slot in sixteen: sooner tried one by one */
};

/* The pattern within a word, if that is all there is to it. */
static inline bits_word runs_near(struct runs_pattern pattern)
{
    return pattern.period > 1 && pattern.period <= BITS_WIDTH ? runs_pattern_word(pattern, 0) : BITS_ALL;
}

static inline struct runs_where runs_where(struct runs_pattern a, struct runs_pattern b)
{
    struct runs_where where = {runs_near(a) & runs_near(b), a, b, a.period > BITS_WIDTH || b.period > BITS_WIDTH,
                               a.length <= a.period / 16};
    return where;
}

static inline bits_word runs_where_word(const struct runs_where *where, uint32_t slot)
{
    bits_word word = bits_rotate_down(where->near, slot);

    if (where->has_far)
        word &= runs_pattern_word(where->a, slot) & runs_pattern_word(where->b, slot);
    return word;
}

/* How many slots are free from slot on, up to the end of the segment. */
static inline uint32_t runs_after(const bits_word *free, uint32_t words, uint32_t slot)
{
    uint32_t w = slot / BITS_WIDTH, bit = slot % BITS_WIDTH, n = BITS_WIDTH - bit;
    bits_word used;

    if (w >= words)
        return 0;
    used = ~free[w] >> bit;
    if (used != 0)
        return bits_lowest(used);
    for (w++; w < words; w++, n += BITS_WIDTH)
        if (free[w] != BITS_ALL)
            return n + bits_lowest(~free[w]);
    return n;
}

/* How many slots are free right before slot, down to the start of the segment. */
static inline uint32_t runs_before(const bits_word *free, uint32_t slot)
{
    uint32_t w = slot / BITS_WIDTH, n = slot % BITS_WIDTH;
    bits_word below = ((bits_word)1 << n) - 1;

    if (below != 0) {
        bits_word used = ~free[w] & below;
        if (used != 0)
            return n - 1 - bits_highest(used);
    }
    for (; w > 0; w--, n += BITS_WIDTH)
        if (free[w - 1] != BITS_ALL)
            return n + BITS_WIDTH - 1 - bits_highest(~free[w - 1]);
    return n;
}

/*
 * How many slots the free run has that a free slot belongs to, if it begins and ends within the slot's word. If not, it
 * may have as many as most.
 */
static inline uint32_t runs_around(bits_word free, uint32_t bit, uint32_t most)
{
    bits_word below = ~free << (BITS_WIDTH - 1 - bit), above = ~free >> bit;

    return below == 0 || above == 0 ? most : BITS_WIDTH - 2 - bits_highest(below) + bits_lowest(above);
}

/* Two words of a bitmap that follow one another. */
struct runs_pair {
    bits_word low, high;
};

/* Word w and the one after it, as far as there is one. */
static inline struct runs_pair runs_pair(const bits_word *free, uint32_t words, uint32_t w)
{
    struct runs_pair pair = {free[w], w + 1 < words ? free[w + 1] : 0};

    return pair;
}

/* Where in two words a run of n <= BITS_WIDTH free slots starts; in the high word, as if no other came after it. */
static inline struct runs_pair runs_short_starts(struct runs_pair free, uint32_t n)
{
    /*
     * A bit stays while a run of `have` starts there. No step looks at the bits, so that the CPU knows how many there
     * are.
     */
    for (uint32_t have = 1; have < n;) {
        uint32_t step = have < n - have ? have : n - have;
        free.low &= free.low >> step | free.high << (BITS_WIDTH - step);
        free.high &= free.high >> step;
        have += step;
    }
    return free;
}

/* The same for longer runs: they start in the free bits at the top of word w. *end caches where the run there ends. */
static inline bits_word runs_long_starts(const bits_word *free, uint32_t words, uint32_t w, uint32_t n, uint32_t *end)
{
    uint32_t next = (w + 1) * BITS_WIDTH;
    uint32_t top = free[w] == BITS_ALL ? BITS_WIDTH : BITS_WIDTH - 1 - bits_highest(~free[w]);

    if (*end < next)
        *end = next + runs_after(free, words, next);
    return *end < w * BITS_WIDTH + n ? 0 : bits_range(BITS_WIDTH - top, *end - n - w * BITS_WIDTH + 1);
}

/* Where in word w a run may start, of [from, to), of which a part lies in the word. first: see runs_find(). */
static inline bits_word runs_allowed(const struct runs_where *where, uint32_t first, uint32_t w, uint32_t from,
                                     uint32_t to)
{
    uint32_t base = w * BITS_WIDTH;
    bits_word allowed = runs_where_word(where, first + base);

    if (from > base)
        allowed &= BITS_ALL << (from - base);
    if (to - base < BITS_WIDTH)
        allowed &= bits_range(0, to - base);
    return allowed;
}

/* runs_find() where candidates are few. */
static inline uint32_t runs_find_sparse(const bits_word *free, uint32_t words, uint32_t n,
                                        const struct runs_where *where, uint32_t first, uint32_t from, uint32_t to)
{
    for (uint32_t w = from / BITS_WIDTH; w * BITS_WIDTH < to; w++) {
        bits_word starts = free[w] & runs_allowed(where, first, w, from, to);
        for (; starts != 0; starts &= starts - 1)
            if (runs_after(free, words, w * BITS_WIDTH + bits_lowest(starts)) >= n)
                return w * BITS_WIDTH + bits_lowest(starts);
    }
    return RUNS_NONE;
}

/* For n <= BITS_WIDTH. */
static inline uint32_t runs_find_short(const bits_word *free, uint32_t words, uint32_t n,
                                       const struct runs_where *where, uint32_t first, uint32_t from, uint32_t to)
{
    for (uint32_t w = from / BITS_WIDTH; w * BITS_WIDTH < to; w++) {
        struct runs_pair starts = runs_short_starts(runs_pair(free, words, w), n);
        starts.low &= runs_allowed(where, first, w, from, to);
        if (starts.low != 0)
            return w * BITS_WIDTH + bits_lowest(starts.low);
        if (w + 2 == words && (w + 1) * BITS_WIDTH < to) { /* what the last word has is known, too */
            starts.high &= runs_allowed(where, first, w + 1, from, to);
            return starts.high == 0 ? RUNS_NONE : (w + 1) * BITS_WIDTH + bits_lowest(starts.high);
        }
    }
    return RUNS_NONE;
}

/* For longer runs. */
static inline uint32_t runs_find_long(const bits_word *free, uint32_t words, uint32_t n,
                                      const struct runs_where *where, uint32_t first, uint32_t from, uint32_t to)
{
    uint32_t end = 0;

    for (uint32_t w = from / BITS_WIDTH; w * BITS_WIDTH < to; w++) {
        bits_word starts = runs_allowed(where, first, w, from, to);
        if ((free[w] & starts) != 0)
            starts &= runs_long_starts(free, words, w, n, &end);
        else
            starts = 0;
        if (starts != 0)
            return w * BITS_WIDTH + bits_lowest(starts);
    }
    return RUNS_NONE;
}

/*
 * The first slot in [from, to) where a run of n free slots starts that may start there; RUNS_NONE if there is none.
 * `where` counts in slots of the pool, of which the segment's first is first.
 */
static inline uint32_t runs_find(const bits_word *free, uint32_t words, uint32_t n, const struct runs_where *where,
                                 uint32_t first, uint32_t from, uint32_t to)
{
    if (where->sparse)
        return runs_find_sparse(free, words, n, where, first, from, to);
    return n <= BITS_WIDTH ? runs_find_short(free, words, n, where, first, from, to)
                           : runs_find_long(free, words, n, where, first, from, to);
}

/* Is there a run of n <= BITS_WIDTH free slots in the segment? */
static inline bool runs_exist(const bits_word *free, uint32_t words, uint32_t n)
{
    struct runs_pair starts = runs_short_starts(runs_pair(free, words, 0), n);
    bits_word all = starts.low;

    for (uint32_t w = 1; w + 1 < words; w++) {
        starts = runs_short_starts(runs_pair(free, words, w), n);
        all |= starts.low;
    }
    return (all | starts.high) != 0;
}

/* The longest run of free slots in the segment. */
static inline uint32_t runs_longest(const bits_word *free, uint32_t words)
{
    uint32_t longest = 0, run = 0; /* run: free slots right before the word */

    for (uint32_t w = 0; w < words; w++) {
        bits_word used = ~free[w];
        if (used == 0) {
            run += BITS_WIDTH;
            continue;
        }
        run += bits_lowest(used);
        if (run > longest)
            longest = run;
        run = bits_longest_run(free[w]);
        if (run > longest)
            longest = run;
        run = BITS_WIDTH - 1 - bits_highest(used);
    }
    return run > longest ? run : longest;
}

/* Are all n > 0 slots from slot on free (or, with used, all in use)? */
static inline bool runs_all(const bits_word *free, uint32_t slot, uint32_t n, bool used)
{
    for (;;) {
        uint32_t bit = slot % BITS_WIDTH, left = BITS_WIDTH - bit;
        bits_word range = n <= left ? bits_run(bit, n) : BITS_ALL << bit;
        if ((free[slot / BITS_WIDTH] & range) != (used ? 0 : range))
            return false;
        if (n <= left)
            return true;
        slot += left;
        n -= left;
    }
}

/* Turn n > 0 slots from slot on over, from free to used or back; they are all alike. */
static inline void runs_flip(bits_word *free, uint32_t slot, uint32_t n)
{
    for (;;) {
        uint32_t bit = slot % BITS_WIDTH, left = BITS_WIDTH - bit;
        if (n <= left) {
            free[slot / BITS_WIDTH] ^= bits_run(bit, n);
            return;
        }
        free[slot / BITS_WIDTH] ^= BITS_ALL << bit;
        slot += left;
        n -= left;
    }
}

/* Free n > 0 slots from slot on. Returns whether all were in use; otherwise nothing has changed. */
static inline bool runs_free(bits_word *free, uint32_t slot, uint32_t n)
{
    uint32_t bit = slot % BITS_WIDTH;

    if (n <= BITS_WIDTH - bit) {
        bits_word range = bits_run(bit, n);
        if ((free[slot / BITS_WIDTH] & range) != 0)
            return false;
        free[slot / BITS_WIDTH] |= range;
        return true;
    }
    if (!runs_all(free, slot, n, true))
        return false;
    runs_flip(free, slot, n);
    return true;
}

#endif
