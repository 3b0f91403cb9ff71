/*
 * http.h - what the parts of the HTTP module share.
 *
 * A message stays in the session's input until it is whole; how far it was looked at is kept
 * in a few numbers.  What a reply has to know of its request travels in the packet's note.
 *
 * Read next: http.c, http_request.c, http_reply.c, http_client.c.
 */
#ifndef TELEPORT_HTTP_H
#define TELEPORT_HTTP_H

#include <teleport/http_chunks.h>
#include <teleport/module.h>

enum {
    HTTP_GZIP_UNNAMED = 5, /* the level of a body that is said to be deflated, but not how much */
    HTTP_GZIP_WANTED = 1,  /* the level for who takes it, unless reply_gzip says another */
    HTTP_MIME_MAX = 64,    /* no codec's type is longer */
};

struct http_conf {
    struct tp_size header_limit;
    int64_t header_fields;
};

/* How the end of a message's body is found. */
enum http_framing {
    HTTP_FRAMING_UNKNOWN, /* its head was not read yet */
    HTTP_FRAMING_LENGTH,
    HTTP_FRAMING_CHUNKED,
    HTTP_FRAMING_TO_END, /* a response's body ends with the connection */
};

/* Of a session: the message that comes in, and for who has dialed the one that was asked. */
struct http_state {
    size_t seen;                  /* of the head, while head_len is 0 */
    size_t head_len;              /* 0: it is not whole */
    struct tp_http_chunks chunks; /* with CHUNKED */
    uint64_t whole_len;           /* with LENGTH: of head and body */
    uint64_t count;               /* requests until now */
    uint64_t asked_seq;           /* with is_asking */
    uint8_t framing;              /* enum http_framing */
    bool has_continued;           /* "100 Continue" was sent for this message */
    bool expects_continue;        /* it is due once what was asked before is answered */
    bool is_asking;               /* a request is on its way, its response is not here yet */
};

/* What a REPLY's note says of its request. */
enum {
    HTTP_NOTE_HEAD = 1u << 0,     /* it wants the head of the response alone */
    HTTP_NOTE_CLOSES = 1u << 1,   /* it was the connection's last */
    HTTP_NOTE_OLD = 1u << 2,      /* HTTP/1.0: that the connection stays has to be said */
    HTTP_NOTE_TELEPORT = 1u << 3, /* by a later Teleport: X-Mtype, 299 and X-Seq mean something */
    HTTP_NOTE_ORIGIN = 1u << 4,   /* a page's, and above HTTP_NOTE_HASH_SHIFT is whose */
    HTTP_NOTE_HASH_SHIFT = 8,
};

/* A message at the front of the input, its head at least. */
struct http_message {
    struct tp_http_head head;
    struct tp_buf *held; /* what the head's texts lie in */
    size_t len;          /* of all of it, where it is whole */
    bool is_whole;
};

/* http.c: the module's conf of the session, or the presets. */
const struct http_conf *http_conf_of(const struct tp_wire *wire);

/* The state of a message that was taken, ready for the next one. */
void http_forget_message(struct http_state *state);

/* http_message.c */

/*
 * Finds the head of the message that begins the input.  TP_OK: state->head_len says how long
 * it is; TP_AGAIN; TP_TOO_LARGE; TP_INVALID.
 */
enum tp_result http_find_head(const struct tp_wire *wire, struct tp_http_fault *fault);

/* Says how the body's end will be found, once the head was read; *fault where it would be too far. */
bool http_frame(const struct tp_wire *wire, const struct tp_http_head *head,
                struct tp_http_fault *fault);

/*
 * Is all of the framed message there?  TP_OK: `*len` bytes of the input are it; TP_AGAIN;
 * TP_TOO_LARGE or TP_INVALID, with *fault.
 */
enum tp_result http_find_end(const struct tp_wire *wire, size_t *len, struct tp_http_fault *fault);

/* Appends the body of a whole message to `body`.  TP_NO_MEMORY. */
enum tp_result http_share_body(const struct tp_wire *wire, const struct http_message *message,
                               struct tp_chain *body);

/*
 * What the fields say of the body: its codec, and whether it is deflated.  False: it is coded
 * in a way that nobody here undoes.
 */
bool http_read_content(const struct tp_http_head *head, struct tp_packet *packet);

/* http_metadata.c */

/*
 * Makes metadata of the fields, without those that mean something to HTTP alone or must not
 * come from outside.  TP_NO_MEMORY.
 */
enum tp_result http_read_metadata(const struct tp_wire *wire, const struct tp_http_head *head,
                                  struct tp_packet *packet);

/*
 * Writes metadata as fields, without those that HTTP says itself and those that would break
 * the head; at most http_metadata_max() bytes.  has_type: the body's type was said already.
 */
size_t http_metadata_max(struct tp_str metadata);
char *http_write_metadata(const struct tp_wire *wire, struct tp_str metadata, bool has_type,
                          char *to);

/* Is there a pair of that name, in any case of its letters? */
bool http_metadata_has(struct tp_str metadata, struct tp_str name);

/*
 * http_credentials.c: who asks, in the field Authorization: "id:secret" as Basic (RFC 7617),
 * anything else as Bearer (RFC 6750).
 */
size_t http_credentials_max(struct tp_str credentials);
char *http_write_credentials(struct tp_str credentials, char *to);

/* http_content.c: Content-Type, -Length and -Encoding of a packet's body, as it is sent. */
enum {
    HTTP_CONTENT_MAX = 256,
};
struct http_content {
    uint8_t codec; /* with has_codec */
    bool has_codec;
    bool is_typed;   /* whatever the metadata says of a Content-Type */
    bool has_length; /* false: the status or the method says that there is no body */
    int32_t gzip_level;
    size_t len;
};
char *http_write_content(const struct http_content *content, struct tp_str metadata, char *to);

/* http_request.c, http_reply.c: the end that was dialed. */
enum tp_decode_outcome http_decode_request(struct tp_wire *wire, struct tp_packet *packet);
enum tp_result http_encode_reply(struct tp_wire *wire, const struct tp_packet *packet,
                                 struct tp_output *output);

/* 24 bits of an origin, by which a reply finds it in the list again. */
uint32_t http_origin_hash(struct tp_str origin);

/* http_client.c: the end that has dialed. */
enum tp_decode_outcome http_decode_response(struct tp_wire *wire, struct tp_packet *packet);
enum tp_result http_encode_request(struct tp_wire *wire, const struct tp_packet *packet,
                                   struct tp_output *output);

/* http_status.c: statuses as JSON, {"code":404,"msg":"Not Found","cause":"…"}. */
size_t http_status_max(const struct tp_status *status);
size_t http_status_write(const struct tp_status *status, char *to);

/*
 * Reads one from a body into packet->status, whose texts then lie in packet->head.  TP_INVALID: it
 * says no status, the packet is as it was; TP_NO_MEMORY.
 */
enum tp_result http_status_read(const struct tp_wire *wire, struct tp_packet *packet);

#endif
