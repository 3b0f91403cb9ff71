/*
 * block.c - the tree of blocks and the accessors that modules use.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing; all lives
 * in the configuration's arena.
 * Read next: parser.c, which builds the tree; inherit.c, which fills it.
 */
#include "conf/block.h"

#include "base/str.h"

static struct tp_conf_place block_place(const struct tp_block *block);
static void block_visit(const struct tp_block *block, tp_block_visit_fn visit, void *owner);

struct tp_block *
tp__block_create(struct tp_conf *conf, struct tp_block *parent, enum tp_context context)
{
    struct tp_block *block = tp__arena_new(&conf->arena, struct tp_block);

    block->conf = conf;
    block->parent = parent;
    block->context = context;
    block->depth = parent == NULL ? 0 : parent->depth + 1;
    block->opener = tp__catalogue_find_opener(&conf->catalogue, context);
    block->settings =
        tp__arena_new_array(&conf->arena, struct tp_conf_setting *, conf->catalogue.count);
    block->confs = tp__arena_new_array(&conf->arena, void *, conf->catalogue.modules.count);
    return block;
}

void
tp__block_attach(struct tp_block *block)
{
    struct tp_block *parent = block->parent;

    if (parent->last == NULL) {
        parent->first = block;
    } else {
        parent->last->next = block;
    }
    parent->last = block;
}

void
tp__block_add_use(struct tp_block *block, const struct tp_conf_entry *entry,
                  struct tp_conf_use *use)
{
    struct tp_conf_setting *setting = block->settings[entry->number];

    if (setting == NULL) {
        setting = tp__arena_new(&block->conf->arena, struct tp_conf_setting);
        setting->block = block;
        setting->first = use;
        block->settings[entry->number] = setting;
    } else {
        setting->last->next = use;
    }
    setting->last = use;
    setting->count++;
}

struct tp_conf_use *
tp__use_create(struct tp_conf *conf, const struct tp_conf_place *place, size_t slot_count)
{
    struct tp_conf_use *use = tp__arena_new(&conf->arena, struct tp_conf_use);

    use->values = tp__arena_new_array(&conf->arena, struct tp_str, slot_count);
    use->place = *place;
    use->origin =
        tp__arena_format(&conf->arena, "%s:%u:%u", place->source->name, place->line, place->column)
            .data;
    return use;
}

struct tp_str
tp__slot_text(const struct tp_conf_slot *slot, size_t index, const struct tp_conf_use *use)
{
    if (use != NULL && use->values[index].data != NULL) {
        return use->values[index];
    }
    return slot->preset == NULL ? (struct tp_str){ NULL, 0 } : tp__str(slot->preset);
}

const struct tp_conf_setting *
tp__block_written(const struct tp_block *block, const struct tp_conf_entry *entry)
{
    const struct tp_conf_setting *setting = block->settings[entry->number];

    return setting != NULL && setting->block == block ? setting : NULL;
}

const struct tp_conf_use *
tp__block_find_use(const struct tp_block *block, const char *directive, size_t item)
{
    const struct tp_conf_entry *entry =
        tp__catalogue_find(&block->conf->catalogue, tp__str(directive), block->context);

    if (entry == NULL || block->settings[entry->number] == NULL) {
        bool is_opener =
            block->opener != NULL && strcmp(block->opener->directive->name, directive) == 0;

        return is_opener ? block->opening : NULL;
    }
    const struct tp_conf_use *use = block->settings[entry->number]->first;

    while (item > 0 && use != NULL) {
        use = use->next;
        item--;
    }
    return use;
}

void
tp__conf_each_block(const struct tp_conf *conf, tp_block_visit_fn visit, void *owner)
{
    block_visit(conf->root, visit, owner);
}

void *
tp_block_conf(const struct tp_block *block, const struct tp_module *module)
{
    const struct tp_module_list *list = &block->conf->catalogue.modules;

    for (size_t i = 0; i < list->count; i++) {
        if (list->modules[i] == module) {
            return block->confs[i];
        }
    }
    return NULL;
}

enum tp_context
tp_block_context(const struct tp_block *block)
{
    return block->context;
}

const struct tp_block *
tp_block_parent(const struct tp_block *block)
{
    return block->parent;
}

bool
tp_block_writes(const struct tp_block *block, const char *directive)
{
    const struct tp_conf_entry *entry =
        tp__catalogue_find(&block->conf->catalogue, tp__str(directive), block->context);

    return entry != NULL && block->settings[entry->number] != NULL
           && block->settings[entry->number]->block == block;
}

const struct tp_block *
tp_block_first(const struct tp_block *parent, enum tp_context context)
{
    const struct tp_block *block = parent->first;

    while (block != NULL && block->context != context) {
        block = block->next;
    }
    return block;
}

const struct tp_block *
tp_block_next(const struct tp_block *block)
{
    enum tp_context context = block->context;

    do {
        block = block->next;
    } while (block != NULL && block->context != context);
    return block;
}

void
tp_conf_complain(const struct tp_block *block, const char *directive, size_t item,
                 const char *format, ...)
{
    const struct tp_conf_use *use = tp__block_find_use(block, directive, item);
    va_list args;

    TP_ASSERT(block->conf->messages != NULL);
    if (use == NULL && block->has_mistakes) {
        /* What is missing here may be what was not understood, and that is reported already. */
        return;
    }
    struct tp_conf_place place = use != NULL ? use->place : block_place(block);

    va_start(args, format);
    tp__messages_vadd(block->conf->messages, &place, format, args);
    va_end(args);
}

void
tp_conf_warn(const struct tp_block *block, const char *directive, size_t item, const char *format,
             ...)
{
    const struct tp_conf_use *use = tp__block_find_use(block, directive, item);
    struct tp_conf_place place = use != NULL ? use->place : block_place(block);
    va_list args;

    TP_ASSERT(block->conf->messages != NULL);
    va_start(args, format);
    tp__messages_vwarn(block->conf->messages, &place, format, args);
    va_end(args);
}

/* Where `block` begins; for one that nobody opened its parent's place, and so on to the file. */
static struct tp_conf_place
block_place(const struct tp_block *block)
{
    while (block->opening == NULL && block->parent != NULL) {
        block = block->parent;
    }
    if (block->opening != NULL) {
        return block->opening->place;
    }
    return (struct tp_conf_place){ .source = block->conf->main_source };
}

static void
block_visit(const struct tp_block *block, tp_block_visit_fn visit, void *owner)
{
    visit(block, owner);
    for (const struct tp_block *inner = block->first; inner != NULL; inner = inner->next) {
        block_visit(inner, visit, owner);
    }
}
