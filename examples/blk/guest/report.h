/* SPDX-License-Identifier: MIT */
/*
 * What the guest says: one JSON object per line, over semihosting, to whoever runs the machine; and how it ends.
 */
#ifndef REPORT_H
#define REPORT_H

#include "json.h"

/* The guest's exit code, which QEMU passes on. */
enum outcome {
    DONE = 0,
    FAILED_USAGE = 2,      /* an option that the guest does not know */
    FAILED_NO_DISK = 10,   /* fewer than two virtio-blk devices */
    FAILED_LEGACY = 11,    /* a device that speaks the legacy interface only */
    FAILED_FEATURES = 12,  /* no agreement on the features */
    FAILED_QUEUE = 13,     /* the device's queue cannot be set up */
    FAILED_SIZE = 14,      /* a disk that is empty, or too small */
    FAILED_READ_ONLY = 15, /* a disk that cannot be written */
    FAILED_IO = 20,        /* the device answered a request with an error */
    FAILED_LENGTH = 21,    /* the device says that it wrote another number of bytes than it must have */
    FAILED_RING = 22,      /* the device broke the protocol of the ring */
    FAILED_TIMEOUT = 23,   /* the device does not answer */
    FAILED_RESET = 24,     /* the device says that it needs a reset */
    FAILED_PRIVATE = 25,   /* an address outside the shared memory was about to be shown to the device */
    FAILED_BOUNCE = 26,    /* the bounce pool refused a request that it must carry out */
    FAILED_DIGEST = 27,    /* what came back is not what was written */
    FAILED_TRAP = 28       /* a CPU exception */
};

/* Say why, and end the machine. */
void fail(enum outcome outcome, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* The console: json_object(&report, NULL), members, json_end(&report). */
extern struct json report;

#endif
