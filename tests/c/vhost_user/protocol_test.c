/* SPDX-License-Identifier: MIT */
/* The example's parser of vhost-user messages: bytes and descriptors on one end of a socket, verdicts on the other. */
#define _GNU_SOURCE
#include "../../../examples/vhost-user-blk/protocol.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vtest.h"

struct wire {
    int ours, theirs;
    struct message message;
    const char *why;
};

static struct wire wire_open(void)
{
    struct wire wire = {0};
    int ends[2] = {-1, -1};

    (void)socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    wire.ours = ends[0];
    wire.theirs = ends[1];
    return wire;
}

static void wire_close(struct wire *wire)
{
    protocol_clear(&wire->message);
    close(wire->ours);
    close(wire->theirs);
}

static void wire_send(struct wire *wire, const void *bytes, size_t size, unsigned n_fds)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    union {
        struct cmsghdr header;
        unsigned char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = {0};
    struct msghdr sent = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n_fds > 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        for (unsigned i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &wire->theirs, sizeof(int));
        sent.msg_control = &control;
        sent.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    }
    (void)!sendmsg(wire->theirs, &sent, 0);
}

static void wire_send_message(struct wire *wire, uint32_t request, uint32_t flags, uint32_t size, unsigned n_fds)
{
    static const unsigned char zeros[512];
    struct protocol_header header = {request, flags, size};

    wire_send(wire, &header, sizeof header, n_fds);
    if (size > 0 && size <= sizeof zeros)
        wire_send(wire, zeros, size, 0);
}

static enum protocol_result wire_receive(struct wire *wire)
{
    wire->why = NULL;
    return protocol_receive(wire->ours, &wire->message, &wire->why);
}

static int open_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The lengths that the protocol has, written down once more. */
static const struct {
    uint32_t request, least, most;
    unsigned fds;
} legal[] = {
    {GET_FEATURES, 0, 0, 0},
    {SET_FEATURES, 8, 8, 0},
    {SET_OWNER, 0, 0, 0},
    {RESET_OWNER, 0, 0, 0},
    {SET_MEM_TABLE, 8, 8 + 8 * 32, 8},
    {SET_VRING_NUM, 8, 8, 0},
    {SET_VRING_ADDR, 40, 40, 0},
    {SET_VRING_BASE, 8, 8, 0},
    {GET_VRING_BASE, 8, 8, 0},
    {SET_VRING_KICK, 8, 8, 1},
    {SET_VRING_CALL, 8, 8, 1},
    {SET_VRING_ERR, 8, 8, 1},
    {GET_PROTOCOL_FEATURES, 0, 0, 0},
    {SET_PROTOCOL_FEATURES, 8, 8, 0},
    {GET_QUEUE_NUM, 0, 0, 0},
    {SET_VRING_ENABLE, 8, 8, 0},
    {GET_CONFIG, 12, 12 + 256, 0},
    {SET_CONFIG, 12, 12 + 256, 0},
    {GET_INFLIGHT_FD, 20, 24, 0},
    {SET_INFLIGHT_FD, 20, 24, 1},
};

enum {
    LEGAL = sizeof legal / sizeof legal[0]
};

TEST(C232_every_length_of_every_request)
{
    for (uint32_t request = 0; request < 64; request++) {
        for (uint32_t size = 0; size < 300; size++) {
            struct wire wire = wire_open();
            bool expected = false;

            for (unsigned i = 0; i < LEGAL; i++)
                expected |= legal[i].request == request && size >= legal[i].least && size <= legal[i].most;
            wire_send_message(&wire, request, HEADER_VERSION, size, 0);
            CHECK_EQ(wire_receive(&wire), expected ? PROTOCOL_MESSAGE : PROTOCOL_BAD);
            CHECK((wire.why == NULL) == expected);
            wire_close(&wire);
        }
    }
}

TEST(C232_a_size_is_judged_by_its_whole_width)
{
    static const uint32_t sizes[] = {0x10008, 0x80000008, 0xffffffff, 0xfffffff8, 1u << 16};

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct wire wire = wire_open();

        wire_send_message(&wire, SET_FEATURES, HEADER_VERSION, sizes[i], 0);
        CHECK_EQ(wire_receive(&wire), PROTOCOL_BAD);
        wire_close(&wire);
    }
}

TEST(C232_only_version_1_and_no_answer)
{
    for (uint32_t flags = 0; flags < 64; flags++) {
        struct wire wire = wire_open();
        bool good = (flags & HEADER_VERSION_MASK) == HEADER_VERSION && !(flags & HEADER_REPLY);

        wire_send_message(&wire, GET_FEATURES, flags, 0, 0);
        CHECK_EQ(wire_receive(&wire), good ? PROTOCOL_MESSAGE : PROTOCOL_BAD);
        wire_close(&wire);
    }
}

TEST(C232_C237_cut_off_after_any_byte)
{
    struct {
        struct protocol_header header;
        uint64_t payload;
    } const whole = {{SET_FEATURES, HEADER_VERSION, 8}, 0x0123456789abcdef};

    for (size_t length = 0; length <= 20; length++) {
        struct wire wire = wire_open();
        unsigned char bytes[20];

        memcpy(bytes, &whole.header, 12);
        memcpy(bytes + 12, &whole.payload, 8);
        for (size_t i = 0; i < length; i++) {
            CHECK_EQ(wire_receive(&wire), PROTOCOL_MORE);
            wire_send(&wire, bytes + i, 1, 0);
        }
        shutdown(wire.theirs, SHUT_WR);
        if (length == 20) {
            CHECK_EQ(wire_receive(&wire), PROTOCOL_MESSAGE);
            CHECK(wire.message.payload.u64 == whole.payload);
            protocol_clear(&wire.message);
        }
        CHECK_EQ(wire_receive(&wire), length == 0 || length == 20 ? PROTOCOL_CLOSED : PROTOCOL_BAD);
        wire_close(&wire);
    }
}

TEST(C232_nothing_is_read_past_a_message)
{
    struct wire wire = wire_open();

    for (unsigned i = 0; i < LEGAL; i++)
        wire_send_message(&wire, legal[i].request, HEADER_VERSION, legal[i].most, legal[i].fds);
    for (unsigned i = 0; i < LEGAL; i++) {
        CHECK_EQ(wire_receive(&wire), PROTOCOL_MESSAGE);
        CHECK_EQ(wire.message.header.request, legal[i].request);
        CHECK_EQ(wire.message.n_fds, legal[i].fds);
        protocol_clear(&wire.message);
    }
    CHECK_EQ(wire_receive(&wire), PROTOCOL_MORE);
    wire_close(&wire);
}

TEST(C232_what_was_not_sent_is_zero)
{
    struct wire wire = wire_open();
    unsigned char ones[268];

    memset(ones, 0xff, sizeof ones);
    wire_send(&wire, &(struct protocol_header){SET_CONFIG, HEADER_VERSION, sizeof ones}, 12, 0);
    wire_send(&wire, ones, sizeof ones, 0);
    CHECK_EQ(wire_receive(&wire), PROTOCOL_MESSAGE);
    protocol_clear(&wire.message);
    wire_send(&wire, &(struct protocol_header){GET_CONFIG, HEADER_VERSION, 12}, 12, 0);
    wire_send(&wire, ones, 12, 0);
    CHECK_EQ(wire_receive(&wire), PROTOCOL_MESSAGE);
    for (unsigned i = 0; i < PROTOCOL_CONFIG_MAX; i++)
        CHECK_EQ(wire.message.payload.config.data[i], 0);
    wire_close(&wire);
}

TEST(C230_any_number_of_descriptors_on_any_request)
{
    for (unsigned i = 0; i < LEGAL; i++) {
        for (unsigned count = 0; count <= 16; count++) {
            struct wire wire = wire_open();
            int before = open_fds();

            wire_send_message(&wire, legal[i].request, HEADER_VERSION, legal[i].least, count);
            CHECK_EQ(wire_receive(&wire), count <= legal[i].fds ? PROTOCOL_MESSAGE : PROTOCOL_BAD);
            protocol_clear(&wire.message);
            CHECK_EQ(open_fds(), before);
            wire_close(&wire);
        }
    }
}

TEST(C230_descriptors_that_come_in_several_parts_count_together)
{
    struct wire wire = wire_open();
    struct protocol_header header = {SET_MEM_TABLE, HEADER_VERSION, 8};
    int before = open_fds();

    wire_send(&wire, &header, 6, 5);
    CHECK_EQ(wire_receive(&wire), PROTOCOL_MORE);
    wire_send(&wire, (const unsigned char *)&header + 6, 6, 3);
    CHECK_EQ(wire_receive(&wire), PROTOCOL_MORE);
    CHECK_EQ(wire.message.n_fds, 8);
    wire_send(&wire, &header, 1, 1);
    CHECK_EQ(wire_receive(&wire), PROTOCOL_BAD);
    protocol_clear(&wire.message);
    CHECK_EQ(open_fds(), before);
    wire_close(&wire);
}

TEST(C230_a_descriptor_that_was_taken_is_not_closed)
{
    struct wire wire = wire_open();
    int taken;

    wire_send_message(&wire, SET_VRING_KICK, HEADER_VERSION, 8, 1);
    CHECK_EQ(wire_receive(&wire), PROTOCOL_MESSAGE);
    taken = protocol_take_fd(&wire.message, 0);
    CHECK(taken >= 0);
    CHECK_EQ(protocol_take_fd(&wire.message, 0), -1);
    CHECK_EQ(protocol_take_fd(&wire.message, 1), -1);
    protocol_clear(&wire.message);
    CHECK(fcntl(taken, F_GETFD) & FD_CLOEXEC);
    close(taken);
    wire_close(&wire);
}

TEST(an_answer_carries_its_payload_and_a_descriptor)
{
    struct wire wire = wire_open();
    struct message request = {.header = {GET_FEATURES, HEADER_VERSION, 0}}, answer = {0};
    uint64_t value = 0x1122334455667788;
    struct protocol_header header;
    int before = open_fds();

    CHECK(protocol_reply(wire.ours, &request, &value, sizeof value, wire.ours));
    CHECK_EQ(recv(wire.theirs, &header, sizeof header, 0), sizeof header);
    CHECK_EQ(header.request, GET_FEATURES);
    CHECK_EQ(header.flags, HEADER_VERSION | HEADER_REPLY);
    CHECK_EQ(header.size, 8);
    CHECK_EQ(recv(wire.theirs, &value, sizeof value, 0), 8);
    CHECK(value == 0x1122334455667788);
    CHECK_EQ(open_fds(), before); /* ours stays open, and theirs was left in the socket by a plain recv */
    protocol_clear(&answer);
    wire_close(&wire);
}

TEST(a_front_end_that_does_not_read_is_given_up)
{
    struct wire wire = wire_open();
    struct message request = {.header = {GET_CONFIG, HEADER_VERSION, 268}};
    struct protocol_config config = {0};
    unsigned sent = 0;

    while (sent < 100000 && protocol_reply(wire.ours, &request, &config, sizeof config, -1))
        sent++;
    CHECK(sent > 10 && sent < 100000);
    close(wire.theirs);
    wire.theirs = -1;
    CHECK(!protocol_reply(wire.ours, &request, &config, sizeof config, -1)); /* and no SIGPIPE */
    wire_close(&wire);
}
