/*
 * conf/place.h - where in which text something stands, and the bounds of the
 * language.
 */
#ifndef TP_CONF_PLACE_H
#define TP_CONF_PLACE_H

#include <teleport/base.h>

/* The configuration is its owner's own, but a wrong path must not cost all memory. */
enum {
    TP_CONF_FILE_BYTES_MAX = 4 * 1024 * 1024,
    TP_CONF_TOTAL_BYTES_MAX = 16 * 1024 * 1024, /* all files and words together */
    TP_CONF_WORD_BYTES_MAX = 16 * 1024,
    TP_CONF_WORDS_MAX = 64, /* a directive's name and arguments */
    TP_CONF_BLOCK_DEPTH_MAX = 16,
    TP_CONF_BLOCKS_MAX = 16 * 1024,
    TP_CONF_INCLUDE_DEPTH_MAX = 16,
    TP_CONF_VARIABLES_MAX = 256, /* visible at one place */
};

/* One text: a file, or what -g brought. */
struct tp_conf_source {
    const char *name;                      /* its path, as messages show it */
    struct tp_str text;                    /* gone once loading is over */
    const struct tp_conf_source *includer; /* NULL for the main file and -g */
    unsigned depth;                        /* how many includes led here */
};

/* A piece of one line of a source. */
struct tp_conf_place {
    const struct tp_conf_source *source;
    size_t offset;   /* of its first byte in the source's text */
    size_t len;      /* in bytes; 0 is shown as one caret */
    unsigned line;   /* from 1; 0: the source as a whole */
    unsigned column; /* in characters, from 1 */
    unsigned order;  /* grows while reading, across files: messages are sorted by it */
};

#endif
