/*
 * fault.c - places where tests make a process fail, hang or die.
 *
 * Runs in: any process, but only under a test that sets TELEPORT_FAULTS.
 */
#include "os/fault.h"

#include "base/str.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FAULT_FILE_MAX = 64 * 1024, /* bytes */
};

/* One line of the file. */
struct fault_line {
    struct tp_str point;
    struct tp_str action;
    bool is_once;
};

static bool fault_find(struct tp_str content, struct tp_str point, struct fault_line *found);
static struct tp_str fault_take_word(struct tp_str *rest);
static bool fault_claim(const char *path, struct tp_str point);
static enum tp_result fault_strike(struct tp_str action);

enum tp_result
tp__fault(const char *point)
{
    const char *path = getenv("TELEPORT_FAULTS");
    struct tp_text content = { 0 };
    struct fault_line line;
    enum tp_result result = TP_OK;

    if (path == NULL) {
        return TP_OK;
    }
    if (tp__file_read(path, FAULT_FILE_MAX, &content) == TP_OK
        && fault_find(tp__text_get(&content), tp__str(point), &line)
        && (!line.is_once || fault_claim(path, line.point))) {
        result = fault_strike(line.action);
    }
    tp__text_fini(&content);
    return result;
}

static bool
fault_find(struct tp_str content, struct tp_str point, struct fault_line *found)
{
    while (content.len > 0) {
        struct tp_str line = tp__str_cut(content, '\n', &content);

        found->point = fault_take_word(&line);
        found->action = fault_take_word(&line);
        found->is_once = tp__str_equal(fault_take_word(&line), TP_STR("once"));
        if (tp__str_equal(found->point, point)) {
            return true;
        }
    }
    return false;
}

/* The first word of *rest, which goes on behind it; empty at the end. */
static struct tp_str
fault_take_word(struct tp_str *rest)
{
    while (rest->len > 0 && rest->data[0] == ' ') {
        *rest = tp__str_skip(*rest, 1);
    }
    return tp__str_cut(*rest, ' ', rest);
}

/* True for the one process that creates the point's file beside the file at `path`. */
static bool
fault_claim(const char *path, struct tp_str point)
{
    const char *last_slash = strrchr(path, '/');
    int directory_len = last_slash == NULL ? 0 : (int) (last_slash - path) + 1;
    struct tp_text claim = { 0 };
    int fd = -1;

    tp__text_printf(&claim, "%.*s%.*s.claimed", directory_len, path, TP_STR_ARG(point));
    if (tp__text_is_whole(&claim)) {
        fd = open(tp__text_get(&claim).data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    tp__text_fini(&claim);
    if (fd == -1) {
        return false;
    }
    tp__descriptor_close(&fd);
    return true;
}

static enum tp_result
fault_strike(struct tp_str action)
{
    if (tp__str_equal(action, TP_STR("die"))) {
        kill(getpid(), SIGKILL);
    }
    while (tp__str_equal(action, TP_STR("hang"))) {
        pause();
    }
    if (tp__str_equal(action, TP_STR("fail"))) {
        errno = EIO;
        return TP_SYSTEM;
    }
    return TP_OK;
}
