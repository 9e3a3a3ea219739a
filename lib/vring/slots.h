/* SPDX-License-Identifier: MIT */
/*
 * What a driver has in flight: one slot per descriptor, a free list threaded through them, all in private memory. The
 * device sees none of it, so nothing here needs judging but the caller's sums.
 */
#ifndef VRING_SLOTS_H
#define VRING_SLOTS_H

#include <vring/types.h>

#include "port.h"

/* All free, in the order of the table. */
static inline void slots_clear(struct vring_slot *slots, uint32_t size)
{
    static const struct vring_slot unused = {0};

    for (uint32_t i = 0; i < size; i++) {
        slots[i] = unused;
        slots[i].next = (uint16_t)(i + 1 < size ? i + 1 : 0);
    }
}

/*
 * What the slot of a buffer says beside the token lies together: as one number it is one store. In a row, of buffers of one
 * descriptor each, of which every one stands one position further than the one before, it is one addition from one to the next.
 */
typedef uint64_t slot_row;

#define SLOTS_LIE_SIDE_BY_SIDE                                                         \
    (PORT_BEGINS_ALIGNED(struct vring_slot, writable) &&                                \
     offsetof(struct vring_slot, count) == offsetof(struct vring_slot, writable) + 4 && \
     offsetof(struct vring_slot, position) == offsetof(struct vring_slot, writable) + 6)

/* Of a buffer of so many descriptors, added at this position. */
static PORT_INLINE slot_row slot_row_of(uint32_t count, uint16_t position)
{
    return port_pair(0, port_pair(count, position, 16), 32);
}

/* Where a row begins. */
static PORT_INLINE slot_row slot_row_at(uint16_t position)
{
    return slot_row_of(1, position);
}

static PORT_INLINE uint16_t slot_row_position(slot_row row)
{
    return (uint16_t)(PORT_BIG_ENDIAN ? row : row >> 48);
}

/* The same one position further: modulo 2^16, and what lies beside the position stays what it is. */
static PORT_INLINE slot_row slot_row_next(slot_row row)
{
    return PORT_BIG_ENDIAN ? (row & ~(uint64_t)UINT16_MAX) | (uint16_t)(row + 1) : row + slot_row_of(0, 1);
}

/* The same, in a loop over a row. */
static PORT_INLINE slot_row slot_row_after(slot_row row)
{
    row = slot_row_next(row);
    PORT_OPAQUE(row); /* gcc makes it of a pointer that is counted anyway, each time anew, by three instructions */
    return row;
}

/* Such a buffer, of which so many bytes are writable, has this slot. */
static PORT_INLINE void slot_fill(struct vring_slot *slot, slot_row row, uint64_t token, uint64_t writable)
{
    typedef slot_row members PORT_MEMBERS_OF(struct vring_slot);

    row |= port_pair(writable, 0, 32);
    slot->token = token;
    PORT_STORED(slot->token); /* gcc takes both through a vector register otherwise, which lasts longer */
    *(members *)PORT_MEMBERS_FROM(slot, offsetof(struct vring_slot, writable)) = row;
}

static inline bool slot_in_flight(const struct vring_slot *slots, size_t id)
{
    return slots[id].count != 0;
}

/*
 * Split: was the buffer at head added last at one of count positions from first on? Its position says so, modulo 2^16; that
 * position's entry in avail.ring says whether it is this buffer or one that was added a whole lap of the index ago.
 */
static inline bool slot_is_at(const struct vring_slot *slots, uint32_t mask, size_t head, size_t first, uint32_t count)
{
    uint16_t position = slots[head].position;

    return (uint16_t)(position - first) < count && slots[position & mask].order == head;
}

/*
 * The descriptors of the buffer at head come free, behind those that *link is the end of: a number that is to say where the list
 * goes on, and says so then. Returns how many, and *link is their end.
 */
static inline uint32_t slots_append(struct vring_slot *slots, size_t head, uint16_t **link)
{
    uint32_t count = slots[head].count;

    **link = (uint16_t)head;
    *link = &slots[slots[head].last].next;
    slots[head].count = 0;
    slots[head].position = 0; /* one store, with its neighbour */
    return count;
}

/*
 * Put the descriptors of the buffer at head back in front of the free list that starts at free_head: it starts at head
 * then. Returns how many.
 */
static inline uint32_t slots_put_back(struct vring_slot *slots, size_t head, size_t free_head)
{
    uint16_t first, *link = &first;
    uint32_t count = slots_append(slots, head, &link);

    *link = (uint16_t)free_head;
    return count;
}

/* The same; free_head and free_count are the caller's. */
static inline void slots_release(struct vring_slot *slots, uint16_t head, uint16_t *free_head, uint16_t *free_count)
{
    *free_count = (uint16_t)(*free_count + slots_put_back(slots, head, *free_head));
    *free_head = head;
}

/* No buffer has this slot any longer: the free list that started at free_head starts here. */
static inline void slots_return(struct vring_slot *slots, size_t id, size_t free_head)
{
    slots[id].count = 0;
    slots[id].next = (uint16_t)free_head;
}

/* The head in flight that was added longest before next; size if there is none. */
static inline uint32_t slots_oldest(const struct vring_slot *slots, uint32_t size, uint16_t next)
{
    uint32_t oldest = size;

    for (uint32_t i = 0; i < size; i++)
        if (slots[i].count != 0 &&
            (oldest == size || (uint16_t)(next - slots[i].position) > (uint16_t)(next - slots[oldest].position)))
            oldest = i;
    return oldest;
}

#endif
