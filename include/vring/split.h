/* SPDX-License-Identifier: MIT */
/*
 * libvring: the split virtqueue (2.7), driver side and device side, as two concrete types.
 *
 *              gives        takes       makes visible    before sleeping     while busy
 *   driver     add_avail    get_used    publish          enable_notify       disable_notify
 *   device     add_used     get_avail   publish          enable_notify       disable_notify
 *
 * add stages a buffer; publish makes everything staged visible with one store and answers whether the peer must be
 * notified. Batches are the normal way: stage as many as there are, then publish once.
 *
 * Threads: a queue belongs to one thread at a time; calls on one queue never overlap. The two sides share no private
 * state and run at the same time, on different CPUs or machines. Nothing here blocks. Every call returns after a number
 * of steps that depends on the arguments and the queue's size alone, never on what the peer wrote.
 *
 * The structs are transparent so that they can live in the caller's memory. Their fields are the library's.
 */
#ifndef VRING_SPLIT_H
#define VRING_SPLIT_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    VRING_SPLIT_SIZE_MAX = 32768,     /* entries (2.7) */
    VRING_SPLIT_DESC_ALIGN = 16,      /* bytes (2.7) */
    VRING_SPLIT_DRIVER_AREA_ALIGN = 2,
    VRING_SPLIT_DEVICE_AREA_ALIGN = 4
};

/* Where the three areas of a split ring lie when they are put into one block of memory. All in bytes. */
struct vring_split_areas {
    size_t desc_size;
    size_t driver_size; /* the available ring, with used_event, whether negotiated or not */
    size_t device_size; /* the used ring, with avail_event */
    size_t driver_offset; /* from the start of the descriptor area */
    size_t device_offset;
    size_t total;
};

/*
 * Sizes of the areas of a ring with size entries, and where they lie in one block.
 *
 * queue_align   0 for the tightest legal layout; the legacy interface wants its Queue Align here, a power of two from 4
 *               to 65536 (2.7.2).
 * Returns 0; VRING_E_NULL; VRING_E_SIZE if size is 0, above 32768 or not a power of two; VRING_E_ALIGN.
 */
int vring_split_layout(uint32_t size, uint32_t queue_align, struct vring_split_areas *layout);

/*
 * The memory of one split ring of size entries, for static storage: a struct type with the members desc, driver_area
 * and device_area. The areas are on cache lines of their own, for each is written by one side and read by the other.
 *
 *     static VRING_SPLIT_MEMORY(256) ring;
 */
#define VRING_SPLIT_MEMORY(size)                                     \
    struct {                                                         \
        VRING_ALIGNAS(64) uint64_t desc[2 * (size)];                 \
        VRING_ALIGNAS(64) uint16_t driver_area[3 + (size)];          \
        VRING_ALIGNAS(64) uint16_t device_area[3 + 4 * (size)];      \
    }

/* The shared memory of a split ring, as one side addresses it. The spec's area names; every area may lie anywhere. */
struct vring_split_ring {
    void *desc;         /* descriptor table: 16 bytes per entry, written by the driver */
    void *driver_area;  /* available ring: 6 + 2 bytes per entry, written by the driver */
    void *device_area;  /* used ring: 6 + 8 bytes per entry, written by the device */
    uint16_t size;      /* entries */
    uint32_t mask;      /* size - 1: what of a free-running index says which entry */
    bool platform;      /* ORDER_PLATFORM: fences must order against a device, not only against another CPU */
};

/* -------------------------------------------------------------------------------------------------- driver side --- */

/* Begins as struct vring_packed_driver: built for size, both formats share what they do with that. */
struct vring_split_driver {
    int live; /* 1, or 2 while suspended; 0 before init and after reset; or the first VRING_E_PEER_* */
    uint8_t straight; /* ours alone: which of its straight paths a verb may take; 0 if that is not known */
    struct vring_fault fault; /* what broke the queue */
    /* ours alone; small ones first: Thumb has short instructions for what lies in the first bytes */
    bool owes;           /* after a restart: a notification that the predecessor may not have sent */
    uint8_t used_len;    /* enum vring_used_len_policy; set by init, constant after */
    uint16_t free_head;  /* first free descriptor; meaningful while free_count > 0 */
    uint16_t seen_used;  /* used.idx as last observed and judged: between next_used and published */
    uint16_t free_count;
    uint16_t published;  /* avail.idx as the device sees it; next_avail - published buffers are staged */
    uint16_t next_avail; /* next position to stage at */
    uint16_t next_used;  /* next position to take from; published - next_used buffers are with the device */
    uint16_t batch;      /* IN_ORDER: buffers at next_used that one used element stands for and get_used has not yet returned */
    uint16_t used_event; /* what we last wrote into the areas */
    uint16_t avail_flags;
    /* set by init, constant after */
    uint32_t max_pieces; /* of a buffer in the ring: max_chain, or size if that is less */
    struct vring_slot *slots; /* one per entry */
    uint64_t features;
    struct vring_split_ring ring;
    uint16_t notify_id;
    uint32_t max_chain;
    /* ours alone */
    uint32_t batch_len;  /* IN_ORDER: used length of the last of the batch */
};

/*
 * Set up a driver queue over areas that the device does not touch yet. Clears the three areas and the slots.
 *
 * vq      any contents; nothing of it is read
 * config  copied; not needed after the call. Areas and slots stay the caller's and must outlive the queue.
 *
 * Returns 0, and the queue is live with notifications enabled. Otherwise, with nothing written anywhere:
 * VRING_E_NULL; VRING_E_SIZE for a size or slot_count out of range; VRING_E_ALIGN; VRING_E_ADDR for an area that wraps;
 * VRING_E_OVERLAP when areas or slots share bytes; VRING_E_CHAIN for a max_chain above 65535 (2.7.5.3.1 and the width
 * of next);
 * VRING_E_FEATURE for a ring feature that this build lacks, for RING_PACKED, for a mix that is none (a feature above bit
 * 31 without VERSION_1, a legacy one with it), for a used_len that is no policy, or for a big-endian ring: a legacy ring
 * in that order is driver.h's.
 */
int vring_split_driver_init(struct vring_split_driver *vq, const struct vring_driver_config *config);

/*
 * Stage one buffer for the device.
 *
 * segments   n_readable pieces that the device reads, then n_writable pieces that it writes. Copied.
 * token      handed back by get_used; any value, 0 included.
 *
 * The pieces belong to the device from publish until the token returns. Nothing is visible before publish.
 * Returns 0. Otherwise the queue is as it was, but for free descriptors, which nobody reads: VRING_E_NULL; VRING_E_STATE
 * before init; VRING_E_CHAIN if there is no piece or there are more than max_chain or than the ring has entries; VRING_E_LEN for an empty piece, or more than
 * 2^32 bytes in all (2.7.5.2); VRING_E_ADDR for a piece that wraps; VRING_E_FULL if too few descriptors are free now;
 * or what broke the queue.
 */
int vring_split_driver_add_avail(struct vring_split_driver *vq, const struct vring_segment *segments, uint16_t n_readable,
                                 uint16_t n_writable, uint64_t token);

/*
 * Stage several buffers, in this order, up to the first that cannot be: as so many calls of add_avail, or of add_indirect
 * for those with a table, for less.
 *
 * n   receives how many were staged: those before the one that the answer is about; abort takes them back, the last first.
 *     Written unless vq, n or buffers is null.
 *
 * Returns 0 when at least one was staged and those behind it wait for room alone, and for a count of 0; otherwise as
 * add_avail or add_indirect about buffers[*n].
 */
int vring_split_driver_add_avail_batch(struct vring_split_driver *vq, const struct vring_avail_buffer *buffers,
                                       uint32_t count, uint32_t *n);

/*
 * Stage a run of buffers of one piece each, in this order, up to the first that cannot be: as so many calls of add_avail, for
 * less than anything else.
 *
 * segments  count buffers, which the device reads, or where writable is set writes. Copied.
 * token     of the first; the others' count up from it, modulo 2^64
 * n         as for add_avail_batch
 *
 * Returns as add_avail_batch, about segments[*n].
 */
int vring_split_driver_add_avail_run(struct vring_split_driver *vq, const struct vring_segment *segments, uint32_t count,
                                     bool writable, uint64_t token, uint32_t *n);

/*
 * Stage one buffer whose pieces are listed in an indirect table (2.7.5.3). It takes one descriptor of the ring.
 *
 * table   where to write the list, also of a buffer that is refused in the end; the caller's again when the token returns.
 *
 * As vring_split_driver_add_avail(); also VRING_E_FEATURE if INDIRECT_DESC was not negotiated, VRING_E_CHAIN if the
 * table is too short, VRING_E_ALIGN if it is not 16-byte aligned, VRING_E_ADDR if it wraps.
 */
int vring_split_driver_add_indirect(struct vring_split_driver *vq, const struct vring_table *table,
                                    const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                                    uint64_t token);

/*
 * Take back the buffer staged last, as if it had never been added.
 *
 * token   receives what add_avail was given; may be null; written only on success
 *
 * Returns 0; VRING_E_STATE if nothing is staged; or what broke the queue.
 */
int vring_split_driver_abort(struct vring_split_driver *vq, uint64_t *token);

/*
 * Make everything staged visible to the device, with one store (2.7.13.3), and decide once whether to notify it
 * (2.7.10, 2.7.13.4).
 *
 * Returns 1 if the device must be notified, 0 if not (also when nothing was staged); VRING_E_STATE before init; or what
 * broke the queue. Writing the doorbell is the caller's; vring_split_driver_notification() says what to write.
 */
int vring_split_driver_publish(struct vring_split_driver *vq);

/*
 * The word for the doorbell: notify_id, and with NOTIFICATION_DATA (2.9) in the upper half the avail index last
 * published. In host byte order. 0 before init.
 */
uint32_t vring_split_driver_notification(const struct vring_split_driver *vq);

/*
 * Take one buffer that the device has used (2.7.14).
 *
 * used   receives token and length; written only on success. The buffer and its table are the caller's again.
 *
 * With IN_ORDER, buffers come back in the order of adding, and one used element may stand for several (2.7.9): all but
 * the last of those count as written in full.
 *
 * Returns 0; VRING_E_NULL; VRING_E_STATE before init; VRING_E_EMPTY; or what broke the queue: VRING_E_PEER_INDEX,
 * VRING_E_PEER_ID, and
 * VRING_E_PEER_LEN under VRING_USED_LEN_BREAK.
 */
int vring_split_driver_get_used(struct vring_split_driver *vq, struct vring_used_buffer *used);

/*
 * Take the buffers that the device has used, as many as wait and fit: a budget against a device that completes as fast as
 * one takes.
 *
 * used      receives them, in the order in which get_used would have returned them
 * capacity  how many fit
 * n         receives how many were taken; written unless VRING_E_NULL is returned
 *
 * Returns 0 when there is at least one; otherwise as get_used; VRING_E_ROOM for a capacity of 0. What breaks the queue is
 * told at once: the *n buffers taken before it are the caller's.
 */
int vring_split_driver_get_used_batch(struct vring_split_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                      uint32_t *n);

/*
 * With IN_ORDER: take buffers that one used element stands for (2.7.9), as many as fit, for a few steps however many they are.
 * They are the oldest, so a driver that remembers in which order it added them need not be told which.
 *
 * used      receives token and length of the last of them; those before it count as written in full. Written only on
 *           success; all of them, and their tables, are the caller's again.
 * capacity  how many fit
 * n         receives how many were taken, that one included; written unless VRING_E_NULL is returned
 *
 * Returns 0 when there is at least one; VRING_E_FEATURE without IN_ORDER; otherwise as get_used; VRING_E_ROOM for a capacity
 * of 0.
 */
int vring_split_driver_get_used_run(struct vring_split_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                    uint32_t *n);

/*
 * Ask to be notified of the next used buffer (2.7.7), and look once more, so that none slips by between the look and
 * the sleep.
 * Returns 1 if used buffers wait already: take them, and ask again before sleeping; 0 if it is safe to sleep; or an
 * error as get_used.
 */
int vring_split_driver_enable_notify(struct vring_split_driver *vq);

/*
 * As enable_notify, but ask only for the time when about three quarters of the buffers in flight have been used.
 * Without EVENT_IDX the same as enable_notify.
 */
int vring_split_driver_enable_notify_delayed(struct vring_split_driver *vq);

/* Ask not to be notified: a hint (2.7.7), spurious notifications stay possible. Returns 0 or an error as get_used. */
int vring_split_driver_disable_notify(struct vring_split_driver *vq);

/*
 * Descriptors free for add_avail. A buffer of n pieces fits if n <= free, an indirect one if free > 0. 0 of a queue that is
 * broken, or was reset.
 */
uint16_t vring_split_driver_free(const struct vring_split_driver *vq);

/*
 * Buffers added and not yet taken back: staged ones and those with the device. 0 of a queue that is broken, or was reset:
 * then take_unused has them.
 */
uint16_t vring_split_driver_in_flight(const struct vring_split_driver *vq);

/*
 * Stop using the shared memory, after the device has been reset (2.6.1.1) or because it broke the protocol. The tokens
 * of all buffers that never came back are then returned by take_unused; the areas are the caller's again.
 */
void vring_split_driver_reset(struct vring_split_driver *vq);

/*
 * After reset: the next token that never came back, each exactly once, oldest first (of buffers that were added more
 * than 65535 others ago the order is not known). Takes a number of steps in proportion to the queue's size.
 * Returns 0; VRING_E_EMPTY when all have been returned; VRING_E_STATE while the queue is live or broken; VRING_E_NULL.
 */
int vring_split_driver_take_unused(struct vring_split_driver *vq, uint64_t *token);

/*
 * SUSPEND (virtio 1.4): the driver adds nothing until it resumes, and says so to itself here: add_avail answers
 * VRING_E_STATE. Telling the device is the transport's. What the device uses until it has stopped is got as always. A
 * successor of a suspended queue (restore) is not suspended.
 * Returns 0; VRING_E_FEATURE if it was not negotiated; VRING_E_STATE while buffers are staged.
 */
int vring_split_driver_suspend(struct vring_split_driver *vq);

/* Go on. Returns as enable_notify, which it calls; VRING_E_STATE if the queue was not suspended. */
int vring_split_driver_resume(struct vring_split_driver *vq);

/*
 * The private state of the queue as bytes, for a successor on this machine or another: of no byte order, and with a
 * checksum. Shared memory is not part of it. The queue goes on as before; what it does next is not in the state.
 *
 * state  room bytes, or null to be told how many are needed
 *
 * Returns the number of bytes. VRING_E_ROOM; VRING_E_NULL; VRING_E_STATE before init, and while buffers are staged:
 * publish or abort them first; VRING_E_FEATURE, as restore and recover, in a build without restarts; or what broke the
 * queue.
 */
int vring_split_driver_save(const struct vring_split_driver *vq, void *state, size_t room);

/*
 * Set up a driver queue that goes on where the saved one was. The device may run; it has not been told anything since.
 *
 * config  as for init, with the features and the size that were saved; index is not used. The slots may have been
 *         written to if the call fails; vq is then as it was, but for VRING_E_PEER_*.
 *
 * Returns 1 if used buffers wait already, 0 if not, as enable_notify does, with notifications enabled; and the next
 * publish answers 1, staged or not: whether the predecessor notified is not known. Otherwise as init, and VRING_E_SAVED
 * for bytes that are no state, whatever they are; VRING_E_UNFIT for another queue's, or a ring that has moved since.
 * VRING_E_PEER_*: the queue was set up, and the device has broken it already; its tokens are take_unused's.
 */
int vring_split_driver_restore(struct vring_split_driver *vq, const struct vring_driver_config *config,
                               const void *state, size_t bytes);

/* What broke the queue; error is 0 if nothing did. Readable until the next init. */
struct vring_fault vring_split_driver_fault(const struct vring_split_driver *vq);

/* The ring as it is now. Reads shared memory, changes nothing. Returns 0, VRING_E_NULL or VRING_E_STATE. */
int vring_split_driver_snapshot(const struct vring_split_driver *vq, struct vring_snapshot *snapshot);

/* Entry number position of the ring as it is now. Also VRING_E_SIZE for a position past the end. */
int vring_split_driver_snapshot_entry(const struct vring_split_driver *vq, uint32_t position,
                                      struct vring_snapshot_entry *entry);

/* -------------------------------------------------------------------------------------------------- device side --- */

struct vring_split_device {
    int live; /* 1, or 2 while suspended; 0 before init and after reset; or the first VRING_E_PEER_* */
    uint8_t straight; /* ours alone: which of its straight paths a verb may take; 0 if that is not known */
    struct vring_fault fault; /* what broke the queue */
    /* ours alone; small ones first: Thumb has short instructions for what lies in the first bytes */
    bool owes;            /* after a restart: a notification that the predecessor may not have sent */
    uint16_t next_avail;  /* next position to take from */
    uint16_t seen_avail;  /* avail.idx as last observed and judged: 0 .. size ahead of published */
    uint16_t next_used;   /* next position to stage at; never passes next_avail */
    uint16_t published;   /* used.idx as the driver sees it */
    uint16_t generation;  /* of the next handle */
    uint16_t waiting;     /* of the buffers before next_avail, the last so many are still to be handed out again */
    uint16_t batch;       /* IN_ORDER: where the used element goes that will stand for batch up to next_used */
    uint16_t batch_head;  /* ... and names the last of them */
    uint16_t odd;         /* ... only of the oldest so many in flight may more be known than that we hold them */
    uint16_t round;       /* IN_ORDER: of so many of the newest each was taken at the descriptor behind the one before it ... */
    uint16_t next_head;   /* ... and behind the last of them is this one */
    /* set by init, constant after */
    struct vring_split_ring ring;
    struct vring_head *heads; /* one per entry */
    uint32_t max_chain;
    uint64_t features;
    /* ours alone */
    uint32_t batch_len;
    uint16_t avail_event; /* what we last wrote into the device area */
    uint16_t used_flags;
    struct vring_regions regions;
    struct vring_inflight inflight;
};

/*
 * Set up a device queue over areas that the driver has prepared. Writes avail_event alone; used.idx is taken to be
 * index.
 *
 * Returns 0, and the queue is live with notifications enabled. Otherwise, with nothing written anywhere: as
 * vring_split_driver_init(), and for the regions VRING_E_NULL, VRING_E_ADDR for an empty one or one that wraps,
 * VRING_E_OVERLAP for regions that overlap or are not sorted.
 */
int vring_split_device_init(struct vring_split_device *vq, const struct vring_device_config *config);

/*
 * Take the next buffer that the driver has made available (2.7.13). Each descriptor is read once, judged, and
 * translated.
 *
 * iov     receives the pieces: readable ones first, then writable ones; one more where a piece spans regions
 * n_iov   how many fit; max_chain, and some for pieces that span regions, is always enough
 * chain   receives handle, counts and bytes
 *
 * Returns 0, and the pieces are the device's until add_used or rewind.
 * A piece of 0 bytes, wherever it is said to lie, is none: a buffer may have no pieces at all.
 * VRING_E_EMPTY; VRING_E_NULL; VRING_E_STATE before init, and while the queue is suspended.
 * VRING_E_ROOM: n_iov is too small; chain says how many are needed; the buffer was not taken, ask again with more.
 * VRING_E_MISS: with regions_may_miss; chain->missing has no region yet; the buffer was not taken, ask again when it has.
 * VRING_E_CHAIN_*: the buffer is unusable but taken: chain->handle is valid, there are no pieces, and it must be
 * completed with add_used(handle, 0). The queue lives.
 * VRING_E_PEER_*: the driver broke the queue.
 */
int vring_split_device_get_avail(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                 struct vring_chain *chain);

/*
 * Take the buffers that the driver has made available, as many as wait and fit: a budget against a driver that refills as
 * fast as one takes.
 *
 * iov       receives the pieces of all: those of a buffer follow those of the buffer before it
 * n_iov     how many pieces fit
 * chains    receives the buffers, as get_avail would have told them
 * capacity  how many buffers fit
 * n         receives how many were taken; written unless VRING_E_NULL is returned
 *
 * Returns 0 when there is at least one; otherwise as get_avail, with chains[0] saying what is wanted; VRING_E_ROOM also for
 * a capacity of 0.
 * VRING_E_CHAIN_*: the last of the *n, chains[*n - 1], is unusable; the others are not.
 * VRING_E_PEER_*: the driver broke the queue behind the *n buffers.
 */
int vring_split_device_get_avail_batch(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                       struct vring_chain *chains, uint32_t capacity, uint32_t *n);

/*
 * Give back the buffer taken last, unused; get_avail returns it again.
 * Returns 0; VRING_E_HANDLE if the handle is not that of the buffer taken last, or that one was used already;
 * VRING_E_STATE; or what broke the queue.
 */
int vring_split_device_rewind(struct vring_split_device *vq, vring_handle handle);

/*
 * Look at the next buffer and leave it: as get_avail, but it is not taken, and chain->handle is dead. What it has then
 * may not be what get_avail finds later: the driver can write over it.
 */
int vring_split_device_peek(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                            struct vring_chain *chain);

/*
 * Go over to another table of regions: memory was added or taken away, or an address that was missing (VRING_E_MISS) has
 * been translated; ask for the buffer again then.
 *
 * regions  as in the configuration; the old table must still be there, and may go after the call
 *
 * Returns 0. Otherwise nothing has changed: as init, and VRING_E_STATE if buffers are in flight and a region that they
 * may lie in would go or change.
 */
int vring_split_device_set_regions(struct vring_split_device *vq, const struct vring_region *regions, uint32_t count);

/*
 * Stage one buffer as used (2.7.8.2).
 *
 * len   bytes written, from the first device-writable byte, without gaps
 *
 * The pieces are the driver's from publish on; the handle is dead now. With IN_ORDER a buffer is held back until all
 * that were taken before it have been used, whatever the order of the calls; it counts as in flight until then. Buffers
 * used in full share one used element (2.7.9).
 * Returns 0. Otherwise nothing has changed: VRING_E_HANDLE for a handle that is stale, doubled or foreign; VRING_E_LEN
 * for more than the device-writable bytes of the buffer; VRING_E_STATE; or what broke the queue.
 */
int vring_split_device_add_used(struct vring_split_device *vq, vring_handle handle, uint32_t len);

/*
 * Stage several buffers as used, in this order, up to the first that cannot be: as so many calls of add_used, for less.
 *
 * n   receives how many were staged: those before the one that the answer is about. Written unless vq, n or used is null.
 *
 * Returns 0 when all were staged; otherwise as add_used about used[*n].
 */
int vring_split_device_add_used_batch(struct vring_split_device *vq, const struct vring_used_chain *used, uint32_t count,
                                      uint32_t *n);

/*
 * With IN_ORDER: take the next buffers, as long as each is of one piece, and all are for the device to read, or all for it to
 * write. For a device that finishes in order: what lies before the last needs no handle of its own where add_used_through
 * is told the last.
 *
 * Those before the last have no handle that is told: they are used with the last, or with one that was taken later.
 *
 * iov    n_iov pieces of room; receives one piece for each buffer
 * chain  receives the last of them, with its handle and as get_avail tells it: what its piece is for, all are for
 * n      receives how many buffers were taken; written unless VRING_E_NULL is returned
 *
 * A buffer that is no such, or lies elsewhere than those before it, ends the run, and so does the end of the ring: the next
 * call goes on. Where such a buffer is the next it is taken alone, and *n is 1; chain tells then what its pieces are for.
 *
 * Returns 0 when there is at least one; VRING_E_FEATURE without IN_ORDER; otherwise as get_avail about the next buffer.
 * What breaks the queue is told at once: the *n buffers taken before it can be used.
 */
int vring_split_device_get_avail_run(struct vring_split_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                     struct vring_chain *chain, uint32_t *n);

/*
 * With IN_ORDER: stage all buffers up to and including this one, in the order of taking. Those before it count as used in
 * full, as a driver takes for granted (2.7.9), but for two kinds: one that was held back keeps the length that add_used
 * was told, and one that was refused (VRING_E_CHAIN_*) has 0. For a device that finishes in order, the least there is to do.
 *
 * len   bytes written into the buffer of this handle, from the first device-writable byte, without gaps
 *
 * Returns 0, and the handles of all of them are dead. Otherwise nothing has changed: VRING_E_FEATURE without IN_ORDER, or
 * as add_used.
 */
int vring_split_device_add_used_through(struct vring_split_device *vq, vring_handle handle, uint32_t len);

/*
 * Make everything staged visible to the driver, with one store, and decide once whether to notify it (2.7.7.2). With
 * NOTIFY_ON_EMPTY a legacy driver is notified whatever it asked for when nothing is left to do (6.3).
 * Returns 1 if the driver must be notified, 0 if not; VRING_E_STATE before init; or what broke the queue.
 */
int vring_split_device_publish(struct vring_split_device *vq);

/*
 * Ask to be notified of the next available buffer (2.7.10), and look once more.
 * Returns 1 if buffers wait already: take them, and ask again before sleeping; 0 if it is safe to sleep; or an error as
 * get_avail.
 */
int vring_split_device_enable_notify(struct vring_split_device *vq);

/* Ask not to be notified: a hint. Returns 0 or an error as get_avail. */
int vring_split_device_disable_notify(struct vring_split_device *vq);

/* Buffers taken and not yet staged as used. */
uint16_t vring_split_device_in_flight(const struct vring_split_device *vq);

/* Stop using the shared memory. Every handle is dead; every call returns VRING_E_STATE until the next init. */
void vring_split_device_reset(struct vring_split_device *vq);

/*
 * SUSPEND (virtio 1.4): take nothing more. What is in flight is finished: add_used and publish go on, and get_avail still
 * hands out again what was in flight before a restart. enable_notify and disable_notify answer VRING_E_STATE.
 * Returns how much is still to be finished: at 0 the device may report that it is suspended, and touches the ring no
 * more until it resumes; ask again after each publish. VRING_E_FEATURE if it was not negotiated.
 */
int vring_split_device_suspend(struct vring_split_device *vq);

/* Go on. Returns as enable_notify, which it calls; VRING_E_STATE if the queue was not suspended. */
int vring_split_device_resume(struct vring_split_device *vq);

/*
 * As vring_split_driver_save(). What the device has taken and not used is in flight, and part of the state; buffers that
 * IN_ORDER holds back are too, with their lengths.
 */
int vring_split_device_save(const struct vring_split_device *vq, void *state, size_t room);

/*
 * As vring_split_driver_restore(). get_avail hands out again what was in flight, oldest first, before anything new: under
 * new handles, and judged anew: with a max_chain less than the saved one, what was legal then breaks the queue now. One that
 * is rewound has the same handle when it is handed out once more.
 */
int vring_split_device_restore(struct vring_split_device *vq, const struct vring_device_config *config,
                               const void *state, size_t bytes);

/*
 * Set up a device queue whose predecessor was stopped at any moment, from the inflight region that it kept (config->
 * inflight): as restore, with nothing lost and nothing used twice. An all-zero region is a first start: as init. The
 * split ring's used.idx and the region say where the ring stands; config->index counts for a first start alone.
 *
 * Returns 0 or 1 as restore; otherwise as init, and VRING_E_NULL without a region; VRING_E_SAVED for a region that is
 * none, VRING_E_UNFIT for another queue's, or a ring that cannot be its: region and ring are then as they were, only heads
 * may have been written to. VRING_E_PEER_*: the queue was set up, and the driver has broken it already.
 */
int vring_split_device_recover(struct vring_split_device *vq, const struct vring_device_config *config);

/* What broke the queue; error is 0 if nothing did. Readable until the next init. */
struct vring_fault vring_split_device_fault(const struct vring_split_device *vq);

/* The ring as it is now. Reads shared memory, changes nothing. Returns 0, VRING_E_NULL or VRING_E_STATE. */
int vring_split_device_snapshot(const struct vring_split_device *vq, struct vring_snapshot *snapshot);

/* Entry number position of the ring as it is now. Also VRING_E_SIZE for a position past the end. */
int vring_split_device_snapshot_entry(const struct vring_split_device *vq, uint32_t position,
                                      struct vring_snapshot_entry *entry);

#ifdef __cplusplus
}
#endif

#endif
