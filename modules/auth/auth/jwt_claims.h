/*
 * jwt_claims.h - what a token says, once it is known who has signed it.
 */
#ifndef TP_AUTH_JWT_CLAIMS_H
#define TP_AUTH_JWT_CLAIMS_H

#include "jwt.h"

#include <cjson/cJSON.h>

/* The object that a part of a token is.  NULL, or what it is not; *object is the caller's. */
const char *jwt_json_read(struct tp_str part, cJSON **object) TP_MUST_CHECK;

/* The same of its text.  Freed texts are no secrets. */
const char *jwt_json_parse(struct tp_str text, cJSON **object) TP_MUST_CHECK;

/* Whom the member of that name names; NULL, or why it names nobody. */
const char *jwt_id_read(const cJSON *object, const char *name,
                        struct jwt_facts *facts) TP_MUST_CHECK;

/* Takes all members as claims, as far as claims can say them; false: they are too long. */
bool jwt_claims_take(const cJSON *object, struct jwt_facts *facts) TP_MUST_CHECK;

/* The member of that name; NULL: there is none. */
const cJSON *jwt_json_get(const cJSON *object, const char *name);

/* As jwt_check(). */
const char *jwt_claims_read(const struct jwt_rules *rules, const cJSON *payload, int64_t now_ms,
                            struct jwt_facts *facts) TP_MUST_CHECK;

#endif
