/* SPDX-License-Identifier: MIT */
/*
 * The smallest test runner that runs hosted, under qemu-user and on bare metal: no allocation, no setjmp.
 *
 *     TEST(split_layout_refuses_size_0) { CHECK_EQ(vring_split_layout(0, 0, &l), VRING_E_SIZE); }
 *
 * A test file is tests and nothing else; vtest_main.c has main. Output is TAP. The first failing check ends its test.
 * Numbered requirements stand in the test's name: V40_..., S1_..., C038_....
 */
#ifndef VTEST_H
#define VTEST_H

#include <stdint.h>
#include <stdio.h>

struct vtest {
    const char *name;
    void (*run)(struct vtest *);
    int failed;
    struct vtest *next;
};

void vtest_register(struct vtest *test);
void vtest_fail(struct vtest *test, const char *file, int line, const char *what);
void vtest_fail_eq(struct vtest *test, const char *file, int line, const char *what, long long got, long long want);

#define TEST(test_name)                                                                                          \
    static void test_name(struct vtest *vtest_this);                                                             \
    static struct vtest vtest_##test_name = {#test_name, test_name, 0, 0};                                       \
    __attribute__((constructor)) static void vtest_register_##test_name(void) { vtest_register(&vtest_##test_name); } \
    static void test_name(struct vtest *vtest_this)

/* In a helper that checks on behalf of a test, name its first parameter VTEST. */
#define VTEST struct vtest *vtest_this
#define VTEST_PASS vtest_this

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            vtest_fail(vtest_this, __FILE__, __LINE__, #condition);         \
            return;                                                         \
        }                                                                   \
    } while (0)

#define CHECK_EQ(got, want)                                                                               \
    do {                                                                                                  \
        long long vtest_got = (long long)(got), vtest_want = (long long)(want);                           \
        if (vtest_got != vtest_want) {                                                                    \
            vtest_fail_eq(vtest_this, __FILE__, __LINE__, #got " == " #want, vtest_got, vtest_want);      \
            return;                                                                                       \
        }                                                                                                 \
    } while (0)

#define CHECK_OK(got) CHECK_EQ(got, 0)
#define CHECK_ERR(got, want) CHECK_EQ(got, want)

#endif
