/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vring/types.h>

enum {
    PART_ALIGN = 64,
    QUEUES_MAX = 1024 /* of a region: far beyond what we serve, and nothing to run out of memory by */
};

/* Bytes of one queue's part, at least, and so that the next one is aligned; 0 for a size that no queue has. */
static uint64_t part_size(uint16_t queue_size, bool packed)
{
    return (vring_inflight_size(queue_size, packed) + PART_ALIGN - 1) & ~(uint64_t)(PART_ALIGN - 1);
}

static uint64_t region_size(const struct protocol_inflight *region, bool packed)
{
    return part_size(region->queue_size, packed) * region->queues;
}

static const char *judge(const struct protocol_inflight *region)
{
    if (region->queues == 0 || region->queues > QUEUES_MAX)
        return "a region has parts for 1 to 1024 queues";
    if (vring_inflight_size(region->queue_size, false) == 0)
        return "there is no queue of that size";
    return NULL;
}

const char *inflight_create(struct protocol_inflight *region, bool packed, int *fd)
{
    const char *why = judge(region);

    if (why)
        return why;
    region->mmap_offset = 0;
    region->mmap_size = region_size(region, packed);
    *fd = memfd_create("vhost-user-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return strerror(errno);
    if (ftruncate(*fd, (off_t)region->mmap_size) < 0 || fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        why = strerror(errno);
        close(*fd);
    }
    return why;
}

const char *inflight_map(struct inflight *inflight, const struct protocol_inflight *region, int fd, bool packed)
{
    struct inflight next = {.size = region->mmap_size, .queues = region->queues, .queue_size = region->queue_size};
    const char *why = judge(region);

    if (!why && region->mmap_size < region_size(region, packed))
        why = "the region is too small for its queues";
    if (!why && region->mmap_offset % PART_ALIGN != 0)
        why = "the region is not aligned";
    if (!why)
        why = mapping_create(&next.mapping, fd, region->mmap_offset, region->mmap_size);
    if (!why && next.mapping.read_only) {
        mapping_destroy(&next.mapping);
        why = "the region cannot be written";
    }
    if (why)
        return why;
    inflight_unmap(inflight);
    *inflight = next;
    return NULL;
}

void inflight_unmap(struct inflight *inflight)
{
    mapping_destroy(&inflight->mapping);
    *inflight = (struct inflight){.queues = 0};
}

void *inflight_part(const struct inflight *inflight, unsigned queue, bool packed, size_t *size)
{
    *size = (size_t)part_size(inflight->queue_size, packed);
    if (queue >= inflight->queues || (queue + UINT64_C(1)) * *size > inflight->size)
        return NULL;
    return (unsigned char *)inflight->mapping.data + queue * *size;
}
