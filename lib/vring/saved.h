/* SPDX-License-Identifier: MIT */
/*
 * A queue's private state as bytes: little-endian, of no CPU and no build. A header, one record per buffer in flight,
 * and a checksum.
 *
 *   0  magic "vring\0"   6  version      8  features   16  size      20  bytes in all
 *  24  kind             26  count       28  next_avail 30  next_used 32  free_head  34  batch  36  batch_len
 */
#ifndef VRING_SAVED_H
#define VRING_SAVED_H

#include <vring/types.h>

enum {
    SAVED_VERSION = 1,
    SAVED_HEADER = 40,
    SAVED_CHECKSUM = 4,
    SAVED_DEVICE = 1, /* kind: bits */
    SAVED_PACKED = 2,
    SAVED_BIG_ENDIAN = 4
};

struct saved_header {
    uint64_t features;
    uint32_t size;
    uint16_t kind;
    uint16_t count;      /* buffers in flight */
    uint16_t next_avail; /* index, or place with the wrap counter in bit 15 */
    uint16_t next_used;
    uint16_t free_head;
    uint16_t batch;
    uint32_t batch_len;
};

/* Where the next bytes go or come from. Never runs past what it was given: see saved_open() and saved_bytes(). */
struct saved_cursor {
    unsigned char *at;
    size_t left;
};

static inline void saved_put(struct saved_cursor *to, unsigned bytes, uint64_t v)
{
    for (unsigned i = 0; i < bytes && to->left > 0; i++, to->left--)
        *to->at++ = (unsigned char)(v >> 8 * i);
}

/* Past the end there are zeros, which no record can be. */
static inline uint64_t saved_get(struct saved_cursor *from, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes && from->left > 0; i++, from->left--)
        v |= (uint64_t)*from->at++ << 8 * i;
    return v;
}

/* CRC-32 as in ISO 3309: for accidents. What it lets through is judged by what it says. */
static inline uint32_t saved_checksum(const unsigned char *at, size_t bytes)
{
    uint32_t crc = UINT32_MAX;

    for (; bytes > 0; bytes--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static inline void saved_put_header(struct saved_cursor *to, const struct saved_header *header)
{
    static const unsigned char magic[6] = {'v', 'r', 'i', 'n', 'g', 0};
    uint32_t bytes = (uint32_t)to->left;

    for (unsigned i = 0; i < sizeof magic; i++)
        saved_put(to, 1, magic[i]);
    saved_put(to, 2, SAVED_VERSION);
    saved_put(to, 8, header->features);
    saved_put(to, 4, header->size);
    saved_put(to, 4, bytes);
    saved_put(to, 2, header->kind);
    saved_put(to, 2, header->count);
    saved_put(to, 2, header->next_avail);
    saved_put(to, 2, header->next_used);
    saved_put(to, 2, header->free_head);
    saved_put(to, 2, header->batch);
    saved_put(to, 4, header->batch_len);
}

/* After the last record: the checksum of everything from start on. */
static inline void saved_close(struct saved_cursor *to, const unsigned char *start)
{
    saved_put(to, 4, saved_checksum(start, (size_t)(to->at - start)));
}

/*
 * Is this a saved state, whole and unchanged, of a queue of this kind with these features and this size? 0, with *from
 * at the first record; VRING_E_SAVED, VRING_E_UNFIT.
 */
static inline int saved_open(struct saved_cursor *from, const void *state, size_t bytes, struct saved_header *header)
{
    static const unsigned char magic[6] = {'v', 'r', 'i', 'n', 'g', 0};
    const struct saved_header expected = *header;
    struct saved_cursor all = {(unsigned char *)state, bytes}, sum;

    if (bytes < SAVED_HEADER + SAVED_CHECKSUM)
        return VRING_E_SAVED;
    for (unsigned i = 0; i < sizeof magic; i++)
        if (saved_get(&all, 1) != magic[i])
            return VRING_E_SAVED;
    if (saved_get(&all, 2) != SAVED_VERSION)
        return VRING_E_SAVED;
    header->features = saved_get(&all, 8);
    header->size = (uint32_t)saved_get(&all, 4);
    if (saved_get(&all, 4) != bytes)
        return VRING_E_SAVED;
    sum.at = (unsigned char *)state + bytes - SAVED_CHECKSUM;
    sum.left = SAVED_CHECKSUM;
    if (saved_get(&sum, 4) != saved_checksum((const unsigned char *)state, bytes - SAVED_CHECKSUM))
        return VRING_E_SAVED;
    header->kind = (uint16_t)saved_get(&all, 2);
    header->count = (uint16_t)saved_get(&all, 2);
    header->next_avail = (uint16_t)saved_get(&all, 2);
    header->next_used = (uint16_t)saved_get(&all, 2);
    header->free_head = (uint16_t)saved_get(&all, 2);
    header->batch = (uint16_t)saved_get(&all, 2);
    header->batch_len = (uint32_t)saved_get(&all, 4);
    from->at = all.at;
    from->left = all.left - SAVED_CHECKSUM;
    if (header->features != expected.features || header->size != expected.size || header->kind != expected.kind)
        return VRING_E_UNFIT;
    return header->count > header->size || header->free_head >= header->size ? VRING_E_SAVED : 0;
}

#endif
