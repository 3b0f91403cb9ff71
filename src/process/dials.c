/*
 * dials.c - dials what the configuration says, in the one worker that holds the lease.
 *
 * A reload moves dialed sessions to the new configuration as it moves accepted ones; here is
 * only begun what is new.
 *
 * Runs in: worker.  Owns: the lease "dials" while it is held.
 * Read next: session/dial.c, share/lease_keeper.c.
 */
#include "process/dials.h"

#include "os/process.h"
#include "session/dial.h"

#include <stdlib.h>
#include <string.h>

enum {
    DIALS_LEASE_TTL_MS = 3000, /* how long nothing is dialed when the worker that should hangs */
};

/* One that was begun here; it may have ended since. */
struct dialed_session {
    struct tp_list_node node;
    struct tp_session_handle handle;
    char name[];
};

static void dials_start(struct tp_dials *dials);
static void dials_on_gained(struct tp_lease_keeper *keeper);
static void dials_on_lost(struct tp_lease_keeper *keeper);
static void dials_begin(struct tp_dials *dials, const struct tp_dial *dial);
static struct dialed_session *dials_find(const struct tp_dials *dials, const char *name);
static void dials_forget_removed(struct tp_dials *dials);
static void dials_end_all(struct tp_dials *dials);

void
tp__dials_init(struct tp_dials *dials, struct tp_sessions *sessions, unsigned slot)
{
    *dials = (struct tp_dials){ .sessions = sessions, .slot = slot };
    tp__list_init(&dials->begun);
}

void
tp__dials_apply(struct tp_dials *dials, struct tp_cycle *cycle)
{
    dials->cycle = cycle;
    if (dials->is_started) {
        tp__lease_keeper_use_zone(&dials->keeper, &cycle->shared.leases);
    } else if (cycle->dial_count > 0) {
        dials_start(dials);
    }
}

void
tp__dials_settle(struct tp_dials *dials)
{
    if (!dials->is_started) {
        return;
    }
    dials_forget_removed(dials);
    for (size_t i = 0; i < dials->cycle->dial_count; i++) {
        const struct tp_dial *dial = &dials->cycle->dials[i];

        if (tp__lease_keeper_is_held(&dials->keeper)
            && dials_find(dials, dial->source.name) == NULL) {
            dials_begin(dials, dial);
        }
    }
}

void
tp__dials_stop(struct tp_dials *dials)
{
    if (dials->is_started) {
        dials_end_all(dials);
        tp__lease_keeper_stop(&dials->keeper);
        dials->is_started = false;
    }
}

void
tp__dials_on_worker_died(struct tp_dials *dials)
{
    if (dials->is_started) {
        tp__lease_keeper_try_soon(&dials->keeper);
    }
}

static void
dials_start(struct tp_dials *dials)
{
    struct tp_lease_keeper_options options = {
        .loop = dials->sessions->loop,
        .zone = &dials->cycle->shared.leases,
        .name = "dials",
        .slot = dials->slot,
        .pid = tp__process_id(),
        .ttl_ms = DIALS_LEASE_TTL_MS,
        .on_gained = dials_on_gained,
        .on_lost = dials_on_lost,
    };
    enum tp_result result = tp__lease_keeper_start(&dials->keeper, &options);

    TP_ASSERT(result == TP_OK);
    dials->is_started = true;
}

static void
dials_on_gained(struct tp_lease_keeper *keeper)
{
    struct tp_dials *dials = TP_CONTAINER_OF(keeper, struct tp_dials, keeper);

    tp_log_info(&dials->cycle->log, "dials-gained", "slot=%u", dials->slot);
    tp__dials_settle(dials);
}

static void
dials_on_lost(struct tp_lease_keeper *keeper)
{
    struct tp_dials *dials = TP_CONTAINER_OF(keeper, struct tp_dials, keeper);

    tp_log_notice(&dials->cycle->log, "dials-lost", "slot=%u", dials->slot);
    dials_end_all(dials);
}

static void
dials_begin(struct tp_dials *dials, const struct tp_dial *dial)
{
    size_t name_size = strlen(dial->source.name) + 1;
    struct dialed_session *begun = calloc(1, sizeof(*begun) + name_size);
    struct tp_session *session = NULL;
    enum tp_result result = TP_NO_MEMORY;

    if (begun != NULL) {
        result = tp__session_dial(dials->sessions, &dial->source,
                                  tp__roster_next_session_number(&dials->cycle->shared.roster),
                                  &dial->dialing, &session);
    }
    if (result != TP_OK) {
        tp_log_error(&dial->source.server->log, "dial-not-begun", "target=%s result=%s",
                     dial->dialing.target.whole.data, tp_result_word(result));
        free(begun);
        return;
    }
    begun->handle = tp_session_get_handle(session);
    memcpy(begun->name, dial->source.name, name_size);
    tp__list_append(&dials->begun, &begun->node);
}

static struct dialed_session *
dials_find(const struct tp_dials *dials, const char *name)
{
    TP_LIST_EACH (node, &dials->begun) {
        struct dialed_session *begun = TP_CONTAINER_OF(node, struct dialed_session, node);

        if (strcmp(begun->name, name) == 0) {
            return begun;
        }
    }
    return NULL;
}

/* Also one that has ended is not begun again by a reload that leaves it as it is. */
static void
dials_forget_removed(struct tp_dials *dials)
{
    TP_LIST_EACH (node, &dials->begun) {
        struct dialed_session *begun = TP_CONTAINER_OF(node, struct dialed_session, node);

        if (tp__cycle_find_dial(dials->cycle, begun->name) == NULL) {
            tp__list_remove(node);
            free(begun);
        }
    }
}

static void
dials_end_all(struct tp_dials *dials)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&dials->begun)) != NULL) {
        struct dialed_session *begun = TP_CONTAINER_OF(node, struct dialed_session, node);
        struct tp_session *session = tp_session_at(begun->handle);

        if (session != NULL) {
            tp__session_end(session, TP_CLOSE_MOVED, true);
        }
        free(begun);
    }
}
