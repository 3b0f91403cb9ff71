/*
 * view.c - a worker's copy of all members.
 *
 * Changes are taken over one by one, in their order, and each is told to those who watch: so what a
 * session has been answered and what it is told afterwards have no gap.  A worker that has missed
 * changes reads all members anew, and says so.
 *
 * A view is the worker's, not a configuration's: it stays while configurations come and go, and is
 * at work as long as one of them uses it.
 *
 * Runs in: worker.  Owns: the copies, the groups, the answers that wait.  Read next: watch.c.
 */
#include "registry.h"

#include "mirror.h"

#include <stdlib.h>
#include <string.h>

enum {
    SWEEP_MS = 1000,
    SOON_MS = 5,
    STUCK_MS = 500,     /* a change that is counted and not there by then will never be */
    MEMBERS_FIRST = 64, /* that there is room for */
    STAMP_SLOT_BITS = 8,
    STAMP_COUNT_BITS = 12,
};

static struct registry_view *view_create(struct tp_sessions *home);
static void view_free(struct registry_view *view);
static enum tp_result view_begin_work(struct registry_view *view);
static void view_end_work(struct registry_view *view);
static enum tp_result view_read_all(struct registry_view *view);
static void view_apply(struct registry_view *view, const struct registry_change *change);
static bool view_set(struct registry_view *view, const struct registry_entry *entry);
static void view_unset(struct registry_view *view, uint64_t id);
static size_t view_index(const struct registry_view *view, uint64_t id);
static bool view_is_stuck(struct registry_view *view);
static void view_read_anew(struct registry_view *view);
static void view_settle(struct registry_view *view);
static void view_on_sweep(struct tp_home_timer *timer, void *owner);
static void view_sweep(struct registry_view *view);
static bool member_is_over(struct registry_view *view, const struct registry_entry *entry,
                           enum registry_change_kind *kind);
static bool member_is_unrenewed(const struct registry_entry *entry, void *owner);
static void view_on_soon(struct tp_home_timer *timer, void *owner);

enum tp_result
registry_view_start(struct tp_sessions *home, struct registry_use *use)
{
    struct registry_view *view = tp_home_data_get(home, &tp_module_registry);
    bool is_new = view == NULL;
    enum tp_result result = TP_OK;

    if (is_new) {
        view = view_create(home);
        result = view == NULL ? TP_NO_MEMORY : tp_home_data_set(home, &tp_module_registry, view);
    }
    if (result != TP_OK) {
        registry_view_release(&view);
        return result;
    }
    use->view = view;
    use->next = view->uses;
    view->uses = use;
    if (!is_new) {
        view->holders++;
        return TP_OK;
    }
    result = view_begin_work(view);
    if (result != TP_OK) {
        registry_view_stop(home, use);
    }
    return result;
}

void
registry_view_stop(struct tp_sessions *home, struct registry_use *use)
{
    struct registry_view *view = use->view;
    struct registry_use **at = view == NULL ? NULL : &view->uses;

    (void) home;
    if (view == NULL) {
        return;
    }
    while (*at != use) {
        at = &(*at)->next;
    }
    if (view->uses == use && use->next == NULL) {
        view_end_work(view);
    }
    registry_places_free(use);
    *at = use->next;
    use->view = NULL;
    registry_view_release(&view);
}

static enum tp_result
view_begin_work(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);
    bool has_died = registry_store_worker_was_there(tables, tp_home_slot(view->home));
    enum tp_result result = TP_OK;

    /* What the one before was about to say of a change, it may have taken along. */
    if (has_died) {
        result = registry_store_doubt(tables, tp_home_now_ms(view->home));
    }
    if (result == TP_OK) {
        result = view_read_all(view);
    }
    if (result != TP_OK) {
        return result;
    }
    registry_view_changed(view);
    view_sweep(view);
    tp_home_timer_start(view->sweep, (struct tp_msec){ SWEEP_MS });
    return TP_OK;
}

/* Nobody uses it any more after this, though sessions may hold it for a moment. */
static void
view_end_work(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);

    tp_home_timer_stop(view->sweep);
    tp_home_timer_stop(view->soon);
    registry_answers_end(view);
    registry_store_note_worker(tables, tp_home_slot(view->home), 0, 0);
    if (tp_home_data_set(view->home, &tp_module_registry, NULL) != TP_OK) {
        return; /* It needs no memory for what was there before. */
    }
}

void
registry_view_release(struct registry_view **released)
{
    struct registry_view *view = *released;

    *released = NULL;
    if (view != NULL && --view->holders == 0) {
        view_free(view);
    }
}

void
registry_on_told(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes)
{
    struct registry_view *view = tp_home_data_get(home, &tp_module_registry);

    (void) from_slot;
    (void) bytes;
    if (view != NULL) {
        registry_view_sync(view);
    }
}

const struct registry_tables *
registry_view_tables(const struct registry_view *view)
{
    return view->uses == NULL ? NULL : &view->uses->conf->tables;
}

void
registry_view_sync(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);
    struct registry_change change;
    uint64_t last;
    bool is_complete = tables != NULL && registry_store_revision(tables, &last) == TP_OK;

    while (is_complete && view->revision < last) {
        enum tp_result result = registry_store_change(tables, view->revision + 1, &change);

        if (result == TP_OK && change.kind != REGISTRY_REREAD) {
            view->revision++;
            view_apply(view, &change);
        } else if (result == TP_OK || result == TP_GONE || view_is_stuck(view)) {
            view_read_anew(view);
            break;
        } else {
            is_complete = false;
        }
    }
    if (is_complete) {
        view->stuck_since_ms = 0;
    }
    view_settle(view);
}

void
registry_view_changed(struct registry_view *view)
{
    enum tp_result result = tp_home_tell(view->home, &tp_module_registry, TP_STR("changed"));

    if (result != TP_OK) {
        /* Those that were not told look by themselves, once a second. */
        tp_log_debug(tp_home_log(view->home), "registry-untold", "result=%s",
                     tp_result_word(result));
    }
    registry_view_sync(view);
}

const struct registry_entry *
registry_view_find(const struct registry_view *view, struct tp_str service, struct tp_str key)
{
    size_t at = view_index(view, registry_id(service, key));

    return at == view->member_count ? NULL : view->members[at];
}

void
registry_view_changed_soon(struct registry_view *view)
{
    if (registry_view_tables(view) == NULL) {
        return;
    }
    if (tp_home_tell(view->home, &tp_module_registry, TP_STR("changed")) != TP_OK) {
        tp_log_debug(tp_home_log(view->home), "registry-untold", "while=a session ends");
    }
    tp_home_timer_start(view->soon, (struct tp_msec){ 1 });
}

uint64_t
registry_view_stamp(struct registry_view *view)
{
    uint64_t turn = (uint64_t) tp_home_now_ms(view->home) << (STAMP_SLOT_BITS + STAMP_COUNT_BITS);
    uint64_t slot = (uint64_t) tp_home_slot(view->home) << STAMP_COUNT_BITS;

    return turn | slot | (view->stamp_count++ & ((1U << STAMP_COUNT_BITS) - 1));
}

static struct registry_view *
view_create(struct tp_sessions *home)
{
    struct registry_view *view = calloc(1, sizeof(*view));

    if (view == NULL) {
        return NULL;
    }
    view->home = home;
    view->holders = 1;
    view->groups_are_old = true;
    view->sweep = tp_home_timer_create(home, view_on_sweep, view);
    view->soon = tp_home_timer_create(home, view_on_soon, view);
    if (view->sweep == NULL || view->soon == NULL) {
        registry_view_release(&view);
    }
    return view;
}

static void
view_free(struct registry_view *view)
{
    registry_groups_free(view);
    while (view->member_count > 0) {
        free(view->members[--view->member_count]);
    }
    free(view->members);
    tp_home_timer_destroy(&view->sweep);
    tp_home_timer_destroy(&view->soon);
    free(view);
}

/* Instead of what it has had; the revision is one at which all of that was there. */
static enum tp_result
view_read_all(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);
    struct registry_entry **entries;
    uint64_t revision;
    size_t count = 0;
    enum tp_result result = registry_store_revision(tables, &revision);

    if (result == TP_OK) {
        result = registry_store_get_all(tables, &entries, &count);
    }
    if (result != TP_OK) {
        return result;
    }
    while (view->member_count > 0) {
        free(view->members[--view->member_count]);
    }
    free(view->members);
    view->members = entries;
    view->member_count = count;
    view->member_room = count;
    view->revision = revision;
    view->groups_are_old = true;
    return TP_OK;
}

/* What counts is how the member is now: later changes of it say the same once more. */
static void
view_apply(struct registry_view *view, const struct registry_change *change)
{
    const struct registry_tables *tables = registry_view_tables(view);
    struct registry_entry now;
    enum tp_result result = registry_store_get(tables, change->id, &now);

    if (result == TP_OK && !view_set(view, &now)) {
        result = TP_NO_MEMORY;
    }
    if (result == TP_NOT_FOUND) {
        view_unset(view, change->id);
    }
    registry_watch_tell(view, change, result == TP_OK ? &now : NULL);
}

/* False: memory is out; what was there of it stays. */
static bool
view_set(struct registry_view *view, const struct registry_entry *entry)
{
    size_t at = view_index(view, entry->id);
    struct registry_entry *copy = registry_entry_copy(entry);

    if (copy != NULL && at == view->member_room) {
        size_t room = view->member_room * 2 + MEMBERS_FIRST;
        struct registry_entry **members =
            realloc(view->members, room * sizeof(struct registry_entry *));

        if (members == NULL) {
            free(copy);
            copy = NULL;
        } else {
            view->members = members;
            view->member_room = room;
        }
    }
    if (copy == NULL) {
        return false;
    }
    if (at == view->member_count) {
        view->member_count++;
    } else {
        free(view->members[at]);
    }
    view->members[at] = copy;
    view->groups_are_old = true;
    return true;
}

static void
view_unset(struct registry_view *view, uint64_t id)
{
    size_t at = view_index(view, id);

    if (at < view->member_count) {
        free(view->members[at]);
        view->members[at] = view->members[--view->member_count];
        view->groups_are_old = true;
    }
}

/* Its place; the count: there is none. */
static size_t
view_index(const struct registry_view *view, uint64_t id)
{
    size_t at = 0;

    while (at < view->member_count && view->members[at]->id != id) {
        at++;
    }
    return at;
}

/* A change is counted that is not there: it comes in a moment, or never, as its worker has died. */
static bool
view_is_stuck(struct registry_view *view)
{
    int64_t now_ms = tp_home_now_ms(view->home);

    if (view->stuck_since_ms == 0) {
        view->stuck_since_ms = now_ms;
    }
    if (now_ms - view->stuck_since_ms >= STUCK_MS) {
        return true;
    }
    tp_home_timer_start(view->soon, (struct tp_msec){ SOON_MS });
    return false;
}

static void
view_read_anew(struct registry_view *view)
{
    enum tp_result result = view_read_all(view);

    view->stuck_since_ms = 0;
    if (result != TP_OK) {
        tp_log_warn(tp_home_log(view->home), "registry-unread", "result=%s",
                    tp_result_word(result));
        return;
    }
    const struct registry_change change = {
        .revision = view->revision,
        .kind = REGISTRY_REREAD,
    };

    registry_watch_tell(view, &change, NULL);
}

/* After changes: says how far this worker is, and goes on with what has waited for that. */
static void
view_settle(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);

    if (tables == NULL) {
        return;
    }
    registry_places_update(view);
    registry_store_note_worker(tables, tp_home_slot(view->home), view->revision,
                               tp_home_now_ms(view->home));
    registry_mirror_note(view);
    registry_answers_look(view);
}

static void
view_on_sweep(struct tp_home_timer *timer, void *owner)
{
    struct registry_view *view = owner;

    tp_home_timer_start(timer, (struct tp_msec){ SWEEP_MS });
    registry_view_sync(view);
    view_sweep(view);
    registry_watch_catch_up(view);
}

/* Members whose time or session is over; of several workers that see it one takes them out. */
static void
view_sweep(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);
    int64_t now_ms = tp_home_now_ms(view->home);
    bool has_changed = false;

    for (size_t i = 0; i < view->member_count; i++) {
        const struct registry_entry *entry = view->members[i];
        enum registry_change_kind kind;

        if (member_is_over(view, entry, &kind)
            && registry_store_remove(tables, entry, kind,
                                     kind == REGISTRY_EXPIRED ? member_is_unrenewed : NULL, &now_ms,
                                     now_ms)
                   == TP_OK) {
            tp_log_notice(tp_home_log(view->home), "registry-lost", "service=%s key=%s why=%s",
                          entry->service, entry->key,
                          kind == REGISTRY_EXPIRED ? "expired" : "session-gone");
            tp_meter_add(&view->uses->conf->expired, 1);
            has_changed = true;
        }
    }
    if (has_changed) {
        registry_view_changed(view);
    }
}

/* A copy does not know that its member was renewed. */
static bool
member_is_over(struct registry_view *view, const struct registry_entry *entry,
               enum registry_change_kind *kind)
{
    const struct tp_session_name name = { .number = entry->session };
    unsigned slot;

    *kind = REGISTRY_LEFT;
    if (entry->is_foreign) {
        return false;
    }
    if (entry->expires_ms != 0) {
        *kind = REGISTRY_EXPIRED;
        return entry->expires_ms <= tp_home_now_ms(view->home);
    }
    return tp_remote_find(view->home, &name, &slot) == TP_NOT_FOUND;
}

static bool
member_is_unrenewed(const struct registry_entry *entry, void *owner)
{
    const int64_t *now_ms = owner;

    return entry->expires_ms != 0 && entry->expires_ms <= *now_ms;
}

static void
view_on_soon(struct tp_home_timer *timer, void *owner)
{
    (void) timer;
    registry_view_sync(owner);
}
