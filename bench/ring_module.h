/* SPDX-License-Identifier: MIT */
/*
 * One build of libvring with a driver and a device at its ends, in one thread. Every build is a file of its own to be
 * loaded, so that several live in one process; all work in the same memory, one after the other.
 */
#ifndef BENCH_RING_MODULE_H
#define BENCH_RING_MODULE_H

#include <cstddef>
#include <cstdint>

/*
 * A buffer of one piece is read by the device; one of three has 16 bytes to be read and 64 and 1 to be written. No byte
 * of them is touched. Both sides have said that they want no notifications.
 */
struct ring_config {
    bool packed, event_idx, in_order, indirect;
    uint16_t size;  /* entries, at most 1024 */
    uint16_t chain; /* pieces of a buffer: 1 or 3 */
    uint16_t batch; /* buffers between two calls of publish; batch * chain at most size */
};

enum { RING_SIDES = 3 }; /* driver add and publish; device get, add_used and publish; driver get */

/* What a module has, found by the name ring_module_entry. A call that fails ends the program. */
struct ring_module {
    size_t memory_size; /* 4096-byte aligned */
    void (*start)(void *memory, const ring_config *config);
    void (*run)(void *memory, size_t batches);
    void (*run_sides)(void *memory, size_t batches, double nanoseconds[RING_SIDES]); /* adds to them */
};

#endif
