/*
 * server_directives.c - the tables of peer, server and listen, and the rule that
 * one address belongs to one server.
 *
 * Read next: cycle.c, which makes servers and listens of the values.
 */
#include "cycle/server_directives.h"

#include "base/str.h"
#include "conf/conf.h"
#include "server/router.h"

enum {
    FILE_MODE_DIGITS_MAX = 4, /* with the zero in front that makes it octal for people */
    FILE_MODE_MAX = 0777,
};

static void server_validate(const struct tp_block *block, void *conf);
static void peer_validate_addresses(const struct tp_block *peer);
static void listen_validate_proxies(const struct tp_block *server, size_t item);
static void listen_validate_mode(const struct tp_block *server, size_t item);
static void listen_validate_unique(const struct tp_block *server, size_t item);
static const char *listen_find(const struct tp_block *server, size_t item_end, const char *name);
static void route_validate(const struct tp_block *block, void *conf);
static const char *endpoint_value_parse(struct tp_str text, void *field);
static const char *network_value_parse(struct tp_str text, void *field);
static const char *keepalive_value_parse(struct tp_str text, void *field);
static bool keepalive_parse_part(struct tp_str *rest, int *value);
static const char *file_mode_value_parse(struct tp_str text, void *field);
static const char *origin_parse(struct tp_str text, void *field);
static bool origin_is_letter(char letter);
static const char *route_uri_parse(struct tp_str text, void *field);
static const char *codec_value_parse(struct tp_str text, void *field);

static const struct tp_custom_type endpoint_type = {
    .word = "address",
    .parse = endpoint_value_parse,
};

static const struct tp_custom_type network_type = {
    .word = "network",
    .parse = network_value_parse,
};

static const struct tp_custom_type keepalive_type = {
    .word = "on | off | IDLE:INTERVAL:COUNT",
    .parse = keepalive_value_parse,
};

static const struct tp_custom_type file_mode_type = {
    .word = "mode",
    .parse = file_mode_value_parse,
};

static const struct tp_custom_type origin_type = {
    .word = "origin",
    .parse = origin_parse,
};

static const struct tp_custom_type route_uri_type = {
    .word = "uri",
    .parse = route_uri_parse,
};

/* Names are the table's; a codec of somebody's own module is named by its letter. */
#define CODEC_WORD(NAME, id, name, aliases, mime) name " | "
#define CODEC_WORDS                               TP_CODEC_TABLE(CODEC_WORD) "string | LETTER"
static const struct tp_custom_type codec_type = {
    .word = CODEC_WORDS,
    .parse = codec_value_parse,
};

static const struct tp_word reply_gzip_words[] = {
    { "off", 0 },
    { "pull", TP_REPLY_GZIP_AS_PULL },
    { NULL, 0 },
};

static const struct tp_word word_off[] = { { "off", 0 }, { NULL, 0 } };
static const struct tp_word word_default[] = { { "default", 0 }, { NULL, 0 } };

static const struct tp_word header_codec_words[] = {
    { "json", TP_CODEC_JSON },
    { "protobuf", TP_CODEC_PROTOBUF },
    { NULL, 0 },
};

static const struct tp_word id_conflict_words[] = {
    { "close-old", TP_ID_CLOSE_OLD },
    { "refuse-new", TP_ID_REFUSE_NEW },
    { NULL, 0 },
};

static const struct tp_word on_full_words[] = {
#define ON_FULL_ROW(NAME, word, sentence) { word, TP_ON_FULL_##NAME },
    TP_ON_FULL_TABLE(ON_FULL_ROW)
#undef ON_FULL_ROW
    { NULL, 0 },
};

static const struct tp_argument send_queue_arguments[] = {
    {
        .name = "SIZE", .kind = TP_ARGUMENT_REQUIRED,
        TP_SIZE(struct tp_server_conf, send_queue),
        .preset = "1m", .min = "1k", .max = "1g",
        .brief = "The bytes that may wait to be sent, with what the server needs for each packet. "
                 "While more waits, the session is not read from: replies wait for their turn.",
    },
    {
        .name = "on_full", .kind = TP_ARGUMENT_NAMED,
        TP_WORD(struct tp_server_conf, on_full, on_full_words),
        .preset = "drop-new",
#define ON_FULL_SENTENCE(NAME, word, sentence) " " word ": " sentence
        .brief = "What becomes of a PUSH of ours that finds no room." TP_ON_FULL_TABLE(ON_FULL_SENTENCE),
#undef ON_FULL_SENTENCE
    },
};

static const struct tp_argument listen_arguments[] = {
    {
        .name = "ADDRESS", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct tp_listen_conf, endpoint, struct tp_endpoint, &endpoint_type),
        .brief = "A port, an IPv4 or [IPv6] address with a port, or unix:/path.",
    },
    {
        .name = "backlog", .kind = TP_ARGUMENT_NAMED, TP_NUMBER(struct tp_listen_conf, backlog),
        .preset = "4096", .min = "1", .max = "65535",
        .brief = "How many connections may wait to be accepted.",
    },
    {
        .name = "reuseport", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct tp_listen_conf, reuseport),
        .preset = "off",
        .brief = "Gives each worker a socket of its own; the kernel spreads connections evenly "
                 "by number, whatever the workers' load.",
    },
    {
        .name = "ipv6only", .kind = TP_ARGUMENT_NAMED, TP_FLAG(struct tp_listen_conf, ipv6only),
        .preset = "on",
        .brief = "Whether an IPv6 wildcard leaves IPv4 connections alone.",
    },
    {
        .name = "rcvbuf", .kind = TP_ARGUMENT_NAMED, TP_SIZE(struct tp_listen_conf, rcvbuf),
        .words = word_default, .preset = "default", .min = "1k", .max = "1g",
        .brief = "The receive buffer of accepted connections.",
    },
    {
        .name = "sndbuf", .kind = TP_ARGUMENT_NAMED, TP_SIZE(struct tp_listen_conf, sndbuf),
        .words = word_default, .preset = "default", .min = "1k", .max = "1g",
        .brief = "The send buffer of accepted connections.",
    },
    {
        .name = "so_keepalive", .kind = TP_ARGUMENT_NAMED,
        TP_CUSTOM(struct tp_listen_conf, so_keepalive, struct tp_keepalive, &keepalive_type),
        .preset = "off",
        .brief = "TCP keepalive of accepted connections; an empty part leaves the system's value.",
    },
    {
        .name = "ssl", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct tp_listen_conf, ssl),
        .preset = "off",
        .brief = "TLS only; without it both are taken where there is an ssl_certificate, and told "
                 "apart by their first bytes.",
    },
    {
        .name = "proxy_protocol", .kind = TP_ARGUMENT_SWITCH,
        TP_FLAG(struct tp_listen_conf, proxy_protocol),
        .preset = "off",
        .brief = "Every connection begins with a PROXY header, which says who has connected; see "
                 "proxy_protocol_from.",
    },
    {
        .name = "mode", .kind = TP_ARGUMENT_NAMED,
        TP_CUSTOM(struct tp_listen_conf, file_mode, unsigned, &file_mode_type),
        .preset = "default",
        .brief = "Who may connect to a Unix socket, as chmod has it: 0600 is the user who starts "
                 "the server; default is what the umask leaves.",
    },
    {
        .name = "protocol", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct tp_listen_conf, protocol), .preset = TP_PROTOCOL_AUTO,
        .brief = "What is spoken there; auto: the first bytes of each connection tell.",
    },
};

static const struct tp_argument origin_arguments[] = {
    {
        .name = "ORIGIN", .kind = TP_ARGUMENT_REQUIRED,
        .type = TP_VALUE_CUSTOM, .offset = 0, .custom = &origin_type,
        .brief = "As browsers name it: https://example.org, with the port if it is not the usual; "
                 "null is a page without one, * is all.",
    },
};

static const struct tp_argument proxy_arguments[] = {
    {
        .name = "NETWORK", .kind = TP_ARGUMENT_REQUIRED,
        .type = TP_VALUE_CUSTOM, .offset = 0, .custom = &network_type,
        .brief = "An address, a network such as 10.0.0.0/8 or fd00::/8, unix:, or all.",
    },
};

static const struct tp_directive server_directives[] = {
    {
        .name = "peer", .where = TP_IN_MAIN, TP_OPENS(TP_IN_PEER), .takes_nothing = true,
        .since = "0.1",
        .brief = "Holds what this end of conversations serves; its values are the servers' "
                 "defaults.",
    },
    {
        .name = "server", .where = TP_IN_PEER, TP_OPENS(TP_IN_SERVER), .may_repeat = true,
        .takes_nothing = true, .since = "0.1",
        .brief = "A set of listening addresses that are served alike.",
    },
    {
        .name = "listen", .where = TP_IN_SERVER,
        TP_REPEATED(struct tp_server_conf, listens, struct tp_listen_conf),
        TP_ARGUMENTS(listen_arguments), .since = "0.1",
        .brief = "An address to accept connections on; may be given several times.",
    },
    {
        .name = "proxy_protocol_from", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct tp_server_conf, proxies, struct tp_network),
        TP_ARGUMENTS(proxy_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Proxies whose PROXY header is trusted where listen says proxy_protocol; nobody "
                 "else may connect there.",
    },
    {
        .name = "gateway_from", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct tp_server_conf, gateways, struct tp_network),
        TP_ARGUMENTS(proxy_arguments), .since = "0.1",
        .brief = "Gateways that are trusted to say for whom they speak, as X-Real-IP and "
                 "X-Session-Id in metadata; from all others these names are taken out.",
    },
    {
        .name = "statistics", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_FLAG(struct tp_server_conf, is_counted),
        .preset = "on", .since = "0.1",
        .brief = "Whether what the server's sessions carry is counted: by route, status, protocol "
                 "and close reason.",
    },
    {
        .name = "tcp_nodelay", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_FLAG(struct tp_server_conf, tcp_nodelay),
        .preset = "on", .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Whether small packets are sent at once instead of being collected by TCP.",
    },
    {
        .name = "packet_limit", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_SIZE(struct tp_server_conf, packet_limit),
        .preset = "1m", .min = "64", .max = "256m", .since = "0.1",
        .brief = "The largest packet; a larger one closes the session before it is read.",
    },
    {
        .name = "send_queue", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_ARGUMENTS(send_queue_arguments), .since = "0.1",
        .brief = "How much may wait to be sent to a session, and what becomes of more.",
    },
    {
        .name = "max_pending_pulls", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct tp_server_conf, max_pending_pulls),
        .preset = "1024", .min = "1", .max = "1000000", .since = "0.1",
        .brief = "The unanswered PULLs of a session before it is no longer read from.",
    },
    {
        .name = "header_codec", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_WORD(struct tp_server_conf, header_codec, header_codec_words),
        .preset = "protobuf", .since = "0.1",
        .brief = "The codec of headers that are sent on our own account; a REPLY has its PULL's.",
    },
    {
        .name = "body_gzip", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct tp_server_conf, body_gzip), .words = word_off,
        .preset = "off", .min = "-2", .max = "9", .since = "0.1",
        .brief = "How much bodies that are sent on our own account are deflated; -2 is Huffman "
                 "coding only, -1 zlib's own choice.",
    },
    {
        .name = "max_sent_pulls", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct tp_server_conf, max_sent_pulls),
        .preset = "16384", .min = "1", .max = "1000000", .since = "0.1",
        .brief = "Our own PULLs that may wait for their REPLY on a session; more are refused.",
    },
    {
        .name = "id_conflict", .where = TP_IN_PEER,
        TP_WORD(struct tp_server_conf, id_conflict, id_conflict_words),
        .preset = "close-old", .since = "0.1",
        .brief = "What becomes of two sessions that want one id: the older one is told and "
                 "closed, or the newer one does not get it.",
    },
    {
        .name = "protocol_default", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TEXT(struct tp_server_conf, protocol_default),
        .preset = "teleport", .since = "0.1",
        .brief = "What is spoken to those who have not said anything yet, and to what is dialed "
                 "without a protocol.",
    },
    {
        .name = "allow_origin", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct tp_server_conf, origins, struct tp_str),
        TP_ARGUMENTS(origin_arguments), .since = "0.1",
        .brief = "Where pages may come from whose scripts ask over HTTP or WebSocket, besides this "
                 "host; those of other origins are refused with 403. Not written: browsers let no "
                 "page of another origin read a reply over HTTP, and WebSocket is refused to it.",
    },
    {
        .name = "read_timeout", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct tp_server_conf, read_timeout), .words = word_off,
        .preset = "off", .min = "1ms", .max = "365d", .since = "0.1",
        .brief = "How long a session that waits for no answer may be silent.",
    },
    {
        .name = "packet_timeout", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct tp_server_conf, packet_timeout), .words = word_off,
        .preset = "60s", .min = "1ms", .max = "1d", .since = "0.1",
        .brief = "How long a packet may take from its first to its last byte.",
    },
    {
        .name = "write_timeout", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct tp_server_conf, write_timeout), .words = word_off,
        .preset = "60s", .min = "1ms", .max = "1d", .since = "0.1",
        .brief = "How long the other end may take none of what is to be sent.",
    },
    {
        .name = "exchange_timeout", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct tp_server_conf, exchange_timeout), .words = word_off,
        .preset = "60s", .min = "1ms", .max = "1d", .since = "0.1",
        .brief = "How long a handler may take; a PULL that is not answered by then gets 504.",
    },
    {
        .name = "pull_timeout", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct tp_server_conf, pull_timeout), .words = word_off,
        .preset = "60s", .min = "1ms", .max = "1d", .since = "0.1",
        .brief = "How long a PULL of ours waits for its REPLY; then it ends with 504.",
    },
};

static const struct tp_argument route_arguments[] = {
    {
        .name = "URI", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct tp_route_conf, uri, struct tp_str, &route_uri_type),
        .brief = "A path such as /echo, all paths below one such as /math/*, or * for all others.",
    },
};

static const struct tp_directive route_directives[] = {
    {
        .name = "pull", .where = TP_IN_PEER | TP_IN_SERVER, TP_OPENS(TP_IN_PULL),
        .may_repeat = true, TP_ARGUMENTS(route_arguments), .since = "0.1",
        .brief = "How PULLs to a uri are answered; exact beats the longest prefix beats *.",
    },
    {
        .name = "push", .where = TP_IN_PEER | TP_IN_SERVER, TP_OPENS(TP_IN_PUSH),
        .may_repeat = true, TP_ARGUMENTS(route_arguments), .since = "0.1",
        .brief = "What is done with PUSHes to a uri; exact beats the longest prefix beats *.",
    },
    {
        .name = "ordered", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_PULL,
        TP_FLAG(struct tp_route_conf, is_ordered),
        .preset = "off", .since = "0.1",
        .brief = "Whether a session's replies from a route leave in the order of their PULLs.",
    },
    {
        .name = "body_codec", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_CUSTOM(struct tp_route_conf, body_codec, uint8_t, &codec_type),
        .preset = "json", .since = "0.1",
        .brief = "The codec of bodies that name none; in peer and server also of those sent on "
                 "our own account.",
    },
    {
        .name = "reply_gzip", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_PULL,
        TP_NUMBER(struct tp_route_conf, reply_gzip), .words = reply_gzip_words,
        .preset = "pull", .min = "-2", .max = "9", .since = "0.1",
        .brief = "How much a REPLY is deflated whose PULL lets it be: as the PULL wants it, at "
                 "this level, or not at all.",
    },
    {
        .name = "gzip_min", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_PULL,
        TP_SIZE(struct tp_route_conf, gzip_min),
        .preset = "256", .min = "0", .max = "256m", .since = "0.1",
        .brief = "Replies to PULLs that let them be are deflated, unless their body is smaller "
                 "than this or would grow; so are our own bodies where body_gzip says it.",
    },
};

const struct tp_module tp__module_server = {
    .name = "server",
    .brief = "What is served, and on which addresses.",
    .conf_size = sizeof(struct tp_server_conf),
    TP_DIRECTIVES(server_directives),
    .validate = server_validate,
};

const struct tp_module tp__module_route = {
    .name = "route",
    .brief = "Which handler serves which uri.",
    .conf_size = sizeof(struct tp_route_conf),
    TP_DIRECTIVES(route_directives),
    .validate = route_validate,
};

static void
server_validate(const struct tp_block *block, void *conf)
{
    const struct tp_server_conf *server = conf;

    if (tp_block_context(block) == TP_IN_SERVER && server->listens.count == 0) {
        tp_conf_complain(block, "listen", 0, "this server listens nowhere; add \"listen 9090;\"");
    }
    for (size_t i = 0; tp_block_context(block) == TP_IN_SERVER && i < server->listens.count; i++) {
        listen_validate_mode(block, i);
        listen_validate_proxies(block, i);
    }
    if (tp_block_context(block) == TP_IN_PEER) {
        peer_validate_addresses(block);
    }
}

static void
listen_validate_mode(const struct tp_block *server, size_t item)
{
    const struct tp_server_conf *conf = tp_block_conf(server, &tp__module_server);
    const struct tp_listen_conf *listens = conf->listens.items;

    if (listens[item].file_mode != 0 && listens[item].endpoint.address.family != TP_ADDRESS_UNIX) {
        tp_conf_complain(server, "listen", item, "only the file of a Unix socket has a mode");
    }
}

/* A header that anybody may write would let everybody be anybody. */
static void
listen_validate_proxies(const struct tp_block *server, size_t item)
{
    const struct tp_server_conf *conf = tp_block_conf(server, &tp__module_server);
    const struct tp_listen_conf *listens = conf->listens.items;

    if (listens[item].proxy_protocol && conf->proxies.count == 0) {
        tp_conf_complain(server, "listen", item,
                         "proxy_protocol_from has to say whose header is trusted, such as "
                         "10.0.0.7 or 10.0.0.0/8");
    }
}

static void
peer_validate_addresses(const struct tp_block *peer)
{
    for (const struct tp_block *server = tp_block_first(peer, TP_IN_SERVER); server != NULL;
         server = tp_block_next(server)) {
        const struct tp_server_conf *conf = tp_block_conf(server, &tp__module_server);

        for (size_t i = 0; i < conf->listens.count; i++) {
            listen_validate_unique(server, i);
        }
    }
}

/* Complains about the `item`-th listen of `server` when its address stands before it in the text. */
static void
listen_validate_unique(const struct tp_block *server, size_t item)
{
    const struct tp_server_conf *conf = tp_block_conf(server, &tp__module_server);
    const struct tp_listen_conf *listens = conf->listens.items;
    char name[TP_ENDPOINT_TEXT_MAX];

    tp__endpoint_format(&listens[item].endpoint, name);
    const struct tp_block *peer = tp_block_parent(server);
    const char *first = NULL;

    for (const struct tp_block *other = tp_block_first(peer, TP_IN_SERVER);
         other != server && first == NULL; other = tp_block_next(other)) {
        first = listen_find(other, SIZE_MAX, name);
    }
    if (first == NULL) {
        first = listen_find(server, item, name);
    }
    if (first != NULL) {
        tp_conf_complain(server, "listen", item, "the address %s is already listened on at %s",
                         name, first);
    }
}

/* Where among the first `item_end` listens of `server` the address `name` is written; or NULL. */
static const char *
listen_find(const struct tp_block *server, size_t item_end, const char *name)
{
    const struct tp_server_conf *conf = tp_block_conf(server, &tp__module_server);
    const struct tp_listen_conf *listens = conf->listens.items;

    for (size_t i = 0; i < conf->listens.count && i < item_end; i++) {
        char other[TP_ENDPOINT_TEXT_MAX];

        if (strcmp(tp__endpoint_format(&listens[i].endpoint, other), name) == 0) {
            return tp__conf_origin(server, "listen", i);
        }
    }
    return NULL;
}

const struct tp_module *
tp__route_find_handler(const struct tp_block *route, const struct tp_module *after)
{
    struct tp_module_list list = tp__conf_modules(route);
    bool is_behind = after == NULL;

    for (size_t i = 0; i < list.count; i++) {
        const struct tp_module *module = list.modules[i];

        if (is_behind && module->handler != NULL && tp_block_writes(route, module->handler)) {
            return module;
        }
        is_behind = is_behind || module == after;
    }
    return NULL;
}

/* A route has one handler, and its uri is not routed before it in the same block. */
static void
route_validate(const struct tp_block *block, void *conf)
{
    enum tp_context context = tp_block_context(block);
    const struct tp_route_conf *route = conf;

    if ((context & TP_IN_ROUTE) == 0) {
        return;
    }
    const char *word = context == TP_IN_PULL ? "pull" : "push";
    const struct tp_module *handler = tp__route_find_handler(block, NULL);
    const struct tp_module *second =
        handler == NULL ? NULL : tp__route_find_handler(block, handler);

    if (handler == NULL) {
        /* About nothing that is written: it is not said of a block with other mistakes. */
        tp_conf_complain(block, "", 0, "%s %s has no handler, such as echo; or return 200 \"…\";",
                         word, route->uri.data);
    }
    if (second != NULL) {
        tp_conf_complain(block, second->handler, 0, "%s %s has a handler already: %s", word,
                         route->uri.data, handler->handler);
    }
    for (const struct tp_block *other = tp_block_first(tp_block_parent(block), context);
         other != block; other = tp_block_next(other)) {
        const struct tp_route_conf *earlier = tp_block_conf(other, &tp__module_route);

        if (tp__str_equal(earlier->uri, route->uri)) {
            tp_conf_complain(block, word, 0, "%s %s is routed already at %s", word, route->uri.data,
                             tp__conf_origin(other, word, 0));
            return;
        }
    }
}

static const char *
endpoint_value_parse(struct tp_str text, void *field)
{
    return tp__endpoint_parse(text, field);
}

static const char *
network_value_parse(struct tp_str text, void *field)
{
    return tp_network_parse(text, field);
}

static const char *
keepalive_value_parse(struct tp_str text, void *field)
{
    struct tp_keepalive *keepalive = field;

    *keepalive = (struct tp_keepalive){ .is_on = true };
    if (tp__str_equal(text, TP_STR("on"))) {
        return NULL;
    }
    if (tp__str_equal(text, TP_STR("off"))) {
        keepalive->is_on = false;
        return NULL;
    }
    if (keepalive_parse_part(&text, &keepalive->idle_s)
        && keepalive_parse_part(&text, &keepalive->interval_s)
        && keepalive_parse_part(&text, &keepalive->count) && text.len == 0) {
        return NULL;
    }
    return "on, off, or IDLE:INTERVAL:COUNT in seconds, such as 60:10:5 or 60::";
}

/* Octal, and at least the owner may connect: a mode of 0 would keep everybody out. */
static const char *
file_mode_value_parse(struct tp_str text, void *field)
{
    unsigned *mode = field;

    *mode = 0;
    if (tp__str_equal(text, TP_STR("default"))) {
        return NULL;
    }
    for (size_t i = 0; i < text.len && text.len <= FILE_MODE_DIGITS_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '7') {
            *mode = 0;
            break;
        }
        *mode = *mode * 8 + (unsigned) (text.data[i] - '0');
    }
    return *mode > 0 && *mode <= FILE_MODE_MAX ? NULL
                                               : "default, or three octal digits such as 0600";
}

/* Reads one part of "60:10:5" and moves *rest behind it; an empty part is 0. */
static bool
keepalive_parse_part(struct tp_str *rest, int *value)
{
    struct tp_str part = tp__str_cut(*rest, ':', rest);
    int64_t number = 0;

    if (part.len > 0 && tp__str_to_int64(part, &number) != TP_OK) {
        return false;
    }
    *value = (int) number;
    return number >= 0 && number <= 32767;
}

/* What a browser sends has small letters and no path, and is compared as it is. */
static const char *
origin_parse(struct tp_str text, void *field)
{
    static const char wanted[] =
        "an origin in small letters such as https://example.org:8443, without a path, or null, or *";
    struct tp_str *origin = field;
    struct tp_str authority;
    struct tp_str scheme = tp__str_cut(text, ':', &authority);

    *origin = text;
    if (tp__str_equal(text, TP_STR("*")) || tp__str_equal(text, TP_STR("null"))) {
        return NULL;
    }
    if (scheme.len == 0 || authority.len < 3 || !tp__str_starts_with(authority, TP_STR("//"))) {
        return wanted;
    }
    for (size_t i = 0; i < scheme.len; i++) {
        if (!origin_is_letter(scheme.data[i])) {
            return wanted;
        }
    }
    for (size_t i = 2; i < authority.len; i++) {
        if (!origin_is_letter(authority.data[i]) && memchr(":[]", authority.data[i], 3) == NULL) {
            return wanted;
        }
    }
    return NULL;
}

static bool
origin_is_letter(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-'
           || letter == '.' || letter == '+';
}

static const char *
route_uri_parse(struct tp_str text, void *field)
{
    struct tp_str *uri = field;

    *uri = text;
    return tp__route_uri_check(text);
}

static const char *
codec_value_parse(struct tp_str text, void *field)
{
    uint8_t *codec = field;

    *codec = tp_codec_of_name(text);
    if (*codec == TP_CODEC_NONE && text.len == 1 && text.data[0] > ' ' && text.data[0] < 0x7f) {
        *codec = (uint8_t) text.data[0];
    }
    return *codec != TP_CODEC_NONE ? NULL : "takes a codec: " CODEC_WORDS;
}
