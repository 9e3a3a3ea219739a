/* SPDX-License-Identifier: MIT */
/*
 * What callers do between calls: one interrupt for many queues, handlers that use the queue they were called for, a
 * reset in the middle. On the HOOK accessors, for what is counted is accesses.
 */
#include "fixture.h"

#include "vring/access_hook.h"

static unsigned long accesses;
static unsigned char *moves; /* what the device writes to as soon as it has been looked at: a word, which is then ... */
static uint16_t moves_to;

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    uint64_t value = width == 8   ? *(const uint64_t *)p
                     : width == 4 ? *(const uint32_t *)p
                     : width == 2 ? *(const uint16_t *)p
                                  : *(const uint8_t *)p;

    (void)order;
    accesses++;
    if (p == moves)
        put16(moves, moves_to);
    return value;
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    (void)order;
    accesses++;
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

enum { QUEUES = 64 };

static struct ring r;

/* Many queues on the same idle areas: nothing is written, so they may share. */
RING_TEST(C169_C195_an_interrupt_for_many_idle_queues_costs_one_load_for_each)
{
    static struct vring_driver queues[QUEUES];
    struct vring_used_buffer used;

    CHECK_OK(ring_start(&r, 256, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 4, true, 1));
    CHECK_EQ(vring_driver_publish(&r.driver), 1);
    for (int i = 0; i < QUEUES; i++)
        queues[i] = r.driver;
    accesses = 0;
    for (int i = 0; i < QUEUES; i++)
        CHECK_ERR(vring_driver_get_used(&queues[i], &used), VRING_E_EMPTY);
    CHECK_EQ(accesses, QUEUES);
}

/* A handler: called for a buffer that came back, and doing with the queue whatever it likes. */
enum handler { OFFERS_AGAIN, TAKES_THE_REST, RESETS, HANDLERS };

static uint64_t handled;

static void handle(VTEST, enum handler handler, uint64_t token)
{
    struct vring_used_buffer used;

    CHECK(!(handled & UINT64_C(1) << token)); /* each once */
    handled |= UINT64_C(1) << token;
    if (handler == OFFERS_AGAIN && token < 30) {
        CHECK_OK(ring_add(&r, 0, 4, true, token + 10));
        CHECK(vring_driver_publish(&r.driver) >= 0);
    }
    if (handler == TAKES_THE_REST)
        while (vring_driver_get_used(&r.driver, &used) == 0)
            handle(VTEST_PASS, TAKES_THE_REST, used.token);
    if (handler == RESETS)
        vring_driver_reset(&r.driver);
}

/* The device returns all that it was given. */
static void serve(VTEST)
{
    struct vring_chain chain;

    while (ring_get_avail(&r, &chain) == 0)
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 4));
    CHECK(vring_device_publish(&r.device) >= 0);
}

/* libvring calls nobody back, so a handler always runs between two calls, and may make any call. */
RING_TEST(C196_C198_handlers_that_add_take_and_reset)
{
    for (int handler = 0; handler < HANDLERS; handler++) {
        struct vring_used_buffer used;
        uint64_t token;
        unsigned left = 0;
        int answer;

        CHECK_OK(ring_start(&r, 4, format->all, index_before_wrap(format, 4, 2)));
        handled = 0;
        for (uint64_t i = 0; i < 4; i++)
            CHECK_OK(ring_add(&r, 0, 4, true, i));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        serve(VTEST_PASS);
        while ((answer = vring_driver_get_used(&r.driver, &used)) == 0) {
            handle(VTEST_PASS, (enum handler)handler, used.token);
            if (handler == OFFERS_AGAIN)
                serve(VTEST_PASS);
        }
        if (handler == OFFERS_AGAIN)
            CHECK_EQ(handled, UINT64_C(0xf) | UINT64_C(0xf) << 10 | UINT64_C(0xf) << 20 | UINT64_C(0xf) << 30);
        if (handler == TAKES_THE_REST)
            CHECK_EQ(handled, 0xf);
        CHECK_ERR(answer, handler == RESETS ? VRING_E_STATE : VRING_E_EMPTY);
        if (handler != RESETS)
            continue;
        /* What had come back but was not taken is among what was never used: each token once. */
        CHECK_EQ(handled, 1);
        while (vring_driver_take_unused(&r.driver, &token) == 0) {
            CHECK(!(handled & UINT64_C(1) << token));
            handled |= UINT64_C(1) << token;
            left++;
        }
        CHECK_EQ(left, 3);
        CHECK_EQ(handled, 0xf);
    }
}

/* The other way round: the device is reset while it works on a buffer. */
RING_TEST(C082_C198_a_device_reset_while_it_works_on_a_buffer)
{
    struct vring_chain chain;

    CHECK_OK(ring_start(&r, 4, format->all, 0));
    CHECK_OK(ring_add(&r, 0, 4, true, 1));
    CHECK(vring_driver_publish(&r.driver) >= 0);
    CHECK_OK(ring_get_avail(&r, &chain));
    vring_device_reset(&r.device);
    accesses = 0;
    CHECK_ERR(vring_device_add_used(&r.device, chain.handle, 4), VRING_E_STATE);
    CHECK_ERR(vring_device_rewind(&r.device, chain.handle), VRING_E_STATE);
    CHECK_ERR(vring_device_publish(&r.device), VRING_E_STATE);
    CHECK_EQ(accesses, 0);
}

/* The device breaks the queue between two looks of restore: it is there, in its own format, and its tokens are not lost. */
RING_TEST(C213_a_queue_that_is_broken_while_it_is_restored_gives_its_tokens_back)
{
    static unsigned char state[1024];

    for (int other = 0; other < 3; other++) {
        struct vring_driver_config config;
        uint64_t token;
        int bytes;

        if (format->all & VRING_F_RING_PACKED)
            continue; /* nothing that a device could write breaks a packed ring so early */
        CHECK_OK(ring_start(&r, 4, format->all, 0));
        CHECK_OK(ring_add(&r, 0, 4, true, 42));
        CHECK(vring_driver_publish(&r.driver) >= 0);
        bytes = vring_driver_save(&r.driver, state, sizeof state);
        CHECK(bytes > 0 && bytes <= (int)sizeof state);
        config = r.driver_config;
        r.driver.packed = other == 1; /* what the place was before */
        r.driver.big_endian = other == 2;
        moves = used_at(&r, 2);
        moves_to = 0x4040; /* in any order */
        CHECK_ERR(vring_driver_restore(&r.driver, &config, state, (size_t)bytes), VRING_E_PEER_INDEX);
        moves = NULL;
        CHECK_EQ(vring_driver_fault(&r.driver).value, 0x4040);
        vring_driver_reset(&r.driver);
        CHECK_OK(vring_driver_take_unused(&r.driver, &token));
        CHECK_EQ(token, 42);
        CHECK_ERR(vring_driver_take_unused(&r.driver, &token), VRING_E_EMPTY);
    }
}

RING_TEST(C212_a_device_that_is_broken_while_it_is_restored_is_asked_in_its_own_format)
{
    static unsigned char state[1024];

    for (int other = 0; other < 3; other++) {
        struct vring_snapshot now;
        int bytes;

        if (format->all & VRING_F_RING_PACKED)
            continue;
        CHECK_OK(ring_start(&r, 4, format->all, 0));
        bytes = vring_device_save(&r.device, state, sizeof state);
        CHECK(bytes > 0 && bytes <= (int)sizeof state);
        r.device.packed = other == 1;
        r.device.big_endian = other == 2;
        moves = avail_at(&r, 2);
        moves_to = 0x4040;
        CHECK_ERR(vring_device_restore(&r.device, &r.device_config, state, (size_t)bytes), VRING_E_PEER_INDEX);
        moves = NULL;
        CHECK_OK(vring_device_snapshot(&r.device, &now));
        CHECK(!now.packed && now.size == 4 && now.avail_idx == 0x4040);
    }
}
