/* SPDX-License-Identifier: MIT */
/*
 * Read a disk from its first sector to its last with many requests in flight, hash what was read in order, and, if
 * asked, write it to a second disk as soon as it is hashed.
 */
#ifndef COPY_H
#define COPY_H

#include "blk.h"

enum {
    COPY_DEPTH_MAX = 32,   /* chunks under way at most */
    COPY_CHUNK = 64 * 1024 /* bytes of a chunk */
};

struct copy_job {
    const char *name;
    struct blk *disks;   /* all disks there are, for waiting */
    unsigned disk_count;
    struct blk *from;
    struct blk *to;      /* or NULL: read and hash alone */
    uint64_t bytes;      /* to hash, from the start; the last sector is read whole, and written whole */
    unsigned depth;      /* chunks under way at most: 1 to COPY_DEPTH_MAX */
    uint64_t patience;   /* clock ticks without any answer after which a disk counts as dead */
    void (*look)(const struct copy_job *job); /* called once, half way, with requests in all states; or NULL */
};

/* Writes the digest as text. Fails the guest on any error. */
void copy(const struct copy_job *job, char digest[65]);

/* Carry out one flush, alone. */
void copy_flush(const struct copy_job *job, struct blk *disk);

#endif
