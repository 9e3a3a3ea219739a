/* SPDX-License-Identifier: MIT */
#include "shared.h"

#include "board.h"
#include "report.h"

struct part {
    const char *name;
    uint64_t addr;
    uint64_t size;
};

static struct part rings = {.name = "rings"};
static struct part window = {.name = "window"};
static uint64_t taken; /* bytes of the rings part */

void shared_start(size_t window_size)
{
    if (window_size >= board.shared_size)
        fail(FAILED_USAGE, "a bounce window of %zu bytes does not fit into %zu bytes of shared memory", window_size,
             board.shared_size);
    window.addr = board.shared_base;
    window.size = window_size;
    rings.addr = board.shared_base + window_size;
    rings.size = board.shared_size - window_size;
}

void *shared_take(size_t size, size_t align)
{
    uint64_t start = (taken + align - 1) & ~(uint64_t)(align - 1);

    if (start > rings.size || size > rings.size - start)
        fail(FAILED_USAGE, "%zu bytes for a ring area do not fit into the shared memory", size);
    taken = start + size;
    return (void *)(uintptr_t)(rings.addr + start);
}

void *shared_window(void)
{
    return (void *)(uintptr_t)window.addr;
}

static int contains(const struct part *part, uint64_t addr, uint64_t len)
{
    return addr >= part->addr && addr - part->addr <= part->size && len <= part->size - (addr - part->addr);
}

static struct snapshot_memory as_memory(const struct part *part)
{
    return (struct snapshot_memory){part->name, part->addr, part->size, (const void *)(uintptr_t)part->addr};
}

void shared_require(uint64_t addr, uint64_t len, const char *what)
{
    if (!contains(&rings, addr, len) && !contains(&window, addr, len))
        fail(FAILED_PRIVATE, "private memory at 0x%lx (%lu bytes, %s) was about to be shown to the device",
             (unsigned long)addr, (unsigned long)len, what);
}

const struct snapshot_memory *shared_parts(void)
{
    static struct snapshot_memory parts[SHARED_PARTS];

    parts[0] = as_memory(&window);
    parts[1] = as_memory(&rings);
    return parts;
}
