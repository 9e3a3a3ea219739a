/* SPDX-License-Identifier: MIT */
#include "heads.h"

static uint32_t heads_age(const struct vring_head *heads, uint32_t i)
{
    return heads[heads[i].order].writable;
}

static void heads_swap(struct vring_head *heads, uint32_t a, uint32_t b)
{
    uint16_t head = heads[a].order;

    heads[a].order = heads[b].order;
    heads[b].order = head;
}

/* Let order[i] sink in the heap of the first count, where no child is above its parent. */
static void heads_sink(struct vring_head *heads, uint32_t i, uint32_t count)
{
    for (uint32_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && heads_age(heads, child + 1) > heads_age(heads, child))
            child++;
        if (heads_age(heads, child) <= heads_age(heads, i))
            return;
        heads_swap(heads, i, child);
    }
}

/* Heap sort: in place, and no order of the ages makes it slow. */
void vring_heads_sort(struct vring_head *heads, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--)
        heads_sink(heads, i - 1, count);
    for (uint32_t left = count; left > 1; left--) {
        heads_swap(heads, 0, left - 1);
        heads_sink(heads, 0, left - 1);
    }
}

static void heads_reverse(struct vring_head *heads, uint32_t from, uint32_t to)
{
    for (; from + 1 < to; from++, to--)
        heads_swap(heads, from, to - 1);
}

void vring_heads_rotate(struct vring_head *heads, uint32_t size, uint32_t by)
{
    heads_reverse(heads, 0, size);
    heads_reverse(heads, 0, by);
    heads_reverse(heads, by, size);
}

static void heads_save_one(struct saved_cursor *to, const struct vring_head *heads, uint16_t head, uint16_t generation)
{
    bool used = heads_held_back(heads, head);

    saved_put(to, 4, used ? heads[head].writable : 0);
    saved_put(to, 2, head);
    saved_put(to, 2, heads[head].taken);
    saved_put(to, 2, used ? heads[head].used & ~(unsigned)HEAD_BEFORE : (unsigned)HEAD_WAITING);
    saved_put(to, 2, (uint16_t)(generation - (heads[head].used == HEAD_WAITING ? heads[head].writable
                                                                              : heads[head].handle >> 16)));
}

void vring_heads_save(struct saved_cursor *to, const struct vring_head *heads, uint32_t size, uint32_t start,
                      uint32_t count, bool in_order, uint16_t generation)
{
    for (uint32_t i = 0; in_order && i < count; i++)
        heads_save_one(to, heads, heads[start + i < size ? start + i : start + i - size].order, generation);
    for (uint32_t i = 0; !in_order && i < size; i++)
        if (heads[i].taken != 0)
            heads_save_one(to, heads, (uint16_t)i, generation);
}

int vring_heads_restore(struct saved_cursor *from, struct vring_head *heads, uint32_t size, uint32_t count, bool in_order)
{
    heads_clear(heads, size);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t writable = (uint32_t)saved_get(from, 4);
        uint16_t head = (uint16_t)saved_get(from, 2), taken = (uint16_t)saved_get(from, 2);
        uint16_t used = (uint16_t)saved_get(from, 2), age = (uint16_t)saved_get(from, 2);
        bool held_back = in_order && (used == HEAD_USED_IN_PART || used == HEAD_USED_IN_FULL);

        if (head >= size || heads[head].taken != 0 || taken == 0 || taken > size || !(held_back || used == HEAD_WAITING))
            return VRING_E_SAVED;
        heads_wait(heads, head, taken, i);
        heads[head].used = held_back ? used | HEAD_BEFORE : used;
        heads[head].writable = in_order ? writable : (uint32_t)UINT16_MAX - age;
    }
    if (!in_order)
        vring_heads_sort(heads, count);
    return from->left == 0 ? 0 : VRING_E_SAVED;
}
