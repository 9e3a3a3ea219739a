/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

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

Options::Options(int argc, char **argv, bool takes_others)
{
    for (int i = 1; i < argc; i++) {
        std::string argument = argv[i];
        if (argument.rfind("--rounds=", 0) == 0 && std::atoi(argv[i] + 9) > 0)
            rounds = std::atoi(argv[i] + 9);
        else if (argument.rfind("--slice=", 0) == 0 && std::atof(argv[i] + 8) > 0)
            slice_seconds = std::atof(argv[i] + 8);
        else if (argument.rfind("--commit=", 0) == 0)
            commit = argument.substr(9);
        else if (takes_others && argument.rfind("--", 0) != 0)
            others.push_back(argument);
        else {
            std::fprintf(stderr, "usage: %s [--rounds=N] [--slice=SECONDS] [--commit=TEXT]%s\n", argv[0],
                         takes_others ? " FILE..." : "");
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
    size_t middle = values.size() / 2;

    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
    if (values.size() % 2)
        return values[middle];
    return (values[middle] + *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle))) / 2;
}

/* What holds the median with 95 %: that of the medians of as many values, drawn from these again and again. */
static std::pair<double, double> interval(const std::vector<double> &values)
{
    constexpr size_t draws = 400;
    std::mt19937 lots(1); /* always the same, so that equal values give equal results */
    std::uniform_int_distribution<size_t> any(0, values.size() - 1);
    std::vector<double> medians, drawn(values.size());

    for (size_t draw = 0; draw < draws; draw++) {
        for (double &value : drawn)
            value = values[any(lots)];
        medians.push_back(median(drawn));
    }
    std::sort(medians.begin(), medians.end());
    return {medians[draws / 40], medians[draws - 1 - draws / 40]};
}

void print_result(const Options &options, const std::string &bench, const Params &params, const std::string &unit,
                  const std::vector<double> &values, size_t rejected)
{
    static const std::string cpu = cpu_model();
    std::pair<double, double> between = interval(values);
    std::string json;

    for (const auto &param : params)
        json += (json.empty() ? "" : ", ") + quoted(param.first) + ": " + param.second;
    std::printf("{\"bench\": %s, \"params\": {%s}, \"unit\": %s, \"median\": %.4g, \"low\": %.4g, \"high\": %.4g, "
                "\"min\": %.4g, \"max\": %.4g, \"rounds\": %zu, \"rejected\": %zu, \"compiler\": %s, "
                "\"flags\": %s, \"cpu\": %s, \"commit\": %s}\n",
                quoted(bench).c_str(), json.c_str(), quoted(unit).c_str(), median(values), between.first,
                between.second, *std::min_element(values.begin(), values.end()),
                *std::max_element(values.begin(), values.end()), values.size(), rejected,
                quoted(BENCH_COMPILER).c_str(), quoted(BENCH_FLAGS).c_str(), quoted(cpu).c_str(),
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

    if (has(id)) {
        std::fprintf(stderr, "Two measurements have the name '%s'\n", id.c_str());
        std::exit(1);
    }
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
    counts_.assign(static_cast<size_t>(options_.rounds), true);
    for (const Gate &gate : gates_)
        close(gate);
    for (const Measurement &measured : measurements_) {
        if (measured.counters.empty())
            print(measured.bench, measured.params, "ns", measured.values);
        for (const auto &counter : measured.counters)
            print(counter.first, measured.params, "ns", counter.second);
    }
}

void Suite::gate(const std::string &id, double least, double most)
{
    gates_.push_back({id, least, most});
}

void Suite::close(const Gate &gate)
{
    const std::vector<double> &values = measurements_[by_id_.at(gate.id)].values;
    double usual = median(values);
    std::vector<bool> counts = counts_;

    for (size_t round = 0; round < values.size(); round++)
        if (values[round] < gate.least * usual || values[round] > gate.most * usual)
            counts[round] = false;
    if (3 * std::count(counts.begin(), counts.end(), true) < static_cast<std::ptrdiff_t>(counts.size()))
        std::fprintf(stderr, "No usual state of the machine by '%s', which therefore rejects no round\n", gate.id.c_str());
    else
        counts_ = counts;
}

void Suite::print(const std::string &bench, const Params &params, const std::string &unit,
                  const std::vector<double> &values)
{
    std::vector<double> counted;

    for (size_t round = 0; round < values.size(); round++)
        if (counts_[round])
            counted.push_back(values[round]);
    print_result(options_, bench, params, unit, counted, values.size() - counted.size());
}

void Suite::print_ratio(const std::string &bench, const Params &params, const std::string &id, const std::string &to_id,
                        const std::string &counter)
{
    auto values_of = [&](const std::string &of) -> const std::vector<double> & {
        const Measurement &measured = measurements_[by_id_.at(of)];
        return counter.empty() ? measured.values : measured.counters.at(counter);
    };
    const std::vector<double> &values = values_of(id), &to_values = values_of(to_id);
    std::vector<double> ratios;

    for (size_t round = 0; round < values.size(); round++)
        ratios.push_back(values[round] / to_values[round]);
    print(bench, params, "ratio", ratios);
}

} // namespace bench
