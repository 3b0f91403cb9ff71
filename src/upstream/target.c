/*
 * target.c - a place of an upstream: the sessions to it, and whether it is well.
 *
 * Where a session is for many PULLs at once there are few, dialed when the place is first known and
 * dialed again when they break.  Where it is for one at a time (HTTP) they are dialed when they are
 * needed, up to a bound, and ended when they have had nothing to do for a while.
 *
 * Runs in: worker.  Owns: its links; the sessions end with it.
 * Read next: upstream.c, which has targets; session/dial.c, which connects.
 */
#include "upstream/record.h"

#include "base/log.h"
#include "base/str.h"
#include "session/dial.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHARED_SESSIONS = 1,     /* to a place, where each is for many PULLs */
    EXCLUSIVE_SESSIONS = 32, /* …and where each is for one */
    REDIAL_MAX_MS = 5000,
    REDIAL_FIRST_MS = 100,
};

static struct upstream_link *target_dial(struct upstream_target *target);
static struct upstream_link *target_shared_link(const struct upstream_target *target);
static struct upstream_link *target_exclusive_link(struct upstream_target *target);
static bool target_may_dial(const struct upstream_target *target);
static size_t target_staying(const struct upstream_target *target);
static void target_shed(struct upstream_target *target);
static size_t target_shed_some(struct upstream_target *target, size_t wanted, bool is_idle_only);
static size_t target_session_max(const struct upstream_target *target);
static void target_free_if_unused(struct upstream_target *target);
static void target_on_redial(struct tp_timer *timer);
static void target_on_recovery(struct tp_timer *timer);
static void link_on_change(struct tp_session *session, enum tp_dial_change change, void *owner);
static void link_on_end(struct upstream_link *link);
static void link_on_idle(struct tp_timer *timer);
static bool link_can_take(const struct upstream_link *link);
static const struct tp_log *target_log(const struct upstream_target *target);

struct upstream_target *
tp__target_create(struct tp_upstream *upstream, const struct tp_upstream_place *place,
                  struct tp_str address)
{
    size_t key_len = place->key.len;
    struct upstream_target *target = calloc(1, sizeof(*target) + key_len + 1 + address.len + 1);

    if (target == NULL) {
        return NULL;
    }
    memcpy(target->text, place->key.data, key_len);
    if (address.len > 0) {
        memcpy(target->text + key_len + 1, address.data, address.len);
    }
    target->upstreams = upstream->upstreams;
    target->upstream = upstream;
    tp__list_init(&target->links);
    tp__timer_init(&target->redial, target_on_redial);
    tp__timer_init(&target->check, tp__check_on_timer);
    tp__timer_init(&target->recovery, target_on_recovery);
    tp__target_use(target, place);
    /* It is connected at the end of this turn; who comes sooner waits for that. */
    target->is_new = target->source != NULL && !target->is_exclusive;
    tp__target_find_counts(target);
    return target;
}

bool
tp__target_fits(const struct upstream_target *target, const struct tp_upstream_place *place)
{
    const struct tp_source *wanted = &place->dial->source;

    return target->source->protocol->protocol == wanted->protocol->protocol
           && (target->source->tls == NULL) == (wanted->tls == NULL);
}

void
tp__target_use(struct upstream_target *target, const struct tp_upstream_place *place)
{
    target->place = *place;
    target->is_draining = target->upstreams->is_stopped;
    target->place.key = (struct tp_str){ target->text, place->key.len };
    if (place->dial != NULL) {
        target->source = &place->dial->source;
        target->dialing = place->dial->dialing;
        target->is_exclusive =
            (target->source->protocol->protocol->abilities & TP_PROTOCOL_IN_ORDER) != 0;
    }
}

void
tp__target_connect(struct upstream_target *target)
{
    target->is_new = false;
    if (target->source == NULL || target->place.is_down) {
        return;
    }
    target_shed(target);
    while (!target->is_exclusive && target_staying(target) < target_session_max(target)) {
        struct upstream_link *link = target_dial(target);

        if (link == NULL) {
            tp__loop_start_timer(target->upstreams->home->loop, &target->redial, REDIAL_FIRST_MS);
            return;
        }
        link->is_hopeful = target->failed_dials == 0 && !tp__session_dial_has_failed(link->session);
    }
}

bool
tp__target_is_dialing(const struct upstream_target *target)
{
    TP_LIST_EACH (node, &target->links) {
        const struct upstream_link *link = TP_CONTAINER_OF(node, struct upstream_link, node);

        if (target->is_exclusive && tp_session_get_state(link->session) < TP_SESSION_OPEN) {
            return true;
        }
    }
    return false;
}

bool
tp__target_is_hopeful(const struct upstream_target *target)
{
    bool is_hopeful = target->is_new;

    TP_LIST_EACH (node, &target->links) {
        is_hopeful |= TP_CONTAINER_OF(node, struct upstream_link, node)->is_hopeful;
    }
    return is_hopeful;
}

void
tp__target_retire(struct upstream_target *target)
{
    target->upstream = NULL;
    tp__loop_stop_timer(target->upstreams->home->loop, &target->redial);
    tp__loop_stop_timer(target->upstreams->home->loop, &target->check);
    target->pending++;
    TP_LIST_EACH (node, &target->links) {
        struct upstream_link *link = TP_CONTAINER_OF(node, struct upstream_link, node);

        tp__session_end(link->session, TP_CLOSE_CLOSED, true);
    }
    target->pending--;
    target_free_if_unused(target);
}

bool
tp__target_is_there(const struct upstream_target *target)
{
    const struct tp_upstream_place *place = &target->place;

    if (place->is_down || target->is_draining
        || (place->max_pulls != 0 && target->pending >= place->max_pulls)) {
        return false;
    }
    if (target->source == NULL) {
        return true;
    }
    return target_may_dial(target) || target_shared_link(target) != NULL;
}

bool
tp__target_is_healthy(const struct upstream_target *target, int64_t now_ms)
{
    return !target->is_ill && now_ms >= target->down_until_ms;
}

struct upstream_link *
tp__target_link(struct upstream_target *target)
{
    return target->is_exclusive ? target_exclusive_link(target) : target_shared_link(target);
}

void
tp__target_begin(struct upstream_target *target, struct upstream_link *link)
{
    target->pending++;
    if (link != NULL) {
        link->pending++;
        tp__loop_stop_timer(target->upstreams->home->loop, &link->idle);
    }
}

void
tp__target_end(struct upstream_target *target, struct upstream_link *link)
{
    struct tp_upstream *upstream = target->upstream;

    if (upstream != NULL && upstream->waiting_count > 0) {
        tp__upstream_serve_soon(upstream);
    }
    tp__target_take_back(target, link);
}

void
tp__target_take_back(struct upstream_target *target, struct upstream_link *link)
{
    struct tp_upstream *upstream = target->upstream;

    target->pending--;
    if (link != NULL && --link->pending == 0 && target->is_exclusive && upstream != NULL) {
        tp__loop_start_timer(target->upstreams->home->loop, &link->idle,
                             upstream->options.keepalive.ms);
    }
    target_free_if_unused(target);
}

void
tp__link_heed(struct upstream_link *link, const struct tp_reply *reply)
{
    bool is_late = !reply->is_answered && reply->status.code == TP_STATUS_GATEWAY_TIMEOUT;

    if (link != NULL && link->target->is_exclusive && is_late && reply->was_sent) {
        link->is_open = false;
        tp_session_cut(link->session, TP_CLOSE_CLOSED);
    }
}

void
tp__target_failed(struct upstream_target *target, const char *why)
{
    const struct tp_upstream_place *place = &target->place;
    int64_t now_ms = tp__loop_now_ms(target->upstreams->home->loop);

    if (place->max_fails == 0) {
        return;
    }
    if (target->fails == 0 || now_ms - target->first_fail_ms > place->fail_timeout.ms) {
        target->fails = 0;
        target->first_fail_ms = now_ms;
    }
    target->fails++;
    if (target->fails >= place->max_fails) {
        target->fails = 0;
        tp__target_leave_alone(target);
        tp_log_warn(target_log(target), "upstream-down", "upstream=%s server=%.*s why=%s ms=%lld",
                    target->upstream == NULL ? "" : target->upstream->name, (int) place->key.len,
                    place->key.data, why, (long long) place->fail_timeout.ms);
        tp__target_tell_down(target);
    }
}

void
tp__target_leave_alone(struct upstream_target *target)
{
    struct tp_loop *loop = target->upstreams->home->loop;

    target->down_until_ms = tp__loop_now_ms(loop) + target->place.fail_timeout.ms;
    tp__loop_start_timer_at(loop, &target->recovery, target->down_until_ms);
    tp__target_count_state(target);
}

void
tp__target_worked(struct upstream_target *target)
{
    if (target->down_until_ms == 0) {
        target->fails = 0;
        return;
    }
    if (tp__loop_now_ms(target->upstreams->home->loop) >= target->down_until_ms) {
        target->down_until_ms = 0;
        tp_log_notice(target_log(target), "upstream-up", "upstream=%s server=%.*s",
                      target->upstream == NULL ? "" : target->upstream->name,
                      (int) target->place.key.len, target->place.key.data);
    }
}

void
tp__targets_stop(struct tp_upstream *upstream)
{
    for (size_t i = 0; i < upstream->balancer.count; i++) {
        struct upstream_target *target = upstream->targets[i];

        tp__loop_stop_timer(upstream->upstreams->home->loop, &target->redial);
        tp__loop_stop_timer(upstream->upstreams->home->loop, &target->check);
        target->is_draining = true;
        TP_LIST_EACH (node, &target->links) {
            struct upstream_link *link = TP_CONTAINER_OF(node, struct upstream_link, node);

            tp__session_end(link->session, TP_CLOSE_SHUTDOWN, true);
        }
    }
}

/* One more session; NULL: it could not be begun. */
static struct upstream_link *
target_dial(struct upstream_target *target)
{
    struct tp_upstreams *upstreams = target->upstreams;
    struct upstream_link *link = calloc(1, sizeof(*link));
    struct tp_dialing dialing = target->dialing;

    if (link == NULL) {
        return NULL;
    }
    if (target->is_exclusive) {
        dialing.redial.times = 0;
    }
    dialing.watch = (struct tp_dial_watch){
        .on_change = link_on_change,
        .owner = link,
        .ends_last = true,
    };
    link->target = target;
    tp__timer_init(&link->idle, link_on_idle);
    enum tp_result result =
        tp__session_dial(upstreams->home, target->source, upstreams->next_number(upstreams->owner),
                         &dialing, &link->session);

    if (result != TP_OK) {
        tp_log_error(target_log(target), "dial-not-begun", "target=%.*s result=%s",
                     (int) target->place.key.len, target->place.key.data, tp_result_word(result));
        free(link);
        return NULL;
    }
    tp__list_append(&target->links, &link->node);
    target->link_count++;
    upstreams->link_count++;
    return link;
}

/* The one with the least to do. */
static struct upstream_link *
target_shared_link(const struct upstream_target *target)
{
    struct upstream_link *best = NULL;

    TP_LIST_EACH (node, &target->links) {
        struct upstream_link *link = TP_CONTAINER_OF(node, struct upstream_link, node);

        if (link_can_take(link) && (best == NULL || link->pending < best->pending)) {
            best = link;
        }
    }
    return best;
}

static struct upstream_link *
target_exclusive_link(struct upstream_target *target)
{
    struct upstream_link *idle = target_shared_link(target);

    return idle != NULL || !target_may_dial(target) ? idle : target_dial(target);
}

/* One more, for one PULL; of a place that is left alone and is asked all the same, one at a time. */
static bool
target_may_dial(const struct upstream_target *target)
{
    if (!target->is_exclusive || target_staying(target) >= target_session_max(target)) {
        return false;
    }
    return tp__target_is_healthy(target, tp__loop_now_ms(target->upstreams->home->loop))
           || !tp__target_is_dialing(target);
}

/* Sessions that have not been told to end. */
static size_t
target_staying(const struct upstream_target *target)
{
    return target->link_count - target->leaving_count;
}

/* Ends what is more than the configuration wants now: first what has nothing to do. */
static void
target_shed(struct upstream_target *target)
{
    size_t max = target_session_max(target);
    size_t count = target_staying(target);

    if (count > max) {
        count -= target_shed_some(target, count - max, true);
    }
    if (count > max) {
        target_shed_some(target, count - max, false);
    }
}

/* How many are told to end: those that have nothing to do, or any. */
static size_t
target_shed_some(struct upstream_target *target, size_t wanted, bool is_idle_only)
{
    size_t count = 0;

    TP_LIST_EACH (node, &target->links) {
        struct upstream_link *link = TP_CONTAINER_OF(node, struct upstream_link, node);

        if (count < wanted && !link->is_leaving && (link->pending == 0 || !is_idle_only)) {
            link->is_leaving = true;
            target->leaving_count++;
            link->is_open = false;
            link->is_hopeful = false;
            count++;
            tp__session_end(link->session, TP_CLOSE_CLOSED, true);
        }
    }
    return count;
}

static bool
link_can_take(const struct upstream_link *link)
{
    return link->is_open && (!link->target->is_exclusive || link->pending == 0)
           && tp_session_get_state(link->session) == TP_SESSION_OPEN;
}

static size_t
target_session_max(const struct upstream_target *target)
{
    int64_t wanted = target->upstream == NULL ? 0 : target->upstream->options.session_count;

    if (wanted > 0) {
        return (size_t) wanted;
    }
    return target->is_exclusive ? EXCLUSIVE_SESSIONS : SHARED_SESSIONS;
}

static void
target_free_if_unused(struct upstream_target *target)
{
    if (target->upstream == NULL && target->pending == 0 && tp__list_is_empty(&target->links)) {
        tp__loop_stop_timer(target->upstreams->home->loop, &target->recovery);
        tp__target_uncount_state(target);
        free(target);
    }
}

/* Its sessions have ended for good, by the other end's wish or the end of its patience. */
static void
target_on_redial(struct tp_timer *timer)
{
    tp__target_connect(TP_CONTAINER_OF(timer, struct upstream_target, redial));
}

/* It may be asked again: whether it is well is known when somebody has. */
static void
target_on_recovery(struct tp_timer *timer)
{
    tp__target_count_state(TP_CONTAINER_OF(timer, struct upstream_target, recovery));
}

static void
link_on_change(struct tp_session *session, enum tp_dial_change change, void *owner)
{
    struct upstream_link *link = owner;
    struct upstream_target *target = link->target;
    struct tp_upstream *upstream = target->upstream;

    (void) session;
    link->is_open = change == TP_DIAL_OPEN && !link->is_leaving;
    tp__target_count_state(target);
    link->is_hopeful = false;
    if (!link->is_leaving) {
        target->failed_dials = change == TP_DIAL_OPEN ? 0 : target->failed_dials + 1;
    }
    if (change == TP_DIAL_ENDED) {
        link_on_end(link);
    }
    if (upstream != NULL && upstream->waiting_count > 0) {
        tp__upstream_serve_soon(upstream);
    }
}

static void
link_on_end(struct upstream_link *link)
{
    struct upstream_target *target = link->target;
    struct tp_loop *loop = target->upstreams->home->loop;
    int64_t pause_ms = REDIAL_FIRST_MS;

    TP_ASSERT(link->pending == 0);
    tp__loop_stop_timer(loop, &link->idle);
    tp__list_remove(&link->node);
    target->link_count--;
    target->leaving_count -= link->is_leaving ? 1 : 0;
    target->upstreams->link_count--;
    free(link);
    for (unsigned i = 1; i < target->failed_dials && pause_ms < REDIAL_MAX_MS; i++) {
        pause_ms *= 2;
    }
    if (target->upstream != NULL && !target->is_exclusive && !target->is_draining) {
        tp__loop_start_timer(loop, &target->redial,
                             pause_ms < REDIAL_MAX_MS ? pause_ms : REDIAL_MAX_MS);
    }
    target_free_if_unused(target);
}

static void
link_on_idle(struct tp_timer *timer)
{
    struct upstream_link *link = TP_CONTAINER_OF(timer, struct upstream_link, idle);

    link->is_open = false;
    tp__target_count_state(link->target);
    tp__session_end(link->session, TP_CLOSE_CLOSED, true);
}

static const struct tp_log *
target_log(const struct upstream_target *target)
{
    return tp_home_log(target->upstreams->home);
}
