/*
 * courier_relay.c - what other workers want sent on sessions of this one, and its outcome on the way
 * back to them.
 *
 * Runs in: worker.  Owns: relays.
 * Read next: session/forward.c, parcel.c.
 */
#include "process/courier.h"

#include "process/bus_kinds.h"
#include "session/forward.h"

#include <stdlib.h>

/* A PULL on a session of this worker, asked for by another one. */
struct courier_relay {
    struct tp_list_node node; /* in courier->relays, while there is somebody to tell */
    struct tp_courier *courier;
    unsigned slot;
    uint64_t request;
};

static enum tp_result relay_pull(struct tp_courier *courier, unsigned from_slot,
                                 struct tp_session *session, const struct tp_parcel_packet *packet);
static enum tp_result relay_forward(struct tp_courier *courier, unsigned from_slot,
                                    struct tp_session *session,
                                    const struct tp_parcel_forward *forward);
static struct courier_relay *relay_create(struct tp_courier *courier, unsigned from_slot,
                                          uint64_t request);
static void relay_free(struct courier_relay *relay);
static void relay_on_reply(const struct tp_reply *reply, void *owner);
static void relay_tell_lost(const struct courier_relay *relay, const struct tp_reply *reply);
static enum tp_result relay_send(const struct courier_relay *relay, const struct tp_reply *reply);

bool
tp__courier_relay_packet(struct tp_courier *courier, unsigned from_slot, uint16_t kind,
                         struct tp_str bytes)
{
    struct tp_parcel_packet packet;

    if (!tp__parcel_read_packet(bytes, &packet)) {
        return false;
    }
    struct tp_session *session =
        tp_session_at((struct tp_session_handle){ courier->sessions, packet.number });
    enum tp_result result = TP_GONE;

    if (session != NULL && kind == TP_BUS_PULL) {
        result = relay_pull(courier, from_slot, session, &packet);
    } else if (session != NULL) {
        result = tp_session_push(session, packet.uri, packet.body, &packet.options);
    }
    if (kind == TP_BUS_PUSH || result != TP_OK) {
        tp__courier_answer(courier, from_slot, packet.request, result);
    }
    return true;
}

bool
tp__courier_relay_forward(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes)
{
    struct tp_parcel_forward forward;

    if (!tp__parcel_read_forward(bytes, &forward)) {
        return false;
    }
    struct tp_session *session =
        tp_session_at((struct tp_session_handle){ courier->sessions, forward.number });
    enum tp_result result = TP_GONE;

    if (session != NULL) {
        result = relay_forward(courier, from_slot, session, &forward);
    }
    if (!forward.is_pull || result != TP_OK) {
        tp__courier_answer(courier, from_slot, forward.request, result);
    }
    return true;
}

void
tp__courier_forget_relays(struct tp_courier *courier, unsigned slot)
{
    TP_LIST_EACH (node, &courier->relays) {
        struct courier_relay *relay = TP_CONTAINER_OF(node, struct courier_relay, node);

        if (relay->slot == slot) {
            tp__list_remove(node);
        }
    }
}

enum tp_result
tp__courier_take_body(struct tp_courier *courier, const struct tp_chain *body,
                      struct tp_chain *taken)
{
    enum tp_result result = tp_chain_share(taken, body);
    size_t count;

    tp_chain_slices(taken, &count);
    if (result == TP_OK && count > TP_PARCEL_BODY_PIECES_MAX) {
        struct tp_slice flat;

        result = tp_chain_flatten(taken, &courier->sessions->pool, &flat);
    }
    if (result != TP_OK) {
        tp_chain_clear(taken);
    }
    return result;
}

static enum tp_result
relay_pull(struct tp_courier *courier, unsigned from_slot, struct tp_session *session,
           const struct tp_parcel_packet *packet)
{
    struct courier_relay *relay = relay_create(courier, from_slot, packet->request);

    if (relay == NULL) {
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp_session_pull_async(session, packet->uri, packet->body,
                                                  &packet->options, relay_on_reply, relay);

    if (result != TP_OK) {
        relay_free(relay);
    }
    return result;
}

/* Its body is copied once, out of the bus; what was deflated stays so. */
static enum tp_result
relay_forward(struct tp_courier *courier, unsigned from_slot, struct tp_session *session,
              const struct tp_parcel_forward *forward)
{
    struct tp_packet packet = forward->packet;
    struct courier_relay *relay = NULL;
    struct tp_forwarding forwarding = {
        .plain_uri = forward->plain_uri,
        .is_pull = forward->is_pull,
        .asking = { .timeout = forward->timeout, .fails_at_once = true },
    };
    enum tp_result result =
        forward->read_body.len == 0
            ? TP_OK
            : tp_chain_append_copy(&packet.body, &courier->sessions->pool, forward->read_body);

    if (result == TP_OK && forward->is_pull) {
        relay = relay_create(courier, from_slot, forward->request);
        forwarding.asking.on_reply = relay_on_reply;
        forwarding.asking.owner = relay;
        result = relay == NULL ? TP_NO_MEMORY : TP_OK;
    }
    if (result == TP_OK) {
        result = tp__session_forward_packet(session, &packet, &forwarding);
    }
    tp_chain_clear(&packet.body);
    if (result != TP_OK && relay != NULL) {
        relay_free(relay);
    }
    return result;
}

/* NULL: memory is out. */
static struct courier_relay *
relay_create(struct tp_courier *courier, unsigned from_slot, uint64_t request)
{
    struct courier_relay *relay = malloc(sizeof(*relay));

    if (relay != NULL) {
        *relay = (struct courier_relay){
            .courier = courier,
            .slot = from_slot,
            .request = request,
        };
        tp__list_init(&relay->node);
        tp__list_append(&courier->relays, &relay->node);
    }
    return relay;
}

static void
relay_free(struct courier_relay *relay)
{
    tp__list_remove(&relay->node);
    free(relay);
}

static void
relay_on_reply(const struct tp_reply *reply, void *owner)
{
    struct courier_relay *relay = owner;

    if (!tp__list_is_empty(&relay->node) && relay_send(relay, reply) != TP_OK) {
        relay_tell_lost(relay, reply);
    }
    relay_free(relay);
}

/*
 * What has become of the PULL does not get across.  Bodies share the queue with packets; where that
 * is full there is room to say so, and for the code of what was not answered.
 */
static void
relay_tell_lost(const struct courier_relay *relay, const struct tp_reply *reply)
{
    const struct tp_parcel_outcome outcome = {
        .request = relay->request,
        .status.code = reply->is_answered ? TP_STATUS_BAD_GATEWAY : reply->status.code,
        .has_reply = true,
        .is_lost = reply->is_answered,
        .was_sent = reply->was_sent,
    };

    tp__courier_answer_with(relay->courier, relay->slot, &outcome);
}

static enum tp_result
relay_send(const struct courier_relay *relay, const struct tp_reply *reply)
{
    struct tp_courier *courier = relay->courier;
    const struct tp_packet *packet = reply->packet;
    struct tp_chain body = { 0 };
    struct tp_parcel_outcome outcome = {
        .request = relay->request,
        .has_reply = true,
        .status = *tp_reply_status(reply),
        .metadata = tp_reply_metadata(reply),
        .body = tp_reply_body(reply),
        .body_codec = tp_reply_body_codec(reply),
        .is_answered = reply->is_answered,
        .was_sent = reply->was_sent,
    };
    struct tp_parcel parcel;
    enum tp_result result = TP_OK;

    if (packet != NULL) {
        outcome.has_body_codec = packet->has_body_codec;
        outcome.gzip_level = packet->gzip_level;
        outcome.body_chain = &body;
        result = tp__courier_take_body(courier, &packet->body, &body);
    }
    if (result == TP_OK) {
        tp__parcel_write_outcome(&parcel, &outcome);
        result = tp__bus_send_pieces(courier->bus, relay->slot, &parcel.message);
    }
    tp_chain_clear(&body);
    return result;
}
