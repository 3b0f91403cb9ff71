/*
 * exchange_crash.c - for the moment in which a worker crashes: which exchange it was serving,
 * and a last answer to who waits for it.
 *
 * Nothing that is found here is beyond doubt, so nothing is asserted and nothing is changed
 * but the output, which the worker will not use again.
 *
 * Runs in: worker, in a signal handler.  Owns: nothing.
 * Read next: process/crash.c.
 */
#include "session/exchange_crash.h"

#include "base/str.h"
#include "os/socket.h"
#include "session/record.h"

enum {
    CRASH_URI_MAX = 8 * 1024, /* its reply repeats it; escaped it still fits the output's buffer */
};

static const struct tp_exchange *crash_running(const struct tp_sessions *sessions);
static enum tp_result crash_send(struct tp_output *output, int fd);

enum tp_result
tp__exchange_prepare_crash(struct tp_sessions *sessions)
{
    return tp_output_reserve(&sessions->output, 0) == NULL ? TP_NO_MEMORY : TP_OK;
}

bool
tp__exchange_trace(const struct tp_sessions *sessions, struct tp_exchange_trace *trace)
{
    const struct tp_exchange *exchange = crash_running(sessions);

    if (exchange == NULL) {
        return false;
    }
    *trace = (struct tp_exchange_trace){
        .type = tp_packet_type_word(exchange->request.type),
        .handler = exchange->route->handler->handler,
        .uri = exchange->request.uri,
        .seq = exchange->request.seq,
        .session_number = exchange->session_number,
    };
    return true;
}

enum tp_result
tp__exchange_answer_crash(struct tp_sessions *sessions)
{
    const struct tp_exchange *exchange = crash_running(sessions);
    struct tp_output *output = &sessions->output;

    if (exchange == NULL || exchange->session == NULL || exchange->request.type != TP_PACKET_PULL) {
        return TP_NOT_FOUND;
    }
    bool is_free = tp__output_len(output) == 0 || sessions->encoded_for == exchange->session;

    if (exchange->session->unsent.len > 0 || !is_free) {
        return TP_IN_USE;
    }
    if (exchange->request.uri.len > CRASH_URI_MAX || output->filling == NULL) {
        return TP_TOO_LARGE;
    }
    struct tp_packet reply = {
        .type = TP_PACKET_REPLY,
        .seq = exchange->request.seq,
        .uri = exchange->request.uri,
        .header_codec = exchange->request.header_codec,
        .note = exchange->request.note,
        .status = tp_status_of(TP_STATUS_INTERNAL_ERROR),
    };
    struct tp_wire wire = tp__session_wire(exchange->session);
    enum tp_result result = exchange->session->protocol->protocol->encode(&wire, &reply, output);

    return result == TP_OK ? crash_send(output, exchange->session->watcher.fd) : result;
}

static const struct tp_exchange *
crash_running(const struct tp_sessions *sessions)
{
    const struct tp_exchange *exchange = sessions->running;

    return exchange != NULL && exchange->magic == TP_EXCHANGE_MAGIC ? exchange : NULL;
}

/* Whole or in part: the connection ends with the process. */
static enum tp_result
crash_send(struct tp_output *output, int fd)
{
    size_t count;
    size_t written;
    const struct tp_slice *slices = tp__output_pieces(output, &count);

    return tp__socket_write_slices(fd, slices, count, &written);
}
