/*
 * session_id.c - gives the session that asks the id that the configuration says, such as the
 * one it asks for.
 *
 * Whoever may pull the route is believed: it is for networks where everybody is, and for tests.
 * Where sessions prove who they are, what proves it gives them their ids.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

struct session_id_conf {
    struct tp_template id;
};

static void session_id_handle(struct tp_exchange *exchange, const void *module_conf);
static void session_id_set(struct tp_exchange *exchange, struct tp_str id);
static bool session_id_is_text(struct tp_str id);
static struct tp_status session_id_status(enum tp_result result);

static const struct tp_argument session_id_arguments[] = {
    {
        .name = "ID",
        .kind = TP_ARGUMENT_REQUIRED,
        TP_TEMPLATE(struct session_id_conf, id),
        .brief = "The id, such as $arg_id: 1 to 64 bytes without control characters.",
    },
};

static const struct tp_directive session_id_directives[] = {
    {
        .name = "session_id",
        .where = TP_IN_ROUTE,
        TP_ARGUMENTS(session_id_arguments),
        .since = "0.1",
        .brief = "Gives the session that asks this id; whoever may ask is believed.",
    },
};

const struct tp_module tp_module_session_id = {
    .name = "session_id",
    .brief = "Gives the session that asks an id, and believes it.",
    .conf_size = sizeof(struct session_id_conf),
    TP_DIRECTIVES(session_id_directives),
    .run_after = "",
    .handler = "session_id",
    .handle = session_id_handle,
};

static void
session_id_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct session_id_conf *conf = module_conf;
    struct tp_slice id = { 0 };
    enum tp_result result = tp_template_expand(&conf->id, exchange, &id);

    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
        return;
    }
    session_id_set(exchange, (struct tp_str){ (const char *) id.data, id.len });
    tp_buf_release(id.buf);
}

static void
session_id_set(struct tp_exchange *exchange, struct tp_str id)
{
    struct tp_session *session = tp_exchange_session(exchange);
    struct tp_chain nothing = { 0 };
    enum tp_result result = TP_GONE;

    if (id.len == 0 || id.len > TP_SESSION_ID_MAX || !session_id_is_text(id)) {
        struct tp_status status = {
            .code = TP_STATUS_BAD_REQUEST,
            .text = TP_STR("an id has 1 to 64 bytes and no control characters"),
        };

        tp_exchange_refuse(exchange, &status);
        return;
    }
    if (session != NULL) {
        result = tp_session_set_id(session, id);
    }
    if (result == TP_OK) {
        tp_exchange_reply(exchange, &nothing, TP_CODEC_NONE);
    } else {
        struct tp_status status = session_id_status(result);

        tp_exchange_refuse(exchange, &status);
    }
}

static bool
session_id_is_text(struct tp_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        uint8_t byte = (uint8_t) id.data[i];

        if (byte < 0x20 || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static struct tp_status
session_id_status(enum tp_result result)
{
    struct tp_status status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);

    if (result == TP_EXISTS) {
        status = tp_status_of(TP_STATUS_CONFLICT);
        status.text = TP_STR("another session has this id");
    } else if (result == TP_FULL) {
        status.text = TP_STR("the session directory is full");
    }
    return status;
}
