/*
 * teleport/protocol.h - what a protocol module is: bytes to packets and back.
 *
 * A protocol sees no socket and no clock.  What it keeps of a session between two packets is
 * a plain struct, which it can write as bytes and make anew of them; with the bytes that are
 * not a packet yet and those that are not sent yet it is all there is, so that a session can
 * be moved to another process in the middle of a packet.
 *
 * All functions run in the loop's thread, in the worker and in a program with the library.
 */
#ifndef TELEPORT_PROTOCOL_H
#define TELEPORT_PROTOCOL_H

#include <teleport/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_codec_use;
struct tp_filters;
struct tp_protocol;
struct tp_protocol_use;

/* What the first bytes of a connection say to a protocol. */
enum tp_probe {
    TP_PROBE_NO,   /* this is something else, whatever follows */
    TP_PROBE_MORE, /* it may be; more bytes are needed */
    TP_PROBE_YES,
};

/* What decoding came to. */
enum tp_decode_outcome {
    TP_DECODE_PACKET,    /* *packet is filled, its bytes are taken from the input */
    TP_DECODE_REFUSED,   /* the same, but it is answered with packet->status at once, unrouted */
    TP_DECODE_TOOK,      /* bytes were taken that are no packet: look again */
    TP_DECODE_MORE,      /* more bytes are needed; nothing was taken */
    TP_DECODE_SWITCH,    /* wire->next goes on, with what is left of the input */
    TP_DECODE_TOO_LARGE, /* the lengths say that the packet exceeds the limit: close */
    TP_DECODE_BROKEN,    /* framing or header are broken: nothing after it can be trusted: close */
    TP_DECODE_NO_MEMORY, /* nothing was taken: close, or try again when there is some */
};

struct tp_decode_limits {
    struct tp_size packet; /* a larger packet is refused; exactly the limit passes */
};

/* One end of a conversation, as its protocol sees it; filled anew for each row of calls. */
struct tp_wire {
    struct tp_chain *input; /* received and not taken yet; packets are taken off its front */
    void *state;            /* state_size bytes of the session, all zeros at first */
    const void *conf;       /* the module's conf for the server; NULL in the library */
    struct tp_decode_limits limits;
    bool is_dialed;       /* this end has connected */
    bool is_from_gateway; /* the other end is trusted to say for whom it speaks */
    struct tp_str target; /* of a dialed one: "HOST:PORT" or "HOST:PORT/PATH", as it was dialed */
    struct tp_str credentials; /* of a dialed one, for REQUEST: what each request has to say */
    bool has_ended;            /* nothing more will come: what is in the input is all there is */
    size_t open_count;         /* requests of the other end that are not answered yet */
    struct tp_buf_pool *pool;
    struct tp_filters *filters;
    const struct tp_codec_use *codecs; /* that are built in, with their confs */
    size_t codec_count;
    const struct tp_protocol_use *protocols; /* the same */
    size_t protocol_count;
    const struct tp_str *origins; /* of pages that may ask, as allow_origin has them; "*": all */
    size_t origin_count;          /* 0: nothing is said of them */

    /* What a call leaves; unset before. */
    const char *why;                /* a static text for the log, with BROKEN and TOO_LARGE */
    const struct tp_protocol *next; /* with SWITCH */
    bool is_last; /* nothing after this will be read: what is open is answered, then it ends */
    bool is_amid; /* a packet has begun to come, though none of it may be left in the input */
    struct tp_chain own; /* what tp_wire_send() was given */
    uint64_t ponged;     /* the mark of a ping that was answered; 0: none was */
};

/*
 * Sends bytes that are no packet (a handshake's answer, a pong), while it begins, decodes or
 * ends: a copy leaves behind what was encoded already, and before all packets that are not.
 */
enum tp_result tp_wire_send(struct tp_wire *wire, struct tp_str bytes) TP_MUST_CHECK;

/* The protocol of this name; NULL when it is not built in. */
const struct tp_protocol *tp_wire_find_protocol(const struct tp_wire *wire, struct tp_str name);

/*
 * May a page of `origin`, "https://a.example:8443", ask what it calls `host`, "a.example:8443"?
 * Those of the same host may, and those that allow_origin lists; all where it lists none.
 */
bool tp_wire_allows_origin(const struct tp_wire *wire, struct tp_str origin, struct tp_str host);

/*
 * Undoes `count` filters, the first of `ids` first, and appends what comes out, at most the
 * packet limit, to `plain`, which is empty before.  TP_NOT_FOUND: there is no such filter;
 * TP_TOO_LARGE; TP_INVALID: a filter finds it broken; TP_NO_MEMORY.
 */
enum tp_result tp_wire_unfilter(const struct tp_wire *wire, const uint8_t *ids, size_t count,
                                const struct tp_chain *filtered,
                                struct tp_chain *plain) TP_MUST_CHECK;

/*
 * Undoes them as far as a front of what they made tells: at most `limit` bytes, perhaps none
 * yet.  Results as above.
 */
enum tp_result tp_wire_unfilter_front(const struct tp_wire *wire, const uint8_t *ids, size_t count,
                                      const struct tp_chain *front, struct tp_size limit,
                                      struct tp_chain *plain) TP_MUST_CHECK;

/*
 * Applies them, the last of `ids` first, so that the first becomes the outermost; `level` is
 * for those that have levels.  `filtered` is empty before.  TP_NOT_FOUND, TP_NO_MEMORY.
 */
enum tp_result tp_wire_filter(const struct tp_wire *wire, const uint8_t *ids, size_t count,
                              int level, const struct tp_chain *plain,
                              struct tp_chain *filtered) TP_MUST_CHECK;

/*
 * Where encoding writes to: small bytes are copied into one piece, larger bodies are
 * referred to.  A worker has one, which its sessions use in turn.
 */
struct tp_output;

/*
 * Room for `len` bytes to write to, in one piece, until the next call; NULL when memory
 * is out.
 */
uint8_t *tp_output_reserve(struct tp_output *output, size_t len) TP_MUST_CHECK;

/*
 * Says that the first `len` bytes of the room were written and that `chain` comes behind
 * them: a small one is copied, a larger one shared; it stays as it is, and may be NULL.
 * TP_NO_MEMORY: nothing was added, not the bytes either.
 */
enum tp_result tp_output_commit(struct tp_output *output, size_t len,
                                const struct tp_chain *chain) TP_MUST_CHECK;

/*
 * What a protocol can say: ROW(NAME, bit, words for the manual).  What it cannot is refused with
 * TP_UNSUPPORTED (status 501), or left out.
 */
/* clang-format off */
#define TP_PROTOCOL_ABILITY_TABLE(ROW)                                                       \
    ROW(PUSHES_UP,   0, "a PUSH from who has dialed")                                        \
    ROW(PUSHES_DOWN, 1, "a PUSH from who has accepted; a session id")                        \
    ROW(PULLS_DOWN,  2, "a PULL from who has accepted; who has dialed always may")           \
    ROW(AUTH,        3, "AUTH_CALL and AUTH_REPLY")                                          \
    ROW(METADATA,    4, "metadata")                                                          \
    ROW(CAUSE,       5, "the cause of a status")                                             \
    ROW(BODY_GZIP,   6, "a deflated body")                                                   \
    ROW(FILTERS,     7, "filters on the whole packet")                                       \
    ROW(IN_ORDER,    8, "replies only in the order of their PULLs")                          \
    ROW(PROVES_EACH, 9, "an identity of each request, instead of its session's")
/* clang-format on */

enum {
#define TP_PROTOCOL_ENUM_ROW(name, bit, words) TP_PROTOCOL_##name = 1 << (bit),
    TP_PROTOCOL_ABILITY_TABLE(TP_PROTOCOL_ENUM_ROW)
#undef TP_PROTOCOL_ENUM_ROW
};

/*
 * How who has dialed says who it is, where it has credentials: ROW(NAME, words for the manual).
 */
/* clang-format off */
#define TP_CREDENTIALS_WAY_TABLE(ROW)                                                          \
    ROW(NONE,      "it has no place for them")                                                 \
    ROW(PULL,      "the first packet is a PULL of auth_uri with them as its body")             \
    ROW(AUTH_CALL, "the first packet is an AUTH_CALL with them as its body")                   \
    ROW(REQUEST,   "each request says them, in its field Authorization")
/* clang-format on */

enum tp_credentials_way {
#define TP_CREDENTIALS_WAY_ENUM_ROW(name, words) TP_CREDENTIALS_##name,
    TP_CREDENTIALS_WAY_TABLE(TP_CREDENTIALS_WAY_ENUM_ROW)
#undef TP_CREDENTIALS_WAY_ENUM_ROW
};

struct tp_protocol {
    const char *name;
    const char *brief;
    unsigned abilities; /* TP_PROTOCOL_… */
    size_t state_size;  /* of what it keeps of a session; 0: nothing */
    uint64_t seq_max;   /* the largest seq that we may choose; 0: of 64 bits */
    enum tp_credentials_way credentials;

    /* Does wire->input, at least one byte, begin with it?  NULL: it is never guessed. */
    enum tp_probe (*probe)(const struct tp_wire *wire);

    /* The connection is there, in either role: sends what comes before all packets.  May be NULL. */
    enum tp_result (*begin)(struct tp_wire *wire);

    /*
     * Are the texts of the packet, one of our own that is not queued yet, no longer than the
     * protocol can say?  NULL: it can say any length.  What is a REPLY it has to say somehow.
     */
    bool (*fits)(const struct tp_packet *packet);

    /* May a packet be encoded now?  NULL: always.  What may not leave waits in the send queue. */
    bool (*is_ready)(const struct tp_wire *wire);

    /*
     * Takes at most one packet off the front of the input.  What *packet was before does not
     * matter; it is all zeros unless the outcome is PACKET or REFUSED.
     */
    enum tp_decode_outcome (*decode)(struct tp_wire *wire, struct tp_packet *packet);

    /*
     * Writes the packet.  TP_NO_MEMORY, or TP_TOO_LARGE when the protocol has no way to
     * say its lengths; nothing is written then.
     */
    enum tp_result (*encode)(struct tp_wire *wire, const struct tp_packet *packet,
                             struct tp_output *output);

    /*
     * Asks for a sign of life that is no packet; the answer brings `mark` back to wire->ponged.
     * TP_AGAIN: not yet.  NULL: it has none.
     */
    enum tp_result (*ping)(struct tp_wire *wire, uint64_t mark);

    /*
     * The session ends, and nothing more will be encoded: sends what says so (a close frame),
     * unless it has done so already.  Called once, also after is_last, TOO_LARGE and BROKEN.  May
     * be NULL.
     */
    void (*end)(struct tp_wire *wire, struct tp_str reason);

    /*
     * Of one with a state: appends it to `saved` as bytes that a later version still
     * understands; reads them into a zeroed one (TP_INVALID: they are none); and lets go of
     * what it holds besides itself (NULL: nothing).
     */
    enum tp_result (*save)(const void *state, struct tp_buf_pool *pool, struct tp_chain *saved);
    enum tp_result (*restore)(void *state, struct tp_buf_pool *pool, struct tp_str saved);
    void (*fini)(void *state);
};

/* A protocol with its module's conf of the server. */
struct tp_protocol_use {
    const struct tp_protocol *protocol;
    const void *conf;
};

#ifdef __cplusplus
}
#endif

#endif
