/*
 * credentials.c - finds and reads the credentials of a handshake.
 *
 * Runs in: worker; a program's thread with the library.  Read next: handshake.c.
 */
#include "credentials.h"

#include <teleport/base64.h>
#include <teleport/query.h>

#include <string.h>

static bool credentials_add(struct websocket_credentials *found,
                            enum websocket_credentials_form form, struct tp_str text);
static bool credentials_find_in_query(const struct tp_http_head *head,
                                      struct websocket_credentials *found);
static enum websocket_credentials_form credentials_scheme(struct tp_str value, struct tp_str *text);

bool
websocket_credentials_find(const struct tp_http_head *head, struct websocket_credentials *found)
{
    struct tp_str fields = head->fields;
    struct tp_http_field field;
    struct tp_str text;

    *found = (struct websocket_credentials){ .text = TP_STR("") };
    while (tp_http_field_next(&fields, &field)) {
        if (!tp_http_is_same(field.name, TP_STR("Authorization"))) {
            continue;
        }
        enum websocket_credentials_form form = credentials_scheme(field.value, &text);

        if (form != WEBSOCKET_CREDENTIALS_NONE && !credentials_add(found, form, text)) {
            return false;
        }
    }
    return credentials_find_in_query(head, found);
}

size_t
websocket_credentials_read(const struct websocket_credentials *credentials, char *to)
{
    struct tp_str text = credentials->text;

    if (text.len == 0) {
        return 0;
    }
    if (credentials->form == WEBSOCKET_CREDENTIALS_QUERY) {
        return tp_query_unescape(text, to);
    }
    if (credentials->form == WEBSOCKET_CREDENTIALS_BASIC) {
        return tp_base64_read(text, TP_BASE64_PADDED, (uint8_t *) to);
    }
    memcpy(to, text.data, text.len);
    return text.len;
}

static bool
credentials_add(struct websocket_credentials *found, enum websocket_credentials_form form,
                struct tp_str text)
{
    if (found->form != WEBSOCKET_CREDENTIALS_NONE) {
        return false;
    }
    *found = (struct websocket_credentials){ .form = form, .text = text };
    return true;
}

static bool
credentials_find_in_query(const struct tp_http_head *head, struct websocket_credentials *found)
{
    const char *mark = memchr(head->target.data, '?', head->target.len);
    struct tp_query_pair pair;

    if (mark == NULL) {
        return true;
    }
    struct tp_str query = { mark + 1, head->target.len - (size_t) (mark + 1 - head->target.data) };

    while (tp_query_next(&query, &pair)) {
        if (tp_query_is(pair.name, TP_STR("access_token"))
            && !credentials_add(found, WEBSOCKET_CREDENTIALS_QUERY, pair.value)) {
            return false;
        }
    }
    return true;
}

static enum websocket_credentials_form
credentials_scheme(struct tp_str value, struct tp_str *text)
{
    const char *space = value.len == 0 ? NULL : memchr(value.data, ' ', value.len);
    struct tp_str scheme = value;

    *text = TP_STR("");
    if (space != NULL) {
        scheme.len = (size_t) (space - value.data);
        while (space < value.data + value.len && *space == ' ') {
            space++;
        }
        *text = (struct tp_str){ space, (size_t) (value.data + value.len - space) };
    }
    if (tp_http_is_same(scheme, TP_STR("Bearer"))) {
        return WEBSOCKET_CREDENTIALS_BEARER;
    }
    return tp_http_is_same(scheme, TP_STR("Basic")) ? WEBSOCKET_CREDENTIALS_BASIC
                                                    : WEBSOCKET_CREDENTIALS_NONE;
}
