/* SPDX-License-Identifier: MIT */
/*
 * What a buffer costs: driver add and publish, device get, add_used and publish, driver get, in one thread. Beside it
 * the same build once more (twin), one without the checks of what the peer wrote (honest), one with a planted slowdown,
 * which shows that a difference is found, and the floor.
 */
#include "calibrators.h"
#include "one_thread.h"

/* The same buffers on a split ring without any feature: what features cost is told against it. */
static ring_config plain(const ring_config &config)
{
    return {false, false, false, false, config.size, config.chain, config.batch};
}

int main(int argc, char **argv)
{
    bench::Options options(argc, argv);
    bench::Suite suite(options);
    bench::SharedMemory memory;
    bench::Implementation checked = bench::load_ours("checked");
    std::vector<bench::Implementation> others;
    std::vector<ring_config> configs = bench::ring_configs();

    for (const char *name : {"twin", "honest", "planted", "floor"})
        others.push_back(bench::load_ours(name));
    bench::add_core_calibrators(suite);
    for (const ring_config &config : configs) {
        bench::add_pair(suite, "ring.pair", checked, checked, config, memory, {{"build", bench::quoted("checked")}});
        for (const bench::Implementation &other : others)
            if (other.name != "planted" || (config.batch == 32 && config.chain == 1))
                bench::add_pair(suite, "ring.pair", other, other, config, memory,
                                {{"build", bench::quoted(other.name)}});
        if (config.batch == 256)
            bench::add_sides(suite, "ring.sides", checked, checked, config, memory);
    }
    suite.run();
    for (const ring_config &config : configs) {
        for (const bench::Implementation &other : others)
            bench::print_pair_ratio(suite, "ring.to_checked", other, other, config, checked, checked, config,
                                    {{"build", bench::quoted(other.name)}});
        bench::print_pair_ratio(suite, "ring.to_plain", checked, checked, config, checked, checked, plain(config), {});
    }
    return 0;
}
