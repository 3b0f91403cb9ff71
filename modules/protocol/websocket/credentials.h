/*
 * credentials.h - who asks for WebSocket, as its handshake says it.
 *
 * A page in a browser cannot set fields, and says it in the query: "?access_token=X".  Others use
 * the field Authorization.
 *
 * Source: RFC 6750 (Bearer), RFC 7617 (Basic).
 */
#ifndef TELEPORT_WEBSOCKET_CREDENTIALS_H
#define TELEPORT_WEBSOCKET_CREDENTIALS_H

#include <teleport/http_head.h>

/* How credentials are written in a handshake. */
enum websocket_credentials_form {
    WEBSOCKET_CREDENTIALS_NONE,
    WEBSOCKET_CREDENTIALS_BEARER, /* as they are */
    WEBSOCKET_CREDENTIALS_BASIC,  /* "id:secret" in base64 */
    WEBSOCKET_CREDENTIALS_QUERY,  /* escaped */
};

/* The text is a slice of the head. */
struct websocket_credentials {
    enum websocket_credentials_form form;
    struct tp_str text;
};

/*
 * Finds what a request's head says.  False: it says it twice, so that nobody could tell which is
 * meant.  An Authorization of another scheme is not for us, and not looked at.
 */
bool websocket_credentials_find(const struct tp_http_head *head,
                                struct websocket_credentials *found) TP_MUST_CHECK;

/*
 * Writes what they mean to `to`, which has room for the text and TP_BASE64_BYTES_MAX(0) more, and
 * returns how long that is;
 * SIZE_MAX: they are broken.
 */
size_t websocket_credentials_read(const struct websocket_credentials *credentials, char *to);

#endif
