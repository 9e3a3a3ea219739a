/* SPDX-License-Identifier: MIT */
/*
 * Which words of shared memory a compiled library touches, in which order: as the CPU sees it, not as the source says.
 *
 * The areas lie in pages that may not be touched. Each access faults; the handler prints it, opens the pages for one
 * instruction (the trap flag), and closes them again. x86-64 and Linux. A word loaded twice or torn, two merged into
 * one, or an order that is not the source's would all be seen: tests/py/test_compilers.py compares what compilers make.
 */
#define _GNU_SOURCE

#include <vring/vring.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, AREAS = 4, SIZE = 4, GUEST = 0x10000, TRAP_FLAG = 0x100, WRITES = 2 };

/* Descriptors, driver area, device area, and the guest's memory with an indirect table at its start: a page each. */
static unsigned char *pages;
static const char *const names[AREAS] = {"desc", "driver", "device", "table"};

static struct vring_driver driver;
static struct vring_device device;
static struct vring_slot slots[SIZE];
static struct vring_head heads[SIZE];
static struct vring_region region;
static struct vring_iov iov[8];
static struct vring_chain chains[2];

static void protect(int how)
{
    if (mprotect(pages, AREAS * PAGE, how) != 0)
        _exit(2);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *code = (ucontext_t *)context;
    const unsigned char *at = (const unsigned char *)info->si_addr;
    char line[160];
    int length;

    (void)signal;
    if (at < pages || at >= pages + AREAS * PAGE)
        _exit(3);
    length = snprintf(line, sizeof line, "  %s %s+%u\n", code->uc_mcontext.gregs[REG_ERR] & WRITES ? "store" : "load",
                      names[(at - pages) / PAGE], (unsigned)((at - pages) % PAGE));
    if (write(1, line, (size_t)length) != length)
        _exit(4);
    protect(PROT_READ | PROT_WRITE);
    code->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    protect(PROT_NONE);
}

static void say(const char *what, int answer)
{
    char line[160];
    int length = snprintf(line, sizeof line, "%s: %d\n", what, answer);

    if (write(1, line, (size_t)length) != length)
        _exit(4);
}

#define DO(call)            \
    do {                    \
        int result = call;  \
        say(#call, result); \
    } while (0)

/* A chain and a table, from the first store to the last load, with everybody asleep in between. */
static void tell_story(void)
{
    const struct vring_segment segments[3] = {{GUEST + 256, 16}, {GUEST + 512, 32}, {GUEST + 1024, 8}};
    struct vring_table table = {pages + 3 * PAGE, GUEST, 16};
    struct vring_used_buffer used;

    DO(vring_driver_add_avail(&driver, segments, 2, 1, 1));
    DO(vring_driver_add_indirect(&driver, &table, segments, 2, 1, 2));
    DO(vring_driver_publish(&driver));
    DO(vring_driver_enable_notify(&driver));
    DO(vring_device_disable_notify(&device));
    DO(vring_device_get_avail(&device, iov, 8, &chains[0]));
    DO(vring_device_get_avail(&device, iov, 8, &chains[1]));
    DO(vring_device_add_used(&device, chains[1].handle, 8));
    DO(vring_device_add_used(&device, chains[0].handle, 8));
    DO(vring_device_publish(&device));
    DO(vring_device_enable_notify(&device));
    DO(vring_driver_disable_notify(&driver));
    DO(vring_driver_get_used(&driver, &used));
    DO(vring_driver_get_used(&driver, &used));
    DO(vring_driver_get_used(&driver, &used));
    DO(vring_driver_enable_notify_delayed(&driver));
}

int main(int argc, char **argv)
{
    uint64_t features = VRING_F_VERSION_1 | VRING_F_INDIRECT_DESC |
                        (argc > 1 && strcmp(argv[1], "packed") == 0 ? VRING_F_RING_PACKED : 0) |
                        (argc > 2 && strcmp(argv[2], "event_idx") == 0 ? VRING_F_EVENT_IDX : 0);
    struct vring_driver_config ours = {.features = features, .size = SIZE, .slots = slots, .slot_count = SIZE};
    struct vring_device_config theirs = {
        .features = features, .size = SIZE, .heads = heads, .head_count = SIZE, .regions = &region, .region_count = 1};
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

    pages = (unsigned char *)mmap(NULL, AREAS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return 1;
    region = (struct vring_region){GUEST, PAGE, pages + 3 * PAGE, 0};
    ours.desc = theirs.desc = pages;
    ours.driver_area = theirs.driver_area = pages + PAGE;
    ours.device_area = theirs.device_area = pages + 2 * PAGE;
    if (vring_driver_init(&driver, &ours) || vring_device_init(&device, &theirs))
        return 1;
    if (sigaction(SIGSEGV, &fault, NULL) || sigaction(SIGTRAP, &step, NULL))
        return 1;
    protect(PROT_NONE);
    tell_story();
    return 0;
}
