/*
 * json.c - the codec json against any bytes.
 *
 * The first byte sets the limits.  What is decoded is what cJSON itself reads.  It is encoded and decoded again: the
 * second text must be the first one, and so must every number that fits 64 bits.  What
 * is refused must say why.
 *
 * Read next: modules/codec/json/json.c.
 */
#include <teleport/json.h>
#include <teleport/module.h>

#include "base/buf_pool.h"

enum {
    FUZZ_POOL_BYTES = 16 * 1024 * 1024,
    FUZZ_TEXT_BYTES_MAX = 4 * 1024 * 1024,
};

/* Of the shape of the module's own. */
struct fuzz_conf {
    int64_t depth;
    int64_t values;
};

extern const struct tp_module tp_module_json;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cJSON *fuzz_decode(const struct fuzz_conf *conf, struct tp_str text);
static bool fuzz_same_tree(const cJSON *left, const cJSON *right);
static bool fuzz_same_text(const char *left, const char *right);
static void fuzz_encode_again(const struct fuzz_conf *conf, const cJSON *value);
static struct tp_str fuzz_encode(const struct fuzz_conf *conf, const cJSON *value,
                                 struct tp_buf_pool *pool, struct tp_chain *body);
static bool fuzz_same_numbers(const cJSON *left, const cJSON *right);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_conf conf = { 0 };
    cJSON *value;

    if (size == 0) {
        return 0;
    }
    conf.depth = 1 + data[0] % 64;
    conf.values = 1 + data[0] * 8;
    value = fuzz_decode(&conf, (struct tp_str){ (const char *) data + 1, size - 1 });
    if (value != NULL) {
        cJSON *expected = cJSON_ParseWithLength((const char *) data + 1, size - 1);

        TP_ASSERT(expected != NULL && fuzz_same_tree(value, expected));
        cJSON_Delete(expected);
        fuzz_encode_again(&conf, value);
    }
    cJSON_Delete(value);
    return 0;
}

static cJSON *
fuzz_decode(const struct fuzz_conf *conf, struct tp_str text)
{
    cJSON *value;
    const char *why = NULL;
    enum tp_result result = tp_module_json.codec->decode(conf, text, &value, &why);

    TP_ASSERT(result == TP_OK || result == TP_INVALID || result == TP_TOO_LARGE);
    TP_ASSERT((result == TP_OK) == (value != NULL));
    TP_ASSERT((result == TP_OK) == (why == NULL));
    return value;
}

/* Digits that a number keeps are the codec's own; the rest is as cJSON would read it. */
static bool
fuzz_same_tree(const cJSON *left, const cJSON *right)
{
    for (; left != NULL && right != NULL; left = left->next, right = right->next) {
        bool is_number = cJSON_IsNumber(left);

        if (left->type != right->type || !fuzz_same_text(left->string, right->string)
            || left->valueint != right->valueint
            || (is_number && memcmp(&left->valuedouble, &right->valuedouble, sizeof(double)) != 0)
            || (!is_number && !fuzz_same_text(left->valuestring, right->valuestring))
            || !fuzz_same_tree(left->child, right->child)) {
            return false;
        }
    }
    return left == right;
}

static bool
fuzz_same_text(const char *left, const char *right)
{
    return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static void
fuzz_encode_again(const struct fuzz_conf *conf, const cJSON *value)
{
    struct tp_buf_pool pool;
    struct tp_chain first = { 0 };
    struct tp_chain second = { 0 };
    struct tp_str text;
    struct tp_str again;
    cJSON *decoded;

    tp__buf_pool_init(&pool, (struct tp_size){ FUZZ_POOL_BYTES }, 2);
    text = fuzz_encode(conf, value, &pool, &first);
    decoded = fuzz_decode(conf, text);
    TP_ASSERT(decoded != NULL && fuzz_same_numbers(value, decoded));
    again = fuzz_encode(conf, decoded, &pool, &second);
    TP_ASSERT(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
    cJSON_Delete(decoded);
    tp_chain_clear(&first);
    tp_chain_clear(&second);
    tp__buf_pool_fini(&pool);
}

/* The text is borrowed from the body. */
static struct tp_str
fuzz_encode(const struct fuzz_conf *conf, const cJSON *value, struct tp_buf_pool *pool,
            struct tp_chain *body)
{
    const struct tp_size limit = { FUZZ_TEXT_BYTES_MAX };
    struct tp_slice flat;
    enum tp_result result = tp_module_json.codec->encode(conf, value, limit, pool, body);

    TP_ASSERT(result == TP_OK);
    result = tp_chain_flatten(body, pool, &flat);
    TP_ASSERT(result == TP_OK);
    return (struct tp_str){ (const char *) flat.data, flat.len };
}

static bool
fuzz_same_numbers(const cJSON *left, const cJSON *right)
{
    for (; left != NULL && right != NULL; left = left->next, right = right->next) {
        int64_t left_integer = 0;
        int64_t right_integer = 0;

        if (left->type != right->type || left->valuedouble != right->valuedouble
            || tp_json_get_integer(left, &left_integer)
                   != tp_json_get_integer(right, &right_integer)
            || left_integer != right_integer || !fuzz_same_numbers(left->child, right->child)) {
            return false;
        }
    }
    return left == right;
}
