/* SPDX-License-Identifier: MIT */
/*
 * A handle is a place and the number of a mapping, scrambled one to one under the pool's key. Within its pool it reads
 * back exactly; under another key, or with any bit changed, it reads as some place and number at random, which no live
 * mapping has. This is against slips, not against attackers: it is no cipher.
 */
#ifndef BOUNCE_HANDLE_H
#define BOUNCE_HANDLE_H

#include <stdint.h>

struct handle_parts {
    uint32_t place;
    uint32_t number;
};

enum { HANDLE_ROUNDS = 4 };

static inline uint32_t handle_rotate(uint32_t word, unsigned left)
{
    return word << left | word >> (32 - left);
}

/* The rounds of Speck: add, rotate and xor are one instruction on every CPU, wide products are not. */
static inline uint64_t handle_seal(const uint32_t key[HANDLE_ROUNDS], struct handle_parts parts)
{
    uint32_t x = parts.place, y = parts.number;

    for (uint32_t round = 0; round < HANDLE_ROUNDS; round++) {
        x = (handle_rotate(x, 24) + y) ^ key[round];
        y = handle_rotate(y, 3) ^ x;
    }
    return (uint64_t)x << 32 | y;
}

static inline struct handle_parts handle_open(const uint32_t key[HANDLE_ROUNDS], uint64_t handle)
{
    uint32_t x = (uint32_t)(handle >> 32), y = (uint32_t)handle;
    struct handle_parts parts;

    for (uint32_t round = HANDLE_ROUNDS; round-- > 0;) {
        y = handle_rotate(y ^ x, 29);
        x = handle_rotate((x ^ key[round]) - y, 8);
    }
    parts.place = x;
    parts.number = y;
    return parts;
}

/* Keys that differ if anything does: the seed, and what it is for. */
static inline void handle_set_key(uint32_t key[HANDLE_ROUNDS], uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    const uint32_t plain[HANDLE_ROUNDS] = {0, 1, 2, 3};
    const uint64_t sources[] = {seed, a, b, c, 0};
    uint64_t mixed = 0;

    for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct handle_parts parts = {(uint32_t)((mixed ^ sources[i]) >> 32), (uint32_t)(mixed ^ sources[i])};
        key[0] = (uint32_t)(mixed >> 32);
        key[1] = (uint32_t)mixed;
        mixed = handle_seal(plain, parts);
    }
    key[2] = (uint32_t)(mixed >> 32);
    key[3] = (uint32_t)mixed;
}

#endif
