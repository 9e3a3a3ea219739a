/* SPDX-License-Identifier: MIT */
/* The verbs of the driver, called as the bytes say, and what must come of each. */
#include <string.h>

#include "ring_model.h"
#include "ring_steps.h"

/* A free token with pieces that lie in regions, or TOKENS. */
static unsigned draw_buffer(struct input *input, struct buffer *buffer)
{
    unsigned token = 0;

    while (token < TOKENS && world.buffers[token].live)
        token++;
    memset(buffer, 0, sizeof *buffer);
    buffer->n_readable = (uint16_t)take_below(input, ENTRIES);
    buffer->n_writable = (uint16_t)take_below(input, (unsigned)ENTRIES + 1 - buffer->n_readable);
    for (unsigned i = 0; i < (unsigned)buffer->n_readable + buffer->n_writable; i++) {
        bool readable = i < buffer->n_readable;
        unsigned room = readable && take_below(input, 8) == 0 ? READ_ONLY_SIZE : FIRST + SECOND;
        unsigned offset = take_below(input, room);

        buffer->segments[i].addr = (room == READ_ONLY_SIZE ? READ_ONLY : GUEST) + offset;
        buffer->segments[i].len = 1 + take_below(input, room - offset);
        buffer->writable += readable ? 0 : buffer->segments[i].len;
    }
    return token;
}

/* Memory for the table of the buffer with this token. */
static struct vring_table table_of(unsigned token)
{
    size_t at = 16 * (size_t)ENTRIES * token;

    return (struct vring_table){blocks[GUEST_TABLES].at + at, TABLES + at, ENTRIES};
}

void driver_add(struct input *input, bool indirect)
{
    struct buffer buffer;
    unsigned token = draw_buffer(input, &buffer);

    if (token == TOKENS)
        return;

    struct vring_table table = table_of(token);
    int answer = driver_answered(indirect ? vring_driver_add_indirect(&world.driver, &table, buffer.segments,
                                                                      buffer.n_readable, buffer.n_writable, token)
                                          : vring_driver_add_avail(&world.driver, buffer.segments, buffer.n_readable,
                                                                   buffer.n_writable, token));

    if (world.driver_broke)
        return;
    PROMISE(answer == model_adding(&buffer, indirect));
    if (answer == 0)
        note_added(token, &buffer, (uint16_t)(indirect ? 1 : buffer.n_readable + buffer.n_writable));
}

/* Several buffers were offered in one call, each with a table or none: so many were staged, and that was the answer. */
static void were_added(const unsigned *tokens, const struct buffer *buffers, const bool *indirect, unsigned count,
                       unsigned n, int answer)
{
    for (unsigned i = 0; i < count; i++) {
        int expected = model_adding(&buffers[i], indirect[i]);

        if (expected != 0) {
            PROMISE(i == n && answer == (expected == VRING_E_FULL && n > 0 ? 0 : expected));
            return;
        }
        note_added(tokens[i], &buffers[i], (uint16_t)(indirect[i] ? 1 : buffers[i].n_readable + buffers[i].n_writable));
    }
    PROMISE(answer == 0 && n == count);
}

void driver_add_batch(struct input *input)
{
    struct buffer drawn[3];
    struct vring_avail_buffer batch[3];
    struct vring_table tables[3];
    bool indirect[3];
    unsigned tokens[3], count = 0;
    uint32_t n = 0;

    for (unsigned token = 0; token < TOKENS && count < 3; token++) {
        struct buffer *buffer = &drawn[count];

        if (world.buffers[token].live)
            continue;
        (void)draw_buffer(input, buffer);
        tables[count] = table_of(token);
        indirect[count] = take_below(input, 2);
        batch[count] = (struct vring_avail_buffer){buffer->segments, token, buffer->n_readable, buffer->n_writable,
                                                   indirect[count] ? &tables[count] : NULL};
        tokens[count++] = token;
    }

    int answer = driver_answered(vring_driver_add_avail_batch(&world.driver, batch, count, &n));

    if (!world.driver_broke)
        were_added(tokens, drawn, indirect, count, n, answer);
}

/* Tokens count up from the first: as many as are free in a row. Now and then a piece is none. */
void driver_add_run(struct input *input)
{
    struct buffer drawn[TOKENS];
    struct vring_segment segments[TOKENS];
    unsigned tokens[TOKENS], count = 0, first = take_below(input, TOKENS), most = take_below(input, TOKENS + 1);
    bool indirect[TOKENS] = {false}, writable = take_below(input, 2);
    uint32_t n = 99;

    for (; count < most && first + count < TOKENS && !world.buffers[first + count].live; count++) {
        unsigned offset = take_below(input, FIRST + SECOND), len = 1 + take_below(input, FIRST + SECOND - offset);

        segments[count] = (struct vring_segment){GUEST + offset, take_below(input, 16) == 15 ? 0 : len};
        drawn[count] = (struct buffer){.segments = {segments[count]}, .n_readable = !writable, .n_writable = writable,
                                       .writable = writable ? len : 0};
        tokens[count] = first + count;
    }

    int answer = driver_answered(vring_driver_add_avail_run(&world.driver, segments, count, writable, first, &n));

    if (!world.driver_broke)
        were_added(tokens, drawn, indirect, count, n, answer);
}

void driver_abort(void)
{
    uint64_t token = 99;
    int answer = driver_answered(vring_driver_abort(&world.driver, &token));

    if (world.driver_broke)
        return;
    PROMISE(answer == (world.staged.n > 0 ? 0 : VRING_E_STATE));
    if (answer == 0) {
        PROMISE(token == world.staged.of[--world.staged.n]);
        PROMISE(token == world.added.of[--world.added.n]);
        world.buffers[token].live = false;
    }
}

void driver_publish(void)
{
    int answer = driver_answered(vring_driver_publish(&world.driver));

    if (world.driver_broke)
        return;
    for (unsigned i = 0; i < world.staged.n; i++)
        world.buffers[world.staged.of[i]].published = true;
    note_published(answer, &world.staged, &world.avail, &world.device_sleeps);
}

static void came_back(const struct vring_used_buffer *used)
{
    PROMISE(used->token < TOKENS);

    struct buffer *buffer = &world.buffers[used->token];
    unsigned age = 0;

    PROMISE(buffer->live && buffer->published);
    while (world.added.of[age] != used->token)
        age++;
    PROMISE(age == 0 || !world.in_order);
    line_get_at(&world.added, age);
    PROMISE(world.driver_config.used_len == VRING_USED_LEN_TRUST || used->len <= buffer->writable);
    if (honest) {
        PROMISE(used->token == line_get(&world.used));
        PROMISE(used->len == buffer->used_len);
    }
    buffer->live = false;
}

void driver_get_used(struct input *input, bool batch)
{
    struct vring_used_buffer used[TOKENS];
    uint32_t n = 0, capacity = batch ? take_below(input, TOKENS + 1) : 1;
    unsigned waiting = world.used.n;
    int answer = driver_answered(batch ? vring_driver_get_used_batch(&world.driver, used, capacity, &n)
                                       : vring_driver_get_used(&world.driver, used));

    if (!batch)
        n = answer == 0;
    PROMISE(n <= capacity);
    for (uint32_t i = 0; i < n; i++)
        came_back(&used[i]);
    if (!honest || world.driver_broke)
        return;
    PROMISE(n == (waiting < capacity ? waiting : capacity));
    PROMISE(answer == (n > 0 ? 0 : capacity > 0 ? VRING_E_EMPTY : VRING_E_ROOM));
}

/* Of a run the last is told; those before it are the oldest, and were used in full. */
void driver_get_used_run(struct input *input)
{
    const struct vring_used_buffer untouched = {.token = 99, .len = 99};
    struct vring_used_buffer last = untouched;
    uint32_t n = 99, capacity = take_below(input, TOKENS + 1);
    unsigned waiting = world.used.n;
    int answer = driver_answered(vring_driver_get_used_run(&world.driver, &last, capacity, &n));

    PROMISE(n <= capacity && (n > 0) == (answer == 0));
    PROMISE(answer == 0 || (last.token == untouched.token && last.len == untouched.len));
    for (uint32_t i = 1; i < n; i++) {
        unsigned token = world.added.of[0];

        PROMISE(world.added.n > 0);
        came_back(&(struct vring_used_buffer){.token = token, .len = world.buffers[token].writable});
    }
    if (n > 0)
        came_back(&last);
    if (!honest || world.driver_broke)
        return;
    if (!world.in_order || capacity == 0 || waiting == 0)
        PROMISE(answer == (!world.in_order ? VRING_E_FEATURE : capacity == 0 ? VRING_E_ROOM : VRING_E_EMPTY));
    else
        PROMISE(answer == 0 && n <= waiting);
}

void driver_notifications(unsigned how)
{
    int answer = driver_answered(how == 0   ? vring_driver_enable_notify(&world.driver)
                                 : how == 1 ? vring_driver_enable_notify_delayed(&world.driver)
                                            : vring_driver_disable_notify(&world.driver));

    if (world.driver_broke)
        return;
    PROMISE(answer == 0 || (answer == 1 && how < 2));
    if (how == 0) {
        PROMISE(!honest || answer == (world.used.n > 0));
        world.driver_sleeps = answer == 0;
    }
}

void driver_successor(struct input *input)
{
    unsigned char state[1024];
    struct vring_driver successor;
    struct vring_driver_config config = world.driver_config;
    int bytes = driver_answered(vring_driver_save(&world.driver, state, sizeof state));

    if (world.driver_broke)
        return;
    PROMISE(bytes > 0 || (bytes == VRING_E_STATE && world.staged.n > 0));
    if (bytes <= 0)
        return;
    config.slots = world.slots[world.driver_config.slots == world.slots[0]];
    memset(&successor, 0, sizeof successor);

    bool damaged = damage(input, state, bytes);
    int answer = vring_driver_restore(&successor, &config, state, (size_t)bytes);

    if (!goes_on(answer, damaged))
        return;
    PROMISE(!honest || answer == (world.used.n > 0));
    world.driver = successor;
    world.driver_config = config;
    world.driver_sleeps = answer == 0;
}
