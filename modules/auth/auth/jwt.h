/*
 * jwt.h - JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515): is one good, and whom does it
 * name?
 *
 * Which algorithm it has to be is configured, never believed: what the token says of it must be
 * the same.
 */
#ifndef TP_AUTH_JWT_H
#define TP_AUTH_JWT_H

#include <teleport/module.h>

enum {
    JWT_BYTES_MAX = 16 * 1024,
    JWT_KEY_BYTES_MAX = 64 * 1024, /* of a file */
    JWT_SECRET_BYTES_MIN = 32,     /* RFC 7518, 3.2 */
    JWT_RSA_BITS_MIN = 2048,       /* 3.3 */
};

/* ROW(NAME, name) */
#define JWT_ALGORITHM_TABLE(ROW) \
    ROW(HS256, "HS256")          \
    ROW(RS256, "RS256")          \
    ROW(ES256, "ES256")          \
    ROW(EDDSA, "EdDSA")

enum jwt_algorithm {
    JWT_NONE, /* none is configured: nothing is ever good */
#define JWT_ENUM_ROW(NAME, name) JWT_##NAME,
    JWT_ALGORITHM_TABLE(JWT_ENUM_ROW)
#undef JWT_ENUM_ROW
};

struct evp_pkey_st;

/* What a token must be. */
struct jwt_rules {
    enum jwt_algorithm algorithm;
    struct evp_pkey_st *key; /* jwt_key_read(); a secret, too */
    struct tp_str issuer;    /* empty: any */
    struct tp_str audience;  /* empty: the token names none */
    struct tp_str id_claim;
    struct tp_msec leeway; /* of clocks */
};

/* What a good one says. */
struct jwt_facts {
    char id[TP_IDENTITY_ID_MAX];
    size_t id_len;
    char claims[TP_IDENTITY_CLAIMS_MAX];
    size_t claims_len;
    int64_t expires_s; /* since 1970; 0: never */
};

/*
 * The key that stands in a file: PEM, or for HS256 its bytes, without a line's end behind them.
 * Returns NULL, or why it is none; *key is the caller's (jwt_key_free()).
 */
const char *jwt_key_read(enum jwt_algorithm algorithm, struct tp_str content,
                         struct evp_pkey_st **key) TP_MUST_CHECK;
void jwt_key_free(struct evp_pkey_st **key);

/*
 * Returns NULL when it is good, and *facts tells what it says; else in words what it is not.  Of
 * one that is not signed well nothing is read.
 */
const char *jwt_check(const struct jwt_rules *rules, struct tp_str token, int64_t now_ms,
                      struct jwt_facts *facts) TP_MUST_CHECK;

#endif
