/*
 * conf/lexer.h - cuts configuration text into words and punctuation, each with
 * its place.
 *
 * Words come as they are written, quotes and escapes included: what they mean
 * depends on the variables known at that place, so word.c reads them when the
 * parser knows whose argument they are.
 */
#ifndef TP_CONF_LEXER_H
#define TP_CONF_LEXER_H

#include "conf/message.h"
#include "conf/place.h"

enum tp_conf_token_kind {
    TP_CONF_WORD,
    TP_CONF_SEMICOLON,
    TP_CONF_OPEN,
    TP_CONF_CLOSE,
    TP_CONF_END,
};

struct tp_conf_token {
    enum tp_conf_token_kind kind;
    struct tp_conf_place place;
    bool starts_line; /* the first token of its line */
    bool is_broken;   /* a mistake in it was reported already */
};

struct tp_conf_lexer {
    const struct tp_conf_source *source;
    struct tp_conf_messages *messages;
    unsigned *order;   /* the number of the last token; shared by all lexers of a load */
    size_t offset;     /* of the next byte to read */
    unsigned line;     /* the line `offset` is in */
    unsigned column;   /* of the byte at counted_to */
    size_t counted_to; /* columns are counted as tokens are met: lines may be long */
    bool is_line_start;
    bool is_statement_cut; /* a quote was left open: the next token is a ';' nobody wrote */
};

/* Prepares reading `source` from its beginning; mistakes go to `messages`. */
void tp__lexer_init(struct tp_conf_lexer *lexer, const struct tp_conf_source *source,
                    struct tp_conf_messages *messages, unsigned *order);

/* The next token; TP_CONF_END again and again at the end, or when there are too many mistakes. */
struct tp_conf_token tp__lexer_next(struct tp_conf_lexer *lexer);

/* Makes `token`, which was read before, the next one again. */
void tp__lexer_rewind(struct tp_conf_lexer *lexer, const struct tp_conf_token *token);

/* The bytes of `token` in its source. */
struct tp_str tp__lexer_raw(const struct tp_conf_token *token);

/*
 * True when the byte at `at` in the word that begins at `start` of `text` opens
 * a quoted text: a quote that begins the word or follows its first '='.
 */
bool tp__lexer_opens_quote(struct tp_str text, size_t start, size_t at);

#endif
