/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ring_memory.h"
#include "vring/access_hook.h"

enum { ACCESSES_MAX = 40 * TOKENS * ENTRIES };

struct block blocks[BLOCKS];
bool honest;
unsigned accesses;

static struct scribble {
    bool armed;
    unsigned before; /* which access */
    struct block *block;
    size_t offset;
    unsigned width;
    uint32_t value;
} scribbles[4];

void *allocate(size_t size)
{
    void *memory = NULL;

    if (posix_memalign(&memory, 16, size))
        abort();
    memset(memory, 0, size);
    return memory;
}

void allocate_block(int i, size_t size)
{
    blocks[i].at = (unsigned char *)allocate(size);
    blocks[i].size = size;
}

const struct block *block_of(const void *at, size_t width)
{
    for (int i = 0; i < BLOCKS; i++)
        if ((uintptr_t)at - (uintptr_t)blocks[i].at < blocks[i].size &&
            blocks[i].size - ((uintptr_t)at - (uintptr_t)blocks[i].at) >= width)
            return &blocks[i];
    return NULL;
}

const unsigned char *seen_at(uint64_t addr)
{
    return addr >= READ_ONLY       ? blocks[GUEST_READ_ONLY].at + (addr - READ_ONLY)
           : addr >= GUEST + FIRST ? blocks[GUEST_SECOND].at + (addr - GUEST - FIRST)
                                   : blocks[GUEST_FIRST].at + (addr - GUEST);
}

/* --------------------------------------------------------------------------------------------------- accesses --- */

static void scribble(struct scribble *what)
{
    for (unsigned i = 0; i < what->width && what->offset + i < what->block->size; i++)
        what->block->at[what->offset + i] = (unsigned char)(what->value >> 8 * i);
    what->armed = false;
    honest = false;
}

static void step(const void *at, size_t width)
{
    for (size_t i = 0; i < sizeof scribbles / sizeof *scribbles; i++)
        if (scribbles[i].armed && scribbles[i].before == accesses)
            scribble(&scribbles[i]);
    accesses++;
    PROMISE(accesses < ACCESSES_MAX);
    PROMISE(!at || block_of(at, width));
}

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    (void)order;
    step(p, width);
    switch (width) {
    case 8:
        return *(const uint64_t *)p;
    case 4:
        return *(const uint32_t *)p;
    case 2:
        return *(const uint16_t *)p;
    default:
        return *(const uint8_t *)p;
    }
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    (void)order;
    step(p, width);
    if (width == 8)
        *(uint64_t *)p = v;
    else if (width == 4)
        *(uint32_t *)p = (uint32_t)v;
    else
        *(uint16_t *)p = (uint16_t)v;
}

void vring_hook_fence(void)
{
    step(NULL, 0);
}

/* ---------------------------------------------------------------------------------------------- what others do --- */

void draw_scribble(struct input *input, bool now)
{
    struct scribble *what = &scribbles[take_below(input, sizeof scribbles / sizeof *scribbles)];

    what->block = &blocks[take_below(input, BLOCKS)];
    what->offset = take(input) % what->block->size;
    what->width = 1u << take_below(input, 3);
    what->value = take_below(input, 2) ? take(input) : take_word(input);
    what->before = now ? 0 : take_below(input, 32);
    what->armed = !now;
    if (now)
        scribble(what);
}

void forget_scribbles(void)
{
    for (size_t i = 0; i < sizeof scribbles / sizeof *scribbles; i++)
        scribbles[i].armed = false;
}

bool damage(struct input *input, unsigned char *state, int bytes)
{
    if (take_below(input, 4) > 0)
        return false;
    state[(unsigned)(take(input) << 8 | take(input)) % (unsigned)bytes] ^= (unsigned char)(1 + take_below(input, 255));
    return true;
}
