/* SPDX-License-Identifier: MIT */
#include "features.h"

/* Bits 24 to 49 are the transport's and the ring's (6); the others belong to the device type. */
#define RESERVED_BITS ((UINT64_C(1) << 50) - (UINT64_C(1) << 24))

/*
 * Only what this build carries out. ACCESS_PLATFORM asks nothing of a ring: its driver maps every buffer before adding
 * it.
 */
#define SUPPORTED                                                                                                      \
    (VRING_F_INDIRECT_DESC | VRING_F_EVENT_IDX | VRING_F_VERSION_1 | VRING_F_ACCESS_PLATFORM | VRING_F_RING_PACKED |   \
     VRING_F_IN_ORDER | VRING_F_ORDER_PLATFORM | VRING_F_NOTIFICATION_DATA | VRING_F_NOTIF_CONFIG_DATA)

uint64_t vring_features_supported(unsigned word)
{
    return word == 0 ? SUPPORTED : 0;
}

uint64_t vring_features_accept(unsigned word, uint64_t offered)
{
    return word == 0 ? offered & (SUPPORTED | ~RESERVED_BITS) : offered;
}

int vring_features_check(uint64_t negotiated, bool packed)
{
    if (negotiated & RESERVED_BITS & ~SUPPORTED)
        return VRING_E_FEATURE;
    if (!(negotiated & VRING_F_VERSION_1))
        return VRING_E_FEATURE;
    if (packed != ((negotiated & VRING_F_RING_PACKED) != 0))
        return VRING_E_FEATURE;
    return 0;
}
