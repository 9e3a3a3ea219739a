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

    struct vring_regions world;

    CHECK_OK(vring_regions_check(regions, 4));
    for (uint32_t start = 0; start <= 4; start++)
        for (uint64_t addr = 0; addr < 64; addr++) {
            regions_start(&world, regions, 4);
            if (start < 4)
                world.last = regions[start]; /* whatever was looked up before */

            struct regions_piece piece = regions_find(&world, addr);

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

    CHECK(regions_find(&world, UINT64_MAX).host == host + 40);
    CHECK_EQ(world.last.addr, UINT64_MAX);
}

TEST(C027_C028_regions_check)
{
    struct vring_region overlap[] = {{0, 11, host, 0}, {10, 10, host, 0}};
    struct vring_region unsorted[] = {{20, 10, host, 0}, {0, 10, host, 0}};
    struct vring_region empty[] = {{0, 0, host, 0}};
    struct vring_region wraps[] = {{UINT64_MAX, 2, host, 0}};
    struct vring_region nowhere[] = {{0, 10, NULL, 0}};
    struct vring_region wraps_here[] = {{0, UINT64_MAX, host, 0}};

    CHECK_ERR(vring_regions_check(overlap, 2), VRING_E_OVERLAP);
    CHECK_ERR(vring_regions_check(unsorted, 2), VRING_E_OVERLAP);
    CHECK_ERR(vring_regions_check(empty, 1), VRING_E_ADDR);
    CHECK_ERR(vring_regions_check(wraps, 1), VRING_E_ADDR);
    CHECK_ERR(vring_regions_check(wraps_here, 1), VRING_E_ADDR);
    CHECK_ERR(vring_regions_check(nowhere, 1), VRING_E_NULL);
    CHECK_ERR(vring_regions_check(NULL, 1), VRING_E_NULL);
    CHECK_OK(vring_regions_check(NULL, 0));
}

/* More regions than any search could visit one by one in the steps allowed. */
TEST(C030_search_among_4096_regions)
{
    static struct vring_region regions[4096];
    struct vring_regions world;

    for (uint32_t i = 0; i < 4096; i++)
        regions[i] = (struct vring_region){3 * (uint64_t)i, 2, host, 0};
    CHECK_OK(vring_regions_check(regions, 4096));
    regions_start(&world, regions, 4096);
    for (uint32_t i = 0; i < 4096; i++) {
        CHECK(vring_regions_search(&world, 3 * (uint64_t)i));
        CHECK_EQ(world.last.addr, 3 * (uint64_t)i);
        CHECK(vring_regions_search(&world, 3 * (uint64_t)i + 1));
        CHECK_EQ(world.last.addr, 3 * (uint64_t)i);
        CHECK(!vring_regions_search(&world, 3 * (uint64_t)i + 2));
    }
}

TEST(regions_whole_answers_for_the_last_region_alone)
{
    struct vring_region regions[] = {{10, 10, host, 0}, {20, 10, host + 16, VRING_REGION_READ_ONLY}};
    struct vring_regions world;
    void *here;

    regions_start(&world, NULL, 0);
    for (uint64_t addr = 0; addr < 40; addr++)
        CHECK(!regions_whole(&world, addr, 1, false, &here)); /* there are none */
    regions_start(&world, regions, 2);
    for (uint64_t addr = 0; addr < 40; addr++)
        CHECK_EQ(regions_whole(&world, addr, 1, false, &here), addr >= 10 && addr < 20); /* at first, it is the first */
    for (uint32_t last = 0; last < 2; last++)
        for (uint64_t addr = 0; addr < 40; addr++)
            for (uint32_t len = 0; len < 40; len++)
                for (int writable = 0; writable < 2; writable++) {
                    const struct vring_region *in = &regions[last];
                    bool whole =
                        len > 0 && addr >= in->addr && addr + len <= in->addr + in->size && !(writable && in->flags);

                    world.last = *in;
                    CHECK_EQ(regions_whole(&world, addr, len, writable, &here), whole);
                    CHECK(!whole || here == (unsigned char *)in->host + (addr - in->addr));
                }
}
