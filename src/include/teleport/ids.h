/*
 * teleport/ids.h - the numbers that packets carry on the wire.
 */
#ifndef TELEPORT_IDS_H
#define TELEPORT_IDS_H

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers of Teleport 2.5. */
enum tp_packet_type {
    TP_PACKET_PULL = 1,
    TP_PACKET_REPLY = 2,
    TP_PACKET_PUSH = 3,
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
