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

#include <ctype.h>
#include <stdio.h>

enum {
    VARIABLE_NAME_BYTES_MAX = 128,
};

void
tp__variables_init(struct tp_conf_variables *variables, const struct tp_conf_options *options)
{
    variables->count = 0;
    variables->loader = options->loader;
    variables->prefix = options->prefix;
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
tp__variable_is_reserved(struct tp_str name)
{
    return tp__str_equal(name, TP_STR("prefix")) || tp__str_equal(name, TP_STR("hostname"))
           || tp__str_starts_with(name, TP_STR("env_"));
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
    if (!tp__variable_is_reserved(name) || name.len > VARIABLE_NAME_BYTES_MAX) {
        return TP_NOT_FOUND;
    }
    snprintf(terminated, sizeof(terminated), "%.*s", TP_STR_ARG(name));
    return variables->loader->get_variable(variables->loader, terminated, value);
}

struct tp_str
tp__variable_nearest(const struct tp_conf_variables *variables, struct tp_str name)
{
    struct tp_str known[TP_CONF_VARIABLES_MAX + 2] = { TP_STR("prefix"), TP_STR("hostname") };
    size_t count = 2;
    struct tp_str nearest = TP_STR("");
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < variables->count; i++) {
        known[count++] = variables->rows[i].name;
    }
    for (size_t i = 0; i < count; i++) {
        size_t distance = tp__str_distance(name, known[i]);

        if (distance < least && tp__str_is_near(name, known[i])) {
            least = distance;
            nearest = known[i];
        }
    }
    return nearest;
}
