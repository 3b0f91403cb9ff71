/*
 * session_shell.c - what stands between a connection and the protocol that is spoken on it: the
 * header of the PROXY protocol, which says who has really connected, and TLS.
 *
 * accepted --> PROXY header --> handshake --> hooks of post_accept --> packets
 * dialed   -------------------> handshake --> hooks of post_dial   --> packets
 *
 * Until then the session is barred: it reads, and sends what TLS has to send, but no packet.  Where
 * an address takes both, TLS and none, hooks and perhaps packets of ours come first, and the first
 * bytes of the other end tell.
 *
 * What is sealed is written like what is not: `unsent` are bytes of the connection.
 *
 * Runs in: worker; a program's thread with the library.  Owns: the connection's TLS.
 * Read next: net/tls.h, net/proxy_header.h, session_read.c, session_write.c.
 */
#include "session/record.h"

#include "base/str.h"
#include "net/proxy_header.h"
#include "os/socket.h"

#include <stdlib.h>
#include <string.h>

enum {
    TLS_TELLING_BYTES = 2,    /* of the first record, which tell that it is TLS */
    TLS_REST_EVERY_MS = 1000, /* so long, or twice that, a silent connection keeps buffers */
};

static enum tp_result shell_make(struct tp_session *session);
static void shell_bar(struct tp_session *session);
static enum tp_result shell_begin_tls(struct tp_session *session);
static struct tp_tls *shell_make_tls(struct tp_session *session);
static enum tp_result shell_fill_tls(struct tp_session *session, size_t *count, bool *has_ended);
static enum tp_result shell_open_arrived(struct tp_session *session, size_t *count,
                                         bool *has_ended);
static enum tp_result shell_open_once(struct tp_session *session, size_t *count);
static enum tp_result shell_take_input(struct tp_session *session, size_t *count, bool *has_ended);
static enum tp_result shell_read_proxy(struct tp_session *session, bool has_ended);
static void shell_take_proxy(struct tp_session *session, const struct tp_proxy_header *header);
static void shell_refuse(struct tp_session *session, enum tp_close_reason reason, const char *why);
static enum tp_result shell_keep_sealed(struct tp_session *session);
static bool sealed_take(struct tp_tls_sink *sink, const uint8_t *bytes, size_t len);
static void sealed_watch_busy(struct tp_sessions *sessions);
static void sealed_on_rest(struct tp_timer *timer);

void
tp__shells_init(struct tp_sessions *sessions)
{
    tp__tls_desk_init(&sessions->desk, &sessions->pool);
    tp__output_init(&sessions->sealed.output, &sessions->pool);
    sessions->sealed.sink.take = sealed_take;
    tp__timer_init(&sessions->sealed.rest, sealed_on_rest);
}

void
tp__shells_fini(struct tp_sessions *sessions)
{
    tp__loop_stop_timer(sessions->loop, &sessions->sealed.rest);
    tp__tls_desk_fini(&sessions->desk);
    tp__output_fini(&sessions->sealed.output);
}

enum tp_result
tp__shell_begin(struct tp_session *session)
{
    const struct tp_source *source = session->source;
    bool has_tls =
        session->dialed == NULL ? source->requires_tls : tp__dialed_tls(session).context != NULL;
    bool has_proxy = session->dialed == NULL && source->proxies != NULL;

    if (!has_tls && !has_proxy) {
        return TP_OK;
    }
    if (has_proxy && !tp__networks_have(source->proxies, &session->remote)) {
        return TP_DENIED;
    }
    enum tp_result result = shell_make(session);

    if (result == TP_OK && has_proxy) {
        session->shell->awaits_proxy = true;
        session->shell->connection = session->remote;
    } else if (result == TP_OK) {
        result = shell_begin_tls(session);
    }
    return result;
}

void
tp__shell_free(struct tp_session *session)
{
    session->is_barred = false;
    if (session->shell != NULL) {
        tp__tls_free(&session->shell->tls);
        free(session->shell);
        session->shell = NULL;
    }
}

enum tp_result
tp__shell_fill(struct tp_session *session, size_t *count, bool *has_ended)
{
    enum tp_result result = TP_OK;

    if (session->shell->tls != NULL) {
        result = shell_fill_tls(session, count, has_ended);
    } else {
        result = tp__session_fill(session, count);
        *has_ended = result == TP_OK && *count == 0;
    }
    if (result == TP_OK && session->shell->awaits_proxy) {
        *count = 0;
        result = shell_read_proxy(session, *has_ended);
        if (result == TP_OK && session->shell->tls != NULL) {
            result = shell_take_input(session, count, has_ended);
        }
    }
    return result;
}

enum tp_result
tp__shell_guess(struct tp_session *session)
{
    const struct tp_source *source = session->source;
    uint8_t bytes[TLS_TELLING_BYTES];
    size_t len = session->input.len < sizeof(bytes) ? session->input.len : sizeof(bytes);
    size_t count = 0;
    bool has_ended = false;

    if (source->tls == NULL || source->protocol != NULL || session->dialed != NULL
        || (session->shell != NULL && session->shell->tls != NULL)) {
        return TP_NOT_FOUND;
    }
    tp_chain_copy(&session->input, 0, len, bytes);
    if (len > 0 && len < sizeof(bytes) && bytes[0] == TP_TLS_FIRST_BYTE) {
        return TP_AGAIN;
    }
    if (!tp__tls_looks_like(bytes, len)) {
        return TP_NOT_FOUND;
    }
    enum tp_result result = session->shell == NULL ? shell_make(session) : TP_OK;

    if (result == TP_OK) {
        shell_bar(session);
        result = shell_begin_tls(session);
    }
    if (result == TP_OK) {
        result = shell_take_input(session, &count, &has_ended);
    }
    return result == TP_OK || result == TP_AGAIN ? TP_OK : result;
}

bool
tp__shell_open(struct tp_session *session)
{
    session->is_barred = false;
    session->shell->begun_ms = 0;
    tp__session_want_turn_end(session);
    if (session->is_move_due && session->input.len == 0 && !session->is_greeting) {
        tp__session_on_boundary(session);
    }
    if (session->is_introduced) {
        return true;
    }
    enum tp_result result = tp__session_begin_talk(session);

    if (result == TP_DENIED) {
        tp__session_refuse(&session);
    } else if (result != TP_OK) {
        tp__session_close(&session, TP_CLOSE_NO_RESOURCES);
    }
    return result == TP_OK;
}

bool
tp__shell_is_ready(const struct tp_session *session)
{
    const struct tp_shell *shell = session->shell;

    return session->is_barred && !session->is_ending && !shell->awaits_proxy
           && (shell->tls == NULL || tp__tls_state(shell->tls) == TP_TLS_OPEN
               || tp__tls_state(shell->tls) == TP_TLS_ENDED);
}

enum tp_result
tp__shell_seal(struct tp_session *session, const struct tp_slice *slices, size_t count)
{
    struct tp_sessions *sessions = session->sessions;

    tp__output_reset(&sessions->sealed.output);
    enum tp_result result =
        tp__tls_seal(session->shell->tls, &sessions->sealed.sink, slices, count);

    sealed_watch_busy(sessions);
    return result == TP_INVALID ? TP_GONE : result;
}

enum tp_result
tp__shell_seal_unsent(struct tp_session *session, const struct tp_chain *plain)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(plain, &count);
    enum tp_result result = tp__shell_seal(session, slices, count);

    return result == TP_OK ? shell_keep_sealed(session) : result;
}

enum tp_result
tp__shell_say_end(struct tp_session *session)
{
    if (!tp__session_is_sealed(session)) {
        return TP_OK;
    }
    tp__output_reset(&session->sessions->sealed.output);
    tp__tls_say_end(session->shell->tls, &session->sessions->sealed.sink);
    return shell_keep_sealed(session);
}

void
tp__shell_part(struct tp_session *session)
{
    struct tp_sessions *sessions = session->sessions;
    size_t count;
    size_t written;

    if (!tp__session_is_sealed(session) || session->unsent.len > 0
        || !tp__session_is_connected(session)) {
        return;
    }
    tp__output_reset(&sessions->sealed.output);
    tp__tls_say_end(session->shell->tls, &sessions->sealed.sink);
    const struct tp_slice *slices = tp__output_pieces(&sessions->sealed.output, &count);

    /* Who does not take it now will hear of the end all the same. */
    enum tp_result result =
        count == 0 ? TP_OK : tp__socket_write_slices(session->watcher.fd, slices, count, &written);

    (void) result;
    tp__output_reset(&sessions->sealed.output);
}

const struct tp_address *
tp_session_connection(const struct tp_session *session)
{
    bool has_proxy = session->shell != NULL && session->shell->connection.family != TP_ADDRESS_NONE;

    return has_proxy ? &session->shell->connection : &session->remote;
}

const char *
tp_session_tls_version(const struct tp_session *session)
{
    return tp__session_is_sealed(session) ? tp__tls_version_word(session->shell->tls) : "";
}

const char *
tp_session_tls_cipher(const struct tp_session *session)
{
    return tp__session_is_sealed(session) ? tp__tls_cipher_word(session->shell->tls) : "";
}

struct tp_str
tp_session_tls_subject(const struct tp_session *session)
{
    return tp__session_is_sealed(session) ? tp__tls_subject(session->shell->tls) : TP_STR("");
}

struct tp_str
tp_session_tls_common_name(const struct tp_session *session)
{
    return tp__session_is_sealed(session) ? tp__tls_common_name(session->shell->tls) : TP_STR("");
}

struct tp_str
tp_session_tls_alternative_name(const struct tp_session *session)
{
    return tp__session_is_sealed(session) ? tp__tls_alternative_name(session->shell->tls)
                                          : TP_STR("");
}

/* Barred from here on. */
static enum tp_result
shell_make(struct tp_session *session)
{
    session->shell = calloc(1, sizeof(*session->shell));
    if (session->shell == NULL) {
        return TP_NO_MEMORY;
    }
    shell_bar(session);
    return TP_OK;
}

/* For as long as a handshake may take. */
static void
shell_bar(struct tp_session *session)
{
    session->is_barred = true;
    session->shell->begun_ms = tp__loop_now_ms(session->sessions->loop);
    tp__session_arm_deadline(session);
}

static enum tp_result
shell_begin_tls(struct tp_session *session)
{
    struct tp_sessions *sessions = session->sessions;
    struct tp_tls *tls = shell_make_tls(session);

    if (tls == NULL) {
        return TP_NO_MEMORY;
    }
    session->shell->tls = tls;
    if (session->dialed == NULL) {
        return TP_OK;
    }
    tp__output_reset(&sessions->sealed.output);
    enum tp_result result = tp__tls_begin(tls, &sessions->sealed.sink);

    return result == TP_OK ? shell_keep_sealed(session) : TP_NO_MEMORY;
}

static struct tp_tls *
shell_make_tls(struct tp_session *session)
{
    struct tp_tls_desk *desk = &session->sessions->desk;

    if (session->dialed == NULL) {
        return tp__tls_accept(desk, session->source->tls);
    }
    struct tp_dialed_tls dialed = tp__dialed_tls(session);

    return tp__tls_dial(desk, dialed.context, dialed.name);
}

/* Reads once, as much as is opened in one turn. */
static enum tp_result
shell_fill_tls(struct tp_session *session, size_t *count, bool *has_ended)
{
    struct tp_tls *tls = session->shell->tls;
    size_t room = 0;
    size_t arrived = 0;
    uint8_t *place = tp__tls_place(tls, &room);

    if (place == NULL) {
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp__socket_read(session->watcher.fd, place, room, &arrived);

    if (result != TP_OK) {
        return result;
    }
    if (arrived == 0) {
        session->shell->is_cut = !session->shell->has_ended;
        *has_ended = true;
        return TP_OK;
    }
    tp__tls_arrive(tls, arrived);
    return shell_open_arrived(session, count, has_ended);
}

/* Opens all of it behind the input; what TLS has to say goes behind what is unsent. */
static enum tp_result
shell_open_arrived(struct tp_session *session, size_t *count, bool *has_ended)
{
    struct tp_tls *tls = session->shell->tls;
    enum tp_result result = TP_OK;

    tp__output_reset(&session->sessions->sealed.output);
    while (result == TP_OK) {
        result = shell_open_once(session, count);
    }
    enum tp_result kept = shell_keep_sealed(session);

    sealed_watch_busy(session->sessions);
    *has_ended = result == TP_GONE;
    if (result == TP_NO_MEMORY || kept != TP_OK) {
        return TP_NO_MEMORY;
    }
    if (result == TP_MISMATCH) {
        shell_refuse(session, TP_CLOSE_TLS_REQUIRED, tp__tls_why(tls));
    } else if (result == TP_INVALID) {
        shell_refuse(session, TP_CLOSE_TLS_FAILED, tp__tls_why(tls));
    }
    return TP_OK;
}

static enum tp_result
shell_open_once(struct tp_session *session, size_t *count)
{
    size_t room;
    size_t opened = 0;
    uint8_t *bytes = tp__session_read_room(session->sessions, &room);

    if (bytes == NULL) {
        return TP_NO_MEMORY;
    }
    enum tp_result result =
        tp__tls_open(session->shell->tls, &session->sessions->sealed.sink, bytes, room, &opened);

    *count += opened;
    return result == TP_OK ? tp__session_append_read(session, bytes, opened) : result;
}

/* What was read before it was known to be sealed. */
static enum tp_result
shell_take_input(struct tp_session *session, size_t *count, bool *has_ended)
{
    struct tp_tls *tls = session->shell->tls;
    struct tp_chain sealed = session->input;
    enum tp_result result = TP_OK;

    session->input = (struct tp_chain){ .len = 0 };
    while (result == TP_OK && sealed.len > 0 && !*has_ended && !session->is_ending) {
        size_t room;
        uint8_t *place = tp__tls_place(tls, &room);

        if (place == NULL) {
            result = TP_NO_MEMORY;
            break;
        }
        size_t part = sealed.len < room ? sealed.len : room;

        tp_chain_copy(&sealed, 0, part, place);
        tp_chain_skip(&sealed, part);
        tp__tls_arrive(tls, part);
        result = shell_open_arrived(session, count, has_ended);
    }
    tp_chain_clear(&sealed);
    return result;
}

/* Looks for the header at the front of the input. */
static enum tp_result
shell_read_proxy(struct tp_session *session, bool has_ended)
{
    uint8_t scratch[TP_PROXY_HEADER_MAX];
    struct tp_chain *input = &session->input;
    size_t len = input->len < sizeof(scratch) ? input->len : sizeof(scratch);
    struct tp_proxy_header header;
    const char *why = "";

    switch (tp__proxy_header_read(tp_chain_peek(input, 0, len, scratch), len, &header, &why)) {
    case TP_PROXY_WHOLE:
        tp_chain_skip(input, header.len);
        shell_take_proxy(session, &header);
        return session->source->requires_tls ? shell_begin_tls(session) : TP_OK;
    case TP_PROXY_MORE:
        if (has_ended) {
            return TP_OK; /* Who checks whether we listen connects and says nothing. */
        }
        tp__session_keep_rest(session);
        return TP_AGAIN;
    case TP_PROXY_NONE:
        shell_refuse(session, TP_CLOSE_PROXY_HEADER, "the first bytes are no PROXY header");
        break;
    case TP_PROXY_BROKEN:
        shell_refuse(session, TP_CLOSE_PROXY_HEADER, why);
        break;
    }
    return TP_OK;
}

/* From here on the session's remote is who has connected to the proxy. */
static void
shell_take_proxy(struct tp_session *session, const struct tp_proxy_header *header)
{
    char remote[TP_ADDRESS_TEXT_MAX];
    char proxy[TP_ADDRESS_TEXT_MAX];

    session->shell->awaits_proxy = false;
    if (header->has_addresses) {
        session->remote = header->source;
    }
    tp_log_debug(tp_session_log(session), "session-proxied", "number=%llu remote=%s proxy=%s",
                 (unsigned long long) session->number, tp_address_format(&session->remote, remote),
                 tp_address_format(&session->shell->connection, proxy));
}

/* What TLS says about it leaves; no packet does any more. */
static void
shell_refuse(struct tp_session *session, enum tp_close_reason reason, const char *why)
{
    tp_log_info(tp_session_log(session), "input-refused", "number=%llu reason=%s why=\"%s\"",
                (unsigned long long) session->number, tp_close_reason_word(reason), why);
    if (session->dialed != NULL) {
        session->sessions->dial_result = TP_MISMATCH; /* The desk knows the words. */
    }
    session->is_barred = true;
    session->shell->begun_ms = 0;
    session->has_said_end = true;
    tp__session_end(session, reason, false);
}

static enum tp_result
shell_keep_sealed(struct tp_session *session)
{
    struct tp_output *output = &session->sessions->sealed.output;
    size_t len = tp__output_len(output);

    if (len == 0) {
        return TP_OK;
    }
    enum tp_result result = tp__output_rest(output, 0, &session->unsent);

    if (result == TP_OK) {
        session->queued_bytes += len;
        tp__session_want_turn_end(session);
    }
    return result;
}

static bool
sealed_take(struct tp_tls_sink *sink, const uint8_t *bytes, size_t len)
{
    struct tp_sealed *sealed = TP_CONTAINER_OF(sink, struct tp_sealed, sink);
    uint8_t *place = tp_output_reserve(&sealed->output, len);

    if (place == NULL) {
        return false;
    }
    memcpy(place, bytes, len);
    return tp_output_commit(&sealed->output, len, NULL) == TP_OK;
}

static void
sealed_watch_busy(struct tp_sessions *sessions)
{
    if (sessions->desk.busy_count > 0 && !sessions->sealed.rest.is_running) {
        tp__loop_start_timer(sessions->loop, &sessions->sealed.rest, TLS_REST_EVERY_MS);
    }
}

static void
sealed_on_rest(struct tp_timer *timer)
{
    struct tp_sealed *sealed = TP_CONTAINER_OF(timer, struct tp_sealed, rest);
    struct tp_sessions *sessions = TP_CONTAINER_OF(sealed, struct tp_sessions, sealed);

    tp__tls_desk_rest(&sessions->desk);
    sealed_watch_busy(sessions);
}
