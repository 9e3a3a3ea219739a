/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include "board.h"
#include "report.h"
#include "sha256.h"

/* What a chunk's buffer is doing. Chunk n uses buffer n % depth, so a chunk starts when the one depth before it is done. */
enum state { FREE, READING, READ, HASHED, WRITING };

enum {
    PAGE = 4096,
    HASH_BATCH = 8, /* chunks */
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
    bool looked;
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

/* Requests come back in any order; the digest wants the chunks in theirs. A batch at a time, so that the disks stay busy. */
static void hash_batch(struct run *run)
{
    for (unsigned n = 0; n < HASH_BATCH && can_hash(run); n++) {
        sha256_add(&run->sha, chunk_buffer(run, run->next_hash), chunk_bytes(run, run->next_hash));
        run->state[run->next_hash % run->job->depth] = run->job->to ? HASHED : FREE;
        run->ended += run->job->to == NULL;
        run->next_hash++;
    }
}

static void submit_what_can_be(struct run *run)
{
    const struct copy_job *job = run->job;
    enum state *state;

    while (job->to && run->next_write < run->next_hash && submit(run, job->to, BLK_WRITE, run->next_write))
        run->state[run->next_write++ % job->depth] = WRITING;
    while (run->next_read < run->chunks && *(state = &run->state[run->next_read % job->depth]) == FREE &&
           submit(run, job->from, BLK_READ, run->next_read)) {
        *state = READING;
        run->next_read++;
    }
}

/* The moment for a snapshot: past a third, and the ring shows all there is to see. Past two thirds any moment will do. */
static void look_once(struct run *run)
{
    const struct copy_job *job = run->job;
    struct vring_snapshot ring;
    bool telling;

    if (run->looked || !job->look || run->ended < run->chunks / 3 || vring_split_driver_snapshot(&job->from->vq, &ring) != 0)
        return;
    telling = ring.used_idx != ring.next_used && ring.next_avail != ring.published &&
              (uint16_t)(ring.published - ring.used_idx) >= job->depth / 4;
    if (telling || run->ended >= run->chunks * 2 / 3) {
        job->look(job);
        run->looked = true;
    }
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
    fail(FAILED_BOUNCE, "the bounce pool or the ring is too small for a single request");
}

/* Sleep until there is something to take back. What came back without waking us is found by looking once more. */
static void wait(struct run *run)
{
    const struct copy_job *job = run->job;
    uint64_t deadline = board_clock() + job->patience;
    bool in_time = requests_in_flight(job) > 0;

    while (!take_back(run)) {
        if (!in_time)
            fail_timeout(job);
        in_time = blk_sleep(job->disks, job->disk_count, deadline);
    }
}

void copy(const struct copy_job *job, char digest[65])
{
    struct run run = {.job = job, .chunks = (job->bytes + COPY_CHUNK - 1) / COPY_CHUNK};

    sha256_start(&run.sha);
    while (run.ended < run.chunks) {
        take_back(&run);
        hash_batch(&run);
        submit_what_can_be(&run);
        look_once(&run);
        for (unsigned i = 0; i < job->disk_count; i++)
            blk_publish(&job->disks[i]);
        if (run.ended < run.chunks && !can_hash(&run))
            wait(&run);
    }
    sha256_finish(&run.sha, digest);
}

void copy_flush(const struct copy_job *job, struct blk *disk)
{
    uint64_t deadline = board_clock() + job->patience;
    bool in_time = blk_submit(disk, BLK_FLUSH, 0, NULL, 0, 0);
    struct blk_done done;

    blk_publish(disk);
    while (!blk_take_done(disk, &done)) {
        if (!in_time)
            fail_timeout(job);
        in_time = blk_sleep(job->disks, job->disk_count, deadline);
    }
}
