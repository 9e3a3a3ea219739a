/* SPDX-License-Identifier: MIT */
/*
 * Shapes of code around one shared word in which compilers are known to repeat, keep, split, join, narrow or widen a
 * plain access. Written with the accessors, so that every variant can be asked what becomes of them.
 */
#include "gallery.h"

#include "access.h"

/* A local copy is not a single fetch: the bound check and the jump table may each have their own load. */
uint32_t gallery_switch(const uint32_t *p, uint32_t a)
{
    uint32_t t = access_load32(p);

    switch (t) {
    case 0: return a + 7;
    case 1: return a * 3;
    case 2: return a ^ 0x55u;
    case 3: return a << 4;
    case 4: return a - 9;
    case 5: return ~a;
    case 6: return a * a;
    default: return 0;
    }
}

/* Judge, then use: the second use must not see another value than the first. */
uint32_t gallery_check_then_use(const uint32_t *p, const uint32_t *table, uint32_t size)
{
    uint32_t i = access_load32(p);

    if (i >= size)
        return 0;
    return table[i] + i;
}

/* Wait, but not for ever: each turn is meant to look again. */
unsigned gallery_poll_loop(const uint16_t *p, uint16_t old)
{
    unsigned turns = 0;

    while (turns < 8 && access_load16(p) == old)
        turns++;
    return turns;
}

/* The value is needed at the end, and too much else is alive in between. */
uint32_t gallery_spill(const uint32_t *p, const uint32_t *v, uint32_t n)
{
    uint32_t t = access_load32(p);
    uint32_t a = n, b = t, c = 3, d = 5, e = 7, f = 11, g = 13, h = 17, i = 19, j = 23, k = 29, l = 31, m = 37, o = 41;

    for (uint32_t x = 0; x < n; x++) {
        a += v[x], b ^= a, c += b << 1, d ^= c, e += d >> 3, f ^= e, g += f << 5, h ^= g, i += h >> 7, j ^= i;
        k += j, l ^= k << 2, m += l, o ^= m + a;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l ^ m ^ o ^ t;
}

/* Two fields that lie side by side. */
uint32_t gallery_neighbours(const uint32_t *p)
{
    uint32_t id = access_load32(p);
    uint32_t len = access_load32(p + 1);

    return id ^ len;
}

/* One bit of 16. */
bool gallery_flag(const uint16_t *p)
{
    return access_load16(p) & 1;
}

/* The upper byte of 16. */
unsigned gallery_upper_byte(const uint16_t *p)
{
    return access_load16(p) >> 8;
}

/* Two stores of neighbours. */
void gallery_store_neighbours(uint16_t *p)
{
    access_store16(p, 1);
    access_store16(p + 1, 2);
}

/* Busy, then ready: the first is for others to see. */
void gallery_store_twice(uint32_t *p)
{
    access_store32(p, 1);
    access_store32(p, 2);
}

/* A constant that does not fit an instruction. */
void gallery_store_constant(uint64_t *p)
{
    access_store64(p, UINT64_C(0x0001000200030004));
}
