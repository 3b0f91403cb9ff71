/*
 * secret.c - hashes of secrets: scrypt through OpenSSL.
 *
 * Runs in: threads for what takes long; tp.  Owns: nothing.
 */
#include <teleport/base64.h>
#include <teleport/secret.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <string.h>

enum {
    SECRET_BLOCK_SIZE = 8,
    SECRET_SALT_BYTES = 16,
    SECRET_SUM_BYTES = 32,
    SECRET_SUM_BYTES_MIN = 16,
    SECRET_BLOCK_SIZE_MAX = 32,
    SECRET_LANES_MAX = 16,
    SECRET_DIGITS_MAX = 3,
};

/* Nobody's file is to take all memory, whatever it says of cost and blocks. */
#define SECRET_MEMORY_MAX ((uint64_t) 288 << 20)

static const char *hash_form(void);
static bool take_text(struct tp_str *rest, const char *text);
static bool take_number(struct tp_str *rest, unsigned max, uint8_t *number);
static bool take_bytes(struct tp_str *rest, char end, uint8_t *bytes, size_t room, uint8_t *len);
static uint64_t hash_memory(const struct tp_secret_hash *hash);
static enum tp_result hash_compute(const struct tp_secret_hash *hash, struct tp_str secret,
                                   uint8_t *sum);

const char *
tp_secret_hash_read(struct tp_str text, struct tp_secret_hash *hash)
{
    *hash = (struct tp_secret_hash){ .cost = 0 };
    if (!take_text(&text, "$scrypt$ln=") || !take_number(&text, TP_SECRET_COST_MAX, &hash->cost)
        || !take_text(&text, ",r=") || !take_number(&text, SECRET_BLOCK_SIZE_MAX, &hash->block_size)
        || !take_text(&text, ",p=") || !take_number(&text, SECRET_LANES_MAX, &hash->lanes)
        || !take_text(&text, "$")
        || !take_bytes(&text, '$', hash->salt, sizeof(hash->salt), &hash->salt_len)
        || !take_bytes(&text, '\0', hash->sum, sizeof(hash->sum), &hash->sum_len)) {
        return hash_form();
    }
    if (hash->cost < TP_SECRET_COST_MIN || hash_memory(hash) > SECRET_MEMORY_MAX) {
        return "a hash of ln=10 to ln=18, and at most 256 MB";
    }
    return hash->salt_len > 0 && hash->sum_len >= SECRET_SUM_BYTES_MIN ? NULL : hash_form();
}

enum tp_result
tp_secret_hash_make(struct tp_str secret, unsigned cost, char text[TP_SECRET_HASH_TEXT_MAX])
{
    struct tp_secret_hash hash = {
        .cost = (uint8_t) cost,
        .block_size = SECRET_BLOCK_SIZE,
        .lanes = 1,
        .salt_len = SECRET_SALT_BYTES,
        .sum_len = SECRET_SUM_BYTES,
    };

    if (cost < TP_SECRET_COST_MIN || cost > TP_SECRET_COST_MAX) {
        return TP_INVALID;
    }
    if (RAND_bytes(hash.salt, SECRET_SALT_BYTES) != 1) {
        return TP_SYSTEM;
    }
    enum tp_result result = hash_compute(&hash, secret, hash.sum);

    if (result != TP_OK) {
        return result;
    }
    char salt[TP_BASE64_LETTERS(SECRET_SALT_BYTES)];
    char sum[TP_BASE64_LETTERS(SECRET_SUM_BYTES)];
    size_t salt_len = tp_base64_write((struct tp_str){ (char *) hash.salt, SECRET_SALT_BYTES },
                                      TP_BASE64_BARE, salt);
    size_t sum_len = tp_base64_write((struct tp_str){ (char *) hash.sum, SECRET_SUM_BYTES },
                                     TP_BASE64_BARE, sum);

    snprintf(text, TP_SECRET_HASH_TEXT_MAX, "$scrypt$ln=%u,r=%d,p=1$%.*s$%.*s", cost,
             SECRET_BLOCK_SIZE, (int) salt_len, salt, (int) sum_len, sum);
    return TP_OK;
}

enum tp_result
tp_secret_check(const struct tp_secret_hash *hash, struct tp_str secret)
{
    uint8_t sum[TP_SECRET_SUM_BYTES_MAX];
    enum tp_result result = hash_compute(hash, secret, sum);

    if (result == TP_OK && CRYPTO_memcmp(sum, hash->sum, hash->sum_len) != 0) {
        result = TP_DENIED;
    }
    OPENSSL_cleanse(sum, sizeof(sum));
    return result;
}

void
tp_secret_wipe(void *bytes, size_t len)
{
    OPENSSL_cleanse(bytes, len);
}

static const char *
hash_form(void)
{
    return "a hash such as $scrypt$ln=15,r=8,p=1$SALT$SUM, which \"tp hash\" makes";
}

static bool
take_text(struct tp_str *rest, const char *text)
{
    size_t len = strlen(text);

    if (rest->len < len || memcmp(rest->data, text, len) != 0) {
        return false;
    }
    rest->data += len;
    rest->len -= len;
    return true;
}

/* From 1 on, with no zeros in front. */
static bool
take_number(struct tp_str *rest, unsigned max, uint8_t *number)
{
    unsigned value = 0;
    size_t count = 0;

    while (count < rest->len && count < SECRET_DIGITS_MAX && rest->data[count] >= '0'
           && rest->data[count] <= '9') {
        value = value * 10 + (unsigned) (rest->data[count] - '0');
        count++;
    }
    if (count == 0 || rest->data[0] == '0' || value > max) {
        return false;
    }
    *number = (uint8_t) value;
    rest->data += count;
    rest->len -= count;
    return true;
}

/* Up to `end`, which is taken, too; '\0': to the end of the text. */
static bool
take_bytes(struct tp_str *rest, char end, uint8_t *bytes, size_t room, uint8_t *len)
{
    uint8_t read[TP_BASE64_BYTES_MAX(TP_SECRET_HASH_TEXT_MAX)];
    size_t count = 0;

    while (count < rest->len && rest->data[count] != end) {
        count++;
    }
    if (count >= TP_SECRET_HASH_TEXT_MAX || (end != '\0' && count == rest->len)) {
        return false;
    }
    size_t read_len = tp_base64_read((struct tp_str){ rest->data, count }, TP_BASE64_BARE, read);

    if (read_len > room) {
        return false;
    }
    memcpy(bytes, read, read_len);
    *len = (uint8_t) read_len;
    count += end != '\0' ? 1 : 0;
    rest->data += count;
    rest->len -= count;
    return true;
}

static uint64_t
hash_memory(const struct tp_secret_hash *hash)
{
    return ((uint64_t) 128 * hash->block_size << hash->cost)
           + (uint64_t) 128 * hash->block_size * hash->lanes;
}

static enum tp_result
hash_compute(const struct tp_secret_hash *hash, struct tp_str secret, uint8_t *sum)
{
    if (secret.len > TP_SECRET_BYTES_MAX) {
        return TP_TOO_LARGE;
    }
    if (EVP_PBE_scrypt(secret.data, secret.len, hash->salt, hash->salt_len,
                       (uint64_t) 1 << hash->cost, hash->block_size, hash->lanes, SECRET_MEMORY_MAX,
                       sum, hash->sum_len)
        != 1) {
        ERR_clear_error();
        return TP_NO_MEMORY;
    }
    return TP_OK;
}
