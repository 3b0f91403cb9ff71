/*
 * share/bus.h - messages between workers, over stream sockets opened on demand.
 *
 * What a turn sends to one worker leaves with one system call at the turn's end.
 * Messages from one worker to another arrive whole and in order, or the link
 * breaks and both hear on_gone: then nothing that was queued is sent later.  That
 * a message was queued does not mean that it was received; who must know lets the
 * other answer.
 *
 * The owner gets sockets: open_link() asks for one, tp__bus_attach() brings it
 * (the master makes a pair and sends an end to each worker).  When two workers
 * ask for each other at the same time there will be two pairs: both ends read
 * from both and send on the one attached first, until it breaks.  Order holds as
 * long as the owner attaches a peer's sockets in the same order at both ends.
 *
 * Threads: the loop's.
 *
 * Read next: bus.c, frames.h (the bytes on a link).
 */
#ifndef TP_SHARE_BUS_H
#define TP_SHARE_BUS_H

#include "event/loop.h"
#include "share/frames.h"
#include "share/slot.h"

struct tp_bus;

struct tp_bus_options {
    unsigned slot;            /* our own */
    size_t message_bytes_max; /* of what is sent; what comes may be as large as a frame can be */
    size_t queue_bytes_max;   /* per worker written to */
    size_t answer_bytes_max;  /* …and so much more for answers: see tp__bus_answer() */
    int64_t link_wait_max_ms; /* from open_link() to tp__bus_attach() */
};

/*
 * What the bus tells its owner, always from the loop.  The callbacks may send,
 * and may not destroy the bus.
 */
struct tp_bus_callbacks {
    /* A message has come; `bytes` are borrowed for the call. */
    void (*on_message)(void *owner, unsigned from_slot, uint16_t kind, struct tp_str bytes);

    /*
     * Get a socket to the worker in `slot`: answer later with tp__bus_attach() or
     * tp__bus_refuse(), never from within this call.  Called from tp__bus_send(), which
     * returns what this does unless it is TP_OK: the message is not queued then.
     */
    enum tp_result (*open_link)(void *owner, unsigned slot);

    /* The link broke or could not be had; `dropped_count` messages had been queued. */
    void (*on_gone)(void *owner, unsigned slot, uint64_t dropped_count);
};

/* What a bus has seen since it was created; messages. */
struct tp_bus_counters {
    uint64_t sent; /* left for another worker, or were given to ourselves */
    uint64_t received;
    uint64_t refused;   /* by tp__bus_send() */
    uint64_t dropped;   /* queued, and lost with their link */
    uint64_t writes;    /* system calls that wrote: sent/writes is the batching */
    uint64_t malformed; /* links closed because the other end wrote nonsense */
};

/* Makes a bus without links.  `callbacks` and `owner` are borrowed for its life. */
enum tp_result tp__bus_create(struct tp_loop *loop, const struct tp_bus_options *options,
                              const struct tp_bus_callbacks *callbacks, void *owner,
                              struct tp_bus **bus) TP_MUST_CHECK;

/* Closes all links, drops what is queued, calls nobody; makes *bus NULL. */
void tp__bus_destroy(struct tp_bus **bus);

/*
 * Queues a copy of `bytes` for the worker in `to_slot` (ourselves: on_message is
 * called at the end of this turn).  TP_FULL: it does not read fast enough.
 * TP_TOO_LARGE: exceeds message_bytes_max.  TP_GONE or whatever open_link()
 * returned: there is no way to it.  TP_NO_MEMORY.  Only after TP_OK it is queued.
 */
enum tp_result tp__bus_send(struct tp_bus *bus, unsigned to_slot, uint16_t kind,
                            struct tp_str bytes) TP_MUST_CHECK;

/* The same for a message that lies in pieces. */
enum tp_result tp__bus_send_pieces(struct tp_bus *bus, unsigned to_slot,
                                   const struct tp_frame_pieces *message) TP_MUST_CHECK;

/*
 * The same for the answer to a message, which may use the room that is left to answers: as long
 * as all that were asked for fit it, a queue full of other things does not stop one.
 */
enum tp_result tp__bus_answer(struct tp_bus *bus, unsigned to_slot,
                              const struct tp_frame_pieces *message) TP_MUST_CHECK;

/*
 * Brings a connected stream socket to the worker in `slot`, asked for or not; `fd`
 * belongs to the bus from here on, whatever is returned.  TP_FULL: the worker in
 * that slot has more sockets here than make sense.
 */
enum tp_result tp__bus_attach(struct tp_bus *bus, unsigned slot, int fd) TP_MUST_CHECK;

/* The link that open_link() asked for cannot be had: on_gone is called at the end of the turn. */
void tp__bus_refuse(struct tp_bus *bus, unsigned slot);

const struct tp_bus_counters *tp__bus_get_counters(const struct tp_bus *bus);

/* Bytes queued for the worker in `slot`, and how many sockets to it there are. */
size_t tp__bus_queued_bytes(const struct tp_bus *bus, unsigned slot);
unsigned tp__bus_link_count(const struct tp_bus *bus, unsigned slot);

#endif
