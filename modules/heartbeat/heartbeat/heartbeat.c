/*
 * heartbeat.c - sends heartbeats on sessions that are silent, answers those of other ends, and
 * ends sessions whose other end gives no sign of life.
 *
 * Any bytes are a sign of life, and the session layer knows when they came.  So a timer for each
 * session is all there is: when it expires, it looks what is due, and runs again for what comes
 * next.  A session that is never silent has it expire once per interval, and sends nothing.
 *
 * Sessions that came together shall not beat together: each has an interval of its own, a little
 * shorter than the configured one.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: teleport/heartbeat.h, teleport/session_data.h.
 */
#include <teleport/heartbeat.h>
#include <teleport/module.h>

#include <string.h>

enum {
    SECOND_MS = 1000,
    SPREAD_SHARE = 8,      /* intervals of sessions differ by up to an eighth */
    EARLY_SHARE = 16,      /* one that is due so soon is sent with this expiry of the timer */
    MISSED_INTERVALS = 2,  /* of the other end's, after which it is dead (WIRE) */
    ANNOUNCEMENT_MAX = 32, /* bytes of "/heartbeat?hb_=86400" */
    SECONDS_TEXT_MAX = 8,  /* bytes of "86400" */
};

#define INTERVAL_NAME "hb_" /* of the pair that says how many seconds lie between two */

/* A saved state: version, what is true of it, and three times. */
enum {
    SAVED_VERSION = 1,
    SAVED_FLAG_ANNOUNCED = 1,
    SAVED_TIME_BYTES = 8,
    SAVED_BYTES = 2 + 2 * SAVED_TIME_BYTES,
};

/* What is kept of a session. */
struct heartbeat_data {
    int64_t beaten_ms;    /* when we last sent one; 0: not yet, on this connection */
    int64_t theirs_ms;    /* so often the other end sends them; 0: it has sent none */
    int64_t asked_us;     /* when the PULL that is under way was sent; 0: none is, or a signal */
    int64_t signalled_ms; /* when the last signal was, that is to be answered */
    bool has_announced;   /* the other end counts on ours */
};

/* What the clock says of a session. */
struct heartbeat_times {
    int64_t now_ms;
    int64_t interval_ms; /* the session's own */
    int64_t due_ms;      /* the next one; INT64_MAX: none is */
    int64_t end_ms;      /* until then the other end may be silent; INT64_MAX: for ever */
};

/* How often the other end of a heartbeat says that it sends them. */
enum heartbeat_word {
    HEARTBEAT_UNSAID,
    HEARTBEAT_SAID,
    HEARTBEAT_WRONG,
};

static enum tp_verdict heartbeat_on_open(struct tp_hook_call *call, const void *module_conf);
static bool heartbeat_wants_hooks(const void *module_conf);
static bool heartbeat_is_wanted(const void *module_conf);
static bool heartbeat_is_logged(const void *module_conf);
static void heartbeat_begin(struct tp_session *session, const struct tp_heartbeat *conf);
static void heartbeat_on_conf(struct tp_session *session, const void *module_conf);
static void heartbeat_on_time(struct tp_session *session, void *kept, const void *module_conf);
static void heartbeat_plan(struct tp_session *session, const struct heartbeat_data *data,
                           const struct tp_heartbeat *conf);
static struct heartbeat_times heartbeat_reckon(const struct tp_session *session,
                                               const struct heartbeat_data *data,
                                               const struct tp_heartbeat *conf);
static void heartbeat_wake(struct tp_session *session, const struct heartbeat_times *times);
static bool heartbeat_may_beat(const struct tp_session *session, const struct tp_heartbeat *conf);
static int64_t heartbeat_since_ms(const struct tp_session *session,
                                  const struct heartbeat_data *data, int64_t heard_ms);
static int64_t heartbeat_interval_ms(const struct tp_session *session,
                                     const struct tp_heartbeat *conf);
static int64_t heartbeat_limit_ms(const struct heartbeat_data *data,
                                  const struct tp_heartbeat *conf);
static int64_t heartbeat_timeout_ms(const struct tp_heartbeat *conf);
static void heartbeat_beat(struct tp_session *session, struct heartbeat_data *data,
                           const struct tp_heartbeat *conf);
static enum tp_result heartbeat_send(struct tp_session *session, struct heartbeat_data *data,
                                     const struct tp_heartbeat *conf);
static enum tp_result heartbeat_queue(struct tp_session *session, struct heartbeat_data *data,
                                      const struct tp_heartbeat *conf, bool is_push,
                                      struct tp_str uri, struct tp_str metadata);
static bool heartbeat_is_asked(const struct tp_session *session, const struct heartbeat_data *data,
                               const struct tp_heartbeat *conf);
static size_t heartbeat_write_seconds(const struct tp_heartbeat *conf, char *text);
static void heartbeat_on_reply(const struct tp_reply *reply, void *owner);
static void heartbeat_handle(struct tp_exchange *exchange, const void *module_conf);
static void heartbeat_refuse(struct tp_exchange *exchange, struct tp_str cause);
static enum heartbeat_word heartbeat_read(const struct tp_exchange *exchange, int64_t *seconds);
static const char *heartbeat_check(const void *module_conf, const char **directive);
static enum tp_result heartbeat_save(const void *kept, struct tp_buf_pool *pool,
                                     struct tp_chain *saved);
static enum tp_result heartbeat_restore(void *kept, struct tp_str saved);
static int64_t saved_read_time(struct tp_str saved, size_t at);
static void saved_write_time(uint8_t *to, int64_t time_ms);

static const struct tp_word interval_words[] = {
    { "off", -1 },
    { "answer", 0 },
    { NULL, 0 },
};

static const struct tp_word timeout_words[] = {
    { "auto", 0 },
    { NULL, 0 },
};

static const struct tp_word mode_words[] = {
    { "pull", TP_HEARTBEAT_PULL },
    { "push", TP_HEARTBEAT_PUSH },
    { NULL, 0 },
};

static const struct tp_argument heartbeat_arguments[] = {
    {
        .name = "INTERVAL", .kind = TP_ARGUMENT_REQUIRED,
        TP_TIME(struct tp_heartbeat, interval), .words = interval_words,
        .preset = "answer", .min = "100ms", .max = "1d",
        .brief = "The longest silence of the other end before one is sent; answer: none is sent; "
                 "off: nor are those of the other end answered.",
    },
    {
        .name = "timeout", .kind = TP_ARGUMENT_NAMED, TP_TIME(struct tp_heartbeat, timeout),
        .words = timeout_words, .preset = "auto", .min = "200ms", .max = "7d",
        .brief = "The silence after which the session ends; auto: three times INTERVAL.",
    },
    {
        .name = "mode", .kind = TP_ARGUMENT_NAMED,
        TP_WORD(struct tp_heartbeat, mode, mode_words), .preset = "pull",
        .brief = "Whether they are PULLs, which everybody answers, or PUSHes, after which only an "
                 "end is taken for dead that has itself sent heartbeats.",
    },
};

static const struct tp_directive heartbeat_directives[] = {
    {
        .name = "heartbeat", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_ARGUMENTS(heartbeat_arguments), .applies = TP_APPLIES_IN_PLACE, .since = "0.1",
        .brief = "Sends heartbeats on sessions that are silent, and ends those whose other end "
                 "gives no sign of life.",
    },
    {
        .name = "heartbeat_log", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_FLAG(struct tp_heartbeat, is_logged), .preset = "off",
        .applies = TP_APPLIES_IN_PLACE, .since = "0.1",
        .brief = "Whether heartbeats of other ends are logged as other exchanges are.",
    },
};

static const struct tp_own_route heartbeat_routes[] = {
    {
        .uri = TP_HEARTBEAT_URI,
        .is_wanted = heartbeat_is_wanted,
        .is_logged = heartbeat_is_logged,
    },
};

const struct tp_module tp_module_heartbeat = {
    .name = "heartbeat",
    .brief = "Finds out that nobody is at the other end of a session any more.",
    .conf_size = sizeof(struct tp_heartbeat),
    TP_DIRECTIVES(heartbeat_directives),
    .run_after = "auth limit",
    .check = heartbeat_check,
    .hooks = { .at = {
        [TP_HOOK_POST_ACCEPT] = heartbeat_on_open,
        [TP_HOOK_POST_DIAL] = heartbeat_on_open,
    } },
    .wants_hooks = heartbeat_wants_hooks,
    .session = {
        .size = sizeof(struct heartbeat_data),
        .on_time = heartbeat_on_time,
        .on_conf = heartbeat_on_conf,
        .save = heartbeat_save,
        .restore = heartbeat_restore,
    },
    TP_OWN_ROUTES(heartbeat_routes),
    .handle = heartbeat_handle,
};

/* Behind the hooks that authenticate: who has not been let in has no heartbeat. */
static enum tp_verdict
heartbeat_on_open(struct tp_hook_call *call, const void *module_conf)
{
    struct heartbeat_data *data = tp_session_data_get(call->session, &tp_module_heartbeat);

    if (data != NULL) {
        /* Of the connection before. */
        *data = (struct heartbeat_data){ .beaten_ms = 0 };
    }
    heartbeat_begin(call->session, module_conf);
    return TP_PASS;
}

/* Who sends none has nothing to do when a session begins. */
static bool
heartbeat_wants_hooks(const void *module_conf)
{
    const struct tp_heartbeat *conf = module_conf;

    return conf->interval.ms > 0;
}

static bool
heartbeat_is_wanted(const void *module_conf)
{
    const struct tp_heartbeat *conf = module_conf;

    return conf->interval.ms >= 0;
}

static bool
heartbeat_is_logged(const void *module_conf)
{
    const struct tp_heartbeat *conf = module_conf;

    return conf->is_logged;
}

/* Without memory for it the session goes on without; the next reload or connection tries again. */
static void
heartbeat_begin(struct tp_session *session, const struct tp_heartbeat *conf)
{
    struct heartbeat_data *data = tp_session_data_make(session, &tp_module_heartbeat);

    if (data != NULL) {
        heartbeat_plan(session, data, conf);
    }
}

static void
heartbeat_on_conf(struct tp_session *session, const void *module_conf)
{
    const struct tp_heartbeat *conf = module_conf;
    struct heartbeat_data *data = tp_session_data_get(session, &tp_module_heartbeat);

    if (tp_session_get_state(session) == TP_SESSION_CONNECTING) {
        return; /* It begins when it is connected. */
    }
    if (data != NULL) {
        heartbeat_plan(session, data, conf);
    } else if (conf->interval.ms > 0) {
        heartbeat_begin(session, conf);
    }
}

static void
heartbeat_on_time(struct tp_session *session, void *kept, const void *module_conf)
{
    const struct tp_heartbeat *conf = module_conf;
    struct heartbeat_data *data = kept;
    enum tp_session_state state = tp_session_get_state(session);

    if (state == TP_SESSION_CONNECTING || state == TP_SESSION_ENDING) {
        return;
    }
    struct heartbeat_times times = heartbeat_reckon(session, data, conf);

    if (times.end_ms <= times.now_ms) {
        tp_session_cut(session, TP_CLOSE_HEARTBEAT_TIMEOUT);
        return;
    }
    if (state == TP_SESSION_OPEN
        && times.due_ms <= times.now_ms + times.interval_ms / EARLY_SHARE) {
        heartbeat_beat(session, data, conf);
        times.due_ms = times.now_ms + times.interval_ms;
    }
    heartbeat_wake(session, &times);
}

/* Sets the timer for what comes next, if anything does. */
static void
heartbeat_plan(struct tp_session *session, const struct heartbeat_data *data,
               const struct tp_heartbeat *conf)
{
    const struct heartbeat_times times = heartbeat_reckon(session, data, conf);

    heartbeat_wake(session, &times);
}

static struct heartbeat_times
heartbeat_reckon(const struct tp_session *session, const struct heartbeat_data *data,
                 const struct tp_heartbeat *conf)
{
    int64_t heard_ms = tp_session_heard_ms(session);
    int64_t limit_ms = heartbeat_limit_ms(data, conf);
    struct heartbeat_times times = {
        .now_ms = tp_session_now_ms(session),
        .end_ms = limit_ms > 0 ? heard_ms + limit_ms : INT64_MAX,
        .due_ms = INT64_MAX,
    };

    if (heartbeat_may_beat(session, conf)) {
        times.interval_ms = heartbeat_interval_ms(session, conf);
        times.due_ms = heartbeat_since_ms(session, data, heard_ms) + times.interval_ms;
    }
    return times;
}

/* What comes first; at all, if anything does. */
static void
heartbeat_wake(struct tp_session *session, const struct heartbeat_times *times)
{
    int64_t next_ms = times->due_ms < times->end_ms ? times->due_ms : times->end_ms;
    struct tp_msec delay = { 0 };

    if (next_ms != INT64_MAX) {
        delay.ms = next_ms > times->now_ms ? next_ms - times->now_ms : 1;
    }
    tp_session_wake(session, &tp_module_heartbeat, delay);
}

/* Only in conversations: an end that cannot be asked (HTTP) has no heartbeats. */
static bool
heartbeat_may_beat(const struct tp_session *session, const struct tp_heartbeat *conf)
{
    return conf->interval.ms > 0 && (tp_session_abilities(session) & TP_PROTOCOL_PULLS_DOWN) != 0;
}

/*
 * Since when there is silence, to be broken after an interval: the other end's, or ours once that counts on being told
 * that often.
 */
static int64_t
heartbeat_since_ms(const struct tp_session *session, const struct heartbeat_data *data,
                   int64_t heard_ms)
{
    int64_t since_ms = heard_ms;

    if (data->has_announced && tp_session_spoken_ms(session) < since_ms) {
        since_ms = tp_session_spoken_ms(session);
    }
    return data->beaten_ms > since_ms ? data->beaten_ms : since_ms;
}

/* The session's own. */
static int64_t
heartbeat_interval_ms(const struct tp_session *session, const struct tp_heartbeat *conf)
{
    /* Numbers that follow one another fall far from one another (Fibonacci hashing). */
    uint64_t scattered = (tp_session_number(session) * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    uint64_t spread_ms = (uint64_t) conf->interval.ms / SPREAD_SHARE;

    return conf->interval.ms - (int64_t) (scattered * spread_ms >> 32);
}

/* The silence after which the other end is dead; 0: it may be silent for ever. */
static int64_t
heartbeat_limit_ms(const struct heartbeat_data *data, const struct tp_heartbeat *conf)
{
    int64_t theirs_ms = MISSED_INTERVALS * data->theirs_ms;
    int64_t ours_ms = heartbeat_timeout_ms(conf);

    if (conf->interval.ms < 0) {
        return 0;
    }
    if (conf->interval.ms == 0 || theirs_ms == 0) {
        return conf->interval.ms > 0 && conf->mode == TP_HEARTBEAT_PULL ? ours_ms : theirs_ms;
    }
    if (conf->mode == TP_HEARTBEAT_PULL) {
        return ours_ms < theirs_ms ? ours_ms : theirs_ms;
    }
    return ours_ms > theirs_ms ? ours_ms : theirs_ms;
}

static int64_t
heartbeat_timeout_ms(const struct tp_heartbeat *conf)
{
    return conf->timeout.ms > 0 ? conf->timeout.ms : TP_HEARTBEAT_TIMES * conf->interval.ms;
}

/* Where the queue is full, or memory is out, the next one is for its interval's end. */
static void
heartbeat_beat(struct tp_session *session, struct heartbeat_data *data,
               const struct tp_heartbeat *conf)
{
    enum tp_result result = TP_UNSUPPORTED;

    data->beaten_ms = tp_session_now_ms(session);
    if (conf->mode == TP_HEARTBEAT_PULL) {
        result = tp_session_ping(session);
    }
    if (result == TP_UNSUPPORTED && heartbeat_send(session, data, conf) == TP_OK) {
        data->has_announced = true;
    }
}

/* While a PULL is under way to an end that answers none, a PUSH tells it that we are here. */
static enum tp_result
heartbeat_send(struct tp_session *session, struct heartbeat_data *data,
               const struct tp_heartbeat *conf)
{
    struct tp_str metadata = { "", 0 };
    char text[ANNOUNCEMENT_MAX] = TP_HEARTBEAT_URI "?" INTERVAL_NAME "=";
    size_t uri_len = sizeof(TP_HEARTBEAT_URI) - 1;
    size_t name_len = sizeof(INTERVAL_NAME "=") - 1;
    size_t len = uri_len + 1 + name_len;

    len += heartbeat_write_seconds(conf, text + len);
    struct tp_str uri = { text, len };

    if ((tp_session_abilities(session) & TP_PROTOCOL_METADATA) != 0) {
        metadata = (struct tp_str){ text + uri_len + 1, len - uri_len - 1 };
        uri.len = uri_len;
    }
    bool is_push = conf->mode == TP_HEARTBEAT_PUSH || heartbeat_is_asked(session, data, conf);
    enum tp_result result =
        tp_session_signal(session, is_push ? TP_PACKET_PUSH : TP_PACKET_PULL, uri, metadata);

    if (result == TP_OK && !is_push) {
        data->signalled_ms = tp_session_now_ms(session);
    }
    return result == TP_AGAIN ? heartbeat_queue(session, data, conf, is_push, uri, metadata)
                              : result;
}

/* The same as packets of a program are sent. */
static enum tp_result
heartbeat_queue(struct tp_session *session, struct heartbeat_data *data,
                const struct tp_heartbeat *conf, bool is_push, struct tp_str uri,
                struct tp_str metadata)
{
    const struct tp_send_options options = {
        .size = sizeof(options),
        .fails_at_once = true,
        .timeout = { heartbeat_timeout_ms(conf) },
        .metadata = metadata,
    };

    if (is_push) {
        return tp_session_push(session, uri, TP_STR(""), &options);
    }
    enum tp_result result =
        tp_session_pull_async(session, uri, TP_STR(""), &options, heartbeat_on_reply, session);

    data->asked_us = result == TP_OK ? tp_session_now_us(session) : 0;
    return result;
}

/* Has it been asked, and can still answer? */
static bool
heartbeat_is_asked(const struct tp_session *session, const struct heartbeat_data *data,
                   const struct tp_heartbeat *conf)
{
    bool is_in_time = tp_session_now_ms(session) - data->signalled_ms < heartbeat_timeout_ms(conf);

    return data->asked_us != 0 || (tp_session_awaits_signal(session) && is_in_time);
}

/* Whole ones, no fewer than there are. */
static size_t
heartbeat_write_seconds(const struct tp_heartbeat *conf, char *text)
{
    char digits[SECONDS_TEXT_MAX];
    uint64_t seconds = ((uint64_t) conf->interval.ms + SECOND_MS - 1) / SECOND_MS;
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char) ('0' + seconds % 10);
        seconds /= 10;
    } while (seconds > 0 && at > 0);
    memcpy(text, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

/* Comes before the session ends, which the exchange has. */
static void
heartbeat_on_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_session *session = owner;
    struct heartbeat_data *data = tp_session_data_get(session, &tp_module_heartbeat);
    int32_t code = tp_reply_status(reply)->code;
    int64_t asked_us = data->asked_us;

    data->asked_us = 0;
    if (asked_us != 0 && code >= TP_STATUS_OK && code != TP_STATUS_GATEWAY_TIMEOUT) {
        tp_session_note_rtt(session, tp_session_now_us(session) - asked_us);
    }
}

/* One of the other end. */
static void
heartbeat_handle(struct tp_exchange *exchange, const void *module_conf)
{
    struct tp_session *session = tp_exchange_session(exchange);
    struct heartbeat_data *data = tp_session_data_get(session, &tp_module_heartbeat);
    int64_t seconds = 0;
    enum heartbeat_word word = heartbeat_read(exchange, &seconds);
    bool is_first = data == NULL || data->theirs_ms == 0;

    if (word == HEARTBEAT_WRONG) {
        heartbeat_refuse(exchange, TP_STR(INTERVAL_NAME " is whole seconds, from 1 to 86400"));
        return;
    }
    if (word == HEARTBEAT_UNSAID && is_first) {
        heartbeat_refuse(exchange, TP_STR("the first heartbeat says its interval: " INTERVAL_NAME));
        return;
    }
    data = data == NULL ? tp_session_data_make(session, &tp_module_heartbeat) : data;
    if (data == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    if (word == HEARTBEAT_SAID && data->theirs_ms != seconds * SECOND_MS) {
        data->theirs_ms = seconds * SECOND_MS;
        heartbeat_plan(session, data, module_conf);
    }
    tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE);
}

static void
heartbeat_refuse(struct tp_exchange *exchange, struct tp_str cause)
{
    struct tp_status status = tp_status_of(TP_STATUS_BAD_REQUEST);

    status.cause = cause;
    tp_exchange_refuse(exchange, &status);
}

/* In the query or, where there is one, in the metadata. */
static enum heartbeat_word
heartbeat_read(const struct tp_exchange *exchange, int64_t *seconds)
{
    struct tp_str name = TP_STR(INTERVAL_NAME);
    char text[SECONDS_TEXT_MAX];
    struct tp_query_pair pair;

    if (!tp_query_find(tp_exchange_query(exchange), name, &pair)
        && !tp_query_find(tp_exchange_all_metadata(exchange), name, &pair)) {
        return HEARTBEAT_UNSAID;
    }
    size_t len = tp_query_read(pair.value, text, sizeof(text));

    if (len == 0 || len >= sizeof(text)) {
        return HEARTBEAT_WRONG;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return HEARTBEAT_WRONG;
        }
        *seconds = *seconds * 10 + (text[i] - '0');
    }
    return *seconds >= 1 && *seconds <= TP_HEARTBEAT_SECONDS_MAX ? HEARTBEAT_SAID : HEARTBEAT_WRONG;
}

static const char *
heartbeat_check(const void *module_conf, const char **directive)
{
    const struct tp_heartbeat *conf = module_conf;
    int64_t interval_ms = conf->interval.ms;

    *directive = "heartbeat";
    if (interval_ms < -1 || (interval_ms > 0 && interval_ms < TP_HEARTBEAT_INTERVAL_MIN_MS)
        || interval_ms > (int64_t) TP_HEARTBEAT_SECONDS_MAX * SECOND_MS) {
        return "the interval has to be from 100ms to 1d";
    }
    if (conf->timeout.ms != 0 && interval_ms <= 0) {
        return "without an interval there is no timeout";
    }
    if (conf->timeout.ms != 0 && conf->timeout.ms <= interval_ms) {
        return "timeout has to be longer than the interval: no answer could come in time";
    }
    return conf->mode == TP_HEARTBEAT_PULL || conf->mode == TP_HEARTBEAT_PUSH
               ? NULL
               : "the mode has to be pull or push";
}

/* A PULL that is under way does not move, nor does the answer to it count. */
static enum tp_result
heartbeat_save(const void *kept, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct heartbeat_data *data = kept;
    uint8_t bytes[SAVED_BYTES] = {
        SAVED_VERSION,
        data->has_announced ? SAVED_FLAG_ANNOUNCED : 0,
    };

    saved_write_time(bytes + 2, data->beaten_ms);
    saved_write_time(bytes + 2 + SAVED_TIME_BYTES, data->theirs_ms);
    return tp_chain_append_copy(saved, pool,
                                (struct tp_str){ (const char *) bytes, sizeof(bytes) });
}

static enum tp_result
heartbeat_restore(void *kept, struct tp_str saved)
{
    struct heartbeat_data *data = kept;

    if (saved.len < SAVED_BYTES || saved.data[0] != SAVED_VERSION) {
        return TP_INVALID;
    }
    *data = (struct heartbeat_data){
        .beaten_ms = saved_read_time(saved, 2),
        .theirs_ms = saved_read_time(saved, 2 + SAVED_TIME_BYTES),
        .has_announced = (saved.data[1] & SAVED_FLAG_ANNOUNCED) != 0,
    };
    bool is_sane = data->beaten_ms >= 0 && data->theirs_ms >= 0
                   && data->theirs_ms <= (int64_t) TP_HEARTBEAT_SECONDS_MAX * SECOND_MS;

    return is_sane ? TP_OK : TP_INVALID;
}

static void
saved_write_time(uint8_t *to, int64_t time_ms)
{
    for (size_t i = 0; i < SAVED_TIME_BYTES; i++) {
        to[i] = (uint8_t) ((uint64_t) time_ms >> (8 * (SAVED_TIME_BYTES - 1 - i)));
    }
}

static int64_t
saved_read_time(struct tp_str saved, size_t at)
{
    uint64_t time_ms = 0;

    for (size_t i = 0; i < SAVED_TIME_BYTES; i++) {
        time_ms = time_ms << 8 | (uint8_t) saved.data[at + i];
    }
    return (int64_t) time_ms;
}
