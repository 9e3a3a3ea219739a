// SPDX-License-Identifier: MIT
//
// The rings under the memory model of C11, by Relacy: the same sources as everywhere, on the HOOK accessors, each shared
// word a rl::atomic and each word of payload a rl::var, so that payload which changes hands without order is a data race
// whatever was read.
//
//     ring_relacy bound N      every schedule with at most N preemptions is right
//     ring_relacy random N     N drawn by lot are
//     ring_relacy without END  one end of a letter is left out, and it has to be found
//
// A driver and a device serve a few requests on a ring of one or two entries, each going to sleep when it has nothing to
// do. The doorbell is a relaxed exchange: it brings no order that the rings would not have of their own.
#include <relacy/relacy.hpp>

#include <vring/vring.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <streambuf>
#include <string>

extern "C" {
#include "vring/access_hook.h"
}

namespace {

const uint32_t size_max = 2, requests_max = 3;

// Where the words of a ring lie; their values are in atomics, one for each, found by address.
struct areas {
    alignas(16) unsigned char desc[16 * size_max];
    alignas(16) unsigned char driver_area[16];
    alignas(16) unsigned char device_area[32];
    alignas(16) uint32_t payload[size_max];
} shared;

const uint64_t payload_at = 0x1000;
const vring_region region = {payload_at, sizeof shared.payload, shared.payload, 0};

// What the search is about. Constant during it.
struct scenario {
    uint32_t size, requests;
    bool packed, event_idx, polite, in_order;
} scene;

enum barrier { release, acquire, fence };
enum verb { add, publish, take, enable, disable };

// One end of one of the four letters, and what is found when it is left out.
struct end {
    const char *name;
    unsigned thread; // 0: driver
    barrier what;
    verb where;
    rl::test_result_e found;
    bool packed_too; // or only in split rings, where an index seen before sleeping is not loaded again
} const ends[] = {
    {"A_release", 0, release, publish, rl::test_result_data_race, true},
    {"A_acquire", 1, acquire, take, rl::test_result_data_race, true},
    {"A_acquire_before_sleeping", 1, acquire, enable, rl::test_result_data_race, false},
    {"B_release", 1, release, publish, rl::test_result_data_race, true},
    {"B_acquire", 0, acquire, take, rl::test_result_data_race, true},
    {"B_acquire_before_sleeping", 0, acquire, enable, rl::test_result_data_race, false},
    {"C_fence_of_the_driver", 0, fence, publish, rl::test_result_livelock, true},
    {"C_fence_of_the_device", 1, fence, enable, rl::test_result_livelock, true},
    {"D_fence_of_the_device", 1, fence, publish, rl::test_result_livelock, true},
    {"D_fence_of_the_driver", 0, fence, enable, rl::test_result_livelock, true},
};
const end *left_out;

struct ring;
ring *current;
verb running[2]; // what each side is at

bool holds(barrier what)
{
    return !left_out || left_out->what != what || left_out->thread != rl::thread_index() ||
           left_out->where != running[left_out->thread];
}

// The widest words that are ever loaded or stored as one.
size_t word_width(const unsigned char *at)
{
    size_t in_desc = static_cast<size_t>(at - shared.desc) % 16;

    if (at >= shared.desc && at < shared.desc + sizeof shared.desc)
        return in_desc < 8 || !scene.packed ? 8 : in_desc < 12 ? 4 : 2;
    if (scene.packed)
        return 4;
    // Used elements behind flags and idx; avail_event behind them.
    if (at >= shared.device_area + 4 && at < shared.device_area + 4 + 8 * scene.size)
        return 4;
    return 2;
}

struct ring : rl::test_suite<ring, 2> {
    static const size_t words = sizeof shared / 2;
    rl::atomic<uint64_t> memory[words];
    rl::var<uint32_t> payload[size_max];
    rl::atomic<unsigned> kicked, interrupted;

    vring_driver driver;
    vring_device device;
    vring_slot slots[size_max];
    vring_head heads[size_max];

    rl::atomic<uint64_t> &word(const unsigned char *at)
    {
        return memory[static_cast<size_t>(at - shared.desc) / 2];
    }

    void before()
    {
        vring_driver_config ours = vring_driver_config();
        vring_device_config theirs = vring_device_config();

        current = this;
        kicked($) = 0;
        interrupted($) = 0;
        ours.features = theirs.features = VRING_F_VERSION_1 | (scene.packed ? VRING_F_RING_PACKED : 0) |
                                          (scene.event_idx ? VRING_F_EVENT_IDX : 0) |
                                          (scene.in_order ? VRING_F_IN_ORDER : 0);
        ours.size = theirs.size = ours.slot_count = theirs.head_count = scene.size;
        ours.desc = theirs.desc = shared.desc;
        ours.driver_area = theirs.driver_area = shared.driver_area;
        ours.device_area = theirs.device_area = shared.device_area;
        ours.slots = slots;
        theirs.heads = heads;
        theirs.regions = &region;
        theirs.region_count = 1;
        RL_ASSERT(vring_driver_init(&driver, &ours) == 0);
        RL_ASSERT(vring_device_init(&device, &theirs) == 0);
    }

    void thread(unsigned index)
    {
        if (index == 0)
            drive();
        else
            serve();
    }

    // Each verb says what it is before it runs, for what is left out in one is not left out in another.
    template <typename call> int at(unsigned side, verb what, call run)
    {
        running[side] = what;
        return run();
    }

    static void sleep(rl::atomic<unsigned> &bell)
    {
        while (!bell($).exchange(0, rl::mo_relaxed))
            rl::yield(1, $);
    }

    // Offer as many requests as fit; request n uses payload word n mod size. Returns how many have been sent.
    uint32_t offer(uint32_t sent)
    {
        while (sent < scene.requests && vring_driver_free(&driver) > 0) {
            vring_segment segment = {payload_at + 4 * (sent % scene.size), 4};

            payload[sent % scene.size]($) = 100 + sent;
            RL_ASSERT(at(0, add, [&] { return vring_driver_add_avail(&driver, &segment, 0, 1, sent); }) == 0);
            sent++;
        }
        int due = at(0, publish, [&] { return vring_driver_publish(&driver); });

        RL_ASSERT(due >= 0);
        if (due)
            kicked($).exchange(1, rl::mo_relaxed);
        return sent;
    }

    void drive()
    {
        uint32_t sent = offer(0);

        for (uint32_t received = 0; received < scene.requests;) {
            vring_used_buffer used;
            int answer = at(0, take, [&] { return vring_driver_get_used(&driver, &used); });

            if (answer == 0) {
                RL_ASSERT(used.token < scene.requests && used.len == 4);
                RL_ASSERT(payload[used.token % scene.size]($) == 200 + used.token);
                received++;
                sent = offer(sent);
                continue;
            }
            RL_ASSERT(answer == VRING_E_EMPTY);
            if (at(0, enable, [&] { return vring_driver_enable_notify(&driver); }) == 1)
                continue;
            sleep(interrupted);
            if (scene.polite)
                at(0, disable, [&] { return vring_driver_disable_notify(&driver); });
        }
    }

    void serve()
    {
        for (uint32_t served = 0; served < scene.requests;) {
            vring_iov iov[1];
            vring_chain chain;
            int answer = at(1, take, [&] { return vring_device_get_avail(&device, iov, 1, &chain); });

            if (answer == 0) {
                rl::var<uint32_t> &word = payload[static_cast<uint32_t *>(iov[0].base) - shared.payload];

                RL_ASSERT(chain.n_writable == 1);
                word($) = word($) + 100;
                RL_ASSERT(vring_device_add_used(&device, chain.handle, 4) == 0);
                served++;
                if (at(1, publish, [&] { return vring_device_publish(&device); }))
                    interrupted($).exchange(1, rl::mo_relaxed);
                continue;
            }
            RL_ASSERT(answer == VRING_E_EMPTY);
            if (at(1, enable, [&] { return vring_device_enable_notify(&device); }) == 1)
                continue;
            sleep(kicked);
            if (scene.polite)
                at(1, disable, [&] { return vring_device_disable_notify(&device); });
        }
    }
};

// Values are kept as the bytes that they are in memory, words of an access one after another.
template <typename each> void every_word(const void *p, size_t width, each visit)
{
    const unsigned char *at = static_cast<const unsigned char *>(p);

    for (size_t done = 0; done < width;) {
        size_t part = word_width(at + done);

        if (part > width - done)
            std::abort(); // word_width() is wrong
        visit(current->word(at + done), done, part);
        done += part;
    }
}

uint64_t to_value(const unsigned char *bytes, size_t width)
{
    uint64_t v8;
    uint32_t v4;
    uint16_t v2;

    std::memcpy(&v8, bytes, 8);
    std::memcpy(&v4, bytes, 4);
    std::memcpy(&v2, bytes, 2);
    return width == 8 ? v8 : width == 4 ? v4 : v2;
}

} // namespace

extern "C" uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    unsigned char bytes[8] = {0};

    every_word(p, width, [&](rl::atomic<uint64_t> &word, size_t from, size_t part) {
        uint64_t v = word($).load(order == VRING_HOOK_ACQUIRE && holds(acquire) ? rl::mo_acquire : rl::mo_relaxed);

        std::memcpy(bytes + from, &v, part);
    });
    return to_value(bytes, width);
}

extern "C" void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    unsigned char bytes[8];
    uint32_t v4 = static_cast<uint32_t>(v);
    uint16_t v2 = static_cast<uint16_t>(v);

    std::memcpy(bytes, width == 8 ? static_cast<void *>(&v) : width == 4 ? static_cast<void *>(&v4) : &v2, width);
    every_word(p, width, [&](rl::atomic<uint64_t> &word, size_t from, size_t part) {
        uint64_t part_of_v = 0;

        std::memcpy(&part_of_v, bytes + from, part);
        word($).store(part_of_v, order == VRING_HOOK_RELEASE && holds(release) ? rl::mo_release : rl::mo_relaxed);
    });
}

extern "C" void vring_hook_fence(void)
{
    if (holds(fence))
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
}

namespace {

// Relacy replaces operator new, so what it writes must not be kept in memory that grows.
struct silence : std::streambuf {
    int overflow(int c) { return c; }
};

// One search. Relacy's own account of it, with the schedule that went wrong, is shown where nothing should go wrong.
bool search(rl::test_params params)
{
    silence nowhere;
    std::ostream quiet(&nowhere);
    rl::test_params again = params;

    params.output_stream = params.progress_stream = &quiet;
    rl::simulate<ring>(params);

    bool should_be_found = left_out && (left_out->packed_too || !scene.packed);
    bool good = params.test_result == (should_be_found ? left_out->found : rl::test_result_success);

    std::printf("%sok - %s, %u entries, %s%s%s%s: %s, %lu executions\n", good ? "" : "not ",
                left_out ? left_out->name : "all in place", scene.size, scene.packed ? "packed" : "split",
                scene.event_idx ? ", event_idx" : "", scene.polite ? ", polite" : "", scene.in_order ? ", in_order" : "",
                rl::test_result_str(params.test_result), static_cast<unsigned long>(params.stop_iteration));
    std::fflush(stdout);
    if (!good && params.test_result != rl::test_result_success)
        rl::simulate<ring>(again);
    return good;
}

} // namespace

int main(int argc, char **argv)
{
    std::string how = argc == 3 ? argv[1] : "";
    rl::test_params params;
    unsigned bad = 0, searches = 0;

    params.search_type = how == "random" ? rl::sched_random : rl::sched_bound;
    params.context_bound = 2;
    if (how == "bound")
        params.context_bound = static_cast<unsigned>(std::atoi(argv[2]));
    else if (how == "random")
        params.iteration_count = static_cast<rl::iteration_t>(std::atol(argv[2]));
    else if (how == "without")
        for (const end &candidate : ends)
            left_out = argv[2] == std::string(candidate.name) ? &candidate : left_out;
    if (how.empty() || (how == "without" && !left_out)) {
        std::fprintf(stderr, "usage: ring_relacy bound N | random N | without END\n");
        return 2;
    }
    for (unsigned variant = 0; variant < 32; variant++) {
        bool small = !(variant & 1);

        scene.size = small ? 1 : 2;
        scene.requests = scene.size + 1;
        scene.packed = variant & 2;
        scene.event_idx = variant & 4;
        scene.polite = variant & 8;
        scene.in_order = variant & 16;
        if (params.context_bound > 2 && !(small && scene.event_idx && !scene.in_order))
            continue;
        bad += !search(params);
        searches++;
    }
    std::printf("1..%u\n", searches);
    return bad > 0;
}
