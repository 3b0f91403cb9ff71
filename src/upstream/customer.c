/*
 * customer.c - what a place is told besides of whatever is passed on, in the packet's metadata, or as
 * arguments of its uri where the protocol has none: who has asked (X-Real-IP and X-Session-Id), and,
 * where the place is another server, that it is to ask none but its own members (X-Registry-Reach).
 *
 * What a customer says of itself under these names is taken out, or everybody could be anybody.  So
 * is its Authorization where this end has credentials of its own for the place, since there can be
 * only one, and it is this end that is known there.  X-Registry-Reach only makes the reach of who says
 * it smaller, and stays, so that nothing goes round in circles; a session that has dialed in is the
 * end of the way, and is not bothered with it.
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
    CUSTOMER_NAME_MAX = sizeof(REACH_NAME) - 1, /* the longest of the four */
};

/* What is taken out of a row of pairs, and what is added to it. */
struct customer_edit {
    const struct tp_exchange *told; /* of whom; NULL: of nobody */
    bool drops_customer;
    bool drops_credentials;
    bool drops_reach;
    bool sets_reach;
};

static bool customer_may_change_query(const struct upstream_pass *pass);
static struct customer_edit customer_edit_metadata(const struct upstream_pass *pass,
                                                   const struct tp_session *session);
static struct customer_edit customer_edit_query(const struct upstream_pass *pass,
                                                bool has_metadata);
static bool customer_has_metadata(const struct tp_session *session);
static bool customer_changes(const struct customer_edit *edit);
static bool customer_meets_credentials(const struct upstream_pass *pass,
                                       const struct tp_session *session);
static void customer_write_uri(struct tp_text *text, struct tp_str uri,
                               const struct customer_edit *edit);
static void customer_write(struct tp_text *text, struct tp_str pairs,
                           const struct customer_edit *edit, char before);
static void customer_write_told(struct tp_text *text, const struct tp_exchange *exchange,
                                char *before);
static void customer_write_pair(struct tp_text *text, const char *name, struct tp_str value,
                                char *before);
static bool customer_may_say(struct tp_str name, const struct customer_edit *edit);
static bool customer_name_is(struct tp_str plain, const char *name);

enum tp_result
tp__customer_add(struct upstream_pass *pass, const struct tp_session *session,
                 struct tp_forwarding *forwarding)
{
    const struct tp_packet *request = tp_exchange_request(pass->exchange);
    struct tp_text *text = &pass->upstream->upstreams->scratch;
    struct tp_str uri = forwarding->uri.len > 0 ? forwarding->uri : request->uri;
    bool has_metadata = customer_has_metadata(session);

    if (!has_metadata && !customer_may_change_query(pass)) {
        return TP_OK;
    }
    struct customer_edit metadata = customer_edit_metadata(pass, session);
    struct customer_edit query = customer_edit_query(pass, has_metadata);
    struct customer_edit plain = customer_edit_query(pass, false);
    size_t metadata_len = 0;
    size_t uri_len = 0;

    tp__text_clear(text);
    if (customer_changes(&metadata)) {
        customer_write(text, request->metadata, &metadata, '\0');
        metadata_len = text->len;
        forwarding->has_metadata = true;
    }
    if (customer_changes(&query)) {
        customer_write_uri(text, uri, &query);
        uri_len = text->len - metadata_len;
    }
    if (session == NULL && customer_changes(&plain)) {
        customer_write_uri(text, uri, &plain);
    }
    /* Only now: the text may have moved. */
    struct tp_str all = tp__text_get(text);

    forwarding->metadata = (struct tp_str){ all.data, metadata_len };
    if (uri_len > 0) {
        forwarding->uri = (struct tp_str){ all.data + metadata_len, uri_len };
    }
    forwarding->plain_uri = tp__str_skip(all, metadata_len + uri_len);
    return tp__text_is_whole(text) ? TP_OK : TP_NO_MEMORY;
}

enum tp_result
tp__customer_add_to_question(struct upstream_pass *pass, const struct tp_session *session,
                             struct tp_str *uri, struct tp_str *metadata)
{
    const struct customer_edit edit = { .sets_reach = pass->target->is_server };
    struct tp_text *text = &pass->upstream->upstreams->scratch;

    if (!edit.sets_reach) {
        return TP_OK;
    }
    tp__text_clear(text);
    if (customer_has_metadata(session)) {
        customer_write(text, *metadata, &edit, '\0');
        *metadata = tp__text_get(text);
    } else {
        customer_write_uri(text, *uri, &edit);
        *uri = tp__text_get(text);
    }
    return tp__text_is_whole(text) ? TP_OK : TP_NO_MEMORY;
}

/* Mostly nothing is to be said there, and each pass is spared the rest. */
static inline bool
customer_may_change_query(const struct upstream_pass *pass)
{
    return pass->options.customer == TP_PASS_CUSTOMER_QUERY || pass->is_for_own
           || pass->target->is_server;
}

static struct customer_edit
customer_edit_metadata(const struct upstream_pass *pass, const struct tp_session *session)
{
    const struct upstream_target *target = pass->target;
    const struct tp_session *asker = tp_exchange_session(pass->exchange);
    bool has_metadata = customer_has_metadata(session);
    /* One that is believed has said so itself. */
    bool is_believed = asker != NULL && tp__session_is_of_gateway(asker);
    bool is_told = has_metadata && pass->options.customer != TP_PASS_CUSTOMER_OFF && !is_believed;

    return (struct customer_edit){
        .told = is_told ? pass->exchange : NULL,
        .drops_customer = is_told,
        .drops_credentials = has_metadata && customer_meets_credentials(pass, session),
        .drops_reach = pass->is_for_own && target->source == NULL,
        .sets_reach = has_metadata && target->is_server,
    };
}

static struct customer_edit
customer_edit_query(const struct upstream_pass *pass, bool has_metadata)
{
    const struct upstream_target *target = pass->target;
    bool is_told = !has_metadata && pass->options.customer == TP_PASS_CUSTOMER_QUERY;

    return (struct customer_edit){
        .told = is_told ? pass->exchange : NULL,
        .drops_customer = is_told,
        .drops_reach = pass->is_for_own && target->source == NULL,
        .sets_reach = !has_metadata && target->is_server,
    };
}

/* What is spoken to a session of another worker is not known here: it gets both. */
static bool
customer_has_metadata(const struct tp_session *session)
{
    return session == NULL || (tp_session_abilities(session) & TP_PROTOCOL_METADATA) != 0;
}

static bool
customer_changes(const struct customer_edit *edit)
{
    return edit->told != NULL || edit->drops_credentials || edit->drops_reach || edit->sets_reach;
}

/* Does each request there say who asks, and has this end something to say? */
static bool
customer_meets_credentials(const struct upstream_pass *pass, const struct tp_session *session)
{
    const struct tp_source *source = pass->target->source;

    return session != NULL && (tp_session_abilities(session) & TP_PROTOCOL_PROVES_EACH) != 0
           && source != NULL && tp__credentials_are_there(&source->credentials);
}

/* Without a fragment, behind which nothing is looked for. */
static void
customer_write_uri(struct tp_text *text, struct tp_str uri, const struct customer_edit *edit)
{
    struct tp_str fragment;
    struct tp_str query;

    tp__text_append(text, tp__str_cut(tp__str_cut(uri, '#', &fragment), '?', &query));
    customer_write(text, query, edit, '?');
}

/* What others may say as they have written it; `before` is what stands in front of it; '\0': nothing. */
static void
customer_write(struct tp_text *text, struct tp_str pairs, const struct customer_edit *edit,
               char before)
{
    while (pairs.len > 0) {
        struct tp_str rest;
        struct tp_str pair = tp__str_cut(pairs, '&', &rest);
        struct tp_str value;

        pairs = rest;
        if (pair.len == 0 || !customer_may_say(tp__str_cut(pair, '=', &value), edit)) {
            continue;
        }
        if (before != '\0') {
            tp__text_append(text, (struct tp_str){ &before, 1 });
        }
        tp__text_append(text, pair);
        before = '&';
    }
    if (edit->told != NULL) {
        customer_write_told(text, edit->told, &before);
    }
    if (edit->sets_reach) {
        customer_write_pair(text, REACH_NAME, TP_STR(REACH_OWN), &before);
    }
}

static void
customer_write_told(struct tp_text *text, const struct tp_exchange *exchange, char *before)
{
    const struct tp_session *session = tp_exchange_session(exchange);
    char address[TP_ADDRESS_TEXT_MAX];

    if (session == NULL) {
        return;
    }
    struct tp_address remote = *tp_session_remote(session);

    remote.port = 0;
    customer_write_pair(text, REAL_IP, tp__str(tp_address_format(&remote, address)), before);
    if (tp_session_id(session).len > 0) {
        customer_write_pair(text, SESSION_ID, tp_session_id(session), before);
    }
}

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

static bool
customer_may_say(struct tp_str name, const struct customer_edit *edit)
{
    char bytes[CUSTOMER_NAME_MAX + 1];
    struct tp_str plain = { bytes, tp_query_read(name, bytes, sizeof(bytes)) };

    if (plain.len > CUSTOMER_NAME_MAX) {
        return true;
    }
    if (customer_name_is(plain, REAL_IP) || customer_name_is(plain, SESSION_ID)) {
        return !edit->drops_customer;
    }
    if (customer_name_is(plain, AUTHORIZATION)) {
        return !edit->drops_credentials;
    }
    return (!edit->drops_reach && !edit->sets_reach) || !customer_name_is(plain, REACH_NAME);
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
