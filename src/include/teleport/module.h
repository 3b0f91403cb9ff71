/*
 * teleport/module.h - what a module is made of.  The only header a module
 * needs; it brings base, log, address, directive and protocol with it.
 *
 * The module API is a source API of one version: a module is compiled together
 * with the server (`./configure --add-module=DIR`), nothing is loaded later.
 *
 * Threads: all functions of a module run in the worker's (or, for .validate,
 * the loading process's) only loop thread.
 */
#ifndef TELEPORT_MODULE_H
#define TELEPORT_MODULE_H

#include <teleport/address.h>
#include <teleport/base.h>
#include <teleport/codec.h>
#include <teleport/directive.h>
#include <teleport/file.h>
#include <teleport/filter.h>
#include <teleport/handler.h>
#include <teleport/home.h>
#include <teleport/hooks.h>
#include <teleport/identity.h>
#include <teleport/log.h>
#include <teleport/meter.h>
#include <teleport/protocol.h>
#include <teleport/query.h>
#include <teleport/remote.h>
#include <teleport/session.h>
#include <teleport/session_data.h>
#include <teleport/table.h>
#include <teleport/trace.h>
#include <teleport/upstream.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A uri that is the module's own: in each server whose conf of the module wants it, PULLs and PUSHes
 * to it are given to the module's `handle`, unless a route is configured for exactly that uri.  What
 * guards and limits the routes of the server stands before it only with `is_guarded`.
 *
 * It is for conversations, in which both ends ask; with `is_for_all` also for those that only ask,
 * as over HTTP.
 */
struct tp_own_route {
    const char *uri;
    bool (*is_wanted)(const void *conf);
    bool (*is_logged)(
        const void *conf); /* in the access log, and as slow, like what has no route */
    bool is_for_all;
    bool is_guarded;
};

struct tp_module {
    const char *name;
    const char *brief; /* one sentence, shown by ./configure --help and the manual */

    /* One such struct per block in which the module has directives, zeroed first. */
    size_t conf_size;
    const struct tp_directive *directives;
    size_t directive_count;

    /* Modules whose hooks run before this one's, separated by spaces. */
    const char *run_after;

    /* The ids this module logs with. */
    const struct tp_log_id *log_ids;
    size_t log_id_count;

    /*
     * Checks what one row cannot: called once per block with the module's conf
     * in it, inner blocks first, after inheritance.  Reports with
     * tp_conf_complain(), as many mistakes as it finds; may compute fields that
     * no directive fills.
     */
    void (*validate)(const struct tp_block *block, void *conf);

    /*
     * The same of a module of which the library has the conf among its options: looks at nothing but
     * that, and says why it cannot be, and which directive or option is to blame; NULL: it can.
     */
    const char *(*check)(const void *conf, const char **directive);

    /*
     * Frees what `validate` has taken besides: called once per block when a configuration
     * goes, whether validated or not.  Items that blocks share come with each of them.
     */
    void (*release)(void *conf);

    /*
     * What it has to say at points in the life of sessions and exchanges, with its conf of
     * the block (see teleport/hooks.h): `.hooks = { .at = { [TP_HOOK_POST_ACCEPT] = … } }`.
     * `wants_hooks` tells whether it has anything to say with this conf, so that what nobody
     * has configured costs nothing; NULL: it always has.  `wants_hook_at` tells the same of one
     * point, where that depends on the conf, too; NULL: of each.
     */
    struct tp_hooks hooks;
    bool (*wants_hooks)(const void *conf);
    bool (*wants_hook_at)(const void *conf, enum tp_hook_point point);

    /*
     * True lets a packet pass its hooks of post_read_pull_header and post_read_push_header, where
     * they stand before the router, without calling them.  It is asked of each, before the uri was
     * read, so it is a few comparisons and changes nothing; NULL: they are called for each.
     */
    bool (*spares)(const struct tp_exchange *exchange, const void *conf);

    /*
     * What it does on its own in a worker, with each conf of a configuration: `start` before the
     * configuration comes into force there, which does not happen unless TP_OK is returned;
     * `stop` when nothing uses it any more, once for each `start` that has succeeded.
     */
    enum tp_result (*start)(struct tp_sessions *home, const void *conf);
    void (*stop)(struct tp_sessions *home, const void *conf);

    /*
     * The same module in another worker has told this with tp_home_tell(); the bytes are borrowed.
     * Once, however many confs there are: what it is about the module finds by tp_home_data_get().
     */
    void (*on_told)(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes);

    /* What it keeps of each session, and what it counts. */
    struct tp_session_keeping session;
    const struct tp_meter_row *meters;
    size_t meter_count;

    /*
     * A handler: `handle` answers the exchanges of routes in whose block the directive
     * `handler` is written, with the module's conf of that block.
     */
    const char *handler;
    void (*handle)(struct tp_exchange *exchange, const void *conf);

    /*
     * Of a handler that holds exchanges: goes on with one whose time has come.  A session
     * that moves to another process takes those it holds along, with what is left of
     * their time.
     */
    void (*on_time)(struct tp_exchange *exchange, const void *conf);

    /*
     * What the handler keeps of each exchange: a plain struct (tp_exchange_state()).  It
     * moves along, too, so a handler with state brings both functions: `save_state`
     * appends it to `saved` as bytes that a later version still understands, and
     * `restore_state` reads them into a zeroed one.  TP_NO_MEMORY; TP_INVALID when the
     * bytes are not understood: the exchange then ends with status 503.
     */
    size_t exchange_state_size;
    enum tp_result (*save_state)(const void *state, struct tp_buf_pool *pool,
                                 struct tp_chain *saved);
    enum tp_result (*restore_state)(void *state, struct tp_str saved);

    const struct tp_own_route *own_routes;
    size_t own_route_count;

    /* What it finds by names that begin with its word. */
    struct tp_upstream_finder finder;

    /* A codec or a filter this module brings, or NULL. */
    const struct tp_codec *codec;
    const struct tp_filter *filter;

    /* The protocols it adds, mostly one, in the order in which they are guessed. */
    const struct tp_protocol *const *protocols;
    size_t protocol_count;
};

#define TP_DIRECTIVES(table) .directives = (table), .directive_count = TP_COUNT_OF(table)
#define TP_PROTOCOLS(table)  .protocols = (table), .protocol_count = TP_COUNT_OF(table)
#define TP_LOG_IDS(table)    .log_ids = (table), .log_id_count = TP_COUNT_OF(table)
#define TP_OWN_ROUTES(table) .own_routes = (table), .own_route_count = TP_COUNT_OF(table)
#define TP_METERS(table)     .meters = (table), .meter_count = TP_COUNT_OF(table)

/* A list of modules, in the order their hooks run. */
struct tp_module_list {
    const struct tp_module *const *modules;
    size_t count;
};

#ifdef __cplusplus
}
#endif

#endif
