/* SPDX-License-Identifier: MIT */
#include "vring/regions.h"

#include "vtest.h"

static unsigned char host[64];

TEST(regions_find_every_address_of_a_small_world)
{
    /* [10,20) and [20,30) touch; [40,41); the last byte before 2^64 */
    struct vring_region regions[] = {
        {10, 10, host, 0}, {20, 10, host + 16, VRING_REGION_READ_ONLY}, {40, 1, host + 32, 0},
        {UINT64_MAX, 1, host + 40, 0},
    };

    CHECK_OK(regions_check(regions, 4));
    for (uint32_t start = 0; start <= 4; start++)
        for (uint64_t addr = 0; addr < 64; addr++) {
            uint32_t hint = start; /* whatever was looked up before */
            struct regions_piece piece = regions_find(regions, 4, &hint, addr);

            if (addr >= 10 && addr < 20) {
                CHECK(piece.host == host + (addr - 10) && piece.len == 20 - addr && !piece.read_only);
            } else if (addr >= 20 && addr < 30) {
                CHECK(piece.host == host + 16 + (addr - 20) && piece.len == 30 - addr && piece.read_only);
            } else if (addr == 40) {
                CHECK(piece.host == host + 32 && piece.len == 1);
            } else {
                CHECK(!piece.host);
            }
        }

    uint32_t hint = 0;

    CHECK(regions_find(regions, 4, &hint, UINT64_MAX).host == host + 40);
    CHECK_EQ(hint, 3);
}

TEST(C027_C028_regions_check)
{
    struct vring_region overlap[] = {{0, 11, host, 0}, {10, 10, host, 0}};
    struct vring_region unsorted[] = {{20, 10, host, 0}, {0, 10, host, 0}};
    struct vring_region empty[] = {{0, 0, host, 0}};
    struct vring_region wraps[] = {{UINT64_MAX, 2, host, 0}};
    struct vring_region nowhere[] = {{0, 10, NULL, 0}};
    struct vring_region wraps_here[] = {{0, UINT64_MAX, host, 0}};

    CHECK_ERR(regions_check(overlap, 2), VRING_E_OVERLAP);
    CHECK_ERR(regions_check(unsorted, 2), VRING_E_OVERLAP);
    CHECK_ERR(regions_check(empty, 1), VRING_E_ADDR);
    CHECK_ERR(regions_check(wraps, 1), VRING_E_ADDR);
    CHECK_ERR(regions_check(wraps_here, 1), VRING_E_ADDR);
    CHECK_ERR(regions_check(nowhere, 1), VRING_E_NULL);
    CHECK_ERR(regions_check(NULL, 1), VRING_E_NULL);
    CHECK_OK(regions_check(NULL, 0));
}

/* More regions than any search could visit one by one in the steps allowed. */
TEST(C030_search_among_4096_regions)
{
    static struct vring_region regions[4096];

    for (uint32_t i = 0; i < 4096; i++)
        regions[i] = (struct vring_region){3 * (uint64_t)i, 2, host, 0};
    CHECK_OK(regions_check(regions, 4096));
    for (uint32_t i = 0; i < 4096; i++) {
        CHECK_EQ(regions_search(regions, 4096, 3 * (uint64_t)i), i);
        CHECK_EQ(regions_search(regions, 4096, 3 * (uint64_t)i + 1), i);
        CHECK_EQ(regions_search(regions, 4096, 3 * (uint64_t)i + 2), 4096);
    }
}
