/*
 * conf/catalogue.h - every directive one may write: the modules' and the
 * language's own, and how to talk about them.
 */
#ifndef TP_CONF_CATALOGUE_H
#define TP_CONF_CATALOGUE_H

#include <teleport/module.h>

#include "base/arena.h"
#include "base/text.h"
#include "conf/value.h"

/* A directive of a module; `number` is its place in all arrays that have one row per directive. */
struct tp_conf_entry {
    const struct tp_directive *directive;
    const struct tp_module *module;
    size_t module_at; /* index of the module in the list */
    size_t number;
};

struct tp_conf_catalogue {
    struct tp_module_list modules;
    const struct tp_absent_directive *absent;
    struct tp_conf_entry *entries;
    size_t count;
};

/* Borrows the modules and `absent`; the entries live in `arena`. */
void tp__catalogue_init(struct tp_conf_catalogue *catalogue, struct tp_module_list modules,
                        const struct tp_absent_directive *absent, struct tp_arena *arena);

/*
 * The directive `name` that may stand in `context`; failing that, one of that
 * name from elsewhere; NULL when nobody has it.
 */
const struct tp_conf_entry *tp__catalogue_find(const struct tp_conf_catalogue *catalogue,
                                               struct tp_str name, enum tp_context context);

/* Where directives called `name` may stand: TP_IN_… bits; 0 when there are none. */
unsigned tp__catalogue_where(const struct tp_conf_catalogue *catalogue, struct tp_str name);

/* The block directive that opens `context`; NULL for main and for what no module has. */
const struct tp_conf_entry *tp__catalogue_find_opener(const struct tp_conf_catalogue *catalogue,
                                                      enum tp_context context);

/* The row that says which module `name` would come from; NULL when none. */
const struct tp_absent_directive *tp__catalogue_find_absent(
    const struct tp_conf_catalogue *catalogue, struct tp_str name);

/*
 * The directive whose name is nearest to `name`, of those as near the one that
 * may stand in `context`; NULL when none is near.
 */
const struct tp_directive *tp__catalogue_nearest(const struct tp_conf_catalogue *catalogue,
                                                 struct tp_str name, enum tp_context context);

/* `include` and `set`, described like a module so that the manual has them. */
extern const struct tp_module tp__conf_language;

/* The language's own directive `name`; NULL when it has none of that name. */
const struct tp_directive *tp__language_find(struct tp_str name);

/* "server" */
const char *tp__context_word(enum tp_context context);

/* Appends: "main", "peer" or "server" */
void tp__contexts_describe(unsigned where, struct tp_text *text);

/* Appends: listen ADDRESS [backlog=NUMBER] [reuseport]; */
void tp__usage_describe(const struct tp_directive *directive, struct tp_text *text);

/* Appends how one argument is written: [backlog=NUMBER] */
void tp__usage_describe_slot(const struct tp_conf_slot *slot, struct tp_text *text);

#endif
