/* SPDX-License-Identifier: MIT */
#include "peer.h"

int vring_evidence(struct vring_fault *fault, int error, uint32_t position, uint32_t value)
{
    fault->error = error;
    fault->position = position;
    fault->value = value;
    return error;
}
