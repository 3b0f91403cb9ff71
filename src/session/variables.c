/*
 * variables.c - the table of run-time variables, and templates expanded with them.
 *
 * Each exchange may cost a line of an access log, so values are written by hand where
 * printf() would cost more than all the rest of the exchange.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: exchange_log.c, conf/template.c.
 */
#include "session/variables.h"

#include "base/str.h"
#include "os/process.h"
#include "session/record.h"

#include <string.h>

enum {
    ESCAPED_BYTES_MAX = 4, /* of one byte: \x0a */
    UINT32_DIGITS_MAX = 10,
    WORD_BYTES = 8, /* bytes looked at together */
};

/* ROW(name, is a prefix, how its value is written, sentence), in the order of the manual. */
/* clang-format off */
#define VARIABLE_TABLE(ROW)                                                                       \
    ROW(uri, false, tp__value_write_text(writer, exchange->request.uri),                          \
        "The uri of the packet, as it came.")                                                     \
    ROW(path, false, tp__value_write_text(writer, exchange->path),                                \
        "The path of the uri, percent-decoded.")                                                  \
    ROW(query, false, tp__value_write_text(writer, exchange->query),                              \
        "What stands behind the question mark of the uri, as it came.")                           \
    ROW(arg_, true, write_argument(writer, exchange->query, part->name),                          \
        "The first value of that name in the query, percent-decoded: `$arg_user` of "             \
        "`/hello?user=ann` is `ann`.")                                                            \
    ROW(route, false, write_route(writer, exchange->route),                                       \
        "The uri of the route that serves the exchange, as it is configured.")                    \
    ROW(type, false, write_type(writer, &exchange->request),                                      \
        "The type of the packet: PULL or PUSH.")                                                  \
    ROW(seq, false, write_number(writer, exchange->request.seq),                                  \
        "The sequence number that the other end gave the packet.")                                \
    ROW(session_number, false, write_number(writer, exchange->session_number),                    \
        "The number of the session, which no other session ever has.")                            \
    ROW(remote, false, write_remote(writer, &exchange->remote),                                   \
        "Address and port of the other end; `unix:` for a Unix socket.")                          \
    ROW(remote_addr, false, write_address(writer, &exchange->remote),                             \
        "The address of the other end, without its port.")                                        \
    ROW(remote_port, false, write_number(writer, exchange->remote.port),                          \
        "The port of the other end; 0 for a Unix socket.")                                        \
    ROW(listen, false, tp__value_write_text(writer, tp__str(exchange->source->name)),             \
        "The listening address that the session came in through.")                                \
    ROW(header_codec, false, write_codec(writer, exchange, exchange->request.header_codec),       \
        "The codec of the packet's header.")                                                      \
    ROW(body_codec, false, write_codec(writer, exchange, exchange->request.body_codec),           \
        "The codec of the packet's body.")                                                        \
    ROW(gzip, false, write_signed(writer, exchange->request.gzip_level),                          \
        "The level that the packet's body is deflated with; 0: it is not.")                       \
    ROW(bytes_received, false, write_number(writer, exchange->request.wire_bytes),                \
        "The bytes of the whole packet.")                                                         \
    ROW(body_bytes, false, write_number(writer, exchange->request_body_bytes),                    \
        "The bytes of the packet's body, as they came.")                                          \
    ROW(status, false, write_signed(writer, exchange->reply.status.code),                         \
        "The code of the exchange's outcome; 0 while there is none, 101 when the session ended "  \
        "before it was answered.")                                                                \
    ROW(status_text, false, tp__value_write_text(writer, exchange->reply.status.text),            \
        "The text of the outcome.")                                                               \
    ROW(bytes_sent, false, write_number(writer, exchange->reply.wire_bytes),                      \
        "The bytes of the whole reply; 0 while it is not sent, and for a PUSH.")                  \
    ROW(reply_bytes, false, write_number(writer, exchange->reply.body.len),                       \
        "The bytes of the reply's body, as they are sent.")                                       \
    ROW(duration, false, write_duration(writer, exchange_now_us(exchange) - exchange->begun_us),  \
        "Seconds and microseconds from the packet's arrival to the outcome.")                     \
    ROW(slow, false, write_slow(writer, exchange),                                                \
        "The word slow where that took slow_threshold or longer.")                                \
    ROW(time_local, false, write_time_local(writer, exchange),                                    \
        "The present local time, such as 2026-11-22 14:20:33.")                                   \
    ROW(time_iso8601, false, write_time_iso8601(writer, exchange),                                \
        "The present time with its zone, such as 2026-11-22T14:20:33+01:00.")                     \
    ROW(pid, false, write_number(writer, (uint64_t) tp__process_id()),                            \
        "The worker's process id.")                                                               \
    ROW(worker, false, write_number(writer, exchange->sessions->worker_slot),                     \
        "The worker's slot, counted from 0.")
/* clang-format on */

static size_t text_bytes_max(const struct tp_exchange *exchange);
static enum tp_result expand_reserve(struct tp_exchange *exchange, struct tp_buf **buf, size_t len,
                                     size_t needed);
static void write_literal(struct tp_value_writer *writer, struct tp_str text);
static void write_bytes(struct tp_value_writer *writer, const char *bytes, size_t len);
static void write_escaped(struct tp_value_writer *writer, struct tp_str text);
static bool word_needs_escape(uint64_t word);
static char *write_escaped_byte(char *next, uint8_t byte);
static void write_number(struct tp_value_writer *writer, uint64_t number);
static char *number_to_text(char *next, uint64_t number);
static char *large_number_to_text(char *next, uint64_t number);
static char *write_nine_digits(char *next, uint32_t number);
static void write_pair(char *at, uint32_t number);
static void write_signed(struct tp_value_writer *writer, int64_t number);
static void write_duration(struct tp_value_writer *writer, int64_t duration_us);
static void write_argument(struct tp_value_writer *writer, struct tp_str query, struct tp_str name);
static void write_decoded(struct tp_value_writer *writer, struct tp_str text);
static bool argument_is_whole(struct tp_str text);
static bool argument_equals(struct tp_str text, struct tp_str plain);
static int argument_take_byte(struct tp_str *text);
static void write_route(struct tp_value_writer *writer, const struct tp_route *route);
static void write_type(struct tp_value_writer *writer, const struct tp_packet *request);
static void write_remote(struct tp_value_writer *writer, const struct tp_address *remote);
static void write_address(struct tp_value_writer *writer, const struct tp_address *address);
static void write_codec(struct tp_value_writer *writer, const struct tp_exchange *exchange,
                        uint8_t codec);
static void write_slow(struct tp_value_writer *writer, const struct tp_exchange *exchange);
static void write_time_local(struct tp_value_writer *writer, const struct tp_exchange *exchange);
static void write_time_iso8601(struct tp_value_writer *writer, const struct tp_exchange *exchange);
static int64_t exchange_now_us(const struct tp_exchange *exchange);

enum variable {
    VARIABLE_NONE = -1,
#define VARIABLE_ENUM_ROW(name, is_prefix, writing, sentence) VARIABLE_##name,
    VARIABLE_TABLE(VARIABLE_ENUM_ROW)
#undef VARIABLE_ENUM_ROW
};

static const struct tp_run_variable variable_rows[] = {
#define VARIABLE_ROW(name, is_prefix, writing, sentence) { #name, is_prefix, sentence },
    VARIABLE_TABLE(VARIABLE_ROW)
#undef VARIABLE_ROW
};

const struct tp_run_variables tp__variables = { variable_rows, TP_COUNT_OF(variable_rows) };

void
tp__template_write(const struct tp_template *template, const struct tp_exchange *exchange,
                   struct tp_value_writer *writer)
{
    const struct tp_template_part *end = template->parts + template->count;

    for (const struct tp_template_part *part = template->parts; part != end; part++) {
        write_literal(writer, part->text);
        switch ((enum variable) part->variable) {
#define VARIABLE_CASE_ROW(name, is_prefix, writing, sentence) \
    case VARIABLE_##name:                                     \
        writing;                                              \
        break;
            VARIABLE_TABLE(VARIABLE_CASE_ROW)
#undef VARIABLE_CASE_ROW
        case VARIABLE_NONE:
            break;
        }
    }
}

size_t
tp__template_fixed_max(const struct tp_template *template)
{
    size_t bytes = 0;

    for (size_t i = 0; i < template->count; i++) {
        bytes += template->parts[i].text.len + TP_VARIABLE_BYTES_MAX;
    }
    return bytes;
}

void
tp__value_write_text(struct tp_value_writer *writer, struct tp_str text)
{
    const char *begin = writer->next;

    if (!writer->is_log) {
        write_bytes(writer, text.data, text.len < writer->text_room ? text.len : writer->text_room);
    } else if (text.len == 0) {
        *writer->next++ = '-';
        return;
    } else {
        size_t len_max = writer->text_room / ESCAPED_BYTES_MAX;

        text.len = text.len < len_max ? text.len : len_max;
        write_escaped(writer, text);
    }
    writer->text_room -= (size_t) (writer->next - begin);
}

enum tp_result
tp_template_expand(const struct tp_template *source, struct tp_exchange *exchange,
                   struct tp_slice *text)
{
    struct tp_size limit = tp_exchange_packet_limit(exchange);
    size_t text_max = text_bytes_max(exchange);
    struct tp_buf *buf = NULL;
    size_t len = 0;

    for (size_t i = 0; i < source->count; i++) {
        struct tp_template part = { &source->parts[i], 1 };
        size_t needed = len + tp__template_fixed_max(&part) + text_max;
        enum tp_result result = expand_reserve(exchange, &buf, len, needed);

        if (result == TP_OK) {
            struct tp_value_writer writer = {
                .next = (char *) buf->bytes + len,
                .text_room = text_max,
            };

            tp__template_write(&part, exchange, &writer);
            len = (size_t) (writer.next - (char *) buf->bytes);
            result = len > limit.bytes ? TP_TOO_LARGE : TP_OK;
        }
        if (result != TP_OK) {
            tp_buf_release(buf);
            return result;
        }
    }
    *text = (struct tp_slice){ .buf = buf, .data = buf == NULL ? NULL : buf->bytes, .len = len };
    return TP_OK;
}

/* The longest text that a variable may stand for: each is one of these, or a part of one. */
static size_t
text_bytes_max(const struct tp_exchange *exchange)
{
    const size_t lens[] = {
        exchange->request.uri.len,
        exchange->reply.status.text.len,
        strlen(exchange->source->name),
        exchange->route == NULL ? 0 : exchange->route->uri.len,
    };
    size_t longest = 0;

    for (size_t i = 0; i < TP_COUNT_OF(lens); i++) {
        longest = lens[i] > longest ? lens[i] : longest;
    }
    for (size_t i = 0; i < exchange->server->codec_count; i++) {
        size_t name_len = strlen(exchange->server->codecs[i].codec->name);

        longest = name_len > longest ? name_len : longest;
    }
    return longest;
}

/* Sees to it that *buf has room for `needed` bytes; its first `len` stay. */
static enum tp_result
expand_reserve(struct tp_exchange *exchange, struct tp_buf **buf, size_t len, size_t needed)
{
    if (*buf != NULL && (*buf)->capacity >= needed) {
        return TP_OK;
    }
    /* Twice as much, so that many parts are not many copies; the packet limit bounds it. */
    size_t capacity = *buf == NULL ? needed : 2 * needed;
    struct tp_buf *larger = tp_buf_make(tp_exchange_buf_pool(exchange), capacity);

    if (larger == NULL) {
        return TP_NO_MEMORY;
    }
    if (*buf != NULL) {
        memcpy(larger->bytes, (*buf)->bytes, len);
        tp_buf_release(*buf);
    }
    *buf = larger;
    return TP_OK;
}

/* Most are short: they are copied with what lies behind them, see struct tp_template_part. */
static inline void
write_literal(struct tp_value_writer *writer, struct tp_str text)
{
    char *next = writer->next;

    memcpy(next, text.data, WORD_BYTES);
    if (text.len > WORD_BYTES) {
        memcpy(next, text.data, text.len);
    }
    writer->next = next + text.len;
}

static void
write_bytes(struct tp_value_writer *writer, const char *bytes, size_t len)
{
    if (len > 0) {
        memcpy(writer->next, bytes, len);
        writer->next += len;
    }
}

/* Eight bytes at a time, as long as none of them needs an escape. */
static void
write_escaped(struct tp_value_writer *writer, struct tp_str text)
{
    const char *from = text.data;
    const char *end = from + text.len;
    char *next = writer->next;
    uint64_t word;

    while (end - from >= WORD_BYTES) {
        memcpy(&word, from, sizeof(word));
        if (word_needs_escape(word)) {
            break;
        }
        memcpy(next, &word, sizeof(word));
        next += WORD_BYTES;
        from += WORD_BYTES;
    }
    if (from != end && from != text.data && end - from < WORD_BYTES) {
        /* The last eight bytes once more: those of them that are written already are the same. */
        memcpy(&word, end - WORD_BYTES, sizeof(word));
        if (!word_needs_escape(word)) {
            next += end - from;
            memcpy(next - WORD_BYTES, &word, sizeof(word));
            from = end;
        }
    }
    while (from != end) {
        next = write_escaped_byte(next, (uint8_t) *from++);
    }
    writer->next = next;
}

/* May be true for a word that needs none, never false for one that does. */
static inline bool
word_needs_escape(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones << 7;
    uint64_t quotes = word ^ (ones * '"');
    uint64_t backslashes = word ^ (ones * '\\');

    /* A byte minus n borrows from its highest bit when it is below n; 0x7f and above have it. */
    return ((word | (word + ones) | (word - ones * ' ') | (quotes - ones) | (backslashes - ones))
            & highs)
           != 0;
}

/* Only printing ASCII stays as it is, and neither what ends a quoted text nor the escape itself. */
static inline char *
write_escaped_byte(char *next, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    if (byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\') {
        *next = (char) byte;
        return next + 1;
    }
    next[0] = '\\';
    next[1] = 'x';
    next[2] = digits[byte >> 4];
    next[3] = digits[byte & 15];
    return next + ESCAPED_BYTES_MAX;
}

static void
write_number(struct tp_value_writer *writer, uint64_t number)
{
    writer->next = number_to_text(writer->next, number);
}

/* Most numbers are small: they have a way of their own. */
static inline char *
number_to_text(char *next, uint64_t number)
{
    if (number < 10) {
        *next = (char) ('0' + number);
        return next + 1;
    }
    if (number < 100) {
        write_pair(next, (uint32_t) number);
        return next + 2;
    }
    if (number < 1000) {
        uint32_t hundreds = (uint32_t) number / 100;

        *next = (char) ('0' + hundreds);
        write_pair(next + 1, (uint32_t) number - 100 * hundreds);
        return next + 3;
    }
    return large_number_to_text(next, number);
}

/* What is above 32 bits is taken apart in numbers of nine digits, which are cheaper to divide. */
static char *
large_number_to_text(char *next, uint64_t number)
{
    if (number > UINT32_MAX) {
        next = number_to_text(next, number / 1000000000);
        return write_nine_digits(next, (uint32_t) (number % 1000000000));
    }
    uint32_t rest = (uint32_t) number;
    unsigned digits = 4;

    for (uint32_t limit = 10000; digits < UINT32_DIGITS_MAX && rest >= limit; limit *= 10) {
        digits++;
    }
    char *end = next + digits;

    for (char *at = end - 2; at > next; at -= 2) {
        write_pair(at, rest % 100);
        rest /= 100;
    }
    if (rest < 10) {
        *next = (char) ('0' + rest);
    } else {
        write_pair(next, rest);
    }
    return end;
}

static char *
write_nine_digits(char *next, uint32_t number)
{
    for (char *at = next + 7; at > next; at -= 2) {
        write_pair(at, number % 100);
        number /= 100;
    }
    *next = (char) ('0' + number);
    return next + 9;
}

/* Two digits of a number below 100. */
static inline void
write_pair(char *at, uint32_t number)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";

    memcpy(at, pairs + (size_t) 2 * number, 2);
}

static void
write_signed(struct tp_value_writer *writer, int64_t number)
{
    uint64_t magnitude = (uint64_t) number;

    if (number < 0) {
        *writer->next++ = '-';
        magnitude = 0 - magnitude;
    }
    write_number(writer, magnitude);
}

/* "0.000123" */
static void
write_duration(struct tp_value_writer *writer, int64_t duration_us)
{
    uint64_t duration = duration_us > 0 ? (uint64_t) duration_us : 0;
    uint32_t fraction = (uint32_t) (duration % 1000000);
    char *next = number_to_text(writer->next, duration / 1000000);

    *next = '.';
    write_pair(next + 1, fraction / 10000);
    write_pair(next + 3, fraction / 100 % 100);
    write_pair(next + 5, fraction % 100);
    writer->next = next + 7;
}

/* A pair with a broken escape is passed over, as if it were not there. */
static void
write_argument(struct tp_value_writer *writer, struct tp_str query, struct tp_str name)
{
    while (query.len > 0) {
        struct tp_str value;
        struct tp_str key = tp__str_cut(tp__str_cut(query, '&', &query), '=', &value);

        if (value.len > 0 && argument_is_whole(value) && argument_equals(key, name)) {
            write_decoded(writer, value);
            return;
        }
    }
    tp__value_write_text(writer, TP_STR(""));
}

static void
write_decoded(struct tp_value_writer *writer, struct tp_str text)
{
    while (text.len > 0) {
        char byte = (char) argument_take_byte(&text);

        tp__value_write_text(writer, (struct tp_str){ &byte, 1 });
    }
}

static bool
argument_is_whole(struct tp_str text)
{
    while (text.len > 0) {
        if (argument_take_byte(&text) < 0) {
            return false;
        }
    }
    return true;
}

/* Is `text`, decoded, the same as `plain`? */
static bool
argument_equals(struct tp_str text, struct tp_str plain)
{
    while (text.len > 0 && plain.len > 0
           && argument_take_byte(&text) == (unsigned char) plain.data[0]) {
        plain = tp__str_skip(plain, 1);
    }
    return text.len == 0 && plain.len == 0;
}

/* Takes one byte, decoded, off the front of *text, which is not empty; -1: its escape is broken. */
static int
argument_take_byte(struct tp_str *text)
{
    char first = text->data[0];

    if (first != '%') {
        *text = tp__str_skip(*text, 1);
        return first == '+' ? ' ' : (unsigned char) first;
    }
    int high = text->len > 2 ? tp__str_hex_digit(text->data[1]) : -1;
    int low = text->len > 2 ? tp__str_hex_digit(text->data[2]) : -1;

    *text = tp__str_skip(*text, 3);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void
write_route(struct tp_value_writer *writer, const struct tp_route *route)
{
    tp__value_write_text(writer, route == NULL ? TP_STR("") : route->uri);
}

static void
write_type(struct tp_value_writer *writer, const struct tp_packet *request)
{
    memcpy(writer->next, request->type == TP_PACKET_PULL ? "PULL" : "PUSH", 4);
    writer->next += 4;
}

static void
write_remote(struct tp_value_writer *writer, const struct tp_address *remote)
{
    if (remote->family == TP_ADDRESS_V4) {
        write_address(writer, remote);
        *writer->next++ = ':';
        write_number(writer, remote->port);
    } else {
        tp_address_format(remote, writer->next);
        writer->next += strlen(writer->next);
    }
}

static void
write_address(struct tp_value_writer *writer, const struct tp_address *address)
{
    if (address->family == TP_ADDRESS_V4) {
        char *next = number_to_text(writer->next, address->ip[0]);

        for (int i = 1; i < 4; i++) {
            *next = '.';
            next = number_to_text(next + 1, address->ip[i]);
        }
        writer->next = next;
        return;
    }
    struct tp_address without_port = *address;

    without_port.port = 0;
    tp_address_format(&without_port, writer->next);
    writer->next += strlen(writer->next);
}

/* Its name; the number of one that no module knows; nothing where none was named. */
static void
write_codec(struct tp_value_writer *writer, const struct tp_exchange *exchange, uint8_t codec)
{
    const struct tp_server *server = exchange->server;

    for (size_t i = 0; i < server->codec_count; i++) {
        if (server->codecs[i].codec->id == codec) {
            tp__value_write_text(writer, tp__str(server->codecs[i].codec->name));
            return;
        }
    }
    if (codec == TP_CODEC_NONE) {
        tp__value_write_text(writer, TP_STR(""));
    } else {
        write_number(writer, codec);
    }
}

static void
write_slow(struct tp_value_writer *writer, const struct tp_exchange *exchange)
{
    if (tp__exchange_is_slow(exchange)) {
        write_bytes(writer, "slow", 4);
    } else if (writer->is_log) {
        *writer->next++ = '-';
    }
}

static void
write_time_local(struct tp_value_writer *writer, const struct tp_exchange *exchange)
{
    struct tp_clock_texts *texts = &exchange->sessions->clock_texts;

    tp__clock_texts_update(texts, exchange_now_us(exchange));
    memcpy(writer->next, texts->local, sizeof(texts->local));
    writer->next += texts->local_len;
}

static void
write_time_iso8601(struct tp_value_writer *writer, const struct tp_exchange *exchange)
{
    struct tp_clock_texts *texts = &exchange->sessions->clock_texts;

    tp__clock_texts_update(texts, exchange_now_us(exchange));
    memcpy(writer->next, texts->iso8601, sizeof(texts->iso8601));
    writer->next += texts->iso8601_len;
}

/* When it had its outcome; before that the present. */
static int64_t
exchange_now_us(const struct tp_exchange *exchange)
{
    return exchange->finished_us != 0 ? exchange->finished_us : tp__clock_monotonic_us();
}
