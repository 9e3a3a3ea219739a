/* SPDX-License-Identifier: MIT */
/*
 * The lies of hostile_*_test.c over everything that they could depend on: the size of the ring, where in it the lie
 * stands, which descriptor of a chain tells it, and which features are on. There one sees what is meant; here it is
 * meant everywhere. Peers are written by hand, in the byte order of the ring.
 */
#include "fixture.h"

struct scene {
    const struct format *format;
    bool packed, big, event_idx, indirect, in_order;
    uint32_t size;
    uint16_t start; /* the slot of the first buffer */
    uint32_t n;     /* descriptors of the buffer that is lied about: 1, or 3 where there is room */
    uint32_t e;     /* which of them lies */
};

static struct ring r;

/* ---------------------------------------------------------------------------------------------- writing by hand --- */

static void poke(const struct scene *s, unsigned char *at, unsigned bytes, uint64_t v)
{
    for (unsigned i = 0; i < bytes; i++)
        at[s->big ? bytes - 1 - i : i] = (unsigned char)(v >> 8 * i);
}

static uint64_t peep(const struct scene *s, const unsigned char *at, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)at[s->big ? bytes - 1 - i : i] << 8 * i;
    return v;
}

/* Split; packed has id and flags in the places of the last two. */
enum field { ADDR = 0, LEN = 8, FLAGS = 12, NEXT = 14 };

/* Descriptor i of the buffer: split chains begin at descriptor 0 of the table, packed ones where the ring stands. */
static unsigned char *piece(const struct scene *s, uint32_t i, enum field field)
{
    uint32_t at = s->packed ? ((uint32_t)(s->start & 0x7fff) + i) % s->size : i;
    unsigned offset = (unsigned)field;

    if (s->packed && field == FLAGS)
        offset = 14;
    else if (s->packed && field == NEXT)
        offset = 12;
    return desc_at(&r, at) + offset;
}

static unsigned flags_of(const struct scene *s, uint32_t i)
{
    return (unsigned)peep(s, piece(s, i, FLAGS), 2);
}

static unsigned char *avail_slot(const struct scene *s, uint32_t i)
{
    return avail_at(&r, 4 + 2 * (size_t)((s->start + i) & (s->size - 1)));
}

/* A used element, or used descriptor of n ring entries, i entries after the first. */
static void use(const struct scene *s, uint32_t i, uint64_t id, uint32_t len)
{
    if (s->packed) {
        uint32_t at = (uint32_t)(s->start & 0x7fff) + i;
        bool wrap = !(s->start & 0x8000) != (at >= s->size);
        unsigned char *desc = desc_at(&r, at % s->size);

        poke(s, desc + LEN, 4, len);
        poke(s, desc + 12, 2, id);
        poke(s, desc + 14, 2, (wrap ? VRING_DESC_AVAIL | VRING_DESC_USED : 0) | VRING_DESC_WRITE);
        return;
    }
    unsigned char *elem = used_at(&r, 4 + 8 * (size_t)((s->start + i) & (s->size - 1)));

    poke(s, elem, 4, id);
    poke(s, elem + 4, 4, len);
    poke(s, used_at(&r, 2), 2, s->start + i + 1u);
}

/* ------------------------------------------------------------------------------------------------- what is told --- */

enum lie {
    NO_LIE,
    /* a driver's */
    BUFFER_OUTSIDE, /* C051 */
    BUFFER_WRAPS,   /* C053 */
    WRONG_ORDER,    /* C059 */
    HEAD_OUTSIDE,   /* C038, C124 */
    NEXT_OUTSIDE,   /* C037: split */
    INDEX_AHEAD,    /* C039: split */
    INDEX_BACK,     /* C040: split */
    NO_END,         /* C033, C148 */
    TABLE_LENGTH,   /* C100 */
    TABLE_OUTSIDE,  /* C105 */
    DRIVER_LIES,
    /* a device's */
    USED_OUTSIDE,   /* C155, C200 */
    USED_HUGE,      /* C156: the upper half of a split id */
    USED_FREE,      /* C157 */
    USED_TOO_LONG,  /* C160 */
    USED_AHEAD,     /* C153: split */
    USED_BACK,      /* C154: split */
    ALL_LIES
};

/* Tell it, after the buffer was published. Returns what the other side has to answer; 0 where it cannot be told here. */
static int tell(const struct scene *s, enum lie lie)
{
    unsigned flags = flags_of(s, s->e), last = flags_of(s, s->n - 1);

    switch (lie) {
    case BUFFER_OUTSIDE:
        poke(s, piece(s, s->e, ADDR), 8, 0xdead0000);
        return VRING_E_CHAIN_ADDR;
    case BUFFER_WRAPS:
        poke(s, piece(s, s->e, ADDR), 8, UINT64_MAX);
        return VRING_E_CHAIN_ADDR;
    case WRONG_ORDER:
        if (s->n < 3)
            return 0;
        poke(s, piece(s, s->n - 1, FLAGS), 2, last & ~(unsigned)VRING_DESC_WRITE);
        return VRING_E_CHAIN_ORDER;
    case HEAD_OUTSIDE:
        poke(s, s->packed ? piece(s, s->n - 1, NEXT) : avail_slot(s, 0), 2, s->size + s->e);
        return VRING_E_PEER_ID;
    case NEXT_OUTSIDE:
        if (s->packed)
            return 0;
        poke(s, piece(s, s->e, FLAGS), 2, flags | VRING_DESC_NEXT);
        poke(s, piece(s, s->e, NEXT), 2, s->size + (s->e == 1 ? 0x7fff : 0));
        /* Where the chain may have no more, it is not asked where the next one would be. */
        return s->e + 1 == s->size ? VRING_E_PEER_LOOP : VRING_E_PEER_NEXT;
    case INDEX_AHEAD:
    case INDEX_BACK:
        if (s->packed)
            return 0;
        poke(s, avail_at(&r, 2), 2, lie == INDEX_AHEAD ? s->start + s->size + 1u : s->start - 1u);
        return VRING_E_PEER_INDEX;
    case NO_END:
        for (uint32_t i = s->packed ? s->n : 0; s->packed && i < s->size; i++) {
            bool wrap = !(s->start & 0x8000) != ((uint32_t)(s->start & 0x7fff) + i >= s->size);

            poke(s, piece(s, i, FLAGS), 2,
                 VRING_DESC_NEXT | VRING_DESC_WRITE | (wrap ? VRING_DESC_AVAIL : VRING_DESC_USED));
        }
        poke(s, piece(s, s->n - 1, FLAGS), 2, last | VRING_DESC_NEXT);
        if (!s->packed)
            poke(s, piece(s, s->n - 1, NEXT), 2, s->n - 1);
        return VRING_E_PEER_LOOP;
    case TABLE_LENGTH:
    case TABLE_OUTSIDE:
        poke(s, piece(s, s->e, FLAGS), 2, (flags & ~(unsigned)VRING_DESC_NEXT) | VRING_DESC_INDIRECT);
        poke(s, piece(s, s->e, LEN), 4, lie == TABLE_LENGTH ? 8 : 16);
        poke(s, piece(s, s->e, ADDR), 8, 0xdead0000);
        return lie == TABLE_OUTSIDE && s->indirect && (!s->packed || s->e == 0) ? VRING_E_PEER_TABLE
                                                                               : VRING_E_PEER_INDIRECT;
    case USED_OUTSIDE:
        use(s, 0, s->size, 0);
        return VRING_E_PEER_ID;
    case USED_HUGE:
        use(s, 0, s->packed ? 0xffff : 0x10000, 0);
        return VRING_E_PEER_ID;
    case USED_FREE:
        if (s->size == s->n)
            return 0;
        use(s, 0, s->size - 1, 0);
        return VRING_E_PEER_ID;
    case USED_TOO_LONG:
        use(s, 0, 0, 16 * (s->n == 1 ? 1 : s->n - 1) + 1 + s->e);
        return VRING_E_PEER_LEN;
    case USED_AHEAD:
    case USED_BACK:
        if (s->packed)
            return 0;
        poke(s, used_at(&r, 2), 2, lie == USED_AHEAD ? s->start + 2u : s->start - 1u);
        return VRING_E_PEER_INDEX;
    default:
        return 0;
    }
}

/* --------------------------------------------------------------------------------------------------- everywhere --- */

/* One buffer of n pieces, the first readable if there are others. Published. */
static void offer(VTEST, const struct scene *s)
{
    struct vring_segment segments[3] = {{GUEST, 16}, {GUEST + 64, 16}, {GUEST + 128, 16}};
    uint16_t readable = s->n == 1 ? 0 : 1;

    CHECK_OK(ring_start(&r, s->size,
                        (s->format->all & ~(VRING_F_EVENT_IDX | VRING_F_INDIRECT_DESC)) |
                            (s->event_idx ? VRING_F_EVENT_IDX : 0) | (s->indirect ? VRING_F_INDIRECT_DESC : 0) |
                            (s->in_order ? VRING_F_IN_ORDER : 0),
                        s->start));
    CHECK_OK(vring_driver_add_avail(&r.driver, segments, readable, (uint16_t)(s->n - readable), 42));
    CHECK(vring_driver_publish(&r.driver) >= 0);
}

/* Broken for good: every call says the same, and does it without looking at the ring. */
static void broken_driver(VTEST, int error)
{
    struct vring_used_buffer used;

    memset(r.driver_config.desc, 0xff, r.layout.desc_size);
    CHECK_ERR(vring_driver_get_used(&r.driver, &used), error);
    CHECK_ERR(ring_add(&r, 0, 1, true, 1), error);
    CHECK_ERR(vring_driver_publish(&r.driver), error);
    CHECK_ERR(vring_driver_enable_notify(&r.driver), error);
    CHECK_EQ(vring_driver_fault(&r.driver).error, error);
}

static void broken_device(VTEST, int error)
{
    struct vring_chain chain;

    memset(r.driver_config.desc, 0xff, r.layout.desc_size);
    CHECK_ERR(ring_get_avail(&r, &chain), error);
    CHECK_ERR(vring_device_publish(&r.device), error);
    CHECK_ERR(vring_device_enable_notify(&r.device), error);
    CHECK_EQ(vring_device_fault(&r.device).error, error);
}

static void one_lie(VTEST, const struct scene *s, enum lie lie)
{
    struct vring_used_buffer used;
    struct vring_chain chain;
    int answer;

    offer(VTEST_PASS, s);
    if (vtest_this->failed)
        return;
    answer = tell(s, lie);
    if (lie == NO_LIE) { /* the control: without a lie the same scene is served */
        CHECK_OK(ring_get_avail(&r, &chain));
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, (uint32_t)chain.writable));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.token, 42);
        CHECK_EQ(used.len, 16 * (s->n == 1 ? 1 : 2));
    } else if (answer != 0 && lie < DRIVER_LIES) {
        CHECK_ERR(ring_get_avail(&r, &chain), answer);
        if (vring_error_blame(answer) == VRING_BLAME_PEER) {
            broken_device(VTEST_PASS, answer);
            return;
        }
        CHECK_EQ(chain.n_readable + chain.n_writable, 0); /* one buffer is refused, and given back */
        CHECK_OK(vring_device_add_used(&r.device, chain.handle, 0));
        CHECK(vring_device_publish(&r.device) >= 0);
        CHECK_OK(vring_driver_get_used(&r.driver, &used));
        CHECK_EQ(used.len, 0);
    } else if (answer != 0) {
        CHECK_ERR(vring_driver_get_used(&r.driver, &used), answer);
        broken_driver(VTEST_PASS, answer);
    }
}

/* The slots of a ring of this size at which a lie is told: first, middle, last, and the last before the index wraps. */
static uint16_t slot_of(const struct scene *s, int where)
{
    switch (where) {
    case 0:
        return 0;
    case 1:
        return (uint16_t)(s->size / 2);
    case 2:
        return (uint16_t)(s->size - 1);
    default:
        return s->packed ? (uint16_t)((s->size - 1) | 0x8000) : 65535;
    }
}

RING_TEST(C033_C037_C038_C039_C040_C051_C053_C059_C100_C105_C124_C148_C153_C154_C155_C156_C157_C160_C200_every_lie_everywhere)
{
    static const uint32_t split_sizes[] = {1, 2, 4, 8, 256, 32768},
                          packed_sizes[] = {1, 2, 3, 5, 7, 8, 256, 1000, 32768};
    struct scene s = {.format = format, .packed = (format->all & VRING_F_RING_PACKED) != 0,
                      .big = !(format->all & VRING_F_VERSION_1)};
    const uint32_t *sizes = s.packed ? packed_sizes : split_sizes;
    size_t n_sizes = s.packed ? sizeof packed_sizes / sizeof *sizes : sizeof split_sizes / sizeof *sizes;
    unsigned told = 0;

    for (size_t i = 0; i < n_sizes; i++)
        for (int features = 0; features < 8; features++)
            for (int where = 0; where < 4; where++)
                for (uint32_t e = 0; e < 3; e++)
                    for (int lie = NO_LIE; lie < ALL_LIES; lie++) {
                        s.size = sizes[i];
                        s.n = s.size < 3 ? 1 : 3;
                        s.e = e;
                        s.event_idx = features & 1;
                        s.indirect = (features & 2) != 0;
                        s.in_order = (features & 4) != 0;
                        s.start = slot_of(&s, where);
                        if (s.e >= s.n || (s.in_order && s.big) || (s.size > 256 && (features != 7 && features != 3)))
                            continue;
#ifdef VRING_TEST_QUICK
                        if (s.size > 256)
                            continue;
#endif
                        one_lie(vtest_this, &s, (enum lie)lie);
                        if (vtest_this->failed) {
                            printf("#   lie %d, size %u, slot %u, descriptor %u of %u, features %d\n", lie,
                                   (unsigned)s.size, (unsigned)s.start, (unsigned)s.e, (unsigned)s.n, features);
                            return;
                        }
                        told++;
                    }
    CHECK(told > 3000);
}
