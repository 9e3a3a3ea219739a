/* SPDX-License-Identifier: MIT */
/*
 * Ours and other people's rings in one thread, in one process, over the same memory, in the same rounds; the files of
 * the others are named on the command line. Whole pairs, and each side by itself with the floor at the other end: the
 * two say different things, and no ratio mixes them.
 *
 * All ratios are ours over theirs, so less than 1 is less time than theirs. "twin" among the peers is our own build once
 * more: how far its ratio is from 1 is what a ratio is worth.
 */
#include "calibrators.h"
#include "one_thread.h"

namespace {

/* What is asked of peers: batches of 256 and event indices would only say again what the others say. */
std::vector<ring_config> configs()
{
    std::vector<ring_config> all;

    for (const ring_config &config : bench::ring_configs())
        if (config.batch != 256 && !config.event_idx)
            all.push_back(config);
    return all;
}

/* The same buffers on a ring that everybody has: with which ours is compared where the peer has none of that kind. */
ring_config plain(ring_config config)
{
    config.packed = config.in_order = false;
    return config;
}

bench::Params of_peer(const std::string &peer, const ring_config &theirs)
{
    return {{"peer", bench::quoted(peer)}, {"peer_format", bench::quoted(theirs.packed ? "packed" : "split")},
            {"peer_in_order", theirs.in_order ? "true" : "false"}};
}

class Comparison {
public:
    Comparison(const bench::Options &options) : suite(options), floor(bench::load_ours("floor"))
    {
        ours = bench::load_ours("checked");
        all = {ours, bench::load_ours("twin")};
        for (const std::string &path : options.others)
            all.push_back(bench::load(path));
    }

    /* Every driver with every device of other people, since that is how they meet; of ours, a build with itself. */
    std::vector<std::pair<const bench::Implementation *, const bench::Implementation *>> pairs() const
    {
        std::vector<std::pair<const bench::Implementation *, const bench::Implementation *>> found;
        for (size_t i = 0; i < all.size(); i++)
            for (size_t k = 0; k < all.size(); k++)
                if (i == k || (i >= 2 && k >= 2))
                    found.push_back({&all[i], &all[k]});
        return found;
    }

    void add()
    {
        bench::add_core_calibrators(suite);
        for (const ring_config &config : configs()) {
            for (const auto &pair : pairs())
                bench::add_pair(suite, "peers.pair", *pair.first, *pair.second, config, memory,
                                {{"driver", bench::quoted(pair.first->name)},
                                 {"device", bench::quoted(pair.second->name)}});
            for (const bench::Implementation &side : all) {
                bench::Params named = {{"side", bench::quoted(side.name)}};
                bench::add_sides(suite, "peers.sides_of_driver", side, floor, config, memory, named);
                bench::add_sides(suite, "peers.sides_of_device", floor, side, config, memory, named);
            }
        }
    }

    void print_ratios()
    {
        for (const ring_config &config : configs()) {
            for (const auto &pair : pairs()) {
                if (pair.first == &all[0])
                    continue;
                std::string name = pair.first == pair.second ? pair.first->name :
                                                               pair.first->name + " with " + pair.second->name;
                for (const ring_config &theirs : {config, plain(config)})
                    if (bench::has_pair(suite, *pair.first, *pair.second, theirs)) {
                        bench::print_pair_ratio(suite, "peers.pair_ratio", ours, ours, config, *pair.first,
                                                *pair.second, theirs, of_peer(name, theirs));
                        break;
                    }
            }
            for (size_t i = 1; i < all.size(); i++) {
                bench::Params named = of_peer(all[i].name, config);
                bench::print_side_ratio(suite, "peers.driver_ratio", "peers.sides_of_driver.driver", ours, floor,
                                        all[i], floor, config, named);
                bench::print_side_ratio(suite, "peers.device_ratio", "peers.sides_of_device.device", floor, ours,
                                        floor, all[i], config, named);
            }
        }
    }

    bench::Suite suite;
    bench::SharedMemory memory;
    bench::Implementation floor, ours;
    std::vector<bench::Implementation> all; /* ours, its twin, then other people's */
};

} // namespace

int main(int argc, char **argv)
{
    Comparison comparison(bench::Options(argc, argv, true));

    comparison.add();
    comparison.suite.run();
    comparison.print_ratios();
    return 0;
}
