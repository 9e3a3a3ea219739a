/* SPDX-License-Identifier: MIT */
/*
 * A pool of any geometry, its users, and a device that writes wherever it likes in the window. Mirrors of the window
 * and of the originals are told what each call may change; after every call both must be the same to the byte: nothing
 * is written beside an original, nothing of earlier data is left to be seen. Besides:
 *
 *   - live mappings share no slot, cross no boundary, and have the bits of address and alignment that were asked for;
 *   - what bounce_can_map() says is what an empty pool does;
 *   - handles that are stale, forged, or used in the wrong direction are refused, and nothing has changed;
 *   - bounce_verify() finds no flaw, counts add up, and what is unmapped to the end leaves an empty pool.
 */
#include <bounce/bounce.h>

#include <string.h>

#include "fuzz.h"

enum {
    SLOT = 256,
    SLOTS_MAX = 96,
    ORIGINALS = 4096,
    LIVE_MAX = 24
};

static struct {
    struct bounce_pool pool;
    struct bounce_config config;
    size_t window_size;
    unsigned char *window, *window_mirror;
    unsigned char *orig, *orig_mirror;
    uint64_t orig_addr; /* of the first original, in the numbering that alignments mean */
    struct {
        struct bounce_mapping mapping;
        struct bounce_request request;
        bool reserved;
    } live[LIVE_MAX];
    unsigned n_live;
    bounce_handle dead; /* of a mapping that has ended */
} w;

static bool keeps(uint32_t flag)
{
    return (w.config.flags & flag) != 0;
}

static size_t at(const struct bounce_mapping *mapping)
{
    return (size_t)((unsigned char *)mapping->data - w.window);
}

static void compare(void)
{
    struct bounce_flaw flaw;
    struct bounce_counts counts;
    uint64_t used = 0;

    PROMISE(memcmp(w.window, w.window_mirror, w.window_size) == 0);
    PROMISE(memcmp(w.orig, w.orig_mirror, ORIGINALS) == 0);
    PROMISE(bounce_verify(&w.pool, &flaw) == 0);
    PROMISE(bounce_usage(&w.pool, &counts) == 0);
    for (unsigned i = 0; i < w.n_live; i++)
        used += w.live[i].mapping.slots;
    PROMISE(counts.used == used && counts.mappings == w.n_live && counts.slots == w.config.slots);
    PROMISE(counts.high_water >= used && counts.longest_run <= counts.slots - used);
}

/* A new mapping, which must be as the request had it. */
static void judge(const struct bounce_mapping *mapping, const struct bounce_request *request)
{
    size_t slot_size = w.config.slot_size;
    uint64_t start = w.config.window_addr + mapping->slot * (uint64_t)slot_size;
    uint64_t end = start + mapping->slots * (uint64_t)slot_size;
    uint32_t segment = w.config.segment_slots;

    PROMISE(mapping->size == request->size && mapping->owner == request->owner && mapping->handle != 0);
    PROMISE(mapping->slot + mapping->slots <= w.config.slots);
    PROMISE(mapping->slot / segment == (mapping->slot + mapping->slots - 1) / segment);
    PROMISE(mapping->addr - w.config.window_addr == at(mapping));
    PROMISE(mapping->addr >= start && mapping->addr + mapping->size <= end);
    PROMISE((mapping->addr - start) / slot_size == mapping->pad_slots);
    PROMISE((start & request->alloc_align_mask) == 0);
    PROMISE(((mapping->addr ^ request->orig_addr) & request->min_align_mask) == 0);
    PROMISE(request->boundary_mask == 0 ||
            start / (request->boundary_mask + 1) == (end - 1) / (request->boundary_mask + 1));
    PROMISE(request->limit == 0 || mapping->addr + mapping->size - 1 <= request->limit);
    for (unsigned i = 0; i < w.n_live; i++) {
        const struct bounce_mapping *other = &w.live[i].mapping;

        PROMISE(mapping->slot + mapping->slots <= other->slot || other->slot + other->slots <= mapping->slot);
        PROMISE(mapping->handle != other->handle);
    }
}

static void mirror_allocation(const struct bounce_mapping *mapping, bool clear_all)
{
    size_t start = mapping->slot * (size_t)w.config.slot_size, data = at(mapping);
    size_t end = start + mapping->slots * (size_t)w.config.slot_size;

    if (clear_all || !keeps(BOUNCE_KEEP_PADDING)) {
        memset(w.window_mirror + start, 0, data - start);
        memset(w.window_mirror + data + mapping->size, 0, end - data - mapping->size);
    }
    if (clear_all)
        memset(w.window_mirror + data, 0, mapping->size);
}

static void end(unsigned i, size_t written)
{
    struct bounce_mapping mapping = w.live[i].mapping;
    bool to_device = mapping.direction == BOUNCE_TO_DEVICE;
    int answer = mapping.coherent ? bounce_free(&w.pool, mapping.handle)
                                  : bounce_unmap(&w.pool, mapping.handle, mapping.direction, written);

    if (!mapping.coherent && written != BOUNCE_WHOLE && written > mapping.size) {
        PROMISE(answer == BOUNCE_E_RANGE);
        return;
    }
    PROMISE(answer == 0);
    if (!mapping.coherent && !to_device && !w.live[i].reserved)
        memcpy(w.orig_mirror + ((unsigned char *)w.live[i].request.orig - w.orig), w.window_mirror + at(&mapping),
               written < mapping.size ? written : mapping.size);
    if (!keeps(BOUNCE_KEEP_CONTENTS))
        mirror_allocation(&mapping, true);
    w.dead = mapping.handle;
    w.live[i] = w.live[--w.n_live];
}

static uint64_t draw_mask(struct input *input)
{
    return (UINT64_C(1) << (take_below(input, 2) ? 0 : take_below(input, 14))) - 1;
}

static void map(struct input *input, bool reserve)
{
    size_t offset = take_below(input, 4) ? (size_t)take(input) * 7 + take(input) : 0;
    struct bounce_request request = {
        .orig = w.orig + offset,
        .orig_addr = w.orig_addr + offset,
        .size = 1 + ((size_t)take(input) * take_below(input, 9)) % (ORIGINALS - offset),
        .direction = (enum bounce_direction)(1 + take_below(input, 3)),
        .alloc_align_mask = draw_mask(input),
        .min_align_mask = draw_mask(input),
        .boundary_mask = draw_mask(input),
        .limit = take_below(input, 4) ? 0 : w.config.window_addr + take(input) * 64u,
        .area = take(input),
        .owner = take(input),
    };
    struct bounce_mapping mapping;
    int possible = bounce_can_map(&w.pool, &request);
    int answer = reserve ? bounce_reserve(&w.pool, &request, &mapping) : bounce_map(&w.pool, &request, &mapping);

    PROMISE(possible == 0 || answer == possible);
    PROMISE(possible != 0 || answer == 0 || w.n_live > 0);
    if (answer != 0) {
        PROMISE(answer != BOUNCE_E_BUSY && answer != BOUNCE_E_CORRUPT);
        return;
    }
    judge(&mapping, &request);
    mirror_allocation(&mapping, reserve); /* what is only reserved shows nothing */
    if (!reserve)
        memcpy(w.window_mirror + at(&mapping), request.orig, request.size);
    w.live[w.n_live].request = request;
    w.live[w.n_live].reserved = reserve;
    w.live[w.n_live++].mapping = mapping;
    if (w.n_live == LIVE_MAX) /* no more than are looked after here */
        end(LIVE_MAX - 1, 0);
}

static void coherent(struct input *input)
{
    struct bounce_mapping mapping;
    struct bounce_request none = {.size = 1 + take(input) * (size_t)take_below(input, 9), .owner = 7};

    if (w.n_live + 1 == LIVE_MAX || bounce_alloc(&w.pool, none.size, take(input), none.owner, &mapping) != 0)
        return;
    judge(&mapping, &none);
    PROMISE(mapping.coherent && mapping.data == w.window + mapping.slot * (size_t)w.config.slot_size);
    for (uint64_t unit = w.config.page_size; unit / 2 < none.size; unit *= 2)
        PROMISE(mapping.addr % unit == 0); /* to a power of two of pages that it fits */
    mirror_allocation(&mapping, true);
    w.live[w.n_live].request = none;
    w.live[w.n_live].reserved = false;
    w.live[w.n_live++].mapping = mapping;
}

static void commit(struct input *input)
{
    for (unsigned i = 0; i < w.n_live; i++) {
        struct bounce_mapping *mapping = &w.live[i].mapping;
        int answer;

        if (!w.live[i].reserved)
            continue;
        answer = bounce_commit(&w.pool, mapping->handle, mapping->direction, w.live[i].request.orig);
        PROMISE(answer == 0);
        mirror_allocation(mapping, false);
        memcpy(w.window_mirror + at(mapping), w.live[i].request.orig, mapping->size);
        w.live[i].reserved = false;
        if (take_below(input, 2))
            return;
    }
}

static void sync(struct input *input, bool for_cpu)
{
    if (w.n_live == 0)
        return;

    unsigned i = take_below(input, w.n_live);
    struct bounce_mapping *mapping = &w.live[i].mapping;
    size_t offset = take(input) * (size_t)take_below(input, 5), len = take(input) * (size_t)take_below(input, 5);
    size_t orig = w.live[i].request.orig ? (size_t)((unsigned char *)w.live[i].request.orig - w.orig) : 0;
    int answer = for_cpu ? bounce_sync_for_cpu(&w.pool, mapping->handle, mapping->direction, offset, len)
                         : bounce_sync_for_device(&w.pool, mapping->handle, mapping->direction, offset, len);

    if (mapping->coherent || w.live[i].reserved) {
        PROMISE(answer == BOUNCE_E_HANDLE);
    } else if (offset > mapping->size || len > mapping->size - offset) {
        PROMISE(answer == BOUNCE_E_RANGE);
    } else {
        PROMISE(answer == 0);
        if (for_cpu && mapping->direction != BOUNCE_TO_DEVICE)
            memcpy(w.orig_mirror + orig + offset, w.window_mirror + at(mapping) + offset, len);
        if (!for_cpu && mapping->direction != BOUNCE_FROM_DEVICE)
            memcpy(w.window_mirror + at(mapping) + offset, w.orig_mirror + orig + offset, len);
    }
}

/* Nothing of this may change anything. */
static void misuse(struct input *input)
{
    bounce_handle forged = (uint64_t)take_word(input) << 32 | take_word(input);

    for (unsigned i = 0; i < w.n_live; i++)
        if (w.live[i].mapping.handle == forged || w.live[i].mapping.handle == w.dead)
            return;
    PROMISE(bounce_unmap(&w.pool, forged, BOUNCE_TO_DEVICE, 0) == BOUNCE_E_HANDLE);
    PROMISE(bounce_free(&w.pool, forged) == BOUNCE_E_HANDLE);
    PROMISE(bounce_unmap(&w.pool, w.dead, BOUNCE_BIDIRECTIONAL, BOUNCE_WHOLE) == BOUNCE_E_HANDLE);
    PROMISE(bounce_sync_for_cpu(&w.pool, w.dead, BOUNCE_BIDIRECTIONAL, 0, 1) == BOUNCE_E_HANDLE);
    if (w.n_live > 0) {
        const struct bounce_mapping *mapping = &w.live[take_below(input, w.n_live)].mapping;
        enum bounce_direction other = mapping->direction == BOUNCE_TO_DEVICE ? BOUNCE_FROM_DEVICE : BOUNCE_TO_DEVICE;

        PROMISE(bounce_unmap(&w.pool, mapping->handle, other, 0) ==
                (mapping->coherent ? BOUNCE_E_HANDLE : BOUNCE_E_DIRECTION));
    }
}

/* The device, or the owner of an original, writes. */
static void scribble(struct input *input, bool window)
{
    size_t size = window ? w.window_size : ORIGINALS;
    size_t offset = take_word(input) % size, len = take(input);
    unsigned char *memory = window ? w.window : w.orig, *mirror = window ? w.window_mirror : w.orig_mirror;

    len = len < size - offset ? len : size - offset;
    memset(memory + offset, take(input), len);
    memcpy(mirror + offset, memory + offset, len);
}

static void *allocate(size_t size, size_t align)
{
    void *memory = NULL;

    if (posix_memalign(&memory, align, size))
        abort();
    memset(memory, 0x5a, size);
    return memory;
}

static void start(struct input *input)
{
    struct bounce_config *config = &w.config;

    memset(&w, 0, sizeof w);
    config->slot_size = (uint32_t)SLOT << take_below(input, 2);
    config->segment_slots = 4u << take_below(input, 4);
    config->page_size = config->slot_size << take_below(input, 3);
    config->slots = 1 + take_below(input, SLOTS_MAX);
    config->areas = 1u << take_below(input, 3);
    while (config->areas > 1 && config->slots / config->segment_slots < config->areas)
        config->areas /= 2;
    config->mappings = take_below(input, 3) ? 0 : 1 + take_below(input, 12);
    config->flags = take_below(input, 8);
    config->window_addr = (uint64_t)take_word(input) * config->slot_size;
    config->seed = take_word(input);
    config->cursor = take_below(input, config->slots < config->segment_slots ? config->slots : config->segment_slots);
    PROMISE(bounce_meta_size(config, &config->meta_size) == 0);
    config->meta = allocate(config->meta_size, 8);
    w.window_size = config->slots * (size_t)config->slot_size;
    config->window = w.window = (unsigned char *)allocate(w.window_size, 4096);
    w.window_mirror = (unsigned char *)allocate(w.window_size, 4096);
    memset(w.window_mirror, 0, w.window_size);
    w.orig_addr = take_below(input, 2) ? 0x7000 : 0;
    w.orig = (unsigned char *)allocate(ORIGINALS, 16);
    w.orig_mirror = (unsigned char *)allocate(ORIGINALS, 16);

    int answer = bounce_init(&w.pool, config);

    PROMISE(answer == 0 || answer == BOUNCE_E_GEOMETRY || answer == BOUNCE_E_ALIGN || answer == BOUNCE_E_ADDR);
    if (answer != 0)
        w.config.slots = 0;
}

static void act(struct input *input)
{
    switch (take_below(input, 14)) {
    case 0: case 1: case 2: map(input, false); break;
    case 3: map(input, true); break;
    case 4: commit(input); break;
    case 5: coherent(input); break;
    case 6: case 7:
        if (w.n_live > 0)
            end(take_below(input, w.n_live), take_below(input, 2) ? BOUNCE_WHOLE : take(input));
        break;
    case 8: sync(input, true); break;
    case 9: sync(input, false); break;
    case 10: misuse(input); break;
    case 11: scribble(input, true); break;
    case 12: scribble(input, false); break;
    default: PROMISE(bounce_reset_high_water(&w.pool) == 0); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    start(&input);
    if (w.config.slots > 0) {
        compare();
        while (input.left > 0) {
            act(&input);
            compare();
        }
        PROMISE(bounce_fini(&w.pool) == (w.n_live > 0 ? BOUNCE_E_BUSY : 0));
        while (w.n_live > 0) {
            end(0, 0);
            compare();
        }
        (void)bounce_fini(&w.pool);
    }
    free(w.config.meta);
    free(w.window);
    free(w.window_mirror);
    free(w.orig);
    free(w.orig_mirror);
    return 0;
}
