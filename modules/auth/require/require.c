/*
 * require.c - who may ask what: routes for those who have proved who they are, or what they are.
 *
 * It asks what "auth" has found, over whatever protocol.  Whom nobody knows is told 401, and who is
 * known and is not allowed 403.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

#include <string.h>

enum require_what {
    REQUIRE_NOTHING,
    REQUIRE_ID,
    REQUIRE_CLAIM,
};

/* One use. */
struct require_rule {
    int what; /* enum require_what */
    struct tp_str claim;

    /* Of the claim, when the configuration is checked. */
    struct tp_str name;
    struct tp_str value;
    bool has_value; /* else any value will do */
};

struct require_conf {
    struct tp_items rules; /* of struct require_rule: all of them have to be kept */
};

static enum tp_verdict require_on_header(struct tp_hook_call *call, const void *module_conf);
static bool require_wants_hooks(const void *module_conf);
static bool rule_is_kept(const struct require_rule *rule, const struct tp_identity *identity);
static void require_refuse(struct tp_hook_call *call, enum tp_status_code code, const char *cause);
static void require_validate(const struct tp_block *block, void *module_conf);

static const struct tp_word what_words[] = {
    { "id", REQUIRE_ID },
    { "claim", REQUIRE_CLAIM },
    { "nothing", REQUIRE_NOTHING },
    { NULL, 0 },
};

static const struct tp_argument require_arguments[] = {
    {
        .name = "WHAT", .kind = TP_ARGUMENT_REQUIRED,
        TP_WORD(struct require_rule, what, what_words),
        .brief = "An id, whichever it is; a claim; or nothing, inside of a block that requires "
                 "something.",
    },
    {
        .name = "CLAIM", .kind = TP_ARGUMENT_OPTIONAL, TP_TEXT(struct require_rule, claim),
        .brief = "\"name=value\", which one of the claims of that name has to be; or a name, for "
                 "any value.",
    },
};

static const struct tp_directive require_directives[] = {
    {
        .name = "require", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_REPEATED(struct require_conf, rules, struct require_rule),
        TP_ARGUMENTS(require_arguments), .since = "0.1",
        .brief = "Only who has proved that may ask: 401 for who has proved nothing, 403 for who has "
                 "proved something else.",
    },
};

const struct tp_module tp_module_require = {
    .name = "require",
    .brief = "Routes for those who have proved who, or what, they are.",
    .conf_size = sizeof(struct require_conf),
    TP_DIRECTIVES(require_directives),
    .run_after = "auth",
    .validate = require_validate,
    .hooks = { .at = { [TP_HOOK_POST_READ_PULL_HEADER] = require_on_header,
                       [TP_HOOK_POST_READ_PUSH_HEADER] = require_on_header } },
    .wants_hooks = require_wants_hooks,
};

/* An AUTH_CALL has no route, and where nothing authenticates it is nobody's yet. */
static enum tp_verdict
require_on_header(struct tp_hook_call *call, const void *module_conf)
{
    const struct require_conf *conf = module_conf;
    const struct require_rule *rules = conf->rules.items;
    const struct tp_identity *identity = tp_exchange_identity(call->exchange);

    if (tp_exchange_type(call->exchange) == TP_PACKET_AUTH_CALL) {
        return TP_PASS;
    }
    for (size_t i = 0; i < conf->rules.count; i++) {
        if (rules[i].what == REQUIRE_NOTHING) {
            continue;
        }
        if (identity == NULL) {
            require_refuse(call, TP_STATUS_UNAUTHORIZED, "who asks has not proved who that is");
            return TP_REFUSE;
        }
        if (!rule_is_kept(&rules[i], identity)) {
            require_refuse(call, TP_STATUS_FORBIDDEN, "who asks is not allowed to");
            return TP_REFUSE;
        }
    }
    return TP_PASS;
}

static bool
require_wants_hooks(const void *module_conf)
{
    const struct require_conf *conf = module_conf;
    const struct require_rule *rules = conf->rules.items;

    for (size_t i = 0; i < conf->rules.count; i++) {
        if (rules[i].what != REQUIRE_NOTHING) {
            return true;
        }
    }
    return false;
}

static bool
rule_is_kept(const struct require_rule *rule, const struct tp_identity *identity)
{
    struct tp_str rest = identity->claims;
    struct tp_query_pair pair;

    if (rule->what == REQUIRE_ID) {
        return identity->id.len > 0;
    }
    while (tp_query_next(&rest, &pair)) {
        if (tp_query_is(pair.name, rule->name)
            && (!rule->has_value || tp_query_is(pair.value, rule->value))) {
            return true;
        }
    }
    return false;
}

static void
require_refuse(struct tp_hook_call *call, enum tp_status_code code, const char *cause)
{
    call->refusal = tp_status_of(code);
    call->refusal.cause = (struct tp_str){ cause, strlen(cause) };
    if (code == TP_STATUS_UNAUTHORIZED && tp_session_proves_each(call->session)
        && tp_exchange_add_challenge(call->exchange) != TP_OK) {
        call->refusal = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    }
}

static void
require_validate(const struct tp_block *block, void *module_conf)
{
    struct require_conf *conf = module_conf;
    struct require_rule *rules = conf->rules.items;

    for (size_t i = 0; i < conf->rules.count; i++) {
        struct tp_str claim = rules[i].claim;
        const char *equals = claim.len == 0 ? NULL : memchr(claim.data, '=', claim.len);
        size_t name_len = equals == NULL ? claim.len : (size_t) (equals - claim.data);

        rules[i].name = (struct tp_str){ claim.data, name_len };
        rules[i].has_value = equals != NULL;
        if (equals != NULL) {
            rules[i].value = (struct tp_str){ equals + 1, claim.len - name_len - 1 };
        }
        if (rules[i].what == REQUIRE_CLAIM && name_len == 0) {
            tp_conf_complain(block, "require", i, "\"claim\" wants \"name=value\", or a name");
        } else if (rules[i].what != REQUIRE_CLAIM && claim.len > 0) {
            tp_conf_complain(block, "require", i, "\"%s\" stands alone",
                             rules[i].what == REQUIRE_ID ? "id" : "nothing");
        } else if (rules[i].what == REQUIRE_NOTHING && conf->rules.count > 1) {
            tp_conf_complain(block, "require", i, "\"nothing\" stands alone");
        }
    }
}
