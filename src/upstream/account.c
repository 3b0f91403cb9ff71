/*
 * account.c - what is said of passes: in the log, why one has failed, since not every protocol has a
 * place for that; and with the exchange, for the access log, where it has been.
 *
 * What fails may fail thousands of times a second: of one upstream one is logged each second, with
 * how many were not.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: pass.c.
 */
#include "upstream/record.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "format/values.h"
#include "metrics/stats.h"

enum {
    FAILURE_PAUSE_MS = 1000, /* of one upstream, between two lines of the log */
    URI_SHOWN_MAX = 512,     /* of a uri, escaped */
};

/* What a line says of one that has failed. */
struct failure {
    const struct tp_exchange *exchange; /* NULL: it was a question of our own */
    struct tp_str upstream;
    struct tp_str server;
    struct tp_str uri;
    const struct tp_status *status;
    int64_t try_count;
};

static void failure_log(struct tp_sessions *home, struct upstream_hush *hush,
                        const struct failure *failure);
static struct tp_str place_text(const struct upstream_pass *pass, char text[TP_ADDRESS_TEXT_MAX]);
static void target_count(struct upstream_target *target, uint64_t session_count, bool is_down);
static int64_t pass_now_us(const struct upstream_pass *pass);
static void pass_count(const struct upstream_pass *pass, const struct tp_reply *reply,
                       int64_t duration_us);

void
tp__pass_note_begin(struct upstream_pass *pass)
{
    pass->given_us = pass_now_us(pass);
    if (pass->target->counts != NULL) {
        tp__count_add(&pass->target->counts->in_flight, 1);
    }
}

void
tp__pass_note_not_begun(const struct upstream_pass *pass)
{
    if (pass->target->counts != NULL) {
        tp__count_sub(&pass->target->counts->in_flight, 1);
    }
}

void
tp__pass_note_end(const struct upstream_pass *pass, const struct tp_reply *reply)
{
    char address[TP_ADDRESS_TEXT_MAX];
    int64_t duration_us = pass_now_us(pass) - pass->given_us;

    pass_count(pass, reply, duration_us);
    if (!pass->is_told_of) {
        return;
    }
    const struct tp_passed passed = {
        .try_count = (uint32_t) pass->try_count,
        .status = reply == NULL ? 0 : tp_reply_status(reply)->code,
        .duration_us = duration_us,
        .place = place_text(pass, address),
    };

    tp__exchange_note_passed(pass->exchange, &passed);
}

void
tp__pass_log_failure(const struct upstream_pass *pass, struct tp_str server,
                     const struct tp_status *status)
{
    struct tp_upstream *upstream = pass->upstream;
    const struct failure failure = {
        .exchange = pass->exchange,
        .upstream = tp__str(upstream->name),
        .server = server,
        .uri = pass->exchange == NULL ? pass->options.uri : tp_exchange_uri(pass->exchange),
        .status = status,
        .try_count = pass->try_count,
    };

    failure_log(upstream->upstreams->home, &upstream->hush, &failure);
}

void
tp__target_find_counts(struct upstream_target *target)
{
    struct tp_stats *stats = target->upstreams->home->stats;
    const struct tp_str labels[] = {
        tp__str(target->upstream->name),
        target->source == NULL ? TP_STR("dialed in") : target->place.key,
    };
    bool is_counted = target->source == NULL || target->source->server->is_counted;

    if (stats == NULL || !is_counted) {
        return;
    }
    /* Whoever registers names a service, and its address. */
    target->counts = target->upstream->is_own
                         ? tp__stats_find_foreign(stats, TP_STATS_UPSTREAM, labels)
                         : tp__stats_find(stats, TP_STATS_UPSTREAM, labels);
}

void
tp__target_count_state(struct upstream_target *target)
{
    int64_t now_ms = tp__loop_now_ms(target->upstreams->home->loop);
    uint64_t session_count = 0;

    if (target->counts == NULL) {
        return;
    }
    TP_LIST_EACH (node, &target->links) {
        session_count += TP_CONTAINER_OF(node, struct upstream_link, node)->is_open ? 1 : 0;
    }
    target_count(target, session_count, !tp__target_is_healthy(target, now_ms));
}

void
tp__target_uncount_state(struct upstream_target *target)
{
    if (target->counts != NULL) {
        target_count(target, 0, false);
    }
}

void
tp__upstream_log_unfound(const struct tp_upstream_ref *ref, const struct tp_exchange *exchange,
                         const struct tp_status *status)
{
    struct tp_sessions *home = tp_exchange_home(exchange);
    const struct failure failure = {
        .exchange = exchange,
        .upstream = ref->name,
        .server = TP_STR("-"),
        .uri = tp_exchange_uri(exchange),
        .status = status,
    };

    failure_log(home, &home->upstreams->hush, &failure);
}

/* What is the asker's own mistake, who asks for what is not there, is worth less than a warning. */
static void
failure_log(struct tp_sessions *home, struct upstream_hush *hush, const struct failure *failure)
{
    const struct tp_status *status = failure->status;
    enum tp_log_level level = status->code >= TP_STATUS_INTERNAL_ERROR ? TP_LOG_WARN : TP_LOG_INFO;
    const struct tp_session *asker =
        failure->exchange == NULL ? NULL : tp_exchange_session(failure->exchange);
    const struct tp_log *log = asker == NULL ? tp_home_log(home) : tp_session_log(asker);
    struct tp_str why = status->cause.len > 0 ? status->cause : status->text;
    int64_t now_ms = tp__loop_now_ms(home->loop);
    char uri[URI_SHOWN_MAX + 1];
    struct tp_value_writer writer = { .next = uri, .text_room = URI_SHOWN_MAX, .is_log = true };

    if (!tp_log_shows(log, level)) {
        return;
    }
    if (hush->logged_ms != 0 && now_ms - hush->logged_ms < FAILURE_PAUSE_MS) {
        hush->unlogged++;
        return;
    }
    tp__value_write_uri(&writer, failure->uri);
    *writer.next = '\0';
    tp_log_write(
        log, level, "pass-failed",
        "uri=\"%s\" number=%llu upstream=%.*s server=%.*s tries=%lld status=%d why=\"%.*s\" "
        "unlogged=%llu",
        uri, asker == NULL ? 0 : (unsigned long long) tp_session_number(asker),
        TP_STR_ARG(failure->upstream), TP_STR_ARG(failure->server), (long long) failure->try_count,
        status->code, TP_STR_ARG(why), (unsigned long long) hush->unlogged);
    hush->logged_ms = now_ms;
    hush->unlogged = 0;
}

/* Where it has connected to; a member that has dialed in, or what cannot be reached, by its key. */
static struct tp_str
place_text(const struct upstream_pass *pass, char text[TP_ADDRESS_TEXT_MAX])
{
    const struct tp_address *address =
        pass->link == NULL ? NULL : tp_session_remote(pass->link->session);

    return address == NULL || address->family == TP_ADDRESS_NONE
               ? pass->target->place.key
               : tp__str(tp_address_format(address, text));
}

/* To the turn of the loop, unless somebody reads it in a log. */
static int64_t
pass_now_us(const struct upstream_pass *pass)
{
    return pass->is_told_of ? tp__clock_monotonic_us()
                            : tp__loop_now_us(pass->upstream->upstreams->home->loop);
}

/* `reply` is NULL for a PUSH that has left. */
static void
pass_count(const struct upstream_pass *pass, const struct tp_reply *reply, int64_t duration_us)
{
    struct tp_upstream_counts *counts = pass->target->counts;

    if (counts == NULL) {
        return;
    }
    tp__count_sub(&counts->in_flight, 1);
    tp__count_add(&counts->exchanges, 1);
    tp__count_value(&counts->duration, duration_us);
    if (reply != NULL
        && (!reply->is_answered
            || (reply->status.code >= TP_STATUS_BAD_GATEWAY
                && reply->status.code <= TP_STATUS_GATEWAY_TIMEOUT))) {
        tp__count_add(&counts->errors, 1);
    }
}

/* These are the state of all places of that name: what is added is how this one has changed. */
static void
target_count(struct upstream_target *target, uint64_t session_count, bool is_down)
{
    struct tp_upstream_counts *counts = target->counts;

    tp__count_add(&counts->sessions, session_count - target->counted_sessions);
    tp__count_add(&counts->is_down, (uint64_t) is_down - (uint64_t) target->is_counted_down);
    target->counted_sessions = session_count;
    target->is_counted_down = is_down;
}
