/*
 * pass.c - one exchange on its way to a place and back.
 *
 * It is given to one place after the other until one answers, as far as that is safe: what may have
 * been done already is tried again only where its route says that this does no harm.  Where no place
 * can take it now but one is about to, it waits.  Whatever dies, the exchange is answered, once: with
 * 503 when it was certainly not done, 502 when it may have been, 504 when nobody has said.
 *
 * Runs in: worker.  Owns: the exchange, which is kept until then.
 * Read next: upstream.c, which chooses; session/forward.c, which sends.
 */
#include "upstream/record.h"

#include "base/hash.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    PASSES_KEPT_MAX = 1024, /* free ones of a worker */
    SERVER_SHOWN_MAX = 256, /* of its name, in the log */
};

static struct upstream_pass *pass_create(struct tp_upstream *upstream);
static void pass_explain(const struct tp_exchange *exchange, void *owner,
                         struct tp_awaited *awaited);
static enum tp_result pass_take_options(struct upstream_pass *pass,
                                        const struct tp_pass_options *options);
static void pass_take_key(struct upstream_pass *pass, struct tp_str key);
static void pass_expand_key(struct upstream_pass *pass);
static void pass_try(struct upstream_pass *pass);
static enum tp_result pass_give(struct upstream_pass *pass, struct upstream_target *target);
static enum tp_result pass_send(struct upstream_pass *pass, struct tp_session *session,
                                bool waits_for_connection);
static bool pass_is_told_only(const struct upstream_pass *pass, const struct tp_session *session);
static enum tp_result pass_send_question(struct upstream_pass *pass, struct tp_session *session);
static enum tp_result pass_send_away(struct upstream_pass *pass, uint64_t session_number);
static enum tp_result pass_send_question_away(struct upstream_pass *pass, uint64_t session_number);
static void pass_on_sent(void *owner);
static void pass_on_reply(const struct tp_reply *reply, void *owner);
static void pass_on_remote(enum tp_result result, const struct tp_reply *reply, void *owner);
static void pass_on_silence(struct upstream_pass *pass, const struct tp_reply *reply);
static bool pass_may_go_on(const struct upstream_pass *pass, const struct tp_reply *reply);
static bool pass_may_wait(const struct upstream_pass *pass);
static struct tp_status pass_silence_status(const struct upstream_pass *pass,
                                            const struct tp_reply *reply);
static unsigned pass_reason(const struct tp_reply *reply);
static void pass_wait(struct upstream_pass *pass);
static void pass_on_deadline(struct tp_timer *timer);
static void pass_leave_place(struct upstream_pass *pass);
static void pass_end(struct upstream_pass *pass, const struct tp_reply *reply);
static void pass_refuse(struct upstream_pass *pass, enum tp_result result);
static void pass_fail(struct upstream_pass *pass, const char *why);
static struct tp_status pass_failure(const struct upstream_pass *pass, const char *why);
static void pass_end_with(struct upstream_pass *pass, const struct tp_status *status);
static void pass_destroy(struct upstream_pass *pass);
static struct upstream_pass *pass_from_node(struct tp_list_node *node);

void
tp__upstream_pass(struct tp_upstream *upstream, struct tp_exchange *exchange,
                  const struct tp_pass_options *options, bool is_for_own)
{
    struct upstream_pass *pass = pass_create(upstream);

    if (pass == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    tp_exchange_keep(exchange);
    tp_exchange_explain(exchange, pass_explain, pass);
    pass->exchange = exchange;
    pass->is_for_own = is_for_own;
    pass->is_told_of = tp__exchange_tells_passed(exchange);
    if (pass_take_options(pass, options) != TP_OK) {
        pass_refuse(pass, TP_NO_MEMORY);
        return;
    }
    if (upstream->options.balance == TP_BALANCE_HASH) {
        pass_expand_key(pass);
    }
    pass_try(pass);
}

enum tp_result
tp_upstream_ask(struct tp_upstream *upstream, const struct tp_upstream_question *question,
                tp_reply_fn on_reply, void *owner)
{
    const struct tp_pass_options options = {
        .timeout = question->timeout,
        .next_on = TP_PASS_ON_ERROR | TP_PASS_ON_TIMEOUT | TP_PASS_ON_502 | TP_PASS_ON_503,
        .tries_max = question->tries_max,
        .is_idempotent = true,
    };
    struct upstream_pass *pass = pass_create(upstream);

    if (pass == NULL) {
        return TP_NO_MEMORY;
    }
    pass->options = options;
    tp__text_append(&pass->text, question->uri);
    tp__text_append(&pass->text, question->body);
    if (!tp__text_is_whole(&pass->text)) {
        pass_destroy(pass);
        return TP_NO_MEMORY;
    }
    pass->is_secret = question->is_secret;
    struct tp_str text = tp__text_get(&pass->text);

    pass->options.uri = (struct tp_str){ text.data, question->uri.len };
    pass->body = (struct tp_str){ text.data + question->uri.len, question->body.len };
    pass->body_codec = question->body_codec;
    pass_take_key(pass, question->body);
    pass->is_beginning = true;
    pass_try(pass);
    if (pass->is_beginning && pass->target == NULL && tp__list_is_empty(&pass->node)) {
        /* It has come to nothing already. */
        pass_destroy(pass);
        return TP_GONE;
    }
    pass->is_beginning = false;
    pass->on_reply = on_reply;
    pass->owner = owner;
    return TP_OK;
}

void
tp__passes_serve(struct tp_upstream *upstream)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&upstream->waiting)) != NULL) {
        struct upstream_pass *pass = pass_from_node(node);

        upstream->waiting_count--;
        tp__loop_stop_timer(upstream->upstreams->home->loop, &pass->deadline);
        pass_try(pass);
        if (upstream->waiting.previous == node) {
            /* It waits anew, and so must those behind it: it stays the first of them. */
            tp__list_remove(node);
            tp__list_prepend(&upstream->waiting, node);
            return;
        }
    }
}

void
tp__passes_end_waiting(struct tp_upstream *upstream)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&upstream->waiting)) != NULL) {
        struct upstream_pass *pass = pass_from_node(node);

        upstream->waiting_count--;
        pass_fail(pass, "the upstream is not there any more");
    }
}

void
tp__pass_free(struct upstream_pass *pass)
{
    free(pass);
}

static struct upstream_pass *
pass_create(struct tp_upstream *upstream)
{
    struct tp_upstreams *upstreams = upstream->upstreams;
    struct tp_list_node *node = tp__list_take_first(&upstreams->free_passes);
    struct upstream_pass *pass = node == NULL ? malloc(sizeof(*pass)) : pass_from_node(node);

    if (pass == NULL) {
        return NULL;
    }
    upstreams->free_pass_count -= node == NULL ? 0 : 1;
    *pass = (struct upstream_pass){
        .upstream = upstream,
        .begun_ms = tp__loop_now_ms(upstreams->home->loop),
    };
    tp__list_init(&pass->node);
    tp__timer_init(&pass->deadline, pass_on_deadline);
    upstream->holders++;
    return pass;
}

/* Without a place it waits for one. */
static void
pass_explain(const struct tp_exchange *exchange, void *owner, struct tp_awaited *awaited)
{
    const struct upstream_pass *pass = owner;

    (void) exchange;
    awaited->what = TP_AWAITING_UPSTREAM;
    awaited->name = tp__str(pass->upstream->name);
    awaited->tries = (uint32_t) pass->try_count;
    if (pass->target != NULL) {
        awaited->address = pass->target->place.key;
        awaited->session = pass->target->session_number;
    }
}

static enum tp_result
pass_take_options(struct upstream_pass *pass, const struct tp_pass_options *options)
{
    pass->options = *options;
    if (options->uri.len == 0) {
        return TP_OK;
    }
    tp__text_append(&pass->text, options->uri);
    pass->options.uri = tp__text_get(&pass->text);
    return tp__text_is_whole(&pass->text) ? TP_OK : TP_NO_MEMORY;
}

/* An empty one is none: or all who have no key would be one server's. */
static void
pass_take_key(struct upstream_pass *pass, struct tp_str key)
{
    pass->has_key = key.len > 0;
    pass->hash = tp__hash_number(tp__hash_extend_bytes(TP_HASH_NONE, key.data, key.len));
}

/* What cannot be expanded is none, too. */
static void
pass_expand_key(struct upstream_pass *pass)
{
    struct tp_slice key = { 0 };

    if (pass->upstream->options.key != NULL
        && tp_template_expand(pass->upstream->options.key, pass->exchange, &key) == TP_OK) {
        pass_take_key(pass, (struct tp_str){ (const char *) key.data, key.len });
        tp_buf_release(key.buf);
    }
}

/* Gives it to a place, lets it wait for one, or answers it. */
static void
pass_try(struct upstream_pass *pass)
{
    for (;;) {
        struct upstream_target *target = tp__upstream_choose(pass->upstream, pass);

        if (target == NULL) {
            break;
        }
        enum tp_result result = pass_give(pass, target);

        if (result == TP_OK) {
            return;
        }
        if (result != TP_GONE && result != TP_FULL && result != TP_NOT_FOUND
            && result != TP_TIMED_OUT) {
            pass_refuse(pass, result);
            return;
        }
        if (pass->tried_count == PASS_TRIED_MAX) {
            break;
        }
        pass->tried[pass->tried_count++] = target;
    }
    if (pass->was_sent && !pass->options.is_idempotent) {
        pass_fail(pass, "it was lost on its way");
    } else if (pass_may_wait(pass)) {
        pass_wait(pass);
    } else {
        pass_fail(pass, "no server of the upstream can be had");
    }
}

static enum tp_result
pass_give(struct upstream_pass *pass, struct upstream_target *target)
{
    struct tp_sessions *home = pass->upstream->upstreams->home;
    struct upstream_link *link = NULL;
    struct tp_session *session;
    enum tp_result result;

    if (target->source != NULL) {
        link = tp__target_link(target);
        if (link == NULL) {
            return TP_GONE;
        }
        session = link->session;
    } else {
        session = tp_session_at((struct tp_session_handle){ home, target->session_number });
    }
    pass->target = target;
    pass->link = link;
    tp__pass_note_begin(pass);
    tp__target_begin(target, link);
    if (session == NULL) {
        result = pass_send_away(pass, target->session_number);
    } else if (pass->exchange == NULL) {
        result = pass_send_question(pass, session);
    } else {
        result = pass_send(pass, session, link != NULL && !link->is_open);
    }
    if (result != TP_OK) {
        tp__pass_note_not_begun(pass);
        pass->target = NULL;
        pass->link = NULL;
        tp__target_take_back(target, link);
        return result;
    }
    pass->try_count++;
    if (pass_is_told_only(pass, session)) {
        tp__pass_note_end(pass, NULL);
        pass_leave_place(pass);
        pass_end(pass, NULL);
    }
    return TP_OK;
}

static enum tp_result
pass_send(struct upstream_pass *pass, struct tp_session *session, bool waits_for_connection)
{
    struct tp_forwarding forwarding = {
        .uri = pass->options.uri,
        .is_pull = !pass_is_told_only(pass, session),
        .asking = {
            .on_reply = pass_on_reply,
            .on_sent = pass_on_sent,
            .owner = pass,
            .timeout = pass->options.timeout,
            .fails_at_once = !waits_for_connection,
        },
    };

    if (tp__customer_add(pass, session, &forwarding) != TP_OK) {
        return TP_NO_MEMORY;
    }
    return tp__session_forward(session, pass->exchange, &forwarding);
}

/* A PUSH, where one can be sent: nobody answers it.  `session` is NULL for one elsewhere. */
static bool
pass_is_told_only(const struct upstream_pass *pass, const struct tp_session *session)
{
    if (pass->exchange == NULL || tp_exchange_wants_reply(pass->exchange)) {
        return false;
    }
    return session == NULL || !tp_session_is_dialed(session)
           || (tp_session_abilities(session) & TP_PROTOCOL_PUSHES_UP) != 0;
}

static enum tp_result
pass_send_question(struct upstream_pass *pass, struct tp_session *session)
{
    struct tp_send_options options = {
        .body_codec = pass->body_codec,
        .fails_at_once = pass->link == NULL || pass->link->is_open,
        .is_secret = pass->is_secret,
        .timeout = pass->options.timeout,
    };
    struct tp_str uri = pass->options.uri;

    if (tp__customer_add_to_question(pass, session, &uri, &options.metadata) != TP_OK) {
        return TP_NO_MEMORY;
    }
    return tp_session_pull_async(session, uri, pass->body, &options, pass_on_reply, pass);
}

/* To a session of another worker. */
static enum tp_result
pass_send_away(struct upstream_pass *pass, uint64_t session_number)
{
    struct tp_sessions *home = pass->upstream->upstreams->home;
    struct tp_forwarding forwarding = {
        .uri = pass->options.uri,
        .is_pull = !pass_is_told_only(pass, NULL),
        .asking = { .timeout = pass->options.timeout, .fails_at_once = true },
    };

    if (pass->exchange == NULL) {
        return pass_send_question_away(pass, session_number);
    }
    tp__exchange_end_loan(pass->exchange, true);
    tp_trace_passed(pass->exchange);
    if (tp__customer_add(pass, NULL, &forwarding) != TP_OK) {
        return TP_NO_MEMORY;
    }
    return tp__remote_forward(home, session_number, pass->exchange, &forwarding,
                              forwarding.is_pull ? pass_on_remote : NULL, pass);
}

static enum tp_result
pass_send_question_away(struct upstream_pass *pass, uint64_t session_number)
{
    const struct tp_send_options options = {
        .body_codec = pass->body_codec,
        .fails_at_once = true,
        .is_secret = pass->is_secret,
        .timeout = pass->options.timeout,
    };
    const struct tp_remote_packet packet = {
        .to = { .number = session_number },
        .uri = pass->options.uri,
        .body = pass->body,
        .options = &options,
    };

    return tp_remote_pull(pass->upstream->upstreams->home, &packet, pass_on_remote, pass);
}

static void
pass_on_remote(enum tp_result result, const struct tp_reply *reply, void *owner)
{
    /* It was not taken there; of a worker that died nobody knows. */
    const struct tp_reply lost = {
        .status = tp_status_of(result == TP_TIMED_OUT ? TP_STATUS_GATEWAY_TIMEOUT
                                                      : TP_STATUS_CONNECTION_CLOSED),
        .was_sent = result == TP_GONE || result == TP_TIMED_OUT,
    };

    pass_on_reply(result == TP_OK ? reply : &lost, owner);
}

/* What may have been done is passed on once more only where that does no harm. */
static void
pass_on_sent(void *owner)
{
    const struct upstream_pass *pass = owner;

    tp__exchange_end_loan(pass->exchange, pass->options.is_idempotent);
}

static void
pass_on_reply(const struct tp_reply *reply, void *owner)
{
    struct upstream_pass *pass = owner;
    struct upstream_target *target = pass->target;

    pass->was_sent |= reply->was_sent;
    if (pass_reason(reply) == 0) {
        tp__target_worked(target);
    } else {
        tp__target_failed(target, reply->is_answered                                ? "status"
                                  : reply->status.code == TP_STATUS_GATEWAY_TIMEOUT ? "timeout"
                                                                                    : "error");
    }
    if (pass->tried_count < PASS_TRIED_MAX) {
        pass->tried[pass->tried_count++] = target;
    }
    tp__pass_note_end(pass, reply);
    tp__link_heed(pass->link, reply);
    if (!reply->is_answered) {
        pass_on_silence(pass, reply);
        return;
    }
    pass_leave_place(pass);
    /* An answer that says no is better than none. */
    if (pass_may_go_on(pass, reply) && tp__upstream_has_another(pass->upstream, pass)) {
        pass_try(pass);
    } else {
        pass_end(pass, reply);
    }
}

/* Where nobody else can be asked, it is this failure that is told. */
static void
pass_on_silence(struct upstream_pass *pass, const struct tp_reply *reply)
{
    char key[SERVER_SHOWN_MAX];
    struct tp_str server = { key, pass->target->place.key.len };

    /* The place may be gone when it is left. */
    server.len = server.len < sizeof(key) ? server.len : sizeof(key);
    memcpy(key, pass->target->place.key.data, server.len);
    pass_leave_place(pass);
    if (pass_may_go_on(pass, reply)
        && (tp__upstream_has_another(pass->upstream, pass) || pass_may_wait(pass))) {
        pass_try(pass);
        return;
    }
    struct tp_status status = pass_silence_status(pass, reply);

    tp__pass_log_failure(pass, server, &status);
    pass_end_with(pass, &status);
}

/* What whoever has asked is told when nobody has answered. */
static struct tp_status
pass_silence_status(const struct upstream_pass *pass, const struct tp_reply *reply)
{
    struct tp_status status = reply->status;

    if (status.code == TP_STATUS_CONNECTION_CLOSED) {
        status = pass_failure(pass, pass->was_sent ? "the connection to the server was lost"
                                                   : "the server could not be reached");
    } else if (status.code == TP_STATUS_GATEWAY_TIMEOUT) {
        status.cause = TP_STR("the server has not answered in time");
    }
    return status;
}

/* May it be tried elsewhere? */
static bool
pass_may_go_on(const struct upstream_pass *pass, const struct tp_reply *reply)
{
    const struct tp_pass_options *options = &pass->options;
    int64_t age_ms = tp__loop_now_ms(pass->upstream->upstreams->home->loop) - pass->begun_ms;
    bool is_safe = options->is_idempotent || !pass->was_sent;

    return (pass_reason(reply) & options->next_on) != 0 && is_safe
           && pass->try_count < options->tries_max
           && (options->tries_timeout.ms == 0 || age_ms < options->tries_timeout.ms);
}

static bool
pass_may_wait(const struct upstream_pass *pass)
{
    const struct tp_upstream *upstream = pass->upstream;

    return upstream->waiting_count < (size_t) upstream->options.waiting_max
           && tp__upstream_is_hopeful(upstream);
}

/* Why it might be tried elsewhere, TP_PASS_ON_…; 0: it has been answered. */
static unsigned
pass_reason(const struct tp_reply *reply)
{
    int32_t code = reply->status.code;

    if (!reply->is_answered) {
        return code == TP_STATUS_GATEWAY_TIMEOUT     ? TP_PASS_ON_TIMEOUT
               : code == TP_STATUS_CONNECTION_CLOSED ? TP_PASS_ON_ERROR
                                                     : 0;
    }
    switch (code) {
    case TP_STATUS_BAD_GATEWAY:
        return TP_PASS_ON_502;
    case TP_STATUS_SERVICE_UNAVAILABLE:
        return TP_PASS_ON_503;
    case TP_STATUS_GATEWAY_TIMEOUT:
        return TP_PASS_ON_504;
    default:
        return 0;
    }
}

/* Whichever place can be had first may be one that has been tried. */
static void
pass_wait(struct upstream_pass *pass)
{
    struct tp_upstream *upstream = pass->upstream;
    struct tp_loop *loop = upstream->upstreams->home->loop;
    int64_t end_ms = pass->begun_ms + pass->options.timeout.ms;
    int64_t rest_ms = end_ms - tp__loop_now_ms(loop);

    pass->tried_count = 0;
    if (pass->exchange != NULL) {
        tp__exchange_end_loan(pass->exchange, true);
    }
    tp__list_append(&upstream->waiting, &pass->node);
    upstream->waiting_count++;
    tp__loop_start_timer(loop, &pass->deadline, rest_ms > 1 ? rest_ms : 1);
}

static void
pass_on_deadline(struct tp_timer *timer)
{
    struct upstream_pass *pass = TP_CONTAINER_OF(timer, struct upstream_pass, deadline);

    tp__list_remove(&pass->node);
    pass->upstream->waiting_count--;
    pass_fail(pass, "no server of the upstream could be had in time");
}

static void
pass_leave_place(struct upstream_pass *pass)
{
    struct upstream_target *target = pass->target;

    pass->target = NULL;
    tp__target_end(target, pass->link);
    pass->link = NULL;
}

/* `reply` is NULL for a PUSH that has left. */
static void
pass_end(struct upstream_pass *pass, const struct tp_reply *reply)
{
    if (pass->exchange == NULL) {
        pass->on_reply(reply, pass->owner);
    } else if (reply == NULL) {
        tp_exchange_reply_copy(pass->exchange, TP_STR(""), TP_CODEC_NONE);
    } else {
        tp__exchange_finish_forwarded(pass->exchange, reply);
    }
    pass_destroy(pass);
}

/* Nobody has been asked, and nobody else would take it either. */
static void
pass_refuse(struct upstream_pass *pass, enum tp_result result)
{
    struct tp_status status = tp__status_of_result(result);

    tp__pass_log_failure(pass, TP_STR("-"), &status);
    pass_end_with(pass, &status);
}

static void
pass_fail(struct upstream_pass *pass, const char *why)
{
    struct tp_status status = pass_failure(pass, why);

    tp__pass_log_failure(pass, TP_STR("-"), &status);
    pass_end_with(pass, &status);
}

/* Might it have been done, or was it certainly not? */
static struct tp_status
pass_failure(const struct upstream_pass *pass, const char *why)
{
    struct tp_status status =
        tp_status_of(pass->was_sent ? TP_STATUS_BAD_GATEWAY : TP_STATUS_SERVICE_UNAVAILABLE);

    status.cause = tp__str(why);
    return status;
}

/* Without an answer; who asks a question, and has not returned yet, sees it. */
static void
pass_end_with(struct upstream_pass *pass, const struct tp_status *status)
{
    if (pass->exchange != NULL) {
        tp_exchange_refuse(pass->exchange, status);
        pass_destroy(pass);
    } else if (!pass->is_beginning) {
        const struct tp_reply reply = { .status = *status };

        pass->on_reply(&reply, pass->owner);
        pass_destroy(pass);
    }
}

static void
pass_destroy(struct upstream_pass *pass)
{
    struct tp_upstreams *upstreams = pass->upstream->upstreams;

    TP_ASSERT(pass->target == NULL && tp__list_is_empty(&pass->node));
    tp__loop_stop_timer(upstreams->home->loop, &pass->deadline);
    if (pass->is_secret) {
        tp__credentials_wipe(&pass->text);
    }
    tp__text_fini(&pass->text);
    tp__upstream_let_go(&pass->upstream);
    if (upstreams->free_pass_count < PASSES_KEPT_MAX) {
        tp__list_prepend(&upstreams->free_passes, &pass->node);
        upstreams->free_pass_count++;
    } else {
        free(pass);
    }
}

static struct upstream_pass *
pass_from_node(struct tp_list_node *node)
{
    return TP_CONTAINER_OF(node, struct upstream_pass, node);
}
