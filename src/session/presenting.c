/*
 * presenting.c - who this end is: what a dialed session says before anything else, on each of
 * its connections, and what a live one says anew.
 *
 * Until the answer has come the session greets: nothing but the credentials leaves, and hooks of
 * post_dial do not know of the connection yet, so that what they ask is asked by who has been let
 * in.  Where each request says who asks (HTTP) there is nothing to wait for.
 *
 * No hook is given the packet, and no log shows it.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: server/credentials.c, session_hooks.c, dial.c.
 */
#include "session/record.h"

#include "base/str.h"

#include <string.h>

#define DEFAULT_URI "/auth"

static enum tp_result present(struct tp_session *session, struct tp_str said, const char *uri,
                              const struct tp_asking *asking);
static void present_on_reply(const struct tp_reply *reply, void *owner);
static void present_fail(struct tp_session *session, enum tp_result result);
static void present_refuse(struct tp_session *session, const struct tp_status *status);
static void present_end(struct tp_session *session, enum tp_result result);
static void refusal_take_text(struct tp_refusal *refusal, struct tp_str text);

bool
tp__session_present_first(struct tp_session *session)
{
    const struct tp_credentials *credentials = tp__dialed_credentials(session);
    struct tp_text *said = tp__dialed_said(session);

    tp__credentials_wipe(said);
    if (credentials == NULL) {
        return false;
    }
    enum tp_result result = tp__credentials_read(credentials, said);

    if (result == TP_OK && session->protocol->protocol->credentials == TP_CREDENTIALS_REQUEST) {
        return false;
    }
    session->is_greeting = true;
    session->is_presenting = true;
    session->hook_point = TP_HOOK_POST_DIAL;
    session->hook_at = 0;
    tp__dialed_let_in(session, false);
    if (result == TP_OK) {
        const struct tp_asking asking = {
            .on_reply = present_on_reply,
            .owner = session,
            .timeout = tp__dialed_timeout(session),
            .fails_at_once = true,
            .is_early = true,
            .is_secret = true,
        };

        result = present(session, tp__text_get(said), credentials->uri, &asking);
    }
    tp__credentials_wipe(said);
    if (result != TP_OK) {
        present_fail(session, result);
    }
    return true;
}

enum tp_result
tp_session_present(struct tp_session *session, struct tp_str credentials, const char *uri,
                   tp_reply_fn on_reply, void *owner)
{
    const struct tp_asking asking = {
        .on_reply = on_reply,
        .owner = owner,
        .fails_at_once = true,
        .is_secret = true,
    };

    if (!tp__credentials_are_sane(credentials)) {
        return TP_INVALID;
    }
    if (!tp__session_is_connected(session) || session->is_ending) {
        return TP_GONE;
    }
    return present(session, credentials, uri, &asking);
}

/* As the protocol has it.  TP_UNSUPPORTED: it has no way, or says it with each request. */
static enum tp_result
present(struct tp_session *session, struct tp_str said, const char *uri,
        const struct tp_asking *asking)
{
    enum tp_credentials_way way = tp__session_protocol(session)->credentials;
    const struct tp_send_options options = { .body_codec = TP_CODEC_PLAIN, .has_gzip = true };
    struct tp_packet packet = { 0 };

    if (way != TP_CREDENTIALS_PULL && way != TP_CREDENTIALS_AUTH_CALL) {
        return TP_UNSUPPORTED;
    }
    bool is_pull = way == TP_CREDENTIALS_PULL;
    enum tp_result result = tp__own_packet_fill(
        session, is_pull ? TP_PACKET_PULL : TP_PACKET_AUTH_CALL,
        is_pull ? tp__str(uri == NULL ? DEFAULT_URI : uri) : TP_STR(""), said, &options, &packet);

    return result == TP_OK ? tp__session_ask(session, &packet, asking) : result;
}

static void
present_on_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_session *session = owner;
    int32_t code = reply->status.code;

    /* The connection has ended, or will for a reason that is known already. */
    if ((code == TP_STATUS_CONNECTION_CLOSED && !reply->is_answered) || !session->is_presenting) {
        return;
    }
    if (code != TP_STATUS_OK) {
        present_refuse(session, &reply->status);
        return;
    }
    session->is_presenting = false;
    tp__dialed_let_in(session, true);
    tp__session_greet_on(session, TP_HOOK_POST_DIAL);
}

/* They could not be said at all. */
static void
present_fail(struct tp_session *session, enum tp_result result)
{
    const struct tp_credentials *credentials = tp__dialed_credentials(session);
    struct tp_str target = tp__dialed_target(session);
    const char *where = credentials->file != NULL ? credentials->file : credentials->environment;

    tp_log_warn(tp_session_log(session), "credentials-not-read",
                "number=%llu target=%.*s from=%s result=%s", (unsigned long long) session->number,
                (int) target.len, target.data, where == NULL ? "options" : where,
                tp_result_word(result));
    present_end(session, result);
}

/* The caller is in the middle of what this session has received: its end is the turn's. */
static void
present_refuse(struct tp_session *session, const struct tp_status *status)
{
    struct tp_refusal *refusal = &session->sessions->refusal;
    struct tp_str target = tp__dialed_target(session);

    refusal->code = status->code;
    refusal_take_text(refusal, status->text);
    tp_log_warn(tp_session_log(session), "credentials-refused",
                "number=%llu target=%.*s status=%d text=\"%s\"",
                (unsigned long long) session->number, (int) target.len, target.data,
                (int) refusal->code, refusal->text);
    present_end(session, TP_DENIED);
}

/* The attempt has failed.  What waits behind the credentials waits for the next one, if there is any. */
static void
present_end(struct tp_session *session, enum tp_result result)
{
    struct tp_refusal *refusal = &session->sessions->refusal;

    session->sessions->dial_result = result;
    if (result != TP_DENIED) {
        refusal->code = TP_REFUSAL_UNSAID;
    }
    tp__session_end(session, TP_CLOSE_AUTH_FAILED, false);
    session->waits_for_exchanges = false;
}

/* What the other end says could forge a line of a log, or move a terminal's cursor. */
static void
refusal_take_text(struct tp_refusal *refusal, struct tp_str text)
{
    size_t len = text.len < sizeof(refusal->text) ? text.len : sizeof(refusal->text) - 1;

    for (size_t i = 0; i < len; i++) {
        bool is_plain = text.data[i] >= ' ' && text.data[i] < 0x7f && text.data[i] != '"'
                        && text.data[i] != '\\';

        refusal->text[i] = text.data[i];
        if (!is_plain) {
            refusal->text[i] = '?';
        }
    }
    refusal->text[len] = '\0';
}
