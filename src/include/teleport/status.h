/*
 * teleport/status.h - the outcome of an exchange, in the numbers of Teleport 2.5.
 *
 * Applications use any other number (1001 …).  Each protocol maps at its edge.
 */
#ifndef TELEPORT_STATUS_H
#define TELEPORT_STATUS_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ROW(NAME, code, text).  Codes under 200 are local: they are never on a wire. */
/* clang-format off */
#define TP_STATUS_TABLE(ROW)                                    \
    ROW(WRITE_FAILED,        100, "Write Failed")               \
    ROW(CONNECTION_CLOSED,   101, "Connection Closed")          \
    ROW(OK,                  200, "OK")                         \
    ROW(BAD_REQUEST,         400, "Bad Request")                \
    ROW(UNAUTHORIZED,        401, "Unauthorized")               \
    ROW(FORBIDDEN,           403, "Forbidden")                  \
    ROW(NOT_FOUND,           404, "Not Found")                  \
    ROW(CONFLICT,            409, "Conflict")                   \
    ROW(UNSUPPORTED_TYPE,    410, "Unsupported Packet Type")    \
    ROW(TOO_LARGE,           413, "Too Large")                  \
    ROW(UNSUPPORTED_CODEC,   415, "Unsupported Codec")          \
    ROW(TOO_MANY_REQUESTS,   429, "Too Many Requests")          \
    ROW(INTERNAL_ERROR,      500, "Internal Server Error")      \
    ROW(NOT_IMPLEMENTED,     501, "Not Implemented")            \
    ROW(BAD_GATEWAY,         502, "Bad Gateway")                \
    ROW(SERVICE_UNAVAILABLE, 503, "Service Unavailable")        \
    ROW(GATEWAY_TIMEOUT,     504, "Gateway Timeout")
/* clang-format on */

enum tp_status_code {
#define TP_STATUS_ENUM_ROW(name, code, text) TP_STATUS_##name = (code),
    TP_STATUS_TABLE(TP_STATUS_ENUM_ROW)
#undef TP_STATUS_ENUM_ROW
};

/* `text` and `cause` are borrowed or belong to the exchange, as the function that takes it says. */
struct tp_status {
    int32_t code;
    struct tp_str text;
    struct tp_str cause; /* detail for developers; not every protocol carries it */
};

/* The usual text of `code`; an empty one for a code outside the table. */
struct tp_str tp_status_text(int32_t code);

/* A status with the usual text and no cause. */
static inline struct tp_status
tp_status_of(enum tp_status_code code)
{
    struct tp_status status = { (int32_t) code, tp_status_text((int32_t) code), { "", 0 } };

    return status;
}

#ifdef __cplusplus
}
#endif

#endif
