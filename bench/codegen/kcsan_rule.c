/* SPDX-License-Identifier: MIT */
/*
 * The rule of Linux' memory model, for ThreadSanitizer: a volatile access is a marked one and races only with one that
 * is not. Compiled so that volatile accesses can be told from others, clang calls these before each; to the detector
 * they are then what a relaxed atomic access is.
 */
#include <stdint.h>

#include <sanitizer/tsan_interface_atomic.h>

#define VOLATILE_HOOKS(bytes, bits)                                                               \
    void __tsan_volatile_read##bytes(void *p);                                                    \
    void __tsan_volatile_write##bytes(void *p);                                                   \
    void __tsan_volatile_read##bytes(void *p)                                                     \
    {                                                                                             \
        (void)__tsan_atomic##bits##_load((volatile __tsan_atomic##bits *)p, __tsan_memory_order_relaxed); \
    }                                                                                             \
    void __tsan_volatile_write##bytes(void *p)                                                    \
    {                                                                                             \
        (void)__tsan_atomic##bits##_fetch_add((volatile __tsan_atomic##bits *)p, 0, __tsan_memory_order_relaxed); \
    }

VOLATILE_HOOKS(1, 8)
VOLATILE_HOOKS(2, 16)
VOLATILE_HOOKS(4, 32)
VOLATILE_HOOKS(8, 64)
