/* SPDX-License-Identifier: MIT */
/*
 * A peer that changes any shared word at any moment of any verb.
 *
 * A story leads a driver and a device through every verb. Before each step the state is kept; then, for every access
 * that the verb makes, every shared word and every hostile value, the verb is run from that state with the word
 * overwritten right before the access (before access n + 1 is after access n; before the first is what the peer had
 * left there). Whatever the peer did, this must hold:
 *
 *   once     no shared byte is loaded twice, unless the chain itself leads to the same descriptor again, or another
 *            buffer of a batch does
 *   same     answer, results, private state and stores are those of the verb on memory at rest that holds what the
 *            verb read: so the peer could have had the same without any race
 *   inside   every access lies in the areas and tables, aligned to its width; every piece handed out lies in the
 *            regions
 *   bounded  the number of accesses is bounded by the size of the queue
 *
 * Built on access_torn.h, the same program has to find that words are read twice, and that it matters. Built on
 * access_halves.h, the peer also comes between the halves of an address, and what is judged is what was put together.
 */
#include "fixture.h"

#include "vring/access_hook.h"

enum {
    SIZE = 4,
    MEMORY = 0x40 + 3 * 16,     /* bytes of the guest's memory, all shared: pieces, and at its end a table */
    TABLE = MEMORY - 3 * 16,
    PIECES = 6,                 /* room for them; guard words follow */
    STEPS_MAX = 16 + 24 * SIZE, /* accesses of one verb: a descriptor is at most 16, in bytes of a table */
    TRACE_MAX = 1024
};

static struct ring r;
static struct vring_table table;

/* ------------------------------------------------------------------------------------------------ shared memory --- */

struct block {
    unsigned char *at;
    size_t size;
};

enum { SHARED = 4 };
static struct block shared[SHARED]; /* areas and the guest's memory: all that the peer can write and a verb may read */

/* The block that holds the bytes; null: none does. */
static const struct block *block_of(const void *at, size_t width)
{
    const unsigned char *p = (const unsigned char *)at;

    for (int i = 0; i < SHARED; i++)
        if (p >= shared[i].at && p + width <= shared[i].at + shared[i].size)
            return &shared[i];
    return NULL;
}

static size_t shared_size(void)
{
    size_t size = 0;

    for (int i = 0; i < SHARED; i++)
        size += shared[i].size;
    return size;
}

/* Shared byte number n; no two blocks touch. */
static unsigned char *shared_byte(size_t n)
{
    int i = 0;

    for (; n >= shared[i].size; i++)
        n -= shared[i].size;
    return shared[i].at + n;
}

static size_t number_of(const void *at)
{
    size_t number = 0;

    for (int i = 0; i < SHARED; i++) {
        if (block_of(at, 1) == &shared[i])
            return number + (size_t)((const unsigned char *)at - shared[i].at);
        number += shared[i].size;
    }
    abort();
}

/* ------------------------------------------------------------------------------------------------- what happens --- */

/* One access of a verb. */
struct access {
    const void *at; /* null: a fence */
    size_t width;
    uint64_t stored;
    unsigned char loaded[8]; /* as it was in memory */
    bool is_store;
};

static struct access trace[TRACE_MAX];
static unsigned traced;

/* What is to be found, and never is. */
static struct findings {
    unsigned long repeated, different, outside, unbounded;
    unsigned long runs, loops, words; /* beside it; loads of 64 bits */
} findings;

enum { SHARED_MAX = 512 };
static unsigned char loads[SHARED_MAX]; /* was this shared byte loaded? */
static unsigned char seen[SHARED_MAX];  /* what was it then? */
static bool repeats;                    /* was one loaded again? */

/* The peer: called before every access, with its number. */
static void (*peer)(unsigned number);
static bool overwrite_what_was_read;

static bool step(const void *at, size_t width, uint64_t stored, bool is_store)
{
    if (peer)
        peer(traced);
    if (traced == TRACE_MAX)
        abort();
    trace[traced++] = (struct access){at, width, stored, {0}, is_store};
    if (!at || (block_of(at, width) && (uintptr_t)at % width == 0))
        return true;
    findings.outside++;
    return false;
}

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    uint64_t value;

    (void)order;
    if (!step(p, width, 0, false))
        return 0;
    findings.words += width == 8;
    value = width == 8 ? *(const uint64_t *)p : width == 4 ? *(const uint32_t *)p : width == 2 ? *(const uint16_t *)p
                                                                                              : *(const uint8_t *)p;
    memcpy(trace[traced - 1].loaded, p, width);
    for (size_t n = number_of(p), i = 0; i < width; i++) {
        repeats = repeats || loads[n + i] > 0;
        loads[n + i] = 1;
        seen[n + i] = ((const unsigned char *)p)[i];
        if (overwrite_what_was_read)
            *shared_byte(n + i) ^= 0xff;
    }
    return value;
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    (void)order;
    if (!step(p, width, v, true))
        return;
    if (width == 8)
        *(uint64_t *)p = v;
    else if (width == 4)
        *(uint32_t *)p = (uint32_t)v;
    else
        *(uint16_t *)p = (uint16_t)v;
}

void vring_hook_fence(void)
{
    (void)step(NULL, 0, 0, false);
}

/* ------------------------------------------------------------------------------------------------------- states --- */

/* All that a verb can read or change: shared memory, queues, what they remember, and what the verb gives out. */
static struct {
    int answer;
    uint64_t token;
    uint32_t n;
    struct vring_used_buffer used, batch_used[3];
    struct vring_chain chain, chains[3];
    struct vring_snapshot snapshot;
    struct vring_snapshot_entry entry;
} out;

static struct block blocks[SHARED + 4];

enum { BLOCKS = SHARED + 4, STATE_MAX = 8192 };

static void keep(unsigned char *to)
{
    for (int i = 0; i < BLOCKS; to += blocks[i].size, i++)
        memcpy(to, blocks[i].at, blocks[i].size);
}

static void restore(const unsigned char *from)
{
    for (int i = 0; i < BLOCKS; from += blocks[i].size, i++)
        memcpy(blocks[i].at, from, blocks[i].size);
}

/* What a run came to: all private state, and every store that it made. */
struct outcome {
    unsigned char state[STATE_MAX];
    size_t size;
    struct access stores[TRACE_MAX];
    unsigned n_stores;
};

static void observe(struct outcome *outcome)
{
    outcome->size = outcome->n_stores = 0;
    for (int i = SHARED; i < BLOCKS; outcome->size += blocks[i].size, i++)
        memcpy(outcome->state + outcome->size, blocks[i].at, blocks[i].size);
    for (unsigned i = 0; i < traced; i++)
        if (trace[i].is_store)
            outcome->stores[outcome->n_stores++] = trace[i];
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    if (a->size != b->size || memcmp(a->state, b->state, a->size) != 0 || a->n_stores != b->n_stores)
        return false;
    for (unsigned i = 0; i < a->n_stores; i++)
        if (a->stores[i].at != b->stores[i].at || a->stores[i].width != b->stores[i].width ||
            a->stores[i].stored != b->stores[i].stored)
            return false;
    return true;
}

/* -------------------------------------------------------------------------------------------------------- verbs --- */

static const struct vring_segment segments[3] = {{GUEST, 16}, {GUEST + 32, 32}, {GUEST + 16, 8}};
static vring_handle held[2]; /* by the device, in the order of taking */

static int driver_init(void) { return vring_driver_init(&r.driver, &r.driver_config); }
static int device_init(void) { return vring_device_init(&r.device, &r.device_config); }
static int add(void) { return vring_driver_add_avail(&r.driver, segments, 2, 1, 1); }
static int add_one(void) { return vring_driver_add_avail(&r.driver, segments, 0, 1, 2); }
static int add_table(void) { return vring_driver_add_indirect(&r.driver, &table, segments, 2, 1, 3); }
static int abort_last(void) { return vring_driver_abort(&r.driver, &out.token); }
static int driver_publish(void) { return vring_driver_publish(&r.driver); }
static int get_used(void) { return vring_driver_get_used(&r.driver, &out.used); }
static int driver_enable(void) { return vring_driver_enable_notify(&r.driver); }
static int driver_delay(void) { return vring_driver_enable_notify_delayed(&r.driver); }
static int driver_disable(void) { return vring_driver_disable_notify(&r.driver); }
static int get_avail(void) { return vring_device_get_avail(&r.device, r.iov, PIECES, &out.chain); }
static int peek(void) { return vring_device_peek(&r.device, r.iov, PIECES, &out.chain); }
static int rewind_last(void) { return vring_device_rewind(&r.device, held[0]); }
static int add_used_first(void) { return vring_device_add_used(&r.device, held[0], 8); }
static int add_used_second(void) { return vring_device_add_used(&r.device, held[1], 3); }
static int device_publish(void) { return vring_device_publish(&r.device); }
static int device_enable(void) { return vring_device_enable_notify(&r.device); }
static int device_disable(void) { return vring_device_disable_notify(&r.device); }

/* Batches: a piece, a list and a table, which fill the ring; used in full as far as that goes, but for the last. */
static vring_handle batch_held[3];

static int add_batch(void)
{
    static const struct vring_avail_buffer buffers[] = {
        {segments, 4, 1, 0, NULL}, {segments, 5, 1, 1, NULL}, {segments, 6, 2, 1, &table}};

    return vring_driver_add_avail_batch(&r.driver, buffers, 3, &out.n);
}

static int get_avail_batch(void)
{
    return vring_device_get_avail_batch(&r.device, r.iov, PIECES, out.chains, 3, &out.n);
}

static int add_used_batch(void)
{
    const struct vring_used_chain used[] = {{batch_held[0], 0}, {batch_held[1], 32}, {batch_held[2], 3}};

    return vring_device_add_used_batch(&r.device, used, 3, &out.n);
}

static int get_used_batch(void) { return vring_driver_get_used_batch(&r.driver, out.batch_used, 3, &out.n); }
static int driver_snapshot(void) { return vring_driver_snapshot(&r.driver, &out.snapshot); }
static int driver_snapshot_entry(void) { return vring_driver_snapshot_entry(&r.driver, 1, &out.entry); }
static int device_snapshot(void) { return vring_device_snapshot(&r.device, &out.snapshot); }
static int device_snapshot_entry(void) { return vring_device_snapshot_entry(&r.device, 1, &out.entry); }

/* What was saved stays as it is: private memory, or a file. */
static unsigned char saved_driver[1024], saved_device[1024];
static int saved_driver_size, saved_device_size;

static int driver_save(void)
{
    return saved_driver_size = vring_driver_save(&r.driver, saved_driver, sizeof saved_driver);
}

static int device_save(void)
{
    return saved_device_size = vring_device_save(&r.device, saved_device, sizeof saved_device);
}

static int driver_restore(void)
{
    return vring_driver_restore(&r.driver, &r.driver_config, saved_driver, (size_t)saved_driver_size);
}

static int device_restore(void)
{
    return vring_device_restore(&r.device, &r.device_config, saved_device, (size_t)saved_device_size);
}

/* A direct descriptor in front of the table (2.7.5.3.2): our driver does not make these, others may. */
static int mix(void)
{
    uint32_t taken = held[0] & 0xffff, head = (taken + 1) % SIZE, second = (taken + 3) % SIZE;

    if (r.driver.packed)
        return 0;
    raw_desc(&r, head, GUEST, 8, VRING_DESC_NEXT, second);
    raw_desc(&r, second, GUEST + TABLE, 3 * 16, VRING_DESC_INDIRECT, 0);
    raw_entry(r.guest + TABLE, GUEST + 64, 8, VRING_DESC_NEXT, 2);
    raw_avail(&r, head);
    return 0;
}

static bool walks(int (*run)(void))
{
    return run == get_avail || run == peek || run == get_avail_batch;
}

/* Accesses that this verb may make. */
static unsigned steps_max(int (*run)(void))
{
    return run == get_avail_batch ? 3 * STEPS_MAX : STEPS_MAX;
}

/* A step of the story: what is done, and what comes of it when the peer is quiet; 1 stands for any count, too. */
struct verb {
    const char *name;
    int (*run)(void);
    int split, packed; /* answers */
    enum {
        OURS,
        TWO_IN_ONE, /* restore: a look that may refuse, then enable_notify, which looks again; tried for what is left */
        THE_PEERS   /* not tried */
    } kind;
};

#define SAME(verb, answer) {#verb, verb, answer, answer, OURS}

/* Three descriptors and a table fill the ring; everything comes back, the second buffer first where it may. */
static const struct verb story[] = {
    SAME(driver_init, 0),
    SAME(device_init, 0),
    SAME(get_avail, VRING_E_EMPTY),
    SAME(get_used, VRING_E_EMPTY),
    SAME(add, 0),
    SAME(add_table, 0),
    SAME(abort_last, 0),
    SAME(add_table, 0),
    SAME(add_one, VRING_E_FULL),
    SAME(driver_publish, 1),
    SAME(driver_enable, 0),
    SAME(device_disable, 0),
    SAME(peek, 0),
    SAME(get_avail, 0),
    SAME(rewind_last, 0),
    SAME(get_avail, 0),
    SAME(get_avail, 0),
    SAME(driver_snapshot, 0),
    SAME(driver_snapshot_entry, 0),
    SAME(device_snapshot, 0),
    SAME(device_snapshot_entry, 0),
    SAME(add_used_second, 0),
    SAME(add_used_first, 0),
    SAME(driver_delay, 0),
    SAME(device_publish, 1),
    SAME(device_enable, 0),
    SAME(driver_disable, 0),
    SAME(get_used, 0),
    SAME(driver_enable, 1),
    SAME(get_used, 0),
    SAME(get_used, VRING_E_EMPTY),
    SAME(driver_save, 1),
    SAME(device_save, 1),
    {"driver_restore", driver_restore, 1, 1, TWO_IN_ONE},
    {"device_restore", device_restore, 1, 1, TWO_IN_ONE},
    SAME(driver_publish, 1),
    SAME(device_publish, 1),
    SAME(add_batch, 0),
    SAME(driver_publish, 1),
    SAME(get_avail_batch, 0),
    SAME(add_used_batch, 0),
    SAME(get_used_batch, VRING_E_EMPTY),
    SAME(device_publish, 1),
    SAME(get_used_batch, 0),
    SAME(add_one, 0),
    SAME(driver_publish, 1),
    SAME(device_enable, 1),
    SAME(get_avail, 0),
    {"mix", mix, 0, 0, THE_PEERS},
    {"get_avail", get_avail, 0, VRING_E_EMPTY, OURS},
};

/* Only without IN_ORDER is the second handed out first; taken handles are kept oldest first. */
static void remember(const struct verb *verb)
{
    for (uint32_t i = 0; verb->run == get_avail_batch && i < 3; i++)
        batch_held[i] = out.chains[i].handle;
    if (verb->run != get_avail || out.answer != 0)
        return;
    if (vring_device_in_flight(&r.device) == 1)
        held[0] = out.chain.handle;
    else
        held[1] = out.chain.handle;
}

/* ------------------------------------------------------------------------------------------------ one verb, run --- */

static bool pieces_are_inside(void)
{
    uint32_t n = out.chain.n_readable + out.chain.n_writable;

    for (uint32_t i = 0; i < out.n; i++)
        n += out.chains[i].n_readable + out.chains[i].n_writable;
    if (n > PIECES)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *base = (const unsigned char *)r.iov[i].base;

        if (base < r.guest || base > r.guest + MEMORY || r.iov[i].len > (size_t)(r.guest + MEMORY - base))
            return false;
    }
    return true;
}

static bool guards_hold(void)
{
    const unsigned char *guard = (const unsigned char *)&r.iov[PIECES], *end = (const unsigned char *)&r.iov[64];

    for (; guard < end; guard++)
        if (*guard != 0x5a)
            return false;
    return true;
}

static void run(const struct verb *verb, const unsigned char *from, struct outcome *outcome)
{
    restore(from);
    memset(loads, 0, sizeof loads);
    memset(&out, 0, sizeof out);
    traced = 0;
    repeats = false;
    out.answer = verb->run();
    findings.runs++;
    findings.unbounded += traced > steps_max(verb->run);
    findings.outside += !guards_hold() || (walks(verb->run) && out.answer == 0 && !pieces_are_inside());
    observe(outcome);
}

/* Was a word of a packed ring read twice? After a whole lap the next buffer is looked for where the first one was. */
static bool is_read_before(unsigned i)
{
    unsigned flags = 0;

    for (unsigned j = i; j-- > 0;) {
        const unsigned char *at = (const unsigned char *)trace[j].at, *again = (const unsigned char *)trace[i].at;

        flags += trace[j].width == 2 && block_of(at, 1) == &shared[0] && (at - shared[0].at) % 16 == 14;
        if (at < again + trace[i].width && again < at + trace[j].width)
            return flags < SIZE;
    }
    return false;
}

/*
 * Was every entry that was read twice one to which the entry read before it had led? The chain then goes over it again,
 * and is as long as if it went over another. What two buffers of a batch have in common is read for each of them: one
 * begins where the driver area is read, or in a packed ring the ring itself, no word of which is read twice. Loads that
 * follow one another in memory make an entry of 16 bytes.
 */
static bool is_a_loop(void)
{
    const unsigned char *entry[TRACE_MAX], *first = NULL; /* of the table */
    unsigned char bytes[16] = {0};
    unsigned entries = 0;
    size_t have = 0;

    for (unsigned i = 0; i < traced; i++) {
        const unsigned char *at = (const unsigned char *)trace[i].at;

        if (block_of(at, 1) == &shared[1] || (r.device.packed && block_of(at, 1) == &shared[0])) {
            if (r.device.packed && is_read_before(i))
                return false;
            entries = 0;
            have = 0;
            first = NULL;
            continue;
        }
        if (have == 0 || have == 16) {
            uint32_t next = get16(bytes + 14);
            bool in_table = block_of(at, 1) == &shared[3];

            for (unsigned j = 0; j < entries; j++)
                if (entry[j] == at && (!(get16(bytes + 12) & VRING_DESC_NEXT) ||
                                       at != (in_table ? first : desc_at(&r, 0)) + 16 * (size_t)next))
                    return false;
            if (in_table && !first)
                first = at;
            entry[entries++] = at;
            have = 0;
        } else if (at != entry[entries - 1] + have) {
            return false;
        }
        memcpy(bytes + have, trace[i].loaded, trace[i].width);
        have += trace[i].width;
    }
    return true;
}

static struct outcome raced, at_rest;
static unsigned char start[STATE_MAX], rest[STATE_MAX];

/* Run the verb against this peer; then on memory at rest that holds what it read. They must come to the same. */
static void try_peer(const struct verb *verb, void (*hostile)(unsigned))
{
    peer = hostile;
    run(verb, start, &raced);
    peer = NULL;
    overwrite_what_was_read = false;
    if (verb->kind == TWO_IN_ONE)
        return;
    if (repeats && walks(verb->run) && is_a_loop()) {
        findings.loops++;
        return;
    }
    findings.repeated += repeats;

    /* Shared blocks come first in a state, so shared byte n is byte n of it. */
    memcpy(rest, start, sizeof rest);
    for (size_t n = 0; n < shared_size(); n++)
        if (loads[n])
            rest[n] = seen[n];
    run(verb, rest, &at_rest);
    findings.different += !is_same(&raced, &at_rest);
}

/* One word, overwritten before one access. */
static struct {
    unsigned before;
    size_t byte;
    size_t width; /* 1 or 2 */
    uint16_t value;
} flip;

static void flip_once(unsigned number)
{
    if (number == flip.before)
        for (size_t i = 0; i < flip.width; i++) /* little-endian, as the wire is */
            *shared_byte(flip.byte + i) = (unsigned char)(flip.value >> 8 * i);
}

static const uint16_t values[] = {
    0xffff, SIZE, 1, 0, SIZE - 1, 0x8080, SIZE + 1, 2, 0x000f, 0x0010, 0x7fff, 0x8000,
    VRING_DESC_NEXT | VRING_DESC_WRITE, VRING_DESC_INDIRECT | VRING_DESC_NEXT,
    VRING_DESC_AVAIL, VRING_DESC_AVAIL | VRING_DESC_USED | VRING_DESC_NEXT, VRING_DESC_USED | VRING_DESC_INDIRECT,
};

#ifdef VTEST_QUICK
enum { VALUES = sizeof values / sizeof *values, VALUES_TRIED = 3, BYTES_TRIED = 1, LOTS = 20 };
#else
enum { VALUES = sizeof values / sizeof *values, VALUES_TRIED = VALUES, BYTES_TRIED = 6, LOTS = 1000 };
#endif

/*
 * Is the byte read when the peer is quiet? What is not is overwritten with one value alone, bytes of a table with some.
 */
static bool is_read[SHARED_MAX];

static void flip_word(const struct verb *verb, size_t byte, size_t width, unsigned accesses)
{
    bool read = is_read[byte] || (width == 2 && is_read[byte + 1]);
    int tried = !read ? 1 : width == 2 ? VALUES_TRIED : BYTES_TRIED;

    for (unsigned before = 0; before <= accesses; before++)
        for (int v = 0; v < tried; v++) {
            flip.before = before;
            flip.byte = byte;
            flip.width = width;
            flip.value = values[v];
            try_peer(verb, flip_once);
        }
}

/* Something else before every second access or so. */
static uint32_t lots;

static uint32_t draw(uint32_t n)
{
    lots ^= lots << 13;
    lots ^= lots >> 17;
    lots ^= lots << 5;
    return lots % n;
}

static void flip_at_random(unsigned number)
{
    size_t byte = draw((uint32_t)shared_size() / 2) * 2u;

    (void)number;
    if (draw(2))
        return;
    *shared_byte(byte) = (unsigned char)values[draw(VALUES)];
    *shared_byte(byte + 1) = (unsigned char)(values[draw(VALUES)] >> 8);
}

/* Every word before every access; every byte of the table, which is read in bytes; all that is read, as it is read. */
static void try_every_flip(const struct verb *verb)
{
    unsigned accesses;
    size_t ring = shared_size() - MEMORY;

    keep(start);
    try_peer(verb, NULL);
    accesses = traced;
    for (size_t n = 0; n < shared_size(); n++)
        is_read[n] = loads[n] > 0;
    for (size_t byte = 0; byte < ring; byte += 2)
        flip_word(verb, byte, 2, accesses);
    for (size_t byte = ring; byte < shared_size(); byte++)
        flip_word(verb, byte, 1, accesses);
    overwrite_what_was_read = true;
    try_peer(verb, NULL);
    for (int i = 0; i < LOTS; i++)
        try_peer(verb, flip_at_random);
    restore(start);
}

/* -------------------------------------------------------------------------------------------------- the stories --- */

static void set_up(const struct format *format, bool event_idx, bool in_order)
{
    ring_configure(&r, SIZE, (event_idx ? format->all : format->plain | VRING_F_INDIRECT_DESC) |
                                 (in_order ? VRING_F_IN_ORDER : 0), index_before_wrap(format, SIZE, 2));
    memset(&r.iov[PIECES], 0x5a, sizeof r.iov - PIECES * sizeof *r.iov);
    r.regions[0].size = MEMORY;
    r.device_config.region_count = 1;
    table = (struct vring_table){r.guest + TABLE, GUEST + TABLE, 3};
    shared[0] = (struct block){(unsigned char *)r.driver_config.desc, r.layout.desc_size};
    shared[1] = (struct block){(unsigned char *)r.driver_config.driver_area, r.layout.driver_size};
    shared[2] = (struct block){(unsigned char *)r.driver_config.device_area, r.layout.device_size};
    shared[3] = (struct block){r.guest, MEMORY};
    memcpy(blocks, shared, sizeof shared);
    blocks[SHARED] = (struct block){(unsigned char *)&r, sizeof r};
    blocks[SHARED + 1] = (struct block){(unsigned char *)r.driver_config.slots, SIZE * sizeof(struct vring_slot)};
    blocks[SHARED + 2] = (struct block){(unsigned char *)r.device_config.heads, SIZE * sizeof(struct vring_head)};
    blocks[SHARED + 3] = (struct block){(unsigned char *)&out, sizeof out};
}

/* The story once, with every verb tried by every peer on the way. */
static void tell(VTEST, const struct format *format, bool event_idx, bool in_order)
{
    bool packed = (format->all & VRING_F_RING_PACKED) != 0;
    size_t size = 0;

    set_up(format, event_idx, in_order);
    lots = 1;
    for (int i = 0; i < BLOCKS; i++)
        size += blocks[i].size;
    CHECK(size <= STATE_MAX && shared_size() <= SHARED_MAX);
    for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
        const struct verb *verb = &story[i];
        int answer = packed ? verb->packed : verb->split;
        struct findings before = findings;

        if (verb->kind != THE_PEERS)
            try_every_flip(verb);
        memset(loads, 0, sizeof loads);
        traced = 0;
        out.answer = verb->run();
        /* Notifications are what EVENT_IDX and disable_notify make of them; everything else is the story's. */
        if (answer == 1)
            CHECK(out.answer >= 0);
        else
            CHECK_EQ(out.answer, answer);
        remember(verb);
        if (findings.repeated + findings.different + findings.outside + findings.unbounded >
            before.repeated + before.different + before.outside + before.unbounded)
            printf("# %s, step %zu, %s%s%s: %lu times a word read twice, %lu results of no single state, "
                   "%lu accesses outside, %lu too long\n",
                   format->name, i, verb->name, event_idx ? ", event_idx" : "", in_order ? ", in_order" : "",
                   findings.repeated - before.repeated, findings.different - before.different,
                   findings.outside - before.outside, findings.unbounded - before.unbounded);
    }
}

MODERN_RING_TEST(V45_V103_C069_C070_C071_C072_C073_C109_C115_C137_C140_C192_C194_every_word_flipped_at_every_access)
{
    memset(&findings, 0, sizeof findings);
    for (int features = 0; features < 4; features++)
        tell(VTEST_PASS, format, features & 1, features & 2);
    CHECK(findings.runs > 10000);
#ifdef FLIPS_MUST_BE_FOUND
    CHECK(findings.repeated > 0);
    CHECK(findings.different > 0);
#else
    CHECK_EQ(findings.repeated, 0);
    CHECK_EQ(findings.different, 0);
#endif
#ifdef FLIPS_OF_HALVES
    CHECK_EQ(findings.words, 0);
#endif
    CHECK_EQ(findings.outside, 0);
    CHECK_EQ(findings.unbounded, 0);
    printf("# %s: %lu runs, %lu of them over chains that lead back to themselves\n", format->name, findings.runs,
           findings.loops);
}
