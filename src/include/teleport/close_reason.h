/*
 * teleport/close_reason.h - why sessions end: the one table of close reasons.
 */
#ifndef TELEPORT_CLOSE_REASON_H
#define TELEPORT_CLOSE_REASON_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ROW(NAME, word for logs, sentence for the manual) */
/* clang-format off */
#define TP_CLOSE_TABLE(ROW)                                                                        \
    ROW(PEER_CLOSED,       "peer-closed",       "The other end closed the connection.")            \
    ROW(CONNECTION_BROKEN, "connection-broken", "The connection failed: a reset or a time-out.")   \
    ROW(REFUSED,           "refused",           "A module's hook refused it.")                     \
    ROW(HOOK_TIMEOUT,      "hook-timeout",      "A hook that had said later did not go on within exchange_timeout.") \
    ROW(LISTEN_REMOVED,    "listen-removed",    "A reload removed its listening address.")         \
    ROW(CLOSED,            "closed",            "This end closed it, when all was done.")          \
    ROW(KICKED,            "kicked",            "It was closed on request, from this server's side.") \
    ROW(ID_TAKEN,          "id-taken",          "A newer session took its id.")                    \
    ROW(DIAL_REMOVED,      "dial-removed",      "A reload removed the dial it belonged to.")       \
    ROW(DIAL_FAILED,       "dial-failed",       "It could not be connected, as often as it was tried.") \
    ROW(SHUTDOWN,          "shutdown",          "The server or its worker is stopping.")           \
    ROW(NO_RESOURCES,      "no-resources",      "Memory or descriptors ran out.")                  \
    ROW(PACKET_TOO_LARGE,  "packet-too-large",  "A packet exceeded packet_limit.")                 \
    ROW(PROTOCOL_ERROR,    "protocol-error",    "Framing or header of a packet were broken.")      \
    ROW(UNSUPPORTED_TYPE,  "unsupported-type",  "A packet was neither PULL, REPLY nor PUSH.")      \
    ROW(READ_TIMEOUT,      "read-timeout",      "Nothing was received for read_timeout.")          \
    ROW(PACKET_TIMEOUT,    "packet-timeout",    "A packet was not whole within packet_timeout.")   \
    ROW(WRITE_TIMEOUT,     "write-timeout",     "The other end took nothing for write_timeout.")   \
    ROW(TLS_REQUIRED,      "tls-required",      "It began without TLS where listen says ssl.")     \
    ROW(TLS_FAILED,        "tls-failed",        "TLS could not be agreed on, or what came was not what the other end had sealed.") \
    ROW(HANDSHAKE_TIMEOUT, "handshake-timeout", "TLS, or what stands before it, was not through within ssl_handshake_timeout.") \
    ROW(PROXY_HEADER,      "proxy-header",      "It did not begin with a PROXY header where proxy_protocol asks for one.") \
    ROW(PROXY_UNTRUSTED,   "proxy-untrusted",   "It came from nobody whose PROXY header is trusted.") \
    ROW(AUTH_FAILED,       "auth-failed",       "It did not prove who it is, or not as configured.") \
    ROW(AUTH_TIMEOUT,      "auth-timeout",      "It did not prove who it is within auth_timeout.") \
    ROW(AUTH_EXPIRED,      "auth-expired",      "What it had proved who it is with has expired.")  \
    ROW(AUTH_REVOKED,      "auth-revoked",      "What it had proved who it is with does not hold any more.") \
    ROW(HEARTBEAT_TIMEOUT, "heartbeat-timeout", "No sign of life came within the time of heartbeat.") \
    ROW(LIMIT_REACHED,     "limit-reached",     "A limit of connections or of what they send was reached.") \
    ROW(QUEUE_FULL,        "queue-full",        "It took too slowly what was sent to it, and its send queue is full.") \
    ROW(MOVED,             "moved",             "It goes on in another process.")                  \
    ROW(NOT_RESTORED,      "not-restored",      "It came from elsewhere, and cannot go on here.")
/* clang-format on */

enum tp_close_reason {
#define TP_CLOSE_ENUM_ROW(name, word, sentence) TP_CLOSE_##name,
    TP_CLOSE_TABLE(TP_CLOSE_ENUM_ROW)
#undef TP_CLOSE_ENUM_ROW
};

/* "peer-closed" */
const char *tp_close_reason_word(enum tp_close_reason reason);

#ifdef __cplusplus
}
#endif

#endif
