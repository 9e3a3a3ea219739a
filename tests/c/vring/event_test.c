/* SPDX-License-Identifier: MIT */
#include "vring/event.h"

#include "vtest.h"

/* The definition, by walking: does any entry used between before and now bear the number event? */
static bool due_by_walking(uint16_t event, uint16_t now, uint16_t before)
{
    for (uint16_t entry = before; entry != now; entry++)
        if (entry == event)
            return true;
    return false;
}

TEST(V20_event_is_due_knows_the_spec_vectors)
{
    CHECK(event_is_due(0, 1, 0));
    CHECK(!event_is_due(0, 1, 1));
    CHECK(event_is_due(65535, 0, 65535));
    CHECK(event_is_due(65530, 2, 65529));
    CHECK(!event_is_due(5, 5, 4));
    CHECK(!event_is_due(3, 10, 4));
    CHECK(event_is_due(4, 10, 4));
    CHECK(event_is_due(9, 10, 4));
    CHECK(!event_is_due(10, 10, 4));
}

/* Every event, against windows that start before, at and after the wrap. */
TEST(V20_C076_event_is_due_for_every_event_as_by_walking)
{
    static const uint16_t starts[] = {0, 1, 0x7fff, 0x8000, 65530, 65535};
    static const uint16_t lengths[] = {0, 1, 2, 7, 256};

    for (unsigned s = 0; s < sizeof starts / sizeof *starts; s++)
        for (unsigned l = 0; l < sizeof lengths / sizeof *lengths; l++)
            for (uint32_t event = 0; event < 0x10000; event++) {
                uint16_t now = (uint16_t)(starts[s] + lengths[l]);

                CHECK_EQ(event_is_due((uint16_t)event, now, starts[s]),
                         due_by_walking((uint16_t)event, now, starts[s]));
            }
}

TEST(V21_one_check_of_a_batch_is_the_or_of_single_checks)
{
    for (uint32_t event = 0; event < 0x10000; event++) {
        bool any = false;

        for (uint16_t i = 65533; i != 4; i++)
            any = any || event_is_due((uint16_t)event, (uint16_t)(i + 1), i);
        CHECK_EQ(event_is_due((uint16_t)event, 4, 65533), any);
    }
}

TEST(event_passed_is_never_due_before_a_whole_lap)
{
    for (uint32_t next = 0; next < 0x10000; next++) {
        CHECK(!event_is_ahead(event_passed((uint16_t)next), (uint16_t)next));
        CHECK(!event_is_due(event_passed((uint16_t)next), (uint16_t)(next + 32768), (uint16_t)next));
        CHECK(event_is_ahead((uint16_t)next, (uint16_t)next));
    }
}

TEST(V25_three_quarters_rounded_down)
{
    CHECK_EQ(event_most_of(0), 0);
    CHECK_EQ(event_most_of(1), 0);
    CHECK_EQ(event_most_of(4), 3);
    CHECK_EQ(event_most_of(5), 3);
    CHECK_EQ(event_most_of(32768), 24576);
    CHECK_EQ(event_most_of(65535), 49151);
}

/* The definition for a packed ring, by walking from where the entries started: is the place event among them? */
static bool due_by_walking_packed(uint16_t event, uint16_t offset, bool wrap, uint16_t added, uint16_t size)
{
    while (added-- > 0) {
        offset = offset == 0 ? (uint16_t)(size - 1) : (uint16_t)(offset - 1);
        if (offset == size - 1)
            wrap = !wrap;
        if (event == (uint16_t)(offset | wrap << 15))
            return true;
    }
    return false;
}

TEST(V77_C136_C151_packed_events_as_by_walking_for_all_small_rings)
{
    for (uint16_t size = 1; size <= 8; size++)
        for (uint16_t next = 0; next < size; next++)
            for (int wrap = 0; wrap < 2; wrap++)
                for (uint16_t added = 1; added <= size; added++)
                    for (uint16_t event = 0; event < size; event++)
                        for (int event_wrap = 0; event_wrap < 2; event_wrap++) {
                            uint16_t place = (uint16_t)(event | event_wrap << 15);

                            CHECK_EQ(event_is_due_packed(place, (uint16_t)(next | wrap << 15), added, size),
                                     due_by_walking_packed(place, next, wrap, added, size));
                        }
}

TEST(V76_C132_C133_event_words)
{
    /* the place of an entry that was passed, and of one that was not */
    CHECK(event_word_is_due(VRING_EVENT_DESC << 16 | 0x8001, true, 0x8002, 1, 8));
    CHECK(!event_word_is_due(VRING_EVENT_DESC << 16 | 0x8000, true, 0x8002, 1, 8));
    CHECK(event_word_is_due(VRING_EVENT_ENABLE << 16 | 0x8000, true, 0x8002, 1, 8));
    CHECK(!event_word_is_due(VRING_EVENT_DISABLE << 16 | 0x8001, true, 0x8002, 1, 8));
    /* DESC without EVENT_IDX, and the reserved value: all */
    CHECK(event_word_is_due(VRING_EVENT_DESC << 16 | 0x8000, false, 0x8002, 1, 8));
    CHECK(event_word_is_due(3u << 16 | 0x8000, true, 0x8002, 1, 8));
    /* reserved bits of the flags mean nothing */
    CHECK(!event_word_is_due(0xfffd0000u | 0x8001, true, 0x8002, 1, 8));
    CHECK(!event_word_is_due(0xfffe0000u | 0x8000, true, 0x8002, 1, 8));
}
