/* SPDX-License-Identifier: MIT */
/*
 * Somebody's driver for the split virtqueue: buffers of one piece, EVENT_IDX, and no distrust at all. It stands for the
 * driver that you have already, and has a mistake that drivers have had: unless MODULAR_EVENTS is defined, it compares
 * indices by magnitude.
 */
#include <stdbool.h>
#include <stdint.h>

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

struct avail {
    uint16_t flags, idx, ring[];
};

struct used {
    uint16_t flags, idx;
    struct {
        uint32_t id, len;
    } ring[];
};

struct toy {
    struct desc *desc;
    volatile struct avail *avail;
    volatile struct used *used;
    uint16_t size, staged, published, next_used;
    bool event_idx;
    uint64_t free; /* descriptors, as bits */
};

void toy_init(struct toy *toy, void *desc, void *avail, void *used, uint16_t size, uint16_t index, bool event_idx)
{
    *toy = (struct toy){desc, avail, used, size, index, index, index, event_idx, (UINT64_C(1) << size) - 1};
    toy->avail->flags = toy->used->flags = 0;
    toy->avail->idx = toy->used->idx = index;
    toy->avail->ring[size] = index;                       /* used_event */
    *(volatile uint16_t *)&toy->used->ring[size] = index; /* avail_event */
}

int toy_add(struct toy *toy, uint64_t addr, uint32_t len, bool writable)
{
    if (!toy->free)
        return -1;

    int id = __builtin_ctzll(toy->free);

    toy->free &= toy->free - 1;
    toy->desc[id] = (struct desc){addr, len, writable ? 2 : 0, 0};
    toy->avail->ring[toy->staged++ % toy->size] = (uint16_t)id;
    return id;
}

static bool passed(uint16_t event, uint16_t after, uint16_t before)
{
#ifdef MODULAR_EVENTS
    return (uint16_t)(after - event - 1) < (uint16_t)(after - before);
#else
    return before <= event && event < after;
#endif
}

bool toy_publish(struct toy *toy)
{
    uint16_t before = toy->published;

    toy->published = toy->staged;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    toy->avail->idx = toy->published;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (before == toy->published)
        return false;
    if (toy->event_idx)
        return passed(*(volatile uint16_t *)&toy->used->ring[toy->size], toy->published, before);
    return !(toy->used->flags & 1);
}

int toy_get_used(struct toy *toy, uint32_t *len)
{
    if (toy->next_used == toy->used->idx)
        return -1;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    int id = (int)toy->used->ring[toy->next_used % toy->size].id;

    *len = toy->used->ring[toy->next_used++ % toy->size].len;
    toy->free |= UINT64_C(1) << id;
    return id;
}

bool toy_sleep(struct toy *toy)
{
    toy->avail->flags = 0;
    toy->avail->ring[toy->size] = toy->next_used;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return toy->next_used != toy->used->idx;
}

void toy_stay_awake(struct toy *toy)
{
    if (!toy->event_idx)
        toy->avail->flags = 1;
}
