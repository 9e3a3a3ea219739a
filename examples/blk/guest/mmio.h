/* SPDX-License-Identifier: MIT */
/*
 * The virtio-mmio transport (virtio 1.2, 4.2), modern interface only: finding devices, the status handshake (3.1.1),
 * features, one queue, configuration space, doorbell and interrupt status.
 */
#ifndef MMIO_H
#define MMIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a queue lies, in the terms of virtio 1: of either format. */
struct mmio_queue {
    uint32_t size; /* entries */
    void *desc, *driver_area, *device_area;
    size_t desc_size, driver_size, device_size; /* bytes */
};

struct mmio {
    volatile uint32_t *registers;
    int transport;     /* its number on the board */
    uint64_t features; /* as negotiated */
};

enum {
    MMIO_INTERRUPT_USED = 1,   /* the device has used buffers */
    MMIO_INTERRUPT_CONFIG = 2  /* its configuration or status has changed */
};

/*
 * Look at one transport of the board: the device type there (5), or 0 for an empty one. Fails the guest on a device
 * of the given type that offers the legacy interface alone.
 */
uint32_t mmio_find(struct mmio *mmio, int transport, uint32_t type);

/*
 * Reset the device, acknowledge it, and agree on the features: those of device_bits (0 to 23) that it offers, and of
 * the ring features what the library can carry out.
 */
void mmio_negotiate(struct mmio *mmio, uint64_t device_bits);

/* Entries that the device allows for a queue. */
uint32_t mmio_queue_limit(struct mmio *mmio, uint32_t queue);

/* Tell the device where the areas of a queue are, and that the queue is ready. */
void mmio_start_queue(struct mmio *mmio, uint32_t number, const struct mmio_queue *queue);

/* Tell the device that the driver is ready. */
void mmio_start(struct mmio *mmio);

/* Stop the device; when this returns, it touches no memory any more. Waits for requests that it is still working on. */
void mmio_stop(struct mmio *mmio);

/* A 64-bit field of the configuration space, read in one piece (2.5.1). */
uint64_t mmio_config64(struct mmio *mmio, unsigned offset);

void mmio_notify(struct mmio *mmio, uint32_t notification);

/* Acknowledge the device's interrupt and say what it was: MMIO_INTERRUPT_ bits. */
uint32_t mmio_acknowledge(struct mmio *mmio);

/* Whether the device has met an error from which only a reset recovers (2.1.2). */
bool mmio_needs_reset(struct mmio *mmio);

#endif
