/*
 * filters.c - the filters of a worker and their states.
 *
 * Read next: teleport/filter.h, packet/wire.c (rows of filters).
 */
#include "packet/filters.h"

#include <stdlib.h>

enum tp_result
tp__filters_add(struct tp_filters *filters, const struct tp_filter *filter)
{
    struct tp_filter_use *use = &filters->uses[filters->count];

    if (filters->count == TP_FILTERS_MAX) {
        return TP_FULL;
    }
    *use = (struct tp_filter_use){ .filter = filter };
    if (filter->state_size > 0) {
        use->state = calloc(1, filter->state_size);
        if (use->state == NULL) {
            return TP_NO_MEMORY;
        }
    }
    filters->count++;
    return TP_OK;
}

void
tp__filters_fini(struct tp_filters *filters)
{
    for (size_t i = 0; i < filters->count; i++) {
        struct tp_filter_use *use = &filters->uses[i];

        if (use->state != NULL) {
            use->filter->fini(use->state);
            free(use->state);
        }
    }
    filters->count = 0;
}

const struct tp_filter_use *
tp__filters_find(const struct tp_filters *filters, uint8_t id)
{
    for (size_t i = 0; i < filters->count; i++) {
        if (filters->uses[i].filter->id == id) {
            return &filters->uses[i];
        }
    }
    return NULL;
}

enum tp_result
tp__filters_undo(const struct tp_filters *filters, uint8_t id, const struct tp_chain *filtered,
                 struct tp_size limit, struct tp_buf_pool *pool, struct tp_chain *plain)
{
    const struct tp_filter_use *use = tp__filters_find(filters, id);

    return use == NULL ? TP_NOT_FOUND : use->filter->undo(use->state, filtered, limit, pool, plain);
}

enum tp_result
tp__filters_apply(const struct tp_filters *filters, uint8_t id, int level,
                  const struct tp_chain *plain, struct tp_buf_pool *pool, struct tp_chain *filtered)
{
    const struct tp_filter_use *use = tp__filters_find(filters, id);

    return use == NULL ? TP_NOT_FOUND
                       : use->filter->apply(use->state, level, plain, pool, filtered);
}
