/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include "report.h"
#include "shared.h"

enum {
    DESC_F_INDIRECT = 4,
    TABLE_MAX = 16 /* entries shown of an indirect table */
};

/* The table as the device finds it: read again from shared memory, not from what we remember. */
static void ring_table(const struct vring_snapshot_entry *entry)
{
    const volatile struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
        uint16_t next;
    } *table = (const volatile void *)(uintptr_t)entry->addr;
    uint32_t entries = entry->len / sizeof *table;

    json_array("table");
    for (uint32_t i = 0; i < entries && i < TABLE_MAX; i++) {
        json_object(NULL);
        json_number("addr", table[i].addr);
        json_number("len", table[i].len);
        json_number("flags", table[i].flags);
        json_number("next", table[i].next);
        json_end();
    }
    json_end();
}

static void ring_entry(const struct vring_split_driver *vq, uint32_t position)
{
    struct vring_snapshot_entry entry;
    int error = vring_split_driver_snapshot_entry(vq, position, &entry);

    if (error)
        fail(FAILED_RING, "no snapshot of entry %lu: %s", (unsigned long)position, vring_error_text(error));
    json_object(NULL);
    json_number("addr", entry.addr);
    json_number("len", entry.len);
    json_number("flags", entry.flags);
    json_number("next", entry.next);
    json_number("avail", entry.avail);
    json_number("used_id", entry.used_id);
    json_number("used_len", entry.used_len);
    json_number("token", entry.token);
    json_number("count", entry.count);
    json_number("link", entry.link);
    if (entry.count > 0 && (entry.flags & DESC_F_INDIRECT))
        ring_table(&entry);
    json_end();
}

void snapshot_ring(const char *name, const struct vring_split_driver *vq)
{
    struct vring_snapshot ring;
    int error = vring_split_driver_snapshot(vq, &ring);

    if (error)
        fail(FAILED_RING, "no snapshot: %s", vring_error_text(error));
    json_object(NULL);
    json_number("vring-snapshot", 1);
    json_text("name", name);
    json_text("format", "split");
    json_text("side", "driver");
    json_number("size", ring.size);
    json_number("avail_idx", ring.avail_idx);
    json_number("used_idx", ring.used_idx);
    json_number("used_event", ring.used_event);
    json_number("avail_event", ring.avail_event);
    json_number("avail_flags", ring.avail_flags);
    json_number("used_flags", ring.used_flags);
    json_number("next_avail", ring.next_avail);
    json_number("next_used", ring.next_used);
    json_number("published", ring.published);
    json_number("free", ring.free);
    json_number("error", (uint64_t)-(int64_t)ring.error);
    shared_report();
    json_array("entries");
    for (uint32_t i = 0; i < ring.size; i++)
        ring_entry(vq, i);
    json_end();
    json_end();
}

static const char *direction_name(const struct bounce_mapping *mapping)
{
    if (mapping->coherent)
        return "coherent";
    return mapping->direction == BOUNCE_TO_DEVICE     ? "to-device"
           : mapping->direction == BOUNCE_FROM_DEVICE ? "from-device"
                                                      : "bidirectional";
}

void snapshot_pool(const char *name, struct bounce_pool *pool, const struct bounce_config *config)
{
    struct bounce_mapping mapping;
    struct bounce_counts usage;
    uint32_t slot = 0;
    int error = bounce_usage(pool, &usage);

    if (error)
        fail(FAILED_BOUNCE, "no snapshot: %s", bounce_error_text(error));
    json_object(NULL);
    json_number("bounce-snapshot", 1);
    json_text("name", name);
    json_number("addr", config->window_addr);
    json_number("slots", config->slots);
    json_number("slot_size", config->slot_size);
    json_number("segment_slots", config->segment_slots);
    json_number("areas", config->areas);
    json_number("used", usage.used);
    json_number("high_water", usage.high_water);
    json_array("mappings");
    while (bounce_next_mapping(pool, &slot, &mapping) == 0) {
        json_object(NULL);
        json_number("slot", mapping.slot);
        json_number("slots", mapping.slots);
        json_number("pad_slots", mapping.pad_slots);
        json_number("addr", mapping.addr);
        json_number("size", mapping.size);
        json_text("direction", direction_name(&mapping));
        json_number("area", mapping.area);
        json_number("owner", mapping.owner);
        json_end();
    }
    json_end();
    json_end();
}
