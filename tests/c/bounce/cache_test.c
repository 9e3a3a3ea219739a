/* SPDX-License-Identifier: MIT */
/*
 * A device that looks past the CPU's caches: it sees what was cleaned, and is seen where it was invalidated, in whole
 * lines. The window is what the CPU sees; beside it is what the device sees.
 */
#define BOUNCE_CACHE_HEADER "bounce/cache_watch.h"
#include "bounce/bounce.c"
#include "bounce/pool.c"

#include "rig.h"

enum { LINE = 128, SLOTS = 64, LIVE = 12 };

static unsigned char device[RIG_WINDOW_SIZE];

/* Since the last op_begins(): the bytes that were named, and the lines that were touched. */
static size_t named_from, named_to, touched_from, touched_to;
static unsigned calls;

static void op_begins(void)
{
    named_from = touched_from = SIZE_MAX;
    named_to = touched_to = 0;
    calls = 0;
}

/* The lines that bytes of the window lie in. */
static size_t lines(const void *start, size_t size, size_t *from)
{
    size_t at = (size_t)((const unsigned char *)start - rig_window), to = (at + size + LINE - 1) / LINE * LINE;

    *from = at / LINE * LINE;
    calls++;
    if (at < named_from)
        named_from = at;
    if (at + size > named_to)
        named_to = at + size;
    if (*from < touched_from)
        touched_from = *from;
    if (to > touched_to)
        touched_to = to;
    return to - *from;
}

void watch_clean(const void *start, size_t size)
{
    size_t from, bytes = lines(start, size, &from);

    memcpy(device + from, rig_window + from, bytes);
}

void watch_invalidate(const void *start, size_t size)
{
    size_t from, bytes = lines(start, size, &from);

    memcpy(rig_window + from, device + from, bytes);
}

static struct bounce_pool pool;

static size_t at(const struct bounce_mapping *mapping)
{
    return (size_t)((unsigned char *)mapping->data - rig_window);
}

/* The last call named no byte but these, and touched no line but those of the mapping. */
static int stayed_within(const struct bounce_mapping *mapping, size_t from, size_t size)
{
    size_t first = mapping->slot << pool.slot_shift, end = first + (mapping->slots << pool.slot_shift);

    return calls > 0 && named_from >= from && named_to <= from + size && touched_from >= first && touched_to <= end;
}

static void start(uint32_t slot_size, uint32_t flags)
{
    struct bounce_config config = rig_config(0x90000000, SLOTS);

    config.slot_size = slot_size;
    config.flags = flags;
    pool = rig_start(&config);
}

TEST(C306_ranges_are_exact_and_touch_no_line_of_a_neighbour)
{
    for (uint32_t slot_size = 256; slot_size <= 4096; slot_size *= 2) {
        struct bounce_mapping mapping, neighbour;
        size_t whole;

        start(slot_size, 0);
        CHECK_OK(rig_map(&pool, 0x4000000, 1, RIG_NO_MASKS, &neighbour));
        op_begins();
        CHECK_OK(rig_map(&pool, 0x4000013, slot_size + 100, (struct rig_masks){.min_align = 0xff}, &mapping));
        whole = (size_t)mapping.slots << pool.slot_shift;
        CHECK(stayed_within(&mapping, (size_t)mapping.slot << pool.slot_shift, whole));
        op_begins();
        CHECK_OK(bounce_sync_for_cpu(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 7, 90));
        CHECK(stayed_within(&mapping, at(&mapping) + 7, 90) && named_to - named_from == 90);
        op_begins();
        CHECK_OK(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 60, 3));
        CHECK(stayed_within(&mapping, at(&mapping) + 60, 3) && named_to - named_from == 3);
        op_begins();
        CHECK_OK(bounce_sync_for_device(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, 60, 0));
        CHECK_EQ(calls, 0);
        op_begins();
        CHECK_OK(rig_unmap(&pool, &mapping));
        CHECK(stayed_within(&mapping, (size_t)mapping.slot << pool.slot_shift, whole));
    }
}

/* One mapping in flight, and what its bytes must be when they come back. */
struct flight {
    struct bounce_mapping mapping;
    unsigned char original[3000], expected[3000];
};

static struct flight flights[LIVE];

static void begin(VTEST, struct flight *flight, uint64_t *seed)
{
    struct bounce_request request = rig_request(0x4000000 + rig_below(seed, 4096), 1 + rig_below(seed, 3000));

    request.orig = flight->original;
    request.direction = rig_below(seed, 2) ? BOUNCE_FROM_DEVICE : BOUNCE_BIDIRECTIONAL;
    request.min_align_mask = rig_below(seed, 2) ? 0xfff : 0;
    for (size_t i = 0; i < request.size; i++)
        flight->original[i] = flight->expected[i] = (unsigned char)rig_random(seed);
    if (bounce_map(&pool, &request, &flight->mapping) != 0)
        flight->mapping.handle = 0;
    else
        CHECK(memcmp(device + at(&flight->mapping), flight->original, request.size) == 0);
}

static void middle(VTEST, struct flight *flight, uint64_t *seed)
{
    const struct bounce_mapping *mapping = &flight->mapping;
    size_t offset = rig_below(seed, (uint32_t)mapping->size);
    size_t len = rig_below(seed, (uint32_t)(mapping->size - offset) + 1);

    switch (rig_below(seed, 3)) {
    case 0: /* the device writes: nobody sees it yet */
        for (size_t i = offset; i < offset + len; i++)
            device[at(mapping) + i] = flight->expected[i] = (unsigned char)rig_random(seed);
        break;
    case 1:
        CHECK_OK(bounce_sync_for_cpu(&pool, mapping->handle, mapping->direction, offset, len));
        CHECK(memcmp(flight->original + offset, flight->expected + offset, len) == 0);
        break;
    default: /* the CPU writes, and hands it over */
        if (mapping->direction != BOUNCE_BIDIRECTIONAL)
            break;
        for (size_t i = offset; i < offset + len; i++)
            flight->original[i] = flight->expected[i] = (unsigned char)rig_random(seed);
        CHECK_OK(bounce_sync_for_device(&pool, mapping->handle, mapping->direction, offset, len));
        CHECK(memcmp(device + at(mapping), flight->expected, mapping->size) == 0);
    }
}

static void end(VTEST, struct flight *flight)
{
    struct bounce_mapping *mapping = &flight->mapping;
    size_t first = mapping->slot << pool.slot_shift, bytes = mapping->slots << pool.slot_shift;

    CHECK_OK(bounce_unmap(&pool, mapping->handle, mapping->direction, BOUNCE_WHOLE));
    CHECK(memcmp(flight->original, flight->expected, mapping->size) == 0);
    for (size_t i = first; i < first + bytes; i++)
        CHECK_EQ(device[i], 0); /* scrubbed, as the device sees it */
    mapping->handle = 0;
}

TEST(C306_data_go_both_ways_past_a_cache_that_is_not_coherent)
{
    uint64_t seed = 30;

    memset(device, 0xee, sizeof(device));
    memset(flights, 0, sizeof(flights));
    start(256, 0);
    CHECK_EQ(device[SLOTS * 256 - 1], 0); /* the window was cleared for the device, too */
    for (uint32_t step = 0; step < RIG_ROUNDS(40000) && !vtest_this->failed; step++) {
        struct flight *flight = &flights[rig_below(&seed, LIVE)];
        if (flight->mapping.handle == 0)
            begin(VTEST_PASS, flight, &seed);
        else if (rig_below(&seed, 4) != 0)
            middle(VTEST_PASS, flight, &seed);
        else
            end(VTEST_PASS, flight);
    }
    CHECK(!rig_flaw(&pool));
}
