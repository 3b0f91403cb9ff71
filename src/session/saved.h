/*
 * session/saved.h - a session as bytes, for another process of this machine, which may be
 * of another version.
 *
 *     "TPSS" | u16 version | fields | END, whose number is the hash of all before it
 *     field: u16 tag | u32 length of the value | value
 *
 * All numbers are big endian; the value of a number is 8 bytes.  An opener has no value:
 * the fields behind it belong to it, up to the next opener.  There is one SESSION, and an
 * EXCHANGE for each that is open.  A reader refuses tags it does not know, unless they are
 * optional ones; so what must not be lost gets a plain tag, and what may be an optional one.
 *
 * Read next: session_save.c, exchange_save.c.
 */
#ifndef TP_SESSION_SAVED_H
#define TP_SESSION_SAVED_H

#include "packet/output.h"

enum {
    TP_SAVED_VERSION = 1,
    TP_SAVED_TAG_COUNT = 64,    /* known tags are below it */
    TP_SAVED_OPTIONAL = 0x8000, /* the bit of tags that may be skipped */
};

enum tp_saved_kind {
    TP_SAVED_OPENER,
    TP_SAVED_NUMBER,
    TP_SAVED_BYTES,
};

/*
 * ROW(NAME, tag, kind, opener it belongs to).  Times are CLOCK_MONOTONIC, which all
 * processes of a machine share.  A tag is never used again for something else.
 */
/* clang-format off */
#define TP_SAVED_TABLE(ROW)                                                                        \
    ROW(SESSION,          1, OPENER, SESSION)                                                      \
    ROW(SESSION_NUMBER,   2, NUMBER, SESSION)                                                      \
    ROW(REMOTE_FAMILY,    3, NUMBER, SESSION)                                                      \
    ROW(REMOTE_IP,        4, BYTES,  SESSION)  /* 16, in network order */                          \
    ROW(REMOTE_PORT,      5, NUMBER, SESSION)                                                      \
    ROW(LISTEN,           6, BYTES,  SESSION)  /* its name */                                      \
    ROW(PROTOCOL,         7, BYTES,  SESSION)  /* its name */                                      \
    ROW(INPUT,            8, BYTES,  SESSION)  /* received, not yet a packet */                    \
    ROW(UNSENT,           9, BYTES,  SESSION)  /* encoded, not yet taken by the other end */       \
    ROW(HEARD_MS,        10, NUMBER, SESSION)                                                      \
    ROW(PACKET_BEGUN_MS, 11, NUMBER, SESSION)                                                      \
    ROW(STUCK_SINCE_MS,  12, NUMBER, SESSION)                                                      \
    ROW(END_REASON,      13, BYTES,  SESSION)  /* its word; only of one that is ending */          \
    ROW(END_WAITS,       14, NUMBER, SESSION)  /* …1: until its exchanges are answered */          \
    ROW(ID,              15, BYTES,  SESSION)  /* only of one that has an id */                      \
    ROW(BEGUN_MS,        16, NUMBER, SESSION)                                                      \
    ROW(RECEIVED_COUNT,  17, NUMBER, SESSION)  /* packets */                                       \
    ROW(SENT_COUNT,      18, NUMBER, SESSION)                                                      \
    ROW(NEXT_SEQ,        19, NUMBER, SESSION)  /* of what is asked on our own account */           \
    ROW(GREETING_POINT,  20, BYTES,  SESSION)  /* the hook that has it: its point's word… */       \
    ROW(GREETING_OWNER,  21, BYTES,  SESSION)  /* …and its module's name */                        \
    ROW(HEADER_PASSED,   22, NUMBER, SESSION)  /* only where it is so: pre_read_header was run */  \
    ROW(VARIABLES,       23, BYTES,  SESSION)  /* each: u32 and u32 lengths, name, value */        \
    ROW(OWN_TIMEOUTS,    24, BYTES,  SESSION)  /* u64 each, in the order of their enum */          \
    ROW(PROTOCOL_STATE,  25, BYTES,  SESSION)  /* only of a protocol that keeps one */             \
    ROW(END_SAID,        26, NUMBER, SESSION)  /* only where the protocol has said its last */     \
    ROW(AMID_PACKET,     27, NUMBER, SESSION)  /* only where the state has a part of a packet */   \
    ROW(IDENTITY,        28, BYTES,  SESSION)  /* see identity.c */                                \
    ROW(PARTS,           29, BYTES,  SESSION)  /* of modules: see session_data.c */                \
    ROW(GUARD_ASIDE,     30, BYTES,  SESSION)  /* whose hook's guard is: its module's name */      \
    ROW(EXCHANGE,        32, OPENER, EXCHANGE)                                                     \
    ROW(TYPE,            33, NUMBER, EXCHANGE) /* of the request, as all up to BODY */             \
    ROW(SEQ,             34, NUMBER, EXCHANGE)                                                     \
    ROW(HEADER_CODEC,    35, NUMBER, EXCHANGE)                                                     \
    ROW(URI,             36, BYTES,  EXCHANGE)                                                     \
    ROW(GZIP_LEVEL,      37, NUMBER, EXCHANGE)                                                     \
    ROW(BODY_CODEC,      38, NUMBER, EXCHANGE) /* only where one was named */                      \
    ROW(BODY,            39, BYTES,  EXCHANGE)                                                     \
    ROW(WIRE_BYTES,      40, NUMBER, EXCHANGE)                                                     \
    ROW(BEGUN_US,        41, NUMBER, EXCHANGE)                                                     \
    ROW(HANDLER,         42, BYTES,  EXCHANGE) /* the module's name */                             \
    ROW(DUE_MS,          43, NUMBER, EXCHANGE) /* when the handler goes on with it */              \
    ROW(STATE,           44, BYTES,  EXCHANGE) /* the handler's */                                 \
    ROW(SET_URI,         45, BYTES,  EXCHANGE) /* only of one to which a hook gave another */      \
    ROW(UNBEGUN,         46, NUMBER, EXCHANGE) /* only of one that waits for its session's hook */ \
    ROW(METADATA,        47, BYTES,  EXCHANGE) /* as all up to REPLY_LEVEL: where there is any */  \
    ROW(FILTERS,         55, BYTES,  EXCHANGE) /* ids */                                           \
    ROW(NOTE,            56, NUMBER, EXCHANGE) /* the protocol's */                                \
    ROW(ACCEPT_CODEC,    57, NUMBER, EXCHANGE)                                                     \
    ROW(REPLY_LEVEL,     58, NUMBER, EXCHANGE) /* of what its REPLY is deflated with */            \
    ROW(HOOK_POINT,      53, BYTES,  EXCHANGE) /* the hook that has it: its point's word… */       \
    ROW(HOOK_OWNER,      54, BYTES,  EXCHANGE) /* …and its module's name */                        \
    ROW(REPLY_CODE,      48, NUMBER, EXCHANGE) /* only of one that waits for its turn, as below */ \
    ROW(REPLY_TEXT,      49, BYTES,  EXCHANGE)                                                     \
    ROW(REPLY_GZIP,      50, NUMBER, EXCHANGE)                                                     \
    ROW(REPLY_CODEC,     51, NUMBER, EXCHANGE)                                                     \
    ROW(REPLY_BODY,      52, BYTES,  EXCHANGE)                                                     \
    ROW(REPLY_CAUSE,     59, BYTES,  EXCHANGE) /* only of one that has it, and so is the next */   \
    ROW(REPLY_METADATA,  60, BYTES,  EXCHANGE)                                                     \
    ROW(OWN_IDENTITY,    61, BYTES,  EXCHANGE) /* the same of the exchange */                     \
    ROW(END,             63, NUMBER, END)
/* clang-format on */

enum tp_saved_tag {
#define TP_SAVED_ENUM_ROW(name, tag, kind, opener) TP_SAVED_##name = (tag),
    TP_SAVED_TABLE(TP_SAVED_ENUM_ROW)
#undef TP_SAVED_ENUM_ROW
};

/* For masks of tags. */
#define TP_SAVED_BIT(name) (UINT64_C(1) << TP_SAVED_##name)

/* Writing: the first failure stays, and nothing is written after it. */
struct tp_saved_writer {
    struct tp_output *output;
    uint64_t hash; /* of what was written */
    enum tp_result result;
};

/* Begins to write by way of `output`, which must not be in use and is not until the end. */
void tp__saved_begin(struct tp_saved_writer *writer, struct tp_output *output);

void tp__saved_put_opener(struct tp_saved_writer *writer, enum tp_saved_tag tag);
void tp__saved_put_number(struct tp_saved_writer *writer, enum tp_saved_tag tag, int64_t number);
void tp__saved_put_text(struct tp_saved_writer *writer, enum tp_saved_tag tag, struct tp_str text);

/* Large slices are shared, not copied. */
void tp__saved_put_chain(struct tp_saved_writer *writer, enum tp_saved_tag tag,
                         const struct tp_chain *chain);

/*
 * Ends, and appends all to `saved`.  TP_NO_MEMORY; TP_TOO_LARGE: a value's length cannot
 * be said.  `saved` is as it was then.
 */
enum tp_result tp__saved_end(struct tp_saved_writer *writer, struct tp_chain *saved) TP_MUST_CHECK;

/* Reading: an opener and its fields, each at most once; the values are borrowed. */
struct tp_saved_section {
    enum tp_saved_tag opener;
    uint64_t present; /* a bit for each tag */
    struct tp_str values[TP_SAVED_TAG_COUNT];
};

/*
 * Checks head, end and hash of `saved`, and lets `fields` be what is between.  TP_INVALID,
 * or TP_MISMATCH for another version; *why says it in words then, here and below.
 */
enum tp_result tp__saved_open(struct tp_str saved, struct tp_str *fields,
                              const char **why) TP_MUST_CHECK;

/* Takes a section off `fields`.  TP_INVALID; TP_MISMATCH: a tag that may not be skipped. */
enum tp_result tp__saved_read_section(struct tp_str *fields, struct tp_saved_section *section,
                                      const char **why) TP_MUST_CHECK;

/* Is the field of this tag there? */
static inline bool
tp__saved_has(const struct tp_saved_section *section, enum tp_saved_tag tag)
{
    return (section->present >> tag & 1) != 0;
}

/* The number of the field; 0 when it is not there. */
int64_t tp__saved_get_number(const struct tp_saved_section *section, enum tp_saved_tag tag);

/* The bytes of the field; none when it is not there. */
struct tp_str tp__saved_get_text(const struct tp_saved_section *section, enum tp_saved_tag tag);

/*
 * Numbers within the bytes of a field: writes the last `len` bytes of `number`, and returns the
 * place behind them; reads `len` of them.
 */
uint8_t *tp__saved_write_big_endian(uint8_t *to, uint64_t number, size_t len);
uint64_t tp__saved_read_big_endian(const char *from, size_t len);

#endif
