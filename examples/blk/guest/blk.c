/* SPDX-License-Identifier: MIT */
#include "blk.h"

#include <string.h>

#include "board.h"
#include "report.h"
#include "shared.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "virtio's integers are ours: no swaps in this driver");
_Static_assert(sizeof(struct blk_header) == 16, "virtio-blk: request header");

#define BLK_F_RO    (UINT64_C(1) << 5)
#define BLK_F_FLUSH (UINT64_C(1) << 9)

enum {
    CONFIG_CAPACITY = 0,
    STATUS_OK = 0,
    STATUS_NONE = 0xff, /* not a status that a device may give */
    QUEUE = 0,
    DESCRIPTOR_SIZE = 16,
    /*
     * virtio-blk asks for no alignment. We ask that the device's address equals ours in the low 12 bits, as an NVMe
     * driver must, so that the pool has something to keep.
     */
    MIN_ALIGN_MASK = 0xfff
};

/* -------------------------------------------------------------------------------------------------- start, stop --- */

static void start_queue(struct blk *blk)
{
    struct vring_split_areas layout;
    struct vring_driver_config config = {
        .features = blk->mmio.features,
        .size = BLK_QUEUE_SIZE,
        .max_chain = BLK_PIECES,
        .slots = blk->slots,
        .slot_count = BLK_QUEUE_SIZE,
        .notify_id = QUEUE,
        .used_len = VRING_USED_LEN_BREAK,
    };
    uint32_t limit = mmio_queue_limit(&blk->mmio, QUEUE);
    int error;

    if (limit < BLK_QUEUE_SIZE)
        fail(FAILED_QUEUE, "%s: the device allows %lu entries in its queue; this driver wants %d", blk->name,
             (unsigned long)limit, BLK_QUEUE_SIZE);
    error = vring_split_layout(config.size, 0, &layout);
    if (error)
        fail(FAILED_QUEUE, "%s: %s", blk->name, vring_error_text(error));
    config.desc = shared_take(layout.desc_size, VRING_SPLIT_DESC_ALIGN);
    config.driver_area = shared_take(layout.driver_size, VRING_SPLIT_DRIVER_AREA_ALIGN);
    config.device_area = shared_take(layout.device_size, VRING_SPLIT_DEVICE_AREA_ALIGN);
    error = vring_split_driver_init(&blk->vq, &config);
    if (error)
        fail(FAILED_QUEUE, "%s: the queue was refused: %s", blk->name, vring_error_text(error));
    mmio_start_queue(&blk->mmio, QUEUE, &blk->vq.ring);
}

static void start_requests(struct blk *blk)
{
    blk->free = NULL;
    for (unsigned i = 0; i < BLK_REQUESTS; i++) {
        struct blk_request *request = &blk->requests[i];

        request->table.memory = shared_take(BLK_PIECES * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE);
        request->table.addr = shared_address(request->table.memory);
        request->table.entries = BLK_PIECES;
        request->next_free = blk->free;
        blk->free = request;
    }
}

void blk_start(struct blk *blk, const char *name, struct bounce_pool *pool)
{
    blk->name = name;
    blk->pool = pool;
    mmio_negotiate(&blk->mmio, BLK_F_RO | BLK_F_FLUSH, VRING_F_RING_PACKED);
    blk->capacity = mmio_config64(&blk->mmio, CONFIG_CAPACITY);
    blk->read_only = (blk->mmio.features & BLK_F_RO) != 0;
    start_queue(blk);
    start_requests(blk);
    mmio_start(&blk->mmio);
}

void blk_stop(struct blk *blk)
{
    mmio_stop(&blk->mmio);
    vring_split_driver_reset(&blk->vq);
}

/* -------------------------------------------------------------------------------------------- mapping a request --- */

/* Map one piece into the window, and describe it for the device. Returns false if the pool is full now. */
static bool map_piece(struct blk *blk, void *memory, size_t size, enum bounce_direction direction,
                      bounce_handle *handle, struct vring_segment *segment)
{
    struct bounce_request request = {
        .orig = memory,
        .orig_addr = (uintptr_t)memory,
        .size = size,
        .direction = direction,
        .min_align_mask = MIN_ALIGN_MASK,
    };
    struct bounce_mapping mapping;
    int error = bounce_map(blk->pool, &request, &mapping);

    if (error == BOUNCE_E_FULL || error == BOUNCE_E_FRAGMENTED)
        return false;
    if (error)
        fail(FAILED_BOUNCE, "%s: mapping %zu bytes: %s", blk->name, size, bounce_error_text(error));
    *handle = mapping.handle;
    segment->addr = mapping.addr;
    segment->len = (uint32_t)size;
    return true;
}

static void unmap_piece(struct blk *blk, bounce_handle *handle, enum bounce_direction direction, size_t written)
{
    int error = bounce_unmap(blk->pool, *handle, direction, written);

    if (error)
        fail(FAILED_BOUNCE, "%s: unmapping %zu bytes: %s", blk->name, written, bounce_error_text(error));
    *handle = 0;
}

static enum bounce_direction data_direction(enum blk_type type)
{
    return type == BLK_READ ? BOUNCE_FROM_DEVICE : BOUNCE_TO_DEVICE;
}

/* End all mappings of a request; written is how many bytes of its data come back. */
static void unmap_request(struct blk *blk, struct blk_request *request, size_t written)
{
    if (request->status_map)
        unmap_piece(blk, &request->status_map, BOUNCE_FROM_DEVICE, sizeof request->status);
    if (request->data_map)
        unmap_piece(blk, &request->data_map, data_direction(request->type), written);
    if (request->header_map)
        unmap_piece(blk, &request->header_map, BOUNCE_TO_DEVICE, 0);
}

/* Map the pieces of a request, in the order of the wire. Returns how many; 0, with none mapped, if the pool is full. */
static uint16_t map_request(struct blk *blk, struct blk_request *request, void *buffer, struct vring_segment *segments)
{
    uint16_t n = 0;

    if (!map_piece(blk, &request->header, sizeof request->header, BOUNCE_TO_DEVICE, &request->header_map,
                   &segments[n++]))
        goto full;
    if (request->len > 0 &&
        !map_piece(blk, buffer, request->len, data_direction(request->type), &request->data_map, &segments[n++]))
        goto full;
    if (!map_piece(blk, &request->status, sizeof request->status, BOUNCE_FROM_DEVICE, &request->status_map,
                   &segments[n++]))
        goto full;
#ifdef BLK_LEAK_PRIVATE_ADDRESS
    /* The mistake that the checks below exist for: the device is shown the buffer itself. Built by the tests alone. */
    if (request->len > 0)
        segments[1].addr = (uintptr_t)buffer;
#endif
    return n;
full:
    unmap_request(blk, request, 0);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- submit, publish --- */

/* Every other request goes into the ring itself while that has room; the others into a table, which takes one entry. */
static int add_to_ring(struct blk *blk, struct blk_request *request, const struct vring_segment *segments, uint16_t n)
{
    uint16_t n_writable = request->type == BLK_READ ? n - 1 : 1;
    uint16_t n_readable = n - n_writable;
    uint64_t token = (uint64_t)(request - blk->requests);
    bool indirect = (blk->mmio.features & VRING_F_INDIRECT_DESC) != 0;
    int error;

    if (indirect && (blk->counts.indirect <= blk->counts.direct || vring_split_driver_free(&blk->vq) < n)) {
        error = vring_split_driver_add_indirect(&blk->vq, &request->table, segments, n_readable, n_writable, token);
        blk->counts.indirect += error == 0;
    } else {
        error = vring_split_driver_add_avail(&blk->vq, segments, n_readable, n_writable, token);
        blk->counts.direct += error == 0;
    }
    return error;
}

bool blk_submit(struct blk *blk, enum blk_type type, uint64_t sector, void *buffer, size_t len, uint32_t tag)
{
    struct vring_segment segments[BLK_PIECES];
    struct blk_request *request = blk->free;
    uint16_t n;
    int error;

    if (!request || vring_split_driver_free(&blk->vq) < BLK_PIECES) {
        blk->counts.ring_full++;
        return false;
    }
    *request = (struct blk_request){
        .header = {.type = (uint32_t)type, .sector = sector},
        .status = STATUS_NONE,
        .type = type,
        .sector = sector,
        .len = len,
        .tag = tag,
        .table = request->table,
        .next_free = request->next_free,
    };
    n = map_request(blk, request, buffer, segments);
    if (n == 0) {
        blk->counts.pool_full++;
        return false;
    }
    for (uint16_t i = 0; i < n; i++)
        shared_require(segments[i].addr, segments[i].len, i == 0 ? "header" : i == n - 1 ? "status" : "data");
    shared_require(request->table.addr, BLK_PIECES * DESCRIPTOR_SIZE, "indirect table");

    error = add_to_ring(blk, request, segments, n);
    if (error)
        fail(FAILED_RING, "%s: a request was refused: %s", blk->name, vring_error_text(error));
    blk->free = request->next_free;
    blk->staged++;
    if (blk_in_flight(blk) > blk->counts.most_in_flight)
        blk->counts.most_in_flight = blk_in_flight(blk);
    return true;
}

static void __attribute__((noreturn)) fail_ring(const struct blk *blk, int error)
{
    struct vring_fault fault = vring_split_driver_fault(&blk->vq);

    fail(FAILED_RING, "%s: the device broke the ring: %s (position %lu, value 0x%lx)", blk->name,
         vring_error_text(error), (unsigned long)fault.position, (unsigned long)fault.value);
}

bool blk_publish(struct blk *blk)
{
    int must_notify;

    if (blk->staged == 0)
        return false;
    must_notify = vring_split_driver_publish(&blk->vq);
    if (must_notify < 0)
        fail_ring(blk, must_notify);
    blk->staged = 0;
    blk->counts.publishes++;
    return must_notify > 0;
}

void blk_notify(struct blk *blk)
{
    blk->counts.notifications++;
    mmio_notify(&blk->mmio, vring_split_driver_notification(&blk->vq));
}

/* --------------------------------------------------------------------------------------------------- completion --- */

static const char *type_name(enum blk_type type)
{
    return type == BLK_READ ? "read" : type == BLK_WRITE ? "write" : "flush";
}

static const char *status_name(uint8_t status)
{
    return status == 1 ? "I/O error" : status == 2 ? "not supported" : "not a status that a device may give";
}

/* Status and length are the device's word: both are judged, and no length of its is used. */
static void judge(const struct blk *blk, const struct blk_request *request, uint32_t peer_len)
{
    size_t expected = sizeof request->status + (request->type == BLK_READ ? request->len : 0);

    if (request->status != STATUS_OK)
        fail(FAILED_IO, "%s: %s of %zu bytes at sector %lu: the device answered status %u: %s", blk->name,
             type_name(request->type), request->len, (unsigned long)request->sector, request->status,
             status_name(request->status));
    if (peer_len != expected)
        fail(FAILED_LENGTH, "%s: %s of %zu bytes at sector %lu: the device says it wrote %lu bytes instead of %zu",
             blk->name, type_name(request->type), request->len, (unsigned long)request->sector, (unsigned long)peer_len,
             expected);
}

bool blk_take_done(struct blk *blk, struct blk_done *done)
{
    struct vring_used_buffer used;
    struct blk_request *request;
    int error = vring_split_driver_get_used(&blk->vq, &used);

    if (error == VRING_E_EMPTY)
        return false;
    if (error)
        fail_ring(blk, error);
    request = &blk->requests[used.token]; /* our own: the library kept it in private memory */
    unmap_request(blk, request, BOUNCE_WHOLE);
    judge(blk, request, used.len);

    blk->counts.requests++;
    blk->counts.read += request->type == BLK_READ ? request->len : 0;
    blk->counts.written += request->type == BLK_WRITE ? request->len : 0;
    done->type = request->type;
    done->tag = request->tag;
    request->next_free = blk->free;
    blk->free = request;
    return true;
}

uint32_t blk_in_flight(const struct blk *blk)
{
    return vring_split_driver_in_flight(&blk->vq);
}

/* -------------------------------------------------------------------------------------------------------- sleep --- */

static void take_interrupts(struct blk *disks, unsigned count)
{
    /* Bounded: a host that keeps a line raised gets no more than a look at each transport. */
    for (unsigned n = 0; n < board.mmio_count; n++) {
        int transport = board_take_interrupt();

        if (transport < 0)
            return;
        for (unsigned i = 0; i < count; i++) {
            if (disks[i].mmio.transport != transport)
                continue;
            if (mmio_acknowledge(&disks[i].mmio) & MMIO_INTERRUPT_USED)
                disks[i].counts.interrupts++;
            if (mmio_needs_reset(&disks[i].mmio))
                fail(FAILED_RESET, "%s: the device has met an error from which only a reset recovers", disks[i].name);
        }
        board_end_interrupt(transport);
    }
}

/* Ask the busy disks for an interrupt. Returns true if one of them has used buffers already. */
static bool ask_for_interrupts(struct blk *disks, unsigned count)
{
    bool waiting = false;

    for (unsigned i = 0; i < count; i++) {
        int answer;

        if (blk_in_flight(&disks[i]) == 0)
            continue;
        answer = vring_split_driver_enable_notify_delayed(&disks[i].vq);
        if (answer < 0)
            fail_ring(&disks[i], answer);
        waiting |= answer > 0;
    }
    return waiting;
}

bool blk_sleep(struct blk *disks, unsigned count, uint64_t deadline)
{
    bool in_time = true;

    while (!ask_for_interrupts(disks, count)) {
        in_time = board_clock() < deadline;
        if (!in_time)
            break;
        board_sleep_until(deadline);
        take_interrupts(disks, count);
    }
    for (unsigned i = 0; i < count; i++) {
        int error = vring_split_driver_disable_notify(&disks[i].vq);

        if (error)
            fail_ring(&disks[i], error);
    }
    return in_time;
}
