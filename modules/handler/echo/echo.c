/*
 * echo.c - answers a PULL with the body it came with: the smallest handler there is,
 * and the skeleton of docs/modules.md.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

struct echo_conf {
    struct tp_size reply_max;
};

static void echo_handle(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_directive echo_directives[] = {
    {
        .name = "echo", .where = TP_IN_ROUTE, .takes_nothing = true, .since = "0.1",
        .brief = "Answers with the body that came, untouched.",
    },
    {
        .name = "echo_reply_max", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_SIZE(struct echo_conf, reply_max),
        .preset = "256m", .min = "1", .max = "256m", .since = "0.1",
        .brief = "Largest body that is answered; longer pulls are refused with 413.",
    },
};

const struct tp_module tp_module_echo = {
    .name = "echo",
    .brief = "Answers with the body it received.",
    .conf_size = sizeof(struct echo_conf),
    TP_DIRECTIVES(echo_directives),
    .run_after = "",
    .handler = "echo",
    .handle = echo_handle,
};

static void
echo_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct echo_conf *conf = module_conf;

    if (tp_exchange_request(exchange)->body.len > conf->reply_max.bytes) {
        struct tp_status status = tp_status_of(TP_STATUS_TOO_LARGE);

        tp_exchange_refuse(exchange, &status);
        return;
    }
    tp_exchange_echo(exchange);
}
