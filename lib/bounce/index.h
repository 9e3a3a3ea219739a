/* SPDX-License-Identifier: MIT */
/*
 * Which segments are worth a look: a bitmap over the segments of an area for every class of run length. A segment's bit
 * is set in the rows of all classes up to that of its longest free run, so that one row answers one request. Pure index
 * arithmetic.
 *
 * A class is a length up to 7, and a quarter of an octave above: 1 2 3 4 5 6 7 8 10 12 14 16 20 ... Rows are as few as
 * that (24 for 128-slot segments), and hardly any segment passes its row and is too short all the same.
 */
#ifndef BOUNCE_INDEX_H
#define BOUNCE_INDEX_H

#include "runs.h"

/* The number of classes up to a run of n slots: 0 for none. */
static inline uint32_t index_class(uint32_t n)
{
    uint32_t octave;

    if (n < 4)
        return n;
    octave = bits_highest(n);
    return 4 * (octave - 1) + (n >> (octave - 2) & 3);
}

/* The row for runs of n > 0 slots. words: in a row. */
static inline bits_word *index_row(bits_word *index, uint32_t words, uint32_t n)
{
    return index + (index_class(n) - 1) * words;
}

/* A segment's longest run was `was` and is `is`. */
static inline void index_update(bits_word *index, uint32_t words, uint32_t segment, uint32_t was, uint32_t is)
{
    uint32_t low = index_class(was < is ? was : is);
    uint32_t high = index_class(was < is ? is : was);
    bits_word *word = index + low * words + segment / BITS_WIDTH;

    for (; low < high; low++, word += words)
        *word ^= (bits_word)1 << segment % BITS_WIDTH;
}

/* Of word w of a row, the segments in [from, to) that the pattern allows. */
static inline bits_word index_word(const bits_word *row, struct runs_pattern pattern, uint32_t w, uint32_t from,
                                   uint32_t to)
{
    uint32_t base = w * BITS_WIDTH;

    if (row[w] == 0)
        return 0;
    return row[w] & bits_range(from > base ? from - base : 0, to - base) &
        (pattern.period > 1 ? runs_pattern_word(pattern, base) : BITS_ALL);
}

/*
 * The first segment in [from, to) whose bit is set in the row and that the pattern allows; RUNS_NONE if there is none.
 */
static inline uint32_t index_find(const bits_word *row, struct runs_pattern pattern, uint32_t from, uint32_t to)
{
    for (uint32_t w = from / BITS_WIDTH; w * BITS_WIDTH < to; w++) {
        bits_word segments = index_word(row, pattern, w, from, to);
        if (segments != 0)
            return w * BITS_WIDTH + bits_lowest(segments);
    }
    return RUNS_NONE;
}

#endif
