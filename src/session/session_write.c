/*
 * session_write.c - from finished exchanges to bytes on the connection: all that a turn
 * has brought for a session leaves with one system call.
 *
 * Packets are encoded only when they leave, into an output that all sessions of the
 * worker share; what the connection does not take is kept by the session as bytes,
 * and no further packet is encoded until they have left.  What is encoded cannot be dropped any
 * more, so a slow connection is offered little at a time.  Where TLS is spoken, what is encoded
 * is sealed in between.
 *
 * Runs in: worker.  Read next: packet/output.c.
 */
#include "session/record.h"

#include "os/socket.h"
#include "session/counting.h"

enum {
    ROUND_SLOW_BYTES = 16 * 1024, /* for who has just not taken all; if he takes that, twice… */
    ROUND_SHARE = 4,              /* …never more than this part of the bound of the queue */
};

static enum tp_result session_write_unsent(struct tp_session *session);
static enum tp_result session_write_outgoing(struct tp_session *session, size_t round_bytes);
static bool session_encodes_early(struct tp_session *session);
static enum tp_result session_encode_round(struct tp_session *session, size_t bytes_max);
static enum tp_result session_encode(struct tp_session *session, struct tp_wire *wire,
                                     size_t bytes_max);
static void session_on_encoded(struct tp_exchange *exchange);
static enum tp_result session_write_output(struct tp_session *session);
static void session_note_progress(struct tp_session *session, size_t written);

enum tp_result
tp__session_write(struct tp_session *session)
{
    if (!tp__session_is_connected(session)) {
        return TP_OK;
    }
    size_t round_bytes = session->unsent.len > 0 ? ROUND_SLOW_BYTES : SIZE_MAX;
    enum tp_result result = session_write_unsent(session);

    if (result == TP_OK && session->unsent.len == 0 && !session->is_barred) {
        result = session_write_outgoing(session, round_bytes);
    }
    return result;
}

enum tp_result
tp__session_encode_all(struct tp_session *session)
{
    struct tp_output *output = &session->sessions->output;
    enum tp_result result = TP_OK;

    while (result == TP_OK && tp__session_next_outgoing(session) != NULL) {
        result = session_encode_round(session, SIZE_MAX);
        size_t len = tp__output_len(output);
        enum tp_result kept = tp__output_rest(output, 0, &session->unsent);

        session->sessions->encoded_for = NULL;

        if (kept == TP_OK) {
            session->queued_bytes += len;
        }
        result = result == TP_OK ? kept : result;
    }
    session_note_progress(session, 0);
    return result;
}

void
tp__session_encode_early(struct tp_session *session, struct tp_wire *wire)
{
    if (!session_encodes_early(session)) {
        return;
    }
    enum tp_result result = session_encode(session, wire, SIZE_MAX);

    if (result != TP_OK) {
        tp__session_fail(session, TP_CLOSE_NO_RESOURCES);
    }
}

void
tp__sessions_write_encoded(struct tp_sessions *sessions)
{
    struct tp_session *session = sessions->encoded_for;

    if (session == NULL) {
        return;
    }
    enum tp_result result = session_write_output(session);

    if (result != TP_OK) {
        tp__session_fail(session,
                         result == TP_GONE ? TP_CLOSE_CONNECTION_BROKEN : TP_CLOSE_NO_RESOURCES);
    }
}

enum tp_result
tp__session_write_packet(struct tp_session *session, const struct tp_packet *packet)
{
    struct tp_output *output = &session->sessions->output;
    enum tp_result result = tp__session_settle_protocol(session);

    if (result != TP_OK) {
        return result;
    }
    struct tp_wire wire = tp__session_wire(session);

    TP_ASSERT(session->sessions->encoded_for == NULL);
    tp__output_reset(output);
    result = session->protocol->protocol->encode(&wire, packet, output);
    if (result != TP_OK) {
        return result;
    }
    tp__session_count_sent_packet(session);
    result = session_write_output(session);
    if (session->unsent.len > 0) {
        tp__session_want_turn_end(session);
    }
    return result;
}

static enum tp_result
session_write_unsent(struct tp_session *session)
{
    while (session->unsent.len > 0) {
        size_t slice_count;
        const struct tp_slice *slices = tp_chain_slices(&session->unsent, &slice_count);
        size_t written = 0;
        enum tp_result result =
            tp__socket_write_slices(session->watcher.fd, slices, slice_count, &written);

        if (result == TP_AGAIN || result == TP_INTERRUPTED) {
            session_note_progress(session, 0);
            return TP_OK;
        }
        if (result != TP_OK) {
            return result;
        }
        tp_chain_skip(&session->unsent, written);
        session->queued_bytes -= written;
        session_note_progress(session, written);
    }
    return TP_OK;
}

static enum tp_result
session_write_outgoing(struct tp_session *session, size_t round_bytes)
{
    size_t bytes_max = (size_t) session->source->server->limits.send_queue.bytes / ROUND_SHARE + 1;

    for (; tp__session_next_outgoing(session) != NULL && session->unsent.len == 0;
         round_bytes *= 2) {
        round_bytes = round_bytes < bytes_max ? round_bytes : bytes_max;
        enum tp_result result = session_encode_round(session, round_bytes);

        if (result == TP_OK) {
            result = session_write_output(session);
        }
        if (result != TP_OK) {
            return result;
        }
    }
    return TP_OK;
}

/* Only what would leave at the turn's end anyway, and without asking the protocol for each. */
static bool
session_encodes_early(struct tp_session *session)
{
    const struct tp_sessions *sessions = session->sessions;

    return session->unsent.len == 0 && !session->is_greeting && !session->asks_ready
           && !session->has_failed && tp__session_is_connected(session)
           && !tp__list_is_empty(&session->outgoing)
           && (sessions->encoded_for == session || sessions->encoded_for == NULL);
}

/* For one write: see session_encode(). */
static enum tp_result
session_encode_round(struct tp_session *session, size_t bytes_max)
{
    tp__sessions_write_encoded(session->sessions);
    if (tp__session_settle_protocol(session) != TP_OK) {
        return TP_NO_MEMORY;
    }
    struct tp_wire wire = tp__session_wire(session);

    return session_encode(session, &wire, bytes_max);
}

/*
 * Encodes packets in order, behind those of this session that were encoded and not written yet,
 * until they are so much, the output is full, or there are no more.
 */
static enum tp_result
session_encode(struct tp_session *session, struct tp_wire *wire, size_t bytes_max)
{
    struct tp_sessions *sessions = session->sessions;
    struct tp_output *output = &sessions->output;
    const struct tp_protocol *protocol = session->protocol->protocol;
    struct tp_exchange *exchange;

    if (sessions->encoded_for == NULL) {
        tp__output_reset(output);
    }
    /* Hooks that are told of packets must not have it written before they return. */
    sessions->encoded_for = NULL;
    while (tp__output_len(output) < bytes_max && !tp__output_is_full(output)
           && (exchange = tp__session_next_outgoing(session)) != NULL) {
        size_t len_before = tp__output_len(output);
        struct tp_packet *packet = tp__exchange_sent_packet(exchange);
        enum tp_result result = protocol->encode(wire, packet, output);

        if (result != TP_OK) {
            return result;
        }
        packet->wire_bytes = tp__output_len(output) - len_before;
        session_on_encoded(exchange);
    }
    sessions->encoded_for = session;
    return TP_OK;
}

/* It will leave: what is left to do is told and logged. */
static inline void
session_on_encoded(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    tp__session_count_sent_packet(session);
    exchange->is_sent = true;
    session->queued_bytes -= tp__exchange_queue_cost(tp__exchange_sent_packet(exchange));
    if (exchange->is_ours) {
        tp__own_exchange_on_sent(exchange);
        return;
    }
    if (tp__hooks_at(tp__exchange_hooks(exchange), TP_HOOK_POST_WRITE_REPLY) != NULL) {
        tp__exchange_tell_hooks(exchange, TP_HOOK_POST_WRITE_REPLY);
    }
    tp__exchange_free(exchange);
}

static enum tp_result
session_write_output(struct tp_session *session)
{
    struct tp_output *output = &session->sessions->output;
    size_t slice_count;
    const struct tp_slice *slices = tp__output_pieces(output, &slice_count);
    size_t written = 0;

    session->sessions->encoded_for = NULL;
    if (tp__session_is_sealed(session)) {
        enum tp_result sealed = tp__shell_seal(session, slices, slice_count);

        if (sealed != TP_OK) {
            return sealed;
        }
        tp__output_reset(output);
        output = &session->sessions->sealed.output;
        slices = tp__output_pieces(output, &slice_count);
    }
    enum tp_result result =
        tp__socket_write_slices(session->watcher.fd, slices, slice_count, &written);

    if (result == TP_AGAIN || result == TP_INTERRUPTED) {
        result = TP_OK;
    }
    if (result == TP_OK) {
        result = tp__output_rest(output, written, &session->unsent);
    }
    session->queued_bytes += session->unsent.len;
    session_note_progress(session, written);
    return result;
}

/* write_timeout counts from the last byte that the other end took. */
static void
session_note_progress(struct tp_session *session, size_t written)
{
    if (written > 0) {
        tp__session_count_sent(session, written);
        session->spoken_at = (uint32_t) tp__loop_now_ms(session->sessions->loop);
    }
    if (session->unsent.len == 0) {
        session->stuck_since_ms = 0;
        if (session->slowness != NULL && tp__list_is_empty(&session->outgoing)) {
            tp__send_queue_on_empty(session);
        }
    } else if (written > 0 || session->stuck_since_ms == 0) {
        session->stuck_since_ms = tp__loop_now_ms(session->sessions->loop);
        tp__session_arm_deadline(session);
    }
}
