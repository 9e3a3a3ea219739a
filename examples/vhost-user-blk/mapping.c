/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "mapping.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is mapped now, for the signal handler: it runs in the middle of an access, never of a change here. */
static struct {
    struct range {
        void *start; /* null: free */
        size_t length;
    } ranges[MAPPINGS_MAX];
    volatile sig_atomic_t lost;
} guard;

static struct range *range_from(const void *start)
{
    for (unsigned i = 0; i < MAPPINGS_MAX; i++)
        if (guard.ranges[i].start == start)
            return &guard.ranges[i];
    return NULL;
}

static struct range *range_around(const void *address)
{
    for (unsigned i = 0; i < MAPPINGS_MAX; i++)
        if ((uintptr_t)address - (uintptr_t)guard.ranges[i].start < guard.ranges[i].length)
            return &guard.ranges[i];
    return NULL;
}

/* Only system calls here: the handler may interrupt anything. */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    const struct range *range = range_around(info->si_addr);

    (void)context;
    if (range && mmap(range->start, range->length, PROT_READ | PROT_WRITE,
                      MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
        guard.lost = 1;
    else
        signal(number, SIG_DFL); /* not ours: the access is repeated, and ends the program */
    errno = saved;
}

void mapping_guard(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

bool mapping_lost(void)
{
    bool lost = guard.lost != 0;

    guard.lost = 0;
    return lost;
}

/* What offsets and lengths of a mapping of this file must be multiples of. hugetlbfs tells its page size so. */
static uint64_t page_size(const struct stat *file)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), block = (uint64_t)file->st_blksize;

    return block > page && (block & (block - 1)) == 0 ? block : page;
}

static const char *map(struct mapping *mapping, int fd, uint64_t start, uint64_t length)
{
    int protection = PROT_READ | PROT_WRITE;
    void *at = mmap(NULL, (size_t)length, protection, MAP_SHARED, fd, (off_t)start);

    if (at == MAP_FAILED && (errno == EACCES || errno == EPERM)) {
        protection = PROT_READ;
        at = mmap(NULL, (size_t)length, protection, MAP_SHARED, fd, (off_t)start);
    }
    if (at == MAP_FAILED)
        return strerror(errno);
    mapping->start = at;
    mapping->length = (size_t)length;
    mapping->read_only = protection == PROT_READ;
    return NULL;
}

const char *mapping_create(struct mapping *mapping, int fd, uint64_t offset, uint64_t size)
{
    struct stat file;
    struct range *range = range_from(NULL);
    uint64_t page, start, length;
    const char *why;

    memset(mapping, 0, sizeof *mapping);
    if (!range)
        return "there are too many mappings";
    if (fstat(fd, &file) < 0)
        return strerror(errno);
    if (size > INT64_MAX || offset > INT64_MAX - size)
        return "offset and size go beyond the end of any file";
    if (S_ISREG(file.st_mode) && offset + size > (uint64_t)file.st_size)
        return "it goes beyond the end of its file";

    page = page_size(&file);
    start = offset & ~(page - 1);
    if (offset + size > INT64_MAX - page)
        return "offset and size go beyond the end of any file";
    length = ((offset + size + page - 1) & ~(page - 1)) - start;
    if (length > SIZE_MAX)
        return "it is larger than the address space";
    why = map(mapping, fd, start, length);
    if (why)
        return why;
    mapping->data = (unsigned char *)mapping->start + (offset - start);
    *range = (struct range){mapping->start, mapping->length};
    return NULL;
}

void mapping_destroy(struct mapping *mapping)
{
    if (!mapping->start)
        return;
    *range_from(mapping->start) = (struct range){NULL, 0};
    munmap(mapping->start, mapping->length);
    memset(mapping, 0, sizeof *mapping);
}
