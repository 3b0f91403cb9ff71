/*
 * json.h - the parts of the codec json: how a text is checked, read and written.
 */
#ifndef TP_CODEC_JSON_H
#define TP_CODEC_JSON_H

#include <teleport/bytes.h>

struct cJSON;

/* The conf of a block. */
struct json_conf {
    int64_t depth;
    int64_t values;
};

/*
 * Checks that `text` is one JSON value (RFC 8259) within the limits of `conf`, and that
 * cJSON can hold it.  TP_INVALID and TP_TOO_LARGE come with a static sentence in *why.
 */
enum tp_result json_check(const struct json_conf *conf, struct tp_str text,
                          const char **why) TP_MUST_CHECK;

/* The tree of a text that has passed the check, the caller's; NULL when memory is out. */
struct cJSON *json_read(struct tp_str text) TP_MUST_CHECK;

/* The length of the number that `text` begins with; 0 when that is none. */
size_t json_number_len(struct tp_str text, bool *is_integer);

/* Where the writer's bytes go. */
struct json_target {
    uint64_t limit;
    struct tp_buf_pool *pool;
    struct tp_chain *chain;
};

/* Writes the tree, without white space; fails as tp_codec's encode does. */
enum tp_result json_write(const struct json_conf *conf, const struct cJSON *value,
                          const struct json_target *target) TP_MUST_CHECK;

#endif
