/*
 * signal.c - signs of life that are packets: a PULL or PUSH of ours that is no exchange.
 *
 * Who has thousands of silent sessions sends thousands of heartbeats.  Nobody waits for their
 * REPLYs, so they need no record, no queue, no timer and no place among our PULLs: a signal is
 * encoded and written where it comes from, and what is kept of it is its seq and when it left.
 * It takes that way only where nobody could tell it from that of other packets.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: asking.c, which has all other PULLs and PUSHes of ours.
 */
#include <teleport/session_data.h>

#include "session/record.h"

static bool signal_is_in_nobodys_way(const struct tp_session *session);
static bool hooks_watch_own_packets(const struct tp_hook_set *hooks);

enum tp_result
tp_session_signal(struct tp_session *session, int32_t type, struct tp_str uri,
                  struct tp_str metadata)
{
    const struct tp_server *server = session->source->server;
    struct tp_packet packet = {
        .type = type,
        .header_codec = server->header_codec,
        .body_codec = server->bodies.codec,
        .has_body_codec = true,
        .uri = uri,
        .metadata = metadata,
    };

    tp__sessions_check_thread(session->sessions);
    if (session->is_ending || session->is_barred || !tp__session_is_connected(session)) {
        return TP_GONE;
    }
    tp__sessions_write_encoded(session->sessions);
    if (!signal_is_in_nobodys_way(session)) {
        return TP_AGAIN;
    }
    enum tp_result result = tp__own_packet_check(session, &packet);

    if (result != TP_OK) {
        return result;
    }
    uint64_t seq_max = tp__session_protocol(session)->seq_max;

    packet.seq = seq_max != 0 && session->next_seq > seq_max ? 0 : session->next_seq;
    session->next_seq = packet.seq + 1;
    result = tp__session_write_packet(session, &packet);
    if (result != TP_OK) {
        tp__session_fail(session, TP_CLOSE_CONNECTION_BROKEN);
    } else if (type == TP_PACKET_PULL) {
        session->signal_seq = (uint32_t) packet.seq;
        session->signal_at_us = (uint32_t) tp__loop_now_us(session->sessions->loop) | 1;
    }
    return result;
}

bool
tp_session_awaits_signal(const struct tp_session *session)
{
    return session->signal_at_us != 0;
}

bool
tp__session_take_signal_reply(struct tp_session *session, const struct tp_packet *reply)
{
    uint32_t now_us = (uint32_t) tp__loop_now_us(session->sessions->loop) | 1;

    if (session->signal_at_us == 0 || (uint32_t) reply->seq != session->signal_seq
        || reply->seq >= session->next_seq || session->next_seq - reply->seq > UINT32_MAX) {
        return false;
    }
    /* One that could not reach whom it was for says nothing of the way there. */
    if (reply->status.code >= TP_STATUS_OK && reply->status.code != TP_STATUS_GATEWAY_TIMEOUT) {
        tp_session_note_rtt(session, now_us - session->signal_at_us);
    }
    session->signal_at_us = 0;
    return true;
}

static bool
signal_is_in_nobodys_way(const struct tp_session *session)
{
    const struct tp_server *server = session->source->server;
    const struct tp_exchange_logging *logging = &server->logging;

    return session->unsent.len == 0 && tp__list_is_empty(&session->outgoing)
           && !session->is_greeting && !session->asks_ready && !logging->logs_bodies
           && logging->slow_threshold.ms == 0 && session->sessions->tracer == NULL
           && !hooks_watch_own_packets(server->hooks);
}

static bool
hooks_watch_own_packets(const struct tp_hook_set *hooks)
{
    if (hooks == NULL) {
        return false;
    }
    const struct tp_hook_chain *at = hooks->at;

    return (at[TP_HOOK_PRE_WRITE_PULL].count | at[TP_HOOK_POST_WRITE_PULL].count
            | at[TP_HOOK_PRE_WRITE_PUSH].count | at[TP_HOOK_POST_WRITE_PUSH].count
            | at[TP_HOOK_POST_READ_REPLY_HEADER].count | at[TP_HOOK_PRE_READ_REPLY_BODY].count
            | at[TP_HOOK_POST_READ_REPLY_BODY].count)
           != 0;
}
