/*
 * tls_certificate.c - certificates, keys and authorities: from PEM texts into OpenSSL's hands,
 * and what is wrong with them in words that tell what to do.
 *
 * Read next: tls_context.c.
 */
#include "net/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What reading a key has met. */
struct key_reading {
    bool asked_for_passphrase;
};

static BIO *pem_open(struct tp_str text);
static X509 *pem_next_certificate(BIO *pem);
static bool pem_is_at_end(void);
static bool use_certificates(SSL_CTX *system, struct tp_str text, size_t item,
                             struct tls_complaints *complaints);
static void check_dates(const X509 *certificate, size_t item, struct tls_complaints *complaints);
static bool use_key(SSL_CTX *system, struct tp_str text, size_t item,
                    struct tls_complaints *complaints);
static int on_passphrase(char *to, int size, int is_for_writing, void *owner);
static bool same_extension(X509 *left, X509 *right);
static char *name_text(const ASN1_STRING *name);

bool
tp__tls_use_pair(SSL_CTX *system, const struct tp_tls_pair *pair, size_t item,
                 struct tls_complaints *complaints)
{
    bool has_certificate = use_certificates(system, pair->certificate, item, complaints);

    /* A key that does not go with a certificate of which nothing is known says nothing. */
    return use_key(system, pair->key, item, complaints) && has_certificate;
}

bool
tp__tls_same_names(X509 *left, X509 *right)
{
    return same_extension(left, right)
           && X509_NAME_cmp(X509_get_subject_name(left), X509_get_subject_name(right)) == 0;
}

char *
tp__tls_common_name_text(X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int last = -1;

    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        last = at;
    }
    return last < 0 ? NULL
                    : name_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

char *
tp__tls_alternative_name_text(X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char *text = NULL;

    for (int i = 0; names != NULL && text == NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
            text = name_text(name->d.ia5);
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return text;
}

void
tp__tls_use_trusted(SSL_CTX *system, struct tp_str trusted, enum tp_tls_role role,
                    struct tls_complaints *complaints)
{
    X509_STORE *store = SSL_CTX_get_cert_store(system);
    BIO *pem = pem_open(trusted);
    X509 *certificate;
    size_t count = 0;
    bool is_good = pem != NULL;

    while (is_good && (certificate = pem_next_certificate(pem)) != NULL) {
        is_good = X509_STORE_add_cert(store, certificate) == 1
                  && (role == TP_TLS_DIALS || SSL_CTX_add_client_CA(system, certificate) == 1);
        X509_free(certificate);
        count++;
    }
    BIO_free(pem);
    is_good = is_good && pem_is_at_end();
    if (!is_good || count == 0) {
        tp__tls_complain(complaints, TP_TLS_PART_TRUSTED, 0, "%s",
                         is_good ? "there is no certificate in it" : tp__tls_take_reason());
    }
}

static BIO *
pem_open(struct tp_str text)
{
    ERR_clear_error();
    return text.len > INT_MAX ? NULL
                              : BIO_new_mem_buf(text.len == 0 ? "" : text.data, (int) text.len);
}

static X509 *
pem_next_certificate(BIO *pem)
{
    return PEM_read_bio_X509_AUX(pem, NULL, on_passphrase, NULL);
}

/* After the last one reading says that no further begins: that is no mistake. */
static bool
pem_is_at_end(void)
{
    unsigned long code = ERR_peek_last_error();

    if (code != 0
        && !(ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)) {
        return false;
    }
    ERR_clear_error();
    return true;
}

/* The first is ours, the others lead to an authority. */
static bool
use_certificates(SSL_CTX *system, struct tp_str text, size_t item,
                 struct tls_complaints *complaints)
{
    BIO *pem = pem_open(text);
    X509 *certificate = pem == NULL ? NULL : pem_next_certificate(pem);
    bool is_good = certificate != NULL && SSL_CTX_use_certificate(system, certificate) == 1;

    if (certificate == NULL && pem_is_at_end()) {
        tp__tls_complain(complaints, TP_TLS_PART_CERTIFICATE, item,
                         "there is no certificate in it (PEM, \"-----BEGIN CERTIFICATE-----\")");
        BIO_free(pem);
        return false;
    }
    if (is_good) {
        check_dates(certificate, item, complaints);
        SSL_CTX_clear_chain_certs(system);
    }
    X509_free(certificate);
    while (is_good && (certificate = pem_next_certificate(pem)) != NULL) {
        is_good = SSL_CTX_add1_chain_cert(system, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(pem);
    is_good = is_good && pem_is_at_end();
    if (!is_good) {
        tp__tls_complain(complaints, TP_TLS_PART_CERTIFICATE, item,
                         "the certificate cannot be used: %s", tp__tls_take_reason());
    }
    return is_good;
}

/* It may be renewed any time, and until then some clients may not mind. */
static void
check_dates(const X509 *certificate, size_t item, struct tls_complaints *complaints)
{
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        tp__tls_warn(complaints, TP_TLS_PART_CERTIFICATE, item, "the certificate has expired");
    } else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
        tp__tls_warn(complaints, TP_TLS_PART_CERTIFICATE, item, "the certificate is not valid yet");
    }
}

static bool
use_key(SSL_CTX *system, struct tp_str text, size_t item, struct tls_complaints *complaints)
{
    struct key_reading reading = { .asked_for_passphrase = false };
    BIO *pem = pem_open(text);
    EVP_PKEY *key =
        pem == NULL ? NULL : PEM_read_bio_PrivateKey(pem, NULL, on_passphrase, &reading);

    BIO_free(pem);
    if (reading.asked_for_passphrase) {
        ERR_clear_error();
        tp__tls_complain(
            complaints, TP_TLS_PART_KEY, item,
            "the key is protected by a passphrase, which nobody can be asked for here; "
            "\"openssl pkey -in OLD -out NEW\" writes it without");
        return false;
    }
    if (key == NULL) {
        tp__tls_complain(complaints, TP_TLS_PART_KEY, item,
                         "there is no private key in it (PEM, \"-----BEGIN PRIVATE KEY-----\"): %s",
                         tp__tls_take_reason());
        return false;
    }
    X509 *certificate = SSL_CTX_get0_certificate(system);
    bool is_good = true;

    if (certificate != NULL && X509_check_private_key(certificate, key) != 1) {
        ERR_clear_error();
        tp__tls_complain(complaints, TP_TLS_PART_KEY, item,
                         "the key does not belong to the certificate");
        is_good = false;
    } else if (SSL_CTX_use_PrivateKey(system, key) != 1) {
        tp__tls_complain(complaints, TP_TLS_PART_KEY, item, "the key cannot be used: %s",
                         tp__tls_take_reason());
        is_good = false;
    }
    EVP_PKEY_free(key);
    return is_good;
}

/* Without one OpenSSL would ask on the terminal. */
static int
on_passphrase(char *to, int size, int is_for_writing, void *owner)
{
    struct key_reading *reading = owner;

    (void) to;
    (void) size;
    (void) is_for_writing;
    if (reading != NULL) {
        reading->asked_for_passphrase = true;
    }
    return -1;
}

/* The names besides that of the subject, byte for byte. */
static bool
same_extension(X509 *left, X509 *right)
{
    int left_at = X509_get_ext_by_NID(left, NID_subject_alt_name, -1);
    int right_at = X509_get_ext_by_NID(right, NID_subject_alt_name, -1);

    if (left_at < 0 || right_at < 0) {
        return left_at < 0 && right_at < 0;
    }
    return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(left, left_at)),
                                 X509_EXTENSION_get_data(X509_get_ext(right, right_at)))
           == 0;
}

/* One with a NUL in it would be another name to whoever reads to the first. */
static char *
name_text(const ASN1_STRING *name)
{
    unsigned char *bytes = NULL;
    int len = ASN1_STRING_to_UTF8(&bytes, name);
    char *text = NULL;

    if (len > 0 && memchr(bytes, '\0', (size_t) len) == NULL) {
        text = strndup((const char *) bytes, (size_t) len);
    }
    OPENSSL_free(bytes);
    ERR_clear_error();
    return text;
}
