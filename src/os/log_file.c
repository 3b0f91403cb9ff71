/*
 * log_file.c - a log sink that is a descriptor.
 */
#include "os/log_file.h"

#include "os/file.h"
#include "os/process.h"

static void log_file_write(struct tp_log_sink *sink, const char *line, size_t len);

void
tp__log_file_init(struct tp_log_file *file, int fd)
{
    *file = (struct tp_log_file){
        .sink = { .write = log_file_write, .get_process_id = tp__process_id },
        .fd = fd,
    };
}

static void
log_file_write(struct tp_log_sink *sink, const char *line, size_t len)
{
    const struct tp_log_file *file = TP_CONTAINER_OF(sink, struct tp_log_file, sink);

    tp__file_write(file->fd, line, len);
}
