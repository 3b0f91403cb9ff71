/*
 * control_client.c - asks a running server over its control socket.
 *
 * Runs in: the process of `teleport -s`.  Blocks.
 */
#include "process/control.h"

#include "base/str.h"
#include "os/file.h"
#include "os/socket.h"

enum {
    CONTROL_READ_BYTES = 4096,
};

static enum tp_result control_send(int fd, enum tp_control_command command);
static enum tp_result control_read_all(int fd, struct tp_text *answer);
static bool control_take_verdict(struct tp_text *answer);

enum tp_result
tp__control_ask(const char *path, enum tp_control_command command, struct tp_text *answer,
                bool *has_succeeded)
{
    int fd;
    enum tp_result result = tp__socket_connect_unix(path, &fd);

    if (result != TP_OK) {
        return result;
    }
    result = control_send(fd, command);
    if (result == TP_OK) {
        result = control_read_all(fd, answer);
    }
    tp__descriptor_close(&fd);
    *has_succeeded = result == TP_OK && control_take_verdict(answer);
    return result;
}

/* A command is far smaller than any socket's buffer: it goes out whole or not at all. */
static enum tp_result
control_send(int fd, enum tp_control_command command)
{
    struct tp_text line = { 0 };
    size_t count;

    tp__text_printf(&line, "%s\n", tp__control_word(command));
    enum tp_result result = tp__socket_write(fd, line.data, line.len, &count);

    tp__text_fini(&line);
    return result;
}

static enum tp_result
control_read_all(int fd, struct tp_text *answer)
{
    char bytes[CONTROL_READ_BYTES];
    size_t count;

    for (;;) {
        enum tp_result result = tp__socket_read(fd, bytes, sizeof(bytes), &count);

        if (result == TP_INTERRUPTED) {
            continue;
        }
        if (result != TP_OK || count == 0) {
            return result;
        }
        tp__text_append(answer, (struct tp_str){ bytes, count });
    }
}

/* Cuts the last line off: it is the verdict.  A server that died on the way gives none. */
static bool
control_take_verdict(struct tp_text *answer)
{
    struct tp_str text = tp__text_get(answer);
    struct tp_str good = TP_STR("ok\n");
    struct tp_str bad = TP_STR("failed\n");
    bool is_good =
        text.len >= good.len && tp__str_equal(tp__str_skip(text, text.len - good.len), good);
    bool is_bad = text.len >= bad.len && tp__str_equal(tp__str_skip(text, text.len - bad.len), bad);

    if (is_good || is_bad) {
        answer->len -= is_good ? good.len : bad.len;
        answer->data[answer->len] = '\0';
    }
    return is_good;
}
