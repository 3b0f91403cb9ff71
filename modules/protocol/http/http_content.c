/*
 * http_content.c - the fields that say what a written body is.
 *
 * Read next: http_reply.c, http_client.c.
 */
#include "http.h"

#include <string.h>

static struct tp_str content_mime(uint8_t codec);
static char *content_write_gzip(int32_t level, char *to);

char *
http_write_content(const struct http_content *content, struct tp_str metadata, char *to)
{
    if (content->has_codec
        && (content->is_typed || !http_metadata_has(metadata, TP_STR("Content-Type")))) {
        to = tp_http_write_field(to, TP_STR("Content-Type"), content_mime(content->codec));
    }
    if (content->gzip_level != 0) {
        to = content_write_gzip(content->gzip_level, to);
    }
    if (content->has_length) {
        to = tp_http_write(to, TP_STR("Content-Length: "));
        to = tp_http_write(tp_http_write_decimal(to, content->len), TP_STR("\r\n"));
    }
    return to;
}

static struct tp_str
content_mime(uint8_t codec)
{
    const char *mime = tp_codec_mime(codec);

    if (mime == NULL) {
        return TP_STR("application/octet-stream");
    }
    size_t len = strlen(mime);

    TP_ASSERT(len <= HTTP_MIME_MAX);
    return (struct tp_str){ mime, len };
}

/* The level is for later Teleports; one that only Teleport 2.5 has is not said. */
static char *
content_write_gzip(int32_t level, char *to)
{
    to = tp_http_write_field(to, TP_STR("Content-Encoding"), TP_STR("gzip"));
    if (level < 1) {
        return to;
    }
    to = tp_http_write(to, TP_STR("X-Content-Encoding: gzip-"));
    return tp_http_write(tp_http_write_decimal(to, (uint64_t) level), TP_STR("\r\n"));
}
