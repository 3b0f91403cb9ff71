/*
 * jwt_claims.h - what a token says, once it is known who has signed it.
 */
#ifndef TP_AUTH_JWT_CLAIMS_H
#define TP_AUTH_JWT_CLAIMS_H

#include "jwt.h"

#include <cjson/cJSON.h>

/* The object that a part of a token is.  NULL, or what it is not; *object is the caller's. */
const char *jwt_json_read(struct tp_str part, cJSON **object) TP_MUST_CHECK;

/* The member of that name; NULL: there is none. */
const cJSON *jwt_json_get(const cJSON *object, const char *name);

/* As jwt_check(). */
const char *jwt_claims_read(const struct jwt_rules *rules, const cJSON *payload, int64_t now_ms,
                            struct jwt_facts *facts) TP_MUST_CHECK;

#endif
