/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system finds two virtio-blk disks, copies the first onto the second, reads the copy
 * back, and says what it saw. Options come as words key=value on the semihosting command line; see struct options.
 */
#include <stdlib.h>
#include <string.h>

#include "blk.h"
#include "board.h"
#include "copy.h"
#include "report.h"
#include "shared.h"
#include "snapshot.h"

enum {
    DISKS = 2,
    TYPE_BLOCK = 2, /* virtio device type (5.2.1) */
    SLOTS_MAX = 4096,
    SLOT_SIZE = 2048,
    SEGMENT_SLOTS = 128
};

struct options {
    uint64_t bytes;      /* of the first disk to copy; 0: all. Its last sector may be padding from there on */
    uint64_t depth;      /* chunks under way at most */
    uint64_t slots;      /* of the bounce pool */
    uint64_t patience_ms; /* without any answer, after which a disk counts as dead */
};

static struct bounce_pool pool;
static uint64_t pool_meta[128 * 1024 / 8]; /* for SLOTS_MAX slots, each a mapping */
static struct bounce_config pool_config;
static struct blk disks[DISKS];

/* ------------------------------------------------------------------------------------------------------ options --- */

static void option(struct options *options, const char *word)
{
    const struct {
        const char *name;
        uint64_t *value, least, most;
    } known[] = {
        {"bytes=", &options->bytes, 1, INT64_MAX},
        {"depth=", &options->depth, 1, COPY_DEPTH_MAX},
        {"slots=", &options->slots, 1, SLOTS_MAX},
        {"patience-ms=", &options->patience_ms, 1, 600000},
    };

    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t n = strlen(known[i].name);
        char *end;

        if (strncmp(word, known[i].name, n) != 0)
            continue;
        *known[i].value = strtoull(word + n, &end, 10);
        if (*end || end == word + n || *known[i].value < known[i].least || *known[i].value > known[i].most)
            fail(FAILED_USAGE, "the guest does not take %s: %lu to %lu", word, (unsigned long)known[i].least,
                 (unsigned long)known[i].most);
        return;
    }
    fail(FAILED_USAGE, "the guest does not know the option %s", word);
}

/* -------------------------------------------------------------------------------------------------------- start --- */

static void start_pool(uint32_t slots)
{
    size_t meta_size;
    int error;

    shared_start((size_t)slots * SLOT_SIZE);
    pool_config = (struct bounce_config){
        .window = shared_window(),
        .window_addr = shared_address(shared_window()),
        .slots = slots,
        .slot_size = SLOT_SIZE,
        .segment_slots = SEGMENT_SLOTS,
        .areas = 1,
        .mappings = slots,
        .meta = pool_meta,
        .meta_size = sizeof pool_meta,
    };
    error = bounce_meta_size(&pool_config, &meta_size);
    if (!error)
        error = bounce_init(&pool, &pool_config);
    if (error)
        fail(FAILED_BOUNCE, "a pool of %lu slots was refused: %s", (unsigned long)slots, bounce_error_text(error));
}

static void report_disk(const struct blk *blk)
{
    json_object(&report, NULL);
    json_object(&report, "disk");
    json_text(&report, "name", blk->name);
    json_number(&report, "transport", (uint64_t)blk->mmio.transport);
    json_number(&report, "sectors", blk->capacity);
    json_bool(&report, "read_only", blk->read_only);
    json_number(&report, "features", blk->mmio.features);
    json_number(&report, "desc", shared_address(blk->ring.desc));
    json_number(&report, "driver_area", shared_address(blk->ring.driver_area));
    json_number(&report, "device_area", shared_address(blk->ring.device_area));
    json_end(&report);
    json_end(&report);
}

/* The first disk on the board is the one to read, the second the one to write. */
static void start_disks(void)
{
    static const char *const names[DISKS] = {"disk 0", "disk 1"};
    unsigned found = 0;

    for (unsigned n = 0; n < board.mmio_count && found < DISKS; n++)
        if (mmio_find(&disks[found].mmio, (int)n, TYPE_BLOCK) == TYPE_BLOCK)
            found++;
    if (found < DISKS)
        fail(FAILED_NO_DISK, "found %u of %d virtio-blk devices on %u virtio-mmio transports", found, DISKS,
             board.mmio_count);
    for (unsigned i = 0; i < DISKS; i++) {
        blk_start(&disks[i], names[i], &pool);
        report_disk(&disks[i]);
    }
}

/* Whether the disks suit what is wanted of them. Returns how many bytes to copy. */
static uint64_t judge_disks(uint64_t wanted)
{
    uint64_t bytes = disks[0].capacity * BLK_SECTOR;

    if (bytes == 0)
        fail(FAILED_SIZE, "disk 0 is empty");
    if (wanted > bytes)
        fail(FAILED_SIZE, "disk 0 has %lu bytes; %lu were to be copied", (unsigned long)bytes, (unsigned long)wanted);
    if (wanted == 0)
        wanted = bytes;
    if (disks[1].capacity * BLK_SECTOR < wanted)
        fail(FAILED_SIZE, "disk 1 is too small: %lu bytes for a copy of %lu",
             (unsigned long)(disks[1].capacity * BLK_SECTOR), (unsigned long)wanted);
    if (disks[1].read_only)
        fail(FAILED_READ_ONLY, "disk 1 cannot be written: the device offers it read-only");
    return wanted;
}

/* ------------------------------------------------------------------------------------------------------- report --- */

static void look(const struct copy_job *job)
{
    int error = 0;

    for (unsigned i = 0; i < job->disk_count && !error; i++)
        error = snapshot_ring(&report, job->disks[i].name, &job->disks[i].bounced.queue, shared_parts(), SHARED_PARTS);
    if (!error)
        error = snapshot_pool(&report, "bounce window", &pool, &pool_config);
    if (error)
        fail(FAILED_RING, "no snapshot: %s", bounced_error_text(error));
}

static void report_pass(const char *name, const char *digest, uint64_t bytes, uint64_t ticks)
{
    json_object(&report, NULL);
    json_object(&report, "pass");
    json_text(&report, "name", name);
    json_text(&report, "sha256", digest);
    json_number(&report, "bytes", bytes);
    json_number(&report, "us", ticks * 1000000 / board.clock_hz);
    json_end(&report);
    json_end(&report);
}

static void report_counts(const struct blk *blk)
{
    const struct blk_counts *counts = &blk->counts;

    json_object(&report, NULL);
    json_text(&report, "name", blk->name);
    json_number(&report, "requests", counts->requests);
    json_number(&report, "direct", counts->direct);
    json_number(&report, "indirect", counts->indirect);
    json_number(&report, "read", counts->read);
    json_number(&report, "written", counts->written);
    json_number(&report, "publishes", counts->publishes);
    json_number(&report, "notifications", counts->notifications);
    json_number(&report, "interrupts", counts->interrupts);
    json_number(&report, "ring_full", counts->ring_full);
    json_number(&report, "pool_full", counts->pool_full);
    json_number(&report, "most_in_flight", counts->most_in_flight);
    json_end(&report);
}

static void report_result(uint64_t ticks)
{
    struct bounce_counts usage;
    int error = bounce_usage(&pool, &usage);

    if (error)
        fail(FAILED_BOUNCE, "no usage: %s", bounce_error_text(error));
    json_object(&report, NULL);
    json_object(&report, "result");
    json_number(&report, "us", ticks * 1000000 / board.clock_hz);
    json_number(&report, "slots", usage.slots);
    json_number(&report, "slots_used", usage.used);
    json_number(&report, "slots_high_water", usage.high_water);
    json_number(&report, "mappings", usage.mappings);
    json_array(&report, "disks");
    for (unsigned i = 0; i < DISKS; i++)
        report_counts(&disks[i]);
    json_end(&report);
    json_end(&report);
    json_end(&report);
}

/* -------------------------------------------------------------------------------------------------------- story --- */

static void pass(const struct copy_job *job, char digest[65])
{
    uint64_t start = board_clock();

    copy(job, digest);
    report_pass(job->name, digest, job->bytes, board_clock() - start);
}

int main(int argc, char **argv)
{
    struct options options = {.depth = COPY_DEPTH_MAX, .slots = 1536, .patience_ms = 5000};
    char first[65], second[65];
    uint64_t start;

    board_start();
    for (int i = 0; i < argc; i++)
        if (strchr(argv[i], '=')) /* the others name the program */
            option(&options, argv[i]);
    start_pool((uint32_t)options.slots);
    start_disks();

    struct copy_job job = {
        .name = "copy",
        .disks = disks,
        .disk_count = DISKS,
        .from = &disks[0],
        .to = &disks[1],
        .bytes = judge_disks(options.bytes),
        .depth = (unsigned)options.depth,
        .patience = options.patience_ms * board.clock_hz / 1000,
        .look = look,
    };
    struct copy_job again = job;

    again.name = "read back";
    again.from = &disks[1];
    again.to = NULL;
    again.look = NULL;

    start = board_clock();
    pass(&job, first);
    copy_flush(&job, &disks[1]);
    pass(&again, second);
    copy_flush(&job, &disks[1]);
    for (unsigned i = 0; i < DISKS; i++)
        blk_stop(&disks[i]);
    if (strcmp(first, second) != 0)
        fail(FAILED_DIGEST, "what disk 1 gave back (SHA-256 %.16s...) is not what was written to it (%.16s...)", second,
             first);
    report_result(board_clock() - start);
    if (bounce_fini(&pool) != 0)
        fail(FAILED_BOUNCE, "mappings are left over");
    return DONE;
}
