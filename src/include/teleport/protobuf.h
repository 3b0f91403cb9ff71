/*
 * teleport/protobuf.h - bodies as messages of protobuf-c, for handlers and programs that have
 * their descriptions (protoc-c --c_out).
 *
 * Whoever includes this links protobuf-c: a module names "protobuf-c" in module_needs of its file
 * "config", a program has -lprotobuf-c.  The server itself passes such bodies on untouched, and
 * the library needs none of it.
 *
 * Threads: as in teleport/exchange.h.
 */
#ifndef TELEPORT_PROTOBUF_H
#define TELEPORT_PROTOBUF_H

#include <teleport/exchange.h>
#include <teleport/session.h>

#include <protobuf-c/protobuf-c.h>

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /*
     * How much memory a message may take, beside its bytes: two of these may ask for a struct of
     * any size, so that a small body could be a large message.
     */
    TP_MESSAGE_GROWTH = 32,
    TP_MESSAGE_FLOOR = 64 * 1024, /* bytes that every message may take */
};

/* What is left for a message that is being read. */
struct tp_message_budget {
    ProtobufCAllocator allocator;
    size_t left;
    bool is_spent;
};

static inline void *
tp_message_budget_alloc(void *owner, size_t size)
{
    struct tp_message_budget *budget = (struct tp_message_budget *) owner;

    if (size > budget->left) {
        budget->is_spent = true;
        return NULL;
    }
    budget->left -= size;
    return malloc(size);
}

static inline void
tp_message_budget_free(void *owner, void *memory)
{
    (void) owner;
    free(memory);
}

/* Lets go of a message that was read, and sets *message NULL, which it may be already. */
static inline void
tp_message_free(ProtobufCMessage **message)
{
    if (*message != NULL) {
        protobuf_c_message_free_unpacked(*message, NULL);
        *message = NULL;
    }
}

/*
 * The bytes as a message of this kind, the caller's.  TP_INVALID: they are none; TP_TOO_LARGE: it
 * would take more memory than said above; *message is NULL then.
 */
static inline enum tp_result
tp_message_read(struct tp_str bytes, const ProtobufCMessageDescriptor *kind,
                ProtobufCMessage **message)
{
    struct tp_message_budget budget = {
        { tp_message_budget_alloc, tp_message_budget_free, NULL },
        TP_MESSAGE_FLOOR + bytes.len * TP_MESSAGE_GROWTH,
        false,
    };

    budget.allocator.allocator_data = &budget;
    *message =
        protobuf_c_message_unpack(kind, &budget.allocator, bytes.len, (const uint8_t *) bytes.data);
    if (*message != NULL) {
        return TP_OK;
    }
    return budget.is_spent ? TP_TOO_LARGE : TP_INVALID;
}

/*
 * The body of a PULL or PUSH as a message of this kind, the caller's (tp_message_free()).  A body
 * that names no codec is taken for one.  When that cannot be, the exchange has been refused
 * already, with 400, 413, 415 or 503, and *message is NULL.
 */
static inline enum tp_result
tp_exchange_read_message(struct tp_exchange *exchange, const ProtobufCMessageDescriptor *kind,
                         ProtobufCMessage **message)
{
    uint8_t codec = tp_exchange_body_codec(exchange);
    struct tp_str body;

    *message = NULL;
    if (codec != TP_CODEC_PROTOBUF && codec != TP_CODEC_NONE) {
        struct tp_status status = tp_status_of(TP_STATUS_UNSUPPORTED_CODEC);

        tp_exchange_refuse(exchange, &status);
        return TP_UNSUPPORTED;
    }
    enum tp_result result = tp_exchange_read_body(exchange, &body);

    if (result == TP_OK) {
        result = tp_message_read(body, kind, message);
    }
    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    }
    return result;
}

/*
 * Ends the exchange with status 200 and the message, which stays the caller's.  TP_GONE: nobody
 * can be told any more; TP_NO_MEMORY: the caller was told 503.
 */
static inline enum tp_result
tp_exchange_reply_message(struct tp_exchange *exchange, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = (uint8_t *) malloc(len + 1); /* of an empty message, too */

    if (bytes == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return TP_NO_MEMORY;
    }
    protobuf_c_message_pack(message, bytes);
    struct tp_str body = { (const char *) bytes, len };
    enum tp_result result = tp_exchange_reply_copy(exchange, body, TP_CODEC_PROTOBUF);

    free(bytes);
    return result;
}

/* The body of the answer to a PULL of ours; for errors see tp_message_read(). */
static inline enum tp_result
tp_reply_read_message(const struct tp_reply *reply, const ProtobufCMessageDescriptor *kind,
                      ProtobufCMessage **message)
{
    return tp_message_read(tp_reply_body(reply), kind, message);
}

#ifdef __cplusplus
}
#endif

#endif
