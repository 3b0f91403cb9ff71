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
static size_t target_session_max(const struct upstream_target *target);
static void target_free_if_unused(struct upstream_target *target);
static void target_on_redial(struct tp_timer *timer);
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
    tp__target_use(target, place);
    /* It is connected at the end of this turn; who comes sooner waits for that. */
    target->is_hopeful = target->source != NULL && !target->is_exclusive;
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
    if (target->source == NULL || target->is_exclusive || target->place.is_down) {
        return;
    }
    while (target->link_count < target_session_max(target)) {
        if (target_dial(target) == NULL) {
            tp__loop_start_timer(target->upstreams->home->loop, &target->redial, REDIAL_FIRST_MS);
            return;
        }
        target->is_hopeful |= target->failed_dials == 0;
    }
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
    if (target->is_exclusive && target->link_count < target_session_max(target)) {
        return true;
    }
    return target_shared_link(target) != NULL;
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
        target->down_until_ms = now_ms + place->fail_timeout.ms;
        tp_log_warn(target_log(target), "upstream-down", "upstream=%s server=%.*s why=%s ms=%lld",
                    target->upstream == NULL ? "" : target->upstream->name, (int) place->key.len,
                    place->key.data, why, (long long) place->fail_timeout.ms);
        tp__target_tell_down(target);
    }
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

    if (idle != NULL || target->link_count >= target_session_max(target)) {
        return idle;
    }
    return target_dial(target);
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
        free(target);
    }
}

/* Its sessions have ended for good, by the other end's wish or the end of its patience. */
static void
target_on_redial(struct tp_timer *timer)
{
    tp__target_connect(TP_CONTAINER_OF(timer, struct upstream_target, redial));
}

static void
link_on_change(struct tp_session *session, enum tp_dial_change change, void *owner)
{
    struct upstream_link *link = owner;
    struct upstream_target *target = link->target;
    struct tp_upstream *upstream = target->upstream;

    (void) session;
    link->is_open = change == TP_DIAL_OPEN;
    target->is_hopeful = false;
    target->failed_dials = change == TP_DIAL_OPEN ? 0 : target->failed_dials + 1;
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
    tp__session_end(link->session, TP_CLOSE_CLOSED, true);
}

static const struct tp_log *
target_log(const struct upstream_target *target)
{
    return tp_home_log(target->upstreams->home);
}
