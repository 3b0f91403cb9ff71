/*
 * gate.c - where credentials come in, and what becomes of who has presented them.
 *
 * A session is guarded from the beginning: what comes first has to be its credentials, an AUTH_CALL
 * or a PULL of auth_uri.  Over HTTP each request brings its own.  A session that is in may present
 * others, to go on as the same for longer.
 *
 * Runs in: worker.
 * Read next: verify.c.
 */
#include "gate.h"

#include "certificate.h"
#include "credential.h"
#include "verify.h"

#include <string.h>

/* A digit is their sum. */
enum {
    SAVED_NO_ID = 1,
    SAVED_ASKED = 2,
};

static void gate_guard(struct tp_exchange *exchange, void *owner);
static void gate_verify_first(struct tp_exchange *exchange, const struct auth_conf *conf,
                              struct auth_finding *finding);
static enum tp_verdict gate_each(struct tp_hook_call *call, const struct auth_conf *conf);
static enum tp_verdict gate_renew(struct tp_hook_call *call, const struct auth_conf *conf);
static enum tp_verdict gate_pass_known(struct tp_hook_call *call, const struct auth_conf *conf);
static enum tp_verdict gate_present(struct tp_hook_call *call, const struct auth_claim *claim,
                                    struct tp_str credential);
static void gate_on_done(const struct auth_claim *claim, const struct auth_finding *finding);
static void gate_end_guard(const struct auth_claim *claim, const struct auth_finding *finding);
static struct tp_status gate_settle(const struct auth_claim *claim,
                                    const struct auth_finding *finding);
static enum auth_outcome gate_identify(const struct auth_claim *claim,
                                       const struct auth_finding *finding);
static enum auth_outcome session_become(const struct auth_claim *claim,
                                        const struct tp_identity *identity);
static enum auth_outcome outcome_of(enum tp_result result);
static void gate_log(const struct auth_claim *claim, const struct auth_finding *finding,
                     enum auth_outcome outcome);
static bool uri_may_lead_to(struct tp_str uri, struct tp_str path);
static bool is_credentials(const struct tp_exchange *exchange, const struct auth_conf *conf);
static void take_id(struct tp_session *session);
static bool same_text(struct tp_str one, struct tp_str other);

enum tp_verdict
gate_on_accept(struct tp_hook_call *call, const void *module_conf)
{
    const struct auth_conf *conf = module_conf;
    const struct tp_session_guard guard = {
        .packet_limit = conf->packet_limit,
        .timeout = conf->timeout,
        .handler = gate_guard,
    };
    struct tp_identity identity;

    if (conf->satisfy == AUTH_ANY
        && certificate_identify(conf->certificate, call->session, &identity)) {
        enum auth_outcome outcome = outcome_of(tp_session_identify(call->session, &identity));

        tp_meter_add(&conf->outcomes[outcome], 1);
        call->refusal = auth_outcome_status(outcome);
        return outcome == AUTH_GOOD ? TP_PASS : TP_REFUSE;
    }
    if (tp_session_set_guard(call->session, &guard) == TP_OK) {
        return TP_LATER;
    }
    call->refusal = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    return TP_REFUSE;
}

enum tp_verdict
gate_on_pull(struct tp_hook_call *call, const void *module_conf)
{
    const struct auth_conf *conf = module_conf;

    if (tp_session_is_dialed(call->session)) {
        /* We have chosen whom we ask: it is TLS that says who answers. */
        return TP_PASS;
    }
    if (tp_session_proves_each(call->session)) {
        return gate_each(call, conf);
    }
    if (is_credentials(call->exchange, conf)) {
        return gate_renew(call, conf);
    }
    return gate_pass_known(call, conf);
}

enum tp_verdict
gate_on_push(struct tp_hook_call *call, const void *module_conf)
{
    if (tp_session_is_dialed(call->session)) {
        return TP_PASS;
    }
    return tp_session_proves_each(call->session) ? gate_each(call, module_conf)
                                                 : gate_pass_known(call, module_conf);
}

bool
gate_spares(const struct tp_exchange *exchange, const void *module_conf)
{
    const struct auth_conf *conf = module_conf;
    const struct tp_session *session = tp_exchange_session(exchange);

    if (tp_session_identity(session) == NULL) {
        return tp_session_is_dialed(session);
    }
    if (tp_session_proves_each(session)
        || (conf->certificate != NULL && conf->sets_id && tp_session_id(session).len == 0)) {
        return false;
    }
    return tp_exchange_type(exchange) != TP_PACKET_AUTH_CALL
           && !uri_may_lead_to(tp_exchange_uri(exchange), conf->uri);
}

enum tp_result
gate_save(const void *data, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct auth_session *kept = data;
    const char flags =
        (char) ('0' + (kept->has_no_id ? SAVED_NO_ID : 0) + (kept->is_asked ? SAVED_ASKED : 0));

    return tp_chain_append_copy(saved, pool, (struct tp_str){ &flags, 1 });
}

enum tp_result
gate_restore(void *data, struct tp_str saved)
{
    struct auth_session *kept = data;

    if (saved.len != 1 || saved.data[0] < '0' || saved.data[0] > '0' + SAVED_NO_ID + SAVED_ASKED) {
        return TP_INVALID;
    }
    kept->has_no_id = ((saved.data[0] - '0') & SAVED_NO_ID) != 0;
    kept->is_asked = ((saved.data[0] - '0') & SAVED_ASKED) != 0;
    return TP_OK;
}

/* The conf is that of the session's server now: a reload may have changed it meanwhile. */
static void
gate_guard(struct tp_exchange *exchange, void *owner)
{
    struct tp_session *session = tp_exchange_session(exchange);
    const struct auth_conf *conf = tp_session_conf(session, &tp_module_auth);
    struct auth_finding finding = { .outcome = AUTH_GOOD };
    const struct auth_claim claim = {
        .exchange = exchange,
        .conf = conf,
        .home = tp_exchange_home(exchange),
        .place = AUTH_AT_GUARD,
        .done = gate_on_done,
    };

    (void) owner;
    if (!conf->is_on) {
        tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE);
        tp_session_resume(session, TP_PASS, NULL);
        return;
    }
    gate_verify_first(exchange, conf, &finding);
    if (finding.outcome == AUTH_GOOD) {
        struct credential credential;

        finding.outcome = credential_read(exchange, &credential)
                              ? auth_verify(&claim, credential.text, &finding)
                              : AUTH_MALFORMED;
        credential_wipe(&credential);
    }
    if (finding.outcome == AUTH_LATER) {
        tp_exchange_keep(exchange);
    } else {
        gate_end_guard(&claim, &finding);
    }
}

/* What can be said before a credential is looked at. */
static void
gate_verify_first(struct tp_exchange *exchange, const struct auth_conf *conf,
                  struct auth_finding *finding)
{
    struct tp_identity identity;

    if (!is_credentials(exchange, conf)) {
        finding->outcome = AUTH_MISSING;
    } else if (conf->certificate != NULL && (conf->satisfy == AUTH_ALL || !conf->has_credentials)
               && !certificate_identify(conf->certificate, tp_exchange_session(exchange),
                                        &identity)) {
        finding->outcome = AUTH_NO_CERTIFICATE;
    }
}

/* A request that proves itself; where a certificate is enough its session has an identity. */
static enum tp_verdict
gate_each(struct tp_hook_call *call, const struct auth_conf *conf)
{
    const struct auth_claim claim = {
        .exchange = call->exchange,
        .conf = conf,
        .home = tp_exchange_home(call->exchange),
        .place = AUTH_ON_EACH,
        .done = gate_on_done,
    };
    struct credential credential;
    struct tp_identity identity;
    struct auth_finding finding = { .outcome = AUTH_NO_CERTIFICATE };

    if (conf->satisfy == AUTH_ANY && tp_session_identity(call->session) != NULL) {
        return TP_PASS;
    }
    if (conf->certificate != NULL && (conf->satisfy == AUTH_ALL || !conf->has_credentials)
        && !certificate_identify(conf->certificate, call->session, &identity)) {
        call->refusal = gate_settle(&claim, &finding);
        return TP_REFUSE;
    }
    if (!credential_read_authorization(call->exchange, &credential)) {
        finding.outcome = AUTH_MALFORMED;
        call->refusal = gate_settle(&claim, &finding);
        return TP_REFUSE;
    }
    enum tp_verdict verdict = gate_present(call, &claim, credential.text);

    credential_wipe(&credential);
    return verdict;
}

/* The session is in, and presents credentials again; or it is in since before a reload. */
static enum tp_verdict
gate_renew(struct tp_hook_call *call, const struct auth_conf *conf)
{
    const struct auth_claim claim = {
        .exchange = call->exchange,
        .conf = conf,
        .home = tp_exchange_home(call->exchange),
        .place = AUTH_ON_LIVE,
        .done = gate_on_done,
    };
    struct auth_finding finding = { .outcome = AUTH_RENEWING };
    struct credential credential;

    tp_exchange_hide_body(call->exchange);
    if (tp_session_identity(call->session) != NULL && !conf->renews) {
        call->refusal = gate_settle(&claim, &finding);
        return TP_REFUSE;
    }
    gate_verify_first(call->exchange, conf, &finding);
    if (finding.outcome == AUTH_NO_CERTIFICATE || !credential_read(call->exchange, &credential)) {
        finding.outcome = finding.outcome == AUTH_NO_CERTIFICATE ? finding.outcome : AUTH_MALFORMED;
        call->refusal = gate_settle(&claim, &finding);
        return TP_REFUSE;
    }
    enum tp_verdict verdict = gate_present(call, &claim, credential.text);

    credential_wipe(&credential);
    return verdict;
}

/* Nobody comes by here unknown, but who was in before a reload has asked for it. */
static enum tp_verdict
gate_pass_known(struct tp_hook_call *call, const struct auth_conf *conf)
{
    if (tp_session_identity(call->session) == NULL) {
        call->refusal = auth_outcome_status(AUTH_MISSING);
        return TP_REFUSE;
    }
    if (conf->certificate != NULL && conf->sets_id && tp_session_id(call->session).len == 0) {
        take_id(call->session);
    }
    return TP_PASS;
}

static enum tp_verdict
gate_present(struct tp_hook_call *call, const struct auth_claim *claim, struct tp_str credential)
{
    struct auth_finding finding;

    if (auth_verify(claim, credential, &finding) == AUTH_LATER) {
        return TP_LATER;
    }
    call->refusal = gate_settle(claim, &finding);
    return claim->place == AUTH_ON_EACH && call->refusal.code == TP_STATUS_OK ? TP_PASS : TP_REFUSE;
}

/* Also when the session has ended meanwhile: an exchange that was kept wants its end. */
static void
gate_on_done(const struct auth_claim *claim, const struct auth_finding *finding)
{
    if (claim->place == AUTH_AT_GUARD) {
        gate_end_guard(claim, finding);
        return;
    }
    struct tp_status status = gate_settle(claim, finding);
    bool passes = claim->place == AUTH_ON_EACH && status.code == TP_STATUS_OK;

    /* A renewal is answered here, and goes no further: refusing says what the answer is. */
    tp_exchange_resume(claim->exchange, passes ? TP_PASS : TP_REFUSE, &status);
}

static void
gate_end_guard(const struct auth_claim *claim, const struct auth_finding *finding)
{
    struct tp_session *session = tp_exchange_session(claim->exchange);

    if (tp_exchange_status(claim->exchange)->code != 0) {
        /* exchange_timeout was faster, and it was told so: it may try again. */
        const struct tp_status told = *tp_exchange_status(claim->exchange);

        tp_exchange_refuse(claim->exchange, &told);
        return;
    }
    struct tp_status status = gate_settle(claim, finding);

    tp_exchange_refuse(claim->exchange, &status);
    if (session == NULL) {
        return;
    }
    if (status.code == TP_STATUS_OK) {
        tp_session_resume(session, TP_PASS, NULL);
    } else {
        tp_session_end(session, TP_CLOSE_AUTH_FAILED);
    }
}

/* What was found takes effect; returns what is answered. */
static struct tp_status
gate_settle(const struct auth_claim *claim, const struct auth_finding *finding)
{
    enum auth_outcome outcome = gate_identify(claim, finding);
    struct tp_status status = auth_outcome_status(outcome);

    tp_meter_add(&claim->conf->outcomes[outcome], 1);
    if (tp_exchange_session(claim->exchange) == NULL) {
        return status;
    }
    gate_log(claim, finding, outcome);
    if (claim->place == AUTH_ON_EACH && status.code == TP_STATUS_UNAUTHORIZED
        && tp_exchange_add_challenge(claim->exchange) != TP_OK) {
        return tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    }
    return status;
}

static enum auth_outcome
gate_identify(const struct auth_claim *claim, const struct auth_finding *finding)
{
    struct tp_session *session = tp_exchange_session(claim->exchange);

    if (finding->outcome != AUTH_GOOD || session == NULL) {
        return finding->outcome;
    }
    struct tp_identity identity = finding->identity;

    if (claim->conf->satisfy == AUTH_ALL && !certificate_combine(claim->conf, session, &identity)) {
        return AUTH_NO_CERTIFICATE;
    }
    if (claim->place == AUTH_ON_EACH) {
        return outcome_of(tp_exchange_identify(claim->exchange, &identity));
    }
    return session_become(claim, &identity);
}

/* The id first: where another one keeps it the session is nobody; and nobody has no id of it. */
static enum auth_outcome
session_become(const struct auth_claim *claim, const struct tp_identity *identity)
{
    struct tp_session *session = tp_exchange_session(claim->exchange);
    const struct tp_identity *before = tp_session_identity(session);

    if (before != NULL && !same_text(before->id, identity->id)) {
        return AUTH_OTHER_ID;
    }
    if (!auth_still_holds(tp_session_conf(session, &tp_module_auth), session, identity)) {
        /* A reload has come while a thread was at it. */
        return AUTH_BUSY;
    }
    struct tp_str id = tp_session_id(session);
    bool has_other_id = claim->conf->sets_id && !same_text(id, identity->id);
    char id_before[TP_SESSION_ID_MAX];

    if (id.len > 0) {
        memcpy(id_before, id.data, id.len);
    }
    id.data = id_before;
    if (has_other_id) {
        enum auth_outcome outcome = outcome_of(tp_session_set_id(session, identity->id));

        if (outcome != AUTH_GOOD) {
            return outcome;
        }
    }
    enum auth_outcome outcome = outcome_of(tp_session_identify(session, identity));

    if (outcome != AUTH_GOOD && has_other_id && tp_session_set_id(session, id) != TP_OK) {
        tp_session_end(session, TP_CLOSE_NO_RESOURCES);
    }
    return outcome;
}

static enum auth_outcome
outcome_of(enum tp_result result)
{
    return result == TP_OK          ? AUTH_GOOD
           : result == TP_EXISTS    ? AUTH_ID_TAKEN
           : result == TP_TOO_LARGE ? AUTH_LONG_ID
           : result == TP_DENIED    ? AUTH_TOO_MANY
                                    : AUTH_BUSY;
}

/* A flood of wrong ones is a line for each that was tried, and one where it is stopped. */
static void
gate_log(const struct auth_claim *claim, const struct auth_finding *finding,
         enum auth_outcome outcome)
{
    struct tp_session *session = tp_exchange_session(claim->exchange);
    const struct tp_log *log = tp_session_log(session);
    unsigned long long number = tp_session_number(session);
    char text[TP_ADDRESS_TEXT_MAX];
    const char *remote = tp_address_format(tp_session_remote(session), text);

    if (outcome == AUTH_GOOD) {
        const struct tp_identity *identity = tp_exchange_identity(claim->exchange);

        TP_LOG_AT(log, claim->place == AUTH_ON_EACH ? TP_LOG_DEBUG : TP_LOG_INFO, "auth-ok",
                  "remote=%s number=%llu method=%.*s id=%.*s", remote, number,
                  TP_STR_ARG(identity->method), TP_STR_ARG(identity->id));
        return;
    }
    TP_LOG_AT(log, outcome == AUTH_LIMITED || outcome == AUTH_BUSY ? TP_LOG_INFO : TP_LOG_WARN,
              "auth-failed", "remote=%s number=%llu outcome=%s why=\"%s\"", remote, number,
              auth_outcome_word(outcome),
              finding->why != NULL ? finding->why : auth_outcome_status(outcome).cause.data);
    if (finding->is_last_attempt) {
        tp_log_warn(log, "auth-limited", "remote=%s seconds=%lld", remote,
                    (long long) claim->conf->limit.time.ms / 1000);
    }
}

static bool
is_credentials(const struct tp_exchange *exchange, const struct auth_conf *conf)
{
    int32_t type = tp_exchange_type(exchange);

    return type == TP_PACKET_AUTH_CALL
           || (type == TP_PACKET_PULL && same_text(tp_exchange_path(exchange), conf->uri));
}

/* False is certain, without reading on behind the first byte that differs. */
static bool
uri_may_lead_to(struct tp_str uri, struct tp_str path)
{
    size_t i = 0;

    if (uri.len == 0 || uri.data[0] != '/') {
        return true; /* There may be a host before the path. */
    }
    while (i < uri.len && i < path.len && uri.data[i] == path.data[i] && uri.data[i] != '%') {
        i++;
    }
    bool has_path = i == path.len;
    char next = i < uri.len ? uri.data[i] : '?';

    return next == '%' || (has_path && (next == '?' || next == '#'));
}

/*
 * A certificate proves a session before it has said a word; its id is given to it with its first
 * packet, because what speaks HTTP has none.
 */
static void
take_id(struct tp_session *session)
{
    struct auth_session *kept = tp_session_data_get(session, &tp_module_auth);
    struct tp_str id = tp_session_identity(session)->id;

    if (kept != NULL && kept->has_no_id) {
        return;
    }
    enum tp_result result = tp_session_set_id(session, id);

    if (result == TP_OK) {
        return;
    }
    tp_log_warn(tp_session_log(session), "auth-without-id", "number=%llu id=%.*s result=%s",
                (unsigned long long) tp_session_number(session), TP_STR_ARG(id),
                tp_result_word(result));
    kept = tp_session_data_make(session, &tp_module_auth);
    if (kept != NULL) {
        kept->has_no_id = true;
    }
}

static bool
same_text(struct tp_str one, struct tp_str other)
{
    return one.len == other.len && (one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
}
