/* SPDX-License-Identifier: MIT */
/* The HOOK accessors as on a 32-bit CPU: 64 bits are two accesses, and the peer may come between them. */
#ifndef ACCESS_HALVES_H
#define ACCESS_HALVES_H

#include "vring/port.h"

#undef PORT_64BIT_ACCESS
#define PORT_64BIT_ACCESS 0

#include "vring/access_hook.h"

#endif
