/* SPDX-License-Identifier: MIT */
/*
 * How a rig without a C library says what its functions came to, under qemu-user: write(1, ...) of Linux, on the CPUs
 * that no other emulator runs.
 */
#ifndef RIG_TELL_H
#define RIG_TELL_H

static inline void rig_tell(const void *results, unsigned long size)
{
#if defined(__loongarch__)
    register unsigned long number __asm__("$a7") = 64;
    register unsigned long file __asm__("$a0") = 1;
    register const void *from __asm__("$a1") = results;
    register unsigned long count __asm__("$a2") = size;

    __asm__ volatile("syscall 0" : "+r"(file) : "r"(number), "r"(from), "r"(count) : "memory");
#elif defined(__powerpc__)
    register unsigned long number __asm__("r0") = 4;
    register unsigned long file __asm__("r3") = 1;
    register const void *from __asm__("r4") = results;
    register unsigned long count __asm__("r5") = size;

    __asm__ volatile("sc" : "+r"(file), "+r"(number), "+r"(from), "+r"(count) : : "memory", "cr0");
#elif defined(__mips__)
    register unsigned long number __asm__("$2") = 4004;
    register unsigned long file __asm__("$4") = 1;
    register const void *from __asm__("$5") = results;
    register unsigned long count __asm__("$6") = size;

    __asm__ volatile("syscall" : "+r"(number) : "r"(file), "r"(from), "r"(count) : "memory", "$3", "$7");
#elif defined(__s390x__)
    register unsigned long number __asm__("r1") = 4;
    register unsigned long file __asm__("r2") = 1;
    register const void *from __asm__("r3") = results;
    register unsigned long count __asm__("r4") = size;

    __asm__ volatile("svc 0" : "+r"(file) : "r"(number), "r"(from), "r"(count) : "memory", "cc");
#else
#error "how this CPU calls Linux is not known here"
#endif
}

#endif
