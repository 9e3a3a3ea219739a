/* SPDX-License-Identifier: MIT */
/* The functions of places.c, for those who call them. */
#ifndef PLACES_H
#define PLACES_H

#include <vring/vring.h>

#include "chain.h"

struct place_used {
    uint64_t token;
    uint32_t len;
};

bool place_split_driver_poll(const struct vring_split_ring *r, uint16_t next);
int place_split_driver_get(const struct vring_split_ring *r, uint16_t next, const uint64_t *tokens,
                           struct place_used *used);
bool place_split_driver_kick(const struct vring_split_ring *r, uint16_t now, uint16_t before);
bool place_split_driver_kick_flags(const struct vring_split_ring *r);
bool place_split_driver_delayed(const struct vring_split_ring *r, uint16_t next, uint16_t in_flight);
bool place_split_device_poll(const struct vring_split_ring *r, uint16_t next);
int place_split_device_get(const struct vring_split_ring *r, uint16_t next, struct chain_desc *desc);
bool place_split_device_notify(const struct vring_split_ring *r, uint16_t now, uint16_t before);
bool place_split_device_enable(const struct vring_split_ring *r, uint16_t next);

bool place_packed_driver_poll(const struct vring_packed_ring *r, struct vring_packed_position at);
int place_packed_driver_get(const struct vring_packed_ring *r, uint16_t offset, const uint64_t *tokens,
                            struct place_used *used);
bool place_packed_driver_kick(const struct vring_packed_ring *r, uint16_t next, uint16_t added);
bool place_packed_driver_delayed(const struct vring_packed_ring *r, struct vring_packed_position at, uint16_t place);
bool place_packed_device_poll(const struct vring_packed_ring *r, struct vring_packed_position at);
int place_packed_device_get(const struct vring_packed_ring *r, uint16_t offset, struct chain_desc *desc);
bool place_packed_device_notify(const struct vring_packed_ring *r, uint16_t next, uint16_t added);
bool place_packed_device_enable(const struct vring_packed_ring *r, struct vring_packed_position at, uint16_t place);

#endif
