/* SPDX-License-Identifier: MIT */
/*
 * Calls the library's own verbs under emulation: a queue of eight entries with event indices, buffers of one segment,
 * one or a batch. What comes before a verb is done by the library, too.
 */
#include "rig.h"

#include <vring/vring.h>

enum { SIZE = 8, BATCH = 4 };

_Alignas(64) uint64_t shared_split_desc[2 * SIZE];
_Alignas(64) uint16_t shared_split_driver[3 + SIZE];
_Alignas(64) uint16_t shared_split_device[3 + 4 * SIZE];
_Alignas(64) uint64_t shared_packed_desc[2 * SIZE];
_Alignas(64) uint32_t shared_packed_driver[1];
_Alignas(64) uint32_t shared_packed_device[1];

static unsigned char buffer[64];
static struct vring_slot slots[SIZE];
static struct vring_head heads[SIZE];
static struct vring_region region;
static const struct vring_segment segment = {.addr = 0x10000, .len = sizeof buffer};
static struct vring_driver driver;
static struct vring_device device;
static const struct vring_avail_buffer buffers[BATCH] = {
    {&segment, 7, 0, 1, NULL}, {&segment, 7, 0, 1, NULL}, {&segment, 7, 0, 1, NULL}, {&segment, 7, 0, 1, NULL}};
static struct vring_used_buffer used[BATCH];
static struct vring_chain chains[BATCH];
static struct vring_used_chain done[BATCH];
static struct vring_iov iov[2 * BATCH];
static uint32_t moved;

/* How far the buffers have come when the verb is called. */
enum stage { NOTHING, STAGED, OFFERED, TAKEN, USED, RETURNED };

static void bring_to(enum stage stage, uint64_t format, uint32_t count)
{
    uint64_t features = VRING_F_VERSION_1 | VRING_F_EVENT_IDX | format;
    bool packed = format == VRING_F_RING_PACKED;
    struct vring_driver_config ours = {.features = features, .size = SIZE, .slots = slots, .slot_count = SIZE};
    struct vring_device_config theirs = {.features = features, .size = SIZE, .heads = heads, .head_count = SIZE,
        .regions = &region, .region_count = 1};

    region.addr = segment.addr;
    region.size = sizeof buffer;
    region.host = buffer;
    ours.desc = theirs.desc = packed ? shared_packed_desc : shared_split_desc;
    ours.driver_area = theirs.driver_area = packed ? (void *)shared_packed_driver : (void *)shared_split_driver;
    ours.device_area = theirs.device_area = packed ? (void *)shared_packed_device : (void *)shared_split_device;
    vring_driver_init(&driver, &ours);
    vring_device_init(&device, &theirs);
    for (uint32_t i = 0; stage >= STAGED && i < count; i++)
        vring_driver_add_avail(&driver, &segment, 0, 1, 7);
    if (stage >= OFFERED)
        vring_driver_publish(&driver);
    for (uint32_t i = 0; stage >= TAKEN && i < count; i++) {
        vring_device_get_avail(&device, iov, 2, &chains[i]);
        done[i].handle = chains[i].handle;
        done[i].len = 16;
    }
    for (uint32_t i = 0; stage >= USED && i < count; i++)
        vring_device_add_used(&device, chains[i].handle, 16);
    if (stage >= RETURNED)
        vring_device_publish(&device);
}

#define SPLIT(name, stage, count) PREPARE(vring_split_##name) { bring_to(stage, 0, count); } RUN(vring_split_##name)
#define PACKED(name, stage, count) PREPARE(vring_packed_##name) { bring_to(stage, VRING_F_RING_PACKED, count); } RUN(vring_packed_##name)

/* Sign-extended on every target alike. */
static void keep(int result)
{
    rig_result = (uint64_t)(int64_t)result;
}

SPLIT(driver_add_avail, NOTHING, 1) { keep(vring_split_driver_add_avail(&driver.as.split, &segment, 0, 1, 7)); }
SPLIT(driver_publish, STAGED, 1) { keep(vring_split_driver_publish(&driver.as.split)); }
SPLIT(driver_get_used, RETURNED, 1) { keep(vring_split_driver_get_used(&driver.as.split, &used[0])); }
SPLIT(driver_enable_notify_delayed, OFFERED, 1) { keep(vring_split_driver_enable_notify_delayed(&driver.as.split)); }
SPLIT(device_get_avail, OFFERED, 1) { keep(vring_split_device_get_avail(&device.as.split, iov, 2, &chains[0])); }
SPLIT(device_add_used, TAKEN, 1) { keep(vring_split_device_add_used(&device.as.split, chains[0].handle, 16)); }
SPLIT(device_publish, USED, 1) { keep(vring_split_device_publish(&device.as.split)); }
SPLIT(device_enable_notify, TAKEN, 1) { keep(vring_split_device_enable_notify(&device.as.split)); }

PACKED(driver_add_avail, NOTHING, 1) { keep(vring_packed_driver_add_avail(&driver.as.packed, &segment, 0, 1, 7)); }
PACKED(driver_publish, STAGED, 1) { keep(vring_packed_driver_publish(&driver.as.packed)); }
PACKED(driver_get_used, RETURNED, 1) { keep(vring_packed_driver_get_used(&driver.as.packed, &used[0])); }
PACKED(driver_enable_notify_delayed, OFFERED, 1) { keep(vring_packed_driver_enable_notify_delayed(&driver.as.packed)); }
PACKED(device_get_avail, OFFERED, 1) { keep(vring_packed_device_get_avail(&device.as.packed, iov, 2, &chains[0])); }
PACKED(device_add_used, TAKEN, 1) { keep(vring_packed_device_add_used(&device.as.packed, chains[0].handle, 16)); }
PACKED(device_publish, USED, 1) { keep(vring_packed_device_publish(&device.as.packed)); }
PACKED(device_enable_notify, TAKEN, 1) { keep(vring_packed_device_enable_notify(&device.as.packed)); }

SPLIT(driver_add_avail_batch, NOTHING, BATCH) { keep(vring_split_driver_add_avail_batch(&driver.as.split, buffers, BATCH, &moved)); }
SPLIT(driver_get_used_batch, RETURNED, BATCH) { keep(vring_split_driver_get_used_batch(&driver.as.split, used, BATCH, &moved)); }
SPLIT(device_get_avail_batch, OFFERED, BATCH)
{
    keep(vring_split_device_get_avail_batch(&device.as.split, iov, 2 * BATCH, chains, BATCH, &moved));
}
SPLIT(device_add_used_batch, TAKEN, BATCH) { keep(vring_split_device_add_used_batch(&device.as.split, done, BATCH, &moved)); }

PACKED(driver_add_avail_batch, NOTHING, BATCH) { keep(vring_packed_driver_add_avail_batch(&driver.as.packed, buffers, BATCH, &moved)); }
PACKED(driver_get_used_batch, RETURNED, BATCH) { keep(vring_packed_driver_get_used_batch(&driver.as.packed, used, BATCH, &moved)); }
PACKED(device_get_avail_batch, OFFERED, BATCH)
{
    keep(vring_packed_device_get_avail_batch(&device.as.packed, iov, 2 * BATCH, chains, BATCH, &moved));
}
PACKED(device_add_used_batch, TAKEN, BATCH) { keep(vring_packed_device_add_used_batch(&device.as.packed, done, BATCH, &moved)); }
