/*
 * tls_fixture.c - see tls_fixture.h.
 */
#include "tls_fixture.h"

#include "base/str.h"
#include "bytes_fixture.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum {
    DAY_S = 24 * 3600,
    RSA_BITS = 2048,
    OPEN_ROOM = 4096, /* small, so that one record takes several calls */
};

static X509 *
certificate_read(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    ck_assert_ptr_nonnull(certificate);
    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *
key_read(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    ck_assert_ptr_nonnull(key);
    BIO_free(bio);
    return key;
}

static void
pem_take(BIO *bio, char *text)
{
    int len = BIO_read(bio, text, TP_TEST_PEM_MAX - 1);

    ck_assert_int_gt(len, 0);
    text[len] = '\0';
    BIO_free(bio);
}

static void
extension_add(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);

    ck_assert_ptr_nonnull(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static void
name_set(X509_NAME *name, const char *common_name)
{
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *) "Tests", -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *) common_name, -1,
                               -1, 0);
}

void
tp__test_pair_make(struct tp_test_pair *pair, const struct tp_test_wish *wish)
{
    EVP_PKEY *key = wish->is_rsa ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) RSA_BITS)
                                 : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    X509 *issuer = wish->issuer == NULL ? NULL : certificate_read(wish->issuer->certificate);
    EVP_PKEY *issuer_key = wish->issuer == NULL ? key : key_read(wish->issuer->key);
    BIO *bio = BIO_new(BIO_s_mem());

    ck_assert_ptr_nonnull(key);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (uint64_t) (uintptr_t) certificate);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish->begins_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish->ends_s == 0 ? DAY_S : wish->ends_s);
    name_set(X509_get_subject_name(certificate), wish->subject);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer == NULL ? certificate : issuer));
    X509_set_pubkey(certificate, key);
    extension_add(certificate, issuer == NULL ? certificate : issuer, NID_basic_constraints,
                  issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish->names != NULL) {
        extension_add(certificate, issuer == NULL ? certificate : issuer, NID_subject_alt_name,
                      wish->names);
    }
    ck_assert_int_gt(X509_sign(certificate, issuer_key, EVP_sha256()), 0);
    PEM_write_bio_X509(bio, certificate);
    pem_take(bio, pair->certificate);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, wish->passphrase == NULL ? NULL : EVP_aes_256_cbc(),
                             (const unsigned char *) wish->passphrase,
                             wish->passphrase == NULL ? 0 : (int) strlen(wish->passphrase), NULL,
                             NULL);
    pem_take(bio, pair->key);
    if (issuer_key != key) {
        EVP_PKEY_free(issuer_key);
    }
    X509_free(issuer);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

struct tp_tls_pair
tp__test_pair_texts(const struct tp_test_pair *pair)
{
    return (struct tp_tls_pair){ tp__str(pair->certificate), tp__str(pair->key) };
}

static bool
wire_take(struct tp_tls_sink *sink, const uint8_t *bytes, size_t len)
{
    struct tp_test_wire *wire = TP_CONTAINER_OF(sink, struct tp_test_wire, sink);

    wire->take_count++;
    return !wire->is_broken
           && tp_chain_append_copy(&wire->sealed, wire->pool,
                                   (struct tp_str){ (const char *) bytes, len })
                  == TP_OK;
}

static void
end_open(struct tp_test_end *end, struct tp_tls *tls, struct tp_buf_pool *pool)
{
    ck_assert_ptr_nonnull(tls);
    *end =
        (struct tp_test_end){ .tls = tls, .wire = { .sink = { .take = wire_take }, .pool = pool } };
}

static void
end_close(struct tp_test_end *end)
{
    tp__tls_free(&end->tls);
    tp_chain_clear(&end->wire.sealed);
    tp_chain_clear(&end->plain);
}

void
tp__test_ends_open(struct tp_test_ends *ends, struct tp_tls_context *server,
                   struct tp_tls_context *client, const char *name)
{
    tp__test_pool_init(&ends->pool);
    tp__tls_desk_init(&ends->desk, &ends->pool);
    end_open(&ends->server, tp__tls_accept(&ends->desk, server), &ends->pool);
    end_open(&ends->client, tp__tls_dial(&ends->desk, client, name), &ends->pool);
    ck_assert_int_eq(TP_OK, tp__tls_begin(ends->client.tls, &ends->client.wire.sink));
}

void
tp__test_ends_close(struct tp_test_ends *ends)
{
    end_close(&ends->server);
    end_close(&ends->client);
    tp__tls_desk_fini(&ends->desk);
    ck_assert_uint_eq(0, ends->pool.bytes_in_use);
    tp__buf_pool_fini(&ends->pool);
}

static void
end_read(struct tp_test_end *end)
{
    uint8_t bytes[OPEN_ROOM];
    size_t count;

    while ((end->result = tp__tls_open(end->tls, &end->wire.sink, bytes, sizeof(bytes), &count))
           == TP_OK) {
        ck_assert_uint_gt(count, 0);
        ck_assert_int_eq(TP_OK,
                         tp_chain_append_copy(&end->plain, end->wire.pool,
                                              (struct tp_str){ (const char *) bytes, count }));
    }
    if (end->result != TP_AGAIN && end->result != TP_GONE) {
        snprintf(end->why, sizeof(end->why), "%s", tp__tls_why(end->tls));
    }
}

void
tp__test_end_deliver(struct tp_test_end *from, struct tp_test_end *to, size_t step)
{
    struct tp_chain *sealed = &from->wire.sealed;

    while (sealed->len > 0) {
        size_t room;
        uint8_t *place = tp__tls_place(to->tls, &room);

        ck_assert_ptr_nonnull(place);
        ck_assert_uint_gt(room, 0);
        size_t part = sealed->len < step ? sealed->len : step;

        part = part < room ? part : room;
        tp_chain_copy(sealed, 0, part, place);
        tp_chain_skip(sealed, part);
        tp__tls_arrive(to->tls, part);
        end_read(to);
    }
}

void
tp__test_ends_settle(struct tp_test_ends *ends, size_t step)
{
    while (ends->client.wire.sealed.len > 0 || ends->server.wire.sealed.len > 0) {
        tp__test_end_deliver(&ends->client, &ends->server, step);
        tp__test_end_deliver(&ends->server, &ends->client, step);
    }
}

enum tp_result
tp__test_end_send(struct tp_test_end *end, const void *bytes, size_t len)
{
    const struct tp_slice slice = { .data = bytes, .len = len };

    return tp__tls_seal(end->tls, &end->wire.sink, &slice, 1);
}
