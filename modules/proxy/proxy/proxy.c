/*
 * proxy.c - passes PULLs and PUSHes on to an upstream, and its answers back.
 *
 * Bodies pass as they came, whatever their codec, deflated or not; the protocols of the two sides
 * may differ.  What it is passed on to, and what becomes of it when that fails, is the upstream's
 * business (teleport/upstream.h).
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

struct proxy_conf {
    struct tp_str name;
    const struct tp_upstream_ref *upstream;
    const struct tp_pass_options *options;
};

static void proxy_validate(const struct tp_block *block, void *module_conf);
static void proxy_handle(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_directive proxy_directives[] = {
    {
        .name = "proxy_pass", .where = TP_IN_ROUTE, TP_TEXT(struct proxy_conf, name),
        .since = "0.1",
        .brief = "Passes what comes on to an upstream: the name of an upstream block, an address "
                 "such as 127.0.0.1:9191 or raw://10.0.0.7:9191, or registry:SERVICE, or registry "
                 "for whichever service has announced the uri.",
    },
};

const struct tp_module tp_module_proxy = {
    .name = "proxy",
    .brief = "Passes PULLs and PUSHes on to other servers.",
    .conf_size = sizeof(struct proxy_conf),
    TP_DIRECTIVES(proxy_directives),
    .run_after = "",
    .validate = proxy_validate,
    .handler = "proxy_pass",
    .handle = proxy_handle,
};

static void
proxy_validate(const struct tp_block *block, void *module_conf)
{
    struct proxy_conf *conf = module_conf;

    if (!tp_block_writes(block, "proxy_pass")) {
        return;
    }
    if (conf->name.len == 0) {
        tp_conf_complain(block, "proxy_pass", 0, "an upstream has a name");
        return;
    }
    tp_upstream_declare(block, "proxy_pass", &conf->upstream, conf->name);
    conf->options = tp_pass_options_of(block);
}

static void
proxy_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct proxy_conf *conf = module_conf;

    tp_upstream_pass(conf->upstream, exchange, conf->options);
}
