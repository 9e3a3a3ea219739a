/* SPDX-License-Identifier: MIT */
/*
 * Included before Linux' swiotlb.c, whose other headers are empty but for swiotlb.h and iommu-helper.h: what it takes
 * from the rest of a kernel, with 64-bit addresses, no high memory and no bus offsets. What runs at start only is as
 * little as compiles.
 */
#ifndef BENCH_SWIOTLB_SHIM_H
#define BENCH_SWIOTLB_SHIM_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_SWIOTLB 1
#define CONFIG_DMA_RESTRICTED_POOL 1

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint64_t phys_addr_t, dma_addr_t;
typedef unsigned int gfp_t;

#define BITS_PER_LONG 64
#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(n) ALIGN(n, PAGE_SIZE)
#define PFN_DOWN(addr) ((addr) >> PAGE_SHIFT)
#define PHYS_PFN(addr) PFN_DOWN(addr)
#define SMP_CACHE_BYTES 64
#define SZ_1M 0x100000

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ALIGN(x, a) (((x) + ((__typeof__(x))(a) - 1)) & ~((__typeof__(x))(a) - 1))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define rounddown(x, y) ((x) - (x) % (y))
#define roundup(x, y) (((x) + (y) - 1) / (y) * (y))
#define max(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(type, a, b) ({ type a_ = (a), b_ = (b); a_ < b_ ? a_ : b_; })
#define array_size(n, size) ((size_t)(n) * (size))

static inline bool is_power_of_2(unsigned long n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
    unsigned long power = 1;

    while (power < n)
        power *= 2;
    return power;
}

static inline unsigned int get_order(unsigned long size)
{
    unsigned int order = 0;

    while ((PAGE_SIZE << order) < size)
        order++;
    return order;
}

#define __init
#define __maybe_unused __attribute__((unused))
#define EXPORT_SYMBOL_GPL(name) struct shim_nothing
#define early_param(name, function) void *shim_early_param(void) { return (void *)(function); }
#define late_initcall(function) struct shim_nothing
#define BUG_ON(condition) do { if (unlikely(condition)) __builtin_trap(); } while (0)

/* What it warns of does not happen here. */
#define shim_warn(condition) ({ if (unlikely(condition)) abort(); })
#define dev_WARN_ONCE(dev, condition, ...) shim_warn(condition)
#define dev_warn_once(dev, ...) shim_warn(true)
#define dev_warn_ratelimited(dev, ...) shim_warn(true)
#define dev_err(dev, ...) shim_warn(true)
#define pr_warn_once(...) shim_warn(true)
#define pr_warn(...) shim_warn(true)
#define pr_err(...) shim_warn(true)
#define pr_info(...) ((void)0)

/*
 * One compare-and-swap to take and one store to give, which is what a kernel's lock costs when nobody else wants it.
 * Interrupts stay as they are, nothing counts what may not be preempted, and all is inline.
 */
typedef struct {
    uint32_t held;
} spinlock_t;

static inline void shim_lock(spinlock_t *lock)
{
    uint32_t free = 0;

    while (unlikely(!__atomic_compare_exchange_n(&lock->held, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        free = 0;
}

#define spin_lock_init(lock) ((lock)->held = 0)
#define spin_lock_irqsave(lock, flags) ((flags) = 0, shim_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), __atomic_store_n(&(lock)->held, 0, __ATOMIC_RELEASE))
#define local_irq_save(flags) ((flags) = 0)
#define local_irq_restore(flags) ((void)(flags))

/* A word of the CPU's own in a kernel. */
extern int shim_cpu;
#define raw_smp_processor_id() shim_cpu
#define num_possible_cpus() 1u

/* A function elsewhere in a kernel, too. */
#define CC_ATTR_MEM_ENCRYPT 1
bool cc_platform_has(int attribute);

enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE };
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)
#define DMA_ATTR_SKIP_CPU_SYNC (1ul << 5)
#define DMA_ATTR_NO_WARN (1ul << 8)

struct device_dma_parameters {
    unsigned int max_segment_size, min_align_mask;
    unsigned long segment_boundary_mask;
};

struct io_tlb_mem;
struct device {
    struct device_dma_parameters *dma_parms;
    u64 *dma_mask;
    u64 bus_dma_limit;
    const void *dma_range_map;
    struct io_tlb_mem *dma_io_tlb_mem;
};

static inline unsigned int dma_get_min_align_mask(struct device *dev)
{
    return dev->dma_parms ? dev->dma_parms->min_align_mask : 0;
}

static inline unsigned long dma_get_seg_boundary(struct device *dev)
{
    if (dev->dma_parms && dev->dma_parms->segment_boundary_mask)
        return dev->dma_parms->segment_boundary_mask;
    return UINT32_MAX;
}

static inline dma_addr_t phys_to_dma_unencrypted(struct device *dev, phys_addr_t addr)
{
    if (unlikely(dev->dma_range_map))
        abort();
    return addr;
}
#define phys_to_dma phys_to_dma_unencrypted

static inline bool dma_capable(struct device *dev, dma_addr_t addr, size_t size, bool is_ram)
{
    return dev->dma_mask && addr + size - 1 <= *dev->dma_mask;
}

#define dev_is_dma_coherent(dev) true
#define arch_sync_dma_for_device(addr, size, direction) ((void)0)
#define trace_swiotlb_bounced(dev, addr, size) ((void)0)

/* Addresses are what they are. */
#define phys_to_virt(addr) ((void *)(uintptr_t)(addr))
#define virt_to_phys(at) ((phys_addr_t)(uintptr_t)(at))
#define __pa(at) virt_to_phys(at)

struct page;
#define pfn_to_page(pfn) ((struct page *)(uintptr_t)((pfn) << PAGE_SHIFT))
#define page_to_phys(page) ((phys_addr_t)(uintptr_t)(page))
#define PageHighMem(page) ((void)(page), false)
#define memcpy_from_page(to, page, offset, size) memcpy(to, (char *)(page) + (offset), size)
#define memcpy_to_page(page, offset, from, size) memcpy((char *)(page) + (offset), from, size)
#define kmsan_unpoison_memory(at, size) ((void)0)

/* The copies are left out, the calls are not; nobody looks at the window, so that it needs no clearing. */
void *shim_copy(void *to, const void *from, size_t size);
#undef memcpy
#undef memset
#define memcpy shim_copy
#define memset(at, value, size) ((void)(at), (void)(value), (void)(size))

#define GFP_KERNEL 0
#define __GFP_NOWARN 0
#define __GFP_ZERO 0
#define kzalloc(size, gfp) calloc(1, size)
#define kcalloc(n, size, gfp) calloc(n, size)
#define kfree free
#define __get_free_pages(gfp, order) ((unsigned long)calloc(1, PAGE_SIZE << (order)))
#define free_pages(at, order) free((void *)(at))
#define memblock_alloc(size, align) calloc(1, size)
#define memblock_alloc_low(size, align) calloc(1, size)
#define memblock_free(at, size) free(at)
#define memblock_free_late(addr, size) ((void)(addr), (void)(size))
#define set_memory_decrypted(addr, pages) ((void)(addr))
#define set_memory_encrypted(addr, pages) ((void)(addr))
#define simple_strtoul strtoul

struct dentry;
#define debugfs_create_dir(...) NULL
#define debugfs_create_ulong(name, mode, parent, value) ((void)(value))
#define debugfs_create_file(name, mode, parent, data, operations) ((void)(data))
#define DEFINE_DEBUGFS_ATTRIBUTE(name, get, set, format) void *shim_##name(void) { return (void *)(get); }

/* A pool of a device's own is set up by what it registers here. */
struct reserved_mem;
struct reserved_mem_ops {
    int (*device_init)(struct reserved_mem *region, struct device *dev);
    void (*device_release)(struct reserved_mem *region, struct device *dev);
};
struct reserved_mem {
    const char *name;
    unsigned long fdt_node;
    const struct reserved_mem_ops *ops;
    phys_addr_t base, size;
    void *priv;
};
#define of_get_flat_dt_prop(node, name, size) ((void)(node), (const void *)NULL)
#define RESERVEDMEM_OF_DECLARE(name, compatible, function) \
    int shim_reserved_mem_setup(struct reserved_mem *region) { return (function)(region); }
int shim_reserved_mem_setup(struct reserved_mem *region);

#endif
