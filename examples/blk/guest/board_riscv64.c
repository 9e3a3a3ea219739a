/* SPDX-License-Identifier: MIT */
/* QEMU's riscv64 `virt` machine: PLIC, CLINT, machine mode, one hart. */
#include "board.h"

#include "report.h"

#define CLINT_MTIMECMP ((volatile uint64_t *)0x02004000)
#define PLIC_PRIORITY  ((volatile uint32_t *)0x0c000000)
#define PLIC_ENABLE    ((volatile uint32_t *)0x0c002000) /* context 0: machine mode of hart 0 */
#define PLIC_THRESHOLD ((volatile uint32_t *)0x0c200000)
#define PLIC_CLAIM     ((volatile uint32_t *)0x0c200004)

enum {
    PLIC_FIRST_TRANSPORT = 1, /* transport n is interrupt source 1 + n */
    MIE_TIMER = 1 << 7,
    MIE_EXTERNAL = 1 << 11
};

/* The C compiler's target has no CSR instructions, because Debian's picolibc is not built for one that has. */
#define CSR(instruction) ".option push\n\t.option arch, +zicsr\n\t" instruction "\n\t.option pop\n\t"

const struct board board = {
    .name = "riscv64 virt",
    .mmio_base = 0x10001000,
    .mmio_stride = 0x1000,
    .mmio_count = 8,
    .clock_hz = 10000000,
    .shared_base = 0x82000000,
    .shared_size = 0x01000000,
};

/* Reached on any CPU exception. mtvec keeps only the bits from 2 up. */
static void __attribute__((noreturn, aligned(4))) trap(void)
{
    uint64_t cause, pc, value;

    __asm__ volatile(CSR("csrr %0, mcause") : "=r"(cause));
    __asm__ volatile(CSR("csrr %0, mepc") : "=r"(pc));
    __asm__ volatile(CSR("csrr %0, mtval") : "=r"(value));
    fail(FAILED_TRAP, "the guest CPU took exception %lu at 0x%lx (value 0x%lx)", (unsigned long)cause,
         (unsigned long)pc, (unsigned long)value);
}

void board_start(void)
{
    uint32_t sources = 0;

    __asm__ volatile(CSR("csrw mtvec, %0") : : "r"(trap));
    *CLINT_MTIMECMP = UINT64_MAX;
    for (unsigned n = 0; n < board.mmio_count; n++) {
        PLIC_PRIORITY[PLIC_FIRST_TRANSPORT + n] = 1;
        sources |= UINT32_C(1) << (PLIC_FIRST_TRANSPORT + n);
    }
    *PLIC_ENABLE = sources;
    *PLIC_THRESHOLD = 0;
    /* mstatus.MIE stays clear: a pending interrupt ends wfi, and is not taken. */
    __asm__ volatile(CSR("csrw mie, %0") : : "r"((uint64_t)(MIE_TIMER | MIE_EXTERNAL)));
}

uint64_t board_clock(void)
{
    uint64_t time;

    __asm__ volatile("rdtime %0" : "=r"(time)); /* as CLINT's mtime, without a bus access */
    return time;
}

void board_sleep_until(uint64_t deadline)
{
    *CLINT_MTIMECMP = deadline;
    __asm__ volatile("wfi" : : : "memory");
    *CLINT_MTIMECMP = UINT64_MAX;
}

int board_take_interrupt(void)
{
    return (int)*PLIC_CLAIM - PLIC_FIRST_TRANSPORT; /* a claim of 0 means none */
}

void board_end_interrupt(int transport)
{
    *PLIC_CLAIM = (uint32_t)(transport + PLIC_FIRST_TRANSPORT);
}

void board_memory_before_doorbell(void)
{
    __asm__ volatile("fence w, o" : : : "memory");
}
