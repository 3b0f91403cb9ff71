/*
 * crash.c - a worker that crashes says where, and what it was doing.
 *
 * The report is written piece by piece to the error log, what is certain first, because any
 * step may fail on what the fault has left behind.  Then who waits for the exchange that was
 * being served is told, and the process ends by its signal.
 *
 * Runs in: worker, in a signal handler.  Owns: nothing.
 * Read next: os/crash.c, session/exchange_crash.c.
 */
#include "process/crash.h"

#include "base/clock.h"
#include "base/str.h"
#include "os/file.h"
#include "os/log_file.h"
#include "os/process.h"
#include "process/worker.h"
#include "session/exchange_crash.h"
#include "session/variables.h"

#include <string.h>

enum {
    CRASH_LINE_MAX = 1024,
    CRASH_URI_SHOWN_MAX = 512, /* escaped */
};

/* A line being written without the C library's help, which may take locks.  Too much is cut. */
struct crash_line {
    size_t len;
    char bytes[CRASH_LINE_MAX];
};

static void crash_on_crash(void *owner, const struct tp_crash *crash);
static void crash_write_facts(const struct tp_worker *worker, int fd, const struct tp_crash *crash);
static void crash_write_exchange(const struct tp_exchange_trace *trace, int fd);
static void crash_answer(struct tp_worker *worker, int fd);
static void line_add(struct crash_line *line, const char *text);
static void line_add_bytes(struct crash_line *line, struct tp_str bytes);
static void line_add_number(struct crash_line *line, const char *name, uint64_t number,
                            unsigned base);
static void line_write(struct crash_line *line, int fd);

enum tp_result
tp__worker_crash_init(struct tp_worker *worker)
{
    enum tp_result result = tp__exchange_prepare_crash(&worker->sessions);

    worker->crash.utc_offset_s = tp__clock_utc_offset();
    return result == TP_OK ? tp__crash_catch(crash_on_crash, worker, &worker->crash.catcher)
                           : result;
}

void
tp__worker_crash_fini(struct tp_worker *worker)
{
    tp__crash_release(&worker->crash.catcher);
}

static void
crash_on_crash(void *owner, const struct tp_crash *crash)
{
    struct tp_worker *worker = owner;
    struct tp_exchange_trace trace;
    int fd = TP_CONTAINER_OF(worker->cycle->log.sink, struct tp_log_file, sink)->fd;

    crash_write_facts(worker, fd, crash);
    bool is_serving = tp__exchange_trace(&worker->sessions, &trace);

    if (is_serving) {
        crash_write_exchange(&trace, fd);
    }
    tp__crash_write_calls(fd, TP_STR("    in "));
    if (is_serving) {
        crash_answer(worker, fd);
    }
}

static void
crash_write_facts(const struct tp_worker *worker, int fd, const struct tp_crash *crash)
{
    struct crash_line line = { .len = 0 };
    char time[TP_CLOCK_TEXT_MAX];

    line_add(&line, tp__clock_format_at(worker->crash.utc_offset_s, time));
    line_add_number(&line, " [alert] ", (uint64_t) tp__process_id(), 10);
    line_add(&line, " ");
    line_add(&line, "worker-crashed");
    line_add_number(&line, ": slot=", worker->slot, 10);
    line_add(&line, " signal=");
    line_add(&line, crash->signal);
    if (crash->has_address) {
        line_add_number(&line, " address=0x", (uint64_t) (uintptr_t) crash->address, 16);
    } else if (crash->sender != 0) {
        line_add_number(&line, " from_pid=", (uint64_t) crash->sender, 10);
    }
    line_add_number(&line, " generation=", worker->cycle->generation, 10);
    line_add_number(&line, " sessions=", worker->sessions.count, 10);
    line_write(&line, fd);
}

static void
crash_write_exchange(const struct tp_exchange_trace *trace, int fd)
{
    struct crash_line line = { .len = 0 };
    char uri[CRASH_URI_SHOWN_MAX];
    struct tp_value_writer writer = {
        .next = uri,
        .text_room = sizeof(uri),
        .is_log = true,
    };

    line_add(&line, "    while ");
    line_add(&line, trace->handler);
    line_add(&line, " handled type=");
    line_add(&line, trace->type);
    line_add_number(&line, " seq=", trace->seq, 10);
    line_add_number(&line, " number=", trace->session_number, 10);
    line_add(&line, " uri=\"");
    tp__value_write_text(&writer, trace->uri);
    line_add_bytes(&line, (struct tp_str){ uri, (size_t) (writer.next - uri) });
    line_add(&line, "\"");
    line_write(&line, fd);
}

/* Whoever sent a PUSH waits for nothing. */
static void
crash_answer(struct tp_worker *worker, int fd)
{
    struct crash_line line = { .len = 0 };
    enum tp_result result = tp__exchange_answer_crash(&worker->sessions);

    if (result == TP_NOT_FOUND) {
        return;
    }
    line_add(&line, "    the caller was ");
    line_add(&line, result == TP_OK ? "answered 500" : "not answered: ");
    line_add(&line, result == TP_OK ? "" : tp_result_word(result));
    line_write(&line, fd);
}

static void
line_add(struct crash_line *line, const char *text)
{
    line_add_bytes(line, (struct tp_str){ text, strlen(text) });
}

/* Room for the line's end always stays. */
static void
line_add_bytes(struct crash_line *line, struct tp_str bytes)
{
    size_t room = sizeof(line->bytes) - 1 - line->len;
    size_t len = bytes.len < room ? bytes.len : room;

    memcpy(line->bytes + line->len, bytes.data, len);
    line->len += len;
}

static void
line_add_number(struct crash_line *line, const char *name, uint64_t number, unsigned base)
{
    char digits[20]; /* of the largest number, from the last to the first */
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    line_add(line, name);
    line_add_bytes(line, (struct tp_str){ digits + at, sizeof(digits) - at });
}

static void
line_write(struct crash_line *line, int fd)
{
    line->bytes[line->len++] = '\n';
    tp__file_write(fd, line->bytes, line->len);
}
