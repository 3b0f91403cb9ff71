/*
 * word.c - quotes, escapes and variables.
 *
 * Bare words and "…" know the escapes \" \' \\ \$ \; \{ \} \# and \n \r \t and
 * an escaped space; before any other character the backslash stands for itself,
 * so that patterns need no doubling.  '…' knows \' and \\ only and leaves $ alone.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: arguments.c, which gives words to directives.
 */
#include "conf/word.h"

#include "base/str.h"
#include "conf/utf8.h"

/* A word being read. */
struct word_reader {
    const struct tp_conf_token *token;
    const struct tp_conf_variables *variables;
    struct tp_conf_messages *messages;
    struct tp_str raw;
    size_t at;
    char quote; /* the quote we are in, or 0 */
    bool was_quoted;
    struct tp_text text;
};

static enum tp_result word_read_all(struct word_reader *reader);
static bool word_read_quote(struct word_reader *reader);
static bool word_read_escape(struct word_reader *reader);
static enum tp_result word_read_variable(struct word_reader *reader);
static enum tp_result word_find_name(struct word_reader *reader, struct tp_str *name);
static enum tp_result word_append_value(struct word_reader *reader, struct tp_str name,
                                        size_t start);
static struct tp_conf_place word_place(const struct word_reader *reader, size_t from, size_t to);
static bool word_needs_quotes(struct tp_str word);

enum tp_result
tp__word_read(const struct tp_conf_token *token, const struct tp_conf_variables *variables,
              struct tp_conf_messages *messages, struct tp_arena *arena, struct tp_str *word)
{
    struct word_reader reader = {
        .token = token,
        .variables = variables,
        .messages = messages,
        .raw = tp__lexer_raw(token),
    };
    enum tp_result result = word_read_all(&reader);

    if (result == TP_OK) {
        *word = tp__arena_copy(arena, tp__text_get(&reader.text));
    }
    tp__text_fini(&reader.text);
    return result;
}

void
tp__word_write(struct tp_str word, struct tp_text *text)
{
    if (!word_needs_quotes(word)) {
        tp__text_append(text, word);
        return;
    }
    tp__text_append(text, TP_STR("\""));
    for (size_t i = 0; i < word.len; i++) {
        switch (word.data[i]) {
        case '\n':
            tp__text_append(text, TP_STR("\\n"));
            break;
        case '\r':
            tp__text_append(text, TP_STR("\\r"));
            break;
        case '\t':
            tp__text_append(text, TP_STR("\\t"));
            break;
        case '"':
        case '\\':
        case '$':
            tp__text_append(text, TP_STR("\\"));
            tp__text_append(text, (struct tp_str){ word.data + i, 1 });
            break;
        default:
            tp__text_append(text, (struct tp_str){ word.data + i, 1 });
            break;
        }
    }
    tp__text_append(text, TP_STR("\""));
}

static enum tp_result
word_read_all(struct word_reader *reader)
{
    while (reader->at < reader->raw.len) {
        if (word_read_quote(reader) || word_read_escape(reader)) {
            continue;
        }
        if (reader->raw.data[reader->at] == '$' && reader->quote != '\'') {
            enum tp_result result = word_read_variable(reader);

            if (result != TP_OK) {
                return result;
            }
            continue;
        }
        tp__text_append(&reader->text, (struct tp_str){ reader->raw.data + reader->at, 1 });
        reader->at++;
    }
    if (!tp__text_is_whole(&reader->text)) {
        tp__messages_add(reader->messages, &reader->token->place, "%s",
                         tp_result_sentence(TP_NO_MEMORY));
        return TP_INVALID;
    }
    return TP_OK;
}

/* Passes a quote that opens or closes a quoted text; a word has at most one. */
static bool
word_read_quote(struct word_reader *reader)
{
    struct tp_str raw = reader->raw;
    size_t at = reader->at;

    if (reader->quote != 0) {
        if (raw.data[at] != reader->quote) {
            return false;
        }
        reader->quote = 0;
    } else {
        if (reader->was_quoted || !tp__lexer_opens_quote(raw, 0, at)) {
            return false;
        }
        reader->quote = raw.data[at];
        reader->was_quoted = true;
    }
    reader->at++;
    return true;
}

static bool
word_read_escape(struct word_reader *reader)
{
    struct tp_str rest = tp__str_skip(reader->raw, reader->at);
    const char *known = reader->quote == '\'' ? "'\\" : "\"'\\$;{}# nrt";

    if (rest.len < 2 || rest.data[0] != '\\' || strchr(known, rest.data[1]) == NULL) {
        return false;
    }
    char meant = rest.data[1];

    switch (reader->quote == '\'' ? 0 : meant) {
    case 'n':
        meant = '\n';
        break;
    case 'r':
        meant = '\r';
        break;
    case 't':
        meant = '\t';
        break;
    default:
        break;
    }
    tp__text_append(&reader->text, (struct tp_str){ &meant, 1 });
    reader->at += 2;
    return true;
}

/* Reads $name or ${name}; a '$' before anything else stands for itself. */
static enum tp_result
word_read_variable(struct word_reader *reader)
{
    size_t start = reader->at;
    struct tp_str name;
    enum tp_result result = word_find_name(reader, &name);

    if (result != TP_OK) {
        return result;
    }
    if (name.len == 0) {
        tp__text_append(&reader->text, TP_STR("$"));
        return TP_OK;
    }
    return word_append_value(reader, name, start);
}

/* Passes the '$' and the name behind it; an empty name where there is none. */
static enum tp_result
word_find_name(struct word_reader *reader, struct tp_str *name)
{
    size_t start = reader->at;
    struct tp_str rest = tp__str_skip(reader->raw, start + 1);

    if (tp__str_starts_with(rest, TP_STR("{"))) {
        struct tp_str behind;

        *name = tp__str_cut(tp__str_skip(rest, 1), '}', &behind);
        reader->at = start + 2 + name->len + 1;
        if (reader->at > reader->raw.len || !tp__variable_is_name(*name)) {
            struct tp_conf_place place = word_place(reader, start, reader->raw.len);

            tp__messages_add(reader->messages, &place,
                             "\"${\" must be followed by a variable's name and \"}\"");
            return TP_INVALID;
        }
        return TP_OK;
    }
    *name = (struct tp_str){ rest.data, 0 };
    while (name->len < rest.len
           && tp__variable_is_name((struct tp_str){ name->data, name->len + 1 })) {
        name->len++;
    }
    reader->at = start + 1 + name->len;
    return TP_OK;
}

static enum tp_result
word_append_value(struct word_reader *reader, struct tp_str name, size_t start)
{
    enum tp_result result = tp__variable_read(reader->variables, name, &reader->text);
    struct tp_conf_place place = word_place(reader, start, reader->at);

    if (result != TP_OK) {
        struct tp_str nearest = tp__variable_nearest(reader->variables, name);

        tp__messages_add(reader->messages, &place, "unknown variable \"$%.*s\"", TP_STR_ARG(name));
        if (nearest.len > 0) {
            tp__messages_hint(reader->messages, "did you mean \"$%.*s\"?", TP_STR_ARG(nearest));
        } else if (tp__str_starts_with(name, TP_STR("env_"))) {
            tp__messages_hint(reader->messages, "the environment has no variable \"%.*s\"",
                              TP_STR_ARG(tp__str_skip(name, 4)));
        }
        return TP_INVALID;
    }
    if (reader->text.len > TP_CONF_WORD_BYTES_MAX) {
        tp__messages_add(reader->messages, &place,
                         "with its variables this word is longer than 16k");
        return TP_INVALID;
    }
    return TP_OK;
}

static struct tp_conf_place
word_place(const struct word_reader *reader, size_t from, size_t to)
{
    struct tp_conf_place place = reader->token->place;
    struct tp_str before = { reader->raw.data, from };

    place.offset += from;
    place.column += (unsigned) tp__utf8_count(before);
    place.len = to - from;
    return place;
}

/* The places where a bare word ends or means something else. */
static bool
word_needs_quotes(struct tp_str word)
{
    for (size_t i = 0; i < word.len; i++) {
        unsigned char byte = (unsigned char) word.data[i];

        if (byte <= ' ' || strchr("\"'\\$;{}#", byte) != NULL) {
            return true;
        }
    }
    return word.len == 0;
}
