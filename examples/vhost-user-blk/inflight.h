/* SPDX-License-Identifier: MIT */
/*
 * What a front-end keeps for us while we may be killed: a file in which libvring notes the requests that are under way,
 * one part for each queue. We make it when asked (GET_INFLIGHT_FD), and are given it back by every later connection
 * (SET_INFLIGHT_FD), by ourselves or by the next daemon.
 */
#ifndef INFLIGHT_H
#define INFLIGHT_H

#include "mapping.h"
#include "protocol.h"

/* The region as it was given to us. Zero: there is none. */
struct inflight {
    struct mapping mapping;
    uint64_t size; /* bytes */
    uint16_t queues;
    uint16_t queue_size;
};

/*
 * Make a region of zeros for as many queues of that size as was asked for, and say in *region how large it is. Null if
 * that went well, and *fd is then the caller's to close; otherwise why not, in static storage.
 */
const char *inflight_create(struct protocol_inflight *region, bool packed, int *fd);

/* Map a region that was given back. fd stays the caller's. Null, or why not; inflight is then as it was. */
const char *inflight_map(struct inflight *inflight, const struct protocol_inflight *region, int fd, bool packed);

void inflight_unmap(struct inflight *inflight);

/*
 * The part of a queue, and its size; null if there is no region, or none that has this queue in it: the format may be another
 * than when the region was given, and its parts are larger then.
 */
void *inflight_part(const struct inflight *inflight, unsigned queue, bool packed, size_t *size);

#endif
