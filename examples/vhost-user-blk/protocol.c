/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MSG_CMSG_CLOEXEC */
#include "protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct protocol_header) == 12, "vhost-user: the header");
_Static_assert(sizeof(struct protocol_vring_addr) == 40, "vhost-user: the address of a ring");
_Static_assert(MEMORY_PAYLOAD == 8 && sizeof(struct protocol_region) == 32, "vhost-user: a memory table");
_Static_assert(CONFIG_PAYLOAD == 12, "vhost-user: a part of the configuration space");
_Static_assert(INFLIGHT_PAYLOAD == 20, "vhost-user: an inflight region");

/* What a request looks like on the wire. */
struct shape {
    const char *name; /* null: not a request that we know */
    uint16_t size_min, size_max; /* bytes of payload */
    uint8_t fds_max;
    bool has_answer;
};

static const struct shape shapes[REQUEST_END] = {
    [GET_FEATURES] = {"GET_FEATURES", 0, 0, 0, true},
    [SET_FEATURES] = {"SET_FEATURES", 8, 8, 0, false},
    [SET_OWNER] = {"SET_OWNER", 0, 0, 0, false},
    [RESET_OWNER] = {"RESET_OWNER", 0, 0, 0, false},
    [SET_MEM_TABLE] = {"SET_MEM_TABLE", MEMORY_PAYLOAD, sizeof(struct protocol_memory), PROTOCOL_REGIONS_MAX, false},
    [SET_VRING_NUM] = {"SET_VRING_NUM", 8, 8, 0, false},
    [SET_VRING_ADDR] = {"SET_VRING_ADDR", 40, 40, 0, false},
    [SET_VRING_BASE] = {"SET_VRING_BASE", 8, 8, 0, false},
    [GET_VRING_BASE] = {"GET_VRING_BASE", 8, 8, 0, true},
    [SET_VRING_KICK] = {"SET_VRING_KICK", 8, 8, 1, false},
    [SET_VRING_CALL] = {"SET_VRING_CALL", 8, 8, 1, false},
    [SET_VRING_ERR] = {"SET_VRING_ERR", 8, 8, 1, false},
    [GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", 0, 0, 0, true},
    [SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", 8, 8, 0, false},
    [GET_QUEUE_NUM] = {"GET_QUEUE_NUM", 0, 0, 0, true},
    [SET_VRING_ENABLE] = {"SET_VRING_ENABLE", 8, 8, 0, false},
    [GET_CONFIG] = {"GET_CONFIG", CONFIG_PAYLOAD, sizeof(struct protocol_config), 0, true},
    [SET_CONFIG] = {"SET_CONFIG", CONFIG_PAYLOAD, sizeof(struct protocol_config), 0, false},
    [GET_INFLIGHT_FD] = {"GET_INFLIGHT_FD", INFLIGHT_PAYLOAD, 24, 0, true}, /* some send the padding, too */
    [SET_INFLIGHT_FD] = {"SET_INFLIGHT_FD", INFLIGHT_PAYLOAD, 24, 1, false},
};

/* --------------------------------------------------------------------------------------------------- receiving --- */

/* Is a header, just complete, one that a payload may follow? Null if so; otherwise what is wrong. */
static const char *judge_header(const struct protocol_header *header)
{
    if ((header->flags & HEADER_VERSION_MASK) != HEADER_VERSION)
        return "a message of another version of vhost-user";
    if (header->flags & HEADER_REPLY)
        return "an answer, where a request was expected";
    if (header->request >= REQUEST_END || !shapes[header->request].name)
        return "a request that this back-end does not know";
    if (header->size < shapes[header->request].size_min)
        return "a payload that is too short for its request";
    if (header->size > shapes[header->request].size_max)
        return "a payload that is too long for its request";
    return NULL;
}

/* Put a descriptor that came along into the message; false if there is no room, and then it is closed. */
static bool keep_fd(struct message *message, int fd)
{
    if (message->n_fds == PROTOCOL_FDS_MAX) {
        close(fd);
        return false;
    }
    message->fds[message->n_fds++] = fd;
    return true;
}

/* Put the descriptors that came with some bytes into the message; false if there were too many. */
static bool keep_fds(struct message *message, struct msghdr *received)
{
    bool fits = (received->msg_flags & MSG_CTRUNC) == 0; /* otherwise the kernel has dropped some already */

    for (struct cmsghdr *c = CMSG_FIRSTHDR(received); c; c = CMSG_NXTHDR(received, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at < c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            fits = keep_fd(message, fd) && fits;
        }
    }
    return fits;
}

/* Receive until the message has want bytes, as far as they are there: PROTOCOL_MESSAGE if any came. */
static enum protocol_result receive_some(int socket, struct message *message, size_t want, const char **why)
{
    size_t head = sizeof message->header;
    unsigned char *to = message->have < head ? (unsigned char *)&message->header + message->have
                                             : (unsigned char *)&message->payload + (message->have - head);
    union {
        struct cmsghdr align;
        unsigned char bytes[CMSG_SPACE(PROTOCOL_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {to, want - message->have};
    struct msghdr received = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(socket, &received, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return PROTOCOL_MORE;
    if (n < 0) {
        *why = strerror(errno);
        return PROTOCOL_BAD;
    }
    if (!keep_fds(message, &received)) {
        *why = "more file descriptors in a message than any request carries";
        return PROTOCOL_BAD;
    }
    if (n == 0 && message->have == 0)
        return PROTOCOL_CLOSED;
    if (n == 0) {
        *why = "the connection ended in the middle of a message";
        return PROTOCOL_BAD;
    }
    message->have += (size_t)n;
    return PROTOCOL_MESSAGE;
}

enum protocol_result protocol_receive(int socket, struct message *message, const char **why)
{
    size_t head = sizeof message->header;

    for (;;) {
        size_t want = message->have < head ? head : head + message->header.size;
        enum protocol_result result;

        if (message->have == want)
            return PROTOCOL_MESSAGE;
        result = receive_some(socket, message, want, why);
        if (result != PROTOCOL_MESSAGE)
            return result;
        if (message->have < head)
            continue;
        if (message->have == head) {
            *why = judge_header(&message->header);
            if (*why)
                return PROTOCOL_BAD;
        }
        if (message->n_fds > shapes[message->header.request].fds_max) {
            *why = "more file descriptors than this request carries";
            return PROTOCOL_BAD;
        }
    }
}

const char *protocol_name(const struct message *message)
{
    return shapes[message->header.request].name;
}

bool protocol_has_answer(const struct message *message)
{
    return shapes[message->header.request].has_answer;
}

/* ------------------------------------------------------------------------------------------------- descriptors --- */

int protocol_take_fd(struct message *message, unsigned i)
{
    int fd = -1;

    if (i < message->n_fds) {
        fd = message->fds[i];
        message->fds[i] = -1;
    }
    return fd;
}

void protocol_close_fds(struct message *message)
{
    for (unsigned i = 0; i < message->n_fds; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    message->n_fds = 0;
}

void protocol_clear(struct message *message)
{
    protocol_close_fds(message);
    memset(message, 0, sizeof *message);
}

/* --------------------------------------------------------------------------------------------------- answering --- */

bool protocol_reply(int socket, const struct message *message, const void *payload, uint32_t size, int fd)
{
    struct protocol_header header = {message->header.request, HEADER_VERSION | HEADER_REPLY, size};
    struct iovec iov[2] = {{&header, sizeof header}, {(void *)(uintptr_t)payload, size}}; /* sendmsg() only reads it */
    union {
        struct cmsghdr header;
        unsigned char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr sent = {.msg_iov = iov, .msg_iovlen = 2};

    if (fd >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof fd);
        sent.msg_control = &control;
        sent.msg_controllen = sizeof control;
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    }
    return sendmsg(socket, &sent, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(sizeof header + size);
}
