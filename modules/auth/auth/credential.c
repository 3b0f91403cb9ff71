/*
 * credential.c - the bytes that somebody presents: a body, or the metadata Authorization.
 *
 * Runs in: worker.
 */
#include "credential.h"

#include <teleport/base64.h>
#include <teleport/handler.h>
#include <teleport/json.h>
#include <teleport/secret.h>

#include <string.h>

static bool credential_unquote(struct credential *credential);
static bool take_scheme(struct tp_str *text, const char *scheme);
static char lower(char letter);

bool
credential_read(struct tp_exchange *exchange, struct credential *credential)
{
    struct tp_str body;

    credential->text = (struct tp_str){ credential->bytes, 0 };
    if (tp_exchange_request(exchange)->gzip_level != 0
        || tp_exchange_read_body(exchange, &body) != TP_OK
        || body.len > sizeof(credential->bytes)) {
        return false;
    }
    if (body.len == 0) {
        return true;
    }
    memcpy(credential->bytes, body.data, body.len);
    credential->text.len = body.len;
    return credential->bytes[0] != '"' || credential_unquote(credential);
}

bool
credential_read_authorization(const struct tp_exchange *exchange, struct credential *credential)
{
    size_t len = tp_exchange_metadata(exchange, TP_STR("Authorization"), credential->bytes,
                                      sizeof(credential->bytes));
    struct tp_str text = { credential->bytes, len };

    credential->text = (struct tp_str){ credential->bytes, 0 };
    if (len == SIZE_MAX) {
        return true;
    }
    if (len >= sizeof(credential->bytes)) {
        return false;
    }
    credential->text.len = len;
    if (take_scheme(&text, "bearer")) {
        credential->text = text;
        return text.len > 0;
    }
    if (!take_scheme(&text, "basic")) {
        return false;
    }
    uint8_t *bytes = (uint8_t *) credential->bytes + (text.data - credential->bytes);

    len = tp_base64_read(text, TP_BASE64_PADDED, bytes);
    credential->text = (struct tp_str){ (char *) bytes, len == SIZE_MAX ? 0 : len };
    return credential->text.len > 0 && memchr(bytes, ':', len) != NULL;
}

void
credential_wipe(struct credential *credential)
{
    /* Mostly far less than there is room for; it lies at the front. */
    size_t used = (size_t) (credential->text.data - credential->bytes) + credential->text.len;

    tp_secret_wipe(credential->bytes, used);
    credential->text.len = 0;
}

/* A client whose bodies are JSON sends it as a text. */
static bool
credential_unquote(struct credential *credential)
{
    cJSON *text = cJSON_ParseWithLength(credential->bytes, credential->text.len);
    size_t len = cJSON_IsString(text) ? strlen(text->valuestring) : 0;
    bool is_text = len > 0 && len <= sizeof(credential->bytes);

    if (is_text) {
        tp_secret_wipe(credential->bytes, credential->text.len);
        memcpy(credential->bytes, text->valuestring, len);
        tp_secret_wipe(text->valuestring, len);
        credential->text.len = len;
    }
    cJSON_Delete(text);
    return is_text;
}

static bool
take_scheme(struct tp_str *text, const char *scheme)
{
    size_t len = strlen(scheme);

    if (text->len < len + 1 || text->data[len] != ' ') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (lower(text->data[i]) != scheme[i]) {
            return false;
        }
    }
    while (len < text->len && text->data[len] == ' ') {
        len++;
    }
    text->data += len;
    text->len -= len;
    return true;
}

static char
lower(char letter)
{
    return (char) (letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
}
