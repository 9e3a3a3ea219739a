/* SPDX-License-Identifier: MIT */
/*
 * The two halves of bounce_init(): what may be refused, and what is written. A set does something between them.
 */
#ifndef BOUNCE_POOL_H
#define BOUNCE_POOL_H

#include "records.h"

/* Do [a, a + a_size) and [b, b + b_size) share a byte? Neither wraps. */
static inline bool pool_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a_size != 0 && b_size != 0 && (a < b ? b - a < a_size : a - b < b_size);
}

/* What bounce_init() would make of *pool, or its error; writes *draft alone. */
int bounce_draft(const struct bounce_pool *pool, const struct bounce_config *config, struct bounce_pool *draft);

/* Why no such mapping could be in a pool as drafted, were it empty; 0 if one could. In bounce.c. */
int bounce_judge(const struct bounce_pool *draft, const struct bounce_request *request);

/* Make *pool what the draft says, with nothing mapped. number: the latest that a mapping had before. */
void bounce_begin(struct bounce_pool *pool, const struct bounce_pool *draft, uint32_t cursor, uint32_t number);

#endif
