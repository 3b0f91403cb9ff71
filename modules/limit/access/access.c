/*
 * access.c - lets connections in, or not, by the address they come from.
 *
 * The rule whose network is the most specific one decides; where none matches the
 * connection is let in.  So the order in which rules are written does not matter, and
 * a deny for everybody can stand beside exceptions to it.
 *
 * Runs in: worker, when a connection is accepted.
 */
#include <teleport/module.h>

#include <string.h>

struct access_conf {
    struct tp_items allow; /* of struct tp_network */
    struct tp_items deny;
};

static enum tp_verdict access_on_accept(struct tp_hook_call *call, const void *module_conf);
static bool access_wants_hooks(const void *module_conf);
static int access_best_match(const struct tp_items *rules, const struct tp_address *remote);
static void access_validate(const struct tp_block *block, void *module_conf);
static bool access_has_network(const struct tp_items *rules, const struct tp_network *wanted);
static const char *access_parse_network(struct tp_str text, void *field);

static const struct tp_custom_type network_type = {
    .word = "network",
    .parse = access_parse_network,
};

static const struct tp_argument network_arguments[] = {
    {
        .name = "NETWORK", .kind = TP_ARGUMENT_REQUIRED,
        .type = TP_VALUE_CUSTOM, .offset = 0, .custom = &network_type,
        .brief = "An address, a network such as 10.0.0.0/8 or fd00::/8, unix:, or all.",
    },
};

static const struct tp_directive access_directives[] = {
    {
        .name = "allow", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct access_conf, allow, struct tp_network),
        TP_ARGUMENTS(network_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Lets connections from a network in; the most specific rule decides.",
    },
    {
        .name = "deny", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct access_conf, deny, struct tp_network),
        TP_ARGUMENTS(network_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Refuses connections from a network; the most specific rule decides.",
    },
};

static const struct tp_log_id access_log_ids[] = {
    { "access-denied", "A connection was refused by a deny rule." },
};

const struct tp_module tp_module_access = {
    .name = "access",
    .brief = "Allows and denies connections by address.",
    .conf_size = sizeof(struct access_conf),
    TP_DIRECTIVES(access_directives),
    TP_LOG_IDS(access_log_ids),
    .run_after = "",
    .validate = access_validate,
    .hooks = { .at = { [TP_HOOK_POST_ACCEPT] = access_on_accept } },
    .wants_hooks = access_wants_hooks,
};

static enum tp_verdict
access_on_accept(struct tp_hook_call *call, const void *module_conf)
{
    const struct access_conf *conf = module_conf;
    const struct tp_address *remote = tp_session_remote(call->session);
    char text[TP_ADDRESS_TEXT_MAX];

    if (access_best_match(&conf->deny, remote) <= access_best_match(&conf->allow, remote)) {
        return TP_PASS;
    }
    tp_log_info(tp_session_log(call->session), "access-denied", "remote=%s",
                tp_address_format(remote, text));
    return TP_REFUSE;
}

/* Without a deny everybody may come in. */
static bool
access_wants_hooks(const void *module_conf)
{
    const struct access_conf *conf = module_conf;

    return conf->deny.count > 0;
}

/* How specific the most specific matching rule is; -1 when none matches. */
static int
access_best_match(const struct tp_items *rules, const struct tp_address *remote)
{
    const struct tp_network *networks = rules->items;
    int best = -1;

    for (size_t i = 0; i < rules->count; i++) {
        /* "all" is less specific than the widest network. */
        int specificity =
            networks[i].address.family == TP_ADDRESS_NONE ? 0 : (int) networks[i].bits + 1;

        if (specificity > best && tp_network_has(&networks[i], remote)) {
            best = specificity;
        }
    }
    return best;
}

/* The same network allowed and denied: nobody can have meant that. */
static void
access_validate(const struct tp_block *block, void *module_conf)
{
    const struct access_conf *conf = module_conf;
    const struct tp_network *denied = conf->deny.items;

    for (size_t i = 0; i < conf->deny.count; i++) {
        if (access_has_network(&conf->allow, &denied[i])) {
            tp_conf_complain(block, "deny", i, "this network is allowed as well");
        }
    }
}

static bool
access_has_network(const struct tp_items *rules, const struct tp_network *wanted)
{
    const struct tp_network *networks = rules->items;

    for (size_t i = 0; i < rules->count; i++) {
        if (networks[i].bits == wanted->bits && networks[i].address.family == wanted->address.family
            && memcmp(networks[i].address.ip, wanted->address.ip, sizeof(wanted->address.ip))
                   == 0) {
            return true;
        }
    }
    return false;
}

static const char *
access_parse_network(struct tp_str text, void *field)
{
    return tp_network_parse(text, field);
}
