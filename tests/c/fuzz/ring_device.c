/* SPDX-License-Identifier: MIT */
/* The verbs of the device, called as the bytes say, and what must come of each. */
#include <string.h>

#include "ring_model.h"
#include "ring_steps.h"

enum { PIECES = 3 * ENTRIES };

/* Are these pieces the bytes of that buffer, in order? */
static void judge_pieces(const struct vring_iov *iov, const struct vring_chain *chain, const struct buffer *buffer)
{
    uint32_t piece = 0;
    size_t at = 0;

    for (unsigned i = 0; i < (unsigned)buffer->n_readable + buffer->n_writable; i++)
        for (uint32_t byte = 0; byte < buffer->segments[i].len; byte++) {
            PROMISE(piece < chain->n_readable + chain->n_writable);
            PROMISE((piece < chain->n_readable) == (i < buffer->n_readable));
            PROMISE((const unsigned char *)iov[piece].base + at == seen_at(buffer->segments[i].addr + byte));
            if (++at == iov[piece].len) {
                piece++;
                at = 0;
            }
        }
    PROMISE(piece == chain->n_readable + chain->n_writable && at == 0);
    PROMISE(chain->writable == buffer->writable);
}

static struct held *was_taken(const struct vring_iov *iov, const struct vring_chain *chain, int answer)
{
    uint64_t bytes[2] = {0, 0};

    for (uint32_t i = 0; i < chain->n_readable + chain->n_writable; i++) {
        const struct block *block = block_of(iov[i].base, iov[i].len);

        PROMISE(iov[i].len > 0 && block && block >= &blocks[GUEST_FIRST]);
        PROMISE(i < chain->n_readable || block != &blocks[GUEST_READ_ONLY]);
        bytes[i >= chain->n_readable] += iov[i].len;
    }
    PROMISE(bytes[0] == chain->readable && bytes[1] == chain->writable);
    PROMISE(answer == 0 || (!honest && bytes[0] + bytes[1] == 0));
    PROMISE(world.n_held < world.driver_config.size || held_waiting() > 0);
    for (unsigned i = 0; i < world.n_held; i++)
        PROMISE(!is_ours(i) || world.held[i].handle != chain->handle);

    bool again = held_waiting() > 0;
    struct held *held = again ? held_oldest_waiting() : &world.held[world.n_held++];
    unsigned token = again ? held->token : honest ? line_get(&world.avail) : 0;

    *held = (struct held){.handle = chain->handle, .writable = (uint32_t)chain->writable, .token = token,
                          .again = again};
    if (honest)
        judge_pieces(iov, chain, &world.buffers[token]);
    return held;
}

void device_get_avail(struct input *input, bool peek)
{
    struct vring_iov iov[PIECES];
    struct vring_chain chain;
    uint32_t room = take_below(input, 4) ? PIECES : take_below(input, PIECES);
    int answer = device_answered(peek ? vring_device_peek(&world.device, iov, room, &chain)
                                      : vring_device_get_avail(&world.device, iov, room, &chain));

    if (world.device_broke)
        return;
    if (answer == VRING_E_ROOM)
        PROMISE(chain.n_readable + chain.n_writable > room);
    else
        PROMISE(answer == 0 || answer == VRING_E_EMPTY || vring_error_blame(answer) == VRING_BLAME_CHAIN);
    PROMISE(!honest || (answer == VRING_E_EMPTY) == (world.avail.n + held_waiting() == 0));
    if (!peek && answer != VRING_E_EMPTY && answer != VRING_E_ROOM)
        (void)was_taken(iov, &chain, answer);
}

void device_get_avail_batch(struct input *input)
{
    struct vring_iov iov[3 * PIECES];
    struct vring_chain chains[3];
    uint32_t capacity = take_below(input, 4), n = 0, first = 0;
    unsigned offered = world.avail.n + held_waiting();
    int answer = device_answered(vring_device_get_avail_batch(&world.device, iov, 3 * PIECES, chains, capacity, &n));

    PROMISE(n <= capacity);
    for (uint32_t i = 0; i < n; i++) {
        bool refused = i + 1 == n && vring_error_blame(answer) == VRING_BLAME_CHAIN;

        (void)was_taken(&iov[first], &chains[i], refused ? answer : 0);
        first += chains[i].n_readable + chains[i].n_writable;
    }
    PROMISE(!honest || n == (offered < capacity ? offered : capacity));
    PROMISE(!honest || answer == (n > 0 ? 0 : capacity > 0 ? VRING_E_EMPTY : VRING_E_ROOM));
}

/* A run of several is of one piece each, for what the piece of the last is for. */
void device_get_avail_run(struct input *input)
{
    struct vring_iov iov[PIECES];
    struct vring_chain chain;
    uint32_t room = take_below(input, 4) ? PIECES : take_below(input, PIECES), n = 99;
    unsigned offered = world.avail.n + held_waiting();
    int answer = device_answered(vring_device_get_avail_run(&world.device, iov, room, &chain, &n));

    PROMISE(n == 0 || n <= (room > 1 ? room : 1));
    if (world.device_broke)
        return;
    if (!world.in_order) {
        PROMISE(answer == VRING_E_FEATURE && n == 0);
        return;
    }
    if (answer == VRING_E_ROOM)
        PROMISE(chain.n_readable + chain.n_writable > room);
    else
        PROMISE(answer == 0 || answer == VRING_E_EMPTY || (vring_error_blame(answer) == VRING_BLAME_CHAIN && n == 1));
    PROMISE((n > 0) == (answer != VRING_E_EMPTY && answer != VRING_E_ROOM));
    PROMISE(!honest || (n <= offered && (answer == VRING_E_EMPTY) == (offered == 0)));
    PROMISE(n < 2 || chain.n_readable + chain.n_writable == 1);
    for (uint32_t i = 0; i < n; i++) {
        struct vring_chain one = chain;

        if (i + 1 < n) {
            one.readable = one.n_readable ? iov[i].len : 0;
            one.writable = one.n_writable ? iov[i].len : 0;
        }
        was_taken(&iov[i], &one, answer)->nameless = i + 1 < n;
    }
}

void device_rewind(struct input *input)
{
    if (world.n_held == 0)
        return;

    unsigned i = take_below(input, 2) ? world.n_held - 1 : take_below(input, world.n_held);
    bool ours = is_ours(i);

    if (world.held[i].nameless)
        return;

    int answer = device_answered(vring_device_rewind(&world.device, world.held[i].handle));

    if (world.device_broke)
        return;
    PROMISE(answer == 0 || answer == VRING_E_HANDLE);
    if (answer != 0)
        return;
    PROMISE(ours && (i == world.n_held - 1 || world.restored));
    if (world.held[i].again) { /* it will have the same handle then */
        world.held[i].waiting = true;
        return;
    }
    note_dead(world.held[i].handle);
    if (honest)
        line_put_first(&world.avail, world.held[i].token);
    forget_held(i);
}

void device_add_used(struct input *input)
{
    unsigned i = held_number(take_below(input, TOKENS));

    if (i == world.n_held)
        return;

    uint32_t most = world.held[i].writable, len = take_below(input, 2) ? most : take_below(input, most + 2);
    int answer = device_answered(vring_device_add_used(&world.device, world.held[i].handle, len));

    if (world.device_broke)
        return;
    PROMISE(answer == (len > most ? VRING_E_LEN : 0));
    if (answer == 0) {
        vring_handle dead = world.held[i].handle;

        note_dead(dead);
        note_used(i, len);
        PROMISE(vring_device_add_used(&world.device, dead, 0) == VRING_E_HANDLE);
        PROMISE(accesses == 0);
    }
}

void device_add_used_batch(struct input *input)
{
    struct vring_used_chain used[3];
    uint32_t count = 0, n = 0, wanted = 1 + take_below(input, 3);

    for (unsigned i; count < wanted && (i = held_number(count)) < world.n_held; count++)
        used[count] = (struct vring_used_chain){world.held[i].handle, world.held[i].writable};

    int answer = device_answered(vring_device_add_used_batch(&world.device, used, count, &n));

    if (world.device_broke)
        return;
    PROMISE(answer == 0 && n == count);
    while (n-- > 0) {
        unsigned i = held_number(0);

        note_dead(world.held[i].handle);
        note_used(i, world.held[i].writable);
    }
}

/* All up to one of those that may be used: with their lengths if they have any, otherwise in full. */
void device_add_used_through(struct input *input)
{
    while (take_below(input, 3) == 1) /* some of them are used before their turn */
        device_add_used(input);

    unsigned i = held_number(take_below(input, TOKENS));

    if (i == world.n_held)
        return;

    uint32_t most = world.held[i].writable, len = take_below(input, 2) ? most : take_below(input, most + 2);
    vring_handle last = world.held[i].handle;
    int answer = device_answered(vring_device_add_used_through(&world.device, last, len));

    if (world.device_broke)
        return;
    PROMISE(answer == (!world.in_order ? VRING_E_FEATURE : len > most ? VRING_E_LEN : 0));
    if (answer != 0)
        return;
    PROMISE(vring_device_add_used_through(&world.device, last, 0) == VRING_E_HANDLE);
    PROMISE(accesses == 0);
    for (unsigned before = i; before-- > 0;)
        if (!world.held[before].finished) {
            PROMISE(!world.held[before].waiting);
            if (is_ours(before))
                note_dead(world.held[before].handle);
            if (honest)
                world.buffers[world.held[before].token].used_len = world.held[before].writable;
            world.held[before].finished = true;
        }
    note_dead(last);
    note_used(i, len);
}

void device_publish(void)
{
    int answer = device_answered(vring_device_publish(&world.device));

    if (!world.device_broke)
        note_published(answer, &world.done, &world.used, &world.driver_sleeps);
}

void device_notifications(bool enable)
{
    int answer = device_answered(enable ? vring_device_enable_notify(&world.device)
                                        : vring_device_disable_notify(&world.device));

    if (world.device_broke)
        return;
    PROMISE(answer == 0 || (answer == 1 && enable));
    if (enable) {
        PROMISE(!honest || answer == (world.avail.n + held_waiting() > 0));
        world.device_sleeps = answer == 0;
    }
}

void device_successor(struct input *input)
{
    unsigned char state[1024];
    struct vring_device successor;
    struct vring_device_config config = world.device_config;
    int bytes = device_answered(vring_device_save(&world.device, state, sizeof state));

    if (world.device_broke)
        return;
    PROMISE(bytes > 0 || bytes == VRING_E_STATE);
    if (bytes <= 0)
        return;
    config.heads = world.heads[world.device_config.heads == world.heads[0]];
    config.generation = (uint16_t)(config.generation + 0x100);
    memset(&successor, 0, sizeof successor);

    bool damaged = damage(input, state, bytes);
    int answer = vring_device_restore(&successor, &config, state, (size_t)bytes);

    if (!goes_on(answer, damaged))
        return;
    world.device = successor;
    world.device_config = config;
    world.device_sleeps = answer == 0;
    world.restored = true;
    for (unsigned i = 0; i < world.n_held; i++)
        world.held[i].waiting = !world.held[i].finished;
}

/* One that never was, unless it is by chance of what has a handle, told or not; or one that has died. */
void device_refuses_a_forged_handle(struct input *input)
{
    bool died = world.n_dead > 0 && take_below(input, 2);
    vring_handle handle = died ? world.dead[take_below(input, world.n_dead) % (sizeof world.dead / sizeof *world.dead)]
                               : take_word(input);
    int broke = world.device_broke;

    for (unsigned i = 0; i < world.n_held; i++)
        if (!died && (world.held[i].handle == handle || world.held[i].nameless))
            return;
    PROMISE(device_answered(vring_device_add_used(&world.device, handle, 0)) == (broke ? broke : VRING_E_HANDLE));
    PROMISE(device_answered(vring_device_rewind(&world.device, handle)) == (broke ? broke : VRING_E_HANDLE));
    PROMISE(device_answered(vring_device_add_used_through(&world.device, handle, 0)) ==
            (broke ? broke : world.in_order ? VRING_E_HANDLE : VRING_E_FEATURE));
}
