/*
 * http_credentials.c - who asks, as a field of each request.
 *
 * Read next: http_client.c.
 */
#include "http.h"

#include <teleport/base64.h>

#include <string.h>

enum {
    CREDENTIALS_EXTRA = 32, /* name of the field, scheme, end of the line */
};

size_t
http_credentials_max(struct tp_str credentials)
{
    return CREDENTIALS_EXTRA + TP_BASE64_LETTERS(credentials.len);
}

char *
http_write_credentials(struct tp_str credentials, char *to)
{
    to = tp_http_write(to, TP_STR("Authorization: "));
    if (memchr(credentials.data, ':', credentials.len) != NULL) {
        to = tp_http_write(to, TP_STR("Basic "));
        to += tp_base64_write(credentials, TP_BASE64_PADDED, to);
    } else {
        to = tp_http_write(tp_http_write(to, TP_STR("Bearer ")), credentials);
    }
    return tp_http_write(to, TP_STR("\r\n"));
}
