/*
 * server/access_file.h - a file that one line is written to for each exchange, through a
 * buffer.
 *
 * Each worker has its own buffer; the file is shared, and opened for appending.  A buffer
 * is written when it is full, some time after its first line, and at the worker's end.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SERVER_ACCESS_FILE_H
#define TP_SERVER_ACCESS_FILE_H

#include <teleport/directive.h>

#include "event/loop.h"

/*
 * How the last line began: whatever of a type a session asks within a second, its lines begin
 * alike.  Of which format, session, type and second that was; NULL: there is none.
 */
struct tp_access_front {
    const struct tp_template_part *format;
    uint64_t session_number;
    int64_t second_end_us;
    int32_t type;
    uint32_t len;
    size_t at; /* in the file's buffer */
};

/* A part of a loaded configuration; nothing is allocated before the first line. */
struct tp_access_file {
    int fd;                /* borrowed; -1: there is none */
    size_t line_max;       /* the longest line that anybody writes */
    struct tp_size buffer; /* so many bytes are written at once, and at most a line more */
    struct tp_msec flush;  /* how long a line may wait */
    char *bytes;
    size_t used;
    struct tp_access_front front;
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
