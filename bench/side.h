/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks know of an implementation: a driver, a device, or both, behind calls that handle a batch. Any
 * driver can be put against any device that understands the same ring, in one thread or in two. Every implementation,
 * and every build of one, is a file of its own to be loaded, so that several live in one process.
 *
 * A driver's addresses are those of the process. A buffer of one piece is 64 bytes to be read by the device; one of
 * three has 16 bytes to be read, and 64 and 1 to be written. No byte of them is touched.
 */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RING_MOST_ENTRIES = 1024, RING_MOST_PIECES = 3, RING_DATA = 128, RING_SHARED_SIZE = 256 * 1024 };

struct ring_config {
    bool packed, event_idx, in_order, indirect;
    uint16_t size;  /* entries, at most RING_MOST_ENTRIES */
    uint16_t chain; /* pieces of a buffer: 1 or 3 */
    uint16_t batch; /* buffers between two calls of publish; batch * chain at most size */
};

/*
 * The memory that both sides see: from base, RING_SHARED_SIZE bytes, 4096-byte aligned and zero at start. It is a
 * file's, from its beginning, for those who want it from a descriptor.
 */
struct ring_shared {
    unsigned char *base;
    unsigned char *data;                    /* RING_DATA bytes of it, in which the buffers lie */
    void *desc, *driver_area, *device_area; /* set by the driver's start */
    int file;
};

/*
 * start   sets a side up, wanting no notifications; null if it cannot have such a ring. A driver's comes first.
 * stop    gives back what start took.
 * sleep   asks for notifications from now on; true if there is work already.
 * wake    wants no notifications any more.
 *
 * Null for sleep and wake: this one is only measured polling. A call that fails ends the program.
 */
struct ring_driver {
    const char *name;
    void *(*start)(const struct ring_config *config, struct ring_shared *shared);
    void (*stop)(void *driver);
    bool (*give)(void *driver, uint32_t n);     /* n buffers, made available; true: the device wants to know */
    uint32_t (*take)(void *driver, uint32_t n); /* as many as are used, at most n; returns how many */
    bool (*sleep)(void *driver);
    void (*wake)(void *driver);
};

/*
 * mate        the driver of the same file, if
 * one_by_one  has both in one thread: ring_take_turns() with their own calls and one buffer at a time, so that there is no call
 *             through a pointer in between. That is what one who embeds them does, and between single buffers such calls
 *             cost what counts.
 */
struct ring_device {
    const char *name;
    void *(*start)(const struct ring_config *config, const struct ring_shared *shared);
    void (*stop)(void *device);
    /* As many as are available, at most n, and makes them used. Returns how many; *notify: the driver wants to know. */
    uint32_t (*turn)(void *device, uint32_t n, bool *notify);
    bool (*sleep)(void *device);
    void (*wake)(void *device);
    const struct ring_driver *mate; /* null: any driver is a stranger */
    size_t (*one_by_one)(void *driver, void *device, size_t times);
};

/*
 * In one thread, so many times: the driver gives n buffers, the device turns them, the driver takes them. Stops when some of
 * them do not come back. Returns how many times were left then: 0, all came back.
 */
static inline __attribute__((always_inline)) size_t ring_take_turns(bool (*give)(void *, uint32_t),
                                                                    uint32_t (*turn)(void *, uint32_t, bool *),
                                                                    uint32_t (*take)(void *, uint32_t), void *driver,
                                                                    void *device, uint32_t n, size_t times)
{
    for (bool notify = false; times > 0; times--) {
        give(driver, n);
        if (__builtin_expect(turn(device, n, &notify) != n || take(driver, n) != n, 0))
            break;
    }
    return times;
}

/* What a file has for a format, found by the name ring_sides_split or ring_sides_packed. Null: it has no such side. */
struct ring_sides {
    const struct ring_driver *driver;
    const struct ring_device *device;
};

#ifdef __cplusplus
}
#endif

#endif
