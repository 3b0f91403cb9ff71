/*
 * scratch.h - a directory of a test's own, and quiet for tests that end in an abort.
 *
 * A test that fails leaves its directory behind: what is in it may tell why.
 */
#ifndef TP_TESTS_UNIT_SCRATCH_H
#define TP_TESTS_UNIT_SCRATCH_H

#include <stddef.h>

/* A sanitizer's allocator ends the process where malloc() returns NULL. */
#if defined(__SANITIZE_ADDRESS__)
#    define TP_TEST_HAS_SANITIZER 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define TP_TEST_HAS_SANITIZER 1
#    endif
#endif

enum {
    TP_SCRATCH_PATH_MAX = 96, /* short enough for a Unix socket's path */
};

struct tp_scratch {
    char directory[TP_SCRATCH_PATH_MAX];
    char path[TP_SCRATCH_PATH_MAX]; /* the last one asked for */
};

/* Makes an empty directory; ends the test when that cannot be done. */
void tp__scratch_open(struct tp_scratch *scratch);

/* Removes the directory and the files in it. */
void tp__scratch_close(struct tp_scratch *scratch);

/* The path of `name` in the directory: borrowed until the next call. */
const char *tp__scratch_path(struct tp_scratch *scratch, const char *name);

/* Makes a file with `content`, or with nothing when that is NULL; returns its path. */
const char *tp__scratch_write(struct tp_scratch *scratch, const char *name, const char *content);

/* Sends standard error to /dev/null: the abort that follows is the one that is wanted. */
void tp__scratch_be_quiet(void);

#endif
