/*
 * certificate.c - whom a client's certificate names.
 *
 * That it is good was found when TLS began, by "ssl_client_certificate" and "ssl_verify_client".
 *
 * Runs in: worker.
 */
#include "certificate.h"

#include <string.h>

/* What of a certificate may be the id; the first is the preset. */
static const struct {
    const char *name;
    struct tp_str (*get)(const struct tp_session *session);
} certificate_names[] = {
    { "subject", tp_session_tls_subject },
    { "cn", tp_session_tls_common_name },
    { "san", tp_session_tls_alternative_name },
};

static size_t certificate_name(struct tp_str name);

bool
certificate_identify(const struct auth_method *method, struct tp_session *session,
                     struct tp_identity *identity)
{
    if (method == NULL || tp_session_tls_subject(session).len == 0) {
        return false;
    }
    *identity = (struct tp_identity){
        .id = certificate_names[certificate_name(method->id)].get(session),
        .method = TP_STR("certificate"),
        .expires_ms = method->ttl.ms > 0 ? tp_session_now_ms(session) + method->ttl.ms : 0,
    };
    memcpy(identity->mark, method->mark, sizeof(method->mark));
    return identity->id.len > 0 && identity->id.len <= TP_IDENTITY_ID_MAX;
}

bool
certificate_combine(const struct auth_conf *conf, struct tp_session *session,
                    struct tp_identity *identity)
{
    struct tp_identity shown;

    if (!certificate_identify(conf->certificate, session, &shown)) {
        return false;
    }
    if (shown.expires_ms != 0
        && (identity->expires_ms == 0 || identity->expires_ms > shown.expires_ms)) {
        identity->expires_ms = shown.expires_ms;
    }
    return true;
}

bool
certificate_has(struct tp_str name)
{
    return name.len == 0 || certificate_name(name) != 0 || strcmp(name.data, "subject") == 0;
}

/* 0 for what is none. */
static size_t
certificate_name(struct tp_str name)
{
    size_t found = 0;

    for (size_t i = 0; i < sizeof(certificate_names) / sizeof(certificate_names[0]); i++) {
        if (name.len > 0 && strcmp(certificate_names[i].name, name.data) == 0) {
            found = i;
        }
    }
    return found;
}
