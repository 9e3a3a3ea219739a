/* SPDX-License-Identifier: MIT */
/*
 * A handle is a place and the number of a mapping, under the pool's key. Within its pool it reads back exactly. Under
 * another key it reads as some place at random, with some number at random; and a place that is another by one bit
 * comes with another number, which the mapping that lives there does not have. This is against slips, not against
 * attackers: it is no cipher, and costs a multiplication each way.
 */
#ifndef BOUNCE_HANDLE_H
#define BOUNCE_HANDLE_H

#include <stdint.h>

struct handle_parts {
    uint32_t place;
    uint32_t number; /* not 0 */
};

/* What is made of a place goes into the number as well. 0 remains 0: no handle is 0, since no number is. */
static inline uint32_t handle_spread(uint32_t place, uint32_t factor)
{
    uint32_t product = place * factor;

    return product ^ product >> 16;
}

static inline uint64_t handle_seal(const uint32_t key[2], struct handle_parts parts)
{
    uint32_t place = parts.place ^ key[0];

    return (uint64_t)place << 32 | (parts.number ^ handle_spread(place, key[1]));
}

static inline struct handle_parts handle_open(const uint32_t key[2], uint64_t handle)
{
    uint32_t place = (uint32_t)(handle >> 32);
    struct handle_parts parts = {place ^ key[0], (uint32_t)handle ^ handle_spread(place, key[1])};

    return parts;
}

/* Keys that differ if anything does: the seed, and what it is for. */
static inline void handle_set_key(uint32_t key[2], uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t sources[] = {seed, a, b, c};
    uint32_t high = 0, low = 0;

    /* Feistel rounds: one to one for each source, and for as many rounds as make every bit depend on every other. */
    for (unsigned i = 0; i < 4 * sizeof(sources) / sizeof(sources[0]); i++) {
        if (i % 4 == 0) {
            high ^= (uint32_t)(sources[i / 4] >> 32);
            low ^= (uint32_t)sources[i / 4];
        }
        high ^= handle_spread(low + i, UINT32_C(0x9e3779b1));
        low ^= handle_spread(high, UINT32_C(0x85ebca6b));
    }
    key[0] = high;
    key[1] = low | 1;
}

#endif
