/* SPDX-License-Identifier: MIT */
#ifndef VRING_FEATURES_H
#define VRING_FEATURES_H

#include <vring/types.h>

/* Can a queue of this format run with these features (bits 0 to 63)? 0 or VRING_E_FEATURE. */
int vring_features_check(uint64_t negotiated, bool packed);

#endif
