/*
 * bench_load.c - keeps PULLs in flight, and takes their times.
 *
 * A slot is a PULL that may be in flight.  Free slots stand in a ring, those of all sessions
 * in turn, so that a rate is spread over them.
 */
#include "cli/bench_load.h"

#include <stdlib.h>
#include <string.h>

enum {
    BENCH_WAIT_MS = 10,        /* how late a thread may notice that it is to end */
    BENCH_PACKET_EXTRA = 1024, /* what a PULL may take besides its body, in a queue */
    BENCH_QUEUE_EXTRA = 1 << 20,
};

#define NS_PER_MS     UINT64_C(1000000)
#define NS_PER_SECOND 1e9

struct bench_session {
    struct bench *bench;
    struct tp_session_handle handle;
    uint32_t first_in_flight; /* with --push: slots in the order of their sending */
    uint32_t last_in_flight;
};

struct bench_slot {
    struct bench_session *session;
    uint64_t since_ns; /* when it was sent, or was due */
    uint32_t next;     /* with --push: the slot of its session that was sent after it */
};

struct bench {
    struct tp_client client;
    struct tp_bench_load *load;
    struct tp_bench_plan *plan;
    struct tp_send_options options;
    struct bench_session *sessions;
    struct bench_slot *slots;
    uint32_t slot_count;
    uint32_t *free_slots; /* a ring */
    uint32_t free_head;
    uint32_t free_count;
    uint64_t begun;    /* PULLs that were sent, or given up */
    uint64_t finished; /* of them, those that have their outcome */
    uint64_t now_ns;
    bool is_over; /* answers are no longer counted, nothing is sent */
};

enum {
    NO_SLOT = UINT32_MAX,
};

static enum tp_exit_code bench_prepare(struct bench *bench);
static void bench_adjust(struct tp_peer_options *options, const struct tp_settings *settings);
static enum tp_exit_code bench_connect(struct bench *bench);
static void bench_wait_for_start(struct bench *bench);
static void bench_run_closed(struct bench *bench);
static void bench_run_open(struct bench *bench);
static void bench_send_due(struct bench *bench);
static void bench_await_measured(struct bench *bench);
static void bench_count_unsent(struct bench *bench);
static uint64_t bench_due_ns(const struct bench *bench, uint64_t number);
static bool bench_must_end(const struct bench *bench);
static bool bench_has_pulls(const struct bench *bench);
static bool bench_send(struct bench *bench, uint64_t since_ns);
static enum tp_result bench_send_slot(struct bench *bench, uint32_t number);
static void bench_on_reply(const struct tp_reply *reply, void *owner);
static void bench_on_push(struct tp_exchange *exchange, void *owner);
static struct bench_session *bench_find_session(struct bench *bench, uint64_t number);
static void bench_finish_slot(struct bench *bench, struct bench_slot *slot, int32_t code);
static void bench_count(struct bench *bench, const struct bench_slot *slot, int32_t code);
static void bench_free_slot(struct bench *bench, uint32_t number);
static void bench_fail(struct bench *bench, enum tp_exit_code code, const char *why);

void
tp__bench_load_run(void *owner)
{
    struct tp_bench_load *load = owner;
    struct bench bench = { .load = load, .plan = load->plan };
    enum tp_exit_code code = bench_prepare(&bench);

    if (code == TP_EXIT_DONE) {
        code = bench_connect(&bench);
    }
    load->exit_code = code;
    atomic_store(&load->is_ready, true);
    if (code == TP_EXIT_DONE) {
        bench_wait_for_start(&bench);
        if (load->rate > 0) {
            bench_run_open(&bench);
        } else {
            bench_run_closed(&bench);
        }
    }
    load->ended_ns = tp__system_clock_ns();
    bench.is_over = true;
    tp__client_close(&bench.client);
    free(bench.sessions);
    free(bench.slots);
    free(bench.free_slots);
    atomic_store(&load->has_ended, true);
}

static enum tp_exit_code
bench_prepare(struct bench *bench)
{
    const struct tp_settings *settings = bench->plan->settings;
    size_t session_count = (size_t) bench->load->session_count;

    bench->slot_count = (uint32_t) (session_count * (size_t) settings->depth);
    bench->sessions = calloc(session_count, sizeof(*bench->sessions));
    bench->slots = calloc(bench->slot_count, sizeof(*bench->slots));
    bench->free_slots = calloc(bench->slot_count, sizeof(*bench->free_slots));
    bench->options = tp__client_send_options(settings);
    bench->options.body_codec = bench->plan->body_codec;
    enum tp_exit_code code = tp__client_open(&bench->client, settings, bench_adjust);

    if (code != TP_EXIT_DONE) {
        return code;
    }
    if (bench->sessions == NULL || bench->slots == NULL || bench->free_slots == NULL) {
        tp__client_say(&bench->client, "%s", tp_result_sentence(TP_NO_MEMORY));
        return TP_EXIT_LOCAL;
    }
    for (uint32_t i = 0; i < bench->slot_count; i++) {
        bench->slots[i].session = &bench->sessions[i % session_count];
        bench_free_slot(bench, i);
    }
    if (settings->does_push
        && tp_peer_on_push(bench->client.peer, "*", bench_on_push, bench) != TP_OK) {
        return TP_EXIT_LOCAL;
    }
    return TP_EXIT_DONE;
}

/* Bounds that the load itself does not run into. */
static void
bench_adjust(struct tp_peer_options *options, const struct tp_settings *settings)
{
    uint64_t body = settings->packet_limit.bytes < (uint64_t) settings->size.bytes
                        ? settings->packet_limit.bytes
                        : settings->size.bytes;
    uint64_t queue = (uint64_t) settings->depth * (body + BENCH_PACKET_EXTRA);

    options->max_sessions = settings->sessions;
    options->max_sent_pulls = settings->depth;
    options->send_queue.bytes += queue + BENCH_QUEUE_EXTRA;
    options->memory.bytes += 2 * (uint64_t) settings->sessions * queue;
}

static enum tp_exit_code
bench_connect(struct bench *bench)
{
    const struct tp_settings *settings = bench->plan->settings;
    const struct tp_dial_options options = tp__client_dial_options(settings);

    for (int64_t i = 0; i < bench->load->session_count; i++) {
        struct tp_session *session;
        enum tp_result result =
            tp_peer_dial(bench->client.peer, settings->address, &options, &session);

        if (result != TP_OK) {
            tp__client_say(&bench->client, "cannot dial %s: %s", settings->address,
                           tp_result_sentence(result));
            return result == TP_INVALID ? TP_EXIT_USAGE : TP_EXIT_LOCAL;
        }
        bench->sessions[i] = (struct bench_session){
            .bench = bench,
            .handle = tp_session_get_handle(session),
            .first_in_flight = NO_SLOT,
            .last_in_flight = NO_SLOT,
        };
    }
    for (int64_t i = 0; i < bench->load->session_count; i++) {
        struct tp_session *session = tp_session_at(bench->sessions[i].handle);
        enum tp_result result =
            session == NULL ? TP_GONE : tp_session_wait_open(session, settings->timeout);

        if (result != TP_OK) {
            const char *why = tp_peer_last_error(bench->client.peer);

            tp__client_say(&bench->client, "cannot connect to %s: %s", settings->address,
                           *why != '\0' ? why : tp_result_sentence(result));
            return TP_EXIT_UNREACHABLE;
        }
    }
    return TP_EXIT_DONE;
}

static void
bench_wait_for_start(struct bench *bench)
{
    while (atomic_load(&bench->plan->phase) == TP_BENCH_CONNECTS) {
        tp_peer_turn(bench->client.peer, 1);
    }
    bench->now_ns = tp__system_clock_ns();
}

static void
bench_run_closed(struct bench *bench)
{
    while (bench->free_count > 0 && bench_has_pulls(bench) && !bench->is_over) {
        bench_send(bench, bench->now_ns);
    }
    while (!bench_must_end(bench)) {
        tp_peer_turn(bench->client.peer, BENCH_WAIT_MS);
        bench->now_ns = tp__system_clock_ns();
    }
}

static void
bench_run_open(struct bench *bench)
{
    while (!bench_must_end(bench)) {
        struct tp_waitable waitable = { .fd = tp_peer_fd(bench->client.peer) };
        int64_t wait_ns = BENCH_WAIT_MS * (int64_t) NS_PER_MS;

        bench_send_due(bench);
        tp_peer_turn(bench->client.peer, 0);
        bench->now_ns = tp__system_clock_ns();
        if (bench->free_count > 0 && bench_has_pulls(bench)) {
            int64_t left = (int64_t) (bench_due_ns(bench, bench->begun) - bench->now_ns);

            wait_ns = left < 0 ? 0 : left < wait_ns ? left : wait_ns;
        }
        if (wait_ns > 0) {
            tp__system_wait(&waitable, 1, wait_ns);
        }
        bench->now_ns = tp__system_clock_ns();
    }
    if (bench->load->pull_count == 0) {
        bench_count_unsent(bench);
        bench_await_measured(bench);
    }
}

static void
bench_send_due(struct bench *bench)
{
    while (bench->free_count > 0 && bench_has_pulls(bench) && !bench->is_over) {
        uint64_t due_ns = bench_due_ns(bench, bench->begun);

        if (due_ns > bench->now_ns || due_ns >= bench->plan->end_ns || !bench_send(bench, due_ns)) {
            return;
        }
    }
}

/* What was due before the end counts, however late its answer. */
static void
bench_await_measured(struct bench *bench)
{
    uint64_t until_ns =
        bench->plan->end_ns + (uint64_t) bench->plan->settings->timeout.ms * NS_PER_MS;

    while (bench->finished < bench->begun && bench->now_ns < until_ns && !bench->is_over
           && atomic_load(&bench->plan->phase) == TP_BENCH_RUNS) {
        tp_peer_turn(bench->client.peer, BENCH_WAIT_MS);
        bench->now_ns = tp__system_clock_ns();
    }
}

/* They took at least as long as they have waited to be sent. */
static void
bench_count_unsent(struct bench *bench)
{
    const struct tp_bench_plan *plan = bench->plan;

    if (bench->is_over || atomic_load(&plan->phase) != TP_BENCH_RUNS) {
        return;
    }
    for (uint64_t number = bench->begun; bench_due_ns(bench, number) < plan->end_ns; number++) {
        uint64_t due_ns = bench_due_ns(bench, number);

        if (due_ns >= plan->begin_ns) {
            bench->load->counts.unsent++;
            tp__histogram_add(&bench->load->counts.latency_ns, plan->end_ns - due_ns);
        }
    }
}

/* When the PULL of that number is to leave, in an open loop. */
static uint64_t
bench_due_ns(const struct bench *bench, uint64_t number)
{
    return bench->plan->start_ns + (uint64_t) ((double) number / bench->load->rate * NS_PER_SECOND);
}

static bool
bench_must_end(const struct bench *bench)
{
    if (bench->is_over || bench->now_ns >= bench->plan->end_ns
        || atomic_load(&bench->plan->phase) == TP_BENCH_ENDS) {
        return true;
    }
    return bench->load->pull_count != 0 && bench->finished >= (uint64_t) bench->load->pull_count;
}

static bool
bench_has_pulls(const struct bench *bench)
{
    return bench->load->pull_count == 0 || bench->begun < (uint64_t) bench->load->pull_count;
}

/* Takes a free slot and sends; false when the load cannot go on, or not now. */
static bool
bench_send(struct bench *bench, uint64_t since_ns)
{
    uint32_t number = bench->free_slots[bench->free_head];

    bench->free_head = (bench->free_head + 1) % bench->slot_count;
    bench->free_count--;
    bench->slots[number].since_ns = since_ns;
    enum tp_result result = bench_send_slot(bench, number);

    if (result == TP_OK) {
        bench->begun++;
        return true;
    }
    bench_free_slot(bench, number);
    if (result == TP_GONE) {
        bench_fail(bench, TP_EXIT_LOST, "a connection was lost");
    } else {
        bench_fail(bench, TP_EXIT_LOCAL, tp_result_sentence(result));
    }
    return false;
}

static enum tp_result
bench_send_slot(struct bench *bench, uint32_t number)
{
    const struct tp_bench_plan *plan = bench->plan;
    struct bench_slot *slot = &bench->slots[number];
    struct bench_session *session = slot->session;
    struct tp_session *target = tp_session_at(session->handle);

    if (target == NULL) {
        return TP_GONE;
    }
    if (!plan->settings->does_push) {
        return tp_session_pull_async(target, plan->uri, plan->body, &bench->options, bench_on_reply,
                                     slot);
    }
    enum tp_result result = tp_session_push(target, plan->uri, plan->body, &bench->options);

    if (result == TP_OK) {
        slot->next = NO_SLOT;
        if (session->first_in_flight == NO_SLOT) {
            session->first_in_flight = number;
        } else {
            bench->slots[session->last_in_flight].next = number;
        }
        session->last_in_flight = number;
    }
    return result;
}

static void
bench_on_reply(const struct tp_reply *reply, void *owner)
{
    struct bench_slot *slot = owner;

    bench_finish_slot(slot->session->bench, slot, tp_reply_status(reply)->code);
}

/* What was pushed comes back in order: it is the oldest one of its session. */
static void
bench_on_push(struct tp_exchange *exchange, void *owner)
{
    struct bench *bench = owner;
    const struct tp_session *from = tp_exchange_session(exchange);
    struct bench_session *session =
        from == NULL ? NULL : bench_find_session(bench, tp_session_number(from));

    tp_exchange_echo(exchange);
    if (session == NULL || session->first_in_flight == NO_SLOT) {
        return;
    }
    struct bench_slot *slot = &bench->slots[session->first_in_flight];

    session->first_in_flight = slot->next;
    bench_finish_slot(bench, slot, TP_STATUS_OK);
}

/* Numbers grow in the order in which sessions are dialed. */
static struct bench_session *
bench_find_session(struct bench *bench, uint64_t number)
{
    size_t from = 0;
    size_t to = (size_t) bench->load->session_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        uint64_t found = bench->sessions[middle].handle.number;

        if (found == number) {
            return &bench->sessions[middle];
        }
        if (found < number) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return NULL;
}

static void
bench_finish_slot(struct bench *bench, struct bench_slot *slot, int32_t code)
{
    if (bench->is_over) {
        return;
    }
    bench->now_ns = tp__system_clock_ns();
    bench->finished++;
    bench_count(bench, slot, code);
    bench_free_slot(bench, (uint32_t) (slot - bench->slots));
    if (bench->load->rate == 0 && bench_has_pulls(bench)) {
        bench_send(bench, bench->now_ns);
    }
}

/* A closed loop measures what is answered meanwhile, an open one what was due meanwhile. */
static void
bench_count(struct bench *bench, const struct bench_slot *slot, int32_t code)
{
    struct tp_bench_load *load = bench->load;
    struct tp_bench_counts *counts = &load->counts;
    uint64_t when_ns = load->rate > 0 ? slot->since_ns : bench->now_ns;

    atomic_store_explicit(&load->progress,
                          atomic_load_explicit(&load->progress, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (when_ns < bench->plan->begin_ns || when_ns >= bench->plan->end_ns) {
        return;
    }
    switch (tp__client_exit_of_status(code)) {
    case TP_EXIT_DONE:
        counts->answered++;
        break;
    case TP_EXIT_TIMED_OUT:
        counts->timed_out++;
        break;
    case TP_EXIT_LOST:
        counts->lost++;
        return;
    default:
        counts->refused++;
        break;
    }
    tp__histogram_add(&counts->latency_ns, bench->now_ns - slot->since_ns);
}

static void
bench_free_slot(struct bench *bench, uint32_t number)
{
    bench->free_slots[(bench->free_head + bench->free_count) % bench->slot_count] = number;
    bench->free_count++;
}

/* Only the first failure is told: it is the cause of the others. */
static void
bench_fail(struct bench *bench, enum tp_exit_code code, const char *why)
{
    if (bench->load->exit_code == TP_EXIT_DONE) {
        tp__client_say(&bench->client, "%s", why);
        bench->load->exit_code = code;
    }
    bench->is_over = true;
}
