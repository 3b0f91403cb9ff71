/*
 * backend.c - asks a backend who somebody is: what is presented goes there as it is, and the answer
 * says who that is, for how long, and what else is known.
 *
 *     200 {"id":"ann","vars":{"role":"admin"},"ttl":3600}    lets in
 *     401, 403                                               does not
 *
 * Anything else, silence too, says nothing about anybody: nobody is let in, and nobody has made a
 * wrong attempt.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: verify.c.
 */
#include "backend.h"

#include "jwt_claims.h"

enum {
    ASK_TRIES_MAX = 3, /* servers of the upstream */
    ANSWER_BYTES_MAX = 16 * 1024,
    SECOND_MS = 1000,
};

#define TTL_SECONDS_MAX 3.2e9 /* a hundred years */

static const char *answer_read(struct tp_str body, int64_t now_ms, struct auth_finding *finding);
static const char *object_read(const cJSON *object, int64_t now_ms, struct auth_finding *finding);

enum tp_result
backend_ask(const struct auth_claim *claim, struct tp_str credential, tp_reply_fn on_reply,
            void *owner)
{
    const struct auth_method *method = claim->conf->pull;
    const struct tp_upstream_question question = {
        .uri = method->uri,
        .body = credential,
        .body_codec = TP_CODEC_PLAIN,
        .is_secret = true,
        .timeout = claim->conf->timeout,
        .tries_max = ASK_TRIES_MAX,
    };
    struct tp_upstream *upstream = tp_upstream_at(method->upstream, claim->home, claim->exchange);

    return upstream == NULL ? TP_NOT_FOUND : tp_upstream_ask(upstream, &question, on_reply, owner);
}

void
backend_answer_read(const struct tp_reply *reply, int64_t now_ms, struct auth_finding *finding)
{
    int32_t code = tp_reply_status(reply)->code;

    finding->outcome = AUTH_UNANSWERED;
    if (code == TP_STATUS_UNAUTHORIZED || code == TP_STATUS_FORBIDDEN) {
        finding->outcome = AUTH_WRONG;
        finding->why = "the backend does not know it";
    } else if (code != TP_STATUS_OK) {
        finding->why = "the backend has neither let it in nor refused it";
    } else {
        finding->why = answer_read(tp_reply_body(reply), now_ms, finding);
        finding->outcome = finding->why == NULL ? AUTH_GOOD : AUTH_UNANSWERED;
    }
}

/* NULL, or what is wrong with it. */
static const char *
answer_read(struct tp_str body, int64_t now_ms, struct auth_finding *finding)
{
    cJSON *object = NULL;

    if (body.len > ANSWER_BYTES_MAX) {
        return "the backend's answer is too long";
    }
    if (jwt_json_parse(body, &object) != NULL) {
        return "the backend's answer is no JSON object";
    }
    const char *why = object_read(object, now_ms, finding);

    cJSON_Delete(object);
    return why;
}

static const char *
object_read(const cJSON *object, int64_t now_ms, struct auth_finding *finding)
{
    const cJSON *vars = jwt_json_get(object, "vars");
    const cJSON *ttl = jwt_json_get(object, "ttl");
    struct jwt_facts *facts = &finding->facts;

    *facts = (struct jwt_facts){ .id_len = 0 };
    if (jwt_id_read(object, "id", facts) != NULL) {
        return "the backend's answer has no good id";
    }
    if (vars != NULL && !cJSON_IsObject(vars)) {
        return "vars of the backend's answer is no object";
    }
    if (!jwt_claims_take(vars, facts)) {
        return "vars of the backend's answer are too long";
    }
    if (ttl != NULL
        && (!cJSON_IsNumber(ttl) || !(ttl->valuedouble > 0)
            || !(ttl->valuedouble < TTL_SECONDS_MAX))) {
        return "ttl of the backend's answer is no number of seconds";
    }
    finding->identity = (struct tp_identity){
        .id = { facts->id, facts->id_len },
        .method = TP_STR("pull"),
        .claims = { facts->claims, facts->claims_len },
        .expires_ms = ttl == NULL ? 0 : now_ms + 1 + (int64_t) (ttl->valuedouble * SECOND_MS),
    };
    return NULL;
}
