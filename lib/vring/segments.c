/* SPDX-License-Identifier: MIT */
#include "segments.h"

int vring_segments_check(const struct vring_segment *segments, uint32_t n_readable, uint32_t count, uint32_t *writable)
{
    uint64_t readable = 0, total = 0;

    for (uint32_t i = 0; i < count; i++) {
        int error = segment_check(segments[i].addr, segments[i].len);

        if (error)
            return error;
        if (i == n_readable)
            readable = total;
        total += segments[i].len;
    }
    if (total > UINT64_C(1) << 32)
        return VRING_E_LEN;
    if (n_readable >= count)
        readable = total;
    *writable = total - readable > UINT32_MAX ? UINT32_MAX : (uint32_t)(total - readable);
    return 0;
}

int vring_segments_check_table(const struct vring_table *table, uint32_t count)
{
    if (!table->memory)
        return VRING_E_NULL;
    if ((uintptr_t)table->memory % 16 != 0)
        return VRING_E_ALIGN;
    if (count > table->entries)
        return VRING_E_CHAIN;
    if (16 * (uint64_t)count - 1 > UINT64_MAX - table->addr)
        return VRING_E_ADDR;
    return 0;
}
