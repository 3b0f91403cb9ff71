/*
 * conf/word.h - from a word as written to what it means, and back.
 */
#ifndef TP_CONF_WORD_H
#define TP_CONF_WORD_H

#include "conf/lexer.h"
#include "conf/variable.h"

/*
 * Reads the quotes, escapes and variables of `token`.  *word is terminated and
 * lives in `arena`.  A mistake is reported to `messages` and gives TP_INVALID.
 */
enum tp_result tp__word_read(const struct tp_conf_token *token,
                             const struct tp_conf_variables *variables,
                             struct tp_conf_messages *messages, struct tp_arena *arena,
                             struct tp_str *word) TP_MUST_CHECK;

/* Appends `word` to `text` so that reading it gives `word` again, quoted only where it must be. */
void tp__word_write(struct tp_str word, struct tp_text *text);

#endif
