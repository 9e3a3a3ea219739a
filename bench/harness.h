/* SPDX-License-Identifier: MIT */
/*
 * Measures in rounds. A round runs every measurement once, for a slice of about a millisecond, in random order; so what
 * disturbs the machine disturbs all alike, and the ratio of two measurements is taken within each round. Every result
 * is one line of JSON with the median, the least and the most over the rounds, and an interval that holds the median
 * with 95 % by bootstrap.
 *
 * Rounds in which the machine was plainly another one are left out: see Suite::gate().
 *
 * google-benchmark finds how often a slice must repeat, shuffles the slices and runs the clock; one call of it is one
 * round.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/* Names and values, the values as JSON writes them. */
using Params = std::vector<std::pair<std::string, std::string>>;

std::string quoted(const std::string &text);

struct Options {
    int rounds = 101;
    double slice_seconds = 0.001;
    std::string commit = "unknown";
    std::vector<std::string> others; /* arguments that are no options, where the program takes them */

    /* Takes --rounds=N, --slice=SECONDS and --commit=TEXT; ends the program at anything else. */
    Options(int argc, char **argv, bool takes_others = false);
};

/* Prints one result. values are what the rounds gave; rejected, how many rounds were left out. */
void print_result(const Options &options, const std::string &bench, const Params &params, const std::string &unit,
                  const std::vector<double> &values, size_t rejected = 0);

class Suite {
public:
    explicit Suite(const Options &options) : options_(options) {}

    /*
     * Adds a measurement: of nanoseconds per operation, of which each iteration of the body does per_iteration.
     * That is CPU time, or what the body says with SetIterationTime() if it is timed by itself. Counters that the body
     * sets are the results instead: each of the bench it is named after, in nanoseconds.
     */
    void add(const std::string &id, const std::string &bench, const Params &params, double per_iteration,
             std::function<void(benchmark::State &)> body, bool times_itself = false);

    /*
     * Only rounds count in which this measurement took least to most times its median over all rounds. A gate that
     * would leave less than a third of the rounds stays open, and says so on stderr: then the machine has no usual
     * state.
     */
    void gate(const std::string &id, double least, double most);

    bool has(const std::string &id) const
    {
        return by_id_.count(id) != 0;
    }

    /* Runs all rounds, then prints a result for each measurement. */
    void run();

    /* Prints the ratio of two measurements, or of two of their counters, taken round by round. */
    void print_ratio(const std::string &bench, const Params &params, const std::string &id, const std::string &to_id,
                     const std::string &counter = "");

private:
    struct Measurement {
        std::string id, bench;
        Params params;
        double per_iteration;
        bool times_itself;
        benchmark::internal::Benchmark *registered;
        std::vector<double> values;
        std::map<std::string, std::vector<double>> counters;
    };

    struct Gate {
        std::string id;
        double least, most;
    };

    class Collector;

    void close(const Gate &gate);
    void print(const std::string &bench, const Params &params, const std::string &unit,
               const std::vector<double> &values);

    Options options_;
    std::vector<Measurement> measurements_;
    std::map<std::string, size_t> by_id_;
    std::vector<Gate> gates_;
    std::vector<bool> counts_; /* of every round, whether it does */
};

} // namespace bench

#endif
