/*
 * cycle/tls_directives.h - the values of the directives about TLS, and what they come to.
 */
#ifndef TP_CYCLE_TLS_DIRECTIVES_H
#define TP_CYCLE_TLS_DIRECTIVES_H

#include <teleport/module.h>

#include "base/arena.h"
#include "net/target.h"
#include "net/tls.h"

/* One use of ssl_certificate, ssl_certificate_key or ssl_alpn. */
struct tp_tls_word {
    struct tp_str text;
};

struct tp_tls_conf {
    struct tp_items certificates; /* of struct tp_tls_word, and so are keys and alpn */
    struct tp_items keys;
    struct tp_items alpn;
    int versions[2]; /* enum tp_tls_version; 0: not written */
    struct tp_str ciphers;
    int64_t session_cache;
    bool session_tickets;
    struct tp_str client_certificate; /* empty: none */
    int verify_client;                /* enum tp_tls_verify */
    struct tp_msec handshake_timeout;

    /* Of dials. */
    bool verify;
    struct tp_str name;
    struct tp_str trusted_certificate; /* "system": whom the system trusts */

    /*
     * Computed by .validate: what a server is for those who come, a dial for whom it dials;
     * NULL where TLS is not spoken.  It is the conf's.
     */
    struct tp_tls_context *context;
};

extern const struct tp_module tp__module_tls;

/* Whom TLS has to reach at a target that is dialed, in the arena; NULL where that is not asked. */
const char *tp__tls_conf_name(const struct tp_tls_conf *conf, struct tp_arena *arena,
                              const struct tp_target *target);

#endif
