/* SPDX-License-Identifier: MIT */
/* What verbs that handle several buffers have in common. */
#ifndef VRING_BATCH_H
#define VRING_BATCH_H

#include <vring/types.h>

#include "features.h"
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

/* What is offered for adding: the buffers of a batch, or a run of pieces with tokens that count up. */
struct batch_offer {
    bool is_run;
    const struct vring_avail_buffer *buffers;
    const struct vring_segment *run;
    uint64_t token;
};

/* The piece that is all of the next buffer, if that is for this use, of 0 or 1 writable pieces; null if the buffer is another. */
static PORT_INLINE const struct vring_segment *batch_piece(const struct batch_offer *offer, uint16_t n_writable)
{
    const struct vring_avail_buffer *buffer = offer->buffers;

    if (offer->is_run)
        return offer->run;
    if (batch_shape(buffer->n_readable, buffer->n_writable) != batch_shape((uint16_t)(1 - n_writable), n_writable))
        return NULL;
    return buffer->table ? NULL : buffer->segments;
}

/* Go on behind it. Returns its token. */
static PORT_INLINE uint64_t batch_pass(struct batch_offer *offer)
{
    if (!offer->is_run)
        return offer->buffers++->token;
    offer->run++;
    return offer->token++;
}

/*
 * After n buffers nothing more was taken, or added, for this reason. A reason that may pass is not told where something
 * was: the caller hears of it when it asks again. Nor is it that a suspended device has handed out all that waited.
 */
static inline int batch_answer(int error, uint32_t n)
{
    if (PORT_FAST && error == 0)
        return 0;
    if (VRING_BUILD_RESTART && FEATURE_BUILT(VRING_F_SUSPEND) && n > 0 && error == VRING_E_STATE)
        return 0;
    return n > 0 && vring_error_blame(error) == VRING_BLAME_STATE ? 0 : error;
}

#endif
