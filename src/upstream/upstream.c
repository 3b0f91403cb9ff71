/*
 * upstream.c - the upstreams of a worker: found by name, made of a configuration or of members that
 * come and go, and asked which place is next.
 *
 * Runs in: worker.  Owns: the targets.
 * Read next: balance.c (which is next), target.c (a place), pass.c (what is passed on).
 */
#include "upstream/upstream.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "net/dialer.h"
#include "net/target.h"
#include "upstream/record.h"

#include <stdlib.h>
#include <string.h>

/* Who may be chosen: each row only where the ones before have nobody. */
enum upstream_resort {
    RESORT_HEALTHY,
    RESORT_HEALTHY_BACKUP,
    RESORT_ANY, /* when all have failed lately, one of them may be well again */
    RESORT_COUNT,
};

static struct tp_upstream *upstream_create(struct tp_upstreams *upstreams,
                                           const struct tp_upstream_options *options);
static struct tp_upstream *upstreams_find(const struct tp_upstreams *upstreams, const char *name);
static const struct tp_upstream_options *options_find(const struct tp_upstream_options *options,
                                                      size_t count, const char *name);
static void upstream_configure(struct tp_upstream *upstream,
                               const struct tp_upstream_options *options);
static void upstream_retire(struct tp_upstream *upstream);
static void upstream_free_if_unused(struct tp_upstream *upstream);
static enum tp_result upstream_make_room(struct tp_upstream *upstream, size_t count);
static void upstream_add_target(struct tp_upstream *upstream, struct upstream_target *target);
static void upstream_drop_unwanted(struct tp_upstream *upstream);
static void upstream_settle_places(struct tp_upstream *upstream);
static void upstream_on_serve(struct tp_work *work);
static size_t upstream_offer(struct tp_upstream *upstream, const struct upstream_pass *pass,
                             enum upstream_resort resort);
static bool target_suits(const struct upstream_target *target, enum upstream_resort resort,
                         int64_t now_ms);
static bool pass_has_tried(const struct upstream_pass *pass, const struct upstream_target *target);
static enum tp_result members_make(struct tp_upstream *upstream,
                                   const struct tp_upstream_member *members, size_t count,
                                   struct upstream_target **made);
static enum tp_result member_make(struct tp_upstream *upstream,
                                  const struct tp_upstream_member *member,
                                  struct upstream_target **made);
static const char *member_check_address(const struct tp_dial *dial, struct tp_str address);
static void member_use_address(struct upstream_target *target, size_t len);
static void member_use(struct upstream_target *target, const struct tp_upstream_member *member);

enum tp_result
tp__upstreams_create(struct tp_sessions *home, uint64_t (*next_number)(void *owner), void *owner,
                     struct tp_upstreams **made)
{
    struct tp_upstreams *upstreams = calloc(1, sizeof(*upstreams));

    *made = upstreams;
    if (upstreams == NULL) {
        return TP_NO_MEMORY;
    }
    upstreams->home = home;
    upstreams->next_number = next_number;
    upstreams->owner = owner;
    tp__list_init(&upstreams->members);
    tp__list_init(&upstreams->free_passes);
    home->upstreams = upstreams;
    tp__health_init(upstreams);
    return TP_OK;
}

void
tp__upstreams_destroy(struct tp_upstreams **destroyed)
{
    struct tp_upstreams *upstreams = *destroyed;
    struct tp_list_node *node;

    *destroyed = NULL;
    if (upstreams == NULL) {
        return;
    }
    tp__upstreams_apply(upstreams, NULL, 0);
    tp__health_fini(upstreams);
    TP_ASSERT(tp__list_is_empty(&upstreams->members));
    while ((node = tp__list_take_first(&upstreams->free_passes)) != NULL) {
        tp__pass_free(TP_CONTAINER_OF(node, struct upstream_pass, node));
    }
    tp__text_fini(&upstreams->scratch);
    upstreams->home->upstreams = NULL;
    free(upstreams);
}

struct tp_upstream *
tp__upstreams_hold(struct tp_upstreams *upstreams, const struct tp_upstream_options *options)
{
    struct tp_upstream *upstream = upstreams_find(upstreams, options->name);

    if (upstream == NULL) {
        upstream = upstream_create(upstreams, options);
    }
    if (upstream == NULL) {
        return NULL;
    }
    upstream->holders++;
    if (!upstream->is_configured) {
        upstream_configure(upstream, options);
    }
    return upstream;
}

void
tp__upstreams_apply(struct tp_upstreams *upstreams, const struct tp_upstream_options *options,
                    size_t count)
{
    TP_LIST_EACH (node, &upstreams->members) {
        struct tp_upstream *upstream = TP_CONTAINER_OF(node, struct tp_upstream, node);
        const struct tp_upstream_options *wanted = options_find(options, count, upstream->name);

        if (upstream->is_own) {
            continue;
        }
        if (wanted != NULL) {
            upstream_configure(upstream, wanted);
            continue;
        }
        upstream->is_configured = false;
        upstream->holders++;
        upstream_retire(upstream);
        tp__upstream_let_go(&upstream);
    }
}

size_t
tp__upstreams_session_count(const struct tp_upstreams *upstreams)
{
    return upstreams->link_count;
}

void
tp__upstreams_resume(struct tp_upstreams *upstreams)
{
    upstreams->is_stopped = false;
}

void
tp__upstreams_stop(struct tp_upstreams *upstreams)
{
    if (upstreams->is_stopped) {
        return;
    }
    upstreams->is_stopped = true;
    tp__health_apply(upstreams);
    TP_LIST_EACH (node, &upstreams->members) {
        struct tp_upstream *upstream = TP_CONTAINER_OF(node, struct tp_upstream, node);

        upstream->holders++;
        tp__passes_end_waiting(upstream);
        tp__targets_stop(upstream);
        tp__upstream_let_go(&upstream);
    }
}

struct tp_upstream *
tp_upstream_at(const struct tp_upstream_ref *ref, struct tp_sessions *home,
               const struct tp_exchange *exchange)
{
    struct tp_upstream_search search = {
        .home = home,
        .name = ref->found_name,
        .exchange = exchange,
    };

    return ref->finder == NULL ? ref->upstream : ref->finder->find(&search, ref->finder_conf);
}

void
tp_upstream_pass(const struct tp_upstream_ref *ref, struct tp_exchange *exchange,
                 const struct tp_pass_options *options)
{
    if (ref->finder == NULL) {
        tp__upstream_pass(ref->upstream, exchange, options, false);
        return;
    }
    struct tp_upstream_search search = {
        .home = tp_exchange_home(exchange),
        .name = ref->found_name,
        .exchange = exchange,
        .is_for_own = tp__exchange_came_with(exchange, TP_STR(REACH_NAME), TP_STR(REACH_OWN)),
        .status = tp_status_of(TP_STATUS_NOT_FOUND),
    };
    struct tp_upstream *upstream = ref->finder->find(&search, ref->finder_conf);

    if (upstream == NULL) {
        tp__upstream_log_unfound(ref, exchange, &search.status);
        tp_exchange_refuse(exchange, &search.status);
        return;
    }
    tp__upstream_pass(upstream, exchange, options, search.is_for_own);
}

struct tp_upstream *
tp_upstream_create(struct tp_sessions *home, const struct tp_upstream_ref *like, struct tp_str name,
                   enum tp_balance balance)
{
    struct tp_upstream_options options = *like->options;
    struct tp_upstream *upstream;
    char text[TP_UPSTREAM_NAME_MAX + 1] = "";

    memcpy(text, name.data, name.len < TP_UPSTREAM_NAME_MAX ? name.len : TP_UPSTREAM_NAME_MAX);
    options.name = text;
    options.balance = balance;
    options.place_count = 0;
    upstream = upstream_create(home->upstreams, &options);
    if (upstream != NULL) {
        upstream->holders = 1;
        upstream->is_own = true;
        upstream->options = options;
        upstream->options.name = upstream->name;
    }
    return upstream;
}

const char *
tp_upstream_check_address(const struct tp_upstream_ref *like, struct tp_str address)
{
    return member_check_address(like->options->member_dial, address);
}

enum tp_result
tp_upstream_set_members(struct tp_upstream *upstream, const struct tp_upstream_member *members,
                        size_t count)
{
    struct upstream_target **made = calloc(count + 1, sizeof(struct upstream_target *));
    enum tp_result result = count > TP_MEMBERS_MAX ? TP_TOO_LARGE : TP_OK;

    TP_ASSERT(upstream->is_own);
    if (made == NULL) {
        return TP_NO_MEMORY;
    }
    if (result == TP_OK) {
        result = upstream_make_room(upstream, upstream->balancer.count + count);
    }
    if (result == TP_OK) {
        result = members_make(upstream, members, count, made);
    }
    for (size_t i = 0; i < upstream->balancer.count && result == TP_OK; i++) {
        upstream->targets[i]->is_wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct upstream_target *target = made[i];

        if (result != TP_OK && target != NULL) {
            tp__target_retire(target);
        } else if (result == TP_OK) {
            if (target != NULL) {
                upstream_add_target(upstream, target);
            } else {
                target = tp__upstream_find_target(upstream, members[i].key);
            }
            member_use(target, &members[i]);
            target->is_wanted = true;
        }
    }
    free(made);
    if (result == TP_OK) {
        upstream_drop_unwanted(upstream);
        upstream_settle_places(upstream);
    }
    return result;
}

bool
tp_upstream_member_state(const struct tp_upstream *upstream, struct tp_str key,
                         struct tp_upstream_member_state *state)
{
    const struct upstream_target *target = tp__upstream_find_target(upstream, key);

    if (target == NULL) {
        return false;
    }
    *state = (struct tp_upstream_member_state){
        .pending = target->pending,
        .is_usable =
            tp__target_is_there(target)
            && tp__target_is_healthy(target, tp__loop_now_ms(upstream->upstreams->home->loop)),
    };
    return true;
}

void
tp_upstream_release(struct tp_upstream **released)
{
    if ((*released)->is_own) {
        upstream_retire(*released);
    }
    tp__upstream_let_go(released);
}

void
tp__upstream_let_go(struct tp_upstream **held)
{
    struct tp_upstream *upstream = *held;

    *held = NULL;
    TP_ASSERT(upstream->holders > 0);
    upstream->holders--;
    upstream_free_if_unused(upstream);
}

struct upstream_target *
tp__upstream_choose(struct tp_upstream *upstream, const struct upstream_pass *pass)
{
    struct tp_balancer *balancer = &upstream->balancer;
    size_t chosen = SIZE_MAX;

    for (enum upstream_resort resort = RESORT_HEALTHY; resort < RESORT_COUNT && chosen == SIZE_MAX;
         resort++) {
        if (upstream_offer(upstream, pass, resort) == 0) {
            continue;
        }
        switch (upstream->options.balance) {
        case TP_BALANCE_ROUND_ROBIN:
            chosen = tp__balance_in_turn(balancer);
            break;
        case TP_BALANCE_LEAST_PENDING:
            chosen = tp__balance_least_pending(balancer);
            break;
        case TP_BALANCE_HASH:
            chosen = pass->has_key ? tp__balance_by_hash(balancer, pass->hash)
                                   : tp__balance_in_turn(balancer);
            break;
        }
    }
    return chosen == SIZE_MAX ? NULL : upstream->targets[chosen];
}

bool
tp__upstream_has_another(struct tp_upstream *upstream, const struct upstream_pass *pass)
{
    return upstream_offer(upstream, pass, RESORT_ANY) > 0;
}

bool
tp__upstream_is_hopeful(const struct tp_upstream *upstream)
{
    for (size_t i = 0; i < upstream->balancer.count; i++) {
        const struct upstream_target *target = upstream->targets[i];
        bool is_out = target->place.is_down || target->is_draining;

        /* It will have an answer, or a connection, or say that it cannot. */
        if (!is_out && (target->pending > 0 || tp__target_is_hopeful(target))) {
            return true;
        }
    }
    return false;
}

void
tp__upstream_serve_soon(struct tp_upstream *upstream)
{
    tp__loop_post(upstream->upstreams->home->loop, &upstream->serve);
}

static struct tp_upstream *
upstream_create(struct tp_upstreams *upstreams, const struct tp_upstream_options *options)
{
    size_t name_len = strlen(options->name);
    struct tp_upstream *upstream = calloc(1, sizeof(*upstream) + name_len + 1);

    if (upstream == NULL) {
        return NULL;
    }
    memcpy(upstream->name, options->name, name_len);
    upstream->upstreams = upstreams;
    tp__list_init(&upstream->waiting);
    tp__work_init(&upstream->serve, upstream_on_serve);
    tp__list_append(&upstreams->members, &upstream->node);
    return upstream;
}

static struct tp_upstream *
upstreams_find(const struct tp_upstreams *upstreams, const char *name)
{
    TP_LIST_EACH (node, &upstreams->members) {
        struct tp_upstream *upstream = TP_CONTAINER_OF(node, struct tp_upstream, node);

        if (!upstream->is_own && strcmp(upstream->name, name) == 0) {
            return upstream;
        }
    }
    return NULL;
}

static const struct tp_upstream_options *
options_find(const struct tp_upstream_options *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* Places that stay keep their sessions; without memory for all, the ones there is memory for. */
static void
upstream_configure(struct tp_upstream *upstream, const struct tp_upstream_options *options)
{
    upstream->options = *options;
    upstream->options.name = upstream->name;
    upstream->is_configured = true;
    for (size_t i = 0; i < upstream->balancer.count; i++) {
        upstream->targets[i]->is_wanted = false;
    }
    for (size_t i = 0; i < options->place_count; i++) {
        const struct tp_upstream_place *place = &options->places[i];
        struct upstream_target *target = tp__upstream_find_target(upstream, place->key);

        if (target != NULL && !tp__target_fits(target, place)) {
            target = NULL; /* and it goes, with the sessions it has */
        }
        if (target != NULL) {
            tp__target_use(target, place);
        } else if (upstream_make_room(upstream, upstream->balancer.count + 1) == TP_OK) {
            target = tp__target_create(upstream, place, TP_STR(""));
            if (target != NULL) {
                upstream_add_target(upstream, target);
            }
        }
        if (target != NULL) {
            target->is_wanted = true;
        } else {
            tp_log_error(tp_home_log(upstream->upstreams->home), "dial-not-begun",
                         "target=%.*s result=%s", (int) place->key.len, place->key.data,
                         tp_result_word(TP_NO_MEMORY));
        }
    }
    upstream_drop_unwanted(upstream);
    upstream_settle_places(upstream);
}

static void
upstream_retire(struct tp_upstream *upstream)
{
    for (size_t i = 0; i < upstream->balancer.count; i++) {
        upstream->targets[i]->is_wanted = false;
    }
    upstream_drop_unwanted(upstream);
    /* Of a configuration that may end before the last exchange comes here. */
    upstream->options.key = NULL;
    tp__passes_end_waiting(upstream);
}

static void
upstream_free_if_unused(struct tp_upstream *upstream)
{
    if (upstream->holders > 0 || upstream->is_configured) {
        return;
    }
    TP_ASSERT(upstream->waiting_count == 0);
    upstream_retire(upstream);
    tp__work_cancel(&upstream->serve);
    tp__list_remove(&upstream->node);
    tp__balancer_fini(&upstream->balancer);
    free(upstream->balancer.shares);
    free(upstream->targets);
    free(upstream);
}

static enum tp_result
upstream_make_room(struct tp_upstream *upstream, size_t count)
{
    struct tp_share *shares = realloc(upstream->balancer.shares, (count + 1) * sizeof(*shares));

    if (shares == NULL) {
        return TP_NO_MEMORY;
    }
    upstream->balancer.shares = shares;
    struct upstream_target **targets = realloc(upstream->targets, (count + 1) * sizeof(*targets));

    if (targets == NULL) {
        return TP_NO_MEMORY;
    }
    upstream->targets = targets;
    return TP_OK;
}

struct upstream_target *
tp__upstream_find_target(const struct tp_upstream *upstream, struct tp_str key)
{
    for (size_t i = 0; i < upstream->balancer.count; i++) {
        if (tp__str_equal(upstream->targets[i]->place.key, key)) {
            return upstream->targets[i];
        }
    }
    return NULL;
}

/* There is room. */
static void
upstream_add_target(struct tp_upstream *upstream, struct upstream_target *target)
{
    struct tp_str key = target->place.key;
    size_t at = upstream->balancer.count++;

    upstream->targets[at] = target;
    upstream->balancer.shares[at] = (struct tp_share){
        .mark = tp__hash_number(tp__hash_extend_bytes(TP_HASH_NONE, key.data, key.len)),
    };
}

static void
upstream_drop_unwanted(struct tp_upstream *upstream)
{
    struct tp_balancer *balancer = &upstream->balancer;
    size_t kept = 0;

    for (size_t i = 0; i < balancer->count; i++) {
        if (upstream->targets[i]->is_wanted) {
            upstream->targets[kept] = upstream->targets[i];
            balancer->shares[kept++] = balancer->shares[i];
        } else {
            tp__target_retire(upstream->targets[i]);
        }
    }
    balancer->count = kept;
}

/* After a change of places: weights, the ring, and at the turn's end sessions to those that are new. */
static void
upstream_settle_places(struct tp_upstream *upstream)
{
    struct tp_balancer *balancer = &upstream->balancer;

    for (size_t i = 0; i < balancer->count; i++) {
        balancer->shares[i].weight = upstream->targets[i]->place.weight;
    }
    if (upstream->options.balance == TP_BALANCE_HASH && tp__balancer_make_ring(balancer) != TP_OK) {
        /* An old ring may name places that are not there any more. */
        tp__balancer_fini(balancer);
        tp_log_error(tp_home_log(upstream->upstreams->home), "upstream-no-memory", "upstream=%s",
                     upstream->name);
    }
    upstream->is_connecting_due = true;
    tp__upstream_serve_soon(upstream);
    tp__health_apply(upstream->upstreams);
}

static void
upstream_on_serve(struct tp_work *work)
{
    struct tp_upstream *upstream = TP_CONTAINER_OF(work, struct tp_upstream, serve);

    upstream->holders++;
    if (upstream->is_connecting_due && !upstream->upstreams->is_stopped) {
        upstream->is_connecting_due = false;
        for (size_t i = 0; i < upstream->balancer.count; i++) {
            tp__target_connect(upstream->targets[i]);
        }
    }
    tp__passes_serve(upstream);
    tp__upstream_let_go(&upstream);
}

/* Marks those who may be chosen; how many there are. */
static size_t
upstream_offer(struct tp_upstream *upstream, const struct upstream_pass *pass,
               enum upstream_resort resort)
{
    int64_t now_ms = tp__loop_now_ms(upstream->upstreams->home->loop);
    size_t count = 0;

    for (size_t i = 0; i < upstream->balancer.count; i++) {
        const struct upstream_target *target = upstream->targets[i];
        struct tp_share *share = &upstream->balancer.shares[i];

        share->pending = target->pending;
        share->is_usable = target_suits(target, resort, now_ms) && tp__target_is_there(target)
                           && !pass_has_tried(pass, target);
        count += share->is_usable ? 1 : 0;
    }
    return count;
}

static bool
target_suits(const struct upstream_target *target, enum upstream_resort resort, int64_t now_ms)
{
    if (resort == RESORT_ANY) {
        return true;
    }
    return target->place.is_backup == (resort == RESORT_HEALTHY_BACKUP)
           && tp__target_is_healthy(target, now_ms);
}

static bool
pass_has_tried(const struct upstream_pass *pass, const struct upstream_target *target)
{
    for (size_t i = 0; i < pass->tried_count; i++) {
        if (pass->tried[i] == target) {
            return true;
        }
    }
    return false;
}

/* Targets for those that are new; NULL for those that are known. */
static enum tp_result
members_make(struct tp_upstream *upstream, const struct tp_upstream_member *members, size_t count,
             struct upstream_target **made)
{
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < count && result == TP_OK; i++) {
        if (tp__upstream_find_target(upstream, members[i].key) == NULL) {
            result = member_make(upstream, &members[i], &made[i]);
        }
    }
    return result;
}

static enum tp_result
member_make(struct tp_upstream *upstream, const struct tp_upstream_member *member,
            struct upstream_target **made)
{
    struct tp_upstream_place place = {
        .key = member->key,
        .weight = member->weight,
        .max_fails = TP_MAX_FAILS_PRESET,
        .fail_timeout.ms = TP_FAIL_TIMEOUT_PRESET_MS,
    };

    TP_ASSERT(member->key.len <= TP_MEMBER_KEY_MAX && member->weight > 0);
    if (member->session_number == 0) {
        place.dial = upstream->options.member_dial;
        if (member_check_address(place.dial, member->address) != NULL) {
            return TP_INVALID;
        }
    }
    *made = tp__target_create(upstream, &place, member->address);
    if (*made == NULL) {
        return TP_NO_MEMORY;
    }
    if (member->session_number == 0) {
        member_use_address(*made, member->address.len);
    }
    return TP_OK;
}

static const char *
member_check_address(const struct tp_dial *dial, struct tp_str address)
{
    struct tp_target target = { 0 };
    char host[TP_TARGET_ADDRESS_MAX];
    const char *wrong = tp__target_parse(address, &target);

    if (wrong != NULL) {
        return wrong;
    }
    if (target.has_tls) {
        return "one without TLS";
    }
    if (target.protocol != NULL
        && tp__server_find_protocol(dial->source.server, tp__str(target.protocol)) == NULL) {
        return "of a protocol that is built in";
    }
    return tp__target_address(&target, host) == NULL ? "shorter" : tp__dialer_check(tp__str(host));
}

/* It has been parsed once: nothing can be wrong with it. */
static void
member_use_address(struct upstream_target *target, size_t len)
{
    struct tp_str address = { target->text + target->place.key.len + 1, len };
    struct tp_dialing *dialing = &target->dialing;
    const char *wrong = tp__target_parse(address, &dialing->target);

    TP_ASSERT(wrong == NULL);
    if (dialing->target.protocol != NULL) {
        dialing->protocol =
            tp__server_find_protocol(target->source->server, tp__str(dialing->target.protocol))
                ->protocol;
        target->is_exclusive = (dialing->protocol->abilities & TP_PROTOCOL_IN_ORDER) != 0;
    }
}

static void
member_use(struct upstream_target *target, const struct tp_upstream_member *member)
{
    target->session_number = member->session_number;
    target->place.weight = member->weight;
    target->place.max_pulls = member->max_pulls;
    target->is_server = member->is_server;
    target->is_draining = member->is_draining || target->upstreams->is_stopped;
}
