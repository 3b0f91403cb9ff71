/*
 * arguments.c - gives the words of a statement to the slots of its directive.
 *
 * A bare word that is a switch's name, and name=value with a name the directive
 * knows, go to those slots wherever they stand; all others go by position.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: value.c, which says whether a text is a value.
 */
#include "conf/reader.h"

#include "base/str.h"
#include "base/utf8.h"
#include "conf/word.h"

enum {
    SLOT_NONE = TP_CONF_WORDS_MAX + 1, /* more than any directive has */
};

/* The arguments of one statement on their way to their slots. */
struct arguments {
    struct tp_conf_reader *reader;
    const struct tp_directive *directive;
    const struct tp_conf_statement *statement;
    struct tp_conf_use *use;
    size_t positions_used;
    bool is_good;
    bool is_overfull; /* one argument too many was reported; the others would only repeat it */
};

static bool arguments_are_strange(struct arguments *arguments);
static bool arguments_have_equals(const struct arguments *arguments);
static bool arguments_have_parted_unit(const struct arguments *arguments, struct tp_text *right);
static void arguments_read_word(struct arguments *arguments, const struct tp_conf_token *token);
static size_t arguments_find_slot(const struct tp_directive *directive, struct tp_str word,
                                  struct tp_str *value);
static size_t arguments_find_position(const struct tp_directive *directive, size_t position);
static bool arguments_is_misspelled_name(const struct arguments *arguments, struct tp_str word);
static void arguments_give(struct arguments *arguments, const struct tp_conf_token *token,
                           size_t slot_at, struct tp_str value);
static struct tp_conf_place arguments_value_place(const struct tp_conf_token *token);
static void arguments_complain_of_value(struct arguments *arguments,
                                        const struct tp_conf_place *place,
                                        const struct tp_conf_slot *slot, struct tp_str value,
                                        const char *wanted);
static void arguments_complain_of_range(struct arguments *arguments,
                                        const struct tp_conf_place *place,
                                        const struct tp_conf_slot *slot, struct tp_str value);
static void arguments_complain_of_surplus(struct arguments *arguments,
                                          const struct tp_conf_token *token, struct tp_str word);
static void arguments_check_required(struct arguments *arguments);
static const char *arguments_nearest_name(const struct tp_directive *directive, struct tp_str word);
static bool arguments_have_names(const struct tp_directive *directive);
static void arguments_hint_usage(struct tp_conf_reader *reader,
                                 const struct tp_directive *directive);
static const char *arguments_subject(const struct arguments *arguments,
                                     const struct tp_conf_slot *slot);

struct tp_conf_use *
tp__arguments_read(struct tp_conf_reader *reader, const struct tp_directive *directive,
                   const struct tp_conf_statement *statement)
{
    struct arguments arguments = {
        .reader = reader,
        .directive = directive,
        .statement = statement,
        .use = tp__use_create(reader->conf, &statement->words[0].place, tp__slot_count(directive)),
        .is_good = true,
    };

    memset(reader->scratch, 0, reader->scratch_bytes);
    if (arguments_are_strange(&arguments)) {
        return NULL;
    }
    for (size_t i = 1; i < statement->count; i++) {
        arguments_read_word(&arguments, &statement->words[i]);
    }
    arguments_check_required(&arguments);
    return arguments.is_good ? arguments.use : NULL;
}

size_t
tp__arguments_find_stray(const struct tp_directive *directive,
                         const struct tp_conf_statement *statement)
{
    size_t positions_used = 0;

    for (size_t i = 1; i < statement->count; i++) {
        struct tp_str value;
        struct tp_str raw = tp__lexer_raw(&statement->words[i]);

        if (arguments_find_slot(directive, raw, &value) != SLOT_NONE) {
            continue;
        }
        if (arguments_find_position(directive, positions_used) != SLOT_NONE) {
            positions_used++;
        } else if (statement->words[i].starts_line) {
            return i;
        }
    }
    return 0;
}

bool
tp__arguments_miscount(struct tp_conf_reader *reader, const struct tp_directive *directive,
                       const struct tp_conf_statement *statement)
{
    struct arguments arguments = {
        .reader = reader,
        .directive = directive,
        .statement = statement,
        .use = tp__use_create(reader->conf, &statement->words[0].place, tp__slot_count(directive)),
        .is_good = true,
    };
    size_t slot_count = tp__slot_count(directive);

    if (statement->count - 1 > slot_count) {
        const struct tp_conf_token *surplus = &statement->words[slot_count + 1];

        arguments_complain_of_surplus(&arguments, surplus, tp__lexer_raw(surplus));
        return true;
    }
    for (size_t i = 0; i + 1 < statement->count; i++) {
        arguments.use->values[i] = tp__lexer_raw(&statement->words[i + 1]);
    }
    arguments_check_required(&arguments);
    return !arguments.is_good;
}

/* True when they are written as other languages have it: one message says what to write. */
static bool
arguments_are_strange(struct arguments *arguments)
{
    struct tp_conf_messages *messages = &arguments->reader->messages;
    const struct tp_conf_statement *statement = arguments->statement;
    const char *name = arguments->directive->name;
    struct tp_text right = { 0 };
    bool has_equals = arguments_have_equals(arguments);
    bool is_strange = has_equals || arguments_have_parted_unit(arguments, &right);

    if (has_equals) {
        struct tp_str value = tp__str_skip(tp__lexer_raw(&statement->words[1]), 1);

        if (value.len == 0) {
            value = tp__lexer_raw(&statement->words[2]);
        }
        tp__messages_add(messages, &statement->words[1].place,
                         "no \"=\" stands between \"%s\" and its value", name);
        tp__messages_hint(messages, "write: %s %.*s", name, TP_STR_ARG(value));
    } else if (is_strange) {
        tp__messages_add(messages, &statement->words[2].place,
                         "the unit stands right behind the number");
        tp__messages_hint(messages, "write: %s %s", name, tp__text_get(&right).data);
    }
    tp__text_fini(&right);
    return is_strange;
}

/* "name = value" or "name =value" */
static bool
arguments_have_equals(const struct arguments *arguments)
{
    const struct tp_conf_statement *statement = arguments->statement;
    struct tp_str first = statement->count > 1 ? tp__lexer_raw(&statement->words[1]) : TP_STR("");

    return first.len > 0 && first.data[0] == '=' && (first.len > 1 || statement->count > 2);
}

/* "name 1 MB", where *right is "1m". */
static bool
arguments_have_parted_unit(const struct arguments *arguments, struct tp_text *right)
{
    const struct tp_conf_statement *statement = arguments->statement;
    struct tp_text joined = { 0 };

    if (statement->count != 3 || tp__slot_count(arguments->directive) != 1) {
        return false;
    }
    struct tp_conf_slot slot = tp__slot_get(arguments->directive, 0);
    struct tp_str number = tp__lexer_raw(&statement->words[1]);
    struct tp_str unit = tp__lexer_raw(&statement->words[2]);

    tp__text_append(&joined, number);
    tp__text_append(&joined, unit);
    bool is_parted = number.len > 0 && unit.len > 0 && (unit.data[0] < '0' || unit.data[0] > '9')
                     && tp__value_respell(&slot, tp__text_get(&joined), right);

    tp__text_fini(&joined);
    return is_parted;
}

static void
arguments_read_word(struct arguments *arguments, const struct tp_conf_token *token)
{
    struct tp_conf_reader *reader = arguments->reader;
    struct tp_conf_word read;
    struct tp_str value;

    if (tp__word_read_any(token, &reader->variables, &reader->messages, &reader->conf->arena, &read)
        != TP_OK) {
        /* It may have been any argument: what is missing is not known. */
        arguments->is_good = false;
        arguments->positions_used++;
        return;
    }
    struct tp_str word = read.text;

    reader->bytes_read += word.len;
    if (reader->bytes_read > TP_CONF_TOTAL_BYTES_MAX) {
        tp__messages_add(&reader->messages, &token->place,
                         "with this word the configuration is larger than 16m");
        reader->messages.is_stopped = true;
    }
    size_t slot_at = arguments_find_slot(arguments->directive, word, &value);

    if (slot_at == SLOT_NONE && !arguments_is_misspelled_name(arguments, word)) {
        slot_at = arguments_find_position(arguments->directive, arguments->positions_used);
        value = word;
        arguments->positions_used++;
    }
    if (slot_at == SLOT_NONE) {
        arguments_complain_of_surplus(arguments, token, word);
        return;
    }
    if (tp__slot_get(arguments->directive, slot_at).type == TP_VALUE_TEMPLATE) {
        /* A name and its '=' are the same in both. */
        value = tp__str_skip(read.template, (size_t) (value.data - word.data));
    } else if (read.run_variable.len > 0) {
        tp__word_refuse_run_variable(&read, &reader->messages);
        arguments->is_good = false;
        return;
    }
    arguments_give(arguments, token, slot_at, value);
}

/* The slot that `word` names, with its *value; SLOT_NONE when it goes by position. */
static size_t
arguments_find_slot(const struct tp_directive *directive, struct tp_str word, struct tp_str *value)
{
    struct tp_str behind;
    struct tp_str name = tp__str_cut(word, '=', &behind);
    bool has_equals = name.len < word.len;

    for (size_t i = 0; i < directive->argument_count; i++) {
        const struct tp_argument *argument = &directive->arguments[i];

        if (!tp__str_equal(name, tp__str(argument->name))) {
            continue;
        }
        if (argument->kind == TP_ARGUMENT_NAMED && has_equals) {
            *value = behind;
            return i;
        }
        if (argument->kind == TP_ARGUMENT_SWITCH && !has_equals) {
            *value = TP_STR("on");
            return i;
        }
    }
    return SLOT_NONE;
}

static size_t
arguments_find_position(const struct tp_directive *directive, size_t position)
{
    if (position >= tp__slot_count(directive)) {
        return SLOT_NONE;
    }
    enum tp_argument_kind kind = tp__slot_get(directive, position).kind;

    return kind == TP_ARGUMENT_REQUIRED || kind == TP_ARGUMENT_OPTIONAL ? position : SLOT_NONE;
}

/* True for name=value with nearly a name of ours, where what is required is there already. */
static bool
arguments_is_misspelled_name(const struct arguments *arguments, struct tp_str word)
{
    const struct tp_directive *directive = arguments->directive;
    struct tp_str behind;
    struct tp_str name = tp__str_cut(word, '=', &behind);
    size_t slot_at = arguments_find_position(directive, arguments->positions_used);

    return name.len < word.len && slot_at != SLOT_NONE
           && tp__slot_get(directive, slot_at).kind == TP_ARGUMENT_OPTIONAL
           && arguments_nearest_name(directive, name) != NULL;
}

static void
arguments_give(struct arguments *arguments, const struct tp_conf_token *token, size_t slot_at,
               struct tp_str value)
{
    struct tp_conf_reader *reader = arguments->reader;
    struct tp_conf_slot slot = tp__slot_get(arguments->directive, slot_at);
    struct tp_conf_place place = token->place;
    const char *wanted;

    if (arguments->use->values[slot_at].data != NULL) {
        tp__messages_add(&reader->messages, &place, "\"%s\" is given twice", slot.name);
        arguments->is_good = false;
        return;
    }
    arguments->use->values[slot_at] = value;
    if (slot.kind == TP_ARGUMENT_NAMED) {
        place = arguments_value_place(token);
    }
    switch (tp__value_store(&slot, value, &reader->conf->room, reader->scratch, &wanted)) {
    case TP_CONF_FITS:
        return;
    case TP_CONF_WRONG_FORM:
        arguments_complain_of_value(arguments, &place, &slot, value, wanted);
        break;
    case TP_CONF_OUT_OF_RANGE:
        arguments_complain_of_range(arguments, &place, &slot, value);
        break;
    }
    arguments->is_good = false;
}

/* Of name=value the part behind the '=', unless the whole word is quoted. */
static struct tp_conf_place
arguments_value_place(const struct tp_conf_token *token)
{
    struct tp_conf_place place = token->place;
    struct tp_str raw = tp__lexer_raw(token);
    struct tp_str behind;
    struct tp_str name = tp__str_cut(raw, '=', &behind);

    if (behind.len == 0 || tp__lexer_opens_quote(raw, 0, 0)) {
        return place;
    }
    place.offset += name.len + 1;
    place.column += (unsigned) tp__utf8_count(name) + 1;
    place.len = behind.len;
    return place;
}

static void
arguments_complain_of_value(struct arguments *arguments, const struct tp_conf_place *place,
                            const struct tp_conf_slot *slot, struct tp_str value,
                            const char *wanted)
{
    struct tp_conf_messages *messages = &arguments->reader->messages;
    struct tp_text description = { 0 };
    struct tp_text advice = { 0 };

    if (wanted != NULL) {
        tp__text_append(&description, tp__str(wanted));
    } else {
        tp__value_describe(slot, &description);
    }
    tp__messages_add(messages, place, "%s takes %s", arguments_subject(arguments, slot),
                     tp__text_get(&description).data);
    tp__value_advise(slot, value, &advice);
    if (advice.len > 0) {
        tp__messages_hint(messages, "%s", advice.data);
    }
    tp__text_fini(&description);
    tp__text_fini(&advice);
}

static void
arguments_complain_of_range(struct arguments *arguments, const struct tp_conf_place *place,
                            const struct tp_conf_slot *slot, struct tp_str value)
{
    struct tp_conf_messages *messages = &arguments->reader->messages;
    const char *subject = arguments_subject(arguments, slot);
    struct tp_text range = { 0 };
    int64_t number;

    if (slot->max == NULL && tp__value_number(slot, value, &number) == TP_TOO_LARGE) {
        tp__messages_add(messages, place, "%s is too large a number", subject);
        return;
    }
    tp__value_describe_range(slot, &range);
    tp__messages_add(messages, place, "%s must be %s", subject, tp__text_get(&range).data);
    tp__text_fini(&range);
}

static void
arguments_complain_of_surplus(struct arguments *arguments, const struct tp_conf_token *token,
                              struct tp_str word)
{
    struct tp_conf_messages *messages = &arguments->reader->messages;
    const struct tp_directive *directive = arguments->directive;

    arguments->is_good = false;
    if (arguments->is_overfull) {
        return;
    }
    if (arguments_have_names(directive)) {
        struct tp_str behind;
        struct tp_str name = tp__str_cut(word, '=', &behind);
        const char *nearest = arguments_nearest_name(directive, name);

        tp__messages_add(messages, &token->place, "\"%s\" has no argument \"%.*s\"",
                         directive->name, TP_STR_ARG(name));
        if (nearest != NULL) {
            tp__messages_hint(messages, "did you mean \"%s\"?", nearest);
        }
    } else {
        tp__messages_add(messages, &token->place, "too many arguments for \"%s\"", directive->name);
        arguments->is_overfull = true;
    }
    arguments_hint_usage(arguments->reader, directive);
}

/* Says which argument is missing; after another mistake that might be why, so it says nothing. */
static void
arguments_check_required(struct arguments *arguments)
{
    const struct tp_directive *directive = arguments->directive;
    const struct tp_conf_token *name = &arguments->statement->words[0];

    if (!arguments->is_good) {
        return;
    }
    for (size_t i = 0; i < tp__slot_count(directive); i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);

        if (slot.kind != TP_ARGUMENT_REQUIRED || arguments->use->values[i].data != NULL) {
            continue;
        }
        if (directive->arguments == NULL) {
            tp__messages_add(&arguments->reader->messages, &name->place, "\"%s\" needs a value",
                             directive->name);
        } else {
            tp__messages_add(&arguments->reader->messages, &name->place,
                             "\"%s\" lacks the argument \"%s\"", directive->name, slot.name);
        }
        arguments_hint_usage(arguments->reader, directive);
        arguments->is_good = false;
        return;
    }
}

static const char *
arguments_nearest_name(const struct tp_directive *directive, struct tp_str word)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < directive->argument_count; i++) {
        const struct tp_argument *argument = &directive->arguments[i];
        size_t distance = tp__str_distance(word, tp__str(argument->name));
        bool has_name = argument->kind == TP_ARGUMENT_NAMED || argument->kind == TP_ARGUMENT_SWITCH;

        if (has_name && distance < least && tp__str_is_near(word, tp__str(argument->name))) {
            least = distance;
            nearest = argument->name;
        }
    }
    return nearest;
}

static bool
arguments_have_names(const struct tp_directive *directive)
{
    /* Arguments with names come last. */
    return directive->argument_count > 0
           && directive->arguments[directive->argument_count - 1].kind >= TP_ARGUMENT_NAMED;
}

static void
arguments_hint_usage(struct tp_conf_reader *reader, const struct tp_directive *directive)
{
    struct tp_text usage = { 0 };

    tp__usage_describe(directive, &usage);
    tp__messages_hint(&reader->messages, "it is written: %s", tp__text_get(&usage).data);
    tp__text_fini(&usage);
}

/* "worker_processes", or for one argument of several: "backlog" of "listen" */
static const char *
arguments_subject(const struct arguments *arguments, const struct tp_conf_slot *slot)
{
    struct tp_arena *arena = &arguments->reader->messages.arena;

    if (arguments->directive->arguments == NULL) {
        return tp__arena_format(arena, "\"%s\"", slot->name).data;
    }
    return tp__arena_format(arena, "\"%s\" of \"%s\"", slot->name, arguments->directive->name).data;
}
