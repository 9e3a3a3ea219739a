/* SPDX-License-Identifier: MIT */
/*
 * How many instructions a buffer takes, to be run under callgrind: for every ring what 48 batches execute and what 16
 * do, so that in the difference all that happens once drops out. No clock, no noise: a build gives the same number
 * every time. Files named on the command line are counted too, where they have both sides.
 *
 * callgrind writes each count to a file of its own, named after the line and the batches. What is printed here are the
 * results without their counts, with the buffers that lie between in their place; instructions.py puts both together.
 */
#include "sides.h"

#include <valgrind/callgrind.h>

static void count(const ring_driver &driver, const ring_device &device, const ring_config &config,
                  bench::SharedMemory &memory, size_t line, size_t batches)
{
    std::string name = std::to_string(line) + "/" + std::to_string(batches);
    bench::Pair pair(driver, device, config, memory);

    pair.run(1 + config.size / config.batch);
    CALLGRIND_ZERO_STATS;
    pair.run(batches);
    CALLGRIND_DUMP_STATS_AT(name.c_str());
}

int main(int argc, char **argv)
{
    bench::Options options(argc, argv, true);
    bench::SharedMemory memory;
    std::vector<bench::Implementation> builds;
    size_t line = 0;

    for (const char *name : {"checked", "honest", "floor"})
        builds.push_back(bench::load_ours(name));
    for (const std::string &path : options.others)
        builds.push_back(bench::load(path));
    for (const bench::Implementation &build : builds)
        for (const ring_config &config : bench::ring_configs()) {
            const ring_driver *driver = build.driver(config.packed);
            const ring_device *device = build.device(config.packed);
            if (!bench::can(driver, device, config, memory))
                continue;
            count(*driver, *device, config, memory, line, 16);
            count(*driver, *device, config, memory, line, 48);
            bench::print_result(options, "ring.instructions",
                                bench::ring_params(config, {{"build", bench::quoted(build.name)}}), "instructions",
                                {32.0 * config.batch});
            line++;
        }
    return 0;
}
