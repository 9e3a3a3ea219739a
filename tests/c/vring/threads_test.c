/* SPDX-License-Identifier: MIT */
/*
 * A driver and a device on two threads, on the real accessors. Run under ThreadSanitizer, too: payload is plain memory,
 * and the doorbells bring no order, so whatever orders it is the ring's.
 */
#define _POSIX_C_SOURCE 200809L

#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#ifdef VTEST_QUICK
enum { REQUESTS = 300 };
#else
enum { REQUESTS = 3000 };
#endif

static struct ring r;
static bool event_idx;

/* Set by one side, seen and cleared by the other. */
static unsigned kicked, interrupted;

static void notify(unsigned *bell)
{
    __atomic_exchange_n(bell, 1, __ATOMIC_RELAXED);
}

/* False if nobody rings for so long that nobody will. */
static bool sleeps_until(unsigned *bell)
{
    struct timespec now, end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 20;
    do {
        for (int i = 0; i < 1000; i++) {
            if (__atomic_exchange_n(bell, 0, __ATOMIC_RELAXED))
                return true;
            sched_yield();
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec);
    return false;
}

/* Request n is a word in place n mod size: 3 * n going out, and one more coming back. */
static unsigned char *place(uint64_t n)
{
    return r.guest + 4 * (n % r.driver_config.size);
}

static uint32_t get_word(const void *at)
{
    uint32_t word;

    memcpy(&word, at, 4);
    return word;
}

static void put_word(void *at, uint32_t word)
{
    memcpy(at, &word, 4);
}

static void *drive(void *unused)
{
    uint64_t sent = 0, received = 0;

    (void)unused;
    while (received < REQUESTS) {
        struct vring_used_buffer used;
        uint64_t staged = sent;
        int answer;

        while (sent < REQUESTS && sent - received < r.driver_config.size) {
            struct vring_segment segment = {GUEST + (uint64_t)(place(sent) - r.guest), 4};

            put_word(place(sent), (uint32_t)(3 * sent));
            if (vring_driver_add_avail(&r.driver, &segment, 0, 1, sent) != 0)
                return "the driver could not add";
            sent++;
        }
        if (sent != staged && vring_driver_publish(&r.driver) == 1)
            notify(&kicked);
        answer = vring_driver_get_used(&r.driver, &used);
        if (answer == 0) {
            if (used.token != received || used.len != 4 || get_word(place(received)) != 3 * received + 1)
                return "the driver does not see what the device wrote";
            received++;
        } else if (answer != VRING_E_EMPTY) {
            return "the driver's queue broke";
        } else if (vring_driver_enable_notify(&r.driver) == 0) {
            if (!sleeps_until(&interrupted))
                return "nobody woke the driver";
            vring_driver_disable_notify(&r.driver);
        }
    }
    return NULL;
}

static void *serve(void *unused)
{
    uint64_t served = 0;

    (void)unused;
    while (served < REQUESTS) {
        struct vring_chain chain;
        int answer = ring_get_avail(&r, &chain);

        if (answer == 0) {
            if (get_word(r.iov[0].base) != 3 * served)
                return "the device does not see what the driver wrote";
            put_word(r.iov[0].base, (uint32_t)(3 * served + 1));
            if (vring_device_add_used(&r.device, chain.handle, 4) != 0)
                return "the device could not give back";
            served++;
            if (vring_device_publish(&r.device) == 1)
                notify(&interrupted);
        } else if (answer != VRING_E_EMPTY) {
            return "the device's queue broke";
        } else if (vring_device_enable_notify(&r.device) == 0) {
            if (!sleeps_until(&kicked))
                return "nobody woke the device";
            vring_device_disable_notify(&r.device);
        }
    }
    return NULL;
}

/* Runs both; what they return is null, or what went wrong. */
static void run_both(VTEST, void *(*one)(void *), void *(*other)(void *))
{
    pthread_t threads[2];
    void *wrong[2] = {NULL, NULL};

    CHECK_OK(pthread_create(&threads[0], NULL, one, NULL));
    CHECK_OK(pthread_create(&threads[1], NULL, other, NULL));
    for (int i = 0; i < 2; i++)
        CHECK_OK(pthread_join(threads[i], &wrong[i]));
    for (int i = 0; i < 2; i++)
        if (wrong[i])
            printf("# %s\n", (const char *)wrong[i]);
    CHECK(!wrong[0] && !wrong[1]);
}

RING_TEST(C078_C080_C240_C241_C243_a_driver_and_a_device_on_two_threads)
{
    static const uint32_t sizes[] = {1, 4, 64};

    for (int i = 0; i < 6 && !vtest_this->failed; i++) {
        event_idx = i & 1;
        kicked = interrupted = 0;
        CHECK_OK(ring_start(&r, sizes[i / 2], event_idx ? format->all : format->plain,
                            index_before_wrap(format, sizes[i / 2], 2)));
        run_both(VTEST_PASS, drive, serve);
    }
}

/* --------------------------------------------------------------------------------------- one queue, two threads --- */

/* What the contract asks for: calls on one queue do not overlap. Any thread may make them. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static unsigned broken_seen;

/* A used buffer that nobody offered. */
static void forge_used(void)
{
    if (r.driver.packed)
        raw_entry(desc_at(&r, 0), 0, 4, 9999, VRING_DESC_AVAIL | VRING_DESC_USED);
    else
        put16(used_at(&r, 2), 0x7777);
}

/* Adds until the queue is full, looks for what has come back, and stops when it is broken. */
static void *share(void *unused)
{
    struct vring_used_buffer used;
    int answer = 0;

    (void)unused;
    for (int tries = 0; answer >= VRING_E_ROOM && tries < 1000000; tries++) {
        pthread_mutex_lock(&turn);
        answer = ring_add(&r, 0, 4, true, 7);
        if (answer == VRING_E_FULL && vring_driver_publish(&r.driver) >= 0) {
            forge_used();
            answer = vring_driver_get_used(&r.driver, &used);
        }
        pthread_mutex_unlock(&turn);
        sched_yield();
    }
    if (answer != VRING_E_PEER_ID && answer != VRING_E_PEER_INDEX)
        return "a thread did not see that the queue is broken";
    __atomic_fetch_add(&broken_seen, 1, __ATOMIC_RELAXED);
    return NULL;
}

RING_TEST(C189_a_queue_that_breaks_in_one_thread_is_broken_in_all_and_its_tokens_come_back)
{
    uint64_t token, tokens = 0;

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    broken_seen = 0;
    run_both(VTEST_PASS, share, share);
    CHECK_EQ(broken_seen, 2);
    vring_driver_reset(&r.driver);
    while (vring_driver_take_unused(&r.driver, &token) == 0)
        tokens++;
    CHECK_EQ(tokens, 8); /* the ring was full before anybody looked */
    CHECK_ERR(vring_driver_take_unused(&r.driver, &token), VRING_E_EMPTY);
}
