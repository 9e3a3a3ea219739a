/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* readlink */
#include "backend.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"

#define RING_FEATURES                                                                                         \
    (VRING_F_INDIRECT_DESC | VRING_F_EVENT_IDX | VRING_F_VERSION_1 | VRING_F_RING_PACKED | VRING_F_IN_ORDER | \
     VRING_F_ORDER_PLATFORM)
#define PROTOCOL_FEATURES (PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK | PROTOCOL_F_CONFIG | PROTOCOL_F_INFLIGHT_SHMFD)

enum {
    DEAF_MS = 1 /* how often to ask whether a queue listens to its kick again */
};

void backend_start(struct backend *backend, const struct blk *blk, int socket)
{
    memset(backend, 0, sizeof *backend);
    backend->blk = blk;
    backend->socket = socket;
    for (unsigned i = 0; i < QUEUES; i++)
        queue_init(&backend->queues[i]);
}

void backend_stop(struct backend *backend)
{
    for (unsigned i = 0; i < QUEUES; i++)
        queue_fini(&backend->queues[i]);
    memory_unmap(&backend->memory);
    inflight_unmap(&backend->inflight);
    (void)mapping_lost(); /* not what the next front-end did */
    protocol_clear(&backend->message);
    close(backend->socket);
}

/* ---------------------------------------------------------------------------------------------------- refusals --- */

/* Say what is wrong with the message. False, for the handler to return. */
__attribute__((format(printf, 2, 3))) static bool refuse(struct backend *backend, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(backend->why, sizeof backend->why, format, arguments);
    va_end(arguments);
    return false;
}

/* The queue of that number, or null with a refusal. The whole width is judged. */
static struct queue *find_queue(struct backend *backend, uint64_t index)
{
    if (index < QUEUES)
        return &backend->queues[index];
    refuse(backend, "there is no queue %llu: there are %d", (unsigned long long)index, QUEUES);
    return NULL;
}

/* The same, if it does not run: what is to be set is constant while it does. */
static struct queue *find_stopped(struct backend *backend, uint64_t index)
{
    struct queue *queue = find_queue(backend, index);

    if (queue && queue->running) {
        refuse(backend, "queue %llu runs: stop it first", (unsigned long long)index);
        return NULL;
    }
    return queue;
}

static bool is_packed(const struct backend *backend)
{
    return (backend->features & VRING_F_RING_PACKED) != 0;
}

/* Null, or why the queue cannot start. */
static const char *start(struct backend *backend, struct queue *queue)
{
    unsigned i = (unsigned)(queue - backend->queues);
    size_t size;
    void *inflight = inflight_part(&backend->inflight, i, is_packed(backend), &size);

    if (backend->inflight.queues > 0 && !inflight)
        return "the inflight region has no part for it";
    return queue_start(queue, backend->features, &backend->memory, inflight, size);
}

static bool start_if_ready(struct backend *backend, struct queue *queue)
{
    const char *why;

    if (queue->running || !queue_is_ready(queue))
        return true;
    why = start(backend, queue);
    return !why || refuse(backend, "the queue cannot start: %s", why);
}

static bool answer(struct backend *backend, const void *payload, uint32_t size, int fd)
{
    return protocol_reply(backend->socket, &backend->message, payload, size, fd) ||
           refuse(backend, "the front-end does not take the answer");
}

static bool answer_u64(struct backend *backend, uint64_t value)
{
    return answer(backend, &value, sizeof value, -1);
}

/* ---------------------------------------------------------------------------------------------------- features --- */

static uint64_t offered_features(const struct backend *backend)
{
    return (RING_FEATURES & vring_features_supported(0)) | blk_features(backend->blk) | F_PROTOCOL_FEATURES;
}

static bool get_features(struct backend *backend, struct message *message)
{
    (void)message;
    return answer_u64(backend, offered_features(backend));
}

static bool set_features(struct backend *backend, struct message *message)
{
    uint64_t features = message->payload.u64, excess = features & ~offered_features(backend);

    if (excess)
        return refuse(backend, "features 0x%llx were not offered", (unsigned long long)excess);
    for (unsigned i = 0; i < QUEUES; i++)
        if (backend->queues[i].running && features != backend->features)
            return refuse(backend, "queue %u runs: stop it before other features are set", i);
    backend->features = features;
    /* Without the protocol features there is no message to enable a queue by. */
    for (unsigned i = 0; i < QUEUES; i++)
        backend->queues[i].enabled |= !(features & F_PROTOCOL_FEATURES);
    return true;
}

static bool get_protocol_features(struct backend *backend, struct message *message)
{
    (void)message;
    return answer_u64(backend, PROTOCOL_FEATURES);
}

static bool set_protocol_features(struct backend *backend, struct message *message)
{
    uint64_t excess = message->payload.u64 & ~PROTOCOL_FEATURES;

    if (excess)
        return refuse(backend, "protocol features 0x%llx were not offered", (unsigned long long)excess);
    backend->protocol_features = message->payload.u64;
    return true;
}

static bool get_queue_num(struct backend *backend, struct message *message)
{
    (void)message;
    return answer_u64(backend, QUEUES);
}

/* SET_OWNER says nothing that the connection does not; RESET_OWNER is meant to be ignored. */
static bool nothing_to_do(struct backend *backend, struct message *message)
{
    (void)backend;
    (void)message;
    return true;
}

/* ----------------------------------------------------------------------------------------------- configuration --- */

static bool get_config(struct backend *backend, struct message *message)
{
    struct protocol_config *config = &message->payload.config;

    if (config->size > PROTOCOL_CONFIG_MAX || message->header.size < CONFIG_PAYLOAD + config->size)
        return refuse(backend, "the payload has no room for %u bytes", config->size);
    blk_config(backend->blk, QUEUES, config->offset, config->data, config->size);
    return answer(backend, config, (uint32_t)(CONFIG_PAYLOAD + config->size), -1);
}

static bool set_config(struct backend *backend, struct message *message)
{
    (void)message;
    return refuse(backend, "nothing in the configuration space can be written");
}

/* ------------------------------------------------------------------------------------------------------ memory --- */

/* Start again, in other memory, the queues that ran. Null, or why one of them cannot. */
static const char *restart(struct backend *backend, const bool *ran)
{
    const char *first = NULL;

    for (unsigned i = 0; i < QUEUES; i++) {
        const char *why = ran[i] ? start(backend, &backend->queues[i]) : NULL;

        if (why && !first)
            first = why;
    }
    return first;
}

static void stop_all(struct backend *backend)
{
    for (unsigned i = 0; i < QUEUES; i++)
        queue_stop(&backend->queues[i]);
}

/* Queues may run: they go on in the new memory where they stopped in the old, or nothing changes. */
static bool set_mem_table(struct backend *backend, struct message *message)
{
    struct memory old = backend->memory, next;
    bool ran[QUEUES];
    const char *why = memory_map(&next, message);

    if (why)
        return refuse(backend, "%s", why);
    for (unsigned i = 0; i < QUEUES; i++)
        ran[i] = backend->queues[i].running;
    stop_all(backend);
    backend->memory = next;
    why = restart(backend, ran);
    if (!why) {
        memory_unmap(&old);
        return true;
    }
    stop_all(backend);
    backend->memory = old;
    memory_unmap(&next);
    (void)restart(backend, ran); /* a ring that its driver has changed meanwhile stays stopped */
    return refuse(backend, "a queue that runs would be lost: %s", why);
}

/* --------------------------------------------------------------------------------------------- inflight region --- */

static bool get_inflight_fd(struct backend *backend, struct message *message)
{
    struct protocol_inflight *region = &message->payload.inflight;
    int fd;
    const char *why = inflight_create(region, is_packed(backend), &fd);
    bool done;

    if (why)
        return refuse(backend, "%s", why);
    done = answer(backend, region, sizeof *region, fd);
    close(fd);
    return done;
}

static bool set_inflight_fd(struct backend *backend, struct message *message)
{
    const char *why;

    for (unsigned i = 0; i < QUEUES; i++)
        if (backend->queues[i].running)
            return refuse(backend, "queue %u runs: stop it first", i);
    if (message->n_fds != 1)
        return refuse(backend, "no file descriptor comes along");
    why = inflight_map(&backend->inflight, &message->payload.inflight, message->fds[0], is_packed(backend));
    return !why || refuse(backend, "%s", why);
}

/* ------------------------------------------------------------------------------------------------------ queues --- */

static bool set_vring_num(struct backend *backend, struct message *message)
{
    uint32_t size = message->payload.state.num;
    struct queue *queue = find_stopped(backend, message->payload.state.index);

    if (!queue)
        return false;
    if (size == 0 || size > VRING_SPLIT_SIZE_MAX)
        return refuse(backend, "a queue has 1 to %d entries, not %u", VRING_SPLIT_SIZE_MAX, size);
    queue->size = size;
    return true;
}

static bool set_vring_addr(struct backend *backend, struct message *message)
{
    const struct protocol_vring_addr *addr = &message->payload.addr;
    struct queue *queue = find_stopped(backend, addr->index);

    if (!queue)
        return false;
    if (addr->flags)
        return refuse(backend, "flags 0x%x ask for a log, which was not offered", addr->flags);
    queue->addr = *addr;
    queue->has_addr = true;
    return true;
}

static bool set_vring_base(struct backend *backend, struct message *message)
{
    struct queue *queue = find_stopped(backend, message->payload.state.index);

    if (!queue)
        return false;
    queue->base = message->payload.state.num;
    return true;
}

static bool get_vring_base(struct backend *backend, struct message *message)
{
    struct protocol_state *state = &message->payload.state;
    struct queue *queue = find_queue(backend, state->index);

    if (!queue)
        return false;
    queue_stop(queue);
    queue_set_fd(&queue->kick, -1);
    state->num = queue->base;
    return answer(backend, state, sizeof *state, -1);
}

static bool is_eventfd(int fd)
{
    static const char eventfd[] = "anon_inode:[eventfd]";
    char path[32], target[sizeof eventfd];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target) == sizeof eventfd - 1 &&
           memcmp(target, eventfd, sizeof eventfd - 1) == 0;
}

/* SET_VRING_KICK, _CALL and _ERR: the queue, and the descriptor or -1. Null with a refusal. */
static struct queue *find_queue_and_fd(struct backend *backend, struct message *message, int *fd)
{
    uint64_t word = message->payload.u64;
    struct queue *queue = find_queue(backend, word & ~(uint64_t)VRING_FD_NONE);

    if (!queue)
        return NULL;
    if ((message->n_fds == 1) != ((word & VRING_FD_NONE) == 0)) {
        refuse(backend, "it does not say what comes along: %u file descriptors", message->n_fds);
        return NULL;
    }
    if (message->n_fds == 1 && !is_eventfd(message->fds[0])) {
        refuse(backend, "the file descriptor is no eventfd");
        return NULL;
    }
    *fd = protocol_take_fd(message, 0);
    return queue;
}

static bool set_vring_kick(struct backend *backend, struct message *message)
{
    int fd;
    struct queue *queue = find_queue_and_fd(backend, message, &fd);

    if (!queue)
        return false;
    if (fd < 0)
        return refuse(backend, "this back-end does not poll: a kick is needed");
    queue_set_fd(&queue->kick, fd);
    queue->waiting = queue->running; /* the one before may have been told something that nobody has read */
    if (start_if_ready(backend, queue))
        return true;
    queue_set_fd(&queue->kick, -1);
    return false;
}

static bool set_vring_call(struct backend *backend, struct message *message)
{
    int fd;
    struct queue *queue = find_queue_and_fd(backend, message, &fd);

    if (queue)
        queue_set_fd(&queue->call, fd);
    return queue != NULL;
}

static bool set_vring_err(struct backend *backend, struct message *message)
{
    int fd;
    struct queue *queue = find_queue_and_fd(backend, message, &fd);

    if (queue)
        queue_set_fd(&queue->err, fd);
    return queue != NULL;
}

static bool set_vring_enable(struct backend *backend, struct message *message)
{
    const struct protocol_state *state = &message->payload.state;
    struct queue *queue = find_queue(backend, state->index);

    if (!queue)
        return false;
    if (state->num > 1)
        return refuse(backend, "a queue is enabled by 1 and disabled by 0, not by %u", state->num);
    queue->enabled = state->num == 1;
    queue->waiting = queue->running;
    if (start_if_ready(backend, queue))
        return true;
    queue->enabled = false;
    return false;
}

/* ---------------------------------------------------------------------------------------------------- messages --- */

static bool (*const handlers[REQUEST_END])(struct backend *backend, struct message *message) = {
    [GET_FEATURES] = get_features,
    [SET_FEATURES] = set_features,
    [SET_OWNER] = nothing_to_do,
    [RESET_OWNER] = nothing_to_do,
    [SET_MEM_TABLE] = set_mem_table,
    [SET_VRING_NUM] = set_vring_num,
    [SET_VRING_ADDR] = set_vring_addr,
    [SET_VRING_BASE] = set_vring_base,
    [GET_VRING_BASE] = get_vring_base,
    [SET_VRING_KICK] = set_vring_kick,
    [SET_VRING_CALL] = set_vring_call,
    [SET_VRING_ERR] = set_vring_err,
    [GET_PROTOCOL_FEATURES] = get_protocol_features,
    [SET_PROTOCOL_FEATURES] = set_protocol_features,
    [GET_QUEUE_NUM] = get_queue_num,
    [SET_VRING_ENABLE] = set_vring_enable,
    [GET_CONFIG] = get_config,
    [SET_CONFIG] = set_config,
    [GET_INFLIGHT_FD] = get_inflight_fd,
    [SET_INFLIGHT_FD] = set_inflight_fd,
};

/* Carry out a complete message. False if the connection is over. */
static bool handle(struct backend *backend)
{
    struct message *message = &backend->message;
    bool acknowledge = (message->header.flags & HEADER_NEED_REPLY) && !protocol_has_answer(message) &&
                       (backend->protocol_features & PROTOCOL_F_REPLY_ACK);
    bool done = handlers[message->header.request](backend, message);
    bool alive = done;

    if (!done)
        complain("front-end", "%s: %s", protocol_name(message), backend->why);
    protocol_close_fds(message); /* before the answer: whoever has it may count on nothing being kept */
    if (acknowledge)
        alive = answer_u64(backend, done ? 0 : 1);
    protocol_clear(message);
    return alive;
}

/* Take what has come of a message, and carry it out once it is complete. False if the connection is over. */
static bool receive(struct backend *backend)
{
    const char *why;

    switch (protocol_receive(backend->socket, &backend->message, &why)) {
    case PROTOCOL_MESSAGE:
        return handle(backend);
    case PROTOCOL_MORE:
        return true;
    case PROTOCOL_CLOSED:
        return false;
    default:
        complain("front-end", "%s", why);
        return false;
    }
}

/* -------------------------------------------------------------------------------------------------------- loop --- */

unsigned backend_poll(struct backend *backend, struct pollfd *fds, int *timeout)
{
    *timeout = -1;
    fds[0] = (struct pollfd){.fd = backend->socket, .events = POLLIN};
    for (unsigned i = 0; i < QUEUES; i++) {
        struct queue *queue = &backend->queues[i];

        fds[1 + i] = (struct pollfd){.fd = queue_listens(queue) ? queue->kick : -1, .events = POLLIN};
        if (queue->running && queue->enabled && queue->waiting)
            *timeout = 0;
        else if (queue->running && !queue->broken && queue->kick >= 0 && fds[1 + i].fd < 0 && *timeout < 0)
            *timeout = DEAF_MS;
    }
    return 1 + QUEUES;
}

static void run_queue(struct backend *backend, unsigned i, bool kicked)
{
    struct queue *queue = &backend->queues[i];

    if (kicked && !queue_take_kick(queue))
        complain("front-end", "the kick of queue %u cannot be read, and is closed", i);
    queue_run(queue, backend->blk);
}

bool backend_serve(struct backend *backend, const struct pollfd *fds)
{
    /* Queues first: fds speaks of the kicks that there were before the next message. */
    for (unsigned i = 0; i < QUEUES; i++)
        run_queue(backend, i, fds[1 + i].revents != 0);
    if (fds[0].revents != 0 && !receive(backend))
        return false;
    if (mapping_lost()) {
        complain("front-end", "it has truncated a file that we have mapped");
        return false;
    }
    return true;
}
