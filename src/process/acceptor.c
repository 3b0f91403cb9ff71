/*
 * acceptor.c - keeps a worker's listeners in step with the configuration in force,
 * decides who takes a connection, and starts sessions.
 *
 * The kernel wakes whichever worker waits first, so without more ado one worker
 * would end up with nearly all sessions.  A worker with more sessions than the least
 * loaded one therefore leaves what waits to that one and pokes it over the bus;
 * docs/decisions/worker-balance.md tells what was measured.
 *
 * Runs in: worker.  Owns: the listeners, not their descriptors.
 * Read next: net/listener.c, session/session.c.
 */
#include "process/acceptor.h"

#include "net/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BALANCE_SLACK_MIN = 1,    /* sessions more than the least loaded worker that nobody minds */
    BALANCE_SLACK_SHARE = 16, /* and a sixteenth of its sessions besides */
    BALANCE_FRESH_MS = 2000,  /* a worker whose loop has not turned for so long does not count */
    FAILURE_LOG_MS = 1000,    /* accept failures come in hundreds: one line a second is enough */
};

/* One socket that is accepted on. */
struct accept_point {
    struct tp_listener listener;
    struct tp_list_node node;
    struct tp_acceptor *acceptor;
    const struct tp_listen *listen; /* of the cycle in force */
    int64_t failure_logged_ms;
};

static enum tp_result acceptor_add(struct tp_acceptor *acceptor, const struct tp_listen *listen);
static void acceptor_remove(struct accept_point *point);
static struct accept_point *acceptor_find(struct tp_acceptor *acceptor, const char *name);
static void acceptor_read_load(struct tp_acceptor *acceptor);
static enum tp_listener_gate point_on_waiting(struct tp_listener *listener);
static void point_on_deferred(struct tp_listener *listener);
static void point_on_accepted(struct tp_listener *listener, int fd,
                              const struct tp_address *remote);
static void point_on_accept_failed(struct tp_listener *listener, enum tp_result result);
static struct accept_point *point_from_listener(struct tp_listener *listener);

static const struct tp_listener_handler point_handler = {
    .on_waiting = point_on_waiting,
    .on_deferred = point_on_deferred,
    .on_accepted = point_on_accepted,
    .on_accept_failed = point_on_accept_failed,
};

void
tp__acceptor_init(struct tp_acceptor *acceptor, struct tp_loop *loop, unsigned slot,
                  struct tp_sessions *sessions, const struct tp_descriptors *descriptors)
{
    *acceptor = (struct tp_acceptor){
        .loop = loop,
        .slot = slot,
        .sessions = sessions,
        .descriptors = descriptors,
    };
    tp__list_init(&acceptor->points);
}

enum tp_result
tp__acceptor_apply(struct tp_acceptor *acceptor, struct tp_cycle *cycle)
{
    enum tp_result result = TP_OK;

    TP_LIST_EACH (node, &acceptor->points) {
        struct accept_point *point = TP_CONTAINER_OF(node, struct accept_point, node);
        const struct tp_listen *listen = tp__cycle_find_listen(cycle, point->listen->source.name);

        if (listen == NULL || listen->options.reuseport != point->listen->options.reuseport) {
            acceptor_remove(point);
        } else {
            point->listen = listen;
        }
    }
    acceptor->cycle = cycle;
    for (size_t i = 0; i < cycle->listen_count; i++) {
        const struct tp_listen *listen = &cycle->listens[i];

        if (acceptor_find(acceptor, listen->source.name) == NULL) {
            enum tp_result added = acceptor_add(acceptor, listen);

            result = result == TP_OK ? added : result;
        }
    }
    return result;
}

void
tp__acceptor_stop(struct tp_acceptor *acceptor)
{
    TP_LIST_EACH (node, &acceptor->points) {
        acceptor_remove(TP_CONTAINER_OF(node, struct accept_point, node));
    }
}

void
tp__acceptor_accept_now(struct tp_acceptor *acceptor)
{
    TP_LIST_EACH (node, &acceptor->points) {
        tp__listener_accept_now(&TP_CONTAINER_OF(node, struct accept_point, node)->listener);
    }
}

static enum tp_result
acceptor_add(struct tp_acceptor *acceptor, const struct tp_listen *listen)
{
    char name[TP_LISTEN_NAME_MAX];
    int fd = tp__descriptors_find(acceptor->descriptors, TP_DESCRIPTOR_LISTEN,
                                  tp__listen_descriptor_name(listen, acceptor->slot, name));
    struct accept_point *point = calloc(1, sizeof(*point));

    TP_ASSERT(fd != -1);
    if (point == NULL) {
        return TP_NO_MEMORY;
    }
    point->acceptor = acceptor;
    point->listen = listen;
    enum tp_result result = tp__listener_start(&point->listener, acceptor->loop, fd,
                                               !listen->options.reuseport, &point_handler);

    if (result != TP_OK) {
        free(point);
        return result;
    }
    tp__list_append(&acceptor->points, &point->node);
    return TP_OK;
}

static void
acceptor_remove(struct accept_point *point)
{
    tp__listener_stop(&point->listener);
    tp__list_remove(&point->node);
    free(point);
}

static struct accept_point *
acceptor_find(struct tp_acceptor *acceptor, const char *name)
{
    TP_LIST_EACH (node, &acceptor->points) {
        struct accept_point *point = TP_CONTAINER_OF(node, struct accept_point, node);

        if (strcmp(point->listen->source.name, name) == 0) {
            return point;
        }
    }
    return NULL;
}

/* Once a turn is enough: the cells of the other workers are in their caches, not in ours. */
static void
acceptor_read_load(struct tp_acceptor *acceptor)
{
    uint64_t turn = tp__loop_get_counters(acceptor->loop)->turns + 1;

    if (acceptor->load_turn != turn) {
        tp__roster_read_load(&acceptor->cycle->shared.roster,
                             tp__loop_now_ms(acceptor->loop) - BALANCE_FRESH_MS, &acceptor->load);
        acceptor->load_turn = turn;
    }
}

static enum tp_listener_gate
point_on_waiting(struct tp_listener *listener)
{
    const struct accept_point *point = point_from_listener(listener);
    struct tp_acceptor *acceptor = point->acceptor;
    const struct tp_events_conf *events = acceptor->cycle->events;
    uint64_t own_count = acceptor->sessions->count;

    if (own_count >= (uint64_t) events->worker_connections) {
        return TP_LISTENER_FULL;
    }
    if (!events->worker_balance || point->listen->options.reuseport) {
        return TP_LISTENER_ACCEPT;
    }
    acceptor_read_load(acceptor);

    const struct tp_roster_load *load = &acceptor->load;
    uint64_t slack = BALANCE_SLACK_MIN + load->session_min / BALANCE_SLACK_SHARE;

    if (load->worker_count == 0 || own_count <= load->session_min + slack) {
        return TP_LISTENER_ACCEPT;
    }
    return TP_LISTENER_DEFER;
}

static void
point_on_deferred(struct tp_listener *listener)
{
    struct tp_acceptor *acceptor = point_from_listener(listener)->acceptor;

    tp__counter_add(&acceptor->cycle->shared.counters, TP_COUNTER_ACCEPTS_DEFERRED, 1);
    acceptor->poke(acceptor, acceptor->load.least_slot);
}

static void
point_on_accepted(struct tp_listener *listener, int fd, const struct tp_address *remote)
{
    struct accept_point *point = point_from_listener(listener);
    struct tp_acceptor *acceptor = point->acceptor;
    struct tp_shared *shared = &acceptor->cycle->shared;
    uint64_t number = tp__roster_next_session_number(&shared->roster);

    enum tp_result result =
        tp__session_start(acceptor->sessions, &point->listen->source, number, fd, remote);

    if (result != TP_OK) {
        tp__counter_add(&shared->counters, TP_COUNTER_SESSIONS_REFUSED, 1);
    }
    /* Last: who sees it counted sees what became of it. */
    tp__counter_add(&shared->counters, TP_COUNTER_SESSIONS_ACCEPTED, 1);
}

static void
point_on_accept_failed(struct tp_listener *listener, enum tp_result result)
{
    struct accept_point *point = point_from_listener(listener);
    struct tp_acceptor *acceptor = point->acceptor;
    int64_t now_ms = tp__loop_now_ms(acceptor->loop);

    tp__counter_add(&acceptor->cycle->shared.counters, TP_COUNTER_ACCEPT_FAILURES, 1);
    if (point->failure_logged_ms != 0 && now_ms - point->failure_logged_ms < FAILURE_LOG_MS) {
        return;
    }
    struct tp_log log = point->listen->source.server->log;
    char doing[TP_ENDPOINT_TEXT_MAX + 16];

    snprintf(doing, sizeof(doing), "accepting on %s", point->listen->source.name);
    log.doing = doing;
    tp_log_error(&log, "accept-failed", "result=%s", tp_result_word(result));
    point->failure_logged_ms = now_ms;
}

static struct accept_point *
point_from_listener(struct tp_listener *listener)
{
    return TP_CONTAINER_OF(listener, struct accept_point, listener);
}
