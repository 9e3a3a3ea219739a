/* SPDX-License-Identifier: MIT */
/* What a driver and a device may do next. How they do it is drawn from the input where there is a choice. */
#ifndef FUZZ_RING_STEPS_H
#define FUZZ_RING_STEPS_H

#include "fuzz.h"

#include <stdbool.h>

void driver_add(struct input *input, bool indirect);
void driver_add_batch(struct input *input);
void driver_add_run(struct input *input);
void driver_abort(void);
void driver_publish(void);
void driver_get_used(struct input *input, bool batch);
void driver_get_used_run(struct input *input);
void driver_notifications(unsigned how);
void driver_successor(struct input *input);

void device_get_avail(struct input *input, bool peek);
void device_get_avail_batch(struct input *input);
void device_get_avail_run(struct input *input);
void device_rewind(struct input *input);
void device_add_used(struct input *input);
void device_add_used_batch(struct input *input);
void device_add_used_through(struct input *input);
void device_publish(void);
void device_notifications(bool enable);
void device_successor(struct input *input);
void device_refuses_a_forged_handle(struct input *input);

void heir_of_a_lie(struct input *input);

#endif
