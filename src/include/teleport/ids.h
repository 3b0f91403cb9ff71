/*
 * teleport/ids.h - the numbers that packets carry on the wire.
 */
#ifndef TELEPORT_IDS_H
#define TELEPORT_IDS_H

#include <teleport/base.h>

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

/*
 * The codecs that all Teleports know: ROW(NAME, id, name, further names, MIME type).  A name
 * is that of "body_codec json", further ones are separated by spaces.  TP_CODEC_NONE, 0, says
 * that there is none; other codecs have the id that their module gives them.
 */
/* clang-format off */
#define TP_CODEC_TABLE(ROW)                                                                        \
    ROW(JSON,     'j', "json",     "",            "application/json")                              \
    ROW(PROTOBUF, 'p', "protobuf", "proto pb",    "application/x-protobuf")                        \
    ROW(PLAIN,    's', "plain",    "string text", "text/plain")                                    \
    ROW(FORM,     'f', "form",     "urlencoded",  "application/x-www-form-urlencoded")             \
    ROW(XML,      'x', "xml",      "",            "text/xml")                                      \
    ROW(THRIFT,   't', "thrift",   "",            "application/x-thrift")
/* clang-format on */

enum tp_codec_id {
    TP_CODEC_NONE = 0,
#define TP_CODEC_ENUM_ROW(NAME, id, name, aliases, mime) TP_CODEC_##NAME = (id),
    TP_CODEC_TABLE(TP_CODEC_ENUM_ROW)
#undef TP_CODEC_ENUM_ROW
};

/* The name and the MIME type of a codec of the table; NULL for others. */
const char *tp_codec_name(uint8_t id);
const char *tp_codec_mime(uint8_t id);

/* The codec of any of its names; TP_CODEC_NONE for what the table has not. */
uint8_t tp_codec_of_name(struct tp_str name);

/*
 * The codec of a MIME type as it stands in "Content-Type: application/json; charset=utf-8":
 * cases of letters and what follows a semicolon do not matter, and a type that says it is made
 * of a known one counts as that (application/problem+json).  TP_CODEC_NONE for others.
 */
uint8_t tp_codec_of_mime(struct tp_str mime);

#ifdef __cplusplus
}
#endif

#endif
