/*
 * teleport/trace.h - exchanges watched as they end: what was asked, what was answered, and where
 * the time between has gone.
 *
 * A module says which exchanges it wants to see, and is called for each of them in the worker that
 * has it.  While nobody watches this costs two comparisons an exchange; who is watched pays for
 * himself.  What is shown of texts is escaped, and holds no credentials: neither the bodies of what
 * presents them nor metadata or arguments whose names sound like them.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_TRACE_H
#define TELEPORT_TRACE_H

#include <teleport/address.h>
#include <teleport/session.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_TRACES_MAX = 32,          /* watched for at once in a worker */
    TP_TRACE_RECORDS_MAX = 1024, /* exchanges of a worker that are watched at once */
    TP_TRACE_URI_MAX = 512,      /* bytes, of a pattern */
    TP_TRACE_TEXT_MAX = 2048,    /* bytes that are shown of a uri, or of metadata, escaped */
    TP_TRACE_WORDS_MAX = 256,    /* bytes that are shown of a status's texts, escaped */
    TP_TRACE_ID_SHOWN_MAX = 4 * TP_SESSION_ID_MAX, /* bytes of an id, escaped */
    TP_BODY_TEXT_MAX = 3072,                       /* bytes that are shown of a body, escaped */
    TP_TRACE_DEFLATED_MAX = 16384 /* bytes; of a larger body that is deflated nothing is shown */
};

/*
 * ROW(NAME, word, sentence): where the time of an exchange goes.  UPSTREAM is a part of HANDLER; all
 * others follow one another, and some are of what the other end asks only, or of what this end does.
 */
/* clang-format off */
#define TP_TRACE_STAGE_TABLE(ROW)                                                                  \
    ROW(READ,     "read",     "From the packet's first byte to its last, as far as it did not come with one read.") \
    ROW(WAIT,     "wait",     "From there to its handler: hooks, a greeting, packets before it; of what this end asks: hooks.") \
    ROW(HANDLER,  "handler",  "From the handler's call to the outcome.")                           \
    ROW(UPSTREAM, "upstream", "Of that: since it was first passed on to another server or session.") \
    ROW(ORDER,    "order",    "The answer was there, but had to wait for those before it.")        \
    ROW(QUEUE,    "queue",    "In the send queue, until it was encoded and left.")                 \
    ROW(ANSWER,   "answer",   "Of a PULL of this end: from there to the REPLY.")
/* clang-format on */

enum tp_trace_stage {
#define TP_TRACE_STAGE_ENUM_ROW(name, word, sentence) TP_TRACE_##name,
    TP_TRACE_STAGE_TABLE(TP_TRACE_STAGE_ENUM_ROW)
#undef TP_TRACE_STAGE_ENUM_ROW
    TP_TRACE_STAGE_COUNT
};

/* Its word, such as "handler"; lives for ever. */
const char *tp_trace_stage_word(enum tp_trace_stage stage);

/* Which exchanges are watched: those for which all of this is so.  What is empty is not looked at. */
struct tp_trace_filter {
    uint64_t session_number;
    struct tp_str session_id;  /* that the session has when the exchange begins */
    struct tp_address address; /* of the other end, without port; of family NONE: any */
    struct tp_str uri;         /* a path; what ends in a slash and a star is all below it */
    int32_t status_min;        /* of the outcome; both 0: any */
    int32_t status_max;
    int64_t duration_min_us;   /* shorter ones are not shown */
    struct tp_str spared_push; /* PUSHes of this end with this uri are never seen: its own news */
};

/* One of the two packets of an exchange; type 0: there is none. */
struct tp_traced_packet {
    int32_t type;
    uint8_t header_codec; /* TP_CODEC_NONE where the protocol has no such thing */
    uint8_t body_codec;
    int32_t gzip_level;
    struct tp_str filters;  /* ids */
    struct tp_str metadata; /* "name=value&name=value", escaped for people, without secrets; cut */
    size_t wire_bytes;
    size_t body_bytes; /* as they were on the wire */
};

/* An exchange that has ended; all of it is for the length of the call. */
struct tp_traced {
    const struct tp_exchange *exchange;
    bool is_ours; /* this end has asked, or told */
    bool is_sent; /* the packet of this end was: a REPLY, or what it has asked */
    uint64_t session_number;
    struct tp_str session_id;
    const struct tp_address *remote;
    struct tp_str source; /* the listen or dial that it came by, as it is configured */
    struct tp_str protocol;
    struct tp_str route; /* that has served it; empty: none */
    struct tp_str uri;   /* as it was on the wire, escaped for people, without secrets; cut */
    uint64_t seq;
    int32_t status;
    struct tp_str status_text; /* escaped for people; cut */
    struct tp_str status_cause;
    struct tp_traced_packet request;
    struct tp_traced_packet reply;
    int64_t stages_us[TP_TRACE_STAGE_COUNT]; /* -1: it has had no such stage */
    int64_t total_us;
};

/* A body as people read it, the beginning of it or all. */
struct tp_body_text {
    const char
        *form;    /* "json", over several lines; "text" or "hex"; "": there is none to be shown */
    size_t taken; /* bytes of the body that are in `text` */
    char text[TP_BODY_TEXT_MAX + 1];
};

/*
 * Shows the body of the request or of the reply, inflated where it came deflated, at most `limit` bytes
 * of it.  Returns how many bytes more there are.  False in *is_shown: it must not be, or was not kept.
 */
size_t tp_traced_show_body(const struct tp_traced *traced, bool is_reply, size_t limit,
                           struct tp_body_text *text, bool *is_shown);

/*
 * Is called for each exchange that is watched when it ends, in the midst of that: it may neither send,
 * nor end a session, nor end a watch; what it has to say it says later.
 */
typedef void (*tp_traced_fn)(const struct tp_traced *traced, void *owner);

/* Someone who watches; whoever has made it ends it. */
struct tp_trace;

/*
 * Watches exchanges that begin from now on; the texts of `filter` are copied.  With `keeps_bodies`
 * what tp_traced_show_body() needs is kept of each.  TP_FULL: TP_TRACES_MAX do already; TP_TOO_LARGE:
 * a text of the filter; TP_NO_MEMORY.
 */
enum tp_result tp_trace_create(struct tp_sessions *home, const struct tp_trace_filter *filter,
                               bool keeps_bodies, tp_traced_fn on_traced, void *owner,
                               struct tp_trace **trace) TP_MUST_CHECK;
void tp_trace_destroy(struct tp_trace **trace);

/* For handlers that hand an exchange on, to another server or session: from here on it is there. */
void tp_trace_passed(struct tp_exchange *exchange);

/* How many exchanges were not watched since it was last asked, because too many were. */
uint64_t tp_trace_take_missed(struct tp_trace *trace);

#ifdef __cplusplus
}
#endif

#endif
