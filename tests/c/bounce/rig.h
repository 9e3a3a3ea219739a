/* SPDX-License-Identifier: MIT */
/*
 * What the tests of libbounce stand on: memory, a pool in it, and requests in one line.
 */
#ifndef BOUNCE_TEST_RIG_H
#define BOUNCE_TEST_RIG_H

#include "vtest.h"

#include <bounce/bounce.h>
#include <stdlib.h>
#include <string.h>

#ifdef VTEST_DEEP
#define RIG_ROUNDS(n) (20 * (n))
#elif defined(VTEST_QUICK) /* emulated, or under ThreadSanitizer: the same code, fewer dice */
#define RIG_ROUNDS(n) (1 + (n) / 8)
#else
#define RIG_ROUNDS(n) (n)
#endif

enum { RIG_WINDOW_SIZE = 16 << 20, RIG_META_SIZE = 2 << 20, RIG_ORIG_SIZE = 1 << 20 };

static _Alignas(65536) unsigned char rig_window[RIG_WINDOW_SIZE];
static uint64_t rig_meta[RIG_META_SIZE / 8];
static unsigned char rig_orig[RIG_ORIG_SIZE];

/* A pool of default geometry over rig_window, in which every slot can be a mapping of its own. */
static inline struct bounce_config rig_config(uint64_t window_addr, uint32_t slots)
{
    struct bounce_config config = {0};

    config.window = rig_window;
    config.window_addr = window_addr;
    config.slots = slots;
    config.mappings = slots;
    config.meta = rig_meta;
    config.meta_size = sizeof(rig_meta);
    return config;
}

static inline struct bounce_pool rig_start(const struct bounce_config *config)
{
    struct bounce_pool pool = {0};
    int error = bounce_init(&pool, config);

    if (error) {
        printf("# rig: bounce_init: %s\n", bounce_error_text(error));
        exit(2);
    }
    return pool;
}

static inline struct bounce_pool rig_pool(uint64_t window_addr, uint32_t slots)
{
    struct bounce_config config = rig_config(window_addr, slots);

    return rig_start(&config);
}

static inline struct bounce_request rig_request(uint64_t orig_addr, size_t size)
{
    struct bounce_request request = {0};

    request.orig = rig_orig;
    request.orig_addr = orig_addr;
    request.size = size;
    request.direction = BOUNCE_BIDIRECTIONAL;
    return request;
}

struct rig_masks {
    uint64_t alloc_align, min_align, boundary;
};

static inline int rig_map(struct bounce_pool *pool, uint64_t orig_addr, size_t size, struct rig_masks masks,
                          struct bounce_mapping *mapping)
{
    struct bounce_request request = rig_request(orig_addr, size);

    request.alloc_align_mask = masks.alloc_align;
    request.min_align_mask = masks.min_align;
    request.boundary_mask = masks.boundary;
    return bounce_map(pool, &request, mapping);
}

static inline int rig_unmap(struct bounce_pool *pool, const struct bounce_mapping *mapping)
{
    return mapping->coherent ? bounce_free(pool, mapping->handle)
                             : bounce_unmap(pool, mapping->handle, mapping->direction, BOUNCE_WHOLE);
}

#define RIG_NO_MASKS ((struct rig_masks){0, 0, 0})

/* Where a mapping of size bytes goes that asks for nothing; the error, negative, if it goes nowhere. */
static inline long rig_slot(struct bounce_pool *pool, uint64_t orig_addr, size_t size, struct rig_masks masks)
{
    struct bounce_mapping mapping;
    int error = rig_map(pool, orig_addr, size, masks, &mapping);

    return error ? error : (long)mapping.slot;
}

static inline struct bounce_counts rig_usage(struct bounce_pool *pool)
{
    struct bounce_counts usage = {0};

    (void)bounce_usage(pool, &usage);
    return usage;
}

/* What bounce_verify() finds; null for nothing. */
static inline const char *rig_flaw(struct bounce_pool *pool)
{
    struct bounce_flaw flaw = {"bounce_verify() failed", 0, 0};

    return bounce_verify(pool, &flaw) == 0 ? NULL : flaw.what;
}

/* Everything private about a pool: what a refused call must leave as it is. */
struct rig_snapshot {
    struct bounce_pool pool;
    uint64_t meta;
    uint64_t window;
    uint64_t orig;
};

static inline uint64_t rig_hash(const void *bytes, size_t size)
{
    const unsigned char *byte = (const unsigned char *)bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, byte + i, 8);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash;
}

static inline struct rig_snapshot rig_snapshot(const struct bounce_pool *pool)
{
    struct rig_snapshot snapshot;

    memset(&snapshot, 0, sizeof(snapshot));
    memcpy(&snapshot.pool, pool, sizeof(*pool));
    snapshot.meta = rig_hash(rig_meta, pool->meta_size < sizeof(rig_meta) ? pool->meta_size + 128 : 0);
    snapshot.window = rig_hash(rig_window, (size_t)pool->slots << pool->slot_shift);
    snapshot.orig = rig_hash(rig_orig, 65536);
    return snapshot;
}

static inline int rig_same(const struct bounce_pool *pool, const struct rig_snapshot *before)
{
    struct rig_snapshot now = rig_snapshot(pool);

    return memcmp(&now, before, sizeof(now)) == 0;
}

/* xorshift64*: the same numbers everywhere. */
static inline uint64_t rig_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t rig_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(rig_random(state) >> 33) % limit;
}

/* 0 or 2^k - 1 with k to most. */
static inline uint64_t rig_mask(uint64_t *state, uint32_t most)
{
    return rig_below(state, 3) == 0 ? 0 : (UINT64_C(1) << rig_below(state, most + 1)) - 1;
}

#endif
