/* SPDX-License-Identifier: MIT */
/*
 * Event indices: the only modular arithmetic that decides about notifications. Integers alone.
 */
#ifndef VRING_EVENT_H
#define VRING_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Has a free-running index passed event on its way from before to now (2.7.7.2, 2.7.10.1)? The entry numbered event is the one
 * whose completion matters: event in [before, now), modulo 2^16.
 */
static inline bool event_is_due(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

/* An event index that will not come due for nearly 2^16 entries: the one just passed. */
static inline uint16_t event_passed(uint16_t next)
{
    return (uint16_t)(next - 1);
}

/* Is event still ahead of next, so that the peer will notify when it gets there? */
static inline bool event_is_ahead(uint16_t event, uint16_t next)
{
    return (uint16_t)(event - next) < 0x8000;
}

/* How many of the buffers in flight to wait for when waiting long: three quarters. */
static inline uint16_t event_most_of(uint16_t in_flight)
{
    return (uint16_t)((uint32_t)in_flight * 3 / 4);
}

#endif
