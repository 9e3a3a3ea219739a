/* SPDX-License-Identifier: MIT */
#include "peer.h"

void vring_break(int *live, unsigned error, uint32_t position, uint32_t value)
{
    struct vring_fault *fault = (struct vring_fault *)(void *)((unsigned char *)live + offsetof(struct peer_health, fault));

    *live = -(int)error;
    peer_note(fault, *live, position, value);
}
