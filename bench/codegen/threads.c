/* SPDX-License-Identifier: MIT */
/*
 * A driver and a device on two threads, for a race detector: so many buffers through a ring of eight entries, polling,
 * with notifications turned on and off. The device writes into each buffer, the driver reads it and writes the next.
 *
 * Ring and payload are variables of their own, so that a report says which of the two it is about.
 */
#include <vring/vring.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 8, ADDR = 0x10000 };

_Alignas(64) unsigned char shared_ring[1024];
_Alignas(64) uint64_t shared_payload[SIZE];

static struct vring_driver driver;
static struct vring_device device;
static unsigned long rounds;

static void *device_side(void *unused)
{
    struct vring_chain chain;
    struct vring_iov iov[1];

    (void)unused;
    for (unsigned long done = 0; done < rounds;) {
        if (vring_device_get_avail(&device, iov, 1, &chain) != 0) {
            if (done % 3 == 0)
                vring_device_enable_notify(&device);
            sched_yield();
            continue;
        }
        *(uint64_t *)iov[0].base += 1;
        vring_device_add_used(&device, chain.handle, sizeof(uint64_t));
        vring_device_publish(&device);
        done++;
    }
    return NULL;
}

/* Returns the number of buffers that came back with what the device was to write. */
static unsigned long driver_side(void)
{
    unsigned long sent = 0, good = 0;

    for (unsigned long done = 0; done < rounds;) {
        struct vring_used_buffer used;

        while (sent < rounds && sent < done + SIZE) {
            uint64_t i = sent % SIZE;
            struct vring_segment segment = {.addr = ADDR + i * sizeof(uint64_t), .len = sizeof(uint64_t)};

            shared_payload[i] = sent;
            if (vring_driver_add_avail(&driver, &segment, 0, 1, sent) != 0)
                break;
            sent++;
        }
        vring_driver_publish(&driver);
        if (vring_driver_get_used(&driver, &used) != 0) {
            if (done % 2 == 0)
                vring_driver_enable_notify_delayed(&driver);
            sched_yield();
            continue;
        }
        good += shared_payload[used.token % SIZE] == used.token + 1;
        done++;
    }
    return good;
}

int main(int argc, char **argv)
{
    static struct vring_slot slots[SIZE];
    static struct vring_head heads[SIZE];
    static struct vring_region region = {.addr = ADDR, .size = sizeof shared_payload, .host = shared_payload};
    uint64_t features = VRING_F_VERSION_1 | VRING_F_EVENT_IDX;
    pthread_t other;

    if (argc == 3 && strcmp(argv[1], "packed") == 0)
        features |= VRING_F_RING_PACKED;
    rounds = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (rounds == 0)
        return fprintf(stderr, "usage: %s split|packed ROUNDS\n", argv[0]) > 0 ? 2 : 2;

    struct vring_driver_config ours = {.features = features, .size = SIZE, .desc = shared_ring,
        .driver_area = shared_ring + 256, .device_area = shared_ring + 512, .slots = slots, .slot_count = SIZE};
    struct vring_device_config theirs = {.features = features, .size = SIZE, .desc = shared_ring,
        .driver_area = shared_ring + 256, .device_area = shared_ring + 512, .heads = heads, .head_count = SIZE,
        .regions = &region, .region_count = 1};

    if (vring_driver_init(&driver, &ours) || vring_device_init(&device, &theirs) ||
        pthread_create(&other, NULL, device_side, NULL))
        return 3;
    unsigned long good = driver_side();

    pthread_join(other, NULL);
    printf("%lu of %lu buffers\n", good, rounds);
    return good == rounds ? 0 : 1;
}
