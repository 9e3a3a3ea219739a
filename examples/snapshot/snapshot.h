/* SPDX-License-Identifier: MIT */
/*
 * A ring and a bounce pool as they are now, one line of JSON each, in the format that `python -m vring inspect` shows
 * and docs/inspect.md documents: for firmware with a console, or a debugger that calls functions. Freestanding; take
 * these files and json.[ch] along. Nothing is changed by looking.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <bounce/bounce.h>
#include <vring/device.h>
#include <vring/driver.h>

#include "json.h"

/* Memory that both sides see, as "shared" in the line. What indirect tables hold is shown if they lie in it. */
struct snapshot_memory {
    const char *name;
    uint64_t addr; /* for the device */
    uint64_t size;
    const void *host; /* for this side */
};

/*
 * Write a ring of either format, as its driver sees it. memory has count parts, or is null with count 0.
 * Returns 0, or with nothing written what vring_driver_snapshot() answers.
 */
int snapshot_ring(struct json *j, const char *name, const struct vring_driver *vq, const struct snapshot_memory *memory,
                  unsigned count);

/* The same as its device sees it: of tables, those of the buffers that it holds. vring_device_snapshot() answers. */
int snapshot_device_ring(struct json *j, const char *name, const struct vring_device *vq,
                         const struct snapshot_memory *memory, unsigned count);

/*
 * Write a pool, which was made from config.
 * Returns 0, or with nothing written what bounce_usage() answers.
 */
int snapshot_pool(struct json *j, const char *name, struct bounce_pool *pool, const struct bounce_config *config);

#endif
