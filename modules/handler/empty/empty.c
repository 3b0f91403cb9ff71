/*
 * empty.c - takes what comes and says no more than that it came.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

static void empty_handle(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_directive empty_directives[] = {
    {
        .name = "empty", .where = TP_IN_ROUTE, .takes_nothing = true, .since = "0.1",
        .brief = "Answers 200 without a body; a PUSH is dropped.",
    },
};

const struct tp_module tp_module_empty = {
    .name = "empty",
    .brief = "Answers with an empty body, and takes pushes.",
    .conf_size = 0,
    TP_DIRECTIVES(empty_directives),
    .run_after = "",
    .handler = "empty",
    .handle = empty_handle,
};

static void
empty_handle(struct tp_exchange *exchange, const void *module_conf)
{
    struct tp_chain nothing = { 0 };

    (void) module_conf;
    tp_exchange_reply(exchange, &nothing, TP_CODEC_NONE);
}
