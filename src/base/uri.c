/*
 * uri.c - the pieces that uris are made of, as they are written.
 *
 * Runs in: everywhere.  Owns: nothing.
 */
#include "base/uri.h"

#include "base/str.h"

int
tp__uri_take_byte(struct tp_str *rest)
{
    int byte = (uint8_t) rest->data[0];

    if (byte == '%') {
        int high = rest->len > 2 ? tp__str_hex_digit(rest->data[1]) : -1;
        int low = rest->len > 2 ? tp__str_hex_digit(rest->data[2]) : -1;

        if (high >= 0 && low >= 0) {
            *rest = tp__str_skip(*rest, 3);
            return high * 16 + low;
        }
        byte = -1;
    }
    *rest = tp__str_skip(*rest, 1);
    return byte;
}

size_t
tp__uri_host_begin(struct tp_str uri)
{
    struct tp_str rest;
    struct tp_str scheme = tp__str_cut(uri, ':', &rest);

    return scheme.len < uri.len && uri.data[0] != '/' && tp__str_starts_with(rest, TP_STR("//"))
               ? scheme.len + 3
               : 0;
}

struct tp_str
tp__uri_path(struct tp_str uri)
{
    size_t begin = tp__uri_host_begin(uri);

    while (begin > 0 && begin < uri.len && uri.data[begin] != '/') {
        begin++;
    }
    uri = tp__str_skip(uri, begin);
    for (size_t i = 0; i < uri.len; i++) {
        if (uri.data[i] == '?' || uri.data[i] == '#') {
            uri.len = i;
        }
    }
    return uri;
}
