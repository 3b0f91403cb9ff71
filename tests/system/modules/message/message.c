/*
 * message.c - a handler whose bodies are messages of protobuf-c: adds numbers, counts notes.
 *
 * sum.pb-c.h is made of sum.proto: protoc-c --c_out=. sum.proto
 *
 * Runs in: worker.  Read next: teleport/protobuf.h.
 */
#include <teleport/module.h>
#include <teleport/protobuf.h>

#include "sum.pb-c.h"

static void message_handle(struct tp_exchange *exchange, const void *module_conf);

static const struct tp_directive message_directives[] = {
    {
        .name = "message_sum", .where = TP_IN_ROUTE, .takes_nothing = true, .since = "0.1",
        .brief = "Adds the numbers of a SumRequest and counts its notes.",
    },
};

const struct tp_module tp_module_message = {
    .name = "message",
    .brief = "Adds numbers that come as a protobuf message.",
    .conf_size = 0,
    TP_DIRECTIVES(message_directives),
    .handler = "message_sum",
    .handle = message_handle,
};

static void
message_handle(struct tp_exchange *exchange, const void *module_conf)
{
    ProtobufCMessage *message;
    SumReply reply = SUM_REPLY__INIT;

    (void) module_conf;
    if (tp_exchange_read_message(exchange, &sum_request__descriptor, &message) != TP_OK) {
        return;
    }
    const SumRequest *request = (const SumRequest *) message;

    for (size_t i = 0; i < request->n_numbers; i++) {
        reply.sum += request->numbers[i];
    }
    reply.notes = (uint32_t) request->n_notes;
    tp_exchange_reply_message(exchange, &reply.base);
    tp_message_free(&message);
}
