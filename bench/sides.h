/* SPDX-License-Identifier: MIT */
/* The rings that are measured, how an implementation is loaded, and a driver and a device put together. */
#ifndef BENCH_SIDES_H
#define BENCH_SIDES_H

#include "harness.h"
#include "side.h"

#include <memory>
#include <string>
#include <vector>

namespace bench {

/* What a buffer costs is asked of these: both formats, batches of 1, 32 and 256, one piece and three, and so on. */
std::vector<ring_config> ring_configs();

/* The configuration's name in the results, and what else is to be said. */
Params ring_params(const ring_config &config, const Params &more = {});

/* One text for a measurement, unlike that of any other. */
std::string id_of(const std::string &what, const Params &params);

struct Implementation {
    std::string name; /* that of the file, without what all have in common */
    const ring_sides *split = nullptr, *packed = nullptr;

    const ring_driver *driver(bool of_packed) const;
    const ring_device *device(bool of_packed) const;
};

/* Loads a file that has ring_sides_split, ring_sides_packed or both; ends the program if there is none. */
Implementation load(const std::string &path);

/* The builds of libvring, and the floor. */
Implementation load_ours(const std::string &name);

/* Memory that both sides see, the same for every ring: the sides are measured one after the other. */
class SharedMemory {
public:
    SharedMemory();
    ~SharedMemory();
    SharedMemory(const SharedMemory &) = delete;
    SharedMemory &operator=(const SharedMemory &) = delete;
    ring_shared fresh();

private:
    int file_;
    unsigned char *base_;
};

/*
 * A ring with a driver and a device at its ends. Each lies somewhere else in memory than the one before it: two lines that
 * are in each other's way in a cache, or look to the CPU as if they were the same, can double what a buffer takes, and
 * that is luck, not the ring's doing.
 */
class Pair {
public:
    Pair(const ring_driver &driver, const ring_device &device, const ring_config &config, SharedMemory &memory);
    ~Pair();
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    /* False: one of the two cannot have such a ring, and nothing else may be called. */
    bool works() const
    {
        return driver_side != nullptr && device_side != nullptr;
    }

    /* In one thread: driver gives, device turns, driver takes. */
    void run(size_t batches);

    const ring_driver &driver;
    const ring_device &device;
    const ring_config config;
    void *driver_side, *device_side;

private:
    std::unique_ptr<unsigned char[]> before_, between_; /* them: taken in this order */
};

/* Whether the two can have such a ring together. */
bool can(const ring_driver *driver, const ring_device *device, const ring_config &config, SharedMemory &memory);

} // namespace bench

#endif
