/* SPDX-License-Identifier: MIT */
#include "sides.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace bench {

std::vector<ring_config> ring_configs()
{
    std::vector<ring_config> configs;

    for (bool packed : {false, true})
        for (uint16_t batch : {uint16_t(1), uint16_t(32), uint16_t(256)}) {
            uint16_t size = batch == 256 ? 1024 : 256;
            for (bool event_idx : {false, true})
                for (uint16_t chain : {uint16_t(1), uint16_t(3)})
                    configs.push_back({packed, event_idx, false, false, size, chain, batch});
            configs.push_back({packed, false, false, true, size, 3, batch});
            configs.push_back({packed, false, true, false, size, 1, batch});
        }
    return configs;
}

Params ring_params(const ring_config &config, const Params &more)
{
    auto flag = [](bool on) { return std::string(on ? "true" : "false"); };
    Params params = {{"format", quoted(config.packed ? "packed" : "split")},
                     {"chain", std::to_string(config.chain)},
                     {"batch", std::to_string(config.batch)},
                     {"size", std::to_string(config.size)},
                     {"event_idx", flag(config.event_idx)},
                     {"indirect", flag(config.indirect)},
                     {"in_order", flag(config.in_order)}};

    params.insert(params.end(), more.begin(), more.end());
    return params;
}

std::string id_of(const std::string &what, const Params &params)
{
    std::string id = what;

    for (const auto &param : params)
        id += " " + param.first + "=" + param.second;
    return id;
}

const ring_driver *Implementation::driver(bool of_packed) const
{
    const ring_sides *sides = of_packed ? packed : split;
    return sides ? sides->driver : nullptr;
}

const ring_device *Implementation::device(bool of_packed) const
{
    const ring_sides *sides = of_packed ? packed : split;
    return sides ? sides->device : nullptr;
}

Implementation load(const std::string &path)
{
    void *file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    Implementation found;

    if (!file) {
        std::fprintf(stderr, "%s\n", dlerror());
        std::exit(1);
    }
    found.name = path.substr(path.rfind('/') + 1);
    found.name = found.name.substr(0, found.name.rfind('.'));
    if (found.name.rfind("sides_", 0) == 0)
        found.name = found.name.substr(6);
    found.split = static_cast<const ring_sides *>(dlsym(file, "ring_sides_split"));
    found.packed = static_cast<const ring_sides *>(dlsym(file, "ring_sides_packed"));
    if (!found.split && !found.packed) {
        std::fprintf(stderr, "%s has neither ring_sides_split nor ring_sides_packed\n", path.c_str());
        std::exit(1);
    }
    return found;
}

Implementation load_ours(const std::string &name)
{
    return load(BENCH_SIDES "/sides_" + name + ".so");
}

SharedMemory::SharedMemory() : file_(memfd_create("bench-rings", MFD_CLOEXEC)), base_(nullptr)
{
    void *mapped = MAP_FAILED;

    if (file_ >= 0 && ftruncate(file_, RING_SHARED_SIZE) == 0)
        mapped = mmap(nullptr, RING_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (mapped == MAP_FAILED)
        std::abort();
    base_ = static_cast<unsigned char *>(mapped);
}

SharedMemory::~SharedMemory()
{
    munmap(base_, RING_SHARED_SIZE);
    close(file_);
}

ring_shared SharedMemory::fresh()
{
    std::memset(base_, 0, RING_SHARED_SIZE);
    return {base_, base_ + RING_SHARED_SIZE - RING_DATA, nullptr, nullptr, nullptr, file_};
}

/* Up to 64 KiB, in cache lines. Nobody writes there. */
static std::unique_ptr<unsigned char[]> any_distance()
{
    static std::mt19937 random(std::random_device{}());

    return std::unique_ptr<unsigned char[]>(new unsigned char[64 * std::uniform_int_distribution<size_t>(1, 1024)(random)]);
}

Pair::Pair(const ring_driver &with_driver, const ring_device &with_device, const ring_config &with_config,
           SharedMemory &memory)
    : driver(with_driver), device(with_device), config(with_config), driver_side(nullptr), device_side(nullptr),
      before_(any_distance())
{
    ring_shared shared = memory.fresh();

    driver_side = driver.start(&config, &shared);
    between_ = any_distance();
    if (driver_side)
        device_side = device.start(&config, &shared);
}

Pair::~Pair()
{
    if (device_side)
        device.stop(device_side);
    if (driver_side)
        driver.stop(driver_side);
}

void Pair::run(size_t batches)
{
    const size_t left = config.batch == 1 && device.mate == &driver
        ? device.one_by_one(driver_side, device_side, batches)
        : ring_take_turns(driver.give, device.turn, driver.take, driver_side, device_side, config.batch, batches);

    if (left > 0) {
        std::fprintf(stderr, "%s with %s: of the %u buffers of batch %zu not all came back\n", driver.name, device.name,
                     config.batch, batches - left + 1);
        std::abort();
    }
}

bool can(const ring_driver *driver, const ring_device *device, const ring_config &config, SharedMemory &memory)
{
    return driver && device && Pair(*driver, *device, config, memory).works();
}

} // namespace bench
