/*
 * saved.c - writes and reads the fields that a saved session consists of.
 *
 * The reader trusts nothing: each length is held against what is there, and the hash at
 * the end tells bytes that were lost or changed on the way.
 *
 * Runs in: worker.  Read next: session_save.c.
 */
#include "session/saved.h"

#include "base/hash.h"
#include "base/str.h"

#include <string.h>

enum {
    SAVED_FIELD_HEAD = 6, /* tag and length */
    SAVED_NUMBER_BYTES = 8,
    SAVED_END_BYTES = SAVED_FIELD_HEAD + SAVED_NUMBER_BYTES,
    SAVED_MAGIC_BYTES = 4,
    SAVED_HEAD_BYTES = SAVED_MAGIC_BYTES + 2,
};

/* What the table says of a tag. */
struct saved_rule {
    bool is_known;
    enum tp_saved_kind kind;
    enum tp_saved_tag opener;
};

static uint8_t *saved_reserve(struct tp_saved_writer *writer, size_t len);
static void saved_commit(struct tp_saved_writer *writer, const uint8_t *bytes, size_t len,
                         const struct tp_chain *chain);
static uint8_t *saved_write_head(uint8_t *to, enum tp_saved_tag tag, size_t len);
static enum tp_result saved_take_field(struct tp_str *fields, unsigned *tag, struct tp_str *value);
static enum tp_result saved_keep_field(struct tp_saved_section *section, unsigned tag,
                                       struct tp_str value, const char **why);
static bool saved_is_opener(struct tp_str fields);
static struct saved_rule saved_find_rule(unsigned tag);

static const char saved_magic[SAVED_MAGIC_BYTES] = { 'T', 'P', 'S', 'S' };

void
tp__saved_begin(struct tp_saved_writer *writer, struct tp_output *output)
{
    *writer = (struct tp_saved_writer){ .output = output, .hash = TP_HASH_NONE, .result = TP_OK };
    tp__output_reset(output);
    uint8_t *room = saved_reserve(writer, SAVED_HEAD_BYTES);

    if (room != NULL) {
        memcpy(room, saved_magic, sizeof(saved_magic));
        tp__saved_write_big_endian(room + sizeof(saved_magic), TP_SAVED_VERSION, 2);
        saved_commit(writer, room, SAVED_HEAD_BYTES, NULL);
    }
}

void
tp__saved_put_opener(struct tp_saved_writer *writer, enum tp_saved_tag tag)
{
    tp__saved_put_text(writer, tag, TP_STR(""));
}

void
tp__saved_put_number(struct tp_saved_writer *writer, enum tp_saved_tag tag, int64_t number)
{
    uint8_t bytes[SAVED_NUMBER_BYTES];

    tp__saved_write_big_endian(bytes, (uint64_t) number, sizeof(bytes));
    tp__saved_put_text(writer, tag, (struct tp_str){ (const char *) bytes, sizeof(bytes) });
}

void
tp__saved_put_text(struct tp_saved_writer *writer, enum tp_saved_tag tag, struct tp_str text)
{
    if (text.len > UINT32_MAX && writer->result == TP_OK) {
        writer->result = TP_TOO_LARGE;
    }
    uint8_t *room = saved_reserve(writer, SAVED_FIELD_HEAD + text.len);

    if (room == NULL) {
        return;
    }
    uint8_t *value = saved_write_head(room, tag, text.len);

    if (text.len > 0) {
        memcpy(value, text.data, text.len);
    }
    saved_commit(writer, room, SAVED_FIELD_HEAD + text.len, NULL);
}

void
tp__saved_put_chain(struct tp_saved_writer *writer, enum tp_saved_tag tag,
                    const struct tp_chain *chain)
{
    if (chain->len > UINT32_MAX && writer->result == TP_OK) {
        writer->result = TP_TOO_LARGE;
    }
    uint8_t *room = saved_reserve(writer, SAVED_FIELD_HEAD);

    if (room != NULL) {
        saved_write_head(room, tag, chain->len);
        saved_commit(writer, room, SAVED_FIELD_HEAD, chain);
    }
}

enum tp_result
tp__saved_end(struct tp_saved_writer *writer, struct tp_chain *saved)
{
    tp__saved_put_number(writer, TP_SAVED_END, (int64_t) writer->hash);
    if (writer->result != TP_OK) {
        tp__output_reset(writer->output);
        return writer->result;
    }
    return tp__output_rest(writer->output, 0, saved);
}

enum tp_result
tp__saved_open(struct tp_str saved, struct tp_str *fields, const char **why)
{
    if (saved.len < SAVED_HEAD_BYTES + SAVED_END_BYTES
        || memcmp(saved.data, saved_magic, sizeof(saved_magic)) != 0) {
        *why = "this is no saved session";
        return TP_INVALID;
    }
    if (tp__saved_read_big_endian(saved.data + SAVED_MAGIC_BYTES, 2) != TP_SAVED_VERSION) {
        *why = "it was saved by a version that is not understood";
        return TP_MISMATCH;
    }
    size_t len = saved.len - SAVED_END_BYTES;
    struct tp_str end = tp__str_skip(saved, len);
    struct tp_str value;
    unsigned tag;

    if (saved_take_field(&end, &tag, &value) != TP_OK || tag != TP_SAVED_END
        || value.len != SAVED_NUMBER_BYTES) {
        *why = "its end is missing";
        return TP_INVALID;
    }
    if (tp__saved_read_big_endian(value.data, value.len)
        != tp__hash_extend_bytes(TP_HASH_NONE, saved.data, len)) {
        *why = "its bytes are not those that were saved";
        return TP_INVALID;
    }
    *fields = tp__str_skip((struct tp_str){ saved.data, len }, SAVED_HEAD_BYTES);
    return TP_OK;
}

enum tp_result
tp__saved_read_section(struct tp_str *fields, struct tp_saved_section *section, const char **why)
{
    struct tp_str value;
    unsigned tag;

    *section = (struct tp_saved_section){ .present = 0 };
    if (!saved_is_opener(*fields) || saved_take_field(fields, &tag, &value) != TP_OK
        || value.len != 0) {
        *why = "a field belongs to nothing";
        return TP_INVALID;
    }
    section->opener = (enum tp_saved_tag) tag;
    while (fields->len > 0 && !saved_is_opener(*fields)) {
        enum tp_result result = saved_take_field(fields, &tag, &value);

        *why = "a field is longer than what is there";
        if (result == TP_OK) {
            result = saved_keep_field(section, tag, value, why);
        }
        if (result != TP_OK) {
            return result;
        }
    }
    return TP_OK;
}

int64_t
tp__saved_get_number(const struct tp_saved_section *section, enum tp_saved_tag tag)
{
    const struct tp_str *value = &section->values[tag];

    return tp__saved_has(section, tag)
               ? (int64_t) tp__saved_read_big_endian(value->data, value->len)
               : 0;
}

struct tp_str
tp__saved_get_text(const struct tp_saved_section *section, enum tp_saved_tag tag)
{
    return tp__saved_has(section, tag) ? section->values[tag] : TP_STR("");
}

/* Room in the output; NULL once anything has failed. */
static uint8_t *
saved_reserve(struct tp_saved_writer *writer, size_t len)
{
    uint8_t *room = writer->result == TP_OK ? tp_output_reserve(writer->output, len) : NULL;

    if (room == NULL && writer->result == TP_OK) {
        writer->result = TP_NO_MEMORY;
    }
    return room;
}

static void
saved_commit(struct tp_saved_writer *writer, const uint8_t *bytes, size_t len,
             const struct tp_chain *chain)
{
    static const struct tp_chain none;
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain == NULL ? &none : chain, &count);

    writer->hash = tp__hash_extend_bytes(writer->hash, bytes, len);
    for (size_t i = 0; i < count; i++) {
        writer->hash = tp__hash_extend_bytes(writer->hash, slices[i].data, slices[i].len);
    }
    writer->result = tp_output_commit(writer->output, len, chain);
}

/* Returns the place of the value. */
static uint8_t *
saved_write_head(uint8_t *to, enum tp_saved_tag tag, size_t len)
{
    to = tp__saved_write_big_endian(to, (uint64_t) tag, 2);
    return tp__saved_write_big_endian(to, len, 4);
}

static enum tp_result
saved_take_field(struct tp_str *fields, unsigned *tag, struct tp_str *value)
{
    if (fields->len < SAVED_FIELD_HEAD) {
        return TP_INVALID;
    }
    uint64_t len = tp__saved_read_big_endian(fields->data + 2, 4);

    if (fields->len - SAVED_FIELD_HEAD < len) {
        return TP_INVALID;
    }
    *tag = (unsigned) tp__saved_read_big_endian(fields->data, 2);
    *value = (struct tp_str){ fields->data + SAVED_FIELD_HEAD, (size_t) len };
    *fields = tp__str_skip(*fields, SAVED_FIELD_HEAD + (size_t) len);
    return TP_OK;
}

static enum tp_result
saved_keep_field(struct tp_saved_section *section, unsigned tag, struct tp_str value,
                 const char **why)
{
    struct saved_rule rule = saved_find_rule(tag);

    if (!rule.is_known) {
        *why = "it has a field that is not understood";
        return (tag & TP_SAVED_OPTIONAL) != 0 ? TP_OK : TP_MISMATCH;
    }
    if (rule.opener != section->opener || (section->present >> tag & 1) != 0) {
        *why = "a field is where it does not belong, or there twice";
        return TP_INVALID;
    }
    if (rule.kind == TP_SAVED_NUMBER && value.len != SAVED_NUMBER_BYTES) {
        *why = "a number has a wrong length";
        return TP_INVALID;
    }
    section->present |= UINT64_C(1) << tag;
    section->values[tag] = value;
    return TP_OK;
}

static bool
saved_is_opener(struct tp_str fields)
{
    if (fields.len < SAVED_FIELD_HEAD) {
        return false;
    }
    struct saved_rule rule = saved_find_rule((unsigned) tp__saved_read_big_endian(fields.data, 2));

    return rule.is_known && rule.kind == TP_SAVED_OPENER;
}

static struct saved_rule
saved_find_rule(unsigned tag)
{
    switch (tag) {
#define SAVED_RULE_ROW(name, number, kind, opener) \
    case number:                                   \
        return (struct saved_rule){ true, TP_SAVED_##kind, TP_SAVED_##opener };
        TP_SAVED_TABLE(SAVED_RULE_ROW)
#undef SAVED_RULE_ROW
    default:
        return (struct saved_rule){ .is_known = false };
    }
}

/* Returns the place behind it. */
uint8_t *
tp__saved_write_big_endian(uint8_t *to, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = (uint8_t) (number >> 8 * (len - 1 - i));
    }
    return to + len;
}

uint64_t
tp__saved_read_big_endian(const char *from, size_t len)
{
    uint64_t number = 0;

    for (size_t i = 0; i < len; i++) {
        number = number << 8 | (uint8_t) from[i];
    }
    return number;
}
