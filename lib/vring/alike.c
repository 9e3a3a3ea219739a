/* SPDX-License-Identifier: MIT */
/* In one file what calls vring_state() and what it is: so gcc sees that nearly all registers outlive the call. */
#include "alike.h"

#if !PORT_FAST

int vring_state(const int *live)
{
    if (!live)
        return VRING_E_NULL;
    return *live > 0 ? *live : peer_verdict(*live);
}

int vring_alike_stage(alike_driver *vq, const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                      uint64_t token)
{
    return alike_fill(vq, segments, n_readable, n_writable, token);
}

int vring_alike_take(alike_driver *vq, uint32_t peer_id, uint32_t len, uint32_t at, struct vring_used_buffer *used)
{
    return alike_judge(vq, peer_id, len, at, used);
}

#endif
