/*
 * jwt.c - is a JSON Web Token good, and whom does it name?
 *
 *     base64url(header) . base64url(payload) . base64url(signature of what stands before)
 *
 * The signature is verified first: nothing of a payload that nobody has signed is looked at.
 *
 * Runs in: worker; keys are read by whichever process loads a configuration.
 * Read next: jwt_claims.c.
 */
#include "jwt.h"

#include "jwt_claims.h"

#include <teleport/base64.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>

enum {
    JWT_PARTS = 3,
    ES256_NUMBER_BYTES = 32,
    ES256_DER_BYTES_MAX = 80,
    HS256_BYTES = 32,
};

static bool jwt_split(struct tp_str token, struct tp_str parts[JWT_PARTS]);
static const char *jwt_check_header(const struct jwt_rules *rules, struct tp_str part);
static const char *algorithm_name(enum jwt_algorithm algorithm);
static bool jwt_is_signed(const struct jwt_rules *rules, struct tp_str signed_part,
                          struct tp_str part);
static bool hs256_is_good(struct evp_pkey_st *key, struct tp_str signed_part,
                          struct tp_str signature);
static bool signature_is_good(const struct jwt_rules *rules, struct tp_str signed_part,
                              struct tp_str signature);
static size_t es256_to_der(struct tp_str signature, uint8_t *der);
static const char *secret_read(struct tp_str content, struct evp_pkey_st **key);
static bool key_fits(enum jwt_algorithm algorithm, const EVP_PKEY *key);

const char *
jwt_check(const struct jwt_rules *rules, struct tp_str token, int64_t now_ms,
          struct jwt_facts *facts)
{
    struct tp_str parts[JWT_PARTS];
    cJSON *payload;

    if (token.len > JWT_BYTES_MAX) {
        return "it is too long";
    }
    if (!jwt_split(token, parts)) {
        return "it is no token";
    }
    const char *why = jwt_check_header(rules, parts[0]);

    if (why != NULL) {
        return why;
    }
    size_t signed_len = parts[0].len + 1 + parts[1].len;

    if (!jwt_is_signed(rules, (struct tp_str){ token.data, signed_len }, parts[2])) {
        return "its signature is wrong";
    }
    why = jwt_json_read(parts[1], &payload);
    if (why == NULL) {
        why = jwt_claims_read(rules, payload, now_ms, facts);
    }
    cJSON_Delete(payload);
    return why;
}

const char *
jwt_key_read(enum jwt_algorithm algorithm, struct tp_str content, struct evp_pkey_st **key)
{
    *key = NULL;
    if (content.len > JWT_KEY_BYTES_MAX) {
        return "it is too large for a key";
    }
    if (algorithm == JWT_HS256) {
        return secret_read(content, key);
    }
    BIO *pem = BIO_new_mem_buf(content.len == 0 ? "" : content.data, (int) content.len);

    *key = pem == NULL ? NULL : PEM_read_bio_PUBKEY(pem, NULL, NULL, NULL);
    BIO_free(pem);
    ERR_clear_error();
    if (*key == NULL) {
        return "there is no public key in it (PEM, \"-----BEGIN PUBLIC KEY-----\"); \"openssl pkey "
               "-pubout\" writes it";
    }
    if (!key_fits(algorithm, *key)) {
        jwt_key_free(key);
        return algorithm == JWT_RS256   ? "RS256 wants an RSA key of at least 2048 bits"
               : algorithm == JWT_ES256 ? "ES256 wants a key of the curve P-256"
                                        : "EdDSA wants an Ed25519 key";
    }
    return NULL;
}

void
jwt_key_free(struct evp_pkey_st **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

/* Three parts, no more, and none empty. */
static bool
jwt_split(struct tp_str token, struct tp_str parts[JWT_PARTS])
{
    for (int i = 0; i < JWT_PARTS; i++) {
        const char *dot = token.len == 0 ? NULL : memchr(token.data, '.', token.len);
        size_t len = dot == NULL ? token.len : (size_t) (dot - token.data);

        if (len == 0 || (dot == NULL) != (i == JWT_PARTS - 1)) {
            return false;
        }
        parts[i] = (struct tp_str){ token.data, len };
        token.data += dot == NULL ? len : len + 1;
        token.len -= dot == NULL ? len : len + 1;
    }
    return true;
}

static const char *
jwt_check_header(const struct jwt_rules *rules, struct tp_str part)
{
    cJSON *header;
    const char *why = jwt_json_read(part, &header);

    if (why == NULL) {
        const cJSON *algorithm = jwt_json_get(header, "alg");

        if (!cJSON_IsString(algorithm) || rules->algorithm == JWT_NONE
            || strcmp(algorithm->valuestring, algorithm_name(rules->algorithm)) != 0) {
            why = "its algorithm is another one";
        } else if (jwt_json_get(header, "crit") != NULL) {
            why = "it has critical extensions";
        }
    }
    cJSON_Delete(header);
    return why;
}

static const char *
algorithm_name(enum jwt_algorithm algorithm)
{
    static const char *const names[] = { [JWT_NONE] = "",
#define ALGORITHM_ROW(NAME, name) [JWT_##NAME] = (name),
                                         JWT_ALGORITHM_TABLE(ALGORITHM_ROW)
#undef ALGORITHM_ROW
    };

    return names[algorithm];
}

static bool
jwt_is_signed(const struct jwt_rules *rules, struct tp_str signed_part, struct tp_str part)
{
    uint8_t *bytes = malloc(TP_BASE64_BYTES_MAX(part.len));
    size_t len = bytes == NULL ? SIZE_MAX : tp_base64_read(part, TP_BASE64_URL, bytes);
    struct tp_str signature = { (char *) bytes, len };
    bool is_good = false;

    if (len != SIZE_MAX) {
        is_good = rules->algorithm == JWT_HS256 ? hs256_is_good(rules->key, signed_part, signature)
                                                : signature_is_good(rules, signed_part, signature);
    }
    free(bytes);
    ERR_clear_error();
    return is_good;
}

static bool
hs256_is_good(struct evp_pkey_st *key, struct tp_str signed_part, struct tp_str signature)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t sum[HS256_BYTES];
    size_t len = sizeof(sum);
    bool is_made =
        digest != NULL && EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, key) == 1
        && EVP_DigestSign(digest, sum, &len, (const uint8_t *) signed_part.data, signed_part.len)
               == 1;

    EVP_MD_CTX_free(digest);
    return is_made && len == sizeof(sum) && signature.len == sizeof(sum)
           && CRYPTO_memcmp(sum, signature.data, sizeof(sum)) == 0;
}

static bool
signature_is_good(const struct jwt_rules *rules, struct tp_str signed_part, struct tp_str signature)
{
    uint8_t der[ES256_DER_BYTES_MAX];
    const EVP_MD *hash = rules->algorithm == JWT_EDDSA ? NULL : EVP_sha256();

    if (rules->algorithm == JWT_ES256) {
        size_t len = es256_to_der(signature, der);

        if (len == 0) {
            return false;
        }
        signature = (struct tp_str){ (char *) der, len };
    }
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_good = digest != NULL && EVP_DigestVerifyInit(digest, NULL, hash, NULL, rules->key) == 1
                   && EVP_DigestVerify(digest, (const uint8_t *) signature.data, signature.len,
                                       (const uint8_t *) signed_part.data, signed_part.len)
                          == 1;

    EVP_MD_CTX_free(digest);
    return is_good;
}

/* RFC 7518, 3.4: two numbers of one length; OpenSSL wants them in DER.  0: they are not. */
static size_t
es256_to_der(struct tp_str signature, uint8_t *der)
{
    const uint8_t *bytes = (const uint8_t *) signature.data;
    uint8_t *next = der;

    if (signature.len != 2 * ES256_NUMBER_BYTES) {
        return 0;
    }
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    BIGNUM *first = BN_bin2bn(bytes, ES256_NUMBER_BYTES, NULL);
    BIGNUM *second = BN_bin2bn(bytes + ES256_NUMBER_BYTES, ES256_NUMBER_BYTES, NULL);
    int len = 0;

    if (numbers != NULL && first != NULL && second != NULL
        && ECDSA_SIG_set0(numbers, first, second) == 1) {
        first = second = NULL;
        len =
            i2d_ECDSA_SIG(numbers, NULL) <= ES256_DER_BYTES_MAX ? i2d_ECDSA_SIG(numbers, &next) : 0;
    }
    BN_free(first);
    BN_free(second);
    ECDSA_SIG_free(numbers);
    return len > 0 ? (size_t) len : 0;
}

/* What an editor puts behind the last line is not a part of it. */
static const char *
secret_read(struct tp_str content, struct evp_pkey_st **key)
{
    if (content.len > 0 && content.data[content.len - 1] == '\n') {
        content.len--;
        content.len -= content.len > 0 && content.data[content.len - 1] == '\r' ? 1 : 0;
    }
    if (content.len < JWT_SECRET_BYTES_MIN) {
        return "HS256 wants a secret of at least 32 bytes";
    }
    if (content.len > 10 && memcmp(content.data, "-----BEGIN", 10) == 0) {
        return "HS256 wants the bytes of a secret, and this is a key in PEM, which others may know";
    }
    *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const uint8_t *) content.data,
                                        content.len);
    return *key == NULL ? "it cannot be used" : NULL;
}

static bool
key_fits(enum jwt_algorithm algorithm, const EVP_PKEY *key)
{
    char curve[32] = "";
    size_t len;

    switch (algorithm) {
    case JWT_RS256:
        return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= JWT_RSA_BITS_MIN;
    case JWT_ES256:
        return EVP_PKEY_is_a(key, "EC")
               && EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len) == 1
               && strcmp(curve, "prime256v1") == 0;
    case JWT_EDDSA:
        return EVP_PKEY_is_a(key, "ED25519");
    case JWT_NONE:
    case JWT_HS256:
        break;
    }
    return false;
}
