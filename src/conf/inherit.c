/*
 * inherit.c - the one pass that gives every field of every conf its value.
 *
 * It runs when the whole text has been read, so the order in which blocks and
 * directives are written means nothing.  Values are read again from their text,
 * not copied: the size of a module's own types is nobody's business.  The
 * parser has tried every text and the self-test every preset, so here they fit.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: load.c, which calls it.
 */
#include "conf/inherit.h"

#include "base/str.h"

static void inherit_block(struct tp_block *block);
static void inherit_make_confs(struct tp_block *block);
static void inherit_directive(struct tp_block *block, const struct tp_conf_entry *entry);
static void inherit_items(struct tp_block *block, const struct tp_conf_entry *entry,
                          const struct tp_conf_setting *setting);
static void inherit_fill(struct tp_conf *conf, const struct tp_directive *directive,
                         const struct tp_conf_use *use, void *container);
static void inherit_add_unwritten(struct tp_block *block);

void
tp__inherit(struct tp_conf *conf)
{
    inherit_block(conf->root);
}

static void
inherit_block(struct tp_block *block)
{
    const struct tp_conf_catalogue *catalogue = &block->conf->catalogue;

    inherit_make_confs(block);
    for (size_t i = 0; i < catalogue->count; i++) {
        inherit_directive(block, &catalogue->entries[i]);
    }
    inherit_add_unwritten(block);
    for (struct tp_block *inner = block->first; inner != NULL; inner = inner->next) {
        inherit_block(inner);
    }
}

static void
inherit_make_confs(struct tp_block *block)
{
    const struct tp_module_list *list = &block->conf->catalogue.modules;

    for (size_t i = 0; i < list->count; i++) {
        if (list->modules[i]->conf_size > 0) {
            block->confs[i] = tp__arena_alloc(&block->conf->arena, list->modules[i]->conf_size);
        }
    }
    if (block->opener != NULL) {
        inherit_fill(block->conf, block->opener->directive, block->opening,
                     block->confs[block->opener->module_at]);
    }
}

static void
inherit_directive(struct tp_block *block, const struct tp_conf_entry *entry)
{
    const struct tp_directive *directive = entry->directive;

    if (directive->opens != 0) {
        return;
    }
    if (block->settings[entry->number] == NULL && block->parent != NULL) {
        block->settings[entry->number] = block->parent->settings[entry->number];
    }
    const struct tp_conf_setting *setting = block->settings[entry->number];

    if (directive->item_size > 0) {
        if (setting != NULL) {
            inherit_items(block, entry, setting);
        }
        return;
    }
    inherit_fill(block->conf, directive, setting == NULL ? NULL : setting->first,
                 block->confs[entry->module_at]);
}

/* All uses together; a block that writes none shares those of the block around it. */
static void
inherit_items(struct tp_block *block, const struct tp_conf_entry *entry,
              const struct tp_conf_setting *setting)
{
    const struct tp_directive *directive = entry->directive;
    size_t offset = directive->items_offset;
    struct tp_items *items = (void *) ((char *) block->confs[entry->module_at] + offset);

    if (setting->block != block) {
        *items = *(struct tp_items *) (void *) ((char *) block->parent->confs[entry->module_at]
                                                + offset);
        return;
    }
    char *item = tp__arena_alloc(&block->conf->arena, setting->count * directive->item_size);

    items->items = item;
    items->count = setting->count;
    for (const struct tp_conf_use *use = setting->first; use != NULL; use = use->next) {
        inherit_fill(block->conf, directive, use, item);
        item += directive->item_size;
    }
}

/* Puts the values of `use`, or the presets of those it does not give, into `container`. */
static void
inherit_fill(struct tp_conf *conf, const struct tp_directive *directive,
             const struct tp_conf_use *use, void *container)
{
    for (size_t i = 0; i < tp__slot_count(directive); i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);
        struct tp_str text = tp__slot_text(&slot, i, use);
        const char *wanted;

        if (text.data != NULL) {
            TP_ASSERT(tp__value_store(&slot, text, &conf->room, container, &wanted)
                      == TP_CONF_FITS);
        }
    }
}

static void
inherit_add_unwritten(struct tp_block *block)
{
    const struct tp_conf_catalogue *catalogue = &block->conf->catalogue;

    for (size_t i = 0; i < catalogue->count; i++) {
        const struct tp_directive *directive = catalogue->entries[i].directive;

        if (directive->opens == 0 || directive->may_repeat
            || (directive->where & (unsigned) block->context) == 0
            || tp_block_first(block, directive->opens) != NULL
            || !tp__directive_has_presets(directive)) {
            continue;
        }
        tp__block_attach(tp__block_create(block->conf, block, directive->opens));
    }
}
