/*
 * auth.h - the conf of a server that wants to know who is there, and what verifying comes to.
 *
 * Read next: auth.c (directives), gate.c (where credentials come in), verify.c (what they are).
 */
#ifndef TP_AUTH_AUTH_H
#define TP_AUTH_AUTH_H

#include "jwt.h"
#include "token_file.h"

#include <teleport/module.h>

/*
 * What an attempt may come to: ROW(NAME, word for logs and meters, status code, cause).
 * The cause is what the other end is told: of a wrong secret and an unknown id the same.
 */
/* clang-format off */
#define AUTH_OUTCOME_TABLE(ROW)                                                                    \
    ROW(GOOD,      "good",      200, "")                                                           \
    ROW(MISSING,   "missing",   401, "credentials come first")                                     \
    ROW(MALFORMED, "malformed", 401, "these are no credentials")                                   \
    ROW(WRONG,     "wrong",     401, "wrong id or secret")                                         \
    ROW(BAD_TOKEN, "bad-token", 401, "the token is not good")                                      \
    ROW(NO_CERTIFICATE, "no-certificate", 401, "a client certificate is required")                 \
    ROW(OTHER_ID,  "other-id",  409, "the session is somebody else's")                             \
    ROW(ID_TAKEN,  "id-taken",  409, "another session has this id")                                \
    ROW(LONG_ID,   "long-id",   403, "the id or the claims are too long for a session")            \
    ROW(RENEWING,  "renewing",  409, "the session is not to be renewed")                           \
    ROW(TOO_MANY,  "too-many",  429, "there are too many sessions of this id")                     \
    ROW(LIMITED,   "limited",   429, "too many wrong attempts")                                    \
    ROW(UNANSWERED, "unanswered", 503, "nobody can say who this is now")                           \
    ROW(BUSY,      "busy",      503, "busy")
/* clang-format on */

enum auth_outcome {
#define AUTH_ENUM_ROW(NAME, word, code, cause) AUTH_##NAME,
    AUTH_OUTCOME_TABLE(AUTH_ENUM_ROW)
#undef AUTH_ENUM_ROW
    AUTH_OUTCOME_COUNT,
    AUTH_LATER, /* a thread is at it */
};

enum auth_kind {
    AUTH_OFF,
    AUTH_TOKEN,
    AUTH_JWT,
    AUTH_CERTIFICATE,
    AUTH_PULL,
};

enum auth_satisfy {
    AUTH_ANY,
    AUTH_ALL,
};

/* One use of "auth". */
struct auth_method {
    int kind; /* enum auth_kind */
    struct tp_str upstream_name;
    struct tp_str uri;
    struct tp_str file;
    struct tp_str key;
    int algorithm; /* enum jwt_algorithm */
    struct tp_str issuer;
    struct tp_str audience;
    struct tp_str id;
    struct tp_msec leeway;
    struct tp_msec ttl;

    /* Filled when the configuration is checked. */
    bool is_prepared;
    struct token_file *tokens;              /* of AUTH_TOKEN */
    struct jwt_rules rules;                 /* of AUTH_JWT */
    const struct tp_upstream_ref *upstream; /* of AUTH_PULL */
    uint8_t
        mark[TP_IDENTITY_MARK_BYTES]; /* of what else proves: the key, what it wants of tokens */
};

/* So many wrong attempts of one address in such a time; 0: as many as it likes. */
struct auth_limit {
    uint32_t count;
    struct tp_msec time;
};

struct auth_cache;
struct auth_waiting;

struct auth_conf {
    struct tp_items methods; /* of struct auth_method */
    int satisfy;             /* enum auth_satisfy */
    struct tp_str uri;
    struct tp_msec timeout;
    struct tp_size packet_limit;
    bool renews;
    bool sets_id;
    struct auth_limit limit;
    int64_t limit_addresses;
    struct tp_msec cache_time;
    int64_t cache_entries;
    struct tp_msec refusal_time;

    /* Filled when the configuration is checked. */
    bool is_on;
    bool has_tokens;
    bool has_jwt;
    const struct auth_method *pull;        /* NULL: no backend is asked */
    bool has_credentials;                  /* any of them */
    const struct auth_method *certificate; /* NULL: none counts */
    struct tp_table *attempts;
    struct tp_meter outcomes[AUTH_OUTCOME_COUNT];
    struct tp_meter hashes;
    struct tp_meter cached;
    struct tp_meter asked;
    struct tp_meter revoked;

    /* Of the worker: they change. */
    struct auth_cache *cache;   /* NULL: nothing is kept */
    struct auth_cache *refused; /* the same, by a backend; there where that is asked */
    struct auth_waiting *waiting;
};

/* Who was found, and why not; texts are borrowed from whoever calls back. */
struct auth_finding {
    enum auth_outcome outcome;
    const char *why;      /* for the log; NULL: as the outcome says */
    bool is_last_attempt; /* the address has no more for now */
    struct tp_identity identity;
    struct jwt_facts facts; /* the texts of a JWT's */
};

extern const struct tp_module tp_module_auth;

/* The conf's methods. */
static inline const struct auth_method *
auth_methods(const struct auth_conf *conf)
{
    return conf->methods.items;
}

/* "wrong"; and what the other end is told. */
const char *auth_outcome_word(enum auth_outcome outcome);
struct tp_status auth_outcome_status(enum auth_outcome outcome);

/*
 * Is what the session has proved who it is with still enough for the conf?  `identity` is the
 * session's, or is about to be.
 */
bool auth_still_holds(const struct auth_conf *conf, struct tp_session *session,
                      const struct tp_identity *identity);

/* Ends those of the worker's sessions that hold no more. */
void auth_revoke(struct tp_sessions *home);

#endif
