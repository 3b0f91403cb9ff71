/*
 * mirror.c - a handler that takes the body in the form the configuration says, and gives it
 * back: for tests of codecs.  Built as a module from outside the tree.
 *
 * Runs in: worker.
 */
#include <teleport/json.h>
#include <teleport/module.h>

struct mirror_conf {
    int how;
};

/* Further ways are codecs: the bytes are read as that, and given back. */
enum {
    MIRROR_VALUE = 256,
    MIRROR_NESTED, /* the value in an object in an object, which a form cannot say */
};

static void mirror_handle(struct tp_exchange *exchange, const void *module_conf);
static void mirror_value(struct tp_exchange *exchange, bool is_nested);
static cJSON *mirror_nest(cJSON *value);
static void mirror_bytes(struct tp_exchange *exchange, uint8_t codec);

static const struct tp_word mirror_words[] = {
    { "value", MIRROR_VALUE },
    { "nested", MIRROR_NESTED },
    TP_CODEC_WORDS,
    { NULL, 0 },
};

static const struct tp_directive mirror_directives[] = {
    {
        .name = "mirror", .where = TP_IN_ROUTE, TP_WORD(struct mirror_conf, how, mirror_words),
        .preset = "value", .since = "0.1",
        .brief = "Gives the body back that it has read in this form.",
    },
};

const struct tp_module tp_module_mirror = {
    .name = "mirror",
    .brief = "Gives bodies back.",
    .conf_size = sizeof(struct mirror_conf),
    TP_DIRECTIVES(mirror_directives),
    .run_after = "",
    .handler = "mirror",
    .handle = mirror_handle,
};

static void
mirror_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct mirror_conf *conf = module_conf;

    if (conf->how == MIRROR_VALUE || conf->how == MIRROR_NESTED) {
        mirror_value(exchange, conf->how == MIRROR_NESTED);
    } else {
        mirror_bytes(exchange, (uint8_t) conf->how);
    }
}

static void
mirror_value(struct tp_exchange *exchange, bool is_nested)
{
    cJSON *value;

    if (tp_exchange_read_value(exchange, &value) != TP_OK) {
        return; /* It has been refused with the reason. */
    }
    if (is_nested) {
        value = mirror_nest(mirror_nest(value));
    }
    tp_exchange_reply_value(exchange, value);
    cJSON_Delete(value);
}

static cJSON *
mirror_nest(cJSON *value)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddItemToObject(object, "in", value);
    return object;
}

static void
mirror_bytes(struct tp_exchange *exchange, uint8_t codec)
{
    struct tp_str body;

    if (tp_exchange_read_as(exchange, codec, &body) == TP_OK) {
        tp_exchange_reply_copy(exchange, body, codec);
    }
}
