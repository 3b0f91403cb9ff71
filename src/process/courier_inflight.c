/*
 * courier_inflight.c - the oldest exchanges in flight of all workers.
 *
 *   here                                     each worker
 *   tp_remote_list_exchanges() -- SURVEY --> a walk past its sessions, which keeps the oldest
 *   on_page  <- the oldest of all <- DESCRIPTION - those
 *
 * A worker looks at some sessions in each turn, so that one with very many answers others
 * meanwhile.  It keeps no more rows than are wanted, in a heap whose top is the youngest of them:
 * an older one takes its place.  Who does not answer is named, and what the others have said is
 * told all the same.
 *
 * Runs in: worker.  Owns: surveys of our exchanges, and what others have answered so far.
 * Read next: session/inflight.c, session/walk.c, parcel.c.
 */
#include "process/courier.h"

#include "base/clock.h"
#include "base/str.h"
#include "process/bus_kinds.h"
#include "session/inflight.h"
#include "session/walk.h"

#include <stdlib.h>
#include <string.h>

enum {
    SURVEYS_MAX = 64, /* at once, in a worker */
};

/* Of whoever asks: what workers have answered so far. */
struct gathering {
    struct tp_courier *courier;
    tp_exchanges_fn on_page;
    void *owner;
    size_t row_count_max;
    unsigned awaited_count; /* answers */
    struct tp_text rows;    /* as they came */
    size_t row_count;
    uint64_t found_count;
    bool is_cut; /* memory ran out */
    size_t silent_count;
    unsigned silent[TP_WORKER_SLOTS_MAX];
};

/* A row of a survey, encoded, for the sessions change until it is over. */
struct surveyed {
    int64_t begun_us;
    struct tp_text row;
};

/* Of whoever is asked. */
struct survey {
    struct tp_list_node node; /* in courier->surveys */
    struct tp_courier *courier;
    struct tp_session_walk walk;
    unsigned from_slot;
    struct tp_parcel_survey what; /* its text is this: */
    char uri_prefix[TP_EXCHANGE_URI_MAX];
    uint64_t found_count;
    size_t count;
    struct surveyed heap[]; /* row_count_max of them */
};

static void gathering_ask_all(struct gathering *gathering, struct tp_parcel_survey *survey);
static void gathering_ask(struct gathering *gathering, unsigned slot,
                          struct tp_parcel_survey *survey);
static void gathering_on_rows(void *owner, unsigned slot, const struct tp_courier_answer *answer);
static void gathering_add_silent(struct gathering *gathering, unsigned slot);
static struct tp_exchange_row *gathering_sort(const struct gathering *gathering);
static void gathering_shorten(struct gathering *gathering);
static void gathering_tell(struct gathering *gathering);
static int row_compare(const void *left, const void *right);

static struct survey *survey_make(struct tp_courier *courier, unsigned from_slot,
                                  const struct tp_parcel_survey *what);
static void survey_on_session(struct tp_session_walk *walk, const struct tp_session *session);
static void survey_on_again(struct tp_session_walk *walk);
static void survey_on_done(struct tp_session_walk *walk);
static void survey_consider(const struct tp_exchange *exchange, void *owner);
static bool survey_wants(const struct survey *survey, const struct tp_exchange *exchange);
static void survey_forget(struct survey *survey);
static void survey_answer(struct survey *survey);
static void survey_free(struct survey *survey);
static void heap_sift_up(struct surveyed *heap, size_t at);
static void heap_sift_down(struct surveyed *heap, size_t count);
static void heap_swap(struct surveyed *left, struct surveyed *right);

enum tp_result
tp__courier_list_exchanges(void *owner, const struct tp_exchange_query *query,
                           tp_exchanges_fn on_page, void *page_owner)
{
    struct tp_courier *courier = owner;
    struct tp_parcel_survey survey = { .query = *query, .now_us = tp__clock_monotonic_us() };
    struct tp_directory_entry entry = { 0 };
    bool is_of_one = query->session.number != 0 || query->session.id.len > 0;
    enum tp_result result = is_of_one ? tp__courier_find(courier, &query->session, &entry) : TP_OK;

    TP_ASSERT(query->row_count_max > 0 && query->row_count_max <= TP_EXCHANGE_ROWS_MAX);
    if (query->uri_prefix.len > TP_EXCHANGE_URI_MAX) {
        return TP_TOO_LARGE;
    }
    if (result != TP_OK) {
        return result;
    }
    struct gathering *gathering = calloc(1, sizeof(*gathering));

    if (gathering == NULL) {
        return TP_NO_MEMORY;
    }
    gathering->courier = courier;
    gathering->on_page = on_page;
    gathering->owner = page_owner;
    gathering->row_count_max = query->row_count_max;
    survey.query.session.number = entry.number;
    if (query->asker != NULL) {
        survey.asker_number = tp__exchange_session_number(query->asker);
        survey.asker_seq = tp_exchange_seq(query->asker);
    }
    if (is_of_one) {
        gathering_ask(gathering, entry.slot, &survey);
    } else {
        gathering_ask_all(gathering, &survey);
    }
    if (gathering->awaited_count == 0) {
        /* Nobody could be asked, not even we ourselves: too much is under way, or we stop. */
        tp__text_fini(&gathering->rows);
        free(gathering);
        return courier->is_stopped ? TP_INTERRUPTED : TP_FULL;
    }
    return TP_OK;
}

void
tp__courier_survey(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes)
{
    struct tp_parcel_survey question;
    bool is_sound = tp__parcel_read_survey(bytes, &question);

    /* Workers are of one binary: this is no mistake of the world's. */
    TP_ASSERT(is_sound);
    bool is_full = courier->survey_count >= SURVEYS_MAX;
    struct survey *survey = is_full ? NULL : survey_make(courier, from_slot, &question);

    if (survey == NULL) {
        tp__courier_answer_rows(courier, from_slot,
                                &(struct tp_parcel_description){
                                    .request = question.request,
                                    .result = is_full ? TP_FULL : TP_NO_MEMORY,
                                });
        return;
    }
    uint64_t number = survey->what.query.session.number;

    if (number == 0) {
        tp__session_walk_begin(&survey->walk, courier->sessions);
        return;
    }
    const struct tp_session *session =
        tp_session_at((struct tp_session_handle){ courier->sessions, number });

    tp__list_init(&survey->walk.node);
    if (session != NULL) {
        survey_on_session(&survey->walk, session);
    }
    survey_on_done(&survey->walk);
}

void
tp__courier_end_surveys(struct tp_courier *courier)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&courier->surveys)) != NULL) {
        struct survey *survey = TP_CONTAINER_OF(node, struct survey, node);

        tp__session_walk_end(&survey->walk);
        survey_free(survey);
    }
}

static void
gathering_ask_all(struct gathering *gathering, struct tp_parcel_survey *survey)
{
    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        struct tp_roster_entry entry;

        tp__roster_read(&gathering->courier->cycle->shared.roster, slot, &entry);
        if (entry.state != TP_ROSTER_FREE) {
            gathering_ask(gathering, slot, survey);
        }
    }
}

/* Answers come from the loop, never from within this call. */
static void
gathering_ask(struct gathering *gathering, unsigned slot, struct tp_parcel_survey *survey)
{
    struct courier_request *request;
    struct tp_parcel parcel;
    enum tp_result result = tp__courier_open(gathering->courier, slot, gathering_on_rows, gathering,
                                             &request, &survey->request);

    if (result == TP_OK) {
        tp__parcel_write_survey(&parcel, survey);
        result = tp__courier_ask(request, &parcel);
    }
    if (result == TP_OK) {
        gathering->awaited_count++;
    } else {
        gathering_add_silent(gathering, slot);
    }
}

/* With a worker that is gone what it had in flight is, too. */
static void
gathering_on_rows(void *owner, unsigned slot, const struct tp_courier_answer *answer)
{
    struct gathering *gathering = owner;
    struct tp_str rest = answer->rows;
    struct tp_exchange_row row;

    gathering->awaited_count--;
    if (answer->result == TP_OK) {
        tp__text_append(&gathering->rows, answer->rows);
        gathering->found_count += answer->found_count;
        while (tp__parcel_next_exchange(&rest, &row)) {
            gathering->row_count++;
        }
        gathering_shorten(gathering);
    } else if (answer->result != TP_GONE) {
        gathering_add_silent(gathering, slot);
    }
    if (gathering->awaited_count == 0) {
        gathering_tell(gathering);
    }
}

static void
gathering_add_silent(struct gathering *gathering, unsigned slot)
{
    gathering->silent[gathering->silent_count++] = slot;
}

/* All rows, the oldest first; NULL when memory is out.  Their texts lie in gathering->rows. */
static struct tp_exchange_row *
gathering_sort(const struct gathering *gathering)
{
    struct tp_exchange_row *rows = calloc(gathering->row_count + 1, sizeof(*rows));
    struct tp_str rest = tp__text_get(&gathering->rows);

    for (size_t i = 0; rows != NULL && i < gathering->row_count; i++) {
        if (!tp__text_is_whole(&gathering->rows) || !tp__parcel_next_exchange(&rest, &rows[i])) {
            free(rows);
            return NULL;
        }
    }
    if (rows != NULL) {
        qsort(rows, gathering->row_count, sizeof(*rows), row_compare);
    }
    return rows;
}

/* Never keeps more than is wanted, however many workers there are. */
static void
gathering_shorten(struct gathering *gathering)
{
    struct tp_text shorter = { 0 };

    if (gathering->row_count <= gathering->row_count_max || gathering->is_cut) {
        return;
    }
    struct tp_exchange_row *rows = gathering_sort(gathering);

    for (size_t i = 0; rows != NULL && i < gathering->row_count_max; i++) {
        tp__parcel_add_exchange(&shorter, &rows[i]);
    }
    gathering->is_cut = rows == NULL || !tp__text_is_whole(&shorter);
    gathering->row_count = gathering->row_count_max;
    tp__text_fini(&gathering->rows);
    gathering->rows = shorter;
    free(rows);
}

static void
gathering_tell(struct gathering *gathering)
{
    struct tp_exchange_row *rows = gathering->is_cut ? NULL : gathering_sort(gathering);
    struct tp_exchange_page page = {
        .rows = rows,
        .row_count = gathering->row_count,
        .found_count = gathering->found_count,
        .silent = gathering->silent,
        .silent_count = gathering->silent_count,
    };

    for (size_t i = 0; rows != NULL && i < gathering->row_count; i++) {
        /* What began on the way of the question has been there for no time. */
        rows[i].age_us = rows[i].age_us > 0 ? rows[i].age_us : 0;
    }
    gathering->on_page(rows == NULL ? TP_NO_MEMORY : TP_OK, rows == NULL ? NULL : &page,
                       gathering->owner);
    free(rows);
    tp__text_fini(&gathering->rows);
    free(gathering);
}

/* Those of one age have an order of their own, so that a list that is asked for again is the same. */
static int
row_compare(const void *left, const void *right)
{
    const struct tp_exchange_row *one = left;
    const struct tp_exchange_row *other = right;

    if (one->age_us != other->age_us) {
        return one->age_us > other->age_us ? -1 : 1;
    }
    if (one->session_number != other->session_number) {
        return one->session_number < other->session_number ? -1 : 1;
    }
    return (one->seq > other->seq) - (one->seq < other->seq);
}

static struct survey *
survey_make(struct tp_courier *courier, unsigned from_slot, const struct tp_parcel_survey *what)
{
    struct survey *survey =
        calloc(1, sizeof(*survey) + what->query.row_count_max * sizeof(survey->heap[0]));
    struct tp_str uri_prefix = what->query.uri_prefix;

    if (survey == NULL) {
        return NULL;
    }
    survey->courier = courier;
    survey->from_slot = from_slot;
    survey->what = *what;
    if (uri_prefix.len > 0) {
        memcpy(survey->uri_prefix, uri_prefix.data, uri_prefix.len);
    }
    survey->what.query.uri_prefix.data = survey->uri_prefix;
    survey->walk.on_session = survey_on_session;
    survey->walk.on_again = survey_on_again;
    survey->walk.on_done = survey_on_done;
    tp__list_init(&survey->node);
    tp__list_append(&courier->surveys, &survey->node);
    courier->survey_count++;
    return survey;
}

static void
survey_on_session(struct tp_session_walk *walk, const struct tp_session *session)
{
    tp__session_each_exchange(session, survey_consider, TP_CONTAINER_OF(walk, struct survey, walk));
}

static void
survey_on_again(struct tp_session_walk *walk)
{
    survey_forget(TP_CONTAINER_OF(walk, struct survey, walk));
}

static void
survey_on_done(struct tp_session_walk *walk)
{
    struct survey *survey = TP_CONTAINER_OF(walk, struct survey, walk);

    tp__sessions_each_orphan(survey->courier->sessions, survey_consider, survey);
    survey_answer(survey);
}

static void
survey_consider(const struct tp_exchange *exchange, void *owner)
{
    struct survey *survey = owner;
    int64_t begun_us = tp__exchange_begun_us(exchange);
    char uri[TP_EXCHANGE_URI_SHOWN_MAX];
    struct tp_exchange_row row;

    if (!survey_wants(survey, exchange)) {
        return;
    }
    survey->found_count++;
    bool is_full = survey->count == survey->what.query.row_count_max;

    if (is_full && begun_us >= survey->heap[0].begun_us) {
        return;
    }
    struct surveyed *place = is_full ? &survey->heap[0] : &survey->heap[survey->count];

    place->begun_us = begun_us;
    tp__text_clear(&place->row);
    tp__exchange_describe(exchange, survey->what.now_us, &row, uri);
    tp__parcel_add_exchange(&place->row, &row);
    if (is_full) {
        heap_sift_down(survey->heap, survey->count);
    } else {
        heap_sift_up(survey->heap, survey->count++);
    }
}

static bool
survey_wants(const struct survey *survey, const struct tp_exchange *exchange)
{
    const struct tp_parcel_survey *what = &survey->what;
    bool is_asker = !tp_exchange_is_ours(exchange)
                    && tp__exchange_session_number(exchange) == what->asker_number
                    && tp_exchange_seq(exchange) == what->asker_seq;
    uint64_t number = what->query.session.number;
    int64_t age_us = what->now_us - tp__exchange_begun_us(exchange);

    return !is_asker && (number == 0 || tp__exchange_session_number(exchange) == number)
           && (what->query.age_min.ms == 0 || age_us >= what->query.age_min.ms * 1000)
           && tp__exchange_uri_begins(exchange, what->query.uri_prefix);
}

static void
survey_forget(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        tp__text_fini(&survey->heap[i].row);
    }
    survey->count = 0;
    survey->found_count = 0;
}

static void
survey_answer(struct survey *survey)
{
    struct tp_text rows = { 0 };
    bool is_whole = true;

    for (size_t i = 0; i < survey->count; i++) {
        is_whole = is_whole && tp__text_is_whole(&survey->heap[i].row);
        tp__text_append(&rows, tp__text_get(&survey->heap[i].row));
    }
    is_whole = is_whole && tp__text_is_whole(&rows);
    tp__courier_answer_rows(survey->courier, survey->from_slot,
                            &(struct tp_parcel_description){
                                .request = survey->what.request,
                                .result = is_whole ? TP_OK : TP_NO_MEMORY,
                                .found_count = survey->found_count,
                                .rows = is_whole ? tp__text_get(&rows) : TP_STR(""),
                            });
    tp__text_fini(&rows);
    survey_free(survey);
}

static void
survey_free(struct survey *survey)
{
    survey_forget(survey);
    tp__list_remove(&survey->node);
    survey->courier->survey_count--;
    free(survey);
}

/* The youngest is at the top; each is younger than the two below it. */
static void
heap_sift_up(struct surveyed *heap, size_t at)
{
    while (at > 0 && heap[at].begun_us > heap[(at - 1) / 2].begun_us) {
        heap_swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void
heap_sift_down(struct surveyed *heap, size_t count)
{
    size_t at = 0;

    for (;;) {
        size_t below = 2 * at + 1;

        if (below + 1 < count && heap[below + 1].begun_us > heap[below].begun_us) {
            below++;
        }
        if (below >= count || heap[below].begun_us <= heap[at].begun_us) {
            return;
        }
        heap_swap(&heap[at], &heap[below]);
        at = below;
    }
}

static void
heap_swap(struct surveyed *left, struct surveyed *right)
{
    struct surveyed kept = *left;

    *left = *right;
    *right = kept;
}
