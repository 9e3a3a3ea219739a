/* SPDX-License-Identifier: MIT */
/* split_give.c for a ring in big-endian order. */
#define SPLIT_BIG_ENDIAN

#include "split_be.h"

#include "split_give.c"
