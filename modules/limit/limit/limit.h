/*
 * limit.h - the parts of the module limit: how many sessions there may be, and how much they
 * may ask.
 */
#ifndef TELEPORT_LIMIT_H
#define TELEPORT_LIMIT_H

#include <teleport/module.h>

enum {
    LIMIT_CHARGES_MAX = 8, /* rules of connections that may count one session */
    LIMIT_BUCKETS_MAX = 8, /* rates that each session has of its own */
    LIMIT_SLOTS = 256,     /* the largest worker_processes */
    LIMIT_ID_MAX = 64,     /* bytes of an id; of a longer one a hash */
    LIMIT_LOG_PAUSE_MS = 1000,
};

/* The longest time that a bucket remembers: times may be added to one another without care. */
#define LIMIT_TIME_MAX_NS (INT64_C(1) << 61)

/* What a rule of connections counts by. */
enum limit_by {
    LIMIT_BY_ADDRESS,
    LIMIT_BY_ID,
    LIMIT_BY_NOTHING, /* limit_total: all sessions together */
};

/* What a rule has in this process, for as long as a configuration is used. */
struct limit_state {
    bool is_counted;       /* the sessions that are there have been counted */
    int64_t logged_ms;     /* when something was last logged of it */
    uint64_t silent_count; /* what was not logged since then */
    struct limit_wait *waits;
};

/* What any rule has. */
struct limit_rule {
    struct tp_str zone; /* names its table, and it in logs and counters */
    uint32_t zone_hash;
    int64_t entries;
    struct tp_table *table; /* NULL: it keeps its count with each session */
    struct tp_meter refused;
    struct tp_meter delayed;
    struct tp_meter would_refuse;
    struct tp_meter uncounted;
    struct limit_state *state;
};

struct limit_conn {
    struct limit_rule rule;
    int64_t max;
    int by; /* enum limit_by */
};

/* Of packets, or of bytes. */
struct limit_speed {
    bool is_of_bytes;
    uint64_t count;
    uint64_t period_ns;
};

struct limit_rate {
    struct limit_rule rule;
    struct limit_speed speed;
    struct tp_template key; /* empty: each session has its own */
    struct tp_size burst;   /* packets or bytes; 0: what comes in a second */
    struct tp_msec delay;   /* as long may one wait; 0: it is refused at once */

    /* Filled when the configuration is checked. */
    bool is_of_session;  /* the key stays the same */
    uint32_t place_hash; /* names the zone and the key */
    int64_t unit_ns;     /* what a packet costs, or a byte; 0: less than a nanosecond */
    int64_t burst_ns;
};

struct limit_conf {
    struct tp_items conns;  /* struct limit_conn */
    struct tp_items totals; /* struct limit_conn */
    struct tp_items rates;  /* struct limit_rate */
    bool is_dry_run;
};

/*
 * What a session has of a rule: a count of its own, by the name of its zone, or where in the rule's
 * table that of its key is, by the names of both.
 */
struct limit_bucket {
    uint32_t name;  /* see limit_zone_hash(), and place_hash of a rate; 0: free */
    uint32_t place; /* in the table; 0: the count is its own */
    union {
        int64_t full_ns;
        uint64_t hash; /* with a place */
    };
};

/* What is kept of a session. */
struct limit_session {
    const struct limit_conf *conf;       /* of the charges, the session's; NULL: it has none yet */
    uint32_t charges[LIMIT_CHARGES_MAX]; /* rules that count it; 0: free */
    struct limit_bucket buckets[LIMIT_BUCKETS_MAX];
    uint32_t id_len;
    char id[LIMIT_ID_MAX]; /* that it is counted by */
};

extern const struct tp_module tp_module_limit;

/* A short name of a zone; never 0. */
uint32_t limit_zone_hash(struct tp_str zone);

/* Logs what the rule has done ("refused"), not more often than once a second. */
void limit_log(const struct limit_rule *rule, const struct tp_session *session, const char *what);

/* limit_conn.c */
extern const struct tp_table_layout limit_conn_layout;
enum tp_verdict limit_conn_on_accept(struct tp_hook_call *call, const void *module_conf);
enum tp_verdict limit_conn_on_disconnect(struct tp_hook_call *call, const void *module_conf);
void limit_conn_on_identity(struct tp_session *session, const void *module_conf);
void limit_conn_on_restored(struct tp_session *session, void *kept, const void *module_conf);
void limit_conn_on_conf(struct tp_session *session, const void *module_conf);
void limit_conn_start(struct tp_sessions *home, const struct limit_conf *conf);

/* limit_rate.c */
extern const struct tp_table_layout limit_rate_layout;
enum tp_verdict limit_rate_on_header(struct tp_hook_call *call, const void *module_conf);

/* Where its counts are in tables is not known any more: its key may be another one. */
void limit_rate_forget_places(struct limit_session *data);

/* For the end of a configuration: nothing of it waits any more but what the worker's end cuts off. */
void limit_rate_stop(const struct limit_conf *conf);

/* The time that `count` packets or bytes take at this speed, LIMIT_TIME_MAX_NS at most. */
int64_t limit_speed_time_ns(const struct limit_speed *speed, uint64_t count);

#endif
