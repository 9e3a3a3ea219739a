/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <string.h>

/* Does the range go past the end of the address space? size is not 0. */
static bool wraps(uint64_t addr, uint64_t size)
{
    return size - 1 > UINT64_MAX - addr;
}

static const char *judge(const struct protocol_region *region)
{
    if (region->size == 0)
        return "a region is empty";
    if (wraps(region->guest_addr, region->size) || wraps(region->user_addr, region->size))
        return "a region wraps past the end of the address space";
    return NULL;
}

/* Where region i of a message goes in a table sorted by guest address. */
static unsigned rank(const struct protocol_memory *table, unsigned i)
{
    unsigned before = 0;

    for (unsigned other = 0; other < table->count; other++)
        before += table->regions[other].guest_addr < table->regions[i].guest_addr ||
                  (table->regions[other].guest_addr == table->regions[i].guest_addr && other < i);
    return before;
}

static bool overlap(const struct memory *memory)
{
    for (unsigned i = 1; i < memory->count; i++)
        if (memory->regions[i].addr - memory->regions[i - 1].addr < memory->regions[i - 1].size)
            return true;
    return false;
}

static const char *map_region(struct memory *memory, unsigned at, const struct protocol_region *region, int fd)
{
    const char *why = judge(region);

    if (!why)
        why = mapping_create(&memory->mappings[at], fd, region->mmap_offset, region->size);
    if (why)
        return why;
    memory->regions[at] = (struct vring_region){
        .addr = region->guest_addr,
        .size = region->size,
        .host = memory->mappings[at].data,
        .flags = memory->mappings[at].read_only ? VRING_REGION_READ_ONLY : 0,
    };
    memory->user_addr[at] = region->user_addr;
    return NULL;
}

const char *memory_map(struct memory *memory, const struct message *message)
{
    const struct protocol_memory *table = &message->payload.memory;
    const char *why = NULL;

    memset(memory, 0, sizeof *memory);
    if (table->count > PROTOCOL_REGIONS_MAX)
        return "there are more than 8 regions";
    if (message->header.size < MEMORY_PAYLOAD + table->count * sizeof table->regions[0])
        return "the payload is too short for its regions";
    if (message->n_fds != table->count)
        return "there is not one file descriptor for each region";

    memory->count = table->count;
    for (unsigned i = 0; i < table->count && !why; i++)
        why = map_region(memory, rank(table, i), &table->regions[i], message->fds[i]);
    if (!why && overlap(memory))
        why = "regions overlap";
    if (why)
        memory_unmap(memory);
    return why;
}

void memory_unmap(struct memory *memory)
{
    for (unsigned i = 0; i < PROTOCOL_REGIONS_MAX; i++)
        mapping_destroy(&memory->mappings[i]);
    memory->count = 0;
}

void *memory_find(struct memory *memory, uint64_t user_addr, uint64_t size, bool writable)
{
    for (unsigned i = 0; i < memory->count; i++) {
        uint64_t at = user_addr - memory->user_addr[i];

        if (at >= memory->regions[i].size || size > memory->regions[i].size - at)
            continue;
        if (writable && memory->mappings[i].read_only)
            return NULL;
        return (unsigned char *)memory->mappings[i].data + at;
    }
    return NULL;
}
