/*
 * forward.c - a request of one session passed on by another, and the answer on its way back.
 *
 * Texts and body are shared, not copied.  What waits does not pin what it was read into: where a
 * request does not leave at once it moves to a buffer of its own size first, if it is small; else
 * it is lent, and what is needed of it then moves when it has left.
 *
 * Runs in: worker.  Read next: asking.c, own_packet.c; upstream/pass.c, which chooses the session.
 */
#include "session/forward.h"

#include "base/str.h"
#include "session/record.h"

#include <stdlib.h>
#include <string.h>

enum {
    FORWARD_GZIP_LEVEL = 5, /* where a filter does not say how much it has deflated */
    FORWARD_LENT_MAX = TP_OUTPUT_FULL_BYTES, /* what one write takes leaves at the turn's end */
};

static enum tp_result forward_finish_copy(struct tp_exchange *exchange,
                                          const struct tp_reply *reply,
                                          const struct tp_status *status);
static bool forward_leaves_soon(const struct tp_session *session,
                                const struct tp_forwarding *forwarding);
static enum tp_result forward_fill(const struct tp_session *session,
                                   const struct tp_packet *request,
                                   const struct tp_forwarding *forwarding,
                                   struct tp_packet *packet);
static enum tp_result forward_take_texts(const struct tp_session *session,
                                         const struct tp_packet *request,
                                         const struct tp_forwarding *forwarding,
                                         struct tp_packet *packet);
static void forward_take_filters(const struct tp_session *session, const struct tp_packet *request,
                                 struct tp_packet *packet);

enum tp_result
tp__session_forward(struct tp_session *session, struct tp_exchange *exchange,
                    const struct tp_forwarding *forwarding)
{
    struct tp_forwarding adjusted = *forwarding;
    bool is_lent = forward_leaves_soon(session, forwarding);
    enum tp_result result = is_lent ? TP_OK : tp__exchange_detach(exchange, true);

    tp__trace_mark(exchange, TP_TRACED_PASSED);
    if (result != TP_OK) {
        return result;
    }
    if (exchange->set_uri != NULL && forwarding->uri.len == 0) {
        adjusted.uri = exchange->request.uri;
    }
    result = tp__session_forward_packet(session, &exchange->request, &adjusted);
    exchange->is_lent = is_lent && result == TP_OK;
    return result;
}

enum tp_result
tp__session_forward_packet(struct tp_session *session, const struct tp_packet *request,
                           const struct tp_forwarding *forwarding)
{
    struct tp_asking asking = forwarding->asking;
    struct tp_packet packet;
    enum tp_result result = forward_fill(session, request, forwarding, &packet);

    if (result != TP_OK) {
        return result;
    }
    asking.wants_packet = true;
    asking.is_secret = false;
    return tp__session_ask(session, &packet, &asking);
}

/* Does it leave at the turn's end, and is somebody told of that? */
static bool
forward_leaves_soon(const struct tp_session *session, const struct tp_forwarding *forwarding)
{
    return forwarding->asking.on_sent != NULL && session->unsent.len == 0
           && session->queued_bytes < FORWARD_LENT_MAX && !session->is_greeting
           && !session->asks_ready && !session->is_barred && tp__session_is_connected(session);
}

enum tp_result
tp__remote_forward(struct tp_sessions *home, uint64_t session_number, struct tp_exchange *exchange,
                   const struct tp_forwarding *forwarding, tp_remote_fn on_end, void *owner)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL ? TP_NOT_FOUND
                          : remote->forward(home->callbacks.remote_owner, session_number, exchange,
                                            forwarding, on_end, owner);
}

enum tp_result
tp__exchange_finish_forwarded(struct tp_exchange *exchange, const struct tp_reply *reply)
{
    struct tp_status status = reply->status;
    struct tp_packet *from = reply->packet;
    struct tp_packet *to = &exchange->reply;

    if (tp__str_equal(status.text, tp_status_text(status.code))) {
        status.text = tp_status_text(status.code); /* which need not be copied */
    }
    if (from == NULL) {
        return forward_finish_copy(exchange, reply, &status);
    }
    if (exchange->session != NULL && !exchange->is_finished) {
        to->gzip_level = from->gzip_level;
        to->has_body_codec = from->has_body_codec;
        to->metadata = from->metadata;
        to->meta_head = from->meta_head != NULL ? from->meta_head : from->head;
        if (to->metadata.len == 0) {
            to->meta_head = NULL;
        }
        tp_buf_acquire(to->meta_head);
    }
    return tp_exchange_finish(exchange, &status, &from->body, from->body_codec);
}

bool
tp__exchange_tells_passed(const struct tp_exchange *exchange)
{
    return exchange->logging->tells_passed;
}

void
tp__exchange_note_passed(struct tp_exchange *exchange, const struct tp_passed *passed)
{
    struct tp_passed *copy = malloc(sizeof(*copy) + passed->place.len);

    TP_ASSERT(!exchange->is_ours);
    if (copy == NULL) {
        return;
    }
    char *place = (char *) (copy + 1);

    memcpy(place, passed->place.data, passed->place.len);
    *copy = *passed;
    copy->place.data = place;
    if (exchange->was_passed) {
        free(exchange->passed);
    }
    exchange->passed = copy;
    exchange->was_passed = true;
}

bool
tp__exchange_came_with(const struct tp_exchange *exchange, struct tp_str name, struct tp_str value)
{
    struct tp_str fragment;
    struct tp_str query;
    struct tp_query_pair pair;

    /* Not as hooks have made it, which may have left the query out. */
    tp__str_cut(tp__str_cut(tp__exchange_wire_uri(exchange), '#', &fragment), '?', &query);
    return (tp__metadata_find(exchange->request.metadata, name, '-', &pair)
            && tp_query_is(pair.value, value))
           || (tp_query_find(query, name, &pair) && tp_query_is(pair.value, value));
}

/* It has come from another worker: flat and borrowed. */
static enum tp_result
forward_finish_copy(struct tp_exchange *exchange, const struct tp_reply *reply,
                    const struct tp_status *status)
{
    struct tp_packet *to = &exchange->reply;
    struct tp_str metadata = reply->metadata;

    if (exchange->session != NULL && !exchange->is_finished) {
        if (metadata.len > 0) {
            to->meta_head = tp_buf_make(&exchange->sessions->pool, metadata.len);
            if (to->meta_head == NULL) {
                return tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
            }
            memcpy(to->meta_head->bytes, metadata.data, metadata.len);
            to->metadata = (struct tp_str){ (const char *) to->meta_head->bytes, metadata.len };
        }
        to->gzip_level = reply->gzip_level;
        to->has_body_codec = reply->has_body_codec;
    }
    return tp_exchange_finish_copy(exchange, status, reply->body, reply->body_codec);
}

/* Unless TP_OK is returned the packet is empty. */
static enum tp_result
forward_fill(const struct tp_session *session, const struct tp_packet *request,
             const struct tp_forwarding *forwarding, struct tp_packet *packet)
{
    *packet = (struct tp_packet){
        .type = forwarding->is_pull ? TP_PACKET_PULL : request->type,
        .header_codec = session->source->server->header_codec,
        .body_codec = request->body_codec,
        .has_body_codec = request->has_body_codec,
        .accept_codec = request->accept_codec,
        .gzip_level = request->gzip_level,
        .reply_gzip = request->reply_gzip,
    };
    enum tp_result result = forward_take_texts(session, request, forwarding, packet);

    if (result == TP_OK) {
        result = tp_chain_share(&packet->body, &request->body);
    }
    if (result != TP_OK) {
        tp_packet_clear(packet);
        return result;
    }
    forward_take_filters(session, request, packet);
    return TP_OK;
}

static enum tp_result
forward_take_texts(const struct tp_session *session, const struct tp_packet *request,
                   const struct tp_forwarding *forwarding, struct tp_packet *packet)
{
    bool has_place = (tp__session_protocol(session)->abilities & TP_PROTOCOL_METADATA) != 0;
    struct tp_str uri = !has_place && forwarding->plain_uri.len > 0 ? forwarding->plain_uri
                        : forwarding->uri.len > 0                   ? forwarding->uri
                                                                    : request->uri;
    /* A uri that a hook has set lies with the exchange, which may end first. */
    bool is_as_it_came =
        uri.data == request->uri.data && forwarding->uri.len == 0 && !forwarding->has_metadata;

    if (!is_as_it_came || request->head == NULL) {
        return tp__own_packet_take_texts(
            session, uri, forwarding->has_metadata ? forwarding->metadata : request->metadata,
            packet);
    }
    packet->uri = request->uri;
    packet->metadata = request->metadata;
    packet->head = request->head;
    packet->meta_head = request->meta_head;
    tp_buf_acquire(packet->head);
    tp_buf_acquire(packet->meta_head);
    return TP_OK;
}

/* What was deflated stays so: as the body itself, or by a filter, whichever the protocol has. */
static void
forward_take_filters(const struct tp_session *session, const struct tp_packet *request,
                     struct tp_packet *packet)
{
    unsigned abilities = tp__session_protocol(session)->abilities;
    bool was_filtered = memchr(request->filters, TP_FILTER_GZIP, request->filter_count) != NULL;

    if ((abilities & TP_PROTOCOL_FILTERS) != 0) {
        memcpy(packet->filters, request->filters, sizeof(packet->filters));
        packet->filter_count = request->filter_count;
        if (request->gzip_level != 0 && (abilities & TP_PROTOCOL_BODY_GZIP) == 0
            && packet->filter_count == 0) {
            packet->filters[packet->filter_count++] = TP_FILTER_GZIP;
        }
    } else if (was_filtered && (abilities & TP_PROTOCOL_BODY_GZIP) != 0) {
        int level = request->reply_gzip != 0 ? (int) request->reply_gzip : FORWARD_GZIP_LEVEL;

        tp__sessions_deflate(session->sessions, level, packet);
    }
}
