/*
 * auth.c - who is there: directives, and what is made of them.
 *
 * A method is one use of "auth".  What it needs (a file of tokens, a key) is read when the
 * configuration is loaded, so that a mistake in it is one of the configuration.
 *
 * Runs in: worker; the check in whichever process loads a configuration.
 * Read next: gate.c.
 */
#include "auth.h"

#include "attempts.h"
#include "cache.h"
#include "certificate.h"
#include "gate.h"
#include "verify.h"

#include <openssl/evp.h>

#include <string.h>

enum {
    LIMIT_COUNT_DIGITS = 6,
};

static void auth_validate(const struct tp_block *block, void *module_conf);
static void auth_count_methods(const struct tp_block *block, struct auth_conf *conf);
static void method_prepare(const struct tp_block *block, size_t item, struct auth_method *method);
static void method_prepare_jwt(const struct tp_block *block, size_t item,
                               struct auth_method *method);
static void method_prepare_pull(const struct tp_block *block, size_t item,
                                struct auth_method *method);
static void method_check_arguments(const struct tp_block *block, size_t item,
                                   const struct auth_method *method);
static const char *kind_word(int kind);
static void method_make_mark(struct auth_method *method, struct tp_str key);
static void auth_declare(const struct tp_block *block, struct auth_conf *conf);
static void auth_release(void *module_conf);
static bool auth_wants_hooks(const void *module_conf);
static enum tp_result auth_start(struct tp_sessions *home, const void *module_conf);
static void auth_stop(struct tp_sessions *home, const void *module_conf);
static void stop_files(const struct auth_conf *conf, size_t count);
static void revoke_session(struct tp_session *session, void *owner);
static void auth_on_conf(struct tp_session *session, const void *module_conf);
static void ask_session(struct tp_session *session, const struct auth_conf *conf);
static void auth_on_time(struct tp_session *session, void *data, const void *module_conf);
static bool is_asked(const struct tp_session *session, const struct auth_conf *conf);
static const char *parse_limit(struct tp_str text, void *field);

static const struct tp_word kind_words[] = {
    { "token", AUTH_TOKEN },
    { "jwt", AUTH_JWT },
    { "certificate", AUTH_CERTIFICATE },
    { "pull", AUTH_PULL },
    { "off", AUTH_OFF },
    { NULL, 0 },
};

static const struct tp_word algorithm_words[] = {
#define ALGORITHM_WORD(NAME, name) { name, JWT_##NAME },
    JWT_ALGORITHM_TABLE(ALGORITHM_WORD)
#undef ALGORITHM_WORD
    { NULL, 0 },
};

static const struct tp_word satisfy_words[] = {
    { "any", AUTH_ANY },
    { "all", AUTH_ALL },
    { NULL, 0 },
};

static const struct tp_custom_type limit_type = {
    .word = "rate",
    .parse = parse_limit,
};

static const struct tp_argument auth_arguments[] = {
    {
        .name = "METHOD", .kind = TP_ARGUMENT_REQUIRED,
        TP_WORD(struct auth_method, kind, kind_words),
        .brief = "What proves it: a secret of a file, a signed JSON Web Token, the client's "
                 "certificate, or what a backend says that is pulled; off: nobody has to prove "
                 "anything.",
    },
    {
        .name = "UPSTREAM", .kind = TP_ARGUMENT_OPTIONAL,
        TP_TEXT(struct auth_method, upstream_name),
        .brief = "Of pull: the backend, an upstream or an address as proxy_pass takes it.",
    },
    {
        .name = "URI", .kind = TP_ARGUMENT_OPTIONAL, TP_TEXT(struct auth_method, uri),
        .brief = "Of pull: what is pulled there, with the credentials as its body.",
    },
    {
        .name = "file", .kind = TP_ARGUMENT_NAMED, TP_PATH(struct auth_method, file),
        .brief = "Of tokens: a line is \"ID:HASH\", as \"tp hash\" makes it, with claims "
                 "\"name=value\" behind it.",
    },
    {
        .name = "key", .kind = TP_ARGUMENT_NAMED, TP_PATH(struct auth_method, key),
        .brief = "Of a JWT: a public key in PEM; for HS256 a secret.",
    },
    {
        .name = "alg", .kind = TP_ARGUMENT_NAMED,
        TP_WORD(struct auth_method, algorithm, algorithm_words),
        .brief = "The algorithm that a JWT has to have.",
    },
    {
        .name = "issuer", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct auth_method, issuer),
        .brief = "What \"iss\" of a JWT has to be.",
    },
    {
        .name = "audience", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct auth_method, audience),
        .brief = "What \"aud\" of a JWT has to be, or to have; without it a JWT that has one is "
                 "not good.",
    },
    {
        .name = "id", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct auth_method, id),
        .brief = "What becomes the id: a claim of the JWT (sub), or subject, cn or san of the "
                 "certificate (subject).",
    },
    {
        .name = "leeway", .kind = TP_ARGUMENT_NAMED, TP_TIME(struct auth_method, leeway),
        .preset = "30s", .min = "0s", .max = "1h",
        .brief = "How much the clock of who has issued a JWT may differ.",
    },
    {
        .name = "ttl", .kind = TP_ARGUMENT_NAMED, TP_TIME(struct auth_method, ttl),
        .preset = "0s", .min = "0s", .max = "365d",
        .brief = "How long it counts; the session ends then, unless it was renewed; 0: for ever, or "
                 "as long as a JWT says.",
    },
};

static const struct tp_directive auth_directives[] = {
    {
        .name = "auth", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct auth_conf, methods, struct auth_method),
        TP_ARGUMENTS(auth_arguments), .since = "0.1",
        .brief = "Before it has proved who it is a session reaches nothing; one of several methods "
                 "is enough, unless \"satisfy all\" is written.",
    },
    {
        .name = "satisfy", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_WORD(struct auth_conf, satisfy, satisfy_words), .preset = "any", .since = "0.1",
        .brief = "Whether any method is enough, or a certificate and one of the others are needed.",
    },
    {
        .name = "auth_uri", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TEXT(struct auth_conf, uri), .preset = "/auth", .since = "0.1",
        .brief = "The uri of the PULL whose body is the credentials, for protocols without an "
                 "AUTH_CALL.",
    },
    {
        .name = "auth_timeout", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct auth_conf, timeout), .preset = "10s", .min = "100ms", .max = "1h",
        .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "How long a session has to prove who it is.",
    },
    {
        .name = "auth_packet_limit", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_SIZE(struct auth_conf, packet_limit), .preset = "4k", .min = "64", .max = "64k",
        .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "The largest packet before that.",
    },
    {
        .name = "auth_renew", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_FLAG(struct auth_conf, renews), .preset = "off", .since = "0.1",
        .brief = "Whether a session may present credentials of the same id again, to stay "
                 "longer; else that is refused with 409.",
    },
    {
        .name = "auth_sets_id", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_FLAG(struct auth_conf, sets_id), .preset = "on", .since = "0.1",
        .brief = "Whether a session gets the id that it has proved.",
    },
    {
        .name = "auth_limit", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_CUSTOM(struct auth_conf, limit, struct auth_limit, &limit_type), .preset = "10/1m",
        .since = "0.1",
        .brief = "How many wrong attempts an address has in such a time, in all workers together; "
                 "further ones are refused with 429, and cost nothing.",
    },
    {
        .name = "auth_limit_addresses", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct auth_conf, limit_addresses), .preset = "16384", .min = "64",
        .max = "1048576", .applies = TP_APPLIES_RESTART, .since = "0.1",
        .brief = "Of how many addresses attempts are counted at a time.",
    },
    {
        .name = "auth_cache", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct auth_conf, cache_time), .preset = "60s", .min = "0s", .max = "1h",
        .since = "0.1",
        .brief = "How long credentials that were right are known without another hash, in each "
                 "worker; a line that is taken out of its file is not; 0s: never.",
    },
    {
        .name = "auth_cache_entries", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct auth_conf, cache_entries), .preset = "1024", .min = "4",
        .max = "1048576", .since = "0.1",
        .brief = "How many of them, of a server and worker.",
    },
    {
        .name = "auth_refusals", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct auth_conf, refusal_time), .preset = "2s", .min = "0s", .max = "1m",
        .since = "0.1",
        .brief = "How long credentials that a backend has refused (auth pull) are refused again "
                 "without asking it, in each worker; 0s: it is asked each time.",
    },
};

static const struct tp_log_id auth_log_ids[] = {
    { "auth-ok", "Somebody has proved who it is; at debug, where each request does." },
    { "auth-failed", "Credentials were not good, or none came; the words say why, and never what "
                     "they were." },
    { "auth-limited", "An address has made as many wrong attempts as auth_limit lets it; further "
                      "ones are refused until the time is over." },
    { "auth-file-read", "A file of tokens has changed, and was read." },
    { "auth-file-unusable", "A file of tokens has changed and cannot be read, or has a mistake; "
                            "what it was before still counts." },
    { "auth-revoked", "A session was ended, because what it had proved who it is with does not "
                      "hold any more." },
    { "auth-without-id", "A session could not have the id of its certificate, and goes on without." },
};

enum {
    METER_ATTEMPTS,
    METER_HASHES,
    METER_CACHED,
    METER_ASKED,
    METER_REVOKED,
};

static const struct tp_meter_row auth_meters[] = {
    [METER_ATTEMPTS] = { "auth_attempts", TP_METER_COUNTER, "attempts", "outcome",
                         "Attempts to prove who one is, by what came of them." },
    [METER_HASHES] = { "auth_hashes", TP_METER_COUNTER, "hashes", NULL,
                       "Hashes of secrets that were computed." },
    [METER_CACHED] = { "auth_cached", TP_METER_COUNTER, "attempts", NULL,
                       "Credentials that were known from a moment ago." },
    [METER_ASKED] = { "auth_asked", TP_METER_COUNTER, "PULLs", NULL,
                      "Questions to backends who somebody is." },
    [METER_REVOKED] = { "auth_revoked", TP_METER_COUNTER, "sessions", NULL,
                        "Sessions that were ended because what they had proved holds no more." },
};

const struct tp_module tp_module_auth = {
    .name = "auth",
    .brief = "Lets in who proves who it is: by token, JWT or certificate, or as a backend says.",
    .conf_size = sizeof(struct auth_conf),
    TP_DIRECTIVES(auth_directives),
    TP_LOG_IDS(auth_log_ids),
    TP_METERS(auth_meters),
    .run_after = "limit",
    .validate = auth_validate,
    .release = auth_release,
    .hooks = { .at = { [TP_HOOK_POST_ACCEPT] = gate_on_accept,
                       [TP_HOOK_POST_READ_PULL_HEADER] = gate_on_pull,
                       [TP_HOOK_POST_READ_PUSH_HEADER] = gate_on_push } },
    .wants_hooks = auth_wants_hooks,
    .spares = gate_spares,
    .start = auth_start,
    .stop = auth_stop,
    .session = { .size = sizeof(struct auth_session),
                 .on_time = auth_on_time,
                 .on_conf = auth_on_conf,
                 .save = gate_save,
                 .restore = gate_restore },
};

const char *
auth_outcome_word(enum auth_outcome outcome)
{
    static const char *const words[] = {
#define OUTCOME_WORD(NAME, word, code, cause) [AUTH_##NAME] = (word),
        AUTH_OUTCOME_TABLE(OUTCOME_WORD)
#undef OUTCOME_WORD
    };

    return words[outcome];
}

struct tp_status
auth_outcome_status(enum auth_outcome outcome)
{
    static const struct {
        int32_t code;
        struct tp_str cause;
    } statuses[] = {
#define OUTCOME_STATUS(NAME, word, code, cause) \
    [AUTH_##NAME] = { (code), { (cause), sizeof(cause) - 1 } },
        AUTH_OUTCOME_TABLE(OUTCOME_STATUS)
#undef OUTCOME_STATUS
    };

    return (struct tp_status){
        .code = statuses[outcome].code,
        .text = tp_status_text(statuses[outcome].code),
        .cause = statuses[outcome].cause,
    };
}

bool
auth_still_holds(const struct auth_conf *conf, struct tp_session *session,
                 const struct tp_identity *identity)
{
    struct tp_identity shown;

    if (conf == NULL || !conf->is_on) {
        return true;
    }
    const struct auth_method *method = auth_method_of(conf, identity);

    if (method == NULL || conf->satisfy == AUTH_ANY) {
        return method != NULL;
    }
    return method->kind != AUTH_CERTIFICATE
           && certificate_identify(conf->certificate, session, &shown);
}

void
auth_revoke(struct tp_sessions *home)
{
    tp_home_each_session(home, revoke_session, NULL);
}

/* One that ends already is asked no more. */
static void
revoke_session(struct tp_session *session, void *owner)
{
    const struct tp_identity *identity = tp_session_identity(session);
    const struct auth_conf *conf =
        identity == NULL ? NULL : tp_session_conf(session, &tp_module_auth);

    (void) owner;
    if (identity == NULL || tp_session_get_state(session) == TP_SESSION_ENDING
        || auth_still_holds(conf, session, identity)) {
        return;
    }
    tp_meter_add(&conf->revoked, 1);
    tp_log_notice(tp_session_log(session), "auth-revoked", "number=%llu id=%.*s",
                  (unsigned long long) tp_session_number(session), TP_STR_ARG(identity->id));
    tp_session_end(session, TP_CLOSE_AUTH_REVOKED);
}

/* A reload: who was in by what no longer counts is out, and who was never asked is asked now. */
static void
auth_on_conf(struct tp_session *session, const void *module_conf)
{
    struct auth_session *kept = tp_session_data_get(session, &tp_module_auth);

    if (tp_session_identity(session) != NULL) {
        revoke_session(session, NULL);
    } else if (is_asked(session, module_conf)) {
        ask_session(session, module_conf);
    } else if (kept != NULL && kept->is_asked) {
        kept->is_asked = false;
        tp_session_wake(session, &tp_module_auth, (struct tp_msec){ 0 });
    }
}

/*
 * It has as long as a new one; another reload does not make that longer.  Without memory nobody
 * would look at it again, so it ends.
 */
static void
ask_session(struct tp_session *session, const struct auth_conf *conf)
{
    struct tp_identity identity;

    if (conf->satisfy == AUTH_ANY && certificate_identify(conf->certificate, session, &identity)
        && tp_session_identify(session, &identity) == TP_OK) {
        return;
    }
    struct auth_session *kept = tp_session_data_make(session, &tp_module_auth);

    if (kept == NULL) {
        tp_session_end(session, TP_CLOSE_NO_RESOURCES);
    } else if (!kept->is_asked) {
        kept->is_asked = true;
        tp_session_wake(session, &tp_module_auth, conf->timeout);
    }
}

static void
auth_on_time(struct tp_session *session, void *data, const void *module_conf)
{
    struct auth_session *kept = data;

    kept->is_asked = false;
    if (is_asked(session, module_conf)) {
        tp_session_end(session, TP_CLOSE_AUTH_TIMEOUT);
    }
}

/* Has the session still to prove who it is?  One with a guard is asked by that. */
static bool
is_asked(const struct tp_session *session, const struct auth_conf *conf)
{
    return conf->is_on && tp_session_identity(session) == NULL && !tp_session_is_dialed(session)
           && !tp_session_is_guarded(session) && !tp_session_proves_each(session)
           && tp_session_get_state(session) != TP_SESSION_ENDING;
}

/* Blocks that inherit the methods share them: they are prepared once. */
static void
auth_validate(const struct tp_block *block, void *module_conf)
{
    struct auth_conf *conf = module_conf;
    struct auth_method *methods = conf->methods.items;

    for (size_t i = 0; i < conf->methods.count; i++) {
        method_prepare(block, i, &methods[i]);
    }
    auth_count_methods(block, conf);
    if (conf->uri.len == 0 || conf->uri.data[0] != '/') {
        tp_conf_complain(block, "auth_uri", 0, "a uri begins with \"/\"");
    }
    if (!conf->is_on || tp_block_context(block) != TP_IN_SERVER) {
        return;
    }
    conf->waiting = auth_waiting_create();
    bool has_cache = conf->cache_time.ms > 0 || conf->pull != NULL;

    if (has_cache) {
        conf->cache = auth_cache_create((size_t) conf->cache_entries);
    }
    if (conf->pull != NULL) {
        conf->refused = auth_cache_create((size_t) conf->cache_entries);
    }
    if (conf->waiting == NULL || (conf->cache == NULL && has_cache)
        || (conf->refused == NULL && conf->pull != NULL)) {
        tp_conf_complain(block, "auth", 0, "%s", tp_result_sentence(TP_NO_MEMORY));
    }
    auth_declare(block, conf);
}

static void
auth_count_methods(const struct tp_block *block, struct auth_conf *conf)
{
    const struct auth_method *methods = auth_methods(conf);
    bool is_off = false;

    for (size_t i = 0; i < conf->methods.count; i++) {
        bool is_second = (methods[i].kind == AUTH_CERTIFICATE && conf->certificate != NULL)
                         || (methods[i].kind == AUTH_PULL && conf->pull != NULL);

        is_off = is_off || methods[i].kind == AUTH_OFF;
        conf->has_tokens = conf->has_tokens || methods[i].kind == AUTH_TOKEN;
        conf->has_jwt = conf->has_jwt || methods[i].kind == AUTH_JWT;
        if (is_second) {
            tp_conf_complain(block, "auth", i, "there is one \"%s\" only",
                             kind_word(methods[i].kind));
        } else if (methods[i].kind == AUTH_CERTIFICATE) {
            conf->certificate = &methods[i];
        } else if (methods[i].kind == AUTH_PULL) {
            conf->pull = &methods[i];
        }
    }
    int credential_kinds = conf->has_tokens + conf->has_jwt + (conf->pull != NULL);

    conf->has_credentials = credential_kinds > 0;
    conf->is_on = conf->methods.count > 0 && !is_off;
    if (is_off && conf->methods.count > 1) {
        tp_conf_complain(block, "auth", 0, "\"off\" stands alone");
    }
    if (conf->is_on && conf->satisfy == AUTH_ALL
        && (conf->certificate == NULL || credential_kinds != 1)) {
        tp_conf_complain(block, "satisfy", 0,
                         "\"all\" wants a certificate and either tokens, JWTs or a backend: nobody "
                         "presents several of these");
    }
}

static void
method_prepare(const struct tp_block *block, size_t item, struct auth_method *method)
{
    if (method->is_prepared) {
        return;
    }
    method->is_prepared = true;
    method_check_arguments(block, item, method);
    switch ((enum auth_kind) method->kind) {
    case AUTH_TOKEN:
        if (method->file.len == 0) {
            tp_conf_complain(block, "auth", item, "\"token\" wants \"file=\"");
        } else {
            method->tokens = token_file_load(block, item, method->file);
        }
        break;
    case AUTH_JWT:
        method_prepare_jwt(block, item, method);
        break;
    case AUTH_CERTIFICATE:
        if (!certificate_has(method->id)) {
            tp_conf_complain(block, "auth", item, "\"id\" of a certificate is subject, cn or san");
        }
        method_make_mark(method, TP_STR(""));
        break;
    case AUTH_PULL:
        method_prepare_pull(block, item, method);
        break;
    case AUTH_OFF:
        break;
    }
}

static void
method_prepare_pull(const struct tp_block *block, size_t item, struct auth_method *method)
{
    if (method->upstream_name.len == 0 || method->uri.len == 0 || method->uri.data[0] != '/') {
        tp_conf_complain(block, "auth", item,
                         "\"pull\" wants the name of an upstream and a uri that begins with \"/\"");
        return;
    }
    tp_upstream_declare(block, "auth", &method->upstream, method->upstream_name);
    method_make_mark(method, TP_STR(""));
}

static void
method_prepare_jwt(const struct tp_block *block, size_t item, struct auth_method *method)
{
    struct tp_str content;

    if (method->key.len == 0 || method->algorithm == JWT_NONE) {
        tp_conf_complain(block, "auth", item, "\"jwt\" wants \"key=\" and \"alg=\"");
        return;
    }
    enum tp_result result = tp_conf_read_file(block, method->key.data, &content);

    if (result != TP_OK) {
        tp_conf_complain(block, "auth", item, "cannot read %s: %s", method->key.data,
                         tp_result_sentence(result));
        return;
    }
    method->rules = (struct jwt_rules){
        .algorithm = (enum jwt_algorithm) method->algorithm,
        .issuer = method->issuer,
        .audience = method->audience,
        .id_claim = method->id.len > 0 ? method->id : TP_STR("sub"),
        .leeway = method->leeway,
    };
    const char *why = jwt_key_read(method->rules.algorithm, content, &method->rules.key);

    if (why != NULL) {
        tp_conf_complain(block, "auth", item, "%s: %s", method->key.data, why);
    }
    method_make_mark(method, content);
}

/* What is written for another method is a mistake, and not to be overlooked. */
static void
method_check_arguments(const struct tp_block *block, size_t item, const struct auth_method *method)
{
    const struct {
        const char *name;
        bool is_written;
        unsigned kinds;
    } arguments[] = {
        { "file", method->file.len > 0, 1u << AUTH_TOKEN },
        { "key", method->key.len > 0, 1u << AUTH_JWT },
        { "alg", method->algorithm != JWT_NONE, 1u << AUTH_JWT },
        { "issuer", method->issuer.len > 0, 1u << AUTH_JWT },
        { "audience", method->audience.len > 0, 1u << AUTH_JWT },
        { "id", method->id.len > 0, 1u << AUTH_JWT | 1u << AUTH_CERTIFICATE },
        { "ttl", method->ttl.ms > 0, ~(1u << AUTH_OFF) },
    };

    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
        if (arguments[i].is_written && (arguments[i].kinds & 1u << method->kind) == 0) {
            tp_conf_complain(block, "auth", item, "\"%s\" has no \"%s=\"", kind_word(method->kind),
                             arguments[i].name);
        }
    }
    if (method->kind != AUTH_PULL && method->upstream_name.len > 0) {
        tp_conf_complain(block, "auth", item, "\"%s\" has no \"%s\"", kind_word(method->kind),
                         method->upstream_name.data);
    }
}

static const char *
kind_word(int kind)
{
    const struct tp_word *row = kind_words;

    while (row->value != kind) {
        row++;
    }
    return row->word;
}

/* What it wants: where that changes, what was good before is not, until it is seen again. */
static void
method_make_mark(struct auth_method *method, struct tp_str key)
{
    const struct tp_str parts[] = { key,        method->issuer,        method->audience,
                                    method->id, method->upstream_name, method->uri };
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_made = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

    is_made = is_made && EVP_DigestUpdate(digest, &method->kind, sizeof(method->kind)) == 1
              && EVP_DigestUpdate(digest, &method->algorithm, sizeof(method->algorithm)) == 1;
    for (size_t i = 0; is_made && i < TP_COUNT_OF(parts); i++) {
        is_made = EVP_DigestUpdate(digest, &parts[i].len, sizeof(parts[i].len)) == 1
                  && EVP_DigestUpdate(digest, parts[i].data, parts[i].len) == 1;
    }
    TP_ASSERT(is_made && EVP_DigestFinal_ex(digest, method->mark, NULL) == 1);
    EVP_MD_CTX_free(digest);
}

static void
auth_declare(const struct tp_block *block, struct auth_conf *conf)
{
    for (size_t i = 0; i < AUTH_OUTCOME_COUNT; i++) {
        const char *word = auth_outcome_word((enum auth_outcome) i);

        tp_meter_declare(block, &conf->outcomes[i], &auth_meters[METER_ATTEMPTS],
                         (struct tp_str){ word, strlen(word) });
    }
    tp_meter_declare(block, &conf->hashes, &auth_meters[METER_HASHES], TP_STR(""));
    tp_meter_declare(block, &conf->cached, &auth_meters[METER_CACHED], TP_STR(""));
    tp_meter_declare(block, &conf->asked, &auth_meters[METER_ASKED], TP_STR(""));
    tp_meter_declare(block, &conf->revoked, &auth_meters[METER_REVOKED], TP_STR(""));
    attempts_declare(block, conf);
}

static void
auth_release(void *module_conf)
{
    struct auth_conf *conf = module_conf;
    struct auth_method *methods = conf->methods.items;

    for (size_t i = 0; i < conf->methods.count; i++) {
        token_file_free(&methods[i].tokens);
        jwt_key_free(&methods[i].rules.key);
    }
    auth_cache_free(&conf->cache);
    auth_cache_free(&conf->refused);
    auth_waiting_free(&conf->waiting);
}

static bool
auth_wants_hooks(const void *module_conf)
{
    const struct auth_conf *conf = module_conf;

    return conf->is_on;
}

static enum tp_result
auth_start(struct tp_sessions *home, const void *module_conf)
{
    const struct auth_conf *conf = module_conf;
    enum tp_result result = TP_OK;

    if (conf->waiting == NULL) {
        return TP_OK;
    }
    for (size_t i = 0; i < conf->methods.count && result == TP_OK; i++) {
        if (auth_methods(conf)[i].tokens != NULL) {
            result = token_file_start(auth_methods(conf)[i].tokens, home, auth_revoke);
        }
        if (result != TP_OK) {
            stop_files(conf, i);
            return result;
        }
    }
    result = auth_waiting_start(conf->waiting, home);
    if (result != TP_OK) {
        stop_files(conf, conf->methods.count);
    }
    return result;
}

static void
auth_stop(struct tp_sessions *home, const void *module_conf)
{
    const struct auth_conf *conf = module_conf;

    (void) home;
    if (conf->waiting != NULL) {
        auth_waiting_stop(conf->waiting);
        stop_files(conf, conf->methods.count);
    }
}

static void
stop_files(const struct auth_conf *conf, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (auth_methods(conf)[i].tokens != NULL) {
            token_file_stop(auth_methods(conf)[i].tokens);
        }
    }
}

/* "10/1m", or "off". */
static const char *
parse_limit(struct tp_str text, void *field)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {
        { "s", 1000 },
        { "m", 60 * 1000 },
        { "h", 3600 * 1000 },
        { "d", 24 * 3600 * 1000 },
    };
    const char *const wanted = "a number and a time such as 10/1m, or off";
    struct auth_limit *limit = field;
    const char *next = text.data;
    int64_t numbers[2] = { 0, 0 };

    *limit = (struct auth_limit){ .count = 0 };
    if (strcmp(text.data, "off") == 0) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        const char *begin = next;

        while (*next >= '0' && *next <= '9' && next - begin < LIMIT_COUNT_DIGITS) {
            numbers[i] = numbers[i] * 10 + (*next++ - '0');
        }
        if (next == begin || numbers[i] == 0 || (i == 0 && *next++ != '/')) {
            return wanted;
        }
    }
    for (size_t i = 0; i < TP_COUNT_OF(units); i++) {
        if (strcmp(next, units[i].unit) == 0) {
            *limit = (struct auth_limit){ (uint32_t) numbers[0], { numbers[1] * units[i].ms } };
            return NULL;
        }
    }
    return wanted;
}
