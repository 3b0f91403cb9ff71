/*
 * metrics.c - answers with all that is counted, as Prometheus reads it.
 *
 * Source of the format: Prometheus' text exposition 0.0.4.  All samples of a name stand together,
 * while what is counted comes thing by thing: so of a group each row is written to a chain of its
 * own, and those are joined when the next group begins.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>
#include <teleport/stats.h>
#include <teleport/writer.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    METRICS_ROWS_MAX = 16, /* of a group with labels */
    METRICS_SECOND_MS = 1000,
    METRICS_DECIMAL = 10,
    METRICS_NUMBER_TEXT_MAX = 32,
    METRICS_LABELS_TEXT_MAX = 80,

    /* Histograms end their buckets at powers of two: from 64 us to 134 s. */
    METRICS_BUCKET_BITS_MIN = 6,
    METRICS_BUCKET_BITS_MAX = 27,
    METRICS_BUCKETS = METRICS_BUCKET_BITS_MAX - METRICS_BUCKET_BITS_MIN + 1,
};

_Static_assert((int) METRICS_BUCKET_BITS_MIN >= (int) TP_METER_STEP_BITS
                   && (int) METRICS_BUCKET_BITS_MAX <= (int) TP_METER_VALUE_BITS,
               "from there on each power of two begins a bucket");

/* All samples of one name. */
struct metrics_family {
    const struct tp_meter_row *row;
    struct tp_stats_metric metric;
    struct tp_chain samples;
    struct tp_writer writer;
};

struct metrics_page {
    struct tp_sessions *home;
    struct tp_writer writer;
    const char *group; /* that is being written; NULL: none */
    const char *group_sentence;
    struct metrics_family families[METRICS_ROWS_MAX];
    size_t family_count;
    struct tp_chain label_bytes; /* of the subject that is being written: */
    struct tp_str labels;        /* `server="…",type="…"`, escaped */
    bool has_ends;
    unsigned ends_decimals;
    char ends[METRICS_BUCKETS][METRICS_NUMBER_TEXT_MAX];
};

/* One of the rows of a subject, and where its samples go. */
struct metrics_series {
    struct metrics_page *page;
    struct tp_writer *writer;
    const struct tp_stats_subject *subject;
    const struct tp_stats_metric *metric;
    size_t row;
};

static void metrics_handle(struct tp_exchange *exchange, const void *module_conf);
static enum tp_result metrics_write(struct tp_exchange *exchange, struct tp_chain *body);
static void metrics_write_server(struct metrics_page *page);
static void metrics_write_workers(struct metrics_page *page);
static void metrics_write_own(struct tp_writer *writer, const char *name, const char *sentence);
static void metrics_on_subject(const struct tp_stats_subject *subject, void *owner);
static void metrics_make_labels(struct metrics_page *page, const struct tp_stats_subject *subject);
static void metrics_write_single(struct metrics_page *page, const struct tp_stats_subject *subject);
static void metrics_begin_group(struct metrics_page *page, const struct tp_stats_subject *subject);
static bool metrics_is_self_evident(const struct tp_stats_subject *subject);
static void metrics_end_group(struct metrics_page *page);
static void metrics_write_head(struct tp_writer *writer, const struct tp_stats_metric *metric,
                               const char *group_sentence, const struct tp_meter_row *row);
static void metrics_write_series(const struct metrics_series *series);
static void metrics_write_by_worker(const struct metrics_series *series);
static bool metrics_is_by_worker(const struct tp_stats_subject *subject, size_t row);
static void metrics_write_histogram(const struct metrics_series *series,
                                    const struct tp_stats_histogram *histogram, const char *worker);
static void metrics_make_ends(struct metrics_page *page, unsigned decimals);
static void metrics_write_bucket(const struct metrics_series *series, const char *worker,
                                 const char *end, uint64_t count);
static void metrics_write_sample(const struct metrics_series *series, const char *ending,
                                 const char *more);
static void metrics_write_value(const struct metrics_series *series, uint64_t number,
                                unsigned decimals);
static void metrics_format_number(char *text, uint64_t number, unsigned decimals);
static void metrics_write_escaped(struct tp_writer *writer, struct tp_str text,
                                  const char *special);
static struct tp_str metrics_text(const char *terminated);

static const struct tp_directive metrics_directives[] = {
    {
        .name = "metrics", .where = TP_IN_PULL, .takes_nothing = true, .since = "0.1",
        .brief = "Answers with all that is counted, as Prometheus reads it; it tells what is "
                 "asked of the server, so let only operators and their collector reach it.",
    },
};

const struct tp_module tp_module_metrics = {
    .name = "metrics",
    .brief = "Answers with all that is counted, as Prometheus reads it.",
    .conf_size = 0,
    TP_DIRECTIVES(metrics_directives),
    .run_after = "",
    .handler = "metrics",
    .handle = metrics_handle,
};

static void
metrics_handle(struct tp_exchange *exchange, const void *module_conf)
{
    struct tp_chain body = { 0 };
    enum tp_result result = metrics_write(exchange, &body);

    (void) module_conf;
    if (result == TP_OK) {
        result = tp_exchange_add_metadata(exchange, TP_STR("Content-Type"),
                                          TP_STR("text/plain; version=0.0.4; charset=utf-8"));
    }
    if (result == TP_OK) {
        tp_exchange_reply(exchange, &body, TP_CODEC_PLAIN);
    } else {
        tp_exchange_refuse_result(exchange, result);
    }
    tp_chain_clear(&body);
}

static enum tp_result
metrics_write(struct tp_exchange *exchange, struct tp_chain *body)
{
    struct metrics_page page = {
        .home = tp_exchange_home(exchange),
        .writer = { .pool = tp_exchange_buf_pool(exchange), .to = body },
    };

    metrics_write_server(&page);
    metrics_write_workers(&page);
    tp_stats_each(page.home, metrics_on_subject, &page);
    metrics_end_group(&page);
    tp_chain_clear(&page.label_bytes);
    return tp_writer_end(&page.writer);
}

/* What the server is, which no table of counts has. */
static void
metrics_write_server(struct metrics_page *page)
{
    struct tp_writer *writer = &page->writer;
    struct tp_stats_server server;

    tp_stats_read_server(page->home, &server);
    metrics_write_own(writer, "teleport_build_info",
                      "The version of the server, which is always 1.");
    tp_writer_printf(writer, "teleport_build_info{version=\"%s\"} 1\n", server.version);
    metrics_write_own(writer, "teleport_uptime_seconds", "How long the server runs.");
    tp_writer_printf(writer, "teleport_uptime_seconds %.3f\n",
                     (double) server.uptime_ms / METRICS_SECOND_MS);
    metrics_write_own(writer, "teleport_configuration_generation",
                      "The configuration in force: 1, and one more with each reload.");
    tp_writer_printf(writer, "teleport_configuration_generation %" PRIu64 "\n", server.generation);
}

static void
metrics_write_workers(struct metrics_page *page)
{
    struct tp_stats_worker worker;

    metrics_write_own(&page->writer, "teleport_worker_last_turn_seconds",
                      "How long ago the loop of a worker has last turned.");
    for (unsigned slot = 0; slot < tp_stats_slot_count(page->home); slot++) {
        if (tp_stats_read_worker(page->home, slot, &worker) && worker.turned_ms_ago >= 0) {
            tp_writer_printf(&page->writer,
                             "teleport_worker_last_turn_seconds{worker=\"%u\"} %.3f\n", slot,
                             (double) worker.turned_ms_ago / METRICS_SECOND_MS);
        }
    }
}

static void
metrics_write_own(struct tp_writer *writer, const char *name, const char *sentence)
{
    tp_writer_printf(writer, "# HELP %s %s\n# TYPE %s gauge\n", name, sentence, name);
}

static void
metrics_on_subject(const struct tp_stats_subject *subject, void *owner)
{
    struct metrics_page *page = owner;

    if (page->group == NULL || strcmp(page->group, subject->name) != 0) {
        metrics_end_group(page);
        metrics_begin_group(page, subject);
    }
    metrics_make_labels(page, subject);
    if (subject->label_names[0] == '\0') {
        metrics_write_single(page, subject);
        return;
    }
    for (size_t row = 0; row < subject->row_count; row++) {
        struct metrics_family *family = &page->families[row];
        const struct metrics_series series = {
            page, &family->writer, subject, &family->metric, row,
        };

        metrics_write_series(&series);
    }
}

/* They stand in each sample of the subject, and are escaped once. */
static void
metrics_make_labels(struct metrics_page *page, const struct tp_stats_subject *subject)
{
    struct tp_writer writer = { .pool = page->writer.pool, .to = &page->label_bytes };
    struct tp_stats_label label;

    tp_chain_clear(&page->label_bytes);
    for (size_t i = 0; tp_stats_read_label(subject, i, &label); i++) {
        tp_writer_printf(&writer, "%s%.*s=\"", i == 0 ? "" : ",", TP_STR_ARG(label.name));
        metrics_write_escaped(&writer, label.value, "\\\"\n");
        tp_writer_put(&writer, TP_STR("\""));
    }
    if (tp_writer_end(&writer) != TP_OK) {
        page->writer.result = writer.result;
    }
    const struct tp_slice *text = tp_chain_front(&page->label_bytes);

    /* They are far from filling a buffer, so they lie in one. */
    TP_ASSERT(text->len == page->label_bytes.len);
    page->labels = (struct tp_str){ (const char *) text->data, text->len };
}

/* There is one of it, so that nothing has to wait until all are there. */
static void
metrics_write_single(struct metrics_page *page, const struct tp_stats_subject *subject)
{
    for (size_t row = 0; row < subject->row_count; row++) {
        struct tp_stats_metric metric;
        const struct metrics_series series = { page, &page->writer, subject, &metric, row };

        tp_stats_make_metric(subject->name, &subject->rows[row], &metric);
        metrics_write_head(&page->writer, &metric, page->group_sentence, &subject->rows[row]);
        metrics_write_series(&series);
    }
}

static void
metrics_begin_group(struct metrics_page *page, const struct tp_stats_subject *subject)
{
    page->group = subject->name;
    page->group_sentence = metrics_is_self_evident(subject) ? "" : subject->sentence;
    page->family_count = subject->label_names[0] == '\0' ? 0 : subject->row_count;
    TP_ASSERT(page->family_count <= METRICS_ROWS_MAX);
    for (size_t row = 0; row < page->family_count; row++) {
        struct metrics_family *family = &page->families[row];

        *family = (struct metrics_family){
            .row = &subject->rows[row],
            .writer = { .pool = page->writer.pool, .to = &family->samples },
        };
        tp_stats_make_metric(subject->name, family->row, &family->metric);
    }
}

/* Rows of the server, and single ones, say all there is to say. */
static bool
metrics_is_self_evident(const struct tp_stats_subject *subject)
{
    return strcmp(subject->name, TP_STATS_SERVER) == 0
           || strcmp(subject->sentence, subject->rows[0].sentence) == 0;
}

static void
metrics_end_group(struct metrics_page *page)
{
    for (size_t row = 0; row < page->family_count; row++) {
        struct metrics_family *family = &page->families[row];
        enum tp_result result = tp_writer_end(&family->writer);

        metrics_write_head(&page->writer, &family->metric, page->group_sentence, family->row);
        tp_writer_put_chain(&page->writer, &family->samples);
        tp_chain_clear(&family->samples);
        if (page->writer.result == TP_OK) {
            page->writer.result = result;
        }
    }
    page->family_count = 0;
}

static void
metrics_write_head(struct tp_writer *writer, const struct tp_stats_metric *metric,
                   const char *group_sentence, const struct tp_meter_row *row)
{
    tp_writer_printf(writer, "# HELP %s ", metric->name);
    metrics_write_escaped(writer, (struct tp_str){ group_sentence, strlen(group_sentence) },
                          "\\\n");
    tp_writer_put(writer, group_sentence[0] == '\0' ? TP_STR("") : TP_STR(" "));
    metrics_write_escaped(writer, (struct tp_str){ row->sentence, strlen(row->sentence) }, "\\\n");
    tp_writer_printf(writer, "\n# TYPE %s %s\n", metric->name, metric->type);
}

static void
metrics_write_series(const struct metrics_series *series)
{
    struct tp_sessions *home = series->page->home;
    struct tp_stats_histogram histogram;

    if (metrics_is_by_worker(series->subject, series->row)) {
        metrics_write_by_worker(series);
    } else if (series->subject->rows[series->row].kind == TP_METER_HISTOGRAM) {
        tp_stats_read_histogram(home, series->subject, series->row, &histogram);
        metrics_write_histogram(series, &histogram, "");
    } else {
        metrics_write_sample(series, "", "");
        metrics_write_value(series, tp_stats_total(home, series->subject, series->row),
                            series->metric->decimals);
    }
}

static void
metrics_write_by_worker(const struct metrics_series *series)
{
    struct tp_sessions *home = series->page->home;
    struct tp_stats_histogram histogram;
    struct tp_stats_worker worker;

    for (unsigned slot = 0; slot < tp_stats_slot_count(home); slot++) {
        char label[sizeof("worker=\"4294967295\"")];

        if (!tp_stats_read_worker(home, slot, &worker)) {
            continue;
        }
        snprintf(label, sizeof(label), "worker=\"%u\"", slot);
        if (series->subject->rows[series->row].kind == TP_METER_HISTOGRAM) {
            tp_stats_read_worker_histogram(home, series->subject, series->row, slot, &histogram);
            metrics_write_histogram(series, &histogram, label);
        } else {
            metrics_write_sample(series, "", label);
            metrics_write_value(series,
                                tp_stats_of_worker(home, series->subject, series->row, slot),
                                series->metric->decimals);
        }
    }
}

/*
 * One worker can be slow, or large, while the others are not: what there is now of the server is
 * told for each of them, and so are loops and memory.  Of what there are many, routes say, that
 * would be too much.
 */
static bool
metrics_is_by_worker(const struct tp_stats_subject *subject, size_t row)
{
    static const char *const names[] = { TP_STATS_SERVER, "loop", "memory" };

    for (size_t i = 0; i < TP_COUNT_OF(names); i++) {
        if (strcmp(subject->name, names[i]) == 0) {
            return subject->rows[row].kind != TP_METER_COUNTER;
        }
    }
    return false;
}

static void
metrics_write_histogram(const struct metrics_series *series,
                        const struct tp_stats_histogram *histogram, const char *worker)
{
    uint64_t below = 0;
    unsigned bucket = 0;

    metrics_make_ends(series->page, series->metric->decimals);
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        unsigned end = tp_meter_bucket(UINT64_C(1) << (METRICS_BUCKET_BITS_MIN + i));

        for (; bucket < end; bucket++) {
            below += histogram->buckets[bucket];
        }
        metrics_write_bucket(series, worker, series->page->ends[i], below);
    }
    metrics_write_bucket(series, worker, "+Inf", histogram->count);
    metrics_write_sample(series, "_sum", worker);
    metrics_write_value(series, histogram->sum, series->metric->decimals);
    metrics_write_sample(series, "_count", worker);
    metrics_write_value(series, histogram->count, 0);
}

/* The same for all histograms of a unit, so mostly they are made already. */
static void
metrics_make_ends(struct metrics_page *page, unsigned decimals)
{
    if (page->has_ends && page->ends_decimals == decimals) {
        return;
    }
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        uint64_t end = UINT64_C(1) << (METRICS_BUCKET_BITS_MIN + i);

        /* Times are cut to microseconds: what was counted as 63 has taken less than 64. */
        metrics_format_number(page->ends[i], decimals > 0 ? end : end - 1, decimals);
    }
    page->has_ends = true;
    page->ends_decimals = decimals;
}

static void
metrics_write_bucket(const struct metrics_series *series, const char *worker, const char *end,
                     uint64_t count)
{
    char labels[METRICS_LABELS_TEXT_MAX];

    snprintf(labels, sizeof(labels), "%s%sle=\"%s\"", worker, worker[0] == '\0' ? "" : ",", end);
    metrics_write_sample(series, "_bucket", labels);
    metrics_write_value(series, count, 0);
}

/* The name of a sample, with the subject's labels and `more`; its value has to follow. */
static void
metrics_write_sample(const struct metrics_series *series, const char *ending, const char *more)
{
    struct tp_writer *writer = series->writer;
    struct tp_str labels = series->page->labels;
    bool has_both = labels.len > 0 && more[0] != '\0';

    tp_writer_put(writer, metrics_text(series->metric->name));
    tp_writer_put(writer, metrics_text(ending));
    if (labels.len == 0 && more[0] == '\0') {
        tp_writer_put(writer, TP_STR(" "));
        return;
    }
    tp_writer_put(writer, TP_STR("{"));
    tp_writer_put(writer, labels);
    tp_writer_put(writer, has_both ? TP_STR(",") : TP_STR(""));
    tp_writer_put(writer, metrics_text(more));
    tp_writer_put(writer, TP_STR("} "));
}

static void
metrics_write_value(const struct metrics_series *series, uint64_t number, unsigned decimals)
{
    char text[METRICS_NUMBER_TEXT_MAX];

    metrics_format_number(text, number, decimals);
    tp_writer_put(series->writer, metrics_text(text));
    tp_writer_put(series->writer, TP_STR("\n"));
}

/* A number of which the last `decimals` digits stand behind the point. */
static void
metrics_format_number(char *text, uint64_t number, unsigned decimals)
{
    uint64_t unit = 1;

    for (unsigned i = 0; i < decimals; i++) {
        unit *= METRICS_DECIMAL;
    }
    int len = snprintf(text, METRICS_NUMBER_TEXT_MAX, "%" PRIu64, number / unit);

    if (decimals > 0) {
        snprintf(text + len, METRICS_NUMBER_TEXT_MAX - (size_t) len, ".%0*" PRIu64, (int) decimals,
                 number % unit);
    }
}

/* With a backslash before each of the characters in `special`; a line feed becomes an n. */
static void
metrics_write_escaped(struct tp_writer *writer, struct tp_str text, const char *special)
{
    for (size_t i = 0; i < text.len; i++) {
        char character = text.data[i];

        if (character == '\0' || strchr(special, character) == NULL) {
            continue;
        }
        tp_writer_put_utf8(writer, (struct tp_str){ text.data, i });
        tp_writer_printf(writer, "\\%c", character == '\n' ? 'n' : character);
        text = (struct tp_str){ text.data + i + 1, text.len - i - 1 };
        i = SIZE_MAX;
    }
    tp_writer_put_utf8(writer, text);
}

static struct tp_str
metrics_text(const char *terminated)
{
    return (struct tp_str){ terminated, strlen(terminated) };
}
