/* SPDX-License-Identifier: MIT */
#include "segments.h"

int vring_segments_check(const struct vring_segment *segments, uint32_t n_readable, uint32_t count, uint32_t *writable)
{
    return segments_judge(segments, n_readable, count, writable);
}
