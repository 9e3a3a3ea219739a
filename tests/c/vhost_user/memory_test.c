/* SPDX-License-Identifier: MIT */
/* The example's memory table: whole or not at all, at any offset, and safe from a file that becomes shorter. */
#define _GNU_SOURCE
#include "../../../examples/vhost-user-blk/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vtest.h"

enum {
    PAGE = 4096,
    SIZE = 64 * PAGE
};

/* A message with count regions of one file, size bytes each, that lie behind each other everywhere. */
static struct message table(int fd, unsigned count, uint64_t size)
{
    struct message message = {.n_fds = count};

    message.header = (struct protocol_header){SET_MEM_TABLE, 1, (uint32_t)(MEMORY_PAYLOAD + 32 * count)};
    message.payload.memory.count = count;
    for (unsigned i = 0; i < count; i++) {
        message.fds[i] = fd;
        message.payload.memory.regions[i] =
            (struct protocol_region){0x1000000 + i * size, size, 0x7000000 + i * size, i * size};
    }
    return message;
}

static int file_of(size_t size)
{
    int fd = memfd_create("memory_test", MFD_CLOEXEC);

    return ftruncate(fd, (off_t)size) == 0 ? fd : -1;
}

static unsigned mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned count = 0;

    while (maps && fgets(line, sizeof line, maps))
        count += strstr(line, "/memfd:memory_test") != NULL;
    if (maps)
        fclose(maps);
    return count;
}

TEST(C030_regions_are_sorted_whatever_the_order_they_came_in)
{
    int fd = file_of(SIZE);

    for (unsigned turn = 0; turn < 8; turn++) {
        struct message message = table(fd, 8, PAGE);
        struct protocol_region *regions = message.payload.memory.regions;
        struct protocol_region first = regions[0];
        struct memory memory;

        regions[0] = regions[turn];
        regions[turn] = first;
        CHECK(memory_map(&memory, &message) == NULL);
        for (unsigned i = 0; i < 8; i++) {
            CHECK_EQ(memory.regions[i].addr, 0x1000000 + i * PAGE);
            CHECK(memory_find(&memory, 0x7000000 + i * PAGE, PAGE, true) == memory.regions[i].host);
        }
        memory_unmap(&memory);
        CHECK_EQ(mappings(), 0);
    }
    close(fd);
}

TEST(C231_a_table_is_mapped_whole_or_not_at_all)
{
    int fd = file_of(SIZE);

    for (unsigned k = 0; k < 8; k++) {
        struct message message = table(fd, 8, PAGE);
        struct memory memory;

        message.payload.memory.regions[k].size = 0;
        CHECK(strcmp(memory_map(&memory, &message), "a region is empty") == 0);
        message = table(fd, 8, PAGE);
        message.fds[k] = -1;
        CHECK(memory_map(&memory, &message) != NULL);
        message = table(fd, 8, PAGE);
        message.payload.memory.regions[k].guest_addr = 0x1000000 + (k ^ 1) * PAGE + 1;
        CHECK(memory_map(&memory, &message) != NULL);
        message = table(fd, 8, PAGE);
        message.payload.memory.regions[k].mmap_offset = SIZE - PAGE + 1;
        CHECK(memory_map(&memory, &message) != NULL);
        CHECK_EQ(memory.count, 0);
        CHECK_EQ(mappings(), 0);
        CHECK(memory_find(&memory, 0x7000000, 1, false) == NULL);
    }
    close(fd);
}

TEST(C009_C011_an_address_is_found_in_one_region_or_not_at_all)
{
    int fd = file_of(SIZE);
    struct message message = table(fd, 2, PAGE);
    struct memory memory;
    uint64_t at = 0x7000000;

    CHECK(memory_map(&memory, &message) == NULL);
    CHECK(memory_find(&memory, at, PAGE, true) != NULL);
    CHECK(memory_find(&memory, at + PAGE - 1, 1, true) != NULL);
    CHECK(memory_find(&memory, at, PAGE + 1, true) == NULL); /* over two regions */
    CHECK(memory_find(&memory, at + 2 * PAGE - 1, 2, true) == NULL);
    CHECK(memory_find(&memory, at + 2 * PAGE, 1, true) == NULL);
    CHECK(memory_find(&memory, at - 1, 1, true) == NULL);
    CHECK(memory_find(&memory, at - 1, 2, true) == NULL);
    CHECK(memory_find(&memory, at, UINT64_MAX, true) == NULL);
    CHECK(memory_find(&memory, UINT64_MAX, 2, true) == NULL);
    memory_unmap(&memory);
    close(fd);
}

TEST(a_region_may_begin_at_any_byte_of_its_file)
{
    int fd = file_of(SIZE);

    for (unsigned offset = 0; offset < 2 * PAGE; offset += 613) {
        struct message message = table(fd, 1, 3 * PAGE);
        struct memory memory;
        unsigned char byte = (unsigned char)(offset + 1), *data;

        message.payload.memory.regions[0].mmap_offset = offset;
        CHECK_EQ(pwrite(fd, &byte, 1, (off_t)offset + 77), 1);
        CHECK(memory_map(&memory, &message) == NULL);
        data = memory_find(&memory, 0x7000000 + 77, 1, true);
        CHECK(data && *data == byte);
        memory_unmap(&memory);
        CHECK_EQ(mappings(), 0);
    }
    close(fd);
}

TEST(C239_accesses_to_a_file_that_became_shorter_complete_and_are_told_of)
{
    mapping_guard();
    for (unsigned left = 0; left <= 3; left++) {
        int fd = file_of(4 * PAGE);
        struct message message = table(fd, 4, PAGE);
        struct memory memory;

        CHECK(memory_map(&memory, &message) == NULL);
        CHECK(!mapping_lost());
        CHECK_EQ(ftruncate(fd, (off_t)left * PAGE), 0);
        for (unsigned i = 0; i < 4; i++) {
            volatile unsigned char *byte = memory.regions[i].host;

            CHECK_EQ(byte[5], 0); /* reads and writes go on, on memory of our own */
            byte[5] = 7;
            CHECK_EQ(byte[5], 7);
            CHECK_EQ(mapping_lost(), i >= left);
            CHECK(!mapping_lost());
        }
        memory_unmap(&memory);
        CHECK_EQ(mappings(), 0);
        close(fd);
    }
}

TEST(mappings_do_not_run_out)
{
    int fd = file_of(SIZE);

    for (unsigned i = 0; i < 1000; i++) {
        struct message message = table(fd, 8, PAGE);
        struct memory one, other;

        CHECK(memory_map(&one, &message) == NULL);
        CHECK(memory_map(&other, &message) == NULL);
        memory_unmap(&one);
        memory_unmap(&other);
    }
    close(fd);
}
