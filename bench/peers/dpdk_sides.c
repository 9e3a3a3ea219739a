/* SPDX-License-Identifier: MIT */
/*
 * DPDK's device side: its vhost library as the device end of a ring that another's driver has, split or packed. Not
 * like for like, since what it knows are packets: it takes a packet buffer from a pool for each buffer of the ring,
 * copies the 52 bytes behind the packet's header into it, and the buffer goes back into the pool. There is no way to
 * ask it for less.
 *
 * Its driver side, virtio-user, is none of the sides: it has no call that takes used buffers back, but does so inside a
 * later transmit, and fills its ring with buffers of its own choice.
 *
 * A back-end in the same process is reached by its socket, once per ring; after that, no message is sent, and nobody is
 * notified. It maps the memory once more, at other addresses.
 */
#define _GNU_SOURCE /* memfd_create, sched_setaffinity */
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include <assert.h>
#include <linux/virtio_config.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "side.h"
#include "vhost_user_front.h"

/* Queue 0 is what the device sends, and stays idle; it must be there, or queue 1 is not served. */
enum { IDLE, MEASURED, QUEUES };
enum { BURST = 32, HEADER = 12, PACKET = 64 - HEADER, POOL = 1023, POOL_CACHE = 256 };
enum { IDLE_SIZE = 256, IDLE_BYTES = 65536 };

static struct rte_mempool *pool;
static char folder[] = "/tmp/bench-dpdk-XXXXXX";
static char path[sizeof folder + sizeof "/socket"];
static struct front_memory idle;
/* Set by DPDK's own thread: the device that is running, or -1. */
static atomic_int running = -1;

static void fail(const char *what)
{
    fprintf(stderr, "DPDK: %s\n", what);
    exit(1);
}

static int new_device(int vid)
{
    rte_vhost_enable_guest_notification(vid, MEASURED, 0);
    atomic_store(&running, vid);
    return 0;
}

static void destroy_device(int vid)
{
    (void)vid;
    atomic_store(&running, -1);
}

static const struct rte_vhost_device_ops callbacks = {.new_device = new_device, .destroy_device = destroy_device};

static void leave(void)
{
    rte_vhost_driver_unregister(path);
    rmdir(folder);
}

/*
 * Without huge pages, devices or files; and on whatever cores this process has, since who runs where is not DPDK's to
 * say.
 */
static void start_environment(void)
{
    char cores[8 * CPU_SETSIZE] = "0@(";
    size_t end = strlen(cores);
    cpu_set_t allowed;

    sched_getaffinity(0, sizeof allowed, &allowed);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            end += (size_t)sprintf(cores + end, "%zu,", cpu);
    strcpy(cores + end - 1, ")");

    char *arguments[] = {"bench", "--no-huge", "--no-shconf", "-m", "64", "--no-pci", "--no-telemetry",
        "--log-level=*:error", "--lcores", cores};
    if (rte_eal_init(sizeof arguments / sizeof arguments[0], arguments) < 0)
        fail("its environment does not start here");
    sched_setaffinity(0, sizeof allowed, &allowed);
}

/* Once in a process. */
static void start_back_end(void)
{
    start_environment();
    pool = rte_pktmbuf_pool_create("bench", POOL, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    idle = (struct front_memory){.size = IDLE_BYTES, .file = memfd_create("bench-dpdk-idle", MFD_CLOEXEC)};
    if (!pool || idle.file < 0 || ftruncate(idle.file, IDLE_BYTES) < 0)
        fail("no memory");
    idle.base = mmap(NULL, IDLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, idle.file, 0);
    if (idle.base == MAP_FAILED || !mkdtemp(folder))
        fail("no memory, or no folder in /tmp");
    snprintf(path, sizeof path, "%s/socket", folder);
    if (rte_vhost_driver_register(path, 0) || rte_vhost_driver_callback_register(path, &callbacks) ||
        rte_vhost_driver_start(path))
        fail("its vhost library does not start here");
    atexit(leave);
}

struct device {
    int connection, vid;
};

static void *device_start(const struct ring_config *config, const struct ring_shared *shared)
{
    struct front_memory memory[] = {{shared->base, RING_SHARED_SIZE, shared->file}, {0}};
    uint16_t position = config->packed ? 0x8000 : 0;
    struct front_ring rings[QUEUES] = {
        [MEASURED] = {config->size, position, shared->desc, shared->driver_area, shared->device_area},
    };
    uint64_t features = 1ull << VIRTIO_F_VERSION_1 | (config->packed ? 1ull << VIRTIO_F_RING_PACKED : 0) |
        (config->in_order ? 1ull << VIRTIO_F_IN_ORDER : 0);
    struct device *device;

    if (config->chain != 1 || config->event_idx || config->indirect)
        return NULL;
    if (!pool)
        start_back_end();
    memory[1] = idle;
    rings[IDLE] = (struct front_ring){IDLE_SIZE, position, idle.base, (char *)idle.base + IDLE_BYTES / 2,
        (char *)idle.base + IDLE_BYTES / 4 * 3};
    device = calloc(1, sizeof *device);
    device->connection = front_connect(path, features, memory, 2, rings, QUEUES);
    if (device->connection < 0)
        fail("its vhost library does not want this ring");
    device->vid = atomic_load(&running);
    if (device->vid < 0)
        fail("the device was set up and does not run");
    return device;
}

static void device_stop(void *side)
{
    struct device *device = side;

    close(device->connection);
    while (atomic_load(&running) >= 0)
        sched_yield();
    free(device);
}

static uint32_t device_turn(void *side, uint32_t n, bool *notify)
{
    struct device *device = side;
    struct rte_mbuf *packets[BURST];
    uint32_t done = 0;

    /* A thread that DPDK does not know has no cache of its own in the pool. */
    if (unlikely(rte_lcore_id() == LCORE_ID_ANY) && rte_thread_register() != 0)
        fail("a thread cannot be registered");
    *notify = false;
    while (done < n) {
        uint16_t wanted = n - done < BURST ? (uint16_t)(n - done) : BURST;
        uint16_t got = rte_vhost_dequeue_burst(device->vid, MEASURED, pool, packets, wanted);

        for (uint16_t i = 0; i < got; i++)
            if (unlikely(packets[i]->pkt_len != PACKET))
                fail("a packet has another length");
        rte_pktmbuf_free_bulk(packets, got);
        done += got;
        if (got < wanted)
            break;
    }
    return done;
}

static const struct ring_device device_calls = {
    "DPDK vhost", device_start, device_stop, device_turn, NULL, NULL, NULL, NULL,
};

__attribute__((visibility("default"))) extern const struct ring_sides ring_sides_split, ring_sides_packed;
const struct ring_sides ring_sides_split = {NULL, &device_calls};
const struct ring_sides ring_sides_packed = {NULL, &device_calls};
