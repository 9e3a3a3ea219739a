/* SPDX-License-Identifier: MIT */
/*
 * A set of pools. All pools of a set share one key, and a handle's place begins with the entry: so the set opens a
 * handle once and knows the pool.
 */
#include <bounce/set.h>

#include "handle.h"
#include "pool.h"

#define SET_READY UINT32_C(0xb0c1c5e7)

/* What an entry's state says; all but FREE and LOST keep their pool's fields as they are. */
enum {
    ENTRY_FREE,
    ENTRY_ENTERING,  /* nobody maps yet, but what share() and copy functions call knows that it is taken */
    ENTRY_OPEN,      /* maps and unmaps */
    ENTRY_DRAINING,  /* unmaps */
    ENTRY_TRANSIENT, /* has its one mapping; unmaps */
    ENTRY_LEAVING,   /* nothing is live any more; its window becomes private */
    ENTRY_LEFT,      /* has no pool any more; somebody may still look at the one that was here */
    ENTRY_LOST       /* its window could not be made private; never used again */
};

#define ENTRY_SHIFT 24u /* of the entry in a handle's place: the pool has what is below */

_Static_assert(BOUNCE_SET_POOLS == 1u << (32 - ENTRY_SHIFT), "an entry fits above");
_Static_assert(BOUNCE_SET_MAPPINGS == 1u << ENTRY_SHIFT, "a pool's place fits below");

/* Can there be memory that was given to the entry in this state and has not been given back? */
static bool is_taken(uint32_t state)
{
    return state != ENTRY_FREE && state != ENTRY_LEFT;
}

/* Can an entry in this state have mappings? */
static bool is_live(uint32_t state)
{
    return state == ENTRY_OPEN || state == ENTRY_DRAINING || state == ENTRY_TRANSIENT;
}

static int set_check(const struct bounce_set *set)
{
    if (!set)
        return BOUNCE_E_NULL;
    return set->state == SET_READY ? 0 : BOUNCE_E_STATE;
}

static uint64_t window_size(const struct bounce_pool *pool)
{
    return pool_bytes(pool, pool->slots);
}

int bounce_set_init(struct bounce_set *set, const struct bounce_set_config *config)
{
    static const struct bounce_set_entry blank = {0};

    if (!set || !config || !config->entries)
        return BOUNCE_E_NULL;
    if (config->entry_count == 0 || config->entry_count > BOUNCE_SET_POOLS)
        return BOUNCE_E_GEOMETRY;
    for (uint32_t i = 0; i < config->entry_count; i++)
        config->entries[i] = blank;
    set->config = *config;
    handle_set_key(set->key, config->seed, (uintptr_t)set, (uintptr_t)config->entries, 0);
    set->state = SET_READY;
    return 0;
}

int bounce_set_fini(struct bounce_set *set)
{
    int error = set_check(set);

    if (error)
        return error;
    for (uint32_t i = 0; i < set->config.entry_count; i++) {
        uint32_t state = lock_observe(&set->config.entries[i].state);
        if (is_taken(state) && state != ENTRY_LOST)
            return BOUNCE_E_BUSY;
    }
    set->state = 0;
    return 0;
}

/* --------------------------------------------------------------------------------------------- coming and going --- */

/* Does a pool to be share memory or device addresses with another, or with the set? */
static bool overlaps(const struct bounce_set *set, const struct bounce_pool *draft)
{
    uint64_t size = window_size(draft);
    uintptr_t window = (uintptr_t)draft->window, meta = (uintptr_t)draft->meta;
    uintptr_t entries = (uintptr_t)set->config.entries;
    size_t entries_size = set->config.entry_count * sizeof(struct bounce_set_entry);

    if (pool_overlap(window, size, entries, entries_size) ||
        pool_overlap(meta, draft->meta_size, entries, entries_size) ||
        pool_overlap(window, size, (uintptr_t)set, sizeof(*set)) ||
        pool_overlap(meta, draft->meta_size, (uintptr_t)set, sizeof(*set)))
        return true;
    for (uint32_t i = 0; i < set->config.entry_count; i++) {
        const struct bounce_pool *other = &set->config.entries[i].pool;
        if (!is_taken(lock_observe(&set->config.entries[i].state)))
            continue;
        if (pool_overlap(draft->window_addr, size, other->window_addr, window_size(other)) ||
            pool_overlap(window, size, (uintptr_t)other->window, window_size(other)) ||
            pool_overlap(window, size, (uintptr_t)other->meta, other->meta_size) ||
            pool_overlap(meta, draft->meta_size, (uintptr_t)other->window, window_size(other)) ||
            pool_overlap(meta, draft->meta_size, (uintptr_t)other->meta, other->meta_size))
            return true;
    }
    return false;
}

static int share(const struct bounce_set *set, const struct bounce_pool *pool, bool shared)
{
    const struct bounce_set_config *config = &set->config;

    if (!config->share)
        return 0;
    return config->share(config->context, pool->window, pool->window_addr, window_size(pool), shared) == 0
               ? 0
               : BOUNCE_E_SHARE;
}

/* A pool in the first free entry, shared and cleared, that nobody maps through yet; request: what it is for, or null. */
static int enter(struct bounce_set *set, const struct bounce_config *config, const struct bounce_request *request,
                 uint32_t *index)
{
    struct bounce_set_entry *entry = NULL;
    struct bounce_pool draft;
    int error;

    for (*index = 0; *index < set->config.entry_count && !entry; ++*index)
        if (lock_observe(&set->config.entries[*index].state) == ENTRY_FREE)
            entry = &set->config.entries[*index];
    if (!entry)
        return BOUNCE_E_FULL;
    --*index;
    error = bounce_draft(&entry->pool, config, &draft);
    if (error)
        return error;
    if (draft.area_shift + draft.record_shift > ENTRY_SHIFT)
        return BOUNCE_E_GEOMETRY;
    if (overlaps(set, &draft))
        return BOUNCE_E_OVERLAP;
    error = request ? bounce_judge(&draft, request) : 0;
    if (error)
        return error;
    draft.key[0] = set->key[0];
    draft.key[1] = set->key[1];
    draft.place = *index << ENTRY_SHIFT;
    entry->pool = draft;
    lock_publish(&entry->state, ENTRY_ENTERING);
    error = share(set, &draft, true);
    if (error) {
        lock_publish(&entry->state, ENTRY_FREE);
        return error;
    }
    bounce_begin(&entry->pool, &draft, config->cursor, entry->number);
    return 0;
}

/* Give no more slots, if none is used: whether that is so. The areas are asked one by one, and opened again if not. */
static bool close_pool(struct bounce_set_entry *entry)
{
    const struct bounce_pool *pool = &entry->pool;
    uint32_t number = 0;
    bool idle = true;

    while (number < area_count(pool) && idle) {
        struct area area = area_of(pool, number++);
        struct area_head *head = area_head(&area);
        bounce_lock_state state = bounce_lock_take(&head->lock);
        idle = head->used == 0;
        head->closed = 1;
        if (entry->number < head->number)
            entry->number = head->number;
        bounce_lock_give(&head->lock, state);
    }
    while (number > 0 && !idle) {
        struct area area = area_of(pool, --number);
        bounce_lock_state state = bounce_lock_take(&area_head(&area)->lock);
        area_head(&area)->closed = 0;
        bounce_lock_give(&area_head(&area)->lock, state);
    }
    return idle;
}

/* A closed pool goes. */
static int leave(const struct bounce_set *set, uint32_t index)
{
    struct bounce_set_entry *entry = &set->config.entries[index];
    void *window = entry->pool.window, *meta = entry->pool.caller_meta;
    int error;

    lock_publish(&entry->state, ENTRY_LEAVING);
    error = share(set, &entry->pool, false);
    lock_publish(&entry->state, error ? ENTRY_LOST : set->config.entries_wait ? ENTRY_LEFT : ENTRY_FREE);
    if (!error && set->config.released)
        set->config.released(set->config.context, index, window, meta);
    return error;
}

int bounce_set_add(struct bounce_set *set, const struct bounce_config *config, uint32_t device, uint32_t *index)
{
    uint32_t entry;
    int error = set_check(set);

    if (error)
        return error;
    if (!index)
        return BOUNCE_E_NULL;
    error = enter(set, config, NULL, &entry);
    if (error)
        return error;
    set->config.entries[entry].device = device;
    lock_publish(&set->config.entries[entry].state, ENTRY_OPEN);
    *index = entry;
    return 0;
}

/* The set, and an entry of it with a pool that was added and has not left. */
static int entry_check(const struct bounce_set *set, uint32_t index)
{
    uint32_t state;
    int error = set_check(set);

    if (error)
        return error;
    if (index >= set->config.entry_count)
        return BOUNCE_E_RANGE;
    state = lock_observe(&set->config.entries[index].state);
    return state == ENTRY_OPEN || state == ENTRY_DRAINING ? 0 : BOUNCE_E_RANGE;
}

int bounce_set_drain(struct bounce_set *set, uint32_t index)
{
    int error = entry_check(set, index);

    if (!error)
        lock_publish(&set->config.entries[index].state, ENTRY_DRAINING);
    return error;
}

int bounce_set_remove(struct bounce_set *set, uint32_t index)
{
    int error = entry_check(set, index);

    if (error)
        return error;
    return close_pool(&set->config.entries[index]) ? leave(set, index) : BOUNCE_E_BUSY;
}

int bounce_set_reuse(struct bounce_set *set, uint32_t index)
{
    int error = set_check(set);

    if (error)
        return error;
    if (index >= set->config.entry_count || lock_observe(&set->config.entries[index].state) != ENTRY_LEFT)
        return BOUNCE_E_RANGE;
    lock_publish(&set->config.entries[index].state, ENTRY_FREE);
    return 0;
}

int bounce_set_map_transient(struct bounce_set *set, const struct bounce_config *config,
                             const struct bounce_request *request, struct bounce_mapping *mapping)
{
    struct bounce_set_entry *entry;
    uint32_t index;
    int error = set_check(set), kept;

    if (error)
        return error;
    if (!request || !mapping)
        return BOUNCE_E_NULL;
    error = enter(set, config, request, &index);
    if (error)
        return error;
    entry = &set->config.entries[index];
    error = bounce_map(&entry->pool, request, mapping);
    if (error) {
        kept = share(set, &entry->pool, false);
        lock_publish(&entry->state, kept ? ENTRY_LOST : ENTRY_FREE);
        return kept ? kept : error;
    }
    lock_publish(&entry->state, ENTRY_TRANSIENT);
    return 0;
}

/* -------------------------------------------------------------------------------------------- from pool to pool --- */

/* Does the pool in an entry serve requests of this owner: a device, or everybody (0)? */
static bool serves(const struct bounce_set_entry *entry, uint32_t device)
{
    return lock_observe(&entry->state) == ENTRY_OPEN && entry->device == device;
}

/* Whose pools serve a device: its own, or if it has none everybody's. */
static uint32_t served_by(const struct bounce_set *set, uint32_t device)
{
    for (uint32_t i = 0; device != 0 && i < set->config.entry_count; i++)
        if (serves(&set->config.entries[i], device))
            return device;
    return 0;
}

/* How much an answer says about the next try: the less, the further back. 0: no other pool will answer otherwise. */
static unsigned rank(int error)
{
    static const int order[] = {BOUNCE_E_BUSY, BOUNCE_E_MAPPINGS, BOUNCE_E_FRAGMENTED, BOUNCE_E_FULL,
                                BOUNCE_E_UNSATISFIABLE, BOUNCE_E_TOO_LARGE};
    unsigned count = sizeof(order) / sizeof(order[0]);

    for (unsigned i = 0; i < count; i++)
        if (error == order[i])
            return i + 1;
    return 0;
}

/* The three ways to get slots. */
enum want_what { WANT_MAPPING, WANT_RESERVATION, WANT_MEMORY };

struct want {
    enum want_what what;
    const struct bounce_request *request; /* of memory: size, area and owner */
};

static int ask(struct bounce_pool *pool, const struct want *want, struct bounce_mapping *mapping)
{
    const struct bounce_request *request = want->request;

    switch (want->what) {
    case WANT_MAPPING:
        return bounce_map(pool, request, mapping);
    case WANT_RESERVATION:
        return bounce_reserve(pool, request, mapping);
    default:
        return bounce_alloc(pool, request->size, request->area, request->owner, mapping);
    }
}

static int ask_all(struct bounce_set *set, uint32_t device, const struct want *want, struct bounce_mapping *mapping)
{
    int error = set_check(set), best = 0;

    if (error)
        return error;
    device = served_by(set, device);
    for (uint32_t i = 0; i < set->config.entry_count; i++) {
        if (!serves(&set->config.entries[i], device))
            continue;
        error = ask(&set->config.entries[i].pool, want, mapping);
        if (rank(error) == 0)
            return error;
        if (best == 0 || rank(error) < rank(best))
            best = error;
    }
    return best ? best : BOUNCE_E_FULL;
}

int bounce_set_map(struct bounce_set *set, uint32_t device, const struct bounce_request *request,
                   struct bounce_mapping *mapping)
{
    struct want want = {WANT_MAPPING, request};

    return ask_all(set, device, &want, mapping);
}

int bounce_set_reserve(struct bounce_set *set, uint32_t device, const struct bounce_request *request,
                       struct bounce_mapping *mapping)
{
    struct want want = {WANT_RESERVATION, request};

    return ask_all(set, device, &want, mapping);
}

int bounce_set_alloc(struct bounce_set *set, uint32_t device, size_t size, uint32_t area, uint32_t owner,
                     struct bounce_mapping *mapping)
{
    struct bounce_request request = {0};
    struct want want = {WANT_MEMORY, &request};

    request.size = size;
    request.area = area;
    request.owner = owner;
    return ask_all(set, device, &want, mapping);
}

/* The entry that a handle names, if it has a pool. */
static struct bounce_set_entry *entry_of(struct bounce_set *set, bounce_handle handle)
{
    uint32_t index, state;

    if (set_check(set) != 0)
        return NULL;
    index = handle_open(set->key, handle).place >> ENTRY_SHIFT;
    if (index >= set->config.entry_count)
        return NULL;
    state = lock_observe(&set->config.entries[index].state);
    return is_live(state) ? &set->config.entries[index] : NULL;
}

struct bounce_pool *bounce_set_pool(struct bounce_set *set, bounce_handle handle)
{
    struct bounce_set_entry *entry = entry_of(set, handle);

    return entry ? &entry->pool : NULL;
}

struct bounce_pool *bounce_set_find(struct bounce_set *set, uint64_t addr)
{
    if (set_check(set) != 0)
        return NULL;
    for (uint32_t i = 0; i < set->config.entry_count; i++) {
        struct bounce_set_entry *entry = &set->config.entries[i];
        uint32_t state = lock_observe(&entry->state);
        if (is_live(state) && addr >= entry->pool.window_addr &&
            addr - entry->pool.window_addr < window_size(&entry->pool))
            return &entry->pool;
    }
    return NULL;
}

/* After an unmap or free: the mapping of a transient pool was its last. */
static int ended(struct bounce_set *set, struct bounce_set_entry *entry, int error)
{
    int left;

    if ((error != 0 && error != BOUNCE_E_COPY) || lock_observe(&entry->state) != ENTRY_TRANSIENT || !close_pool(entry))
        return error;
    left = leave(set, (uint32_t)(entry - set->config.entries));
    return left ? left : error;
}

int bounce_set_unmap(struct bounce_set *set, bounce_handle handle, enum bounce_direction direction, size_t written)
{
    struct bounce_set_entry *entry;
    int error = set_check(set);

    if (error)
        return error;
    entry = entry_of(set, handle);
    if (!entry)
        return BOUNCE_E_HANDLE;
    return ended(set, entry, bounce_unmap(&entry->pool, handle, direction, written));
}

int bounce_set_free(struct bounce_set *set, bounce_handle handle)
{
    struct bounce_pool *pool;
    int error = set_check(set);

    if (error)
        return error;
    pool = bounce_set_pool(set, handle);
    return pool ? bounce_free(pool, handle) : BOUNCE_E_HANDLE;
}

size_t bounce_set_max_mapping_size(struct bounce_set *set, uint32_t device, uint64_t min_align_mask)
{
    size_t most = 0;

    if (set_check(set) != 0)
        return 0;
    device = served_by(set, device);
    for (uint32_t i = 0; i < set->config.entry_count; i++) {
        size_t size = serves(&set->config.entries[i], device)
                          ? bounce_max_mapping_size(&set->config.entries[i].pool, min_align_mask)
                          : 0;
        most = size > most ? size : most;
    }
    return most;
}

int bounce_set_usage(struct bounce_set *set, struct bounce_counts *usage)
{
    struct bounce_counts sum = {0, 0, 0, 0, 0}, one;
    int error = set_check(set);

    if (error)
        return error;
    if (!usage)
        return BOUNCE_E_NULL;
    for (uint32_t i = 0; i < set->config.entry_count; i++) {
        uint32_t state = lock_observe(&set->config.entries[i].state);
        if (!is_live(state))
            continue;
        error = bounce_usage(&set->config.entries[i].pool, &one);
        if (error)
            return error;
        sum.slots += one.slots;
        sum.used += one.used;
        sum.high_water += one.high_water;
        sum.mappings += one.mappings;
        sum.longest_run = one.longest_run > sum.longest_run ? one.longest_run : sum.longest_run;
    }
    *usage = sum;
    return 0;
}
