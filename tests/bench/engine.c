/*
 * engine.c - the load itself: one thread, one poller, all sessions.
 *
 * A session has as many slots as PULLs may be in flight.  A slot's PULL is encoded once,
 * before anything is measured, and its seq names the slot; when its answer comes it goes to
 * the end of the session's queue and leaves with whatever else the same read has freed.
 *
 * Runs in: the load program.  Owns: the sessions, their sockets, the packets.
 * Read next: wire.c, histogram.c.
 */
#include "engine.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    ENGINE_FIRST_SEQ = 128, /* from here on all seqs of a run take two bytes */
    ENGINE_EVENTS_MAX = 256,
    ENGINE_PIECES_MAX = 64, /* of one write */
    ENGINE_READ_BYTES = 256 * 1024,
    ENGINE_WAIT_MS = 10,
    ENGINE_REPLY_EXTRA = 256, /* a REPLY has a status besides, and its PULL's uri */
};

#define NS_PER_SECOND         UINT64_C(1000000000)
#define ENGINE_SILENCE_MAX_NS (20 * NS_PER_SECOND)

struct engine_session {
    int fd;
    bool is_blocked; /* waits until the socket takes more */
    uint8_t *rest;   /* the front of a packet that has not come whole */
    size_t rest_len;
    uint64_t *sent_ns; /* of each slot */
    uint16_t *queue;   /* a ring of the slots that wait to be sent */
    unsigned queue_head;
    unsigned queue_count;
    size_t head_sent; /* bytes of the first one that have left */
};

struct engine {
    const struct tp_engine_options *options;
    struct tp_engine_result *result;
    int poller;
    struct engine_session *sessions;
    uint8_t *packets; /* of all slots, one behind the other */
    size_t packet_len;
    size_t rest_max;
    uint8_t *input;
    uint64_t now_ns;
    uint64_t last_answer_ns;
    uint64_t unsent; /* PULLs that may still be sent */
    bool has_failed;
};

static int engine_prepare(struct engine *engine);
static int engine_encode_packets(struct engine *engine);
static int engine_open_session(struct engine *engine, struct engine_session *session);
static void engine_measure_count(struct engine *engine);
static void engine_measure_window(struct engine *engine);
static void engine_start_all(struct engine *engine);
static void engine_begin_measuring(struct engine *engine);
static void engine_end_measuring(struct engine *engine);
static void engine_turn(struct engine *engine);
static void engine_read(struct engine *engine, struct engine_session *session);
static size_t engine_take_replies(struct engine *engine, struct engine_session *session,
                                  size_t len);
static void engine_count_reply(struct engine *engine, struct engine_session *session,
                               const struct tp_wire_reply *reply);
static void engine_queue_slot(struct engine *engine, struct engine_session *session, unsigned slot);
static void engine_write(struct engine *engine, struct engine_session *session);
static size_t engine_gather(const struct engine *engine, const struct engine_session *session,
                            struct iovec *pieces);
static void engine_drop_sent(struct engine *engine, struct engine_session *session, size_t sent);
static void engine_watch(struct engine *engine, struct engine_session *session, int operation);
static void engine_fail(struct engine *engine, const char *why);
static void engine_finish(struct engine *engine);
static uint64_t engine_clock_ns(void);
static uint64_t engine_cpu_ns(long pid);

int
tp__engine_run(const struct tp_engine_options *options, struct tp_engine_result *result)
{
    struct engine engine = {
        .options = options,
        .result = result,
        .poller = epoll_create1(EPOLL_CLOEXEC),
        .unsent = options->pull_count > 0 ? options->pull_count : UINT64_MAX,
    };

    *result = (struct tp_engine_result){ .pulls = 0 };
    if (engine_prepare(&engine) == -1) {
        engine.has_failed = true;
    } else if (options->pull_count > 0) {
        engine_measure_count(&engine);
    } else {
        engine_measure_window(&engine);
    }
    engine_finish(&engine);
    return engine.has_failed ? -1 : 0;
}

static int
engine_prepare(struct engine *engine)
{
    const struct tp_engine_options *options = engine->options;

    engine->sessions = calloc(options->session_count, sizeof(*engine->sessions));
    if (engine->sessions == NULL || engine_encode_packets(engine) == -1) {
        fprintf(stderr, "there is not enough memory\n");
        return -1;
    }
    for (unsigned i = 0; i < options->session_count; i++) {
        engine->sessions[i].fd = -1;
    }
    for (unsigned i = 0; i < options->session_count; i++) {
        if (engine_open_session(engine, &engine->sessions[i]) == -1) {
            return -1;
        }
    }
    return 0;
}

static int
engine_encode_packets(struct engine *engine)
{
    struct tp_wire_pull pull = engine->options->pull;
    unsigned depth = engine->options->depth;
    size_t packet_max = tp__wire_pull_max(&pull);

    engine->rest_max = packet_max + ENGINE_REPLY_EXTRA;
    engine->input = malloc(engine->rest_max + ENGINE_READ_BYTES);
    engine->packets = malloc(depth * packet_max);
    if (engine->input == NULL || engine->packets == NULL) {
        return -1;
    }
    for (unsigned slot = 0; slot < depth; slot++) {
        pull.seq = ENGINE_FIRST_SEQ + slot;
        engine->packet_len =
            tp__wire_write_pull(engine->packets + slot * engine->packet_len, &pull);
    }
    return 0;
}

static int
engine_open_session(struct engine *engine, struct engine_session *session)
{
    unsigned depth = engine->options->depth;

    session->rest = malloc(engine->rest_max);
    session->sent_ns = calloc(depth, sizeof(*session->sent_ns));
    session->queue = calloc(depth, sizeof(*session->queue));
    if (session->rest == NULL || session->sent_ns == NULL || session->queue == NULL) {
        fprintf(stderr, "there is not enough memory\n");
        return -1;
    }
    session->fd = tp__client_connect(engine->options->address);
    if (session->fd == -1) {
        return -1;
    }
    if (fcntl(session->fd, F_SETFL, O_NONBLOCK) == -1) {
        perror("fcntl");
        return -1;
    }
    engine_watch(engine, session, EPOLL_CTL_ADD);
    return engine->has_failed ? -1 : 0;
}

static void
engine_measure_count(struct engine *engine)
{
    engine->now_ns = engine_clock_ns();
    engine_begin_measuring(engine);
    engine_start_all(engine);
    while (!engine->has_failed && engine->result->pulls < engine->options->pull_count) {
        engine_turn(engine);
    }
    engine_end_measuring(engine);
}

static void
engine_measure_window(struct engine *engine)
{
    engine_start_all(engine);
    uint64_t begin_ns =
        engine->now_ns + (uint64_t) (engine->options->warm_up_s * (double) NS_PER_SECOND);
    uint64_t window_ns = (uint64_t) (engine->options->seconds * (double) NS_PER_SECOND);

    while (!engine->has_failed && engine->now_ns < begin_ns) {
        engine_turn(engine);
    }
    engine_begin_measuring(engine);
    uint64_t end_ns = engine->now_ns + window_ns;

    while (!engine->has_failed && engine->now_ns < end_ns) {
        engine_turn(engine);
    }
    engine_end_measuring(engine);
}

static void
engine_start_all(struct engine *engine)
{
    engine->now_ns = engine_clock_ns();
    engine->last_answer_ns = engine->now_ns;
    for (unsigned i = 0; i < engine->options->session_count; i++) {
        struct engine_session *session = &engine->sessions[i];

        for (unsigned slot = 0; slot < engine->options->depth; slot++) {
            engine_queue_slot(engine, session, slot);
        }
        engine_write(engine, session);
    }
}

/* The result holds the values at the beginning until the end takes them off. */
static void
engine_begin_measuring(struct engine *engine)
{
    *engine->result = (struct tp_engine_result){
        .elapsed_ns = engine->now_ns,
        .server_cpu_ns = engine_cpu_ns(engine->options->server_pid),
    };
}

static void
engine_end_measuring(struct engine *engine)
{
    struct tp_engine_result *result = engine->result;

    result->elapsed_ns = engine->now_ns - result->elapsed_ns;
    result->server_cpu_ns = engine_cpu_ns(engine->options->server_pid) - result->server_cpu_ns;
}

static void
engine_turn(struct engine *engine)
{
    struct epoll_event events[ENGINE_EVENTS_MAX];
    int count = epoll_wait(engine->poller, events, ENGINE_EVENTS_MAX, ENGINE_WAIT_MS);

    engine->now_ns = engine_clock_ns();
    for (int i = 0; i < count; i++) {
        struct engine_session *session = events[i].data.ptr;

        if ((events[i].events & ~(uint32_t) EPOLLOUT) != 0) {
            engine_read(engine, session);
        }
        engine_write(engine, session);
    }
    if (engine->now_ns - engine->last_answer_ns > ENGINE_SILENCE_MAX_NS) {
        engine_fail(engine, "no answer has come for a long time");
    }
}

static void
engine_read(struct engine *engine, struct engine_session *session)
{
    memcpy(engine->input, session->rest, session->rest_len);
    ssize_t received = recv(session->fd, engine->input + session->rest_len, ENGINE_READ_BYTES, 0);

    if (received == -1 && errno == EAGAIN) {
        return;
    }
    if (received <= 0) {
        engine_fail(engine, received == 0 ? "the server closed a session" : strerror(errno));
        return;
    }
    size_t len = session->rest_len + (size_t) received;

    engine->now_ns = engine_clock_ns();
    size_t taken = engine_take_replies(engine, session, len);

    session->rest_len = len - taken;
    if (session->rest_len > engine->rest_max) {
        engine_fail(engine, "a reply is larger than expected");
        session->rest_len = 0;
    }
    memcpy(session->rest, engine->input + taken, session->rest_len);
}

/* Returns how many of the `len` bytes of input were whole replies. */
static size_t
engine_take_replies(struct engine *engine, struct engine_session *session, size_t len)
{
    struct tp_wire_reply reply;
    enum tp_wire_outcome outcome;
    size_t taken = 0;

    while ((outcome = tp__wire_read_reply(engine->input + taken, len - taken, &reply))
           == TP_WIRE_WHOLE) {
        taken += reply.wire_len;
        engine_count_reply(engine, session, &reply);
    }
    if (outcome == TP_WIRE_BROKEN) {
        engine_fail(engine, "what came back is not Teleport");
    }
    return taken;
}

static void
engine_count_reply(struct engine *engine, struct engine_session *session,
                   const struct tp_wire_reply *reply)
{
    const struct tp_engine_options *options = engine->options;
    uint64_t slot = reply->seq - ENGINE_FIRST_SEQ;

    if (slot >= options->depth
        || reply->type != (options->is_bare_echo ? TP_WIRE_PULL : TP_WIRE_REPLY)) {
        engine_fail(engine, "an answer came to what was not asked");
        return;
    }
    if (!options->is_bare_echo && reply->status_code != TP_WIRE_STATUS_OK) {
        engine->result->refused++;
    }
    engine->result->pulls++;
    engine->last_answer_ns = engine->now_ns;
    tp__histogram_add(&engine->result->latency_ns, engine->now_ns - session->sent_ns[slot]);
    engine_queue_slot(engine, session, (unsigned) slot);
}

static void
engine_queue_slot(struct engine *engine, struct engine_session *session, unsigned slot)
{
    unsigned depth = engine->options->depth;

    if (engine->unsent == 0) {
        return;
    }
    engine->unsent--;
    session->sent_ns[slot] = engine->now_ns;
    session->queue[(session->queue_head + session->queue_count) % depth] = (uint16_t) slot;
    session->queue_count++;
}

static void
engine_write(struct engine *engine, struct engine_session *session)
{
    bool was_blocked = session->is_blocked;

    session->is_blocked = false;
    while (session->queue_count > 0 && !session->is_blocked && !engine->has_failed) {
        struct iovec pieces[ENGINE_PIECES_MAX];
        struct msghdr message = { .msg_iov = pieces };

        message.msg_iovlen = engine_gather(engine, session, pieces);
        ssize_t sent = sendmsg(session->fd, &message, MSG_NOSIGNAL);

        if (sent >= 0) {
            engine_drop_sent(engine, session, (size_t) sent);
        } else if (errno == EAGAIN) {
            session->is_blocked = true;
        } else {
            engine_fail(engine, strerror(errno));
        }
    }
    if (session->is_blocked != was_blocked) {
        engine_watch(engine, session, EPOLL_CTL_MOD);
    }
}

/* Slots that follow each other lie behind each other: mostly one piece is enough. */
static size_t
engine_gather(const struct engine *engine, const struct engine_session *session,
              struct iovec *pieces)
{
    unsigned depth = engine->options->depth;
    size_t count = 0;

    for (unsigned i = 0; i < session->queue_count; i++) {
        unsigned slot = session->queue[(session->queue_head + i) % depth];
        uint8_t *packet = engine->packets + slot * engine->packet_len;
        struct iovec *last = count > 0 ? &pieces[count - 1] : NULL;

        if (last != NULL && (uint8_t *) last->iov_base + last->iov_len == packet) {
            last->iov_len += engine->packet_len;
        } else if (count == ENGINE_PIECES_MAX) {
            break;
        } else {
            size_t gone = i == 0 ? session->head_sent : 0;

            pieces[count++] =
                (struct iovec){ .iov_base = packet + gone, .iov_len = engine->packet_len - gone };
        }
    }
    return count;
}

static void
engine_drop_sent(struct engine *engine, struct engine_session *session, size_t sent)
{
    size_t total = session->head_sent + sent;
    unsigned whole = (unsigned) (total / engine->packet_len);

    session->head_sent = total % engine->packet_len;
    session->queue_head = (session->queue_head + whole) % engine->options->depth;
    session->queue_count -= whole;
}

static void
engine_watch(struct engine *engine, struct engine_session *session, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (session->is_blocked ? (uint32_t) EPOLLOUT : 0),
        .data.ptr = session,
    };

    if (epoll_ctl(engine->poller, operation, session->fd, &event) == -1) {
        engine_fail(engine, strerror(errno));
    }
}

/* Only the first failure is told: it is the cause of the others. */
static void
engine_fail(struct engine *engine, const char *why)
{
    if (!engine->has_failed) {
        fprintf(stderr, "%s: %s\n", engine->options->address, why);
    }
    engine->has_failed = true;
}

static void
engine_finish(struct engine *engine)
{
    for (unsigned i = 0; engine->sessions != NULL && i < engine->options->session_count; i++) {
        struct engine_session *session = &engine->sessions[i];

        if (session->fd > 0) {
            close(session->fd);
        }
        free(session->rest);
        free(session->sent_ns);
        free(session->queue);
    }
    close(engine->poller);
    free(engine->sessions);
    free(engine->packets);
    free(engine->input);
}

static uint64_t
engine_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * NS_PER_SECOND + (uint64_t) now.tv_nsec;
}

/* What the process has run so far, in the kernel too; 0 where the system does not tell. */
static uint64_t
engine_cpu_ns(long pid)
{
    char path[64];
    unsigned long long ran_ns = 0;

    if (pid == 0) {
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/%ld/schedstat", pid);
    FILE *file = fopen(path, "re");

    if (file == NULL || fscanf(file, "%llu", &ran_ns) != 1) {
        perror(path);
    }
    if (file != NULL) {
        fclose(file);
    }
    return ran_ns;
}
