/*
 * auth.c - what the module auth reads against any bytes: tokens as they come, payloads that
 * somebody has signed, and files of tokens.
 *
 * The first byte says which.  What was read must keep its bounds.
 *
 * Read next: modules/auth/auth/jwt.c, tokens.c.
 */
#include "../../modules/auth/auth/jwt.h"
#include "../../modules/auth/auth/tokens.h"

#include <teleport/base64.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

enum {
    FUZZ_PAYLOAD_MAX = 8 * 1024,
};

#define FUZZ_NOW_MS INT64_C(1300819000000)

static const char fuzz_key[] = "a secret of thirty-two bytes, or more";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_token(struct tp_str token);
static void fuzz_payload(struct tp_str payload);
static void fuzz_file(struct tp_str text);
static void fuzz_complain(void *owner, size_t line, size_t column, const char *why);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct tp_str rest = { (const char *) data + 1, size - 1 };

    if (data[0] == 't') {
        fuzz_token(rest);
    } else if (data[0] == 'p') {
        fuzz_payload(rest);
    } else {
        fuzz_file(rest);
    }
    return 0;
}

static void
fuzz_token(struct tp_str token)
{
    struct jwt_rules rules = {
        .algorithm = JWT_HS256,
        .issuer = TP_STR(""),
        .audience = TP_STR(""),
        .id_claim = TP_STR("sub"),
        .leeway = { 30000 },
    };
    struct tp_str key = { fuzz_key, strlen(fuzz_key) };
    struct jwt_facts facts;
    const char *why = jwt_key_read(JWT_HS256, key, &rules.key);

    TP_ASSERT(why == NULL);
    if (jwt_check(&rules, token, FUZZ_NOW_MS, &facts) == NULL) {
        TP_ASSERT(facts.id_len > 0 && facts.id_len <= sizeof(facts.id));
        TP_ASSERT(facts.claims_len <= sizeof(facts.claims));
        TP_ASSERT(facts.expires_s >= 0);
        TP_ASSERT(memchr(facts.id, '\0', facts.id_len) == NULL);
    }
    jwt_key_free(&rules.key);
}

/* As if who has the key had signed it. */
static void
fuzz_payload(struct tp_str payload)
{
    static const char header[] = "{\"alg\":\"HS256\"}";
    static char token[TP_BASE64_LETTERS(FUZZ_PAYLOAD_MAX) + 256];
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned sum_len = 0;

    if (payload.len > FUZZ_PAYLOAD_MAX) {
        return;
    }
    size_t len = tp_base64_write((struct tp_str){ header, strlen(header) }, TP_BASE64_URL, token);

    token[len++] = '.';
    len += tp_base64_write(payload, TP_BASE64_URL, token + len);
    HMAC(EVP_sha256(), fuzz_key, (int) strlen(fuzz_key), (const uint8_t *) token, len, sum,
         &sum_len);
    token[len++] = '.';
    len += tp_base64_write((struct tp_str){ (char *) sum, sum_len }, TP_BASE64_URL, token + len);
    fuzz_token((struct tp_str){ token, len });
}

/* Each that was read is found. */
static void
fuzz_file(struct tp_str text)
{
    size_t mistakes = 0;
    struct tokens *tokens;
    enum tp_result result = tokens_read(text, fuzz_complain, &mistakes, &tokens);

    TP_ASSERT((result == TP_OK) == (mistakes == 0) && (result == TP_OK) == (tokens != NULL));
    for (size_t i = 0; result == TP_OK && i < tokens->count; i++) {
        TP_ASSERT(tokens_find(tokens, tokens->rows[i].id) == &tokens->rows[i]);
    }
    tokens_free(&tokens);
}

static void
fuzz_complain(void *owner, size_t line, size_t column, const char *why)
{
    size_t *mistakes = owner;

    TP_ASSERT(line > 0 && column > 0 && why[0] != '\0');
    (*mistakes)++;
}
