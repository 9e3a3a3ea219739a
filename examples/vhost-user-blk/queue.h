/* SPDX-License-Identifier: MIT */
/*
 * One queue: what the front-end says of it, and while it runs one vring_device, which does all that concerns the ring.
 *
 * A queue starts once its size, its addresses and its kick are known and it is enabled, and looks at its ring at once:
 * a kick may have been sent to a daemon that is no more. It stops when its position is asked for (GET_VRING_BASE).
 * Requests are carried out one after the other before anything else happens, so that none is under way between two
 * messages.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <vring/device.h>

#include "blk.h"
#include "memory.h"

struct queue {
    /* the front-end's; constant while the queue runs, but for the descriptors and enabled */
    uint32_t size; /* 0: not said */
    uint32_t base; /* as vhost-user has it. Split: index. Packed: places, avail | used << 16, wrap counters in bit 15 */
    struct protocol_vring_addr addr;
    bool has_addr;
    bool enabled;
    int kick, call, err; /* eventfds; -1: none */
    /* ours */
    bool running;
    bool broken;         /* by the driver: stands still until it stops */
    bool waiting;        /* there may be requests that we have not looked at */
    unsigned idle_kicks; /* in a row, that came with no request */
    int64_t deaf_until;  /* after too many of them: milliseconds of the monotonic clock */
    uint16_t generation;
    bool writes_through; /* the driver did not take BLK_F_FLUSH */
    struct vring_device ring;
    struct vring_head *heads;
    struct vring_iov *iov;
    uint32_t n_iov;
};

/* An empty queue, with no descriptors. */
void queue_init(struct queue *queue);

/* Stop it, close its descriptors, forget what it was told. */
void queue_fini(struct queue *queue);

/* Is all known that it takes to start? */
bool queue_is_ready(const struct queue *queue);

/*
 * Start a queue that is ready.
 *
 * features        as negotiated
 * memory          must stay until the queue stops
 * inflight, size  its part of the inflight region, which must stay, too; null if there is none. If it says that
 *                 requests were under way when a daemon ended, they are carried out first.
 *
 * Null if that went well; otherwise it does not run, and the answer says why, in static storage.
 */
const char *queue_start(struct queue *queue, uint64_t features, struct memory *memory, void *inflight, size_t size);

/* Stop it: base is then where it would go on. Harmless if it does not run. */
void queue_stop(struct queue *queue);

/* A descriptor of the queue: close the old one, keep the new one. */
void queue_set_fd(int *which, int fd);

/*
 * Whether to wait for the kick. Not for a millisecond if it came over and over with no request: an eventfd can be made
 * to be readable for ever.
 */
bool queue_listens(const struct queue *queue);

/* The kick is readable. False if it cannot be read, and then it is closed. */
bool queue_take_kick(struct queue *queue);

/* If it runs, carry out what waits, and at most as many requests as the ring has entries. */
void queue_run(struct queue *queue, const struct blk *blk);

#endif
