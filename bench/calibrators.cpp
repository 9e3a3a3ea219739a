/* SPDX-License-Identifier: MIT */
#include "calibrators.h"

#include <atomic>

namespace bench {

constexpr int repeats = 64;

static void multiply(benchmark::State &state)
{
    uint64_t product = 3;

    for (auto _ : state)
        for (int i = 0; i < repeats; i++) {
            product *= 0x9e3779b97f4a7c15;
            benchmark::DoNotOptimize(product);
        }
}

static void add(benchmark::State &state)
{
    uint64_t a = 1, b = 2, c = 3, d = 4;

    for (auto _ : state)
        for (int i = 0; i < repeats; i++) {
            benchmark::DoNotOptimize(a += 5);
            benchmark::DoNotOptimize(b += 5);
            benchmark::DoNotOptimize(c += 5);
            benchmark::DoNotOptimize(d += 5);
        }
}

static void fence(benchmark::State &state)
{
    std::atomic<uint32_t> word{0};

    benchmark::DoNotOptimize(&word);
    for (auto _ : state)
        for (uint32_t i = 0; i < repeats; i++) {
            word.store(i, std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_seq_cst);
        }
}

void add_core_calibrators(Suite &suite)
{
    suite.add("multiply", "machine.dependent_multiplication", {}, repeats, multiply);
    suite.add("add", "machine.independent_additions", {}, 4 * repeats, add);
    suite.add("fence", "machine.store_and_full_fence", {}, repeats, fence);
    suite.gate("add", 0.85, 1.15);
}

} // namespace bench
