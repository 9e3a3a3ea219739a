/* SPDX-License-Identifier: MIT */
/*
 * Every schedule of two sides that meet in shared memory, without threads.
 *
 * A side is a script of verbs; a verb is a function that touches shared memory through the HOOK accessors only and is
 * otherwise a function of its private state. That makes it repeatable: to go on after its n-th access, the verb is run
 * again from its start with the first n answers replayed. So a state is plain memory, can be hashed, and is visited
 * once however many schedules lead to it; the search is exhaustive, not a sample.
 *
 * Memory is sequentially consistent, or has store buffers: with EXPLORE_TSO the stores of a side reach memory in order
 * but late; with EXPLORE_PSO those to different places in any order that no release and no fence forbids. A load sees
 * the side's own stores at once. A full fence waits until its side's buffer is empty.
 */
#ifndef EXPLORER_H
#define EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum explore_memory { EXPLORE_SC, EXPLORE_TSO, EXPLORE_PSO };

enum explore_weakness {
    EXPLORE_AS_WRITTEN = 0,
    EXPLORE_NO_FENCES = 1,  /* negative control: full fences do nothing */
    EXPLORE_NO_RELEASE = 2  /* negative control: a release is a plain store */
};

enum { EXPLORE_SIDES = 2, EXPLORE_BUFFER = 24, EXPLORE_ANSWERS = 64 };

struct explore_store {
    void *at;
    uint64_t value;
    uint8_t width;
    bool release;
};

/* What the engine keeps of a side, as part of the state. */
struct explore_side {
    struct explore_store buffer[EXPLORE_BUFFER];
    uint64_t answers[EXPLORE_ANSWERS];
    uint32_t buffered;
    uint32_t answered;
};

struct explore_memory_block {
    void *at;
    size_t size; /* a multiple of 8 */
};

/*
 * A model: memory that both sides see, memory of each side alone, and nothing else that changes.
 *
 * run      runs the current verb of a side and, when the verb returns, moves the side's script on
 * enabled  can the side go on? Not when it sleeps or has finished.
 * verdict  null, or what is wrong with this state
 * stuck    null, or what is wrong with being unable to go on from it
 */
struct explore_model {
    struct explore_memory_block shared;
    struct explore_memory_block own[EXPLORE_SIDES];
    void (*run)(int side);
    bool (*enabled)(int side);
    const char *(*verdict)(void);
    const char *(*stuck)(void);
    enum explore_memory memory;
    unsigned weakness;
    size_t limit; /* of states; reaching it is an error, so that "all" never means "the first" */
};

struct explore_result {
    const char *wrong; /* null: every schedule is right */
    size_t states;
    size_t depth;      /* of the longest schedule, or of the one that went wrong */
};

struct explore_result explore(const struct explore_model *model);

#endif
