/*
 * manual.c - the reference manual, written from the directive tables: all of it
 * in Markdown, or one entry for a terminal.
 *
 * Runs in: the program that makes docs/reference/directives.md, and `teleport`
 * when asked about a directive.  Owns: nothing.
 * Read next: tables.c, which sees to it that there is something to write.
 */
#include "conf/catalogue.h"
#include "conf/conf.h"
#include "conf/value.h"

#include "base/str.h"

/* Where an entry is written to, and how code is marked there. */
struct manual {
    struct tp_text *text;
    const char *code; /* before and behind what is to be typed */
    const char *item; /* before a line of a list */
};

static void manual_write_contents(struct tp_module_list modules, size_t at, struct tp_text *text);
static size_t manual_count_earlier(struct tp_module_list modules, size_t at, const char *directive);
static void manual_write_module(const struct manual *manual, const struct tp_module *module);
static void manual_write_directive(const struct manual *manual,
                                   const struct tp_directive *directive);
static void manual_write_entry(const struct manual *manual, const struct tp_directive *directive);
static void manual_write_usage(const struct manual *manual, const struct tp_directive *directive);
static void manual_write_where(const struct manual *manual, const struct tp_directive *directive);
static void manual_write_value(const struct manual *manual, const struct tp_directive *directive);
static void manual_write_applies(const struct manual *manual, const struct tp_directive *directive);
static void manual_write_arguments(const struct manual *manual,
                                   const struct tp_directive *directive);
static void manual_write_argument(const struct manual *manual, const struct tp_conf_slot *slot);
static const struct tp_directive *manual_find(const struct tp_module *module,
                                              struct tp_str directive);

void
tp__conf_manual(struct tp_module_list modules, struct tp_text *text)
{
    static const struct tp_module *const language[] = { &tp__conf_language };
    const struct manual manual = { .text = text, .code = "`", .item = "- " };

    tp__text_append(text,
                    TP_STR("# Directives\n\n"
                           "Written by `make docs` from the directive tables: what the "
                           "server reads and what\nstands here come from the same rows.\n\n"));
    manual_write_contents((struct tp_module_list){ language, TP_COUNT_OF(language) }, 0, text);
    for (size_t i = 0; i < modules.count; i++) {
        manual_write_contents(modules, i, text);
    }
    manual_write_module(&manual, &tp__conf_language);
    for (size_t i = 0; i < modules.count; i++) {
        manual_write_module(&manual, modules.modules[i]);
    }
}

enum tp_result
tp__conf_manual_entry(struct tp_module_list modules, const char *directive, struct tp_text *text)
{
    const struct manual manual = { .text = text, .code = "", .item = "    " };
    struct tp_str name = tp__str(directive);
    const struct tp_directive *found = tp__language_find(name);
    size_t found_count = found != NULL ? 1 : 0;
    struct tp_arena arena;
    struct tp_conf_catalogue catalogue;

    if (found != NULL) {
        manual_write_entry(&manual, found);
    }
    /* Two blocks may each have one of the name. */
    for (size_t i = 0; i < modules.count; i++) {
        found = manual_find(modules.modules[i], name);
        if (found != NULL) {
            tp__text_append(text, found_count++ > 0 ? TP_STR("\n") : TP_STR(""));
            manual_write_entry(&manual, found);
        }
    }
    if (found_count > 0) {
        return TP_OK;
    }
    tp__arena_init(&arena, 4096);
    tp__catalogue_init(&catalogue, modules, NULL, &arena);
    found = tp__catalogue_nearest(&catalogue, name, TP_IN_MAIN);
    tp__text_printf(text, "there is no directive \"%s\"", directive);
    if (found != NULL) {
        tp__text_printf(text, "; did you mean \"%s\"?", found->name);
    }
    tp__text_append(text, TP_STR("\n"));
    tp__arena_fini(&arena);
    return TP_NOT_FOUND;
}

/* A second heading of the same words has an anchor with a number. */
static void
manual_write_contents(struct tp_module_list modules, size_t at, struct tp_text *text)
{
    const struct tp_module *module = modules.modules[at];
    const char *separator = "";

    if (module->directive_count == 0) {
        return;
    }
    tp__text_printf(text, "- %s: ", module->name);
    for (size_t i = 0; i < module->directive_count; i++) {
        const char *name = module->directives[i].name;

        size_t earlier = manual_count_earlier(modules, at, name);

        tp__text_printf(text, "%s[%s](#%s", separator, name, name);
        if (earlier > 0) {
            tp__text_printf(text, "-%zu", earlier);
        }
        tp__text_append(text, TP_STR(")"));
        separator = ", ";
    }
    tp__text_append(text, TP_STR("\n"));
}

/* How many modules before that one have a directive of the name. */
static size_t
manual_count_earlier(struct tp_module_list modules, size_t at, const char *directive)
{
    size_t count = 0;

    for (size_t i = 0; i < at; i++) {
        count += manual_find(modules.modules[i], tp__str(directive)) != NULL ? 1 : 0;
    }
    return count;
}

static void
manual_write_module(const struct manual *manual, const struct tp_module *module)
{
    if (module->directive_count == 0) {
        return;
    }
    tp__text_printf(manual->text, "\n## The module %s\n\n%s\n", module->name, module->brief);
    for (size_t i = 0; i < module->directive_count; i++) {
        tp__text_printf(manual->text, "\n### %s\n\n", module->directives[i].name);
        manual_write_directive(manual, &module->directives[i]);
    }
}

static void
manual_write_entry(const struct manual *manual, const struct tp_directive *directive)
{
    tp__text_printf(manual->text, "%s\n", directive->name);
    manual_write_directive(manual, directive);
}

static void
manual_write_directive(const struct manual *manual, const struct tp_directive *directive)
{
    tp__text_printf(manual->text, "%s\n\n", directive->brief);
    manual_write_usage(manual, directive);
    manual_write_where(manual, directive);
    if (directive->arguments == NULL) {
        manual_write_value(manual, directive);
    }
    tp__text_printf(manual->text, "%sSince: %s\n", manual->item, directive->since);
    manual_write_applies(manual, directive);
    manual_write_arguments(manual, directive);
}

static void
manual_write_usage(const struct manual *manual, const struct tp_directive *directive)
{
    tp__text_printf(manual->text, "%sSyntax: %s", manual->item, manual->code);
    tp__usage_describe(directive, manual->text);
    tp__text_printf(manual->text, "%s\n", manual->code);
}

static void
manual_write_where(const struct manual *manual, const struct tp_directive *directive)
{
    const char *separator = "";

    tp__text_printf(manual->text, "%sMay stand in: ", manual->item);
    for (unsigned bit = 1; bit != 0 && bit <= directive->where; bit <<= 1) {
        if (directive->where & bit) {
            tp__text_printf(manual->text, "%s%s", separator,
                            tp__context_word((enum tp_context) bit));
            separator = ", ";
        }
    }
    if (directive->item_size > 0) {
        bool has_inner = (directive->where & (directive->where - 1)) != 0;

        tp__text_append(manual->text, TP_STR("; several times"));
        tp__text_append(manual->text,
                        has_inner ? TP_STR("; an inner block replaces them all") : TP_STR(""));
    } else if (directive->may_repeat) {
        tp__text_append(manual->text, TP_STR("; several times"));
    }
    tp__text_append(manual->text, TP_STR("\n"));
}

/* Default and range of a directive's only value; without a default there is none unless written. */
static void
manual_write_value(const struct manual *manual, const struct tp_directive *directive)
{
    if (tp__slot_count(directive) == 0) {
        return;
    }
    struct tp_conf_slot slot = tp__slot_get(directive, 0);

    if (slot.preset != NULL) {
        tp__text_printf(manual->text, "%sDefault: %s%s%s\n", manual->item, manual->code,
                        slot.preset[0] == '\0' ? "\"\"" : slot.preset, manual->code);
    }
    if (slot.min != NULL || slot.max != NULL) {
        tp__text_printf(manual->text, "%sRange: ", manual->item);
        tp__value_describe_range(&slot, manual->text);
        tp__text_append(manual->text, TP_STR("\n"));
    }
}

static void
manual_write_applies(const struct manual *manual, const struct tp_directive *directive)
{
    static const char *const sentences[] = {
#define APPLIES_SENTENCE_ROW(name, word, sentence) word ".  " sentence,
        TP_APPLIES_TABLE(APPLIES_SENTENCE_ROW)
#undef APPLIES_SENTENCE_ROW
    };

    tp__text_printf(manual->text, "%sOn reload: %s\n", manual->item, sentences[directive->applies]);
}

static void
manual_write_arguments(const struct manual *manual, const struct tp_directive *directive)
{
    if (directive->arguments == NULL) {
        return;
    }
    tp__text_printf(manual->text, "%sArguments:\n", manual->item);
    for (size_t i = 0; i < directive->argument_count; i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);

        manual_write_argument(manual, &slot);
    }
}

static void
manual_write_argument(const struct manual *manual, const struct tp_conf_slot *slot)
{
    tp__text_printf(manual->text, "  %s%s", manual->item, manual->code);
    tp__usage_describe_slot(slot, manual->text);
    tp__text_printf(manual->text, "%s: %s", manual->code, slot->brief);
    if (slot->preset != NULL && slot->kind != TP_ARGUMENT_SWITCH) {
        tp__text_printf(manual->text, "  Default: %s%s%s.", manual->code,
                        slot->preset[0] == '\0' ? "\"\"" : slot->preset, manual->code);
    }
    if (slot->min != NULL || slot->max != NULL) {
        tp__text_append(manual->text, TP_STR("  Range: "));
        tp__value_describe_range(slot, manual->text);
        tp__text_append(manual->text, TP_STR("."));
    }
    tp__text_append(manual->text, TP_STR("\n"));
}

static const struct tp_directive *
manual_find(const struct tp_module *module, struct tp_str directive)
{
    for (size_t i = 0; i < module->directive_count; i++) {
        if (tp__str_equal(tp__str(module->directives[i].name), directive)) {
            return &module->directives[i];
        }
    }
    return NULL;
}
