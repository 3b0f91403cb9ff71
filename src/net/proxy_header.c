/*
 * proxy_header.c - reads the PROXY protocol as its specification has it, and nothing besides:
 * what somebody lets in who should not get in is a forged address.
 *
 * Version 1 is a line of text, version 2 a binary head with a length.  No byte behind the header
 * is looked at.
 */
#include "net/proxy_header.h"

#include "base/str.h"

#include <string.h>

enum {
    TEXT_HEADER_MAX = 107, /* with its CR and LF */
    BINARY_HEAD_BYTES = 16,
    BINARY_VERSION = 2,
    BINARY_LOCAL = 0, /* commands */
    BINARY_PROXY = 1,
    BINARY_UNSPECIFIED = 0x00, /* family and transport */
    BINARY_TCP4 = 0x11,
    BINARY_TCP6 = 0x21,
    BINARY_UNIX = 0x31,
    IPV4_BYTES = 4,
    IPV6_BYTES = 16,
    UNIX_PATH_BYTES = 108,
    EXTENSION_HEAD_BYTES = 3, /* a type and a length */
};

static const char text_begin[] = "PROXY ";
static const uint8_t binary_begin[] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                        0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

static bool begins_with(struct tp_str text, const void *begin, size_t begin_len);
static enum tp_proxy_outcome text_read(struct tp_str text, struct tp_proxy_header *header,
                                       const char **why);
static enum tp_proxy_outcome text_read_line(struct tp_str line, struct tp_proxy_header *header,
                                            const char **why);
static bool text_read_address(struct tp_str *rest, enum tp_address_family family,
                              struct tp_address *address);
static bool text_read_port(struct tp_str text, uint16_t *port);
static enum tp_proxy_outcome binary_read(const uint8_t *bytes, size_t len,
                                         struct tp_proxy_header *header, const char **why);
static enum tp_proxy_outcome binary_read_addresses(const uint8_t *bytes,
                                                   struct tp_proxy_header *header,
                                                   const char **why);
static struct tp_address binary_address(enum tp_address_family family, const uint8_t *ip,
                                        const uint8_t *port);
static bool binary_has_extensions(const uint8_t *bytes, size_t len);
static size_t read_u16(const uint8_t *bytes);
static void address_unmap(struct tp_address *address);

enum tp_proxy_outcome
tp__proxy_header_read(const uint8_t *bytes, size_t len, struct tp_proxy_header *header,
                      const char **why)
{
    struct tp_str text = { (const char *) bytes, len };
    enum tp_proxy_outcome outcome = TP_PROXY_NONE;

    *header = (struct tp_proxy_header){ .len = 0 };
    *why = "";
    if (begins_with(text, text_begin, sizeof(text_begin) - 1)) {
        outcome = text_read(text, header, why);
    } else if (begins_with(text, binary_begin, sizeof(binary_begin))) {
        outcome = binary_read(bytes, len, header, why);
    }
    if (outcome == TP_PROXY_WHOLE) {
        address_unmap(&header->source);
        address_unmap(&header->destination);
    }
    return outcome;
}

/* As far as there are bytes. */
static bool
begins_with(struct tp_str text, const void *begin, size_t begin_len)
{
    return text.len == 0
           || memcmp(text.data, begin, text.len < begin_len ? text.len : begin_len) == 0;
}

static enum tp_proxy_outcome
text_read(struct tp_str text, struct tp_proxy_header *header, const char **why)
{
    const char *end = text.len == 0 ? NULL : memchr(text.data, '\n', text.len);
    size_t len = end == NULL ? text.len : (size_t) (end - text.data) + 1;

    if (len > TEXT_HEADER_MAX || (end == NULL && len == TEXT_HEADER_MAX)) {
        *why = "its line is longer than 107 bytes";
        return TP_PROXY_BROKEN;
    }
    if (end == NULL) {
        return TP_PROXY_MORE;
    }
    if (len < sizeof(text_begin) || text.data[len - 2] != '\r') {
        *why = "its line does not end with CR and LF";
        return TP_PROXY_BROKEN;
    }
    header->len = len;
    struct tp_str line = { text.data + sizeof(text_begin) - 1, len - (sizeof(text_begin) - 1) - 2 };

    return text_read_line(line, header, why);
}

/* "TCP4 192.0.2.1 192.0.2.2 56324 443", one space between any two; behind UNKNOWN anything. */
static enum tp_proxy_outcome
text_read_line(struct tp_str line, struct tp_proxy_header *header, const char **why)
{
    struct tp_str rest;
    struct tp_str word = tp__str_cut(line, ' ', &rest);
    enum tp_address_family family = TP_ADDRESS_NONE;

    if (tp__str_equal(word, TP_STR("UNKNOWN"))) {
        return TP_PROXY_WHOLE;
    }
    if (tp__str_equal(word, TP_STR("TCP4"))) {
        family = TP_ADDRESS_V4;
    } else if (tp__str_equal(word, TP_STR("TCP6"))) {
        family = TP_ADDRESS_V6;
    } else {
        *why = "it is neither TCP4, TCP6 nor UNKNOWN";
        return TP_PROXY_BROKEN;
    }
    struct tp_str source_port;

    if (!text_read_address(&rest, family, &header->source)
        || !text_read_address(&rest, family, &header->destination)) {
        *why = "an address is none";
        return TP_PROXY_BROKEN;
    }
    source_port = tp__str_cut(rest, ' ', &rest);
    if (!text_read_port(source_port, &header->source.port)
        || !text_read_port(rest, &header->destination.port)) {
        *why = "a port is none";
        return TP_PROXY_BROKEN;
    }
    header->has_addresses = true;
    return TP_PROXY_WHOLE;
}

static bool
text_read_address(struct tp_str *rest, enum tp_address_family family, struct tp_address *address)
{
    struct tp_str word = tp__str_cut(*rest, ' ', rest);

    return tp_address_parse_ip(word, address) == TP_OK && address->family == family;
}

/* Without leading zeros. */
static bool
text_read_port(struct tp_str text, uint16_t *port)
{
    int64_t number;

    if (text.len == 0 || (text.len > 1 && text.data[0] == '0') || text.data[0] < '0'
        || text.data[0] > '9' || tp__str_to_int64(text, &number) != TP_OK || number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t) number;
    return true;
}

static enum tp_proxy_outcome
binary_read(const uint8_t *bytes, size_t len, struct tp_proxy_header *header, const char **why)
{
    if (len < BINARY_HEAD_BYTES) {
        return TP_PROXY_MORE;
    }
    unsigned version = bytes[12] >> 4;
    unsigned command = bytes[12] & 0x0f;

    header->len = BINARY_HEAD_BYTES + read_u16(bytes + 14);
    if (version != BINARY_VERSION || (command != BINARY_LOCAL && command != BINARY_PROXY)) {
        *why = "its version or command is unknown";
        return TP_PROXY_BROKEN;
    }
    if (header->len > TP_PROXY_HEADER_MAX) {
        *why = "it is longer than 4096 bytes";
        return TP_PROXY_BROKEN;
    }
    if (len < header->len) {
        return TP_PROXY_MORE;
    }
    /* Who checks whether we live speaks for itself, whatever stands behind it. */
    return command == BINARY_LOCAL ? TP_PROXY_WHOLE : binary_read_addresses(bytes, header, why);
}

static enum tp_proxy_outcome
binary_read_addresses(const uint8_t *bytes, struct tp_proxy_header *header, const char **why)
{
    const uint8_t *addresses = bytes + BINARY_HEAD_BYTES;
    size_t rest_len = header->len - BINARY_HEAD_BYTES;
    enum tp_address_family family = TP_ADDRESS_NONE;
    size_t ip_len = 0;
    size_t len = 0;

    switch (bytes[13]) {
    case BINARY_UNSPECIFIED:
        return TP_PROXY_WHOLE; /* What is behind it is to be skipped. */
    case BINARY_TCP4:
        family = TP_ADDRESS_V4;
        ip_len = IPV4_BYTES;
        len = 2 * (IPV4_BYTES + 2);
        break;
    case BINARY_TCP6:
        family = TP_ADDRESS_V6;
        ip_len = IPV6_BYTES;
        len = 2 * (IPV6_BYTES + 2);
        break;
    case BINARY_UNIX:
        family = TP_ADDRESS_UNIX;
        len = 2 * UNIX_PATH_BYTES;
        break;
    default:
        *why = "its addresses are of no stream";
        return TP_PROXY_BROKEN;
    }
    if (rest_len < len || !binary_has_extensions(addresses + len, rest_len - len)) {
        *why = "its lengths do not fit";
        return TP_PROXY_BROKEN;
    }
    header->has_addresses = true;
    if (family == TP_ADDRESS_UNIX) {
        header->source.family = TP_ADDRESS_UNIX;
        header->destination.family = TP_ADDRESS_UNIX;
        return TP_PROXY_WHOLE;
    }
    header->source = binary_address(family, addresses, addresses + 2 * ip_len);
    header->destination = binary_address(family, addresses + ip_len, addresses + 2 * ip_len + 2);
    return TP_PROXY_WHOLE;
}

static struct tp_address
binary_address(enum tp_address_family family, const uint8_t *ip, const uint8_t *port)
{
    struct tp_address address = { .family = (uint8_t) family, .port = (uint16_t) read_u16(port) };

    memcpy(address.ip, ip, family == TP_ADDRESS_V4 ? IPV4_BYTES : IPV6_BYTES);
    return address;
}

/* What a proxy adds is of no interest here, but it has to be whole. */
static bool
binary_has_extensions(const uint8_t *bytes, size_t len)
{
    while (len >= EXTENSION_HEAD_BYTES) {
        size_t extension_len = EXTENSION_HEAD_BYTES + read_u16(bytes + 1);

        if (extension_len > len) {
            return false;
        }
        bytes += extension_len;
        len -= extension_len;
    }
    return len == 0;
}

static size_t
read_u16(const uint8_t *bytes)
{
    return (size_t) bytes[0] << 8 | bytes[1];
}

/* ::ffff:192.0.2.1 is 192.0.2.1: rules and logs know one form only. */
static void
address_unmap(struct tp_address *address)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (address->family == TP_ADDRESS_V6 && memcmp(address->ip, mapped, sizeof(mapped)) == 0) {
        address->family = TP_ADDRESS_V4;
        memmove(address->ip, address->ip + sizeof(mapped), IPV4_BYTES);
        memset(address->ip + IPV4_BYTES, 0, sizeof(address->ip) - IPV4_BYTES);
    }
}
