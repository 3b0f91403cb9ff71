/*
 * customer.c - what a place is told of whoever has asked: X-Real-IP and X-Session-Id, in the
 * packet's metadata, or as arguments of its uri where the protocol has none.
 *
 * What a customer says of itself under these names is taken out, or everybody could be anybody.  So
 * is its Authorization where this end has credentials of its own for the place, since there can be
 * only one, and it is this end that is known there.
 *
 * Runs in: worker.  Owns: nothing; texts lie in the worker's scratch until the next packet.
 * Read next: pass.c.
 */
#include "upstream/record.h"

#include "base/str.h"

#include <string.h>

#define REAL_IP       "X-Real-IP"
#define SESSION_ID    "X-Session-Id"
#define AUTHORIZATION "Authorization"

enum {
    CUSTOMER_NAME_MAX = sizeof(AUTHORIZATION) - 1, /* the longest of the three */
};

static bool customer_meets_credentials(const struct upstream_pass *pass,
                                       const struct tp_session *session);
static void customer_write(struct tp_text *text, const struct tp_exchange *exchange, char before);
static void customer_write_pair(struct tp_text *text, const char *name, struct tp_str value,
                                char *before);
static void customer_write_others(struct tp_text *text, struct tp_str pairs, bool has_credentials,
                                  char *before);
static bool customer_may_say(struct tp_str name, bool has_credentials);
static bool customer_name_is(struct tp_str plain, const char *name);

enum tp_result
tp__customer_add(struct upstream_pass *pass, const struct tp_session *session,
                 struct tp_forwarding *forwarding)
{
    const struct tp_packet *request = tp_exchange_request(pass->exchange);
    struct tp_text *text = &pass->upstream->upstreams->scratch;
    bool has_metadata =
        session == NULL || (tp_session_abilities(session) & TP_PROTOCOL_METADATA) != 0;
    bool has_credentials = customer_meets_credentials(pass, session);
    enum tp_pass_customer how = pass->options.customer;
    char before = '\0';

    if (how == TP_PASS_CUSTOMER_OFF && !has_credentials) {
        return TP_OK;
    }
    tp__text_clear(text);
    const struct tp_session *asker = tp_exchange_session(pass->exchange);

    if (has_metadata && asker != NULL && tp__session_is_of_gateway(asker)) {
        return TP_OK; /* It has said so itself. */
    }
    if (has_metadata) {
        customer_write_others(text, request->metadata, has_credentials, &before);
        if (how != TP_PASS_CUSTOMER_OFF) {
            customer_write(text, pass->exchange, before);
        }
        forwarding->metadata = tp__text_get(text);
        forwarding->has_metadata = true;
    } else if (how == TP_PASS_CUSTOMER_QUERY) {
        struct tp_str uri = forwarding->uri.len > 0 ? forwarding->uri : request->uri;
        struct tp_str query;

        tp__text_append(text, tp__str_cut(uri, '?', &query));
        before = '?';
        customer_write_others(text, query, false, &before);
        customer_write(text, pass->exchange, before);
        forwarding->uri = tp__text_get(text);
    }
    return tp__text_is_whole(text) ? TP_OK : TP_NO_MEMORY;
}

/* Does each request there say who asks, and has this end something to say? */
static bool
customer_meets_credentials(const struct upstream_pass *pass, const struct tp_session *session)
{
    const struct tp_source *source = pass->target->source;

    return session != NULL && (tp_session_abilities(session) & TP_PROTOCOL_PROVES_EACH) != 0
           && source != NULL && tp__credentials_are_there(&source->credentials);
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
customer_write_others(struct tp_text *text, struct tp_str pairs, bool has_credentials, char *before)
{
    while (pairs.len > 0) {
        struct tp_str rest;
        struct tp_str pair = tp__str_cut(pairs, '&', &rest);
        struct tp_str value;

        pairs = rest;
        if (pair.len == 0 || !customer_may_say(tp__str_cut(pair, '=', &value), has_credentials)) {
            continue;
        }
        if (*before != '\0') {
            tp__text_append(text, (struct tp_str){ before, 1 });
        }
        tp__text_append(text, pair);
        *before = '&';
    }
}

static bool
customer_may_say(struct tp_str name, bool has_credentials)
{
    char bytes[CUSTOMER_NAME_MAX + 1];
    struct tp_str plain = { bytes, tp_query_read(name, bytes, sizeof(bytes)) };

    return plain.len > CUSTOMER_NAME_MAX
           || (!customer_name_is(plain, REAL_IP) && !customer_name_is(plain, SESSION_ID)
               && (!has_credentials || !customer_name_is(plain, AUTHORIZATION)));
}

/* Whatever the case of its letters, and with '_' for '-'. */
static bool
customer_name_is(struct tp_str plain, const char *name)
{
    size_t i = 0;

    while (i < plain.len && name[i] != '\0'
           && (tp__ascii_to_lower((unsigned char) plain.data[i])
                   == tp__ascii_to_lower((unsigned char) name[i])
               || (plain.data[i] == '_' && name[i] == '-'))) {
        i++;
    }
    return i == plain.len && name[i] == '\0';
}
