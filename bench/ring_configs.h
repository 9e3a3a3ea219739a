/* SPDX-License-Identifier: MIT */
/* The rings that are measured, and how a build of them is loaded. */
#ifndef BENCH_RING_CONFIGS_H
#define BENCH_RING_CONFIGS_H

#include "harness.h"
#include "ring_module.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

inline std::vector<ring_config> ring_configs()
{
    std::vector<ring_config> configs;

    for (bool packed : {false, true})
        for (uint16_t batch : {uint16_t(1), uint16_t(32), uint16_t(256)}) {
            uint16_t size = batch == 256 ? 1024 : 256;
            for (bool event_idx : {false, true})
                for (uint16_t chain : {uint16_t(1), uint16_t(3)})
                    configs.push_back({packed, event_idx, false, false, size, chain, batch});
            configs.push_back({packed, false, false, true, size, 3, batch});
            configs.push_back({packed, false, true, false, size, 1, batch});
        }
    return configs;
}

inline bench::Params ring_params(const ring_config &config)
{
    auto flag = [](bool on) { return std::string(on ? "true" : "false"); };

    return {{"format", bench::quoted(config.packed ? "packed" : "split")},
            {"chain", std::to_string(config.chain)},
            {"batch", std::to_string(config.batch)},
            {"size", std::to_string(config.size)},
            {"event_idx", flag(config.event_idx)},
            {"indirect", flag(config.indirect)},
            {"in_order", flag(config.in_order)}};
}

inline const ring_module &load_ring_module(const std::string &name)
{
    void *file = dlopen((RING_MODULES "/ring_" + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    void *entry = file ? dlsym(file, "ring_module_entry") : nullptr;

    if (!entry) {
        std::fprintf(stderr, "%s\n", dlerror());
        std::exit(1);
    }
    return *static_cast<const ring_module *>(entry);
}

#endif
