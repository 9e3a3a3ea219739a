/* SPDX-License-Identifier: MIT */
/* Planted: a division that a 32-bit CPU leaves to a library. */
#include <stdint.h>

uint64_t share(uint64_t all, uint64_t parts);

uint64_t share(uint64_t all, uint64_t parts)
{
    return all / parts;
}
