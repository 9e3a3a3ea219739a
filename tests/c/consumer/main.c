/* SPDX-License-Identifier: MIT */
/* A user's first program, in C and in C++: a buffer goes by bounce pool and split ring to a device, and comes back. */
#include <bounce/bounce.h>
#include <vring/vring.h>

#include <string.h>

static struct bounce_pool pool;
static struct vring_split_driver driver;
static struct vring_split_device device;
static struct vring_slot slots[4];
static struct vring_head heads[4];
static uint64_t desc[8] __attribute__((aligned(16))), driver_area[2], device_area[5], meta[1024];
static unsigned char window[16 * 2048] __attribute__((aligned(4096)));

int main(void)
{
    char text[] = "hello, device";
    struct bounce_config window_at_1m = {.window = window, .window_addr = 0x100000, .slots = 16,
        .meta = meta, .meta_size = sizeof meta};
    struct vring_driver_config to_device = {.features = VRING_F_VERSION_1, .size = 4, .desc = desc,
        .driver_area = driver_area, .device_area = device_area, .slots = slots, .slot_count = 4};
    struct vring_region region = {.addr = 0x100000, .size = sizeof window, .host = window};
    struct vring_device_config to_driver = {.features = VRING_F_VERSION_1, .size = 4, .desc = desc,
        .driver_area = driver_area, .device_area = device_area, .heads = heads, .head_count = 4,
        .regions = &region, .region_count = 1};
    struct bounce_request request = {.orig = text, .size = sizeof text, .direction = BOUNCE_BIDIRECTIONAL};
    struct bounce_mapping mapping;
    struct vring_chain chain;
    struct vring_iov iov;
    struct vring_used_buffer used;

    if (bounce_init(&pool, &window_at_1m) ||
        vring_split_driver_init(&driver, &to_device) || vring_split_device_init(&device, &to_driver))
        return 1;

    if (bounce_map(&pool, &request, &mapping)) /* the driver gives */
        return 2;
    struct vring_segment segment = {.addr = mapping.addr, .len = sizeof text};
    if (vring_split_driver_add_avail(&driver, &segment, 0, 1, 42) || vring_split_driver_publish(&driver) != 1)
        return 3;

    if (vring_split_device_get_avail(&device, &iov, 1, &chain)) /* the device takes */
        return 4;
    if (strcmp((char *)iov.base, "hello, device") != 0)
        return 5;
    strcpy((char *)iov.base, "hello, driver");
    if (vring_split_device_add_used(&device, chain.handle, sizeof text) || vring_split_device_publish(&device) != 1)
        return 6;

    if (vring_split_driver_get_used(&driver, &used) || used.token != 42) /* the driver takes it back */
        return 7;
    if (bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, used.len) || strcmp(text, "hello, driver") != 0)
        return 8;
    return 0;
}
