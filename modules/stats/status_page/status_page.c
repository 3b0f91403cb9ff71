/*
 * status_page.c - a page for people that shows what the server does, live.
 *
 * The page asks the route that it came from for its numbers: "?data" is what the handler `stats`
 * answers, "?sessions" the sessions with the most traffic.  So it works wherever it is mounted, and
 * whatever lets somebody see the page lets them see the numbers.
 *
 * It shows who is connected and what is asked: it belongs on a listen that only operators reach,
 * or behind "require".
 *
 * Runs in: worker.  Read next: page.c, sessions.c, page.js.
 */
#include "status_page.h"

#include <teleport/stats.h>

static void status_page_handle(struct tp_exchange *exchange, const void *module_conf);
static bool status_page_is_asked(const struct tp_exchange *exchange, struct tp_str name);
static void status_page_reply_data(struct tp_exchange *exchange);

static const struct tp_argument status_page_arguments[] = {
    {
        .name = "sessions", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct status_page_conf, session_count_max),
        .preset = "10000", .min = "0", .max = "1000000",
        .brief = "How many sessions are looked at, each time that somebody's page asks, for those "
                 "with the most traffic; 0: none, and the page has no such table.",
    },
};

static const struct tp_directive status_page_directives[] = {
    {
        .name = "status_page", .where = TP_IN_PULL, TP_ARGUMENTS(status_page_arguments),
        .since = "0.1",
        .brief = "Answers browsers with a page that shows what the server does, live; it tells who "
                 "is connected, so let only operators reach it.",
    },
};

const struct tp_module tp_module_status_page = {
    .name = "status_page",
    .brief = "Shows what the server does on a page, live.",
    .conf_size = sizeof(struct status_page_conf),
    TP_DIRECTIVES(status_page_directives),
    .run_after = "",
    .handler = "status_page",
    .handle = status_page_handle,
};

static void
status_page_handle(struct tp_exchange *exchange, const void *module_conf)
{
    if (tp_exchange_add_metadata(exchange, TP_STR("Cache-Control"), TP_STR("no-store")) != TP_OK) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
    } else if (status_page_is_asked(exchange, TP_STR("data"))) {
        status_page_reply_data(exchange);
    } else if (status_page_is_asked(exchange, TP_STR("sessions"))) {
        sessions_reply(exchange, module_conf);
    } else {
        page_reply(exchange);
    }
}

static bool
status_page_is_asked(const struct tp_exchange *exchange, struct tp_str name)
{
    struct tp_query_pair pair;

    return tp_query_find(tp_exchange_query(exchange), name, &pair);
}

static void
status_page_reply_data(struct tp_exchange *exchange)
{
    struct tp_chain body = { 0 };
    enum tp_result result = tp_stats_write_json(tp_exchange_home(exchange), &body);

    if (result == TP_OK) {
        tp_exchange_reply(exchange, &body, TP_CODEC_JSON);
    } else {
        tp_exchange_refuse_result(exchange, result);
    }
    tp_chain_clear(&body);
}
