/* SPDX-License-Identifier: MIT */
/*
 * The library on the HOOK accessors: every access to shared memory, in order. What is loaded, how often, what is
 * published when; and a peer that overwrites each word the moment it has been read.
 */
#include "restart.h"

#include "vring/access_hook.h"

enum kind { LOAD, STORE, FENCE };

struct access {
    enum kind kind;
    const unsigned char *at;
    size_t width;
    uint64_t value;
    enum vring_hook_order order;
};

static struct access trace[4096];
static unsigned traced;
static bool scribble; /* the peer changes its mind after every load */
static bool extend;   /* the peer appends to the chain whatever descriptor is read */
static void *rolled;  /* the peer takes this word back to 1 when it has been read */

static void record(enum kind kind, const void *at, size_t width, uint64_t value, enum vring_hook_order order)
{
    if (traced == sizeof trace / sizeof *trace)
        abort();
    trace[traced++] = (struct access){kind, (const unsigned char *)at, width, value, order};
}

static void append_to_chain(void);

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    uint64_t value = width == 8   ? *(const uint64_t *)p
                     : width == 4 ? *(const uint32_t *)p
                     : width == 2 ? *(const uint16_t *)p
                                  : *(const uint8_t *)p;

    record(LOAD, p, width, value, order);
    if (scribble)
        memset((void *)(uintptr_t)p, 0xff, width);
    if (extend)
        append_to_chain();
    if (p == rolled)
        put16(rolled, 1);
    return value;
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    record(STORE, p, width, v, order);
    if (width == 8)
        *(uint64_t *)p = v;
    else if (width == 4)
        *(uint32_t *)p = (uint32_t)v;
    else
        *(uint16_t *)p = (uint16_t)v;
}

void vring_hook_fence(void)
{
    record(FENCE, NULL, 0, 0, VRING_HOOK_RELAXED);
}

static struct ring r;

static bool inside(const struct access *a, const void *area, size_t size)
{
    const unsigned char *start = (const unsigned char *)area;

    return a->at >= start && a->at + a->width <= start + size;
}

static bool in_desc(const struct access *a)
{
    return inside(a, r.driver_config.desc, r.layout.desc_size);
}

static bool in_driver_area(const struct access *a)
{
    return inside(a, r.driver_config.driver_area, r.layout.driver_size);
}

static bool in_device_area(const struct access *a)
{
    return inside(a, r.driver_config.device_area, r.layout.device_size);
}

/* The word at an offset of an area is what this access is about. */
static bool is_at(const struct access *a, enum kind kind, const unsigned char *at)
{
    return a->kind == kind && a->at == at;
}

/* What holds of every operation of either side. */
static void judge_trace(VTEST)
{
    for (unsigned i = 0; i < traced; i++) {
        const struct access *a = &trace[i];

        if (a->kind == FENCE)
            continue;
        CHECK(in_desc(a) || in_driver_area(a) || in_device_area(a) || inside(a, r.guest, GUEST_SIZE));
        CHECK(((uintptr_t)a->at & (a->width - 1)) == 0 || inside(a, r.guest, GUEST_SIZE));
        if (a->kind == LOAD)
            for (unsigned j = 0; j < i; j++)
                CHECK(trace[j].kind != LOAD || trace[j].at + trace[j].width <= a->at ||
                      a->at + a->width <= trace[j].at);
    }
}

/*
 * What holds of the driver alone: it reads only what the device writes, and writes only what is its own. The packed
 * ring's descriptors are both's in turn.
 */
static void judge_driver(VTEST)
{
    judge_trace(VTEST_PASS);
    for (unsigned i = 0; i < traced; i++) {
        if (trace[i].kind == LOAD)
            CHECK(in_device_area(&trace[i]) || (r.driver.packed && in_desc(&trace[i])));
        if (trace[i].kind == STORE)
            CHECK(!in_device_area(&trace[i]));
    }
}

static void judge_device(VTEST)
{
    judge_trace(VTEST_PASS);
    for (unsigned i = 0; i < traced; i++) {
        if (trace[i].kind == LOAD)
            CHECK(!in_device_area(&trace[i]));
        if (trace[i].kind == STORE)
            CHECK(in_device_area(&trace[i]) || (r.device.packed && in_desc(&trace[i])));
    }
}

#define DRIVER(call) (traced = 0, vtest_result = (call), judge_driver(VTEST_PASS), vtest_result)
#define DEVICE(call) (traced = 0, vtest_result = (call), judge_device(VTEST_PASS), vtest_result)

static int vtest_result;

RING_TEST(V45_every_operation_loads_each_word_once_and_never_its_own)
{
    struct vring_segment segments[3] = {{GUEST, 16}, {GUEST + 64, 32}, {GUEST + 128, 8}};
    struct vring_table table = {NULL, GUEST + 0x1000, 16};
    struct vring_used_buffer used;
    struct vring_chain chain;

    for (int event_idx = 0; event_idx < 2; event_idx++) {
        CHECK_OK(ring_start(&r, 8, event_idx ? format->all : format->plain | VRING_F_INDIRECT_DESC,
                            index_before_wrap(format, 8, 2)));
        table.memory = r.guest + 0x1000;
        for (uint64_t i = 0; i < 20; i++) {
            CHECK_OK(DRIVER(vring_driver_add_avail(&r.driver, segments, 2, 1, i)));
            CHECK_OK(DRIVER(vring_driver_add_indirect(&r.driver, &table, segments, 2, 1, i)));
            CHECK_OK(DRIVER(vring_driver_add_avail(&r.driver, segments, 1, 0, i)));
            CHECK_OK(DRIVER(vring_driver_abort(&r.driver, NULL)));
            CHECK(DRIVER(vring_driver_publish(&r.driver)) >= 0);
            CHECK_EQ(DRIVER(vring_driver_enable_notify(&r.driver)), 0);
            CHECK_EQ(DRIVER(vring_driver_enable_notify_delayed(&r.driver)), 0);
            CHECK_OK(DEVICE(ring_get_avail(&r, &chain)));
            CHECK_OK(DEVICE(vring_device_rewind(&r.device, chain.handle)));
            CHECK_OK(DEVICE(ring_get_avail(&r, &chain)));
            CHECK_OK(DEVICE(vring_device_add_used(&r.device, chain.handle, 3)));
            CHECK_OK(DEVICE(ring_get_avail(&r, &chain)));
            CHECK_OK(DEVICE(vring_device_add_used(&r.device, chain.handle, 3)));
            CHECK(DEVICE(vring_device_publish(&r.device)) >= 0);
            CHECK_EQ(DEVICE(vring_device_enable_notify(&r.device)), 0);
            CHECK_OK(DEVICE(vring_device_disable_notify(&r.device)));
            CHECK_EQ(DRIVER(vring_driver_enable_notify(&r.driver)), 1);
            CHECK_OK(DRIVER(vring_driver_get_used(&r.driver, &used)));
            CHECK_OK(DRIVER(vring_driver_get_used(&r.driver, &used)));
            CHECK_ERR(DRIVER(vring_driver_get_used(&r.driver, &used)), VRING_E_EMPTY);
            CHECK_OK(DRIVER(vring_driver_disable_notify(&r.driver)));
        }
    }
}

/* Of buffers that are alike: one that is not ends a row, and is read anew by what takes it. */
RING_TEST(V45_batches_load_each_word_once_and_never_their_own)
{
    struct vring_segment segment = {GUEST, 16};
    struct vring_avail_buffer offers[4] = {
        {&segment, 1, 1, 0, NULL}, {&segment, 2, 1, 0, NULL}, {&segment, 3, 1, 0, NULL}, {&segment, 4, 1, 0, NULL}};
    struct vring_used_buffer used[5];
    struct vring_used_chain uses[4];
    struct vring_chain chains[5];
    struct vring_iov iov[16];
    uint32_t n;

    for (int in_order = 0; in_order < (format->plain ? 2 : 1); in_order++) { /* legacy rings have none */
        CHECK_OK(ring_start(&r, 8, format->plain | (in_order ? VRING_F_IN_ORDER : 0), index_before_wrap(format, 8, 2)));
        for (int round = 0; round < 20; round++) {
            CHECK_OK(DRIVER(vring_driver_add_avail_batch(&r.driver, offers, 4, &n)));
            CHECK_EQ(n, 4);
            CHECK(DRIVER(vring_driver_publish(&r.driver)) >= 0);
            CHECK_OK(DEVICE(vring_device_get_avail_batch(&r.device, iov, 16, chains, 5, &n)));
            CHECK_EQ(n, 4);
            for (unsigned i = 0; i < 4; i++)
                uses[i] = (struct vring_used_chain){chains[i].handle, (uint32_t)chains[i].writable};
            CHECK_OK(DEVICE(vring_device_add_used_batch(&r.device, uses, 4, &n)));
            CHECK(DEVICE(vring_device_publish(&r.device)) >= 0);
            CHECK_OK(DRIVER(vring_driver_get_used_batch(&r.driver, used, 5, &n)));
            CHECK_EQ(n, 4);
            for (unsigned i = 0; i < 4; i++)
                CHECK_EQ(used[i].token, i + 1);
        }
    }
}

/* The position in the trace of the first such access; traced if there is none. */
static unsigned find(enum kind kind, const unsigned char *at)
{
    for (unsigned i = 0; i < traced; i++)
        if (is_at(&trace[i], kind, at))
            return i;
    return traced;
}

TEST(V17_V18_C186_publish_avail_releases_then_fences_then_asks)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    traced = 0;
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, i));
    CHECK_EQ(find(STORE, avail_at(&r, 2)), traced); /* staging publishes nothing */
    CHECK_EQ(vring_driver_publish(&r.driver), 1);

    unsigned idx = find(STORE, avail_at(&r, 2));

    CHECK_EQ(trace[idx].value, PORT_BIG_ENDIAN ? 0x300 : 3);
    CHECK_EQ(trace[idx].order, VRING_HOOK_RELEASE);
    CHECK_EQ(trace[idx + 1].kind, FENCE);
    CHECK(is_at(&trace[idx + 2], LOAD, avail_event_at(&r)));
    CHECK_EQ(traced, idx + 3);
    for (unsigned i = 0; i < idx; i++)
        CHECK(trace[i].kind == STORE && (in_desc(&trace[i]) || in_driver_area(&trace[i])));
}

TEST(V46_V49_C077_C090_publish_used_releases_then_fences_then_asks)
{
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, features_plain, 0));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 0, 8, true, i));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    }
    traced = 0;
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_EQ(traced, 3);
    CHECK(is_at(&trace[0], STORE, used_at(&r, 2)));
    CHECK_EQ(trace[0].order, VRING_HOOK_RELEASE);
    CHECK_EQ(trace[1].kind, FENCE);
    CHECK(is_at(&trace[2], LOAD, avail_at(&r, 0)));
}

TEST(V4_V19_V32_V39_V53_C074_C193_wishes_are_fenced_and_indices_acquired)
{
    struct vring_used_buffer used;
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    traced = 0;
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK(is_at(&trace[0], LOAD, avail_at(&r, 2)));
    CHECK_EQ(trace[0].order, VRING_HOOK_ACQUIRE);
    CHECK_EQ(trace[0].width, 2);
    CHECK(is_at(&trace[1], LOAD, avail_at(&r, 4)));
    traced = 0;
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK(is_at(&trace[0], STORE, avail_event_at(&r)));
    CHECK_EQ(get16(avail_event_at(&r)), 1); /* where the device stopped, not what it has seen */
    CHECK_EQ(trace[1].kind, FENCE);
    CHECK(is_at(&trace[2], LOAD, avail_at(&r, 2)));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    traced = 0;
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK(is_at(&trace[0], LOAD, used_at(&r, 2)));
    CHECK_EQ(trace[0].order, VRING_HOOK_ACQUIRE);
    CHECK_EQ(trace[0].width, 2);
    CHECK(is_at(&trace[1], LOAD, used_at(&r, 4)));
    CHECK_EQ(trace[1].width, 4); /* an element is never 8-byte aligned: id and len are two loads */
    CHECK(is_at(&trace[2], LOAD, used_at(&r, 8)));
    traced = 0;
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
    CHECK(is_at(&trace[0], STORE, used_event_at(&r)));
    CHECK_EQ(trace[1].kind, FENCE);
    CHECK(is_at(&trace[2], LOAD, used_at(&r, 2)));
}

TEST(V108_what_has_not_changed_is_not_stored_again)
{
    struct vring_used_buffer used;
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 2, features_all, 0));
    for (uint64_t i = 0; i < 6; i++) {
        traced = 0;
        CHECK_OK(ring_add(&r, 0, 8, true, i));
        if (i >= 2)
            CHECK_EQ(find(STORE, avail_at(&r, 4 + 2 * (size_t)(i & 1))), traced);
        CHECK(vring_driver_publish(&r.driver) >= 0);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i);
    }
}

/*
 * Each word is overwritten right after it is read: whoever reads it again, or has it read for them later, sees garbage.
 */
RING_TEST(V103_C069_C070_C071_C109_C115_C140_C192_C194_a_peer_that_overwrites_what_was_read)
{
    struct vring_segment segments[3] = {{GUEST, 16}, {GUEST + 64, 32}, {GUEST + 128, 8}};
    struct vring_table table = {NULL, GUEST + 0x1000, 16};
    struct vring_used_buffer used;
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    table.memory = r.guest + 0x1000;
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, 2, 1, 1));
    CHECK_OK(vring_driver_add_indirect(&r.driver, &table, segments, 2, 1, 2));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    scribble = true;
    for (uint64_t i = 1; i <= 2; i++) {
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_EQ(chain.n_readable, 2);
        CHECK_EQ(chain.n_writable, 1);
        CHECK_EQ(chain.readable, 48);
        CHECK_EQ(chain.writable, 8);
        CHECK(r.iov[0].base == r.guest && r.iov[2].base == r.guest + 128);
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8));
    }
    scribble = false;
    CHECK_EQ(vring_device_publish(&r.device), 1);
    scribble = true;
    for (uint64_t i = 1; i <= 2; i++) {
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, i);
        CHECK_EQ(used.len, 8);
    }
    scribble = false;
}

/* Until add_used publishes nothing and get_used's caller has nothing: staging is invisible. */
TEST(add_used_publishes_nothing)
{
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(ring_get_avail(&r, &chain));
    traced = 0;
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    CHECK_EQ(find(STORE, used_at(&r, 2)), traced);
    CHECK_EQ(traced, 2);
}

TEST(V64_V82_C209_packed_publish_of_avail_stores_the_first_flags_last)
{
    struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 64, 32}};

    CHECK_OK(ring_start(&r, 8, formats[1].all, 7));
    traced = 0;
    for (uint64_t i = 0; i < 2; i++)
        CHECK_OK(vring_driver_add_avail(&r.driver, segments, 1, 1, i));
    for (unsigned i = 0; i < traced; i++)
        CHECK(trace[i].at != desc_at(&r, 7) + 14 && !(trace[i].at == desc_at(&r, 7) + 8 && trace[i].width == 8));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK(is_at(&trace[traced - 3], STORE, desc_at(&r, 7) + 14));
    CHECK_EQ(trace[traced - 3].order, VRING_HOOK_RELEASE);
    CHECK_EQ(trace[traced - 2].kind, FENCE);
    CHECK(is_at(&trace[traced - 1], LOAD, used_at(&r, 0)));
    CHECK_EQ(trace[traced - 1].width, 4);
}

TEST(V68_V69_V82_C129_C130_C137_packed_publish_of_used_stores_the_first_flags_last)
{
    struct vring_chain chains[3];

    CHECK_OK(ring_start(&r, 3, formats[1].all, 2));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(ring_add(&r, 0, 8, true, i));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (int i = 0; i < 3; i++)
        CHECK_OK(ring_get_avail(&r, &chains[i]));
    traced = 0;
    for (int i = 0; i < 3; i++)
        CHECK_OK(vring_device_add_used(&r.device, chains[i].handle, 1));
    for (unsigned i = 0; i < traced; i++)
        CHECK(trace[i].at != desc_at(&r, 2) + 14 && !(trace[i].at == desc_at(&r, 2) + 8 && trace[i].width == 8));
    traced = 0;
    CHECK_EQ(vring_device_publish(&r.device), 1);
    CHECK_EQ(traced, 3);
    CHECK(is_at(&trace[0], STORE, desc_at(&r, 2) + 14));
    CHECK_EQ(trace[0].order, VRING_HOOK_RELEASE);
    CHECK_EQ(trace[1].kind, FENCE);
    CHECK(is_at(&trace[2], LOAD, avail_at(&r, 0)));
    CHECK_EQ(trace[2].width, 4);
}

TEST(V61_V75_packed_wishes_are_fenced_and_flags_acquired)
{
    struct vring_used_buffer used;
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, formats[1].all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    traced = 0;
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK(is_at(&trace[0], LOAD, desc_at(&r, 0) + 14));
    CHECK_EQ(trace[0].order, VRING_HOOK_ACQUIRE);
    traced = 0;
    CHECK_EQ(vring_device_enable_notify(&r.device), 0);
    CHECK(is_at(&trace[0], STORE, used_at(&r, 0)));
    CHECK_EQ(trace[0].width, 4);
    CHECK_EQ(trace[1].kind, FENCE);
    CHECK(is_at(&trace[2], LOAD, desc_at(&r, 1) + 14));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 1));
    CHECK_EQ(vring_device_publish(&r.device), 1);
    traced = 0;
    CHECK_OK(vring_driver_get_used(&r.driver, &used));
    CHECK(is_at(&trace[0], LOAD, desc_at(&r, 0) + 14));
    CHECK_EQ(trace[0].order, VRING_HOOK_ACQUIRE);
    traced = 0;
    CHECK_EQ(vring_driver_enable_notify(&r.driver), 0);
    CHECK(is_at(&trace[0], STORE, avail_at(&r, 0)));
    CHECK_EQ(trace[1].kind, FENCE);
    CHECK(is_at(&trace[2], LOAD, desc_at(&r, 1) + 14));
}

TEST(V27_abort_takes_nothing_back_that_was_published)
{
    CHECK_OK(ring_start(&r, 8, features_all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    CHECK_OK(ring_add(&r, 0, 8, true, 2));
    traced = 0;
    CHECK_OK(vring_driver_abort(&r.driver, NULL));
    CHECK_EQ(vring_driver_publish(&r.driver), 0);
    CHECK_ERR(vring_driver_abort(&r.driver, NULL), VRING_E_STATE);
    CHECK_EQ(traced, 0);
}

/* What restore has judged of used.idx it does not look at again: it could have gone back behind a batch. */
TEST(C213_a_used_index_that_goes_back_while_a_driver_is_restored)
{
    struct vring_used_buffer used;
    uint32_t n;
    int bytes;

    CHECK_OK(in_a_batch(&r, VRING_USED_LEN_BREAK));
    bytes = vring_driver_save(&r.driver, state, STATE_MAX);
    CHECK(bytes > 0);
    rolled = used_at(&r, 2);
    CHECK_EQ(vring_driver_restore(&r.driver, &r.driver_config, state, (size_t)bytes), 1);
    CHECK_OK(vring_driver_get_used_run(&r.driver, &used, 16, &n));
    CHECK_EQ(n, 3);
    CHECK_ERR(vring_driver_get_used_run(&r.driver, &used, 16, &n), VRING_E_PEER_INDEX);
    rolled = NULL;
}

RING_TEST(C244_after_reset_nobody_touches_the_ring)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    uint64_t token;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 8, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 8));
    traced = 0;
    vring_device_reset(&r.device);
    vring_driver_reset(&r.driver);
    CHECK_ERR(vring_device_publish(&r.device), VRING_E_STATE);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_STATE);
    CHECK_ERR(vring_device_enable_notify(&r.device), VRING_E_STATE);
    CHECK_ERR(ring_add(&r, 0, 8, true, 1), VRING_E_STATE);
    CHECK_ERR(vring_driver_publish(&r.driver), VRING_E_STATE);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), VRING_E_STATE);
    CHECK_ERR(vring_driver_enable_notify(&r.driver), VRING_E_STATE);
    CHECK_OK(vring_driver_take_unused(&r.driver, &token));
    CHECK_EQ(traced, 0);
}

/* Every descriptor has a next by the time it is read. */
static void append_to_chain(void)
{
    for (uint32_t i = 0; i < 8; i++)
        raw_desc(&r, i, GUEST, 1, VRING_DESC_NEXT, (i + 1) % 8);
}

TEST(C072_a_chain_that_grows_while_it_is_walked)
{
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 8, features_all, 0));
    raw_desc(&r, 0, GUEST, 1, 0, 0);
    raw_avail(&r, 0);
    extend = true;
    traced = 0;
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_PEER_LOOP);
    extend = false;
    CHECK(traced <= 2 + 4 * 9); /* a descriptor is two accesses, or four on 32 bits */
}
