/*
 * teleport/http_head.h - the head of an HTTP/1 message: where it ends, what it says, and how
 * one is written.
 *
 * The reader is strict, because what two readers of one connection understand differently
 * lets one's client slip requests into another's: lines end in CR LF, no line goes on in the
 * next, a length is said once and in one way.  What it refuses has a status and a sentence.
 *
 * Source: RFC 9112 (HTTP/1.1), RFC 9110 (HTTP Semantics).  Texts are slices of the head.
 *
 * Read next: teleport/http_chunks.h.
 */
#ifndef TELEPORT_HTTP_HEAD_H
#define TELEPORT_HTTP_HEAD_H

#include <teleport/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_HTTP_HEAD_DEFAULT = 16 * 1024, /* bytes of a head, where nobody says otherwise */
    TP_HTTP_FIELDS_DEFAULT = 100,     /* lines of a head besides its first */
    TP_HTTP_DECIMAL_MAX = 20,         /* digits that tp_http_write_decimal() writes at most */
    TP_HTTP_QUALITY_MAX = 1000,       /* "q=1" */
};

struct tp_http_field {
    struct tp_str name;
    struct tp_str value; /* without the white space around it; may be empty */
};

/* What is wrong with a head; `code` is the status that says so, 0 while nothing is. */
struct tp_http_fault {
    int code;
    const char *why; /* a static text */
};

struct tp_http_head {
    /* Of a request. */
    struct tp_str method;
    struct tp_str target;

    /* Of a response. */
    int code;
    struct tp_str reason;

    int version_minor;    /* of HTTP/1 */
    struct tp_str fields; /* all lines behind the first, as they stand: tp_http_field_next() */
    size_t field_count;
    uint64_t length;    /* of the body, with has_length */
    struct tp_str host; /* with has_host; may be empty */
    bool has_host;
    bool has_length;
    bool is_chunked;
    bool says_close; /* its fields named Connection, and so do the next three */
    bool says_keep_alive;
    bool names_hops;       /* they list other fields, which are about this connection alone */
    bool is_kept_alive;    /* the connection stays behind this message */
    bool has_upgrade;      /* the sender would rather speak what the fields named Upgrade say */
    bool expects_continue; /* it waits for "100 Continue" before it sends the body */
};

/*
 * Looks for the end of the head that begins `input`.  `*seen` says how far it was looked at
 * before, 0 at first, so that nothing is looked at twice.  TP_OK: the first `*len` bytes are the
 * head, with the empty line; TP_AGAIN: more bytes are needed; TP_TOO_LARGE: it is longer than
 * `limit`; TP_INVALID: a line does not end in CR LF.
 */
enum tp_result tp_http_head_find(const struct tp_chain *input, size_t limit, size_t *seen,
                                 size_t *len) TP_MUST_CHECK;

/*
 * The first `len` bytes of the input in one piece, and in `*held` what holds them for the
 * caller: the buffer they were read into, or a copy.  Without data where memory is out.
 */
struct tp_str tp_http_head_hold(const struct tp_chain *input, size_t len, struct tp_buf_pool *pool,
                                struct tp_buf **held);

/*
 * Reads a head with the empty line that ends it.  False: `fault` says what is wrong.  A
 * request without Host passes here, since old ones have none: has_host tells.
 */
bool tp_http_request_read(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                          struct tp_http_fault *fault) TP_MUST_CHECK;
bool tp_http_response_read(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                           struct tp_http_fault *fault) TP_MUST_CHECK;

/* Takes one checked line of `fields`; false when there is none. */
bool tp_http_field_next(struct tp_str *fields, struct tp_http_field *field);

/* The first field of that name; false when there is none. */
bool tp_http_field_find(struct tp_str fields, struct tp_str name, struct tp_str *value);

/*
 * Reads lines of fields that nobody has checked yet, trailers of a chunked body for example,
 * with the empty line that ends them.
 */
bool tp_http_fields_check(struct tp_str bytes, size_t fields_max,
                          struct tp_http_fault *fault) TP_MUST_CHECK;

/* The same name or token, whatever the cases of its letters? */
bool tp_http_is_same(struct tp_str one, struct tp_str other);

/* Takes the next item of a list divided by commas; empty ones are skipped. */
bool tp_http_list_next(struct tp_str *list, struct tp_str *item);

/* Does any field of that name list `token`? */
bool tp_http_lists(struct tp_str fields, struct tp_str name, struct tp_str token);

/*
 * Cuts off an item's parameters ("text/html;q=0.5") and returns its quality in thousandths;
 * TP_HTTP_QUALITY_MAX where none is said, 0 where it is broken.
 */
int tp_http_item_quality(struct tp_str *item);

/* May it be a field's name, and its value?  What may not would end the line, or hide in it. */
bool tp_http_is_token(struct tp_str text);
bool tp_http_is_value(struct tp_str text);

/* The words beside a status code; never empty. */
struct tp_str tp_http_reason(int code);

/* Each writes to `to`, which has room, and returns the place behind it. */
char *tp_http_write(char *to, struct tp_str text);
char *tp_http_write_decimal(char *to, uint64_t number);
char *tp_http_write_field(char *to, struct tp_str name, struct tp_str value);

/* What tp_http_write_field() needs besides the two texts. */
enum {
    TP_HTTP_FIELD_EXTRA = 4,
};

#ifdef __cplusplus
}
#endif

#endif
