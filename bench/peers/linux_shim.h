/* SPDX-License-Identifier: MIT */
/*
 * Included before virtio_ring.c: what the user-space headers of its own tools/virtio lack, and pages from the memory
 * that both sides of a benchmark see.
 */
#ifndef BENCH_LINUX_SHIM_H
#define BENCH_LINUX_SHIM_H

#include <linux/kernel.h>

/* A constant, as it is in the kernel. */
#undef PAGE_SIZE
#define PAGE_SIZE 4096ul

#ifndef data_race
#define data_race(expression) (expression)
#endif

void *bench_linux_pages(size_t size);
#define alloc_pages_exact(size, gfp) bench_linux_pages(size)
#define free_pages_exact(pages, size) ((void)(pages), (void)(size))

#endif
