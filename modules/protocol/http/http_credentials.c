/*
 * http_credentials.c - who asks, as a field of each request.
 *
 * Read next: http_client.c.
 */
#include "http.h"

#include <string.h>

enum {
    BASE64_UNIT = 4, /* letters that are three bytes */
    BASE64_BYTES = 3,
    CREDENTIALS_EXTRA = 32, /* name of the field, scheme, end of the line */
};

static char *credentials_write_base64(struct tp_str text, char *to);

size_t
http_credentials_max(struct tp_str credentials)
{
    return CREDENTIALS_EXTRA + BASE64_UNIT * (credentials.len / BASE64_BYTES + 1);
}

char *
http_write_credentials(struct tp_str credentials, char *to)
{
    to = tp_http_write(to, TP_STR("Authorization: "));
    if (memchr(credentials.data, ':', credentials.len) != NULL) {
        to = credentials_write_base64(credentials, tp_http_write(to, TP_STR("Basic ")));
    } else {
        to = tp_http_write(tp_http_write(to, TP_STR("Bearer ")), credentials);
    }
    return tp_http_write(to, TP_STR("\r\n"));
}

static char *
credentials_write_base64(struct tp_str text, char *to)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < text.len; at += BASE64_BYTES) {
        size_t count = text.len - at < BASE64_BYTES ? text.len - at : BASE64_BYTES;
        unsigned bits = 0;

        for (size_t i = 0; i < BASE64_BYTES; i++) {
            bits = bits << 8 | (i < count ? (unsigned char) text.data[at + i] : 0);
        }
        for (size_t i = 0; i < BASE64_UNIT; i++) {
            to[i] = '=';
            if (i <= count) {
                to[i] = letters[bits >> (18 - 6 * i) & 63];
            }
        }
        to += BASE64_UNIT;
    }
    return to;
}
