/* SPDX-License-Identifier: MIT */
/*
 * Files of the front-end, mapped: its memory, and what it keeps for us across a restart.
 *
 * Whoever sent a file can truncate it at any time, and the next access to the mapping is then a SIGBUS. The guard turns
 * that into an event: the handler puts zeros in place of the whole mapping, so that the access that was under way, and
 * all those that follow, complete on memory of our own. No state of ours is ever left half changed. Somebody asks
 * mapping_lost() before the front-end is believed again, and ends the connection.
 */
#ifndef MAPPING_H
#define MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAPPINGS_MAX = 24 /* at a time, of all kinds: there are two memory tables while one replaces the other */
};

/* A range of a file, readable here, and writable unless the file is not. Zero: nothing is mapped. */
struct mapping {
    void *data;      /* where the range begins */
    bool read_only;
    void *start;     /* what to unmap: whole pages */
    size_t length;
};

/* Catch SIGBUS. Once, at the start of the program. */
void mapping_guard(void);

/*
 * Map size bytes, not 0, from offset on. fd stays the caller's and may be closed at once. Null if that went well;
 * otherwise nothing is mapped, and the answer says why, in static storage.
 */
const char *mapping_create(struct mapping *mapping, int fd, uint64_t offset, uint64_t size);

/* Undo it. Harmless where nothing is mapped. */
void mapping_destroy(struct mapping *mapping);

/* Has a file been truncated beneath a mapping since this was asked last? */
bool mapping_lost(void);

#endif
