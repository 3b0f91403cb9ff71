/*
 * form.c - the codec form: rows of names and values, as HTML forms send them.
 *
 *     name=Ann+Lee&tag=a&tag=b    {"name":"Ann Lee","tag":["a","b"]}
 *
 * A form is an object whose values are texts; a name that comes several times has an array of
 * them, in their order.  Written, a number, true and false are texts, null is an empty one, and
 * an array is its name repeated.  What is nested deeper has no form.
 *
 * Runs in: worker.  Read next: teleport/query.h (the escapes).
 */
#include <teleport/json.h>
#include <teleport/module.h>

struct form_conf {
    int64_t pairs;
};

/* Counts what is to be written, and then writes it. */
struct form_writer {
    char *to; /* NULL while it counts */
    uint64_t len;
};

static enum tp_result form_decode(const void *module_conf, struct tp_str body, struct cJSON **value,
                                  const char **why);
static enum tp_result form_read_pair(cJSON *form, const struct tp_query_pair *pair,
                                     const char **why);
static enum tp_result form_read_text(struct tp_str written, char **text, const char **why);
static enum tp_result form_add(cJSON *form, char *name, cJSON *value);
static bool form_make_array(cJSON *item);
static enum tp_result form_encode(const void *module_conf, const struct cJSON *value,
                                  struct tp_size limit, struct tp_buf_pool *pool,
                                  struct tp_chain *body);
static bool form_write(struct form_writer *writer, const cJSON *form);
static bool form_write_pair(struct form_writer *writer, const char *name, const cJSON *value);
static const char *form_text_of(const cJSON *value, char number[TP_NUMBER_TEXT_MAX]);
static void form_put_escaped(struct form_writer *writer, const char *text);
static void form_put_byte(struct form_writer *writer, char byte);

static const struct tp_directive form_directives[] = {
    {
        .name = "form_pairs", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct form_conf, pairs),
        .preset = "1000", .min = "1", .max = "10000", .since = "0.1",
        .brief = "How many names with their values a form may have; each name is compared with "
                 "those before it.",
    },
};

static const struct tp_codec form_codec = {
    .id = TP_CODEC_FORM,
    .brief = "Names and values, as HTML forms send them.",
    .decode = form_decode,
    .encode = form_encode,
};

const struct tp_module tp_module_form = {
    .name = "form",
    .brief = "Codec of bodies that are urlencoded forms.",
    .conf_size = sizeof(struct form_conf),
    TP_DIRECTIVES(form_directives),
    .run_after = "",
    .codec = &form_codec,
};

static enum tp_result
form_decode(const void *module_conf, struct tp_str body, struct cJSON **value, const char **why)
{
    const struct form_conf *conf = module_conf;
    cJSON *form = cJSON_CreateObject();
    enum tp_result result = TP_OK;
    struct tp_query_pair pair;
    int64_t count = 0;

    *value = NULL;
    if (form == NULL) {
        *why = "there is no memory for the values";
        return TP_NO_MEMORY;
    }
    while (result == TP_OK && tp_query_next(&body, &pair)) {
        if (++count > conf->pairs) {
            *why = "the form has more than form_pairs names";
            result = TP_TOO_LARGE;
        } else {
            result = form_read_pair(form, &pair, why);
        }
    }
    if (result != TP_OK) {
        cJSON_Delete(form);
        return result;
    }
    *value = form;
    return TP_OK;
}

static enum tp_result
form_read_pair(cJSON *form, const struct tp_query_pair *pair, const char **why)
{
    char *name = NULL;
    enum tp_result result = form_read_text(pair->name, &name, why);

    if (result != TP_OK) {
        return result;
    }
    cJSON *value = cJSON_CreateNull();

    if (value == NULL) {
        *why = "there is no memory for the values";
        cJSON_free(name);
        return TP_NO_MEMORY;
    }
    value->type = cJSON_String;
    result = form_read_text(pair->value, &value->valuestring, why);
    if (result != TP_OK) {
        cJSON_Delete(value);
        cJSON_free(name);
        return result;
    }
    result = form_add(form, name, value);
    if (result != TP_OK) {
        *why = "there is no memory for the values";
    }
    return result;
}

/* What is written, terminated, in memory of cJSON's. */
static enum tp_result
form_read_text(struct tp_str written, char **text, const char **why)
{
    char *copy = cJSON_malloc(written.len + 1);

    if (copy == NULL) {
        *why = "there is no memory for the values";
        return TP_NO_MEMORY;
    }
    size_t len = tp_query_unescape(written, copy);

    if (len == SIZE_MAX || memchr(copy, '\0', len) != NULL) {
        *why = len == SIZE_MAX ? "the form has % without two hexadecimal digits"
                               : "the form has a NUL";
        cJSON_free(copy);
        return TP_INVALID;
    }
    copy[len] = '\0';
    *text = copy;
    return TP_OK;
}

/* Takes both, also when TP_NO_MEMORY is returned. */
static enum tp_result
form_add(cJSON *form, char *name, cJSON *value)
{
    cJSON *same = cJSON_GetObjectItemCaseSensitive(form, name);

    if (same == NULL) {
        value->string = name;
        cJSON_AddItemToArray(form, value); /* for a member of an object, too: it has its name */
        return TP_OK;
    }
    cJSON_free(name);
    if (!cJSON_IsArray(same) && !form_make_array(same)) {
        cJSON_Delete(value);
        return TP_NO_MEMORY;
    }
    cJSON_AddItemToArray(same, value);
    return TP_OK;
}

/* The text becomes an array that has it. */
static bool
form_make_array(cJSON *item)
{
    cJSON *first = cJSON_CreateNull();

    if (first == NULL) {
        return false;
    }
    first->type = cJSON_String;
    first->valuestring = item->valuestring;
    item->type = cJSON_Array;
    item->valuestring = NULL;
    cJSON_AddItemToArray(item, first);
    return true;
}

static enum tp_result
form_encode(const void *module_conf, const struct cJSON *value, struct tp_size limit,
            struct tp_buf_pool *pool, struct tp_chain *body)
{
    struct form_writer writer = { .to = NULL };

    (void) module_conf;
    if (!cJSON_IsObject(value) || !form_write(&writer, value)) {
        return TP_INVALID;
    }
    if (writer.len > limit.bytes) {
        return TP_TOO_LARGE;
    }
    if (writer.len == 0) {
        return TP_OK;
    }
    struct tp_buf *buf = tp_buf_make(pool, writer.len);

    if (buf == NULL) {
        return TP_NO_MEMORY;
    }
    writer = (struct form_writer){ .to = (char *) buf->bytes };
    form_write(&writer, value);
    return tp_chain_append(body, (struct tp_slice){ buf, buf->bytes, writer.len });
}

/* False: it has what no form can say. */
static bool
form_write(struct form_writer *writer, const cJSON *form)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, form)
    {
        const cJSON *element;

        if (!cJSON_IsArray(member)) {
            if (!form_write_pair(writer, member->string, member)) {
                return false;
            }
            continue;
        }
        cJSON_ArrayForEach(element, member)
        {
            if (!form_write_pair(writer, member->string, element)) {
                return false;
            }
        }
    }
    return true;
}

static bool
form_write_pair(struct form_writer *writer, const char *name, const cJSON *value)
{
    char number[TP_NUMBER_TEXT_MAX];
    const char *text = form_text_of(value, number);

    if (text == NULL) {
        return false;
    }
    if (writer->len > 0) {
        form_put_byte(writer, '&');
    }
    form_put_escaped(writer, name == NULL ? "" : name);
    form_put_byte(writer, '=');
    form_put_escaped(writer, text);
    return true;
}

static const char *
form_text_of(const cJSON *value, char number[TP_NUMBER_TEXT_MAX])
{
    if (cJSON_IsString(value)) {
        return value->valuestring == NULL ? "" : value->valuestring;
    }
    if (cJSON_IsNumber(value)) {
        return tp_json_format_number(value, number);
    }
    if (cJSON_IsBool(value)) {
        return cJSON_IsTrue(value) ? "true" : "false";
    }
    return cJSON_IsNull(value) ? "" : NULL;
}

static void
form_put_escaped(struct form_writer *writer, const char *text)
{
    struct tp_str plain = { text, strlen(text) };

    if (writer->to == NULL) {
        writer->len += tp_query_escaped_len(plain);
    } else {
        writer->len = (uint64_t) (tp_query_escape(plain, writer->to + writer->len) - writer->to);
    }
}

static void
form_put_byte(struct form_writer *writer, char byte)
{
    if (writer->to != NULL) {
        writer->to[writer->len] = byte;
    }
    writer->len++;
}
