/*
 * sleep.c - answers later: a handler that tries out how callers wait.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

struct sleep_conf {
    struct tp_msec delay;
};

static void sleep_handle(struct tp_exchange *exchange, const void *module_conf);
static void sleep_on_time(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_directive sleep_directives[] = {
    {
        .name = "sleep", .where = TP_IN_ROUTE, TP_TIME(struct sleep_conf, delay), .min = "1ms",
        .max = "1h", .since = "0.1",
        .brief = "Answers with the body that came, after this time.",
    },
};

const struct tp_module tp_module_sleep = {
    .name = "sleep",
    .brief = "Answers with the body it received, later.",
    .conf_size = sizeof(struct sleep_conf),
    TP_DIRECTIVES(sleep_directives),
    .run_after = "",
    .handler = "sleep",
    .handle = sleep_handle,
    .on_time = sleep_on_time,
};

static void
sleep_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct sleep_conf *conf = module_conf;

    tp_exchange_hold(exchange, conf->delay);
}

static void
sleep_on_time(struct tp_exchange *exchange, const void *module_conf)
{
    (void) module_conf;
    tp_exchange_echo(exchange);
}
