/* SPDX-License-Identifier: MIT */
/*
 * Pools that come and go: who serves whom, whose handles lead where, and what becomes of memory.
 */
#include <bounce/set.h>

#include "rig.h"

enum { POOLS = 4, SLOTS = 32, POOL_BYTES = SLOTS * 2048, META = 2048 };

static struct bounce_set_entry entries[POOLS];
static struct bounce_set set;
static _Alignas(8) unsigned char windows[POOLS + 2][POOL_BYTES]; /* some are to be metadata */
static uint64_t metas[POOLS + 2][META / 8];

/* What the hooks saw, and what they are to answer. */
static struct {
    int shared, hidden, released;
    int refuse_share, refuse_hide;
    void *window, *meta;
    uint32_t index;
    const struct bounce_config *another; /* what share() is to add by itself, once; where that went */
    uint32_t another_index;
    int another_answer;
} hooks;

static struct bounce_config pool_of(uint32_t i, uint32_t slots);

static int share(void *context, void *window, uint64_t window_addr, uint64_t size, bool shared)
{
    (void)context;
    (void)window_addr;
    if (size % 2048 != 0)
        return -1;
    if (hooks.another) {
        const struct bounce_config *another = hooks.another;
        hooks.another = NULL;
        hooks.another_answer = bounce_set_add(&set, another, 0, &hooks.another_index);
    }
    hooks.window = window;
    if (shared ? hooks.refuse_share : hooks.refuse_hide)
        return -1;
    *(shared ? &hooks.shared : &hooks.hidden) += 1;
    return 0;
}

static void released(void *context, uint32_t index, void *window, void *meta)
{
    (void)context;
    hooks.released++;
    hooks.index = index;
    hooks.window = window;
    hooks.meta = meta;
}

static int refuse(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window)
{
    (void)context, (void)orig, (void)offset, (void)window, (void)len, (void)to_window;
    return -1;
}

static int refuse_back(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window)
{
    (void)context, (void)orig, (void)offset, (void)window, (void)len;
    return to_window ? 0 : -1;
}

static void start(VTEST)
{
    struct bounce_set_config config = {.entries = entries, .entry_count = POOLS, .share = share, .released = released};

    memset(&hooks, 0, sizeof(hooks));
    CHECK_OK(bounce_set_init(&set, &config));
}

/* The pool that window i makes. */
static struct bounce_config pool_of(uint32_t i, uint32_t slots)
{
    struct bounce_config config = {0};

    config.window = windows[i];
    config.window_addr = 0x10000000u * (i + 1);
    config.slots = slots;
    config.meta = metas[i];
    config.meta_size = META;
    return config;
}

/* The entry that it gets; UINT32_MAX if none. */
static uint32_t add(uint32_t i, uint32_t slots, uint32_t device)
{
    struct bounce_config config = pool_of(i, slots);
    uint32_t index = UINT32_MAX;

    return bounce_set_add(&set, &config, device, &index) == 0 ? index : UINT32_MAX;
}

/* A mapping; all 0 if there is none, which is in no pool. */
static struct bounce_mapping map(uint32_t device, size_t size)
{
    struct bounce_request request = rig_request(0, size);
    struct bounce_mapping mapping = {0};

    (void)bounce_set_map(&set, device, &request, &mapping);
    return mapping;
}

static uint32_t pool_at(uint64_t addr)
{
    return (uint32_t)(addr / 0x10000000u - 1);
}

TEST(requests_fall_through_the_pools_in_order_and_handles_find_theirs)
{
    struct bounce_mapping first[3 * SLOTS], mapping;
    struct bounce_request request = rig_request(0, 2048);
    struct bounce_counts counts;

    start(VTEST_PASS);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(add(i, 16, 0), i);
    for (uint32_t i = 0; i < 48; i++) {
        first[i] = map(0, 2048);
        CHECK_EQ(pool_at(first[i].addr), i / 16);
        CHECK(bounce_set_pool(&set, first[i].handle) == &entries[i / 16].pool);
        CHECK(bounce_set_find(&set, first[i].addr) == &entries[i / 16].pool);
    }
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_FULL);
    CHECK_ERR(bounce_set_reserve(&set, 0, &request, &mapping), BOUNCE_E_FULL);
    CHECK_ERR(bounce_set_alloc(&set, 0, 100, 0, 0, &mapping), BOUNCE_E_FULL);
    CHECK_OK(bounce_set_usage(&set, &counts));
    CHECK(counts.slots == 48 && counts.used == 48 && counts.mappings == 48 && counts.longest_run == 0);

    /* Every handle works in its pool and in no other, and is refused when it has died. */
    for (uint32_t i = 0; i < 48; i++) {
        struct bounce_pool *pool = bounce_set_pool(&set, first[i].handle);
        for (uint32_t other = 0; other < 3; other++)
            if (other != i / 16)
                CHECK_ERR(bounce_sync_for_cpu(&entries[other].pool, first[i].handle, BOUNCE_BIDIRECTIONAL, 0, 1),
                          BOUNCE_E_HANDLE);
        CHECK_OK(bounce_sync_for_cpu(pool, first[i].handle, BOUNCE_BIDIRECTIONAL, 0, 1));
        CHECK_OK(bounce_set_unmap(&set, first[i].handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE));
        CHECK_ERR(bounce_set_unmap(&set, first[i].handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE), BOUNCE_E_HANDLE);
    }
    CHECK_OK(bounce_set_alloc(&set, 0, 100, 0, 7, &mapping));
    CHECK(mapping.coherent && mapping.owner == 7);
    CHECK_OK(bounce_set_free(&set, mapping.handle));
    CHECK_ERR(bounce_set_free(&set, mapping.handle), BOUNCE_E_HANDLE);
    CHECK_OK(bounce_set_reserve(&set, 0, &request, &mapping));
    CHECK_OK(bounce_commit(bounce_set_pool(&set, mapping.handle), mapping.handle, BOUNCE_BIDIRECTIONAL, rig_orig));
    CHECK_OK(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
}

TEST(usage_of_a_set_is_the_sum_over_its_pools_and_the_longest_run_of_any)
{
    static const uint32_t sizes[3] = {8, 32, 16}; /* neither the first nor the last pool has the longest run */
    struct bounce_mapping mapping[2];
    struct bounce_counts counts;

    start(VTEST_PASS);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(add(i, sizes[i], 0), i);
    CHECK_OK(bounce_set_usage(&set, &counts));
    CHECK(counts.slots == 56 && counts.used == 0 && counts.longest_run == 32);
    mapping[0] = map(0, 6 * 2048);
    mapping[1] = map(0, 12 * 2048);
    CHECK(pool_at(mapping[0].addr) == 0 && pool_at(mapping[1].addr) == 1);
    CHECK_OK(bounce_set_unmap(&set, mapping[0].handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_OK(bounce_set_usage(&set, &counts));
    CHECK(counts.slots == 56 && counts.used == 12 && counts.high_water == 18 && counts.mappings == 1);
    CHECK_EQ(counts.longest_run, 20);
}

TEST(the_answer_that_says_most_is_the_one_that_is_given)
{
    struct bounce_config few = pool_of(1, 16);
    struct bounce_request large = rig_request(0, 17 * 2048), request = rig_request(0, 16 * 2048);
    struct bounce_mapping mapping;
    uint32_t index;

    start(VTEST_PASS);
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_FULL); /* no pool yet: one may come */
    CHECK(add(0, 8, 0) != UINT32_MAX);
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_TOO_LARGE);
    few.mappings = 1;
    CHECK_OK(bounce_set_add(&set, &few, 0, &index));
    CHECK_ERR(bounce_set_map(&set, 0, &large, &mapping), BOUNCE_E_TOO_LARGE);
    request.alloc_align_mask = 0x7fffffff;
    request.size = 1;
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_TOO_LARGE);
    request = rig_request(0, 9 * 2048);
    CHECK_OK(bounce_set_map(&set, 0, &request, &mapping));
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_FULL);
    request.size = 2048;
    for (int i = 0; i < 8; i++)
        CHECK_OK(bounce_set_map(&set, 0, &request, &mapping));
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_MAPPINGS); /* the second has slots, but no more */
    request.size = 0;
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_SIZE);
    CHECK_ERR(bounce_set_map(&set, 0, NULL, &mapping), BOUNCE_E_NULL);
}

TEST(a_device_with_a_pool_of_its_own_has_that_and_nobody_else_has)
{
    struct bounce_request request = rig_request(0, 4096);
    struct bounce_mapping mapping;

    start(VTEST_PASS);
    CHECK(add(0, 16, 0) != UINT32_MAX);
    CHECK_EQ(pool_at(map(7, 2048).addr), 0);
    CHECK(add(1, 8, 7) != UINT32_MAX);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pool_at(map(7, 4096).addr), 1);
    CHECK_ERR(bounce_set_map(&set, 7, &request, &mapping), BOUNCE_E_FULL); /* not the common one, though it has room */
    for (int i = 0; i < 7; i++)
        CHECK_EQ(pool_at(map(8, 4096).addr), 0);
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_FULL);
}

TEST(S39_how_much_fits_and_what_is_ours_is_answered_for_any_set_of_pools)
{
    start(VTEST_PASS);
    CHECK_EQ(bounce_set_max_mapping_size(&set, 0, 0), 0); /* and no pool is looked for in an empty set */
    CHECK(!bounce_set_find(&set, 0) && !bounce_set_find(&set, UINT64_MAX) && !bounce_set_pool(&set, 1));
    CHECK(add(0, 8, 0) != UINT32_MAX);
    CHECK(add(1, 16, 0) != UINT32_MAX);
    CHECK(add(2, 32, 9) != UINT32_MAX);
    CHECK_EQ(bounce_set_max_mapping_size(&set, 0, 0), 16 * 2048);
    CHECK_EQ(bounce_set_max_mapping_size(&set, 5, 0xfff), 14 * 2048);
    CHECK_EQ(bounce_set_max_mapping_size(&set, 9, 0), 32 * 2048);
    CHECK(!bounce_set_find(&set, 0x10000000 - 1) && !bounce_set_find(&set, 0x10000000 + 8 * 2048));
    CHECK(bounce_set_find(&set, 0x10000000) == &entries[0].pool);
    CHECK(bounce_set_find(&set, 0x10000000 + 8 * 2048 - 1) == &entries[0].pool);
}

static int refused(const struct bounce_config *config)
{
    uint32_t index = 77;
    int error = bounce_set_add(&set, config, 0, &index);

    return index == 77 && hooks.shared == 1 ? error : 1;
}

TEST(C265_pools_that_overlap_are_refused)
{
    static unsigned char more[POOL_BYTES];
    struct bounce_config other;

    start(VTEST_PASS);
    CHECK(add(0, 16, 0) != UINT32_MAX);
    other = pool_of(1, 16);
    other.window_addr = 0x10000000 + 15 * 2048; /* addresses, by one slot, from above and from below */
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other.window_addr = 0x10000000 - 15 * 2048;
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other = pool_of(1, 16);
    other.window = windows[0] + 15 * 2048; /* memory */
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other = pool_of(1, 16);
    other.meta = metas[0];
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other.meta = windows[0];
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other = pool_of(1, 1);
    other.window = metas[0]; /* over the other's metadata; from here on it is 2048 bytes and more than those */
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other = pool_of(1, 16);
    other.window = entries;
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);
    other = pool_of(1, 16);
    other.meta = (void *)(((uintptr_t)&entries[1] + 7) / 8 * 8);
    CHECK_ERR(refused(&other), BOUNCE_E_OVERLAP);

    /* Side by side is well. */
    other = pool_of(1, 16);
    other.window_addr = 0x10000000 + 16 * 2048;
    other.window = more;
    CHECK_OK(bounce_set_add(&set, &other, 0, &(uint32_t){0}));
}

TEST(C265_no_pool_lies_over_its_own_set)
{
    static _Alignas(8) union {
        struct bounce_set set;
        unsigned char bytes[POOL_BYTES];
    } both;
    struct bounce_set_config config = {.entries = entries, .entry_count = POOLS, .share = share};
    struct bounce_config over = pool_of(0, 16);
    uint32_t index = 9;

    memset(&hooks, 0, sizeof(hooks));
    hooks.refuse_share = 1; /* a pool that got as far would not be written to */
    CHECK_OK(bounce_set_init(&both.set, &config));
    over.window = both.bytes;
    CHECK_ERR(bounce_set_add(&both.set, &over, 0, &index), BOUNCE_E_OVERLAP);
    over = pool_of(0, 16);
    over.meta = both.bytes;
    over.meta_size = sizeof(both.bytes);
    CHECK_ERR(bounce_set_add(&both.set, &over, 0, &index), BOUNCE_E_OVERLAP);
    CHECK_EQ(index, 9);
    CHECK_OK(bounce_set_fini(&both.set)); /* it is whole, and has no pool */
}

TEST(S37_C299_whoever_looked_up_a_pool_just_before_it_left_gets_no_slots_of_it)
{
    struct bounce_request near = rig_request(0, 100), far = near;
    struct bounce_mapping mapping;
    uint32_t index;

    start(VTEST_PASS);
    index = add(0, 16, 0);
    far.boundary_mask = 0xffff; /* no short way */
    CHECK_OK(bounce_set_remove(&set, index));
    CHECK_ERR(bounce_map(&entries[index].pool, &near, &mapping), BOUNCE_E_FULL);
    CHECK_ERR(bounce_map(&entries[index].pool, &far, &mapping), BOUNCE_E_FULL);
    CHECK_ERR(bounce_reserve(&entries[index].pool, &near, &mapping), BOUNCE_E_FULL);
    CHECK_ERR(bounce_alloc(&entries[index].pool, 100, 0, 0, &mapping), BOUNCE_E_FULL);
    CHECK_OK(bounce_set_fini(&set));
}

TEST(C299_a_pool_is_not_added_by_halves_and_not_removed_under_its_mappings)
{
    struct bounce_config config = pool_of(0, 16);
    struct bounce_mapping mapping;
    uint32_t index;

    start(VTEST_PASS);
    config.meta_size = 8;
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_META);
    config = pool_of(0, 16);
    config.window = NULL;
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_add(&set, NULL, 0, &index), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_add(&set, &config, 0, NULL), BOUNCE_E_NULL);
    CHECK_EQ(hooks.shared, 0);
    for (uint32_t i = 0; i < POOLS; i++)
        CHECK_EQ(add(i, 16, 0), i);
    config = pool_of(POOLS, 16);
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_FULL);
    CHECK_EQ(hooks.shared, POOLS);

    mapping = map(0, 100);
    CHECK_ERR(bounce_set_remove(&set, 0), BOUNCE_E_BUSY);
    CHECK_EQ(hooks.hidden, 0);
    CHECK_EQ(pool_at(map(0, 100).addr), 0); /* it is as open as it was */
    CHECK_ERR(bounce_set_remove(&set, POOLS), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_set_drain(&set, POOLS), BOUNCE_E_RANGE);
    CHECK_OK(bounce_set_remove(&set, 1));
    CHECK_ERR(bounce_set_remove(&set, 1), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_set_fini(&set), BOUNCE_E_BUSY);
    CHECK_OK(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
}

TEST(a_pool_that_drains_gives_nothing_more_and_takes_everything_back)
{
    struct bounce_mapping mine, other;

    start(VTEST_PASS);
    CHECK_EQ(add(0, 16, 3), 0);
    CHECK_EQ(add(1, 16, 0), 1);
    mine = map(3, 100);
    CHECK_OK(bounce_set_drain(&set, 0));
    CHECK_OK(bounce_set_drain(&set, 0));
    other = map(3, 100); /* now like any device */
    CHECK(pool_at(mine.addr) == 0 && pool_at(other.addr) == 1);
    CHECK(bounce_set_find(&set, mine.addr) == bounce_set_pool(&set, mine.handle));
    CHECK_ERR(bounce_set_remove(&set, 0), BOUNCE_E_BUSY);
    CHECK_OK(bounce_set_unmap(&set, mine.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_OK(bounce_set_remove(&set, 0));
    CHECK_ERR(bounce_set_drain(&set, 0), BOUNCE_E_RANGE);
}

TEST(S36_a_pool_that_left_gives_back_what_was_brought_and_its_handles_are_dead)
{
    struct bounce_mapping old, fresh;

    start(VTEST_PASS);
    CHECK(add(0, 16, 0) != UINT32_MAX);
    CHECK(add(1, 16, 0) != UINT32_MAX);
    old = map(0, 100);
    CHECK_OK(bounce_set_unmap(&set, old.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_OK(bounce_set_remove(&set, 0));
    CHECK(hooks.released == 1 && hooks.index == 0 && hooks.window == windows[0] && hooks.meta == metas[0]);
    CHECK_EQ(hooks.hidden, 1);
    CHECK_ERR(bounce_set_unmap(&set, old.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    CHECK(!bounce_set_pool(&set, old.handle) && !bounce_set_find(&set, old.addr));
    CHECK_EQ(pool_at(map(0, 100).addr), 1);

    /* Another pool in the same entry and memory: same place, other number. */
    CHECK_EQ(add(0, 16, 0), 0);
    fresh = map(0, 100);
    CHECK(fresh.addr == old.addr && fresh.handle != old.handle);
    CHECK_ERR(bounce_set_unmap(&set, old.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    CHECK_OK(bounce_set_unmap(&set, fresh.handle, BOUNCE_BIDIRECTIONAL, 0));
}

TEST(S36_C300_a_window_that_cannot_be_shared_or_hidden_is_never_given_out_or_back)
{
    struct bounce_config config = pool_of(0, 16);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping;
    uint32_t index = 9;

    start(VTEST_PASS);
    memset(windows[0], 0x5a, sizeof(windows[0]));
    hooks.refuse_share = 1;
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_SHARE);
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &mapping), BOUNCE_E_SHARE);
    CHECK_EQ(index, 9);
    CHECK_EQ(windows[0][0], 0x5a); /* nobody wrote to it */
    CHECK(!bounce_set_find(&set, config.window_addr));
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_FULL);
    CHECK_EQ(hooks.released, 0);

    hooks.refuse_share = 0;
    CHECK_EQ(add(0, 16, 0), 0);
    hooks.refuse_hide = 1;
    CHECK_ERR(bounce_set_remove(&set, 0), BOUNCE_E_SHARE);
    CHECK_EQ(hooks.released, 0);
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_FULL);
    CHECK(!bounce_set_find(&set, config.window_addr));
    CHECK_ERR(bounce_set_remove(&set, 0), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_OVERLAP); /* and it does not come in again */
    CHECK_EQ(add(1, 16, 0), 1);                                /* nor does anything in its entry */
    hooks.refuse_hide = 0;
    CHECK_OK(bounce_set_remove(&set, 1));
    CHECK_OK(bounce_set_fini(&set));
}

TEST(S36_a_transient_pool_serves_one_mapping_and_goes_with_it)
{
    struct bounce_config config = pool_of(1, 32);
    struct bounce_request request = rig_request(0x123, 30 * 2048);
    struct bounce_mapping mapping, other;
    uint32_t index;

    start(VTEST_PASS);
    CHECK(add(0, 16, 0) != UINT32_MAX);
    CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_TOO_LARGE);
    memset(rig_orig, 0x77, 30 * 2048);
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping));
    CHECK_EQ(pool_at(mapping.addr), 1);
    CHECK_EQ(((unsigned char *)mapping.data)[30 * 2048 - 1], 0x77);
    CHECK(bounce_set_find(&set, mapping.addr) == &entries[1].pool);

    /* It has room for two slots more, and nobody gets them; nor can it be removed. */
    for (int i = 0; i < 16; i++)
        CHECK_EQ(pool_at(map(0, 1).addr), 0);
    request.size = 1;
    CHECK_ERR(bounce_set_map(&set, 0, &request, &other), BOUNCE_E_FULL);
    CHECK_ERR(bounce_set_remove(&set, 1), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_set_fini(&set), BOUNCE_E_BUSY);
    CHECK_EQ(hooks.released, 0);
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_TO_DEVICE, 0), BOUNCE_E_DIRECTION);
    CHECK_EQ(hooks.released, 0);
    CHECK_OK(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE));
    CHECK(hooks.released == 1 && hooks.index == 1 && hooks.window == windows[1] && hooks.meta == metas[1]);
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);

    /* A request that could not be a mapping there leaves everything as it is. */
    memset(windows[1], 0xaa, sizeof(windows[1]));
    memset(metas[1], 0xaa, sizeof(metas[1]));
    request.size = 33 * 2048;
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &other), BOUNCE_E_TOO_LARGE);
    request.size = 100;
    request.min_align_mask = 6;
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &other), BOUNCE_E_MASK);
    request.min_align_mask = 0;
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, NULL), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_map_transient(&set, &config, NULL, &other), BOUNCE_E_NULL);
    request.orig = windows[1];
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &other), BOUNCE_E_OVERLAP);
    request.orig = NULL;
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &other), BOUNCE_E_NULL);
    request.orig = rig_orig;
    for (size_t i = 0; i < META; i++)
        CHECK(((unsigned char *)metas[1])[i] == 0xaa && windows[1][i] == 0xaa);
    CHECK_EQ(hooks.released, 1);
    CHECK_EQ(hooks.shared, hooks.hidden + 1);
    CHECK_OK(bounce_set_add(&set, &config, 0, &index));
    CHECK_EQ(index, 1);

    /* The window of one that cannot be hidden again is lost, at unmap as in between. */
    config = pool_of(2, 32);
    request.size = 100;
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping));
    hooks.refuse_hide = 1;
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_SHARE);
    config = pool_of(3, 32);
    config.copy = refuse;
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &mapping), BOUNCE_E_SHARE);
    CHECK_EQ(hooks.released, 1);
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_FULL);
}

/* It is all that keeps them apart: the key is the set's, the entry the same, and so is the record. */
TEST(S36_C273_no_transient_mapping_has_the_number_of_one_that_was_in_its_entry_before)
{
    struct bounce_config config = pool_of(0, 16);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping old, fresh, late;
    struct bounce_pool *pool;

    start(VTEST_PASS);
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &old));
    pool = bounce_set_pool(&set, old.handle);
    CHECK(pool == &entries[0].pool);
    CHECK_OK(bounce_set_unmap(&set, old.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_ERR(bounce_map(pool, &request, &late), BOUNCE_E_FULL); /* whoever still has the pool gets no slots of it */
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &fresh));
    CHECK(fresh.addr == old.addr && fresh.handle != old.handle);
    CHECK_ERR(bounce_set_unmap(&set, old.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    CHECK_OK(bounce_set_unmap(&set, fresh.handle, BOUNCE_BIDIRECTIONAL, 0));
}

TEST(S36_of_a_transient_mapping_that_is_not_copied_the_pool_goes_and_a_lost_window_is_told_first)
{
    struct bounce_config config = pool_of(0, 16);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping = {.handle = 7};

    start(VTEST_PASS);
    config.copy = refuse;
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &mapping), BOUNCE_E_COPY);
    CHECK(mapping.handle == 7 && hooks.shared == 1 && hooks.hidden == 1 && hooks.released == 0);
    config.copy = refuse_back;
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping)); /* in the same entry and memory */
    CHECK(bounce_set_find(&set, mapping.addr) == &entries[0].pool);
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE), BOUNCE_E_COPY);
    CHECK(hooks.hidden == 2 && hooks.released == 1);
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping));
    hooks.refuse_hide = 1;
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE), BOUNCE_E_SHARE);
    CHECK_EQ(hooks.released, 1);
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
}

TEST(S36_a_pool_that_is_added_while_another_is_being_shared_has_an_entry_of_its_own)
{
    struct bounce_config config = pool_of(0, 16), another = pool_of(1, 16), over = pool_of(0, 8);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping;
    struct bounce_counts counts;
    uint32_t index;

    start(VTEST_PASS);
    hooks.another = &another;
    CHECK_OK(bounce_set_add(&set, &config, 0, &index));
    CHECK_OK(hooks.another_answer);
    CHECK(index == 0 && hooks.another_index == 1);
    CHECK_OK(bounce_set_usage(&set, &counts));
    CHECK_EQ(counts.slots, 32);
    CHECK_EQ(pool_at(map(0, 100).addr), 0);
    CHECK_OK(bounce_set_remove(&set, 1));

    /* One over the other is refused, as if it were there already; and what could not be shared has no entry. */
    config = pool_of(2, 16);
    over.window_addr = config.window_addr;
    hooks.another = &over;
    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping));
    CHECK_ERR(hooks.another_answer, BOUNCE_E_OVERLAP);
    CHECK(bounce_set_find(&set, mapping.addr) == &entries[1].pool);
    another = pool_of(3, 16);
    config = pool_of(4, 16);
    hooks.refuse_share = 1;
    hooks.another = &another;
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_SHARE);
    CHECK_ERR(hooks.another_answer, BOUNCE_E_SHARE);
    hooks.refuse_share = 0;
    CHECK_EQ(add(3, 16, 0), 2);
}

TEST(S36_S37_an_entry_that_waits_is_not_taken_before_it_is_given_back)
{
    struct bounce_set_config waiting = {.entries = entries, .entry_count = 2, .released = released, .entries_wait = true};
    struct bounce_config config = pool_of(1, 16);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping;
    uint32_t index;

    memset(&hooks, 0, sizeof(hooks));
    CHECK_OK(bounce_set_init(&set, &waiting));
    CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_RANGE); /* free as it is */
    CHECK_EQ(add(0, 16, 0), 0);
    CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_RANGE);
    CHECK_OK(bounce_set_drain(&set, 0));
    CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_RANGE);
    CHECK_OK(bounce_set_remove(&set, 0));
    CHECK_EQ(hooks.released, 1);

    /* Its memory is the caller's, and may come in again; its entry may not. */
    CHECK_EQ(add(0, 16, 0), 1);
    CHECK_ERR(bounce_set_map_transient(&set, &config, &request, &mapping), BOUNCE_E_FULL);
    CHECK(!bounce_set_find(&set, config.window_addr));
    CHECK_ERR(bounce_set_remove(&set, 0), BOUNCE_E_RANGE);
    CHECK_ERR(bounce_set_drain(&set, 0), BOUNCE_E_RANGE);
    CHECK_OK(bounce_set_reuse(&set, 0));
    CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_RANGE);

    CHECK_OK(bounce_set_map_transient(&set, &config, &request, &mapping));
    CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_RANGE);
    CHECK_OK(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_ERR(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    CHECK_EQ(hooks.released, 2);
    CHECK_ERR(bounce_set_add(&set, &config, 0, &index), BOUNCE_E_FULL);
    CHECK_OK(bounce_set_reuse(&set, 0));
    CHECK_ERR(bounce_set_reuse(&set, 2), BOUNCE_E_RANGE);
    CHECK_EQ(add(2, 16, 0), 0);
    CHECK_OK(bounce_set_remove(&set, 0));
    CHECK_OK(bounce_set_remove(&set, 1));
    CHECK_OK(bounce_set_fini(&set)); /* who ends a set need not give its entries back */

    start(VTEST_PASS);
    CHECK_EQ(add(0, 16, 0), 0);
    CHECK_OK(bounce_set_remove(&set, 0));
    CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_RANGE); /* this set's are free at once */
}

TEST(C274_C275_a_forged_handle_or_one_of_another_set_leads_nowhere)
{
    static struct bounce_set_entry other_entries[POOLS];
    static struct bounce_set other;
    struct bounce_set_config config = {.entries = other_entries, .entry_count = POOLS};
    struct bounce_config same = pool_of(0, 16);
    struct bounce_mapping mapping, foreign;
    struct bounce_request request = rig_request(0, 100);
    uint32_t index;

    start(VTEST_PASS);
    CHECK(add(0, 16, 0) != UINT32_MAX);
    same.window = windows[1];
    same.meta = metas[1];
    CHECK_OK(bounce_set_init(&other, &config));
    CHECK_OK(bounce_set_add(&other, &same, 0, &index));
    mapping = map(0, 100);
    CHECK_OK(bounce_set_map(&other, 0, &request, &foreign));
    CHECK_ERR(bounce_set_unmap(&set, foreign.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    CHECK_ERR(bounce_set_unmap(&other, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
    for (int bit = 0; bit < 64; bit++)
        CHECK_ERR(bounce_set_unmap(&set, mapping.handle ^ UINT64_C(1) << bit, BOUNCE_BIDIRECTIONAL, 0),
                  BOUNCE_E_HANDLE);
    CHECK_OK(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
}

TEST(C274_sets_whose_entries_follow_one_another_know_only_their_own)
{
    static struct bounce_set behind;
    struct bounce_set_config first_half = {.entries = entries, .entry_count = POOLS / 2};
    struct bounce_set_config second_half = {.entries = entries + POOLS / 2, .entry_count = POOLS / 2};
    struct bounce_config config = pool_of(1, 16);
    struct bounce_mapping mapping;
    struct bounce_counts counts;
    uint32_t index;

    memset(&hooks, 0, sizeof(hooks));
    CHECK_OK(bounce_set_init(&behind, &second_half));
    CHECK_OK(bounce_set_add(&behind, &config, 0, &index));
    CHECK_OK(bounce_set_init(&set, &first_half));
    CHECK(bounce_set_find(&behind, config.window_addr) == &entries[POOLS / 2].pool); /* its entries are as they were */
    CHECK_EQ(add(0, 16, 0), 0);
    mapping = map(0, 100);
    CHECK(bounce_set_pool(&set, mapping.handle) == &entries[0].pool);
    CHECK(!bounce_set_find(&set, config.window_addr));
    CHECK_OK(bounce_set_usage(&set, &counts));
    CHECK(counts.slots == 16 && counts.used == 1);

    /* Whatever entry a forged handle names: none has that pool, those behind the last one least of all. */
    for (uint64_t i = 1; i < BOUNCE_SET_POOLS; i++) {
        CHECK(!bounce_set_pool(&set, mapping.handle ^ i << 56));
        CHECK_ERR(bounce_set_unmap(&set, mapping.handle ^ i << 56, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_HANDLE);
        CHECK_ERR(bounce_set_free(&set, mapping.handle ^ i << 56), BOUNCE_E_HANDLE);
    }
    CHECK_OK(bounce_set_unmap(&set, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
}

TEST(C276_a_set_refuses_what_comes_before_init_or_after_fini)
{
    struct bounce_set_config config = {.entries = entries, .entry_count = POOLS};
    struct bounce_config pool = pool_of(0, 16);
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping;
    struct bounce_counts counts;
    uint32_t index;

    memset(&set, 0, sizeof(set));
    for (int lap = 0; lap < 2; lap++) {
        CHECK_ERR(bounce_set_add(&set, &pool, 0, &index), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_remove(&set, 0), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_reuse(&set, 0), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_map(&set, 0, &request, &mapping), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_map_transient(&set, &pool, &request, &mapping), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_unmap(&set, 1, BOUNCE_TO_DEVICE, 0), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_free(&set, 1), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_usage(&set, &counts), BOUNCE_E_STATE);
        CHECK_ERR(bounce_set_fini(&set), BOUNCE_E_STATE);
        CHECK(!bounce_set_pool(&set, 1) && !bounce_set_find(&set, 0));
        CHECK_EQ(bounce_set_max_mapping_size(&set, 0, 0), 0);
        CHECK_OK(bounce_set_init(&set, &config));
        CHECK_OK(bounce_set_fini(&set));
    }
    CHECK_ERR(bounce_set_init(NULL, &config), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_init(&set, NULL), BOUNCE_E_NULL);
    config.entry_count = 0;
    CHECK_ERR(bounce_set_init(&set, &config), BOUNCE_E_GEOMETRY);
    config.entry_count = BOUNCE_SET_POOLS + 1;
    CHECK_ERR(bounce_set_init(&set, &config), BOUNCE_E_GEOMETRY);
    config.entries = NULL;
    CHECK_ERR(bounce_set_init(&set, &config), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_map(NULL, 0, &request, &mapping), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_usage(NULL, &counts), BOUNCE_E_NULL);
    CHECK_ERR(bounce_set_reuse(NULL, 0), BOUNCE_E_NULL);
}
