/*
 * tables.c - checks the directive tables themselves, so that every other part
 * may rely on them.
 *
 * Presets and bounds are tried in a scratch conf, just as values of a file are.
 *
 * Runs in: `teleport` at start-up, and the unit tests.  Owns: nothing.
 * Read next: teleport/directive.h, which says what a row is.
 */
#include "conf/catalogue.h"
#include "conf/conf.h"
#include "conf/value.h"

#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>

enum {
    TABLES_ARENA_CHUNK_BYTES = 4096,
    TABLES_CONTEXTS = 0
#define TABLES_CONTEXT_ROW(name, bit, word, sentence) | TP_IN_##name
        TP_CONTEXT_TABLE(TABLES_CONTEXT_ROW)
#undef TABLES_CONTEXT_ROW
};

/* What is being checked, and where to say what is wrong with it. */
struct tables {
    struct tp_text *messages;
    struct tp_arena arena;
    struct tp_module_list modules;
    struct tp_run_variables run_variables;
    const struct tp_module *module;
    const struct tp_directive *directive;
};

/* How large a field of each type is; 1 for a type of a module's own: it tells no size. */
static const size_t table_field_bytes[] = {
    [TP_VALUE_FLAG] = sizeof(bool),
    [TP_VALUE_NUMBER] = sizeof(int64_t),
    [TP_VALUE_SIZE] = sizeof(struct tp_size),
    [TP_VALUE_TIME] = sizeof(struct tp_msec),
    [TP_VALUE_TEXT] = sizeof(struct tp_str),
    [TP_VALUE_PATH] = sizeof(struct tp_str),
    [TP_VALUE_WORD] = sizeof(int),
    [TP_VALUE_TEMPLATE] = sizeof(struct tp_template),
    [TP_VALUE_CUSTOM] = 1,
};

/* In which routes a hook of a point may stand. */
struct table_hook {
    const char *word;
    unsigned routes;
};

static const struct table_hook table_hooks[TP_HOOK_POINT_COUNT] = {
#define TABLES_HOOK_ROW(name, word, subject, power, on_route, sentence) \
    [TP_HOOK_##name] = { word, (on_route) ? TP_IN_ROUTE : 0 },
    TP_HOOK_TABLE(TABLES_HOOK_ROW)
#undef TABLES_HOOK_ROW
};

static void tables_check_module(struct tables *tables);
static void tables_check_hooks(struct tables *tables);
static void tables_check_meters(struct tables *tables);
static void tables_check_directive(struct tables *tables);
static void tables_check_place(struct tables *tables);
static void tables_check_block(struct tables *tables);
static void tables_check_unique(struct tables *tables);
static void tables_check_items(struct tables *tables);
static void tables_check_arguments(struct tables *tables);
static void tables_check_argument(struct tables *tables, size_t index);
static void tables_check_slot(struct tables *tables, const struct tp_conf_slot *slot);
static void tables_check_type(struct tables *tables, const struct tp_conf_slot *slot);
static void tables_check_words(struct tables *tables, const struct tp_conf_slot *slot);
static void tables_check_range(struct tables *tables, const struct tp_conf_slot *slot);
static void tables_check_preset(struct tables *tables, const struct tp_conf_slot *slot);
static size_t tables_container_bytes(const struct tables *tables);
static bool tables_is_name(const char *name);
static bool tables_is_sentence(const char *brief);
static void tables_complain(struct tables *tables, const char *format, ...) TP_PRINTF(2, 3);

enum tp_result
tp__conf_check_tables(struct tp_module_list modules, struct tp_run_variables run_variables,
                      struct tp_text *messages)
{
    struct tables tables = {
        .messages = messages,
        .modules = modules,
        .run_variables = run_variables,
    };
    size_t len_before = messages->len;

    tp__arena_init(&tables.arena, TABLES_ARENA_CHUNK_BYTES);
    for (size_t i = 0; i < modules.count; i++) {
        tables.module = modules.modules[i];
        tables.directive = NULL;
        tables_check_module(&tables);
    }
    tp__arena_fini(&tables.arena);
    return messages->len == len_before ? TP_OK : TP_INVALID;
}

static void
tables_check_module(struct tables *tables)
{
    const struct tp_module *module = tables->module;

    if (!tables_is_name(module->name)) {
        tables_complain(tables, "its name must be a word in lower case");
    }
    if (!tables_is_sentence(module->brief)) {
        tables_complain(tables, "its brief must be a sentence with a full stop");
    }
    tables_check_hooks(tables);
    tables_check_meters(tables);
    for (size_t i = 0; i < module->directive_count; i++) {
        tables->directive = &module->directives[i];
        tables_check_directive(tables);
    }
}

static void
tables_check_meters(struct tables *tables)
{
    for (size_t i = 0; i < tables->module->meter_count; i++) {
        const struct tp_meter_row *row = &tables->module->meters[i];

        if (!tables_is_name(row->name)) {
            tables_complain(tables, "the name of meter %zu must be a word in lower case", i);
        }
        if (row->unit == NULL || !tables_is_sentence(row->sentence)) {
            tables_complain(tables, "the meter %s must have a unit and a sentence", row->name);
        }
    }
}

/* A module that is configured in routes only has hooks only at the points of those routes. */
static void
tables_check_hooks(struct tables *tables)
{
    const struct tp_module *module = tables->module;
    unsigned where = 0;

    for (size_t i = 0; i < module->directive_count; i++) {
        where |= module->directives[i].where;
    }
    for (size_t i = 0; where != 0 && i < TP_COUNT_OF(table_hooks); i++) {
        unsigned stands_in = ~(unsigned) TP_IN_ROUTE | table_hooks[i].routes;

        if (module->hooks.at[i] != NULL && (where & stands_in) == 0) {
            tables_complain(tables, "its hook %s stands where it has no directive",
                            table_hooks[i].word);
        }
    }
}

static void
tables_check_directive(struct tables *tables)
{
    const struct tp_directive *directive = tables->directive;

    if (!tables_is_name(directive->name)) {
        tables_complain(tables, "its name must be a word in lower case");
        return;
    }
    if (!tables_is_sentence(directive->brief)) {
        tables_complain(tables, "its brief must be a sentence with a full stop");
    }
    if (directive->since == NULL) {
        tables_complain(tables, "it does not say since when it exists");
    }
    tables_check_place(tables);
    tables_check_block(tables);
    tables_check_unique(tables);
    tables_check_items(tables);
    if (directive->arguments != NULL) {
        tables_check_arguments(tables);
    } else if (!directive->takes_nothing) {
        struct tp_conf_slot slot = tp__slot_get(directive, 0);

        tables_check_slot(tables, &slot);
    }
}

static void
tables_check_place(struct tables *tables)
{
    unsigned where = tables->directive->where;

    if (where == 0 || (where & ~(unsigned) TABLES_CONTEXTS) != 0) {
        tables_complain(tables, "it does not say where it may stand");
    }
    if (tp__language_find(tp__str(tables->directive->name)) != NULL) {
        tables_complain(tables, "its name belongs to the language");
    }
}

static void
tables_check_block(struct tables *tables)
{
    const struct tp_directive *directive = tables->directive;
    unsigned opens = directive->opens;

    if (opens == 0) {
        if (directive->may_repeat) {
            tables_complain(tables, "may_repeat is for blocks; TP_REPEATED() is for values");
        }
        return;
    }
    if ((opens & (opens - 1)) != 0 || (opens & TABLES_CONTEXTS) == 0 || opens == TP_IN_MAIN) {
        tables_complain(tables, "it must open one context, and not main");
    }
    if (directive->item_size > 0) {
        tables_complain(tables, "a block cannot be TP_REPEATED(); use may_repeat");
    }
}

/* Two directives may share a name only where no context has both, and a context has one opener. */
static void
tables_check_unique(struct tables *tables)
{
    const struct tp_directive *directive = tables->directive;

    for (size_t i = 0; i < tables->modules.count; i++) {
        const struct tp_module *module = tables->modules.modules[i];

        for (size_t j = 0; j < module->directive_count; j++) {
            const struct tp_directive *other = &module->directives[j];

            if (other == directive) {
                return;
            }
            if (other->name == NULL) {
                continue;
            }
            if (strcmp(other->name, directive->name) == 0
                && (other->where & directive->where) != 0) {
                tables_complain(tables, "the module \"%s\" has a directive of this name there too",
                                module->name);
            }
            if (other->opens != 0 && other->opens == directive->opens) {
                tables_complain(tables, "\"%s\" opens the same context", other->name);
            }
        }
    }
}

static void
tables_check_items(struct tables *tables)
{
    const struct tp_directive *directive = tables->directive;

    if (directive->item_size > 0
        && directive->items_offset + sizeof(struct tp_items) > tables->module->conf_size) {
        tables_complain(tables, "its items lie outside the conf");
    }
}

static void
tables_check_arguments(struct tables *tables)
{
    const struct tp_directive *directive = tables->directive;

    if (directive->preset != NULL || directive->min != NULL || directive->max != NULL
        || directive->words != NULL || directive->custom != NULL) {
        tables_complain(tables, "preset, range and words belong to its arguments");
    }
    if (directive->takes_nothing) {
        tables_complain(tables, "it has arguments and takes nothing");
    }
    for (size_t i = 0; i < directive->argument_count; i++) {
        tables_check_argument(tables, i);
    }
}

static void
tables_check_argument(struct tables *tables, size_t index)
{
    const struct tp_argument *argument = &tables->directive->arguments[index];
    struct tp_conf_slot slot = tp__slot_get(tables->directive, index);

    if (argument->name == NULL || argument->name[strcspn(argument->name, "= \t;{}\"'$")] != '\0') {
        tables_complain(tables, "an argument has no name, or one that cannot be written");
        return;
    }
    if (!tables_is_sentence(argument->brief)) {
        tables_complain(tables, "the brief of \"%s\" must be a sentence with a full stop",
                        argument->name);
    }
    for (size_t i = 0; i < index; i++) {
        const struct tp_argument *other = &tables->directive->arguments[i];

        if (other->name != NULL && strcmp(other->name, argument->name) == 0) {
            tables_complain(tables, "it has two arguments \"%s\"", argument->name);
        }
    }
    if (index > 0 && argument[-1].kind > argument->kind && argument->kind < TP_ARGUMENT_NAMED) {
        tables_complain(tables, "\"%s\" stands behind arguments that must follow it",
                        argument->name);
    }
    if (argument->kind == TP_ARGUMENT_SWITCH && argument->type != TP_VALUE_FLAG) {
        tables_complain(tables, "the switch \"%s\" must be a flag", argument->name);
    }
    tables_check_slot(tables, &slot);
}

static void
tables_check_slot(struct tables *tables, const struct tp_conf_slot *slot)
{
    if ((size_t) slot->type >= TP_COUNT_OF(table_field_bytes)) {
        tables_complain(tables, "the type of \"%s\" is none", slot->name);
        return;
    }
    if (slot->offset + table_field_bytes[slot->type] > tables_container_bytes(tables)) {
        tables_complain(tables, "the field of \"%s\" lies outside the conf", slot->name);
        return;
    }
    size_t len_before = tables->messages->len;

    tables_check_type(tables, slot);
    if (tables->messages->len == len_before) {
        tables_check_words(tables, slot);
        tables_check_range(tables, slot);
        tables_check_preset(tables, slot);
    }
}

static void
tables_check_type(struct tables *tables, const struct tp_conf_slot *slot)
{
    if (slot->type == TP_VALUE_WORD && (slot->words == NULL || slot->words->word == NULL)) {
        tables_complain(tables, "\"%s\" has no words to choose from", slot->name);
    }
    if (slot->words != NULL
        && (slot->type == TP_VALUE_FLAG || slot->type == TP_VALUE_TEXT
            || slot->type == TP_VALUE_TEMPLATE || slot->type == TP_VALUE_CUSTOM)) {
        tables_complain(tables, "\"%s\" is of a type that takes no words", slot->name);
    }
    if ((slot->type == TP_VALUE_CUSTOM) != (slot->custom != NULL)) {
        tables_complain(tables, "\"%s\" needs a type of its own, or has one too many", slot->name);
    } else if (slot->custom != NULL
               && (slot->custom->word == NULL || slot->custom->parse == NULL)) {
        tables_complain(tables, "the type of \"%s\" needs a word and a parser", slot->name);
    }
}

static void
tables_check_words(struct tables *tables, const struct tp_conf_slot *slot)
{
    for (const struct tp_word *word = slot->words; word != NULL && word->word != NULL; word++) {
        for (const struct tp_word *other = slot->words; other != word; other++) {
            if (strcmp(other->word, word->word) == 0) {
                tables_complain(tables, "\"%s\" has the word \"%s\" twice", slot->name, word->word);
            }
        }
    }
}

static void
tables_check_range(struct tables *tables, const struct tp_conf_slot *slot)
{
    int64_t min = INT64_MIN;
    int64_t max = INT64_MAX;

    if (slot->min == NULL && slot->max == NULL) {
        return;
    }
    if (!tp__value_has_range(slot->type)) {
        tables_complain(tables, "\"%s\" is of a type that has no range", slot->name);
        return;
    }
    if (slot->min != NULL && tp__value_number(slot, tp__str(slot->min), &min) != TP_OK) {
        tables_complain(tables, "the minimum of \"%s\" is no value", slot->name);
    }
    if (slot->max != NULL && tp__value_number(slot, tp__str(slot->max), &max) != TP_OK) {
        tables_complain(tables, "the maximum of \"%s\" is no value", slot->name);
    }
    if (min > max) {
        tables_complain(tables, "the minimum of \"%s\" lies above its maximum", slot->name);
    }
}

static void
tables_check_preset(struct tables *tables, const struct tp_conf_slot *slot)
{
    struct tp_conf_room room = {
        .arena = &tables->arena,
        .prefix = "/",
        .run_variables = tables->run_variables,
    };
    const char *wanted;

    if (slot->preset == NULL) {
        return;
    }
    void *scratch = tp__arena_alloc(&tables->arena, tables_container_bytes(tables));

    switch (tp__value_store(slot, tp__str(slot->preset), &room, scratch, &wanted)) {
    case TP_CONF_FITS:
        break;
    case TP_CONF_WRONG_FORM:
        tables_complain(tables, "the preset of \"%s\" is no value", slot->name);
        break;
    case TP_CONF_OUT_OF_RANGE:
        tables_complain(tables, "the preset of \"%s\" is out of range", slot->name);
        break;
    }
}

/* What the fields of the directive lie in: an item, or the module's conf. */
static size_t
tables_container_bytes(const struct tables *tables)
{
    return tables->directive->item_size > 0 ? tables->directive->item_size
                                            : tables->module->conf_size;
}

static bool
tables_is_name(const char *name)
{
    if (name == NULL || !islower((unsigned char) name[0])) {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!islower((unsigned char) *name) && !isdigit((unsigned char) *name) && *name != '_') {
            return false;
        }
    }
    return true;
}

static bool
tables_is_sentence(const char *brief)
{
    size_t len = brief == NULL ? 0 : strlen(brief);

    return len > 1 && !islower((unsigned char) brief[0]) && brief[len - 1] == '.'
           && strchr(brief, '\n') == NULL;
}

static void
tables_complain(struct tables *tables, const char *format, ...)
{
    const char *module = tables->module->name;
    va_list args;

    tp__text_printf(tables->messages, "module \"%s\"", module == NULL ? "" : module);
    if (tables->directive != NULL) {
        const char *directive = tables->directive->name;

        tp__text_printf(tables->messages, ", directive \"%s\"", directive == NULL ? "" : directive);
    }
    tp__text_append(tables->messages, TP_STR(": "));
    va_start(args, format);
    tp__text_vprintf(tables->messages, format, args);
    va_end(args);
    tp__text_append(tables->messages, TP_STR("\n"));
}
