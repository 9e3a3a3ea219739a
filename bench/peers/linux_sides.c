/* SPDX-License-Identifier: MIT */
/*
 * Linux' driver side (virtio_ring.c, split and packed) and device side (vringh.c for memory of the kernel's own,
 * split), called as a driver and a device in the kernel would. The driver publishes avail.idx and vringh used.idx with
 * every buffer; that is their way. Device addresses are those of the process; vringh translates none. Tables are
 * malloc's.
 */
#include "linux_shim.h"

#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/vringh.h>

#include "side.h"

/* In virtio_ring.c, and not in the user-space virtio.h. */
dma_addr_t virtqueue_get_desc_addr(struct virtqueue *vq);
dma_addr_t virtqueue_get_avail_addr(struct virtqueue *vq);
dma_addr_t virtqueue_get_used_addr(struct virtqueue *vq);
bool virtqueue_kick_prepare(struct virtqueue *vq);

/* What the user-space headers want to be there. */
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;
void *__user_addr_min, *__user_addr_max;

/* The shared memory's free part: rings are set up one after the other, and never two at once. */
static unsigned char *free_pages_at, *free_pages_end;

void *bench_linux_pages(size_t size)
{
    unsigned char *pages = free_pages_at;

    free_pages_at += PAGE_ALIGN(size);
    assert(free_pages_at <= free_pages_end);
    return pages;
}

static u64 features_of(const struct ring_config *config)
{
    return 1ull << VIRTIO_F_VERSION_1 | (config->packed ? 1ull << VIRTIO_F_RING_PACKED : 0) |
        (config->event_idx ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0) |
        (config->indirect ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0);
}

/* ------------------------------------------------------------------------------------------------------- driver --- */

struct driver {
    struct virtio_device device;
    struct virtqueue *vq;
    struct scatterlist readable[1], writable[2];
    struct scatterlist *lists[2];
    uintptr_t given, taken;
    bool three;
};

static bool no_doorbell(struct virtqueue *vq)
{
    (void)vq;
    return true;
}

static void no_callback(struct virtqueue *vq)
{
    (void)vq;
}

static void *driver_start(const struct ring_config *config, struct ring_shared *shared)
{
    struct driver *driver;

    if (config->in_order)
        return NULL;
    free_pages_at = shared->base;
    free_pages_end = shared->base + RING_SHARED_SIZE - 4096;
    driver = aligned_alloc(128, (sizeof *driver + 127) / 128 * 128);
    memset(driver, 0, sizeof *driver);
    driver->device.features = features_of(config);
    INIT_LIST_HEAD(&driver->device.vqs);
    spin_lock_init(&driver->device.vqs_list_lock);
    driver->vq = vring_create_virtqueue(0, config->size, 4096, &driver->device, true, false, false, no_doorbell,
                                        no_callback, "bench");
    assert(driver->vq);
    virtqueue_disable_cb(driver->vq);
    shared->desc = phys_to_virt(virtqueue_get_desc_addr(driver->vq));
    shared->driver_area = phys_to_virt(virtqueue_get_avail_addr(driver->vq));
    shared->device_area = phys_to_virt(virtqueue_get_used_addr(driver->vq));
    driver->three = config->chain == 3;
    sg_init_one(driver->readable, shared->data, driver->three ? 16 : 64);
    sg_init_table(driver->writable, 2);
    sg_set_buf(&driver->writable[0], shared->data + 16, 64);
    sg_set_buf(&driver->writable[1], shared->data + 80, 1);
    driver->lists[0] = driver->readable;
    driver->lists[1] = driver->writable;
    return driver;
}

static void driver_stop(void *side)
{
    struct driver *driver = side;

    vring_del_virtqueue(driver->vq);
    free(driver);
}

static __always_inline void driver_give_one(struct driver *driver)
{
    void *token = (void *)++driver->given;
    int error = driver->three ? virtqueue_add_sgs(driver->vq, driver->lists, 1, 1, token, GFP_ATOMIC) :
                                virtqueue_add_outbuf(driver->vq, driver->readable, 1, token, GFP_ATOMIC);
    if (unlikely(error))
        abort();
}

static __attribute__((noinline)) void driver_give_batch(struct driver *driver, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        driver_give_one(driver);
}

static bool driver_give(void *side, uint32_t n)
{
    struct driver *driver = side;

    if (likely(n == 1))
        driver_give_one(driver);
    else
        driver_give_batch(driver, n);
    return virtqueue_kick_prepare(driver->vq);
}

static __always_inline bool driver_take_one(struct driver *driver)
{
    unsigned int len;
    void *token = virtqueue_get_buf(driver->vq, &len);

    if (!token)
        return false;
    if (unlikely((uintptr_t)token != ++driver->taken))
        abort();
    return true;
}

static __attribute__((noinline)) uint32_t driver_take_batch(struct driver *driver, uint32_t n)
{
    uint32_t taken = 0;

    while (taken < n && driver_take_one(driver))
        taken++;
    return taken;
}

static uint32_t driver_take(void *side, uint32_t n)
{
    return likely(n == 1) ? driver_take_one(side) : driver_take_batch(side, n);
}

static bool driver_sleep(void *side)
{
    return !virtqueue_enable_cb(((struct driver *)side)->vq);
}

static void driver_wake(void *side)
{
    virtqueue_disable_cb(((struct driver *)side)->vq);
}

/* ------------------------------------------------------------------------------------------------------- device --- */

struct device_side {
    struct vringh ring;
    struct kvec readable_pieces[RING_MOST_PIECES], writable_pieces[RING_MOST_PIECES];
    struct vringh_kiov readable, writable;
    u32 written, pieces;
};

static void *device_start(const struct ring_config *config, const struct ring_shared *shared)
{
    struct device_side *device;

    if (config->in_order || config->packed)
        return NULL;
    device = aligned_alloc(128, (sizeof *device + 127) / 128 * 128);
    memset(device, 0, sizeof *device);
    device->written = config->chain == 1 ? 0 : 65;
    device->pieces = config->chain;
    vringh_kiov_init(&device->readable, device->readable_pieces, RING_MOST_PIECES);
    vringh_kiov_init(&device->writable, device->writable_pieces, RING_MOST_PIECES);
    if (vringh_init_kern(&device->ring, features_of(config), config->size, true, shared->desc, shared->driver_area,
                         shared->device_area))
        abort();
    vringh_notify_disable_kern(&device->ring);
    return device;
}

static __always_inline bool device_turn_one(struct device_side *device)
{
    u16 head;
    int got = vringh_getdesc_kern(&device->ring, &device->readable, &device->writable, &head, GFP_KERNEL);

    if (got == 0)
        return false;
    if (unlikely(got < 0 || device->readable.used + device->writable.used != device->pieces))
        abort();
    if (unlikely(vringh_complete_kern(&device->ring, head, device->written)))
        abort();
    return true;
}

static __attribute__((noinline)) uint32_t device_turn_batch(struct device_side *device, uint32_t n)
{
    uint32_t done = 0;

    while (done < n && device_turn_one(device))
        done++;
    return done;
}

static uint32_t device_turn(void *side, uint32_t n, bool *notify)
{
    struct device_side *device = side;
    uint32_t done = likely(n == 1) ? device_turn_one(device) : device_turn_batch(device, n);

    if (done > 0)
        *notify = vringh_need_notify_kern(&device->ring) > 0;
    return done;
}

static bool device_sleep(void *side)
{
    return !vringh_notify_enable_kern(&((struct device_side *)side)->ring);
}

static void device_wake(void *side)
{
    vringh_notify_disable_kern(&((struct device_side *)side)->ring);
}

/* --------------------------------------------------------------------------------------------------------- pair --- */

static size_t one_by_one(void *driver, void *device, size_t times)
{
    return ring_take_turns(driver_give, device_turn, driver_take, driver, device, 1, times);
}

static const struct ring_driver driver_calls = {
    "Linux", driver_start, driver_stop, driver_give, driver_take, driver_sleep, driver_wake,
};
static const struct ring_device device_calls = {
    "Linux vringh", device_start, free, device_turn, device_sleep, device_wake, &driver_calls, one_by_one,
};

__attribute__((visibility("default"))) extern const struct ring_sides ring_sides_split, ring_sides_packed;
const struct ring_sides ring_sides_split = {&driver_calls, &device_calls};
const struct ring_sides ring_sides_packed = {&driver_calls, NULL};
