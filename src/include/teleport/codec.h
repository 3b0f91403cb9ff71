/*
 * teleport/codec.h - what a codec module is: the bytes of a body to values and back.
 *
 * Values are trees of cJSON, whatever the codec: an object, an array, a text, a number.
 * A codec whose bytes mean nothing without a description of their own (plain,
 * protobuf) has no tree; such a body is handed on as it is.
 *
 * Read next: teleport/json.h (numbers in such trees), teleport/packet.h (the ids).
 */
#ifndef TELEPORT_CODEC_H
#define TELEPORT_CODEC_H

#include <teleport/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;

/* All codecs of the table as words of a directive: { TP_CODEC_WORDS, { NULL, 0 } }. */
#define TP_CODEC_WORDS                \
    TP_CODEC_TABLE(TP_CODEC_WORD_ROW) \
    {                                 \
        "string", TP_CODEC_PLAIN      \
    }
#define TP_CODEC_WORD_ROW(NAME, codec_id, codec_name, codec_aliases, codec_mime) \
    { (codec_name), (codec_id) },

/* `conf` is the codec module's conf of the block that is in force; functions run anywhere. */
struct tp_codec {
    uint8_t id; /* the codec byte of a packet */
    const char *brief;

    /* Only of a codec that is not in the table of teleport/ids.h, which has them for the rest. */
    const char *name;      /* as in "body_codec json" */
    const char *aliases;   /* further names, separated by spaces */
    const char *mime_type; /* as in "Content-Type: application/json" */

    /*
     * Makes a tree of a plain body, in one piece.  *value is the caller's, who deletes
     * it with cJSON_Delete(); NULL unless TP_OK is returned.  TP_INVALID: the bytes are
     * not of this codec; TP_TOO_LARGE: a limit of `conf` was exceeded; TP_NO_MEMORY.
     * In all these cases *why is a static sentence.  NULL: the codec has no trees.
     */
    enum tp_result (*decode)(const void *conf, struct tp_str body, struct cJSON **value,
                             const char **why);

    /*
     * Appends the bytes of a tree, which stays as it is, to `body`, which is empty
     * before.  TP_INVALID: the tree has a value this codec cannot express; TP_TOO_LARGE:
     * more than `limit`, or nested deeper than `conf` allows; TP_NO_MEMORY.  Unless
     * TP_OK is returned `body` is empty afterwards.  NULL: the codec has no trees.
     */
    enum tp_result (*encode)(const void *conf, const struct cJSON *value, struct tp_size limit,
                             struct tp_buf_pool *pool, struct tp_chain *body);
};

/* A codec with its module's conf of the block that is in force. */
struct tp_codec_use {
    const struct tp_codec *codec;
    const void *conf;
};

#ifdef __cplusplus
}
#endif

#endif
