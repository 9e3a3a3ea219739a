/* SPDX-License-Identifier: MIT */
/*
 * Linux' pool (kernel/dma/swiotlb.c), set up as for a device that has one of its own, which gives it one area. Device
 * addresses are those of the process.
 */
#include "swiotlb_shim.h"

#include <linux/swiotlb.h>

#include "pool_peer.h"

struct linux_pool {
    struct device device;
    struct device_dma_parameters parameters;
    u64 mask;
    struct reserved_mem region;
};

int shim_cpu;

/* No compiler can know that there is none. */
static volatile bool encryption;

bool cc_platform_has(int attribute)
{
    return attribute == CC_ATTR_MEM_ENCRYPT && encryption;
}

void *shim_copy(void *to, const void *from, size_t size)
{
    (void)from;
    (void)size;
    return to;
}

static void *create(uint64_t window_addr, uint32_t slots)
{
    struct linux_pool *pool = calloc(1, sizeof *pool);

    if (!pool)
        return NULL;
    pool->mask = UINT64_MAX;
    pool->device.dma_mask = &pool->mask;
    pool->device.dma_parms = &pool->parameters;
    pool->region.base = window_addr;
    pool->region.size = (u64)slots << IO_TLB_SHIFT;
    if (shim_reserved_mem_setup(&pool->region) != 0 ||
        pool->region.ops->device_init(&pool->region, &pool->device) != 0) {
        free(pool);
        return NULL;
    }
    return pool;
}

static void destroy(void *at)
{
    struct linux_pool *pool = at;
    struct io_tlb_mem *mem = pool->region.priv;

    free(mem->areas);
    free(mem->slots);
    free(mem);
    free(pool);
}

static uint64_t map(void *at, uint64_t orig_addr, size_t size)
{
    struct linux_pool *pool = at;

    return swiotlb_tbl_map_single(&pool->device, orig_addr, size, size, 0, DMA_TO_DEVICE, DMA_ATTR_NO_WARN);
}

static void unmap(void *at, uint64_t addr, size_t size)
{
    struct linux_pool *pool = at;

    swiotlb_tbl_unmap_single(&pool->device, addr, size, DMA_TO_DEVICE, 0);
}

__attribute__((visibility("default"))) const struct pool_peer pool_peer = {"linux", create, destroy, map, unmap};
