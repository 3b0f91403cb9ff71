/*
 * teleport/stats.h - what the server counts, for modules that show it: of all workers, those that
 * have died included, as it stands in shared memory.  No worker is asked.
 *
 * Numbers of one reading are not of one moment: each is whole, and those that belong together may
 * differ by what happened while they were read.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_STATS_H
#define TELEPORT_STATS_H

#include <teleport/meter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_sessions;

/*
 * One thing of which something is counted: a route, a rule of limit, the server itself.  Texts are
 * borrowed for the call they are given to.
 */
struct tp_stats_subject {
    const char *name;        /* of its group: "route"; or of its only row: "limit_refused" */
    const char *plural;      /* of many: "routes" */
    const char *label_names; /* separated by spaces; "": there is one such thing only */
    const char *sentence;
    struct tp_str labels[TP_METER_LABELS_MAX];
    size_t label_count;
    const struct tp_meter_row *rows;
    size_t row_count;
    uint32_t place; /* for the calls below only */
};

/* All that has ever been counted since the server began, those of one name in a row. */
typedef void (*tp_stats_visit_fn)(const struct tp_stats_subject *subject, void *owner);
void tp_stats_each(struct tp_sessions *home, tp_stats_visit_fn visit, void *owner);

/* The value of a row, 0 to row_count - 1, which is no histogram: of all workers, or of one. */
uint64_t tp_stats_total(struct tp_sessions *home, const struct tp_stats_subject *subject,
                        size_t row);
uint64_t tp_stats_of_worker(struct tp_sessions *home, const struct tp_stats_subject *subject,
                            size_t row, unsigned slot);

struct tp_stats_histogram {
    uint64_t count;
    uint64_t sum; /* of all values */
    uint64_t buckets[TP_METER_BUCKETS];
};

/* The same of a row that is one. */
void tp_stats_read_histogram(struct tp_sessions *home, const struct tp_stats_subject *subject,
                             size_t row, struct tp_stats_histogram *histogram);
void tp_stats_read_worker_histogram(struct tp_sessions *home,
                                    const struct tp_stats_subject *subject, size_t row,
                                    unsigned slot, struct tp_stats_histogram *histogram);

/* The value that `share` (0 to 1) of all are not larger than, within 1/8; 0 if there are none. */
uint64_t tp_stats_percentile(const struct tp_stats_histogram *histogram, double share);

/* A worker, as the others see it. */
struct tp_stats_worker {
    unsigned slot;
    int32_t pid;
    const char *state; /* "running" */
    uint64_t generation;
    uint64_t session_count;
    int64_t turned_ms_ago; /* when its loop last turned; -1: it has not */
};

/* How many slots workers have had; one of those may be free now. */
unsigned tp_stats_slot_count(struct tp_sessions *home);

/* False: nobody is in that slot. */
bool tp_stats_read_worker(struct tp_sessions *home, unsigned slot, struct tp_stats_worker *worker);

/* An exchange that took as long as slow_threshold says. */
struct tp_stats_slow {
    int64_t wall_ms; /* when it ended */
    int64_t duration_us;
    uint64_t session_number;
    uint64_t seq;
    int32_t type; /* of the packet */
    int32_t code; /* of the status */
    bool is_ours; /* this server asked */
    unsigned worker_slot;
    char uri[128]; /* texts are terminated, and cut */
    char session_id[64];
    char remote[64];
};

enum {
    TP_STATS_SLOW_MAX = 32, /* of each worker: newer ones replace older */
};

/* The slowest of the last that were slow, the longest first; returns how many. */
size_t tp_stats_read_slow(struct tp_sessions *home, struct tp_stats_slow *rows, size_t count_max);

/* What the server is. */
struct tp_stats_server {
    const char *version;
    int64_t uptime_ms;
    uint64_t
        generation; /* of the configuration this worker has: 1, and one more with each reload */
};
void tp_stats_read_server(struct tp_sessions *home, struct tp_stats_server *server);

/* The name of what there is one of: the server, of which its counters are counted. */
#define TP_STATS_SERVER "server"

/* A label of a subject: what it is of, and which one; borrowed. */
struct tp_stats_label {
    struct tp_str name;
    struct tp_str value;
};

/* The label `index`; false: it has no more. */
bool tp_stats_read_label(const struct tp_stats_subject *subject, size_t index,
                         struct tp_stats_label *label);

/* How a row is told to Prometheus and its like, which want base units and one name for each. */
enum {
    TP_STATS_METRIC_NAME_MAX = 160, /* bytes, with the terminator */
};
struct tp_stats_metric {
    char name[TP_STATS_METRIC_NAME_MAX]; /* "teleport_route_duration_seconds" */
    const char *type;                    /* "counter", "gauge" or "histogram" */
    unsigned decimals; /* how many digits of the count stand behind the point: 6 of microseconds */
};

/* Of a row of what is called `subject_name`. */
void tp_stats_make_metric(const char *subject_name, const struct tp_meter_row *row,
                          struct tp_stats_metric *metric);

/*
 * Appends all that is counted to `to`, as an object of JSON, which docs/guide/stats.md describes.
 * TP_NO_MEMORY: `to` has the beginning then.
 */
struct tp_chain;
enum tp_result tp_stats_write_json(struct tp_sessions *home, struct tp_chain *to) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
