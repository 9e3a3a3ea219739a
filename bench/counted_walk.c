/* SPDX-License-Identifier: MIT */
#include "counted_walk.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SLOT = 2048, SEGMENT = 128, PAGE = 4096 };

/* What is kept of a slot; 24 bytes. */
struct slot {
    uint64_t orig;
    size_t bytes;   /* from here to the end of the allocation */
    uint16_t free;  /* slots from here on, within the segment; 0: used */
    uint16_t padding;
};

struct counted_walk {
    atomic_uint lock;
    uint32_t slots, cursor, used;
    atomic_ulong total_used, high_water;
    struct slot *slot;
};

struct counted_walk *counted_walk_new(uint32_t slots)
{
    struct counted_walk *walk = calloc(1, sizeof *walk);

    if (walk)
        walk->slot = calloc(slots, sizeof *walk->slot);
    if (!walk || !walk->slot) {
        free(walk);
        return NULL;
    }
    walk->slots = slots;
    for (uint32_t i = 0; i < slots; i++)
        walk->slot[i].free = (uint16_t)(SEGMENT - i % SEGMENT);
    return walk;
}

void counted_walk_delete(struct counted_walk *walk)
{
    free(walk->slot);
    free(walk);
}

static void take_lock(struct counted_walk *walk)
{
    while (atomic_exchange_explicit(&walk->lock, 1, memory_order_acquire)) {
    }
}

static void give_lock(struct counted_walk *walk)
{
    atomic_store_explicit(&walk->lock, 0, memory_order_release);
}

/* The run of free slots that ends before slot has `after` free slots behind it now. */
static void count_back(struct counted_walk *walk, uint32_t slot, uint16_t after)
{
    while (slot % SEGMENT != 0 && walk->slot[slot - 1].free != 0)
        walk->slot[--slot].free = ++after;
}

static void take(struct counted_walk *walk, uint32_t slot, uint32_t n, const void *orig, size_t size)
{
    unsigned long used, high;

    for (uint32_t i = 0; i < n; i++) {
        walk->slot[slot + i].free = 0;
        walk->slot[slot + i].bytes = size - (size_t)i * SLOT;
        walk->slot[slot + i].orig = (uintptr_t)orig + (uint64_t)i * SLOT;
    }
    count_back(walk, slot, 0);
    walk->cursor = slot + n < walk->slots ? slot + n : 0;
    walk->used += n;
    used = atomic_fetch_add_explicit(&walk->total_used, n, memory_order_relaxed) + n;
    high = atomic_load_explicit(&walk->high_water, memory_order_relaxed);
    while (used > high && !atomic_compare_exchange_weak(&walk->high_water, &high, used)) {
    }
}

void counted_walk_set_used(struct counted_walk *walk, uint32_t slot)
{
    uint32_t cursor = walk->cursor;

    take(walk, slot, 1, NULL, SLOT);
    walk->cursor = cursor;
}

uint32_t counted_walk_map(struct counted_walk *walk, const void *orig, size_t size)
{
    uint32_t n = (uint32_t)((size + SLOT - 1) / SLOT), stride = size >= PAGE ? PAGE / SLOT : 1, slot, checked;

    take_lock(walk);
    slot = walk->cursor;
    if (n > walk->slots - walk->used) {
        give_lock(walk);
        return COUNTED_WALK_NONE;
    }
    for (checked = 0; checked < walk->slots;) {
        uint32_t step = stride;
        if (slot % stride != 0)
            step = 1;
        else if (walk->slot[slot].free >= n)
            break;
        slot = slot + step < walk->slots ? slot + step : 0;
        checked += step;
    }
    if (checked < walk->slots)
        take(walk, slot, n, orig, size);
    else
        slot = COUNTED_WALK_NONE;
    give_lock(walk);
    return slot;
}

void counted_walk_unmap(struct counted_walk *walk, uint32_t slot)
{
    uint32_t n = (uint32_t)((walk->slot[slot].bytes + SLOT - 1) / SLOT), end = slot + n;
    uint16_t after;

    take_lock(walk);
    after = end % SEGMENT != 0 ? walk->slot[end].free : 0;
    for (uint32_t i = end; i-- > slot;) {
        walk->slot[i].free = ++after;
        walk->slot[i].orig = UINT64_MAX;
        walk->slot[i].bytes = 0;
        walk->slot[i].padding = 0;
    }
    count_back(walk, slot, after);
    walk->used -= n;
    give_lock(walk);
    atomic_fetch_sub_explicit(&walk->total_used, n, memory_order_relaxed);
}
