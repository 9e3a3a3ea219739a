/* SPDX-License-Identifier: MIT */
#include "peer.h"

void vring_evidence(struct vring_fault *fault, int error, uint32_t position, uint64_t value)
{
    peer_note(fault, error, position, value);
}
