/*
 * watch.c - tells sessions of changes, and lets whoever has made one know when every worker has
 * heard of it.
 *
 * A change is told with its revision.  Whom it could not be told, because its send queue is full,
 * is told to read all again as soon as that goes: nobody takes a gap for a quiet time.
 *
 * Runs in: worker.  Owns: the answers that wait.  Read next: find.c.
 */
#include "registry.h"

#include <stdlib.h>
#include <string.h>

#define CHANGED_URI TP_STR("/registry/changed")

enum {
    ANSWER_LOOK_MS = 2,
    MS_PER_SECOND = 1000,
};

static cJSON *change_write(const struct registry_view *view, const struct registry_change *change,
                           const struct registry_entry *entry);
static void watcher_tell(struct registry_session *data, const char *text);
static void answer_finish(struct registry_answer *answer);

void
registry_watch_begin(struct registry_session *data)
{
    struct registry_view *view = data->view;

    registry_watch_end(data);
    data->next_watcher = view->watchers;
    data->watcher_link = &view->watchers;
    if (view->watchers != NULL) {
        view->watchers->watcher_link = &data->next_watcher;
    }
    view->watchers = data;
    data->is_behind = false;
}

void
registry_watch_end(struct registry_session *data)
{
    if (data->watcher_link == NULL) {
        return;
    }
    *data->watcher_link = data->next_watcher;
    if (data->next_watcher != NULL) {
        data->next_watcher->watcher_link = data->watcher_link;
    }
    data->next_watcher = NULL;
    data->watcher_link = NULL;
}

void
registry_watch_tell(struct registry_view *view, const struct registry_change *change,
                    const struct registry_entry *entry)
{
    cJSON *value = view->watchers == NULL ? NULL : change_write(view, change, entry);
    char *text = value == NULL ? NULL : cJSON_PrintUnformatted(value);

    for (struct registry_session *data = view->watchers; data != NULL; data = data->next_watcher) {
        bool is_theirs = data->service[0] == '\0' || change->kind == REGISTRY_REREAD
                         || strcmp(data->service, change->service) == 0;

        if (text == NULL && is_theirs) {
            data->is_behind = true;
        } else if (is_theirs && !data->is_behind) {
            watcher_tell(data, text);
        }
    }
    cJSON_free(text);
    cJSON_Delete(value);
}

void
registry_watch_catch_up(struct registry_view *view)
{
    for (struct registry_session *data = view->watchers; data != NULL; data = data->next_watcher) {
        if (data->is_behind) {
            const struct registry_change change = {
                .revision = view->revision,
                .kind = REGISTRY_REREAD,
            };

            registry_watch_tell_one(data, &change);
        }
    }
}

void
registry_watch_tell_one(struct registry_session *data, const struct registry_change *change)
{
    cJSON *value = change_write(data->view, change, NULL);
    char *text = value == NULL ? NULL : cJSON_PrintUnformatted(value);

    data->is_behind = text == NULL;
    if (text != NULL) {
        watcher_tell(data, text);
    }
    cJSON_free(text);
    cJSON_Delete(value);
}

void
registry_answer_later(struct registry_view *view, struct tp_exchange *exchange, cJSON *value)
{
    const struct registry_tables *tables = registry_view_tables(view);
    int64_t now_ms = tp_home_now_ms(view->home);

    if (value == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    bool is_due = registry_store_all_have(tables, view->revision, now_ms);
    struct registry_answer *answer = is_due ? NULL : calloc(1, sizeof(*answer));

    if (answer == NULL) {
        tp_exchange_reply_value(exchange, value);
        cJSON_Delete(value);
        return;
    }
    answer->exchange = exchange;
    answer->value = value;
    answer->revision = view->revision;
    answer->deadline_ms = now_ms + REGISTRY_WORKERS_WAIT_MS;
    tp_exchange_keep(exchange);
    answer->next = view->answers;
    view->answers = answer;
    tp_home_timer_start(view->soon, (struct tp_msec){ ANSWER_LOOK_MS });
}

void
registry_answers_look(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);
    int64_t now_ms = tp_home_now_ms(view->home);
    struct registry_answer **at = &view->answers;

    while (*at != NULL) {
        struct registry_answer *answer = *at;
        bool is_late = answer->deadline_ms <= now_ms;

        if (is_late || registry_store_all_have(tables, answer->revision, now_ms)) {
            *at = answer->next;
            answer_finish(answer);
        } else {
            at = &answer->next;
        }
    }
    if (view->answers != NULL) {
        tp_home_timer_start(view->soon, (struct tp_msec){ ANSWER_LOOK_MS });
    }
}

void
registry_answers_end(struct registry_view *view)
{
    while (view->answers != NULL) {
        struct registry_answer *answer = view->answers;

        view->answers = answer->next;
        answer_finish(answer);
    }
}

cJSON *
registry_member_show(const struct registry_view *view, const struct registry_entry *entry)
{
    int64_t age_ms = tp_home_now_ms(view->home) - entry->since_ms;
    cJSON *shown = registry_entry_write(entry);
    const char *state = entry->is_draining                        ? "draining"
                        : registry_member_is_failing(view, entry) ? "failing"
                                                                  : "up";
    bool is_whole =
        shown != NULL && cJSON_AddStringToObject(shown, "key", entry->key) != NULL
        && cJSON_AddStringToObject(shown, "state", state) != NULL
        && cJSON_AddNumberToObject(shown, "age", (double) age_ms / MS_PER_SECOND) != NULL;

    if (is_whole && entry->is_foreign) {
        is_whole =
            cJSON_AddStringToObject(shown, "from", entry->is_via ? "server" : "redis") != NULL;
    }
    if (is_whole && !entry->has_address) {
        is_whole = cJSON_AddItemToObject(shown, "session",
                                         tp_json_create_integer((int64_t) entry->session));
    }
    if (!is_whole) {
        cJSON_Delete(shown);
        return NULL;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(shown, "service");
    return shown;
}

/* {"revision":7,"event":"joined","service":"math","key":"…","member":{…}}; NULL: memory is out. */
static cJSON *
change_write(const struct registry_view *view, const struct registry_change *change,
             const struct registry_entry *entry)
{
    cJSON *value = cJSON_CreateObject();
    bool is_whole =
        cJSON_AddItemToObject(value, "revision", tp_json_create_integer((int64_t) change->revision))
        && cJSON_AddStringToObject(value, "event", registry_change_word(change->kind)) != NULL;

    if (change->kind != REGISTRY_REREAD && change->kind != REGISTRY_ENDED) {
        is_whole = is_whole && cJSON_AddStringToObject(value, "service", change->service) != NULL
                   && cJSON_AddStringToObject(value, "key", change->key) != NULL;
    }
    if (entry != NULL) {
        is_whole =
            is_whole && cJSON_AddItemToObject(value, "member", registry_member_show(view, entry));
    }
    if (!is_whole) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

static void
watcher_tell(struct registry_session *data, const char *text)
{
    const struct tp_send_options options = {
        .size = sizeof(options),
        .body_codec = TP_CODEC_JSON,
    };
    struct tp_session *session = tp_session_at(data->handle);

    if (session != NULL
        && tp_session_push(session, CHANGED_URI, registry_text(text), &options) != TP_OK) {
        data->is_behind = true;
    }
}

static void
answer_finish(struct registry_answer *answer)
{
    tp_exchange_reply_value(answer->exchange, answer->value);
    cJSON_Delete(answer->value);
    free(answer);
}
