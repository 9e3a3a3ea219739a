/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include "board.h"
#include "report.h"
#include "sha256.h"

/* What a buffer is doing. Chunk n uses buffer n % depth, so a chunk starts when the one depth before it is done. */
enum state { FREE, READING, READ, HASHED, WRITING };

enum {
    PAGE = 4096,
    BATCH = 8, /* chunks to hash at a time */
    MISALIGN = 0x1a8 /* buffer n starts n times this far into a page: no two alike, none aligned */
};

/* Payload, in private memory. */
static uint8_t buffers[COPY_DEPTH_MAX][COPY_CHUNK + PAGE] __attribute__((aligned(PAGE)));

struct run {
    const struct copy_job *job;
    struct sha256 sha;
    enum state state[COPY_DEPTH_MAX];
    uint64_t chunks;     /* in all */
    uint64_t next_read;  /* chunks before this one have been submitted for reading, */
    uint64_t next_hash;  /* ... these have been hashed, */
    uint64_t next_write; /* ... and these have been submitted for writing */
    uint64_t ended;
    uint64_t next_report; /* clock */
};

static uint8_t *chunk_buffer(const struct run *run, uint64_t chunk)
{
    unsigned i = (unsigned)(chunk % run->job->depth);

    return buffers[i] + (MISALIGN * (i + 1)) % PAGE;
}

/* Bytes of a chunk that the digest covers: all, but for the last one. */
static size_t chunk_bytes(const struct run *run, uint64_t chunk)
{
    uint64_t rest = run->job->bytes - chunk * COPY_CHUNK;

    return rest < COPY_CHUNK ? (size_t)rest : COPY_CHUNK;
}

static bool submit(struct run *run, struct blk *disk, enum blk_type type, uint64_t chunk)
{
    size_t whole_sectors = (chunk_bytes(run, chunk) + BLK_SECTOR - 1) & ~(size_t)(BLK_SECTOR - 1);

    return blk_submit(disk, type, chunk * (COPY_CHUNK / BLK_SECTOR), chunk_buffer(run, chunk), whole_sectors,
                      (uint32_t)(chunk % run->job->depth));
}

/* Take back whatever the disks have carried out. Returns whether there was anything. */
static bool take_back(struct run *run)
{
    const struct copy_job *job = run->job;
    struct blk_done done;
    bool any = false;

    for (unsigned i = 0; i < job->disk_count; i++) {
        while (blk_take_done(&job->disks[i], &done)) {
            any = true;
            run->state[done.tag] = done.type == BLK_READ ? READ : FREE;
            run->ended += done.type == BLK_WRITE;
        }
    }
    return any;
}

static bool can_hash(const struct run *run)
{
    return run->next_hash < run->next_read && run->state[run->next_hash % run->job->depth] == READ;
}

/* Requests come back in any order; the digest wants the chunks in theirs. By batches, so that the disks stay busy. */
static void hash_batch(struct run *run)
{
    for (unsigned n = 0; n < BATCH && can_hash(run); n++) {
        sha256_add(&run->sha, chunk_buffer(run, run->next_hash), chunk_bytes(run, run->next_hash));
        run->state[run->next_hash % run->job->depth] = run->job->to ? HASHED : FREE;
        run->ended += run->job->to == NULL;
        run->next_hash++;
    }
}

static bool submit_write(struct run *run)
{
    if (!submit(run, run->job->to, BLK_WRITE, run->next_write))
        return false;
    run->state[run->next_write++ % run->job->depth] = WRITING;
    return true;
}

static bool submit_read(struct run *run)
{
    enum state *state = &run->state[run->next_read % run->job->depth];

    if (*state != FREE || !submit(run, run->job->from, BLK_READ, run->next_read))
        return false;
    *state = READING;
    run->next_read++;
    return true;
}

static void publish(struct run *run)
{
    for (unsigned i = 0; i < run->job->disk_count; i++)
        if (blk_publish(&run->job->disks[i]))
            blk_notify(&run->job->disks[i]);
}

/* Once a second, for whoever copies a large disk. */
static void report_progress(struct run *run)
{
    if (board_clock() < run->next_report)
        return;
    run->next_report = board_clock() + board.clock_hz;
    json_object(&report, NULL);
    json_object(&report, "progress");
    json_text(&report, "name", run->job->name);
    json_number(&report, "bytes", run->next_hash * COPY_CHUNK);
    json_number(&report, "of", run->job->bytes);
    json_end(&report);
    json_end(&report);
}

static uint32_t requests_in_flight(const struct copy_job *job)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < job->disk_count; i++)
        n += blk_in_flight(&job->disks[i]);
    return n;
}

static void __attribute__((noreturn)) fail_timeout(const struct copy_job *job)
{
    for (unsigned i = 0; i < job->disk_count; i++)
        if (blk_in_flight(&job->disks[i]) > 0)
            fail(FAILED_TIMEOUT, "%s: no answer for %lu ms, with %lu requests in flight", job->disks[i].name,
                 (unsigned long)(job->patience * 1000 / board.clock_hz), (unsigned long)blk_in_flight(&job->disks[i]));
    fail(FAILED_BOUNCE, "no request could be submitted, and none is in flight");
}

/* Sleep until there is something to take back. What came back without waking us is found by looking once more. */
static void wait(struct run *run)
{
    const struct copy_job *job = run->job;
    uint64_t deadline = board_clock() + job->patience;
    bool in_time = true;

    while (!take_back(run)) {
        if (!in_time)
            fail_timeout(job);
        in_time = blk_sleep(job->disks, job->disk_count, deadline);
    }
}

/* How far a run has come, in a number that grows with each step that is not in vain. */
static uint64_t distance(const struct run *run)
{
    return run->next_read + run->next_hash + run->next_write + run->ended;
}

/* Carry on with what there is to do, up to the given chunks, and sleep if that is nothing. */
static void step(struct run *run, uint64_t end_read, uint64_t end_write)
{
    uint64_t before = distance(run);

    take_back(run);
    hash_batch(run);
    while (run->next_write < run->next_hash && run->next_write < end_write && submit_write(run))
        continue;
    while (run->next_read < end_read && submit_read(run))
        continue;
    publish(run);
    report_progress(run);
    if (requests_in_flight(run->job) == 0 && distance(run) == before && !can_hash(run))
        fail(FAILED_BOUNCE, "the bounce pool is too small for a single request of %d bytes", COPY_CHUNK);
    if (requests_in_flight(run->job) > 0 && !can_hash(run))
        wait(run);
}

/*
 * Has the device used all that was published, whether or not it was taken back? In a packed ring used descriptors lie
 * as far apart as their buffers are long (2.8.5), and each bears the wrap counter of its lap.
 */
static bool all_answered(const struct blk *disk)
{
    struct vring_snapshot ring;
    struct vring_snapshot_entry entry, of_id;

    if (vring_driver_snapshot(&disk->bounced.queue, &ring) != 0)
        return true;
    if (!ring.packed)
        return ring.used_idx == ring.published;
    for (uint32_t place = ring.next_used, left = ring.size; place != ring.published; left--) {
        uint32_t at = place & 0x7fff, wrap = place >> 15;

        if (vring_driver_snapshot_entry(&disk->bounced.queue, at, &entry) != 0 || (entry.flags >> 7 & 1) != wrap ||
            entry.flags >> 15 != (int)wrap ||
            vring_driver_snapshot_entry(&disk->bounced.queue, entry.id, &of_id) != 0 || of_id.count == 0 || left == 0)
            return false; /* or a device that leads us round and round */
        at += of_id.count;
        place = at < ring.size ? at | wrap << 15 : (at - ring.size) | (wrap ^ 1) << 15;
    }
    return true;
}

/* Wait for the requests on a disk to be answered, but not for long, and without taking them back. */
static void await_answers(const struct blk *disk)
{
    uint64_t deadline = board_clock() + board.clock_hz;

    while (!all_answered(disk) && board_clock() < deadline)
        continue;
}

static void submit_reads(struct run *run, uint64_t count)
{
    while (count-- > 0 && run->next_read < run->chunks && submit_read(run))
        continue;
}

/*
 * Let the caller look at a moment when there is all to be seen: writes under way, reads answered but not taken back,
 * reads with the device, and reads staged. The disks are much faster than this CPU, so that does not come by itself:
 * let the work run dry but for some writes, start it again, and ring the doorbell for the last reads only after the
 * look.
 */
static void show(struct run *run)
{
    const struct copy_job *job = run->job;
    uint64_t some = (job->depth + 3) / 4;
    uint64_t hold = run->next_read > some ? run->next_read - some : 0;
    bool owed;

    while (run->next_hash < run->next_read || run->ended < hold)
        step(run, run->next_read, hold);
    while (run->next_write < run->next_hash && submit_write(run))
        continue;
    submit_reads(run, some);
    publish(run);
    await_answers(job->from);
    submit_reads(run, some);
    owed = blk_publish(job->from);
    submit_reads(run, some);
    job->look(job);
    if (owed)
        blk_notify(job->from);
    publish(run);
}

void copy(const struct copy_job *job, char digest[65])
{
    struct run run = {.job = job, .chunks = (job->bytes + COPY_CHUNK - 1) / COPY_CHUNK};
    uint64_t end_read = job->look ? run.chunks / 2 : run.chunks;

    sha256_start(&run.sha);
    while (run.ended < run.chunks) {
        if (run.next_read == end_read && end_read < run.chunks) {
            show(&run);
            end_read = run.chunks;
        }
        step(&run, end_read, run.chunks);
    }
    sha256_finish(&run.sha, digest);
}

void copy_flush(const struct copy_job *job, struct blk *disk)
{
    uint64_t deadline = board_clock() + job->patience;
    struct blk_done done;

    if (!disk->has_cache) /* what was written is there to stay (5.2.6.2), and it does not know the request */
        return;

    bool in_time = blk_submit(disk, BLK_FLUSH, 0, NULL, 0, 0);

    if (blk_publish(disk))
        blk_notify(disk);
    while (!blk_take_done(disk, &done)) {
        if (!in_time)
            fail_timeout(job);
        in_time = blk_sleep(job->disks, job->disk_count, deadline);
    }
}
