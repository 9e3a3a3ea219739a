/* SPDX-License-Identifier: MIT */
#include "layout.h"

#include <vring/wire.h>

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

int vring_split_layout(uint32_t size, uint32_t queue_align, struct vring_split_areas *layout)
{
    if (!layout)
        return VRING_E_NULL;
    if (!is_power_of_two(size) || size > VRING_SPLIT_SIZE_MAX)
        return VRING_E_SIZE;
    if (queue_align != 0 && (!is_power_of_two(queue_align) || queue_align < 4 || queue_align > 65536))
        return VRING_E_ALIGN;

    layout->desc_size = sizeof(struct vring_wire_split_desc) * size;
    layout->driver_size = sizeof(struct vring_wire_split_avail) + sizeof(vring_wire16) * (size + 1);
    layout->device_size =
        sizeof(struct vring_wire_split_used) + sizeof(struct vring_wire_split_used_elem) * size + sizeof(vring_wire16);
    layout->driver_offset = layout->desc_size;
    layout->device_offset = round_up(layout->desc_size + layout->driver_size,
                                     queue_align ? queue_align : (size_t)VRING_SPLIT_DEVICE_AREA_ALIGN);
    layout->total = layout->device_offset + layout->device_size;
    if (queue_align != 0)
        layout->total = round_up(layout->total, queue_align);
    return 0;
}

int vring_packed_layout(uint32_t size, struct vring_packed_areas *layout)
{
    if (!layout)
        return VRING_E_NULL;
    if (size == 0 || size > VRING_PACKED_SIZE_MAX)
        return VRING_E_SIZE;

    layout->desc_size = sizeof(struct vring_wire_packed_desc) * size;
    layout->driver_size = sizeof(struct vring_wire_packed_event);
    layout->device_size = sizeof(struct vring_wire_packed_event);
    layout->driver_offset = layout->desc_size;
    layout->device_offset = layout->driver_offset + layout->driver_size;
    layout->total = layout->device_offset + layout->device_size;
    return 0;
}

struct range {
    uintptr_t start;
    size_t len;
    size_t align;
};

static bool overlap(const struct range *a, const struct range *b)
{
    return a->start < b->start ? b->start - a->start < a->len : a->start - b->start < b->len;
}

static int check_ranges(const struct range *ranges, int count)
{
    for (int i = 0; i < count; i++)
        if (ranges[i].start == 0)
            return VRING_E_NULL;
    for (int i = 0; i < count; i++)
        if (ranges[i].start & (ranges[i].align - 1))
            return VRING_E_ALIGN;
    for (int i = 0; i < count; i++)
        if (ranges[i].len - 1 > UINTPTR_MAX - ranges[i].start)
            return VRING_E_ADDR;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            if (overlap(&ranges[i], &ranges[j]))
                return VRING_E_OVERLAP;
    return 0;
}

int vring_split_check(const struct vring_split_ring *ring, uint32_t size, const void *state, uint32_t count,
                      size_t element)
{
    struct vring_split_areas layout;
    int error = vring_split_layout(size, 0, &layout);

    if (error)
        return error;
    if (count < size)
        return VRING_E_SIZE;

    struct range ranges[] = {
        {(uintptr_t)ring->desc, layout.desc_size, VRING_SPLIT_DESC_ALIGN},
        {(uintptr_t)ring->driver_area, layout.driver_size, VRING_SPLIT_DRIVER_AREA_ALIGN},
        {(uintptr_t)ring->device_area, layout.device_size, VRING_SPLIT_DEVICE_AREA_ALIGN},
        {(uintptr_t)state, size * element, _Alignof(uint64_t)},
    };
    return check_ranges(ranges, (int)(sizeof ranges / sizeof *ranges));
}

int vring_packed_check(const struct vring_packed_ring *ring, uint32_t size, const void *state, uint32_t count,
                       size_t element)
{
    struct vring_packed_areas layout;
    int error = vring_packed_layout(size, &layout);

    if (error)
        return error;
    if (count < size)
        return VRING_E_SIZE;

    struct range ranges[] = {
        {(uintptr_t)ring->desc, layout.desc_size, VRING_PACKED_DESC_ALIGN},
        {(uintptr_t)ring->driver_area, layout.driver_size, VRING_PACKED_EVENT_ALIGN},
        {(uintptr_t)ring->device_area, layout.device_size, VRING_PACKED_EVENT_ALIGN},
        {(uintptr_t)state, size * element, _Alignof(uint64_t)},
    };
    return check_ranges(ranges, (int)(sizeof ranges / sizeof *ranges));
}
