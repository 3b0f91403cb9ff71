/*
 * codecs.c - names and MIME types of the codecs that all Teleports know.
 *
 * The table stands in teleport/ids.h; a codec's own module takes its names from there, too.
 */
#include <teleport/ids.h>

#include "base/str.h"

struct codec_names {
    uint8_t id;
    const char *name;
    const char *aliases;
    const char *mime;
};

static const struct codec_names *codec_find(uint8_t id);
static bool codec_is_called(const struct codec_names *codec, struct tp_str name);
static struct tp_str mime_without_parameters(struct tp_str mime);
static bool mime_is(struct tp_str mime, const char *known);
static bool mime_ends_with(struct tp_str mime, const char *suffix);
static char mime_letter(char letter);

static const struct codec_names codec_table[] = {
#define CODEC_NAMES_ROW(NAME, id, name, aliases, mime) { (id), (name), (aliases), (mime) },
    TP_CODEC_TABLE(CODEC_NAMES_ROW)
#undef CODEC_NAMES_ROW
};

/* What others call the same; a leading '+' is the end of any type that is made of it (RFC 6838). */
static const struct {
    const char *mime;
    uint8_t id;
} codec_further_mimes[] = {
    { "+json", TP_CODEC_JSON },
    { "text/json", TP_CODEC_JSON },
    { "application/protobuf", TP_CODEC_PROTOBUF },
    { "application/vnd.google.protobuf", TP_CODEC_PROTOBUF },
    { "+protobuf", TP_CODEC_PROTOBUF },
    { "application/xml", TP_CODEC_XML },
    { "+xml", TP_CODEC_XML },
    { "application/vnd.apache.thrift.binary", TP_CODEC_THRIFT },
};

const char *
tp_codec_name(uint8_t id)
{
    const struct codec_names *codec = codec_find(id);

    return codec == NULL ? NULL : codec->name;
}

const char *
tp_codec_mime(uint8_t id)
{
    const struct codec_names *codec = codec_find(id);

    return codec == NULL ? NULL : codec->mime;
}

uint8_t
tp_codec_of_name(struct tp_str name)
{
    for (size_t i = 0; i < TP_COUNT_OF(codec_table); i++) {
        if (codec_is_called(&codec_table[i], name)) {
            return codec_table[i].id;
        }
    }
    return TP_CODEC_NONE;
}

uint8_t
tp_codec_of_mime(struct tp_str mime)
{
    mime = mime_without_parameters(mime);
    for (size_t i = 0; i < TP_COUNT_OF(codec_table); i++) {
        if (mime_is(mime, codec_table[i].mime)) {
            return codec_table[i].id;
        }
    }
    for (size_t i = 0; i < TP_COUNT_OF(codec_further_mimes); i++) {
        const char *known = codec_further_mimes[i].mime;

        if (known[0] == '+' ? mime_ends_with(mime, known) : mime_is(mime, known)) {
            return codec_further_mimes[i].id;
        }
    }
    return TP_CODEC_NONE;
}

static const struct codec_names *
codec_find(uint8_t id)
{
    for (size_t i = 0; i < TP_COUNT_OF(codec_table); i++) {
        if (codec_table[i].id == id) {
            return &codec_table[i];
        }
    }
    return NULL;
}

static bool
codec_is_called(const struct codec_names *codec, struct tp_str name)
{
    struct tp_str aliases = tp__str(codec->aliases);

    if (tp__str_equal(name, tp__str(codec->name))) {
        return true;
    }
    while (aliases.len > 0) {
        if (tp__str_equal(name, tp__str_cut(aliases, ' ', &aliases))) {
            return true;
        }
    }
    return false;
}

static struct tp_str
mime_without_parameters(struct tp_str mime)
{
    struct tp_str rest;

    mime = tp__str_cut(mime, ';', &rest);
    while (mime.len > 0 && (mime.data[0] == ' ' || mime.data[0] == '\t')) {
        mime = tp__str_skip(mime, 1);
    }
    while (mime.len > 0 && (mime.data[mime.len - 1] == ' ' || mime.data[mime.len - 1] == '\t')) {
        mime.len--;
    }
    return mime;
}

/* `known` is in small letters. */
static bool
mime_is(struct tp_str mime, const char *known)
{
    if (mime.len != strlen(known)) {
        return false;
    }
    for (size_t i = 0; i < mime.len; i++) {
        if (mime_letter(mime.data[i]) != known[i]) {
            return false;
        }
    }
    return true;
}

static bool
mime_ends_with(struct tp_str mime, const char *suffix)
{
    size_t len = strlen(suffix);

    return mime.len > len && mime_is(tp__str_skip(mime, mime.len - len), suffix);
}

static char
mime_letter(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char) (letter - 'A' + 'a') : letter;
}
