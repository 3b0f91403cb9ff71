/*
 * cycle/cycle.h - one loaded configuration with what it opened.
 *
 * A cycle is constant once it is attached, and counted: the process holds the one
 * in force, each session holds the one its listen belongs to, and the last to let
 * go frees it.
 *
 * Threads: the loop's.
 */
#ifndef TP_CYCLE_CYCLE_H
#define TP_CYCLE_CYCLE_H

#include "base/counted.h"
#include "cycle/core_directives.h"
#include "cycle/descriptors.h"
#include "cycle/program.h"
#include "cycle/shared.h"
#include "os/log_file.h"
#include "server/server.h"
#include "share/table.h"

/*
 * A log file that the configuration names, once for all who write to it.  The
 * descriptor is the cycle's own: a session may write to it after a newer configuration
 * has no use for the file any more.
 */
struct tp_cycle_log {
    struct tp_cycle_log *next;
    const char *path;             /* absolute, or "stderr" */
    struct tp_log_file file;      /* as an error_log… */
    struct tp_access_file access; /* …and as an access_log, on the same descriptor */
};

/* A module that has begun to work in this worker, with the conf that it does so for. */
struct tp_cycle_start {
    const struct tp_module *module;
    const void *conf;
};

/* A route of a server, for who counts them. */
struct tp_cycle_route {
    struct tp_cycle_route *next;
    struct tp_route *route;
    const struct tp_server *server;
    const char *type; /* "PULL" */
};

struct tp_cycle {
    struct tp_counted counted;
    struct tp_list_node node; /* in a worker's list of those that are not freed yet */
    uint64_t generation;      /* 1 for the configuration the server started with */
    struct tp_arena arena;
    struct tp_conf *conf;
    const struct tp_core_conf *core;
    const struct tp_events_conf *events;
    struct tp_log log; /* of the main block */
    struct tp_cycle_log *logs;
    struct tp_server *servers;
    size_t server_count;
    struct tp_cycle_route *routes; /* of all of them */
    struct tp_listen *listens;     /* sorted by name */
    size_t listen_count;
    struct tp_dial *dials;
    size_t dial_count;
    struct tp_upstream_options *upstreams;
    size_t upstream_count;
    struct tp_upstream_ref *upstream_refs; /* what routes name */
    bool is_attached;
    struct tp_shared shared;               /* valid once attached */
    struct tp_tls_ticket_keys ticket_keys; /* those of the keyring */
    struct tp_sessions *home;              /* where modules have begun; NULL: nowhere yet */
    struct tp_cycle_start *starts;
    size_t start_count;
    struct tp_table *tables; /* that are mapped */
    size_t table_count;
    enum tp_zone_outcome *table_outcomes; /* of all that are declared; NULL: not opened here */
    uint32_t *meter_indexes; /* of all that are declared; UINT32_MAX: there was no room */
};

/*
 * Loads the program's configuration through `loader`; nothing is opened.  The
 * caller holds the new cycle.  TP_INVALID: `messages` says what is wrong.
 */
enum tp_result tp__cycle_load(const struct tp_program *program, struct tp_conf_loader *loader,
                              uint64_t generation, struct tp_text *messages,
                              struct tp_cycle **cycle) TP_MUST_CHECK;

/*
 * Opens what the cycle names and `set` does not have, marked as new in it.  On
 * failure a line of `messages` says what could not be opened and where it is written.
 * Master only.
 */
enum tp_result tp__cycle_open(struct tp_cycle *cycle, struct tp_descriptors *set,
                              struct tp_text *messages) TP_MUST_CHECK;

/* Connects the cycle with the descriptors of `set`, which must have all that it names. */
enum tp_result tp__cycle_attach(struct tp_cycle *cycle, const struct tp_descriptors *set,
                                struct tp_text *messages) TP_MUST_CHECK;

/* Gives the open sockets the backlogs and modes that the cycle, now in force, says.  Master only. */
void tp__cycle_apply_listen_options(const struct tp_cycle *cycle, const struct tp_descriptors *set);

/* From here on the cycle's log at `path`, if it has one, is written to what `fd` names. */
enum tp_result tp__cycle_reopen_log(struct tp_cycle *cycle, const char *path, int fd) TP_MUST_CHECK;

/* Writes what the cycle's access logs have collected. */
void tp__cycle_flush_logs(struct tp_cycle *cycle);

/* Lets go of the cycle and makes *cycle NULL. */
void tp__cycle_release(struct tp_cycle **cycle);

/* True when `descriptor` is named by the cycle (a tp_descriptor_needed_fn). */
bool tp__cycle_needs(const void *cycle, const struct tp_descriptor *descriptor);

/* The listen of that name; NULL when the cycle has none. */
const struct tp_listen *tp__cycle_find_listen(const struct tp_cycle *cycle, const char *name);

/* The dial of that name; NULL when the cycle has none. */
const struct tp_dial *tp__cycle_find_dial(const struct tp_cycle *cycle, const char *name);

/* Gives the server all protocols that are built in, and its default. */
void tp__cycle_build_protocols(struct tp_cycle *cycle, const struct tp_program *program,
                               const struct tp_block *block, struct tp_server *server,
                               struct tp_text *messages);

/* The one of this name; NULL for TP_PROTOCOL_AUTO and, with a message, for one not built in. */
const struct tp_protocol_use *tp__cycle_find_protocol(const struct tp_server *server,
                                                      struct tp_str name, const char *origin,
                                                      struct tp_text *messages);

/* For the files that build a cycle: how bodies travel by what a block says. */
struct tp_bodies tp__cycle_bodies_of(const struct tp_block *block);

/* For the files that build a cycle: how many dials `parent` has; makes them; checks them all. */
size_t tp__cycle_count_dials(const struct tp_block *parent);
void tp__cycle_build_dials(struct tp_cycle *cycle, const struct tp_block *parent,
                           const struct tp_server *server, struct tp_text *messages);
void tp__cycle_check_dials(const struct tp_cycle *cycle, struct tp_text *messages);

/*
 * For both: what is spoken to a target, as it says itself or `named` says; never NULL but with a
 * message.
 */
const struct tp_protocol_use *tp__cycle_target_protocol(const struct tp_server *server,
                                                        const struct tp_target *target,
                                                        struct tp_str named, const char *origin,
                                                        struct tp_text *messages);

/* The same of upstreams, those that routes name included; where their sessions come from. */
size_t tp__cycle_count_upstreams(const struct tp_block *peer);
void tp__cycle_build_upstreams(struct tp_cycle *cycle, const struct tp_block *peer,
                               const struct tp_server *server, struct tp_text *messages);
const struct tp_source *tp__cycle_find_upstream_source(const struct tp_cycle *cycle,
                                                       const char *name);

/* Holds those that are named, as long as the cycle is used; unless TP_OK is returned, some. */
enum tp_result tp__cycle_start_upstreams(struct tp_cycle *cycle,
                                         struct tp_sessions *home) TP_MUST_CHECK;
void tp__cycle_stop_upstreams(struct tp_cycle *cycle);

/* Lets contexts of TLS use the keyring of an attached cycle; and not any more. */
void tp__cycle_share_tickets(struct tp_cycle *cycle);
void tp__cycle_unshare_tickets(struct tp_cycle *cycle);

/*
 * The parts of a cycle that write logs, for the files that build it: a log of the level and
 * file that `conf` says, and what `block` wants to have logged of exchanges.
 */
struct tp_log tp__cycle_log_of(struct tp_cycle *cycle, const struct tp_core_conf *conf);
struct tp_exchange_logging tp__cycle_logging_of(struct tp_cycle *cycle,
                                                const struct tp_block *block);

/* Open: see tp__cycle_open().  Attach: see tp__cycle_attach().  Close: writes what is left. */
enum tp_result tp__cycle_open_logs(const struct tp_cycle *cycle, struct tp_descriptors *set,
                                   struct tp_text *messages) TP_MUST_CHECK;
enum tp_result tp__cycle_attach_logs(struct tp_cycle *cycle, const struct tp_descriptors *set,
                                     struct tp_text *messages) TP_MUST_CHECK;
void tp__cycle_close_logs(struct tp_cycle *cycle);

/* True when the cycle has a log at `path`. */
bool tp__cycle_has_log(const struct tp_cycle *cycle, const char *path);

/* Appends "origin: error: what: why" as a line. */
void tp__cycle_report_error(struct tp_text *messages, const char *origin, const char *what,
                            enum tp_result result);

/* Where a file could not be made because its folder is not there: says what to do about it. */
void tp__cycle_advise_folder(struct tp_text *messages, const char *path, enum tp_result result);

/* Builds the routers of `server`, whose block is `block`, and complains of what is refused. */
void tp__cycle_build_routes(struct tp_cycle *cycle, const struct tp_block *block,
                            struct tp_server *server, struct tp_text *messages);

/* Builds the hooks of `server`, whose block is `block`; and those of a route of it. */
void tp__cycle_build_hooks(struct tp_cycle *cycle, const struct tp_block *block,
                           struct tp_server *server);
const struct tp_hook_set *tp__cycle_route_hooks(struct tp_cycle *cycle,
                                                const struct tp_block *server,
                                                const struct tp_block *route);

/* Runs the hooks of post_reg for a route of the server, and complains where one refuses it. */
void tp__cycle_register_route(struct tp_cycle *cycle, const struct tp_block *server,
                              const struct tp_block *route, struct tp_str uri,
                              struct tp_text *messages);

/*
 * Runs the hooks of post_listen, in each process that is to use the cycle.  TP_DENIED: one
 * refuses, and `messages` says why.
 */
enum tp_result tp__cycle_announce_listens(const struct tp_cycle *cycle,
                                          struct tp_text *messages) TP_MUST_CHECK;

/* From here on this process counts in `slot`, for the cycle too.  Again after fork(). */
void tp__cycle_use_slot(struct tp_cycle *cycle, unsigned slot);

/* Gives the meters that modules have declared a place in shared memory.  Master only. */
enum tp_result tp__cycle_open_meters(const struct tp_cycle *cycle,
                                     const struct tp_descriptors *set) TP_MUST_CHECK;

/* Finds the places again. */
void tp__cycle_attach_meters(struct tp_cycle *cycle);

/*
 * The tables that modules have declared.  Open, in the master: makes those that `set` does not
 * have, or copies what a table of another size holds.  Attach: maps them.
 */
enum tp_result tp__cycle_open_tables(struct tp_cycle *cycle, struct tp_descriptors *set,
                                     struct tp_text *messages) TP_MUST_CHECK;
enum tp_result tp__cycle_attach_tables(struct tp_cycle *cycle, const struct tp_descriptors *set,
                                       struct tp_text *messages) TP_MUST_CHECK;
void tp__cycle_close_tables(struct tp_cycle *cycle);

/* Logs of tables that are other zones than before, and of meters without a place.  Master only. */
void tp__cycle_tell_tables(const struct tp_cycle *cycle);
void tp__cycle_tell_meters(const struct tp_cycle *cycle);

bool tp__cycle_needs_table(const struct tp_cycle *cycle, const struct tp_descriptor *descriptor);

/* Where the module has directives, and so blocks whose conf of it means something. */
unsigned tp__cycle_module_contexts(const struct tp_module *module);

/*
 * Lets the modules begin what they do on their own: worker only, before the cycle comes into
 * force there.  What has begun ends with the cycle, also after a failure, which `messages` tells.
 */
enum tp_result tp__cycle_start_modules(struct tp_cycle *cycle, struct tp_sessions *home,
                                       struct tp_text *messages) TP_MUST_CHECK;

/* For the end of a cycle: lets them end what they have begun. */
void tp__cycle_stop_modules(struct tp_cycle *cycle);

/*
 * The name of the descriptor on which the worker in `slot` accepts for `listen`, written
 * to `name` of TP_LISTEN_NAME_MAX bytes; returns name.
 */
enum {
    TP_LISTEN_NAME_MAX = TP_ENDPOINT_TEXT_MAX + 8,
};
const char *tp__listen_descriptor_name(const struct tp_listen *listen, unsigned slot, char *name);

#endif
