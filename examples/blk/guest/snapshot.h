/* SPDX-License-Identifier: MIT */
/*
 * A ring and a bounce pool as they are now, one JSON line each, in the format that the Python package `vring.inspect`
 * reads and documents. Nothing is changed by looking.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <bounce/bounce.h>
#include <vring/vring.h>

void snapshot_ring(const char *name, const struct vring_split_driver *vq);
void snapshot_pool(const char *name, struct bounce_pool *pool, const struct bounce_config *config);

#endif
