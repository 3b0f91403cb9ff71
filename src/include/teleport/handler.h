/*
 * teleport/handler.h - what modules of the server can do with exchanges besides what
 * teleport/exchange.h says: bytes in pieces, values, templates, and answers that move along
 * with their session.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_HANDLER_H
#define TELEPORT_HANDLER_H

#include <teleport/awaiting.h>
#include <teleport/directive.h>
#include <teleport/exchange.h>
#include <teleport/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_exchange;
struct tp_session;

/* What came: the request's packet, borrowed; its body is as it was on the wire. */
const struct tp_packet *tp_exchange_request(const struct tp_exchange *exchange);

/* The uri of its route as it is configured ("/files/" and a star); empty where it has none. */
struct tp_str tp_exchange_route(const struct tp_exchange *exchange);

/* For buffers that become a part of the answer. */
struct tp_buf_pool *tp_exchange_buf_pool(const struct tp_exchange *exchange);

/* How large an inflated body or an answer may be. */
struct tp_size tp_exchange_packet_limit(const struct tp_exchange *exchange);

/*
 * The body inflated, in one piece, borrowed, for a handler that reads the bytes of this codec;
 * one that names no codec is taken for it.  When that cannot be, the exchange has been refused
 * already, with 400, 413, 415 or 503, and the body is empty.
 */
enum tp_result tp_exchange_read_as(struct tp_exchange *exchange, uint8_t codec,
                                   struct tp_str *body) TP_MUST_CHECK;

/*
 * The body as a value, decoded by its codec; *value is the caller's (cJSON_Delete).  When
 * that cannot be, the exchange has been refused already, with 400, 413, 415 or 503 and the
 * reason, and *value is NULL.
 */
struct cJSON;
enum tp_result tp_exchange_read_value(struct tp_exchange *exchange,
                                      struct cJSON **value) TP_MUST_CHECK;

/*
 * Appends `value` in the codec `codec` to `body`, which is empty before.  TP_NOT_FOUND: there is
 * no such codec, or it has no values; TP_INVALID: it cannot express this one; TP_TOO_LARGE: for
 * packet_limit; TP_NO_MEMORY.  Unless TP_OK is returned `body` is empty.
 */
enum tp_result tp_exchange_encode_value(const struct tp_exchange *exchange,
                                        const struct cJSON *value, uint8_t codec,
                                        struct tp_chain *body) TP_MUST_CHECK;

/*
 * Ends the exchange with status 200 and `value`, which stays the caller's: in the codec that is
 * wanted for the REPLY, else in the request's own, else in that of "body_codec", whichever
 * is there and can say it.  415 where none is, 500 where none can.
 */
enum tp_result tp_exchange_reply_value(struct tp_exchange *exchange, const struct cJSON *value);

/*
 * Ends the exchange with status 200 and `body`, encoded and plain, which is taken (it
 * is empty afterwards); `codec` is a body codec's id.  TP_GONE: nobody can be told any more.
 */
enum tp_result tp_exchange_reply(struct tp_exchange *exchange, struct tp_chain *body,
                                 uint8_t codec);

/* Ends it with a status (its texts are copied) and perhaps a body, which is taken. */
enum tp_result tp_exchange_finish(struct tp_exchange *exchange, const struct tp_status *status,
                                  struct tp_chain *body, uint8_t codec);

/*
 * What `source` says for this exchange, in a buffer of its own that the caller then holds
 * (tp_buf_release(text->buf)).  TP_TOO_LARGE: it would exceed the packet limit; TP_NO_MEMORY.
 */
enum tp_result tp_template_expand(const struct tp_template *source, struct tp_exchange *exchange,
                                  struct tp_slice *text) TP_MUST_CHECK;

/*
 * True where it says the same for all exchanges of an accepted session as long as that has one
 * identity, but for exchanges with an identity of their own.
 */
bool tp_template_is_of_session(const struct tp_template *source);

/*
 * Says, of a request over HTTP that is refused with 401, what credentials are taken.  A browser that
 * wants a page (Upgrade-Insecure-Requests) is offered Basic besides, and asks its user; what pages
 * and programs ask is not, so that no window opens for them.
 */
enum tp_result tp_exchange_add_challenge(struct tp_exchange *exchange) TP_MUST_CHECK;

/*
 * Says that the answer comes later: the handler's on_time is called after `delay`, in
 * whatever process the session is then.  An exchange whose session ends meanwhile ends
 * with it, uncalled.
 */
void tp_exchange_hold(struct tp_exchange *exchange, struct tp_msec delay);

/*
 * What the handler keeps of this exchange: its exchange_state_size bytes, all zeros when
 * first asked for; borrowed until the exchange ends.  NULL when memory is out.
 */
void *tp_exchange_state(struct tp_exchange *exchange) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
