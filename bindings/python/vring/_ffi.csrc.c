/* SPDX-License-Identifier: MIT */
/* What the compiler checks every line of _ffi.cdef.txt against: the public headers, and nothing besides. */
#include <bounce/bounce.h>
#include <vring/vring.h>
