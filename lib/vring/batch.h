/* SPDX-License-Identifier: MIT */
/* What verbs that handle several buffers have in common. */
#ifndef VRING_BATCH_H
#define VRING_BATCH_H

#include <vring/types.h>

#include "port.h"

/* How many fit where there is room for a, and for b. */
static inline uint32_t batch_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many pieces a buffer has of each kind, in one word: as they lie in memory, mostly. */
static inline uint32_t batch_shape(uint16_t n_readable, uint16_t n_writable)
{
    return (uint32_t)n_writable << 16 | n_readable;
}

/*
 * After n buffers nothing more was taken, or added, for this reason. A reason that may pass is not told where something
 * was: the caller hears of it when it asks again.
 */
static inline int batch_answer(int error, uint32_t n)
{
    if (PORT_FAST && error == 0)
        return 0;
    return n > 0 && vring_error_blame(error) == VRING_BLAME_STATE ? 0 : error;
}

#endif
