/* SPDX-License-Identifier: MIT */
/*
 * The real accessors, interrupted between any two instructions. The CPU single-steps one side's turn (x86-64, Linux:
 * the trap flag). At every instruction the process splits: in the child the other side has its whole turn in the signal
 * handler, as an interrupt would have it, and then both go on as they are notified. Nobody may sleep on work, and every
 * request is served once.
 */
#define _GNU_SOURCE /* REG_EFL */

#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

enum { REQUESTS = 4, SIZE = 2, TRAP_FLAG = 0x100 };

static struct ring r;
static unsigned sent, received, served, wanted;
static bool kicked, interrupted;
static bool careless; /* negative control: nobody looks again before sleeping */
static const char *wrong;

static void check(bool good, const char *what)
{
    if (!good && !wrong)
        wrong = what;
}

/* Takes what has come back, offers what fits, and ends asleep. */
static void driver_turn(void)
{
    struct vring_used_buffer used;

    do {
        int answer;

        while ((answer = vring_driver_get_used(&r.driver, &used)) == 0) {
            check(used.token == received && used.len == 4, "a token came back twice, or late");
            received++;
        }
        check(answer == VRING_E_EMPTY, "the driver's queue broke");
        while (sent < wanted && ring_add(&r, 4 * sent, 4, true, sent) == 0)
            sent++;
        if (vring_driver_publish(&r.driver) == 1)
            kicked = true;
    } while (vring_driver_enable_notify(&r.driver) == 1 && !careless);
}

/* Serves what there is, and ends asleep. */
static void device_turn(void)
{
    struct vring_chain chain;

    do {
        int answer;

        while ((answer = ring_get_avail(&r, &chain)) == 0) {
            check(vring_device_add_used(&r.device, chain.handle, 4) == 0, "the device could not give back");
            served++;
        }
        check(answer == VRING_E_EMPTY, "the device's queue broke");
        if (vring_device_publish(&r.device) == 1)
            interrupted = true;
    } while (vring_device_enable_notify(&r.device) == 1 && !careless);
}

/* ------------------------------------------------------------------------------------------------- single steps --- */

static unsigned long stepped, failed;
static void (*interrupt)(void);
static bool is_child;

static void on_step(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted_code = (ucontext_t *)context;
    int status = 0;
    pid_t child = fork();

    (void)signal;
    (void)info;
    if (child == 0) {
        interrupted_code->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
        is_child = true;
        interrupt();
        return;
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        failed++;
    stepped++;
}

/* Both go on until nobody is notified any more; then all must be done. */
static void finish(void)
{
    while (kicked || interrupted) {
        if (kicked) {
            kicked = false;
            device_turn();
        }
        if (interrupted) {
            interrupted = false;
            driver_turn();
        }
    }
    check(served == wanted && received == wanted, "both sides sleep, and work is left");
}

/* The other side's turn at every instruction of one's. */
static void interrupt_everywhere(VTEST, const struct format *format, bool event_idx, bool driver)
{
    CHECK_OK(ring_start(&r, SIZE, event_idx ? format->all : format->plain, index_before_wrap(format, SIZE, 1)));
    sent = received = served = 0;
    kicked = interrupted = false;
    stepped = failed = 0;
    wrong = NULL;
    wanted = 1; /* served in peace, so that both sides have slept once and are asked for by event index */
    driver_turn();
    finish();
    wanted = REQUESTS;
    if (!driver) {
        driver_turn();
        kicked = false;
    }
    interrupt = driver ? device_turn : driver_turn;
    fflush(stdout); /* what is buffered is the parent's to write */
    __writeeflags(__readeflags() | TRAP_FLAG);
    if (driver)
        driver_turn();
    else
        device_turn();
    __writeeflags(__readeflags() & ~(unsigned long long)TRAP_FLAG);
    finish();
    if (wrong && !careless)
        printf("# %s\n", wrong);
    if (is_child) {
        fflush(stdout);
        _exit(wrong != NULL);
    }
    CHECK(!wrong);
    CHECK_EQ(failed > 0, careless);
    CHECK(stepped > 100);
    printf("# %lu instructions\n", stepped);
}

static void start_stepping(VTEST)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

    CHECK_OK(sigaction(SIGTRAP, &action, NULL));
}

MODERN_RING_TEST(C249_interrupted_at_every_instruction)
{
    start_stepping(VTEST_PASS);
    careless = false;
    for (int i = 0; i < 4; i++)
        interrupt_everywhere(VTEST_PASS, format, i & 1, i & 2);
}

MODERN_RING_TEST(C249_a_side_that_does_not_look_again_is_found)
{
    start_stepping(VTEST_PASS);
    careless = true;
    interrupt_everywhere(VTEST_PASS, format, true, false);
}
