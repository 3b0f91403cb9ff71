/*
 * trace.c - exchanges that somebody watches.
 *
 *   begin: whom does it match so far?  a record    moments: when what happened
 *   end: who is there still, and does its outcome match, too?  they are shown it
 *
 * A record is there from the exchange's begin to its end, and only for those that matched: of the
 * others nothing is noted.  What is kept of bodies is a copy that has a bound, so that no trace pins
 * what was read; a body is made readable only for who is shown it.  Records are bounded, too: what
 * begins beyond that is not seen, and counted.
 *
 * Runs in: worker.  Owns: watches and records.
 * Read next: format/redact.c, exchange.c, asking.c.
 */
#include "session/trace.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/uri.h"
#include "base/utf8.h"
#include "format/body_text.h"
#include "format/redact.h"
#include "session/record.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRACE_INFLATED_MAX = 256 * 1024, /* bytes; a body that grows beyond that stays as it came */
    TRACE_KEPT_MAX = TP_BODY_TEXT_MAX + 1, /* of a plain one: more is never shown */
};

/* Someone who watches.  Its serial tells it from others that had its place before. */
struct tp_trace {
    struct tp_sessions *home;
    unsigned place;
    uint64_t serial;
    struct tp_trace_filter filter; /* its texts are in `texts` */
    bool keeps_bodies;
    tp_traced_fn on_traced;
    void *owner;
    uint64_t missed;
    char texts[];
};

/* All who watch in a worker; there is none while nobody does. */
struct tp_tracer {
    struct tp_trace *watches[TP_TRACES_MAX];
    unsigned end;      /* there is none from this place on */
    bool keeps_bodies; /* one of them does */
};

/* The beginning of a body, as it was on the wire. */
struct trace_body {
    struct tp_chain kept;
    size_t len; /* of all of it */
    uint8_t codec;
    int32_t gzip_level;
    bool is_kept;
};

struct tp_trace_record {
    uint32_t places; /* of the watches that it has matched so far, a bit for each */
    uint64_t serial; /* later watches have not seen it begin */
    int64_t read_us;
    int64_t at_us[TP_TRACED_MOMENTS]; /* 0: never */
    struct trace_body request;
    struct trace_body reply; /* of a PULL of ours */
    size_t session_id_len;
    char session_id[TP_SESSION_ID_MAX];
};

static uint32_t tracer_find(struct tp_sessions *sessions, const struct tp_exchange *exchange);
static bool filter_matches_begin(const struct tp_trace_filter *filter,
                                 const struct tp_exchange *exchange);
static uint32_t tracer_find_still(const struct tp_exchange *exchange, int64_t total_us);
static bool filter_matches_end(const struct tp_trace_filter *filter, int32_t status,
                               int64_t total_us);
static void tracer_count_missed(struct tp_tracer *tracer, uint32_t places);
static void tracer_settle(struct tp_sessions *sessions);
static struct tp_trace_record *record_make(struct tp_exchange *exchange, uint32_t places);
static void record_free(struct tp_exchange *exchange);
static void body_keep(struct trace_body *kept, struct tp_sessions *sessions,
                      const struct tp_packet *packet);
static void body_inflate(const struct tp_exchange *exchange, int32_t gzip_level,
                         struct tp_chain *body);
static void trace_show(struct tp_exchange *exchange, uint32_t places, int64_t now_us);
static struct tp_str trace_show_id(const struct tp_trace_record *record,
                                   char shown[TP_TRACE_ID_SHOWN_MAX]);
static void traced_fill_stages(struct tp_traced *traced, const struct tp_exchange *exchange,
                               int64_t now_us);
static void traced_fill_own_stages(struct tp_traced *traced, const struct tp_exchange *exchange,
                                   int64_t now_us);
static int64_t stage_us(int64_t from_us, int64_t to_us);
static void traced_fill_packet(struct tp_traced_packet *shown, const struct tp_packet *packet,
                               char *room);
static bool exchange_has_secrets(const struct tp_exchange *exchange);
static char *trace_copy_text(struct tp_str *text, char *next);

const char *
tp_trace_stage_word(enum tp_trace_stage stage)
{
    static const char *const words[] = {
#define STAGE_WORD(name, word, sentence) word,
        TP_TRACE_STAGE_TABLE(STAGE_WORD)
#undef STAGE_WORD
    };

    return words[stage];
}

enum tp_result
tp_trace_create(struct tp_sessions *home, const struct tp_trace_filter *filter, bool keeps_bodies,
                tp_traced_fn on_traced, void *owner, struct tp_trace **trace)
{
    size_t len = filter->session_id.len + filter->uri.len + filter->spared_push.len;
    struct tp_trace *made;
    unsigned place = 0;

    *trace = NULL;
    if (filter->session_id.len > TP_SESSION_ID_MAX || filter->uri.len > TP_TRACE_URI_MAX) {
        return TP_TOO_LARGE;
    }
    if (home->tracer == NULL) {
        home->tracer = calloc(1, sizeof(*home->tracer));
    }
    if (home->tracer == NULL) {
        return TP_NO_MEMORY;
    }
    while (place < TP_TRACES_MAX && home->tracer->watches[place] != NULL) {
        place++;
    }
    made = place == TP_TRACES_MAX ? NULL : calloc(1, sizeof(*made) + len);
    if (made == NULL) {
        tracer_settle(home);
        return place == TP_TRACES_MAX ? TP_FULL : TP_NO_MEMORY;
    }
    made->home = home;
    made->place = place;
    made->serial = ++home->trace_serial;
    made->filter = *filter;
    made->keeps_bodies = keeps_bodies;
    made->on_traced = on_traced;
    made->owner = owner;
    char *next = trace_copy_text(&made->filter.session_id, made->texts);

    next = trace_copy_text(&made->filter.uri, next);
    trace_copy_text(&made->filter.spared_push, next);
    home->tracer->watches[place] = made;
    tracer_settle(home);
    *trace = made;
    return TP_OK;
}

void
tp_trace_destroy(struct tp_trace **destroyed)
{
    struct tp_trace *trace = *destroyed;

    if (trace == NULL) {
        return;
    }
    *destroyed = NULL;
    trace->home->tracer->watches[trace->place] = NULL;
    tracer_settle(trace->home);
    free(trace);
}

uint64_t
tp_trace_take_missed(struct tp_trace *trace)
{
    uint64_t missed = trace->missed;

    trace->missed = 0;
    return missed;
}

void
tp_trace_passed(struct tp_exchange *exchange)
{
    tp__trace_mark(exchange, TP_TRACED_PASSED);
}

void
tp__trace_begin(struct tp_exchange *exchange)
{
    struct tp_sessions *sessions = exchange->sessions;
    uint32_t places = tracer_find(sessions, exchange);

    if (places == 0) {
        return;
    }
    exchange->trace = record_make(exchange, places);
    if (exchange->trace == NULL) {
        tracer_count_missed(sessions->tracer, places);
    }
}

void
tp__trace_note(struct tp_exchange *exchange, enum tp_trace_moment moment)
{
    struct tp_trace_record *record = exchange->trace;

    if (record->at_us[moment] == 0) {
        record->at_us[moment] = tp__clock_monotonic_us();
    }
}

void
tp__trace_keep_reply(struct tp_exchange *exchange)
{
    const struct tp_tracer *tracer = exchange->sessions->tracer;

    tp__trace_note(exchange, TP_TRACED_ANSWERED);
    if (tracer != NULL && tracer->keeps_bodies) {
        body_keep(&exchange->trace->reply, exchange->sessions, &exchange->reply);
    }
    exchange->trace->reply.len = exchange->reply.body.len;
}

void
tp__trace_end(struct tp_exchange *exchange)
{
    int64_t now_us = tp__clock_monotonic_us();
    int64_t total_us = now_us - exchange->begun_us + exchange->trace->read_us;
    uint32_t places =
        exchange->sessions->tracer == NULL ? 0 : tracer_find_still(exchange, total_us);

    if (places != 0) {
        trace_show(exchange, places, now_us);
    }
    record_free(exchange);
}

void
tp__trace_drop(struct tp_exchange *exchange)
{
    if (exchange->trace != NULL) {
        record_free(exchange);
    }
}

size_t
tp_traced_show_body(const struct tp_traced *traced, bool is_reply, size_t limit,
                    struct tp_body_text *text, bool *is_shown)
{
    const struct tp_exchange *exchange = traced->exchange;
    const struct tp_trace_record *record = exchange->trace;
    const struct tp_packet *reply = &exchange->reply;
    const struct trace_body *kept = is_reply ? &record->reply : &record->request;
    struct trace_body body = *kept;

    if (is_reply && !exchange->is_ours) {
        /* It is there still, and nobody else's. */
        body = (struct trace_body){
            .kept = reply->body,
            .len = reply->body.len,
            .codec = reply->body_codec,
            .gzip_level = reply->gzip_level,
            .is_kept = reply->gzip_level == 0 || reply->body.len <= TP_TRACE_DEFLATED_MAX,
        };
    }
    text->form = "";
    text->taken = 0;
    text->text[0] = '\0';
    *is_shown = body.len == 0 || (body.is_kept && !exchange_has_secrets(exchange));
    if (!*is_shown || body.len == 0) {
        return body.len;
    }
    struct tp_chain plain = { 0 };
    size_t len = body.len;

    if (tp_chain_share(&plain, &body.kept) == TP_OK && body.gzip_level != 0) {
        body_inflate(exchange, body.gzip_level, &plain);
        len = plain.len;
    }
    tp__body_text_write(text, &plain, body.codec, limit);
    tp_chain_clear(&plain);
    return len - text->taken;
}

/* Places of those who want to see it, as far as can be known now. */
static uint32_t
tracer_find(struct tp_sessions *sessions, const struct tp_exchange *exchange)
{
    const struct tp_tracer *tracer = sessions->tracer;
    uint32_t places = 0;

    for (unsigned i = 0; i < tracer->end; i++) {
        if (tracer->watches[i] != NULL
            && filter_matches_begin(&tracer->watches[i]->filter, exchange)) {
            places |= UINT32_C(1) << i;
        }
    }
    return places;
}

static bool
filter_matches_begin(const struct tp_trace_filter *filter, const struct tp_exchange *exchange)
{
    const struct tp_str uri = tp__exchange_wire_uri(exchange);
    bool is_own_push = exchange->is_ours && exchange->request.type == TP_PACKET_PUSH;

    if (is_own_push && filter->spared_push.len > 0 && tp__str_equal(uri, filter->spared_push)) {
        return false;
    }
    if (filter->session_number != 0 && filter->session_number != exchange->session_number) {
        return false;
    }
    if (filter->session_id.len > 0
        && !tp__str_equal(filter->session_id, tp_session_id(exchange->session))) {
        return false;
    }
    if (filter->address.family != TP_ADDRESS_NONE
        && !tp_address_is_of_host(&exchange->remote, &filter->address)) {
        return false;
    }
    return filter->uri.len == 0 || tp__trace_uri_matches(filter->uri, uri);
}

bool
tp__trace_uri_matches(struct tp_str pattern, struct tp_str uri)
{
    struct tp_str path = tp__uri_path(uri);
    bool is_prefix = pattern.len > 0 && pattern.data[pattern.len - 1] == '*';

    pattern.len -= is_prefix ? 1 : 0;
    while (pattern.len > 0) {
        if (path.len == 0 || tp__uri_take_byte(&path) != (uint8_t) pattern.data[0]) {
            return false;
        }
        pattern = tp__str_skip(pattern, 1);
    }
    return is_prefix || path.len == 0;
}

/* Of those that have seen it begin: who is there still, and wants to see it end so. */
static uint32_t
tracer_find_still(const struct tp_exchange *exchange, int64_t total_us)
{
    const struct tp_trace_record *record = exchange->trace;
    const struct tp_tracer *tracer = exchange->sessions->tracer;
    uint32_t places = 0;

    for (unsigned i = 0; i < tracer->end; i++) {
        const struct tp_trace *trace = tracer->watches[i];

        if ((record->places >> i & 1) != 0 && trace != NULL && trace->serial <= record->serial
            && filter_matches_end(&trace->filter, exchange->reply.status.code, total_us)) {
            places |= UINT32_C(1) << i;
        }
    }
    return places;
}

static bool
filter_matches_end(const struct tp_trace_filter *filter, int32_t status, int64_t total_us)
{
    if (filter->status_max != 0 && (status < filter->status_min || status > filter->status_max)) {
        return false;
    }
    return total_us >= filter->duration_min_us;
}

static void
tracer_count_missed(struct tp_tracer *tracer, uint32_t places)
{
    for (unsigned i = 0; i < TP_TRACES_MAX; i++) {
        if ((places >> i & 1) != 0) {
            tracer->watches[i]->missed++;
        }
    }
}

/* Another one watches, or one no more. */
static void
tracer_settle(struct tp_sessions *sessions)
{
    struct tp_tracer *tracer = sessions->tracer;

    tracer->end = 0;
    tracer->keeps_bodies = false;
    for (unsigned i = 0; i < TP_TRACES_MAX; i++) {
        if (tracer->watches[i] != NULL) {
            tracer->end = i + 1;
            tracer->keeps_bodies |= tracer->watches[i]->keeps_bodies;
        }
    }
    if (tracer->end == 0) {
        free(tracer);
        sessions->tracer = NULL;
    }
}

static struct tp_trace_record *
record_make(struct tp_exchange *exchange, uint32_t places)
{
    struct tp_sessions *sessions = exchange->sessions;
    const struct tp_session *session = exchange->session;
    struct tp_str id = tp_session_id(session);
    struct tp_trace_record *record =
        sessions->trace_record_count < TP_TRACE_RECORDS_MAX ? calloc(1, sizeof(*record)) : NULL;

    if (record == NULL) {
        return NULL;
    }
    sessions->trace_record_count++;
    record->places = places;
    record->serial = sessions->trace_serial;
    if (!exchange->is_ours && session->packet_begun_ms != 0) {
        int64_t read_us = exchange->begun_us - session->packet_begun_ms * 1000;

        record->read_us = read_us > 0 ? read_us : 0;
    }
    record->session_id_len = id.len;
    if (id.len > 0) {
        memcpy(record->session_id, id.data, id.len);
    }
    if (sessions->tracer->keeps_bodies) {
        body_keep(&record->request, sessions, &exchange->request);
    }
    record->request.len = exchange->request.body.len;
    return record;
}

static void
record_free(struct tp_exchange *exchange)
{
    struct tp_trace_record *record = exchange->trace;

    exchange->trace = NULL;
    exchange->sessions->trace_record_count--;
    tp_chain_clear(&record->request.kept);
    tp_chain_clear(&record->reply.kept);
    free(record);
}

/* Where memory is short nothing is kept, and that is shown. */
static void
body_keep(struct trace_body *kept, struct tp_sessions *sessions, const struct tp_packet *packet)
{
    size_t len = packet->body.len;
    bool is_deflated = packet->gzip_level != 0;

    kept->codec = packet->body_codec;
    kept->gzip_level = packet->gzip_level;
    if (len == 0 || (is_deflated && len > TP_TRACE_DEFLATED_MAX)) {
        return;
    }
    len = is_deflated || len < TRACE_KEPT_MAX ? len : TRACE_KEPT_MAX;
    struct tp_buf *buf = tp_buf_make(&sessions->pool, len);

    if (buf != NULL) {
        tp_chain_copy(&packet->body, 0, len, buf->bytes);
        kept->is_kept =
            tp_chain_append(&kept->kept,
                            (struct tp_slice){ .buf = buf, .data = buf->bytes, .len = len })
            == TP_OK;
    }
}

/* What is broken, or grows too large, stays as it came. */
static void
body_inflate(const struct tp_exchange *exchange, int32_t gzip_level, struct tp_chain *body)
{
    const struct tp_size limit = { TRACE_INFLATED_MAX };
    struct tp_chain plain = { 0 };

    if (gzip_level != 0 && tp__sessions_inflate(exchange->sessions, body, limit, &plain) == TP_OK) {
        tp_chain_clear(body);
        *body = plain;
    } else {
        tp_chain_clear(&plain);
    }
}

/* To those at these places, who may not end a watch within the call. */
static void
trace_show(struct tp_exchange *exchange, uint32_t places, int64_t now_us)
{
    const struct tp_trace_record *record = exchange->trace;
    char uri[TP_TRACE_TEXT_MAX];
    char metadata[2][TP_TRACE_TEXT_MAX];
    char words[2][TP_TRACE_WORDS_MAX];
    char id[TP_TRACE_ID_SHOWN_MAX];
    const struct tp_status *status = &exchange->reply.status;
    const struct tp_session *session = exchange->session;
    struct tp_traced traced = {
        .exchange = exchange,
        .is_ours = exchange->is_ours,
        .is_sent = exchange->is_sent,
        .session_number = exchange->session_number,
        .session_id = trace_show_id(record, id),
        .remote = &exchange->remote,
        .source = tp__str(exchange->source->name),
        .protocol = tp__str(session == NULL ? "" : tp__session_protocol(session)->name),
        .route = tp_exchange_route(exchange),
        .uri = tp__redact_uri(tp__exchange_wire_uri(exchange), uri, sizeof(uri)),
        .seq = exchange->request.seq,
        .status = status->code,
        .status_text = tp__redact_text(status->text, words[0], sizeof(words[0])),
        .status_cause = tp__redact_text(status->cause, words[1], sizeof(words[1])),
    };

    traced_fill_packet(&traced.request, &exchange->request, metadata[0]);
    traced.request.body_bytes = record->request.len;
    if (exchange->is_ours ? exchange->is_answered : exchange->is_sent) {
        traced_fill_packet(&traced.reply, &exchange->reply, metadata[1]);
        traced.reply.body_bytes = exchange->is_ours ? record->reply.len : exchange->reply.body.len;
    }
    traced_fill_stages(&traced, exchange, now_us);
    for (unsigned i = 0; i < TP_TRACES_MAX; i++) {
        if ((places >> i & 1) != 0) {
            const struct tp_trace *trace = exchange->sessions->tracer->watches[i];

            trace->on_traced(&traced, trace->owner);
        }
    }
}

/* As it is; one that is no UTF-8, which JSON could not hold, escaped. */
static struct tp_str
trace_show_id(const struct tp_trace_record *record, char shown[TP_TRACE_ID_SHOWN_MAX])
{
    const struct tp_str id = { record->session_id, record->session_id_len };

    for (struct tp_str rest = id; rest.len > 0;) {
        struct tp_utf8 character = tp__utf8_read(rest);

        if (!character.is_valid) {
            return tp__redact_text(id, shown, TP_TRACE_ID_SHOWN_MAX);
        }
        rest = tp__str_skip(rest, character.len);
    }
    return id;
}

static void
traced_fill_stages(struct tp_traced *traced, const struct tp_exchange *exchange, int64_t now_us)
{
    const struct tp_trace_record *record = exchange->trace;
    const int64_t *at_us = record->at_us;
    int64_t *stages_us = traced->stages_us;

    for (size_t i = 0; i < TP_TRACE_STAGE_COUNT; i++) {
        stages_us[i] = -1;
    }
    traced->total_us = now_us - exchange->begun_us + record->read_us;
    if (exchange->is_ours) {
        traced_fill_own_stages(traced, exchange, now_us);
        return;
    }
    int64_t answered_us = exchange->finished_us != 0 ? exchange->finished_us : now_us;
    int64_t handled_us = at_us[TP_TRACED_HANDLED];
    int64_t queued_us = at_us[TP_TRACED_QUEUED] != 0 ? at_us[TP_TRACED_QUEUED] : answered_us;

    stages_us[TP_TRACE_READ] = record->read_us;
    stages_us[TP_TRACE_WAIT] =
        stage_us(exchange->begun_us, handled_us != 0 ? handled_us : answered_us);
    if (handled_us != 0) {
        stages_us[TP_TRACE_HANDLER] = stage_us(handled_us, answered_us);
    }
    if (at_us[TP_TRACED_PASSED] != 0) {
        stages_us[TP_TRACE_UPSTREAM] = stage_us(at_us[TP_TRACED_PASSED], answered_us);
    }
    if (exchange->is_parked) {
        queued_us = now_us; /* It never got there. */
    }
    if (tp_exchange_wants_reply(exchange) && exchange->finished_us != 0) {
        stages_us[TP_TRACE_ORDER] = stage_us(answered_us, queued_us);
        stages_us[TP_TRACE_QUEUE] = stage_us(queued_us, now_us);
    }
}

static void
traced_fill_own_stages(struct tp_traced *traced, const struct tp_exchange *exchange, int64_t now_us)
{
    const int64_t *at_us = exchange->trace->at_us;
    int64_t *stages_us = traced->stages_us;
    int64_t queued_us = at_us[TP_TRACED_QUEUED];
    int64_t sent_us = at_us[TP_TRACED_SENT];
    int64_t answered_us = at_us[TP_TRACED_ANSWERED];

    stages_us[TP_TRACE_WAIT] = stage_us(exchange->begun_us, queued_us != 0 ? queued_us : now_us);
    if (queued_us != 0) {
        stages_us[TP_TRACE_QUEUE] = stage_us(queued_us, sent_us != 0 ? sent_us : now_us);
    }
    if (sent_us != 0 && tp_exchange_wants_reply(exchange)) {
        stages_us[TP_TRACE_ANSWER] = stage_us(sent_us, answered_us != 0 ? answered_us : now_us);
    }
}

/* The turn's time is older than the clock's. */
static int64_t
stage_us(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? to_us - from_us : 0;
}

static void
traced_fill_packet(struct tp_traced_packet *shown, const struct tp_packet *packet, char *room)
{
    *shown = (struct tp_traced_packet){
        .type = packet->type,
        .header_codec = packet->header_codec,
        .body_codec = packet->body_codec,
        .gzip_level = packet->gzip_level,
        .filters = { (const char *) packet->filters, packet->filter_count },
        .metadata = tp__redact_metadata(packet->metadata, room, TP_TRACE_TEXT_MAX),
        .wire_bytes = packet->wire_bytes,
    };
}

/* Whatever comes before its hooks have said what it is, may be somebody's credentials. */
static bool
exchange_has_secrets(const struct tp_exchange *exchange)
{
    int32_t type = exchange->request.type;

    return exchange->is_secret || exchange->is_unbegun || exchange->is_unrouted
           || (type != TP_PACKET_PULL && type != TP_PACKET_PUSH);
}

static char *
trace_copy_text(struct tp_str *text, char *next)
{
    if (text->len > 0) {
        text->data = memcpy(next, text->data, text->len);
    }
    return next + text->len;
}
