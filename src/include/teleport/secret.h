/*
 * teleport/secret.h - secrets that nobody keeps: what is kept is a hash that takes long to make.
 *
 * The hash is scrypt's (RFC 7914), written as text: "$scrypt$ln=15,r=8,p=1$SALT$SUM", the two last
 * ones in base64 without padding.  `ln` is the logarithm of the work; one more doubles the time
 * and the memory.
 *
 * Threads: any; what computes a hash is for a thread that may take long.
 */
#ifndef TELEPORT_SECRET_H
#define TELEPORT_SECRET_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_SECRET_BYTES_MAX = 1024,
    TP_SECRET_HASH_TEXT_MAX = 256, /* with the terminator */
    TP_SECRET_SALT_BYTES_MAX = 48,
    TP_SECRET_SUM_BYTES_MAX = 64,
    TP_SECRET_COST_MIN = 10,
    TP_SECRET_COST_PRESET = 15, /* some 60 ms, 32 MB */
    TP_SECRET_COST_MAX = 18,    /* 256 MB */
};

/* What a hash says; plain data. */
struct tp_secret_hash {
    uint8_t cost;       /* ln */
    uint8_t block_size; /* r */
    uint8_t lanes;      /* p */
    uint8_t salt_len;
    uint8_t sum_len;
    uint8_t salt[TP_SECRET_SALT_BYTES_MAX];
    uint8_t sum[TP_SECRET_SUM_BYTES_MAX];
};

/* Reads the text of one.  Returns NULL, or a sentence fragment that says what would be valid. */
const char *tp_secret_hash_read(struct tp_str text, struct tp_secret_hash *hash) TP_MUST_CHECK;

/*
 * Makes the hash of `secret`, with a salt of its own, as text.  TP_INVALID: a cost that cannot be;
 * TP_TOO_LARGE: the secret; TP_NO_MEMORY.
 */
enum tp_result tp_secret_hash_make(struct tp_str secret, unsigned cost,
                                   char text[TP_SECRET_HASH_TEXT_MAX]) TP_MUST_CHECK;

/*
 * Is it the hash of `secret`?  Computes one, whatever the answer is, and compares in a time that
 * tells nothing.  TP_OK; TP_DENIED: it is not; TP_NO_MEMORY: nobody knows.
 */
enum tp_result tp_secret_check(const struct tp_secret_hash *hash,
                               struct tp_str secret) TP_MUST_CHECK;

/* Overwrites bytes that nobody is to find; the compiler does not leave it out. */
void tp_secret_wipe(void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif
