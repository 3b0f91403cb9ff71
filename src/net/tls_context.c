/*
 * tls_context.c - what one end of TLS is: made of texts, once for a configuration.
 *
 * OpenSSL has one certificate of each kind of key in what it calls a context; so there is one
 * of those for each set of names, an identity, and the name that a client asks for chooses.
 *
 * Runs in: whoever loads a configuration, then in workers.
 * Read next: tls_certificate.c (the texts), tls_ticket.c, tls.c (connections).
 */
#include "net/tls_inside.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICKETS_PER_HANDSHAKE = 1, /* connections are long: nobody opens several at once by one */
};

/* Forward secret, and no other than authenticated encryption. */
static const char good_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static void context_on_unused(struct tp_counted *counted);
static enum tp_result context_fill(struct tp_tls_context *context,
                                   const struct tp_tls_options *options,
                                   struct tls_complaints *complaints);
static enum tp_result context_add_pair(struct tp_tls_context *context,
                                       const struct tp_tls_options *options, size_t item,
                                       struct tls_complaints *complaints);
static struct tls_identity *context_find_same(struct tp_tls_context *context, SSL_CTX *system);
static SSL_CTX *context_make_system(struct tp_tls_context *context,
                                    const struct tp_tls_options *options,
                                    struct tls_complaints *complaints);
static bool system_use_versions(SSL_CTX *system, const struct tp_tls_options *options);
static void system_use_ciphers(SSL_CTX *system, const struct tp_tls_options *options,
                               struct tls_complaints *complaints);
static void system_use_sessions(SSL_CTX *system, const struct tp_tls_options *options,
                                struct tp_tls_context *context);
static void system_use_verify(SSL_CTX *system, const struct tp_tls_options *options,
                              struct tls_complaints *complaints);
static bool system_use_scope(SSL_CTX *system, const struct tp_tls_options *options);
static int on_server_name(SSL *ssl, int *alert, void *owner);
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                   const unsigned char *offered, unsigned offered_len, void *owner);
static void complaints_tell(struct tls_complaints *complaints, struct tp_tls_complaint *complaint,
                            const char *format, va_list args);

enum tp_result
tp__tls_context_create(const struct tp_tls_options *options, struct tp_tls_context **created)
{
    struct tls_complaints complaints = { .complain = options->complain, .owner = options->owner };
    struct tp_tls_context *context = calloc(1, sizeof(*context) + options->alpn.len);

    *created = NULL;
    if (context == NULL) {
        return TP_NO_MEMORY;
    }
    tp__counted_init(&context->counted, context_on_unused);
    context->role = options->role;
    context->verify = options->verify;
    context->alpn_len = options->alpn.len;
    if (options->alpn.len > 0) {
        memcpy(context->alpn, options->alpn.data, options->alpn.len);
    }
    enum tp_result result = context_fill(context, options, &complaints);

    if (result == TP_OK && complaints.has_errors) {
        result = TP_INVALID;
    }
    if (result != TP_OK) {
        tp__tls_context_release(&context);
        return result;
    }
    *created = context;
    return TP_OK;
}

void
tp__tls_context_acquire(struct tp_tls_context *context)
{
    tp__counted_acquire(&context->counted);
}

void
tp__tls_context_release(struct tp_tls_context **released)
{
    struct tp_tls_context *context = *released;

    *released = NULL;
    if (context != NULL) {
        tp__counted_release(&context->counted);
    }
}

void
tp__tls_context_use_ticket_keys(struct tp_tls_context *context, struct tp_tls_ticket_keys *keys)
{
    context->ticket_keys = keys;
    for (size_t i = 0; keys != NULL && i < context->identity_count; i++) {
        tp__tls_use_tickets(context->identities[i].system, context);
    }
}

struct tp_tls_context *
tp__tls_context_of(const SSL_CTX *system)
{
    return SSL_CTX_get_app_data(system);
}

void
tp__tls_complain(struct tls_complaints *complaints, enum tp_tls_part part, size_t item,
                 const char *format, ...)
{
    struct tp_tls_complaint complaint = { .part = part, .item = item };
    va_list args;

    complaints->has_errors = true;
    va_start(args, format);
    complaints_tell(complaints, &complaint, format, args);
    va_end(args);
}

void
tp__tls_warn(struct tls_complaints *complaints, enum tp_tls_part part, size_t item,
             const char *format, ...)
{
    struct tp_tls_complaint complaint = { .part = part, .item = item, .is_warning = true };
    va_list args;

    va_start(args, format);
    complaints_tell(complaints, &complaint, format, args);
    va_end(args);
}

/* The first of the row is what began it, those behind it are who was told. */
const char *
tp__tls_take_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_SYSTEM_ERROR(code) ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return reason == NULL ? "OpenSSL gives no reason" : reason;
}

static void
context_on_unused(struct tp_counted *counted)
{
    struct tp_tls_context *context = TP_CONTAINER_OF(counted, struct tp_tls_context, counted);

    for (size_t i = 0; i < context->identity_count; i++) {
        SSL_CTX_free(context->identities[i].system);
    }
    free(context->identities);
    free(context);
}

/* All pairs are looked at, so that all that is wrong with them is told. */
static enum tp_result
context_fill(struct tp_tls_context *context, const struct tp_tls_options *options,
             struct tls_complaints *complaints)
{
    size_t count = options->pair_count > 0 ? options->pair_count : 1;

    context->identities = calloc(count, sizeof(context->identities[0]));
    if (context->identities == NULL) {
        return TP_NO_MEMORY;
    }
    if (options->role == TP_TLS_ACCEPTS && options->pair_count == 0) {
        tp__tls_complain(complaints, TP_TLS_PART_OTHER, 0, "who accepts needs a certificate");
    }
    for (size_t i = 0; i < options->pair_count; i++) {
        enum tp_result result = context_add_pair(context, options, i, complaints);

        if (result != TP_OK) {
            return result;
        }
    }
    if (options->pair_count == 0) {
        SSL_CTX *system = context_make_system(context, options, complaints);

        if (system == NULL) {
            return TP_NO_MEMORY;
        }
        context->identities[context->identity_count++].system = system;
    }
    return TP_OK;
}

/* A second certificate for the same names, but of another kind of key, joins the first. */
static enum tp_result
context_add_pair(struct tp_tls_context *context, const struct tp_tls_options *options, size_t item,
                 struct tls_complaints *complaints)
{
    const struct tp_tls_pair *pair = &options->pairs[item];
    SSL_CTX *system = context_make_system(context, options, complaints);

    if (system == NULL) {
        return TP_NO_MEMORY;
    }
    if (!tp__tls_use_pair(system, pair, item, complaints)) {
        SSL_CTX_free(system);
        return TP_OK;
    }
    struct tls_identity *same = context_find_same(context, system);

    if (same != NULL) {
        /* The warnings about it were told above. */
        struct tls_complaints silent = { .complain = NULL };
        bool is_used = tp__tls_use_pair(same->system, pair, item, &silent);

        SSL_CTX_free(system);
        return is_used ? TP_OK : TP_NO_MEMORY;
    }
    context->identities[context->identity_count++].system = system;
    return TP_OK;
}

static struct tls_identity *
context_find_same(struct tp_tls_context *context, SSL_CTX *system)
{
    X509 *certificate = SSL_CTX_get0_certificate(system);
    int kind = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(system));

    for (size_t i = 0; i < context->identity_count; i++) {
        SSL_CTX *other = context->identities[i].system;

        if (EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(other)) != kind
            && tp__tls_same_names(SSL_CTX_get0_certificate(other), certificate)) {
            return &context->identities[i];
        }
    }
    return NULL;
}

/* NULL when memory is out; what is wrong with the options is complained of. */
static SSL_CTX *
context_make_system(struct tp_tls_context *context, const struct tp_tls_options *options,
                    struct tls_complaints *complaints)
{
    bool accepts = options->role == TP_TLS_ACCEPTS;
    SSL_CTX *system = SSL_CTX_new(accepts ? TLS_server_method() : TLS_client_method());

    if (system == NULL) {
        return NULL;
    }
    SSL_CTX_set_app_data(system, context);
    SSL_CTX_set_options(system, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                    | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* Sent is what stands in the file, not also what is known of clients' authorities. */
    SSL_CTX_set_mode(system,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
    system_use_sessions(system, options, context);
    bool is_good = system_use_versions(system, options) && system_use_scope(system, options);

    if (accepts && options->alpn.len > 0) {
        SSL_CTX_set_alpn_select_cb(system, on_alpn, context);
    } else if (options->alpn.len > 0) {
        is_good =
            is_good
            && SSL_CTX_set_alpn_protos(system, context->alpn, (unsigned) context->alpn_len) == 0;
    }
    if (accepts) {
        SSL_CTX_set_tlsext_servername_callback(system, on_server_name);
        SSL_CTX_set_tlsext_servername_arg(system, context);
    }
    if (!is_good) {
        tp__tls_complain(complaints, TP_TLS_PART_OTHER, 0, "%s", tp__tls_take_reason());
    }
    system_use_ciphers(system, options, complaints);
    system_use_verify(system, options, complaints);
    return system;
}

static bool
system_use_versions(SSL_CTX *system, const struct tp_tls_options *options)
{
    unsigned all = TP_TLS_VERSION_1_2 | TP_TLS_VERSION_1_3;
    unsigned versions = options->versions == 0 ? all : options->versions;
    int lowest = (versions & TP_TLS_VERSION_1_2) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    int highest = (versions & TP_TLS_VERSION_1_3) != 0 ? TLS1_3_VERSION : TLS1_2_VERSION;

    return SSL_CTX_set_min_proto_version(system, lowest) == 1
           && SSL_CTX_set_max_proto_version(system, highest) == 1;
}

static void
system_use_ciphers(SSL_CTX *system, const struct tp_tls_options *options,
                   struct tls_complaints *complaints)
{
    const char *ciphers = options->ciphers == NULL ? good_ciphers : options->ciphers;

    if (SSL_CTX_set_cipher_list(system, ciphers) != 1) {
        tp__tls_complain(complaints, TP_TLS_PART_CIPHERS, 0, "\"%s\" names no cipher: %s", ciphers,
                         tp__tls_take_reason());
    }
}

/* Who dials begins each connection anew: what it would save is little, for days of talk. */
static void
system_use_sessions(SSL_CTX *system, const struct tp_tls_options *options,
                    struct tp_tls_context *context)
{
    bool accepts = options->role == TP_TLS_ACCEPTS;

    if (accepts && options->remembered > 0) {
        SSL_CTX_set_session_cache_mode(system, SSL_SESS_CACHE_SERVER);
        SSL_CTX_sess_set_cache_size(system, (long) options->remembered);
    } else {
        SSL_CTX_set_session_cache_mode(system, SSL_SESS_CACHE_OFF);
    }
    SSL_CTX_set_timeout(system, TP_TLS_SESSION_LIFE_S);
    if (!accepts || !options->has_tickets) {
        SSL_CTX_set_options(system, SSL_OP_NO_TICKET);
    }
    bool resumes = options->has_tickets || options->remembered > 0;

    if (accepts) {
        SSL_CTX_set_num_tickets(system, resumes ? TICKETS_PER_HANDSHAKE : 0);
    }
    if (context->ticket_keys != NULL) {
        tp__tls_use_tickets(system, context);
    }
}

static void
system_use_verify(SSL_CTX *system, const struct tp_tls_options *options,
                  struct tls_complaints *complaints)
{
    int mode = SSL_VERIFY_NONE;

    if (options->verify != TP_TLS_VERIFY_OFF) {
        mode = SSL_VERIFY_PEER;
    }
    if (options->verify == TP_TLS_VERIFY_ON) {
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(system, mode, NULL);
    if (options->trusted.len > 0) {
        tp__tls_use_trusted(system, options->trusted, options->role, complaints);
    } else if (mode != SSL_VERIFY_NONE && options->role == TP_TLS_ACCEPTS) {
        tp__tls_complain(complaints, TP_TLS_PART_TRUSTED, 0,
                         "whose certificates are good has to be said");
    } else if (mode != SSL_VERIFY_NONE && SSL_CTX_set_default_verify_paths(system) != 1) {
        tp__tls_complain(complaints, TP_TLS_PART_TRUSTED, 0, "whom the system trusts: %s",
                         tp__tls_take_reason());
    }
}

/*
 * Keys of tickets are shared by all servers: one that asks for certificates must not resume a
 * session of one that does not, or that trusts others.
 */
static bool
system_use_scope(SSL_CTX *system, const struct tp_tls_options *options)
{
    unsigned char scope[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char verify = (unsigned char) options->verify;
    bool is_good =
        digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1
        && EVP_DigestUpdate(digest, &verify, sizeof(verify)) == 1
        && (options->verify == TP_TLS_VERIFY_OFF
            || EVP_DigestUpdate(digest, options->trusted.data, options->trusted.len) == 1)
        && EVP_DigestFinal_ex(digest, scope, &len) == 1
        && SSL_CTX_set_session_id_context(system, scope, len) == 1;

    EVP_MD_CTX_free(digest);
    return is_good;
}

/* Chooses the identity for the name that the client asks for. */
static int
on_server_name(SSL *ssl, int *alert, void *owner)
{
    const struct tp_tls_context *context = owner;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void) alert;
    if (name == NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    for (size_t i = 0; i < context->identity_count; i++) {
        SSL_CTX *system = context->identities[i].system;

        if (X509_check_host(SSL_CTX_get0_certificate(system), name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, system);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

/* Our order counts; who offers nothing that is spoken here is told so. */
static int
on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
        const unsigned char *offered, unsigned offered_len, void *owner)
{
    const struct tp_tls_context *context = owner;
    unsigned char *found = NULL;

    (void) ssl;
    if (SSL_select_next_proto(&found, chosen_len, context->alpn, (unsigned) context->alpn_len,
                              offered, offered_len)
        != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static void
complaints_tell(struct tls_complaints *complaints, struct tp_tls_complaint *complaint,
                const char *format, va_list args)
{
    char words[TP_TLS_WHY_MAX];

    if (complaints->complain == NULL) {
        return;
    }
    vsnprintf(words, sizeof(words), format, args);
    complaint->words = words;
    complaints->complain(complaints->owner, complaint);
}
