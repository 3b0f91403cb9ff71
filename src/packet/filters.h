/*
 * packet/filters.h - the filters that are built in, each with the one state that all sessions
 * of a worker share.
 *
 * Threads: the loop's.
 */
#ifndef TP_PACKET_FILTERS_H
#define TP_PACKET_FILTERS_H

#include <teleport/filter.h>

enum {
    TP_FILTERS_MAX = 16, /* that can be built in */
};

struct tp_filter_use {
    const struct tp_filter *filter;
    void *state;
};

/* All zeros: none. */
struct tp_filters {
    struct tp_filter_use uses[TP_FILTERS_MAX];
    size_t count;
};

/* Adds a filter and makes its state.  TP_NO_MEMORY; TP_FULL. */
enum tp_result tp__filters_add(struct tp_filters *filters,
                               const struct tp_filter *filter) TP_MUST_CHECK;

void tp__filters_fini(struct tp_filters *filters);

/* The filter of this id; NULL when it is not built in. */
const struct tp_filter_use *tp__filters_find(const struct tp_filters *filters, uint8_t id);

/* tp_filter.undo() and .apply() of the filter `id`; TP_NOT_FOUND when it is not built in. */
enum tp_result tp__filters_undo(const struct tp_filters *filters, uint8_t id,
                                const struct tp_chain *filtered, struct tp_size limit,
                                struct tp_buf_pool *pool, struct tp_chain *plain) TP_MUST_CHECK;
enum tp_result tp__filters_apply(const struct tp_filters *filters, uint8_t id, int level,
                                 const struct tp_chain *plain, struct tp_buf_pool *pool,
                                 struct tp_chain *filtered) TP_MUST_CHECK;

#endif
