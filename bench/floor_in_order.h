/* SPDX-License-Identifier: MIT */
/*
 * The floor with IN_ORDER, of buffers of one piece: descriptors go round the table, one used element stands for all that one turn
 * has used, and the buffers of a turn are looked at one by one, but not remembered. As floor_sides.c, which calls this where
 * a ring is such.
 */
#ifndef BENCH_FLOOR_IN_ORDER_H
#define BENCH_FLOOR_IN_ORDER_H

#include "side.h"

/* Such a ring? */
static inline bool floor_goes_round(const struct ring_config *config)
{
    return config->in_order && !config->event_idx && !config->indirect && config->chain == 1;
}

struct floor_row_driver;
struct floor_row_device;

struct floor_row_driver *floor_row_driver_start(const struct ring_config *config, struct ring_shared *shared);
bool floor_row_give_split(struct floor_row_driver *driver, uint32_t n);
bool floor_row_give_packed(struct floor_row_driver *driver, uint32_t n);
uint32_t floor_row_take_split(struct floor_row_driver *driver, uint32_t n);
uint32_t floor_row_take_packed(struct floor_row_driver *driver, uint32_t n);

struct floor_row_device *floor_row_device_start(const struct ring_config *config, const struct ring_shared *shared);
uint32_t floor_row_turn_split(struct floor_row_device *device, uint32_t n, bool *notify);
uint32_t floor_row_turn_packed(struct floor_row_device *device, uint32_t n, bool *notify);

#endif
