/* SPDX-License-Identifier: MIT */
/*
 * The verbs: map and unmap, sync for one side and the other, alloc and free, reserve and commit. Copies are made
 * without the lock: a mapping is its caller's from take to give.
 */
#include "copy.h"
#include "near.h"
#include "place.h"

/* The bits that keep a mask from being 2^k - 1. */
static uint64_t mask_flaw(uint64_t mask)
{
    return mask & (mask + 1);
}

static bool is_direction(enum bounce_direction direction)
{
    return (unsigned)direction - BOUNCE_TO_DEVICE <= BOUNCE_BIDIRECTIONAL - BOUNCE_TO_DEVICE;
}

static bool shares_bytes(uintptr_t a, size_t a_size, uintptr_t b, size_t b_size)
{
    return a < b ? b - a < a_size : a - b < b_size;
}

/* What is wrong with a request whatever its original is. */
static inline int check_request(const struct bounce_request *request)
{
    if (request->size == 0)
        return BOUNCE_E_SIZE;
    if (!is_direction(request->direction))
        return BOUNCE_E_DIRECTION;
    if ((request->alloc_align_mask | request->min_align_mask | request->boundary_mask) != 0 &&
        (mask_flaw(request->alloc_align_mask) | mask_flaw(request->min_align_mask) |
         mask_flaw(request->boundary_mask)) != 0)
        return BOUNCE_E_MASK;
    if (request->size - 1 > UINT64_MAX - request->orig_addr)
        return BOUNCE_E_ADDR;
    return 0;
}

/* An original that is to be copied by memcpy is no part of the pool. With a copy function it is the caller's affair. */
static POOL_APART int check_original(const struct bounce_pool *pool, const void *orig, size_t size)
{
    uintptr_t start = (uintptr_t)orig;

    if (size - 1 > UINTPTR_MAX - start)
        return BOUNCE_E_ADDR;
    if (shares_bytes(start, size, (uintptr_t)pool->window, (size_t)pool->slots << pool->slot_shift) ||
        shares_bytes(start, size, (uintptr_t)pool->meta, pool->meta_size))
        return BOUNCE_E_OVERLAP;
    return 0;
}

static inline int copy_in(const struct bounce_pool *pool, unsigned char *orig, size_t offset, unsigned char *data,
                          size_t len)
{
    int error = 0;

    copy_begin_write(data, len);
    if (!pool->copy)
        copy_to_window(data, orig + offset, len);
    else if (len != 0 && pool->copy(pool->copy_context, orig, offset, data, len, true) != 0)
        error = BOUNCE_E_COPY;
    copy_end_write(data, len);
    return error;
}

static int copy_out(const struct bounce_pool *pool, unsigned char *orig, size_t offset, unsigned char *data, size_t len)
{
    copy_begin_read(data, len);
    if (pool->copy)
        return len != 0 && pool->copy(pool->copy_context, orig, offset, data, len, false) != 0 ? BOUNCE_E_COPY : 0;
    copy_from_window(orig + offset, data, len);
    return 0;
}

/* What a call on a mapping works with. */
struct live {
    struct area area;
    struct record *record;
    uint32_t i; /* of the record */
    unsigned char *orig;
    unsigned char *start; /* of the allocation, in the window */
    uint32_t slots;       /* of the allocation */
    uint32_t offset;      /* of the data */
    uint32_t size;
    bool reserved;
};

/* A slot of an area, in the window. */
static unsigned char *window_at(const struct bounce_pool *pool, const struct area *area, uint32_t slot)
{
    return pool->window + (size_t)pool_bytes(pool, area->first_slot + slot);
}

static size_t window_bytes(const struct bounce_pool *pool, uint32_t slots)
{
    return (size_t)slots << pool->slot_shift;
}

/* All but where, and how many slots, which are known already. */
static inline void read_record(const struct bounce_pool *pool, struct live *live)
{
    const struct record *record = live->record;

    live->orig = (unsigned char *)record_orig(record);
    live->start = window_at(pool, &live->area, record->slot);
    live->offset = record_offset(record);
    live->size = record_size(record);
    live->reserved = record_is_reserved(record);
}

/* Copy an original to the data of an allocation of n slots, and clear what is around them. */
static inline int fill(const struct bounce_pool *pool, unsigned char *orig, size_t size, unsigned char *start,
                       uint32_t n, uint32_t offset)
{
    unsigned char *data = start + offset;
    int error = copy_in(pool, orig, 0, data, size);

    if ((pool->flags & BOUNCE_KEEP_PADDING) == 0) {
        copy_clear(start, offset);
        copy_clear(data + size, window_bytes(pool, n) - offset - size);
    }
    return error;
}

/*
 * Clear the slots of a mapping that nobody else can reach any more, unless start is null, and free them. A try view may
 * wait here: whoever it interrupted did not hold the lock when it was first taken, and others let go of it soon.
 */
static POOL_APART int release(const struct bounce_pool *pool, uint32_t number, uint32_t i, unsigned char *start,
                              uint32_t slots)
{
    struct area area = area_of(pool, number);
    bounce_lock_state state;
    int error;

    if (start)
        copy_clear(start, window_bytes(pool, slots));
    state = bounce_lock_take(&area_head(&area)->lock);
    error = give_slots(pool, &area, record_at(pool, &area, i), i, slots);
    area_unlock(&area, state);
    return error;
}

/* What a mapping begins as. */
enum birth {
    BIRTH_MAPPED,   /* with an original */
    BIRTH_RESERVED, /* with one to come */
    BIRTH_COHERENT  /* without */
};

/* Put in a new mapping's slots what belongs there, and tell. If that fails, it is none. */
static POOL_WITHIN int begin_mapping(const struct bounce_pool *restrict pool, const struct bounce_request *request,
                                     enum birth birth, const struct spot *spot, struct bounce_mapping *mapping)
{
    uint64_t from = pool_bytes(pool, spot->area.first_slot + spot->slot);
    unsigned char *start = pool->window + (size_t)from;
    int error = 0;

    /*
     * Whatever the direction: a device that writes less than all must leave the original as it was, and find nothing
     * older.
     */
    if (birth == BIRTH_MAPPED)
        error = fill(pool, (unsigned char *)request->orig, request->size, start, spot->slots, spot->offset);
    else
        copy_clear(start, window_bytes(pool, spot->slots));
    if (error) {
        (void)release(pool, spot->area.number, spot->i, start, spot->slots);
        return error;
    }
    mapping->handle = handle_seal(pool->key, spot->parts);
    mapping->size = request->size;
    mapping_set_place(pool, &spot->area, spot->slot, spot->slots, spot->offset, from, mapping);
    mapping_set_use(request->owner, request->direction, mapping);
    return 0;
}

/* Take slots for a request with nothing wrong in itself, and begin the mapping. held: see place_take(). */
static POOL_APART int take(const struct bounce_pool *pool, const struct bounce_request *request, enum birth birth,
                           const bounce_lock_state *held, struct bounce_mapping *mapping)
{
    uint64_t granule_mask = birth == BIRTH_COHERENT ? 0 : request->alloc_align_mask;
    uintptr_t orig = birth == BIRTH_MAPPED ? (uintptr_t)request->orig : 0;
    struct spot spot = {0};
    int error = place_take(pool, request, granule_mask, orig, birth == BIRTH_RESERVED, held, &spot);

    return error ? error : begin_mapping(pool, request, birth, &spot, mapping);
}

/* Could this be a mapping, wherever it lies? */
static inline int check_mapping(const struct bounce_pool *pool, const struct bounce_request *request)
{
    int error;

    if (!request->orig && !pool->copy)
        return BOUNCE_E_NULL;
    error = check_request(request);
    return error || pool->copy ? error : check_original(pool, request->orig, request->size);
}

int bounce_map(struct bounce_pool *pool, const struct bounce_request *request, struct bounce_mapping *mapping)
{
    enum near_answer answer;
    bounce_lock_state state;
    struct spot spot;
    int error;

    if (!pool || !request || !mapping)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    error = check_mapping(pool, request);
    if (error)
        return error;
    answer = near_take(pool, request, &state, &spot);
    if (answer == NEAR_TAKEN)
        return begin_mapping(pool, request, BIRTH_MAPPED, &spot, mapping);
    return take(pool, request, BIRTH_MAPPED, answer == NEAR_BEYOND ? &state : NULL, mapping);
}

int bounce_can_map(const struct bounce_pool *pool, const struct bounce_request *request)
{
    struct plan plan;
    int error;

    if (!pool || !request)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    error = check_request(request);
    if (error)
        return error;
    error = plan_make(pool, request, request->alloc_align_mask, &plan);
    if (error)
        return error;
    return plan_fits_empty_pool(pool, &plan) ? 0 : BOUNCE_E_UNSATISFIABLE;
}

int bounce_judge(const struct bounce_pool *draft, const struct bounce_request *request)
{
    int error = check_mapping(draft, request);

    return error ? error : bounce_can_map(draft, request);
}

int bounce_reserve(struct bounce_pool *pool, const struct bounce_request *request, struct bounce_mapping *mapping)
{
    int error;

    if (!pool || !request || !mapping)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    error = check_request(request);
    return error ? error : take(pool, request, BIRTH_RESERVED, NULL, mapping);
}

int bounce_alloc(struct bounce_pool *pool, size_t size, uint32_t area, uint32_t owner, struct bounce_mapping *mapping)
{
    struct bounce_request request = {0};

    if (!pool || !mapping)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    if (size == 0)
        return BOUNCE_E_SIZE;

    request.size = size;
    request.area = area;
    request.owner = owner;
    request.alloc_align_mask = pool->page_mask;
    while (request.alloc_align_mask < size - 1)
        request.alloc_align_mask = request.alloc_align_mask * 2 + 1;
    return take(pool, &request, BIRTH_COHERENT, NULL, mapping);
}

enum ask_state {
    ASK_ORIGINAL,    /* it has one */
    ASK_RESERVATION, /* it has none yet */
    ASK_ENDING       /* it ends, whatever it is; len may be BOUNCE_WHOLE */
};

/* What is asked of a live mapping: the bytes [offset, offset + len), and how it is to be. */
struct ask {
    bounce_handle handle;
    unsigned direction; /* 0: coherent */
    size_t offset, len;
    enum ask_state state;
    bool at_once; /* with ASK_ENDING: nothing is left to do in the window */
};

/* The record that a handle leads to, if it can lead anywhere in this pool. Says nothing about what lives there. */
static POOL_WITHIN bool find_place(const struct bounce_pool *pool, bounce_handle handle, struct live *live,
                                   uint32_t *number)
{
    struct handle_parts parts = handle_open(pool->key, handle);
    uint32_t place = parts.place ^ pool->place;
    uint32_t area = place >> pool->record_shift, i = place & pool->record_mask;

    if (area > pool->area_mask || i >= pool->records)
        return false;
    live->area = area_of(pool, area);
    live->record = record_at(pool, &live->area, i);
    live->i = i;
    *number = parts.number;
    return true;
}

/* Is the record what is asked for? The lock is held. */
static POOL_WITHIN int check_ask(const struct record *record, uint32_t number, const struct ask *ask)
{
    if (!record_is_live(record) || record->number != number)
        return BOUNCE_E_HANDLE;
    if (record_direction(record) != ask->direction && (record_direction(record) == 0 || ask->direction == 0))
        return BOUNCE_E_HANDLE;
    if (ask->state != ASK_ENDING && record_is_reserved(record) != (ask->state == ASK_RESERVATION))
        return BOUNCE_E_HANDLE;
    if (record_direction(record) != ask->direction)
        return BOUNCE_E_DIRECTION;
    if (ask->state == ASK_ENDING && ask->len == BOUNCE_WHOLE)
        return 0;
    return ask->offset > record_size(record) || ask->len > record_size(record) - ask->offset ? BOUNCE_E_RANGE : 0;
}

/*
 * Find the mapping, if it is live and as asked. If it ends, its handle dies here: of two calls that end one mapping at
 * the same time, one is refused. Its slots are free at once, or when the caller releases them.
 */
static POOL_WITHIN int look_up(const struct bounce_pool *restrict pool, const struct ask *ask, struct live *live)
{
    bounce_lock_state state;
    uint32_t number;
    int error;

    if (!find_place(pool, ask->handle, live, &number))
        return BOUNCE_E_HANDLE;
    if (!area_lock(pool, &live->area, &state))
        return BOUNCE_E_BUSY;
    live->slots = record_slots(pool, live->record);
    error = check_ask(live->record, number, ask);
    if (!error && !record_is_sound(pool, &live->area, live->record->slot, live->slots))
        error = BOUNCE_E_CORRUPT;
    if (!error && ask->at_once) {
        error = give_slots(pool, &live->area, live->record, live->i, live->slots);
    } else if (!error) {
        read_record(pool, live);
        if (ask->state == ASK_ENDING)
            live->record->use |= RECORD_ENDING;
    }
    area_unlock(&live->area, state);
    return error;
}

/* The mapping that an ask with a direction is about. */
static POOL_WITHIN int look_up_streaming(const struct bounce_pool *restrict pool, const struct ask *ask,
                                         struct live *live)
{
    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    if (!is_direction((enum bounce_direction)ask->direction))
        return BOUNCE_E_DIRECTION;
    return look_up(pool, ask, live);
}

static POOL_APART int look_up_apart(const struct bounce_pool *pool, const struct ask *ask, struct live *live)
{
    return look_up_streaming(pool, ask, live);
}

int bounce_commit(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, void *orig)
{
    struct ask ask = {handle, (unsigned)direction, 0, 0, ASK_RESERVATION, false};
    bounce_lock_state state;
    struct live live;
    int error = look_up_apart(pool, &ask, &live);

    if (error)
        return error;
    if (!orig && !pool->copy)
        return BOUNCE_E_NULL;
    error = pool->copy ? 0 : check_original(pool, orig, live.size);
    if (error)
        return error;
    live.orig = (unsigned char *)orig;
    error = fill(pool, live.orig, live.size, live.start, live.slots, live.offset);
    if (error) {
        copy_clear(live.start, window_bytes(pool, live.slots));
        return error;
    }
    state = bounce_lock_take(&area_head(&live.area)->lock);
    record_set_orig(live.record, (uintptr_t)orig);
    live.record->use &= ~RECORD_RESERVED;
    area_unlock(&live.area, state);
    return 0;
}

/* bounce_unmap() where something is to be copied or cleared between the end of the handle and that of the slots. */
static POOL_APART int unmap_window(const struct bounce_pool *pool, bounce_handle handle,
                                   enum bounce_direction direction, size_t written)
{
    bool copies = direction != BOUNCE_TO_DEVICE && written != 0, keep = (pool->flags & BOUNCE_KEEP_CONTENTS) != 0;
    struct ask ask = {handle, (unsigned)direction, 0, written, ASK_ENDING, false};
    struct live live;
    int copied = 0, error = look_up_apart(pool, &ask, &live);

    if (error)
        return error;
    if (copies && !live.reserved)
        copied = copy_out(pool, live.orig, 0, live.start + live.offset, written == BOUNCE_WHOLE ? live.size : written);
    error = release(pool, live.area.number, live.i, keep ? NULL : live.start, live.slots);
    return error ? error : copied;
}

int bounce_unmap(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t written)
{
    struct ask ask = {handle, (unsigned)direction, 0, written, ASK_ENDING, true};
    struct live live;

    if (!pool)
        return BOUNCE_E_NULL;
    if ((pool->flags & BOUNCE_KEEP_CONTENTS) == 0 || (direction != BOUNCE_TO_DEVICE && written != 0))
        return unmap_window(pool, handle, direction, written);
    return look_up_streaming(pool, &ask, &live);
}

int bounce_free(struct bounce_pool *pool, bounce_handle handle)
{
    bool keep = pool && (pool->flags & BOUNCE_KEEP_CONTENTS) != 0;
    struct ask ask = {handle, 0, 0, BOUNCE_WHOLE, ASK_ENDING, keep};
    struct live live;
    int error;

    live.start = NULL;
    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    error = look_up(pool, &ask, &live);
    return error || keep ? error : release(pool, live.area.number, live.i, live.start, live.slots);
}

int bounce_sync_for_cpu(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t offset,
                        size_t len)
{
    struct ask ask = {handle, (unsigned)direction, offset, len, ASK_ORIGINAL, false};
    struct live live;
    int error = look_up_apart(pool, &ask, &live);

    if (error || direction == BOUNCE_TO_DEVICE)
        return error;
    return copy_out(pool, live.orig, offset, live.start + live.offset + offset, len);
}

int bounce_sync_for_device(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction,
                           size_t offset, size_t len)
{
    struct ask ask = {handle, (unsigned)direction, offset, len, ASK_ORIGINAL, false};
    struct live live;
    int error = look_up_apart(pool, &ask, &live);

    if (error || direction == BOUNCE_FROM_DEVICE)
        return error;
    return copy_in(pool, live.orig, offset, live.start + live.offset + offset, len);
}
