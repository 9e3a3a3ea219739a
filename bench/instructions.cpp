/* SPDX-License-Identifier: MIT */
/*
 * How many instructions a buffer takes, to be run under callgrind: for every ring what 48 batches execute and what 16
 * do, so that in the difference all that happens once drops out. No clock, no noise: a build gives the same number
 * every time.
 *
 * callgrind writes each count to a file of its own, named after the line and the batches. What is printed here are the
 * results without their counts, with the buffers that lie between in their place; instructions.py puts both together.
 */
#include "ring_configs.h"

#include <valgrind/callgrind.h>

static void count(const ring_module &module, void *memory, const ring_config &config, size_t line, size_t batches)
{
    std::string name = std::to_string(line) + "/" + std::to_string(batches);

    module.start(memory, &config);
    module.run(memory, 1 + config.size / config.batch);
    CALLGRIND_ZERO_STATS;
    module.run(memory, batches);
    CALLGRIND_DUMP_STATS_AT(name.c_str());
}

int main(int argc, char **argv)
{
    bench::Options options(argc, argv);
    size_t line = 0;

    for (const char *name : {"checked", "honest"}) {
        const ring_module &module = load_ring_module(name);
        void *memory = std::aligned_alloc(4096, (module.memory_size + 4095) / 4096 * 4096);
        for (const ring_config &config : ring_configs()) {
            bench::Params params = ring_params(config);
            params.emplace_back("build", bench::quoted(name));
            count(module, memory, config, line, 16);
            count(module, memory, config, line, 48);
            bench::print_result(options, "ring.instructions", params, "instructions", {32.0 * config.batch});
            line++;
        }
        std::free(memory);
    }
    return 0;
}
