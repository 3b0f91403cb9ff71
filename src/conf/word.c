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
#include "base/utf8.h"
#include "conf/template.h"

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
    struct tp_text template;
    struct tp_str run_variable; /* the first one */
    struct tp_conf_place run_variable_place;
};

static enum tp_result word_read_all(struct word_reader *reader);
static void word_append(struct word_reader *reader, struct tp_str bytes);
static bool word_read_quote(struct word_reader *reader);
static bool word_read_escape(struct word_reader *reader);
static enum tp_result word_read_variable(struct word_reader *reader);
static enum tp_result word_find_name(struct word_reader *reader, struct tp_str *name);
static enum tp_result word_append_value(struct word_reader *reader, struct tp_str name,
                                        size_t start);
static void word_append_run_variable(struct word_reader *reader, struct tp_str name, size_t start);
static void word_complain_of_unknown(struct word_reader *reader, struct tp_str name,
                                     const struct tp_conf_place *place);
static void word_write_quoted(struct tp_str word, const char *escaped, struct tp_text *text);
static struct tp_conf_place word_place(const struct word_reader *reader, size_t from, size_t to);
static bool word_needs_quotes(struct tp_str word);

enum tp_result
tp__word_read(const struct tp_conf_token *token, const struct tp_conf_variables *variables,
              struct tp_conf_messages *messages, struct tp_arena *arena, struct tp_str *word)
{
    struct tp_conf_word read;
    enum tp_result result = tp__word_read_any(token, variables, messages, arena, &read);

    if (result == TP_OK && read.run_variable.len > 0) {
        tp__word_refuse_run_variable(&read, messages);
        return TP_INVALID;
    }
    *word = read.text;
    return result;
}

enum tp_result
tp__word_read_any(const struct tp_conf_token *token, const struct tp_conf_variables *variables,
                  struct tp_conf_messages *messages, struct tp_arena *arena,
                  struct tp_conf_word *word)
{
    struct word_reader reader = {
        .token = token,
        .variables = variables,
        .messages = messages,
        .raw = tp__lexer_raw(token),
    };
    enum tp_result result = word_read_all(&reader);

    *word = (struct tp_conf_word){ .text = TP_STR("") };
    if (result == TP_OK) {
        word->text = tp__arena_copy(arena, tp__text_get(&reader.text));
        word->template = tp__arena_copy(arena, tp__text_get(&reader.template));
        word->run_variable = reader.run_variable;
        word->run_variable_place = reader.run_variable_place;
    }
    tp__text_fini(&reader.text);
    tp__text_fini(&reader.template);
    return result;
}

void
tp__word_refuse_run_variable(const struct tp_conf_word *word, struct tp_conf_messages *messages)
{
    tp__messages_add(messages, &word->run_variable_place,
                     "\"$%.*s\" has a value only while an exchange runs, and may not stand here",
                     TP_STR_ARG(word->run_variable));
    tp__messages_hint(messages, "for the character itself write \\$");
}

void
tp__word_write(struct tp_str word, struct tp_text *text)
{
    word_write_quoted(word, "\"\\$", text);
}

void
tp__word_write_template(struct tp_str template, struct tp_text *text)
{
    struct tp_text simple = { 0 };

    tp__template_simplify(template, &simple);
    /* Its own escapes are those of a word in double quotes. */
    word_write_quoted(tp__text_get(&simple), "\"", text);
    tp__text_fini(&simple);
}

/* Appends `word`, where it needs quotes with a backslash before each of the bytes `escaped`. */
static void
word_write_quoted(struct tp_str word, const char *escaped, struct tp_text *text)
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
        default:
            if (word.data[i] != '\0' && strchr(escaped, word.data[i]) != NULL) {
                tp__text_append(text, TP_STR("\\"));
            }
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
        word_append(reader, (struct tp_str){ reader->raw.data + reader->at, 1 });
        reader->at++;
    }
    if (!tp__text_is_whole(&reader->text) || !tp__text_is_whole(&reader->template)) {
        tp__messages_add(reader->messages, &reader->token->place, "%s",
                         tp_result_sentence(TP_NO_MEMORY));
        return TP_INVALID;
    }
    return TP_OK;
}

static void
word_append(struct word_reader *reader, struct tp_str bytes)
{
    tp__text_append(&reader->text, bytes);
    tp__template_quote(bytes, &reader->template);
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
    word_append(reader, (struct tp_str){ &meant, 1 });
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
        word_append(reader, TP_STR("$"));
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
    size_t value_at = reader->text.len;
    struct tp_conf_place place = word_place(reader, start, reader->at);

    if (tp__variable_is_run_time(reader->variables, name)) {
        word_append_run_variable(reader, name, start);
    } else if (tp__variable_read(reader->variables, name, &reader->text) == TP_OK) {
        tp__template_quote(tp__str_skip(tp__text_get(&reader->text), value_at), &reader->template);
    } else {
        word_complain_of_unknown(reader, name, &place);
        return TP_INVALID;
    }
    if (reader->text.len > TP_CONF_WORD_BYTES_MAX) {
        tp__messages_add(reader->messages, &place,
                         "with its variables this word is longer than 16k");
        return TP_INVALID;
    }
    return TP_OK;
}

static void
word_append_run_variable(struct word_reader *reader, struct tp_str name, size_t start)
{
    tp__text_printf(&reader->text, "$%.*s", TP_STR_ARG(name));
    tp__text_printf(&reader->template, "${%.*s}", TP_STR_ARG(name));
    if (reader->run_variable.len == 0) {
        reader->run_variable = name;
        reader->run_variable_place = word_place(reader, start, reader->at);
    }
}

static void
word_complain_of_unknown(struct word_reader *reader, struct tp_str name,
                         const struct tp_conf_place *place)
{
    struct tp_str nearest = tp__variable_nearest(reader->variables, name);

    tp__messages_add(reader->messages, place, "unknown variable \"$%.*s\"", TP_STR_ARG(name));
    if (nearest.len > 0) {
        tp__messages_hint(reader->messages, "did you mean \"$%.*s\"?", TP_STR_ARG(nearest));
    } else if (tp__str_starts_with(name, TP_STR("env_"))) {
        tp__messages_hint(reader->messages, "the environment has no variable \"%.*s\"",
                          TP_STR_ARG(tp__str_skip(name, 4)));
    }
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
