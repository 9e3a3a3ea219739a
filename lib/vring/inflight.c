/* SPDX-License-Identifier: MIT */
/* The beginning of an inflight region, and what a successor makes of one. */
#include "inflight.h"

/* ----------------------------------------------------------------------------------------------------- memory --- */

size_t vring_inflight_size(uint32_t size, bool packed)
{
    if (size == 0 || size > 32768)
        return 0;
    if (packed)
        return sizeof(struct vring_wire_inflight_packed) + size * sizeof(struct vring_wire_inflight_packed_desc);
    if ((size & (size - 1)) != 0)
        return 0;
    return sizeof(struct vring_wire_inflight_split) + size * sizeof(struct vring_wire_inflight_split_desc);
}

int vring_inflight_check(const struct vring_device_config *config, bool packed)
{
    if (!config->inflight)
        return 0;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;
    if ((uintptr_t)config->inflight % 8 != 0)
        return VRING_E_ALIGN;
    return config->inflight_size < vring_inflight_size(config->size, packed) ? VRING_E_SIZE : 0;
}

/* Both formats begin with features, version and desc_num. */
bool vring_inflight_started(const void *region)
{
    return access_load16(&((const struct vring_wire_inflight_split *)region)->version) != 0;
}

static int inflight_check_header(const struct vring_inflight *track, uint16_t size)
{
    const struct vring_wire_inflight_split *header = inflight_split(track);

    if (access_load16(&header->version) != INFLIGHT_VERSION || access_load64(&header->features) != 0)
        return VRING_E_SAVED;
    return access_load16(&header->desc_num) != size ? VRING_E_UNFIT : 0;
}

/* ------------------------------------------------------------------------------------------------------ beginning --- */

void vring_inflight_start_split(struct vring_inflight *track, uint16_t size, uint16_t used_idx)
{
    struct vring_wire_inflight_split *header = inflight_split(track);

    access_store16(&header->version, 0);
    for (uint16_t i = 0; i < size; i++) {
        struct vring_wire_inflight_split_desc *desc = inflight_split_desc(track, i);

        access_release16(&desc->inflight, 0, false);
        access_store16(&desc->next, 0);
        access_store64(&desc->counter, 0);
    }
    access_store64(&header->features, 0);
    access_store16(&header->desc_num, size);
    access_store16(&header->last_batch_head, 0);
    access_store16(&header->used_idx, used_idx);
    access_release16(&header->version, INFLIGHT_VERSION, false);
}

void vring_inflight_start_packed(struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t used,
                                 bool wrap)
{
    struct vring_wire_inflight_packed *header = inflight_packed(track);

    access_store16(&header->version, 0);
    for (uint16_t i = 0; i < size; i++) {
        struct vring_wire_inflight_packed_desc *desc = inflight_packed_desc(track, i);

        heads[i].link = (uint16_t)(i + 1);
        access_release16(&desc->inflight, 0, false);
        access_store16(&desc->next, heads[i].link);
        access_store64(&desc->counter, 0);
    }
    track->free_head = 0;
    access_store64(&header->features, 0);
    access_store16(&header->desc_num, size);
    access_store16(&header->free_head, 0);
    access_store16(&header->old_free_head, 0);
    access_store16(&header->used_idx, used);
    access_store16(&header->old_used_idx, used);
    access_store16(&header->wraps, inflight_wraps(wrap, wrap));
    access_release16(&header->version, INFLIGHT_VERSION, false);
}

/* ------------------------------------------------------------------------------------------------- what was held --- */

/* While the region is read, heads[i].handle says of its entry i: */
enum { ENTRY_UNSEEN, ENTRY_SEEN, ENTRY_HEAD };

static void inflight_see_nothing(struct vring_head *heads, uint16_t size)
{
    heads_clear(heads, size);
    for (uint16_t i = 0; i < size; i++)
        heads[i].handle = ENTRY_UNSEEN;
}

/*
 * How much younger than the first that was found, as 32 bits. Counters so far apart that these do not suffice count as
 * so far apart.
 */
static uint32_t inflight_age(uint64_t counter, uint64_t first)
{
    const uint64_t most = 0x7fffffff;

    if (counter >= first)
        return (uint32_t)(0x80000000u + (counter - first < most ? counter - first : most));
    return (uint32_t)(0x80000000u - (first - counter < most ? first - counter : most));
}

/* Put the count buffers of order[] in the order in which they were taken; the next counter is one more than the last. */
static void inflight_sort(struct vring_inflight *track, struct vring_head *heads, uint16_t count, bool packed)
{
    uint64_t first = 0;

    track->counter = 0;
    for (uint16_t i = 0; i < count; i++) {
        uint16_t head = heads[i].order;
        uint64_t counter = packed ? access_load64(&inflight_packed_desc(track, heads[head].record)->counter)
                                  : access_load64(&inflight_split_desc(track, head)->counter);

        if (i == 0)
            first = counter;
        if (counter >= track->counter)
            track->counter = counter + 1;
        heads[head].writable = inflight_age(counter, first);
    }
    vring_heads_sort(heads, count);
}

/* ---------------------------------------------------------------------------------------------------------- split --- */

/*
 * The batch that the driver was told of last is no longer in flight, if its predecessor came no further than that: for each
 * of its buffers handle says ENTRY_SEEN.
 */
static int inflight_end_batch(const struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t used_idx)
{
    const struct vring_wire_inflight_split *header = inflight_split(track);
    uint16_t batch = (uint16_t)(used_idx - access_load16(&header->used_idx));
    uint16_t i = access_load16(&header->last_batch_head);

    if (batch > size)
        return VRING_E_UNFIT;
    for (; batch > 0; batch--) {
        if (i >= size)
            return VRING_E_SAVED;
        heads[i].handle = ENTRY_SEEN;
        i = access_load16(&inflight_split_desc(track, i)->next);
    }
    return 0;
}

int vring_inflight_recover_split(struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t used_idx,
                                 uint16_t *count)
{
    int error = inflight_check_header(track, size);

    inflight_see_nothing(heads, size);
    if (!error)
        error = inflight_end_batch(track, heads, size, used_idx);
    if (error)
        return error;

    *count = 0;
    for (uint16_t i = 0; i < size; i++)
        if (heads[i].handle != ENTRY_SEEN && (access_load16(&inflight_split_desc(track, i)->inflight) & INFLIGHT_YES))
            heads_wait(heads, i, 1, (*count)++);
    inflight_sort(track, heads, *count, false);
    return 0;
}

void vring_inflight_mend_split(const struct vring_inflight *track, struct vring_head *heads, uint16_t size,
                               uint16_t used_idx)
{
    for (uint16_t i = 0; i < size; i++) {
        if (heads[i].handle == ENTRY_SEEN)
            inflight_split_drop(track, i);
        heads_forget(heads, i);
    }
    access_release16(&inflight_split(track)->used_idx, used_idx, false);
}

/* --------------------------------------------------------------------------------------------------------- packed --- */

static bool inflight_wrap(uint16_t wraps, bool old)
{
    return (PORT_BIG_ENDIAN != old ? wraps >> 8 : wraps) & 1;
}

bool vring_inflight_packed_place(const struct vring_inflight *track, uint16_t size, struct vring_inflight_place *old)
{
    const struct vring_wire_inflight_packed *header = inflight_packed(track);

    old->offset = access_load16(&header->old_used_idx);
    old->wrap = inflight_wrap(access_load16(&header->wraps), true);
    return old->offset < size;
}

/* Where the driver was told of used buffers, and the free list of that moment: go forward to what was prepared, or back. */
static int inflight_settle(struct vring_inflight *track, uint16_t size, bool committed, struct vring_inflight_place *used)
{
    struct vring_wire_inflight_packed *header = inflight_packed(track);
    uint16_t wraps = access_load16(&header->wraps);
    bool forward = committed && (access_load16(&header->used_idx) != access_load16(&header->old_used_idx) ||
                                 inflight_wrap(wraps, false) != inflight_wrap(wraps, true));

    used->offset = access_load16(forward ? &header->used_idx : &header->old_used_idx);
    used->wrap = inflight_wrap(wraps, !forward);
    track->free_head = access_load16(forward ? &header->free_head : &header->old_free_head);
    return used->offset >= size || track->free_head > size ? VRING_E_SAVED : 0;
}

/* Entry i is met, for the first time; what follows it is kept. Returns what follows, or false. */
static bool inflight_meet(const struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t *i,
                          uint16_t as)
{
    if (*i >= size || heads[*i].handle != ENTRY_UNSEEN)
        return false;
    heads[*i].handle = as;
    heads[*i].link = access_load16(&inflight_packed_desc(track, *i)->next);
    *i = heads[*i].link;
    return true;
}

/* The free list, which ends in size, and the buffers: they share no entry, and none is left. */
static int inflight_walk(const struct vring_inflight *track, struct vring_head *heads, uint16_t size)
{
    uint16_t seen = 0;

    for (uint16_t i = track->free_head; i != size; seen++)
        if (!inflight_meet(track, heads, size, &i, ENTRY_SEEN))
            return VRING_E_SAVED;
    for (uint16_t head = 0; head < size; head++) {
        const struct vring_wire_inflight_packed_desc *desc = inflight_packed_desc(track, head);
        uint16_t num = access_load16(&desc->num), i = head;

        if (heads[head].handle != ENTRY_UNSEEN || !(access_load16(&desc->inflight) & INFLIGHT_YES))
            continue;
        heads[head].writable = num; /* kept: the region is not read twice */
        for (uint16_t left = num; left > 0; left--, seen++)
            if (!inflight_meet(track, heads, size, &i, left == num ? ENTRY_HEAD : ENTRY_SEEN))
                return VRING_E_SAVED;
    }
    return seen == size ? 0 : VRING_E_SAVED;
}

/* The buffer noted from record on; its id is that of its last descriptor (2.8.6). */
static int inflight_collect(const struct vring_inflight *track, struct vring_head *heads, uint16_t size, uint16_t record,
                            uint16_t *count)
{
    uint16_t num = (uint16_t)heads[record].writable, last = record, id;

    for (uint16_t left = num; left > 1; left--)
        last = inflight_after(heads, last);
    id = access_load16(&inflight_packed_desc(track, last)->id);
    if (id >= size || heads[id].taken != 0)
        return VRING_E_SAVED;
    heads[id].record = record;
    heads_wait(heads, id, num, (*count)++);
    return 0;
}

int vring_inflight_recover_packed(struct vring_inflight *track, struct vring_head *heads, uint16_t size, bool committed,
                                  struct vring_inflight_place *used, uint16_t *count)
{
    struct vring_wire_inflight_packed *header = inflight_packed(track);
    int error = inflight_check_header(track, size);

    if (!error)
        error = inflight_settle(track, size, committed, used);
    inflight_see_nothing(heads, size);
    if (!error)
        error = inflight_walk(track, heads, size);
    *count = 0;
    for (uint16_t i = 0; !error && i < size; i++)
        if (heads[i].handle == ENTRY_HEAD)
            error = inflight_collect(track, heads, size, i, count);
    if (error)
        return error;

    for (uint16_t i = 0; i < size; i++) {
        if (heads[i].handle == ENTRY_SEEN)
            access_store16(&inflight_packed_desc(track, i)->inflight, 0);
        heads_forget(heads, i);
        heads[i].writable = 0;
    }
    access_release16(&header->free_head, track->free_head, false);
    access_release16(&header->old_free_head, track->free_head, false);
    access_release16(&header->used_idx, used->offset, false);
    access_release16(&header->wraps, inflight_wraps(used->wrap, used->wrap), false);
    access_release16(&header->old_used_idx, used->offset, false);
    inflight_sort(track, heads, *count, true);
    return 0;
}
