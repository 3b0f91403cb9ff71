/*
 * declared.c - the tables and meters that modules declare in `validate`: what shared memory a
 * configuration needs, and which members of confs are to point into it.
 *
 * They are found by name: a configuration has few of them.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing; all lives in its arena.
 * Read next: cycle/cycle_tables.c, cycle/cycle_meters.c, which make them.
 */
#include "conf/block.h"

#include "base/str.h"

#include <string.h>

static struct tp_conf_table *declared_find_table(struct tp_conf *conf, struct tp_str name);
static struct tp_conf_table *declared_add_table(const struct tp_block *block, const char *directive,
                                                const struct tp_table_layout *layout,
                                                struct tp_str name);
static struct tp_conf_meter *declared_find_meter(struct tp_conf *conf,
                                                 const struct tp_meter_row *row,
                                                 struct tp_str label);
static struct tp_conf_meter *declared_add_meter(struct tp_conf *conf,
                                                const struct tp_meter_row *row,
                                                struct tp_str label);
static void declared_wish(struct tp_conf *conf, struct tp_conf_wish **wishes, void *place);
static bool table_name_is_valid(struct tp_str name);

void
tp_table_declare(const struct tp_block *block, const char *directive, struct tp_table **table,
                 const struct tp_table_layout *layout, struct tp_str name, uint32_t entry_count)
{
    struct tp_conf *conf = block->conf;

    TP_ASSERT(layout->value_size > 0 && layout->value_size <= TP_TABLE_VALUE_MAX);
    *table = NULL;
    if (!table_name_is_valid(name)) {
        tp_conf_complain(block, directive, 0,
                         "a table's name is 1 to %d letters, digits, \"-\" and \"_\"",
                         TP_TABLE_NAME_MAX);
        return;
    }
    if (entry_count == 0 || entry_count > TP_TABLE_ENTRIES_MAX) {
        tp_conf_complain(block, directive, 0, "a table has from 1 to %d entries",
                         TP_TABLE_ENTRIES_MAX);
        return;
    }
    struct tp_conf_table *declared = declared_find_table(conf, name);

    if (declared == NULL) {
        declared = declared_add_table(block, directive, layout, name);
    } else if (declared->layout != layout) {
        tp_conf_complain(block, directive, 0,
                         "the table \"%s\" has entries of another kind: see %s", declared->name,
                         declared->origin);
        return;
    }
    if (entry_count > declared->entry_count) {
        declared->entry_count = entry_count;
    }
    declared_wish(conf, &declared->wishes, table);
}

void
tp_meter_declare(const struct tp_block *block, struct tp_meter *meter,
                 const struct tp_meter_row *row, struct tp_str label)
{
    struct tp_conf *conf = block->conf;

    if (label.len > TP_METER_LABEL_MAX) {
        label.len = TP_METER_LABEL_MAX;
    }
    struct tp_conf_meter *declared = declared_find_meter(conf, row, label);

    meter->place = NULL;
    if (declared == NULL) {
        declared = declared_add_meter(conf, row, label);
    }
    declared_wish(conf, &declared->wishes, meter);
}

void *
tp__conf_new(const struct tp_block *block, size_t size)
{
    return tp__arena_alloc(&block->conf->arena, size);
}

const struct tp_conf_table *
tp__conf_tables(const struct tp_conf *conf)
{
    return conf->tables;
}

const struct tp_conf_meter *
tp__conf_meters(const struct tp_conf *conf)
{
    return conf->meters;
}

size_t
tp__conf_meter_count(const struct tp_conf *conf)
{
    return conf->meter_count;
}

void
tp__conf_set_table(const struct tp_conf_table *declared, struct tp_table *table)
{
    for (const struct tp_conf_wish *wish = declared->wishes; wish != NULL; wish = wish->next) {
        *(struct tp_table **) wish->place = table;
    }
}

void
tp__conf_set_meter(const struct tp_conf_meter *declared, _Atomic uint64_t *place)
{
    for (const struct tp_conf_wish *wish = declared->wishes; wish != NULL; wish = wish->next) {
        ((struct tp_meter *) wish->place)->place = place;
    }
}

static struct tp_conf_table *
declared_find_table(struct tp_conf *conf, struct tp_str name)
{
    struct tp_conf_table *table = conf->tables;

    while (table != NULL && !tp__str_equal(tp__str(table->name), name)) {
        table = table->next;
    }
    return table;
}

static struct tp_conf_table *
declared_add_table(const struct tp_block *block, const char *directive,
                   const struct tp_table_layout *layout, struct tp_str name)
{
    struct tp_conf *conf = block->conf;
    struct tp_conf_table *table = tp__arena_new(&conf->arena, struct tp_conf_table);
    const struct tp_conf_use *use = tp__block_find_use(block, directive, 0);

    table->layout = layout;
    table->origin = use == NULL ? "default" : use->origin;
    memcpy(table->name, name.data, name.len);
    table->next = conf->tables;
    conf->tables = table;
    return table;
}

static struct tp_conf_meter *
declared_find_meter(struct tp_conf *conf, const struct tp_meter_row *row, struct tp_str label)
{
    struct tp_conf_meter *meter = conf->meters;

    while (meter != NULL && (meter->row != row || !tp__str_equal(tp__str(meter->label), label))) {
        meter = meter->next;
    }
    return meter;
}

/* In the order in which they are declared, which is that in which people see them. */
static struct tp_conf_meter *
declared_add_meter(struct tp_conf *conf, const struct tp_meter_row *row, struct tp_str label)
{
    struct tp_conf_meter **last = &conf->meters;
    struct tp_conf_meter *meter = tp__arena_new(&conf->arena, struct tp_conf_meter);

    TP_ASSERT((row->label == NULL) == (label.len == 0));
    meter->row = row;
    if (label.len > 0) {
        memcpy(meter->label, label.data, label.len);
    }
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = meter;
    conf->meter_count++;
    return meter;
}

/* What blocks share is declared by each of them, and set as often. */
static void
declared_wish(struct tp_conf *conf, struct tp_conf_wish **wishes, void *place)
{
    struct tp_conf_wish *wish = tp__arena_new(&conf->arena, struct tp_conf_wish);

    wish->place = place;
    wish->next = *wishes;
    *wishes = wish;
}

static bool
table_name_is_valid(struct tp_str name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '\0' || strchr(letters, name.data[i]) == NULL) {
            return false;
        }
    }
    return name.len > 0 && name.len <= TP_TABLE_NAME_MAX;
}
