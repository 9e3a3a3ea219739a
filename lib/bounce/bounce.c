/* SPDX-License-Identifier: MIT */
/*
 * The verbs: map and unmap, sync for one side and the other, alloc and free. Copies are made without the lock: a mapping is its
 * caller's from take to give.
 */
#include "copy.h"
#include "mapping.h"
#include "place.h"

static bool is_mask(uint64_t mask)
{
    return (mask & (mask + 1)) == 0;
}

static bool is_direction(enum bounce_direction direction)
{
    return direction == BOUNCE_TO_DEVICE || direction == BOUNCE_FROM_DEVICE || direction == BOUNCE_BIDIRECTIONAL;
}

static bool shares_bytes(uintptr_t a, size_t a_size, uintptr_t b, size_t b_size)
{
    return a < b ? b - a < a_size : a - b < b_size;
}

static int check_request(const struct bounce_pool *pool, const struct bounce_request *request)
{
    uintptr_t orig = (uintptr_t)request->orig;

    if (request->size == 0)
        return BOUNCE_E_SIZE;
    if (!is_direction(request->direction))
        return BOUNCE_E_DIRECTION;
    if (!is_mask(request->alloc_align_mask) || !is_mask(request->min_align_mask) || !is_mask(request->boundary_mask))
        return BOUNCE_E_MASK;
    if (request->size - 1 > UINTPTR_MAX - orig || request->size - 1 > UINT64_MAX - request->orig_addr)
        return BOUNCE_E_ADDR;
    if (shares_bytes(orig, request->size, (uintptr_t)pool->window, (size_t)pool->slots << pool->slot_shift) ||
        shares_bytes(orig, request->size, (uintptr_t)pool->meta, pool->meta_size))
        return BOUNCE_E_OVERLAP;
    return 0;
}

/* Clear the slots of a mapping around its data. */
static void clear_padding(const struct bounce_pool *pool, const struct bounce_mapping *mapping)
{
    unsigned char *data = (unsigned char *)mapping->data;
    unsigned char *start = pool->window + ((size_t)mapping->slot << pool->slot_shift);
    size_t before = (size_t)(data - start);

    copy_clear(start, before);
    copy_clear(data + mapping->size, ((size_t)mapping->slots << pool->slot_shift) - before - mapping->size);
}

/* Take slots for the wish and tell the caller what they are. */
static int take_mapping(struct bounce_pool *pool, const struct wish *wish, uint32_t area, struct record *record,
                        struct bounce_mapping *mapping)
{
    struct plan plan;
    int error = bounce_plan(pool, wish, &plan);

    if (error)
        return error;
    record->size = (uint32_t)wish->size & 0x1fffffffu;
    record->offset = plan.offset & 0x0fffffffu;
    record->granule = plan.granule & 0xfu;
    return bounce_take(pool, &plan, area, record, mapping);
}

int bounce_map(struct bounce_pool *pool, const struct bounce_request *request, struct bounce_mapping *mapping)
{
    struct record record = {0};
    struct wish wish;
    int error;

    if (!pool || !request || !mapping || !request->orig)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    error = check_request(pool, request);
    if (error)
        return error;

    wish.size = request->size;
    wish.data_addr = request->orig_addr;
    wish.min_align_mask = request->min_align_mask;
    wish.alloc_align_mask = request->alloc_align_mask;
    wish.granule_mask = request->alloc_align_mask;
    wish.boundary_mask = request->boundary_mask;
    record.orig = request->orig;
    record.owner = request->owner;
    record.direction = (unsigned)request->direction & 3u;
    error = take_mapping(pool, &wish, request->area, &record, mapping);
    if (error)
        return error;

    /* Whatever the direction: a device that writes less than all must leave the original as it was, and find nothing older. */
    copy_to_window(mapping->data, record.orig, mapping->size);
    clear_padding(pool, mapping);
    return 0;
}

int bounce_alloc(struct bounce_pool *pool, size_t size, uint32_t area, uint32_t owner, struct bounce_mapping *mapping)
{
    struct record record = {0};
    struct wish wish = {0};
    int error;

    if (!pool || !mapping)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    if (size == 0)
        return BOUNCE_E_SIZE;

    wish.size = size;
    wish.alloc_align_mask = (UINT32_C(1) << pool->page_shift) - 1;
    while (wish.alloc_align_mask < size - 1)
        wish.alloc_align_mask = wish.alloc_align_mask * 2 + 1;
    record.owner = owner;
    error = take_mapping(pool, &wish, area, &record, mapping);
    if (error)
        return error;
    copy_clear(mapping->data, (size_t)mapping->slots << pool->slot_shift);
    return 0;
}

/* What is asked of a live mapping: the bytes [offset, offset + len), and whether it ends. */
struct ask {
    bounce_handle handle;
    unsigned direction; /* 0: coherent */
    size_t offset, len;
    bool ending; /* len may be BOUNCE_WHOLE */
};

/* What a call on a live mapping works with. */
struct live {
    struct area area;
    uint32_t slot; /* of the area */
    /* from the record */
    unsigned char *orig;
    unsigned char *start; /* of the allocation, in the window */
    uint32_t slots;
    uint32_t offset; /* of the data */
    uint32_t size;
};

/* Where a handle leads, if it can lead anywhere in this pool. Says nothing about what lives there. */
static bool find_place(const struct bounce_pool *pool, bounce_handle handle, struct live *live, uint32_t *number)
{
    struct handle_parts parts = handle_open(pool->key, handle);
    uint32_t area = parts.place >> pool->place_shift;

    if (area >= area_count(pool))
        return false;
    live->area = area_of(pool, area);
    live->slot = parts.place & ((UINT32_C(1) << pool->place_shift) - 1);
    *number = parts.number;
    return live->slot < live->area.slots;
}

/* Can a mapping have so many slots from this one on? One that cannot must not lead a copy out of the window. */
static bool is_sound(const struct bounce_pool *pool, const struct live *live)
{
    uint32_t at = live->slot & (segment_slots(pool) - 1);

    return live->size != 0 && live->slots <= area_segment_slots(pool, &live->area, live->slot >> pool->segment_shift) - at;
}

/*
 * Find the mapping, if it is live and as asked. With `ending` the handle dies here: of two calls that end one mapping at the same
 * time, one is refused.
 */
static int look_up(const struct bounce_pool *pool, const struct ask *ask, struct live *live)
{
    struct record *record;
    bounce_lock_state state;
    uint32_t number;
    int error = 0;

    if (!find_place(pool, ask->handle, live, &number))
        return BOUNCE_E_HANDLE;
    record = area_record(pool, &live->area, live->slot);
    state = bounce_lock_take(&area_head(&live->area)->lock);
    if (!record_is_live(record) || record->number != number || (record->direction == 0) != (ask->direction == 0))
        error = BOUNCE_E_HANDLE;
    else if (record->direction != ask->direction)
        error = BOUNCE_E_DIRECTION;
    else if (!(ask->ending && ask->len == BOUNCE_WHOLE) && (ask->offset > record->size || ask->len > record->size - ask->offset))
        error = BOUNCE_E_RANGE;
    else {
        live->orig = (unsigned char *)record->orig;
        live->start = pool->window + (size_t)pool_bytes(pool, live->area.first_slot + live->slot);
        live->slots = record_slots(pool, record);
        live->offset = record->offset;
        live->size = record->size;
        error = is_sound(pool, live) ? 0 : BOUNCE_E_CORRUPT;
        record->ending = !error && ask->ending;
    }
    bounce_lock_give(&area_head(&live->area)->lock, state);
    return error;
}

/* Clear and free the slots of a mapping that look_up() has ended. */
static int end_mapping(const struct bounce_pool *pool, const struct live *live)
{
    bounce_lock_state state;
    int error;

    if ((pool->flags & BOUNCE_KEEP_CONTENTS) == 0)
        copy_clear(live->start, (size_t)live->slots << pool->slot_shift);
    state = bounce_lock_take(&area_head(&live->area)->lock);
    error = bounce_give(pool, &live->area, live->slot, live->slots);
    bounce_lock_give(&area_head(&live->area)->lock, state);
    return error;
}

int bounce_unmap(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t written)
{
    struct ask ask = {handle, (unsigned)direction, 0, written, true};
    struct live live;
    int error;

    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    if (!is_direction(direction))
        return BOUNCE_E_DIRECTION;
    error = look_up(pool, &ask, &live);
    if (error)
        return error;
    if (direction != BOUNCE_TO_DEVICE)
        copy_from_window(live.orig, live.start + live.offset, written == BOUNCE_WHOLE ? live.size : written);
    return end_mapping(pool, &live);
}

int bounce_free(struct bounce_pool *pool, bounce_handle handle)
{
    struct ask ask = {handle, 0, 0, BOUNCE_WHOLE, true};
    struct live live;
    int error;

    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    error = look_up(pool, &ask, &live);
    return error ? error : end_mapping(pool, &live);
}

/* Both syncs, but for the copy: checks, and where the bytes are. */
static int sync_range(const struct bounce_pool *pool, const struct ask *ask, struct live *live)
{
    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    if (!is_direction((enum bounce_direction)ask->direction))
        return BOUNCE_E_DIRECTION;
    return look_up(pool, ask, live);
}

int bounce_sync_for_cpu(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t offset,
                        size_t len)
{
    struct ask ask = {handle, (unsigned)direction, offset, len, false};
    struct live live;
    int error = sync_range(pool, &ask, &live);

    if (!error && direction != BOUNCE_TO_DEVICE)
        copy_from_window(live.orig + offset, live.start + live.offset + offset, len);
    return error;
}

int bounce_sync_for_device(struct bounce_pool *pool, bounce_handle handle, enum bounce_direction direction, size_t offset,
                           size_t len)
{
    struct ask ask = {handle, (unsigned)direction, offset, len, false};
    struct live live;
    int error = sync_range(pool, &ask, &live);

    if (!error && direction != BOUNCE_FROM_DEVICE)
        copy_to_window(live.start + live.offset + offset, live.orig + offset, len);
    return error;
}
