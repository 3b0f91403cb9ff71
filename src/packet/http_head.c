/*
 * http_head.c - reads and writes the heads of HTTP/1 messages.
 *
 * All bytes are sorted by one table of classes.  What a head says about its message's end
 * is read here and nowhere else: fields that rule it are checked line by line, and together
 * when all are there.
 *
 * Read next: packet/http_chunks.c, modules/protocol/http.
 */
#include <teleport/http_head.h>

#include "base/str.h"

enum {
    LINE_END_LEN = 2, /* CR LF */
    LOOK_BACK = 3,    /* what stands before the LF that ends a head: CR LF CR */
    VERSION_LEN = 8,  /* HTTP/1.1 */
    CODE_LEN = 3,
    LENGTH_DIGITS_MAX = 18, /* so that lengths can be added up */
    QUALITY_DIGITS_MAX = 3,

    CLASS_TOKEN = 1,  /* of methods, names and words */
    CLASS_TARGET = 2, /* of a request's target */
    CLASS_VALUE = 4,  /* of a field's value */
    CLASS_HOST = 8,   /* of a host with its port */
};

static enum tp_result head_on_line_end(const struct tp_chain *input, size_t at, size_t *len);
static bool head_read(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                      struct tp_http_fault *fault, bool is_request);
static bool head_take_line(struct tp_str *bytes, struct tp_str *line, struct tp_http_fault *fault);
static bool head_read_request_line(struct tp_str line, struct tp_http_head *head,
                                   struct tp_http_fault *fault);
static bool head_read_status_line(struct tp_str line, struct tp_http_head *head,
                                  struct tp_http_fault *fault);
static bool head_read_version(struct tp_str text, struct tp_http_head *head,
                              struct tp_http_fault *fault);
static bool head_is_target(struct tp_str method, struct tp_str target);
static bool head_read_fields(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                             struct tp_http_fault *fault);
static bool head_read_line(struct tp_str line, struct tp_http_field *field,
                           struct tp_http_fault *fault);
static bool head_note_field(const struct tp_http_field *field, struct tp_http_head *head,
                            struct tp_http_fault *fault);
static bool head_note_length(struct tp_str value, struct tp_http_head *head,
                             struct tp_http_fault *fault);
static bool head_note_coding(struct tp_str value, struct tp_http_head *head,
                             struct tp_http_fault *fault);
static bool head_note_connection(struct tp_str value, struct tp_http_head *head,
                                 struct tp_http_fault *fault);
static bool head_note_host(struct tp_str value, struct tp_http_head *head,
                           struct tp_http_fault *fault);
static bool head_note_expectation(struct tp_str value, struct tp_http_head *head,
                                  struct tp_http_fault *fault);
static bool head_judge(struct tp_http_head *head, struct tp_http_fault *fault);
static bool head_fail(struct tp_http_fault *fault, int code, const char *why);
static bool is_of_class(struct tp_str text, unsigned char_class);
static bool is_digit(char letter);
static char small_letter(char letter);
static struct tp_str str_trim(struct tp_str text);
static int quality_read(struct tp_str text);

#define T CLASS_TOKEN
#define G CLASS_TARGET
#define V CLASS_VALUE
#define H CLASS_HOST

/* clang-format off */
static const unsigned char byte_classes[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = T|G|V|H, ['"'] = G|V, ['#'] = T|V, ['$'] = T|G|V|H, ['%'] = T|G|V|H, ['&'] = T|G|V|H,
    ['\''] = T|G|V|H, ['('] = G|V|H, [')'] = G|V|H, ['*'] = T|G|V|H, ['+'] = T|G|V|H,
    [','] = G|V|H, ['-'] = T|G|V|H, ['.'] = T|G|V|H, ['/'] = G|V,
    ['0' ... '9'] = T|G|V|H,
    [':'] = G|V|H, [';'] = G|V|H, ['<'] = G|V, ['='] = G|V|H, ['>'] = G|V, ['?'] = G|V, ['@'] = G|V,
    ['A' ... 'Z'] = T|G|V|H,
    ['['] = G|V|H, ['\\'] = G|V, [']'] = G|V|H, ['^'] = T|G|V, ['_'] = T|G|V|H, ['`'] = T|G|V,
    ['a' ... 'z'] = T|G|V|H,
    ['{'] = G|V, ['|'] = T|G|V, ['}'] = G|V, ['~'] = T|G|V|H,
    [0x80 ... 0xff] = V,
};
/* clang-format on */

#undef T
#undef G
#undef V
#undef H

/* ROW(code, words): RFC 9110 §15, and one of later Teleport's own. */
/* clang-format off */
#define REASON_TABLE(ROW) \
    ROW(200, "OK") \
    ROW(201, "Created") \
    ROW(202, "Accepted") \
    ROW(204, "No Content") \
    ROW(206, "Partial Content") \
    ROW(299, "Business Error") \
    ROW(301, "Moved Permanently") \
    ROW(302, "Found") \
    ROW(303, "See Other") \
    ROW(304, "Not Modified") \
    ROW(307, "Temporary Redirect") \
    ROW(308, "Permanent Redirect") \
    ROW(400, "Bad Request") \
    ROW(401, "Unauthorized") \
    ROW(403, "Forbidden") \
    ROW(404, "Not Found") \
    ROW(405, "Method Not Allowed") \
    ROW(406, "Not Acceptable") \
    ROW(408, "Request Timeout") \
    ROW(409, "Conflict") \
    ROW(410, "Gone") \
    ROW(411, "Length Required") \
    ROW(412, "Precondition Failed") \
    ROW(413, "Content Too Large") \
    ROW(414, "URI Too Long") \
    ROW(415, "Unsupported Media Type") \
    ROW(417, "Expectation Failed") \
    ROW(422, "Unprocessable Content") \
    ROW(426, "Upgrade Required") \
    ROW(429, "Too Many Requests") \
    ROW(431, "Request Header Fields Too Large") \
    ROW(500, "Internal Server Error") \
    ROW(501, "Not Implemented") \
    ROW(502, "Bad Gateway") \
    ROW(503, "Service Unavailable") \
    ROW(504, "Gateway Timeout") \
    ROW(505, "HTTP Version Not Supported")
/* clang-format on */

/* The fields that say where a message ends, what comes behind it, and who is meant. */
static const struct {
    struct tp_str name;
    bool (*note)(struct tp_str value, struct tp_http_head *head, struct tp_http_fault *fault);
} ruling_fields[] = {
    { { "Host", 4 }, head_note_host },
    { { "Content-Length", 14 }, head_note_length },
    { { "Transfer-Encoding", 17 }, head_note_coding },
    { { "Expect", 6 }, head_note_expectation },
    { { "Connection", 10 }, head_note_connection },
};

enum tp_result
tp_http_head_find(const struct tp_chain *input, size_t limit, size_t *seen, size_t *len)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(input, &count);
    size_t begin = 0; /* of the slice, in the input */

    for (size_t i = 0; i < count; begin += slices[i++].len) {
        const uint8_t *end = slices[i].data + slices[i].len;
        const uint8_t *at = slices[i].data + (*seen > begin ? *seen - begin : 0);

        if (*seen >= begin + slices[i].len) {
            continue;
        }
        while ((at = memchr(at, '\n', (size_t) (end - at))) != NULL) {
            size_t offset = begin + (size_t) (at - slices[i].data);
            enum tp_result result =
                offset >= limit ? TP_TOO_LARGE : head_on_line_end(input, offset, len);

            if (result != TP_AGAIN) {
                return result;
            }
            at++;
        }
    }
    *seen = input->len;
    return input->len >= limit ? TP_TOO_LARGE : TP_AGAIN;
}

struct tp_str
tp_http_head_hold(const struct tp_chain *input, size_t len, struct tp_buf_pool *pool,
                  struct tp_buf **held)
{
    const struct tp_slice *front = tp_chain_front(input);

    if (len <= front->len) {
        tp_buf_acquire(front->buf);
        *held = front->buf;
        return (struct tp_str){ (const char *) front->data, len };
    }
    *held = tp_buf_make(pool, len);
    if (*held == NULL) {
        return (struct tp_str){ NULL, 0 };
    }
    tp_chain_copy(input, 0, len, (*held)->bytes);
    return (struct tp_str){ (const char *) (*held)->bytes, len };
}

bool
tp_http_request_read(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                     struct tp_http_fault *fault)
{
    return head_read(bytes, fields_max, head, fault, true);
}

bool
tp_http_response_read(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                      struct tp_http_fault *fault)
{
    return head_read(bytes, fields_max, head, fault, false);
}

bool
tp_http_field_next(struct tp_str *fields, struct tp_http_field *field)
{
    const char *end = fields->len == 0 ? NULL : memchr(fields->data, '\n', fields->len);

    if (end == NULL) {
        return false;
    }
    /* It was checked that a line is a name, a colon, a value, CR LF. */
    struct tp_str line = { fields->data, (size_t) (end - fields->data) };

    field->name = tp__str_cut(line, ':', &field->value);
    TP_ASSERT(field->name.len < line.len);
    field->value.len -= field->value.len > 0 ? 1 : 0;
    field->value = str_trim(field->value);
    *fields = tp__str_skip(*fields, line.len + 1);
    return true;
}

bool
tp_http_field_find(struct tp_str fields, struct tp_str name, struct tp_str *value)
{
    struct tp_http_field field;

    while (tp_http_field_next(&fields, &field)) {
        if (tp_http_is_same(field.name, name)) {
            *value = field.value;
            return true;
        }
    }
    return false;
}

bool
tp_http_fields_check(struct tp_str bytes, size_t fields_max, struct tp_http_fault *fault)
{
    struct tp_http_head ignored = { .code = 0 };

    *fault = (struct tp_http_fault){ 0, "" };
    return head_read_fields(bytes, fields_max, &ignored, fault);
}

bool
tp_http_is_same(struct tp_str one, struct tp_str other)
{
    if (one.len != other.len) {
        return false;
    }
    for (size_t i = 0; i < one.len; i++) {
        if (small_letter(one.data[i]) != small_letter(other.data[i])) {
            return false;
        }
    }
    return true;
}

bool
tp_http_list_next(struct tp_str *list, struct tp_str *item)
{
    while (list->len > 0) {
        *item = str_trim(tp__str_cut(*list, ',', list));
        if (item->len > 0) {
            return true;
        }
    }
    return false;
}

bool
tp_http_lists(struct tp_str fields, struct tp_str name, struct tp_str token)
{
    struct tp_http_field field;
    struct tp_str item;

    while (tp_http_field_next(&fields, &field)) {
        if (!tp_http_is_same(field.name, name)) {
            continue;
        }
        while (tp_http_list_next(&field.value, &item)) {
            if (tp_http_is_same(item, token)) {
                return true;
            }
        }
    }
    return false;
}

int
tp_http_item_quality(struct tp_str *item)
{
    int quality = TP_HTTP_QUALITY_MAX;
    struct tp_str rest;

    *item = str_trim(tp__str_cut(*item, ';', &rest));
    while (rest.len > 0) {
        struct tp_str value;
        struct tp_str name =
            str_trim(tp__str_cut(str_trim(tp__str_cut(rest, ';', &rest)), '=', &value));

        if (tp_http_is_same(name, TP_STR("q"))) {
            quality = quality_read(str_trim(value));
        }
    }
    return quality;
}

bool
tp_http_is_token(struct tp_str text)
{
    return text.len > 0 && is_of_class(text, CLASS_TOKEN);
}

/* White space around it would be taken for that of the line. */
bool
tp_http_is_value(struct tp_str text)
{
    return is_of_class(text, CLASS_VALUE) && str_trim(text).len == text.len;
}

struct tp_str
tp_http_reason(int code)
{
    switch (code) {
#define REASON_CASE(number, words) \
    case (number):                 \
        return TP_STR(words);
        REASON_TABLE(REASON_CASE)
#undef REASON_CASE
    default:
        return TP_STR("Status");
    }
}

char *
tp_http_write(char *to, struct tp_str text)
{
    if (text.len > 0) {
        memcpy(to, text.data, text.len);
    }
    return to + text.len;
}

char *
tp_http_write_decimal(char *to, uint64_t number)
{
    char digits[TP_HTTP_DECIMAL_MAX];
    size_t len = 0;

    do {
        digits[sizeof(digits) - ++len] = (char) ('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return tp_http_write(to, (struct tp_str){ digits + sizeof(digits) - len, len });
}

char *
tp_http_write_field(char *to, struct tp_str name, struct tp_str value)
{
    to = tp_http_write(tp_http_write(to, name), TP_STR(": "));
    return tp_http_write(tp_http_write(to, value), TP_STR("\r\n"));
}

/* TP_AGAIN: the LF at `at` ends a line, but not the head. */
static enum tp_result
head_on_line_end(const struct tp_chain *input, size_t at, size_t *len)
{
    uint8_t scratch[LOOK_BACK];
    size_t before_len = at < LOOK_BACK ? at : LOOK_BACK;

    if (before_len == 0) {
        return TP_INVALID;
    }
    const uint8_t *before = tp_chain_peek(input, at - before_len, before_len, scratch);

    if (before[before_len - 1] != '\r') {
        return TP_INVALID;
    }
    bool is_empty_line =
        before_len == 1 || (before_len == LOOK_BACK && before[0] == '\r' && before[1] == '\n');

    *len = at + 1;
    return is_empty_line ? TP_OK : TP_AGAIN;
}

static bool
head_read(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
          struct tp_http_fault *fault, bool is_request)
{
    struct tp_str line;

    *head = (struct tp_http_head){ .code = 0 };
    *fault = (struct tp_http_fault){ 0, "" };
    if (!head_take_line(&bytes, &line, fault)) {
        return false;
    }
    bool is_read = is_request ? head_read_request_line(line, head, fault)
                              : head_read_status_line(line, head, fault);

    return is_read && head_read_fields(bytes, fields_max, head, fault) && head_judge(head, fault);
}

/* Takes a line, without its end. */
static bool
head_take_line(struct tp_str *bytes, struct tp_str *line, struct tp_http_fault *fault)
{
    const char *end = bytes->len == 0 ? NULL : memchr(bytes->data, '\n', bytes->len);

    if (end == NULL || end == bytes->data || end[-1] != '\r') {
        return head_fail(fault, 400, "a line of the head does not end in CR LF");
    }
    *line = (struct tp_str){ bytes->data, (size_t) (end - 1 - bytes->data) };
    *bytes = tp__str_skip(*bytes, line->len + LINE_END_LEN);
    return true;
}

static bool
head_read_request_line(struct tp_str line, struct tp_http_head *head, struct tp_http_fault *fault)
{
    struct tp_str rest;
    struct tp_str version;

    head->method = tp__str_cut(line, ' ', &rest);
    head->target = tp__str_cut(rest, ' ', &version);
    if (!tp_http_is_token(head->method)) {
        return head_fail(fault, 400, "the request's method is malformed");
    }
    if (!head_is_target(head->method, head->target)) {
        return head_fail(fault, 400, "the request's target is malformed");
    }
    return head_read_version(version, head, fault);
}

static bool
head_read_status_line(struct tp_str line, struct tp_http_head *head, struct tp_http_fault *fault)
{
    struct tp_str rest;

    if (!head_read_version(tp__str_cut(line, ' ', &rest), head, fault)) {
        return false;
    }
    struct tp_str code = tp__str_cut(rest, ' ', &head->reason);

    if (code.len != CODE_LEN || !is_digit(code.data[0]) || !is_digit(code.data[1])
        || !is_digit(code.data[2]) || code.data[0] == '0') {
        return head_fail(fault, 400, "the response's status is malformed");
    }
    if (!is_of_class(head->reason, CLASS_VALUE)) {
        return head_fail(fault, 400, "the response's reason is malformed");
    }
    head->code = (code.data[0] - '0') * 100 + (code.data[1] - '0') * 10 + (code.data[2] - '0');
    return true;
}

/* A later minor version than 1 is understood as that (RFC 9110 §2.5). */
static bool
head_read_version(struct tp_str text, struct tp_http_head *head, struct tp_http_fault *fault)
{
    if (text.len != VERSION_LEN || memcmp(text.data, "HTTP/", 5) != 0 || !is_digit(text.data[5])
        || text.data[6] != '.' || !is_digit(text.data[7])) {
        return head_fail(fault, 400, "the version is malformed");
    }
    if (text.data[5] != '1') {
        return head_fail(fault, 505, "only HTTP/1 is spoken here");
    }
    head->version_minor = text.data[7] == '0' ? 0 : 1;
    return true;
}

/* The four forms of RFC 9112 §3.2; what stands in them is not judged here. */
static bool
head_is_target(struct tp_str method, struct tp_str target)
{
    if (target.len == 0 || !is_of_class(target, CLASS_TARGET)) {
        return false;
    }
    if (tp__str_equal(method, TP_STR("CONNECT"))) {
        return is_of_class(target, CLASS_HOST);
    }
    if (target.data[0] == '/') {
        return true;
    }
    if (target.data[0] == '*') {
        return target.len == 1 && tp__str_equal(method, TP_STR("OPTIONS"));
    }
    return tp_http_is_same((struct tp_str){ target.data, target.len < 7 ? target.len : 7 },
                           TP_STR("http://"))
           || tp_http_is_same((struct tp_str){ target.data, target.len < 8 ? target.len : 8 },
                              TP_STR("https://"));
}

static bool
head_read_fields(struct tp_str bytes, size_t fields_max, struct tp_http_head *head,
                 struct tp_http_fault *fault)
{
    const char *begin = bytes.data;
    struct tp_http_field field;
    struct tp_str line;

    if (!head_take_line(&bytes, &line, fault)) {
        return false;
    }
    while (line.len > 0) {
        if (head->field_count == fields_max) {
            return head_fail(fault, 431, "the head has too many fields");
        }
        head->field_count++;
        if (!head_read_line(line, &field, fault) || !head_note_field(&field, head, fault)
            || !head_take_line(&bytes, &line, fault)) {
            return false;
        }
    }
    head->fields = (struct tp_str){ begin, (size_t) (line.data - begin) };
    return bytes.len == 0 || head_fail(fault, 400, "something stands behind the head");
}

static bool
head_read_line(struct tp_str line, struct tp_http_field *field, struct tp_http_fault *fault)
{
    if (line.data[0] == ' ' || line.data[0] == '\t') {
        return head_fail(fault, 400, "a field goes on in the next line");
    }
    const char *colon = memchr(line.data, ':', line.len);

    field->name = (struct tp_str){ line.data, colon == NULL ? 0 : (size_t) (colon - line.data) };
    if (!tp_http_is_token(field->name)) {
        return head_fail(fault, 400, "a field's name is malformed");
    }
    field->value = str_trim(tp__str_skip(line, field->name.len + 1));
    return is_of_class(field->value, CLASS_VALUE)
           || head_fail(fault, 400, "a field's value has a control character");
}

static bool
head_note_field(const struct tp_http_field *field, struct tp_http_head *head,
                struct tp_http_fault *fault)
{
    for (size_t i = 0; i < TP_COUNT_OF(ruling_fields); i++) {
        if (tp_http_is_same(field->name, ruling_fields[i].name)) {
            return ruling_fields[i].note(field->value, head, fault);
        }
    }
    return true;
}

/* Two lengths are refused also where they are equal: somebody on the way made them. */
static bool
head_note_length(struct tp_str value, struct tp_http_head *head, struct tp_http_fault *fault)
{
    if (head->has_length) {
        return head_fail(fault, 400, "the length is said twice");
    }
    if (value.len == 0) {
        return head_fail(fault, 400, "the length is malformed");
    }
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.data[i])) {
            return head_fail(fault, 400, "the length is malformed");
        }
        if (i == LENGTH_DIGITS_MAX) {
            return head_fail(fault, 413, "the length is beyond all limits");
        }
        head->length = head->length * 10 + (uint64_t) (value.data[i] - '0');
    }
    head->has_length = true;
    return true;
}

static bool
head_note_coding(struct tp_str value, struct tp_http_head *head, struct tp_http_fault *fault)
{
    if (head->is_chunked) {
        return head_fail(fault, 400, "the transfer coding is said twice");
    }
    if (!tp_http_is_same(value, TP_STR("chunked"))) {
        return head_fail(fault, 501, "the only transfer coding is \"chunked\"");
    }
    head->is_chunked = true;
    return true;
}

static bool
head_note_connection(struct tp_str value, struct tp_http_head *head, struct tp_http_fault *fault)
{
    struct tp_str item;

    (void) fault;
    while (tp_http_list_next(&value, &item)) {
        if (tp_http_is_same(item, TP_STR("close"))) {
            head->says_close = true;
        } else if (tp_http_is_same(item, TP_STR("keep-alive"))) {
            head->says_keep_alive = true;
        } else if (tp_http_is_same(item, TP_STR("upgrade"))) {
            head->has_upgrade = true;
        } else {
            head->names_hops = true;
        }
    }
    return true;
}

static bool
head_note_host(struct tp_str value, struct tp_http_head *head, struct tp_http_fault *fault)
{
    if (head->has_host) {
        return head_fail(fault, 400, "the host is said twice");
    }
    if (!is_of_class(value, CLASS_HOST)) {
        return head_fail(fault, 400, "the host is malformed");
    }
    head->has_host = true;
    head->host = value;
    return true;
}

static bool
head_note_expectation(struct tp_str value, struct tp_http_head *head, struct tp_http_fault *fault)
{
    if (!tp_http_is_same(value, TP_STR("100-continue"))) {
        return head_fail(fault, 417, "the only expectation is \"100-continue\"");
    }
    head->expects_continue = true;
    return true;
}

/* What all fields come to. */
static bool
head_judge(struct tp_http_head *head, struct tp_http_fault *fault)
{
    bool is_old = head->version_minor == 0;

    if (head->is_chunked && head->has_length) {
        return head_fail(fault, 400, "the body is chunked and has a length");
    }
    if (head->is_chunked && is_old) {
        return head_fail(fault, 400, "HTTP/1.0 has no chunked bodies");
    }
    head->is_kept_alive = !head->says_close && (!is_old || head->says_keep_alive);
    if (is_old) {
        head->expects_continue = false;
        head->has_upgrade = false;
    }
    return true;
}

static bool
head_fail(struct tp_http_fault *fault, int code, const char *why)
{
    *fault = (struct tp_http_fault){ code, why };
    return false;
}

static bool
is_of_class(struct tp_str text, unsigned char_class)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((byte_classes[(unsigned char) text.data[i]] & char_class) == 0) {
            return false;
        }
    }
    return true;
}

static bool
is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static char
small_letter(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char) (letter | 0x20) : letter;
}

static struct tp_str
str_trim(struct tp_str text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = tp__str_skip(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* "1", "0.5", "0.333"; 0 where it is broken. */
static int
quality_read(struct tp_str text)
{
    int quality = 0;
    int unit = TP_HTTP_QUALITY_MAX;

    if (text.len == 0 || text.len > QUALITY_DIGITS_MAX + 2
        || (text.len > 1 && text.data[1] != '.')) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (i != 1) {
            if (!is_digit(text.data[i])) {
                return 0;
            }
            quality += (text.data[i] - '0') * unit;
            unit /= 10;
        }
    }
    return quality > TP_HTTP_QUALITY_MAX ? 0 : quality;
}
