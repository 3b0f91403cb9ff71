/*
 * return.c - answers with what the configuration says.
 *
 * Of two texts the first is the status' and the second the body.  A single one is the body of a
 * success (200), and the status' text of any other code.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

struct return_conf {
    int64_t code;
    struct tp_template text;
    struct tp_template body;
    int codec; /* of the body: enum tp_codec_id */
};

static void return_handle(struct tp_exchange *exchange, const void *module_conf);
static enum tp_result return_expand(struct tp_exchange *exchange, const struct tp_template *source,
                                    struct tp_slice *text);
static void return_finish(struct tp_exchange *exchange, const struct return_conf *conf,
                          struct tp_slice text, struct tp_chain *body);

static const struct tp_word return_codecs[] = {
    TP_CODEC_WORDS,
    { NULL, 0 },
};

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
        .brief = "The body of a 200, or the text of another status; before a BODY the status' "
                 "text in any case.",
    },
    {
        .name = "BODY",
        .kind = TP_ARGUMENT_OPTIONAL,
        TP_TEMPLATE(struct return_conf, body),
        .preset = "",
        .brief = "The body; an error may have one, too.",
    },
    {
        .name = "codec",
        .kind = TP_ARGUMENT_NAMED,
        TP_WORD(struct return_conf, codec, return_codecs),
        .preset = "plain",
        .brief = "What the body is; it is sent as it is written here.",
    },
};

static const struct tp_directive return_directives[] = {
    {
        .name = "return",
        .where = TP_IN_ROUTE,
        TP_ARGUMENTS(return_arguments),
        .since = "0.1",
        .brief = "Answers with this status, text and body.",
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
    bool text_is_body = conf->body.count == 0 && conf->code == TP_STATUS_OK;
    struct tp_slice text = { 0 };
    struct tp_slice bytes = { 0 };
    struct tp_chain body = { 0 };
    enum tp_result result =
        return_expand(exchange, text_is_body ? &conf->text : &conf->body, &bytes);

    if (result == TP_OK) {
        result = tp_chain_append(&body, bytes);
    }
    if (result == TP_OK && !text_is_body) {
        result = return_expand(exchange, &conf->text, &text);
    }
    if (result == TP_OK) {
        return_finish(exchange, conf, text, &body);
    } else {
        tp_exchange_refuse_result(exchange, result);
    }
    tp_chain_clear(&body);
    tp_buf_release(text.buf);
}

/* An empty source needs no buffer. */
static enum tp_result
return_expand(struct tp_exchange *exchange, const struct tp_template *source, struct tp_slice *text)
{
    return source->count == 0 ? TP_OK : tp_template_expand(source, exchange, text);
}

static void
return_finish(struct tp_exchange *exchange, const struct return_conf *conf, struct tp_slice text,
              struct tp_chain *body)
{
    int32_t code = (int32_t) conf->code;
    struct tp_status status = { .code = code, .text = tp_status_text(code) };
    bool has_body = conf->body.count > 0 || code == TP_STATUS_OK;

    if (text.len > 0) {
        status.text = (struct tp_str){ (const char *) text.data, text.len };
    }
    tp_exchange_finish(exchange, &status, body, has_body ? (uint8_t) conf->codec : TP_CODEC_NONE);
}
