/*
 * handshake.h - how an HTTP connection becomes one of WebSocket: what is asked for, and what
 * is answered.
 *
 * Source: RFC 6455, chapter 4.
 */
#ifndef TELEPORT_WEBSOCKET_HANDSHAKE_H
#define TELEPORT_WEBSOCKET_HANDSHAKE_H

#include <teleport/http_head.h>

#include "credentials.h"

enum {
    WEBSOCKET_NONCE_BYTES = 16,
    WEBSOCKET_KEY_LEN = 24,    /* a nonce in base64 */
    WEBSOCKET_ACCEPT_LEN = 28, /* a digest in base64 */
    WEBSOCKET_ANSWER_MAX = 1024,
};

/* What messages are: bits, so that both may be wanted. */
enum websocket_form {
    WEBSOCKET_FORM_ANY = 0, /* the first byte tells */
    WEBSOCKET_FORM_JSON = 1 << 0,
    WEBSOCKET_FORM_PROTOBUF = 1 << 1,
};

/* What a client has asked for; texts are slices of its head. */
struct websocket_request {
    struct tp_str key;
    struct tp_str host;
    struct tp_str origin; /* of the page that asks; empty where no browser does */
    enum websocket_form form;
    struct websocket_credentials credentials;
};

/*
 * Reads a request's head.  False: it is none for WebSocket, or not as it has to be, and
 * `fault` says with which status that is answered.
 */
bool websocket_request_read(struct tp_str head, struct websocket_request *request,
                            struct tp_http_fault *fault) TP_MUST_CHECK;

/* Is `origin`, which a browser names, the host that was asked?  Its scheme does not matter. */
bool websocket_is_same_origin(const struct websocket_request *request);

/*
 * Each writes an answer of at most WEBSOCKET_ANSWER_MAX bytes to `to` and returns the place
 * behind it.
 */
char *websocket_accept_write(char *to, const struct websocket_request *request);
char *websocket_refusal_write(char *to, const struct tp_http_fault *fault);

/*
 * Writes what a client asks with, and returns the place behind it; there is room for
 * websocket_request_max() bytes.  `target` is "HOST:PORT" or "HOST:PORT/PATH".
 */
size_t websocket_request_max(struct tp_str target);
char *websocket_request_write(char *to, struct tp_str target, const uint8_t *nonce,
                              enum websocket_form form);

/* May a request name this target? */
bool websocket_is_target(struct tp_str target);

/* Reads what is answered to that; NULL and *form, or what is wrong, for the log. */
const char *websocket_response_read(struct tp_str head, const uint8_t *nonce,
                                    enum websocket_form *form) TP_MUST_CHECK;

/* Writes what proves that a key was understood: WEBSOCKET_ACCEPT_LEN bytes. */
void websocket_accept_of(struct tp_str key, char *accept);

#endif
