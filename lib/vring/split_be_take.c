/* SPDX-License-Identifier: MIT */
/* split_take.c for a ring in big-endian order. */
#define SPLIT_BIG_ENDIAN

#include "split_be.h"

#include "split_take.c"
