/*
 * stats_names.c - what that which is counted is called: labels, and names of metrics.
 *
 * Names of metrics follow the rules of Prometheus: one prefix, the base unit behind the name
 * (seconds, bytes), "_total" behind what only grows.
 *
 * Runs in: every process of a server.
 */
#include <teleport/stats.h>

#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define METRIC_PREFIX "teleport"

enum {
    METRIC_MICROSECOND_DECIMALS = 6,
};

static struct tp_str metric_bare_name(const struct tp_meter_row *row);
static const char *metric_unit_ending(const struct tp_meter_row *row, struct tp_str bare);
static bool metric_has_unit(const struct tp_meter_row *row, const char *unit);
static bool metric_ends_with(struct tp_str name, struct tp_str ending);

bool
tp_stats_read_label(const struct tp_stats_subject *subject, size_t index,
                    struct tp_stats_label *label)
{
    const char *name = subject->label_names;

    if (index >= subject->label_count) {
        return false;
    }
    for (size_t i = 0; i < index; i++) {
        name += strcspn(name, " ");
        name += strspn(name, " ");
    }
    label->name = (struct tp_str){ name, strcspn(name, " ") };
    label->value = subject->labels[index];
    return true;
}

void
tp_stats_make_metric(const char *subject_name, const struct tp_meter_row *row,
                     struct tp_stats_metric *metric)
{
    /* What is counted of the server, and what modules count, is named by its row alone. */
    bool has_group =
        strcmp(subject_name, TP_STATS_SERVER) != 0 && strcmp(subject_name, row->name) != 0;
    struct tp_str bare = metric_bare_name(row);
    const char *ending = metric_unit_ending(row, bare);
    const char *total = row->kind == TP_METER_COUNTER ? "_total" : "";

    snprintf(metric->name, sizeof(metric->name), METRIC_PREFIX "%s%s_%.*s%s%s",
             has_group ? "_" : "", has_group ? subject_name : "", TP_STR_ARG(bare), ending, total);
    metric->type = row->kind == TP_METER_COUNTER     ? "counter"
                   : row->kind == TP_METER_HISTOGRAM ? "histogram"
                                                     : "gauge";
    metric->decimals = metric_has_unit(row, "microseconds") ? METRIC_MICROSECOND_DECIMALS : 0;
}

/* Without what says the unit: "received" of bytes_received, "turn_max" of turn_max_us. */
static struct tp_str
metric_bare_name(const struct tp_meter_row *row)
{
    struct tp_str name = tp__str(row->name);

    if (metric_has_unit(row, "microseconds") && metric_ends_with(name, TP_STR("_us"))) {
        name.len -= sizeof("_us") - 1;
    }
    if (metric_has_unit(row, "bytes") && tp__str_starts_with(name, TP_STR("bytes_"))) {
        name = tp__str_skip(name, sizeof("bytes_") - 1);
    }
    return name;
}

static const char *
metric_unit_ending(const struct tp_meter_row *row, struct tp_str bare)
{
    if (metric_has_unit(row, "microseconds")) {
        return "_seconds";
    }
    return metric_has_unit(row, "bytes") && !metric_ends_with(bare, TP_STR("bytes")) ? "_bytes"
                                                                                     : "";
}

static bool
metric_has_unit(const struct tp_meter_row *row, const char *unit)
{
    return strcmp(row->unit, unit) == 0;
}

static bool
metric_ends_with(struct tp_str name, struct tp_str ending)
{
    return name.len >= ending.len
           && tp__str_equal(tp__str_skip(name, name.len - ending.len), ending);
}
