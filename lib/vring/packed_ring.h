/* SPDX-License-Identifier: MIT */
/*
 * The packed ring's shared fields, one verb each (2.8). Takes addresses, keeps the byte order, names the barriers;
 * judges nothing.
 *
 * The letters are those of split_ring.h; what is published and observed is not an index but the flags of a descriptor:
 *
 *   A  driver publishes the flags of an available descriptor, device observes them
 *   B  device publishes the flags of a used descriptor, driver observes them
 *   C  driver: A, full fence, read the device's event.  device: write its event, full fence, look at the flags again
 *   D  device: B, full fence, read the driver's event.  driver: write its event, full fence, look at the flags again
 */
#ifndef VRING_PACKED_RING_H
#define VRING_PACKED_RING_H

#include <vring/packed.h>
#include <vring/wire.h>

#include "access.h"
#include "chain.h"
#include "features.h"

/* Always little-endian: the packed ring came with VERSION_1. */
static inline uint16_t packed_wire16(uint16_t v)
{
    return PORT_BIG_ENDIAN ? port_swap16(v) : v;
}

static inline uint32_t packed_wire32(uint32_t v)
{
    return PORT_BIG_ENDIAN ? port_swap32(v) : v;
}

static inline uint64_t packed_wire64(uint64_t v)
{
    return PORT_BIG_ENDIAN ? port_swap64(v) : v;
}

/* Must the device's order be kept, too? */
static inline bool packed_platform(const struct vring_packed_ring *r)
{
    return FEATURE_BUILT(VRING_F_ORDER_PLATFORM) && r->platform;
}

/* ------------------------------------------------------------------------------------- places and wrap counters --- */

/* The lap of a place where the wrap counter is 1; otherwise it is 0. So the flags of a used entry are the lap itself. */
enum { PACKED_LAP = VRING_DESC_AVAIL | VRING_DESC_USED };

static inline uint32_t packed_lap(struct vring_packed_position at)
{
    return at.word >> 16;
}

/* Its number in the ring, and in an array that has as many entries. */
static inline uint16_t packed_entry(struct vring_packed_position at)
{
    return (uint16_t)at.word;
}

static inline struct vring_packed_position packed_in_lap(uint32_t entry, uint32_t lap)
{
    struct vring_packed_position at = {lap << 16 | entry};

    return at;
}

/* n entries further, n being at most size: past the last entry comes the first, with the other wrap counter (2.8.1). */
static inline struct vring_packed_position packed_forward(const struct vring_packed_ring *r,
                                                          struct vring_packed_position at, uint32_t n)
{
    at.word += n;

    bool past = PORT_UNLIKELY(packed_entry(at) >= r->size);

    at.word = past ? (at.word - r->size) ^ (uint32_t)PACKED_LAP << 16 : at.word;
    return at;
}

/* n entries back, n being at most size. */
static inline struct vring_packed_position packed_back(const struct vring_packed_ring *r,
                                                       struct vring_packed_position at, uint32_t n)
{
    bool past = packed_entry(at) < n;

    at.word = (past ? (at.word + r->size) ^ (uint32_t)PACKED_LAP << 16 : at.word) - n;
    return at;
}

/* How many entries on from one place to another, which is at most size: the lap tells all of them from none. */
static inline uint16_t packed_distance(const struct vring_packed_ring *r, struct vring_packed_position from,
                                       struct vring_packed_position to)
{
    return (uint16_t)(to.word - from.word + (packed_lap(to) == packed_lap(from) ? 0u : r->size));
}

static inline bool packed_same(struct vring_packed_position a, struct vring_packed_position b)
{
    return a.word == b.word;
}

/* The next entry, or the one before, of an array that has as many as the ring. */

static inline uint32_t packed_after(const struct vring_packed_ring *r, uint32_t i)
{
    return i + 1 < r->size ? i + 1 : 0;
}

static inline uint32_t packed_before(const struct vring_packed_ring *r, uint32_t i)
{
    return (i > 0 ? i : r->size) - 1;
}

/* The entry n before, n being at most size. */
static inline uint32_t packed_before_by(const struct vring_packed_ring *r, uint32_t i, uint32_t n)
{
    return i >= n ? i - n : i + r->size - n;
}

/* The entry n on, n being less than size. */
static inline uint32_t packed_after_by(const struct vring_packed_ring *r, uint32_t i, uint32_t n)
{
    return i + n < r->size ? i + n : i + n - r->size;
}

/* How many entries there are from first to last, round the array. */
static inline uint32_t packed_span(const struct vring_packed_ring *r, uint32_t first, uint32_t last)
{
    return (last >= first ? last : last + r->size) - first + 1;
}

/* The wrap counter of a place. */
static inline bool packed_wrap(struct vring_packed_position at)
{
    return packed_lap(at) != 0;
}

static inline struct vring_packed_position packed_at(uint32_t offset, bool wrap)
{
    return packed_in_lap(offset, wrap ? PACKED_LAP : 0);
}

/* As event structures and the notification word have it: wrap counter in bit 15 (2.8.14, 2.9). */
static inline uint16_t packed_place(struct vring_packed_position at)
{
    return (uint16_t)(packed_entry(at) | (packed_lap(at) & 0x8000));
}

static inline struct vring_packed_position packed_position(uint16_t place)
{
    return packed_at(place & 0x7fff, (place & 0x8000) != 0);
}

/* As a configuration has it, where 0 is the first entry of the first lap. */
static inline struct vring_packed_position packed_start(uint16_t index)
{
    return packed_position(index ^ 0x8000);
}

/*
 * Flags by which the entry at a place is used, available, or (as it was left by the lap before) neither.
 */

static inline uint32_t packed_used_flags(struct vring_packed_position at)
{
    return packed_lap(at);
}

static inline uint32_t packed_avail_flags(struct vring_packed_position at)
{
    return packed_lap(at) ^ VRING_DESC_USED;
}

static inline uint32_t packed_idle_flags(struct vring_packed_position at)
{
    return packed_lap(at) ^ PACKED_LAP;
}

static inline bool packed_is_used(uint32_t flags, struct vring_packed_position at)
{
    return ((flags ^ packed_used_flags(at)) & PACKED_LAP) == 0;
}

static inline bool packed_is_avail(uint32_t flags, struct vring_packed_position at)
{
    return ((flags ^ packed_avail_flags(at)) & PACKED_LAP) == 0;
}

/* Are these flags like those in everything that says what a descriptor is: whose, where in a buffer, for what? */
static inline bool packed_is_piece(uint32_t flags, uint32_t like)
{
    return ((flags ^ like) & (PACKED_LAP | VRING_DESC_NEXT | VRING_DESC_WRITE | VRING_DESC_INDIRECT)) == 0;
}

/* -------------------------------------------------------------------------------------------------- descriptors --- */

static inline struct vring_wire_packed_desc *packed_desc(const struct vring_packed_ring *r, uint32_t offset)
{
    return (struct vring_wire_packed_desc *)r->desc + offset;
}

/* The ring from this entry on, as one that begins there. */
static inline struct vring_packed_ring packed_from(const struct vring_packed_ring *r, uint32_t offset)
{
    struct vring_packed_ring here = *r;

    here.desc = packed_desc(r, offset);
    return here;
}

/* The entry of r that here begins with. */
static inline uint32_t packed_offset(const struct vring_packed_ring *r, const struct vring_packed_ring *here)
{
    return (uint32_t)(packed_desc(here, 0) - packed_desc(r, 0));
}

/*
 * Behind addr, a word of 64 bits: len, id and flags together. base is 16-byte aligned: the ring, or a table of the
 * driver's own.
 */
static inline uint64_t *packed_words(void *base, uint32_t i)
{
    return (uint64_t *)base + 2 * (size_t)i;
}

/* That word but for its length, which pieces of a list have in common. */
static inline uint64_t packed_mark(uint32_t id, uint32_t flags)
{
    return (uint64_t)(flags << 16 | id) << 32;
}

static inline uint64_t packed_rest(uint32_t len, uint32_t id, uint32_t flags)
{
    return packed_wire64(packed_mark(id, flags) | len);
}

/* The descriptors that follow this one, or what lies behind the last, will be read soon. */
static PORT_INLINE void packed_expect_desc(const struct vring_packed_ring *r, uint32_t offset)
{
    port_prefetch((const char *)packed_desc(r, offset) + 128);
}

/* The whole descriptor. Not the one by which a batch is published. */
static inline void packed_store_piece(void *base, uint32_t i, uint64_t addr, uint32_t len, uint64_t mark)
{
    uint64_t *words = packed_words(base, i);

    access_store64(&words[0], packed_wire64(addr));
    access_store64(&words[1], packed_wire64(mark | len));
}

static inline void packed_store_desc(void *base, uint32_t i, uint64_t addr, uint32_t len, uint32_t id, uint32_t flags)
{
    packed_store_piece(base, i, addr, len, packed_mark(id, flags));
}

/* All but the flags: they are published later. */
static inline void packed_prepare_desc(const struct vring_packed_ring *r, uint32_t offset, uint64_t addr, uint32_t len,
                                       uint32_t id)
{
    struct vring_wire_packed_desc *desc = packed_desc(r, offset);

    access_store64(&desc->addr.raw, packed_wire64(addr));
    access_store32(&desc->len.raw, packed_wire32(len));
    access_store16(&desc->id.raw, packed_wire16((uint16_t)id));
}

/* A used descriptor has no address (2.8.4). Not the one by which a batch is published. */
static inline void packed_store_used(const struct vring_packed_ring *r, uint32_t offset, uint32_t len, uint32_t id,
                                     uint32_t flags)
{
    access_store64(&packed_words(r->desc, offset)[1], packed_rest(len, id, flags));
}

static inline void packed_prepare_used(const struct vring_packed_ring *r, uint32_t offset, uint32_t len, uint32_t id)
{
    struct vring_wire_packed_desc *desc = packed_desc(r, offset);

    access_store32(&desc->len.raw, packed_wire32(len));
    access_store16(&desc->id.raw, packed_wire16((uint16_t)id));
}

/* Flags of an entry that nobody looks at yet. */
static inline void packed_store_flags(const struct vring_packed_ring *r, uint32_t offset, uint32_t flags)
{
    access_store16(&packed_desc(r, offset)->flags.raw, packed_wire16((uint16_t)flags));
}

/*
 * A and B, with packed_observe_flags: on seeing them the peer may read the whole batch (A: and the buffers; B: and
 * reuse them), so our writes of it, and our reads of the buffers, must be over: release.
 */
static inline void packed_publish_flags(const struct vring_packed_ring *r, uint32_t offset, uint16_t flags)
{
    access_release16(&packed_desc(r, offset)->flags.raw, packed_wire16(flags), packed_platform(r));
}

/* A and B, with packed_publish_flags: what we read behind the flags is no older than they are: acquire. */
static inline uint16_t packed_observe_flags(const struct vring_packed_ring *r, uint32_t offset)
{
    return packed_wire16(access_acquire16(&packed_desc(r, offset)->flags.raw, packed_platform(r)));
}

/* Relaxed: of entries behind one that was observed. */
static inline uint16_t packed_load_flags(const struct vring_packed_ring *r, uint32_t offset)
{
    return packed_wire16(access_load16(&packed_desc(r, offset)->flags.raw));
}

static inline uint64_t packed_load_addr(const struct vring_packed_ring *r, uint32_t offset)
{
    return packed_wire64(access_load64(&packed_desc(r, offset)->addr.raw));
}

static inline uint32_t packed_load_len(const struct vring_packed_ring *r, uint32_t offset)
{
    return packed_wire32(access_load32(&packed_desc(r, offset)->len.raw));
}

static inline uint16_t packed_load_id(const struct vring_packed_ring *r, uint32_t offset)
{
    return packed_wire16(access_load16(&packed_desc(r, offset)->id.raw));
}

/* The entry whose flags were observed, or stand behind one whose were. */
static inline struct chain_desc packed_fetch_desc(const struct vring_packed_ring *r, uint32_t offset, uint16_t flags)
{
    struct chain_desc desc = {packed_load_addr(r, offset), packed_load_len(r, offset), flags, packed_load_id(r, offset)};

    return desc;
}

/* An entry of an indirect table: the id and all flags but WRITE mean nothing there (2.8.7). */
static inline struct chain_desc packed_decode_entry(const uint64_t words[2], bool last)
{
    uint64_t rest = packed_wire64(words[1]);
    struct chain_desc desc;

    desc.addr = packed_wire64(words[0]);
    desc.len = (uint32_t)rest;
    desc.flags = (uint16_t)((rest >> 48 & VRING_DESC_WRITE) | (last ? 0u : (unsigned)VRING_DESC_NEXT));
    desc.next = 0;
    return desc;
}

/* The same, loaded from a table all of which we see; 8-byte aligned. */
static inline struct chain_desc packed_fetch_entry(const void *table, uint32_t i, bool last)
{
    const uint64_t *at = (const uint64_t *)table + 2 * (size_t)i;
    uint64_t words[2] = {access_load64(&at[0]), access_load64(&at[1])};

    return packed_decode_entry(words, last);
}

/* -------------------------------------------------------------------------------------------- event suppression --- */

/*
 * One word of 32 bits, so that place and flags are never of two different wishes (2.8.10): flags << 16 | place.
 * Relaxed: the fences of C and D order them.
 */

static inline void packed_store_event(void *area, uint32_t event)
{
    struct vring_wire_packed_event *e = (struct vring_wire_packed_event *)area;

    access_store32(&e->word.raw, packed_wire32(event));
}

static inline uint32_t packed_load_event(const void *area)
{
    const struct vring_wire_packed_event *e = (const struct vring_wire_packed_event *)area;

    return packed_wire32(access_load32(&e->word.raw));
}

static inline uint32_t packed_event(unsigned flags, uint16_t place)
{
    return (uint32_t)flags << 16 | place;
}

/* C and D: our store is visible to the peer before we load the peer's. */
static inline void packed_fence(const struct vring_packed_ring *r)
{
    access_full_fence(packed_platform(r));
}

/* ---------------------------------------------------------------------------------------------------- the whole --- */

/* Before the device is told where it is: every entry idle (2.8.13), every event wanted. */
static inline void packed_clear(const struct vring_packed_ring *r, struct vring_packed_position start)
{
    for (uint32_t i = 0; i < r->size; i++)
        packed_store_desc(r->desc, i, 0, 0, 0, packed_idle_flags(packed_at(i, (i < packed_entry(start)) != packed_wrap(start))));
    packed_store_event(r->driver_area, packed_event(VRING_EVENT_ENABLE, 0));
    packed_store_event(r->device_area, packed_event(VRING_EVENT_ENABLE, 0));
}

#endif
