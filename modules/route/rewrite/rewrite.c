/*
 * rewrite.c - gives packets another uri before their route is looked for.
 *
 * The first rule whose expression matches the path (percent-decoded, without the query) takes
 * effect, and no further one is tried.  What groups have matched is encoded again where it
 * becomes part of the new uri; the query stays unless the replacement has one of its own.
 *
 * Runs in: worker; expressions are compiled when a configuration is loaded.
 */
#include <teleport/module.h>

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum {
    REWRITE_GROUPS = 10,      /* $0 is not offered: it is the whole match */
    REWRITE_PATH_MAX = 4096,  /* longer paths are refused: matching takes time */
    REWRITE_REGEX_MAX = 1024, /* bytes of an expression */
    REWRITE_ERROR_MAX = 128,
};

struct rewrite_rule {
    struct tp_str regex;
    struct tp_str replacement;
    bool is_compiled;
    regex_t compiled; /* freed by rewrite_release() */
};

struct rewrite_conf {
    struct tp_items rules; /* of struct rewrite_rule; blocks may share them */
};

/* Where a uri is written; `next` is NULL while it is only measured. */
struct rewrite_writer {
    char *next;
    size_t len;
};

static enum tp_verdict rewrite_on_header(struct tp_hook_call *call, const void *module_conf);
static bool rewrite_wants_hooks(const void *module_conf);
static enum tp_verdict rewrite_apply(struct tp_hook_call *call, const struct rewrite_rule *rule,
                                     const char *path, const regmatch_t *groups);
static enum tp_verdict rewrite_refuse(struct tp_hook_call *call, enum tp_status_code code,
                                      struct tp_str cause);
static size_t rewrite_write(char *uri, const struct rewrite_rule *rule, const char *path,
                            const regmatch_t *groups);
static void writer_put(struct rewrite_writer *writer, char byte);
static void writer_put_encoded(struct rewrite_writer *writer, uint8_t byte);
static void rewrite_validate(const struct tp_block *block, void *module_conf);
static void rule_validate(const struct tp_block *block, struct rewrite_rule *rule, size_t item);
static bool regex_has_back_reference(struct tp_str regex);
static size_t replacement_last_group(struct tp_str replacement);
static void rewrite_release(void *module_conf);

static const struct tp_argument rewrite_arguments[] = {
    {
        .name = "REGEX", .kind = TP_ARGUMENT_REQUIRED,
        TP_TEXT(struct rewrite_rule, regex),
        .brief = "A POSIX extended regular expression; it matches anywhere unless it has ^ and $.",
    },
    {
        .name = "REPLACEMENT", .kind = TP_ARGUMENT_REQUIRED,
        TP_TEXT(struct rewrite_rule, replacement),
        .brief = "The new uri; $1 to $9 are what the expression's groups have matched.",
    },
};

static const struct tp_directive rewrite_directives[] = {
    {
        .name = "rewrite", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct rewrite_conf, rules, struct rewrite_rule),
        TP_ARGUMENTS(rewrite_arguments), .since = "0.1",
        .brief = "Gives packets whose path matches another uri; the first rule that matches counts.",
    },
};

const struct tp_module tp_module_rewrite = {
    .name = "rewrite",
    .brief = "Rewrites uris before routes are looked for.",
    .conf_size = sizeof(struct rewrite_conf),
    TP_DIRECTIVES(rewrite_directives),
    .run_after = "ignore_case",
    .validate = rewrite_validate,
    .release = rewrite_release,
    .hooks = {
        .at = {
            [TP_HOOK_POST_READ_PULL_HEADER] = rewrite_on_header,
            [TP_HOOK_POST_READ_PUSH_HEADER] = rewrite_on_header,
        },
    },
    .wants_hooks = rewrite_wants_hooks,
};

static enum tp_verdict
rewrite_on_header(struct tp_hook_call *call, const void *module_conf)
{
    const struct rewrite_conf *conf = module_conf;
    const struct rewrite_rule *rules = conf->rules.items;
    struct tp_str path = tp_exchange_path(call->exchange);
    char text[REWRITE_PATH_MAX + 1]; /* there is no NUL in a path */
    regmatch_t groups[REWRITE_GROUPS];

    if (path.len > REWRITE_PATH_MAX) {
        return rewrite_refuse(call, TP_STATUS_TOO_LARGE, TP_STR("the path is too long"));
    }
    memcpy(text, path.data, path.len);
    text[path.len] = '\0';
    for (size_t i = 0; i < conf->rules.count; i++) {
        int no_match = regexec(&rules[i].compiled, text, REWRITE_GROUPS, groups, 0);

        if (no_match == 0) {
            return rewrite_apply(call, &rules[i], text, groups);
        }
        if (no_match != REG_NOMATCH) {
            return rewrite_refuse(call, TP_STATUS_SERVICE_UNAVAILABLE, TP_STR("memory is out"));
        }
    }
    return TP_PASS;
}

static bool
rewrite_wants_hooks(const void *module_conf)
{
    const struct rewrite_conf *conf = module_conf;

    return conf->rules.count > 0;
}

static enum tp_verdict
rewrite_apply(struct tp_hook_call *call, const struct rewrite_rule *rule, const char *path,
              const regmatch_t *groups)
{
    struct tp_str query = tp_exchange_query(call->exchange);
    bool keeps_query =
        query.len > 0 && memchr(rule->replacement.data, '?', rule->replacement.len) == NULL;
    size_t len = rewrite_write(NULL, rule, path, groups);
    char *uri = malloc(len + 1 + query.len);

    if (uri == NULL) {
        return rewrite_refuse(call, TP_STATUS_SERVICE_UNAVAILABLE, TP_STR("memory is out"));
    }
    rewrite_write(uri, rule, path, groups);
    if (keeps_query) {
        uri[len++] = '?';
        memcpy(uri + len, query.data, query.len);
        len += query.len;
    }
    enum tp_result result = tp_exchange_set_uri(call->exchange, (struct tp_str){ uri, len });

    free(uri);
    switch (result) {
    case TP_OK:
        return TP_PASS;
    case TP_INVALID:
        return rewrite_refuse(call, TP_STATUS_BAD_REQUEST, TP_STR("the rewritten uri is none"));
    case TP_TOO_LARGE:
        return rewrite_refuse(call, TP_STATUS_TOO_LARGE, TP_STR("the rewritten uri is too long"));
    default:
        return rewrite_refuse(call, TP_STATUS_SERVICE_UNAVAILABLE, TP_STR("memory is out"));
    }
}

static enum tp_verdict
rewrite_refuse(struct tp_hook_call *call, enum tp_status_code code, struct tp_str cause)
{
    call->refusal = tp_status_of(code);
    call->refusal.cause = cause;
    return TP_REFUSE;
}

/* Writes the new uri without a kept query to `uri`, unless that is NULL; returns its length. */
static size_t
rewrite_write(char *uri, const struct rewrite_rule *rule, const char *path,
              const regmatch_t *groups)
{
    struct rewrite_writer writer = { .next = uri };
    const struct tp_str *replacement = &rule->replacement;

    for (size_t i = 0; i < replacement->len; i++) {
        char byte = replacement->data[i];
        char digit = i + 1 < replacement->len ? replacement->data[i + 1] : '\0';

        if (byte != '$' || digit < '1' || digit > '9') {
            writer_put(&writer, byte);
            continue;
        }
        const regmatch_t *group = &groups[digit - '0'];

        for (regoff_t at = group->rm_so; at >= 0 && at < group->rm_eo; at++) {
            writer_put_encoded(&writer, (uint8_t) path[at]);
        }
        i++;
    }
    return writer.len;
}

static void
writer_put(struct rewrite_writer *writer, char byte)
{
    if (writer->next != NULL) {
        *writer->next++ = byte;
    }
    writer->len++;
}

/* What would end the path, or begin an escape, is escaped. */
static void
writer_put_encoded(struct rewrite_writer *writer, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";

    if (byte != '%' && byte != '?' && byte != '#' && byte > ' ') {
        writer_put(writer, (char) byte);
        return;
    }
    writer_put(writer, '%');
    writer_put(writer, digits[byte >> 4]);
    writer_put(writer, digits[byte & 15]);
}

static void
rewrite_validate(const struct tp_block *block, void *module_conf)
{
    struct rewrite_conf *conf = module_conf;
    struct rewrite_rule *rules = conf->rules.items;

    /* A block that shares those of the block around it leaves the mistakes to that. */
    for (size_t i = 0; tp_block_writes(block, "rewrite") && i < conf->rules.count; i++) {
        rule_validate(block, &rules[i], i);
    }
}

static void
rule_validate(const struct tp_block *block, struct rewrite_rule *rule, size_t item)
{
    char error[REWRITE_ERROR_MAX];

    if (rule->regex.len > REWRITE_REGEX_MAX) {
        tp_conf_complain(block, "rewrite", item, "an expression has at most %d bytes",
                         REWRITE_REGEX_MAX);
        return;
    }
    if (regex_has_back_reference(rule->regex)) {
        /* They can take a time that grows exponentially with the path. */
        tp_conf_complain(block, "rewrite", item, "back references such as \\1 are not offered");
        return;
    }
    int wrong = regcomp(&rule->compiled, rule->regex.data, REG_EXTENDED);

    if (wrong != 0) {
        regerror(wrong, &rule->compiled, error, sizeof(error));
        tp_conf_complain(block, "rewrite", item, "\"%s\": %s", rule->regex.data, error);
        return;
    }
    rule->is_compiled = true;
    if (rule->replacement.len == 0 || rule->replacement.data[0] != '/') {
        tp_conf_complain(block, "rewrite", item, "the replacement begins with a slash");
    }
    if (replacement_last_group(rule->replacement) > rule->compiled.re_nsub) {
        tp_conf_complain(block, "rewrite", item, "the expression has only %zu groups",
                         rule->compiled.re_nsub);
    }
}

static bool
regex_has_back_reference(struct tp_str regex)
{
    for (size_t i = 0; i + 1 < regex.len; i++) {
        if (regex.data[i] == '\\') {
            i++;
            if (regex.data[i] >= '1' && regex.data[i] <= '9') {
                return true;
            }
        }
    }
    return false;
}

static size_t
replacement_last_group(struct tp_str replacement)
{
    size_t last = 0;

    for (size_t i = 0; i + 1 < replacement.len; i++) {
        char digit = replacement.data[i + 1];

        if (replacement.data[i] == '$' && digit >= '1' && digit <= '9') {
            size_t group = (size_t) (digit - '0');

            last = group > last ? group : last;
        }
    }
    return last;
}

static void
rewrite_release(void *module_conf)
{
    struct rewrite_conf *conf = module_conf;
    struct rewrite_rule *rules = conf->rules.items;

    for (size_t i = 0; i < conf->rules.count; i++) {
        if (rules[i].is_compiled) {
            regfree(&rules[i].compiled);
            rules[i].is_compiled = false;
        }
    }
}
