/* SPDX-License-Identifier: MIT */
/*
 * A virtio-blk driver (virtio 1.2, 5.2) as a confidential guest wants it: every byte that the device reads or writes
 * lies in the bounce window, every list that it walks in the shared ring areas, and each address is checked against
 * both before the device is told of it. Requests complete in any order.
 */
#ifndef BLK_H
#define BLK_H

#include <bounced/bounced.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmio.h"

enum {
    BLK_SECTOR = 512,
    BLK_QUEUE_SIZE = 64,
    BLK_REQUESTS = BLK_QUEUE_SIZE, /* in flight at most: an indirect one takes one entry of the ring */
    BLK_PIECES = 3 /* of a request: header, data, status */
};

/* Request types (5.2.6) */
enum blk_type {
    BLK_READ = 0,
    BLK_WRITE = 1,
    BLK_FLUSH = 4
};

/* What precedes the data on the wire, little-endian (5.2.6). */
struct blk_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

/* One request, in private memory. */
struct blk_request {
    struct blk_header header; /* the device sees copies of these two, in the window */
    uint8_t status;
    enum blk_type type;
    uint64_t sector;
    size_t len;
    uint32_t tag; /* the caller's */
    struct blk_request *next_free;
};

/* What went on, for the report. */
struct blk_counts {
    uint64_t requests;      /* carried out */
    uint64_t direct;        /* of them, listed in the ring */
    uint64_t indirect;      /* of them, listed in a table */
    uint64_t read;          /* bytes */
    uint64_t written;
    uint64_t publishes;     /* batches made visible */
    uint64_t notifications; /* of them, those that the device asked to be told of */
    uint64_t interrupts;    /* used buffer notifications received */
    uint64_t ring_full;     /* times that a request had to wait for room */
    uint64_t pool_full;
    uint64_t most_in_flight;
};

struct blk {
    const char *name;
    struct mmio mmio;
    struct mmio_queue ring; /* split or packed, as the device has it */
    struct bounced_driver bounced;
    struct vring_slot slots[BLK_QUEUE_SIZE];
    struct bounced_buffer buffers[BLK_QUEUE_SIZE];
    struct bounced_piece pieces[BLK_REQUESTS * BLK_PIECES];
    struct vring_segment segments[BLK_PIECES];
    struct blk_request requests[BLK_REQUESTS];
    struct blk_request *free;
    uint64_t capacity; /* sectors */
    bool read_only;
    bool has_cache; /* knows BLK_FLUSH */
    uint32_t staged;   /* requests not yet published */
    struct blk_counts counts;
};

/* A request that the device has carried out. */
struct blk_done {
    enum blk_type type;
    uint32_t tag;
};

/* Bring up the device that mmio_find() found. The pool is for its requests and may be shared with other disks. */
void blk_start(struct blk *blk, const char *name, struct bounce_pool *pool);

/* Reset the device. Nothing may be in flight. */
void blk_stop(struct blk *blk);

/*
 * Stage a request; the device does not see it before blk_publish(). The data are len bytes (a multiple of 512; 0 for
 * BLK_FLUSH) at buffer, the caller's private memory, borrowed until the request is done.
 * Returns false, and nothing has happened, if the ring or the pool has no room now.
 */
bool blk_submit(struct blk *blk, enum blk_type type, uint64_t sector, void *buffer, size_t len, uint32_t tag);

/* Make everything staged visible to the device. Returns whether the device asked to be notified of that. */
bool blk_publish(struct blk *blk);

/* Notify the device. It may be late, but must come if blk_publish() asked for it. */
void blk_notify(struct blk *blk);

/* Take back one request that the device has carried out. Returns false if there is none; fails the guest on error. */
bool blk_take_done(struct blk *blk, struct blk_done *done);

/* Requests submitted and not yet taken back. */
uint32_t blk_in_flight(const struct blk *blk);

/*
 * Sleep until one of the disks has carried out a request, or the clock has reached deadline. Returns false at the
 * deadline.
 */
bool blk_sleep(struct blk *disks, unsigned count, uint64_t deadline);

#endif
