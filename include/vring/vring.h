/* SPDX-License-Identifier: MIT */
/* libvring: everything. */
#ifndef VRING_VRING_H
#define VRING_VRING_H

#include "device.h"
#include "driver.h"
#include "packed.h"
#include "split.h"
#include "types.h"
#include "wire.h"

#endif
