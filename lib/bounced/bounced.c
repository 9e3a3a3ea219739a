/* SPDX-License-Identifier: MIT */
#include <bounced/bounced.h>

#define NONE UINT32_MAX

static int tables_check(const struct bounced_driver_config *config)
{
    uint64_t bytes = (uint64_t)config->table_entries * 16 * config->ring.size;

    if (!config->tables || bytes == 0)
        return 0;
    if ((uintptr_t)config->tables % 16 != 0)
        return VRING_E_ALIGN;
    if (bytes - 1 > UINT64_MAX - config->tables_addr || bytes - 1 > UINTPTR_MAX - (uintptr_t)config->tables)
        return VRING_E_ADDR;
    return 0;
}

static int config_check(const struct bounced_driver_config *config)
{
    if (!config->pool || !config->buffers || !config->pieces || !config->segments)
        return VRING_E_NULL;
    if (config->buffer_count < config->ring.size || config->piece_count == 0 || config->piece_count == NONE ||
        config->segment_count == 0)
        return VRING_E_SIZE;
    if (config->ring.used_len == VRING_USED_LEN_TRUST)
        return VRING_E_FEATURE;
    return tables_check(config);
}

const char *bounced_error_text(int error)
{
    return error <= BOUNCE_E_FULL ? bounce_error_text(error) : vring_error_text(error);
}

int bounced_driver_init(struct bounced_driver *d, const struct bounced_driver_config *config)
{
    static const struct bounce_request plain = {0};

    if (!d || !config)
        return VRING_E_NULL;

    int error = config_check(config);

    if (!error)
        error = vring_driver_init(&d->queue, &config->ring);
    if (error)
        return error;

    d->pool = config->pool;
    d->buffers = config->buffers;
    d->pieces = config->pieces;
    d->segments = config->segments;
    /* More pieces than there are never fit: they are not to be waited for. */
    d->segment_count = config->segment_count < config->piece_count ? config->segment_count : config->piece_count;
    d->request = plain;
    d->request.alloc_align_mask = config->alloc_align_mask;
    d->request.min_align_mask = config->min_align_mask;
    d->request.boundary_mask = config->boundary_mask;
    d->request.area = config->area;
    d->request.owner = config->owner;
    d->tables = (config->ring.features & VRING_F_INDIRECT_DESC) ? (unsigned char *)config->tables : NULL;
    d->tables_addr = config->tables_addr;
    d->table_entries = config->table_entries;
    for (uint32_t i = 0; i < config->ring.size; i++)
        d->buffers[i].next = i + 1 < config->ring.size ? i + 1 : NONE;
    for (uint32_t i = 0; i < config->piece_count; i++)
        d->pieces[i].next = i + 1 < config->piece_count ? i + 1 : NONE;
    d->free_buffer = 0;
    d->free_piece = 0;
    d->free_pieces = config->piece_count;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- pieces --- */

/* Map one piece and put it behind *last, which is the link to write. */
static int map_piece(struct bounced_driver *d, const struct bounced_segment *segment, bool writable, uint32_t *link,
                     struct vring_segment *offered)
{
    struct bounce_mapping mapping;
    uint32_t i = d->free_piece;

    d->request.orig = segment->data;
    d->request.orig_addr = (uintptr_t)segment->data;
    d->request.size = segment->len;
    d->request.direction = writable ? BOUNCE_FROM_DEVICE : BOUNCE_TO_DEVICE;

    int error = bounce_map(d->pool, &d->request, &mapping);

    if (error)
        return error;
    d->free_piece = d->pieces[i].next;
    d->free_pieces--;
    d->pieces[i].handle = mapping.handle;
    d->pieces[i].len = segment->len;
    d->pieces[i].writable = writable;
    d->pieces[i].next = NONE;
    *link = i;
    offered->addr = mapping.addr;
    offered->len = segment->len;
    return 0;
}

/*
 * Unmap the pieces of a buffer, copying back the first written bytes of the writable ones. Goes on to the last whatever
 * happens: what stays mapped would be lost. Returns the first error.
 */
static int unmap_pieces(struct bounced_driver *d, uint32_t first, uint64_t written)
{
    int error = 0;

    for (uint32_t i = first; i != NONE;) {
        struct bounced_piece *piece = &d->pieces[i];
        uint32_t next = piece->next, share = 0;

        if (piece->writable)
            share = written < piece->len ? (uint32_t)written : piece->len;
        written -= share;

        int answer = bounce_unmap(d->pool, piece->handle, piece->writable ? BOUNCE_FROM_DEVICE : BOUNCE_TO_DEVICE, share);

        error = error ? error : answer;
        piece->next = d->free_piece;
        d->free_piece = i;
        d->free_pieces++;
        i = next;
    }
    return error;
}

static void free_buffer(struct bounced_driver *d, uint32_t i)
{
    d->buffers[i].next = d->free_buffer;
    d->free_buffer = i;
}

/* ---------------------------------------------------------------------------------------------------- the verbs --- */

/* Does a list go into the buffer's table: there is one, it may be used, and the list fits? */
static bool goes_into_table(const struct bounced_driver *d, uint32_t count, bool direct)
{
    return !direct && d->tables && count >= 2 && count <= d->table_entries;
}

/* Offer d->segments, by the buffer's table or by descriptors of the ring. */
static int offer(struct bounced_driver *d, uint32_t buffer, uint16_t n_readable, uint16_t n_writable, bool direct)
{
    size_t offset = (size_t)buffer * d->table_entries * 16;

    if (!goes_into_table(d, (uint32_t)n_readable + n_writable, direct))
        return vring_driver_add_avail(&d->queue, d->segments, n_readable, n_writable, buffer);

    struct vring_table table = {d->tables + offset, d->tables_addr + offset, d->table_entries};

    return vring_driver_add_indirect(&d->queue, &table, d->segments, n_readable, n_writable, buffer);
}

static int add(struct bounced_driver *d, const struct bounced_segment *segments, uint16_t n_readable,
               uint16_t n_writable, uint64_t token, bool direct)
{
    uint32_t count = (uint32_t)n_readable + n_writable;

    if (!d || (!segments && count > 0))
        return VRING_E_NULL;
    if (count == 0 || count > d->segment_count)
        return VRING_E_CHAIN;
    if (count > d->free_pieces || d->free_buffer == NONE)
        return VRING_E_FULL;

    uint32_t buffer = d->free_buffer, first = NONE, *link = &first;
    int error = 0;

    /* A ring without room says so, or what else is wrong with it or the list, before anything is copied in vain. */
    for (uint32_t i = 0; i < count; i++)
        d->segments[i] = (struct vring_segment){0, segments[i].len};
    if ((goes_into_table(d, count, direct) ? 1 : count) > vring_driver_free(&d->queue))
        return offer(d, buffer, n_readable, n_writable, direct);

    for (uint32_t i = 0; i < count && !error; i++) {
        error = segments[i].len == 0 ? VRING_E_LEN : map_piece(d, &segments[i], i >= n_readable, link, &d->segments[i]);
        if (!error)
            link = &d->pieces[*link].next;
    }
    if (!error)
        error = offer(d, buffer, n_readable, n_writable, direct);
    if (error) {
        unmap_pieces(d, first, 0);
        return error;
    }
    d->free_buffer = d->buffers[buffer].next;
    d->buffers[buffer].token = token;
    d->buffers[buffer].first = first;
    return 0;
}

int bounced_driver_add(struct bounced_driver *d, const struct bounced_segment *segments, uint16_t n_readable,
                       uint16_t n_writable, uint64_t token)
{
    return add(d, segments, n_readable, n_writable, token, false);
}

int bounced_driver_add_direct(struct bounced_driver *d, const struct bounced_segment *segments, uint16_t n_readable,
                              uint16_t n_writable, uint64_t token)
{
    return add(d, segments, n_readable, n_writable, token, true);
}

/* The buffer is nobody's any more: unmap it and give its entry back. */
static int finish(struct bounced_driver *d, uint32_t buffer, uint64_t written, uint64_t *token)
{
    int error = unmap_pieces(d, d->buffers[buffer].first, written);

    if (token)
        *token = d->buffers[buffer].token;
    free_buffer(d, buffer);
    return error;
}

int bounced_driver_abort(struct bounced_driver *d, uint64_t *token)
{
    uint64_t buffer;

    if (!d)
        return VRING_E_NULL;

    int error = vring_driver_abort(&d->queue, &buffer);

    return error ? error : finish(d, (uint32_t)buffer, 0, token);
}

int bounced_driver_get_used(struct bounced_driver *d, struct vring_used_buffer *used)
{
    struct vring_used_buffer offered;

    if (!d || !used)
        return VRING_E_NULL;

    int error = vring_driver_get_used(&d->queue, &offered);

    if (error)
        return error;
    used->len = offered.len;
    return finish(d, (uint32_t)offered.token, offered.len, &used->token);
}

void bounced_driver_reset(struct bounced_driver *d)
{
    if (d)
        vring_driver_reset(&d->queue);
}

int bounced_driver_take_unused(struct bounced_driver *d, uint64_t *token)
{
    uint64_t buffer;

    if (!d || !token)
        return VRING_E_NULL;

    int error = vring_driver_take_unused(&d->queue, &buffer);

    return error ? error : finish(d, (uint32_t)buffer, 0, token);
}
