/* SPDX-License-Identifier: MIT */
/*
 * libbounce: a pool of bounce-buffer slots over memory that a device may reach.
 *
 * A driver whose own buffers the device must not see (confidential guest), cannot reach (address limit) or could not
 * use as they lie (alignment) maps each buffer through the pool: the pool finds slots in the window, copies, and gives
 * the address for the device. Names are those of the DMA API.
 *
 *   pool      one window: a contiguous run of slots that the device can reach
 *   slot      the unit of allocation, 2048 bytes unless configured; never shared between two mappings
 *   segment   128 consecutive slots unless configured; a mapping lies within one
 *   area      an equal share of the segments, with a lock and a search cursor of its own
 *
 * The pool's metadata is private memory, never in the window: whatever the device scribbles, no decision changes.
 *
 * Nothing here allocates, logs, keeps a global or blocks (but for the area's lock). On error nothing has changed. The
 * lock is the embedder's: a build defines BOUNCE_LOCK_HEADER (see lib/bounce/lock.h), or gets a C11 spin lock where it
 * is hosted and none where it is freestanding. So is what keeps caches and a device that does not look into them
 * coherent: BOUNCE_CACHE_HEADER (see lib/bounce/copy.h), or nothing. Masks are 2^k - 1, or 0 for "no demand". Sizes are in bytes unless a
 * name says slots.
 */
#ifndef BOUNCE_BOUNCE_H
#define BOUNCE_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a call answers when it is not 0. No number is also one of libvring's, so that code which uses both can hand on
 * either. The group says whose move it is:
 *
 *   state   no room now; the same request may succeed once mappings have ended
 *   caller  a slip of the code that called, or a request that this pool can never satisfy
 *   pool    the private metadata contradict themselves: memory was corrupted
 */
enum bounce_error {
    /* state */
    BOUNCE_E_FULL = -129,       /* fewer free slots than the mapping needs */
    BOUNCE_E_FRAGMENTED = -130, /* enough free slots, but no run of them that satisfies the request */
    BOUNCE_E_BUSY = -131,       /* mappings are live, so the pool cannot end; or the lock is held (bounce_try_view()) */
    BOUNCE_E_MAPPINGS = -132,   /* slots are free, but as many mappings are live as the configuration has room for */

    /* caller */
    BOUNCE_E_NULL = -160,
    BOUNCE_E_SIZE = -161,          /* size 0, or size and offset overflow */
    BOUNCE_E_TOO_LARGE = -162,     /* longer than a segment: never fits; see bounce_max_mapping_size() */
    BOUNCE_E_UNSATISFIABLE = -163, /* no slot of this pool satisfies these masks, even when it is empty */
    BOUNCE_E_MASK = -164,          /* a mask is not 2^k - 1 */
    BOUNCE_E_ALIGN = -165,         /* window or metadata less aligned than they must be */
    BOUNCE_E_ADDR = -166,          /* a range wraps past the end of the address space */
    BOUNCE_E_GEOMETRY = -167,      /* slot, page, segment, area or slot count out of range or not a power of two */
    BOUNCE_E_OVERLAP = -168,       /* metadata and window share bytes, or the original lies in the window */
    BOUNCE_E_META = -169,          /* too little metadata memory: ask bounce_meta_size() */
    BOUNCE_E_HANDLE = -170,        /* the handle is stale, doubled, forged or of another pool */
    BOUNCE_E_DIRECTION = -171,     /* not the direction of the mapping, or no direction at all */
    BOUNCE_E_RANGE = -172,         /* offset and length reach beyond the mapping */
    BOUNCE_E_STATE = -173,         /* the pool is not initialised */
    BOUNCE_E_COPY = -174,          /* the copy function of the configuration said so */
    BOUNCE_E_SHARE = -175,         /* the share function of a set said so: the window is lost, see <bounce/set.h> */

    /* pool */
    BOUNCE_E_CORRUPT = -224
};

/* Whose move an error is. */
enum bounce_blame {
    BOUNCE_BLAME_NONE, /* not an error */
    BOUNCE_BLAME_STATE,
    BOUNCE_BLAME_CALLER,
    BOUNCE_BLAME_POOL
};

/* The group of an answer; BOUNCE_BLAME_CALLER for a number that is no answer of this library. Any thread. */
enum bounce_blame bounce_error_blame(int error);

/* One English sentence for an answer, without a full stop. Static storage; never null. Any thread. */
const char *bounce_error_text(int error);

/* Who reads and who writes, as the device sees it. */
enum bounce_direction {
    BOUNCE_TO_DEVICE = 1,
    BOUNCE_FROM_DEVICE = 2,
    BOUNCE_BIDIRECTIONAL = 3
};

enum {
    BOUNCE_KEEP_CONTENTS = 1, /* pool flag: do not clear slots when their mapping ends */
    BOUNCE_FIRST_FIT = 2,     /* pool flag: search every area from its first slot, not from its cursor: warmer caches */
    BOUNCE_KEEP_PADDING = 4,  /* pool flag: do not clear what a mapping has before and after its data: for a device that
                                 can read the whole window anyway */
    BOUNCE_TRY = 8            /* what bounce_try_view() adds; not for a configuration */
};

/*
 * Moves len bytes between offset of an original and the window, to_window or back, for originals that memcpy cannot
 * reach (highmem, scattered pages, another address space). orig is what the request said and means nothing to the pool.
 * Returns 0, or anything else if not all of it was moved. May call the pool; no lock is held.
 */
typedef int (*bounce_copy)(void *context, void *orig, size_t offset, void *window, size_t len, bool to_window);

/*
 * A pool to be. Zero what you do not set.
 *
 * Segments are shared out evenly, in slot order; where they do not divide, the last areas have one more. A last segment
 * that the window cuts short goes with the last area.
 */
struct bounce_config {
    void *window;           /* slot 0, as this side addresses it */
    uint64_t window_addr;   /* slot 0, as the device addresses it; a multiple of slot_size */
    uint32_t slots;         /* slots in the window, at most 2^31; need not be a multiple of segment_slots */
    uint32_t slot_size;     /* bytes, a power of two, 256 to 65536; 0: 2048 */
    uint32_t segment_slots; /* a power of two, 1 to 4096; 0: 128 */
    uint32_t page_size;     /* bytes, a power of two, at least slot_size; 0: 4096 or slot_size, whichever is more */
    uint32_t areas;         /* a power of two; with two or more, every area has at least one whole segment; 0: 1 */
    uint32_t mappings;      /* how many can be live at once, shared out evenly among the areas, each share rounded up;
                               with as many as slots, or more, every slot can be a mapping of its own. 0: one for
                               every six slots of the longest area, but no fewer than 16 and no more than 65,536 */
    uint32_t flags;         /* BOUNCE_KEEP_CONTENTS, BOUNCE_FIRST_FIT, BOUNCE_KEEP_PADDING */
    void *meta;             /* private memory, 8-byte aligned, at least bounce_meta_size() bytes */
    size_t meta_size;
    uint32_t cursor;        /* where the search of area 0 starts, in slots: 0, unless a test wants a state */
    uint64_t seed;          /* goes into every handle: any number. A handle that outlives its pool is refused by the
                               next pool in the same memory, if that has another seed (a counter will do) */
    bounce_copy copy;       /* how to reach originals; null: by memcpy */
    void *copy_context;     /* for copy */
};

/*
 * A pool. Complete, so that it can stand in static memory or in a structure of yours; its fields are the library's
 * alone. All are constant from init to fini: what changes is in meta.
 */
struct bounce_pool {
    uint32_t state; /* says that bounce_init() was here */
    uint32_t flags;
    bounce_copy copy;
    void *copy_context;
    unsigned char *window;
    uint64_t window_addr;
    void *caller_meta;   /* as configured */
    unsigned char *meta; /* the first area's block; one such block per area */
    size_t meta_size;    /* of all blocks together */
    size_t block_size;
    size_t index_at, free_at, records_at, starts_at, longest_at; /* within a block */
    uint32_t index_words;   /* in a row of the index */
    uint32_t segment_words; /* in a segment's bitmap */
    uint32_t records;       /* in an area */
    uint32_t slots;
    uint32_t area_segments; /* in the first areas */
    uint32_t first_longer;  /* from this area on there is one segment more */
    uint32_t slot_mask;     /* bytes of a slot, less one */
    uint32_t page_mask;     /* bytes of a page, less one */
    uint32_t segment_mask;  /* slots of a segment, less one */
    uint32_t area_mask;     /* areas, less one */
    uint32_t record_mask;   /* of the record within the area, in a handle; the area is above */
    uint32_t longest;       /* bytes of the longest segment: one cut short, if there is no other */
    uint32_t key[2];        /* of the handles */
    uint32_t place;         /* in a handle: what is above area and record; not 0 for a pool of a set alone */
    uint8_t slot_shift, segment_shift, area_shift, word_shift, record_shift; /* the powers of two, as exponents */
};

/*
 * Bytes of metadata that a pool of this configuration needs: 28 per mapping (24 on a 32-bit CPU), 2 per slot (4 in
 * areas of more than 65,536 mappings), and little else. With the default number of mappings that is less than 8 per
 * slot, where areas are equally long and have 512 slots or more. meta and meta_size of the configuration are not
 * looked at.
 * Returns 0 and *size, or the error that bounce_init() would give.
 */
int bounce_meta_size(const struct bounce_config *config, size_t *size);

/*
 * Set up a pool and clear its window. window and meta stay the caller's and must outlive the pool.
 * Returns 0; otherwise, with nothing written: BOUNCE_E_NULL, BOUNCE_E_GEOMETRY, BOUNCE_E_ALIGN, BOUNCE_E_ADDR,
 * BOUNCE_E_META, BOUNCE_E_OVERLAP.
 */
int bounce_init(struct bounce_pool *pool, const struct bounce_config *config);

/*
 * End a pool. Returns 0; BOUNCE_E_BUSY while mappings are live, and the pool lives on; BOUNCE_E_STATE; BOUNCE_E_NULL.
 */
int bounce_fini(struct bounce_pool *pool);

/*
 * The pool as an interrupt handler may use it: where a call on the view would wait for an area's lock that was held when the
 * call began, it answers BOUNCE_E_BUSY (or, in bounce_map() and bounce_alloc(), goes on to the next area first). A call that
 * copies between two steps takes the lock again for the second, and then for as long as another CPU holds it, for a
 * search at most: what ends a mapping, commits one, or gives back one that was not copied. Handles are the same. Valid until
 * the pool ends.
 * Returns 0, BOUNCE_E_NULL or BOUNCE_E_STATE.
 */
int bounce_try_view(const struct bounce_pool *pool, struct bounce_pool *view);

/* Names one mapping of one pool. Never 0. Dies with the mapping; a stale, forged or foreign one is refused. */
typedef uint64_t bounce_handle;

/*
 * One buffer to be mapped. Zero what you do not set.
 */
struct bounce_request {
    void *orig;          /* the buffer; read at map and sync_for_device, written at sync_for_cpu and unmap */
    uint64_t orig_addr;  /* its address in the numbering that min_align_mask means; any value, 0 included */
    size_t size;         /* bytes; never 0 */
    enum bounce_direction direction;
    uint64_t alloc_align_mask; /* the allocation starts at a multiple of mask + 1, and is a multiple of it long */
    uint64_t min_align_mask;   /* the device's address equals orig_addr in these bits */
    uint64_t boundary_mask;    /* the allocation crosses no multiple of mask + 1, in device addresses; 0: no boundary */
    uint64_t limit;            /* the last address that the device reaches: no data lie above; 0: it reaches all */
    uint32_t area;       /* which area to try first, modulo their number: the CPU's number, say */
    uint32_t owner;      /* any tag, for finding out later who holds a mapping */
};

/* A live mapping. */
struct bounce_mapping {
    bounce_handle handle;
    uint64_t addr;      /* of the data, for the device */
    void *data;         /* of the data, for this side: shared memory, the device may change it at any time */
    size_t size;        /* bytes of data */
    uint32_t slot;      /* first slot of the allocation, padding included */
    uint32_t slots;     /* slots of the allocation */
    uint32_t pad_slots; /* whole slots before the data */
    uint32_t area;
    uint32_t owner;
    enum bounce_direction direction; /* BOUNCE_BIDIRECTIONAL for coherent memory */
    bool coherent;      /* made by bounce_alloc: no original */
};

/*
 * Map a buffer: find slots, copy size bytes in (whatever the direction, so that a device that writes less than all
 * leaves the rest of the original as it was, and never shows what a slot held before), clear the padding, and give the
 * device's address.
 *
 * The two alignments are kept apart: alloc_align_mask binds where the allocation starts, min_align_mask where the data
 * starts. With neither, a mapping of a page or more starts at a page. Slots are taken next-fit from the area's cursor,
 * candidates being max(alloc_align, min_align) apart.
 *
 * mapping   written only on success
 * Returns 0. Otherwise: BOUNCE_E_NULL, BOUNCE_E_STATE, BOUNCE_E_SIZE, BOUNCE_E_DIRECTION, BOUNCE_E_MASK, BOUNCE_E_ADDR
 * if orig_addr + size wraps, BOUNCE_E_OVERLAP if orig lies in the window, BOUNCE_E_TOO_LARGE, BOUNCE_E_UNSATISFIABLE,
 * BOUNCE_E_FULL, BOUNCE_E_FRAGMENTED, BOUNCE_E_MAPPINGS, BOUNCE_E_BUSY, BOUNCE_E_COPY.
 * Any thread, at any time.
 */
int bounce_map(struct bounce_pool *pool, const struct bounce_request *request, struct bounce_mapping *mapping);

/*
 * Could this request ever succeed, were the pool empty? orig is not looked at. Returns 0, or what bounce_map() would
 * then answer.
 * Any thread.
 */
int bounce_can_map(const struct bounce_pool *pool, const struct bounce_request *request);

/*
 * Take the slots of a mapping now, and the buffer later: a driver that has reserved all it needs cannot fail halfway.
 * orig is not looked at; everything else of the request counts as for bounce_map(), and bounce_unmap() ends the
 * reservation, copying nothing.
 * Returns as bounce_map().
 */
int bounce_reserve(struct bounce_pool *pool, const struct bounce_request *request, struct bounce_mapping *mapping);

/*
 * Make a reservation a mapping: orig, of the reserved size and with the reserved low bits of orig_addr, is copied in.
 * Returns 0; BOUNCE_E_NULL, BOUNCE_E_STATE, BOUNCE_E_HANDLE if that is no reservation, BOUNCE_E_DIRECTION,
 * BOUNCE_E_ADDR, BOUNCE_E_OVERLAP, BOUNCE_E_BUSY; BOUNCE_E_COPY, and it is still a reservation. Any thread; not at the
 * same time as another call on the same mapping.
 */
int bounce_commit(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, void *orig);

/* Copy everything back at unmap. */
#define BOUNCE_WHOLE SIZE_MAX

/*
 * End a mapping: copy back what the device wrote (not for BOUNCE_TO_DEVICE), clear the slots and free them.
 *
 * direction  that of the mapping
 * written    how many bytes to copy back, from the start: BOUNCE_WHOLE; what the device reported; or 0 for none
 *
 * Returns 0. Otherwise nothing has changed: BOUNCE_E_NULL, BOUNCE_E_STATE, BOUNCE_E_HANDLE, BOUNCE_E_DIRECTION,
 * BOUNCE_E_RANGE if written is neither BOUNCE_WHOLE nor within the mapping, BOUNCE_E_BUSY. Except for BOUNCE_E_COPY:
 * the mapping has ended, but not all of it was copied back.
 * Any thread; not at the same time as another call on the same mapping.
 */
int bounce_unmap(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t written);

/*
 * Bring len bytes at offset up to date for the CPU (device to original) or for the device (original to device). Does
 * nothing where the direction makes it pointless: for_cpu with BOUNCE_TO_DEVICE, for_device with BOUNCE_FROM_DEVICE.
 * Returns 0; BOUNCE_E_NULL, BOUNCE_E_STATE, BOUNCE_E_HANDLE (coherent memory and reservations have no original),
 * BOUNCE_E_DIRECTION, BOUNCE_E_RANGE, BOUNCE_E_BUSY, BOUNCE_E_COPY.
 * Any thread; not at the same time as another call on the same mapping.
 */
int bounce_sync_for_cpu(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t offset,
                        size_t len);
int bounce_sync_for_device(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction,
                           size_t offset,
                           size_t len);

/*
 * Allocate memory that both sides see (rings, tables): no original, no copies, cleared, aligned to its size rounded up
 * to a power of two of pages in the device's addresses; in this side's as far as window_addr and window are alike.
 * Returns as bounce_map().
 */
int bounce_alloc(struct bounce_pool *pool, size_t size, uint32_t area, uint32_t owner, struct bounce_mapping *mapping);

/* Free what bounce_alloc() gave. Returns as bounce_unmap(). */
int bounce_free(struct bounce_pool *pool, bounce_handle handle);

/*
 * A size that fits an empty pool with this min_align_mask whatever the low bits of orig_addr: a segment less the mask
 * in whole slots, or, without a mask, less what lies before the first page of a segment.
 * Returns 0 for a mask that leaves nothing, is not 2^k - 1, or a pool that is not initialised.
 */
size_t bounce_max_mapping_size(const struct bounce_pool *pool, uint64_t min_align_mask);

/* Counts over all areas, or one. */
struct bounce_counts {
    uint64_t slots;    /* in all */
    uint64_t used;     /* now */
    uint64_t high_water; /* most at any one time since init or the last reset, those of a map that then failed to copy
                            included; over all areas: the sum of theirs */
    uint64_t mappings; /* live now, reservations included */
    uint64_t longest_run; /* of free slots, now */
};

/*
 * Usage over all areas. Returns 0, BOUNCE_E_NULL, BOUNCE_E_STATE or BOUNCE_E_BUSY. Any thread; a moment's view while
 * others map.
 */
int bounce_usage(struct bounce_pool *pool, struct bounce_counts *usage);

/* Usage of one area. Returns as bounce_usage(), and BOUNCE_E_RANGE for an area that there is not. Any thread. */
int bounce_area_usage(struct bounce_pool *pool, uint32_t area, struct bounce_counts *usage);

/*
 * Let high_water start again from what is used now, in every area. Returns as bounce_usage(): BOUNCE_E_BUSY where it did so
 * in all but those whose locks were held. Any thread.
 */
int bounce_reset_high_water(struct bounce_pool *pool);

/*
 * The live mapping that starts at slot *slot or after it, in slot order. Start with *slot = 0 and go on with what the
 * call leaves there. Returns 0; BOUNCE_E_RANGE when there is none; BOUNCE_E_NULL; BOUNCE_E_STATE; BOUNCE_E_BUSY.
 * Any thread; shows mappings that begin or end meanwhile or not.
 */
int bounce_next_mapping(struct bounce_pool *pool, uint32_t *slot, struct bounce_mapping *mapping);

/*
 * The live mapping that a device address lies in, padding included: for callers who are handed an address where they
 * gave a handle.
 * Returns 0; BOUNCE_E_RANGE if no mapping is there; BOUNCE_E_NULL; BOUNCE_E_STATE; BOUNCE_E_BUSY. Any thread.
 */
int bounce_find_mapping(struct bounce_pool *pool, uint64_t addr, struct bounce_mapping *mapping);

/* What bounce_verify() found: one English clause, and where. */
struct bounce_flaw {
    const char *what;
    uint32_t area;
    uint32_t slot; /* of the pool, at or after which */
};

/*
 * Check everything that must be true of the metadata: that every used slot belongs to one mapping, that counts,
 * bitmaps, runs and index agree. Looks at every slot, one area after the other, and holds its lock meanwhile: for
 * tests, and for when you suspect.
 * Returns 0; BOUNCE_E_CORRUPT and the first flaw; BOUNCE_E_NULL, BOUNCE_E_STATE, BOUNCE_E_BUSY. Any thread.
 */
int bounce_verify(struct bounce_pool *pool, struct bounce_flaw *flaw);

#ifdef __cplusplus
}
#endif

#endif
