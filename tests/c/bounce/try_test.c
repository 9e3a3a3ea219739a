/* SPDX-License-Identifier: MIT */
/*
 * What an interrupt handler sees that came while its own CPU held an area's lock.
 */
#include "bounce/area.h"
#include "rig.h"

TEST(C294_a_try_view_never_waits_for_a_held_lock)
{
    struct bounce_config config = rig_config(0x90000000, 512);
    struct bounce_pool pool, view;
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping, other;
    struct bounce_counts counts;
    struct bounce_flaw flaw;
    struct area areas[2];
    bounce_lock_state state[2];
    uint32_t slot = 0;

    config.areas = 2;
    pool = rig_start(&config);
    CHECK_OK(bounce_try_view(&pool, &view));
    CHECK_OK(bounce_map(&pool, &request, &mapping));
    areas[0] = area_of(&pool, 0);
    areas[1] = area_of(&pool, 1);

    state[0] = bounce_lock_take(&area_head(&areas[0])->lock);
    CHECK_OK(bounce_map(&view, &request, &other)); /* the next area has room */
    CHECK_EQ(other.area, 1);
    CHECK_ERR(bounce_unmap(&view, mapping.handle, BOUNCE_BIDIRECTIONAL, 0), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_sync_for_cpu(&view, mapping.handle, BOUNCE_BIDIRECTIONAL, 0, 1), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_usage(&view, &counts), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_area_usage(&view, 0, &counts), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_reset_high_water(&view), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_next_mapping(&view, &slot, &mapping), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_find_mapping(&view, mapping.addr, &other), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_verify(&view, &flaw), BOUNCE_E_BUSY);
    state[1] = bounce_lock_take(&area_head(&areas[1])->lock);
    CHECK_ERR(bounce_map(&view, &request, &other), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_alloc(&view, 10, 0, 0, &other), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_reserve(&view, &request, &other), BOUNCE_E_BUSY);
    bounce_lock_give(&area_head(&areas[1])->lock, state[1]);
    bounce_lock_give(&area_head(&areas[0])->lock, state[0]);

    /* Whose lock was held keeps its mark, and no other one, wherever it stands. */
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t n = 0; n < 2; n++)
            area_head(&areas[n])->high_water = 9;
        state[i] = bounce_lock_take(&area_head(&areas[i])->lock);
        CHECK_ERR(bounce_reset_high_water(&view), BOUNCE_E_BUSY);
        bounce_lock_give(&area_head(&areas[i])->lock, state[i]);
        CHECK(area_head(&areas[i])->high_water == 9 && area_head(&areas[1 - i])->high_water == 1);
    }
    CHECK_OK(bounce_reset_high_water(&view));
    CHECK_EQ(rig_usage(&pool).high_water, 2);

    CHECK_EQ(rig_usage(&pool).mappings, 2);
    CHECK_OK(bounce_unmap(&view, mapping.handle, BOUNCE_BIDIRECTIONAL, 0)); /* handles are the same */
    CHECK_OK(bounce_unmap(&pool, other.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_ERR(bounce_fini(&view), BOUNCE_E_STATE);
    CHECK_OK(bounce_fini(&pool));
}

/* Who got the lock by trying holds it like anybody else: against those who wait, and those who try. */
TEST(C294_a_lock_that_was_got_by_trying_is_held)
{
    struct bounce_pool pool = rig_pool(0x90000000, 64), view;
    struct area area = area_of(&pool, 0);
    bounce_lock *lock = &area_head(&area)->lock;
    struct bounce_request request = rig_request(0, 100);
    struct bounce_mapping mapping;
    struct bounce_counts counts;
    bounce_lock_state state, other;

    CHECK_OK(bounce_try_view(&pool, &view));
    CHECK(bounce_lock_try(lock, &state));
    CHECK(!bounce_lock_try(lock, &other));
    CHECK_ERR(bounce_usage(&view, &counts), BOUNCE_E_BUSY);
    CHECK_ERR(bounce_map(&view, &request, &mapping), BOUNCE_E_BUSY);
    bounce_lock_give(lock, state);
    CHECK_OK(bounce_map(&view, &request, &mapping)); /* and has given it back when it returns */
    CHECK_OK(bounce_unmap(&view, mapping.handle, BOUNCE_BIDIRECTIONAL, 0));
    CHECK_OK(bounce_usage(&view, &counts));
}
