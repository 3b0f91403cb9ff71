/*
 * dump.c - writes the configuration that is in effect, as one could load it (-T).
 *
 * Each directive is shown in the outermost block where it may stand, with its
 * preset where nobody wrote it, and again in each inner block that writes it;
 * an inner block that only inherits a value does not repeat it.  What has no
 * value at all stands there as a comment, so that one sees that it exists.
 * Included files and variables are gone: each line tells where it came from.
 *
 * Runs in: `teleport -T`.  Owns: nothing.
 * Read next: compare.c.
 */
#include "conf/block.h"
#include "conf/word.h"

#include "base/str.h"

#include <string.h>

enum {
    DUMP_INDENT = 4,
    DUMP_NAME_COLUMNS = 24,
    DUMP_ORIGIN_COLUMN = 56,
};

static void dump_block(const struct tp_block *block, struct tp_text *text);
static void dump_directive(const struct tp_block *block, const struct tp_conf_entry *entry,
                           struct tp_text *text);
static bool entry_names_handler(const struct tp_conf_entry *entry);
static void dump_inner(const struct tp_block *block, struct tp_text *text);
static bool dump_stands_outside(const struct tp_block *block, const struct tp_directive *directive);
static void dump_use(const struct tp_block *block, const struct tp_directive *directive,
                     const struct tp_conf_use *use, struct tp_text *text);
static void dump_values(const struct tp_directive *directive, const struct tp_conf_use *use,
                        struct tp_text *text);
static void dump_value(const struct tp_conf_slot *slot, struct tp_str value, struct tp_text *text);
static void dump_indent(const struct tp_block *block, struct tp_text *text);
static void dump_origin(const char *origin, size_t line_start, struct tp_text *text);

void
tp__conf_dump(const struct tp_conf *conf, struct tp_text *text)
{
    dump_block(conf->root, text);
}

static void
dump_block(const struct tp_block *block, struct tp_text *text)
{
    const struct tp_conf_catalogue *catalogue = &block->conf->catalogue;

    for (size_t i = 0; i < catalogue->count; i++) {
        const struct tp_directive *directive = catalogue->entries[i].directive;

        if (directive->opens == 0 && (directive->where & (unsigned) block->context) != 0) {
            dump_directive(block, &catalogue->entries[i], text);
        }
    }
    for (const struct tp_block *inner = block->first; inner != NULL; inner = inner->next) {
        dump_inner(inner, text);
    }
}

static void
dump_directive(const struct tp_block *block, const struct tp_conf_entry *entry,
               struct tp_text *text)
{
    const struct tp_directive *directive = entry->directive;
    const struct tp_conf_setting *written = tp__block_written(block, entry);

    if (written != NULL) {
        for (const struct tp_conf_use *use = written->first; use != NULL; use = use->next) {
            dump_use(block, directive, use, text);
        }
        return;
    }
    if (dump_stands_outside(block, directive)) {
        return;
    }
    if (directive->takes_nothing || entry_names_handler(entry)) {
        return; /* A word that says it all, and was not said; so it is with a handler's. */
    }
    if (directive->item_size == 0 && tp__directive_has_presets(directive)) {
        dump_use(block, directive, NULL, text);
        return;
    }
    dump_indent(block, text);
    tp__text_printf(text, "# %s is not set\n", directive->name);
}

static bool
entry_names_handler(const struct tp_conf_entry *entry)
{
    const char *handler = entry->module->handler;

    return handler != NULL && strcmp(handler, entry->directive->name) == 0;
}

static void
dump_inner(const struct tp_block *block, struct tp_text *text)
{
    size_t line_start = text->len + 1;

    tp__text_append(text, TP_STR("\n"));
    dump_indent(block->parent, text);
    tp__text_append(text, tp__str(block->opener->directive->name));
    dump_values(block->opener->directive, block->opening, text);
    tp__text_append(text, TP_STR(" {"));
    dump_origin(block->opening == NULL ? "default" : block->opening->origin, line_start, text);
    dump_block(block, text);
    dump_indent(block->parent, text);
    tp__text_append(text, TP_STR("}\n"));
}

/* True when a block around `block` shows `directive` already. */
static bool
dump_stands_outside(const struct tp_block *block, const struct tp_directive *directive)
{
    for (block = block->parent; block != NULL; block = block->parent) {
        if (directive->where & (unsigned) block->context) {
            return true;
        }
    }
    return false;
}

static void
dump_use(const struct tp_block *block, const struct tp_directive *directive,
         const struct tp_conf_use *use, struct tp_text *text)
{
    size_t line_start = text->len;

    dump_indent(block, text);
    tp__text_printf(text, "%-*s", directive->takes_nothing ? 0 : DUMP_NAME_COLUMNS - 1,
                    directive->name);
    dump_values(directive, use, text);
    tp__text_append(text, TP_STR(";"));
    dump_origin(use == NULL ? "default" : use->origin, line_start, text);
}

/* The values of `use`, and the presets of those it does not give. */
static void
dump_values(const struct tp_directive *directive, const struct tp_conf_use *use,
            struct tp_text *text)
{
    bool is_position_open = true;

    for (size_t i = 0; i < tp__slot_count(directive); i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);
        struct tp_str value = tp__slot_text(&slot, i, use);
        bool has_name = slot.kind == TP_ARGUMENT_NAMED || slot.kind == TP_ARGUMENT_SWITCH;

        if (value.data == NULL) {
            /* What stands behind a missing position would be taken for it. */
            is_position_open = is_position_open && has_name;
        } else if (has_name || is_position_open) {
            dump_value(&slot, value, text);
        }
    }
}

static void
dump_value(const struct tp_conf_slot *slot, struct tp_str value, struct tp_text *text)
{
    if (slot->kind == TP_ARGUMENT_SWITCH) {
        if (tp__str_equal(value, TP_STR("on"))) {
            tp__text_printf(text, " %s", slot->name);
        }
        return;
    }
    tp__text_append(text, TP_STR(" "));
    if (slot->kind == TP_ARGUMENT_NAMED) {
        tp__text_printf(text, "%s=", slot->name);
    }
    if (slot->type == TP_VALUE_TEMPLATE) {
        tp__word_write_template(value, text);
    } else {
        tp__word_write(value, text);
    }
}

static void
dump_indent(const struct tp_block *block, struct tp_text *text)
{
    tp__text_printf(text, "%*s", (int) block->depth * DUMP_INDENT, "");
}

static void
dump_origin(const char *origin, size_t line_start, struct tp_text *text)
{
    size_t columns = text->len - line_start;
    int gap = columns + 2 < DUMP_ORIGIN_COLUMN ? DUMP_ORIGIN_COLUMN - (int) columns : 2;

    tp__text_printf(text, "%*s# %s\n", gap, "", origin);
}
