/* SPDX-License-Identifier: MIT */
#include "peer.h"

int vring_poison(struct vring_fault *fault, int *live, int error, uint32_t position, uint64_t value)
{
    fault->error = error;
    fault->position = position;
    fault->value = value;
    *live = error;
    return error;
}
