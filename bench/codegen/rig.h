/* SPDX-License-Identifier: MIT */
/*
 * How functions are called under emulation. For each there is prepare_NAME(), which lays out the shared memory, and
 * run_NAME(), which calls it once; whoever emulates them counts what happens outside of the two. Shared memory is
 * every variable whose name begins with shared_.
 *
 * In the build with hooks the accesses that the source asks for are written down in intents: what the other builds are
 * held against.
 */
#ifndef RIG_H
#define RIG_H

#include <stdint.h>

enum { INTENT_LOAD = 1, INTENT_STORE, INTENT_FENCE };

struct intent {
    uint32_t kind;
    uint32_t width;
    uint64_t address;
};

extern volatile uint32_t intent_count;
extern struct intent intents[256];
extern volatile uint64_t rig_result;

/* PREPARE(name) { ... } RUN(name) { ... } */
#define PREPARE(name) void prepare_##name(void); void prepare_##name(void)
#define RUN(name) void run_##name(void); void run_##name(void)

#endif
