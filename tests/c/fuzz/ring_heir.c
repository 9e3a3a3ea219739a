/* SPDX-License-Identifier: MIT */
/*
 * Successors of a state that lies, under a checksum that is right: what they are told of buffers is not to be known, and so no
 * model says what they answer. Where they live, all verbs are called as the bytes say, to the last of them.
 */
#include <string.h>

#include "ring_model.h"
#include "ring_steps.h"
#include "seal.h"

/* Some bytes are others: mostly of the header, which is the same in all states, and small numbers, as most that count are. */
static void lie(struct input *input, unsigned char *state, int bytes)
{
    for (unsigned left = 1 + take_below(input, 6); left > 0; left--) {
        unsigned how = take(input), at = how & 1 ? 26 + take_below(input, 14) : take(input) % (unsigned)(bytes - 4);

        state[at] = how & 2 ? take(input) : (unsigned char)take_below(input, TOKENS + 1);
    }
    seal(state, (size_t)bytes);
}

/* Whoever is told a lie may say so; nothing is the caller's fault but the state. */
static bool lives(int answer)
{
    accesses = 0;
    honest = false; /* what it does to the ring its predecessor has not done */
    PROMISE(answer == 0 || answer == 1 || answer == VRING_E_SAVED || answer == VRING_E_UNFIT ||
            vring_error_blame(answer) == VRING_BLAME_PEER);
    return answer >= 0;
}

static void driver_step(struct input *input, struct vring_driver *heir)
{
    const struct vring_segment segments[2] = {{GUEST, 8}, {GUEST + 8, 8}};
    struct vring_used_buffer used[TOKENS];
    unsigned char state[1024];
    uint64_t token;
    uint32_t n = 0;

    switch (take_below(input, 9)) {
    case 0: (void)vring_driver_add_avail(heir, segments, 1, (uint16_t)take_below(input, 2), 1); break;
    case 1: (void)vring_driver_publish(heir); break;
    case 2: (void)vring_driver_get_used(heir, used); break;
    case 3: (void)vring_driver_get_used_batch(heir, used, TOKENS, &n); break;
    case 4: (void)vring_driver_get_used_run(heir, used, TOKENS, &n); break;
    case 5: (void)vring_driver_abort(heir, &token); break;
    case 6: (void)vring_driver_enable_notify(heir); break;
    case 7: (void)vring_driver_save(heir, state, sizeof state); break;
    default: draw_scribble(input, take_below(input, 2)); break;
    }
    accesses = 0;
    PROMISE(n <= TOKENS);
    PROMISE(vring_driver_free(heir) <= world.driver_config.size);
    PROMISE(vring_driver_in_flight(heir) + vring_driver_free(heir) <= world.driver_config.size);
}

static void driver_heir(struct input *input)
{
    struct vring_driver_config config = world.driver_config;
    unsigned char state[1024];
    struct vring_driver heir;
    uint64_t token;
    int bytes = vring_driver_save(&world.driver, state, sizeof state);

    if (bytes <= 0)
        return;
    config.slots = world.slots[config.slots == world.slots[0]];
    lie(input, state, bytes);
    if (!lives(vring_driver_restore(&heir, &config, state, (size_t)bytes)))
        return;
    while (input->left > 0)
        driver_step(input, &heir);
    vring_driver_reset(&heir);
    for (unsigned i = 0; vring_driver_take_unused(&heir, &token) == 0; i++)
        PROMISE(i < config.size);
}

static void device_step(struct input *input, struct vring_device *heir, vring_handle *handle)
{
    static struct vring_iov iov[4 * TOKENS];
    struct vring_chain chains[TOKENS] = {{.handle = *handle}};
    unsigned char state[1024];
    uint32_t n = 0;

    switch (take_below(input, 9)) {
    case 0: n = vring_device_get_avail(heir, iov, 4 * TOKENS, chains) == 0; break;
    case 1: (void)vring_device_get_avail_batch(heir, iov, 4 * TOKENS, chains, TOKENS, &n); break;
    case 2: (void)vring_device_get_avail_run(heir, iov, TOKENS, chains, &n); break;
    case 3: (void)vring_device_add_used(heir, *handle, take_below(input, 3)); break;
    case 4: (void)vring_device_add_used_through(heir, *handle, take_below(input, 3)); break;
    case 5: (void)vring_device_rewind(heir, *handle); break;
    case 6: (void)vring_device_publish(heir); break;
    case 7: (void)vring_device_save(heir, state, sizeof state); break;
    default: draw_scribble(input, take_below(input, 2)); break;
    }
    accesses = 0;
    PROMISE(n <= TOKENS);
    PROMISE(vring_device_in_flight(heir) <= world.device_config.size);
    *handle = chains[0].handle;
}

static void device_heir(struct input *input)
{
    struct vring_device_config config = world.device_config;
    unsigned char state[1024];
    struct vring_device heir;
    vring_handle handle = 0;
    int bytes = vring_device_save(&world.device, state, sizeof state);

    if (bytes <= 0)
        return;
    config.heads = world.heads[config.heads == world.heads[0]];
    lie(input, state, bytes);
    if (!lives(vring_device_restore(&heir, &config, state, (size_t)bytes)))
        return;
    while (input->left > 0)
        device_step(input, &heir, &handle);
    vring_device_reset(&heir);
}

void heir_of_a_lie(struct input *input)
{
    take_below(input, 2) ? driver_heir(input) : device_heir(input);
}
