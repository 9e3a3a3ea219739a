/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ring_model.h"

struct world world;

void line_put(struct line *line, unsigned token)
{
    PROMISE(line->n < sizeof line->of / sizeof *line->of);
    line->of[line->n++] = token;
}

void line_put_first(struct line *line, unsigned token)
{
    line_put(line, token);
    memmove(&line->of[1], &line->of[0], (line->n - 1) * sizeof *line->of);
    line->of[0] = token;
}

unsigned line_get_at(struct line *line, unsigned i)
{
    unsigned token = line->of[i];

    PROMISE(line->n > i);
    memmove(&line->of[i], &line->of[i + 1], (--line->n - i) * sizeof *line->of);
    return token;
}

unsigned line_get(struct line *line)
{
    return line_get_at(line, 0);
}

void line_move_all(struct line *from, struct line *to)
{
    while (from->n > 0) {
        unsigned token = line_get(from);

        if (honest)
            line_put(to, token);
    }
}

/* ------------------------------------------------------------------------------------------------------ answers --- */

/* What every answer has in common. broke is the side's. */
static int answered(int answer, int *broke)
{
    forget_scribbles();
    if (*broke) {
        PROMISE(answer == *broke);
        PROMISE(accesses == 0);
    }
    if (vring_error_blame(answer) == VRING_BLAME_PEER) {
        PROMISE(!honest);
        *broke = answer;
    }
    accesses = 0;
    return answer;
}

int driver_answered(int answer)
{
    world.driver_sleeps = false;
    return answered(answer, &world.driver_broke);
}

int device_answered(int answer)
{
    world.device_sleeps = false;
    return answered(answer, &world.device_broke);
}

void note_published(int answer, struct line *staged, struct line *visible, bool *peer_sleeps)
{
    bool any = staged->n > 0;

    PROMISE(answer == 0 || answer == 1);
    PROMISE(!honest || !*peer_sleeps || !any || answer == 1);
    *peer_sleeps = *peer_sleeps && !any;
    line_move_all(staged, visible);
}

bool goes_on(int answer, bool damaged)
{
    accesses = 0;
    if (damaged)
        PROMISE(answer == VRING_E_SAVED);
    else if (honest)
        PROMISE(answer == 0 || answer == 1);
    else
        PROMISE(answer >= 0 || answer == VRING_E_UNFIT || vring_error_blame(answer) == VRING_BLAME_PEER);
    return answer >= 0;
}

/* ------------------------------------------------------------------------------------------ what the driver has --- */

static unsigned model_free(void)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < TOKENS; i++)
        taken += world.buffers[i].live ? world.buffers[i].descriptors : 0;
    return world.driver_config.size - taken;
}

int model_adding(const struct buffer *buffer, bool indirect)
{
    unsigned count = (unsigned)buffer->n_readable + buffer->n_writable;
    unsigned most = world.driver_config.max_chain ? world.driver_config.max_chain : world.driver_config.size;

    if (indirect && !(world.driver_config.features & VRING_F_INDIRECT_DESC))
        return VRING_E_FEATURE;
    if (count == 0 || count > most || (!indirect && count > world.driver_config.size))
        return VRING_E_CHAIN;
    for (unsigned i = 0; i < count; i++)
        if (buffer->segments[i].len == 0)
            return VRING_E_LEN;
    return model_free() < (indirect ? 1 : count) ? VRING_E_FULL : 0;
}

void note_added(unsigned token, const struct buffer *buffer, uint16_t descriptors)
{
    world.buffers[token] = *buffer;
    world.buffers[token].live = true;
    world.buffers[token].descriptors = descriptors;
    line_put(&world.staged, token);
    line_put(&world.added, token);
}

/* ------------------------------------------------------------------------------------------ what the device has --- */

bool is_ours(unsigned i)
{
    return !world.held[i].finished && !world.held[i].waiting && !world.held[i].nameless;
}

unsigned held_waiting(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < world.n_held; i++)
        n += world.held[i].waiting;
    return n;
}

struct held *held_oldest_waiting(void)
{
    struct held *held = world.held;

    while (!held->waiting)
        held++;
    return held;
}

unsigned held_number(unsigned number)
{
    unsigned n = 0;

    for (unsigned i = 0; i < world.n_held; i++)
        if (is_ours(i) && n++ == number)
            return i;
    return world.n_held;
}

void note_used(unsigned i, uint32_t len)
{
    if (honest)
        world.buffers[world.held[i].token].used_len = len;
    world.held[i].finished = true;
    if (world.in_order)
        i = 0;
    while (i < world.n_held && world.held[i].finished) {
        if (honest)
            line_put(&world.done, world.held[i].token);
        forget_held(i);
        if (!world.in_order)
            break;
    }
}

void note_dead(vring_handle handle)
{
    world.dead[world.n_dead++ % (sizeof world.dead / sizeof *world.dead)] = handle;
}

void forget_held(unsigned i)
{
    memmove(&world.held[i], &world.held[i + 1], (--world.n_held - i) * sizeof *world.held);
}
