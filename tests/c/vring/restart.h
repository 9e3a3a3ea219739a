/* SPDX-License-Identifier: MIT */
/* A ring in the middle of its work, and where its state and its inflight region go. */
#ifndef RESTART_H
#define RESTART_H

#include "fixture.h"

enum { STATE_MAX = 4096 };

static unsigned char state[STATE_MAX];
static uint64_t region[1024];

/* Both sides of a ring of four entries that is about to wrap, with three buffers published and two of them taken. */
static int busy(struct ring *r, const struct format *format, uint64_t more, bool track, struct vring_chain chains[2])
{
    int error = 0;

    ring_configure(r, 4, format->all | more, index_before_wrap(format, 4, 1));
    if (track) {
        memset(region, 0, sizeof region);
        r->device_config.inflight = region;
        r->device_config.inflight_size = vring_inflight_size(4, (format->all & VRING_F_RING_PACKED) != 0);
    }
    error = vring_driver_init(&r->driver, &r->driver_config);
    if (!error)
        error = vring_device_init(&r->device, &r->device_config);
    for (uint32_t i = 0; !error && i < 3; i++)
        error = ring_add(r, 64 * i, 16 + i, true, 100 + i);
    if (!error && vring_driver_publish(&r->driver) < 0)
        error = -1;
    for (int i = 0; !error && i < 2; i++)
        error = ring_get_avail(r, &chains[i]);
    return error;
}

#endif
