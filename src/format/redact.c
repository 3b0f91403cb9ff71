/*
 * redact.c - what may be shown of an exchange's texts.
 *
 * A trace is for people who look over shoulders, too.  Logs hide what the protocols define as
 * credentials; here everything is hidden whose name sounds like a secret, since an application's own
 * ways to let somebody in are known to nobody.
 *
 * Runs in: worker.  Owns: nothing.  Read next: session/trace.c, session/inflight.c.
 */
#include "format/redact.h"

#include "base/str.h"
#include "base/uri.h"
#include "format/values.h"

#include <string.h>

enum {
    BYTE_SHOWN_MAX = 4, /* as \x00 */
    NAME_MAX = 128,     /* bytes; what is longer than any name has something to hide */
};

#define HIDDEN "(hidden)"

/* Parts of names, in lower case and without what stands between words. */
static const char *const secret_words[] = {
    "authorization", "cookie", "token",  "secret", "password", "passwd",
    "credential",    "apikey", "bearer", "signature", "jwt",
};

static void write_some(struct tp_value_writer *writer, struct tp_str text);
static void write_pairs(struct tp_value_writer *writer, struct tp_str text);
static void write_pair(struct tp_value_writer *writer, struct tp_str pair);
static bool name_is_secret(struct tp_str written);
static bool byte_parts_pairs(char byte);
static struct tp_value_writer writer_make(char *to, size_t room);

struct tp_str
tp__redact_uri(struct tp_str uri, char *to, size_t room)
{
    struct tp_value_writer writer = writer_make(to, room);
    size_t host = tp__uri_host_begin(uri);
    size_t path_len = 0;

    while (path_len < uri.len && uri.data[path_len] != '?' && uri.data[path_len] != '#') {
        path_len++;
    }
    const char *user_end = host == 0 ? NULL : memchr(uri.data + host, '@', path_len - host);
    const char *slash = host == 0 ? NULL : memchr(uri.data + host, '/', path_len - host);

    if (user_end != NULL && (slash == NULL || user_end < slash)) {
        size_t user_len = (size_t) (user_end - uri.data);

        write_some(&writer, (struct tp_str){ uri.data, host });
        write_some(&writer, TP_STR(HIDDEN));
        uri = tp__str_skip(uri, user_len);
        path_len -= user_len;
    }
    write_some(&writer, (struct tp_str){ uri.data, path_len });
    write_pairs(&writer, tp__str_skip(uri, path_len));
    return (struct tp_str){ to, (size_t) (writer.next - to) };
}

struct tp_str
tp__redact_metadata(struct tp_str metadata, char *to, size_t room)
{
    struct tp_value_writer writer = writer_make(to, room);

    write_pairs(&writer, metadata);
    return (struct tp_str){ to, (size_t) (writer.next - to) };
}

struct tp_str
tp__redact_text(struct tp_str text, char *to, size_t room)
{
    struct tp_value_writer writer = writer_make(to, room);

    write_some(&writer, text);
    return (struct tp_str){ to, (size_t) (writer.next - to) };
}

/* The writer has a word for nothing, which is not wanted between other texts. */
static void
write_some(struct tp_value_writer *writer, struct tp_str text)
{
    bool is_cut = text.len > writer->text_room / BYTE_SHOWN_MAX;

    if (text.len > 0) {
        tp__value_write_text(writer, text);
    }
    if (is_cut) {
        writer->text_room = 0; /* What comes behind a hole would be taken for what follows. */
    }
}

static void
write_pairs(struct tp_value_writer *writer, struct tp_str text)
{
    while (text.len > 0) {
        const char *end = memchr(text.data, '&', text.len);
        size_t len = end == NULL ? text.len : (size_t) (end - text.data);

        write_pair(writer, (struct tp_str){ text.data, len });
        text = tp__str_skip(text, len);
        if (text.len > 0) {
            write_some(writer, TP_STR("&"));
            text = tp__str_skip(text, 1);
        }
    }
}

/* A secret goes to the pair's end; what is none may hold further pairs, parted in another way. */
static void
write_pair(struct tp_value_writer *writer, struct tp_str pair)
{
    while (pair.len > 0) {
        struct tp_str value;
        struct tp_str name = tp__str_cut(pair, '=', &value);
        bool has_value = name.len < pair.len;

        write_some(writer, name);
        write_some(writer, has_value ? TP_STR("=") : TP_STR(""));
        if (value.len > 0 && name_is_secret(name)) {
            write_some(writer, TP_STR(HIDDEN));
            return;
        }
        size_t len = 0;

        while (len < value.len && !byte_parts_pairs(value.data[len])) {
            len++;
        }
        len += len < value.len ? 1 : 0;
        write_some(writer, (struct tp_str){ value.data, len });
        pair = tp__str_skip(value, len);
    }
}

/* Does a name, as it is written in a query, sound like that of something that lets one in? */
static bool
name_is_secret(struct tp_str written)
{
    char name[NAME_MAX + 1];
    size_t len = 0;

    while (written.len > 0) {
        int byte = tp__uri_take_byte(&written);

        if (byte == '-' || byte == '_' || byte == '.' || byte == '+' || byte <= ' ') {
            continue;
        }
        if (len == NAME_MAX) {
            return true;
        }
        name[len++] = (char) (byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
    }
    name[len] = '\0';
    for (size_t i = 0; i < TP_COUNT_OF(secret_words); i++) {
        if (strstr(name, secret_words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool
byte_parts_pairs(char byte)
{
    return byte == ';' || byte == ',' || byte == '?' || byte == '#' || byte == ' ';
}

static struct tp_value_writer
writer_make(char *to, size_t room)
{
    return (struct tp_value_writer){ .next = to, .text_room = room, .is_log = true };
}
