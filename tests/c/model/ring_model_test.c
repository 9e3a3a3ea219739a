/* SPDX-License-Identifier: MIT */
/*
 * A driver and a device on one small ring, in every schedule: requests are offered and served, each side sleeps when it
 * has nothing to do and has asked to be notified. Nobody may sleep on work that the other did not announce, every
 * buffer comes back once, and payload is always what was last written into it.
 */
#include <vring/vring.h>

#include <string.h>

#include "explorer.h"
#include "vring/access_hook.h"
#include "vtest.h"

enum { SIZE_MAX_HERE = 3, REQUESTS_MAX = 4, PAYLOAD_AT = 0x1000 };

/* What the two sides do next. */
enum verb { PAYLOAD_OUT, ADD, PUBLISH, TAKE, PAYLOAD_IN, ANSWER, GIVE, ENABLE, DISABLE, SLEEP, DONE };

static struct {
    VRING_ALIGNAS(16) uint64_t desc[2 * SIZE_MAX_HERE];
    VRING_ALIGNAS(8) uint16_t driver_area[8];
    VRING_ALIGNAS(8) uint16_t device_area[20];
    VRING_ALIGNAS(8) uint32_t payload[SIZE_MAX_HERE + 1];
    /* doorbell and interrupt: set by the one side, seen and cleared by the other, at once */
    uint32_t kicked, interrupted;
} shared;

static struct {
    struct vring_driver queue;
    struct vring_slot slots[SIZE_MAX_HERE];
    VRING_ALIGNAS(8) enum verb verb;
    uint32_t sent, received; /* requests */
    uint64_t token;
    uint32_t returned[REQUESTS_MAX];
} driver;

static struct {
    struct vring_device queue;
    struct vring_head heads[SIZE_MAX_HERE];
    VRING_ALIGNAS(8) enum verb verb;
    struct vring_chain chain;
    struct vring_iov iov[2];
} device;

static const struct vring_region region = {PAYLOAD_AT, sizeof shared.payload, shared.payload, 0};

/* Constant during a search. */
static uint32_t size, requests, pieces;
static const char *wrong;
/* How the device answers, and whether sides that are awake say that they need no notifications. */
static bool polite;

static uint32_t read_payload(const void *at)
{
    return (uint32_t)vring_hook_load(at, 4, VRING_HOOK_RELAXED);
}

static void write_payload(void *at, uint32_t value)
{
    vring_hook_store(at, 4, value, VRING_HOOK_RELAXED);
}

static void check(bool good, const char *what)
{
    if (!good && !wrong)
        wrong = what;
}

/* ------------------------------------------------------------------------------------------------------- driver --- */

/* Request number n uses payload word n mod size, so that words are used again as soon as they come back. */
static void driver_add(void)
{
    uint64_t at = PAYLOAD_AT + 4 * (driver.sent % size);
    struct vring_segment segments[2] = {{PAYLOAD_AT + 4 * size, 4}, {at, 4}};

    check(vring_driver_add_avail(&driver.queue, segments + (2 - pieces), (uint16_t)(pieces - 1), 1, driver.sent) == 0,
          "the driver could not add");
    driver.sent++;
    driver.verb = driver.sent < requests && vring_driver_free(&driver.queue) >= pieces ? PAYLOAD_OUT : PUBLISH;
}

static void driver_take(void)
{
    struct vring_used_buffer used;
    int answer = vring_driver_get_used(&driver.queue, &used);

    check(answer == 0 || answer == VRING_E_EMPTY, "the driver says the device broke the protocol");
    if (answer == VRING_E_EMPTY) {
        driver.verb = ENABLE;
    } else if (answer == 0) {
        check(used.token < requests && driver.returned[used.token]++ == 0,
              "a buffer came back twice, or was never sent");
        check(used.len == 4, "the used length is wrong");
        driver.token = used.token;
        driver.received++;
        driver.verb = PAYLOAD_IN;
    } else {
        driver.verb = DONE;
    }
}

static void run_driver(void)
{
    int answer;

    switch (driver.verb) {
    case PAYLOAD_OUT:
        write_payload(&shared.payload[driver.sent % size], 100 + driver.sent);
        driver.verb = ADD;
        break;
    case ADD:
        driver_add();
        break;
    case PUBLISH:
        answer = vring_driver_publish(&driver.queue);
        check(answer >= 0, "the driver could not publish");
        if (answer == 1)
            shared.kicked = 1;
        driver.verb = TAKE;
        break;
    case TAKE:
        driver_take();
        break;
    case PAYLOAD_IN:
        check(read_payload(&shared.payload[driver.token % size]) == 200 + driver.token,
              "the driver does not see what the device wrote");
        driver.verb = driver.sent < requests ? PAYLOAD_OUT : driver.received < requests ? TAKE : DONE;
        break;
    case ENABLE:
        driver.verb = vring_driver_enable_notify(&driver.queue) == 1 ? TAKE : SLEEP;
        break;
    case SLEEP:
        shared.interrupted = 0;
        driver.verb = polite ? DISABLE : TAKE;
        break;
    case DISABLE:
        check(vring_driver_disable_notify(&driver.queue) == 0, "the driver could not disable notifications");
        driver.verb = TAKE;
        break;
    default:
        check(false, "the driver's script is wrong");
    }
}

/* ------------------------------------------------------------------------------------------------------- device --- */

static void device_take(void)
{
    int answer = vring_device_get_avail(&device.queue, device.iov, 2, &device.chain);

    check(answer == 0 || answer == VRING_E_EMPTY, "the device says the driver broke the protocol");
    check(answer != 0 || (device.chain.n_writable == 1 && device.chain.n_readable == pieces - 1), "the chain is wrong");
    device.verb = answer == VRING_E_EMPTY ? ENABLE : answer == 0 ? PAYLOAD_IN : DONE;
}

static void run_device(void)
{
    uint32_t *word = (uint32_t *)device.iov[pieces - 1].base;
    uint32_t seen;
    int answer;

    switch (device.verb) {
    case TAKE:
        device_take();
        break;
    case PAYLOAD_IN:
        seen = read_payload(word);
        check(seen >= 100 && seen < 100 + requests, "the device does not see what the driver wrote");
        device.verb = ANSWER;
        break;
    case ANSWER:
        /* one verb of two accesses, for what is written depends on what is read */
        write_payload(word, read_payload(word) + 100);
        device.verb = GIVE;
        break;
    case GIVE:
        check(vring_device_add_used(&device.queue, device.chain.handle, 4) == 0, "the device could not give back");
        device.verb = PUBLISH;
        break;
    case PUBLISH:
        answer = vring_device_publish(&device.queue);
        check(answer >= 0, "the device could not publish");
        if (answer == 1)
            shared.interrupted = 1;
        device.verb = TAKE;
        break;
    case ENABLE:
        device.verb = vring_device_enable_notify(&device.queue) == 1 ? TAKE : SLEEP;
        break;
    case SLEEP:
        shared.kicked = 0;
        device.verb = polite ? DISABLE : TAKE;
        break;
    case DISABLE:
        check(vring_device_disable_notify(&device.queue) == 0, "the device could not disable notifications");
        device.verb = TAKE;
        break;
    default:
        check(false, "the device's script is wrong");
    }
}

/* -------------------------------------------------------------------------------------------------------- model --- */

static void run(int side)
{
    if (side == 0)
        run_driver();
    else
        run_device();
}

static bool enabled(int side)
{
    if (side == 0)
        return driver.verb != DONE && (driver.verb != SLEEP || shared.interrupted);
    return device.verb != DONE && (device.verb != SLEEP || shared.kicked);
}

static const char *verdict(void)
{
    return wrong;
}

static const char *stuck(void)
{
    return driver.verb == DONE ? NULL : "both sides sleep, and work is left";
}

/* One end of one of the four letters: a barrier, and where it stands. What is left out in a negative control. */
struct end {
    int side; /* 0: driver */
    enum explore_barrier barrier;
    enum verb verb;
};

static const struct end *weak; /* null: none */

static bool weakened(int side, enum explore_barrier barrier)
{
    return weak && weak->side == side && weak->barrier == barrier && weak->verb == (side ? device.verb : driver.verb);
}

struct scenario {
    uint32_t size, requests, pieces;
    bool packed, event_idx, polite, in_order;
    uint16_t index;
};

static struct explore_result play(const struct scenario *s, enum explore_memory memory, const struct end *left_out)
{
    struct explore_model m = {
        .shared = {&shared, sizeof shared},
        .own = {{&driver, sizeof driver}, {&device, sizeof device}},
        .run = run,
        .enabled = enabled,
        .verdict = verdict,
        .stuck = stuck,
        .memory = memory,
        .weakened = weakened,
        .limit = 4000000,
    };
    uint64_t features = VRING_F_VERSION_1 | (s->packed ? VRING_F_RING_PACKED : 0) |
                        (s->event_idx ? VRING_F_EVENT_IDX : 0) | (s->in_order ? VRING_F_IN_ORDER : 0);
    struct vring_driver_config ours = {.features = features,
                                       .size = s->size,
                                       VRING_AREAS(shared),
                                       .slots = driver.slots,
                                       .slot_count = s->size,
                                       .index = s->index};
    struct vring_device_config theirs = {.features = features,
                                         .size = s->size,
                                         VRING_AREAS(shared),
                                         .heads = device.heads,
                                         .head_count = s->size,
                                         .regions = &region,
                                         .region_count = 1,
                                         .index = s->index};

    memset(&shared, 0, sizeof shared);
    memset(&driver, 0, sizeof driver);
    memset(&device, 0, sizeof device);
    size = s->size;
    requests = s->requests;
    pieces = s->pieces;
    polite = s->polite;
    weak = left_out;
    wrong = NULL;
    if (vring_driver_init(&driver.queue, &ours) || vring_device_init(&device.queue, &theirs))
        wrong = "the queues could not be set up";
    driver.verb = PAYLOAD_OUT;
    device.verb = TAKE;
    return explore(&m);
}

/* The sizes, formats and features that a schedule could depend on; the index wraps on the way. */
static void play_all(VTEST, enum explore_memory memory, uint32_t largest, bool in_order)
{
    size_t states = 0;

    for (uint32_t n = 1; n <= largest; n++)
        for (unsigned variant = 0; variant < 16; variant++) {
            struct scenario s = {
                .size = n,
                .requests = n + 1,
                .pieces = variant & 8 ? 2 : 1,
                .packed = variant & 1,
                .event_idx = variant & 2,
                .polite = variant & 4,
                .in_order = in_order,
                .index = variant & 1 ? (uint16_t)(n - 1) : 65535,
            };

            if (s.pieces > n || (n == 3 && !s.packed))
                continue;

            struct explore_result result = play(&s, memory, NULL);

            if (result.wrong)
                printf("# size %u, %u requests of %u, %s%s%s: %s after %zu steps\n", s.size, s.requests, s.pieces,
                       s.packed ? "packed" : "split", s.event_idx ? ", event_idx" : "", s.polite ? ", polite" : "",
                       result.wrong, result.depth);
            CHECK(!result.wrong);
            CHECK(result.states > 100);
            states += result.states;
        }
    printf("# %zu states\n", states);
}

TEST(C078_C240_C241_C242_C243_every_schedule_is_right)
{
    play_all(VTEST_PASS, EXPLORE_SC, 3, false);
}

TEST(C240_C241_every_schedule_is_right_with_store_buffers)
{
    play_all(VTEST_PASS, EXPLORE_TSO, 3, false);
}

TEST(C240_C241_every_schedule_is_right_with_stores_out_of_order)
{
    play_all(VTEST_PASS, EXPLORE_PSO, 3, false);
}

TEST(C240_C242_every_schedule_is_right_with_in_order)
{
    play_all(VTEST_PASS, EXPLORE_TSO, 3, true);
}

TEST(C240_C241_C243_every_schedule_is_right_with_loads_out_of_order)
{
    play_all(VTEST_PASS, EXPLORE_WEAK, 1, false);
    play_all(VTEST_PASS, EXPLORE_WEAK, 1, true);
}

TEST(C241_C242_a_batch_of_two_is_right_with_loads_out_of_order)
{
    for (unsigned variant = 0; variant < 4; variant++) {
        struct scenario s = {.size = 2, .requests = 2, .pieces = 1, .packed = variant & 1, .event_idx = variant & 2};
        struct explore_result result = play(&s, EXPLORE_WEAK, NULL);

        if (result.wrong)
            printf("# %s\n", result.wrong);
        CHECK(!result.wrong);
        printf("# %zu states\n", result.states);
    }
}

/* -------------------------------------------------------------------------------------------- negative controls --- */

static const char sleeps[] = "both sides sleep, and work is left";
static const char stale[] = "does not see what the";

/*
 * With one end of one letter left out, the first memory model that can tell says what goes wrong, and those before it
 * do not: it is this order that was missing, nothing else.
 */
static void finds(VTEST, int packed, struct end left_out, enum explore_memory first, const char *what)
{
    for (int in_order = 0; in_order < 2; in_order++) {
        struct scenario s = {.size = 1, .requests = 2, .pieces = 1, .packed = packed, .event_idx = true, .polite = true,
                             .in_order = in_order};

        for (int memory = EXPLORE_SC; memory <= EXPLORE_WEAK; memory++) {
            struct explore_result result = play(&s, (enum explore_memory)memory, &left_out);

            if (memory < (int)first) {
                CHECK(!result.wrong);
            } else {
                CHECK(result.wrong != NULL);
                if (!strstr(result.wrong, what))
                    printf("# %s\n", result.wrong);
                CHECK(strstr(result.wrong, what) != NULL);
            }
        }
    }
}

static void finds_in_both(VTEST, struct end left_out, enum explore_memory first, const char *what)
{
    finds(VTEST_PASS, 0, left_out, first, what);
    finds(VTEST_PASS, 1, left_out, first, what);
}

TEST(C247_A_without_the_drivers_release)
{
    finds_in_both(VTEST_PASS, (struct end){0, EXPLORE_RELEASE, PUBLISH}, EXPLORE_PSO, stale);
}

TEST(C247_A_without_the_devices_acquire)
{
    finds_in_both(VTEST_PASS, (struct end){1, EXPLORE_ACQUIRE, TAKE}, EXPLORE_WEAK, stale);
}

/* The index seen before going to sleep is not looked at again. Packed flags are, and what is taken then is acquired. */
TEST(C247_A_without_the_acquire_of_a_device_that_wanted_to_sleep)
{
    finds(VTEST_PASS, 0, (struct end){1, EXPLORE_ACQUIRE, ENABLE}, EXPLORE_WEAK, stale);
}

TEST(C247_B_without_the_devices_release)
{
    finds_in_both(VTEST_PASS, (struct end){1, EXPLORE_RELEASE, PUBLISH}, EXPLORE_PSO, stale);
}

TEST(C247_B_without_the_drivers_acquire)
{
    finds_in_both(VTEST_PASS, (struct end){0, EXPLORE_ACQUIRE, TAKE}, EXPLORE_WEAK, stale);
}

TEST(C247_B_without_the_acquire_of_a_driver_that_wanted_to_sleep)
{
    finds(VTEST_PASS, 0, (struct end){0, EXPLORE_ACQUIRE, ENABLE}, EXPLORE_WEAK, stale);
}

TEST(C247_C_without_the_drivers_fence)
{
    finds_in_both(VTEST_PASS, (struct end){0, EXPLORE_FENCE, PUBLISH}, EXPLORE_TSO, sleeps);
}

TEST(C247_C_without_the_devices_fence)
{
    finds_in_both(VTEST_PASS, (struct end){1, EXPLORE_FENCE, ENABLE}, EXPLORE_TSO, sleeps);
}

TEST(C247_D_without_the_devices_fence)
{
    finds_in_both(VTEST_PASS, (struct end){1, EXPLORE_FENCE, PUBLISH}, EXPLORE_TSO, sleeps);
}

TEST(C247_D_without_the_drivers_fence)
{
    finds_in_both(VTEST_PASS, (struct end){0, EXPLORE_FENCE, ENABLE}, EXPLORE_TSO, sleeps);
}
