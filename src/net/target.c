/*
 * target.c - schemes, and the addresses behind them.
 *
 * Read next: net/dialer.c, which connects to the address.
 */
#include "net/target.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct scheme {
    const char *name;
    const char *protocol;
    unsigned default_port;
    bool has_path;
    bool has_tls;
};

static const struct scheme *scheme_find(struct tp_str name);
static struct tp_str target_without_path(struct tp_str whole);
static bool target_has_port(struct tp_str address);

static const struct scheme schemes[] = {
    { .name = "teleport", .protocol = "teleport" },
    { .name = "raw", .protocol = "raw" },
    { .name = "json", .protocol = "json" },
    { .name = "protobuf", .protocol = "protobuf" },
    { .name = "http", .protocol = "http", .default_port = 80, .has_path = true },
    { .name = "ws", .protocol = "websocket", .default_port = 80, .has_path = true },
    { .name = "tls", .has_tls = true },
    { .name = "https",
      .protocol = "http",
      .default_port = 443,
      .has_path = true,
      .has_tls = true },
    { .name = "wss",
      .protocol = "websocket",
      .default_port = 443,
      .has_path = true,
      .has_tls = true },
};

const char *
tp__target_parse(struct tp_str text, struct tp_target *target)
{
    static const struct scheme no_scheme;
    const struct scheme *scheme = &no_scheme;
    struct tp_str rest;
    struct tp_str name = tp__str_cut(text, ':', &rest);

    *target = (struct tp_target){ .whole = text };
    if (tp__str_starts_with(rest, TP_STR("//"))) {
        scheme = scheme_find(name);
        if (scheme == NULL) {
            return "one of the schemes teleport, raw, json, protobuf, http, ws, tls, https and wss";
        }
        target->whole = tp__str_skip(rest, 2);
    }
    target->protocol = scheme->protocol;
    target->default_port = scheme->default_port;
    target->has_tls = scheme->has_tls;
    target->address = scheme->has_path ? target_without_path(target->whole) : target->whole;
    return target->address.len == 0 ? "an address" : NULL;
}

const char *
tp__target_address(const struct tp_target *target, char text[TP_TARGET_ADDRESS_MAX])
{
    int len = (int) target->address.len;
    bool needs_port = target->default_port != 0 && !target_has_port(target->address);

    if (target->address.len >= TP_TARGET_ADDRESS_MAX) {
        return NULL;
    }
    int written = needs_port
                      ? snprintf(text, TP_TARGET_ADDRESS_MAX, "%.*s:%u", len, target->address.data,
                                 target->default_port)
                      : snprintf(text, TP_TARGET_ADDRESS_MAX, "%.*s", len, target->address.data);

    return written < TP_TARGET_ADDRESS_MAX ? text : NULL;
}

static const struct scheme *
scheme_find(struct tp_str name)
{
    for (size_t i = 0; i < TP_COUNT_OF(schemes); i++) {
        if (tp__str_equal(tp__str(schemes[i].name), name)) {
            return &schemes[i];
        }
    }
    return NULL;
}

/* A Unix socket is all path. */
static struct tp_str
target_without_path(struct tp_str whole)
{
    struct tp_str path;

    return tp__str_starts_with(whole, TP_STR("unix:")) ? whole : tp__str_cut(whole, '/', &path);
}

/* "[::1]" has none, "9090" is one. */
static bool
target_has_port(struct tp_str address)
{
    bool is_number = true;
    size_t behind_bracket = 0;

    for (size_t i = 0; i < address.len; i++) {
        is_number &= address.data[i] >= '0' && address.data[i] <= '9';
        if (address.data[i] == ']') {
            behind_bracket = i;
        }
    }
    return is_number || tp__str_starts_with(address, TP_STR("unix:"))
           || memchr(address.data + behind_bracket, ':', address.len - behind_bracket) != NULL;
}
