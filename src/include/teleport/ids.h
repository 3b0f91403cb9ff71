/*
 * teleport/ids.h - the numbers that packets carry on the wire.
 */
#ifndef TELEPORT_IDS_H
#define TELEPORT_IDS_H

#ifdef __cplusplus
extern "C" {
#endif

/* The first three are Teleport 2.5's; its successors have all. */
enum tp_packet_type {
    TP_PACKET_PULL = 1,
    TP_PACKET_REPLY = 2,
    TP_PACKET_PUSH = 3,
    TP_PACKET_AUTH_CALL = 4, /* asks to be let in: like a PULL, without a uri */
    TP_PACKET_AUTH_REPLY = 5,
};

/* Ids of codecs; others pass untouched. */
enum tp_codec_id {
    TP_CODEC_NONE = 0,
    TP_CODEC_JSON = 'j',
    TP_CODEC_PROTOBUF = 'p',
    TP_CODEC_PLAIN = 's',
};

#ifdef __cplusplus
}
#endif

#endif
