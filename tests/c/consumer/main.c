#include <bounce/bounce.h>
#include <stdio.h>
#include <vring/vring.h>

static VRING_SPLIT_MEMORY(8) ring;      /* shared with the device, like the window that all data bounces through */
static unsigned char window[16 * 2048];
static uint64_t meta[512];              /* private, like slots and heads */
static struct vring_slot slots[8];
static struct vring_head heads[8];

int main(void)
{
    char text[] = "hello, device";
    struct bounce_config at = {.window = window, .window_addr = 0x100000, .slots = 16, .meta = meta, .meta_size = sizeof meta};
    struct vring_region region = {.addr = 0x100000, .size = sizeof window, .host = window};
    struct vring_driver_config ours = {.features = VRING_F_VERSION_1, .size = 8, VRING_AREAS(ring), .slots = slots,
        .slot_count = 8};
    struct vring_device_config theirs = {.features = VRING_F_VERSION_1, .size = 8, VRING_AREAS(ring), .heads = heads,
        .head_count = 8, .regions = &region, .region_count = 1};
    struct bounce_request request = {.orig = text, .size = sizeof text, .direction = BOUNCE_BIDIRECTIONAL};
    struct bounce_pool pool; struct bounce_mapping mapping;
    struct vring_split_driver driver; struct vring_split_device device;
    struct vring_chain chain; struct vring_iov iov; struct vring_used_buffer used;

    if (bounce_init(&pool, &at) || vring_split_driver_init(&driver, &ours) || vring_split_device_init(&device, &theirs) ||
        bounce_map(&pool, &request, &mapping))
        return 1;
    struct vring_segment segment = {.addr = mapping.addr, .len = sizeof text};
    if (vring_split_driver_add_avail(&driver, &segment, 0, 1, 42) || vring_split_driver_publish(&driver) < 0)
        return 2;
    if (vring_split_device_get_avail(&device, &iov, 1, &chain) == 0) /* the other side, some time later */
        vring_split_device_add_used(&device, chain.handle, (uint32_t)snprintf((char *)iov.base, iov.len, "hello, driver"));
    if (vring_split_device_publish(&device) < 0 || vring_split_driver_get_used(&driver, &used) || used.token != 42)
        return 3;
    bounce_unmap(&pool, mapping.handle, BOUNCE_BIDIRECTIONAL, used.len);
    return puts(text) < 0;
}
