/* SPDX-License-Identifier: MIT */
#include "features.h"

/* Bits 24 to 49 are the transport's and the ring's (6); the others belong to the device type. */
#define RESERVED_BITS ((UINT64_C(1) << 50) - (UINT64_C(1) << 24))

/* A legacy peer knows the first 32 bits alone, and two of them are its own (6.3). */
#define MODERN_BITS ((~UINT64_C(0) << 32) & RESERVED_BITS)
#define LEGACY_BITS (VRING_F_NOTIFY_ON_EMPTY | VRING_F_ANY_LAYOUT)

/*
 * Only what this build carries out. ACCESS_PLATFORM asks nothing of a ring: its driver maps every buffer before adding
 * it; nor does ANY_LAYOUT: a ring does not look into buffers; nor RING_RESET: what it resets is set up anew by init.
 */
#define SUPPORTED                                                                                                      \
    ((VRING_BUILD_FEATURES) &                                                                                          \
     (LEGACY_BITS | VRING_F_INDIRECT_DESC | VRING_F_EVENT_IDX | VRING_F_VERSION_1 | VRING_F_ACCESS_PLATFORM |          \
      VRING_F_RING_PACKED | VRING_F_IN_ORDER | VRING_F_ORDER_PLATFORM | VRING_F_NOTIFICATION_DATA |                    \
      VRING_F_NOTIF_CONFIG_DATA | VRING_F_RING_RESET | VRING_F_SUSPEND))

uint64_t vring_features_supported(unsigned word)
{
    return word == 0 ? SUPPORTED : 0;
}

uint64_t vring_features_accept(unsigned word, uint64_t offered)
{
    if (word != 0)
        return offered;
    return offered & (SUPPORTED | ~RESERVED_BITS) & ~(offered & VRING_F_VERSION_1 ? LEGACY_BITS : MODERN_BITS);
}

bool vring_features_little_endian(uint64_t negotiated, enum vring_byte_order legacy)
{
    if (negotiated & VRING_F_VERSION_1)
        return true;
    return legacy == VRING_ORDER_NATIVE ? !PORT_BIG_ENDIAN : legacy == VRING_ORDER_LITTLE;
}

static int features_check(uint64_t negotiated)
{
    if (negotiated & RESERVED_BITS & ~SUPPORTED)
        return VRING_E_FEATURE;
    return negotiated & (negotiated & VRING_F_VERSION_1 ? LEGACY_BITS : MODERN_BITS) ? VRING_E_FEATURE : 0;
}

int vring_features_check_split(uint64_t negotiated, enum vring_byte_order legacy, bool little_endian)
{
    if (negotiated & VRING_F_RING_PACKED)
        return VRING_E_FEATURE;
    if (!(negotiated & VRING_F_VERSION_1) && (unsigned)legacy > VRING_ORDER_BIG)
        return VRING_E_FEATURE;
    if (vring_features_little_endian(negotiated, legacy) != little_endian)
        return VRING_E_FEATURE;
    return features_check(negotiated);
}

int vring_features_check_packed(uint64_t negotiated)
{
    if (!(negotiated & VRING_F_RING_PACKED))
        return VRING_E_FEATURE;
    return features_check(negotiated);
}
