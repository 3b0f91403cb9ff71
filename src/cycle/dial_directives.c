/*
 * dial_directives.c - the table of `dial` and what stands in it.
 *
 * Read next: cycle_dials.c, which makes sources of sessions of the values; process/dials.c,
 * which dials.
 */
#include "cycle/dial_directives.h"

#include "base/str.h"
#include "conf/conf.h"
#include "cycle/server_directives.h"
#include "net/dialer.h"
#include "net/target.h"

#include <string.h>

static void dial_validate(const struct tp_block *block, void *conf);
static void dial_validate_credentials(const struct tp_block *block, struct tp_dial_conf *dial);
static const char *target_value_parse(struct tp_str text, void *field);

const struct tp_custom_type tp__target_type = {
    .word = "address",
    .parse = target_value_parse,
};

#define NONE_WORD "none"

static const struct tp_word word_none[] = { { NONE_WORD, 0 }, { NULL, 0 } };
static const struct tp_word word_off[] = { { "off", 0 }, { NULL, 0 } };
static const struct tp_word word_forever[] = { { "forever", -1 }, { "-1", -1 }, { NULL, 0 } };

static const struct tp_argument dial_arguments[] = {
    {
        .name = "ADDRESS", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct tp_dial_conf, target, struct tp_str, &tp__target_type),
        .brief = "A name or an address with a port, or unix:/path; in front of it perhaps a "
                 "protocol: raw://10.0.0.7:9090.",
    },
    {
        .name = "protocol", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct tp_dial_conf, protocol), .preset = TP_PROTOCOL_AUTO,
        .brief = "What is spoken; auto: what stands before the address, or protocol_default.",
    },
    {
        .name = "ssl", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct tp_dial_conf, ssl),
        .preset = "off",
        .brief = "Speaks TLS there.",
    },
};

static const struct tp_argument redial_arguments[] = {
    {
        .name = "FIRST", .kind = TP_ARGUMENT_REQUIRED,
        TP_TIME(struct tp_dial_conf, redial_first), .words = word_off,
        .preset = "100ms", .min = "1ms", .max = "1h",
        .brief = "The pause before the first attempt; each further one is twice as long, and "
                 "all are shortened by chance, by up to a half.",
    },
    {
        .name = "max", .kind = TP_ARGUMENT_NAMED, TP_TIME(struct tp_dial_conf, redial_max),
        .preset = "30s", .min = "1ms", .max = "1d",
        .brief = "The longest pause.",
    },
    {
        .name = "times", .kind = TP_ARGUMENT_NAMED, TP_NUMBER(struct tp_dial_conf, redial_times),
        .words = word_forever, .preset = "forever", .min = "1", .max = "1000000",
        .brief = "How many attempts in a row may fail before the session ends.",
    },
};

static const struct tp_argument credentials_arguments[] = {
    {
        .name = "file", .kind = TP_ARGUMENT_NAMED,
        TP_PATH(struct tp_dial_conf, credentials_file), .words = word_none, .preset = NONE_WORD,
        .brief = "Read anew for each connection; white space around them is not of them.",
    },
    {
        .name = "env", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct tp_dial_conf, credentials_environment), .preset = NONE_WORD,
        .brief = "Instead, a variable of the environment that the server was started in.",
    },
};

#define IN_DIALS (TP_IN_PEER | TP_IN_SERVER | TP_IN_DIAL | TP_IN_UPSTREAM)

static const struct tp_directive dial_directives[] = {
    {
        .name = "dial", .where = TP_IN_PEER | TP_IN_SERVER, TP_OPENS(TP_IN_DIAL),
        .may_repeat = true, TP_ARGUMENTS(dial_arguments), .since = "0.1",
        .brief = "A session that this end connects, and connects again; one of all workers "
                 "holds it.",
    },
    {
        .name = "redial", .where = IN_DIALS,
        TP_ARGUMENTS(redial_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "How a dialed session comes back when its connection broke or cannot be had; in an "
                 "upstream the longest pause is 1s where nobody writes another.",
    },
    {
        .name = "dial_timeout", .where = IN_DIALS,
        TP_TIME(struct tp_dial_conf, dial_timeout),
        .preset = "10s", .min = "1ms", .max = "1h", .applies = TP_APPLIES_NEW_SESSIONS,
        .since = "0.1",
        .brief = "How long one attempt to connect may take, with looking the name up; and then how "
                 "long the other end may take to answer credentials.",
    },
    {
        .name = "credentials", .where = IN_DIALS,
        TP_ARGUMENTS(credentials_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Where to find what a dialed session proves with who it is, before anything else, "
                 "on each connection: id:secret, or a token.",
    },
    {
        .name = "auth_uri", .where = TP_IN_DIAL | TP_IN_UPSTREAM,
        TP_TEXT(struct tp_dial_conf, auth_uri), .preset = "/auth",
        .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "What is pulled with credentials as the body, by a protocol that has no place of "
                 "its own for them: Teleport 2.5.",
    },
};

const struct tp_module tp__module_dial = {
    .name = "dial",
    .brief = "Which sessions this end connects.",
    .conf_size = sizeof(struct tp_dial_conf),
    TP_DIRECTIVES(dial_directives),
    .validate = dial_validate,
};

/* One session for each target: two of one name could not be told apart by a reload. */
static void
dial_validate(const struct tp_block *block, void *conf)
{
    struct tp_dial_conf *dial = conf;

    dial_validate_credentials(block, dial);
    if (tp_block_context(block) != TP_IN_DIAL) {
        return;
    }
    for (const struct tp_block *other = tp_block_first(tp_block_parent(block), TP_IN_DIAL);
         other != block; other = tp_block_next(other)) {
        const struct tp_dial_conf *earlier = tp_block_conf(other, &tp__module_dial);

        if (tp__str_equal(earlier->target, dial->target)) {
            tp_conf_complain(block, "dial", 0, "%s is dialed already at %s", dial->target.data,
                             tp__conf_origin(other, "dial", 0));
            return;
        }
    }
}

static void
dial_validate_credentials(const struct tp_block *block, struct tp_dial_conf *dial)
{
    if (tp__str_equal(dial->credentials_file, TP_STR(NONE_WORD))) {
        dial->credentials_file.len = 0;
    }
    if (tp__str_equal(dial->credentials_environment, TP_STR(NONE_WORD))) {
        dial->credentials_environment.len = 0;
    }
    if (!tp_block_writes(block, "credentials") && !tp_block_writes(block, "auth_uri")) {
        return; /* It has been judged where it is written. */
    }
    if (dial->credentials_file.len > 0 && dial->credentials_environment.len > 0) {
        tp_conf_complain(block, "credentials", 0,
                         "credentials come from a file or from the "
                         "environment, not from both");
    }
    if (memchr(dial->credentials_environment.data, '=', dial->credentials_environment.len)
        != NULL) {
        tp_conf_complain(block, "credentials", 0,
                         "no variable of the environment has a \"=\" in "
                         "its name");
    }
    if (dial->auth_uri.len == 0 || dial->auth_uri.data[0] != '/') {
        tp_conf_complain(block, "auth_uri", 0, "a uri begins with \"/\"");
    }
}

static const char *
target_value_parse(struct tp_str text, void *field)
{
    struct tp_str *value = field;
    struct tp_target target;
    char address[TP_TARGET_ADDRESS_MAX];

    *value = text;
    const char *wrong = tp__target_parse(text, &target);

    if (wrong == NULL && tp__target_address(&target, address) == NULL) {
        return "a shorter address";
    }
    return wrong == NULL ? tp__dialer_check(tp__str(address)) : wrong;
}
