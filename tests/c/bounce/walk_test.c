/* SPDX-License-Identifier: MIT */
/*
 * The library's search against the plain walk, on random states of random pools: the same slot every time, or none both
 * times. And the controls: every way in which the walk went wrong in the past breaks a promise somewhere in the same
 * states.
 */
#include "promises.h"
#include "rig.h"
#include "slot_walk.h"

enum { LIVE = 4096 };

/* One pool, three times: the library's, the walk's, and what is mapped. */
struct trio {
    struct bounce_pool pool;
    struct walk walk;
    struct bounce_mapping live[LIVE];
    uint32_t lives;
};

static struct trio trio;

/* A random geometry, with nothing mapped yet. */
static struct bounce_config walk_start(uint64_t *seed)
{
    uint32_t slot_size = 256u << rig_below(seed, 3), segment = 1u << rig_below(seed, 9), kind = rig_below(seed, 8);
    struct bounce_config config = rig_config(0,
                                             1 + rig_below(seed, kind == 0 ? 2 * segment + 3 : kind == 1 ? 2048 : 400));

    if (rig_below(seed, 3) == 0)
        slot_size = 2048, segment = 128;
    config.slot_size = slot_size;
    config.segment_slots = segment;
    config.page_size = slot_size << rig_below(seed, 5);
    config.window_addr = rig_random(seed) >> 8;
    config.window_addr >>= rig_below(seed, 2) ? 0 : 32;
    config.window_addr = config.window_addr / slot_size * slot_size;
    config.flags = BOUNCE_KEEP_CONTENTS;
    config.cursor = rig_below(seed, config.slots < segment ? config.slots : config.slots / segment * segment);
    memset(&trio.walk, 0, sizeof(trio.walk));
    trio.walk.base = config.window_addr;
    trio.walk.slots = config.slots;
    trio.walk.segment = segment;
    trio.walk.slot_size = slot_size;
    trio.walk.page = config.page_size;
    trio.walk.cursor = config.cursor;
    return config;
}

static struct walk_request random_request(uint64_t *seed)
{
    const struct walk *walk = &trio.walk;
    struct walk_request request = {0};
    uint64_t most = (uint64_t)walk->segment * walk->slot_size;

    request.orig_addr = rig_below(seed, 16) == 0 ? 0 : rig_random(seed);
    request.orig_addr >>= 1 + rig_below(seed, 40);
    request.size = 1 + rig_below(seed, (uint32_t)(rig_below(seed, 4) ? 4 * walk->slot_size : most + most / 8));
    request.coherent = rig_below(seed, 12) == 0;
    if (request.coherent) {
        request.alloc_align_mask = walk->page - 1;
        while (request.alloc_align_mask < request.size - 1)
            request.alloc_align_mask = request.alloc_align_mask * 2 + 1;
    } else if (rig_below(seed, 3) != 0) {
        request.alloc_align_mask = rig_mask(seed, 18);
        request.min_align_mask = rig_mask(seed, rig_below(seed, 3) ? 13 : 22);
        request.boundary_mask = rig_below(seed, 2) ? 0 : rig_mask(seed, 24);
    }
    if (rig_below(seed, 64) == 0)
        request.boundary_mask = request.coherent ? 0 : UINT64_MAX;
    if (rig_below(seed, 12) == 0 && !request.coherent)
        request.limit = walk->base + rig_below(seed, (walk->slots + 1) * walk->slot_size);
    return request;
}

static int library_takes(const struct walk_request *request, struct bounce_mapping *mapping)
{
    struct bounce_request ask = rig_request(request->orig_addr, (size_t)request->size);

    if (request->coherent)
        return bounce_alloc(&trio.pool, (size_t)request->size, 0, 0, mapping);
    ask.direction = BOUNCE_TO_DEVICE;
    ask.alloc_align_mask = request->alloc_align_mask;
    ask.min_align_mask = request->min_align_mask;
    ask.boundary_mask = request->boundary_mask;
    ask.limit = request->limit;
    return bounce_map(&trio.pool, &ask, mapping);
}

static struct promise promise_of(const struct walk_request *request)
{
    const struct walk *walk = &trio.walk;
    struct promise promise = {walk->base, walk->slots, walk->segment, walk->slot_size, walk->page, walk->used,
                              request->orig_addr, request->size, request->alloc_align_mask, request->min_align_mask,
                              request->boundary_mask, request->coherent, request->limit};
    return promise;
}

static void release(uint32_t which)
{
    struct bounce_mapping *mapping = &trio.live[which];

    if (rig_unmap(&trio.pool, mapping) != 0)
        abort();
    walk_give(&trio.walk, mapping->slot, mapping->slots);
    *mapping = trio.live[--trio.lives];
}

/* An answer of the library, against the walk and the promises. */
static void check_answer(VTEST, const struct walk_request *request, int error, const struct bounce_mapping *mapping)
{
    struct promise promise = promise_of(request);
    uint32_t n, slot = walk_find(&trio.walk, request, &n);
    uint64_t padding = promise_padding(&promise);

    if (slot == WALK_NONE) {
        CHECK(error == BOUNCE_E_FULL || error == BOUNCE_E_FRAGMENTED || error == BOUNCE_E_TOO_LARGE ||
              error == BOUNCE_E_UNSATISFIABLE);
        CHECK(!promise_possible(&promise));
        return;
    }
    CHECK_OK(error);
    CHECK_EQ(mapping->slot, slot);
    CHECK_EQ(mapping->slots, n);
    CHECK_EQ(mapping->slots, promise_slots(&promise));
    CHECK_EQ(mapping->addr, promise.base + (uint64_t)slot * promise.slot_size + padding);
    CHECK_EQ(mapping->pad_slots, padding / promise.slot_size);
    CHECK_EQ((uint64_t)((unsigned char *)mapping->data - rig_window), mapping->addr - promise.base);
    if (promise_broken(&promise, slot))
        vtest_fail(VTEST_PASS, __FILE__, __LINE__, promise_broken(&promise, slot));
}

static void one_life(VTEST, uint64_t *seed)
{
    struct bounce_config config = walk_start(seed);
    uint32_t keep, steps = 40 + rig_below(seed, 200);

    trio.pool = rig_start(&config);
    trio.lives = 0;
    keep = 1 + rig_below(seed, trio.walk.slots);
    for (uint32_t step = 0; step < steps && !vtest_this->failed; step++) {
        struct walk_request request = random_request(seed);
        struct bounce_mapping mapping;
        int error = library_takes(&request, &mapping);

        check_answer(VTEST_PASS, &request, error, &mapping);
        if (error == 0) {
            walk_take(&trio.walk, mapping.slot, mapping.slots);
            trio.live[trio.lives++] = mapping;
        }
        while (trio.lives > 0 && (trio.lives > keep || trio.lives == LIVE || rig_below(seed, 4) == 0))
            release(rig_below(seed, trio.lives));
    }
    while (trio.lives > 0)
        release(trio.lives - 1);
}

TEST(C268_the_search_takes_the_slot_of_the_plain_walk)
{
    uint64_t seed = 3;

    for (uint32_t life = 0; life < RIG_ROUNDS(10000) && !vtest_this->failed; life++)
        one_life(VTEST_PASS, &seed);
}

/*
 * Used slots at random, without mappings: the walk alone. Every other pool is full but for what lies just before the
 * cursor.
 */
static void scatter(uint64_t *seed)
{
    uint32_t part = 1 + rig_below(seed, 16), hole = 1 + rig_below(seed, 8);
    bool full = rig_below(seed, 2);

    for (uint32_t slot = 0; slot < trio.walk.slots; slot++) {
        bool away = slot >= trio.walk.cursor || slot + hole < trio.walk.cursor;
        trio.walk.used[slot] = full ? away : rig_below(seed, 16) >= part;
    }
}

/* How many of the walk's answers in random states break a promise. */
static uint32_t broken_answers(enum walk_bug bug, uint32_t rounds)
{
    uint64_t seed = 4;
    uint32_t broken = 0;

    for (uint32_t round = 0; round < rounds; round++) {
        struct walk_request request;
        struct promise promise;
        uint32_t n, slot;

        (void)walk_start(&seed);
        scatter(&seed);
        trio.walk.bug = bug;
        request = random_request(&seed);
        if (request.coherent)
            request.orig_addr = 0;
        promise = promise_of(&request);
        slot = walk_find(&trio.walk, &request, &n);
        broken += slot == WALK_NONE ? promise_possible(&promise) : promise_broken(&promise, slot) != NULL;
    }
    return broken;
}

TEST(the_walk_itself_keeps_every_promise)
{
    CHECK_EQ(broken_answers(WALK_RIGHT, 20000), 0);
}

TEST(every_historic_bug_breaks_a_promise)
{
    for (enum walk_bug bug = (enum walk_bug)(WALK_RIGHT + 1); bug < WALK_BUGS; bug = (enum walk_bug)(bug + 1)) {
        uint32_t broken = broken_answers(bug, 20000);
        printf("# bug %d: %u of 20000 answers broken\n", (int)bug, broken);
        CHECK(broken > 0);
    }
}

/* The three allocations of the mail thread, by the walk: what each bug makes of them. */
static void mail_thread(enum walk_bug bug, bool coherent, uint32_t slots[3])
{
    static struct walk walk;
    struct walk_request request = {0, 0x2000, coherent ? 0x1fff : 0, 0, 0, coherent, 0};

    memset(&walk, 0, sizeof(walk));
    walk.base = 0x97ff0000;
    walk.slots = 7168;
    walk.segment = 128;
    walk.slot_size = 2048;
    walk.page = 4096;
    walk.cursor = 1645;
    walk.bug = bug;
    for (int i = 0; i < 3; i++) {
        uint32_t n;
        slots[i] = walk_find(&walk, &request, &n);
        walk_take(&walk, slots[i], n);
    }
}

TEST(S1_the_bug_of_the_mail_thread_is_the_one_we_know)
{
    uint32_t slots[3];

    mail_thread(WALK_S1_ALIGNS_ONLY_AN_ORIGINAL, true, slots);
    CHECK(slots[0] == 1645 && slots[1] == 1649 && slots[2] == 1653);
    mail_thread(WALK_RIGHT, true, slots);
    CHECK(slots[0] == 1648 && slots[1] == 1652 && slots[2] == 1656);
    mail_thread(WALK_RIGHT, false, slots);
    CHECK(slots[0] == 1646 && slots[1] == 1650 && slots[2] == 1654);
}

TEST(S2_a_stride_made_of_a_shift_returns_the_cursor_again)
{
    uint32_t slots[3];

    mail_thread(WALK_S2_UMAX_OF_A_SHIFT, true, slots);
    CHECK_EQ(slots[0], 1645);
}
