/* SPDX-License-Identifier: MIT */
/* What a driver believes about used lengths: the judgement that both formats share. */
#ifndef VRING_USED_LEN_H
#define VRING_USED_LEN_H

#include <vring/types.h>

#include "peer.h"

/*
 * May a driver be told to live with a device whose used lengths are too long? Where it may not, init answers VRING_E_FEATURE to
 * every policy but VRING_USED_LEN_BREAK. For firmware that knows its device.
 */
#ifndef VRING_BUILD_USED_LEN
#define VRING_BUILD_USED_LEN 1
#endif

/* Is this a policy, and built? 0, or VRING_E_FEATURE. */
static inline int used_len_check(enum vring_used_len_policy policy)
{
    return (unsigned)policy > (VRING_BUILD_USED_LEN ? VRING_USED_LEN_TRUST : VRING_USED_LEN_BREAK) ? VRING_E_FEATURE : 0;
}

/* May a saved state say so of a used length that was judged when it came? */
static inline bool used_len_restore(uint8_t policy, uint32_t writable, uint32_t len)
{
    return len <= writable || policy == VRING_USED_LEN_TRUST;
}

/*
 * Judge a used length against what the device could have written (2.7.8.2, 2.8.4). Returns 0, with *len as the policy
 * has it, or what broke the queue. Of position 16 bits are kept as evidence. The policy is looked up where it is needed.
 */
static inline int used_len_judge(struct vring_fault *fault, int *live, const uint8_t *policy, uint32_t position,
                                 uint32_t writable, uint32_t *len)
{
    uint32_t peer_len = *len;

    if (PEER_BAD(peer_len > writable)) {
        if (!VRING_BUILD_USED_LEN || *policy == VRING_USED_LEN_BREAK)
            return vring_poison(live, VRING_E_PEER_LEN, (uint16_t)position, peer_len);
        if (*policy == VRING_USED_LEN_REPORT)
            peer_note(fault, VRING_E_PEER_LEN, (uint16_t)position, peer_len); /* and the queue goes on */
        *len = *policy == VRING_USED_LEN_TRUST ? peer_len : writable;
    }
    return 0;
}

#endif
