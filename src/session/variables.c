/*
 * variables.c - the table of run-time variables, and templates expanded with them.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: format/values.c (how values are written), exchange_log.c, conf/template.c.
 */
#include "session/variables.h"

#include <teleport/query.h>

#include "base/str.h"
#include "os/process.h"
#include "session/exchange_log.h"
#include "session/forward.h"
#include "session/record.h"

#include <string.h>

/*
 * ROW(name, is a prefix, how its value is written, sentence), in the order of the manual.
 * What writes returns the place behind it, as all write_ functions do.
 */
/* clang-format off */
#define VARIABLE_TABLE(ROW)                                                                        \
    ROW(uri, false, tp__write_uri(writer, next, tp__exchange_wire_uri(exchange)),                  \
        "The uri of the packet, as it came.")                                                      \
    ROW(path, false, tp__write_text(writer, next, exchange->path),                                 \
        "The path of the uri, percent-decoded.")                                                   \
    ROW(query, false, tp__write_uri(writer, next, exchange->query),                                \
        "What stands behind the question mark of the uri, as it came.")                            \
    ROW(arg_, true, write_argument(writer, next, exchange->query, part->name),                     \
        "The first value of that name in the query, percent-decoded: `$arg_user` of "              \
        "`/hello?user=ann` is `ann`.")                                                             \
    ROW(meta_, true, write_metadata(writer, next, exchange->request.metadata, part->name),         \
        "The first value of that name in the metadata of the packet: `$meta_X_Real_IP`; over "     \
        "HTTP they are its headers. `_` stands for `-`, too.")                                     \
    ROW(protocol, false, tp__write_text(writer, next, tp__str(exchange_protocol(exchange))),       \
        "The protocol of the session; empty once that has ended.")                                 \
    ROW(route, false, write_route(writer, next, exchange->route),                                  \
        "The uri of the route that serves the exchange, as it is configured.")                     \
    ROW(type, false, write_type(next, &exchange->request),                                         \
        "The type of the packet: PULL, PUSH or AUTH_CALL.")                                        \
    ROW(seq, false, tp__write_number(next, exchange->request.seq),                                 \
        "The sequence number that the other end gave the packet.")                                 \
    ROW(session_number, false, tp__write_number(next, exchange->session_number),                   \
        "The number of the session, which no other session ever has.")                             \
    ROW(session_id, false, write_session_id(writer, next, exchange),                               \
        "The id of the session; empty without one, or once the session has ended.")                \
    ROW(auth_id, false, write_identity(writer, next, exchange, false),                             \
        "Who asks, as it was proved; empty where nothing was, or the session has ended.")          \
    ROW(auth_method, false, write_identity(writer, next, exchange, true),                          \
        "What has proved it: token, jwt, certificate or pull; empty as above.")                          \
    ROW(auth_claim_, true, write_claim(writer, next, exchange, part->name),                        \
        "What is known of who asks, by the name of the claim: `$auth_claim_role`; the first "      \
        "value where there are several.")                                                          \
    ROW(session_var_, true, write_session_variable(writer, next, exchange, part->name),            \
        "A variable that a module has set for the session: `$session_var_role` is the one "        \
        "called role.")                                                                            \
    ROW(session_rtt, false, tp__write_duration(next, exchange_rtt_us(exchange)),                   \
        "Seconds and microseconds that a packet of ours takes there and an answer back, "          \
        "smoothed, where heartbeats have measured it; else 0.000000.")                             \
    ROW(remote, false, write_remote(next, exchange),                                               \
        "Address and port of the other end; `unix:` for a Unix socket.")                           \
    ROW(remote_addr, false, write_address(next, &exchange->remote),                                \
        "The address of the other end, without its port.")                                         \
    ROW(remote_port, false, tp__write_number(next, exchange->remote.port),                         \
        "The port of the other end; 0 for a Unix socket.")                                         \
    ROW(connection_addr, false, write_connection(next, exchange),                                  \
        "The address that has connected: a proxy's, where one has said for whom; else as "         \
        "$remote_addr, and so once the session has ended.")                                        \
    ROW(ssl_protocol, false, write_tls(writer, next, exchange, tp_session_tls_version),            \
        "The version of TLS that the session speaks, such as TLSv1.3; empty without it, or once "  \
        "the session has ended.")                                                                  \
    ROW(ssl_cipher, false, write_tls(writer, next, exchange, tp_session_tls_cipher),               \
        "The cipher of the session's TLS; empty as above.")                                        \
    ROW(ssl_client_s_dn, false, tp__write_text(writer, next, tls_subject(exchange)),               \
        "Whom the certificate is for that the other end has shown, such as CN=lamp-7,O=Works; "    \
        "empty without one, and as above.")                                                        \
    ROW(listen, false, tp__write_text(writer, next, tp__str(exchange->source->name)),              \
        "The listening address that the session came in through.")                                 \
    ROW(header_codec, false, write_codec(writer, next, exchange, exchange->request.header_codec),  \
        "The codec of the packet's header.")                                                       \
    ROW(body_codec, false, write_codec(writer, next, exchange, exchange->request.body_codec),      \
        "The codec of the packet's body.")                                                         \
    ROW(gzip, false, tp__write_signed(next, exchange->request.gzip_level),                         \
        "The level that the packet's body is deflated with; 0: it is not.")                        \
    ROW(bytes_received, false, tp__write_number(next, exchange->request.wire_bytes),               \
        "The bytes of the whole packet.")                                                          \
    ROW(body_bytes, false, tp__write_number(next, exchange->request_body_bytes),                   \
        "The bytes of the packet's body, as they came.")                                           \
    ROW(status, false, tp__write_signed(next, exchange->reply.status.code),                        \
        "The code of the exchange's outcome; 0 while there is none, 101 when the session ended "   \
        "before it was answered.")                                                                 \
    ROW(status_text, false, tp__write_text(writer, next, exchange->reply.status.text),             \
        "The text of the outcome.")                                                                \
    ROW(bytes_sent, false, tp__write_number(next, exchange->reply.wire_bytes),                     \
        "The bytes of the whole reply; 0 while it is not sent, and for a PUSH.")                   \
    ROW(reply_bytes, false, tp__write_number(next, exchange->reply.body.len),                      \
        "The bytes of the reply's body, as they are sent.")                                        \
    ROW(duration, false, tp__write_duration(next, tp__exchange_now_us(exchange) - exchange->begun_us), \
        "Seconds and microseconds from the packet's arrival to the outcome.")                      \
    ROW(slow, false, write_slow(writer, next, exchange),                                           \
        "The word slow where that took slow_threshold or longer.")                                 \
    ROW(upstream_addr, false, write_place(writer, next, exchange),                                 \
        "Where the exchange was passed on to, in an access log: the address of the server, or the " \
        "key of a member that has dialed in. Of several tries it is the last, here and below; "    \
        "nothing was passed on: empty, or a hyphen in the log.")                                   \
    ROW(upstream_status, false, write_passed(writer, next, exchange, VARIABLE_upstream_status),    \
        "What that server answered; 504: nothing in time, 101: its connection was lost.")          \
    ROW(upstream_time, false, write_passed(writer, next, exchange, VARIABLE_upstream_time),        \
        "Seconds and microseconds that it took.")                                                  \
    ROW(upstream_tries, false, write_passed(writer, next, exchange, VARIABLE_upstream_tries),      \
        "To how many servers the exchange was given, one after the other.")                        \
    ROW(time_local, false, write_time_local(next, exchange),                                       \
        "The present local time, such as 2026-11-22 14:20:33.")                                    \
    ROW(time_iso8601, false, write_time_iso8601(next, exchange),                                   \
        "The present time with its zone, such as 2026-11-22T14:20:33+01:00.")                      \
    ROW(pid, false, tp__write_number(next, (uint64_t) tp__process_id()),                           \
        "The worker's process id.")                                                                \
    ROW(worker, false, tp__write_number(next, exchange->sessions->worker_slot),                    \
        "The worker's slot, counted from 0.")
/* clang-format on */

enum variable {
    VARIABLE_NONE = -1,
#define VARIABLE_ENUM_ROW(name, is_prefix, writing, sentence) VARIABLE_##name,
    VARIABLE_TABLE(VARIABLE_ENUM_ROW)
#undef VARIABLE_ENUM_ROW
};

static size_t text_bytes_max(const struct tp_exchange *exchange);
static enum tp_result expand_reserve(struct tp_exchange *exchange, struct tp_buf **buf, size_t len,
                                     size_t needed);
static char *write_argument(struct tp_value_writer *writer, char *next, struct tp_str query,
                            struct tp_str name);
static char *write_metadata(struct tp_value_writer *writer, char *next, struct tp_str metadata,
                            struct tp_str name);
static const char *exchange_protocol(const struct tp_exchange *exchange);
static char *write_session_id(struct tp_value_writer *writer, char *next,
                              const struct tp_exchange *exchange);
static char *write_session_variable(struct tp_value_writer *writer, char *next,
                                    const struct tp_exchange *exchange, struct tp_str name);
static char *write_identity(struct tp_value_writer *writer, char *next,
                            const struct tp_exchange *exchange, bool is_method);
static char *write_claim(struct tp_value_writer *writer, char *next,
                         const struct tp_exchange *exchange, struct tp_str name);
static bool metadata_is_secret(struct tp_str name);
static char *write_route(struct tp_value_writer *writer, char *next, const struct tp_route *route);
static char *write_type(char *next, const struct tp_packet *request);
static char *write_remote(char *next, const struct tp_exchange *exchange);
static void remote_text_update(struct tp_remote_text *text, const struct tp_address *remote);
static char *write_address(char *next, const struct tp_address *address);
static char *write_address_text(char *next, const struct tp_address *address);
static char *write_connection(char *next, const struct tp_exchange *exchange);
static char *write_tls(struct tp_value_writer *writer, char *next,
                       const struct tp_exchange *exchange,
                       const char *(*get_word)(const struct tp_session *session));
static struct tp_str tls_subject(const struct tp_exchange *exchange);
static char *write_codec(struct tp_value_writer *writer, char *next,
                         const struct tp_exchange *exchange, uint8_t codec);
static struct tp_str codec_name(const struct tp_codec *codec);
static char *write_slow(const struct tp_value_writer *writer, char *next,
                        const struct tp_exchange *exchange);
static const struct tp_passed *exchange_passed(const struct tp_exchange *exchange);
static char *write_place(struct tp_value_writer *writer, char *next,
                         const struct tp_exchange *exchange);
static char *write_passed(struct tp_value_writer *writer, char *next,
                          const struct tp_exchange *exchange, enum variable what);
static char *write_time_local(char *next, const struct tp_exchange *exchange);
static char *write_time_iso8601(char *next, const struct tp_exchange *exchange);
static int64_t exchange_rtt_us(const struct tp_exchange *exchange);

static const struct tp_run_variable variable_rows[] = {
#define VARIABLE_ROW(name, is_prefix, writing, sentence) { #name, is_prefix, sentence },
    VARIABLE_TABLE(VARIABLE_ROW)
#undef VARIABLE_ROW
};

const struct tp_run_variables tp__variables = { variable_rows, TP_COUNT_OF(variable_rows) };

void
tp__template_write(const struct tp_template *template, const struct tp_exchange *exchange,
                   struct tp_value_writer *writer)
{
    const struct tp_template_part *end = template->parts + template->count;
    char *next = writer->next;

    for (const struct tp_template_part *part = template->parts; part != end; part++) {
        next = tp__write_literal(next, part->text);
        switch ((enum variable) part->variable) {
#define VARIABLE_CASE_ROW(name, is_prefix, writing, sentence) \
    case VARIABLE_##name:                                     \
        next = writing;                                       \
        break;
            VARIABLE_TABLE(VARIABLE_CASE_ROW)
#undef VARIABLE_CASE_ROW
        case VARIABLE_NONE:
            break;
        }
    }
    writer->next = next;
}

size_t
tp__template_fixed_max(const struct tp_template *template)
{
    size_t bytes = 0;

    for (size_t i = 0; i < template->count; i++) {
        bytes += template->parts[i].text.len + TP_VARIABLE_BYTES_MAX;
    }
    return bytes;
}

size_t
tp__template_front(const struct tp_template *template)
{
    for (size_t i = 0; i < template->count; i++) {
        switch (template->parts[i].variable) {
        case VARIABLE_time_local:
        case VARIABLE_time_iso8601:
        case VARIABLE_type:
        case VARIABLE_session_number:
        case VARIABLE_remote:
        case VARIABLE_remote_addr:
        case VARIABLE_remote_port:
        case VARIABLE_pid:
        case VARIABLE_worker:
            break;
        default:
            return i;
        }
    }
    return template->count;
}

bool
tp__template_tells_passed(const struct tp_template *template)
{
    for (size_t i = 0; i < template->count; i++) {
        switch (template->parts[i].variable) {
        case VARIABLE_upstream_addr:
        case VARIABLE_upstream_status:
        case VARIABLE_upstream_time:
        case VARIABLE_upstream_tries:
            return true;
        default:
            break;
        }
    }
    return false;
}

bool
tp_template_is_of_session(const struct tp_template *source)
{
    for (size_t i = 0; i < source->count; i++) {
        switch (source->parts[i].variable) {
        case VARIABLE_NONE:
        case VARIABLE_session_number:
        case VARIABLE_auth_id:
        case VARIABLE_auth_method:
        case VARIABLE_remote:
        case VARIABLE_remote_addr:
        case VARIABLE_remote_port:
        case VARIABLE_connection_addr:
            break;
        default:
            return false;
        }
    }
    return true;
}

enum tp_result
tp_template_expand(const struct tp_template *source, struct tp_exchange *exchange,
                   struct tp_slice *text)
{
    struct tp_size limit = tp_exchange_packet_limit(exchange);
    size_t text_max = text_bytes_max(exchange);
    struct tp_buf *buf = NULL;
    size_t len = 0;

    for (size_t i = 0; i < source->count; i++) {
        struct tp_template part = { &source->parts[i], 1 };
        size_t needed = len + tp__template_fixed_max(&part) + text_max;
        enum tp_result result = expand_reserve(exchange, &buf, len, needed);

        if (result == TP_OK) {
            struct tp_value_writer writer = {
                .next = (char *) buf->bytes + len,
                .text_room = text_max,
            };

            tp__template_write(&part, exchange, &writer);
            len = (size_t) (writer.next - (char *) buf->bytes);
            result = len > limit.bytes ? TP_TOO_LARGE : TP_OK;
        }
        if (result != TP_OK) {
            tp_buf_release(buf);
            return result;
        }
    }
    *text = (struct tp_slice){ .buf = buf, .data = buf == NULL ? NULL : buf->bytes, .len = len };
    return TP_OK;
}

/* The longest text that a variable may stand for: each is one of these, or a part of one. */
static size_t
text_bytes_max(const struct tp_exchange *exchange)
{
    const size_t lens[] = {
        tp__exchange_wire_uri(exchange).len,
        exchange->reply.status.text.len,
        strlen(exchange->source->name),
        exchange->route == NULL ? 0 : exchange->route->uri.len,
        exchange->session == NULL ? 0 : tp__session_longest_note(exchange->session),
        exchange->request.metadata.len,
        tp__identity_longest(exchange->identity),
        exchange_passed(exchange) == NULL ? 0 : exchange->passed->place.len,
    };
    size_t longest = 0;

    for (size_t i = 0; i < TP_COUNT_OF(lens); i++) {
        longest = lens[i] > longest ? lens[i] : longest;
    }
    for (size_t i = 0; i < exchange->server->codec_count; i++) {
        size_t name_len = codec_name(exchange->server->codecs[i].codec).len;

        longest = name_len > longest ? name_len : longest;
    }
    return longest;
}

/* Sees to it that *buf has room for `needed` bytes; its first `len` stay. */
static enum tp_result
expand_reserve(struct tp_exchange *exchange, struct tp_buf **buf, size_t len, size_t needed)
{
    if (*buf != NULL && (*buf)->capacity >= needed) {
        return TP_OK;
    }
    /* Twice as much, so that many parts are not many copies; the packet limit bounds it. */
    size_t capacity = *buf == NULL ? needed : 2 * needed;
    struct tp_buf *larger = tp_buf_make(tp_exchange_buf_pool(exchange), capacity);

    if (larger == NULL) {
        return TP_NO_MEMORY;
    }
    if (*buf != NULL) {
        memcpy(larger->bytes, (*buf)->bytes, len);
        tp_buf_release(*buf);
    }
    *buf = larger;
    return TP_OK;
}

static char *
write_session_id(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange)
{
    return tp__write_text(
        writer, next, exchange->session == NULL ? TP_STR("") : tp_session_id(exchange->session));
}

static char *
write_session_variable(struct tp_value_writer *writer, char *next,
                       const struct tp_exchange *exchange, struct tp_str name)
{
    return tp__write_text(
        writer, next,
        exchange->session == NULL ? TP_STR("") : tp_session_get_variable(exchange->session, name));
}

static char *
write_identity(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange,
               bool is_method)
{
    const struct tp_identity *identity = tp_exchange_identity(exchange);

    if (identity == NULL) {
        return tp__write_text(writer, next, TP_STR(""));
    }
    return tp__write_text(writer, next, is_method ? identity->method : identity->id);
}

static char *
write_claim(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange,
            struct tp_str name)
{
    const struct tp_identity *identity = tp_exchange_identity(exchange);

    return write_argument(writer, next, identity == NULL ? TP_STR("") : identity->claims, name);
}

/* A pair without a value, or with a broken one, is passed over, as if it were not there. */
static char *
write_argument(struct tp_value_writer *writer, char *next, struct tp_str query, struct tp_str name)
{
    struct tp_query_pair pair;

    if (writer->is_log && tp__str_equal(name, TP_STR("access_token"))) {
        return tp__write_text(writer, next, TP_STR(""));
    }
    while (tp_query_find(query, name, &pair)) {
        if (pair.value.len > 0 && tp_query_read(pair.value, NULL, 0) != SIZE_MAX) {
            return tp__write_unescaped(writer, next, pair.value);
        }
        query = tp__str_skip(query, (size_t) (pair.value.data + pair.value.len - query.data));
    }
    return tp__write_text(writer, next, TP_STR(""));
}

static char *
write_metadata(struct tp_value_writer *writer, char *next, struct tp_str metadata,
               struct tp_str name)
{
    struct tp_query_pair pair;
    bool is_there = !(writer->is_log && metadata_is_secret(name))
                    && tp__metadata_find(metadata, name, '_', &pair) && pair.value.len > 0
                    && tp_query_read(pair.value, NULL, 0) != SIZE_MAX;

    return is_there ? tp__write_unescaped(writer, next, pair.value)
                    : tp__write_text(writer, next, TP_STR(""));
}

/* Credentials stand in no log. */
static bool
metadata_is_secret(struct tp_str name)
{
    struct tp_query_pair pair;

    return tp__metadata_find(TP_STR("authorization&proxy-authorization&cookie"), name, '_', &pair);
}

static const char *
exchange_protocol(const struct tp_exchange *exchange)
{
    return exchange->session == NULL ? "" : tp__session_protocol(exchange->session)->name;
}

static char *
write_route(struct tp_value_writer *writer, char *next, const struct tp_route *route)
{
    return tp__write_text(writer, next, route == NULL ? TP_STR("") : route->uri);
}

static char *
write_type(char *next, const struct tp_packet *request)
{
    if (request->type == TP_PACKET_AUTH_CALL) {
        return tp__write_bytes(next, TP_STR("AUTH_CALL"));
    }
    return tp__write_bytes(next, request->type == TP_PACKET_PULL ? TP_STR("PULL") : TP_STR("PUSH"));
}

static inline char *
write_remote(char *next, const struct tp_exchange *exchange)
{
    const struct tp_address *remote = &exchange->remote;
    struct tp_remote_text *text = &exchange->sessions->remote_text;

    if (text->len == 0 || text->remote.port != remote->port || text->remote.family != remote->family
        || memcmp(text->remote.ip, remote->ip, sizeof(remote->ip)) != 0) {
        remote_text_update(text, remote);
    }
    memcpy(next, text->text, sizeof(text->text));
    return next + text->len;
}

static void
remote_text_update(struct tp_remote_text *text, const struct tp_address *remote)
{
    char *end = text->text;

    text->remote = *remote;
    if (remote->family == TP_ADDRESS_V4) {
        end = write_address(end, remote);
        *end = ':';
        end = tp__write_number(end + 1, remote->port);
    } else {
        end = write_address_text(end, remote);
    }
    text->len = (size_t) (end - text->text);
}

static char *
write_address(char *next, const struct tp_address *address)
{
    struct tp_address without_port = *address;

    if (address->family != TP_ADDRESS_V4) {
        without_port.port = 0;
        return write_address_text(next, &without_port);
    }
    next = tp__write_small_number(next, address->ip[0]);
    for (int i = 1; i < 4; i++) {
        *next = '.';
        next = tp__write_small_number(next + 1, address->ip[i]);
    }
    return next;
}

static char *
write_address_text(char *next, const struct tp_address *address)
{
    return next + strlen(tp_address_format(address, next));
}

static char *
write_connection(char *next, const struct tp_exchange *exchange)
{
    return write_address(next, exchange->session == NULL
                                   ? &exchange->remote
                                   : tp_session_connection(exchange->session));
}

static char *
write_tls(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange,
          const char *(*get_word)(const struct tp_session *session))
{
    return tp__write_text(writer, next,
                          tp__str(exchange->session == NULL ? "" : get_word(exchange->session)));
}

static struct tp_str
tls_subject(const struct tp_exchange *exchange)
{
    return exchange->session == NULL ? TP_STR("") : tp_session_tls_subject(exchange->session);
}

/* Its name; the number of one that no module knows; nothing where none was named. */
static char *
write_codec(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange,
            uint8_t codec)
{
    const struct tp_server *server = exchange->server;

    for (size_t i = 0; i < server->codec_count; i++) {
        if (server->codecs[i].codec->id == codec) {
            return tp__write_text(writer, next, codec_name(server->codecs[i].codec));
        }
    }
    return codec == TP_CODEC_NONE ? tp__write_text(writer, next, TP_STR(""))
                                  : tp__write_number(next, codec);
}

/* One of the table is named there. */
static struct tp_str
codec_name(const struct tp_codec *codec)
{
    return tp__str(codec->name != NULL ? codec->name : tp_codec_name(codec->id));
}

static char *
write_slow(const struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange)
{
    if (tp__exchange_is_slow(exchange)) {
        return tp__write_bytes(next, TP_STR("slow"));
    }
    return writer->is_log ? tp__write_bytes(next, TP_STR("-")) : next;
}

/* NULL: nothing is known of it. */
static const struct tp_passed *
exchange_passed(const struct tp_exchange *exchange)
{
    return exchange->was_passed ? exchange->passed : NULL;
}

static char *
write_place(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange)
{
    const struct tp_passed *passed = exchange_passed(exchange);

    return tp__write_text(writer, next, passed == NULL ? TP_STR("") : passed->place);
}

static char *
write_passed(struct tp_value_writer *writer, char *next, const struct tp_exchange *exchange,
             enum variable what)
{
    const struct tp_passed *passed = exchange_passed(exchange);

    if (passed == NULL || (what == VARIABLE_upstream_status && passed->status == 0)) {
        return tp__write_text(writer, next, TP_STR(""));
    }
    return what == VARIABLE_upstream_status ? tp__write_signed(next, passed->status)
           : what == VARIABLE_upstream_time ? tp__write_duration(next, passed->duration_us)
                                            : tp__write_number(next, passed->try_count);
}

static char *
write_time_local(char *next, const struct tp_exchange *exchange)
{
    struct tp_clock_texts *texts = &exchange->sessions->clock_texts;

    tp__clock_texts_update(texts, tp__exchange_now_us(exchange));
    memcpy(next, texts->local, sizeof(texts->local));
    return next + texts->local_len;
}

static char *
write_time_iso8601(char *next, const struct tp_exchange *exchange)
{
    struct tp_clock_texts *texts = &exchange->sessions->clock_texts;

    tp__clock_texts_update(texts, tp__exchange_now_us(exchange));
    memcpy(next, texts->iso8601, sizeof(texts->iso8601));
    return next + texts->iso8601_len;
}

/* Once the session has ended nobody knows it. */
static int64_t
exchange_rtt_us(const struct tp_exchange *exchange)
{
    return exchange->session == NULL ? 0 : tp_session_rtt_us(exchange->session);
}
