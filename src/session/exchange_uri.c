/*
 * exchange_uri.c - from the uri of a packet to its route: path and query, and what they lead to.
 *
 * Runs in: worker.  Owns: the decoded path and a uri that a hook has set.
 * Read next: server/router.c.
 */
#include "session/record.h"

#include "base/str.h"

#include <string.h>

static bool exchange_take_recent_route(struct tp_exchange *exchange);
static void exchange_note_recent_route(const struct tp_exchange *exchange);
static void exchange_leave_own_route(struct tp_exchange *exchange, const struct tp_router *router);
static enum tp_result exchange_parse_uri(struct tp_exchange *exchange);
static struct tp_str uri_without_host(struct tp_str uri);
static enum tp_result exchange_decode_path(struct tp_exchange *exchange);

enum tp_result
tp__exchange_find_route(struct tp_exchange *exchange)
{
    const struct tp_server *server = exchange->server;
    enum tp_result result = TP_OK;

    if (!exchange_take_recent_route(exchange)) {
        result = tp__exchange_read_uri(exchange);
        if (result == TP_OK) {
            const struct tp_router *router =
                tp_exchange_wants_reply(exchange) ? &server->pulls : &server->pushes;

            exchange->route = tp__router_find(router, exchange->path);
            if (exchange->route != NULL && exchange->route->is_own
                && !exchange->route->is_for_all) {
                exchange_leave_own_route(exchange, router);
            }
            exchange_note_recent_route(exchange);
        }
    }
    if (exchange->route != NULL) {
        exchange->logging = &exchange->route->logging;
    }
    return result;
}

enum tp_result
tp_exchange_set_uri(struct tp_exchange *exchange, struct tp_str uri)
{
    struct tp_exchange before = *exchange;
    struct tp_str came = tp__exchange_wire_uri(exchange);

    if (!exchange->is_unrouted) {
        return TP_DENIED;
    }
    if (uri.len > exchange->server->limits.packet.bytes) {
        return TP_TOO_LARGE;
    }
    exchange->set_uri = tp_buf_make(&exchange->sessions->pool, uri.len + came.len);
    if (exchange->set_uri == NULL) {
        exchange->set_uri = before.set_uri;
        return TP_NO_MEMORY;
    }
    memcpy(exchange->set_uri->bytes, uri.data, uri.len);
    memcpy(exchange->set_uri->bytes + uri.len, came.data, came.len);
    exchange->request.uri = (struct tp_str){ (const char *) exchange->set_uri->bytes, uri.len };
    exchange->decoded_path = NULL;
    exchange->query = TP_STR("");
    enum tp_result result = exchange_parse_uri(exchange);
    struct tp_exchange *unused = result == TP_OK ? &before : exchange;

    tp_buf_release(unused->set_uri);
    tp_buf_release(unused->decoded_path);
    if (result == TP_OK) {
        exchange->reply.uri.data = exchange->request.uri.data + uri.len;
        exchange->reply.uri.len = came.len;
        return TP_OK;
    }
    exchange->request.uri = before.request.uri;
    exchange->set_uri = before.set_uri;
    exchange->decoded_path = before.decoded_path;
    exchange->path = before.path;
    exchange->query = before.query;
    return result;
}

/*
 * What modules bring is for conversations, in which both ends ask.  To others, such as those over
 * HTTP, its uri is one like all.
 */
static void
exchange_leave_own_route(struct tp_exchange *exchange, const struct tp_router *router)
{
    const struct tp_session *session = exchange->session;

    if ((tp__session_protocol(session)->abilities & TP_PROTOCOL_PULLS_DOWN) == 0) {
        exchange->route = tp__router_find_inexact(router, exchange->path);
    }
}

struct tp_str
tp_exchange_path(const struct tp_exchange *exchange)
{
    return exchange->path;
}

struct tp_str
tp_exchange_query(const struct tp_exchange *exchange)
{
    return exchange->query;
}

struct tp_str
tp_exchange_target(const struct tp_exchange *exchange)
{
    struct tp_str uri = exchange->request.uri;

    return uri.len > 0 && uri.data[0] != '/' ? uri_without_host(uri) : uri;
}

struct tp_str
tp_exchange_uri(const struct tp_exchange *exchange)
{
    return exchange->request.uri;
}

/*
 * Most sessions ask for the same again and again: the uri that the session asked for last,
 * if it was as plain as its route's, leads to the same route.
 */
static bool
exchange_take_recent_route(struct tp_exchange *exchange)
{
    const struct tp_recent_route *recent = &exchange->session->recent_route;

    if (recent->route == NULL || exchange->source != exchange->session->source
        || recent->type != exchange->request.type
        || !tp__str_equal(recent->route->uri, exchange->request.uri)) {
        return false;
    }
    exchange->route = recent->route;
    exchange->path = exchange->request.uri;
    return true;
}

static void
exchange_note_recent_route(const struct tp_exchange *exchange)
{
    /* A hook may have kept it while its session went on to another configuration. */
    if (exchange->route != NULL && exchange->source == exchange->session->source
        && tp__str_equal(exchange->route->uri, exchange->request.uri)) {
        exchange->session->recent_route = (struct tp_recent_route){
            .route = exchange->route,
            .type = exchange->request.type,
        };
    }
}

enum tp_result
tp__exchange_read_uri(struct tp_exchange *exchange)
{
    if (exchange->has_path) {
        return TP_OK;
    }
    enum tp_result result = exchange_parse_uri(exchange);

    exchange->has_path = result == TP_OK;
    if (result != TP_OK) {
        tp_buf_release(exchange->decoded_path);
        exchange->decoded_path = NULL;
    }
    return result;
}

/* Path and query; scheme and host of an absolute uri are ignored (WIRE: routing). */
static enum tp_result
exchange_parse_uri(struct tp_exchange *exchange)
{
    struct tp_str uri = tp_exchange_target(exchange);
    bool has_escapes = false;
    size_t path_len = uri.len;

    for (size_t i = 0; i < uri.len; i++) {
        uint8_t byte = (uint8_t) uri.data[i];

        if (byte == '?' || byte == '#') {
            path_len = i;
            break;
        }
        if (byte < 0x20 || byte == 0x7f) {
            return TP_INVALID;
        }
        has_escapes |= byte == '%';
    }
    exchange->path = (struct tp_str){ uri.data, path_len };
    if (path_len < uri.len && uri.data[path_len] == '?') {
        struct tp_str fragment;

        exchange->query = tp__str_cut(tp__str_skip(uri, path_len + 1), '#', &fragment);
    }
    return has_escapes ? exchange_decode_path(exchange) : TP_OK;
}

/* "tp://host/path" is "/path"; what has no scheme is left as it is. */
static struct tp_str
uri_without_host(struct tp_str uri)
{
    struct tp_str rest;
    struct tp_str scheme = tp__str_cut(uri, ':', &rest);

    if (scheme.len == uri.len || !tp__str_starts_with(rest, TP_STR("//"))) {
        return uri;
    }
    rest = tp__str_skip(rest, 2);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.data[i] == '/' || rest.data[i] == '?' || rest.data[i] == '#') {
            return tp__str_skip(rest, i);
        }
    }
    return TP_STR("");
}

static enum tp_result
exchange_decode_path(struct tp_exchange *exchange)
{
    struct tp_str path = exchange->path;
    struct tp_buf *buf = tp_buf_make(&exchange->sessions->pool, path.len);
    size_t len = 0;

    if (buf == NULL) {
        return TP_NO_MEMORY;
    }
    exchange->decoded_path = buf;
    for (size_t i = 0; i < path.len; i++) {
        int byte = (uint8_t) path.data[i];

        if (byte == '%') {
            bool is_whole = i + 2 < path.len;
            int high = is_whole ? tp__str_hex_digit(path.data[i + 1]) : -1;
            int low = is_whole ? tp__str_hex_digit(path.data[i + 2]) : -1;

            byte = high * 16 + low;
            i += 2;
            if (high < 0 || low < 0 || byte < 0x20 || byte == 0x7f) {
                return TP_INVALID;
            }
        }
        buf->bytes[len++] = (uint8_t) byte;
    }
    exchange->path = (struct tp_str){ (const char *) buf->bytes, len };
    return TP_OK;
}
