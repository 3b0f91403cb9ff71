/*
 * frame.h - frames of WebSocket: their heads, masks, and what a close frame says.
 *
 * Source of the format: RFC 6455, chapters 5 and 7.4.
 */
#ifndef TELEPORT_WEBSOCKET_FRAME_H
#define TELEPORT_WEBSOCKET_FRAME_H

#include <teleport/bytes.h>

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8, /* from here on frames are about the connection, not of a message */
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum {
    WEBSOCKET_MASK_BYTES = 4,
    WEBSOCKET_HEAD_BYTES_MAX = 10 + WEBSOCKET_MASK_BYTES,
    WEBSOCKET_CONTROL_BYTES_MAX = 125, /* of what a ping, pong or close may carry */
};

/* Why a connection is closed: ROW(NAME, code), of codes that may be sent. */
/* clang-format off */
#define WEBSOCKET_CODE_TABLE(ROW) \
    ROW(NORMAL,            1000)  \
    ROW(GOING_AWAY,        1001)  \
    ROW(PROTOCOL_ERROR,    1002)  \
    ROW(UNSUPPORTED_DATA,  1003)  \
    ROW(BAD_MESSAGE,       1007)  \
    ROW(POLICY,            1008)  \
    ROW(TOO_LARGE,         1009)  \
    ROW(EXTENSION_MISSING, 1010)  \
    ROW(INTERNAL_ERROR,    1011)  \
    ROW(RESTART,           1012)  \
    ROW(TRY_LATER,         1013)  \
    ROW(BAD_GATEWAY,       1014)
/* clang-format on */

enum websocket_code {
    WEBSOCKET_CODE_NONE = 1005, /* stands for a close frame that names none; it is not sent */
#define WEBSOCKET_CODE_ENUM_ROW(name, code) WEBSOCKET_CODE_##name = (code),
    WEBSOCKET_CODE_TABLE(WEBSOCKET_CODE_ENUM_ROW)
#undef WEBSOCKET_CODE_ENUM_ROW
};

struct websocket_frame {
    enum websocket_opcode opcode;
    bool is_final; /* the last, or only one, of its message */
    bool is_masked;
    uint8_t mask[WEBSOCKET_MASK_BYTES];
    size_t head_len;
    uint64_t len; /* of what it carries */
};

static inline bool
websocket_is_control(enum websocket_opcode opcode)
{
    return opcode >= WEBSOCKET_CLOSE;
}

/*
 * Reads the head of the frame that `input` begins with.  `must_be_masked` says what this end
 * receives: a client masks all, a server nothing.  TP_OK: its length is known, though not all
 * of the head may be there yet; TP_AGAIN: more bytes are needed; TP_INVALID: *why says what is
 * wrong with it, as soon as the bytes tell.
 */
enum tp_result websocket_frame_read(const struct tp_chain *input, bool must_be_masked,
                                    struct websocket_frame *frame, const char **why) TP_MUST_CHECK;

/* Copies what the frame carries, which is all there, to `to`, without its mask. */
void websocket_frame_copy(const struct tp_chain *input, const struct websocket_frame *frame,
                          uint8_t *to);

/* How long the head of a frame is that carries `len` bytes. */
size_t websocket_head_len(uint64_t len, bool is_masked);

/*
 * Writes the head of a frame that is a whole message, or a control frame, and returns the
 * place behind it.  A NULL mask is none.
 */
uint8_t *websocket_head_write(uint8_t *to, enum websocket_opcode opcode, uint64_t len,
                              const uint8_t *mask);

/*
 * Puts a mask on the `len` bytes, or takes it off; `offset` is the place of the first of them
 * in what the frame carries.
 */
void websocket_mask(uint8_t *bytes, size_t len, const uint8_t *mask, size_t offset);

/* What a close frame carries; `reason` is borrowed. */
struct websocket_closing {
    uint16_t code;
    struct tp_str reason;
};

/* Reads it; TP_INVALID: *why says what is wrong. */
enum tp_result websocket_closing_read(struct tp_str carried, struct websocket_closing *closing,
                                      const char **why) TP_MUST_CHECK;

/* The code for the word of a close reason. */
enum websocket_code websocket_code_of(struct tp_str reason);

#endif
