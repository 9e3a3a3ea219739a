/* SPDX-License-Identifier: MIT */
/* Measurements of a driver and a device that take turns in one thread. */
#ifndef BENCH_ONE_THREAD_H
#define BENCH_ONE_THREAD_H

#include "sides.h"

namespace bench {

/* Nanoseconds per buffer of the two together. Adds nothing and returns false if they cannot have such a ring. */
bool add_pair(Suite &suite, const std::string &bench, const Implementation &driver, const Implementation &device,
              const ring_config &config, SharedMemory &memory, const Params &more);

/*
 * The two one by one, in nanoseconds per buffer: results named after the bench, ending in .driver_gives, .device,
 * .driver_takes, and .driver for both of the driver's. The clock is read four times in a batch, and what that costs is
 * measured before and taken off.
 */
bool add_sides(Suite &suite, const std::string &bench, const Implementation &driver, const Implementation &device,
               const ring_config &config, SharedMemory &memory, const Params &more = {});

/* Whether add_pair() has added these. */
bool has_pair(const Suite &suite, const Implementation &driver, const Implementation &device,
              const ring_config &config);

/*
 * Prints what two took with a ring over what two others took with theirs, under the name of the first ring. Prints
 * nothing where either was not added.
 */
void print_pair_ratio(Suite &suite, const std::string &bench, const Implementation &driver,
                      const Implementation &device, const ring_config &config, const Implementation &to_driver,
                      const Implementation &to_device, const ring_config &to_config, const Params &more);

/* The same for one side of each, with the same ring: counter is one that add_sides() made. */
void print_side_ratio(Suite &suite, const std::string &bench, const std::string &counter, const Implementation &driver,
                      const Implementation &device, const Implementation &to_driver, const Implementation &to_device,
                      const ring_config &config, const Params &more);

} // namespace bench

#endif
