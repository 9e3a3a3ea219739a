/* SPDX-License-Identifier: MIT */
/*
 * What a buffer costs: driver add and publish, device get, add_used and publish, driver get, in one thread. Beside it
 * the same build once more (twin), one without the checks of what the peer wrote (honest), and what this machine needs
 * for a full fence and for a multiplication.
 */
#include "ring_configs.h"

#include <atomic>

static std::string id_of(const std::string &module, const bench::Params &params)
{
    std::string id = module;

    for (const auto &param : params)
        id += " " + param.first + "=" + param.second;
    return id;
}

static void add_pair(bench::Suite &suite, const std::string &name, const ring_module &module, const ring_config &config,
                     void *memory)
{
    bench::Params params = ring_params(config);
    bench::Params shown = params;

    shown.emplace_back("build", bench::quoted(name));
    suite.add(id_of(name, params), "ring.pair", shown, config.batch,
              [&module, config, memory](benchmark::State &state) {
        module.start(memory, &config);
        module.run(memory, 1 + config.size / config.batch); /* once round the ring */
        for (auto _ : state)
            module.run(memory, 1);
    });
}

/* The sides one by one: in batches of 256, since the clock is read four times in each. */
static void add_sides(bench::Suite &suite, const ring_module &module, const ring_config &config, void *memory)
{
    bench::Params params = ring_params(config);

    suite.add(id_of("sides", params), "ring.sides", params, config.batch,
              [&module, config, memory](benchmark::State &state) {
        double sides[RING_SIDES] = {};
        module.start(memory, &config);
        module.run(memory, 1 + config.size / config.batch);
        for (auto _ : state)
            module.run_sides(memory, 1, sides);
        double buffers = static_cast<double>(state.iterations()) * config.batch;
        state.counters["ring.driver_gives"] = sides[0] / buffers;
        state.counters["ring.device"] = sides[1] / buffers;
        state.counters["ring.driver_takes"] = sides[2] / buffers;
    });
}

static void add_calibrators(bench::Suite &suite)
{
    constexpr int repeats = 64;

    suite.add("fence", "machine.store_and_full_fence", {}, repeats, [](benchmark::State &state) {
        std::atomic<uint32_t> word{0};
        benchmark::DoNotOptimize(&word);
        for (auto _ : state)
            for (uint32_t i = 0; i < repeats; i++) {
                word.store(i, std::memory_order_relaxed);
                std::atomic_thread_fence(std::memory_order_seq_cst);
            }
    });
    suite.add("multiply", "machine.dependent_multiplication", {}, repeats, [](benchmark::State &state) {
        uint64_t product = 3;
        for (auto _ : state)
            for (int i = 0; i < repeats; i++) {
                product *= 0x9e3779b97f4a7c15;
                benchmark::DoNotOptimize(product);
            }
    });
}

int main(int argc, char **argv)
{
    bench::Options options(argc, argv);
    bench::Suite suite(options);
    const ring_module &checked = load_ring_module("checked");
    const ring_module &twin = load_ring_module("twin");
    const ring_module &honest = load_ring_module("honest");
    void *memory = std::aligned_alloc(4096, (checked.memory_size + 4095) / 4096 * 4096);
    std::vector<ring_config> configs = ring_configs();

    add_calibrators(suite);
    for (const ring_config &config : configs) {
        add_pair(suite, "checked", checked, config, memory);
        add_pair(suite, "twin", twin, config, memory);
        add_pair(suite, "honest", honest, config, memory);
        if (config.batch == 256)
            add_sides(suite, checked, config, memory);
    }
    suite.run();
    for (const ring_config &config : configs) {
        bench::Params params = ring_params(config);
        suite.print_ratio("ring.twin", params, id_of("twin", params), id_of("checked", params));
        suite.print_ratio("ring.price_of_checks", params, id_of("checked", params), id_of("honest", params));
    }
    std::free(memory);
    return 0;
}
