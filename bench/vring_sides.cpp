/* SPDX-License-Identifier: MIT */
/*
 * libvring as something to be measured: both formats, used directly as one would who knows the format; and several buffers
 * by one call where they come in batches, as one would who cares about speed; with IN_ORDER buffers of one piece come and go
 * as runs, of which only the last is named. Linux and the other peers have no such calls, and are called for each buffer.
 */
#include "side.h"

#include <vring/vring.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

/* The two formats by the same names. */
struct Split {
    using Driver = vring_split_driver;
    using Device = vring_split_device;
    using Memory = VRING_SPLIT_MEMORY(RING_MOST_ENTRIES);
    static constexpr uint64_t feature = 0;
    static constexpr auto driver_init = vring_split_driver_init;
    static constexpr auto driver_add_avail = vring_split_driver_add_avail;
    static constexpr auto driver_add_avail_batch = vring_split_driver_add_avail_batch;
    static constexpr auto driver_add_avail_run = vring_split_driver_add_avail_run;
    static constexpr auto driver_add_indirect = vring_split_driver_add_indirect;
    static constexpr auto driver_publish = vring_split_driver_publish;
    static constexpr auto driver_get_used = vring_split_driver_get_used;
    static constexpr auto driver_get_used_batch = vring_split_driver_get_used_batch;
    static constexpr auto driver_get_used_run = vring_split_driver_get_used_run;
    static constexpr auto driver_enable_notify = vring_split_driver_enable_notify;
    static constexpr auto driver_disable_notify = vring_split_driver_disable_notify;
    static constexpr auto device_init = vring_split_device_init;
    static constexpr auto device_get_avail = vring_split_device_get_avail;
    static constexpr auto device_get_avail_batch = vring_split_device_get_avail_batch;
    static constexpr auto device_get_avail_run = vring_split_device_get_avail_run;
    static constexpr auto device_add_used = vring_split_device_add_used;
    static constexpr auto device_add_used_batch = vring_split_device_add_used_batch;
    static constexpr auto device_add_used_through = vring_split_device_add_used_through;
    static constexpr auto device_publish = vring_split_device_publish;
    static constexpr auto device_enable_notify = vring_split_device_enable_notify;
    static constexpr auto device_disable_notify = vring_split_device_disable_notify;
};

struct Packed {
    using Driver = vring_packed_driver;
    using Device = vring_packed_device;
    using Memory = VRING_PACKED_MEMORY(RING_MOST_ENTRIES);
    static constexpr uint64_t feature = VRING_F_RING_PACKED;
    static constexpr auto driver_init = vring_packed_driver_init;
    static constexpr auto driver_add_avail = vring_packed_driver_add_avail;
    static constexpr auto driver_add_avail_batch = vring_packed_driver_add_avail_batch;
    static constexpr auto driver_add_avail_run = vring_packed_driver_add_avail_run;
    static constexpr auto driver_add_indirect = vring_packed_driver_add_indirect;
    static constexpr auto driver_publish = vring_packed_driver_publish;
    static constexpr auto driver_get_used = vring_packed_driver_get_used;
    static constexpr auto driver_get_used_batch = vring_packed_driver_get_used_batch;
    static constexpr auto driver_get_used_run = vring_packed_driver_get_used_run;
    static constexpr auto driver_enable_notify = vring_packed_driver_enable_notify;
    static constexpr auto driver_disable_notify = vring_packed_driver_disable_notify;
    static constexpr auto device_init = vring_packed_device_init;
    static constexpr auto device_get_avail = vring_packed_device_get_avail;
    static constexpr auto device_get_avail_batch = vring_packed_device_get_avail_batch;
    static constexpr auto device_get_avail_run = vring_packed_device_get_avail_run;
    static constexpr auto device_add_used = vring_packed_device_add_used;
    static constexpr auto device_add_used_batch = vring_packed_device_add_used_batch;
    static constexpr auto device_add_used_through = vring_packed_device_add_used_through;
    static constexpr auto device_publish = vring_packed_device_publish;
    static constexpr auto device_enable_notify = vring_packed_device_enable_notify;
    static constexpr auto device_disable_notify = vring_packed_device_disable_notify;
};

inline void must(bool true_here, const char *what)
{
    if (__builtin_expect(!true_here, 0)) {
        std::fprintf(stderr, "libvring in a benchmark: %s failed\n", what);
        std::abort();
    }
}

#ifdef BENCH_PLANTED_SLOWDOWN
/* What the benchmarks must find: for every buffer a chain of multiplications, of which each waits for the one before. */
inline void dawdle()
{
    static thread_local uint64_t product = 3;

    for (int i = 0; i < 64; i++) {
        product *= 0x9e3779b97f4a7c15;
        __asm__ volatile("" : "+r"(product));
    }
}
#else
inline void dawdle() {}
#endif

inline uint64_t addr_of(const void *at)
{
    return reinterpret_cast<uintptr_t>(at);
}

uint64_t features_of(const ring_config &config)
{
    return VRING_F_VERSION_1 | (config.packed ? VRING_F_RING_PACKED : 0) |
        (config.event_idx ? VRING_F_EVENT_IDX : 0) | (config.in_order ? VRING_F_IN_ORDER : 0) |
        (config.indirect ? VRING_F_INDIRECT_DESC : 0);
}

/* What the driver has in shared memory; the buffers lie behind it. */
struct Tables {
    alignas(64) unsigned char of[RING_MOST_ENTRIES][16 * RING_MOST_PIECES];
};

enum { RING_MOST_BATCH = 256 };

/* The two sides are lines apart, as they are for anyone who runs them on two cores. */
template <class Ring> struct alignas(128) Driver {
    typename Ring::Driver queue;
    Tables *tables;
    uint64_t given, taken; /* tokens count up; the device uses buffers in order */
    uint16_t mask, n_writable; /* of each buffer, behind one piece to read */
    bool indirect, runs;       /* IN_ORDER, and one piece each */
    vring_segment segments[RING_MOST_PIECES];
    vring_segment run[RING_MOST_BATCH];
    vring_avail_buffer offers[RING_MOST_BATCH]; /* the tokens change */
    vring_table table_of[RING_MOST_ENTRIES];    /* ... and with each the table */
    vring_used_buffer used[RING_MOST_BATCH];
    vring_slot slots[RING_MOST_ENTRIES];

    static void *start(const ring_config *config, ring_shared *shared)
    {
        auto *memory = reinterpret_cast<typename Ring::Memory *>(shared->base);
        auto *driver = new Driver;
        vring_driver_config wanted = {};

        std::memset(static_cast<void *>(driver), 0, sizeof *driver);
        shared->desc = memory->desc;
        shared->driver_area = memory->driver_area;
        shared->device_area = memory->device_area;
        driver->tables = reinterpret_cast<Tables *>(shared->base + (sizeof *memory + 127) / 128 * 128);
        driver->mask = static_cast<uint16_t>(config->size - 1);
        driver->n_writable = static_cast<uint16_t>(config->chain - 1);
        driver->indirect = config->indirect;
        driver->segments[0] = {addr_of(shared->data), config->chain == 1 ? 64u : 16u};
        driver->segments[1] = {addr_of(shared->data + 16), 64};
        driver->segments[2] = {addr_of(shared->data + 80), 1};
        driver->runs = config->in_order && config->chain == 1 && !config->indirect;
        for (vring_segment &segment : driver->run)
            segment = driver->segments[0];
        for (vring_avail_buffer &offer : driver->offers)
            offer = {driver->segments, 0, 1, driver->n_writable, nullptr};
        for (size_t i = 0; i < RING_MOST_ENTRIES; i++)
            driver->table_of[i] = {driver->tables->of[i], addr_of(driver->tables->of[i]), RING_MOST_PIECES};
        wanted.features = features_of(*config);
        wanted.size = config->size;
        wanted.desc = memory->desc;
        wanted.driver_area = memory->driver_area;
        wanted.device_area = memory->device_area;
        wanted.slots = driver->slots;
        wanted.slot_count = RING_MOST_ENTRIES;
        must(Ring::driver_init(&driver->queue, &wanted) == 0, "driver_init");
        must(Ring::driver_disable_notify(&driver->queue) == 0, "driver_disable_notify");
        return driver;
    }

    /* One buffer. */
    void give_one()
    {
        if (indirect)
            must(Ring::driver_add_indirect(&queue, &table_of[given & mask], segments, 1, n_writable, given) == 0, "add_indirect");
        else
            must(Ring::driver_add_avail(&queue, segments, 1, n_writable, given) == 0, "add_avail");
        given++;
        dawdle();
    }

    [[gnu::noinline]] void give_batch(uint32_t n)
    {
        uint32_t added;

        for (uint32_t i = 0; i < n; i++) {
            offers[i].token = given + i;
            dawdle();
        }
        for (uint32_t i = 0; indirect && i < n; i++)
            offers[i].table = &table_of[(given + i) & mask];
        given += n;
        must(Ring::driver_add_avail_batch(&queue, offers, n, &added) == 0 && added == n, "add_avail_batch");
    }

    [[gnu::noinline]] void give_run(uint32_t n)
    {
        uint32_t added;

        for (uint32_t i = 0; i < n; i++)
            dawdle();
        must(Ring::driver_add_avail_run(&queue, run, n, false, given, &added) == 0 && added == n, "add_avail_run");
        given += n;
    }

    static bool give(void *side, uint32_t n)
    {
        auto &driver = *static_cast<Driver *>(side);

        if (__builtin_expect(n == 1, 1))
            driver.give_one();
        else if (driver.runs)
            driver.give_run(n);
        else
            driver.give_batch(n);
        int notify = Ring::driver_publish(&driver.queue);
        must(notify >= 0, "driver_publish");
        return notify > 0;
    }

    uint32_t take_one()
    {
        int answer = Ring::driver_get_used(&queue, used);

        if (__builtin_expect(answer == 0, 1)) {
            must(used[0].token == taken++, "get_used, in order");
            return 1;
        }
        must(answer == VRING_E_EMPTY, "get_used");
        return 0;
    }

    [[gnu::noinline]] uint32_t take_batch(uint32_t n)
    {
        uint32_t found;
        int answer = Ring::driver_get_used_batch(&queue, used, n, &found);

        if (answer == VRING_E_EMPTY)
            return 0;
        must(answer == 0, "get_used_batch");
        for (uint32_t i = 0; i < found; i++)
            must(used[i].token == taken + i, "get_used_batch, in order");
        taken += found;
        return found;
    }

    [[gnu::noinline]] uint32_t take_run(uint32_t n)
    {
        uint32_t taken_now = 0, found = 0;

        do {
            int answer = Ring::driver_get_used_run(&queue, used, n - taken_now, &found);

            must(answer == VRING_E_EMPTY || (answer == 0 && used[0].token == taken + found - 1), "get_used_run, in order");
            taken_now += found;
            taken += found;
        } while (found > 0 && taken_now < n);
        return taken_now;
    }

    static uint32_t take(void *side, uint32_t n)
    {
        auto &driver = *static_cast<Driver *>(side);

        return __builtin_expect(n == 1, 1) ? driver.take_one() : driver.runs ? driver.take_run(n) : driver.take_batch(n);
    }

    static bool sleep(void *side)
    {
        int waiting = Ring::driver_enable_notify(&static_cast<Driver *>(side)->queue);
        must(waiting >= 0, "driver_enable_notify");
        return waiting > 0;
    }

    static void wake(void *side)
    {
        must(Ring::driver_disable_notify(&static_cast<Driver *>(side)->queue) == 0, "driver_disable_notify");
    }

    static void stop(void *side)
    {
        delete static_cast<Driver *>(side);
    }

    static constexpr ring_driver calls = {"libvring", start, stop, give, take, sleep, wake};
};

template <class Ring> struct alignas(128) Device {
    typename Ring::Device queue;
    uint32_t used_len;
    bool in_order;  /* every buffer is used in full but the last of a batch */
    bool runs;      /* ... and has one piece */
    uint64_t bytes; /* of each buffer */
    vring_region region;
    vring_iov iov[RING_MOST_PIECES * RING_MOST_BATCH];
    vring_chain chains[RING_MOST_BATCH];
    vring_used_chain used[RING_MOST_BATCH]; /* the handles change */
    vring_head heads[RING_MOST_ENTRIES];

    static void *start(const ring_config *config, const ring_shared *shared)
    {
        auto *device = new Device;
        vring_device_config wanted = {};

        std::memset(static_cast<void *>(device), 0, sizeof *device);
        device->in_order = config->in_order;
        device->runs = config->in_order && config->chain == 1 && !config->indirect;
        device->used_len = config->chain == 1 ? 0 : 65;
        device->bytes = config->chain == 1 ? 64 : 81;
        for (vring_used_chain &one : device->used)
            one.len = device->used_len;
        device->region = {addr_of(shared->base), RING_SHARED_SIZE, shared->base, 0};
        wanted.features = features_of(*config);
        wanted.size = config->size;
        wanted.desc = shared->desc;
        wanted.driver_area = shared->driver_area;
        wanted.device_area = shared->device_area;
        wanted.heads = device->heads;
        wanted.head_count = RING_MOST_ENTRIES;
        wanted.regions = &device->region;
        wanted.region_count = 1;
        must(Ring::device_init(&device->queue, &wanted) == 0, "device_init");
        must(Ring::device_disable_notify(&device->queue) == 0, "device_disable_notify");
        return device;
    }

    void must_be_whole(const vring_chain &chain) const
    {
        must(chain.readable + chain.writable == bytes, "get_avail, whole");
    }

    bool turn_one()
    {
        int answer = Ring::device_get_avail(&queue, iov, RING_MOST_PIECES, chains);

        if (__builtin_expect(answer == 0, 1)) {
            must_be_whole(chains[0]);
            must(Ring::device_add_used(&queue, chains[0].handle, used_len) == 0, "add_used");
            return true;
        }
        must(answer == VRING_E_EMPTY, "get_avail");
        return false;
    }

    [[gnu::noinline]] uint32_t turn_batch(uint32_t n)
    {
        uint32_t taken, done = 0;
        int answer = Ring::device_get_avail_batch(&queue, iov, RING_MOST_PIECES * n, chains, n, &taken);

        if (answer == VRING_E_EMPTY)
            return 0;
        must(answer == 0, "get_avail_batch");
        if (in_order) {
            for (uint32_t i = 0; i < taken; i++)
                must_be_whole(chains[i]);
            must(Ring::device_add_used_through(&queue, chains[taken - 1].handle, used_len) == 0, "add_used_through");
            return taken;
        }
        for (uint32_t i = 0; i < taken; i++) {
            must_be_whole(chains[i]);
            used[i].handle = chains[i].handle;
        }
        must(Ring::device_add_used_batch(&queue, used, taken, &done) == 0 && done == taken, "add_used_batch");
        return taken;
    }

    /* Of the buffers of a run. */
    uint64_t bytes_of(uint32_t n) const
    {
        uint64_t sum = 0;

#pragma GCC unroll 4
        for (const vring_iov *piece = iov, *end = iov + n; piece != end; piece++)
            sum += piece->len;
        return sum;
    }

    [[gnu::noinline]] uint32_t turn_run(uint32_t n)
    {
        uint32_t turned = 0, taken = 0;

        do {
            int answer = Ring::device_get_avail_run(&queue, iov, n - turned, chains, &taken);

            must(answer == 0 || answer == VRING_E_EMPTY, "get_avail_run");
            must(bytes_of(taken) == taken * bytes, "get_avail_run, whole");
            if (taken > 0)
                must(Ring::device_add_used_through(&queue, chains[0].handle, used_len) == 0, "add_used_through");
            turned += taken;
        } while (taken > 0 && turned < n);
        return turned;
    }

    static uint32_t turn(void *side, uint32_t n, bool *notify)
    {
        auto &device = *static_cast<Device *>(side);
        uint32_t done = __builtin_expect(n == 1, 1) ? device.turn_one() : device.runs ? device.turn_run(n) : device.turn_batch(n);

        if (done > 0) {
            int owed = Ring::device_publish(&device.queue);
            must(owed >= 0, "device_publish");
            *notify = owed > 0;
        }
        return done;
    }

    static bool sleep(void *side)
    {
        int waiting = Ring::device_enable_notify(&static_cast<Device *>(side)->queue);
        must(waiting >= 0, "device_enable_notify");
        return waiting > 0;
    }

    static void wake(void *side)
    {
        must(Ring::device_disable_notify(&static_cast<Device *>(side)->queue) == 0, "device_disable_notify");
    }

    static void stop(void *side)
    {
        delete static_cast<Device *>(side);
    }

    static size_t one_by_one(void *driver_side, void *side, size_t times)
    {
        return ring_take_turns(Driver<Ring>::give, turn, Driver<Ring>::take, driver_side, side, 1, times);
    }

    static constexpr ring_device calls = {"libvring", start, stop, turn, sleep, wake, &Driver<Ring>::calls, one_by_one};
};

} // namespace

extern "C" {
__attribute__((visibility("default"))) extern const ring_sides ring_sides_split, ring_sides_packed;
const ring_sides ring_sides_split = {&Driver<Split>::calls, &Device<Split>::calls};
const ring_sides ring_sides_packed = {&Driver<Packed>::calls, &Device<Packed>::calls};
}
