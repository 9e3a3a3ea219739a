/* SPDX-License-Identifier: MIT */
/*
 * libvring: what a virtqueue looks like in shared memory, for inspectors, tests and peers written by hand.
 *
 * An integer of the wire is a struct with one member, so that a forgotten byte swap or a stray dereference does not
 * compile. With VERSION_1 it is little-endian; the legacy interface uses the driver's own order (2.7.3).
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

/* Descriptor flags (2.7.5, 2.8.1). The last two: packed ring only. */
enum {
    VRING_DESC_NEXT = 1,
    VRING_DESC_WRITE = 2,
    VRING_DESC_INDIRECT = 4,
    VRING_DESC_AVAIL = 1 << 7,
    VRING_DESC_USED = 1 << 15
};

/* avail.flags and used.flags (2.7.6, 2.7.8): the one bit that means something. */
enum {
    VRING_NO_NOTIFY = 1
};

struct vring_wire_split_desc {
    vring_wire64 addr;
    vring_wire32 len;
    vring_wire16 flags;
    vring_wire16 next;
};

/* The driver area: followed by size ring entries, then used_event. */
struct vring_wire_split_avail {
    vring_wire16 flags;
    vring_wire16 idx;
};

struct vring_wire_split_used_elem {
    vring_wire32 id;
    vring_wire32 len;
};

/* The device area: followed by size elements, then avail_event. */
struct vring_wire_split_used {
    vring_wire16 flags;
    vring_wire16 idx;
};

/* 2.8.13: the same while available (addr, len, id, flags) and when used (len, id, flags). */
struct vring_wire_packed_desc {
    vring_wire64 addr;
    vring_wire32 len;
    vring_wire16 id;
    vring_wire16 flags;
};

/* 2.8.14, as one word: in the lower half a place (wrap counter in bit 15), in the upper the flags. */
struct vring_wire_packed_event {
    vring_wire32 word;
};

/* Flags of an event word. The fourth value is reserved. */
enum {
    VRING_EVENT_ENABLE = 0,
    VRING_EVENT_DISABLE = 1,
    VRING_EVENT_DESC = 2
};

/*
 * The region in which a vhost-user back-end keeps note of what is in flight ("Inflight I/O tracking" of the vhost-user
 * specification), so that its successor can do it again. Shared by processes of one machine: in its byte order.
 * Followed by desc_num descriptors.
 */
struct vring_wire_inflight_split {
    uint64_t features; /* 0 */
    uint16_t version;  /* 1; 0: nothing has been written yet */
    uint16_t desc_num;
    uint16_t last_batch_head;
    uint16_t used_idx;
};

struct vring_wire_inflight_split_desc {
    uint16_t inflight; /* of the head: 1 in its first byte; the second is padding */
    uint16_t padding[2];
    uint16_t next; /* of the batch used last */
    uint64_t counter;
};

struct vring_wire_inflight_packed {
    uint64_t features; /* 0 */
    uint16_t version;  /* as above */
    uint16_t desc_num;
    uint16_t free_head;
    uint16_t old_free_head;
    uint16_t used_idx;
    uint16_t old_used_idx;
    uint16_t wraps; /* in its first byte the wrap counter of used_idx, in the second that of old_used_idx */
    uint16_t padding[5];
};

struct vring_wire_inflight_packed_desc {
    uint16_t inflight; /* as above */
    uint16_t next;     /* of the buffer, or of the free list */
    uint16_t last;     /* of the head: the buffer's last entry */
    uint16_t num;      /* of the head: how many there are */
    uint64_t counter;
    uint16_t id;
    uint16_t flags;
    uint32_t len;
    uint64_t addr;
};

VRING_STATIC_ASSERT(sizeof(struct vring_wire_inflight_split) == 16, "as vhost-user has it");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_inflight_split_desc) == 16, "as vhost-user has it");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_inflight_packed) == 32, "as vhost-user has it");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_inflight_packed_desc) == 32, "as vhost-user has it");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_packed_desc) == 16, "2.8.13: a descriptor is 16 bytes");
VRING_STATIC_ASSERT(offsetof(struct vring_wire_packed_desc, flags) == 14, "2.8.13: flags come last");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_packed_event) == 4, "2.8.14: an event structure is 4 bytes");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_split_desc) == 16, "2.7.5: a descriptor is 16 bytes");
VRING_STATIC_ASSERT(offsetof(struct vring_wire_split_desc, next) == 14, "2.7.5: next comes last");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_split_avail) == 4, "2.7.6: avail.ring starts at 4");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_split_used) == 4, "2.7.8: used.ring starts at 4");
VRING_STATIC_ASSERT(sizeof(struct vring_wire_split_used_elem) == 8, "2.7.8: a used element is 8 bytes");

#ifdef __cplusplus
}
#endif

#endif
