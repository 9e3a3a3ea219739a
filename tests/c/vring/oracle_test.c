/* SPDX-License-Identifier: MIT */
/* Linux' own header says the same about every layout and every notification. */
#include <vring/vring.h>

#include <linux/virtio_ring.h>

#include "vring/event.h"
#include "vtest.h"

static size_t from(const void *start, const volatile void *at)
{
    return (size_t)((const volatile unsigned char *)at - (const unsigned char *)start);
}

TEST(V2_V3_V6_C005_C023_every_size_and_alignment_lies_where_linux_has_it)
{
    /* Longer than any ring; named, never touched. */
    static unsigned char start[1 << 20] __attribute__((aligned(65536)));

    for (uint32_t size = 1; size <= 32768; size *= 2)
        for (uint32_t align = 4; align <= 65536; align *= 2) {
            struct vring_split_areas ours;
            struct vring theirs;

            vring_init(&theirs, size, start, align);
            CHECK_OK(vring_split_layout(size, align, &ours));
            CHECK_EQ(from(start, theirs.desc), 0);
            CHECK_EQ(ours.driver_offset, from(start, theirs.avail));
            CHECK_EQ(ours.device_offset, from(start, theirs.used));
            CHECK_EQ(ours.device_offset + ours.device_size, vring_size(size, align));
            CHECK_EQ(ours.driver_offset + ours.driver_size,
                     from(start, &vring_used_event(&theirs)) + sizeof vring_used_event(&theirs));
            CHECK_EQ(ours.device_offset + ours.device_size,
                     from(start, &vring_avail_event(&theirs)) + sizeof(uint16_t));
        }
}

TEST(the_wire_has_the_same_structs_and_numbers)
{
    CHECK_EQ(sizeof(struct vring_wire_split_desc), sizeof(struct vring_desc));
    CHECK_EQ(offsetof(struct vring_wire_split_desc, len), offsetof(struct vring_desc, len));
    CHECK_EQ(offsetof(struct vring_wire_split_desc, flags), offsetof(struct vring_desc, flags));
    CHECK_EQ(offsetof(struct vring_wire_split_desc, next), offsetof(struct vring_desc, next));
    CHECK_EQ(sizeof(struct vring_wire_split_used_elem), sizeof(struct vring_used_elem));
    CHECK_EQ(offsetof(struct vring_wire_split_used_elem, len), offsetof(struct vring_used_elem, len));
    CHECK_EQ(sizeof(struct vring_wire_packed_desc), sizeof(struct vring_packed_desc));
    CHECK_EQ(offsetof(struct vring_wire_packed_desc, len), offsetof(struct vring_packed_desc, len));
    CHECK_EQ(offsetof(struct vring_wire_packed_desc, id), offsetof(struct vring_packed_desc, id));
    CHECK_EQ(offsetof(struct vring_wire_packed_desc, flags), offsetof(struct vring_packed_desc, flags));
    CHECK_EQ(sizeof(struct vring_wire_packed_event), sizeof(struct vring_packed_desc_event));
    CHECK_EQ(VRING_DESC_NEXT, VRING_DESC_F_NEXT);
    CHECK_EQ(VRING_DESC_WRITE, VRING_DESC_F_WRITE);
    CHECK_EQ(VRING_DESC_INDIRECT, VRING_DESC_F_INDIRECT);
    CHECK_EQ(VRING_DESC_AVAIL, 1 << VRING_PACKED_DESC_F_AVAIL);
    CHECK_EQ(VRING_DESC_USED, 1 << VRING_PACKED_DESC_F_USED);
    CHECK_EQ(VRING_NO_NOTIFY, VRING_AVAIL_F_NO_INTERRUPT);
    CHECK_EQ(VRING_NO_NOTIFY, VRING_USED_F_NO_NOTIFY);
    CHECK_EQ(VRING_EVENT_ENABLE, VRING_PACKED_EVENT_FLAG_ENABLE);
    CHECK_EQ(VRING_EVENT_DISABLE, VRING_PACKED_EVENT_FLAG_DISABLE);
    CHECK_EQ(VRING_EVENT_DESC, VRING_PACKED_EVENT_FLAG_DESC);
    CHECK(VRING_F_INDIRECT_DESC == UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC);
    CHECK(VRING_F_EVENT_IDX == UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
}

TEST(V20_C076_C168_every_notification_is_decided_as_linux_decides_it)
{
    static const uint16_t before[] = {0, 1, 0x7fff, 0x8000, 65530, 65535};
    static const uint16_t lengths[] = {0, 1, 2, 3, 255, 32767, 32768, 32769, 65535};

    for (unsigned b = 0; b < sizeof before / sizeof *before; b++)
        for (unsigned l = 0; l < sizeof lengths / sizeof *lengths; l++)
            for (uint32_t event = 0; event < 65536; event++) {
                uint16_t now = (uint16_t)(before[b] + lengths[l]);

                CHECK_EQ(event_is_due((uint16_t)event, now, before[b]),
                         vring_need_event((uint16_t)event, now, before[b]) != 0);
            }
}
