/*
 * health.c - what workers know together of places: one of them asks each place again and again
 * whether it is well, and who finds that one fails tells the others.
 *
 * Nothing of it is kept but in the workers: one that comes later begins in good faith, and learns
 * with the next check.
 *
 * Runs in: worker.  Owns: the lease of who asks.
 * Read next: target.c; session/home.h (leases, tellings).
 */
#include "upstream/record.h"

#include "base/log.h"
#include "base/str.h"

#include <string.h>

#define HEALTH_WORD  "upstream"
#define HEALTH_LEASE "upstream-checks"

/* What one worker tells the others of a place: this byte, its upstream's name, a 0, and its key. */
enum health_news {
    NEWS_DOWN = 'd', /* it has failed, and is left alone */
    NEWS_ILL = 'i',  /* its checks fail */
    NEWS_WELL = 'w', /* …and do not any more */
};

enum {
    NEWS_BYTES_MAX = 2048,
};

static void health_on_gained(struct tp_home_lease *lease, void *owner);
static void health_on_lost(struct tp_home_lease *lease, void *owner);
static void health_on_told(struct tp_home_ear *ear, unsigned from_slot, struct tp_str bytes);
static bool upstreams_have_checks(const struct tp_upstreams *upstreams);
static bool upstream_has_check(const struct tp_upstream *upstream);
static void upstream_forget_checks(struct tp_upstream *upstream);
static void check_wait(struct upstream_target *target);
static void check_begin(struct upstream_target *target);
static void check_on_reply(const struct tp_reply *reply, void *owner);
static void check_take(struct upstream_target *target, bool is_passed);
static void target_be(struct upstream_target *target, bool is_ill);
static void target_tell(const struct upstream_target *target, enum health_news news);

void
tp__health_init(struct tp_upstreams *upstreams)
{
    upstreams->ear = (struct tp_home_ear){ .word = HEALTH_WORD, .on_told = health_on_told };
    tp__home_listen(upstreams->home, &upstreams->ear);
}

void
tp__health_fini(struct tp_upstreams *upstreams)
{
    if (upstreams->checks != NULL) {
        tp_home_lease_destroy(&upstreams->checks);
    }
    tp__list_remove(&upstreams->ear.node);
}

void
tp__health_apply(struct tp_upstreams *upstreams)
{
    bool are_wanted = !upstreams->is_stopped && upstreams_have_checks(upstreams);

    TP_LIST_EACH (node, &upstreams->members) {
        upstream_forget_checks(TP_CONTAINER_OF(node, struct tp_upstream, node));
    }
    if (!are_wanted && upstreams->checks != NULL) {
        tp_home_lease_destroy(&upstreams->checks);
    } else if (are_wanted && upstreams->checks == NULL) {
        upstreams->checks = tp__home_lease_create(upstreams->home, TP_STR(HEALTH_LEASE),
                                                  health_on_gained, health_on_lost, upstreams);
    }
    if (upstreams->checks != NULL && tp_home_lease_is_held(upstreams->checks)) {
        health_on_gained(upstreams->checks, upstreams);
    }
}

void
tp__check_on_timer(struct tp_timer *timer)
{
    struct upstream_target *target = TP_CONTAINER_OF(timer, struct upstream_target, check);
    struct tp_upstream *upstream = target->upstream;
    const struct tp_home_lease *lease = target->upstreams->checks;

    if (upstream == NULL || lease == NULL || !tp_home_lease_is_held(lease)
        || !upstream_has_check(upstream) || target->place.is_down) {
        return;
    }
    check_wait(target);
    if (!target->is_being_checked) {
        check_begin(target);
    }
}

static void
check_wait(struct upstream_target *target)
{
    target->check_wait_ms = target->upstream->options.check.interval.ms;
    tp__loop_start_timer(target->upstreams->home->loop, &target->check, target->check_wait_ms);
}

void
tp__target_tell_down(const struct upstream_target *target)
{
    target_tell(target, NEWS_DOWN);
}

static void
health_on_gained(struct tp_home_lease *lease, void *owner)
{
    struct tp_upstreams *upstreams = owner;

    (void) lease;
    TP_LIST_EACH (node, &upstreams->members) {
        struct tp_upstream *upstream = TP_CONTAINER_OF(node, struct tp_upstream, node);

        for (size_t i = 0; i < upstream->balancer.count && upstream_has_check(upstream); i++) {
            struct upstream_target *target = upstream->targets[i];

            /* A reload may have made it shorter. */
            if (!target->check.is_running
                || target->check_wait_ms > upstream->options.check.interval.ms) {
                check_wait(target);
            }
        }
    }
}

/* Each timer sees for itself that the lease has gone. */
static void
health_on_lost(struct tp_home_lease *lease, void *owner)
{
    (void) lease;
    (void) owner;
}

static void
health_on_told(struct tp_home_ear *ear, unsigned from_slot, struct tp_str bytes)
{
    struct tp_upstreams *upstreams = TP_CONTAINER_OF(ear, struct tp_upstreams, ear);
    struct tp_str key;
    struct upstream_target *target;

    (void) from_slot;
    if (bytes.len < 2) {
        return;
    }
    struct tp_str name = tp__str_cut((struct tp_str){ bytes.data + 1, bytes.len - 1 }, '\0', &key);

    TP_LIST_EACH (node, &upstreams->members) {
        struct tp_upstream *upstream = TP_CONTAINER_OF(node, struct tp_upstream, node);

        if (!tp__str_equal(tp__str(upstream->name), name)
            || (target = tp__upstream_find_target(upstream, key)) == NULL) {
            continue;
        }
        if (bytes.data[0] == NEWS_DOWN) {
            tp__target_leave_alone(target);
        } else {
            target_be(target, bytes.data[0] == NEWS_ILL);
        }
    }
}

static bool
upstreams_have_checks(const struct tp_upstreams *upstreams)
{
    TP_LIST_EACH (node, &upstreams->members) {
        if (upstream_has_check(TP_CONTAINER_OF(node, struct tp_upstream, node))) {
            return true;
        }
    }
    return false;
}

static bool
upstream_has_check(const struct tp_upstream *upstream)
{
    return upstream->options.check.uri.len > 0;
}

/* Nobody would ever say of one that is not checked any more that it is well again. */
static void
upstream_forget_checks(struct tp_upstream *upstream)
{
    for (size_t i = 0; i < upstream->balancer.count && !upstream_has_check(upstream); i++) {
        struct upstream_target *target = upstream->targets[i];

        target->passes_in_row = 0;
        target->fails_in_row = 0;
        target_be(target, false);
    }
}

/* One that cannot be reached does not pass; one that somebody is about to reach is asked next time. */
static void
check_begin(struct upstream_target *target)
{
    const struct tp_health_check *check = &target->upstream->options.check;
    struct upstream_link *link = tp__target_link(target);

    if (link == NULL) {
        if (!tp__target_is_dialing(target)) {
            check_take(target, false);
        }
        return;
    }
    const struct tp_send_options options = {
        .fails_at_once = link->is_open,
        .always_fits = true,
        .timeout = check->timeout,
    };
    enum tp_result result = tp_session_pull_async(link->session, check->uri, TP_STR(""), &options,
                                                  check_on_reply, target);

    if (result != TP_OK) {
        check_take(target, false);
        return;
    }
    target->is_being_checked = true;
    target->check_link = link;
    tp__target_begin(target, link);
}

static void
check_on_reply(const struct tp_reply *reply, void *owner)
{
    struct upstream_target *target = owner;
    struct upstream_link *link = target->check_link;

    target->is_being_checked = false;
    target->check_link = NULL;
    tp__link_heed(link, reply);
    if (target->upstream != NULL) {
        check_take(target, tp_reply_status(reply)->code == TP_STATUS_OK);
    }
    tp__target_end(target, link);
}

static void
check_take(struct upstream_target *target, bool is_passed)
{
    const struct tp_health_check *check = &target->upstream->options.check;
    int64_t *row = is_passed ? &target->passes_in_row : &target->fails_in_row;

    *(is_passed ? &target->fails_in_row : &target->passes_in_row) = 0;
    if (*row < INT64_MAX) {
        (*row)++;
    }
    if (!is_passed && *row >= check->fails) {
        target_be(target, true);
    } else if (is_passed && *row >= check->passes) {
        target_be(target, false);
    }
    /* Told with each check, not only when it changes: a worker may have come since, or not heard. */
    if (target->is_ill || target->passes_in_row >= check->passes) {
        target_tell(target, target->is_ill ? NEWS_ILL : NEWS_WELL);
    }
}

static void
target_be(struct upstream_target *target, bool is_ill)
{
    const struct tp_log *log = tp_home_log(target->upstreams->home);
    struct tp_str key = target->place.key;

    if (target->is_ill == is_ill) {
        return;
    }
    target->is_ill = is_ill;
    tp__target_count_state(target);
    if (is_ill) {
        tp_log_warn(log, "upstream-ill", "upstream=%s server=%.*s", target->upstream->name,
                    (int) key.len, key.data);
    } else {
        tp_log_notice(log, "upstream-well", "upstream=%s server=%.*s", target->upstream->name,
                      (int) key.len, key.data);
    }
}

/* What cannot be told now is told with the next check, or found out by the others themselves. */
static void
target_tell(const struct upstream_target *target, enum health_news news)
{
    char bytes[NEWS_BYTES_MAX];
    size_t name_len = target->upstream == NULL ? 0 : strlen(target->upstream->name);
    struct tp_str key = target->place.key;
    size_t len = 1 + name_len + 1 + key.len;

    if (name_len == 0 || len > sizeof(bytes)) {
        return;
    }
    bytes[0] = (char) news;
    memcpy(bytes + 1, target->upstream->name, name_len + 1);
    memcpy(bytes + 1 + name_len + 1, key.data, key.len);
    enum tp_result result =
        tp__home_tell(target->upstreams->home, TP_STR(HEALTH_WORD), (struct tp_str){ bytes, len });

    if (result != TP_OK) {
        tp_log_debug(tp_home_log(target->upstreams->home), "upstream-not-told", "result=%s",
                     tp_result_word(result));
    }
}
