/*
 * limit_rate.c - how many packets, or bytes of them, are served in a time.
 *
 * A token bucket that is kept as one number: when it will be full again (the generic cell rate
 * algorithm).  Each packet moves that time on by what it costs; it may be as far ahead as the
 * burst takes.  Who finds a full bucket passes, however large the packet.
 *
 * What is refused costs nothing: where several rates count a packet, those before the one that
 * refuses it get back what they have taken.
 */
#include "limit.h"

#include <stdlib.h>

enum {
    NS_PER_MS = 1000000,
};

/* A packet that waits for its turn. */
struct limit_wait {
    struct limit_wait *next;
    struct limit_wait **link; /* to this one */
    struct tp_exchange *exchange;
    struct tp_home_timer *timer;
};

/* What a rate says of a packet. */
struct rate_answer {
    bool is_refused;
    int64_t wait_ns;
};

static bool rate_is_idle(const void *value, int64_t now_ms);
static struct rate_answer rate_ask(const struct tp_hook_call *call, const struct limit_rate *rate);
static struct rate_answer rate_take(const struct limit_rate *rate, int64_t *full_ns, int64_t now_ns,
                                    uint64_t cost);
static struct rate_answer rate_ask_session(const struct tp_hook_call *call,
                                           const struct limit_rate *rate);
static struct rate_answer rate_ask_table(const struct tp_hook_call *call,
                                         const struct limit_rate *rate, struct tp_str key,
                                         struct limit_bucket *bucket);
static bool rate_ask_place(const struct tp_hook_call *call, const struct limit_rate *rate,
                           struct limit_bucket *bucket, struct rate_answer *answer);
static void rate_give_back(const struct tp_hook_call *call, const struct limit_rate *rate);
static int64_t *session_count(struct limit_session *data, uint32_t name, int64_t now_ns);
static struct limit_bucket *session_place(const struct tp_hook_call *call,
                                          const struct limit_rate *rate);
static struct limit_bucket *session_bucket(struct limit_session *data, uint32_t name,
                                           int64_t now_ns);
static int64_t rate_cost_ns(const struct limit_rate *rate, uint64_t cost);
static uint64_t rate_cost(const struct tp_hook_call *call, const struct limit_rate *rate);
static enum tp_verdict rate_refuse(struct tp_hook_call *call, const struct limit_conf *conf,
                                   size_t refused_by);
static enum tp_verdict rate_delay(struct tp_hook_call *call, const struct limit_conf *conf,
                                  const struct limit_rate *rate, int64_t wait_ns);
static void wait_on_expire(struct tp_home_timer *timer, void *owner);
static void wait_free(struct limit_wait *wait);

const struct tp_table_layout limit_rate_layout = {
    .version = 1,
    .value_size = sizeof(int64_t),
    .is_idle = rate_is_idle,
};

enum tp_verdict
limit_rate_on_header(struct tp_hook_call *call, const void *module_conf)
{
    const struct limit_conf *conf = module_conf;
    const struct limit_rate *rates = conf->rates.items;
    const struct limit_rate *slowest = NULL;
    int64_t wait_ns = 0;

    for (size_t i = 0; i < conf->rates.count; i++) {
        struct rate_answer answer = rate_ask(call, &rates[i]);

        if (answer.is_refused) {
            return rate_refuse(call, conf, i);
        }
        if (answer.wait_ns > wait_ns) {
            wait_ns = answer.wait_ns;
            slowest = &rates[i];
        }
    }
    return slowest == NULL ? TP_PASS : rate_delay(call, conf, slowest, wait_ns);
}

void
limit_rate_stop(const struct limit_conf *conf)
{
    const struct limit_rate *rates = conf->rates.items;

    for (size_t i = 0; i < conf->rates.count; i++) {
        while (rates[i].rule.state->waits != NULL) {
            wait_free(rates[i].rule.state->waits);
        }
    }
}

void
limit_rate_forget_places(struct limit_session *data)
{
    for (size_t i = 0; i < LIMIT_BUCKETS_MAX; i++) {
        if (data->buckets[i].place != 0) {
            data->buckets[i] = (struct limit_bucket){ .name = 0 };
        }
    }
}

int64_t
limit_speed_time_ns(const struct limit_speed *speed, uint64_t count)
{
    double time_ns = (double) count * (double) speed->period_ns / (double) speed->count;

    return time_ns < (double) LIMIT_TIME_MAX_NS ? (int64_t) time_ns : LIMIT_TIME_MAX_NS;
}

static bool
rate_is_idle(const void *value, int64_t now_ms)
{
    return *(const int64_t *) value <= now_ms * NS_PER_MS;
}

static struct rate_answer
rate_ask(const struct tp_hook_call *call, const struct limit_rate *rate)
{
    struct rate_answer answer = { .is_refused = false };
    struct tp_slice key;

    if (rate->key.count == 0) {
        return rate_ask_session(call, rate);
    }
    struct limit_bucket *bucket = session_place(call, rate);

    if (bucket != NULL && bucket->place != 0 && rate_ask_place(call, rate, bucket, &answer)) {
        return answer;
    }
    if (tp_template_expand(&rate->key, call->exchange, &key) != TP_OK) {
        tp_meter_add(&rate->rule.uncounted, 1);
        return answer;
    }
    if (key.len > 0) {
        answer =
            rate_ask_table(call, rate, (struct tp_str){ (const char *) key.data, key.len }, bucket);
    }
    tp_buf_release(key.buf);
    return answer;
}

/* Moves the time on, unless it would be too far ahead. */
static struct rate_answer
rate_take(const struct limit_rate *rate, int64_t *full_ns, int64_t now_ns, uint64_t cost)
{
    int64_t cost_ns = rate_cost_ns(rate, cost);
    int64_t begin_ns = *full_ns > now_ns ? *full_ns : now_ns;
    int64_t over_ns = begin_ns > now_ns ? begin_ns + cost_ns - now_ns - rate->burst_ns : 0;
    struct rate_answer answer = { .is_refused = over_ns > rate->delay.ms * NS_PER_MS };

    if (!answer.is_refused) {
        *full_ns = begin_ns + cost_ns;
        answer.wait_ns = over_ns > 0 ? over_ns : 0;
    }
    return answer;
}

static struct rate_answer
rate_ask_session(const struct tp_hook_call *call, const struct limit_rate *rate)
{
    struct rate_answer answer = { .is_refused = false };
    struct limit_session *data = tp_session_data_make(call->session, &tp_module_limit);
    int64_t now_ns = tp_session_now_ms(call->session) * NS_PER_MS;
    int64_t *full_ns = data == NULL ? NULL : session_count(data, rate->rule.zone_hash, now_ns);

    if (full_ns == NULL) {
        tp_meter_add(&rate->rule.uncounted, 1);
        return answer;
    }
    return rate_take(rate, full_ns, now_ns, rate_cost(call, rate));
}

static struct rate_answer
rate_ask_table(const struct tp_hook_call *call, const struct limit_rate *rate, struct tp_str key,
               struct limit_bucket *bucket)
{
    struct rate_answer answer = { .is_refused = false };
    int64_t now_ms = tp_session_now_ms(call->session);
    void *value;

    if (tp_table_enter(rate->rule.table, key, now_ms, &value) != TP_OK) {
        tp_meter_add(&rate->rule.uncounted, 1);
        limit_log(&rate->rule, call->session, "table-full");
        return answer;
    }
    answer = rate_take(rate, value, now_ms * NS_PER_MS, rate_cost(call, rate));
    if (bucket != NULL) {
        struct tp_table_spot spot = tp_table_note(rate->rule.table, value);

        bucket->place = spot.place;
        bucket->hash = spot.hash;
    }
    tp_table_leave(rate->rule.table, &value);
    return answer;
}

/* Where the count was when the session asked last; false: it is not there, or cannot be had. */
static bool
rate_ask_place(const struct tp_hook_call *call, const struct limit_rate *rate,
               struct limit_bucket *bucket, struct rate_answer *answer)
{
    const struct tp_table_spot spot = { .hash = bucket->hash, .place = bucket->place };
    int64_t now_ms = tp_session_now_ms(call->session);
    void *value;

    if (tp_table_return(rate->rule.table, &spot, now_ms, &value) != TP_OK) {
        bucket->place = 0;
        bucket->hash = 0;
        return false;
    }
    *answer = rate_take(rate, value, now_ms * NS_PER_MS, rate_cost(call, rate));
    tp_table_leave(rate->rule.table, &value);
    return true;
}

static void
rate_give_back(const struct tp_hook_call *call, const struct limit_rate *rate)
{
    int64_t cost_ns = rate_cost_ns(rate, rate_cost(call, rate));
    struct tp_slice key;
    void *value;

    if (rate->key.count == 0) {
        struct limit_session *data = tp_session_data_get(call->session, &tp_module_limit);
        int64_t *full_ns = data == NULL ? NULL : session_count(data, rate->rule.zone_hash, 0);

        if (full_ns != NULL) {
            *full_ns -= cost_ns;
        }
        return;
    }
    if (tp_template_expand(&rate->key, call->exchange, &key) != TP_OK) {
        return;
    }
    if (key.len > 0
        && tp_table_find(rate->rule.table, (struct tp_str){ (const char *) key.data, key.len },
                         &value)
               == TP_OK) {
        *(int64_t *) value -= cost_ns;
        tp_table_leave(rate->rule.table, &value);
    }
    tp_buf_release(key.buf);
}

/* The session's own count of a zone; NULL: no room. */
static int64_t *
session_count(struct limit_session *data, uint32_t name, int64_t now_ns)
{
    struct limit_bucket *bucket = session_bucket(data, name, now_ns);

    if (bucket == NULL) {
        return NULL;
    }
    if (bucket->place != 0) {
        /* Before a reload the rule had a key. */
        *bucket = (struct limit_bucket){ .name = name };
    }
    return &bucket->full_ns;
}

/* For a key that stays the same: where the session's place is noted; NULL: nowhere. */
static struct limit_bucket *
session_place(const struct tp_hook_call *call, const struct limit_rate *rate)
{
    bool has_own_identity =
        tp_exchange_identity(call->exchange) != tp_session_identity(call->session);

    if (!rate->is_of_session || has_own_identity || tp_session_is_dialed(call->session)) {
        return NULL;
    }
    struct limit_session *data = tp_session_data_make(call->session, &tp_module_limit);

    return data == NULL ? NULL
                        : session_bucket(data, rate->place_hash,
                                         tp_session_now_ms(call->session) * NS_PER_MS);
}

/* What the session has under a name; one that is full is as good as none.  NULL: no room. */
static struct limit_bucket *
session_bucket(struct limit_session *data, uint32_t name, int64_t now_ns)
{
    struct limit_bucket *free_bucket = NULL;

    for (size_t i = 0; i < LIMIT_BUCKETS_MAX; i++) {
        struct limit_bucket *bucket = &data->buckets[i];

        if (bucket->name == name) {
            return bucket;
        }
        if (free_bucket == NULL
            && (bucket->name == 0 || bucket->place != 0 || bucket->full_ns <= now_ns)) {
            free_bucket = bucket;
        }
    }
    if (free_bucket == NULL) {
        return NULL;
    }
    *free_bucket = (struct limit_bucket){ .name = name };
    return free_bucket;
}

static uint64_t
rate_cost(const struct tp_hook_call *call, const struct limit_rate *rate)
{
    return rate->speed.is_of_bytes ? tp_exchange_request(call->exchange)->wire_bytes : 1;
}

/* A packet's is known. */
static int64_t
rate_cost_ns(const struct limit_rate *rate, uint64_t cost)
{
    return cost == 1 ? rate->unit_ns : limit_speed_time_ns(&rate->speed, cost);
}

static enum tp_verdict
rate_refuse(struct tp_hook_call *call, const struct limit_conf *conf, size_t refused_by)
{
    const struct limit_rate *rates = conf->rates.items;
    const struct limit_rule *rule = &rates[refused_by].rule;

    tp_meter_add(conf->is_dry_run ? &rule->would_refuse : &rule->refused, 1);
    limit_log(rule, call->session, conf->is_dry_run ? "would-refuse" : "refused");
    if (conf->is_dry_run) {
        return TP_PASS;
    }
    for (size_t i = 0; i < refused_by; i++) {
        rate_give_back(call, &rates[i]);
    }
    call->refusal = tp_status_of(TP_STATUS_TOO_MANY_REQUESTS);
    return TP_REFUSE;
}

/* The exchange goes on when its time has come; where memory is out, at once. */
static enum tp_verdict
rate_delay(struct tp_hook_call *call, const struct limit_conf *conf, const struct limit_rate *rate,
           int64_t wait_ns)
{
    struct tp_sessions *home = tp_session_get_handle(call->session).home;
    struct limit_wait **first = &rate->rule.state->waits;

    if (conf->is_dry_run) {
        tp_meter_add(&rate->rule.would_refuse, 1);
        limit_log(&rate->rule, call->session, "would-refuse");
        return TP_PASS;
    }
    struct limit_wait *wait = calloc(1, sizeof(*wait));

    if (wait != NULL) {
        wait->timer = tp_home_timer_create(home, wait_on_expire, wait);
    }
    if (wait == NULL || wait->timer == NULL) {
        free(wait);
        return TP_PASS;
    }
    wait->exchange = call->exchange;
    wait->next = *first;
    wait->link = first;
    if (*first != NULL) {
        (*first)->link = &wait->next;
    }
    *first = wait;
    tp_home_timer_start(wait->timer, (struct tp_msec){ (wait_ns + NS_PER_MS - 1) / NS_PER_MS });
    tp_meter_add(&rate->rule.delayed, 1);
    limit_log(&rate->rule, call->session, "delayed");
    return TP_LATER;
}

static void
wait_on_expire(struct tp_home_timer *timer, void *owner)
{
    struct limit_wait *wait = owner;
    struct tp_exchange *exchange = wait->exchange;

    (void) timer;
    wait_free(wait);
    tp_exchange_resume(exchange, TP_PASS, NULL);
}

static void
wait_free(struct limit_wait *wait)
{
    *wait->link = wait->next;
    if (wait->next != NULL) {
        wait->next->link = wait->link;
    }
    tp_home_timer_destroy(&wait->timer);
    free(wait);
}
