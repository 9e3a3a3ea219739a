/* SPDX-License-Identifier: MIT */
#include "counted_walk.h"

#include "bounce/lock.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SLOT = 2048, SEGMENT = 128, PAGE = 4096 };

#define NO_ORIGINAL UINT64_MAX

/* What is kept of a slot; 24 bytes. */
struct slot {
    uint64_t orig;
    size_t bytes;  /* from here to the end of the allocation */
    uint16_t free; /* slots from here on, within the segment; 0: used */
    uint16_t padding;
};

/* On lines of their own, which makes threads fast, not one. */
struct counted_area {
    _Alignas(128) bounce_lock lock;
    uint32_t used, cursor; /* the latter in slots of the area */
};

struct counted_walk {
    uint64_t base, end;
    uint32_t slots, areas, area_slots;
    counted_copy copy;
    struct slot *slot;
    struct counted_area *area;
    _Alignas(128) atomic_ulong total_used;
    atomic_ulong high_water;
};

struct counted_walk *counted_walk_new(uint64_t window_addr, uint32_t slots, uint32_t areas, counted_copy copy)
{
    struct counted_walk *walk = aligned_alloc(128, sizeof *walk);

    if (!walk)
        return NULL;
    *walk = (struct counted_walk){.base = window_addr, .end = window_addr + (uint64_t)slots * SLOT, .slots = slots,
                                  .areas = areas, .area_slots = slots / areas, .copy = copy};
    walk->slot = malloc(slots * sizeof *walk->slot);
    walk->area = aligned_alloc(128, areas * sizeof *walk->area);
    if (!walk->slot || !walk->area) {
        counted_walk_delete(walk);
        return NULL;
    }
    for (uint32_t i = 0; i < slots; i++)
        walk->slot[i] = (struct slot){NO_ORIGINAL, 0, (uint16_t)(SEGMENT - i % SEGMENT), 0};
    for (uint32_t i = 0; i < areas; i++) {
        walk->area[i].used = walk->area[i].cursor = 0;
        bounce_lock_init(&walk->area[i].lock);
    }
    return walk;
}

void counted_walk_delete(struct counted_walk *walk)
{
    free(walk->slot);
    free(walk->area);
    free(walk);
}

/* The run of free slots that ends before slot has `after` free slots behind it now. */
static void count_back(struct counted_walk *walk, uint32_t slot, uint16_t after)
{
    while (slot % SEGMENT != 0 && walk->slot[slot - 1].free != 0)
        walk->slot[--slot].free = ++after;
}

static void count_used(struct counted_walk *walk, uint32_t n)
{
    unsigned long used = atomic_fetch_add(&walk->total_used, n) + n;
    unsigned long high = atomic_load_explicit(&walk->high_water, memory_order_relaxed);

    while (used > high && !atomic_compare_exchange_weak(&walk->high_water, &high, used)) {
    }
}

/* low: bytes before the data in the first slot. */
static void take(struct counted_walk *walk, struct counted_area *area, uint32_t first, uint32_t slot, uint32_t n,
                 size_t total, size_t low)
{
    for (uint32_t i = 0; i < n; i++) {
        walk->slot[slot + i].free = 0;
        walk->slot[slot + i].bytes = total - low - (size_t)i * SLOT;
    }
    count_back(walk, slot, 0);
    area->cursor = slot + n - first < walk->area_slots ? slot + n - first : 0;
    area->used += n;
}

void counted_walk_set_used(struct counted_walk *walk, uint32_t slot)
{
    struct counted_area *area = &walk->area[slot / walk->area_slots];
    uint32_t cursor = area->cursor;

    take(walk, area, slot / walk->area_slots * walk->area_slots, slot, 1, SLOT, 0);
    area->cursor = cursor;
    count_used(walk, 1);
}

/* A place in an area, taken; UINT32_MAX if there is none. */
static uint32_t search(struct counted_walk *walk, const struct counted_device *device, uint32_t number,
                       uint64_t orig_addr, size_t total, uint64_t start_mask)
{
    uint64_t min = device->min_align_mask, boundary = device->boundary_mask ? device->boundary_mask : UINT64_MAX;
    uint64_t boundary_slots = boundary / SLOT + 1, base = walk->base & boundary;
    uint32_t n = (uint32_t)((total + SLOT - 1) / SLOT), first = number * walk->area_slots, checked = 0, slot, stride;
    size_t low = orig_addr & min & (SLOT - 1);
    struct counted_area *area = &walk->area[number];
    bounce_lock_state state;

    if (start_mask == 0 && min == 0 && total >= PAGE)
        start_mask = PAGE - 1;
    start_mask |= SLOT - 1;
    min &= ~start_mask;
    stride = (uint32_t)((start_mask > min ? start_mask : min) / SLOT + 1);

    state = bounce_lock_take(&area->lock);
    if (n > walk->area_slots - area->used) {
        bounce_lock_give(&area->lock, state);
        return UINT32_MAX;
    }
    for (slot = area->cursor; checked < walk->area_slots;) {
        uint64_t addr = base + (uint64_t)(first + slot) * SLOT;
        uint32_t step = stride;
        if ((addr & start_mask) != 0 || ((addr ^ orig_addr) & min) != 0)
            step = 1;
        else if (((base / SLOT + first + slot) & (boundary_slots - 1)) + n <= boundary_slots &&
                 walk->slot[first + slot].free >= n)
            break;
        slot = slot + step < walk->area_slots ? slot + step : 0;
        checked += step;
    }
    if (checked < walk->area_slots)
        take(walk, area, first, first + slot, n, total, low);
    bounce_lock_give(&area->lock, state);
    if (checked >= walk->area_slots)
        return UINT32_MAX;
    count_used(walk, n);
    return first + slot;
}

/* Copy in, by the address alone: which slot, what it belongs to, and how much room there is. */
static void copy_in(struct counted_walk *walk, const struct counted_device *device, uint64_t addr, size_t size)
{
    const struct slot *slot = &walk->slot[(addr - walk->base) / SLOT];
    uint64_t orig = slot->orig;
    int64_t offset;

    if (orig == NO_ORIGINAL)
        return;
    offset = (int64_t)(addr & (SLOT - 1)) - (int64_t)(orig & device->min_align_mask & (SLOT - 1));
    if (offset < 0 || (size_t)offset > slot->bytes)
        return;
    if (size > slot->bytes - (size_t)offset)
        size = slot->bytes - (size_t)offset;
    walk->copy(NULL, (void *)(uintptr_t)orig, (size_t)offset, (void *)(uintptr_t)addr, size, true);
}

uint64_t counted_walk_map(struct counted_walk *walk, const struct counted_device *device, uint64_t orig_addr,
                          size_t size, uint64_t alloc_align_mask, uint32_t area)
{
    size_t offset = orig_addr & device->min_align_mask & (alloc_align_mask | (SLOT - 1));
    size_t total = (size + offset + alloc_align_mask) & ~alloc_align_mask;
    uint32_t slot = UINT32_MAX, pad = (uint32_t)(offset / SLOT), n = (uint32_t)((total + SLOT - 1) / SLOT);
    uint64_t addr;

    if (n > SEGMENT)
        return COUNTED_WALK_NONE;
    for (uint32_t tried = 0; tried < walk->areas && slot == UINT32_MAX; tried++)
        slot = search(walk, device, (area + tried) & (walk->areas - 1), orig_addr, total, alloc_align_mask);
    if (slot == UINT32_MAX)
        return COUNTED_WALK_NONE;
    slot += pad;
    walk->slot[slot].padding = (uint16_t)pad;
    for (uint32_t i = 0; i < n - pad; i++)
        walk->slot[slot + i].orig = orig_addr + (uint64_t)i * SLOT;
    addr = walk->base + (uint64_t)slot * SLOT + offset % SLOT;
    copy_in(walk, device, addr, size);
    if (addr + size - 1 > device->limit) {
        counted_walk_unmap(walk, device, addr);
        return COUNTED_WALK_NONE;
    }
    return addr;
}

void counted_walk_unmap(struct counted_walk *walk, const struct counted_device *device, uint64_t addr)
{
    size_t low = addr & device->min_align_mask & (SLOT - 1);
    uint32_t slot, n, end;
    struct counted_area *area;
    bounce_lock_state state;
    uint16_t after;

    if (addr < walk->base || addr >= walk->end)
        return;
    slot = (uint32_t)((addr - low - walk->base) / SLOT);
    slot -= walk->slot[slot].padding;
    n = (uint32_t)((walk->slot[slot].bytes + low + SLOT - 1) / SLOT);
    end = slot + n;
    area = &walk->area[slot / walk->area_slots];

    state = bounce_lock_take(&area->lock);
    after = end % SEGMENT != 0 && end < walk->slots ? walk->slot[end].free : 0;
    for (uint32_t i = end; i-- > slot;) {
        walk->slot[i].free = ++after;
        walk->slot[i].orig = NO_ORIGINAL;
        walk->slot[i].bytes = 0;
        walk->slot[i].padding = 0;
    }
    count_back(walk, slot, after);
    area->used -= n;
    bounce_lock_give(&area->lock, state);
    atomic_fetch_sub(&walk->total_used, n);
}
