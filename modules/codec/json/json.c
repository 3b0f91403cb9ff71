/*
 * json.c - the codec json: bodies to trees of cJSON and back.
 *
 * cJSON is lenient and unbounded where we may not be, so a text is checked first: its
 * grammar, its depth, how many values it has.  What passes becomes a tree of cJSON in
 * json_read.c.  Trees are written by json_write.c, because cJSON prints 1e20 where a whole
 * number is meant.
 *
 * Whole numbers keep all their digits (see teleport/json.h); other numbers are doubles.
 *
 * Runs in: worker.  Read next: json_check.c, json_read.c, json_write.c.
 */
#include "json.h"

#include <teleport/json.h>
#include <teleport/module.h>

static enum tp_result json_decode(const void *module_conf, struct tp_str body, struct cJSON **value,
                                  const char **why);
static enum tp_result json_encode(const void *module_conf, const struct cJSON *value,
                                  struct tp_size limit, struct tp_buf_pool *pool,
                                  struct tp_chain *body);

static const struct tp_directive json_directives[] = {
    {
        .name = "json_depth", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct json_conf, depth),
        .preset = "100", .min = "1", .max = "500", .since = "0.1",
        .brief = "How deep arrays and objects of a JSON body may be nested.",
    },
    {
        .name = "json_values", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct json_conf, values),
        .preset = "100000", .min = "1", .max = "10000000", .since = "0.1",
        .brief = "How many values a JSON body may have; each takes about 80 bytes when decoded.",
    },
};

static const struct tp_codec json_codec = {
    .id = TP_CODEC_JSON,
    .brief = "JSON, strict, with whole numbers of any length kept.",
    .decode = json_decode,
    .encode = json_encode,
};

const struct tp_module tp_module_json = {
    .name = "json",
    .brief = "Codec of JSON bodies.",
    .conf_size = sizeof(struct json_conf),
    TP_DIRECTIVES(json_directives),
    .run_after = "",
    .codec = &json_codec,
};

static enum tp_result
json_decode(const void *module_conf, struct tp_str body, struct cJSON **value, const char **why)
{
    enum tp_result result = json_check(module_conf, body, why);

    *value = NULL;
    if (result != TP_OK) {
        return result;
    }
    *value = json_read(body);
    if (*value == NULL) {
        /* The text is known to be good: only memory can have been missing. */
        *why = "there is no memory for the values";
        return TP_NO_MEMORY;
    }
    return TP_OK;
}

static enum tp_result
json_encode(const void *module_conf, const struct cJSON *value, struct tp_size limit,
            struct tp_buf_pool *pool, struct tp_chain *body)
{
    const struct json_target target = { limit.bytes, pool, body };
    enum tp_result result = json_write(module_conf, value, &target);

    if (result != TP_OK) {
        tp_chain_clear(body);
    }
    return result;
}
