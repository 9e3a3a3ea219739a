/* SPDX-License-Identifier: MIT */
/*
 * The rule of Linux' memory model, for ThreadSanitizer: a volatile access is a marked one and races only with one that
 * is not. Compiled so that volatile accesses can be told from others, gcc and clang call these before each; to the
 * detector they are then what a relaxed atomic access is.
 */
#include <stdint.h>

#define VOLATILE_HOOKS(bytes, bits)                                              \
    void __tsan_volatile_read##bytes(void *p);                                   \
    void __tsan_volatile_write##bytes(void *p);                                  \
    void __tsan_volatile_read##bytes(void *p)                                    \
    {                                                                            \
        (void)__atomic_load_n((uint##bits##_t *)p, __ATOMIC_RELAXED);            \
    }                                                                            \
    void __tsan_volatile_write##bytes(void *p)                                   \
    {                                                                            \
        (void)__atomic_fetch_add((uint##bits##_t *)p, 0, __ATOMIC_RELAXED);      \
    }

VOLATILE_HOOKS(1, 8)
VOLATILE_HOOKS(2, 16)
VOLATILE_HOOKS(4, 32)
VOLATILE_HOOKS(8, 64)
