/*
 * tls_ticket.c - what a client takes away to come back with, sealed with a key that all workers
 * have: AES-256 in CBC mode, then HMAC with SHA-256, as RFC 5077 recommends.
 *
 * Read next: share/keyring.h, where the keys of a server are.
 */
#include "net/tls_inside.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <string.h>

/* What OpenSSL is told: the ticket cannot be had; it is good; it is, and is to be renewed. */
enum {
    TICKET_FAILED = -1,
    TICKET_UNKNOWN = 0,
    TICKET_GOOD = 1,
    TICKET_TO_BE_RENEWED = 2,
};

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *vector, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *digest, int is_sealing);
static int ticket_seal(struct tp_tls_ticket_keys *keys, unsigned char *name, unsigned char *vector,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *digest);
static int ticket_open(struct tp_tls_ticket_keys *keys, const unsigned char *name,
                       const unsigned char *vector, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *digest);
static bool digest_use(EVP_MAC_CTX *digest, struct tp_tls_ticket_key *key);

void
tp__tls_use_tickets(SSL_CTX *system, struct tp_tls_context *context)
{
    if (context->role == TP_TLS_ACCEPTS) {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(system, on_ticket);
    }
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *vector, EVP_CIPHER_CTX *cipher,
          EVP_MAC_CTX *digest, int is_sealing)
{
    struct tp_tls_ticket_keys *keys = tp__tls_context_of(SSL_get_SSL_CTX(ssl))->ticket_keys;

    if (keys == NULL) {
        return TICKET_FAILED; /* Whose they were is gone; nobody shakes hands by it any more. */
    }
    return is_sealing ? ticket_seal(keys, name, vector, cipher, digest)
                      : ticket_open(keys, name, vector, cipher, digest);
}

static int
ticket_seal(struct tp_tls_ticket_keys *keys, unsigned char *name, unsigned char *vector,
            EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *digest)
{
    struct tp_tls_ticket_key key;
    int outcome = TICKET_FAILED;

    if (!keys->get_newest(keys, &key)) {
        return TICKET_UNKNOWN; /* The client gets none, and begins anew next time. */
    }
    if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1
        && EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, vector) == 1
        && digest_use(digest, &key)) {
        memcpy(name, key.name, sizeof(key.name));
        outcome = TICKET_GOOD;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return outcome;
}

static int
ticket_open(struct tp_tls_ticket_keys *keys, const unsigned char *name, const unsigned char *vector,
            EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *digest)
{
    struct tp_tls_ticket_key key;
    bool is_newest = false;
    int outcome = TICKET_FAILED;

    if (!keys->find(keys, name, &key, &is_newest)) {
        return TICKET_UNKNOWN;
    }
    if (digest_use(digest, &key)
        && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, vector) == 1) {
        outcome = is_newest ? TICKET_GOOD : TICKET_TO_BE_RENEWED;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return outcome;
}

static bool
digest_use(EVP_MAC_CTX *digest, struct tp_tls_ticket_key *key)
{
    char algorithm[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->digest, sizeof(key->digest)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, algorithm, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(digest, parameters) == 1;
}
