/* SPDX-License-Identifier: MIT */
#include "one_thread.h"

#include <algorithm>
#include <chrono>

namespace bench {

using Clock = std::chrono::steady_clock;

static std::string pair_id(const std::string &what, const Implementation &driver, const Implementation &device,
                           const ring_config &config)
{
    return id_of(what + " " + driver.name + " with " + device.name, ring_params(config));
}

bool add_pair(Suite &suite, const std::string &bench, const Implementation &driver, const Implementation &device,
              const ring_config &config, SharedMemory &memory, const Params &more)
{
    const ring_driver *driver_calls = driver.driver(config.packed);
    const ring_device *device_calls = device.device(config.packed);

    if (!can(driver_calls, device_calls, config, memory))
        return false;
    suite.add(pair_id("pair", driver, device, config), bench, ring_params(config, more), config.batch,
              [driver_calls, device_calls, config, &memory](benchmark::State &state) {
        Pair pair(*driver_calls, *device_calls, config, memory);
        pair.run(1 + config.size / config.batch); /* once round the ring */
        while (state.KeepRunningBatch(state.max_iterations)) /* no call of ours in each */
            pair.run(static_cast<size_t>(state.max_iterations));
    });
    return true;
}

/* What one reading of the clock adds to the time between two. */
static double clock_cost()
{
    double least = 1e9;

    for (int i = 0; i < 1000; i++) {
        Clock::time_point before = Clock::now();
        Clock::time_point after = Clock::now();
        least = std::min(least, std::chrono::duration<double, std::nano>(after - before).count());
    }
    return least;
}

static void run_sides(Pair &pair, benchmark::State &state, const std::string &bench)
{
    static const double reading = clock_cost();
    using ns = std::chrono::duration<double, std::nano>;
    double gives = 0, turns = 0, takes = 0;
    bool notify = false;
    uint32_t batch = pair.config.batch;

    for (auto _ : state) {
        Clock::time_point t0 = Clock::now();
        pair.driver.give(pair.driver_side, batch);
        Clock::time_point t1 = Clock::now();
        pair.device.turn(pair.device_side, batch, &notify);
        Clock::time_point t2 = Clock::now();
        pair.driver.take(pair.driver_side, batch);
        Clock::time_point t3 = Clock::now();
        gives += ns(t1 - t0).count() - reading;
        turns += ns(t2 - t1).count() - reading;
        takes += ns(t3 - t2).count() - reading;
    }
    double buffers = static_cast<double>(state.iterations()) * batch;
    state.counters[bench + ".driver_gives"] = gives / buffers;
    state.counters[bench + ".device"] = turns / buffers;
    state.counters[bench + ".driver_takes"] = takes / buffers;
    state.counters[bench + ".driver"] = (gives + takes) / buffers;
}

bool add_sides(Suite &suite, const std::string &bench, const Implementation &driver, const Implementation &device,
               const ring_config &config, SharedMemory &memory, const Params &more)
{
    const ring_driver *driver_calls = driver.driver(config.packed);
    const ring_device *device_calls = device.device(config.packed);

    if (!can(driver_calls, device_calls, config, memory))
        return false;
    suite.add(pair_id(bench, driver, device, config), bench, ring_params(config, more), config.batch,
              [driver_calls, device_calls, config, &memory, bench](benchmark::State &state) {
        Pair pair(*driver_calls, *device_calls, config, memory);
        pair.run(1 + config.size / config.batch);
        run_sides(pair, state, bench);
    });
    return true;
}

bool has_pair(const Suite &suite, const Implementation &driver, const Implementation &device,
              const ring_config &config)
{
    return suite.has(pair_id("pair", driver, device, config));
}

void print_pair_ratio(Suite &suite, const std::string &bench, const Implementation &driver,
                      const Implementation &device, const ring_config &config, const Implementation &to_driver,
                      const Implementation &to_device, const ring_config &to_config, const Params &more)
{
    if (has_pair(suite, driver, device, config) && has_pair(suite, to_driver, to_device, to_config))
        suite.print_ratio(bench, ring_params(config, more), pair_id("pair", driver, device, config),
                          pair_id("pair", to_driver, to_device, to_config));
}

void print_side_ratio(Suite &suite, const std::string &bench, const std::string &counter, const Implementation &driver,
                      const Implementation &device, const Implementation &to_driver, const Implementation &to_device,
                      const ring_config &config, const Params &more)
{
    std::string of = counter.substr(0, counter.rfind('.'));
    std::string id = pair_id(of, driver, device, config), to_id = pair_id(of, to_driver, to_device, config);

    if (suite.has(id) && suite.has(to_id))
        suite.print_ratio(bench, ring_params(config, more), id, to_id, counter);
}

} // namespace bench
