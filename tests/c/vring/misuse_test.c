/* SPDX-License-Identifier: MIT */
/*
 * What the threading contract forbids: calls on one queue that may overlap. libvring has no lock and sees nothing of
 * it; ThreadSanitizer does. Built for that alone, and its report is what is expected.
 */
#include "fixture.h"

#include <pthread.h>

static struct ring r;

static void *add(void *token)
{
    (void)ring_add(&r, 0, 4, true, (uint64_t)(uintptr_t)token);
    return NULL;
}

RING_TEST(C197_two_threads_on_one_queue_without_a_lock_are_a_data_race)
{
    pthread_t threads[2];

    CHECK_OK(ring_start(&r, 8, format->all, 0));
    for (int i = 0; i < 2; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, add, &r));
    for (int i = 0; i < 2; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
}
