/*
 * home_lease.c - jobs of which there is one among all workers, for modules.
 *
 * A job is a name, the keeper of its lease, and all who want it in this worker: two for a while
 * with a reload.  The keeper says whether this worker has the job; who of them does it is settled
 * here, and each change is told in a turn of its own:
 *
 *   keeper: gained --> the newest hears on_gained    lost --> who has it hears on_lost
 *   a newer one comes, or the newest goes --> who has it hears on_lost, then another on_gained
 *
 * Runs in: worker; library, where the job is always here.  Owns: jobs, and their leases while held.
 * Read next: share/lease_keeper.c.
 */
#include "session/session.h"

#include "base/str.h"
#include "share/lease_keeper.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOME_LEASE_TTL_MS = 3000, /* how long the job rests when the worker that has it hangs */
};

#define HOME_LEASE_PREFIX "module/"

_Static_assert((int) sizeof(HOME_LEASE_PREFIX) - 1 + TP_HOME_LEASE_NAME_MAX <= TP_LEASE_NAME_MAX,
               "any name that is allowed is one of a lease");
_Static_assert((int) TP_LEASE_NAME_MAX <= (int) TP_HOME_TELL_MAX, "and can be told");

/* Tells the others that a job was given up, by its name, so that they need not wait. */
static const char home_lease_word[] = "leases";

struct home_job {
    struct tp_list_node node; /* in home.leases.jobs */
    struct tp_sessions *sessions;
    struct tp_lease_keeper keeper; /* unless it rests, or is alone */
    bool is_trying;
    struct tp_list_node wanted; /* of struct tp_home_lease: the newest is the first */
    struct tp_home_lease *told; /* who has heard that it has it */
    struct tp_work settle;
    char name[TP_LEASE_NAME_MAX + 1];
};

struct tp_home_lease {
    struct tp_list_node node; /* in job->wanted */
    struct home_job *job;
    tp_home_lease_fn on_gained;
    tp_home_lease_fn on_lost;
    void *owner;
};

static void leases_on_told(struct tp_home_ear *ear, unsigned from_slot, struct tp_str bytes);

static struct home_job *job_get(struct tp_sessions *sessions, struct tp_str name);
static struct home_job *job_find(const struct tp_sessions *sessions, struct tp_str name);
static void job_end(struct home_job *job);
static void job_try(struct home_job *job);
static void job_give_up(struct home_job *job);
static void job_settle_soon(struct home_job *job);
static void job_on_settle(struct tp_work *work);
static bool job_is_here(const struct home_job *job);
static void job_on_gained(struct tp_lease_keeper *keeper);
static void job_on_lost(struct tp_lease_keeper *keeper);
static void job_on_failed(struct tp_lease_keeper *keeper, enum tp_result result);
static struct home_job *job_from_node(struct tp_list_node *node);
static struct home_job *job_from_keeper(struct tp_lease_keeper *keeper);

struct tp_home_lease *
tp_home_lease_create(struct tp_sessions *home, struct tp_str name, tp_home_lease_fn on_gained,
                     tp_home_lease_fn on_lost, void *owner)
{
    char whole[TP_LEASE_NAME_MAX + 1] = HOME_LEASE_PREFIX;
    size_t prefix_len = sizeof(HOME_LEASE_PREFIX) - 1;

    if (name.len == 0 || name.len > TP_HOME_LEASE_NAME_MAX) {
        return NULL;
    }
    memcpy(whole + prefix_len, name.data, name.len);
    return tp__home_lease_create(home, (struct tp_str){ whole, prefix_len + name.len }, on_gained,
                                 on_lost, owner);
}

struct tp_home_lease *
tp__home_lease_create(struct tp_sessions *sessions, struct tp_str name, tp_home_lease_fn on_gained,
                      tp_home_lease_fn on_lost, void *owner)
{
    struct tp_home_lease *lease = calloc(1, sizeof(*lease));
    struct home_job *job = lease == NULL ? NULL : job_get(sessions, name);

    TP_ASSERT(on_gained != NULL && on_lost != NULL);
    if (job == NULL) {
        free(lease);
        return NULL;
    }
    *lease = (struct tp_home_lease){
        .job = job,
        .on_gained = on_gained,
        .on_lost = on_lost,
        .owner = owner,
    };
    tp__list_prepend(&job->wanted, &lease->node);
    job_settle_soon(job);
    return lease;
}

void
tp_home_lease_destroy(struct tp_home_lease **destroyed)
{
    struct tp_home_lease *lease = *destroyed;

    if (lease == NULL) {
        return;
    }
    struct home_job *job = lease->job;

    tp__list_remove(&lease->node);
    if (job->told == lease) {
        job->told = NULL;
    }
    if (tp__list_is_empty(&job->wanted)) {
        job_end(job);
    } else {
        job_settle_soon(job);
    }
    free(lease);
    *destroyed = NULL;
}

bool
tp_home_lease_is_held(const struct tp_home_lease *lease)
{
    const struct home_job *job = lease->job;

    if (job->told != lease) {
        return false;
    }
    return job->is_trying ? tp__lease_keeper_is_held(&job->keeper) : job_is_here(job);
}

void
tp__home_leases_init(struct tp_sessions *sessions)
{
    struct tp_home_leases *leases = &sessions->home.leases;

    tp__list_init(&leases->jobs);
    leases->ear = (struct tp_home_ear){ .word = home_lease_word, .on_told = leases_on_told };
    tp__home_listen(sessions, &leases->ear);
}

void
tp__home_leases_fini(struct tp_sessions *sessions)
{
    TP_ASSERT(tp__list_is_empty(&sessions->home.leases.jobs));
    tp__list_remove(&sessions->home.leases.ear.node);
}

void
tp__home_leases_use(struct tp_sessions *sessions, struct tp_zone *zone, int32_t pid)
{
    struct tp_home_leases *leases = &sessions->home.leases;

    leases->zone = zone;
    leases->pid = pid;
    TP_LIST_EACH (node, &leases->jobs) {
        struct home_job *job = job_from_node(node);

        if (job->is_trying) {
            tp__lease_keeper_use_zone(&job->keeper, zone);
        } else {
            job_settle_soon(job);
        }
    }
}

void
tp__home_leases_rest(struct tp_sessions *sessions, bool is_resting)
{
    struct tp_home_leases *leases = &sessions->home.leases;

    leases->is_resting = is_resting;
    TP_LIST_EACH (node, &leases->jobs) {
        struct home_job *job = job_from_node(node);

        if (is_resting) {
            job_give_up(job);
        }
        job_settle_soon(job);
    }
}

void
tp__home_leases_on_worker_died(struct tp_sessions *sessions)
{
    TP_LIST_EACH (node, &sessions->home.leases.jobs) {
        struct home_job *job = job_from_node(node);

        if (job->is_trying) {
            tp__lease_keeper_try_soon(&job->keeper);
        }
    }
}

static void
leases_on_told(struct tp_home_ear *ear, unsigned from_slot, struct tp_str bytes)
{
    struct tp_home_leases *leases = TP_CONTAINER_OF(ear, struct tp_home_leases, ear);
    struct tp_home *home = TP_CONTAINER_OF(leases, struct tp_home, leases);
    struct home_job *job = job_find(TP_CONTAINER_OF(home, struct tp_sessions, home), bytes);

    (void) from_slot;
    if (job != NULL && job->is_trying) {
        tp__lease_keeper_try_soon(&job->keeper);
    }
}

/* The job of that name, made if there is none. */
static struct home_job *
job_get(struct tp_sessions *sessions, struct tp_str name)
{
    struct home_job *job = job_find(sessions, name);

    TP_ASSERT(name.len > 0 && name.len <= TP_LEASE_NAME_MAX);
    if (job != NULL) {
        return job;
    }
    job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->sessions = sessions;
        memcpy(job->name, name.data, name.len);
        tp__list_init(&job->wanted);
        tp__work_init(&job->settle, job_on_settle);
        tp__list_append(&sessions->home.leases.jobs, &job->node);
    }
    return job;
}

static struct home_job *
job_find(const struct tp_sessions *sessions, struct tp_str name)
{
    TP_LIST_EACH (node, &sessions->home.leases.jobs) {
        struct home_job *job = job_from_node(node);

        if (tp__str_equal(name, tp__str(job->name))) {
            return job;
        }
    }
    return NULL;
}

static void
job_end(struct home_job *job)
{
    job_give_up(job);
    tp__work_cancel(&job->settle);
    tp__list_remove(&job->node);
    free(job);
}

/* Wants the lease, with other workers about and none of them to do all. */
static void
job_try(struct home_job *job)
{
    const struct tp_home_leases *leases = &job->sessions->home.leases;

    if (job->is_trying || leases->is_resting || leases->zone == NULL) {
        return;
    }
    struct tp_lease_keeper_options options = {
        .loop = job->sessions->loop,
        .zone = leases->zone,
        .name = job->name,
        .slot = job->sessions->worker_slot,
        .pid = leases->pid,
        .ttl_ms = HOME_LEASE_TTL_MS,
        .on_gained = job_on_gained,
        .on_lost = job_on_lost,
        .on_failed = job_on_failed,
    };
    enum tp_result result = tp__lease_keeper_start(&job->keeper, &options);

    TP_ASSERT(result == TP_OK);
    job->is_trying = true;
}

/* Who has it hears of it when that is settled. */
static void
job_give_up(struct home_job *job)
{
    if (!job->is_trying) {
        return;
    }
    bool was_held = job->keeper.is_held;

    tp__lease_keeper_stop(&job->keeper);
    job->is_trying = false;
    if (was_held
        && tp__home_tell(job->sessions, tp__str(home_lease_word), tp__str(job->name)) != TP_OK) {
        /* Whoever does not hear of it tries by himself, before long. */
        return;
    }
}

static void
job_settle_soon(struct home_job *job)
{
    tp__loop_post(job->sessions->loop, &job->settle);
}

/* Calls somebody once, as the last act: the job may end in it. */
static void
job_on_settle(struct tp_work *work)
{
    struct home_job *job = TP_CONTAINER_OF(work, struct home_job, settle);
    struct tp_home_lease *newest = TP_CONTAINER_OF(job->wanted.next, struct tp_home_lease, node);
    struct tp_home_lease *told = job->told;

    job_try(job);
    struct tp_home_lease *whose = job_is_here(job) ? newest : NULL;

    if (whose == told) {
        return;
    }
    if (told != NULL) {
        job->told = NULL;
        job_settle_soon(job);
        told->on_lost(told, told->owner);
        return;
    }
    job->told = whose;
    whose->on_gained(whose, whose->owner);
}

static bool
job_is_here(const struct home_job *job)
{
    const struct tp_home_leases *leases = &job->sessions->home.leases;

    if (leases->zone == NULL) {
        return !leases->is_resting;
    }
    return job->is_trying && job->keeper.is_held;
}

static void
job_on_gained(struct tp_lease_keeper *keeper)
{
    job_on_settle(&job_from_keeper(keeper)->settle);
}

static void
job_on_lost(struct tp_lease_keeper *keeper)
{
    job_on_settle(&job_from_keeper(keeper)->settle);
}

static void
job_on_failed(struct tp_lease_keeper *keeper, enum tp_result result)
{
    struct home_job *job = job_from_keeper(keeper);

    tp_log_error(tp_home_log(job->sessions), "lease-not-had", "name=\"%s\" result=%s", job->name,
                 tp_result_word(result));
}

static struct home_job *
job_from_node(struct tp_list_node *node)
{
    return TP_CONTAINER_OF(node, struct home_job, node);
}

static struct home_job *
job_from_keeper(struct tp_lease_keeper *keeper)
{
    return TP_CONTAINER_OF(keeper, struct home_job, keeper);
}
