/* SPDX-License-Identifier: MIT */
/* QEMU's aarch64 `virt` machine: GICv2, generic timer, exception level 1, one CPU. */
#include "board.h"

#include "report.h"

#define GICD_CTLR      ((volatile uint32_t *)0x08000000)
#define GICD_ISENABLER ((volatile uint32_t *)0x08000100)
#define GICD_ITARGETSR ((volatile uint8_t *)0x08000800)
#define GICC_CTLR      ((volatile uint32_t *)0x08010000)
#define GICC_PMR       ((volatile uint32_t *)0x08010004)
#define GICC_IAR       ((volatile uint32_t *)0x0801000c)
#define GICC_EOIR      ((volatile uint32_t *)0x08010010)

enum {
    INTERRUPT_TIMER = 30,           /* of the physical timer; private to the CPU */
    INTERRUPT_FIRST_TRANSPORT = 48, /* transport n is 48 + n */
    INTERRUPT_NONE = 1020           /* and above */
};

const struct board board = {
    .name = "aarch64 virt",
    .mmio_base = 0x0a000000,
    .mmio_stride = 0x200,
    .mmio_count = 32,
    .clock_hz = 62500000,
    .shared_base = 0x42000000,
    .shared_size = 0x01000000,
};

#define READ(register)         \
    __extension__({            \
        uint64_t value_;       \
        __asm__ volatile("mrs %0, " #register : "=r"(value_)); \
        value_;                \
    })
#define WRITE(register, value) __asm__ volatile("msr " #register ", %0" : : "r"((uint64_t)(value)) : "memory")

/* --------------------------------------------------------------------------------------------------- exceptions --- */

void trap(void) __attribute__((noreturn));

void trap(void)
{
    fail(FAILED_TRAP, "the guest CPU took an exception at 0x%lx (syndrome 0x%lx, address 0x%lx)",
         (unsigned long)READ(elr_el1), (unsigned long)READ(esr_el1), (unsigned long)READ(far_el1));
}

/* Sixteen entries of 128 bytes, all alike: no exception is expected. */
__asm__(".pushsection .text.vectors, \"ax\"\n"
        ".balign 2048\n"
        "vectors:\n"
        ".rept 16\n"
        "b trap\n"
        ".balign 128\n"
        ".endr\n"
        ".popsection\n");
extern const char vectors[];

/* ------------------------------------------------------------------------------------------------------- memory --- */

/*
 * With the MMU off all memory counts as device memory, where an access that is not aligned is an error, and the C
 * library makes some. So map addresses to themselves: the first GiB as devices, the second as ordinary memory. (Later
 * picolibc does this.)
 */
static void start_mmu(void)
{
    static uint64_t table[512] __attribute__((aligned(4096)));

    enum {
        BLOCK = 1,
        ACCESS = 1 << 10,
        INNER_SHAREABLE = 3 << 8,
        ATTRIBUTE_DEVICE = 0 << 2,
        ATTRIBUTE_NORMAL = 1 << 2,
        MMU_AND_CACHES = 1 | 1 << 2 | 1 << 12
    };

    if (READ(sctlr_el1) & 1)
        return;
    table[0] = 0x00000000 | ACCESS | ATTRIBUTE_DEVICE | BLOCK;
    table[1] = 0x40000000 | ACCESS | INNER_SHAREABLE | ATTRIBUTE_NORMAL | BLOCK;
    WRITE(mair_el1, 0xff04);                      /* attribute 0: device nGnRE; 1: write-back */
    WRITE(tcr_el1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23); /* 39 bits, 4 KiB granule, cached walks, no upper half */
    WRITE(ttbr0_el1, (uintptr_t)table);
    __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" : : : "memory");
    WRITE(sctlr_el1, READ(sctlr_el1) | MMU_AND_CACHES);
    __asm__ volatile("isb" : : : "memory");
}

/* ---------------------------------------------------------------------------------------------- board interface --- */

void board_start(void)
{
    WRITE(vbar_el1, (uintptr_t)vectors);
    __asm__ volatile("isb");
    start_mmu();
    if (READ(cntfrq_el0) != board.clock_hz)
        fail(FAILED_TRAP, "the clock has %lu Hz", (unsigned long)READ(cntfrq_el0));

    /* PSTATE.I stays set: a pending interrupt ends wfi, and is not taken. */
    *GICD_CTLR = 1;
    GICD_ISENABLER[INTERRUPT_TIMER / 32] = UINT32_C(1) << (INTERRUPT_TIMER % 32);
    for (unsigned n = 0; n < board.mmio_count; n++) {
        unsigned interrupt = INTERRUPT_FIRST_TRANSPORT + n;

        GICD_ITARGETSR[interrupt] = 1;
        GICD_ISENABLER[interrupt / 32] = UINT32_C(1) << (interrupt % 32);
    }
    *GICC_PMR = 0xff;
    *GICC_CTLR = 1;
}

uint64_t board_clock(void)
{
    return READ(cntpct_el0);
}

void board_sleep_until(uint64_t deadline)
{
    WRITE(cntp_cval_el0, deadline);
    WRITE(cntp_ctl_el0, 1);
    __asm__ volatile("isb\n\twfi" : : : "memory");
    WRITE(cntp_ctl_el0, 0); /* its interrupt is gone with it */
    __asm__ volatile("isb");
}

int board_take_interrupt(void)
{
    uint32_t interrupt = *GICC_IAR;

    if (interrupt >= INTERRUPT_NONE)
        return -1;
    if (interrupt < INTERRUPT_FIRST_TRANSPORT) {
        *GICC_EOIR = interrupt;
        return -1;
    }
    return (int)interrupt - INTERRUPT_FIRST_TRANSPORT;
}

void board_end_interrupt(int transport)
{
    *GICC_EOIR = (uint32_t)(transport + INTERRUPT_FIRST_TRANSPORT);
}

void board_memory_before_doorbell(void)
{
    __asm__ volatile("dsb st" : : : "memory");
}
