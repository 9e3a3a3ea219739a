/* SPDX-License-Identifier: MIT */
/*
 * Event indices: the only modular arithmetic that decides about notifications. Integers alone.
 */
#ifndef VRING_EVENT_H
#define VRING_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <vring/wire.h>

/*
 * Has a free-running index passed event on its way from before to now (2.7.7.2, 2.7.10.1)? The entry numbered event is
 * the one whose completion matters: event in [before, now), modulo 2^16.
 */
static inline bool event_is_due(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

/*
 * The same for a packed ring of size entries (2.8.14): has the place next, reached by going added entries forward,
 * passed the place event? Both have a wrap counter in bit 15; an event of the lap before lies size entries lower. Any
 * event is answered.
 */
static inline bool event_is_due_packed(uint16_t event, uint16_t next, uint16_t added, uint16_t size)
{
    uint16_t offset = event & 0x7fff, now = next & 0x7fff;

    if ((event ^ next) & 0x8000)
        offset = (uint16_t)(offset - size);
    return event_is_due(offset, now, (uint16_t)(now - added));
}

/* Does a packed ring's event word ask for no notification at all (2.8.10)? */
static inline bool event_word_is_off(uint32_t word)
{
    return (word >> 16 & 3) == VRING_EVENT_DISABLE;
}

/*
 * Does a packed ring's event word ask for a notification, now that added entries have led to next (2.8.10)? DESC
 * without EVENT_IDX and the reserved value ask for all.
 */
static inline bool event_word_is_due(uint32_t word, bool event_idx, uint16_t next, uint16_t added, uint16_t size)
{
    if (event_word_is_off(word))
        return false;
    if ((word >> 16 & 3) == VRING_EVENT_DESC && event_idx)
        return event_is_due_packed((uint16_t)word, next, added, size);
    return true;
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
