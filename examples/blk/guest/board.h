/* SPDX-License-Identifier: MIT */
/*
 * What the guest must know about the machine it runs on. One file per CPU answers: board_riscv64.c, board_aarch64.c.
 *
 * Interrupts are never taken as traps. The CPU sleeps with them masked until the interrupt controller has one
 * pending, and then asks the controller which: no handler, nothing shared with a handler, and no wake-up that can
 * slip by.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

struct board {
    const char *name;
    uintptr_t mmio_base;   /* virtio-mmio transports: mmio_count of them, mmio_stride bytes apart */
    size_t mmio_stride;
    unsigned mmio_count;
    uint64_t clock_hz;     /* ticks of board_clock() in a second */
    uintptr_t shared_base; /* memory that the device may see; everything else is private */
    size_t shared_size;
};

extern const struct board board;

/* Catch CPU exceptions, and let the transports' interrupts reach the interrupt controller. */
void board_start(void);

uint64_t board_clock(void);

/* Sleep until a transport's interrupt is pending or the clock has reached deadline. May also return early. */
void board_sleep_until(uint64_t deadline);

/* Take one pending interrupt: the number of the transport it belongs to, or -1 when there is none. */
int board_take_interrupt(void);

/* The interrupt of this transport has been dealt with. */
void board_end_interrupt(int transport);

/* What we wrote to memory is there before anything we write to a device register from here on. */
void board_memory_before_doorbell(void);

#endif
