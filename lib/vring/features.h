/* SPDX-License-Identifier: MIT */
#ifndef VRING_FEATURES_H
#define VRING_FEATURES_H

#include <vring/types.h>

#include "port.h"

/*
 * The features that a build carries out, of those it could: what is not among them is refused by init, and its code folds
 * away. For firmware that knows its device: -D'VRING_BUILD_FEATURES=VRING_F_VERSION_1|VRING_F_EVENT_IDX', say.
 */
#ifndef VRING_BUILD_FEATURES
#define VRING_BUILD_FEATURES (~UINT64_C(0))
#endif

#define FEATURE_BUILT(feature) (((VRING_BUILD_FEATURES) & (feature)) != 0)

/* Is what both formats do a function that they share? Where one alone is built it has one caller, and is best a part of that. */
enum { FEATURES_SHARE = PORT_FAST || FEATURE_BUILT(VRING_F_RING_PACKED) };

/* Was this feature negotiated? Never in a build without it: whatever asks through here folds away there. */
static PORT_INLINE bool feature_on(uint64_t negotiated, uint64_t feature)
{
    return FEATURE_BUILT(feature) && (negotiated & feature) != 0;
}

/*
 * Can a queue go on after a restart, from bytes or from an inflight region? Where it cannot, save, restore and recover
 * answer VRING_E_FEATURE, and so does init if it is given a region.
 */
#ifndef VRING_BUILD_RESTART
#define VRING_BUILD_RESTART 1
#endif

/* Do these features (bits 0 to 63) name the packed format? */
static inline bool vring_features_packed(uint64_t negotiated)
{
    return (negotiated & VRING_F_RING_PACKED) != 0;
}

/* Is a split ring with these features (bits 0 to 63) little-endian on the wire? */
bool vring_features_little_endian(uint64_t negotiated, enum vring_byte_order legacy);

/* Can a split ring, of which the caller knows this byte order, run with these features? 0 or VRING_E_FEATURE. */
int vring_features_check_split(uint64_t negotiated, enum vring_byte_order legacy, bool little_endian);

/* Can a packed ring? */
int vring_features_check_packed(uint64_t negotiated);

#endif
