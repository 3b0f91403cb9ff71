/*
 * sessions.c - the sessions of a peer: dialed, given, found, and ended together.
 *
 * Runs in: the peer's thread.  Read next: session/session.c, session/dial.c.
 */
#include "peer/peer.h"

#include "base/result.h"
#include "base/str.h"
#include "net/dialer.h"
#include "os/file.h"
#include "os/socket.h"
#include "session/dial.h"

#include <string.h>

static void peer_on_close_all(struct tp_work *work);
static void peer_on_drained(struct tp_work *work);
static const char *dial_judge_credentials(const struct tp_peer *peer,
                                          const struct tp_dial_options *options,
                                          const struct tp_protocol_use *use);
static enum tp_result dial_take_options(struct tp_peer *peer, const struct tp_dial_options *given,
                                        struct tp_dial_options *options);

enum tp_result
tp_peer_dial(struct tp_peer *peer, const char *address, const struct tp_dial_options *given,
             struct tp_session **session)
{
    struct tp_dial_options options;
    struct tp_target target;
    const struct tp_protocol_use *use;
    char host[TP_TARGET_ADDRESS_MAX];
    struct tp_peer_tls tls = { .context = NULL };

    tp__peer_check(peer);
    *session = NULL;
    const char *wrong = tp__peer_read_target(peer, address, &target, &use);

    if (wrong == NULL) {
        wrong =
            tp__target_address(&target, host) == NULL ? "shorter" : tp__dialer_check(tp__str(host));
    }
    if (wrong != NULL) {
        return tp__peer_fail(peer, TP_INVALID, "cannot dial \"%s\": it has to be %s", address,
                             wrong);
    }
    enum tp_result result = dial_take_options(peer, given, &options);

    if (result != TP_OK) {
        return result;
    }
    wrong = dial_judge_credentials(peer, &options, use);
    if (wrong != NULL) {
        return tp__peer_fail(peer, TP_INVALID, "cannot dial \"%s\": %s", address, wrong);
    }
    if (target.has_tls) {
        result = tp__peer_tls_dials(peer, &target, options.tls_name, &tls);
    }
    if (result != TP_OK) {
        return result;
    }
    const struct tp_dialing dialing = {
        .target = target,
        .protocol = use == NULL ? NULL : use->protocol,
        .timeout = options.timeout,
        .tls = tls.context,
        .tls_name = tls.name[0] == '\0' ? NULL : tls.name,
        .redial = options.redial,
        .credentials = {
            .text = options.credentials,
            .file = options.credentials_file,
            .uri = options.auth_uri,
        },
        .watch = { tp__peer_on_dial_change, peer },
    };

    result = tp__peer_may_begin(peer);
    if (result == TP_OK && peer->sessions.count >= (uint64_t) peer->options.max_sessions) {
        result = TP_FULL;
    }
    if (result == TP_OK) {
        result = tp__session_dial(&peer->sessions, &peer->dials, tp__peer_next_number(peer),
                                  &dialing, session);
    }
    if (result != TP_OK) {
        return tp__peer_fail(peer, result, "cannot dial %s: %s", address, tp__result_text(result));
    }
    if (options.id != NULL) {
        result = tp_session_set_id(*session, tp__str(options.id));
    }
    if (result != TP_OK) {
        tp__session_close(session, TP_CLOSE_CLOSED);
        return tp__peer_fail(peer, result, "cannot dial %s as \"%s\": %s", address, options.id,
                             tp_result_sentence(result));
    }
    return TP_OK;
}

const char *
tp__peer_read_target(const struct tp_peer *peer, const char *text, struct tp_target *target,
                     const struct tp_protocol_use **use)
{
    const char *wrong = tp__target_parse(tp__str(text), target);

    *use = NULL;
    if (wrong == NULL && target->protocol != NULL) {
        *use = tp__server_find_protocol(&peer->server, tp__str(target->protocol));
        wrong = *use == NULL ? "of a protocol that is built in" : NULL;
    }
    return wrong;
}

enum tp_result
tp_peer_serve_fd(struct tp_peer *peer, int fd, struct tp_session **session)
{
    tp__peer_check(peer);
    *session = NULL;
    enum tp_result result = tp__peer_may_begin(peer);

    if (result == TP_OK) {
        result = tp__socket_adopt(fd, false);
    }
    if (result != TP_OK) {
        tp__peer_fail(peer, result, "cannot serve descriptor %d: %s", fd,
                      result == TP_INVALID ? "it is no connected stream socket"
                                           : tp__result_text(result));
        tp__descriptor_close(&fd);
        return result;
    }
    struct tp_address remote = tp__socket_remote_address(fd);
    uint64_t number = tp__peer_next_number(peer);

    result = tp__session_start(&peer->sessions, &peer->givens, number, fd, &remote);
    if (result != TP_OK) {
        return tp__peer_fail(peer, result, "cannot serve a given descriptor: %s",
                             result == TP_DENIED ? "a hook has refused it"
                                                 : tp__result_text(result));
    }
    *session = tp_peer_find_number(peer, number);
    return TP_OK;
}

struct tp_session *
tp_peer_find_number(struct tp_peer *peer, uint64_t number)
{
    tp__peer_check(peer);
    return tp_session_at((struct tp_session_handle){ &peer->sessions, number });
}

struct tp_session *
tp_peer_find_id(struct tp_peer *peer, struct tp_str id)
{
    tp__peer_check(peer);
    return tp__sessions_find_id(&peer->sessions, id);
}

size_t
tp_peer_session_count(const struct tp_peer *peer)
{
    tp__peer_check(peer);
    return peer->sessions.count;
}

void
tp_peer_walk(struct tp_peer *peer, tp_visit_fn visit, void *owner)
{
    tp__peer_check(peer);
    tp__sessions_walk(&peer->sessions, visit, owner);
}

void
tp_peer_drain(struct tp_peer *peer, void (*on_drained)(struct tp_peer *peer, void *owner),
              void *owner)
{
    tp__peer_check(peer);
    peer->is_draining = true;
    peer->on_drained = on_drained;
    peer->drained_owner = owner;
    tp__peer_listens_stop(peer);
    tp__sessions_end_all(&peer->sessions, TP_CLOSE_SHUTDOWN);
    tp__peer_on_count_changed(peer);
}

/* A handler that has called it must find its session when it returns. */
void
tp_peer_close_all(struct tp_peer *peer)
{
    tp__peer_check(peer);
    if (tp__peer_is_in_callback(peer)) {
        tp__loop_post(peer->loop, &peer->close_all);
    } else {
        tp__sessions_close_all(&peer->sessions, TP_CLOSE_CLOSED);
    }
}

void
tp__peer_sessions_init(struct tp_peer *peer)
{
    const struct tp_source source = {
        .server = &peer->server,
        .socket_options = { .tcp_nodelay = true },
        .origin = "",
    };

    peer->dials = source;
    peer->dials.name = "dial";
    peer->givens = source;
    peer->givens.name = "given";
    tp__work_init(&peer->drained, peer_on_drained);
    tp__work_init(&peer->close_all, peer_on_close_all);
}

enum tp_result
tp__peer_may_begin(const struct tp_peer *peer)
{
    return peer->is_ending || peer->is_draining ? TP_GONE : TP_OK;
}

void
tp__peer_on_count_changed(void *owner)
{
    struct tp_peer *peer = owner;

    if (peer->is_draining && !peer->is_ending && peer->sessions.count == 0) {
        tp__loop_post(peer->loop, &peer->drained);
    }
}

static void
peer_on_close_all(struct tp_work *work)
{
    struct tp_peer *peer = TP_CONTAINER_OF(work, struct tp_peer, close_all);

    tp__sessions_close_all(&peer->sessions, TP_CLOSE_CLOSED);
}

/* From here on it may listen and dial again. */
static void
peer_on_drained(struct tp_work *work)
{
    struct tp_peer *peer = TP_CONTAINER_OF(work, struct tp_peer, drained);

    peer->is_draining = false;
    if (peer->on_drained != NULL) {
        peer->on_drained(peer, peer->drained_owner);
    }
}

/* NULL, or what keeps the other end from being told them. */
static const char *
dial_judge_credentials(const struct tp_peer *peer, const struct tp_dial_options *options,
                       const struct tp_protocol_use *use)
{
    const char *text = options->credentials;

    use = use == NULL ? peer->server.default_protocol : use;
    if (text == NULL && options->credentials_file == NULL) {
        return NULL;
    }
    if (text != NULL && options->credentials_file != NULL) {
        return "its credentials are given twice";
    }
    if (text != NULL
        && (!tp__credentials_are_sane(tp__str(text)) || strlen(text) > TP_CREDENTIALS_MAX)) {
        return "its credentials are empty, too long, or no text in one line";
    }
    if (options->auth_uri != NULL && options->auth_uri[0] != '/') {
        return "its auth_uri does not begin with \"/\"";
    }
    return use->protocol->credentials == TP_CREDENTIALS_NONE
               ? "its protocol has no place for credentials"
               : NULL;
}

static enum tp_result
dial_take_options(struct tp_peer *peer, const struct tp_dial_options *given,
                  struct tp_dial_options *options)
{
    const struct tp_dial_options none = TP_DIAL_OPTIONS;

    given = given == NULL ? &none : given;
    bool is_good = tp__options_take(options, sizeof(*options), given, given->size)
                   && tp__redial_complete(&options->redial, &peer->options.redial,
                                          options->redials_never || peer->options.redials_never);

    if (options->timeout.ms == 0) {
        options->timeout = peer->options.dial_timeout;
    }
    if (options->credentials == NULL && options->credentials_file == NULL) {
        options->credentials = peer->options.credentials;
        options->credentials_file = peer->options.credentials_file;
    }
    if (options->auth_uri == NULL) {
        options->auth_uri = peer->options.auth_uri;
    }
    if (!is_good || options->timeout.ms < 0 || options->timeout.ms > TP_PEER_DELAY_MAX_MS) {
        return tp__peer_fail(peer, TP_INVALID, "an option of the dial cannot be what it is");
    }
    return TP_OK;
}
