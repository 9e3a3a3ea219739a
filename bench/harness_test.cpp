/* SPDX-License-Identifier: MIT */
/*
 * The harness with a machine whose times are known: every fourth round it is three times as slow, and so is what is
 * measured then. What the results must be stands in tests/py/test_bench.py.
 */
#include "harness.h"

/* A measurement that takes so many seconds in the rounds 0, 1, 2 and so on, again and again. */
static std::function<void(benchmark::State &)> taking(std::vector<double> seconds)
{
    return [seconds, call = size_t(0)](benchmark::State &state) mutable {
        double now = call == 0 ? seconds[0] : seconds[(call - 1) % seconds.size()]; /* the first call warms up */
        for (auto _ : state)
            state.SetIterationTime(now);
        call++;
    };
}

int main(int argc, char **argv)
{
    bench::Options options(argc, argv);
    bench::Suite suite(options);

    suite.add("clock", "test.clock", {}, 1, taking({1, 1, 1, 3}), true);
    suite.add("erratic", "test.erratic", {}, 1, taking({1, 10, 100, 1000}), true);
    suite.add("measured", "test.measured", {}, 1, taking({4, 5, 6, 50}), true);
    suite.add("slower", "test.slower", {}, 1, taking({6, 7.5, 9, 75}), true);
    suite.gate("clock", 0.85, 1.15);
    suite.gate("erratic", 0.99, 1.01); /* never passes, so it stays open */
    suite.run();
    suite.print_ratio("test.ratio", {}, "slower", "measured");
    return 0;
}
