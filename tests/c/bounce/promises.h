/* SPDX-License-Identifier: MIT */
/*
 * What an answer must keep, whoever gave it: said in addresses, from the request and the slots that were free before,
 * without a search and without knowing strides. Independent of slot_walk.h and of the library.
 */
#ifndef BOUNCE_TEST_PROMISES_H
#define BOUNCE_TEST_PROMISES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct promise {
    /* the pool */
    uint64_t base;
    uint32_t slots, segment, slot_size, page;
    const unsigned char *used; /* per slot, before the answer */
    /* the request */
    uint64_t orig_addr, size, alloc_align_mask, min_align_mask, boundary_mask;
    bool coherent;
    uint64_t limit;
};

/* Bytes before the data: the bits of the original that the start of the allocation cannot show. */
static inline uint64_t promise_padding(const struct promise *promise)
{
    uint64_t start_mask = promise->alloc_align_mask | (promise->slot_size - 1);

    return promise->coherent ? 0 : promise->orig_addr & promise->min_align_mask & start_mask;
}

static inline uint32_t promise_slots(const struct promise *promise)
{
    uint64_t bytes = promise_padding(promise) + promise->size;
    uint64_t unit = promise->alloc_align_mask + 1;

    if (promise->coherent || unit < promise->slot_size)
        unit = promise->slot_size;
    return (uint32_t)((bytes + unit - 1) / unit * (unit / promise->slot_size));
}

/* What an allocation from this slot on would break; null for nothing. */
static inline const char *promise_broken(const struct promise *promise, uint32_t slot)
{
    uint32_t n = promise_slots(promise);
    uint64_t start = promise->base + (uint64_t)slot * promise->slot_size;
    uint64_t end = start + (uint64_t)n * promise->slot_size;
    uint64_t data = start + promise_padding(promise);

    if (slot >= promise->slots || n > promise->slots - slot)
        return "reaches beyond the pool";
    if (slot / promise->segment != (slot + n - 1) / promise->segment)
        return "lies in two segments";
    for (uint32_t i = slot; i < slot + n; i++)
        if (promise->used[i])
            return "overlaps another mapping";
    if (promise->limit != 0 && data + promise->size - 1 > promise->limit)
        return "lies where the device does not reach";
    if ((start & promise->alloc_align_mask) != 0)
        return "starts unaligned";
    if (!promise->coherent && ((data ^ promise->orig_addr) & promise->min_align_mask) != 0)
        return "does not keep the original's low address bits";
    if (promise->alloc_align_mask == 0 && promise->min_align_mask == 0 && promise->size >= promise->page &&
        start % promise->page != 0)
        return "holds a page and does not start at one";
    if (promise->boundary_mask != 0 && promise->boundary_mask != UINT64_MAX &&
        (start & ~promise->boundary_mask) != ((end - 1) & ~promise->boundary_mask))
        return "crosses a boundary";
    return NULL;
}

/* Does any slot keep every promise? If so, "no room" is a lie. */
static inline bool promise_possible(const struct promise *promise)
{
    for (uint32_t slot = 0; slot < promise->slots; slot++)
        if (!promise_broken(promise, slot))
            return true;
    return false;
}

#endif
