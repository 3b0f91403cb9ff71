/*
 * jwt_claims.c - reads the header and the payload of a token, and weighs its claims.
 *
 * A name that stands twice makes the whole invalid: two readers might take different ones.
 *
 * Runs in: worker.
 */
#include "jwt_claims.h"

#include <teleport/base64.h>
#include <teleport/json.h>

#include <stdlib.h>
#include <string.h>

enum {
    CLAIM_MEMBERS_MAX = 256, /* of the header or the payload */
};

static const char *json_parse(const char *text, size_t len, cJSON **object);
static const char *json_check(const cJSON *object);
static const char *times_check(const cJSON *payload, int64_t now_ms, int64_t leeway_ms,
                               struct jwt_facts *facts);
static bool time_read(const cJSON *payload, const char *name, double *time_s, bool *is_there);
static const char *names_check(const struct jwt_rules *rules, const cJSON *payload);
static bool audience_has(const cJSON *audience, struct tp_str wanted);
static bool text_is(const cJSON *value, struct tp_str wanted);
static bool claims_add(struct jwt_facts *facts, const cJSON *claim);
static bool claims_add_pair(struct jwt_facts *facts, const char *name, const char *value);

const char *
jwt_json_read(struct tp_str part, cJSON **object)
{
    char *text = malloc(TP_BASE64_BYTES_MAX(part.len) + 1);

    *object = NULL;
    if (text == NULL) {
        return "memory is out";
    }
    size_t len = tp_base64_read(part, TP_BASE64_URL, (uint8_t *) text);
    const char *why = "it is no token";

    if (len != SIZE_MAX) {
        text[len] = '\0';
        why = json_parse(text, len, object);
    }
    free(text);
    return why;
}

const char *
jwt_json_parse(struct tp_str part, cJSON **object)
{
    char *text = malloc(part.len + 1);

    *object = NULL;
    if (text == NULL) {
        return "memory is out";
    }
    if (part.len > 0) {
        memcpy(text, part.data, part.len);
    }
    text[part.len] = '\0';
    const char *why = json_parse(text, part.len, object);

    free(text);
    return why;
}

/* There is a zero behind it. */
static const char *
json_parse(const char *text, size_t len, cJSON **object)
{
    const char *end = NULL;

    /* cJSON ends a text at what \u0000 means. */
    if (strlen(text) == len && strstr(text, "\\u0000") == NULL) {
        *object = cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
    }
    const char *why = cJSON_IsObject(*object) ? json_check(*object) : "it is no token";

    if (why != NULL) {
        cJSON_Delete(*object);
        *object = NULL;
    }
    return why;
}

const cJSON *
jwt_json_get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *
jwt_claims_read(const struct jwt_rules *rules, const cJSON *payload, int64_t now_ms,
                struct jwt_facts *facts)
{
    const char *why;

    *facts = (struct jwt_facts){ .id_len = 0 };
    if ((why = times_check(payload, now_ms, rules->leeway.ms, facts)) != NULL
        || (why = names_check(rules, payload)) != NULL
        || (why = jwt_id_read(payload, rules->id_claim.data, facts)) != NULL) {
        return why;
    }
    return jwt_claims_take(payload, facts) ? NULL : "its claims are too long";
}

bool
jwt_claims_take(const cJSON *object, struct jwt_facts *facts)
{
    const cJSON *claim;

    cJSON_ArrayForEach(claim, object)
    {
        if (!claims_add(facts, claim)) {
            return false;
        }
    }
    return true;
}

/* Members are few, so each is compared with each. */
static const char *
json_check(const cJSON *object)
{
    int count = 0;

    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        if (++count > CLAIM_MEMBERS_MAX) {
            return "it has too many members";
        }
        for (const cJSON *other = object->child; other != member; other = other->next) {
            if (strcmp(other->string, member->string) == 0) {
                return "a name in it stands twice";
            }
        }
    }
    return NULL;
}

static const char *
times_check(const cJSON *payload, int64_t now_ms, int64_t leeway_ms, struct jwt_facts *facts)
{
    double now_s = (double) now_ms / 1000;
    double leeway_s = (double) leeway_ms / 1000;
    double time_s;
    bool is_there;

    if (!time_read(payload, "exp", &time_s, &is_there)) {
        return "its exp is no time";
    }
    if (is_there && time_s + leeway_s <= now_s) {
        return "it has expired";
    }
    /* The leeway lets it in; who is in stays no longer for it. */
    facts->expires_s = !is_there        ? 0
                       : time_s > now_s ? (int64_t) time_s
                                        : (int64_t) (time_s + leeway_s);
    if (!time_read(payload, "nbf", &time_s, &is_there)) {
        return "its nbf is no time";
    }
    if (is_there && time_s - leeway_s > now_s) {
        return "it is not valid yet";
    }
    if (!time_read(payload, "iat", &time_s, &is_there)) {
        return "its iat is no time";
    }
    return is_there && time_s - leeway_s > now_s ? "it was issued in the future" : NULL;
}

/* Seconds since 1970, perhaps with a fraction; false: it is something else. */
static bool
time_read(const cJSON *payload, const char *name, double *time_s, bool *is_there)
{
    const double far = 253402300800.0; /* the year 10000 */
    const cJSON *claim = jwt_json_get(payload, name);

    *is_there = claim != NULL;
    *time_s = 0;
    if (claim == NULL) {
        return true;
    }
    if (!cJSON_IsNumber(claim) || !(claim->valuedouble >= 1) || !(claim->valuedouble < far)) {
        return false;
    }
    *time_s = claim->valuedouble;
    return true;
}

/* RFC 7519, 4.1.3: where the token is for somebody, that must be us. */
static const char *
names_check(const struct jwt_rules *rules, const cJSON *payload)
{
    const cJSON *audience = jwt_json_get(payload, "aud");

    if (rules->issuer.len > 0 && !text_is(jwt_json_get(payload, "iss"), rules->issuer)) {
        return "its issuer is another one";
    }
    if (rules->audience.len == 0) {
        return audience == NULL ? NULL : "it is for an audience, and none is configured";
    }
    return audience_has(audience, rules->audience) ? NULL : "its audience is another one";
}

static bool
audience_has(const cJSON *audience, struct tp_str wanted)
{
    const cJSON *name;

    if (!cJSON_IsArray(audience)) {
        return text_is(audience, wanted);
    }
    cJSON_ArrayForEach(name, audience)
    {
        if (text_is(name, wanted)) {
            return true;
        }
    }
    return false;
}

static bool
text_is(const cJSON *value, struct tp_str wanted)
{
    return cJSON_IsString(value) && strlen(value->valuestring) == wanted.len
           && memcmp(value->valuestring, wanted.data, wanted.len) == 0;
}

const char *
jwt_id_read(const cJSON *object, const char *name, struct jwt_facts *facts)
{
    const cJSON *claim = jwt_json_get(object, name);
    int64_t number;

    if (cJSON_IsString(claim)) {
        size_t len = strlen(claim->valuestring);

        if (len == 0 || len > sizeof(facts->id)) {
            return "its id is empty or too long";
        }
        for (size_t i = 0; i < len; i++) {
            if ((unsigned char) claim->valuestring[i] < ' ' || claim->valuestring[i] == 0x7f) {
                return "its id has control characters";
            }
        }
        memcpy(facts->id, claim->valuestring, len);
        facts->id_len = len;
        return NULL;
    }
    if (tp_json_get_integer(claim, &number)) {
        char text[TP_NUMBER_TEXT_MAX];

        facts->id_len = tp_number_format_integer(number, text);
        memcpy(facts->id, text, facts->id_len);
        return NULL;
    }
    return "it has no id";
}

/* Texts, numbers, truths, and texts in an array; what is deeper is left out. */
static bool
claims_add(struct jwt_facts *facts, const cJSON *claim)
{
    char number[TP_NUMBER_TEXT_MAX];
    const cJSON *item;

    if (cJSON_IsString(claim)) {
        return claims_add_pair(facts, claim->string, claim->valuestring);
    }
    if (cJSON_IsBool(claim)) {
        return claims_add_pair(facts, claim->string, cJSON_IsTrue(claim) ? "true" : "false");
    }
    if (cJSON_IsNumber(claim) && isfinite(claim->valuedouble)) {
        tp_number_format(claim->valuedouble, number);
        return claims_add_pair(facts, claim->string, number);
    }
    if (cJSON_IsArray(claim)) {
        cJSON_ArrayForEach(item, claim)
        {
            if (cJSON_IsString(item) && !claims_add_pair(facts, claim->string, item->valuestring)) {
                return false;
            }
        }
    }
    return true;
}

static bool
claims_add_pair(struct jwt_facts *facts, const char *name, const char *value)
{
    struct tp_str name_text = { name, strlen(name) };
    struct tp_str value_text = { value, strlen(value) };
    size_t len = tp_query_escaped_len(name_text) + 1 + tp_query_escaped_len(value_text);
    size_t separator = facts->claims_len > 0 ? 1 : 0;

    if (facts->claims_len + separator + len > sizeof(facts->claims)) {
        return false;
    }
    char *next = facts->claims + facts->claims_len;

    if (separator > 0) {
        *next++ = '&';
    }
    next = tp_query_escape(name_text, next);
    *next++ = '=';
    next = tp_query_escape(value_text, next);
    facts->claims_len = (size_t) (next - facts->claims);
    return true;
}
