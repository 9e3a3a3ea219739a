/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* preadv, flock, le64toh, IOV_MAX */
#include "blk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include "complain.h"

_Static_assert(sizeof(struct vring_iov) == sizeof(struct iovec) &&
                   offsetof(struct vring_iov, base) == offsetof(struct iovec, iov_base) &&
                   offsetof(struct vring_iov, len) == offsetof(struct iovec, iov_len),
               "libvring's pieces are those of readv()");

enum type {
    TYPE_IN = 0, /* from the disk */
    TYPE_OUT = 1,
    TYPE_FLUSH = 4,
    TYPE_GET_ID = 8
};

enum status {
    STATUS_OK = 0,
    STATUS_IOERR = 1,
    STATUS_UNSUPP = 2
};

/* What precedes the data. */
struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

/* The configuration space as far as we have something to say. */
struct config {
    uint64_t capacity;
    uint32_t size_max;
    uint32_t seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused;
    uint16_t num_queues;
    uint32_t padding;
};

_Static_assert(sizeof(struct header) == 16, "virtio-blk: the header of a request");
_Static_assert(offsetof(struct config, num_queues) == 34, "virtio-blk: the configuration space");

/* --------------------------------------------------------------------------------------------------- the image --- */

bool blk_open(struct blk *blk, const char *path, bool read_only)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    off_t size;

    *blk = (struct blk){.read_only = read_only};
    memcpy(blk->id, name, strnlen(name, sizeof blk->id)); /* zeros behind it, unless it fills them */
    blk->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (blk->fd < 0) {
        complain("image", "%s: %s", path, strerror(errno));
        return false;
    }
    if (flock(blk->fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
        complain("image", "%s: in use by another daemon", path);
        return false;
    }
    size = lseek(blk->fd, 0, SEEK_END);
    if (size < BLK_SECTOR) {
        complain("image", "%s: not as much as one sector of %d bytes", path, BLK_SECTOR);
        return false;
    }
    if (size % BLK_SECTOR != 0)
        complain("image", "%s: the last %d bytes are no whole sector, and left out", path, (int)(size % BLK_SECTOR));
    blk->sectors = (uint64_t)size / BLK_SECTOR;
    return true;
}

uint64_t blk_features(const struct blk *blk)
{
    return BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_MQ | (blk->read_only ? BLK_F_RO : 0);
}

void blk_config(const struct blk *blk, uint16_t queues, uint32_t offset, unsigned char *to, uint32_t size)
{
    struct config config = {
        .capacity = htole64(blk->sectors),
        .seg_max = htole32(BLK_SEG_MAX),
        .blk_size = htole32(BLK_SECTOR),
        .num_queues = htole16(queues),
    };

    for (uint32_t i = 0; i < size; i++)
        to[i] = (uint64_t)offset + i < sizeof config ? ((unsigned char *)&config)[offset + i] : 0;
}

/* ------------------------------------------------------------------------------------------------------ pieces --- */

/* A run of bytes in pieces, consumed from its start. The first piece is not empty while there are bytes. */
struct pieces {
    struct vring_iov *iov;
    uint32_t count;
    uint64_t bytes;
};

/* Drop n bytes, and empty pieces behind them. */
static void pieces_skip(struct pieces *pieces, uint64_t n)
{
    pieces->bytes -= n;
    while (pieces->count > 0 && n >= pieces->iov->len) {
        n -= pieces->iov->len;
        pieces->iov++;
        pieces->count--;
    }
    if (n > 0) {
        pieces->iov->base = (unsigned char *)pieces->iov->base + n;
        pieces->iov->len -= (size_t)n;
    }
}

/* Take n bytes off the start, once each: the driver may rewrite them meanwhile. There are as many. */
static void pieces_read(struct pieces *pieces, void *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t part = n - done < pieces->iov->len ? n - done : pieces->iov->len;

        memcpy((unsigned char *)to + done, pieces->iov->base, part);
        pieces_skip(pieces, part);
        done += part;
    }
}

/* Write n bytes to the start: from, or zeros where from is null. There is room for as many. */
static void pieces_write(struct pieces *pieces, const void *from, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        size_t part = n - done < pieces->iov->len ? (size_t)(n - done) : pieces->iov->len;

        if (from)
            memcpy(pieces->iov->base, (const unsigned char *)from + done, part);
        else
            memset(pieces->iov->base, 0, part);
        pieces_skip(pieces, part);
        done += part;
    }
}

/* Cut off the last byte. There is one. */
static unsigned char *pieces_cut_last(struct pieces *pieces)
{
    struct vring_iov *last = &pieces->iov[pieces->count - 1];

    while (last->len == 0) {
        last--;
        pieces->count--;
    }
    last->len--;
    pieces->bytes--;
    return (unsigned char *)last->base + last->len;
}

/* Move all bytes between the pieces and the image. False on an error, with some of them moved. */
static bool pieces_transfer(struct pieces *pieces, int fd, uint64_t offset,
                            ssize_t (*move)(int fd, const struct iovec *iov, int count, off_t offset))
{
    while (pieces->bytes > 0) {
        int count = pieces->count < IOV_MAX ? (int)pieces->count : IOV_MAX;
        ssize_t n = move(fd, (const struct iovec *)(const void *)pieces->iov, count, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            complain("image", "%s at byte %llu: %s", move == preadv ? "read" : "write", (unsigned long long)offset,
                     n < 0 ? strerror(errno) : "the file has become shorter");
            return false;
        }
        pieces_skip(pieces, (uint64_t)n);
        offset += (uint64_t)n;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- requests --- */

static bool on_disk(const struct blk *blk, uint64_t sector, uint64_t bytes)
{
    return bytes % BLK_SECTOR == 0 && sector <= blk->sectors && bytes / BLK_SECTOR <= blk->sectors - sector;
}

static enum status read_sectors(const struct blk *blk, uint64_t sector, struct pieces *to)
{
    if (!on_disk(blk, sector, to->bytes))
        return STATUS_IOERR;
    return pieces_transfer(to, blk->fd, sector * BLK_SECTOR, preadv) ? STATUS_OK : STATUS_IOERR;
}

static enum status flush(const struct blk *blk)
{
    return fdatasync(blk->fd) == 0 ? STATUS_OK : STATUS_IOERR;
}

static enum status write_sectors(const struct blk *blk, uint64_t sector, struct pieces *from, bool writes_through)
{
    if (blk->read_only || !on_disk(blk, sector, from->bytes))
        return STATUS_IOERR;
    if (!pieces_transfer(from, blk->fd, sector * BLK_SECTOR, pwritev))
        return STATUS_IOERR;
    return writes_through ? flush(blk) : STATUS_OK;
}

static enum status get_id(const struct blk *blk, struct pieces *to)
{
    pieces_write(to, blk->id, to->bytes < BLK_ID_SIZE ? to->bytes : BLK_ID_SIZE);
    return STATUS_OK;
}

static enum status carry_out(const struct blk *blk, struct pieces *in, struct pieces *out, bool writes_through)
{
    struct header header;

    if (in->bytes < sizeof header)
        return STATUS_IOERR;
    pieces_read(in, &header, sizeof header);
    switch (le32toh(header.type)) {
    case TYPE_IN:
        return read_sectors(blk, le64toh(header.sector), out);
    case TYPE_OUT:
        return write_sectors(blk, le64toh(header.sector), in, writes_through);
    case TYPE_FLUSH:
        return flush(blk);
    case TYPE_GET_ID:
        return get_id(blk, out);
    default:
        return STATUS_UNSUPP;
    }
}

uint32_t blk_request(const struct blk *blk, struct vring_iov *iov, const struct vring_chain *chain,
                     bool writes_through)
{
    struct pieces in = {iov, chain->n_readable, chain->readable};
    struct pieces out = {iov + chain->n_readable, chain->n_writable, chain->writable};
    unsigned char *status;

    if (out.bytes == 0)
        return 0;
    status = pieces_cut_last(&out);
    pieces_skip(&in, 0);
    pieces_skip(&out, 0);
    *status = (unsigned char)carry_out(blk, &in, &out, writes_through);
    pieces_write(&out, NULL, out.bytes);
    return chain->writable > UINT32_MAX ? UINT32_MAX : (uint32_t)chain->writable;
}
