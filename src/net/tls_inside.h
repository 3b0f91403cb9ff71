/*
 * net/tls_inside.h - what the files of TLS have in common; nobody else includes it.
 */
#ifndef TP_NET_TLS_INSIDE_H
#define TP_NET_TLS_INSIDE_H

#include "net/tls.h"

#include <openssl/ssl.h>

/* What is said for one name, or for all that no other is for. */
struct tls_identity {
    SSL_CTX *system; /* OpenSSL's own */
};

struct tp_tls_context {
    struct tp_counted counted;
    enum tp_tls_role role;
    enum tp_tls_verify verify;
    struct tls_identity *identities; /* the first is for names that no other is for */
    size_t identity_count;
    struct tp_tls_ticket_keys *ticket_keys; /* NULL: each identity has its own */
    size_t alpn_len;
    uint8_t alpn[]; /* names, each behind its length */
};

/* Where complaints go to while a context is made. */
struct tls_complaints {
    tp_tls_complain_fn complain;
    void *owner;
    bool has_errors;
};

void tp__tls_complain(struct tls_complaints *complaints, enum tp_tls_part part, size_t item,
                      const char *format, ...) TP_PRINTF(4, 5);
void tp__tls_warn(struct tls_complaints *complaints, enum tp_tls_part part, size_t item,
                  const char *format, ...) TP_PRINTF(4, 5);

/* The reason of OpenSSL's last failure in this thread, whose queue is empty afterwards. */
const char *tp__tls_take_reason(void);

/*
 * Lets `system` be whom the pair is for.  False: it cannot be, and that has been complained of.
 */
bool tp__tls_use_pair(SSL_CTX *system, const struct tp_tls_pair *pair, size_t item,
                      struct tls_complaints *complaints) TP_MUST_CHECK;

/* Names of a certificate, the caller's (free()); NULL: it has none, or none that is a text. */
char *tp__tls_common_name_text(X509 *certificate);
char *tp__tls_alternative_name_text(X509 *certificate);

/* Are both certificates for the same names? */
bool tp__tls_same_names(X509 *left, X509 *right);

/* Lets `system` trust those whose certificates stand in the text; who accepts names them. */
void tp__tls_use_trusted(SSL_CTX *system, struct tp_str trusted, enum tp_tls_role role,
                         struct tls_complaints *complaints);

/* Lets `system` seal and open its tickets with the context's keys. */
void tp__tls_use_tickets(SSL_CTX *system, struct tp_tls_context *context);

/* The context that `system` belongs to. */
struct tp_tls_context *tp__tls_context_of(const SSL_CTX *system);

#endif
