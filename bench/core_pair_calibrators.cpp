/* SPDX-License-Identifier: MIT */
#include "calibrators.h"

#include <atomic>
#include <cstdlib>
#include <memory>

namespace bench {

constexpr uint64_t trips = 2000, records = 32768;

/* Waits until there is what is expected, with or without a pause between two looks. */
static void wait_for(const std::atomic<uint64_t> &word, uint64_t expected, bool paused)
{
    while (word.load(std::memory_order_acquire) != expected)
        if (paused)
            relax();
}

/* A counter that goes back and forth: in one line, or each way in a line of its own. Nanoseconds one way. */
static void add_ping_pong(Suite &suite, TwoCores &cores, int lines, bool paused)
{
    suite.add("ping-pong " + std::to_string(lines) + (paused ? "" : " unpaused"), "machine.cache_line_one_way",
              {{"lines", std::to_string(lines)}, {"paused", paused ? "true" : "false"}, {"cpus", quoted(cores.describe())}},
              2.0 * trips, [&cores, lines, paused](benchmark::State &state) {
        struct {
            alignas(128) std::atomic<uint64_t> there{0};
            alignas(128) std::atomic<uint64_t> back{0};
        } line;
        std::atomic<uint64_t> &there = line.there, &back = lines == 1 ? line.there : line.back;
        /* Odd numbers go there, even ones come back. */
        for (auto _ : state) {
            there = back = 0;
            state.SetIterationTime(1e-9 * cores.run(
                [&] {
                    for (uint64_t trip = 0; trip < trips; trip++) {
                        there.store(2 * trip + 1, std::memory_order_release);
                        wait_for(back, 2 * trip + 2, paused);
                    }
                },
                [&] {
                    for (uint64_t trip = 0; trip < trips; trip++) {
                        wait_for(there, 2 * trip + 1, paused);
                        back.store(2 * trip + 2, std::memory_order_release);
                    }
                }));
        }
    }, true);
}

/* A queue of records of 16 bytes with one producer and one consumer, who publish their index once per batch. */
class Stream {
public:
    void put(uint64_t &put, uint32_t batch)
    {
        while (put + batch - seen_taken_ > size) {
            seen_taken_ = taken_.load(std::memory_order_acquire);
            if (put + batch - seen_taken_ > size)
                relax();
        }
        for (uint32_t i = 0; i < batch; i++, put++)
            records_[put % size] = {put, ~put};
        put_.store(put, std::memory_order_release);
    }

    void take(uint64_t &taken, uint32_t batch)
    {
        while (seen_put_ - taken < batch) {
            seen_put_ = put_.load(std::memory_order_acquire);
            if (seen_put_ - taken < batch)
                relax();
        }
        for (uint32_t i = 0; i < batch; i++, taken++)
            if (records_[taken % size].a != taken || records_[taken % size].b != ~taken)
                std::abort();
        taken_.store(taken, std::memory_order_release);
    }

    bool waits(uint64_t taken) const
    {
        return seen_put_ != taken || put_.load(std::memory_order_acquire) != taken;
    }

private:
    static constexpr uint64_t size = 1024;
    struct Record {
        uint64_t a, b;
    };
    alignas(128) std::atomic<uint64_t> put_{0};
    alignas(128) uint64_t seen_taken_ = 0; /* the producer's */
    alignas(128) uint64_t seen_put_ = 0;   /* the consumer's */
    alignas(128) std::atomic<uint64_t> taken_{0};
    alignas(128) Record records_[size];
};

static void add_stream(Suite &suite, TwoCores &cores, uint32_t batch)
{
    suite.add("stream " + std::to_string(batch), "machine.stream", {{"batch", std::to_string(batch)}}, records,
              [&cores, batch](benchmark::State &state) {
        for (auto _ : state) {
            auto stream = std::make_unique<Stream>();
            state.SetIterationTime(1e-9 * cores.run(
                [&] {
                    for (uint64_t put = 0; put < records;)
                        stream->put(put, batch);
                },
                [&] {
                    for (uint64_t taken = 0; taken < records;)
                        stream->take(taken, batch);
                }));
        }
    }, true);
}

/* A record there and one back, as a buffer's: what a ring would take if it did nothing but hand over. */
static void add_round_trip(Suite &suite, TwoCores &cores, uint32_t batch, uint64_t window)
{
    uint64_t total = window == 1 ? 1024 : records;

    suite.add("round trip " + std::to_string(batch) + " " + std::to_string(window), "machine.round_trip",
              {{"batch", std::to_string(batch)}, {"window", std::to_string(window)}}, static_cast<double>(total),
              [&cores, batch, window, total](benchmark::State &state) {
        for (auto _ : state) {
            auto there = std::make_unique<Stream>(), back = std::make_unique<Stream>();
            state.SetIterationTime(1e-9 * cores.run(
                [&] {
                    uint64_t put = 0, taken = 0;
                    while (taken < total) {
                        if (put < total && put - taken + batch <= window)
                            there->put(put, batch);
                        if (put - taken + batch > window || put == total || back->waits(taken))
                            back->take(taken, batch);
                    }
                },
                [&] {
                    uint64_t taken = 0, put = 0;
                    while (put < total) {
                        there->take(taken, batch);
                        back->put(put, batch);
                    }
                }));
        }
    }, true);
}

void add_core_pair_calibrators(Suite &suite, TwoCores &cores)
{
    for (bool paused : {true, false})
        for (int lines : {1, 2})
            add_ping_pong(suite, cores, lines, paused);
    suite.gate("ping-pong 1", 0.7, 1.4);
    suite.gate("ping-pong 2", 0.7, 1.4);
    for (uint32_t batch : {1u, 32u, 256u})
        add_stream(suite, cores, batch);
    add_round_trip(suite, cores, 1, 1);
    add_round_trip(suite, cores, 1, 256);
    add_round_trip(suite, cores, 32, 256);
    add_round_trip(suite, cores, 256, 1024);
}

} // namespace bench
