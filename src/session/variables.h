/*
 * session/variables.h - the run-time variables: what an exchange can say of itself.
 *
 * Their table (name, sentence, how the value is written) is in variables.c; the
 * configuration language, templates, the access log and the manual all use it.
 */
#ifndef TP_SESSION_VARIABLES_H
#define TP_SESSION_VARIABLES_H

#include <teleport/handler.h>

#include "format/values.h"

enum {
    TP_VARIABLE_BYTES_MAX = 64, /* of any value that is not a text from outside */
};

extern const struct tp_run_variables tp__variables;

/* Writes what `template` says for `exchange`; see struct tp_value_writer for the room it needs. */
void tp__template_write(const struct tp_template *template, const struct tp_exchange *exchange,
                        struct tp_value_writer *writer);

/* Does it say what came of passing an exchange on? */
bool tp__template_tells_passed(const struct tp_template *template);

/* How many of its first parts say the same for all of a session that have a type and a second. */
size_t tp__template_front(const struct tp_template *template);

/* The bytes that tp__template_write() needs besides text_room. */
size_t tp__template_fixed_max(const struct tp_template *template);

#endif
