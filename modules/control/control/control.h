/*
 * control.h - what the files of this module share: requests that are read, objects that are
 * written, and how one ends.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <teleport/json.h>
#include <teleport/module.h>
#include <teleport/stats.h>

enum {
    CONTROL_TEXT_MAX = 4 * TP_EXCHANGE_URI_MAX, /* bytes; a uri is escaped */
    CONTROL_SECOND_MS = 1000,
    CONTROL_SECOND_US = 1000 * CONTROL_SECOND_MS,
};

/* What a trace may show. */
enum control_trace_mode {
    CONTROL_TRACE_OFF,
    CONTROL_TRACE_HEADERS,
    CONTROL_TRACE_BODIES,
};

struct control_conf {
    int trace_mode;            /* enum control_trace_mode */
    int64_t trace_rate;        /* exchanges a second, of a trace in a worker */
    struct tp_size trace_body; /* bytes that are shown of a body */
    struct tp_table *traces;   /* all that are under way; NULL: this route has another handler */
};

extern const struct tp_module tp_module_control;

/* /control/inflight */
void control_inflight(struct tp_exchange *exchange, const cJSON *request,
                      const struct control_conf *conf);

/*
 * Members of a request; what is missing leaves what is there.  They return NULL, or what is wrong:
 * a text; a whole number; seconds, perhaps with a fraction; a session's "number" or "id"; the address of
 * the other end.
 */
const char *control_read_text(const cJSON *request, const char *name, size_t len_max,
                              struct tp_str *text);
const char *control_read_limit(const cJSON *request, size_t max, size_t *limit);
const char *control_read_name(const cJSON *request, struct tp_session_name *name);
const char *control_read_address(const cJSON *request, struct tp_address *address);

/* A member that memory did not suffice for is missing. */
void control_add_text(cJSON *object, const char *name, struct tp_str text);
void control_add_number(cJSON *object, const char *name, uint64_t number);

/* Ends the exchange with the value, which is taken; NULL: memory was out. */
void control_reply(struct tp_exchange *exchange, cJSON *value);

/* What was asked is under way, or failed at once. */
void control_begin(struct tp_exchange *exchange, enum tp_result result);

void control_refuse(struct tp_exchange *exchange, enum tp_result result);
void control_refuse_request(struct tp_exchange *exchange, const char *why);
void control_refuse_with(struct tp_exchange *exchange, enum tp_status_code code, const char *why);

struct tp_str control_text(const char *terminated);

#endif
