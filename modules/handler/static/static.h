/*
 * static.h - the files of a route: how they are read, and found.
 */
#ifndef TP_HANDLER_STATIC_H
#define TP_HANDLER_STATIC_H

#include <teleport/module.h>

enum {
    STATIC_ETAG_MAX = 48, /* with quotes and terminator */
};

/* A file, or one of a folder: constant, and lives as long as the configuration. */
struct static_file {
    struct tp_str name; /* below the folder, "js/app.js"; empty for a file that was named itself */
    struct tp_str content;
    const char *mime;
    char etag[STATIC_ETAG_MAX];
};

/* The conf of a route. */
struct static_conf {
    struct tp_str path;
    struct tp_str index;
    struct tp_msec max_age;
    struct tp_size limit;

    /* Filled when the configuration is checked. */
    struct static_file *files; /* in the order of their names */
    size_t file_count;
    uint64_t bytes;
    bool is_folder;
};

/* Reads all there is at conf->path, or complains. */
void static_files_load(const struct tp_block *block, struct static_conf *conf);

void static_files_free(struct static_conf *conf);

/* The file of this name; NULL when there is none. */
const struct static_file *static_files_find(const struct static_conf *conf, struct tp_str name);

#endif
