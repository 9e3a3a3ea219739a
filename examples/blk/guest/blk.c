/* SPDX-License-Identifier: MIT */
#include "blk.h"

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
    DESC_F_NEXT = 1,
    DESC_F_INDIRECT = 4,
    PLACE_ENTRY = 0x7fff, /* what of a place in a packed ring is not its wrap counter */
    /*
     * virtio-blk asks for no alignment. We ask that the device's address equals ours in the low 12 bits, as an NVMe
     * driver must, so that the pool has something to keep.
     */
    MIN_ALIGN_MASK = 0xfff
};

/* As it lies in a split ring and in its tables (2.7.5); in those of a packed ring the last two are others (2.8.13). */
struct descriptor {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

_Static_assert(sizeof(struct descriptor) == 16, "virtio: descriptor");

/* -------------------------------------------------------------------------------------------------- start, stop --- */

/* Memory for the three areas, of the format that was negotiated. */
static void take_areas(struct blk *blk)
{
    struct vring_split_areas split;
    struct vring_packed_areas packed;
    struct mmio_queue *ring = &blk->ring;
    int error;

    ring->size = BLK_QUEUE_SIZE;
    if (blk->mmio.features & VRING_F_RING_PACKED) {
        error = vring_packed_layout(ring->size, &packed);
        ring->desc_size = packed.desc_size;
        ring->driver_size = packed.driver_size;
        ring->device_size = packed.device_size;
    } else {
        error = vring_split_layout(ring->size, 0, &split);
        ring->desc_size = split.desc_size;
        ring->driver_size = split.driver_size;
        ring->device_size = split.device_size;
    }
    if (error)
        fail(FAILED_QUEUE, "%s: %s", blk->name, vring_error_text(error));
    /* 16, as a packed ring; the others need 4 at most. */
    ring->desc = shared_take(ring->desc_size, VRING_SPLIT_DESC_ALIGN);
    ring->driver_area = shared_take(ring->driver_size, VRING_SPLIT_DEVICE_AREA_ALIGN);
    ring->device_area = shared_take(ring->device_size, VRING_SPLIT_DEVICE_AREA_ALIGN);
}

static void start_queue(struct blk *blk, struct bounce_pool *pool)
{
    struct bounced_driver_config config = {
        .ring = {
            .features = blk->mmio.features,
            .size = BLK_QUEUE_SIZE,
            .max_chain = BLK_PIECES,
            .slots = blk->slots,
            .slot_count = BLK_QUEUE_SIZE,
            .notify_id = QUEUE,
            .used_len = VRING_USED_LEN_BREAK,
            .len_without_write = true, /* QEMU gives lengths and leaves out the flag that makes them count */
        },
        .pool = pool,
        .buffers = blk->buffers,
        .buffer_count = BLK_QUEUE_SIZE,
        .pieces = blk->pieces,
        .piece_count = BLK_REQUESTS * BLK_PIECES,
        .segments = blk->segments,
        .segment_count = BLK_PIECES,
        .min_align_mask = MIN_ALIGN_MASK,
        .table_entries = BLK_PIECES,
    };
    uint32_t limit = mmio_queue_limit(&blk->mmio, QUEUE);
    int error;

    if (limit < BLK_QUEUE_SIZE)
        fail(FAILED_QUEUE, "%s: the device allows %lu entries in its queue; this driver wants %d", blk->name,
             (unsigned long)limit, BLK_QUEUE_SIZE);
    take_areas(blk);
    config.ring.desc = blk->ring.desc;
    config.ring.driver_area = blk->ring.driver_area;
    config.ring.device_area = blk->ring.device_area;
    config.tables = shared_take(BLK_QUEUE_SIZE * BLK_PIECES * sizeof(struct descriptor), sizeof(struct descriptor));
    config.tables_addr = shared_address(config.tables);
    error = bounced_driver_init(&blk->bounced, &config);
    if (error)
        fail(FAILED_QUEUE, "%s: the queue was refused: %s", blk->name, vring_error_text(error));
    mmio_start_queue(&blk->mmio, QUEUE, &blk->ring);
}

static void start_requests(struct blk *blk)
{
    blk->free = NULL;
    for (unsigned i = 0; i < BLK_REQUESTS; i++) {
        blk->requests[i].next_free = blk->free;
        blk->free = &blk->requests[i];
    }
}

void blk_start(struct blk *blk, const char *name, struct bounce_pool *pool)
{
    blk->name = name;
    mmio_negotiate(&blk->mmio, BLK_F_RO | BLK_F_FLUSH);
    blk->capacity = mmio_config64(&blk->mmio, CONFIG_CAPACITY);
    blk->read_only = (blk->mmio.features & BLK_F_RO) != 0;
    blk->has_cache = (blk->mmio.features & BLK_F_FLUSH) != 0;
    start_queue(blk, pool);
    start_requests(blk);
    mmio_start(&blk->mmio);
}

void blk_stop(struct blk *blk)
{
    mmio_stop(&blk->mmio);
    bounced_driver_reset(&blk->bounced);
}

/* ------------------------------------------------------------------------------------- what the device is shown --- */

/* One descriptor of size ones, read again from shared memory: a host may rewrite next at any time. */
static struct descriptor read_descriptor(const struct blk *blk, const volatile struct descriptor *list, uint32_t size,
                                         uint32_t i)
{
    if (i >= size)
        fail(FAILED_RING, "%s: somebody else wrote into a descriptor list: no descriptor %lu in %lu", blk->name,
             (unsigned long)i, (unsigned long)size);
    return (struct descriptor){list[i].addr, list[i].len, list[i].flags, list[i].next};
}

/* An entry of the ring, as the device finds it. */
static struct vring_snapshot_entry entry_of(const struct blk *blk, uint32_t position)
{
    struct vring_snapshot_entry entry;
    int error = vring_driver_snapshot_entry(&blk->bounced.queue, position % blk->ring.size, &entry);

    if (error)
        fail(FAILED_RING, "%s: a staged request cannot be seen: %s", blk->name, vring_error_text(error));
    return entry;
}

static void require_split(const struct blk *blk, uint16_t next_avail)
{
    const volatile struct descriptor *list = blk->ring.desc;
    uint32_t size = blk->ring.size;
    struct descriptor descriptor = read_descriptor(blk, list, size, entry_of(blk, next_avail - 1u).avail);
    const char *what = "header";

    if (descriptor.flags & DESC_F_INDIRECT) {
        size = BLK_PIECES;
        shared_require(descriptor.addr, size * sizeof descriptor, "indirect table");
        list = (const volatile struct descriptor *)(uintptr_t)descriptor.addr;
        descriptor = read_descriptor(blk, list, size, 0);
    }
    for (unsigned i = 1; i < BLK_PIECES && (descriptor.flags & DESC_F_NEXT); i++) {
        shared_require(descriptor.addr, descriptor.len, what);
        descriptor = read_descriptor(blk, list, size, descriptor.next);
        what = "data";
    }
    shared_require(descriptor.addr, descriptor.len, descriptor.flags & DESC_F_NEXT ? what : "status");
}

/*
 * The buffer ends before next_avail, and has as many entries as its id says in private memory. The flags of its first
 * may not be there yet, but a request has two pieces at least: one entry alone is a table.
 */
static void require_packed(const struct blk *blk, uint16_t next_avail)
{
    uint32_t end = (next_avail & PLACE_ENTRY) + blk->ring.size;
    uint32_t count = entry_of(blk, entry_of(blk, end - 1).id).count;
    struct vring_snapshot_entry first = entry_of(blk, end - count);
    const volatile struct descriptor *table = (const volatile struct descriptor *)(uintptr_t)first.addr;
    uint32_t pieces = count == 1 ? first.len / sizeof *table : count;

    if (pieces < 2 || pieces > BLK_PIECES)
        fail(FAILED_RING, "%s: somebody else wrote into the ring: a request of %lu pieces", blk->name,
             (unsigned long)pieces);
    if (count == 1)
        shared_require(first.addr, first.len, "indirect table");
    for (uint32_t i = 0; i < pieces; i++) {
        struct vring_snapshot_entry entry =
            count == 1 ? (struct vring_snapshot_entry){.addr = table[i].addr, .len = table[i].len}
                       : entry_of(blk, end - count + i);
        shared_require(entry.addr, entry.len, i == 0 ? "header" : i < pieces - 1 ? "data" : "status");
    }
}

/*
 * Check every address of the buffer staged last, before the device is told of it: those in its descriptors, not those
 * that we meant to put there.
 */
static void require_shared(const struct blk *blk)
{
    struct vring_snapshot now;
    int error = vring_driver_snapshot(&blk->bounced.queue, &now);

    if (error)
        fail(FAILED_RING, "%s: a staged request cannot be seen: %s", blk->name, vring_error_text(error));
    if (now.packed)
        require_packed(blk, now.next_avail);
    else
        require_split(blk, now.next_avail);
}

/* ---------------------------------------------------------------------------------------------- submit, publish --- */

/* Every other request goes into the ring itself while that has room; the others into a table, which takes one entry. */
static int add(struct blk *blk, struct blk_request *request, const struct bounced_segment *segments, uint16_t n)
{
    uint16_t n_writable = request->type == BLK_READ ? n - 1 : 1;
    uint16_t n_readable = n - n_writable;
    uint64_t token = (uint64_t)(request - blk->requests);
    bool has_tables = (blk->mmio.features & VRING_F_INDIRECT_DESC) != 0;
    int error;

    if (has_tables && (blk->counts.indirect <= blk->counts.direct || vring_driver_free(&blk->bounced.queue) < n)) {
        error = bounced_driver_add(&blk->bounced, segments, n_readable, n_writable, token);
        blk->counts.indirect += error == 0;
    } else {
        error = bounced_driver_add_direct(&blk->bounced, segments, n_readable, n_writable, token);
        blk->counts.direct += error == 0;
    }
#ifdef BLK_LEAK_PRIVATE_ADDRESS
    /*
     * The mistake that require_shared() exists for: to save a copy, the driver goes behind the bounce queue's back and
     * shows the device the buffer itself. Built by the tests alone.
     */
    if (!error && n == BLK_PIECES) {
        error = vring_driver_abort(&blk->bounced.queue, &token);
        blk->segments[1].addr = (uintptr_t)segments[1].data;
        if (!error)
            error = vring_driver_add_avail(&blk->bounced.queue, blk->segments, n_readable, n_writable, token);
    }
#endif
    return error;
}

/* Answers of both libraries come out of the bounce queue. Who gave this one? */
static bool is_from_pool(int error)
{
    return error <= BOUNCE_E_FULL;
}

bool blk_submit(struct blk *blk, enum blk_type type, uint64_t sector, void *buffer, size_t len, uint32_t tag)
{
    struct bounced_segment segments[BLK_PIECES];
    struct blk_request *request = blk->free;
    uint16_t n = 0;
    int error = VRING_E_FULL;

    if (request) {
        *request = (struct blk_request){
            .header = {.type = (uint32_t)type, .sector = sector},
            .status = STATUS_NONE,
            .type = type,
            .sector = sector,
            .len = len,
            .tag = tag,
            .next_free = request->next_free,
        };
        segments[n++] = (struct bounced_segment){&request->header, sizeof request->header};
        if (len > 0)
            segments[n++] = (struct bounced_segment){buffer, (uint32_t)len};
        segments[n++] = (struct bounced_segment){&request->status, sizeof request->status};
        error = add(blk, request, segments, n);
    }
    if (error == VRING_E_FULL || error == BOUNCE_E_FULL || error == BOUNCE_E_FRAGMENTED) {
        blk->counts.ring_full += error == VRING_E_FULL;
        blk->counts.pool_full += error != VRING_E_FULL;
        return false;
    }
    if (is_from_pool(error))
        fail(FAILED_BOUNCE, "%s: mapping a request of %zu bytes: %s", blk->name, len, bounce_error_text(error));
    if (error)
        fail(FAILED_RING, "%s: a request was refused: %s", blk->name, vring_error_text(error));
    require_shared(blk);
    blk->free = request->next_free;
    blk->staged++;
    if (blk_in_flight(blk) > blk->counts.most_in_flight)
        blk->counts.most_in_flight = blk_in_flight(blk);
    return true;
}

static void __attribute__((noreturn)) fail_ring(const struct blk *blk, int error)
{
    struct vring_fault fault = vring_driver_fault(&blk->bounced.queue);

    fail(FAILED_RING, "%s: the device broke the ring: %s (position %lu, value 0x%lx)", blk->name,
         vring_error_text(error), (unsigned long)fault.position, (unsigned long)fault.value);
}

bool blk_publish(struct blk *blk)
{
    int must_notify;

    if (blk->staged == 0)
        return false;
    must_notify = vring_driver_publish(&blk->bounced.queue);
    if (must_notify < 0)
        fail_ring(blk, must_notify);
    blk->staged = 0;
    blk->counts.publishes++;
    return must_notify > 0;
}

void blk_notify(struct blk *blk)
{
    blk->counts.notifications++;
    mmio_notify(&blk->mmio, vring_driver_notification(&blk->bounced.queue));
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

/*
 * Status and length are the device's word: both are judged. The length first, for the status is there only if the
 * device says that it wrote that far.
 */
static void judge(const struct blk *blk, const struct blk_request *request, uint32_t peer_len)
{
    size_t expected = sizeof request->status + (request->type == BLK_READ ? request->len : 0);

    if (peer_len != expected)
        fail(FAILED_LENGTH, "%s: %s of %zu bytes at sector %lu: the device says it wrote %lu bytes instead of %zu",
             blk->name, type_name(request->type), request->len, (unsigned long)request->sector, (unsigned long)peer_len,
             expected);
    if (request->status != STATUS_OK)
        fail(FAILED_IO, "%s: %s of %zu bytes at sector %lu: the device answered status %u: %s", blk->name,
             type_name(request->type), request->len, (unsigned long)request->sector, request->status,
             status_name(request->status));
}

bool blk_take_done(struct blk *blk, struct blk_done *done)
{
    struct vring_used_buffer used;
    struct blk_request *request;
    int error = bounced_driver_get_used(&blk->bounced, &used);

    if (error == VRING_E_EMPTY)
        return false;
    if (is_from_pool(error))
        fail(FAILED_BOUNCE, "%s: unmapping a request: %s", blk->name, bounce_error_text(error));
    if (error)
        fail_ring(blk, error);
    request = &blk->requests[used.token]; /* our own: the library kept it in private memory */
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
    return vring_driver_in_flight(&blk->bounced.queue);
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
        answer = vring_driver_enable_notify_delayed(&disks[i].bounced.queue);
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
        int error = vring_driver_disable_notify(&disks[i].bounced.queue);

        if (error)
            fail_ring(&disks[i], error);
    }
    return in_time;
}
