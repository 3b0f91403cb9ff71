/*
 * net/tls.h - TLS, bytes to bytes: what came over a connection goes in, what it means comes out,
 * and back.  Nothing here sees a socket, a file or a clock.
 *
 * A context says what this end is: its certificates, whom it trusts, which versions it speaks.
 * It is made of texts, constant afterwards, and counted: a configuration holds it, and so does
 * each connection.
 *
 * A connection is one end of a conversation.  Renegotiation and early data are never spoken.
 * What connections need only while they are at work they share: a desk, at which those of one
 * thread take turns.
 *
 *     place = tp__tls_place(tls, &room);           read up to `room` bytes to `place`
 *     tp__tls_arrive(tls, count);                  so many have come
 *     while (tp__tls_open(tls, …, &count) == TP_OK)   plain bytes, until there are no more
 *     tp__tls_seal(tls, sink, bytes, len);         what is to leave goes to the sink, sealed
 *
 * Whatever is asked of a connection, it may have something to send: it goes to the sink.
 *
 * Threads: a desk, its connections and the contexts they use belong to one thread.
 * Read next: tls.c, tls_context.c.
 */
#ifndef TP_NET_TLS_H
#define TP_NET_TLS_H

#include <teleport/bytes.h>

#include "base/counted.h"

enum {
    TP_TLS_WHY_MAX = 256,              /* of a reason in words, and its terminator */
    TP_TLS_NAME_MAX = 255,             /* bytes of a server's name, as DNS has it */
    TP_TLS_ALPN_NAME_MAX = 255,        /* as a byte says its length */
    TP_TLS_TICKET_NAME_BYTES = 16,     /* these two as OpenSSL has them */
    TP_TLS_TICKET_SECRET_BYTES = 32,   /* of each of the two secrets */
    TP_TLS_SESSION_LIFE_S = 24 * 3600, /* how long one may be resumed */
    TP_TLS_FIRST_BYTE = 0x16,          /* of a connection: a handshake */
    TP_TLS_BUSY_MAX = 256,             /* connections of a desk; each keeps up to 34 KB */
};

enum tp_tls_role {
    TP_TLS_ACCEPTS,
    TP_TLS_DIALS,
};

/* Versions are bits. */
enum tp_tls_version {
    TP_TLS_VERSION_1_2 = 1 << 0,
    TP_TLS_VERSION_1_3 = 1 << 1,
};

/* What the other end has to show. */
enum tp_tls_verify {
    TP_TLS_VERIFY_OFF,      /* nothing, and what it shows is not looked at */
    TP_TLS_VERIFY_OPTIONAL, /* a certificate that it shows must be good */
    TP_TLS_VERIFY_ON,       /* a good certificate */
};

/* A certificate, with those between it and its authority behind it, and its key; PEM. */
struct tp_tls_pair {
    struct tp_str certificate;
    struct tp_str key;
};

/* Which part of the options a complaint is about. */
enum tp_tls_part {
    TP_TLS_PART_CERTIFICATE,
    TP_TLS_PART_KEY,
    TP_TLS_PART_CIPHERS,
    TP_TLS_PART_TRUSTED,
    TP_TLS_PART_OTHER,
};

/*
 * What is wrong with the options, told for each mistake; `item` is the pair that it is about.
 * A warning keeps nobody from using the context.
 */
struct tp_tls_complaint {
    enum tp_tls_part part;
    size_t item;
    bool is_warning;
    const char *words; /* a sentence without its full stop */
};
typedef void (*tp_tls_complain_fn)(void *owner, const struct tp_tls_complaint *complaint);

/* All texts are borrowed for the call. */
struct tp_tls_options {
    enum tp_tls_role role;
    const struct tp_tls_pair *pairs; /* who accepts has at least one: the first is for all names
                                        that no other is for */
    size_t pair_count;
    unsigned versions;     /* enum tp_tls_version; 0: all */
    const char *ciphers;   /* of TLS 1.2, as OpenSSL writes them; NULL: good ones */
    struct tp_str trusted; /* PEM: who may vouch for the other end; none: whom the system trusts */
    enum tp_tls_verify verify; /* who dials knows no OPTIONAL */
    struct tp_str alpn;        /* names, each behind a byte with its length, best first */
    uint32_t remembered;       /* sessions kept for who comes back without a ticket; 0: none */
    bool has_tickets;          /* who comes back may bring what we remember along */
    tp_tls_complain_fn complain;
    void *owner; /* complain's */
};

struct tp_tls_context;

/*
 * TP_INVALID: the options cannot be; complain() has been told.  TP_NO_MEMORY.  The caller holds
 * *context.
 */
enum tp_result tp__tls_context_create(const struct tp_tls_options *options,
                                      struct tp_tls_context **context) TP_MUST_CHECK;
void tp__tls_context_acquire(struct tp_tls_context *context);

/* Makes *context NULL, which may be NULL already. */
void tp__tls_context_release(struct tp_tls_context **context);

/* A key that tickets are sealed with. */
struct tp_tls_ticket_key {
    uint8_t name[TP_TLS_TICKET_NAME_BYTES];
    uint8_t cipher[TP_TLS_TICKET_SECRET_BYTES];
    uint8_t digest[TP_TLS_TICKET_SECRET_BYTES];
};

/* Keys that others use as well; without any, a context has a key of its own. */
struct tp_tls_ticket_keys {
    /* The key of new tickets; false: there is none now. */
    bool (*get_newest)(struct tp_tls_ticket_keys *keys, struct tp_tls_ticket_key *key);
    /* The key of this name; false: it is not known any more.  *is_newest: tickets are still
     * sealed with it. */
    bool (*find)(struct tp_tls_ticket_keys *keys, const uint8_t *name,
                 struct tp_tls_ticket_key *key, bool *is_newest);
};

/* From here on, until others are given; `keys` NULL: nobody shakes hands by it any more. */
void tp__tls_context_use_ticket_keys(struct tp_tls_context *context,
                                     struct tp_tls_ticket_keys *keys);

/* Where sealed bytes go to: false when they cannot be kept, and the connection is lost then. */
struct tp_tls_sink {
    bool (*take)(struct tp_tls_sink *sink, const uint8_t *bytes, size_t len);
};

struct bio_method_st;
struct tp_tls;

/*
 * What connections of a thread take turns with; it takes memory when it is first used.
 *
 * Those that are busy keep the buffers of OpenSSL between their records; to give them back and to
 * ask for them again costs a tenth of what a small record does.  Who is beyond TP_TLS_BUSY_MAX, or
 * has been silent for a while (tp__tls_desk_rest()), has none.
 */
struct tp_tls_desk {
    struct tp_buf_pool *pool;
    struct bio_method_st *method; /* how OpenSSL reaches the desk */
    uint8_t *staging;             /* what arrives */
    uint8_t *gather;              /* small pieces of a record that is to leave */
    struct tp_str arrived;        /* of the connection whose turn it is: what it has not read yet */
    size_t whole_len;             /* of those the records that are whole */
    struct tp_tls_sink *sink;
    struct tp_tls **busy; /* TP_TLS_BUSY_MAX of them */
    size_t busy_count;
    bool has_lost;            /* the sink could not keep what it was given */
    char why[TP_TLS_WHY_MAX]; /* of the last failure */
};

void tp__tls_desk_init(struct tp_tls_desk *desk, struct tp_buf_pool *pool);
void tp__tls_desk_fini(struct tp_tls_desk *desk);

/*
 * Takes the buffers of those busy ones that have been silent since the last call.  To be called
 * from time to time while there are any (desk->busy_count).
 */
void tp__tls_desk_rest(struct tp_tls_desk *desk);

enum tp_tls_state {
    TP_TLS_SHAKING, /* the handshake is under way */
    TP_TLS_OPEN,
    TP_TLS_ENDED, /* the other end has said that nothing more will come */
    TP_TLS_FAILED,
};

/* An end of a new connection.  NULL when memory is out. */
struct tp_tls *tp__tls_accept(struct tp_tls_desk *desk,
                              struct tp_tls_context *context) TP_MUST_CHECK;

/*
 * The other end has to be `name`, a DNS name or an IP address: it is told so, and its certificate
 * has to be for that.  NULL: no name is asked for, and any good certificate will do.
 */
struct tp_tls *tp__tls_dial(struct tp_tls_desk *desk, struct tp_tls_context *context,
                            const char *name) TP_MUST_CHECK;

/* Frees it and makes *tls NULL, which may be NULL already. */
void tp__tls_free(struct tp_tls **tls);

enum tp_tls_state tp__tls_state(const struct tp_tls *tls);

/* Sends what begins the conversation; who dials calls it once.  As tp__tls_open(). */
enum tp_result tp__tls_begin(struct tp_tls *tls, struct tp_tls_sink *sink) TP_MUST_CHECK;

/*
 * Where the bytes that come next are to be put, at most *room of them.  Good until another
 * connection of the desk has its turn.  NULL when memory is out.
 */
uint8_t *tp__tls_place(struct tp_tls *tls, size_t *room) TP_MUST_CHECK;

/* `count` bytes were put there; they are to be opened before another connection has its turn. */
void tp__tls_arrive(struct tp_tls *tls, size_t count);

/*
 * Opens some of what has arrived: at most `room` plain bytes, *count of them, to `bytes`.
 * TP_AGAIN: there are no more; the begin of what is not whole is kept.  Until then it has to be
 * called again.  TP_GONE: the other end has said that nothing more will come.  Those that mean
 * the end: TP_MISMATCH: the first bytes are not TLS; TP_INVALID: the other end, or what it
 * shows, is not good; TP_NO_MEMORY.  tp__tls_why() says it in words.
 */
enum tp_result tp__tls_open(struct tp_tls *tls, struct tp_tls_sink *sink, uint8_t *bytes,
                            size_t room, size_t *count) TP_MUST_CHECK;

/* Seals slices in records as large as can be.  TP_INVALID, TP_NO_MEMORY: it is lost. */
enum tp_result tp__tls_seal(struct tp_tls *tls, struct tp_tls_sink *sink,
                            const struct tp_slice *slices, size_t count) TP_MUST_CHECK;

/* Says, once, that nothing more will come from this end; where that can still be said. */
void tp__tls_say_end(struct tp_tls *tls, struct tp_tls_sink *sink);

/* The last failure of a connection of the desk, in words; borrowed until the next. */
const char *tp__tls_why(const struct tp_tls *tls);

/* Once it is open: "TLSv1.3", the cipher's name; texts that live for ever.  Before: "". */
const char *tp__tls_version_word(const struct tp_tls *tls);
const char *tp__tls_cipher_word(const struct tp_tls *tls);

/* Whom the other end's certificate is for, as RFC 2253 writes it; empty without one. */
struct tp_str tp__tls_subject(const struct tp_tls *tls);

/* The subject's last common name; the first alternative name: of a host, a mailbox, an URI. */
struct tp_str tp__tls_common_name(const struct tp_tls *tls);
struct tp_str tp__tls_alternative_name(const struct tp_tls *tls);

/* What both ends have agreed to speak, of the names of options.alpn; empty: nothing. */
struct tp_str tp__tls_alpn(const struct tp_tls *tls);

/* True when it goes on with a session of an earlier connection. */
bool tp__tls_is_resumed(const struct tp_tls *tls);

/* Do these bytes, the first of a connection, begin TLS?  Two are enough to tell. */
static inline bool
tp__tls_looks_like(const uint8_t *bytes, size_t len)
{
    return len >= 2 && bytes[0] == TP_TLS_FIRST_BYTE && bytes[1] == 0x03;
}

#endif
