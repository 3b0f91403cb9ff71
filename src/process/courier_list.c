/*
 * courier_list.c - lists the sessions of all workers, page by page.
 *
 * The directory says which sessions there are; it is read on from the cursor, some numbers at a
 * time, and each worker is asked how those of its sessions are.  It answers with those that the
 * filters let pass and that have not ended.  When all have answered and the page is not full,
 * the next numbers come.  Nothing in the directory moves, so whoever stays is met once.
 *
 * Runs in: worker.  Owns: pages while they are collected.
 * Read next: share/directory.c, parcel.c.
 */
#include "process/courier.h"

#include "base/str.h"
#include "process/bus_kinds.h"

#include <stdlib.h>
#include <string.h>

enum {
    LIST_SCANNED_MAX = 10 * TP_SESSION_ROWS_MAX, /* sessions looked at for one page */
};

/* A page being collected. */
struct listing {
    struct tp_courier *courier;
    tp_page_fn on_page;
    void *owner;
    uint64_t cursor;
    size_t row_count_max;
    size_t scanned_count;
    unsigned awaited_count; /* answers */
    enum tp_result result;  /* the first failure */
    struct tp_text rows;    /* as they came */
    size_t row_count;
    struct tp_session_query filter; /* its texts are these: */
    char id_prefix[TP_SESSION_ID_MAX];
    char source[TP_SOURCE_NAME_MAX];
};

static struct listing *listing_make(struct tp_courier *courier,
                                    const struct tp_session_query *query);
static void listing_copy_text(struct tp_str *text, char *room);
static void listing_go_on(struct listing *listing);
static void listing_ask_round(struct listing *listing);
static void listing_ask_slot(struct listing *listing, const struct tp_directory_entry *entries,
                             size_t count, size_t first);
static enum tp_result listing_ask(struct listing *listing, unsigned slot,
                                  struct tp_parcel_question *question);
static void listing_on_rows(void *owner, unsigned slot, const struct tp_courier_answer *answer);
static void listing_fail(struct listing *listing, enum tp_result result);
static void listing_tell(struct listing *listing);
static bool listing_fill_page(const struct listing *listing, struct tp_session_row *rows);
static int row_compare(const void *left, const void *right);
static bool row_is_wanted(const struct tp_session_row *row, const struct tp_session_query *filter);

enum tp_result
tp__courier_list(void *owner, const struct tp_session_query *query, tp_page_fn on_page,
                 void *page_owner)
{
    if (query->id_prefix.len > TP_SESSION_ID_MAX || query->source.len > TP_SOURCE_NAME_MAX) {
        return TP_TOO_LARGE;
    }
    TP_ASSERT(query->row_count_max > 0 && query->row_count_max <= TP_SESSION_ROWS_MAX);
    struct listing *listing = listing_make(owner, query);

    if (listing == NULL) {
        return TP_NO_MEMORY;
    }
    listing->on_page = on_page;
    listing->owner = page_owner;
    /* Not from within this call, and where there is no session there is nobody to ask. */
    struct tp_parcel_question nothing = { .number_count = 0 };
    enum tp_result result = listing_ask(listing, listing->courier->slot, &nothing);

    if (result != TP_OK) {
        free(listing);
        return result;
    }
    listing->awaited_count = 1;
    return TP_OK;
}

void
tp__courier_describe(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes)
{
    struct tp_parcel_question question;
    struct tp_text rows = { 0 };
    bool is_sound = tp__parcel_read_question(bytes, &question);

    /* Workers are of one binary: this is no mistake of the world's. */
    TP_ASSERT(is_sound);
    for (uint32_t i = 0; i < question.number_count; i++) {
        struct tp_session_handle handle = { courier->sessions, question.numbers[i] };
        const struct tp_session *session = tp_session_at(handle);
        struct tp_session_row row;

        if (session != NULL) {
            tp__session_describe(session, &row);
            if (row_is_wanted(&row, &question.filter)) {
                tp__parcel_add_row(&rows, &row);
            }
        }
    }
    struct tp_parcel_description description = {
        .request = question.request,
        .result = tp__text_is_whole(&rows) ? TP_OK : TP_NO_MEMORY,
        .rows = tp__text_is_whole(&rows) ? tp__text_get(&rows) : TP_STR(""),
    };

    tp__courier_answer_rows(courier, from_slot, &description);
    tp__text_fini(&rows);
}

static struct listing *
listing_make(struct tp_courier *courier, const struct tp_session_query *query)
{
    struct listing *listing = calloc(1, sizeof(*listing));

    if (listing == NULL) {
        return NULL;
    }
    listing->courier = courier;
    listing->cursor = query->cursor;
    listing->row_count_max = query->row_count_max;
    listing->filter = *query;
    listing_copy_text(&listing->filter.id_prefix, listing->id_prefix);
    listing_copy_text(&listing->filter.source, listing->source);
    return listing;
}

static void
listing_copy_text(struct tp_str *text, char *room)
{
    if (text->len > 0) {
        memcpy(room, text->data, text->len);
    }
    text->data = room;
}

/* When all have answered: asks on, or is done. */
static void
listing_go_on(struct listing *listing)
{
    while (listing->awaited_count == 0) {
        if (listing->result != TP_OK || listing->cursor == TP_DIRECTORY_END
            || listing->row_count >= listing->row_count_max
            || listing->scanned_count >= LIST_SCANNED_MAX) {
            listing_tell(listing);
            return;
        }
        listing_ask_round(listing);
    }
}

/* Never more numbers than the page has room for: what the cursor has passed must fit it. */
static void
listing_ask_round(struct listing *listing)
{
    struct tp_directory_entry entries[TP_PARCEL_NUMBERS_MAX];
    size_t room = listing->row_count_max - listing->row_count;
    size_t wanted = room < TP_PARCEL_NUMBERS_MAX ? room : TP_PARCEL_NUMBERS_MAX;
    size_t count = tp__directory_scan(&listing->courier->cycle->shared.directory, &listing->cursor,
                                      entries, wanted);

    listing->scanned_count += count;
    for (size_t i = 0; i < count; i++) {
        bool is_asked = false;

        for (size_t before = 0; before < i && !is_asked; before++) {
            is_asked = entries[before].slot == entries[i].slot;
        }
        if (!is_asked) {
            listing_ask_slot(listing, entries, count, i);
        }
    }
}

/* Asks the worker of the entry `first` about all of its sessions among the entries. */
static void
listing_ask_slot(struct listing *listing, const struct tp_directory_entry *entries, size_t count,
                 size_t first)
{
    struct tp_parcel_question question = { .filter = listing->filter };
    unsigned slot = entries[first].slot;

    for (size_t i = first; i < count; i++) {
        if (entries[i].slot == slot) {
            question.numbers[question.number_count++] = entries[i].number;
        }
    }
    enum tp_result result = listing_ask(listing, slot, &question);

    if (result == TP_OK) {
        listing->awaited_count++;
    } else {
        listing_fail(listing, result);
    }
}

static enum tp_result
listing_ask(struct listing *listing, unsigned slot, struct tp_parcel_question *question)
{
    struct courier_request *request;
    struct tp_parcel parcel;
    enum tp_result result = tp__courier_open(listing->courier, slot, listing_on_rows, listing,
                                             &request, &question->request);

    if (result != TP_OK) {
        return result;
    }
    tp__parcel_write_question(&parcel, question);
    return tp__courier_ask(request, &parcel);
}

static void
listing_on_rows(void *owner, unsigned slot, const struct tp_courier_answer *answer)
{
    struct listing *listing = owner;
    struct tp_str rows = answer->rows;
    struct tp_session_row row;

    (void) slot;
    listing->awaited_count--;
    if (answer->result == TP_OK) {
        tp__text_append(&listing->rows, rows);
        while (tp__parcel_next_row(&rows, &row)) {
            listing->row_count++;
        }
    } else if (answer->result != TP_GONE) {
        /* With a worker that is gone its sessions are, too: they are on no page. */
        listing_fail(listing, answer->result);
    }
    listing_go_on(listing);
}

static void
listing_fail(struct listing *listing, enum tp_result result)
{
    if (listing->result == TP_OK) {
        listing->result = result;
    }
}

static void
listing_tell(struct listing *listing)
{
    bool is_last = listing->cursor == TP_DIRECTORY_END;
    struct tp_session_row *rows = calloc(listing->row_count + 1, sizeof(*rows));
    struct tp_session_page page = {
        .rows = rows,
        .row_count = listing->row_count,
        .cursor = is_last ? 0 : listing->cursor,
    };

    if (rows == NULL || !listing_fill_page(listing, rows)) {
        listing_fail(listing, TP_NO_MEMORY);
    }
    listing->on_page(listing->result, listing->result == TP_OK ? &page : NULL, listing->owner);
    free(rows);
    tp__text_fini(&listing->rows);
    free(listing);
}

static bool
listing_fill_page(const struct listing *listing, struct tp_session_row *rows)
{
    struct tp_str rest = tp__text_get(&listing->rows);

    for (size_t i = 0; i < listing->row_count; i++) {
        if (!tp__parcel_next_row(&rest, &rows[i])) {
            return false;
        }
    }
    qsort(rows, listing->row_count, sizeof(*rows), row_compare);
    return true;
}

static int
row_compare(const void *left, const void *right)
{
    uint64_t left_number = ((const struct tp_session_row *) left)->number;
    uint64_t right_number = ((const struct tp_session_row *) right)->number;

    return (left_number > right_number) - (left_number < right_number);
}

static bool
row_is_wanted(const struct tp_session_row *row, const struct tp_session_query *filter)
{
    bool is_from_there = filter->address.family == TP_ADDRESS_NONE
                         || tp_address_is_of_host(&row->remote, &filter->address);

    return is_from_there && tp__str_starts_with(row->id, filter->id_prefix)
           && (filter->source.len == 0 || tp__str_equal(row->source, filter->source));
}
