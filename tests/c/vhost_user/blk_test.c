/* SPDX-License-Identifier: MIT */
/* The example's virtio-blk: a request means the same however it is cut into pieces. */
#define _GNU_SOURCE
#include "../../../examples/vhost-user-blk/blk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vtest.h"

enum {
    SECTORS = 8,
    PIECES = 3000
};

struct rig {
    struct blk blk;
    struct vring_iov iov[PIECES];
    struct vring_chain chain;
    unsigned char bytes[16 + SECTORS * BLK_SECTOR + 1]; /* the request as it would lie in one piece */
};

/* A disk whose sector n is full of the byte n + 1. */
static struct rig *rig_open(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    char path[] = "/tmp/blk_test.XXXXXX";
    unsigned char sector[BLK_SECTOR];
    int fd = mkstemp(path);

    for (int i = 0; i < SECTORS; i++) {
        memset(sector, i + 1, sizeof sector);
        (void)!write(fd, sector, sizeof sector);
    }
    close(fd);
    if (!rig || !blk_open(&rig->blk, path, false))
        abort();
    unlink(path);
    return rig;
}

static void rig_close(struct rig *rig)
{
    close(rig->blk.fd);
    free(rig);
}

/* Little-endian, by hand. */
static void rig_header(struct rig *rig, uint32_t type, uint64_t sector)
{
    memset(rig->bytes, 0, 16);
    for (unsigned i = 0; i < 4; i++)
        rig->bytes[i] = (unsigned char)(type >> 8 * i);
    for (unsigned i = 0; i < 8; i++)
        rig->bytes[8 + i] = (unsigned char)(sector >> 8 * i);
}

/* Append pieces that hold length bytes from at on: an empty one, then size bytes each. Returns how many they are. */
static uint32_t rig_cut(struct rig *rig, uint32_t first, size_t at, size_t length, size_t size)
{
    uint32_t n = first;

    rig->iov[n++] = (struct vring_iov){NULL, 0};
    for (size_t done = 0; done < length; done += size)
        rig->iov[n++] = (struct vring_iov){rig->bytes + at + done, length - done < size ? length - done : size};
    rig->iov[n++] = (struct vring_iov){NULL, 0};
    return n - first;
}

/* Run a request of readable bytes and then writable ones, each cut into pieces of that size. */
static uint32_t rig_run(struct rig *rig, size_t readable, size_t writable, size_t size)
{
    uint32_t n = rig_cut(rig, 0, 0, readable, size);

    rig->chain = (struct vring_chain){
        .n_readable = n,
        .n_writable = rig_cut(rig, n, readable, writable, size),
        .readable = readable,
        .writable = writable,
    };
    return blk_request(&rig->blk, rig->iov, &rig->chain, true);
}

TEST(C061b_a_read_cut_at_every_size)
{
    struct rig *rig = rig_open();

    for (size_t size = 1; size < 1100; size += size < 40 ? 1 : 97) {
        rig_header(rig, 0, 2);
        memset(rig->bytes + 16, 0xee, 1025);
        CHECK_EQ(rig_run(rig, 16, 1025, size), 1025);
        for (unsigned i = 0; i < 1024; i++)
            CHECK_EQ(rig->bytes[16 + i], i < 512 ? 3 : 4);
        CHECK_EQ(rig->bytes[16 + 1024], 0);
    }
    rig_close(rig);
}

TEST(C061b_a_write_cut_at_every_size)
{
    struct rig *rig = rig_open();
    unsigned char now[BLK_SECTOR];

    for (size_t size = 1; size < 600; size += size < 40 ? 1 : 97) {
        rig_header(rig, 1, 5);
        memset(rig->bytes + 16, (int)size & 0xff, 512);
        rig->bytes[528] = 0xee;
        CHECK_EQ(rig_run(rig, 528, 1, size), 1);
        CHECK_EQ(rig->bytes[528], 0);
        CHECK_EQ(pread(rig->blk.fd, now, sizeof now, 5 * 512), sizeof now);
        for (unsigned i = 0; i < sizeof now; i++)
            CHECK_EQ(now[i], size & 0xff);
    }
    rig_close(rig);
}

TEST(a_write_beyond_the_end_does_not_make_the_image_longer)
{
    static const uint64_t sectors[] = {SECTORS, SECTORS + 1, 1u << 20, UINT64_C(1) << 55, UINT64_MAX};
    struct rig *rig = rig_open();

    for (unsigned i = 0; i < sizeof sectors / sizeof sectors[0]; i++) {
        rig_header(rig, 1, sectors[i]);
        CHECK_EQ(rig_run(rig, 528, 1, 100), 1);
        CHECK_EQ(rig->bytes[528], 1);
        CHECK_EQ(lseek(rig->blk.fd, 0, SEEK_END), SECTORS * BLK_SECTOR);
    }
    rig_close(rig);
}

TEST(C061b_C066_a_header_of_any_length_and_answers_of_any_room)
{
    struct rig *rig = rig_open();

    for (size_t readable = 0; readable <= 16; readable++) {
        for (size_t writable = 0; writable < 600; writable += 7) {
            bool whole = readable == 16, sectors = writable == 1 || writable == 513;

            rig_header(rig, 0, 0);
            memset(rig->bytes + readable, 0xee, 600);
            CHECK_EQ(rig_run(rig, readable, writable, 3), writable);
            for (size_t i = 0; i + 1 < writable; i++)
                CHECK_EQ(rig->bytes[readable + i], whole && sectors ? 1 : 0);
            if (writable > 0)
                CHECK_EQ(rig->bytes[readable + writable - 1], whole && sectors ? 0 : 1);
            CHECK_EQ(rig->bytes[readable + writable], 0xee); /* not a byte beyond */
        }
    }
    rig_close(rig);
}

TEST(C052_more_pieces_than_one_system_call_takes)
{
    struct rig *rig = rig_open();

    rig_header(rig, 0, 0);
    CHECK_EQ(rig_run(rig, 16, 4 * 512 + 1, 1), 4 * 512 + 1);
    CHECK_EQ(rig->bytes[16], 1);
    CHECK_EQ(rig->bytes[16 + 2047], 4);
    for (uint32_t i = 0; i < 1500; i++) /* a run of empty ones, longer than a call takes, before the data */
        rig->iov[i] = (struct vring_iov){NULL, 0};
    rig->iov[0] = (struct vring_iov){rig->bytes, 16};
    rig->iov[1500] = (struct vring_iov){rig->bytes + 16, 513};
    rig->chain = (struct vring_chain){.n_readable = 1, .n_writable = 1500, .readable = 16, .writable = 513};
    rig_header(rig, 0, 7);
    CHECK_EQ(blk_request(&rig->blk, rig->iov, &rig->chain, true), 513);
    CHECK_EQ(rig->bytes[16], 8);
    CHECK_EQ(rig->bytes[16 + 512], 0);
    rig_close(rig);
}

TEST(an_image_that_shrinks_is_an_error_and_leaves_no_old_byte)
{
    struct rig *rig = rig_open();

    CHECK_EQ(ftruncate(rig->blk.fd, 512), 0);
    rig_header(rig, 0, 0);
    memset(rig->bytes + 16, 0xee, 1025);
    CHECK_EQ(rig_run(rig, 16, 1025, 100), 1025);
    CHECK_EQ(rig->bytes[16 + 1024], 1);
    for (unsigned i = 512; i < 1024; i++)
        CHECK_EQ(rig->bytes[16 + i], 0);
    rig_close(rig);
}
