/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user back-end that serves a file as a virtio-blk disk, one front-end at a time. README.md tells how to use it
 * with QEMU. One thread, one loop: a message never arrives in the middle of a request.
 */
#define _GNU_SOURCE /* ppoll, accept4 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend.h"
#include "complain.h"

enum {
    EXIT_USAGE = 2
};

struct options {
    const char *socket;
    const char *image;
    bool read_only;
};

static volatile sig_atomic_t asked_to_end;

/* ------------------------------------------------------------------------------------------------ command line --- */

static void usage(FILE *to)
{
    fputs("usage: vhost-user-blk --socket PATH --image FILE [--read-only]\n"
          "\n"
          "Serves FILE as a virtio-blk disk to one vhost-user front-end at a time, until SIGTERM.\n"
          "\n"
          "  --socket PATH  the Unix socket to listen on\n"
          "  --image FILE   the disk, byte for byte, in whole sectors of 512 bytes\n"
          "  --read-only    FILE is not written\n",
          to);
}

static struct options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'},
        {"image", required_argument, NULL, 'i'},
        {"read-only", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options.socket = optarg;
            break;
        case 'i':
            options.image = optarg;
            break;
        case 'r':
            options.read_only = true;
            break;
        case 'h':
            usage(stdout);
            exit(EXIT_SUCCESS);
        default:
            usage(stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc || !options.socket || !options.image) {
        usage(stderr);
        exit(EXIT_USAGE);
    }
    return options;
}

/* ------------------------------------------------------------------------------------------------------ socket --- */

/* Is there a socket of that name which nobody listens to, left over by a daemon that was killed? */
static bool is_left_over(const struct sockaddr_un *address)
{
    struct stat file;
    int probe;
    bool refused;

    if (lstat(address->sun_path, &file) < 0 || !S_ISSOCK(file.st_mode))
        return false;
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    refused = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) < 0 &&
              errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    return refused;
}

/* A listening socket, or -1 with a complaint. */
static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        complain("socket", "%s: longer than the %zu bytes of a socket's path", path, sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    if (is_left_over(&address))
        unlink(path);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0) {
        complain("socket", "%s: %s", path, strerror(errno));
        return -1;
    }
    return listener;
}

/* -------------------------------------------------------------------------------------------------------- loop --- */

static void on_end(int number)
{
    (void)number;
    asked_to_end = 1;
}

/* Signals that end the program arrive while it waits, and at no other time. Returns the mask to wait with. */
static sigset_t catch_signals(void)
{
    struct sigaction end = {.sa_handler = on_end};
    sigset_t blocked, open;

    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    return open;
}

static int wait_for(struct pollfd *fds, unsigned count, int timeout_ms, const sigset_t *signals)
{
    struct timespec timeout = {0, timeout_ms * 1000000L}; /* below a second */

    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, signals);
}

static void serve_connection(int socket, const struct blk *blk, const sigset_t *signals)
{
    static struct backend backend;
    struct pollfd fds[BACKEND_POLL_MAX];
    bool alive = true;

    backend_start(&backend, blk, socket);
    while (alive && !asked_to_end) {
        int timeout;
        unsigned count = backend_poll(&backend, fds, &timeout);

        alive = wait_for(fds, count, timeout, signals) < 0 || backend_serve(&backend, fds);
    }
    backend_stop(&backend);
}

static void serve(int listener, const struct blk *blk, const sigset_t *signals)
{
    while (!asked_to_end) {
        struct pollfd incoming = {.fd = listener, .events = POLLIN};
        int socket;

        if (wait_for(&incoming, 1, -1, signals) < 0)
            continue;
        socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket >= 0)
            serve_connection(socket, blk, signals);
    }
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    sigset_t signals = catch_signals(); /* before there is a socket, which nothing else would remove */
    struct blk blk;
    int listener;

    mapping_guard();
    if (!blk_open(&blk, options.image, options.read_only))
        return EXIT_FAILURE;
    listener = listen_on(options.socket);
    if (listener < 0)
        return EXIT_FAILURE;
    serve(listener, &blk, &signals);
    unlink(options.socket);
    return EXIT_SUCCESS;
}
