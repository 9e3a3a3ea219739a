/* SPDX-License-Identifier: MIT */
/*
 * Is the metadata what it must be? Counted anew from the bitmaps and the records, and compared with what is kept.
 */
#include "mapping.h"

/* What has been seen of an area so far. */
struct survey {
    uint32_t used;
    uint32_t mappings;
};

/* The bits of a word that belong to items [0, count), from item `first` of it on. */
static bits_word present(uint32_t first, uint32_t count)
{
    return count > first ? bits_range(0, count - first) : 0;
}

/* The kept numbers, by themselves. */
static const char *check_head(const struct area *area)
{
    const struct area_head *head = area_head(area);

    if (head->closed > 1)
        return "an area is neither open nor closed";
    if (head->loose >= area->segments && head->loose != RUNS_NONE)
        return "the loose segment is outside its area";
    if (head->cursor >= area->slots)
        return "the cursor is outside its area";
    if (head->used > area->slots)
        return "more slots are used than there are";
    if (head->high_water < head->used || head->high_water > area->slots)
        return "the high-water mark is below what is used, or above what there is";
    return NULL;
}

/* One segment's bitmap, longest run and row of the index. */
static const char *check_segment(const struct bounce_pool *pool, const struct area *area, uint32_t segment)
{
    const bits_word *free = area_free(pool, area, segment);
    const bits_word *index = area_index(pool, area) + segment / BITS_WIDTH;
    uint32_t longest = *area_longest(pool, area, segment);

    for (uint32_t w = 0; w < pool->segment_words; w++)
        if ((free[w] & ~present(w * BITS_WIDTH, area_segment_slots(pool, area, segment))) != 0)
            return "a slot beyond the end is free";
    if (longest < runs_longest(free, pool->segment_words) || longest > area_segment_slots(pool, area, segment) ||
        (longest > runs_longest(free, pool->segment_words) && segment != area_head(area)->loose))
        return "the longest run of a segment is not the one that is written down";
    for (uint32_t row = 0; row < index_class(segment_slots(pool)); row++)
        if ((index[row * (size_t)pool->index_words] >> segment % BITS_WIDTH & 1) != (row < index_class(longest)))
            return "the index is wrong about a segment";
    return NULL;
}

/* The index says nothing about segments that there are not. */
static const char *check_index(const struct bounce_pool *pool, const struct area *area)
{
    const bits_word *word = area_index(pool, area);

    for (uint32_t row = 0; row < index_class(segment_slots(pool)); row++)
        for (uint32_t w = 0; w < pool->index_words; w++, word++)
            if ((*word & ~present(w * BITS_WIDTH, area->segments)) != 0)
                return "the index knows a segment that there is not";
    return NULL;
}

/* A mapping that starts at the slot; *slots is how many it has. */
static const char *check_mapping(const struct bounce_pool *pool, const struct area *area, uint32_t slot, uint32_t i,
                                 uint32_t *slots)
{
    const struct record *record = record_at(pool, area, i);
    bool has_original = record_orig(record) != 0;
    uint32_t segment = slot >> pool->segment_shift, at = slot & pool->segment_mask;

    *slots = record_slots(pool, record);
    if (!record_is_sound(pool, area, slot, *slots))
        return "a mapping reaches beyond its segment";
    if (!runs_all(area_free(pool, area, segment), at, *slots, true))
        return "a mapping has a free slot";
    if ((record_direction(record) == 0 || record_is_reserved(record)) && has_original)
        return "coherent memory or a reservation has an original";
    if (record_direction(record) == 0 && record_is_reserved(record))
        return "coherent memory is reserved";
    if (record_direction(record) != 0 && !record_is_reserved(record) && !has_original && !pool->copy)
        return "a mapping has no original";
    for (uint32_t next = slot + 1; next < slot + *slots; next++)
        if (records_starting(pool, area, next) != RECORD_NONE)
            return "two mappings share a slot";
    return NULL;
}

/* The slots of a segment: each is free, or of one mapping. *slot is where the flaw is. */
static const char *check_slots(const struct bounce_pool *pool, const struct area *area, uint32_t segment,
                               struct survey *survey, uint32_t *slot)
{
    uint32_t first = segment << pool->segment_shift;
    uint32_t end = first + area_segment_slots(pool, area, segment), n = 1;

    for (*slot = first; *slot < end; *slot += n) {
        uint32_t i = records_starting(pool, area, *slot);
        const char *what;

        n = 1;
        if (i == RECORD_NONE) {
            if (runs_all(area_free(pool, area, segment), *slot - first, 1, true))
                return "a used slot belongs to no mapping";
            continue;
        }
        what = check_mapping(pool, area, *slot, i, &n);
        if (what)
            return what;
        survey->used += n;
        survey->mappings++;
    }
    return NULL;
}

/* A free record has nothing written in it but which one is next. */
static bool is_blank(const struct record *record)
{
    struct record blank = {0};

    blank.slot = record->slot;
    return __builtin_memcmp(record, &blank, sizeof(blank)) == 0;
}

/* Every record is of a mapping that its slot knows, or is in the list of free ones. *slot is where the flaw is. */
static const char *check_records(const struct bounce_pool *pool, const struct area *area, uint32_t *slot)
{
    uint32_t live = 0, spare = 0;

    *slot = 0;
    for (uint32_t i = 0; i < pool->records; i++) {
        const struct record *record = record_at(pool, area, i);
        if (record->number == 0)
            continue;
        live++;
        if (record->slot >= area->slots || records_starting(pool, area, record->slot) != i)
            return "a mapping is not known where it starts";
    }
    for (uint32_t i = area_head(area)->spare; i != pool->records; i = record_at(pool, area, i)->slot) {
        if (i > pool->records || ++spare > pool->records - live)
            return "the list of free records leads astray";
        if (!is_blank(record_at(pool, area, i)))
            return "a free record is not blank";
    }
    return live + spare == pool->records ? NULL : "a record is neither a mapping's nor free";
}

static const char *check_area(const struct bounce_pool *pool, const struct area *area, uint32_t *slot)
{
    struct survey survey = {0, 0};
    const char *what = check_head(area);

    *slot = 0;
    if (!what)
        what = check_index(pool, area);
    if (!what)
        what = check_records(pool, area, slot);
    for (uint32_t segment = 0; segment < area->segments && !what; segment++) {
        *slot = segment << pool->segment_shift;
        what = check_segment(pool, area, segment);
        if (!what)
            what = check_slots(pool, area, segment, &survey, slot);
    }
    if (!what && (survey.used != area_head(area)->used || survey.mappings != area_head(area)->mappings))
        what = "slots or mappings were miscounted";
    return what;
}

int bounce_verify(struct bounce_pool *pool, struct bounce_flaw *flaw)
{
    if (!pool || !flaw)
        return BOUNCE_E_NULL;
    if (pool->state != POOL_READY)
        return BOUNCE_E_STATE;
    for (uint32_t number = 0; number < area_count(pool); number++) {
        struct area area = area_of(pool, number);
        bounce_lock_state state;
        const char *what;
        uint32_t slot;

        if (!area_lock(pool, &area, &state))
            return BOUNCE_E_BUSY;
        what = check_area(pool, &area, &slot);
        area_unlock(&area, state);
        if (what) {
            flaw->what = what;
            flaw->area = number;
            flaw->slot = area.first_slot + slot;
            return BOUNCE_E_CORRUPT;
        }
    }
    return 0;
}
