/*
 * lexer.c - cuts configuration text into words and punctuation.
 *
 * A word ends at white space or at one of ; { } and may hold a quoted text that
 * begins the word or follows its first '='.  A quoted text ends on its own
 * line: a quote left open would otherwise swallow the file, and with it all
 * other mistakes.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: parser.c, which asks for the tokens; word.c, what words mean.
 */
#include "conf/lexer.h"

#include "base/str.h"
#include "base/utf8.h"

static struct tp_conf_token lexer_make_cut(struct tp_conf_lexer *lexer);
static void lexer_skip_blanks(struct tp_conf_lexer *lexer);
static struct tp_conf_token lexer_make(struct tp_conf_lexer *lexer, enum tp_conf_token_kind kind,
                                       size_t len);
static struct tp_conf_token lexer_read_word(struct tp_conf_lexer *lexer);
static size_t lexer_word_end(const struct tp_conf_lexer *lexer, size_t *open_quote_at);
static size_t lexer_quote_end(struct tp_str text, size_t open_at);
static size_t lexer_braces_end(struct tp_str text, size_t at);
static size_t lexer_guess_end(struct tp_str text, size_t open_at);
static bool lexer_is_at_line_end(const struct tp_conf_lexer *lexer);
static void lexer_check_word(struct tp_conf_lexer *lexer, struct tp_conf_token *token);
static bool lexer_has_word_behind_quote(struct tp_str raw, size_t *at);
static void lexer_complain(struct tp_conf_lexer *lexer, struct tp_conf_token *token, size_t at,
                           size_t len, const char *what);
static bool lexer_is_blank(char byte);
static bool lexer_ends_word(char byte);
static bool lexer_is_escape(struct tp_str text, size_t at);

void
tp__lexer_init(struct tp_conf_lexer *lexer, const struct tp_conf_source *source,
               struct tp_conf_messages *messages, unsigned *order)
{
    size_t start = tp__str_starts_with(source->text, TP_STR(TP_UTF8_BOM)) ? strlen(TP_UTF8_BOM) : 0;

    *lexer = (struct tp_conf_lexer){
        .source = source,
        .messages = messages,
        .order = order,
        .offset = start,
        .line = 1,
        .column = 1,
        .counted_to = start,
        .is_line_start = true,
    };
}

struct tp_conf_token
tp__lexer_next(struct tp_conf_lexer *lexer)
{
    struct tp_str text = lexer->source->text;

    if (lexer->is_statement_cut) {
        return lexer_make_cut(lexer);
    }
    lexer_skip_blanks(lexer);
    if (lexer->offset == text.len || lexer->messages->is_stopped) {
        return lexer_make(lexer, TP_CONF_END, 0);
    }
    switch (text.data[lexer->offset]) {
    case ';':
        return lexer_make(lexer, TP_CONF_SEMICOLON, 1);
    case '{':
        return lexer_make(lexer, TP_CONF_OPEN, 1);
    case '}':
        return lexer_make(lexer, TP_CONF_CLOSE, 1);
    default:
        return lexer_read_word(lexer);
    }
}

void
tp__lexer_rewind(struct tp_conf_lexer *lexer, const struct tp_conf_token *token)
{
    lexer->offset = token->place.offset;
    lexer->line = token->place.line;
    lexer->column = token->place.column;
    lexer->counted_to = token->place.offset;
    lexer->is_line_start = token->starts_line;
    lexer->is_statement_cut = false;
}

struct tp_str
tp__lexer_raw(const struct tp_conf_token *token)
{
    return (struct tp_str){ token->place.source->text.data + token->place.offset,
                            token->place.len };
}

bool
tp__lexer_opens_quote(struct tp_str text, size_t start, size_t at)
{
    if (text.data[at] != '"' && text.data[at] != '\'') {
        return false;
    }
    return at == start
           || (text.data[at - 1] == '='
               && memchr(text.data + start, '=', at - start) == text.data + at - 1);
}

static struct tp_conf_token
lexer_make_cut(struct tp_conf_lexer *lexer)
{
    lexer->is_statement_cut = false;
    return lexer_make(lexer, TP_CONF_SEMICOLON, 0);
}

/* Passes white space and comments. */
static void
lexer_skip_blanks(struct tp_conf_lexer *lexer)
{
    struct tp_str text = lexer->source->text;
    bool is_comment = false;

    for (; lexer->offset < text.len; lexer->offset++) {
        char byte = text.data[lexer->offset];

        if (byte == '\n') {
            lexer->line++;
            lexer->column = 1;
            lexer->counted_to = lexer->offset + 1;
            lexer->is_line_start = true;
            is_comment = false;
        } else if (byte == '#') {
            is_comment = true;
        } else if (!is_comment && !lexer_is_blank(byte)) {
            return;
        }
    }
}

static struct tp_conf_token
lexer_make(struct tp_conf_lexer *lexer, enum tp_conf_token_kind kind, size_t len)
{
    struct tp_str passed = { lexer->source->text.data + lexer->counted_to,
                             lexer->offset - lexer->counted_to };
    struct tp_conf_token token = {
        .kind = kind,
        .place.source = lexer->source,
        .place.offset = lexer->offset,
        .place.len = len,
        .place.line = lexer->line,
        .place.column = lexer->column + (unsigned) tp__utf8_count(passed),
        .place.order = ++*lexer->order,
        .starts_line = lexer->is_line_start,
    };

    lexer->column = token.place.column;
    lexer->counted_to = lexer->offset;
    lexer->offset += len;
    lexer->is_line_start = false;
    return token;
}

static struct tp_conf_token
lexer_read_word(struct tp_conf_lexer *lexer)
{
    size_t start = lexer->offset;
    size_t open_quote_at = SIZE_MAX;
    size_t end = lexer_word_end(lexer, &open_quote_at);
    struct tp_conf_token token = lexer_make(lexer, TP_CONF_WORD, end - start);

    if (open_quote_at != SIZE_MAX) {
        lexer_complain(lexer, &token, open_quote_at - start, 1,
                       "this quote is not closed on its line; a line break is written \\n");
        lexer->is_statement_cut = lexer_is_at_line_end(lexer);
    } else {
        lexer_check_word(lexer, &token);
    }
    return token;
}

/*
 * Where the word at the lexer's offset ends.  A quote that is not closed is
 * told in *open_quote_at; the word then ends where its writer probably meant.
 */
static size_t
lexer_word_end(const struct tp_conf_lexer *lexer, size_t *open_quote_at)
{
    struct tp_str text = lexer->source->text;
    size_t at = lexer->offset;

    while (at < text.len && !lexer_ends_word(text.data[at])) {
        if (tp__lexer_opens_quote(text, lexer->offset, at)) {
            size_t end = lexer_quote_end(text, at);

            if (end == 0) {
                *open_quote_at = at;
                return lexer_guess_end(text, at);
            }
            at = end;
        } else if (lexer_is_escape(text, at)) {
            at += 2;
        } else if (text.data[at] == '$') {
            at = lexer_braces_end(text, at);
        } else {
            at++;
        }
    }
    return at;
}

/* Behind the quote that closes the one at `open_at`; 0 when its line has none. */
static size_t
lexer_quote_end(struct tp_str text, size_t open_at)
{
    for (size_t at = open_at + 1; at < text.len && text.data[at] != '\n'; at++) {
        if (text.data[at] == text.data[open_at]) {
            return at + 1;
        }
        if (lexer_is_escape(text, at)) {
            at++;
        }
    }
    return 0;
}

/* Behind "${name}", or behind the '$' alone where no brace closes it. */
static size_t
lexer_braces_end(struct tp_str text, size_t at)
{
    if (at + 1 == text.len || text.data[at + 1] != '{') {
        return at + 1;
    }
    for (size_t i = at + 2; i < text.len; i++) {
        if (text.data[i] == '}') {
            return i + 1;
        }
        if (lexer_ends_word(text.data[i])) {
            break;
        }
    }
    return at + 2;
}

/* The end of the line, but before a ';' or '{' there, with which the line probably ends. */
static size_t
lexer_guess_end(struct tp_str text, size_t open_at)
{
    const char *newline = memchr(text.data + open_at, '\n', text.len - open_at);
    size_t end = newline == NULL ? text.len : (size_t) (newline - text.data);

    while (end > open_at + 1) {
        char byte = text.data[end - 1];
        char before = text.data[end - 2];
        bool closes_block = byte == '}' && (lexer_is_blank(before) || before == ';');

        if (!lexer_is_blank(byte) && byte != ';' && byte != '{' && !closes_block) {
            break;
        }
        end--;
    }
    return end;
}

/* True when nothing but blanks is left of the line. */
static bool
lexer_is_at_line_end(const struct tp_conf_lexer *lexer)
{
    struct tp_str text = lexer->source->text;
    size_t at = lexer->offset;

    while (at < text.len && text.data[at] != '\n' && lexer_is_blank(text.data[at])) {
        at++;
    }
    return at == text.len || text.data[at] == '\n';
}

/* Reports the first thing in `token` that no word may hold. */
static void
lexer_check_word(struct tp_conf_lexer *lexer, struct tp_conf_token *token)
{
    struct tp_str raw = tp__lexer_raw(token);
    size_t behind_quote;

    if (raw.len > TP_CONF_WORD_BYTES_MAX) {
        lexer_complain(lexer, token, 0, 1, "this word is longer than 16k");
        return;
    }
    if (lexer_has_word_behind_quote(raw, &behind_quote)) {
        lexer_complain(lexer, token, behind_quote, 1,
                       "a space or \";\" is missing after the closing quote");
        return;
    }
    for (size_t at = 0; at < raw.len;) {
        struct tp_utf8 character = tp__utf8_read(tp__str_skip(raw, at));
        bool is_tab = character.code == '\t';

        if (!character.is_valid) {
            lexer_complain(lexer, token, at, 1, "this is not valid UTF-8");
            return;
        }
        if (!tp__utf8_is_printable(character) && !is_tab) {
            lexer_complain(lexer, token, at, character.len,
                           "a control character may not stand here");
            return;
        }
        at += character.len;
    }
}

static bool
lexer_has_word_behind_quote(struct tp_str raw, size_t *at)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (tp__lexer_opens_quote(raw, 0, i)) {
            *at = lexer_quote_end(raw, i);
            return *at < raw.len;
        }
        if (lexer_is_escape(raw, i)) {
            i++;
        }
    }
    return false;
}

/* Reports `what` at `at` in `token`, which is of no use from now on. */
static void
lexer_complain(struct tp_conf_lexer *lexer, struct tp_conf_token *token, size_t at, size_t len,
               const char *what)
{
    struct tp_conf_place place = token->place;
    struct tp_str before = { tp__lexer_raw(token).data, at };

    place.offset += at;
    place.column += (unsigned) tp__utf8_count(before);
    place.len = len;
    tp__messages_add(lexer->messages, &place, "%s", what);
    token->is_broken = true;
}

static bool
lexer_is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool
lexer_ends_word(char byte)
{
    return lexer_is_blank(byte) || byte == ';' || byte == '{' || byte == '}';
}

/* True for a backslash that takes the next byte with it. */
static bool
lexer_is_escape(struct tp_str text, size_t at)
{
    return text.data[at] == '\\' && at + 1 < text.len
           && (text.data[at + 1] == ' ' || !lexer_is_blank(text.data[at + 1]));
}
