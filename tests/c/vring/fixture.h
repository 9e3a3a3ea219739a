/* SPDX-License-Identifier: MIT */
/*
 * One ring of either format in memory of exactly the size it needs, so that a sanitizer sees the first byte too many,
 * with a driver and a device on it. What a test allocated is freed by the next one that allocates.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <vring/vring.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtest.h"

enum {
    GUEST = 0x10000,       /* where the driver's memory lies in device addresses */
    GUEST_SIZE = 0x10000,
    READ_ONLY = 0x40000    /* a second region that the device must not write, far from the first */
};

/* The formats, for stories that hold in all. */
struct format {
    const char *name;
    uint64_t plain; /* features without what can be left out */
    uint64_t all;
};

static const struct format formats[] = {
    {"split", VRING_F_VERSION_1, VRING_F_VERSION_1 | VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC},
    {"packed", VRING_F_VERSION_1 | VRING_F_RING_PACKED,
     VRING_F_VERSION_1 | VRING_F_RING_PACKED | VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC},
    {"big-endian legacy split", 0, VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC},
};

/* What the tests of the split ring alone negotiate. */
static const uint64_t features_plain = VRING_F_VERSION_1;
static const uint64_t features_all = VRING_F_VERSION_1 | VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC;

/* A test told once and run for each of the first so many formats. */
#define RING_TEST_OF(count, test_name)                                                           \
    static void test_name##_in(struct vtest *vtest_this, const struct format *format);           \
    TEST(test_name)                                                                              \
    {                                                                                            \
        for (int i = 0; i < (count) && !vtest_this->failed; i++) {                               \
            test_name##_in(vtest_this, &formats[i]);                                             \
            if (vtest_this->failed)                                                              \
                printf("#   in a %s ring\n", formats[i].name);                                   \
        }                                                                                        \
    }                                                                                            \
    static void test_name##_in(struct vtest *vtest_this, const struct format *format)

#define RING_TEST(test_name) RING_TEST_OF(3, test_name)
#define MODERN_RING_TEST(test_name) RING_TEST_OF(2, test_name) /* of features that came with VERSION_1 */

/* The index from which a ring has so many entries to go until it wraps. */
static inline uint16_t index_before_wrap(const struct format *format, uint32_t size, uint32_t entries)
{
    if (!(format->all & VRING_F_RING_PACKED))
        return (uint16_t)(65536 - entries);
    return (uint16_t)((size - entries % size) % size | 0x8000);
}

struct ring {
    struct vring_driver driver;
    struct vring_device device;
    struct vring_driver_config driver_config;
    struct vring_device_config device_config;
    struct vring_split_areas layout; /* for packed, too: the sizes are what counts */
    struct vring_region regions[2];
    unsigned char *guest; /* GUEST_SIZE bytes at device address GUEST */
    struct vring_iov iov[64];
};

static void *fixture_memory[16];
static unsigned fixture_count;

static inline void fixture_free(void)
{
    while (fixture_count > 0)
        free(fixture_memory[--fixture_count]);
}

static inline void *fixture_alloc(size_t size)
{
    void *memory = NULL;

    if (fixture_count == sizeof fixture_memory / sizeof *fixture_memory || posix_memalign(&memory, 16, size))
        abort();
    memset(memory, 0xa5, size);
    fixture_memory[fixture_count++] = memory;
    return memory;
}

/* Configurations alone; nothing is initialised. */
static inline void ring_configure(struct ring *r, uint32_t size, uint64_t features, uint16_t index)
{
    fixture_free();
    memset(r, 0, sizeof *r);
    if (features & VRING_F_RING_PACKED) {
        struct vring_packed_areas packed = {0};

        vring_packed_layout(size, &packed);
        r->layout.desc_size = packed.desc_size;
        r->layout.driver_size = packed.driver_size;
        r->layout.device_size = packed.device_size;
    } else {
        vring_split_layout(size, 0, &r->layout);
    }

    r->driver_config.features = features;
    r->driver_config.size = size;
    r->driver_config.desc = fixture_alloc(r->layout.desc_size);
    r->driver_config.driver_area = fixture_alloc(r->layout.driver_size);
    r->driver_config.device_area = fixture_alloc(r->layout.device_size);
    r->driver_config.slots = (struct vring_slot *)fixture_alloc(size * sizeof(struct vring_slot));
    r->driver_config.slot_count = size;
    r->driver_config.index = index;
    r->driver_config.legacy_order = VRING_ORDER_BIG; /* of a ring without VERSION_1 */

    r->guest = (unsigned char *)fixture_alloc(GUEST_SIZE);
    r->regions[0].addr = GUEST;
    r->regions[0].size = GUEST_SIZE;
    r->regions[0].host = r->guest;
    r->regions[1].addr = READ_ONLY;
    r->regions[1].size = 0x1000;
    r->regions[1].host = fixture_alloc(0x1000);
    r->regions[1].flags = VRING_REGION_READ_ONLY;

    r->device_config.features = features;
    r->device_config.size = size;
    r->device_config.desc = r->driver_config.desc;
    r->device_config.driver_area = r->driver_config.driver_area;
    r->device_config.device_area = r->driver_config.device_area;
    r->device_config.heads = (struct vring_head *)fixture_alloc(size * sizeof(struct vring_head));
    r->device_config.head_count = size;
    r->device_config.regions = r->regions;
    r->device_config.region_count = 2;
    r->device_config.index = index;
    r->device_config.legacy_order = VRING_ORDER_BIG;
}

/* Both sides live. Returns 0 or the first error. */
static inline int ring_start(struct ring *r, uint32_t size, uint64_t features, uint16_t index)
{
    int error;

    ring_configure(r, size, features, index);
    error = vring_driver_init(&r->driver, &r->driver_config);
    return error ? error : vring_device_init(&r->device, &r->device_config);
}

/* The same on 4 GiB from address 0, as much as a buffer can be: named, never touched. */
static inline int ring_start_on_4g(struct ring *r, uint32_t size, uint64_t features)
{
    static unsigned char byte;
    int error;

    ring_configure(r, size, features, 0);
    r->regions[0].addr = 0;
    r->regions[0].size = (uint64_t)UINT32_MAX + (sizeof(void *) > 4);
    r->regions[0].host = sizeof(void *) > 4 ? (void *)&byte : (void *)(uintptr_t)1;
    r->device_config.region_count = 1;
    error = vring_driver_init(&r->driver, &r->driver_config);
    return error ? error : vring_device_init(&r->device, &r->device_config);
}

static inline int ring_get_avail(struct ring *r, struct vring_chain *chain)
{
    return vring_device_get_avail(&r->device, r->iov, 64, chain);
}

/* Offer one piece of len bytes at GUEST + offset, for the device to read or to write. */
static inline int ring_add(struct ring *r, uint32_t offset, uint32_t len, bool writable, uint64_t token)
{
    struct vring_segment segment = {GUEST + offset, len};

    return vring_driver_add_avail(&r->driver, &segment, !writable, writable, token);
}

/* --------------------------------------------------------------------------------------- a peer written by hand --- */

/* Wire integers, byte by byte, so that two wrongs cannot agree. VERSION_1: little-endian everywhere. */
static inline void put16(void *at, uint32_t v)
{
    unsigned char *bytes = (unsigned char *)at;

    bytes[0] = (unsigned char)v;
    bytes[1] = (unsigned char)(v >> 8);
}

static inline void put32(void *at, uint32_t v)
{
    put16(at, v & 0xffff);
    put16((unsigned char *)at + 2, v >> 16);
}

static inline void put64(void *at, uint64_t v)
{
    put32(at, (uint32_t)v);
    put32((unsigned char *)at + 4, (uint32_t)(v >> 32));
}

static inline uint16_t get16(const void *at)
{
    const unsigned char *bytes = (const unsigned char *)at;

    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t get32(const void *at)
{
    return get16(at) | (uint32_t)get16((const unsigned char *)at + 2) << 16;
}

static inline uint64_t get64(const void *at)
{
    return get32(at) | (uint64_t)get32((const unsigned char *)at + 4) << 32;
}

static inline unsigned char *desc_at(struct ring *r, uint32_t i)
{
    return (unsigned char *)r->driver_config.desc + 16 * (size_t)i;
}

static inline unsigned char *avail_at(struct ring *r, size_t offset)
{
    return (unsigned char *)r->driver_config.driver_area + offset;
}

static inline unsigned char *used_at(struct ring *r, size_t offset)
{
    return (unsigned char *)r->driver_config.device_area + offset;
}

static inline void raw_entry(void *at, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
    unsigned char *bytes = (unsigned char *)at;

    put64(bytes, addr);
    put32(bytes + 8, len);
    put16(bytes + 12, flags);
    put16(bytes + 14, next);
}

static inline void raw_desc(struct ring *r, uint32_t i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
    raw_entry(desc_at(r, i), addr, len, flags, next);
}

/* The driver offers head: next entry, then idx. */
static inline void raw_avail(struct ring *r, uint32_t head)
{
    uint16_t idx = get16(avail_at(r, 2));

    put16(avail_at(r, 4 + 2 * (size_t)(idx & (r->driver_config.size - 1))), head);
    put16(avail_at(r, 2), idx + 1u);
}

/* The device returns id with len: next element, then idx. */
static inline void raw_used(struct ring *r, uint32_t id, uint32_t len)
{
    uint16_t idx = get16(used_at(r, 2));
    unsigned char *elem = used_at(r, 4 + 8 * (size_t)(idx & (r->driver_config.size - 1)));

    put32(elem, id);
    put32(elem + 4, len);
    put16(used_at(r, 2), idx + 1u);
}

static inline unsigned char *avail_event_at(struct ring *r)
{
    return used_at(r, 4 + 8 * (size_t)r->driver_config.size);
}

static inline unsigned char *used_event_at(struct ring *r)
{
    return avail_at(r, 4 + 2 * (size_t)r->driver_config.size);
}

#endif
