/*
 * forward.c - a request of one session passed on by another, and the answer on its way back.
 *
 * Texts and body are shared, not copied: the request is moved to a buffer of its own size first
 * where it is small, so that what waits for an answer does not pin what it was read into.
 *
 * Runs in: worker.  Read next: asking.c, own_packet.c; upstream/pass.c, which chooses the session.
 */
#include "session/forward.h"

#include "base/str.h"
#include "session/record.h"

#include <string.h>

enum {
    FORWARD_GZIP_LEVEL = 5, /* where a filter does not say how much it has deflated */
};

static enum tp_result forward_finish_copy(struct tp_exchange *exchange,
                                          const struct tp_reply *reply,
                                          const struct tp_status *status);
static enum tp_result forward_fill(const struct tp_session *session, struct tp_exchange *exchange,
                                   const struct tp_forwarding *forwarding,
                                   struct tp_packet *packet);
static enum tp_result forward_take_texts(const struct tp_session *session,
                                         const struct tp_exchange *exchange,
                                         const struct tp_forwarding *forwarding,
                                         struct tp_packet *packet);
static void forward_take_filters(const struct tp_session *session, const struct tp_packet *request,
                                 struct tp_packet *packet);

enum tp_result
tp__session_forward(struct tp_session *session, struct tp_exchange *exchange,
                    const struct tp_forwarding *forwarding)
{
    struct tp_asking asking = forwarding->asking;
    struct tp_packet packet;
    enum tp_result result = tp_packet_detach(&exchange->request, &exchange->sessions->pool);

    if (result == TP_OK) {
        result = forward_fill(session, exchange, forwarding, &packet);
    }
    if (result != TP_OK) {
        return result;
    }
    asking.wants_packet = true;
    asking.is_secret = false;
    return tp__session_ask(session, &packet, &asking);
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

/* It has come from another worker: flat, plain and borrowed. */
static enum tp_result
forward_finish_copy(struct tp_exchange *exchange, const struct tp_reply *reply,
                    const struct tp_status *status)
{
    struct tp_packet *to = &exchange->reply;
    struct tp_str metadata = reply->metadata;

    if (exchange->session != NULL && !exchange->is_finished && metadata.len > 0) {
        to->meta_head = tp_buf_make(&exchange->sessions->pool, metadata.len);
        if (to->meta_head == NULL) {
            return tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        }
        memcpy(to->meta_head->bytes, metadata.data, metadata.len);
        to->metadata = (struct tp_str){ (const char *) to->meta_head->bytes, metadata.len };
    }
    return tp_exchange_finish_copy(exchange, status, reply->body, reply->body_codec);
}

/* Unless TP_OK is returned the packet is empty. */
static enum tp_result
forward_fill(const struct tp_session *session, struct tp_exchange *exchange,
             const struct tp_forwarding *forwarding, struct tp_packet *packet)
{
    const struct tp_packet *request = &exchange->request;

    *packet = (struct tp_packet){
        .type = forwarding->is_pull ? TP_PACKET_PULL : request->type,
        .header_codec = session->source->server->header_codec,
        .body_codec = request->body_codec,
        .has_body_codec = request->has_body_codec,
        .accept_codec = request->accept_codec,
        .gzip_level = request->gzip_level,
        .reply_gzip = request->reply_gzip,
    };
    enum tp_result result = forward_take_texts(session, exchange, forwarding, packet);

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

/* A uri that a hook has set lies with the exchange, which may end first. */
static enum tp_result
forward_take_texts(const struct tp_session *session, const struct tp_exchange *exchange,
                   const struct tp_forwarding *forwarding, struct tp_packet *packet)
{
    const struct tp_packet *request = &exchange->request;
    bool is_as_it_came =
        forwarding->uri.len == 0 && !forwarding->has_metadata && exchange->set_uri == NULL;

    if (!is_as_it_came || request->head == NULL) {
        return tp__own_packet_take_texts(
            session, forwarding->uri.len > 0 ? forwarding->uri : request->uri,
            forwarding->has_metadata ? forwarding->metadata : request->metadata, packet);
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
