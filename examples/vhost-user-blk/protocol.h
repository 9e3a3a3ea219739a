/* SPDX-License-Identifier: MIT */
/*
 * vhost-user: messages between a front-end (QEMU, ...) and this back-end over a Unix socket, in the host's byte order.
 *
 * A message is taken off the socket without ever blocking and without ever reading past it. What arrives here is
 * hostile: a message is handed on only if its request is known, its length is one that this request can have, and no
 * more file descriptors came along than it may carry. Descriptors belong to the message until somebody takes them, and
 * protocol_clear() closes the rest: each is closed exactly once, whatever happens.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROTOCOL_FDS_MAX = 8, /* in one message */
    PROTOCOL_REGIONS_MAX = PROTOCOL_FDS_MAX,
    PROTOCOL_CONFIG_MAX = 256
};

enum request {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    RESET_OWNER = 4,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    SET_VRING_ERR = 14,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18,
    GET_CONFIG = 24,
    SET_CONFIG = 25,
    GET_INFLIGHT_FD = 31,
    SET_INFLIGHT_FD = 32,
    REQUEST_END
};

/* Among the virtio features: there are protocol features, and a ring is disabled until it is enabled. */
#define F_PROTOCOL_FEATURES (UINT64_C(1) << 30)

#define PROTOCOL_F_MQ             (UINT64_C(1) << 0)
#define PROTOCOL_F_REPLY_ACK      (UINT64_C(1) << 3)
#define PROTOCOL_F_CONFIG         (UINT64_C(1) << 9)
#define PROTOCOL_F_INFLIGHT_SHMFD (UINT64_C(1) << 12)

/* Flags of a header. */
enum {
    HEADER_VERSION_MASK = 3,
    HEADER_VERSION = 1,
    HEADER_REPLY = 4,
    HEADER_NEED_REPLY = 8
};

/* SET_VRING_KICK, _CALL and _ERR: which ring, and that no descriptor comes along. */
enum {
    VRING_FD_INDEX = 0xff,
    VRING_FD_NONE = 0x100
};

struct protocol_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of the payload, in bytes */
};

struct protocol_state {
    uint32_t index;
    uint32_t num;
};

/* Where a ring lies, in the front-end's own addresses. */
struct protocol_vring_addr {
    uint32_t index;
    uint32_t flags;
    uint64_t desc;
    uint64_t device_area; /* "used" */
    uint64_t driver_area; /* "available" */
    uint64_t log;
};

struct protocol_region {
    uint64_t guest_addr;
    uint64_t size;
    uint64_t user_addr;   /* the front-end's own */
    uint64_t mmap_offset; /* in the file that comes along */
};

struct protocol_memory {
    uint32_t count;
    uint32_t padding;
    struct protocol_region regions[PROTOCOL_REGIONS_MAX];
};

struct protocol_config {
    uint32_t offset;
    uint32_t size;
    uint32_t flags;
    unsigned char data[PROTOCOL_CONFIG_MAX];
};

struct protocol_inflight {
    uint64_t mmap_size;
    uint64_t mmap_offset;
    uint16_t queues;
    uint16_t queue_size;
};

/* Bytes before the part whose length is stated in the payload itself; and without padding. */
enum {
    INFLIGHT_PAYLOAD = offsetof(struct protocol_inflight, queue_size) + sizeof(uint16_t),
    MEMORY_PAYLOAD = offsetof(struct protocol_memory, regions),
    CONFIG_PAYLOAD = offsetof(struct protocol_config, data)
};

union protocol_payload {
    uint64_t u64;
    struct protocol_state state;
    struct protocol_vring_addr addr;
    struct protocol_memory memory;
    struct protocol_config config;
    struct protocol_inflight inflight;
};

/* A message, or as much of it as has come. Zero it before the first use. */
struct message {
    struct protocol_header header;
    union protocol_payload payload; /* zeros where nothing was sent */
    int fds[PROTOCOL_FDS_MAX];      /* ours to close; -1 once taken */
    unsigned n_fds;
    size_t have; /* bytes, header included */
};

enum protocol_result {
    PROTOCOL_MESSAGE, /* it is complete, and of a legal shape */
    PROTOCOL_MORE,    /* no more bytes now: ask again when the socket is readable */
    PROTOCOL_CLOSED,  /* the front-end closed the connection, between two messages */
    PROTOCOL_BAD      /* the connection is no longer of any use; *why says why, in static storage */
};

/* Take bytes of one message off the socket, but none of the next. */
enum protocol_result protocol_receive(int socket, struct message *message, const char **why);

/* The name of a request that protocol_receive() let pass. */
const char *protocol_name(const struct message *message);

/* Does this request have an answer of its own, whether or not the front-end asks for an acknowledgement? */
bool protocol_has_answer(const struct message *message);

/* Take descriptor i out of a message: it is the caller's to close. -1 if there is none. */
int protocol_take_fd(struct message *message, unsigned i);

/* Close the descriptors that nobody took. */
void protocol_close_fds(struct message *message);

/* Close them, and make room for the next message. */
void protocol_clear(struct message *message);

/* Answer. fd goes along unless it is -1, and stays ours. False if the front-end is gone or does not read. */
bool protocol_reply(int socket, const struct message *message, const void *payload, uint32_t size, int fd);

#endif
