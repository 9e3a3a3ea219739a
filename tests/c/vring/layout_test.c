/* SPDX-License-Identifier: MIT */
#include <vring/vring.h>

#include "vtest.h"

TEST(V1_C001_C002_C006_layout_refuses_sizes_that_are_no_power_of_two)
{
    static const uint32_t bad[] = {0, 3, 255, 257, 32767, 32769, 65535, 65536, UINT32_C(0x80000000), UINT32_MAX};
    struct vring_split_areas layout;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERR(vring_split_layout(bad[i], 0, &layout), VRING_E_SIZE);
    CHECK_ERR(vring_split_layout(8, 0, NULL), VRING_E_NULL);
}

TEST(V2_C005_area_sizes)
{
    struct vring_split_areas layout;

    for (uint32_t size = 1; size <= 32768; size *= 2) {
        CHECK_OK(vring_split_layout(size, 0, &layout));
        CHECK_EQ(layout.desc_size, 16 * size);
        CHECK_EQ(layout.driver_size, 6 + 2 * size);
        CHECK_EQ(layout.device_size, 6 + 8 * size);
        CHECK(layout.driver_offset >= layout.desc_size);
        CHECK(layout.device_offset >= layout.driver_offset + layout.driver_size);
        CHECK_EQ(layout.device_offset % 4, 0);
        CHECK_EQ(layout.total, layout.device_offset + layout.device_size);
    }
    CHECK_EQ(layout.desc_size, 524288);
    CHECK_EQ(layout.driver_size, 65542);
    CHECK_EQ(layout.device_size, 262150);
}

TEST(V6_legacy_layout_of_256_entries)
{
    struct vring_split_areas layout;

    CHECK_OK(vring_split_layout(256, 4096, &layout));
    CHECK_EQ(layout.driver_offset, 4096);
    CHECK_EQ(layout.device_offset, 8192);
    CHECK_EQ(layout.total, 12288);
}

TEST(C022_legacy_align)
{
    static const uint32_t bad[] = {1, 2, 3, 6, 65535, 65537, 131072};
    struct vring_split_areas layout;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERR(vring_split_layout(8, bad[i], &layout), VRING_E_ALIGN);
    for (uint32_t align = 4; align <= 65536; align *= 2) {
        CHECK_OK(vring_split_layout(8, align, &layout));
        CHECK_EQ(layout.device_offset % align, 0);
        CHECK_EQ(layout.total % align, 0);
    }
}

TEST(C023_the_largest_legacy_ring)
{
    struct vring_split_areas layout;

    CHECK_OK(vring_split_layout(32768, 65536, &layout));
    CHECK_EQ(layout.device_offset, 10 * 65536);
    CHECK_EQ(layout.total, 15 * 65536);
}

TEST(V8_packed_layout)
{
    struct vring_packed_areas layout;

    CHECK_ERR(vring_packed_layout(0, &layout), VRING_E_SIZE);
    CHECK_ERR(vring_packed_layout(32769, &layout), VRING_E_SIZE);
    CHECK_ERR(vring_packed_layout(0x10001, &layout), VRING_E_SIZE);
    CHECK_ERR(vring_packed_layout(8, NULL), VRING_E_NULL);
    for (uint32_t size = 1; size <= 32768; size++) {
        CHECK_OK(vring_packed_layout(size, &layout));
        CHECK_EQ(layout.desc_size, 16 * size);
        CHECK_EQ(layout.driver_size, 4);
        CHECK_EQ(layout.device_size, 4);
        CHECK_EQ(layout.driver_offset, 16 * size);
        CHECK_EQ(layout.device_offset, 16 * size + 4);
        CHECK_EQ(layout.total, 16 * size + 8);
    }
}

TEST(features_promise_what_is_there_and_pass_what_is_not_ours)
{
    const uint64_t device_type = 0xffffff | ~((UINT64_C(1) << 50) - 1);
    const uint64_t legacy = VRING_F_NOTIFY_ON_EMPTY | VRING_F_ANY_LAYOUT;

    CHECK_EQ(vring_features_supported(1), 0);
    CHECK((vring_features_supported(0) & VRING_F_VERSION_1) != 0);
    CHECK_EQ(vring_features_supported(0) & VRING_F_ADMIN_VQ, 0);
    CHECK(vring_features_accept(0, UINT64_MAX) == ((vring_features_supported(0) & ~legacy) | device_type));
    CHECK(vring_features_accept(0, UINT64_MAX & ~VRING_F_VERSION_1) ==
          ((vring_features_supported(0) & UINT32_MAX) | device_type));
    CHECK_EQ(vring_features_accept(0, 0), 0);
    CHECK(vring_features_accept(1, UINT64_MAX) == UINT64_MAX);
}

TEST(errors_say_whose_move_it_is)
{
    CHECK_EQ(vring_error_blame(0), VRING_BLAME_NONE);
    CHECK_EQ(vring_error_blame(7), VRING_BLAME_NONE);
    CHECK_EQ(vring_error_blame(VRING_E_EMPTY), VRING_BLAME_STATE);
    CHECK_EQ(vring_error_blame(VRING_E_ROOM), VRING_BLAME_STATE);
    CHECK_EQ(vring_error_blame(VRING_E_NULL), VRING_BLAME_CALLER);
    CHECK_EQ(vring_error_blame(VRING_E_STATE), VRING_BLAME_CALLER);
    CHECK_EQ(vring_error_blame(VRING_E_CHAIN_ADDR), VRING_BLAME_CHAIN);
    CHECK_EQ(vring_error_blame(VRING_E_CHAIN_LEN), VRING_BLAME_CHAIN);
    CHECK_EQ(vring_error_blame(VRING_E_PEER_INDEX), VRING_BLAME_PEER);
    CHECK_EQ(vring_error_blame(VRING_E_PEER_LEN), VRING_BLAME_PEER);
    CHECK_EQ(vring_error_blame(-9999), VRING_BLAME_CALLER);
}

/* The text starts with whom it blames, for every error there is, and no two read alike. */
TEST(error_texts_start_with_the_blame)
{
    static const char first[] = {'n', 's', 'c', 'd', 'p'};

    for (int error = 0; error > -128; error--) {
        enum vring_blame blame = vring_error_blame(error);

        CHECK_EQ(vring_error_text(error)[0], first[blame]);
        for (int other = 0; other > error; other--)
            CHECK(vring_error_text(other) != vring_error_text(error) || vring_error_text(error)[8] == 'n');
    }
}
