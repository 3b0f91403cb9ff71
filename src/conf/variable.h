/*
 * conf/variable.h - the load-time variables: constants of `set`, $prefix, and
 * what the loader knows ($hostname, $env_NAME).
 *
 * Those that have a value only while an exchange runs are known here by name, so that a
 * `set` cannot hide one and a mistake in a name is found.
 *
 * `set` counts from where it stands to the end of its block, in included files
 * too; an inner block may set the name again for itself.
 */
#ifndef TP_CONF_VARIABLE_H
#define TP_CONF_VARIABLE_H

#include "conf/conf.h"
#include "conf/place.h"

struct tp_conf_variable {
    struct tp_str name;
    struct tp_str value;
    struct tp_conf_place place; /* of its `set` */
    unsigned depth;             /* of the block it was set in */
};

struct tp_conf_variables {
    struct tp_conf_variable rows[TP_CONF_VARIABLES_MAX]; /* inner blocks last */
    size_t count;
    struct tp_conf_loader *loader;
    const char *prefix;
    struct tp_run_variables run_variables; /* known by name only */
};

void tp__variables_init(struct tp_conf_variables *variables, const struct tp_conf_options *options);

/* True for a letter or '_' followed by letters, digits and '_'. */
bool tp__variable_is_name(struct tp_str name);

/* True for the names that no `set` may take. */
bool tp__variable_is_reserved(const struct tp_conf_variables *variables, struct tp_str name);

/* The constant `name` visible now, the innermost; NULL when there is none. */
const struct tp_conf_variable *tp__variable_find(const struct tp_conf_variables *variables,
                                                 struct tp_str name);

/* Makes a constant visible; borrows everything.  TP_FULL when there are too many. */
enum tp_result tp__variable_set(struct tp_conf_variables *variables,
                                const struct tp_conf_variable *variable) TP_MUST_CHECK;

/* Forgets the constants set in blocks deeper than `depth`. */
void tp__variables_leave(struct tp_conf_variables *variables, unsigned depth);

/* Appends the value of `name` to `value`; TP_NOT_FOUND when it has none. */
enum tp_result tp__variable_read(const struct tp_conf_variables *variables, struct tp_str name,
                                 struct tp_text *value) TP_MUST_CHECK;

/* True when `name` has a value only while an exchange runs. */
bool tp__variable_is_run_time(const struct tp_conf_variables *variables, struct tp_str name);

/* The known name nearest to `name`; empty when none is near. */
struct tp_str tp__variable_nearest(const struct tp_conf_variables *variables, struct tp_str name);

#endif
