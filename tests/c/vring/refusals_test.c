/* SPDX-License-Identifier: MIT */
/* What init and the verbs refuse of their caller, with whose fault it is, and that nothing has changed. */
#include "fixture.h"

/* Everything that a refused call must leave alone. */
struct state {
    struct ring ring;
    unsigned char desc[1024], driver_area[1024], device_area[1024], slots[2048], heads[1024];
};

static void state_keep(struct state *s, const struct ring *r)
{
    memset(s, 0, sizeof *s);
    s->ring = *r;
    memcpy(s->desc, r->driver_config.desc, r->layout.desc_size);
    memcpy(s->driver_area, r->driver_config.driver_area, r->layout.driver_size);
    memcpy(s->device_area, r->driver_config.device_area, r->layout.device_size);
    memcpy(s->slots, r->driver_config.slots, 8 * sizeof(struct vring_slot));
    memcpy(s->heads, r->device_config.heads, 8 * sizeof(struct vring_head));
}

static struct state kept;

static bool state_same(const struct ring *r)
{
    static struct state now;

    state_keep(&now, r);
    return memcmp(&now, &kept, sizeof now) == 0;
}

/* Both inits of a format refuse what change did to the configurations, and write nowhere. */
static void inits_refuse(VTEST, const struct format *format, void (*change)(struct ring *), int want)
{
    static struct ring good, r;

    ring_configure(&good, 8, format->all, 0);
    state_keep(&kept, &good);
    r = good;
    change(&r);
    if (format == &formats[0]) {
        CHECK_ERR(vring_split_driver_init(&r.driver.as.split, &r.driver_config), want);
        CHECK_ERR(vring_split_device_init(&r.device.as.split, &r.device_config), want);
    } else {
        CHECK_ERR(vring_packed_driver_init(&r.driver.as.packed, &r.driver_config), want);
        CHECK_ERR(vring_packed_device_init(&r.device.as.packed, &r.device_config), want);
    }
    CHECK(memcmp(&r.driver, &good.driver, sizeof r.driver) == 0);
    CHECK(memcmp(&r.device, &good.device, sizeof r.device) == 0);
    CHECK(state_same(&good));
}

#define INITS_REFUSE(in, name, want, statements)                                    \
    static void change_##name(struct ring *r)                                       \
    {                                                                               \
        struct vring_driver_config *a = &r->driver_config;                    \
        struct vring_device_config *b = &r->device_config;                    \
        statements;                                                                 \
    }                                                                               \
    INITS_REFUSE_IN_##in(name, want)

#define INITS_REFUSE_IN_BOTH(name, want) \
    RING_TEST(name) { inits_refuse(VTEST_PASS, format, change_##name, want); }
#define INITS_REFUSE_IN_SPLIT(name, want) \
    TEST(name) { inits_refuse(VTEST_PASS, &formats[0], change_##name, want); }
#define INITS_REFUSE_IN_PACKED(name, want) \
    TEST(name) { inits_refuse(VTEST_PASS, &formats[1], change_##name, want); }

INITS_REFUSE(BOTH, C001_inits_refuse_size_0, VRING_E_SIZE, a->size = b->size = 0)
INITS_REFUSE(SPLIT, C002_inits_refuse_size_3, VRING_E_SIZE, a->size = b->size = 3)
INITS_REFUSE(BOTH, C006_inits_refuse_size_65536, VRING_E_SIZE, a->size = b->size = 65536)
INITS_REFUSE(BOTH, C006_inits_refuse_size_with_a_low_half_that_would_do, VRING_E_SIZE, a->size = b->size = 0x10008)
INITS_REFUSE(BOTH, C026_inits_refuse_too_little_state, VRING_E_SIZE, a->slot_count = b->head_count = 7)
INITS_REFUSE(BOTH, C025_inits_refuse_no_descriptors, VRING_E_NULL, a->desc = b->desc = NULL)
INITS_REFUSE(BOTH, C025_inits_refuse_no_driver_area, VRING_E_NULL, a->driver_area = b->driver_area = NULL)
INITS_REFUSE(BOTH, C025_inits_refuse_no_device_area, VRING_E_NULL, a->device_area = b->device_area = NULL)
INITS_REFUSE(BOTH, C025_inits_refuse_no_state, VRING_E_NULL, (a->slots = NULL, b->heads = NULL))
INITS_REFUSE(BOTH, C008_inits_refuse_misaligned_descriptors, VRING_E_ALIGN,
             a->desc = b->desc = (unsigned char *)a->desc + 8)
INITS_REFUSE(SPLIT, C008_inits_refuse_misaligned_driver_area, VRING_E_ALIGN,
             a->driver_area = b->driver_area = (unsigned char *)a->driver_area + 1)
INITS_REFUSE(BOTH, C008_inits_refuse_misaligned_device_area, VRING_E_ALIGN,
             a->device_area = b->device_area = (unsigned char *)a->device_area + 2)
INITS_REFUSE(BOTH, C026_inits_refuse_misaligned_state, VRING_E_ALIGN,
             (a->slots = (struct vring_slot *)(void *)((unsigned char *)a->slots + 2),
              b->heads = (struct vring_head *)(void *)((unsigned char *)b->heads + 2)))
INITS_REFUSE(BOTH, C010_inits_refuse_an_area_that_wraps, VRING_E_ADDR, a->desc = b->desc = (void *)(UINTPTR_MAX - 15))
INITS_REFUSE(SPLIT, C012_inits_refuse_areas_that_overlap, VRING_E_OVERLAP,
             a->device_area = b->device_area = (unsigned char *)a->desc + 124)
INITS_REFUSE(BOTH, C012_inits_refuse_the_same_area_twice, VRING_E_OVERLAP, a->driver_area = b->driver_area = a->desc)
INITS_REFUSE(BOTH, inits_refuse_state_in_an_area, VRING_E_OVERLAP,
             (a->slots = (struct vring_slot *)a->desc, b->heads = (struct vring_head *)b->desc))
INITS_REFUSE(BOTH, inits_refuse_chains_no_next_can_name, VRING_E_CHAIN, a->max_chain = b->max_chain = 65536)
INITS_REFUSE(SPLIT, C019_inits_refuse_packed, VRING_E_FEATURE, a->features = b->features |= VRING_F_RING_PACKED)
INITS_REFUSE(BOTH, C019_inits_refuse_what_this_build_lacks, VRING_E_FEATURE,
             a->features = b->features |= VRING_F_ADMIN_VQ)
INITS_REFUSE(BOTH, inits_refuse_unknown_ring_features, VRING_E_FEATURE, a->features = b->features |= UINT64_C(1) << 49)
INITS_REFUSE(SPLIT, inits_refuse_modern_features_without_version_1, VRING_E_FEATURE,
             a->features = b->features = VRING_F_ORDER_PLATFORM)
INITS_REFUSE(SPLIT, inits_refuse_legacy_features_with_version_1, VRING_E_FEATURE,
             a->features = b->features = VRING_F_VERSION_1 | VRING_F_NOTIFY_ON_EMPTY)
INITS_REFUSE(SPLIT, inits_refuse_an_order_that_is_none, VRING_E_FEATURE,
             (a->features = b->features = 0, a->legacy_order = b->legacy_order = (enum vring_byte_order)3))
INITS_REFUSE(PACKED, inits_refuse_packed_without_version_1, VRING_E_FEATURE,
             a->features = b->features &= ~VRING_F_VERSION_1)

INITS_REFUSE(PACKED, C008_inits_refuse_misaligned_event_area, VRING_E_ALIGN,
             a->driver_area = b->driver_area = (unsigned char *)a->driver_area + 2)
INITS_REFUSE(PACKED, C012_inits_refuse_an_event_area_in_the_ring, VRING_E_OVERLAP,
             a->device_area = b->device_area = (unsigned char *)a->desc + 124)
INITS_REFUSE(PACKED, C019_inits_refuse_split, VRING_E_FEATURE, a->features = b->features &= ~VRING_F_RING_PACKED)
INITS_REFUSE(PACKED, C149_inits_refuse_a_start_past_the_end, VRING_E_SIZE, a->index = b->index = 8)

/* An area may end where the address space does. The chains alone are refused, or init would write to it. */
RING_TEST(C010_an_area_that_ends_with_the_address_space_does_not_wrap)
{
    static struct ring r;

    ring_configure(&r, 8, format->all, 0);
    r.driver_config.desc = r.device_config.desc = (void *)(UINTPTR_MAX - 127);
    r.driver_config.max_chain = r.device_config.max_chain = 65536;
    CHECK_ERR(vring_driver_init(&r.driver, &r.driver_config), VRING_E_CHAIN);
    CHECK_ERR(vring_device_init(&r.device, &r.device_config), VRING_E_CHAIN);
}

RING_TEST(inits_refuse_a_policy_for_used_lengths_that_is_none)
{
    static struct ring r;

    for (unsigned policy = 0; policy < 300; policy++) {
        ring_configure(&r, 8, format->all, 0);
        r.driver_config.used_len = (enum vring_used_len_policy)policy;
        CHECK_EQ(vring_driver_init(&r.driver, &r.driver_config), policy <= VRING_USED_LEN_TRUST ? 0 : VRING_E_FEATURE);
    }
}

MODERN_RING_TEST(inits_do_not_ask_for_the_order_of_a_ring_that_is_not_legacy)
{
    static struct ring r;

    ring_configure(&r, 8, format->all, 0);
    r.driver_config.legacy_order = r.device_config.legacy_order = (enum vring_byte_order)3;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
}

TEST(V8_C003_C004_packed_takes_any_size)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 7, 100, 1000, 32767, 32768};
    static struct ring r;

    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK_OK(ring_start(&r, sizes[i], formats[1].all, 0));
}

TEST(V12_C008_areas_anywhere_at_legal_minimum_alignments)
{
    static struct ring r;
    unsigned char *block;

    ring_configure(&r, 8, features_all, 0);
    block = (unsigned char *)fixture_alloc(512);
    r.driver_config.driver_area = r.device_config.driver_area = block + 2;
    r.driver_config.device_area = r.device_config.device_area = block + 2 + r.layout.driver_size + 4;
    CHECK_EQ(((uintptr_t)r.driver_config.device_area) % 8, 4);
    CHECK_OK(vring_split_driver_init(&r.driver.as.split, &r.driver_config));
    CHECK_OK(vring_split_device_init(&r.device.as.split, &r.device_config));
}

TEST(C020_device_type_features_are_not_the_rings_business)
{
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all | 0xffffff | UINT64_C(1) << 63, 0));
}

TEST(C027_C028_device_init_refuses_bad_regions)
{
    static struct ring r;

    ring_configure(&r, 8, features_all, 0);
    r.regions[1].addr = GUEST + GUEST_SIZE - 1;
    CHECK_ERR(vring_split_device_init(&r.device.as.split, &r.device_config), VRING_E_OVERLAP);
    r.regions[1].addr = 0;
    CHECK_ERR(vring_split_device_init(&r.device.as.split, &r.device_config), VRING_E_OVERLAP);
    r.regions[1].addr = UINT64_MAX - 0xffe;
    CHECK_ERR(vring_split_device_init(&r.device.as.split, &r.device_config), VRING_E_ADDR);
    r.regions[1].addr = UINT64_MAX - 0xfff;
    CHECK_OK(vring_split_device_init(&r.device.as.split, &r.device_config));
    r.device_config.regions = NULL;
    CHECK_ERR(vring_split_device_init(&r.device.as.split, &r.device_config), VRING_E_NULL);
}

/* Zeroed structs have no ring to touch: a verb that looked would crash. */
TEST(C021_every_verb_refuses_a_queue_that_is_not_live)
{
    static struct vring_split_driver driver;
    static struct vring_split_device device;
    struct vring_segment segment = {GUEST, 1};
    struct vring_table table = {0};
    struct vring_used_buffer used;
    struct vring_chain chain;
    struct vring_snapshot snapshot;
    struct vring_snapshot_entry entry;
    struct vring_iov iov;
    uint64_t token;

    CHECK_ERR(vring_split_driver_add_avail(&driver, &segment, 1, 0, 0), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_add_indirect(&driver, &table, &segment, 1, 0, 0), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_abort(&driver, NULL), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_publish(&driver), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_get_used(&driver, &used), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_enable_notify(&driver), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_enable_notify_delayed(&driver), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_disable_notify(&driver), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_take_unused(&driver, &token), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_snapshot(&driver, &snapshot), VRING_E_STATE);
    CHECK_ERR(vring_split_driver_snapshot_entry(&driver, 0, &entry), VRING_E_STATE);
    CHECK_ERR(vring_split_device_get_avail(&device, &iov, 1, &chain), VRING_E_STATE);
    CHECK_ERR(vring_split_device_rewind(&device, 0), VRING_E_STATE);
    CHECK_ERR(vring_split_device_add_used(&device, 0, 0), VRING_E_STATE);
    CHECK_ERR(vring_split_device_publish(&device), VRING_E_STATE);
    CHECK_ERR(vring_split_device_enable_notify(&device), VRING_E_STATE);
    CHECK_ERR(vring_split_device_disable_notify(&device), VRING_E_STATE);
    CHECK_ERR(vring_split_device_snapshot(&device, &snapshot), VRING_E_STATE);
    CHECK_ERR(vring_split_device_snapshot_entry(&device, 0, &entry), VRING_E_STATE);
}

/*
 * One refused add: the answer, and that ring and state are as they were; but for descriptors, of which none is in
 * flight: what is written into a free one nobody reads.
 */
static void add_refuses(VTEST, struct ring *r, const struct vring_segment *segments, uint32_t n_readable,
                        uint32_t n_writable, int want)
{
    state_keep(&kept, r);
    CHECK_ERR(
        vring_split_driver_add_avail(&r->driver.as.split, segments, (uint16_t)n_readable, (uint16_t)n_writable, 1),
        want);
    memcpy(kept.desc, r->driver_config.desc, r->layout.desc_size);
    CHECK(state_same(r));
}

TEST(C172_C173_C174_C175_add_refuses_bad_lists)
{
    struct vring_segment segments[9];
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    for (int i = 0; i < 9; i++)
        segments[i] = (struct vring_segment){GUEST, 16};
    add_refuses(VTEST_PASS, &r, segments, 0, 0, VRING_E_CHAIN);
    add_refuses(VTEST_PASS, &r, segments, 9, 0, VRING_E_CHAIN);
    add_refuses(VTEST_PASS, &r, segments, 4, 5, VRING_E_CHAIN);
    add_refuses(VTEST_PASS, &r, segments, 65535, 65535, VRING_E_CHAIN);

    for (int i = 0; i < 3; i++) {
        segments[i].len = 0;
        add_refuses(VTEST_PASS, &r, segments, 1, 2, VRING_E_LEN);
        segments[i].len = 16;
    }
    segments[1] = (struct vring_segment){UINT64_MAX, 2};
    add_refuses(VTEST_PASS, &r, segments, 1, 2, VRING_E_ADDR);
    segments[1] = (struct vring_segment){GUEST, UINT32_MAX};
    segments[2] = (struct vring_segment){GUEST, 2};
    add_refuses(VTEST_PASS, &r, segments + 1, 1, 1, VRING_E_LEN);
    segments[2].len = 1;
    CHECK_OK(vring_split_driver_add_avail(&r.driver.as.split, segments + 1, 1, 1, 1)); /* 2^32 exactly */
    segments[0] = (struct vring_segment){UINT64_MAX, 1};
    CHECK_OK(vring_split_driver_add_avail(&r.driver.as.split, segments, 1, 0, 1)); /* the last byte there is */
}

TEST(V22_V35_V36_C171_a_full_ring_is_not_a_chain_that_never_fits)
{
    struct vring_segment segments[8];
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    for (int i = 0; i < 8; i++)
        segments[i] = (struct vring_segment){GUEST, 16};
    CHECK_OK(vring_split_driver_add_avail(&r.driver.as.split, segments, 6, 0, 1));
    add_refuses(VTEST_PASS, &r, segments, 3, 0, VRING_E_FULL);
    CHECK_OK(vring_split_driver_add_avail(&r.driver.as.split, segments, 2, 0, 2));
    add_refuses(VTEST_PASS, &r, segments, 1, 0, VRING_E_FULL);
    CHECK_EQ(vring_split_driver_free(&r.driver.as.split), 0);
}

/* Whoever tries again when there is room must not do so for nothing. */
RING_TEST(C036_what_never_fits_is_told_before_what_does_not_fit_now)
{
    static const struct vring_segment good = {GUEST, 16}, empty[] = {{GUEST, 16}, {GUEST, 0}},
                                      wraps[] = {{GUEST, 16}, {UINT64_MAX, 2}},
                                      too_long[] = {{GUEST, UINT32_MAX}, {GUEST, 2}};
    struct vring_table table = {NULL, GUEST, 2};
    static struct ring r;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    table.memory = fixture_alloc(32);
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(vring_driver_add_avail(&r.driver, empty + 1, 1, 0, 1), VRING_E_LEN);
        CHECK_OK(vring_driver_add_avail(&r.driver, &good, 1, 0, 1)); /* at first there is room for one, too */
        CHECK_ERR(vring_driver_add_avail(&r.driver, empty, 1, 1, 1), VRING_E_LEN);
        CHECK_ERR(vring_driver_add_avail(&r.driver, wraps, 1, 1, 1), VRING_E_ADDR);
        CHECK_ERR(vring_driver_add_avail(&r.driver, too_long, 2, 0, 1), VRING_E_LEN);
        CHECK_ERR(vring_driver_add_indirect(&r.driver, &table, empty, 1, 1, 1), VRING_E_LEN);
    }
    CHECK_ERR(vring_driver_add_avail(&r.driver, empty + 1, 1, 0, 1), VRING_E_LEN);
    CHECK_ERR(vring_driver_add_avail(&r.driver, &good, 1, 0, 1), VRING_E_FULL);
    CHECK_ERR(vring_driver_add_indirect(&r.driver, &table, &good, 1, 0, 1), VRING_E_FULL);
    table.entries = 0;
    CHECK_ERR(vring_driver_add_indirect(&r.driver, &table, &good, 1, 0, 1), VRING_E_CHAIN);
}

TEST(V30_max_chain_is_a_limit_of_its_own)
{
    struct vring_segment segments[16];
    static struct ring r;
    struct vring_table table = {NULL, GUEST, 16};

    for (int i = 0; i < 16; i++)
        segments[i] = (struct vring_segment){GUEST, 16};
    ring_configure(&r, 8, features_all, 0);
    r.driver_config.max_chain = 3;
    CHECK_OK(vring_split_driver_init(&r.driver.as.split, &r.driver_config));
    add_refuses(VTEST_PASS, &r, segments, 4, 0, VRING_E_CHAIN);
    r.driver_config.max_chain = 16;
    CHECK_OK(vring_split_driver_init(&r.driver.as.split, &r.driver_config));
    table.memory = fixture_alloc(16 * 16);
    add_refuses(VTEST_PASS, &r, segments, 9, 0, VRING_E_CHAIN);
    CHECK_OK(vring_split_driver_add_indirect(&r.driver.as.split, &table, segments, 8, 8, 1));
}

/* A table that has more entries than a buffer may have pieces makes no room for them. */
RING_TEST(V30_max_chain_is_a_limit_behind_the_first_of_a_batch_too)
{
    struct vring_segment segments[3] = {{GUEST, 1}, {GUEST, 1}, {GUEST, 1}};
    struct vring_table tables[2] = {{NULL, GUEST, 4}, {NULL, GUEST + 64, 4}};
    struct vring_avail_buffer buffers[2] = {{segments, 1, 1, 1, &tables[0]}, {segments, 2, 1, 2, &tables[1]}};
    static struct ring r;
    uint32_t n;

    ring_configure(&r, 8, format->all, 0);
    r.driver_config.max_chain = 2;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    tables[0].memory = fixture_alloc(64);
    tables[1].memory = fixture_alloc(64);
    CHECK_ERR(vring_driver_add_avail_batch(&r.driver, buffers, 2, &n), VRING_E_CHAIN);
    CHECK_EQ(n, 1);
}

TEST(indirect_refuses_what_its_table_cannot_be)
{
    struct vring_segment segments[3] = {{GUEST, 1}, {GUEST, 1}, {GUEST, 1}};
    static struct ring r;
    struct vring_table table = {NULL, GUEST, 3};

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    table.memory = (unsigned char *)fixture_alloc(64) + 8;
    state_keep(&kept, &r);
    CHECK_ERR(vring_split_driver_add_indirect(&r.driver.as.split, &table, segments, 1, 1, 1), VRING_E_ALIGN);
    table.memory = (unsigned char *)table.memory - 8;
    table.entries = 1;
    CHECK_ERR(vring_split_driver_add_indirect(&r.driver.as.split, &table, segments, 1, 1, 1), VRING_E_CHAIN);
    table.entries = 3;
    table.addr = UINT64_MAX - 46;
    CHECK_ERR(vring_split_driver_add_indirect(&r.driver.as.split, &table, segments, 2, 1, 1), VRING_E_ADDR);
    CHECK(state_same(&r));
    table.addr--;
    CHECK_OK(vring_split_driver_add_indirect(&r.driver.as.split, &table, segments, 2, 1, 1));

    CHECK_OK(ring_start(&r, 8, features_plain, 0));
    table.memory = fixture_alloc(64);
    CHECK_ERR(vring_split_driver_add_indirect(&r.driver.as.split, &table, segments, 2, 1, 1), VRING_E_FEATURE);
}

TEST(C064_C065_C066_add_used_refuses_and_writes_nothing)
{
    struct vring_chain chain, other;
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_OK(ring_add(&r, 64, 16, false, 2));
    CHECK_EQ(vring_split_driver_publish(&r.driver.as.split), 1);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(ring_get_avail(&r, &other));
    state_keep(&kept, &r);
    CHECK_ERR(vring_split_device_add_used(&r.device.as.split, chain.handle, 17), VRING_E_LEN);
    CHECK_ERR(vring_split_device_add_used(&r.device.as.split, other.handle, 1), VRING_E_LEN);
    CHECK_ERR(vring_split_device_add_used(&r.device.as.split, chain.handle + 0x10000, 1), VRING_E_HANDLE);
    for (unsigned bit = 0; bit < 32; bit++)
        CHECK_ERR(vring_split_device_add_used(&r.device.as.split, chain.handle ^ UINT32_C(1) << bit, 1),
                  VRING_E_HANDLE);
    CHECK(state_same(&r));
    CHECK_OK(vring_split_device_add_used(&r.device.as.split, chain.handle, 16));
    CHECK_ERR(vring_split_device_add_used(&r.device.as.split, chain.handle, 16), VRING_E_HANDLE);
}

TEST(V58_C085_C086_rewind_refuses_all_but_the_last_taken)
{
    struct vring_chain first, second;
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    CHECK_ERR(vring_split_device_rewind(&r.device.as.split, 0), VRING_E_HANDLE);
    CHECK_OK(ring_add(&r, 0, 16, true, 1));
    CHECK_OK(ring_add(&r, 64, 16, true, 2));
    CHECK_EQ(vring_split_driver_publish(&r.driver.as.split), 1);
    CHECK_OK(ring_get_avail(&r, &first));
    CHECK_OK(ring_get_avail(&r, &second));
    CHECK_ERR(vring_split_device_rewind(&r.device.as.split, first.handle), VRING_E_HANDLE);
    CHECK_OK(vring_split_device_rewind(&r.device.as.split, second.handle));
    CHECK_ERR(vring_split_device_rewind(&r.device.as.split, second.handle), VRING_E_HANDLE);
    CHECK_OK(vring_split_device_add_used(&r.device.as.split, first.handle, 0));
    CHECK_ERR(vring_split_device_rewind(&r.device.as.split, first.handle), VRING_E_HANDLE);
    CHECK_OK(ring_get_avail(&r, &second));
}
