/* SPDX-License-Identifier: MIT */
/*
 * Threads that map, write their name all over it, and look whether it is still theirs. Run under ThreadSanitizer, too.
 */
#define _POSIX_C_SOURCE 200809L /* barriers */

#include <bounce/set.h>

#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 3, HELD = 24 };

struct worker {
    pthread_t thread;
    struct bounce_pool *pool;
    uint32_t owner, area, rounds;
    const char *wrong;
};

static struct bounce_pool pool;
static unsigned char buffers[THREADS + 1][HELD][8192];

/* One mapping in hand: its data and its original both carry the worker's name. */
static const char *begin(struct worker *worker, unsigned which, uint64_t *seed, struct bounce_mapping *mapping)
{
    struct bounce_request request = {0};
    unsigned char *original = buffers[worker->owner][which];

    request.orig = original;
    request.orig_addr = 0x10000000 + rig_below(seed, 4096);
    request.size = 1 + rig_below(seed, rig_below(seed, 3) ? 600 : 8192);
    request.direction = BOUNCE_FROM_DEVICE;
    request.min_align_mask = rig_below(seed, 2) ? 0xfff : 0;
    request.area = worker->area;
    request.owner = worker->owner;
    memset(original, 0, request.size);
    if (bounce_map(worker->pool, &request, mapping) != 0) {
        mapping->handle = 0;
        return NULL;
    }
    memset(mapping->data, (int)(worker->owner + 1), mapping->size);
    return mapping->owner == worker->owner ? NULL : "another owner's mapping";
}

static const char *end(struct worker *worker, unsigned which, const struct bounce_mapping *mapping)
{
    const unsigned char *original = buffers[worker->owner][which];

    if (bounce_unmap(worker->pool, mapping->handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE) != 0)
        return "a live handle was refused";
    for (size_t i = 0; i < mapping->size; i++)
        if (original[i] != worker->owner + 1)
            return "somebody else wrote to the mapping";
    if (bounce_unmap(worker->pool, mapping->handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE) != BOUNCE_E_HANDLE)
        return "a dead handle was taken";
    return NULL;
}

static void *work(void *argument)
{
    struct worker *worker = (struct worker *)argument;
    struct bounce_mapping held[HELD];
    uint64_t seed = worker->owner + 10;

    memset(held, 0, sizeof(held));
    for (uint32_t round = 0; round < worker->rounds && !worker->wrong; round++) {
        unsigned which = rig_below(&seed, HELD);
        if (held[which].handle != 0)
            worker->wrong = end(worker, which, &held[which]);
        if (!worker->wrong)
            worker->wrong = begin(worker, which, &seed, &held[which]);
    }
    for (unsigned which = 0; which < HELD && !worker->wrong; which++)
        if (held[which].handle != 0)
            worker->wrong = end(worker, which, &held[which]);
    return NULL;
}

static void run(VTEST, uint32_t areas, uint32_t slots)
{
    static struct worker workers[THREADS];
    struct bounce_config config = rig_config(0x90000000, slots);

    config.areas = areas;
    pool = rig_start(&config);
    for (uint32_t i = 0; i < THREADS; i++) {
        memset(&workers[i], 0, sizeof(workers[i]));
        workers[i].pool = &pool;
        workers[i].owner = i;
        workers[i].area = i;
        workers[i].rounds = RIG_ROUNDS(20000);
        CHECK_OK(pthread_create(&workers[i].thread, NULL, work, &workers[i]));
    }
    for (uint32_t i = 0; i < THREADS; i++)
        CHECK_OK(pthread_join(workers[i].thread, NULL));
    for (uint32_t i = 0; i < THREADS; i++) {
        if (workers[i].wrong)
            printf("# thread %u: %s\n", (unsigned)i, workers[i].wrong);
        CHECK(!workers[i].wrong);
    }
    CHECK_EQ(rig_usage(&pool).used, 0);
    CHECK_OK(bounce_fini(&pool));
}

TEST(S40_C245_C292_threads_in_one_area_never_own_a_slot_twice)
{
    run(VTEST_PASS, 1, 128);
}

TEST(C245_C292_C293_threads_in_areas_of_their_own_that_overflow_into_each_other)
{
    run(VTEST_PASS, 4, 512);
}

/* All threads unmap the same handle at once: one succeeds. */
struct racer {
    pthread_t thread;
    pthread_barrier_t *start;
    const bounce_handle *handles;
    uint32_t count, won;
};

static void *race(void *argument)
{
    struct racer *racer = (struct racer *)argument;

    pthread_barrier_wait(racer->start);
    for (uint32_t i = 0; i < racer->count; i++)
        racer->won += bounce_unmap(&pool, racer->handles[i], BOUNCE_TO_DEVICE, 0) == 0;
    return NULL;
}

TEST(C270_of_two_threads_that_unmap_the_same_mapping_one_does)
{
    static bounce_handle handles[512];
    struct racer racers[2];
    pthread_barrier_t start;

    CHECK_OK(pthread_barrier_init(&start, NULL, 2));
    pool = rig_pool(0x90000000, 512);
    for (int lap = 0; lap < 20; lap++) {
        for (uint32_t i = 0; i < 512; i++) {
            struct bounce_request request = rig_request(0, 64);
            struct bounce_mapping mapping;
            request.direction = BOUNCE_TO_DEVICE;
            CHECK_OK(bounce_map(&pool, &request, &mapping));
            handles[i] = mapping.handle;
        }
        for (int i = 0; i < 2; i++) {
            racers[i] = (struct racer){.start = &start, .handles = handles, .count = 512};
            CHECK_OK(pthread_create(&racers[i].thread, NULL, race, &racers[i]));
        }
        for (int i = 0; i < 2; i++)
            CHECK_OK(pthread_join(racers[i].thread, NULL));
        CHECK_EQ(racers[0].won + racers[1].won, 512);
        CHECK_EQ(rig_usage(&pool).used, 0);
    }
    CHECK_OK(pthread_barrier_destroy(&start));
}

/* A set, of which all pools but the first come and go while others map. */
enum { COMERS = 2, SET_SLOTS = 128, SET_META = 8192 };

static struct bounce_set set;
static struct bounce_set_entry entries[1 + COMERS];
static unsigned char set_windows[1 + COMERS][SET_SLOTS * 2048];
static uint64_t set_metas[1 + COMERS][SET_META / 8];
static atomic_bool finished;

struct guest {
    pthread_t thread;
    uint32_t owner;
    atomic_uint rounds; /* it is within no call of before a change of this */
    uint32_t elsewhere; /* mappings outside the first pool */
    bounce_handle transient; /* it is to unmap this mapping ... */
    atomic_bool parts;       /* ... while this says so */
    _Atomic(const char *) wrong;
};

static const char *set_round(struct guest *guest, uint64_t *seed)
{
    struct bounce_mapping mapping[8];
    struct bounce_pool *found;
    unsigned char *original;
    uint32_t n = 0, i;

    for (; n < 8; n++) {
        struct bounce_request request = {0};
        original = buffers[guest->owner][n];
        request.orig = original;
        request.size = 1 + rig_below(seed, 8000);
        request.direction = BOUNCE_FROM_DEVICE;
        request.owner = guest->owner;
        if (bounce_set_map(&set, 0, &request, &mapping[n]) != 0)
            break;
        memset(mapping[n].data, (int)guest->owner + 1, mapping[n].size);
        guest->elsewhere += mapping[n].addr >= 0x20000000;
    }
    for (i = 0; i < n; i++) {
        found = bounce_set_find(&set, mapping[i].addr);
        if (!found || found != bounce_set_pool(&set, mapping[i].handle))
            return "the pool of a live mapping was not found";
        if (bounce_set_unmap(&set, mapping[i].handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE) != 0)
            return "a live handle was refused";
        original = buffers[guest->owner][i];
        for (size_t at = 0; at < mapping[i].size; at++)
            if (original[at] != guest->owner + 1)
                return "somebody else wrote to the mapping";
        if (bounce_set_unmap(&set, mapping[i].handle, BOUNCE_FROM_DEVICE, BOUNCE_WHOLE) != BOUNCE_E_HANDLE)
            return "a dead handle was taken";
    }
    return NULL;
}

static void *visit(void *argument)
{
    struct guest *guest = (struct guest *)argument;
    uint64_t seed = guest->owner + 20;

    while (!atomic_load(&finished) && !guest->wrong) {
        bool parts = atomic_load(&guest->parts);
        guest->wrong = set_round(guest, &seed);
        if (parts && bounce_set_unmap(&set, guest->transient, BOUNCE_FROM_DEVICE, 0) != 0)
            guest->wrong = "a transient mapping was not unmapped";
        if (parts)
            atomic_store(&guest->parts, false);
        atomic_fetch_add(&guest->rounds, 1);
    }
    return NULL;
}

/* Until every guest has come out of the round that it is in now. */
static void wait_for(struct guest *guests, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned round = atomic_load(&guests[i].rounds);
        while (atomic_load(&guests[i].rounds) == round && !guests[i].wrong)
            sched_yield();
    }
}

static struct bounce_config set_pool(uint32_t which, uint32_t slots)
{
    struct bounce_config config = {0};

    config.window = set_windows[which];
    config.window_addr = 0x10000000u * (which + 1);
    config.slots = slots;
    config.mappings = slots;
    config.meta = set_metas[which];
    config.meta_size = SET_META;
    return config;
}

static int set_add(uint32_t which, uint32_t slots, uint32_t *index)
{
    struct bounce_config config = set_pool(which, slots);

    return bounce_set_add(&set, &config, 0, index);
}

/* What is left of a pool: somebody else's memory. */
static void set_overwrite(uint32_t which)
{
    memset(set_windows[which], 0xdd, sizeof(set_windows[which]));
    memset(set_metas[which], 0xdd, sizeof(set_metas[which]));
}

static struct guest guests[2];

/* A set with a pool that is too small for the guests, who go on to others, and the guests in it. */
static void set_open(VTEST, bool entries_wait)
{
    struct bounce_set_config config = {.entries = entries, .entry_count = 1 + COMERS, .entries_wait = entries_wait};
    uint32_t index;

    atomic_store(&finished, false);
    memset(guests, 0, sizeof(guests));
    CHECK_OK(bounce_set_init(&set, &config));
    CHECK_OK(set_add(0, 8, &index));
    for (uint32_t i = 0; i < 2; i++) {
        guests[i].owner = i;
        CHECK_OK(pthread_create(&guests[i].thread, NULL, visit, &guests[i]));
    }
}

static void set_close(VTEST)
{
    atomic_store(&finished, true);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_OK(pthread_join(guests[i].thread, NULL));
        if (guests[i].wrong)
            printf("# guest %u: %s\n", (unsigned)i, guests[i].wrong);
        CHECK(!guests[i].wrong);
    }
    CHECK_OK(bounce_set_remove(&set, 0));
    CHECK_OK(bounce_set_fini(&set));
}

TEST(S37_C246_pools_come_and_go_while_others_map_and_look_up)
{
    uint32_t index;

    set_open(VTEST_PASS, false);
    for (uint32_t lap = 0; lap < RIG_ROUNDS(60); lap++) {
        uint32_t which = 1 + lap % COMERS;
        CHECK_OK(set_add(which, 16 + lap % 100, &index));
        wait_for(guests, 2);
        CHECK_OK(bounce_set_drain(&set, index));
        while (bounce_set_remove(&set, index) == BOUNCE_E_BUSY)
            sched_yield();
        wait_for(guests, 2); /* the grace period; then the memory is somebody else's */
        set_overwrite(which);
    }
    set_close(VTEST_PASS);
    CHECK(guests[0].elsewhere > 0 && guests[1].elsewhere > 0);
}

/* A guest that unmaps has its pool leave, which the other one may be looking at; the next does not come into its entry. */
TEST(S36_S37_a_transient_pool_leaves_in_any_thread_while_others_come_where_entries_wait)
{
    static unsigned char original[100];
    struct bounce_request request = {.orig = original, .size = sizeof(original), .direction = BOUNCE_FROM_DEVICE};
    struct bounce_pool *before = NULL, *now;
    struct bounce_mapping mapping;

    set_open(VTEST_PASS, true);
    for (uint32_t lap = 0; lap < RIG_ROUNDS(60); lap++) {
        uint32_t which = 1 + lap % COMERS;
        struct bounce_config config = set_pool(which, 16 + lap % 100);

        CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping));
        now = bounce_set_pool(&set, mapping.handle);
        CHECK(now && now != before);
        if (before) {
            wait_for(guests, 2);
            set_overwrite(3 - which);
            CHECK_OK(bounce_set_reuse(&set, before == &entries[1].pool ? 1 : 2));
        }
        guests[lap % 2].transient = mapping.handle;
        atomic_store(&guests[lap % 2].parts, true);
        while (atomic_load(&guests[lap % 2].parts) && !guests[lap % 2].wrong)
            sched_yield();
        before = now;
    }
    set_close(VTEST_PASS);
}
