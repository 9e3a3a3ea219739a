/* SPDX-License-Identifier: MIT */
/*
 * One connection to a front-end: what it has said so far, and its queues.
 *
 * A message that breaks the protocol ends the connection. One that asks for what cannot be changes nothing; it is
 * answered as refused if the front-end asked for an acknowledgement, and otherwise it ends the connection, too: a
 * front-end must not go on in the belief that it was heard.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include "inflight.h"
#include "queue.h"

enum {
    QUEUES = 8,
    BACKEND_POLL_MAX = 1 + QUEUES
};

struct pollfd;

struct backend {
    const struct blk *blk;
    int socket;
    struct message message;    /* as far as it has come */
    uint64_t features;         /* as negotiated */
    uint64_t protocol_features;
    struct memory memory;
    struct inflight inflight;
    struct queue queues[QUEUES];
    char why[160];             /* what was wrong with the last message */
};

/* Begin to serve a connection, which is ours from here on. */
void backend_start(struct backend *backend, const struct blk *blk, int socket);

/* End it, and leave nothing behind. */
void backend_stop(struct backend *backend);

/*
 * What to wait for: fills in up to BACKEND_POLL_MAX entries. *timeout is in milliseconds, -1 for none.
 * Returns how many there are.
 */
unsigned backend_poll(struct backend *backend, struct pollfd *fds, int *timeout);

/* After the wait: take a message, if there is one, and run the queues. False if the connection is over. */
bool backend_serve(struct backend *backend, const struct pollfd *fds);

#endif
