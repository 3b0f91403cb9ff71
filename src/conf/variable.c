/*
 * variable.c - what $name stands for while a configuration is read.
 *
 * The constants visible at a place are a stack: a block's are taken off at its
 * end.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: word.c, which puts values into words.
 */
#include "conf/variable.h"

#include "base/str.h"
#include "conf/template.h"

#include <ctype.h>
#include <stdio.h>

enum {
    VARIABLE_NAME_BYTES_MAX = 128,
};

/* The best name for "did you mean" so far. */
struct variable_candidate {
    struct tp_str name;
    size_t distance;
};

static bool variable_is_builtin(struct tp_str name);
static void candidate_offer(struct variable_candidate *best, struct tp_str name,
                            struct tp_str known);

void
tp__variables_init(struct tp_conf_variables *variables, const struct tp_conf_options *options)
{
    variables->count = 0;
    variables->loader = options->loader;
    variables->prefix = options->prefix;
    variables->run_variables = options->run_variables;
}

bool
tp__variable_is_name(struct tp_str name)
{
    if (name.len == 0 || isdigit((unsigned char) name.data[0])) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        unsigned char byte = (unsigned char) name.data[i];

        if (byte > 0x7f || (!isalnum(byte) && byte != '_')) {
            return false;
        }
    }
    return name.len <= VARIABLE_NAME_BYTES_MAX;
}

bool
tp__variable_is_reserved(const struct tp_conf_variables *variables, struct tp_str name)
{
    return variable_is_builtin(name) || tp__variable_is_run_time(variables, name);
}

const struct tp_conf_variable *
tp__variable_find(const struct tp_conf_variables *variables, struct tp_str name)
{
    for (size_t i = variables->count; i > 0; i--) {
        if (tp__str_equal(variables->rows[i - 1].name, name)) {
            return &variables->rows[i - 1];
        }
    }
    return NULL;
}

enum tp_result
tp__variable_set(struct tp_conf_variables *variables, const struct tp_conf_variable *variable)
{
    if (variables->count == TP_CONF_VARIABLES_MAX) {
        return TP_FULL;
    }
    variables->rows[variables->count++] = *variable;
    return TP_OK;
}

void
tp__variables_leave(struct tp_conf_variables *variables, unsigned depth)
{
    while (variables->count > 0 && variables->rows[variables->count - 1].depth > depth) {
        variables->count--;
    }
}

enum tp_result
tp__variable_read(const struct tp_conf_variables *variables, struct tp_str name,
                  struct tp_text *value)
{
    const struct tp_conf_variable *constant = tp__variable_find(variables, name);
    char terminated[VARIABLE_NAME_BYTES_MAX + 1];

    if (constant != NULL) {
        tp__text_append(value, constant->value);
        return TP_OK;
    }
    if (tp__str_equal(name, TP_STR("prefix"))) {
        tp__text_append(value, tp__str(variables->prefix));
        return TP_OK;
    }
    if (!variable_is_builtin(name) || name.len > VARIABLE_NAME_BYTES_MAX) {
        return TP_NOT_FOUND;
    }
    snprintf(terminated, sizeof(terminated), "%.*s", TP_STR_ARG(name));
    return variables->loader->get_variable(variables->loader, terminated, value);
}

bool
tp__variable_is_run_time(const struct tp_conf_variables *variables, struct tp_str name)
{
    struct tp_str rest;

    return tp__run_variable_find(variables->run_variables, name, &rest) != -1;
}

struct tp_str
tp__variable_nearest(const struct tp_conf_variables *variables, struct tp_str name)
{
    const struct tp_run_variables *run = &variables->run_variables;
    struct variable_candidate best = { TP_STR(""), SIZE_MAX };

    candidate_offer(&best, name, TP_STR("prefix"));
    candidate_offer(&best, name, TP_STR("hostname"));
    for (size_t i = 0; i < variables->count; i++) {
        candidate_offer(&best, name, variables->rows[i].name);
    }
    for (size_t i = 0; i < run->count; i++) {
        if (!run->rows[i].is_prefix) {
            candidate_offer(&best, name, tp__str(run->rows[i].name));
        }
    }
    return best.name;
}

/* True for what the loader knows, and $prefix. */
static bool
variable_is_builtin(struct tp_str name)
{
    return tp__str_equal(name, TP_STR("prefix")) || tp__str_equal(name, TP_STR("hostname"))
           || tp__str_starts_with(name, TP_STR("env_"));
}

static void
candidate_offer(struct variable_candidate *best, struct tp_str name, struct tp_str known)
{
    size_t distance = tp__str_distance(name, known);

    if (distance < best->distance && tp__str_is_near(name, known)) {
        *best = (struct variable_candidate){ known, distance };
    }
}
