/*
 * session_pass.c - a backend reaches the session of a client: what is asked at /session/ID/URI is
 * asked of that session as URI, whichever worker has it, and its answer is the answer.
 *
 * Whoever reaches such a route can ask and tell every session that has an id: the route belongs
 * where only backends come, or behind `require`.
 *
 * Runs in: worker.  Owns: what waits for an answer of a session.
 * Read next: teleport/remote.h, which carries it there.
 */
#include <teleport/module.h>

#include <stdlib.h>
#include <string.h>

enum {
    SECRET_NAME_MAX = 32, /* bytes; no name of secret_names is longer */
    ESCAPE_LEN = 3,       /* %XX */
    GZIP_LEVEL_DEFAULT = -1,
};

struct session_pass_conf {
    struct tp_msec timeout;
    int64_t pulls;
    size_t *under_way; /* of the route, in this worker */
};

/* A PULL or PUSH that is on its way. */
struct passing {
    struct tp_exchange *exchange; /* kept; it holds the configuration that has under_way */
    size_t *under_way;
    char id[TP_SESSION_ID_MAX]; /* of the session */
    size_t id_len;
};

/* Where it is to go, as the uri says. */
struct destination {
    char id[TP_SESSION_ID_MAX];
    size_t id_len; /* SIZE_MAX: no id is so long */
    struct tp_str uri;
};

static void session_pass_validate(const struct tp_block *block, void *module_conf);
static void session_pass_release(void *module_conf);
static void session_pass_handle(struct tp_exchange *exchange, const void *module_conf);
static bool destination_read(const struct tp_exchange *exchange, struct destination *to);
static void destination_read_id(struct tp_str *rest, struct destination *to);
static char take_byte(struct tp_str *rest);
static enum tp_result passing_begin(struct tp_exchange *exchange,
                                    const struct session_pass_conf *conf,
                                    const struct destination *to);
static enum tp_result passing_send(struct passing *passing, struct tp_remote_packet *packet);
static void passing_explain(const struct tp_exchange *exchange, void *owner,
                            struct tp_awaited *awaited);
static void passing_on_end(enum tp_result result, const struct tp_reply *reply, void *owner);
static enum tp_result metadata_copy(struct tp_exchange *exchange, struct tp_buf **copy,
                                    struct tp_str *metadata);
static bool metadata_is_secret(struct tp_str written);
static enum tp_result reply_add_metadata(struct tp_exchange *exchange, struct tp_str metadata);
static void refuse(struct tp_exchange *exchange, enum tp_result result);
static void refuse_as(struct tp_exchange *exchange, enum tp_status_code code, const char *why);

/* What a backend shows this end is not for the client; nor what only a gateway says. */
static const char *const secret_names[] = {
    "authorization", "proxy-authorization", "cookie", "x-real-ip", "x-session-id",
};

static const struct tp_directive session_pass_directives[] = {
    {
        .name = "session_pass", .where = TP_IN_ROUTE, .takes_nothing = true, .since = "0.1",
        .brief = "Passes what comes on to the session whose id is the first part behind the "
                 "route's uri, as the rest of it; whoever reaches the route reaches every session "
                 "that has an id.",
    },
    {
        .name = "session_pass_timeout", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_TIME(struct session_pass_conf, timeout), .preset = "30s", .min = "1ms", .max = "1h",
        .since = "0.1",
        .brief = "How long a session has to answer what session_pass asks of it; then 504.",
    },
    {
        .name = "session_pass_pulls", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_NUMBER(struct session_pass_conf, pulls), .preset = "1024", .min = "1",
        .max = "1000000", .since = "0.1",
        .brief = "How many PULLs and PUSHes of such a route may be under way in a worker; further "
                 "ones are answered with 503.",
    },
};

const struct tp_module tp_module_session_pass = {
    .name = "session_pass",
    .brief = "Passes PULLs and PUSHes on to sessions, by their ids.",
    .conf_size = sizeof(struct session_pass_conf),
    TP_DIRECTIVES(session_pass_directives),
    .run_after = "",
    .validate = session_pass_validate,
    .release = session_pass_release,
    .handler = "session_pass",
    .handle = session_pass_handle,
};

static void
session_pass_validate(const struct tp_block *block, void *module_conf)
{
    struct session_pass_conf *conf = module_conf;

    if (!tp_block_writes(block, "session_pass")) {
        return;
    }
    conf->under_way = calloc(1, sizeof(*conf->under_way));
    if (conf->under_way == NULL) {
        tp_conf_complain(block, "session_pass", 0, "%s", tp_result_sentence(TP_NO_MEMORY));
    }
}

static void
session_pass_release(void *module_conf)
{
    struct session_pass_conf *conf = module_conf;

    free(conf->under_way);
    conf->under_way = NULL;
}

static void
session_pass_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct session_pass_conf *conf = module_conf;
    struct destination to;

    if (!destination_read(exchange, &to)) {
        refuse_as(exchange, TP_STATUS_BAD_REQUEST, "an id and a uri stand behind the route's uri");
        return;
    }
    if (*conf->under_way >= (size_t) conf->pulls) {
        refuse_as(exchange, TP_STATUS_SERVICE_UNAVAILABLE, "session_pass_pulls are under way");
        return;
    }
    enum tp_result result =
        to.id_len == SIZE_MAX ? TP_NOT_FOUND : passing_begin(exchange, conf, &to);

    if (result != TP_OK) {
        refuse(exchange, result);
    }
}

/* The uri as it is written: an escaped '/' is a part of the id, and what follows stays escaped. */
static bool
destination_read(const struct tp_exchange *exchange, struct destination *to)
{
    struct tp_str rest = tp_exchange_target(exchange);
    size_t prefix_len = tp_exchange_route(exchange).len;

    /* A route's uri ends with a star; that of "*" alone is the root. */
    prefix_len = prefix_len > 1 ? prefix_len - 1 : prefix_len;
    while (prefix_len-- > 0 && rest.len > 0) {
        take_byte(&rest);
    }
    destination_read_id(&rest, to);
    for (to->uri = (struct tp_str){ rest.data, 0 }; to->uri.len < rest.len; to->uri.len++) {
        if (rest.data[to->uri.len] == '#') {
            break;
        }
    }
    return to->id_len > 0 && to->uri.len > 0 && to->uri.data[0] == '/';
}

static void
destination_read_id(struct tp_str *rest, struct destination *to)
{
    to->id_len = 0;
    while (rest->len > 0 && strchr("/?#", rest->data[0]) == NULL) {
        char byte = take_byte(rest);

        if (to->id_len < sizeof(to->id)) {
            to->id[to->id_len++] = byte;
        } else {
            to->id_len = SIZE_MAX;
        }
    }
}

/* Escapes are whole and good: the path has been decoded before there was a route. */
static char
take_byte(struct tp_str *rest)
{
    struct tp_str taken = { rest->data, rest->data[0] == '%' ? ESCAPE_LEN : 1 };
    char byte = rest->data[0];

    if (taken.len > 1 && taken.len <= rest->len) {
        int value = tp_query_take_byte(&taken);

        byte = value < 0 ? byte : (char) value;
        taken.len = ESCAPE_LEN;
    } else {
        taken.len = 1;
    }
    rest->data += taken.len;
    rest->len -= taken.len;
    return byte;
}

/* As the other end has deflated it; the wire has numbers that are no level. */
static int8_t
gzip_level_of(const struct tp_packet *packet)
{
    bool is_level =
        packet->gzip_level >= TP_GZIP_LEVEL_MIN && packet->gzip_level <= TP_GZIP_LEVEL_MAX;

    return is_level ? (int8_t) packet->gzip_level : GZIP_LEVEL_DEFAULT;
}

static enum tp_result
passing_begin(struct tp_exchange *exchange, const struct session_pass_conf *conf,
              const struct destination *to)
{
    const struct tp_packet *request = tp_exchange_request(exchange);
    struct tp_send_options options = {
        .body_codec = request->body_codec,
        .has_gzip = request->gzip_level != 0,
        .gzip_level = gzip_level_of(request),
        .accept_codec = request->accept_codec,
        .timeout = conf->timeout,
    };
    struct tp_remote_packet packet = {
        .to.id = { to->id, to->id_len },
        .uri = to->uri,
        .options = &options,
    };
    struct passing *passing = malloc(sizeof(*passing));
    struct tp_buf *buf = NULL;
    enum tp_result result =
        passing == NULL ? TP_NO_MEMORY : tp_exchange_read_body(exchange, &packet.body);

    if (result == TP_OK) {
        result = metadata_copy(exchange, &buf, &options.metadata);
    }
    if (result == TP_OK) {
        *passing = (struct passing){ exchange, conf->under_way, "", to->id_len };
        memcpy(passing->id, to->id, to->id_len);
        result = passing_send(passing, &packet);
    }
    tp_buf_release(buf);
    if (result != TP_OK) {
        free(passing);
    }
    return result;
}

static enum tp_result
passing_send(struct passing *passing, struct tp_remote_packet *packet)
{
    struct tp_exchange *exchange = passing->exchange;
    struct tp_sessions *home = tp_exchange_home(exchange);

    tp_trace_passed(exchange);
    enum tp_result result = tp_exchange_wants_reply(exchange)
                                ? tp_remote_pull(home, packet, passing_on_end, passing)
                                : tp_remote_push(home, packet, passing_on_end, passing);

    if (result == TP_OK) {
        tp_exchange_keep(exchange);
        tp_exchange_explain(exchange, passing_explain, passing);
        ++*passing->under_way;
    }
    return result;
}

static void
passing_explain(const struct tp_exchange *exchange, void *owner, struct tp_awaited *awaited)
{
    const struct passing *passing = owner;

    (void) exchange;
    awaited->what = TP_AWAITING_SESSION;
    awaited->name = (struct tp_str){ passing->id, passing->id_len };
}

/* The configuration may go with the exchange, so that comes last. */
static void
passing_on_end(enum tp_result result, const struct tp_reply *reply, void *owner)
{
    struct passing *passing = owner;
    struct tp_exchange *exchange = passing->exchange;

    --*passing->under_way;
    free(passing);
    if (result != TP_OK) {
        refuse(exchange, result);
        return;
    }
    if (reply == NULL) {
        tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE);
        return;
    }
    if (tp_reply_status(reply)->code < TP_STATUS_OK) {
        refuse_as(exchange, TP_STATUS_BAD_GATEWAY, "the session ended before it answered");
        return;
    }
    result = reply_add_metadata(exchange, tp_reply_metadata(reply));
    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
        return;
    }
    tp_exchange_finish_copy(exchange, tp_reply_status(reply), tp_reply_body(reply),
                            tp_reply_body_codec(reply));
}

/* What the request says besides, in *copy, which is the caller's. */
static enum tp_result
metadata_copy(struct tp_exchange *exchange, struct tp_buf **copy, struct tp_str *metadata)
{
    struct tp_str pairs = tp_exchange_all_metadata(exchange);
    struct tp_query_pair pair;

    if (pairs.len == 0) {
        return TP_OK;
    }
    *copy = tp_buf_make(tp_exchange_buf_pool(exchange), pairs.len);
    if (*copy == NULL) {
        return TP_NO_MEMORY;
    }
    char *begin = (char *) (*copy)->bytes;
    char *end = begin;

    while (tp_query_next(&pairs, &pair)) {
        if (metadata_is_secret(pair.name)) {
            continue;
        }
        if (end > begin) {
            *end++ = '&';
        }
        size_t len = (size_t) (pair.value.data + pair.value.len - pair.name.data);

        memcpy(end, pair.name.data, len);
        end += len;
    }
    *metadata = (struct tp_str){ begin, (size_t) (end - begin) };
    return TP_OK;
}

/* In any case of its letters, and with '_' for '-'. */
static bool
metadata_is_secret(struct tp_str written)
{
    char name[SECRET_NAME_MAX + 1];
    size_t len = tp_query_read(written, name, sizeof(name));

    if (len > SECRET_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        name[i] = (char) (name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a'
                          : name[i] == '_'                 ? '-'
                                                           : name[i]);
    }
    for (size_t i = 0; i < TP_COUNT_OF(secret_names); i++) {
        if (strlen(secret_names[i]) == len && memcmp(secret_names[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

static enum tp_result
reply_add_metadata(struct tp_exchange *exchange, struct tp_str metadata)
{
    struct tp_query_pair pair;
    enum tp_result result = TP_OK;
    struct tp_buf *buf;

    if (metadata.len == 0) {
        return TP_OK;
    }
    buf = tp_buf_make(tp_exchange_buf_pool(exchange), metadata.len);
    if (buf == NULL) {
        return TP_NO_MEMORY;
    }
    while (result == TP_OK && tp_query_next(&metadata, &pair)) {
        char *name = (char *) buf->bytes;
        size_t name_len = tp_query_unescape(pair.name, name);
        char *value = name_len == SIZE_MAX ? name : name + name_len;
        size_t value_len = tp_query_unescape(pair.value, value);

        if (name_len != SIZE_MAX && value_len != SIZE_MAX) {
            result = tp_exchange_add_metadata(exchange, (struct tp_str){ name, name_len },
                                              (struct tp_str){ value, value_len });
        }
    }
    tp_buf_release(buf);
    return result;
}

static void
refuse(struct tp_exchange *exchange, enum tp_result result)
{
    static const struct {
        enum tp_result result;
        enum tp_status_code code;
        const char *why;
    } refusals[] = {
        { TP_NOT_FOUND, TP_STATUS_NOT_FOUND, "no session has this id" },
        { TP_GONE, TP_STATUS_BAD_GATEWAY, "the session has ended" },
        { TP_FULL, TP_STATUS_SERVICE_UNAVAILABLE, "a queue on the way is full" },
        { TP_TIMED_OUT, TP_STATUS_GATEWAY_TIMEOUT, "its worker has not answered in time" },
        { TP_INTERRUPTED, TP_STATUS_SERVICE_UNAVAILABLE, "this worker stops" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(refusals); i++) {
        if (refusals[i].result == result) {
            refuse_as(exchange, refusals[i].code, refusals[i].why);
            return;
        }
    }
    tp_exchange_refuse_result(exchange, result);
}

static void
refuse_as(struct tp_exchange *exchange, enum tp_status_code code, const char *why)
{
    struct tp_status status = tp_status_of(code);

    status.cause = (struct tp_str){ why, strlen(why) };
    tp_exchange_refuse(exchange, &status);
}
