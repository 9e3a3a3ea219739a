/* SPDX-License-Identifier: MIT */
/*
 * The checking build: after every operation the whole window and all memory that originals lie in are compared, byte by
 * byte, with what the rules say (who copies what, what is cleared, and nothing else). So not a byte outside an original
 * is ever written, and no byte of earlier data is ever left where a device could read it.
 */
#include "rig.h"

enum { SLOTS = 64, SLOT = 2048, WINDOW = SLOTS * SLOT, ARENA = 1 << 16, LIVE = 24 };

static _Alignas(65536) unsigned char window[WINDOW];
static unsigned char window_model[WINDOW], arena[ARENA], arena_model[ARENA];

enum kind { MAPPED, RESERVED, COHERENT };

struct live {
    struct bounce_mapping mapping;
    enum bounce_direction direction;
    enum kind kind;
    size_t orig; /* in the arena */
};

/* One life of a pool. */
struct scan {
    struct bounce_pool pool;
    uint32_t flags;
    bool hostile; /* the device writes wherever it likes */
    bool copies;  /* through a function, which fails when it is told to, halfway */
    bool fails;
    uint64_t seed;
    struct live live[LIVE];
    uint32_t lives;
};

static struct scan scan;
static uint64_t meta[16384 / 8];

static int copy(void *context, void *orig, size_t offset, void *at, size_t len, bool to_window)
{
    struct scan *of = (struct scan *)context;
    unsigned char *original = (unsigned char *)orig + offset;

    if (of->fails)
        len /= 2;
    memcpy(to_window ? at : original, to_window ? original : at, len);
    return of->fails;
}

static size_t start_of(const struct live *live)
{
    return (size_t)live->mapping.slot * SLOT;
}

static size_t end_of(const struct live *live)
{
    return start_of(live) + (size_t)live->mapping.slots * SLOT;
}

static size_t data_of(const struct live *live)
{
    return (size_t)((unsigned char *)live->mapping.data - window);
}

static uint32_t live_slot(size_t byte)
{
    for (uint32_t i = 0; i < scan.lives; i++)
        if (byte >= start_of(&scan.live[i]) && byte < end_of(&scan.live[i]))
            return i;
    return LIVE;
}

/* What a device could read that no live mapping gave it. */
static size_t exposed(void)
{
    size_t count = 0;

    for (size_t byte = 0; byte < WINDOW; byte++) {
        const struct live *live = &scan.live[live_slot(byte) % LIVE];
        bool given = live_slot(byte) != LIVE && byte >= data_of(live) && byte < data_of(live) + live->mapping.size;
        count += window[byte] != 0 && !given;
    }
    return count;
}

/* The whole pool, and all originals. */
static void look(VTEST)
{
    CHECK(memcmp(window, window_model, WINDOW) == 0);
    CHECK(memcmp(arena, arena_model, ARENA) == 0);
    if (scan.flags == 0 && !scan.hostile)
        CHECK_EQ(exposed(), 0);
}

static void model_clear(const struct live *live)
{
    memset(window_model + start_of(live), 0, (size_t)live->mapping.slots * SLOT);
}

/* A mapping has an original now. */
static void model_fill(const struct live *live)
{
    if ((scan.flags & BOUNCE_KEEP_PADDING) == 0)
        model_clear(live);
    memcpy(window_model + data_of(live), arena_model + live->orig, live->mapping.size);
}

/* A copy in failed: slots that no mapping has may have been cleared, whatever was in them, and nothing else changed. */
static void model_failure(VTEST)
{
    for (size_t byte = 0; byte < WINDOW; byte++)
        if (window[byte] != window_model[byte]) {
            CHECK(window[byte] == 0 && live_slot(byte) == LIVE);
            window_model[byte] = 0;
        }
}

static void begin(VTEST)
{
    struct live *live = &scan.live[scan.lives];
    struct bounce_request request = {0};
    uint32_t what = rig_below(&scan.seed, 8);
    int error;

    live->kind = what == 0 ? COHERENT : what == 1 ? RESERVED : MAPPED;
    live->direction = (enum bounce_direction)(1 + rig_below(&scan.seed, 3));
    request.size = 1 + rig_below(&scan.seed, rig_below(&scan.seed, 2) ? 9000 : 600);
    live->orig = rig_below(&scan.seed, (uint32_t)(ARENA - request.size));
    request.orig = arena + live->orig;
    request.orig_addr = 0x12340000 + live->orig;
    request.direction = live->direction;
    request.min_align_mask = rig_mask(&scan.seed, 13);
    request.alloc_align_mask = rig_mask(&scan.seed, 13);
    scan.fails = scan.copies && rig_below(&scan.seed, 5) == 0;
    error = live->kind == COHERENT ? bounce_alloc(&scan.pool, request.size, 0, 0, &live->mapping)
        : live->kind == RESERVED   ? bounce_reserve(&scan.pool, &request, &live->mapping)
                                   : bounce_map(&scan.pool, &request, &live->mapping);
    if (error == BOUNCE_E_COPY)
        model_failure(VTEST_PASS);
    scan.fails = false;
    if (error == 0) {
        scan.lives++;
        if (live->kind == MAPPED)
            model_fill(live);
        else
            model_clear(live);
    }
    look(VTEST_PASS);
}

static void end(VTEST, uint32_t i)
{
    struct live *live = &scan.live[i], ended = *live;
    size_t size = live->mapping.size, some = rig_below(&scan.seed, (uint32_t)size + 1);
    size_t written = rig_below(&scan.seed, 2) ? BOUNCE_WHOLE : some, copied = written == BOUNCE_WHOLE ? size : written;
    bool copies = live->kind == MAPPED && live->direction != BOUNCE_TO_DEVICE && copied != 0;
    int error;

    scan.fails = scan.copies && rig_below(&scan.seed, 5) == 0;
    error = live->kind == COHERENT ? bounce_free(&scan.pool, live->mapping.handle)
                                   : bounce_unmap(&scan.pool, live->mapping.handle, live->direction, written);
    CHECK_EQ(error, copies && scan.fails ? BOUNCE_E_COPY : 0);
    if (copies)
        memcpy(arena_model + live->orig, window_model + data_of(live), scan.fails ? copied / 2 : copied);
    if ((scan.flags & BOUNCE_KEEP_CONTENTS) == 0)
        model_clear(live);
    scan.fails = false;
    *live = scan.live[--scan.lives];
    look(VTEST_PASS);

    /* It has ended: nothing that is said of it does anything. */
    CHECK_ERR(bounce_unmap(&scan.pool, ended.mapping.handle, ended.direction, BOUNCE_WHOLE), BOUNCE_E_HANDLE);
    CHECK_ERR(bounce_sync_for_cpu(&scan.pool, ended.mapping.handle, ended.direction, 0, 1), BOUNCE_E_HANDLE);
    look(VTEST_PASS);
}

static void sync_or_commit(VTEST, struct live *live)
{
    size_t size = live->mapping.size, offset = rig_below(&scan.seed, (uint32_t)size + 1);
    size_t len = rig_below(&scan.seed, (uint32_t)(size - offset) + 1);
    size_t at = data_of(live) + offset;

    if (live->kind == RESERVED) {
        CHECK_OK(bounce_commit(&scan.pool, live->mapping.handle, live->direction, arena + live->orig));
        live->kind = MAPPED;
        model_fill(live);
    } else if (live->kind == MAPPED && rig_below(&scan.seed, 2)) {
        CHECK_OK(bounce_sync_for_cpu(&scan.pool, live->mapping.handle, live->direction, offset, len));
        if (live->direction != BOUNCE_TO_DEVICE)
            memcpy(arena_model + live->orig + offset, window_model + at, len);
    } else if (live->kind == MAPPED) {
        CHECK_OK(bounce_sync_for_device(&scan.pool, live->mapping.handle, live->direction, offset, len));
        if (live->direction != BOUNCE_FROM_DEVICE)
            memcpy(window_model + at, arena_model + live->orig + offset, len);
    }
    look(VTEST_PASS);
    if (live->kind == MAPPED) {
        CHECK_ERR(bounce_sync_for_cpu(&scan.pool, live->mapping.handle, live->direction, offset, size - offset + 1),
                  BOUNCE_E_RANGE);
        look(VTEST_PASS);
    }
}

/* The CPU writes in the arena; the device where it may, or anywhere. */
static void scribble(void)
{
    for (uint32_t times = rig_below(&scan.seed, 20); times > 0; times--) {
        size_t byte = rig_below(&scan.seed, ARENA);
        arena[byte] = arena_model[byte] = (unsigned char)rig_random(&scan.seed);
        byte = rig_below(&scan.seed, WINDOW);
        if (!scan.hostile && scan.lives > 0) {
            const struct live *live = &scan.live[rig_below(&scan.seed, scan.lives)];
            byte = data_of(live) + rig_below(&scan.seed, (uint32_t)live->mapping.size);
        } else if (!scan.hostile) {
            continue;
        }
        window[byte] = window_model[byte] = (unsigned char)rig_random(&scan.seed);
    }
}

static void live_through(VTEST, uint32_t flags, bool hostile, bool copies)
{
    struct bounce_config config = {0};

    memset(&scan, 0, sizeof(scan));
    scan.flags = flags;
    scan.hostile = hostile;
    scan.copies = copies;
    scan.seed = 1 + flags + 8 * hostile + 16 * copies;
    memset(window, 0xee, sizeof(window)); /* what was there before is no pool's to show */
    memset(window_model, 0, sizeof(window_model));
    for (size_t byte = 0; byte < ARENA; byte++)
        arena[byte] = arena_model[byte] = (unsigned char)(1 + rig_below(&scan.seed, 255));
    config.window = window;
    config.window_addr = 0x90000000;
    config.slots = SLOTS;
    config.segment_slots = 16;
    config.flags = flags;
    config.meta = meta;
    config.meta_size = sizeof(meta);
    config.copy = copies ? copy : NULL;
    config.copy_context = &scan;
    CHECK_OK(bounce_init(&scan.pool, &config));
    look(VTEST_PASS);

    for (uint32_t step = 0; step < RIG_ROUNDS(1500); step++) {
        scribble();
        if (scan.lives < LIVE && (scan.lives == 0 || rig_below(&scan.seed, 5) < 2))
            begin(VTEST_PASS);
        else if (rig_below(&scan.seed, 2))
            end(VTEST_PASS, rig_below(&scan.seed, scan.lives));
        else
            sync_or_commit(VTEST_PASS, &scan.live[rig_below(&scan.seed, scan.lives)]);
    }
    while (scan.lives > 0)
        end(VTEST_PASS, 0);
}

TEST(C282_C283_C284_S18_S29_every_byte_of_window_and_originals_is_as_the_rules_say_after_every_operation)
{
    for (uint32_t flags = 0; flags < 8; flags++)
        if ((flags & BOUNCE_FIRST_FIT) == 0 || flags == BOUNCE_FIRST_FIT)
            for (int world = 0; world < 4; world++)
                live_through(VTEST_PASS, flags, (world & 1) != 0, (world & 2) != 0);
}
