/*
 * trace.h - /control/trace and /control/untrace: exchanges shown to a session as they end.
 */
#ifndef CONTROL_TRACE_H
#define CONTROL_TRACE_H

#include "control.h"

enum {
    TRACES_MAX = 16, /* under way at once, in all workers */
};

/*
 * A trace, as all workers know it: what is wanted, and of how much.  Plain data, whose key is the
 * number of the session that has asked for it.
 */
struct trace_entry {
    uint64_t serial; /* of the session's traces; 0: what a dead worker has left half done */
    uint64_t number; /* of the session that is told */
    int64_t renewed_ms;
    int64_t until_ms; /* 0: as long as the session lives */
    uint64_t left;    /* exchanges that may still be shown */
    bool is_counted;  /* …there is such a bound */
    bool wants_bodies;
    int64_t rate;
    size_t body_limit;
    uint64_t session_number;
    struct tp_address address;
    int32_t status_min;
    int32_t status_max;
    int64_t duration_min_us;
    uint32_t id_len;
    uint32_t uri_len;
    char id[TP_SESSION_ID_MAX];
    char uri[TP_TRACE_URI_MAX];
};

extern const char *const trace_members[];
extern const char *const untrace_members[];

/* The requests. */
void trace_on_begin(struct tp_exchange *exchange, const cJSON *request,
                    const struct control_conf *conf);
void trace_on_end(struct tp_exchange *exchange, const cJSON *request,
                  const struct control_conf *conf);

/* The module's own, for each conf. */
void trace_validate(const struct tp_block *block, struct control_conf *conf);
enum tp_result trace_start(struct tp_sessions *home, const struct control_conf *conf);
void trace_stop(struct tp_sessions *home, const struct control_conf *conf);
void trace_on_told(struct tp_sessions *home);

/* trace_request.c: reads what is wanted.  Returns NULL, or what is wrong. */
const char *trace_read_request(const cJSON *request, int64_t now_ms, struct trace_entry *entry);

/* trace_event.c: what is said of an exchange, and of the end of a trace. */
struct trace_saying {
    bool shows_bodies;
    size_t body_limit;
    unsigned worker;
    int64_t wall_ms;
    uint64_t lost; /* exchanges that were not shown since the last one that was */
};

/* JSON, the caller's (cJSON_free); NULL: memory is out. */
char *trace_event_write(const struct tp_traced *traced, const struct trace_saying *saying);
char *trace_event_write_end(const char *why, const struct trace_saying *saying);

#endif
