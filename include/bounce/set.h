/* SPDX-License-Identifier: MIT */
/*
 * Pools that come and go while others map: a set asks them in turn, in the order of their entries, and finds the pool
 * of a handle in one step. For memory that is added when the first pool runs full, for devices with a pool of their
 * own, and for one mapping that fits nowhere else.
 *
 * The caller brings all memory, and says with two functions what becomes of it: how a window is shared with the devices
 * and made private again, and that it is the caller's again.
 *
 * Threads. Everything that maps, unmaps or looks something up: any thread, at any time. What adds, drains or removes a
 * pool, bounce_set_map_transient() and bounce_set_fini(): one thread at a time, under a lock of the caller's that may
 * sleep, as sharing memory often does. Look-ups take no lock, and so a call that was under way when a pool left may
 * still look at its entry and its metadata: both are to be used again only when such calls have returned (what is called
 * a grace period). Of memory the caller decides. An entry is free at once, and the next pool may get it; with
 * entries_wait it is free when bounce_set_reuse() says so. A set without that, which others look things up in, adds its
 * next pool after a grace period, and bounce_set_unmap() of a transient mapping, with which its pool leaves, is one of
 * the calls under that lock.
 */
#ifndef BOUNCE_SET_H
#define BOUNCE_SET_H

#include <bounce/bounce.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most pools of a set, and most mappings that a pool of a set can have. */
#define BOUNCE_SET_POOLS 256
#define BOUNCE_SET_MAPPINGS 0x1000000

/*
 * Share a window with the devices, or (shared false) make it private again: decrypt and encrypt, map and unmap in an
 * IOMMU. Called by what adds or removes pools, and by the unmap of a transient mapping; may call the set, in which the
 * pool has its entry. Returns 0, or anything else if it failed: the window's state is unknown then, and nobody ever uses
 * or frees it again.
 */
typedef int (*bounce_share)(void *context, void *window, uint64_t window_addr, uint64_t size, bool shared);

/*
 * The pool in entry index has left the set: its window, private again, and its metadata are the caller's, as they were
 * handed to the set. Called by what removes pools, and by the unmap of a transient mapping.
 */
typedef void (*bounce_released)(void *context, uint32_t index, void *window, void *meta);

/* A place for a pool. Private memory; the fields are the library's. */
struct bounce_set_entry {
    uint32_t state;
    uint32_t device;
    uint32_t number; /* the latest that a mapping had in this place: none has it again */
    struct bounce_pool pool;
};

/* Zero what you do not set. */
struct bounce_set_config {
    struct bounce_set_entry *entries; /* private memory; outlives the set */
    uint32_t entry_count;             /* 1 to BOUNCE_SET_POOLS */
    uint64_t seed;                    /* as in struct bounce_config, for all pools of the set */
    bounce_share share;               /* null: windows are shared already, and stay so */
    bounce_released released;         /* null: nobody needs to know */
    void *context;                    /* for both */
    bool entries_wait;                /* an entry that a pool has left is not free until bounce_set_reuse() */
};

/* A set. Its fields are the library's, and constant from init to fini. */
struct bounce_set {
    uint32_t state;
    struct bounce_set_config config;
    uint32_t key[2];
};

/* Set up a set without pools. Returns 0; BOUNCE_E_NULL; BOUNCE_E_GEOMETRY for the number of entries. */
int bounce_set_init(struct bounce_set *set, const struct bounce_set_config *config);

/* End a set. Returns 0; BOUNCE_E_BUSY while it has a pool, and it lives on; BOUNCE_E_STATE; BOUNCE_E_NULL. */
int bounce_set_fini(struct bounce_set *set);

/*
 * Add a pool, in the first free entry.
 *
 * config  as for bounce_init(), but for the seed, which is the set's
 * device  0: it serves every device that has no pool of its own. Otherwise it serves this device alone, which is served
 *         by no other pool from now on
 * index   written on success: its entry
 *
 * The window is shared, cleared, and only then seen by others. Returns 0. Otherwise nothing has changed: what
 * bounce_init() answers; BOUNCE_E_OVERLAP also if the window or metadata share bytes or addresses with those of another
 * pool, or with the set; BOUNCE_E_GEOMETRY for more than BOUNCE_SET_MAPPINGS mappings; BOUNCE_E_FULL if no entry is
 * free; BOUNCE_E_SHARE if sharing failed: see bounce_share.
 */
int bounce_set_add(struct bounce_set *set, const struct bounce_config *config, uint32_t device, uint32_t *index);

/*
 * Let the pool in an entry run empty: it gets no more requests, until it is removed. A device whose only pool it was
 * gets those of everybody from now on.
 * Returns 0; BOUNCE_E_RANGE if there is no pool, or a transient one; BOUNCE_E_STATE; BOUNCE_E_NULL.
 */
int bounce_set_drain(struct bounce_set *set, uint32_t index);

/*
 * Remove the pool in an entry, which nobody maps through any more. Calls released before it returns.
 * Returns 0; BOUNCE_E_BUSY while mappings are live, and nothing has changed; BOUNCE_E_RANGE if there is no pool, or a
 * transient one; BOUNCE_E_STATE; BOUNCE_E_NULL; BOUNCE_E_SHARE if the window could not be made private: the pool has
 * left, but released was not called, and the entry is lost with the window.
 */
int bounce_set_remove(struct bounce_set *set, uint32_t index);

/*
 * With entries_wait: the entry that a pool has left is free again. Once for each call of released, by any thread, when no
 * call is under way any more that began before it.
 * Returns 0; BOUNCE_E_RANGE if it is no entry that waits, which nothing does without entries_wait; BOUNCE_E_STATE;
 * BOUNCE_E_NULL.
 */
int bounce_set_reuse(struct bounce_set *set, uint32_t index);

/*
 * As bounce_map(), bounce_reserve() and bounce_alloc(), in the first pool that can: of the device's own, or if it has
 * none, of those that serve everybody. device: 0 for none in particular.
 * Returns as they do. If no pool can: BOUNCE_E_BUSY, BOUNCE_E_MAPPINGS, BOUNCE_E_FRAGMENTED or BOUNCE_E_FULL, the
 * first of these that any pool answered, or BOUNCE_E_FULL without a pool; BOUNCE_E_UNSATISFIABLE or BOUNCE_E_TOO_LARGE
 * only if no pool could ever.
 */
int bounce_set_map(struct bounce_set *set, uint32_t device, const struct bounce_request *request,
                   struct bounce_mapping *mapping);
int bounce_set_reserve(struct bounce_set *set, uint32_t device, const struct bounce_request *request,
                       struct bounce_mapping *mapping);
int bounce_set_alloc(struct bounce_set *set, uint32_t device, size_t size, uint32_t area, uint32_t owner,
                     struct bounce_mapping *mapping);

/*
 * Add a pool, map one buffer through it, and have it removed when that is unmapped: no other request sees it.
 * Returns 0; otherwise nothing has changed: as bounce_set_add() and bounce_map(). The window is shared for what could be
 * mapped: only if copying fails (BOUNCE_E_COPY) has it been cleared, and made private again; BOUNCE_E_SHARE also if that
 * failed.
 */
int bounce_set_map_transient(struct bounce_set *set, const struct bounce_config *config,
                             const struct bounce_request *request, struct bounce_mapping *mapping);

/*
 * The pool of a live handle, for bounce_sync_for_cpu(), bounce_sync_for_device() and bounce_commit(). Of one that is not
 * live it may be null or any pool of the set: those calls refuse a null pool, and such a handle.
 */
struct bounce_pool *bounce_set_pool(struct bounce_set *set, bounce_handle handle);

/* The pool whose window a device address lies in, or null: "is this ours?" Goes through the entries. */
struct bounce_pool *bounce_set_find(struct bounce_set *set, uint64_t addr);

/*
 * As bounce_unmap() and bounce_free(); the end of a transient mapping also removes its pool, as bounce_set_remove().
 * Returns as these; BOUNCE_E_SHARE, whatever became of the copy, if the window is lost.
 */
int bounce_set_unmap(struct bounce_set *set, bounce_handle handle, enum bounce_direction direction, size_t written);
int bounce_set_free(struct bounce_set *set, bounce_handle handle);

/* The most of what bounce_max_mapping_size() says of the pools that serve a device; 0 if there is none. */
size_t bounce_set_max_mapping_size(struct bounce_set *set, uint32_t device, uint64_t min_align_mask);

/* As bounce_usage(), summed over all pools. */
int bounce_set_usage(struct bounce_set *set, struct bounce_counts *usage);

#ifdef __cplusplus
}
#endif

#endif
