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
    struct tp_template text;
};

static void return_handle(struct tp_exchange *exchange, const void *module_conf);
static void return_body(struct tp_exchange *exchange, struct tp_slice text);
static void return_status(struct tp_exchange *exchange, int32_t code, struct tp_slice text);

static const struct tp_argument return_arguments[] = {
    {
        .name = "CODE",
        .kind = TP_ARGUMENT_REQUIRED,
        TP_NUMBER(struct return_conf, code),
        .min = "200",
        .max = "2147483647",
        .brief = "The status: 200, or that of an error.",
    },
    {
        .name = "TEXT",
        .kind = TP_ARGUMENT_OPTIONAL,
        TP_TEMPLATE(struct return_conf, text),
        .preset = "",
        .brief = "The body of a 200, or the text of an error.",
    },
};

static const struct tp_directive return_directives[] = {
    {
        .name = "return",
        .where = TP_IN_ROUTE,
        TP_ARGUMENTS(return_arguments),
        .since = "0.1",
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
    struct tp_slice text = { 0 };
    enum tp_result result = tp_template_expand(&conf->text, exchange, &text);

    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    } else if (conf->code == TP_STATUS_OK) {
        return_body(exchange, text);
    } else {
        return_status(exchange, (int32_t) conf->code, text);
    }
}

static void
return_body(struct tp_exchange *exchange, struct tp_slice text)
{
    struct tp_chain body = { 0 };
    enum tp_result result = TP_OK;

    if (text.len > 0) {
        result = tp_chain_append(&body, text);
    } else {
        tp_buf_release(text.buf);
    }
    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
        return;
    }
    tp_exchange_reply(exchange, &body, TP_CODEC_PLAIN);
}

static void
return_status(struct tp_exchange *exchange, int32_t code, struct tp_slice text)
{
    struct tp_status status = { .code = code, .text = tp_status_text(code) };

    if (text.len > 0) {
        status.text = (struct tp_str){ (const char *) text.data, text.len };
    }
    tp_exchange_refuse(exchange, &status);
    tp_buf_release(text.buf);
}
