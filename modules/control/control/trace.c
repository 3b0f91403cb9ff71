/*
 * trace.c - exchanges shown to a session that has asked for them, whichever worker has them.
 *
 *   PULL /control/trace                      every worker
 *      an entry in the table  -- told ------> reads the table: what is new is watched for,
 *                                             what is gone is not any more
 *      PUSH /control/traced  <-- courier ---- an exchange has ended: said soon after
 *
 * What counts is the table; what workers tell one another is only that there is something to read, and
 * it is told again every second, for who has missed it.  The worker that has the session renews the
 * entry; what is not renewed was of a worker that died, and whoever sees that takes it out.  So a trace
 * goes on amid reloads, and in workers that are started later.
 *
 * Runs in: worker.  Owns: the desk of this worker.
 * Read next: trace_request.c, trace_watch.c.
 */
#include "trace.h"

#include "trace_desk.h"

enum {
    TRACE_STALE_MS = 5 * TRACE_TICK_MS, /* an entry that nobody has renewed for so long */
    TRACE_LAST_MS = 50, /* how long the last of a counted trace may be on the way from a worker */
    TRACE_ENTRIES_READ_MAX = 2 * TRACES_MAX,
};

#define TABLE_NAME "control-traces"

/* The entries as they were read: what is done with them is done without their locks. */
struct trace_reading {
    int64_t now_ms;
    unsigned count;
    struct trace_entry entries[TRACE_ENTRIES_READ_MAX];
};

static void desk_close(struct trace_desk *desk);
static void desk_read(struct trace_desk *desk);
static enum tp_result desk_write(const struct trace_desk *desk, const struct trace_entry *entry);
static void desk_enter_anew(struct trace_desk *desk, struct trace_watch *watch);
static bool desk_has_shown_all(struct trace_desk *desk, struct trace_watch *watch);
static bool desk_visit(struct tp_str key, void *value, void *owner);
static struct trace_watch *desk_find(const struct trace_desk *desk, uint64_t number);
static void desk_on_tick(struct tp_home_timer *timer, void *owner);
static void desk_on_flush(struct tp_home_timer *timer, void *owner);

static const char *trace_refusal(const struct tp_exchange *exchange,
                                 const struct control_conf *conf, const struct trace_entry *entry,
                                 enum tp_status_code *code);
static enum tp_result trace_enter(struct trace_desk *desk, struct trace_entry *entry);
static void trace_reply_begun(struct tp_exchange *exchange, const struct trace_entry *entry);

static const struct tp_table_layout trace_layout = {
    .version = 1,
    .value_size = sizeof(struct trace_entry),
};

_Static_assert(sizeof(struct trace_entry) <= TP_TABLE_VALUE_MAX, "an entry is a value of a table");
_Static_assert(TRACES_MAX <= (int) TP_TRACES_MAX, "a worker can watch for all of them");
_Static_assert(TRACES_MAX == 16, "trace_on_begin() says so");

void
trace_validate(const struct tp_block *block, struct control_conf *conf)
{
    if (tp_block_writes(block, "control")) {
        tp_table_declare(block, "control", &conf->traces, &trace_layout, TP_STR(TABLE_NAME),
                         TRACES_MAX);
    }
}

enum tp_result
trace_start(struct tp_sessions *home, const struct control_conf *conf)
{
    struct trace_desk *desk = tp_home_data_get(home, &tp_module_control);

    if (conf->traces == NULL) {
        return TP_OK;
    }
    struct trace_use *use = calloc(1, sizeof(*use));

    if (desk == NULL && use != NULL) {
        desk = calloc(1, sizeof(*desk));
        if (desk != NULL) {
            desk->home = home;
            desk->tick = tp_home_timer_create(home, desk_on_tick, desk);
            desk->flush = tp_home_timer_create(home, desk_on_flush, desk);
        }
        if (desk == NULL || desk->tick == NULL || desk->flush == NULL
            || tp_home_data_set(home, &tp_module_control, desk) != TP_OK) {
            desk_close(desk);
            desk = NULL;
        }
    }
    if (desk == NULL || use == NULL) {
        free(use);
        return TP_NO_MEMORY;
    }
    use->conf = conf;
    use->next = desk->uses;
    desk->uses = use;
    desk_read(desk);
    return TP_OK;
}

void
trace_stop(struct tp_sessions *home, const struct control_conf *conf)
{
    struct trace_desk *desk = tp_home_data_get(home, &tp_module_control);
    struct trace_use **at = desk == NULL ? NULL : &desk->uses;

    while (at != NULL && *at != NULL && (*at)->conf != conf) {
        at = &(*at)->next;
    }
    if (at == NULL || *at == NULL) {
        return;
    }
    struct trace_use *use = *at;

    if (desk->uses == use && use->next == NULL) {
        /* Nobody may ask for a trace any more.  The table is there until this returns. */
        for (unsigned i = 0; i < TRACES_MAX; i++) {
            if (desk->watches[i] != NULL && desk->watches[i]->is_own) {
                trace_watch_end_own(desk->watches[i], "configuration");
            }
        }
        enum tp_result result = tp_home_data_set(home, &tp_module_control, NULL);

        TP_ASSERT(result == TP_OK);
        desk_close(desk);
        return;
    }
    *at = use->next;
    free(use);
    desk_read(desk);
}

void
trace_on_told(struct tp_sessions *home)
{
    struct trace_desk *desk = tp_home_data_get(home, &tp_module_control);

    if (desk != NULL) {
        desk_read(desk);
    }
}

void
trace_on_begin(struct tp_exchange *exchange, const cJSON *request, const struct control_conf *conf)
{
    struct tp_sessions *home = tp_exchange_home(exchange);
    struct trace_desk *desk = tp_home_data_get(home, &tp_module_control);
    struct trace_entry entry = { .renewed_ms = tp_home_now_ms(home) };
    const char *why = trace_read_request(request, entry.renewed_ms, &entry);
    enum tp_status_code code = TP_STATUS_BAD_REQUEST;
    enum tp_result result;

    if (why == NULL) {
        why = trace_refusal(exchange, conf, &entry, &code);
    }
    if (why != NULL || desk == NULL) {
        control_refuse_with(exchange, code, why == NULL ? "this worker stops" : why);
        return;
    }
    entry.serial = ++desk->serial;
    entry.number = tp_session_number(tp_exchange_session(exchange));
    entry.rate = conf->trace_rate;
    entry.body_limit = (size_t) conf->trace_body.bytes;
    result = trace_enter(desk, &entry);
    if (result == TP_FULL) {
        control_refuse_with(exchange, TP_STATUS_SERVICE_UNAVAILABLE,
                            "16 traces are under way, and more there may not be");
    } else if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    } else {
        trace_reply_begun(exchange, &entry);
    }
}

void
trace_on_end(struct tp_exchange *exchange, const cJSON *request, const struct control_conf *conf)
{
    struct trace_desk *desk = tp_home_data_get(tp_exchange_home(exchange), &tp_module_control);
    struct trace_watch *watch =
        desk == NULL ? NULL : desk_find(desk, tp_session_number(tp_exchange_session(exchange)));

    (void) request;
    (void) conf;
    if (watch == NULL) {
        control_refuse_with(exchange, TP_STATUS_NOT_FOUND, "this session has no trace");
        return;
    }
    trace_entry_remove(desk, &watch->entry);
    trace_watch_end(watch);
    trace_desk_tell(desk);
    tp_exchange_reply_copy(exchange, TP_STR("{}"), TP_CODEC_JSON);
}

/* NULL, or why there can be no such trace. */
static const char *
trace_refusal(const struct tp_exchange *exchange, const struct control_conf *conf,
              const struct trace_entry *entry, enum tp_status_code *code)
{
    const struct tp_session *session = tp_exchange_session(exchange);
    unsigned needed = tp_session_is_dialed(session) ? (unsigned) TP_PROTOCOL_PUSHES_UP
                                                    : (unsigned) TP_PROTOCOL_PUSHES_DOWN;

    *code = TP_STATUS_FORBIDDEN;
    if (conf->trace_mode == CONTROL_TRACE_OFF) {
        return "traces are not allowed (control_trace)";
    }
    if (entry->wants_bodies && conf->trace_mode != CONTROL_TRACE_BODIES) {
        return "bodies are not allowed (control_trace)";
    }
    *code = TP_STATUS_NOT_IMPLEMENTED;
    if ((tp_session_abilities(session) & needed) == 0) {
        return "over this protocol nobody can be told what happens";
    }
    *code = TP_STATUS_CONFLICT;
    const struct trace_desk *desk =
        tp_home_data_get(tp_exchange_home(exchange), &tp_module_control);

    return desk != NULL && desk_find(desk, tp_session_number(session)) != NULL
               ? "this session has a trace already"
               : NULL;
}

/* For all workers to see, this one first. */
static enum tp_result
trace_enter(struct trace_desk *desk, struct trace_entry *entry)
{
    enum tp_result result = TP_OK;

    if (tp_table_count(trace_desk_table(desk)) >= TRACES_MAX) {
        return TP_FULL;
    }
    struct trace_watch *watch = trace_watch_begin(desk, entry, &result);

    if (watch == NULL) {
        return result;
    }
    watch->is_own = true;
    result = desk_write(desk, entry);
    if (result != TP_OK) {
        trace_watch_end(watch);
        return result;
    }
    trace_desk_tell(desk);
    return TP_OK;
}

static enum tp_result
desk_write(const struct trace_desk *desk, const struct trace_entry *entry)
{
    struct tp_table *table = trace_desk_table(desk);
    void *value;
    enum tp_result result =
        tp_table_enter(table, trace_entry_key(&entry->number), entry->renewed_ms, &value);

    if (result == TP_OK) {
        memcpy(value, entry, sizeof(*entry));
        tp_table_leave(table, &value);
    }
    return result;
}

static void
trace_reply_begun(struct tp_exchange *exchange, const struct trace_entry *entry)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "{\"rate\":%lld,\"bodies\":%s}", (long long) entry->rate,
                       entry->wants_bodies ? "true" : "false");

    tp_exchange_reply_copy(exchange, (struct tp_str){ body, (size_t) len }, TP_CODEC_JSON);
}

bool
trace_desk_allows(const struct trace_desk *desk, enum control_trace_mode mode)
{
    for (const struct trace_use *use = desk->uses; use != NULL; use = use->next) {
        if (use->conf->traces == trace_desk_table(desk) && use->conf->trace_mode >= (int) mode) {
            return true;
        }
    }
    return false;
}

struct tp_table *
trace_desk_table(const struct trace_desk *desk)
{
    return desk->uses->conf->traces;
}

static void
desk_close(struct trace_desk *desk)
{
    if (desk == NULL) {
        return;
    }
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        if (desk->watches[i] != NULL) {
            trace_watch_end(desk->watches[i]);
        }
    }
    tp_home_timer_destroy(&desk->tick);
    tp_home_timer_destroy(&desk->flush);
    free(desk->uses);
    free(desk);
}

/* What stands in the table is what there is. */
static void
desk_read(struct trace_desk *desk)
{
    struct trace_reading reading = { .now_ms = tp_home_now_ms(desk->home) };
    enum tp_result result = tp_table_each(trace_desk_table(desk), desk_visit, &reading);

    for (unsigned i = 0; i < TRACES_MAX; i++) {
        if (desk->watches[i] != NULL) {
            /* Some could not be read: they are taken for being there until they can. */
            desk->watches[i]->is_found = result != TP_OK;
        }
    }
    for (unsigned i = 0; i < reading.count; i++) {
        const struct trace_entry *entry = &reading.entries[i];
        struct trace_watch *watch = desk_find(desk, entry->number);

        if (watch != NULL && watch->entry.serial != entry->serial) {
            trace_watch_end(watch);
            watch = NULL;
        }
        if (watch == NULL) {
            watch = trace_watch_begin(desk, entry, &result);
        }
        if (watch != NULL) {
            watch->is_found = true;
            watch->entry.left = entry->left;
        }
    }
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        struct trace_watch *watch = desk->watches[i];

        if (watch == NULL) {
            continue;
        }
        if (watch->is_own && !watch->is_found) {
            desk_enter_anew(desk, watch);
        } else if (!watch->is_found) {
            trace_watch_end(watch);
        } else if (watch->is_own && desk_has_shown_all(desk, watch)) {
            trace_watch_flush(watch);
            trace_watch_end_own(watch, "count");
        }
    }
}

/* Its entry was taken out: this worker was stopped, or busy, for longer than it counts. */
static void
desk_enter_anew(struct trace_desk *desk, struct trace_watch *watch)
{
    watch->entry.renewed_ms = tp_home_now_ms(desk->home);
    if (desk_write(desk, &watch->entry) == TP_OK) {
        trace_desk_tell(desk);
    } else {
        trace_watch_end_own(watch, "lost");
    }
}

/* What other workers have taken for the last may be on its way, or come back refused. */
static bool
desk_has_shown_all(struct trace_desk *desk, struct trace_watch *watch)
{
    int64_t now_ms = tp_home_now_ms(desk->home);

    if (!watch->entry.is_counted || watch->entry.left > 0) {
        watch->spent_ms = 0;
        return false;
    }
    if (watch->spent_ms == 0) {
        watch->spent_ms = now_ms;
    }
    if (now_ms - watch->spent_ms < TRACE_LAST_MS) {
        trace_desk_tick_in(desk, watch->spent_ms + TRACE_LAST_MS - now_ms);
        return false;
    }
    return true;
}

static bool
desk_visit(struct tp_str key, void *value, void *owner)
{
    struct trace_reading *reading = owner;
    const struct trace_entry *entry = value;

    (void) key;
    if (entry->serial == 0 || reading->now_ms - entry->renewed_ms > TRACE_STALE_MS) {
        return false;
    }
    if (reading->count < TRACE_ENTRIES_READ_MAX) {
        reading->entries[reading->count++] = *entry;
    }
    return true;
}

static struct trace_watch *
desk_find(const struct trace_desk *desk, uint64_t number)
{
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        if (desk->watches[i] != NULL && desk->watches[i]->entry.number == number) {
            return desk->watches[i];
        }
    }
    return NULL;
}

void
trace_desk_tell(struct trace_desk *desk)
{
    enum tp_result result = tp_home_tell(desk->home, &tp_module_control, TP_STR("traces"));

    (void) result;
}

/* Of the traces that are ours, those go on that may; the others are looked for. */
static void
desk_on_tick(struct tp_home_timer *timer, void *owner)
{
    struct trace_desk *desk = owner;
    bool has_own = false;

    (void) timer;
    desk->is_ticking = false;
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        struct trace_watch *watch = desk->watches[i];

        if (watch != NULL && watch->is_own) {
            has_own = true;
            trace_watch_renew(watch);
        }
    }
    if (has_own) {
        trace_desk_tell(desk);
    }
    desk_read(desk);
    if (desk->watch_count > 0) {
        trace_desk_tick_in(desk, TRACE_TICK_MS);
    }
}

void
trace_desk_tick_in(struct trace_desk *desk, int64_t delay_ms)
{
    int64_t at_ms = tp_home_now_ms(desk->home) + (delay_ms > 1 ? delay_ms : 1);

    if (!desk->is_ticking || at_ms < desk->tick_ms) {
        desk->is_ticking = true;
        desk->tick_ms = at_ms;
        tp_home_timer_start(desk->tick, (struct tp_msec){ delay_ms > 1 ? delay_ms : 1 });
    }
}

static void
desk_on_flush(struct tp_home_timer *timer, void *owner)
{
    struct trace_desk *desk = owner;

    (void) timer;
    desk->is_flushing = false;
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        if (desk->watches[i] != NULL) {
            trace_watch_flush(desk->watches[i]);
        }
    }
}
