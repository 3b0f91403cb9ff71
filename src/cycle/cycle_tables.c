/*
 * cycle_tables.c - the tables that modules have declared: made by the master, mapped by all.
 *
 * A table whose size has changed is a new zone beside the old one, with a copy of what is in
 * that, because workers that have not switched yet, or go back, use the old one still.  What they
 * write there meanwhile is not brought over: who counts in a table counts anew in `start`.
 *
 * Runs in: master (open), workers (attach).  Owns: the mappings.
 * Read next: share/table.h, conf/declared.c.
 */
#include "cycle/cycle.h"

#include <stdio.h>
#include <string.h>

static size_t tables_count(const struct tp_cycle *cycle);
static enum tp_result tables_open_one(const struct tp_table_plan *plan, struct tp_descriptors *set,
                                      enum tp_zone_outcome *outcome);
static int tables_find_old(const struct tp_descriptors *set, const struct tp_table_plan *plan);

enum tp_result
tp__cycle_open_tables(struct tp_cycle *cycle, struct tp_descriptors *set, struct tp_text *messages)
{
    enum tp_zone_outcome *outcome =
        tp__arena_new_array(&cycle->arena, enum tp_zone_outcome, tables_count(cycle) + 1);

    cycle->table_outcomes = outcome;
    for (const struct tp_conf_table *declared = tp__conf_tables(cycle->conf); declared != NULL;
         declared = declared->next) {
        struct tp_table_plan plan;

        tp__table_plan(&plan, declared->name, declared->layout, declared->entry_count);
        enum tp_result result = tables_open_one(&plan, set, outcome++);

        if (result != TP_OK) {
            tp__cycle_report_error(messages, declared->origin, "cannot make the table", result);
            return result;
        }
    }
    return TP_OK;
}

enum tp_result
tp__cycle_attach_tables(struct tp_cycle *cycle, const struct tp_descriptors *set,
                        struct tp_text *messages)
{
    cycle->tables = tp__arena_new_array(&cycle->arena, struct tp_table, tables_count(cycle) + 1);
    for (const struct tp_conf_table *declared = tp__conf_tables(cycle->conf); declared != NULL;
         declared = declared->next) {
        struct tp_table *table = &cycle->tables[cycle->table_count];
        struct tp_table_plan plan;
        char label[TP_TABLE_LABEL_MAX];

        tp__table_plan(&plan, declared->name, declared->layout, declared->entry_count);
        int fd = tp__descriptors_find(set, TP_DESCRIPTOR_ZONE, tp__table_label(&plan, label));
        enum tp_result result = fd == -1 ? TP_NOT_FOUND
                                         : tp__table_open(table, declared->name, declared->layout,
                                                          declared->entry_count, fd);

        if (result != TP_OK) {
            tp__cycle_report_error(messages, declared->origin, "cannot map the table", result);
            return result;
        }
        cycle->table_count++;
        tp__conf_set_table(declared, table);
    }
    return TP_OK;
}

void
tp__cycle_close_tables(struct tp_cycle *cycle)
{
    while (cycle->table_count > 0) {
        tp__table_close(&cycle->tables[--cycle->table_count]);
    }
}

void
tp__cycle_tell_tables(const struct tp_cycle *cycle)
{
    const enum tp_zone_outcome *outcome = cycle->table_outcomes;

    for (const struct tp_conf_table *declared = tp__conf_tables(cycle->conf); declared != NULL;
         declared = declared->next) {
        if (*outcome == TP_ZONE_COPIED || *outcome == TP_ZONE_ANEW) {
            tp_log_notice(&cycle->log, "table-changed", "name=%s entries=%u outcome=%s",
                          declared->name, declared->entry_count, tp__zone_outcome_word(*outcome));
        }
        outcome++;
    }
}

bool
tp__cycle_needs_table(const struct tp_cycle *cycle, const struct tp_descriptor *descriptor)
{
    for (const struct tp_conf_table *declared = tp__conf_tables(cycle->conf); declared != NULL;
         declared = declared->next) {
        struct tp_table_plan plan;
        char label[TP_TABLE_LABEL_MAX];

        tp__table_plan(&plan, declared->name, declared->layout, declared->entry_count);
        if (descriptor->kind == TP_DESCRIPTOR_ZONE
            && strcmp(descriptor->name, tp__table_label(&plan, label)) == 0) {
            return true;
        }
    }
    return false;
}

static size_t
tables_count(const struct tp_cycle *cycle)
{
    size_t count = 0;

    for (const struct tp_conf_table *declared = tp__conf_tables(cycle->conf); declared != NULL;
         declared = declared->next) {
        count++;
    }
    return count;
}

static enum tp_result
tables_open_one(const struct tp_table_plan *plan, struct tp_descriptors *set,
                enum tp_zone_outcome *outcome)
{
    char label[TP_TABLE_LABEL_MAX];
    int fd;

    *outcome = TP_ZONE_CARRIED_ON;
    if (tp__descriptors_find(set, TP_DESCRIPTOR_ZONE, tp__table_label(plan, label)) != -1) {
        return TP_OK;
    }
    enum tp_result result =
        tp__zone_adopt(tables_find_old(set, plan), &plan->zone_layout, &fd, outcome);

    return result == TP_OK ? tp__descriptors_add(set, TP_DESCRIPTOR_ZONE, label, fd) : result;
}

/* The zone of this table in use, of another size or kind; -1: there is none. */
static int
tables_find_old(const struct tp_descriptors *set, const struct tp_table_plan *plan)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct tp_descriptor *descriptor = &set->entries[i];

        if (descriptor->kind == TP_DESCRIPTOR_ZONE && !descriptor->is_new
            && tp__table_has_label(plan, descriptor->name)) {
            return descriptor->fd;
        }
    }
    return -1;
}
