/* SPDX-License-Identifier: MIT */
#include "plain_walk.h"

#define WALK_SLOTS PLAIN_WALK_SLOTS
#include "slot_walk.h"

#include <stdlib.h>

struct walk *plain_walk_new(uint64_t base, uint32_t slots)
{
    struct walk *walk = calloc(1, sizeof *walk);

    if (walk == NULL)
        return NULL;
    walk->base = base;
    walk->slots = slots;
    walk->segment = 128;
    walk->slot_size = 2048;
    walk->page = 4096;
    return walk;
}

void plain_walk_delete(struct walk *walk)
{
    free(walk);
}

void plain_walk_set_used(struct walk *walk, uint32_t slot, bool used)
{
    walk->used[slot] = used;
}

uint32_t plain_walk_once(struct walk *walk, size_t size)
{
    struct walk_request request = {.size = size};
    uint32_t n, slot = walk_find(walk, &request, &n);

    if (slot == WALK_NONE)
        return PLAIN_WALK_NONE;
    walk_take(walk, slot, n);
    walk_give(walk, slot, n);
    return slot;
}
