/*
 * json.c - the codec json: bodies to trees of cJSON and back.
 *
 * cJSON is lenient and unbounded where we may not be, so a text is checked first: its
 * grammar, its depth, how many values it has.  What passes, cJSON reads.  Trees are
 * written by json_write.c, because cJSON prints 1e20 where a whole number is meant.
 *
 * Whole numbers keep all their digits (see teleport/json.h); other numbers are doubles.
 *
 * Runs in: worker.  Read next: json_check.c, json_write.c.
 */
#include "json.h"

#include <teleport/json.h>
#include <teleport/module.h>

static enum tp_result json_decode(const void *module_conf, struct tp_str body, struct cJSON **value,
                                  const char **why);
static bool json_keep_digits(cJSON *value, struct tp_str *text);
static bool json_set_digits(cJSON *number, struct tp_str digits);
static struct tp_str json_find_number(struct tp_str text, bool *is_long_integer);
static struct tp_str json_skip(struct tp_str text, size_t count);
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
    .name = "json",
    .aliases = "",
    .mime_type = "application/json",
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
    struct json_facts facts;
    enum tp_result result = json_check(module_conf, body, &facts, why);

    *value = NULL;
    if (result != TP_OK) {
        return result;
    }
    *value = cJSON_ParseWithLength(body.data, body.len);
    if (*value == NULL || (facts.long_integers > 0 && !json_keep_digits(*value, &body))) {
        /* The text is known to be good: only memory can have been missing. */
        cJSON_Delete(*value);
        *value = NULL;
        *why = "there is no memory for the values";
        return TP_NO_MEMORY;
    }
    return TP_OK;
}

/*
 * Gives the long whole numbers of the tree their digits.  `text` is what the tree was
 * read from, and moves on with it: both have their numbers in the same order.
 */
static bool
json_keep_digits(cJSON *value, struct tp_str *text)
{
    for (; value != NULL; value = value->next) {
        if (cJSON_IsNumber(value)) {
            bool is_long_integer;
            struct tp_str digits = json_find_number(*text, &is_long_integer);

            *text = json_skip(*text, (size_t) (digits.data - text->data) + digits.len);
            if (is_long_integer && !json_set_digits(value, digits)) {
                return false;
            }
        } else if (!json_keep_digits(value->child, text)) {
            return false;
        }
    }
    return true;
}

static bool
json_set_digits(cJSON *number, struct tp_str digits)
{
    number->valuestring = cJSON_malloc(digits.len + 1);
    if (number->valuestring == NULL) {
        return false;
    }
    memcpy(number->valuestring, digits.data, digits.len);
    number->valuestring[digits.len] = '\0';
    return true;
}

/* The next number of a text that is known to be good and to have one; strings are passed. */
static struct tp_str
json_find_number(struct tp_str text, bool *is_long_integer)
{
    bool is_in_string = false;
    size_t len;

    for (;;) {
        char byte = text.data[0];

        if (is_in_string && byte == '\\') {
            text = json_skip(text, 1);
        } else if (byte == '"') {
            is_in_string = !is_in_string;
        } else if (!is_in_string && (byte == '-' || (byte >= '0' && byte <= '9'))) {
            break;
        }
        text = json_skip(text, 1);
    }
    len = json_number_len(text, is_long_integer);
    *is_long_integer = *is_long_integer && len > TP_JSON_EXACT_DIGITS;
    return (struct tp_str){ text.data, len };
}

static struct tp_str
json_skip(struct tp_str text, size_t count)
{
    return (struct tp_str){ text.data + count, text.len - count };
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
