/* SPDX-License-Identifier: MIT */
/*
 * What a place in a pool costs: map and unmap of one buffer, no data copied, at every occupancy. Beside it, at the same
 * places: the plain walk over the slots that the tests compare placement with, and a walk that does what a kernel's
 * pool does; and somebody else's pool, if its file is named on the command line. Where a request finds no place, that
 * is what is measured.
 *
 * Occupied is a random choice of single slots, the same for all.
 */
#include "counted_walk.h"
#include "harness.h"
#include "plain_walk.h"
#include "pool_peer.h"

#include <bounce/bounce.h>

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <thread>

namespace {

constexpr uint64_t window_addr = 0x100000000;
constexpr size_t slot_size = 2048, small_pool = 32 * 1024, large_pool = PLAIN_WALK_SLOTS;

void must(bool true_here, const char *what)
{
    if (!true_here) {
        std::fprintf(stderr, "bounce bench: %s\n", what);
        std::abort();
    }
}

/* A window for all pools: 1 GiB of addresses over 2 MiB of memory, since nobody looks at what is in it. */
void *make_window()
{
    constexpr size_t real = 2 * 1024 * 1024, size = large_pool * slot_size;
    int file = memfd_create("window", 0);
    void *at = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    must(file >= 0 && ftruncate(file, real) == 0 && at != MAP_FAILED, "no memory for the window");
    char *window = static_cast<char *>(at);
    for (size_t offset = 0; offset < size; offset += real)
        must(mmap(window + offset, real, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED,
             "no memory for the window");
    close(file);
    return window;
}

int copy_nothing(void *, void *, size_t, void *, size_t, bool)
{
    return 0;
}

/* Somebody else's, or none. */
const pool_peer *peer;

void load_peer(const std::string &path)
{
    void *file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);

    must(file, "no such file of a pool");
    peer = static_cast<const pool_peer *>(dlsym(file, "pool_peer"));
    must(peer, "no pool in the file");
}

/* A pool and two walks in the same state, and the peer's pool, which has one area. */
struct State {
    bounce_pool pool;
    std::vector<uint64_t> meta;
    std::unique_ptr<walk, decltype(&plain_walk_delete)> plain;
    std::unique_ptr<counted_walk, decltype(&counted_walk_delete)> counted;
    std::unique_ptr<void, void (*)(void *)> of_peer{nullptr, [](void *at) { peer->destroy(at); }};

    State(void *window, uint32_t slots, int occupied_percent, uint32_t areas, bool with_peer = false);
    void fill_peer(const std::vector<uint32_t> &order, size_t occupied);
};

char original[64 * 1024];

/* A device that asks for nothing, which nobody can know at build time. */
counted_device no_device = {0, 0, UINT64_MAX};

bounce_request request_of(size_t size)
{
    bounce_request request = {};

    request.orig = original;
    request.size = size;
    request.direction = BOUNCE_TO_DEVICE;
    return request;
}

State::State(void *window, uint32_t slots, int occupied_percent, uint32_t areas, bool with_peer)
    : plain(plain_walk_new(window_addr, slots), plain_walk_delete),
      counted(counted_walk_new(window_addr, slots, areas, copy_nothing), counted_walk_delete)
{
    bounce_config config = {};
    size_t meta_size;
    std::vector<bounce_mapping> filled(slots);
    std::vector<uint32_t> order(slots);
    bounce_request one = request_of(slot_size);
    std::mt19937 random(1);

    config.window = window;
    config.window_addr = window_addr;
    config.slots = slots;
    config.areas = areas;
    config.mappings = slots; /* every occupied slot is one */
    config.flags = BOUNCE_KEEP_CONTENTS | BOUNCE_KEEP_PADDING;
    config.copy = copy_nothing;
    must(bounce_meta_size(&config, &meta_size) == 0, "meta_size");
    meta.resize(meta_size / 8 + 1);
    config.meta = meta.data();
    config.meta_size = meta_size;
    must(bounce_init(&pool, &config) == 0, "init");

    must(plain && counted, "no memory for a walk");

    /* All full, then freed at random: next-fit has gone round once and stands at the first slot again. */
    for (uint32_t i = 0; i < slots; i++) {
        must(bounce_map(&pool, &one, &filled[i]) == 0, "map");
        plain_walk_set_used(plain.get(), filled[i].slot, true);
    }
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (uint64_t i = uint64_t(slots) * static_cast<uint64_t>(occupied_percent) / 100; i < slots; i++) {
        must(bounce_unmap(&pool, filled[order[i]].handle, BOUNCE_TO_DEVICE, 0) == 0, "unmap");
        plain_walk_set_used(plain.get(), filled[order[i]].slot, false);
    }
    for (uint64_t i = 0; i < uint64_t(slots) * static_cast<uint64_t>(occupied_percent) / 100; i++)
        counted_walk_set_used(counted.get(), filled[order[i]].slot);
    if (with_peer)
        fill_peer(order, size_t(slots) * static_cast<size_t>(occupied_percent) / 100);
}

/* The peer's pool: filled as ours was, and as many of the same slots freed. */
void State::fill_peer(const std::vector<uint32_t> &order, size_t occupied)
{
    of_peer.reset(peer->create(window_addr, static_cast<uint32_t>(order.size())));
    must(of_peer != nullptr, "no memory for the peer's pool");
    for (size_t slot = 0; slot < order.size(); slot++)
        must(peer->map(of_peer.get(), reinterpret_cast<uintptr_t>(original), slot_size) ==
                 window_addr + slot * slot_size, "the peer fills a pool in another order");
    for (size_t i = occupied; i < order.size(); i++)
        peer->unmap(of_peer.get(), window_addr + order[i] * slot_size, slot_size);
}

/* Each answers the slot, or PLAIN_WALK_NONE, and leaves the slots as they were. */
uint32_t map_and_unmap(State &state, const bounce_request &request)
{
    bounce_mapping mapping;

    if (bounce_map(&state.pool, &request, &mapping) != 0)
        return PLAIN_WALK_NONE;
    must(bounce_unmap(&state.pool, mapping.handle, BOUNCE_TO_DEVICE, 0) == 0, "unmap");
    return mapping.slot;
}

uint32_t walk_and_give(State &state, const bounce_request &request)
{
    return plain_walk_once(state.plain.get(), request.size);
}

uint32_t counted_map_and_unmap(State &state, const bounce_request &request)
{
    uint64_t addr = counted_walk_map(state.counted.get(), &no_device, reinterpret_cast<uintptr_t>(request.orig),
                                     request.size, request.alloc_align_mask, request.area);

    if (addr == COUNTED_WALK_NONE)
        return PLAIN_WALK_NONE;
    counted_walk_unmap(state.counted.get(), &no_device, addr);
    return static_cast<uint32_t>((addr - window_addr) / slot_size);
}

uint32_t peer_map_and_unmap(State &state, const bounce_request &request)
{
    uint64_t addr = peer->map(state.of_peer.get(), reinterpret_cast<uintptr_t>(request.orig), request.size);

    if (addr == POOL_PEER_NONE)
        return PLAIN_WALK_NONE;
    peer->unmap(state.of_peer.get(), addr, request.size);
    return static_cast<uint32_t>((addr - window_addr) / slot_size);
}

struct Way {
    const char *name;
    uint32_t (*once)(State &, const bounce_request &);
};

/* And the peer's, if there is one. */
std::vector<Way> ways = {{"pool", map_and_unmap}, {"walk", walk_and_give}, {"counted", counted_map_and_unmap}};

/* All choose the same slots, or there is nothing to compare. Returns whether there is any place. */
bool same_placement(State &state, size_t size)
{
    bounce_request request = request_of(size);
    uint32_t slot = PLAIN_WALK_NONE;

    /* Nothing was measured yet, so that all cursors stand at the same slot. */
    for (int i = 0; i < 50; i++) {
        slot = map_and_unmap(state, request);
        must(slot == walk_and_give(state, request), "the pool and the walk disagree on a place");
        must(slot == counted_map_and_unmap(state, request), "the pool and the counted walk disagree on a place");
        must(!peer || slot == peer_map_and_unmap(state, request), "the pool and the peer's disagree on a place");
    }
    return slot != PLAIN_WALK_NONE;
}

std::string place_id(size_t slots, int occupied, size_t size)
{
    return std::to_string(slots) + "/" + std::to_string(occupied) + "/" + std::to_string(size);
}

constexpr size_t pools[] = {small_pool, large_pool}, sizes[] = {512, 4096, 16384, 65536};
constexpr int occupancies[] = {0, 25, 50, 90, 98};

void add_occupancies(bench::Suite &suite, std::vector<std::unique_ptr<State>> &states, void *window)
{
    for (size_t slots : pools)
        for (int occupied : occupancies) {
            states.push_back(std::make_unique<State>(window, static_cast<uint32_t>(slots), occupied, 1,
                                                     peer != nullptr));
            State &state = *states.back();
            for (size_t size : sizes) {
                std::string id = place_id(slots, occupied, size);
                bench::Params params = {{"slots", std::to_string(slots)},
                                        {"occupied_percent", std::to_string(occupied)},
                                        {"size", std::to_string(size)}};
                params.emplace_back("fits", same_placement(state, size) ? "true" : "false");
                for (const Way &way : ways) {
                    bench::Params shown = params;
                    shown.emplace_back("way", bench::quoted(way.name));
                    suite.add(id + "/" + way.name, "bounce.place", shown, 1,
                              [&state, size, way](benchmark::State &running) {
                        bounce_request request = request_of(size);
                        for (auto _ : running)
                            benchmark::DoNotOptimize(way.once(state, request));
                    });
                }
            }
        }
}

/* What a pool's time is over another way's, round by round. */
void print_ratios(bench::Suite &suite, const std::string &way)
{
    for (size_t slots : pools)
        for (int occupied : occupancies)
            for (size_t size : sizes)
                suite.print_ratio("bounce.to_" + way, {{"slots", std::to_string(slots)},
                                                       {"occupied_percent", std::to_string(occupied)},
                                                       {"size", std::to_string(size)}},
                                  place_id(slots, occupied, size) + "/pool",
                                  place_id(slots, occupied, size) + "/" + way);
}

constexpr uint32_t maps_per_thread = 10000;

/* What threads work on: areas of one pool, or pools of their own, which share nothing at all; or areas of a walk. */
struct Layout {
    const char *name;
    uint32_t areas, pools;
    size_t way; /* in ways */
};

constexpr Layout layouts[] = {{"one area", 1, 1, 0}, {"two areas", 2, 1, 0}, {"two pools", 1, 2, 0},
                              {"two areas of the counted walk", 2, 1, 2}};

/* A row of the table of threads: how full, how large a pool, how much is mapped. */
struct Load {
    size_t slots;
    int occupied;
    size_t size;
};

constexpr Load loads[] = {{small_pool, 0, 512},   {small_pool, 0, 4096},  {small_pool, 0, 16384},
                          {small_pool, 50, 512},  {small_pool, 50, 4096}, {small_pool, 50, 16384},
                          {small_pool, 90, 512},  {small_pool, 90, 4096}, {large_pool, 50, 512},
                          {large_pool, 50, 4096}, {large_pool, 90, 4096}};

/*
 * Threads that map and unmap, each on a CPU and, where there are so many, in an area or a pool of its own. Returns the
 * nanoseconds from when the first begins, and all are there, to when the last ends.
 */
double run_threads(const std::vector<State *> &states, const Layout &layout, size_t size, uint32_t count)
{
    using clock = std::chrono::steady_clock;
    std::atomic<uint32_t> ready{0};
    std::vector<clock::time_point> begins(count), ends(count);
    std::vector<std::thread> threads;

    for (uint32_t i = 0; i < count; i++)
        threads.emplace_back([&, i] {
            bounce_request request = request_of(size);
            State &state = *states[i % layout.pools];
            cpu_set_t cpu;
            CPU_ZERO(&cpu);
            CPU_SET(i % std::thread::hardware_concurrency(), &cpu);
            must(pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu) == 0, "no CPU for a thread");
            request.area = i;
            ready++;
            while (ready < count) {
            }
            begins[i] = clock::now();
            for (uint32_t map = 0; map < maps_per_thread; map++)
                must(ways[layout.way].once(state, request) != PLAIN_WALK_NONE, "no place");
            ends[i] = clock::now();
        });
    for (std::thread &thread : threads)
        thread.join();
    return std::chrono::duration<double, std::nano>(*std::max_element(ends.begin(), ends.end()) -
                                                    *std::min_element(begins.begin(), begins.end())).count();
}

bench::Params threads_params(const Layout &layout, const Load &load)
{
    return {{"layout", bench::quoted(layout.name)}, {"slots", std::to_string(load.slots)},
            {"occupied_percent", std::to_string(load.occupied)}, {"size", std::to_string(load.size)}};
}

std::string threads_id(const Layout &layout, const Load &load, uint32_t threads)
{
    return std::string(layout.name) + "/" + place_id(load.slots, load.occupied, load.size) + "/" +
        std::to_string(threads);
}

void add_threads(bench::Suite &suite, std::vector<std::unique_ptr<State>> &states, void *window)
{
    auto state_of = [&](const Load &load, uint32_t areas) {
        states.push_back(std::make_unique<State>(window, static_cast<uint32_t>(load.slots), load.occupied, areas));
        return states.back().get();
    };
    for (const Load &load : loads) {
        std::vector<State *> one = {state_of(load, 1), state_of(load, 1)}, two = {state_of(load, 2)};
        for (const Layout &layout : layouts)
            for (uint32_t threads : {1u, 2u}) {
                bench::Params params = threads_params(layout, load);
                params.emplace_back("threads", std::to_string(threads));
                suite.add(threads_id(layout, load, threads), "bounce.threads", params,
                          double(maps_per_thread) * threads,
                          [of = layout.areas == 1 ? one : two, &layout, &load, threads](benchmark::State &running) {
                    for (auto _ : running)
                        running.SetIterationTime(run_threads(of, layout, load.size, threads) / 1e9);
                }, true);
            }
    }
}

} // namespace

int main(int argc, char **argv)
{
    bench::Options options(argc, argv, true);
    bench::Suite suite(options);
    std::vector<std::unique_ptr<State>> states;
    void *window = make_window();

    must(options.others.size() <= 1, "one peer at most");
    for (const std::string &path : options.others) {
        load_peer(path);
        ways.push_back({peer->name, peer_map_and_unmap});
    }
    add_occupancies(suite, states, window);
    add_threads(suite, states, window);
    suite.run();
    print_ratios(suite, "counted");
    if (peer)
        print_ratios(suite, peer->name);
    for (const Load &load : loads)
        for (const Layout &layout : layouts)
            suite.print_ratio("bounce.gain_of_second_thread", threads_params(layout, load),
                              threads_id(layout, load, 1), threads_id(layout, load, 2));
    return 0;
}
