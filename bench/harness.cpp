/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace bench {

std::string quoted(const std::string &text)
{
    std::string json = "\"";

    for (char c : text) {
        if (c == '"' || c == '\\')
            json += '\\';
        json += c;
    }
    return json + '"';
}

Options::Options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        std::string argument = argv[i];
        if (argument.rfind("--rounds=", 0) == 0 && std::atoi(argv[i] + 9) > 0)
            rounds = std::atoi(argv[i] + 9);
        else if (argument.rfind("--slice=", 0) == 0 && std::atof(argv[i] + 8) > 0)
            slice_seconds = std::atof(argv[i] + 8);
        else if (argument.rfind("--commit=", 0) == 0)
            commit = argument.substr(9);
        else {
            std::fprintf(stderr, "usage: %s [--rounds=N] [--slice=SECONDS] [--commit=TEXT]\n", argv[0]);
            std::exit(2);
        }
    }
}

static std::string cpu_model()
{
    std::ifstream cpuinfo("/proc/cpuinfo");
    std::string line;

    while (std::getline(cpuinfo, line))
        if (line.rfind("model name", 0) == 0)
            return line.substr(line.find(':') + 2);
    return "unknown";
}

static double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void print_result(const Options &options, const std::string &bench, const Params &params, const std::string &unit,
                  std::vector<double> values)
{
    static const std::string cpu = cpu_model();
    std::string json;

    for (const auto &param : params)
        json += (json.empty() ? "" : ", ") + quoted(param.first) + ": " + param.second;
    std::printf("{\"bench\": %s, \"params\": {%s}, \"unit\": %s, \"median\": %.4g, \"min\": %.4g, \"max\": %.4g, "
                "\"rounds\": %zu, \"compiler\": %s, \"flags\": %s, \"cpu\": %s, \"commit\": %s}\n",
                quoted(bench).c_str(), json.c_str(), quoted(unit).c_str(), median(values),
                *std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end()),
                values.size(), quoted(BENCH_COMPILER).c_str(), quoted(BENCH_FLAGS).c_str(), quoted(cpu).c_str(),
                quoted(options.commit).c_str());
}

/* Takes what one round measured. */
class Suite::Collector : public benchmark::BenchmarkReporter {
public:
    Collector(Suite &suite, bool first) : suite_(suite), first_(first) {}

    bool ReportContext(const Context &) override
    {
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            Measurement &measured = suite_.measurements_[suite_.by_id_.at(run.run_name.function_name)];
            if (first_) {
                /* The first round is not counted: it finds how many iterations fill a slice. */
                measured.registered->Iterations(std::max<benchmark::IterationCount>(1, run.iterations));
                continue;
            }
            double time = measured.times_itself ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime();
            measured.values.push_back(time / measured.per_iteration);
            for (const auto &counter : run.counters)
                measured.counters[counter.first].push_back(counter.second.value);
        }
    }

private:
    Suite &suite_;
    bool first_;
};

void Suite::add(const std::string &id, const std::string &bench, const Params &params, double per_iteration,
                std::function<void(benchmark::State &)> body, bool times_itself)
{
    benchmark::internal::Benchmark *registered = benchmark::RegisterBenchmark(id.c_str(), body);

    if (times_itself)
        registered->UseManualTime();
    by_id_[id] = measurements_.size();
    measurements_.push_back({id, bench, params, per_iteration, times_itself, registered, {}, {}});
}

void Suite::run()
{
    std::string min_time = "--benchmark_min_time=" + std::to_string(options_.slice_seconds);
    std::string random_order = "--benchmark_enable_random_interleaving=true";
    std::string program = "bench";
    char *arguments[] = {program.data(), min_time.data(), random_order.data(), nullptr};
    int count = 3;

    benchmark::Initialize(&count, arguments);
    for (int round = 0; round <= options_.rounds; round++) {
        Collector collector(*this, round == 0);
        benchmark::RunSpecifiedBenchmarks(&collector);
    }
    for (const Measurement &measured : measurements_) {
        if (measured.counters.empty())
            print_result(options_, measured.bench, measured.params, "ns", measured.values);
        for (const auto &counter : measured.counters)
            print_result(options_, counter.first, measured.params, "ns", counter.second);
    }
}

void Suite::print_ratio(const std::string &bench, const Params &params, const std::string &id, const std::string &to_id)
{
    const std::vector<double> &values = measurements_[by_id_.at(id)].values;
    const std::vector<double> &to_values = measurements_[by_id_.at(to_id)].values;
    std::vector<double> ratios;

    for (size_t round = 0; round < values.size(); round++)
        ratios.push_back(values[round] / to_values[round]);
    print_result(options_, bench, params, "ratio", ratios);
}

} // namespace bench
