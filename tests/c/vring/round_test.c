/* SPDX-License-Identifier: MIT */
/*
 * With IN_ORDER a driver takes descriptors round and round (2.7.5), and a split device that finds it so looks no
 * further. So here is one that goes round for a while and breaks off where it likes, against a device of which is known
 * what it holds.
 */
#include "fixture.h"

enum { SIZE = 8, WRITABLE = 5 }; /* descriptors from this one on are for the device to write */

static struct ring r;

static struct {
    uint32_t head;
    vring_handle handle;
    bool known; /* the handle: of a run only the last one's is told */
} held[SIZE];   /* by the device, oldest first */
static uint32_t n_held;
static uint32_t offered[SIZE]; /* and not yet taken, oldest first */
static uint32_t n_offered, next_head, broken;
static uint64_t seed;

static uint32_t below(uint32_t end)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % end;
}

static void start(VTEST)
{
    uint32_t index = below(2) ? 0xfff0 + below(16) : below(SIZE);

    CHECK_OK(ring_start(&r, SIZE, features_plain | VRING_F_IN_ORDER, (uint16_t)index));
    n_held = n_offered = next_head = 0;
    for (uint32_t i = 0; i < SIZE; i++)
        raw_desc(&r, i, GUEST + 64 * i, 16 + i, i < WRITABLE ? 0 : VRING_DESC_WRITE, 0);
}

static void offer(void)
{
    for (uint32_t most = 1 + below(SIZE); most > 0 && n_held + n_offered < SIZE; most--) {
        if (below(12) == 0)
            next_head = below(4 * SIZE) == 0 ? SIZE : below(SIZE);
        raw_avail(&r, offered[n_offered++] = next_head);
        next_head = (next_head + 1) % SIZE;
    }
    put16(avail_at(&r, 4 + 2 * SIZE), next_head); /* used_event: no entry of the ring, though it looks as one would */
}

/* May the device take the i-th of those offered, if those before it are taken? */
static bool is_free(uint32_t i)
{
    for (uint32_t j = 0; j < n_held; j++)
        if (held[j].head == offered[i])
            return false;
    for (uint32_t j = 0; j < i; j++)
        if (offered[j] == offered[i])
            return false;
    return offered[i] < SIZE;
}

/* The first count of those offered have been taken, of the last of which this is told; their pieces lie at iov. */
static void taken(VTEST, uint32_t count, const struct vring_chain *last, const struct vring_iov *iov)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t head = offered[i];

        CHECK(iov[i].base == r.guest + 64 * head && iov[i].len == 16 + head);
        held[n_held].head = head;
        held[n_held++].known = false;
    }
    uint32_t head = held[n_held - 1].head;

    CHECK_EQ(last->n_writable, head >= WRITABLE);
    CHECK_EQ(last->n_readable, head < WRITABLE);
    CHECK(last->readable + last->writable == 16 + head && (last->writable > 0) == (head >= WRITABLE));
    held[n_held - 1].handle = last->handle;
    held[n_held - 1].known = true;
    n_offered -= count;
    for (uint32_t i = 0; i < n_offered; i++)
        offered[i] = offered[i + count];
}

/* Take some by whatever verb; begin anew if that broke the queue, as it had to. */
static void take(VTEST)
{
    struct vring_chain chains[SIZE];
    uint32_t capacity = 1 + below(SIZE), expected = 0, n = 1, verb = below(3);
    int error;

    if (verb == 0) {
        capacity = 1;
        error = vring_device_get_avail(&r.device, r.iov, SIZE, chains);
    } else if (verb == 1) {
        error = vring_device_get_avail_batch(&r.device, r.iov, SIZE, chains, capacity, &n);
    } else {
        error = vring_device_get_avail_run(&r.device, r.iov, capacity, chains, &n);
    }
    while (expected < n_offered && expected < capacity && is_free(expected))
        expected++;
    if (error == VRING_E_EMPTY) {
        CHECK_EQ(n_offered, 0);
        return;
    }
    if (error) {
        CHECK_EQ(error, VRING_E_PEER_ID);
        CHECK(expected < n_offered && expected < capacity && (verb == 1 ? n == expected : expected == 0));
        broken++;
        start(VTEST_PASS);
        return;
    }
    CHECK(n >= 1 && (verb == 1 ? n == expected && (n == capacity || n == n_offered) : n <= expected));
    for (uint32_t i = 0; verb == 2 && i < n; i++)
        CHECK_EQ(offered[i] < WRITABLE, offered[n - 1] < WRITABLE);
    for (uint32_t done = 0; done < n; done++)
        if (verb == 1 || done == n - 1)
            taken(VTEST_PASS, verb == 1 ? 1 : n, verb == 1 ? &chains[done] : chains, verb == 1 ? &r.iov[done] : r.iov);
}

/* Use some, the oldest, up to one whose handle is known; or give the newest back. */
static void give_back(VTEST)
{
    uint32_t last = n_held > 0 ? below(n_held) : 0, count = last + 1;

    if (n_held == 0 || !held[last].known)
        return;
    if (below(4) == 0 && held[n_held - 1].known) {
        CHECK_OK(vring_device_rewind(&r.device, held[n_held - 1].handle));
        for (uint32_t i = n_offered++; i > 0; i--)
            offered[i] = offered[i - 1];
        offered[0] = held[--n_held].head;
        if (below(2)) { /* and the driver thinks better of it */
            uint32_t position = get16(avail_at(&r, 2)) - n_offered;

            put16(avail_at(&r, 4 + 2 * (size_t)(position % SIZE)), offered[0] = below(SIZE));
        }
        return;
    }
    CHECK_OK(vring_device_add_used_through(&r.device, held[last].handle, 0));
    CHECK(vring_device_publish(&r.device) >= 0);
    n_held -= count;
    for (uint32_t i = 0; i < n_held; i++)
        held[i] = held[i + count];
}

TEST(C126_C127_split_a_driver_that_goes_round_breaks_off)
{
    seed = 1;
    broken = 0;
    start(VTEST_PASS);
    for (uint32_t step = 0; step < 20000; step++) {
        offer();
        take(VTEST_PASS);
        give_back(VTEST_PASS);
        CHECK_EQ(vring_device_in_flight(&r.device), n_held);
    }
    CHECK(broken > 200);
}
