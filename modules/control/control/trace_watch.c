/*
 * trace_watch.c - a trace in one worker: what it has seen, and how that gets to who has asked.
 *
 * Who reads too slowly hurts nobody: a trace has a rate in each worker, what waits to be said has a
 * bound, so has what was said and not yet taken, and behind that is the session's own send queue.
 * While that is full nothing is said, or even written, for a moment.  What was not shown is counted,
 * and the next thing that is says so.
 *
 * Runs in: worker.  Owns: its watches.
 * Read next: trace_event.c, src/session/trace.c.
 */
#include "trace_desk.h"

enum {
    TRACE_FLUSH_MS = 1,
    TRACE_FULL_PAUSE_MS = 100, /* after a full queue, before it is tried again */
    TRACE_UNDER_WAY_MAX = 64,  /* that were said, and are not in the session's queue yet */
    TRACE_SECOND_MS = 1000,
};

#define TRACED_URI "/control/traced"

/* Something that was said. */
struct trace_push {
    struct trace_watch *watch;
    uint64_t lost;
    bool is_event;
};

static void watch_on_traced(const struct tp_traced *traced, void *owner);
static bool watch_may_say(struct trace_watch *watch);
static bool watch_take_one(struct trace_watch *watch);
static void watch_give_back(const struct trace_watch *watch);
static bool watch_has_session(const struct trace_watch *watch);
static enum tp_result watch_push(struct trace_watch *watch, const char *json, uint64_t lost,
                                 bool is_event);
static void watch_on_pushed(enum tp_result result, const struct tp_reply *reply, void *owner);
static void watch_count_lost(struct trace_watch *watch, enum tp_result result, uint64_t lost);
static struct trace_saying watch_saying(const struct trace_watch *watch);
static struct trace_entry *entry_find(const struct trace_desk *desk,
                                      const struct trace_entry *wanted);
static void entry_leave(const struct trace_desk *desk, struct trace_entry **entry);

struct trace_watch *
trace_watch_begin(struct trace_desk *desk, const struct trace_entry *entry, enum tp_result *result)
{
    const struct tp_trace_filter filter = {
        .session_number = entry->session_number,
        .session_id = { entry->id, entry->id_len },
        .address = entry->address,
        .uri = { entry->uri, entry->uri_len },
        .status_min = entry->status_min,
        .status_max = entry->status_max,
        .duration_min_us = entry->duration_min_us,
        .spared_push = TP_STR(TRACED_URI),
    };
    unsigned place = 0;

    while (place < TRACES_MAX && desk->watches[place] != NULL) {
        place++;
    }
    struct trace_watch *watch = place == TRACES_MAX ? NULL : calloc(1, sizeof(*watch));

    if (watch == NULL) {
        *result = place == TRACES_MAX ? TP_FULL : TP_NO_MEMORY;
        return NULL;
    }
    watch->desk = desk;
    watch->entry = *entry;
    *result = tp_trace_create(desk->home, &filter, entry->wants_bodies, watch_on_traced, watch,
                              &watch->trace);
    if (*result != TP_OK) {
        free(watch);
        return NULL;
    }
    desk->watches[place] = watch;
    desk->watch_count++;
    trace_desk_tick_in(desk, TRACE_TICK_MS);
    if (entry->until_ms != 0) {
        trace_desk_tick_in(desk, entry->until_ms - tp_home_now_ms(desk->home));
    }
    return watch;
}

void
trace_watch_end(struct trace_watch *watch)
{
    struct trace_desk *desk = watch->desk;

    tp_trace_destroy(&watch->trace);
    for (; watch->waiting_count > 0; watch->waiting_count--) {
        cJSON_free(watch->waiting[watch->first].json);
        watch->first = (watch->first + 1) % TRACE_WAITING_MAX;
    }
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        if (desk->watches[i] == watch) {
            desk->watches[i] = NULL;
            desk->watch_count--;
        }
    }
    watch->desk = NULL;
    if (watch->under_way == 0) {
        free(watch);
    }
}

void
trace_watch_end_own(struct trace_watch *watch, const char *why)
{
    struct trace_desk *desk = watch->desk;
    struct trace_saying saying = watch_saying(watch);
    char *json = trace_event_write_end(why, &saying);

    trace_entry_remove(desk, &watch->entry);
    if (json != NULL && watch_push(watch, json, 0, false) != TP_OK) {
        tp_log_info(tp_home_log(desk->home), "trace-end-untold", "number=%llu",
                    (unsigned long long) watch->entry.number);
    }
    cJSON_free(json);
    trace_watch_end(watch);
    trace_desk_tell(desk);
}

void
trace_watch_renew(struct trace_watch *watch)
{
    struct trace_desk *desk = watch->desk;
    int64_t now_ms = tp_home_now_ms(desk->home);

    if (!watch_has_session(watch)) {
        trace_entry_remove(desk, &watch->entry);
        trace_watch_end(watch);
        return;
    }
    if (!trace_desk_allows(desk, CONTROL_TRACE_HEADERS)) {
        trace_watch_end_own(watch, "configuration");
        return;
    }
    if (watch->entry.until_ms != 0 && now_ms >= watch->entry.until_ms) {
        trace_watch_flush(watch);
        trace_watch_end_own(watch, "time");
        return;
    }
    struct trace_entry *entry = entry_find(desk, &watch->entry);

    if (entry != NULL) {
        entry->renewed_ms = now_ms;
        entry_leave(desk, &entry);
    }
}

static void
watch_on_traced(const struct tp_traced *traced, void *owner)
{
    struct trace_watch *watch = owner;
    struct trace_saying saying = watch_saying(watch);

    if (watch->entry.is_counted && watch->entry.left == 0) {
        return;
    }
    saying.lost += tp_trace_take_missed(watch->trace);
    watch->lost = saying.lost;
    if (!watch_may_say(watch)) {
        watch->lost++;
        return;
    }
    char *json = trace_event_write(traced, &saying);

    if (json == NULL) {
        watch->lost++;
        return;
    }
    unsigned place = (watch->first + watch->waiting_count) % TRACE_WAITING_MAX;

    watch->waiting[place] = (struct trace_event){ json, saying.lost };
    watch->waiting_count++;
    watch->lost = 0;
    if (!watch->desk->is_flushing) {
        watch->desk->is_flushing = true;
        tp_home_timer_start(watch->desk->flush, (struct tp_msec){ TRACE_FLUSH_MS });
    }
}

/* Within its rate, and where there is room. */
static bool
watch_may_say(struct trace_watch *watch)
{
    int64_t now_ms = tp_home_now_ms(watch->desk->home);

    if (watch->waiting_count == TRACE_WAITING_MAX || now_ms < watch->silent_until_ms) {
        return false;
    }
    if (now_ms - watch->second_ms >= TRACE_SECOND_MS) {
        watch->second_ms = now_ms;
        watch->second_count = 0;
    }
    return ++watch->second_count <= watch->entry.rate;
}

void
trace_watch_flush(struct trace_watch *watch)
{
    while (watch->waiting_count > 0 && watch->under_way < TRACE_UNDER_WAY_MAX) {
        struct trace_event event = watch->waiting[watch->first];

        watch->first = (watch->first + 1) % TRACE_WAITING_MAX;
        watch->waiting_count--;
        if (watch_take_one(watch)) {
            enum tp_result result = watch_push(watch, event.json, event.lost, true);

            if (result != TP_OK) {
                watch_count_lost(watch, result, event.lost);
            }
        }
        cJSON_free(event.json);
    }
    if (watch->entry.is_counted && watch->entry.left == 0) {
        trace_desk_tell(watch->desk); /* The session's worker ends it. */
        trace_desk_tick_in(watch->desk, TRACE_FLUSH_MS);
    }
}

/* One of those that all workers together may show. */
static bool
watch_take_one(struct trace_watch *watch)
{
    if (!watch->entry.is_counted) {
        return true;
    }
    struct trace_entry *entry = entry_find(watch->desk, &watch->entry);
    bool is_taken = entry != NULL && entry->left > 0;

    if (entry != NULL) {
        entry->left -= is_taken ? 1 : 0;
        watch->entry.left = entry->left;
        entry_leave(watch->desk, &entry);
    }
    return is_taken;
}

static void
watch_give_back(const struct trace_watch *watch)
{
    struct trace_entry *entry =
        watch->entry.is_counted ? entry_find(watch->desk, &watch->entry) : NULL;

    if (entry != NULL) {
        entry->left++;
        entry_leave(watch->desk, &entry);
    }
}

/* Of one that is our own: is who has asked there still? */
static bool
watch_has_session(const struct trace_watch *watch)
{
    const struct tp_session_handle session = { watch->desk->home, watch->entry.number };

    return tp_session_at(session) != NULL;
}

static enum tp_result
watch_push(struct trace_watch *watch, const char *json, uint64_t lost, bool is_event)
{
    const struct tp_send_options options = {
        .body_codec = TP_CODEC_JSON,
        .has_gzip = true,
        .fails_at_once = true,
        .always_fits = !is_event,
    };
    const struct tp_remote_packet packet = {
        .to = { .number = watch->entry.number },
        .uri = TP_STR(TRACED_URI),
        .body = control_text(json),
        .options = &options,
    };
    struct trace_push *push = malloc(sizeof(*push));

    if (push == NULL) {
        return TP_NO_MEMORY;
    }
    *push = (struct trace_push){ watch, lost, is_event };
    watch->under_way++;
    enum tp_result result = tp_remote_push(watch->desk->home, &packet, watch_on_pushed, push);

    if (result != TP_OK) {
        watch->under_way--;
        free(push);
    }
    return result;
}

static void
watch_on_pushed(enum tp_result result, const struct tp_reply *reply, void *owner)
{
    struct trace_push *push = owner;
    struct trace_watch *watch = push->watch;

    (void) reply;
    watch->under_way--;
    if (watch->desk == NULL) {
        if (watch->under_way == 0) {
            free(watch);
        }
    } else if (watch->is_own && !watch_has_session(watch)) {
        trace_entry_remove(watch->desk, &watch->entry);
        trace_watch_end(watch);
    } else {
        if (result != TP_OK && push->is_event) {
            watch_count_lost(watch, result, push->lost);
        }
        trace_watch_flush(watch);
    }
    free(push);
}

/* It was not said: it does not count. */
static void
watch_count_lost(struct trace_watch *watch, enum tp_result result, uint64_t lost)
{
    watch->lost += lost + 1;
    watch_give_back(watch);
    if (result == TP_FULL) {
        watch->silent_until_ms = tp_home_now_ms(watch->desk->home) + TRACE_FULL_PAUSE_MS;
    }
}

static struct trace_saying
watch_saying(const struct trace_watch *watch)
{
    const struct trace_desk *desk = watch->desk;

    return (struct trace_saying){
        .shows_bodies = watch->entry.wants_bodies && trace_desk_allows(desk, CONTROL_TRACE_BODIES),
        .body_limit = watch->entry.body_limit,
        .worker = tp_home_slot(desk->home),
        .wall_ms = tp_home_wall_ms(desk->home),
        .lost = watch->lost,
    };
}

/* The entry of this trace, under its lock; NULL: there is none, or none can be had now. */
static struct trace_entry *
entry_find(const struct trace_desk *desk, const struct trace_entry *wanted)
{
    struct tp_table *table = trace_desk_table(desk);
    void *value = NULL;

    if (tp_table_find(table, trace_entry_key(&wanted->number), &value) != TP_OK) {
        return NULL;
    }
    struct trace_entry *entry = value;

    if (entry->serial != wanted->serial) {
        tp_table_leave(table, &value);
        return NULL;
    }
    return entry;
}

static void
entry_leave(const struct trace_desk *desk, struct trace_entry **entry)
{
    void *value = *entry;

    *entry = NULL;
    tp_table_leave(trace_desk_table(desk), &value);
}

void
trace_entry_remove(const struct trace_desk *desk, const struct trace_entry *wanted)
{
    void *value = entry_find(desk, wanted);

    if (value != NULL) {
        tp_table_remove(trace_desk_table(desk), &value);
    }
}

struct tp_str
trace_entry_key(const uint64_t *number)
{
    return (struct tp_str){ (const char *) number, sizeof(*number) };
}
