/*
 * teleport/family.h - what the protocols of Teleport 6 and 7 have in common, whatever their
 * bytes look like: raw, JSON, protobuf, and the two forms of WebSocket.
 *
 * Their status is a text, "code=404&msg=Not%20Found&cause=", in which 0 means OK, where a
 * packet has 200; metadata is a text of the same kind.  Two names in it mean something:
 * X-Accept-Body-Codec is the codec that is wanted for the REPLY, and X-Real-IP, like
 * X-Session-Id, is what a gateway in front says of its client: nobody may say it of himself,
 * so it is taken out of what who connected to us sends.
 *
 * Read next: teleport/query.h, modules/protocol/raw/family.h.
 */
#ifndef TELEPORT_FAMILY_H
#define TELEPORT_FAMILY_H

#include <teleport/protocol.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A packet as it is written; its texts are still escaped. */
struct tp_family_message {
    int64_t seq;
    int32_t type;
    int32_t body_codec;
    struct tp_str uri; /* the "service method" */
    struct tp_str status;
    struct tp_str metadata;
    struct tp_str body;
    struct tp_str pipe; /* ids of filters, where they stand in the message */
};

/*
 * Is this, as it is written in metadata, a name that says what only a gateway may say of its
 * client?  In any case, and with '_' for '-'.
 */
bool tp_family_is_of_gateway(struct tp_str written);

/*
 * Fills the packet, all but its body, as the message says.  The texts lie in packet->head,
 * which is there already; those that are written otherwise than they are meant move to another
 * one.  TP_DECODE_PACKET; TP_DECODE_REFUSED, with packet->status; TP_DECODE_BROKEN, with
 * wire->why; TP_DECODE_NO_MEMORY.
 */
enum tp_decode_outcome tp_family_take(struct tp_wire *wire, const struct tp_family_message *message,
                                      struct tp_packet *packet) TP_MUST_CHECK;

enum {
    TP_FAMILY_OK_LEN = 6,      /* of "code=0" */
    TP_FAMILY_ACCEPT_MAX = 32, /* bytes that tp_family_write_accept() writes at most */
};

/* Has it a status of its own: is it a REPLY, or an AUTH_REPLY? */
static inline bool
tp_family_is_reply(int32_t type)
{
    return type == TP_PACKET_REPLY || type == TP_PACKET_AUTH_REPLY;
}

/* Of a request that is answered with its status at once: what it carried is not in the answer. */
void tp_family_refuse(struct tp_packet *packet);

/* Is its status written "code=0"?  Who asks has none, which is OK, too. */
static inline bool
tp_family_says_ok(const struct tp_packet *packet)
{
    const struct tp_status *status = &packet->status;

    if (!tp_family_is_reply(packet->type)) {
        return true;
    }
    return (status->code == TP_STATUS_OK || status->code == 0) && status->cause.len == 0
           && (status->text.len == 0
               || (status->text.len == 2 && status->text.data[0] == 'O'
                   && status->text.data[1] == 'K'));
}

/* tp_family_status_len() of one that says more. */
size_t tp_family_long_status_len(const struct tp_packet *packet);

/* What a packet's status is written as: how many bytes, and writing them. */
static inline size_t
tp_family_status_len(const struct tp_packet *packet)
{
    return tp_family_says_ok(packet) ? TP_FAMILY_OK_LEN : tp_family_long_status_len(packet);
}

uint8_t *tp_family_write_status(const struct tp_packet *packet, uint8_t *to);

/* Writes what belongs behind its metadata to say which codec is wanted; returns how much. */
size_t tp_family_write_accept(const struct tp_packet *packet, uint8_t *to);

#ifdef __cplusplus
}
#endif

#endif
