/*
 * teleport/packet.h - a packet: header and body, each with a codec of its own.
 */
#ifndef TELEPORT_PACKET_H
#define TELEPORT_PACKET_H

#include <teleport/bytes.h>
#include <teleport/ids.h>
#include <teleport/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_GZIP_LEVEL_MIN = -2, /* Huffman coding only */
    TP_GZIP_LEVEL_MAX = 9,
    TP_PACKET_FILTERS_MAX = 8, /* of one packet; as many as TP_SEND_FILTERS_MAX */
};

/*
 * A decoded packet.  Texts are slices of bytes that `head` holds; `body` is the encoded
 * body without its codec byte, deflated where gzip_level is not 0.  What a protocol has no
 * place for is zero.
 */
struct tp_packet {
    int32_t type; /* enum tp_packet_type, or what the other end sent */
    uint8_t header_codec;
    uint8_t body_codec;
    bool has_body_codec; /* a codec was named, though the body may be empty */
    uint8_t
        accept_codec;   /* of a request: the codec that is wanted for the REPLY; 0: none is named */
    int32_t gzip_level; /* 0: the body is not deflated */
    int32_t reply_gzip; /* …how much the REPLY's body is deflated, or what filters deflate */
    uint8_t filters[TP_PACKET_FILTERS_MAX]; /* ids, the outermost first; undone already */
    uint8_t filter_count;
    uint32_t note; /* of a request, the protocol's own: its REPLY has it again */
    uint64_t seq;
    struct tp_str uri;
    struct tp_str metadata;   /* "name=value&name=value", escaped: see teleport/query.h */
    struct tp_status status;  /* replies only */
    struct tp_buf *head;      /* what the texts lie in; NULL when they live for ever */
    struct tp_buf *meta_head; /* what the metadata lies in, where that is not `head` */
    struct tp_chain body;
    size_t wire_bytes; /* what the packet took on the wire */
};

/* "PULL", "AUTH_CALL" and so on; "packet" for a type that is none of enum tp_packet_type. */
const char *tp_packet_type_word(int32_t type);

/* Lets go of what the packet holds; it is all zeros afterwards. */
void tp_packet_clear(struct tp_packet *packet);

/*
 * For a packet that is kept while its session reads on: when it is small it moves to a
 * buffer of its own size, so that it does not pin the large ones it was read into.  A
 * larger one stays where it is.  Flat bytes and texts that were borrowed from it are void.
 * TP_NO_MEMORY: the packet is as it was.
 */
enum tp_result tp_packet_detach(struct tp_packet *packet, struct tp_buf_pool *pool) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
