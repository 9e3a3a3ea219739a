/* SPDX-License-Identifier: MIT */
/*
 * libvring: the words both sides of a virtqueue share: errors, features, segments, handles.
 *
 * Section numbers are those of virtio 1.2, 1.3 and 1.4, which agree on chapters 2.6 to 2.9.
 * Everything in this library runs in memory that its caller provides. It never allocates, locks, logs, calls back,
 * keeps a global, reads a clock or rings a doorbell.
 */
#ifndef VRING_TYPES_H
#define VRING_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
#define VRING_ALIGNAS alignas
#else
#define VRING_ALIGNAS _Alignas
#endif

#define VRING_VERSION_MAJOR 0
#define VRING_VERSION_MINOR 1
#define VRING_VERSION_PATCH 0

/*
 * What a call answers when it is not 0 or a count. The group says whose move it is:
 *
 *   state   an answer, not a failure: nothing there, no room now. Ask again later.
 *   caller  a slip of the code that called. Nothing has changed.
 *   chain   one buffer that the driver offered is unusable. The device holds it and must complete it with length 0;
 *           the queue lives.
 *   peer    the other side broke the protocol. The queue is broken: every later call returns the same error without
 *           touching shared memory, until it is initialised again. struct vring_fault says what was seen where.
 */
enum vring_error {
    /* state */
    VRING_E_EMPTY = -1, /* the peer has nothing for us */
    VRING_E_FULL = -2,  /* too few free descriptors now; fits once buffers have come back */
    VRING_E_ROOM = -3,  /* the caller's array is too small for this chain; the chain was not taken */
    VRING_E_MISS = -4,  /* the chain has an address that no region holds yet (chain->missing); it was not taken */

    /* caller */
    VRING_E_NULL = -32,    /* a pointer that must not be null is null */
    VRING_E_SIZE = -33,    /* queue size 0, above 32768, or not a power of two (2.7); or too few slots for it */
    VRING_E_ALIGN = -34,   /* an area, a table or a state array is less aligned than its type or the spec asks (2.7) */
    VRING_E_OVERLAP = -35, /* areas and private state share bytes, or regions do, or are not sorted */
    VRING_E_ADDR = -36,    /* an address range wraps past the end of the address space, or is empty */
    VRING_E_LEN = -37,     /* a length is zero, beyond 2^32 in sum (2.7.5.2), or beyond what the device may write */
    VRING_E_CHAIN = -38,   /* more segments than max_chain or than the table holds: never fits, at any time */
    VRING_E_FEATURE = -39, /* a ring feature that this build or this queue has not got, or an illegal mix */
    VRING_E_HANDLE = -40,  /* the handle is stale, doubled, or was never given out by this queue */
    VRING_E_STATE = -41,   /* not now: the queue is not initialised, is suspended, or has nothing to abort */
    VRING_E_SAVED = -42,   /* a saved state or an inflight region is damaged, cut short, or of another version */
    VRING_E_UNFIT = -43,   /* ... is sound, but of another queue, or the ring is not where it was left */

    /* chain */
    VRING_E_CHAIN_ADDR = -64,  /* a buffer lies outside the memory regions, or device-writable in a read-only one */
    VRING_E_CHAIN_ORDER = -65, /* a device-readable descriptor follows a device-writable one (2.7.4.2) */
    VRING_E_CHAIN_LEN = -66,   /* the lengths of the chain add up to more than 2^32 (2.7.5.2) */

    /* peer */
    VRING_E_PEER_INDEX = -96,    /* avail.idx or used.idx moved backwards or further than the queue is long */
    VRING_E_PEER_ID = -97,       /* a head or used id out of range, not in flight, or in flight twice */
    VRING_E_PEER_NEXT = -98,     /* a descriptor's next lies outside its table */
    VRING_E_PEER_LOOP = -99,     /* the chain is longer than max_chain: a loop, or a peer that ignores the limit */
    VRING_E_PEER_INDIRECT = -100, /* indirect: not negotiated, nested, with NEXT, or a table of a bad length (2.7.5.3) */
    VRING_E_PEER_TABLE = -101,   /* an indirect table lies outside the memory regions */
    VRING_E_PEER_LEN = -102      /* used length beyond the device-writable part of the buffer (2.7.8.2) */
};

/* Whose move an error is. */
enum vring_blame {
    VRING_BLAME_NONE,   /* not an error: 0 or a count */
    VRING_BLAME_STATE,
    VRING_BLAME_CALLER,
    VRING_BLAME_CHAIN,
    VRING_BLAME_PEER
};

/* The group of an answer; VRING_BLAME_CALLER for a number that is no answer of this library. Any thread. */
enum vring_blame vring_error_blame(int error);

/* One English sentence for an answer, without a full stop. Static storage; never null. Any thread. */
const char *vring_error_text(int error);

/*
 * What broke a queue: the first peer error, and the evidence.
 *
 * position   the free-running ring index, the descriptor or the table entry at which it was seen
 * value      what the peer had written there
 */
struct vring_fault {
    int error;         /* 0, or the VRING_E_PEER_* that every call now returns */
    uint32_t position;
    uint64_t value;
};

/*
 * Feature bits that concern the ring, as masks (never as bit numbers): 6 and 2.7 ff.
 */
#define VRING_F_NOTIFY_ON_EMPTY   (UINT64_C(1) << 24)
#define VRING_F_ANY_LAYOUT        (UINT64_C(1) << 27)
#define VRING_F_INDIRECT_DESC     (UINT64_C(1) << 28)
#define VRING_F_EVENT_IDX         (UINT64_C(1) << 29)
#define VRING_F_VERSION_1         (UINT64_C(1) << 32)
#define VRING_F_ACCESS_PLATFORM   (UINT64_C(1) << 33)
#define VRING_F_RING_PACKED       (UINT64_C(1) << 34)
#define VRING_F_IN_ORDER          (UINT64_C(1) << 35)
#define VRING_F_ORDER_PLATFORM    (UINT64_C(1) << 36)
#define VRING_F_SR_IOV            (UINT64_C(1) << 37)
#define VRING_F_NOTIFICATION_DATA (UINT64_C(1) << 38)
#define VRING_F_NOTIF_CONFIG_DATA (UINT64_C(1) << 39)
#define VRING_F_RING_RESET        (UINT64_C(1) << 40)
#define VRING_F_ADMIN_VQ          (UINT64_C(1) << 41)
#define VRING_F_SUSPEND           (UINT64_C(1) << 43)

/*
 * The ring features that this build carries out, as a mask over bits 64 * word to 64 * word + 63.
 * A transport that offers (device) or accepts (driver) ring features takes them from here and from nowhere else. Not all
 * of them go together: a device that offers VERSION_1 leaves out NOTIFY_ON_EMPTY and ANY_LAYOUT, which are legacy (6.3).
 * Any thread.
 */
uint64_t vring_features_supported(unsigned word);

/*
 * What a driver may write back of what a device offered, over bits 64 * word to 64 * word + 63: every reserved bit (24
 * to 49) that this build cannot carry out is removed; bits of the device type (0 to 23, 50 and up) pass. Any thread.
 */
uint64_t vring_features_accept(unsigned word, uint64_t offered);

/*
 * One piece of a buffer as the device will address it. The driver side neither maps nor touches it.
 */
struct vring_segment {
    uint64_t addr; /* device address: physical, or what the IOMMU or bounce pool answered */
    uint32_t len;  /* bytes; never 0 */
};

/*
 * Memory in which a driver keeps one indirect table, writable here and readable by the device at addr. It stays the
 * device's until the token of its buffer returns.
 */
struct vring_table {
    void *memory;     /* as this side addresses it, 16-byte aligned */
    uint64_t addr;    /* as the device addresses it */
    uint32_t entries; /* capacity: 16 bytes each */
};

/* A buffer for the device, as one of a batch: what add_avail takes, or with a table add_indirect. */
struct vring_avail_buffer {
    const struct vring_segment *segments; /* n_readable pieces that the device reads, then n_writable that it writes; copied */
    uint64_t token;                       /* handed back by get_used; any value, 0 included */
    uint16_t n_readable;
    uint16_t n_writable;
    const struct vring_table *table;      /* null: the pieces go into the ring; otherwise they are listed there */
};

/* A buffer that has come back from the device. */
struct vring_used_buffer {
    uint64_t token; /* what add_avail was given */
    uint32_t len;   /* bytes that the device says it wrote, from the first device-writable byte */
};

/*
 * What the driver side remembers about one ring entry. Private memory: the device must not reach it.
 * One per entry, provided by the caller; the fields are the library's.
 */
struct vring_slot {
    uint64_t token;
    uint32_t writable; /* device-writable bytes of the buffer; 2^32 counts as 2^32 - 1 */
    uint16_t count;    /* at a head in flight: its descriptors; otherwise 0 */
    uint16_t position; /* at a head in flight: split, the avail index it was added at; packed, its place in the order of */
                       /* adding, or with IN_ORDER the ring entry it ends at */
    uint16_t next;     /* next descriptor of the same buffer, or of the free list */
    uint16_t last;     /* at a head in flight: the last descriptor of its buffer */
    uint16_t order;    /* at i: split, the head that avail.ring holds at i; packed, the id of which a buffer was staged that ends at ring entry i */
    bool claimed;      /* split, while a saved state is read: in flight */
};

/* What a driver believes about used lengths: real devices lie (2.7.8.2 allows too little, never too much). */
enum vring_used_len_policy {
    VRING_USED_LEN_BREAK,  /* longer than the writable part breaks the queue */
    VRING_USED_LEN_CLAMP,  /* ... is cut to the writable part */
    VRING_USED_LEN_REPORT, /* ... is cut, and the fault of the queue, which lives, tells the last such length */
    VRING_USED_LEN_TRUST   /* ... is handed on as it is: the caller must not use it as a length */
};

/*
 * A piece of a buffer as this side can touch it. The layout is that of POSIX struct iovec.
 */
struct vring_iov {
    void *base;
    size_t len;
};

enum {
    VRING_REGION_READ_ONLY = 1 /* the device may read it, never write */
};

/*
 * A range of driver memory that the device side can reach. Regions are sorted by addr and do not overlap; the table
 * stays the caller's and must not change while a queue uses it.
 */
struct vring_region {
    uint64_t addr;  /* first device address */
    uint64_t size;  /* bytes; never 0; addr + size may be exactly 2^64 */
    void *host;     /* where this side sees addr */
    uint32_t flags; /* 0 or VRING_REGION_READ_ONLY */
};

/*
 * The memory that a device queue can reach, and the region that the last address fell into: the next one mostly falls
 * there, too. The fields are the library's.
 */
struct vring_regions {
    struct vring_region last; /* a copy; of size 0 at first */
    const struct vring_region *table;
    uint32_t count;
    bool may_miss;    /* an address outside may come to be inside: it is not refused */
    uint64_t missing; /* the last address that was not found */
};

/*
 * Names one buffer taken by one device queue. Dies when the buffer is used or rewound; a stale one is refused, until 65536
 * other buffers have been taken: a handle is the descriptor or id in its lower half, and the number of the buffer in the
 * upper one.
 */
typedef uint32_t vring_handle;

/*
 * A buffer taken from the driver: iov[0 .. n_readable) is for the device to read, iov[n_readable .. n_readable +
 * n_writable) for it to write, in the order of the chain.
 */
struct vring_chain {
    vring_handle handle;
    uint32_t n_readable;
    uint32_t n_writable;
    uint64_t readable; /* bytes */
    uint64_t writable; /* bytes */
    uint64_t missing;  /* with VRING_E_MISS: the address to be translated */
};

/* A buffer that the device is done with, as one of a batch: what add_used takes. */
struct vring_used_chain {
    vring_handle handle; /* as struct vring_chain had it */
    uint32_t len;        /* bytes written, from the first device-writable byte, without gaps */
};

/*
 * What the device side remembers about one descriptor head. Private memory: the driver must not reach it.
 * One per ring entry, provided by the caller; the fields are the library's.
 */
struct vring_head {
    vring_handle handle; /* while the device may use the buffer: its handle; otherwise a number that is no handle */
    uint16_t taken;      /* while the device holds the buffer: the ring entries it takes up; otherwise 0 */
    uint16_t used;       /* what is known of its use; enum head_used */
    uint32_t writable;   /* while taken: device-writable bytes; 2^32 counts as 2^32 - 1 */
    uint16_t order;      /* at i: split, the head that avail position i named; packed, the id taken i-th, modulo size */
    uint16_t record;     /* split, IN_ORDER: the position it was taken at. packed, IN_ORDER: where in order[] it stands; with an */
                         /* inflight region: where it is noted there */
    uint16_t link;       /* packed, IN_ORDER: the last ring entry it takes up; with an inflight region, at i: the entry of the */
                         /* region that follows entry i */
};

/* The areas of a VRING_SPLIT_MEMORY() or VRING_PACKED_MEMORY(), as members of an initialiser. */
#define VRING_AREAS(memory) \
    .desc = (memory).desc, .driver_area = (memory).driver_area, .device_area = (memory).device_area

/*
 * The byte order of a ring without VERSION_1: the driver's own (2.7.3), which a device learns from whoever runs the
 * driver. With VERSION_1 every ring is little-endian and this is ignored.
 */
enum vring_byte_order {
    VRING_ORDER_NATIVE, /* as this CPU's */
    VRING_ORDER_LITTLE,
    VRING_ORDER_BIG
};

/*
 * Everything a driver queue needs, of either format. Zero what you do not set.
 */
struct vring_driver_config {
    uint64_t features;  /* as negotiated, bits 0 to 63 (see vring_features_supported); RING_PACKED says which format */
    uint32_t size;      /* entries, 1 to 32768; split: a power of two (2.7, 2.8.10.1) */
    uint32_t max_chain; /* most descriptors in one buffer, in the ring or in a table; 0: size (2.7.5.3.1) */
    void *desc;         /* the areas, sized and aligned as the layout says, in memory the device can reach */
    void *driver_area;
    void *device_area;
    struct vring_slot *slots; /* private memory, one per entry */
    uint32_t slot_count;      /* how many there are: at least size */
    uint16_t index;     /* where both sides start: 0, unless a test wants the wrap to be near. Split: free-running index. Packed: entry, */
                        /* and bit 15 set for wrap counters of 0 instead of 1 */
    uint16_t notify_id; /* what names this queue in the notification word: its index, or what NOTIF_CONFIG_DATA gave */
    enum vring_byte_order legacy_order; /* without VERSION_1 */
    enum vring_used_len_policy used_len; /* VRING_USED_LEN_BREAK alone in a build with VRING_BUILD_USED_LEN off: VRING_E_FEATURE */
    bool len_without_write; /* packed: believe a used length even without the WRITE flag (2.8.4 says no; QEMU never sets it) */
};

/*
 * How a device keeps note of what is in flight, in memory that outlives it. The fields are the library's.
 */
struct vring_inflight {
    void *region;          /* null: it does not */
    uint64_t counter;      /* of the next buffer taken */
    uint16_t free_head;    /* packed: first unused entry of the region */
    uint16_t staged;       /* the buffer staged last; heads[].writable leads to those before it */
    uint16_t staged_count;
};

/*
 * Everything a device queue needs, of either format. Zero what you do not set.
 */
struct vring_device_config {
    uint64_t features;  /* as negotiated, bits 0 to 63; RING_PACKED says which format */
    uint32_t size;      /* entries, as the driver configured the queue; frozen here */
    uint32_t max_chain; /* most descriptors in one buffer, in the ring and in its table together; 0: size */
    void *desc;         /* the areas, as this side addresses them */
    void *driver_area;
    void *device_area;
    struct vring_head *heads; /* private memory, one per entry */
    uint32_t head_count;      /* how many there are: at least size */
    const struct vring_region *regions; /* what the driver's addresses mean; stays the caller's */
    uint32_t region_count; /* at most 1 in a build for one region (VRING_BUILD_REGIONS off), which refuses regions_may_miss, too */
    bool regions_may_miss; /* an address in no region is answered VRING_E_MISS: behind an IOMMU, for vring_device_set_regions() */
    enum vring_byte_order legacy_order; /* without VERSION_1: the driver's */
    uint16_t index;     /* as in struct vring_driver_config */
    uint16_t generation; /* of the first handle: its upper half, and one more with each buffer taken. Handles from before an init
                          * are refused for as long as it is beyond theirs: (handle >> 16) + 1 of the last buffer taken */
    void *inflight;      /* null, or 8-byte aligned memory that outlives this device, for vring_device_recover(); refused by a build without restarts */
    size_t inflight_size; /* bytes: at least vring_inflight_size() */
};

/*
 * A ring at one moment, as data for inspectors. Shared words are as they were found, unjudged. A place in a packed ring
 * is an entry, with the wrap counter in bit 15.
 */
struct vring_snapshot {
    bool packed;
    bool in_order;        /* IN_ORDER was negotiated: one used entry may stand for several buffers */
    uint16_t size;
    uint16_t avail_idx;   /* shared; split alone: a packed ring has no indices */
    uint16_t used_idx;
    uint16_t used_event;  /* shared, written by the driver: the index or place it wants to be notified at */
    uint16_t avail_event; /* shared, written by the device */
    uint16_t avail_flags; /* shared, written by the driver: NO_INTERRUPT; packed: what it wants, VRING_EVENT_* */
    uint16_t used_flags;  /* shared, written by the device */
    uint16_t next_avail;  /* private: driver, next to stage; device, next to take */
    uint16_t next_used;   /* private: driver, next to take; device, next to stage */
    uint16_t published;   /* private: last index or place made visible to the peer */
    uint16_t free;        /* driver: free descriptors */
    int error;            /* 0, or what broke the queue */
};

/* One entry of a ring at one moment. */
struct vring_snapshot_entry {
    uint64_t addr; /* shared: the descriptor */
    uint32_t len;
    uint16_t flags;
    uint16_t next;     /* split alone */
    uint16_t id;       /* packed alone */
    uint16_t avail;    /* shared, split alone: avail.ring at this position */
    uint32_t used_id;  /* shared, split alone: used.ring at this position */
    uint32_t used_len;
    uint64_t token;    /* private, driver: of the buffer whose head (packed: id) this is */
    uint16_t count;    /* private: ring entries of that buffer while it is in flight; otherwise 0 */
    uint16_t link;     /* private, driver: the next descriptor of the same buffer, or of the free list */
};

/*
 * Bytes of the inflight region of one queue, laid out as vhost-user has it: 0 for a size that is none. Zero it once;
 * it is then the library's.
 */
size_t vring_inflight_size(uint32_t size, bool packed);

#ifdef __cplusplus
}
#endif

#endif
