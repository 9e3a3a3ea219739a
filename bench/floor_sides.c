/* SPDX-License-Identifier: MIT */
/*
 * The least that a driver and a device can do on the real rings, split and packed: indices, ids and lengths are
 * checked, everything is published once per batch where the format allows it, one fence per notification decision. It
 * is no library: no address is translated, nothing is remembered of a buffer but where it was, there is no event index,
 * no indirect table, no byte order but this machine's. It is what peers are measured against, one side at a time, and a
 * bound for how fast a library could be. A ring with IN_ORDER has another: floor_in_order.c.
 */
#include "floor.h"
#include "floor_in_order.h"

struct piece {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
};

/* The descriptors of one buffer but for what names the next. */
static uint16_t pieces_of(struct piece pieces[RING_MOST_PIECES], const struct ring_config *config,
                          const struct ring_shared *shared)
{
    uint64_t data = (uintptr_t)shared->data;

    if (config->chain == 1) {
        pieces[0] = (struct piece){data, 64, 0};
    } else {
        pieces[0] = (struct piece){data, 16, NEXT};
        pieces[1] = (struct piece){data + 16, 64, NEXT | WRITE};
        pieces[2] = (struct piece){data + 80, 1, WRITE};
    }
    return config->chain;
}

static uint32_t written(const struct ring_config *config)
{
    return config->chain == 1 ? 0 : 65;
}

static bool plain(const struct ring_config *config)
{
    return !config->event_idx && !config->in_order && !config->indirect;
}

/* -------------------------------------------------------------------------------------------------------- split --- */

struct split_driver {
    struct floor_side side;
    struct split_memory *shared;
    uint16_t size, free_head, free, avail, used, seen, n_pieces;
    uint32_t writable;
    uint64_t given, taken;
    struct piece pieces[RING_MOST_PIECES];
    uint16_t next[RING_MOST_ENTRIES], last[RING_MOST_ENTRIES], count[RING_MOST_ENTRIES];
    uint64_t token[RING_MOST_ENTRIES];
};

static void *split_driver_start(const struct ring_config *config, struct ring_shared *shared)
{
    struct split_driver *driver;

    if (floor_goes_round(config))
        return floor_row_driver_start(config, shared);
    if (!plain(config))
        return NULL;
    driver = new_side(sizeof *driver);
    driver->shared = (struct split_memory *)shared->base;
    shared->desc = driver->shared->desc;
    shared->driver_area = &driver->shared->avail;
    shared->device_area = &driver->shared->used;
    driver->shared->avail.flags = NO_NOTIFY;
    driver->size = driver->free = config->size;
    driver->n_pieces = pieces_of(driver->pieces, config, shared);
    driver->writable = written(config);
    for (uint16_t i = 0; i < config->size; i++)
        driver->next[i] = (uint16_t)(i + 1);
    return driver;
}

static bool split_give(void *side, uint32_t n)
{
    struct split_driver *driver = side;
    struct split_memory *shared = driver->shared;

    if (driver->side.goes_round)
        return floor_row_give_split(side, n);

    for (uint32_t i = 0; i < n; i++) {
        uint16_t head = driver->free_head, at = head;

        must(driver->free >= driver->n_pieces, "full");
        for (uint16_t k = 0; k < driver->n_pieces; k++) {
            const struct piece *piece = &driver->pieces[k];
            struct split_desc *desc = &shared->desc[driver->free_head];
            at = driver->free_head;
            driver->free_head = driver->next[at];
            desc->addr = piece->addr;
            desc->len = piece->len;
            desc->flags = piece->flags;
            desc->next = driver->free_head;
        }
        driver->free = (uint16_t)(driver->free - driver->n_pieces);
        driver->last[head] = at;
        driver->count[head] = driver->n_pieces;
        driver->token[head] = driver->given++;
        shared->avail.ring[driver->avail++ & (driver->size - 1)] = head;
    }
    __atomic_store_n(&shared->avail.idx, driver->avail, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !(__atomic_load_n(&shared->used.flags, __ATOMIC_RELAXED) & NO_NOTIFY);
}

static uint32_t split_take(void *side, uint32_t n)
{
    struct split_driver *driver = side;
    struct split_memory *shared = driver->shared;

    if (driver->side.goes_round)
        return floor_row_take_split(side, n);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t id, len;

        if (driver->used == driver->seen) {
            driver->seen = __atomic_load_n(&shared->used.idx, __ATOMIC_ACQUIRE);
            must((uint16_t)(driver->seen - driver->used) <= driver->size, "used.idx");
            if (driver->used == driver->seen)
                return i;
        }
        id = __atomic_load_n(&shared->used.ring[driver->used & (driver->size - 1)].id, __ATOMIC_RELAXED);
        len = __atomic_load_n(&shared->used.ring[driver->used & (driver->size - 1)].len, __ATOMIC_RELAXED);
        must(id < driver->size && driver->count[id] != 0, "used id");
        must(len <= driver->writable, "used length");
        must(driver->token[id] == driver->taken, "token");
        driver->next[driver->last[id]] = driver->free_head;
        driver->free_head = (uint16_t)id;
        driver->free = (uint16_t)(driver->free + driver->count[id]);
        driver->count[id] = 0;
        driver->used++;
        driver->taken++;
    }
    return n;
}

struct split_device {
    struct floor_side side;
    struct split_desc *desc;
    struct split_avail *avail_area;
    struct split_used *used_area;
    uint16_t size, avail, seen, used;
    uint32_t writable;
    uint64_t bytes; /* of each buffer */
};

static void *split_device_start(const struct ring_config *config, const struct ring_shared *shared)
{
    struct split_device *device;

    if (floor_goes_round(config))
        return floor_row_device_start(config, shared);
    if (!plain(config))
        return NULL;
    device = new_side(sizeof *device);
    device->desc = shared->desc;
    device->avail_area = shared->driver_area;
    device->used_area = shared->device_area;
    device->used_area->flags = NO_NOTIFY;
    device->size = config->size;
    device->writable = written(config);
    device->bytes = config->chain == 1 ? 64 : 81;
    return device;
}

static uint32_t split_turn(void *side, uint32_t n, bool *notify)
{
    struct split_device *device = side;
    uint16_t mask = (uint16_t)(device->size - 1);
    uint32_t done = 0;

    if (device->side.goes_round)
        return floor_row_turn_split(side, n, notify);

    for (; done < n; done++) {
        uint16_t head, at, links = 0, flags;
        uint64_t bytes = 0;

        if (device->avail == device->seen) {
            device->seen = __atomic_load_n(&device->avail_area->idx, __ATOMIC_ACQUIRE);
            must((uint16_t)(device->seen - device->avail) <= device->size, "avail.idx");
            if (device->avail == device->seen)
                break;
        }
        head = at = __atomic_load_n(&device->avail_area->ring[device->avail++ & mask], __ATOMIC_RELAXED);
        do {
            const struct split_desc *desc;
            must(at < device->size && links++ < device->size, "chain");
            desc = &device->desc[at];
            bytes += __atomic_load_n(&desc->addr, __ATOMIC_RELAXED) != 0 ?
                __atomic_load_n(&desc->len, __ATOMIC_RELAXED) : 0;
            flags = __atomic_load_n(&desc->flags, __ATOMIC_RELAXED);
            at = __atomic_load_n(&desc->next, __ATOMIC_RELAXED);
        } while (flags & NEXT);
        must(bytes == device->bytes, "bytes");
        device->used_area->ring[device->used & mask].id = head;
        device->used_area->ring[device->used++ & mask].len = device->writable;
    }
    if (done > 0) {
        __atomic_store_n(&device->used_area->idx, device->used, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        *notify = !(__atomic_load_n(&device->avail_area->flags, __ATOMIC_RELAXED) & NO_NOTIFY);
    }
    return done;
}

/* ------------------------------------------------------------------------------------------------------- packed --- */

struct packed_driver {
    struct floor_side side;
    struct packed_memory *shared;
    uint16_t size, free, avail, used, n_pieces, free_ids;
    bool avail_wrap, used_wrap;
    uint32_t writable;
    uint64_t given, taken;
    struct piece pieces[RING_MOST_PIECES];
    uint16_t ids[RING_MOST_ENTRIES], count[RING_MOST_ENTRIES];
    uint64_t token[RING_MOST_ENTRIES];
};

static void *packed_driver_start(const struct ring_config *config, struct ring_shared *shared)
{
    struct packed_driver *driver;

    if (floor_goes_round(config))
        return floor_row_driver_start(config, shared);
    if (!plain(config))
        return NULL;
    driver = new_side(sizeof *driver);
    driver->shared = (struct packed_memory *)shared->base;
    shared->desc = driver->shared->desc;
    shared->driver_area = &driver->shared->driver_event;
    shared->device_area = &driver->shared->device_event;
    driver->shared->driver_event = EVENT_FLAGS_DISABLE << 16;
    driver->size = driver->free = driver->free_ids = config->size;
    driver->avail_wrap = driver->used_wrap = true;
    driver->n_pieces = pieces_of(driver->pieces, config, shared);
    driver->writable = written(config);
    for (uint16_t i = 0; i < config->size; i++)
        driver->ids[i] = i;
    return driver;
}

static bool packed_give(void *side, uint32_t n)
{
    struct packed_driver *driver = side;

    if (driver->side.goes_round)
        return floor_row_give_packed(side, n);

    for (uint32_t i = 0; i < n; i++) {
        struct packed_desc *head = &driver->shared->desc[driver->avail];
        uint64_t head_rest = 0;
        uint16_t id;

        must(driver->free >= driver->n_pieces, "full");
        id = driver->ids[--driver->free_ids];
        for (uint16_t k = 0; k < driver->n_pieces; k++) {
            const struct piece *piece = &driver->pieces[k];
            struct packed_desc *desc = &driver->shared->desc[driver->avail];
            uint64_t rest = rest_of(piece->len, id,
                                    (uint16_t)(piece->flags | (driver->avail_wrap ? AVAIL : USED)));
            desc->addr = piece->addr;
            if (k == 0)
                head_rest = rest;
            else
                __atomic_store_n(&desc->rest, rest, __ATOMIC_RELAXED);
            if (++driver->avail == driver->size) {
                driver->avail = 0;
                driver->avail_wrap = !driver->avail_wrap;
            }
        }
        driver->free = (uint16_t)(driver->free - driver->n_pieces);
        driver->count[id] = driver->n_pieces;
        driver->token[id] = driver->given++;
        __atomic_store_n(&head->rest, head_rest, __ATOMIC_RELEASE);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&driver->shared->device_event, __ATOMIC_RELAXED) >> 16 != EVENT_FLAGS_DISABLE;
}

static uint32_t packed_take(void *side, uint32_t n)
{
    struct packed_driver *driver = side;

    if (driver->side.goes_round)
        return floor_row_take_packed(side, n);

    for (uint32_t i = 0; i < n; i++) {
        uint64_t rest = __atomic_load_n(&driver->shared->desc[driver->used].rest, __ATOMIC_ACQUIRE);
        uint16_t id = (uint16_t)(rest >> 32);

        if (!packed_is(rest, driver->used_wrap, driver->used_wrap))
            return i;
        must(id < driver->size && driver->count[id] != 0, "used id");
        /* Without the flag it is no length (virtio 2.8.6), and DPDK leaves there what the driver wrote. */
        must(!(rest >> 48 & WRITE) || (uint32_t)rest <= driver->writable, "used length");
        must(driver->token[id] == driver->taken, "token");
        driver->used = (uint16_t)(driver->used + driver->count[id]);
        if (driver->used >= driver->size) {
            driver->used = (uint16_t)(driver->used - driver->size);
            driver->used_wrap = !driver->used_wrap;
        }
        driver->free = (uint16_t)(driver->free + driver->count[id]);
        driver->count[id] = 0;
        driver->ids[driver->free_ids++] = id;
        driver->taken++;
    }
    return n;
}

struct packed_device {
    struct floor_side side;
    struct packed_desc *desc;
    uint32_t *driver_event;
    uint16_t size, avail, used;
    bool avail_wrap, used_wrap;
    uint32_t writable;
    uint64_t bytes;
};

static void *packed_device_start(const struct ring_config *config, const struct ring_shared *shared)
{
    struct packed_device *device;

    if (floor_goes_round(config))
        return floor_row_device_start(config, shared);
    if (!plain(config))
        return NULL;
    device = new_side(sizeof *device);
    device->desc = shared->desc;
    device->driver_event = shared->driver_area;
    *(uint32_t *)shared->device_area = EVENT_FLAGS_DISABLE << 16;
    device->size = config->size;
    device->avail_wrap = device->used_wrap = true;
    device->writable = written(config);
    device->bytes = config->chain == 1 ? 64 : 81;
    return device;
}

static uint32_t packed_turn(void *side, uint32_t n, bool *notify)
{
    struct packed_device *device = side;
    uint32_t done = 0;

    if (device->side.goes_round)
        return floor_row_turn_packed(side, n, notify);

    for (; done < n; done++) {
        uint64_t rest = __atomic_load_n(&device->desc[device->avail].rest, __ATOMIC_ACQUIRE);
        uint16_t links = 0, id, flags;
        uint64_t bytes = 0;

        if (!packed_is(rest, device->avail_wrap, !device->avail_wrap))
            break;
        do {
            const struct packed_desc *desc = &device->desc[device->avail];
            must(links++ < device->size, "chain");
            rest = links == 1 ? rest : __atomic_load_n(&desc->rest, __ATOMIC_RELAXED);
            bytes += __atomic_load_n(&desc->addr, __ATOMIC_RELAXED) != 0 ? (uint32_t)rest : 0;
            id = (uint16_t)(rest >> 32);
            flags = (uint16_t)(rest >> 48);
            if (++device->avail == device->size) {
                device->avail = 0;
                device->avail_wrap = !device->avail_wrap;
            }
        } while (flags & NEXT);
        must(id < device->size && bytes == device->bytes, "id or bytes");
        __atomic_store_n(&device->desc[device->used].rest,
                         rest_of(device->writable, id, (uint16_t)((device->used_wrap ? AVAIL | USED : 0) |
                                                                  (device->writable ? WRITE : 0))), __ATOMIC_RELEASE);
        device->used = (uint16_t)(device->used + links);
        if (device->used >= device->size) {
            device->used = (uint16_t)(device->used - device->size);
            device->used_wrap = !device->used_wrap;
        }
    }
    if (done > 0) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        *notify = __atomic_load_n(device->driver_event, __ATOMIC_RELAXED) >> 16 != EVENT_FLAGS_DISABLE;
    }
    return done;
}

/* -------------------------------------------------------------------------------------------------------- pairs --- */

static size_t split_one_by_one(void *driver, void *device, size_t times)
{
    return ring_take_turns(split_give, split_turn, split_take, driver, device, 1, times);
}

static size_t packed_one_by_one(void *driver, void *device, size_t times)
{
    return ring_take_turns(packed_give, packed_turn, packed_take, driver, device, 1, times);
}

static const struct ring_driver split_driver = {
    "floor", split_driver_start, free, split_give, split_take, NULL, NULL,
};
static const struct ring_device split_device = {
    "floor", split_device_start, free, split_turn, NULL, NULL, &split_driver, split_one_by_one,
};
static const struct ring_driver packed_driver = {
    "floor", packed_driver_start, free, packed_give, packed_take, NULL, NULL,
};
static const struct ring_device packed_device = {
    "floor", packed_device_start, free, packed_turn, NULL, NULL, &packed_driver, packed_one_by_one,
};

__attribute__((visibility("default"))) extern const struct ring_sides ring_sides_split, ring_sides_packed;
const struct ring_sides ring_sides_split = {&split_driver, &split_device};
const struct ring_sides ring_sides_packed = {&packed_driver, &packed_device};
