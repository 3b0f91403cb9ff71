/*
 * notes.c - what is noted of a session besides its life: its id, its variables, times of its
 * own.  Few sessions have any, so they are apart from the record.
 *
 * An id is unique among the sessions of this loop; where there are several workers their
 * owner is asked first, because it knows of the others.
 *
 * Runs in: worker; a program's thread with the library.  Owns: the texts.
 */
#include "session/record.h"

#include "base/hash.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct session_variable {
    struct session_variable *next;
    size_t name_len;
    size_t value_len;
    char texts[]; /* name and value */
};

enum {
    SAVED_LENGTHS = 8, /* bytes before the texts of a saved variable */
    SAVED_TIMEOUTS_BYTES = TP_SESSION_TIMEOUT_COUNT * 8,
};

struct tp_session_notes {
    struct tp_session *session;
    struct tp_hash_node by_id; /* in sessions->by_id, while there is an id */
    size_t id_len;
    char id[TP_SESSION_ID_MAX];
    struct session_variable *variables;
    size_t variable_count;
    size_t variable_bytes;
    struct tp_msec timeouts[TP_SESSION_TIMEOUT_COUNT]; /* as tp_session_set_timeout() says */
    struct tp_identity *identity;                      /* NULL: it has proved nothing */
};

static struct tp_session_notes *notes_of(struct tp_session *session);
static void notes_save_variables(const struct tp_session_notes *notes,
                                 struct tp_saved_writer *writer);
static bool saved_take_variable(struct tp_str *rest, struct tp_str *name, struct tp_str *value);
static uint64_t id_hash(struct tp_str id);
static enum tp_result id_settle_conflict(struct tp_session *session, struct tp_str id);
static void id_drop(struct tp_session *session);
static struct session_variable **variable_find(struct tp_session_notes *notes, struct tp_str name);
static void variable_remove(struct tp_session_notes *notes, struct session_variable **link);

enum tp_result
tp_session_set_id(struct tp_session *session, struct tp_str id)
{
    struct tp_sessions *sessions = session->sessions;
    enum tp_result result = TP_OK;

    tp__sessions_check_thread(sessions);
    if (id.len > TP_SESSION_ID_MAX) {
        return TP_TOO_LARGE;
    }
    if (tp__str_equal(id, tp_session_id(session))) {
        return TP_OK;
    }
    if (session->dialed == NULL
        && (tp__session_protocol(session)->abilities & TP_PROTOCOL_PUSHES_DOWN) == 0) {
        return TP_UNSUPPORTED;
    }
    struct tp_session_notes *notes = notes_of(session);

    if (notes == NULL) {
        return TP_NO_MEMORY;
    }
    if (id.len > 0) {
        result = id_settle_conflict(session, id);
    }
    if (result == TP_OK && id.len > 0 && sessions->callbacks.claim_id != NULL) {
        result = sessions->callbacks.claim_id(sessions->callbacks.owner, session, id);
    }
    if (result != TP_OK) {
        return result;
    }
    id_drop(session);
    notes->id_len = id.len;
    if (id.len > 0) {
        memcpy(notes->id, id.data, id.len);
        tp__hash_table_add(&sessions->by_id, &notes->by_id, id_hash(id));
    }
    return TP_OK;
}

struct tp_str
tp_session_id(const struct tp_session *session)
{
    const struct tp_session_notes *notes = session->notes;

    return notes == NULL ? TP_STR("") : (struct tp_str){ notes->id, notes->id_len };
}

struct tp_session *
tp__sessions_find_id(const struct tp_sessions *sessions, struct tp_str id)
{
    for (struct tp_hash_node *node = tp__hash_table_find(&sessions->by_id, id_hash(id));
         node != NULL; node = tp__hash_table_next(node)) {
        struct tp_session_notes *notes = TP_CONTAINER_OF(node, struct tp_session_notes, by_id);

        if (tp__str_equal((struct tp_str){ notes->id, notes->id_len }, id)) {
            return notes->session;
        }
    }
    return NULL;
}

enum tp_result
tp_session_set_variable(struct tp_session *session, struct tp_str name, struct tp_str value)
{
    struct tp_session_notes *notes = notes_of(session);

    tp__sessions_check_thread(session->sessions);
    if (notes == NULL) {
        return TP_NO_MEMORY;
    }
    struct session_variable **link = variable_find(notes, name);
    size_t old_bytes = *link == NULL ? 0 : (*link)->name_len + (*link)->value_len;

    if (name.len == 0 || name.len > TP_SESSION_VARIABLE_NAME_MAX) {
        return TP_TOO_LARGE;
    }
    if (value.len == 0) {
        variable_remove(notes, link);
        return TP_OK;
    }
    if (notes->variable_bytes - old_bytes + name.len + value.len > TP_SESSION_VARIABLES_BYTES
        || (*link == NULL && notes->variable_count == TP_SESSION_VARIABLES_MAX)) {
        return TP_FULL;
    }
    struct session_variable *variable = malloc(sizeof(*variable) + name.len + value.len);

    if (variable == NULL) {
        return TP_NO_MEMORY;
    }
    *variable = (struct session_variable){ .name_len = name.len, .value_len = value.len };
    memcpy(variable->texts, name.data, name.len);
    memcpy(variable->texts + name.len, value.data, value.len);
    variable_remove(notes, link);
    variable->next = notes->variables;
    notes->variables = variable;
    notes->variable_count++;
    notes->variable_bytes += name.len + value.len;
    return TP_OK;
}

struct tp_str
tp_session_get_variable(const struct tp_session *session, struct tp_str name)
{
    const struct session_variable *variable =
        session->notes == NULL ? NULL : *variable_find(session->notes, name);

    return variable == NULL
               ? TP_STR("")
               : (struct tp_str){ variable->texts + variable->name_len, variable->value_len };
}

enum tp_result
tp_session_identify(struct tp_session *session, const struct tp_identity *identity)
{
    struct tp_session_notes *notes = notes_of(session);
    struct tp_identity *made;

    tp__sessions_check_thread(session->sessions);
    if (notes == NULL) {
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp__identity_make(identity, &made);

    if (result != TP_OK) {
        return result;
    }
    bool was_ending = session->is_ending;

    free(notes->identity);
    notes->identity = made;
    tp__session_arm_deadline(session);
    tp__session_parts_identified(session);
    return session->is_ending && !was_ending ? TP_DENIED : TP_OK;
}

const struct tp_identity *
tp_session_identity(const struct tp_session *session)
{
    return session->notes == NULL ? NULL : session->notes->identity;
}

enum tp_id_conflict
tp__session_id_conflict(const struct tp_session *session)
{
    return session->source->server->id_conflict;
}

enum tp_result
tp_session_set_timeout(struct tp_session *session, enum tp_session_timeout which,
                       struct tp_msec timeout)
{
    tp__sessions_check_thread(session->sessions);
    if ((unsigned) which >= TP_SESSION_TIMEOUT_COUNT || timeout.ms < -1) {
        return TP_INVALID;
    }
    struct tp_session_notes *notes = notes_of(session);

    if (notes == NULL) {
        return TP_NO_MEMORY;
    }
    notes->timeouts[which] = timeout;
    tp__session_arm_deadline(session);
    return TP_OK;
}

struct tp_msec
tp__session_timeout(const struct tp_session *session, enum tp_session_timeout which)
{
    const struct tp_session_limits *limits = &session->source->server->limits;
    const struct tp_msec configured[TP_SESSION_TIMEOUT_COUNT] = {
        [TP_TIMEOUT_READ] = limits->read_timeout,
        [TP_TIMEOUT_PACKET] = limits->packet_timeout,
        [TP_TIMEOUT_WRITE] = limits->write_timeout,
        [TP_TIMEOUT_PULL] = limits->pull_timeout,
    };
    int64_t own_ms = session->notes == NULL ? 0 : session->notes->timeouts[which].ms;

    if (own_ms == 0) {
        return configured[which];
    }
    return (struct tp_msec){ own_ms > 0 ? own_ms : 0 };
}

size_t
tp__session_longest_note(const struct tp_session *session)
{
    const size_t lens[] = { tp_session_tls_subject(session).len,
                            strlen(tp_session_tls_cipher(session)) };
    size_t longest = tp_session_id(session).len;

    for (size_t i = 0; i < TP_COUNT_OF(lens); i++) {
        longest = lens[i] > longest ? lens[i] : longest;
    }
    if (session->notes == NULL) {
        return longest;
    }
    size_t proved = tp__identity_longest(session->notes->identity);

    longest = proved > longest ? proved : longest;
    for (const struct session_variable *variable = session->notes->variables; variable != NULL;
         variable = variable->next) {
        longest = variable->value_len > longest ? variable->value_len : longest;
    }
    return longest;
}

void
tp__session_save_notes(const struct tp_session *session, struct tp_saved_writer *writer)
{
    const struct tp_session_notes *notes = session->notes;
    uint8_t timeouts[SAVED_TIMEOUTS_BYTES];

    if (notes == NULL) {
        return;
    }
    for (int i = 0; i < TP_SESSION_TIMEOUT_COUNT; i++) {
        tp__saved_write_big_endian(timeouts + i * 8, (uint64_t) notes->timeouts[i].ms, 8);
    }
    tp__saved_put_text(writer, TP_SAVED_OWN_TIMEOUTS,
                       (struct tp_str){ (const char *) timeouts, sizeof(timeouts) });
    notes_save_variables(notes, writer);
    enum tp_result result = tp__identity_save(notes->identity, writer, TP_SAVED_IDENTITY);

    writer->result = writer->result == TP_OK ? result : writer->result;
}

bool
tp__session_notes_are_sane(const struct tp_saved_section *section)
{
    struct tp_str timeouts = tp__saved_get_text(section, TP_SAVED_OWN_TIMEOUTS);
    struct tp_str rest = tp__saved_get_text(section, TP_SAVED_VARIABLES);
    struct tp_identity identity;
    struct tp_str name;
    struct tp_str value;

    if (tp__saved_has(section, TP_SAVED_IDENTITY)
        && !tp__identity_read(tp__saved_get_text(section, TP_SAVED_IDENTITY), &identity)) {
        return false;
    }
    for (size_t i = 0; i + 8 <= timeouts.len; i += 8) {
        if ((int64_t) tp__saved_read_big_endian(timeouts.data + i, 8) < -1) {
            return false;
        }
    }
    while (rest.len > 0) {
        if (!saved_take_variable(&rest, &name, &value)) {
            return false;
        }
    }
    return timeouts.len == 0 || timeouts.len == SAVED_TIMEOUTS_BYTES;
}

enum tp_result
tp__session_restore_notes(struct tp_session *session, const struct tp_saved_section *section)
{
    struct tp_str timeouts = tp__saved_get_text(section, TP_SAVED_OWN_TIMEOUTS);
    struct tp_str rest = tp__saved_get_text(section, TP_SAVED_VARIABLES);
    enum tp_result result = TP_OK;
    struct tp_str name;
    struct tp_str value;

    for (size_t i = 0; i < timeouts.len / 8 && result == TP_OK; i++) {
        struct tp_msec own = { (int64_t) tp__saved_read_big_endian(timeouts.data + i * 8, 8) };

        result = tp_session_set_timeout(session, (enum tp_session_timeout) i, own);
    }
    while (result == TP_OK && saved_take_variable(&rest, &name, &value)) {
        result = tp_session_set_variable(session, name, value);
    }
    if (result == TP_OK && tp__saved_has(section, TP_SAVED_IDENTITY)) {
        struct tp_identity identity;

        tp__identity_read(tp__saved_get_text(section, TP_SAVED_IDENTITY), &identity);
        result = tp_session_identify(session, &identity);
    }
    return result;
}

void
tp__session_notes_free(struct tp_session *session)
{
    struct tp_session_notes *notes = session->notes;

    if (notes == NULL) {
        return;
    }
    id_drop(session);
    while (notes->variables != NULL) {
        variable_remove(notes, &notes->variables);
    }
    free(notes->identity);
    session->notes = NULL;
    free(notes);
}

static struct tp_session_notes *
notes_of(struct tp_session *session)
{
    if (session->notes == NULL) {
        session->notes = calloc(1, sizeof(*session->notes));
        if (session->notes != NULL) {
            session->notes->session = session;
        }
    }
    return session->notes;
}

static uint64_t
id_hash(struct tp_str id)
{
    return tp__hash_number(tp__hash_extend_bytes(TP_HASH_NONE, id.data, id.len));
}

/* Another session of this loop has the id: TP_EXISTS, or that one loses it. */
static enum tp_result
id_settle_conflict(struct tp_session *session, struct tp_str id)
{
    struct tp_session *holder = tp__sessions_find_id(session->sessions, id);

    if (holder == NULL) {
        return TP_OK;
    }
    if (tp__session_id_conflict(session) == TP_ID_REFUSE_NEW) {
        return TP_EXISTS;
    }
    id_drop(holder);
    tp__session_close_told(holder, TP_CLOSE_ID_TAKEN, TP_STR(""), false);
    return TP_OK;
}

static void
id_drop(struct tp_session *session)
{
    struct tp_sessions *sessions = session->sessions;
    struct tp_session_notes *notes = session->notes;

    if (notes->id_len == 0) {
        return;
    }
    tp__hash_table_remove(&sessions->by_id, &notes->by_id);
    /* One that moves takes its id along. */
    if (sessions->callbacks.release_id != NULL && session->end_reason != TP_CLOSE_MOVED) {
        sessions->callbacks.release_id(sessions->callbacks.owner, session, tp_session_id(session));
    }
    notes->id_len = 0;
}

static void
notes_save_variables(const struct tp_session_notes *notes, struct tp_saved_writer *writer)
{
    size_t size = notes->variable_bytes + notes->variable_count * SAVED_LENGTHS;
    uint8_t *saved = size == 0 ? NULL : malloc(size);
    uint8_t *next = saved;

    if (size > 0 && saved == NULL) {
        writer->result = writer->result == TP_OK ? TP_NO_MEMORY : writer->result;
        return;
    }
    for (const struct session_variable *variable = notes->variables; variable != NULL;
         variable = variable->next) {
        size_t texts_len = variable->name_len + variable->value_len;

        tp__saved_write_big_endian(next, variable->name_len, 4);
        tp__saved_write_big_endian(next + 4, variable->value_len, 4);
        memcpy(next + SAVED_LENGTHS, variable->texts, texts_len);
        next += SAVED_LENGTHS + texts_len;
    }
    if (size > 0) {
        tp__saved_put_text(writer, TP_SAVED_VARIABLES,
                           (struct tp_str){ (const char *) saved, size });
    }
    free(saved);
}

/* Takes one off the front; false when none is whole and within its bounds. */
static bool
saved_take_variable(struct tp_str *rest, struct tp_str *name, struct tp_str *value)
{
    if (rest->len < SAVED_LENGTHS) {
        return false;
    }
    uint64_t name_len = tp__saved_read_big_endian(rest->data, 4);
    uint64_t value_len = tp__saved_read_big_endian(rest->data + 4, 4);

    if (name_len == 0 || name_len > TP_SESSION_VARIABLE_NAME_MAX || value_len == 0
        || value_len > TP_SESSION_VARIABLES_BYTES
        || rest->len - SAVED_LENGTHS < name_len + value_len) {
        return false;
    }
    *name = (struct tp_str){ rest->data + SAVED_LENGTHS, (size_t) name_len };
    *value = (struct tp_str){ name->data + name_len, (size_t) value_len };
    *rest = tp__str_skip(*rest, (size_t) (SAVED_LENGTHS + name_len + value_len));
    return true;
}

/* Where the link to the variable is, or would be. */
static struct session_variable **
variable_find(struct tp_session_notes *notes, struct tp_str name)
{
    struct session_variable **link = &notes->variables;

    while (*link != NULL
           && !tp__str_equal((struct tp_str){ (*link)->texts, (*link)->name_len }, name)) {
        link = &(*link)->next;
    }
    return link;
}

/* Does nothing where there is none. */
static void
variable_remove(struct tp_session_notes *notes, struct session_variable **link)
{
    struct session_variable *variable = *link;

    if (variable == NULL) {
        return;
    }
    *link = variable->next;
    notes->variable_count--;
    notes->variable_bytes -= variable->name_len + variable->value_len;
    free(variable);
}
