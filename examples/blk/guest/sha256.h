/* SPDX-License-Identifier: MIT */
/* SHA-256 as FIPS 180-4 has it, small rather than fast. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;     /* hashed so far, block included */
    uint8_t block[64];  /* the last bytes % 64 of them */
};

void sha256_start(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t size);

/* Writes the digest as 64 hexadecimal digits and a zero. Ends the computation. */
void sha256_finish(struct sha256 *sha, char text[65]);

#endif
