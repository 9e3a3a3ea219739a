/* SPDX-License-Identifier: MIT */
/*
 * What this machine can do, measured in every round beside the rest: it says in which units to read the results, and in
 * which rounds the machine was another one than usual.
 */
#ifndef BENCH_CALIBRATORS_H
#define BENCH_CALIBRATORS_H

#include "harness.h"
#include "two_cores.h"

namespace bench {

/*
 * A chain of multiplications (the clock), independent additions (what other work there is on this core), a store with a
 * full fence. Rounds whose additions took 15 % more or less than usual do not count.
 */
void add_core_calibrators(Suite &suite);

/*
 * What no ring can beat between two cores: a counter that goes back and forth in one cache line, or each way in a line
 * of its own, with a pause between two looks and without; records of 16 bytes in an array whose index is published once
 * per batch, one way; and there and back.
 * Rounds in which a line took less than 0.7 or more than 1.4 times as long as usual do not count: then the cores were
 * others.
 */
void add_core_pair_calibrators(Suite &suite, TwoCores &cores);

} // namespace bench

#endif
