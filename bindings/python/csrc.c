/* SPDX-License-Identifier: MIT */
/* What the compiler checks every declaration that cffi was given against: the public headers, and nothing besides. */
#include <bounce/bounce.h>
#include <vring/vring.h>
