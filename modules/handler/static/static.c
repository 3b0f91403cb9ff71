/*
 * static.c - answers with files: a page with its script and styles, a picture, a schema.
 *
 * The files are read when the configuration is loaded, and are a part of it: all workers have
 * the same, a request names one of them or nothing, and no request waits for a disk.  A reload
 * reads them anew.  It is for what is small; `static_limit` says how much that is.
 *
 * Over HTTP a REPLY tells its type, how long it may be kept, and an ETag, with which the other
 * end asks whether it has changed: 304.
 *
 * Runs in: worker; the check in whichever process loads a configuration.
 * Read next: static_files.c.
 */
#include "static.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    STATIC_NOT_MODIFIED = 304,
    STATIC_NAME_MAX = 1024, /* of a file that a request names, with its folders */
    STATIC_CONDITION_MAX = 1024,
    STATIC_AGE_TEXT_MAX = 40,
};

static void static_validate(const struct tp_block *block, void *module_conf);
static void static_release(void *module_conf);
static void static_handle(struct tp_exchange *exchange, const void *module_conf);
static const struct static_file *static_find(const struct static_conf *conf, struct tp_str route,
                                             struct tp_str path);
static struct tp_str static_name_of(struct tp_str route, struct tp_str path);
static bool static_is_known(const struct tp_exchange *exchange, const struct static_file *file);
static enum tp_result static_describe(struct tp_exchange *exchange, const struct static_conf *conf,
                                      const struct static_file *file);
static void static_reply(struct tp_exchange *exchange, const struct static_file *file);

static const struct tp_argument static_arguments[] = {
    {
        .name = "PATH", .kind = TP_ARGUMENT_REQUIRED, TP_PATH(struct static_conf, path),
        .brief = "A file, which every path of the route is answered with; or a folder, where what "
                 "stands behind the route's prefix names a file.",
    },
    {
        .name = "index", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct static_conf, index),
        .preset = "index.html",
        .brief = "The file of a path that ends in a slash, or in nothing.",
    },
    {
        .name = "max_age", .kind = TP_ARGUMENT_NAMED, TP_TIME(struct static_conf, max_age),
        .preset = "0s", .min = "0s", .max = "365d",
        .brief = "How long the other end may keep it without asking whether it has changed.",
    },
};

static const struct tp_directive static_directives[] = {
    {
        .name = "static", .where = TP_IN_PULL, TP_ARGUMENTS(static_arguments), .since = "0.1",
        .brief = "Answers with files, which are read when the configuration is loaded; those "
                 "whose name begins with a dot are left out.",
    },
    {
        .name = "static_limit", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_PULL,
        TP_SIZE(struct static_conf, limit),
        .preset = "4m", .min = "1", .max = "64m", .since = "0.1",
        .brief = "How large the files of a \"static\" may be together; each worker has them in "
                 "its memory.",
    },
};

const struct tp_module tp_module_static = {
    .name = "static",
    .brief = "Answers with small files.",
    .conf_size = sizeof(struct static_conf),
    TP_DIRECTIVES(static_directives),
    .validate = static_validate,
    .release = static_release,
    .run_after = "",
    .handler = "static",
    .handle = static_handle,
};

static void
static_validate(const struct tp_block *block, void *module_conf)
{
    if (tp_block_writes(block, "static")) {
        static_files_load(block, module_conf);
    }
}

static void
static_release(void *module_conf)
{
    static_files_free(module_conf);
}

static void
static_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct static_conf *conf = module_conf;
    const struct static_file *file =
        static_find(conf, tp_exchange_route(exchange), tp_exchange_path(exchange));

    if (file == NULL) {
        tp_exchange_refuse_result(exchange, TP_NOT_FOUND);
        return;
    }
    enum tp_result result = static_describe(exchange, conf, file);

    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    } else if (static_is_known(exchange, file)) {
        struct tp_status status = { .code = STATIC_NOT_MODIFIED, .text = TP_STR("Not Modified") };

        tp_exchange_refuse(exchange, &status);
    } else {
        static_reply(exchange, file);
    }
}

static const struct static_file *
static_find(const struct static_conf *conf, struct tp_str route, struct tp_str path)
{
    char indexed[STATIC_NAME_MAX];
    struct tp_str name = static_name_of(route, path);

    if (!conf->is_folder) {
        return &conf->files[0];
    }
    if (name.len > 0 && name.data[name.len - 1] != '/') {
        return static_files_find(conf, name);
    }
    if (name.len + conf->index.len > sizeof(indexed)) {
        return NULL;
    }
    if (name.len > 0) {
        memcpy(indexed, name.data, name.len);
    }
    memcpy(indexed + name.len, conf->index.data, conf->index.len);
    return static_files_find(conf, (struct tp_str){ indexed, name.len + conf->index.len });
}

/* What stands behind the prefix of a route; nothing where that is exact. */
static struct tp_str
static_name_of(struct tp_str route, struct tp_str path)
{
    size_t prefix_len = route.len == 1 ? 1 : route.len - 1; /* a lone star has that of "/" */

    if (route.data[route.len - 1] != '*' || path.len <= prefix_len) {
        return TP_STR("");
    }
    return (struct tp_str){ path.data + prefix_len, path.len - prefix_len };
}

/* Does the other end have it?  A condition may name several; a weak one does as well. */
static bool
static_is_known(const struct tp_exchange *exchange, const struct static_file *file)
{
    char condition[STATIC_CONDITION_MAX];
    size_t len =
        tp_exchange_metadata(exchange, TP_STR("If-None-Match"), condition, sizeof(condition));

    if (len == SIZE_MAX || len >= sizeof(condition)) {
        return false;
    }
    return strcmp(condition, "*") == 0 || strstr(condition, file->etag) != NULL;
}

static enum tp_result
static_describe(struct tp_exchange *exchange, const struct static_conf *conf,
                const struct static_file *file)
{
    char age[STATIC_AGE_TEXT_MAX] = "no-cache";
    enum tp_result result = tp_exchange_add_metadata(
        exchange, TP_STR("ETag"), (struct tp_str){ file->etag, strlen(file->etag) });

    if (conf->max_age.ms > 0) {
        snprintf(age, sizeof(age), "max-age=%" PRId64, conf->max_age.ms / 1000);
    }
    if (result == TP_OK) {
        result = tp_exchange_add_metadata(exchange, TP_STR("Cache-Control"),
                                          (struct tp_str){ age, strlen(age) });
    }
    if (result == TP_OK) {
        result = tp_exchange_add_metadata(exchange, TP_STR("Content-Type"),
                                          (struct tp_str){ file->mime, strlen(file->mime) });
    }
    return result;
}

/* A codec that fits is named where there is one; the type says the rest. */
static void
static_reply(struct tp_exchange *exchange, const struct static_file *file)
{
    uint8_t codec = tp_codec_of_mime((struct tp_str){ file->mime, strlen(file->mime) });

    tp_exchange_reply_copy(exchange, file->content,
                           codec != TP_CODEC_NONE ? codec : TP_CODEC_PLAIN);
}
