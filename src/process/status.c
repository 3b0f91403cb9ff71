/*
 * status.c - what runs, as JSON.
 *
 * Everything comes from the master's own tables and the shared zones: no worker has
 * to answer, so a hanging one is shown like any other.
 *
 * Runs in: master.
 */
#include "process/status.h"

#include "base/buf_pool.h"
#include "base/clock.h"
#include "config.h"
#include "metrics/stats_json.h"
#include "os/file.h"
#include "os/process.h"

enum {
    STATUS_STATS_BYTES_MAX = 64 * 1024 * 1024, /* more than all that can be counted takes */
};

static void status_write_head(const struct tp_status_sources *sources, struct tp_text *text);
static void status_write_listens(const struct tp_cycle *cycle, struct tp_text *text);
static void status_write_workers(const struct tp_status_sources *sources, struct tp_text *text);
static void status_write_worker(const struct tp_status_sources *sources, unsigned slot,
                                struct tp_text *text);
static void status_write_leases(struct tp_cycle *cycle, struct tp_text *text);
static void status_write_totals(const struct tp_cycle *cycle, struct tp_text *text);
static void status_write_stats(const struct tp_status_sources *sources, struct tp_text *text);
static void json_append_string(struct tp_text *text, const char *value);

void
tp__status_write(const struct tp_status_sources *sources, struct tp_text *text)
{
    tp__text_printf(text, "{\n");
    status_write_head(sources, text);
    status_write_listens(sources->cycle, text);
    status_write_workers(sources, text);
    status_write_leases(sources->cycle, text);
    status_write_stats(sources, text);
    status_write_totals(sources->cycle, text);
    tp__text_printf(text, "}\n");
}

static void
status_write_head(const struct tp_status_sources *sources, struct tp_text *text)
{
    tp__text_printf(text, "  \"version\": \"%s\",\n  \"pid\": %d,\n", TP_VERSION, tp__process_id());
    tp__text_printf(text, "  \"configuration\": ");
    json_append_string(text, sources->program->conf_file);
    tp__text_printf(text, ",\n  \"generation\": %llu,\n",
                    (unsigned long long) sources->cycle->generation);
    tp__text_printf(text,
                    "  \"reloads\": %llu,\n  \"reloads_failed\": %llu,\n  \"is_reloading\": %s,\n",
                    (unsigned long long) sources->reload->succeeded_count,
                    (unsigned long long) sources->reload->failed_count,
                    tp__reload_is_active(sources->reload) ? "true" : "false");
    tp__text_printf(text, "  \"uptime_seconds\": %lld,\n  \"master_rss_bytes\": %llu,\n",
                    (long long) (sources->uptime_ms / 1000),
                    (unsigned long long) tp__process_resident_bytes());
    tp__text_printf(text, "  \"master_descriptors\": %zu,\n", tp__descriptor_count());
    tp__text_printf(text, "  \"configuration_bytes\": %zu,\n",
                    tp__conf_bytes(sources->cycle->conf) + sources->cycle->arena.total_bytes);
}

static void
status_write_listens(const struct tp_cycle *cycle, struct tp_text *text)
{
    tp__text_printf(text, "  \"listens\": [");
    for (size_t i = 0; i < cycle->listen_count; i++) {
        tp__text_printf(text, i == 0 ? "\n    " : ",\n    ");
        json_append_string(text, cycle->listens[i].source.name);
    }
    tp__text_printf(text, cycle->listen_count == 0 ? "],\n" : "\n  ],\n");
}

static void
status_write_workers(const struct tp_status_sources *sources, struct tp_text *text)
{
    const char *separator = "\n    ";

    tp__text_printf(text, "  \"workers\": [");
    TP_CHILDREN_EACH(child, sources->children)
    {
        tp__text_printf(text, "%s", separator);
        status_write_worker(sources, child->slot, text);
        separator = ",\n    ";
    }
    tp__text_printf(text, "\n  ],\n");
}

static void
status_write_worker(const struct tp_status_sources *sources, unsigned slot, struct tp_text *text)
{
    const struct tp_shared *shared = &sources->cycle->shared;
    struct tp_roster_entry entry;

    tp__roster_read(&shared->roster, slot, &entry);
    tp__text_printf(text,
                    "{ \"slot\": %u, \"pid\": %d, \"state\": \"%s\", \"generation\": %llu, "
                    "\"turned_ms_ago\": ",
                    slot, sources->children->slots[slot].pid, tp__roster_state_word(entry.state),
                    (unsigned long long) entry.generation);
    if (entry.turn_ms == 0) {
        tp__text_printf(text, "null"); /* It has not turned yet. */
    } else {
        tp__text_printf(text, "%lld", (long long) (tp__clock_monotonic_ms() - entry.turn_ms));
    }
    for (int counter = 0; counter < TP_COUNTER_COUNT; counter++) {
        uint64_t value = tp__counters_read(&shared->counters, slot, (enum tp_counter) counter);

        tp__text_printf(text, ", \"%s\": %llu", tp__counter_info((enum tp_counter) counter)->name,
                        (unsigned long long) value);
    }
    tp__text_printf(text, " }");
}

static void
status_write_leases(struct tp_cycle *cycle, struct tp_text *text)
{
    struct tp_lease leases[TP_LEASES_MAX];
    size_t count = 0;

    if (tp__lease_list(&cycle->shared.leases, leases, &count) != TP_OK) {
        count = 0; /* The lock could not be had in time: better no leases than no status. */
    }
    tp__text_printf(text, "  \"leases\": [");
    for (size_t i = 0; i < count; i++) {
        tp__text_printf(text, "%s{ \"name\": ", i == 0 ? "\n    " : ",\n    ");
        json_append_string(text, leases[i].name);
        tp__text_printf(text, ", \"slot\": %u, \"pid\": %d, \"epoch\": %llu }", leases[i].slot,
                        leases[i].pid, (unsigned long long) leases[i].epoch);
    }
    tp__text_printf(text, count == 0 ? "],\n" : "\n  ],\n");
}

/* What is counted by name, as the handler `stats` has it. */
static void
status_write_stats(const struct tp_status_sources *sources, struct tp_text *text)
{
    struct tp_shared *shared = &sources->cycle->shared;
    struct tp_stats stats = {
        .meters = &shared->meters,
        .slow = &shared->slow,
        .counters = &shared->counters,
        .roster = &shared->roster,
        .modules = sources->program->modules,
    };
    struct tp_buf_pool pool;
    struct tp_chain written = { 0 };
    struct tp_writer writer = { .pool = &pool, .to = &written };
    size_t count;

    tp__buf_pool_init(&pool, (struct tp_size){ STATUS_STATS_BYTES_MAX }, 0);
    tp__stats_json_write_groups(&stats, &writer);
    if (tp_writer_end(&writer) == TP_OK) {
        const struct tp_slice *slices = tp_chain_slices(&written, &count);

        for (size_t i = 0; i < count; i++) {
            tp__text_append(text, (struct tp_str){ (const char *) slices[i].data, slices[i].len });
        }
        tp__text_printf(text, ",\n");
    }
    tp_chain_clear(&written);
    tp__buf_pool_fini(&pool);
}

static void
status_write_totals(const struct tp_cycle *cycle, struct tp_text *text)
{
    tp__text_printf(text, "  \"totals\": {");
    for (int counter = 0; counter < TP_COUNTER_COUNT; counter++) {
        tp__text_printf(text, "%s\"%s\": %llu", counter == 0 ? "\n    " : ",\n    ",
                        tp__counter_info((enum tp_counter) counter)->name,
                        (unsigned long long) tp__counters_total(&cycle->shared.counters,
                                                                (enum tp_counter) counter));
    }
    tp__text_printf(text, "\n  }\n");
}

static void
json_append_string(struct tp_text *text, const char *value)
{
    tp__text_printf(text, "\"");
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            tp__text_printf(text, "\\%c", *at);
        } else if ((unsigned char) *at < 0x20) {
            tp__text_printf(text, "\\u%04x", (unsigned) *at);
        } else {
            tp__text_printf(text, "%c", *at);
        }
    }
    tp__text_printf(text, "\"");
}
