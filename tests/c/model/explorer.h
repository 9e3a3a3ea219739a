/* SPDX-License-Identifier: MIT */
/*
 * Every schedule of two sides that meet in shared memory, without threads.
 *
 * A side is a script of verbs; a verb is a function that touches shared memory through the HOOK accessors only and is
 * otherwise a function of its private state. That makes it repeatable: to go on after its n-th access, the verb is run
 * again from its start with the first n answers replayed. So a state is plain memory, can be hashed, and is visited
 * once however many schedules lead to it; the search is exhaustive, not a sample.
 *
 * Memory is sequentially consistent, or weaker:
 *
 *   EXPLORE_TSO   the stores of a side reach memory in order, but late: it has a store buffer
 *   EXPLORE_PSO   ... and those to different places in any order that no release and no fence forbids
 *   EXPLORE_WEAK  ... and what has reached memory is news to the other side when it learns of it: until then its loads
 *                 answer what was there before, each place in its own time, as if they had been made earlier. An
 *                 acquire and a full fence learn all
 *
 * A load sees the side's own stores at once. A full fence waits until its side's buffer is empty. No model lets a store
 * overtake an earlier load.
 */
#ifndef EXPLORER_H
#define EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum explore_memory { EXPLORE_SC, EXPLORE_TSO, EXPLORE_PSO, EXPLORE_WEAK };

enum explore_barrier { EXPLORE_FENCE, EXPLORE_RELEASE, EXPLORE_ACQUIRE };

enum { EXPLORE_SIDES = 2, EXPLORE_BUFFER = 24, EXPLORE_NEWS = 16, EXPLORE_ANSWERS = 64 };

/* A store on its way into memory; or what was in memory before one of the other side. */
struct explore_store {
    void *at;
    uint64_t value;
    uint32_t width;
    uint32_t release; /* or 0 */
};

/* What the engine keeps of a side, as part of the state. */
struct explore_side {
    struct explore_store buffer[EXPLORE_BUFFER];
    struct explore_store before[EXPLORE_NEWS]; /* what it has not learned of, oldest first */
    uint64_t answers[EXPLORE_ANSWERS];
    struct {
        uint32_t stores, news, answers, unused; /* of each of the three; what lies behind means nothing */
    } has;
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
 * weakened for negative controls, may be null: is this barrier, at which side is in its current verb, left out?
 */
struct explore_model {
    struct explore_memory_block shared;
    struct explore_memory_block own[EXPLORE_SIDES];
    void (*run)(int side);
    bool (*enabled)(int side);
    const char *(*verdict)(void);
    const char *(*stuck)(void);
    bool (*weakened)(int side, enum explore_barrier barrier);
    enum explore_memory memory;
    size_t limit; /* of states; reaching it is an error, so that "all" never means "the first" */
};

struct explore_result {
    const char *wrong; /* null: every schedule is right */
    size_t states;
    size_t depth;      /* of the longest schedule, or of the one that went wrong */
};

struct explore_result explore(const struct explore_model *model);

#endif
