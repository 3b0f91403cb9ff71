/*
 * parser.c - reads statements and blocks, and finds out what is wrong with them.
 *
 * All mistakes of a file are wanted in one run, each once.  So after a mistake
 * the parser goes on where the writer most likely did: a line that begins with
 * a directive's name begins a statement even when the one before lacks its ';',
 * and a block in the wrong place is still read, into a block that belongs to
 * nothing, for the sake of the mistakes inside it.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: arguments.c (the words of a statement), include.c, inherit.c.
 */
#include "conf/reader.h"

#include "base/str.h"
#include "base/utf8.h"
#include "conf/word.h"

/* One source being read. */
struct parser {
    struct tp_conf_reader *reader;
    struct tp_conf_lexer lexer;
    bool told_unclosed; /* a missing '}' is reported once, not for each block around it */
    /* The first block whose '}' stands below the name of another block: its own may be missing. */
    struct tp_conf_place suspect;
    unsigned suspect_end_line;
};

/* A block, or a source, whose statements are being read. */
struct parser_body {
    struct tp_block *block;
    const struct tp_conf_token *opener; /* the block's name; NULL for a source */
    const struct parser_body *outer;    /* in the same source */
};

static void parser_read_body(struct parser *parser, const struct parser_body *body);
static bool parser_read_next(struct parser *parser, const struct parser_body *body);
static void parser_read_statement(struct parser *parser, const struct parser_body *body,
                                  const struct tp_conf_token *name);
static void parser_collect(struct parser *parser, const struct tp_conf_token *name,
                           struct tp_conf_statement *statement);
static bool parser_begins_statement(struct parser *parser, const struct tp_conf_token *token);
static void parser_read_own(struct parser *parser, const struct parser_body *body,
                            const struct tp_directive *directive,
                            struct tp_conf_statement *statement);
static void parser_read_set(struct parser *parser, struct tp_block *block,
                            const struct tp_conf_statement *statement);
static bool parser_check_variable(struct parser *parser, struct tp_block *block,
                                  const struct tp_conf_token *token);
static void parser_read_unknown(struct parser *parser, const struct parser_body *body,
                                const struct tp_conf_statement *statement);
static void parser_complain_of_unknown(struct parser *parser, enum tp_context context,
                                       const struct tp_conf_token *name,
                                       const struct tp_directive *nearest);
static void parser_read_plain(struct parser *parser, const struct parser_body *body,
                              const struct tp_conf_entry *entry,
                              struct tp_conf_statement *statement);
static bool parser_end_plain(struct parser *parser, const struct parser_body *body,
                             const struct tp_directive *directive,
                             struct tp_conf_statement *statement);
static bool parser_cut_stray(struct parser *parser, const struct tp_directive *directive,
                             struct tp_conf_statement *statement);
static void parser_read_block(struct parser *parser, const struct parser_body *body,
                              const struct tp_conf_entry *entry,
                              struct tp_conf_statement *statement);
static bool parser_end_block_head(struct parser *parser, const struct tp_directive *directive,
                                  struct tp_conf_statement *statement);
static bool parser_check_block(struct parser *parser, struct tp_block *parent,
                               const struct tp_conf_entry *entry, const struct tp_conf_token *name);
static void parser_read_inside(struct parser *parser, const struct parser_body *outer,
                               struct tp_block *block, const struct tp_conf_token *name);
static bool parser_check_context(struct parser *parser, enum tp_context context,
                                 const struct tp_conf_entry *entry,
                                 const struct tp_conf_token *name);
static bool parser_has_room(struct parser *parser, const struct tp_block *parent,
                            const struct tp_conf_token *name);
static void parser_skip_block(struct parser *parser, const struct parser_body *body,
                              const struct tp_conf_token *opener);
static void parser_note_suspect(struct parser *parser, const struct parser_body *body,
                                const struct tp_conf_token *end);
static void parser_complain_of_unclosed(struct parser *parser, const struct tp_conf_token *opener);
static void parser_complain_unended(struct parser *parser,
                                    const struct tp_conf_statement *statement, struct tp_str name);
static struct tp_conf_place parser_place_behind(const struct tp_conf_token *token);
static const struct tp_conf_token *statement_last(const struct tp_conf_statement *statement);

void
tp__parser_read_source(struct tp_conf_reader *reader, const struct tp_conf_source *source,
                       struct tp_block *block)
{
    struct parser parser = { .reader = reader };
    const struct parser_body body = { .block = block };

    tp__lexer_init(&parser.lexer, source, &reader->messages, &reader->order);
    parser_read_body(&parser, &body);
}

static void
parser_read_body(struct parser *parser, const struct parser_body *body)
{
    const struct tp_conf_messages *messages = &parser->reader->messages;
    size_t count = messages->count;

    while (parser_read_next(parser, body)) {
    }
    if (messages->count > count || messages->is_stopped) {
        body->block->has_mistakes = true;
    }
}

/* Reads one statement of `body`; false at its end. */
static bool
parser_read_next(struct parser *parser, const struct parser_body *body)
{
    struct tp_conf_messages *messages = &parser->reader->messages;
    struct tp_conf_token token = tp__lexer_next(&parser->lexer);

    switch (token.kind) {
    case TP_CONF_WORD:
        parser_read_statement(parser, body, &token);
        return true;
    case TP_CONF_SEMICOLON:
        tp__messages_add(messages, &token.place, "there is no directive in front of this \";\"");
        return true;
    case TP_CONF_OPEN:
        tp__messages_add(messages, &token.place, "there is no directive in front of this \"{\"");
        parser_skip_block(parser, body, &token);
        return true;
    case TP_CONF_CLOSE:
        if (body->opener != NULL) {
            parser_note_suspect(parser, body, &token);
            return false;
        }
        tp__messages_add(messages, &token.place, "this \"}\" closes no block");
        parser->reader->is_misshapen = true;
        return true;
    case TP_CONF_END:
        break;
    }
    if (body->opener != NULL) {
        parser_complain_of_unclosed(parser, body->opener);
    }
    return false;
}

static void
parser_read_statement(struct parser *parser, const struct parser_body *body,
                      const struct tp_conf_token *name)
{
    struct tp_str word = tp__lexer_raw(name);
    struct tp_conf_statement statement;

    parser_collect(parser, name, &statement);
    const struct tp_directive *own = tp__language_find(word);
    const struct tp_conf_entry *entry =
        tp__catalogue_find(&parser->reader->conf->catalogue, word, body->block->context);

    if (own != NULL) {
        parser_read_own(parser, body, own, &statement);
    } else if (entry == NULL) {
        parser_read_unknown(parser, body, &statement);
    } else if (entry->directive->opens != 0) {
        parser_read_block(parser, body, entry, &statement);
    } else {
        parser_read_plain(parser, body, entry, &statement);
    }
}

/* Takes words up to what ends the statement; a token that is not part of it is given back. */
static void
parser_collect(struct parser *parser, const struct tp_conf_token *name,
               struct tp_conf_statement *statement)
{
    statement->words[0] = *name;
    statement->count = 1;
    statement->is_broken = name->is_broken;
    for (;;) {
        statement->end = tp__lexer_next(&parser->lexer);
        if (statement->end.kind == TP_CONF_SEMICOLON || statement->end.kind == TP_CONF_OPEN) {
            return;
        }
        if (statement->end.kind != TP_CONF_WORD
            || parser_begins_statement(parser, &statement->end)) {
            tp__lexer_rewind(&parser->lexer, &statement->end);
            return;
        }
        if (statement->count < TP_CONF_WORDS_MAX) {
            statement->words[statement->count++] = statement->end;
        } else if (!statement->is_broken) {
            tp__messages_add(&parser->reader->messages, &statement->end.place,
                             "more than %d arguments", TP_CONF_WORDS_MAX - 1);
            statement->is_broken = true;
        }
        statement->is_broken = statement->is_broken || statement->end.is_broken;
    }
}

/* A directive's name at the beginning of a line: the statement before it lacks its ';'. */
static bool
parser_begins_statement(struct parser *parser, const struct tp_conf_token *token)
{
    struct tp_str word = tp__lexer_raw(token);

    return token->starts_line
           && (tp__language_find(word) != NULL
               || tp__catalogue_find(&parser->reader->conf->catalogue, word, TP_IN_MAIN) != NULL);
}

/* `include` and `set`. */
static void
parser_read_own(struct parser *parser, const struct parser_body *body,
                const struct tp_directive *directive, struct tp_conf_statement *statement)
{
    if (!parser_end_plain(parser, body, directive, statement)) {
        return;
    }
    if (strcmp(directive->name, "include") == 0) {
        tp__include_read(parser->reader, body->block, statement);
    } else {
        parser_read_set(parser, body->block, statement);
    }
}

static void
parser_read_set(struct parser *parser, struct tp_block *block,
                const struct tp_conf_statement *statement)
{
    struct tp_conf_reader *reader = parser->reader;
    struct tp_arena *arena = &reader->conf->arena;
    const struct tp_conf_token *name = &statement->words[1];
    struct tp_conf_variable variable = { .place = name->place, .depth = block->depth };

    if (tp__arguments_miscount(reader, tp__language_find(TP_STR("set")), statement)
        || !parser_check_variable(parser, block, name)
        || tp__word_read(&statement->words[2], &reader->variables, &reader->messages, arena,
                         &variable.value)
               != TP_OK) {
        return;
    }
    reader->bytes_read += variable.value.len;
    variable.name = tp__arena_copy(arena, tp__str_skip(tp__lexer_raw(name), 1));
    if (tp__variable_set(&reader->variables, &variable) != TP_OK) {
        tp__messages_add(&reader->messages, &name->place, "more than %d variables",
                         TP_CONF_VARIABLES_MAX);
    }
}

/* May `token` be set in `block`? */
static bool
parser_check_variable(struct parser *parser, struct tp_block *block,
                      const struct tp_conf_token *token)
{
    struct tp_conf_messages *messages = &parser->reader->messages;
    struct tp_str word = tp__lexer_raw(token);
    struct tp_str name = tp__str_skip(word, 1);

    if (!tp__str_starts_with(word, TP_STR("$")) || !tp__variable_is_name(name)) {
        tp__messages_add(messages, &token->place,
                         "\"set\" takes a \"$\" followed by letters, digits and underscores");
        return false;
    }
    if (tp__variable_is_reserved(&parser->reader->variables, name)) {
        tp__messages_add(messages, &token->place, "\"%.*s\" has its value from elsewhere",
                         TP_STR_ARG(word));
        return false;
    }
    const struct tp_conf_variable *first = tp__variable_find(&parser->reader->variables, name);

    if (first != NULL && first->depth == block->depth) {
        tp__messages_add(messages, &token->place, "\"%.*s\" is set already", TP_STR_ARG(word));
        tp__messages_hint(messages, "it is set first in %s:%u:%u", first->place.source->name,
                          first->place.line, first->place.column);
        return false;
    }
    return true;
}

static void
parser_read_unknown(struct parser *parser, const struct parser_body *body,
                    const struct tp_conf_statement *statement)
{
    struct tp_conf *conf = parser->reader->conf;
    const struct tp_conf_token *name = &statement->words[0];
    enum tp_context context = body->block->context;
    const struct tp_directive *nearest =
        tp__catalogue_nearest(&conf->catalogue, tp__lexer_raw(name), context);

    if (!name->is_broken) {
        parser_complain_of_unknown(parser, context, name, nearest);
    }
    if (statement->end.kind != TP_CONF_OPEN) {
        if (statement->end.kind != TP_CONF_SEMICOLON && !statement->is_broken) {
            parser_complain_unended(parser, statement, tp__lexer_raw(name));
        }
        return;
    }
    if (nearest != NULL && nearest->opens != 0 && parser_has_room(parser, body->block, name)) {
        parser_read_inside(parser, body, tp__block_create(conf, body->block, nearest->opens), name);
    } else {
        parser_skip_block(parser, body, name);
    }
}

static void
parser_complain_of_unknown(struct parser *parser, enum tp_context context,
                           const struct tp_conf_token *name, const struct tp_directive *nearest)
{
    struct tp_conf_messages *messages = &parser->reader->messages;
    struct tp_str word = tp__lexer_raw(name);
    const struct tp_absent_directive *absent =
        tp__catalogue_find_absent(&parser->reader->conf->catalogue, word);

    if (absent != NULL) {
        tp__messages_add(messages, &name->place,
                         "\"%s\" is a directive of the module %s, which is not built in: "
                         "./configure --with-%s",
                         absent->directive, absent->module, absent->module);
        return;
    }
    tp__messages_add(messages, &name->place, "unknown directive \"%.*s\" in \"%s\"",
                     TP_STR_ARG(word), tp__context_word(context));
    if (nearest == NULL) {
        return;
    }
    struct tp_str value;

    if (tp__str_equal(tp__str_cut(word, '=', &value), tp__str(nearest->name)) && value.len > 0) {
        tp__messages_hint(messages, "write a space instead of \"=\": %s %.*s", nearest->name,
                          TP_STR_ARG(value));
        return;
    }
    if (nearest->where & (unsigned) context) {
        tp__messages_hint(messages, "did you mean \"%s\"?  %s", nearest->name, nearest->brief);
        return;
    }
    struct tp_text where = { 0 };

    tp__contexts_describe(nearest->where, &where);
    tp__messages_hint(messages, "did you mean \"%s\", which may stand in %s?  %s", nearest->name,
                      tp__text_get(&where).data, nearest->brief);
    tp__text_fini(&where);
}

static void
parser_read_plain(struct parser *parser, const struct parser_body *body,
                  const struct tp_conf_entry *entry, struct tp_conf_statement *statement)
{
    struct tp_conf_reader *reader = parser->reader;
    const struct tp_conf_token *name = &statement->words[0];

    if (!parser_end_plain(parser, body, entry->directive, statement)
        || !parser_check_context(parser, body->block->context, entry, name)) {
        return;
    }
    const struct tp_conf_setting *before = tp__block_written(body->block, entry);

    if (before != NULL && entry->directive->item_size == 0) {
        tp__messages_add(&reader->messages, &name->place, "\"%s\" is written twice in this \"%s\"",
                         entry->directive->name, tp__context_word(body->block->context));
        tp__messages_hint(&reader->messages, "it stands first in %s", before->first->origin);
        return;
    }
    struct tp_conf_use *use = tp__arguments_read(reader, entry->directive, statement);

    if (use != NULL) {
        tp__block_add_use(body->block, entry, use);
    }
}

/*
 * Sees to it that a statement without a block ends as it should, and mends it
 * where it does not.  False when its arguments are not worth reading.
 */
static bool
parser_end_plain(struct parser *parser, const struct parser_body *body,
                 const struct tp_directive *directive, struct tp_conf_statement *statement)
{
    bool is_cut = parser_cut_stray(parser, directive, statement);

    if (!is_cut && statement->end.kind == TP_CONF_OPEN) {
        if (!statement->is_broken) {
            tp__messages_add(&parser->reader->messages, &statement->end.place,
                             "\"%s\" takes no block; it ends with \";\"", directive->name);
        }
        parser_skip_block(parser, body, &statement->words[0]);
        return false;
    }
    if (!is_cut && statement->end.kind == TP_CONF_SEMICOLON) {
        return !statement->is_broken;
    }
    if (!statement->is_broken) {
        parser_complain_unended(parser, statement, tp__str(directive->name));
    }
    /* Without any argument the missing ones would be a second message about one mistake. */
    return !statement->is_broken && statement->count > 1;
}

/* Gives a line that is one argument too many back: it is the next statement.  True when it did. */
static bool
parser_cut_stray(struct parser *parser, const struct tp_directive *directive,
                 struct tp_conf_statement *statement)
{
    size_t stray = statement->is_broken ? 0 : tp__arguments_find_stray(directive, statement);

    if (stray == 0) {
        return false;
    }
    statement->end = statement->words[stray];
    statement->count = stray;
    tp__lexer_rewind(&parser->lexer, &statement->end);
    return true;
}

static void
parser_read_block(struct parser *parser, const struct parser_body *body,
                  const struct tp_conf_entry *entry, struct tp_conf_statement *statement)
{
    struct tp_conf *conf = parser->reader->conf;
    const struct tp_conf_token *name = &statement->words[0];

    if (!parser_end_block_head(parser, entry->directive, statement)) {
        return;
    }
    bool belongs = parser_check_block(parser, body->block, entry, name);
    struct tp_conf_use *opening = NULL;

    if (!statement->is_broken) {
        opening = tp__arguments_read(parser->reader, entry->directive, statement);
    }
    if (!parser_has_room(parser, body->block, name)) {
        parser_skip_block(parser, body, name);
        return;
    }
    struct tp_block *block = tp__block_create(conf, body->block, entry->directive->opens);

    block->has_mistakes = opening == NULL;
    block->opening = opening != NULL
                         ? opening
                         : tp__use_create(conf, &name->place, tp__slot_count(entry->directive));
    if (belongs) {
        tp__block_attach(block);
    }
    parser_read_inside(parser, body, block, name);
}

/* Sees to it that a '{' follows, or goes on as if; false when there is no block to read. */
static bool
parser_end_block_head(struct parser *parser, const struct tp_directive *directive,
                      struct tp_conf_statement *statement)
{
    bool is_cut = parser_cut_stray(parser, directive, statement);

    if (!is_cut && statement->end.kind == TP_CONF_OPEN) {
        return true;
    }
    struct tp_conf_place place = parser_place_behind(statement_last(statement));

    tp__messages_add(&parser->reader->messages, &place, "\"{\" is missing after \"%s\"",
                     directive->name);
    return statement->end.kind == TP_CONF_WORD;
}

/* May this block stand in `parent`? */
static bool
parser_check_block(struct parser *parser, struct tp_block *parent,
                   const struct tp_conf_entry *entry, const struct tp_conf_token *name)
{
    const struct tp_directive *directive = entry->directive;
    const struct tp_block *first = tp_block_first(parent, directive->opens);

    if (!parser_check_context(parser, parent->context, entry, name)) {
        return false;
    }
    if (first == NULL || directive->may_repeat) {
        return true;
    }
    tp__messages_add(&parser->reader->messages, &name->place,
                     "\"%s\" is written twice in this \"%s\"", directive->name,
                     tp__context_word(parent->context));
    tp__messages_hint(&parser->reader->messages, "it stands first in %s", first->opening->origin);
    return false;
}

static void
parser_read_inside(struct parser *parser, const struct parser_body *outer, struct tp_block *block,
                   const struct tp_conf_token *name)
{
    const struct parser_body body = { .block = block, .opener = name, .outer = outer };

    parser_read_body(parser, &body);
    tp__variables_leave(&parser->reader->variables, outer->block->depth);
}

static bool
parser_check_context(struct parser *parser, enum tp_context context,
                     const struct tp_conf_entry *entry, const struct tp_conf_token *name)
{
    struct tp_conf_reader *reader = parser->reader;
    struct tp_text where = { 0 };

    if (entry->directive->where & (unsigned) context) {
        return true;
    }
    tp__contexts_describe(tp__catalogue_where(&reader->conf->catalogue, tp__lexer_raw(name)),
                          &where);
    tp__messages_add(&reader->messages, &name->place, "\"%s\" may not stand in \"%s\"",
                     entry->directive->name, tp__context_word(context));
    tp__messages_hint(&reader->messages, "it may stand in %s", tp__text_get(&where).data);
    tp__text_fini(&where);
    return false;
}

static bool
parser_has_room(struct parser *parser, const struct tp_block *parent,
                const struct tp_conf_token *name)
{
    struct tp_conf_messages *messages = &parser->reader->messages;

    if (parent->depth == TP_CONF_BLOCK_DEPTH_MAX) {
        tp__messages_add(messages, &name->place, "more than %d blocks inside each other",
                         TP_CONF_BLOCK_DEPTH_MAX);
        return false;
    }
    if (parser->reader->block_count == TP_CONF_BLOCKS_MAX) {
        tp__messages_add(messages, &name->place, "more than %d blocks", TP_CONF_BLOCKS_MAX);
        messages->is_stopped = true;
        return false;
    }
    parser->reader->block_count++;
    return true;
}

/* Passes a block of no meaning, up to its '}'. */
static void
parser_skip_block(struct parser *parser, const struct parser_body *body,
                  const struct tp_conf_token *opener)
{
    size_t depth = 1;

    body->block->has_mistakes = true;
    while (depth > 0) {
        struct tp_conf_token token = tp__lexer_next(&parser->lexer);

        if (token.kind == TP_CONF_END) {
            parser_complain_of_unclosed(parser, opener);
            return;
        }
        if (token.kind == TP_CONF_OPEN) {
            depth++;
        } else if (token.kind == TP_CONF_CLOSE) {
            depth--;
        }
    }
}

static void
parser_note_suspect(struct parser *parser, const struct parser_body *body,
                    const struct tp_conf_token *end)
{
    unsigned column = end->place.column;

    if (parser->suspect_end_line != 0 || !end->starts_line || !body->opener->starts_line
        || body->opener->place.column == column) {
        return;
    }
    for (const struct parser_body *outer = body->outer; outer->opener != NULL;
         outer = outer->outer) {
        if (outer->opener->starts_line && outer->opener->place.column == column) {
            parser->suspect = body->opener->place;
            parser->suspect_end_line = end->place.line;
            return;
        }
    }
}

static void
parser_complain_of_unclosed(struct parser *parser, const struct tp_conf_token *opener)
{
    struct tp_conf_messages *messages = &parser->reader->messages;
    struct tp_conf_place place = opener->place;

    parser->reader->is_misshapen = true;
    if (parser->told_unclosed || messages->is_stopped) {
        return;
    }
    parser->told_unclosed = true;
    if (parser->suspect_end_line != 0) {
        place = parser->suspect;
    }
    struct tp_str name = { place.source->text.data + place.offset, place.len };

    tp__messages_add(messages, &place,
                     "the block \"%.*s\" of line %u is not closed: \"}\" is missing",
                     TP_STR_ARG(name), place.line);
    if (parser->suspect_end_line != 0) {
        tp__messages_hint(messages, "the \"}\" of line %u stands below the name of another block",
                          parser->suspect_end_line);
    }
}

/* Reports that the ';' of `statement` is missing, at the end of the line that lacks it. */
static void
parser_complain_unended(struct parser *parser, const struct tp_conf_statement *statement,
                        struct tp_str name)
{
    struct tp_conf_place place = parser_place_behind(statement_last(statement));

    tp__messages_add(&parser->reader->messages, &place, "\";\" is missing at the end of \"%.*s\"",
                     TP_STR_ARG(name));
}

/* The place right behind `token`. */
static struct tp_conf_place
parser_place_behind(const struct tp_conf_token *token)
{
    struct tp_conf_place place = token->place;

    place.offset += place.len;
    place.column += (unsigned) tp__utf8_count(tp__lexer_raw(token));
    place.len = 0;
    return place;
}

static const struct tp_conf_token *
statement_last(const struct tp_conf_statement *statement)
{
    return &statement->words[statement->count - 1];
}
