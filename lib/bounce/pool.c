/* SPDX-License-Identifier: MIT */
/*
 * A pool's geometry: is the configuration sound, how much metadata does it need, and the pool as it is when nothing is
 * mapped.
 */
#include "pool.h"

#include "copy.h"
#include "handle.h"

_Static_assert(_Alignof(struct area_head) <= 8 && _Alignof(struct record) <= 8, "metadata is 8-byte aligned");
_Static_assert(sizeof(struct record) == 20 + sizeof(uintptr_t), "one record per mapping: every byte counts");

#define DEFAULT_SLOT UINT32_C(2048)
#define DEFAULT_SEGMENT UINT32_C(128)
#define DEFAULT_PAGE UINT32_C(4096)
#define DEFAULT_SLOTS_PER_MAPPING UINT32_C(6)
#define DEFAULT_LEAST_MAPPINGS UINT32_C(16)

/*
 * With one-slot segments in areas of their own, a slot has 256 bytes of metadata; fewer than 512, and no sum of them
 * overflows.
 */
#if SIZE_MAX / 512 < 0x80000000u
#define MAX_SLOTS ((uint32_t)(SIZE_MAX / 512))
#else
#define MAX_SLOTS UINT32_C(0x80000000)
#endif

static bool in_range(uint32_t value, uint32_t low, uint32_t high)
{
    return bits_is_power(value) && value >= low && value <= high;
}

static bool wraps(uintptr_t start, uint64_t size)
{
    return size != 0 && size - 1 > UINTPTR_MAX - start;
}

/* The whole geometry of pool but for its places in memory, from config. Returns 0 or BOUNCE_E_GEOMETRY. */
static int set_shape(struct bounce_pool *pool, const struct bounce_config *config)
{
    uint32_t slot = config->slot_size ? config->slot_size : DEFAULT_SLOT;
    uint32_t segment = config->segment_slots ? config->segment_slots : DEFAULT_SEGMENT;
    uint32_t page = config->page_size ? config->page_size : slot > DEFAULT_PAGE ? slot : DEFAULT_PAGE;
    uint32_t areas = config->areas ? config->areas : 1;
    uint32_t segments;

    if (!in_range(slot, 256, 65536) || !in_range(segment, 1, 4096) || !in_range(page, slot, UINT32_C(1) << 31) ||
        !bits_is_power(areas) ||
        (config->flags & ~(uint32_t)(BOUNCE_KEEP_CONTENTS | BOUNCE_FIRST_FIT | BOUNCE_KEEP_PADDING)) != 0)
        return BOUNCE_E_GEOMETRY;
    if (config->slots == 0 || config->slots > MAX_SLOTS)
        return BOUNCE_E_GEOMETRY;

    pool->flags = config->flags;
    pool->slots = config->slots;
    pool->slot_shift = (uint8_t)bits_exponent(slot);
    pool->segment_shift = (uint8_t)bits_exponent(segment);
    pool->word_shift = (uint8_t)bits_exponent(segment < BITS_WIDTH ? segment : BITS_WIDTH);
    pool->area_shift = (uint8_t)bits_exponent(areas);
    pool->slot_mask = slot - 1;
    pool->page_mask = page - 1;
    pool->segment_mask = segment - 1;
    pool->area_mask = areas - 1;
    pool->longest = (config->slots < segment ? config->slots : segment) << pool->slot_shift;

    if (areas > 1 && areas > config->slots >> pool->segment_shift)
        return BOUNCE_E_GEOMETRY;
    segments = ((config->slots - 1) >> pool->segment_shift) + 1;
    pool->area_segments = segments >> pool->area_shift;
    pool->first_longer = areas - (segments & (areas - 1));
    if (config->cursor >= pool->area_segments << pool->segment_shift || config->cursor >= config->slots)
        return BOUNCE_E_GEOMETRY;
    return 0;
}

/* How many mappings an area of so many slots can have. */
static uint32_t area_records(const struct bounce_pool *pool, const struct bounce_config *config, uint32_t slots)
{
    uint32_t records = slots / DEFAULT_SLOTS_PER_MAPPING;

    if (records < DEFAULT_LEAST_MAPPINGS)
        records = DEFAULT_LEAST_MAPPINGS;
    if (records > RECORDS_NARROW)
        records = RECORDS_NARROW;
    if (config->mappings != 0)
        records = ((config->mappings - 1) >> pool->area_shift) + 1;
    return records < slots && config->mappings < config->slots ? records : slots;
}

/* Where everything lies in a block. Nothing here overflows: see MAX_SLOTS. */
static void set_layout(struct bounce_pool *pool, const struct bounce_config *config)
{
    uint32_t areas = area_count(pool);
    size_t segments = (size_t)pool->area_segments + (pool->first_longer < areas);
    size_t slots = segments << pool->segment_shift;
    size_t words;

    if (slots > pool->slots)
        slots = pool->slots;
    pool->records = area_records(pool, config, (uint32_t)slots);
    pool->record_shift = 0;
    while (pool->record_shift < 31 && UINT32_C(1) << pool->record_shift < pool->records)
        pool->record_shift++;
    pool->record_mask = (UINT32_C(1) << pool->record_shift) - 1;
    pool->index_words = (uint32_t)((segments + BITS_WIDTH - 1) / BITS_WIDTH);
    pool->segment_words = (segment_slots(pool) + BITS_WIDTH - 1) / BITS_WIDTH;

    words = (size_t)index_class(segment_slots(pool)) * pool->index_words;
    pool->index_at = (sizeof(struct area_head) + 7) & ~(size_t)7;
    pool->free_at = pool->index_at + words * sizeof(bits_word);
    pool->records_at = pool->free_at + segments * pool->segment_words * sizeof(bits_word);
    pool->starts_at = pool->records_at + pool->records * sizeof(struct record);
    pool->longest_at = pool->starts_at +
        slots * (pool->records <= RECORDS_NARROW ? sizeof(uint16_t) : sizeof(uint32_t));
    pool->block_size = (pool->longest_at + segments * sizeof(uint16_t) + 7) & ~(size_t)7;
    if (areas > 1)
        pool->block_size = (pool->block_size + AREA_LINE - 1) & ~(size_t)(AREA_LINE - 1);
    pool->meta_size = pool->block_size << pool->area_shift;
}

/*
 * What init needs beyond meta_size so that blocks can start at a cache line: with one area there is nothing to keep
 * apart.
 */
static size_t slack(const struct bounce_pool *pool)
{
    return pool->area_shift != 0 ? AREA_LINE - 8 : 0;
}

int bounce_meta_size(const struct bounce_config *config, size_t *size)
{
    struct bounce_pool pool;
    int error;

    if (!config || !size)
        return BOUNCE_E_NULL;
    error = set_shape(&pool, config);
    if (error)
        return error;
    set_layout(&pool, config);
    *size = pool.meta_size + slack(&pool);
    return 0;
}

/* The window, for this side and for the device. */
static int check_window(const struct bounce_pool *pool, const struct bounce_config *config)
{
    uint64_t bytes = pool_bytes(pool, pool->slots);

    if ((config->window_addr & pool->slot_mask) != 0)
        return BOUNCE_E_ALIGN;
    if (bytes > SIZE_MAX || wraps((uintptr_t)config->window, bytes) || bytes - 1 > UINT64_MAX - config->window_addr)
        return BOUNCE_E_ADDR;
    return 0;
}

/* Private memory: enough of it, and none of it in the window or in two places. */
static int check_meta(const struct bounce_pool *pool, const struct bounce_config *config,
                      const struct bounce_pool *target)
{
    uintptr_t meta = (uintptr_t)config->meta, window = (uintptr_t)config->window, self = (uintptr_t)target;
    size_t window_size = (size_t)pool->slots << pool->slot_shift;

    if (wraps(meta, config->meta_size))
        return BOUNCE_E_ADDR;
    if (config->meta_size < pool->meta_size + slack(pool))
        return BOUNCE_E_META;
    if (pool_overlap(meta, config->meta_size, window, window_size) ||
        pool_overlap(self, sizeof(*target), window, window_size) ||
        pool_overlap(self, sizeof(*target), meta, config->meta_size))
        return BOUNCE_E_OVERLAP;
    return 0;
}

static void clear_area(const struct bounce_pool *pool, uint32_t number_of_area, uint32_t latest)
{
    struct area area = area_of(pool, number_of_area);
    struct area_head *head = area_head(&area);

    __builtin_memset(area.block, 0, pool->block_size);
    bounce_lock_init(&head->lock);
    head->number = latest;
    head->loose = RUNS_NONE;
    for (uint32_t segment = 0; segment < area.segments; segment++) {
        uint32_t slots = area_segment_slots(pool, &area, segment);
        runs_flip(area_free(pool, &area, segment), 0, slots);
        *area_longest(pool, &area, segment) = (uint16_t)slots;
        index_update(area_index(pool, &area), pool->index_words, segment, 0, slots);
    }
    for (uint32_t i = 0; i < pool->records; i++)
        record_at(pool, &area, i)->slot = i + 1;
}

int bounce_draft(const struct bounce_pool *pool, const struct bounce_config *config, struct bounce_pool *draft)
{
    static const struct bounce_pool blank = {0};
    int error;

    if (!pool || !config || !config->window || !config->meta)
        return BOUNCE_E_NULL;
    *draft = blank;
    error = set_shape(draft, config);
    if (error)
        return error;
    set_layout(draft, config);
    if ((uintptr_t)config->meta % 8 != 0)
        return BOUNCE_E_ALIGN;
    error = check_window(draft, config);
    if (error)
        return error;
    error = check_meta(draft, config, pool);
    if (error)
        return error;

    draft->window = (unsigned char *)config->window;
    draft->window_addr = config->window_addr;
    draft->copy = config->copy;
    draft->copy_context = config->copy_context;
    draft->meta = (unsigned char *)config->meta;
    if (draft->area_shift != 0)
        draft->meta += -(uintptr_t)config->meta & (AREA_LINE - 1);
    draft->caller_meta = config->meta;
    handle_set_key(draft->key, config->seed, config->window_addr, (uintptr_t)pool, (uintptr_t)config->meta);
    draft->state = POOL_READY;
    return 0;
}

void bounce_begin(struct bounce_pool *pool, const struct bounce_pool *draft, uint32_t cursor, uint32_t number)
{
    struct area first = area_of(draft, 0);

    for (uint32_t area = 0; area < area_count(draft); area++)
        clear_area(draft, area, number);
    area_head(&first)->cursor = cursor;
    copy_clear(draft->window, (size_t)draft->slots << draft->slot_shift);
    *pool = *draft;
}

int bounce_init(struct bounce_pool *pool, const struct bounce_config *config)
{
    struct bounce_pool draft;
    int error = bounce_draft(pool, config, &draft);

    if (error)
        return error;
    bounce_begin(pool, &draft, config->cursor, 0);
    return 0;
}

int bounce_fini(struct bounce_pool *pool)
{
    uint32_t used = 0;

    if (!pool)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY || (pool->flags & BOUNCE_TRY) != 0)
        return BOUNCE_E_STATE;
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        struct area_head *head = area_head(&area);
        bounce_lock_state state = bounce_lock_take(&head->lock);
        used |= head->used;
        bounce_lock_give(&head->lock, state);
    }
    if (used != 0)
        return BOUNCE_E_BUSY;
    pool->state = 0;
    return 0;
}

int bounce_try_view(const struct bounce_pool *pool, struct bounce_pool *view)
{
    if (!pool || !view)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    *view = *pool;
    view->flags |= BOUNCE_TRY;
    return 0;
}

/*
 * Without a mask, a mapping of a page or more starts at a page: what every segment has before its first page is lost to
 * it.
 */
static uint32_t largest_without_mask(const struct bounce_pool *pool, uint32_t longest)
{
    uint32_t page = pool->page_mask + 1;
    uint32_t lost = (0 - (uint32_t)pool->window_addr) & (page - 1);

    if (longest < page)
        return longest;
    return longest - lost < page ? page - 1 : longest - lost;
}

size_t bounce_max_mapping_size(const struct bounce_pool *pool, uint64_t min_align_mask)
{
    uint32_t longest;

    if (!pool || pool->state != POOL_READY || (min_align_mask & (min_align_mask + 1)) != 0)
        return 0;
    longest = pool->longest;
    if (min_align_mask >= longest)
        return 0;
    if (min_align_mask == 0)
        return largest_without_mask(pool, longest);
    return longest - (((uint32_t)min_align_mask + pool->slot_mask) & ~pool->slot_mask);
}
