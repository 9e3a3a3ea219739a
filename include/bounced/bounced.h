/* SPDX-License-Identifier: MIT */
/*
 * Where libvring and libbounce meet: a driver queue whose buffers never leave private memory. add maps every piece
 * through a pool and offers the bounce addresses; get copies back what the device says it wrote, no more than it could
 * have, and unmaps. For the guest that its host must not see, or whose devices cannot reach all of its memory.
 *
 * Answers are those of the two libraries; their numbers differ, so that one int names either (bounced_error_text() knows
 * both). One thread at a time per queue; the pool may serve many queues.
 */
#ifndef BOUNCED_BOUNCED_H
#define BOUNCED_BOUNCED_H

#include <bounce/bounce.h>
#include <vring/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One piece of a private buffer. */
struct bounced_segment {
    void *data;
    uint32_t len; /* bytes; never 0 */
};

/* What the queue remembers about one mapped piece. Private memory; the fields are the library's. */
struct bounced_piece {
    bounce_handle handle;
    uint32_t len;
    uint32_t next;  /* piece of the same buffer, or of the free list */
    bool writable;  /* by the device */
};

/* ... and about one buffer. Private memory; the fields are the library's. */
struct bounced_buffer {
    uint64_t token;
    uint32_t first; /* piece */
    uint32_t next;  /* free buffer */
};

/* Zero what you do not set. */
struct bounced_driver_config {
    struct vring_driver_config ring; /* with used_len other than VRING_USED_LEN_TRUST */
    struct bounce_pool *pool;        /* initialised; outlives the queue */
    struct bounced_buffer *buffers;  /* private memory, one per ring entry */
    uint32_t buffer_count;
    struct bounced_piece *pieces;    /* private memory, as many as pieces can be in flight at once */
    uint32_t piece_count;
    struct vring_segment *segments;  /* private memory, as many as the largest buffer has pieces: room to work in */
    uint32_t segment_count;
    uint64_t alloc_align_mask;       /* as in struct bounce_request, for every piece; orig_addr is the piece's address here */
    uint64_t min_align_mask;
    uint64_t boundary_mask;
    uint32_t area;
    uint32_t owner;
    /*
     * Memory for indirect tables, which the device must be able to read: one of table_entries entries per ring entry,
     * 16 bytes each, 16-byte aligned. With it, and INDIRECT_DESC negotiated, every buffer of two pieces or more that
     * fits uses one; bounced_driver_add_direct() makes exceptions.
     */
    void *tables;
    uint64_t tables_addr;
    uint32_t table_entries;
};

struct bounced_driver {
    struct vring_driver queue; /* for notification(), enable_notify(), free() and the like: everything but add, get, abort and reset */
    struct bounce_pool *pool;
    struct bounced_buffer *buffers;
    struct bounced_piece *pieces;
    struct vring_segment *segments;
    uint32_t segment_count;
    struct bounce_request request; /* what all pieces have in common */
    unsigned char *tables;
    uint64_t tables_addr;
    uint32_t table_entries;
    uint32_t free_buffer;
    uint32_t free_piece;
    uint32_t free_pieces;
};

/* One English sentence for an answer, of whichever library it is. Static storage; never null. Any thread. */
const char *bounced_error_text(int error);

/*
 * Set up the queue; see vring_driver_init().
 * Returns 0 or, with nothing written anywhere, what vring_driver_init() answers; VRING_E_NULL; VRING_E_SIZE for fewer
 * buffers than ring entries, no pieces or no segments; VRING_E_ALIGN and VRING_E_ADDR for the tables; VRING_E_FEATURE
 * for VRING_USED_LEN_TRUST: a length must bound what is copied.
 */
int bounced_driver_init(struct bounced_driver *d, const struct bounced_driver_config *config);

/*
 * Map and stage one buffer: n_readable pieces for the device to read, then n_writable for it to write.
 * The pieces stay as they are until the token returns; the device gets copies.
 * Returns 0. Otherwise ring, pool and window are as they were: what bounce_map() answers to one of the pieces, what
 * vring_driver_add_avail() answers;
 * VRING_E_FULL also when too few of the queue's pieces are free, VRING_E_CHAIN also for more pieces than piece_count or
 * segment_count: they never fit.
 * Where the ring has no room, nothing was mapped or copied: to try again after the next used buffer costs little.
 */
int bounced_driver_add(struct bounced_driver *d, const struct bounced_segment *segments, uint16_t n_readable,
                       uint16_t n_writable, uint64_t token);

/*
 * As bounced_driver_add(), with every piece in the ring even if there is a table: the device has one list less to
 * fetch, and the ring as many entries less as the buffer has pieces. Fits if they are no more than
 * vring_driver_free().
 */
int bounced_driver_add_direct(struct bounced_driver *d, const struct bounced_segment *segments, uint16_t n_readable,
                              uint16_t n_writable, uint64_t token);

/* Take back the buffer staged last, as vring_driver_abort(), and unmap it without copying. */
int bounced_driver_abort(struct bounced_driver *d, uint64_t *token);

/*
 * Take one buffer that the device has used, as vring_driver_get_used(): the first used->len bytes of its writable
 * pieces now hold what the device wrote, the rest is as it was; its slots are cleared and free.
 */
int bounced_driver_get_used(struct bounced_driver *d, struct vring_used_buffer *used);

/* As vring_driver_reset(). Mappings stay until take_unused has returned their tokens: call it until it is empty. */
void bounced_driver_reset(struct bounced_driver *d);

/* As vring_driver_take_unused(), and unmaps that buffer without copying. */
int bounced_driver_take_unused(struct bounced_driver *d, uint64_t *token);

#ifdef __cplusplus
}
#endif

#endif
