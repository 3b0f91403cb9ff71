/*
 * conf/word.h - from a word as written to what it means, and back.
 */
#ifndef TP_CONF_WORD_H
#define TP_CONF_WORD_H

#include "conf/lexer.h"
#include "conf/variable.h"

/*
 * Reads the quotes, escapes and variables of `token`.  *word is terminated and
 * lives in `arena`.  A mistake, or a run-time variable, is reported to `messages` and
 * gives TP_INVALID.
 */
enum tp_result tp__word_read(const struct tp_conf_token *token,
                             const struct tp_conf_variables *variables,
                             struct tp_conf_messages *messages, struct tp_arena *arena,
                             struct tp_str *word) TP_MUST_CHECK;

/* A word of an argument, before it is known what takes it. */
struct tp_conf_word {
    struct tp_str text;         /* terminated; run-time variables stand in it as $name */
    struct tp_str template;     /* terminated; the same for tp__template_compile() */
    struct tp_str run_variable; /* the name of the first one; empty: there is none */
    struct tp_conf_place run_variable_place;
};

/* Reads `token` like tp__word_read(), but takes run-time variables too. */
enum tp_result tp__word_read_any(const struct tp_conf_token *token,
                                 const struct tp_conf_variables *variables,
                                 struct tp_conf_messages *messages, struct tp_arena *arena,
                                 struct tp_conf_word *word) TP_MUST_CHECK;

/* Reports that `word` has a run-time variable where there is no exchange yet. */
void tp__word_refuse_run_variable(const struct tp_conf_word *word,
                                  struct tp_conf_messages *messages);

/* Appends a template's text so that reading it gives the template again. */
void tp__word_write_template(struct tp_str template, struct tp_text *text);

/* Appends `word` to `text` so that reading it gives `word` again, quoted only where it must be. */
void tp__word_write(struct tp_str word, struct tp_text *text);

#endif
