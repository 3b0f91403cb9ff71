/*
 * access_file.c - buffered lines about exchanges.
 *
 * Runs in: worker.  Owns: the buffer and its timer.
 * Read next: session/exchange_log.c, which writes the lines.
 */
#include "server/access_file.h"

#include "os/file.h"

#include <stdlib.h>

static void access_file_on_time(struct tp_timer *timer);

void
tp__access_file_init(struct tp_access_file *file, int fd)
{
    *file = (struct tp_access_file){ .fd = fd };
    tp__timer_init(&file->timer, access_file_on_time);
}

void
tp__access_file_fini(struct tp_access_file *file)
{
    tp__access_file_flush(file);
    free(file->bytes);
    file->bytes = NULL;
}

char *
tp__access_file_reserve(struct tp_access_file *file)
{
    if (file->bytes == NULL) {
        file->bytes = malloc((size_t) file->buffer.bytes + file->line_max);
    }
    return file->bytes == NULL ? NULL : file->bytes + file->used;
}

void
tp__access_file_commit(struct tp_access_file *file, const char *end, struct tp_loop *loop)
{
    TP_ASSERT((size_t) (end - file->bytes) <= file->used + file->line_max);
    file->used = (size_t) (end - file->bytes);
    if (file->used >= file->buffer.bytes) {
        tp__access_file_flush(file);
    } else if (file->loop == NULL) {
        file->loop = loop;
        tp__loop_start_timer(loop, &file->timer, file->flush.ms);
    }
}

void
tp__access_file_flush(struct tp_access_file *file)
{
    if (file->loop != NULL) {
        tp__loop_stop_timer(file->loop, &file->timer);
        file->loop = NULL;
    }
    if (file->used > 0) {
        tp__file_write(file->fd, file->bytes, file->used);
        file->used = 0;
        file->front.format = NULL; /* the next line is written over it */
    }
}

static void
access_file_on_time(struct tp_timer *timer)
{
    tp__access_file_flush(TP_CONTAINER_OF(timer, struct tp_access_file, timer));
}
