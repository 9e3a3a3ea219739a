/* SPDX-License-Identifier: MIT */
/*
 * A driver and a device on one ring, of either format and any mix of features, that do whatever the bytes say; and a peer
 * of both that writes into shared memory, between two verbs or right before any access of one.
 *
 * While nobody has scribbled, a model knows what each verb must answer: every buffer arrives once, in order, as it was
 * given, and comes back once with the length that the device told; a side that went to sleep is notified. After a
 * scribble nothing is known of the other side, and this must still hold:
 *
 *   - every access lies in the areas, the tables and the guest's memory, which are allocated to the byte;
 *   - a verb makes no more accesses than a small ring can need;
 *   - pieces lie in regions, writable ones not in a read-only one, and add up to what the chain says;
 *   - the driver hands back only tokens that the device was given, each once, with a length that policy allows, and
 *     with IN_ORDER none before those added earlier;
 *   - a handle that has died stays dead;
 *   - no call is blamed on the caller, and a queue that broke stays broken without looking at the ring;
 *   - after reset each token that did not come back is returned once.
 */
#include <vring/vring.h>

#include <string.h>

#include "fuzz.h"
#include "vring/access_hook.h"

enum {
    GUEST = 0x10000, /* two regions side by side, of other memory each, so that buffers span them */
    FIRST = 96,
    SECOND = 64,
    READ_ONLY = 0x20000,
    READ_ONLY_SIZE = 64,
    TABLES = 0x30000,
    ENTRIES = 4, /* of a table */
    SIZE_MAX_HERE = 8,
    TOKENS = SIZE_MAX_HERE,
    PIECES = 3 * ENTRIES,
    ACCESSES_MAX = 40 * SIZE_MAX_HERE * ENTRIES
};

/* ------------------------------------------------------------------------------------------------ shared memory --- */

enum { DESC, DRIVER_AREA, DEVICE_AREA, GUEST_FIRST, GUEST_SECOND, GUEST_READ_ONLY, GUEST_TABLES, BLOCKS };

static struct block {
    unsigned char *at;
    size_t size;
} blocks[BLOCKS];

static const struct block *block_of(const void *at, size_t width)
{
    for (int i = 0; i < BLOCKS; i++)
        if ((uintptr_t)at - (uintptr_t)blocks[i].at < blocks[i].size &&
            blocks[i].size - ((uintptr_t)at - (uintptr_t)blocks[i].at) >= width)
            return &blocks[i];
    return NULL;
}

static bool honest; /* nobody has scribbled yet */
static unsigned accesses; /* of the verb that runs */

/* What the peer will write before which access of the next verb. */
static struct scribble {
    bool armed;
    unsigned before;
    struct block *block;
    size_t offset;
    unsigned width;
    uint32_t value;
} scribbles[4];

static void scribble(struct scribble *what)
{
    for (unsigned i = 0; i < what->width && what->offset + i < what->block->size; i++)
        what->block->at[what->offset + i] = (unsigned char)(what->value >> 8 * i);
    what->armed = false;
    honest = false;
}

static void step(const void *at, size_t width)
{
    for (size_t i = 0; i < sizeof scribbles / sizeof *scribbles; i++)
        if (scribbles[i].armed && scribbles[i].before == accesses)
            scribble(&scribbles[i]);
    accesses++;
    PROMISE(accesses < ACCESSES_MAX);
    PROMISE(!at || block_of(at, width));
}

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    (void)order;
    step(p, width);
    switch (width) {
    case 8:
        return *(const uint64_t *)p;
    case 4:
        return *(const uint32_t *)p;
    case 2:
        return *(const uint16_t *)p;
    default:
        return *(const uint8_t *)p;
    }
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    (void)order;
    step(p, width);
    if (width == 8)
        *(uint64_t *)p = v;
    else if (width == 4)
        *(uint32_t *)p = (uint32_t)v;
    else
        *(uint16_t *)p = (uint16_t)v;
}

void vring_hook_fence(void)
{
    step(NULL, 0);
}

/* -------------------------------------------------------------------------------------------------------- model --- */

struct buffer {
    bool live;      /* the driver has been given it and has not handed it back */
    bool published;
    struct vring_segment segments[ENTRIES];
    uint16_t n_readable, n_writable;
    uint16_t descriptors;
    uint32_t writable; /* bytes */
    uint32_t used_len;
};

/* A buffer that the device holds. */
struct held {
    vring_handle handle;
    uint32_t writable;
    unsigned token; /* while all are honest */
    bool finished;  /* IN_ORDER: used, but not yet its turn */
    bool nameless;  /* taken in a run before its last: there is no handle for it, it is used through a later one */
    bool waiting;   /* after a restart: to be handed out again, the oldest first, before anything new */
    bool again;     /* ... and has been */
};

struct line {
    unsigned of[4 * TOKENS];
    unsigned n;
};

static struct {
    struct vring_driver driver;
    struct vring_device device;
    struct vring_driver_config driver_config;
    struct vring_device_config device_config;
    struct vring_region regions[4];
    struct vring_slot *slots[2]; /* a successor needs its own, in case it cannot be set up */
    struct vring_head *heads[2];
    bool in_order;
    int driver_broke, device_broke;
    bool driver_sleeps, device_sleeps;
    struct buffer buffers[TOKENS];
    struct held held[TOKENS];
    unsigned n_held;
    bool restored; /* the device was: which buffer it took last is then not ours to know */
    struct line staged, avail, done, used;
    struct line added;      /* all that live, the oldest first */
    vring_handle dead[16];  /* of those that died some of the last */
    unsigned n_dead;
} w;

static void put(struct line *line, unsigned token)
{
    PROMISE(line->n < sizeof line->of / sizeof *line->of);
    line->of[line->n++] = token;
}

static void put_first(struct line *line, unsigned token)
{
    put(line, token);
    memmove(&line->of[1], &line->of[0], (line->n - 1) * sizeof *line->of);
    line->of[0] = token;
}

static unsigned get_at(struct line *line, unsigned i)
{
    unsigned token = line->of[i];

    PROMISE(line->n > i);
    memmove(&line->of[i], &line->of[i + 1], (--line->n - i) * sizeof *line->of);
    return token;
}

static unsigned get(struct line *line)
{
    return get_at(line, 0);
}

/* Once somebody has scribbled nobody asks where a token is, and a line that only grows would overflow. */
static void move_all(struct line *from, struct line *to)
{
    while (from->n > 0) {
        unsigned token = get(from);

        if (honest)
            put(to, token);
    }
}

static unsigned model_free(void)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < TOKENS; i++)
        taken += w.buffers[i].live ? w.buffers[i].descriptors : 0;
    return w.driver_config.size - taken;
}

/* What every answer has in common. broke is the side's. */
static int answered(int answer, int *broke)
{
    for (size_t i = 0; i < sizeof scribbles / sizeof *scribbles; i++)
        scribbles[i].armed = false;
    if (*broke) {
        PROMISE(answer == *broke);
        PROMISE(accesses == 0);
    }
    if (vring_error_blame(answer) == VRING_BLAME_PEER) {
        PROMISE(!honest);
        *broke = answer;
    }
    accesses = 0;
    return answer;
}

static int driver_answered(int answer)
{
    w.driver_sleeps = false;
    return answered(answer, &w.driver_broke);
}

static int device_answered(int answer)
{
    w.device_sleeps = false;
    return answered(answer, &w.device_broke);
}

/* -------------------------------------------------------------------------------------------------- driver side --- */

/* A free token with pieces that lie in regions, or TOKENS. */
static unsigned draw_buffer(struct input *input, struct buffer *buffer)
{
    unsigned token = 0;

    while (token < TOKENS && w.buffers[token].live)
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

static void note_added(unsigned token, const struct buffer *buffer, uint16_t descriptors)
{
    w.buffers[token] = *buffer;
    w.buffers[token].live = true;
    w.buffers[token].descriptors = descriptors;
    put(&w.staged, token);
    put(&w.added, token);
}

/* What the driver has to answer to this buffer. */
static int adding(const struct buffer *buffer, bool indirect)
{
    unsigned count = (unsigned)buffer->n_readable + buffer->n_writable;
    unsigned most = w.driver_config.max_chain ? w.driver_config.max_chain : w.driver_config.size;

    if (indirect && !(w.driver_config.features & VRING_F_INDIRECT_DESC))
        return VRING_E_FEATURE;
    if (count == 0 || count > most || (!indirect && count > w.driver_config.size))
        return VRING_E_CHAIN;
    for (unsigned i = 0; i < count; i++)
        if (buffer->segments[i].len == 0)
            return VRING_E_LEN;
    return model_free() < (indirect ? 1 : count) ? VRING_E_FULL : 0;
}

/* Memory for the table of the buffer with this token. */
static struct vring_table table_of(unsigned token)
{
    size_t at = 16 * (size_t)ENTRIES * token;

    return (struct vring_table){blocks[GUEST_TABLES].at + at, TABLES + at, ENTRIES};
}

static void add(struct input *input, bool indirect)
{
    struct buffer buffer;
    unsigned token = draw_buffer(input, &buffer);

    if (token == TOKENS)
        return;

    struct vring_table table = table_of(token);
    int answer = driver_answered(indirect ? vring_driver_add_indirect(&w.driver, &table, buffer.segments,
                                                                      buffer.n_readable, buffer.n_writable, token)
                                          : vring_driver_add_avail(&w.driver, buffer.segments, buffer.n_readable,
                                                                   buffer.n_writable, token));

    if (w.driver_broke)
        return;
    PROMISE(answer == adding(&buffer, indirect));
    if (answer == 0)
        note_added(token, &buffer, (uint16_t)(indirect ? 1 : buffer.n_readable + buffer.n_writable));
}

/* Several buffers were offered in one call, each with a table or none: so many were staged, and that was the answer. */
static void were_added(const unsigned *tokens, const struct buffer *buffers, const bool *indirect, unsigned count,
                       unsigned n, int answer)
{
    for (unsigned i = 0; i < count; i++) {
        int expected = adding(&buffers[i], indirect[i]);

        if (expected != 0) {
            PROMISE(i == n && answer == (expected == VRING_E_FULL && n > 0 ? 0 : expected));
            return;
        }
        note_added(tokens[i], &buffers[i], (uint16_t)(indirect[i] ? 1 : buffers[i].n_readable + buffers[i].n_writable));
    }
    PROMISE(answer == 0 && n == count);
}

static void add_batch(struct input *input)
{
    struct buffer drawn[3];
    struct vring_avail_buffer batch[3];
    struct vring_table tables[3];
    bool indirect[3];
    unsigned tokens[3], count = 0;
    uint32_t n = 0;

    for (unsigned token = 0; token < TOKENS && count < 3; token++) {
        struct buffer *buffer = &drawn[count];

        if (w.buffers[token].live)
            continue;
        (void)draw_buffer(input, buffer);
        tables[count] = table_of(token);
        indirect[count] = take_below(input, 2);
        batch[count] = (struct vring_avail_buffer){buffer->segments, token, buffer->n_readable, buffer->n_writable,
                                                   indirect[count] ? &tables[count] : NULL};
        tokens[count++] = token;
    }

    int answer = driver_answered(vring_driver_add_avail_batch(&w.driver, batch, count, &n));

    if (!w.driver_broke)
        were_added(tokens, drawn, indirect, count, n, answer);
}

/* Tokens count up from the first: as many as are free in a row. Now and then a piece is none. */
static void add_run(struct input *input)
{
    struct buffer drawn[TOKENS];
    struct vring_segment segments[TOKENS];
    unsigned tokens[TOKENS], count = 0, first = take_below(input, TOKENS), most = take_below(input, TOKENS + 1);
    bool indirect[TOKENS] = {false}, writable = take_below(input, 2);
    uint32_t n = 99;

    for (; count < most && first + count < TOKENS && !w.buffers[first + count].live; count++) {
        unsigned offset = take_below(input, FIRST + SECOND), len = 1 + take_below(input, FIRST + SECOND - offset);

        segments[count] = (struct vring_segment){GUEST + offset, take_below(input, 16) == 15 ? 0 : len};
        drawn[count] = (struct buffer){.segments = {segments[count]}, .n_readable = !writable, .n_writable = writable,
                                       .writable = writable ? len : 0};
        tokens[count] = first + count;
    }

    int answer = driver_answered(vring_driver_add_avail_run(&w.driver, segments, count, writable, first, &n));

    if (!w.driver_broke)
        were_added(tokens, drawn, indirect, count, n, answer);
}

static void abort_last(void)
{
    uint64_t token = 99;
    int answer = driver_answered(vring_driver_abort(&w.driver, &token));

    if (w.driver_broke)
        return;
    PROMISE(answer == (w.staged.n > 0 ? 0 : VRING_E_STATE));
    if (answer == 0) {
        PROMISE(token == w.staged.of[--w.staged.n]);
        PROMISE(token == w.added.of[--w.added.n]);
        w.buffers[token].live = false;
    }
}

static void driver_publish(void)
{
    unsigned n = w.staged.n;
    bool sleeps = w.device_sleeps;
    int answer = driver_answered(vring_driver_publish(&w.driver));

    if (w.driver_broke)
        return;
    PROMISE(answer == 0 || answer == 1);
    for (unsigned i = 0; i < n; i++)
        w.buffers[w.staged.of[i]].published = true;
    move_all(&w.staged, &w.avail);
    PROMISE(!honest || !sleeps || n == 0 || answer == 1);
    w.device_sleeps = sleeps && n == 0;
}

static void came_back(const struct vring_used_buffer *used)
{
    PROMISE(used->token < TOKENS);

    struct buffer *buffer = &w.buffers[used->token];
    unsigned age = 0;

    PROMISE(buffer->live && buffer->published);
    while (w.added.of[age] != used->token)
        age++;
    PROMISE(age == 0 || !w.in_order);
    get_at(&w.added, age);
    PROMISE(w.driver_config.used_len == VRING_USED_LEN_TRUST || used->len <= buffer->writable);
    if (honest) {
        PROMISE(used->token == get(&w.used));
        PROMISE(used->len == buffer->used_len);
    }
    buffer->live = false;
}

static void get_used(struct input *input, bool batch)
{
    struct vring_used_buffer used[TOKENS];
    uint32_t n = 0, capacity = batch ? take_below(input, TOKENS + 1) : 1;
    unsigned waiting = w.used.n;
    int answer = driver_answered(batch ? vring_driver_get_used_batch(&w.driver, used, capacity, &n)
                                       : vring_driver_get_used(&w.driver, used));

    if (!batch)
        n = answer == 0;
    PROMISE(n <= capacity);
    for (uint32_t i = 0; i < n; i++)
        came_back(&used[i]);
    if (!honest || w.driver_broke)
        return;
    PROMISE(n == (waiting < capacity ? waiting : capacity));
    PROMISE(answer == (n > 0 ? 0 : capacity > 0 ? VRING_E_EMPTY : VRING_E_ROOM));
}

/* Of a run the last is told; those before it are the oldest, and were used in full. */
static void get_used_run(struct input *input)
{
    const struct vring_used_buffer untouched = {.token = 99, .len = 99};
    struct vring_used_buffer last = untouched;
    uint32_t n = 99, capacity = take_below(input, TOKENS + 1);
    unsigned waiting = w.used.n;
    int answer = driver_answered(vring_driver_get_used_run(&w.driver, &last, capacity, &n));

    PROMISE(n <= capacity && (n > 0) == (answer == 0));
    PROMISE(answer == 0 || (last.token == untouched.token && last.len == untouched.len));
    for (uint32_t i = 1; i < n; i++) {
        unsigned token = w.added.of[0];

        PROMISE(w.added.n > 0);
        came_back(&(struct vring_used_buffer){.token = token, .len = w.buffers[token].writable});
    }
    if (n > 0)
        came_back(&last);
    if (!honest || w.driver_broke)
        return;
    if (!w.in_order || capacity == 0 || waiting == 0)
        PROMISE(answer == (!w.in_order ? VRING_E_FEATURE : capacity == 0 ? VRING_E_ROOM : VRING_E_EMPTY));
    else
        PROMISE(answer == 0 && n <= waiting);
}

static void driver_notifications(unsigned how)
{
    int answer = driver_answered(how == 0   ? vring_driver_enable_notify(&w.driver)
                                 : how == 1 ? vring_driver_enable_notify_delayed(&w.driver)
                                            : vring_driver_disable_notify(&w.driver));

    if (w.driver_broke)
        return;
    PROMISE(answer == 0 || (answer == 1 && how < 2));
    if (how == 0) {
        PROMISE(!honest || answer == (w.used.n > 0));
        w.driver_sleeps = answer == 0;
    }
}

/* Was one byte of a saved state changed? Then it is none. */
static bool damage(struct input *input, unsigned char *state, int bytes)
{
    if (take_below(input, 4) > 0)
        return false;
    state[(unsigned)(take(input) << 8 | take(input)) % (unsigned)bytes] ^= (unsigned char)(1 + take_below(input, 255));
    return true;
}

static void driver_successor(struct input *input)
{
    unsigned char state[1024];
    struct vring_driver successor;
    struct vring_driver_config config = w.driver_config;
    int bytes = driver_answered(vring_driver_save(&w.driver, state, sizeof state));

    if (w.driver_broke)
        return;
    PROMISE(bytes > 0 || (bytes == VRING_E_STATE && w.staged.n > 0));
    if (bytes <= 0)
        return;
    config.slots = w.slots[w.driver_config.slots == w.slots[0]];
    memset(&successor, 0, sizeof successor);

    bool damaged = damage(input, state, bytes);
    int answer = vring_driver_restore(&successor, &config, state, (size_t)bytes);

    accesses = 0;
    PROMISE(!damaged || answer == VRING_E_SAVED);
    if (damaged)
        return;
    PROMISE(!honest || answer == (w.used.n > 0));
    if (answer < 0) {
        PROMISE(answer == VRING_E_UNFIT || vring_error_blame(answer) == VRING_BLAME_PEER);
        return;
    }
    w.driver = successor;
    w.driver_config = config;
    w.driver_sleeps = answer == 0;
}

/* -------------------------------------------------------------------------------------------------- device side --- */

/* Where the device must see the byte at addr. */
static const unsigned char *seen_at(uint64_t addr)
{
    return addr >= READ_ONLY       ? blocks[GUEST_READ_ONLY].at + (addr - READ_ONLY)
           : addr >= GUEST + FIRST ? blocks[GUEST_SECOND].at + (addr - GUEST - FIRST)
                                   : blocks[GUEST_FIRST].at + (addr - GUEST);
}

/* Does the device have a handle of held[i] that lives? */
static bool is_ours(unsigned i)
{
    return !w.held[i].finished && !w.held[i].waiting && !w.held[i].nameless;
}

static unsigned waiting(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w.n_held; i++)
        n += w.held[i].waiting;
    return n;
}

static struct held *oldest_waiting(void)
{
    struct held *held = w.held;

    while (!held->waiting)
        held++;
    return held;
}

/* Are these pieces the bytes of that buffer, in order? */
static void judge_pieces(const struct vring_iov *iov, const struct vring_chain *chain, const struct buffer *buffer)
{
    uint32_t piece = 0;
    size_t at = 0;

    for (unsigned i = 0; i < (unsigned)buffer->n_readable + buffer->n_writable; i++)
        for (uint32_t byte = 0; byte < buffer->segments[i].len; byte++) {
            PROMISE(piece < chain->n_readable + chain->n_writable);
            PROMISE((piece < chain->n_readable) == (i < buffer->n_readable));
            PROMISE((const unsigned char *)iov[piece].base + at == seen_at(buffer->segments[i].addr + byte));
            if (++at == iov[piece].len) {
                piece++;
                at = 0;
            }
        }
    PROMISE(piece == chain->n_readable + chain->n_writable && at == 0);
    PROMISE(chain->writable == buffer->writable);
}

static struct held *was_taken(const struct vring_iov *iov, const struct vring_chain *chain, int answer)
{
    uint64_t bytes[2] = {0, 0};

    for (uint32_t i = 0; i < chain->n_readable + chain->n_writable; i++) {
        const struct block *block = block_of(iov[i].base, iov[i].len);

        PROMISE(iov[i].len > 0 && block && block >= &blocks[GUEST_FIRST]);
        PROMISE(i < chain->n_readable || block != &blocks[GUEST_READ_ONLY]);
        bytes[i >= chain->n_readable] += iov[i].len;
    }
    PROMISE(bytes[0] == chain->readable && bytes[1] == chain->writable);
    PROMISE(answer == 0 || (!honest && bytes[0] + bytes[1] == 0));
    PROMISE(w.n_held < w.driver_config.size || waiting() > 0);
    for (unsigned i = 0; i < w.n_held; i++)
        PROMISE(!is_ours(i) || w.held[i].handle != chain->handle);

    bool again = waiting() > 0;
    struct held *held = again ? oldest_waiting() : &w.held[w.n_held++];
    unsigned token = again ? held->token : honest ? get(&w.avail) : 0;

    *held = (struct held){.handle = chain->handle, .writable = (uint32_t)chain->writable, .token = token,
                          .again = again};
    if (honest)
        judge_pieces(iov, chain, &w.buffers[token]);
    return held;
}

static void get_avail(struct input *input, bool peek)
{
    struct vring_iov iov[PIECES];
    struct vring_chain chain;
    uint32_t room = take_below(input, 4) ? PIECES : take_below(input, PIECES);
    int answer = device_answered(peek ? vring_device_peek(&w.device, iov, room, &chain)
                                      : vring_device_get_avail(&w.device, iov, room, &chain));

    if (w.device_broke)
        return;
    if (answer == VRING_E_ROOM)
        PROMISE(chain.n_readable + chain.n_writable > room);
    else
        PROMISE(answer == 0 || answer == VRING_E_EMPTY || vring_error_blame(answer) == VRING_BLAME_CHAIN);
    PROMISE(!honest || (answer == VRING_E_EMPTY) == (w.avail.n + waiting() == 0));
    if (!peek && answer != VRING_E_EMPTY && answer != VRING_E_ROOM)
        (void)was_taken(iov, &chain, answer);
}

static void get_avail_batch(struct input *input)
{
    struct vring_iov iov[3 * PIECES];
    struct vring_chain chains[3];
    uint32_t capacity = take_below(input, 4), n = 0, first = 0;
    unsigned offered = w.avail.n + waiting();
    int answer = device_answered(vring_device_get_avail_batch(&w.device, iov, 3 * PIECES, chains, capacity, &n));

    PROMISE(n <= capacity);
    for (uint32_t i = 0; i < n; i++) {
        bool refused = i + 1 == n && vring_error_blame(answer) == VRING_BLAME_CHAIN;

        (void)was_taken(&iov[first], &chains[i], refused ? answer : 0);
        first += chains[i].n_readable + chains[i].n_writable;
    }
    PROMISE(!honest || n == (offered < capacity ? offered : capacity));
    PROMISE(!honest || answer == (n > 0 ? 0 : capacity > 0 ? VRING_E_EMPTY : VRING_E_ROOM));
}

/* A run of several is of one piece each, for what the piece of the last is for. */
static void get_avail_run(struct input *input)
{
    struct vring_iov iov[PIECES];
    struct vring_chain chain;
    uint32_t room = take_below(input, 4) ? PIECES : take_below(input, PIECES), n = 99;
    unsigned offered = w.avail.n + waiting();
    int answer = device_answered(vring_device_get_avail_run(&w.device, iov, room, &chain, &n));

    PROMISE(n == 0 || n <= (room > 1 ? room : 1));
    if (w.device_broke)
        return;
    if (!w.in_order) {
        PROMISE(answer == VRING_E_FEATURE && n == 0);
        return;
    }
    if (answer == VRING_E_ROOM)
        PROMISE(chain.n_readable + chain.n_writable > room);
    else
        PROMISE(answer == 0 || answer == VRING_E_EMPTY || (vring_error_blame(answer) == VRING_BLAME_CHAIN && n == 1));
    PROMISE((n > 0) == (answer != VRING_E_EMPTY && answer != VRING_E_ROOM));
    PROMISE(!honest || (n <= offered && (answer == VRING_E_EMPTY) == (offered == 0)));
    PROMISE(n < 2 || chain.n_readable + chain.n_writable == 1);
    for (uint32_t i = 0; i < n; i++) {
        struct vring_chain one = chain;

        if (i + 1 < n) {
            one.readable = one.n_readable ? iov[i].len : 0;
            one.writable = one.n_writable ? iov[i].len : 0;
        }
        was_taken(&iov[i], &one, answer)->nameless = i + 1 < n;
    }
}

static void note_dead(vring_handle handle)
{
    w.dead[w.n_dead++ % (sizeof w.dead / sizeof *w.dead)] = handle;
}

static void forget_held(unsigned i)
{
    memmove(&w.held[i], &w.held[i + 1], (--w.n_held - i) * sizeof *w.held);
}

static void rewind_one(struct input *input)
{
    if (w.n_held == 0)
        return;

    unsigned i = take_below(input, 2) ? w.n_held - 1 : take_below(input, w.n_held);
    bool ours = is_ours(i);

    if (w.held[i].nameless)
        return;

    int answer = device_answered(vring_device_rewind(&w.device, w.held[i].handle));

    if (w.device_broke)
        return;
    PROMISE(answer == 0 || answer == VRING_E_HANDLE);
    if (answer != 0)
        return;
    PROMISE(ours && (i == w.n_held - 1 || w.restored));
    if (w.held[i].again) { /* it will have the same handle then */
        w.held[i].waiting = true;
        return;
    }
    note_dead(w.held[i].handle);
    if (honest)
        put_first(&w.avail, w.held[i].token);
    forget_held(i);
}

/* held[i] has been used. With IN_ORDER all whose turn it is are staged, without it this one. */
static void note_used(unsigned i, uint32_t len)
{
    if (honest)
        w.buffers[w.held[i].token].used_len = len;
    w.held[i].finished = true;
    if (w.in_order)
        i = 0;
    while (i < w.n_held && w.held[i].finished) {
        if (honest)
            put(&w.done, w.held[i].token);
        forget_held(i);
        if (!w.in_order)
            break;
    }
}

/* The held buffer of that number among those that may be used; n_held if there are not so many. */
static unsigned held_number(unsigned number)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w.n_held; i++)
        if (is_ours(i) && n++ == number)
            return i;
    return w.n_held;
}

static void add_used(struct input *input)
{
    unsigned i = held_number(take_below(input, TOKENS));

    if (i == w.n_held)
        return;

    uint32_t most = w.held[i].writable, len = take_below(input, 2) ? most : take_below(input, most + 2);
    int answer = device_answered(vring_device_add_used(&w.device, w.held[i].handle, len));

    if (w.device_broke)
        return;
    PROMISE(answer == (len > most ? VRING_E_LEN : 0));
    if (answer == 0) {
        vring_handle dead = w.held[i].handle;

        note_dead(dead);
        note_used(i, len);
        PROMISE(vring_device_add_used(&w.device, dead, 0) == VRING_E_HANDLE);
        PROMISE(accesses == 0);
    }
}

static void add_used_batch(struct input *input)
{
    struct vring_used_chain used[3];
    uint32_t count = 0, n = 0, wanted = 1 + take_below(input, 3);

    for (unsigned i; count < wanted && (i = held_number(count)) < w.n_held; count++)
        used[count] = (struct vring_used_chain){w.held[i].handle, w.held[i].writable};

    int answer = device_answered(vring_device_add_used_batch(&w.device, used, count, &n));

    if (w.device_broke)
        return;
    PROMISE(answer == 0 && n == count);
    while (n-- > 0) {
        unsigned i = held_number(0);

        note_dead(w.held[i].handle);
        note_used(i, w.held[i].writable);
    }
}

/* All up to one of those that may be used: with their lengths if they have any, otherwise in full. */
static void add_used_through(struct input *input)
{
    while (take_below(input, 3) == 1) /* some of them are used before their turn */
        add_used(input);

    unsigned i = held_number(take_below(input, TOKENS));

    if (i == w.n_held)
        return;

    uint32_t most = w.held[i].writable, len = take_below(input, 2) ? most : take_below(input, most + 2);
    vring_handle last = w.held[i].handle;
    int answer = device_answered(vring_device_add_used_through(&w.device, last, len));

    if (w.device_broke)
        return;
    PROMISE(answer == (!w.in_order ? VRING_E_FEATURE : len > most ? VRING_E_LEN : 0));
    if (answer != 0)
        return;
    PROMISE(vring_device_add_used_through(&w.device, last, 0) == VRING_E_HANDLE);
    PROMISE(accesses == 0);
    for (unsigned before = i; before-- > 0;)
        if (!w.held[before].finished) {
            PROMISE(!w.held[before].waiting);
            if (is_ours(before))
                note_dead(w.held[before].handle);
            if (honest)
                w.buffers[w.held[before].token].used_len = w.held[before].writable;
            w.held[before].finished = true;
        }
    note_dead(last);
    note_used(i, len);
}

static void device_publish(void)
{
    unsigned n = w.done.n;
    bool sleeps = w.driver_sleeps;
    int answer = device_answered(vring_device_publish(&w.device));

    if (w.device_broke)
        return;
    PROMISE(answer == 0 || answer == 1);
    move_all(&w.done, &w.used);
    PROMISE(!honest || !sleeps || n == 0 || answer == 1);
    w.driver_sleeps = sleeps && n == 0;
}

static void device_notifications(bool enable)
{
    int answer = device_answered(enable ? vring_device_enable_notify(&w.device) : vring_device_disable_notify(&w.device));

    if (w.device_broke)
        return;
    PROMISE(answer == 0 || (answer == 1 && enable));
    if (enable) {
        PROMISE(!honest || answer == (w.avail.n + waiting() > 0));
        w.device_sleeps = answer == 0;
    }
}

static void device_successor(struct input *input)
{
    unsigned char state[1024];
    struct vring_device successor;
    struct vring_device_config config = w.device_config;
    int bytes = device_answered(vring_device_save(&w.device, state, sizeof state));

    if (w.device_broke)
        return;
    PROMISE(bytes > 0 || bytes == VRING_E_STATE);
    if (bytes <= 0)
        return;
    config.heads = w.heads[w.device_config.heads == w.heads[0]];
    config.generation = (uint16_t)(config.generation + 0x100);
    memset(&successor, 0, sizeof successor);

    bool damaged = damage(input, state, bytes);
    int answer = vring_device_restore(&successor, &config, state, (size_t)bytes);

    accesses = 0;
    PROMISE(!damaged || answer == VRING_E_SAVED);
    if (damaged)
        return;
    PROMISE(!honest || answer == 0 || answer == 1);
    if (answer < 0) {
        PROMISE(answer == VRING_E_UNFIT || vring_error_blame(answer) == VRING_BLAME_PEER);
        return;
    }
    w.device = successor;
    w.device_config = config;
    w.device_sleeps = answer == 0;
    w.restored = true;
    for (unsigned i = 0; i < w.n_held; i++)
        w.held[i].waiting = !w.held[i].finished;
}

/* One that never was, unless it is by chance of what has a handle, told or not; or one that has died. */
static void forged_handle(struct input *input)
{
    bool died = w.n_dead > 0 && take_below(input, 2);
    vring_handle handle = died ? w.dead[take_below(input, w.n_dead) % (sizeof w.dead / sizeof *w.dead)]
                               : take_word(input);

    for (unsigned i = 0; i < w.n_held; i++)
        if (!died && (w.held[i].handle == handle || w.held[i].nameless))
            return;
    PROMISE(device_answered(vring_device_add_used(&w.device, handle, 0)) == (w.device_broke ? w.device_broke : VRING_E_HANDLE));
    PROMISE(device_answered(vring_device_rewind(&w.device, handle)) == (w.device_broke ? w.device_broke : VRING_E_HANDLE));
    PROMISE(device_answered(vring_device_add_used_through(&w.device, handle, 0)) ==
            (w.device_broke ? w.device_broke : w.in_order ? VRING_E_HANDLE : VRING_E_FEATURE));
}

/* --------------------------------------------------------------------------------------------------- whole runs --- */

static void draw_scribble(struct input *input, bool now)
{
    struct scribble *what = &scribbles[take_below(input, sizeof scribbles / sizeof *scribbles)];

    what->block = &blocks[take_below(input, BLOCKS)];
    what->offset = take(input) % what->block->size;
    what->width = 1u << take_below(input, 3);
    what->value = take_below(input, 2) ? take(input) : take_word(input);
    what->before = now ? 0 : take_below(input, 32);
    what->armed = !now;
    if (now)
        scribble(what);
}

static void *allocate(size_t size)
{
    void *memory = NULL;

    if (posix_memalign(&memory, 16, size))
        abort();
    memset(memory, 0, size);
    return memory;
}

static void allocate_block(int i, size_t size)
{
    blocks[i].at = (unsigned char *)allocate(size);
    blocks[i].size = size;
}

/* 0, or why there is no such queue. */
static int start(struct input *input)
{
    uint8_t bits = take(input);
    bool packed = bits & 1;
    struct vring_driver_config *driver = &w.driver_config;
    struct vring_device_config *device = &w.device_config;
    struct vring_split_areas split;
    struct vring_packed_areas areas;

    memset(&w, 0, sizeof w);
    memset(scribbles, 0, sizeof scribbles);
    honest = true;
    accesses = 0;
    w.in_order = (bits & 2) != 0;
    driver->features = (bits & 4 && !packed ? 0 : VRING_F_VERSION_1) | (packed ? VRING_F_RING_PACKED : 0) |
                       (w.in_order ? VRING_F_IN_ORDER : 0) | (bits & 8 ? VRING_F_EVENT_IDX : 0) |
                       (bits & 16 ? VRING_F_INDIRECT_DESC : 0) | (bits & 32 ? VRING_F_ORDER_PLATFORM : 0);
    driver->size = packed ? 1 + take_below(input, SIZE_MAX_HERE) : 1u << take_below(input, 4);
    driver->max_chain = take_below(input, ENTRIES + 2);
    driver->used_len = (enum vring_used_len_policy)take_below(input, 4);
    driver->legacy_order = VRING_ORDER_BIG;
    driver->index = (uint16_t)(packed ? take_below(input, driver->size) | (bits & 64 ? 0x8000 : 0)
                                      : 0u - take_below(input, 2 * SIZE_MAX_HERE));
    if (packed)
        vring_packed_layout(driver->size, &areas);
    else
        vring_split_layout(driver->size, 0, &split);
    allocate_block(DESC, packed ? areas.desc_size : split.desc_size);
    allocate_block(DRIVER_AREA, packed ? areas.driver_size : split.driver_size);
    allocate_block(DEVICE_AREA, packed ? areas.device_size : split.device_size);
    allocate_block(GUEST_FIRST, FIRST);
    allocate_block(GUEST_SECOND, SECOND);
    allocate_block(GUEST_READ_ONLY, READ_ONLY_SIZE);
    allocate_block(GUEST_TABLES, 16 * ENTRIES * TOKENS);
    for (int i = 0; i < 2; i++) {
        w.slots[i] = (struct vring_slot *)allocate(driver->size * sizeof *w.slots[i]);
        w.heads[i] = (struct vring_head *)allocate(driver->size * sizeof *w.heads[i]);
    }
    driver->desc = blocks[DESC].at;
    driver->driver_area = blocks[DRIVER_AREA].at;
    driver->device_area = blocks[DEVICE_AREA].at;
    driver->slots = w.slots[0];
    driver->slot_count = driver->size;

    w.regions[0] = (struct vring_region){GUEST, FIRST, blocks[GUEST_FIRST].at, 0};
    w.regions[1] = (struct vring_region){GUEST + FIRST, SECOND, blocks[GUEST_SECOND].at, 0};
    w.regions[2] = (struct vring_region){READ_ONLY, READ_ONLY_SIZE, blocks[GUEST_READ_ONLY].at, VRING_REGION_READ_ONLY};
    w.regions[3] = (struct vring_region){TABLES, blocks[GUEST_TABLES].size, blocks[GUEST_TABLES].at, 0};
    *device = (struct vring_device_config){
        .features = driver->features, .size = driver->size, .max_chain = driver->max_chain, .desc = driver->desc,
        .driver_area = driver->driver_area, .device_area = driver->device_area, .heads = w.heads[0],
        .head_count = driver->size, .regions = w.regions, .region_count = 4, .legacy_order = VRING_ORDER_BIG,
        .index = driver->index};

    int error = vring_driver_init(&w.driver, driver);

    accesses = 0;
    if (!error)
        error = vring_device_init(&w.device, device);
    accesses = 0;
    return error;
}

/*
 * A run there and back, as far as it comes; without IN_ORDER some of it. Bytes that say so one verb at a time are found
 * too late.
 */
static void run_goes(struct input *input)
{
    add_run(input);
    driver_publish();
    w.in_order ? get_avail_run(input) : get_avail_batch(input);
    w.in_order ? add_used_through(input) : add_used(input);
    device_publish();
    w.in_order ? get_used_run(input) : get_used(input, true);
}

static void act(struct input *input)
{
    switch (take_below(input, 37)) {
    case 0: case 1: case 2: add(input, false); break;
    case 3: case 4: add(input, true); break;
    case 5: add_batch(input); break;
    case 6: abort_last(); break;
    case 7: case 8: driver_publish(); break;
    case 9: get_used(input, false); break;
    case 10: get_used(input, true); break;
    case 11: driver_notifications(0); break;
    case 12: driver_notifications(1); break;
    case 13: driver_notifications(2); break;
    case 14: case 15: get_avail(input, false); break;
    case 16: get_avail_batch(input); break;
    case 17: get_avail(input, true); break;
    case 18: rewind_one(input); break;
    case 19: case 20: add_used(input); break;
    case 21: add_used_batch(input); break;
    case 22: device_publish(); break;
    case 23: device_notifications(true); break;
    case 24: device_notifications(false); break;
    case 25: take_below(input, 2) ? driver_successor(input) : device_successor(input); break;
    case 26: forged_handle(input); break;
    case 27: add_used_through(input); break;
    case 28: case 29: add_run(input); break;
    case 30: case 31: get_avail_run(input); break;
    case 32: case 33: get_used_run(input); break;
    case 34: case 35: run_goes(input); break;
    default: draw_scribble(input, take_below(input, 2)); break;
    }
}

/* With everybody honest, all that was added comes back. */
static void drain(void)
{
    struct input none = {NULL, 0};
    struct input plenty = {(const uint8_t *)"\1\7", 2};

    memset(scribbles, 0, sizeof scribbles);
    driver_publish();
    while (w.avail.n + waiting() > 0) {
        struct input room = {(const uint8_t *)"\1", 1};

        get_avail(&room, false);
    }
    while (held_number(0) < w.n_held)
        w.in_order ? add_used_through(&none) : add_used(&none);
    device_publish();
    while (w.used.n > 0)
        get_used(&plenty, false);
    PROMISE(vring_device_in_flight(&w.device) == w.n_held);
    if (w.n_held > 0) { /* a run whose last was used alone: there is no handle for the others, nor is one to come */
        PROMISE(w.in_order && w.held[0].nameless);
        return;
    }
    PROMISE(vring_driver_in_flight(&w.driver) == 0 && vring_driver_free(&w.driver) == w.driver_config.size);
}

/* Reset: what never came back is returned, each once. */
static void finish(void)
{
    uint64_t token;

    vring_driver_reset(&w.driver);
    vring_device_reset(&w.device);
    while (vring_driver_take_unused(&w.driver, &token) == 0) {
        PROMISE(token < TOKENS && w.buffers[token].live);
        w.buffers[token].live = false;
    }
    for (unsigned i = 0; i < TOKENS; i++)
        PROMISE(!w.buffers[i].live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    if (start(&input) == 0) {
        while (input.left > 0)
            act(&input);
        if (honest)
            drain();
        finish();
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i].at);
    for (int i = 0; i < 2; i++) {
        free(w.slots[i]);
        free(w.heads[i]);
    }
    return 0;
}
