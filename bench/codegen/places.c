/* SPDX-License-Identifier: MIT */
/*
 * The places where a driver and a device look at what the other one writes, each alone in a function: what the mail
 * thread on READ_ONCE asked about, and what answers to it in the packed ring and on the device's side. The verbs are
 * the library's own. Compiled once per accessor variant, compiler, optimisation level and target.
 */
#include "places.h"

#include "event.h"
#include "packed_ring.h"
#include "split_ring.h"

/* ------------------------------------------------------------------------------------------- the split driver --- */

/* Has the device used anything? */
bool place_split_driver_poll(const struct vring_split_ring *r, uint16_t next)
{
    return split_observe_used(r) != next;
}

/* One used element: the id is judged, then used as an index. */
int place_split_driver_get(const struct vring_split_ring *r, uint16_t next, const uint64_t *tokens,
                           struct place_used *used)
{
    uint32_t id = split_load_used_id(split_used_elem(r, next));
    uint32_t len = split_load_used_len(split_used_elem(r, next));

    if (id >= r->size)
        return -1;
    used->token = tokens[id];
    used->len = len;
    return 0;
}

/* Does the device want to hear of the buffers from before to now? */
bool place_split_driver_kick(const struct vring_split_ring *r, uint16_t now, uint16_t before)
{
    split_fence(r);
    return event_is_due(split_load_avail_event(r), now, before);
}

bool place_split_driver_kick_flags(const struct vring_split_ring *r)
{
    split_fence(r);
    return !(split_load_used_flags(r) & VRING_NO_NOTIFY);
}

/* Ask to be told when three quarters are used, and look whether they are already. */
bool place_split_driver_delayed(const struct vring_split_ring *r, uint16_t next, uint16_t in_flight)
{
    uint16_t distance = event_most_of(in_flight);

    split_store_used_event(r, (uint16_t)(next + distance));
    split_fence(r);
    return (uint16_t)(split_observe_used(r) - next) > distance;
}

/* ------------------------------------------------------------------------------------------- the split device --- */

bool place_split_device_poll(const struct vring_split_ring *r, uint16_t next)
{
    return split_observe_avail(r) != next;
}

/* One available entry, and the descriptor that it names. */
int place_split_device_get(const struct vring_split_ring *r, uint16_t next, struct chain_desc *desc)
{
    uint16_t head = split_load_avail_entry(r, next);

    if (head >= r->size)
        return -1;
    *desc = split_decode(split_fetch(r->desc, head));
    return 0;
}

bool place_split_device_notify(const struct vring_split_ring *r, uint16_t now, uint16_t before)
{
    split_fence(r);
    return event_is_due(split_load_used_event(r), now, before);
}

bool place_split_device_enable(const struct vring_split_ring *r, uint16_t next)
{
    split_store_avail_event(r, next);
    split_fence(r);
    return split_observe_avail(r) != next;
}

/* ------------------------------------------------------------------------------------------ the packed driver --- */

bool place_packed_driver_poll(const struct vring_packed_ring *r, struct vring_packed_position at)
{
    return packed_is_used(packed_observe_flags(r, packed_entry(at)), at);
}

int place_packed_driver_get(const struct vring_packed_ring *r, uint16_t offset, const uint64_t *tokens,
                            struct place_used *used)
{
    uint16_t id = packed_load_id(r, offset);
    uint32_t len = packed_load_len(r, offset);

    if (id >= r->size)
        return -1;
    used->token = tokens[id];
    used->len = len;
    return 0;
}

bool place_packed_driver_kick(const struct vring_packed_ring *r, uint16_t next, uint16_t added)
{
    packed_fence(r);
    return event_word_is_due(packed_load_event(r->device_area), true, next, added, r->size);
}

bool place_packed_driver_delayed(const struct vring_packed_ring *r, struct vring_packed_position at, uint16_t place)
{
    packed_store_event(r->driver_area, packed_event(VRING_EVENT_DESC, place));
    packed_fence(r);
    return packed_is_used(packed_observe_flags(r, packed_entry(at)), at);
}

/* ------------------------------------------------------------------------------------------ the packed device --- */

bool place_packed_device_poll(const struct vring_packed_ring *r, struct vring_packed_position at)
{
    return packed_is_avail(packed_observe_flags(r, packed_entry(at)), at);
}

/* One descriptor whose flags were observed. */
int place_packed_device_get(const struct vring_packed_ring *r, uint16_t offset, struct chain_desc *desc)
{
    desc->addr = packed_load_addr(r, offset);
    desc->len = packed_load_len(r, offset);
    desc->next = packed_load_id(r, offset);
    if (desc->next >= r->size)
        return -1;
    return 0;
}

bool place_packed_device_notify(const struct vring_packed_ring *r, uint16_t next, uint16_t added)
{
    packed_fence(r);
    return event_word_is_due(packed_load_event(r->driver_area), true, next, added, r->size);
}

bool place_packed_device_enable(const struct vring_packed_ring *r, struct vring_packed_position at, uint16_t place)
{
    packed_store_event(r->device_area, packed_event(VRING_EVENT_DESC, place));
    packed_fence(r);
    return packed_is_avail(packed_observe_flags(r, packed_entry(at)), at);
}
