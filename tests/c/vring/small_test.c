/* SPDX-License-Identifier: MIT */
/*
 * A build that carries out fewer features than all (VRING_BUILD_FEATURES and its like): it says so, refuses the others,
 * and does what it has. Built twice, for such a library and for a whole one, which has to be told apart from it.
 */
#include "fixture.h"

#include "vring/features.h"
#include "vring/regions.h"
#include "vring/used_len.h"

/* The fixture's device has two regions; where there may be one alone, the first. */
static void small_configure(struct ring *r, uint32_t size, uint64_t features, uint16_t index)
{
    ring_configure(r, size, features, index);
    if (!VRING_BUILD_REGIONS)
        r->device_config.region_count = 1;
}

static int small_start(struct ring *r, uint32_t size, uint64_t features, uint16_t index)
{
    small_configure(r, size, features, index);

    int error = vring_driver_init(&r->driver, &r->driver_config);

    return error ? error : vring_device_init(&r->device, &r->device_config);
}

/* What init can be asked for, each with what it needs besides. */
static const struct {
    uint64_t feature;
    uint64_t with;
} asked[] = {
    {VRING_F_VERSION_1, 0},
    {VRING_F_INDIRECT_DESC, VRING_F_VERSION_1},
    {VRING_F_EVENT_IDX, VRING_F_VERSION_1},
    {VRING_F_ACCESS_PLATFORM, VRING_F_VERSION_1},
    {VRING_F_RING_PACKED, VRING_F_VERSION_1},
    {VRING_F_IN_ORDER, VRING_F_VERSION_1},
    {VRING_F_ORDER_PLATFORM, VRING_F_VERSION_1},
    {VRING_F_NOTIFICATION_DATA, VRING_F_VERSION_1},
    {VRING_F_NOTIF_CONFIG_DATA, VRING_F_VERSION_1},
    {VRING_F_RING_RESET, VRING_F_VERSION_1},
    {VRING_F_SUSPEND, VRING_F_VERSION_1},
    {VRING_F_NOTIFY_ON_EMPTY, 0},
    {VRING_F_ANY_LAYOUT, 0},
};

TEST(what_is_left_out_is_neither_supported_nor_accepted)
{
    uint64_t all = 0;

    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        all |= asked[i].feature;
    CHECK_EQ(vring_features_supported(0), VRING_BUILD_FEATURES & all);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        uint64_t offered = asked[i].feature | asked[i].with;

        CHECK_EQ(vring_features_accept(0, offered), offered & VRING_BUILD_FEATURES);
    }
    CHECK_EQ(vring_features_accept(0, 1u << 5), 1u << 5); /* the device type's are its own */
}

TEST(what_is_left_out_is_refused_by_init_on_both_sides)
{
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct ring r;
        int answer = FEATURE_BUILT(asked[i].feature) ? 0 : VRING_E_FEATURE;

        small_configure(&r, 8, asked[i].feature | asked[i].with, 0);
        CHECK_ERR(vring_driver_init(&r.driver, &r.driver_config), answer);
        CHECK_ERR(vring_device_init(&r.device, &r.device_config), answer);
    }
}

TEST(what_is_built_moves_buffers)
{
    struct ring r;
    struct vring_segment pieces[] = {{GUEST, 16}, {GUEST + 64, 64}};

    CHECK_OK(small_start(&r, 8, VRING_F_VERSION_1, 65500));
    for (uint64_t i = 0; i < 100; i++) {
        struct vring_used_buffer used;
        struct vring_chain chain;

        CHECK_OK(vring_driver_add_avail(&r.driver, pieces, 1, 1, i));
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.readable, 16);
        CHECK_EQ(chain.writable, 64);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 7));
        CHECK_EQ(vring_device_publish(&r.device), 1);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i);
        CHECK_EQ(used.len, 7);
    }
    CHECK_EQ(vring_driver_disable_notify(&r.driver), 0);
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
}

TEST(a_table_breaks_the_ring_where_tables_are_left_out)
{
    struct ring r;
    struct vring_chain chain;

    CHECK_OK(small_start(&r, 8, VRING_F_VERSION_1, 0));
    raw_desc(&r, 0, GUEST, 16, 4, 0); /* VIRTQ_DESC_F_INDIRECT */
    raw_avail(&r, 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_INDIRECT);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_INDIRECT);
}

/* A chain by hand: descriptors that follow each other from 0 on, of which the last says where it goes on. */
struct small_desc {
    uint64_t addr;
    uint32_t len;
    uint32_t flags;
    uint32_t next;
};

/* Where one format alone is built its walk is a part of the verb: what it judges is judged there, too. */
TEST(V28_C059_C052_C033_a_walk_that_is_part_of_the_verb_judges_all)
{
    enum { NEXT = 1, WRITE = 2, PIECE = 1 << 30 };
    static const struct {
        struct small_desc desc[6];
        int answer;
    } chains[] = {
        {{{GUEST, 8, NEXT, 1}, {GUEST, 0, NEXT | WRITE, 2}, {GUEST, 8, WRITE, 0}}, 0},
        {{{GUEST, 8, NEXT | WRITE, 1}, {GUEST, 8, 0, 0}}, VRING_E_CHAIN_ORDER},
        {{{GUEST, 8, NEXT, 1}, {GUEST, 0, NEXT | WRITE, 2}, {GUEST, 8, 0, 0}}, VRING_E_CHAIN_ORDER},
        {{{GUEST, PIECE + 1u, 0, 0}}, VRING_E_CHAIN_ADDR},
        {{{GUEST, 8, NEXT, 1}, {GUEST + PIECE, 1, NEXT, 2}, {GUEST, 8, 0, 0}}, VRING_E_CHAIN_ADDR},
        {{{GUEST, PIECE, NEXT, 1}, {GUEST, PIECE, NEXT, 2}, {GUEST, PIECE, NEXT | WRITE, 3}, {GUEST, PIECE, WRITE, 0}}, 0},
        {{{GUEST, PIECE, NEXT, 1}, {GUEST, PIECE, NEXT, 2}, {GUEST, PIECE, NEXT | WRITE, 3}, {GUEST, PIECE, NEXT | WRITE, 4},
          {GUEST, 1, WRITE, 0}}, VRING_E_CHAIN_LEN},
        {{{GUEST, PIECE, NEXT, 1}, {GUEST, PIECE, NEXT, 2}, {GUEST, PIECE, NEXT, 3}, {GUEST, PIECE, NEXT, 4},
          {GUEST, 1, NEXT, 5}, {0, 1, 0, 0}}, VRING_E_CHAIN_LEN}, /* of two reasons the first */
        {{{GUEST, 8, NEXT, 1}, {GUEST, 8, NEXT, 0}}, VRING_E_PEER_LOOP},
        {{{GUEST, 8, NEXT, 8}}, VRING_E_PEER_NEXT},
        {{{GUEST, 8, NEXT, 1}, {GUEST, 8, 4, 0}}, VRING_E_PEER_INDIRECT},
    };

    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        for (int read_only = 0; read_only < 2; read_only++) {
            struct vring_region region = {GUEST, PIECE, NULL, read_only ? VRING_REGION_READ_ONLY : 0};
            struct vring_chain chain;
            struct ring r;
            bool writes = false;
            int answer = chains[i].answer;

            small_configure(&r, 8, VRING_F_VERSION_1, 0);
            region.host = r.guest; /* nothing of it is touched */
            r.device_config.regions = &region;
            r.device_config.region_count = 1;
            CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
            CHECK_OK(vring_device_init(&r.device, &r.device_config));
            for (uint32_t d = 0; d < 6; d++) {
                const struct small_desc *desc = &chains[i].desc[d];

                raw_desc(&r, d, desc->addr, desc->len, desc->flags, desc->next);
                writes |= (desc->flags & WRITE) && desc->len > 0;
            }
            if (read_only && answer > VRING_E_PEER_INDEX && writes) {
                raw_avail(&r, 0);
                CHECK_EQ(vring_error_blame(ring_get_avail(&r, &chain)), VRING_BLAME_CHAIN);
                CHECK(chain.n_readable == 0 && chain.n_writable == 0);
                continue;
            }
            raw_avail(&r, 0);
            if (answer == 0) {
                r.iov[1].len = 77;
                CHECK_ERR(vring_device_get_avail(&r.device, r.iov, 1, &chain), VRING_E_ROOM);
                CHECK_EQ(r.iov[1].len, 77);
            }
            CHECK_ERR(ring_get_avail(&r, &chain), answer);
            if (answer > VRING_E_PEER_INDEX)
                CHECK_EQ(chain.n_readable + chain.n_writable, answer ? 0 : i == 0 ? 2 : 4);
            if (answer == 0)
                CHECK_EQ(chain.readable + chain.writable, i == 0 ? 16 : UINT64_C(1) << 32);
            if (answer <= VRING_E_PEER_INDEX)
                CHECK_ERR(ring_get_avail(&r, &chain), answer);
        }
}

/* The same of what a driver offers. */
TEST(a_list_that_is_judged_by_the_verb_itself_is_a_buffer_or_none)
{
    enum { PIECE = 1 << 30 };
    struct vring_segment whole[] = {{0, PIECE}, {0, PIECE}, {0, PIECE}, {0, PIECE}, {0, 1}};
    struct vring_segment empty[] = {{GUEST, 8}, {GUEST, 0}}, wraps[] = {{GUEST, 8}, {UINT64_MAX, 2}};
    struct vring_used_buffer used;
    struct ring r;

    CHECK_OK(small_start(&r, 8, VRING_F_VERSION_1, 0));
    CHECK_ERR(vring_driver_add_avail(&r.driver, empty, 1, 1, 0), VRING_E_LEN);
    CHECK_ERR(vring_driver_add_avail(&r.driver, wraps, 2, 0, 0), VRING_E_ADDR);
    CHECK_ERR(vring_driver_add_avail(&r.driver, whole, 1, 4, 0), VRING_E_LEN);
    CHECK_ERR(vring_driver_add_avail(&r.driver, whole, 0, 0, 0), VRING_E_CHAIN);
    CHECK_OK(vring_driver_add_avail(&r.driver, whole, 0, 4, 7));
    CHECK_OK(vring_driver_add_avail(&r.driver, whole, 3, 1, 8));
    CHECK_ERR(vring_driver_add_avail(&r.driver, whole, 1, 0, 9), VRING_E_FULL);
    CHECK_ERR(vring_driver_add_avail(&r.driver, empty + 1, 1, 0, 9), VRING_E_LEN); /* never, before not now */
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    raw_used(&r, 0, UINT32_MAX); /* 2^32 bytes count as one less */
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK_EQ(used.token, 7);
    CHECK_EQ(used.len, UINT32_MAX);
    CHECK_OK(vring_driver_add_avail(&r.driver, whole, 1, 0, 9)); /* staged: not the device's yet */
    raw_used(&r, 0, 0);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_PEER_ID);
    for (uint32_t head = 0; head < 2; head++) { /* too long; and one that is not in flight */
        CHECK_OK(small_start(&r, 8, VRING_F_VERSION_1, 0));
        CHECK_OK(vring_driver_add_avail(&r.driver, whole, 3, 1, 8));
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        raw_used(&r, 5 * head, head ? 0 : PIECE + 1u);
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), head ? VRING_E_PEER_ID : VRING_E_PEER_LEN);
    }
}

/* What save, restore and recover answer, in a ring of each format that is built. */
TEST(a_build_without_restarts_says_so)
{
    static uint64_t region[64];
    static unsigned char state[512];

    for (int i = 0; i < 2; i++) {
        struct ring r;
        int saved, left_out = VRING_BUILD_RESTART ? 0 : VRING_E_FEATURE;

        if (i == 1 && !FEATURE_BUILT(VRING_F_RING_PACKED))
            return;
        CHECK_OK(small_start(&r, 8, formats[i].plain, 0));
        saved = vring_driver_save(&r.driver, state, sizeof state);
        CHECK(left_out ? saved == left_out : saved > 0);
        CHECK_ERR(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)(saved > 0 ? saved : 0)), left_out);
        saved = vring_device_save(&r.device, state, sizeof state);
        CHECK(left_out ? saved == left_out : saved > 0);
        CHECK_ERR(vring_device_restore(&r.device, &r.device_config, state, (size_t)(saved > 0 ? saved : 0)), left_out);
        memset(region, 0, sizeof region);
        r.device_config.inflight = region;
        r.device_config.inflight_size = sizeof region;
        CHECK_ERR(vring_device_init(&r.device, &r.device_config), left_out);
        CHECK_ERR(vring_device_recover(&r.device, &r.device_config), left_out);
    }
}

/* One region is enough for firmware: what lies in it is found, and nothing else. */
TEST(a_build_for_one_region_says_so)
{
    int left_out = VRING_BUILD_REGIONS ? 0 : VRING_E_FEATURE;

    for (int i = 0; i < 2; i++) {
        struct ring r;
        struct vring_region two[2];
        struct vring_chain chain;

        if (i == 1 && !FEATURE_BUILT(VRING_F_RING_PACKED))
            return;
        small_configure(&r, 8, formats[i].plain, 0);
        two[0] = r.device_config.regions[0];
        two[1] = two[0];
        two[0].size /= 2;
        two[1].size -= two[0].size;
        two[1].addr += two[0].size;
        two[1].host = (unsigned char *)two[0].host + two[0].size;
        CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));

        r.device_config.regions_may_miss = true;
        CHECK_ERR(vring_device_init(&r.device, &r.device_config), left_out);
        r.device_config.regions_may_miss = false;
        r.device_config.regions = two;
        r.device_config.region_count = 2;
        CHECK_ERR(vring_device_init(&r.device, &r.device_config), left_out);

        r.device_config.region_count = 1;
        CHECK_OK(vring_device_init(&r.device, &r.device_config));
        CHECK_ERR(vring_device_set_regions(&r.device, two, 2), left_out);
        CHECK_OK(vring_device_init(&r.device, &r.device_config));

        struct vring_segment ends = {two[0].addr + two[0].size - 16, 16}, passes = {ends.addr, 17},
                             wraps = {UINT64_MAX, 1};
        /* Where 32 bits of an address would be enough. */
        struct vring_segment far = {ends.addr + (UINT64_C(1) << 32), 16};

        CHECK_OK(vring_driver_add_avail(&r.driver, &ends, 1, 0, 0));
        CHECK_OK(vring_driver_add_avail(&r.driver, &passes, 1, 0, 0));
        CHECK_OK(vring_driver_add_avail(&r.driver, &wraps, 0, 1, 0));
        CHECK_OK(vring_driver_add_avail(&r.driver, &far, 0, 1, 0));
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.readable, 16);
        CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
        CHECK_EQ(chain.readable, 0);
        CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
        CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
    }
}

/* What a device may not say breaks the queue, and in a small build that is all that can be asked for. */
TEST(a_build_that_believes_no_used_length_says_so)
{
    static const enum vring_used_len_policy policies[] = {
        VRING_USED_LEN_BREAK, VRING_USED_LEN_CLAMP, VRING_USED_LEN_REPORT, VRING_USED_LEN_TRUST
    };

    for (size_t i = 0; i < 8; i++) {
        const enum vring_used_len_policy policy = policies[i % 4];
        const bool breaks = policy == VRING_USED_LEN_BREAK, packed = i >= 4;
        struct vring_used_buffer used;
        struct ring r;

        if (packed && !FEATURE_BUILT(VRING_F_RING_PACKED))
            return;
        small_configure(&r, 8, formats[packed].plain, 0);
        r.driver_config.used_len = policy;
        CHECK_ERR(vring_driver_init(&r.driver, &r.driver_config), VRING_BUILD_USED_LEN || breaks ? 0 : VRING_E_FEATURE);
        if (packed || (!VRING_BUILD_USED_LEN && !breaks))
            continue;
        CHECK_OK(ring_add(&r, 0, 16, true, 5));
        CHECK_EQ(vring_driver_publish(&r.driver), 1);
        raw_used(&r, 0, 17);
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), breaks ? VRING_E_PEER_LEN : 0);
    }
}
