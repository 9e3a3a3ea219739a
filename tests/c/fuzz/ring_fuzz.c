/* SPDX-License-Identifier: MIT */
/*
 * A driver and a device on one ring, of either format and any mix of features, that do whatever the bytes say; and a
 * peer of both that writes into shared memory, between two verbs or right before any access of one.
 *
 * While nobody has scribbled, a model knows what each verb must answer: every buffer arrives once, in order, as it was
 * given, and comes back once with the length that the device told; a side that went to sleep is notified. After a
 * scribble nothing is known of the other side, and this must still hold:
 *
 *   - every access lies in the areas, the tables and the guest's memory, which are allocated to the byte;
 *   - a verb makes no more accesses than a small ring can need;
 *   - pieces lie in regions, writable ones not in a read-only one, and add up to what the chain says;
 *   - the driver hands back only tokens that the device was given, each once, with a length that policy allows, and
 *     with IN_ORDER none before those added earlier;
 *   - a handle that has died stays dead;
 *   - no call is blamed on the caller, and a queue that broke stays broken without looking at the ring;
 *   - after reset each token that did not come back is returned once;
 *   - a state that lies makes a successor that stays within its memory all the same.
 */
#include <string.h>

#include "ring_model.h"
#include "ring_steps.h"

/* 0, or why there is no such queue. */
static int start(struct input *input)
{
    uint8_t bits = take(input);
    bool packed = bits & 1;
    struct vring_driver_config *driver = &world.driver_config;
    struct vring_device_config *device = &world.device_config;
    struct vring_split_areas split;
    struct vring_packed_areas areas;

    memset(&world, 0, sizeof world);
    forget_scribbles();
    honest = true;
    accesses = 0;
    world.in_order = (bits & 2) != 0;
    driver->features = (bits & 4 && !packed ? 0 : VRING_F_VERSION_1) | (packed ? VRING_F_RING_PACKED : 0) |
                       (world.in_order ? VRING_F_IN_ORDER : 0) | (bits & 8 ? VRING_F_EVENT_IDX : 0) |
                       (bits & 16 ? VRING_F_INDIRECT_DESC : 0) | (bits & 32 ? VRING_F_ORDER_PLATFORM : 0);
    driver->size = packed ? 1 + take_below(input, TOKENS) : 1u << take_below(input, 4);
    driver->max_chain = take_below(input, ENTRIES + 2);
    driver->used_len = (enum vring_used_len_policy)take_below(input, 4);
    driver->legacy_order = VRING_ORDER_BIG;
    driver->index = (uint16_t)(packed ? take_below(input, driver->size) | (bits & 64 ? 0x8000 : 0)
                                      : 0u - take_below(input, 2 * TOKENS));
    if (packed)
        vring_packed_layout(driver->size, &areas);
    else
        vring_split_layout(driver->size, 0, &split);
    allocate_block(DESC, packed ? areas.desc_size : split.desc_size);
    allocate_block(DRIVER_AREA, packed ? areas.driver_size : split.driver_size);
    allocate_block(DEVICE_AREA, packed ? areas.device_size : split.device_size);
    allocate_block(GUEST_FIRST, FIRST);
    allocate_block(GUEST_SECOND, SECOND);
    allocate_block(GUEST_READ_ONLY, READ_ONLY_SIZE);
    allocate_block(GUEST_TABLES, 16 * ENTRIES * TOKENS);
    for (int i = 0; i < 2; i++) {
        world.slots[i] = (struct vring_slot *)allocate(driver->size * sizeof *world.slots[i]);
        world.heads[i] = (struct vring_head *)allocate(driver->size * sizeof *world.heads[i]);
    }
    driver->desc = blocks[DESC].at;
    driver->driver_area = blocks[DRIVER_AREA].at;
    driver->device_area = blocks[DEVICE_AREA].at;
    driver->slots = world.slots[0];
    driver->slot_count = driver->size;

    world.regions[0] = (struct vring_region){GUEST, FIRST, blocks[GUEST_FIRST].at, 0};
    world.regions[1] = (struct vring_region){GUEST + FIRST, SECOND, blocks[GUEST_SECOND].at, 0};
    world.regions[2] =
        (struct vring_region){READ_ONLY, READ_ONLY_SIZE, blocks[GUEST_READ_ONLY].at, VRING_REGION_READ_ONLY};
    world.regions[3] = (struct vring_region){TABLES, blocks[GUEST_TABLES].size, blocks[GUEST_TABLES].at, 0};
    *device = (struct vring_device_config){
        .features = driver->features, .size = driver->size, .max_chain = driver->max_chain, .desc = driver->desc,
        .driver_area = driver->driver_area, .device_area = driver->device_area, .heads = world.heads[0],
        .head_count = driver->size, .regions = world.regions, .region_count = 4, .legacy_order = VRING_ORDER_BIG,
        .index = driver->index};

    int error = vring_driver_init(&world.driver, driver);

    accesses = 0;
    if (!error)
        error = vring_device_init(&world.device, device);
    accesses = 0;
    return error;
}

/*
 * A run there and back, as far as it comes; without IN_ORDER some of it. Bytes that say so one verb at a time are found
 * too late.
 */
static void run_goes(struct input *input)
{
    driver_add_run(input);
    driver_publish();
    world.in_order ? device_get_avail_run(input) : device_get_avail_batch(input);
    world.in_order ? device_add_used_through(input) : device_add_used(input);
    device_publish();
    world.in_order ? driver_get_used_run(input) : driver_get_used(input, true);
}

static void act(struct input *input)
{
    switch (take_below(input, 38)) {
    case 0: case 1: case 2: driver_add(input, false); break;
    case 3: case 4: driver_add(input, true); break;
    case 5: driver_add_batch(input); break;
    case 6: driver_abort(); break;
    case 7: case 8: driver_publish(); break;
    case 9: driver_get_used(input, false); break;
    case 10: driver_get_used(input, true); break;
    case 11: driver_notifications(0); break;
    case 12: driver_notifications(1); break;
    case 13: driver_notifications(2); break;
    case 14: case 15: device_get_avail(input, false); break;
    case 16: device_get_avail_batch(input); break;
    case 17: device_get_avail(input, true); break;
    case 18: device_rewind(input); break;
    case 19: case 20: device_add_used(input); break;
    case 21: device_add_used_batch(input); break;
    case 22: device_publish(); break;
    case 23: device_notifications(true); break;
    case 24: device_notifications(false); break;
    case 25: take_below(input, 2) ? driver_successor(input) : device_successor(input); break;
    case 26: device_refuses_a_forged_handle(input); break;
    case 27: device_add_used_through(input); break;
    case 28: case 29: driver_add_run(input); break;
    case 30: case 31: device_get_avail_run(input); break;
    case 32: case 33: driver_get_used_run(input); break;
    case 34: case 35: run_goes(input); break;
    case 36: heir_of_a_lie(input); break;
    default: draw_scribble(input, take_below(input, 2)); break;
    }
}

/* With everybody honest, all that was added comes back. */
static void drain(void)
{
    struct input none = {NULL, 0};
    struct input plenty = {(const uint8_t *)"\1\7", 2};

    forget_scribbles();
    driver_publish();
    while (world.avail.n + held_waiting() > 0) {
        struct input room = {(const uint8_t *)"\1", 1};

        device_get_avail(&room, false);
    }
    while (held_number(0) < world.n_held)
        world.in_order ? device_add_used_through(&none) : device_add_used(&none);
    device_publish();
    while (world.used.n > 0)
        driver_get_used(&plenty, false);
    PROMISE(vring_device_in_flight(&world.device) == world.n_held);
    if (world.n_held > 0) { /* a run whose last was used alone: there is no handle for the others, nor is one to come */
        PROMISE(world.in_order && world.held[0].nameless);
        return;
    }
    PROMISE(vring_driver_in_flight(&world.driver) == 0 && vring_driver_free(&world.driver) == world.driver_config.size);
}

/* Reset: what never came back is returned, each once. */
static void finish(void)
{
    uint64_t token;

    vring_driver_reset(&world.driver);
    vring_device_reset(&world.device);
    while (vring_driver_take_unused(&world.driver, &token) == 0) {
        PROMISE(token < TOKENS && world.buffers[token].live);
        world.buffers[token].live = false;
    }
    for (unsigned i = 0; i < TOKENS; i++)
        PROMISE(!world.buffers[i].live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    if (start(&input) == 0) {
        while (input.left > 0)
            act(&input);
        if (honest)
            drain();
        finish();
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i].at);
    for (int i = 0; i < 2; i++) {
        free(world.slots[i]);
        free(world.heads[i]);
    }
    return 0;
}
