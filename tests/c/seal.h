/* SPDX-License-Identifier: MIT */
/* The checksum of a saved state, put right after a lie. */
#ifndef SEAL_H
#define SEAL_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32, in the last four bytes: so that a lie is whole. */
static inline void seal(unsigned char *bytes, size_t count)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < count - 4; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (int i = 0; i < 4; i++)
        bytes[count - 4 + (size_t)i] = (unsigned char)(~crc >> 8 * i);
}

#endif
