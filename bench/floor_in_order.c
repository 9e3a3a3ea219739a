/* SPDX-License-Identifier: MIT */
#include "floor_in_order.h"

#include "floor.h"

enum { LENGTH = 64 }; /* of every buffer */

struct floor_row_driver {
    struct floor_side side;
    void *shared;
    uint64_t data;
    uint16_t mask, avail, used, seen; /* positions, which go on past the end of the ring */
    uint64_t given, taken;
    uint64_t token[RING_MOST_ENTRIES];
};

struct floor_row_device {
    struct floor_side side;
    void *desc, *driver_area, *device_area;
    uint16_t mask, avail, used, seen;
};

struct floor_row_driver *floor_row_driver_start(const struct ring_config *config, struct ring_shared *shared)
{
    struct floor_row_driver *driver = new_side(sizeof *driver);

    driver->side.goes_round = true;
    driver->shared = shared->base;
    driver->data = (uintptr_t)shared->data;
    driver->mask = (uint16_t)(config->size - 1);
    if (config->packed) {
        struct packed_memory *ring = driver->shared;

        shared->desc = ring->desc;
        shared->driver_area = &ring->driver_event;
        shared->device_area = &ring->device_event;
        ring->driver_event = EVENT_FLAGS_DISABLE << 16;
    } else {
        struct split_memory *ring = driver->shared;

        shared->desc = ring->desc;
        shared->driver_area = &ring->avail;
        shared->device_area = &ring->used;
        ring->avail.flags = NO_NOTIFY;
        for (uint16_t i = 0; i < config->size; i++)
            ring->avail.ring[i] = i; /* for good */
    }
    return driver;
}

struct floor_row_device *floor_row_device_start(const struct ring_config *config, const struct ring_shared *shared)
{
    struct floor_row_device *device = new_side(sizeof *device);

    device->side.goes_round = true;
    device->desc = shared->desc;
    device->driver_area = shared->driver_area;
    device->device_area = shared->device_area;
    device->mask = (uint16_t)(config->size - 1);
    if (config->packed)
        *(uint32_t *)shared->device_area = EVENT_FLAGS_DISABLE << 16;
    else
        ((struct split_used *)shared->device_area)->flags = NO_NOTIFY;
    return device;
}

/* So many buffers, up to the one of this number, are the driver's again. */
static uint32_t taken_back(struct floor_row_driver *driver, uint32_t last, uint32_t n)
{
    uint32_t run = ((last - driver->used) & driver->mask) + 1;

    must(last <= driver->mask && run <= n && run <= (uint16_t)(driver->avail - driver->used), "used id");
    must(driver->token[last] == driver->taken + run - 1, "token");
    driver->used = (uint16_t)(driver->used + run);
    driver->taken += run;
    return run;
}

/* -------------------------------------------------------------------------------------------------------- split --- */

bool floor_row_give_split(struct floor_row_driver *driver, uint32_t n)
{
    struct split_memory *ring = driver->shared;

    must((uint16_t)(driver->avail - driver->used) + n <= driver->mask + 1u, "full");
    for (uint32_t i = 0; i < n; i++) {
        uint16_t place = driver->avail++ & driver->mask;

        ring->desc[place] = (struct split_desc){driver->data, LENGTH, 0, 0};
        driver->token[place] = driver->given++;
    }
    __atomic_store_n(&ring->avail.idx, driver->avail, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !(__atomic_load_n(&ring->used.flags, __ATOMIC_RELAXED) & NO_NOTIFY);
}

uint32_t floor_row_take_split(struct floor_row_driver *driver, uint32_t n)
{
    const struct split_memory *ring = driver->shared;
    uint32_t taken = 0;

    while (taken < n) {
        const uint16_t at = driver->used & driver->mask;

        if (driver->used == driver->seen) {
            driver->seen = __atomic_load_n(&ring->used.idx, __ATOMIC_ACQUIRE);
            if (driver->used == driver->seen)
                break;
        }
        must(__atomic_load_n(&ring->used.ring[at].len, __ATOMIC_RELAXED) == 0, "used length");
        taken += taken_back(driver, __atomic_load_n(&ring->used.ring[at].id, __ATOMIC_RELAXED), n - taken);
    }
    return taken;
}

uint32_t floor_row_turn_split(struct floor_row_device *device, uint32_t n, bool *notify)
{
    const struct split_avail *avail = device->driver_area;
    struct split_used *used = device->device_area;
    uint16_t first = device->used & device->mask;
    uint32_t ready = (uint16_t)(device->seen - device->avail);
    uint64_t bytes = 0;

    if (ready < n) {
        device->seen = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
        ready = (uint16_t)(device->seen - device->avail);
        must(ready <= device->mask + 1u, "avail.idx");
        if (ready == 0)
            return 0;
    }
    if (n > ready)
        n = ready;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t place = device->avail++ & device->mask;
        const struct split_desc *desc = (const struct split_desc *)device->desc + place;

        must(__atomic_load_n(&avail->ring[place], __ATOMIC_RELAXED) == place, "round");
        must(__atomic_load_n(&desc->addr, __ATOMIC_RELAXED) != 0, "address");
        must((__atomic_load_n(&desc->flags, __ATOMIC_RELAXED) & (NEXT | WRITE)) == 0, "flags");
        bytes += __atomic_load_n(&desc->len, __ATOMIC_RELAXED);
    }
    must(bytes == LENGTH * (uint64_t)n, "bytes");
    used->ring[first].id = (uint16_t)(device->avail - 1) & device->mask;
    used->ring[first].len = 0;
    device->used = device->avail;
    __atomic_store_n(&used->idx, device->used, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *notify = !(__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) & NO_NOTIFY);
    return n;
}

/* ------------------------------------------------------------------------------------------------------- packed --- */

/* Is the lap in which this position lies one with the wrap counter set? */
static bool lap_of(uint16_t position, uint16_t mask)
{
    return (position & (mask + 1u)) == 0;
}

bool floor_row_give_packed(struct floor_row_driver *driver, uint32_t n)
{
    struct packed_memory *ring = driver->shared;
    struct packed_desc *first = &ring->desc[driver->avail & driver->mask];
    uint64_t first_rest = 0;

    must((uint16_t)(driver->avail - driver->used) + n <= driver->mask + 1u, "full");
    for (uint32_t i = 0; i < n; i++) {
        uint16_t place = driver->avail & driver->mask;
        uint64_t rest = rest_of(LENGTH, place, lap_of(driver->avail, driver->mask) ? AVAIL : USED);

        ring->desc[place].addr = driver->data;
        if (i == 0)
            first_rest = rest;
        else
            __atomic_store_n(&ring->desc[place].rest, rest, __ATOMIC_RELAXED);
        driver->token[place] = driver->given++;
        driver->avail++;
    }
    __atomic_store_n(&first->rest, first_rest, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&ring->device_event, __ATOMIC_RELAXED) >> 16 != EVENT_FLAGS_DISABLE;
}

uint32_t floor_row_take_packed(struct floor_row_driver *driver, uint32_t n)
{
    const struct packed_memory *ring = driver->shared;
    uint32_t taken = 0;

    while (taken < n) {
        uint64_t rest = __atomic_load_n(&ring->desc[driver->used & driver->mask].rest, __ATOMIC_ACQUIRE);
        bool lap = lap_of(driver->used, driver->mask);

        if (!packed_is(rest, lap, lap))
            break;
        taken += taken_back(driver, (uint16_t)(rest >> 32), n - taken);
    }
    return taken;
}

uint32_t floor_row_turn_packed(struct floor_row_device *device, uint32_t n, bool *notify)
{
    struct packed_desc *ring = device->desc, *first = &ring[device->used & device->mask];
    bool lap = lap_of(device->used, device->mask);
    uint64_t bytes = 0;
    uint32_t done = 0;

    for (; done < n; done++) {
        uint16_t place = device->avail & device->mask;
        bool here = lap_of(device->avail, device->mask);
        uint64_t rest = __atomic_load_n(&ring[place].rest, __ATOMIC_ACQUIRE);

        if (!packed_is(rest, here, !here))
            break;
        must((uint16_t)(rest >> 32) == place && !(rest >> 48 & (NEXT | WRITE)), "round");
        must(__atomic_load_n(&ring[place].addr, __ATOMIC_RELAXED) != 0, "address");
        bytes += (uint32_t)rest;
        device->avail++;
    }
    if (done == 0)
        return 0;
    must(bytes == LENGTH * (uint64_t)done, "bytes");
    device->used = device->avail;
    __atomic_store_n(&first->rest, rest_of(0, (uint16_t)(device->avail - 1) & device->mask, lap ? AVAIL | USED : 0),
                     __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *notify = __atomic_load_n((const uint32_t *)device->driver_area, __ATOMIC_RELAXED) >> 16 != EVENT_FLAGS_DISABLE;
    return done;
}
