/* SPDX-License-Identifier: MIT */
/*
 * libvring: what a virtqueue looks like in shared memory, for inspectors, tests and peers written by hand.
 *
 * An integer of the wire is a struct with one member, so that a forgotten byte swap or a stray dereference does not compile.
 * With VERSION_1 it is little-endian; the legacy interface uses the driver's own order (2.7.3).
 */
#ifndef VRING_WIRE_H
#define VRING_WIRE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define VRING_STATIC_ASSERT(condition, why) static_assert(condition, why)
#else
#define VRING_STATIC_ASSERT(condition, why) _Static_assert(condition, why)
#endif

typedef struct {
    uint16_t raw;
} vring_wire16;

typedef struct {
    uint32_t raw;
} vring_wire32;

typedef struct {
    uint64_t raw;
} vring_wire64;

/* Descriptor flags (2.7.5, 2.8.1). */
enum {
    VRING_DESC_NEXT = 1,
    VRING_DESC_WRITE = 2,
    VRING_DESC_INDIRECT = 4
};

/* avail.flags and used.flags (2.7.6, 2.7.8): the one bit that means something. */
enum {
    VRING_NO_NOTIFY = 1
};

struct vring_split_desc {
    vring_wire64 addr;
    vring_wire32 len;
    vring_wire16 flags;
    vring_wire16 next;
};

/* The driver area: followed by size ring entries, then used_event. */
struct vring_split_avail {
    vring_wire16 flags;
    vring_wire16 idx;
};

struct vring_split_used_elem {
    vring_wire32 id;
    vring_wire32 len;
};

/* The device area: followed by size elements, then avail_event. */
struct vring_split_used {
    vring_wire16 flags;
    vring_wire16 idx;
};

VRING_STATIC_ASSERT(sizeof(struct vring_split_desc) == 16, "2.7.5: a descriptor is 16 bytes");
VRING_STATIC_ASSERT(offsetof(struct vring_split_desc, next) == 14, "2.7.5: next comes last");
VRING_STATIC_ASSERT(sizeof(struct vring_split_avail) == 4, "2.7.6: avail.ring starts at 4");
VRING_STATIC_ASSERT(sizeof(struct vring_split_used) == 4, "2.7.8: used.ring starts at 4");
VRING_STATIC_ASSERT(sizeof(struct vring_split_used_elem) == 8, "2.7.8: a used element is 8 bytes");

#ifdef __cplusplus
}
#endif

#endif
