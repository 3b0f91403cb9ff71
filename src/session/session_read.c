/*
 * session_read.c - from readable to exchanges: reads once into a buffer of the worker,
 * takes whole packets off the input, and keeps the rest.
 *
 * A session between packets holds no buffer.  A rest that is small beside the
 * buffer it lies in is copied out, so that a slow sender cannot pin much more memory
 * than it has sent.
 *
 * Runs in: worker.  Read next: exchange.c, session_write.c.
 */
#include "session/record.h"

#include "os/socket.h"
#include "session/counting.h"

enum {
    READ_ROOM_MIN = 4 * 1024, /* less room than that in the shared buffer: take a fresh one */
    READ_ENOUGH = 64 * 1024,  /* fairness: what is there beyond waits for the next turn */
    FLUSH_EARLY = 16 * 1024,  /* replies worth a write of their own, while they are in the cache */
    PINNED_SHARE_MIN = 4,     /* a rest below a quarter of its buffer is copied out */
    PACKETS_PER_READ_MAX = 256, /* fairness: then the others have their turn */
    PACKETS_PER_ENCODING = 8,   /* so many exchanges stay in the cache from request to reply */
};

/* What came of one look at the input. */
enum session_took {
    SESSION_TOOK_NOTHING,
    SESSION_TOOK_PACKET,
    SESSION_TOOK_BYTES, /* that are no packet */
};

static void session_on_filled(struct tp_session *session, size_t count, bool has_ended);
static enum tp_result session_fill_once(struct tp_session *session, size_t *room, size_t *count);
static bool session_has_whole_packets(const struct tp_session *session);
static void session_on_heard_all(struct tp_session *session);
static void session_flush_early(struct tp_session *session);
static void session_take_last(struct tp_session *session);
static bool session_knows_protocol(struct tp_session *session);
static int session_take_all(struct tp_session *session);
static inline bool session_may_take(struct tp_session *session);
static enum session_took session_take_one(struct tp_session *session, struct tp_wire *wire,
                                          int64_t now_us);
static void session_on_last(struct tp_session *session);
static enum session_took session_take_none(struct tp_session *session, struct tp_wire *wire,
                                           enum tp_decode_outcome outcome);
static void session_refuse_input(struct tp_session *session, enum tp_close_reason reason,
                                 const char *why);
static void session_note_packet_begin(struct tp_session *session);

void
tp__session_read(struct tp_session *session)
{
    size_t count = 0;
    bool has_ended = false;
    enum tp_result result = session->shell == NULL ? tp__session_fill(session, &count)
                                                   : tp__shell_fill(session, &count, &has_ended);

    if (result == TP_AGAIN || result == TP_INTERRUPTED) {
        return;
    }
    if (result == TP_NO_MEMORY) {
        tp__session_close(&session, TP_CLOSE_NO_RESOURCES);
        return;
    }
    if (result != TP_OK) {
        tp__session_close(&session, TP_CLOSE_CONNECTION_BROKEN);
        return;
    }
    if (session->shell == NULL) {
        has_ended = count == 0;
    } else if (tp__shell_is_ready(session) && !tp__shell_open(session)) {
        return;
    }
    session_on_filled(session, count, has_ended);
}

static void
session_on_filled(struct tp_session *session, size_t count, bool has_ended)
{
    if (count > 0) {
        session->heard_ms = tp__loop_now_ms(session->sessions->loop);
        session->sessions->callbacks.on_bytes(session->sessions->callbacks.owner, count);
        tp__session_take_packets(session);
        /* The first of them have told which protocol they are of. */
        tp__session_count_received(session, count);
    }
    if (has_ended && session->shell != NULL && session_has_whole_packets(session)) {
        session->shell->has_ended = true; /* It was told with the last bytes: they come first. */
    } else if (has_ended) {
        session_on_heard_all(session);
    } else if (count > 0) {
        session_flush_early(session);
    }
}

/* A dialed session does not wait for them: it hurries to come back. */
static bool
session_has_whole_packets(const struct tp_session *session)
{
    return session->dialed == NULL && tp__session_reads(session)
           && (session->is_behind || tp__session_must_pause(session));
}

/* What was received whole is answered before we close; a dialed session hurries to come back. */
static void
session_on_heard_all(struct tp_session *session)
{
    struct tp_status status = tp_status_of(TP_STATUS_CONNECTION_CLOSED);

    session_take_last(session);
    if (session->dialed != NULL) {
        tp__session_close(&session,
                          session->is_ending ? session->end_reason : TP_CLOSE_PEER_CLOSED);
        return;
    }
    session->has_heard_all = true;
    tp__session_end_asked(session, &status, true);
    tp__session_end(session, TP_CLOSE_PEER_CLOSED, true);
}

/* To some protocols the end of the connection is the end of a packet. */
static void
session_take_last(struct tp_session *session)
{
    /* Over TLS an end that was not said may be the doing of somebody else. */
    bool is_cut = session->shell != NULL && session->shell->is_cut;

    if (session->protocol == NULL || !tp__session_reads(session) || is_cut
        || (session->input.len == 0 && !session->is_amid_packet)) {
        return;
    }
    struct tp_wire wire = tp__session_wire(session);

    wire.has_ended = true;
    session_take_one(session, &wire, tp__loop_now_us(session->sessions->loop));
}

void
tp__session_take_packets(struct tp_session *session)
{
    if (session->is_barred) {
        return;
    }
    int taken = session_knows_protocol(session) ? session_take_all(session) : 0;

    if (!tp__session_reads(session)) {
        tp_chain_clear(&session->input);
    }
    tp__session_keep_rest(session);
    session->is_behind = taken == PACKETS_PER_READ_MAX && session->input.len > 0;
    session_note_packet_begin(session);
    bool has_paused =
        tp__session_must_pause(session) && (session->watcher.interest & TP_EVENT_READ) != 0;
    bool may_be_ready = session->asks_ready && !tp__list_is_empty(&session->outgoing);

    /* Whole packets may be left, or reading must stop: the turn's end sees to both. */
    session->sessions->queues.pauses += has_paused ? 1 : 0;
    if (session->is_behind || has_paused || may_be_ready) {
        tp__session_want_turn_end(session);
    }
    if (session->shell != NULL && session->shell->has_ended
        && !session_has_whole_packets(session)) {
        session->shell->has_ended = false;
        session_on_heard_all(session);
    }
}

static bool
session_knows_protocol(struct tp_session *session)
{
    if (session->protocol != NULL) {
        return true;
    }
    if (session->input.len == 0 || !tp__session_reads(session)) {
        return false;
    }
    enum tp_result result = tp__shell_guess(session);

    if (result == TP_OK) {
        return false; /* It is TLS: what is spoken inside of it is not known yet. */
    }
    if (result == TP_NOT_FOUND) {
        result = tp__session_guess_protocol(session);
    }
    if (result != TP_OK && result != TP_AGAIN) {
        session_refuse_input(session, TP_CLOSE_NO_RESOURCES, "memory is used up");
    }
    return result == TP_OK;
}

/* Returns how many packets were taken, which are not more than a turn may take. */
static int
session_take_all(struct tp_session *session)
{
    int64_t now_us = tp__loop_now_us(session->sessions->loop);
    struct tp_wire wire = tp__session_wire(session);
    enum session_took took;
    int taken = 0;

    while (taken < PACKETS_PER_READ_MAX && session->input.len > 0 && tp__session_reads(session)
           && !tp__session_must_pause(session) && session_may_take(session)
           && (took = session_take_one(session, &wire, now_us)) != SESSION_TOOK_NOTHING) {
        taken++;
        if (taken % PACKETS_PER_ENCODING == 0) {
            tp__session_encode_early(session, &wire);
        }
        if (took == SESSION_TOOK_PACKET) {
            session->packet_begun_ms = 0;
            session->has_passed_header = false;
        }
        if (session->is_move_due && !session->is_greeting && !session->is_amid_packet) {
            tp__session_on_boundary(session);
            wire = tp__session_wire(session);
        }
    }
    if (session->sessions->encoded_for != NULL) {
        tp__session_encode_early(session, &wire);
        tp__sessions_write_encoded(session->sessions);
    }
    return taken;
}

/* What comes while a session greets is its hook's. */
static inline bool
session_may_take(struct tp_session *session)
{
    return tp__hooks_at(session->source->server->hooks, TP_HOOK_PRE_READ_HEADER) == NULL
           || session->is_greeting || tp__session_pass_header(session);
}

/* Reads on while there is more than a read had room for. */
enum tp_result
tp__session_fill(struct tp_session *session, size_t *count)
{
    enum tp_result result;
    size_t room;
    size_t more;

    do {
        room = 0;
        more = 0;
        result = session_fill_once(session, &room, &more);
        *count += more;
    } while (result == TP_OK && more > 0 && more == room && *count < READ_ENOUGH);

    /* Where memory ran out for bytes that were taken already, they are lost: that cannot wait. */
    bool may_wait =
        result == TP_AGAIN || result == TP_INTERRUPTED || (result == TP_NO_MEMORY && more == 0);

    return may_wait && *count > 0 ? TP_OK : result;
}

/* Reads once, behind what others read into the shared buffer. */
static enum tp_result
session_fill_once(struct tp_session *session, size_t *room, size_t *count)
{
    uint8_t *bytes = tp__session_read_room(session->sessions, room);

    if (bytes == NULL) {
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp__socket_read(session->watcher.fd, bytes, *room, count);

    return result != TP_OK || *count == 0 ? result
                                          : tp__session_append_read(session, bytes, *count);
}

uint8_t *
tp__session_read_room(struct tp_sessions *sessions, size_t *room)
{
    struct tp_read_buf *shared = &sessions->read_buf;

    if (shared->buf != NULL && shared->buf->holders == 1) {
        shared->used = 0; /* nobody but us has a slice of it any more */
    }
    if (shared->buf == NULL || shared->buf->capacity - shared->used < READ_ROOM_MIN) {
        tp_buf_release(shared->buf);
        shared->buf = tp_buf_make(&sessions->pool, TP_BUF_STANDARD);
        shared->used = 0;
    }
    if (shared->buf == NULL) {
        return NULL;
    }
    *room = shared->buf->capacity - shared->used;
    return shared->buf->bytes + shared->used;
}

enum tp_result
tp__session_append_read(struct tp_session *session, const uint8_t *bytes, size_t count)
{
    struct tp_read_buf *shared = &session->sessions->read_buf;

    tp_buf_acquire(shared->buf);
    shared->used += count;
    return tp_chain_append(&session->input,
                           (struct tp_slice){ .buf = shared->buf, .data = bytes, .len = count });
}

/*
 * Many replies leave before other sessions are read: their buffers are free for those then,
 * and are still in the processor's cache.
 */
static void
session_flush_early(struct tp_session *session)
{
    if (session->queued_bytes < FLUSH_EARLY || session->unsent.len > 0) {
        return;
    }
    enum tp_result result = tp__session_write(session);

    if (result != TP_OK) {
        tp__session_close(&session,
                          result == TP_GONE ? TP_CLOSE_CONNECTION_BROKEN : TP_CLOSE_NO_RESOURCES);
    }
}

/* At most one packet, or bytes that are none. */
static enum session_took
session_take_one(struct tp_session *session, struct tp_wire *wire, int64_t now_us)
{
    struct tp_packet packet; /* whole once the outcome is PACKET */

    wire->open_count = tp__session_open_count(session);
    enum tp_decode_outcome outcome = session->protocol->protocol->decode(wire, &packet);

    session->is_amid_packet = wire->is_amid;
    if (wire->ponged != 0) {
        tp__session_take_pong(session, wire->ponged);
        wire->ponged = 0;
    }
    if (wire->own.len > 0 && tp__session_take_own(session, wire) != TP_OK) {
        if (outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED) {
            tp_packet_clear(&packet);
        }
        outcome = TP_DECODE_NO_MEMORY;
    }
    if (outcome == TP_DECODE_PACKET) {
        tp__session_count_received_packet(session);
        tp__exchange_begin(session, &packet, now_us);
    } else if (outcome == TP_DECODE_REFUSED) {
        tp__session_count_received_packet(session);
        tp__exchange_begin_refused(session, &packet, now_us);
    } else if (outcome != TP_DECODE_TOOK) {
        return session_take_none(session, wire, outcome);
    }
    if (wire->is_last) {
        session_on_last(session);
    }
    return outcome == TP_DECODE_TOOK ? SESSION_TOOK_BYTES : SESSION_TOOK_PACKET;
}

/* The other end has said its last: what was asked of it is not answered any more. */
static void
session_on_last(struct tp_session *session)
{
    struct tp_status status = tp_status_of(TP_STATUS_CONNECTION_CLOSED);

    session->must_linger = true;
    session->has_heard_last = true;
    session->asks_ready = true;
    tp__session_end_asked(session, &status, true);
    tp__session_end(session, TP_CLOSE_PEER_CLOSED, true);
}

/* No packet came of what there is. */
static enum session_took
session_take_none(struct tp_session *session, struct tp_wire *wire, enum tp_decode_outcome outcome)
{
    switch (outcome) {
    case TP_DECODE_SWITCH:
        if (tp__session_switch_protocol(session, wire->next) != TP_OK) {
            session_refuse_input(session, TP_CLOSE_NO_RESOURCES, "memory is used up");
            return SESSION_TOOK_NOTHING;
        }
        if (tp__session_recall_guard(session) != TP_OK) {
            tp__session_end(session, TP_CLOSE_REFUSED, false);
        }
        *wire = tp__session_wire(session);
        return SESSION_TOOK_BYTES;
    case TP_DECODE_TOO_LARGE:
        session_refuse_input(session, TP_CLOSE_PACKET_TOO_LARGE, wire->why);
        break;
    case TP_DECODE_BROKEN:
        session_refuse_input(session, TP_CLOSE_PROTOCOL_ERROR, wire->why);
        break;
    case TP_DECODE_NO_MEMORY:
        session_refuse_input(session, TP_CLOSE_NO_RESOURCES, "memory is used up");
        break;
    default:
        break;
    }
    return SESSION_TOOK_NOTHING;
}

/* Nothing behind the mistake is trusted, and nobody is waited for; what is ready still leaves. */
static void
session_refuse_input(struct tp_session *session, enum tp_close_reason reason, const char *why)
{
    tp_log_info(&session->source->server->log, "input-refused", "number=%llu reason=%s why=\"%s\"",
                (unsigned long long) session->number, tp_close_reason_word(reason), why);
    session->must_linger = true;
    tp__session_end(session, reason, false);
    /* Also where it was ending already, and read on for the sake of replies. */
    session->waits_for_exchanges = false;
    tp_chain_clear(&session->input);
}

/*
 * What would pin much more than its own size moves to a buffer of its own: a small rest
 * whole, of a large one what came last.
 */
void
tp__session_keep_rest(struct tp_session *session)
{
    struct tp_chain *input = &session->input;
    struct tp_chain kept = { 0 };
    size_t slice_count;
    const struct tp_slice *last = tp_chain_slices(input, &slice_count);

    if (slice_count == 0) {
        return;
    }
    last += slice_count - 1;
    if (last->buf == NULL || last->buf != session->sessions->read_buf.buf
        || last->len >= last->buf->capacity / PINNED_SHARE_MIN) {
        return;
    }
    bool is_small = input->len < last->buf->capacity / PINNED_SHARE_MIN;
    size_t kept_len = is_small ? 0 : input->len - last->len;
    struct tp_buf *own = tp_buf_make(&session->sessions->pool, input->len - kept_len);

    if (own == NULL) {
        return; /* It stays where it is: memory is short, but nothing is lost. */
    }
    struct tp_slice copy = { .buf = own, .data = own->bytes, .len = input->len - kept_len };

    tp_chain_copy(input, kept_len, copy.len, own->bytes);
    if (tp_chain_move(&kept, input, kept_len) != TP_OK) {
        tp_buf_release(own);
        return;
    }
    tp_chain_clear(input);
    if (tp_chain_append(&kept, copy) != TP_OK) {
        session_refuse_input(session, TP_CLOSE_NO_RESOURCES, "memory is used up");
    }
    *input = kept;
}

/*
 * packet_timeout counts from the first byte that is not a whole packet yet, and only
 * while it is not us who let the rest wait.
 */
static void
session_note_packet_begin(struct tp_session *session)
{
    bool has_begun = session->input.len > 0 || session->is_amid_packet;

    if (!has_begun || session->is_behind || tp__session_must_pause(session)) {
        session->packet_begun_ms = 0;
    } else if (session->packet_begun_ms == 0) {
        session->packet_begun_ms = tp__loop_now_ms(session->sessions->loop);
        tp__session_arm_deadline(session);
    }
}
