/* SPDX-License-Identifier: MIT */
/*
 * libvring: the packed virtqueue (2.8), driver side and device side, as two concrete types. The verbs, their answers
 * and the threading rule are those of split.h; only what differs is said here.
 *
 * One ring of descriptors serves both sides: the driver makes them available, the device writes used ones over them. A
 * buffer of n pieces takes n ring entries, or one with an indirect table.
 */
#ifndef VRING_PACKED_H
#define VRING_PACKED_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    VRING_PACKED_SIZE_MAX = 32768, /* entries (2.8.10.1); any number up to it, not only powers of two */
    VRING_PACKED_DESC_ALIGN = 16,  /* bytes (2.8.10.1) */
    VRING_PACKED_EVENT_ALIGN = 4
};

/* Where the three areas of a packed ring lie when they are put into one block of memory. All in bytes. */
struct vring_packed_areas {
    size_t desc_size;
    size_t driver_size; /* the driver event suppression structure */
    size_t device_size; /* the device event suppression structure */
    size_t driver_offset; /* from the start of the descriptor area */
    size_t device_offset;
    size_t total;
};

/*
 * Sizes of the areas of a ring with size entries, and where they lie in one block.
 * Returns 0; VRING_E_NULL; VRING_E_SIZE if size is 0 or above 32768.
 */
int vring_packed_layout(uint32_t size, struct vring_packed_areas *layout);

/* As VRING_SPLIT_MEMORY(). */
#define VRING_PACKED_MEMORY(size)                            \
    struct {                                                 \
        VRING_ALIGNAS(64) uint64_t desc[2 * (size)];         \
        VRING_ALIGNAS(64) uint32_t driver_area[1];           \
        VRING_ALIGNAS(64) uint32_t device_area[1];           \
    }

/* The shared memory of a packed ring, as one side addresses it. */
struct vring_packed_ring {
    void *desc;         /* descriptor ring: 16 bytes per entry, written by both sides in turn */
    void *driver_area;  /* 4 bytes, written by the driver: which used buffers it wants to be notified of */
    void *device_area;  /* 4 bytes, written by the device: which available buffers it wants to be notified of */
    uint16_t size;      /* entries */
    bool platform;      /* ORDER_PLATFORM: fences must order against a device, not only against another CPU */
};

/*
 * A place in a packed ring: an entry, and how often the ring had been gone round when it was reached, modulo 2 (2.8.1).
 */
struct vring_packed_position {
    uint32_t word; /* lap << 16 | entry; the lap is AVAIL | USED as in flags where the wrap counter is 1, otherwise 0 */
};

/* -------------------------------------------------------------------------------------------------- driver side --- */

/* Begins as struct vring_split_driver, with told, sequence and returned for published, next_avail and next_used. */
struct vring_packed_driver {
    int live; /* 1, or 2 while suspended; 0 before init and after reset; or the first VRING_E_PEER_* */
    uint8_t straight; /* ours alone: which of its straight paths a verb may take; 0 if that is not known */
    struct vring_fault fault; /* what broke the queue */
    /* ours alone; small ones first: Thumb has short instructions for what lies in the first bytes */
    bool owes;             /* after a restart: a notification that the predecessor may not have sent */
    uint8_t used_len;      /* enum vring_used_len_policy; set by init, constant after */
    uint16_t free_head;    /* first free buffer id; meaningful while free_count > 0 */
    uint16_t staged_first; /* what will be the flags of the entry at published */
    uint16_t free_count;   /* ring entries */
    uint16_t told;         /* what sequence was when we published last: from there on buffers are staged */
    uint16_t sequence;     /* of the next buffer: its place in the order of adding */
    uint16_t returned;     /* how many buffers have come back, as sequence counts them */
    uint16_t batch;        /* IN_ORDER: buffers from oldest on that one used descriptor stands for and get_used has not yet returned */
    struct vring_packed_position next_avail; /* where to stage next */
    /* set by init, constant after */
    uint32_t max_pieces; /* of a buffer in the ring: max_chain, or size if that is less */
    struct vring_slot *slots; /* one per buffer id */
    uint64_t features;
    struct vring_packed_ring ring;
    /* ours alone */
    struct vring_packed_position published; /* where the device will look next, as far as it was told */
    struct vring_packed_position next_used; /* where to look for a used descriptor */
    uint32_t oldest;       /* IN_ORDER: the id that has to come back next */
    uint32_t batch_len;    /* IN_ORDER: used length of the last of the batch */
    uint32_t event;        /* what we last wrote into the driver area: flags << 16 | place */
    /* set by init, constant after */
    bool len_without_write;
    uint16_t notify_id;
    uint32_t max_chain;
};

/*
 * Set up a driver queue over areas that the device does not touch yet. Clears the three areas and the slots.
 * Returns 0 or, with nothing written anywhere, as vring_split_driver_init(); VRING_E_SIZE also for a start outside the
 * ring.
 */
int vring_packed_driver_init(struct vring_packed_driver *vq, const struct vring_driver_config *config);

/* As vring_split_driver_reset(). */
void vring_packed_driver_reset(struct vring_packed_driver *vq);

/* As vring_split_driver_add_avail(). */
int vring_packed_driver_add_avail(struct vring_packed_driver *vq, const struct vring_segment *segments,
                                  uint16_t n_readable, uint16_t n_writable, uint64_t token);

/* As vring_split_driver_add_avail_batch(). */
int vring_packed_driver_add_avail_batch(struct vring_packed_driver *vq, const struct vring_avail_buffer *buffers,
                                        uint32_t count, uint32_t *n);

/* As vring_split_driver_add_avail_run(). */
int vring_packed_driver_add_avail_run(struct vring_packed_driver *vq, const struct vring_segment *segments, uint32_t count,
                                      bool writable, uint64_t token, uint32_t *n);

/* As vring_split_driver_add_indirect(). */
int vring_packed_driver_add_indirect(struct vring_packed_driver *vq, const struct vring_table *table,
                                     const struct vring_segment *segments, uint16_t n_readable, uint16_t n_writable,
                                     uint64_t token);

/* As vring_split_driver_abort(). */
int vring_packed_driver_abort(struct vring_packed_driver *vq, uint64_t *token);

/*
 * As vring_split_driver_publish(): one store, of the first staged descriptor's flags, makes the batch visible (2.8.17,
 * 2.8.21).
 */
int vring_packed_driver_publish(struct vring_packed_driver *vq);

/* As vring_split_driver_notification(); the upper half is place and wrap counter (2.9). */
uint32_t vring_packed_driver_notification(const struct vring_packed_driver *vq);

/* As vring_split_driver_get_used(). There is no index, so no VRING_E_PEER_INDEX. */
int vring_packed_driver_get_used(struct vring_packed_driver *vq, struct vring_used_buffer *used);

/* As vring_split_driver_get_used_batch(). */
int vring_packed_driver_get_used_batch(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                       uint32_t *n);

/* As vring_split_driver_get_used_run(). */
int vring_packed_driver_get_used_run(struct vring_packed_driver *vq, struct vring_used_buffer *used, uint32_t capacity,
                                     uint32_t *n);

/* As vring_split_driver_enable_notify(). */
int vring_packed_driver_enable_notify(struct vring_packed_driver *vq);

/*
 * As vring_split_driver_enable_notify_delayed(), but returns 1 as soon as one used buffer waits: a packed ring does not
 * say how many.
 */
int vring_packed_driver_enable_notify_delayed(struct vring_packed_driver *vq);

/* As vring_split_driver_disable_notify(). */
int vring_packed_driver_disable_notify(struct vring_packed_driver *vq);

/* As vring_split_driver_free() and vring_split_driver_in_flight(). */
uint16_t vring_packed_driver_free(const struct vring_packed_driver *vq);
uint16_t vring_packed_driver_in_flight(const struct vring_packed_driver *vq);

/* As vring_split_driver_take_unused(). */
int vring_packed_driver_take_unused(struct vring_packed_driver *vq, uint64_t *token);

/* As vring_split_driver_suspend() and vring_split_driver_resume(). */
int vring_packed_driver_suspend(struct vring_packed_driver *vq);
int vring_packed_driver_resume(struct vring_packed_driver *vq);

/* As vring_split_driver_save() and vring_split_driver_restore(). */
int vring_packed_driver_save(const struct vring_packed_driver *vq, void *state, size_t room);
int vring_packed_driver_restore(struct vring_packed_driver *vq, const struct vring_driver_config *config,
                                const void *state, size_t bytes);

/* As vring_split_driver_fault(). */
struct vring_fault vring_packed_driver_fault(const struct vring_packed_driver *vq);

/* As vring_split_driver_snapshot() and vring_split_driver_snapshot_entry(). */
int vring_packed_driver_snapshot(const struct vring_packed_driver *vq, struct vring_snapshot *snapshot);
int vring_packed_driver_snapshot_entry(const struct vring_packed_driver *vq, uint32_t position,
                                       struct vring_snapshot_entry *entry);

/* -------------------------------------------------------------------------------------------------- device side --- */

struct vring_packed_device {
    int live; /* 1, or 2 while suspended; 0 before init and after reset; or the first VRING_E_PEER_* */
    uint8_t straight; /* ours alone: which of its straight paths a verb may take; 0 if that is not known */
    struct vring_fault fault; /* what broke the queue */
    /* ours alone; small ones first: Thumb has short instructions for what lies in the first bytes */
    bool owes;             /* after a restart: a notification that the predecessor may not have sent */
    uint16_t held;         /* ring entries of the buffers that the driver has not got back: at most size */
    uint16_t staged_first; /* what will be the flags of the used descriptor at published */
    uint16_t in_flight;    /* buffers taken and not yet staged as used */
    uint16_t staged;       /* ring entries that the staged buffers had */
    uint16_t generation;   /* of the next handle */
    uint16_t batch_id;
    uint16_t odd;          /* IN_ORDER: as of struct vring_split_device */
    uint16_t waiting;      /* of the buffers taken, the last so many are still to be handed out again */
    uint16_t row;          /* IN_ORDER: the ids of the last so many buffers taken count up, round the heads, to last_id */
    struct vring_packed_position next_avail; /* where to look for an available descriptor */
    struct vring_packed_position next_used; /* where to stage next */
    struct vring_packed_position published; /* where the driver will look next, as far as it was told */
    uint32_t taken;        /* where in heads[].order the next buffer goes */
    uint32_t oldest;       /* IN_ORDER: where in heads[].order the buffer stands that has to be used next */
    struct vring_packed_position batch; /* IN_ORDER: where the used descriptor goes that will stand for all from there to next_used */
    uint32_t batch_len;    /* ... and names the last of them */
    struct vring_packed_position waiting_at; /* ... with IN_ORDER, where the first of them begins in the ring */
    uint32_t event;        /* what we last wrote into the device area: flags << 16 | place */
    /* set by init, constant after */
    struct vring_packed_ring ring;
    struct vring_head *heads; /* one per buffer id */
    uint32_t max_chain;
    /* ours alone, where alignment leaves room */
    uint16_t last_id;   /* IN_ORDER: of the buffer taken last; meaningful while row is not 0 */
    uint16_t unwritten; /* IN_ORDER: of the last so many, heads[] says only what does not follow from where they stand */
    /* set by init, constant after */
    uint64_t features;
    /* ours alone */
    struct vring_regions regions;
    struct vring_inflight inflight;
};

/*
 * Set up a device queue over areas that the driver has prepared. Writes the device area alone.
 * Returns 0 or, with nothing written anywhere, as vring_split_device_init(); VRING_E_SIZE also for a start outside the
 * ring.
 */
int vring_packed_device_init(struct vring_packed_device *vq, const struct vring_device_config *config);

/* As vring_split_device_reset(). */
void vring_packed_device_reset(struct vring_packed_device *vq);

/*
 * As vring_split_device_get_avail(). A buffer in the ring that has an indirect descriptor in it, and a table entry with
 * flags other than WRITE are judged as 2.8.7 and 2.8.19 have it: the first breaks the queue, the second is ignored.
 */
int vring_packed_device_get_avail(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                  struct vring_chain *chain);

/* As vring_split_device_get_avail_batch(). */
int vring_packed_device_get_avail_batch(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                        struct vring_chain *chains, uint32_t capacity, uint32_t *n);

/* As vring_split_device_get_avail_run(). */
int vring_packed_device_get_avail_run(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                                      struct vring_chain *chain, uint32_t *n);

/* As vring_split_device_rewind(). */
int vring_packed_device_rewind(struct vring_packed_device *vq, vring_handle handle);

/* As vring_split_device_peek(). */
int vring_packed_device_peek(struct vring_packed_device *vq, struct vring_iov *iov, uint32_t n_iov,
                             struct vring_chain *chain);

/* As vring_split_device_set_regions(). */
int vring_packed_device_set_regions(struct vring_packed_device *vq, const struct vring_region *regions, uint32_t count);

/* As vring_split_device_add_used(). */
int vring_packed_device_add_used(struct vring_packed_device *vq, vring_handle handle, uint32_t len);

/* As vring_split_device_add_used_batch(). */
int vring_packed_device_add_used_batch(struct vring_packed_device *vq, const struct vring_used_chain *used, uint32_t count,
                                       uint32_t *n);

/* As vring_split_device_add_used_through(). */
int vring_packed_device_add_used_through(struct vring_packed_device *vq, vring_handle handle, uint32_t len);

/*
 * As vring_split_device_publish(): one store, of the first staged used descriptor's flags, makes the batch visible
 * (2.8.9).
 */
int vring_packed_device_publish(struct vring_packed_device *vq);

/* As vring_split_device_enable_notify(). */
int vring_packed_device_enable_notify(struct vring_packed_device *vq);

/* As vring_split_device_disable_notify(). */
int vring_packed_device_disable_notify(struct vring_packed_device *vq);

/* As vring_split_device_in_flight(). */
uint16_t vring_packed_device_in_flight(const struct vring_packed_device *vq);

/* As vring_split_device_suspend() and vring_split_device_resume(). */
int vring_packed_device_suspend(struct vring_packed_device *vq);
int vring_packed_device_resume(struct vring_packed_device *vq);

/*
 * As vring_split_device_save(), but without IN_ORDER also VRING_E_STATE while buffers are in flight: used descriptors have
 * been written over theirs. Complete them first; or keep an inflight region, and hand that on.
 */
int vring_packed_device_save(const struct vring_packed_device *vq, void *state, size_t room);

/* As vring_split_device_restore(); VRING_E_UNFIT also for buffers in flight where an inflight region is to be kept. */
int vring_packed_device_restore(struct vring_packed_device *vq, const struct vring_device_config *config,
                                const void *state, size_t bytes);

/* As vring_split_device_recover(). What is in flight is read from the region: the ring's has been overwritten. */
int vring_packed_device_recover(struct vring_packed_device *vq, const struct vring_device_config *config);

/* As vring_split_device_fault(). */
struct vring_fault vring_packed_device_fault(const struct vring_packed_device *vq);

/* As vring_split_device_snapshot() and vring_split_device_snapshot_entry(). */
int vring_packed_device_snapshot(const struct vring_packed_device *vq, struct vring_snapshot *snapshot);
int vring_packed_device_snapshot_entry(const struct vring_packed_device *vq, uint32_t position,
                                       struct vring_snapshot_entry *entry);

#ifdef __cplusplus
}
#endif

#endif
