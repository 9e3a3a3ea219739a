/* SPDX-License-Identifier: MIT */
/* What libFuzzer's bytes mean: they are used up one by one, and beyond the end all are 0. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct input {
    const uint8_t *next;
    size_t left;
};

static inline uint8_t take(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->next++;
}

/* 0 .. count - 1 */
static inline unsigned take_below(struct input *input, unsigned count)
{
    return take(input) % count;
}

static inline uint32_t take_word(struct input *input)
{
    uint32_t word = 0;

    for (int i = 0; i < 4; i++)
        word = word << 8 | take(input);
    return word;
}

/* The libraries broke a promise: libFuzzer keeps the bytes that led here. */
#define PROMISE(condition)                                                        \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                              \
        }                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
