/* SPDX-License-Identifier: MIT */
/* One of the sides in rust/, as a file of its own: RUST_DRIVER or RUST_DEVICE says which. */
#include "../side.h"

__attribute__((visibility("default"))) extern const struct ring_sides ring_sides_split;

#ifdef RUST_DRIVER
extern const struct ring_driver RUST_DRIVER;
const struct ring_sides ring_sides_split = {&RUST_DRIVER, NULL};
#else
extern const struct ring_device RUST_DEVICE;
const struct ring_sides ring_sides_split = {NULL, &RUST_DEVICE};
#endif
