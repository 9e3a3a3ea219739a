/* SPDX-License-Identifier: MIT */
/* What the compiler checks every declaration that cffi was given against: the public headers, and what lies beside. */
#include <bounce/bounce.h>
#include <bounce/set.h>
#include <bounced/bounced.h>
#include <vring/vring.h>

#include "watch.h"
