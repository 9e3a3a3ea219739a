/* SPDX-License-Identifier: MIT */
#include "explorer.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "vring/access_hook.h"

/* The state beside the model's world. */
static struct explore_side sides[EXPLORE_SIDES];

static const struct explore_model *model; /* null outside of a search: accesses are then plain */
static int running;          /* the side whose verb is on the stack */
static uint32_t replayed;    /* how many of its answers have been given again */
static bool stepped;         /* it has made its one new access */
static jmp_buf out;
static const char *overflow; /* the engine's own limits */

/* ------------------------------------------------------------------------------------------------------- memory --- */

static void overlay(unsigned char *bytes, const unsigned char *at, size_t width, const struct explore_store *store)
{
    const unsigned char *to = (const unsigned char *)store->at;
    unsigned char value[8];

    memcpy(value, &store->value, 8); /* values are kept as the bytes that they are in memory */
    for (size_t i = 0; i < store->width; i++)
        if (to + i >= at && to + i < at + width)
            bytes[to + i - at] = value[i];
}

static uint64_t load(const void *p, size_t width)
{
    unsigned char bytes[8] = {0};
    uint64_t value = 0;

    memcpy(bytes, p, width);
    for (uint32_t i = 0; model && i < sides[running].buffered; i++)
        overlay(bytes, (const unsigned char *)p, width, &sides[running].buffer[i]);
    memcpy(&value, bytes, 8);
    return value;
}

static bool overlaps(const struct explore_store *a, const struct explore_store *b)
{
    const unsigned char *x = (const unsigned char *)a->at, *y = (const unsigned char *)b->at;

    return x < y + b->width && y < x + a->width;
}

/* May store number i of a side reach memory next? */
static bool may_flush(const struct explore_side *side, uint32_t i)
{
    if (i == 0)
        return true;
    if (model->memory != EXPLORE_PSO || side->buffer[i].release)
        return false;
    for (uint32_t j = 0; j < i; j++)
        if (overlaps(&side->buffer[i], &side->buffer[j]))
            return false;
    return true;
}

static void flush(struct explore_side *side, uint32_t i)
{
    memcpy(side->buffer[i].at, &side->buffer[i].value, side->buffer[i].width);
    side->buffered--;
    memmove(&side->buffer[i], &side->buffer[i + 1], (side->buffered - i) * sizeof *side->buffer);
    memset(&side->buffer[side->buffered], 0, sizeof *side->buffer);
}

static void store(void *p, size_t width, uint64_t value, bool release)
{
    struct explore_side *side = &sides[running];

    if (!model || model->memory == EXPLORE_SC) {
        memcpy(p, &value, width);
        return;
    }
    if (side->buffered == EXPLORE_BUFFER) {
        overflow = "the store buffer is too small for this model";
        return;
    }
    side->buffer[side->buffered++] = (struct explore_store){p, value, (uint8_t)width, release};
}

/* --------------------------------------------------------------------------------------------------- one access --- */

/*
 * True if this access has to be made now; false if it was made before, and *answer is what it gave. Does not return if
 * the verb has made its one new access already.
 */
static bool is_new(uint64_t *answer)
{
    struct explore_side *side = &sides[running];

    if (!model)
        return true;
    if (replayed < side->answered) {
        *answer = side->answers[replayed++];
        return false;
    }
    if (stepped)
        longjmp(out, 1);
    stepped = true;
    if (side->answered == EXPLORE_ANSWERS) {
        overflow = "a verb makes more accesses than this engine remembers";
        longjmp(out, 1);
    }
    return true;
}

static void made(uint64_t answer)
{
    if (!model)
        return;
    sides[running].answers[sides[running].answered++] = answer;
    replayed++;
}

/* Values travel as the bytes that they are in memory, in the low addresses of a 64-bit word. */
static uint64_t to_bytes(uint64_t v, size_t width)
{
    unsigned char bytes[8] = {0};
    uint64_t packed;

    if (width == 8)
        memcpy(bytes, &v, 8);
    else if (width == 4)
        memcpy(bytes, &(uint32_t){(uint32_t)v}, 4);
    else if (width == 2)
        memcpy(bytes, &(uint16_t){(uint16_t)v}, 2);
    else
        bytes[0] = (unsigned char)v;
    memcpy(&packed, bytes, 8);
    return packed;
}

static uint64_t from_bytes(uint64_t packed, size_t width)
{
    unsigned char bytes[8];
    uint64_t v8;
    uint32_t v4;
    uint16_t v2;

    memcpy(bytes, &packed, 8);
    memcpy(&v8, bytes, 8);
    memcpy(&v4, bytes, 4);
    memcpy(&v2, bytes, 2);
    return width == 8 ? v8 : width == 4 ? v4 : width == 2 ? v2 : bytes[0];
}

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    uint64_t answer;

    (void)order; /* loads are made in order: an acquire has nothing to add */
    if (is_new(&answer)) {
        answer = load(p, width);
        made(answer);
    }
    return from_bytes(answer, width);
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    uint64_t answer;

    if (is_new(&answer)) {
        store(p, width, to_bytes(v, width),
              order == VRING_HOOK_RELEASE && model && !(model->weakness & EXPLORE_NO_RELEASE));
        made(0);
    }
}

void vring_hook_fence(void)
{
    uint64_t answer;

    if (!is_new(&answer) || !model)
        return;
    if (sides[running].buffered > 0 && !(model->weakness & EXPLORE_NO_FENCES))
        longjmp(out, 1); /* not yet: a store has to reach memory first */
    made(0);
}

/* ------------------------------------------------------------------------------------------------------- states --- */

/* A state, as bytes: what is shared, what is each side's own, and the engine's. */

static struct explore_memory_block block(unsigned i)
{
    struct explore_memory_block engine = {sides, sizeof sides};

    return i == 0 ? model->shared : i <= EXPLORE_SIDES ? model->own[i - 1] : engine;
}

enum { BLOCKS = EXPLORE_SIDES + 2 };

static size_t state_size(void)
{
    size_t size = 0;

    for (unsigned i = 0; i < BLOCKS; i++)
        size += block(i).size;
    return size;
}

static void save(unsigned char *to)
{
    for (unsigned i = 0; i < BLOCKS; to += block(i).size, i++)
        memcpy(to, block(i).at, block(i).size);
}

static void restore(const unsigned char *from)
{
    for (unsigned i = 0; i < BLOCKS; from += block(i).size, i++)
        memcpy(block(i).at, from, block(i).size);
}

/*
 * 64 bits of the state in place. Two states that share them would hide each other: of 10^7, any such pair has a chance
 * of 3 in 10^6.
 */
static uint64_t digest(void)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned b = 0; b < BLOCKS; b++)
        for (size_t i = 0; i < block(b).size; i += 8) {
            uint64_t word;

            memcpy(&word, (const unsigned char *)block(b).at + i, 8);
            hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
            hash ^= hash >> 32;
        }
    return hash ? hash : 1;
}

/* An open hash table of digests, never more than half full. */
struct seen {
    uint64_t *digests;
    size_t mask;
    size_t count;
};

static bool is_known(struct seen *seen, uint64_t hash)
{
    size_t i = (size_t)hash & seen->mask;

    for (; seen->digests[i]; i = (i + 1) & seen->mask)
        if (seen->digests[i] == hash)
            return true;
    seen->digests[i] = hash;
    seen->count++;
    return false;
}

/* ------------------------------------------------------------------------------------------------------- search --- */

/* A side makes its next access. False if it cannot. */
static bool step(int side)
{
    static unsigned char own[1 << 14];
    const struct explore_memory_block *mine = &model->own[side];
    uint32_t answered = sides[side].answered;

    if (!model->enabled(side))
        return false;
    running = side;
    replayed = 0;
    stepped = false;
    memcpy(own, mine->at, mine->size);
    if (setjmp(out) == 0) {
        model->run(side);
        memset(sides[side].answers, 0, sizeof sides[side].answers);
        sides[side].answered = 0;
        return true;
    }
    memcpy(mine->at, own, mine->size); /* in the middle of a verb: it will start again from here */
    return sides[side].answered != answered;
}

/* Transition number t: a side's next access, or one of its stores reaches memory. False if it is not possible. */
static bool take(unsigned t)
{
    unsigned side = (t - EXPLORE_SIDES) / EXPLORE_BUFFER, i = (t - EXPLORE_SIDES) % EXPLORE_BUFFER;

    if (t < EXPLORE_SIDES)
        return step((int)t);
    if (i >= sides[side].buffered || !may_flush(&sides[side], i))
        return false;
    flush(&sides[side], i);
    return true;
}

enum { TRANSITIONS = EXPLORE_SIDES + EXPLORE_SIDES * EXPLORE_BUFFER, DEPTH = 4096 };

/* A state on the way to the one in place, and which transition to try next from it. */
struct visit {
    unsigned char *state;
    unsigned next;
    bool moved; /* some transition was possible */
};

/* Depth first: what is on the path is in path, what was met is in seen. Returns what is wrong. */
static const char *search(struct visit *path, struct seen *seen, size_t *depth, size_t *deepest)
{
    const char *wrong = NULL;

    while (*depth > 0 && !wrong) {
        struct visit *at = &path[*depth - 1];

        if (at->next == TRANSITIONS) {
            restore(at->state);
            if (!at->moved && (wrong = model->stuck()))
                break;
            --*depth;
            continue;
        }
        restore(at->state);
        if (!take(at->next++))
            continue;
        at->moved = true;
        wrong = overflow ? overflow : model->verdict();
        if (wrong || is_known(seen, digest()))
            continue;
        if (seen->count > model->limit || *depth == DEPTH)
            return "more states than this model was given: the search did not end";
        if (!path[*depth].state && !(path[*depth].state = (unsigned char *)malloc(state_size())))
            return "out of memory";
        save(path[*depth].state);
        path[*depth].next = 0;
        path[(*depth)++].moved = false;
        if (*depth > *deepest)
            *deepest = *depth;
    }
    return wrong;
}

struct explore_result explore(const struct explore_model *what)
{
    struct explore_result result = {0};
    struct seen seen = {0};
    size_t slots = 1, depth = 1;
    struct visit *path = (struct visit *)calloc(DEPTH, sizeof *path);

    model = what;
    overflow = NULL;
    memset(sides, 0, sizeof sides);
    while (slots < 2 * what->limit + 2)
        slots *= 2;
    seen.mask = slots - 1;
    seen.digests = (uint64_t *)calloc(slots, sizeof *seen.digests);
    if (!path || !seen.digests || !(path[0].state = (unsigned char *)malloc(state_size()))) {
        result.wrong = "out of memory";
    } else {
        save(path[0].state);
        is_known(&seen, digest());
        result.wrong = search(path, &seen, &depth, &result.depth);
    }
    result.states = seen.count;
    for (size_t i = 0; path && i < DEPTH; i++)
        free(path[i].state);
    free(path);
    free(seen.digests);
    model = NULL;
    return result;
}
