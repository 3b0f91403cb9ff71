/*
 * teleport/exchange.h - an exchange: one PULL with its REPLY, or one PUSH; what
 * handlers are given.
 *
 * A handler answers at once, or holds the exchange and answers later.  It may outlive
 * its session: answering then does nothing and returns TP_GONE.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_EXCHANGE_H
#define TELEPORT_EXCHANGE_H

#include <teleport/directive.h>
#include <teleport/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_exchange;
struct tp_session;

/* What came: the request's packet, borrowed; its body is as it was on the wire. */
const struct tp_packet *tp_exchange_request(const struct tp_exchange *exchange);

/* True for a PULL: somebody waits for the answer. */
static inline bool
tp_exchange_wants_reply(const struct tp_exchange *exchange)
{
    return tp_exchange_request(exchange)->type == TP_PACKET_PULL;
}

/* The path of its uri, percent-decoded, and the query behind '?', as written; borrowed. */
struct tp_str tp_exchange_path(const struct tp_exchange *exchange);
struct tp_str tp_exchange_query(const struct tp_exchange *exchange);

/* The session it came by; NULL once that has ended. */
struct tp_session *tp_exchange_session(const struct tp_exchange *exchange);

/* For buffers that become a part of the answer. */
struct tp_buf_pool *tp_exchange_buf_pool(const struct tp_exchange *exchange);

/* How large an inflated body or an answer may be. */
struct tp_size tp_exchange_packet_limit(const struct tp_exchange *exchange);

/*
 * The body inflated, in one piece, borrowed from the exchange.  TP_TOO_LARGE: it would
 * exceed the packet limit; TP_INVALID: it is broken; TP_NO_MEMORY.  A handler that fails
 * so hands the result to tp_exchange_refuse_result().
 */
enum tp_result tp_exchange_read_body(struct tp_exchange *exchange,
                                     struct tp_str *body) TP_MUST_CHECK;

/*
 * The body as a value, decoded by its codec; *value is the caller's (cJSON_Delete).  When
 * that cannot be, the exchange has been refused already, with 400, 413, 415 or 503 and the
 * reason, and *value is NULL.
 */
struct cJSON;
enum tp_result tp_exchange_read_value(struct tp_exchange *exchange,
                                      struct cJSON **value) TP_MUST_CHECK;

/* Ends the exchange with status 200 and `value`, which stays the caller's, in the request's codec. */
enum tp_result tp_exchange_reply_value(struct tp_exchange *exchange, const struct cJSON *value);

/*
 * Ends the exchange with status 200 and `body`, encoded and plain, which is taken (it
 * is empty afterwards); `codec` is a body codec's id.  TP_GONE: nobody can be told any more.
 */
enum tp_result tp_exchange_reply(struct tp_exchange *exchange, struct tp_chain *body,
                                 uint8_t codec);

/* Ends it with status 200 and the request's own body, neither inflated nor copied. */
enum tp_result tp_exchange_echo(struct tp_exchange *exchange);

/* Ends it with a status (its texts are copied) and perhaps a body, which is taken. */
enum tp_result tp_exchange_finish(struct tp_exchange *exchange, const struct tp_status *status,
                                  struct tp_chain *body, uint8_t codec);

/* Ends it with a status and no body. */
enum tp_result tp_exchange_refuse(struct tp_exchange *exchange, const struct tp_status *status);

/* Ends it with the status that stands for `result`: 413, 400, 503 or 500. */
enum tp_result tp_exchange_refuse_result(struct tp_exchange *exchange, enum tp_result result);

/*
 * What `source` says for this exchange, in a buffer of its own that the caller then holds
 * (tp_buf_release(text->buf)).  TP_TOO_LARGE: it would exceed the packet limit; TP_NO_MEMORY.
 */
enum tp_result tp_template_expand(const struct tp_template *source, struct tp_exchange *exchange,
                                  struct tp_slice *text) TP_MUST_CHECK;

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
