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

/* A round of Speck: add, rotate and xor are one instruction on every CPU, wide products are not. */
static inline struct handle_parts handle_mix(struct handle_parts parts, uint32_t key)
{
    parts.place = (handle_rotate(parts.place, 24) + parts.number) ^ key;
    parts.number = handle_rotate(parts.number, 3) ^ parts.place;
    return parts;
}

static inline struct handle_parts handle_unmix(struct handle_parts parts, uint32_t key)
{
    parts.number = handle_rotate(parts.number ^ parts.place, 29);
    parts.place = handle_rotate((parts.place ^ key) - parts.number, 8);
    return parts;
}

/* Without loops, which gcc -O2 would leave as they are. */
static inline uint64_t handle_seal(const uint32_t key[HANDLE_ROUNDS], struct handle_parts parts)
{
    parts = handle_mix(handle_mix(parts, key[0]), key[1]);
    parts = handle_mix(handle_mix(parts, key[2]), key[3]);
    return (uint64_t)parts.place << 32 | parts.number;
}

static inline struct handle_parts handle_open(const uint32_t key[HANDLE_ROUNDS], uint64_t handle)
{
    struct handle_parts parts = {(uint32_t)(handle >> 32), (uint32_t)handle};

    parts = handle_unmix(handle_unmix(parts, key[3]), key[2]);
    return handle_unmix(handle_unmix(parts, key[1]), key[0]);
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
