/*
 * conf/template.h - texts with run-time variables, as they are kept between reading a
 * configuration and running it.
 *
 * As text a template is what one would write between double quotes: $name or ${name} for
 * a variable, \$ and \\ for the characters themselves.  Presets of tables are written so.
 */
#ifndef TP_CONF_TEMPLATE_H
#define TP_CONF_TEMPLATE_H

#include <teleport/directive.h>

#include "base/arena.h"
#include "base/text.h"

/*
 * Makes `template` of its text; its parts live in `arena` and borrow from `text`'s copy
 * there.  TP_INVALID: it names a variable that `variables` does not have.
 */
enum tp_result tp__template_compile(struct tp_str text, struct tp_run_variables variables,
                                    struct tp_arena *arena,
                                    struct tp_template *template) TP_MUST_CHECK;

/* Appends `literal` to a template's text as what it is, whatever is in it. */
void tp__template_quote(struct tp_str literal, struct tp_text *text);

/* Appends a template's text with no more braces than it needs, for people. */
void tp__template_simplify(struct tp_str template, struct tp_text *text);

/* The row of `name`, with what follows a prefix in *rest; -1 when there is none. */
int tp__run_variable_find(struct tp_run_variables variables, struct tp_str name,
                          struct tp_str *rest);

#endif
