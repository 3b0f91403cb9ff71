/*
 * session/access_file.h - a file that one line is written to for each exchange, through a
 * buffer.
 *
 * Each worker has its own buffer; the file is shared, and opened for appending.  A buffer
 * is written when it is full, some time after its first line, and at the worker's end.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_ACCESS_FILE_H
#define TP_SESSION_ACCESS_FILE_H

#include "event/loop.h"

/* A part of a loaded configuration; nothing is allocated before the first line. */
struct tp_access_file {
    int fd;                /* borrowed; -1: there is none */
    size_t line_max;       /* the longest line that anybody writes */
    struct tp_size buffer; /* so many bytes are written at once, and at most a line more */
    struct tp_msec flush;  /* how long a line may wait */
    char *bytes;
    size_t used;
    struct tp_loop *loop; /* of the timer, while that runs */
    struct tp_timer timer;
};

/* An empty file on `fd`, whose buffer is as large as its users want it. */
void tp__access_file_init(struct tp_access_file *file, int fd);

/* Writes what is left and frees the buffer; the descriptor stays open. */
void tp__access_file_fini(struct tp_access_file *file);

/* Room for a line of at most line_max bytes; NULL when memory is out. */
char *tp__access_file_reserve(struct tp_access_file *file) TP_MUST_CHECK;

/* The line that was begun where reserve said ends in front of `end`. */
void tp__access_file_commit(struct tp_access_file *file, const char *end, struct tp_loop *loop);

/* Writes what is in the buffer. */
void tp__access_file_flush(struct tp_access_file *file);

#endif
