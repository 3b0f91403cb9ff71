/*
 * dialer.c - connects to a target: a name's look-up, then its addresses one by one.
 *
 * An attempt is a block of its own, because a look-up cannot be called back: when the dialer
 * stops, or its time is over, the attempt stays until the resolver has returned and is freed
 * then, without its dialer.
 *
 * An address that never answers would use up the time of those behind it (a host with a broken
 * IPv6 route, say), so each gets an equal share of what is left.
 *
 * Runs in: worker, library.  Owns: the descriptor until it is connected.
 * Read next: os/resolve.c, session/dial.c (when it is tried again).
 */
#include "net/dialer.h"

#include "base/str.h"
#include "os/file.h"
#include "os/resolve.h"

#include <errno.h>
#include <stdlib.h>

enum {
    DIALER_FULL_RETRY_MS = 10, /* until a Unix socket's queue, which was full, may have room */
};

/* What a target says. */
struct dialer_target {
    struct tp_endpoint endpoint; /* of family NONE, with a port, for a name */
    struct tp_str name;          /* to be looked up; else empty */
};

struct dialer_attempt {
    struct tp_job job;
    struct tp_dialer *dialer; /* NULL: nobody waits for the look-up any more */
    bool is_looking_up;       /* a thread has what follows but for deadline_ms */
    int64_t deadline_ms;
    struct tp_resolved found;
    size_t next;           /* of found.addresses; those before were tried */
    enum tp_result result; /* of the look-up, or of the address that was tried last */
    int error;             /* errno with it */
    uint16_t port;
    struct tp_str path; /* of a Unix socket, which has no address; lies in text */
    char text[];        /* the path or the name, terminated */
};

static const char *target_parse(struct tp_str text, struct dialer_target *target);
static bool target_parse_name(struct tp_str text, struct dialer_target *target);
static struct dialer_attempt *attempt_make(const struct dialer_target *target);
static void attempt_look_up(struct tp_job *job);
static void attempt_on_looked_up(struct tp_job *job, bool was_run);
static void dialer_look_up(struct tp_dialer *dialer);
static void dialer_on_soon(struct tp_work *work);
static void dialer_go_on(struct tp_dialer *dialer);
static enum tp_result dialer_connect(struct tp_dialer *dialer, int *fd);
static enum tp_result dialer_await(struct tp_dialer *dialer, int fd);
static void dialer_on_event(struct tp_watcher *watcher, unsigned events);
static void dialer_on_time(struct tp_timer *timer);
static void dialer_start_timer(struct tp_dialer *dialer, int64_t delay_ms);
static void dialer_drop_socket(struct tp_dialer *dialer);
static void dialer_succeed(struct tp_dialer *dialer, int fd);
static void dialer_fail(struct tp_dialer *dialer, enum tp_result result, int error);

void
tp__dialer_init(struct tp_dialer *dialer, struct tp_loop *loop, struct tp_pool *pool,
                tp_dialer_fn on_end)
{
    *dialer = (struct tp_dialer){ .loop = loop, .pool = pool, .on_end = on_end };
    tp__watcher_init(&dialer->watcher, -1, dialer_on_event);
    tp__timer_init(&dialer->timer, dialer_on_time);
    tp__work_init(&dialer->soon, dialer_on_soon);
}

const char *
tp__dialer_check(struct tp_str text)
{
    struct dialer_target target;

    return target_parse(text, &target);
}

struct tp_str
tp__dialer_host(struct tp_str target)
{
    struct tp_str rest;

    if (tp__str_starts_with(target, TP_STR("unix:"))) {
        return TP_STR("");
    }
    if (tp__str_starts_with(target, TP_STR("["))) {
        return tp__str_cut(tp__str_skip(target, 1), ']', &rest);
    }
    if (memchr(target.data, ':', target.len) == NULL) {
        return TP_STR("localhost"); /* a port alone */
    }
    return tp__str_cut(target, ':', &rest);
}

enum tp_result
tp__dialer_start(struct tp_dialer *dialer, struct tp_str text, struct tp_msec timeout)
{
    struct dialer_target target;

    TP_ASSERT(dialer->attempt == NULL && timeout.ms > 0);
    if (target_parse(text, &target) != NULL) {
        return TP_INVALID;
    }
    struct dialer_attempt *attempt = attempt_make(&target);

    if (attempt == NULL) {
        return TP_NO_MEMORY;
    }
    attempt->dialer = dialer;
    dialer->attempt = attempt;
    tp__loop_start_timer(dialer->loop, &dialer->timer, timeout.ms);
    attempt->deadline_ms = dialer->timer.deadline_ms;
    if (target.name.len > 0) {
        dialer_look_up(dialer);
    } else {
        tp__loop_post(dialer->loop, &dialer->soon);
    }
    return TP_OK;
}

void
tp__dialer_stop(struct tp_dialer *dialer)
{
    struct dialer_attempt *attempt = dialer->attempt;

    if (attempt == NULL) {
        return;
    }
    dialer_drop_socket(dialer);
    tp__loop_stop_timer(dialer->loop, &dialer->timer);
    tp__work_cancel(&dialer->soon);
    dialer->attempt = NULL;
    if (attempt->is_looking_up) {
        attempt->dialer = NULL;
    } else {
        free(attempt);
    }
}

static const char *
target_parse(struct tp_str text, struct dialer_target *target)
{
    *target = (struct dialer_target){ .name = TP_STR("") };
    /* A port alone, or a star, is every address of this machine: one can listen there. */
    bool is_port = text.len > 0 && memchr(text.data, ':', text.len) == NULL;
    const char *wrong = tp__endpoint_parse(text, &target->endpoint);
    struct tp_address *address = &target->endpoint.address;

    if (tp__str_starts_with(text, TP_STR("unix:"))) {
        return wrong;
    }
    if (wrong == NULL && is_port) {
        const struct tp_address local = {
            .family = TP_ADDRESS_V4,
            .port = address->port,
            .ip = { 127, 0, 0, 1 },
        };

        *address = local;
        return NULL;
    }
    if (tp__str_starts_with(text, TP_STR("*"))) {
        return "an address or a name in front of the port";
    }
    if (wrong == NULL && !tp__str_starts_with(text, TP_STR("localhost:"))) {
        return NULL;
    }
    return target_parse_name(text, target)
               ? NULL
               : "host:port, an IPv4 or [IPv6] address with a port, or unix:/path";
}

/* "host:port": letters, digits, dots, hyphens and underlines, and no more than a name may have. */
static bool
target_parse_name(struct tp_str text, struct dialer_target *target)
{
    struct tp_str port;
    struct tp_str name = tp__str_cut(text, ':', &port);
    int64_t number;

    if (name.len == 0 || name.len > TP_HOST_NAME_MAX || tp__str_to_int64(port, &number) != TP_OK
        || number < 1 || number > 65535) {
        return false;
    }
    bool has_letter = false;

    for (size_t i = 0; i < name.len; i++) {
        char byte = name.data[i];
        char lower = (char) (byte | 0x20);
        bool is_letter = lower >= 'a' && lower <= 'z';

        has_letter |= is_letter;
        if (!is_letter && !(byte >= '0' && byte <= '9') && byte != '.' && byte != '-'
            && byte != '_') {
            return false;
        }
    }
    target->name = name;
    target->endpoint = (struct tp_endpoint){ .path = TP_STR("") };
    target->endpoint.address.port = (uint16_t) number;
    return has_letter; /* "1.2.3" is a mistyped address, whatever resolvers make of it */
}

static struct dialer_attempt *
attempt_make(const struct dialer_target *target)
{
    const struct tp_address *address = &target->endpoint.address;
    struct tp_str text = target->name.len > 0 ? target->name : target->endpoint.path;
    struct dialer_attempt *attempt = calloc(1, sizeof(*attempt) + text.len + 1);

    if (attempt == NULL) {
        return NULL;
    }
    attempt->job.run = attempt_look_up;
    attempt->job.done = attempt_on_looked_up;
    if (text.len > 0) {
        memcpy(attempt->text, text.data, text.len);
    }
    attempt->path = (struct tp_str){ attempt->text, target->endpoint.path.len };
    attempt->port = address->port;
    if (address->family != TP_ADDRESS_NONE) {
        attempt->found.addresses[0] = *address;
        attempt->found.count = 1;
    }
    return attempt;
}

static void
dialer_look_up(struct tp_dialer *dialer)
{
    struct dialer_attempt *attempt = dialer->attempt;

    enum tp_result result = TP_NOT_FOUND;

    if (dialer->pool != NULL) {
        result = tp__pool_submit(dialer->pool, &attempt->job);
    }
    attempt->is_looking_up = result == TP_OK;
    if (!attempt->is_looking_up) {
        attempt->result = result;
        attempt->error = errno;
        tp__loop_post(dialer->loop, &dialer->soon);
    }
}

/* On a thread of the pool. */
static void
attempt_look_up(struct tp_job *job)
{
    struct dialer_attempt *attempt = TP_CONTAINER_OF(job, struct dialer_attempt, job);

    errno = 0;
    attempt->result = tp__resolve(attempt->text, attempt->port, &attempt->found);
    attempt->error = errno;
}

static void
attempt_on_looked_up(struct tp_job *job, bool was_run)
{
    struct dialer_attempt *attempt = TP_CONTAINER_OF(job, struct dialer_attempt, job);
    struct tp_dialer *dialer = attempt->dialer;

    attempt->is_looking_up = false;
    if (dialer == NULL) {
        free(attempt);
        return;
    }
    if (!was_run) {
        attempt->result = TP_INTERRUPTED;
        attempt->error = 0;
    }
    /* Not at once: a pool that is being destroyed may not be called back into. */
    tp__loop_post(dialer->loop, &dialer->soon);
}

static void
dialer_on_soon(struct tp_work *work)
{
    dialer_go_on(TP_CONTAINER_OF(work, struct tp_dialer, soon));
}

/* Connects to the next address; when none is left it ends as the last one said. */
static void
dialer_go_on(struct tp_dialer *dialer)
{
    struct dialer_attempt *attempt = dialer->attempt;

    while (attempt->next < attempt->found.count) {
        int fd;
        enum tp_result result = dialer_connect(dialer, &fd);

        if (result == TP_FULL) {
            dialer_start_timer(dialer, DIALER_FULL_RETRY_MS);
            return;
        }
        attempt->next++;
        if (result == TP_AGAIN) {
            result = dialer_await(dialer, fd);
            if (result == TP_OK) {
                return;
            }
        } else if (result == TP_OK) {
            dialer_succeed(dialer, fd);
            return;
        }
        attempt->result = result;
        attempt->error = errno;
    }
    dialer_fail(dialer, attempt->result, attempt->error);
}

static enum tp_result
dialer_connect(struct tp_dialer *dialer, int *fd)
{
    const struct dialer_attempt *attempt = dialer->attempt;
    const struct tp_endpoint endpoint = {
        .address = attempt->found.addresses[attempt->next],
        .path = attempt->path,
    };

    return tp__socket_connect(&endpoint, fd);
}

/* The socket becomes writable when it is connected, or cannot be. */
static enum tp_result
dialer_await(struct tp_dialer *dialer, int fd)
{
    const struct dialer_attempt *attempt = dialer->attempt;
    int64_t left_ms = attempt->deadline_ms - tp__loop_now_ms(dialer->loop);
    int64_t others = (int64_t) (attempt->found.count - attempt->next);

    tp__watcher_init(&dialer->watcher, fd, dialer_on_event);
    enum tp_result result = tp__loop_watch(dialer->loop, &dialer->watcher, TP_EVENT_WRITE);

    if (result != TP_OK) {
        int error = errno;

        dialer_drop_socket(dialer);
        errno = error;
        return result;
    }
    dialer_start_timer(dialer, left_ms / (others + 1));
    return TP_OK;
}

static void
dialer_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct tp_dialer *dialer = TP_CONTAINER_OF(watcher, struct tp_dialer, watcher);
    struct dialer_attempt *attempt = dialer->attempt;
    int fd = dialer->watcher.fd;

    (void) events;
    attempt->result = tp__socket_finish_connect(fd);
    attempt->error = errno;
    if (attempt->result != TP_OK) {
        dialer_drop_socket(dialer);
        dialer_go_on(dialer);
        return;
    }
    tp__loop_unwatch(dialer->loop, &dialer->watcher);
    dialer->watcher.fd = -1;
    dialer_succeed(dialer, fd);
}

static void
dialer_on_time(struct tp_timer *timer)
{
    struct tp_dialer *dialer = TP_CONTAINER_OF(timer, struct tp_dialer, timer);
    struct dialer_attempt *attempt = dialer->attempt;

    if (tp__loop_now_ms(dialer->loop) >= attempt->deadline_ms) {
        dialer_fail(dialer, TP_TIMED_OUT, 0);
        return;
    }
    if (dialer->watcher.fd != -1) {
        dialer_drop_socket(dialer);
        attempt->result = TP_TIMED_OUT;
        attempt->error = 0;
    }
    dialer_go_on(dialer);
}

/* Never behind the deadline. */
static void
dialer_start_timer(struct tp_dialer *dialer, int64_t delay_ms)
{
    int64_t left_ms = dialer->attempt->deadline_ms - tp__loop_now_ms(dialer->loop);

    delay_ms = delay_ms < left_ms ? delay_ms : left_ms;
    tp__loop_start_timer(dialer->loop, &dialer->timer, delay_ms > 0 ? delay_ms : 1);
}

static void
dialer_drop_socket(struct tp_dialer *dialer)
{
    if (dialer->watcher.fd != -1) {
        tp__loop_unwatch(dialer->loop, &dialer->watcher);
        tp__descriptor_close(&dialer->watcher.fd);
    }
}

/* In both: the owner may start the next attempt, or go, from within its callback. */
static void
dialer_succeed(struct tp_dialer *dialer, int fd)
{
    const struct dialer_attempt *attempt = dialer->attempt;
    struct tp_address remote = attempt->found.addresses[attempt->next - 1];

    tp__dialer_stop(dialer);
    dialer->on_end(dialer, TP_OK, fd, &remote);
}

static void
dialer_fail(struct tp_dialer *dialer, enum tp_result result, int error)
{
    const struct tp_address nowhere = { .family = TP_ADDRESS_NONE };

    tp__dialer_stop(dialer);
    errno = error;
    dialer->on_end(dialer, result, -1, &nowhere);
}
