/* SPDX-License-Identifier: MIT */
/*
 * The split cells a second time, for a legacy ring in big-endian order (2.7.3): the same sources under other names,
 * known to the facade alone. What is not legacy pays nothing for it; a program that calls split.h does not link it.
 */
#ifndef VRING_SPLIT_BE_H
#define VRING_SPLIT_BE_H

#ifdef SPLIT_BIG_ENDIAN

#define vring_split_driver_init                  vring_split_be_driver_init
#define vring_split_driver_add_avail             vring_split_be_driver_add_avail
#define vring_split_driver_add_avail_batch       vring_split_be_driver_add_avail_batch
#define vring_split_driver_add_avail_run         vring_split_be_driver_add_avail_run
#define vring_split_driver_add_indirect          vring_split_be_driver_add_indirect
#define vring_split_driver_abort                 vring_split_be_driver_abort
#define vring_split_driver_publish               vring_split_be_driver_publish
#define vring_split_driver_notification          vring_split_be_driver_notification
#define vring_split_driver_get_used              vring_split_be_driver_get_used
#define vring_split_driver_get_used_batch        vring_split_be_driver_get_used_batch
#define vring_split_driver_get_used_run          vring_split_be_driver_get_used_run
#define vring_split_driver_enable_notify         vring_split_be_driver_enable_notify
#define vring_split_driver_enable_notify_delayed vring_split_be_driver_enable_notify_delayed
#define vring_split_driver_disable_notify        vring_split_be_driver_disable_notify
#define vring_split_driver_free                  vring_split_be_driver_free
#define vring_split_driver_in_flight             vring_split_be_driver_in_flight
#define vring_split_driver_reset                 vring_split_be_driver_reset
#define vring_split_driver_take_unused           vring_split_be_driver_take_unused
#define vring_split_driver_fault                 vring_split_be_driver_fault
#define vring_split_driver_snapshot              vring_split_be_driver_snapshot
#define vring_split_driver_snapshot_entry        vring_split_be_driver_snapshot_entry
#define vring_split_device_init                  vring_split_be_device_init
#define vring_split_device_get_avail             vring_split_be_device_get_avail
#define vring_split_device_get_avail_batch       vring_split_be_device_get_avail_batch
#define vring_split_device_get_avail_run         vring_split_be_device_get_avail_run
#define vring_split_device_rewind                vring_split_be_device_rewind
#define vring_split_device_add_used              vring_split_be_device_add_used
#define vring_split_device_add_used_batch        vring_split_be_device_add_used_batch
#define vring_split_device_add_used_through      vring_split_be_device_add_used_through
#define vring_split_device_publish               vring_split_be_device_publish
#define vring_split_device_enable_notify         vring_split_be_device_enable_notify
#define vring_split_device_disable_notify        vring_split_be_device_disable_notify
#define vring_split_device_in_flight             vring_split_be_device_in_flight
#define vring_split_device_reset                 vring_split_be_device_reset
#define vring_split_device_fault                 vring_split_be_device_fault
#define vring_split_device_snapshot              vring_split_be_device_snapshot
#define vring_split_device_snapshot_entry        vring_split_be_device_snapshot_entry
#define vring_split_driver_save                  vring_split_be_driver_save
#define vring_split_driver_restore               vring_split_be_driver_restore
#define vring_split_device_save                  vring_split_be_device_save
#define vring_split_device_restore               vring_split_be_device_restore
#define vring_split_device_recover               vring_split_be_device_recover
#define vring_split_driver_suspend               vring_split_be_driver_suspend
#define vring_split_driver_resume                vring_split_be_driver_resume
#define vring_split_device_suspend               vring_split_be_device_suspend
#define vring_split_device_resume                vring_split_be_device_resume
#define vring_split_device_peek                  vring_split_be_device_peek
#define vring_split_device_set_regions           vring_split_be_device_set_regions
#define vring_split_driver_prepare               vring_split_be_driver_prepare
#define vring_split_device_prepare               vring_split_be_device_prepare
#define vring_split_device_start                 vring_split_be_device_start
#define vring_split_device_look                  vring_split_be_device_look
#define vring_split_device_waits                 vring_split_be_device_waits

#else

#include <vring/split.h>

__typeof__(vring_split_driver_init) vring_split_be_driver_init;
__typeof__(vring_split_driver_add_avail) vring_split_be_driver_add_avail;
__typeof__(vring_split_driver_add_avail_batch) vring_split_be_driver_add_avail_batch;
__typeof__(vring_split_driver_add_avail_run) vring_split_be_driver_add_avail_run;
__typeof__(vring_split_driver_add_indirect) vring_split_be_driver_add_indirect;
__typeof__(vring_split_driver_abort) vring_split_be_driver_abort;
__typeof__(vring_split_driver_publish) vring_split_be_driver_publish;
__typeof__(vring_split_driver_notification) vring_split_be_driver_notification;
__typeof__(vring_split_driver_get_used) vring_split_be_driver_get_used;
__typeof__(vring_split_driver_get_used_batch) vring_split_be_driver_get_used_batch;
__typeof__(vring_split_driver_get_used_run) vring_split_be_driver_get_used_run;
__typeof__(vring_split_driver_enable_notify) vring_split_be_driver_enable_notify;
__typeof__(vring_split_driver_enable_notify_delayed) vring_split_be_driver_enable_notify_delayed;
__typeof__(vring_split_driver_disable_notify) vring_split_be_driver_disable_notify;
__typeof__(vring_split_driver_free) vring_split_be_driver_free;
__typeof__(vring_split_driver_in_flight) vring_split_be_driver_in_flight;
__typeof__(vring_split_driver_reset) vring_split_be_driver_reset;
__typeof__(vring_split_driver_take_unused) vring_split_be_driver_take_unused;
__typeof__(vring_split_driver_fault) vring_split_be_driver_fault;
__typeof__(vring_split_driver_snapshot) vring_split_be_driver_snapshot;
__typeof__(vring_split_driver_snapshot_entry) vring_split_be_driver_snapshot_entry;
__typeof__(vring_split_device_init) vring_split_be_device_init;
__typeof__(vring_split_device_get_avail) vring_split_be_device_get_avail;
__typeof__(vring_split_device_get_avail_batch) vring_split_be_device_get_avail_batch;
__typeof__(vring_split_device_get_avail_run) vring_split_be_device_get_avail_run;
__typeof__(vring_split_device_rewind) vring_split_be_device_rewind;
__typeof__(vring_split_device_add_used) vring_split_be_device_add_used;
__typeof__(vring_split_device_add_used_batch) vring_split_be_device_add_used_batch;
__typeof__(vring_split_device_add_used_through) vring_split_be_device_add_used_through;
__typeof__(vring_split_device_publish) vring_split_be_device_publish;
__typeof__(vring_split_device_enable_notify) vring_split_be_device_enable_notify;
__typeof__(vring_split_device_disable_notify) vring_split_be_device_disable_notify;
__typeof__(vring_split_device_in_flight) vring_split_be_device_in_flight;
__typeof__(vring_split_device_reset) vring_split_be_device_reset;
__typeof__(vring_split_device_fault) vring_split_be_device_fault;
__typeof__(vring_split_device_snapshot) vring_split_be_device_snapshot;
__typeof__(vring_split_device_snapshot_entry) vring_split_be_device_snapshot_entry;
__typeof__(vring_split_driver_save) vring_split_be_driver_save;
__typeof__(vring_split_driver_restore) vring_split_be_driver_restore;
__typeof__(vring_split_device_save) vring_split_be_device_save;
__typeof__(vring_split_device_restore) vring_split_be_device_restore;
__typeof__(vring_split_device_recover) vring_split_be_device_recover;
__typeof__(vring_split_driver_suspend) vring_split_be_driver_suspend;
__typeof__(vring_split_driver_resume) vring_split_be_driver_resume;
__typeof__(vring_split_device_suspend) vring_split_be_device_suspend;
__typeof__(vring_split_device_resume) vring_split_be_device_resume;
__typeof__(vring_split_device_peek) vring_split_be_device_peek;
__typeof__(vring_split_device_set_regions) vring_split_be_device_set_regions;

#endif

#endif
