/*
 * form.c - the codec form against any bytes.
 *
 * What is decoded is a flat object of texts.  It is encoded and decoded again: the tree must
 * be the same, and the second text the first one.  What is refused must say why.
 *
 * Read next: modules/codec/form/form.c.
 */
#include <teleport/json.h>
#include <teleport/module.h>

#include "base/buf_pool.h"

enum {
    FUZZ_POOL_BYTES = 16 * 1024 * 1024,
    FUZZ_TEXT_BYTES_MAX = 4 * 1024 * 1024,
    FUZZ_PAIRS = 100,
};

/* Of the shape of the module's own. */
static const struct {
    int64_t pairs;
} fuzz_conf = { FUZZ_PAIRS };

extern const struct tp_module tp_module_form;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cJSON *fuzz_decode(struct tp_str text);
static bool fuzz_is_flat(const cJSON *form);
static bool fuzz_is_text(const cJSON *value);
static void fuzz_encode_again(const cJSON *form);
static struct tp_str fuzz_encode(const cJSON *form, struct tp_buf_pool *pool,
                                 struct tp_chain *body);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *form = fuzz_decode((struct tp_str){ (const char *) data, size });

    if (form != NULL) {
        TP_ASSERT(fuzz_is_flat(form));
        fuzz_encode_again(form);
    }
    cJSON_Delete(form);
    return 0;
}

static cJSON *
fuzz_decode(struct tp_str text)
{
    cJSON *form;
    const char *why = NULL;
    enum tp_result result = tp_module_form.codec->decode(&fuzz_conf, text, &form, &why);

    TP_ASSERT(result == TP_OK || result == TP_INVALID || result == TP_TOO_LARGE);
    TP_ASSERT((result == TP_OK) == (form != NULL));
    TP_ASSERT((result == TP_OK) == (why == NULL));
    return form;
}

static bool
fuzz_is_flat(const cJSON *form)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, form)
    {
        const cJSON *element;

        if (member->string == NULL || (!cJSON_IsArray(member) && !fuzz_is_text(member))) {
            return false;
        }
        cJSON_ArrayForEach(element, member)
        {
            if (!fuzz_is_text(element)) {
                return false;
            }
        }
    }
    return cJSON_IsObject(form);
}

static bool
fuzz_is_text(const cJSON *value)
{
    return cJSON_IsString(value) && value->valuestring != NULL;
}

static void
fuzz_encode_again(const cJSON *form)
{
    struct tp_buf_pool pool;
    struct tp_chain first = { 0 };
    struct tp_chain second = { 0 };

    tp__buf_pool_init(&pool, (struct tp_size){ FUZZ_POOL_BYTES }, 2);
    struct tp_str text = fuzz_encode(form, &pool, &first);
    cJSON *decoded = fuzz_decode(text);

    TP_ASSERT(decoded != NULL && cJSON_Compare(form, decoded, true));
    struct tp_str again = fuzz_encode(decoded, &pool, &second);

    TP_ASSERT(text.len == again.len
              && (text.len == 0 || memcmp(text.data, again.data, text.len) == 0));
    cJSON_Delete(decoded);
    tp_chain_clear(&first);
    tp_chain_clear(&second);
    tp__buf_pool_fini(&pool);
}

/* The text is borrowed from the body. */
static struct tp_str
fuzz_encode(const cJSON *form, struct tp_buf_pool *pool, struct tp_chain *body)
{
    const struct tp_size limit = { FUZZ_TEXT_BYTES_MAX };
    struct tp_slice flat = { 0 };
    enum tp_result result = tp_module_form.codec->encode(&fuzz_conf, form, limit, pool, body);

    TP_ASSERT(result == TP_OK);
    result = tp_chain_flatten(body, pool, &flat);
    TP_ASSERT(result == TP_OK);
    return (struct tp_str){ (const char *) flat.data, flat.len };
}
