/*
 * session/variables.h - the run-time variables: what an exchange can say of itself.
 *
 * Their table (name, sentence, how the value is written) is in variables.c; the
 * configuration language, templates, the access log and the manual all use it.
 */
#ifndef TP_SESSION_VARIABLES_H
#define TP_SESSION_VARIABLES_H

#include <teleport/handler.h>

enum {
    TP_VARIABLE_BYTES_MAX = 64, /* of any value that is not a text from outside */
};

/*
 * Where values are written to.  The writer of a template sees to it that there is room for
 * its literals, TP_VARIABLE_BYTES_MAX for each variable, and text_room besides.
 */
struct tp_value_writer {
    char *next;
    size_t text_room; /* for texts from outside; what is longer is cut */
    bool is_log;      /* nothing may forge a line: bytes are escaped, and no value is "-" */
};

extern const struct tp_run_variables tp__variables;

/* Writes what `template` says for `exchange`; see struct tp_value_writer for the room it needs. */
void tp__template_write(const struct tp_template *template, const struct tp_exchange *exchange,
                        struct tp_value_writer *writer);

/* The bytes that tp__template_write() needs besides text_room. */
size_t tp__template_fixed_max(const struct tp_template *template);

/* Writes `text`, escaped and cut as the writer wants it. */
void tp__value_write_text(struct tp_value_writer *writer, struct tp_str text);

/* The same for a uri; in a log, without what it says to be let in. */
void tp__value_write_uri(struct tp_value_writer *writer, struct tp_str uri);

#endif
