/*
 * session_save.c - a session to bytes, and back to a session in another process.
 *
 * What is finished but not encoded is encoded first, so that the other process finds bytes
 * to send and exchanges to go on with, and nothing between.  All of what comes is checked
 * before the session is made: it is there whole, or not at all.
 *
 * Runs in: worker.  Read next: saved.h (the fields), exchange_save.c.
 */
#include "session/session_save.h"

#include "base/clock.h"
#include "base/str.h"
#include "os/file.h"
#include "session/record.h"

#include <string.h>

/* What is known of a session while it is being restored. */
struct restoring {
    struct tp_sessions *sessions;
    const struct tp_session_receiver *receiver;
    struct tp_saved_section session;
    struct tp_str exchanges; /* the sections behind it */
    const struct tp_source *source;
    struct tp_address remote;
    enum tp_close_reason end_reason;
    enum tp_hook_point greeting_point; /* where it has one */
    enum tp_close_reason refused;      /* why it cannot be restored, if it cannot */
    const char *why;
};

static void session_save_fields(const struct tp_session *session, struct tp_saved_writer *writer);
static void session_save_protocol(const struct tp_session *session, struct tp_saved_writer *writer);
static enum tp_result restoring_read(struct restoring *restoring, struct tp_str saved);
static enum tp_result restoring_check_session(struct restoring *restoring);
static bool restoring_read_remote(struct restoring *restoring);
static bool restoring_read_end(struct restoring *restoring);
static bool restoring_read_greeting(struct restoring *restoring);
static void restoring_greet(const struct restoring *restoring, struct tp_session *session);
static enum tp_result restoring_check_exchanges(struct restoring *restoring);
static bool restoring_knows_protocol(const struct tp_source *source, struct tp_str name);
static enum tp_result restoring_find_source(struct restoring *restoring);
static void restoring_refuse(const struct restoring *restoring, int fd, enum tp_result result);
static enum tp_result restoring_fill(const struct restoring *restoring, struct tp_session *session);
static enum tp_result restoring_fill_id(const struct restoring *restoring,
                                        struct tp_session *session);
static enum tp_result restoring_fill_protocol(const struct restoring *restoring,
                                              struct tp_session *session);
static enum tp_result restoring_fill_bytes(const struct restoring *restoring,
                                           struct tp_session *session);
static enum tp_result restoring_fill_exchanges(const struct restoring *restoring,
                                               struct tp_session *session);

enum tp_result
tp__session_save(struct tp_session *session, struct tp_chain *saved)
{
    struct tp_saved_writer writer;

    if (session->is_barred || tp__session_is_sealed(session)) {
        tp_log_info(tp_session_log(session), "session-not-saved", "number=%llu why=\"%s\"",
                    (unsigned long long) session->number,
                    session->is_barred ? "its handshake is under way" : "it speaks TLS");
        return TP_UNSUPPORTED;
    }
    enum tp_result result = tp__session_encode_all(session);

    if (result != TP_OK) {
        return result;
    }
    tp__saved_begin(&writer, &session->sessions->output);
    session_save_fields(session, &writer);
    tp__exchanges_save(session, &writer);
    return tp__saved_end(&writer, saved);
}

int
tp__session_fd(const struct tp_session *session)
{
    return session->watcher.fd;
}

enum tp_result
tp__session_restore(struct tp_sessions *sessions, const struct tp_session_receiver *receiver,
                    int fd, struct tp_str saved)
{
    struct restoring restoring = {
        .sessions = sessions,
        .receiver = receiver,
        .refused = TP_CLOSE_NOT_RESTORED,
        .why = "memory is used up",
    };
    enum tp_result result = restoring_read(&restoring, saved);
    struct tp_session *session = NULL;

    if (result == TP_OK) {
        session = tp__session_make(
            sessions, restoring.source,
            (uint64_t) tp__saved_get_number(&restoring.session, TP_SAVED_SESSION_NUMBER), fd,
            &restoring.remote);
        result = session == NULL ? TP_NO_MEMORY : TP_OK;
    }
    if (result != TP_OK) {
        restoring_refuse(&restoring, fd, result);
        return result;
    }
    result = restoring_fill(&restoring, session);
    if (result != TP_OK) {
        tp__session_close(&session, TP_CLOSE_NO_RESOURCES);
        return result;
    }
    session->is_introduced = true;
    restoring_greet(&restoring, session);
    tp__session_arm_deadline(session);
    tp__session_want_turn_end(session);
    return TP_OK;
}

static void
session_save_fields(const struct tp_session *session, struct tp_saved_writer *writer)
{
    const struct tp_source *source = session->source;
    const struct tp_address *remote = &session->remote;

    tp__saved_put_opener(writer, TP_SAVED_SESSION);
    tp__saved_put_number(writer, TP_SAVED_SESSION_NUMBER, (int64_t) session->number);
    tp__saved_put_number(writer, TP_SAVED_REMOTE_FAMILY, remote->family);
    tp__saved_put_text(writer, TP_SAVED_REMOTE_IP,
                       (struct tp_str){ (const char *) remote->ip, sizeof(remote->ip) });
    tp__saved_put_number(writer, TP_SAVED_REMOTE_PORT, remote->port);
    tp__saved_put_text(writer, TP_SAVED_LISTEN, tp__str(source->name));
    session_save_protocol(session, writer);
    tp__saved_put_chain(writer, TP_SAVED_INPUT, &session->input);
    tp__saved_put_chain(writer, TP_SAVED_UNSENT, &session->unsent);
    tp__saved_put_number(writer, TP_SAVED_HEARD_MS, session->heard_ms);
    tp__saved_put_number(writer, TP_SAVED_PACKET_BEGUN_MS, session->packet_begun_ms);
    tp__saved_put_number(writer, TP_SAVED_STUCK_SINCE_MS, session->stuck_since_ms);
    if (tp_session_id(session).len > 0) {
        tp__saved_put_text(writer, TP_SAVED_ID, tp_session_id(session));
    }
    tp__session_save_notes(session, writer);
    tp__saved_put_number(writer, TP_SAVED_BEGUN_MS, session->begun_ms);
    tp__saved_put_number(writer, TP_SAVED_RECEIVED_COUNT, (int64_t) session->received_count);
    tp__saved_put_number(writer, TP_SAVED_SENT_COUNT, (int64_t) session->sent_count);
    tp__saved_put_number(writer, TP_SAVED_NEXT_SEQ, (int64_t) session->next_seq);
    if (writer->result == TP_OK) {
        writer->result = tp__session_save_parts(session, writer);
    }
    if (tp__session_guard_aside(session).len > 0) {
        tp__saved_put_text(writer, TP_SAVED_GUARD_ASIDE, tp__session_guard_aside(session));
    }
    if (session->is_postponed) {
        const struct tp_hook_chain *chain =
            tp__hooks_at(source->server->hooks, (enum tp_hook_point) session->hook_point);

        tp__saved_put_text(writer, TP_SAVED_GREETING_POINT,
                           tp__str(tp_hook_point_word((enum tp_hook_point) session->hook_point)));
        tp__saved_put_text(writer, TP_SAVED_GREETING_OWNER,
                           tp__str(chain->uses[session->hook_at].owner));
    }
    if (session->has_passed_header
        || (session->is_released && session->hook_point == TP_HOOK_PRE_READ_HEADER)) {
        tp__saved_put_number(writer, TP_SAVED_HEADER_PASSED, 1);
    }
    if (session->is_ending) {
        tp__saved_put_text(writer, TP_SAVED_END_REASON,
                           tp__str(tp_close_reason_word(session->end_reason)));
        tp__saved_put_number(writer, TP_SAVED_END_WAITS, session->waits_for_exchanges);
    }
}

/* One that has not been guessed yet has no name. */
static void
session_save_protocol(const struct tp_session *session, struct tp_saved_writer *writer)
{
    const struct tp_protocol *protocol =
        session->protocol == NULL ? NULL : session->protocol->protocol;
    struct tp_chain state = { 0 };

    tp__saved_put_text(writer, TP_SAVED_PROTOCOL, tp__str(protocol == NULL ? "" : protocol->name));
    if (session->has_said_end) {
        tp__saved_put_number(writer, TP_SAVED_END_SAID, 1);
    }
    if (session->is_amid_packet) {
        tp__saved_put_number(writer, TP_SAVED_AMID_PACKET, 1);
    }
    if (session->protocol_state == NULL) {
        return;
    }
    enum tp_result result =
        protocol->save(session->protocol_state, &session->sessions->pool, &state);

    if (result == TP_OK) {
        tp__saved_put_chain(writer, TP_SAVED_PROTOCOL_STATE, &state);
    } else if (writer->result == TP_OK) {
        writer->result = result;
    }
    tp_chain_clear(&state);
}

/* Checks everything; nothing is made yet. */
static enum tp_result
restoring_read(struct restoring *restoring, struct tp_str saved)
{
    struct tp_str fields;
    enum tp_result result = tp__saved_open(saved, &fields, &restoring->why);

    if (result == TP_OK) {
        result = tp__saved_read_section(&fields, &restoring->session, &restoring->why);
    }
    if (result == TP_OK) {
        restoring->exchanges = fields;
        result = restoring_check_session(restoring);
    }
    if (result == TP_OK) {
        result = restoring_check_exchanges(restoring);
    }
    if (result == TP_OK) {
        result = restoring_find_source(restoring);
    }
    return result;
}

static enum tp_result
restoring_check_session(struct restoring *restoring)
{
    const struct tp_saved_section *session = &restoring->session;
    const uint64_t needed = TP_SAVED_BIT(SESSION_NUMBER) | TP_SAVED_BIT(REMOTE_FAMILY)
                            | TP_SAVED_BIT(REMOTE_IP) | TP_SAVED_BIT(REMOTE_PORT)
                            | TP_SAVED_BIT(LISTEN) | TP_SAVED_BIT(PROTOCOL) | TP_SAVED_BIT(INPUT)
                            | TP_SAVED_BIT(UNSENT) | TP_SAVED_BIT(HEARD_MS)
                            | TP_SAVED_BIT(PACKET_BEGUN_MS) | TP_SAVED_BIT(STUCK_SINCE_MS);
    static const enum tp_saved_tag times[] = { TP_SAVED_HEARD_MS, TP_SAVED_PACKET_BEGUN_MS,
                                               TP_SAVED_STUCK_SINCE_MS, TP_SAVED_BEGUN_MS };
    bool is_sane = session->opener == TP_SAVED_SESSION && (session->present & needed) == needed
                   && tp__saved_get_text(session, TP_SAVED_ID).len <= TP_SESSION_ID_MAX
                   && tp__session_notes_are_sane(session)
                   && tp__session_parts_are_sane(tp__saved_get_text(session, TP_SAVED_PARTS))
                   && restoring_read_remote(restoring) && restoring_read_end(restoring)
                   && restoring_read_greeting(restoring);

    for (size_t i = 0; i < TP_COUNT_OF(times); i++) {
        int64_t since_ms = tp__saved_get_number(session, times[i]);

        is_sane = is_sane && since_ms >= 0 && since_ms <= tp__clock_monotonic_ms();
    }
    if (!is_sane) {
        restoring->why = "it is not a session that could have been saved";
        return TP_INVALID;
    }
    return TP_OK;
}

static bool
restoring_read_remote(struct restoring *restoring)
{
    const struct tp_saved_section *session = &restoring->session;
    struct tp_address *remote = &restoring->remote;
    struct tp_str ip = tp__saved_get_text(session, TP_SAVED_REMOTE_IP);
    int64_t family = tp__saved_get_number(session, TP_SAVED_REMOTE_FAMILY);
    int64_t port = tp__saved_get_number(session, TP_SAVED_REMOTE_PORT);

    if (family < TP_ADDRESS_NONE || family > TP_ADDRESS_UNIX || port < 0 || port > UINT16_MAX
        || ip.len != sizeof(remote->ip)) {
        return false;
    }
    remote->family = (uint8_t) family;
    remote->port = (uint16_t) port;
    memcpy(remote->ip, ip.data, ip.len);
    return true;
}

static bool
restoring_read_end(struct restoring *restoring)
{
    const struct tp_saved_section *session = &restoring->session;
    bool is_ending = tp__saved_has(session, TP_SAVED_END_REASON);
    int64_t waits = tp__saved_get_number(session, TP_SAVED_END_WAITS);

    if (is_ending != tp__saved_has(session, TP_SAVED_END_WAITS) || waits < 0 || waits > 1) {
        return false;
    }
    return !is_ending
           || tp__close_reason_find(tp__saved_get_text(session, TP_SAVED_END_REASON),
                                    &restoring->end_reason);
}

static bool
restoring_read_greeting(struct restoring *restoring)
{
    const struct tp_saved_section *session = &restoring->session;
    enum tp_hook_point *point = &restoring->greeting_point;
    bool is_greeting = tp__saved_has(session, TP_SAVED_GREETING_POINT);
    int64_t passed = tp__saved_get_number(session, TP_SAVED_HEADER_PASSED);

    if (is_greeting != tp__saved_has(session, TP_SAVED_GREETING_OWNER) || passed < 0
        || passed > 1) {
        return false;
    }
    return !is_greeting
           || (tp__hook_point_find(tp__saved_get_text(session, TP_SAVED_GREETING_POINT), point)
               && tp__hook_point_subject(*point) == TP_HOOK_OF_SESSION
               && tp__hook_point_power(*point) == TP_HOOK_POSTPONES);
}

static enum tp_result
restoring_check_exchanges(struct restoring *restoring)
{
    struct tp_str fields = restoring->exchanges;
    enum tp_result result = TP_OK;

    while (result == TP_OK && fields.len > 0) {
        struct tp_saved_section exchange;

        result = tp__saved_read_section(&fields, &exchange, &restoring->why);
        if (result == TP_OK && !tp__exchange_is_sane(&exchange, &restoring->why)) {
            result = TP_INVALID;
        }
    }
    return result;
}

/* An address that speaks one protocol only takes no session of another. */
static bool
restoring_knows_protocol(const struct tp_source *source, struct tp_str name)
{
    const struct tp_protocol_use *use = tp__server_find_protocol(source->server, name);

    return use != NULL && (source->protocol == NULL || source->protocol == use);
}

static enum tp_result
restoring_find_source(struct restoring *restoring)
{
    const struct tp_session_receiver *receiver = restoring->receiver;
    struct tp_str saved = tp__saved_get_text(&restoring->session, TP_SAVED_LISTEN);
    char name[TP_ENDPOINT_TEXT_MAX] = "";

    if (saved.len < sizeof(name)) {
        memcpy(name, saved.data, saved.len);
        restoring->source = receiver->find_source(receiver->owner, name);
    }
    if (restoring->source == NULL) {
        restoring->refused = TP_CLOSE_LISTEN_REMOVED;
        restoring->why = "nothing listens there any more";
        return TP_NOT_FOUND;
    }
    struct tp_str protocol = tp__saved_get_text(&restoring->session, TP_SAVED_PROTOCOL);

    /* Before anything was said there is none, and nothing to answer. */
    if (protocol.len == 0 ? restoring->exchanges.len > 0
                          : !restoring_knows_protocol(restoring->source, protocol)) {
        restoring->why = "another protocol is spoken there";
        return TP_MISMATCH;
    }
    restoring->why = "memory is used up";
    return TP_OK;
}

/* What could be read of it tells which one is lost. */
static void
restoring_refuse(const struct restoring *restoring, int fd, enum tp_result result)
{
    const struct tp_saved_section *session = &restoring->session;
    char remote[TP_ADDRESS_TEXT_MAX];
    enum tp_close_reason reason =
        result == TP_NO_MEMORY ? TP_CLOSE_NO_RESOURCES : restoring->refused;

    tp_log_error(restoring->receiver->log, "session-not-restored",
                 "number=%llu remote=%s reason=%s unsent=%zu why=\"%s\"",
                 (unsigned long long) tp__saved_get_number(session, TP_SAVED_SESSION_NUMBER),
                 tp_address_format(&restoring->remote, remote), tp_close_reason_word(reason),
                 tp__saved_get_text(session, TP_SAVED_UNSENT).len, restoring->why);
    tp__descriptor_close(&fd);
}

static enum tp_result
restoring_fill(const struct restoring *restoring, struct tp_session *session)
{
    const struct tp_saved_section *saved = &restoring->session;
    enum tp_result result = restoring_fill_bytes(restoring, session);

    if (result == TP_OK) {
        result = restoring_fill_protocol(restoring, session);
    }
    if (result != TP_OK) {
        return result;
    }
    session->heard_ms = tp__saved_get_number(saved, TP_SAVED_HEARD_MS);
    if (session->input.len > 0 || session->is_amid_packet) {
        session->packet_begun_ms = tp__saved_get_number(saved, TP_SAVED_PACKET_BEGUN_MS);
    }
    if (session->unsent.len > 0) {
        int64_t since_ms = tp__saved_get_number(saved, TP_SAVED_STUCK_SINCE_MS);

        session->stuck_since_ms = since_ms != 0 ? since_ms : tp__clock_monotonic_ms();
    }
    if (tp__saved_has(saved, TP_SAVED_BEGUN_MS)) {
        session->begun_ms = tp__saved_get_number(saved, TP_SAVED_BEGUN_MS);
    }
    session->received_count = (uint64_t) tp__saved_get_number(saved, TP_SAVED_RECEIVED_COUNT);
    session->sent_count = (uint64_t) tp__saved_get_number(saved, TP_SAVED_SENT_COUNT);
    session->next_seq = (uint64_t) tp__saved_get_number(saved, TP_SAVED_NEXT_SEQ);
    result = tp__session_restore_notes(session, saved);
    if (result == TP_OK) {
        result = tp__session_restore_parts(session, tp__saved_get_text(saved, TP_SAVED_PARTS));
    }
    if (result == TP_OK) {
        result = tp__session_restore_guard_aside(session,
                                                 tp__saved_get_text(saved, TP_SAVED_GUARD_ASIDE));
    }
    if (result == TP_OK) {
        result = restoring_fill_id(restoring, session);
    }
    if (result != TP_OK) {
        return result;
    }
    session->is_ending = tp__saved_has(saved, TP_SAVED_END_REASON);
    session->end_reason = restoring->end_reason;
    session->waits_for_exchanges = tp__saved_get_number(saved, TP_SAVED_END_WAITS) != 0;
    result = restoring_fill_exchanges(restoring, session);
    if (result == TP_OK) {
        tp__session_parts_restored(session);
    }
    return result;
}

/* Where somebody else has the id, or the directory has no room, the session goes on without. */
static enum tp_result
restoring_fill_id(const struct restoring *restoring, struct tp_session *session)
{
    struct tp_str id = tp__saved_get_text(&restoring->session, TP_SAVED_ID);
    enum tp_result result = tp_session_set_id(session, id);

    if (result != TP_OK && result != TP_NO_MEMORY) {
        tp_log_warn(restoring->receiver->log, "id-not-restored", "number=%llu result=%s",
                    (unsigned long long) session->number, tp_result_word(result));
        return TP_OK;
    }
    return result;
}

/* The hook that held it back is asked anew, and what it held back waits on. */
static void
restoring_greet(const struct restoring *restoring, struct tp_session *session)
{
    const struct tp_saved_section *saved = &restoring->session;
    struct tp_str owner = tp__saved_get_text(saved, TP_SAVED_GREETING_OWNER);

    session->has_passed_header = tp__saved_has(saved, TP_SAVED_HEADER_PASSED);
    if (!tp__saved_has(saved, TP_SAVED_GREETING_POINT)) {
        session->is_greeting = session->has_unbegun;
        session->is_released = session->has_unbegun;
        session->is_meeting_due = session->has_unbegun;
        return;
    }
    enum tp_result result = tp__session_greet_again(session, restoring->greeting_point, owner);

    if (result == TP_NOT_FOUND) {
        tp_log_error(restoring->receiver->log, "session-not-restored",
                     "number=%llu reason=%s why=\"the hook of %.*s that had it is not there\"",
                     (unsigned long long) session->number,
                     tp_close_reason_word(TP_CLOSE_NOT_RESTORED), (int) owner.len, owner.data);
    }
    if (result != TP_OK) {
        session->is_greeting = true;
        tp__session_end(session, result == TP_DENIED ? TP_CLOSE_REFUSED : TP_CLOSE_NOT_RESTORED,
                        false);
    }
}

/* It goes on where it was: it is not begun anew. */
static enum tp_result
restoring_fill_protocol(const struct restoring *restoring, struct tp_session *session)
{
    const struct tp_saved_section *saved = &restoring->session;
    struct tp_str name = tp__saved_get_text(saved, TP_SAVED_PROTOCOL);
    enum tp_result result = TP_OK;

    if (name.len == 0) {
        return TP_OK;
    }
    result = tp__session_resume_protocol(session,
                                         tp__server_find_protocol(restoring->source->server, name),
                                         tp__saved_get_text(saved, TP_SAVED_PROTOCOL_STATE));
    session->has_said_end = tp__saved_has(saved, TP_SAVED_END_SAID);
    session->is_amid_packet = tp__saved_has(saved, TP_SAVED_AMID_PACKET);
    return result;
}

static enum tp_result
restoring_fill_bytes(const struct restoring *restoring, struct tp_session *session)
{
    struct tp_buf_pool *pool = &restoring->sessions->pool;
    enum tp_result result = tp_chain_append_copy(
        &session->input, pool, tp__saved_get_text(&restoring->session, TP_SAVED_INPUT));

    if (result == TP_OK) {
        result = tp_chain_append_copy(&session->unsent, pool,
                                      tp__saved_get_text(&restoring->session, TP_SAVED_UNSENT));
    }
    session->queued_bytes = session->unsent.len;
    return result;
}

static enum tp_result
restoring_fill_exchanges(const struct restoring *restoring, struct tp_session *session)
{
    struct tp_str fields = restoring->exchanges;
    enum tp_result result = TP_OK;

    while (result == TP_OK && fields.len > 0) {
        struct tp_saved_section exchange;
        const char *why;

        result = tp__saved_read_section(&fields, &exchange, &why);
        if (result == TP_OK) {
            result = tp__exchange_restore(session, &exchange);
        }
    }
    return result;
}
