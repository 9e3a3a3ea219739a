/* SPDX-License-Identifier: MIT */
/*
 * Included before Linux' virtio_ring.c: what the user-space headers of its own tools/virtio lack. With
 * REPORT_CONFIG_LTO, READ_ONCE is an acquire, as it is on AArch64 in kernels built with CONFIG_LTO.
 */
#ifndef CODEGEN_LINUX_SHIM_H
#define CODEGEN_LINUX_SHIM_H

#include <linux/kernel.h>

/* A constant, as it is in the kernel. */
#undef PAGE_SIZE
#define PAGE_SIZE 4096ul

#ifndef data_race
#define data_race(expression) (expression)
#endif

#ifdef REPORT_CONFIG_LTO
#undef READ_ONCE
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#endif

void *codegen_pages(size_t size);
#define alloc_pages_exact(size, gfp) codegen_pages(size)
#define free_pages_exact(pages, size) ((void)(pages), (void)(size))

#endif
