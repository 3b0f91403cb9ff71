/*
 * base64.c - bytes as letters, and back.
 */
#include <teleport/base64.h>

static const char plain_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int letter_value(char letter, enum tp_base64_form form);

size_t
tp_base64_write(struct tp_str bytes, enum tp_base64_form form, char *letters)
{
    const char *alphabet = form == TP_BASE64_URL ? url_letters : plain_letters;
    char *next = letters;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;

        for (size_t n = 0; n < 3; n++) {
            group = group << 8 | (n < count ? (uint8_t) bytes.data[i + n] : 0);
        }
        for (size_t n = 0; n <= count; n++) {
            *next++ = alphabet[group >> (18 - 6 * n) & 63];
        }
        for (size_t n = count; form == TP_BASE64_PADDED && n < 3; n++) {
            *next++ = '=';
        }
    }
    return (size_t) (next - letters);
}

size_t
tp_base64_read(struct tp_str letters, enum tp_base64_form form, uint8_t *bytes)
{
    uint8_t *next = bytes;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    if (form == TP_BASE64_PADDED) {
        if (letters.len % 4 != 0) {
            return SIZE_MAX;
        }
        for (int i = 0; i < 2 && letters.len > 0 && letters.data[letters.len - 1] == '='; i++) {
            letters.len--;
        }
    }
    if (letters.len % 4 == 1) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < letters.len; i++) {
        int value = letter_value(letters.data[i], form);

        if (value < 0) {
            return SIZE_MAX;
        }
        bits = bits << 6 | (uint32_t) value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *next++ = (uint8_t) (bits >> bit_count);
        }
        bits &= (1u << bit_count) - 1;
    }
    return bits == 0 ? (size_t) (next - bytes) : SIZE_MAX;
}

static int
letter_value(char letter, enum tp_base64_form form)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    if (letter == (form == TP_BASE64_URL ? '-' : '+')) {
        return 62;
    }
    return letter == (form == TP_BASE64_URL ? '_' : '/') ? 63 : -1;
}
