/* SPDX-License-Identifier: MIT */
#include "peer.h"

int vring_evidence(struct vring_fault *fault, int error, uint32_t position, uint32_t value)
{
    peer_note(fault, error, position, value);
    return error;
}
