/* SPDX-License-Identifier: MIT */
/*
 * Memory that is not what it seems: caches that nobody keeps coherent, pages that are being migrated, addresses that an
 * IOMMU has not translated yet. Built with access_memory.h, which tells of every access.
 */
#include "fixture.h"

/* --------------------------------------------------------------------------------------------- who is listening --- */

void memory_is_loaded(const void *p, size_t bytes);
void memory_was_stored(void *p, size_t bytes);

enum { AREA = 4096, DIRTY_MAX = 4096 };

/* The driver's cache over the memory that the device sees; both in halves: what each side writes alone is apart. */
static struct {
    bool on;
    bool forget_to_invalidate, forget_to_clean;
    unsigned char *cached, *ram;
    size_t widest;
} cache;

static struct {
    bool on;
    struct {
        unsigned char *p;
        size_t bytes;
    } stores[DIRTY_MAX];
    unsigned n;
} dirty;

static bool in_cache(const void *p)
{
    return cache.on && (uintptr_t)p - (uintptr_t)cache.cached < AREA;
}

void memory_is_loaded(const void *p, size_t bytes)
{
    if (in_cache(p) && !cache.forget_to_invalidate)
        memcpy((void *)(uintptr_t)p, cache.ram + ((uintptr_t)p - (uintptr_t)cache.cached), bytes);
}

void memory_was_stored(void *p, size_t bytes)
{
    if (in_cache(p)) {
        if (bytes > cache.widest)
            cache.widest = bytes;
        if (!cache.forget_to_clean)
            memcpy(cache.ram + ((uintptr_t)p - (uintptr_t)cache.cached), p, bytes);
    }
    if (dirty.on && dirty.n < DIRTY_MAX) {
        dirty.stores[dirty.n].p = (unsigned char *)p;
        dirty.stores[dirty.n++].bytes = bytes;
    }
}

/* ------------------------------------------------------------------------------------------------------- caches --- */

/* The driver works in a cache, the device in memory. Returns how many of 100 buffers made it there and back. */
static int rounds_over_a_cache(const struct format *format, struct ring *r)
{
    unsigned char *table;
    int done = 0;

    ring_configure(r, 8, format->all, index_before_wrap(format, 8, 3));
    cache.cached = (unsigned char *)fixture_alloc(AREA);
    cache.ram = (unsigned char *)fixture_alloc(AREA);
    cache.widest = 0;
    memset(cache.cached, 0xee, AREA); /* whatever was there before: never to be believed */
    r->driver_config.desc = cache.cached;
    r->driver_config.driver_area = cache.cached + 1024;
    r->driver_config.device_area = cache.cached + 2048;
    r->device_config.desc = cache.ram;
    r->device_config.driver_area = cache.ram + 1024;
    r->device_config.device_area = cache.ram + 2048;
    table = cache.cached + 3072;
    r->regions[0].host = cache.ram; /* the guest's memory is the same memory, tables and all */
    r->regions[0].size = AREA;
    r->guest = cache.ram;
    if (vring_driver_init(&r->driver, &r->driver_config) != 0 || vring_device_init(&r->device, &r->device_config) != 0)
        return -1;
    for (uint64_t i = 0; i < 100; i++) {
        struct vring_segment segments[2] = {{GUEST + 3500, 8}, {GUEST + 3600, 16}};
        struct vring_table memory = {table, GUEST + 3072, 2};
        struct vring_used_buffer used;
        struct vring_chain chain;
        int error = i & 1 ? vring_driver_add_indirect(&r->driver, &memory, segments, 1, 1, i)
                          : vring_driver_add_avail(&r->driver, segments, 1, 1, i);

        if (error || vring_driver_publish(&r->driver) < 0)
            return done;
        if (vring_device_get_avail(&r->device, r->iov, 64, &chain) != 0 || chain.readable != 8 || chain.writable != 16)
            return done;
        if (vring_device_add_used(&r->device, chain.handle, 16) != 0 || vring_device_publish(&r->device) < 0)
            return done;
        if (vring_driver_get_used(&r->driver, &used) != 0 || used.token != i || used.len != 16)
            return done;
        if (vring_driver_enable_notify(&r->driver) != 0 || vring_device_enable_notify(&r->device) != 0)
            return done;
        done++;
    }
    return done;
}

RING_TEST(V107_C199_a_cache_cleaned_after_each_store_and_invalidated_before_each_load_is_enough)
{
    static struct ring r;

    memset(&cache, 0, sizeof cache);
    cache.on = true;
    CHECK_EQ(rounds_over_a_cache(format, &r), 100);
    CHECK(cache.widest <= 8); /* exactly what was stored, no line around it */
    cache.on = false;
}

/* The control: each half of the work left out is noticed. */
RING_TEST(V107_C199_a_cache_that_is_not_cleaned_or_not_invalidated_is_noticed)
{
    static struct ring r;

    memset(&cache, 0, sizeof cache);
    cache.on = cache.forget_to_clean = true;
    CHECK(rounds_over_a_cache(format, &r) < 100);
    memset(&cache, 0, sizeof cache);
    cache.on = cache.forget_to_invalidate = true;
    CHECK(rounds_over_a_cache(format, &r) < 100);
    cache.on = false;
}

/* ------------------------------------------------------------------------------------------------------ the log --- */

static bool is_logged(const unsigned char *p)
{
    for (unsigned i = 0; i < dirty.n; i++)
        if ((uintptr_t)p - (uintptr_t)dirty.stores[i].p < dirty.stores[i].bytes)
            return true;
    return false;
}

RING_TEST(C221_every_byte_that_a_device_writes_is_logged_and_none_beside_the_ring)
{
    static unsigned char before[3][1024];
    static struct ring r;

    CHECK_OK(ring_start(&r, 8, format->all, index_before_wrap(format, 8, 3)));
    dirty.on = true;
    for (uint64_t i = 0; i < 40; i++) {
        unsigned char *areas[3] = {(unsigned char *)r.device_config.desc, (unsigned char *)r.device_config.driver_area,
                                   (unsigned char *)r.device_config.device_area};
        size_t sizes[3] = {r.layout.desc_size, r.layout.driver_size, r.layout.device_size};
        struct vring_used_buffer used;
        struct vring_chain chain;

        CHECK_OK(ring_add(&r, 0, 16, true, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        dirty.n = 0;
        for (int a = 0; a < 3; a++)
            memcpy(before[a], areas[a], sizes[a]);
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 16));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_device_enable_notify(&r.device));
        CHECK(dirty.n > 0 && dirty.n < DIRTY_MAX);
        for (int a = 0; a < 3; a++)
            for (size_t at = 0; at < sizes[a]; at++)
                CHECK(areas[a][at] == before[a][at] || is_logged(areas[a] + at));
        for (unsigned s = 0; s < dirty.n; s++) {
            bool inside = false;

            for (int a = 0; a < 3; a++)
                inside |= (uintptr_t)dirty.stores[s].p - (uintptr_t)areas[a] < sizes[a] &&
                          (uintptr_t)dirty.stores[s].p - (uintptr_t)areas[a] + dirty.stores[s].bytes <= sizes[a];
            CHECK(inside);
        }
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
    }
    dirty.on = false;
}

/* ------------------------------------------------------------------------------------------------- translations --- */

/*
 * Each address is missing at first, piece by piece and the table, too; each is asked for once, and then the buffer
 * comes.
 */
RING_TEST(C029_an_address_that_is_missing_is_asked_for_and_the_buffer_taken_later)
{
    static struct ring r;
    struct vring_region table[4];
    struct vring_segment segments[2] = {{GUEST + 0xff8, 16}, {GUEST + 0x3000, 32}};
    struct vring_table memory;
    uint32_t known = 0;
    int misses = 0;
    struct vring_chain chain;
    int answer;

    ring_configure(&r, 4, format->all, 0);
    r.device_config.region_count = 0;
    r.device_config.regions_may_miss = true;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    memory.memory = r.guest + 0x5000;
    memory.addr = GUEST + 0x5000;
    memory.entries = 2;
    CHECK_OK(vring_driver_add_indirect(&r.driver, &memory, segments, 1, 1, 5));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    while ((answer = ring_get_avail(&r, &chain)) == VRING_E_MISS) {
        uint64_t page = chain.missing & ~UINT64_C(0xfff);
        struct vring_region wanted = {page, 0x1000, r.guest + (page - GUEST), 0};
        uint32_t at = known;

        CHECK(++misses <= 4);
        CHECK_EQ(vring_device_in_flight(&r.device), 0);
        CHECK_ERR(vring_device_peek(&r.device, r.iov, 64, &chain), VRING_E_MISS);
        for (; at > 0 && table[at - 1].addr > page; at--)
            table[at] = table[at - 1];
        table[at] = wanted;
        CHECK_OK(vring_device_set_regions(&r.device, table, ++known));
    }
    CHECK_OK(answer);
    CHECK_EQ(misses, 4); /* the table, two pages of the first piece, one of the second */
    CHECK_EQ(chain.n_readable, 2);
    CHECK_EQ(chain.readable, 16);
    CHECK_EQ(chain.writable, 32);
    CHECK(r.iov[2].base == r.guest + 0x3000);

    /* While it is in flight its pages stay; others may come. */
    struct vring_region more[5] = {table[0], table[1], table[2], table[3], {READ_ONLY, 16, r.guest, 0}};

    CHECK_ERR(vring_device_set_regions(&r.device, table, 3), VRING_E_STATE);
    more[1].host = r.guest;
    CHECK_ERR(vring_device_set_regions(&r.device, more, 5), VRING_E_STATE);
    more[1] = table[1];
    more[1].flags = VRING_REGION_READ_ONLY;
    CHECK_ERR(vring_device_set_regions(&r.device, more, 5), VRING_E_STATE);
    more[1] = table[1];
    CHECK_OK(vring_device_set_regions(&r.device, more, 5));
    CHECK_OK(vring_device_add_used(&r.device, chain.handle, 32));
    CHECK_OK(vring_device_set_regions(&r.device, table, 1));
    more[4].size = 0;
    CHECK_ERR(vring_device_set_regions(&r.device, more, 5), VRING_E_ADDR);
    CHECK_ERR(vring_device_set_regions(NULL, more, 5), VRING_E_NULL);
    CHECK_ERR(vring_device_set_regions(&r.device, NULL, 5), VRING_E_NULL);
    vring_device_reset(&r.device);
    CHECK_ERR(vring_device_set_regions(&r.device, table, 1), VRING_E_STATE);
}

RING_TEST(C029_the_end_of_the_address_space_can_be_missing_and_a_read_only_region_is_not)
{
    static struct ring r;
    struct vring_segment segment = {UINT64_MAX - 7, 8};
    struct vring_chain chain;

    ring_configure(&r, 4, format->all, 0);
    r.device_config.regions_may_miss = true;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(vring_driver_add_avail(&r.driver, &segment, 1, 0, 5));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_MISS);
    CHECK(chain.missing == UINT64_MAX - 7);

    /* A read-only region is known, and not missing. */
    struct vring_segment read_only = {READ_ONLY, 8};

    ring_configure(&r, 4, format->all, 0);
    r.device_config.regions_may_miss = true;
    CHECK_OK(vring_driver_init(&r.driver, &r.driver_config));
    CHECK_OK(vring_device_init(&r.device, &r.device_config));
    CHECK_OK(vring_driver_add_avail(&r.driver, &read_only, 0, 1, 5));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_ERR(ring_get_avail(&r, &chain), VRING_E_CHAIN_ADDR);
}
