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
static unsigned to_learn;    /* of how many stores to the place that it loads it learns first */
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

/* What is in memory, where the side has learned of it; otherwise the oldest that it may still see; its own stores. */
static uint64_t load(const void *p, size_t width)
{
    unsigned char bytes[8] = {0};
    uint64_t value = 0;

    memcpy(bytes, p, width);
    for (uint32_t i = model ? sides[running].has.news : 0; i-- > 0;)
        overlay(bytes, (const unsigned char *)p, width, &sides[running].before[i]);
    for (uint32_t i = 0; model && i < sides[running].has.stores; i++)
        overlay(bytes, (const unsigned char *)p, width, &sides[running].buffer[i]);
    memcpy(&value, bytes, 8);
    return value;
}

static bool overlaps(const struct explore_store *a, const struct explore_store *b)
{
    const unsigned char *x = (const unsigned char *)a->at, *y = (const unsigned char *)b->at;

    return x < y + b->width && y < x + a->width;
}

/* Is list[i] behind another store to the same place? */
static bool is_behind(const struct explore_store *list, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (overlaps(&list[i], &list[j]))
            return true;
    return false;
}

/* Drop list[i]. */
static void drop(struct explore_store *list, uint32_t *count, uint32_t i)
{
    --*count;
    memmove(&list[i], &list[i + 1], (*count - i) * sizeof *list);
}

/* May store number i of a side reach memory next? */
static bool may_flush(const struct explore_side *side, uint32_t i)
{
    if (i == 0)
        return true;
    if (model->memory < EXPLORE_PSO || side->buffer[i].release)
        return false;
    return !is_behind(side->buffer, i);
}

/* The other side has not learned of a store that is about to reach memory. */
static void keep_from(struct explore_side *other, const struct explore_store *store)
{
    struct explore_store before = *store;

    before.value = 0;
    memcpy(&before.value, store->at, store->width);
    if (before.value == store->value)
        return;
    if (other->has.news == EXPLORE_NEWS)
        drop(other->before, &other->has.news, 0);
    other->before[other->has.news++] = before;
}

enum { CHOICES = 4 };

/*
 * A side learns of some stores to a place before it loads from it, the oldest first: what it learns of other places,
 * and when, makes no difference to this load. Of to_learn stores, and of all if this is the last choice. False if there
 * are not so many.
 */
static bool learn(struct explore_side *side, const void *p, size_t width)
{
    struct explore_store place = {(void *)(uintptr_t)p, 0, (uint32_t)width, false};
    unsigned learned = 0;

    for (uint32_t i = 0; i < side->has.news && (learned < to_learn || to_learn == CHOICES - 1);) {
        if (overlaps(&side->before[i], &place)) {
            drop(side->before, &side->has.news, i);
            learned++;
        } else {
            i++;
        }
    }
    return learned >= to_learn;
}

static void flush(struct explore_side *side, uint32_t i)
{
    struct explore_store store = side->buffer[i];

    if (model->memory == EXPLORE_WEAK) {
        keep_from(&sides[side == sides], &store);
        for (uint32_t j = side->has.news; j-- > 0;) /* what one has written oneself is no news */
            if (overlaps(&side->before[j], &store))
                drop(side->before, &side->has.news, j);
    }
    memcpy(store.at, &store.value, store.width);
    drop(side->buffer, &side->has.stores, i);
}

static void learn_all(struct explore_side *side)
{
    side->has.news = 0;
}

/* Does this barrier of the running verb hold? */
static bool holds(enum explore_barrier barrier)
{
    return model && !(model->weakened && model->weakened(running, barrier));
}

static void store(void *p, size_t width, uint64_t value, bool release)
{
    struct explore_side *side = &sides[running];

    if (!model || model->memory == EXPLORE_SC) {
        memcpy(p, &value, width);
        return;
    }
    if (side->has.stores == EXPLORE_BUFFER) {
        overflow = "the store buffer is too small for this model";
        return;
    }
    side->buffer[side->has.stores++] = (struct explore_store){p, value, (uint32_t)width, release};
}

/* --------------------------------------------------------------------------------------------------- one access --- */

/*
 * True if this access has to be made now; false if it was made before, and *answer is what it gave. Does not return if
 * the verb has made its one new access already.
 */
static bool is_new(uint64_t *answer, bool is_load)
{
    struct explore_side *side = &sides[running];

    if (!model)
        return true;
    if (replayed < side->has.answers) {
        *answer = side->answers[replayed++];
        return false;
    }
    if (stepped || (to_learn > 0 && !is_load))
        longjmp(out, 1);
    stepped = true;
    if (side->has.answers == EXPLORE_ANSWERS) {
        overflow = "a verb makes more accesses than this engine remembers";
        longjmp(out, 1);
    }
    return true;
}

static void made(uint64_t answer)
{
    if (!model)
        return;
    sides[running].answers[sides[running].has.answers++] = answer;
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

    if (is_new(&answer, true)) {
        if (model && !learn(&sides[running], p, width))
            longjmp(out, 1);
        answer = load(p, width);
        made(answer);
        if (order == VRING_HOOK_ACQUIRE && holds(EXPLORE_ACQUIRE))
            learn_all(&sides[running]);
    }
    return from_bytes(answer, width);
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    uint64_t answer;

    if (is_new(&answer, false)) {
        store(p, width, to_bytes(v, width), order == VRING_HOOK_RELEASE && holds(EXPLORE_RELEASE));
        made(0);
    }
}

void vring_hook_fence(void)
{
    uint64_t answer;

    if (!is_new(&answer, false) || !model)
        return;
    if (holds(EXPLORE_FENCE)) {
        if (sides[running].has.stores > 0)
            longjmp(out, 1); /* not yet: a store has to reach memory first */
        learn_all(&sides[running]);
    }
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

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word;

        memcpy(&word, (const unsigned char *)bytes + i, 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    return hash;
}

/*
 * 64 bits of the state in place. Two states that share them would hide each other: of 10^7, any such pair has a chance
 * of 3 in 10^6.
 */
static uint64_t digest(void)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned b = 0; b < BLOCKS - 1; b++)
        hash = mix(hash, block(b).at, block(b).size);
    for (const struct explore_side *side = sides; side < sides + EXPLORE_SIDES; side++) {
        hash = mix(hash, side->buffer, side->has.stores * sizeof *side->buffer);
        hash = mix(hash, side->before, side->has.news * sizeof *side->before);
        hash = mix(hash, side->answers, side->has.answers * sizeof *side->answers);
        hash = mix(hash, &side->has, sizeof side->has);
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

/* A side makes its next access, and if that is a load, learns of some stores first. False if it cannot. */
static bool step(int side, unsigned learns)
{
    static unsigned char own[1 << 14];
    const struct explore_memory_block *mine = &model->own[side];
    uint32_t answered = sides[side].has.answers;

    if (!model->enabled(side))
        return false;
    running = side;
    to_learn = learns;
    replayed = 0;
    stepped = false;
    memcpy(own, mine->at, mine->size);
    if (setjmp(out) == 0) {
        model->run(side);
        if (!stepped && learns > 0)
            return false; /* a verb without accesses has no such choice */
        sides[side].has.answers = 0;
        return true;
    }
    memcpy(mine->at, own, mine->size); /* in the middle of a verb: it will start again from here */
    return sides[side].has.answers != answered;
}

enum {
    STEPS = EXPLORE_SIDES * CHOICES,
    TRANSITIONS = STEPS + EXPLORE_SIDES * EXPLORE_BUFFER,
    DEPTH = 4096
};

/* Transition number t: a side's next access, or one of its stores reaches memory. False if it is not possible. */
static bool take(unsigned t)
{
    unsigned side = (t - STEPS) / EXPLORE_BUFFER % EXPLORE_SIDES, i = (t - STEPS) % EXPLORE_BUFFER;

    if (t < STEPS)
        return step((int)(t % EXPLORE_SIDES), t / EXPLORE_SIDES);
    if (i >= sides[side].has.stores || !may_flush(&sides[side], i))
        return false;
    flush(&sides[side], i);
    return true;
}

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
