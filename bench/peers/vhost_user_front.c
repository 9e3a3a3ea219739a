/* SPDX-License-Identifier: MIT */
#include "vhost_user_front.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol.h"

/* Sends one message, with as many descriptors as there are. */
static bool tell(int socket, uint32_t request, const void *payload, uint32_t size, const int *files, unsigned n_files)
{
    struct protocol_header header = {.request = request, .flags = HEADER_VERSION, .size = size};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)payload, size}};
    union {
        char room[CMSG_SPACE(PROTOCOL_FDS_MAX * sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (n_files > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n_files * sizeof(int));
        control.aligned.cmsg_level = SOL_SOCKET;
        control.aligned.cmsg_type = SCM_RIGHTS;
        control.aligned.cmsg_len = CMSG_LEN(n_files * sizeof(int));
        memcpy(CMSG_DATA(&control.aligned), files, n_files * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof header + size);
}

/* The back-end works messages off in order: once it has answered, it has done what came before. */
static bool wait_for_answer(int socket, uint64_t *features)
{
    struct {
        struct protocol_header header;
        uint8_t payload[sizeof *features];
    } answer;

    if (!tell(socket, GET_FEATURES, NULL, 0, NULL, 0) ||
        recv(socket, &answer, sizeof answer, MSG_WAITALL) != (ssize_t)sizeof answer)
        return false;
    memcpy(features, answer.payload, sizeof *features);
    return true;
}

static bool tell_memory(int socket, const struct front_memory *memory, unsigned count)
{
    struct protocol_memory table = {.count = count};
    int files[PROTOCOL_REGIONS_MAX];

    for (unsigned i = 0; i < count; i++) {
        uint64_t address = (uintptr_t)memory[i].base;
        table.regions[i] = (struct protocol_region){address, memory[i].size, address, 0};
        files[i] = memory[i].file;
    }
    return tell(socket, SET_MEM_TABLE, &table, (uint32_t)(MEMORY_PAYLOAD + count * sizeof table.regions[0]), files,
                count);
}

static bool tell_ring(int socket, uint32_t index, const struct front_ring *ring)
{
    struct protocol_state size = {index, ring->size}, position = {index, ring->position};
    struct protocol_vring_addr at = {.index = index, .desc = (uintptr_t)ring->desc,
        .device_area = (uintptr_t)ring->device_area, .driver_area = (uintptr_t)ring->driver_area};
    uint64_t polled = index | VRING_FD_NONE;

    return tell(socket, SET_VRING_NUM, &size, sizeof size, NULL, 0) &&
        tell(socket, SET_VRING_BASE, &position, sizeof position, NULL, 0) &&
        tell(socket, SET_VRING_ADDR, &at, sizeof at, NULL, 0) &&
        tell(socket, SET_VRING_CALL, &polled, sizeof polled, NULL, 0) &&
        tell(socket, SET_VRING_KICK, &polled, sizeof polled, NULL, 0);
}

int front_connect(const char *path, uint64_t features, const struct front_memory *memory, unsigned n_memory,
                  const struct front_ring *rings, unsigned n_rings)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t offered = 0;
    bool taken = true;

    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    if (connection < 0 || connect(connection, (struct sockaddr *)&at, sizeof at) < 0)
        return -1;
    if (!wait_for_answer(connection, &offered) || (features & ~offered) != 0)
        goto refused;
    taken = tell(connection, SET_OWNER, NULL, 0, NULL, 0) &&
        tell(connection, SET_FEATURES, &features, sizeof features, NULL, 0) &&
        tell_memory(connection, memory, n_memory);
    for (unsigned i = 0; i < n_rings; i++)
        taken = taken && tell_ring(connection, i, &rings[i]);
    if (taken && wait_for_answer(connection, &offered))
        return connection;
refused:
    close(connection);
    errno = ECONNRESET;
    return -1;
}
