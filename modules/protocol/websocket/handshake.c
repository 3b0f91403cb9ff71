/*
 * handshake.c - the HTTP request and response that come before WebSocket.
 *
 * Runs in: worker; a program's thread with the library.  Read next: websocket.c.
 */
#include "handshake.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    DIGEST_BYTES = 20,
    KEY_DATA_LEN = 22,      /* of a key without its "==" */
    TARGET_EXTRA_MAX = 512, /* of a request, besides its target */
};

/* A sub-protocol, and what its messages are. */
struct handshake_form {
    struct tp_str name;
    enum websocket_form form;
};

static const char *handshake_judge(const struct tp_http_head *head, struct tp_http_fault *fault);
static void handshake_refuse(struct tp_http_fault *fault, int code, const char *why);
static bool handshake_is_key(struct tp_str key);
static enum websocket_form handshake_choose_form(struct tp_str fields);
static const struct handshake_form *handshake_find_form(struct tp_str name);
static struct tp_str handshake_form_name(enum websocket_form form);
static struct tp_str handshake_cut(struct tp_str text, char separator, struct tp_str *rest);
static char *handshake_write_line(char *to, const char *line);
static const char *handshake_judge_response(const struct tp_http_head *head, struct tp_str key);

static const struct handshake_form handshake_forms[] = {
    { { "teleport.json", 13 }, WEBSOCKET_FORM_JSON },
    { { "teleport.protobuf", 17 }, WEBSOCKET_FORM_PROTOBUF },
};

bool
websocket_request_read(struct tp_str bytes, struct websocket_request *request,
                       struct tp_http_fault *fault)
{
    struct tp_http_head head;

    *request = (struct websocket_request){ .form = WEBSOCKET_FORM_ANY };
    if (!tp_http_request_read(bytes, TP_HTTP_FIELDS_DEFAULT, &head, fault)) {
        return false;
    }
    if (handshake_judge(&head, fault) != NULL) {
        return false;
    }
    if (!tp_http_field_find(head.fields, TP_STR("Sec-WebSocket-Key"), &request->key)
        || !handshake_is_key(request->key)) {
        handshake_refuse(fault, 400, "Sec-WebSocket-Key is not 16 bytes in base64");
        return false;
    }
    if (!websocket_credentials_find(&head, &request->credentials)) {
        handshake_refuse(fault, 400, "the request says more than once who asks");
        return false;
    }
    request->host = head.host;
    if (!tp_http_field_find(head.fields, TP_STR("Origin"), &request->origin)) {
        request->origin = (struct tp_str){ "", 0 };
    }
    request->form = handshake_choose_form(head.fields);
    return true;
}

bool
websocket_is_same_origin(const struct websocket_request *request)
{
    struct tp_str rest = request->origin;
    struct tp_str host;

    handshake_cut(rest, ':', &rest);
    if (rest.len < 2 || memcmp(rest.data, "//", 2) != 0) {
        return false;
    }
    host = (struct tp_str){ rest.data + 2, rest.len - 2 };
    return host.len > 0 && tp_http_is_same(host, request->host);
}

char *
websocket_accept_write(char *to, const struct websocket_request *request)
{
    char accept[WEBSOCKET_ACCEPT_LEN];
    struct tp_str form = handshake_form_name(request->form);

    websocket_accept_of(request->key, accept);
    to = handshake_write_line(to, "HTTP/1.1 101 Switching Protocols");
    to = handshake_write_line(to, "Upgrade: websocket");
    to = handshake_write_line(to, "Connection: Upgrade");
    to = tp_http_write_field(to, TP_STR("Sec-WebSocket-Accept"),
                             (struct tp_str){ accept, sizeof(accept) });
    if (form.len > 0) {
        to = tp_http_write_field(to, TP_STR("Sec-WebSocket-Protocol"), form);
    }
    return handshake_write_line(to, "");
}

char *
websocket_refusal_write(char *to, const struct tp_http_fault *fault)
{
    struct tp_str why = { fault->why, strlen(fault->why) };
    char body[WEBSOCKET_ANSWER_MAX / 2];
    char *end = tp_http_write(body, TP_STR("{\"code\":"));

    /* Texts of faults are ours: they are short, and have nothing that JSON would escape. */
    end = tp_http_write_decimal(end, (uint64_t) fault->code);
    end = tp_http_write(end, TP_STR(",\"msg\":\""));
    end = tp_http_write(end, why);
    end = tp_http_write(end, TP_STR("\"}\n"));

    to = tp_http_write(to, TP_STR("HTTP/1.1 "));
    to = tp_http_write_decimal(to, (uint64_t) fault->code);
    to = tp_http_write(to, TP_STR(" "));
    to = tp_http_write(to, tp_http_reason(fault->code));
    to = handshake_write_line(to, "");
    to = handshake_write_line(to, "Connection: close");
    if (fault->code == 426) {
        to = handshake_write_line(to, "Upgrade: websocket");
        to = handshake_write_line(to, "Sec-WebSocket-Version: 13");
    }
    to = handshake_write_line(to, "Content-Type: application/json");
    to = tp_http_write(to, TP_STR("Content-Length: "));
    to = tp_http_write_decimal(to, (uint64_t) (end - body));
    to = handshake_write_line(to, "");
    to = handshake_write_line(to, "");
    return tp_http_write(to, (struct tp_str){ body, (size_t) (end - body) });
}

size_t
websocket_request_max(struct tp_str target)
{
    return 2 * target.len + TARGET_EXTRA_MAX;
}

char *
websocket_request_write(char *to, struct tp_str target, const uint8_t *nonce,
                        enum websocket_form form)
{
    unsigned char key[WEBSOCKET_KEY_LEN + 1];
    struct tp_str path;
    struct tp_str host = handshake_cut(target, '/', &path);

    EVP_EncodeBlock(key, nonce, WEBSOCKET_NONCE_BYTES);
    to = tp_http_write(to, TP_STR("GET /"));
    to = tp_http_write(to, path);
    to = handshake_write_line(to, " HTTP/1.1");
    to = tp_http_write_field(to, TP_STR("Host"), host);
    to = handshake_write_line(to, "Upgrade: websocket");
    to = handshake_write_line(to, "Connection: Upgrade");
    to = tp_http_write_field(to, TP_STR("Sec-WebSocket-Key"),
                             (struct tp_str){ (const char *) key, WEBSOCKET_KEY_LEN });
    to = handshake_write_line(to, "Sec-WebSocket-Version: 13");
    to = tp_http_write_field(to, TP_STR("Sec-WebSocket-Protocol"), handshake_form_name(form));
    return handshake_write_line(to, "");
}

bool
websocket_is_target(struct tp_str target)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.data[i] <= ' ' || target.data[i] == 0x7f) {
            return false;
        }
    }
    return target.len > 0 && target.data[0] != '/';
}

const char *
websocket_response_read(struct tp_str bytes, const uint8_t *nonce, enum websocket_form *form)
{
    struct tp_http_head head;
    struct tp_http_fault fault;
    unsigned char key[WEBSOCKET_KEY_LEN + 1];
    struct tp_str name;

    if (!tp_http_response_read(bytes, TP_HTTP_FIELDS_DEFAULT, &head, &fault)) {
        return fault.why;
    }
    EVP_EncodeBlock(key, nonce, WEBSOCKET_NONCE_BYTES);
    const char *why =
        handshake_judge_response(&head, (struct tp_str){ (const char *) key, WEBSOCKET_KEY_LEN });

    if (why != NULL) {
        return why;
    }
    *form = WEBSOCKET_FORM_ANY;
    if (!tp_http_field_find(head.fields, TP_STR("Sec-WebSocket-Protocol"), &name)) {
        return NULL;
    }
    const struct handshake_form *found = handshake_find_form(name);

    if (found == NULL) {
        return "the other end chose a sub-protocol that it was not asked for";
    }
    *form = found->form;
    return NULL;
}

void
websocket_accept_of(struct tp_str key, char *accept)
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WEBSOCKET_KEY_LEN + sizeof(suffix) - 1];
    uint8_t digest[DIGEST_BYTES] = { 0 };
    unsigned char encoded[WEBSOCKET_ACCEPT_LEN + 1];

    TP_ASSERT(key.len == WEBSOCKET_KEY_LEN);
    memcpy(text, key.data, key.len);
    memcpy(text + key.len, suffix, sizeof(suffix) - 1);
    /* Where SHA-1 may not be computed the answer is wrong, and the client goes away. */
    (void) EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(encoded, digest, sizeof(digest));
    memcpy(accept, encoded, WEBSOCKET_ACCEPT_LEN);
}

/* What is wrong with a request for WebSocket, its key apart; NULL: nothing. */
static const char *
handshake_judge(const struct tp_http_head *head, struct tp_http_fault *fault)
{
    struct tp_str version;

    *fault = (struct tp_http_fault){ .code = 0 };
    if (!tp_http_is_same(head->method, TP_STR("GET")) || head->version_minor < 1) {
        handshake_refuse(fault, 405, "WebSocket begins with GET and HTTP/1.1");
    } else if (!head->has_host) {
        handshake_refuse(fault, 400, "the request names no Host");
    } else if (!tp_http_lists(head->fields, TP_STR("Upgrade"), TP_STR("websocket"))
               || !tp_http_lists(head->fields, TP_STR("Connection"), TP_STR("upgrade"))) {
        handshake_refuse(fault, 426, "this address speaks WebSocket only");
    } else if (!tp_http_field_find(head->fields, TP_STR("Sec-WebSocket-Version"), &version)
               || !tp_http_is_same(version, TP_STR("13"))) {
        handshake_refuse(fault, 426, "WebSocket is spoken in version 13 only");
    } else if (head->is_chunked || (head->has_length && head->length > 0)) {
        handshake_refuse(fault, 400, "a request for WebSocket has no body");
    }
    return fault->why;
}

static void
handshake_refuse(struct tp_http_fault *fault, int code, const char *why)
{
    *fault = (struct tp_http_fault){ .code = code, .why = why };
}

/* Sixteen bytes in base64: the last letter has no more than two bits of them. */
static bool
handshake_is_key(struct tp_str key)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (key.len != WEBSOCKET_KEY_LEN || memcmp(key.data + KEY_DATA_LEN, "==", 2) != 0) {
        return false;
    }
    for (size_t i = 0; i < KEY_DATA_LEN; i++) {
        if (memchr(letters, key.data[i], sizeof(letters) - 1) == NULL) {
            return false;
        }
    }
    return strchr("AQgw", key.data[KEY_DATA_LEN - 1]) != NULL;
}

/* The first of ours that the client would like. */
static enum websocket_form
handshake_choose_form(struct tp_str fields)
{
    struct tp_http_field field;
    struct tp_str item;

    while (tp_http_field_next(&fields, &field)) {
        if (!tp_http_is_same(field.name, TP_STR("Sec-WebSocket-Protocol"))) {
            continue;
        }
        while (tp_http_list_next(&field.value, &item)) {
            const struct handshake_form *found = handshake_find_form(item);

            if (found != NULL) {
                return found->form;
            }
        }
    }
    return WEBSOCKET_FORM_ANY;
}

static const struct handshake_form *
handshake_find_form(struct tp_str name)
{
    for (size_t i = 0; i < TP_COUNT_OF(handshake_forms); i++) {
        const struct handshake_form *form = &handshake_forms[i];

        if (form->name.len == name.len && memcmp(form->name.data, name.data, name.len) == 0) {
            return form;
        }
    }
    return NULL;
}

static struct tp_str
handshake_form_name(enum websocket_form form)
{
    for (size_t i = 0; i < TP_COUNT_OF(handshake_forms); i++) {
        if (handshake_forms[i].form == form) {
            return handshake_forms[i].name;
        }
    }
    return (struct tp_str){ "", 0 };
}

static struct tp_str
handshake_cut(struct tp_str text, char separator, struct tp_str *rest)
{
    const char *found = text.len == 0 ? NULL : memchr(text.data, separator, text.len);
    size_t len = found == NULL ? text.len : (size_t) (found - text.data);

    *rest =
        found == NULL ? (struct tp_str){ "", 0 } : (struct tp_str){ found + 1, text.len - len - 1 };
    return (struct tp_str){ text.data, len };
}

static char *
handshake_write_line(char *to, const char *line)
{
    to = tp_http_write(to, (struct tp_str){ line, strlen(line) });
    return tp_http_write(to, TP_STR("\r\n"));
}

static const char *
handshake_judge_response(const struct tp_http_head *head, struct tp_str key)
{
    char wanted[WEBSOCKET_ACCEPT_LEN];
    struct tp_str accept;

    if (head->code != 101) {
        return "the other end does not change to WebSocket";
    }
    if (!tp_http_lists(head->fields, TP_STR("Upgrade"), TP_STR("websocket"))
        || !tp_http_lists(head->fields, TP_STR("Connection"), TP_STR("upgrade"))) {
        return "the other end changes to something else than WebSocket";
    }
    if (tp_http_field_find(head->fields, TP_STR("Sec-WebSocket-Extensions"), &accept)) {
        return "the other end chose an extension that it was not asked for";
    }
    websocket_accept_of(key, wanted);
    if (!tp_http_field_find(head->fields, TP_STR("Sec-WebSocket-Accept"), &accept)
        || accept.len != sizeof(wanted) || memcmp(accept.data, wanted, sizeof(wanted)) != 0) {
        return "the other end's Sec-WebSocket-Accept is wrong";
    }
    return NULL;
}
