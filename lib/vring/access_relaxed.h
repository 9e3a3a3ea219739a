/* SPDX-License-Identifier: MIT */
/* C11 relaxed atomics, ordered by C11 fences. */
#ifndef VRING_ACCESS_RELAXED_H
#define VRING_ACCESS_RELAXED_H

#include "access_atomic.h"
#include "access_fenced.h"

#endif
