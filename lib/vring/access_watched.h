/* SPDX-License-Identifier: MIT */
/*
 * The default accesses, with a word before every load and after every store: for memory that is not coherent, and for
 * those who have to know what was written. A header of yours (VRING_MEMORY_HEADER) defines
 *
 *     static inline void memory_before_load(const void *p, size_t bytes);
 *     static inline void memory_after_store(void *p, size_t bytes);
 *
 * The range is exactly what is accessed, in the order of the accesses. A cache that is invalidated before each load and
 * cleaned after each store holds the two sides together where their areas share no cache line; a packed ring's
 * descriptors are written by both, and want uncached memory. A bitmap of what was stored to is the log of a migration.
 * Buffers are the caller's to watch; indirect tables are watched as the rings are.
 */
#ifndef VRING_ACCESS_WATCHED_H
#define VRING_ACCESS_WATCHED_H

#include "port.h"

#include <stddef.h>

#define access_load8 unwatched_load8
#define access_load16 unwatched_load16
#define access_store16 unwatched_store16
#define access_load32 unwatched_load32
#define access_store32 unwatched_store32
#define access_load64 unwatched_load64
#define access_store64 unwatched_store64
#define access_load_acquire16 unwatched_load_acquire16
#define access_store_release16 unwatched_store_release16
#include "access_acqrel.h"
#undef access_load8
#undef access_load16
#undef access_store16
#undef access_load32
#undef access_store32
#undef access_load64
#undef access_store64
#undef access_load_acquire16
#undef access_store_release16

static inline uint8_t access_load8(const uint8_t *p)
{
    memory_before_load(p, sizeof *p);
    return unwatched_load8(p);
}

static inline uint16_t access_load16(const uint16_t *p)
{
    memory_before_load(p, sizeof *p);
    return unwatched_load16(p);
}

static inline void access_store16(uint16_t *p, uint16_t v)
{
    unwatched_store16(p, v);
    memory_after_store(p, sizeof *p);
}

static inline uint32_t access_load32(const uint32_t *p)
{
    memory_before_load(p, sizeof *p);
    return unwatched_load32(p);
}

static inline void access_store32(uint32_t *p, uint32_t v)
{
    unwatched_store32(p, v);
    memory_after_store(p, sizeof *p);
}

#if PORT_64BIT_ACCESS
static inline uint64_t access_load64(const uint64_t *p)
{
    memory_before_load(p, sizeof *p);
    return unwatched_load64(p);
}

static inline void access_store64(uint64_t *p, uint64_t v)
{
    unwatched_store64(p, v);
    memory_after_store(p, sizeof *p);
}
#endif

static inline uint16_t access_load_acquire16(const uint16_t *p)
{
    memory_before_load(p, sizeof *p);
    return unwatched_load_acquire16(p);
}

static inline void access_store_release16(uint16_t *p, uint16_t v)
{
    unwatched_store_release16(p, v);
    memory_after_store(p, sizeof *p);
}

#endif
