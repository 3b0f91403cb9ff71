/*
 * session_protocol.c - which protocol a session speaks, and what it lends to it.
 *
 * Where the listening address names none, the first bytes tell; one that nobody knows is the
 * default's, whose decoder says best what is wrong with it.  Until the other end has said
 * something, the first packet of ours settles it, too.
 *
 * Runs in: worker; a program's thread with the library.  Owns: the protocol's state.
 * Read next: teleport/protocol.h, session_read.c, session_write.c.
 */
#include "session/record.h"

#include "base/str.h"
#include "session/counting.h"

#include <stdlib.h>

static enum tp_result session_take_protocol(struct tp_session *session,
                                            const struct tp_protocol_use *use);
static enum tp_result session_begin_protocol(struct tp_session *session);
static bool session_sends_own_next(const struct tp_session *session);
static const struct tp_protocol *session_expected_protocol(const struct tp_session *session);
static const struct tp_protocol_use *session_find_use(const struct tp_session *session,
                                                      const struct tp_protocol *protocol);

struct tp_wire
tp__session_wire(struct tp_session *session)
{
    struct tp_sessions *sessions = session->sessions;
    const struct tp_server *server = session->source->server;

    return (struct tp_wire){
        .input = &session->input,
        .state = session->protocol_state,
        .conf = session->protocol == NULL ? NULL : session->protocol->conf,
        .limits = { .packet = tp__session_packet_limit(session) },
        .is_dialed = session->dialed != NULL,
        .is_from_gateway = server->gateways != NULL && tp__session_is_of_gateway(session),
        .target = tp__dialed_target(session),
        .credentials =
            session->dialed == NULL ? TP_STR("") : tp__text_get(tp__dialed_said(session)),
        .open_count = tp__session_open_count(session),
        .pool = &sessions->pool,
        .filters = &sessions->filters,
        .codecs = server->codecs,
        .codec_count = server->codec_count,
        .protocols = server->protocols,
        .protocol_count = server->protocol_count,
        .origins = server->origins,
        .origin_count = server->origin_count,
        .why = "",
    };
}

bool
tp__session_is_of_gateway(const struct tp_session *session)
{
    const struct tp_items *gateways = session->source->server->gateways;

    return gateways != NULL && session->dialed == NULL
           && tp__networks_have(gateways, tp_session_connection(session));
}

enum tp_result
tp__session_use_protocol(struct tp_session *session, const struct tp_protocol_use *use)
{
    enum tp_result result = session_take_protocol(session, use);

    return result == TP_OK && tp__session_is_connected(session) && use->protocol->begin != NULL
               ? session_begin_protocol(session)
               : result;
}

enum tp_result
tp__session_resume_protocol(struct tp_session *session, const struct tp_protocol_use *use,
                            struct tp_str state)
{
    enum tp_result result = session_take_protocol(session, use);

    if (result == TP_OK && session->protocol_state != NULL) {
        result = use->protocol->restore(session->protocol_state, &session->sessions->pool, state);
    }
    return result;
}

enum tp_result
tp__session_switch_protocol(struct tp_session *session, const struct tp_protocol *protocol)
{
    const struct tp_protocol_use *use = session_find_use(session, protocol);

    TP_ASSERT(use != NULL);
    return tp__session_use_protocol(session, use);
}

enum tp_result
tp__session_guess_protocol(struct tp_session *session)
{
    const struct tp_server *server = session->source->server;
    struct tp_wire wire = tp__session_wire(session);
    bool is_open = false;

    for (size_t i = 0; i < server->protocol_count; i++) {
        const struct tp_protocol_use *use = &server->protocols[i];

        wire.conf = use->conf;
        enum tp_probe probe =
            use->protocol->probe == NULL ? TP_PROBE_NO : use->protocol->probe(&wire);

        if (probe == TP_PROBE_YES) {
            return tp__session_use_protocol(session, use);
        }
        is_open |= probe == TP_PROBE_MORE;
    }
    return is_open ? TP_AGAIN : tp__session_use_protocol(session, server->default_protocol);
}

enum tp_result
tp__session_settle_protocol(struct tp_session *session)
{
    return session->protocol != NULL
               ? TP_OK
               : tp__session_use_protocol(session, session->source->server->default_protocol);
}

void
tp__session_drop_protocol(struct tp_session *session)
{
    const struct tp_protocol_use *use = session->protocol;

    if (session->protocol_state != NULL) {
        if (use->protocol->fini != NULL) {
            use->protocol->fini(session->protocol_state);
        }
        free(session->protocol_state);
        session->protocol_state = NULL;
    }
    session->protocol = NULL;
    session->asks_ready = false;
    session->has_said_end = false;
    session->is_amid_packet = false;
}

void
tp__session_rebind_protocol(struct tp_session *session)
{
    if (session->protocol != NULL) {
        session->protocol = session_find_use(session, session->protocol->protocol);
        TP_ASSERT(session->protocol != NULL);
    }
}

enum tp_result
tp__session_use_dialed_protocol(struct tp_session *session)
{
    return tp__session_use_protocol(session,
                                    session_find_use(session, session_expected_protocol(session)));
}

const struct tp_protocol *
tp__session_protocol(const struct tp_session *session)
{
    return session->protocol != NULL ? session->protocol->protocol
                                     : session_expected_protocol(session);
}

bool
tp__session_is_ready(struct tp_session *session)
{
    const struct tp_protocol_use *use = session->protocol;

    if (session->has_heard_last && session_sends_own_next(session)) {
        return false;
    }
    if (use == NULL || use->protocol->is_ready == NULL) {
        return true;
    }
    struct tp_wire wire = tp__session_wire(session);

    return use->protocol->is_ready(&wire);
}

enum tp_result
tp__session_take_own(struct tp_session *session, struct tp_wire *wire)
{
    size_t len = wire->own.len;

    if (len == 0) {
        return TP_OK;
    }
    tp__sessions_write_encoded(session->sessions); /* which comes before it */
    if (tp__session_is_sealed(session)) {
        enum tp_result sealed = tp__shell_seal_unsent(session, &wire->own);

        tp_chain_clear(&wire->own);
        return sealed;
    }
    enum tp_result result = tp_chain_move(&session->unsent, &wire->own, len);

    if (result != TP_OK) {
        tp_chain_clear(&wire->own);
        return result;
    }
    session->queued_bytes += len;
    tp__session_want_turn_end(session);
    return TP_OK;
}

enum tp_result
tp_session_ping(struct tp_session *session)
{
    const struct tp_protocol_use *use = session->protocol;

    if (session->is_ending || !tp__session_is_connected(session) || session->is_barred) {
        return TP_GONE;
    }
    if (use == NULL || use->protocol->ping == NULL) {
        return TP_UNSUPPORTED;
    }
    struct tp_wire wire = tp__session_wire(session);
    uint64_t mark = (uint64_t) tp__loop_now_us(session->sessions->loop);
    enum tp_result result = use->protocol->ping(&wire, mark);

    if (result == TP_OK) {
        result = tp__session_take_own(session, &wire);
    }
    tp_chain_clear(&wire.own);
    return result;
}

/* It says when we have asked, or whatever the other end likes: what cannot be is not believed. */
void
tp__session_take_pong(struct tp_session *session, uint64_t sent_us)
{
    int64_t now_us = tp__loop_now_us(session->sessions->loop);

    if (sent_us >= (uint64_t) session->begun_ms * 1000 && sent_us <= (uint64_t) now_us) {
        tp_session_note_rtt(session, now_us - (int64_t) sent_us);
    }
}

enum tp_result
tp__session_say_end(struct tp_session *session)
{
    const struct tp_protocol_use *use = session->protocol;

    if (session->has_said_end || use == NULL || use->protocol->end == NULL) {
        return TP_OK;
    }
    struct tp_wire wire = tp__session_wire(session);

    session->has_said_end = true;
    use->protocol->end(&wire, tp__str(tp_close_reason_word(session->end_reason)));
    return tp__session_take_own(session, &wire);
}

/* With a state of zeros. */
static enum tp_result
session_take_protocol(struct tp_session *session, const struct tp_protocol_use *use)
{
    const struct tp_protocol *protocol = use->protocol;

    tp__session_drop_protocol(session);
    if (protocol->state_size > 0) {
        session->protocol_state = calloc(1, protocol->state_size);
        if (session->protocol_state == NULL) {
            return TP_NO_MEMORY;
        }
    }
    session->protocol = use;
    session->asks_ready = protocol->is_ready != NULL;
    tp__session_count_in(session);
    return TP_OK;
}

static enum tp_result
session_begin_protocol(struct tp_session *session)
{
    struct tp_wire wire = tp__session_wire(session);
    enum tp_result result = session->protocol->protocol->begin(&wire);

    if (result == TP_OK) {
        result = tp__session_take_own(session, &wire);
    }
    tp_chain_clear(&wire.own);
    return result;
}

/* What we ask of who has said its last waits for the next connection, if there is one. */
static bool
session_sends_own_next(const struct tp_session *session)
{
    return !tp__list_is_empty(&session->outgoing)
           && TP_CONTAINER_OF(session->outgoing.next, struct tp_exchange, node)->is_ours;
}

/* What it will speak unless the other end says something else. */
static const struct tp_protocol *
session_expected_protocol(const struct tp_session *session)
{
    const struct tp_source *source = session->source;
    const struct tp_protocol *dialed = tp__dialed_protocol(session);

    if (dialed != NULL) {
        return dialed;
    }
    return source->protocol != NULL ? source->protocol->protocol
                                    : source->server->default_protocol->protocol;
}

/* Of the configuration that the session has; NULL when it is not built in. */
static const struct tp_protocol_use *
session_find_use(const struct tp_session *session, const struct tp_protocol *protocol)
{
    const struct tp_server *server = session->source->server;

    for (size_t i = 0; i < server->protocol_count; i++) {
        if (server->protocols[i].protocol == protocol) {
            return &server->protocols[i];
        }
    }
    return NULL;
}
