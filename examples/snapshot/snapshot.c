/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <stddef.h>

enum {
    DESC_SIZE = 16,
    DESC_F_INDIRECT = 4,
    TABLE_MAX = 16 /* entries shown of an indirect table */
};

/* ------------------------------------------------------------------------------------------------------- a ring --- */

/* An integer of a table, in the ring's byte order, as the device finds it: it may change at any time. */
static uint64_t table_word(const volatile unsigned char *at, unsigned size, bool big_endian)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)at[big_endian ? size - 1 - i : i] << 8 * i;
    return value;
}

static const volatile unsigned char *find(const struct snapshot_memory *memory, unsigned count, uint64_t addr,
                                          uint64_t size)
{
    for (unsigned i = 0; i < count; i++)
        if (addr >= memory[i].addr && size <= memory[i].size && addr - memory[i].addr <= memory[i].size - size)
            return (const volatile unsigned char *)memory[i].host + (addr - memory[i].addr);
    return NULL;
}

/* A ring, from one of its sides; the other is null. */
struct view {
    const struct vring_driver *driver;
    const struct vring_device *device;
    bool packed;
    bool big_endian;
};

static int view_ring(const struct view *view, struct vring_snapshot *ring)
{
    return view->driver ? vring_driver_snapshot(view->driver, ring) : vring_device_snapshot(view->device, ring);
}

static int view_entry(const struct view *view, uint32_t position, struct vring_snapshot_entry *entry)
{
    return view->driver ? vring_driver_snapshot_entry(view->driver, position, entry)
                        : vring_device_snapshot_entry(view->device, position, entry);
}

static void ring_table(struct json *j, const struct view *view, const volatile unsigned char *at, uint32_t entries)
{
    bool big = view->big_endian;

    json_array(j, "table");
    for (uint32_t i = 0; i < entries; i++, at += DESC_SIZE) {
        json_object(j, NULL);
        json_number(j, "addr", table_word(at, 8, big));
        json_number(j, "len", table_word(at + 8, 4, big));
        /* id and flags of a packed ring stand where a split ring has flags and next */
        json_number(j, "flags", table_word(at + (view->packed ? 14 : 12), 2, big));
        json_number(j, view->packed ? "id" : "next", table_word(at + (view->packed ? 12 : 14), 2, big));
        json_end(j);
    }
    json_end(j);
}

/* Is the buffer that this descriptor belongs to in flight, or held? Of a packed ring its id says which that is. */
static bool in_flight(const struct view *view, const struct vring_snapshot_entry *entry)
{
    struct vring_snapshot_entry of_id;

    if (!view->packed)
        return entry->count > 0;
    return view_entry(view, entry->id, &of_id) == 0 && of_id.count > 0;
}

static void ring_entry(struct json *j, const struct view *view, uint32_t position,
                       const struct snapshot_memory *memory, unsigned count)
{
    struct vring_snapshot_entry entry;
    const volatile unsigned char *table;
    uint32_t entries;

    if (view_entry(view, position, &entry) != 0)
        return; /* not where the ring itself could be seen */
    json_object(j, NULL);
    json_number(j, "addr", entry.addr);
    json_number(j, "len", entry.len);
    json_number(j, "flags", entry.flags);
    if (view->packed) {
        json_number(j, "id", entry.id);
    } else {
        json_number(j, "next", entry.next);
        json_number(j, "avail", entry.avail);
        json_number(j, "used_id", entry.used_id);
        json_number(j, "used_len", entry.used_len);
    }
    json_number(j, "token", entry.token);
    json_number(j, "count", entry.count);
    json_number(j, "link", entry.link);
    entries = entry.len / DESC_SIZE < TABLE_MAX ? entry.len / DESC_SIZE : TABLE_MAX;
    table = find(memory, count, entry.addr, entries * DESC_SIZE);
    if (table && (entry.flags & DESC_F_INDIRECT) && in_flight(view, &entry))
        ring_table(j, view, table, entries);
    json_end(j);
}

static void ring_shared(struct json *j, const struct snapshot_memory *memory, unsigned count)
{
    json_array(j, "shared");
    for (unsigned i = 0; i < count; i++) {
        json_object(j, NULL);
        json_text(j, "name", memory[i].name);
        json_number(j, "addr", memory[i].addr);
        json_number(j, "size", memory[i].size);
        json_end(j);
    }
    json_end(j);
}

static int ring_view(struct json *j, const char *name, const struct view *view, const struct snapshot_memory *memory,
                     unsigned count)
{
    struct vring_snapshot ring;
    int error = view_ring(view, &ring);

    if (error)
        return error;
    json_object(j, NULL);
    json_number(j, "vring-snapshot", 1);
    json_text(j, "name", name);
    json_text(j, "format", ring.packed ? "packed" : "split");
    json_text(j, "side", view->driver ? "driver" : "device");
    json_bool(j, "in_order", ring.in_order);
    json_number(j, "size", ring.size);
    if (!ring.packed) {
        json_number(j, "avail_idx", ring.avail_idx);
        json_number(j, "used_idx", ring.used_idx);
    }
    json_number(j, "used_event", ring.used_event);
    json_number(j, "avail_event", ring.avail_event);
    json_number(j, "avail_flags", ring.avail_flags);
    json_number(j, "used_flags", ring.used_flags);
    json_number(j, "next_avail", ring.next_avail);
    json_number(j, "next_used", ring.next_used);
    json_number(j, "published", ring.published);
    json_number(j, "free", ring.free);
    json_number(j, "error", (uint64_t)-(int64_t)ring.error);
    if (count > 0)
        ring_shared(j, memory, count);
    json_array(j, "entries");
    for (uint32_t i = 0; i < ring.size; i++)
        ring_entry(j, view, i, memory, count);
    json_end(j);
    json_end(j);
    return 0;
}

int snapshot_ring(struct json *j, const char *name, const struct vring_driver *vq, const struct snapshot_memory *memory,
                  unsigned count)
{
    struct view view = {.driver = vq, .packed = vq->packed, .big_endian = vq->big_endian};

    return ring_view(j, name, &view, memory, count);
}

int snapshot_device_ring(struct json *j, const char *name, const struct vring_device *vq,
                         const struct snapshot_memory *memory, unsigned count)
{
    struct view view = {.device = vq, .packed = vq->packed, .big_endian = vq->big_endian};

    return ring_view(j, name, &view, memory, count);
}

/* ------------------------------------------------------------------------------------------------------- a pool --- */

static const char *direction_name(const struct bounce_mapping *mapping)
{
    if (mapping->coherent)
        return "coherent";
    return mapping->direction == BOUNCE_TO_DEVICE     ? "to-device"
           : mapping->direction == BOUNCE_FROM_DEVICE ? "from-device"
                                                      : "bidirectional";
}

static uint32_t or_default(uint32_t configured, uint32_t value)
{
    return configured ? configured : value;
}

int snapshot_pool(struct json *j, const char *name, struct bounce_pool *pool, const struct bounce_config *config)
{
    struct bounce_mapping mapping;
    struct bounce_counts usage;
    uint32_t slot = 0;
    int error = bounce_usage(pool, &usage);

    if (error)
        return error;
    json_object(j, NULL);
    json_number(j, "bounce-snapshot", 1);
    json_text(j, "name", name);
    json_number(j, "addr", config->window_addr);
    json_number(j, "slots", config->slots);
    json_number(j, "slot_size", or_default(config->slot_size, 2048));
    json_number(j, "segment_slots", or_default(config->segment_slots, 128));
    json_number(j, "areas", or_default(config->areas, 1));
    json_number(j, "used", usage.used);
    json_number(j, "high_water", usage.high_water);
    json_array(j, "mappings");
    while (bounce_next_mapping(pool, &slot, &mapping) == 0) {
        json_object(j, NULL);
        json_number(j, "slot", mapping.slot);
        json_number(j, "slots", mapping.slots);
        json_number(j, "pad_slots", mapping.pad_slots);
        json_number(j, "addr", mapping.addr);
        json_number(j, "size", mapping.size);
        json_text(j, "direction", direction_name(&mapping));
        json_number(j, "area", mapping.area);
        json_number(j, "owner", mapping.owner);
        json_end(j);
    }
    json_end(j);
    json_end(j);
    return 0;
}
