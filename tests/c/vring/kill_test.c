/* SPDX-License-Identifier: MIT */
/*
 * A device that is stopped for good right before any of its accesses, to the ring or to its inflight region, and a
 * successor that recovers; which is stopped, too, wherever that may be, its recovery included; and a third one that
 * finishes. And queues that are saved and restored between any two calls.
 *
 * Whatever happened: every token comes back once with the length of its work, nothing is worked on after the driver has
 * been told of it, and what was in flight is handed out again in the order in which it was taken. Both sides go only on
 * when they are notified.
 */
#include "fixture.h"

#include <setjmp.h>

#include "vring/access_hook.h"

enum { SIZE = 4, REQUESTS = 7, LIVES = 3, HOLDS = 3, FOREVER = 1 << 20 };

/* ----------------------------------------------------------------------------------------------------- accesses --- */

static struct ring r;
static bool device_runs;
static long left;         /* accesses until the device is stopped */
static jmp_buf stopped;

static void one_access(void)
{
    if (device_runs && left-- == 0)
        longjmp(stopped, 1);
}

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    (void)order;
    one_access();
    return width == 8 ? *(const uint64_t *)p : width == 4 ? *(const uint32_t *)p : width == 2 ? *(const uint16_t *)p
                                                                                             : *(const uint8_t *)p;
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    (void)order;
    one_access();
    if (width == 8)
        *(uint64_t *)p = v;
    else if (width == 4)
        *(uint32_t *)p = (uint32_t)v;
    else
        *(uint16_t *)p = (uint16_t)v;
}

void vring_hook_fence(void)
{
}

/* ---------------------------------------------------------------------------------------------------- the story --- */

/* What outlives a device: both sides' notes of what happened. */
static struct {
    unsigned sent, received;
    bool returned[REQUESTS];  /* to the driver */
    unsigned worked[REQUESTS];
    bool kicked, interrupted;
    const char *wrong;
} world;

static uint64_t region[64];
static unsigned calls, resume_at; /* between which two calls the queues are saved and restored */
static bool tracks;               /* the device keeps an inflight region */
static bool forgets;              /* negative control: the successor finds an empty one */

static void check(bool good, const char *what)
{
    if (!good && !world.wrong)
        world.wrong = what;
}

/* Request n: 1 or 2 pieces to write, at a place of its own; n + 1 bytes are written. */
static int offer(unsigned n)
{
    struct vring_segment segments[2] = {{GUEST + 32 * n, 8}, {GUEST + 32 * n + 16, 8}};

    return vring_driver_add_avail(&r.driver, segments, 0, (uint16_t)(1 + n % 2), n);
}

static unsigned request_of(const struct vring_iov *iov)
{
    return (unsigned)((const unsigned char *)iov->base - r.guest) / 32;
}

static bool resume_both(void);

/* After every call of either side. True if the device is another since. */
static bool after_call(void)
{
    return ++calls == resume_at && resume_both();
}

static void driver_turn(void)
{
    struct vring_used_buffer used;
    int answer;

    do {
        while ((answer = vring_driver_get_used(&r.driver, &used)) == 0) {
            check(used.token < REQUESTS && !world.returned[used.token], "a token came back twice");
            check(used.len == used.token + 1, "a length is not that of the work");
            world.returned[used.token % REQUESTS] = true;
            world.received++;
            after_call();
        }
        check(answer == VRING_E_EMPTY, "the driver's queue broke");
        while (world.sent < REQUESTS && offer(world.sent) == 0) {
            world.sent++;
            after_call();
        }
        if (vring_driver_publish(&r.driver) == 1)
            world.kicked = true;
        after_call();
        answer = vring_driver_enable_notify(&r.driver);
        after_call();
    } while (answer == 1);
    check(answer == 0, "the driver's queue broke");
}

/* What one device holds, and what it was handed last; gone when it is stopped. */
static struct {
    vring_handle handle[HOLDS];
    unsigned request[HOLDS];
    unsigned n;
    int last;
} holds;

/* Works on it when it is taken; the driver must not know of it already. */
static void take(const struct vring_chain *chain)
{
    unsigned request = request_of(r.iov);

    check(request < REQUESTS && !world.returned[request], "what the driver was told of is worked on again");
    check((int)request > holds.last, "not in the order of taking");
    world.worked[request % REQUESTS]++;
    holds.last = (int)request;
    holds.handle[holds.n] = chain->handle;
    holds.request[holds.n++] = request;
}

/* Uses the buffer taken last. False if the device is another since. */
static bool give_last(void)
{
    check(vring_device_add_used(&r.device, holds.handle[holds.n - 1], holds.request[holds.n - 1] + 1) == 0,
          "the device could not give back");
    holds.n--;
    return !after_call();
}

static bool publish(void)
{
    if (vring_device_publish(&r.device) == 1)
        world.interrupted = true;
    return !after_call();
}

/* Takes up to three; uses all but the oldest, the youngest first, and publishes them as a batch; then the oldest. */
static void device_turn(void)
{
    struct vring_chain chain;
    int answer = 0;

again:
    while (holds.n < HOLDS && (answer = ring_get_avail(&r, &chain)) == 0) {
        take(&chain);
        if (after_call())
            goto again;
    }
    if (holds.n == 0) {
        check(answer == VRING_E_EMPTY, "the device's queue broke");
        answer = vring_device_enable_notify(&r.device);
        if (after_call() || answer == 1)
            goto again;
        check(answer == 0, "the device's queue broke");
        return;
    }
    while (holds.n > 1)
        if (!give_last())
            goto again;
    if (!publish() || !give_last() || !publish())
        goto again;
    goto again;
}

/* Both go on until neither is notified. */
static void run_all(void)
{
    while ((world.kicked || world.interrupted) && !world.wrong) {
        if (world.kicked) {
            world.kicked = false;
            device_runs = true;
            device_turn();
            device_runs = false;
        }
        if (world.interrupted) {
            world.interrupted = false;
            driver_turn();
        }
    }
    check(world.received == REQUESTS, "both sides sleep, and work is left");
}

static void new_device(void)
{
    memset(&r.device, 0xee, sizeof r.device);
    memset(r.device_config.heads, 0xee, SIZE * sizeof(struct vring_head));
    memset(&holds, 0, sizeof holds);
    holds.last = -1;
    r.device_config.generation += 100;
}

/* A successor: what it is told to do at once is what the answer says. */
static void recover(void)
{
    int answer;

    new_device();
    if (forgets)
        memset(region, 0, sizeof region);
    device_runs = true;
    answer = vring_device_recover(&r.device, &r.device_config);
    check(answer == 0 || answer == 1, "the successor could not recover");
    if (answer >= 0 && vring_device_publish(&r.device) == 1)
        world.interrupted = true; /* whether its predecessor notified is not known */
    device_runs = false;
    world.kicked = true; /* as a start has it: look first */
}

/* -------------------------------------------------------------------------------------------------------- lives --- */

/* All that the next device will find. */
static struct block {
    void *at;
    size_t size;
} blocks[8];

enum { BLOCKS = 8, STATE_MAX = 16384 };

static unsigned char kept[STATE_MAX];

static void keep(unsigned char *to)
{
    for (int i = 0; i < BLOCKS; to += blocks[i].size, i++)
        memcpy(to, blocks[i].at, blocks[i].size);
}

static void restore(const unsigned char *from)
{
    for (int i = 0; i < BLOCKS; from += blocks[i].size, i++)
        memcpy(blocks[i].at, from, blocks[i].size);
}

/* Both sides, before anything is offered. Returns 0 or the first error. */
static int begin(const struct format *format, uint64_t more)
{
    size_t size = 0;
    int error;

    ring_configure(&r, SIZE, format->all | more, index_before_wrap(format, SIZE, 2));
    memset(&world, 0, sizeof world);
    memset(region, 0, sizeof region);
    holds.n = 0;
    holds.last = -1;
    calls = 0;
    device_runs = false;
    if (tracks) {
        r.device_config.inflight = region;
        r.device_config.inflight_size = vring_inflight_size(SIZE, (format->all & VRING_F_RING_PACKED) != 0);
        if (r.device_config.inflight_size > sizeof region)
            return VRING_E_SIZE;
    }
    blocks[0] = (struct block){r.driver_config.desc, r.layout.desc_size};
    blocks[1] = (struct block){r.driver_config.driver_area, r.layout.driver_size};
    blocks[2] = (struct block){r.driver_config.device_area, r.layout.device_size};
    blocks[3] = (struct block){r.driver_config.slots, SIZE * sizeof(struct vring_slot)};
    blocks[4] = (struct block){r.device_config.heads, SIZE * sizeof(struct vring_head)};
    blocks[5] = (struct block){region, sizeof region};
    blocks[6] = (struct block){&r, sizeof r};
    blocks[7] = (struct block){&world, sizeof world};
    for (int i = 0; i < BLOCKS; i++)
        size += blocks[i].size;
    if (size > STATE_MAX)
        return VRING_E_SIZE;
    error = vring_driver_init(&r.driver, &r.driver_config);
    return error ? error : vring_device_init(&r.device, &r.device_config);
}

/*
 * Whether the device was stopped before access number at of the run; with first, it is the first device, else it
 * recovers.
 */
static bool live(bool first, long at)
{
    left = at;
    if (setjmp(stopped)) {
        device_runs = false;
        return true;
    }
    if (first)
        driver_turn();
    else
        recover();
    run_all();
    return false;
}

/* Every access at which the first device can be stopped; for each of them, every one of the second. */
static unsigned long stop_everywhere(const struct format *format, uint64_t more)
{
    unsigned long runs = 0;

    for (long first = 0;; first++) {
        int error = begin(format, more);

        if (error)
            printf("# begin: %d\n", error);
        if (error || !live(true, first) || world.wrong)
            break;
        keep(kept);
        for (long second = 0;; second++, runs++) {
            bool again;

            restore(kept);
            again = live(false, second);
            if (again && !world.wrong)
                live(false, FOREVER);
            if (world.wrong && !forgets)
                printf("# stopped before access %ld, and then before %ld: %s\n", first, second, world.wrong);
            if (world.wrong)
                return runs;
            if (!again)
                break;
        }
    }
    if (world.wrong)
        printf("# %s\n", world.wrong);
    return runs;
}

RING_TEST(V100_C224_C226_C227_a_device_is_stopped_at_every_access_and_so_is_its_successor)
{
    tracks = true;
    resume_at = 0;
    forgets = false;
    for (int in_order = 0; in_order < 2; in_order++) {
        unsigned long runs;

        if (in_order && !(format->all & VRING_F_VERSION_1))
            continue;
        runs = stop_everywhere(format, in_order ? VRING_F_IN_ORDER : 0);
        CHECK(!world.wrong);
        CHECK_EQ(world.received, REQUESTS);
        CHECK(runs > 1000);
        printf("# %s%s: %lu runs\n", format->name, in_order ? ", in_order" : "", runs);
    }
}

/* The negative control: without what the region says, something is lost or done twice. */
RING_TEST(C224_a_successor_without_the_region_is_found_out)
{
    tracks = forgets = true;
    resume_at = 0;
    (void)stop_everywhere(format, 0);
    CHECK(world.wrong != NULL);
}

/* --------------------------------------------------------------------------------------------- save and restore --- */

static unsigned resumed;

static void resume_driver(void)
{
    static unsigned char state[4096];
    struct vring_driver successor;
    int bytes = vring_driver_save(&r.driver, state, sizeof state), answer;

    if (bytes == VRING_E_STATE)
        return; /* something is staged */
    check(bytes > 0, "a driver could not be saved");
    memset(r.driver_config.slots, 0xee, SIZE * sizeof(struct vring_slot));
    answer = vring_driver_restore(&successor, &r.driver_config, state, (size_t)bytes);
    check(answer == 0 || answer == 1, "a driver could not be restored");
    r.driver = successor;
    world.interrupted = true;
    resumed++;
}

static bool resume_device(void)
{
    static unsigned char state[4096];
    int bytes = vring_device_save(&r.device, state, sizeof state), answer;

    if (bytes == VRING_E_STATE)
        return false; /* something is staged; or packed buffers are in flight */
    check(bytes > 0, "a device could not be saved");
    new_device();
    answer = vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes);
    check(answer == 0 || answer == 1, "a device could not be restored");
    if (vring_device_publish(&r.device) == 1)
        world.interrupted = true;
    world.kicked = true;
    resumed++;
    return true;
}

static bool resume_both(void)
{
    resume_driver();
    return resume_device();
}

RING_TEST(V99_V101_C219_C220_saved_and_restored_between_any_two_calls)
{
    tracks = forgets = false;
    resumed = 0;
    for (int in_order = 0; in_order < 2; in_order++) {
        if (in_order && !(format->all & VRING_F_VERSION_1))
            continue;
        resume_at = 0;
        do {
            resume_at++;
            CHECK_OK(begin(format, in_order ? VRING_F_IN_ORDER : 0));
            left = FOREVER;
            driver_turn();
            run_all();
            if (world.wrong)
                printf("# after call %u: %s\n", resume_at, world.wrong);
            CHECK(!world.wrong);
            for (int i = 0; i < REQUESTS; i++)
                CHECK(world.worked[i] >= 1);
        } while (resume_at <= calls);
    }
    CHECK(resumed > 40);
    printf("# %s: %u times\n", format->name, resumed);
}
