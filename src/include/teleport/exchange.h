/*
 * teleport/exchange.h - an exchange: one PULL with its REPLY, or one PUSH; what
 * handlers and hooks are given.
 *
 * A handler answers at once, or keeps the exchange and answers later.  It may outlive
 * its session: answering then does nothing and returns TP_GONE.
 *
 * What is said here is the same in a program with the library and in a module of the
 * server; teleport/handler.h has what only modules can do.
 *
 * Threads: the loop's that the exchange belongs to.
 */
#ifndef TELEPORT_EXCHANGE_H
#define TELEPORT_EXCHANGE_H

#include <teleport/ids.h>
#include <teleport/query.h>
#include <teleport/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_exchange;
struct tp_session;

/* Answers an exchange, now or later; a PUSH is ended the same way.  `owner` came with it. */
typedef void (*tp_handler_fn)(struct tp_exchange *exchange, void *owner);

/* TP_PACKET_PULL, PUSH or AUTH_CALL; for all but a PUSH somebody waits for the answer. */
int32_t tp_exchange_type(const struct tp_exchange *exchange);
static inline bool
tp_exchange_wants_reply(const struct tp_exchange *exchange)
{
    return tp_exchange_type(exchange) != TP_PACKET_PUSH;
}

/* True when this end asks or tells, so that the answer, if any, comes from the other. */
bool tp_exchange_is_ours(const struct tp_exchange *exchange);

uint64_t tp_exchange_seq(const struct tp_exchange *exchange);

/*
 * The uri as it is on the wire, or as a hook has set it; its path, percent-decoded; the query
 * behind '?'.  Borrowed.
 */
struct tp_str tp_exchange_uri(const struct tp_exchange *exchange);
struct tp_str tp_exchange_path(const struct tp_exchange *exchange);
struct tp_str tp_exchange_query(const struct tp_exchange *exchange);

/* The uri from its path on, as it is written: without a scheme and a host.  Borrowed. */
struct tp_str tp_exchange_target(const struct tp_exchange *exchange);

/* The session it came by; NULL once that has ended. */
struct tp_session *tp_exchange_session(const struct tp_exchange *exchange);

/*
 * The request's body inflated, in one piece, borrowed from the exchange.  TP_TOO_LARGE: it
 * would exceed the packet limit; TP_INVALID: it is broken; TP_NO_MEMORY.  A handler that
 * fails so hands the result to tp_exchange_refuse_result().
 */
enum tp_result tp_exchange_read_body(struct tp_exchange *exchange,
                                     struct tp_str *body) TP_MUST_CHECK;
uint8_t tp_exchange_body_codec(const struct tp_exchange *exchange);

/* The same for the body of the REPLY, ours or the other end's, once there is one: for hooks. */
enum tp_result tp_exchange_read_reply(struct tp_exchange *exchange,
                                      struct tp_str *body) TP_MUST_CHECK;
uint8_t tp_exchange_reply_codec(const struct tp_exchange *exchange);

/*
 * Writes the first value of that name in the request's metadata, unescaped, to `value`, as much
 * as fits in `size` bytes, with a zero behind it, and returns how long it is; SIZE_MAX: there is
 * none.
 */
size_t tp_exchange_metadata(const struct tp_exchange *exchange, struct tp_str name, char *value,
                            size_t size);

/* All of it as it came, "name=value&name=value", escaped: see teleport/query.h; borrowed. */
struct tp_str tp_exchange_all_metadata(const struct tp_exchange *exchange);

/*
 * Adds a pair to the metadata of the REPLY, before the exchange is ended; both texts are copied.
 * Where the protocol has no metadata it is left out.  TP_TOO_LARGE: for packet_limit;
 * TP_NO_MEMORY.
 */
enum tp_result tp_exchange_add_metadata(struct tp_exchange *exchange, struct tp_str name,
                                        struct tp_str value) TP_MUST_CHECK;

/*
 * The body of the request is nobody's business: no log shows it.  For hooks of a peer or server at
 * post_read_pull_header and post_read_push_header, which come before anything is logged.
 */
void tp_exchange_hide_body(struct tp_exchange *exchange);

/* Its outcome so far, borrowed: code 0 until it has one. */
const struct tp_status *tp_exchange_status(const struct tp_exchange *exchange);

/*
 * Ends the exchange with status 200 and a copy of `body`, whose codec is `codec`; a PUSH just
 * ends.  TP_GONE: nobody can be told any more.  TP_NO_MEMORY: the caller was told 503.
 */
enum tp_result tp_exchange_reply_copy(struct tp_exchange *exchange, struct tp_str body,
                                      uint8_t codec);

/* The same with another status, whose texts are copied; a body may go with an error, too. */
enum tp_result tp_exchange_finish_copy(struct tp_exchange *exchange, const struct tp_status *status,
                                       struct tp_str body, uint8_t codec);

/* Ends it with status 200 and the request's own body, neither inflated nor copied. */
enum tp_result tp_exchange_echo(struct tp_exchange *exchange);

/* Ends it with a status and no body. */
enum tp_result tp_exchange_refuse(struct tp_exchange *exchange, const struct tp_status *status);

/* Ends it with the status that stands for `result`: 400, 404, 409, 413, 501, 503, 504 or 500. */
enum tp_result tp_exchange_refuse_result(struct tp_exchange *exchange, enum tp_result result);

/*
 * Says, from within a handler, that the answer comes later: the exchange stays, whatever
 * becomes of its session, until it is ended by one of the calls above, which must come.  When
 * `exchange_timeout` passes first, the caller is told 504, and that call then does nothing.
 *
 * When the handler returns, the exchange may move to a place of its own: a uri, a body and whatever
 * else was borrowed from it before is void then, and to be asked for again.
 */
void tp_exchange_keep(struct tp_exchange *exchange);

#ifdef __cplusplus
}
#endif

#endif
