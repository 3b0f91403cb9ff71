/*
 * upstream_directives.c - the table of `upstream` and what stands in it.
 *
 * Read next: cycle_upstreams.c, which makes places of the values; upstream/upstream.c.
 */
#include "cycle/upstream_directives.h"

#include "base/str.h"
#include "conf/conf.h"
#include "cycle/dial_directives.h"
#include "cycle/server_directives.h"

#include <string.h>

static void upstream_validate(const struct tp_block *block, void *conf);
static void upstream_make_options(struct tp_upstream_conf *conf);
static void upstream_validate_next(const struct tp_block *block,
                                   const struct tp_upstream_conf *conf);
static void upstream_validate_name(const struct tp_block *block,
                                   const struct tp_upstream_conf *conf);
static void upstream_validate_servers(const struct tp_block *block,
                                      const struct tp_upstream_conf *conf);
static const struct tp_block *upstream_find(const struct tp_block *peer, struct tp_str name);
static const struct tp_block *peer_of(const struct tp_block *block);
static const struct tp_module *finder_of(const struct tp_block *block, struct tp_str name,
                                         struct tp_str *found_name);
static void name_check_scheme(const struct tp_block *block, const char *directive,
                              struct tp_str name);
static bool name_is_address(struct tp_str name);
static bool url_take_scheme(struct tp_str url, struct tp_str *rest, bool *has_tls);
static void url_check_path(const struct tp_block *block, const char *directive, struct tp_str path);
static void url_check_servers(const struct tp_block *block, const char *directive,
                              const struct tp_upstream_conf *upstream, bool has_tls);
static bool server_speaks_http(const struct tp_upstream_server_conf *server, bool *has_tls);
static const char *name_parse(struct tp_str text, void *field);

static const struct tp_custom_type name_type = {
    .word = "name",
    .parse = name_parse,
};

static const struct tp_word word_none[] = { { "0", 0 }, { "unlimited", 0 }, { NULL, 0 } };
static const struct tp_word word_no_time[] = { { "unlimited", 0 }, { NULL, 0 } };
static const struct tp_word word_auto[] = { { "auto", 0 }, { NULL, 0 } };

/* A value of its own, so that it can be told from a word that was not written. */
enum {
    NEXT_OFF = 1 << 16,
};

static const struct tp_word next_words[] = {
    { "auto", TP_PASS_ON_ERROR | TP_PASS_ON_TIMEOUT },
    { "error", TP_PASS_ON_ERROR },
    { "timeout", TP_PASS_ON_TIMEOUT },
    { "502", TP_PASS_ON_502 },
    { "503", TP_PASS_ON_503 },
    { "504", TP_PASS_ON_504 },
    { "off", NEXT_OFF },
    { NULL, 0 },
};

static const struct tp_word customer_words[] = {
    { "metadata", TP_PASS_CUSTOMER_METADATA },
    { "query", TP_PASS_CUSTOMER_QUERY },
    { "off", TP_PASS_CUSTOMER_OFF },
    { NULL, 0 },
};

static const struct tp_argument upstream_arguments[] = {
    {
        .name = "NAME", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct tp_upstream_conf, name, struct tp_str, &name_type),
        .brief = "By which routes say where they pass something on: at most 64 letters, digits, "
                 "\"-\", \"_\" and \".\".",
    },
};

static const struct tp_argument server_arguments[] = {
    {
        .name = "ADDRESS", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct tp_upstream_server_conf, target, struct tp_str, &tp__target_type),
        .brief = "A name or an address with a port, or unix:/path; in front of it perhaps a "
                 "protocol: http://10.0.0.7:8080, tls://10.0.0.7:9443.",
    },
    {
        .name = "weight", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_upstream_server_conf, weight),
        .preset = "1", .min = "1", .max = "1000",
        .brief = "How much it gets, beside the others.",
    },
    {
        .name = "max_fails", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_upstream_server_conf, max_fails),
        .preset = "3", .min = "0", .max = "1000000",
        .brief = "So many PULLs that fail within fail_timeout, and it is left alone; 0: never.",
    },
    {
        .name = "fail_timeout", .kind = TP_ARGUMENT_NAMED,
        TP_TIME(struct tp_upstream_server_conf, fail_timeout),
        .preset = "10s", .min = "10ms", .max = "1h",
        .brief = "In how much time they count, and how long it is left alone then.",
    },
    {
        .name = "max_pulls", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_upstream_server_conf, max_pulls), .words = word_none,
        .preset = "unlimited", .min = "1", .max = "1000000",
        .brief = "How many PULLs of one worker may wait for its answers.",
    },
    {
        .name = "backup", .kind = TP_ARGUMENT_SWITCH,
        TP_FLAG(struct tp_upstream_server_conf, backup), .preset = "off",
        .brief = "It gets something only while no other can be had.",
    },
    {
        .name = "down", .kind = TP_ARGUMENT_SWITCH,
        TP_FLAG(struct tp_upstream_server_conf, down), .preset = "off",
        .brief = "It gets nothing, and is not dialed.",
    },
    {
        .name = "protocol", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct tp_upstream_server_conf, protocol), .preset = TP_PROTOCOL_AUTO,
        .brief = "What is spoken there; auto: what stands before the address, or "
                 "protocol_default.",
    },
    {
        .name = "ssl", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct tp_upstream_server_conf, ssl),
        .preset = "off",
        .brief = "Speaks TLS there.",
    },
};

static const struct tp_argument hash_arguments[] = {
    {
        .name = "KEY", .kind = TP_ARGUMENT_REQUIRED,
        TP_TEMPLATE(struct tp_upstream_conf, hash_key),
        .brief = "A text with variables, such as $session_id or $arg_user.",
    },
    {
        .name = "consistent", .kind = TP_ARGUMENT_SWITCH,
        TP_FLAG(struct tp_upstream_conf, consistent), .preset = "off",
        .brief = "What it always is: when a server comes or goes, only keys of its own move.",
    },
};

static const struct tp_argument check_arguments[] = {
    {
        .name = "pull", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct tp_upstream_conf, check_uri), .preset = "",
        .brief = "The uri that is pulled; a server that answers 200 is well.",
    },
    {
        .name = "interval", .kind = TP_ARGUMENT_NAMED,
        TP_TIME(struct tp_upstream_conf, check_interval),
        .preset = "5s", .min = "10ms", .max = "1h",
        .brief = "The time from one check to the next.",
    },
    {
        .name = "timeout", .kind = TP_ARGUMENT_NAMED,
        TP_TIME(struct tp_upstream_conf, check_timeout),
        .preset = "2s", .min = "1ms", .max = "1h",
        .brief = "How long the answer may take.",
    },
    {
        .name = "fails", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_upstream_conf, check_fails), .preset = "3", .min = "1", .max = "1000",
        .brief = "So many checks that fail in a row, and the server is left alone.",
    },
    {
        .name = "passes", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_upstream_conf, check_passes), .preset = "2", .min = "1", .max = "1000",
        .brief = "So many that pass in a row, and it is used again.",
    },
};

#define IN_ROUTES (TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE)

static const struct tp_argument next_arguments[] = {
    {
        .name = "WHEN", .kind = TP_ARGUMENT_REQUIRED,
        TP_WORD(struct tp_upstream_conf, next_on[0], next_words), .preset = "auto",
        .brief = "Error: there is no connection, or it was lost; timeout: no answer within "
                 "proxy_timeout; auto: both; 502, 503, 504: that is the answer; off: never.",
    },
    {
        .name = "OR", .kind = TP_ARGUMENT_OPTIONAL,
        TP_WORD(struct tp_upstream_conf, next_on[1], next_words),
        .brief = "Another one of these words.",
    },
    {
        .name = "OR2", .kind = TP_ARGUMENT_OPTIONAL,
        TP_WORD(struct tp_upstream_conf, next_on[2], next_words),
        .brief = "The same.",
    },
    {
        .name = "OR3", .kind = TP_ARGUMENT_OPTIONAL,
        TP_WORD(struct tp_upstream_conf, next_on[3], next_words),
        .brief = "The same.",
    },
    {
        .name = "OR4", .kind = TP_ARGUMENT_OPTIONAL,
        TP_WORD(struct tp_upstream_conf, next_on[4], next_words),
        .brief = "The same.",
    },
    {
        .name = "tries", .kind = TP_ARGUMENT_NAMED, TP_NUMBER(struct tp_upstream_conf, tries),
        .preset = "3", .min = "1", .max = "1000",
        .brief = "How many servers are tried, in all.",
    },
    {
        .name = "timeout", .kind = TP_ARGUMENT_NAMED,
        TP_TIME(struct tp_upstream_conf, tries_timeout), .words = word_no_time,
        .preset = "unlimited", .min = "1ms", .max = "1h",
        .brief = "No further one is tried later than this.",
    },
};

static const struct tp_directive upstream_directives[] = {
    {
        .name = "upstream", .where = TP_IN_PEER, TP_OPENS(TP_IN_UPSTREAM), .may_repeat = true,
        TP_ARGUMENTS(upstream_arguments), .since = "0.1",
        .brief = "Servers that PULLs and PUSHes are passed on to, by sessions that each worker "
                 "keeps to them. The other end of these sessions is served by the peer's own "
                 "routes.",
    },
    {
        .name = "server", .where = TP_IN_UPSTREAM,
        TP_REPEATED(struct tp_upstream_conf, servers, struct tp_upstream_server_conf),
        TP_ARGUMENTS(server_arguments), .since = "0.1",
        .brief = "One of the servers of an upstream.",
    },
    {
        .name = "least_pending", .where = TP_IN_UPSTREAM, .takes_nothing = true, .since = "0.1",
        .brief = "The server with the fewest unanswered PULLs of this worker, for its weight, is "
                 "next; without it and hash, each in its turn.",
    },
    {
        .name = "hash", .where = TP_IN_UPSTREAM, TP_ARGUMENTS(hash_arguments), .since = "0.1",
        .brief = "What has the same key goes to the same server, as long as that is there; what has none, "
                 "to each in its turn.",
    },
    {
        .name = "sessions", .where = TP_IN_UPSTREAM,
        TP_NUMBER(struct tp_upstream_conf, sessions), .words = word_auto,
        .preset = "auto", .min = "1", .max = "10000", .since = "0.1",
        .brief = "How many sessions a worker has to each server: auto is one, for many PULLs at "
                 "once, and up to 32 where each can have only one at a time, as over HTTP.",
    },
    {
        .name = "queue", .where = TP_IN_UPSTREAM, TP_NUMBER(struct tp_upstream_conf, queue),
        .preset = "1024", .min = "0", .max = "1000000", .since = "0.1",
        .brief = "How many PULLs of a worker may wait until a server can take one; more are "
                 "answered with 503.",
    },
    {
        .name = "health_check", .where = TP_IN_UPSTREAM, TP_ARGUMENTS(check_arguments),
        .since = "0.1",
        .brief = "One worker for all asks each server again and again whether it is well; without "
                 "it, only what becomes of PULLs tells.",
    },
    {
        .name = "proxy_timeout", .where = IN_ROUTES,
        TP_TIME(struct tp_upstream_conf, pass_timeout),
        .preset = "60s", .min = "1ms", .max = "1h", .since = "0.1",
        .brief = "How long an answer may take that a route passes on; then 504.",
    },
    {
        .name = "proxy_next_upstream", .where = IN_ROUTES, TP_ARGUMENTS(next_arguments),
        .since = "0.1",
        .brief = "When a PULL is passed on to another server, as long as it has not been sent, or "
                 "is idempotent.",
    },
    {
        .name = "idempotent", .where = IN_ROUTES, TP_FLAG(struct tp_upstream_conf, idempotent),
        .preset = "off", .since = "0.1",
        .brief = "Whether it does no harm to do a PULL again that may have been done already.",
    },
    {
        .name = "proxy_customer", .where = IN_ROUTES,
        TP_WORD(struct tp_upstream_conf, customer, customer_words),
        .preset = "metadata", .since = "0.1",
        .brief = "How a server is told who has asked, as X-Real-IP and X-Session-Id: in the "
                 "metadata, where its protocol has any; query: else as arguments of the uri; off: "
                 "not at all. What customers send under these names is taken out.",
    },
    {
        .name = "keepalive", .where = TP_IN_UPSTREAM,
        TP_TIME(struct tp_upstream_conf, keepalive),
        .preset = "4s", .min = "1ms", .max = "1h", .since = "0.1",
        .brief = "How long a session that can have only one PULL at a time stays without one; "
                 "shorter than the other end's own patience, or PULLs meet closed connections.",
    },
};

const struct tp_module tp__module_upstream = {
    .name = "upstream",
    .brief = "Where PULLs and PUSHes are passed on to.",
    .conf_size = sizeof(struct tp_upstream_conf),
    TP_DIRECTIVES(upstream_directives),
    .validate = upstream_validate,
};

void
tp_upstream_declare(const struct tp_block *block, const char *directive,
                    const struct tp_upstream_ref **declared, struct tp_str name)
{
    const struct tp_block *peer = peer_of(block);
    struct tp_upstream_conf *conf = tp_block_conf(peer, &tp__module_upstream);
    struct tp_upstream_ref *ref = tp__conf_new(block, sizeof(*ref));
    const struct tp_module *finder = finder_of(block, name, &ref->found_name);

    *declared = ref;
    ref->block = block;
    ref->name = name;
    ref->origin = tp__conf_origin(block, directive, 0);
    if (finder != NULL) {
        ref->finder = &finder->finder;
        ref->finder_conf = tp_block_conf(block, finder);
        const char *why = finder->finder.check == NULL
                              ? NULL
                              : finder->finder.check(ref->finder_conf, ref->found_name);

        if (why != NULL) {
            tp_conf_complain(block, directive, 0, "%s", why);
        }
    } else if (name.len > 0 && upstream_find(peer, name) == NULL && !name_is_address(name)) {
        tp_conf_complain(block, directive, 0,
                         "there is no upstream \"%.*s\", and it is no address with a port",
                         (int) name.len, name.data);
    } else {
        name_check_scheme(block, directive, name);
    }
    ref->next = conf->refs;
    conf->refs = ref;
}

void
tp_upstream_declare_url(const struct tp_block *block, const char *directive,
                        const struct tp_upstream_ref **declared, struct tp_str url,
                        struct tp_str *path)
{
    struct tp_str rest;
    bool has_tls;

    if (!url_take_scheme(url, &rest, &has_tls)) {
        tp_conf_complain(block, directive, 0, "a URL begins with http:// or https://");
        return;
    }
    struct tp_str host = tp__str_cut(rest, '/', path);
    const struct tp_block *upstream = upstream_find(peer_of(block), host);

    *path = tp__str_skip(rest, host.len);
    while (path->len > 0 && path->data[path->len - 1] == '/') {
        path->len--;
    }
    url_check_path(block, directive, *path);
    if (upstream != NULL) {
        url_check_servers(block, directive, tp_block_conf(upstream, &tp__module_upstream), has_tls);
    } else if (has_tls) {
        tp_conf_complain(block, directive, 0,
                         "https:// needs the name of an upstream block, which says whom to trust");
        return;
    } else {
        /* What stands in a configuration ends with a zero. */
        size_t len = (size_t) (host.data - url.data) + host.len;
        char *address = tp__conf_new(block, len + 1);

        host = (struct tp_str){ memcpy(address, url.data, len), len };
    }
    tp_upstream_declare(block, directive, declared, host);
}

static void
upstream_validate(const struct tp_block *block, void *conf)
{
    struct tp_upstream_conf *upstream = conf;

    upstream_make_options(upstream);
    upstream_validate_next(block, upstream);
    if (tp_block_context(block) != TP_IN_UPSTREAM) {
        return;
    }
    upstream_validate_name(block, upstream);
    upstream_validate_servers(block, upstream);
    if (tp_block_writes(block, "health_check")
        && (upstream->check_uri.len == 0 || upstream->check_uri.data[0] != '/')) {
        tp_conf_complain(block, "health_check", 0, "what is asked is a uri: pull=/health, say");
    }
    if (tp_block_writes(block, "least_pending") && tp_block_writes(block, "hash")) {
        tp_conf_complain(block, "hash", 0,
                         "the next server is chosen by least_pending or by hash, not by both");
    }
}

const struct tp_pass_options *
tp_pass_options_of(const struct tp_block *block)
{
    const struct tp_upstream_conf *conf = tp_block_conf(block, &tp__module_upstream);

    return &conf->options;
}

static void
upstream_make_options(struct tp_upstream_conf *conf)
{
    conf->options = (struct tp_pass_options){
        .timeout = conf->pass_timeout,
        .tries_max = conf->tries,
        .tries_timeout = conf->tries_timeout,
        .is_idempotent = conf->idempotent,
        .customer = (enum tp_pass_customer) conf->customer,
    };
    for (size_t i = 0; i < TP_COUNT_OF(conf->next_on); i++) {
        conf->options.next_on |= (unsigned) conf->next_on[i];
    }
    conf->options.next_on &= ~(unsigned) NEXT_OFF;
}

static void
upstream_validate_next(const struct tp_block *block, const struct tp_upstream_conf *conf)
{
    bool is_off = false;

    for (size_t i = 0; i < TP_COUNT_OF(conf->next_on); i++) {
        is_off |= conf->next_on[i] == NEXT_OFF;
    }
    if (tp_block_writes(block, "proxy_next_upstream") && is_off && conf->options.next_on != 0) {
        tp_conf_complain(block, "proxy_next_upstream", 0, "off stands alone");
    }
}

static void
upstream_validate_name(const struct tp_block *block, const struct tp_upstream_conf *conf)
{
    struct tp_str found_name;
    const struct tp_module *finder = finder_of(block, conf->name, &found_name);
    const struct tp_block *first = upstream_find(tp_block_parent(block), conf->name);

    if (finder != NULL) {
        tp_conf_complain(block, "upstream", 0, "\"%s\" means what the module %s finds",
                         conf->name.data, finder->name);
    } else if (first != block) {
        tp_conf_complain(block, "upstream", 0, "there is an upstream \"%s\" already at %s",
                         conf->name.data, tp__conf_origin(first, "upstream", 0));
    }
}

static void
upstream_validate_servers(const struct tp_block *block, const struct tp_upstream_conf *conf)
{
    const struct tp_upstream_server_conf *servers = conf->servers.items;

    if (conf->servers.count == 0) {
        tp_conf_complain(block, "server", 0,
                         "this upstream has no server; add \"server 127.0.0.1:9191;\"");
    }
    for (size_t i = 0; i < conf->servers.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (tp__str_equal(servers[i].target, servers[j].target)) {
                tp_conf_complain(block, "server", i, "%s is a server of this upstream already",
                                 servers[i].target.data);
                break;
            }
        }
    }
}

static const struct tp_block *
upstream_find(const struct tp_block *peer, struct tp_str name)
{
    for (const struct tp_block *block = tp_block_first(peer, TP_IN_UPSTREAM); block != NULL;
         block = tp_block_next(block)) {
        const struct tp_upstream_conf *conf = tp_block_conf(block, &tp__module_upstream);

        if (tp__str_equal(conf->name, name)) {
            return block;
        }
    }
    return NULL;
}

static const struct tp_block *
peer_of(const struct tp_block *block)
{
    while (tp_block_context(block) != TP_IN_PEER) {
        block = tp_block_parent(block);
    }
    return block;
}

/* The module whose word the name is, or begins with; *found_name is what stands behind it. */
static const struct tp_module *
finder_of(const struct tp_block *block, struct tp_str name, struct tp_str *found_name)
{
    struct tp_module_list list = tp__conf_modules(block);
    struct tp_str word = tp__str_cut(name, ':', found_name);

    for (size_t i = 0; i < list.count; i++) {
        const char *finder = list.modules[i]->finder.word;

        if (finder != NULL && tp__str_equal(tp__str(finder), word)) {
            return list.modules[i];
        }
    }
    return NULL;
}

/* With a scheme it is the address of a host, and hosts are seldom called like an upstream. */
static void
name_check_scheme(const struct tp_block *block, const char *directive, struct tp_str name)
{
    struct tp_str rest;

    (void) tp__str_cut(name, ':', &rest);
    struct tp_str host = tp__str_skip(rest, tp__str_starts_with(rest, TP_STR("//")) ? 2 : 0);

    if (host.len < rest.len && upstream_find(peer_of(block), host) != NULL) {
        tp_conf_complain(block, directive, 0,
                         "an upstream is named without a scheme, \"%.*s\": its servers say what "
                         "they speak",
                         (int) host.len, host.data);
    }
}

static bool
name_is_address(struct tp_str name)
{
    struct tp_str target;

    return tp__target_type.parse(name, &target) == NULL;
}

static bool
url_take_scheme(struct tp_str url, struct tp_str *rest, bool *has_tls)
{
    struct tp_str scheme = TP_STR("http://");

    *has_tls = tp__str_starts_with(url, TP_STR("https://"));
    if (*has_tls) {
        scheme = TP_STR("https://");
    }
    *rest = tp__str_skip(url, scheme.len);
    return tp__str_starts_with(url, scheme);
}

/* The uri of what is passed on follows it. */
static void
url_check_path(const struct tp_block *block, const char *directive, struct tp_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] <= ' ' || path.data[i] == 0x7f || path.data[i] == '?'
            || path.data[i] == '#') {
            tp_conf_complain(block, directive, 0,
                             "a path stands behind the host, without query, fragment or space");
            return;
        }
    }
}

static void
url_check_servers(const struct tp_block *block, const char *directive,
                  const struct tp_upstream_conf *upstream, bool has_tls)
{
    const struct tp_upstream_server_conf *servers = upstream->servers.items;

    for (size_t i = 0; i < upstream->servers.count; i++) {
        bool server_has_tls = false;

        if (!server_speaks_http(&servers[i], &server_has_tls)) {
            tp_conf_complain(block, directive, 0,
                             "server %s of the upstream speaks no HTTP; write http:// before it",
                             servers[i].target.data);
        } else if (server_has_tls != has_tls) {
            tp_conf_complain(block, directive, 0, "server %s of the upstream speaks %s, the URL %s",
                             servers[i].target.data, server_has_tls ? "TLS" : "no TLS",
                             has_tls ? "does" : "does not");
        }
    }
}

static bool
server_speaks_http(const struct tp_upstream_server_conf *server, bool *has_tls)
{
    struct tp_target target = { 0 };

    if (tp__target_parse(server->target, &target) != NULL) {
        return true; /* which is complained of where it stands */
    }
    *has_tls = server->ssl || target.has_tls;
    return tp__str_equal(server->protocol, TP_STR("http"))
           || (target.protocol != NULL && strcmp(target.protocol, "http") == 0);
}

static const char *
name_parse(struct tp_str text, void *field)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct tp_str *name = field;

    *name = text;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr(letters, text.data[i]) == NULL) {
            return "a name of letters, digits, \"-\", \"_\" and \".\"";
        }
    }
    return text.len > 0 && text.len <= TP_UPSTREAM_NAME_MAX ? NULL
                                                            : "a name of at most 64 characters";
}
