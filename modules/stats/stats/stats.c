/*
 * stats.c - answers with all that is counted, as JSON (docs/guide/stats.md).
 *
 * It shows what is asked of the server, and by whom: it belongs on a listen that only operators
 * reach, or behind "require".
 *
 * Runs in: worker.
 */
#include <teleport/module.h>
#include <teleport/stats.h>

static void stats_handle(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_directive stats_directives[] = {
    {
        .name = "stats", .where = TP_IN_PULL, .takes_nothing = true, .since = "0.1",
        .brief = "Answers with all that is counted, as JSON; it tells what is asked of the server "
                 "and by whom, so let only operators reach it.",
    },
};

const struct tp_module tp_module_stats = {
    .name = "stats",
    .brief = "Answers with all that is counted, as JSON.",
    .conf_size = 0,
    TP_DIRECTIVES(stats_directives),
    .run_after = "",
    .handler = "stats",
    .handle = stats_handle,
};

static void
stats_handle(struct tp_exchange *exchange, const void *module_conf)
{
    struct tp_chain body = { 0 };
    enum tp_result result = tp_stats_write_json(tp_exchange_home(exchange), &body);

    (void) module_conf;
    if (result == TP_OK) {
        result = tp_exchange_add_metadata(exchange, TP_STR("Cache-Control"), TP_STR("no-store"));
    }
    if (result == TP_OK) {
        tp_exchange_reply(exchange, &body, TP_CODEC_JSON);
    } else {
        tp_exchange_refuse_result(exchange, result);
    }
    tp_chain_clear(&body);
}
