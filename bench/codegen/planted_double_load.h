/* SPDX-License-Identifier: MIT */
/*
 * Accessors with a fault on purpose: what is 16 bits wide is loaded twice. The report has to find it on every target.
 */
#ifndef PLANTED_DOUBLE_LOAD_H
#define PLANTED_DOUBLE_LOAD_H

#define access_load16 access_load16_once
#include "access_volatile.h"
#undef access_load16

static inline uint16_t access_load16(const uint16_t *p)
{
    (void)access_load16_once(p);
    return access_load16_once(p);
}

#endif
