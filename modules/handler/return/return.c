/*
 * return.c - answers with what the configuration says.
 *
 * A success (200) carries its text as a plain body; any other code carries it as the
 * status' text.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

struct return_conf {
    int64_t code;
    struct tp_str text;
};

static void return_handle(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_argument return_arguments[] = {
    {
        .name = "CODE", .kind = TP_ARGUMENT_REQUIRED, TP_NUMBER(struct return_conf, code),
        .min = "200", .max = "2147483647",
        .brief = "The status: 200, or that of an error.",
    },
    {
        .name = "TEXT", .kind = TP_ARGUMENT_OPTIONAL, TP_TEXT(struct return_conf, text),
        .preset = "",
        .brief = "The body of a 200, or the text of an error.",
    },
};

static const struct tp_directive return_directives[] = {
    {
        .name = "return", .where = TP_IN_ROUTE, TP_ARGUMENTS(return_arguments), .since = "0.1",
        .brief = "Answers with this status and text.",
    },
};

const struct tp_module tp_module_return = {
    .name = "return",
    .brief = "Answers with a status and a text of the configuration.",
    .conf_size = sizeof(struct return_conf),
    TP_DIRECTIVES(return_directives),
    .run_after = "",
    .handler = "return",
    .handle = return_handle,
};

static void
return_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct return_conf *conf = module_conf;
    struct tp_chain body = { 0 };
    struct tp_status status = {
        .code = (int32_t) conf->code,
        .text = tp_status_text((int32_t) conf->code),
    };

    if (conf->code != TP_STATUS_OK) {
        status.text = conf->text.len > 0 ? conf->text : status.text;
        tp_exchange_refuse(exchange, &status);
        return;
    }
    /* The text is the configuration's, which the reply may outlive: it is copied. */
    enum tp_result result = tp_chain_append_copy(&body, tp_exchange_buf_pool(exchange), conf->text);

    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
        return;
    }
    tp_exchange_reply(exchange, &body, TP_CODEC_PLAIN);
}
