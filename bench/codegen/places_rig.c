/* SPDX-License-Identifier: MIT */
/* Calls the functions of places.c under emulation: rings of eight entries, written as the other side would. */
#include "places.h"
#include "rig.h"

#include <vring/wire.h>

enum { SIZE = 8, NEXT = 3 };

/* The wire is little-endian. */
static uint16_t le16(uint16_t v)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? (uint16_t)(v << 8 | v >> 8) : v;
}

static uint32_t le32(uint32_t v)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? (uint32_t)le16((uint16_t)v) << 16 | le16((uint16_t)(v >> 16)) : v;
}

struct packed_entry {
    uint32_t addr[2];
    uint32_t len;
    uint16_t id;
    uint16_t flags;
};

_Alignas(64) struct packed_entry shared_packed_desc[SIZE];
_Alignas(64) uint32_t shared_packed_driver[1];
_Alignas(64) uint32_t shared_packed_device[1];
_Alignas(64) uint32_t shared_split_desc[4 * SIZE];
_Alignas(64) uint16_t shared_split_driver[3 + SIZE];
_Alignas(64) uint16_t shared_split_device[3 + 4 * SIZE];

static const uint64_t tokens[SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
static struct place_used used;
static struct chain_desc desc;

static const struct vring_split_ring split_ring = {.desc = shared_split_desc, .driver_area = shared_split_driver,
    .device_area = shared_split_device, .size = SIZE, .mask = SIZE - 1};
static const struct vring_packed_ring packed_ring = {.desc = shared_packed_desc, .driver_area = shared_packed_driver,
    .device_area = shared_packed_device, .size = SIZE};
static const struct vring_split_ring *volatile s = &split_ring;
static const struct vring_packed_ring *volatile p = &packed_ring;
static const struct vring_packed_position used_at = {1, VRING_DESC_AVAIL | VRING_DESC_USED};
static const struct vring_packed_position avail_at = {NEXT, VRING_DESC_AVAIL | VRING_DESC_USED};

/* Four buffers were offered and two of them used; each side wants to hear of the next one. */
static void lay_out(void)
{
    for (unsigned i = 0; i < SIZE; i++) {
        uint32_t *used_elem = (uint32_t *)(void *)&shared_split_device[2 + 4 * i];

        shared_split_desc[4 * i] = shared_packed_desc[i].addr[0] = le32(0x1000 * i);
        shared_split_desc[4 * i + 2] = shared_packed_desc[i].len = le32(64);
        shared_split_desc[4 * i + 1] = shared_split_desc[4 * i + 3] = shared_packed_desc[i].addr[1] = 0;
        shared_split_driver[2 + i] = shared_packed_desc[i].id = le16((uint16_t)i);
        shared_packed_desc[i].flags = le16(VRING_DESC_AVAIL | (i < 2 ? VRING_DESC_USED : 0));
        used_elem[0] = le32(i);
        used_elem[1] = le32(16);
    }
    shared_split_driver[0] = shared_split_device[0] = 0;
    shared_split_driver[1] = le16(4);
    shared_split_device[1] = le16(NEXT + 1);
    shared_split_driver[2 + SIZE] = le16(NEXT);
    shared_split_device[2 + 4 * SIZE] = le16(NEXT);
    shared_packed_driver[0] = shared_packed_device[0] = le32((uint32_t)VRING_EVENT_DESC << 16 | 0x8000 | NEXT);
}

#define PLACE(name) PREPARE(place_##name) { lay_out(); } RUN(place_##name)

PLACE(split_driver_poll) { rig_result = place_split_driver_poll(s, NEXT); }
PLACE(split_driver_get) { rig_result = (uint64_t)place_split_driver_get(s, NEXT, tokens, &used); }
PLACE(split_driver_kick) { rig_result = place_split_driver_kick(s, NEXT + 1, NEXT); }
PLACE(split_driver_kick_flags) { rig_result = place_split_driver_kick_flags(s); }
PLACE(split_driver_delayed) { rig_result = place_split_driver_delayed(s, NEXT, 4); }
PLACE(split_device_poll) { rig_result = place_split_device_poll(s, NEXT); }
PLACE(split_device_get) { rig_result = (uint64_t)place_split_device_get(s, NEXT, &desc); }
PLACE(split_device_notify) { rig_result = place_split_device_notify(s, NEXT + 1, NEXT); }
PLACE(split_device_enable) { rig_result = place_split_device_enable(s, NEXT); }
PLACE(packed_driver_poll) { rig_result = place_packed_driver_poll(p, used_at); }
PLACE(packed_driver_get) { rig_result = (uint64_t)place_packed_driver_get(p, 1, tokens, &used); }
PLACE(packed_driver_kick) { rig_result = place_packed_driver_kick(p, 0x8000 | (NEXT + 1), 1); }
PLACE(packed_driver_delayed) { rig_result = place_packed_driver_delayed(p, used_at, 0x8000 | NEXT); }
PLACE(packed_device_poll) { rig_result = place_packed_device_poll(p, avail_at); }
PLACE(packed_device_get) { rig_result = (uint64_t)place_packed_device_get(p, NEXT, &desc); }
PLACE(packed_device_notify) { rig_result = place_packed_device_notify(p, 0x8000 | (NEXT + 1), 1); }
PLACE(packed_device_enable) { rig_result = place_packed_device_enable(p, avail_at, 0x8000 | NEXT); }
