/* SPDX-License-Identifier: MIT */
/*
 * What a buffer costs when driver and device run on two cores, as they mostly do: a thread of its own for each, over
 * one shared memory. The driver keeps up to a window of buffers in flight. A window of 1 is the time from add to get,
 * the latency; a window of 256 is the throughput.
 *
 * A side that finds nothing to do waits in one of four ways:
 *
 *   poll      it looks into the ring again, after the pause that the CPU has for that; notifications are off.
 *   unpaused  it looks again at once.
 *   spin      it asks for a notification (used_event, avail_event), then watches a doorbell: a counter in a cache line
 *             of its own, which the other side increments where publish says that it must notify.
 *   futex     the same, but it sleeps at the doorbell, in the kernel.
 *
 * Beside it, in every round, what no ring can beat: a cache line that goes from core to core, one line and two; and
 * records of 16 bytes in an array with an index that is published once per batch, one way and there and back.
 */
#include "calibrators.h"
#include "sides.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>

namespace {

enum class Wait { poll, unpaused, spin, futex };

const char *name_of(Wait wait)
{
    switch (wait) {
    case Wait::poll:
        return "poll";
    case Wait::unpaused:
        return "unpaused";
    case Wait::spin:
        return "spin";
    case Wait::futex:
        return "futex";
    }
    std::abort();
}

bool looks_again(Wait wait)
{
    return wait == Wait::poll || wait == Wait::unpaused;
}

/* How one side wakes the other. */
class Doorbell {
public:
    uint32_t count() const
    {
        return rung_.load(std::memory_order_acquire);
    }

    void ring(Wait wait)
    {
        rung_.fetch_add(1, std::memory_order_release);
        if (wait == Wait::futex)
            syscall(SYS_futex, &rung_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }

    /* Returns once the count is no longer what it was. */
    void listen(Wait wait, uint32_t was)
    {
        while (count() == was) {
            if (wait == Wait::futex)
                syscall(SYS_futex, &rung_, FUTEX_WAIT_PRIVATE, was, nullptr, nullptr, 0);
            else
                bench::relax();
        }
    }

private:
    alignas(128) std::atomic<uint32_t> rung_{0};
};

/* What both threads of a measurement share besides the ring. */
struct Doorbells {
    alignas(128) Doorbell of_driver;
    alignas(128) Doorbell of_device;
    alignas(128) uint64_t driver_rung = 0; /* by the driver's thread alone */
    alignas(128) uint64_t device_rung = 0;
};

/*
 * Waits after having found nothing. The count of the doorbell is taken before the other side is asked to ring it, so
 * that no ring falls between.
 */
template <class Calls> void wait_for_work(const Calls &calls, void *side, Doorbell &doorbell, Wait wait)
{
    if (looks_again(wait)) {
        if (wait == Wait::poll)
            bench::relax();
        return;
    }
    uint32_t was = doorbell.count();
    if (!calls.sleep(side))
        doorbell.listen(wait, was);
    calls.wake(side);
}

void drive(bench::Pair &pair, Doorbells &bells, Wait wait, uint32_t window, uint64_t total)
{
    const ring_driver &calls = pair.driver;
    void *side = pair.driver_side;
    uint32_t batch = pair.config.batch, pieces = pair.config.indirect ? 1 : pair.config.chain;
    uint32_t room = std::min<uint32_t>(window, pair.config.size / pieces);
    uint64_t given = 0, taken = 0;

    while (taken < total) {
        bool gave = false;
        if (given < total && given - taken + batch <= room) {
            if (calls.give(side, batch)) {
                bells.driver_rung++;
                bells.of_device.ring(wait);
            }
            given += batch;
            gave = true;
        }
        uint32_t took = calls.take(side, batch);
        taken += took;
        if (!gave && took == 0)
            wait_for_work(calls, side, bells.of_driver, wait);
    }
}

void serve(bench::Pair &pair, Doorbells &bells, Wait wait, uint64_t total)
{
    const ring_device &calls = pair.device;
    void *side = pair.device_side;

    for (uint64_t done = 0; done < total;) {
        bool notify = false;
        uint32_t turned = calls.turn(side, pair.config.batch, &notify);
        done += turned;
        if (notify) {
            bells.device_rung++;
            bells.of_driver.ring(wait);
        }
        if (turned == 0)
            wait_for_work(calls, side, bells.of_device, wait);
    }
}

struct Case {
    ring_config config;
    Wait wait;
    uint32_t window;

    bench::Params params(const bench::Params &more = {}) const
    {
        bench::Params all = bench::ring_params(config, {{"window", std::to_string(window)},
                                                        {"wait", bench::quoted(name_of(wait))}});
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
};

std::vector<Case> cases()
{
    std::vector<Case> all;

    for (bool packed : {false, true}) {
        auto ring = [packed](uint16_t chain, uint16_t batch) {
            return ring_config{packed, false, false, false, uint16_t(batch == 256 ? 1024 : 256), chain, batch};
        };
        auto with = [](ring_config config, bool ring_config::*feature) {
            config.*feature = true;
            return config;
        };
        for (uint16_t chain : {uint16_t(1), uint16_t(3)}) {
            all.push_back({ring(chain, 1), Wait::poll, 1});
            for (uint16_t batch : {uint16_t(1), uint16_t(32), uint16_t(256)})
                all.push_back({ring(chain, batch), Wait::poll, batch == 256 ? 1024u : 256u});
        }
        all.push_back({ring(1, 1), Wait::unpaused, 1});
        all.push_back({ring(1, 32), Wait::unpaused, 256});
        all.push_back({with(ring(3, 32), &ring_config::indirect), Wait::poll, 256});
        all.push_back({with(ring(1, 1), &ring_config::in_order), Wait::poll, 1});
        all.push_back({with(ring(1, 32), &ring_config::in_order), Wait::poll, 256});
        for (Wait wait : {Wait::spin, Wait::futex}) {
            all.push_back({with(ring(1, 1), &ring_config::event_idx), wait, 1});
            for (uint16_t batch : {uint16_t(1), uint16_t(32)})
                all.push_back({with(ring(1, batch), &ring_config::event_idx), wait, 256});
        }
    }
    return all;
}

std::string id_of(const Case &measured, const std::string &driver, const std::string &device)
{
    return bench::id_of("cores " + driver + " with " + device, measured.params());
}

bool add_case(bench::Suite &suite, bench::TwoCores &cores, const bench::Implementation &driver,
              const bench::Implementation &device, const Case &measured, bench::SharedMemory &memory,
              const bench::Params &more)
{
    const ring_driver *driver_calls = driver.driver(measured.config.packed);
    const ring_device *device_calls = device.device(measured.config.packed);
    /* A slice is one piece of work for the threads: long enough that its first laps, with cold caches, are little beside it. */
    uint64_t laps = measured.wait == Wait::futex ? 2 : measured.window == 1 ? 16 : measured.config.batch == 1 ? 64 : 256;
    uint64_t buffers = 256 * laps;

    if (!bench::can(driver_calls, device_calls, measured.config, memory))
        return false;
    if (!looks_again(measured.wait) && !(driver_calls->sleep && device_calls->sleep))
        return false;
    suite.add(id_of(measured, driver.name, device.name), "cores.pair", measured.params(more),
              static_cast<double>(buffers),
              [&cores, driver_calls, device_calls, measured, buffers, &memory](benchmark::State &state) {
        for (auto _ : state) {
            bench::Pair pair(*driver_calls, *device_calls, measured.config, memory);
            auto bells = std::make_unique<Doorbells>();
            state.SetIterationTime(1e-9 * cores.run(
                [&] { drive(pair, *bells, measured.wait, measured.window, buffers); },
                [&] { serve(pair, *bells, measured.wait, buffers); }));
        }
    }, true);
    return true;
}

} // namespace

/*
 * Files named on the command line are peers, measured beside where they have both sides. All ratios of pairs are ours
 * over theirs.
 */
int main(int argc, char **argv)
{
    bench::Options options(argc, argv, true);
    bench::Suite suite(options);
    bench::TwoCores cores;
    bench::SharedMemory memory;
    std::vector<bench::Implementation> builds;
    struct Measured {
        Case of;
        std::string driver, device;
    };
    std::vector<Measured> all;

    for (const char *name : {"checked", "twin", "floor"})
        builds.push_back(bench::load_ours(name));
    for (const std::string &path : options.others)
        builds.push_back(bench::load(path));
    bench::add_core_calibrators(suite);
    bench::add_core_pair_calibrators(suite, cores);
    for (const Case &measured : cases()) {
        for (const bench::Implementation &build : builds) {
            bench::Params who = {{"driver", bench::quoted(build.name)}, {"device", bench::quoted(build.name)}};
            if (add_case(suite, cores, build, build, measured, memory, who))
                all.push_back({measured, build.name, build.name});
        }
    }
    suite.run();
    for (const Measured &measured : all) {
        bench::Params who = {{"driver", bench::quoted(measured.driver)}, {"device", bench::quoted(measured.device)}};
        suite.print_ratio("cores.lines", measured.of.params(who), id_of(measured.of, measured.driver, measured.device),
                          "ping-pong 2");
    }
    for (const Case &ours : cases())
        for (const Measured &theirs : all) {
            Case plain = ours;
            plain.config.packed = plain.config.in_order = false;
            bool same = theirs.of.params() == ours.params();
            /* With a ring of the same kind, or else with the one that everybody has. */
            bool has_same = suite.has(id_of(ours, theirs.driver, theirs.device));
            if (theirs.driver == "checked" || !(same || (!has_same && theirs.of.params() == plain.params())))
                continue;
            bench::Params named = {{"driver", bench::quoted(theirs.driver)}, {"device", bench::quoted(theirs.device)},
                                   {"peer_format", bench::quoted(theirs.of.config.packed ? "packed" : "split")},
                                   {"peer_in_order", theirs.of.config.in_order ? "true" : "false"}};
            suite.print_ratio("cores.pair_ratio", ours.params(named), id_of(ours, "checked", "checked"),
                              id_of(theirs.of, theirs.driver, theirs.device));
        }
    return 0;
}
