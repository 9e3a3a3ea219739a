/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user front-end that hands memory and rings to a back-end and then leaves it alone: nobody is notified in
 * either direction. Messages are laid out by ../../examples/vhost-user-blk/protocol.h.
 */
#ifndef BENCH_VHOST_USER_FRONT_H
#define BENCH_VHOST_USER_FRONT_H

#include <stddef.h>
#include <stdint.h>

/* Memory that is a file's, from its beginning; a guest's address in it is that of this process. */
struct front_memory {
    void *base;
    size_t size;
    int file;
};

struct front_ring {
    uint16_t size;
    uint16_t position; /* where the device begins: 0 in a split ring, 0x8000 in a packed one */
    void *desc, *driver_area, *device_area;
};

/*
 * Connects to the socket at path and sets the rings up, the first as queue 0. Returns the connection, which to close is
 * to stop the device; or -1 with errno, ECONNRESET if the back-end did not want them.
 */
int front_connect(const char *path, uint64_t features, const struct front_memory *memory, unsigned n_memory,
                  const struct front_ring *rings, unsigned n_rings);

#endif
