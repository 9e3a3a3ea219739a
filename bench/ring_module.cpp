/* SPDX-License-Identifier: MIT */
#include "ring_module.h"

#include <vring/vring.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

/* The two formats by the same names. */
struct Split {
    using Driver = vring_split_driver;
    using Device = vring_split_device;
    static constexpr uint64_t feature = 0;
    static constexpr auto driver_init = vring_split_driver_init;
    static constexpr auto driver_add_avail = vring_split_driver_add_avail;
    static constexpr auto driver_add_indirect = vring_split_driver_add_indirect;
    static constexpr auto driver_publish = vring_split_driver_publish;
    static constexpr auto driver_get_used = vring_split_driver_get_used;
    static constexpr auto driver_disable_notify = vring_split_driver_disable_notify;
    static constexpr auto device_init = vring_split_device_init;
    static constexpr auto device_get_avail = vring_split_device_get_avail;
    static constexpr auto device_add_used = vring_split_device_add_used;
    static constexpr auto device_publish = vring_split_device_publish;
    static constexpr auto device_disable_notify = vring_split_device_disable_notify;
};

struct Packed {
    using Driver = vring_packed_driver;
    using Device = vring_packed_device;
    static constexpr uint64_t feature = VRING_F_RING_PACKED;
    static constexpr auto driver_init = vring_packed_driver_init;
    static constexpr auto driver_add_avail = vring_packed_driver_add_avail;
    static constexpr auto driver_add_indirect = vring_packed_driver_add_indirect;
    static constexpr auto driver_publish = vring_packed_driver_publish;
    static constexpr auto driver_get_used = vring_packed_driver_get_used;
    static constexpr auto driver_disable_notify = vring_packed_driver_disable_notify;
    static constexpr auto device_init = vring_packed_device_init;
    static constexpr auto device_get_avail = vring_packed_device_get_avail;
    static constexpr auto device_add_used = vring_packed_device_add_used;
    static constexpr auto device_publish = vring_packed_device_publish;
    static constexpr auto device_disable_notify = vring_packed_device_disable_notify;
};

constexpr size_t most_entries = 1024;
constexpr size_t most_pieces = 3;
constexpr uint64_t shared_addr = 0x40000000;

/* What both sides see. */
struct Shared {
    VRING_SPLIT_MEMORY(most_entries) split;
    VRING_PACKED_MEMORY(most_entries) packed;
    alignas(64) unsigned char tables[most_entries][16 * most_pieces];
    alignas(64) unsigned char data[128];
};

struct Pair {
    ring_config config;
    alignas(128) union { vring_split_driver split; vring_packed_driver packed; } driver;
    alignas(128) union { vring_split_device split; vring_packed_device packed; } device;
    alignas(128) vring_slot slots[most_entries];
    alignas(128) vring_head heads[most_entries];
    vring_region region;
    vring_segment segments[most_pieces];
    uint16_t n_readable, n_writable;
    uint32_t used_len;
    alignas(4096) Shared shared;
};

Split::Driver &driver_of(Pair &pair, Split) { return pair.driver.split; }
Split::Device &device_of(Pair &pair, Split) { return pair.device.split; }
Packed::Driver &driver_of(Pair &pair, Packed) { return pair.driver.packed; }
Packed::Device &device_of(Pair &pair, Packed) { return pair.device.packed; }

inline void must(bool true_here, const char *what)
{
    if (__builtin_expect(!true_here, 0)) {
        std::fprintf(stderr, "ring bench: %s failed\n", what);
        std::abort();
    }
}

uint64_t addr_of(const Pair &pair, const void *at)
{
    return shared_addr + static_cast<uint64_t>(static_cast<const char *>(at) -
                                               reinterpret_cast<const char *>(&pair.shared));
}

template <class Ring> void start_queues(Pair &pair, void *desc, void *driver_area, void *device_area)
{
    const ring_config &config = pair.config;
    vring_driver_config driver = {};
    vring_device_config device = {};

    driver.features = VRING_F_VERSION_1 | Ring::feature | (config.event_idx ? VRING_F_EVENT_IDX : 0) |
        (config.in_order ? VRING_F_IN_ORDER : 0) | (config.indirect ? VRING_F_INDIRECT_DESC : 0);
    device.features = driver.features;
    device.size = driver.size = config.size;
    device.desc = driver.desc = desc;
    device.driver_area = driver.driver_area = driver_area;
    device.device_area = driver.device_area = device_area;
    driver.slots = pair.slots;
    device.heads = pair.heads;
    device.head_count = driver.slot_count = most_entries;
    device.regions = &pair.region;
    device.region_count = 1;
    must(Ring::driver_init(&driver_of(pair, Ring()), &driver) == 0, "driver_init");
    must(Ring::device_init(&device_of(pair, Ring()), &device) == 0, "device_init");
    must(Ring::driver_disable_notify(&driver_of(pair, Ring())) == 0, "driver_disable_notify");
    must(Ring::device_disable_notify(&device_of(pair, Ring())) == 0, "device_disable_notify");
}

void start(void *memory, const ring_config *config)
{
    Pair &pair = *static_cast<Pair *>(memory);
    Shared &shared = pair.shared;

    std::memset(memory, 0, sizeof pair);
    pair.config = *config;
    pair.region = {shared_addr, sizeof shared, &shared, 0};
    pair.segments[0] = {addr_of(pair, shared.data), config->chain == 1 ? 64u : 16u};
    pair.segments[1] = {addr_of(pair, shared.data + 16), 64};
    pair.segments[2] = {addr_of(pair, shared.data + 80), 1};
    pair.n_readable = 1;
    pair.n_writable = static_cast<uint16_t>(config->chain - 1);
    pair.used_len = config->chain == 1 ? 0 : 65;
    if (config->packed)
        start_queues<Packed>(pair, shared.packed.desc, shared.packed.driver_area, shared.packed.device_area);
    else
        start_queues<Split>(pair, shared.split.desc, shared.split.driver_area, shared.split.device_area);
}

template <class Ring> void driver_gives(Pair &pair)
{
    typename Ring::Driver &driver = driver_of(pair, Ring());

    for (uint16_t i = 0; i < pair.config.batch; i++) {
        if (pair.config.indirect) {
            vring_table table = {pair.shared.tables[i], addr_of(pair, pair.shared.tables[i]), most_pieces};
            must(Ring::driver_add_indirect(&driver, &table, pair.segments, pair.n_readable, pair.n_writable, i) == 0,
                 "add_indirect");
        } else {
            must(Ring::driver_add_avail(&driver, pair.segments, pair.n_readable, pair.n_writable, i) == 0, "add_avail");
        }
    }
    must(Ring::driver_publish(&driver) >= 0, "driver_publish");
}

template <class Ring> void device_turns(Pair &pair)
{
    typename Ring::Device &device = device_of(pair, Ring());
    vring_iov iov[most_pieces];
    vring_chain chain;

    for (uint16_t i = 0; i < pair.config.batch; i++) {
        must(Ring::device_get_avail(&device, iov, most_pieces, &chain) == 0, "get_avail");
        must(Ring::device_add_used(&device, chain.handle, pair.used_len) == 0, "add_used");
    }
    must(Ring::device_publish(&device) >= 0, "device_publish");
}

template <class Ring> void driver_takes(Pair &pair)
{
    typename Ring::Driver &driver = driver_of(pair, Ring());
    vring_used_buffer used;

    for (uint16_t i = 0; i < pair.config.batch; i++)
        must(Ring::driver_get_used(&driver, &used) == 0 && used.token == i, "get_used");
}

template <class Ring> void run_batches(Pair &pair, size_t batches)
{
    for (size_t batch = 0; batch < batches; batch++) {
        driver_gives<Ring>(pair);
        device_turns<Ring>(pair);
        driver_takes<Ring>(pair);
    }
}

template <class Ring> void run_batch_sides(Pair &pair, size_t batches, double nanoseconds[RING_SIDES])
{
    using clock = std::chrono::steady_clock;
    using ns = std::chrono::duration<double, std::nano>;

    for (size_t batch = 0; batch < batches; batch++) {
        clock::time_point t0 = clock::now();
        driver_gives<Ring>(pair);
        clock::time_point t1 = clock::now();
        device_turns<Ring>(pair);
        clock::time_point t2 = clock::now();
        driver_takes<Ring>(pair);
        clock::time_point t3 = clock::now();
        nanoseconds[0] += ns(t1 - t0).count();
        nanoseconds[1] += ns(t2 - t1).count();
        nanoseconds[2] += ns(t3 - t2).count();
    }
}

void run(void *memory, size_t batches)
{
    Pair &pair = *static_cast<Pair *>(memory);

    if (pair.config.packed)
        run_batches<Packed>(pair, batches);
    else
        run_batches<Split>(pair, batches);
}

void run_sides(void *memory, size_t batches, double nanoseconds[RING_SIDES])
{
    Pair &pair = *static_cast<Pair *>(memory);

    if (pair.config.packed)
        run_batch_sides<Packed>(pair, batches, nanoseconds);
    else
        run_batch_sides<Split>(pair, batches, nanoseconds);
}

} // namespace

extern "C" __attribute__((visibility("default"))) const ring_module ring_module_entry;
const ring_module ring_module_entry = {sizeof(Pair), start, run, run_sides};
