/*
 * customer.c - what a place is told of whoever has asked: X-Real-IP and X-Session-Id, in the
 * packet's metadata, or as arguments of its uri where the protocol has none.
 *
 * What a customer says of itself under these names is taken out, or everybody could be anybody.
 *
 * Runs in: worker.  Owns: nothing; texts lie in the worker's scratch until the next packet.
 * Read next: pass.c.
 */
#include "upstream/record.h"

#include "base/str.h"

#include <string.h>

#define REAL_IP    "X-Real-IP"
#define SESSION_ID "X-Session-Id"

static void customer_write(struct tp_text *text, const struct tp_exchange *exchange, char before);
static void customer_write_pair(struct tp_text *text, const char *name, struct tp_str value,
                                char *before);
static void customer_write_others(struct tp_text *text, struct tp_str pairs, char *before);
static bool customer_owns(struct tp_str name);

enum tp_result
tp__customer_add(struct upstream_pass *pass, const struct tp_session *session,
                 struct tp_forwarding *forwarding)
{
    const struct tp_packet *request = tp_exchange_request(pass->exchange);
    struct tp_text *text = &pass->upstream->upstreams->scratch;
    bool has_metadata =
        session == NULL || (tp_session_abilities(session) & TP_PROTOCOL_METADATA) != 0;
    char before = '\0';

    tp__text_clear(text);
    if (has_metadata) {
        customer_write_others(text, request->metadata, &before);
        customer_write(text, pass->exchange, before);
        forwarding->metadata = tp__text_get(text);
    } else if (pass->options.customer == TP_PASS_CUSTOMER_QUERY) {
        struct tp_str uri = forwarding->uri.len > 0 ? forwarding->uri : request->uri;
        struct tp_str query;

        tp__text_append(text, tp__str_cut(uri, '?', &query));
        before = '?';
        customer_write_others(text, query, &before);
        customer_write(text, pass->exchange, before);
        forwarding->uri = tp__text_get(text);
    }
    return tp__text_is_whole(text) ? TP_OK : TP_NO_MEMORY;
}

static void
customer_write(struct tp_text *text, const struct tp_exchange *exchange, char before)
{
    const struct tp_session *session = tp_exchange_session(exchange);
    char address[TP_ADDRESS_TEXT_MAX];

    if (session == NULL) {
        return;
    }
    struct tp_address remote = *tp_session_remote(session);

    remote.port = 0;
    customer_write_pair(text, REAL_IP, tp__str(tp_address_format(&remote, address)), &before);
    if (tp_session_id(session).len > 0) {
        customer_write_pair(text, SESSION_ID, tp_session_id(session), &before);
    }
}

/* `before` is what stands in front of it; '\0': nothing. */
static void
customer_write_pair(struct tp_text *text, const char *name, struct tp_str value, char *before)
{
    char escaped[3 * TP_ADDRESS_TEXT_MAX + 3 * TP_SESSION_ID_MAX];

    if (tp_query_escaped_len(value) > sizeof(escaped)) {
        return;
    }
    char *end = tp_query_escape(value, escaped);

    if (*before != '\0') {
        tp__text_append(text, (struct tp_str){ before, 1 });
    }
    tp__text_append(text, tp__str(name));
    tp__text_append(text, TP_STR("="));
    tp__text_append(text, (struct tp_str){ escaped, (size_t) (end - escaped) });
    *before = '&';
}

/* As they are written. */
static void
customer_write_others(struct tp_text *text, struct tp_str pairs, char *before)
{
    while (pairs.len > 0) {
        struct tp_str rest;
        struct tp_str pair = tp__str_cut(pairs, '&', &rest);
        struct tp_str value;

        pairs = rest;
        if (pair.len == 0 || customer_owns(tp__str_cut(pair, '=', &value))) {
            continue;
        }
        if (*before != '\0') {
            tp__text_append(text, (struct tp_str){ before, 1 });
        }
        tp__text_append(text, pair);
        *before = '&';
    }
}

/* Whatever the case of its letters, and however they are written. */
static bool
customer_owns(struct tp_str name)
{
    static const char *const owned[] = { REAL_IP, SESSION_ID };
    char plain[sizeof(SESSION_ID) + 1];
    size_t len = tp_query_read(name, plain, sizeof(plain));

    for (size_t i = 0; i < TP_COUNT_OF(owned); i++) {
        size_t j = 0;

        while (j < len && len == strlen(owned[i])
               && (tp__ascii_to_lower((unsigned char) plain[j])
                       == tp__ascii_to_lower((unsigned char) owned[i][j])
                   || (plain[j] == '_' && owned[i][j] == '-'))) {
            j++;
        }
        if (j > 0 && j == len) {
            return true;
        }
    }
    return false;
}
