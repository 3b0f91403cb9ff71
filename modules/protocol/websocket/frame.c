/*
 * frame.c - frames of WebSocket.
 *
 * Runs in: worker.  Read next: websocket.c, which makes messages of them.
 */
#include "frame.h"

#include "utf8.h"

#include <string.h>

enum {
    BIT_FINAL = 0x80,
    BITS_RESERVED = 0x70,
    BITS_OPCODE = 0x0f,
    BIT_MASKED = 0x80,
    BITS_LENGTH = 0x7f,
    LENGTH_IS_SHORT = 126, /* the length is in the two bytes that follow */
    LENGTH_IS_LONG = 127,  /* in eight */
    SHORT_MAX = 0xffff,
    WORD_BYTES = 8,
    CODE_BYTES = 2,
    CODE_REGISTERED_MIN = 3000, /* from here on codes mean what applications agree on */
    CODE_MAX = 4999,
};

static const char *frame_judge(const struct websocket_frame *frame, uint8_t first);
static size_t frame_length_bytes(uint8_t second);
static const char *frame_read_length(struct websocket_frame *frame, const uint8_t *bytes,
                                     size_t count);
static uint64_t frame_read_number(const uint8_t *bytes, size_t count);
static uint8_t *frame_write_number(uint8_t *to, uint64_t number, size_t count);
static bool closing_may_say(uint16_t code);

enum tp_result
websocket_frame_read(const struct tp_chain *input, bool must_be_masked,
                     struct websocket_frame *frame, const char **why)
{
    uint8_t scratch[WEBSOCKET_HEAD_BYTES_MAX];
    size_t there = input->len < sizeof(scratch) ? input->len : sizeof(scratch);
    const uint8_t *head = tp_chain_peek(input, 0, there, scratch);

    if (there == 0) {
        return TP_AGAIN;
    }
    *frame = (struct websocket_frame){
        .opcode = (enum websocket_opcode)(head[0] & BITS_OPCODE),
        .is_final = (head[0] & BIT_FINAL) != 0,
    };
    *why = frame_judge(frame, head[0]);
    if (*why != NULL || there < 2) {
        return *why != NULL ? TP_INVALID : TP_AGAIN;
    }
    frame->is_masked = (head[1] & BIT_MASKED) != 0;
    if (frame->is_masked != must_be_masked) {
        *why = must_be_masked ? "a frame has no mask" : "a frame has a mask";
        return TP_INVALID;
    }
    size_t length_bytes = frame_length_bytes(head[1]);

    if (websocket_is_control(frame->opcode) && length_bytes > 0) {
        *why = "a control frame carries more than 125 bytes";
        return TP_INVALID;
    }
    frame->head_len = 2 + length_bytes + (frame->is_masked ? WEBSOCKET_MASK_BYTES : 0);
    frame->len = head[1] & BITS_LENGTH;
    if (there < 2 + length_bytes) {
        return TP_AGAIN;
    }
    *why = frame_read_length(frame, head + 2, length_bytes);
    if (*why != NULL) {
        return TP_INVALID;
    }
    if (frame->is_masked && there >= frame->head_len) {
        memcpy(frame->mask, head + 2 + length_bytes, WEBSOCKET_MASK_BYTES);
    }
    return TP_OK;
}

void
websocket_frame_copy(const struct tp_chain *input, const struct websocket_frame *frame, uint8_t *to)
{
    tp_chain_copy(input, frame->head_len, frame->len, to);
    if (frame->is_masked) {
        websocket_mask(to, frame->len, frame->mask, 0);
    }
}

size_t
websocket_head_len(uint64_t len, bool is_masked)
{
    size_t length_bytes = len < LENGTH_IS_SHORT ? 0 : len <= SHORT_MAX ? 2 : 8;

    return 2 + length_bytes + (is_masked ? WEBSOCKET_MASK_BYTES : 0);
}

uint8_t *
websocket_head_write(uint8_t *to, enum websocket_opcode opcode, uint64_t len, const uint8_t *mask)
{
    uint8_t masked = mask == NULL ? 0 : BIT_MASKED;

    *to++ = (uint8_t) (BIT_FINAL | opcode);
    if (len < LENGTH_IS_SHORT) {
        *to++ = (uint8_t) (masked | len);
    } else if (len <= SHORT_MAX) {
        *to++ = masked | LENGTH_IS_SHORT;
        to = frame_write_number(to, len, 2);
    } else {
        *to++ = masked | LENGTH_IS_LONG;
        to = frame_write_number(to, len, 8);
    }
    if (mask != NULL) {
        memcpy(to, mask, WEBSOCKET_MASK_BYTES);
        to += WEBSOCKET_MASK_BYTES;
    }
    return to;
}

void
websocket_mask(uint8_t *bytes, size_t len, const uint8_t *mask, size_t offset)
{
    uint8_t turned[WORD_BYTES];
    uint64_t mask_word;
    size_t i = 0;

    for (size_t at = 0; at < sizeof(turned); at++) {
        turned[at] = mask[(offset + at) % WEBSOCKET_MASK_BYTES];
    }
    memcpy(&mask_word, turned, sizeof(mask_word));
    for (; len - i >= WORD_BYTES; i += WORD_BYTES) {
        uint64_t word;

        memcpy(&word, bytes + i, sizeof(word));
        word ^= mask_word;
        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < len; i++) {
        bytes[i] ^= turned[i % WORD_BYTES];
    }
}

enum tp_result
websocket_closing_read(struct tp_str carried, struct websocket_closing *closing, const char **why)
{
    const uint8_t *bytes = (const uint8_t *) carried.data;

    *closing = (struct websocket_closing){ .code = WEBSOCKET_CODE_NONE };
    if (carried.len == 0) {
        return TP_OK;
    }
    if (carried.len < CODE_BYTES) {
        *why = "a close frame has half a code";
        return TP_INVALID;
    }
    closing->code = (uint16_t) frame_read_number(bytes, CODE_BYTES);
    closing->reason = (struct tp_str){ carried.data + CODE_BYTES, carried.len - CODE_BYTES };
    if (!closing_may_say(closing->code)) {
        *why = "a close frame has a code that may not be sent";
        return TP_INVALID;
    }
    if (!websocket_utf8_is_valid(bytes + CODE_BYTES, carried.len - CODE_BYTES)) {
        *why = "the reason of a close frame is not UTF-8";
        return TP_INVALID;
    }
    return TP_OK;
}

enum websocket_code
websocket_code_of(struct tp_str reason)
{
    static const struct {
        const char *reason;
        enum websocket_code code;
    } codes[] = {
        { "peer-closed", WEBSOCKET_CODE_NORMAL },
        { "closed", WEBSOCKET_CODE_NORMAL },
        { "kicked", WEBSOCKET_CODE_NORMAL },
        { "protocol-error", WEBSOCKET_CODE_PROTOCOL_ERROR },
        { "unsupported-type", WEBSOCKET_CODE_UNSUPPORTED_DATA },
        { "refused", WEBSOCKET_CODE_POLICY },
        { "id-taken", WEBSOCKET_CODE_POLICY },
        { "auth-failed", WEBSOCKET_CODE_POLICY },
        { "auth-timeout", WEBSOCKET_CODE_POLICY },
        { "auth-expired", WEBSOCKET_CODE_POLICY },
        { "auth-revoked", WEBSOCKET_CODE_POLICY },
        { "packet-too-large", WEBSOCKET_CODE_TOO_LARGE },
        { "no-resources", WEBSOCKET_CODE_TRY_LATER },
    };

    for (size_t i = 0; i < TP_COUNT_OF(codes); i++) {
        if (strlen(codes[i].reason) == reason.len
            && memcmp(codes[i].reason, reason.data, reason.len) == 0) {
            return codes[i].code;
        }
    }
    return WEBSOCKET_CODE_GOING_AWAY;
}

/* What is wrong with the frame, as far as its first byte tells; NULL: nothing. */
static const char *
frame_judge(const struct websocket_frame *frame, uint8_t first)
{
    if ((first & BITS_RESERVED) != 0) {
        return "a frame uses an extension that was not agreed on";
    }
    if ((frame->opcode > WEBSOCKET_BINARY && frame->opcode < WEBSOCKET_CLOSE)
        || frame->opcode > WEBSOCKET_PONG) {
        return "a frame has an opcode that does not exist";
    }
    if (websocket_is_control(frame->opcode) && !frame->is_final) {
        return "a control frame is fragmented";
    }
    return NULL;
}

static size_t
frame_length_bytes(uint8_t second)
{
    switch (second & BITS_LENGTH) {
    case LENGTH_IS_SHORT:
        return 2;
    case LENGTH_IS_LONG:
        return 8;
    default:
        return 0;
    }
}

/* A length has to be said in as few bytes as possible. */
static const char *
frame_read_length(struct websocket_frame *frame, const uint8_t *bytes, size_t count)
{
    if (count == 0) {
        return NULL;
    }
    frame->len = frame_read_number(bytes, count);
    if (frame->len < LENGTH_IS_SHORT || (count > 2 && frame->len <= SHORT_MAX)) {
        return "a frame says its length in more bytes than needed";
    }
    return frame->len > INT64_MAX ? "a frame has a negative length" : NULL;
}

static uint64_t
frame_read_number(const uint8_t *bytes, size_t count)
{
    uint64_t number = 0;

    for (size_t i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

static uint8_t *
frame_write_number(uint8_t *to, uint64_t number, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        to[i - 1] = (uint8_t) number;
        number >>= 8;
    }
    return to + count;
}

/* Some codes only name what no frame has said; others nobody has given a meaning. */
static bool
closing_may_say(uint16_t code)
{
    switch (code) {
#define CLOSING_CASE_ROW(name, number) case number:
        WEBSOCKET_CODE_TABLE(CLOSING_CASE_ROW)
#undef CLOSING_CASE_ROW
        return true;
    default:
        return code >= CODE_REGISTERED_MIN && code <= CODE_MAX;
    }
}
