/*
 * bus.c - messages between workers.
 *
 * A link is all there is between us and one other worker: the queue of what we
 * send and up to a few sockets, the first of which is written to.  Links are made
 * when first needed and stay, small, until the bus ends, so nothing here ever
 * points to a freed link; sockets come and go.
 *
 *   tp__bus_send -> queue -> (end of turn) link_flush -> the first socket
 *   readable     -> connection_read -> on_message for each whole frame
 *
 * Runs in: a worker.  Owns: the sockets it was given, and the queues.
 * Read next: frames.c.
 */
#include "share/bus.h"

#include "os/file.h"
#include "os/socket.h"
#include "share/frames.h"

#include <stdlib.h>

enum {
    BUS_CONNECTIONS_MAX = 4, /* per link; two workers that ask at the same time make two */
    BUS_READ_BYTES = 16 * 1024,
    BUS_READS_PER_EVENT_MAX = 4, /* fairness: sessions must be read too */

    /* Workers of before and after a reload may have different queues; more than this is nonsense. */
    BUS_RECEIVED_BYTES_MAX = 256 * 1024 * 1024,
};

struct bus_link;

struct bus_connection {
    struct tp_watcher watcher;
    struct bus_link *link;
    struct tp_frames input;
};

struct bus_link {
    struct tp_bus *bus;
    unsigned slot;
    struct bus_connection *connections[BUS_CONNECTIONS_MAX]; /* in the order of attaching */
    unsigned connection_count;
    struct tp_frames output;
    struct tp_list_node flush_node; /* in bus->to_flush */
    struct tp_timer link_wait;      /* runs while a socket is asked for */
    bool is_refused;                /* tell the owner at the end of the turn */
};

struct tp_bus {
    struct tp_loop *loop;
    struct tp_bus_options options;
    const struct tp_bus_callbacks *callbacks;
    void *owner;
    struct tp_bus_counters counters;
    struct tp_work flush;
    struct tp_list_node to_flush;
    unsigned calls_out; /* callbacks that have not returned yet */
    struct bus_link *links[TP_WORKER_SLOTS_MAX];
};

static enum tp_result bus_get_link(struct tp_bus *bus, unsigned slot, struct bus_link **link);
static enum tp_result bus_send(struct tp_bus *bus, unsigned to_slot,
                               const struct tp_frame_pieces *message, size_t queue_bytes_max);
static enum tp_result bus_queue(struct tp_bus *bus, struct bus_link *link,
                                const struct tp_frame_pieces *message, size_t queue_bytes_max);
static void bus_on_flush(struct tp_work *work);
static void bus_tell_message(struct tp_bus *bus, unsigned from_slot, const struct tp_frame *frame);

static bool link_is_ourselves(const struct bus_link *link);
static bool link_must_ask(const struct bus_link *link);
static enum tp_result link_ask(struct bus_link *link);
static void link_on_wait_expired(struct tp_timer *timer);
static void link_flush_soon(struct bus_link *link);
static void link_flush(struct bus_link *link);
static void link_deliver_to_ourselves(struct bus_link *link);
static void link_give_up(struct bus_link *link);
static void link_destroy(struct bus_link *link);

static enum tp_result connection_create(struct bus_link *link, int fd);
static void connection_destroy(struct bus_connection *connection);
static void connection_on_event(struct tp_watcher *watcher, unsigned events);
static enum tp_result connection_read(struct bus_connection *connection);
static enum tp_result connection_read_once(struct bus_connection *connection);
static enum tp_result connection_hand_out(struct bus_connection *connection);
static enum tp_result connection_write(struct bus_connection *connection);
static void connection_break(struct bus_connection *connection);

enum tp_result
tp__bus_create(struct tp_loop *loop, const struct tp_bus_options *options,
               const struct tp_bus_callbacks *callbacks, void *owner, struct tp_bus **made)
{
    struct tp_bus *bus = calloc(1, sizeof(*bus));

    TP_ASSERT(options->slot < TP_WORKER_SLOTS_MAX);
    TP_ASSERT(options->message_bytes_max <= BUS_RECEIVED_BYTES_MAX);
    TP_ASSERT(options->queue_bytes_max >= options->message_bytes_max + TP_FRAME_HEADER_BYTES);
    if (bus == NULL) {
        return TP_NO_MEMORY;
    }
    bus->loop = loop;
    bus->options = *options;
    bus->callbacks = callbacks;
    bus->owner = owner;
    tp__work_init(&bus->flush, bus_on_flush);
    tp__list_init(&bus->to_flush);
    *made = bus;
    return TP_OK;
}

void
tp__bus_destroy(struct tp_bus **bus)
{
    if (*bus == NULL) {
        return;
    }
    TP_ASSERT((*bus)->calls_out == 0);
    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        if ((*bus)->links[slot] != NULL) {
            link_destroy((*bus)->links[slot]);
        }
    }
    tp__work_cancel(&(*bus)->flush);
    free(*bus);
    *bus = NULL;
}

enum tp_result
tp__bus_send(struct tp_bus *bus, unsigned to_slot, uint16_t kind, struct tp_str bytes)
{
    struct tp_frame_pieces message = { .kind = kind, .pieces = &bytes, .count = 1 };

    return tp__bus_send_pieces(bus, to_slot, &message);
}

enum tp_result
tp__bus_send_pieces(struct tp_bus *bus, unsigned to_slot, const struct tp_frame_pieces *message)
{
    return bus_send(bus, to_slot, message, bus->options.queue_bytes_max);
}

enum tp_result
tp__bus_answer(struct tp_bus *bus, unsigned to_slot, const struct tp_frame_pieces *message)
{
    return bus_send(bus, to_slot, message,
                    bus->options.queue_bytes_max + bus->options.answer_bytes_max);
}

enum tp_result
tp__bus_attach(struct tp_bus *bus, unsigned slot, int fd)
{
    struct bus_link *link;
    enum tp_result result = bus_get_link(bus, slot, &link);

    TP_ASSERT(slot != bus->options.slot);
    if (result == TP_OK && link->connection_count == BUS_CONNECTIONS_MAX) {
        result = TP_FULL;
    }
    if (result == TP_OK) {
        result = connection_create(link, fd);
    }
    if (result != TP_OK) {
        tp__descriptor_close(&fd);
        return result;
    }
    tp__loop_stop_timer(bus->loop, &link->link_wait);
    link->is_refused = false;
    link_flush_soon(link);
    return TP_OK;
}

void
tp__bus_refuse(struct tp_bus *bus, unsigned slot)
{
    TP_ASSERT(slot < TP_WORKER_SLOTS_MAX);

    struct bus_link *link = bus->links[slot];

    /* Not asked for any more: the time for it has passed, or a socket has come another way. */
    if (link == NULL || !link->link_wait.is_running) {
        return;
    }
    tp__loop_stop_timer(bus->loop, &link->link_wait);
    link->is_refused = true;
    link_flush_soon(link);
}

const struct tp_bus_counters *
tp__bus_get_counters(const struct tp_bus *bus)
{
    return &bus->counters;
}

size_t
tp__bus_queued_bytes(const struct tp_bus *bus, unsigned slot)
{
    TP_ASSERT(slot < TP_WORKER_SLOTS_MAX);
    return bus->links[slot] == NULL ? 0 : bus->links[slot]->output.len;
}

unsigned
tp__bus_link_count(const struct tp_bus *bus, unsigned slot)
{
    TP_ASSERT(slot < TP_WORKER_SLOTS_MAX);
    return bus->links[slot] == NULL ? 0 : bus->links[slot]->connection_count;
}

/* The link to `slot`, made if there is none. */
static enum tp_result
bus_get_link(struct tp_bus *bus, unsigned slot, struct bus_link **found)
{
    TP_ASSERT(slot < TP_WORKER_SLOTS_MAX);
    *found = bus->links[slot];
    if (*found != NULL) {
        return TP_OK;
    }
    struct bus_link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        return TP_NO_MEMORY;
    }
    link->bus = bus;
    link->slot = slot;
    tp__list_init(&link->flush_node);
    tp__timer_init(&link->link_wait, link_on_wait_expired);
    bus->links[slot] = link;
    *found = link;
    return TP_OK;
}

static enum tp_result
bus_send(struct tp_bus *bus, unsigned to_slot, const struct tp_frame_pieces *message,
         size_t queue_bytes_max)
{
    struct bus_link *link;
    enum tp_result result = bus_get_link(bus, to_slot, &link);

    if (result == TP_OK) {
        result = bus_queue(bus, link, message, queue_bytes_max);
    }
    if (result != TP_OK) {
        bus->counters.refused++;
    }
    return result;
}

static enum tp_result
bus_queue(struct tp_bus *bus, struct bus_link *link, const struct tp_frame_pieces *message,
          size_t queue_bytes_max)
{
    if (tp__frame_pieces_len(message) > bus->options.message_bytes_max) {
        return TP_TOO_LARGE;
    }
    if (link_must_ask(link)) {
        enum tp_result asked = link_ask(link);

        if (asked != TP_OK) {
            return asked;
        }
    }
    enum tp_result result = tp__frames_append(&link->output, message, queue_bytes_max);

    if (result == TP_OK) {
        link_flush_soon(link);
    }
    return result;
}

/* What is sent by the owner while it is told something waits for the next turn. */
static void
bus_on_flush(struct tp_work *work)
{
    struct tp_bus *bus = TP_CONTAINER_OF(work, struct tp_bus, flush);
    struct tp_list_node links;
    struct tp_list_node *node;

    tp__list_init(&links);
    tp__list_move_all(&links, &bus->to_flush);
    while ((node = tp__list_take_first(&links)) != NULL) {
        struct bus_link *link = TP_CONTAINER_OF(node, struct bus_link, flush_node);

        if (link_is_ourselves(link)) {
            link_deliver_to_ourselves(link);
        } else if (link->is_refused) {
            link_give_up(link);
        } else {
            link_flush(link);
        }
    }
}

static void
bus_tell_message(struct tp_bus *bus, unsigned from_slot, const struct tp_frame *frame)
{
    bus->counters.received++;
    bus->calls_out++;
    bus->callbacks->on_message(bus->owner, from_slot, frame->kind, frame->bytes);
    bus->calls_out--;
}

static bool
link_is_ourselves(const struct bus_link *link)
{
    return link->slot == link->bus->options.slot;
}

/* A refusal is told first: what is sent before that shares its fate. */
static bool
link_must_ask(const struct bus_link *link)
{
    return link->connection_count == 0 && !link->link_wait.is_running && !link->is_refused
           && !link_is_ourselves(link);
}

static enum tp_result
link_ask(struct bus_link *link)
{
    struct tp_bus *bus = link->bus;

    bus->calls_out++;
    enum tp_result result = bus->callbacks->open_link(bus->owner, link->slot);

    bus->calls_out--;
    if (result == TP_OK) {
        tp__loop_start_timer(bus->loop, &link->link_wait, bus->options.link_wait_max_ms);
    }
    return result;
}

static void
link_on_wait_expired(struct tp_timer *timer)
{
    link_give_up(TP_CONTAINER_OF(timer, struct bus_link, link_wait));
}

/* At the end of the turn, if there is anything the flush could do. */
static void
link_flush_soon(struct bus_link *link)
{
    bool is_blocked = link->connection_count > 0
                      && (link->connections[0]->watcher.interest & TP_EVENT_WRITE) != 0;
    bool has_way = link->connection_count > 0 || link->is_refused || link_is_ourselves(link);

    if (is_blocked || !has_way || !tp__list_is_empty(&link->flush_node)) {
        return;
    }
    tp__list_append(&link->bus->to_flush, &link->flush_node);
    tp__loop_post(link->bus->loop, &link->bus->flush);
}

static void
link_flush(struct bus_link *link)
{
    if (link->connection_count == 0) {
        return;
    }
    struct bus_connection *connection = link->connections[0];

    if (connection_write(connection) != TP_OK) {
        connection_break(connection);
    }
}

/* What our own on_message sends to ourselves is delivered in the next turn, so that turns end. */
static void
link_deliver_to_ourselves(struct bus_link *link)
{
    struct tp_bus *bus = link->bus;
    struct tp_frames queued = link->output;
    struct tp_frame frame;

    link->output = (struct tp_frames){ 0 };
    while (tp__frames_next(&queued, BUS_RECEIVED_BYTES_MAX, &frame) == TP_OK) {
        bus->counters.sent++;
        bus_tell_message(bus, link->slot, &frame);
    }
    tp__frames_fini(&queued);
}

/* Drops the queue and tells the owner. */
static void
link_give_up(struct bus_link *link)
{
    struct tp_bus *bus = link->bus;
    uint64_t dropped_count = link->output.frame_count;

    tp__frames_fini(&link->output);
    link->is_refused = false;
    bus->counters.dropped += dropped_count;
    bus->calls_out++;
    bus->callbacks->on_gone(bus->owner, link->slot, dropped_count);
    bus->calls_out--;
}

static void
link_destroy(struct bus_link *link)
{
    for (unsigned i = 0; i < link->connection_count; i++) {
        connection_destroy(link->connections[i]);
    }
    tp__loop_stop_timer(link->bus->loop, &link->link_wait);
    tp__list_remove(&link->flush_node);
    tp__frames_fini(&link->output);
    free(link);
}

/* On failure `fd` stays the caller's. */
static enum tp_result
connection_create(struct bus_link *link, int fd)
{
    struct bus_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        return TP_NO_MEMORY;
    }
    connection->link = link;
    tp__watcher_init(&connection->watcher, fd, connection_on_event);

    enum tp_result result = tp__loop_watch(link->bus->loop, &connection->watcher, TP_EVENT_READ);

    if (result != TP_OK) {
        free(connection);
        return result;
    }
    link->connections[link->connection_count++] = connection;
    return TP_OK;
}

static void
connection_destroy(struct bus_connection *connection)
{
    tp__loop_unwatch(connection->link->bus->loop, &connection->watcher);
    tp__descriptor_close(&connection->watcher.fd);
    tp__frames_fini(&connection->input);
    free(connection);
}

static void
connection_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct bus_connection *connection = TP_CONTAINER_OF(watcher, struct bus_connection, watcher);
    enum tp_result result = TP_OK;

    /* Reading comes first: a peer that died may have said something before. */
    if (events & (TP_EVENT_READ | TP_EVENT_BROKEN)) {
        result = connection_read(connection);
    }
    if (result == TP_OK && (events & TP_EVENT_WRITE)) {
        result = connection_write(connection);
    }
    if (result != TP_OK) {
        connection_break(connection);
    }
}

/* Reads what is there, up to a bound.  Anything but TP_OK: the connection is of no more use. */
static enum tp_result
connection_read(struct bus_connection *connection)
{
    enum tp_result result = TP_OK;

    for (unsigned i = 0; i < BUS_READS_PER_EVENT_MAX && result == TP_OK; i++) {
        result = connection_read_once(connection);
    }
    tp__frames_shrink(&connection->input);
    return result == TP_AGAIN || result == TP_INTERRUPTED ? TP_OK : result;
}

static enum tp_result
connection_read_once(struct bus_connection *connection)
{
    char *room;
    size_t count;
    enum tp_result result = tp__frames_reserve(&connection->input, BUS_READ_BYTES, &room);

    if (result != TP_OK) {
        return result;
    }
    result = tp__socket_read(connection->watcher.fd, room, BUS_READ_BYTES, &count);
    if (result != TP_OK) {
        return result;
    }
    if (count == 0) {
        return TP_GONE;
    }
    tp__frames_received(&connection->input, count);
    result = connection_hand_out(connection);
    /* Less than there was room for: nothing is left, asking again would be in vain. */
    return result == TP_OK && count < BUS_READ_BYTES ? TP_AGAIN : result;
}

static enum tp_result
connection_hand_out(struct bus_connection *connection)
{
    struct bus_link *link = connection->link;
    struct tp_frame frame;
    enum tp_result result;

    while ((result = tp__frames_next(&connection->input, BUS_RECEIVED_BYTES_MAX, &frame))
           == TP_OK) {
        bus_tell_message(link->bus, link->slot, &frame);
    }
    if (result == TP_INVALID) {
        link->bus->counters.malformed++;
        return result;
    }
    return TP_OK;
}

/* Writes what the link has queued, and watches for room if that is not all. */
static enum tp_result
connection_write(struct bus_connection *connection)
{
    struct bus_link *link = connection->link;
    struct tp_bus *bus = link->bus;
    struct tp_str bytes = tp__frames_bytes(&link->output);
    size_t count = 0;

    if (bytes.len > 0) {
        enum tp_result result =
            tp__socket_write(connection->watcher.fd, bytes.data, bytes.len, &count);

        if (result != TP_OK && result != TP_AGAIN && result != TP_INTERRUPTED) {
            return result;
        }
        bus->counters.writes += count > 0 ? 1 : 0;
        bus->counters.sent += tp__frames_consume(&link->output, count);
    }
    bool is_empty = link->output.len == 0;

    tp__frames_shrink(&link->output);
    return tp__loop_watch(bus->loop, &connection->watcher,
                          is_empty ? TP_EVENT_READ : TP_EVENT_READ | TP_EVENT_WRITE);
}

/*
 * Takes the connection out of its link.  If it was the one written to, what was
 * queued is lost: part of it may have been on its way.
 */
static void
connection_break(struct bus_connection *connection)
{
    struct bus_link *link = connection->link;
    unsigned index = 0;

    while (link->connections[index] != connection) {
        index++;
        TP_ASSERT(index < link->connection_count);
    }
    link->connection_count--;
    for (unsigned i = index; i < link->connection_count; i++) {
        link->connections[i] = link->connections[i + 1];
    }
    connection_destroy(connection);
    if (index == 0) {
        link_give_up(link);
    }
}
