/*
 * http_metadata.c - fields of a head as metadata, and metadata as fields.
 *
 * Fields about this one connection or this one body say nothing to who is asked, and are
 * written by HTTP itself; and who a caller is, is not for the caller to say.  All others are
 * metadata under the name that was sent.
 *
 * Read next: teleport/query.h.
 */
#include "http.h"

#include <teleport/family.h>

#include <string.h>

/* Where a field is left out. */
enum {
    SKIP_REQUEST = 1,  /* reading a request */
    SKIP_RESPONSE = 2, /* reading a response */
    SKIP_WRITTEN = 4,  /* writing either */
    SKIP_GATEWAY = 8,  /* …a request of who is not trusted to say for whom it speaks */
    SKIP_READ = SKIP_REQUEST | SKIP_RESPONSE,
    SKIP_ALL = SKIP_READ | SKIP_WRITTEN,

    NAME_MAX_COMPARED = 48, /* of a name that is looked for, however it is escaped */
};

static bool metadata_skips(const struct tp_http_head *head, const struct tp_http_field *field,
                           unsigned where);
static unsigned metadata_skip_of(struct tp_str name);
static size_t metadata_len(const struct tp_http_head *head, unsigned where);
static void metadata_write(const struct tp_http_head *head, unsigned where, char *to);
static char *metadata_write_pair(const struct tp_wire *wire, const struct tp_query_pair *pair,
                                 char *to);

static const struct {
    struct tp_str name;
    unsigned skip;
} known_fields[] = {
    { { "Connection", 10 }, SKIP_ALL },
    { { "Keep-Alive", 10 }, SKIP_ALL },
    { { "Proxy-Connection", 16 }, SKIP_ALL },
    { { "Transfer-Encoding", 17 }, SKIP_ALL },
    { { "TE", 2 }, SKIP_ALL },
    { { "Trailer", 7 }, SKIP_ALL },
    { { "Upgrade", 7 }, SKIP_ALL },
    { { "HTTP2-Settings", 14 }, SKIP_ALL },
    { { "Expect", 6 }, SKIP_ALL },
    { { "Content-Length", 14 }, SKIP_ALL },
    { { "Content-Encoding", 16 }, SKIP_ALL },
    { { "X-Content-Encoding", 18 }, SKIP_ALL },
    { { "X-Seq", 5 }, SKIP_ALL },
    { { "X-Mtype", 7 }, SKIP_ALL },
    { { "Host", 4 }, SKIP_WRITTEN },
    { { "Accept", 6 }, SKIP_REQUEST },
    { { "Accept-Encoding", 15 }, SKIP_REQUEST | SKIP_WRITTEN },
};

enum tp_result
http_read_metadata(const struct tp_wire *wire, const struct tp_http_head *head,
                   struct tp_packet *packet)
{
    unsigned where = wire->is_dialed         ? SKIP_RESPONSE
                     : wire->is_from_gateway ? SKIP_REQUEST
                                             : SKIP_REQUEST | SKIP_GATEWAY;
    size_t len = metadata_len(head, where);

    if (len == 0) {
        return TP_OK;
    }
    packet->meta_head = tp_buf_make(wire->pool, len);
    if (packet->meta_head == NULL) {
        return TP_NO_MEMORY;
    }
    metadata_write(head, where, (char *) packet->meta_head->bytes);
    packet->metadata = (struct tp_str){ (const char *) packet->meta_head->bytes, len };
    return TP_OK;
}

size_t
http_metadata_max(struct tp_str metadata)
{
    size_t pair_count = 1;

    for (size_t i = 0; i < metadata.len; i++) {
        pair_count += metadata.data[i] == '&';
    }
    return metadata.len + pair_count * TP_HTTP_FIELD_EXTRA;
}

char *
http_write_metadata(const struct tp_wire *wire, struct tp_str metadata, bool has_type, char *to)
{
    struct tp_query_pair pair;

    while (tp_query_next(&metadata, &pair)) {
        if (!has_type || !tp_query_is(pair.name, TP_STR("Content-Type"))) {
            to = metadata_write_pair(wire, &pair, to);
        }
    }
    return to;
}

bool
http_metadata_has(struct tp_str metadata, struct tp_str name)
{
    char unescaped[NAME_MAX_COMPARED];
    struct tp_query_pair pair;

    while (tp_query_next(&metadata, &pair)) {
        if (pair.name.len <= sizeof(unescaped)) {
            size_t len = tp_query_unescape(pair.name, unescaped);

            if (len != SIZE_MAX && tp_http_is_same((struct tp_str){ unescaped, len }, name)) {
                return true;
            }
        }
    }
    return false;
}

static bool
metadata_skips(const struct tp_http_head *head, const struct tp_http_field *field, unsigned where)
{
    /* One that names no codec is all there is to say what the body is. */
    if (tp_http_is_same(field->name, TP_STR("Content-Type"))) {
        return tp_codec_of_mime(field->value) != TP_CODEC_NONE;
    }
    return (metadata_skip_of(field->name) & where) != 0
           || ((where & SKIP_GATEWAY) != 0 && tp_family_is_of_gateway(field->name))
           || (head->names_hops && tp_http_lists(head->fields, TP_STR("Connection"), field->name));
}

static unsigned
metadata_skip_of(struct tp_str name)
{
    for (size_t i = 0; i < TP_COUNT_OF(known_fields); i++) {
        if (tp_http_is_same(known_fields[i].name, name)) {
            return known_fields[i].skip;
        }
    }
    return 0;
}

static size_t
metadata_len(const struct tp_http_head *head, unsigned where)
{
    struct tp_str fields = head->fields;
    struct tp_http_field field;
    size_t len = 0;

    while (tp_http_field_next(&fields, &field)) {
        if (!metadata_skips(head, &field, where)) {
            len += (len > 0) + tp_query_escaped_len(field.name) + 1
                   + tp_query_escaped_len(field.value);
        }
    }
    return len;
}

static void
metadata_write(const struct tp_http_head *head, unsigned where, char *to)
{
    struct tp_str fields = head->fields;
    struct tp_http_field field;
    const char *begin = to;

    while (tp_http_field_next(&fields, &field)) {
        if (!metadata_skips(head, &field, where)) {
            if (to > begin) {
                *to++ = '&';
            }
            to = tp_query_escape(field.name, to);
            *to++ = '=';
            to = tp_query_escape(field.value, to);
        }
    }
}

/* Writes nothing where the pair cannot be a field. */
static char *
metadata_write_pair(const struct tp_wire *wire, const struct tp_query_pair *pair, char *to)
{
    size_t name_len = tp_query_unescape(pair->name, to);
    struct tp_str name = { to, name_len };

    if (name_len == SIZE_MAX || !tp_http_is_token(name)
        || (metadata_skip_of(name) & SKIP_WRITTEN) != 0
        || (wire->origin_count > 0
            && tp_http_is_same(name, TP_STR("Access-Control-Allow-Origin")))) {
        return to;
    }
    char *value_at = tp_http_write(to + name_len, TP_STR(": "));
    size_t value_len = tp_query_unescape(pair->value, value_at);

    if (value_len == SIZE_MAX || !tp_http_is_value((struct tp_str){ value_at, value_len })) {
        return to;
    }
    return tp_http_write(value_at + value_len, TP_STR("\r\n"));
}
