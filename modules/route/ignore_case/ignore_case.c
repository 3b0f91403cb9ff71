/*
 * ignore_case.c - lets paths be written in any case: their ASCII letters are made small before
 * a route is looked for.
 *
 * Routes are written in small letters then; one that has others could never be reached, so it
 * is refused when the configuration is loaded.
 *
 * Runs in: worker; post_reg where a configuration is loaded.
 */
#include <teleport/module.h>

#include <stdlib.h>
#include <string.h>

struct ignore_case_conf {
    bool is_on;
};

static enum tp_verdict ignore_case_on_header(struct tp_hook_call *call, const void *module_conf);
static enum tp_verdict ignore_case_on_route(struct tp_hook_call *call, const void *module_conf);
static bool ignore_case_wants_hooks(const void *module_conf);
static size_t path_len(struct tp_str uri);
static bool path_has_capitals(struct tp_str path);
static void path_make_small(char *path, size_t len);

static const struct tp_directive ignore_case_directives[] = {
    {
        .name = "ignore_case", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_FLAG(struct ignore_case_conf, is_on), .preset = "off", .since = "0.1",
        .brief = "Makes the letters of paths small before their routes are looked for.",
    },
};

const struct tp_module tp_module_ignore_case = {
    .name = "ignore_case",
    .brief = "Lets paths be written in any case.",
    .conf_size = sizeof(struct ignore_case_conf),
    TP_DIRECTIVES(ignore_case_directives),
    .run_after = "",
    .hooks = {
        .at = {
            [TP_HOOK_POST_REG] = ignore_case_on_route,
            [TP_HOOK_POST_READ_PULL_HEADER] = ignore_case_on_header,
            [TP_HOOK_POST_READ_PUSH_HEADER] = ignore_case_on_header,
        },
    },
    .wants_hooks = ignore_case_wants_hooks,
};

static enum tp_verdict
ignore_case_on_header(struct tp_hook_call *call, const void *module_conf)
{
    struct tp_str uri = tp_exchange_uri(call->exchange);

    (void) module_conf;
    if (!path_has_capitals(tp_exchange_path(call->exchange))) {
        return TP_PASS;
    }
    char *small = malloc(uri.len);

    if (small == NULL) {
        call->refusal = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
        return TP_REFUSE;
    }
    memcpy(small, uri.data, uri.len);
    path_make_small(small, path_len(uri));
    enum tp_result result = tp_exchange_set_uri(call->exchange, (struct tp_str){ small, uri.len });

    free(small);
    if (result != TP_OK) {
        call->refusal = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    }
    return result == TP_OK ? TP_PASS : TP_REFUSE;
}

static enum tp_verdict
ignore_case_on_route(struct tp_hook_call *call, const void *module_conf)
{
    (void) module_conf;
    if (!path_has_capitals(call->text)) {
        return TP_PASS;
    }
    call->refusal.text = TP_STR("it has capitals, which no path has with ignore_case on");
    return TP_REFUSE;
}

static bool
ignore_case_wants_hooks(const void *module_conf)
{
    const struct ignore_case_conf *conf = module_conf;

    return conf->is_on;
}

/* Of a uri: up to its query or fragment. */
static size_t
path_len(struct tp_str uri)
{
    for (size_t i = 0; i < uri.len; i++) {
        if (uri.data[i] == '?' || uri.data[i] == '#') {
            return i;
        }
    }
    return uri.len;
}

static bool
path_has_capitals(struct tp_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] >= 'A' && path.data[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

/* "%4a" is a capital, too: "%6a" is the small one. */
static void
path_make_small(char *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (path[i] >= 'A' && path[i] <= 'Z') {
            path[i] = (char) (path[i] - 'A' + 'a');
        }
        if (path[i] != '%' || i + 2 >= len) {
            continue;
        }
        const char text[] = { path[i + 1], path[i + 2], '\0' };
        long code = strtol(text, NULL, 16);

        if (code >= 'A' && code <= 'Z') {
            path[i + 1] = (char) (path[i + 1] + 2);
        }
    }
}
