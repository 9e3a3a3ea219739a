/* SPDX-License-Identifier: MIT */
/*
 * One word of a bitmap. A word is as wide as the CPU; a build may choose BOUNCE_WORD_BITS otherwise.
 */
#ifndef BOUNCE_BITS_H
#define BOUNCE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#if !defined(BOUNCE_WORD_BITS)
#if UINTPTR_MAX > 0xffffffffu
#define BOUNCE_WORD_BITS 64
#else
#define BOUNCE_WORD_BITS 32
#endif
#endif

#if BOUNCE_WORD_BITS == 64
typedef uint64_t bits_word;
#elif BOUNCE_WORD_BITS == 32
typedef uint32_t bits_word;
#else
#error "BOUNCE_WORD_BITS is 32 or 64"
#endif

#define BITS_WIDTH ((uint32_t)BOUNCE_WORD_BITS)
#define BITS_ALL ((bits_word)-1)

/* Where counting zeros is an instruction. Elsewhere the builtins would call into the compiler's library. */
#if defined(__x86_64__) || defined(__aarch64__) || defined(__s390x__) || defined(__powerpc64__) || \
    defined(__riscv_zbb) || \
    (BOUNCE_WORD_BITS == 32 && (defined(__i386__) || defined(__ARM_FEATURE_CLZ) || defined(__powerpc__)))
#define BITS_CAN_SCAN 1
#else
#define BITS_CAN_SCAN 0
#endif

/* The number of the only bit set. */
static inline uint32_t bits_number(bits_word single)
{
    /* De Bruijn: the product has another five or six top bits for every power of two. */
#if BOUNCE_WORD_BITS == 64
    static const uint8_t number[64] = {
        0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,  62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30,
            24, 18, 12, 5,
        63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,
            13, 8,  7,  6};
    return number[(bits_word)(single * UINT64_C(0x03f79d71b4cb0a89)) >> 58];
#else
    static const uint8_t number[32] = {0,  1,  28, 2,  29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4,  8,
                                       31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,  11, 5,  10, 9};
    return number[(bits_word)(single * UINT32_C(0x077cb531)) >> 27];
#endif
}

/* The number of the lowest bit set; there is one. */
static inline uint32_t bits_lowest(bits_word word)
{
#if BITS_CAN_SCAN && BOUNCE_WORD_BITS == 64
    return (uint32_t)__builtin_ctzll(word);
#elif BITS_CAN_SCAN
    return (uint32_t)__builtin_ctz(word);
#else
    return bits_number(word & (~word + 1));
#endif
}

/* The number of the highest bit set; there is one. */
static inline uint32_t bits_highest(bits_word word)
{
#if BITS_CAN_SCAN && BOUNCE_WORD_BITS == 64
    return 63u - (uint32_t)__builtin_clzll(word);
#elif BITS_CAN_SCAN
    return 31u - (uint32_t)__builtin_clz(word);
#else
    for (uint32_t shift = 1; shift < BITS_WIDTH; shift *= 2)
        word |= word >> shift;
    return bits_number(word - (word >> 1));
#endif
}

static inline bits_word bits_rotate_down(bits_word word, uint32_t by)
{
    by %= BITS_WIDTH;
    return word >> by | word << (BITS_WIDTH - by) % BITS_WIDTH;
}

/* Every 2^k-th bit from bit 0 on, for 2^k up to a word. */
static inline bits_word bits_every(uint32_t k)
{
    static const bits_word every[] = {BITS_ALL, BITS_ALL / 0x3, BITS_ALL / 0xf, BITS_ALL / 0xff, BITS_ALL / 0xffff,
                                      BOUNCE_WORD_BITS == 64 ? BITS_ALL / 0xffffffff : 1, 1};
    return every[k];
}

/* count bits from from on; at least one, and all in the word. */
static inline bits_word bits_run(uint32_t from, uint32_t count)
{
    return (BITS_ALL >> (BITS_WIDTH - count)) << from;
}

/* Bits from to to - 1, as far as they lie in a word. */
static inline bits_word bits_range(uint32_t from, uint32_t to)
{
    if (to > BITS_WIDTH)
        to = BITS_WIDTH;
    return from >= to ? 0 : bits_run(from, to - from);
}

/* The longest run of bits set. */
static inline uint32_t bits_longest_run(bits_word word)
{
    uint32_t longest = 1;

    if (word == BITS_ALL)
        return BITS_WIDTH;
    if (word == 0)
        return 0;

    /*
     * A bit of word stays while a run of `longest` starts there. Double that length while a run is left, then add what
     * fits.
     */
    for (bits_word more; (more = word & (word >> longest)) != 0; longest *= 2)
        word = more;
    for (uint32_t step = longest / 2; step != 0; step /= 2) {
        bits_word more = word & (word >> step);
        if (more != 0) {
            word = more;
            longest += step;
        }
    }
    return longest;
}

/* k of the power of two 2^k. */
static inline uint32_t bits_exponent(uint32_t power)
{
    return bits_highest(power);
}

static inline bool bits_is_power(uint64_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

#endif
