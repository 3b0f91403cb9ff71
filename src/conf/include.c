/*
 * include.c - reads the main file and what `include` names.
 *
 * A plain name must be readable; a pattern may match nothing.  The chain of
 * includes that led to a source is known through its includers: a file that is
 * in its own chain is a loop, and a chain has a greatest length, which catches
 * loops made of links.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: parser.c, which reads the text.
 */
#include "conf/reader.h"

#include "base/str.h"
#include "conf/word.h"

#include <errno.h>

static void include_read_pattern(struct tp_conf_reader *reader, struct tp_block *block,
                                 const struct tp_conf_place *place, const char *pattern);
static void include_read_file(struct tp_conf_reader *reader, struct tp_block *block,
                              const struct tp_conf_place *place, const char *path);
static bool include_read_text(struct tp_conf_reader *reader, const struct tp_conf_place *place,
                              const char *path, struct tp_str *text);
static bool include_is_loop(struct tp_conf_reader *reader, const struct tp_conf_place *place,
                            const char *path);
static void include_hint_chain(struct tp_conf_reader *reader, const struct tp_conf_source *source,
                               const char *path);
static const char *include_resolve(struct tp_conf_reader *reader,
                                   const struct tp_conf_source *source, struct tp_str name);
static void include_complain(struct tp_conf_reader *reader, const struct tp_conf_place *place,
                             const char *path, enum tp_result result, int error);

void
tp__include_read(struct tp_conf_reader *reader, struct tp_block *block,
                 const struct tp_conf_statement *statement)
{
    const struct tp_conf_token *token = &statement->words[1];
    struct tp_str name;

    if (tp__arguments_miscount(reader, tp__language_find(TP_STR("include")), statement)
        || tp__word_read(token, &reader->variables, &reader->messages, &reader->conf->arena, &name)
               != TP_OK) {
        return;
    }
    if (name.len == 0) {
        tp__messages_add(&reader->messages, &token->place, "\"include\" takes a path or a pattern");
        return;
    }
    const char *path = include_resolve(reader, token->place.source, name);

    if (strpbrk(path, "*?[") != NULL) {
        include_read_pattern(reader, block, &token->place, path);
    } else {
        include_read_file(reader, block, &token->place, path);
    }
}

void
tp__include_read_main(struct tp_conf_reader *reader)
{
    struct tp_conf_source *source = reader->conf->main_source;
    const struct tp_conf_place place = { .source = source };

    if (!include_read_text(reader, &place, source->name, &source->text)) {
        reader->is_misshapen = true;
        return;
    }
    tp__parser_read_source(reader, source, reader->conf->root);
}

static void
include_read_pattern(struct tp_conf_reader *reader, struct tp_block *block,
                     const struct tp_conf_place *place, const char *pattern)
{
    struct tp_text paths = { 0 };

    errno = 0;
    enum tp_result result =
        reader->options->loader->expand(reader->options->loader, pattern, &paths);

    if (result == TP_OK && !tp__text_is_whole(&paths)) {
        result = TP_NO_MEMORY;
    }
    if (result != TP_OK) {
        include_complain(reader, place, pattern, result, errno);
    }
    struct tp_str rest = tp__text_get(&paths);

    while (result == TP_OK && rest.len > 0 && !reader->messages.is_stopped) {
        struct tp_str path = tp__str_cut(rest, '\n', &rest);

        include_read_file(reader, block, place, tp__arena_copy(&reader->conf->arena, path).data);
    }
    tp__text_fini(&paths);
}

static void
include_read_file(struct tp_conf_reader *reader, struct tp_block *block,
                  const struct tp_conf_place *place, const char *path)
{
    struct tp_str text;

    if (include_is_loop(reader, place, path) || !include_read_text(reader, place, path, &text)) {
        return;
    }
    struct tp_conf_source *source = tp__arena_new(&reader->conf->arena, struct tp_conf_source);

    source->name = path;
    source->text = text;
    source->includer = place->source;
    source->depth = place->source->depth + 1;
    tp__parser_read_source(reader, source, block);
}

/* Reads the file at `path`, wanted at `place`.  False when it cannot be had, which is reported. */
static bool
include_read_text(struct tp_conf_reader *reader, const struct tp_conf_place *place,
                  const char *path, struct tp_str *text)
{
    struct tp_text content = { 0 };
    size_t count = reader->messages.count;

    errno = 0;
    enum tp_result result =
        reader->options->loader->read_file(reader->options->loader, path, &content);
    int error = errno;

    if (result == TP_OK && !tp__text_is_whole(&content)) {
        result = TP_NO_MEMORY;
    }
    reader->bytes_read += content.len;
    if (result != TP_OK) {
        include_complain(reader, place, path, result, error);
    } else if (content.len > TP_CONF_FILE_BYTES_MAX) {
        tp__messages_add(&reader->messages, place, "\"%s\" is larger than 4m", path);
    } else if (reader->bytes_read > TP_CONF_TOTAL_BYTES_MAX) {
        tp__messages_add(&reader->messages, place,
                         "with \"%s\" the configuration is larger than 16m", path);
        reader->messages.is_stopped = true;
    } else {
        *text = tp__arena_copy(&reader->texts, tp__text_get(&content));
    }
    tp__text_fini(&content);
    return reader->messages.count == count && !reader->messages.is_stopped;
}

static bool
include_is_loop(struct tp_conf_reader *reader, const struct tp_conf_place *place, const char *path)
{
    const struct tp_conf_source *source = place->source;

    for (; source != NULL; source = source->includer) {
        if (strcmp(source->name, path) == 0) {
            tp__messages_add(&reader->messages, place, "\"%s\" includes itself", path);
            include_hint_chain(reader, place->source, path);
            return true;
        }
    }
    if (place->source->depth >= TP_CONF_INCLUDE_DEPTH_MAX) {
        tp__messages_add(&reader->messages, place, "more than %d includes inside each other",
                         TP_CONF_INCLUDE_DEPTH_MAX);
        include_hint_chain(reader, place->source, path);
        return true;
    }
    return false;
}

/* "a.conf" -> "b.conf" -> "a.conf", from the first file on. */
static void
include_hint_chain(struct tp_conf_reader *reader, const struct tp_conf_source *source,
                   const char *path)
{
    struct tp_str chain = tp__arena_format(&reader->messages.arena, "\"%s\"", path);

    for (; source != NULL; source = source->includer) {
        chain = tp__arena_format(&reader->messages.arena, "\"%s\" -> %s", source->name, chain.data);
    }
    tp__messages_hint(&reader->messages, "%s", chain.data);
}

/* `name` from the folder of the file it is written in; -g counts as written in the main file. */
static const char *
include_resolve(struct tp_conf_reader *reader, const struct tp_conf_source *source,
                struct tp_str name)
{
    bool is_file = source->includer != NULL || source == reader->conf->main_source;
    const char *includer = is_file ? source->name : reader->conf->main_source->name;
    const char *slash = strrchr(includer, '/');

    while (tp__str_starts_with(name, TP_STR("./"))) {
        name = tp__str_skip(name, 2);
    }
    if (slash == NULL || tp__str_starts_with(name, TP_STR("/"))) {
        return tp__arena_copy(&reader->conf->arena, name).data;
    }
    return tp__arena_format(&reader->conf->arena, "%.*s/%.*s", (int) (slash - includer), includer,
                            TP_STR_ARG(name))
        .data;
}

static void
include_complain(struct tp_conf_reader *reader, const struct tp_conf_place *place, const char *path,
                 enum tp_result result, int error)
{
    const char *reason = error != 0 ? strerror(error) : tp_result_sentence(result);

    if (place->line == 0) {
        tp__messages_add(&reader->messages, place, "cannot read this file: %s", reason);
    } else {
        tp__messages_add(&reader->messages, place, "cannot read \"%s\": %s", path, reason);
    }
}
