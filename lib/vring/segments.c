/* SPDX-License-Identifier: MIT */
#include "segments.h"

int vring_segments_check(const struct vring_segment *segments, uint32_t n_readable, uint32_t count, uint32_t *writable)
{
    uint64_t bytes = 0;
    uint32_t readable = 0; /* modulo 2^32 */

    for (uint32_t i = 0; i < count; i++) {
        int error = segment_check(segments[i].addr, segments[i].len);

        if (error)
            return error;
        bytes += segments[i].len;
        if (i < n_readable)
            readable = (uint32_t)bytes;
    }
    if (bytes > UINT64_C(1) << 32)
        return VRING_E_LEN;
    *writable = (uint32_t)bytes - readable;
    if (*writable == 0 && n_readable < count)
        *writable = UINT32_MAX; /* 2^32: no piece is empty */
    return 0;
}
