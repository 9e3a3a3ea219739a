/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk over a file (virtio 1.2, 5.2): requests, and the configuration space.
 */
#ifndef BLK_H
#define BLK_H

#include <vring/types.h>

enum {
    BLK_SECTOR = 512,
    BLK_ID_SIZE = 20,
    BLK_SEG_MAX = 126 /* pieces of data in one request: with header and status, a chain of 128 */
};

/* Feature bits of the device type (5.2.3). */
#define BLK_F_SEG_MAX  (UINT64_C(1) << 2)
#define BLK_F_RO       (UINT64_C(1) << 5)
#define BLK_F_BLK_SIZE (UINT64_C(1) << 6)
#define BLK_F_FLUSH    (UINT64_C(1) << 9)
#define BLK_F_MQ       (UINT64_C(1) << 12)

/* An open image. */
struct blk {
    int fd;
    bool read_only;
    uint64_t sectors; /* whole ones */
    char id[BLK_ID_SIZE];
};

/* Open an image, locked against another daemon. False if that failed; the user has been told why. */
bool blk_open(struct blk *blk, const char *path, bool read_only);

/* The feature bits of the device type to offer. */
uint64_t blk_features(const struct blk *blk);

/* Bytes offset to offset + size of the configuration space (5.2.4); zeros beyond its end. */
void blk_config(const struct blk *blk, uint16_t queues, uint32_t offset, unsigned char *to, uint32_t size);

/*
 * Carry out one request (5.2.6), however it is cut into pieces.
 *
 * iov, chain     as libvring gave them; the array is consumed
 * writes_through the driver cannot flush: a write is on the disk before it is answered
 *
 * Returns how many bytes were written, from the first device-writable byte on: what add_used() is to be told. That is
 * all of them, zeros where there was nothing to say, or 0 if there is no place for a status.
 */
uint32_t blk_request(const struct blk *blk, struct vring_iov *iov, const struct vring_chain *chain,
                     bool writes_through);

#endif
