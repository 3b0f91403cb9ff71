/*
 * certificate.h - whom a client's certificate names.
 */
#ifndef TP_AUTH_CERTIFICATE_H
#define TP_AUTH_CERTIFICATE_H

#include "auth.h"

/*
 * Whom the certificate of the session names, as `method` wants it; false: it has shown none that
 * was found good, or that has no such name; or method is NULL.  Texts are the session's.
 */
bool certificate_identify(const struct auth_method *method, struct tp_session *session,
                          struct tp_identity *identity);

/*
 * Where a certificate is wanted besides a token: who that names stays who it is, and no longer than
 * the certificate's ttl.  False: there is no certificate.
 */
bool certificate_combine(const struct auth_conf *conf, struct tp_session *session,
                         struct tp_identity *identity);

/* Is `name` a name that a certificate may have: subject, cn, san? */
bool certificate_has(struct tp_str name);

#endif
