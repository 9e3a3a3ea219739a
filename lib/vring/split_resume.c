/* SPDX-License-Identifier: MIT */
/*
 * A split queue that goes on after a restart: its private state as bytes, and back; and a device whose predecessor left
 * an inflight region. Everything read back is judged; nothing is believed for having been ours.
 */
#include <vring/split.h>

#include "features.h"
#include "heads.h"
#include "holds.h"
#include "inflight.h"
#include "peer.h"
#include "resume.h"
#include "saved.h"
#include "slots.h"
#include "split_ring.h"
#include "used_len.h"

enum {
    DRIVER_RECORD = 18, /* token, writable, head, count, position; then the descriptors behind the head */
    KIND_DRIVER = SPLIT_WIRE_IS_LE ? 0 : SAVED_BIG_ENDIAN,
    KIND_DEVICE = KIND_DRIVER | SAVED_DEVICE
};

/* --------------------------------------------------------------------------------------------------------- driver --- */

static size_t split_driver_saved_size(const struct vring_split_driver *vq)
{
    uint16_t count = (uint16_t)(vq->next_avail - vq->next_used);

    return SAVED_HEADER + DRIVER_RECORD * (size_t)count + 2 * (size_t)(vq->ring.size - vq->free_count - count) +
           SAVED_CHECKSUM;
}

static void split_driver_save_buffer(const struct vring_split_driver *vq, struct saved_cursor *to, uint16_t head)
{
    const struct vring_slot *slot = &vq->slots[head];
    uint16_t id = head;

    saved_put(to, 8, slot->token);
    saved_put(to, 4, slot->writable);
    saved_put(to, 2, head);
    saved_put(to, 2, slot->count);
    saved_put(to, 2, slot->position);
    for (uint16_t left = slot->count; left > 1; left--) {
        id = vq->slots[id].next;
        saved_put(to, 2, id);
    }
}

int vring_split_driver_save(const struct vring_split_driver *vq, void *state, size_t room)
{
    if (!vq)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->next_avail != vq->published)
        return VRING_E_STATE;

    size_t bytes = split_driver_saved_size(vq);
    struct saved_cursor to = {(unsigned char *)state, bytes};
    struct saved_header header = {
        .features = vq->features,
        .size = vq->ring.size,
        .kind = KIND_DRIVER,
        .count = (uint16_t)(vq->next_avail - vq->next_used),
        .next_avail = vq->next_avail,
        .next_used = vq->next_used,
        .free_head = vq->free_count > 0 || feature_on(vq->features, VRING_F_IN_ORDER) ? vq->free_head : 0,
        .batch = vq->batch,
        .batch_len = vq->batch_len,
    };

    if (!state)
        return (int)bytes;
    if (room < bytes)
        return VRING_E_ROOM;
    saved_put_header(&to, &header);
    for (uint32_t i = 0; i < vq->ring.size; i++)
        if (split_driver_holds(vq, i))
            split_driver_save_buffer(vq, &to, (uint16_t)i);
    saved_close(&to, (const unsigned char *)state);
    return (int)bytes;
}

/* While a state is read, claimed says of a descriptor that it is in flight. Returns whether it was not, and can be. */
static bool split_driver_claim(struct vring_split_driver *vq, uint64_t id)
{
    if (id >= vq->ring.size || vq->slots[id].claimed)
        return false;
    vq->slots[id].claimed = true;
    vq->free_count--;
    return true;
}

/*
 * One buffer. With IN_ORDER its descriptors follow each other round the table, and its position is one of those that
 * are in flight.
 */
static bool split_driver_restore_buffer(struct vring_split_driver *vq, struct saved_cursor *from)
{
    uint64_t token = saved_get(from, 8), writable = saved_get(from, 4), head = saved_get(from, 2), id = head;
    uint16_t count = (uint16_t)saved_get(from, 2), position = (uint16_t)saved_get(from, 2);

    if (count == 0 || !split_driver_claim(vq, head))
        return false;
    for (uint16_t left = count; left > 1; left--) {
        uint64_t next = saved_get(from, 2);

        if (!split_driver_claim(vq, next) || (feature_on(vq->features, VRING_F_IN_ORDER) && vq->slots[id].next != next))
            return false;
        vq->slots[id].next = (uint16_t)next;
        id = next;
    }
    vq->slots[head].token = token;
    vq->slots[head].writable = (uint32_t)writable;
    vq->slots[head].last = (uint16_t)id;
    vq->slots[head].count = count;
    vq->slots[head].position = position;
    if (!feature_on(vq->features, VRING_F_IN_ORDER))
        return true;

    struct vring_slot *entry = &vq->slots[position & vq->ring.mask];

    if ((uint16_t)(position - vq->next_used) >= (uint16_t)(vq->next_avail - vq->next_used) || entry->order != UINT16_MAX)
        return false;
    entry->order = (uint16_t)head;
    return true;
}

/* With IN_ORDER: each buffer begins where the one before it ends, the oldest where the free descriptors do. */
static bool split_driver_restore_order(const struct vring_split_driver *vq, uint16_t free_head)
{
    uint32_t next = free_head + (uint32_t)vq->free_count;

    for (uint16_t at = vq->next_used; at != vq->next_avail; at++) {
        const uint16_t head = vq->slots[at & vq->ring.mask].order;

        if (head != (next & vq->ring.mask))
            return false;
        next += vq->slots[head].count;
    }
    return true;
}

/*
 * Thread the free list: with IN_ORDER round the table from free_head to where the oldest buffer in flight starts, otherwise
 * all that are not in flight.
 */
static bool split_driver_restore_free(struct vring_split_driver *vq, uint16_t free_head)
{
    uint16_t last = vq->ring.size;

    if (feature_on(vq->features, VRING_F_IN_ORDER) && !split_driver_restore_order(vq, free_head))
        return false;
    vq->free_head = free_head;
    for (uint16_t i = 0; i < vq->ring.size; i++) {
        uint32_t ahead = (uint16_t)(i - free_head) & vq->ring.mask;

        if (feature_on(vq->features, VRING_F_IN_ORDER) && vq->slots[i].claimed != (ahead >= vq->free_count))
            return false;
        if (!feature_on(vq->features, VRING_F_IN_ORDER) && !vq->slots[i].claimed) {
            if (last == vq->ring.size)
                vq->free_head = i;
            else
                vq->slots[last].next = i;
            last = i;
        }
        vq->slots[i].claimed = false;
    }
    return true;
}

/* With IN_ORDER: of the batch that was begun the last buffer is to have this used length. */
static bool split_driver_restore_batch(const struct vring_split_driver *vq, const struct saved_header *header)
{
    if (header->batch == 0)
        return true;
    if (!feature_on(vq->features, VRING_F_IN_ORDER) || header->batch > header->count)
        return false;

    const uint16_t last = vq->slots[(uint16_t)(header->next_used + header->batch - 1) & vq->ring.mask].order;

    return used_len_restore(vq->used_len, vq->slots[last].writable, header->batch_len);
}

static int split_driver_restore_state(struct vring_split_driver *vq, struct saved_cursor *from,
                                      const struct saved_header *header)
{
    vq->next_avail = vq->published = header->next_avail;
    vq->next_used = vq->seen_used = header->next_used;
    vq->free_count = vq->ring.size;
    vq->batch = header->batch;
    vq->batch_len = header->batch_len;
    if ((uint16_t)(header->next_avail - header->next_used) != header->count)
        return VRING_E_SAVED;
    slots_clear(vq->slots, vq->ring.size);
    for (uint16_t i = 0; i < vq->ring.size; i++)
        vq->slots[i].order = UINT16_MAX; /* what avail.ring holds there is not known, and not asked */
    for (uint16_t i = 0; i < header->count; i++)
        if (!split_driver_restore_buffer(vq, from))
            return VRING_E_SAVED;
    if (from->left != 0 || !split_driver_restore_free(vq, header->free_head) || !split_driver_restore_batch(vq, header))
        return VRING_E_SAVED;
    return 0;
}

int vring_split_driver_restore(struct vring_split_driver *vq, const struct vring_driver_config *config,
                               const void *state, size_t bytes)
{
    struct vring_split_driver fresh;
    struct saved_cursor from;

    if (!vq || !config || !state)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;

    int error = vring_split_driver_prepare(&fresh, config);
    struct saved_header header = {.features = config->features, .size = config->size, .kind = KIND_DRIVER};

    if (!error)
        error = saved_open(&from, state, bytes, &header);
    if (!error)
        error = split_driver_restore_state(&fresh, &from, &header);
    if (error)
        return error;

    uint16_t peer_idx = split_observe_used(&fresh.ring);

    if (split_observe_avail(&fresh.ring) != fresh.published)
        return VRING_E_UNFIT;
    if (PEER_BAD((uint16_t)(peer_idx - fresh.next_used) > header.count))
        return VRING_E_UNFIT;
    if (PEER_BAD((uint16_t)(peer_idx - fresh.next_used) < header.batch)) /* which had been announced */
        return VRING_E_UNFIT;
    fresh.seen_used = peer_idx; /* read again it could have gone back */
    *vq = fresh;
    vq->owes = true;
    vq->used_event = vq->next_used;
    split_store_used_event(&vq->ring, vq->used_event);
    split_store_avail_flags(&vq->ring, 0);
    vq->live = LIVE;
    return vring_split_driver_enable_notify(vq);
}

/* --------------------------------------------------------------------------------------------------------- device --- */

int vring_split_device_save(const struct vring_split_device *vq, void *state, size_t room)
{
    if (!vq)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;
    if (vq->live <= 0)
        return peer_verdict(vq->live);
    if (vq->next_used != vq->published)
        return VRING_E_STATE;

    uint16_t count = (uint16_t)(vq->next_avail - vq->next_used);
    size_t bytes = SAVED_HEADER + HEADS_RECORD * (size_t)count + SAVED_CHECKSUM;
    struct saved_cursor to = {(unsigned char *)state, bytes};
    struct saved_header header = {
        .features = vq->features,
        .size = vq->ring.size,
        .kind = KIND_DEVICE,
        .count = count,
        .next_avail = vq->next_avail,
        .next_used = vq->next_used,
    };

    if (!state)
        return (int)bytes;
    if (room < bytes)
        return VRING_E_ROOM;
    saved_put_header(&to, &header);
    vring_heads_save(&to, vq->heads, vq->ring.size, vq->next_used & vq->ring.mask, count,
                     feature_on(vq->features, VRING_F_IN_ORDER), vq->generation);
    saved_close(&to, (const unsigned char *)state);
    return (int)bytes;
}

/* Is the ring where it was left: at next_used, with at least count buffers offered beyond? */
static int split_device_fits(const struct vring_split_device *vq, uint16_t next_used, uint16_t count)
{
    uint16_t peer_idx = split_observe_avail(&vq->ring);
    uint16_t offered = (uint16_t)(peer_idx - next_used);

    if (PEER_BAD(offered > vq->ring.size || offered < count))
        return VRING_E_UNFIT;
    return 0;
}

/* Those listed in order[0 .. count) wait, and are listed where get_avail looks for them. */
static int split_device_go_on(struct vring_split_device *vq, const struct vring_split_device *fresh, uint16_t next_used,
                              uint16_t count)
{
    *vq = *fresh;
    vq->generation = heads_renew(vq->heads, count, vq->generation);
    vring_heads_rotate(vq->heads, vq->ring.size, next_used & vq->ring.mask);
    vring_split_device_start(vq, next_used, (uint16_t)(next_used + count));
    split_store_used_flags(&vq->ring, 0);
    for (uint16_t at = vq->next_used; at != vq->next_avail; at++)
        vq->heads[vq->heads[at & vq->ring.mask].order].record = at;
    vq->odd = vq->waiting = count;
    vq->owes = true;
    return vring_split_device_enable_notify(vq);
}

int vring_split_device_restore(struct vring_split_device *vq, const struct vring_device_config *config,
                               const void *state, size_t bytes)
{
    struct vring_split_device fresh;
    struct saved_cursor from;

    if (!vq || !config || !state)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;

    int error = vring_split_device_prepare(&fresh, config);
    struct saved_header header = {.features = config->features, .size = config->size, .kind = KIND_DEVICE};

    if (!error)
        error = saved_open(&from, state, bytes, &header);
    if (!error && (uint16_t)(header.next_avail - header.next_used) != header.count)
        error = VRING_E_SAVED;
    if (!error)
        error = vring_heads_restore(&from, fresh.heads, fresh.ring.size, header.count,
                                    feature_on(fresh.features, VRING_F_IN_ORDER));
    if (!error && split_observe_used(&fresh.ring) != header.next_used)
        error = VRING_E_UNFIT;
    if (!error)
        error = split_device_fits(&fresh, header.next_used, header.count);
    if (error)
        return error;
    if (fresh.inflight.region) {
        vring_inflight_start_split(&fresh.inflight, fresh.ring.size, header.next_used);
        for (uint16_t i = 0; i < header.count; i++)
            inflight_split_take(&fresh.inflight, fresh.heads[i].order);
    }
    return split_device_go_on(vq, &fresh, header.next_used, header.count);
}

int vring_split_device_recover(struct vring_split_device *vq, const struct vring_device_config *config)
{
    struct vring_split_device fresh;
    uint16_t count = 0;

    if (!vq || !config)
        return VRING_E_NULL;
    if (!VRING_BUILD_RESTART)
        return VRING_E_FEATURE;

    int error = vring_split_device_prepare(&fresh, config);

    if (!error && !config->inflight)
        error = VRING_E_NULL;
    if (error)
        return error;
    if (!vring_inflight_started(config->inflight)) {
        error = vring_split_device_init(vq, config);
        return error ? error : vring_split_device_enable_notify(vq);
    }

    uint16_t next_used = split_observe_used(&fresh.ring);

    error = vring_inflight_recover_split(&fresh.inflight, fresh.heads, fresh.ring.size, next_used, &count);
    if (!error)
        error = split_device_fits(&fresh, next_used, count);
    if (error)
        return error;
    vring_inflight_mend_split(&fresh.inflight, fresh.heads, fresh.ring.size, next_used);
    return split_device_go_on(vq, &fresh, next_used, count);
}
