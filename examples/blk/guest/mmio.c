/* SPDX-License-Identifier: MIT */
#include "mmio.h"

#include <vring/vring.h>

#include "board.h"
#include "report.h"
#include "shared.h"

/* Registers (4.2.2), as indices of 32-bit words. */
enum {
    MAGIC = 0x000 / 4,
    VERSION = 0x004 / 4,
    DEVICE_TYPE = 0x008 / 4,
    DEVICE_FEATURES = 0x010 / 4,
    DEVICE_FEATURES_SEL = 0x014 / 4,
    DRIVER_FEATURES = 0x020 / 4,
    DRIVER_FEATURES_SEL = 0x024 / 4,
    QUEUE_SEL = 0x030 / 4,
    QUEUE_NUM_MAX = 0x034 / 4,
    QUEUE_NUM = 0x038 / 4,
    QUEUE_READY = 0x044 / 4,
    QUEUE_NOTIFY = 0x050 / 4,
    INTERRUPT_STATUS = 0x060 / 4,
    INTERRUPT_ACK = 0x064 / 4,
    STATUS = 0x070 / 4,
    QUEUE_DESC = 0x080 / 4, /* low half; the high half follows, here and below */
    QUEUE_DRIVER = 0x090 / 4,
    QUEUE_DEVICE = 0x0a0 / 4,
    CONFIG_GENERATION = 0x0fc / 4,
    CONFIG = 0x100 / 4
};

enum {
    MAGIC_VALUE = 0x74726976, /* "virt" */
    VERSION_LEGACY = 1,
    VERSION_MODERN = 2
};

/* Device status (2.1) */
enum {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64,
    STATUS_FAILED = 128
};

#define DEVICE_TYPE_BITS UINT64_C(0x0000000000ffffff) /* 0 to 23 (2.2) */
#define RING_BITS        UINT64_C(0x0003ffffff000000) /* 24 to 49 */
#define NOT_OVER_MMIO    VRING_F_NOTIF_CONFIG_DATA    /* this transport has no field for it */

uint32_t mmio_find(struct mmio *mmio, int transport, uint32_t type)
{
    volatile uint32_t *r = (volatile uint32_t *)(board.mmio_base + (size_t)transport * board.mmio_stride);

    mmio->registers = r;
    mmio->transport = transport;
    mmio->features = 0;
    if (r[MAGIC] != MAGIC_VALUE)
        return 0;
    if (r[DEVICE_TYPE] == type && r[VERSION] == VERSION_LEGACY)
        fail(FAILED_LEGACY,
             "transport %d has a legacy virtio device (version 1); this driver speaks virtio 1 only: "
             "pass -global virtio-mmio.force-legacy=false to QEMU",
             transport);
    return r[VERSION] == VERSION_MODERN ? r[DEVICE_TYPE] : 0;
}

static void add_status(struct mmio *mmio, uint32_t bit)
{
    mmio->registers[STATUS] |= bit;
}

static uint64_t offered_features(struct mmio *mmio)
{
    volatile uint32_t *r = mmio->registers;
    uint32_t low, high;

    r[DEVICE_FEATURES_SEL] = 0;
    low = r[DEVICE_FEATURES];
    r[DEVICE_FEATURES_SEL] = 1;
    high = r[DEVICE_FEATURES];
    return (uint64_t)high << 32 | low;
}

void mmio_negotiate(struct mmio *mmio, uint64_t device_bits)
{
    volatile uint32_t *r = mmio->registers;
    uint64_t offered;

    mmio_stop(mmio);
    add_status(mmio, STATUS_ACKNOWLEDGE);
    add_status(mmio, STATUS_DRIVER);

    offered = offered_features(mmio);
    mmio->features =
        vring_features_accept(0, offered & ((device_bits & DEVICE_TYPE_BITS) | (RING_BITS & ~NOT_OVER_MMIO)));
    if (!(mmio->features & VRING_F_VERSION_1))
        fail(FAILED_FEATURES, "transport %d: the device does not offer VERSION_1 (features 0x%lx)", mmio->transport,
             (unsigned long)offered);
    r[DRIVER_FEATURES_SEL] = 0;
    r[DRIVER_FEATURES] = (uint32_t)mmio->features;
    r[DRIVER_FEATURES_SEL] = 1;
    r[DRIVER_FEATURES] = (uint32_t)(mmio->features >> 32);

    add_status(mmio, STATUS_FEATURES_OK);
    if (!(r[STATUS] & STATUS_FEATURES_OK)) {
        add_status(mmio, STATUS_FAILED);
        fail(FAILED_FEATURES, "transport %d: the device offers features 0x%lx but refuses 0x%lx of them",
             mmio->transport, (unsigned long)offered, (unsigned long)mmio->features);
    }
}

uint32_t mmio_queue_limit(struct mmio *mmio, uint32_t queue)
{
    mmio->registers[QUEUE_SEL] = queue;
    return mmio->registers[QUEUE_NUM_MAX];
}

static void set_area(struct mmio *mmio, unsigned at, const void *area, size_t size, const char *what)
{
    uint64_t addr = shared_address(area);

    shared_require(addr, size, what);
    mmio->registers[at] = (uint32_t)addr;
    mmio->registers[at + 1] = (uint32_t)(addr >> 32);
}

void mmio_start_queue(struct mmio *mmio, uint32_t number, const struct mmio_queue *queue)
{
    mmio->registers[QUEUE_SEL] = number;
    if (mmio->registers[QUEUE_READY] != 0)
        fail(FAILED_QUEUE, "transport %d: queue %lu is in use already", mmio->transport, (unsigned long)number);
    mmio->registers[QUEUE_NUM] = queue->size;
    set_area(mmio, QUEUE_DESC, queue->desc, queue->desc_size, "descriptor area");
    set_area(mmio, QUEUE_DRIVER, queue->driver_area, queue->driver_size, "driver area");
    set_area(mmio, QUEUE_DEVICE, queue->device_area, queue->device_size, "device area");
    board_memory_before_doorbell();
    mmio->registers[QUEUE_READY] = 1;
}

void mmio_start(struct mmio *mmio)
{
    add_status(mmio, STATUS_DRIVER_OK);
}

void mmio_stop(struct mmio *mmio)
{
    uint64_t deadline = board_clock() + 2 * board.clock_hz;

    mmio->registers[STATUS] = 0;
    while (mmio->registers[STATUS] != 0)
        if (board_clock() > deadline)
            fail(FAILED_TIMEOUT, "transport %d: the device does not finish its reset", mmio->transport);
}

uint64_t mmio_config64(struct mmio *mmio, unsigned offset)
{
    volatile uint32_t *r = mmio->registers;

    for (unsigned tries = 0; tries < 1000; tries++) {
        uint32_t before = r[CONFIG_GENERATION];
        uint32_t low = r[CONFIG + offset / 4];
        uint32_t high = r[CONFIG + offset / 4 + 1];

        if (r[CONFIG_GENERATION] == before)
            return (uint64_t)high << 32 | low;
    }
    fail(FAILED_TIMEOUT, "transport %d: the configuration does not hold still", mmio->transport);
}

void mmio_notify(struct mmio *mmio, uint32_t notification)
{
    board_memory_before_doorbell();
    mmio->registers[QUEUE_NOTIFY] = notification;
}

uint32_t mmio_acknowledge(struct mmio *mmio)
{
    uint32_t why = mmio->registers[INTERRUPT_STATUS];

    mmio->registers[INTERRUPT_ACK] = why;
    return why;
}

bool mmio_needs_reset(struct mmio *mmio)
{
    return (mmio->registers[STATUS] & STATUS_NEEDS_RESET) != 0;
}
