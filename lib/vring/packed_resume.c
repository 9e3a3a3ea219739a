/* SPDX-License-Identifier: MIT */
/*
 * A packed queue that goes on after a restart: its private state as bytes, and back; and a device whose predecessor left
 * an inflight region. Everything read back is judged; nothing is believed for having been ours.
 */
#include <vring/packed.h>

#include "features.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "packed_ring.h"
#include "peer.h"
#include "resume.h"
#include "saved.h"
#include "slots.h"
#include "used_len.h"

enum {
    DRIVER_RECORD = 18, /* token, writable, id, count, position */
    KIND_DRIVER = SAVED_PACKED,
    KIND_DEVICE = SAVED_PACKED | SAVED_DEVICE
};

/* The places of a state: both in the ring, and entries of it between them. */
static bool packed_restore_places(const struct vring_packed_ring *r, const struct saved_header *header, uint32_t entries,
                                  struct vring_packed_position *next_used, struct vring_packed_position *next_avail)
{
    *next_used = packed_position(header->next_used);
    *next_avail = packed_position(header->next_avail);
    return packed_entry(*next_used) < r->size && entries <= r->size &&
           packed_same(packed_forward(r, *next_used, (uint16_t)entries), *next_avail);
}

/* --------------------------------------------------------------------------------------------------------- driver --- */

int vring_packed_driver_save(const struct vring_packed_driver *vq, void *state, size_t room)
{
    if (!vq)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (packed_driver_staged(vq) > 0)
        return VRING_E_STATE;

    size_t bytes = SAVED_HEADER + DRIVER_RECORD * (size_t)packed_driver_in_flight(vq) + SAVED_CHECKSUM;
    struct saved_cursor to = {(unsigned char *)state, bytes};
    struct saved_header header = {
        .features = vq->features,
        .size = vq->ring.size,
        .kind = KIND_DRIVER,
        .count = packed_driver_in_flight(vq),
        .next_avail = packed_place(vq->next_avail),
        .next_used = packed_place(vq->next_used),
        .batch = vq->batch,
        .batch_len = vq->batch_len,
    };

    if (!state)
        return (int)bytes;
    if (room < bytes)
        return VRING_E_ROOM;
    saved_put_header(&to, &header);
    for (uint32_t id = 0; id < vq->ring.size; id++) {
        const struct vring_slot *slot = &vq->slots[id];
        uint16_t age = (uint16_t)(vq->sequence - slot->position);

        if (!packed_driver_holds(vq, id))
            continue;
        if (feature_on(vq->features, VRING_F_IN_ORDER))
            age = (uint16_t)(packed_driver_in_flight(vq) - packed_before_by(&vq->ring, id, vq->oldest));
        saved_put(&to, 8, slot->token);
        saved_put(&to, 4, slot->writable);
        saved_put(&to, 2, id);
        saved_put(&to, 2, slot->count);
        saved_put(&to, 2, age);
    }
    saved_close(&to, (const unsigned char *)state);
    return (int)bytes;
}

/*
 * One buffer. With IN_ORDER ids follow each other round the slots, in the order of adding: every buffer says the same of
 * the id that comes next.
 */
static bool packed_driver_restore_buffer(struct vring_packed_driver *vq, struct saved_cursor *from, uint16_t buffers,
                                         uint32_t *entries)
{
    uint64_t token = saved_get(from, 8), writable = saved_get(from, 4), id = saved_get(from, 2);
    uint16_t count = (uint16_t)saved_get(from, 2), age = (uint16_t)saved_get(from, 2);

    if (count == 0 || id >= vq->ring.size || vq->slots[id].count != 0)
        return false;
    vq->slots[id].token = token;
    vq->slots[id].writable = (uint32_t)writable;
    vq->slots[id].count = count;
    vq->slots[id].position = (uint16_t)(vq->sequence - age);
    *entries += count;
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return true;

    uint16_t next = (uint16_t)(((uint32_t)id + age) % vq->ring.size);

    if (age == 0 || age > buffers || (vq->free_head != next && *entries > count))
        return false;
    vq->free_head = next;
    return true;
}

static void packed_driver_restore_free(struct vring_packed_driver *vq)
{
    uint16_t last = vq->ring.size;

    for (uint16_t id = 0; id < vq->ring.size; id++) {
        if (vq->slots[id].count != 0)
            continue;
        if (last == vq->ring.size)
            vq->free_head = id;
        else
            vq->slots[last].next = id;
        last = id;
    }
}

/* With IN_ORDER: the last so many ids before the free ones are in flight, and what they take up begins at next_used. */
static void packed_driver_restore_order(struct vring_packed_driver *vq, uint16_t buffers)
{
    uint32_t end = packed_entry(vq->next_used);

    vq->oldest = packed_before_by(&vq->ring, vq->free_head, buffers);
    for (uint32_t id = vq->oldest; buffers > 0; buffers--, id = packed_after(&vq->ring, id)) {
        end = (end + vq->slots[id].count) % vq->ring.size;
        vq->slots[id].position = (uint16_t)packed_before(&vq->ring, end);
    }
}

/* With IN_ORDER: of the batch that was begun the last buffer is to have this used length. */
static bool packed_driver_restore_batch(const struct vring_packed_driver *vq, const struct saved_header *header)
{
    if (header->batch == 0)
        return true;
    if (!feature_on(vq->features, VRING_F_IN_ORDER) || header->batch > header->count)
        return false;

    const uint32_t last = packed_after_by(&vq->ring, vq->oldest, header->batch - 1u);

    return used_len_restore(vq->used_len, vq->slots[last].writable, header->batch_len);
}

static int packed_driver_restore_state(struct vring_packed_driver *vq, struct saved_cursor *from,
                                       const struct saved_header *header)
{
    uint32_t entries = 0;

    slots_clear(vq->slots, vq->ring.size);
    for (uint32_t i = 0; !PORT_FAST && i < vq->ring.size; i++)
        vq->slots[i].order = UINT16_MAX; /* no buffer is known to end there */
    vq->sequence = vq->told = header->count;
    for (uint16_t i = 0; i < header->count; i++)
        if (!packed_driver_restore_buffer(vq, from, header->count, &entries))
            return VRING_E_SAVED;
    if (from->left != 0)
        return VRING_E_SAVED;
    if (!packed_restore_places(&vq->ring, header, entries, &vq->next_used, &vq->next_avail))
        return VRING_E_SAVED;
    if (feature_on(vq->features, VRING_F_IN_ORDER))
        packed_driver_restore_order(vq, header->count);
    else
        packed_driver_restore_free(vq);
    vq->published = vq->next_avail;
    vq->free_count = (uint16_t)(vq->ring.size - entries);
    vq->batch = header->batch;
    vq->batch_len = header->batch_len;
    return packed_driver_restore_batch(vq, header) ? 0 : VRING_E_SAVED;
}

/*
 * Is the ring where it was left? What is in flight begins with an entry that is available or used in this lap; behind it
 * nothing is.
 */
static bool packed_driver_fits(const struct vring_packed_driver *vq)
{
    uint16_t first = packed_observe_flags(&vq->ring, packed_entry(vq->next_used));
    uint16_t behind = packed_observe_flags(&vq->ring, packed_entry(vq->next_avail));

    if (vq->batch == 0 && packed_driver_in_flight(vq) > 0 && !packed_is_avail(first, vq->next_used) &&
        !packed_is_used(first, vq->next_used))
        return false;
    return vq->free_count == 0 ||
           (!packed_is_avail(behind, vq->next_avail) && !packed_is_used(behind, vq->next_avail));
}

int vring_packed_driver_restore(struct vring_packed_driver *vq, const struct vring_driver_config *config,
                                const void *state, size_t bytes)
{
    struct vring_packed_driver fresh;
    struct saved_cursor from;

    if (!vq || !config || !state)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;

    int error = vring_packed_driver_prepare(&fresh, config);
    struct saved_header header = {.features = config->features, .size = config->size, .kind = KIND_DRIVER};

    if (!error)
        error = saved_open(&from, state, bytes, &header);
    if (!error)
        error = packed_driver_restore_state(&fresh, &from, &header);
    if (!error && !packed_driver_fits(&fresh))
        error = VRING_E_UNFIT;
    if (error)
        return error;
    *vq = fresh;
    vq->owes = true;
    packed_store_event(vq->ring.driver_area, packed_event(VRING_EVENT_ENABLE, 0));
    vq->live = LIVE;
    return vring_packed_driver_enable_notify(vq);
}

/* --------------------------------------------------------------------------------------------------------- device --- */

int vring_packed_device_save(const struct vring_packed_device *vq, void *state, size_t room)
{
    if (!vq)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->staged > 0 || (!feature_on(vq->features, VRING_F_IN_ORDER) && vq->in_flight > 0))
        return VRING_E_STATE;

    size_t bytes = SAVED_HEADER + HEADS_RECORD * (size_t)vq->in_flight + SAVED_CHECKSUM;
    struct saved_cursor to = {(unsigned char *)state, bytes};
    struct saved_header header = {
        .features = vq->features,
        .size = vq->ring.size,
        .kind = KIND_DEVICE,
        .count = vq->in_flight,
        .next_avail = packed_place(vq->next_avail),
        .next_used = packed_place(vq->next_used),
    };

    if (!state)
        return (int)bytes;
    if (room < bytes)
        return VRING_E_ROOM;
    if (packed_device_passes(vq))
        vring_packed_device_write_down(vq);
    saved_put_header(&to, &header);
    vring_heads_save(&to, vq->heads, vq->ring.size, vq->oldest, vq->in_flight, feature_on(vq->features, VRING_F_IN_ORDER),
                     vq->generation);
    saved_close(&to, (const unsigned char *)state);
    return (int)bytes;
}

static uint32_t packed_device_entries(const struct vring_head *heads, uint16_t count)
{
    uint32_t entries = 0;

    for (uint16_t i = 0; i < count; i++)
        entries += heads[heads[i].order].taken;
    return entries;
}

/* Those listed in order[0 .. count) wait. */
static int packed_device_go_on(struct vring_packed_device *vq, const struct vring_packed_device *fresh,
                               struct vring_packed_position next_used, uint16_t count)
{
    uint16_t held = (uint16_t)packed_device_entries(fresh->heads, count);

    *vq = *fresh;
    vq->generation = heads_renew(vq->heads, count, vq->generation);
    vring_packed_device_start(vq, next_used, packed_forward(&vq->ring, next_used, held));
    vq->held = held;
    vq->in_flight = vq->waiting = count;
    vq->taken = count < vq->ring.size ? count : 0;
    vq->waiting_at = next_used;
    vq->owes = true;
    vq->odd = count;
    for (uint16_t i = 0; packed_device_passes(vq) && i < count; i++)
        vq->heads[vq->heads[i].order].record = i;
    return vring_packed_device_enable_notify(vq);
}

int vring_packed_device_restore(struct vring_packed_device *vq, const struct vring_device_config *config,
                                const void *state, size_t bytes)
{
    struct vring_packed_position next_used, next_avail;
    struct vring_packed_device fresh;
    struct saved_cursor from;

    if (!vq || !config || !state)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;

    int error = vring_packed_device_prepare(&fresh, config);
    struct saved_header header = {.features = config->features, .size = config->size, .kind = KIND_DEVICE};

    if (!error)
        error = saved_open(&from, state, bytes, &header);
    if (!error && header.count > 0 && (!feature_on(fresh.features, VRING_F_IN_ORDER) || fresh.inflight.region))
        error = VRING_E_UNFIT;
    if (!error)
        error = vring_heads_restore(&from, fresh.heads, fresh.ring.size, header.count,
                                     feature_on(fresh.features, VRING_F_IN_ORDER));
    if (!error && !packed_restore_places(&fresh.ring, &header, packed_device_entries(fresh.heads, header.count),
                                         &next_used, &next_avail))
        error = VRING_E_SAVED;
    if (!error && packed_is_used(packed_observe_flags(&fresh.ring, packed_entry(next_used)), next_used))
        error = VRING_E_UNFIT;
    if (error)
        return error;
    if (fresh.inflight.region)
        vring_inflight_start_packed(&fresh.inflight, fresh.heads, fresh.ring.size, packed_entry(next_used),
                                    packed_wrap(next_used));
    return packed_device_go_on(vq, &fresh, next_used, header.count);
}

/*
 * Of a batch that was never published all used descriptors but the first may have been written already, flags and all.
 * They are taken back: otherwise the driver would find them behind the first one that the successor publishes.
 */
static void packed_device_take_back(const struct vring_packed_ring *r, struct vring_packed_position at, uint32_t entries)
{
    for (; entries > 0; entries--) {
        if (packed_is_used(packed_load_flags(r, packed_entry(at)), at))
            packed_store_flags(r, packed_entry(at), packed_avail_flags(at));
        at = packed_forward(r, at, 1);
    }
}

int vring_packed_device_recover(struct vring_packed_device *vq, const struct vring_device_config *config)
{
    struct vring_inflight_place old, used;
    struct vring_packed_device fresh;
    uint16_t count = 0;

    if (!vq || !config)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;

    int error = vring_packed_device_prepare(&fresh, config);

    if (!error && !config->inflight)
        error = VRING_E_NULL;
    if (error)
        return error;
    if (!vring_inflight_started(config->inflight)) {
        error = vring_packed_device_init(vq, config);
        return error ? error : vring_packed_device_enable_notify(vq);
    }
    if (!vring_inflight_packed_place(&fresh.inflight, fresh.ring.size, &old))
        return VRING_E_SAVED;

    /* Used, or already available again: anything but still available as it was. */
    bool committed = !packed_is_avail(packed_observe_flags(&fresh.ring, old.offset), packed_at(old.offset, old.wrap));

    error = vring_inflight_recover_packed(&fresh.inflight, fresh.heads, fresh.ring.size, committed, &used, &count);
    if (error)
        return error;

    struct vring_packed_position next_used = packed_at(used.offset, used.wrap);

    packed_device_take_back(&fresh.ring, next_used, packed_device_entries(fresh.heads, count));
    return packed_device_go_on(vq, &fresh, next_used, count);
}
