/* SPDX-License-Identifier: MIT */
/* Planted: drops half of a value without saying so. */
#include <stdint.h>

uint16_t half(uint32_t whole);

uint16_t half(uint32_t whole)
{
    return whole;
}
