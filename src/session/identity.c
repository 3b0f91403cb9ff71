/*
 * identity.c - who the other end has proved to be, and what stands before a session until then.
 *
 * A guard is a greeting (session_hooks.c) whose hook is promised each request instead of one:
 * when it has ended one, the promise is renewed, until the hook lets the session in.
 *
 * Runs in: worker; a program's thread with the library.  Owns: identities and guards.
 * Read next: notes.c, which has a session's identity; session_hooks.c.
 */
#include <teleport/identity.h>

#include "base/str.h"
#include "session/record.h"

#include <stdlib.h>
#include <string.h>

enum {
    SAVED_LEN_BYTES = 4,
    SAVED_FIXED_BYTES = 8 + TP_IDENTITY_MARK_BYTES + 3 * SAVED_LEN_BYTES,
};

static bool identity_is_sane(const struct tp_identity *identity);
static void text_copy(struct tp_str *text, struct tp_str from, char **room);
static void identity_put_text(uint8_t **next, struct tp_str text);
static bool saved_take_text(struct tp_str *rest, struct tp_str *text);

enum tp_result
tp__identity_make(const struct tp_identity *identity, struct tp_identity **made)
{
    *made = NULL;
    if (identity == NULL) {
        return TP_OK;
    }
    if (!identity_is_sane(identity)) {
        return TP_TOO_LARGE;
    }
    struct tp_identity *copy =
        malloc(sizeof(*copy) + identity->id.len + identity->method.len + identity->claims.len);

    if (copy == NULL) {
        return TP_NO_MEMORY;
    }
    char *room = (char *) (copy + 1);

    *copy = *identity;
    text_copy(&copy->id, identity->id, &room);
    text_copy(&copy->method, identity->method, &room);
    text_copy(&copy->claims, identity->claims, &room);
    *made = copy;
    return TP_OK;
}

enum tp_result
tp_exchange_identify(struct tp_exchange *exchange, const struct tp_identity *identity)
{
    struct tp_identity *made;
    enum tp_result result = tp__identity_make(identity, &made);

    if (result == TP_OK) {
        free(exchange->identity);
        exchange->identity = made;
    }
    return result;
}

const struct tp_identity *
tp_exchange_identity(const struct tp_exchange *exchange)
{
    if (exchange->identity != NULL) {
        return exchange->identity;
    }
    return exchange->session == NULL ? NULL : tp_session_identity(exchange->session);
}

enum tp_result
tp_session_set_guard(struct tp_session *session, const struct tp_session_guard *guard)
{
    const struct tp_hook_chain *chain =
        tp__hooks_at(session->source->server->hooks, (enum tp_hook_point) session->hook_point);
    struct tp_guard *made = malloc(sizeof(*made));

    if (made == NULL) {
        return TP_NO_MEMORY;
    }
    *made = (struct tp_guard){
        .what = *guard,
        .owner = chain == NULL ? "" : chain->uses[session->hook_at].owner,
        .since_ms = tp__loop_now_ms(session->sessions->loop),
    };
    tp__session_lift_guard(session);
    session->guard = made;
    tp_session_expect(session, guard->handler, guard->owner);
    tp__session_arm_deadline(session);
    return TP_OK;
}

bool
tp_session_is_guarded(const struct tp_session *session)
{
    return tp__session_guard(session) != NULL;
}

bool
tp_session_proves_each(const struct tp_session *session)
{
    return session->protocol != NULL
           && (session->protocol->protocol->abilities & TP_PROTOCOL_PROVES_EACH) != 0;
}

void
tp__session_lift_guard(struct tp_session *session)
{
    if (session->guard == NULL) {
        return;
    }
    if (!session->guard->is_aside) {
        session->on_expected = NULL;
    }
    free(session->guard);
    session->guard = NULL;
}

void
tp__session_renew_guard(struct tp_session *session)
{
    const struct tp_guard *guard = tp__session_guard(session);

    if (guard != NULL && session->on_expected == NULL && !session->is_ending) {
        tp_session_expect(session, guard->what.handler, guard->what.owner);
    }
}

/* What it was given is of a configuration that may go: only whose it is counts from here on. */
bool
tp__session_put_guard_aside(struct tp_session *session)
{
    if (tp__session_guard(session) == NULL || !tp_session_proves_each(session)) {
        return false;
    }
    session->guard->what = (struct tp_session_guard){ .handler = NULL };
    session->guard->is_aside = true;
    session->on_expected = NULL;
    tp_session_resume(session, TP_PASS, NULL);
    return true;
}

enum tp_result
tp__session_recall_guard(struct tp_session *session)
{
    if (session->guard == NULL || !session->guard->is_aside || tp_session_proves_each(session)) {
        return TP_OK;
    }
    struct tp_str owner = tp__str(session->guard->owner);

    tp__session_lift_guard(session);
    enum tp_result result = tp__session_greet_again(session, TP_HOOK_POST_ACCEPT, owner);

    if (session->guard != NULL) {
        session->guard->stands_alone = true;
    }
    /* A configuration that has come meanwhile may ask nobody who it is. */
    return result == TP_NOT_FOUND ? TP_OK : result;
}

struct tp_str
tp__session_guard_aside(const struct tp_session *session)
{
    return session->guard != NULL && session->guard->is_aside ? tp__str(session->guard->owner)
                                                              : TP_STR("");
}

enum tp_result
tp__session_restore_guard_aside(struct tp_session *session, struct tp_str owner)
{
    const struct tp_hook_chain *chain =
        tp__hooks_at(session->source->server->hooks, TP_HOOK_POST_ACCEPT);
    size_t at = tp__hook_chain_find(chain, owner);

    if (owner.len == 0 || at == SIZE_MAX) {
        return TP_OK;
    }
    session->guard = calloc(1, sizeof(*session->guard));
    if (session->guard == NULL) {
        return TP_NO_MEMORY;
    }
    session->guard->owner = chain->uses[at].owner;
    session->guard->is_aside = true;
    return TP_OK;
}

struct tp_size
tp__session_packet_limit(const struct tp_session *session)
{
    struct tp_size limit = session->source->server->limits.packet;

    const struct tp_guard *guard = tp__session_guard(session);

    if (guard == NULL || tp_session_proves_each(session)
        || guard->what.packet_limit.bytes >= limit.bytes) {
        return limit;
    }
    return guard->what.packet_limit;
}

enum tp_result
tp__identity_save(const struct tp_identity *identity, struct tp_saved_writer *writer,
                  enum tp_saved_tag tag)
{
    if (identity == NULL) {
        return TP_OK;
    }
    size_t size =
        SAVED_FIXED_BYTES + identity->id.len + identity->method.len + identity->claims.len;
    uint8_t *saved = malloc(size);

    if (saved == NULL) {
        return TP_NO_MEMORY;
    }
    uint8_t *next = saved + 8;

    tp__saved_write_big_endian(saved, (uint64_t) identity->expires_ms, 8);
    memcpy(next, identity->mark, sizeof(identity->mark));
    next += sizeof(identity->mark);
    identity_put_text(&next, identity->id);
    identity_put_text(&next, identity->method);
    identity_put_text(&next, identity->claims);
    tp__saved_put_text(writer, tag, (struct tp_str){ (const char *) saved, size });
    free(saved);
    return TP_OK;
}

bool
tp__identity_read(struct tp_str saved, struct tp_identity *identity)
{
    *identity = (struct tp_identity){ .expires_ms = 0 };
    if (saved.len < SAVED_FIXED_BYTES) {
        return false;
    }
    struct tp_str rest = tp__str_skip(saved, 8 + sizeof(identity->mark));

    identity->expires_ms = (int64_t) tp__saved_read_big_endian(saved.data, 8);
    memcpy(identity->mark, saved.data + 8, sizeof(identity->mark));
    return saved_take_text(&rest, &identity->id) && saved_take_text(&rest, &identity->method)
           && saved_take_text(&rest, &identity->claims) && rest.len == 0
           && identity->expires_ms >= 0 && identity_is_sane(identity);
}

static bool
identity_is_sane(const struct tp_identity *identity)
{
    return identity->id.len <= TP_IDENTITY_ID_MAX && identity->method.len <= TP_IDENTITY_METHOD_MAX
           && identity->claims.len <= TP_IDENTITY_CLAIMS_MAX;
}

static void
text_copy(struct tp_str *text, struct tp_str from, char **room)
{
    if (from.len > 0) {
        memcpy(*room, from.data, from.len);
    }
    *text = (struct tp_str){ *room, from.len };
    *room += from.len;
}

static void
identity_put_text(uint8_t **next, struct tp_str text)
{
    tp__saved_write_big_endian(*next, text.len, SAVED_LEN_BYTES);
    *next += SAVED_LEN_BYTES;
    if (text.len > 0) {
        memcpy(*next, text.data, text.len);
    }
    *next += text.len;
}

static bool
saved_take_text(struct tp_str *rest, struct tp_str *text)
{
    if (rest->len < SAVED_LEN_BYTES) {
        return false;
    }
    uint64_t len = tp__saved_read_big_endian(rest->data, SAVED_LEN_BYTES);

    if (len > rest->len - SAVED_LEN_BYTES) {
        return false;
    }
    *text = (struct tp_str){ rest->data + SAVED_LEN_BYTES, (size_t) len };
    *rest = tp__str_skip(*rest, SAVED_LEN_BYTES + (size_t) len);
    return true;
}
