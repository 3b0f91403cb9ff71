/*
 * catalogue.c - finds directives by name, and writes how they are used.
 *
 * A few hundred names are searched one by one: a configuration is loaded once,
 * and a table of hashes would have to be built first.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: arguments.c, which fills a directive's slots.
 */
#include "conf/catalogue.h"

#include "base/str.h"

#include <ctype.h>

enum {
    CATALOGUE_EVERYWHERE = 0
#define CATALOGUE_WHERE_ROW(name, bit, word, sentence) | TP_IN_##name
        TP_CONTEXT_TABLE(CATALOGUE_WHERE_ROW)
#undef CATALOGUE_WHERE_ROW
};

/* The best candidate for "did you mean" so far. */
struct catalogue_candidate {
    const struct tp_directive *directive;
    size_t distance;
    bool is_allowed; /* in the context asked for */
};

static void candidate_offer(struct catalogue_candidate *best, struct tp_str name,
                            const struct tp_directive *directive, enum tp_context context);
static void usage_describe_value(const struct tp_conf_slot *slot, const char *word,
                                 struct tp_text *text);
static void text_append_upper(struct tp_text *text, const char *word);

void
tp__catalogue_init(struct tp_conf_catalogue *catalogue, struct tp_module_list modules,
                   const struct tp_absent_directive *absent, struct tp_arena *arena)
{
    size_t count = 0;

    for (size_t i = 0; i < modules.count; i++) {
        count += modules.modules[i]->directive_count;
    }
    *catalogue = (struct tp_conf_catalogue){
        .modules = modules,
        .absent = absent,
        .entries = tp__arena_new_array(arena, struct tp_conf_entry, count),
    };
    for (size_t i = 0; i < modules.count; i++) {
        const struct tp_module *module = modules.modules[i];

        for (size_t j = 0; j < module->directive_count; j++) {
            catalogue->entries[catalogue->count] = (struct tp_conf_entry){
                .directive = &module->directives[j],
                .module = module,
                .module_at = i,
                .number = catalogue->count,
            };
            catalogue->count++;
        }
    }
}

const struct tp_conf_entry *
tp__catalogue_find(const struct tp_conf_catalogue *catalogue, struct tp_str name,
                   enum tp_context context)
{
    const struct tp_conf_entry *elsewhere = NULL;

    for (size_t i = 0; i < catalogue->count; i++) {
        const struct tp_conf_entry *entry = &catalogue->entries[i];

        if (!tp__str_equal(tp__str(entry->directive->name), name)) {
            continue;
        }
        if (entry->directive->where & (unsigned) context) {
            return entry;
        }
        elsewhere = entry;
    }
    return elsewhere;
}

unsigned
tp__catalogue_where(const struct tp_conf_catalogue *catalogue, struct tp_str name)
{
    unsigned where = 0;

    for (size_t i = 0; i < catalogue->count; i++) {
        if (tp__str_equal(tp__str(catalogue->entries[i].directive->name), name)) {
            where |= catalogue->entries[i].directive->where;
        }
    }
    return where;
}

const struct tp_conf_entry *
tp__catalogue_find_opener(const struct tp_conf_catalogue *catalogue, enum tp_context context)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        if (catalogue->entries[i].directive->opens == context) {
            return &catalogue->entries[i];
        }
    }
    return NULL;
}

const struct tp_absent_directive *
tp__catalogue_find_absent(const struct tp_conf_catalogue *catalogue, struct tp_str name)
{
    const struct tp_absent_directive *row = catalogue->absent;

    for (; row != NULL && row->directive != NULL; row++) {
        if (tp__str_equal(tp__str(row->directive), name)) {
            return row;
        }
    }
    return NULL;
}

const struct tp_directive *
tp__catalogue_nearest(const struct tp_conf_catalogue *catalogue, struct tp_str name,
                      enum tp_context context)
{
    struct catalogue_candidate best = { .distance = SIZE_MAX };

    for (size_t i = 0; i < catalogue->count; i++) {
        candidate_offer(&best, name, catalogue->entries[i].directive, context);
    }
    for (size_t i = 0; i < tp__conf_language.directive_count; i++) {
        candidate_offer(&best, name, &tp__conf_language.directives[i], context);
    }
    return best.directive;
}

const struct tp_directive *
tp__language_find(struct tp_str name)
{
    for (size_t i = 0; i < tp__conf_language.directive_count; i++) {
        if (tp__str_equal(tp__str(tp__conf_language.directives[i].name), name)) {
            return &tp__conf_language.directives[i];
        }
    }
    return NULL;
}

const char *
tp__context_word(enum tp_context context)
{
    switch (context) {
#define CONTEXT_WORD_ROW(name, bit, word, sentence) \
    case TP_IN_##name:                              \
        return word;
        TP_CONTEXT_TABLE(CONTEXT_WORD_ROW)
#undef CONTEXT_WORD_ROW
    }
    return "unknown";
}

void
tp__contexts_describe(unsigned where, struct tp_text *text)
{
    const char *separator = "";

    for (unsigned bit = 1; where != 0; bit <<= 1) {
        if ((where & bit) == 0) {
            continue;
        }
        where &= ~bit;
        tp__text_printf(text, "%s\"%s\"", separator, tp__context_word((enum tp_context) bit));
        separator = (where & (where - 1)) == 0 ? " or " : ", ";
    }
}

void
tp__usage_describe(const struct tp_directive *directive, struct tp_text *text)
{
    tp__text_append(text, tp__str(directive->name));
    for (size_t i = 0; i < tp__slot_count(directive); i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);

        tp__text_append(text, TP_STR(" "));
        if (directive->arguments == NULL) {
            usage_describe_value(&slot, NULL, text);
        } else {
            tp__usage_describe_slot(&slot, text);
        }
    }
    tp__text_append(text, directive->opens != 0 ? TP_STR(" { … }") : TP_STR(";"));
}

void
tp__usage_describe_slot(const struct tp_conf_slot *slot, struct tp_text *text)
{
    switch (slot->kind) {
    case TP_ARGUMENT_REQUIRED:
        usage_describe_value(slot, slot->name, text);
        break;
    case TP_ARGUMENT_OPTIONAL:
        tp__text_append(text, TP_STR("["));
        usage_describe_value(slot, slot->name, text);
        tp__text_append(text, TP_STR("]"));
        break;
    case TP_ARGUMENT_NAMED:
        tp__text_printf(text, "[%s=", slot->name);
        usage_describe_value(slot, NULL, text);
        tp__text_append(text, TP_STR("]"));
        break;
    case TP_ARGUMENT_SWITCH:
        tp__text_printf(text, "[%s]", slot->name);
        break;
    }
}

/* Nearer wins; among equals what may stand in `context`, then what came first. */
static void
candidate_offer(struct catalogue_candidate *best, struct tp_str name,
                const struct tp_directive *directive, enum tp_context context)
{
    struct tp_str candidate = tp__str(directive->name);
    size_t distance = tp__str_distance(name, candidate);
    bool is_allowed = (directive->where & (unsigned) context) != 0;

    if (!tp__str_is_near(name, candidate) || distance > best->distance
        || (distance == best->distance && (best->is_allowed || !is_allowed))) {
        return;
    }
    *best = (struct catalogue_candidate){ directive, distance, is_allowed };
}

/* on | off, debug | info, NUMBER | auto; `word` or else the type's word stands for the value. */
static void
usage_describe_value(const struct tp_conf_slot *slot, const char *word, struct tp_text *text)
{
    const char *separator = "";

    if (slot->type == TP_VALUE_FLAG) {
        tp__text_append(text, tp__str(tp__value_type_word(slot)));
    } else if (slot->type != TP_VALUE_WORD) {
        text_append_upper(text, word != NULL ? word : tp__value_type_word(slot));
        separator = " | ";
    }
    for (const struct tp_word *row = slot->words; row != NULL && row->word != NULL; row++) {
        tp__text_printf(text, "%s%s", separator, row->word);
        separator = " | ";
    }
}

/* NUMBER for "number"; what is more than a word, such as "on | off", is written as it stands. */
static void
text_append_upper(struct tp_text *text, const char *word)
{
    if (strpbrk(word, " |") != NULL) {
        tp__text_append(text, tp__str(word));
        return;
    }
    for (; *word != '\0'; word++) {
        tp__text_printf(text, "%c", toupper((unsigned char) *word));
    }
}

/* The arguments are read by the parser itself; their offsets mean nothing. */
static const struct tp_argument include_arguments[] = {
    { .name = "file", .type = TP_VALUE_TEXT,
      .brief = "A path or a pattern such as servers/*.conf, from the including file's directory." },
};

static const struct tp_argument set_arguments[] = {
    { .name = "$name", .type = TP_VALUE_TEXT,
      .brief = "A dollar sign and a name of letters, digits and underscores." },
    { .name = "value", .type = TP_VALUE_TEXT, .brief = "What the name stands for." },
};

static const struct tp_directive language_directives[] = {
    {
        .name = "include",
        .where = CATALOGUE_EVERYWHERE,
        TP_ARGUMENTS(include_arguments),
        .since = "0.1",
        .brief = "Reads other files as if their text stood here.",
    },
    {
        .name = "set",
        .where = CATALOGUE_EVERYWHERE,
        TP_ARGUMENTS(set_arguments),
        .since = "0.1",
        .brief = "Names a value for the text from here to the end of the block.",
    },
};

const struct tp_module tp__conf_language = {
    .name = "language",
    .brief = "What the configuration language itself understands.",
    TP_DIRECTIVES(language_directives),
};
