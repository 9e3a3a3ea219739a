/* SPDX-License-Identifier: MIT */
#include "peer.h"

void vring_break(int *live, unsigned error, uint32_t position, uint32_t value)
{
    unsigned char *health = (unsigned char *)live;
    struct vring_fault *fault = (struct vring_fault *)(void *)(health + offsetof(struct peer_health, fault));
    uint8_t *straight = health + offsetof(struct peer_health, straight);

    *live = -(int)error;
    if (PORT_FAST)
        *straight = 0; /* not known: straight.h */
    peer_note(fault, *live, position, value);
}
