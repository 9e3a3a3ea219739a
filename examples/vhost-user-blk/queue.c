/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* preadv2, RWF_NOWAIT */
#include "queue.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "complain.h"

enum {
    IDLE_KICKS_MAX = 64,
    SPANNING_PIECES = PROTOCOL_REGIONS_MAX /* buffers that do not overlap cross no more borders than there are */
};

void queue_init(struct queue *queue)
{
    uint16_t generation = queue->generation;

    *queue = (struct queue){.kick = -1, .call = -1, .err = -1, .generation = generation};
}

void queue_fini(struct queue *queue)
{
    queue_stop(queue);
    queue_set_fd(&queue->kick, -1);
    queue_set_fd(&queue->call, -1);
    queue_set_fd(&queue->err, -1);
    queue_init(queue);
}

void queue_set_fd(int *which, int fd)
{
    if (*which >= 0)
        close(*which);
    *which = fd;
}

/* ------------------------------------------------------------------------------------------------- start, stop --- */

bool queue_is_ready(const struct queue *queue)
{
    return queue->size > 0 && queue->has_addr && queue->kick >= 0 && queue->enabled;
}

/* Bytes of the three areas. 0 or a VRING_E_*. */
static int area_sizes(uint32_t size, bool packed, struct vring_split_areas *areas)
{
    struct vring_packed_areas packed_areas;
    int error;

    if (!packed)
        return vring_split_layout(size, 0, areas);
    error = vring_packed_layout(size, &packed_areas);
    *areas = (struct vring_split_areas){
        .desc_size = packed_areas.desc_size,
        .driver_size = packed_areas.driver_size,
        .device_size = packed_areas.device_size,
    };
    return error;
}

/* Where the ring lies here. The device writes the device area; a packed one's descriptors, too. */
static const char *find_areas(const struct queue *queue, bool packed, struct memory *memory,
                              struct vring_device_config *config)
{
    struct vring_split_areas areas;
    int error = area_sizes(queue->size, packed, &areas);

    if (error)
        return vring_error_text(error);
    config->desc = memory_find(memory, queue->addr.desc, areas.desc_size, packed);
    config->driver_area = memory_find(memory, queue->addr.driver_area, areas.driver_size, false);
    config->device_area = memory_find(memory, queue->addr.device_area, areas.device_size, true);
    if (!config->desc || !config->driver_area || !config->device_area)
        return "an area of the ring does not lie in one region of memory, or in one that cannot be written";
    return NULL;
}

/* Where libvring is to begin: vhost-user has the wrap counter in bit 15, libvring its inverse. */
static const char *find_index(const struct queue *queue, bool packed, bool has_inflight, uint16_t *index)
{
    if (!packed && queue->base > UINT16_MAX)
        return "the position is no index of a split ring";
    if (packed && !has_inflight && queue->base >> 16 != 0 && queue->base >> 16 != (queue->base & 0xffff))
        return "there are requests under way that nobody can know of: available and used positions differ";
    *index = (uint16_t)(packed ? queue->base ^ 0x8000 : queue->base);
    return NULL;
}

/* Does the driver know the same position? It believes used.idx; if ours were another, requests would be lost. */
static const char *judge_position(const struct queue *queue)
{
    struct vring_snapshot now;

    if (vring_device_snapshot(&queue->ring, &now) == 0 && !now.packed && now.used_idx != now.next_used)
        return "the position differs from used.idx: requests are under way that nobody can know of";
    return NULL;
}

static void release(struct queue *queue)
{
    free(queue->heads);
    free(queue->iov);
    queue->heads = NULL;
    queue->iov = NULL;
    queue->running = false;
}

static const char *try_start(struct queue *queue, uint64_t features, struct memory *memory, void *inflight, size_t size)
{
    bool packed = (features & VRING_F_RING_PACKED) != 0;
    uint32_t max_chain = queue->size > BLK_SEG_MAX + 2 ? queue->size : BLK_SEG_MAX + 2;
    struct vring_device_config config = {
        .features = features & vring_features_supported(0),
        .size = queue->size,
        .max_chain = max_chain, /* Linux' tables may be longer than its queue */
        .head_count = queue->size,
        .regions = memory->regions,
        .region_count = memory->count,
        .generation = queue->generation++,
        .inflight = inflight,
        .inflight_size = size,
    };
    const char *why = find_areas(queue, packed, memory, &config);
    int error;

    if (!why)
        why = find_index(queue, packed, inflight != NULL, &config.index);
    if (why)
        return why;
    queue->n_iov = max_chain + SPANNING_PIECES;
    queue->heads = calloc(queue->size, sizeof *queue->heads);
    queue->iov = calloc(queue->n_iov, sizeof *queue->iov);
    if (!queue->heads || !queue->iov)
        return strerror(ENOMEM);
    config.heads = queue->heads;
    error = inflight ? vring_device_recover(&queue->ring, &config) : vring_device_init(&queue->ring, &config);
    return error < 0 ? vring_error_text(error) : judge_position(queue);
}

const char *queue_start(struct queue *queue, uint64_t features, struct memory *memory, void *inflight, size_t size)
{
    const char *why = try_start(queue, features, memory, inflight, size);

    if (why) {
        release(queue);
        return why;
    }
    queue->writes_through = (features & BLK_F_FLUSH) == 0;
    queue->running = true;
    queue->broken = false;
    queue->waiting = true;
    queue->idle_kicks = 0;
    queue->deaf_until = 0;
    return NULL;
}

void queue_stop(struct queue *queue)
{
    struct vring_snapshot now;

    if (!queue->running)
        return;
    if (vring_device_snapshot(&queue->ring, &now) == 0)
        queue->base = now.packed ? now.next_avail | (uint32_t)now.next_used << 16 : now.next_used;
    vring_device_reset(&queue->ring);
    release(queue);
}

/* ----------------------------------------------------------------------------------------------- notifications --- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool queue_listens(const struct queue *queue)
{
    return queue->running && !queue->broken && queue->kick >= 0 &&
           (queue->idle_kicks < IDLE_KICKS_MAX || now_ms() >= queue->deaf_until);
}

bool queue_take_kick(struct queue *queue)
{
    uint64_t count;
    struct iovec iov = {&count, sizeof count};

    /* The front-end shares the open file and could make it blocking: the flag is for this read alone. */
    if (preadv2(queue->kick, &iov, 1, -1, RWF_NOWAIT) < 0 && errno != EAGAIN) {
        queue_set_fd(&queue->kick, -1);
        return false;
    }
    if (queue->idle_kicks < IDLE_KICKS_MAX)
        queue->idle_kicks++;
    else
        queue->deaf_until = now_ms() + 2; /* the clock is somewhere within its millisecond */
    queue->waiting = true;
    return true;
}

/* Tell whoever holds the other end. A counter that is full is notification enough: nobody waits for room in it. */
static void notify(int eventfd)
{
    struct pollfd room = {.fd = eventfd, .events = POLLOUT};
    uint64_t one = 1;

    if (eventfd >= 0 && poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) && write(eventfd, &one, sizeof one) < 0)
        complain("front-end", "an eventfd takes no notification: %s", strerror(errno));
}

/* ---------------------------------------------------------------------------------------------------- requests --- */

/* A queue whose driver broke the protocol stands still until the front-end asks for its position. */
static void report_broken(struct queue *queue, int error)
{
    struct vring_fault fault = vring_device_fault(&queue->ring);

    complain("driver", "%s (0x%llx at %u); the queue stands still", vring_error_text(error),
             (unsigned long long)fault.value, (unsigned)fault.position);
    queue->broken = true;
    queue->waiting = false;
    notify(queue->err);
}

/* Take one buffer and complete it. Returns as vring_device_get_avail() does, and 0 for a buffer that was refused. */
static int run_one(struct queue *queue, const struct blk *blk)
{
    struct vring_chain chain;
    uint32_t written = 0;
    int error = vring_device_get_avail(&queue->ring, queue->iov, queue->n_iov, &chain);

    if (error && vring_error_blame(error) != VRING_BLAME_CHAIN)
        return error;
    if (error)
        complain("driver", "a request was refused: %s", vring_error_text(error));
    else
        written = blk_request(blk, queue->iov, &chain, queue->writes_through);
    return vring_device_add_used(&queue->ring, chain.handle, written);
}

void queue_run(struct queue *queue, const struct blk *blk)
{
    int error;

    if (!queue->running || !queue->enabled || !queue->waiting)
        return;
    error = vring_device_disable_notify(&queue->ring);
    for (uint32_t i = 0; i < queue->size && error == 0; i++) {
        error = run_one(queue, blk);
        if (error == 0)
            queue->idle_kicks = 0;
    }
    if (vring_device_publish(&queue->ring) == 1)
        notify(queue->call);
    queue->waiting = error == 0;
    if (error == VRING_E_EMPTY) {
        error = vring_device_enable_notify(&queue->ring);
        queue->waiting = error == 1;
    }
    if (error < 0)
        report_broken(queue, error);
}
