/*
 * http_pass.c - passes PULLs and PUSHes on as HTTP/1.1 requests, so that a backend may be written
 * in any language.
 *
 * A PULL becomes a POST of the URL's path and, behind it, the PULL's own uri; the response is its
 * REPLY.  How packets become requests is the business of the protocol http, which dials here; what
 * becomes of one when a backend fails, that of the upstream (teleport/upstream.h).
 *
 * Runs in: worker.
 * Read next: ../proxy/proxy.c, which passes on over any protocol.
 */
#include <teleport/module.h>

#include <string.h>

struct http_pass_conf {
    struct tp_str url;
    struct tp_str path; /* of the URL; before each uri */
    const struct tp_upstream_ref *upstream;
    const struct tp_pass_options *options;
};

static void http_pass_validate(const struct tp_block *block, void *module_conf);
static void http_pass_handle(struct tp_exchange *exchange, const void *module_conf);
static void http_pass_refuse(struct tp_exchange *exchange, struct tp_str cause);
static bool path_climbs(struct tp_str path);
static struct tp_buf *target_make(struct tp_exchange *exchange, struct tp_str path,
                                  struct tp_str *target);

static const struct tp_directive http_pass_directives[] = {
    {
        .name = "http_pass", .where = TP_IN_ROUTE, TP_TEXT(struct http_pass_conf, url),
        .since = "0.1",
        .brief = "Passes what comes on as a POST to a URL, with the uri behind its path: "
                 "http://10.0.0.7:8080/api, or http://NAME/api and https://NAME/api of an "
                 "upstream block.",
    },
};

const struct tp_module tp_module_http_pass = {
    .name = "http_pass",
    .brief = "Passes PULLs and PUSHes on to HTTP servers.",
    .conf_size = sizeof(struct http_pass_conf),
    TP_DIRECTIVES(http_pass_directives),
    .run_after = "",
    .validate = http_pass_validate,
    .handler = "http_pass",
    .handle = http_pass_handle,
};

static void
http_pass_validate(const struct tp_block *block, void *module_conf)
{
    struct http_pass_conf *conf = module_conf;

    if (!tp_block_writes(block, "http_pass")) {
        return;
    }
    tp_upstream_declare_url(block, "http_pass", &conf->upstream, conf->url, &conf->path);
    conf->options = tp_pass_options_of(block);
}

static void
http_pass_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct http_pass_conf *conf = module_conf;
    struct tp_pass_options options = *conf->options;

    if (path_climbs(tp_exchange_path(exchange))) {
        http_pass_refuse(exchange, TP_STR("a path with . or .. is not passed on"));
        return;
    }
    struct tp_buf *buf = target_make(exchange, conf->path, &options.uri);

    if (buf == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    tp_upstream_pass(conf->upstream, exchange, &options);
    tp_buf_release(buf);
}

static void
http_pass_refuse(struct tp_exchange *exchange, struct tp_str cause)
{
    struct tp_status status = tp_status_of(TP_STATUS_BAD_REQUEST);

    status.cause = cause;
    tp_exchange_refuse(exchange, &status);
}

/*
 * HTTP servers take "/api/../admin" for "/admin", which the route has not let through.  The path is
 * decoded: one that is written with %2e is seen, too.
 */
static bool
path_climbs(struct tp_str path)
{
    size_t begin = 0;

    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.data[i] != '/' && path.data[i] != '\\') {
            continue;
        }
        size_t len = i - begin;

        if ((len == 1 || len == 2) && memcmp(path.data + begin, "..", len) == 0) {
            return true;
        }
        begin = i + 1;
    }
    return false;
}

/* `path` and the uri in one, in a buffer that is the caller's; NULL: memory is out. */
static struct tp_buf *
target_make(struct tp_exchange *exchange, struct tp_str path, struct tp_str *target)
{
    struct tp_str uri = tp_exchange_target(exchange);
    bool needs_slash = uri.len == 0 || uri.data[0] != '/';
    struct tp_buf *buf =
        tp_buf_make(tp_exchange_buf_pool(exchange), path.len + needs_slash + uri.len);

    if (buf == NULL) {
        return NULL;
    }
    char *text = (char *) buf->bytes;
    size_t len = 0;

    if (path.len > 0) {
        memcpy(text, path.data, path.len);
        len = path.len;
    }
    if (needs_slash) {
        text[len++] = '/';
    }
    if (uri.len > 0) {
        memcpy(text + len, uri.data, uri.len);
        len += uri.len;
    }
    *target = (struct tp_str){ text, len };
    return buf;
}
