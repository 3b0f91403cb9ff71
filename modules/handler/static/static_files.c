/*
 * static_files.c - reads the files of a route when its configuration is loaded.
 *
 * A folder is read level by level, by patterns, since that is what a configuration may ask for:
 * so a worker gets what the master has read.
 *
 * Runs in: whichever process loads a configuration.  Owns: the array of files; names and
 * contents are the configuration's.
 */
#include "static.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATIC_DEPTH_MAX = 8,      /* folders in folders */
    STATIC_FILES_MAX = 10000,  /* of one folder with all that is in it */
    STATIC_PATTERN_MAX = 8192, /* a path twice as long, because each byte may be escaped */
};

static void files_load_folder(const struct tp_block *block, struct static_conf *conf, char *pattern,
                              size_t len);
static size_t files_write_pattern(struct tp_str path, char *pattern);
static bool files_read_level(const struct tp_block *block, struct static_conf *conf,
                             struct tp_str paths, size_t name_at, bool *has_folders);
static bool files_read(const struct tp_block *block, struct static_conf *conf, struct tp_str path,
                       struct tp_str name);
static struct static_file *files_add(struct static_conf *conf);
static void file_describe(struct static_file *file, struct tp_str path);
static uint64_t content_sum(struct tp_str content);
static bool files_list(const struct tp_block *block, const char *pattern, struct tp_str *paths);
static struct tp_str trim_slashes(struct tp_str path);
static struct tp_str take_line(struct tp_str *lines);
static bool ends_with(struct tp_str text, const char *end);
static int compare_files(const void *left, const void *right);
static int compare_names(struct tp_str left, struct tp_str right);

/* By the ends of names; the last one is of all others. */
static const struct {
    const char *end;
    const char *mime;
} file_types[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".htm", "text/html; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".mjs", "text/javascript; charset=utf-8" },
    { ".json", "application/json" },
    { ".map", "application/json" },
    { ".webmanifest", "application/manifest+json" },
    { ".txt", "text/plain; charset=utf-8" },
    { ".md", "text/markdown; charset=utf-8" },
    { ".csv", "text/csv; charset=utf-8" },
    { ".xml", "text/xml; charset=utf-8" },
    { ".svg", "image/svg+xml" },
    { ".png", "image/png" },
    { ".jpg", "image/jpeg" },
    { ".jpeg", "image/jpeg" },
    { ".gif", "image/gif" },
    { ".webp", "image/webp" },
    { ".avif", "image/avif" },
    { ".ico", "image/x-icon" },
    { ".woff2", "font/woff2" },
    { ".woff", "font/woff" },
    { ".ttf", "font/ttf" },
    { ".wasm", "application/wasm" },
    { ".pdf", "application/pdf" },
    { ".mp3", "audio/mpeg" },
    { ".mp4", "video/mp4" },
    { "", "application/octet-stream" },
};

void
static_files_load(const struct tp_block *block, struct static_conf *conf)
{
    char pattern[STATIC_PATTERN_MAX];
    size_t len = files_write_pattern(conf->path, pattern);
    struct tp_str found;

    if (len == 0) {
        tp_conf_complain(block, "static", 0, "the path is too long");
        return;
    }
    if (!files_list(block, pattern, &found)) {
        return;
    }
    conf->is_folder = ends_with(found, "/\n");
    if (found.len == 0) {
        tp_conf_complain(block, "static", 0, "there is no %s", conf->path.data);
    } else if (!conf->is_folder) {
        files_read(block, conf, conf->path, TP_STR(""));
    } else {
        files_load_folder(block, conf, pattern, len);
    }
    if (conf->file_count > 0) {
        qsort(conf->files, conf->file_count, sizeof(conf->files[0]), compare_files);
    }
}

void
static_files_free(struct static_conf *conf)
{
    free(conf->files);
    conf->files = NULL;
    conf->file_count = 0;
}

const struct static_file *
static_files_find(const struct static_conf *conf, struct tp_str name)
{
    const struct static_file wanted = { .name = name };

    return conf->file_count == 0 ? NULL
                                 : bsearch(&wanted, conf->files, conf->file_count,
                                           sizeof(conf->files[0]), compare_files);
}

/* Level by level; `pattern`, the folder's, becomes that of the last one. */
static void
files_load_folder(const struct tp_block *block, struct static_conf *conf, char *pattern, size_t len)
{
    struct tp_str paths;
    size_t name_at = trim_slashes(conf->path).len + 1;

    for (int depth = 0; depth <= STATIC_DEPTH_MAX; depth++) {
        bool has_folders = false;

        memcpy(pattern + len, "/*", sizeof("/*"));
        len += strlen("/*");
        if (!files_list(block, pattern, &paths)
            || !files_read_level(block, conf, paths, name_at, &has_folders) || !has_folders) {
            return;
        }
    }
    tp_conf_complain(block, "static", 0, "there are more than %d folders in each other",
                     STATIC_DEPTH_MAX);
}

/* The pattern that matches this path only, with room for all levels behind it; 0: too long. */
static size_t
files_write_pattern(struct tp_str path, char *pattern)
{
    size_t len = 0;

    path = trim_slashes(path);
    if (2 * path.len >= STATIC_PATTERN_MAX - (STATIC_DEPTH_MAX + 1) * sizeof("/*")) {
        return 0;
    }
    for (size_t i = 0; i < path.len; i++) {
        if (strchr("*?[\\", path.data[i]) != NULL) {
            pattern[len++] = '\\';
        }
        pattern[len++] = path.data[i];
    }
    pattern[len] = '\0';
    return len;
}

/* False: a complaint was made. */
static bool
files_read_level(const struct tp_block *block, struct static_conf *conf, struct tp_str paths,
                 size_t name_at, bool *has_folders)
{
    while (paths.len > 0) {
        struct tp_str path = take_line(&paths);

        if (ends_with(path, "/")) {
            *has_folders = true;
        } else if (!files_read(block, conf, path,
                               (struct tp_str){ path.data + name_at, path.len - name_at })) {
            return false;
        }
    }
    return true;
}

static bool
files_read(const struct tp_block *block, struct static_conf *conf, struct tp_str path,
           struct tp_str name)
{
    char terminated[STATIC_PATTERN_MAX];
    struct static_file *file = files_add(conf);

    if (file == NULL || path.len >= sizeof(terminated)) {
        tp_conf_complain(block, "static", 0, "there are more than %d files in %s", STATIC_FILES_MAX,
                         conf->path.data);
        return false;
    }
    memcpy(terminated, path.data, path.len);
    terminated[path.len] = '\0';
    enum tp_result result = tp_conf_read_file(block, terminated, &file->content);

    if (result != TP_OK) {
        tp_conf_complain(block, "static", 0, "cannot read %s: %s", terminated,
                         tp_result_sentence(result));
        return false;
    }
    conf->bytes += file->content.len;
    if (conf->bytes > conf->limit.bytes) {
        tp_conf_complain(block, "static", 0,
                         "with %s its files are larger than static_limit, which is %" PRIu64
                         " bytes",
                         terminated, conf->limit.bytes);
        return false;
    }
    file->name = name;
    file_describe(file, path);
    return true;
}

/* One more, all zeros; NULL: there are too many, or no memory for them. */
static struct static_file *
files_add(struct static_conf *conf)
{
    size_t count = conf->file_count;
    bool is_full = (count & (count + 1)) == 0; /* there is room for one less than a power of two */

    if (count == STATIC_FILES_MAX) {
        return NULL;
    }
    if (is_full) {
        struct static_file *larger = realloc(conf->files, (2 * count + 1) * sizeof(conf->files[0]));

        if (larger == NULL) {
            return NULL;
        }
        conf->files = larger;
    }
    conf->file_count = count + 1;
    conf->files[count] = (struct static_file){ 0 };
    return &conf->files[count];
}

static void
file_describe(struct static_file *file, struct tp_str path)
{
    size_t type = 0;

    while (!ends_with(path, file_types[type].end)) {
        type++;
    }
    file->mime = file_types[type].mime;
    snprintf(file->etag, sizeof(file->etag), "\"%" PRIx64 "-%zx\"", content_sum(file->content),
             file->content.len);
}

/* FNV-1a, 64 bits: it tells versions of a file apart, and protects nothing. */
static uint64_t
content_sum(struct tp_str content)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < content.len; i++) {
        sum = (sum ^ (unsigned char) content.data[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

/* False: a complaint was made. */
static bool
files_list(const struct tp_block *block, const char *pattern, struct tp_str *paths)
{
    enum tp_result result = tp_conf_expand(block, pattern, paths);

    if (result != TP_OK) {
        tp_conf_complain(block, "static", 0, "cannot list %s: %s", pattern,
                         tp_result_sentence(result));
    }
    return result == TP_OK;
}

/* The root's own stays. */
static struct tp_str
trim_slashes(struct tp_str path)
{
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

static struct tp_str
take_line(struct tp_str *lines)
{
    const char *end = lines->len == 0 ? NULL : memchr(lines->data, '\n', lines->len);
    size_t len = end == NULL ? lines->len : (size_t) (end - lines->data);
    struct tp_str line = { lines->data, len };

    lines->data = end == NULL ? lines->data + len : end + 1;
    lines->len -= end == NULL ? len : len + 1;
    return line;
}

static bool
ends_with(struct tp_str text, const char *end)
{
    size_t len = strlen(end);

    return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

static int
compare_files(const void *left, const void *right)
{
    const struct static_file *first = left;
    const struct static_file *second = right;

    return compare_names(first->name, second->name);
}

static int
compare_names(struct tp_str left, struct tp_str right)
{
    size_t len = left.len < right.len ? left.len : right.len;
    int order = len == 0 ? 0 : memcmp(left.data, right.data, len);

    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}
