/*
 * stats_json.c - writes all that is counted as JSON, as the tables of names have it.
 *
 * Nothing here knows what is counted: a group is an array of what it counts, each with its labels
 * and its rows; one without labels is an object.
 *
 * Runs in: every process of a server.  Read next: stats.c.
 */
#include "metrics/stats_json.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    JSON_SLOW_ROWS = 50,
    JSON_SECOND_MS = 1000,
    JSON_SECOND_DIGITS = 3,
};

/* The section that is being written, and what comes before its next row. */
struct json_sections {
    struct tp_stats *stats;
    struct tp_writer *writer;
    bool has_server; /* its counters, in total and of each worker, are written, too */
    int64_t now_ms;
    const char *name; /* NULL: none is open */
    bool is_array;
    bool has_rows;
};

static void json_write_server(const struct tp_stats_server *server, int64_t wall_ms,
                              struct tp_writer *writer);
static void json_write_seconds(struct tp_writer *writer, const char *name, int64_t ms);
static void json_write_sections(struct json_sections *sections);
static void json_write_subject(const struct tp_stats_subject *subject, void *owner);
static bool json_is_meter(const struct tp_stats_subject *subject);
static void json_write_totals(struct json_sections *sections,
                              const struct tp_stats_subject *subject);
static void json_write_workers(struct json_sections *sections,
                               const struct tp_stats_subject *subject);
static void json_write_worker(const struct json_sections *sections,
                              const struct tp_stats_subject *subject,
                              const struct tp_stats_worker *worker);
static void json_write_labels(struct tp_writer *writer, const struct tp_stats_subject *subject);
static void json_write_rows(const struct json_sections *sections,
                            const struct tp_stats_subject *subject);
static void json_write_shares(const struct json_sections *sections,
                              const struct tp_stats_subject *subject);
static void json_write_histogram(const struct json_sections *sections,
                                 const struct tp_stats_subject *subject, size_t row);
static void json_write_buckets(struct tp_writer *writer,
                               const struct tp_stats_histogram *histogram);
static const char *json_unit_ending(const char *unit);
static void json_write_slow(struct json_sections *sections);
static void json_write_slow_row(struct tp_writer *writer, const struct tp_stats_slow *slow);
static void json_open_section(struct json_sections *sections, const char *name, bool is_array);
static void json_close_section(struct json_sections *sections);
static void json_begin_row(struct json_sections *sections);

void
tp__stats_json_write(struct tp_stats *stats, const struct tp_stats_server *server, int64_t now_ms,
                     int64_t wall_ms, struct tp_writer *writer)
{
    struct json_sections sections = {
        .stats = stats,
        .writer = writer,
        .now_ms = now_ms,
        .has_server = true,
    };

    tp_writer_put(writer, TP_STR("{\n"));
    json_write_server(server, wall_ms, writer);
    json_write_sections(&sections);
    tp_writer_put(writer, TP_STR("\n}\n"));
}

void
tp__stats_json_write_groups(struct tp_stats *stats, struct tp_writer *writer)
{
    struct json_sections sections = { .stats = stats, .writer = writer };

    json_write_sections(&sections);
}

static void
json_write_server(const struct tp_stats_server *server, int64_t wall_ms, struct tp_writer *writer)
{
    tp_writer_printf(writer, "  \"server\": { \"version\": \"%s\", ", server->version);
    json_write_seconds(writer, "uptime_seconds", server->uptime_ms);
    tp_writer_printf(writer, ", \"generation\": %" PRIu64 ", ", server->generation);
    json_write_seconds(writer, "time", wall_ms);
    tp_writer_put(writer, TP_STR(" },\n"));
}

static void
json_write_seconds(struct tp_writer *writer, const char *name, int64_t ms)
{
    tp_writer_printf(writer, "\"%s\": %" PRId64 ".%0*" PRId64, name, ms / JSON_SECOND_MS,
                     JSON_SECOND_DIGITS, ms % JSON_SECOND_MS);
}

static void
json_write_sections(struct json_sections *sections)
{
    tp__stats_each(sections->stats, json_write_subject, sections);
    if (sections->name == NULL || strcmp(sections->name, "meters") != 0) {
        json_open_section(sections, "meters", true);
    }
    json_write_slow(sections);
    json_close_section(sections);
}

/* Those of one name come in a row. */
static void
json_write_subject(const struct tp_stats_subject *subject, void *owner)
{
    struct json_sections *sections = owner;
    bool is_meter = json_is_meter(subject);
    bool is_array = is_meter || subject->label_names[0] != '\0';
    const char *name = is_meter ? "meters" : subject->plural;

    if (strcmp(subject->name, TP_STATS_SERVER) == 0) {
        if (sections->has_server) {
            json_write_totals(sections, subject);
            json_write_workers(sections, subject);
        }
        return;
    }
    if (sections->name == NULL || strcmp(sections->name, name) != 0) {
        json_open_section(sections, name, is_array);
    }
    if (!is_array) {
        json_write_rows(sections, subject);
        return;
    }
    json_begin_row(sections);
    if (is_meter) {
        tp_writer_printf(sections->writer, "\"name\": \"%s\", ", subject->name);
    }
    json_write_labels(sections->writer, subject);
    json_write_rows(sections, subject);
    json_write_shares(sections, subject);
    tp_writer_put(sections->writer, TP_STR(" }"));
}

/* What modules count is a single row each, which has the name of what it counts. */
static bool
json_is_meter(const struct tp_stats_subject *subject)
{
    return subject->row_count == 1 && strcmp(subject->name, subject->rows[0].name) == 0;
}

static void
json_write_totals(struct json_sections *sections, const struct tp_stats_subject *subject)
{
    json_open_section(sections, subject->plural, false);
    json_write_rows(sections, subject);
}

static void
json_write_workers(struct json_sections *sections, const struct tp_stats_subject *subject)
{
    json_open_section(sections, "workers", true);
    for (unsigned slot = 0; slot < tp__stats_slot_count(sections->stats); slot++) {
        struct tp_stats_worker worker;

        if (tp__stats_read_worker(sections->stats, slot, sections->now_ms, &worker)) {
            json_begin_row(sections);
            json_write_worker(sections, subject, &worker);
            tp_writer_put(sections->writer, TP_STR(" }"));
        }
    }
}

static void
json_write_worker(const struct json_sections *sections, const struct tp_stats_subject *subject,
                  const struct tp_stats_worker *worker)
{
    struct tp_writer *writer = sections->writer;

    tp_writer_printf(writer,
                     "\"slot\": %u, \"pid\": %" PRId32 ", \"state\": \"%s\", \"generation\": "
                     "%" PRIu64 ", \"turned_ms_ago\": ",
                     worker->slot, worker->pid, worker->state, worker->generation);
    if (worker->turned_ms_ago < 0) {
        tp_writer_put(writer, TP_STR("null")); /* It has not turned yet. */
    } else {
        tp_writer_printf(writer, "%" PRId64, worker->turned_ms_ago);
    }
    for (size_t row = 0; row < subject->row_count; row++) {
        tp_writer_printf(writer, ", \"%s\": %" PRIu64, subject->rows[row].name,
                         tp__stats_of_worker(sections->stats, subject, row, worker->slot));
    }
}

static void
json_write_labels(struct tp_writer *writer, const struct tp_stats_subject *subject)
{
    struct tp_stats_label label;

    for (size_t i = 0; tp_stats_read_label(subject, i, &label); i++) {
        tp_writer_printf(writer, "\"%.*s\": ", TP_STR_ARG(label.name));
        tp_writer_put_json_string(writer, label.value);
        tp_writer_put(writer, TP_STR(", "));
    }
}

static void
json_write_rows(const struct json_sections *sections, const struct tp_stats_subject *subject)
{
    bool is_meter = json_is_meter(subject);

    for (size_t row = 0; row < subject->row_count; row++) {
        tp_writer_printf(sections->writer, "%s\"%s\": ", row == 0 ? "" : ", ",
                         is_meter ? "total" : subject->rows[row].name);
        if (subject->rows[row].kind == TP_METER_HISTOGRAM) {
            json_write_histogram(sections, subject, row);
        } else {
            tp_writer_printf(sections->writer, "%" PRIu64,
                             tp__stats_total(sections->stats, subject, row));
        }
    }
}

/* What each worker has of it, where that says something, and it has any. */
static void
json_write_shares(const struct json_sections *sections, const struct tp_stats_subject *subject)
{
    const char *separator = "";

    if (!json_is_meter(subject)
        && (subject->row_count > 1 || subject->rows[0].kind != TP_METER_GAUGE)) {
        return;
    }
    tp_writer_put(sections->writer, TP_STR(", \"workers\": {"));
    for (unsigned slot = 0; slot < tp__stats_slot_count(sections->stats); slot++) {
        uint64_t value = tp__stats_of_worker(sections->stats, subject, 0, slot);

        if (value != 0) {
            tp_writer_printf(sections->writer, "%s \"%u\": %" PRIu64, separator, slot, value);
            separator = ",";
        }
    }
    tp_writer_put(sections->writer, TP_STR(" }"));
}

static void
json_write_histogram(const struct json_sections *sections, const struct tp_stats_subject *subject,
                     size_t row)
{
    static const struct {
        const char *name;
        double share;
    } shares[] = {
        { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 },
    };
    const char *ending = json_unit_ending(subject->rows[row].unit);
    struct tp_stats_histogram histogram;

    tp__stats_read_histogram(sections->stats, subject, row, &histogram);
    tp_writer_printf(sections->writer, "{ \"count\": %" PRIu64 ", \"sum%s\": %" PRIu64,
                     histogram.count, ending, histogram.sum);
    for (size_t i = 0; i < TP_COUNT_OF(shares); i++) {
        tp_writer_printf(sections->writer, ", \"%s%s\": %" PRIu64, shares[i].name, ending,
                         tp_stats_percentile(&histogram, shares[i].share));
    }
    json_write_buckets(sections->writer, &histogram);
    tp_writer_put(sections->writer, TP_STR(" }"));
}

/* How many values there are up to the end of each bucket that has some, and above the one before. */
static void
json_write_buckets(struct tp_writer *writer, const struct tp_stats_histogram *histogram)
{
    const char *separator = "";

    tp_writer_put(writer, TP_STR(", \"buckets\": {"));
    for (unsigned bucket = 0; bucket < TP_METER_BUCKETS; bucket++) {
        if (histogram->buckets[bucket] > 0) {
            tp_writer_printf(writer, "%s \"%" PRIu64 "\": %" PRIu64, separator,
                             tp_meter_bucket_end(bucket), histogram->buckets[bucket]);
            separator = ",";
        }
    }
    tp_writer_put(writer, TP_STR(" }"));
}

/* Of names of values that have one. */
static const char *
json_unit_ending(const char *unit)
{
    if (strcmp(unit, "microseconds") == 0) {
        return "_us";
    }
    return strcmp(unit, "bytes") == 0 ? "_bytes" : "";
}

static void
json_write_slow(struct json_sections *sections)
{
    struct tp_stats_slow rows[JSON_SLOW_ROWS];
    size_t count = tp__stats_read_slow(sections->stats, rows, JSON_SLOW_ROWS);

    json_open_section(sections, "slow", true);
    for (size_t i = 0; i < count; i++) {
        json_begin_row(sections);
        json_write_slow_row(sections->writer, &rows[i]);
        tp_writer_put(sections->writer, TP_STR(" }"));
    }
}

static void
json_write_slow_row(struct tp_writer *writer, const struct tp_stats_slow *slow)
{
    json_write_seconds(writer, "time", slow->wall_ms);
    tp_writer_printf(writer, ", \"duration_us\": %" PRId64 ", \"session\": %" PRIu64 ", ",
                     slow->duration_us, slow->session_number);
    tp_writer_put(writer, TP_STR("\"id\": "));
    tp_writer_put_json_string(writer, tp__str(slow->session_id));
    tp_writer_put(writer, TP_STR(", \"remote\": "));
    tp_writer_put_json_string(writer, tp__str(slow->remote));
    tp_writer_printf(writer, ", \"seq\": %" PRIu64 ", \"type\": \"%s\", \"uri\": ", slow->seq,
                     tp_packet_type_word(slow->type));
    tp_writer_put_json_string(writer, tp__str(slow->uri));
    tp_writer_printf(writer, ", \"code\": %" PRId32 ", \"is_ours\": %s, \"worker\": %u", slow->code,
                     slow->is_ours ? "true" : "false", slow->worker_slot);
}

static void
json_open_section(struct json_sections *sections, const char *name, bool is_array)
{
    bool is_first = sections->name == NULL;

    json_close_section(sections);
    tp_writer_printf(sections->writer, "%s  \"%s\": %s", is_first ? "" : ",\n", name,
                     is_array ? "[" : "{ ");
    sections->name = name;
    sections->is_array = is_array;
    sections->has_rows = false;
}

static void
json_close_section(struct json_sections *sections)
{
    if (sections->name == NULL) {
        return;
    }
    if (!sections->is_array) {
        tp_writer_put(sections->writer, TP_STR(" }"));
    } else {
        tp_writer_put(sections->writer, sections->has_rows ? TP_STR("\n  ]") : TP_STR("]"));
    }
}

/* Of an array: each row has a line. */
static void
json_begin_row(struct json_sections *sections)
{
    tp_writer_put(sections->writer, sections->has_rows ? TP_STR(",\n    { ") : TP_STR("\n    { "));
    sections->has_rows = true;
}
