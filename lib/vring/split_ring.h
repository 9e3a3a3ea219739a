/* SPDX-License-Identifier: MIT */
/*
 * The split ring's shared fields, one verb each (2.7). Takes addresses, keeps the byte order, names the barriers;
 * judges nothing.
 *
 * Four letters pair the barriers:
 *
 *   A  driver publishes avail.idx, device observes it: descriptors and buffers change hands
 *   B  device publishes used.idx, driver observes it: results, and the licence to reuse descriptors and buffers
 *   C  driver: A, full fence, read the device's wish.  device: write its wish, full fence, look at avail.idx again
 *   D  device: B, full fence, read the driver's wish.  driver: write its wish, full fence, look at used.idx again
 *
 * C and D are store-then-load on both ends, which only a full fence orders: without it both may read the old value, and
 * one side sleeps on work that the other did not announce.
 */
#ifndef VRING_SPLIT_RING_H
#define VRING_SPLIT_RING_H

#include <vring/split.h>
#include <vring/wire.h>

#include "access.h"
#include "chain.h"
#include "features.h"

/*
 * The byte order of the wire: little-endian, but in the second build of the cells (split_be.h). A constant: the order of
 * a ring is known when it is set up, and nothing is asked after that.
 */
#ifdef SPLIT_BIG_ENDIAN
#define SPLIT_WIRE_IS_LE 0
#else
#define SPLIT_WIRE_IS_LE 1
#endif

static inline uint16_t split_wire16(uint16_t v)
{
    return PORT_BIG_ENDIAN == SPLIT_WIRE_IS_LE ? port_swap16(v) : v;
}

static inline uint32_t split_wire32(uint32_t v)
{
    return PORT_BIG_ENDIAN == SPLIT_WIRE_IS_LE ? port_swap32(v) : v;
}

static inline uint64_t split_wire64(uint64_t v)
{
    return PORT_BIG_ENDIAN == SPLIT_WIRE_IS_LE ? port_swap64(v) : v;
}

/* Must fences order against a device, too? */
static inline bool split_platform(const struct vring_split_ring *r)
{
    return FEATURE_BUILT(VRING_F_ORDER_PLATFORM) && r->platform;
}

/* ---------------------------------------------------------------------------------------------------- addresses --- */

static inline uint16_t *split_avail_flags(const struct vring_split_ring *r)
{
    return &((struct vring_wire_split_avail *)r->driver_area)->flags.raw;
}

static inline uint16_t *split_avail_idx(const struct vring_split_ring *r)
{
    return &((struct vring_wire_split_avail *)r->driver_area)->idx.raw;
}

static inline uint16_t *split_avail_entry(const struct vring_split_ring *r, size_t position)
{
    vring_wire16 *entries = (vring_wire16 *)((struct vring_wire_split_avail *)r->driver_area + 1);

    return &entries[position & r->mask].raw;
}

/* 2.7.6: right behind the last entry. */
static inline uint16_t *split_used_event(const struct vring_split_ring *r)
{
    vring_wire16 *entries = (vring_wire16 *)((struct vring_wire_split_avail *)r->driver_area + 1);

    return &entries[r->size].raw;
}

static inline uint16_t *split_used_flags(const struct vring_split_ring *r)
{
    return &((struct vring_wire_split_used *)r->device_area)->flags.raw;
}

static inline uint16_t *split_used_idx(const struct vring_split_ring *r)
{
    return &((struct vring_wire_split_used *)r->device_area)->idx.raw;
}

/* A used element is two words: id and len. */
static inline uint32_t *split_used_elem(const struct vring_split_ring *r, size_t position)
{
    uint32_t *elems = (uint32_t *)(void *)((struct vring_wire_split_used *)r->device_area + 1);

    return elems + 2 * (position & r->mask);
}

/* 2.7.8: right behind the last element. */
static inline uint16_t *split_avail_event(const struct vring_split_ring *r)
{
    uint32_t *elems = (uint32_t *)(void *)((struct vring_wire_split_used *)r->device_area + 1);

    return (uint16_t *)(void *)(elems + 2 * (size_t)r->size);
}

/* Of count entries from this position on, so many lie behind each other: up to where the ring begins again. */
static inline uint32_t split_ahead(const struct vring_split_ring *r, uint16_t position, uint32_t count)
{
    uint32_t ahead = r->size - (position & r->mask);

    return count < ahead ? count : ahead;
}

/* -------------------------------------------------------------------------------------------------- descriptors --- */

/*
 * A descriptor is two words of 64 bits: addr, and len, flags and next together. Two accesses, each made once. base is
 * 16-byte aligned: the descriptor table, or a table of the driver's own.
 */
static inline uint64_t *split_desc(void *base, size_t i)
{
    return (uint64_t *)base + 2 * i;
}

/* Which entry lies there. */
static inline uint32_t split_desc_index(const void *base, const uint64_t *words)
{
    return (uint32_t)((words - (const uint64_t *)base) / 2);
}

static inline void split_store_addr(uint64_t *words, uint64_t addr)
{
    access_store64(&words[0], split_wire64(addr));
}

/* What the second word says, or some of it: or-ing makes one of several. */
static inline uint64_t split_rest(uint32_t len, uint32_t flags, size_t next)
{
    return SPLIT_WIRE_IS_LE ? (uint64_t)next << 48 | (uint64_t)flags << 32 | len
                            : (uint64_t)len << 32 | (uint64_t)flags << 16 | next;
}

static inline void split_store_rest(uint64_t *words, uint64_t rest)
{
    access_store64(&words[1], split_wire64(rest));
}

/* The same, each field by itself: without shifting, which is less code. */
static inline void split_store_fields(uint64_t *words, uint32_t len, uint32_t flags, uint32_t next)
{
    struct vring_wire_split_desc *desc = (struct vring_wire_split_desc *)(void *)words;

    access_store32(&desc->len.raw, split_wire32(len));
    access_store16(&desc->flags.raw, split_wire16((uint16_t)flags));
    access_store16(&desc->next.raw, split_wire16((uint16_t)next));
}

/* Both words of entry i. */
static inline void split_store_desc(void *base, size_t i, uint64_t addr, uint32_t len, uint32_t flags, size_t next)
{
    split_store_addr(split_desc(base, i), addr);
    split_store_rest(split_desc(base, i), split_rest(len, flags, next));
}

/* A descriptor as it was read, in the order of the wire. */
struct split_words {
    uint64_t addr;
    uint64_t rest;
};

static PORT_INLINE struct chain_desc split_decode(struct split_words words)
{
    uint64_t rest = split_wire64(words.rest);
    struct chain_desc desc;

    desc.addr = split_wire64(words.addr);
    desc.len = (uint32_t)(SPLIT_WIRE_IS_LE ? rest : rest >> 32);
    desc.flags = (uint16_t)(SPLIT_WIRE_IS_LE ? rest >> 32 : rest >> 16);
    desc.next = (uint16_t)(SPLIT_WIRE_IS_LE ? rest >> 48 : rest);
    return desc;
}

/* Is it all of a buffer, a piece of this kind: 0 for the device to read, or VRING_DESC_WRITE? */
static PORT_INLINE bool split_is_piece(struct split_words words, uint32_t kind)
{
    const uint64_t judged = split_wire64(split_rest(0, VRING_DESC_NEXT | VRING_DESC_INDIRECT | VRING_DESC_WRITE, 0));

    return (words.rest & judged) == split_wire64(split_rest(0, kind, 0));
}

/* Its flags, and something else above them. */
static PORT_INLINE uint32_t split_flags(struct split_words words)
{
    return (uint32_t)(split_wire64(words.rest) >> (SPLIT_WIRE_IS_LE ? 32 : 16));
}

/* Where the next is, of these flags and what is above them. */
static PORT_INLINE uint32_t split_next(uint32_t flags, const struct chain_desc *desc)
{
    return SPLIT_WIRE_IS_LE ? flags >> 16 : desc->next;
}

/* base as for split_store_desc(), or a table of the driver's as we see it, all of which can be read, 8-byte aligned. */
static PORT_INLINE struct split_words split_fetch(const void *base, size_t i)
{
    const uint64_t *at = (const uint64_t *)base + 2 * i;
    struct split_words words;

    words.addr = access_load64(&at[0]);
    words.rest = access_load64(&at[1]);
    return words;
}

/*
 * What lies so many entries before and behind entry i, in the table or beside it, will be read soon: drivers mostly take
 * descriptors as they lie beside each other, up or down.
 */
static PORT_INLINE void split_expect_desc(const struct vring_split_ring *r, size_t i, size_t away)
{
    uintptr_t at = (uintptr_t)r->desc + 16 * i;

    port_prefetch((const void *)(at + 16 * away));
    port_prefetch((const void *)(at - 16 * away));
}

/* -------------------------------------------------------------------------------------------- the driver's area --- */

static inline void split_store_avail_entry(const struct vring_split_ring *r, size_t position, uint16_t head)
{
    access_store16(split_avail_entry(r, position), split_wire16(head));
}

static inline uint16_t split_load_entry(const uint16_t *entry)
{
    return split_wire16(access_load16(entry));
}

static inline uint16_t split_load_avail_entry(const struct vring_split_ring *r, size_t position)
{
    return split_load_entry(split_avail_entry(r, position));
}

/*
 * A, with split_observe_avail: on seeing idx the device may read the descriptors and the buffers: they must be written:
 * release.
 */
static inline void split_publish_avail(const struct vring_split_ring *r, uint16_t idx)
{
    access_release16(split_avail_idx(r), split_wire16(idx), split_platform(r));
}

/* A, with split_publish_avail: what we read behind idx is no older than idx: acquire. */
static inline uint16_t split_observe_avail(const struct vring_split_ring *r)
{
    return split_wire16(access_acquire16(split_avail_idx(r), split_platform(r)));
}

/* The driver's wishes. Relaxed: the fences of D order them. */

static inline void split_store_avail_flags(const struct vring_split_ring *r, uint16_t flags)
{
    access_store16(split_avail_flags(r), split_wire16(flags));
}

static inline uint16_t split_load_avail_flags(const struct vring_split_ring *r)
{
    return split_wire16(access_load16(split_avail_flags(r)));
}

static inline void split_store_used_event(const struct vring_split_ring *r, uint16_t event)
{
    access_store16(split_used_event(r), split_wire16(event));
}

static inline uint16_t split_load_used_event(const struct vring_split_ring *r)
{
    return split_wire16(access_load16(split_used_event(r)));
}

/* -------------------------------------------------------------------------------------------- the device's area --- */

static inline void split_store_elem(uint32_t *elem, uint32_t id, uint32_t len)
{
    access_store32(&elem[0], split_wire32(id));
    access_store32(&elem[1], split_wire32(len));
}

static inline void split_store_used(const struct vring_split_ring *r, size_t position, uint32_t id, uint32_t len)
{
    split_store_elem(split_used_elem(r, position), id, len);
}

/* Full width: the id is a 16-bit number in a 32-bit field, and the upper half is the device's to lie in. */
static inline uint32_t split_load_used_id(const uint32_t *elem)
{
    return split_wire32(access_load32(&elem[0]));
}

static inline uint32_t split_load_used_len(const uint32_t *elem)
{
    return split_wire32(access_load32(&elem[1]));
}

/* The elements that follow this one, or what lies behind the last, will be read soon. */
static PORT_INLINE void split_expect_used(const uint32_t *elem)
{
    port_prefetch((const char *)elem + 128);
}

/*
 * B, with split_observe_used: on seeing idx the driver may reuse the buffers, so our reads of them must be over:
 * release.
 */
static inline void split_publish_used(const struct vring_split_ring *r, uint16_t idx)
{
    access_release16(split_used_idx(r), split_wire16(idx), split_platform(r));
}

/*
 * B, with split_publish_used: results are no older than idx, and our next writes to the buffers come after it: acquire.
 */
static inline uint16_t split_observe_used(const struct vring_split_ring *r)
{
    return split_wire16(access_acquire16(split_used_idx(r), split_platform(r)));
}

/* The device's wishes. Relaxed: the fences of C order them. */

static inline void split_store_used_flags(const struct vring_split_ring *r, uint16_t flags)
{
    access_store16(split_used_flags(r), split_wire16(flags));
}

static inline uint16_t split_load_used_flags(const struct vring_split_ring *r)
{
    return split_wire16(access_load16(split_used_flags(r)));
}

static inline void split_store_avail_event(const struct vring_split_ring *r, uint16_t event)
{
    access_store16(split_avail_event(r), split_wire16(event));
}

static inline uint16_t split_load_avail_event(const struct vring_split_ring *r)
{
    return split_wire16(access_load16(split_avail_event(r)));
}

/* C and D: our store is visible to the peer before we load the peer's. */
static inline void split_fence(const struct vring_split_ring *r)
{
    access_full_fence(split_platform(r));
}

/* ---------------------------------------------------------------------------------------------------- the whole --- */

/* Zero everything that is not said here (2.7.10.1), before the device is told where it is. */
static inline void split_clear(const struct vring_split_ring *r, uint16_t idx)
{
    for (uint32_t i = 0; i < r->size; i++) {
        split_store_desc(r->desc, i, 0, 0, 0, 0);
        split_store_avail_entry(r, (uint16_t)i, 0);
        split_store_used(r, (uint16_t)i, 0, 0);
    }
    split_store_avail_flags(r, 0);
    split_store_used_flags(r, 0);
    split_store_used_event(r, idx);
    split_store_avail_event(r, idx);
    split_publish_used(r, idx);
    split_publish_avail(r, idx);
}

#endif
