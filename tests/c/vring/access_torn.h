/* SPDX-License-Identifier: MIT */
/*
 * A negative control: the HOOK accessors with loads as a compiler may make them of a plain `*p`, twice, and half of the
 * answer from each. What looks for words that are read more than once has to find it.
 */
#ifndef ACCESS_TORN_H
#define ACCESS_TORN_H

#define access_load16 access_whole_load16
#define access_load32 access_whole_load32
#define access_load_acquire16 access_whole_load_acquire16
#include "vring/access_hook.h"
#undef access_load16
#undef access_load32
#undef access_load_acquire16

static inline uint16_t access_load16(const uint16_t *p)
{
    uint16_t low = access_whole_load16(p) & 0xff;

    return (uint16_t)((access_whole_load16(p) & 0xff00) | low);
}

static inline uint32_t access_load32(const uint32_t *p)
{
    uint32_t low = access_whole_load32(p) & 0xffff;

    return (access_whole_load32(p) & 0xffff0000u) | low;
}

static inline uint16_t access_load_acquire16(const uint16_t *p)
{
    uint16_t low = access_whole_load_acquire16(p) & 0xff;

    return (uint16_t)((access_whole_load_acquire16(p) & 0xff00) | low);
}

#endif
